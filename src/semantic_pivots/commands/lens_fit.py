"""`pivots lens`: fit a tuned lens or a Jacobian lens of a model on a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semantic_pivots.commands.options import READING, Writer, with_sections
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.protocols import Tokenizer

app = typer.Typer(help="Lenses: fit a tuned lens or a Jacobian lens.", no_args_is_help=True)
DEFAULTS = {"tuned": (2000, 128), "jacobian": (200, 40)}
"""Rows and length by kind: a Jacobian costs as many backward passes as the model is wide, and grows with the length."""


@app.callback()
def _commands() -> None:
    """Lenses: fit a tuned lens or a Jacobian lens."""


@app.command(cls=Writer)
@with_sections(subsets={**READING, "trace": ("seed", "dtype", "blocks")})
def fit(
    model: Annotated[str, typer.Argument(help="model: hub id, local folder, or package:NAME")],
    corpus: Annotated[str, typer.Argument(help="documents of any format that `pivots corpus` reads")],
    out: Annotated[
        Path, typer.Option(help='folder of the lens; [trace] lenses = ["KIND:FOLDER"] reads it', show_default=False)
    ],
    documents: CorpusConfig,
    trace: TraceConfig,
    kind: Annotated[str, typer.Option(help="tuned or jacobian")] = "tuned",
    rows: Annotated[
        int, typer.Option(help="documents of which one random position is read; 0: 2000, or 200 to compare on")
    ] = 0,
    steps: Annotated[
        int, typer.Option(help="tuned: steps of descent per layer beyond the closed form; 0: none", min=0)
    ] = 100,
    rate: Annotated[float, typer.Option(help="tuned: learning rate", min=0)] = 1e-3,
    prompts: Annotated[int, typer.Option(help="jacobian: documents over which the Jacobians are averaged", min=1)] = 60,
    length: Annotated[int, typer.Option(help="tokens of a document that are read at most; 0: 128, jacobian 40")] = 0,
) -> None:
    """Fit a lens: tuned, after which the head says what the model says; or jacobian, what the model makes of it.

    A tuned lens is an affine map per layer, fitted to the model's own answers. A Jacobian lens is each layer's mean
    Jacobian, which sees no answer; its identity part and a null of random directions stand beside it.
    """
    from semantic_pivots.models.jacobian import LEADING_POSITIONS
    from semantic_pivots.models.lens import load_lens

    if kind not in DEFAULTS:
        raise InputError(f"--kind {kind}: expected tuned or jacobian{nearest(kind, DEFAULTS)}")
    rows = rows or DEFAULTS[kind][0]
    length = length or DEFAULTS[kind][1]
    least_length = 2 if kind == "tuned" else LEADING_POSITIONS + 2
    if rows < 8:
        raise InputError(f"--rows {rows}: expected at least 8")
    if length < least_length:
        raise InputError(f"--length {length}: expected at least {least_length} tokens of a document")
    out.mkdir(parents=True, exist_ok=True)  # a place that cannot be written to is told before the work
    # more than needed, since a document may be empty or short
    number = 2 * rows if kind == "tuned" else 4 * (prompts + rows)
    texts = _texts(replace(documents, path=corpus), number, trace.seed)
    model_and_tokenizer, lens = load_lens(model, trace.dtype, blocks=trace.blocks)
    model_and_tokenizer.model.requires_grad_(False)
    facts = {
        "kind": kind,
        "model": model_and_tokenizer.name,
        "revision": model_and_tokenizer.revision,
        "rows": rows,
        "length": length,
        "seed": trace.seed,
        "dtype": trace.dtype,
    }
    if kind == "tuned":
        _fit_tuned(lens, model_and_tokenizer.tokenizer, texts, out, steps, rate, facts)
    else:
        _fit_jacobian(lens, model_and_tokenizer.tokenizer, texts, out, prompts, facts)
    typer.echo(str(out))


def _texts(corpus: CorpusConfig, count: int, seed: int) -> list[str]:
    """Texts of a seeded choice of documents, which depends on their ids and the seed, not on files."""
    import heapq

    from semantic_pivots.corpus import documents

    texts = documents.documents(corpus.path, documents.column_map(corpus.columns), corpus.max_bad_share)
    return [d.text for d in heapq.nsmallest(count, texts, key=lambda d: (seed_of(seed, d.id), d.text))]


def _fit_tuned(
    lens: Lens, tokenizer: Tokenizer, texts: list[str], out: Path, steps: int, rate: float, facts: Record
) -> None:
    from semantic_pivots.models.readouts import fit_tuned, residual_sample

    rows, seed = facts["rows"], facts["seed"]
    samples = residual_sample(lens, tokenizer, texts, rows, facts["length"], seed)
    typer.echo("layer  KL from the last layer in nats, on rows held out: logit lens, ridge map, tuned lens")
    lens_fit, distances = fit_tuned(
        lens,
        samples,
        steps,
        rate,
        seed=seed,
        report=lambda row: typer.echo(
            f"{row['layer']:5.0f}  {row['logit']:8.3f}  {row['ridge']:8.3f}  {row['kept']:8.3f}"
        ),
    )
    lens_fit.save(out, {**facts, "steps": steps, "rate": rate, "held_out_kl_nats": distances})


def _fit_jacobian(lens: Lens, tokenizer: Tokenizer, texts: list[str], out: Path, prompts: int, facts: Record) -> None:
    """Fit on the first documents that are long enough; compare on the documents behind them."""
    from semantic_pivots.models.jacobian import LEADING_POSITIONS, fit_jacobian, nearness
    from semantic_pivots.models.readouts import residual_sample
    from semantic_pivots.models.tokens import prompt_ids
    from semantic_pivots.run import Progress

    length, seed = facts["length"], facts["seed"]
    rows: list[list[int]] = []
    count = 0
    for text in texts:
        if len(rows) == prompts:
            break
        count += 1
        ids = prompt_ids(tokenizer, [text[: 8 * length]])[0][:length]
        if len(ids) > LEADING_POSITIONS + 1:
            rows.append(ids)
    if len(rows) < prompts:
        raise InputError(
            f"--prompts {prompts}: {len(rows)} documents hold more than {LEADING_POSITIONS + 1} tokens; "
            "give longer documents"
        )
    progress = Progress(prompts, "prompts", "Jacobians")
    partial = out / "partial.sums"
    lens_fit = fit_jacobian(lens, rows, report=lambda n: progress.advance(n - progress.position), partial=partial)
    progress.close()
    samples = residual_sample(lens, tokenizer, texts[count:], facts["rows"], length, seed)
    typer.echo(
        "layer  KL from the last layer in nats: logit lens, identity part, Jacobian lens, null; identity's share"
    )
    distances = nearness(lens_fit, samples, seed)
    for row in distances:
        figures = "  ".join(f"{row[name]:8.3f}" for name in ("logit", "identity", "kept", "null", "identity_share"))
        typer.echo(f"{row['layer']:5.0f}  {figures}")
    lens_fit.save(out, {**facts, "prompts": prompts, "skipped": LEADING_POSITIONS, "held_out_kl_nats": distances})
    partial.unlink(missing_ok=True)
