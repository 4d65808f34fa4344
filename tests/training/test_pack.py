import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import transformers

from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.errors import InputError
from semantic_pivots.scoring.bits_per_byte import text_nats
from semantic_pivots.training.pack import check_end, pack, pack_texts
from semantic_pivots.training.small_models import word_tokenizer
from semantic_pivots.training.stored_tokens import same_tokenizer, store_tokens
from tests.models import tiny

WORDS = [f"w{i}" for i in range(40)]
TOKENIZER = word_tokenizer(WORDS)


@pytest.fixture
def shards(tmp_path):
    paths = {}
    for name, first in (("a", 0), ("b", 20)):
        texts = [" ".join([WORDS[first + i]] * (i + 1)) for i in range(20)]
        pq.write_table(pa.table({"text": texts}), tmp_path / f"{name}.parquet")
        paths[name] = tmp_path / f"{name}.parquet"
    return paths


def selection(*rows: tuple[str, int]) -> pa.Table:
    names, numbers = [name for name, _ in rows], [row for _, row in rows]
    ids = [f"{name}{row}" for name, row in rows]
    return pa.table({"shard": names, "row": pa.array(numbers, pa.int64()), "doc_id": ids})


def packed(chosen: pa.Table, shards: dict[str, Path], *given: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        return pack(chosen, store_tokens(chosen, shards, TOKENIZER, Path(folder)), *given)


def documents(sequences: np.ndarray) -> list[list[int]]:
    """The documents of a stream, cut at its end tokens; the last may be cut short."""
    found: list[list[int]] = [[]]
    for token in sequences.ravel().tolist():
        if token == TOKENIZER.eos_token_id:
            found.append([])
        else:
            found[-1].append(token)
    return found


def test_every_selected_document_stands_whole_and_once_an_epoch(shards):
    chosen = selection(("a", 3), ("b", 5), ("a", 0))
    epoch = (4 + 1) + (6 + 1) + (1 + 1)
    found = documents(packed(chosen, shards, 3 * epoch, epoch, 0))[:9]
    expected = sorted(TOKENIZER(text)["input_ids"] for text in ["w3 " * 4, "w25 " * 6, "w0"])
    for start in (0, 3, 6):
        assert sorted(found[start : start + 3]) == expected


def test_the_order_follows_the_seed_and_the_ids_alone(shards):
    rows = [("a", i) for i in range(10)] + [("b", i) for i in range(10)]
    one = packed(selection(*rows), shards, 96, 16, 4)
    np.testing.assert_array_equal(one, packed(selection(*rows[::-1]), shards, 96, 16, 4))
    assert (one != packed(selection(*rows), shards, 96, 16, 5)).any()
    assert one.shape == (6, 16)
    assert one.dtype == np.int32


def test_a_short_run_samples_the_whole_selection(tmp_path):
    pq.write_table(pa.table({"text": [f"{word} " * 100 for word in WORDS]}), tmp_path / "long.parquet")
    chosen = selection(*[("long", i) for i in range(40)])
    runs = [packed(chosen, {"long": tmp_path / "long.parquet"}, 200, 10, seed) for seed in range(5)]
    assert min(len(np.unique(run)) for run in runs) > 10  # its first documents in any order would be two
    assert packed(chosen, {"long": tmp_path / "long.parquet"}, 9, 10, 0).shape == (0, 10)


def test_documents_end_where_they_end_and_nowhere_else():
    named = tiny.tokenizer("byte-level")
    rows = pack_texts([f"one text {named.eos_token} another", "the sun"] * 9, named, 64, 32)
    whole = named.decode(rows[0].tolist())
    assert whole.startswith(f"one text {named.eos_token} another{named.eos_token}the sun{named.eos_token}one")
    assert rows[0].tolist().count(named.eos_token_id) == 2


def test_a_tokenizer_without_an_end_token_writes_none(recwarn):
    nameless = transformers.PreTrainedTokenizerFast(tokenizer_object=tiny.tokenizer("byte-level").backend_tokenizer)
    (row,) = pack_texts(["the sun"] * 9, nameless, 16, 16)
    assert row.tolist() == (nameless("the sun")["input_ids"] * 9)[:16]
    told: list[str] = []
    assert check_end(nameless, False, told.append) is None
    assert "no end token" in told[0]
    with pytest.raises(InputError, match="document_boundaries: the tokenizer names no end token"):
        check_end(nameless, True, told.append)
    measured = text_nats(tiny.model("llama").eval(), nameless, ["the sun and the moon", "the", ""])
    whole = text_nats(tiny.model("llama").eval(), tiny.tokenizer("byte-level"), ["the sun and the moon"])
    assert 0 < measured[0][1] < whole[0][1] == 20
    assert measured[1:] == [(0.0, 0), (0.0, 0)]


def test_an_empty_selection_is_refused(shards):
    with pytest.raises(InputError, match="no text"):
        packed(selection(), shards, 32, 16, 0)


def test_too_few_texts_are_an_error_that_says_how_much_was_wanted():
    with pytest.raises(InputError, match="1,000 tokens"):
        pack_texts(["w1 w2"], TOKENIZER, 1000, 10)


def test_stored_tokens_are_those_of_the_texts_from_texts_and_from_token_shards(shards, tmp_path):
    chosen = selection(("b", 3), ("a", 1), ("b", 0), ("a", 1))
    plain = store_tokens(chosen, shards, TOKENIZER, tmp_path / "texts")
    tokens = {}
    for name, path in shards.items():
        tokens[name] = tmp_path / f"{name}.arrow"
        write_token_shard(tokens[name], pa.array(TOKENIZER(pq.read_table(path)["text"].to_pylist())["input_ids"]))
    absent = dict.fromkeys(shards, tmp_path / "absent")
    ready = store_tokens(chosen, absent, TOKENIZER, tmp_path / "tokens", tokens)
    again = store_tokens(chosen, absent, TOKENIZER, tmp_path / "texts")  # a stopped run's files are taken up
    for stored in (plain, ready, pickle.loads(pickle.dumps(again))):
        rows = [stored.document(place).tolist() for place in stored.places(chosen)]
        assert rows == [[*TOKENIZER(text)["input_ids"], TOKENIZER.eos_token_id] for text in
                        ("w23 " * 4, "w1 w1", "w20", "w1 w1")]  # fmt: skip


def test_a_tokenizer_is_the_same_whatever_it_was_last_used_for(tmp_path):
    named = tiny.tokenizer("byte-level")
    told = json.loads(named.backend_tokenizer.to_str())
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**told, "truncation": {"max_length": 3}}), "utf-8")
    assert same_tokenizer(named, path)
    path.write_text(json.dumps({**told, "pre_tokenizer": None}), "utf-8")
    assert not same_tokenizer(named, path)
