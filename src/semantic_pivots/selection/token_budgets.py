"""Token budgets: selections with equal tokens by language, stratum and dose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.files import text_hash
from semantic_pivots.selection.best_documents import Budgets, Totals, fill
from semantic_pivots.selection.document_columns import CHOSEN, FILLED, Block, Documents
from semantic_pivots.selection.select_stage import SelectConfig


def tolerance(config: SelectConfig) -> float:
    """Tokens by which a selection may fall short of its budget: a thousandth of it, or `min_tokens` if that is more."""
    return max(config.budget_tokens / 1000, config.min_tokens)


class Pool:
    """The documents that selections may take.

    A document's group is 2 x language + stratum, and each group has a budget. A selection takes, in the order of the
    scores, every document that fits into the rest of its group's budget. It then fills the rest of the whole budget
    with documents of any group that has a budget. It never exceeds the whole budget.

    Args:
        config: the selections' configuration.
        documents: documents on disk, without scores; a document's cell is 2 x language, plus 1 if it contains a pair.
        languages: language codes by their number in the cells.
        score: writes a selector's scores into the documents.

    Raises:
        InputError: the documents hold fewer tokens than the budget, or none of a quota's language.
    """

    def __init__(
        self, config: SelectConfig, documents: Documents, languages: Sequence[str], score: Callable[[str], None]
    ):
        self.config, self.documents, self.score = config, documents, score
        self.free, count = _free(documents, 2 * len(languages))
        self.languages = sorted(code for i, code in enumerate(languages) if count[2 * i : 2 * i + 2].any())
        available, budget = int(self.free.sum()), config.budget_tokens
        if budget > available:
            raise InputError(
                f"[select] budget_tokens = {budget:,}: the {int(count.sum()):,} documents that may be taken hold only "
                f"{available:,} tokens"
            )
        rank = {code: i for i, code in enumerate(self.languages)}
        self.language = np.repeat([rank.get(code, 0) for code in languages], 2)
        self.stratum = np.tile([0, 1], len(languages)) * config.stratify_pairs
        self.quotas = quotas_of(config.quotas)
        self._rich: np.ndarray | None = None
        unknown = [code for code in self.quotas if code not in rank]
        if unknown:
            raise InputError(
                f"[select] quotas: no document of {unknown[0]!r}; the corpus has {', '.join(self.languages)}"
            )

    def selection(self, name: str) -> tuple[Totals, Totals]:
        """Take a selection's documents, in a new file of states: totals of all, and of those its selector chose.

        Raises:
            InputError: a language holds fewer tokens than its quota, or every document is longer than the budget.
        """
        selector, share = dose(name)
        budget, group, targets = self.config.budget_tokens, *self._targets(selector)
        first = np.floor(targets * share + 0.5).astype(np.int64)
        self.documents.release(f"state-{text_hash(name)}")
        totals = self._fill(selector, group, first, int(budget * share + 0.5), CHOSEN)
        tokens, documents = totals.tokens, totals.documents
        if share < 1:
            remainder = np.maximum(targets - np.bincount(group, tokens, len(targets)).astype(np.int64), 0)
            filler = self._fill("random", group, remainder, budget - int(tokens.sum()), FILLED)
            tokens, documents = tokens + filler.tokens, documents + filler.documents
        if not documents.any():
            raise InputError(f"[select] budget_tokens = {budget:,}: every document that {name} may take is longer")
        if name == "pivot-rich":
            self._rich = tokens
        return Totals(tokens, documents, totals.without_score), totals

    def _targets(self, selector: str) -> tuple[np.ndarray, np.ndarray]:
        """The group of each cell, and the budget of each group for a selector."""
        if selector == "language-matched":
            rich = self.selection("pivot-rich")[0].tokens if self._rich is None else self._rich
            tokens = self._by_language(rich)
        elif self.quotas:
            shares = np.array([self.quotas.get(code, 0.0) for code in self.languages])
            tokens = np.floor(self.config.budget_tokens * shares + 0.5).astype(np.int64)
        else:
            return self.stratum, by_stratum(np.array([self.config.budget_tokens]), _sums(self.stratum, self.free, 2))
        group = 2 * self.language + self.stratum
        available = self._by_language(self.free)
        for code, quota, most in zip(self.languages, tokens, available, strict=True):
            if quota > most:
                raise InputError(f"[select] quotas: {quota:,} tokens of {code!r} are wanted, {most:,} may be taken")
        return group, by_stratum(tokens, _sums(group, self.free, 2 * len(tokens)))

    def _by_language(self, of_cells: np.ndarray) -> np.ndarray:
        return _sums(self.language, of_cells, len(self.languages))

    def _fill(self, name: str, group: np.ndarray, targets: np.ndarray, budget: int, state: int) -> Totals:
        """Take a selector's documents until each group's budget, and then the whole budget, is filled.

        Documents without a score are taken only if all others leave more of the budget unfilled than the tolerance.
        """
        self.score(name)
        open_groups, targets, parts = targets > 0, targets.copy(), []
        for needs_score in (True, False):
            if budget <= tolerance(self.config):
                break
            is_one_group = open_groups.sum() == 1 and targets.max() >= budget  # nothing that is left will fit
            numbers = np.cumsum(targets > 0) - 1
            group_of = np.where(targets > 0, numbers, -1)[group].astype(np.int32)
            parts.append(fill(self.documents, Budgets(group_of, targets[targets > 0], needs_score), budget, state))
            tokens_of_group = _sums(group, parts[-1].tokens, len(targets))
            targets, budget = targets - tokens_of_group, budget - int(tokens_of_group.sum())
            if not is_one_group:
                any_group = np.where(open_groups, 0, -1)[group].astype(np.int32)
                parts.append(fill(self.documents, Budgets(any_group, np.array([budget]), needs_score), budget, state))
                budget -= int(parts[-1].tokens.sum())
        zeros = np.zeros(len(group), np.int64)
        tokens, documents = (np.sum([zeros, *(part[k] for part in parts)], axis=0) for k in (0, 1))
        return Totals(tokens, documents, sum(part.without_score for part in parts))


def _sums(group: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count,) int64 sums of cells' values by group; exact, where float64 would not be."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums


def _free(documents: Documents, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and number of the free documents of each cell, int64."""

    def task(blocks: Iterator[Block]) -> np.ndarray:
        sums = np.zeros((2, cells), np.int64)
        for block in blocks:
            cell, free = block.cell[block.n_tokens >= 0], block.n_tokens[block.n_tokens >= 0]
            sums += np.bincount(cell, free, cells).astype(np.int64), np.bincount(cell, minlength=cells)
        return sums

    tokens, count = np.sum(documents.map(task), axis=0)
    return tokens, count


