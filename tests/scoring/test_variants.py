from dataclasses import replace

import numpy as np
import pytest

from semantic_pivots.resampling import bootstrap_mean
from semantic_pivots.scoring.variants import Direction, concept_weights, control_estimates, estimates, item_figures
from semantic_pivots.statistics import average
from semantic_pivots.tasks.translation import Item


def direction(n: int = 60, draws: int = 3, pool: int = 0, effect: float = 0.0) -> Direction:
    rng = np.random.default_rng(0)
    items = [
        Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", ("a", "b", "c", "d"), ("even",) if k % 2 == 0 else ())
        for k in range(n)
    ]
    summed = -np.abs(rng.normal(3, 1, (n, draws, 5)))
    summed[:, :, 0] += effect
    tokens = np.repeat(rng.integers(1, 4, (n, 1, 1)), draws, 1).repeat(5, 2).astype(float)
    return Direction(items, summed, tokens, np.full(n, 6.0), np.tile(np.arange(draws), (n, 1)), pool, {})


def test_the_paper_figure_is_the_published_formula():
    given = direction(4)
    found = item_figures(given, "paper", given.logprobs.mean(1))
    for k in range(4):
        # P = exp(-loss), loss = mean token negative log-likelihood, averaged over the draws
        losses = [[-given.logprobs[k, d, c] / given.tokens[k, d, c] for d in range(3)] for c in range(5)]
        probability = [np.exp(-np.mean(loss)) for loss in losses]
        assert found[k] == pytest.approx(probability[0] - np.mean(probability[1:]))


def test_absent_candidates_take_no_part():
    given = direction(2)
    short = np.full((2, 3, 5), np.nan)
    short[:, :, :3] = given.logprobs[:, :, :3]
    tokens = np.where(np.isnan(short), np.nan, given.tokens)
    partial = Direction(given.items, short, tokens, given.bytes, given.draws, 0, {})
    for variant in ("paper", "sum", "per-byte", "mean-token", "pmi", "choice"):
        assert np.isfinite(item_figures(partial, variant, short.mean(1))).all()
    control = control_estimates(partial, ["all"], {"c0": 0, "c1": 1}, 20)["all", "control:random-sources"]
    assert control.n == 2
    assert np.isfinite(control.samples).all()
    probability = np.exp(short.mean(1) / tokens[:, 0])[:, :3]
    want = probability[:, 0] - probability[:, 1:].mean(1)
    assert item_figures(partial, "paper", short.mean(1)) == pytest.approx(want)


def skewed(seed: int, n: int = 150, effect: float = 1.0) -> Direction:
    """Ten candidates of which one, any one, is high by chance; the source's are `effect` times as probable."""
    rng = np.random.default_rng(seed)
    items = [Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", tuple("abcdefghi")) for k in range(n)]
    probability = np.minimum(0.9, rng.lognormal(-7, 2.5, (n, 10)))
    probability[:, 0] *= effect
    summed = np.log(rng.uniform(0.01, 0.5, (n, 1, 10)))
    ones = np.ones_like(summed)
    return Direction(items, summed, ones, np.full(n, 6.0), np.zeros((n, 1), int), 0, {}, probability)


def test_a_controls_interval_covers_zero_as_often_as_it_says_on_skewed_figures():
    concepts = {f"c{k}": k for k in range(150)}
    inside = {"control:shuffled-targets": 0, "control:random-sources": 0}
    for seed in range(400):
        found = control_estimates(skewed(seed), ["all"], concepts, 300, seed)
        for name in inside:
            interval = found["all", name].interval()
            inside[name] += interval.low <= 0 <= interval.high
    assert all(count / 400 >= 0.93 for count in inside.values()), inside


def test_a_control_that_a_model_can_answer_lies_outside_its_interval():
    concepts = {f"c{k}": k for k in range(150)}
    found = [control_estimates(skewed(seed, effect=6.0), ["all"], concepts, 300) for seed in range(20)]
    outside = [f["all", "control:shuffled-targets"].interval().low > 0 for f in found]
    assert np.mean(outside) >= 0.9


def test_controls_of_a_stratum_are_those_of_its_items_and_average_over_directions():
    given = skewed(1)
    tagged = [replace(item, strata=("even",) if k % 2 == 0 else ()) for k, item in enumerate(given.items)]
    concepts = {f"c{k}": k for k in range(150)}
    found = control_estimates(replace(given, items=tagged), ["all", "even", "odd"], concepts, 100)
    shuffled = given.control_probability
    assert shuffled is not None
    want = (shuffled[::2, 0] - shuffled[::2, 1:].mean(1)).mean()
    assert found["even", "control:shuffled-targets"].value == pytest.approx(want)
    assert found["even", "control:shuffled-targets"].n == 75
    assert found["odd", "control:shuffled-targets"].n == 0
    both = average([found["all", "control:shuffled-targets"]] * 2).interval()
    assert both.low == pytest.approx(found["all", "control:shuffled-targets"].interval().low)


def test_with_one_draw_the_interval_is_that_of_the_cluster_bootstrap():
    given = direction(80, draws=1)
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 4000)
    interval = estimates(given, ["paper"], ["all"], concepts, weights)["all", "paper"].interval()
    plain = bootstrap_mean(item_figures(given, "paper", given.logprobs.mean(1)), seed=9, resamples=4000)
    assert interval.value == pytest.approx(plain.value)
    assert interval.low == pytest.approx(plain.low, abs=0.01)
    assert interval.high == pytest.approx(plain.high, abs=0.01)
    assert interval.n == 80


