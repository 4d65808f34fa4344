"""The documents drawn of each word are those of the definition, however the shards are cut."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.counting.document_draws import draw, survey
from semantic_pivots.counting.shard_passes import StoredCorpus
from semantic_pivots.counting.strings import hash_of, shuffle
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import SCHEMAS

WORDS = (
    ("b", "en"),
    ("a", "en"),
    ("", "en"),
    ("a", "fr"),
    ("犬", "ja"),
    ("A", "en"),
)  # three are one pattern, one none
HELD = ["b", "a", None, "a", "犬", "a"]
SEEDS = [3, -1, 0, 2**70, 5, 3]
DOCUMENT = st.tuples(st.sets(st.sampled_from("ab犬")), st.sampled_from(["en", "fr"]), st.lists(st.integers(0, 6)))
SHARDS = st.lists(st.lists(DOCUMENT, max_size=9), min_size=1, max_size=4)


def corpus(folder: Path, shards: list, ids: list[str]) -> Inputs:
    numbers, rows, tokens = iter(ids), [], []
    for i, shard in enumerate(shards):
        texts, languages, lists = zip(*shard, strict=True) if shard else ((), (), ())
        columns = {
            "id": pa.array([next(numbers) for _ in shard], pa.string()),
            "text": pa.array([" ".join(sorted(text)) for text in texts], pa.string()),
            "language": pa.array(languages, pa.string()),
            "source": pa.array(["test"] * len(shard), pa.string()),
        }
        pq.write_table(pa.table(columns), folder / f"{i}.parquet")
        write_token_shard(folder / f"{i}.arrow", pa.array(lists, pa.list_(pa.int32())))
        rows.append({"shard": str(i), "path": f"{i}.parquet", "documents": len(shard)})
        tokens.append({"shard": str(i), "path": f"{i}.arrow", "documents": len(shard)})
    for name, table in (("shards", rows), ("token_shards", tokens)):
        pq.write_table(pa.Table.from_pylist(table, schema=SCHEMAS[name]), folder / f"{name}.parquet")
    return Inputs({"corpus": folder, "tokens": folder})


@pytest.mark.parametrize("repeated", [False, True])
@settings(deadline=None, max_examples=150)
@given(shards=SHARDS, size=st.integers(1, 4))
def test_draws_are_those_with_the_smallest_hashes(repeated, shards, size):
    documents = [document for shard in shards for document in shard]
    ids = [str(i % 2 if repeated else i) for i in range(len(documents))]
    keys = hash_of(pa.array(ids, pa.string()))
    number = np.array([-1, 0, 2, -1, 1, 70_000, 3], np.int32)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        how = StoredCorpus(corpus(place, shards, ids), Work(place, place))
        met = survey(how, WORDS, 7)
        found = draw(how, WORDS, SEEDS, size, met.totals, number)
    for code in ("en", "fr"):
        of_language = [tokens for _, language, tokens in documents if language == code]
        assert met.documents.get(code, 0) == len(of_language)
        counts = [sum(token in tokens for tokens in of_language) for token in range(7)]
        assert met.frequency.get(code, np.zeros(7)).tolist() == counts
    for word, (held, seed) in enumerate(zip(HELD, SEEDS, strict=True)):
        holders = [i for i, (text, _, _) in enumerate(documents) if held in text]
        assert met.totals[word] == len(holders)
        place_of = shuffle(keys, seed)
        drawn = sorted(sorted(holders, key=lambda i: (int(place_of[i]), i))[:size])
        assert found.documents[found.draws[word]].tolist() == drawn
    for i, document in enumerate(found.documents.tolist()):
        kept = [int(number[token]) for token in dict.fromkeys(documents[document][2]) if number[token] >= 0]
        assert found.tokens[found.starts[i] : found.starts[i + 1]].tolist() == kept


def test_many_documents_of_one_id_are_read_again_until_there_are_enough():
    """Of 5,000 documents 100 are wanted; their ids have a few hashes, so hardly any lies within the first bound."""
    shards = [[({"a"}, "en", [1])] * 5000]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        inputs = corpus(place, shards, [str(i % 3) for i in range(5000)])
        how = StoredCorpus(inputs, Work(place, place))
        held = survey(how, WORDS, 7).totals
        found = draw(how, WORDS, SEEDS, 100, held, np.zeros(7, np.int32))
        assert list(place.glob("draws-1-*.parquet"))  # it was
    for word, held_word in enumerate(HELD):
        assert len(found.draws[word]) == (100 if held_word == "a" else 0)
    keys = shuffle(hash_of(pa.array(["0", "1", "2"], pa.string())), SEEDS[1])
    assert found.documents[found.draws[1]].tolist() == list(range(int(np.argmin(keys)), 300, 3))
