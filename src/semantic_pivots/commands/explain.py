"""`pivots explain`: the layer-by-layer path of one word through a model, in the terminal and as a heatmap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from semantic_pivots.errors import InputError
from semantic_pivots.markup import FIGURE_STYLE, in_page, in_terminal
from semantic_pivots.statistics import seed_of

_SHOWN = 5
_LEGEND = "● target  ◀ source  ○ the word in a further language  ◆ semantic pivot"
_MARKS = {"source": "◀", "target": "●", "elsewhere": "○", "pivot": "◆", "": " "}


@dataclass(frozen=True)
class Step:
    """What the model would answer after one layer."""

    layer: int
    tokens: list[str]
    probs: list[float]
    kinds: list[str]
    """source, target, elsewhere (the word in a further language), pivot, or nothing, of each token"""
    entropy: float
    """nats"""


@dataclass(frozen=True)
class Explained:
    """The path of one word."""

    model: str
    source: str
    target: str
    """the lexicon's translation; empty where the word is not in it"""
    steps: list[Step]
    prompt: str


def explain(
    model: str,
    source_language: str,
    word: str,
    target_language: str,
    shots: int = 5,
    dtype: str = "float32",
    cache: str = "",
    run: Path | None = None,
    blocks: str = "",
) -> Explained:
    """Trace one word by the logit lens, after shots from the lexicon that ships.

    Args:
        run: folder of a study's run, whose semantic pivots of the word are marked (compared by their text, so the
            study's tokenizer may be another).
        blocks: dotted name of the model's block list, where the lens does not find it.

    Raises:
        InputError: an unknown language, a model that cannot be loaded or read, or a run without pivots of the word.
    """
    import tempfile

    import torch

    from semantic_pivots.config import LexiconConfig
    from semantic_pivots.languages import language
    from semantic_pivots.lexicon.concepts import lexicon_stage
    from semantic_pivots.models.distribution import check_numbers
    from semantic_pivots.models.lens import load_lens
    from semantic_pivots.models.tokens import prompt_ids, read_ids
    from semantic_pivots.models.trace import first_tokens, word_tokens
    from semantic_pivots.run import Inputs, Work
    from semantic_pivots.tasks.translation import Shots, answer, check_draws, prompt

    check_draws(shots)
    pair = (language(source_language).code, language(target_language).code)
    pivots = _pivots(run, *pair, word) if run else frozenset()
    with tempfile.TemporaryDirectory() as scratch:
        config = LexiconConfig(
            languages=(*pair, *(c for c in LexiconConfig().languages if c not in pair)), source="cldr"
        )
        rows = lexicon_stage(config, Inputs({}), Work(Path(scratch), Path(scratch)))["words"].to_pylist()
    known = Shots([(r["concept_id"], r["language"], r["word"]) for r in rows], *pair).known
    target = next((shot.target for shot in known if shot.source == word), "")
    allowed = [shot for shot in known if word not in (shot.source, shot.target) and shot.target != target]
    drawn = Random(seed_of("explain", *pair, word)).sample(allowed, min(shots, len(allowed)))
    text = prompt(*pair, drawn, word)
    loaded, lens = load_lens(model, dtype, cache, blocks)
    # up to the answer's first content token, where the answer is known
    asked = read_ids(loaded.tokenizer, [text], [answer(target)]) if target else prompt_ids(loaded.tokenizer, [text])
    ids = torch.tensor(asked, device=lens.body.device)
    concepts = {r["concept_id"] for r in rows if (r["language"], r["word"]) == (pair[0], word)}
    further = [r["word"] for r in rows if r["concept_id"] in concepts and r["language"] not in pair]
    own = {
        "source": word_tokens(loaded.tokenizer, [word]),
        "target": word_tokens(loaded.tokenizer, [target]) if target else set(),
        "elsewhere": first_tokens(loaded.tokenizer, [*further, *map(str.capitalize, further)]),
    }
    steps = []
    with torch.inference_mode():
        residuals = lens.residuals(ids, torch.tensor([ids.shape[1] - 1], device=ids.device))
        for layer, row in enumerate(residuals):
            probs = torch.softmax(lens.decode(row)[0].float(), -1)
            check_numbers(~probs.isnan().any()[None], "layer's reading", lens.body.dtype)
            top = probs.topk(_SHOWN)
            texts = [loaded.tokenizer.decode([i]).strip() or "␣" for i in top.indices.tolist()]
            kinds = [
                next((k for k, of in own.items() if i in of), "pivot" if text in pivots else "")
                for i, text in zip(top.indices.tolist(), texts, strict=True)
            ]
            entropy = float(-(probs * probs.clamp(min=1e-30).log()).sum())
            steps.append(Step(layer, texts, top.values.tolist(), kinds, entropy))
    return Explained(model, word, target, steps, text)


