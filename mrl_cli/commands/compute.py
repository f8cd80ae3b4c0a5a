"""`mrl compute`: options to plan, plan through an engine, result through a renderer."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands import checking, running
from mrl_cli.commands.options import (
    Share,
    cluster_option,
    engine_options,
    group_options,
    input_options,
    jobs_of,
    loss_options,
    notes_options,
    output_options,
    plan_of,
    stacked,
)
from mrl_cli.commands.producers import preset_options, with_preset
from mrl_cli.errors import UsageError
from mrl_cli.model import USUAL_CONFIDENCE
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reductions.look import Look
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.compute import Report


@click.command("compute", epilog="Example: mrl compute pairs.csv --margin 0.5")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@stacked(loss_options, preset_options, input_options, group_options, engine_options, output_options)
@click.option("--confidence", type=Share(), metavar="SHARE", help="Tell intervals of that confidence, such as 0.95.")
@cluster_option
@click.option("--raw", is_flag=True, help="The bare number, full precision.")
@click.option("--keep-columns", is_flag=True, help="Under --reduction none: all input columns first.")
@click.option(
    "--fail-if", multiple=True, metavar="EXPR", help="Exit 1 when e.g. 'value>0.5' or 'accuracy<0.7' holds. Repeatable."
)
@click.option("--validate", is_flag=True, help="Cross-check every loss with the loop validator in the same pass.")
@notes_options
def command(**options: Any) -> int:
    """Compute the loss of the pairs in INPUT files, with counts and ranking statistics.

    INPUT is a file, a quoted glob, a directory, or - for stdin: CSV, TSV, JSON lines, JSON (these also as .gz .bz2 .zst
    .xz), Parquet or Arrow. Without INPUT, stdin is read when something is piped in.
    """
    started = time.monotonic()
    if options["cluster"] and options["confidence"] is None:
        options["confidence"] = USUAL_CONFIDENCE
    plan = plan_of(options).changed(lists_problems=options["rejects"] is not None)
    running.check_stdout()
    is_per_pair = plan.reporting.reduction == "none"
    _check(options, is_per_pair=is_per_pair)
    sources = running.sources_of(options["inputs"], "compute")
    running.refuse_inputs_as_outputs(options, sources)
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        plan, sources = with_preset(plan, options, sources)
        conditions = _conditions(options["fail_if"], plan)
        rejects = running.opened(stack, options["rejects"])
        out = running.output_of(stack, options["output"])
        from mrl_cli.reports.compute import compute_report

        run = _Run(plan, sources, options, rejects, out)
        counts, totals = run.counts, run.totals
        names, seconds = running.input_names(sources), time.monotonic() - started
        report = compute_report(
            counts,
            totals,
            plan,
            look=run.look,
            inputs=names,
            version=__version__,
            elapsed_seconds=seconds,
            ledger=run.ledger,
        )
        if run.cross_check is not None:
            report = replace(report, validation=run.cross_check.record(counts, totals, report, run.ledger))
        if not is_per_pair:
            out.write(_rendered(report, options).encode())
        out.flush()
    _tell(report, run, options)
    broken = [condition for condition in conditions if condition.holds(report)]
    for condition in broken:
        click.echo(f"fail-if: {condition.told(report)}", err=True)
    if report.validation is not None:
        for line in checking.told_failures(report.validation["checks"]):
            click.echo(line, err=True)
        return 1 if broken or not report.validation["passed"] else 0
    return 1 if broken else 0


def _conditions(expressions: Sequence[str], plan: Plan) -> list[Condition]:
    """Return the conditions. Raises UsageError for one on a key that this run will not tell."""
    if not expressions:
        return []
    from mrl_cli.commands.conditions import NUMBERS, parsed_conditions
    from mrl_cli.reports.compute import told_keys

    conditions = parsed_conditions(expressions)
    told = told_keys(plan)
    for condition in conditions:
        if condition.key not in told:
            msg = f"--fail-if {condition.key}: this run does not tell it"
            raise UsageError(msg, hint=f"it tells {', '.join(key for key in NUMBERS if key in told)}")
    return conditions


def _check(options: dict[str, Any], *, is_per_pair: bool) -> None:
    """Raise UsageError for options that only make sense together."""
    if options["keep_columns"] and not is_per_pair:
        msg = "--keep-columns goes with --reduction none"
        raise UsageError(msg)
    if options["weight"] and options["confidence"] is not None:
        msg = "--weight does not go with --confidence or --cluster: these intervals are of unweighted means"
        raise UsageError(msg)
    for option in ("weight", "group_by", "by_file", "confidence"):
        if is_per_pair and options[option]:
            msg = f"--{option.replace('_', '-')} goes with --reduction mean or sum, not with one line a pair"
            raise UsageError(msg)
    if options["raw"] and options["keep_columns"]:
        msg = "--raw and --keep-columns exclude each other"
        raise UsageError(msg)
    running.check_outputs(options)
    output_format = running.output_format(options)
    if is_per_pair and output_format not in ("csv", "tsv", "jsonl", "parquet"):
        msg = f"--reduction none writes one line a pair, which {output_format} does not"
        raise UsageError(msg, hint="use --format csv, tsv or jsonl, or -o FILE.parquet")
    if not is_per_pair and output_format == "parquet":
        msg = "Parquet output goes with --reduction none"
        raise UsageError(msg)


class _Run:
    """One pass over the sources: what it adds up to, rows written, problems written down.

    Raises DataError for problems under fail, and for no pairs.
    """

    def __init__(
        self, plan: Plan, sources: Sequence[Source], options: dict[str, Any], rejects: BinaryIO | None, out: BinaryIO
    ) -> None:
        from mrl_cli.reductions.look import LookReduction
        from mrl_cli.reductions.totals import TotalsReduction

        squares = plan.reporting.confidence is not None and not plan.has_clusters
        self.cross_check = checking.CrossCheck(plan, sources) if options["validate"] else None
        reductions: list[Reduction[Any, Any]] = [TotalsReduction(squares=squares), LookReduction()]
        ledger = rows = None
        if plan.has_groups or plan.has_clusters:
            from mrl_cli.reductions.ledger import LedgerReduction

            ledger = LedgerReduction(squares=squares)
        if plan.reporting.reduction == "none":
            from mrl_cli.reductions.rows import RowsReduction, writer_for

            writer = writer_for(running.output_format(options), out, bare=options["raw"])
            rows = RowsReduction(writer, ends_at_problems=plan.reading.on_error == "fail")
        check = None if self.cross_check is None else self.cross_check.reduction
        others = (ledger, rows, check, *running.rejects_of(rejects, options))
        reductions += [reduction for reduction in others if reduction is not None]
        folded = running.folded(sources, plan, reductions, options)
        self.counts, self.rows_of = folded.counts, folded.rows_of
        self.totals: Totals = folded.wholes[0]
        self.look: Look = folded.wholes[1]
        self.ledger: Ledger | None = None if ledger is None else folded.wholes[2]
        running.refuse(self.counts, plan, sources, self.look)
        if rows is not None:
            rows.close()


def _rendered(report: Report, options: dict[str, Any]) -> str:
    from mrl_cli.render.renderers import RENDERERS
    from mrl_cli.words import number_text

    if options["raw"]:
        return number_text(report.value) + "\n"
    return running.rendered(RENDERERS[running.output_format(options)], report, options)


def _tell(report: Report, run: _Run, options: dict[str, Any]) -> None:
    """Say on stderr what the output alone may not show."""
    if options["quiet"]:
        return
    for note in running.notes_on(report, run.rows_of):
        click.echo(f"note: {note}", err=True)
    if report.ties_dropped and report.reduction == "none":
        click.echo(f"note: {report.ties_dropped:,} ties dropped", err=True)
    for note in report.notes or ():
        click.echo(f"note: {note}", err=True)
    if report.subsets_without_section is not None:
        unknown = report.subsets_without_section
        shown = ", ".join(harmless(name) for name in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        click.echo(f"note: {len(unknown):,} of the subsets are in no section of RewardBench: {shown}", err=True)
    if options["verbose"]:
        seconds = report.elapsed_seconds
        click.echo(
            f"{counted(report.pairs, 'pair')} of {counted(len(report.inputs), 'input')} in {seconds:.3f} s "
            f"({report.pairs / max(seconds, 1e-9):,.0f} pairs/s), {jobs_of(options['jobs'])} jobs, "
            f"engine {options['engine']}; mean {report.mean!r}, sum {report.sum!r}",
            err=True,
        )
