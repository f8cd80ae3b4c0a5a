"""Products of doubles without rounding: each the sum of two doubles, its rounded value and the rounding error.

Dekker's algorithm gives the error exactly: "A Floating-Point Technique for Extending the Available Precision", Numer.
Math. 18 (1971).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Factors between these magnitudes have a product and a rounding error that are exact doubles, and neither overflows.
SMALL_FACTOR, LARGE_FACTOR = 2.0**-400, 2.0**440
PRODUCT_VALUES = 4096  # what products of this many go through stays in the innermost caches
_SPLITTER = 2.0**27 + 1  # Dekker's: cuts a double into two of 26 bits


def are_ordinary_factors(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell of each value whether `products` takes it for a factor."""
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
