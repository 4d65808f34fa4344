import polars
import pytest
import torch
from rich.console import Console

from semantic_pivots.commands.explain import Explained, Step, explain, table, write_heatmap
from semantic_pivots.errors import InputError
from semantic_pivots.models.load import load
from tests import miniature


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    miniature.write(folder)
    return str(folder / "model")


def test_the_path_ends_where_the_model_does(model, tmp_path):
    found = explain(model, "en", "dog", "fr")
    assert found.target == "chien"
    assert len(found.steps) == 3
    loaded = load(model)
    with torch.inference_mode():
        ids = torch.tensor([loaded.tokenizer(found.prompt)["input_ids"]])
        probs = torch.softmax(loaded.model(input_ids=ids).logits[0, -1], -1).topk(5)
    assert found.steps[-1].probs == pytest.approx(probs.values.tolist(), abs=1e-5)
    console = Console(width=200, record=True)
    console.print(table(found))
    assert "dog → chien" in console.export_text()
    page, picture = write_heatmap(found, tmp_path / "deep" / "path")
    assert "plotly" in page.read_text("utf-8").lower()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_shots_show_nothing_of_the_word(model):
    found = explain(model, "en", "dog", "fr")
    assert found.prompt.count("dog") == 1
    assert "chien" not in found.prompt


def test_an_unknown_language_is_told(model):
    with pytest.raises(InputError, match="did you mean 'fr'"):
        explain(model, "en", "dog", "french")


def test_pivots_of_a_run_and_words_of_further_languages_are_marked(model, tmp_path):
    plain = explain(model, "en", "dog", "fr")
    shown = [token for step in plain.steps for token, kind in zip(step.tokens, step.kinds, strict=True) if not kind]
    item = {"item_id": "i", "source_language": "en", "target_language": "fr", "source": "dog"}
    row = {"item_id": "i", "token": 0, "text": f" {shown[0]}", "rank": 0, "measure": "min", "value": 1.0}
    for stage, name, rows in (
        ("benchmark", "items", [item]),
        ("discover", "pivots", [row | {"surplus_source": 1.0, "surplus_target": 1.0}]),
    ):
        (tmp_path / stage).mkdir()
        polars.DataFrame(rows).write_parquet(tmp_path / stage / f"{name}.parquet")
    marked = explain(model, "en", "dog", "fr", run=tmp_path)
    kinds = {t: k for step in marked.steps for t, k in zip(step.tokens, step.kinds, strict=True)}
    assert kinds[shown[0]] == "pivot"
    assert all(k != "pivot" for t, k in kinds.items() if t != shown[0])
    with pytest.raises(InputError, match="no pivots of en cat to fr; it has those of dog"):
        explain(model, "en", "cat", "fr", run=tmp_path)
    with pytest.raises(InputError, match="expected the run of a study"):
        explain(model, "en", "dog", "fr", run=tmp_path / "none")


def test_tokens_are_drawn_letter_by_letter(tmp_path):
    """Each of these is a formula to matplotlib, a style to rich, or bold to plotly."""
    words = ["$$", "$x$ $", "[/INST]", "[/b]", "[red]", "<b>", "\\", "&lt;"]
    steps = [Step(0, words[:5], [0.2] * 5, [""] * 5, 1.0), Step(1, words[3:], [0.2] * 5, [""] * 5, 1.0)]
    found = Explained("a/[model]", "[/b]", "$$", steps, "")
    console = Console(width=200, record=True)
    console.print(table(found, 200))
    shown = console.export_text()
    assert all(word in shown for word in (*words, "[/b] → $$, a/[model]"))
    page, picture = write_heatmap(found, tmp_path / "path")
    assert any(form in page.read_text("utf-8") for form in ("&lt;b&gt;", r"\u0026lt;b\u0026gt;"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_prompt_beyond_the_context_and_negative_shots_are_told(model):
    with pytest.raises(InputError, match="shots = -1: expected 0 or more"):
        explain(model, "en", "dog", "fr", shots=-1)
