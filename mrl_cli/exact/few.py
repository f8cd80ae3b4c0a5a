"""Sums of three or four doubles and their squares, element by element."""

from __future__ import annotations

import numpy as np

from mrl_cli.exact.blocks import UNIT_EXPONENT, Array, are_ordinary_factors, products
from mrl_cli.exact.codes import two_sum
from mrl_cli.exact.sums import ExactSum

_NEAR = 2.0**-40  # of the terms that a square is short of, far more than they are wrong by
_REST_WRONG = 2.0**-100  # of the errors of four terms, far more than their sum in two parts is wrong by


def sum_of_few(*terms: Array) -> Array:
    """Return the sum of three or four arrays of finite numbers; infinite where that is beyond the doubles.

    Of three it is rounded once, of four it is within a unit in the last place. The error of the last addition but one
    is rounded to odd: Boldo and Melquiond, "Emulation of a FMA and Correctly Rounded Sums: Proved Algorithms Using
    Rounding to Odd", IEEE Trans. Comput. 57 (2008).

    >>> sum_of_few(np.array([1.0]), np.array([2.0**-53]), np.array([2.0**-106])) - 1
    array([2.22044605e-16])
    """
    with np.errstate(all="ignore"):
        high, rest, _ = _few(*terms)
        total: Array = high + rest
    for place in np.flatnonzero(~np.isfinite(total)).tolist():  # the sum of two of them may be beyond the doubles
        total[place] = float(_exact(terms, place))
    return total


def square_of_few(*terms: Array) -> Array:
    """Return the square of a sum as in `sum_of_few`, rounded once; infinite where that is beyond the doubles.

    >>> square_of_few(np.array([3.0]), np.array([-1.0]), np.array([0.5]))
    array([6.25])
    """
    with np.errstate(all="ignore"):
        high, rest, wrong = _few(*terms)
        high, low = two_sum(high, rest)
        square, error = products(high, high)
        cross = 2 * high * low
        near = _NEAR * (abs(error) + abs(cross)) + 4 * abs(high) * wrong
        lowest, highest = square + (error + cross - near), square + (error + cross + near)
    uncertain = ~are_ordinary_factors(high) | (lowest != highest)
    for place in np.flatnonzero(uncertain).tolist():
        units = _exact(terms, place).units
        highest[place] = float(ExactSum(units * units >> UNIT_EXPONENT))  # no bit is lost: these are even enough
    return highest


def _few(*terms: Array) -> tuple[Array, Array, Array | float]:
    """Return the rounded sum, nearly, what remains, rounded to odd, and more than both are wrong by beside that."""
    if len(terms) == 3:
        first, second, third = terms
        return *_plus(first, *two_sum(second, third)), 0.0
    (left, of_left), (right, of_right) = two_sum(*terms[:2]), two_sum(*terms[2:])
    both, of_both = two_sum(left, right)
    high, low = _plus(of_both, *two_sum(of_left, of_right))
    return *_plus(both, high, low), _REST_WRONG * (abs(of_left) + abs(of_right) + abs(of_both))


def _plus(first: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Return first + high, rounded, and what remains of first + high + low, rounded to odd."""
    total, rest = two_sum(first, high)
    rest, error = two_sum(rest, low)
    is_even = (rest.view(np.int64) & 1) == 0
    np.nextafter(rest, np.copysign(np.inf, error), out=rest, where=is_even & (error != 0))
    return total, rest


def _exact(terms: tuple[Array, ...], place: int) -> ExactSum:
    return ExactSum.of_few(float(values[place]) for values in terms)
