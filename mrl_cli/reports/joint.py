"""What the report page shows of two models: how often each is right where the other is, and by how much they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.reports.page import Column, PageTable, Section, interval_text
from mrl_cli.reports.pictures import quadrants
from mrl_cli.reports.plots import Cells

if TYPE_CHECKING:
    from mrl_cli.reductions.joint import JointCells
    from mrl_cli.reports.base import Report


def models_section(report: Report, joint: JointCells) -> Section:
    """Return the section on a comparison, `mrl compare`'s report, with the pairs by both differences."""
    outcomes = quadrants(report)
    square = joint.square()
    start = square.first * square.width
    shares = tuple((name, pairs / report.pairs) for name, pairs, _ in outcomes.outcomes)
    cells = tuple(square.cells)
    plot = Cells(outcomes.title, start, square.width, square.size, cells, shares, square.outside)
    columns = [Column("d of a from", "exact"), Column("d of b from", "exact"), Column("pairs", "count")]
    rows = [(start + column * square.width, start + row * square.width, pairs) for column, row, pairs in cells]
    lead = f"{report.verdict} Each square is pairs, darker for more."
    return Section(outcomes.title, lead, [plot], list(_notes(report, plot)), PageTable("models", columns, rows), True)


def _notes(report: Report, plot: Cells) -> Any:
    for name, model in (("a", report.a), ("b", report.b)):
        yield f"{name}: mean loss {model['mean']:.4g}, accuracy {model['accuracy']:.1%}"
    gap = report.accuracy_difference
    bounds = interval_text(gap["low"], gap["high"], is_share=True)
    yield f"accuracy of a less that of b: {gap['mean']:.1%}{f', {bounds}' if bounds else ''}"
    yield f"McNemar's p: {report.mcnemar['p_value']:.3g}, of {report.pairs:,} pairs"
    yield f"Squares are {plot.width:g} wide{f'; {plot.outside:,} pairs lie outside' if plot.outside else ''}."
    yield from report.cautions()
