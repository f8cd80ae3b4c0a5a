"""JSON lines: a record in each line."""

from mrl_cli.render.formats.json import dumped
from mrl_cli.reports.base import Report

SUFFIXES = (".jsonl", ".ndjson")


def render(report: Report, *_: object) -> str:
    """Return the report's lines."""
    return "".join(map(dumped, report.lines()))
