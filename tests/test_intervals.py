"""Intervals and McNemar's test: against hand-worked values and constants of SciPy, and by how often they cover."""

from __future__ import annotations

import math
import statistics
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.exact import ExactSum
from mrl_cli.statistics import intervals
from mrl_cli.statistics.intervals import (
    Interval,
    clustered_freedom,
    clustered_mean_interval,
    clustered_share_interval,
    clustered_wilson_interval,
    mcnemar_p,
    mean_interval,
    normal_quantile,
    paired_share_interval,
    t_quantile,
    wilson_interval,
)
from mrl_cli.statistics.moments import exact_mean, standard_deviation
from tests.each import each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def interval_of(values: Floats, confidence: float = 0.95) -> Interval:
    values.flags.writeable = False
    return mean_interval(values.size, ExactSum.of(values), ExactSum.of_products(values, values), confidence)


# Quantiles.


@pytest.mark.parametrize(
    ("confidence", "quantile"),  # scipy.stats.norm.ppf(0.5 + confidence / 2)
    [(0.5, 0.6744897501960817), (0.95, 1.959963984540054), (0.99, 2.5758293035489004), (0.999999, 4.891638475671085)],
)
def test_normal_quantile_is_scipys(confidence: float, quantile: float) -> None:
    assert normal_quantile(confidence) == pytest.approx(quantile, rel=1e-11)


@each(
    ("confidence", "freedom", "quantile"),  # scipy.stats.t.ppf(0.5 + confidence / 2, freedom)
    [
        (0.5, 1, 1.0),
        (0.95, 2, 4.302652729749462),
        (0.95, 3, 3.1824463052837078),
        (0.9, 4, 2.1318467863266495),
        (0.99, 7, 3.4994832973504924),
        (0.95, 30, 2.0422724563012378),
        (0.999, 101, 3.3894748840473063),
        (0.95, 1000, 1.9623390808264083),
        (0.95, 1001, 1.9623367052808798),
        (0.99, 2500, 2.5777973369278233),
        (0.95, 10_000_000, 1.959964221767205),
    ],
)
def test_t_quantile_is_scipys(confidence: float, freedom: int, quantile: float) -> None:
    assert t_quantile(confidence, freedom) == pytest.approx(quantile, rel=1e-12)


def test_t_quantile_of_no_freedom_is_undefined() -> None:
    assert math.isnan(t_quantile(0.95, 0))


# Means.


def test_mean_interval_is_worked_by_hand() -> None:
    # Mean 10/4; squared deviations 2.25 + 0.25 + 0.25 + 2.25 = 5, over 3 and 4: the error is sqrt(5/12).
    interval = interval_of(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (interval.mean, interval.standard_error) == (2.5, math.sqrt(5 / 12))
    assert interval.high - interval.mean == pytest.approx(3.1824463052837078 * math.sqrt(5 / 12))
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)


def test_mean_interval_keeps_its_digits_far_from_zero() -> None:
    values = np.random.default_rng(1).normal(1e9, 1e-3, 1000)
    expected = math.sqrt(statistics.variance(values.tolist()) / 1000)  # which is exact up to the root, too
    assert interval_of(values).standard_error == pytest.approx(expected, rel=1e-15)


def test_mean_interval_does_not_depend_on_order() -> None:
    values = np.random.default_rng(2).normal(size=1000) ** 3
    assert interval_of(values) == interval_of(values[::-1].copy()) == interval_of(np.sort(values))


@pytest.mark.parametrize("value", [0.1, 1e-200, -1e150, 0.0])
def test_equal_values_have_no_error_at_all(value: float) -> None:
    assert interval_of(np.full(1000, value)) == Interval(value, 0.0, value, value)


@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e140])
def test_mean_interval_follows_the_scale(scale: float) -> None:
    values = np.array([1.0, 2.0, 4.0, 3.0])
    assert interval_of(values * scale).standard_error == pytest.approx(interval_of(values).standard_error * scale)


@pytest.mark.parametrize("values", [[1.0], [1.0, math.inf], [1.0, math.nan]])
def test_no_error_is_made_up(values: list[float]) -> None:
    interval = interval_of(np.array(values))
    assert math.isnan(interval.standard_error)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_mean_of_nothing_is_undefined() -> None:
    assert math.isnan(exact_mean(ExactSum(), 0))
    assert math.isnan(interval_of(np.empty(0)).mean)


# Means of clusters.


def test_one_pair_a_cluster_is_no_clustering() -> None:
    values = np.random.default_rng(3).normal(size=50)
    clustered, plain = clustered_mean_interval(values, np.ones(50, np.int64), 0.95), interval_of(values)
    assert clustered.mean == plain.mean
    assert clustered.standard_error == pytest.approx(plain.standard_error, rel=1e-14)
    assert clustered.low == pytest.approx(plain.low)


