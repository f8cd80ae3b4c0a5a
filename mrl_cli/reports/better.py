"""Which of two models is better: what a comparison shows, as a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mrl_cli.reports.figures import short_number, shown_number
from mrl_cli.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mrl_cli.reports.base import Report


def verdict(report: Report, sides: tuple[str, str]) -> str:
    """Return which model has the lower mean loss, by how much, and whether the interval of the difference excludes 0.

    `sides` are what a and b are, in words; empty where there are none. A model is better where that interval excludes
    0, there are enough pairs (or clusters), and they do not all say the same.
    """
    gap, loss = report.difference["mean"], f"mean {report.loss} loss"
    a, b = (f"{name} ({side})" if side else name for name, side in zip("ab", sides, strict=True))
    means = report.a["mean"], report.b["mean"]
    if not math.isfinite(gap):
        return f"{a} and {b} cannot be compared: their {loss} is {' and '.join(map(shown_number, means))}."
    if not gap:
        return f"{a} and {b} have the same {loss}, {means[0]:.4g}{_equality(report)}."
    better, worse = (a, b) if gap < 0 else (b, a)
    lower = f"its {loss} is lower by {abs(gap):.4g} ({min(means):.4g} against {max(means):.4g})"
    interval, excludes_zero = _interval(report)
    count, units = _units(report)
    if few := _too_few(report):
        return f"{few} to show that {better} is better than {worse}: {lower}, and {interval}."
    if report.difference["standard_error"] == 0:
        same = f"{better} is better than {worse} by the same on each of {count:,} {units}s"
        return f"{same}: {lower}, and no interval says what others would show."
    if excludes_zero:
        return f"{better} is better than {worse}: {lower}, and {interval}."
    return f"{better} is not shown to be better than {worse}: {lower}, but {interval}."


def disagreement(report: Report) -> str | None:
    """Return what to trust where McNemar's p and the interval say different things of the accuracies, else None.

    The verdict rests on neither: it is about the mean loss.
    """
    p, bound, gap = report.mcnemar["p_value"], 1 - report.confidence, report.accuracy_difference
    is_significant, excludes_zero = p <= bound, gap["low"] > 0 or gap["high"] < 0
    if is_significant == excludes_zero or math.isnan(gap["low"]):
        return None
    does = "excludes" if excludes_zero else "includes"
    says = f"McNemar's p of {short_number(p)} is {'at most' if is_significant else 'above'} {bound:.6g}"
    if report.clusters is None:
        why = "whether they differ, trust p, which is exact; the interval, an approximation, says by how much"
    else:
        why = "trust the interval, which takes account of clusters; p does not"
    return f"accuracy: {says}, but the {100 * report.confidence:.6g} % interval of the difference {does} 0: {why}"


def _equality(report: Report) -> str:
    if not (report.wins or report.losses):
        return f", the same on {'the one pair' if report.pairs == 1 else f'each of {report.pairs:,} pairs'}"
    few = _too_few(report)
    return f"; {few} to show a difference" if few else f", and {_interval(report)[0]}"


def _units(report: Report) -> tuple[int, str]:
    """Return how many independent units there are, and what they are."""
    return (report.pairs, "pair") if report.clusters is None else (report.clusters, "cluster")


def _too_few(report: Report) -> str:
    """Return that pairs (or clusters) are too few, where they are too few to show anything, else nothing.

    They are where chance alone, were the models alike, would have all of them favour one side more often than the
    confidence allows: no sign test could reject.
    """
    count, unit = _units(report)
    if count >= 1 - math.log2(1 - report.confidence):
        return ""
    return f"{counted(count, unit)} {'is' if count == 1 else 'are'} too few"


def _interval(report: Report) -> tuple[str, bool]:
    """Return what to say of the interval of the difference, lower than higher mean, and whether it excludes 0."""
    bounds = report.difference["low"], report.difference["high"]
    if any(map(math.isnan, bounds)):
        return "there is no interval of that", False
    excludes_zero = bounds[0] > 0 or bounds[1] < 0
    low, high = sorted(-bound for bound in bounds) if report.difference["mean"] < 0 else bounds
    says = f"{low:.4g} to {high:.4g}, {'excludes' if excludes_zero else 'includes'} 0"
    return f"the {100 * report.confidence:.6g} % interval of that, {says}", excludes_zero


def differing_groups(groups: Iterable[Report], confidence: float) -> list[Report]:
    """Return the groups whose accuracy differs: McNemar's p, corrected for all groups, is at most 1 - confidence."""
    return [group for group in groups if group.p_value_holm <= 1 - confidence]


def differing(report: Report) -> str:
    """Return which groups differ, and which model is better there, as a sentence."""
    groups = differing_groups(report.groups, report.confidence)
    test, bound = "McNemar's p, corrected for their number by Holm", f"{1 - report.confidence:.6g}"
    if not groups:
        return f"Accuracy differs in no group of {len(report.groups):,}: {test}, is above {bound} in each."
    better: dict[str, list[str]] = {}
    for group in groups:
        model = "a" if group.mcnemar["only_a"] > group.mcnemar["only_b"] else "b"
        better.setdefault(model, []).append(" / ".join(group.group))
    named = "; ".join(f"{model} is better in {listed(better[model])}" for model in sorted(better))
    every = counted(len(report.groups), "group")
    return f"Accuracy differs in {len(groups):,} of {every}: {named} ({test}, at most {bound})."
