"""Which known mistakes explain a column of losses.

What is claimed must not be what chance gives. A mistake is judged by the rows in which it gives another loss than the
right one, for only these can tell the two apart. How often chance would match there is measured on the data: by holding
the same column, moved by some rows, against the same losses. From that rate follows how likely so many matches are by
chance (Chernoff's bound), times how many mistakes were tried; it must be below `MOST_CHANCE`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.hypotheses import Case, doubles, losses_of, singles
from mrl_cli.verify.explanations.resolutions import LEAST_DISTINCT, TO_FLOAT32, resolution_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Mistakes = Callable[[Case], Iterator[tuple[tuple[str, ...], Case]]]

LEAST_FRACTION = 0.9  # of all rows, and of the telling ones, must be what the mistake gives
LEAST_EXPLAINED = (
    0.3  # of the mismatching rows; some may be noise, but a mistake that explains none is beside the point
)
MOST_CHANCE = 1e-3
RELATIVE_ROOM = 1e-10  # orders of operations differ by 1e-15, float32 by 1e-8
MOVES = (0.21, 0.37, 0.59, 0.83)  # of the rows
ORDER_PAIRS = 50_000  # in so many rows another order is looked for beside another mistake
LEAST_UNLIKE = 0.8  # of losses that were rounded: else they are found in another row by chance
FEW_PAIRS_TRIED = 20_000  # combinations are tried on so many rows first


@light_dataclass(frozen=True, slots=True)
class _Evidence:
    """What a mistake gives beside what was found."""

    told: tuple[str, ...]
    matches: int
    rows: int
    telling: int
    hits: int
    explained: float
    chance_rate: float

    def holds(self, tries: int) -> bool:
        """Tell whether the mistake explains the column, and chance does not."""
        if not self.telling or not self.rows:
            return False
        rate = self.hits / self.telling
        if min(rate, self.matches / self.rows) < LEAST_FRACTION or self.explained < LEAST_EXPLAINED:
            return False
        return tries * _tail(self.telling, rate, self.chance_rate) < MOST_CHANCE

    def explanation(self, suffix: str) -> Explanation:
        """Return it for the user."""
        return Explanation(
            " and ".join(self.told) + suffix, self.matches, self.rows, self.telling, self.matches / self.rows
        )


def _tail(count: int, rate: float, chance: float) -> float:
    """Return a bound on the probability that `count` rows match at that rate or more by chance (Chernoff)."""
    if rate <= chance:
        return 1.0
    divergence = rate * math.log(rate / chance)
    if rate < 1:
        divergence += (1 - rate) * math.log((1 - rate) / (1 - chance))
    return math.exp(-count * divergence)


@light_dataclass(frozen=True, slots=True)
class _Column:
    """What was found, what is right, and which rows mismatch; `resolution` is how coarse the found losses are."""

    case: Case
    found: Doubles
    right: Doubles
    bad: Mask
    resolution: Doubles | float = 0.0

    def room(self, losses: Doubles, dtype: str) -> Doubles:
        """Return how far from a mistake's losses the found ones may be: rounding, and the text they were written in."""
        case = self.case
        scale = np.abs(losses) + np.abs(case.x1) + np.abs(case.x2) + np.abs(case.margin)
        room: Doubles = RELATIVE_ROOM * scale + self.resolution
        if dtype != "float64":  # the shortest text of a narrow float reads back as a double that is not quite it
            with np.errstate(all="ignore"):
                room = room + 0.51 * np.spacing(np.abs(losses).astype(dtype)).astype(np.float64)
        return room

    def evidence(self, told: tuple[str, ...], made: Case) -> _Evidence:
        """Hold a mistake against the column."""
        with np.errstate(all="ignore"):
            losses = losses_of(made)
            room = self.room(losses, made.dtype)
            counted = ~np.isnan(losses)
            match = counted & (np.abs(self.found - losses) <= room)
            telling = counted & (np.abs(losses - self.right) > room)
        moved = [np.roll(self.found, max(2, int(move * losses.size))) for move in MOVES]
        lucky = sum(int(np.count_nonzero(telling & (np.abs(other - losses) <= room))) for other in moved)
        tellings = int(np.count_nonzero(telling))
        bad = int(np.count_nonzero(self.bad))
        return _Evidence(
            told,
            int(np.count_nonzero(match)),
            int(np.count_nonzero(counted)),
            tellings,
            int(np.count_nonzero(match & telling)),
            int(np.count_nonzero(match & self.bad)) / bad if bad else 0.0,
            (lucky + 1) / (len(MOVES) * tellings + 2),
        )


