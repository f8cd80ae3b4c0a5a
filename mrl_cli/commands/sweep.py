"""`mrl sweep`: the loss for many margins, in one pass over the files."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands import running
from mrl_cli.commands.options import (
    engine_options,
    input_options,
    jobs_of,
    kernel_options,
    notes_options,
    output_options,
    plan_of,
    stacked,
    weight_option,
)
from mrl_cli.commands.producers import preset_options, with_preset
from mrl_cli.errors import UsageError
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from typing import BinaryIO

    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.curve import Sweep
    from mrl_cli.reports.sweep import SweepReport

MOST_MARGINS = 100_000  # a kilobyte or two each, while they are told
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Margins(click.ParamType[tuple[float, ...]]):
    """Numbers and ranges START:STOP:STEP, separated by commas; a range holds its stop where a step hits it.

    Steps are decimal, so 0:0.3:0.1 is 0, 0.1, 0.2 and 0.3, each the double that is written so.
    """

    name = "margins"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the margins in the order given."""
        if isinstance(value, tuple):
            return value
        margins: list[float] = []
        for text in value.split(","):
            try:
                margins += self._range(text, MOST_MARGINS - len(margins))
            except ValueError as error:
                self.fail(f"'{harmless(text)}': {error}.", param, ctx)
            except OverflowError:
                self.fail(f"'{harmless(text)}' is beyond what a double holds.", param, ctx)
        return tuple(margins)

    def _range(self, text: str, most: int) -> Iterator[float]:
        """Return the margins of one entry. Raises ValueError for what is none, and for more than `most`."""
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


@click.command("sweep", epilog="Example: mrl sweep pairs.csv --margins 0:2:0.1")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option(
    "--margins",
    type=Margins(),
    required=True,
    metavar="LIST",
    help="The margins: numbers and ranges START:STOP:STEP, e.g. 0,0.1,0.5 or 0:2:0.1.",
)
@stacked(weight_option, kernel_options, preset_options)
@click.option(
    "--reduction",
    type=click.Choice(["mean", "sum"]),
    default="mean",
    show_default=True,
    help="What the value of a margin is.",
)
@stacked(input_options, engine_options, output_options, notes_options)
def command(**options: Any) -> int:
    """Compute the loss of the pairs in INPUT files for many margins, in one pass.

    For each margin: the loss (mean and sum), and the shares of pairs with a loss above 0 and with a gradient. A hinge
    loss takes little longer for a thousand margins than for one. INPUT is what `mrl compute` reads.
    """
    started = time.monotonic()
    plan = plan_of(options).changed(lists_problems=options["rejects"] is not None)
    running.check_stdout()
    running.check_outputs(options)
    if running.output_format(options) == "parquet":
        msg = "sweep writes no Parquet"
        raise UsageError(msg, hint="write .json, .jsonl, .csv, .tsv or .md")
    sweep = _sweep(plan, options["margins"])
    sources = running.sources_of(options["inputs"], "sweep")
    running.refuse_inputs_as_outputs(options, sources)
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        plan, sources = with_preset(plan, options, sources)
        rejects = running.opened(stack, options["rejects"])
        out = running.output_of(stack, options["output"])
        report, rows_of = _swept(sweep, sources, plan, options, rejects, started)
        out.write(_rendered(report, options).encode())
        out.flush()
    _tell(report, rows_of, options)
    return 0


def _sweep(plan: Plan, margins: Sequence[float]) -> Sweep:
    from mrl_cli.reductions.curve import Sweep

    try:
        return Sweep(plan.loss.name, margins, plan.loss.dtype, dict(plan.loss.parameters))
    except ValueError as error:
        hint = "`mrl losses` tells which losses have a margin" if "has no margin" in str(error) else None
        raise UsageError(str(error), hint=hint) from None


def _swept(
    sweep: Sweep,
    sources: Sequence[Source],
    plan: Plan,
    options: dict[str, Any],
    rejects: BinaryIO | None,
    started: float,
) -> tuple[SweepReport, dict[str, int]]:
    """Read everything; return the report and the rows of each input. Raises DataError as `running.refuse` does."""
    from mrl_cli.reductions.look import LookReduction
    from mrl_cli.reductions.totals import WeightReduction
    from mrl_cli.reports.sweep import sweep_report

    reductions: list[Reduction[Any, Any]] = [
        sweep,
        LookReduction(),
        WeightReduction(),
        *running.rejects_of(rejects, options),
    ]
    folded = running.folded(sources, plan, reductions, options)
    curve, look, weight = folded.wholes[:3]
    running.refuse(folded.counts, plan, sources, look)
    report = sweep_report(
        sweep,
        curve,
        options["margins"],
        folded.counts,
        float(weight) if plan.has_weights else None,
        plan,
        inputs=running.input_names(sources),
        version=__version__,
        elapsed_seconds=0.0,
    )
    return replace(report, elapsed_seconds=time.monotonic() - started), folded.rows_of


def _rendered(report: SweepReport, options: dict[str, Any]) -> str:
    from mrl_cli.render.renderers import render_sweep

    return running.rendered(partial(render_sweep, output=running.output_format(options)), report, options)


def _tell(report: SweepReport, rows_of: dict[str, int], options: dict[str, Any]) -> None:
    """Say on stderr what the output alone may not show."""
    if options["quiet"]:
        return
    for note in running.notes_on(report, rows_of):
        click.echo(f"note: {note}", err=True)
    if options["verbose"]:
        click.echo(
            f"{counted(report.pairs, 'pair')} of {counted(len(report.inputs), 'input')} at "
            f"{counted(len(report.points), 'margin')} in "
            f"{report.elapsed_seconds:.3f} s, {jobs_of(options['jobs'])} jobs, engine {options['engine']}",
            err=True,
        )
