"""Mistakes with a number that is not known before: another temperature, beta, share of label noise, margin.

The number is solved for, from losses or from one value. Some number nearly always gives one value, so that proves
nothing by itself: what counts is that the number has few digits, fewer than numbers that give the value by chance.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.verify.explanations.candidates import Candidate
from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.hypotheses import (
    CENTERED,
    GUARDED,
    WITHOUT_MARGIN,
    centered,
    guarded,
    holds,
    options_of,
    with_loss,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mrl_cli.dtypes import Doubles

SOLVED_PAIRS = 200_000  # a value is solved for from so many pairs: each try takes all of them
SAMPLE_ROWS = 200  # of a column, from which a number is solved
MOST_DIGITS = 9
CHOSEN_DIGITS = 4  # people choose a number of no more digits; only many losses show one that was computed
LEAST_FRACTION = 0.9  # of the rows must be what one number gives
CELLS, MOST_ZOOMS = 16, 20
STEPS, SMALL_STEP = 40, 1e-5
MOST_ROOTS = 3
SIZES = np.geomspace(1e-4, 1e4, 65)
EPSILONS = np.geomspace(1e-9, 0.1, 33)
SHARES = np.linspace(0.0, 1.0, 41)


class Unknown(NamedTuple):
    """A mistake with a number: what is printed of it, the case with it made, and a grid in which the number lies.

    `is_scale`: its inverse may be the number that was chosen.
    """

    text: str
    made: Callable[[float], Case]
    grid: Doubles
    is_scale: bool = False


def unknowns_of(case: Case) -> Iterator[Unknown]:
    """Yield the numbers that may be other ones: those of the loss itself, then those of each other loss."""
    yield from _of_parameters(case, "{} is {{}}", {*case.parameters})
    if LOSSES[case.loss].has_margin:
        grid = np.concatenate([-SIZES[:16:-1], [0.0], SIZES[16:]])
        yield Unknown("the margin is {}", lambda number: replace(case, margin=number), grid)
    yield Unknown(CENTERED, lambda number: replace(case, edits=(*case.edits, centered(number))), SIZES)
    if holds("log of a sigmoid", case):
        yield Unknown(GUARDED, lambda number: replace(case, edits=(*case.edits, guarded(number))), EPSILONS)
    for name in LOSSES if holds("labels", case) else ():
        made = with_loss(case, name)
        # Without label noise, all Bradley-Terry losses are the logistic one.
        is_mixture = "label_smoothing" in made.parameters
        names = {"label_smoothing"} if is_mixture and not made.parameters["label_smoothing"] else {*made.parameters}
        if name != case.loss:
            yield from _of_parameters(made, f"it is the {name} loss with {{}} {{{{}}}}", names)
            if np.any(made.margin):  # which others do not have
                bare = f"it is the {WITHOUT_MARGIN.format(name)}, with {{}} {{{{}}}}"
                yield from _of_parameters(replace(made, margin=0.0), bare, names)


def _of_parameters(case: Case, text: str, names: set[str]) -> Iterator[Unknown]:
    for parameter in (one for one in LOSSES[case.loss].parameters if one.name in names):

        def made(number: float, name: str = parameter.name) -> Case:
            return replace(case, parameters=case.parameters | {name: number})

        is_scale = parameter.highest > 1
        grid = SIZES if is_scale else SHARES[min(parameter.excluded, default=2.0) > SHARES]
        yield Unknown(text.format(parameter.name), made, grid, is_scale)


def shortest(low: float, high: float) -> tuple[float, int]:
    """Return the number of fewest significant digits in an interval, and how many digits; NaN and 0 for none.

    >>> shortest(0.2499, 0.2504)
    (0.25, 2)
    """
    for digits in range(1, MOST_DIGITS + 1):
        unit = _unit(max(abs(low), abs(high)), digits)
        number = float(f"{math.ceil(low / unit) * unit:.{digits}g}")
        if low <= number <= high:
            return number, digits
    return math.nan, 0


def _unit(size: float, digits: int) -> float:
    """Return what one in the last of so many significant digits is worth."""
    return 10.0 ** (math.floor(math.log10(max(abs(size), 1e-9))) - digits + 1)


class Interval(NamedTuple):
    """Where a number lies that was solved for."""

    low: float
    high: float
    is_scale: bool

    def number(self) -> tuple[float, int, str]:
        """Return the number in it, or the inverse of one, of fewest digits, how many digits, and how it is written.

        Without a number of few digits it is the middle, of more digits than are counted.

        >>> Interval(3.33333333, 3.33333334, is_scale=True).number()
        (3.3333333333333335, 1, '1/0.3')
        """
        number, digits = shortest(self.low, self.high)
        if self.is_scale and self.low > 0:
            inverse, of_inverse = shortest(1 / self.high, 1 / self.low)
            if of_inverse and not 0 < digits <= of_inverse:
                return 1 / inverse, of_inverse, f"1/{inverse:.12g}"
        if not digits:
            number, digits = (self.low + self.high) / 2, MOST_DIGITS + 1
        return number, digits, f"{number:.12g}"

    def chance(self, digits: int) -> float:
        """Return how probable it is that a number of so few digits, or its inverse, lies in such an interval."""
        by_chance = (self.high - self.low) / _unit(self.high, digits)
        return by_chance * (2 if self.is_scale else 1)


# From one value.


class Grids:
    """What losses add up to on the grid of each unknown, for any value; they are added up when first asked for."""

    def __init__(self, case: Case, weights: Doubles | None) -> None:
        self.case, self._weights = case, weights
        self._divisor = float(case.x1.size if weights is None else weights.sum())

    def total(self, unknown: Unknown, number: float) -> float:
        """Return the sum of the losses, times the weights if there are any, that a number gives."""
        losses = losses_of(unknown.made(number))
        with np.errstate(all="ignore"):
            return float((losses if self._weights is None else self._weights * losses).sum())

    def reduced(self, total: Doubles | float, reduction: str) -> Any:
        """Return a sum, or the mean that it gives."""
        return total / (self._divisor or 1) if reduction == "mean" else total

    @cached_property
    def totals(self) -> list[tuple[Unknown, Doubles]]:
        """The sums of every unknown, a number of its grid each."""
        return [
            (one, np.array([self.total(one, number) for number in one.grid.tolist()])) for one in unknowns_of(self.case)
        ]


class SolvedValue:
    """Numbers that give a value under a reduction; they are looked for once, when they are first asked for."""

    def __init__(self, grids: Grids, value: float, reduction: str) -> None:
        self._grids, self._value, self._reduction = grids, value, reduction

    def _off(self, unknown: Unknown, number: float) -> float:
        return float(self._grids.reduced(self._grids.total(unknown, number), self._reduction) - self._value)

    @cached_property
    def _roots(self) -> list[tuple[Unknown, float, float]]:
        return [
            (one, *root)
            for one, totals in self._grids.totals
            for root in _roots(
                partial(self._off, one), one.grid, self._grids.reduced(totals, self._reduction) - self._value
            )
        ]

    def __call__(self, room: float) -> list[tuple[Candidate, float]]:
        """Return the numbers that give the value within that room, with how probable ones of so few digits are."""
        intervals, found = [], []
        for unknown, root, slope in self._roots:
            reach = room / abs(slope) if slope else math.inf
            if not math.isfinite(reach):
                continue
            interval = Interval(root - reach, root + reach, unknown.is_scale)
            intervals.append(interval)
            number, digits, text = interval.number()
            is_allowed = number > 0 or not unknown.is_scale  # a wide interval may hold 0
            if is_allowed and digits <= CHOSEN_DIGITS and abs(self._off(unknown, number)) <= 1.01 * room:
                hint = options_of(self._grids.case, unknown.made(number))
                found.append((digits, Candidate(unknown.text.format(text), self._value, hint)))
        found.sort(key=lambda one: one[0])
        return [(candidate, sum(one.chance(digits) for one in intervals)) for digits, candidate in found]


def _roots(off: Callable[[float], float], grid: Doubles, offs: Doubles) -> Iterator[tuple[float, float]]:
    """Yield where a function is 0, with its slope there: the first few of the places that a grid and its `offs` show.

    `offs` are what the function gives on the grid.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        places = np.flatnonzero(np.sign(offs[:-1]) * np.sign(offs[1:]) <= 0)
    for place in places[:MOST_ROOTS].tolist():
        last, number = grid[place : place + 2].tolist()
        of_last, of_number = offs[place : place + 2].tolist()
        for _ in range(STEPS):  # the Illinois algorithm, Dowell and Jarratt 1971
            if not of_number or of_number == of_last:
                break
            at = number - of_number * (number - last) / (of_number - of_last)
            if at == number or not math.isfinite(at):
                break
            of_at = off(at)
            last, of_last = (number, of_number) if of_at * of_number < 0 else (last, of_last / 2)
            number, of_number = at, of_at
        step = SMALL_STEP * (abs(number) or 1.0)
        yield number, (off(number + step) - off(number - step)) / (2 * step)


# From a column.


def solved_of_rows(unknown: Unknown, own: Doubles, room: Doubles) -> Interval | None:
    """Return in which interval a number lies that gives nearly all of these losses within that room, if there is one.

    The rows are those of the case that the unknown makes, all of shape (n,).
    """
    edges, interval = unknown.grid, None
    for _ in range(MOST_ZOOMS):
        off = np.array([losses_of(unknown.made(number)) - own for number in edges.tolist()])
        with np.errstate(invalid="ignore"):
            is_hit = (np.fmin(off[:-1], off[1:]) <= room) & (np.fmax(off[:-1], off[1:]) >= -room)
        hits = np.count_nonzero(is_hit, axis=1)
        if hits.max() < LEAST_FRACTION * own.size:
            break
        best = np.flatnonzero(hits == hits.max())
        low, high = float(edges[best[0]]), float(edges[best[-1] + 1])
        is_settled = interval is not None and high - low >= 0.9 * (interval.high - interval.low)
        interval = Interval(low, high, unknown.is_scale)
        if is_settled:
            break
        edges = np.linspace(low, high, CELLS + 1)
    return interval
