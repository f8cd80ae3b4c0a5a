"""The lists that are validated: all, where the loop over their pairs takes a few seconds, or else some of them.

Which are taken depends on the seed and on what lists are called, by a hash: not on the order of rows or on how the
input was cut. In the order of these hashes, lists are taken while their work stays within what may be spent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import encoded
from mrl_cli.lists.base import Found, Lists
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.hashes import hashes_of, next_of
from mrl_cli.reductions.lists import ListConsumer, WholeLists
from mrl_cli.reductions.queries import PAIR_COUNTS, Queries, QueriesBlock, QueriesConsumer

if TYPE_CHECKING:
    from mrl_cli.dtypes import Array, Doubles
    from mrl_cli.model import Plan, Role

MOST_WORK = 4e6  # of all lists: a few seconds. A list takes its size squared, times what one pair takes.
# What a pair takes of a loss in floats, of LambdaRank's weights, and of the losses of lists, in decimals.
OF_FLOATS, OF_LAMBDAS, OF_LISTWISE, OF_APPROX_NDCG = 3.0, 8.0, 4.0, 40.0


class Taken(NamedTuple):
    """Whole lists that were taken, with what the core found for each: `figures` by name, of shape (lists,).

    `columns` are of each list the `key`, the texts that name it, the `hash` that it was taken by, the `work` that
    validating it takes, and its `query weight`.
    """

    columns: dict[str, Array]
    lists: Lists
    figures: dict[str, Doubles]

    @property
    def size(self) -> int:
        """How many lists there are."""
        return self.lists.size

    def joined(self, other: Taken) -> Taken:
        """Return the lists of both."""
        ours, theirs = self.lists, other.lists
        starts = np.concatenate([ours.starts, ours.starts[-1] + theirs.starts[1:]])
        items: Any = zip(ours[1:], theirs[1:], strict=True)  # weights may be None
        return Taken(
            {name: np.concatenate([values, other.columns[name]]) for name, values in self.columns.items()},
            Lists(starts, *(np.concatenate(both) for both in items if both[1] is not None)),
            {name: np.concatenate([values, other.figures[name]]) for name, values in self.figures.items()},
        )

    def chosen(self, most: int | None) -> Taken:
        """Return the first lists in the order of their hashes: `most`, or as many as the work allows."""
        order, work = np.argsort(self.columns["hash"], kind="stable"), self.columns["work"]
        if most is None:
            order = order[work[order] <= MOST_WORK]
            most = int(np.searchsorted(np.cumsum(work[order]), MOST_WORK, side="right"))
        places = order[:most]
        columns, figures = (
            {name: values[places] for name, values in of.items()} for of in (self.columns, self.figures)
        )
        return Taken(columns, self.lists.chosen(places), figures)


class Verified:
    """What all lists come to, how many there were, and those that were taken."""

    def __init__(self, queries: Queries) -> None:
        self.queries = queries
        self.lists = 0
        self.taken: Taken | None = None


class ListVerifier(ListConsumer["tuple[QueriesBlock, Taken, int]", Verified]):
    """Adds up what lists come to, and takes lists to validate: `most`, or as many as a few seconds allow."""

    def __init__(self, plan: Plan, most: int | None, seed: int, *, keeps_clusters: bool = False) -> None:
        self._plan, self._most, self._seed = plan, most, seed
        self._inner = QueriesConsumer(plan, keeps_clusters=keeps_clusters)

    def empty(self) -> Verified:
        """Return what no lists come to."""
        return Verified(self._inner.empty())

    def block(self, whole: WholeLists) -> tuple[QueriesBlock, Taken, int]:
        """Return what some lists come to, and those to take if there are no others."""
        rows, found = self._inner.measured(whole)
        return self._inner.of_rows(rows, found), self._taken(whole, found).chosen(self._most), whole.lists.size

    def add(self, result: Verified, block: tuple[QueriesBlock, Taken, int]) -> None:
        """Add a block."""
        result.lists += block[2]
        self._inner.add(result.queries, block[0])
        taken = block[1] if result.taken is None else result.taken.joined(block[1])
        result.taken = taken.chosen(self._most)

    def _taken(self, whole: WholeLists, found: Found) -> Taken:
        lists = whole.lists
        roles: list[Role] = [*self._plan.groups, "query"]
        keys = [encoded(whole.keys[role]) for role in roles]
        columns = {
            "key": np.fromiter(zip(*(key.to_pylist() for key in keys), strict=True), object, lists.size),
            "hash": next_of(hashes_of(keys) ^ next_of(np.full(1, self._seed, np.uint64))),
            "work": np.square(lists.sizes.astype(np.float64)) * pair_work(self._plan) + 1,
            "query weight": np.ones(lists.size) if whole.query_weights is None else whole.query_weights,
        }
        return Taken(columns, lists, figures_of_lists(found, lists.size))


def pair_work(plan: Plan) -> float:
    """Return what one pair of a list takes the reference, that of a hinge being 1."""
    name = plan.loss.name
    if name in LISTWISE:
        return OF_APPROX_NDCG if name == "approx_ndcg" else OF_LISTWISE
    work = 1.0 if LOSSES[name].power else OF_FLOATS
    return work if plan.ranking.lambda_weight == "none" else work + OF_LAMBDAS


def figures_of_lists(found: Found, size: int) -> dict[str, Doubles]:
    """Return what the core found for each list, by name, shape (lists,) each."""
    figures = {name: getattr(found, name).astype(np.float64) for name in PAIR_COUNTS}
    figures |= {"sum": found.losses.rounded(size), "min": found.lowest, "max": found.highest}
    if found.defined is not None:
        figures["sum"] = np.where(found.defined, figures["sum"], np.nan)
    for name, sums in (("weight", found.weights), ("correct weight", found.correct_weights)):
        if sums is not None:
            figures[name] = sums.rounded(size)
    if found.top_half is not None:
        figures["top half"] = found.top_half
    return figures
