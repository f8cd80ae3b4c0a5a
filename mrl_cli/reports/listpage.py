"""What the report page shows of ranked lists: how accurate they are, groups, and the lists of the greatest losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mrl_cli.reports.cells import short_text
from mrl_cli.reports.findings import finding_of
from mrl_cli.reports.page import LONGEST, Column, Page, PageTable, Section, groups_section, whole_page
from mrl_cli.reports.pictures import of_queries
from mrl_cli.words import counted, group_names, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.pagequeries import Accuracies, PageQueries, WorstQuery
    from mrl_cli.reports.base import Report


def list_page_of(report: Report, found: PageQueries, plan: Plan, *, title: str | None, command: str) -> Page:
    """Return the page of what `mrl rank` reports of lists."""
    sections = [_accuracies(found.accuracies), groups_section(report, plan), _worst(report, found.worst, plan)]
    return whole_page(report, finding_of(report), sections, title, command)


def _accuracies(found: Accuracies) -> Section | None:
    plot = of_queries(found)
    if not any(plot.counts):
        return None
    edges = [min(place / found.bars.size, 1.0) for place in range(found.bars.size + 2)]
    rows = list(zip(edges, edges[1:], plot.counts, strict=False))
    notes = ["The last bar is the queries that have all pairs right."]
    if found.without_pairs:
        notes.append(f"{counted(found.without_pairs, 'query has', 'queries have')} no pair, and no accuracy.")
    columns = [Column("accuracy from", "exact"), Column("below", "exact"), Column("queries", "count")]
    lead = "How many queries have which share of their pairs right."
    return Section(plot.title, lead, [plot], notes, PageTable("queries", columns, rows))


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
