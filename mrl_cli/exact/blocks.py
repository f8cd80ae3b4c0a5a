"""Sums of a block of doubles, and of products of two, as integers: exact whatever the order.

`units_of_block` extracts: Rump, Ogita and Oishi, "Accurate Floating-Point Summation Part I: Faithful Rounding", SIAM J.
Sci. Comput. 31 (2008); the same step is the base of Demmel and Nguyen, "Parallel Reproducible Summation", IEEE Trans.
Comput. 64 (2015). For n < 2**b values of magnitude below 2**e and sigma = 2**(e + b), each q = (v + sigma) - sigma is v
rounded to a multiple of 2**-53 sigma, and all the q together stay below sigma: so they add up without rounding in any
order, in whatever way NumPy adds. v - q is exact and at most 2**-53 sigma: the step is repeated on it until nothing is
left, twice for ordinary data.

`products` is Dekker's algorithm: "A Floating-Point Technique for Extending the Available Precision", Numer. Math. 18
(1971).

`units_of_products` cuts the numbers into slices of few bits: Ozaki, Ogita, Oishi and Rump, "Error-free transformations
of matrix multiplication by using fast routines of matrix multiplication and its applications", Numer. Algorithms 59
(2012). A slice of a block holds 20 bits of every number, those of one place: they are multiples of one power of two,
and at most 2**19 of it. A product of two such numbers is at most 2**38 of another, so up to 2**15 of them add up
without rounding, in whatever order and way a BLAS adds. All slices of one side are multiplied by all of the other;
three hold what ordinary numbers hold.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
Mask: TypeAlias = "NDArray[np.bool_]"
Range = tuple[float, float]

UNIT_EXPONENT = 2148  # the smallest subnormal is 2**-1074, and the smallest product of two is its square
HUGE = 2.0**900  # what is larger is added one at a time, for its sigma may be beyond the doubles
FEW_VALUES = 64  # that something is left is mostly seen in a few
# Of 16, 32, 64 and 128 Ki the quickest, of 32 by up to 6 %: a block stays in a core's cache, yet calls are few.
BLOCK_VALUES = 65536
# Factors between these magnitudes have a product and a rounding error that are exact doubles, and neither overflows.
SMALL_FACTOR, LARGE_FACTOR = 2.0**-400, 2.0**440
PRODUCT_VALUES = 16384  # what products of this many go through stays in a core's cache, yet calls are few
SPLITTER = 2.0**27 + 1  # Dekker's: cuts a double into two of 26 bits
SLICE_BITS, MOST_VALUES = 19, 32768  # 2 * 19 + log2(32768) = 53
MOST_SLICES = 6
# With the largest magnitude between these, no slice, no product of two and no sum of MOST_VALUES leaves the doubles.
SMALLEST, LARGEST = 2.0**-300, 2.0**400


class Scratch(threading.local):
    """An array that each thread has for itself: allocated anew for every block, it would be cleared anew.

    >>> Scratch(2, dtype=bool).of(3).shape
    (2, 3)
    """

    def __init__(self, *rows: int, dtype: type = float) -> None:
        super().__init__()
        self._array: NDArray[Any] = np.empty((*rows, 0), dtype)

    def of(self, size: int) -> NDArray[Any]:
        """Return the array, of shape (*rows, size); what is in it holds until the thread asks again."""
        if self._array.shape[-1] < size:
            self._array = np.empty((*self._array.shape[:-1], size), self._array.dtype)
        return self._array[..., :size]


_PARTS, _TERMS, _SLICES = Scratch(2), Scratch(5), Scratch(2, MOST_SLICES + 1)
_REST = Scratch()


def cut(size: int, length: int) -> Iterator[slice]:
    """Yield the slices of `length` places that `size` places are cut into, the last of what is left.

    >>> list(cut(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + length, size)) for start in range(0, size, length))


