"""What `mrl sweep` reports: a point for each margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.model import SCORE_SETTINGS, Plan
from mrl_cli.reports.base import Line, Report, Rows, Table, flat, titled
from mrl_cli.reports.figures import EVERY_SETTING, ratio, rounded
from mrl_cli.reports.findings import finding_of_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.reductions.curve import CurveReduction, Point

_FOR_PEOPLE = ("margin", "value", "active_share", "gradient_share", "mean_gradient")
_SETTINGS = (
    *("loss", "parameters", "weight_column"),
    *SCORE_SETTINGS,
    *("preset", "scores", "reduction", "dtype", "labels", "label_map", "strength"),
)
OF_LISTS = ("rows", "queries", "queries_without_pairs", "pairs", "rejected", "unjudged", "missing", "weight")
# Of lists only some have those of the end.
_FIRST = (*("margin", "value", "sum", "mean", "active", "active_share", "pairs", "rejected"), *EVERY_SETTING)
AFTER_POINTS = ("ties_dropped", "labels_skipped", "zero_weight", "filled_weight", *OF_LISTS)


class SweepReport(Report):
    """What `mrl sweep` reports; `points` are records as `sweep_points` returns them."""

    FIRST = (*_FIRST, "gradient_share", "ties_dropped")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a record for each margin, with the settings."""
        record = self.record()
        parameters = record.pop("parameters", {})
        settings = flat(record) | parameters
        after = {key: settings.pop(key) for key in AFTER_POINTS if key in settings}
        return (settings | point | after for point in self.points)

    def cells(self) -> Rows:
        """Return a row for each margin."""
        rows = [self.in_order(row) for row in self.lines()]
        return list(rows[0]), (row.values() for row in rows)

    def blocks(self) -> list[Table | Line]:
        """Return what the margin does, and a table with a row for each."""
        title = f"{self.reduction} {self.loss} loss of {titled(self.inputs)}, {self.pairs:,} pairs"
        names = [name for name in _FOR_PEOPLE if name in self.points[0]]
        rows = [[point[name] for name in names] for point in self.points]
        finding = Line(f"{finding_of_sweep(self)}.", "finding")
        return [finding, Table(names, rows, title, numbers=len(names))]


def sweep_report(
    sweep: CurveReduction, folded: Any, margins: Sequence[float], plan: Plan, inputs: Sequence[str]
) -> SweepReport:
    """Return what `mrl sweep` reports of a look, the sweep and the weights folded; `margins` as they were given."""
    counts, (_, curve, weights, *_) = folded.counts, folded.wholes
    weight = float(weights) if plan.has_weights else None
    return SweepReport.of_run(
        "mrl.sweep/1",
        inputs,
        **plan.settings(*_SETTINGS),
        pairs=counts.pairs,
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        labels_skipped=counts.labels_skipped if plan.rules.label_map else None,
        zero_weight=None if weight is None else counts.zero_weight,
        **counts.filled(plan),
        weight=weight,
        points=sweep_points(sweep.points(curve), margins, counts.pairs, weight, plan),
    )


def sweep_points(
    points: Iterable[Point], margins: Iterable[float], pairs: int, weight: float | None, plan: Plan
) -> list[dict[str, Any]]:
    """Return the record of each margin; shares are of the pairs, means by weight where `weight`, their sum, is given.

    `value` is the reduced loss. `gradient_share` is the share of pairs whose gradient is not 0; `mean_gradient`, of
    losses that are no hinge, the mean magnitude of the gradient for x1.
    """
    whole = pairs if weight is None else weight
    records = []
    for margin, point in zip(margins, points, strict=True):
        total, mean = rounded(point.sum, plan), rounded(ratio(point.sum, whole), plan)
        record = {
            "margin": margin,
            "value": total if plan.reporting.reduction == "sum" else mean,
            "sum": total,
            "mean": mean,
            "active": point.active,
            "active_share": ratio(point.active, pairs),
            "gradient_share": ratio(point.passing, pairs),
        }
        if point.gradient_sum is not None:
            record["mean_gradient"] = rounded(ratio(point.gradient_sum, whole), plan)
        records.append(record)
    return records
