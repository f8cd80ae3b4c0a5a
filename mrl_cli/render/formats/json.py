"""JSON: the report's record, indented; numbers that are not finite are null, beside what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.render.jsontext import dumped
from mrl_cli.reports.base import RecordColumns, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".json",)


def render(report: Report, *_: object) -> Iterator[str]:
    """Yield the record."""
    document = report.document()
    items = document.items() if isinstance(document, dict) else ()
    in_columns = [key for key, value in items if isinstance(value, RecordColumns)]
    if not in_columns:
        yield dumped(document, is_indented=True)
        return
    from mrl_cli.render.columns import json_items

    (key,) = in_columns
    none = f'\n  "{key}": []'  # which stands once in the text: line ends in strings are escaped
    before, after = dumped(document | {key: []}, is_indented=True).split(none)
    yield before + none[:-1]
    yield from json_items(document[key])
    yield f"]{after}"
