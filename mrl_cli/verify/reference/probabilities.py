"""Losses of labels that are probabilities, again: either loss of a pair, weighted by how likely it is.

In floats, y*l(+) + (1 - y)*l(-) rounds 1 - y, both products and the sum. With u and h as in `exact`, and b+, b- the
bounds of the two losses, a computed loss is off by at most

    (1 + u)^3 (y b+ + (1 - y) b-) + ((1 + u)^3 - 1)(y l+ + (1 - y) l-) + 2(1 + u)h

for losses that are not below 0. Under a label 1 or 0 it is the one loss, and its bound.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from mrl_cli.verify.reference.exact import SIGNIFICANT_BITS, SMALLEST_EXPONENT, ExactPair, exact_pairs
from mrl_cli.verify.reference.loops import LOOPS, ROUNDED, Differences, Margin, cancelling_terms, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def likelier(y: Sequence[float], dtype: str = "float64") -> list[float]:
    """Return 1 where x1 is more probably the better one, -1 where x2 is, 0 where y is one half.

    >>> likelier([0.75, 0.5, 0.0])
    [1.0, 0.0, -1.0]
    """
    return [float((p > 0.5) - (p < 0.5)) for p in ROUNDED[dtype](list(y))]


def either_way(x1: list[float], x2: list[float], dtype: str) -> tuple[Differences, Differences]:
    """Return the differences of pairs under the label 1, and under -1."""
    return differences(x1, x2, [1.0] * len(x1), dtype), differences(x1, x2, [-1.0] * len(x1), dtype)


def mixed_losses(
    loss: str,
    x1: list[float],
    x2: list[float],
    y: list[float],
    margin: Margin,
    parameters: dict[str, float],
    dtype: str,
) -> list[float]:
    """Return y*l(+) + (1 - y)*l(-) of each pair, for the loss of that name; the one loss alone where y is 1 or 0.

    >>> mixed_losses("margin_ranking", [1.0], [0.0], [0.25], 0.0, {}, "float64")
    [0.75]
    """
    rounded = ROUNDED[dtype]
    better, worse = (LOOPS[loss](pairs, margin, parameters) for pairs in either_way(x1, x2, dtype))
    shares = rounded(y)
    rests = rounded([1 - p for p in shares])
    first = rounded([p * one if p else 0.0 for p, one in zip(shares, better, strict=True)])
    second = rounded([q * other if q else 0.0 for q, other in zip(rests, worse, strict=True)])
    sums = rounded([one + other for one, other in zip(first, second, strict=True)])
    every = zip(shares, better, worse, sums, strict=True)
    return [one if p == 1 else other if p == 0 else total for p, one, other, total in every]


def mixed_terms(
    loss: str, x1: list[float], x2: list[float], y: list[float], parameters: dict[str, float], dtype: str
) -> list[float] | None:
    """As `cancelling_terms`, of `mixed_losses`."""
    better, worse = (cancelling_terms(loss, pairs, parameters) for pairs in either_way(x1, x2, dtype))
    if better is None or worse is None:
        return None
    return [p * one + (1 - p) * other for p, one, other in zip(y, better, worse, strict=True)]


def mixed_pairs(
    x1: list[float], x2: list[float], y: list[float], margin: Margin, dtype: str = "float64"
) -> Iterable[ExactPair]:
    """Yield the exact margin ranking loss of each pair whose y is a probability, and its rounding bound in `dtype`."""
    u, h = Fraction(1, 2 ** SIGNIFICANT_BITS[dtype]), Fraction(1, 2 ** (1 - SMALLEST_EXPONENT[dtype]))
    grown = (1 + u) ** 3
    either = (exact_pairs(x1, x2, [sign] * len(y), margin, dtype) for sign in (1.0, -1.0))
    for p, better, worse in zip(map(Fraction, ROUNDED[dtype](y)), *either, strict=True):
        if p in (0, 1):
            yield better if p else worse
            continue
        loss, bound = (p * getattr(better, name) + (1 - p) * getattr(worse, name) for name in ("loss", "bound"))
        agreement = better.difference * ((p > Fraction(1, 2)) - (p < Fraction(1, 2)))
        yield ExactPair(better.difference, agreement, loss, grown * bound + (grown - 1) * loss + 2 * (1 + u) * h)