def test_strata_are_means_of_their_items():
    given = direction()
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 100)
    found = estimates(given, ["sum"], ["all", "even", "odd"], concepts, weights)
    figures = item_figures(given, "sum", given.logprobs.mean(1))
    assert found["even", "sum"].value == pytest.approx(figures[::2].mean())
    assert found["even", "sum"].n == 30
    assert found["odd", "sum"].n == 0


@pytest.mark.parametrize("pool", [3, 0])
def test_paired_differences_are_narrower_than_unpaired_ones(pool):
    weak, strong = direction(pool=pool), direction(pool=pool, effect=0.1)
    concepts, weights = concept_weights([item.concept_id for item in weak.items], 0, 500)
    first, second = (estimates(d, ["paper"], ["all"], concepts, weights)["all", "paper"] for d in (weak, strong))
    paired = second.minus(first).interval()
    assert paired.low > 0
    assert paired.high - paired.low < 0.5 * (first.interval().high - first.interval().low)
    if not pool:  # draws of two directions are independent, those of one direction counted twice are not
        assert average([first, first]).interval().low == pytest.approx(first.interval().low)


def test_draws_that_all_items_share_widen_the_interval_and_those_of_one_item_do_not():
    """The draws of a pool differ by far more than the items do: two of them leave the figure all but unknown."""
    rng = np.random.default_rng(5)
    items = [Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", ("a",)) for k in range(40)]
    summed = rng.normal(0, 0.01, (40, 2, 2)) - 3
    summed[:, 0, 0] += 1  # the first draw favours the source in every item
    shared = Direction(items, summed, np.ones((40, 2, 2)), np.full(40, 6.0), np.tile([0, 1], (40, 1)), 2, {})
    concepts, weights = concept_weights([item.concept_id for item in items], 0, 500)
    own = estimates(replace(shared, pool=0), ["mean-token"], ["all"], concepts, weights)["all", "mean-token"]
    both = estimates(shared, ["mean-token"], ["all"], concepts, weights)["all", "mean-token"]
    assert own.value == both.value == pytest.approx(0.5, abs=0.01)
    assert own.draw_deviations == ()
    # two draws, 0 and 1: variance (1 - 0)²/4, one degree of freedom
    assert sum(both.draw_deviations[0] ** 2) / 2 == pytest.approx(0.25, rel=0.02)
    interval = both.interval()
    assert interval.high - interval.low == pytest.approx(2 * 12.706 * 0.5, rel=0.02)
    assert own.interval().high - own.interval().low < 0.01


def of_draws(effects: np.ndarray, noise: float, n: int, draws: int = 2) -> Direction:
    """Each item has some of the pool's draws, whose effects on log P(source) are known."""
    rng = np.random.default_rng(8)
    pool = len(effects)
    numbers = np.sort(rng.permuted(np.tile(np.arange(pool), (n, 1)), axis=1)[:, :draws], axis=1)
    summed = np.zeros((n, draws, 2))
    summed[..., 0] = effects[numbers] + rng.normal(0, noise, (n, draws))
    items = [Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", ("a",)) for k in range(n)]
    return Direction(items, summed, np.ones_like(summed), np.full(n, 6.0), numbers, pool, {})


def test_the_variance_of_a_pool_is_that_of_its_draws_where_an_item_has_only_some_of_them():
    effects = np.array([0.0, 1.0, 2.0, 5.0])
    given = of_draws(effects, 0.0, 3000)
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 10)
    (drawn,) = estimates(given, ["mean-token"], ["all"], concepts, weights)["all", "mean-token"].draw_deviations
    assert drawn == pytest.approx((effects.mean() - effects) / 3, abs=0.06)


def test_the_noise_of_questions_is_no_difference_between_draws():
    """Of four draws without effects, two for each item: more than half of the sets shrink to nothing."""
    variances = []
    for seed in range(60):
        given = of_draws(np.zeros(4), 1.0, 60)
        given.logprobs[..., 0] = np.random.default_rng(seed).normal(size=given.logprobs.shape[:2])
        concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 10)
        (drawn,) = estimates(given, ["mean-token"], ["all"], concepts, weights)["all", "mean-token"].draw_deviations
        variances.append(3 / 4 * float((drawn**2).sum()))
    of_units = 0.5 / 60
    assert np.mean(np.array(variances) == 0) > 0.4
    assert np.mean(variances) < 0.5 * of_units  # unshrunk: 1.4 times it


def test_a_draw_that_replaces_one_for_a_few_items_is_not_left_out():
    given = direction(40, draws=2, pool=2)
    replaced = given.draws.copy()
    replaced[:3, 0] = [2, 3, 4]
    concepts, weights = concept_weights([item.concept_id for item in given.items], 0, 100)
    found = estimates(replace(given, draws=replaced), ["paper"], ["all"], concepts, weights)["all", "paper"]
    assert len(found.draw_deviations[0]) == 2
    assert np.isfinite(found.draw_deviations[0]).all()


def test_n_counts_concepts_whatever_the_number_of_items_and_directions():
    given = direction(40)
    twice = replace(given, items=[replace(item, concept_id=f"c{k // 2}") for k, item in enumerate(given.items)])
    concepts, weights = concept_weights([item.concept_id for item in twice.items], 0, 100)
    found = estimates(twice, ["paper"], ["all", "even"], concepts, weights)
    assert (found["all", "paper"].n, found["even", "paper"].n) == (20, 20)
    assert average([found["all", "paper"]] * 12).n == 20
