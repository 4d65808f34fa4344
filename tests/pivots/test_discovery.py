"""Planted pivots are found; what cannot be a pivot is not; the cut into shards changes nothing."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from semantic_pivots import tables
from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.counting import shard_passes
from semantic_pivots.errors import InputError
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.discovery import discover, discover_stage
from semantic_pivots.pivots.evidence import PairCounts, measures, q_values, tversky
from semantic_pivots.pivots.published import published_contexts
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of
from semantic_pivots.wordforms.table import signature

FILLERS = {code: [f"{code}{chr(97 + i // 8)}{chr(97 + i % 8)}x" for i in range(160)] for code in ("fr", "en")}
STOPS = {"fr": "le", "en": "the"}
PAPER = {"form": "paper", "unit": "token", "measure": "min"}


def documents() -> list[tuple[str, str, str]]:
    """(id, text, language): `chat` and `cat` meet in no document, `felin` and `milk` surround both."""
    chooser, made = random.Random(1), []
    for i in range(1200):
        code = ("fr", "en")[i % 2]
        words = [STOPS[code], *chooser.choices(FILLERS[code], k=8)]
        if i % 40 < 2:
            words += [("chat", "cat")[i % 2], "felin", "12", *(["milk"] if i % 80 < 40 else [])]
        elif i % 80 == 2:
            words += ["felin"]
        made.append((f"d{i}", " ".join(words), code))
    return made


def study(folder: Path, n_shards: int, gap: int = 0) -> Inputs:
    rows = documents()
    vocabulary = {w: i for i, w in enumerate(sorted({w for _, text, _ in rows for w in text.split()} | {"a", "[UNK]"}))}
    # of a tokenizer whose ids have a gap the largest lies above the number of entries
    vocabulary = {word: i + gap * (i > 60) for word, i in vocabulary.items()}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for stage in ("lexicon", "benchmark", "corpus", "tokens"):
        (folder / stage).mkdir(parents=True)
    tokenizer.save(str(folder / "tokens/tokenizer.json"))
    shards, token_shards = [], []
    for i in range(n_shards):
        part = rows[i * len(rows) // n_shards : (i + 1) * len(rows) // n_shards]
        columns = {name: [row[k] for row in part] for k, name in enumerate(("id", "text", "language"))}
        pq.write_table(pa.table({**columns, "source": ["test"] * len(part)}), folder / f"corpus/{i}.parquet")
        ids = [tokenizer.encode(text).ids for text in columns["text"]]
        write_token_shard(folder / f"tokens/{i}.arrow", pa.array(ids, pa.list_(pa.int32())))
        shards.append({"shard": str(i), "path": f"{i}.parquet", "documents": len(part), "text_bytes": 1})
        token_shards.append({"shard": str(i), "path": f"{i}.arrow", "documents": len(part), "tokens": 1})
    pq.write_table(tables.from_rows("shards", shards), folder / "corpus/shards.parquet")
    pq.write_table(tables.from_rows("token_shards", token_shards), folder / "tokens/token_shards.parquet")
    item = {"concept_id": "cat", "source": "chat", "source_language": "fr", "target": "cat", "target_language": "en"}
    items = [{"item_id": "a", **item}, {"item_id": "b", **item, "target": "absent"}]
    pq.write_table(tables.from_rows("items", items), folder / "benchmark/items.parquet")
    return Inputs({stage: folder / stage for stage in ("lexicon", "benchmark", "corpus", "tokens")})


def pivots(folder: Path, n_shards: int = 1, gap: int = 0, **how: object) -> list[dict]:
    inputs = study(folder, n_shards, gap)
    (folder / "work").mkdir()
    config = DiscoverConfig(workers=1, **how)  # type: ignore[arg-type]
    made = discover_stage(config, inputs, Work(folder / "work", folder / "work"))
    return tables.conform("pivots", made["pivots"]).to_pylist()


@pytest.mark.parametrize("unit", ["word", "token"])
@pytest.mark.parametrize("measure", ["tversky", "min", "pmi", "npmi", "llr"])
def test_planted_pivots_come_first(tmp_path: Path, measure: str, unit: str):
    found = pivots(tmp_path, measure=measure, unit=unit)
    assert {row["unit"] for row in found} == {unit}
    assert all((row["token"] is None) == (unit == "word") for row in found)
    assert {row["text"].strip() for row in found[:2]} == {"felin", "milk"}
    assert {row["item_id"] for row in found} == {"a"}
    assert {row["text"].strip() for row in found}.isdisjoint({"chat", "cat", "12", "le", "the"})
    values = [row["value"] for row in found]
    assert values == sorted(values, reverse=True)
    assert [row["rank"] for row in found] == list(range(len(found)))


def test_surpluses_are_differences_of_document_frequencies(tmp_path: Path):
    rows = documents()
    found = {row["text"].strip(): row for row in pivots(tmp_path, false_discovery_rate=1.0, least_share=0.0)}
    for language, column in (("fr", "surplus_source"), ("en", "surplus_target")):
        word = {"fr": "chat", "en": "cat"}[language]
        holding = [text.split() for _, text, _ in rows if word in text.split()]
        for token, row in found.items():
            inside = np.mean([token in words for words in holding])
            outside = np.mean([token in text.split() for _, text, _ in rows])
            assert row[column] == pytest.approx(inside - outside, abs=1e-6)


@pytest.mark.parametrize("form", ["default", "paper"])
def test_ids_with_gaps_give_the_pivots_of_ids_without(tmp_path: Path, form: str):
    def told(gap: int) -> list[tuple]:
        how = PAPER if form == "paper" else {"unit": "token"}
        found = pivots(tmp_path / str(gap), gap=gap, **how)
        return [(row["text"], row["rank"], row["surplus_source"], row["value"]) for row in found]

    assert told(0) == told(100_000)


def test_ids_of_another_tokenizer_are_refused(tmp_path: Path):
    inputs = study(tmp_path, 1)
    for wrong in (500, -1):
        write_token_shard(tmp_path / "tokens/0.arrow", pa.array([[wrong]] * 1200, pa.list_(pa.int32())))
        with pytest.raises(InputError, match=r"0\.arrow: id [0-9]+ lies outside the 329 ids"):
            discover_stage(DiscoverConfig(workers=1, unit="token"), inputs, Work(tmp_path, tmp_path))


def test_draws_do_not_depend_on_the_shards(tmp_path: Path):
    how = {"documents": 12, "false_discovery_rate": 1.0, "least_share": 0.0}
    assert pivots(tmp_path / "one", 1, **how) == pivots(tmp_path / "three", 3, **how)
    # of so many shards most hold none of the words
    assert pivots(tmp_path / "few", 1, **how) == pivots(tmp_path / "many", 150, **how)
    assert pivots(tmp_path / "again", 1, **how) != pivots(tmp_path / "seed", 1, seed=1, **how)


@pytest.mark.parametrize("how", [{}, {"unit": "token"}, PAPER], ids=["words", "tokens", "paper"])
def test_documents_in_memory_have_the_pivots_of_files(tmp_path: Path, how: dict, monkeypatch: pytest.MonkeyPatch):
    inputs = study(tmp_path, 3)
    (tmp_path / "work").mkdir()
    stored = discover_stage(DiscoverConfig(workers=1, **how), inputs, Work(tmp_path / "work", tmp_path / "work"))
    monkeypatch.setattr(shard_passes, "SHARD_DOCUMENTS", 500)
    columns = dict(zip(("id", "text", "language"), zip(*documents(), strict=True), strict=True))
    table = pa.table({**columns, "source": ["test"] * 1200})
    corpus = shard_passes.MemoryCorpus(table, read_tokenizer(tmp_path / "tokens" / "tokenizer.json"))
    result = discover(inputs.table("items"), corpus, DiscoverConfig(**how))
    assert result.pivots.num_rows >= 2
    assert result.pivots.equals(stored["pivots"])
    assert result.evidence.equals(stored["pivot_evidence"])
    assert result.words_without_documents == 1


@pytest.mark.parametrize("form", ["default", "paper"])
def test_words_that_are_nowhere_have_no_pivots(tmp_path: Path, form: str):
    inputs = study(tmp_path, 2)
    items = pq.read_table(tmp_path / "benchmark/items.parquet").slice(1).to_pylist()
    rows = [{**row, "source": "nowhere"} for row in items]
    pq.write_table(tables.from_rows("items", rows), tmp_path / "benchmark/items.parquet")
    (tmp_path / "work").mkdir()
    how = PAPER if form == "paper" else {}
    made = discover_stage(DiscoverConfig(workers=1, **how), inputs, Work(tmp_path / "work", tmp_path / "work"))
    assert tables.conform("pivots", made["pivots"]).num_rows == 0
    (evidence,) = tables.conform("pivot_evidence", made["pivot_evidence"]).to_pylist()
    assert evidence["pivots"] == evidence["candidates"] == 0
    assert evidence["rule"] == ("sub-tokens" if form == "paper" else signature("en"))
    assert evidence["reason"] == "no document of the source or the target"


def test_the_papers_form_repeats_documents_and_removes_nothing(tmp_path: Path):
    found = pivots(tmp_path, **PAPER)
    assert {"felin", "12"} <= {row["text"].strip() for row in found[:3]}
    assert max(row["surplus_source"] for row in found) <= 1


def test_the_papers_draws_are_those_of_the_corpus_in_memory(tmp_path: Path):
    inputs = study(tmp_path, n_shards=5)
    config = DiscoverConfig(documents=50, workers=1, **PAPER)  # type: ignore[arg-type]
    spellings = [("chat", "fr"), ("absent", "en"), ("felin milk", "fr"), ("cat", "en")]
    contexts = published_contexts(shard_passes.StoredCorpus(inputs, Work(tmp_path, tmp_path)), spellings, config)
    texts, rows = [text.strip() for text in contexts.texts], [set(text.split()) for _, text, _ in documents()]
    for word in spellings:
        holders = [row for row, units in enumerate(rows) if units & set(word[0].split())]
        generator = np.random.default_rng(seed_of("discover", config.seed, *word))
        draw = generator.choice(holders, 50).tolist() if holders else []
        units, times = contexts.unit_counts(word)
        found = dict(zip([texts[unit] for unit in units], times.tolist(), strict=True))
        assert found == Counter(unit for row in draw for unit in rows[row])
    generator = np.random.default_rng(seed_of("discover", config.seed, "background"))
    background = Counter(unit for row in generator.integers(0, len(rows), 50).tolist() for unit in rows[row])
    assert {texts[unit]: contexts.frequency[unit] for unit in np.flatnonzero(contexts.frequency)} == background


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"form": "papre"}, "paper"),
        ({"form": "paper", "measure": "llr"}, "expected unit = 'token' and measure = 'min'"),
        ({"unit": "words"}, "expected one of word, token"),
        ({"false_discovery_rate": 0.0}, "expected a number above 0"),
        ({"least_share": 1.5}, "least_share: 1.5 is out of range"),
    ],
)
def test_wrong_forms_are_named(tmp_path: Path, how: dict, says: str):
    with pytest.raises(InputError, match=says):
        pivots(tmp_path, **how)


def test_measures_are_zero_at_independence_and_grow_with_association():
    counts = np.array([10.0, 20.0, 60.0, 100.0])
    made = measures(counts, 100, np.array([200, 200, 200, 200]), 1000)
    for name, values in made.items():
        assert values[1] == pytest.approx(0, abs=1e-9), name
        assert list(values) == sorted(values), name
    assert made["npmi"][3] <= 1


def test_npmi_does_not_depend_on_how_many_documents_were_drawn():
    # a token that is wherever the word is, and nowhere else; one in half of the word's documents; an independent one
    frequency = np.array([40_000, 20_000, 100_000])
    whole = measures(np.array([40_000.0, 20_000.0, 4_000.0]), 40_000, frequency, 1_000_000)["npmi"]
    drawn = measures(np.array([2000.0, 1000.0, 200.0]), 2000, frequency, 1_000_000, 40_000)["npmi"]
    assert whole == pytest.approx(drawn, abs=1e-12)
    assert drawn[0] == pytest.approx(1)
    assert drawn[2] == pytest.approx(0)


def test_what_nothing_supports_has_no_pivots_and_a_reason(tmp_path: Path):
    inputs = study(tmp_path, 1)
    (tmp_path / "work").mkdir()
    # words that stand together by chance alone
    items = pq.read_table(tmp_path / "benchmark/items.parquet").to_pylist()
    rows = [{**items[0], "source": "fradx", "target": "enaex"}]
    pq.write_table(tables.from_rows("items", rows), tmp_path / "benchmark/items.parquet")
    made = discover_stage(DiscoverConfig(workers=1, unit="token"), inputs, Work(tmp_path / "work", tmp_path / "work"))
    assert made["pivots"].num_rows == 0
    (evidence,) = tables.conform("pivot_evidence", made["pivot_evidence"]).to_pylist()
    assert evidence["documents_source"] > 15
    assert evidence["candidates"] >= 1
    assert (evidence["supported"], evidence["reason"]) == (0, "no candidate passes")


def test_words_of_the_concept_in_further_languages_are_marked(tmp_path: Path):
    inputs = study(tmp_path, 1)
    (tmp_path / "work").mkdir()
    items = pq.read_table(tmp_path / "benchmark/items.parquet").to_pylist()
    third = {**items[0], "item_id": "c", "target": "felin", "target_language": "es"}
    pq.write_table(tables.from_rows("items", [items[0], third]), tmp_path / "benchmark/items.parquet")
    made = discover_stage(DiscoverConfig(workers=1), inputs, Work(tmp_path / "work", tmp_path / "work"))
    found = {row["text"]: row["translation"] for row in made["pivots"].to_pylist() if row["item_id"] == "a"}
    assert found["felin"] == "es"
    assert found["milk"] == ""


def test_the_lexicon_says_which_words_are_the_concepts_in_further_languages(tmp_path: Path):
    """As in the trace: a word that no item of the benchmark asks is marked where the lexicon has it."""
    inputs = study(tmp_path, 1)
    (tmp_path / "work").mkdir()
    items = pq.read_table(tmp_path / "benchmark/items.parquet").to_pylist()
    other = {**items[0], "item_id": "c", "concept_id": "other", "target": "felin", "target_language": "es"}
    pq.write_table(tables.from_rows("items", [items[0], other]), tmp_path / "benchmark/items.parquet")
    rows = [
        {"concept_id": items[0]["concept_id"], "language": code, "word": word}
        for code, word in ((items[0]["source_language"], items[0]["source"]), ("es", "felin"), ("de", "milk"))
    ]
    (tmp_path / "lexicon").mkdir(exist_ok=True)
    pq.write_table(tables.from_rows("words", rows), tmp_path / "lexicon/words.parquet")
    given = {stage: inputs.folder(stage) for stage in inputs.stages()} | {"lexicon": tmp_path / "lexicon"}
    made = discover_stage(DiscoverConfig(workers=1), Inputs(given), Work(tmp_path / "work", tmp_path / "work"))
    found = {row["text"]: row["translation"] for row in made["pivots"].to_pylist() if row["item_id"] == "a"}
    assert found["felin"] == "es"
    assert found["milk"] == ""  # German is no language of the benchmark


def beside(times, drawn, frequency, documents, together=0, shared=None) -> PairCounts:
    counts = np.array(times).T
    shared = np.zeros(len(times), np.int64) if shared is None else np.array(shared)
    return PairCounts(np.arange(len(times)), counts, shared, drawn, together, np.array(frequency), documents)


def test_one_document_of_each_word_is_evidence_where_the_unit_is_rare():
    p_rare, p_common = beside([(1, 1), (1, 1)], (10, 10), [3, 3000], 100_000).p_values()
    assert p_rare == pytest.approx((10 * 3 / 100_000) ** 2, rel=1e-3)
    assert p_common > 0.05


def test_long_documents_are_little_evidence():
    short = beside([(1, 1)], (10, 10), [3], 100_000)
    long = dataclasses.replace(short, lengths=(20.0, 20.0, 20.0))
    assert long.p_values()[0] == pytest.approx(400 * short.p_values()[0], rel=1e-2)


def test_one_word_alone_is_no_evidence_of_both():
    # in all documents of the first word, and once beside the second, where chance puts it in every third draw
    (p,) = beside([(30, 1)], (30, 1000), [40], 100_000).p_values()
    assert p < 1e-20  # Fisher's combination lets a strong side carry a weak one,
    (value,) = tversky(beside([(30, 1)], (30, 1000), [40], 100_000), (30, 1000))
    (both,) = tversky(beside([(30, 300)], (30, 1000), [400], 100_000), (30, 1000))
    assert value < both / 2  # and the ranking does not


def test_p_values_hold_where_units_are_thrown_at_random():
    generator = np.random.default_rng(0)
    n, first, second, together = 4000, 60, 40, 15
    rates = generator.uniform(1, 400, n) / 5000
    alone, other, shared = (generator.binomial(m, rates) for m in (first - together, second - together, together))
    times = np.stack([alone + shared, other + shared], axis=1)
    present = (times > 0).all(axis=1)
    made = beside(times[present], (first, second), rates[present] * 5000, 5000, together).p_values()
    p_values = np.concatenate([made, np.ones(n - present.sum())])
    for level in (0.01, 0.05, 0.2):
        assert (p_values <= level).mean() < 1.25 * level
    assert (q_values(p_values, n) <= 0.05).sum() == 0
    twice = beside(times[present], (first, second), rates[present] * 5000, 5000).p_values()
    assert (twice <= 0.01).mean() > (made <= 0.01).mean()  # documents of both words, taken as independent


def test_tversky_is_one_for_company_that_is_kept_always():
    one, half, common = tversky(beside([(10, 10), (5, 5), (10, 10)], (10, 10), [20, 20, 2000], 10_000), (10, 10))
    assert one > half > common
    assert tversky(beside([(10, 10)], (10, 10), [10], 10_000, 10, [10]), (10, 10)) == pytest.approx(
        0.5 / (0.5 / 3 + 2 / 3)
    )
