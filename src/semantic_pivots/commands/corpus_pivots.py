"""`pivots discover`, `pivots graph`, `pivots select`: the corpus stages of a study on any documents, without a study.

Documents are given as files of any format, or as a folder that `pivots corpus make` or a study's stage wrote; their
tokens as such a folder, or as the model whose tokenizer makes them. Each command publishes its steps under `--out` as a
study does, so a stopped command continues and a step that is up to date is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from semantic_pivots.commands import ranks

Corpus = Annotated[
    str, typer.Option(help="documents of any format, or a folder made by `pivots corpus make`", show_default=False)
]
Out = Annotated[Path, typer.Option(help="folder to write; a stopped command continues in it", show_default=False)]
Tokens = Annotated[str, typer.Option(help="folder made by `pivots corpus tokens` from this corpus", show_default=False)]
Model = Annotated[
    str,
    typer.Option(help="without --tokens: model whose tokens are counted (hub id, folder, package:NAME)"),
]
Lexicon = Annotated[
    str, typer.Option(help="cldr, cldr-wide, clwtd-open, or a TSV file with concept_id, pos and a column per language")
]
Languages = Annotated[str, typer.Option(help="languages of the lexicon, separated by commas")]
Workers = Annotated[int, typer.Option(help="worker processes; 0: one per core")]
Engine = Annotated[str, typer.Option(help="pool, ray or datatrove")]
WordsAs = Annotated[str, typer.Option(help="match words by their spelling or by their forms (docs/words.md)")]
Forms = Annotated[str, typer.Option(help="table of forms of your own (Parquet or TSV with word, language, form)")]
Seed = Annotated[int, typer.Option(help="seed of every draw")]


class _Steps:
    """The published steps of one command, by the names that a study gives them."""

    def __init__(self, out: Path):
        from semantic_pivots.errors import InputError

        self.out = out
        self.folders: dict[str, Path] = {}
        if out.exists() and not out.is_dir():
            raise InputError(f"--out {out} is a file: expected a folder")
        out.mkdir(parents=True, exist_ok=True)

    def publish(self, name: str, key: dict[str, Any], stage: Callable, *read: str | Path) -> dict[str, Any]:
        """Run a step, which reads further files or folders, unless its folder was made from the same; its manifest."""
        from semantic_pivots import run as runs
        from semantic_pivots.study import STAGES
        from semantic_pivots.tables import conform

        key = {**key, "version": STAGES[name].version if name in STAGES else 1}
        for upstream, folder in self.folders.items():
            runs.check_unaltered(folder)
            manifest = runs.read_manifest(folder)
            key[upstream] = manifest["digest"] if manifest else runs.fingerprint(folder, sampled=True)
        published = runs.read_manifest(self.out / name)
        if published is None or published["key"] != runs.digest(key):
            made = runs.Inputs(dict(self.folders))
            published = runs.publish(name, key, self.out / name, lambda work: stage(made, work), conform, read)
        self.folders[name] = self.out / name
        return published

    def documents(self, corpus: str, tokens: str, model: str, engine: str, workers: int) -> None:
        """The steps `corpus` and `tokens`, made or given.

        Raises:
            InputError: neither tokens nor a model is given, or the tokens are those of another corpus.
        """
        from semantic_pivots import run as runs
        from semantic_pivots.config import CorpusConfig, TokensConfig, keyed
        from semantic_pivots.corpus.documents import identity
        from semantic_pivots.corpus.shards import corpus_stage
        from semantic_pivots.errors import InputError
        from semantic_pivots.models.load import tokenizer_identity
        from semantic_pivots.models.tokenise import tokens_stage

        if not tokens and not model:
            raise InputError("expected --tokens FOLDER, made by `pivots corpus tokens`, or --model NAME")
        if tokens:
            for name in ("token_shards.parquet", "tokenizer.json"):
                if not (Path(tokens) / name).exists():
                    raise InputError(f"--tokens {tokens}: no {name}; expected a folder made by `pivots corpus tokens`")
        if (Path(corpus) / "shards.parquet").exists():
            self.folders["corpus"] = Path(corpus)
        else:
            config = CorpusConfig(path=corpus, allow_missing_languages=True, engine=engine, workers=workers)
            key = {"input_files": identity(corpus), "config": _plain(keyed(config))}
            self.publish("corpus", key, _on(corpus_stage, config), corpus)
        if tokens:
            self.folders["tokens"] = Path(tokens)
            _check_tokens(runs.Inputs(self.folders), tokens)
        else:
            token_config = TokensConfig(model=model, engine=engine, workers=workers)
            key = {"config": _plain(keyed(token_config)), "tokenizer": tokenizer_identity(model)}
            self.publish("tokens", key, _on(tokens_stage, token_config))

    def lexicon(self, lexicon: str, languages: str) -> None:
        """The step `lexicon`."""
        from semantic_pivots import run as runs
        from semantic_pivots.config import LexiconConfig, keyed
        from semantic_pivots.lexicon.concepts import lexicon_stage

        config = LexiconConfig(languages=tuple(c for c in languages.split(",") if c), source=lexicon)
        files = runs.fingerprint(Path(lexicon)) if Path(lexicon).is_file() else ""
        self.publish("lexicon", {"input_files": files, "config": _plain(keyed(config))}, _on(lexicon_stage, config))

    def benchmark(self, pairs: Path) -> int:
        """The step `benchmark`: the items of a benchmark as they are, or one per pair of a TSV file; their number."""
        from semantic_pivots import run as runs
        from semantic_pivots.commands.corpus_count import ITEM, of_items, read_wanted
        from semantic_pivots.tables import from_rows

        _, wanted = read_wanted(None, pairs)
        names = "item_id", "concept_id", *ITEM
        if pairs.suffix in (".parquet", ".jsonl"):
            rows = of_items(pairs, names)
        else:
            rows = [(f"{a[1]}-{b[1]}:{a[0]}:{b[0]}", f"{a[0]}:{b[0]}", *a, *b) for a, b in wanted]
        items = [{**dict(zip(names, row, strict=True)), "distractors": [], "strata": []} for row in rows]
        self.publish(
            "benchmark", {"pairs": runs.digest(items)}, lambda inputs, work: {"items": from_rows("items", items)}
        )
        return len(items)


def _on(function: Callable, config: Any) -> Callable:
    return lambda inputs, work: function(config, inputs, work)


def _check_tokens(inputs: Any, tokens: str) -> None:
    from semantic_pivots.corpus.token_shards import check_corpus
    from semantic_pivots.errors import InputError

    held, counted = (
        dict(zip(table["shard"].to_pylist(), table["documents"].to_pylist(), strict=True))
        for table in (inputs.table("shards"), inputs.table("token_shards"))
    )
    wrong = next((shard for shard in {**held, **counted} if held.get(shard) != counted.get(shard)), None)
    if wrong is not None:
        raise InputError(
            f"--tokens {tokens}: shard {wrong} has {counted.get(wrong, 'no')} documents there and "
            f"{held.get(wrong, 'none')} in the corpus; tokenise this corpus with `pivots corpus tokens`"
        )
    check_corpus(Path(tokens), inputs.folder("corpus"))


def _plain(config: dict) -> dict:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}


def discover(
    corpus: Corpus,
    pairs: Annotated[
        Path,
        typer.Option(
            help="TSV file with word_1, language_1, word_2, language_2, or a file of `pivots benchmark build`",
            show_default=False,
        ),
    ],
    out: Out,
    tokens: Tokens = "",
    model: Model = "",
    form: Annotated[str, typer.Option(help="default, or paper (the published sampling)")] = "default",
    unit: Annotated[str, typer.Option(help="what a pivot is: word, or token of the tokenizer; none: word")] = "",
    measure: Annotated[
        list[str] | None, typer.Option(help="tversky, min, pmi, npmi or llr; repeat for several; none: tversky")
    ] = None,
    documents: Annotated[int, typer.Option(help="documents sampled per word")] = 2000,
    top: Annotated[int, typer.Option(help="pivots kept per pair and measure")] = 50,
    false_discovery_rate: Annotated[
        float, typer.Option(help="expected share of pivots that chance put there; 1: no demand")
    ] = 0.01,
    least_share: Annotated[
        float, typer.Option(help="least value, as a share of that of the pair's best; 0: all")
    ] = 0.2,
    relatedness: Annotated[
        bool, typer.Option("--relatedness", help="add the cosine with the pair, and its quantile among other pairs")
    ] = False,
    words_as: WordsAs = "spelling",
    forms: Forms = "",
    seed: Seed = 0,
    engine: Engine = "pool",
    workers: Workers = 0,
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Find the words that stand beside both words of each pair; writes OUT/discover/pivots.parquet."""
    ranks.take_part(out, rank, world, wait)
    import pyarrow as pa

    from semantic_pivots.config import DiscoverConfig, keyed
    from semantic_pivots.pivots.discovery import check, discover_stage
    from semantic_pivots.tables import conform
    from semantic_pivots.wordforms.table import rule_key

    configs = [
        DiscoverConfig(
            seed=seed,
            form=form,
            unit=unit or ("token" if form == "paper" else "word"),
            measure=name,
            documents=documents,
            top=top,
            false_discovery_rate=false_discovery_rate,
            least_share=least_share,
            relatedness=relatedness,
            words=words_as,
            forms_path=forms,
            engine=engine,
            workers=workers,
        )
        for name in measure or ["min" if form == "paper" else "tversky"]
    ]
    for config in configs:
        check(config)
    steps = _Steps(out)
    count = steps.benchmark(pairs)
    steps.documents(corpus, tokens, model, engine, workers)

    def stage(inputs: Any, work: Any) -> dict:
        found = [discover_stage(config, inputs, work) for config in configs]
        pivots = pa.concat_tables([conform("pivots", tables["pivots"]) for tables in found])
        return {"pivots": pivots, "pivot_evidence": found[0]["pivot_evidence"]}

    steps.publish(
        "discover",
        {"configs": [_plain(keyed(config)) for config in configs], "words": rule_key(words_as, forms)},
        stage,
    )
    typer.echo(f"{out / 'discover' / 'pivots.parquet'}: pivots of {count:,} pairs")


