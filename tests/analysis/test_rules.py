import numpy as np
import pytest

from semantic_pivots.analysis.rules import RULES, VERSIONS, Path


def oracle(tokens, probs, source, target) -> str:
    """The published rule, written from its words: one loop, no helper shared with the package."""
    for token in source:
        if token in target:
            return "excluded"
    peak, best = 0, -1.0
    for layer, prob in enumerate(probs):
        if prob >= best:  # of equal ones the later
            peak, best = layer, prob
    if tokens[-1] == tokens[peak]:
        return "co-occurrence"
    return "co-occurrence" if tokens[peak] in source else "semantic-pivot"


def test_the_paper_rule_equals_its_oracle_on_random_cases():
    generator = np.random.default_rng(0)
    seen = dict.fromkeys(("excluded", "co-occurrence", "semantic-pivot"), 0)
    ties = shared = 0
    for _ in range(20_000):
        layers = int(generator.integers(1, 9))
        tokens = generator.integers(0, 8, layers).tolist()
        # few values, so that peaks tie often
        probs = (generator.integers(1, 6, layers) / 6).tolist()
        source = frozenset(generator.integers(0, 8, generator.integers(0, 4)).tolist())
        target = frozenset(generator.integers(0, 8, generator.integers(0, 4)).tolist())
        expected = oracle(tokens, probs, source, target)
        assert RULES["paper"](Path(tokens, probs, source, target)) == expected
        seen[expected] += 1
        ties += probs.count(max(probs)) > 1
        shared += bool(source & target)
    assert min(*seen.values(), ties, shared) > 1000


CASES = {
    # layers' tokens and probabilities -> label; source {1}, target {2}, meaning {3}, words {1, 2, 3, 4}
    "wrong": ([4, 4], [0.2, 0.9]),
    "copy": ([2, 1], [0.9, 0.8]),
    "semantic-pivot": ([3, 3, 2], [0.3, 0.6, 0.9]),
    "co-occurrence": ([4, 2, 2], [0.1, 0.3, 0.9]),
    "junk-peak": ([9, 2], [0.95, 0.6]),
    "undecided": ([4, 2], [0.95, 0.6]),
}


@pytest.mark.parametrize("label", CASES)
def test_the_corrected_rule_tells_apart(label):
    tokens, probs = CASES[label]
    path = Path(tokens, probs, frozenset({1}), frozenset({2}), frozenset({3}), frozenset({1, 2, 3, 4}))
    assert RULES["corrected"](path) == label


def test_a_pivot_needs_a_margin_and_a_probability():
    sets = (frozenset({1}), frozenset({2}), frozenset({3}), frozenset({1, 2, 3}))
    assert RULES["corrected"](Path([3, 2], [0.05, 0.99], *sets)) == "co-occurrence"  # too faint
    assert RULES["corrected"](Path([3, 2], [0.3, 0.5], *sets)) != "semantic-pivot"  # the end may hold as much of it
    assert RULES["corrected"](Path([3, 2], [0.6, 0.5], *sets)) == "semantic-pivot"


def test_a_pivot_needs_more_than_what_any_pair_s_pivots_get():
    sets = (frozenset({1}), frozenset({2}), frozenset({3}), frozenset({1, 2, 3}))
    assert RULES["corrected"](Path([3, 2], [0.6, 0.7], *sets, chance=[0.2, 0.9])) == "semantic-pivot"
    assert RULES["corrected"](Path([3, 2], [0.6, 0.7], *sets, chance=[0.4, 0.0])) == "co-occurrence"
    assert set(VERSIONS) == set(RULES)


def test_shared_tokens_are_left_out_by_both_rules():
    path = Path([2, 2], [0.5, 0.9], frozenset({2, 5}), frozenset({2}))
    assert {rule(path) for rule in RULES.values()} == {"excluded"}
