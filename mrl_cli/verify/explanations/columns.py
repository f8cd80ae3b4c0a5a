"""Which known mistakes explain a column of losses.

What is claimed must not be what chance gives. A mistake is judged by the rows in which it gives another loss than the
right one, for only these distinguish the two. How often chance would match there is measured on the data: by holding
the same column, moved by some rows, against the same losses. From that rate follows how likely so many matches are by
chance (Chernoff's bound), times how many mistakes were tried; it must be below `MOST_CHANCE_OF_COLUMN`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.hypotheses import HYPOTHESES, but, mistakes, one_of, options_of
from mrl_cli.verify.explanations.rounding import LEAST_DISTINCT, TO_FLOAT32, resolution_of
from mrl_cli.verify.explanations.unknowns import SAMPLE_ROWS, solved_of_rows, unknowns_of
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Doubles, Mask


LEAST_FRACTION = 0.9  # of all rows, and of the distinguishing ones, must be what the mistake gives
# Of the mismatching rows; some may be noise, but a mistake that explains none is beside the point.
LEAST_EXPLAINED = 0.3
MOST_CHANCE_OF_COLUMN = 1e-3
RELATIVE_ROOM = 1e-10  # orders of operations differ by 1e-15, float32 by 1e-8
MOVES = (0.21, 0.37, 0.59, 0.83)  # of the rows
ORDER_PAIRS = 50_000  # in so many rows another order is looked for beside another mistake
LEAST_UNLIKE = 0.8  # of losses that were rounded: else they stand in another row by chance
FEW_PAIRS_TRIED = 20_000  # combinations are tried on so many rows first
IN_FLOAT32 = "the arithmetic is float32"
FEW_PAIRS = 20  # of so few the losses may be rounded as the one with the most digits shows
AMBIGUOUS_ROWS = " (these rows cannot tell them apart)"


class _Evidence(NamedTuple):
    """What a mistake gives beside the user's losses."""

    names: tuple[str, ...]
    matches: int
    rows: int
    explained: float
    # The rest is known where it may hold.
    telling: int = 0
    hits: int = 0  # the matches that are telling
    chance_rate: float = 1.0
    hint: str | None = None

    @property
    def fraction(self) -> float:
        """How many of the rows match."""
        return self.matches / self.rows if self.rows else 0.0

    @property
    def may_hold(self) -> bool:
        """Whether the mistake explains enough of the column, be it by chance."""
        return self.fraction >= LEAST_FRACTION and self.explained >= LEAST_EXPLAINED

    def holds(self, tries: int) -> bool:
        """Return whether the mistake explains the column, and chance does not."""
        if not self.may_hold or not self.telling:
            return False
        rate, chance = self.hits / self.telling, self.chance_rate
        if rate < LEAST_FRACTION or rate <= chance:
            return False
        divergence = rate * math.log(rate / chance)
        if rate < 1:
            divergence += (1 - rate) * math.log((1 - rate) / (1 - chance))
        return tries * math.exp(-self.telling * divergence) < MOST_CHANCE_OF_COLUMN


@light_dataclass(frozen=True, slots=True)
class _LossColumn:
    """The user's losses, the right ones, and which rows mismatch. `case` is what is looked at beside what was `asked`.

    `rounded` is what the user's losses were rounded to, if anything; `resolution` is how coarse they are then, else 0.
    """

    case: Case
    asked: Case
    own: Doubles
    right: Doubles
    bad: Mask
    resolution: Doubles
    rounded: str = ""

    def taken(self, which: Any) -> _LossColumn:
        """Return some of the rows."""
        arrays = {name: getattr(self, name)[which] for name in ("own", "right", "bad", "resolution")}
        return replace(self, case=self.case.taken(which), **arrays)

    def room(self, losses: Doubles, dtype: str = "float64") -> Doubles:
        """Return how far from a mistake's losses the user's may be: rounding, and the text they were written in."""
        scale = sum(map(np.abs, (losses, self.case.x1, self.case.x2, self.case.margin)))
        room: Doubles = RELATIVE_ROOM * scale + self.resolution
        if dtype != "float64":  # the shortest text of a narrow float reads back as a double that is not quite it
            spacings = 0.51 + LOSSES[self.case.loss].ulps
            room = room + spacings * np.spacing(np.abs(losses).astype(dtype)).astype(np.float64)
        return room

    def matches(self, losses: Doubles) -> Mask:
        """Return in which rows the user's losses are these."""
        with np.errstate(all="ignore"):
            return np.asarray(np.abs(self.own - losses) <= self.room(losses))

    def explained(self, match: Mask) -> float:
        """Return how many of the mismatching rows match, as a share."""
        return _count(match & self.bad) / max(1, _count(self.bad))

    def evidence(self, names: tuple[str, ...], made: Case) -> _Evidence:
        """Hold a mistake against the column."""
        losses = losses_of(made)
        with np.errstate(all="ignore"):
            room = self.room(losses, made.dtype)
            match = np.abs(self.own - losses) <= room
            seen = _Evidence(names, _count(match), _count(~np.isnan(losses)), self.explained(match))
            if not seen.may_hold:
                return seen
            telling = np.abs(losses - self.right) > room
            tellings, hits = _count(telling), _count(match & telling)
            moved = [np.roll(self.own, max(2, int(move * losses.size))) for move in MOVES]
            lucky = sum(_count(telling & (np.abs(other - losses) <= room)) for other in moved)
        chance = (lucky + 1) / (len(MOVES) * tellings + 2)
        return seen._replace(telling=tellings, hits=hits, chance_rate=chance, hint=options_of(self.asked, made))

    def explanation(
        self, text: str, matches: int, rows: int, telling: int, hint: str | None = None, lacks: str | None = None
    ) -> Explanation:
        """Return a mistake as what explains the column."""
        suffix = f" (your losses are {self.rounded})" if self.rounded else ""
        return Explanation(text + suffix, matches, rows, telling, hint=hint, lacks=lacks)


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


