"""`mrl validate`: the core against the validators, the user's own numbers against the core, and why they differ."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands import checking, explaining
from mrl_cli.commands.options import (
    ENGINE,
    FORMATS,
    KERNEL,
    MARGIN,
    NOTES,
    OUTPUT,
    PRESET,
    READING,
    Registered,
    number,
    option,
    option_of,
    refuse_if,
)
from mrl_cli.commands.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.compute import Report
    from mrl_cli.reports.validate import CheckResult, Explanation, Validation
    from mrl_cli.verify import Tolerance, Verifier

_SETTINGS = ("loss", "margin", "margin_column", "parameters", "weight_column", "reduction", "dtype", "labels")


class Validate(Run):
    """Check the loss of every pair in INPUT files against an independent validator, and your own numbers against both.

    Where your number differs, the known mistakes are tried on the data, and those that explain it are named. Without
    INPUT, the built-in conformance suite is run. Exit code 1 when a check fails.
    """

    against: tuple[str, ...] = option(
        "--against",
        type=Registered("mrl_cli.verify.validators", "AGAINST"),
        multiple=True,
        help="loop: plain Python, pair by pair. exact: rational numbers. torch: the installed PyTorch. Repeatable.  "
        "[default: loop]",
    )
    expect: float | None = option(
        "--expect", type=number, metavar="VALUE", help="Your own value under the chosen reduction."
    )
    loss_column: str | None = option("--loss-column", metavar="COLUMN", help="Column of your own per-pair losses.")
    rtol: float | None = option(
        "--rtol",
        type=click.FloatRange(min=0),
        metavar="X",
        help="Relative tolerance.  [default: 1e-7; float32: 1.3e-6]",
    )
    atol: float | None = option(
        "--atol", type=click.FloatRange(min=0), metavar="X", help="Absolute tolerance.  [default: 1e-7; float32: 1e-5]"
    )
    sample: int | None = option("--sample", type=click.IntRange(min=1), metavar="N", help="Check N of the pairs only.")
    seed: int = option("--seed", type=click.IntRange(min=0), default=0, help="Which N.")
    format: str = option(
        "-f",
        "--format",
        choices=(*FORMATS, "github"),
        help="auto: by the suffix of -o; else table on a terminal, tsv otherwise.",
    )

    name, epilog = "validate", "Example: mrl validate pairs.csv --margin 0.5"
    names = f"against expect loss_column rtol atol sample seed {MARGIN} {KERNEL} weight reduction {PRESET} {READING}"
    names += f" {ENGINE} {OUTPUT} {NOTES}"
    roles = frozenset(("margin", "weight"))
    needs_mean = False

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        hint = "write .json, .csv, .tsv or .md"
        refuse_if(self.written == "parquet", "a validation is not written as Parquet", hint)
        is_none = self.expect is not None and self.reduction == "none"
        refuse_if(is_none, "--expect is one value, and --reduction none has none", "use --loss-column COLUMN")
        context = click.get_current_context()
        for name in () if self.inputs else context.params:
            is_wrong = name not in _OF_THE_SUITE and _is_given(context, name)
            refuse_if(is_wrong, f"{option_of(name)} goes with INPUT", "name a file, or - for stdin")

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources; the built-in suite has none."""
        return super().resolved() if self.inputs else [()]

    def lines(self, report: Validation) -> list[str]:
        """Return rows left out of the data, and what rows of checks leave out."""
        from mrl_cli.reports.validate import told

        rows = report.rejected + report.pairs
        left_out = [f"note: {report.rejected:,} of {rows:,} rows left out"] if report.rejected else []
        leaves_out = self.inputs and self.written in ("csv", "tsv") and not report.passed
        return left_out + (told(report) if leaves_out else [])

    def summary(self, report: Validation) -> str:
        """Return how much was read and how quickly; the built-in suite reads nothing."""
        seconds = report.elapsed_seconds
        if not self.inputs:
            return ""
        return f"{report.pairs:,} pairs in {seconds:.3f} s ({report.pairs / max(seconds, 1e-9):,.0f} pairs/s)"

    def passes(self, report: Validation) -> bool:
        """Tell whether every check passed."""
        return report.passed

    @property
    def tolerance(self) -> Tolerance:
        """How far the user's own numbers may be off."""
        from mrl_cli.verify import TOLERANCES

        given = {name: getattr(self, name) for name in ("rtol", "atol")}
        usual = TOLERANCES[self.plan.loss.dtype]
        return replace(usual, **{name: value for name, value in given.items() if value is not None})

    def report(self) -> Validation:
        """Return what the validators say of all pairs, or what the built-in suite does."""
        if not self.inputs:
            return _conformance()
        from mrl_cli.reductions.totals import TotalsReduction
        from mrl_cli.reports.compute import compute_report
        from mrl_cli.reports.validate import SCHEMA, Validation
        from mrl_cli.verify import checks_of

        plan, names, verifier = self.plan, self.input_names, self._verifier()
        folded = self.measured(TotalsReduction(), verifier)
        verifier.finish()
        counts, totals = folded.counts, folded.wholes[1]
        found = compute_report(counts, totals, plan, inputs=names, version=__version__, elapsed_seconds=0.0)
        counted_apart, notes = checking.counted_rows(self.sources, plan)
        is_sample = self.sample is not None
        if is_sample:
            notes.append(f"a sample of the {counts.pairs:,} pairs was checked, of seed {self.seed}")
        checks = checks_of(verifier.verdict, counts, found, plan, counted_rows=counted_apart, is_sample=is_sample)
        checks += self._own_value(found)
        explanations = self._explanations(checks, verifier, counts, totals, notes)
        return Validation(
            schema=SCHEMA,
            version=__version__,
            inputs=names,
            **plan.settings(*_SETTINGS),
            passed=all(check.passed for check in checks),
            value=found.value,
            pairs=counts.pairs,
            rejected=counts.rejected,
            ties_dropped=counts.ties_dropped,
            checks=tuple(checks),
            mismatches=verifier.verdict.first_mismatches,
            mismatch_count=verifier.verdict.mismatch_count,
            explanations=tuple(explanations),
            notes=tuple(notes),
            elapsed_seconds=0.0,
        )

    def _verifier(self) -> Verifier:
        from mrl_cli.verify import SampleVerifier, Verifier

        against = tuple(dict.fromkeys(self.against)) or ("loop",)
        if self.sample is None:
            kept = explaining.VALUE_PAIRS if self.expect is not None else 0
            kept = max(kept, explaining.COLUMN_PAIRS) if self.loss_column is not None else kept
            return Verifier(self.plan, against, tolerance=self.tolerance, retained_pairs=kept)
        return SampleVerifier(self.plan, against, tolerance=self.tolerance, size=self.sample, seed=self.seed)

    def _own_value(self, found: Report) -> list[CheckResult]:
        from mrl_cli.verify import number_check

        expect = self.expect
        if expect is None or found.value is None:
            return []
        dtype = self.plan.loss.dtype
        return [number_check("expected value", found.value, expect, found.pairs, dtype, self.tolerance)]

    def _explanations(
        self, checks: Sequence[CheckResult], verifier: Verifier, counts: Counts, totals: Totals, notes: list[str]
    ) -> list[Explanation]:
        """Return what explains the user's own numbers, where they are wrong; `notes` are added to."""
        from mrl_cli.verify import LOSS_COLUMN_CHECK

        failed = checking.failed_checks(checks)
        explainer = explaining.Explainer(self, self.tolerance, verifier.verdict, counts, totals)
        found: list[Explanation] = []
        if self.sample is not None:
            notes += ["explanations rest on consecutive pairs: leave out --sample for them"] if failed else []
            return found
        if LOSS_COLUMN_CHECK in failed:
            explanations, note = explainer.column()
            found += explanations
            notes += [note] if note else []
        value = failed.get("expected value")
        if value is not None and self.expect is not None and value.expected is not None:
            explanations, noted = explainer.value(self.expect, value.expected)
            found += explanations
            notes += noted
        return found


# What the built-in suite takes: how to report it.
_OF_THE_SUITE = {"inputs", "format", "output", "color", "progress", "quiet", "verbose"}


def _conformance() -> Validation:
    """Run the built-in suite."""
    import platform

    import numpy as np

    from mrl_cli.reports.validate import SCHEMA, Validation
    from mrl_cli.verify.conformance import conformance_checks, torch_version

    checks = tuple(conformance_checks())
    settings: dict[str, Any] = dict.fromkeys(_SETTINGS) | {"loss": "margin_ranking"}  # of many settings at once
    place = f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}"
    return Validation(
        schema=SCHEMA,
        version=__version__,
        inputs=(),
        **settings,
        passed=all(check.passed for check in checks),
        value=None,
        pairs=sum(check.pairs for check in checks),
        rejected=0,
        ties_dropped=0,
        checks=checks,
        mismatches=(),
        mismatch_count=sum(check.mismatches for check in checks),
        explanations=(),
        notes=(f"{place}; the vectors are those of PyTorch {torch_version()}",),
        elapsed_seconds=0.0,
    )


def _is_given(context: click.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source in (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


command = Validate.command()
