"""What a report shows, in one sentence: what tables, pages and pictures begin with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.reports.cells import share_text, short_text
from mrl_cli.reports.figures import each
from mrl_cli.words import counted, harmless, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.reports.base import Report

# Of each reduction what it gives, and the bounds of its interval.
REDUCED: dict[str, tuple[str, tuple[str, ...]]] = {
    "mean": ("mean loss", ("mean_low", "mean_high")),
    "query-mean": ("mean loss of a query", ("query_mean_low", "query_mean_high")),
    "sum": ("sum of the losses", ()),
}


def finding_of(report: Report) -> str:
    """Return how many of the pairs are ranked right, and what the loss is."""
    pairs = counted(report.pairs, "pair") + ("" if report.queries is None else f" in {_queries(report.queries)}")
    if not report.pairs:
        return f"No {'pairs' if report.queries is None else pairs.split(maxsplit=1)[1]}; {_loss(report)}"
    weighted = report.accuracy_weighted
    by_weight = "" if weighted is None else f" ({share_text(weighted, 1.0)} by weight)"
    ties = f", {share_text(report.ties, report.pairs)} are ties" if report.ties else ""
    are = "is" if report.pairs == 1 else "are"
    right = f"{share_text(report.correct, report.pairs)} of {pairs}{by_weight} {are} ranked right{ties}"
    return f"{right}; {_loss(report)}"


def _queries(count: int) -> str:
    return counted(count, "query", "queries")


def _loss(report: Report) -> str:
    name, bounds = REDUCED[report.reduction]
    weights = "weighted " if report.weight is not None and report.reduction != "sum" else ""
    low, high = (getattr(report, key) for key in bounds or ("mean_low", "mean_high"))
    interval = ""
    if bounds and low is not None and not math.isnan(low):
        interval = f" ({100 * report.confidence:.6g}% interval {short_text(low)} to {short_text(high)})"
    return f"{weights}{name} {short_text(report.value)}{interval}{_at_margin(report)}"


def _at_margin(report: Report) -> str:
    loss = LOSSES.get(report.loss)
    if loss is None or not loss.has_margin:
        return ""
    if report.strength == "margin":
        return " at the margins that the labels say"
    if report.margin_column is not None:
        return f" at the margins of column {harmless(report.margin_column)}"
    is_usual = loss.is_hinge or report.margin != 0  # others have one at times alone
    return f" at margin {report.margin:g}" if is_usual else ""


def worst_group_of(report: Report) -> str:
    """Return which of several groups has the lowest accuracy, for the end of a sentence; nothing where none has one."""
    if report.groups is None or len(report.groups) < 2:
        return ""
    accuracies = each(report.groups, "accuracy")
    if np.isnan(accuracies).all():
        return ""
    group = report.groups[int(np.nanargmin(accuracies))]
    name = " / ".join(harmless(part) or '""' for part in group.group)
    return (
        f"; the lowest of {counted(len(accuracies), 'group')} is {name} with {share_text(group.correct, group.pairs)}"
    )


def finding_of_sweep(report: Report) -> str:
    """Return what the margin does to the loss, and to how many pairs have one."""
    points = sorted(report.points, key=lambda point: float(point["margin"]))
    name, _ = REDUCED[report.reduction]
    first, last = points[0], points[-1]
    pairs = f"of {counted(report.pairs, 'pair')}"
    shares = [share_text(point["active"], report.pairs) for point in (first, last)]
    if first is last:
        value = short_text(first["value"])
        return f"At margin {first['margin']:g} the {name} is {value}, and the share {pairs} with a loss {shares[0]}"
    margins = f"From margin {first['margin']:g} to {last['margin']:g}"
    values = f"the {name} goes from {short_text(first['value'])} to {short_text(last['value'])}"
    return f"{margins} {values}, and the share {pairs} with a loss from {shares[0]} to {shares[1]}"


def finding_of_checks(checks: Sequence[Any], pairs: int) -> str:
    """Return whether every check passed, and else which did not."""
    failed = [check.title for check in checks if not check.passed]
    if not failed:
        return f"Every check passed: {counted(len(checks), 'check')} of {counted(pairs, 'pair')}"
    return f"{len(failed)} of {counted(len(checks), 'check')} failed: {listed(failed)}"


def finding_of_inputs(entries: Sequence[dict[str, Any]]) -> str:
    """Return what the rows of inputs are, and for how many of them there is a command to go on with."""
    unread = sum("error" in entry for entry in entries)
    kinds = [entry["kind"] for entry in entries if "error" not in entry]
    ready = sum(entry.get("command") is not None for entry in entries)
    if len(entries) == 1:
        rows = "rows" if entries[0]["rows"] is None else counted(entries[0]["rows"], "row")
        what = f"{kinds[0] or 'nothing known'}: {rows} of {entries[0]['format']}"
        return f"{_short_name(entries[0])} holds {what}" + ("" if ready else ", which no command reads as it is")
    failed = f", {unread:,} cannot be read" if unread else ""
    return f"{ready:,} of {counted(len(entries), 'input')} can be read as they are{failed}"


def _short_name(entry: dict[str, Any]) -> str:
    return "stdin" if entry["name"] == "-" else harmless(entry["name"], 200)