def graph(
    corpus: Corpus,
    out: Out,
    tokens: Tokens = "",
    model: Model = "",
    lexicon: Lexicon = "cldr",
    languages: Languages = "en,fr,zh,ja",
    criterion: Annotated[
        str, typer.Option(help="bridge-fdr, bridge-stable, rarefied, degree-fdr or fixed-count")
    ] = "bridge-stable",
    unit: Annotated[
        str, typer.Option(help="what a pivot is under bridge-fdr and bridge-stable: word or token")
    ] = "word",
    max_deviation: Annotated[
        float, typer.Option(help="most that a unit's sources may deviate from those of all documents; 1: no demand")
    ] = 0.8,
    documents: Annotated[int, typer.Option(help="documents sampled per word of the lexicon")] = 2000,
    sample_tokens: Annotated[int, typer.Option(help="tokens of the corpus in each draw of bridge-stable")] = 4_000_000,
    false_discovery_rate: Annotated[float, typer.Option(help="expected share of false pivots")] = 0.01,
    min_ratio: Annotated[float, typer.Option(help="least ratio of what a pivot joins to what chance gives")] = 2.0,
    stability_draws: Annotated[int, typer.Option(help="samples of the documents whose sets are compared; 0: none")] = 1,
    words_as: WordsAs = "spelling",
    forms: Forms = "",
    seed: Seed = 0,
    engine: Engine = "pool",
    workers: Workers = 0,
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Make the pivot set: units that join words of several languages beyond chance, and how stable it is.

    Writes OUT/graph/pivot_set.parquet and pivot_stability.parquet.
    """
    ranks.take_part(out, rank, world, wait)
    import pyarrow.parquet as pq

    from semantic_pivots.config import GraphConfig, keyed
    from semantic_pivots.errors import InputError
    from semantic_pivots.pivots.pivot_set import graph_stage, pivot_sets
    from semantic_pivots.wordforms.table import rule_key

    config = GraphConfig(
        seed=seed, criterion=criterion, unit=unit, max_deviation=max_deviation, documents=documents,
        sample_tokens=sample_tokens, false_discovery_rate=false_discovery_rate,
        min_ratio=min_ratio, stability_draws=stability_draws, engine=engine, workers=workers,
        words=words_as, forms_path=forms,
    )  # fmt: skip
    pivot_sets(config)
    if len({code for code in languages.split(",") if code}) < 2:
        raise InputError(f"--languages {languages!r}: expected at least two, a pivot joins words of several languages")
    steps = _Steps(out)
    steps.lexicon(lexicon, languages)
    steps.documents(corpus, tokens, model, engine, workers)
    manifest = steps.publish(
        "graph", {"config": _plain(keyed(config)), "words": rule_key(words_as, forms)}, _on(graph_stage, config)
    )
    found = pq.read_table(out / "graph" / "pivot_set.parquet", columns=["text"])["text"].to_pylist()
    shown = ", ".join(text.strip() for text in found[:12])
    typer.echo(f"{out / 'graph' / 'pivot_set.parquet'}: {len(found):,} pivots: {shown}{', ...' * (len(found) > 12)}")
    overlaps = {name: value for name, value in manifest["notes"].items() if name.startswith("overlap_")}
    if overlaps:
        shares = ", ".join(f"{name.removeprefix('overlap_')} {value:.2f}" for name, value in overlaps.items())
        typer.echo(f"overlap with the sets of samples of the documents: {shares}")


def select(
    corpus: Corpus,
    pivots: Annotated[
        Path, typer.Option(help="--out of `pivots graph`, or a Parquet file with the column token", show_default=False)
    ],
    out: Out,
    budget_tokens: Annotated[int, typer.Option(help="tokens of each selection", show_default=False)],
    selection: Annotated[
        list[str] | None,
        typer.Option(
            help="pivot-rich, random, language-matched, bilingual, code-switched, parallel, dsir or column:NAME; "
            "repeat for several; none: pivot-rich and random"
        ),
    ] = None,
    tokens: Tokens = "",
    model: Model = "",
    lexicon: Lexicon = "cldr",
    languages: Languages = "en,fr,zh,ja",
    pairs: Annotated[
        Path | None,
        typer.Option(help="benchmark pairs to guard against: a TSV file, or a file of `pivots benchmark build`"),
    ] = None,
    exclude_pairs: Annotated[
        bool, typer.Option("--exclude-pairs", help="leave out documents with both words of a pair")
    ] = False,
    stratify_pairs: Annotated[
        bool, typer.Option("--stratify-pairs", help="give every selection the corpus's share of documents with a pair")
    ] = False,
    quota: Annotated[list[str] | None, typer.Option(help="share of the budget, as fr=0.25; repeat; sum 1")] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="documents that may be taken, as 'pivot_share>=0.1'; repeat")
    ] = None,
    sampling: Annotated[str, typer.Option(help="top (the best documents) or gumbel (a sample of them)")] = "top",
    temperature: Annotated[float, typer.Option(help="of gumbel, in standard deviations of the score")] = 1.0,
    min_tokens: Annotated[int, typer.Option(help="shorter documents come last where a score decides")] = 20,
    columns: Annotated[str, typer.Option(help="Parquet file with doc_id and further scores of yours")] = "",
    dsir_target: Annotated[str, typer.Option(help="documents like those that dsir should find")] = "",
    dsir_units: Annotated[
        str, typer.Option(help="n-grams of dsir: words, or tokens for scripts without spaces")
    ] = "words",
    words_as: WordsAs = "spelling",
    forms: Forms = "",
    seed: Seed = 0,
    engine: Engine = "pool",
    workers: Workers = 0,
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Score every document once, then select under a token budget; change the selection and only that is repeated.

    Writes OUT/scores/doc_scores.parquet and OUT/select/selection.parquet (selection, shard, row, doc_id, ...).
    """
    ranks.take_part(out, rank, world, wait)
    import pyarrow.parquet as pq

    from semantic_pivots import run as runs
    from semantic_pivots.config import SelectConfig, keyed
    from semantic_pivots.corpus.documents import identity
    from semantic_pivots.errors import InputError
    from semantic_pivots.selection import selections as room
    from semantic_pivots.selection.document_scores import Scores, document_scores
    from semantic_pivots.wordforms.table import rule_key

    config = SelectConfig(
        seed=seed, budget_tokens=budget_tokens, selections=tuple(selection or ("pivot-rich", "random")),
        min_tokens=min_tokens, exclude_pairs=exclude_pairs, stratify_pairs=stratify_pairs, quotas=tuple(quota or ()),
        thresholds=tuple(threshold or ()), sampling=sampling, temperature=temperature, columns=columns,
        dsir_target=dsir_target, dsir_units=dsir_units, engine=engine, workers=workers,
        words=words_as, forms_path=forms,
    )  # fmt: skip
    room.check(config)
    if (exclude_pairs or stratify_pairs) and pairs is None:
        raise InputError("--exclude-pairs and --stratify-pairs need --pairs FILE, the benchmark's pairs")
    pivot_set = _pivot_set(pivots)
    steps = _Steps(out)
    steps.lexicon(lexicon, languages)
    if pairs is not None:
        steps.benchmark(pairs)
    steps.documents(corpus, tokens, model, engine, workers)
    target = [identity(dsir_target), dsir_units] if dsir_target else ""

    def scores(inputs: runs.Inputs, work: runs.Work) -> dict:
        _check_pivots(pivot_set, inputs.folder("tokens") / "tokenizer.json")
        before = {name: inputs.folder(name) for name in inputs.stages()}
        held = runs.Inputs({**before, "graph": pivot_set.parent})
        found = document_scores(
            held, work, workers, dsir_target, engine, dsir_units=dsir_units, words=words_as, forms_path=forms
        )
        return {"doc_scores": found.reader()}

    key = {"pivot_set": runs.fingerprint(pivot_set), "dsir_target": target, "words": rule_key(words_as, forms)}
    steps.publish("scores", key, scores)
    added = runs.fingerprint(Path(columns)) if columns and Path(columns).exists() else columns
    manifest = steps.publish(
        "select",
        {"config": _plain(keyed(config)), "columns": added},
        lambda inputs, work: {"selection": room.select(config, Scores([inputs.path("doc_scores")]), work)},
    )
    documents = pq.ParquetFile(out / "scores" / "doc_scores.parquet").metadata.num_rows
    typer.echo(f"{out / 'select' / 'selection.parquet'}: of {documents:,} documents")
    for name in config.selections:
        taken, held = (manifest["notes"][f"{name}_{unit}"] for unit in ("documents", "tokens"))
        typer.echo(f"  {name}: {taken:,} documents, {held:,} tokens")


def _pivot_set(given: Path) -> Path:
    """The file pivot_set.parquet of a folder or of `pivots graph`'s --out.

    Raises:
        InputError: there is none, or it has no column token.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from semantic_pivots.errors import InputError

    places = [given / "pivot_set.parquet", given / "graph" / "pivot_set.parquet", given]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise InputError(f"--pivots {given}: no pivot_set.parquet there; expected the --out of `pivots graph`")
    try:
        names = pq.read_schema(found).names
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"--pivots {found}: not Parquet: {str(error).splitlines()[0]}") from error
    if found.name != "pivot_set.parquet" or "token" not in names:
        raise InputError(f"--pivots {found}: expected a file pivot_set.parquet with the column token")
    return found


def _check_pivots(pivot_set: Path, tokenizer: Path) -> None:
    """Make sure that a pivot set's tokens are ids of the corpus's tokenizer; others' ids would be any of its tokens.

    Raises:
        InputError: they are not.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from semantic_pivots.errors import InputError
    from semantic_pivots.pivots.word_contexts import token_texts

    table = pq.read_table(pivot_set)
    if "unit" in table.column_names and set(table["unit"].to_pylist()) == {"word"}:
        return
    if not pa.types.is_integer(table.schema.field("token").type) or table["token"].null_count:
        raise InputError(f"--pivots {pivot_set}: column token is of type {table.schema.field('token').type}, with "
                         f"{table['token'].null_count} nulls; expected the ids of tokens")  # fmt: skip
    texts = token_texts(tokenizer)
    given = table["text"].to_pylist() if "text" in table.column_names else [None] * len(table)
    for token, text in zip(table["token"].to_pylist(), given, strict=True):
        if not 0 <= token < len(texts) or text not in (None, texts[token]):
            own = repr(texts[token]) if 0 <= token < len(texts) else "none"
            raise InputError(
                f"--pivots {pivot_set}: token {token}{f' ({text!r})' if text else ''} is {own} in the corpus's "
                "tokenizer; expected a pivot set made from the same tokens"
            )
