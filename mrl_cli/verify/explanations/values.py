"""Which known mistakes explain one value, a mean or a sum.

One number can agree with another by chance, the more so the more are tried and the fewer digits it has. So a mistake
must give the value to the digits in which it is written, and candidates near the value show how dense they lie there,
and with it how many would agree by chance. That must be below `MOST_CHANCE_OF_VALUE`. Mistakes that change little
crowd around the right value, the denser the nearer to it: "near" is up to the distance to it, or half of that.
"""

from __future__ import annotations

import math
from dataclasses import field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.broadcasts import broadcast_means
from mrl_cli.verify.explanations.hypotheses import Case, but, losses_of, mistakes, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mrl_cli.verify.explanations.hypotheses import Doubles

    Candidates = Iterable[tuple[str, float]]  # what a mistake is called, and the value that it gives

AMBIGUOUS_VALUE = " (one value cannot tell them apart)"
MOST_CHANCE_OF_VALUE = 0.01
LARGEST_BATCH = 65536
DOUBLE_DIGITS = 11  # a value of so many digits was not rounded for reading
SINGLE_DIGITS = 7  # the shortest text of a float32 has seldom fewer
DOUBLE_ROOM, SINGLE_ROOM = 1e-12, 2.5e-7  # what adding up pair by pair, as libraries do, may lose of a sum
SINGLE_STEP = 6e-8  # half the spacing of float32 at 1: adding up one by one loses sqrt(n) times as much
MOST_SINGLE_ROOM = 2e-5
COMMON_BATCHES = sorted({2**power for power in range(1, 17)} | {c * 10**p for c in (1, 2, 3, 5) for p in range(1, 5)})
OTHER = {"mean": "sum", "sum": "mean"}
NOT_ZERO_ONLY = "the mean is over losses that are not 0 only"


class Sums(NamedTuple):
    """What some losses add up to: their sum, what it is divided by for the mean, and how many are not 0.

    The divisor is how many there are; of weighted losses, the sum of the weights.
    """

    total: float = 0.0
    divisor: float = 0
    active: int = 0

    @classmethod
    def of(cls, losses: Doubles, weights: Doubles | None = None) -> Sums:
        """Return the sums of losses."""
        active = int(np.count_nonzero(losses))
        with np.errstate(all="ignore"):
            if weights is None:
                return cls(float(losses.sum()), losses.size, active)
            return cls(float((weights * losses).sum()), float(weights.sum()), active)

    def value(self, reduction: str) -> float:
        """Return the sum, or the mean: 0 without losses."""
        return self.total / (self.divisor or 1) if reduction == "mean" else self.total

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        return Sums(self.total + other.total, self.divisor + other.divisor, self.active + other.active)


