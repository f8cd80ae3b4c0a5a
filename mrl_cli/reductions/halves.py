"""Pairs whose label is a probability y, on the curve of a hinge: each is two halves, d with weight y and -d with 1 - y.

The second weight is 1 less y, and neither is rounded, so the sums of the halves stay exact. Where y is 1 or 0 there is
one half alone.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import UNIT_EXPONENT, ExactSum, are_ordinary_factors, products
from mrl_cli.exact.codes import two_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Doubles = NDArray[np.float64]
    Codes = Callable[[Floats], NDArray[np.intp]]  # of each number how many knots are below it


def nearer(difference: Floats, y: Floats) -> Floats:
    """Return the lower one of d and -d, of those that have a weight: the loss is above 0 from it on."""
    return np.where(y == 1, difference, np.where(y == 0, -difference, -np.abs(difference)))


def halves(difference: Floats, y: Floats, weights: Doubles | None) -> Iterator[tuple[Floats, Doubles]]:
    """Yield the halves of pairs: d or -d, and weights that add up to those of the halves.

    Pairs with a weight, or a label, that `exact.products` does not take are left out: `strange_halves` yields those.
    """
    labels = y.astype(np.float64)
    is_ordinary = _are_ordinary(labels, weights)
    better, worse, mixed = is_ordinary & (y > 0), is_ordinary & (y < 1), is_ordinary & (y > 0) & (y < 1)
    whole = np.ones(labels.size) if weights is None else weights
    shares = (labels,) if weights is None else products(np.where(is_ordinary, whole, 0.0), labels)
    yield -difference[worse], whole[worse]
    for share in shares:
        yield difference[better], share[better]
        yield -difference[mixed], -share[mixed]


def _are_ordinary(labels: Doubles, weights: Doubles | None) -> NDArray[np.bool_]:
    if weights is None:
        return np.ones(labels.size, bool)
    return are_ordinary_factors(weights) & are_ordinary_factors(labels)


def strange_halves(
    difference: Floats, y: Floats, weights: Doubles | None, power: int
) -> Iterator[tuple[float, dict[str, ExactSum]]]:
    """Yield the other halves, one at a time: d or -d, and the sums that it adds to, as `curve.Curve` names them."""
    if weights is None:
        return
    labels = y.astype(np.float64)
    for place in np.flatnonzero(~_are_ordinary(labels, weights)).tolist():
        label, weight = Fraction(float(labels[place])), Fraction(float(weights[place]))
        d = float(difference[place])
        for signed, share in ((d, weight * label), (-d, weight * (1 - label))):
            if share:
                names = ("weight", "first", "second")[: power + 1]
                yield signed, {name: _exact(share, signed, times) for times, name in enumerate(names)}


def _exact(share: Fraction, value: float, times: int) -> ExactSum:
    if times and not math.isfinite(value):
        return ExactSum.of(np.array([value**times]))
    number = share * Fraction(value) ** times if times else share
    return ExactSum((number.numerator << UNIT_EXPONENT) // number.denominator)


def changes_at_rest(difference: Floats, y: Floats, knots: Floats, codes_of: Codes, power: int) -> NDArray[np.int64]:
    """Return how the number of active pairs without a gradient changes from one knot to the next, shape (knots + 1,).

    The halves pull in opposite directions. Those of a hinge are level where y is one half, from |d| on; those of its
    square at the margin d / (2y - 1), or everywhere where d is 0 and y one half.
    """
    changes = np.zeros(knots.size + 1, np.int64)
    d, labels = difference.astype(np.float64), y.astype(np.float64)
    is_even = (labels == 0.5) & ((power == 1) | (d == 0))
    np.add.at(changes, codes_of(np.abs(difference[is_even])), 1)
    if power == 1:
        return changes
    is_mixed = (labels > 0) & (labels < 1) & (labels != 0.5)
    d, labels = d[is_mixed], labels[is_mixed]
    margins = knots.astype(np.float64)
    # Where d / (2y - 1) is a margin, neither is rounded: with more bits than a double has, 2y - 1 would give d as many.
    place = np.searchsorted(margins, d / (2 * labels - 1))
    margin = margins[np.minimum(place, margins.size - 1)]
    is_at_rest = (place < margins.size) & (margin > np.abs(d)) & _are_level(margin, d, labels)
    np.add.at(changes, place[is_at_rest], 1)
    np.add.at(changes, place[is_at_rest] + 1, -1)
    return changes


def _are_level(margin: Doubles, d: Doubles, labels: Doubles) -> NDArray[np.bool_]:
    """Return where 2y * margin is margin + d, nothing rounded: equal numbers have equal roundings and equal errors."""
    sums, errors = two_sum(margin, d)
    is_ordinary = are_ordinary_factors(margin) & are_ordinary_factors(labels)
    rounded, rests = products(margin, 2 * labels)
    level: NDArray[np.bool_] = (sums == rounded) & (errors == rests)
    for place in np.flatnonzero(~is_ordinary & np.isfinite(d)).tolist():
        m, y = Fraction(float(margin[place])), Fraction(float(labels[place]))
        level[place] = 2 * y * m == m + Fraction(float(d[place]))
    return level
