"""`mrl compare`: two models on the same pairs, in one file or in two."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands import running
from mrl_cli.commands.options import (
    Share,
    cluster_option,
    engine_options,
    input_options,
    jobs_of,
    notes_options,
    output_options,
    pair_loss_options,
    plan_of,
    stacked,
)
from mrl_cli.commands.producers import preset_option, with_preset
from mrl_cli.errors import UsageError
from mrl_cli.model import MOST_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan, Role
    from mrl_cli.reports.compare import ComparisonReport


@click.command("compare", epilog="Example: mrl compare a.csv b.csv --key id --margin 0.5")
@click.argument("inputs", nargs=-1, metavar="[A] [B]")
@click.option("--x1-b", metavar="COLUMN", help="Column of b's first score.  [in two files: as --x1]")
@click.option("--x2-b", metavar="COLUMN", help="Column of b's second score.  [in two files: as --x2]")
@click.option("--key", metavar="COLUMN", help="Two files: match the pairs by this column.")
@click.option("--by-row", is_flag=True, help="Two files: match the first row with the first, and so on.")
@click.option(
    "--unmatched",
    type=click.Choice(["error", "drop"]),
    default="error",
    show_default=True,
    help="Under --key, pairs that one file lacks: stop, or leave out and count.",
)
@cluster_option
@click.option("--confidence", type=Share(), default=0.95, show_default=True, help="Of every interval.")
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0, max=MOST_SAMPLES),
    default=1000,
    show_default=True,
    metavar="SAMPLES",
    help="Samples of the paired bootstrap; 0: none.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@stacked(pair_loss_options, preset_option, input_options, engine_options, output_options)
@click.option(
    "--fail-if",
    multiple=True,
    metavar="EXPR",
    help="Exit 1 when e.g. 'difference.low>0' holds: the interval has a's loss higher. Repeatable.",
)
@notes_options
def command(**options: Any) -> int:
    """Compare two models, a and b, on the same pairs: by loss and by accuracy.

    One INPUT with the scores of both: name b's with --x1-b and --x2-b. Two INPUTs, A and B: say how their pairs belong
    together with --key COLUMN, or with --by-row. Whether the models differ is told by the interval of the difference,
    a's less b's: where it leaves 0 out, they do. Bars around each model's own mean may overlap even so.
    """
    started = time.monotonic()
    plan = plan_of(options).changed(lists_problems=options["rejects"] is not None)
    running.check_stdout()
    _check(options)
    running.check_outputs(options)
    conditions = _conditions(options)
    with ExitStack() as stack:
        sides = _sides(options)
        for source in (source for side in sides for source in side):
            stack.callback(source.close)
        running.refuse_inputs_as_outputs(options, [source for side in sides for source in side])
        rejects = running.opened(stack, options["rejects"])
        out = running.output_of(stack, options["output"])
        plan, sides[0] = _with_preset(plan, options, sides[0])
        report, notes = _compared(sides, _plan_with_columns(plan, options), options, rejects)
        report = replace(report, elapsed_seconds=time.monotonic() - started)
        out.write(_rendered(report, options).encode())
        out.flush()
    _tell(report, notes, options)
    broken = [condition for condition in conditions if condition.holds(report)]
    for condition in broken:
        click.echo(f"fail-if: {condition.told(report)}", err=True)
    return 1 if broken else 0


def _check(options: dict[str, Any]) -> None:
    """Raise UsageError for options that only make sense together."""
    files = len(options["inputs"])
    if files > 2:
        msg = f"compare takes one INPUT or two, not {files}"
        raise UsageError(msg, hint="many files of one model: name them by a quoted glob, or by their folder")
    if running.output_format(options) == "parquet":
        msg = "compare writes no Parquet"
        raise UsageError(msg, hint="write .json, .jsonl, .csv, .tsv or .md")
    matching = [f"--{name.replace('_', '-')}" for name in ("key", "by_row") if options[name]]
    if files == 2:
        _check_two(options, matching)
        return
    if matching or options["unmatched"] == "drop":
        msg = f"{(matching or ['--unmatched'])[0]} goes with two INPUTs, one for each model"
        raise UsageError(msg, hint="mrl compare a.csv b.csv --key COLUMN")
    if options["x1_b"] is None or options["x2_b"] is None:
        msg = "compare needs the scores of two models"
        raise UsageError(msg, hint="both in one file: --x1-b COLUMN --x2-b COLUMN; in two: a.csv b.csv --key COLUMN")


def _check_two(options: dict[str, Any], matching: list[str]) -> None:
    if len(matching) != 1:
        msg = (
            "--key and --by-row exclude each other"
            if matching
            else "how do the pairs of the two files belong together?"
        )
        raise UsageError(msg, hint="--key COLUMN matches them by a column, --by-row the first row with the first")
    if options["by_row"] and options["unmatched"] == "drop":
        msg = "--unmatched goes with --key"
        raise UsageError(msg)
    if options["by_row"] and options["on_error"] == "skip":
        msg = "--by-row and --on-error skip exclude each other: rows left out in one file would shift the others"
        raise UsageError(msg, hint="match the pairs by a column, with --key COLUMN")


def _conditions(options: dict[str, Any]) -> list[Condition]:
    if not options["fail_if"]:
        return []
    from mrl_cli.commands.conditions import parsed_conditions
    from mrl_cli.reports.compare import ComparisonReport, numbers_in

    conditions = parsed_conditions(options["fail_if"], list(numbers_in(ComparisonReport)))
    for option, key in (("bootstrap", "bootstrap."), ("cluster", "clusters")):
        if not options[option] and any(condition.key.startswith(key) for condition in conditions):
            msg = f"--fail-if asks for {key.strip('.')}, which there is only with --{option}"
            raise UsageError(msg)
    return conditions


def _sides(options: dict[str, Any]) -> list[tuple[Source, ...]]:
    """Return the sources of the one input, or of a and of b."""
    inputs = options["inputs"]
    if len(inputs) < 2:
        return [running.sources_of(inputs, "compare")]
    if list(inputs) == ["-", "-"]:
        return [running.sources_of(inputs, "compare")]  # which refuses to read stdin twice
    return [running.sources_of([name], "compare") for name in inputs]


def _with_preset(plan: Plan, options: dict[str, Any], sources: tuple[Source, ...]) -> tuple[Plan, tuple[Source, ...]]:
    """Return the plan as the preset has it, from a's columns, and a's sources; b's are called as a's."""
    if options["preset"] == "catboost":
        msg = "--preset catboost does not go with compare: its pairs have no scores"
        raise UsageError(msg, hint="mrl compute PAIRS --preset catboost --scores SCORES tells each model's loss")
    settled = {"scores": None, "score_column": None, "weight": ""}  # weights have no place in a comparison
    return with_preset(plan, options | settled, sources)


def _plan_with_columns(plan: Plan, options: dict[str, Any]) -> Plan:
    """Return the plan with the further columns: for one file b's scores, for two the key."""
    numbers: list[tuple[Role, str]] = []
    keys: list[tuple[Role, str]] = []
    if len(options["inputs"]) < 2:
        numbers = [("x1_b", options["x1_b"]), ("x2_b", options["x2_b"])]
    elif options["key"]:
        keys.append(("key", options["key"]))
    columns = replace(plan.columns, numbers=(*plan.columns.numbers, *numbers), keys=(*plan.columns.keys, *keys))
    return plan.changed(columns=columns)