@np.errstate(all="ignore")  # scores may be huge, and mistakes overflow
def explain_column(case: Case, own: Doubles, bad: Mask, *, is_whole: bool) -> list[Explanation]:
    """Return what explains the user's losses: one explanation, or none.

    `case` is how the losses should have come about, for consecutive rows of the input: all of them where `is_whole`.
    `own` are the user's losses and `bad` says which of them are off, all of shape (n,).
    """
    readings = [_LossColumn(case, case, own, losses_of(case), bad, np.zeros(own.size))]
    resolution, rounded = resolution_of(own)
    if rounded:
        readings.append(replace(readings[0], resolution=np.asarray(resolution), rounded=rounded))
    return next(filter(None, _attempts(readings, is_whole=is_whole)), [])


def _attempts(readings: list[_LossColumn], *, is_whole: bool) -> Iterator[list[Explanation]]:
    """Yield what explains the losses in each way, the simplest first."""
    rounded, case = readings[-1].rounded, readings[0].case
    in_float32: list[_LossColumn] = []  # the same readings, of float32 arithmetic, which takes many a mistake along
    if case.dtype == "float64" and rounded:
        in_float32 = [replace(column, case=replace(case, dtype="float32")) for column in readings]
        in_float32 = in_float32 if rounded == TO_FLOAT32 else in_float32[1:]
    for count in (1, 2):
        for column in readings:
            if count == 1 and column.rounded:
                yield _right_but_for_rounding(column)
            claims = _claims(column, count)
            narrower = in_float32 if column.rounded else ()
            for narrow in narrower:
                claims += _claims(narrow, count, IN_FLOAT32)
            yield sorted(claims, key=lambda one: -one.fraction)[:1]
            if count == 1:
                yield _solved(column) or next(filter(None, (_solved(narrow, IN_FLOAT32) for narrow in narrower)), [])
        for column in readings if is_whole and (count == 1 or case.x1.size <= ORDER_PAIRS) else ():
            for names, made in mistakes(case, count - 1, but("shifted")):
                yield _in_another_order(column, losses_of(made), names)


def _claims(column: _LossColumn, count: int, *beside: str) -> list[Explanation]:
    """Return the mistake that explains most, beside others; or those that these rows cannot distinguish."""
    hypotheses = but("arithmetic") if beside else HYPOTHESES
    tries, likely = 0, None
    if count > 1 or beside:  # so many are tried on the first rows, and only those that fit there on all
        start = column.taken(slice(FEW_PAIRS_TRIED))
        tried = [start.evidence(*mistake) for mistake in mistakes(start.case, count, hypotheses)]
        tries, likely = len(tried), {one.names for one in tried if one.fraction >= LEAST_FRACTION}
        if not likely:
            return []
    seen = [
        column.evidence(names, made)
        for names, made in mistakes(column.case, count, hypotheses)
        if likely is None or names in likely
    ]
    held = [one for one in seen if one.holds(tries or len(seen))]
    most = max((one.fraction for one in held), default=0.0)
    best = [one for one in held if one.fraction == most]
    if not best:
        return []
    return [_named(column, best, *beside)]


