"""Equal tokens: which documents a selection takes, so that each holds its budget by language, stratum and dose."""

from __future__ import annotations

import re

import numpy as np

from semantic_pivots.config import SelectConfig
from semantic_pivots.errors import InputError
from semantic_pivots.selection.best_documents import fill, gumbel
from semantic_pivots.selection.selectors import Columns, score_of
from semantic_pivots.statistics import seed_of


def tolerance(config: SelectConfig) -> float:
    """Tokens that a selection may be short of its budget (it is never beyond): a thousandth, or min_tokens if more."""
    return max(config.budget_tokens / 1000, config.min_tokens)


class Pool:
    """The documents that selections may take.

    Documents stand in groups, 2 x language + stratum, of which each has its tokens. A selection takes, in the order of
    its scores, each document that fits into what is left of its group's tokens; then, for what is missing from the
    budget still, each that fits into that, of any group that has tokens at all. So it never holds more than the budget.
    """

    def __init__(self, config: SelectConfig, columns: Columns, hashes: np.ndarray, codes: np.ndarray):
        self.config, self.columns, self.hashes = config, columns, hashes
        self.n_tokens = columns["n_tokens"].astype(np.int64)
        self.languages, self.language = np.unique(codes, return_inverse=True)
        held, budget = int(self.n_tokens.sum()), config.budget_tokens
        if budget > held:
            raise InputError(
                f"[select] budget_tokens = {budget:,}: the {len(codes):,} documents that may be taken hold only "
                f"{held:,} tokens"
            )
        self.strata = columns["holds_pair"].astype(np.int64) * config.stratify_pairs
        self.quotas = quotas_of(config.quotas)
        unknown = [code for code in self.quotas if code not in self.languages]
        if unknown:
            raise InputError(
                f"[select] quotas: no document of {unknown[0]!r}; the corpus has {', '.join(self.languages)}"
            )

    def selection(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The documents of a selection, and those of them that its selector chose: int64, ascending.

        Raises:
            InputError: a language holds fewer tokens than its quota, or every document is longer than the budget.
        """
        selector, share = dose(name)
        budget, group, wanted = self.config.budget_tokens, *self._wanted(selector)
        first = np.floor(wanted * share + 0.5).astype(np.int64)
        taken = np.zeros(len(group), np.bool_)
        chosen = self._filled(selector, group, first, int(budget * share + 0.5), taken)
        taken[chosen] = True
        if share < 1:
            of_group = np.bincount(group[taken], self.n_tokens[taken], len(wanted)).astype(np.int64)
            rest = np.maximum(wanted - of_group, 0)
            missing = budget - int(self.n_tokens[taken].sum())
            taken[self._filled("random", group, rest, missing, taken)] = True
        if not taken.any():
            raise InputError(f"[select] budget_tokens = {budget:,}: every document that {name} may take is longer")
        return np.flatnonzero(taken), chosen

    def _wanted(self, selector: str) -> tuple[np.ndarray, np.ndarray]:
        """Group of each document, and the tokens that a selector's documents have of each group."""
        if selector == "language-matched":
            rich, _ = self.selection("pivot-rich")
            tokens = np.bincount(self.language[rich], self.n_tokens[rich], len(self.languages)).astype(np.int64)
        elif self.quotas:
            shares = np.array([self.quotas.get(code, 0.0) for code in self.languages])
            tokens = np.floor(self.config.budget_tokens * shares + 0.5).astype(np.int64)
        else:
            return self.strata, by_stratum(np.array([self.config.budget_tokens]), self.strata, self.n_tokens)
        group = 2 * self.language + self.strata
        held = np.bincount(self.language, self.n_tokens, len(self.languages)).astype(np.int64)
        for code, quota, there in zip(self.languages, tokens, held, strict=True):
            if quota > there:
                raise InputError(f"[select] quotas: {quota:,} tokens of {code!r} are wanted, {there:,} may be taken")
        return group, by_stratum(tokens, group, self.n_tokens)

    def _filled(self, name: str, group: np.ndarray, wanted: np.ndarray, budget: int, taken: np.ndarray) -> np.ndarray:
        """Documents, not taken yet, of a selector that fill each group's tokens, and then the budget.

        Documents without a score, or too short to have one, come where all others leave more than the tolerance.
        """
        score = score_of(name, self.columns, self.config)
        if self.config.sampling == "gumbel":
            seed = seed_of("select", self.config.seed, "gumbel", name)
            score = gumbel(score, self.hashes, self.config.temperature, seed)
        picked, asked, wanted = taken.copy(), wanted > 0, wanted.copy()
        for allowed in (~np.isneginf(score), np.ones(len(score), np.bool_)):
            if budget <= tolerance(self.config):
                break
            for number in [*np.flatnonzero(wanted), -1]:
                inside = group == number if number >= 0 else asked[group]
                tokens = min(budget, int(wanted[number])) if number >= 0 else budget
                rows = fill(score, self.hashes, self.n_tokens, tokens, allowed & inside & ~picked)
                picked[rows] = True
                held = int(self.n_tokens[rows].sum())
                budget -= held
                if number >= 0:
                    wanted[number] -= held
        return np.flatnonzero(picked & ~taken)


def by_stratum(wanted: np.ndarray, group: np.ndarray, n_tokens: np.ndarray) -> np.ndarray:
    """(2 x languages,) int64 tokens of each group 2 x language + stratum: each language's, (languages,) int64, in
    proportion to the tokens that its strata hold.
    """
    held = np.bincount(group, n_tokens, 2 * len(wanted)).astype(np.int64).reshape(-1, 2)
    # Python's own numbers: the product of two numbers of tokens of a large corpus is beyond 64 bits.
    parts = zip(wanted.tolist(), held.tolist(), strict=True)
    second = np.array([(w * b + (a + b) // 2) // max(a + b, 1) for w, (a, b) in parts], np.int64)
    return np.stack([wanted - second, second], axis=1).reshape(-1)


def dose(name: str) -> tuple[str, float]:
    """Selector and share of the tokens it chooses, of a selection's name: pivot-rich-25pct is a quarter.

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
    """Shares of the budget by language.

    Raises:
        InputError: an entry is no LANGUAGE=SHARE, or the shares do not sum to 1.
    """
    found: dict[str, float] = {}
    for entry in entries:
        code, sign, share = entry.partition("=")
        try:
            found[code.strip()] = float(share)
        except ValueError:
            sign = ""
        if not sign or not 0 <= found[code.strip()] <= 1:
            raise InputError(f"[select] quotas: {entry!r}: expected LANGUAGE=SHARE of the budget, such as fr=0.25")
    if entries and abs(sum(found.values()) - 1) > 1e-6:
        raise InputError(f"[select] quotas: the shares sum to {sum(found.values()):.4g}; expected 1")
    return found
