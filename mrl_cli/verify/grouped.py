"""The figures of each group, once more: plain Python lists by key for each batch, added up by the loop's own sums."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.validate import CheckResult
from mrl_cli.verify import reference
from mrl_cli.verify.judgement import wrong_figures
from mrl_cli.verify.validators import LoopFigures
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reports.compute import GroupFigures, Report
    from mrl_cli.verify.validators import Outcome, Pairs

MOST_GROUPS = 10_000  # each costs a sum in every batch
NAMES_SHOWN = 3


def figures_by_group(pairs: Pairs, outcome: Outcome, plan: Plan) -> dict[str, LoopFigures]:
    """Return the loop's figures of the pairs of each group; none where there are no groups."""
    if pairs.groups is None or outcome.agreement is None:
        return {}
    places: dict[str, list[int]] = {}
    for place, key in enumerate(pairs.groups.tolist()):
        places.setdefault(key, []).append(place)
    # As in the whole: where losses may differ in the last digits, sums are those of the core's own.
    losses = (pairs.found if reference.allowed_ulps(plan.loss.name) else outcome.expected).tolist()
    agreement = outcome.agreement.tolist()
    weights = None if pairs.weight is None else pairs.weight.tolist()
    with np.errstate(over="ignore"):
        margins = np.asarray(pairs.margin).astype(plan.loss.dtype)
    thresholds = np.broadcast_to(margins, len(losses)).tolist()
    found = {}
    for key, where in places.items():
        here = [losses[place] for place in where]
        correct = [place for place in where if agreement[place] > 0]
        wrong = sum(agreement[place] < 0 for place in where)
        figures = LoopFigures(
            correct=len(correct),
            ties=len(where) - len(correct) - wrong,
            wrong=wrong,
            active=sum(loss > 0 for loss in here),
            inside_margin=sum(agreement[place] < thresholds[place] for place in correct),
            min=math.nan if any(map(math.isnan, here)) else min(here),
            max=math.nan if any(map(math.isnan, here)) else max(here),
        )
        if weights is None:
            found[key] = figures + LoopFigures(reference.LoopSum.of(here))
            continue
        here_weights = [weights[place] for place in where]
        found[key] = figures + LoopFigures(
            reference.LoopSum.of_products(here_weights, here),
            weight=reference.LoopSum.of(here_weights),
            correct_weight=reference.LoopSum.of([weights[place] for place in correct]),
        )
    return found


class LoopLedger:
    """Adds up the loop's figures of groups, as long as there are few enough."""

    def __init__(self) -> None:
        self._groups: dict[str, LoopFigures] | None = {}

    def add(self, found: dict[str, LoopFigures]) -> None:
        """Add the figures of a batch."""
        if self._groups is None:
            return
        for key, figures in found.items():
            known = self._groups.get(key)
            self._groups[key] = figures if known is None else known + figures
        if len(self._groups) > MOST_GROUPS:
            self._groups = None

    def checks(self, report: Report, plan: Plan) -> tuple[list[CheckResult], list[str]]:
        """Return the check of every group that is told, or a note that there are too many."""
        if self._groups is None:
            return [], [f"more than {MOST_GROUPS:,} groups: they were checked in sum, not each"]
        return [_each(self._groups, report.groups or (), report.pairs, plan)], []


def _each(expected: dict[str, LoopFigures], told: Sequence[GroupFigures], pairs: int, plan: Plan) -> CheckResult:
    wrong = []
    for group in told:
        figures = expected.get(group.group)
        said = ["has no pairs"] if figures is None else wrong_figures(figures, group, plan)
        wrong += [f"{harmless(group.group, 40)}: {', '.join(said)}"] if said else []
    untold = len(expected.keys() - {group.group for group in told})
    more = len(wrong) - NAMES_SHOWN
    notes = [*wrong[:NAMES_SHOWN], *([f"{counted(more, 'more group')} told wrong"] if more > 0 else [])]
    notes += [f"{counted(untold, 'group')} not told"] if untold else []
    count = len(wrong) + untold
    return CheckResult("loop groups", not count, pairs, mismatches=count, note="; ".join(notes) or None)


SUMMED: tuple[str, ...]
SUMMED = ("pairs", "correct", "ties", "wrong", "active", "inside_margin", "min", "max")
SUMMED += ("loss_sum", "weight_sum", "correct_weight_sum", "square_sum")


def groups_in_sum(groups: Iterable[Totals], totals: Totals) -> CheckResult:
    """Return the check that groups (or clusters) add up to the whole: their counts, and their sums with no rounding."""
    added = sum(groups, Totals())
    wrong = []
    for name in SUMMED:
        expected, got = getattr(totals, name), getattr(added, name)
        if expected != got and repr(expected) != repr(got):  # NaN is no NaN's equal
            wrong.append(f"{name} of all groups is {_shown(got)}, of all pairs {_shown(expected)}")
    return CheckResult("groups in sum", not wrong, totals.pairs, mismatches=len(wrong), note="; ".join(wrong) or None)


def _shown(figure: object) -> str:
    return repr(figure if figure is None or isinstance(figure, int) else float(figure))  # type: ignore[arg-type]
