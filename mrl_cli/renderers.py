"""Renderers: from a report to text. `RENDERERS` holds every output format; rich is imported here and nowhere else."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mrl_cli.wording import harmless, json_ready, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mrl_cli.model import Report

# Keys that say what was run rather than what was found stay out of one-row formats.
_NOT_IN_ROWS = ("schema", "version", "inputs", "elapsed_seconds")
DELAY_SECONDS = 1.0


def render_json(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object, indented."""
    del width, color
    return json.dumps(_json_record(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render_jsonl(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object on one line."""
    del width, color
    return json.dumps(_json_record(report), ensure_ascii=False, allow_nan=False) + "\n"


def render_csv(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a header line and one row, comma-separated."""
    del width, color
    return _delimited(report, ",")


def render_tsv(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a header line and one row, tab-separated."""
    del width, color
    return _delimited(report, "\t")


def render_markdown(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a Markdown table of two columns."""
    del width, color
    rows = [("key", "value"), ("---", "---:"), *_shown_rows(report)]
    return "".join(f"| {key} | {value} |\n" for key, value in rows)


def render_table(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a table for a terminal of that width."""
    from rich.table import Table
    from rich.text import Text

    names = [harmless(name, limit=60) for name in report.inputs]
    title = names[0] if len(names) == 1 else f"{len(names)} inputs"
    table = Table(title=Text(f"{report.loss} loss of {title}"), title_justify="left", show_header=False)
    table.add_column("key", style="cyan", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold")
    for key, value in _shown_rows(report):
        table.add_row(Text(key), Text(value), style="bold" if key == "value" else None)
    return _drawn(table, width=width, color=color)


def _json_record(report: Report) -> dict[str, Any]:
    return {key: json_ready(value) for key, value in asdict(report).items() if value is not None}


def _delimited(report: Report, delimiter: str) -> str:
    record: dict[str, Any] = {}
    for key, value in asdict(report).items():
        if key == "parameters":
            record |= value or {}
        elif value is not None and key not in _NOT_IN_ROWS:
            record[key] = value
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(record)
    writer.writerow(number_text(value) for value in record.values())
    return text.getvalue()


def _shown_rows(report: Report) -> list[tuple[str, str]]:
    """Return what a person reads, in the order a person asks: the value first, then what it rests on."""
    record = asdict(report)
    rows = []
    if report.value is not None:
        rows.append(("value", _for_a_person(report.value)))
    rows += [(key, number_text(record[key])) for key in ("reduction", "margin")]
    rows += [(name, number_text(value)) for name, value in (report.parameters or {}).items()]
    rows += [(key, number_text(record[key])) for key in ("dtype", "labels")]
    rows.append(("pairs", f"{report.pairs:,}"))
    rows += [(key, f"{record[key]:,}") for key in ("rejected", "ties_dropped") if record[key]]
    rows += [(key, _for_a_person(record[key])) for key in ("sum", "mean", "min", "max")]
    rows += [(key, f"{record[key]:,}{_share(record[key], report.pairs)}") for key in ("correct", "ties", "wrong")]
    rows += [(key, _for_a_person(record[key])) for key in ("accuracy", "accuracy_half")]
    rows.append(("active", f"{report.active:,}{_share(report.active, report.pairs)}"))
    return rows


def _for_a_person(number: float) -> str:
    return "undefined" if math.isnan(number) else number_text(number)


def _share(count: int, pairs: int) -> str:
    return f" ({count / pairs:.1%})" if pairs else ""


def _drawn(drawable: Any, *, width: int, color: bool) -> str:
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=color, no_color=not color, color_system="standard" if color else None
    )
    console.print(drawable)
    return "".join(line.rstrip() + "\n" for line in text.getvalue().splitlines())


def render_rows(names: Sequence[str], rows: Sequence[Sequence[Any]], output: str, *, width: int, color: bool) -> str:
    """Return a plain list of records in any of the formats; for `mrl losses`."""
    records = [dict(zip(names, row, strict=True)) for row in rows]
    if output == "json":
        return json.dumps(records, indent=2, ensure_ascii=False) + "\n"
    if output == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if output == "markdown":
        lines = [names, ["---"] * len(names), *rows]
        return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
    if output == "table":
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for name in names:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        return _drawn(table, width=width, color=color)
    text = io.StringIO()
    csv.writer(text, delimiter="," if output == "csv" else "\t", lineterminator="\n").writerows([names, *rows])
    return text.getvalue()


class ProgressBar:
    """A bar on stderr, drawn once a run has taken longer than a second: bytes done, rows a second, time left."""

    def __init__(self, total_bytes: int | None, *, is_shown: bool, is_forced: bool = False) -> None:
        self._total_bytes = total_bytes
        self._is_shown = is_shown or is_forced
        self._is_forced = is_forced
        self._started = time.monotonic()
        self._progress: Any = None
        self._task: Any = None

    def update(self, done_bytes: int, rows: int) -> None:
        """Say how far the run is."""
        seconds = time.monotonic() - self._started
        if not self._is_shown or seconds < DELAY_SECONDS:
            return
        if self._progress is None:
            self._start()
        self._progress.update(self._task, completed=done_bytes, rate=f"{rows / seconds:,.0f} rows/s")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=True if self._is_forced else None),
            transient=True,
        )
        self._task = self._progress.add_task("", total=self._total_bytes, rate="")
        self._progress.start()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()


RENDERERS: dict[str, Callable[..., str]] = {
    "table": render_table,
    "json": render_json,
    "jsonl": render_jsonl,
    "csv": render_csv,
    "tsv": render_tsv,
    "markdown": render_markdown,
}
