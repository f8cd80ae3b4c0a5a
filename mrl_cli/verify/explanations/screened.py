"""Two mistakes at once, of many pairs: a sample shows which of them may give a value, and those alone are added up.

What two mistakes give is what one of them gives, which is known, and how much the other changes it, which is estimated.
Pairs of the largest numbers are all in the sample, as a few of them may be most of a sum. An estimate is believed to no
less than `SPREADS` standard errors, and as if some pairs that are not in the sample changed as much as any that are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.verify.explanations.cases import Case, agreement_of, losses_of
from mrl_cli.verify.explanations.hypotheses import but, mistakes
from mrl_cli.verify.explanations.parts import AllPairs, Sums, agreement_beside, mistaken_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mrl_cli.dtypes import Doubles, Wholes
    from mrl_cli.verify.explanations.parts import MistakenSums

    Rule = Callable[[Sums], float]

FEWEST_PAIRS = 100_000  # of fewer all are added up: that takes a second or two
SAMPLE_PAIRS, EXTREMES, WITNESSES = 20_000, 2048, 64
SPREADS, UNSEEN = 8, 20  # chance leaves no pair of a kind in the sample of which there are more than 20 in it: exp(-20)
ESTIMATED = ("total", "correct", "tied")  # of Sums


class Aim(NamedTuple):
    """A value that is to be explained, and how far from it at most is what fits."""

    value: float
    reach: float


class _Sample(NamedTuple):
    """The places of some pairs, and for how many pairs each counts: the largest, those `drawn`, and then witnesses.

    Witnesses count for none: they show what mistakes can be made at all of all pairs.
    """

    rows: Wholes
    weights: Doubles
    drawn: slice


class Estimate(NamedTuple):
    """About what two mistakes give, and how far each number of it may be off."""

    sums: Sums
    off: tuple[float, ...]

    def may_give(self, rule: Rule, aim: Aim) -> bool:
        """Return whether the value may be that, by a rule that is about linear in the sums."""
        value = rule(self.sums)
        moved = (
            self.sums._replace(**{name: getattr(self.sums, name) + off})
            for name, off in zip(ESTIMATED, self.off, strict=True)
        )
        room = aim.reach + sum(abs(rule(sums) - value) for sums in moved)
        return not abs(value - aim.value) > room  # NaN may be anything


def two_mistakes(pairs: AllPairs, singles: MistakenSums, rule: Rule, aim: Aim | None) -> MistakenSums:
    """Return the sums under each two mistakes: exact where any of them gives the value, else those far from it about.

    `singles` are those under one. Where nothing gives the value, nothing is claimed, and it is only asked how densely
    values lie.
    """
    if aim is None or pairs.case.x1.size < FEWEST_PAIRS:
        return pairs.two_mistakes
    estimates = dict(_estimates(pairs.case, singles))
    near = {names for names, one in estimates.items() if one.may_give(rule, aim)}
    exact = mistaken_sums(pairs.case, 2, only=near)
    if any(abs(rule(sums) - aim.value) <= aim.reach for sums in exact.values()):
        return pairs.two_mistakes
    return {names: one.sums for names, one in estimates.items() if names not in near} | exact


def _estimates(case: Case, singles: MistakenSums) -> Iterator[tuple[tuple[str, ...], Estimate]]:
    sample = _sample_of(case)
    some = case.taken(sample.rows)
    own = agreement_of(some)

    def columns_of(made: Case) -> Doubles:
        """Return of each pair its loss, whether it is correct and whether it is tied, shape (3, n)."""
        agreement = agreement_beside(some, own, made)
        return np.array([losses_of(made), agreement > 0, agreement == 0])

    right = columns_of(some)
    of_one = {names: columns_of(made) for names, made in mistakes(some, 1, but("shifted")) if names in singles}
    nothing = Sums(divisor=case.x1.size, pairs=case.x1.size), np.zeros_like(right)
    for names, made in mistakes(some, 2, but("shifted")):
        columns = columns_of(made)
        most = np.abs(columns - right)[:, sample.drawn.start :].max(axis=1)
        bases = [(singles[base], of_one[base]) for base in ((name,) for name in names) if base in of_one]
        known = [(base, *_added(columns - of_base, sample, most)) for base, of_base in bases or [nothing]]
        base, added, off = min(known, key=lambda one: one[2])
        sums: dict[str, Any] = {name: getattr(base, name) + more for name, more in zip(ESTIMATED, added, strict=True)}
        yield names, Estimate(nothing[0]._replace(**sums), off)


def _added(changes: Doubles, sample: _Sample, most: Doubles) -> tuple[Doubles, tuple[float, ...]]:
    """Return what changes of a sample add up to over all pairs, and how far that may be off.

    `most` is how much a pair may change of which there are so few that none is in the sample.
    """
    drawn, count, counted = changes[:, sample.drawn], float(sample.weights[sample.drawn].sum()), sample.drawn.stop
    unseen = UNSEEN / SAMPLE_PAIRS * np.array([2 * most[0], 1, 1])
    off = count * (SPREADS * drawn.std(axis=1) / math.sqrt(SAMPLE_PAIRS) + unseen)
    return changes[:, :counted] @ sample.weights[:counted], tuple(off.tolist())


def _sample_of(case: Case) -> _Sample:
    difference, margin = case.x1 - case.x2, np.broadcast_to(np.asarray(case.margin, np.float64), case.x1.shape)
    sizes: list[Any] = [difference, case.x1 + case.x2, case.y * difference]
    sizes += [values for values in (margin, case.y) if np.ptp(np.abs(values))]
    is_extreme = np.zeros(case.x1.size, bool)
    for values in sizes:
        is_extreme[np.argpartition(np.abs(values), -EXTREMES)[-EXTREMES:]] = True
    rest = np.flatnonzero(~is_extreme)
    drawn = np.sort(np.random.default_rng(0).choice(rest, SAMPLE_PAIRS, replace=False))
    odd = [difference == 0, np.abs(case.y) != 1, (case.y > 0) & (case.y < 1), margin != 0, margin != 1]
    odd += [scores != np.trunc(scores) for scores in (case.x1, case.x2)]
    shown = [np.flatnonzero(mask)[:WITNESSES] for mask in odd]
    shown += [np.argpartition(np.abs(difference), WITNESSES)[:WITNESSES]]
    shown += [np.array([scores.argmin(), scores.argmax()]) for scores in (case.x1, case.x2)]
    extremes = np.flatnonzero(is_extreme)
    witnesses = np.setdiff1d(np.concatenate(shown), extremes)
    weights = [np.ones(extremes.size), np.full(drawn.size, rest.size / drawn.size), np.zeros(witnesses.size)]
    rows = np.concatenate([extremes, drawn, witnesses])
    return _Sample(rows, np.concatenate(weights), slice(extremes.size, extremes.size + drawn.size))
