"""JSON lines: a record in each line."""

from collections.abc import Iterator

from mrl_cli.render.jsontext import dumped
from mrl_cli.reports.base import RecordColumns, Report

SUFFIXES = (".jsonl", ".ndjson")


def render(report: Report, *_: object) -> Iterator[str]:
    """Yield the report's lines."""
    lines = report.lines()
    if isinstance(lines, RecordColumns):
        from mrl_cli.render.columns import json_lines

        return json_lines(lines)
    return map(dumped, lines)
