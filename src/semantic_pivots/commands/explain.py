"""`pivots explain`: the layer-by-layer path of words through a model, in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semantic_pivots.caching import without_collection
from semantic_pivots.commands.options import members_of, with_sections
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.languages import check_languages
from semantic_pivots.markup import FIGURE_STYLE, in_terminal, pair_in_order
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.report.token_marks import LEGEND, MARKS, Marker
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    from rich.table import Table

_LINES, _TOP = 5, 10
LexiconRows = list[tuple[str, str, str]]
"""(concept, language, word)"""


@dataclass(frozen=True)
class Step:
    """Top tokens of one layer."""

    layer: int
    tokens: list[str]
    probs: list[float]
    kinds: list[str]
    """source, target, elsewhere (the word in a further language), pivot, or nothing, of each token"""
    entropy: float
    """nats"""


@dataclass(frozen=True)
class Question:
    """A word to be translated, as the model is asked for it."""

    direction: tuple[str, str]
    source: str
    target: str
    """the translation; empty where nobody gives one"""
    prompt: str
    words: Mapping[str, str] = field(default_factory=dict)
    """the concept's word in each language"""
    pivots: tuple[str, ...] = ()


@dataclass(frozen=True)
class WordPath:
    """The path of one word by one lens."""

    model: str
    source: str
    target: str
    steps: list[Step]
    prompt: str
    lens: str = "logit"


class Reader:
    """A model that is loaded, and whose lens is checked, once for any number of words.

    Raises:
        InputError: the model cannot be loaded or read, or a lens of it is not there.
    """

    @without_collection()
    def __init__(
        self, model: str, dtype: str = "float32", lenses: Sequence[str] = ("logit",), cache: str = "", blocks: str = ""
    ):
        from semantic_pivots.models.lens import load_lens
        from semantic_pivots.models.readouts import readouts

        if not lenses:
            raise InputError("--lens names no lens; expected logit, patchscope, tuned:FOLDER or jacobian:FOLDER")
        self.name = model
        model_and_tokenizer, self._lens = load_lens(model, dtype, cache, blocks)
        self._tokenizer = model_and_tokenizer.tokenizer
        self._readouts = readouts(self._lens, model_and_tokenizer.tokenizer, lenses)

    def rows(self, question: Question) -> list[dict]:
        """Rows as those of the table `trace`, by lens and layer: top_ids, top_probs, entropy."""
        import torch

        from semantic_pivots.models.distribution import check_numbers
        from semantic_pivots.models.tokens import prompt_ids, read_ids
        from semantic_pivots.tasks.translation import answer

        # up to the answer's first content token, where the answer is known
        texts, tokenizer = [question.prompt], self._tokenizer
        ids = read_ids(tokenizer, texts, [answer(question.target)]) if question.target else prompt_ids(tokenizer, texts)
        device = self._lens.network.device
        place = torch.tensor([len(ids[0]) - 1], device=device)
        with torch.inference_mode():
            residuals = self._lens.residuals(torch.tensor(ids, device=device), place)
            # one product with the head, whose weights are the larger part of a small model, for all lenses and layers
            final = [readout.final(layer, row) for readout in self._readouts for layer, row in enumerate(residuals)]
            probs = torch.softmax(self._lens.network.logits(torch.cat(final)).float(), -1)
            check_numbers(~probs.isnan().any(-1), "layer's reading", self._lens.network.dtype)
            top, entropy = probs.topk(_TOP), torch.special.entr(probs).sum(-1).tolist()
        names = [(readout.name, layer) for readout in self._readouts for layer in range(self._lens.layers)]
        rows = zip(names, top.indices.tolist(), top.values.tolist(), entropy, strict=True)
        return [
            {"lens": lens, "layer": layer, "top_ids": ids, "top_probs": values, "entropy": nats}
            for (lens, layer), ids, values, nats in rows
        ]

    def marker(self, question: Question) -> Marker:
        """What shows the tokens of a question."""
        word_of = dict(zip(question.direction, (question.source, question.target), strict=True))
        return Marker(self._tokenizer, {**question.words, **word_of}, question.direction, question.pivots)

    def paths(self, question: Question) -> list[WordPath]:
        """The path of a word, by lens."""
        marker, by_lens = self.marker(question), {}
        for row in self.rows(question):
            marks = [marker.mark(token) for token in row["top_ids"][:_LINES]]
            texts, kinds = [mark.text for mark in marks], [mark.kind for mark in marks]
            step = Step(row["layer"], texts, row["top_probs"][:_LINES], kinds, row["entropy"])
            by_lens.setdefault(row["lens"], []).append(step)
        return [
            WordPath(self.name, question.source, question.target, steps, question.prompt, lens)
            for lens, steps in by_lens.items()
        ]

    def page(self, question: Question) -> Record:
        """The path of a word as the explorer draws it."""
        from semantic_pivots.report.explorer_data import path_of

        paths = path_of(self.rows(question), self.marker(question))
        return {"source": question.source, "target": question.target, "prompt": question.prompt, "paths": paths}


