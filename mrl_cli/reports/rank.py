"""What `mrl rank` reports: the figures of all pairs that lists have, and means over queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.reductions.queries import COUNTS, Queries
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.compute import ComputeReport
from mrl_cli.reports.figures import KEYS, Clusters, Facts, figures_of, reported_figures
from mrl_cli.reports.groups import group_report
from mrl_cli.statistics.moments import exact_mean
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.exact import ExactSum
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.ledger import Key
    from mrl_cli.reductions.look import Look

_OF_PAIRS = ("correct", "ties", "wrong", "active")


class ListFacts(Facts):
    """What figures of lists are computed from: those of their pairs, `lists`, which are counts, and sums of means."""

    def __init__(
        self,
        lists: Mapping[str, int],
        sums: Mapping[str, ExactSum],
        span: tuple[float, float],
        plan: Plan,
        clusters: Clusters | None = None,
        **of_run: Any,
    ) -> None:
        of: dict[str, Any] = {f"{name}_sum": sums.get(name) for name in ("loss", "weight", "correct_weight")}
        of |= {name: lists[name] for name in _OF_PAIRS}
        totals = Totals(min=span[0], max=span[1], **of)
        self.lists, self._sums = lists, sums
        super().__init__(totals, plan, clusters, **of_run)
        if plan.reporting.reduction == "query-mean":
            self.value = self.query_mean

    @property
    def query_mean(self) -> float:
        """The mean of the means of queries, by the weights of queries where they have some."""
        return self._sums["query_mean"] / self._sums["query_weight"]

    def mean_of_queries(self, name: str) -> float:
        """Return the mean over the queries that have a pair of what has that name."""
        return exact_mean(self._sums[name], self.lists["queries"] - self.lists["queries_without_pairs"])


class RankReport(ComputeReport):
    """What `mrl rank` reports; `groups` holds a report of each group, whose key is its `group`."""


def rank_report(
    counts: Counts, queries: Queries, plan: Plan, *, inputs: Sequence[str] = (), cautions: Sequence[str] = ()
) -> RankReport:
    """Return what `mrl rank` reports of what lists come to, and of each group where the plan has some."""
    groups = None
    if plan.has_groups:
        figures = reported_figures(plan, of_groups=True)
        groups = [group_report(key, facts, figures) for key, facts in _facts(queries, plan, by_group=True)]
    ((_, facts),) = _facts(queries, plan, counts=counts, groups=groups)
    return RankReport.of_run(
        "mrl.rank/1",
        inputs,
        **plan.settings(),
        **(dict.fromkeys(KEYS) | figures_of(facts, reported_figures(plan))),
        sections=None,
        groups=groups,
        section_groups=None,
        validation=None,
        notes=[*cautions] or None,
    )


def _facts(queries: Queries, plan: Plan, *, by_group: bool = False, **of_run: Any) -> Iterator[tuple[Key, ListFacts]]:
    """Yield every group with its facts, or all lists as one."""
    ledger = queries.ledger if by_group else queries.ledger.regrouped(lambda _: ())
    clusters = _clusters(queries, len(ledger), by_group=by_group) if plan.reporting.confidence is not None else None
    for key, place, counts, sums in ledger.entries():
        of_group = None if clusters is None else clusters[place]
        named = dict(zip(COUNTS, counts.tolist(), strict=True))
        yield key, ListFacts(named, sums, ledger.range_at(place), plan, of_group, sections=None, **of_run)


def _clusters(queries: Queries, groups: int, *, by_group: bool) -> list[Clusters]:
    """Return the queries of each group as clusters, in an order that does not depend on that of rows."""
    columns: list[NDArray[Any]] = [np.concatenate(parts) for parts in zip(*queries.clusters, strict=True)]
    of_group, *arrays = columns
    of_group = of_group if by_group else np.zeros_like(of_group)
    order = np.lexsort((*arrays, of_group))
    bounds = np.searchsorted(of_group[order], np.arange(groups + 1))
    return [Clusters(*(a[order[bounds[g] : bounds[g + 1]]] for a in arrays)) for g in range(groups)]


def refuse_no_pairs(queries: Queries, look: Look, plan: Plan) -> None:
    """Raise DataError where no list has a pair, with what the data say about why."""
    counts = dict(zip(COUNTS, np.zeros(len(COUNTS), np.int64).tolist(), strict=True))
    for _, _, of_all, _ in queries.ledger.regrouped(lambda _: ()).entries():
        counts = dict(zip(COUNTS, of_all.tolist(), strict=True))
    if counts["pairs"]:
        return
    rows, lists, label = counts["rows"], counts["queries"], harmless(plan.columns.name_of("y"))
    message = (
        f"no pairs: {counted(rows, 'row')} in {counted(lists, 'query', 'queries')}, none with two different labels"
    )
    hint = f"in no query are two rows of different {label}"
    if look.lowest_label == look.highest_label:
        hint = f"{label} is {look.lowest_label:g} in every row; name the column of labels with --label COLUMN"
    elif rows == lists and not plan.ranking.rows_are_lists:
        query = harmless(plan.columns.name_of("query"))
        hint = f"each row has a {query} of its own; name what its rows have in common with --query COLUMN"
    raise DataError(message, hint=hint)