@light_dataclass(frozen=True, slots=True)
class ValueParts:
    """The sums and counts that values are made of, over pairs in input order; `ValueParts()` is the identity of `+`.

    `right` are those of the right losses, `tied` of pairs with x1 = x2, `sums` of the losses of each mistake, weighted
    where there are weights. `tail` are the last right losses, `broadcasts` means over all pairs of rows, which only
    pairs that are whole have.
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
            {names: self.sums.get(names, Sums()) + other.sums.get(names, Sums()) for names in self.sums | other.sums},
            np.concatenate([self.tail, other.tail])[-LARGEST_BATCH:],
        )


def value_parts(case: Case, *, is_whole: bool, weights: Doubles | None = None) -> ValueParts:
    """Return the sums and counts of pairs. `weights` have shape (n,).

    `is_whole`: they are all the pairs there are. Only of these two mistakes at once and broadcasts are tried.
    """
    losses, in_place = losses_of(case), but("shifted")
    return ValueParts(
        Sums.of(losses),
        Sums.of(losses[case.x1 == case.x2]),
        int(np.count_nonzero(case.signs * (case.x1 - case.x2) > 0)),
        {
            names: Sums.of(losses_of(made), weights)
            for count in ((1, 2) if is_whole else (1,))
            for names, made in mistakes(case, count, in_place)
        },
        losses[-LARGEST_BATCH:],
        broadcast_means(case) if is_whole else {},
    )


@np.errstate(all="ignore")  # scores may be huge, and mistakes overflow
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
    of_weights = Sums(*weighted) if weighted else None
    plain = (of_weights or parts.right).value(reduction)
    written, single, accumulated = _rooms(expected, parts.right.divisor)
    off = abs(plain - expected)
    for how, room in (("rounded", written), ("added up in float32", single), ("within the tolerance", tolerance)):
        if off <= room:
            return [Explanation(f"it is the right value, {how}", 1, 1, 1, 1.0)]
    stages = _stages(parts, reduction, left_out, ties_dropped, of_weights)
    tried, chance = [(is_dense, list(candidates)) for is_dense, candidates in stages], 0.0
    for room, has_dense in ((written, True), (single, True), (accumulated, False)):
        if not has_dense and off <= room and _is_float32(expected):
            return [Explanation("it is the right value, added up one by one in float32", 1, 1, 1, 1.0)]
        if room:
            here = [candidates for candidates in tried if has_dense or not candidates[0]]
            explanations, chance = _first_fitting(here, expected, plain, room, chance)
            if explanations:
                return explanations
    return []


def _first_fitting(
    stages: list[tuple[bool, list[tuple[str, float]]]], expected: float, plain: float, room: float, chance: float
) -> tuple[list[Explanation], float]:
    """Return what fits within that room, and `chance` with what would fit by chance added."""
    tried = 0
    centres = [plain]  # around which other candidates crowd: the right value, and mistakes that others are added to
    for is_dense, stage in stages:
        values = np.array([value for _, value in stage], np.float64)
        counted = np.isfinite(values) & (np.abs(values - plain) > room)
        distances = np.where(counted, np.abs(values - expected), math.inf)
        tried += int(np.count_nonzero(counted))
        span = min(abs(centre - expected) for centre in centres)
        if not is_dense:
            centres += values[counted].tolist()
        if span <= room:
            continue  # what is that near to a centre cannot be distinguished from it
        fitting = [stage[place][0] for place in np.flatnonzero(distances <= room).tolist()]
        # How many of those near would agree with it by chance; those that agree with one another count once.
        crowds = ((near, np.round(values[distances <= near] / room)) for near in (span / 2, span))
        added = max(*(np.unique(crowd).size * room / near for near, crowd in crowds), 2 * room / span if fitting else 0)
        if chance + added >= MOST_CHANCE_OF_VALUE:
            continue  # nothing is claimed here, so nothing by chance either
        chance += added
        if fitting:
            return [Explanation(one_of(fitting, AMBIGUOUS_VALUE), 1, 1, tried, 1.0)], chance
    return [], chance


def _rooms(value: float, count: float) -> tuple[float, float, float]:
    """Return how far from the value that was meant the written one may be: half of its last digit; and, where it may be
    a float32, also what a sum of `count` numbers in pairs, and one by one, loses. 0 where it cannot be one.
    """
    _, digits, exponent = Decimal(repr(float(value)).removesuffix(".0")).as_tuple()
    half_a_digit = 0.500001 * 10.0 ** int(exponent)
    if is_float32 := _is_float32(value):
        half_a_digit = 0.500001 * float(np.spacing(np.float32(abs(value))))
    elif len(digits) >= DOUBLE_DIGITS:
        return half_a_digit + abs(value) * DOUBLE_ROOM, 0.0, 0.0
    single = half_a_digit + abs(value) * SINGLE_ROOM
    lost = min(MOST_SINGLE_ROOM, max(SINGLE_ROOM, SINGLE_STEP * math.sqrt(count)))
    with np.errstate(over="ignore"):
        is_text_of_float32 = len(digits) >= SINGLE_DIGITS and float(str(np.float32(value))) == value
    return half_a_digit, single, half_a_digit + abs(value) * lost if is_float32 or is_text_of_float32 else 0.0


def _is_float32(value: float) -> bool:
    """Return whether the value is a float32 in all the digits of a double, which it is not by chance."""
    with np.errstate(over="ignore"):
        return len(repr(value)) > DOUBLE_DIGITS and float(np.float32(value)) == value


def _stages(
    parts: ValueParts, reduction: str, left_out: int, ties_dropped: int, weighted: Sums | None
) -> Iterator[tuple[bool, Candidates]]:
    """Yield candidates, the simplest first, and whether they lie densely around the right value, as batch sizes do."""
    if weighted is not None:
        yield False, _reweighted(parts.right, reduction, weighted)
        yield False, _mistaken(parts, reduction, 1)
        return
    yield False, _reductions(parts, reduction, left_out, ties_dropped)
    yield False, _mistaken(parts, reduction, 1)
    yield True, _batches(parts, COMMON_BATCHES)
    yield True, _batches(parts, range(2, min(LARGEST_BATCH, int(parts.right.divisor) - 1) + 1))
    yield False, _mistaken(parts, reduction, 2)


def _reweighted(right: Sums, reduction: str, weighted: Sums) -> Candidates:
    """Yield what comes of weights that are used otherwise."""
    pairs, other = right.divisor or 1, OTHER[reduction]
    yield "the weights are left out", right.value(reduction)
    yield "weighted losses are divided by the number of pairs, not by the weights", weighted.total / pairs
    yield f"it is the {other}, not the {reduction}", weighted.value(other)


def _reductions(parts: ValueParts, reduction: str, left_out: int, ties_dropped: int) -> Candidates:
    """Yield what the right losses give when they are reduced in another way.

    To add one, enter a row: what it is called, a sum, what that is divided by, and what must not be 0 or False.
    """
    total, pairs, active = parts.right
    tied, correct = parts.tied.divisor, parts.correct
    yield f"it is the {OTHER[reduction]}, not the {reduction}", parts.right.value(OTHER[reduction])
    for name, part, whole, is_needed in (
        (NOT_ZERO_ONLY, total, active, True),
        ("tied pairs (x1 = x2) are left out of the mean", total - parts.tied.total, pairs - tied, tied),
        ("the mean is over all rows, those left out too", total, pairs + left_out, left_out),
        ("pairs with y = 0 count as pairs without a loss", total, pairs + ties_dropped, ties_dropped),
        ("it is the accuracy, ties counted as wrong", correct, pairs, True),
        ("it is the accuracy, ties counted as right", correct + tied, pairs, True),
        ("it is the accuracy, ties counted half", correct + tied / 2, pairs, True),
        ("it is the share of wrong pairs", pairs - correct - tied, pairs, True),
        ("it is the accuracy without ties", correct, pairs - tied, pairs > tied),
    ):
        if is_needed:
            yield name, part / max(1, whole)
    yield from parts.broadcasts.items()


def _mistaken(parts: ValueParts, reduction: str, count: int) -> Candidates:
    """Yield the value under so many mistakes, the second of which may be the reduction."""
    for names, sums in parts.sums.items():
        name = " and ".join(names)
        if len(names) == count:
            yield name, sums.value(reduction)
        elif count == 2:
            yield f"{name} and it is the {OTHER[reduction]}", sums.value(OTHER[reduction])
            yield f"{name} and {NOT_ZERO_ONLY}", sums.total / max(1, sums.active)


def _batches(parts: ValueParts, sizes: Iterable[int]) -> Candidates:
    """Yield the mean of batch means, where the last batch is short, and the mean without that batch.

    Both follow from the sum of the last batch alone: the other batches are of one size.
    """
    total, pairs = parts.right.total, int(parts.right.divisor)
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
