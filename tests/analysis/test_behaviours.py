"""What the stage says of layers that begin a word in a further language."""

from semantic_pivots.analysis.behaviours import _barrier
from semantic_pivots.signature import Signature
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.translation import Item


class Letters:
    """A tokenizer of letters: the id of a letter is its code point."""

    all_special_ids = ()

    def __call__(self, texts, add_special_tokens=False):
        return {"input_ids": [[ord(c) for c in text if c != " "] for text in texts]}

    def decode(self, ids):
        return "".join(map(chr, ids))


def test_an_answer_begins_the_target_with_its_first_piece_alone():
    """The last layer's token is the target's second piece: the item failed, as the trace's further words count too."""
    blank = {
        "top_probs": [0.5], "entropy": 1.0, "mass_source": 0.0, "mass_target": 0.0, "mass_pivot": None,
        "mass_pivot_null": None, "languages": [], "mass_languages": [], "top_language": "", "lens": "logit",
    }  # fmt: skip
    rows = [
        {"item_id": f"i{k}", "layer": layer, "top_ids": [ord(token)], "off_target_correct": astray, **blank}
        for k in range(12)
        for layer, token, astray in ((0, "g", True), (1, "h" if k < 6 else "c", False))
    ]
    items = [Item(f"i{k}", f"c{k}", "en", "fr", "dog", "ch", ()) for k in range(12)]
    rows = list(_barrier(from_rows("trace", rows), items, Letters(), Signature("behaviour")))
    assert {(row["source_language"], row["n"], row["value"]) for row in rows} == {("all", 6, 1.0), ("en", 6, 1.0)}
