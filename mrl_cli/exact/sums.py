"""Exact sums, and what adds blocks of values and of products to them."""

from __future__ import annotations

import math
import sys
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import blocks
from mrl_cli.exact.blocks import (
    BLOCK_VALUES,
    HUGE,
    MOST_VALUES,
    UNIT_EXPONENT,
    Array,
    Mask,
    Range,
    cut,
    magnitude,
    units_of,
)
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


@light_dataclass(frozen=True, slots=True)
class ExactSum:
    """A sum of doubles, unrounded. `ExactSum()` is the empty sum, the identity of `+`.

    `units` is the finite part in multiples of 2**-2148; the other fields count the terms that are not finite.

    >>> float(ExactSum.of(np.array([1e16, 1.0, -1e16])))
    1.0
    >>> ExactSum.of(np.array([0.1, 0.2])) + ExactSum.of(np.array([0.3])) == ExactSum.of(np.array([0.3, 0.2, 0.1]))
    True
    """

    units: int = 0
    positive_infinities: int = 0
    negative_infinities: int = 0
    nans: int = 0

    def __add__(self, other: ExactSum) -> ExactSum:
        return ExactSum(
            self.units + other.units,
            self.positive_infinities + other.positive_infinities,
            self.negative_infinities + other.negative_infinities,
            self.nans + other.nans,
        )

    def __sub__(self, other: ExactSum) -> ExactSum:
        return self + ExactSum(-other.units, other.negative_infinities, other.positive_infinities, other.nans)

    def __float__(self) -> float:
        """Return the sum, rounded once to the nearest double (ties to even): what `math.fsum` returns.

        Beyond the largest double the result is an infinity, as IEEE 754 rounds it, where `math.fsum` raises. NaN when
        a term is NaN or infinities of both signs meet.
        """
        if self.nans or (self.positive_infinities and self.negative_infinities):
            return math.nan
        if self.positive_infinities or self.negative_infinities:
            return math.inf if self.positive_infinities else -math.inf
        return quotient(self.units, 1 << UNIT_EXPONENT)

    def __truediv__(self, other: ExactSum) -> float:
        """Return the quotient of the two rounded sums; NaN when there is nothing to divide by.

        Where a sum is beyond the normal doubles, and its rounding all that is left, the unrounded ones are divided.

        >>> ExactSum.of(np.array([1.0, 2.0])) / ExactSum.of(np.array([2.0]))
        1.5
        """
        dividend, divisor = float(self), float(other)
        is_ordinary = all(sys.float_info.min <= abs(number) < math.inf for number in (dividend, divisor))
        if is_ordinary or self.is_strange or other.is_strange or not (self.units and other.units):
            return dividend / divisor if divisor else math.nan
        return quotient(self.units, other.units)

    def over(self, count: int) -> float:
        """Return the mean of so many terms, as `/` has it: the rounded sum over their number; NaN for none.

        >>> ExactSum.of(np.array([1.5e308, 1.5e308])).over(2)
        1.5e+308
        """
        return self / ExactSum(count << UNIT_EXPONENT)

    @property
    def is_strange(self) -> bool:
        """Whether a term is not finite."""
        return bool(self.positive_infinities or self.negative_infinities or self.nans)

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> ExactSum:
        """Return the exact sum of `values`: any shape, float64 or a narrower float; not changed."""
        flat, accumulator = _flat(values), ExactAccumulator()
        for part in cut(flat.size, BLOCK_VALUES):
            block = flat[part]
            accumulator.add(block, lowest=float(block.min()), highest=float(block.max()))
        return accumulator.total

    @classmethod
    def of_few(cls, values: Iterable[float]) -> ExactSum:
        """Return the exact sum of a few finite numbers, without an array."""
        return cls(sum(map(units_of, values)))

    @classmethod
    def of_products(cls, left: NDArray[np.floating], right: NDArray[np.floating]) -> ExactSum:
        """Return the exact sum of left * right, element by element: two arrays of one shape; not changed.

        >>> float(ExactSum.of_products(np.array([1e16, 1.0, 1e16]), np.array([1.0, 2.0, -1.0])))
        2.0
        """
        accumulator = ProductAccumulator()
        accumulator.add(_flat(left), _flat(right))
        return accumulator.totals[0]


