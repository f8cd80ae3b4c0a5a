"""CSV: a header and the report's rows, numbers with all their digits."""

import io
from collections.abc import Iterator

from mrl_cli.reports.base import Report, RowColumns
from mrl_cli.words import number_text

SUFFIXES = (".csv",)


def render(report: Report, *_: object, delimiter: str = ",") -> Iterator[str]:
    """Yield the rows."""
    import csv  # few formats need it

    names, rows = report.cells()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    if isinstance(rows, RowColumns):
        from mrl_cli.render.columns import delimited_lines

        yield text.getvalue()
        yield from delimited_lines(rows, delimiter)
        return
    writer.writerows(["" if cell is None else number_text(cell) for cell in row] for row in rows)
    yield text.getvalue()
