r"""Exact sums of doubles, that can be merged.

A finite double is an integer multiple of 2**-1074, and a product of two of 2**-2148, so sums of them are too:
`ExactSum` holds that integer (and counts what is not finite). Adding integers is exact and associative, hence a sum
does not depend on the order of its terms, on how they were split, or on who added them; rounding happens once, when
the float is asked for.

The integer is reached cheaply by error-free extraction: Rump, Ogita and Oishi, "Accurate Floating-Point Summation Part
I: Faithful Rounding", SIAM J. Sci. Comput. 31 (2008); the same step is the base of Demmel and Nguyen, "Parallel
Reproducible Summation", IEEE Trans. Comput. 64 (2015). For n values of magnitude below 2**e and
sigma = 2**(e + ceil(log2(n + 2))), each q = (v + sigma) - sigma is v rounded to a multiple of 2**-53 sigma, and all the
q together stay below sigma: so they add up without rounding in any order, in whatever way NumPy adds. v - q is exact
and at most 2**-53 sigma: the step is repeated on it until nothing is left, twice for ordinary data.

A product of two doubles is the sum of two, its rounded value and the rounding error, which Dekker's algorithm gives
exactly ("A Floating-Point Technique for Extending the Available Precision", Numer. Math. 18, 1971): so sums of products
are exact too.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BLOCK_VALUES = (
    32768  # of 8, 16, 32 and 64 Ki the quickest: a block and its buffers stay in a core's cache, yet calls are few
)
UNIT_EXPONENT = 2148  # the smallest subnormal is 2**-1074, and the smallest product of two is its square
HUGE = 2.0**900  # what is larger is added scaled down, for its sigma may be beyond the doubles
HUGE_SCALE_EXPONENT = 256
# Factors between these magnitudes have a product and a rounding error that are exact doubles, and neither overflows.
SMALL_FACTOR, LARGE_FACTOR = 2.0**-400, 2.0**440
PRODUCT_BLOCK_VALUES = 8192  # of 4, 8, 16 and 32 Ki the quickest: sums of products go through many buffers
PRODUCT_VALUES = 4096  # what products of this many go through stays in the innermost caches
_SPLITTER = 2.0**27 + 1  # Dekker's: cuts a double into two of 26 bits


@light_dataclass(frozen=True, slots=True)
class ExactSum:
    """A sum of doubles, unrounded. `ExactSum()` is the sum of nothing, the identity of `+`.

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
        return ExactSum(
            self.units - other.units,
            self.positive_infinities + other.negative_infinities,
            self.negative_infinities + other.positive_infinities,
            self.nans + other.nans,
        )

    def __float__(self) -> float:
        """Return the sum, rounded once to the nearest double (ties to even): what `math.fsum` returns.

        Beyond the largest double the result is an infinity, as IEEE 754 rounds it, where `math.fsum` raises. NaN when
        a term is NaN or infinities of both signs meet.
        """
        if self.nans or (self.positive_infinities and self.negative_infinities):
            return math.nan
        if self.positive_infinities or self.negative_infinities:
            return math.inf if self.positive_infinities else -math.inf
        try:
            return self.units / (1 << UNIT_EXPONENT)  # Python divides integers with one correct rounding
        except OverflowError:
            return math.inf if self.units > 0 else -math.inf

    def __truediv__(self, other: ExactSum) -> float:
        """Return the quotient of the two rounded sums; NaN when there is nothing to divide by.

        Where a sum is beyond the normal doubles, and its rounding all that is left, the unrounded ones are divided.

        >>> ExactSum.of(np.array([1.0, 2.0])) / ExactSum.of(np.array([2.0]))
        1.5
        """
        dividend, divisor = float(self), float(other)
        is_ordinary = all(sys.float_info.min <= abs(number) < math.inf for number in (dividend, divisor))
        has_strange = any((*self.strange, *other.strange))
        if is_ordinary or has_strange or not (self.units and other.units):
            return dividend / divisor if divisor else math.nan
        try:
            return self.units / other.units
        except OverflowError:
            return math.inf if (self.units > 0) == (other.units > 0) else -math.inf

    @property
    def strange(self) -> tuple[int, int, int]:
        """How many terms are infinite, either way, and how many NaN."""
        return self.positive_infinities, self.negative_infinities, self.nans

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> ExactSum:
        """Return the exact sum of `values`: any shape, float64 or a narrower float; not changed."""
        flat = np.asarray(values).reshape(-1)
        accumulator = ExactAccumulator()
        for start in range(0, flat.size, BLOCK_VALUES):
            block = flat[start : start + BLOCK_VALUES]
            accumulator.add(block, lowest=float(block.min()), highest=float(block.max()))
        return accumulator.total

    @classmethod
    def of_few(cls, values: Iterable[float]) -> ExactSum:
        """Return the exact sum of a few finite numbers, without an array."""
        return cls(sum(map(_units, values)))

    @classmethod
    def of_products(cls, left: NDArray[np.floating], right: NDArray[np.floating]) -> ExactSum:
        """Return the exact sum of left * right, element by element: two arrays of one shape; not changed.

        >>> float(ExactSum.of_products(np.array([1e16, 1.0, 1e16]), np.array([1.0, 2.0, -1.0])))
        2.0
        """
        left, right = np.asarray(left).reshape(-1), np.asarray(right).reshape(-1)
        accumulator = ExactAccumulator()
        for start in range(0, left.size, BLOCK_VALUES):
            accumulator.add_products(left[start : start + BLOCK_VALUES], right[start : start + BLOCK_VALUES])
        return accumulator.total


