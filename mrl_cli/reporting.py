"""From totals to what is told of them: each sum rounded once, means over pairs or weights, NaN over nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import GroupFigures, Report, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mrl_cli.groups import Ledger
    from mrl_cli.model import Plan


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
    columns = dict(plan.columns.numbers)
    groups = None if ledger is None else _groups(ledger, plan)
    return Report(
        schema="mrl.compute/1",
        version=version,
        inputs=inputs,
        loss=plan.loss,
        margin=None if "margin" in columns else plan.margin,
        margin_column=columns.get("margin"),
        parameters=dict(plan.parameters) or None,
        weight_column=columns.get("weight"),
        group_by="file" if plan.by_file else dict(plan.columns.keys).get("group"),
        reduction=plan.reduction,
        dtype=plan.dtype,
        labels=plan.labels,
        rejected=totals.rejected,
        ties_dropped=totals.ties_dropped,
        zero_weight=None if totals.weight_sum is None else totals.zero_weight,
        macro_mean=None if groups is None else _mean_of(group.mean for group in groups),
        macro_accuracy=None if groups is None else _mean_of(group.accuracy for group in groups),
        groups=groups,
        elapsed_seconds=elapsed_seconds,
        **_figures(totals, plan),
    )


def told_keys(plan: Plan) -> frozenset[str]:
    """Return the keys that a report under this plan will tell."""
    from mrl_cli.groups import Ledger

    is_weighted = "weight" in dict(plan.columns.numbers)
    totals = Totals(weight_sum=ExactSum() if is_weighted else None)
    ledger = Ledger() if plan.by_file or plan.columns.keys else None
    return frozenset(report(totals, plan, inputs=(), version="", elapsed_seconds=0.0, ledger=ledger).record())


def _groups(ledger: Ledger, plan: Plan) -> list[GroupFigures]:
    return [GroupFigures(group=key[0], **_figures(totals, plan)) for key, totals in ledger.totals()]


def _figures(totals: Totals, plan: Plan) -> dict[str, Any]:
    pairs = totals.pairs
    total = float(totals.loss_sum) if totals.loss_sum is not None else 0.0
    weight = None if totals.weight_sum is None else float(totals.weight_sum)
    mean = _share(total, pairs if weight is None else weight)
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
        "accuracy_weighted": None if weight is None else _share(float(totals.correct_weight_sum or 0.0), weight),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean_of(values: Iterable[float]) -> float:
    """Return the mean of values, whose sum is rounded once; NaN of none, and where one of them is NaN."""
    found = list(values)
    return _share(math.fsum(found), len(found)) if all(map(math.isfinite, found)) else math.nan


def _rounded(number: float, plan: Plan) -> float:
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.dtype).type(number))
