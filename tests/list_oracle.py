"""What lists come to by a loop over all of their pairs in rational arithmetic, and lists to hold against it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.lists.base import Lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Kernel = Callable[[Fraction, Fraction], Fraction]

SIZES = (1, 2, 0, 5, 3, 0, 8)  # of lists: none, one, two and many items


class Pair(NamedTuple):
    """A pair of a list: its items, the difference of their scores and of their labels, and its weight."""

    higher: int
    lower: int
    difference: Fraction
    target: Fraction
    weight: Fraction


def pairs_of(one: Lists) -> list[Pair]:
    """Return all pairs of one list."""
    labels, scores = ([Fraction(value) for value in column.tolist()] for column in (one.labels, one.scores))
    weights = [Fraction(1)] * len(labels) if one.weights is None else [Fraction(w) for w in one.weights.tolist()]
    return [
        Pair(i, j, scores[i] - scores[j], labels[i] - labels[j], weights[i])
        for i in range(len(labels))
        for j in range(len(labels))
        if labels[i] > labels[j] and weights[i] > 0
    ]


def each(lists: Lists) -> Iterator[tuple[int, Lists]]:
    """Yield the number of each list, and that list alone."""
    yield from ((number, lists.part(number, number + 1)) for number in range(lists.size))


def rounded(value: Fraction) -> float:
    """Return a rational number, rounded once."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def expected(one: Lists, kernel: Kernel) -> dict[str, Any]:
    """Return what one list comes to, under a loss of the difference of a pair's scores and of its labels."""
    pairs = pairs_of(one)
    losses = [kernel(pair.difference, pair.target) for pair in pairs]
    return {
        "pairs": len(pairs),
        "correct": sum(pair.difference > 0 for pair in pairs),
        "ties": sum(pair.difference == 0 for pair in pairs),
        "wrong": sum(pair.difference < 0 for pair in pairs),
        "active": sum(loss > 0 for loss in losses),
        "losses": rounded(sum((pair.weight * loss for pair, loss in zip(pairs, losses, strict=True)), Fraction())),
        "lowest": rounded(min(losses)) if losses else math.inf,
        "highest": rounded(max(losses)) if losses else -math.inf,
        "weights": rounded(sum((pair.weight for pair in pairs), Fraction())),
        "correct_weights": rounded(sum((pair.weight for pair in pairs if pair.difference > 0), Fraction())),
    }


def lists_of(label: str, score: str, sizes: Sequence[int] = SIZES, *, weighted: bool = False, seed: int = 0) -> Lists:
    """Return lists of those sizes with one of `LABELS` and of `SCORES`."""
    random = np.random.default_rng([seed, *map(ord, label + score)])
    size, starts = sum(sizes), np.cumsum([0, *sizes])
    labels, scores = LABELS[label](random, size), SCORES[score](random, size)
    weights = random.integers(0, 3, size) * random.choice([1.0, 0.3, 1e-200], size)
    return Lists(starts, labels, scores, weights if weighted else None)


def _at_the_kink(random: np.random.Generator, size: int) -> Floats:
    """Return scores in tenths, some of them one ulp aside: differences are margins of 0.1 and 0.5, or nearly."""
    tenths = np.round(random.standard_normal(size), 1)
    nearly: Floats = np.nextafter(tenths, tenths + random.integers(-1, 2, size))
    return nearly


def _of_sizes(random: np.random.Generator, size: int, least: int, most: int) -> Floats:
    scales = np.power(10.0, random.integers(least, most, size).astype(float))
    sized: Floats = random.standard_normal(size) * scales
    return sized


LABELS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "two": lambda random, size: random.integers(0, 2, size).astype(float),
    "five": lambda random, size: random.integers(0, 5, size).astype(float),
    "different": lambda random, size: random.permutation(size).astype(float),
    "real": lambda random, size: np.round(random.standard_normal(size), 1) * 1.1,
    "negative": lambda random, size: random.integers(-2, 2, size).astype(float),
}
SCORES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda random, size: random.standard_normal(size),
    "ties": lambda random, size: random.integers(-3, 4, size) / 2,
    "near 1e8": lambda random, size: random.standard_normal(size) + 1e8,
    "near 1e15": lambda random, size: random.standard_normal(size) + 1e15,
    "two clusters": lambda random, size: random.standard_normal(size) + random.choice([0.0, 1e8], size),
    "mixed": lambda random, size: _of_sizes(random, size, -12, 13),
    "subnormal": lambda random, size: random.integers(-50, 51, size).astype(float) * 5e-324,
    "tiny": lambda random, size: _of_sizes(random, size, -320, 3),
    "huge": lambda random, size: _of_sizes(random, size, 250, 308),
    "at the kink": _at_the_kink,
}