def test_pairs_that_repeat_their_cluster_add_nothing() -> None:
    values = np.random.default_rng(4).normal(size=50)
    clustered, plain = clustered_mean_interval(values * 7, np.full(50, 7), 0.95), interval_of(values)
    assert clustered.standard_error == pytest.approx(plain.standard_error)
    assert clustered.high == pytest.approx(plain.high)


def test_clustered_error_is_worked_by_hand() -> None:
    # Three clusters of 1, 1 and 2 pairs with sums 1, 2 and 5: mean 2, deviations -1, 0 and 1, shares 1/4, 1/4 and 1/2.
    interval = clustered_mean_interval(np.array([1.0, 2.0, 5.0]), np.array([1, 1, 2]), 0.95)
    assert interval.mean == 2.0
    assert interval.standard_error == pytest.approx(math.sqrt(1 / (3 / 4) + 0 + 1 / (1 / 2)) / 4)
    # q = 1/3, 1/3 and 2: freedom 16 / (6 + (8/3)**2 - (4 + 2/9)) = 1.8, rounded down
    assert clustered_freedom(np.array([1, 1, 2])) == 1
    assert interval.high - interval.mean == pytest.approx(t_quantile(0.95, 1) * interval.standard_error)


@pytest.mark.parametrize("clusters", [2, 3, 10, 999, 1500])
def test_clusters_of_one_size_have_one_degree_less_than_clusters(clusters: int) -> None:
    assert clustered_freedom(np.full(clusters, 7)) == clusters - 1


def test_clustered_interval_does_not_depend_on_order() -> None:
    generator = np.random.default_rng(5)
    sums, counts = generator.normal(size=200), generator.integers(1, 30, 200)
    order = generator.permutation(200)
    assert clustered_mean_interval(sums, counts, 0.9) == clustered_mean_interval(sums[order], counts[order], 0.9)


def test_one_cluster_shows_nothing_of_others() -> None:
    assert math.isnan(clustered_mean_interval(np.array([3.0]), np.array([9]), 0.95).standard_error)
    assert math.isnan(clustered_wilson_interval(np.array([3]), np.array([9]), 0.95).low)


# Proportions.


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (81, 263), (5, 5), (999_999, 1_000_000)])
def test_wilson_bounds_are_those_that_the_proportion_is_z_errors_from(successes: int, trials: int) -> None:
    interval, z = wilson_interval(successes, trials, 0.95), normal_quantile(0.95)
    for bound in (interval.low, interval.high):
        assert abs(successes / trials - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / trials), abs=1e-12)
    assert 0 <= interval.low < interval.high <= 1
    assert interval.low <= successes / trials <= interval.high


def test_wilson_interval_is_worked_by_hand() -> None:
    # None of 10 at z = 1.96: low 0, high z**2 / (10 + z**2) = 3.8415 / 13.8415.
    interval = wilson_interval(0, 10, 0.95)
    assert (interval.mean, interval.low) == (0.0, 0.0)
    assert interval.high == pytest.approx(3.8415 / 13.8415, rel=1e-4)
    assert math.isnan(wilson_interval(0, 0, 0.95).low)


def test_wilson_interval_of_clusters_widens_with_what_they_share() -> None:
    counts = np.full(100, 4)
    alike, unlike = np.repeat([4, 0], [70, 30]), np.repeat([3, 2], [80, 20])
    plain = wilson_interval(280, 400, 0.95)
    widened, narrow = (clustered_wilson_interval(successes, counts, 0.95) for successes in (alike, unlike))
    assert widened.mean == narrow.mean == plain.mean
    # A cluster whose pairs are all alike is worth one pair.
    one_each = wilson_interval(70, 100, 0.95)
    assert widened.high - widened.low == pytest.approx(one_each.high - one_each.low, rel=0.02)
    assert narrow.high - narrow.low == pytest.approx(plain.high - plain.low, rel=0.02)


def test_paired_interval_is_worked_by_hand() -> None:
    # 20 both, 12 only a, 2 only b, 16 neither, of 50. Wilson: a 0.64 in [0.5014, 0.7586], b 0.44 in [0.3116, 0.5769].
    # Correlation (20*16 - 12*2 - 50/2) / sqrt(32*18*22*28) = 271 / 595.66 = 0.45496, corrected for continuity.
    interval = paired_share_interval(20, 12, 2, 16, 0.95)
    below = math.sqrt(0.1386**2 - 2 * 0.45496 * 0.1386 * 0.1369 + 0.1369**2)
    above = math.sqrt(0.1186**2 - 2 * 0.45496 * 0.1186 * 0.1284 + 0.1284**2)
    assert interval.mean == 0.2
    assert interval.standard_error == pytest.approx(math.sqrt(14 - 100 / 50) / 50)
    assert [interval.low, interval.high] == pytest.approx([0.2 - below, 0.2 + above], abs=2e-4)


