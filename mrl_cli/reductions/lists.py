"""Whole ranked lists out of rows: those of one list, which stand together, put together however the input is cut.

A task makes whole all lists that begin and end in it. Its first list may have begun before it, and its last may go on:
their rows go with its state and are joined when states are merged. What becomes of whole lists is for a `ListConsumer`
to say. Rows of one list that stand apart are noticed, and then all rows must be gathered: `reductions.gathered`.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from mrl_cli.arrow import as_arrow, encoded, texts_as_arrow, texts_as_keys
from mrl_cli.errors import DataError, QueryWeightError, UsageError
from mrl_cli.lists.base import Lists
from mrl_cli.lists.measure import least_label
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.hashes import Seen, hashes_of
from mrl_cli.words import bytes_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.measured import Measured

Block = TypeVar("Block")
Result = TypeVar("Result")


class WholeLists(NamedTuple):
    """Whole lists and what names them: by the role of each part of a key, Arrow strings of shape (lists,).

    `query_weights` are those of the lists, shape (lists,), where they have some.
    """

    lists: Lists
    keys: Mapping[Role, pa.Array]
    query_weights: NDArray[np.float64] | None = None


class ListConsumer(ABC, Generic[Block, Result]):
    """What is computed from whole lists: a block in a worker, and all blocks added up in the client, in input order."""

    @abstractmethod
    def block(self, whole: WholeLists) -> Block:
        """Return what some lists come to."""

    @abstractmethod
    def empty(self) -> Result:
        """Return what no lists come to."""

    @abstractmethod
    def add(self, result: Result, block: Block) -> None:
        """Add a block to the result."""


class ListRows(NamedTuple):
    """Rows as they stand in a batch, in runs of one key: run i are those from starts[i] to starts[i + 1].

    `columns` are the numbers of rows by role, `keys` those of the runs.
    """

    starts: NDArray[np.int64]
    columns: Mapping[Role, NDArray[np.float64]]
    keys: Mapping[Role, pa.Array]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return self.starts.size - 1

    def key(self, run: int) -> Key:
        """Return the key of a run."""
        return tuple(column[run].as_py() for column in self.keys.values())

    def columns_of(self, first: int, last: int) -> dict[Role, NDArray[np.float64]]:
        """Return the columns of the runs from number `first` to before `last`."""
        here = slice(int(self.starts[first]), int(self.starts[last]))
        return {role: values[here] for role, values in self.columns.items()}

    def whole(self, first: int, last: int) -> WholeLists:
        """Return the runs from number `first` to before `last` as whole lists."""
        starts = self.starts[first : last + 1] - self.starts[first]
        keys = {role: column.slice(first, last - first) for role, column in self.keys.items()}
        return whole_lists(starts, self.columns_of(first, last), keys)


def of_lists(plan: Plan) -> Plan:
    """Return the plan with the least label that its loss takes. Raises UsageError where no label of its rule is one."""
    least = least_label(plan.loss, plan.ranking)
    if plan.rules.labels == "rank" and math.isfinite(least):
        what = plan.loss.name if plan.ranking.lambda_weight == "none" else "--lambda-weight ndcg"
        message = f"--labels rank does not go with {what}, which computes gains or shares of labels"
        raise UsageError(message, hint="leave it out where a higher label is better")
    return plan.changed(least_label=least)


def whole_lists(
    starts: NDArray[np.int64], columns: Mapping[Role, NDArray[np.float64]], keys: Mapping[Role, pa.Array]
) -> WholeLists:
    """Return rows as whole lists; a pair weighs the weight of its item times that of its query, rounded once.

    Raises QueryWeightError where that of a query is not the same in all of its rows, and DataError for a weight beyond
    the doubles.
    """
    weights, of_queries = columns.get("weight"), columns.get("query_weight")
    query_weights = None
    if of_queries is not None:
        has_rows = starts[1:] > starts[:-1]  # reduceat would take the next row of a list of none
        firsts = starts[:-1][has_rows]
        query_weights = np.ones(has_rows.size)
        query_weights[has_rows] = np.minimum.reduceat(of_queries, firsts) if firsts.size else 1.0
        if firsts.size and not np.array_equal(query_weights[has_rows], np.maximum.reduceat(of_queries, firsts)):
            raise QueryWeightError
        with np.errstate(over="ignore"):
            weights = of_queries if weights is None else weights * of_queries
        if not np.isfinite(weights).all():
            raise DataError("the weight of an item times that of its query is beyond the largest double")
    return WholeLists(Lists(starts, columns["y"], columns["score"], weights), keys, query_weights)


def list_rows(measured: Measured) -> ListRows:
    """Return the rows of a batch that are used, in runs. A rank, of which 1 is the best, becomes its negative."""
    pairs, plan = measured.pairs, measured.plan
    columns: dict[Role, Any] = {
        role: pairs.numbers[role].astype(np.float64, copy=False)
        for role in ("y", "score", "weight", "query_weight")
        if role in pairs.numbers
    }
    if plan.rules.labels == "rank":
        columns["y"] = -columns["y"]
    if pairs.list_sizes is not None:
        starts = np.concatenate(([0], np.cumsum(pairs.list_sizes, dtype=np.int64)))
        of_lists = {role: encoded(pairs.list_keys[role]) for role in plan.list_roles}
        if "query" not in of_lists:  # a list is called by the number of its row
            of_lists["query"] = encoded(texts_as_arrow(map(str, pairs.list_rows or ())))
        return ListRows(starts, columns, of_lists)
    keys = {role: _coded(pairs.keys[role]) for role in plan.list_roles}
    changes = np.zeros(max(pairs.size - 1, 0), bool)
    for codes, _ in keys.values():
        changes |= codes[1:] != codes[:-1]
    firsts = np.concatenate(([0], np.flatnonzero(changes) + 1))[: pairs.size]
    names = {role: _of_runs(codes[firsts], texts) for role, (codes, texts) in keys.items()}
    return ListRows(np.append(firsts, pairs.size).astype(np.int64), columns, names)


def decoded(column: pa.Array) -> pa.Array:
    """Return a column of texts without a dictionary."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _coded(column: pa.Array) -> tuple[NDArray[Any], pa.Array]:
    coded = encoded(column)
    return np.from_dlpack(coded.indices), coded.dictionary


