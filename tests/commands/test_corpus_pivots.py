"""`pivots discover`, `pivots graph` and `pivots select` on files of a user, by their command lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.errors import InputError

CONCEPTS, JOINED = 80, 16


def spelt(number: int) -> str:
    return chr(97 + number // 26) + chr(97 + number % 26)


def texts() -> list[tuple[str, str]]:
    """(text, language): every concept has a context word of its own, and `pont` stands beside the first few."""
    made = []
    for i in range(CONCEPTS):
        for word, code, filler in ((f"house{spelt(i)}q", "en", "with"), (f"maison{spelt(i)}z", "fr", "avec")):
            joined = i < JOINED
            for k in range(48 if joined else 16):
                made.append(
                    (f"{word} {'pont' if joined else 'rest'} ctx{spelt(i)} {filler}{k} {filler}{(i + k) % 9}", code)
                )
    made += [(f"{filler}{k % 23} {filler}{k % 17} rest{k % 31}", code) for k in range(7200) for filler, code in
             (("with", "en"), ("avec", "fr"))]  # fmt: skip
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("user")
    (folder / "documents").mkdir()
    rows = [{"id": f"d{i}", "text": text, "language": code} for i, (text, code) in enumerate(texts())]
    for half in range(2):
        lines = [json.dumps(row) + "\n" for row in rows[half::2]]
        (folder / "documents" / f"{half}.jsonl").write_text("".join(lines), "utf-8")
    vocabulary = {word: i for i, word in enumerate(sorted({w for t, _ in texts() for w in t.split()} | {"a", "[UNK]"}))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder / "model")
    (folder / "model/config.json").write_text('{"model_type": "llama"}')
    words = [(f"house{spelt(i)}q", f"maison{spelt(i)}z") for i in range(CONCEPTS)]
    (folder / "lexicon.tsv").write_text(
        "concept_id\tpos\ten\tfr\n" + "".join(f"c{i}\tn\t{a}\t{b}\n" for i, (a, b) in enumerate(words)), "utf-8"
    )
    (folder / "pairs.tsv").write_text(
        "word_1\tlanguage_1\tword_2\tlanguage_2\n" + "".join(f"{a}\ten\t{b}\tfr\n" for a, b in words[:3]), "utf-8"
    )
    run("corpus", "make", folder / "corpus", "--path", folder / "documents", "--workers", 1)
    run("corpus", "tokens", folder / "corpus", folder / "tokens", "--model", folder / "model", "--workers", 1)
    return folder


def run(*arguments: object) -> str:
    ended = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


def given(folder: Path) -> list[object]:
    return ["--corpus", folder / "corpus", "--tokens", folder / "tokens", "--workers", 1]


def lexicon(folder: Path) -> list[object]:
    return ["--lexicon", folder / "lexicon.tsv", "--languages", "en,fr"]


@pytest.fixture(scope="module")
def made(folder: Path) -> Path:
    said = run("graph", "--out", folder / "graph", *given(folder), *lexicon(folder))
    assert "1 pivots: pont" in said
    assert "halves 1.00" in said
    return folder


def test_the_other_bridges_and_smaller_draws_find_the_token_too(folder: Path, tmp_path: Path):
    for options in (["--criterion", "bridge-fdr"], ["--sample-tokens", 20_000]):
        out = tmp_path / options[0]
        said = run("graph", "--out", out, *given(folder), *lexicon(folder), "--stability-draws", 0, *options)
        assert "1 pivots: pont" in said
        assert pq.read_table(out / "graph/pivot_set.parquet")["languages"].to_pylist() == [["en", "fr"]]


def test_discover_needs_neither_study_nor_made_shards(folder: Path):
    asked = ["--pairs", folder / "pairs.tsv", "--unit", "token", "--measure", "min", "--measure", "llr"]
    run("discover", "--out", folder / "shards", *given(folder), *asked)
    files = ["--corpus", folder / "documents", "--model", folder / "model", "--workers", 1]
    run("discover", "--out", folder / "files", *files, *asked)
    tables = [pq.read_table(folder / name / "discover/pivots.parquet") for name in ("shards", "files")]
    assert tables[0].equals(tables[1])
    best = {(row["measure"], row["text"].strip()) for row in tables[0].to_pylist() if row["rank"] < 2}
    assert best == {(measure, token) for measure in ("min", "llr") for token in ("pont", "ctxaa", "ctxab", "ctxac")}


def test_pivots_keep_the_ids_of_the_benchmark(folder: Path, tmp_path: Path):
    one = {"source": "houseaaq", "source_language": "en", "target": "maisonaaz", "target_language": "fr"}
    two = {"source": "maisonaaz", "source_language": "fr", "target": "houseaaq", "target_language": "en"}
    items = [{"item_id": f"own-{i}", "concept_id": "c0", **item} for i, item in enumerate((one, two))]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")
    run("discover", "--out", tmp_path / "out", *given(folder), "--pairs", tmp_path / "items.jsonl", "--unit", "token")
    rows = pq.read_table(tmp_path / "out/discover/pivots.parquet").to_pylist()
    found = [[(r["token"], r["value"]) for r in rows if r["item_id"] == f"own-{i}"] for i in range(2)]
    assert found[0]
    assert found[0] == found[1]
    for wrong, says in (
        ({"item_id": None}, "a row holds None"),
        ({"source": " "}, "a row holds"),
        ({}, "expected item_id"),
    ):
        item = {**items[0], **wrong} if wrong else one
        (tmp_path / "wrong.jsonl").write_text(json.dumps(item), "utf-8")
        with pytest.raises(InputError, match=says):
            run("discover", "--out", tmp_path / "out", *given(folder), "--pairs", tmp_path / "wrong.jsonl")


@pytest.mark.parametrize("command", ["make", "tokens"])
def test_an_engine_that_there_is_not(folder: Path, tmp_path: Path, command: str):
    asked = {"make": ["--path", folder / "documents"], "tokens": [folder / "corpus", "--model", folder / "model"]}
    with pytest.raises(InputError, match="did you mean 'ray'"):
        run("corpus", command, *asked[command], tmp_path / "out", "--engine", "rya")


def test_a_corpus_at_an_address_that_has_changed_is_read_again(folder: Path, tmp_path: Path):
    import fsspec

    asked = ["--corpus", "memory://changing", "--model", folder / "model", "--pairs", folder / "pairs.tsv"]
    for number in (1, 2):
        with fsspec.open(f"memory://changing/{number}.jsonl", "wb") as stream:
            stream.write((folder / "documents/0.jsonl").read_bytes())  # type: ignore[union-attr]
        run("discover", "--out", tmp_path / "out", "--workers", 1, *asked)
        shards = pq.read_table(tmp_path / "out/corpus/shards.parquet").to_pylist()
        assert sum(row["documents"] for row in shards) == number * len(texts()) // 2


def test_graph_finds_the_token_that_joins_the_languages(made: Path):
    row = pq.read_table(made / "graph/graph/pivot_set.parquet").to_pylist()[0]
    assert (row["text"].strip(), row["degree"], row["languages"]) == ("pont", JOINED, ["en", "fr"])


def test_select_scores_once_and_selects_again(made: Path):
    asked = ["select", "--out", made / "chosen", "--pivots", made / "graph", *given(made), *lexicon(made)]
    said = run(*asked, "--budget-tokens", 500, "--min-tokens", 1)
    assert f"of {len(texts()):,} documents" in said
    assert "pivot-rich: 100 documents, 500 tokens" in said
    scored = made / "chosen/scores/doc_scores.parquet"
    shards = {row["shard"] for row in pq.read_table(made / "corpus/shards.parquet").to_pylist()}
    for folder in (scored, made / "chosen/select/selection.parquet"):
        assert {path.stem: set(pq.read_table(path)["shard"].to_pylist()) for path in folder.iterdir()} == {
            shard: {shard} for shard in shards
        }
    before = scored.stat().st_mtime_ns
    rich = [r for r in pq.read_table(made / "chosen/select/selection.parquet").to_pylist()
            if r["selection"] == "pivot-rich"]  # fmt: skip
    assert all(row["score"] == pytest.approx(0.25) for row in rich)  # of four distinct words
    said = run(*asked, "--budget-tokens", 300, "--selection", "random", "--quota", "en=0.5", "--quota", "fr=0.5")
    assert "random: " in said
    assert "pivot-rich" not in said
    assert scored.stat().st_mtime_ns == before
    # With the benchmark's pairs, the scores change: documents are marked.
    run(*asked, "--budget-tokens", 300, "--pairs", made / "pairs.tsv", "--exclude-pairs")
    assert scored.stat().st_mtime_ns != before


def test_select_weighs_documents_towards_languages(made: Path, tmp_path: Path):
    """--dsir-languages reached the selection and not the scores, which had no weights then."""
    asked = ["select", "--out", tmp_path, "--pivots", made / "graph", *given(made), *lexicon(made)]
    run(*asked, "--budget-tokens", 500, "--min-tokens", 1, "--selection", "dsir", "--dsir-languages", "fr")
    rows = pq.read_table(tmp_path / "select/selection.parquet").to_pylist()
    assert {row["language"] for row in rows} == {"fr"}
    assert all(row["score"] > 0 for row in rows)


@pytest.mark.parametrize("engine", ["ray", "datatrove"])
def test_the_same_bytes_on_another_engine(
    made: Path, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    pytest.importorskip(engine)
    if engine == "ray":  # a cluster that is there already, as where there are several machines
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        request.addfinalizer(cluster.shutdown)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    pairs = "--pairs", made / "pairs.tsv"
    commands = (
        ("corpus make", "--path", made / "documents", "--workers", 1),
        ("corpus tokens", made / "corpus", "--model", made / "model"),
        ("count", "--corpus", made / "documents", *pairs, "--workers", 1),
        ("discover", *given(made), *pairs),
        ("graph", *given(made), *lexicon(made), "--stability-draws", 0),
        ("select", "--pivots", made / "graph", "--budget-tokens", 500, *given(made), *lexicon(made)),
    )
    for name, *options in commands:
        pool, other = tmp_path / f"{name}-pool", tmp_path / f"{name}-{engine}"
        out = [] if " " in name else ["--out"]
        run(*name.split(), *options, *out, pool)
        run(*name.split(), *options, *out, other, "--engine", engine)
        files = (path for path in pool.rglob("*") if path.suffix in (".parquet", ".arrow") and path.is_file())
        tables = sorted(path.relative_to(pool) for path in files)
        assert tables
        for table in tables:
            assert (pool / table).read_bytes() == (other / table).read_bytes(), (name, table)


@pytest.mark.parametrize(
    ("command", "changes", "says"),
    [
        ("discover", {"--measure": "mim"}, "--measure: 'mim' is not known"),
        ("discover", {"--documents": 0}, "--documents: 0 is out of range"),
        ("discover", {"--top": -1}, "--top: -1 is out of range"),
        ("discover", {"--out": __file__}, "is a file: expected a folder"),
        ("discover", {"--tokens": ""}, "expected --tokens FOLDER"),
        ("discover", {"--tokens": "model"}, "no token_shards.parquet"),
        ("graph", {"--criterion": "bridge"}, "did you mean 'bridge-fdr'"),
        ("graph", {"--lexicon": "nowhere.tsv"}, "nowhere.tsv"),
        ("graph", {"--languages": "en,xx"}, "xx"),
        ("graph", {"--languages": "en"}, "expected at least two"),
        ("graph", {"--languages": "en,fr,en"}, "expected each language once, found en, fr, en"),
        ("graph", {"--documents": -1}, "--documents: -1 is out of range"),
        ("graph", {"--false-discovery-rate": 2.0}, "above 0 and of at most 1"),
        ("graph", {"--min-ratio": -1}, "--min-ratio: -1 is out of range"),
        ("graph", {"--stability-draws": -1}, "--stability-draws: -1 is out of range"),
        ("graph", {"--corpus": "nowhere"}, "no such file or folder"),
        ("select", {"--pivots": "tokens"}, "no pivot_set.parquet"),
        ("select", {"--selection": "pivot-rch"}, "did you mean 'pivot-rich'"),
        ("select", {"--budget-tokens": "999999999"}, "hold only"),
        ("select", {"--budget-tokens": -5}, "--budget-tokens: -5 is out of range"),
        ("select", {"--min-tokens": -1}, "--min-tokens: -1 is out of range"),
    ],
)
def test_wrong_input_is_one_line(made: Path, tmp_path: Path, command: str, changes: dict, says: str):
    asked: dict = {"--out": tmp_path / "out", "--corpus": made / "corpus", "--tokens": made / "tokens"}
    asked |= {"discover": {"--pairs": made / "pairs.tsv"}, "graph": {}, "select": {"--pivots": made / "graph"}}[command]
    asked |= {"--lexicon": made / "lexicon.tsv", "--languages": "en,fr"} if command != "discover" else {}
    asked |= {"--budget-tokens": 500} if command == "select" else {}
    inside = ("--tokens", "--pivots", "--corpus", "--lexicon")
    asked |= {key: made / value if key in inside and value else value for key, value in changes.items()}
    with pytest.raises(InputError, match=says) as raised:
        run(command, "--workers", 1, *(part for item in asked.items() for part in item))
    assert "\n" not in str(raised.value)


def test_tokens_of_another_corpus_are_refused(folder: Path):
    rows = pq.read_table(folder / "tokens/token_shards.parquet").slice(1)
    other = folder / "other-tokens"
    other.mkdir()
    pq.write_table(rows, other / "token_shards.parquet")
    (other / "tokenizer.json").write_bytes((folder / "tokens/tokenizer.json").read_bytes())
    with pytest.raises(InputError, match=r"files-.* has no documents there"):
        run("discover", "--out", folder / "x", "--corpus", folder / "corpus", "--tokens", other, "--pairs",
            folder / "pairs.tsv")  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"token": ["pont"]}, "of type string, with 0 nulls; expected the ids"),
        ({"token": [3, None]}, "with 1 nulls"),
        ({"token": [1 << 20]}, "token 1048576 is none in"),
        ({"token": [-1]}, "token -1 is none in"),
        ({"token": [3], "text": ["of another tokenizer"]}, "made from the same tokens"),
    ],
)
def test_pivots_of_another_tokenizer_are_refused(made: Path, tmp_path: Path, columns: dict, says: str):
    pq.write_table(pa.table(columns), tmp_path / "pivot_set.parquet")
    with pytest.raises(InputError, match=says):
        run("select", "--out", tmp_path / "x", "--pivots", tmp_path, "--budget-tokens", 500, *given(made),
            *lexicon(made))  # fmt: skip


def test_tokens_of_a_corpus_that_was_made_anew_are_refused(folder: Path, tmp_path: Path):
    (tmp_path / "documents").mkdir()
    for name in ("0.jsonl", "1.jsonl"):
        text = (folder / "documents" / name).read_text("utf-8").replace("houseabq", "houseacq ctxac")
        (tmp_path / "documents" / name).write_text(text, "utf-8")
    run("corpus", "make", tmp_path / "corpus", "--path", tmp_path / "documents", "--workers", 1)
    asked = ["--corpus", tmp_path / "corpus", "--tokens", folder / "tokens", "--pairs", folder / "pairs.tsv"]
    with pytest.raises(InputError, match="made from another corpus"):
        run("discover", "--out", tmp_path / "x", *asked)
    with pytest.raises(InputError, match="made from another corpus"):
        run("corpus", "export", tmp_path / "corpus", tmp_path / "y", "--layout", "olmo", "--tokens", folder / "tokens")


def test_the_process_ends_with_exit_code_2_and_one_line(folder: Path):
    for command in (["graph", "--out", "x"], ["select", "--out", "x", "--pivots", "y", "--budget-tokens", "1"]):
        asked = [sys.executable, "-m", "semantic_pivots.cli", *command, "--corpus", "nowhere", "--model", "z"]
        asked[asked.index("x")] = str(folder / "never")
        ended = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.startswith("error: ")
        assert ended.stderr.count("\n") == 1
    helped = CliRunner().invoke(app, ["select", "--help"])
    assert helped.exit_code == 0
    assert "Score every document once" in helped.output
