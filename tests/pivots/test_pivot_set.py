"""Rows of the token graph equal scipy's product; rates do not grow with the corpus; stability is measured."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import sparse
from tokenizers import Tokenizer, models, pre_tokenizers

from semantic_pivots import ranks
from semantic_pivots.corpus.token_shards import read_token_shard, write_token_shard
from semantic_pivots.counting import shard_passes
from semantic_pivots.counting.shard_passes import MemoryCorpus, StoredCorpus
from semantic_pivots.counting.unit_counts import renumber
from semantic_pivots.errors import InputError
from semantic_pivots.pivots import pivot_set, token_degrees, token_graph
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.pivots.stability import places, sample, stability
from semantic_pivots.run import Inputs, Work


def random_corpus(seed: int, n: int = 120, size: int = 60, longest: int = 12) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, size + 1)
    documents = [
        generator.choice(size, generator.integers(0, longest), replace=False, p=weights / weights.sum())
        for _ in range(n)
    ]
    starts = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    return starts, np.concatenate(documents).astype(np.int32)


def expect_rows(made: token_graph.Rows, product: np.ndarray, frequency: np.ndarray, settings: tuple[int, int, int]):
    """Compare rows of every token with those of the (tokens, tokens) numbers of common documents."""
    least, drawn, top = settings
    counted = np.where(product >= least, product, 0)
    assert made.degree.tolist() == (counted > 0).sum(axis=1).tolist()
    assert made.strength.tolist() == counted.sum(axis=1).tolist()
    for t in range(len(product)):
        several = int(frequency[t])
        chance = [
            1 - (math.comb(several - c, drawn) / math.comb(several, drawn) if several > drawn else float(c == 0))
            for c in counted[t][counted[t] > 0].tolist()
        ]
        assert made.rarefied_degree[t] == pytest.approx(sum(chance))
        strongest = sorted(np.flatnonzero(counted[t]).tolist(), key=lambda u, row=counted[t]: (-row[u], u))[:top]
        assert [u for u in made.neighbours[t].tolist() if u >= 0] == strongest


def matrix_of(starts: np.ndarray, tokens: np.ndarray, size: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return sparse.csr_matrix((np.ones(len(tokens), np.int64), (rows, tokens)), (len(starts) - 1, size))


@pytest.mark.parametrize("seed", range(8))
def test_rows_equal_the_sparse_product(seed: int):
    size, settings = 60, (1 + seed % 3, 4, 5)
    starts, tokens = random_corpus(seed, size=size)
    ids, numbered = renumber(tokens, size)
    matrix = matrix_of(starts, numbered, len(ids))
    product = (matrix.T @ matrix).toarray()
    frequency = product.diagonal().copy()
    np.fill_diagonal(product, 0)
    documents, every = token_graph.Documents(starts, numbered), np.arange(len(ids), dtype=np.int32)
    expect_rows(
        token_graph.rows(documents, len(ids), every, *settings, threads=1 + seed % 3), product, frequency, settings
    )
    chosen = every[3::7]
    some = token_graph.rows(documents, len(ids), chosen, *settings)
    assert some.degree.tolist() == np.where(product >= settings[0], 1, 0).sum(axis=1)[chosen].tolist()
    assert not len(token_graph.rows(documents, len(ids), every[:0], *settings).degree)


@pytest.mark.parametrize("numbers", [1, 2_000, 1 << 26])
def test_rows_of_a_corpus_equal_the_sparse_product(numbers: int, tmp_path: Path, monkeypatch):
    """Rows that are counters and rows that are lists, in one block, in several, and one by one."""
    monkeypatch.setattr(token_degrees, "_NUMBERS", numbers)
    inputs, settings = published(tmp_path / "corpus", 300), (2, 5, 4)
    lists = [row for shard in range(3) for row in read_token_shard(tmp_path / f"corpus/t{shard}.arrow").to_pylist()]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in lists])])
    degrees = token_degrees.TokenDegrees(StoredCorpus(inputs, work(tmp_path / "w")), 91)
    number = np.full(91, -1)
    number[degrees.ids] = np.arange(len(degrees.ids))
    matrix = matrix_of(starts, number[np.concatenate(lists)], len(degrees.ids))
    product = (matrix.T @ matrix).toarray()
    frequency = product.diagonal().copy()
    np.fill_diagonal(product, 0)
    assert degrees.frequency.tolist() == frequency.tolist() == sorted(frequency, reverse=True)
    assert degrees.slots.tolist() == product.sum(axis=1).tolist()
    assert degrees.documents == 300
    assert degrees.languages == ["en", "fr"]
    made = degrees.rows(np.arange(len(degrees.ids), dtype=np.int32), *settings)
    expect_rows(made, product, frequency, settings)


def test_the_chance_beyond_the_table():
    common, frequency, drawn = np.array([70_000, 99_999]), 100_000, 10
    expected = [1 - math.comb(frequency - c, drawn) / math.comb(frequency, drawn) for c in common.tolist()]
    assert [token_graph._chance(c, frequency, drawn) for c in common.tolist()] == pytest.approx(expected, abs=1e-15)
    assert token_graph._presence(70_000, frequency, drawn, 1)[common[0]] == pytest.approx(expected[0], abs=1e-12)


def test_configuration_model_by_simulation():
    frequency = np.array([50, 20, 5, 5, 1, 0])
    generator = np.random.default_rng(0)
    met = [len(np.unique(generator.choice(6, 30, p=frequency / 81))) for _ in range(4000)]
    mean, variance = pivot_set.expected_degree(np.array([30]), frequency, 81.0)
    assert mean[0] == pytest.approx(np.mean(met), rel=0.02)
    assert variance[0] > 0


def test_language_shares_by_hand():
    # Tokens 0-3 are of language 0, 4-7 of language 1, 8 stands beside both, 9 only beside language 0.
    left = [[0, 1, 8, 9], [2, 3, 8], [0, 3, 9], [1, 2]] * 10
    right = [[4, 5, 8], [6, 7, 8], [4, 7], [5, 6]] * 10
    texts = [" ".join(f"w{token}" for token in document) for document in left + right]
    codes = ["en"] * len(left) + ["fr"] * len(right)
    degrees = token_degrees.TokenDegrees(memory_corpus(texts, codes, {f"w{i}": i for i in range(10)}), 10)
    shares = pivot_set.language_shares(degrees.meetings)
    of_token = dict(zip(degrees.ids.tolist(), shares.tolist(), strict=True))
    assert of_token[8] == pytest.approx([0.5, 0.5], abs=0.1)
    assert of_token[9] == [1.0, 0.0]
    assert of_token[0] == [1.0, 0.0]
    assert degrees.meetings[degrees.ids.tolist().index(0)].tolist() == [
        40,
        0,
    ]  # 1, 3 and twice 9, ten times each; not itself


def test_documents_of_rare_languages_count_only_as_documents():
    """Nineteen documents do not make a language, and a token of theirs is not its own neighbour."""
    texts = ["a b c"] * 20 + ["a b"] * 19 + ["d e"] * 20
    codes = ["en"] * 20 + ["xx"] * 19 + ["fr"] * 20
    degrees = token_degrees.TokenDegrees(memory_corpus(texts, codes, {w: i for i, w in enumerate("abcde")}), 5)
    assert degrees.languages == ["en", "fr"]
    assert degrees.documents == 59
    of_a = degrees.ids.tolist().index(0)
    assert degrees.frequency[of_a] == 39
    assert degrees.by_language[of_a].tolist() == [20, 0]
    assert degrees.meetings[of_a].tolist() == [39 + 20, 0]


@pytest.mark.parametrize("codes", [["", "", ""], ["en", "fr", "en"]])
def test_a_shard_may_hold_no_token(codes: list[str], monkeypatch):
    monkeypatch.setattr(shard_passes, "SHARD_DOCUMENTS", 60)
    texts = ["a b c", "d e", "a d"] * 20 + [""] * 60 + ["a"] * 3
    corpus = memory_corpus(texts, codes * 20 + [codes[0]] * 63, {w: i for i, w in enumerate("abcde")})
    degrees = token_degrees.TokenDegrees(corpus, 5)
    rows = degrees.rows(np.arange(5, dtype=np.int32), 1, 10, 3)
    assert dict(zip(degrees.ids.tolist(), rows.degree.tolist(), strict=True)) == {0: 3, 1: 2, 2: 2, 3: 2, 4: 1}


def memory_corpus(texts: list[str], codes: list[str], words: dict[str, int]) -> MemoryCorpus:
    columns = {
        "id": [str(i) for i in range(len(texts))],
        "text": texts,
        "language": codes,
        "source": ["x"] * len(texts),
    }
    return MemoryCorpus(pa.table(columns), tokenizer_of(words))


def tokenizer_of(words: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({**words, "[UNK]": len(words)}, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    return tokenizer


def published(folder: Path, n: int = 3000) -> Inputs:
    """A corpus of two languages whose tokens 0-39 belong to one, 40-79 to the other, and 80-89 to both."""
    words = {f"tok{chr(97 + i // 26)}{chr(97 + i % 26)}": i for i in range(90)}
    folder.mkdir()
    tokenizer_of(words).save(str(folder / "tokenizer.json"))
    generator = np.random.default_rng(8)
    shards, token_shards = [], []
    for k in range(3):
        tokens, languages = [], []
        for _ in range(n // 3):
            other = bool(generator.random() < 0.5)
            own = generator.choice(40, 5, replace=False) + 40 * other
            both = 80 + generator.choice(10, 1) if generator.random() < 0.5 else np.zeros(0, int)
            tokens.append(np.concatenate([own, both]).tolist())
            languages.append("fr" if other else "en")
        held = n // 3
        texts = [" ".join(list(words)[token] for token in document) for document in tokens]
        columns = {"id": [f"{k}-{i}" for i in range(held)], "text": texts, "language": languages}
        pq.write_table(pa.table({**columns, "source": ["x"] * held}), folder / f"d{k}.parquet")
        write_token_shard(folder / f"t{k}.arrow", pa.array(tokens, pa.list_(pa.int32())))
        same = {"shard": f"s{k}", "documents": held}
        shards.append({**same, "path": f"d{k}.parquet", "language": "mixed", "source": "x", "text_bytes": 0})
        token_shards.append({**same, "path": f"t{k}.arrow", "tokens": sum(map(len, tokens))})
    pq.write_table(pa.Table.from_pylist(shards), folder / "shards.parquet")
    pq.write_table(pa.Table.from_pylist(token_shards), folder / "token_shards.parquet")
    return Inputs({"corpus": folder, "tokens": folder})


def work(folder: Path) -> Work:
    folder.mkdir(parents=True)
    return Work(folder, folder)


def test_the_rarefied_set_is_that_of_a_sample_too(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    config = GraphConfig(criterion="rarefied", min_rarefied_ratio=0.5, stability_draws=2, workers=2)
    made = pivot_set.graph_stage(config, inputs, work(tmp_path / "work"))
    assert sorted(made["pivot_set"]["token"].to_pylist()) == list(range(80, 90))
    assert made["pivot_set"]["languages"].to_pylist() == [["en", "fr"]] * 10
    rows = made["pivot_stability"].to_pylist()
    assert [(r["sample"], r["draw"]) for r in rows] == [
        ("halves", 0), ("quarter", 0), ("quarter", 1), ("tenth", 0), ("tenth", 1),
    ]  # fmt: skip
    assert all(r["overlap"] == r["recovered"] == 1 for r in rows)
    # One worker or two, a fresh run or a continued one: the same tables.
    again = pivot_set.graph_stage(
        GraphConfig(criterion="rarefied", min_rarefied_ratio=0.5, stability_draws=2, workers=1),
        inputs,
        work(tmp_path / "again"),
    )
    assert all(again[name].equals(made[name]) for name in made)


def test_ranks_share_the_samples(tmp_path: Path, monkeypatch):
    inputs = published(tmp_path / "corpus", n=600)
    config = GraphConfig(criterion="rarefied", min_rarefied_ratio=0.5, stability_draws=1, workers=1)
    alone = pivot_set.graph_stage(config, inputs, work(tmp_path / "alone"))
    together = work(tmp_path / "together")
    tables: dict[str, pa.Table] = {}
    for turn in range(2 * 20):  # the sample and three passes of each of five sets
        monkeypatch.setattr(ranks, "_share", ranks.Share(turn % 2, 2))
        with contextlib.suppress(ranks.UnfinishedRanks):
            tables = pivot_set.graph_stage(config, inputs, together)
            break
    assert len(alone) == 2
    assert all(tables[name].equals(alone[name]) for name in alone)
    assert not list(together.folder.glob("sample-*/shards"))


def test_samples_are_disjoint_and_of_their_share(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    found = []
    for k in range(4):
        part = sample(inputs, tmp_path / f"quarter-{k}", k / 4, (k + 1) / 4, GraphConfig(seed=1, workers=1))
        for row in part.table("shards").to_pylist():
            table = pq.read_table(part.folder("corpus") / row["path"])
            assert table.num_rows == row["documents"]
            held = part.table("token_shards").filter(pc.equal(part.table("token_shards")["shard"], row["shard"]))
            tokens = read_token_shard(part.folder("tokens") / held["path"][0].as_py())
            assert held["tokens"].to_pylist() == [sum(map(len, tokens.to_pylist()))]
            found.extend(table["id"].to_pylist())
    assert len(found) == len(set(found)) == 3000
    place = places(pa.chunked_array([found]), seed=1)
    assert abs((place < 0.25).mean() - 0.25) < 0.03
    assert places(pa.chunked_array([["a"]]), 1) != places(pa.chunked_array([["a"]]), 2)


def test_an_unstable_set_is_told(tmp_path: Path):
    """A criterion that looks at the sample's documents alone has no overlap."""
    inputs = published(tmp_path / "corpus", n=300)

    def fickle(config: GraphConfig, some: Inputs, scratch: Work) -> tuple[pa.Table, dict[str, int]]:
        first = some.table("shards")["documents"][0].as_py()
        return pa.table({"token": pa.array([first], pa.int32()), "text": ["a"]}), {}

    whole = pa.table({"token": pa.array([100], pa.int32()), "text": ["b"]})
    rows = stability(fickle, GraphConfig(), whole, inputs, work(tmp_path / "w")).to_pylist()
    assert [r["recovered"] for r in rows if r["sample"] != "halves"] == [0, 0]


