"""What `mrl sweep` reports: a point for each margin."""

from __future__ import annotations

from dataclasses import asdict, field, fields
from typing import TYPE_CHECKING, Any

from mrl_cli.records import light_dataclass
from mrl_cli.reports.compute import rounded, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.model import Counts, DType, Labels, Plan, Reduction
    from mrl_cli.reductions.curve import Curve, CurveReduction, Point


@light_dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """What `mrl sweep` tells of one margin; shares are of the pairs, means by weight where there are weights.

    `value` is the reduced loss. `gradient_share` is the share of pairs whose gradient is not 0; `mean_gradient`, told
    of losses that are no hinge, the mean magnitude of the gradient for x1.
    """

    margin: float
    value: float
    sum: float
    mean: float
    active: int
    active_share: float
    gradient_share: float
    mean_gradient: float | None = None

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told."""
        return _told(asdict(self))


@light_dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What `mrl sweep` found: the fields are the keys of its JSON object; what is None is not told."""

    schema: str
    version: str
    inputs: tuple[str, ...]
    loss: str
    parameters: dict[str, float] | None
    weight_column: str | None
    preset: str | None
    scores: str | None
    reduction: Reduction
    dtype: DType
    labels: Labels
    pairs: int
    rejected: int
    ties_dropped: int
    zero_weight: int | None
    weight: float | None
    points: Sequence[SweepPoint] = field(repr=False)
    elapsed_seconds: float

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told; points as they are."""
        return _told({name.name: getattr(self, name.name) for name in fields(self)})


def _told(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


def sweep_report(
    sweep: CurveReduction,
    curve: Curve,
    margins: Sequence[float],
    counts: Counts,
    weight: float | None,
    plan: Plan,
    *,
    inputs: tuple[str, ...],
    version: str,
    elapsed_seconds: float,
) -> SweepReport:
    """Return what `mrl sweep` says of a curve over the pairs counted; `margins` as they were given.

    `weight` is the sum of the weights, where there are weights.
    """
    return SweepReport(
        schema="mrl.sweep/1",
        version=version,
        inputs=inputs,
        **plan.settings("loss", "parameters", "weight_column", "preset", "scores", "reduction", "dtype", "labels"),
        pairs=counts.pairs,
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        zero_weight=None if weight is None else counts.zero_weight,
        weight=weight,
        points=sweep_points(sweep.points(curve), margins, counts.pairs, weight, plan),
        elapsed_seconds=elapsed_seconds,
    )


def sweep_points(
    points: Iterable[Point], margins: Iterable[float], pairs: int, weight: float | None, plan: Plan
) -> list[SweepPoint]:
    """Return what is told of each margin; `weight` is the sum of the weights, or None."""
    whole = pairs if weight is None else weight
    told = []
    for margin, point in zip(margins, points, strict=True):
        total, mean = rounded(point.sum, plan), rounded(share(point.sum, whole), plan)
        slope = point.gradient_sum
        told.append(
            SweepPoint(
                margin=margin,
                value=total if plan.reporting.reduction == "sum" else mean,
                sum=total,
                mean=mean,
                active=point.active,
                active_share=share(point.active, pairs),
                gradient_share=share(point.passing, pairs),
                mean_gradient=None if slope is None else rounded(share(slope, whole), plan),
            )
        )
    return told
