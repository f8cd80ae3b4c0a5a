"""Correctly rounded sums of three doubles and their squares, element by element."""

from __future__ import annotations

import numpy as np

from mrl_cli.exact.blocks import UNIT_EXPONENT, Array, are_ordinary_factors, products
from mrl_cli.exact.codes import two_sum
from mrl_cli.exact.sums import ExactSum

_NEAR = 2.0**-40  # of the terms that a square is short of, far more than they are wrong by


def sum_of_three(first: Array, second: Array, third: Array) -> Array:
    """Return first + second + third, rounded once; infinite where that is beyond the doubles. All are finite.

    The error of the last addition but one is rounded to odd: Boldo and Melquiond, "Emulation of a FMA and Correctly
    Rounded Sums: Proved Algorithms Using Rounding to Odd", IEEE Trans. Comput. 57 (2008).

    >>> sum_of_three(np.array([1.0]), np.array([2.0**-53]), np.array([2.0**-106])) - 1
    array([2.22044605e-16])
    """
    with np.errstate(all="ignore"):
        high, rest = _three(first, second, third)
        total: Array = high + rest
    for place in np.flatnonzero(~np.isfinite(total)).tolist():  # the sum of two of them may be beyond the doubles
        total[place] = float(_exact(first, second, third, place))
    return total


def square_of_three(first: Array, second: Array, third: Array) -> Array:
    """Return (first + second + third)**2, rounded once; infinite where that is beyond the doubles. All are finite.

    >>> square_of_three(np.array([3.0]), np.array([-1.0]), np.array([0.5]))
    array([6.25])
    """
    with np.errstate(all="ignore"):
        high, low = two_sum(*_three(first, second, third))
        square, error = products(high, high)
        cross = 2 * high * low
        near = _NEAR * (abs(error) + abs(cross))
        lowest, highest = square + (error + cross - near), square + (error + cross + near)
    uncertain = ~are_ordinary_factors(high) | (lowest != highest)
    for place in np.flatnonzero(uncertain).tolist():
        units = _exact(first, second, third, place).units
        highest[place] = float(ExactSum(units * units >> UNIT_EXPONENT))  # no bit is lost: these are even enough
    return highest


def _three(first: Array, second: Array, third: Array) -> tuple[Array, Array]:
    """Return the rounded sum of three, nearly, and what remains, rounded to odd."""
    high, low = two_sum(second, third)
    total, rest = two_sum(first, high)
    rest, error = two_sum(rest, low)
    is_even = (rest.view(np.int64) & 1) == 0
    np.nextafter(rest, np.copysign(np.inf, error), out=rest, where=is_even & (error != 0))
    return total, rest


def _exact(first: Array, second: Array, third: Array, place: int) -> ExactSum:
    return ExactSum.of_few(float(values[place]) for values in (first, second, third))
