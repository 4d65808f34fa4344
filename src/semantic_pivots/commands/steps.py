"""The stages that a command runs, each in a folder below OUT, by the runner of studies: what is up to date stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots.config import OverCorpus, Stage
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, digest
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.stages import STAGES
from semantic_pivots.study import StageFunction, run_stage
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import DataclassInstance


class Steps:
    """The published steps of one command, by the names that a study gives them."""

    def __init__(self, out: Path):
        self.out = out
        self.folders: dict[str, Path] = {}
        if out.exists() and not out.is_dir():
            raise InputError(f"--out {out} is a file: expected a folder")
        out.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, config: DataclassInstance, function: StageFunction | None = None, **stages: Any) -> Record:
        """Run a step on the steps before it unless its folder is up to date; returns its manifest."""
        stage = STAGES.get(name) or Stage(name, type(config), "")
        manifest, _ = run_stage(stage, config, dict(self.folders), self.out / name, function=function, **stages)
        self.folders[name] = self.out / name
        return manifest

    def documents(self, corpus: str, documents: CorpusConfig, tokens: str, model: str, processes: OverCorpus) -> None:
        """The steps `corpus` and `tokens`, made or given.

        `documents` says how files are read, `processes` with which engine and workers.

        Raises:
            InputError: neither tokens nor a model is given, the tokens are those of another corpus or model, or columns
                are named of documents that have theirs already.
        """
        from semantic_pivots.models.tokenizer_files import tokenizer_identity

        if not tokens and not model:
            raise InputError("expected --tokens FOLDER, made by `pivots corpus tokens`, or --model NAME")
        if tokens:
            for name in ("token_shards.parquet", "tokenizer.json"):
                if not (Path(tokens) / name).exists():
                    raise InputError(f"--tokens {tokens}: no {name}; expected a folder made by `pivots corpus tokens`")
        engine, workers = processes.engine, processes.workers
        if (Path(corpus) / "shards.parquet").exists():
            self.folders["corpus"] = Path(corpus)
            if documents.columns:
                raise InputError(f"[corpus] columns: {corpus} has been made already; expected none of them")
        else:
            corpus_keys = {"path": corpus, "allow_missing_languages": True, "engine": engine, "workers": workers}
            self.run("corpus", replace(documents, **corpus_keys))
        if tokens:
            self.folders["tokens"] = Path(tokens)
            check_tokens(Inputs(self.folders), tokens)
            if model:
                check_model(Path(tokens), tokens, model)
        else:
            config = TokensConfig(model=model, engine=engine, workers=workers)
            self.run("tokens", config, tokenizer=tokenizer_identity(model))

    def lexicon(self, config: LexiconConfig) -> None:
        """The step `lexicon`."""
        from semantic_pivots.files import fingerprint

        file = fingerprint(Path(config.source)) if Path(config.source).is_file() else ""
        self.run("lexicon", config, lexicon_file=file)

    def benchmark(self, pairs: Path) -> int:
        """The step `benchmark`: items of a benchmark file, or one item per pair of a TSV file; returns their number."""
        from semantic_pivots.commands.corpus_count import ITEM, of_items, read_pairs
        from semantic_pivots.tables import from_rows

        _, word_pairs = read_pairs(None, pairs)
        names = "item_id", "concept_id", *ITEM
        if pairs.suffix in (".parquet", ".jsonl"):
            rows = of_items(pairs, names)
        else:
            rows = [(f"{a[1]}-{b[1]}:{a[0]}:{b[0]}", f"{a[0]}:{b[0]}", *a, *b) for a, b in word_pairs]
        items = [{**dict(zip(names, row, strict=True)), "distractors": [], "strata": []} for row in rows]

        def stage(config: DataclassInstance, inputs: Inputs, work: Work) -> dict:
            return {"items": from_rows("items", items)}

        self.run("benchmark", BenchmarkConfig(), stage, pairs=digest(items))
        return len(items)


def lexicon_tables(lexicon: LexiconConfig) -> dict[str, pa.Table]:
    """The tables of the stage `lexicon` without a folder."""
    import tempfile

    from semantic_pivots.lexicon.concepts import lexicon_stage

    with tempfile.TemporaryDirectory() as name:
        return lexicon_stage(lexicon, Inputs({}), Work(Path(name), Path(name)))


def word_items(lexicon: LexiconConfig, benchmark: BenchmarkConfig) -> tuple[dict[str, pa.Table], Record]:
    """The tables of the stages `lexicon` and `benchmark` without a folder, and the notes of the latter."""
    import tempfile

    from semantic_pivots.files import write_table
    from semantic_pivots.tasks.items import benchmark_stage

    tables = lexicon_tables(lexicon)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = Work(folder, folder)
        for key, table in tables.items():
            write_table(folder / f"{key}.parquet", table)
        return {**tables, **benchmark_stage(benchmark, Inputs({"lexicon": folder}), work)}, work.notes


def check_tokens(inputs: Inputs, tokens: str) -> None:
    """Check that the token shards were made from this corpus.

    Raises:
        InputError: they were made from another one: a shard's number of documents or the corpus's record differs.
    """
    from semantic_pivots.corpus.token_shards import check_corpus

    documents, counts = (
        dict(zip(table["shard"].to_pylist(), table["documents"].to_pylist(), strict=True))
        for table in (inputs.table("shards"), inputs.table("token_shards"))
    )
    wrong = next((shard for shard in {**documents, **counts} if documents.get(shard) != counts.get(shard)), None)
    if wrong is not None:
        raise InputError(
            f"--tokens {tokens}: shard {wrong} has {counts.get(wrong, 'no')} documents there and "
            f"{documents.get(wrong, 'none')} in the corpus; tokenise this corpus with `pivots corpus tokens`"
        )
    check_corpus(Path(tokens), inputs.folder("corpus"))


def check_model(folder: Path, tokens: str, model: str) -> None:
    """Make sure that tokens are those of the model's tokenizer.

    Raises:
        InputError: its vocabulary is another.
    """
    from semantic_pivots.corpus.vocabulary import read_tokenizer
    from semantic_pivots.models.tokenizer_files import load_tokenizer

    if read_tokenizer(folder / "tokenizer.json").get_vocab() != load_tokenizer(model).get_vocab():
        raise InputError(
            f"--model {model}: its tokenizer is not the one that made --tokens {tokens}; leave out one of them"
        )
