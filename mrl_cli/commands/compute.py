"""`mrl compute`: options to plan, plan through an engine, result through a renderer."""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import __version__
from mrl_cli.commands.options import (
    engine_options,
    input_options,
    jobs_of,
    loss_options,
    output_options,
    plan_of,
    stacked,
    wants_color,
)
from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.model import Totals
from mrl_cli.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.engines import Part
    from mrl_cli.model import Plan, Report
    from mrl_cli.readers import Source
    from mrl_cli.renderers import ProgressBar
    from mrl_cli.writers import PairWriter

SUFFIX_FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "markdown",
    ".parquet": "parquet",
    ".pq": "parquet",
}


# Formats that are read, or well known, but not written: a file must not be called what it is not.
UNWRITTEN_SUFFIXES = {".gz", ".bz2", ".zst", ".xz", ".zip", ".arrow", ".arrows", ".feather", ".ipc", ".html", ".xlsx"}


@click.command("compute", epilog="Example: mrl compute pairs.csv --margin 0.5")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@stacked(loss_options, input_options, engine_options, output_options)
@click.option("--raw", is_flag=True, help="The bare number, full precision.")
@click.option("--keep-columns", is_flag=True, help="Under --reduction none: all input columns first.")
@click.option(
    "--fail-if", multiple=True, metavar="EXPR", help="Exit 1 when e.g. 'value>0.5' or 'accuracy<0.7' holds. Repeatable."
)
@click.option("--progress/--no-progress", default=None, help="Progress on stderr.  [default: on a terminal]")
@click.option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr how the result came about.")
def command(**options: Any) -> int:
    """Compute the loss of the pairs in INPUT files, with counts and ranking statistics.

    INPUT is a file, a quoted glob, a directory, or - for stdin: CSV, TSV, JSON lines (these also as .gz .bz2 .zst .xz),
    Parquet or Arrow. Without INPUT, stdin is read when something is piped in.
    """
    started = time.monotonic()
    plan = replace(plan_of(options), lists_problems=options["rejects"] is not None)
    if sys.stdout is None:
        msg = "stdout is closed"
        raise MachineError(msg)
    is_per_pair = plan.reduction == "none"
    _check(options, is_per_pair=is_per_pair)
    conditions = _conditions(options["fail_if"])
    sources = _sources(options["inputs"])
    _refuse_inputs_as_outputs(options, sources)
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        rejects = _opened(stack, options["rejects"])
        # Python's own stdout is not used: unbuffered, it writes what fits and says nothing of the rest.
        out = _opened(stack, options["output"]) or stack.enter_context(open(sys.stdout.fileno(), "wb", closefd=False))
        run = _Run(plan, sources, options, rejects, out)
        totals = run.totals()
        report = _report(totals, plan, sources, time.monotonic() - started)
        if not is_per_pair:
            out.write(_rendered(report, options).encode())
        out.flush()
    _tell(report, run, options)
    broken = [condition for condition in conditions if condition.holds(report)]
    for condition in broken:
        click.echo(f"fail-if: {condition.told(report)}", err=True)
    return 1 if broken else 0


def _conditions(expressions: Sequence[str]) -> list[Condition]:
    if not expressions:
        return []
    from mrl_cli.commands.conditions import parsed_conditions

    return parsed_conditions(expressions)


def _check(options: dict[str, Any], *, is_per_pair: bool) -> None:
    """Raise UsageError for options that only make sense together."""
    if options["keep_columns"] and not is_per_pair:
        msg = "--keep-columns goes with --reduction none"
        raise UsageError(msg)
    if options["rejects"] and options["on_error"] != "skip":
        msg = "--rejects goes with --on-error skip"
        raise UsageError(msg)
    if "" in (options["output"], options["rejects"]):
        msg = "an empty name names no file"
        raise UsageError(msg)
    if options["raw"] and options["keep_columns"]:
        msg = "--raw and --keep-columns exclude each other"
        raise UsageError(msg)
    output_format = _output_format(options)
    suffix = Path(options["output"] or "").suffix.lower()
    if suffix in UNWRITTEN_SUFFIXES or (SUFFIX_FORMATS.get(suffix) == "parquet" and output_format != "parquet"):
        msg = f"-o {harmless(options['output'], 200)}: {output_format} is not what a {suffix} file holds"
        raise UsageError(msg, hint="write .csv, .tsv, .jsonl or .parquet, or pipe the output through a compressor")
    if is_per_pair and any(re.match(r"\s*value\b", condition) for condition in options["fail_if"]):
        msg = "--reduction none has no value for --fail-if"
        raise UsageError(msg, hint="use mean or sum, e.g. --fail-if 'mean>0.5'")
    if is_per_pair and output_format not in ("csv", "tsv", "jsonl", "parquet"):
        msg = f"--reduction none writes one line a pair, which {output_format} does not"
        raise UsageError(msg, hint="use --format csv, tsv or jsonl, or -o FILE.parquet")
    if not is_per_pair and output_format == "parquet":
        msg = "Parquet output goes with --reduction none"
        raise UsageError(msg)


