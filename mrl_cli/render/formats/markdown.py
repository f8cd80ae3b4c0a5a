"""Markdown: the report's blocks with all digits, an empty line around tables."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from mrl_cli.reports.base import Line, Report, Table
from mrl_cli.reports.cells import full_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIXES = (".md",)


def render(report: Report, *_: object) -> str:
    """Return the blocks."""
    return "\n".join(f"{block.text}\n" if isinstance(block, Line) else table_text(block) for block in report.blocks())


def table_text(table: Table) -> str:
    """Return a table, without its title."""
    rule = ["---"] * (len(table.names) - table.numbers) + ["---:"] * table.numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in chain([_row(table.names)], [rule], _rows(table)))


def _rows(table: Table) -> Iterator[list[str]]:
    for row in chain(filter(None, table.rows), [] if table.total is None else [table.total], table.settings):
        yield _row(map(full_text, row))


def _row(texts: Iterable[str]) -> list[str]:
    return [text.replace("|", "\\|") for text in texts]
