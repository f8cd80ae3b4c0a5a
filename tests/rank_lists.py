"""Ranked lists to try things on, and what they come to in sixty digits: a loop over pairs, slow and plain."""

from __future__ import annotations

import decimal
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.lists.base import Lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

DIGITS = decimal.Context(prec=60, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])


def lists_of(*given: tuple[ArrayLike, ArrayLike], weights: ArrayLike | None = None) -> Lists:
    """Return lists of (labels, scores)."""
    starts = np.cumsum([0, *(np.size(labels) for labels, _ in given)])
    labels, scores = (
        np.concatenate([np.asarray(one[side], float) for one in given] or [np.zeros(0)]) for side in (0, 1)
    )
    return Lists(starts, labels, scores, None if weights is None else np.asarray(weights, float))


def reordered(lists: Lists, random: np.random.Generator) -> tuple[Lists, NDArray[np.intp]]:
    """Return the lists with the items of each in another order, and where each item was."""
    order = np.lexsort((random.random(lists.scores.size), lists.numbers))
    weights = None if lists.weights is None else lists.weights[order]
    return Lists(lists.starts, lists.labels[order], lists.scores[order], weights), order


def items_of(lists: Lists, number: int) -> list[tuple[float, float, float]]:
    """Return (label, score, weight) of the items of one list."""
    one = lists.part(number, number + 1)
    weights = np.ones_like(one.scores) if one.weights is None else one.weights
    return list(zip(one.labels.tolist(), one.scores.tolist(), weights.tolist(), strict=True))


def pairs_of(lists: Lists, number: int) -> Iterator[tuple[int, int]]:
    """Yield the places of the items of each pair of one list: that of the higher label first."""
    items = items_of(lists, number)
    yield from (pair for pair in permutations(range(len(items)), 2) if items[pair[0]][0] > items[pair[1]][0])


def softplus(z: Decimal) -> Decimal:
    """Return log(1 + exp(z)); the logarithm of 1 and something small is a series."""
    decay = DIGITS.exp(-abs(z))
    if decay < Decimal("1e-20"):
        tail = DIGITS.subtract(decay, DIGITS.divide(DIGITS.multiply(decay, decay), Decimal(2)))
        tail = DIGITS.add(tail, DIGITS.divide(DIGITS.power(decay, 3), Decimal(3)))
    else:
        tail = DIGITS.ln(DIGITS.add(1, decay))
    return DIGITS.add(max(z, Decimal(0)), tail)


def sigmoid(z: Decimal) -> Decimal:
    """Return 1 / (1 + exp(-z))."""
    return DIGITS.divide(Decimal(1), DIGITS.add(1, DIGITS.exp(-z)))


def total(values: Iterator[Decimal] | Sequence[Decimal]) -> Decimal:
    """Return the sum in sixty digits."""
    result = Decimal(0)
    for value in values:
        result = DIGITS.add(result, value)
    return result


def pairwise(
    lists: Lists, number: int, loss: Callable[[Decimal], Decimal], lambdas: dict[tuple[int, int], Decimal] | None = None
) -> Decimal:
    """Return the sum over the pairs of one list of lambda * weight * loss(d)."""
    items = items_of(lists, number)
    scores = [Decimal(score) for _, score, _ in items]
    return total(
        DIGITS.multiply(
            DIGITS.multiply(Decimal(items[high][2]), lambdas[high, low] if lambdas else Decimal(1)),
            loss(DIGITS.subtract(scores[high], scores[low])),
        )
        for high, low in pairs_of(lists, number)
    )


def relative_error(value: float, exact: Decimal) -> float:
    """Return |value - exact| / |exact|, 0 where both are 0."""
    off = abs(DIGITS.subtract(Decimal(float(value)), exact))
    return float(off) if exact == 0 else float(DIGITS.divide(off, abs(exact)))
