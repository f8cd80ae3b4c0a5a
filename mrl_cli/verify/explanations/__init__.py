"""Why a user's numbers differ: the known mistakes, tried on the pairs that a validation retained, or in a second look.

`hypotheses` holds the mistakes that change every loss, a row each, `unknowns` those with a number to be solved for,
`candidates` those that change how losses become one figure, `screened` two at once of many pairs. `columns` and
`values` return which of them explain losses or a value, never more than the data can decide; what fits and cannot be
proven is marked as that.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.verify.explanations.candidates import (
    RULES,
    LeftOut,
    Stage,
    accuracy_stages,
    figure_stages,
    numbers_in,
    value_stages,
)
from mrl_cli.verify.explanations.cases import EXCHANGED, Case
from mrl_cli.verify.explanations.columns import explain_column, fitting_column
from mrl_cli.verify.explanations.parts import AllPairs, Sums, ValueParts, value_parts
from mrl_cli.verify.explanations.screened import Aim
from mrl_cli.verify.explanations.unknowns import SOLVED_PAIRS, Grids, SolvedValue
from mrl_cli.verify.explanations.values import NONE_FITS, Own, claims_on_figure
from mrl_cli.verify.pairs import Pairs, joined, pairs_of
from mrl_cli.verify.validators import compared
from mrl_cli.verify.verdict import LOSS_COLUMN_CHECK, Request, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.validate import CheckResult, Explanation

    SecondLook = Callable[[Reduction[Any, Any]], Any]  # folds a reduction over the inputs once more

NOT_TRIED = (
    "of more than {:,} pairs, two mistakes at once and means of broadcast losses were not tried, no number solved for"
)
REDUCED = ("value", "sum", "mean")


class Known(NamedTuple):
    """What a validation knows: what was asked, the verdict, and what the core counted, added up and reported."""

    request: Request
    verdict: Verdict
    counts: Counts
    totals: Totals
    report: Report

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.request.plan


def claims_of(
    known: Known, failed: Mapping[str, CheckResult], second_look: SecondLook | None
) -> Iterator[Explanation | str]:
    """Yield what explains the user's losses and figures whose checks, by name, have failed, and notes about it.

    `second_look` folds a reduction over the same input; None where that can be read only once.
    """
    if LOSS_COLUMN_CHECK in failed:
        yield from _claims_of_column(known)
    wrong = [one for one in known.request.expected if one.check_name in failed]
    if not wrong:
        return
    kept, pairs = known.verdict, None
    if kept.retained_pairs == known.counts.pairs > 0:  # which are all pairs
        pairs, parts = joined(kept.retained), _parts_of(kept.retained, known.request)
    elif second_look is not None:
        parts = second_look(ValuePartsReduction(known.request))
    else:
        yield "the value was not explained: the input can be read only once, and is too long to keep"
        return
    all_pairs = AllPairs(_case_of(pairs, known.request), None if pairs is None else pairs.columns.get("weight"))
    grids = Grids(all_pairs.case, all_pairs.weights) if 0 < all_pairs.case.x1.size <= SOLVED_PAIRS else None
    for one in wrong:
        stages_of = partial(_stages, one.name, known, parts, all_pairs, grids)
        claims = list(claims_on_figure(one, known.request, known.report, stages_of))
        yield from claims
        if pairs is None and isinstance(claims[-1], str):
            yield NOT_TRIED.format(known.request.most_pairs)


def _stages(
    name: str, known: Known, parts: ValueParts, pairs: AllPairs, grids: Grids | None, own: Own
) -> Iterator[Stage]:
    """Yield what mistakes give for a figure."""
    plan, counts, totals = known.plan, known.counts, known.totals
    left_out = LeftOut(counts.rejected, counts.ties_dropped, "group" if plan.columns.name_of("group") else "file")
    aim = Aim(own.value, max(own.rooms))
    if name in RULES:
        return accuracy_stages(name, parts, left_out, numbers_in(known.report), pairs, aim)
    if name not in REDUCED:
        return figure_stages(name, numbers_in(known.report))
    reduction = plan.reporting.reduction if name == "value" else name
    weighted = None
    if totals.loss_sum is not None and totals.weight_sum is not None:
        weighted = Sums(float(totals.loss_sum), float(totals.weight_sum))
    solved = None if grids is None else SolvedValue(grids, own.value, reduction)
    return value_stages(parts, reduction, left_out, weighted, pairs, solved, aim)


def _claims_of_column(known: Known) -> Iterator[Explanation | str]:
    plan, pairs = known.plan, joined(known.verdict.retained)
    own = pairs.columns["loss"]
    bad = compared(pairs.columns["computed"], own, plan.loss.dtype, tolerance=known.request.allowed).bad
    if bad is None:
        return
    is_whole, case = pairs.size == known.counts.pairs, _case_of(pairs, known.request)
    claimed = explain_column(case, own, bad, is_whole=is_whole) or fitting_column(case, own, bad)
    rests = f"{pairs.size:,} " + ("pairs" if is_whole else f"consecutive pairs of {known.counts.pairs:,}")
    yield from (replace(explanation, check=LOSS_COLUMN_CHECK) for explanation in claimed)
    if not claimed:
        yield f"{NONE_FITS} the losses of these {rests}"
    elif not is_whole:
        yield f"the explanation rests on {rests}"


class ValuePartsReduction(Reduction[ValueParts, ValueParts]):
    """Adds up the losses of every single mistake."""

    state = ValueParts
    needs = frozenset(("losses",))
    holds_pairs = True

    def __init__(self, request: Request) -> None:
        self._request = request

    def add(self, state: ValueParts, measured: Measured) -> ValueParts:
        """Add those of a batch."""
        return state + _parts_of((pairs_of(measured),), self._request)


def _parts_of(parts: Sequence[Pairs], request: Request) -> ValueParts:
    pairs = joined(parts)
    files = [np.full(part.size, part.file) for part in parts]
    groups = pairs.columns["group"] if request.plan.has_groups else np.concatenate(files)
    return value_parts(_case_of(pairs, request), weights=pairs.columns.get("weight"), groups=groups)


def _case_of(pairs: Pairs | None, request: Request) -> Case:
    """Return how the losses of pairs should have come about, or of none where they are not at hand."""
    plan = request.plan
    x1, x2, y = (np.empty(0) if pairs is None else pairs.columns[name] for name in ("x1", "x2", "y"))
    return Case(
        x1,
        x2,
        y,
        plan.loss.margin if pairs is None else pairs.margin,
        plan.loss.name,
        dict(plan.loss.parameters),
        plan.loss.dtype,
        takes_probabilities=plan.rules.labels == "probability",
        margin_from=request.margin_from,
        exchange=f"--scale {-(plan.reading.scale or 1.0)!r}" if plan.has_differences else EXCHANGED,
    )
