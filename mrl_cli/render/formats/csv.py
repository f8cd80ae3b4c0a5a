"""CSV: a header and the report's rows, numbers with all their digits."""

import io

from mrl_cli.reports.base import Report
from mrl_cli.words import number_text

SUFFIXES = (".csv",)


def render(report: Report, *_: object, delimiter: str = ",") -> str:
    """Return the rows."""
    import csv  # few formats need it

    names, rows = report.cells()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if cell is None else number_text(cell) for cell in row] for row in rows)
    return text.getvalue()
