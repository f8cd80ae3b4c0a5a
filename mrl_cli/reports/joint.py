"""What the report page shows of two models: how often each is right where the other is, and by how much they differ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mrl_cli.reports.cells import short_text
from mrl_cli.reports.compare import comparison_report
from mrl_cli.reports.page import Column, Models, PageFigure, PageTable, Section, interval_text
from mrl_cli.reports.pictures import quadrants
from mrl_cli.reports.plots import Cells
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.contrast import Contrasts
    from mrl_cli.reductions.joint import JointCells
    from mrl_cli.reports.base import Report


def models_of(
    found: tuple[Contrasts, JointCells],
    counts: Counts,
    plan: Plan,
    sides: tuple[str, str],
    unmatched: tuple[int, int] = (0, 0),
) -> Models:
    """Return what a page on two models begins with: what `mrl compare` reports, and the pairs by both differences."""
    contrasts, joint = found
    report = comparison_report(contrasts, counts, plan, samples=0, seed=0, sides=sides, unmatched=unmatched)
    report = report.changed(groups=None)
    source = f"a: {sides[0]}, b: {sides[1]} · {counted(report.pairs, 'pair')} · {report.loss}"
    return Models(report.verdict.removesuffix("."), source, list(_figures(report)), _section(report, joint))


def _section(report: Report, joint: JointCells) -> Section:
    outcomes = quadrants(report)
    square = joint.square()
    start = square.first * square.width
    shares = tuple((name, pairs / report.pairs) for name, pairs, _ in outcomes.outcomes)
    cells = tuple(square.cells)
    plot = Cells(outcomes.title, start, square.width, square.size, cells, shares, square.outside)
    columns = [Column("d of a from", "exact"), Column("d of b from", "exact"), Column("pairs", "count")]
    rows = [(start + column * square.width, start + row * square.width, pairs) for column, row, pairs in cells]
    outside = f"; {plot.outside:,} pairs lie outside" if plot.outside else ""
    notes = [f"Squares are {plot.width:g} wide{outside}.", *report.cautions()]
    table = PageTable("models", columns, rows)
    return Section(outcomes.title, "Each square is pairs, darker for more.", [plot], notes, table)


def _figures(report: Report) -> Iterator[PageFigure]:
    """Yield the figures of both models, and how they differ."""
    for name, key, gap in (
        ("mean loss", "mean", report.difference),
        ("accuracy", "accuracy", report.accuracy_difference),
    ):
        is_share = key == "accuracy"

        def text(value: float, is_share: bool = is_share) -> str:
            return f"{value:.1%}" if is_share and math.isfinite(value) else short_text(value)

        for side, model in (("a", report.a), ("b", report.b)):
            yield PageFigure(f"{name} of {side}", text(model[key]), model[key])
        bounds = interval_text(gap["low"], gap["high"], is_share=is_share)
        yield PageFigure(f"{name}, a - b", text(gap["mean"]), gap["mean"], bounds)
    p = report.mcnemar["p_value"]
    yield PageFigure("McNemar's p", f"{p:.3g}", p, "that accuracies are equal")