@each("table", [(20, 12, 2, 16), (0, 3, 5, 0), (100, 0, 0, 0), (5, 0, 9, 1), (0, 0, 0, 7), (1, 0, 0, 0)])
def test_paired_interval_turns_with_the_models(table: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = table
    interval, turned = paired_share_interval(*table, 0.9), paired_share_interval(both, only_b, only_a, neither, 0.9)
    assert [turned.low, turned.high] == pytest.approx([-interval.high, -interval.low])
    assert -1 <= interval.low < interval.high <= 1
    assert interval.low <= interval.mean <= interval.high


def test_models_that_always_agree_are_not_known_to_be_equal() -> None:
    assert paired_share_interval(50, 0, 0, 0, 0.95).low < 0 < paired_share_interval(50, 0, 0, 0, 0.95).high
    # Twenty clusters of five pairs say no more than twenty pairs.
    clustered = clustered_share_interval(np.zeros(20, np.int64), np.full(20, 5), (100, 0, 0, 0), 0.95)
    twenty = paired_share_interval(20, 0, 0, 0, 0.95)
    assert (clustered.low, clustered.high) == (twenty.low, twenty.high)


# McNemar's test.


@each(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (7, 7, 1.0),
        (0, 6, 2 / 2**6),
        (3, 9, 2 * (1 + 12 + 66 + 220) / 2**12),
        (1000, 1100, 0.030720707864242295),  # from here on mpmath 1.4, 60 digits
        (1200, 1100, 0.038966852683820580),
        (400, 2000, 7.7300891924382817e-255),
        (100_000, 101_000, 0.025862392439734479),
        (2_000_000, 2_005_000, 0.012491749407901947),
    ],
)
def test_mcnemar_p_is_the_binomials(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_p(only_a, only_b) == pytest.approx(p, rel=2e-12)
    assert mcnemar_p(only_a, only_b) == mcnemar_p(only_b, only_a)


def test_both_ways_to_mcnemars_p_agree_where_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [mcnemar_p(fewer, 1999 - fewer) for fewer in range(700, 1000, 13)]
    monkeypatch.setattr(intervals, "LARGEST_COUNTED_TRIALS", 0)
    assert [mcnemar_p(fewer, 1999 - fewer) for fewer in range(700, 1000, 13)] == pytest.approx(counted, rel=1e-12)
    assert all(less < more for less, more in pairwise(counted))


def test_mcnemar_p_below_every_double_is_zero() -> None:
    assert mcnemar_p(3, 5_000_000) == mcnemar_p(1_000_000, 5_000_000) == 0.0


# Coverage: of intervals that claim 95 %, between 93 and 97 % hold what they are about.

RUNS = 2000


def sizes_of(clusters: int, generator: np.random.Generator) -> NDArray[np.int64]:
    return generator.integers(1, 10, clusters)


def covered(clusters: int, draw: Any, truth: float, interval: Any = clustered_mean_interval) -> float:
    """Return how often the interval holds the truth; `draw` makes the values of pairs of their clusters' effects."""
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(RUNS):
        counts = sizes_of(clusters, generator)
        effects = np.repeat(generator.normal(size=clusters), counts)
        places = np.repeat(np.arange(clusters), counts)
        sums = np.bincount(places, draw(effects, generator), clusters)
        actual = interval(sums, counts, 0.95)
        hits += actual.low <= truth <= actual.high
    return hits / RUNS


def hinge_loss(effects: Floats, generator: np.random.Generator) -> Floats:
    loss: Floats = np.maximum(0, 0.5 - 0.7 * effects - generator.normal(size=effects.size))
    return loss


def loss_difference(effects: Floats, generator: np.random.Generator) -> Floats:
    """Hinge losses of two models, one good where the other is not, and as often: the mean difference is 0."""
    a, b = (np.maximum(0, 0.5 - sign * effects - generator.normal(size=effects.size)) for sign in (0.5, -0.5))
    difference: Floats = a - b
    return difference


def is_right(effects: Floats, generator: np.random.Generator) -> Floats:
    return (0.7 * effects + generator.normal(size=effects.size) > -0.5).astype(np.float64)


def outcome(effects: Floats, generator: np.random.Generator) -> Floats:
    a, b = (sign * effects + generator.normal(size=effects.size) > 0 for sign in (0.5, -0.5))
    return a.astype(np.float64) - b.astype(np.float64)


def wilson_of_clusters(sums: Floats, counts: NDArray[np.int64], confidence: float) -> Interval:
    return clustered_wilson_interval(sums.astype(np.int64), counts, confidence)


def share_of_clusters(sums: Floats, counts: NDArray[np.int64], confidence: float) -> Interval:
    pairs = int(counts.sum())  # the table is looked at only where no pair sets the models apart
    return clustered_share_interval(sums.astype(np.int64), counts, (pairs, 0, 0, 0), confidence)


def bars_of_a_normal(sums: Floats, counts: NDArray[np.int64], confidence: float) -> Interval:
    """As Miller writes it: no correction for few clusters."""
    mean = sums.sum() / counts.sum()
    half = normal_quantile(confidence) * math.sqrt(((sums - counts * mean) ** 2).sum()) / counts.sum()
    return Interval(mean, math.nan, mean - half, mean + half)


SPREAD, NORMAL = math.sqrt(1 + 0.7**2), statistics.NormalDist()
HINGE_MEAN = 0.5 * NORMAL.cdf(0.5 / SPREAD) + SPREAD * NORMAL.pdf(0.5 / SPREAD)


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [10, 40])
@pytest.mark.parametrize(
    ("draw", "truth", "interval"),
    [
        (hinge_loss, HINGE_MEAN, clustered_mean_interval),
        (loss_difference, 0.0, clustered_mean_interval),
        (outcome, 0.0, share_of_clusters),
        (is_right, NORMAL.cdf(0.5 / SPREAD), wilson_of_clusters),
    ],
)
def test_intervals_of_clustered_means_cover(clusters: int, draw: Any, truth: float, interval: Any) -> None:
    assert 0.93 <= covered(clusters, draw, truth, interval) <= 0.97


