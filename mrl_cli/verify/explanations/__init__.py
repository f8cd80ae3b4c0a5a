"""Why a user's numbers differ: the known mistakes, tried on the pairs that a validation retained, or in a second look.

`hypotheses` holds the mistakes that change every loss, a row each; `values` those that change how losses become one
value. `columns` and `values` return which of them explain losses or a value, never more than the data can decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.reductions.base import Reduction
from mrl_cli.verify.explanations.columns import explain_column
from mrl_cli.verify.explanations.hypotheses import Case
from mrl_cli.verify.explanations.values import ValueParts, explain_value, value_parts
from mrl_cli.verify.pairs import joined, pairs_of
from mrl_cli.verify.validators import compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.validate import CheckResult, Explanation
    from mrl_cli.verify.pairs import Pairs
    from mrl_cli.verify.verdict import Request, Verdict

    SecondLook = Callable[[Reduction[Any, Any]], Any]  # folds a reduction over the inputs once more
    Claims = tuple[list[Explanation], list[str]]  # what explains the numbers, and notes about it

NOT_TRIED = "of more than {:,} pairs, two mistakes at once and means of broadcast losses were not tried"
NONE_FITS = "none of the known mistakes explains"


def column_claims(request: Request, verdict: Verdict, counts: Counts) -> Claims:
    """Return what explains the user's losses, which differ."""
    plan, pairs = request.plan, joined(verdict.retained)
    own = pairs.columns["loss"]
    bad = compared(pairs.columns["computed"], own, plan.loss.dtype, tolerance=request.allowed).bad
    if bad is None:
        return [], []
    is_whole = pairs.size == counts.pairs
    claimed = explain_column(_case_of(pairs, plan), own, bad, is_whole=is_whole)
    rests = f"{pairs.size:,} " + ("pairs" if is_whole else f"consecutive pairs of {counts.pairs:,}")
    if not claimed:
        return [], [f"{NONE_FITS} the losses of these {rests}"]
    return claimed, [] if is_whole else [f"the explanation rests on {rests}"]


def value_claims(
    request: Request,
    verdict: Verdict,
    counts: Counts,
    totals: Totals,
    value: CheckResult,
    second_look: SecondLook | None,
) -> Claims:
    """Return what explains the user's value, which failed its check.

    `second_look` folds a reduction over the same input; None where that can be read only once.
    """
    untried: list[str] = []
    if verdict.retained and verdict.retained_pairs == counts.pairs:
        parts = _parts_of(joined(verdict.retained), request.plan, is_whole=True)
    elif second_look is not None:
        parts = second_look(ValuePartsReduction())
        untried = [NOT_TRIED.format(request.most_pairs)]
    else:
        return [], ["the value was not explained: the input can be read only once, and is too long to keep"]
    weighted = None
    if totals.loss_sum is not None and totals.weight_sum is not None:
        weighted = float(totals.loss_sum), float(totals.weight_sum)
    claimed = explain_value(
        parts,
        value.got or 0.0,
        request.plan.reporting.reduction,
        request.allowed.atol + request.allowed.rtol * abs(value.expected or 0.0),
        left_out=counts.rejected,
        ties_dropped=counts.ties_dropped,
        weighted=weighted,
    )
    return claimed, [] if claimed else [f"{NONE_FITS} the expected value", *untried]


class ValuePartsReduction(Reduction[ValueParts, ValueParts]):
    """Adds up the losses of every single mistake."""

    state = ValueParts
    needs = frozenset(("losses",))
    holds_pairs = True

    def add(self, state: ValueParts, measured: Measured) -> ValueParts:
        """Add those of a batch."""
        return state + _parts_of(pairs_of(measured), measured.plan, is_whole=False)


def _parts_of(pairs: Pairs, plan: Plan, *, is_whole: bool) -> ValueParts:
    return value_parts(_case_of(pairs, plan), is_whole=is_whole, weights=pairs.columns.get("weight"))


def _case_of(pairs: Pairs, plan: Plan) -> Case:
    """Return how the losses of pairs should have come about."""
    x1, x2, y = (pairs.columns[name] for name in ("x1", "x2", "y"))
    return Case(x1, x2, y, pairs.margin, plan.loss.name, dict(plan.loss.parameters), plan.loss.dtype)