def by_stratum(targets: np.ndarray, available: np.ndarray) -> np.ndarray:
    """(2 x languages,) int64 tokens of each group 2 x language + stratum: each language's, (languages,) int64, in
    proportion to the tokens that its strata hold, (2 x languages,) int64.
    """
    # Python's own numbers: the product of two numbers of tokens of a large corpus is beyond 64 bits.
    parts = zip(targets.tolist(), available.reshape(-1, 2).tolist(), strict=True)
    shares = np.array([(w * b + (a + b) // 2) // max(a + b, 1) for w, (a, b) in parts], np.int64)
    return np.stack([targets - shares, shares], axis=1).reshape(-1)


def dose(name: str) -> tuple[str, float]:
    """The selector and the share of tokens in a selection's name: `pivot-rich-25pct` selects a quarter.

    Raises:
        InputError: the share is not between 1 and 100.
    """
    match = re.fullmatch(r"(.+)-(\d+)pct", name)
    if match is None:
        return name, 1.0
    if not 1 <= int(match[2]) <= 100:
        raise InputError(f"[select] selections: {name!r}: expected a share of 1 to 100 per cent")
    return match[1], int(match[2]) / 100


def quotas_of(entries: tuple[str, ...]) -> dict[str, float]:
    """Shares of the budget by language."""
    parts = (entry.partition("=") for entry in entries)
    return {code.strip(): float(share) for code, _, share in parts}
