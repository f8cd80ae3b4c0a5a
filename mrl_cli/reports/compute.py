"""What `mrl compute` reports: each sum rounded once, means over pairs or weights, NaN over nothing."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli import __version__
from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Counts
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.look import Look
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.reports.notes import data_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.engines.base import Folded
    from mrl_cli.model import DType, Labels, Plan, Reduction
    from mrl_cli.reductions.base import Reduction as Reduced
    from mrl_cli.reductions.ledger import Ledger


# Nobody compares reports or prints them: methods for that would cost each start of mrl a millisecond or two.


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """What is told of some pairs; what is None is not told.

    `value` is the reduced loss, None under reduction none. A mean over nothing is NaN. `weight` (the sum of the
    weights) and `accuracy_weighted` are told where there are weights; `inside_margin` and `beyond_margin`, the correct
    pairs on this and on the other side of the margin, where the loss has one. `standard_error` is that of the mean
    loss; the bounds of intervals are told where a confidence was asked for, `clusters` where they are clustered.
    """

    value: float | None
    pairs: int
    sum: float
    mean: float
    min: float
    max: float
    correct: int
    ties: int
    wrong: int
    inside_margin: int | None = None
    beyond_margin: int | None = None
    accuracy: float
    accuracy_half: float
    accuracy_without_ties: float
    active: int
    weight: float | None = None
    accuracy_weighted: float | None = None
    clusters: int | None = None
    standard_error: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupFigures(Figures):
    """The figures of one group."""

    group: str

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told."""
        return {"group": self.group} | _told(self, _FIGURES)


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SectionFigures:
    """What is told of a section of RewardBench: its accuracy, and how many subsets and pairs of it there are."""

    section: str
    accuracy: float
    subsets: int
    pairs: int

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report(Figures):
    """What `mrl compute` found: the fields are the keys of its JSON object; what is None is not told.

    `parameters` is None where the loss has none; `macro_mean` and `macro_accuracy` are the means over groups of their
    means and accuracies. `sections` and `section_average`, the mean of their accuracies, are told where the groups are
    RewardBench's subsets. `validation` is what a cross-check in the same pass found, in the keys of `mrl validate`.
    """

    schema: str
    version: str
    inputs: tuple[str, ...]
    loss: str
    margin: float | None
    margin_column: str | None = None
    parameters: dict[str, float] | None = None
    weight_column: str | None = None
    group_by: str | None = None
    cluster_column: str | None = None
    confidence: float | None = None
    reduction: Reduction
    dtype: DType
    labels: Labels
    preset: str | None = None
    scores: str | None = None
    rejected: int
    ties_dropped: int
    zero_weight: int | None = None
    macro_mean: float | None = None
    macro_accuracy: float | None = None
    section_average: float | None = None
    sections: Sequence[SectionFigures] | None = None
    subsets_without_section: tuple[str, ...] | None = None
    groups: Sequence[GroupFigures] | None = None
    validation: dict[str, Any] | None = None
    notes: Sequence[str] | None = None
    elapsed_seconds: float

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told; groups and sections as they are."""
        left_out = ("rejected", "ties_dropped", "zero_weight")
        figures = tuple(key for key in _FIGURES if key not in ("value", "pairs"))
        return _told(self, (*_FIRST, "value", "pairs", *left_out, *figures, *_LAST))


_FIRST: tuple[str, ...]
_FIRST = ("schema", "version", "inputs", "loss", "margin", "margin_column", "parameters", "weight_column", "group_by")
_FIRST += ("cluster_column", "confidence", "reduction", "dtype", "labels", "preset", "scores")
_LAST: tuple[str, ...]
_LAST = ("macro_mean", "macro_accuracy", "section_average", "sections", "subsets_without_section")
_LAST += ("groups", "validation", "notes", "elapsed_seconds")
_FIGURES = tuple(field.name for field in fields(Figures))


def _told(figures: Figures, keys: Iterable[str]) -> dict[str, Any]:
    values = ((key, getattr(figures, key)) for key in keys)
    return {key: value for key, value in values if value is not None}


_COMPUTE_SETTINGS: tuple[str, ...]
_COMPUTE_SETTINGS = ("loss", "margin", "margin_column", "parameters", "weight_column", "group_by", "cluster_column")
_COMPUTE_SETTINGS += ("confidence", "reduction", "dtype", "labels", "preset", "scores")


def compute_report(
    counts: Counts,
    totals: Totals,
    plan: Plan,
    *,
    look: Look | None = None,
    inputs: tuple[str, ...],
    version: str,
    elapsed_seconds: float,
    ledger: Ledger | None = None,
) -> Report:
    """Return what `mrl compute` says of totals, and of those of each group where there is a ledger."""
    groups, clusters = (None, None) if ledger is None else _told_of(ledger, plan)
    are_factors = plan.rules.labels == "any" and not LOSSES[plan.loss.name].is_target
    found = data_notes(
        totals, look or Look(), at_equal_scores=_loss_at_equal_scores(plan), labels_are_factors=are_factors
    )
    notes = tuple(note.text for note in found)
    return Report(
        schema="mrl.compute/1",
        version=version,
        inputs=inputs,
        **plan.settings(*_COMPUTE_SETTINGS),
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        zero_weight=None if totals.weight_sum is None else counts.zero_weight,
        macro_mean=None if groups is None else _mean_of(group.mean for group in groups),
        macro_accuracy=None if groups is None else _mean_of(group.accuracy for group in groups),
        **_sections(groups, plan),
        groups=groups,
        notes=notes or None,
        elapsed_seconds=elapsed_seconds,
        **_figures(totals, plan),
        **_intervals(totals, plan, clusters),
    )


def compute_reductions(plan: Plan) -> list[Reduced[Any, Any]]:
    """Return what a run folds for the report, in this order, after a look at the data."""
    squares = plan.reporting.confidence is not None and not plan.has_clusters
    reductions: list[Reduced[Any, Any]] = [TotalsReduction(squares=squares)]
    if plan.has_groups or plan.has_clusters:
        from mrl_cli.reductions.ledger import LedgerReduction

        reductions.append(LedgerReduction(squares=squares))
    return reductions


def report_of(folded: Folded, plan: Plan, *, inputs: tuple[str, ...]) -> Report:
    """Return the report of a look and `compute_reductions` folded; its seconds are filled in later."""
    look, totals, *others = folded.wholes
    ledger = others[0] if plan.has_groups or plan.has_clusters else None
    return compute_report(
        folded.counts,
        totals,
        plan,
        look=look,
        inputs=inputs,
        version=__version__,
        elapsed_seconds=0.0,
        ledger=ledger,
    )


def _loss_at_equal_scores(plan: Plan) -> float | None:
    if any(role == "margin" for role, _ in plan.columns.numbers) or LOSSES[plan.loss.name].is_target:
        return None
    kernel = LOSSES[plan.loss.name].kernel
    with np.errstate(all="ignore"):
        return float(kernel(np.zeros(1), np.ones(1), margin=plan.loss.margin, **dict(plan.loss.parameters))[0])


def told_keys(plan: Plan) -> frozenset[str]:
    """Return the keys that a report under this plan will tell."""
    from mrl_cli.reductions.ledger import Ledger

    totals = Totals(weight_sum=ExactSum() if plan.has_weights else None)
    ledger = Ledger() if plan.has_groups or plan.has_clusters else None
    return frozenset(
        compute_report(Counts(), totals, plan, inputs=(), version="", elapsed_seconds=0.0, ledger=ledger).record()
    )


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
    if plan.reporting.confidence is None:
        return {}
    from mrl_cli.statistics.intervals import (  # a run without intervals starts without them
        clustered_mean_interval,
        clustered_wilson_interval,
        mean_interval,
        wilson_interval,
    )

    if clusters is not None:
        mean = clustered_mean_interval(clusters.sums, clusters.pairs, plan.reporting.confidence)
        accuracy = clustered_wilson_interval(clusters.correct, clusters.pairs, plan.reporting.confidence)
    else:
        loss, squares = totals.loss_sum or ExactSum(), totals.square_sum or ExactSum()
        mean = mean_interval(totals.pairs, loss, squares, plan.reporting.confidence)
        accuracy = wilson_interval(totals.correct, totals.pairs, plan.reporting.confidence)
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
    if groups is None or plan.reporting.preset is None:
        return {}
    from mrl_cli.reports import sections as rewardbench  # few runs have groups of a preset

    if plan.reporting.preset != rewardbench.PRESET or dict(plan.columns.keys).get("group") != rewardbench.GROUP:
        return {}
    sections = rewardbench.sections_of(groups)
    return {
        "sections": sections,
        "section_average": _mean_of(section.accuracy for section in sections),
        "subsets_without_section": rewardbench.without_section(groups) or None,
    }


def _figures(totals: Totals, plan: Plan) -> dict[str, Any]:
    pairs = totals.pairs
    total = float(totals.loss_sum) if totals.loss_sum is not None else 0.0
    weight = None if totals.weight_sum is None else float(totals.weight_sum)
    mean = share(total, pairs) if totals.weight_sum is None else (totals.loss_sum or ExactSum()) / totals.weight_sum
    total, mean, lowest, highest = (
        rounded(number, plan)
        for number in (total, mean, totals.min if pairs else math.nan, totals.max if pairs else math.nan)
    )
    has_margin = LOSSES[plan.loss.name].has_margin
    return {
        "value": {"mean": mean, "sum": total, "none": None}[plan.reporting.reduction],
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
        "accuracy": share(totals.correct, pairs),
        "accuracy_half": share(totals.correct + totals.ties / 2, pairs),
        "accuracy_without_ties": share(totals.correct, pairs - totals.ties),
        "active": totals.active,
        "weight": weight,
        "accuracy_weighted": None
        if totals.weight_sum is None
        else (totals.correct_weight_sum or ExactSum()) / totals.weight_sum,
    }


def share(part: float, whole: float) -> float:
    """Return part / whole, NaN over nothing."""
    return part / whole if whole else math.nan


def _mean_of(values: Iterable[float]) -> float:
    """Return the mean of values, whose sum is rounded once; NaN of none, and where one of them is NaN."""
    found = list(values)
    return share(math.fsum(found), len(found)) if all(map(math.isfinite, found)) else math.nan


def rounded(number: float, plan: Plan) -> float:
    """Return a number as the plan's dtype rounds it."""
    if plan.loss.dtype == "float64":
        return number
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.loss.dtype).type(number))
