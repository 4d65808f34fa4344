"""Document scores: one row per document, computed once for any number of selections (like Dolma's attributes).

The columns are counts, from which each selector computes its score:

- tokens; units (words or tokens, as in the pivot set), and units that are in the pivot set (`selection.pivot_density`);
- distinct lexicon words that identify their language, the number of their languages, and the number of such words in
  the most frequent of these. A spelling that two languages share does not identify one, nor does a Latin word of three
  letters or fewer;
- concepts with a word in the document, and concepts with words in two or more languages;
- whether the document contains both words of a benchmark pair (the leakage guard);
- the DSIR weight, if a target is given (`selection.dsir`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.vocabulary import id_count
from semantic_pivots.counting.counts import Pair, Word, benchmark_words
from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.shard_passes import Corpus, Shard, StoredCorpus
from semantic_pivots.counting.strings import buffers
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.held_out import visible_words
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection import dsir
from semantic_pivots.selection.pivot_density import PivotTokens, PivotWords, pivots_of
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.tables import conform
from semantic_pivots.wordforms.rule import SPELLING, Form, Rule
from semantic_pivots.wordforms.table import rule_of

_SHORT = 3


class Vocabulary(NamedTuple):
    """Lexicon words (word, language, concept number) and benchmark pairs to find in the texts."""

    words: tuple[tuple[str, str, int], ...]
    pairs: tuple[Pair, ...]
    rule: Rule = SPELLING


class _Lookup:
    """A vocabulary compiled, by entry: its language (-1: it tells none), its concepts, its partners.

    A lexicon word tells its language by those of its forms that no word of another language has and that are no Latin
    spellings of three letters or fewer; the words of a pair are met in any form.
    """

    def __init__(self, vocabulary: Vocabulary):
        words = sorted({(w, c) for w, c, _ in vocabulary.words})
        pair_words = sorted({word for pair in vocabulary.pairs for word in pair})
        rule = vocabulary.rule
        telling = _telling({word: rule.forms(word) for word in words})
        self.words = Words.of_forms([*(telling[word] for word in words), *map(rule.forms, pair_words)], rule.folds)
        entries = self.words.pattern_of.tolist()
        pattern = dict(zip(words, entries[: len(words)], strict=True))
        pair_pattern = dict(zip(pair_words, entries[len(words) :], strict=True))
        n = self.words.patterns
        codes = {code: i for i, code in enumerate(sorted({c for _, c, _ in vocabulary.words}))}
        self.languages = len(codes)
        self.concepts = 1 + max((k for _, _, k in vocabulary.words), default=-1)
        language = np.full(n, -1, np.int32)
        of_pattern: list[set[int]] = [set() for _ in range(n)]
        for word, code, concept in vocabulary.words:
            p = pattern[word, code]
            if p >= 0:
                language[p] = codes[code]
                of_pattern[p].add(concept)
        self.language = language
        self.concept_begins, self.concept_ids = _offsets_and_values(of_pattern)
        partners: list[set[int]] = [set() for _ in range(n)]
        for first, second in vocabulary.pairs:
            # Two words that share a form meet wherever it is: that is no pair of words.
            common_forms = set(rule.forms(first)) & set(rule.forms(second))
            if not common_forms and min(pair_pattern[first], pair_pattern[second]) >= 0:
                partners[pair_pattern[first]].add(pair_pattern[second])
        self.partner_begins, self.partners = _offsets_and_values(partners)

    def meetings(self, texts: pa.ChunkedArray) -> dict[str, np.ndarray]:
        """Columns of the documents' words."""
        starts, hits = find(self.words, *buffers(texts))
        names = ("languages_met", "lexicon_words", "dominant_words", "concepts", "parallel_concepts", "holds_pair")
        columns = _meetings(
            starts, hits, self.language, self.languages, self.concept_begins, self.concept_ids, self.concepts,
            self.partner_begins, self.partners,
        )  # fmt: skip
        table = dict(zip(names, columns, strict=True))
        return {**table, "holds_pair": table["holds_pair"].astype(np.bool_)}


def _telling(forms: dict[Word, tuple[Form, ...]]) -> dict[Word, list[Form]]:
    """Of each word the forms that tell its language."""
    languages: dict[str, set[str]] = {}
    for (_, code), own_forms in forms.items():
        for form in own_forms:
            languages.setdefault(form.text, set()).add(code)

    def tells(form: Form) -> bool:
        return len(languages[form.text]) == 1 and not (len(form.text) <= _SHORT and form.text.isascii())

    return {word: [form for form in own_forms if tells(form)] for word, own_forms in forms.items()}


