"""What the report page shows: findings, figures, plots and tables, as data; `render.page` makes HTML of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mrl_cli import __version__
from mrl_cli.exact import magnitude
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.reports.base import Table
from mrl_cli.reports.cells import full_text, share_text, short_text
from mrl_cli.reports.figures import each, ratio, short_number, shown_number
from mrl_cli.reports.findings import REDUCED, finding_of
from mrl_cli.reports.pictures import curves_of_margins, distribution, groups_beside, reliability
from mrl_cli.reports.plots import Estimate, Estimates
from mrl_cli.statistics.intervals import normal_quantile
from mrl_cli.words import counted, group_names, harmless, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.histogram import Histogram
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.plots import Curves, Distribution, Plot

MOST_ROWS = 1000  # of groups
FEW_ROWS = 20  # shown before a reader asks for more
FUNNEL_GROUPS = 30  # more of them than this are drawn
MARGINS = 41
LONGEST = 200  # characters of a text from a file
MOST_COLUMNS = 8  # of the worst pairs, beside their numbers

LEAST_DECIMAL, MOST_DECIMAL = 1e-3, 1e6  # numbers from and below which are written with decimals

Form = Literal["text", "count", "number", "exact", "share", "interval"]


class Column(NamedTuple):
    """A column of a table: its name, and how its values are written.

    A number has four decimals, an exact one all of its few digits; the values of an interval are (low, share, high).
    """

    name: str
    form: Form = "text"


class PageTable(NamedTuple):
    """A table that can be sorted and downloaded under a name; `whole` is drawn as a line in its intervals.

    Rows are those behind the marks of the plots above, in their order. `at_once` of them are seen at first, if any.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    at_once: int = 0
    whole: float | None = None


class Section(NamedTuple):
    """A part of the page: a finding as its title, what it rests on, plots, and the table behind them.

    `is_half`: it takes half of the width, if there is room.
    """

    title: str
    lead: str = ""
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()
    table: PageTable | None = None
    is_half: bool = False


class PageFigure(NamedTuple):
    """A figure of the head: its name, its value as it is written and in full, and a remark."""

    name: str
    text: str
    value: float
    remark: str = ""


class Models(NamedTuple):
    """What a page on two models begins with: its finding, which pairs, the figures of both, and a section on them."""

    finding: str
    source: str
    figures: Sequence[PageFigure]
    section: Section


class Page(NamedTuple):
    """The report page; `command` is what makes it again."""

    title: str
    finding: str
    source: str
    figures: Sequence[PageFigure]
    sections: Sequence[Section]
    checks: Sequence[str]
    summary: Sequence[tuple[str, str]]
    command: str
    version: str = __version__


def page_of(
    report: Report,
    histogram: Histogram,
    plan: Plan,
    *,
    worst: Sequence[dict[str, Any]],
    models: Models | None = None,
    title: str | None = None,
    command: str,
) -> Page:
    """Return the page of what `mrl compute` reports of pairs, whose differences the histogram with sums holds.

    `worst` are the records of the worst pairs. What `models` say of two comes first, then the pictures of model a.
    """
    finding = finding_of(report)
    sections = [
        _differences(histogram, plan),
        _margins(histogram, plan),
        _calibration(report),
        groups_section(report, plan),
        _benchmark(report),
        _worst(report, worst),
    ]
    if models is None:
        return whole_page(report, finding, sections, title, command)
    of_a = Section(f"Model a alone: {finding}", "The pictures from here on are of a; a page on b draws those of b.")
    short = models.finding.rpartition(": ")[0] or None  # without the numbers, which the lead has
    page = whole_page(report, models.finding, [models.section, of_a, *sections], title or short, command)
    return page._replace(source=models.source, figures=models.figures)


def whole_page(
    report: Report, finding: str, sections: Sequence[Section | None], title: str | None, command: str
) -> Page:
    """Return a page of sections, of which those that are None are left out; the head is that of the report."""
    summary = next(block for block in report.blocks() if isinstance(block, Table) and block.is_summary)
    return Page(
        harmless(title, LONGEST) if title is not None else finding,
        finding,
        _source(report),
        list(_figures(report)),
        _side_by_side([section for section in sections if section is not None]),
        list(_checks(report)),
        [(key, full_text(value)) for key, value in (*filter(None, summary.rows), *summary.settings)],
        command,
    )


