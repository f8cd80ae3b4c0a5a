"""`mrl validate`: the core against the validators, the user's own numbers against the core, and why they differ."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands import checking, explaining, running
from mrl_cli.commands.options import (
    FORMATS,
    FiniteNumber,
    Registered,
    engine_options,
    input_options,
    loss_options,
    notes_options,
    output_options_for,
    plan_of,
    stacked,
)
from mrl_cli.commands.producers import preset_options, with_preset
from mrl_cli.errors import UsageError
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.compute import Report
    from mrl_cli.reports.validate import CheckResult, Explanation, Validation
    from mrl_cli.verify import Tolerance, Verifier


_SETTINGS = ("loss", "margin", "margin_column", "parameters", "weight_column", "reduction", "dtype", "labels")


@click.command("validate", epilog="Example: mrl validate pairs.csv --margin 0.5")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option(
    "--against",
    type=Registered("mrl_cli.verify.validators", "AGAINST"),
    multiple=True,
    help="loop: plain Python, pair by pair. exact: rational numbers. torch: the installed PyTorch. Repeatable.  "
    "[default: loop]",
)
@click.option("--expect", type=FiniteNumber(), metavar="VALUE", help="Your own value under the chosen reduction.")
@click.option("--loss-column", metavar="COLUMN", help="Column of your own per-pair losses.")
@click.option(
    "--rtol", type=click.FloatRange(min=0), metavar="X", help="Relative tolerance.  [default: 1e-7; float32: 1.3e-6]"
)
@click.option(
    "--atol", type=click.FloatRange(min=0), metavar="X", help="Absolute tolerance.  [default: 1e-7; float32: 1e-5]"
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Check N of the pairs only.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which N.")
@stacked(
    loss_options, preset_options, input_options, engine_options, output_options_for((*FORMATS, "github")), notes_options
)
def command(**options: Any) -> int:
    """Check the loss of every pair in INPUT files against an independent validator, and your own numbers against both.

    Where your number differs, the known mistakes are tried on the data, and those that explain it are named. Without
    INPUT, the built-in conformance suite is run. Exit code 1 when a check fails.
    """
    started = time.monotonic()
    running.check_stdout()
    _check(options)
    if not options["inputs"]:
        return _conformance(options, started)
    sources = running.sources_of(options["inputs"], "validate")
    running.refuse_inputs_as_outputs(options, sources)
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        request, sources = _request(options, sources)
        rejects = running.opened(stack, options["rejects"])
        out = running.output_of(stack, options["output"])
        validation = _Validating(request, sources, options).validation(rejects, started)
        out.write(_rendered(validation, options).encode())
        out.flush()
    _tell(validation, options)
    return 0 if validation.passed else 1


def _tell(validation: Validation, options: dict[str, Any]) -> None:
    """Say on stderr what the output does not show: what rows of checks leave out, and rows left out of the data."""
    if options["quiet"]:
        return
    if validation.rejected:
        rows = validation.rejected + validation.pairs
        click.echo(f"note: {validation.rejected:,} of {rows:,} rows left out", err=True)
    if running.output_format(options) in ("csv", "tsv") and not validation.passed:
        from mrl_cli.reports.validate import told

        for line in told(validation):
            click.echo(line, err=True)
    if options["verbose"]:
        seconds = validation.elapsed_seconds
        rate = validation.pairs / max(seconds, 1e-9)
        click.echo(f"{validation.pairs:,} pairs in {seconds:.3f} s ({rate:,.0f} pairs/s)", err=True)


def _conformance(options: dict[str, Any], started: float) -> int:
    """Run the built-in suite and tell of it."""
    import platform

    import numpy as np

    from mrl_cli.reports.validate import SCHEMA, Validation
    from mrl_cli.verify.conformance import conformance_checks, torch_version

    checks = tuple(conformance_checks())
    settings: dict[str, Any] = dict.fromkeys(_SETTINGS) | {"loss": "margin_ranking"}  # of many settings at once
    place = f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}"
    validation = Validation(
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
        elapsed_seconds=time.monotonic() - started,
    )
    with ExitStack() as stack:
        out = running.output_of(stack, options["output"])
        out.write(_rendered(validation, options).encode())
        out.flush()
    return 0 if validation.passed else 1


def _check(options: dict[str, Any]) -> None:
    """Raise UsageError for options that only make sense together."""
    running.check_outputs(options)
    if running.output_format(options) == "parquet":
        raise UsageError("a validation is not written as Parquet", hint="write .json, .csv, .tsv or .md")
    if options["expect"] is not None and options["reduction"] == "none":
        raise UsageError("--expect is one value, and --reduction none has none", hint="use --loss-column COLUMN")
    if not options["inputs"]:
        context = click.get_current_context()
        given = [name for name in options if name not in _OF_THE_SUITE and _is_given(context, name)]
        if given:
            raise UsageError(f"--{given[0].replace('_', '-')} goes with INPUT", hint="name a file, or - for stdin")


# What the built-in suite takes: how to tell of it.
_OF_THE_SUITE = {"inputs", "format", "output", "color", "progress", "quiet", "verbose"}


def _is_given(context: click.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source in (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


@light_dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for: the plan as the user means it, the validators, and the user's own numbers."""

    plan: Plan
    against: tuple[str, ...]
    tolerance: Tolerance
    expect: float | None
    loss_column: str | None