@pytest.mark.parametrize("criterion", ["degree-fdr", "fixed-count"])
def test_the_other_degree_criteria_run(tmp_path: Path, criterion: str):
    config = GraphConfig(criterion=criterion, false_discovery_rate=1.0, min_ratio=0.0, stability_draws=0)
    made = pivot_set.graph_stage(config, published(tmp_path / "corpus", 600), work(tmp_path / "w"))
    assert set(made["pivot_set"]["token"].to_pylist()) <= set(range(80, 90))
    assert made["pivot_stability"].num_rows == 0


@pytest.mark.parametrize("criterion", ["rarefied", "degree-fdr", "fixed-count"])
def test_the_set_depends_neither_on_blocks_nor_on_where_the_documents_are(tmp_path: Path, criterion: str, monkeypatch):
    inputs = published(tmp_path / "corpus", 600)
    limits = {"false_discovery_rate": 1.0, "min_ratio": 0.0, "min_rarefied_ratio": 0.5, "stability_draws": 0}
    config = GraphConfig(criterion=criterion, **limits)
    expected = pivot_set.graph_stage(config, inputs, work(tmp_path / "whole"))["pivot_set"]
    monkeypatch.setattr(token_degrees, "_NUMBERS", 100)
    monkeypatch.setattr(shard_passes, "SHARD_DOCUMENTS", 70)
    two = dataclasses.replace(config, workers=2)
    assert pivot_set.graph_stage(two, inputs, work(tmp_path / "blocks"))["pivot_set"].equals(expected)
    documents = pa.concat_tables(pq.read_table(tmp_path / f"corpus/d{shard}.parquet") for shard in range(3))
    tokenizer = Tokenizer.from_file(str(tmp_path / "corpus/tokenizer.json"))
    assert pivot_set.pivot_set(config, [], MemoryCorpus(documents, tokenizer))[0].cast(expected.schema).equals(expected)


