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
_FEW = 64  # that something is left is mostly seen in a few
HUGE = 2.0**900  # what is larger is added scaled down, for its sigma may be beyond the doubles


class Scratch(threading.local):
    """An array that each thread has for itself, in `array`: allocated anew for every block, it would be cleared anew.

    >>> Scratch((2, 3), bool).array.shape
    (2, 3)
    """

    def __init__(self, shape: tuple[int, ...], dtype: type = float) -> None:
        super().__init__()
        self.array: np.ndarray[Any, np.dtype[Any]] = np.empty(shape, dtype)


_SCRATCH = Scratch((2, BLOCK_VALUES))


def units_of_block(block: NDArray[np.float64], largest: float) -> int:
    """Return the sum of at most BLOCK_VALUES doubles of magnitudes up to `largest` < HUGE, in 2**-UNIT_EXPONENT."""
    return sum(units_of(float(part.sum())) for part in extracted(block, largest, _SCRATCH.array[:, : block.size]))


def extracted(
    values: NDArray[np.float64], largest: float, buffers: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the extracted parts of doubles of magnitudes up to `largest` < HUGE, each until the next is asked for.

    The parts sum up to `values`, element by element, and each adds up without rounding, as a whole or any of it.
    `buffers` has shape (2, values.size).
    """
    if largest == 0:
        return
    size_bits = (values.size + 1).bit_length()  # ceil(log2(n + 2))
    sigma_exponent = math.frexp(largest)[1] + size_bits
    (quotient, rest), is_first = buffers, True
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
        if is_first and not (rest[:_FEW].any() or rest.any()):
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