def _pivots(run: Path, source_language: str, target_language: str, word: str) -> frozenset[str]:
    """Texts of the semantic pivots that a run found for a word's item, without spaces around them."""
    import polars

    files = [run / stage / f"{name}.parquet" for stage, name in (("benchmark", "items"), ("discover", "pivots"))]
    for path in files:
        if not path.exists():
            raise InputError(f"{run}: no {path.relative_to(run)}; expected the run of a study with the stage discover")
    items, pivots = map(polars.read_parquet, files)
    columns = {"source_language": source_language, "target_language": target_language}
    known = items.filter(*(polars.col(name) == value for name, value in columns.items()))
    found = pivots.join(known.filter(polars.col("source") == word), on="item_id", how="semi")
    if found.is_empty():
        some = ", ".join(pivots.join(known, on="item_id")["source"].unique(maintain_order=True).head(5).to_list())
        raise InputError(
            f"{run}: no pivots of {source_language} {word} to {target_language}; "
            f"it has those of {some or 'no word of this pair of languages'}"
        )
    return frozenset(text.strip() for text in found["text"].to_list())


def table(found: Explained, width: int = 120) -> Any:
    """The path as a terminal table, the last layer first; fewer tokens where the terminal is narrow."""
    from rich import box
    from rich.table import Table

    title = in_terminal(f"{found.source} → {found.target or '(not in the lexicon)'}, {found.model}")
    drawn = Table(title=title, box=box.SIMPLE, caption=f"{_LEGEND}; nats: entropy")
    shown = max(1, min(_SHOWN, (width - 16) // 20))
    drawn.add_column("layer", justify="right", no_wrap=True, min_width=5)
    drawn.add_column("nats", justify="right", no_wrap=True, min_width=5)
    for rank in range(shown):
        drawn.add_column(f"top {rank + 1}", no_wrap=True)
    for step in reversed(found.steps):
        marked = zip(step.tokens, step.probs, step.kinds, strict=True)
        cells = [f"{_MARKS[kind]} {in_terminal(text)} {prob:.2f}" for text, prob, kind in marked][:shown]
        drawn.add_row(str(step.layer), f"{step.entropy:.2f}", *cells)
    return drawn


def write_heatmap(found: Explained, stem: Path) -> list[Path]:
    """Draw the path as STEM.html (plotly, self-contained) and STEM.png (matplotlib); returns the files.

    Raises:
        InputError: the folder cannot be written.
    """
    import plotly.graph_objects as go

    layers = [step.layer for step in found.steps]
    probs = [step.probs for step in found.steps]
    texts = [[f"{_MARKS[k]} {t}".strip() for t, k in zip(step.tokens, step.kinds, strict=True)] for step in found.steps]
    ranks = [f"top {rank + 1}" for rank in range(_SHOWN)]
    shown = [[in_page(text) for text in row] for row in texts]
    title = f"{found.source} → {found.target or '?'} ({found.model})"
    figure = go.Figure(
        go.Heatmap(z=probs, x=ranks, y=layers, text=shown, texttemplate="%{text}", colorscale="Blues", zmin=0, zmax=1)
    )
    figure.update_layout(
        title=f"{in_page(title)}<br><sub>{_LEGEND}</sub>",
        yaxis_title="layer (0: after the first block)",
        height=120 + 30 * len(layers),
    )
    page, picture = stem.with_suffix(".html"), stem.with_suffix(".png")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        figure.write_html(page, include_plotlyjs=True, div_id="path")
        _draw(title, probs, texts, ranks, picture)
    except OSError as error:
        raise InputError(f"cannot write {error.filename or stem}: expected a writable folder; pass --out") from error
    return [page, picture]


def _draw(title: str, probs: list, texts: list, ranks: list, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from semantic_pivots.report.glyphs import drawable, fonts_for

    fonts, missing = fonts_for([title, *(text for row in texts for text in row)])
    style: Any = {"font.family": fonts, **FIGURE_STYLE}
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(9, 1 + 0.32 * len(probs)), layout="constrained")
        axes.imshow(probs, aspect="auto", cmap="Blues", vmin=0, vmax=1, origin="lower")
        for layer, row in enumerate(texts):
            for rank, text in enumerate(row):
                ink = "white" if probs[layer][rank] > 0.6 else "black"
                text = drawable(text, missing)
                axes.text(rank, layer, text, ha="center", va="center", color=ink, fontsize=9)
        axes.set(xticks=range(len(ranks)), xticklabels=ranks, ylabel="layer (0: after the first block)")
        axes.set_title(drawable(title, missing))
        note = " (U+…: characters of which no font here has a glyph)" if missing else ""
        axes.set_xlabel(_LEGEND + note, fontsize=9)
        figure.savefig(path, dpi=130)
        pyplot.close(figure)
