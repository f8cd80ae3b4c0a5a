"""Products of doubles without rounding: one by one, each as two doubles, and sums of them as integers.

`products` is Dekker's algorithm: "A Floating-Point Technique for Extending the Available Precision", Numer. Math. 18
(1971).

`units_of_products` cuts the numbers into slices of few bits: Ozaki, Ogita, Oishi and Rump, "Error-free transformations
of matrix multiplication by using fast routines of matrix multiplication and its applications", Numer. Algorithms 59
(2012). A slice of a block holds 20 bits of every number, those of one place: they are multiples of one power of two,
and at most 2**19 of it. A product of two such numbers is at most 2**38 of another, so up to 2**15 of them add up
without rounding, in whatever order and way a BLAS adds. All slices of one side times all of the other are one small
matrix product; three slices hold what ordinary numbers hold.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.extraction import FEW_VALUES, Scratch, units_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Factors between these magnitudes have a product and a rounding error that are exact doubles, and neither overflows.
SMALL_FACTOR, LARGE_FACTOR = 2.0**-400, 2.0**440
PRODUCT_VALUES = 4096  # what products of this many go through stays in the innermost caches
_SPLITTER = 2.0**27 + 1  # Dekker's: cuts a double into two of 26 bits

Range = tuple[float, float]

MOST_VALUES = 32768
SLICE_BITS = 19  # 2 * 19 + log2(MOST_VALUES) = 53
MOST_SLICES, MOST_MASKS = 6, 2
# With the largest magnitude between these, no slice, no product of two and no sum of MOST_VALUES leaves the doubles.
SMALLEST, LARGEST = 2.0**-300, 2.0**400


_TERMS, _SLICES, _REST, _IS_WHOLE = Scratch(5), Scratch(2, MOST_SLICES + MOST_MASKS), Scratch(), Scratch(dtype=bool)


def are_ordinary_factors(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return of each value whether `products` takes it for a factor."""
    magnitudes = np.abs(values)
    ordinary: NDArray[np.bool_] = ((magnitudes >= SMALL_FACTOR) & (magnitudes < LARGE_FACTOR)) | (magnitudes == 0)
    return ordinary


def products(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rounded products and their rounding errors: together they are the products, exactly.

    Every factor is 0 or of a magnitude from SMALL_FACTOR to LARGE_FACTOR.

    >>> products(np.array([1 + 2.0**-52]), np.array([1 + 2.0**-52]))[1] == 2.0**-104
    array([ True])
    """
    rounded, error = np.empty((2, left.size))
    for start in range(0, left.size, PRODUCT_VALUES):
        part = slice(start, start + PRODUCT_VALUES)
        _products_of_few(left[part], right[part], rounded[part], error[part])
    return rounded, error


def _products_of_few(left: Array, right: Array, rounded: Array, error: Array) -> None:
    left_high, left_low, right_high, right_low, term = _TERMS.of(left.size)
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


def units_of_products(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    masks: Sequence[NDArray[np.bool_] | None],
    ranges: tuple[Range, Range] | None = None,
) -> list[int] | None:
    """Return the sums of left * right and of left where each of MOST_MASKS masks is True, in 2**-UNIT_EXPONENT.

    A mask that is None is True everywhere. `ranges` are (least, greatest) of both sides or of what they are part of,
    where that is known: NaN, as in NumPy, where there is a NaN.

    All arrays have one shape (n,), n at most MOST_VALUES. None: the numbers are not all ordinary, or lie so far apart
    that MOST_SLICES do not hold them.
    """
    size = left.size
    rows, columns = _SLICES.of(size)
    left_range, right_range = ranges or (range_of(left), range_of(right))
    height, width = _sliced(left, left_range, rows), _sliced(right, right_range, columns)
    if height is None or width is None:
        return None
    for place, mask in enumerate(masks, start=width):
        columns[place] = 1.0 if mask is None else mask
    sums = (rows[:height] @ columns[: width + len(masks)].T).T.tolist()
    whole = sum(units_of(entry) for column in sums[:width] for entry in column)
    return [whole, *(sum(map(units_of, column)) for column in sums[width:])]


def range_of(values: NDArray[np.float64]) -> Range:
    """Return the least and the greatest of values, NaN where one is NaN."""
    return float(values.min()), float(values.max())


def _sliced(values: NDArray[np.float64], span: Range, rows: NDArray[np.float64]) -> int | None:
    """Fill as many rows as it takes with slices whose sum the values are; return how many, None for too many."""
    lowest, highest = span
    largest = max(highest, -lowest)
    if largest == 0:
        return 0
    if not SMALLEST < largest < LARGEST:  # NaN is not
        return None
    rest, is_whole = _REST.of(values.size), _IS_WHOLE.of(values.size)
    exponent = math.frexp(largest)[1]
    # Numbers from `lowest` on are multiples of its last bit; of others, which bit is their last is not known.
    last_bit = math.frexp(lowest)[1] - 53 if lowest > 0 else -math.inf
    for place in range(MOST_SLICES):
        # A sum with sigma has the unit of this slice as its last bit, so that it is rounded to a multiple of it.
        sigma = math.ldexp(1.5, exponent - SLICE_BITS + 52)
        row = rows[place]
        np.add(values, sigma, out=row)
        np.subtract(row, sigma, out=row)
        if np.equal(values[:FEW_VALUES], row[:FEW_VALUES]).all() and np.equal(values, row, out=is_whole).all():
            return place + 1
        exponent -= SLICE_BITS + 1  # what remains is at most half of this slice's unit
        if last_bit >= exponent - SLICE_BITS and place + 1 < MOST_SLICES:
            np.subtract(values, row, out=rows[place + 1])  # and is the next slice
            return place + 2
        values = np.subtract(values, row, out=rest)
    return None