def explain_column(case: Case, found: Doubles, bad: Mask, *, is_whole: bool) -> list[Explanation]:
    """Return what explains the user's losses: one explanation, or none.

    `case` is how the losses should have come about, for consecutive rows of the input: all of them where `is_whole`.
    `found` are the user's losses and `bad` says which of them are off, all of shape (n,).
    """
    right = losses_of(case)
    exact = _Column(case, found, right, bad)
    readings = [(exact, "")]
    resolution, told = resolution_of(found)
    if told:
        readings.append((_Column(case, found, right, bad, resolution), f" (your losses are {told})"))
    in_float32 = []  # the same readings, of float32 arithmetic, which takes many a mistake along
    if case.dtype == "float64" and told:
        in_float32 = [(replace(column, case=replace(case, dtype="float32")), suffix) for column, suffix in readings]
        if told != TO_FLOAT32:
            in_float32 = in_float32[1:]
    for column, suffix in readings:
        if suffix and _is_right_but_for_rounding(column):
            return [Explanation(f"your losses are {told}", *_matches(column))]
        best = _named(_best(column, list(singles(column.case))), suffix)
        if suffix:
            best = _most([*best, *_of_float32(in_float32, singles)])
        if best:
            return best
    orders = readings if is_whole else []
    for column, suffix in orders:
        found_order = _in_another_order(column, right, (), suffix)
        if found_order:
            return [found_order]
    for column, suffix in readings:
        best = _named(_best_of_two(column), suffix)
        if suffix:
            best = _most([*best, *_of_float32(in_float32, doubles)])
        if best:
            return best
    if found.size > ORDER_PAIRS:
        return []
    for column, suffix in orders:
        made = ((mistake, losses_of(other)) for mistake, other in singles(case) if not other.shift)
        ordered = (_in_another_order(column, losses, mistake, suffix) for mistake, losses in made)
        best = [order for order in ordered if order is not None][:1]
        if best:
            return best
    return []


