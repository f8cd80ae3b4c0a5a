"""Many tests at once: p-values corrected for their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values, from 0 to 1, corrected for their number by Holm's step-down, in the order given.

    With m of them in ascending order, that of place i, from 1, becomes the largest of (m + 1 - j) p_j for j <= i, at
    most 1. Rejecting where it is at most alpha, the chance of rejecting even one true hypothesis is at most alpha,
    however the tests depend on one another: Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
    Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.5, 0.125, 0.25])
    [0.5, 0.375, 0.5]
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected
