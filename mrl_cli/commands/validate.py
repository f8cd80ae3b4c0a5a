"""`mrl validate`: check every loss against an independent validator, and your own numbers against both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mrl_cli.commands.options import (
    FORMAT_HELP,
    Registered,
    column,
    number,
    option,
    option_of,
    refuse_if,
)
from mrl_cli.commands.outputs import report_suffixes
from mrl_cli.commands.suite import RunOnSuite
from mrl_cli.errors import UsageError
from mrl_cli.render import format_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.inputs import Source
    from mrl_cli.reports.validate import Validation


class Validate(RunOnSuite):
    """Check the loss of every pair in INPUT files against an independent validator, and your own numbers against both.

    Where your number differs, the known mistakes are tried on the data, and those that explain it are named. Without
    INPUT, the built-in conformance suite is run, on mrl itself or on --function. Exit code 1 when a check fails.
    """

    against: tuple[str, ...] = option(
        "loop: plain Python, pair by pair. exact: rational numbers. torch: the installed PyTorch. Repeatable.  "
        "[default: loop]",
        type=Registered("mrl_cli.verify.validators", "AGAINST"),
        multiple=True,
    )
    expect: float | None = option("Your own value under the chosen reduction.", type=number, metavar="VALUE")
    loss_column: str | None = column("Column of your own per-pair losses.")
    sample: int | None = option("Check N of the pairs only.", type=click.IntRange(min=1), metavar="N")
    seed: int = option("Which N.", type=click.IntRange(min=0), default=0)
    format: str = option(FORMAT_HELP, "-f", choices=("auto", *format_names(with_annotations=True)))

    name, epilog = "validate", "Example: mrl validate pairs.csv --margin 0.5"
    names = (
        "against expect loss_column function cases rtol atol sample seed MARGIN KERNEL weight reduction PRESET READING "
        "SCORES"
    )
    names += " ENGINE OUTPUT NOTES"
    roles = frozenset(("margin", "weight"))
    needs_mean = False

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what only some checks make use of."""
        yield from super().without_effect()
        yield "seed", self.sample is None and self.inputs, "--seed goes with --sample"
        has_own = self.expect is not None or self.loss_column is not None
        for name in ("rtol", "atol"):
            message = f"{option_of(name)} goes with numbers of your own, --expect or --loss-column"
            yield name, not has_own and self.inputs, message

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if self.written == "parquet":
            raise UsageError("a validation is not written as Parquet", hint=f"write {report_suffixes(but='.jsonl')}")
        is_none = self.expect is not None and self.reduction == "none"
        hint = "use --loss-column COLUMN in place of --expect"
        refuse_if(is_none, "--expect is one value, and --reduction none has none", hint)
        super().check()

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources; the built-in suite has none. A file of its pairs has a column of margins."""
        if not self.inputs:
            return [()]
        sides = super().resolved()
        is_open = self.margin is None and self.margin_column is None and self.preset is None
        if self.loss_column is not None and is_open and sides[0]:
            from mrl_cli.verify import casefile

            self.plan = casefile.with_margins(self.plan, sides[0][0])
        return sides

    def lines(self, report: Validation) -> list[str]:
        """Return rows left out of the data, and what rows of checks leave out."""
        rows = report.rejected + report.pairs
        left_out = [f"note: {report.rejected:,} of {rows:,} rows left out"] if report.rejected else []
        leaves_out = (self.inputs or self.function) and self.written in ("csv", "tsv") and not report.passed
        wrote = [f"note: {report.notes[-1]}"] if self.cases and self.written in ("csv", "tsv") else []
        if self.margin_column is None and self.preset is None and self.plan.columns.name_of("margin") is not None:
            left_out.append("note: margins are those of the column margin, as in every file of --cases")
        return left_out + wrote + (report.sentences() if leaves_out else [])

    def summary(self, report: Validation) -> str:
        """Return how much was read and how quickly; the built-in suite reads nothing."""
        seconds = report.elapsed_seconds
        if not self.inputs:
            return ""
        return f"{report.pairs:,} pairs in {seconds:.3f} s ({report.pairs / max(seconds, 1e-9):,.0f} pairs/s)"

    def passes(self, report: Validation) -> bool:
        """Return whether every check passed."""
        return bool(report.passed)

    def report(self) -> Validation:
        """Return the verdict of the validators on all pairs, or of the built-in suite."""
        if not self.inputs:
            return self.suite_report()
        from mrl_cli.reductions.totals import TotalsReduction
        from mrl_cli.reports.compute import report_of
        from mrl_cli.verify import Request, validation_of, verifier_of

        against = tuple(dict.fromkeys(self.against)) or ("loop",)
        request = Request(self.plan, against, self.tolerance, self.expect, self.sample, self.seed)
        verifier = verifier_of(request)
        folded = self.measured(TotalsReduction(), verifier)
        counts, (_, totals, whole, *_) = folded.counts, folded.wholes
        report = report_of(folded, self.plan, inputs=self.input_names)
        may_read_again = all(source.is_plain_file for source in self.sources)
        second_look = (lambda reduction: self.fold([reduction]).wholes[0]) if may_read_again else None
        verdict = verifier.settled(whole)
        return validation_of(request, verdict, counts, totals, report, self.sources, second_look=second_look)


command = Validate.command()
