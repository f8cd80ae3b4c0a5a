"""From totals to what is told of them: each sum rounded once, means over pairs or weights, NaN over nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import GroupFigures, Report, Totals
from mrl_cli.reductions.look import data_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.curve import Curve, Point, Sweep, SweepPoint, SweepReport
    from mrl_cli.reductions.ledger import Ledger


_COMPUTE_SETTINGS: tuple[str, ...]
_COMPUTE_SETTINGS = ("loss", "margin", "margin_column", "parameters", "weight_column", "group_by", "cluster_column")
_COMPUTE_SETTINGS += ("confidence", "reduction", "dtype", "labels", "preset", "scores")


def report(
    totals: Totals,
    plan: Plan,
    *,
    inputs: tuple[str, ...],
    version: str,
    elapsed_seconds: float,
    ledger: Ledger | None = None,
) -> Report:
    """Return what `mrl compute` says of totals, and of those of each group where there is a ledger."""
    groups, clusters = (None, None) if ledger is None else _told_of(ledger, plan)
    are_factors = plan.labels == "any" and not LOSSES[plan.loss].is_target
    found = data_notes(totals, at_equal_scores=_loss_at_equal_scores(plan), labels_are_factors=are_factors)
    notes = tuple(note.text for note in found)
    return Report(
        schema="mrl.compute/1",
        version=version,
        inputs=inputs,
        **plan.settings(*_COMPUTE_SETTINGS),
        rejected=totals.rejected,
        ties_dropped=totals.ties_dropped,
        zero_weight=None if totals.weight_sum is None else totals.zero_weight,
        macro_mean=None if groups is None else _mean_of(group.mean for group in groups),
        macro_accuracy=None if groups is None else _mean_of(group.accuracy for group in groups),
        **_sections(groups, plan),
        groups=groups,
        notes=notes or None,
        elapsed_seconds=elapsed_seconds,
        **_figures(totals, plan),
        **_intervals(totals, plan, clusters),
    )


def _loss_at_equal_scores(plan: Plan) -> float | None:
    if any(role == "margin" for role, _ in plan.columns.numbers) or LOSSES[plan.loss].is_target:
        return None
    kernel = LOSSES[plan.loss].kernel
    with np.errstate(all="ignore"):
        return float(kernel(np.zeros(1), np.ones(1), margin=plan.margin, **dict(plan.parameters))[0])


def told_keys(plan: Plan) -> frozenset[str]:
    """Return the keys that a report under this plan will tell."""
    from mrl_cli.reductions.ledger import Ledger

    is_weighted = "weight" in dict(plan.columns.numbers)
    totals = Totals(weight_sum=ExactSum() if is_weighted else None)
    ledger = Ledger() if plan.has_groups or plan.has_clusters else None
    return frozenset(report(totals, plan, inputs=(), version="", elapsed_seconds=0.0, ledger=ledger).record())


class Clusters(NamedTuple):
    """Of each cluster its pairs, its correct pairs and its sum of losses, of shape (clusters,) each."""

    pairs: NDArray[np.int64]
    correct: NDArray[np.int64]
    sums: NDArray[np.float64]


def _clusters_of(parts: Iterable[Totals]) -> Clusters:
    found = [(part.pairs, part.correct, float(part.loss_sum or 0.0)) for part in parts]
    columns = zip(*found, strict=True) if found else ((), (), ())
    pairs, correct, sums = columns
    return Clusters(np.array(pairs, np.int64), np.array(correct, np.int64), np.array(sums, np.float64))


def _told_of(ledger: Ledger, plan: Plan) -> tuple[list[GroupFigures] | None, Clusters | None]:
    """Return the figures of every group, and the clusters of the whole, where the plan has them.

    The ledger's keys are (group, cluster) or one of the two.
    """
    if not plan.has_clusters:
        return [_group(key[0], totals, plan, None) for key, totals in ledger.totals()], None
    if not plan.has_groups:
        counts, sums = ledger.arrays()
        return None, Clusters(counts.sum(axis=1), ledger.correct(), sums)
    groups: dict[str, list[Totals]] = {}
    whole: dict[str, Totals] = {}
    for (group, cluster), totals in ledger.totals():
        groups.setdefault(group, []).append(totals)
        whole[cluster] = whole.get(cluster, Totals()) + totals
    figures = [_group(group, sum(parts, Totals()), plan, _clusters_of(parts)) for group, parts in groups.items()]
    return figures, _clusters_of(whole.values())


def _group(name: str, totals: Totals, plan: Plan, clusters: Clusters | None) -> GroupFigures:
    return GroupFigures(group=name, **_figures(totals, plan), **_intervals(totals, plan, clusters))


def _intervals(totals: Totals, plan: Plan, clusters: Clusters | None) -> dict[str, Any]:
    """Return the error of the mean loss and the bounds for it and for the accuracy, where the plan has a confidence."""
    if plan.confidence is None:
        return {}
    from mrl_cli.statistics.intervals import (  # a run without intervals starts without them
        clustered_mean_interval,
        clustered_wilson_interval,
        mean_interval,
        wilson_interval,
    )

    if clusters is not None:
        mean = clustered_mean_interval(clusters.sums, clusters.pairs, plan.confidence)
        accuracy = clustered_wilson_interval(clusters.correct, clusters.pairs, plan.confidence)
    else:
        loss, squares = totals.loss_sum or ExactSum(), totals.square_sum or ExactSum()
        mean = mean_interval(totals.pairs, loss, squares, plan.confidence)
        accuracy = wilson_interval(totals.correct, totals.pairs, plan.confidence)
    return {
        "clusters": None if clusters is None else clusters.pairs.size,
        "standard_error": mean.standard_error,
        "mean_low": mean.low,
        "mean_high": mean.high,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
    }


def _sections(groups: Sequence[GroupFigures] | None, plan: Plan) -> dict[str, Any]:
    """Return what is told of RewardBench's sections, where the groups are its subsets."""
    if groups is None or plan.preset is None:
        return {}
    from mrl_cli.reports import sections as rewardbench  # few runs have groups of a preset

    if plan.preset != rewardbench.PRESET or dict(plan.columns.keys).get("group") != rewardbench.GROUP:
        return {}
    sections = rewardbench.sections_of(groups)
    return {
        "sections": sections,
        "section_average": _mean_of(section.accuracy for section in sections),
        "subsets_without_section": rewardbench.without_section(groups) or None,
    }


