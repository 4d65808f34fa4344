"""Token shards: equal to the reference tokenizer, in the order of the documents, whatever the batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from semantic_pivots.corpus.token_shards import read_token_shard
from semantic_pivots.errors import InputError
from semantic_pivots.models import tokenise

TEXTS = ["the cat sat on the mat", "le chat était là", "猫は可愛い、猫", "语义枢轴 and pivots", "123 456"] * 20


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Path]:
    """A small byte-level BPE tokenizer of the kind of GPT-2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return tokenizer, path


def test_gigatoken_is_chosen_and_equals_the_reference(tokenizer):
    backend, path = tokenizer
    encode, reason = tokenise.choose_encoder(backend, path, [TEXTS[:2], TEXTS[2:]], workers=1)
    assert reason.startswith("gigatoken")
    ids, lengths = encode(TEXTS)
    expected = [backend.encode(text, add_special_tokens=False).ids for text in TEXTS]
    assert ids.tolist() == [i for row in expected for i in row]
    assert lengths.tolist() == [len(row) for row in expected]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=6))
def test_gigatoken_equals_the_reference_on_any_text(tokenizer, texts):
    backend, path = tokenizer
    assert tokenise.first_difference(texts, tokenise.reference_encoder(backend), tokenise.fast_encoder(path)) is None


def test_the_name_of_the_end_token_in_a_text_ends_nothing(tokenizer):
    backend, path = tokenizer
    encode, reason = tokenise.choose_encoder(backend, path, [TEXTS], workers=1)
    assert reason.startswith("gigatoken")
    texts = ["plain", "one.<|endoftext|>two", "", "<|endoftext|>", "plain"]
    ids, lengths = encode(texts)
    assert backend.token_to_id("<|endoftext|>") not in ids
    ends = np.cumsum(lengths)
    assert [backend.decode(ids[e - n : e].tolist()) for e, n in zip(ends, lengths, strict=True)] == texts


def test_an_encoder_with_other_ids_is_not_used(tokenizer, tmp_path):
    backend, path = tokenizer
    other = json.loads(path.read_text("utf-8"))
    other["model"]["merges"] = other["model"]["merges"][:-40]
    damaged = tmp_path / "tokenizer.json"
    damaged.write_text(json.dumps(other), "utf-8")
    encode, reason = tokenise.choose_encoder(backend, damaged, [TEXTS], workers=1)
    assert reason.startswith("tokenizers")
    assert encode(TEXTS[:1])[0].tolist() == backend.encode(TEXTS[0]).ids


def test_a_tokenizer_unknown_to_gigatoken_uses_the_reference(tmp_path):
    backend = Tokenizer(models.WordLevel({"cat": 0, "[UNK]": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    encode, reason = tokenise.choose_encoder(backend, tmp_path / "tokenizer.json", [["cat"]], workers=1)
    assert reason.startswith("tokenizers")
    assert encode(["cat cat", "", "dog"])[0].tolist() == [0, 0, 1]


def test_a_shard_keeps_rows_and_empty_texts_whatever_the_batches(tokenizer, tmp_path, monkeypatch):
    backend, _ = tokenizer
    texts = ["", *TEXTS, "", "x"]
    source = tmp_path / "documents.parquet"
    pq.write_table(pa.table({"text": texts}), source)
    encode = tokenise.reference_encoder(backend)
    counts = tokenise.tokenise_shard(encode, source, tmp_path / "one.arrow").to_pylist()[0]
    monkeypatch.setattr(tokenise, "_BATCH_BYTES", 30)
    tokenise.tokenise_shard(encode, source, tmp_path / "many.arrow")
    assert (tmp_path / "one.arrow").read_bytes() == (tmp_path / "many.arrow").read_bytes()
    rows = read_token_shard(tmp_path / "one.arrow").to_pylist()
    assert [len(row) for row in rows] == encode(texts)[1].tolist()
    assert counts == {"documents": len(texts), "tokens": int(np.sum(encode(texts)[1]))}


def test_a_damaged_shard_is_named(tokenizer, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"x\.parquet.*--force corpus"):
        tokenise.tokenise_shard(tokenise.reference_encoder(tokenizer[0]), tmp_path / "x.parquet", tmp_path / "y")