def question_of(
    rows: LexiconRows,
    direction: tuple[str, str],
    word: str,
    translation: str = "",
    shots: int = 5,
    pivots: Iterable[str] = (),
) -> Question:
    """Ask for a word's translation after shots from a lexicon, which show nothing of the word.

    Args:
        rows: the lexicon; where it has too few other words, fewer shots are shown.
        translation: in place of the lexicon's.

    Raises:
        InputError: a negative number of shots.
    """
    from semantic_pivots.tasks.translation import Shots, check_draws, prompt

    check_draws(shots)
    pairs = Shots(rows, *direction).pool
    target = translation or next((shot.target for shot in pairs if shot.source == word), "")
    candidates = [shot for shot in pairs if word not in (shot.source, shot.target) and shot.target != target]
    sample = Random(seed_of("explain", *direction, word)).sample(candidates, min(shots, len(candidates)))
    concept = next((c for c, code, entry in rows if (code, entry) == (direction[0], word)), None)
    words = {code: entry for c, code, entry in rows if c == concept} if concept is not None else {}
    return Question(direction, word, target, prompt(*direction, sample, word), words, tuple(pivots))


def lexicon_rows(direction: tuple[str, str], lexicon: str = "", run: Path | None = None) -> LexiconRows:
    """The words of a run that has both languages, or of a lexicon; else of the first one that ships with both, or none.

    Raises:
        InputError: the lexicon or the run cannot be read, or the lexicon lacks a language.
    """
    from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon, word_columns

    if run is not None:
        from semantic_pivots.files import read_table

        columns, path = ("concept_id", "language", "word"), run / "lexicon" / "words.parquet"
        if not path.exists():
            raise InputError(f"--run {run}: expected a study's run with a lexicon, such as runs/demo")
        table = read_table(path, list(columns))
        if set(direction) <= set(table["language"].unique().to_pylist()):
            return list(zip(*(table[name].to_pylist() for name in columns), strict=True))
    for name in [lexicon] if lexicon else ["cldr", "cldr-wide"]:
        path = lexicon_path(name)
        codes = word_columns(path)
        missing = [code for code in direction if code not in codes]
        if not missing:
            cells = read_lexicon(path, codes)
            return [(row["concept_id"], code, row[code]) for row in cells for code in codes if row[code]]
        if lexicon:
            raise InputError(f"--lexicon {lexicon}: no column {', '.join(missing)}; it has {', '.join(codes)}")
    return []


def questions_of(
    source_language: str, words: str, target_language: str, shots: int = 5, lexicon: str = "", run: Path | None = None
) -> list[Question]:
    """The questions of `pivots explain`.

    Args:
        words: words by commas, each with or without its translation: `dog,cat=chat`.
        lexicon: name or file of a lexicon, for translations and shots.
        run: a study's run, for its lexicon and for the pivots that it found.

    Raises:
        InputError: an unknown language, twice the same, no word, or a lexicon or run that cannot be read.
    """
    direction = (source_language, target_language)
    check_languages("direction", direction)
    word_pairs = [tuple(part.strip() for part in pair.partition("=")[::2]) for pair in members_of(words)]
    if not all(source for source, _ in word_pairs) or not word_pairs:
        raise InputError(f"no word in {words!r}: expected one, or several by commas, such as dog,cat=chat")
    rows = lexicon_rows(direction, lexicon, run)
    # where no lexicon has the languages, the words that were given with their translations show how it is done
    for source, target in word_pairs:
        if target and not any((code, entry) == (direction[0], source) for _, code, entry in rows):
            rows += [(f"given:{source}", direction[0], source), (f"given:{source}", direction[1], target)]
    pivots = _pivots(run, direction) if run else {}
    return [question_of(rows, direction, s, t, shots, pivots.get(s, ())) for s, t in word_pairs]


