"""What the report page shows of ranked lists, beside their sums: how many are how accurate, and the worst of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.lists import ListConsumer, WholeLists, decoded
from mrl_cli.reductions.queries import PAIR_COUNTS, Queries, QueriesBlock, QueriesConsumer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Plan

BARS = 20  # of the accuracy of a list, from 0 to 1


class WorstQuery(NamedTuple):
    """A list by its key, with what it comes to."""

    key: tuple[str, ...]
    counts: dict[str, int]
    sum: float
    mean: float


class Accuracies(NamedTuple):
    """Lists by accuracy: those of each bar, which 1 is apart from, and those that have no pair."""

    bars: NDArray[np.int64]
    perfect: int
    without_pairs: int

    @classmethod
    def of(cls, correct: NDArray[np.int64], pairs: NDArray[np.int64]) -> Accuracies:
        """Return those of lists of so many pairs; an edge between bars belongs to the upper one."""
        is_met = correct < pairs
        bars = np.bincount(correct[is_met] * BARS // pairs[is_met], minlength=BARS)
        return cls(bars, int(np.count_nonzero((pairs > 0) & (correct == pairs))), int(np.count_nonzero(pairs == 0)))

    @classmethod
    def of_queries(cls, queries: Queries) -> Accuracies:
        """Return those of queries that were kept one by one."""
        columns = zip(*((lists.correct, lists.pairs) for lists in queries.clusters), strict=True)
        return cls.of(*(np.concatenate([np.zeros(0, np.int64), *column]) for column in columns))

    def merged(self, other: Accuracies) -> Accuracies:
        """Return those of both."""
        return Accuracies(
            self.bars + other.bars, self.perfect + other.perfect, self.without_pairs + other.without_pairs
        )


class PageBlock(NamedTuple):
    """What some lists come to."""

    queries: QueriesBlock
    accuracies: Accuracies
    worst: list[WorstQuery]


class PageQueries(Queries):
    """What all lists come to, how accurate they are, and the worst, the worst first."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracies = Accuracies(np.zeros(BARS, np.int64), 0, 0)
        self.worst: list[WorstQuery] = []


class PageQueriesConsumer(ListConsumer[PageBlock, PageQueries]):
    """As QueriesConsumer, and counts lists by accuracy and keeps the `most` with the greatest mean loss."""

    def __init__(self, plan: Plan, most: int, *, keeps_clusters: bool) -> None:
        self._inner, self._plan, self._most = QueriesConsumer(plan, keeps_clusters=keeps_clusters), plan, most

    def empty(self) -> PageQueries:
        """Return what no lists come to."""
        return PageQueries()

    def block(self, whole: WholeLists) -> PageBlock:
        """Return what some lists come to."""
        rows, found = self._inner.measured(whole)
        means = np.where(np.isnan(rows.means), -np.inf, rows.means)
        texts = [decoded(whole.keys[role]) for role in (*self._plan.groups, "query")]
        is_cut = 0 < self._most < means.size
        least = np.partition(means, means.size - self._most)[-self._most] if is_cut else -np.inf
        order = np.flatnonzero(means >= least) if self._most else np.zeros(0, np.intp)
        worst = [
            WorstQuery(
                tuple(column[place].as_py() for column in texts),
                {name: int(rows.counts[name][place]) for name in ("rows", *PAIR_COUNTS)},
                float(rows.sums[place]),
                float(rows.means[place]),
            )
            for place in order.tolist()
            if rows.means[place] > 0
        ]
        worst = self._first(worst)
        accuracies = Accuracies.of(rows.counts["correct"], rows.counts["pairs"])
        return PageBlock(self._inner.of_rows(rows, found), accuracies, worst)

    def add(self, result: PageQueries, block: PageBlock) -> None:
        """Add a block."""
        self._inner.add(result, block.queries)
        result.accuracies = result.accuracies.merged(block.accuracies)
        result.worst = self._first([*result.worst, *block.worst])

    def _first(self, worst: list[WorstQuery]) -> list[WorstQuery]:
        """Return the worst lists, of equal ones by their keys: how lists are cut into blocks does not matter."""
        return sorted(worst, key=lambda query: (-query.mean, query.key))[: self._most]
