"""Scores against brute force, selections against their definition, and the same bytes on any number of workers."""

from __future__ import annotations

import dataclasses
import json
import random
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection import selections
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.selection.selectors import _surely
from semantic_pivots.selection.token_budgets import by_stratum, tolerance
from semantic_pivots.selection.user_columns import join
from semantic_pivots.wordforms.rule import SPELLING, contains

LEXICON = [
    ("house", "en", "house"), ("maison", "fr", "house"), ("家", "zh", "house"), ("家", "ja", "house"),
    ("water", "en", "water"), ("eau", "fr", "water"), ("水槽", "ja", "water"),
    ("garden", "en", "garden"), ("jardin", "fr", "garden"), ("table", "en", "table"), ("table", "fr", "table"),
]  # fmt: skip
PAIRS = [("house", "en", "maison", "fr"), ("garden", "en", "jardin", "fr"), ("table", "en", "table", "fr")]
FILLER = "of the near with many under long good light some".split()


def texts(n: int, seed: int) -> list[str]:
    chooser = random.Random(seed)
    spelled = [w for w, _, _ in LEXICON]
    return [
        " ".join(chooser.choices(spelled, k=chooser.randrange(6)) + chooser.choices(FILLER, k=chooser.randrange(40)))
        for _ in range(n)
    ]