def _flat(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(values).reshape(-1)


def quotient(numerator: int, denominator: int) -> float:
    """Return the quotient of integers, the divisor above 0, rounded once: infinite where no double is so large.

    >>> quotient(3, 2), quotient(-(10**400), 1)
    (1.5, -inf)
    """
    try:
        return numerator / denominator  # Python divides integers with one correct rounding
    except OverflowError:
        return math.inf if numerator // denominator > 0 else -math.inf


class ExactAccumulator:
    """Adds blocks of at most `BLOCK_VALUES` values to `total`."""

    def __init__(self) -> None:
        self._units, self._strange = 0, ExactSum()

    @property
    def total(self) -> ExactSum:
        """The sum of all that was added."""
        return self._strange + ExactSum(self._units)

    def add(self, block: NDArray[np.floating], *, lowest: float, highest: float) -> None:
        """Add a 1-D block; `lowest` and `highest` are its min and max as NumPy gives them, NaN when it holds a NaN."""
        values, largest = block.astype(np.float64, copy=False), max(highest, -lowest)
        if largest < HUGE:  # NaN is not
            self._units += blocks.units_of_block(values, largest)
        else:
            self._strange += _sum_of_strange(values)


def _sum_of_strange(values: Array) -> ExactSum:
    """Return the exact sum of a block with numbers that are huge or not finite."""
    magnitudes = np.abs(values)
    ordinary, huge = values[magnitudes < HUGE], values[(magnitudes >= HUGE) & (magnitudes < math.inf)]
    units = blocks.units_of_block(ordinary, magnitude(ordinary)) + sum(map(units_of, huge.tolist()))
    strange = (values == math.inf, values == -math.inf, np.isnan(values))
    return ExactSum(units, *(int(np.count_nonzero(mask)) for mask in strange))


class ProductAccumulator:
    """Adds blocks of unrounded products to the first of `totals`.

    Masks that go with a block select which of its left factors are added, as they are, to each of the other totals.
    """

    def __init__(self, masks: int = 0) -> None:
        self._units, self._strange = [0] * (1 + masks), [ExactSum()] * (1 + masks)

    @property
    def totals(self) -> list[ExactSum]:
        """The sums of all that was added."""
        return [total + ExactSum(units) for total, units in zip(self._strange, self._units, strict=True)]

    def add(
        self,
        left: NDArray[np.floating],
        right: NDArray[np.floating],
        masks: Sequence[Mask | None] = (),
        *,
        ranges: tuple[Range, Range] | None = None,
    ) -> None:
        """Add left * right, element by element: 1-D arrays of one length, as the masks are; None marks every factor.

        `ranges` are the least and the greatest of both sides where they are known, as NumPy gives them.
        """
        for part in cut(left.size, MOST_VALUES):
            first = left[part].astype(np.float64, copy=False)
            second = first if right is left else right[part].astype(np.float64, copy=False)
            parts = [None if mask is None else mask[part] for mask in masks]
            units = blocks.units_of_products(first, second, parts, ranges)
            if units is not None:
                self._units = list(map(add, self._units, units))
            else:
                self._strange = list(map(add, self._strange, _sums_of_strange(first, second, parts)))


def _sums_of_strange(left: Array, right: Array, masks: Sequence[Mask | None]) -> list[ExactSum]:
    """Return the sums of a block with products that slices do not hold."""
    ordinary = blocks.are_ordinary_factors(left) & blocks.are_ordinary_factors(right)
    total = sum_of_any_products(left[~ordinary], right[~ordinary])
    for part in blocks.products(left[ordinary], right[ordinary]):
        total += ExactSum.of(part)
    return [total, *(ExactSum.of(left if mask is None else left[mask]) for mask in masks)]


def sum_of_any_products(left: Array, right: Array) -> ExactSum:
    """Return the exact sum of products of any magnitude, one at a time."""
    units, others = 0, []
    for first, second in zip(left.tolist(), right.tolist(), strict=True):
        if math.isfinite(first) and math.isfinite(second):
            units += (units_of(first) * units_of(second)) >> UNIT_EXPONENT
        else:
            others.append(first * second)
    return ExactSum(units) + ExactSum.of(np.array(others))