def test_a_damaged_part_is_told_and_made_again(tmp_path: Path):
    inputs, scratch = published(tmp_path / "corpus", 600), work(tmp_path / "w")
    config = GraphConfig(criterion="rarefied", min_rarefied_ratio=0.5, stability_draws=1, workers=1)
    expected = pivot_set.graph_stage(config, inputs, scratch)
    part = scratch.folder / "meetings-s1.parquet"
    part.write_bytes(part.read_bytes().replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfc"))  # where zstd begins
    for path in scratch.folder.glob("rows-*"):
        path.unlink()
    with pytest.raises(InputError, match=r"meetings-s1\.parquet: missing or damaged"):
        pivot_set.graph_stage(config, inputs, scratch)
    again = pivot_set.graph_stage(config, inputs, scratch)
    assert all(again[name].equals(expected[name]) for name in expected)


def test_a_sample_that_cannot_be_read_is_no_empty_set(tmp_path: Path):
    inputs = published(tmp_path / "corpus", 300)

    def damaged(config: GraphConfig, some: Inputs, scratch: Work) -> tuple[pa.Table, dict[str, int]]:
        raise InputError("part: missing or damaged")

    whole = pa.table({"token": pa.array([100], pa.int32()), "text": ["b"]})
    with pytest.raises(InputError, match="damaged"):
        stability(damaged, GraphConfig(), whole, inputs, work(tmp_path / "w"))


def test_errors_for_people(tmp_path: Path):
    inputs = published(tmp_path / "corpus", 60)
    with pytest.raises(InputError, match="did you mean 'rarefied'"):
        pivot_set.graph_stage(GraphConfig(criterion="rarefed"), inputs, work(tmp_path / "a"))
    with pytest.raises(InputError, match="no token is a hub of two languages"):
        pivot_set.graph_stage(GraphConfig(criterion="rarefied", min_rarefied_ratio=99.0), inputs, work(tmp_path / "b"))
    for key in ("sample_tokens", "samples", "least_share"):
        with pytest.raises(InputError, match=f"{key}: 0 is out of range"):
            pivot_set.graph_stage(GraphConfig(**{key: 0}), inputs, work(tmp_path / key))
