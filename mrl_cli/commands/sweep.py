"""`mrl sweep`: the loss for many margins, in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.helping import LOSS
from mrl_cli.commands.kinds import RunOnLists, RunOnPairs, command_of
from mrl_cli.commands.options import Options, option, varied
from mrl_cli.commands.run import Run
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from mrl_cli.commands.ranked import Ranked
    from mrl_cli.model import ReductionName
    from mrl_cli.reports.plots import Plot
    from mrl_cli.reports.sweep import SweepReport

MOST_MARGINS = 100_000  # a kilobyte or two each, in the report
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def margins(text: str) -> tuple[float, ...]:
    """Return numbers and ranges START:STOP:STEP, separated by commas; a range holds its stop where a step hits it.

    Steps are decimal, so 0:0.3:0.1 is 0, 0.1, 0.2 and 0.3, each the double that is written so.
    """
    values: list[float] = []
    for entry in text.split(","):
        try:
            values += _range(entry, MOST_MARGINS - len(values))
        except ValueError as error:
            raise click.BadParameter(f"'{harmless(entry)}': {error}.") from None
        except OverflowError:
            raise click.BadParameter(f"'{harmless(entry)}' is beyond what a double holds.") from None
    return tuple(values)


def _range(text: str, most: int) -> Iterator[float]:
    """Return the margins of one entry. Raises ValueError for an entry that has none, and for more than `most`."""
    start, *rest = map(_number, text.split(":"))
    if len(rest) not in (0, 2):
        raise ValueError("neither a number nor START:STOP:STEP")
    stop, step = rest or (start, _number("1"))
    if step == 0:
        raise ValueError("a step of 0 leads nowhere")
    count = int((stop - start) // step) + 1
    if count < 1:
        raise ValueError("the step leads away from the stop")
    if count > most:
        raise ValueError(f"there are more than {MOST_MARGINS:,} margins")
    return (float(start + index * step) + 0.0 for index in range(count))  # -0.0 becomes 0.0


def _number(text: str) -> Fraction:
    from fractions import Fraction  # its sums are exact, and its float is the nearest

    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError("not a number")
    return Fraction(text.strip())


class _Drawn(Run):
    """A run whose margins are drawn."""

    def pictures(self, report: Any) -> dict[str, Plot]:
        """Return the loss and the active share by margin."""
        from mrl_cli.reports.pictures import curves_of_points

        return {"margins": curves_of_points(report.points)}

    def summary(self, report: Any) -> str:
        """Return how much was read and how quickly."""
        rows = report.record().get("rows")  # of lists
        read = f"{counted(report.pairs, 'pair')} of {counted(len(report.inputs), 'input')}"
        read += f" at {counted(len(report.points), 'margin')} in {self.seconds:.3f} s, {self.workers}"
        of_lists = rows and f"{counted(rows, 'row')}, {counted(report.queries, 'query', 'queries')} and "
        return f"{of_lists or ''}{read}"


class MarginSweep(_Drawn, RunOnPairs):
    """Compute the loss of the pairs in INPUT files for many margins, in one pass.

    For each margin: the loss (mean and sum), and the shares of pairs with a loss above 0 and with a gradient. A hinge
    loss takes little longer for a thousand margins than for one. INPUT is what `mrl compute` reads, or, where an option
    of ranked lists is given such as --query, what `mrl rank` reads: then over all pairs of each list.
    """

    margins: tuple[float, ...] = option(
        "Numbers and ranges START:STOP:STEP of margins, such as 0,0.5 or 0:2:0.1. Required.",
        group=LOSS,
        is_common=True,
        type=margins,
        required=True,
        metavar="LIST",
    )
    reduction: ReductionName = varied(
        Options.reduction,
        "What the value of a margin is; of lists also the mean over queries of their means.",
        choices=("mean", "sum", "query-mean"),
    )

    name = "sweep"
    examples = (
        "mrl sweep pairs.csv --margins 0:2:0.1",
        "mrl sweep pairs.csv --margins 0,0.5,1 --loss squared_hinge --format json",
        "mrl sweep lists.csv --query query --margins 0:2:0.25",
    )
    names = "margins weight KERNEL PRESET reduction READING SCORES ENGINE OUTPUT plot save_plot NOTES"
    roles = frozenset(("weight",))

    def report(self) -> SweepReport:
        """Return the report on all margins."""
        from mrl_cli.reductions.curve import CurveReduction
        from mrl_cli.reductions.totals import WeightReduction
        from mrl_cli.reports.sweep import sweep_report

        plan = self.plan
        how = plan.loss.name, self.margins, plan.loss.dtype, dict(plan.loss.parameters)
        sweep = CurveReduction(*how, takes_probabilities=plan.rules.labels == "probability")
        folded = self.measured(sweep, WeightReduction())
        return sweep_report(sweep, folded, self.margins, plan, self.input_names)


class ListSweep(_Drawn, RunOnLists):
    """Compute the loss of ranked lists for many margins, in one reading."""

    margins: tuple[float, ...] = MarginSweep.margins

    name = MarginSweep.name
    names = "margins ITEMS loss param reduction lambda_weight top weight query_weight CELLS memory ENGINE OUTPUT"
    names += " plot save_plot NOTES"

    def report(self) -> SweepReport:  # type: ignore[override]
        """Return the report on all margins."""
        from mrl_cli.reductions.listcurve import ListCurveConsumer
        from mrl_cli.reports.rank import list_sweep_report

        self._consumer = ListCurveConsumer(self.plan, self.margins)
        ranked = self.ranked(lambda: self._consumer)
        points = self._consumer.points(ranked.result)
        return list_sweep_report(points, ranked.counts, self.plan, self.input_names, ranked.look)

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError where no list has a pair."""
        from mrl_cli.reports.rank import refuse_no_mean

        point = self._consumer.points(ranked.result)[0]
        refuse_no_mean(point.counts, point.sums, ranked.look, self.plan)


command = command_of(MarginSweep, ListSweep)
