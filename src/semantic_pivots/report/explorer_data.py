"""A run as the explorer shows it: an index of concepts, and everything that the tables say of one.

Every table is optional: what a study has not run is left out of the page. Values are JSON-able.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, read_table
from semantic_pivots.languages import languages
from semantic_pivots.report.keyword_in_context import READ_BYTES, Passage, passages
from semantic_pivots.report.token_marks import Marker
from semantic_pivots.run import read_manifest
from semantic_pivots.wordforms.rule import SPELLING, Rule, own_form
from semantic_pivots.wordforms.table import Row, rule_of_rows
from semantic_pivots.words import fold

_MOST_PIVOTS, _PIVOTS_IN_CONTEXT, _NEIGHBOURS, _TOKENS = 12, 3, 8, 5
_CAUSES = ("told", "link", "link_low", "link_high", "link_p", "need", "need_low", "need_high", "need_p", "control_sets")
_MASSES = ("source", "pivot", "pivot_null", "target")
Rows = dict[str, list[dict]]


def _figure(value: float | None) -> float | None:
    """A number with five digits; None for NaN."""
    return None if value is None or math.isnan(value) else float(f"{value:.5g}")


class RunTables:
    """The tables of a study's run that the explorer reads, by item.

    Raises:
        InputError: the folder is not a run with the stages lexicon and benchmark.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not (folder / "lexicon" / "words.parquet").exists() or not (folder / "benchmark").exists():
            raise InputError(f"{folder}: expected a study's run with lexicon and benchmark, such as runs/demo")
        stages = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        self.manifests = {path.name: m for path in stages if (m := read_manifest(path)) is not None}
        self.items: dict[str, dict] = {row["item_id"]: row for row in self.rows("benchmark", "items")}
        self.words: dict[str, dict[str, dict]] = defaultdict(dict)
        for row in self.rows("lexicon", "words"):
            self.words[row["concept_id"]][row["language"]] = row

    def table(self, stage: str, name: str) -> pa.Table | None:
        """A table of a stage; None if the stage has not run."""
        path = self.folder / stage / f"{name}.parquet"
        return read_table(path) if path.exists() else None

    def rows(self, stage: str, name: str) -> list[dict]:
        """Its rows; none where the stage has not run."""
        table = self.table(stage, name)
        return [] if table is None else table.to_pylist()

    def by_item(self, stage: str, name: str, order: Callable[[Record], Any] | None = None) -> Rows:
        """The rows of each item, sorted by `order` if it is given."""
        rows: Rows = defaultdict(list)
        for row in self.rows(stage, name):
            rows[row["item_id"]].append(row)
        return {item: sorted(members, key=order) for item, members in rows.items()} if order else rows

    @cached_property
    def concepts(self) -> dict[str, list[dict]]:
        """Items of each concept of the benchmark, in its order."""
        rows: Rows = defaultdict(list)
        for item in self.items.values():
            rows[item["concept_id"]].append(item)
        return rows

    @cached_property
    def pivots(self) -> Rows:
        """Pivots of each item, the best first."""
        return self.by_item("discover", "pivots", lambda row: row["rank"])

    @cached_property
    def counts(self) -> dict[tuple[str, str], int]:
        """Documents that hold each word."""
        return {(row["word"], row["language"]): row["value"] for row in self.rows("count", "word_counts")}

    @cached_property
    def pair_counts(self) -> dict[frozenset[tuple[str, str]], int]:
        """Documents that hold both words."""
        return {
            frozenset(((row["word_1"], row["language_1"]), (row["word_2"], row["language_2"]))): row["value"]
            for row in self.rows("count", "pair_counts")
        }

    @cached_property
    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` of the measured model; none where neither the run nor the machine has it."""
        file = self.folder / "tokens" / "tokenizer.json"
        if file.exists():
            return read_tokenizer(file)
        spec = self.manifests.get("trace", {}).get("config", {}).get("model", "")
        if not spec:
            return None
        from semantic_pivots.models.tokenizer_files import load_tokenizer

        return load_tokenizer(spec).backend_tokenizer


class Explorer:
    """What the explorer shows of a run.

    Raises:
        InputError: the folder is not a run.
    """

    def __init__(self, folder: Path):
        self.run = RunTables(folder)
        self._by_item = {
            "answers": self.run.by_item("score", "answers", lambda row: row["draw"]),
            "scores": self.run.by_item("score", "scores"),
            "trace": self.run.by_item("trace", "trace", lambda row: (row["lens"], row["layer"])),
            "causal": self.run.by_item("causal", "causal_effects"),
            "behaviour": self.run.by_item("behaviour", "behaviour"),
            "evidence": self.run.by_item("discover", "pivot_evidence"),
        }

    def index(self) -> Record:
        """The study's name and head, and each concept with its words, by which it is searched."""
        run = self.run
        codes = list(dict.fromkeys(code for item in run.items.values() for code in self._direction(item)))
        model = next((m["config"].get("model") for m in run.manifests.values() if m["config"].get("model")), "")
        concepts = []
        for concept in run.concepts:
            words = {code: run.words[concept][code]["word"] for code in run.words[concept] if code in codes}
            of = (row["text"].strip() for item in run.concepts[concept] for row in run.pivots.get(item["item_id"], ()))
            concepts.append([concept, words, list(dict.fromkeys(of))[:_MOST_PIVOTS]])
        return {
            "study": run.folder.resolve().name,
            "model": model,
            "languages": {code: languages()[code].name if code in languages() else code for code in codes},
            "lenses": list(dict.fromkeys(row["lens"] for part in self._by_item["trace"].values() for row in part)),
            "concepts": concepts,
            "limit": READ_BYTES,
        }

    @staticmethod
    def _direction(item: dict) -> tuple[str, str]:
        return item["source_language"], item["target_language"]

    def context(self, concept: str) -> Record:
        """Documents in which a concept's words stand beside each other, by direction; the first reads the corpus.

        Raises:
            KeyError: the benchmark does not ask it.
        """
        return {"-".join(self._direction(item)): self._context(item) for item in self.run.concepts[concept]}

    def concept(self, concept: str) -> Record:
        """All that the tables say of a concept.

        Raises:
            KeyError: the benchmark does not ask it.
        """
        run = self.run
        items = run.concepts[concept]
        words = [
            [code, row["word"], run.counts.get((row["word"], code)), f"{row['source']} ({row['licence']})"]
            for code, row in run.words[concept].items()
        ]
        return {
            "concept": concept,
            "words": words,
            "items": {"-".join(self._direction(item)): self._item(item) for item in items},
            "neighbours": self._neighbours(concept),
        }

    def _item(self, item: dict) -> Record:
        key, direction = item["item_id"], self._direction(item)
        ends = frozenset(((item["source"], direction[0]), (item["target"], direction[1])))
        pivots = self.run.pivots.get(key, [])
        evidence = next(iter(self._by_item["evidence"].get(key, ())), None)
        return {
            "source": item["source"],
            "target": item["target"],
            "answers": [[row["greedy"], row["correct"]] for row in self._by_item["answers"].get(key, ())],
            "candidates": self._candidates(key),
            "documents": None
            if evidence is None
            else [evidence[f"documents_{n}"] for n in ("source", "target", "both")],
            "pair": self.run.pair_counts.get(ends),
            "why_none": "" if evidence is None else evidence["reason"],
            "pivots": [
                [row["text"].strip(), row["translation"] or "", _figure(row["value"]), _figure(row["q_value"])]
                for row in pivots[:_MOST_PIVOTS]
            ],
            "behaviour": [
                [row["rule"], row["lens"], row["label"], row["peak_layer"], (row["peak_text"] or "").strip()]
                for row in self._by_item["behaviour"].get(key, ())
            ],
            "causal": {name: _figure(row[name]) for row in self._by_item["causal"].get(key, ()) for name in _CAUSES},
            "paths": self._paths(item, [row["text"] for row in pivots]),
        }

    def _candidates(self, key: str) -> list[list]:
        """Each candidate source with the mean over draws of the probability of the mean token; the best first."""
        probs: dict[tuple[str, bool], list[float]] = defaultdict(list)
        for row in self._by_item["scores"].get(key, ()):
            tokens = row["token_logprobs"]
            probs[row["candidate"], row["is_source"]].append(math.exp(sum(tokens) / max(len(tokens), 1)))
        rows = [[word, is_own, _figure(sum(p) / len(p))] for (word, is_own), p in probs.items()]
        return sorted(rows, key=lambda row: (-(row[2] or 0), row[0]))

    def _paths(self, item: dict, pivots: list[str]) -> Record:
        """Of each lens: entropy, masses, and the marked tokens of each layer."""
        rows = self._by_item["trace"].get(item["item_id"], ())
        if not rows or self.run.tokenizer is None:
            return {}
        words = {code: row["word"] for code, row in self.run.words[item["concept_id"]].items()}
        words |= dict(zip(self._direction(item), (item["source"], item["target"]), strict=True))
        marker = Marker(self.run.tokenizer, words, self._direction(item), pivots)
        return path_of(rows, marker)

    def _neighbours(self, concept: str) -> list[list]:
        """Concepts with most pivots in common, then those whose words were its distractors."""
        texts = self._pivot_texts[concept]
        ranking = sorted(
            ((len(texts & p), other) for other, p in self._pivot_texts.items() if other != concept and texts & p),
            key=lambda pair: (-pair[0], pair[1]),
        )
        nearest = [[other, f"{count} pivots in common"] for count, other in ranking[:_NEIGHBOURS]]
        owners = self._concept_of
        words = [(w, item["source_language"]) for item in self.run.concepts[concept] for w in item["distractors"]]
        rivals = dict.fromkeys(owners[word] for word in words if word in owners)
        names = {other for other, _ in nearest} | {concept}
        every = list(self.run.concepts)
        place = every.index(concept)
        rest = [
            other for other in (every[place - 1], every[(place + 1) % len(every)]) if other not in names | {*rivals}
        ]
        nearest += [[other, "beside it in the benchmark"] for other in dict.fromkeys(rest)]
        return nearest + [[other, "its word was a distractor"] for other in rivals if other not in names][:_NEIGHBOURS]

    @cached_property
    def _pivot_texts(self) -> dict[str, set[str]]:
        return {
            concept: {row["text"].strip() for item in items for row in self.run.pivots.get(item["item_id"], ())}
            for concept, items in self.run.concepts.items()
        }

    @cached_property
    def _concept_of(self) -> dict[tuple[str, str], str]:
        return {
            (row["word"], code): concept
            for concept in self.run.concepts
            for code, row in self.run.words[concept].items()
        }

    def _context(self, item: dict) -> list[dict]:
        """Passages with both words, and with each of the first pivots beside each word."""
        lines = []
        for name, pair in self._pairs(item):
            passages: Iterable[Passage] = self._passages.get(pair, ())
            lines += [
                {
                    "of": name,
                    "source": p.source,
                    "id": p.document,
                    "language": p.language,
                    "lines": [list(x) for x in p.lines],
                }
                for p in passages
            ]
        return lines

    def _pairs(self, item: dict) -> list[tuple[str, tuple]]:
        first, second = self._direction(item)
        source, target = (item["source"], first), (item["target"], second)
        pairs = [] if item["source"] == item["target"] else [(f"{source[0]} + {target[0]}", (source, target))]
        for row in self.run.pivots.get(item["item_id"], [])[:_PIVOTS_IN_CONTEXT]:
            text = row["text"].strip()
            if text not in (source[0], target[0]) and row["unit"] == "word":
                pivot = (text, row["translation"] or _written_in(text, first))
                pairs += [(f"{end[0]} + {text}", (end, pivot)) for end in (source, target)]
        return pairs

    @cached_property
    def _passages(self) -> dict:
        """Passages of all pairs of words that the page shows; the corpus is read once, up to a limit."""
        folder = self.run.folder / "corpus"
        shards = [folder / row["path"] for row in self.run.rows("corpus", "shards")]
        pairs = {pair for item in self.run.items.values() for _, pair in self._pairs(item)}
        if not shards or not pairs or not all(path.exists() for path in shards):
            return {}
        return passages(shards, sorted(pairs), self._rule({word for pair in pairs for word in pair}))[0]

    def _rule(self, words: Iterable[tuple[str, str]]) -> Rule:
        """The rule by which the stage count matched its words; a pivot is a unit and stands as it is."""
        form_rows = [Row(**row) for row in self.run.rows("count", "forms")]
        of_words = {(row.word, row.language) for row in form_rows}
        units = [Row(*word, fold(word[0]), own_form(word, False).edges, "unit") for word in set(words) - of_words]
        return rule_of_rows([*form_rows, *units]) if form_rows else SPELLING


def _written_in(text: str, language: str) -> str:
    """A language by whose rule a pivot of unknown language is matched: it decides what may stand at its edges."""
    if any("\u3040" <= char <= "\u30ff" for char in text):
        return "ja"
    return "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else language


def path_of(rows: Iterable[dict], marker: Marker) -> Record:
    """The layers of each lens as the page draws them.

    Args:
        rows: rows of the table `trace` of one item, by lens and layer; masses may be missing.
        marker: shows its tokens.

    Returns:
        By lens: `entropy` and `masses` by layer; `layers`, the first tokens of each as [text, kind, note, probability];
        and `first`, every token that was first after some layer as [text, kind, note, [probability by layer or none]].
    """
    by_lens: Rows = defaultdict(list)
    for row in rows:
        by_lens[row["lens"]].append(row)
    return {lens: _path(steps, marker) for lens, steps in by_lens.items()}


def _path(rows: list[dict], marker: Marker) -> Record:
    tops = [dict(zip(row["top_ids"], map(_figure, row["top_probs"]), strict=True)) for row in rows]
    firsts = dict.fromkeys(next(iter(top)) for top in tops)
    tokens = dict.fromkeys(token for top in tops for token in (*list(top)[:_TOKENS], *firsts))
    texts = {token: (mark.text, mark.kind, mark.note) for token in tokens for mark in [marker.mark(token)]}
    of_mark: dict[tuple[str, str, str], list[float | None]] = {}
    for token in firsts:  # tokens of one text (with and without a space before it) are one row
        probs = [top.get(token) for top in tops]
        row = of_mark.setdefault(texts[token], [None] * len(tops))
        of_mark[texts[token]] = [
            None if p is None and q is None else _figure((p or 0) + (q or 0)) for p, q in zip(row, probs, strict=True)
        ]
    return {
        "entropy": [_figure(row["entropy"]) for row in rows],
        "masses": {name: [_figure(row.get(f"mass_{name}")) for row in rows] for name in _MASSES},
        "layers": [[[*texts[t], p] for t, p in list(top.items())[:_TOKENS]] for top in tops],
        "first": [[*mark, probs] for mark, probs in of_mark.items()],
    }