def test_normal_bars_around_few_clusters_claim_too_much() -> None:
    assert covered(10, hinge_loss, HINGE_MEAN, bars_of_a_normal) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [15, 60])
def test_intervals_of_plain_pairs_cover(pairs: int) -> None:
    generator = np.random.default_rng(8)
    values = generator.normal(size=(RUNS, pairs))
    means = [interval_of(row.copy()) for row in values]
    assert 0.93 <= np.mean([collected.low <= 0 <= collected.high for collected in means]) <= 0.97
    tables = generator.multinomial(pairs, [0.5, 0.2, 0.1, 0.2], RUNS).tolist()
    shares = [paired_share_interval(a, b, c, d, 0.95) for a, b, c, d in tables]
    assert 0.93 <= np.mean([collected.low <= 0.1 <= collected.high for collected in shares]) <= 0.97
    truths = generator.uniform(
        0.05, 0.95, RUNS
    )  # for one truth, counts being whole, coverage is a little above or below
    collected = [wilson_interval(count, pairs, 0.95) for count in generator.binomial(pairs, truths).tolist()]
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one, truth in zip(collected, truths, strict=True)]) <= 0.97


def test_standard_deviation_is_that_of_the_statistics_module() -> None:
    values = 1e9 + np.random.default_rng(5).normal(size=100) * 1e-6  # squares alone would cancel to nothing
    sums = ExactSum.of(values), ExactSum.of_products(values, values)
    assert standard_deviation(100, *sums) == pytest.approx(statistics.stdev(values.tolist()), rel=1e-15)


@pytest.mark.parametrize("power", [-1000, -600, 600, 1020])
def test_deviations_and_errors_of_a_power_of_two_times_the_values_are_as_many_times_as_great(power: int) -> None:
    values = np.array([1.5, 0.25, -3.0, 2.0, 1.0, 7.75])  # their squares, or sums, leave the doubles
    both, counts = (values, np.ldexp(values, power)), np.array([1, 2, 1, 3, 1, 4])
    plain, scaled = (clustered_mean_interval(these, counts, 0.9) for these in both)
    assert scaled.standard_error == math.ldexp(plain.standard_error, power)
    assert (scaled.low, scaled.high) == (math.ldexp(plain.low, power), math.ldexp(plain.high, power))
    plain, scaled = map(interval_of, both)
    assert scaled.standard_error == math.ldexp(plain.standard_error, power)
    assert (scaled.low, scaled.high) == (math.ldexp(plain.low, power), math.ldexp(plain.high, power))


def test_a_deviation_beyond_the_doubles_is_infinite() -> None:
    values = np.array([-1.0, 1.0]) * sys.float_info.max
    assert standard_deviation(2, ExactSum.of(values), ExactSum.of_products(values, values)) == math.inf


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.inf], [math.nan, 1.0]])
def test_standard_deviation_of_what_has_none_is_nan(values: list[float]) -> None:
    array = np.array(values)
    assert math.isnan(standard_deviation(array.size, ExactSum.of(array), ExactSum.of_products(array, array)))
