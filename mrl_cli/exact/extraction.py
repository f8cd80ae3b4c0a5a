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
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_VALUES = (
    32768  # of 8, 16, 32 and 64 Ki the quickest: a block and its buffers stay in a core's cache, yet calls are few
)
UNIT_EXPONENT = 2148  # the smallest subnormal is 2**-1074, and the smallest product of two is its square
_FEW = 64  # that something is left is mostly seen in a few
HUGE = 2.0**900  # what is larger is added scaled down, for its sigma may be beyond the doubles


class _Scratch(threading.local):
    """Buffers of a block, for each thread its own: allocated anew, they would be cleared anew."""

    def __init__(self) -> None:
        super().__init__()
        self.quotient, self.rest = np.empty(BLOCK_VALUES), np.empty(BLOCK_VALUES)


_SCRATCH = _Scratch()


def units_of_block(block: NDArray[np.float64], largest: float) -> int:
    """Return the sum of at most BLOCK_VALUES doubles of magnitudes up to `largest` < HUGE, in 2**-UNIT_EXPONENT."""
    if largest == 0:
        return 0
    size_bits = (block.size + 1).bit_length()  # ceil(log2(n + 2))
    sigma_exponent = math.frexp(largest)[1] + size_bits
    quotient, rest = _SCRATCH.quotient[: block.size], _SCRATCH.rest[: block.size]
    units, is_first = 0, True
    while True:
        # Below the normal range sigma may be a subnormal or 0; additions are exact there, and all is extracted.
        sigma = math.ldexp(1.0, sigma_exponent)
        np.add(block, sigma, out=quotient)
        np.subtract(quotient, sigma, out=quotient)
        units += units_of(float(quotient.sum()))
        # Something is left after the first step of ordinary data, and nothing after the second.
        if not is_first and bool(np.equal(block, quotient).all()):
            return units
        np.subtract(block, quotient, out=rest)
        if is_first and not (rest[:_FEW].any() or rest.any()):
            return units
        block, is_first = rest, False
        sigma_exponent += size_bits - 53  # what remains is at most 2**-53 sigma


def units_of(value: float) -> int:
    """Return a finite number in units of 2**-UNIT_EXPONENT.

    >>> units_of(0.75) == 3 << UNIT_EXPONENT - 2
    True
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_EXPONENT + 1 - denominator.bit_length())