def _request(options: dict[str, Any], sources: Sequence[Source]) -> tuple[_Request, tuple[Source, ...]]:
    """Return what is asked for, and the sources to read from now on."""
    from mrl_cli.verify import TOLERANCES

    plan = plan_of(options).changed(lists_problems=options["rejects"] is not None)
    if options["loss_column"] is not None:
        numbers = (*plan.columns.numbers, ("loss", options["loss_column"]))
        plan = plan.changed(columns=replace(plan.columns, numbers=numbers))
    # Groups and intervals are no matter of a validation, so a preset need not find columns for them.
    plan, sources = with_preset(plan, options | {"group_by": None, "by_file": True, "confidence": None}, sources)
    given = {name: options[name] for name in ("rtol", "atol") if options[name] is not None}
    against = tuple(dict.fromkeys(options["against"])) or ("loop",)
    tolerance = replace(TOLERANCES[plan.loss.dtype], **given)
    return _Request(plan, against, tolerance, options["expect"], options["loss_column"]), sources


class _Validating:
    """One validation: the pass over the sources, and what comes of it."""

    def __init__(self, request: _Request, sources: Sequence[Source], options: dict[str, Any]) -> None:
        self._request = request
        self._sources = sources
        self._options = options

    def validation(self, rejects: BinaryIO | None, started: float) -> Validation:
        """Read all sources and return what was found; problems go to `rejects`, `started` is when the run began."""
        from mrl_cli.reports.compute import compute_report
        from mrl_cli.reports.validate import SCHEMA, Validation
        from mrl_cli.verify import checks_of

        plan = self._request.plan
        verifier = self._verifier()
        counts, totals = self._pass(verifier, rejects)
        names = running.input_names(self._sources)
        found = compute_report(counts, totals, plan, inputs=names, version=__version__, elapsed_seconds=0.0)
        counted_apart, notes = checking.counted_rows(self._sources, plan)
        is_sample = self._options["sample"] is not None
        if is_sample:
            notes.append(f"a sample of the {counts.pairs:,} pairs was checked, of seed {self._options['seed']}")
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
            elapsed_seconds=time.monotonic() - started,
        )

    def _verifier(self) -> Verifier:
        from mrl_cli.verify import SampleVerifier, Verifier

        request, size = self._request, self._options["sample"]
        if size is None:
            kept = explaining.VALUE_PAIRS if request.expect is not None else 0
            kept = max(kept, explaining.COLUMN_PAIRS) if request.loss_column is not None else kept
            return Verifier(request.plan, request.against, tolerance=request.tolerance, retained_pairs=kept)
        return SampleVerifier(
            request.plan, request.against, tolerance=request.tolerance, size=size, seed=self._options["seed"]
        )

    def _pass(self, verifier: Verifier, rejects: BinaryIO | None) -> tuple[Counts, Totals]:
        from mrl_cli.reductions.look import LookReduction
        from mrl_cli.reductions.totals import TotalsReduction

        plan = self._request.plan
        reductions: list[Reduction[Any, Any]] = [TotalsReduction(), LookReduction(), verifier]
        folded = running.folded(
            self._sources, plan, [*reductions, *running.rejects_of(rejects, self._options)], self._options
        )
        verifier.finish()
        running.refuse(folded.counts, plan, self._sources, folded.wholes[1], wants_mean=False)
        return folded.counts, folded.wholes[0]

    def _own_value(self, found: Report) -> list[CheckResult]:
        from mrl_cli.verify import number_check

        expect = self._request.expect
        if expect is None or found.value is None:
            return []
        plan, tolerance = self._request.plan, self._request.tolerance
        return [number_check("expected value", found.value, expect, found.pairs, plan.loss.dtype, tolerance)]

    def _explanations(
        self, checks: Sequence[CheckResult], verifier: Verifier, counts: Counts, totals: Totals, notes: list[str]
    ) -> list[Explanation]:
        """Return what explains the user's own numbers, where they are wrong; `notes` are added to."""
        from mrl_cli.verify import LOSS_COLUMN_CHECK

        failed = checking.failed_checks(checks)
        request = self._request
        explainer = explaining.Explainer(
            request.plan, request.tolerance, self._sources, self._options, verifier.verdict, counts, totals
        )
        found: list[Explanation] = []
        if self._options["sample"] is not None:
            notes += ["explanations rest on consecutive pairs: leave out --sample for them"] if failed else []
            return found
        if LOSS_COLUMN_CHECK in failed:
            explanations, note = explainer.column()
            found += explanations
            notes += [note] if note else []
        value = failed.get("expected value")
        if value is not None and request.expect is not None and value.expected is not None:
            explanations, noted = explainer.value(request.expect, value.expected)
            found += explanations
            notes += noted
        return found


def _rendered(validation: Validation, options: dict[str, Any]) -> str:
    from mrl_cli.reports.validate import VALIDATION_RENDERERS

    return running.rendered(VALIDATION_RENDERERS[running.output_format(options)], validation, options)