def _output_format(options: dict[str, Any]) -> str:
    """Return the format asked for, else the one the suffix of -o says, else what fits where the output goes."""
    by_suffix = SUFFIX_FORMATS.get(Path(options["output"] or "").suffix.lower())
    asked = str(options["format"])
    if asked != "auto":
        return asked
    if by_suffix is not None:
        return by_suffix
    is_person = options["output"] is None and sys.stdout.isatty() and options["reduction"] != "none"
    return "table" if is_person else "tsv"


def _sources(inputs: Sequence[str]) -> tuple[Source, ...]:
    from mrl_cli.readers import resolve, stdin_can_be_read

    if not inputs and not stdin_can_be_read():
        msg = "no INPUT, and nothing is piped in"
        raise UsageError(msg, hint="name a file, e.g. mrl compute pairs.csv, or - for stdin")
    if list(inputs).count("-") > 1:
        msg = "stdin can be read only once"
        raise UsageError(msg)
    return resolve(inputs or ("-",))


def _refuse_inputs_as_outputs(options: dict[str, Any], sources: Sequence[Source]) -> None:
    taken = [Path(source.path) for source in sources if source.is_plain_file]
    for option in ("output", "rejects"):
        if options[option] is None:
            continue
        target = Path(options[option])
        if target.exists() and (any(target.samefile(path) for path in taken) or _is_stdin(target, sources)):
            msg = f"--{option} {harmless(target, 200)} is an input or the other output"
            raise UsageError(msg, hint="write to another file")
        taken.append(target) if target.exists() and target.is_file() else None
    if (
        options["output"]
        and options["rejects"]
        and Path(options["output"]).resolve() == Path(options["rejects"]).resolve()
    ):
        msg = "--output and --rejects name one file"
        raise UsageError(msg)


def _is_stdin(target: Path, sources: Sequence[Source]) -> bool:
    """Tell whether stdin is read and is that very file."""
    if not target.is_file() or all(source.name != "-" for source in sources):
        return False
    return os.path.samestat(target.stat(), os.fstat(0))


def _opened(stack: ExitStack, path: str | None) -> BinaryIO | None:
    if path is None:
        return None
    from mrl_cli.writers import whole_file

    return stack.enter_context(whole_file(path))