def _side_by_side(sections: list[Section]) -> list[Section]:
    """Return sections of which only those take half of the width that stand beside another such one."""
    halves = [False, *(section.is_half for section in sections), False]
    beside = [before or after for before, after in zip(halves, halves[2:], strict=False)]
    return [
        section._replace(is_half=section.is_half and is_beside)
        for section, is_beside in zip(sections, beside, strict=True)
    ]


def _source(report: Report) -> str:
    inputs = listed(("stdin" if name == "-" else name for name in report.inputs), 3)
    loss = report.loss if report.margin is None else f"{report.loss}, margin {report.margin:g}"
    return f"{inputs} · {counted(report.pairs, 'pair')} · {loss}"


def percent_text(share: float) -> str:
    """Return a share in percent with the digits it has."""
    return f"{100 * share:.6g}%"


def interval_text(low: float | None = None, high: float | None = None, *, is_share: bool = False) -> str:
    """Return the bounds of an interval as they are written; nothing where there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{low:.1%} to {high:.1%}" if is_share else f"{low:.4g} to {high:.4g}"


def _figures(report: Report) -> Iterator[PageFigure]:
    """Yield the figures of the head, with intervals where there are some."""
    name, ends = REDUCED[report.reduction]
    of_mean = interval_text(*(getattr(report, key) for key in ends))
    yield PageFigure(name, short_text(report.value), report.value, of_mean)
    bounds = interval_text(report.accuracy_low, report.accuracy_high, is_share=True)
    yield PageFigure("accuracy", share_text(report.correct, report.pairs), report.accuracy, bounds)
    if report.query_accuracy is not None:
        remark = counted(report.queries - (report.queries_without_pairs or 0), "query", "queries")
        yield PageFigure("accuracy of a query", f"{report.query_accuracy:.1%}", report.query_accuracy, remark)
    if report.accuracy_weighted is not None:
        yield PageFigure("accuracy, weighted", f"{report.accuracy_weighted:.1%}", report.accuracy_weighted)
    if report.accuracy_at_margin is not None and report.margin:
        text, remark = share_text(report.beyond_margin, report.pairs), counted(report.beyond_margin, "pair")
        yield PageFigure("right by the margin", text, report.accuracy_at_margin, remark)
    if report.active is not None:
        text, share = share_text(report.active, report.pairs), ratio(report.active, report.pairs)
        yield PageFigure("with a loss", text, share, counted(report.active, "pair"))
    left_out = f"{report.rejected:,} rejected" if report.rejected else ""
    yield PageFigure("ties", f"{report.ties:,}", report.ties, left_out)


def _checks(report: Report) -> Iterator[str]:
    """Yield what was checked, and what to know before believing the figures."""
    if report.validation is not None:
        checks = report.validation["checks"]
        if passed := [check["name"] for check in checks if check["passed"]]:
            yield f"✓ Found a second time, independently, and the same: {listed(passed)}."
        yield from (f"✗ Not the same when found a second time: {one['name']}." for one in checks if not one["passed"])
    for key, what in (
        ("rejected", "left out for a problem"),
        ("ties_dropped", "dropped as ties"),
        ("labels_skipped", "skipped for their label"),
        ("zero_weight", "left out for a weight of 0"),
    ):
        if count := getattr(report, key):
            yield f"{counted(count, 'row')} {what}"
    yield from report.notes or ()


def _differences(histogram: Histogram, plan: Plan) -> Section:
    plot = distribution(histogram, plan)
    columns = [Column("d from", "exact"), Column("d to", "exact"), Column("pairs", "count"), Column("loss", "number")]
    rows: list[tuple[Any, ...]] = [
        (plot.start + place * plot.width, plot.start + (place + 1) * plot.width, count, loss)
        for place, (count, loss) in enumerate(zip(plot.counts, plot.losses, strict=True))
    ]
    if shares := plot.loss_shares:
        columns.append(Column("share of the loss", "share"))
        rows = [(*row, share) for row, share in zip(rows, shares, strict=True)]
    lead = "How many pairs have which score difference d"
    lead = f"Above, how many pairs have score difference d; below, {_WHICH_SHARE}" if shares else f"{lead}."
    half = _half_of_the_loss(histogram, plan) if shares else None
    return Section(half or plot.title, lead, [plot], _outside(plot), PageTable("differences", columns, rows))


_WHICH_SHARE = "which share of the loss of the pairs shown they make."


def _outside(plot: Distribution) -> list[str]:
    others = (f"{count:,} {where}" for where, count in (("below", plot.below), ("above", plot.above)) if count)
    outside = ", ".join(others)
    ties = f"; {counted(plot.ties, 'pair has', 'pairs have')} d = 0, which no bar holds" if plot.ties else ""
    return [f"Bars are {plot.width:g} wide{f'; {outside} the range' if outside else ''}{ties}."]


def _half_of_the_loss(histogram: Histogram, plan: Plan) -> str | None:
    """Return from how few of the pairs half of the loss comes; None where a loss does not fall with the difference."""
    from mrl_cli.reductions.bars import losses_of_cells

    loss = LOSSES[plan.loss.name]
    if not loss.is_monotone or loss.is_target:
        return None
    cells = histogram.met()
    losses = losses_of_cells(histogram, plan)[cells]
    if not 0 < (largest := magnitude(losses)) < math.inf:
        return None
    reached = np.cumsum(np.ldexp(losses, -math.frexp(largest)[1]))  # their sum may be beyond the doubles
    last = int(np.searchsorted(reached, reached[-1] / 2))
    _, signs = histogram.cells.starts(cells[last:][:1])
    taken, whole = int(histogram.counts[cells[: last + 1]].sum()), int(histogram.counts.sum())
    if taken == whole:
        return None
    which = "those ranked wrong by the most" if (signs < 0).all() else "those with the lowest d"
    return f"Half of the loss comes from about {share_text(taken, whole)} of the pairs, {which}"


def _margins(histogram: Histogram, plan: Plan) -> Section | None:
    plot = curves_of_margins(histogram, plan, MARGINS)
    if plot is None:
        return None
    lead = "What another margin would give on the same scores."
    return Section(plot.title, lead, [plot], table=PageTable("margins", *_of_curves(plot)))


def _of_curves(plot: Curves) -> tuple[list[Column], list[tuple[float, ...]]]:
    columns = [Column(plot.variable, "exact")]
    columns += [Column(series.name, "share" if series.is_share else "number") for series in plot.series]
    return columns, list(zip(plot.at, *(series.values for series in plot.series), strict=True))


def _calibration(report: Report) -> Section | None:
    found = report.calibration
    if found is None or not found["bins"]:
        return None
    plot = reliability(found)
    lead = f"Expected calibration error {found['expected_calibration_error']:.3f}"
    temperature = found.get("temperature")
    if temperature is not None and 0 < temperature < math.inf:
        low, high = (found.get(f"temperature_{end}") for end in ("low", "high"))
        bounds = f"{low:.4g} or more" if high == math.inf else interval_text(low, high)
        lead += f"; dividing d by {temperature:.3g}{f' ({bounds})' if bounds else ''} would fit best"
    lead += ". The dashed line is where both agree."
    names = ("confidence from", "to", "pairs", "expected", "ranked right", "low", "high")
    forms: tuple[Form, ...] = ("exact", "exact", "count", "share", "share", "share", "share")
    keys = ("low", "high", "pairs", "confidence", "accuracy", "accuracy_low", "accuracy_high")
    there = [place for place, key in enumerate(keys) if key in found["bins"][0]]
    columns = [Column(names[place], forms[place]) for place in there]
    rows = [[one[keys[place]] for place in there] for one in found["bins"]]
    return Section(plot.title, lead, [plot], table=PageTable("calibration", columns, rows), is_half=True)


def groups_section(report: Report, plan: Plan) -> Section | None:
    """Return the groups that make most of the loss, as a table, and as a funnel where they are many."""
    if report.groups is None:
        return None
    sums, count = each(report.groups, "sum"), len(report.groups)
    order = np.argsort(-np.where(np.isnan(sums), math.inf, sums), kind="stable")[:MOST_ROWS]
    every = list(report.groups) if count <= MOST_ROWS else None
    groups = [report.groups[place] if every is None else every[place] for place in order.tolist()]
    beside = groups_beside(report, plan)
    names = group_names(report.group_by)
    columns = [*(Column(harmless(name, LONGEST)) for name in names), Column("pairs", "count")]
    columns += [Column("mean loss", "number"), Column("accuracy", "share")]
    has_intervals = report.accuracy_low is not None
    columns += [Column(f"{percent_text(report.confidence)} interval", "interval")] if has_intervals else []
    columns += [Column("share of the loss", "share")] if report.sum and math.isfinite(report.sum) else []
    rows = [_group_row(group, report, has_intervals=has_intervals) for group in groups]
    notes = [f"The {len(rows):,} groups with the most loss, of {count:,}."] if len(rows) < count else []
    table = PageTable("groups", columns, rows, FEW_ROWS, report.accuracy)
    title = f"{counted(count, 'group')} by {listed(names)}" if beside is None else beside.title
    if beside is None or count <= FUNNEL_GROUPS:
        lead = "Those with the most loss first."
        return Section(title, lead, notes=notes, table=table)
    lead = f"Each dot is one {listed(names)}."
    if report.confidence is not None:
        lead += f" In the band lie {percent_text(report.confidence)} of groups if all were as accurate as the whole."
    return Section(title, lead, [_funnel(groups, report, beside)], notes, table)


def _group_row(group: Report, report: Report, *, has_intervals: bool) -> list[Any]:
    row: list[Any] = [*(harmless(part, LONGEST) for part in group.group), group.pairs, group.mean, group.accuracy]
    row += [(group.accuracy_low, group.accuracy, group.accuracy_high)] if has_intervals else []
    return row + ([group.sum / report.sum] if report.sum and math.isfinite(report.sum) else [])


def _funnel(groups: Sequence[Report], report: Report, beside: Estimates) -> Estimates:
    estimates = tuple(
        Estimate(
            harmless(", ".join(group.group), LONGEST),
            group.pairs,
            group.accuracy,
            group.accuracy if group.accuracy_low is None else group.accuracy_low,
            group.accuracy if group.accuracy_high is None else group.accuracy_high,
        )
        for group in groups
    )
    # Wilson's interval leaves out what is farther away than this, in standard deviations of the whole's share.
    band = None if report.confidence is None else normal_quantile(report.confidence)
    return Estimates(
        beside.title, beside.variable, estimates, "", 0.0, report.accuracy, len(report.groups) - len(estimates), band
    )


def _benchmark(report: Report) -> Section | None:
    if not report.sections:
        return None
    columns = [Column("section"), Column("accuracy", "share")]
    rows = [(section["section"], section["accuracy"]) for section in report.sections]
    title = f"The sections' accuracies average {report.section_average:.1%}"
    return Section(title, table=PageTable("sections", columns, rows, FEW_ROWS), is_half=True)


def _worst(report: Report, worst: Sequence[dict[str, Any]]) -> Section | None:
    if not worst:
        return None
    first, mean = worst[0]["loss"], report.mean
    times = f", {first / mean:.3g} times the mean" if mean > 0 and math.isfinite(first / mean) else ""
    title = f"The worst pair costs {short_text(first)}{times}"
    numbers = [key for key in worst[0] if key != "cells"]
    others = list(dict.fromkeys(name for pair in worst for name in pair["cells"]))
    forms: dict[str, Form] = {"file": "text", **dict.fromkeys(("line", "row", "line or row", "y"), "exact")}
    columns = [Column(key, forms.get(key, "number")) for key in numbers]
    columns += [Column(harmless(name, LONGEST)) for name in others[:MOST_COLUMNS]]
    rows = [
        [*(pair[key] for key in numbers), *(pair["cells"].get(name, "") for name in others[:MOST_COLUMNS])]
        for pair in worst
    ]
    notes = [f"{counted(len(others) - MOST_COLUMNS, 'more column')} not shown."] if len(others) > MOST_COLUMNS else []
    return Section(title, notes=notes, table=PageTable("worst-pairs", columns, rows, len(rows)))


def cell_text(value: Any, form: Form) -> str:
    """Return a value of a table as it is written.

    >>> cell_text(1234, "count"), cell_text(0.125, "share"), cell_text(None, "number"), cell_text(2 / 3, "number")
    ('1,234', '12.5%', '', '0.6667')
    """
    if value is None:
        return ""
    if form == "share":
        return f"{value:.1%}" if math.isfinite(value) else shown_number(value)
    if form == "count":
        return f"{value:,}"
    if form == "text" or isinstance(value, int):
        return str(value)
    is_plain = form == "number" and (value == 0 or LEAST_DECIMAL <= abs(value) < MOST_DECIMAL)
    return (f"{value:.4f}" if is_plain else short_number(value)).replace("-", "−")
