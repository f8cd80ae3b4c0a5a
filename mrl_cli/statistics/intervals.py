"""Error bars as pure functions of sums and counts: intervals for means, proportions and paired differences, and
McNemar's test.

Means get a t interval, of as many degrees of freedom as there are pairs less one; clustered, of at most the number of
clusters less one, fewer when some are much larger than others (Bell and McCaffrey). With few clusters less than that
claims too much: where 95 % was claimed, normal bars around 10 unequal clusters covered 86 %, in the simulation of
test_intervals_of_clustered_means_cover, which finds between 93 % and 97 % for the interval used. Proportions get
Wilson's interval, which is of use where all pairs are right and a standard error is 0.

After Miller, "Adding Error Bars to Evals" (2024), arXiv 2411.00640: pairs that share a prompt are not independent,
hence errors clustered by prompt; and two models on the same pairs are compared by the interval of their difference, not
by whether their own bars overlap.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import UNIT_EXPONENT, ExactSum, are_ordinary_factors, magnitude, products
from mrl_cli.records import NamedTuple
from mrl_cli.statistics.moments import exact_mean, standard_deviation

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Wholes

# Up to here Student's distribution is summed; beyond, its series in 1/freedom is as exact.
LARGEST_SUMMED_FREEDOM = 1000
LARGEST_COUNTED_TRIALS = 2000  # up to here McNemar's p is a ratio of integers
SMALLEST_STIRLING = 16  # from here on Stirling's series gives a log-factorial to the last bits


class Interval(NamedTuple):
    """A mean or a proportion, its standard error, and the interval around it; NaN where the data say nothing."""

    mean: float
    standard_error: float
    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan, math.nan, math.nan)


def normal_quantile(confidence: float) -> float:
    """Return z such that a standard normal value lies within ±z with probability `confidence`, in (0, 1).

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    from statistics import NormalDist  # slow to import, and only wanted here

    return -NormalDist().inv_cdf((1 - confidence) / 2)


