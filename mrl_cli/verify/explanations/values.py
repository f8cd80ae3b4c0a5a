"""Which known mistakes explain one value, a mean or a sum.

One number can agree with another by chance, the more so the more are tried and the fewer digits it has. So a mistake
must give the value to the digits in which it is written, and candidates near the value show how dense they lie there,
and with it how many would agree by chance. That must be below `MOST_CHANCE_OF_VALUE`. Mistakes that change little
crowd around the right value, the denser the nearer to it: "near" is up to the distance to it, or half of that.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.broadcasts import broadcast_means
from mrl_cli.verify.explanations.hypotheses import Case, doubles, losses_of, one_of, singles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Candidates = list[tuple[str, float]]  # what a mistake is called, and the value that it gives

AMBIGUOUS_VALUE = " (one value cannot tell them apart)"
MOST_CHANCE_OF_VALUE = 0.01
LARGEST_BATCH = 65536
DOUBLE_DIGITS = 11  # a value of so many digits was not rounded for reading
SINGLE_DIGITS = 7  # the shortest text of a float32 has seldom fewer
DOUBLE_ROOM, SINGLE_ROOM = 1e-12, 2.5e-7  # what adding up pair by pair, as libraries do, may lose of a sum
SINGLE_STEP = 6e-8  # half the spacing of float32 at 1: adding up one by one loses sqrt(n) times as much
MOST_SINGLE_ROOM = 2e-5
COMMON_BATCHES = sorted({2**power for power in range(1, 17)} | {c * 10**p for c in (1, 2, 3, 5) for p in range(1, 5)})


class Sums(NamedTuple):
    """What some losses add up to: their sum, how many there are, how many are not 0, and their weighted sum."""

    total: float = 0.0
    losses: int = 0
    active: int = 0
    weighted: float = 0.0

    @classmethod
    def of(cls, losses: Doubles, weights: Doubles | None = None) -> Sums:
        """Return the sums of losses."""
        with np.errstate(all="ignore"):
            weighted = 0.0 if weights is None else float((weights * losses).sum())
            return cls(float(losses.sum()), losses.size, int(np.count_nonzero(losses)), weighted)

    @property
    def mean(self) -> float:
        """The mean, 0 without losses."""
        return self.total / max(1, self.losses)

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        total, weighted = self.total + other.total, self.weighted + other.weighted
        return Sums(total, self.losses + other.losses, self.active + other.active, weighted)


@light_dataclass(frozen=True, slots=True)
class ValueParts:
    """The sums and counts that values are made of, over pairs in input order; `ValueParts()` is the identity of `+`.

    `sums` are those of the losses of each mistake, `right` those of the right losses, `tied` of pairs with x1 = x2.
    `tail` are the last right losses. `broadcasts` are means over all pairs of rows, which only pairs that are whole
    have.
    """

    right: Sums = Sums()
    tied: Sums = Sums()
    correct: int = 0
    sums: dict[tuple[str, ...], Sums] = field(default_factory=dict)
    tail: Doubles = field(default_factory=lambda: np.empty(0))
    broadcasts: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: ValueParts) -> ValueParts:
        return ValueParts(
            self.right + other.right,
            self.tied + other.tied,
            self.correct + other.correct,
            {
                names: self.sums.get(names, Sums()) + other.sums.get(names, Sums())
                for names in dict.fromkeys((*self.sums, *other.sums))
            },
            np.concatenate([self.tail, other.tail])[-LARGEST_BATCH:],
        )


def value_parts(case: Case, *, is_whole: bool, with_doubles: bool, weights: Doubles | None = None) -> ValueParts:
    """Return the sums and counts of pairs; `is_whole`: they are all the pairs there are. `weights` have shape (n,)."""
    losses = losses_of(case)
    made = [*singles(case), *(doubles(case) if with_doubles else ())]
    return ValueParts(
        Sums.of(losses),
        Sums.of(losses[case.x1 == case.x2]),
        int(np.count_nonzero(case.y * (case.x1 - case.x2) > 0)),
        {names: Sums.of(losses_of(other), weights) for names, other in made if not other.shift},
        losses[-LARGEST_BATCH:],
        broadcast_means(case) if is_whole else {},
    )


def explain_value(
    parts: ValueParts,
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
    total, divisor = weighted or parts.right[:2]
    plain = total / (divisor or 1) if reduction == "mean" else total
    written, single, accumulated = _rooms(expected, parts.right.losses)
    off = abs(plain - expected)
    for description, room in (
        ("rounded", written),
        ("added up in float32", single),
        ("within the tolerance", tolerance),
    ):
        if off <= room:
            return [Explanation(f"it is the right value, {description}", 1, 1, 1, 1.0)]
    if weighted is None:
        stages = list(_stages(parts, reduction, left_out, ties_dropped))
    else:
        stages = [(False, list(candidates)) for candidates in _weighted(parts, reduction, *weighted)]
    chance = 0.0
    for room, has_dense in ((written, True), (single, True), (accumulated, False)):
        if not has_dense and off <= room and _is_float32(expected):
            return [Explanation("it is the right value, added up one by one in float32", 1, 1, 1, 1.0)]
        if room:
            explanations, chance = _first_fitting(stages, expected, plain, room, has_dense, chance)
            if explanations:
                return explanations
    return []


def _stages(parts: ValueParts, reduction: str, left_out: int, ties_dropped: int) -> Iterator[tuple[bool, Candidates]]:
    """Yield candidates, the simplest first, and whether they lie densely around the right value, as batch sizes do."""
    yield False, list(_reductions(parts, reduction, left_out=left_out, ties_dropped=ties_dropped))
    yield False, list(_mistaken(parts, reduction, 1))
    yield True, list(_batches(parts, COMMON_BATCHES))
    yield True, list(_batches(parts, range(2, min(LARGEST_BATCH, parts.right.losses - 1) + 1)))
    yield False, list(_mistaken(parts, reduction, 2))


def _other(reduction: str, total: float, mean: float) -> tuple[str, float]:
    """Return what comes of the other reduction."""
    return ("it is the sum, not the mean", total) if reduction == "mean" else ("it is the mean, not the sum", mean)


def _weighted(parts: ValueParts, reduction: str, total: float, weight: float) -> Iterator[Candidates]:
    """Yield what comes of weights that are used otherwise, then of mistakes in the weighted losses."""
    pairs, is_mean = max(1, parts.right.losses), reduction == "mean"
    yield [
        ("the weights are left out", parts.right.mean if is_mean else parts.right.total),
        ("weighted losses are divided by the number of pairs, not by the weights", total / pairs),
        _other(reduction, total, total / weight),
    ]
    sums = [(" and ".join(names), sums.weighted) for names, sums in parts.sums.items() if len(names) == 1]
    yield [(names, value / weight if is_mean else value) for names, value in sums]


def _first_fitting(
    stages: list[tuple[bool, Candidates]],
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
        span = span if span > room else 0.0  # what is that near to one cannot be distinguished from it
        if not is_dense:
            centres += values[counted].tolist()
        added = max(_chance(values[distances <= near], room, near) for near in (span / 2, span))
        added = max(added, 2 * room / span if fitting else 0.0) if span else 1.0
        if chance + added >= MOST_CHANCE_OF_VALUE:
            continue  # nothing is claimed here, so nothing by chance either
        chance += added
        if fitting:
            return [Explanation(one_of(fitting, AMBIGUOUS_VALUE), 1, 1, tried, 1.0)], chance
    return [], chance


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
    """Return whether the value is a float32 in all the digits of a double, which it is not by chance."""
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


def _reductions(parts: ValueParts, reduction: str, *, left_out: int, ties_dropped: int) -> Iterator[tuple[str, float]]:
    """Yield what the right losses give when they are reduced in another way."""
    total, pairs, active, _ = parts.right
    tied, correct = parts.tied.losses, parts.correct
    yield _other(reduction, total, parts.right.mean)
    yield "the mean is over losses that are not 0 only", total / max(1, active)
    if tied:
        yield "tied pairs (x1 = x2) are left out of the mean", (total - parts.tied.total) / max(1, pairs - tied)
    if left_out:
        yield "the mean is over all rows, those left out too", total / (pairs + left_out)
    if ties_dropped:
        yield "pairs with y = 0 count as pairs without a loss", total / (pairs + ties_dropped)
    for name, count in (
        ("it is the accuracy, ties counted as wrong", correct),
        ("it is the accuracy, ties counted as right", correct + tied),
        ("it is the accuracy, ties counted half", correct + tied / 2),
        ("it is the share of wrong pairs", pairs - correct - tied),
    ):
        yield name, count / max(1, pairs)
    if pairs > tied:
        yield "it is the accuracy without ties", correct / (pairs - tied)
    yield from parts.broadcasts.items()


def _mistaken(parts: ValueParts, reduction: str, size: int) -> Iterator[tuple[str, float]]:
    """Yield the value under each mistake (size 1), or under two of them (size 2), one of which may be the reduction."""
    for names, sums in parts.sums.items():
        name = " and ".join(names)
        if len(names) == size:
            yield name, sums.mean if reduction == "mean" else sums.total
        elif size == 2:
            other, value = _other(reduction, sums.total, sums.mean)
            yield f"{name} and {other.partition(',')[0]}", value
            yield f"{name} and the mean is over losses that are not 0 only", sums.total / max(1, sums.active)


def _batches(parts: ValueParts, sizes: Iterable[int]) -> Iterator[tuple[str, float]]:
    """Yield the mean of batch means, where the last batch is short, and the mean without that batch.

    Both follow from the sum of the last batch alone: the other batches are of one size.
    """
    total, pairs, *_ = parts.right
    from_the_end = np.concatenate([[0.0], np.cumsum(parts.tail[::-1])])
    for size in sizes:
        rest = pairs % size
        if size >= pairs or not rest or rest >= from_the_end.size:
            continue
        last = float(from_the_end[rest])
        means = (total - last) / size + last / rest
        batches = f"means of batches of {size}, the last of them short ({rest})"
        yield f"it is the mean of the {batches}", means / (pairs // size + 1)
        yield f"it is the sum of the {batches}", means
        yield f"the last, short batch of batches of {size} is left out ({rest} pairs)", (total - last) / (pairs - rest)