def _compared(
    sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], rejects: Any
) -> tuple[ComparisonReport, list[str]]:
    """Read and compare; return the report, and notes on what was read."""
    from mrl_cli.commands.comparing import compared_one, compared_two
    from mrl_cli.reports.compare import comparison_notes, comparison_report

    compared = (compared_one if len(sides) == 1 else compared_two)(sides, plan, options, rejects)
    report = comparison_report(
        compared.contrasts,
        compared.counts,
        plan,
        inputs=running.input_names([source for side in sides for source in side]),
        version=__version__,
        samples=options["bootstrap"],
        seed=options["seed"],
        unmatched=compared.unmatched,
    )
    return report, comparison_notes(report)


def _rendered(report: ComparisonReport, options: dict[str, Any]) -> str:
    from mrl_cli.render.renderers import render_comparison

    def render(told: ComparisonReport, *, width: int, color: bool) -> str:
        return render_comparison(told, running.output_format(options), width=width, color=color)

    return running.rendered(render, report, options)


def _tell(report: ComparisonReport, notes: list[str], options: dict[str, Any]) -> None:
    """Say on stderr what the output alone may not show."""
    if options["quiet"]:
        return
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if options["verbose"]:
        click.echo(
            f"{report.pairs:,} pairs in {report.elapsed_seconds:.3f} s, {jobs_of(options['jobs'])} jobs, "
            f"engine {options['engine']}; means {report.a.mean!r} and {report.b.mean!r}",
            err=True,
        )