def cut_at(bounds: NDArray[np.integer], most: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of runs of neighbouring pieces: of `most` places at most, or one piece that alone has more.

    Piece i has the places from bounds[i] to bounds[i + 1].

    >>> list(cut_at(np.array([0, 2, 3, 9]), 3))
    [(0, 2), (2, 3)]
    """
    first = 0
    while first < bounds.size - 1:
        last = max(int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1, first + 1)
        yield first, last
        first = last


def magnitude(values: Array) -> float:
    """Return the greatest magnitude of values: 0 where there are none, NaN where one is NaN.

    >>> [magnitude(np.array(values)) for values in ([2.0, -3.0], [-0.25], [])]
    [3.0, 0.25, 0.0]
    """
    return max(float(values.max()), -float(values.min())) if values.size else 0.0


def units_of(value: float) -> int:
    """Return a finite number in units of 2**-UNIT_EXPONENT.

    >>> units_of(0.75) == 3 << UNIT_EXPONENT - 2
    True
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_EXPONENT + 1 - denominator.bit_length())


def units_of_block(block: Array, largest: float) -> int:
    """Return the sum of at most BLOCK_VALUES doubles of magnitudes up to `largest` < HUGE, in 2**-UNIT_EXPONENT."""
    return sum(units_of(float(part.sum())) for part, _ in extracted(block, largest))


def extracted(
    values: Array, largest: float, terms: int | None = None
) -> Iterator[tuple[Array, NDArray[np.intp] | None]]:
    """Yield the extracted parts of doubles of magnitudes up to `largest` < HUGE, in this thread's buffers.

    The parts sum up to `values`, element by element, and each adds up without rounding, as a whole or any of it. Where
    `terms` is given, any sum of so many does, be they of several calls with the same `largest`. A part comes with the
    places of the values that it is of, or None for all: few have something left after two steps.
    """
    if largest == 0:
        return
    size_bits = (values.size if terms is None else terms).bit_length()
    sigma_exponent = math.frexp(largest)[1] + size_bits
    (quotient, rest), places = _PARTS.of(values.size), None
    _extract(values, sigma_exponent, out=quotient)
    yield quotient, None
    np.subtract(values, quotient, out=rest)
    if not (rest[:FEW_VALUES].any() or rest.any()):  # something is left of ordinary data, and of a few of them
        return
    while True:
        sigma_exponent += size_bits - 53  # what remains is at most 2**-53 sigma
        quotient = quotient[: rest.size]
        _extract(rest, sigma_exponent, out=quotient)
        yield quotient, places
        left = np.flatnonzero(rest != quotient)
        if not left.size:
            return
        rest, places = rest[left] - quotient[left], left if places is None else places[left]


def split(values: Array, terms: int) -> list[Array]:
    """Return parts that sum up to doubles of magnitudes below HUGE, element by element, each of the shape of `values`.

    Of each part, any sum is exact that has at most so many terms, counting one with an integer factor as often. An
    extraction, as `extracted` does it for many blocks of a large array too.

    >>> [part.tolist() for part in split(np.array([1.0, 2.0**-60, 0.0]), terms=3)]
    [[1.0, 0.0, 0.0], [0.0, 8.673617379884035e-19, 0.0]]
    """
    parts: list[Array] = []
    largest, size_bits = magnitude(values), terms.bit_length()
    sigma_exponent = math.frexp(largest)[1] + size_bits
    while largest and (not parts or values.any()):
        parts.append(np.empty_like(values))
        _extract(values, sigma_exponent, out=parts[-1])
        values = values - parts[-1]
        sigma_exponent += size_bits - 53
    return parts


def _extract(values: Array, sigma_exponent: int, out: Array) -> None:
    # Below the normal range sigma may be a subnormal or 0; additions are exact there, and all is extracted.
    sigma = math.ldexp(1.0, sigma_exponent)
    np.add(values, sigma, out=out)
    np.subtract(out, sigma, out=out)


def round_to(values: Array, unit: int, out: Array) -> Array:
    """Round values of magnitudes up to 2**(unit + 51) to multiples of 2**unit, in `out`.

    >>> round_to(np.array([0.3, -1.7]), -1, np.empty(2)).tolist()
    [0.5, -1.5]
    """
    sigma = math.ldexp(1.5, unit + 52)  # a sum with it has the unit as its last bit
    np.add(values, sigma, out=out)
    return np.subtract(out, sigma, out=out)


def are_ordinary_factors(values: Array) -> Mask:
    """Return of each value whether `products` takes it for a factor."""
    magnitudes = np.abs(values)
    ordinary: Mask = ((magnitudes >= SMALL_FACTOR) & (magnitudes < LARGE_FACTOR)) | (magnitudes == 0)
    return ordinary