def published(folder: Path, n: int = 400) -> Inputs:
    """A corpus of two shards whose tokens are whole words; the pivot set is `garden` and `light`."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = sorted({w for w, _, _ in LEXICON} | set(FILLER) | {"[UNK]"})
    number = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(number, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    shards, token_shards = [], []
    for k in range(2):
        held = texts(n // 2, k)
        ids = [[number[w] for w in text.split()] for text in held]
        languages = [("en", "fr", "ja")[i % 3] for i in range(len(held))]
        columns = {"id": [f"d{k}-{i}" for i in range(len(held))], "text": held, "language": languages}
        pq.write_table(pa.table({**columns, "source": ["x"] * len(held)}), folder / f"d{k}.parquet")
        write_token_shard(folder / f"t{k}.arrow", pa.array(ids, pa.list_(pa.int32())))
        same = {"shard": f"s{k}", "documents": len(held)}
        shards.append({**same, "path": f"d{k}.parquet", "language": "mixed", "source": "x", "text_bytes": 0})
        token_shards.append({**same, "path": f"t{k}.arrow", "tokens": sum(map(len, ids))})
    pq.write_table(pa.Table.from_pylist(shards), folder / "shards.parquet")
    pq.write_table(pa.Table.from_pylist(token_shards), folder / "token_shards.parquet")
    pivots = pa.table({"token": pa.array([number["garden"], number["light"]], pa.int32())})
    pq.write_table(pivots, folder / "pivot_set.parquet")
    lexicon = [{"word": w, "language": c, "concept_id": k} for w, c, k in LEXICON]
    pq.write_table(pa.Table.from_pylist(lexicon), folder / "words.parquet")
    items = [{"source": a, "source_language": b, "target": c, "target_language": d} for a, b, c, d in PAIRS]
    pq.write_table(pa.Table.from_pylist(items), folder / "items.parquet")
    (folder / "target.txt").write_text(" ".join(["garden light near"] * 5000))
    return Inputs({"corpus": folder, "tokens": folder})


def select(config: SelectConfig, scores: pa.Table, where: Work) -> pa.Table:
    folder = Path(tempfile.mkdtemp(dir=where.folder))
    return selections.select(config, Scores(scores), Work(folder, folder))  # type: ignore[return-value]


def select_stage(config: SelectConfig, inputs: Inputs, where: Work) -> dict[str, pa.Table]:
    """The tables, of shards one behind the other."""
    results = selections.select_stage(config, inputs, where)
    return {name: pa.concat_tables(map(pq.read_table, parts.values())) for name, parts in results.items()}  # type: ignore[union-attr]


def work(folder: Path) -> Work:
    folder.mkdir(parents=True)
    return Work(folder, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Inputs, pa.Table, Path]:
    folder = tmp_path_factory.mktemp("select")
    inputs = published(folder / "corpus")
    config = SelectConfig(budget_tokens=500, workers=1, dsir_target=str(folder / "corpus" / "target.txt"))
    return inputs, select_stage(config, inputs, work(folder / "w"))["doc_scores"], folder


def everything(inputs: Inputs) -> list[tuple[str, str, str]]:
    """Id, text and language of every document."""
    rows = []
    for k in range(2):
        rows += pq.read_table(inputs.folder("corpus") / f"d{k}.parquet").to_pylist()
    return [(row["id"], row["text"], row["language"]) for row in rows]


def test_scores_equal_brute_force(made):
    inputs, scores, _ = made
    told = [(w, c, k) for w, c, k in LEXICON if w not in ("家", "table", "eau")]  # 家, table: of two; eau: short
    # 家 of Chinese and Japanese is one pattern, table of English and French another; their languages are not told.
    for row, (name, text, _) in zip(scores.to_pylist(), everything(inputs), strict=True):
        assert row["doc_id"] == name
        assert row["n_tokens"] == len(text.split())
        assert row["units"] == row["n_tokens"]
        assert row["pivot_units"] == sum(word in ("garden", "light") for word in text.split())
        here = [(w, c, k) for w, c, k in told if contains(text, (w, c), SPELLING)]
        by_language = {c: sum(d == c for _, d, _ in here) for _, c, _ in here}
        by_concept = {k: {c for _, c, j in here if j == k} for _, _, k in here}
        assert row["languages_met"] == len(by_language)
        assert row["lexicon_words"] == len(here)
        assert row["dominant_words"] == max(by_language.values(), default=0)
        assert row["concepts"] == len(by_concept)
        assert row["parallel_concepts"] == sum(len(codes) >= 2 for codes in by_concept.values())
        met = [all(contains(text, end, SPELLING) for end in ((a, b), (c, d))) for a, b, c, d in PAIRS if a != c]
        pair = any(met)
        assert row["holds_pair"] == pair
    assert 0 < sum(scores["holds_pair"].to_pylist()) < scores.num_rows


def config_of(**changes) -> SelectConfig:
    return dataclasses.replace(SelectConfig(budget_tokens=600, min_tokens=5, seed=3), **changes)


def chosen(scores: pa.Table, config: SelectConfig, folder: Path, name: str) -> list[dict]:
    rows = select(config, scores, Work(folder, folder)).to_pylist()
    return [row for row in rows if row["selection"] == name]


@pytest.mark.parametrize("name", ["pivot-rich", "random", "bilingual", "code-switched", "parallel", "dsir"])
def test_a_selection_is_the_head_of_its_order(made, name: str):
    _, scores, folder = made
    config = config_of(selections=(name,), dsir_target="given")
    rows = chosen(scores, config, folder, name)
    n = {r["doc_id"]: r["n_tokens"] for r in scores.to_pylist()}
    assert 600 - tolerance(config) <= sum(r["n_tokens"] for r in rows) <= 600
    assert [(r["shard"], r["row"]) for r in rows] == sorted((r["shard"], r["row"]) for r in rows)
    if name in ("pivot-rich", "dsir"):
        value = {r["doc_id"]: r["pivot_units"] / max(r["n_tokens"], 1) if name == "pivot-rich" else r["dsir"]
                 for r in scores.to_pylist() if r["n_tokens"] >= 5}  # fmt: skip
        taken = {r["doc_id"] for r in rows}
        for document, own in value.items():  # one that is left did not fit when its turn came
            if document not in taken:
                before = sum(n[i] for i in taken if value[i] >= own)
                assert before + n[document] > 600
    other = chosen(scores, dataclasses.replace(config, seed=4), folder, name)
    assert (name == "random") <= (rows != other)


def test_language_matched_has_the_languages_of_pivot_rich(made):
    _, scores, folder = made
    table = select(config_of(selections=("pivot-rich", "language-matched")), scores, Work(folder, folder))
    tokens = {}
    for row in table.to_pylist():
        key = (row["selection"], row["language"])
        tokens[key] = tokens.get(key, 0) + row["n_tokens"]
    for code in ("en", "fr", "ja"):
        assert abs(tokens["language-matched", code] - tokens["pivot-rich", code]) <= 10


def test_quotas_thresholds_and_the_leakage_guard(made):
    _, scores, folder = made
    quotas = config_of(selections=("pivot-rich", "random"), quotas=("en=0.75", "fr=0.25"))
    for name in quotas.selections:
        rows = chosen(scores, quotas, folder, name)
        held = {c: sum(r["n_tokens"] for r in rows if r["language"] == c) for c in ("en", "fr", "ja")}
        assert 440 <= held["en"] <= 460
        assert 140 <= held["fr"] <= 160
        assert held["ja"] == 0
    short = chosen(
        scores, config_of(selections=("random",), thresholds=("n_tokens<=20", "pivot_share>=0.1")), folder, "random"
    )
    assert short
    share = {r["doc_id"]: r["pivot_units"] / max(r["n_tokens"], 1) for r in scores.to_pylist()}
    assert all(r["n_tokens"] <= 20 and share[r["doc_id"]] >= 0.1 for r in short)
    pair = {r["doc_id"]: r["holds_pair"] for r in scores.to_pylist()}
    clean = chosen(scores, config_of(selections=("parallel",), exclude_pairs=True), folder, "parallel")
    assert not any(pair[r["doc_id"]] for r in clean)
    even = chosen(
        scores, config_of(selections=("parallel",), stratify_pairs=True, budget_tokens=1500), folder, "parallel"
    )
    corpus = scores.to_pylist()
    wanted = sum(r["n_tokens"] for r in corpus if r["holds_pair"]) / sum(r["n_tokens"] for r in corpus)
    found = sum(r["n_tokens"] for r in even if pair[r["doc_id"]]) / sum(r["n_tokens"] for r in even)
    assert found == pytest.approx(wanted, abs=0.05)


def test_columns_of_the_user(made):
    _, scores, folder = made
    names = scores["doc_id"].to_pylist()
    added = pa.table({"doc_id": names[::2], "quality": np.arange(len(names[::2]), dtype=np.int64)})
    pq.write_table(added, folder / "added.parquet")
    config = config_of(selections=("column:quality",), columns=str(folder / "added.parquet"), min_tokens=0)
    rows = chosen(scores, config, folder, "column:quality")
    best = [names[::2][i] for i in range(len(names[::2]) - 1, -1, -1)]
    n = dict(zip(names, scores["n_tokens"].to_pylist(), strict=True))
    expected, left = set(), config.budget_tokens
    for document in best:
        if 0 < n[document] <= left:
            expected.add(document)
            left -= n[document]
    assert {r["doc_id"] for r in rows} == expected
    limited = dataclasses.replace(config, selections=("random",), thresholds=("quality>=100",))
    assert {r["doc_id"] for r in chosen(scores, limited, folder, "random")} <= set(names[::2][100:])
    pq.write_table(pa.concat_tables([added, added]), folder / "twice.parquet")
    with pytest.raises(InputError, match="stands twice"):
        select(dataclasses.replace(config, columns=str(folder / "twice.parquet")), scores, Work(folder, folder))


def test_documents_without_a_score_are_told(made, capfd):
    _, scores, folder = made
    names = scores["doc_id"].to_pylist()
    added = pa.table({"doc_id": names[:3], "quality": [2**60, 2**61, 2**62]})
    pq.write_table(added, folder / "few.parquet")
    config = config_of(selections=("column:quality",), columns=str(folder / "few.parquet"), min_tokens=0)
    rows = chosen(scores, config, folder, "column:quality")
    assert {r["doc_id"] for r in rows} > set(names[:3])
    assert f"{len(rows) - 3} of {len(rows)} documents taken by column:quality have no score" in capfd.readouterr().err
    pq.write_table(added.set_column(0, "doc_id", pa.array(["x", "y", "z"])), folder / "none.parquet")
    with pytest.raises(InputError, match="none of its doc_ids"):
        select(dataclasses.replace(config, columns=str(folder / "none.parquet")), scores, Work(folder, folder))
    infinite = added.set_column(1, "quality", pa.array([np.inf, -np.inf, 1.0]))
    pq.write_table(infinite, folder / "infinite.parquet")
    rows = chosen(
        scores, dataclasses.replace(config, columns=str(folder / "infinite.parquet")), folder, *config.selections
    )
    assert names[0] in {r["doc_id"] for r in rows}
    assert "2 values of 'quality' are infinite" in capfd.readouterr().err
    pq.write_table(added.set_column(0, "doc_id", pa.array(["x", None, "z"])), folder / "null.parquet")
    with pytest.raises(InputError, match="1 rows have no doc_id"):
        select(dataclasses.replace(config, columns=str(folder / "null.parquet")), scores, Work(folder, folder))
    pq.write_table(added.set_column(0, "doc_id", pa.array([[1], [2], [3]])), folder / "list.parquet")
    with pytest.raises(InputError, match="doc_id is of type list"):
        select(dataclasses.replace(config, columns=str(folder / "list.parquet")), scores, Work(folder, folder))


def test_scores_by_uuid_meet_documents_by_uuid(tmp_path):
    keys = [uuid.uuid5(uuid.NAMESPACE_URL, str(i)) for i in range(3)]
    raw = pa.array([key.bytes for key in keys], pa.binary(16))
    documents = Scores(pa.table({"doc_id": [str(key) for key in keys]}))
    for number, ids in enumerate((raw, pa.ExtensionArray.from_storage(pa.uuid(), raw))):
        pq.write_table(pa.table({"id": ids, "quality": [1.0, 2.0, 3.0]}), tmp_path / "x.parquet")
        (folder := tmp_path / str(number)).mkdir()
        columns = join(str(tmp_path / "x.parquet"), (), documents, folder)
        assert columns.of(slice(0, 3))["quality"].tolist() == [1.0, 2.0, 3.0]
    pq.write_table(pa.table({"id": raw.cast(pa.binary()), "quality": [1.0, 2.0, 3.0]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="id has bytes that are no text"):
        join(str(tmp_path / "x.parquet"), (), documents, folder)


def test_ids_of_attributes_are_texts_whatever_json_has_them_as(tmp_path):
    documents = Scores(pa.table({"doc_id": ["1", "2", "true"]}))
    rows = [{"id": key, "attributes": {"q": [[0, 4, 5.0]]}} for key in (1, 2.0, True)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = join(str(tmp_path / "x.jsonl"), (), documents, tmp_path)
    assert columns.of(slice(0, 3))["q"].tolist() == [5.0] * 3


def scored(rows: list[tuple[str, int, int]], seed: int = 0) -> pa.Table:
    """`doc_scores` of documents given by language, tokens and pivot tokens."""
    zeros = np.zeros(len(rows), np.int32)
    none = ("languages_met", "lexicon_words", "dominant_words", "concepts", "parallel_concepts")
    columns = {
        "shard": ["s"] * len(rows), "row": np.arange(len(rows)), "doc_id": [f"d{seed}-{i}" for i in range(len(rows))],
        "language": [code for code, _, _ in rows], "n_tokens": np.array([n for _, n, _ in rows], np.int32),
        "units": np.array([n for _, n, _ in rows], np.int32),
        "pivot_units": np.array([n for *_, n in rows], np.int32),
        **dict.fromkeys(none, zeros),
        "holds_pair": zeros.astype(bool), "dsir": zeros.astype(float),
    }  # fmt: skip
    return pa.table(columns)


ARMS = ("pivot-rich", "random", "language-matched", "pivot-rich-50pct", "language-matched-50pct", "random-25pct")


def tokens_of(table: pa.Table) -> dict[str, int]:
    rows = table.to_pylist()
    return {name: sum(r["n_tokens"] for r in rows if r["selection"] == name) for name in table["selection"].to_pylist()}


def test_arms_hold_equal_tokens_in_many_languages(tmp_path: Path, capfd):
    generator = np.random.default_rng(5)
    documents = [(f"l{i % 67:02d}", int(n), int(n * p)) for i, (n, p) in enumerate(
        zip(generator.lognormal(6, 0.8, 4000).astype(int) + 5, generator.random(4000) * 0.3, strict=True))]  # fmt: skip
    config = SelectConfig(budget_tokens=100_000, selections=ARMS)
    table = select(config, scored(documents), Work(tmp_path, tmp_path))
    held = tokens_of(table)
    assert set(held) == set(ARMS)
    assert all(100_000 - tolerance(config) <= tokens <= 100_000 for tokens in held.values()), held
    assert not capfd.readouterr().err
    languages = {}
    for row in table.to_pylist():
        key = row["selection"], row["language"]
        languages[key] = languages.get(key, 0) + row["n_tokens"]
    rich = {code: n for (name, code), n in languages.items() if name == "pivot-rich"}
    away = sum(abs(n - languages.get(("language-matched", code), 0)) for code, n in rich.items())
    assert away < 0.1 * 100_000


def test_a_dose_of_a_rare_language_takes_what_there_is(tmp_path: Path):
    documents = [("xx", 30, 30), *(("en", 30, i % 7) for i in range(50))]
    for budget in (60, 300, 1500):
        config = SelectConfig(budget_tokens=budget, selections=ARMS, min_tokens=1)
        table = select(config, scored(documents), Work(tmp_path, tmp_path))
        assert set(tokens_of(table).values()) == {budget}
        for name in ("pivot-rich", "language-matched", "language-matched-50pct"):
            assert [r["selection"] for r in table.to_pylist() if r["language"] == "xx"].count(name) == 1


def test_what_no_document_fits_is_told(tmp_path: Path, capfd):
    documents = [("en", 400, 3)] * 5
    config = SelectConfig(budget_tokens=1000, selections=("random",))
    assert tokens_of(select(config, scored(documents), Work(tmp_path, tmp_path))) == {"random": 800}
    assert "random holds 800 tokens of 1,000, beyond the tolerance of 20" in capfd.readouterr().err
    with pytest.raises(InputError, match="every document that random may take is longer"):
        select(dataclasses.replace(config, budget_tokens=300), scored(documents), Work(tmp_path, tmp_path))


def test_ids_are_never_put_together_into_one_array(tmp_path: Path):
    """One Arrow array of texts holds 2 GiB: the ids of 46 million documents are more."""
    parts = pa.concat_tables([scored([("en", 30, i) for i in range(20)], seed) for seed in range(4)])
    table = select(SelectConfig(budget_tokens=1200, selections=("random",)), parts, Work(tmp_path, tmp_path))
    assert table["doc_id"].num_chunks >= 4
    assert table.num_rows == 40


def test_strata_of_a_corpus_beyond_a_terabyte():
    n_tokens = np.full(8, 2 * 10**12, np.int64)
    budgets = by_stratum(np.array([4 * 10**12]), n_tokens.reshape(4, 2).sum(axis=0))
    assert budgets.tolist() == [2 * 10**12, 2 * 10**12]


def test_gumbel_samples_prefer_the_best(made):
    _, scores, folder = made
    mean = {}
    for temperature in (0.05, 100.0):
        config = config_of(selections=("pivot-rich",), sampling="gumbel", temperature=temperature)
        mean[temperature] = np.mean([r["score"] for r in chosen(scores, config, folder, "pivot-rich")])
    assert mean[0.05] > 1.5 * mean[100.0]


def test_the_same_bytes_on_any_number_of_workers_and_order_of_shards(made, tmp_path: Path):
    inputs, _, folder = made
    config = config_of(selections=("pivot-rich", "random", "language-matched", "dsir"), budget_tokens=700)
    config = dataclasses.replace(config, dsir_target=str(folder / "corpus" / "target.txt"), sampling="gumbel")
    results = [
        select_stage(dataclasses.replace(config, workers=workers), inputs, work(tmp_path / str(workers)))
        for workers in (1, 2)
    ]
    assert all(results[0][name].equals(results[1][name]) for name in results[0])
    scores = results[0]["doc_scores"]
    turned = scores.take(np.argsort(scores["shard"].to_numpy().astype(str), kind="stable")[::-1])
    again = select(dataclasses.replace(config, sampling="top"), turned, Work(folder, folder)).to_pylist()
    straight = select(dataclasses.replace(config, sampling="top"), scores, Work(folder, folder)).to_pylist()
    keys = [{(r["selection"], r["doc_id"]) for r in rows} for rows in (again, straight)]
    assert keys[0] == keys[1]


def test_documents_that_a_killed_run_has_chosen_are_not_chosen_again(made, tmp_path: Path, monkeypatch):
    inputs, _, _ = made
    config = config_of(workers=1, selections=("bilingual", "random"), budget_tokens=600)
    scratch = work(tmp_path / "w")
    whole = select_stage(config, inputs, scratch)
    (scratch.folder / "selection-s1.parquet").unlink()
    monkeypatch.setattr(selections, "_choice", None)
    again = Work(scratch.folder, scratch.out)
    assert select_stage(config, inputs, again) == whole
    assert (again.notes, again.warnings) == (scratch.notes, scratch.warnings)


def test_wilson_prefers_the_surer():
    low = _surely(np.array([1, 10, 0, 0]), np.array([1, 10, 10, 0]))
    assert low[0] < low[1] < 1
    assert low[2] == low[3] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selections": ("pivot-rch",)}, "did you mean 'pivot-rich'"),
        ({"selections": ("dsir",)}, "needs dsir_target"),
        ({"dsir_units": "letters"}, "expected one of words, tokens"),
        ({"selections": ("random", "random")}, "stands twice"),
        ({"selections": ("column:qualty",)}, "no column 'qualty'"),
        ({"budget_tokens": 10**9}, "hold only"),
        ({"quotas": ("en=0.5",)}, "expected shares that sum to 1"),
        ({"quotas": ("en",)}, "expected LANGUAGE=SHARE"),
        ({"quotas": ("de=1.0",)}, "no document of 'de'"),
        ({"thresholds": ("n_tokens>5",)}, "expected COLUMN>=NUMBER"),
        ({"sampling": "best"}, "expected one of top, gumbel"),
        ({"temperature": float("nan")}, "temperature: nan is out of range"),
        ({"exclude_pairs": True, "stratify_pairs": True}, "expected only one of them"),
    ],
)
def test_errors_for_people(made, tmp_path: Path, changes: dict, message: str):
    inputs, _, _ = made
    with pytest.raises(InputError, match=message):
        select_stage(config_of(workers=1, **changes), inputs, work(tmp_path / "w"))
