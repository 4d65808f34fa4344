import numpy as np
import pytest

from semantic_pivots.analysis.variants import Direction, average, concept_weights, estimates, item_figures
from semantic_pivots.statistics import bootstrap_mean
from semantic_pivots.tasks.translation import Item


def direction(n: int = 60, draws: int = 3, pooled: bool = False, effect: float = 0.0) -> Direction:
    rng = np.random.default_rng(0)
    items = [
        Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", ("a", "b", "c", "d"), ("even",) if k % 2 == 0 else ())
        for k in range(n)
    ]
    summed = -np.abs(rng.normal(3, 1, (n, draws, 5)))
    summed[:, :, 0] += effect
    tokens = np.repeat(rng.integers(1, 4, (n, 1, 1)), draws, 1).repeat(5, 2).astype(float)
    return Direction(items, summed, tokens, np.full(n, 6.0), np.tile(np.arange(draws), (n, 1)), pooled, {})


def test_the_paper_figure_is_the_published_formula():
    given = direction(4)
    found = item_figures(given, "paper", given.summed.mean(1))
    for k in range(4):
        # P = exp(-loss), loss = mean token negative log-likelihood, averaged over the draws
        losses = [[-given.summed[k, d, c] / given.tokens[k, d, c] for d in range(3)] for c in range(5)]
        probability = [np.exp(-np.mean(loss)) for loss in losses]
        assert found[k] == pytest.approx(probability[0] - np.mean(probability[1:]))


def test_absent_candidates_take_no_part():
    given = direction(2)
    short = np.full((2, 3, 5), np.nan)
    short[:, :, :3] = given.summed[:, :, :3]
    tokens = np.where(np.isnan(short), np.nan, given.tokens)
    partial = Direction(given.items, short, tokens, given.bytes, given.draws, False, {})
    for variant in ("paper", "sum", "per-byte", "mean-token", "pmi", "choice", "control:random-sources"):
        assert np.isfinite(item_figures(partial, variant, short.mean(1))).all()
    probability = np.exp(short.mean(1) / tokens[:, 0])[:, :3]
    want = probability[:, 0] - probability[:, 1:].mean(1)
    assert item_figures(partial, "paper", short.mean(1)) == pytest.approx(want)


def test_the_control_is_zero_where_the_score_is_not():
    given = direction(400, effect=2.5)
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 500)
    found = estimates(given, ["paper", "control:random-sources"], ["all"], concepts, weights)
    assert found["all", "paper"].interval().low > 0
    control = found["all", "control:random-sources"].interval()
    assert control.low <= 0 <= control.high


def test_with_one_draw_the_interval_is_that_of_the_cluster_bootstrap():
    given = direction(80, draws=1)
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 4000)
    interval = estimates(given, ["paper"], ["all"], concepts, weights)["all", "paper"].interval()
    plain = bootstrap_mean(item_figures(given, "paper", given.summed.mean(1)), seed=9, resamples=4000)
    assert interval.value == pytest.approx(plain.value)
    assert interval.low == pytest.approx(plain.low, abs=0.01)
    assert interval.high == pytest.approx(plain.high, abs=0.01)
    assert interval.n == 80


def test_strata_are_means_of_their_items():
    given = direction()
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 100)
    found = estimates(given, ["sum"], ["all", "even", "odd"], concepts, weights)
    figures = item_figures(given, "sum", given.summed.mean(1))
    assert found["even", "sum"].value == pytest.approx(figures[::2].mean())
    assert found["even", "sum"].n == 30
    assert found["odd", "sum"].n == 0


@pytest.mark.parametrize("pooled", [True, False])
def test_paired_differences_are_narrower_than_unpaired_ones(pooled):
    weak, strong = direction(pooled=pooled), direction(pooled=pooled, effect=0.1)
    concepts, weights = concept_weights([item.concept_id for item in weak.items], 0, 500)
    first, second = (estimates(d, ["paper"], ["all"], concepts, weights)["all", "paper"] for d in (weak, strong))
    paired = second.minus(first).interval()
    assert paired.low > 0
    assert paired.high - paired.low < 0.5 * (first.interval().high - first.interval().low)
    assert average([first, first]).interval().low == pytest.approx(first.interval().low)