class Scratch:
    """Buffers that accumulators work in; those that take turns share one, so that it stays in the cache."""

    def __init__(self) -> None:
        self.quotient, self.rest = np.empty(BLOCK_VALUES), np.empty(BLOCK_VALUES)
        self.products = np.empty((2, PRODUCT_BLOCK_VALUES))


class ExactAccumulator:
    """Adds blocks of at most `BLOCK_VALUES` values to an `ExactSum`, in buffers that are allocated once."""

    def __init__(self, scratch: Scratch | None = None) -> None:
        self.total = ExactSum()
        self._scratch = Scratch() if scratch is None else scratch

    def add(
        self,
        block: NDArray[np.floating],
        *,
        lowest: float,
        highest: float,
        part: tuple[NDArray[np.bool_], ExactAccumulator] | None = None,
    ) -> None:
        """Add a 1-D block; `lowest` and `highest` are its min and max as NumPy gives them, NaN when it holds a NaN.

        `part` is a mask of the block's shape, and another accumulator that is given the values it marks.
        """
        values = block.astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            if max(highest, -lowest) < HUGE:  # NaN is not
                marks = None if part is None else part[0].astype(np.float64)
                scratch = self._scratch
                units = _units_of_block(values, max(highest, -lowest), scratch.quotient, scratch.rest, marks)
                self.total += ExactSum(units[0])
                if part is not None:
                    part[1].total += ExactSum(units[1])
                return
            self._add_strange(values)
            if part is not None:
                part[1]._add_strange(values[part[0]])

    def _add_strange(self, values: NDArray[np.float64]) -> None:
        finite = values[np.isfinite(values)]
        is_huge = np.abs(finite) >= HUGE
        scaled, ordinary = finite[is_huge] * 2.0**-HUGE_SCALE_EXPONENT, finite[~is_huge]
        units = [
            _units_of_block(some, float(np.abs(some).max(initial=0.0)), self._scratch.quotient, self._scratch.rest)[0]
            for some in (scaled, ordinary)
        ]
        self.total += ExactSum(
            (units[0] << HUGE_SCALE_EXPONENT) + units[1],
            int(np.count_nonzero(values == math.inf)),
            int(np.count_nonzero(values == -math.inf)),
            int(np.count_nonzero(np.isnan(values))),
        )

    def add_products(self, left: NDArray[np.floating], right: NDArray[np.floating]) -> None:
        """Add left * right, element by element, unrounded: two 1-D arrays of one length, at most `BLOCK_VALUES`."""
        for start in range(0, left.size, PRODUCT_BLOCK_VALUES):
            part = slice(start, start + PRODUCT_BLOCK_VALUES)
            self._add_products(left[part].astype(np.float64, copy=False), right[part].astype(np.float64, copy=False))

    def _add_products(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        with np.errstate(all="ignore"):
            if not (_all_are_ordinary(first) and _all_are_ordinary(second)):
                ordinary = are_ordinary_factors(first) & are_ordinary_factors(second)
                self.total += sum_of_any_products(first[~ordinary], second[~ordinary])
                first, second = first[ordinary], second[ordinary]
            if first.size:
                for part in products(first, second, out=self._scratch.products):
                    self.add(part, lowest=float(part.min()), highest=float(part.max()))


def _all_are_ordinary(values: NDArray[np.float64]) -> bool:
    """As `are_ordinary_factors` of all of them, more quickly."""
    magnitudes = np.abs(values)
    if not magnitudes.max() < LARGE_FACTOR:
        return False
    return bool(np.count_nonzero(magnitudes < SMALL_FACTOR) == np.count_nonzero(magnitudes == 0))


def are_ordinary_factors(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell of each value whether `products` takes it for a factor."""
    magnitudes = np.abs(values)
    ordinary: NDArray[np.bool_] = ((magnitudes >= SMALL_FACTOR) & (magnitudes < LARGE_FACTOR)) | (magnitudes == 0)
    return ordinary


def products(
    left: NDArray[np.float64], right: NDArray[np.float64], out: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rounded products and their rounding errors: together they are the products, exactly.

    Every factor is 0 or of a magnitude from SMALL_FACTOR to LARGE_FACTOR. The result goes to `out`, of shape
    (2, at least as many), when that is given.

    >>> products(np.array([1 + 2.0**-52]), np.array([1 + 2.0**-52]))[1] == 2.0**-104
    array([ True])
    """
    rounded, error = out[:, : left.size] if out is not None else np.empty((2, left.size))
    scratch = np.empty((5, min(left.size, PRODUCT_VALUES)))
    for start in range(0, left.size, PRODUCT_VALUES):
        part = slice(start, start + PRODUCT_VALUES)
        _products_of_few(left[part], right[part], rounded[part], error[part], scratch)
    return rounded, error


def _products_of_few(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    rounded: NDArray[np.float64],
    error: NDArray[np.float64],
    scratch: NDArray[np.float64],
) -> None:
    left_high, left_low, right_high, right_low, term = scratch[:, : left.size]
    np.multiply(left, right, out=rounded)
    for values, high, low in ((left, left_high, left_low), (right, right_high, right_low)):
        # Dekker's cut: high = s - (s - v), where s is the scaled value.
        np.multiply(values, _SPLITTER, out=term)
        np.subtract(term, values, out=low)
        np.subtract(term, low, out=high)
        np.subtract(values, high, out=low)
    np.multiply(left_high, right_high, out=error)
    np.subtract(error, rounded, out=error)
    for first, second in ((left_high, right_low), (left_low, right_high), (left_low, right_low)):
        np.multiply(first, second, out=term)
        np.add(error, term, out=error)


def sum_of_any_products(left: NDArray[np.float64], right: NDArray[np.float64]) -> ExactSum:
    """Return the exact sum of products of any magnitude, one at a time."""
    units, others = 0, []
    for first, second in zip(left.tolist(), right.tolist(), strict=True):
        if math.isfinite(first) and math.isfinite(second):
            units += (_units(first) * _units(second)) >> UNIT_EXPONENT
        else:
            others.append(first * second)
    return ExactSum(units) + ExactSum.of(np.array(others, np.float64))


def _units_of_block(
    block: NDArray[np.float64],
    largest: float,
    quotient: NDArray[np.float64],
    rest: NDArray[np.float64],
    marks: NDArray[np.float64] | None = None,
) -> tuple[int, int]:
    """Return the sum of a block below HUGE, and that of the values marked with 1, in units of 2**-UNIT_EXPONENT.

    `marks` are ones and zeros. The two buffers are at least as long as the block and overwritten.
    """
    if largest == 0:
        return 0, 0
    size_bits = (block.size + 1).bit_length()  # ceil(log2(n + 2))
    sigma_exponent = math.frexp(largest)[1] + size_bits
    quotient, rest = quotient[: block.size], rest[: block.size]
    units = marked = 0
    while True:
        # Below the normal range sigma may be a subnormal or 0; additions are exact there, and all is extracted.
        sigma = math.ldexp(1.0, sigma_exponent)
        np.add(block, sigma, out=quotient)
        np.subtract(quotient, sigma, out=quotient)
        units += _units(float(quotient.sum()))
        if marks is not None:
            marked += _units(float(quotient @ marks))  # what adds up without rounding does so in every part
        np.subtract(block, quotient, out=rest)
        if not rest.any():
            return units, marked
        block = rest
        sigma_exponent += size_bits - 53  # what remains is at most 2**-53 sigma


def _units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_EXPONENT + 1 - denominator.bit_length())


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