def _of_runs(codes: NDArray[Any], texts: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(as_arrow(codes), texts)


_WHOLE = re.compile(r"(-?\d+)\.0+")


def integer_key(key: Key) -> Key | None:
    """Return a key with the integer that its last part, the query, is written as with decimals; None for others.

    >>> integer_key(("g", "7.0")), integer_key(("g", "7")), integer_key(("7.0", "7.5"))
    (('g', '7'), None, None)
    """
    match = _WHOLE.fullmatch(key[-1])
    return None if match is None else (*key[:-1], match[1])


def _with_integers(digests: NDArray[np.uint64], rows: ListRows, first: int, last: int) -> NDArray[np.uint64]:
    """Return the hashes of some runs, and those of keys that are the same number: met too, these are read again."""
    *_, query = rows.keys.values()
    *_, data = query.dictionary.buffers()
    if "query" not in rows.keys or data is None or b".0" not in bytes(data):
        return digests[first:last]
    keys = [key for key in map(integer_key, map(rows.key, range(first, last))) if key is not None]
    if not keys:
        return digests[first:last]
    return np.concatenate((digests[first:last], hashes_of([texts_as_keys(part) for part in zip(*keys, strict=True)])))


class OpenList:
    """The rows of a list as far as they are read, by its key and the hashes of that."""

    def __init__(self, rows: ListRows, run: int, digests: NDArray[np.uint64]) -> None:
        self.key, self.digests, self.rows = rows.key(run), _with_integers(digests, rows, run, run + 1), 0
        self._pieces: list[dict[Role, NDArray[np.float64]]] = []
        self.append(rows, run)

    def append(self, rows: ListRows, run: int) -> None:
        """Append the rows of a run. Copied: what they are part of need not be held."""
        self._take({role: values.copy() for role, values in rows.columns_of(run, run + 1).items()})

    def join(self, other: OpenList) -> None:
        """Append the rows of the same list that come next."""
        for piece in other._pieces:
            self._take(piece)

    def _take(self, piece: dict[Role, NDArray[np.float64]]) -> None:
        self._pieces.append(piece)
        self.rows += piece["score"].size

    def whole(self, plan: Plan) -> WholeLists:
        """Return the list as a whole one; its rows are not held here any more."""
        roles = list(self._pieces[0])
        columns = {role: np.concatenate([piece.pop(role) for piece in self._pieces]) for role in roles}
        keys = dict(zip(plan.list_roles, (texts_as_keys([text]) for text in self.key), strict=True))
        return whole_lists(np.array([0, self.rows]), columns, keys)


class ListsState:
    """The lists of a task: blocks of those that are whole, and the first and last, whose rows may not be all.

    `last` is None where all rows are of one list, `first` where a row is a list and none is cut.
    """

    def __init__(self) -> None:
        self.first: OpenList | None = None
        self.last: OpenList | None = None
        self.blocks: list[Any] = []
        self.seen = Seen()


class ListsWhole(Generic[Result]):
    """What the lists of all tasks come to so far, and the list that may go on."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.open: OpenList | None = None
        self.seen = Seen()


class ListsReduction(Reduction[ListsState, "ListsWhole[Any]"]):
    """Makes lists whole and hands them to a consumer. Raises ScatteredListsError where rows of a list stand apart."""

    state = ListsState
    joins = True

    def __init__(self, plan: Plan, consumer: ListConsumer[Any, Any]) -> None:
        self._plan, self._consumer = plan, consumer

    def add(self, state: ListsState, measured: Measured) -> ListsState:
        """Add the rows of a batch."""
        if not (measured.counts.pairs or measured.pairs.list_sizes is not None):
            return state
        rows = list_rows(measured)
        if self._plan.rows_are_lists:
            state.blocks.append(self._consumer.block(rows.whole(0, rows.runs)))
            return state
        digests = hashes_of(list(rows.keys.values()))
        begin, open_list = 0, state.last or state.first
        if open_list is not None and open_list.key == rows.key(0):
            open_list.append(rows, 0)
            begin = 1
        elif open_list is None:
            state.first = OpenList(rows, 0, digests)
            begin = 1
        if begin == rows.runs:
            return state
        if state.last is not None:
            self._add_whole(state, state.last)
        state.last = OpenList(rows, rows.runs - 1, digests)
        if begin < rows.runs - 1:
            state.seen.add(_with_integers(digests, rows, begin, rows.runs - 1))
            state.blocks.append(self._consumer.block(rows.whole(begin, rows.runs - 1)))
        return state

    def join(self, state: ListsState, next_state: ListsState) -> ListsState:
        """Return the lists of two tasks, of which the last of the first may be the first of the second."""
        begun, first = state.last or state.first, next_state.first
        if begun is None:
            state.first, state.last = first, next_state.last
        elif first is not None:
            goes_on = begun.key == first.key
            if goes_on:
                begun.join(first)
            if state.last is not None and (next_state.last is not None or not goes_on):
                self._add_whole(state, state.last)
            if not goes_on and next_state.last is not None:
                self._add_whole(state, first)
            state.last = next_state.last or (state.last if goes_on else first)
        state.seen.add_all(next_state.seen)
        state.blocks += next_state.blocks
        return state

    def _add_whole(self, state: ListsState, done: OpenList) -> None:
        state.seen.add(done.digests)
        state.blocks.append(self._consumer.block(done.whole(self._plan)))

    def whole(self) -> ListsWhole[Any]:
        """Return what no lists come to."""
        return ListsWhole(self._consumer.empty())

    def merge(self, whole: ListsWhole[Any], state: ListsState, _part: Any) -> ListsWhole[Any]:
        """Add the lists of the next task, the first of which may be the one that is open."""
        if state.first is not None and whole.open is not None and whole.open.key == state.first.key:
            whole.open.join(state.first)
        elif state.first is not None:
            self._close(whole)
            whole.open = state.first
        if state.last is not None:
            self._close(whole)
        whole.seen.add_all(state.seen)
        for block in state.blocks:
            self._consumer.add(whole.result, block)
        whole.open = state.last or whole.open
        if whole.open is not None:
            check_memory(whole.open.rows, self._plan, f"a list of {whole.open.rows:,} rows and more")
        return whole

    def _close(self, whole: ListsWhole[Any]) -> None:
        if whole.open is not None:
            whole.seen.add(whole.open.digests)
            self._consumer.add(whole.result, self._consumer.block(whole.open.whole(self._plan)))
            whole.open = None

    def settled(self, whole: ListsWhole[Any]) -> Any:
        """Return what all lists come to, when there are no more rows."""
        self._close(whole)
        return whole.result


# A column of numbers, sorted and not, and what one list takes while it is measured.
_COPIES, _MEASURING_BYTES = 2, 96


def needed_bytes(rows: int, plan: Plan) -> int:
    """Return how much memory rows take, all of which are held until they are measured."""
    columns = len(plan.columns.wanted_numbers) + 1
    return rows * (8 * _COPIES * columns + _MEASURING_BYTES)


def check_memory(rows: int, plan: Plan, what: str, hint: str | None = None, *, text_bytes: int = 0) -> None:
    """Raise UsageError where so many rows, and texts of so many bytes, take more memory than they may."""
    most, needed = plan.ranking.memory_bytes, needed_bytes(rows, plan) + text_bytes
    if most is not None and needed > most:
        message = f"{what} take {bytes_text(needed)}, and --memory is {bytes_text(most)}"
        raise UsageError(message, hint=hint or "allow more with --memory SIZE")
