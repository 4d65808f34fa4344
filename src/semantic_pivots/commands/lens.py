"""`pivots lens`: train a tuned lens of a model on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots.errors import InputError
from semantic_pivots.statistics import seed_of

app = typer.Typer(help="Lenses: train a tuned lens.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `train` a command of its own, where it is the only one."""


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="model: hub id, local folder, or package:NAME")],
    corpus: Annotated[str, typer.Argument(help="documents of any format that `pivots corpus` reads")],
    out: Annotated[Path, typer.Argument(help='folder of the lens; [trace] lenses = ["tuned:FOLDER"] reads it')],
    rows: Annotated[int, typer.Option(help="documents read, one random position of each")] = 2000,
    steps: Annotated[int, typer.Option(help="steps of descent per layer beyond the closed form; 0: none")] = 100,
    rate: Annotated[float, typer.Option(help="learning rate")] = 1e-3,
    length: Annotated[int, typer.Option(help="tokens of a document that are read at most")] = 128,
    seed: Annotated[int, typer.Option(help="of positions and order")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
    blocks: Annotated[str, typer.Option(help="dotted name of the model's block list, where it is not found")] = "",
    columns: Annotated[str, typer.Option(help="renames as role=column, separated by commas")] = "",
    max_bad_share: Annotated[float, typer.Option(help="share of lines without a text above which it stops")] = 0.01,
) -> None:
    """Train a tuned lens: per layer the affine map after which the head says most nearly what the model says."""
    import heapq

    from semantic_pivots.corpus import documents
    from semantic_pivots.models.lens import load_lens
    from semantic_pivots.models.readouts import fit_tuned, sampled_residuals

    if rows < 8:
        raise InputError(f"--rows {rows}: expected at least 8")
    found = documents.documents(
        corpus, documents.column_map(tuple(entry for entry in columns.split(",") if entry)), max_bad_share
    )
    # twice as many as needed, since a document may be empty; the choice depends on ids and seed, not on files
    texts = [d.text for d in heapq.nsmallest(2 * rows, found, key=lambda d: (seed_of(seed, d.id), d.text))]
    loaded, lens = load_lens(model, dtype, blocks=blocks)
    loaded.model.requires_grad_(False)
    samples = sampled_residuals(lens, loaded.tokenizer, texts, rows, length, seed)
    typer.echo("layer  KL from the last layer in nats, on rows held out: logit lens, ridge map, tuned lens")
    tuned, facts = fit_tuned(
        lens,
        samples,
        steps,
        rate,
        seed=seed,
        told=lambda row: typer.echo(
            f"{row['layer']:5.0f}  {row['logit']:8.3f}  {row['ridge']:8.3f}  {row['kept']:8.3f}"
        ),
    )
    tuned.save(
        out,
        {
            "model": loaded.name,
            "revision": loaded.revision,
            "rows": rows,
            "steps": steps,
            "rate": rate,
            "length": length,
            "seed": seed,
            "dtype": dtype,
            "held_out_kl_nats": facts,
        },
    )
    typer.echo(str(out))
