"""Which of two models is better, and where: what a comparison shows, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mrl_cli.reports.base import Report


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