def products(left: Array, right: Array) -> tuple[Array, Array]:
    """Return the rounded products and their rounding errors: together they are the products, exactly.

    Every factor is 0 or of a magnitude from SMALL_FACTOR to LARGE_FACTOR.

    >>> products(np.array([1 + 2.0**-52]), np.array([1 + 2.0**-52]))[1] == 2.0**-104
    array([ True])
    """
    rounded, error = np.empty((2, left.size))
    for part in cut(left.size, PRODUCT_VALUES):
        few = left[part]
        _products_of_few(few, few if right is left else right[part], rounded[part], error[part])
    return rounded, error


def _products_of_few(left: Array, right: Array, rounded: Array, error: Array) -> None:
    left_high, left_low, right_high, right_low, term = _TERMS.of(left.size)
    np.multiply(left, right, out=rounded)
    sides = [(left, left_high, left_low), (right, right_high, right_low)]
    if right is left:  # a square: cut once
        right_high, right_low = left_high, left_low
        sides.pop()
    for values, high, low in sides:
        # Dekker's cut: high = s - (s - v), where s is the scaled value.
        np.multiply(values, SPLITTER, out=term)
        np.subtract(term, values, out=low)
        np.subtract(term, low, out=high)
        np.subtract(values, high, out=low)
    np.multiply(left_high, right_high, out=error)
    np.subtract(error, rounded, out=error)
    for first, second in ((left_high, right_low), (left_low, right_high), (left_low, right_low)):
        np.multiply(first, second, out=term)
        np.add(error, term, out=error)


def units_of_products(
    left: Array, right: Array, masks: Sequence[Mask | None], ranges: tuple[Range, Range] | None = None
) -> list[int] | None:
    """Return the sums of left * right and of left where each mask is True, in 2**-UNIT_EXPONENT.

    A mask that is None is True everywhere. `ranges` are (least, greatest) of both sides or of what they are part of,
    where that is known: NaN, as in NumPy, where there is a NaN.

    All arrays have one shape (n,), n at most MOST_VALUES. None: the numbers are not all ordinary, or lie so far apart
    that MOST_SLICES do not hold them.
    """
    rows, columns = _SLICES.of(left.size)
    left_range, right_range = ranges or [(float(side.min()), float(side.max())) for side in (left, right)]
    width = _sliced(right, right_range, columns)
    height = width if right is left else _sliced(left, left_range, rows)
    if height is None or width is None:
        return None
    right_slices = columns[:width]
    left_slices = right_slices if right is left else rows[:height]
    # One product of vectors at a time: BLAS takes more than twice as long for matrices of so few rows.
    if right is left:
        entries = [
            units_of(float(first.dot(second))) << (place < last)
            for last, second in enumerate(right_slices)
            for place, first in enumerate(left_slices[: last + 1])
        ]
    else:
        entries = [units_of(float(first.dot(second))) for first in left_slices for second in right_slices]
    sums = [sum(entries)]
    for mask in masks:
        columns[width] = 1.0 if mask is None else mask
        sums.append(sum(units_of(float(each.dot(columns[width]))) for each in left_slices))
    return sums


def _sliced(values: Array, span: Range, rows: Array) -> int | None:
    """Fill as many rows as it takes with slices whose sum the values are; return how many, None for too many."""
    lowest, highest = span
    largest = max(highest, -lowest)
    if largest == 0:
        return 0
    if not SMALLEST < largest < LARGEST:  # NaN is not
        return None
    rest, exponent = _REST.of(values.size), math.frexp(largest)[1]
    # Numbers from `lowest` on are multiples of its last bit; of others, which bit is their last is not known.
    last_bit = math.frexp(lowest)[1] - 53 if lowest > 0 else -math.inf
    for place in range(MOST_SLICES):
        row = round_to(values, exponent - SLICE_BITS, out=rows[place])
        if (values[:FEW_VALUES] == row[:FEW_VALUES]).all() and (values == row).all():
            return place + 1
        exponent -= SLICE_BITS + 1  # what remains is at most half of this slice's unit
        if last_bit >= exponent - SLICE_BITS and place + 1 < MOST_SLICES:
            np.subtract(values, row, out=rows[place + 1])  # and is the next slice
            return place + 2
        values = np.subtract(values, row, out=rest)
    return None
