"""Means, standard deviations and intervals of many groups at once: what `moments` and `intervals` give for each.

Computed with twice the digits of a double; where those do not say how to round, the exact sums are asked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import are_ordinary_factors, products
from mrl_cli.exact.codes import SumsByCode, two_sum
from mrl_cli.records import NamedTuple
from mrl_cli.statistics.moments import exact_mean, standard_deviation

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Mask, Wholes

_MOST_PAIRS = 2**17  # whose cube is a double
_SLACK, _SLACK_OF_REST = 2.0**-96, 2.0**-46  # of what is computed with twice the digits, and of a last correction


def exact_means(totals: SumsByCode, pairs: Wholes) -> Doubles:
    """Return `exact_mean` of the sum and the number of pairs of each code, of shape (codes,)."""
    high, low, is_exact = totals.doubles(pairs.size)
    sizes = pairs.astype(np.float64)
    with np.errstate(all="ignore"):
        means, is_sure = _rounded_quotients(high, low, sizes, np.where(is_exact, 0.0, np.abs(high) * _SLACK))
        is_scaled = (np.frexp(sizes)[0] == 0.5) & are_ordinary_factors(high)  # by a power of two: rounded already
        means = np.where(is_scaled, high / sizes, means)
        is_sure |= is_scaled
    for code in np.flatnonzero(~is_sure).tolist():
        means[code] = exact_mean(totals.at(code), int(pairs[code]))
    return means


def standard_deviations(pairs: Wholes, totals: SumsByCode, squares: SumsByCode, *, of_mean: bool = False) -> Doubles:
    """Return `standard_deviation` of the pairs and sums of each code, of shape (codes,)."""
    sizes, (total, total_rest), (square, square_rest) = (
        pairs.astype(np.float64),
        totals.doubles(pairs.size)[:2],
        squares.doubles(pairs.size)[:2],
    )
    with np.errstate(all="ignore"):
        first, first_rest = products(sizes, square)
        second, second_rest = products(total, total)
        rest = (first_rest + sizes * square_rest) - (second_rest + 2 * total * total_rest)
        high, error = two_sum(first, -second)
        high, low = two_sum(high, error + rest)
        divisors = (sizes * sizes if of_mean else sizes) * (sizes - 1)
        variances, is_sure = _rounded_quotients(high, low, divisors, (first + second) * _SLACK)
        is_sure &= are_ordinary_factors(square) & are_ordinary_factors(total) & (pairs <= _MOST_PAIRS)
        deviations: Doubles = np.sqrt(variances)
    is_undefined = (pairs < 2) & np.isfinite(total_rest) & np.isfinite(square_rest)
    deviations[is_undefined] = math.nan
    for code in np.flatnonzero(~(is_sure | is_undefined)).tolist():
        deviations[code] = standard_deviation(int(pairs[code]), totals.at(code), squares.at(code), of_mean=of_mean)
    return deviations


def _rounded_quotients(high: Doubles, low: Doubles, divisors: Doubles, slack: Doubles) -> tuple[Doubles, Mask]:
    """Return (high + low) / divisors rounded once, and where that is sure, the dividends being within `slack`."""
    near = high / divisors
    product, error = products(near, divisors)
    left, wrong = two_sum(high - product, -error)  # the difference of numbers so close is exact
    left, wrong_too = two_sum(left, low)
    rest = left / divisors
    product, error = products(rest, divisors)
    # What a division leaves nothing of is the quotient itself: halfway between two doubles, say.
    is_division = (slack == 0) & (wrong == 0) & (wrong_too == 0) & (error == 0) & (product == left)
    is_division &= are_ordinary_factors(rest)
    slack = slack / divisors + np.abs(rest) * _SLACK_OF_REST + np.abs(near) * _SLACK
    quotients, is_exact = near + rest, (high == 0) & (low == 0)
    is_sure = is_division | ((near + (rest - slack) == quotients) & (near + (rest + slack) == quotients))
    return quotients, is_sure & (is_exact | (are_ordinary_factors(near) & (near != 0))) & (divisors > 0)


class Intervals(NamedTuple):
    """Standard errors and the intervals around means or proportions, of shape (n,) each."""

    standard_error: Doubles
    low: Doubles
    high: Doubles


def mean_intervals(pairs: Wholes, totals: SumsByCode, squares: SumsByCode, confidence: float) -> Intervals:
    """Return `mean_interval` of the pairs, shape (n,), and sums of each of n codes."""
    from mrl_cli.statistics.intervals import t_quantile

    means, errors = exact_means(totals, pairs), standard_deviations(pairs, totals, squares, of_mean=True)
    freedoms, codes = np.unique(pairs - 1, return_inverse=True)
    quantiles = np.array([t_quantile(confidence, freedom) for freedom in freedoms.tolist()])[codes]
    with np.errstate(over="ignore"):
        half = quantiles * errors
        return Intervals(errors, means - half, means + half)


def wilson_intervals(successes: Wholes, trials: Wholes, confidence: float) -> Intervals:
    """Return `wilson_interval` of each of n proportions; both arrays are of shape (n,)."""
    from mrl_cli.statistics.intervals import wilson_interval

    counts, codes = np.unique(np.stack([successes, trials]), axis=1, return_inverse=True)
    known = [wilson_interval(right, of, confidence) for right, of in counts.T.tolist()]
    bounds = np.array([(one.standard_error, one.low, one.high) for one in known]).reshape(-1, 3)
    return Intervals(*bounds[codes.reshape(-1)].T)
