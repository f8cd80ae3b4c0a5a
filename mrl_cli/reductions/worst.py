"""The pairs of the greatest losses: a few of each task, which are few however many pairs there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.reductions.measured import Measured


FEW_LOSSES = 4096  # of which the worst, as many as are kept, leave few candidates of a batch


class WorstPair(NamedTuple):
    """A pair with a loss above 0, and where it stands.

    `place` counts the rows of a shard that were read, from 0; `row` is its number, None where the quick way did not
    keep it, and `row_word` what a row is called. The shard `has_gaps` where rows were left out that a second reading
    meets. `y` is None for a constant one.
    """

    loss: float
    difference: float
    x1: float
    x2: float
    y: float | None
    file: str
    place: int
    row: int | None
    row_word: str
    has_gaps: bool
    shard: Any = None


class WorstOfTask(NamedTuple):
    """The worst pairs of a task, the worst first, and how many rows were read of it."""

    rows: int = 0
    pairs: tuple[WorstPair, ...] = ()


class WorstReduction(Reduction[WorstOfTask, "list[WorstPair]"]):
    """Keeps the pairs of the `most` greatest losses, the greatest first; of equal ones those that come first.

    A state is that of one shard, which the pairs of the whole know: their rows are looked up in it.
    """

    state = WorstOfTask
    needs = frozenset(("losses", "differences"))
    rereads = True

    def __init__(self, most: int) -> None:
        self._most = most
        self._floor = 0.0  # so many pairs of the tasks that were merged have this loss, or a greater one

    def add(self, state: WorstOfTask, measured: Measured) -> WorstOfTask:
        """Add a batch."""
        batch, losses = measured.batch, measured.losses
        places = self._chosen(losses, max(self._floor, self._floor_of(state.pairs)))
        in_batch = places if measured.used is None else np.flatnonzero(measured.used)[places]
        pairs, gaps = measured.pairs, bool(batch.rejected_rows or batch.skipped_rows)
        y = pairs.y
        found = [
            WorstPair(
                float(losses[place]),
                float(measured.differences[place]),
                float(pairs.x1[place]),
                float(pairs.x2[place]),
                None if y is None else float(y[place]),
                batch.file,
                state.rows + row,
                None if batch.rows is None else int(batch.rows[row]),
                batch.row_word,
                gaps,
            )
            for place, row in zip(places.tolist(), in_batch.tolist(), strict=True)
        ]
        return WorstOfTask(state.rows + batch.size, tuple(self._first([*state.pairs, *found])))

    def _floor_of(self, pairs: Sequence[WorstPair]) -> float:
        """Return what losses must reach to be among the worst, where these pairs are there already."""
        return max(0.0, pairs[-1].loss) if len(pairs) == self._most else 0.0  # 0 too where it is NaN

    def _chosen(self, losses: NDArray[Any], floor: float) -> NDArray[np.intp]:
        """Return the places of the greatest losses above 0, from the floor on, in order of place among equals."""
        if not floor and losses.size >= self._most:
            floor = max(floor, float(np.partition(losses[:FEW_LOSSES], -self._most)[-self._most]))  # 0 where it is NaN
        if losses.size and losses.max() < floor:  # as of most batches; NaN is the greatest
            return np.zeros(0, np.intp)
        places = np.flatnonzero(~(losses < floor if floor > 0 else losses <= 0))
        if places.size > self._most:
            values = losses[places]
            bound = np.partition(values, places.size - self._most)[places.size - self._most]
            places = places[~(values < bound)]
        order = np.argsort(-losses[places], kind="stable")
        nans = np.isnan(losses[places][order])
        chosen: NDArray[np.intp] = places[np.concatenate([order[nans], order[~nans]])][: self._most]
        return chosen

    def _first(self, pairs: list[WorstPair]) -> list[WorstPair]:
        return sorted(pairs, key=lambda pair: -pair.loss if pair.loss == pair.loss else -np.inf)[: self._most]

    def whole(self) -> list[WorstPair]:
        """Return no pairs."""
        return []

    def merge(self, whole: list[WorstPair], state: WorstOfTask, part: Any) -> list[WorstPair]:
        """Merge the pairs of the next task."""
        worst = self._first([*whole, *(pair._replace(shard=part.shard) for pair in state.pairs)])
        self._floor = max(self._floor, self._floor_of(worst))
        return worst
