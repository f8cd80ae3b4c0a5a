"""What the commands that read pairs share: sources, outputs, one pass through an engine, and what that pass refuses."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from mrl_cli.commands.options import jobs_of, wants_color
from mrl_cli.errors import MachineError, UsageError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack
    from typing import BinaryIO

    from mrl_cli.engines.base import Folded, Part
    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.look import Look
    from mrl_cli.render.progress import ProgressBar
    from mrl_cli.reports.compute import Report
    from mrl_cli.reports.sweep import SweepReport

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


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them

# Formats that are read, or well known, but not written: a file must not be called what it is not.
UNWRITTEN_SUFFIXES = {".gz", ".bz2", ".zst", ".xz", ".zip", ".arrow", ".arrows", ".feather", ".ipc", ".html", ".xlsx"}


def suffix_of(path: str) -> str:
    """Return the suffix of a file's name in lower case, with its dot; empty where there is none."""
    return os.path.splitext(path)[1].lower()


def output_format(options: Mapping[str, Any]) -> str:
    """Return the format asked for, else the one the suffix of -o says, else what fits where the output goes."""
    by_suffix = SUFFIX_FORMATS.get(suffix_of(options["output"] or ""))
    asked = str(options["format"])
    if asked != "auto":
        return asked
    if by_suffix is not None:
        return by_suffix
    is_person = options["output"] is None and sys.stdout.isatty() and options.get("reduction") != "none"
    return "table" if is_person else "tsv"


def check_outputs(options: Mapping[str, Any]) -> None:
    """Raise UsageError for output options that make no sense, alone or together."""
    if options["rejects"] and options["on_error"] != "skip":
        msg = "--rejects goes with --on-error skip"
        raise UsageError(msg)
    if "" in (options["output"], options["rejects"]):
        msg = "an empty name names no file"
        raise UsageError(msg)
    rejects = options["rejects"] or "x.csv"
    if rejects == "-" or SUFFIX_FORMATS.get(suffix_of(rejects), "csv") not in ("csv", "jsonl"):
        msg = f"--rejects {harmless(rejects, 200)}: problems are written to a file, as CSV or JSON lines"
        raise UsageError(msg, hint="for example --rejects bad.csv or bad.jsonl")
    written = output_format(options)
    suffix = suffix_of(options["output"] or "")
    if suffix in UNWRITTEN_SUFFIXES or (SUFFIX_FORMATS.get(suffix) == "parquet" and written != "parquet"):
        known = "-f parquet writes one" if suffix not in UNWRITTEN_SUFFIXES else f"mrl writes no {suffix} files"
        msg = f"-o {harmless(options['output'], 200)}: {known}"
        suffixes = (
            ".csv, .tsv, .jsonl or .parquet" if options.get("reduction") == "none" else ".json, .csv, .tsv or .md"
        )
        raise UsageError(msg, hint=f"write {suffixes}, or pipe the output through a compressor")


def sources_of(inputs: Sequence[str], command: str) -> tuple[Source, ...]:
    """Return the sources that INPUT names, or stdin when it can be read; `command` is named in the hint."""
    from mrl_cli.inputs import resolve, stdin_can_be_read

    if not inputs and not stdin_can_be_read():
        msg = "no INPUT, and nothing is piped in"
        raise UsageError(msg, hint=f"name a file, e.g. mrl {command} pairs.csv, or - for stdin")
    if list(inputs).count("-") > 1:
        msg = "stdin can be read only once"
        raise UsageError(msg)
    return resolve(inputs or ("-",))


