"""Many tests at once: p-values corrected for their number, and how many intervals miss by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mrl_cli.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


MANY_PAIRS = 200  # beyond, Wilson's interval misses as often as it should


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


def wilson_misses(pairs: int, whole: float, confidence: float) -> float:
    """Return how probable it is that Wilson's interval of so many pairs lies below the share that each is right with.

    Where there are few pairs, that is not what the confidence says.

    >>> round(wilson_misses(1, 0.9, 0.95), 12)  # by one that is wrong
    0.1
    """
    if pairs > MANY_PAIRS or not 0 < whole < 1:
        return (1 - confidence) / 2 if 0 < whole < 1 else 0.0
    chance = 0.0
    for correct in range(pairs + 1):
        if not wilson_interval(correct, pairs, confidence).high < whole:
            break
        logs = math.lgamma(pairs + 1) - math.lgamma(correct + 1) - math.lgamma(pairs - correct + 1)
        chance += math.exp(logs + correct * math.log(whole) + (pairs - correct) * math.log1p(-whole))
    return chance


def poisson_tail(least: int, mean: float) -> float:
    """Return how probable so many rare things or more are; `least` is above their mean.

    >>> round(poisson_tail(1, 0.5), 8) == round(1 - math.exp(-0.5), 8)
    True
    """
    if mean <= 0:
        return 0.0
    tail, count = 0.0, least
    while (term := math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))) > tail * 1e-9:
        tail, count = tail + term, count + 1
    return tail