@lru_cache(maxsize=LARGEST_SUMMED_FREEDOM)  # many groups have as many pairs as another
def t_quantile(confidence: float, freedom: int) -> float:
    """Return t such that Student's value of `freedom` degrees lies within ±t with probability `confidence`, in (0, 1).

    NaN for less than one degree. Exact to about 1e-10, relative, for a confidence of up to 1 - 1e-6. With t =
    sqrt(freedom) tan(angle) the probability is a finite sum of powers of cos(angle) (Abramowitz and Stegun 26.7.3-4),
    which is solved by halving; beyond LARGEST_SUMMED_FREEDOM the expansion 26.7.5 about the normal quantile is used.

    >>> round(t_quantile(0.95, 1), 4), round(t_quantile(0.95, 9), 4)
    (12.7062, 2.2622)
    """
    if freedom < 1:
        return math.nan
    if freedom > LARGEST_SUMMED_FREEDOM:
        return _t_by_expansion(normal_quantile(confidence), freedom)
    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _probability_within(middle, freedom) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _probability_within(angle: float, freedom: int) -> float:
    """Return the probability that Student's |t| is at most sqrt(freedom) tan(angle)."""
    sine, square = math.sin(angle), math.cos(angle) ** 2
    is_odd = freedom % 2 == 1
    term = math.cos(angle) if is_odd else 1.0
    total = 0.0
    for place in range(freedom // 2):
        total += term
        term *= square * ((2 * place + 2) / (2 * place + 3) if is_odd else (2 * place + 1) / (2 * place + 2))
    return (angle + sine * total) * 2 / math.pi if is_odd else sine * total


def _t_by_expansion(z: float, freedom: int) -> float:
    square = z * z
    coefficients = (
        (square + 1) / 4,
        ((5 * square + 16) * square + 3) / 96,
        (((3 * square + 19) * square + 17) * square - 15) / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    return z * (1 + math.fsum(c / freedom**power for power, c in enumerate(coefficients, start=1)))


def mean_interval(pairs: int, total: ExactSum, squares: ExactSum, confidence: float) -> Interval:
    """Return the t interval for the mean of `pairs` values, given their exact sum and their exact sum of squares.

    standard_error = sqrt((squares - total**2 / pairs) / (pairs - 1) / pairs), in integers up to the root. It is NaN for
    fewer than two pairs, and for values that are not finite.

    >>> values = np.array([1.0, 3.0])
    >>> mean_interval(2, ExactSum.of(values), ExactSum.of_products(values, values), 0.5).standard_error
    1.0
    """
    mean, error = exact_mean(total, pairs), standard_deviation(pairs, total, squares, of_mean=True)
    if math.isnan(error):
        return UNDEFINED._replace(mean=mean)
    return _around(mean, error, t_quantile(confidence, pairs - 1))


def clustered_mean_interval(sums: Doubles, counts: Wholes, confidence: float) -> Interval:
    """Return the t interval for the mean over all pairs, clustered; `sums` and `counts`, shape (n,), are by cluster.

    With shares h_c = counts_c / Σ counts, standard_error = sqrt(Σ_c (sums_c - counts_c * mean)**2 / (1 - h_c)) / Σ
    counts: the clustered error of Miller 2024, section 2.2, with each cluster's part corrected for what the mean took
    from it. That, and the degrees of freedom, are after Bell and McCaffrey, "Bias Reduction in Standard Errors for
    Linear Regression With Multi-Stage Samples", Survey Methodology 28 (2002). For n clusters of one size it is the
    correction n / (n - 1) with n - 1 degrees; with one pair per cluster, the ordinary standard error. NaN for fewer
    than two clusters, and where the sum of one is not finite.

    >>> clustered_mean_interval(np.array([1.0, 3.0]), np.array([1, 1]), 0.5).standard_error
    1.0
    """
    clusters, pairs = counts.size, int(counts.sum())
    mean = exact_mean(ExactSum.of(sums), pairs)
    if clusters < 2 or not math.isfinite(mean):
        return UNDEFINED._replace(mean=mean)
    # Scaled by a power of two where squares may leave the doubles.
    exponent = 0 if are_ordinary_factors(sums).all() else math.frexp(magnitude(sums))[1]
    scaled = np.ldexp(sums, -exponent)
    deviations = _deviations(scaled, counts, exact_mean(ExactSum.of(scaled), pairs))
    squares = ExactSum.of_products(deviations, deviations / (1 - counts / pairs))
    with np.errstate(over="ignore"):
        error = float(np.ldexp(math.sqrt(float(squares)) / pairs, exponent))
    return _around(mean, error, t_quantile(confidence, clustered_freedom(counts)))


def _deviations(sums: Doubles, counts: Wholes, mean: float) -> Doubles:
    """Return sums - counts * (Σ sums / Σ counts), where `mean` is that quotient rounded.

    What rounding leaves out is taken into account: losses may lie far from 0 and close to one another.
    """
    sizes = counts.astype(np.float64)
    if not are_ordinary_factors(np.array([mean])).all():
        return sums - sizes * mean
    total = ExactSum.of(sums)
    left_out = float(Fraction(total.units, int(counts.sum()) << UNIT_EXPONENT) - Fraction(mean))
    rounded, error = products(sizes, np.full(sizes.size, mean))
    return ((sums - rounded) - error) - sizes * left_out


def clustered_freedom(counts: Wholes) -> int:
    """Return the degrees of freedom of a clustered error, rounded down: Bell and McCaffrey 2002, for a mean.

    The counts, shape (n,), are of two clusters or more. With q_c = counts_c**2 / (1 - h_c) / Σ counts it is
    (Σ counts)**2 / (Σ counts_c**2 + (Σ q)**2 - Σ q**2), at least 1.

    >>> clustered_freedom(np.array([5, 5, 5, 5])), clustered_freedom(np.array([17, 1, 1, 1]))
    (3, 1)
    """
    pairs, sizes = int(counts.sum()), counts.astype(np.float64)
    ratios = sizes * sizes / (pairs - sizes)
    # Exact sums, for an order that rounds otherwise must not change a whole number.
    squares, ratio_squares = (float(ExactSum.of_products(values, values)) for values in (sizes, ratios))
    ratio = float(ExactSum.of(ratios))
    freedom = pairs * pairs / (squares + ratio * ratio - ratio_squares)
    return max(1, math.floor(freedom * (1 + 1e-9)))


def _around(mean: float, error: float, quantile: float) -> Interval:
    return Interval(mean, error, mean - quantile * error, mean + quantile * error)


def wilson_interval(successes: float, trials: float, confidence: float) -> Interval:
    """Return Wilson's interval for a proportion: 0 <= successes <= trials, which need not be integers.

    The bounds are the p with |successes/trials - p| = z sqrt(p (1 - p) / trials): Wilson, "Probable Inference, the Law
    of Succession, and Statistical Inference", J. Am. Stat. Assoc. 22 (1927). They stay within [0, 1] and apart even for
    a proportion of 0 or 1. NaN for no trials.

    >>> interval = wilson_interval(10, 10, 0.95)
    >>> round(interval.low, 4), interval.high
    (0.7225, 1.0)
    """
    if trials <= 0:
        return UNDEFINED
    share = successes / trials
    z = normal_quantile(confidence)
    square = z * z
    centre = successes + square / 2
    half = z * math.sqrt(successes * (trials - successes) / trials + square / 4)
    # At 0 and 1 the bound is the proportion itself; rounding must not push it past.
    low = (centre - half) / (trials + square) if successes > 0 else 0.0
    high = (centre + half) / (trials + square) if successes < trials else 1.0
    return Interval(share, math.sqrt(share * (1 - share) / trials), low, high)


def clustered_wilson_interval(successes: Wholes, counts: Wholes, confidence: float) -> Interval:
    """Return Wilson's interval for a proportion over all pairs; `successes` and `counts`, shape (n,), are by cluster.

    The trials are the effective ones: as many independent pairs as would have the clustered standard error, at most the
    number of pairs (Korn and Graubard, "Confidence Intervals for Proportions with Small Expected Number of Positive
    Counts Estimated From Survey Data", Survey Methodology 24, 1998). Where that error is 0 nothing is known of how
    alike a cluster's pairs are, and each cluster counts as one trial.

    >>> clustered_wilson_interval(np.array([3, 3]), np.array([3, 3]), 0.95) == wilson_interval(2, 2, 0.95)
    True
    """
    clustered = clustered_mean_interval(successes.astype(np.float64), counts, confidence)
    pairs, share, error = int(counts.sum()), clustered.mean, clustered.standard_error
    if math.isnan(error):
        return clustered
    trials: float = counts.size
    if error:
        # The quantile for few clusters, for a normal one would claim too much.
        widening = t_quantile(confidence, clustered_freedom(counts)) / normal_quantile(confidence)
        trials = min(pairs, share * (1 - share) / error**2) / widening**2
    return wilson_interval(share * trials, trials, confidence)._replace(mean=share, standard_error=error)


def paired_share_interval(both: float, only_a: float, only_b: float, neither: float, confidence: float) -> Interval:
    """Return the interval for the difference of two proportions, a's less b's, on the same pairs.

    The counts are of the pairs that both, only a, only b and neither have right. Method 10 of Newcombe, "Improved
    Confidence Intervals for the Difference Between Binomial Proportions Based on Paired Data", Statistics in Medicine
    17 (1998): from the Wilson intervals of the two and the correlation between them, so it is of use where all pairs
    agree. The standard error is sqrt((only_a + only_b - (only_a - only_b)**2 / pairs)) / pairs. NaN for no pairs.

    >>> interval = paired_share_interval(20, 12, 2, 16, 0.95)
    >>> round(interval.mean, 4), round(interval.low, 4), round(interval.high, 4)
    (0.2, 0.0562, 0.3292)
    """
    pairs = both + only_a + only_b + neither
    if not pairs:
        return UNDEFINED
    a, b = (wilson_interval(both + only, pairs, confidence) for only in (only_a, only_b))
    product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    excess = both * neither - only_a * only_b
    excess_shown = max(excess - pairs / 2, 0) if excess > 0 else excess  # Newcombe's correction for continuity
    correlation = excess_shown / math.sqrt(product) if product else 0.0
    difference = (only_a - only_b) / pairs
    below = _joined(a.mean - a.low, b.high - b.mean, correlation)
    above = _joined(a.high - a.mean, b.mean - b.low, correlation)
    error = math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / pairs) / pairs
    return Interval(difference, error, difference - below, difference + above)


def clustered_share_interval(
    outcomes: Wholes, counts: Wholes, table: tuple[int, int, int, int], confidence: float
) -> Interval:
    """Return the interval for the difference of two proportions on the same pairs, clustered.

    `outcomes` and `counts` hold for each cluster how many more pairs a has right than b, and its pairs, shape (n,);
    `table` are the counts that `paired_share_interval` takes. It is the clustered t interval within [-1, 1]; where its
    standard error is 0, that of Newcombe with each cluster as one trial, for nothing is known of how alike the pairs of
    one are.

    >>> round(clustered_share_interval(np.array([0, 0]), np.array([3, 3]), (6, 0, 0, 0), 0.95).low, 4)
    -0.6576
    """
    clustered = clustered_mean_interval(outcomes.astype(np.float64), counts, confidence)
    if clustered.standard_error == 0:
        both, only_a, only_b, neither = (count * counts.size / int(counts.sum()) for count in table)
        bounds = paired_share_interval(both, only_a, only_b, neither, confidence)
        return bounds._replace(mean=clustered.mean, standard_error=0.0)
    # Not min and max: those would turn an undefined bound into one.
    low, high = np.clip((clustered.low, clustered.high), -1, 1).tolist()
    return clustered._replace(low=low, high=high)


def _joined(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * correlation * first * second + second * second))


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of McNemar's test: that two models as good as each other differ so much or more.

    Of the pairs that one model alone has right, each is as likely the one's as the other's: p = min(1, 2 P(X <=
    min(only_a, only_b))), X binomial with only_a + only_b trials of probability 1/2. 1 when they never differ. Assumes
    that pairs are independent. McNemar, Psychometrika 12 (1947), in its exact form. Up to LARGEST_COUNTED_TRIALS a
    ratio of integers, rounded once; beyond, to about 1e-12, relative, by Loader's saddle-point form of the largest term
    ("Fast and Accurate Computation of Binomial Probabilities", 2000) and the ratios of the others to it.

    >>> mcnemar_p(1, 9) == 2 * (1 + 10) / 2**10
    True
    """
    trials, fewer = only_a + only_b, min(only_a, only_b)
    if 2 * fewer + 1 >= trials:  # the middle term, or all there are, would be counted twice
        return 1.0
    if trials <= LARGEST_COUNTED_TRIALS or fewer < SMALLEST_STIRLING:
        term = counted = math.comb(trials, fewer)
        for count in range(fewer, 0, -1):
            term = term * count // (trials - count + 1)
            counted += term
        return 2 * counted / (1 << trials)
    share = total = 1.0
    for count in range(fewer, 0, -1):
        share *= count / (trials - count + 1)
        total += share
        if share < total * 1e-17:
            break
    return min(1.0, 2 * math.exp(_log_of_half_binomial(fewer, trials)) * total)


def _log_of_half_binomial(count: int, trials: int) -> float:
    """Return the log-probability of `count` heads in `trials` throws, both large, without cancellation."""
    tilt = (trials - 2 * count) / trials
    # trials/2 times the sum of (1 ± tilt) log(1 ± tilt) is how far the share of heads is from a half.
    distance = trials / 2 * ((1 + tilt) * math.log1p(tilt) + (1 - tilt) * math.log1p(-tilt))
    stirling = _stirling_error(trials) - _stirling_error(count) - _stirling_error(trials - count)
    return stirling - distance + math.log(trials / (2 * math.pi * count) / (trials - count)) / 2


def _stirling_error(number: int) -> float:
    square = float(number) ** 2
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / number
