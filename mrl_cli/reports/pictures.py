"""From what was found to what is drawn of it, and the sentence above: which of several is true, a test says."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.reports.better import differing
from mrl_cli.reports.cells import share_text
from mrl_cli.reports.plots import Curves, Distribution, Estimate, Estimates, Plot, Quadrants, Region, Series
from mrl_cli.statistics.intervals import mcnemar_p, normal_quantile, wilson_interval
from mrl_cli.statistics.multiple import poisson_tail, wilson_misses
from mrl_cli.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.histogram import Histogram
    from mrl_cli.reductions.pagequeries import Accuracies
    from mrl_cli.reports.base import Report

MOST_POINTS = 12  # of a curve
MOST_GROUPS = 20
SIGNIFICANT = 0.05
CONFIDENCE = 0.95  # of intervals where none is asked for


def prepare() -> None:
    """Load what pictures of pairs rest on, which those of anything else do without."""
    from mrl_cli.reductions import bars  # noqa: F401 (the import is all)
    from mrl_cli.reports import calibration, sweep  # noqa: F401

    normal_quantile(CONFIDENCE)


def of_pairs(report: Report, histogram: Histogram, plan: Plan) -> dict[str, Plot]:
    """Return what is drawn of pairs: how d lies, the loss by margin, how sure scores are, and groups beside another."""
    from mrl_cli.reports.calibration import calibration_of, has_confidences

    calibration = report.calibration
    if calibration is None and has_confidences(plan):
        calibration = calibration_of(histogram, plan)
    drawn = {
        "differences": distribution(histogram, plan),
        "margins": curves_of_margins(histogram, plan),
        "calibration": None if calibration is None else reliability(calibration),
        "groups": groups_beside(report, plan),
    }
    return {name: plot for name, plot in drawn.items() if plot is not None}


def distribution(histogram: Histogram, plan: Plan) -> Distribution:
    """Return how many pairs have which difference, with what is wrong and what is inside the margin.

    A histogram without sums, whose cells are not cut at the margin, tells neither the losses nor what is inside it.
    """
    from mrl_cli.reductions.bars import MOST_WIDTHS, bars_of, regions_of
    from mrl_cli.reductions.cellsums import shown_margin

    margin = shown_margin(plan) if histogram.sums else 0.0
    knots = (0.0, margin) if margin else (0.0,)
    bars = bars_of(histogram, plan, 2 * MOST_WIDTHS, knots)
    pairs_of = regions_of(histogram, plan)
    pairs, wrong, ties = sum(pairs_of.values()), pairs_of["wrong"], pairs_of["ties"]
    right = pairs - wrong - ties
    title = f"{share_text(right, pairs)} of {counted(pairs, 'pair')} {'is' if pairs == 1 else 'are'} ranked right"
    shares = {"wrong": wrong, "right": right}
    if len(knots) > 1:
        title += f", {share_text(pairs_of['beyond_margin'], pairs)} by the margin of {margin:g} or more"
        shares = {
            "wrong": wrong,
            f"0 to {margin:g}": pairs_of["inside_margin"],
            "right by the margin": pairs_of["beyond_margin"],
        }
    regions = (Region(name, of / pairs if pairs else 0.0, name == "wrong") for name, of in shares.items())
    return Distribution(
        title,
        "d = y(x1 − x2)",
        max(bars.edges[0], -sys.float_info.max),
        bars.width,
        tuple(bars.pairs),
        bars.below[0],
        bars.above[0],
        knots,
        tuple(regions),
        ties,
        losses=tuple(bars.losses) if histogram.sums else (),
    )


def curves_of_margins(histogram: Histogram, plan: Plan, most: int = MOST_POINTS) -> Curves | None:
    """Return mean loss and active share at up to `most` margins; None where each pair has its own, or the loss none."""
    from mrl_cli.reductions.bars import curve_at, margins_for
    from mrl_cli.reductions.cellsums import is_hinge_of_differences, margin_of
    from mrl_cli.reports.sweep import sweep_points

    pairs = int(histogram.counts.sum())
    if not (is_hinge_of_differences(plan) and pairs):
        return None
    margins = margins_for(histogram, plan, most)
    weight = float(histogram.total("weight")) if "weight" in histogram.sums else None
    points = sweep_points(curve_at(histogram, plan, margins), margins, pairs, weight, plan)
    return curves_of_points(points, margin_of(plan))


def curves_of_points(points: Sequence[dict[str, Any]], own: float | None = None) -> Curves:
    """Return mean loss and active share of the points of a sweep; `own` is the margin asked for, if one was."""
    at = tuple(point["margin"] for point in points)
    series = (
        Series("mean loss", tuple(point["mean"] for point in points)),
        Series("active share", tuple(point["active_share"] for point in points), is_share=True),
    )
    marked = at.index(own) if own in at else None
    return Curves(_title_of_points(points, marked), "margin", at, series, marked)


def _title_of_points(points: Sequence[dict[str, Any]], marked: int | None) -> str:
    ascending = sorted(points, key=lambda point: float(point["margin"]))
    place = next((place for place, point in enumerate(ascending) if point["active_share"] >= 0.5), None)
    shown = ascending[-1 if place is None else 0]
    text = f"At a margin of {shown['margin']:g}, {shown['active_share']:.1%} of the pairs have a loss"
    if place:
        bounds = f"{ascending[place - 1]['margin']:g} and {ascending[place]['margin']:g}"
        text = f"Half of the pairs have a loss from a margin between {bounds} on"
    own = None if marked is None else points[marked]
    return text if own is None or own is shown else f"{text}, {own['active_share']:.1%} at {own['margin']:g}"


def reliability(calibration: dict[str, Any]) -> Estimates:
    """Return how often pairs are right beside how often Bradley-Terry expects it, by its confidence."""
    bins = calibration["bins"]
    estimates = tuple(
        Estimate(
            f"{one['low']:.2f} to {one['high']:.2f}",
            one["pairs"],
            one["accuracy"],
            one.get("accuracy_low", one["accuracy"]),
            one.get("accuracy_high", one["accuracy"]),
            one["confidence"],
        )
        for one in bins
    )
    has_intervals = "temperature_low" in calibration
    least = 0.5 if all(one.share >= 0.5 for one in estimates) else 0.0
    legend = "● share right" + (" with its interval" if has_intervals else "")
    legend += "   ◇ what Bradley-Terry expects, sigmoid(|x1 − x2|)"
    return Estimates(_title_of_calibration(calibration), "confidence", estimates, legend, least)


def _title_of_calibration(calibration: dict[str, Any]) -> str:
    error = f"the expected calibration error is {calibration['expected_calibration_error']:.3f}"
    low, high = (calibration.get(f"temperature_{end}", math.nan) for end in ("low", "high"))
    if math.isnan(low):  # without intervals, and where all pairs are ties
        return error[0].upper() + error[1:]
    how = "Underconfident: " if high < 1 else "Overconfident: " if low > 1 else ""
    apart = [one for one in calibration["bins"] if _is_apart(one, len(calibration["bins"]))]
    if how:  # what is apart in the other direction would contradict it
        apart = [one for one in apart if (one["accuracy"] > one["confidence"]) is (high < 1)]
    if not apart:
        fit = f"{how}scores divided by {calibration['temperature']:.3g} would fit best"
        return f"{fit if how else 'Scores agree with Bradley-Terry within chance'}; {error}"
    worst = max(apart, key=lambda one: one["pairs"] * abs(one["accuracy"] - one["confidence"]))
    at = "at a confidence of" if how else "At a confidence of"
    bounds = f"{worst['low']:.2f} to {worst['high']:.2f}"
    return (
        f"{how}{at} {bounds}, {worst['accuracy']:.1%} are right where Bradley-Terry expects {worst['confidence']:.1%}"
    )


def _is_apart(one: dict[str, Any], bins: int) -> bool:
    """Return whether a bin differs from its confidence by more than chance makes one of so many bins differ."""
    most = normal_quantile(1 - SIGNIFICANT / bins)
    expected = one["confidence"]
    return bool(abs(one["accuracy"] - expected) > most * math.sqrt(expected * (1 - expected) / one["pairs"]))


def groups_beside(report: Report, plan: Plan) -> Estimates | None:
    """Return the accuracy of the worst groups with their intervals; None where there are none, or pairs are clustered.

    Each interval is Wilson's, of pairs that are independent.
    """
    if not report.groups or plan.has_clusters or plan.has_lists:
        return None
    confidence = plan.reporting.confidence or CONFIDENCE
    whole = report.accuracy
    estimates = []
    for group in report.groups:
        if not group.pairs:
            continue
        interval = wilson_interval(group.correct, group.pairs, confidence)
        name = ", ".join(map(str, group.group))
        estimates.append(Estimate(name, group.pairs, group.correct / group.pairs, interval.low, interval.high))
    below = sum(one.high < whole for one in estimates)
    legend = f"● share right with its {100 * confidence:.3g}% interval   │ that of all"
    title = _title_of_groups(below, [one.pairs for one in estimates], whole, confidence)
    return _beside(estimates, report, title, legend, whole=whole)


def groups_compared(report: Report) -> Estimates:
    """Return by how much the accuracies of two models differ in each group, a's less b's; the worst for a first."""
    estimates = []
    for group in report.groups:
        gap = group.accuracy_difference
        low, high = (gap["mean"] if math.isnan(gap[end]) else gap[end] for end in ("low", "high"))
        estimates.append(Estimate(", ".join(map(str, group.group)), group.pairs, gap["mean"], low, high))
    legend = f"● accuracy of a less that of b with its {100 * report.confidence:.3g}% interval   │ that of all"
    drawn = _beside(estimates, report, differing(report), legend, whole=report.accuracy_difference["mean"])
    farthest = max((abs(end) for one in drawn.estimates for end in (one.low, one.high)), default=0.0)
    reach = min(1.0, max(1, math.ceil(10 * farthest)) / 10)
    return replace(drawn, least=-reach, greatest=reach, figure="a − b")


def _beside(estimates: Sequence[Estimate], report: Report, title: str, legend: str, *, whole: float) -> Estimates:
    """Return estimates of the groups of a report beside one another, the lowest first; no more than are drawn."""
    ordered = sorted(estimates, key=lambda one: (one.share, -one.pairs))[:MOST_GROUPS]
    by = listed(report.group_by) if isinstance(report.group_by, list) else str(report.group_by or "file")
    left_out = len(estimates) - len(ordered)
    return Estimates(title, by, tuple(ordered), legend, whole=whole, left_out=left_out)


def _title_of_groups(below: int, sizes: Sequence[int], whole: float, confidence: float) -> str:
    """Return whether more groups lie below the whole than chance would put there, were all as accurate as the whole."""
    chances = {size: wilson_misses(size, whole, confidence) for size in set(sizes)}
    expected, groups = math.fsum(chances[size] for size in sizes), counted(len(sizes), "group")
    if below <= expected or poisson_tail(below, expected) > SIGNIFICANT:
        return f"{groups}: no more of them are below the whole than chance would put there"
    of_groups = f"{below:,} of {groups} {'is' if below == 1 else 'are'}"
    return f"{of_groups} right less often than the whole; chance puts {expected:.1f} there"


def of_queries(found: Accuracies) -> Distribution:
    """Return how many queries have which accuracy, of those that have a pair; 1 is a bar of its own, the last."""
    counts = (*found.bars.tolist(), found.perfect)
    queries, below = sum(counts), sum(counts[: found.bars.size // 2])
    of_all = f"of {counted(queries, 'query', 'queries')} {'has' if queries == 1 else 'have'} all pairs right"
    title = f"{share_text(found.perfect, queries)} {of_all}, {share_text(below, queries)} fewer than half of them"
    share = below / max(queries, 1)
    regions = Region("under one half", share, is_bad=True), Region("one half or more", 1 - share)
    variable, width = "accuracy of the query (1: last bar)", 1 / found.bars.size
    return Distribution(title, variable, 0.0, width, counts, 0, 0, (0.5,), regions, unit="queries")


def quadrants(report: Report) -> Quadrants:
    """Return how often both models, one or none of them are right."""
    only_a, only_b = report.mcnemar["only_a"], report.mcnemar["only_b"]
    both = report.a["correct"] - only_a
    neither = report.pairs - both - only_a - only_b
    one_alone = f"one alone in {share_text(only_a + only_b, report.pairs)}"
    if mcnemar_p(only_a, only_b) > SIGNIFICANT:
        title = f"Neither is right more often beyond chance; {one_alone}"
    else:
        better, gap = ("a", only_a - only_b) if only_a > only_b else ("b", only_b - only_a)
        title = f"{better} is right more often, by {100 * gap / report.pairs:.1f} points; {one_alone}"
    names = (("both right", both, False), ("only a right", only_a, True), ("only b right", only_b, True))
    return Quadrants(title, (*names, ("neither right", neither, False)))
