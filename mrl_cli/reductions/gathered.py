"""Whole ranked lists out of rows in any order: all rows are held until there are no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.errors import DataError, QueryWeightError, ScatteredListsError
from mrl_cli.exact import cut_at
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.keys import Key, coded
from mrl_cli.reductions.lists import ListsReduction, check_memory, integer_key, list_rows, needed_bytes, whole_lists
from mrl_cli.reductions.queryweights import QueryWeightReduction
from mrl_cli.words import bytes_text, counted, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role
    from mrl_cli.reductions.lists import ListConsumer
    from mrl_cli.reductions.measured import Measured

KEY_BYTES = 200  # of a key beside its characters
PART_ROWS = 1 << 19  # of whole lists at a time, or one list where that is longer


class GatheredRows(NamedTuple):
    """Rows of a batch: the place of each one's key among `keys`, and its numbers by role."""

    codes: NDArray[np.int64]
    keys: list[Key]
    columns: dict[Role, NDArray[np.float64]]


class Gathered:
    """All rows so far: the code of each key in the order of their first rows, and each row's code and numbers.

    `text_bytes` is about what the keys take.
    """

    def __init__(self) -> None:
        self.codes: dict[Key, int] = {}
        self.pieces: list[GatheredRows] = []
        self.decimals: dict[Key, set[Key]] = {}  # keys of a query such as 7.0, by that of the integer
        self.rows = self.text_bytes = 0

    def add(self, rows: GatheredRows) -> None:
        """Add the rows of a batch."""
        for key in rows.keys:
            if key not in self.codes:
                self.codes[key] = len(self.codes)
                self.text_bytes += KEY_BYTES + sum(map(len, key))
        codes = np.array([self.codes[key] for key in rows.keys], np.int64)
        self.pieces.append(GatheredRows(codes[rows.codes], [], rows.columns))
        self.rows += rows.codes.size


class GatherReduction(Reduction["list[GatheredRows]", Gathered]):
    """Holds all rows, and hands whole lists to a consumer at the end, in the order of their first rows."""

    joins = True
    state = list

    def __init__(self, plan: Plan, consumer: ListConsumer[Any, Any]) -> None:
        self._plan, self._consumer = plan, consumer

    def add(self, state: list[GatheredRows], measured: Measured) -> list[GatheredRows]:
        """Add the rows of a batch."""
        if measured.counts.pairs:
            rows = list_rows(measured)
            of_runs, keys = coded(list(rows.keys.values()), rows.runs)
            copies = {role: values.copy() for role, values in rows.columns.items()}
            state.append(GatheredRows(np.repeat(of_runs, np.diff(rows.starts)), keys, copies))
        return state

    def whole(self) -> Gathered:
        """Return no rows."""
        return Gathered()

    def merge(self, whole: Gathered, state: list[GatheredRows], _part: Any) -> Gathered:
        """Add the rows of the next task. Raises UsageError where they take more memory than they may."""
        for rows in state:
            whole.add(rows)
            if self._plan.columns.name_of("query") is not None:
                _refuse_two_ways(rows.keys, whole)
        hint = "sort the file by query, so that the rows of one stand together, or allow more with --memory SIZE"
        what = f"rows of one query stand apart, and {whole.rows:,} rows and more"
        check_memory(whole.rows, self._plan, what, hint, text_bytes=whole.text_bytes)
        return whole

    def settled(self, whole: Gathered) -> Any:
        """Return what all lists come to; the rows are not held any more."""
        result, plan, keys = self._consumer.empty(), self._plan, list(whole.codes)
        codes = np.concatenate([np.zeros(0, np.int64), *(piece.codes for piece in whole.pieces)])
        pieces = [piece.columns for piece in whole.pieces]
        whole.pieces.clear()
        order = np.argsort(codes, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=len(keys)))))
        del codes
        roles = list(pieces[0]) if pieces else []
        columns = {role: np.concatenate([piece.pop(role) for piece in pieces])[order] for role in roles}
        for first, last in cut_at(starts, PART_ROWS):
            here = slice(int(starts[first]), int(starts[last]))
            parts = {role: values[here] for role, values in columns.items()}
            texts = zip(*keys[first:last], strict=True)
            names = dict(zip(plan.list_roles, map(texts_as_arrow, texts), strict=True))
            lists = whole_lists(starts[first : last + 1] - starts[first], parts, names)
            self._consumer.add(result, self._consumer.block(lists))
        return result


def _refuse_two_ways(keys: Iterable[Key], whole: Gathered) -> None:
    """Raise DataError for a query that stands there as another text of the same number: ids are compared as text."""
    for key in keys:
        integer = integer_key(key)
        if integer is not None:
            whole.decimals.setdefault(integer, set()).add(key)
    for integer, texts in whole.decimals.items():
        found = [integer] * (integer in whole.codes) + sorted(texts)
        if len(found) > 1:
            names = " and ".join(f"'{harmless(key[-1])}'" for key in found[:2])
            message = f"queries {names} are one number in two ways, and whether they are one query is not known"
            raise DataError(message, hint="ids of queries are text: write each of them in one way")


def folded_either_way(
    plan: Plan,
    made: Callable[[], ListConsumer[Any, Any]],
    fold: Callable[[Any], Any],
    look_again: Callable[[Reduction[Any, Any]], object],
    start_over: Callable[[], None] = lambda: None,
) -> tuple[Any, type[ListsReduction] | type[GatherReduction]]:
    """Return what `fold` makes of a reduction that makes lists whole for a consumer, and the kind of that reduction.

    Lists are taken one after the other, with a new consumer; where rows of one stand apart, `start_over` is called and
    all rows are gathered, with another one. Where the weight of a query changes, `look_again` folds a reduction that
    raises DataError which names the row.
    """
    try:
        try:
            return fold(ListsReduction(plan, made())), ListsReduction
        except ScatteredListsError:
            start_over()
        return fold(GatherReduction(plan, made())), GatherReduction
    except QueryWeightError:
        look_again(QueryWeightReduction())
        raise


def gathered_note(rows: int, plan: Plan) -> str:
    """Return the note that so many rows were held."""
    held = bytes_text(needed_bytes(rows, plan))
    return f"rows of one query stand apart: all {counted(rows, 'row')} were held, in about {held}"
