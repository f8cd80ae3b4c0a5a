"""`mrl validate`: check every loss against an independent validator, and your own numbers against both."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from mrl_cli.commands.options import FORMAT_HELP, column, flag, option, refuse_if
from mrl_cli.commands.outputs import report_suffixes
from mrl_cli.commands.suite import RunOnSuite
from mrl_cli.commands.values import Registered, number
from mrl_cli.errors import UsageError
from mrl_cli.render import format_names
from mrl_cli.words import harmless, option_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan, Role
    from mrl_cli.reports.validate import Validation
    from mrl_cli.verify import Expectation


def expectation(text: str) -> tuple[str, str]:
    """Return the name of a figure, and a finite number as it is written; the name may be left out for the value."""
    name, sign, written = text.rpartition("=")
    if sign and not name.strip():
        raise click.BadParameter(f"{text!r} is not VALUE or NAME=VALUE.")
    number(written)
    try:
        Decimal(written)
    except ArithmeticError:  # an exponent of very many digits
        raise click.BadParameter(f"{written!r} has an exponent out of bounds.") from None
    return name.strip() or "value", written.strip()


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
    expect: tuple[tuple[str, str], ...] = option(
        "Your own value under the chosen reduction, or NAME=VALUE for another figure of mrl compute, such as "
        "accuracy=0.718. Repeatable. It is held to the digits it is written with, unless --rtol or --atol is given.",
        type=expectation,
        multiple=True,
        metavar="[NAME=]VALUE",
    )
    loss_column: str | None = column("Column of your own per-pair losses.")
    group_by: tuple[str, ...] = column(
        "Check the figures of each group too. Repeatable: groups are combinations.", multiple=True
    )
    by_file: bool = flag("Check the figures of each file too.")
    sample: int | None = option("Check N of the pairs only.", type=click.IntRange(min=1), metavar="N")
    seed: int = option("Which N.", type=click.IntRange(min=0), default=0)
    format: str = option(FORMAT_HELP, "-f", choices=("auto", *format_names(with_annotations=True)))

    name, epilog = "validate", "Example: mrl validate pairs.csv --margin 0.5"
    names = (
        "against expect loss_column function cases rtol atol sample seed MARGIN KERNEL weight reduction PRESET READING "
        "SCORES"
    )
    names += " group_by by_file confidence cluster ENGINE OUTPUT NOTES"
    needs_mean = False

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what only some checks make use of."""
        yield from super().without_effect()
        yield "seed", self.sample is None and self.inputs, "--seed goes with --sample"
        has_own = bool(self.expect) or self.loss_column is not None
        for name in ("rtol", "atol"):
            message = f"{option_of(name)} goes with numbers of your own, --expect or --loss-column"
            yield name, not has_own and self.inputs, message

    @property
    def _needed(self) -> set[str]:
        """What the figures that are expected need of a plan."""
        from mrl_cli.reports.figures import FIGURES

        keys = {name.partition(".")[0] for name, _ in self.expect}
        return {figure.needs for figure in FIGURES if figure.key in keys}

    @property
    def roles(self) -> frozenset[Role]:  # type: ignore[override]
        """The roles of a preset's columns that are read: its groups only where a figure of groups is expected."""
        has_groups = self._needed & {"group_by", "sections"}
        return frozenset(("margin", "weight", "group") if has_groups else ("margin", "weight"))

    def planned(self) -> Plan:
        """Return the plan that the options say; scores and differences are described where that is expected."""
        described = {"describes", "describes pairs", "describes_scores"}
        return super().planned().changed(describes=not described.isdisjoint(self._needed))

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if self.written == "parquet":
            raise UsageError("a validation is not written as Parquet", hint=f"write {report_suffixes(but='.jsonl')}")
        names = [name for name, _ in self.expect]
        hint = "use --loss-column COLUMN in place of --expect"
        is_none = "value" in names and self.reduction == "none"
        refuse_if(is_none, "--expect is one value, and --reduction none has none", hint)
        twice = next((name for name in names if names.count(name) > 1), None)
        refuse_if(twice is not None, f"--expect of the {harmless(twice)} is given more than once")
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
        from mrl_cli.reports.compute import compute_reductions, report_of
        from mrl_cli.verify import Expectation, Request, validation_of, verifier_of

        against = tuple(dict.fromkeys(self.against)) or ("loop",)
        expected = tuple(Expectation.of(*one) for one in self.expect)
        self._check_are_reported(expected)
        request = Request(
            self.plan, against, self.tolerance, expected, self.sample, self.seed, margin_from=self._margin_from
        )
        verifier, reductions = verifier_of(request), compute_reductions(self.plan)
        folded = self.measured(*reductions, verifier)
        totals, verdict = folded.wholes[1], verifier.settled(folded.wholes[1 + len(reductions)])
        ledger = folded.wholes[len(reductions)] if self.plan.has_keys else None
        report = report_of(folded, self.plan, inputs=self.input_names)
        may_read_again = all(source.is_plain_file for source in self.sources)
        second_look = (lambda reduction: self.fold([reduction]).wholes[0]) if may_read_again else None
        return validation_of(
            request, verdict, folded.counts, totals, report, self.sources, ledger=ledger, second_look=second_look
        )

    @property
    def _margin_from(self) -> str | None:
        """The option that margins come from; None where none was given, as under a preset that has a column of them."""
        options = {
            "--margin": self.margin is not None,
            "--margin-column": self.margin_column is not None,
            "--strength margin": self.strength == "margin",
        }
        return next((option for option, is_theirs in options.items() if is_theirs), None)

    def _check_are_reported(self, expected: Iterable[Expectation]) -> None:
        """Raise UsageError for a figure that is not reported under these options."""
        from mrl_cli.commands.conditions import refuse_unknown
        from mrl_cli.reports.base import OF_GROUPS
        from mrl_cli.reports.figures import PAIR_NUMBERS, SETTINGS, reported_numbers

        reported, known = (
            [name for name in names if name not in (*SETTINGS, "elapsed_seconds") and not name.startswith(OF_GROUPS)]
            for names in (reported_numbers(self.plan.changed(describes=True)), PAIR_NUMBERS)
        )
        for name in (one.name for one in expected):
            refuse_unknown("--expect", name, known)
            message = f"--expect {name}: this run does not report it"
            refuse_if(name not in reported, message, f"it reports {', '.join(reported)}")


command = Validate.command()
