"""CSV: a header and the report's rows, numbers with all their digits."""

from collections.abc import Iterator

from mrl_cli.reports.base import Report, RowColumns
from mrl_cli.words import csv_lines, number_text

SUFFIXES = (".csv",)


def render(report: Report, *_: object, delimiter: str = ",") -> Iterator[str]:
    """Yield the rows."""
    names, rows = report.cells()
    yield csv_lines([names], delimiter)
    if isinstance(rows, RowColumns):
        from mrl_cli.render.columns import delimited_lines

        yield from delimited_lines(rows, delimiter)
        return
    yield csv_lines((["" if cell is None else number_text(cell) for cell in row] for row in rows), delimiter)
