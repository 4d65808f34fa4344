import pytest
import torch
import transformers

from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.readouts import Patchscope, residual_sample
from semantic_pivots.models.tokens import answer_span, answer_spans, prompt_ids
from semantic_pivots.scoring.prefixes import fed_tokens, plan
from tests.models import tiny

PROMPT = "Please translate words from English to French.\n\nEnglish: water\nFrench:"


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_the_span_covers_the_answer_and_nothing_else(kind):
    tokenizer = tiny.tokenizer(kind)
    for word in tiny.WORDS:
        ids, start, end = answer_span(tokenizer, PROMPT, f" {word}")
        assert ids[:start] == prompt_ids(tokenizer, [PROMPT])[0]
        assert end == len(ids)
        if tokenizer.unk_token_id not in ids[start:end]:
            assert tokenizer.decode(ids[start:end]).strip() == word


def test_trailing_special_tokens_are_no_part_of_the_answer():
    from tokenizers import processors

    tokenizer = tiny.tokenizer("byte-fallback")
    raw = tokenizer.backend_tokenizer
    before = raw.post_processor
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    try:
        ids, _, end = answer_span(tokenizer, PROMPT, " sun")
        assert end == len(ids)
        assert ids[-1] != 1
    finally:
        raw.post_processor = before


def test_one_tokenizer_with_and_without_an_end_token_reads_the_same_prompt():
    from tokenizers import processors

    plain = tiny.tokenizer("byte-fallback")
    raw = tiny.Tokenizer.from_str(plain.backend_tokenizer.to_str())
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    ending = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    assert ending(PROMPT)["input_ids"][-1] == 1
    assert prompt_ids(ending, [PROMPT, "a"]) == prompt_ids(plain, [PROMPT, "a"])
    lens = Lens.from_model(tiny.model("llama"))
    assert Patchscope(lens, ending).prompt == Patchscope(lens, plain).prompt
    texts = ["the sun and the moon", "le soleil et la lune"] * 4
    rows = [residual_sample(lens, tokenizer, texts, 8, 16) for tokenizer in (plain, ending)]
    torch.testing.assert_close(*rows)


@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
def test_the_name_of_a_special_token_in_a_prompt_is_text(kind):
    tokenizer = tiny.tokenizer(kind)
    ids, start, _ = answer_span(tokenizer, "Say </s> now:", " </s>")
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids[start:]).strip() == "</s>"


@pytest.mark.parametrize(
    ("prompt", "answer", "said"),
    [
        ("English: water\nFren", "ch", "merges"),
        ("English: ", "sun", "merges"),
        ("English:", "", "empty answer"),
        ("", "sun", "nothing precedes"),
    ],
)
def test_no_span_is_an_error_that_names_the_text(prompt, answer, said):
    with pytest.raises(InputError, match=said):
        answer_spans(tiny.tokenizer("byte-level"), [prompt], [answer])


def test_the_plan_reads_every_request_once_and_feeds_shared_beginnings_once():
    shots = [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 9, 10, 11, 12, 13, 14]]
    sequences = [[*shot, 20 + word, 30, 40 + answer, 50] for shot in shots for word in range(5) for answer in range(3)]
    groups = plan(sequences, [10] * len(sequences))
    assert sorted(i for group in groups for row in group.rows for i in row.requests) == list(range(len(sequences)))
    assert [len(group.prefix) for group in groups] == [8, 8]
    for group in groups:
        for row in group.rows:
            for request in row.requests:
                fed = [*group.prefix, *row.tokens]
                assert fed[: len(sequences[request]) - 1] == sequences[request][:-1]
    assert fed_tokens(groups) == 2 * (8 + 5 * 3 * 3)


def test_an_answer_of_one_token_is_read_off_a_longer_row():
    groups = plan([[1, 2, 3, 4], [1, 2, 3, 5, 6], [1, 2, 3, 5]], [3, 3, 3])
    rows = [row for group in groups for row in group.rows]
    assert len(rows) == 1
    assert sorted(rows[0].requests) == [0, 1, 2]


def test_a_slow_tokenizer_is_an_error_for_people():
    with pytest.raises(InputError, match="ByT5Tokenizer gives no offsets"):
        answer_spans(transformers.ByT5Tokenizer(), [PROMPT], [" chat"])