class _Run:
    """One pass over the sources: totals merged, rows written, problems noted, progress shown."""

    def __init__(
        self, plan: Plan, sources: Sequence[Source], options: dict[str, Any], rejects: BinaryIO | None, out: BinaryIO
    ) -> None:
        self._plan = plan
        self._sources = sources
        self._options = options
        self._rejects = rejects
        self._out = out
        self.rows_of = {source.name: 0 for source in sources}

    def totals(self) -> Totals:
        """Read everything; return what it adds up to. Raises DataError for problems under fail, and for no pairs."""
        writer = rejects = None
        if self._plan.reduction == "none" or self._rejects is not None:
            from mrl_cli.writers import RejectsWriter, writer_for

            if self._plan.reduction == "none":
                writer = writer_for(_output_format(self._options), self._out, bare=self._options["raw"])
            if self._rejects is not None:
                rejects = RejectsWriter(self._rejects, self._options["rejects"])
        totals = Totals()
        encode = None if writer is None else writer.encode
        for part in self._parts(encode):
            totals += part.totals
            self.rows_of[part.shard.source.name] += part.totals.rows
            if rejects is not None:
                rejects.write(part.problems)
            if writer is not None and not (totals.problems and self._plan.on_error == "fail"):
                self._write(writer, part)
        self._refuse(totals)
        if writer is not None:
            writer.close()
        return totals

    def _write(self, writer: PairWriter, part: Part) -> None:
        try:
            for encoded in part.encoded:
                writer.write(encoded)
        except BaseException:
            writer.close()  # the file is thrown away; what is open in it must not outlive it
            raise

    def _parts(self, encode: Any) -> Iterator[Part]:
        from mrl_cli.engines import ENGINES

        gc.freeze()  # what was imported stays
        gc.enable()  # the imports are done; a long run may make cycles, in the tracebacks of suspect shards
        progress = self._progress()
        done_bytes = rows = 0
        try:
            for part in ENGINES[self._options["engine"]](
                self._sources, self._plan, jobs_of(self._options["jobs"]), encode
            ):
                yield part
                done_bytes += part.shard.size_bytes
                rows += part.totals.rows
                progress.update(done_bytes, rows)
        finally:
            progress.close()

    def _progress(self) -> ProgressBar:
        from mrl_cli.renderers import ProgressBar

        is_asked, is_quiet = self._options["progress"], self._options["quiet"]
        is_shown = is_asked is None and not is_quiet and sys.stderr is not None and sys.stderr.isatty()
        sizes = [None if source.compression else source.size_bytes for source in self._sources]
        total = sum(size or 0 for size in sizes) if None not in sizes else None
        return ProgressBar(total, is_shown=is_shown, is_forced=bool(is_asked) and not is_quiet)

    def _refuse(self, totals: Totals) -> None:
        from mrl_cli.checks import described_problems, hint_for

        names = list(self.rows_of)
        place = "stdin" if names == ["-"] else harmless(names[0], 200) if len(names) == 1 else f"{len(names)} files"
        if totals.problems and self._plan.on_error == "fail":
            message = described_problems(totals, place, is_one_file=len(names) == 1)
            raise DataError(message, hint=hint_for(totals.problems, self._plan))
        if totals.pairs == 0:
            left = f": {totals.rows:,} rows, all left out" if totals.rows else ""
            msg = f"no pairs in {place}{left}; the mean of nothing is undefined"
            raise DataError(msg)


def _report(totals: Totals, plan: Plan, sources: Sequence[Source], elapsed_seconds: float) -> Report:
    from mrl_cli.measure import report

    # A file name need not be text; what is not is told by its escape sequences.
    names = tuple(source.name.encode("utf-8", "backslashreplace").decode() for source in sources)
    return report(totals, plan, inputs=names, version=__version__, elapsed_seconds=elapsed_seconds)


def _rendered(report: Report, options: dict[str, Any]) -> str:
    from mrl_cli.renderers import RENDERERS
    from mrl_cli.wording import number_text

    if options["raw"]:
        return number_text(report.value) + "\n"
    is_terminal = options["output"] is None and sys.stdout.isatty()
    import shutil

    width = shutil.get_terminal_size().columns
    color = wants_color(options["color"], is_terminal=is_terminal)
    return RENDERERS[_output_format(options)](report, width=width, color=color)


def _tell(report: Report, run: _Run, options: dict[str, Any]) -> None:
    """Say on stderr what the output alone may not show."""
    if options["quiet"]:
        return
    if report.rejected:
        click.echo(f"note: {report.rejected:,} of {report.rejected + report.pairs:,} rows left out", err=True)
    if report.ties_dropped and report.reduction == "none":
        click.echo(f"note: {report.ties_dropped:,} ties dropped", err=True)
    for name, rows in run.rows_of.items():
        if rows == 0:
            click.echo(f"note: {harmless(name, 200)} has no rows", err=True)
    if options["verbose"]:
        seconds = report.elapsed_seconds
        click.echo(
            f"{report.pairs:,} pairs of {len(report.inputs)} input(s) in {seconds:.3f} s "
            f"({report.pairs / max(seconds, 1e-9):,.0f} pairs/s), {jobs_of(options['jobs'])} jobs, "
            f"engine {options['engine']}; mean {report.mean!r}, sum {report.sum!r}",
            err=True,
        )
