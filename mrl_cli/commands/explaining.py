"""Why the user's numbers differ: from what a validation retained, or from a second look at the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction

if TYPE_CHECKING:
    from mrl_cli.commands.run import Run
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.validate import Explanation
    from mrl_cli.verify import Pairs, Tolerance, Verdict
    from mrl_cli.verify.explanations import Case, Figures

COLUMN_PAIRS = 200_000  # a mistake that is everywhere shows in so many consecutive rows
VALUE_PAIRS = 1_000_000  # up to so many pairs are kept whole; beyond, the files are read again
NOT_TRIED = "of more than {:,} pairs, two mistakes at once and means of broadcast losses were not tried"
NONE_FITS = "none of the known mistakes explains"


@light_dataclass(frozen=True, slots=True)
class Explainer:
    """Explains numbers of one run."""

    run: Run
    tolerance: Tolerance
    verdict: Verdict
    counts: Counts
    totals: Totals

    def column(self) -> tuple[list[Explanation], str]:
        """Return what explains the user's losses, and what there is to note about it."""
        from mrl_cli.verify import compared, joined
        from mrl_cli.verify.explanations import explain_column

        pairs = joined(self.verdict.retained)
        if pairs.column is None:
            return [], ""
        differ = compared(pairs.found, pairs.column, self.run.plan.loss.dtype, tolerance=self.tolerance)
        if differ.bad is None:
            return [], ""
        is_whole = pairs.x1.size == self.counts.pairs
        found = explain_column(case_of(pairs, self.run.plan), pairs.column, differ.bad, is_whole=is_whole)
        rests = f"{pairs.x1.size:,} " + ("pairs" if is_whole else f"consecutive pairs of {self.counts.pairs:,}")
        if not found:
            return [], f"{NONE_FITS} the losses of these {rests}"
        return found, "" if is_whole else f"the explanation rests on {rests}"

    def value(self, expected: float, right: float) -> tuple[list[Explanation], list[str]]:
        """Return what explains the user's value where `right` is right, and notes about it."""
        from mrl_cli.verify import joined
        from mrl_cli.verify.explanations import explain_value, figures_of

        retained = self.verdict.retained
        untried: list[str] = []
        if retained and sum(pairs.x1.size for pairs in retained) == self.counts.pairs:
            pairs = joined(retained)
            case = case_of(pairs, self.run.plan)
            figures = figures_of(case, is_whole=True, with_doubles=True, weights=pairs.weight)
        elif all(source.is_plain_file for source in self.run.sources):
            figures = self._second_look()
            untried = [NOT_TRIED.format(VALUE_PAIRS)]
        else:
            return [], ["the value was not explained: the input can be read only once, and is too long to keep"]
        totals = self.totals
        weighted = None
        if totals.loss_sum is not None and totals.weight_sum is not None:
            weighted = float(totals.loss_sum), float(totals.weight_sum)
        room = self.tolerance.atol + self.tolerance.rtol * abs(right)
        found = explain_value(
            figures,
            expected,
            self.run.plan.reporting.reduction,
            room,
            left_out=self.counts.rejected,
            ties_dropped=self.counts.ties_dropped,
            weighted=weighted,
        )
        return found, [] if found else [f"{NONE_FITS} the expected value", *untried]

    def _second_look(self) -> Figures:
        """Read the files again, for the figures of every mistake: combinations of two are left out there."""
        whole: Figures = self.run.fold([FiguresReduction()]).wholes[0]
        return whole


class FiguresReduction(Reduction["Figures", "Figures"]):
    """Adds up the figures of every single mistake."""

    needs = frozenset(("losses",))

    def empty(self) -> Figures:
        """Return the figures of no pairs."""
        from mrl_cli.verify.explanations import Figures

        return Figures()

    def add(self, state: Figures, measured: Measured) -> Figures:
        """Add those of a batch."""
        from mrl_cli.verify.explanations import figures_of
        from mrl_cli.verify.validators import pairs_of

        pairs = pairs_of(measured)
        case = case_of(pairs, measured.plan)
        return state + figures_of(case, is_whole=False, with_doubles=False, weights=pairs.weight)


def case_of(pairs: Pairs, plan: Plan) -> Case:
    """Return how the losses of pairs should have come about."""
    from mrl_cli.verify.explanations import Case

    return Case(
        pairs.x1,
        pairs.x2,
        pairs.y,
        pairs.margin,
        loss=plan.loss.name,
        parameters=dict(plan.loss.parameters),
        dtype=plan.loss.dtype,
    )
