"""Which known mistakes explain one value: a mean, a sum, an accuracy.

One number can agree with another by chance, the more so the more are tried and the fewer digits it has. So a mistake
must give the value to the digits in which it is written, and candidates near the value show how dense they lie there,
and with it how many would agree by chance. That must be below `MOST_CHANCE_OF_VALUE`. Mistakes that change little
crowd around the right value, the denser the nearer to it: "near" is up to the distance to it, or half of that.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.candidates import Candidate, Stage, Stages
from mrl_cli.verify.explanations.hypotheses import one_of
from mrl_cli.words import counted, plainest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.reports.base import Report
    from mrl_cli.verify.verdict import Expectation, Request

NONE_FITS = "none of the known mistakes explains"
AMBIGUOUS_VALUE = " (one value cannot tell them apart)"
MOST_CHANCE_OF_VALUE = 0.01
MOST_CHANCE_OF_NUMBER = 0.003  # of one that was solved for: nearly every value has one
FEWEST_PAIRS = 3  # fewer prove nothing, whatever the digits
FEW_PAIRS = 10
DOUBLE_DIGITS = 11  # a value of so many digits was not rounded for reading
SINGLE_DIGITS = 7  # the shortest text of a float32 has seldom fewer
DOUBLE_ROOM, SINGLE_ROOM = 1e-12, 2.5e-7  # what adding up pair by pair, as libraries do, may lose of a sum
SINGLE_STEP = 6e-8  # half the spacing of float32 at 1: adding up one by one loses sqrt(n) times as much
MOST_SINGLE_ROOM = 2e-5


class Own(NamedTuple):
    """A user's own value beside the right one, which `pairs` give.

    `tolerance` is how far it could be and pass, `half_a_digit` what its text leaves open, where that is known.
    """

    value: float
    right: float
    pairs: int
    tolerance: float = 0.0
    half_a_digit: float = math.inf

    @property
    def rooms(self) -> tuple[float, float, float]:
        """How far from the value that was meant the written one may be: half of its last digit; and, where it may be a
        float32, also what a sum of `pairs` numbers in pairs, and one by one, loses. 0 where it cannot be one.
        """
        value = self.value
        _, digits, exponent = Decimal(repr(float(value)).removesuffix(".0")).as_tuple()
        half_a_digit = min(0.5 * 10.0 ** int(exponent), self.half_a_digit) * 1.000002
        if is_float32 := _is_float32(value):
            half_a_digit = 0.500001 * float(np.spacing(np.float32(abs(value))))
        elif len(digits) >= DOUBLE_DIGITS:
            return half_a_digit + abs(value) * DOUBLE_ROOM, 0.0, 0.0
        single = half_a_digit + abs(value) * SINGLE_ROOM
        lost = min(MOST_SINGLE_ROOM, max(SINGLE_ROOM, SINGLE_STEP * math.sqrt(self.pairs)))
        with np.errstate(over="ignore"):
            is_text_of_float32 = len(digits) >= SINGLE_DIGITS and float(str(np.float32(value))) == value
        return half_a_digit, single, half_a_digit + abs(value) * lost if is_float32 or is_text_of_float32 else 0.0


def claims_on_figure(
    wanted: Expectation,
    request: Request,
    report: Report,
    stages_of: Callable[[Own], Iterator[Stage]],
    weighed: Callable[[Explanation], Explanation] = lambda explanation: explanation,
) -> Iterator[Explanation | str]:
    """Yield what explains a figure of the user's own that is another one than reported, or a note that nothing does.

    `weighed` says what else must be so of an explanation that the value alone would prove.
    """
    right, tolerance = float(report.figure(wanted.name)), request.tolerance
    room = 0.0 if tolerance is None else tolerance.atol + tolerance.rtol * abs(right)
    own = Own(wanted.number, right, report.pairs, room, wanted.half_a_digit)
    stages = Stages(stages_of(own))
    explanations = [*map(weighed, explain_value(own, stages))] or fitting_value(own, stages)
    yield from (replace(explanation, check=wanted.check_name) for explanation in explanations)
    if not explanations:
        yield f"{NONE_FITS} your {wanted.name}"


@np.errstate(all="ignore")  # scores may be huge, and mistakes overflow
def explain_value(own: Own, stages: Iterable[Stage]) -> list[Explanation]:
    """Return what explains a value that a user has: one explanation, or none. `stages` are gone through repeatedly."""
    written, single, accumulated = own.rooms
    off = abs(own.right - own.value)
    for how, room in (("rounded", written), ("added up in float32", single), ("within the tolerance", own.tolerance)):
        if off <= room:
            return [_explained(f"it is the right value, {how}")]
    chance = 0.0
    for room, has_dense in ((written, True), (single, True), (accumulated, False)):
        if not has_dense and off <= room and _is_float32(own.value):
            return [_explained("it is the right value, added up one by one in float32")]
        if room:
            here = stages if has_dense else (one._replace(beside=list) for one in stages if not one.is_dense)
            explanations, chance = _first_fitting(here, own, room, chance)
            if explanations:
                return explanations if own.pairs >= FEWEST_PAIRS else []
    return []


@np.errstate(all="ignore")
def fitting_value(own: Own, stages: Iterable[Stage]) -> list[Explanation]:
    """Return what gives the value and nothing proves: one explanation, or none. Only single mistakes are named."""
    room = max(own.rooms[:2])
    candidates = [candidate for stage in stages if stage.is_simple for candidate in stage.candidates]
    fitting = [one for one in candidates if abs(one.value - own.value) <= room < abs(one.value - own.right)]
    if not fitting:
        return []
    few = "one pair" if own.pairs == 1 else counted(own.pairs, "pair")
    return [_explained(*_named(fitting, own), lacks=few if own.pairs < FEW_PAIRS else "so few digits")]


def _explained(text: str, hint: str | None = None, lacks: str | None = None, tried: int = 1) -> Explanation:
    return Explanation(text, 1, 1, tried, hint=hint, lacks=lacks)


def _named(fitting: Sequence[Candidate], own: Own) -> tuple[str, str | None]:
    """Return candidates as one text, and their hint where there is one for all."""
    text, hint = one_of([one.text for one in fitting], [one.hint for one in fitting], AMBIGUOUS_VALUE)
    value = plainest(own.value)
    return text, hint and hint.format(value, percent=Decimal(repr(value)).scaleb(-2))


def _first_fitting(stages: Iterable[Stage], own: Own, room: float, chance: float) -> tuple[list[Explanation], float]:
    """Return what fits within that room, and `chance` with what would fit by chance added."""
    tried, expected = 0, own.value
    centres = [own.right]  # around which others crowd: the right value, and mistakes that others are added to
    for stage in stages:
        # Within the room of the right value, the number that was asked for gives the value too.
        for candidate, added in stage.solved(room) if stage.solved and abs(own.right - expected) > room else ():
            if chance + added < MOST_CHANCE_OF_VALUE and added < MOST_CHANCE_OF_NUMBER:
                return [_explained(candidate.text, candidate.hint, tried=tried + 1)], chance + added
        values = np.array([one.value for one in stage.candidates], np.float64)
        counted = np.isfinite(values) & (np.abs(values - own.right) > room)
        distances = np.where(counted, np.abs(values - expected), math.inf)
        tried += int(np.count_nonzero(counted))
        span = min(abs(centre - expected) for centre in centres)
        if not stage.is_dense:
            centres += values[counted].tolist()
        if span <= room:
            continue  # what is that near to a centre cannot be distinguished from it
        fitting = [stage.candidates[place] for place in np.flatnonzero(distances <= room).tolist()]
        # How many of those near would agree with it by chance; those that agree with one another count once.
        crowds = ((near, np.round(values[distances <= near] / room)) for near in (span / 2, span))
        added = max(*(np.unique(crowd).size * room / near for near, crowd in crowds), 2 * room / span if fitting else 0)
        if chance + added >= MOST_CHANCE_OF_VALUE:
            continue  # nothing is claimed here, so nothing by chance either
        chance += added
        if fitting:
            fitting += [one for one in stage.beside() if abs(one.value - expected) <= room]
            return [_explained(*_named(fitting, own), tried=tried)], chance
    return [], chance


def _is_float32(value: float) -> bool:
    """Return whether the value is a float32 in all the digits of a double, which it is not by chance."""
    with np.errstate(over="ignore"):
        return len(repr(value)) > DOUBLE_DIGITS and float(np.float32(value)) == value