def _pivots(run: Path, direction: tuple[str, str]) -> dict[str, list[str]]:
    """Texts of the pivots that a run found, by source word; none where it looked for none."""
    from semantic_pivots.files import read_table

    files = [run / stage / f"{name}.parquet" for stage, name in (("benchmark", "items"), ("discover", "pivots"))]
    if not all(path.exists() for path in files):
        return {}
    items, pivots = (read_table(path).to_pylist() for path in files)
    source_of = {
        row["item_id"]: row["source"] for row in items if (row["source_language"], row["target_language"]) == direction
    }
    pivots_of: dict[str, list[str]] = {}
    for row in pivots:
        if row["item_id"] in source_of:
            pivots_of.setdefault(source_of[row["item_id"]], []).append(row["text"].strip())
    return pivots_of


@with_sections(subsets={"trace": ("shots", "lenses", "dtype", "blocks")})
def explain(
    model: Annotated[str, typer.Argument(help="model to read: hub id, local folder, or package:NAME")],
    source_language: Annotated[str, typer.Argument(help="language code of the word, such as en")],
    word: Annotated[str, typer.Argument(help="word, or several by commas; with its translation as dog=chien")],
    target_language: Annotated[str, typer.Argument(help="language code of the translation, such as zh")],
    trace: TraceConfig,
    out: Annotated[Path, typer.Option(help="page to write, without ending")] = Path("explain"),
    lexicon: Annotated[str, typer.Option(help="lexicon for translations and shots: a name or a TSV file")] = "",
    run: Annotated[
        Path | None, typer.Option(help="run of a study, such as runs/demo: its words, and pivots where it has any")
    ] = None,
    picture: Annotated[bool, typer.Option("--picture", help="draw the first word's path as a PNG too")] = False,
) -> None:
    """Show layer by layer what a model would answer on its way to a translation; writes a page too."""
    from rich.console import Console

    from semantic_pivots.models.transformers_library import import_models_quickly
    from semantic_pivots.report.word_page import write_page

    questions = questions_of(source_language, word, target_language, trace.shots, lexicon, run)
    out.parent.mkdir(parents=True, exist_ok=True)  # a place that cannot be written to is told before the work
    import_models_quickly()
    reader = Reader(model, trace.dtype, trace.lenses, blocks=trace.blocks)
    console = Console()
    paths = [reader.paths(question) for question in questions]
    for question, by_lens in zip(questions, paths, strict=True):
        console.print(in_terminal(question.prompt), style="dim", markup=False, highlight=False)
        for explanation in by_lens:
            console.print(table(explanation, console.width))
    typer.echo(str(write_page(model, [path for by_lens in paths for path in by_lens], out)))
    if picture:
        typer.echo(str(write_picture(paths[0][0], out)))


def table(path: WordPath, width: int = 120) -> Table:
    """The path as a terminal table, the last layer first; fewer tokens where the terminal is narrow."""
    from rich import box
    from rich.table import Table

    words = pair_in_order(path.source, path.target or "(not in the lexicon)")
    title = in_terminal(f"{words}, {path.model}, {path.lens} lens")
    grid = Table(title=title, box=box.SIMPLE, caption=f"{LEGEND}; nats: entropy")
    top = max(1, min(_LINES, (width - 16) // 20))
    grid.add_column("layer", justify="right", no_wrap=True, min_width=5)
    grid.add_column("nats", justify="right", no_wrap=True, min_width=5)
    for rank in range(top):
        grid.add_column(f"top {rank + 1}", no_wrap=True)
    for step in reversed(path.steps):
        triples = zip(step.tokens, step.probs, step.kinds, strict=True)
        cells = [f"{MARKS[kind] or ' '} {in_terminal(text)} {prob:.2f}" for text, prob, kind in triples][:top]
        grid.add_row(str(step.layer), f"{step.entropy:.2f}", *cells)
    return grid


def write_picture(path: WordPath, stem: Path) -> Path:
    """Draw the path as STEM.png; returns the file."""
    probs = [step.probs for step in path.steps]
    texts = [[f"{MARKS[k]} {t}".strip() for t, k in zip(step.tokens, step.kinds, strict=True)] for step in path.steps]
    ranks = [f"top {rank + 1}" for rank in range(_LINES)]
    picture = stem.with_suffix(".png")
    stem.parent.mkdir(parents=True, exist_ok=True)
    _draw(f"{pair_in_order(path.source, path.target or '?')} ({path.model})", probs, texts, ranks, picture)
    return picture


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
        axes.set_xlabel(LEGEND + note, fontsize=9)
        figure.savefig(path, dpi=130)
        pyplot.close(figure)
