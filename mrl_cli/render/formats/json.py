"""JSON: the report's record, indented; numbers that are not finite are null, beside what they are."""

from typing import Any

from mrl_cli.reports.base import Report
from mrl_cli.words import json_ready

SUFFIXES = (".json",)


def render(report: Report, *_: object) -> str:
    """Return the record."""
    return dumped(report.record(), indent=2)


def dumped(record: Any, indent: int | None = None) -> str:
    """Return a record as JSON, with a line end."""
    import json  # tables and bare numbers start without it

    record = json_ready(record)  # a copy, in place of the other: there may be a million groups
    return json.dumps(record, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
