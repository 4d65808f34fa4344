import numpy as np
import pytest

from semantic_pivots.analysis.rules import LABELS, RULES, VERSIONS, Evidence, Path, causal


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
    # answered, told, link, link_p, need, need_p
    "bridged": (True, 8.0, 6.0, 0.025, 3.0, 0.025),
    "redundant": (True, 8.5, 8.1, 0.025, 0.1, 0.5),
    "direct": (True, 8.0, 0.5, 0.4, 0.5, 0.025),  # significant and too small
}
UNDECIDED = {
    "wrong answer": (False, 8.0, 6.0, 0.025, 3.0, 0.025),
    "controls are as dear": (True, 8.0, 6.0, 0.025, 3.0, 0.175),
    "needed, and no way": (True, 8.0, 0.5, 0.4, 3.0, 0.025),
    "needed, and half the way": (True, 8.0, 3.0, 0.025, 3.0, 0.025),
    "needed, and too little in all": (True, 6.0, 5.0, 0.025, 2.5, 0.025),  # 7.5 nats
    "needed, and controls lead as far": (True, 8.0, 6.0, 0.075, 3.0, 0.025),
}


@pytest.mark.parametrize("label", CASES)
def test_the_causal_rule_tells_apart(label):
    assert causal(Evidence(*CASES[label])) == label


@pytest.mark.parametrize("reason", UNDECIDED)
def test_what_the_causal_rule_does_not_decide(reason):
    assert causal(Evidence(*UNDECIDED[reason])) == "undecided"


def test_part_of_a_way_without_need_is_direct():
    assert causal(Evidence(True, 8.0, 4.0, 0.025, 0.1, 0.5)) == "direct"


def test_nothing_measured_is_undecided_and_every_rule_has_a_version():
    assert causal(None) == "undecided"
    assert set(VERSIONS) == set(LABELS) == {*RULES, "causal"}


def test_shared_tokens_are_left_out_by_the_published_rule():
    path = Path([2, 2], [0.5, 0.9], frozenset({2, 5}), frozenset({2}))
    assert {rule(path) for rule in RULES.values()} == {"excluded"}
