"""Definitions of the terms that a report uses, shown where a term stands and listed at the page's end."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TERMS = {
    "accuracy": "Share of items whose greedy answer is the expected word.",
    "AUC": "Area under the ROC curve: the chance that a row with the label has the larger count; 0.5 says nothing.",
    "behaviour": "How an answer came about, by a rule that reads layers (paper) or changes what the model is given "
    "(causal).",
    "bridged": "The answer is reached by the pivots alone and is lost without them.",
    "causal": "Rule that puts pivots in the source word's place (link) and takes their part out of it (need), each "
    "against sets of control words of the same frequency.",
    "chance": "What a choice among all candidate sources at random would give.",
    "choice": "Share of items whose right source makes the target more probable than each wrong source does.",
    "concept": "One meaning with its word in each language; the unit over which intervals are taken.",
    "co-occurrence": "Label of the paper's rule: the last layer's first token is that of the surest layer.",
    "copy-rate": "Share of items whose greedy answer repeats the source word.",
    "direct": "The answer is not lost without its pivots.",
    "direction": "Source language and target language of an item.",
    "distractor": "A wrong source word of an item, in the source's language.",
    "entropy": "Uncertainty of a reading over the whole vocabulary, in nats.",
    "held-out": "Concepts whose words no stage saw that chose documents.",
    "Holm": "Correction of several p-values at once that keeps the chance of any false one below 5 %.",
    "item": "One question: a target word, its source and its wrong sources.",
    "jacobian": "Lens that carries a layer's state forward by the mean derivative of the last layer's.",
    "link": "What the pivots, put in the source word's place, tell of the answer beyond control words, in nats.",
    "logit": "Lens that reads a layer's state with the model's own last norm and output matrix.",
    "mean-token": "Contrast of the mean log-probability of the answer's tokens, in nats.",
    "need": "What log P(answer) loses without the pivots' part of the source word, beyond controls, in nats.",
    "paper": "As published: of scores, the probability of the mean token; of behaviours, semantic pivot wherever an "
    "earlier layer is surer than the last.",
    "patchscope": "Lens that puts a layer's state into another prompt and lets the model say what it is.",
    "per-byte": "The score with the probability of the mean byte, comparable between tokenizers.",
    "pivot set": "Words or tokens that co-occur with more others than their frequency explains.",
    "pmi": "Log-probability of the answer against its mean over all candidate sources, in nats.",
    "redundant": "The answer could be reached by the pivots and is not lost without them.",
    "semantic pivot": "A word that co-occurs with both words of a pair more often than by chance.",
    "sum": "The score with the probability of the whole answer.",
    "told": "What the source word itself tells of the answer, in nats.",
    "tuned": "Lens with an affine map per layer, fitted to the model's last layer.",
    "undecided": "The controls leave link or need open.",
}
"""Term to its definition in one sentence."""
_EVERYDAY = {"chance", "direct", "item", "link", "need", "sum", "told"}
"""Terms that are also everyday words: defined in tables and in the list, not in sentences."""
_PATTERN = re.compile(
    r"(?<![\w-])("
    + "|".join(sorted(map(re.escape, TERMS.keys() - _EVERYDAY), key=len, reverse=True))
    + r")(?:s|'s)?(?![\w-])"
)


def defined(text: str) -> Markup:
    """The text, escaped, with the first occurrence of each term marked with its definition."""
    terms_seen: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        term = match[1]
        if term in terms_seen:
            return match[0]
        terms_seen.add(term)
        return Markup('<dfn tabindex="0" data-tip="{}">{}</dfn>').format(TERMS[term], match[0])

    return Markup(_PATTERN.sub(mark, str(escape(text))))
