"""Renderers: from a report to text. `RENDERERS` holds every output format; rich is imported here and nowhere else."""

from __future__ import annotations

import io
import math
from itertools import chain
from typing import TYPE_CHECKING, Any

from mrl_cli.words import harmless, json_ready, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.reports.compare import ComparisonReport
    from mrl_cli.reports.compute import Report
    from mrl_cli.reports.sweep import SweepReport

# Keys that say what was run rather than what was found stay out of one-row formats.
_NOT_IN_ROWS = {
    *("schema", "version", "inputs", "elapsed_seconds"),
    *("sections", "subsets_without_section", "groups", "notes"),
}


def render_json(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object, indented."""
    del width, color
    return _as_json(_json_record(report))


def render_jsonl(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object on one line; by group, one line each and the whole as the last."""
    del width, color
    record = _json_record(report)
    lines = [*record.pop("groups", ()), record]
    return _as_json_lines(lines)


def render_csv(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a header line and one row, comma-separated."""
    del width, color
    return _delimited(report, ",")


def render_tsv(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a header line and one row, tab-separated."""
    del width, color
    return _delimited(report, "\t")


def render_markdown(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a Markdown table of two columns, after one of the groups where there are some."""
    del width, color
    rows = [("key", "value"), ("---", "---:"), *_shown_rows(report)]
    text = "".join(f"| {key} | {value} |\n" for key, value in rows)
    if report.groups is None:
        return text
    names = _group_columns(report)
    lines = [
        names,
        ["---", *["---:"] * (len(names) - 1)],
        *([_in_markdown(cell) for cell in row] for row in _group_rows(report)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n" + text


def render_table(report: Report, *, width: int = 80, color: bool = False) -> str:
    """Return a table for a terminal of that width, after one of the groups where there are some."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"{report.loss} loss of {_titled(report.inputs)}"), title_justify="left", show_header=False
    )
    table.add_column("key", style="cyan", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold")
    for key, value in _shown_rows(report):
        table.add_row(Text(key), Text(value), style="bold" if key == "value" else None)
    if report.groups is None:
        return _drawn(table, width=width, color=color)
    groups = Table(title=Text(f"by {harmless(report.group_by)}"), title_justify="left")
    for name in _group_columns(report):
        groups.add_column(name, justify="left" if name == "group" else "right", overflow="fold")
    for row in _group_rows(report):
        groups.add_row(*(Text(cell) for cell in row))
    return _drawn(groups, width=width, color=color) + _drawn(table, width=width, color=color)


def _titled(inputs: Sequence[str]) -> str:
    return harmless(inputs[0], limit=60) if len(inputs) == 1 else f"{len(inputs)} inputs"


def _group_columns(report: Report) -> tuple[str, ...]:
    """Return what a person reads of each group, the group first."""
    bounds = ("mean_low", "mean_high", "accuracy_low", "accuracy_high") if report.confidence is not None else ()
    return ("group", "value", "pairs", "accuracy", "accuracy_half", "ties", *bounds)


def _group_rows(report: Report) -> list[list[str]]:
    records = (group.record() for group in report.groups or ())
    return [[_cell(name, record[name]) for name in _group_columns(report)] for record in records]


def _cell(name: str, value: Any) -> str:
    if name == "group":
        return harmless(value) or '""'
    if not isinstance(value, float):
        return f"{value:,}"
    return f"{value:.6g}" if math.isfinite(value) else _for_a_person(value)  # all digits of a column fit no terminal


def _in_markdown(cell: str) -> str:
    return cell.replace("|", "\\|")


def _json_record(report: Report) -> dict[str, Any]:
    record = report.record()
    if report.groups is not None:
        record["groups"] = [group.record() for group in report.groups]
    if report.sections is not None:
        record["sections"] = [section.record() for section in report.sections]
    ready: dict[str, Any] = json_ready(record)
    return ready


def _delimited(report: Report, delimiter: str) -> str:
    """Return a header and one row; by group, one row each and the total as the last."""
    total = _row_record(report)
    rows: Iterable[dict[str, Any]] = [total]
    names = list(total)
    if report.groups is not None:
        settings = {key: total[key] for key in total if key in _SETTINGS or key in (report.parameters or ())}
        of_groups = (settings | group.record() for group in report.groups)  # one at a time: there may be a million
        rows, names = chain(of_groups, [{"group": TOTAL} | total]), ["group", *names]
    cells = ([number_text(row.get(name, "")) for name in names] for row in rows)
    return _as_delimited(chain([names], cells), delimiter)


def _as_json(value: Any) -> str:
    """Return a value as JSON, indented; NaN and infinities must have become strings."""
    import json  # tables and bare numbers start without it

    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _as_json_lines(values: Iterable[Any]) -> str:
    """Return values as JSON, a line each."""
    import json

    return "".join(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)


def _as_delimited(rows: Iterable[Iterable[Any]], delimiter: str) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _row_record(report: Report) -> dict[str, Any]:
    """Return what is told, less what stays out of rows; each parameter of the loss is a key of its own."""
    record: dict[str, Any] = {}
    for key, value in report.record().items():
        if key == "parameters":
            record |= value
        elif key == "validation":
            record[key] = "passed" if value["passed"] else "failed"
        elif key not in _NOT_IN_ROWS:
            record[key] = value
    return record


def _shown_rows(report: Report) -> list[tuple[str, str]]:
    """Return what a person reads, in the order a person asks: the value first, then what it rests on."""
    record = _row_record(report)
    settings = ["reduction", *(key for key in record if key in _SETTINGS or key in (report.parameters or ()))]
    rows = []
    if report.value is not None:
        rows.append(("value", _for_a_person(report.value)))
    rows += [(key, number_text(record[key])) for key in dict.fromkeys(settings) if key != "loss"]
    rows.append(("pairs", f"{report.pairs:,}"))
    rows += [(key, f"{record[key]:,}") for key in ("rejected", "ties_dropped", "zero_weight") if record.get(key)]
    rows += [(key, _for_a_person(record[key])) for key in ("weight", "sum", "mean", "min", "max") if key in record]
    counts = ("correct", "ties", "wrong", "inside_margin", "beyond_margin", "active")
    rows += [(key, f"{record[key]:,}{_share(record[key], report.pairs)}") for key in counts if key in record]
    rows += [(key, _for_a_person(record[key])) for key in _SHARES if key in record]
    rows += [(f"accuracy of {found.section}", _for_a_person(found.accuracy)) for found in report.sections or ()]
    rows += [(key, record[key]) for key in ("validation",) if key in record]
    return rows


_SETTINGS = {
    *("loss", "reduction", "margin", "margin_column", "weight_column", "group_by", "cluster_column", "confidence"),
    *("dtype", "labels", "preset", "scores"),
}
_SHARES = (
    "accuracy",
    "accuracy_half",
    "accuracy_without_ties",
    "accuracy_weighted",
    "macro_mean",
    "macro_accuracy",
    "section_average",
    "clusters",
    "standard_error",
    "mean_low",
    "mean_high",
    "accuracy_low",
    "accuracy_high",
)
TOTAL = "total"  # what rows call the row of all groups


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
        return _as_json(records)
    if output == "jsonl":
        return _as_json_lines(records)
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
    return _as_delimited([names, *rows], "," if output == "csv" else "\t")


def render_comparison(report: ComparisonReport, output: str, *, width: int = 80, color: bool = False) -> str:
    """Return what `mrl compare` found in any of the formats; in a row, a number in a record is named outer.inner."""
    if output in ("json", "jsonl"):
        record = json_ready(report.record())
        return _as_json(record) if output == "json" else _as_json_lines([record])
    if output in ("csv", "tsv"):
        cells = {key: number_text(value) for key, value in _flattened(report.record()) if key not in _NOT_IN_ROWS}
        return render_rows(list(cells), [list(cells.values())], output, width=width, color=color)
    names = ("", "a", "b", "a - b", f"{100 * report.confidence:.6g} % interval")
    return render_rows(names, _comparison_rows(report), output, width=width, color=color)


def _flattened(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flattened(value, "" if key == "parameters" else f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _comparison_rows(report: ComparisonReport) -> list[tuple[str, ...]]:
    """Return what a person reads: both models, how they differ, and how sure that is; numbers of six digits."""
    a, b, mcnemar, bootstrap = report.a, report.b, report.mcnemar, report.bootstrap
    gaps = {"mean": report.difference, "accuracy": report.accuracy_difference}
    rows: list[tuple[str, ...]] = []
    for key in ("mean", "accuracy"):
        gap = gaps[key]
        rows.append((key, _short(getattr(a, key)), _short(getattr(b, key)), _short(gap.mean), _bounds(gap)))
    if bootstrap is not None:
        drawn = {"mean": bootstrap.difference, "accuracy": bootstrap.accuracy_difference}
        rows += [(f"{key}, bootstrap", "", "", "", _bounds(found)) for key, found in drawn.items()]
    rows += [(key, f"{getattr(a, key):,}", f"{getattr(b, key):,}", "", "") for key in ("correct", "ties", "wrong")]
    tested = f"McNemar p {mcnemar.p_value:.4g}"
    rows.append(("alone correct", f"{mcnemar.only_a:,}", f"{mcnemar.only_b:,}", "", tested))
    rows.append(("lower loss", f"{report.wins:,}", f"{report.losses:,}", "", f"equal {report.ties:,}"))
    rows.append(("pairs", f"{report.pairs:,}", f"{report.pairs:,}", "", ""))
    if report.unmatched_a or report.unmatched_b:
        rows.append(("unmatched", f"{report.unmatched_a:,}", f"{report.unmatched_b:,}", "", ""))
    counts = {key: getattr(report, key) for key in ("rejected", "ties_dropped", "clusters")}
    return rows + [(key, f"{count:,}", "", "", "") for key, count in counts.items() if count]


def _bounds(found: Any) -> str:
    return "undefined" if math.isnan(found.low) else f"{found.low:.4g} to {found.high:.4g}"


def _short(number: float) -> str:
    return _for_a_person(number) if math.isnan(number) else f"{number:.6g}"


def render_sweep(report: SweepReport, output: str, *, width: int = 80, color: bool = False) -> str:
    """Return what `mrl sweep` found in any of the formats: one object as JSON, else a line or row for each margin."""
    record = report.record()
    points = [point.record() for point in record.pop("points")]
    if output == "json":
        elapsed = {"elapsed_seconds": record.pop("elapsed_seconds")}
        whole = json_ready(record | {"points": points} | elapsed)
        return _as_json(whole)
    if output in ("table", "markdown"):
        shown = [{name: _point_cell(name, point[name]) for name in _POINT_COLUMNS if name in point} for point in points]
        if output == "table":
            return _drawn(_points_table(report, shown), width=width, color=color)
        lines = [list(shown[0]), ["---:"] * len(shown[0]), *(list(row.values()) for row in shown)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
    settings = record | record.pop("parameters", {})
    settings = {key: value for key, value in settings.items() if key not in _NOT_IN_ROWS}
    after = {key: settings.pop(key) for key in _LEFT if key in settings}
    rows: list[dict[str, Any]] = [settings | point | after for point in points]
    cells = [[json_ready(cell) if output == "jsonl" else number_text(cell) for cell in row.values()] for row in rows]
    return render_rows(list(rows[0]), cells, output, width=width, color=color)


def _points_table(report: SweepReport, rows: Sequence[dict[str, str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    title = f"{report.reduction} {report.loss} loss of {_titled(report.inputs)}, {report.pairs:,} pairs"
    table = Table(title=Text(title), title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row.values()))
    return table


def _point_cell(name: str, value: float) -> str:
    return f"{value:.6g}" if name not in ("margin", "value") and math.isfinite(value) else _for_a_person(value)


_POINT_COLUMNS = ("margin", "value", "active_share", "gradient_share", "mean_gradient")
_LEFT = ("pairs", "rejected", "ties_dropped", "zero_weight", "weight")


RENDERERS: dict[str, Callable[..., str]] = {
    "table": render_table,
    "json": render_json,
    "jsonl": render_jsonl,
    "csv": render_csv,
    "tsv": render_tsv,
    "markdown": render_markdown,
}
