"""Which known mistakes explain one value, a mean or a sum.

One number can agree with another by chance, the more so the more are tried and the fewer digits it has. So a mistake
must give the value to the digits in which it is written, and candidates near the value tell how dense they lie there,
and with it how many would agree by chance. That must be below `MOST_CHANCE`. Mistakes that change little crowd around
the right value, the denser the nearer to it: "near" is up to the distance to it, or half of that.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.broadcasts import broadcast_means
from mrl_cli.verify.explanations.hypotheses import Case, doubles, losses_of, singles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

MOST_CHANCE = 0.01
LARGEST_BATCH = 65536
DOUBLE_DIGITS = 11  # a value of so many digits was not rounded for reading
SINGLE_DIGITS = 7  # the shortest text of a float32 has seldom fewer
DOUBLE_ROOM, SINGLE_ROOM = 1e-12, 2.5e-7  # what adding up pair by pair, as libraries do, may lose of a sum
SINGLE_STEP = 6e-8  # half the spacing of float32 at 1: adding up one by one loses sqrt(n) times as much
MOST_SINGLE_ROOM = 2e-5
COMMON_BATCHES = sorted({2**power for power in range(1, 17)} | {c * 10**p for c in (1, 2, 3, 5) for p in range(1, 5)})


@light_dataclass(frozen=True, slots=True)
class Figures:
    """What values are made of, over pairs in input order; `Figures()` is the identity of `+`.

    `sums` holds for each mistake the sum of its losses, how many it gives, and how many of them are not 0. `right` is
    the same for the right losses, `tied` for those of pairs with x1 = x2. `tail` are the last right losses.
    `broadcasts` are means over all pairs of rows, which only pairs that are whole have. `weighted` holds for each
    single mistake the sum of its weighted losses, where there are weights.
    """

    right: tuple[float, int, int] = (0.0, 0, 0)
    tied: tuple[float, int, int] = (0.0, 0, 0)
    correct: int = 0
    sums: dict[tuple[str, ...], tuple[float, int, int]] = field(default_factory=dict)
    tail: Doubles = field(default_factory=lambda: np.empty(0))
    broadcasts: dict[str, float] = field(default_factory=dict)
    weighted: dict[tuple[str, ...], float] = field(default_factory=dict)

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
            {
                name: self.weighted.get(name, 0.0) + other.weighted.get(name, 0.0)
                for name in dict.fromkeys((*self.weighted, *other.weighted))
            },
        )


def _added(one: tuple[float, int, int], other: tuple[float, int, int]) -> tuple[float, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def figures_of(case: Case, *, is_whole: bool, with_doubles: bool, weights: Doubles | None = None) -> Figures:
    """Return the figures of pairs; `is_whole`: they are all the pairs there are. `weights` have shape (n,)."""
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
        {} if weights is None else _weighted(case, weights),
    )


def _weighted(case: Case, weights: Doubles) -> dict[tuple[str, ...], float]:
    with np.errstate(all="ignore"):
        return {told: float((weights * losses_of(made)).sum()) for told, made in singles(case) if not made.shift}


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
    written, single, accumulated = _rooms(expected, figures.right[1])
    off = abs(plain - expected)
    for told, room in (("rounded", written), ("added up in float32", single), ("within the tolerance", tolerance)):
        if off <= room:
            return [Explanation(f"it is the right value, {told}", 1, 1, 1, 1.0)]
    if weighted is None:
        stages = list(_stages(figures, reduction, left_out, ties_dropped))
    else:
        mistaken = [(" and ".join(told), value) for told, value in figures.weighted.items()]
        if reduction == "mean":
            mistaken = [(told, value / weighted[1]) for told, value in mistaken]
        stages = [(False, list(_weights(figures, reduction, *weighted))), (False, mistaken)]
    chance = 0.0
    for room, has_dense in ((written, True), (single, True), (accumulated, False)):
        if not has_dense and off <= room and _is_float32(expected):
            return [Explanation("it is the right value, added up one by one in float32", 1, 1, 1, 1.0)]
        if room:
            found, chance = _first_fitting(stages, expected, plain, room, has_dense, chance)
            if found:
                return found
    return []


def _stages(
    figures: Figures, reduction: str, left_out: int, ties_dropped: int
) -> Iterator[tuple[bool, list[tuple[str, float]]]]:
    """Yield candidates, the simplest first, and whether they lie densely around the right value, as batch sizes do."""
    yield False, list(_reductions(figures, reduction, left_out=left_out, ties_dropped=ties_dropped))
    yield False, list(_mistaken(figures, reduction, 1))
    yield True, list(_batches(figures, COMMON_BATCHES))
    yield True, list(_batches(figures, range(2, min(LARGEST_BATCH, figures.right[1] - 1) + 1)))
    yield False, list(_mistaken(figures, reduction, 2))


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
    stages: list[tuple[bool, list[tuple[str, float]]]],
    expected: float,
    plain: float,
    room: float,
    has_dense: bool,
    chance: float,
) -> tuple[list[Explanation], float]:
    """Return what fits within that room, and `chance` with what would fit by chance added."""
    tried = 0
    centres = [plain]  # around which other candidates crowd: the right value, and mistakes that others are added to
    for is_dense, stage in stages:
        if is_dense and not has_dense:
            continue
        values = np.array([value for _, value in stage], np.float64)
        counted = np.isfinite(values) & (np.abs(values - plain) > room)
        distances = np.where(counted, np.abs(values - expected), math.inf)
        tried += int(np.count_nonzero(counted))
        fitting = [stage[place][0] for place in np.flatnonzero(distances <= room).tolist()]
        span = min(abs(centre - expected) for centre in centres)
        span = span if span > room else 0.0  # what is that near to one cannot be told from it
        if not is_dense:
            centres += values[counted].tolist()
        added = max(_chance(values[distances <= near], room, near) for near in (span / 2, span))
        added = max(added, 2 * room / span if fitting else 0.0) if span else 1.0
        if chance + added >= MOST_CHANCE:
            continue  # nothing is claimed here, so nothing by chance either
        chance += added
        if fitting:
            return [Explanation(_listed(fitting), 1, 1, tried, 1.0)], chance
    return [], chance


def _listed(fitting: list[str]) -> str:
    names = list(dict.fromkeys(fitting))
    told = "; or ".join(names[:3]) + (f"; or one of {len(names) - 3} others" if len(names) > 3 else "")
    return told + (" (one value cannot tell them apart)" if len(names) > 1 else "")


def _rooms(value: float, count: int) -> tuple[float, float, float]:
    """Return how far from the value that was meant the written one may be: half of its last digit; and, where it may be
    a float32, also what a sum of `count` numbers in pairs, and one by one, loses. 0 where it cannot be one.
    """
    digits = repr(value)
    mantissa, _, exponent = digits.partition("e")
    whole, _, decimals = mantissa.lstrip("-").partition(".")
    decimals = "" if decimals == "0" else decimals
    significant = len((whole + decimals).lstrip("0"))
    half_a_digit = 0.500001 * 10.0 ** (int(exponent or 0) - len(decimals))
    if _is_float32(value):
        half_a_digit = 0.500001 * float(np.spacing(np.float32(abs(value))))
    elif significant >= DOUBLE_DIGITS:
        return half_a_digit + abs(value) * DOUBLE_ROOM, 0.0, 0.0
    single = half_a_digit + abs(value) * SINGLE_ROOM
    lost = min(MOST_SINGLE_ROOM, max(SINGLE_ROOM, SINGLE_STEP * math.sqrt(count)))
    is_full = _is_float32(value) or (significant >= SINGLE_DIGITS and _is_text_of_float32(value))
    return half_a_digit, single, half_a_digit + abs(value) * lost if is_full else 0.0


def _is_float32(value: float) -> bool:
    """Tell whether the value is a float32 in all the digits of a double, which it is not by chance."""
    with np.errstate(over="ignore"):
        return len(repr(value)) > DOUBLE_DIGITS and float(np.float32(value)) == value


def _is_text_of_float32(value: float) -> bool:
    with np.errstate(over="ignore"):
        return float(str(np.float32(value))) == value


def _chance(values: Doubles, room: float, span: float) -> float:
    """Return how many of the values, which lie up to `span` around a number, would agree with it by chance. Values that
    agree with one another count once.
    """
    return np.unique(np.round(values / room)).size * room / span if span else 1.0


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