def input_names(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the names of sources as a report tells them.

    A file name need not be text; what is not is told by its escape sequences.
    """
    return tuple(source.name.encode("utf-8", "backslashreplace").decode() for source in sources)


def refuse_inputs_as_outputs(options: Mapping[str, Any], sources: Sequence[Source]) -> None:
    """Raise UsageError when --output or --rejects would overwrite an input, or each other."""
    taken = [source.path for source in sources if source.is_plain_file]
    taken += [options["scores"]] if options.get("scores") else []
    for option in ("output", "rejects"):
        if options[option] is None:
            continue
        target = options[option]
        is_there = os.path.exists(target)
        if is_there and (any(os.path.samefile(target, path) for path in taken) or _is_stdin(target, sources)):
            msg = f"--{option} {harmless(target, 200)} is an input or the other output"
            raise UsageError(msg, hint="write to another file")
        taken += [target] if os.path.isfile(target) else []
    outputs = [os.path.realpath(options[option]) for option in ("output", "rejects") if options[option]]
    if len(set(outputs)) < len(outputs):
        msg = "--output and --rejects name one file"
        raise UsageError(msg)


def _is_stdin(target: str, sources: Sequence[Source]) -> bool:
    """Tell whether stdin is read and is that very file."""
    if not os.path.isfile(target) or all(source.name != "-" for source in sources):
        return False
    return os.path.samestat(os.stat(target), os.fstat(0))


def check_stdout() -> None:
    """Raise MachineError when there is no stdout to write to."""
    if sys.stdout is None:
        msg = "stdout is closed"
        raise MachineError(msg)


def opened(stack: ExitStack, path: str | None) -> BinaryIO | None:
    """Open a file that appears whole or not at all, for as long as the stack lives; None for no path."""
    if path is None:
        return None
    from mrl_cli.render.files import whole_file

    return stack.enter_context(whole_file(path))


def output_of(stack: ExitStack, path: str | None) -> BinaryIO:
    """Open where the result goes: the file, else stdout."""
    # Python's own stdout is not used: unbuffered, it writes what fits and says nothing of the rest.
    return opened(stack, None if path == "-" else path) or stack.enter_context(
        open(sys.stdout.fileno(), "wb", closefd=False)
    )


def folded(
    sources: Sequence[Source],
    plan: Plan,
    reductions: Sequence[Reduction[Any, Any]],
    options: Mapping[str, Any],
    *,
    shows_progress: bool = True,
) -> Folded:
    """Fold reductions over the pairs of the sources in one pass, showing progress."""
    from mrl_cli.engines import engine_named
    from mrl_cli.engines.base import Job, fold

    _keep_freed_memory()
    gc.freeze()  # what was imported stays
    gc.enable()  # the imports are done; a long run may make cycles, in the tracebacks of suspect shards
    progress = progress_of(sources, options if shows_progress else {**options, "progress": False})
    parts = engine_named(options["engine"])(sources, Job(plan, tuple(reductions)), jobs_of(options["jobs"]))
    try:
        return fold(_watched(parts, progress), sources, reductions)
    finally:
        progress.close()


def _watched(parts: Iterator[Part], progress: ProgressBar) -> Iterator[Part]:
    done_bytes = rows = 0
    for part in parts:
        yield part
        done_bytes += part.shard.size_bytes
        rows += part.counts.rows
        progress.update(done_bytes, rows)


def rejects_of(rejects: BinaryIO | None, options: Mapping[str, Any]) -> list[Reduction[Any, Any]]:
    """Return what writes problems down, where they are wanted."""
    if rejects is None:
        return []
    from mrl_cli.reductions.rows import RejectsReduction

    return [RejectsReduction(rejects, options["rejects"])]


def _keep_freed_memory() -> None:
    """Ask the C library not to give memory back between batches, for the kernel to clear and hand out again.

    A sweep spent a quarter of its time on that. mallopt(3) is glibc's: elsewhere nothing is asked.
    """
    if sys.platform != "linux":
        return
    import ctypes  # NumPy brings it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 1 << 28)
        mallopt(_MMAP_THRESHOLD, 1 << 25)


def progress_of(sources: Sequence[Source], options: Mapping[str, Any]) -> ProgressBar:
    """Return the progress bar that the options ask for: of bytes, where all sizes are known."""
    from mrl_cli.render.progress import ProgressBar

    is_asked, is_quiet = options["progress"], options["quiet"]
    is_shown = is_asked is None and not is_quiet and sys.stderr is not None and sys.stderr.isatty()
    sizes = [None if source.compression else source.size_bytes for source in sources]
    total = sum(size or 0 for size in sizes) if None not in sizes else None
    return ProgressBar(total, is_shown=is_shown, is_forced=bool(is_asked) and not is_quiet)


def refuse(
    counts: Counts, plan: Plan, sources: Sequence[Source], look: Look | None = None, *, wants_mean: bool = True
) -> None:
    """Raise DataError for counts that allow no number: problems under `fail`, or no pairs."""
    from mrl_cli.reports import refusals

    scores = next((source.scores.values.size for source in sources if source.scores is not None), None)
    has_zeros = look is not None and look.lowest_label == 0
    names = list(dict.fromkeys(source.name for source in sources))
    wants_mean &= plan.reporting.reduction == "mean"
    refusals.refuse(counts, plan, names, wants_mean=wants_mean, has_zero_labels=has_zeros, scores=scores)


def notes_on(report: Report | SweepReport, rows_of: Mapping[str, int]) -> list[str]:
    """Return what a result may not show: rows left out, inputs without rows or read twice; `rows_of`: rows by name."""
    notes = []
    if report.rejected:
        notes.append(f"{report.rejected:,} of {report.rejected + report.pairs:,} rows left out")
    times = Counter(report.inputs)
    notes += [f"{harmless(name, 200)} was read {count} times" for name, count in times.items() if count > 1]
    return notes + [f"{harmless(name, 200)} has no rows" for name, rows in rows_of.items() if rows == 0]


def rendered(render: Callable[..., str], report: Any, options: Mapping[str, Any]) -> str:
    """Return a report as text, at the width and in the colours of where it goes."""
    import shutil

    is_terminal = options["output"] is None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns
    return render(report, width=width, color=wants_color(options["color"], is_terminal=is_terminal))