def _offsets_and_values(sets: Sequence[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    begins = np.concatenate([[0], np.cumsum([len(s) for s in sets])]).astype(np.int64)
    return begins, np.array([k for s in sets for k in sorted(s)], np.int32)


@numba.njit(cache=True, nogil=True)
def _meetings(
    starts, hits, language, languages, concept_begins, concept_ids, concepts, partner_begins, partners
):  # pragma: no cover - compiled
    n = len(starts) - 1
    n_languages, words, dominant = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    n_concepts, parallel, holds = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    code_of = np.full(concepts, -1, np.int32)  # language in which this document first met the concept; -2: met in two
    present = np.zeros(len(language), np.uint8)
    by_language = np.zeros(languages, np.int32)
    for document in range(n):
        own_hits = hits[starts[document] : starts[document + 1]]
        by_language[:] = 0
        for p in own_hits:
            present[p] = 1
        for p in own_hits:
            for k in range(partner_begins[p], partner_begins[p + 1]):
                if present[partners[k]]:
                    holds[document] = 1
            if language[p] < 0:
                continue
            by_language[language[p]] += 1
            for k in range(concept_begins[p], concept_begins[p + 1]):
                concept = concept_ids[k]
                if code_of[concept] == -1:
                    code_of[concept] = language[p]
                    n_concepts[document] += 1
                elif code_of[concept] >= 0 and code_of[concept] != language[p]:
                    code_of[concept] = -2
                    parallel[document] += 1
        for p in own_hits:
            present[p] = 0
            if language[p] >= 0:
                for k in range(concept_begins[p], concept_begins[p + 1]):
                    code_of[concept_ids[k]] = -1
        for k in range(languages):
            words[document] += by_language[k]
            dominant[document] = max(dominant[document], by_language[k])
            n_languages[document] += by_language[k] > 0
    return n_languages, words, dominant, n_concepts, parallel, holds


@functools.lru_cache(maxsize=1)
def _lookup(vocabulary: Vocabulary) -> _Lookup:
    """The vocabulary of a worker's shards, compiled once."""
    return _Lookup(vocabulary)


def score_shard(
    shard: Shard,
    pivots: PivotTokens | PivotWords,
    vocabulary: Vocabulary,
    log_ratio: np.ndarray | None,
    dsir_units: str,
    size: int,
) -> pa.Table:
    """The scores of one shard's documents (columns of `doc_scores`), whose tokens are ids below `size`."""
    table = shard.documents(["id", "language", "text"])
    flat, offsets = shard.tokens(size)
    if len(offsets) - 1 != table.num_rows:
        raise InputError(
            f"shard {shard.name}: {table.num_rows} documents, tokens of {len(offsets) - 1}: tokenise again"
        )
    weights = None
    if log_ratio is not None:
        weights = dsir.importance(dsir.ngrams(table["text"], flat, offsets, dsir_units), log_ratio)
    units, pivot_units = pivots.counts(table["text"], flat, offsets)
    columns = {
        "shard": [shard.name] * table.num_rows,
        "row": np.arange(table.num_rows, dtype=np.int64),
        "doc_id": table["id"],
        "language": table["language"],
        "n_tokens": np.diff(offsets).astype(np.int32),
        "units": units,
        "pivot_units": pivot_units,
        **_lookup(vocabulary).meetings(table["text"]),
        "dsir": pa.array(weights, pa.float64()) if weights is not None else pa.nulls(table.num_rows, pa.float64()),
    }
    return conform("doc_scores", pa.table(columns))


def vocabulary(rows: Sequence[Record], pairs: Sequence[Pair], words: str = "forms", forms_path: str = "") -> Vocabulary:
    """The words and word pairs that document scoring looks up: the table `words` and a benchmark's pairs."""
    number = {concept: i for i, concept in enumerate(sorted({row["concept_id"] for row in rows}))}
    entries = sorted({(row["word"], row["language"], number[row["concept_id"]]) for row in rows})
    rule = rule_of(words, forms_path, {(w, c) for w, c, _ in entries} | {word for pair in pairs for word in pair})
    return Vocabulary(tuple(entries), tuple(pairs), rule)


def document_scores(config: SelectConfig, inputs: Inputs, work: Work) -> Scores:
    """Score every document of a study's corpus (table `doc_scores`), a shard at a time.

    Args:
        config: the target of DSIR, the rule by which words are matched, and how the shards are read.
        inputs: stages with the tables shards, token_shards, pivot_set, and words and items where there are.
        work: keeps the parts of finished shards.

    Raises:
        InputError: the target holds no text, or documents and tokens do not belong together.
    """
    pairs = benchmark_words(inputs.table("items"))[1] if inputs.has("items") else []
    rows = visible_words(inputs) if inputs.has("words") else []
    corpus = StoredCorpus(inputs, work, config.workers, config.engine)
    lookup = vocabulary(rows, pairs, config.words, config.forms_path)
    target = config.dsir_target, config.dsir_languages, config.dsir_units
    return score_documents(corpus, inputs.table("pivot_set"), lookup, *target)


def score_documents(
    corpus: Corpus,
    pivot_set: pa.Table,
    vocabulary: Vocabulary,
    dsir_target: str = "",
    dsir_languages: tuple[str, ...] = (),
    dsir_units: str = "words",
) -> Scores:
    """Score every document of a corpus on disk or in memory (table `doc_scores`).

    Args:
        corpus: the documents.
        pivot_set: the table `pivot_set`.
        vocabulary: lexicon words and benchmark pairs that are looked up.
        dsir_target: file or folder of documents that DSIR takes as its target.
        dsir_languages: languages whose documents it takes where there is no file; neither: no DSIR weights.
        dsir_units: words or tokens, of which its n-grams are made.

    Raises:
        InputError: the target holds no text, or documents and tokens do not belong together.
    """
    size, ratio = id_count(corpus.tokenizer), None
    if dsir_target or dsir_languages:
        counts = list(corpus.results("ngrams", dsir.count_ngrams, dsir_languages, dsir_units, size))
        total, target = (np.sum([part[name].to_numpy() for part in counts], axis=0) for name in ("count", "target"))
        target = dsir.target_ngrams(dsir_target, corpus.tokenizer, dsir_units) if dsir_target else target
        if not target.any():
            raise InputError(f"[select] dsir_languages = {list(dsir_languages)}: the corpus has no document of them")
        ratio = dsir.log_ratio(target, total)
    pivots = pivots_of(pivot_set, [word for word, _, _ in vocabulary.words], corpus.tokenizer)
    return Scores(corpus.result_tables("scores", score_shard, pivots, vocabulary, ratio, dsir_units, size))
