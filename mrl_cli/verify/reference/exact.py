"""The exact validator: the margin ranking loss in rational numbers.

How far may a float loss be from the exact one? Let u be 2**-53 (float32: 2**-24), the largest relative error of one
rounding, and d = x1 - x2 without rounding. The difference is rounded once, to d(1 + e1); times y = ±1 is exact; adding
the margin rounds once more, and clamping brings two numbers no further apart. With |e1|, |e2| <= u

    |loss - exact| <= u(1 + u)|d| + u * exact                                       for y = 1 or -1

For any other y the product is rounded too, and may fall among the subnormals, where a rounding errs by up to h, half
of the smallest subnormal (2**-1075; float32: 2**-150). Sums and differences have no such error: they are exact there.

    |loss - exact| <= (1 + u)((2u + u*u)|y d| + h) + u * exact                      for real y

The bound is for losses in range: where a difference or a sum is beyond the largest float, the loss is infinite (or NaN,
as 0 times infinity is) and is allowed to be so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from mrl_cli.verify.reference.loops import ROUNDED, Margin, each

if TYPE_CHECKING:
    from collections.abc import Iterable

# Significant bits, and the exponents of the smallest subnormal and of what is too large, of each float.
SIGNIFICANT_BITS = {"float64": 53, "float32": 24}
SMALLEST_EXPONENT = {"float64": -1074, "float32": -149}
OVERFLOW_EXPONENT = {"float64": 1024, "float32": 128}


@dataclass(frozen=True, slots=True)
class ExactPair:
    """One pair in rational numbers: y(x1 - x2), the loss, and how far a loss in floats may be from it."""

    difference: Fraction
    agreement: Fraction
    loss: Fraction
    bound: Fraction


def exact_pairs(
    x1: Iterable[float], x2: Iterable[float], y: Iterable[float], margin: Margin, dtype: str = "float64"
) -> Iterable[ExactPair]:
    """Yield the exact margin ranking loss of each pair and its rounding bound in `dtype`; see the top of this file.

    Under float32 scores, labels and margin are rounded to float32 first, for those are the numbers it is a loss of.
    """
    rounded = ROUNDED[dtype]
    u = Fraction(1, 2 ** SIGNIFICANT_BITS[dtype])
    h = Fraction(1, 2 ** (1 - SMALLEST_EXPONENT[dtype]))
    x1, x2, y = (rounded(list(values)) for values in (x1, x2, y))
    for a, b, label, m in zip(x1, x2, y, each(margin, rounded), strict=False):
        difference = Fraction(a) - Fraction(b)
        agreement = Fraction(label) * difference
        loss = max(Fraction(0), Fraction(m) - agreement)
        if label in (1.0, -1.0):
            bound = u * (1 + u) * abs(difference) + u * loss
        else:
            bound = (1 + u) * ((2 * u + u * u) * abs(agreement) + h) + u * loss
        yield ExactPair(difference, agreement, loss, bound)


def is_within_bound(loss: float, pair: ExactPair, dtype: str = "float64") -> bool:
    """Return whether a loss in floats is as near to the exact one as its roundings allow."""
    if math.isfinite(loss):
        return abs(Fraction(loss) - pair.loss) <= pair.bound
    # From here on numbers round to infinity: half an ulp above the largest float.
    limit: int = 2 ** OVERFLOW_EXPONENT[dtype] - 2 ** (OVERFLOW_EXPONENT[dtype] - SIGNIFICANT_BITS[dtype] - 1)
    return max(abs(pair.difference), abs(pair.agreement), pair.loss) + pair.bound >= limit
