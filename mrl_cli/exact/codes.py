"""Exact sums of values by code, for many codes at once: what `ExactSum` is for one, in arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrl_cli.exact.dekker import are_ordinary_factors, products
from mrl_cli.exact.extraction import HUGE
from mrl_cli.exact.sums import ExactSum, sum_of_any_products

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SumsByCode(NamedTuple):
    """Exact sums of values by code: the sum of code i is that of `parts[0][i]`, `parts[1][i]`, … and of `others[i]`.

    Every part has shape (codes,). `others` hold what is huge or not finite, and products out of the ordinary.
    """

    parts: list[NDArray[np.float64]]
    others: dict[int, ExactSum]

    def merged(self, other: SumsByCode) -> SumsByCode:
        """Return the sums of the values of both."""
        parts = list(self.parts)
        for part in other.parts:
            parts = _with_part(parts, part)
        others = dict(self.others)
        for code, total in other.others.items():
            others[code] = others.get(code, ExactSum()) + total
        return SumsByCode(parts, others)

    def at(self, code: int) -> ExactSum:
        """Return the sum of one code.

        >>> large, small = (sums_by_code(np.array([value]), np.array([0]), 1) for value in (1e16, 1.0))
        >>> both = large.merged(small)
        >>> float(both.at(0) + ExactSum.of(np.array([-1e16])))
        1.0
        """
        found = ExactSum.of_few(float(part[code]) for part in self.parts)
        return found + self.others[code] if code in self.others else found


def two_sum(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rounded sums and their rounding errors: together they are the sums, exactly (Knuth's two-sum).

    >>> two_sum(np.array([1e16]), np.array([1.0]))
    (array([1.e+16]), array([1.]))
    """
    after = left + right
    share = after - left
    return after, (left - (after - share)) + (right - share)


def _with_part(parts: list[NDArray[np.float64]], rest: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return parts whose sum is that of `parts` and `rest`: hardly ever more of them, however many are added."""
    added = []
    for index, part in enumerate(parts):
        after, rest = two_sum(part, rest)
        added.append(after)
        if not rest.any():
            return [*added, *parts[index + 1 :]]
    return [*added, rest]


def sums_by_code(values: NDArray[np.float64], codes: NDArray[np.integer], size: int) -> SumsByCode:
    """Return the exact sum of the values of each code from 0 to size - 1; `values` and `codes` have one shape (n,).

    The extraction of a block's sum serves: what is added in the whole without rounding is so in every part of it.

    >>> found = sums_by_code(np.array([1e16, 0.5, 1.0]), np.array([0, 1, 0]), 2)
    >>> [part.tolist() for part in found.parts]
    [[1e+16, 0.0], [1.0, 0.5]]
    """
    if values.size == 0:
        return SumsByCode([], {})
    if values.min() > -HUGE and values.max() < HUGE:  # NaN, which min and max hand on, is not
        return SumsByCode(_parts_by_code(values, codes, size), {})
    ordinary = np.abs(values) < HUGE
    parts = _parts_by_code(np.where(ordinary, values, 0.0), codes, size)
    strange, strange_codes = values[~ordinary], codes[~ordinary]
    return SumsByCode(
        parts, {int(code): ExactSum.of(strange[strange_codes == code]) for code in np.unique(strange_codes)}
    )


def sums_of_products_by_code(
    left: NDArray[np.float64], right: NDArray[np.float64], codes: NDArray[np.integer], size: int
) -> SumsByCode:
    """As `sums_by_code`, of the unrounded products left * right."""
    with np.errstate(all="ignore"):
        ordinary = are_ordinary_factors(left) & are_ordinary_factors(right)
        both = products(np.where(ordinary, left, 0.0), np.where(ordinary, right, 0.0))
    parts = [part for product in both for part in _parts_by_code(product, codes, size)]
    others = {}
    for code in np.unique(codes[~ordinary]):
        strange = ~ordinary & (codes == code)
        others[int(code)] = sum_of_any_products(left[strange], right[strange])
    return SumsByCode(parts, others)


def _parts_by_code(values: NDArray[np.float64], codes: NDArray[np.integer], size: int) -> list[NDArray[np.float64]]:
    if values.size == 0:
        return []
    largest = max(float(values.max()), -float(values.min()))
    size_bits = (values.size + 1).bit_length()
    sigma_exponent = math.frexp(largest)[1] + size_bits
    parts: list[NDArray[np.float64]] = []
    quotient, rest = np.empty_like(values), np.empty_like(values)
    while True:
        sigma = math.ldexp(1.0, sigma_exponent)
        np.add(values, sigma, out=quotient)
        np.subtract(quotient, sigma, out=quotient)
        parts.append(np.bincount(codes, weights=quotient, minlength=size).astype(np.float64, copy=False))
        np.subtract(values, quotient, out=rest)
        if not rest.any():
            return parts
        values = rest
        sigma_exponent += size_bits - 53
