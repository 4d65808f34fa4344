"""Sentence translation over the user's parallel files in FLORES format: one sentence a line, one file a language.

A file belongs to the language its name begins with: `fr.txt`, `fra_Latn.devtest`, `cmn_Hans.dev`. Items ask like word
translation; what the model writes is also scored by chrF (Popović 2015; sacrebleu), with an interval over sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.languages import language, resolve
from semantic_pivots.resampling import bootstrap
from semantic_pivots.statistics import Interval, seed_of
from semantic_pivots.tasks.pattern import Pair, Pattern, source_name, target_name, task_of
from semantic_pivots.tasks.translation import Item

if TYPE_CHECKING:
    import pyarrow as pa
    from sacrebleu.metrics.chrf import CHRF

NAME = "sentences"

PATTERN = Pattern(
    lambda first, second: (
        f"Please translate sentences from {source_name(first, second)} to {target_name(first, second)}."
    ),
    source_name,
    target_name,
)


def read(folder: str | Path, languages: Sequence[str]) -> dict[str, list[str]]:
    """The sentences of each language, line by line.

    Raises:
        InputError: the folder or a language's file is missing, a file is not UTF-8, lengths differ, or a line is empty.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"parallel files {folder}: no such folder; expected one file a language, such as fr.txt")
    sentences = {}
    for code in languages:
        file = _file_of(folder, code)
        try:
            sentences[code] = [line.strip() for line in file.read_text("utf-8-sig").splitlines()]
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not UTF-8 at byte {error.start}; convert the file") from error
        empty = next((n for n, line in enumerate(sentences[code], 1) if not line), None)
        if empty is not None or not sentences[code]:
            raise InputError(f"{file}: line {empty or 1} is empty; expected one sentence on each line")
    lengths = {code: len(lines) for code, lines in sentences.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"parallel files {folder}: lines differ ({lengths}); expected sentence by sentence translations"
        )
    return sentences


def _file_of(folder: Path, code: str) -> Path:
    """The file of a language: of several, the one whose name is the code itself, else that in the likely script.

    Raises:
        InputError: no file, or several, belong to the language.
    """
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    labels = {path: path.name.split(".")[0] for path in files}
    files = [path for path in files if resolve(labels[path]) == code]
    matches = [path for path in files if labels[path].split("_")[0] == code]
    script = language(code).scripts[0].lower()
    likely = [path for path in files if script in labels[path].lower().split("_")]
    files = matches if len(matches) == 1 else likely if len(likely) == 1 else files
    if len(files) != 1:
        names = f" ({', '.join(path.name for path in files[:3])})" if files else ""
        raise InputError(
            f"parallel files {folder}: {len(files)} files for {code!r}{names}; expected exactly one, {code}.txt or as "
            "in FLORES (fra_Latn.devtest, cmn_Hans.devtest)"
        )
    return files[0]


def pairs(folder: str | Path, languages: Sequence[str]) -> dict[tuple[str, str], list[Pair]]:
    """Pairs (sentence, translation) of each two different languages."""
    sentences = read(folder, languages)
    return {
        (a, b): [Pair(f"{n:05d}", s, t) for n, (s, t) in enumerate(zip(sentences[a], sentences[b], strict=True))]
        for a in languages
        for b in languages
        if a != b
    }


def chrf(
    outputs: Sequence[str],
    references: Sequence[str],
    seed: int,
    sentences: Sequence[str] | None = None,
    resamples: int = 1000,
) -> tuple[Interval, str]:
    """Corpus chrF (0 to 100) of a model's translations, with its interval over sentences, and sacrebleu's signature.

    The statistics of each row are computed once; every resample sums them again.

    Args:
        outputs: the model's translations.
        references: the reference translation of each.
        seed: seed of the resampling.
        sentences: names of the sentences, where one was translated several times (after several draws of the shots);
            rows of one sentence are resampled together.
        resamples: number of resamples.

    Raises:
        InputError: sacrebleu is not installed.
    """
    metric = _metric()
    statistics = np.array(metric._extract_corpus_statistics(list(outputs), [list(references)]), dtype=np.int64)

    def score(rows: np.ndarray) -> float:
        return metric._compute_score_from_stats(statistics[rows].sum(axis=0).tolist()).score

    groups = None if sentences is None else np.array(sentences)
    interval = bootstrap(score, len(outputs), seed_of(seed, "chrf"), resamples, groups)
    return interval, metric.get_signature().format(short=True).replace("|", " ")


def chrf_of_weights(outputs: Sequence[str], references: Sequence[str], weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Corpus chrF (0 to 100), and its (resamples,) values when each sentence counts `weights` (resamples, n) times.

    Raises:
        InputError: sacrebleu is not installed.
    """
    metric = _metric()
    statistics = np.array(metric._extract_corpus_statistics(list(outputs), [list(references)]), dtype=np.int64)

    def score(row: np.ndarray) -> float:
        return metric._compute_score_from_stats(np.rint(row).astype(int).tolist()).score

    return score(statistics.sum(axis=0)), np.array([score(row) for row in weights @ statistics])


def _metric() -> CHRF:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise InputError("chrF needs the package sacrebleu: pip install 'semantic-pivots[sentences]'") from error
    return CHRF()


def chrf_figures(items: Sequence[Item], answers: pa.Table, seed: int) -> dict[tuple[str, str], tuple[Interval, str]]:
    """chrF of each direction from the stored answers, with sacrebleu's signature; nothing where the task is another.

    Args:
        items: the benchmark's items.
        answers: the Arrow table `answers`; an empty answer counts as written.
        seed: seed of the resampling.
    """
    sentence_items = {item.item_id: item for item in items if task_of(item.strata) == NAME}
    rows: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for item_id, greedy in zip(answers["item_id"].to_pylist(), answers["greedy"].to_pylist(), strict=True):
        if item_id in sentence_items:
            item = sentence_items[item_id]
            rows.setdefault(item.direction, []).append((greedy, item.target, item_id))
    return {
        direction: chrf([w for w, _, _ in members], [r for _, r, _ in members], seed, [i for _, _, i in members])
        for direction, members in rows.items()
    }
