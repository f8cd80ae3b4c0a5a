"""The sum of a block of doubles as an integer, by error-free extraction.

Rump, Ogita and Oishi, "Accurate Floating-Point Summation Part I: Faithful Rounding", SIAM J. Sci. Comput. 31 (2008);
the same step is the base of Demmel and Nguyen, "Parallel Reproducible Summation", IEEE Trans. Comput. 64 (2015). For n
values of magnitude below 2**e and sigma = 2**(e + ceil(log2(n + 2))), each q = (v + sigma) - sigma is v rounded to a
multiple of 2**-53 sigma, and all the q together stay below sigma: so they add up without rounding in any order, in
whatever way NumPy adds. v - q is exact and at most 2**-53 sigma: the step is repeated on it until nothing is left,
twice for ordinary data.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Of 8, 16, 32 and 64 Ki the quickest: a block and its buffers stay in a core's cache, yet calls are few.
BLOCK_VALUES = 32768
UNIT_EXPONENT = 2148  # the smallest subnormal is 2**-1074, and the smallest product of two is its square
FEW_VALUES = 64  # that something is left is mostly seen in a few
HUGE = 2.0**900  # what is larger is added scaled down, for its sigma may be beyond the doubles


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


_SCRATCH = Scratch(2)


def units_of_block(block: NDArray[np.float64], largest: float) -> int:
    """Return the sum of at most BLOCK_VALUES doubles of magnitudes up to `largest` < HUGE, in 2**-UNIT_EXPONENT."""
    return sum(units_of(float(part.sum())) for part, _ in extracted(block, largest))


def extracted(
    values: NDArray[np.float64], largest: float
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.intp] | None]]:
    """Yield the extracted parts of doubles of magnitudes up to `largest` < HUGE, in this thread's buffers.

    The parts sum up to `values`, element by element, and each adds up without rounding, as a whole or any of it. A part
    comes with the places of the values that it is of, or None for all: few have something left after two steps.
    """
    if largest == 0:
        return
    size_bits = (values.size + 1).bit_length()  # ceil(log2(n + 2))
    sigma_exponent = math.frexp(largest)[1] + size_bits
    (quotient, rest), places = _SCRATCH.of(values.size), None
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


def _extract(values: NDArray[np.float64], sigma_exponent: int, out: NDArray[np.float64]) -> None:
    # Below the normal range sigma may be a subnormal or 0; additions are exact there, and all is extracted.
    sigma = math.ldexp(1.0, sigma_exponent)
    np.add(values, sigma, out=out)
    np.subtract(out, sigma, out=out)


def units_of(value: float) -> int:
    """Return a finite number in units of 2**-UNIT_EXPONENT.

    >>> units_of(0.75) == 3 << UNIT_EXPONENT - 2
    True
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_EXPONENT + 1 - denominator.bit_length())
