"""How well a Bradley-Terry model's probabilities agree with how often it is right: from sums over groups of pairs.

Under Bradley-Terry a pair with scores x1 and x2 is in the order of its scores with probability sigmoid(|x1 - x2|), the
model's confidence. The expected calibration error is that of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern
Neural Networks", ICML 2017, with their 15 bins of equal width from 0 to 1; a confidence is never below 1/2, so 8 of
them can hold pairs. The temperature T is the one of theirs: scores divided by T have the greatest likelihood.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.dtypes import Doubles

BINS = 15
# The least doubles |d| whose confidence is above 8/15, 9/15, … 14/15: log(k / (15 - k)), rounded up.
KNOTS = (
    0.13353139262452263,
    0.4054651081081644,
    0.6931471805599454,
    1.01160091167848,
    1.3862943611198908,
    1.8718021769015916,
    2.639057329615259,
)
EDGES = (0.5, *(count / BINS for count in range(BINS // 2 + 1, BINS + 1)))  # of bins that may hold pairs

_SUBNORMAL = -1021  # the exponent of the smallest number that is not, as frexp has it
_HUGE = 500  # the exponent from which on weights are scaled
_LARGE = 1e150  # beyond that x is as good as infinite, and its square is not


class Temperature(NamedTuple):
    """The temperature of the greatest likelihood, and the bounds of its interval; NaN where pairs say nothing."""

    value: float
    low: float
    high: float


class Spread(NamedTuple):
    """Groups of pairs whose d lie near one another, on one side of 0: their weights, means and variances of d.

    Arrays of shape (n,). Means are in units of 2**exponent; variances are relative, over the square of the mean. The
    likelihood of a group is that of its mean, and a term for the variance: what is left out is of the third order in
    how far the d lie apart.
    """

    weights: Doubles
    means: Doubles
    variances: Doubles
    exponent: int = 0

    def loss(self, inverse: float) -> float:
        """Return the sum of log(1 + exp(-x)), x = d * inverse: the negative logarithm of the likelihood."""
        x, shrunk = self._at(inverse)
        slopes = shrunk / (1 + shrunk) ** 2
        losses = np.maximum(-x, 0) + np.log1p(shrunk) + slopes * x * x * self.variances / 2
        return math.fsum((self.weights * losses).tolist())

    def slope(self, inverse: float) -> float:
        """Return the derivative of the loss by the logarithm of `inverse`."""
        x, shrunk = self._at(inverse)
        slopes, wrong = shrunk / (1 + shrunk) ** 2, np.where(x < 0, 1.0, shrunk) / (1 + shrunk)
        terms = -x * wrong + x * x * self.variances * slopes * (1 + x * (wrong - 0.5))
        return math.fsum((self.weights * terms).tolist())

    def _at(self, inverse: float) -> tuple[Doubles, Doubles]:
        with np.errstate(over="ignore"):
            x = np.clip(self.means * inverse, -_LARGE, _LARGE)
        return x, np.exp(-np.abs(x))


def best_temperature(spread: Spread, total: float, confidence: float) -> Temperature:
    """Return the temperature T from 0 to infinity under which sigmoid(d/T) has the greatest likelihood.

    `total` is the sum of d: where it is not above 0 scores are no better than none, and T is infinite. It is 0 where no
    d is below 0. The interval holds the T whose likelihood is not below the greatest by more than the chi-square
    quantile of one degree of freedom allows: log-likelihoods apart by at most z**2 / 2. It assumes that pairs are
    independent. NaN without groups, and where most d are subnormal, for those of a group lie anywhere then.

    >>> one_in_four = Spread(np.array([3.0, 1.0]), np.array([1.0, -1.0]), np.zeros(2))
    >>> round(1 / best_temperature(one_in_four, 2.0, 0.95).value, 9) == round(math.log(3), 9)
    True
    """
    from mrl_cli.statistics.intervals import normal_quantile  # a pass over pairs, which needs KNOTS, begins without it

    size = spread.means.size
    power = math.frexp(np.sort(np.abs(spread.means))[size // 2])[1] if size else 0  # np.median imports numpy.ma: 12 ms
    exponent = power + spread.exponent
    if not size or exponent <= _SUBNORMAL or not np.isfinite(spread.weights).all():
        return Temperature(math.nan, math.nan, math.nan)
    with np.errstate(over="ignore"):  # of d times a power of two, the temperature is as many times as high
        means = np.nan_to_num(np.ldexp(spread.means, -power))
    scale = math.frexp(spread.weights.max())[1]  # where weights are huge: only their ratios matter
    weights = np.ldexp(spread.weights, -scale) if scale > _HUGE else spread.weights
    spread = spread._replace(means=means, weights=weights)
    if not (spread.means < 0).any():
        best, least = math.inf, 0.0
    elif total <= 0:
        best, least = 0.0, spread.loss(0.0)
    else:
        best = _crossing(spread.slope)
        least = spread.loss(best)
    most = max(least + normal_quantile(confidence) ** 2 / 2, math.nextafter(least, math.inf))
    start = best if 0 < best < math.inf else 1.0
    low = high = best
    if best < math.inf:
        high = _crossing(lambda inverse: spread.loss(inverse) - most, start)
    if best > 0:
        low = 0.0 if spread.loss(0.0) <= most else _crossing(lambda inverse: most - spread.loss(inverse), start)
    ends = [1 / inverse if inverse else math.inf for inverse in (best, high, low)]
    with np.errstate(over="ignore"):
        return Temperature(*np.ldexp(ends, exponent).tolist())


def _crossing(value: Callable[[float], float], start: float = 1.0) -> float:
    """Return the positive number at which a function that is below 0 rises to it; infinity where it never does.

    From `start` on it is looked for by factors of 2, then as in Chandrupatla, "A new hybrid quadratic/bisection
    algorithm for finding the zero of a nonlinear function", Adv. Eng. Softw. 28 (1997), until nothing changes.
    """
    low = high = start
    below = above = value(start)
    while above < 0:
        low, below, high = high, above, 2 * high
        if high == math.inf:
            return high
        above = value(high)
    while below >= 0:
        high, above, low = low, below, low / 2
        if not low:
            return high
        below = value(low)
    last, of_last, other, of_other = high, above, low, below
    at = low + (high - low) / 2
    while last != at != other and of_last:
        of_at = value(at)
        before, of_before = last, of_last
        if (of_at >= 0) != (of_last >= 0):
            before, of_before, other, of_other = other, of_other, last, of_last
        last, of_last = at, of_at
        share = 0.5
        # Where all three points lie on an inverse parabola that rises or falls throughout, it is followed to 0.
        way, rise = (last - other) / (before - other), (of_last - of_other) / (of_before - of_other)
        if rise**2 < way and (1 - rise) ** 2 < 1 - way:
            share = of_last / (of_other - of_last) * of_before / (of_other - of_before)
            way = (before - last) / (other - last)
            share += way * of_last / (of_before - of_last) * of_other / (of_before - of_other)
        at = last + share * (other - last)
    return last if abs(of_last) < abs(of_other) else other
