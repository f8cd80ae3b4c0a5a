"""Where a run writes: the format of the output, and the files that must not be written."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from mrl_cli.commands.options import Options, is_given, refuse_if
from mrl_cli.commands.saying import require_stdout
from mrl_cli.errors import UsageError
from mrl_cli.render import first_suffixes, format_of, load
from mrl_cli.words import either, harmless, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.render.terminal import Screen
    from mrl_cli.reports.base import Report

_PAGE = "html"  # what `mrl report` writes, and refuses no other than itself
_WELL_KNOWN = {".zip", ".html", ".xlsx"}


def suffix_of(path: str | None) -> str:
    """Return the suffix of a name, be it of a folder, in lower case, with its dot; empty where there is none."""
    return os.path.splitext((path or "").rstrip("/" + os.sep))[1].lower()


def is_folder(path: str | None) -> bool:
    """Return whether a name is that of a folder for parts: whether it ends with a slash."""
    return path is not None and path.endswith(("/", os.sep))


def output_format(options: Options) -> str:
    """Return the format asked for, else that of the suffix of -o, else the one that fits where the output goes.

    Raises MachineError where that is a stdout that is closed.
    """
    if options.output in (None, "-"):
        require_stdout()
    if options.format != "auto":
        return options.format
    is_person = (options.output is None and sys.stdout.isatty()) or options.plot == "always"
    is_person &= not options.writes_rows
    return format_of(suffix_of(options.output)) or ("table" if is_person else "tsv")


def check_outputs(options: Options, written: str) -> None:
    """Raise UsageError for output options that make no sense, alone or together; `written` is the format."""
    refuse_if("" in (options.output, options.rejects, options.save_plot), "an empty name names no file")
    is_wrong = is_folder(options.output) and not (options.writes_rows and options.reduction == "none")
    message = f"-o {harmless(options.output, 200)} is a folder, and what is written is one file"
    refuse_if(is_wrong, message, "name a file; only mrl compute --reduction none writes parts into a folder")
    rejects = options.rejects
    is_wrong = rejects == "-" or (format_of(suffix_of(rejects)) or "csv") not in ("csv", "jsonl")
    message = f"--rejects {harmless(rejects, 200)}: problems are written to a file, as CSV or JSON lines"
    refuse_if(is_wrong, message, "for example --rejects bad.csv or bad.jsonl")
    if options.save_plot is not None:
        from mrl_cli.render.picture import picture_suffix  # few runs draw

        picture_suffix(options.save_plot)
    hint = "leave out what asks for another output"
    is_alone = options.plot == "always" and is_given("plot") and not is_table(options, written)
    refuse_if(is_alone, "--plot always draws beside a table", hint)
    message = "--full goes with a table for people, which has few digits; this output has all"
    refuse_if(options.full and is_given("full") and written not in ("table", "auto"), message, "leave it out")
    suffix = "" if written == _PAGE else suffix_of(options.output)  # which a page refuses itself
    is_unwritten = bool(suffix) and _is_unwritten(suffix)
    if is_unwritten or (format_of(suffix) == "parquet" and written != "parquet"):
        who = "only mrl report writes" if suffix == f".{_PAGE}" else "mrl writes no"
        known = f"{who} {suffix} files" if is_unwritten else "-f parquet writes one"
        suffixes = either([*row_suffixes().values()]) if options.writes_rows else report_suffixes(but=".jsonl")
        hint = f"write {suffixes}, or pipe the output through a compressor"
        raise UsageError(f"-o {harmless(options.output, 200)}: {known}", hint=hint)


def is_table(options: Options, written: str) -> bool:
    """Return whether the output is a table for people, not rows or a bare number; `written` is its format."""
    return written == "table" and not options.writes_rows and not options.raw


def prepare(options: Options, written: str, *, draws: bool) -> None:
    """Load what writes the report, draws it as a table, or draws pictures, where there is such."""
    if is_table(options, written):
        from mrl_cli.render import terminal

        terminal.prepare()
    if not options.writes_rows and not options.raw:
        load(written)
    if draws:
        from mrl_cli.render import plots  # noqa: F401
        from mrl_cli.reports import pictures

        pictures.prepare()


def row_suffixes() -> dict[str, str]:
    """Return the formats in which rows are written, each with its suffix."""
    from mrl_cli.inputs.formats import FORMATS

    return {row.writer: row.suffixes[0] for row in FORMATS.values() if row.writer is not None}


def refuse_no_rows(written: str, what: str) -> None:
    """Raise UsageError for a format in which no rows are written; `what` writes them."""
    formats = list(row_suffixes())
    hint = f"use --format {either(formats[:-1])}, or -o FILE.parquet"
    refuse_if(written not in formats, f"{what}, which {written} does not", hint)


def report_suffixes(but: str = "") -> str:
    """Return in words the suffixes of the formats of reports, `but` one."""
    return either([suffix for suffix in first_suffixes() if suffix != but])


def _is_unwritten(suffix: str) -> bool:
    """Return whether a suffix is read, or well known, but not written: no file must be called what it is not."""
    from mrl_cli.inputs.formats import COMPRESSIONS, FORMAT_OF_SUFFIX, FORMATS

    row = FORMATS.get(FORMAT_OF_SUFFIX.get(suffix, ""))
    is_known = suffix in _WELL_KNOWN or suffix in COMPRESSIONS or (row is not None and row.writer is None)
    return is_known and format_of(suffix) is None


def refuse_inputs_as_outputs(options: Options, sources: Sequence[Source]) -> None:
    """Raise UsageError when an output would overwrite an input, or another output."""
    inputs = [*(source.file.name for source in sources if source.is_plain_file), *filter(None, [options.scores])]
    taken: list[str | int] = [name for name in inputs if os.path.exists(name)]  # URLs are none
    taken += [0] if os.path.isfile(0) and any(source.name == "-" for source in sources) else []
    targets = {"output": options.output, "rejects": options.rejects, "save-plot": options.save_plot}
    named = {option: target for option, target in targets.items() if target is not None}
    for option, target in named.items():
        is_taken = without_secrets(target) in inputs if "://" in target else False
        is_taken |= os.path.exists(target) and any(os.path.samefile(target, path) for path in taken)
        message = f"--{option} {harmless(target, 200)} is an input or another output"
        refuse_if(is_taken, message, "write to another file")
        taken += [target] if os.path.isfile(target) else []
    if is_folder(options.output):
        places = [path if path is None or "://" in path else os.path.realpath(path) for path in targets.values()]
        is_inside = None not in places[:2] and str(places[1]).startswith(os.path.join(str(places[0]), ""))
        refuse_if(
            is_inside,
            "--rejects is in the folder of --output, which is for parts",
            "write the problems to another folder",
        )
    options_of: dict[str, list[str]] = {}
    for option, target in named.items():
        options_of.setdefault(os.path.realpath(target), []).append(f"--{option}")
    shared = next((names for names in options_of.values() if len(names) > 1), [])
    refuse_if(shared, f"{' and '.join(shared)} name one file")


def through_pager(pieces: Iterable[str], options: Options, screen: Screen) -> Iterable[str]:
    """Return what is left to print of a table: nothing where it is longer than the screen and was paged."""
    if screen.height is None:
        return pieces
    from mrl_cli.commands.pager import paged

    text = "".join(pieces)
    return [] if not options.no_pager and paged(text, screen.height) else [text]


def print_listing(report: Report, options: Options, *, usual: str | None = None) -> None:
    """Print a report that no file was read for; `usual` is its format where none is asked for and none fits better."""
    from mrl_cli.render import rendered

    written, screen = output_format(options), screen_of(options)
    written = usual or written if options.format == "auto" else written
    print_pieces(rendered(report, written, screen), options, screen if is_table(options, written) else None)


def print_pieces(pieces: Iterable[str], options: Options, screen: Screen | None) -> None:
    """Print text that no file was read for, through the pager where it is for people, on a screen."""
    for text in pieces if screen is None else through_pager(pieces, options, screen):
        click.echo(text, nl=False, color=True)  # with colours where the screen has some


def screen_of(options: Options) -> Screen:
    """Return where a report is drawn: as wide and high as the terminal is, in its colours and its encoding."""
    from mrl_cli.render.colors import wants_color
    from mrl_cli.render.terminal import Screen, terminal_size

    is_stdout = options.output in (None, "-")
    is_terminal = is_stdout and sys.stdout.isatty()
    columns, lines = terminal_size()
    return Screen(
        width=columns,
        height=lines if is_terminal else None,
        color=wants_color(options.color, os.environ, is_terminal=is_terminal),
        encoding=sys.stdout.encoding if is_stdout else "utf-8",
        is_full=options.full,
    )
