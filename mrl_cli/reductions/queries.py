"""What ranked lists come to, added up: counts and sums of pairs, and sums of the means of lists, by group.

A list that has no pair has no mean, and no accuracy: it is counted. Pairs of weight 0 are as if they were not there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, encoded
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code
from mrl_cli.lists.counts import weightless_pairs
from mrl_cli.lists.measure import PairsLimitError, measured
from mrl_cli.lists.squares import described
from mrl_cli.losses import LISTWISE
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.hashes import hashes_of
from mrl_cli.reductions.keys import coded_parts
from mrl_cli.reductions.ledger import Ledger, LedgerBlock
from mrl_cli.reductions.lists import ListConsumer, WholeLists, decoded
from mrl_cli.words import group_names, harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.lists.base import Found
    from mrl_cli.model import Plan

# What is counted, in the order of the columns of a ledger's counts.
PAIR_COUNTS = ("pairs", "correct", "ties", "wrong", "active")
COUNTS = ("rows", "queries", "queries_without_pairs", "queries_undefined", "zero_weight", *PAIR_COUNTS)


class QueryRows(NamedTuple):
    """What each list comes to: arrays of shape (lists,). `means`, or losses of whole lists, are NaN where none is."""

    whole: WholeLists
    counts: dict[str, NDArray[np.int64]]
    sums: NDArray[np.float64]
    means: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    top_half: NDArray[np.float64]
    weights: NDArray[np.float64] | None


class Clustered(NamedTuple):
    """Lists as clusters of pairs, shape (lists,) each: the place of each one's group, and what it comes to.

    `means` are NaN where a list has none.
    """

    groups: NDArray[np.int64]
    pairs: NDArray[np.int64]
    correct: NDArray[np.int64]
    sums: NDArray[np.float64]
    means: NDArray[np.float64]


class QueriesBlock(NamedTuple):
    """What some lists come to, by group, and where each list counts by itself; where its query may be in other groups
    too, a hash of that, shape (lists,).
    """

    ledger: LedgerBlock
    clusters: Clustered | None
    queries: NDArray[np.uint64] | None = None


class Queries:
    """What all lists come to: a ledger by group, the lists as clusters where those are wanted."""

    def __init__(self) -> None:
        self.ledger = Ledger(len(COUNTS))
        self.clusters: list[Clustered] = []
        self.hashes: list[NDArray[np.uint64]] = []

    def in_several_groups(self) -> tuple[int, int]:
        """Return how many queries have rows in several groups, and how many queries there are, where some may."""
        _, lists = np.unique(np.concatenate([np.zeros(0, np.uint64), *self.hashes]), return_counts=True)
        return int(np.count_nonzero(lists > 1)), lists.size


class QueryRowsConsumer(ListConsumer["tuple[QueriesBlock, pa.Table]", Queries]):
    """Adds up what lists come to, and writes a row for each list, in the order in which lists are whole."""

    def __init__(self, plan: Plan, write: Callable[[pa.Table], None]) -> None:
        self._plan, self._inner, self._write = plan, QueriesConsumer(plan), write

    def empty(self) -> Queries:
        """Return what no lists come to."""
        return self._inner.empty()

    def block(self, whole: WholeLists) -> tuple[QueriesBlock, pa.Table]:
        """Return what some lists come to, and a table with a row for each."""
        rows, found = self._inner.measured(whole)
        return self._inner.of_rows(rows, found), query_table(rows, self._plan)

    def add(self, result: Queries, block: tuple[QueriesBlock, pa.Table]) -> None:
        """Add a block, and write its rows."""
        self._inner.add(result, block[0])
        self._write(block[1])


def query_table(rows: QueryRows, plan: Plan) -> pa.Table:
    """Return a row for each list: its groups and query, counts, and the sum and mean, null where there is none."""
    import pyarrow as pa

    texts = [decoded(rows.whole.keys[role]) for role in (*plan.groups, "query")]
    numbers = {"rows": as_arrow(rows.counts["rows"]), "pairs": as_arrow(rows.counts["pairs"])}
    numbers |= {"sum": as_arrow(rows.sums), "mean": as_arrow(rows.means, ~np.isnan(rows.means))}
    numbers |= {name: as_arrow(rows.counts[name]) for name in PAIR_COUNTS[1:]}
    if rows.weights is not None:
        numbers["weight"] = as_arrow(rows.weights)
    names = [*group_names(list(plan.groups.values()), ["query", *numbers]), "query", *numbers]
    return pa.Table.from_arrays([*texts, *numbers.values()], names=names)


class QueriesConsumer(ListConsumer[QueriesBlock, Queries]):
    """Adds up what lists come to under the loss of a plan; `keeps_clusters`: of each list what intervals need."""

    def __init__(self, plan: Plan, *, keeps_clusters: bool = False) -> None:
        self._plan, self._keeps_clusters = plan, keeps_clusters
        self._is_listwise = plan.loss.name in LISTWISE

    def empty(self) -> Queries:
        """Return what no lists come to."""
        return Queries()

    def block(self, whole: WholeLists) -> QueriesBlock:
        """Return what some lists come to."""
        return self.of_rows(*self.measured(whole))

    def measured(self, whole: WholeLists) -> tuple[QueryRows, Found]:
        """Return what each list comes to."""
        try:
            found = measured(whole.lists, self._plan.loss, self._plan.ranking)
        except PairsLimitError as error:
            raise error.called(f"query '{harmless(whole.keys['query'][error.number].as_py())}'") from None
        return self.rows(whole, found), found

    def rows(self, whole: WholeLists, found: Found) -> QueryRows:
        """Return what each list comes to, from what it was found to come to."""
        lists = whole.lists
        counts = {name: getattr(found, name) for name in PAIR_COUNTS}
        counts |= {"rows": lists.sizes, "queries": np.ones(lists.size, np.int64)}
        counts["zero_weight"] = weightless_pairs(lists)
        counts["queries_without_pairs"] = (found.pairs == 0).astype(np.int64)
        sums = found.losses.rounded(lists.size)
        weights = None if found.weights is None else found.weights.rounded(lists.size)
        means = found.means(sums, is_listwise=self._is_listwise)
        counts["queries_undefined"] = np.isnan(means).astype(np.int64)
        top_half = np.full(lists.size, math.nan) if found.top_half is None else found.top_half
        return QueryRows(whole, counts, sums, means, found.lowest, found.highest, top_half, weights)

    def of_rows(self, rows: QueryRows, found: Found) -> QueriesBlock:
        """Return what lists come to, by group."""
        whole, counts = rows.whole, rows.counts
        codes, keys = coded_parts([whole.keys[role] for role in self._plan.groups], whole.lists.size)
        size = len(keys[0]) if keys else 1
        lowest, highest = np.full(size, math.inf), np.full(size, -math.inf)
        np.minimum.at(lowest, codes, rows.lowest)
        np.maximum.at(highest, codes, rows.highest)
        table = np.zeros((size, len(COUNTS)), np.int64)
        for place, name in enumerate(COUNTS):
            np.add.at(table[:, place], codes, counts[name])
        sums = {"loss": found.losses.regrouped(codes, size)}
        if found.weights is not None and found.correct_weights is not None:
            sums["weight"] = found.weights.regrouped(codes, size)
            sums["correct_weight"] = found.correct_weights.regrouped(codes, size)
        if self._plan.reporting.describes:
            sums |= {name: each.regrouped(codes, size) for name, each in described(whole.lists).items()}
        block = LedgerBlock(keys, table, sums | self._of_means(rows, codes, size), lowest, highest)
        clusters = None
        if self._keeps_clusters:
            clusters = Clustered(codes, counts["pairs"], counts["correct"], rows.sums, rows.means)
        may_be_split = self._plan.has_groups and not self._plan.rows_are_lists
        hashes = hashes_of([encoded(whole.keys["query"])]) if may_be_split else None
        return QueriesBlock(block, clusters, hashes)

    def _of_means(self, rows: QueryRows, codes: NDArray[np.int64], size: int) -> dict[str, SumsByCode]:
        """Return the sums of what each list with pairs has, its mean and its accuracies, weighted by its query."""
        has_mean, has_pairs = ~np.isnan(rows.means), rows.counts["pairs"] > 0
        weights = np.ones(codes.size) if rows.whole.query_weights is None else rows.whole.query_weights
        correct, ties, of = (rows.counts[name][has_pairs] for name in ("correct", "ties", "pairs"))
        top_half, of_pairs, pair_codes = rows.top_half[has_pairs], weights[has_pairs], codes[has_pairs]
        accuracies = {
            "query_accuracy": correct / of,
            "query_accuracy_half": (correct + ties / 2) / of,
            "top_accuracy": (top_half == 1).astype(np.float64),
            "top_accuracy_half": top_half,
        }
        return {
            "query_mean": sums_of_products_by_code(weights[has_mean], rows.means[has_mean], codes[has_mean], size),
            "query_weight": sums_by_code(weights[has_mean], codes[has_mean], size),
            "weight_with_pairs": sums_by_code(of_pairs, pair_codes, size),
            **{n: sums_of_products_by_code(of_pairs, share, pair_codes, size) for n, share in accuracies.items()},
        }

    def add(self, result: Queries, block: QueriesBlock) -> None:
        """Add a block."""
        places = result.ledger.add(block.ledger)
        if block.queries is not None:
            result.hashes.append(block.queries)
        if block.clusters is not None:
            result.clusters.append(block.clusters._replace(groups=places[block.clusters.groups]))
