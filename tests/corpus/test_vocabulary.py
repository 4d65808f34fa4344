"""Ids of users' texts: text is text, whatever the kind of tokenizer and whatever it says."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer, special_tokens, text_ids
from semantic_pivots.errors import InputError
from tests.models import tiny

TEXTS = ["one text.</s> another", "</s>", "<s><unk></s></s>", "", "le chat </ s>"]


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_the_name_of_a_special_token_is_text(kind):
    backend = tiny.tokenizer(kind).backend_tokenizer
    ends, unknown = {backend.token_to_id("<s>"), backend.token_to_id("</s>")}, backend.token_to_id("<unk>")
    assert ends < set(special_tokens(backend))
    for text, ids in zip(TEXTS, text_ids(backend, TEXTS), strict=True):
        assert ends.isdisjoint(ids)
        if unknown not in ids:
            assert backend.decode(ids, skip_special_tokens=False) == text
    plain = ["the sun and the moon", "太阳 le soleil"]
    assert text_ids(backend, plain) == [backend.encode(text, add_special_tokens=False).ids for text in plain]


def test_a_word_of_the_vocabulary_that_is_special_is_text_too():
    backend = Tokenizer(models.WordLevel({"cat": 0, "<end>": 1, "[UNK]": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens([AddedToken("<end>", special=True)])
    assert 1 not in text_ids(backend, ["cat <end> cat"])[0]


def test_the_number_of_ids_is_the_largest_and_one():
    backend = Tokenizer(models.WordLevel({"cat": 0, "dog": 700, "[UNK]": 2}, unk_token="[UNK]"))
    assert backend.get_vocab_size() == 3
    assert id_count(backend) == 701
    backend.add_special_tokens([AddedToken("<end>", special=True)])
    assert id_count(backend) == max(backend.get_vocab().values()) + 1


def test_what_is_no_tokenizer_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="not a tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")