def sweep_report(
    sweep: Sweep,
    curve: Curve,
    margins: Sequence[float],
    totals: Totals,
    plan: Plan,
    *,
    inputs: tuple[str, ...],
    version: str,
    elapsed_seconds: float,
) -> SweepReport:
    """Return what `mrl sweep` says of a curve over the pairs of these totals; `margins` as they were given."""
    from mrl_cli.reductions.curve import SweepReport  # a run of compute starts without it

    weight = None if totals.weight_sum is None else float(totals.weight_sum)
    return SweepReport(
        schema="mrl.sweep/1",
        version=version,
        inputs=inputs,
        **plan.settings("loss", "parameters", "weight_column", "preset", "scores", "reduction", "dtype", "labels"),
        pairs=totals.pairs,
        rejected=totals.rejected,
        ties_dropped=totals.ties_dropped,
        zero_weight=None if weight is None else totals.zero_weight,
        weight=weight,
        points=sweep_points(sweep.points(curve), margins, totals.pairs, weight, plan),
        elapsed_seconds=elapsed_seconds,
    )


def sweep_points(
    points: Iterable[Point], margins: Iterable[float], pairs: int, weight: float | None, plan: Plan
) -> list[SweepPoint]:
    """Return what is told of each margin; `weight` is the sum of the weights, or None."""
    from mrl_cli.reductions.curve import SweepPoint

    whole = pairs if weight is None else weight
    told = []
    for margin, point in zip(margins, points, strict=True):
        total, mean = _rounded(point.sum, plan), _rounded(_share(point.sum, whole), plan)
        slope = point.gradient_sum
        told.append(
            SweepPoint(
                margin=margin,
                value=total if plan.reduction == "sum" else mean,
                sum=total,
                mean=mean,
                active=point.active,
                active_share=_share(point.active, pairs),
                gradient_share=_share(point.passing, pairs),
                mean_gradient=None if slope is None else _rounded(_share(slope, whole), plan),
            )
        )
    return told


def _figures(totals: Totals, plan: Plan) -> dict[str, Any]:
    pairs = totals.pairs
    total = float(totals.loss_sum) if totals.loss_sum is not None else 0.0
    weight = None if totals.weight_sum is None else float(totals.weight_sum)
    mean = _share(total, pairs) if totals.weight_sum is None else (totals.loss_sum or ExactSum()) / totals.weight_sum
    total, mean, lowest, highest = (
        _rounded(number, plan)
        for number in (total, mean, totals.min if pairs else math.nan, totals.max if pairs else math.nan)
    )
    has_margin = LOSSES[plan.loss].has_margin
    return {
        "value": {"mean": mean, "sum": total, "none": None}[plan.reduction],
        "pairs": pairs,
        "sum": total,
        "mean": mean,
        "min": lowest,
        "max": highest,
        "correct": totals.correct,
        "ties": totals.ties,
        "wrong": totals.wrong,
        "inside_margin": totals.inside_margin if has_margin else None,
        "beyond_margin": totals.correct - totals.inside_margin if has_margin else None,
        "accuracy": _share(totals.correct, pairs),
        "accuracy_half": _share(totals.correct + totals.ties / 2, pairs),
        "accuracy_without_ties": _share(totals.correct, pairs - totals.ties),
        "active": totals.active,
        "weight": weight,
        "accuracy_weighted": None
        if totals.weight_sum is None
        else (totals.correct_weight_sum or ExactSum()) / totals.weight_sum,
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean_of(values: Iterable[float]) -> float:
    """Return the mean of values, whose sum is rounded once; NaN of none, and where one of them is NaN."""
    found = list(values)
    return _share(math.fsum(found), len(found)) if all(map(math.isfinite, found)) else math.nan


def _rounded(number: float, plan: Plan) -> float:
    if plan.dtype == "float64":
        return number
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.dtype).type(number))
