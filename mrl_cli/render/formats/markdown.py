"""Markdown: the report's blocks, an empty line between them."""

from itertools import chain

from mrl_cli.reports.base import Report, Table

SUFFIXES = (".md",)


def render(report: Report, *_: object) -> str:
    """Return the blocks."""
    return "\n".join(block if isinstance(block, str) else table_text(block) for block in report.blocks())


def table_text(table: Table) -> str:
    """Return a table, without its title."""
    rule = ["---"] * (len(table.names) - table.numbers) + ["---:"] * table.numbers
    rows = chain([table.names], [rule], table.rows)
    cells = rows if table.is_summary else ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
