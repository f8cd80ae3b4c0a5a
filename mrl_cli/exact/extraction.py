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
    return sum(units_of(float(part.sum())) for part in extracted(block, largest))


def extracted(values: NDArray[np.float64], largest: float) -> Iterator[NDArray[np.float64]]:
    """Yield the extracted parts of doubles of magnitudes up to `largest` < HUGE, in this thread's buffers.

    The parts sum up to `values`, element by element, and each adds up without rounding, as a whole or any of it.
    """
    if largest == 0:
        return
    size_bits = (values.size + 1).bit_length()  # ceil(log2(n + 2))
    sigma_exponent = math.frexp(largest)[1] + size_bits
    (quotient, rest), is_first = _SCRATCH.of(values.size), True
    while True:
        # Below the normal range sigma may be a subnormal or 0; additions are exact there, and all is extracted.
        sigma = math.ldexp(1.0, sigma_exponent)
        np.add(values, sigma, out=quotient)
        np.subtract(quotient, sigma, out=quotient)
        yield quotient
        # Something is left after the first step of ordinary data, and nothing after the second.
        if not is_first and bool(np.equal(values, quotient).all()):
            return
        np.subtract(values, quotient, out=rest)
        if is_first and not (rest[:FEW_VALUES].any() or rest.any()):
            return
        values, is_first = rest, False
        sigma_exponent += size_bits - 53  # what remains is at most 2**-53 sigma


def units_of(value: float) -> int:
    """Return a finite number in units of 2**-UNIT_EXPONENT.

    >>> units_of(0.75) == 3 << UNIT_EXPONENT - 2
    True
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_EXPONENT + 1 - denominator.bit_length())