def _named(column: _LossColumn, best: list[_Evidence], *beside: str, lacks: str | None = None) -> Explanation:
    """Return mistakes that fit equally well as one explanation."""
    texts, first = [" and ".join((*one.names, *beside)) for one in best], best[0]
    text, hint = one_of(texts, [one.hint for one in best], AMBIGUOUS_ROWS)
    return column.explanation(text, first.matches, first.rows, first.telling, hint, lacks)


def _solved(column: _LossColumn, *beside: str) -> list[Explanation]:
    """Return the mistake with a number that explains most, where one does."""
    places = np.flatnonzero(np.isfinite(column.own) & column.bad)
    places = places[:: max(1, places.size // SAMPLE_ROWS)][:SAMPLE_ROWS]
    if not places.size:
        return []
    part, unknowns, held = column.taken(places), list(unknowns_of(column.case)), []
    for unknown, of_part in zip(unknowns, unknowns_of(part.case), strict=True):
        interval = solved_of_rows(of_part, part.own, part.room(part.own))
        if interval is None:
            continue
        number, digits, text = interval.number()
        one = column.evidence((unknown.text.format(text),), unknown.made(number))
        if one.holds(len(unknowns) * 10**digits):
            held.append(one)
    most = max((one.fraction for one in held), default=0.0)
    return [_named(column, [one], *beside) for one in held if one.fraction == most][:1]


@np.errstate(all="ignore")
def fitting_column(case: Case, own: Doubles, bad: Mask) -> list[Explanation]:
    """Return what gives all the user's losses, of so few pairs that nothing proves it: one explanation, or none."""
    units = [
        0.500001 * 10.0 ** int(Decimal(repr(loss)).as_tuple().exponent)
        for loss in own[:FEW_PAIRS].tolist()
        if math.isfinite(loss)
    ]
    resolution = min(units, default=0.0) if own.size <= FEW_PAIRS else 0.0
    column = _LossColumn(case, case, own, losses_of(case), bad, np.full(own.size, resolution))
    seen = [column.evidence(*mistake) for mistake in mistakes(case, 1)]
    fit = [one for one in seen if one.telling and one.matches == one.rows and one.explained == 1]
    if not fit:
        return []
    few = min(one.telling for one in fit)
    return [_named(column, fit, lacks="one pair" if few == 1 else counted(few, "pair"))]


def _right_but_for_rounding(column: _LossColumn) -> list[Explanation]:
    """Say so when the losses are the right ones, rounded."""
    match = column.matches(column.right)
    count, telling = _count(match), _count(match & (column.own != column.right))
    explains_few = column.bad.any() and column.explained(match) < LEAST_EXPLAINED
    if count / max(1, match.size) < LEAST_FRACTION or not telling or explains_few:
        return []
    return [Explanation(f"your losses are {column.rounded}", count, match.size, telling)]


def _in_another_order(column: _LossColumn, losses: Doubles, names: tuple[str, ...]) -> list[Explanation]:
    """Say so when the losses of the rows that do not match stand, nearly each, in another of these rows.

    Losses that mostly repeat one another, as they were written, would match somewhere by chance, and show nothing.
    """
    off = ~column.matches(losses)
    usable = np.flatnonzero(off & np.isfinite(column.own))
    usable = usable[np.argsort(column.own[usable])]
    with np.errstate(all="ignore"):
        own, rooms = column.own[usable], (RELATIVE_ROOM * (1 + np.abs(column.own)) + column.resolution)[usable]
    expected = np.sort(losses[off])
    nonzero = expected[expected != 0]
    steps = np.round(nonzero / (2 * np.median(rooms))) if column.rounded and rooms.size else nonzero
    if np.unique(steps).size < max(LEAST_DISTINCT, nonzero.size * (LEAST_UNLIKE if column.rounded else 0.5)):
        return []
    others = _count(off)
    elsewhere = _common(own.tolist(), rooms.tolist(), expected.tolist(), LEAST_FRACTION * others)
    if elsewhere is None:
        return []
    name = " and ".join((*names, "rows stand in another order"))
    return [column.explanation(name, losses.size - others + elsewhere, losses.size, others)]


def _common(own: list[float], rooms: list[float], expected: list[float], least: float) -> int | None:
    """Return how many values stand in both sorted lists, each as often as in both; None for fewer than `least`."""
    place = count = 0
    for left, value, room in zip(range(len(own), 0, -1), own, rooms, strict=True):
        if count + left < least:
            return None
        while place < len(expected) and expected[place] < value - room:
            place += 1
        if place < len(expected) and expected[place] <= value + room:
            place += 1
            count += 1
    return count if count >= least else None
