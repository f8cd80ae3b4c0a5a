"""What the report page shows of ranked lists: how accurate they are, groups, and the lists of the greatest losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mrl_cli.reductions.pagequeries import BARS, Accuracies
from mrl_cli.reports.cells import share_text, short_text
from mrl_cli.reports.findings import finding_of
from mrl_cli.reports.page import (
    LONGEST,
    Column,
    Page,
    PageTable,
    Section,
    groups_section,
    whole_page,
)
from mrl_cli.reports.plots import Distribution, Region
from mrl_cli.words import counted, group_names, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.pagequeries import PageQueries, WorstQuery
    from mrl_cli.reports.base import Report


def list_page_of(report: Report, found: PageQueries, plan: Plan, *, title: str | None, command: str) -> Page:
    """Return the page of what `mrl rank` reports of lists."""
    sections = [_accuracies(found.accuracies), groups_section(report, plan), _worst(report, found.worst, plan)]
    return whole_page(report, finding_of(report), sections, title, command)


def _accuracies(found: Accuracies) -> Section | None:
    bars = found.bars.tolist()
    queries = sum(bars) + found.perfect
    if not queries:
        return None
    below = sum(bars[: BARS // 2])
    text = f"{share_text(found.perfect, queries)} of the queries have all pairs right"
    title = f"{text}, {share_text(below, queries)} fewer than half of them"
    regions = Region("under one half", below / queries, is_bad=True), Region("one half or more", 1 - below / queries)
    counts = (*bars, found.perfect)
    plot = Distribution(title, "accuracy of the query", 0.0, 1 / BARS, counts, 0, 0, (0.5,), regions, unit="queries")
    edges = [place / BARS for place in range(BARS + 1)]
    rows = [(edge, edge + 1 / BARS if edge < 1 else 1.0, count) for edge, count in zip(edges, counts, strict=True)]
    notes = ["The last bar is the queries that have all pairs right."]
    if found.without_pairs:
        notes.append(f"{counted(found.without_pairs, 'query has', 'queries have')} no pair, and no accuracy.")
    columns = [Column("accuracy from", "exact"), Column("below", "exact"), Column("queries", "count")]
    return Section(
        title,
        "How many queries have which share of their pairs right.",
        [plot],
        notes,
        PageTable("queries", columns, rows),
    )


def _worst(report: Report, worst: Sequence[WorstQuery], plan: Plan) -> Section | None:
    if not worst:
        return None
    mean = report.query_mean
    times = f", {worst[0].mean / mean:.3g} times the mean" if mean > 0 and math.isfinite(worst[0].mean / mean) else ""
    counts = list(worst[0].counts)
    names = group_names([*plan.groups.values(), plan.columns.name_of("query") or "query"], [*counts, "loss"])
    columns = [Column(harmless(name, LONGEST)) for name in names]
    columns += [Column("mean loss", "number"), Column("sum", "number")]
    columns += [*(Column(name, "count") for name in counts), Column("accuracy", "share")]
    rows = [_row(query) for query in worst]
    title = f"The worst query has a mean loss of {short_text(worst[0].mean)}{times}"
    return Section(title, table=PageTable("worst-queries", columns, rows, len(rows)))


def _row(query: WorstQuery) -> list[Any]:
    pairs = query.counts["pairs"]
    accuracy = query.counts["correct"] / pairs if pairs else None
    return [*(harmless(part, LONGEST) for part in query.key), query.mean, query.sum, *query.counts.values(), accuracy]
