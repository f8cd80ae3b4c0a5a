"""Numbers of a user's own, which `mrl validate` holds against its figures: their options, and their tolerance."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from mrl_cli.commands.helping import CHECKS
from mrl_cli.commands.options import count, option, refuse_if
from mrl_cli.commands.outputs import report_suffixes
from mrl_cli.commands.run import Run
from mrl_cli.commands.values import number
from mrl_cli.words import harmless, option_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.reports.validate import Validation
    from mrl_cli.verify import Expectation
    from mrl_cli.verify.validators import Tolerance


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


class Expecting(Run):
    """A run that holds numbers of the user's own against its figures."""

    expect: tuple[tuple[str, str], ...] = option(
        "Check your own value under the chosen reduction, or NAME=VALUE for another figure of mrl compute or mrl rank, "
        "such as accuracy=0.718. It is held to the digits it is written with, unless --rtol or --atol is given. "
        "Repeatable.",
        group=CHECKS,
        is_common=True,
        type=expectation,
        multiple=True,
        metavar="[NAME=]VALUE",
    )
    rtol: float | None = option(
        "Relative tolerance for your own numbers.",
        group=CHECKS,
        type=click.FloatRange(min=0),
        metavar="X",
        shown="1e-7; float32: 1.3e-6",
    )
    atol: float | None = option(
        "Absolute tolerance for your own numbers.",
        group=CHECKS,
        type=click.FloatRange(min=0),
        metavar="X",
        shown="1e-7; float32: 1e-5",
    )
    sample: int | None = count(
        "Check only N of the pairs, or of the queries.",
        group=CHECKS,
        shown="all pairs; as many queries as a few seconds allow",
    )
    seed: int = count("Seed that draws the N of --sample.", "S", group=CHECKS, least=0, default=0)

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and tolerances without numbers of the user's own."""
        yield from super().without_effect()
        has_own = bool(self.expect) or self.loss_column is not None
        for name in ("rtol", "atol"):
            message = f"{option_of(name)} goes with numbers of your own, --expect or --loss-column"
            yield name, not has_own and self.inputs, message

    def check(self) -> None:
        """Raise UsageError for Parquet, which has no checks, and for a figure that is expected twice."""
        hint = f"write {report_suffixes(but='.jsonl')}"
        refuse_if(self.written == "parquet", "a validation is not written as Parquet", hint)
        names = [name for name, _ in self.expect]
        twice = next((name for name in names if names.count(name) > 1), None)
        refuse_if(twice is not None, f"--expect of the {harmless(twice)} is given more than once")
        super().check()

    @property
    def tolerance(self) -> Tolerance | None:
        """How far the user's own numbers may be off; None where nothing is said of it."""
        from mrl_cli.verify.validators import TOLERANCES

        if self.rtol is None and self.atol is None:
            return None
        usual = TOLERANCES[self.plan.loss.dtype]
        return usual._replace(
            **{name: given for name in ("rtol", "atol") if (given := getattr(self, name)) is not None}
        )

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """The user's figures. Raises UsageError for one that is not reported under these options."""
        from mrl_cli.commands.conditions import hint_on_missing, refuse_unknown
        from mrl_cli.reports.base import OF_GROUPS
        from mrl_cli.reports.figures import SETTINGS, known_numbers, reported_numbers
        from mrl_cli.verify import Expectation

        plan = self.plan.changed(describes=True)
        reported, known = (
            [name for name in names if name not in SETTINGS and not name.startswith(OF_GROUPS)]
            for names in (reported_numbers(plan), known_numbers(plan))
        )
        for name, _ in self.expect:
            refuse_unknown("--expect", name, known)
            message = f"--expect {name}: this run does not report it"
            refuse_if(name not in reported, message, hint_on_missing(name, reported, plan))
        return tuple(Expectation.of(*one) for one in self.expect)

    def unsaid(self, report: Validation) -> list[str]:
        """Return what rows of checks do not say: rows that were left out, and why a check failed."""
        left_out = [f"note: {self.left_out(report)}"] if report.rejected else []
        leaves_out = self.written in ("csv", "tsv") and not report.passed
        return left_out + (report.statements() if leaves_out else [])

    def passes(self, report: Validation) -> bool:
        """Return whether every check passed."""
        return bool(report.passed)
