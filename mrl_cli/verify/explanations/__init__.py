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
from mrl_cli.verify.verdict import LOSS_COLUMN_CHECK, VALUE_CHECK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.validate import CheckResult, Explanation
    from mrl_cli.verify.pairs import Pairs
    from mrl_cli.verify.verdict import Request, Verdict

    SecondLook = Callable[[Reduction[Any, Any]], Any]  # folds a reduction over the inputs once more

NOT_TRIED = "of more than {:,} pairs, two mistakes at once and means of broadcast losses were not tried"
NONE_FITS = "none of the known mistakes explains"


def claims_of(
    request: Request,
    verdict: Verdict,
    counts: Counts,
    totals: Totals,
    failed: Mapping[str, CheckResult],
    second_look: SecondLook | None,
) -> Iterator[Explanation | str]:
    """Yield what explains the user's losses and value whose checks, by name, have failed, and notes about it.

    `second_look` folds a reduction over the same input; None where that can be read only once.
    """
    if LOSS_COLUMN_CHECK in failed:
        yield from _claims_of_column(request, verdict, counts)
    if VALUE_CHECK not in failed:
        return
    is_whole = bool(verdict.retained) and verdict.retained_pairs == counts.pairs
    if is_whole:
        parts = _parts_of(joined(verdict.retained), request.plan, is_whole=True)
    elif second_look is not None:
        parts = second_look(ValuePartsReduction())
    else:
        yield "the value was not explained: the input can be read only once, and is too long to keep"
        return
    value, weighted = failed[VALUE_CHECK], None
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
    yield from claimed
    if not claimed:
        yield f"{NONE_FITS} the expected value"
    if not claimed and not is_whole:
        yield NOT_TRIED.format(request.most_pairs)


def _claims_of_column(request: Request, verdict: Verdict, counts: Counts) -> Iterator[Explanation | str]:
    plan, pairs = request.plan, joined(verdict.retained)
    own = pairs.columns["loss"]
    bad = compared(pairs.columns["computed"], own, plan.loss.dtype, tolerance=request.allowed).bad
    if bad is None:
        return
    is_whole = pairs.size == counts.pairs
    claimed = explain_column(_case_of(pairs, plan), own, bad, is_whole=is_whole)
    rests = f"{pairs.size:,} " + ("pairs" if is_whole else f"consecutive pairs of {counts.pairs:,}")
    yield from claimed
    if not claimed:
        yield f"{NONE_FITS} the losses of these {rests}"
    elif not is_whole:
        yield f"the explanation rests on {rests}"


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
    return Case(
        x1,
        x2,
        y,
        pairs.margin,
        plan.loss.name,
        dict(plan.loss.parameters),
        plan.loss.dtype,
        takes_probabilities=plan.rules.labels == "probability",
    )
