"""What `mrl rank` reports: the figures of all pairs that lists have, and means over queries."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.exact import ExactSum
from mrl_cli.lists.squares import DESCRIBED
from mrl_cli.losses import LISTWISE
from mrl_cli.reductions.queries import COUNTS, Clustered, Queries
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.compute import ComputeReport
from mrl_cli.reports.figures import EVERY_SETTING, KEYS, Facts, figures_of, keys_that_need, ratio, reported_figures
from mrl_cli.reports.groups import group_report
from mrl_cli.reports.notes import CHANCE, chance_of_so_few
from mrl_cli.reports.sweep import OF_LISTS, SweepReport
from mrl_cli.words import counted, harmless, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Counts, Plan, Role
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.listcurve import ListPoint
    from mrl_cli.reductions.look import Look

_RANKS = re.compile(r"(?i)(?<![a-z])(rank|ranking|position|place)$")
_OF_PAIRS = ("correct", "ties", "wrong", "active")
_SUMS = ("loss", "weight", "correct_weight")


class ListFacts(Facts):
    """What figures of lists are computed from: those of their pairs, `lists`, which are counts, and sums of means."""

    def __init__(
        self,
        lists: Mapping[str, int],
        sums: Mapping[str, ExactSum],
        span: tuple[float, float],
        plan: Plan,
        clusters: Clustered | None = None,
        **of_run: Any,
    ) -> None:
        of: dict[str, Any] = {f"{name}_sum": sums.get(name) for name in (*_SUMS, *DESCRIBED)}
        of |= {name: lists[name] for name in _OF_PAIRS}
        if plan.loss.name in LISTWISE and plan.has_own_weights:
            of["weight_sum"] = sums["query_weight"]  # what the mean is divided by
        totals = Totals(min=span[0], max=span[1], **of)
        self.lists, self._sums = lists, sums
        self._is_listwise = plan.loss.name in LISTWISE
        self.queries = clusters
        super().__init__(totals, plan, **of_run)
        if self._is_listwise:
            self.sum, self.mean = float(sums["query_mean"]), self.query_mean
        if plan.reporting.reduction == "query-mean" or self._is_listwise:
            self.value = self.sum if plan.reporting.reduction == "sum" else self.query_mean

    def _add_intervals(self, loss: ExactSum, confidence: float) -> None:
        """Add intervals of means over pairs, clustered by query, and of the mean over queries."""
        del loss
        from mrl_cli.statistics import intervals  # a run without intervals starts without them

        lists: Any = self.queries
        here, means = lists.pairs > 0, lists.means[~np.isnan(lists.means)]
        of_means = intervals.clustered_mean_interval(means, np.ones(means.size, np.int64), confidence)
        of_pairs = intervals.clustered_mean_interval(lists.sums[here], lists.pairs[here], confidence)
        self.mean_interval, self.query_mean_interval = of_means if self._is_listwise else of_pairs, of_means
        self.accuracy_interval = intervals.clustered_wilson_interval(lists.correct[here], lists.pairs[here], confidence)

    @property
    def zero_weight(self) -> int:
        """How many pairs are left out for a weight of 0."""
        return self.lists["zero_weight"]

    @property
    def query_mean(self) -> float:
        """The mean of the means of queries, by the weights of queries where they have some."""
        return self._sums["query_mean"] / self._sums["query_weight"]

    def query_mean_of(self, name: str) -> Any:
        """Return the mean over the queries that have a pair, by their weights, of what has that name."""
        return ratio(float(self._sums[name]), float(self._sums["weight_with_pairs"]))


class RankReport(ComputeReport):
    """What `mrl rank` reports; `groups` holds a report of each group, whose key is its `group`."""

    FIRST = (*keys_that_need("", "reduced", "lists", "describes", "spread of d"), *EVERY_SETTING, "lambda_weight")


def rank_report(
    counts: Counts,
    queries: Queries,
    plan: Plan,
    *,
    inputs: Sequence[str] = (),
    look: Look | None = None,
    cautions: Sequence[str] = (),
    sections: list[dict[str, Any]] | None = None,
) -> RankReport:
    """Return what `mrl rank` reports of what lists come to, and of each group where the plan has some."""
    groups = None
    if plan.has_groups:
        figures = reported_figures(plan, of_groups=True)
        groups = [group_report(key, facts, figures) for key, facts in _facts(queries, plan, by_group=True)]
    ((_, facts),) = _facts(queries, plan, counts=counts, groups=groups, sections=sections)
    return RankReport.of_run(
        "mrl.rank/1",
        inputs,
        **(plan.settings() | ({"margin": None} if plan.loss.name in LISTWISE else {})),
        **(dict.fromkeys(KEYS) | figures_of(facts, reported_figures(plan))),
        sections=sections,
        groups=groups,
        section_groups=None,
        validation=None,
        notes=[*cautions, *_group_notes(queries, plan), *label_notes(look, plan), *_order_notes(facts, plan)] or None,
    )


def _facts(queries: Queries, plan: Plan, *, by_group: bool = False, **of_run: Any) -> Iterator[tuple[Key, ListFacts]]:
    """Yield every group with its facts, or all lists as one."""
    ledger = queries.ledger if by_group else queries.ledger.regrouped([])
    clusters = _clusters(queries, len(ledger), by_group=by_group) if plan.reporting.confidence is not None else None
    for key, place, counts, sums in ledger.entries():
        of_group = None if clusters is None else clusters[place]
        named = dict(zip(COUNTS, counts.tolist(), strict=True))
        yield key, ListFacts(named, sums, ledger.range_at(place), plan, of_group, **({"sections": None} | of_run))


def _clusters(queries: Queries, groups: int, *, by_group: bool) -> list[Clustered]:
    """Return the queries of each group as clusters, in an order that does not depend on that of rows."""
    columns: list[NDArray[Any]] = [np.concatenate(parts) for parts in zip(*queries.clusters, strict=True)]
    if not by_group:
        columns[0] = np.zeros_like(columns[0])
    order = np.lexsort((*columns[1:], columns[0]))
    bounds = np.searchsorted(columns[0][order], np.arange(groups + 1))
    return [Clustered(*(array[order[slice(*here)]] for array in columns)) for here in pairwise(bounds)]


def _group_notes(queries: Queries, plan: Plan) -> list[str]:
    """Return the note that rows of one query are in several groups: the total is then not that without groups."""
    split, known = queries.in_several_groups()
    if not split:
        return []
    note = f"in {split:,} of {known:,} queries rows are of several groups, and those of each are a list: pairs across"
    return [f"{note} groups are in no group and not in the total; leave out {_grouping(plan)} to have them"]


def _grouping(plan: Plan) -> str:
    """Return the options that lists are grouped by."""
    return " and ".join(dict.fromkeys("--by-file" if role == "file" else "--group-by" for role in plan.groups))


def label_notes(look: Look | None, plan: Plan) -> list[str]:
    """Return notes on labels: -1 stands among 0, 1 and so on where it is a label, or they look like ranks."""
    rules, label = plan.rules, plan.columns.name_of("y") or ""
    if rules.labels != "relevance":
        return []
    notes = []
    is_lowest = look is not None and look.lowest_label == -1 and look.smallest == 0 and (look.highest_label or 0) >= 1
    if is_lowest and rules.unjudged is None:
        note = "labels of -1 stand among 0 and more, and count as the lowest; are those items not judged?"
        notes.append(f"{note} then --unjudged negative")
    if _RANKS.search(label):
        note = f"{harmless(label)} is taken for a label, the higher the better; where 1 is the best, use --labels rank"
        notes.append(note)
    return notes


def _order_notes(facts: ListFacts, plan: Plan) -> list[str]:
    """Return the note that most lists are upside down, unless it is said that labels look like ranks.

    Pairs of one list are not independent: as many coins are thrown as there are lists with pairs.
    """
    is_relevance = plan.rules.labels == "relevance"
    lists = facts.lists["queries"] - facts.lists["queries_without_pairs"]
    accuracy = facts.query_mean_of("query_accuracy_half")
    is_said = is_relevance and _RANKS.search(plan.columns.name_of("y") or "")
    if is_said or not accuracy < 1 / 2 or chance_of_so_few(math.floor(accuracy * lists), lists) >= CHANCE:
        return []
    why = "is 1 the best label? then --labels rank; or " if is_relevance else ""
    return [f"most pairs are in the wrong order in most queries: {why}is a lower score the better one?"]


def refuse_undefined(queries: Queries, look: Look, plan: Plan) -> None:
    """Raise DataError where no list has a pair, or a loss of its own, with what the data say about why."""
    entries = list(queries.ledger.regrouped([]).entries())
    counts = dict(zip(COUNTS, entries[0][2].tolist() if entries else [0] * len(COUNTS), strict=True))
    rows = _rows_in_queries(counts)
    if plan.loss.name in LISTWISE:
        if counts["queries"] == counts["queries_undefined"]:
            undefined = LISTWISE[plan.loss.name].undefined
            raise DataError(f"no losses: {rows}", hint=f"without a loss is {undefined}" if undefined else None)
        return
    split, known = queries.in_several_groups()
    if split and not (counts["pairs"] or counts["zero_weight"]) and look.lowest_label != look.highest_label:
        in_lists = f"{counted(counts['rows'], 'row')} in {counted(counts['queries'], 'list')}"
        message = f"no pairs: {in_lists}, one for each group of {counted(known, 'query', 'queries')}, "
        hint = f"leave out {_grouping(plan)}: rows of one query are in several groups, and those of each are a list"
        raise DataError(f"{message}none with two different labels", hint=hint)
    refuse_no_mean(counts, entries[0][3] if entries else {}, look, plan)


def refuse_no_mean(counts: Mapping[str, int], sums: Mapping[str, ExactSum], look: Look, plan: Plan) -> None:
    """Raise DataError where no list has a pair, or every pair the weight 0."""
    weightless = counts["zero_weight"]
    if not (counts["pairs"] or weightless):
        refuse_no_pairs(counts, look, plan)
    if not (counts["pairs"] and sums.get("weight", ExactSum(1)).units):
        rows, left_out = _rows_in_queries(counts), f" have {counted(weightless, 'pair')} (zero_weight)"
        message = f"every pair has the weight 0: {rows}{left_out if weightless else ''}"
        raise DataError(f"{message}; the mean of nothing is undefined", hint=_without_weights(plan))


def refuse_no_pairs(counts: Mapping[str, int], look: Look, plan: Plan) -> None:
    """Raise DataError where the counts of rows, queries and pairs are such that no list has a pair."""
    if not counts["pairs"]:
        message = f"no pairs: {_rows_in_queries(counts)}, none with two different labels"
        raise DataError(message, hint=_why_no_pairs(counts, look, plan))


def _without_weights(plan: Plan) -> str | None:
    """Return what to do where the weights of columns are those by which every pair weighs 0."""
    roles: tuple[Role, ...] = ("weight", "query_weight")
    columns = {option_of(role): name for role in roles if (name := plan.columns.name_of(role)) is not None}
    if not columns:
        return None
    given = " and ".join(shell_line([option, name]) for option, name in columns.items())
    return f"a pair weighs as its item with the higher label, times its query: leave out {given}, or name others"


def _rows_in_queries(counts: Mapping[str, int]) -> str:
    return f"{counted(counts['rows'], 'row')} in {counted(counts['queries'], 'query', 'queries')}"


def _why_no_pairs(counts: Mapping[str, int], look: Look, plan: Plan) -> str:
    columns = plan.columns
    label, query = harmless(columns.name_of("y") or "relevance"), harmless(columns.name_of("query"))
    if columns.name_of("chosen") is not None or columns.name_of("num_correct") is not None:
        return "no row has a right answer and a wrong one"
    if look.lowest_label is not None and look.lowest_label == look.highest_label:
        return f"{label} is {look.lowest_label:g} in every row; name the column of labels with --label COLUMN"
    if counts["rows"] == counts["queries"] and not plan.rows_are_lists:
        return f"each row has a {query} of its own; name what its rows have in common with --query COLUMN"
    return f"in no query are two rows of different {label}"


def list_sweep_report(
    points: Sequence[ListPoint], counts: Counts, plan: Plan, inputs: Sequence[str], look: Look | None = None
) -> SweepReport:
    """Return what `mrl sweep` reports of ranked lists at margins; each is that of `mrl rank` at the margin."""
    settings = plan.settings()
    del settings["margin"]
    of_all = [figure for figure in reported_figures(plan) if figure.key in OF_LISTS]
    return SweepReport.of_run(
        "mrl.sweep/1",
        inputs,
        **settings,
        **figures_of(_facts_at(points[0], plan, counts=counts), of_all),
        points=list_sweep_points(points, plan),
        notes=label_notes(look, plan) or None,
    )


def list_sweep_points(points: Iterable[ListPoint], plan: Plan) -> list[dict[str, Any]]:
    """Return the record of each margin; the mean over queries is in it where it is the value."""
    records = []
    for point in points:
        facts, pairs = _facts_at(point, plan), point.counts["pairs"]
        record = {"margin": point.margin, "value": facts.value, "sum": facts.sum, "mean": facts.mean}
        if plan.reporting.reduction == "query-mean":
            record["query_mean"] = facts.query_mean
        record |= {"active": facts.totals.active, "active_share": ratio(facts.totals.active, pairs)}
        if point.passing is not None:
            record["gradient_share"] = ratio(point.passing, pairs)
        records.append(record)
    return records


def _facts_at(point: ListPoint, plan: Plan, **of_run: Any) -> ListFacts:
    return ListFacts(point.counts, point.sums, (math.nan, math.nan), plan, **of_run)
