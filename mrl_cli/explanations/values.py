"""Which known mistakes explain one value, a mean or a sum.

One number can agree with another by chance, the more so the more are tried and the fewer digits it has: candidates near
the value tell how dense they lie, and with it how many would agree by chance. That must be below `MOST_CHANCE`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.explanations.broadcasts import broadcast_means
from mrl_cli.explanations.hypotheses import Case, doubles, losses_of, singles
from mrl_cli.validation import Explanation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

MOST_CHANCE = 0.02
LARGEST_BATCH = 65536
NEARBY = 200  # how many tolerances around the value candidates are counted in
DOUBLE_DIGITS = 11  # a value of so many digits was not rounded for reading
DOUBLE_ROOM, SINGLE_ROOM = 1e-10, 2.5e-7  # what adding up a million numbers may lose
COMMON_BATCHES = sorted({2**power for power in range(1, 17)} | {c * 10**p for c in (1, 2, 3, 5) for p in range(1, 5)})


@dataclass(frozen=True, slots=True)
class Figures:
    """What values are made of, over pairs in input order; `Figures()` is the identity of `+`.

    `sums` holds for each mistake the sum of its losses, how many it gives, and how many of them are not 0. `right` is
    the same for the right losses, `tied` for those of pairs with x1 = x2. `tail` are the last right losses.
    `broadcasts` are means over all pairs of rows, which only pairs that are whole have.
    """

    right: tuple[float, int, int] = (0.0, 0, 0)
    tied: tuple[float, int, int] = (0.0, 0, 0)
    correct: int = 0
    sums: dict[tuple[str, ...], tuple[float, int, int]] = field(default_factory=dict)
    tail: Doubles = field(default_factory=lambda: np.empty(0))
    broadcasts: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: Figures) -> Figures:
        names = dict.fromkeys((*self.sums, *other.sums))
        nothing = (0.0, 0, 0)
        return Figures(
            _added(self.right, other.right),
            _added(self.tied, other.tied),
            self.correct + other.correct,
            {name: _added(self.sums.get(name, nothing), other.sums.get(name, nothing)) for name in names},
            np.concatenate([self.tail, other.tail])[-LARGEST_BATCH:],
            {},
        )


def _added(one: tuple[float, int, int], other: tuple[float, int, int]) -> tuple[float, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def figures_of(case: Case, *, is_whole: bool, with_doubles: bool) -> Figures:
    """Return the figures of pairs; `is_whole`: they are all the pairs there are."""
    losses = losses_of(case)
    agreement = case.y * (case.x1 - case.x2)
    tied = losses[case.x1 == case.x2]
    made = [*singles(case), *(doubles(case) if with_doubles else ())]
    return Figures(
        _figure(losses),
        _figure(tied),
        int(np.count_nonzero(agreement > 0)),
        {told: _figure(losses_of(other)) for told, other in made if not other.shift},
        losses[-LARGEST_BATCH:],
        broadcast_means(case) if is_whole else {},
    )


def _figure(losses: Doubles) -> tuple[float, int, int]:
    with np.errstate(all="ignore"):
        return float(losses.sum()), losses.size, int(np.count_nonzero(losses))


def explain_value(
    figures: Figures,
    expected: float,
    reduction: str,
    tolerance: float,
    *,
    left_out: int = 0,
    ties_dropped: int = 0,
    weighted: tuple[float, float] | None = None,
) -> list[Explanation]:
    """Return what explains a value that a user has for `reduction`, "mean" or "sum": one explanation, or none.

    `tolerance` is how far from the right value it could be and pass; `left_out` rows had a problem, `ties_dropped` had
    the label 0. `weighted` are the sum of the weighted losses and that of the weights, where there are weights: then
    only what was made of these is tried.
    """
    total, divisor = weighted or figures.right[:2]
    plain = total / (divisor or 1) if reduction == "mean" else total
    room = _written_room(expected)
    if abs(plain - expected) <= max(room, tolerance):
        return [Explanation("it is the right value, rounded", 1, 1, 1, 1.0)]
    for room_now, has_dense in ((room, True), (max(room, tolerance), False)):
        if weighted is None:
            stages = _stages(figures, reduction, left_out, ties_dropped)
        else:
            stages = iter([(False, _weights(figures, reduction, *weighted))])
        found = _first_fitting(stages, expected, plain, room_now, has_dense)
        if found:
            return found
    return []


def _stages(
    figures: Figures, reduction: str, left_out: int, ties_dropped: int
) -> Iterator[tuple[bool, Iterator[tuple[str, float]]]]:
    """Yield candidates, the simplest first, and whether they lie densely around the right value, as batch sizes do."""
    yield False, _reductions(figures, reduction, left_out=left_out, ties_dropped=ties_dropped)
    yield False, _mistaken(figures, reduction, 1)
    yield True, _batches(figures, COMMON_BATCHES)
    yield True, _batches(figures, range(2, min(LARGEST_BATCH, figures.right[1] - 1) + 1))
    yield False, _mistaken(figures, reduction, 2)


def _weights(figures: Figures, reduction: str, total: float, weight: float) -> Iterator[tuple[str, float]]:
    """Yield what comes of weights that are used otherwise."""
    losses, pairs, _ = figures.right
    yield "the weights are left out", losses / max(1, pairs) if reduction == "mean" else losses
    yield "weighted losses are divided by the number of pairs, not by the weights", total / max(1, pairs)
    if reduction == "mean":
        yield "it is the sum, not the mean", total
    else:
        yield "it is the mean, not the sum", total / weight


def _first_fitting(
    stages: Iterator[tuple[bool, Iterator[tuple[str, float]]]],
    expected: float,
    plain: float,
    room: float,
    has_dense: bool,
) -> list[Explanation]:
    chance, tried = 0.0, 0
    for is_dense, stage in stages:
        if is_dense and not has_dense:
            continue
        others = [(told, value) for told, value in stage if abs(value - plain) > room and math.isfinite(value)]
        fitting = [told for told, value in others if abs(value - expected) <= room]
        span = NEARBY * room if is_dense else max(NEARBY * room, abs(expected) / 10)
        tried += len(others)
        chance += _chance([value for _, value in others], expected, room, span)
        if fitting and chance < MOST_CHANCE:
            return [Explanation(_listed(fitting), 1, 1, tried, 1.0)]
    return []


def _listed(fitting: list[str]) -> str:
    names = list(dict.fromkeys(fitting))
    told = "; or ".join(names[:3]) + (f"; or one of {len(names) - 3} others" if len(names) > 3 else "")
    return told + (" (one value cannot tell them apart)" if len(names) > 1 else "")


def _written_room(value: float) -> float:
    """Return how far from the value that was meant the written one may be: half of its last digit, and what additions
    in the float that it has the digits of may have rounded away.
    """
    digits = repr(value)
    mantissa, _, exponent = digits.partition("e")
    whole, _, decimals = mantissa.lstrip("-").partition(".")
    decimals = "" if decimals == "0" else decimals
    with np.errstate(over="ignore"):
        is_double = len((whole + decimals).lstrip("0")) >= DOUBLE_DIGITS and float(np.float32(value)) != value
    half_a_digit = 0.0 if is_double else 0.500001 * 10.0 ** (int(exponent or 0) - len(decimals))
    return max(half_a_digit, abs(value) * (DOUBLE_ROOM if is_double else SINGLE_ROOM))


def _chance(values: list[float], expected: float, room: float, span: float) -> float:
    """Return how many of the values would agree with a number near the expected one by chance, as dense as they lie
    up to `span` around it. Values that agree with one another count once.
    """
    near = {round(value / room) for value in values if abs(value - expected) <= span}
    return len(near) * room / span if room else 0.0


def _reductions(figures: Figures, reduction: str, *, left_out: int, ties_dropped: int) -> Iterator[tuple[str, float]]:
    """Yield what the right losses give when they are reduced in another way."""
    total, pairs, active = figures.right
    mean = total / max(1, pairs)
    yield from (
        [("it is the sum, not the mean", total)] if reduction == "mean" else [("it is the mean, not the sum", mean)]
    )
    yield "the mean is over losses that are not 0 only", total / max(1, active)
    tied_total, tied, _ = figures.tied
    if tied:
        yield "tied pairs (x1 = x2) are left out of the mean", (total - tied_total) / max(1, pairs - tied)
    if left_out:
        yield "the mean is over all rows, those left out too", total / (pairs + left_out)
    if ties_dropped:
        yield "pairs with y = 0 count as pairs without a loss", total / (pairs + ties_dropped)
    wrong = pairs - figures.correct - tied
    for told, count in (
        ("it is the accuracy, ties counted as wrong", figures.correct),
        ("it is the accuracy, ties counted as right", figures.correct + tied),
        ("it is the accuracy, ties counted half", figures.correct + tied / 2),
        ("it is the share of wrong pairs", wrong),
    ):
        yield told, count / max(1, pairs)
    if pairs > tied:
        yield "it is the accuracy without ties", figures.correct / (pairs - tied)
    yield from figures.broadcasts.items()


def _mistaken(figures: Figures, reduction: str, size: int) -> Iterator[tuple[str, float]]:
    """Yield the value under each mistake (size 1), or under two of them (size 2), one of which may be the reduction."""
    for told, (total, count, active) in figures.sums.items():
        name = " and ".join(told)
        mean = total / max(1, count)
        if len(told) == size:
            yield name, mean if reduction == "mean" else total
        elif len(told) == 1 and size == 2:
            yield (
                f"{name} and it is the {'sum' if reduction == 'mean' else 'mean'}",
                total if reduction == "mean" else mean,
            )
            yield f"{name} and the mean is over losses that are not 0 only", total / max(1, active)


def _batches(figures: Figures, sizes: Iterable[int]) -> Iterator[tuple[str, float]]:
    """Yield the mean of batch means, where the last batch is short, and the mean without that batch.

    Both follow from the sum of the last batch alone: the other batches are of one size.
    """
    total, pairs, _ = figures.right
    from_the_end = np.concatenate([[0.0], np.cumsum(figures.tail[::-1])])
    for size in sizes:
        rest = pairs % size
        if size >= pairs or not rest or rest >= from_the_end.size:
            continue
        last = float(from_the_end[rest])
        batches = pairs // size
        means = (total - last) / size + last / rest
        yield (
            f"it is the mean of the means of batches of {size}, the last of them short ({rest})",
            means / (batches + 1),
        )
        yield f"it is the sum of the means of batches of {size}, the last of them short ({rest})", means
        yield f"the last, short batch of batches of {size} is left out ({rest} pairs)", (total - last) / (pairs - rest)