def _of_float32(readings: list[tuple[_Column, str]], mistakes: Mistakes) -> list[Explanation]:
    """Return what explains the losses beside float32 arithmetic, by each reading."""

    def others(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
        return ((told, made) for told, made in mistakes(case) if made.dtype == case.dtype)

    found = []
    for column, suffix in readings:
        best = _best_of_two(column, others)
        found += _named([replace(one, told=(*one.told, "the arithmetic is float32")) for one in best], suffix)
    return found


def _most(found: list[Explanation]) -> list[Explanation]:
    """Return the explanation of most rows, the first of them."""
    return [max(found, key=lambda one: one.fraction)] if found else []


def _best_of_two(column: _Column, mistakes: Mistakes = doubles) -> list[_Evidence]:
    """As `_best`, for combinations of two: tried on the first rows, and only those that fit there on all."""
    few = slice(0, FEW_PAIRS_TRIED)
    resolution = column.resolution[few] if isinstance(column.resolution, np.ndarray) else column.resolution
    start = _Column(cut(column.case, few), column.found[few], column.right[few], column.bad[few], resolution)
    tried = 0
    likely = set()
    for told, made in mistakes(start.case):
        tried += 1
        found = start.evidence(told, made)
        if found.rows and found.matches >= LEAST_FRACTION * found.rows:
            likely.add(told)
    return (
        _best(column, ((told, made) for told, made in mistakes(column.case) if told in likely), tried) if likely else []
    )


def _best(column: _Column, tried: Iterable[tuple[tuple[str, ...], Case]], tries: int | None = None) -> list[_Evidence]:
    """Return the evidence for the mistake that explains most; for several that these rows cannot tell apart."""
    seen = [column.evidence(told, made) for told, made in tried]
    held = [found for found in seen if found.holds(tries or len(seen))]
    most = max((found.matches / found.rows for found in held), default=0.0)
    return [found for found in held if found.matches / found.rows == most]


def _named(best: list[_Evidence], suffix: str) -> list[Explanation]:
    if not best:
        return []
    names = list(dict.fromkeys(" and ".join(found.told) for found in best))
    first = best[0].explanation("")
    told = "; or ".join(names[:3]) + (f"; or one of {len(names) - 3} others" if len(names) > 3 else "")
    told += " (these rows cannot tell them apart)" if len(names) > 1 else ""
    return [Explanation(told + suffix, first.matches, first.rows, first.telling, first.fraction)]


def cut(case: Case, rows: slice) -> Case:
    """Return a case of some of the pairs."""
    margin = case.margin[rows] if isinstance(case.margin, np.ndarray) else case.margin
    return replace(case, x1=case.x1[rows], x2=case.x2[rows], y=case.y[rows], margin=margin)


def _is_right_but_for_rounding(column: _Column) -> bool:
    matches, rows, telling, fraction = _matches(column)
    del matches, rows
    explained = np.abs(column.found - column.right) <= column.room(column.right, "float64")
    return (
        fraction >= LEAST_FRACTION
        and telling > 0
        and bool((explained & column.bad).sum() >= LEAST_EXPLAINED * column.bad.sum())
    )


def _matches(column: _Column) -> tuple[int, int, int, float]:
    with np.errstate(all="ignore"):
        match = np.abs(column.found - column.right) <= column.room(column.right, "float64")
    count = int(np.count_nonzero(match))
    return count, match.size, int(np.count_nonzero(match & (column.found != column.right))), count / max(1, match.size)


def _in_another_order(column: _Column, losses: Doubles, told: tuple[str, ...], suffix: str) -> Explanation | None:
    """Say so when the losses of the rows that do not match stand, nearly each, in another of these rows.

    Losses that mostly repeat one another, as they were written, would be found somewhere by chance, and tell nothing.
    """
    with np.errstate(all="ignore"):
        off = ~(np.abs(column.found - losses) <= column.room(losses, "float64"))
        rooms = RELATIVE_ROOM * (1 + np.abs(column.found)) + column.resolution
    usable = off & np.isfinite(column.found)
    order = np.argsort(column.found[usable])
    found, rooms = column.found[usable][order], rooms[usable][order]
    expected = np.sort(losses[off])
    nonzero = expected[expected != 0]
    steps = np.round(nonzero / (2 * np.median(rooms))) if suffix and rooms.size else nonzero
    if np.unique(steps).size < max(LEAST_DISTINCT, nonzero.size * (LEAST_UNLIKE if suffix else 0.5)):
        return None
    elsewhere = sum(1 for _ in _paired(found.tolist(), rooms.tolist(), expected.tolist()))
    others = int(np.count_nonzero(off))
    if elsewhere < LEAST_FRACTION * others:
        return None
    name = " and ".join((*told, "rows stand in another order")) + suffix
    count = losses.size - others + elsewhere
    return Explanation(name, count, losses.size, others, count / losses.size)


def _paired(found: list[float], rooms: list[float], expected: list[float]) -> Iterator[float]:
    """Yield the values that stand in both sorted lists, each as often as in both."""
    place = 0
    for value, room in zip(found, rooms, strict=True):
        while place < len(expected) and expected[place] < value - room:
            place += 1
        if place < len(expected) and expected[place] <= value + room:
            place += 1
            yield value
