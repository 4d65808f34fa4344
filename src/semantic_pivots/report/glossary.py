"""Definitions of the terms that a report uses, shown where a term stands and listed at the page's end."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TERMS = {
    "accuracy": "Share of items whose greedy answer is the expected word.",
    "AUC": "Area under the ROC curve: the probability that a row with the label has the larger count; 0.5 is chance.",
    "behaviour": "Label of the mechanism behind an answer, by a rule that reads layers (paper) or changes the model's "
    "input (causal).",
    "bridged": "The pivots in the source word's place lead to the answer, and it is lost without them.",
    "causal": "Rule that replaces the source word by pivots (link) and removes their part of it (need), each compared "
    "with sets of control words of the same frequency.",
    "chance": "The value that a random choice among all candidate sources has on average.",
    "choice": "Share of items whose right source makes the target more probable than each wrong source does.",
    "concept": "One meaning with its word in each language; the unit over which intervals are taken.",
    "co-occurrence": "Label of the paper's rule: the most confident layer has the last layer's top token or a source "
    "token.",
    "copy-rate": "Share of items whose greedy answer repeats the source word.",
    "direct": "The pivots do not lead to the answer, and it is not lost without them.",
    "direction": "Source language and target language of an item.",
    "distractor": "A wrong source word of an item, in the source's language.",
    "entropy": "Uncertainty of a prediction over the whole vocabulary, in nats.",
    "held-out": "Concepts whose words were hidden from every stage that selects documents.",
    "Holm": "Adjustment of several p-values that keeps the probability of any false positive below 5 %.",
    "item": "One question: a target word, its source and its wrong sources.",
    "jacobian": "Lens that maps a layer's residual to the last layer by the mean Jacobian, then applies norm and head.",
    "link": "log P(answer) with pivots in the source word's place, minus the same with control words, in nats.",
    "logit": "Lens that applies the model's own final norm and head to a layer's residual.",
    "mean-token": "Mean log-probability per answer token with the right source, minus that with wrong ones, in nats.",
    "need": "Fall of log P(answer) without the pivots' part of the source word, minus that for controls, in nats.",
    "paper": "As published. Score: by the mean probability per token. Behaviour: semantic pivot wherever an earlier "
    "layer is more confident than the last.",
    "patchscope": "Lens that inserts a layer's residual into a prompt that asks the model to repeat a word.",
    "per-byte": "The score with the mean probability per byte, comparable between tokenizers.",
    "pivot set": "Words or tokens that join both words of more concepts than expected by chance, in the whole corpus.",
    "pmi": "Log-probability of the answer against its mean over all candidate sources, in nats.",
    "redundant": "The pivots in the source word's place lead to the answer, but it is not lost without them.",
    "semantic pivot": "A word that co-occurs with both words of a pair more often than by chance.",
    "sum": "The score with the probability of the whole answer.",
    "told": "log P(answer) with the source word minus the same with control words, in nats.",
    "tuned": "Lens with an affine map per layer, fitted to the model's last layer.",
    "undecided": "The answer is wrong, pivots or controls are missing, or need is not significant or without link.",
}
"""Term to its definition in one sentence."""
_EVERYDAY = {"chance", "direct", "item", "link", "need", "sum", "told"}
"""Terms that are also everyday words: defined in tables and in the list, not in sentences."""
_PATTERN = re.compile(
    r"(?<![\w-])("
    + "|".join(sorted(map(re.escape, TERMS.keys() - _EVERYDAY), key=len, reverse=True))
    + r")(?:s|'s)?(?![\w-])"
)


def with_definitions(text: str) -> Markup:
    """The text, escaped, with the first occurrence of each term marked with its definition."""
    terms: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        term = match[1]
        if term in terms:
            return match[0]
        terms.add(term)
        return Markup('<dfn tabindex="0" data-tip="{}">{}</dfn>').format(TERMS[term], match[0])

    return Markup(_PATTERN.sub(mark, str(escape(text))))
