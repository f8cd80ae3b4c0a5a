"""Pairs as a reader hands them on: columns by role, and the one place where pairs are masked."""

from __future__ import annotations

from array import array
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from mrl_cli.records import NamedTuple, light_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from mrl_cli.dtypes import Array, Doubles, Mask, Wholes
    from mrl_cli.model.parts import Role
    from mrl_cli.model.problems import AbsentPath, Problem, ProblemCount


def rows_at(rows: Sequence[int], places: Mask | Wholes) -> array[int]:
    """Return the row numbers at places, or where a mask is True."""
    import numpy as np

    return array("q", np.asarray(rows, np.int64)[places].tobytes())


class ListCells(NamedTuple):
    """Cells that are lists of numbers: cell i holds values[starts[i]:starts[i + 1]].

    `starts` is int64 of shape (cells + 1,), `values` float64 of shape (starts[-1],).
    """

    starts: Wholes
    values: Doubles

    @classmethod
    def of(cls, lengths: Any, values: Any) -> ListCells:
        """Return cells of these lengths, whose values follow one another."""
        import numpy as np

        return cls(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))), np.asarray(values, np.float64))

    @property
    def size(self) -> int:
        """How many cells there are."""
        return int(self.starts.size) - 1

    @property
    def lengths(self) -> Wholes:
        """How many numbers each cell has, shape (cells,)."""
        return self.starts[1:] - self.starts[:-1]

    def where(self, mask: Mask) -> ListCells:
        """Return the cells at which `mask`, of shape (cells,), is True."""
        return ListCells.of(self.lengths[mask], self.values[mask.repeat(self.lengths)])


@light_dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Columns of n pairs by role, and where they stand in a file.

    As a reader makes it, it holds the columns that the plan wants; x1 and x2 are the scores that the loss takes once
    `inputs.read` hands it on. `computed_from` are then the columns that these were computed from, where they were.
    `filled` says, of columns whose missing cells are filled, at which pairs they were. It `has_booleans` where a label
    was read of true or false.
    `numbers` are arrays of shape (n,): x1 and x2 float64, y of any real dtype where there is a column of labels, the
    others float64. `keys` are Arrow arrays of n strings, dictionary-encoded or not, without nulls: a missing key is the
    empty string; those that pairs are grouped by may be integers, which stand for their texts. `rows` are the row
    numbers, or None where the fast way did not track them; `row_word` is what `file` calls a row. `problems` are what
    the reader itself met in the rows it had to leave out, `rejected_rows` of them: all, or the first few, and
    `unlisted` how many more there are of each kind; `bad_labels` are the labels among them, as `Counts` holds them;
    `skipped_rows` are left out too, for
    what the map of labels says, `unjudged_rows` for a label that says that there is none, `missing_rows` for want of a
    judgment; for `missing_as_zero` of those that stay, 0 was put in.
    `kept` are all input columns of the n pairs, when asked for. `lists` are the columns whose cells are lists of
    numbers, until `inputs.read` makes an item of each number: `list_sizes` are then how many items each row had, in
    order, and 0 for a list of none; int64. It is None where a row is an item. `list_keys` are then the keys, of the
    rows and not of each item, and `list_rows` the row numbers. `paths` are those of which a missing cell is no problem,
    where the columns do not show whether they lead anywhere: None where one does, in some row.
    """

    file: str
    numbers: Mapping[Role, Array]
    rows: Sequence[int] | None = None
    row_word: str = "line"
    problems: tuple[Problem, ...] = ()
    rejected_rows: int = 0
    kept: pa.Table | None = None
    keys: Mapping[Role, pa.Array] = field(default_factory=dict)
    skipped_rows: int = 0
    computed_from: Mapping[Role, Array] = field(default_factory=dict)
    filled: Mapping[Role, Mask] = field(default_factory=dict)
    has_booleans: bool = False
    lists: Mapping[Role, ListCells] = field(default_factory=dict)
    list_sizes: Wholes | None = None
    list_keys: Mapping[Role, pa.Array] = field(default_factory=dict)
    list_rows: Sequence[int] | None = None
    unjudged_rows: int = 0
    missing_rows: int = 0
    missing_as_zero: int = 0
    paths: Mapping[str, AbsentPath | None] = field(default_factory=dict)
    unlisted: Mapping[str, int] = field(default_factory=dict)
    bad_labels: dict[str, ProblemCount] = field(default_factory=dict)

    @property
    def x1(self) -> Doubles:
        """The first scores."""
        return self.numbers["x1"]

    @property
    def x2(self) -> Doubles:
        """The second scores."""
        return self.numbers["x2"]

    @property
    def y(self) -> Array | None:
        """The labels, None where every pair has one constant label."""
        return self.numbers.get("y")

    @property
    def size(self) -> int:
        """How many pairs there are."""
        if self.numbers:
            return int(next(iter(self.numbers.values())).size)
        return next(iter(self.lists.values())).size

    def with_numbers(self, numbers: Mapping[Role, Array]) -> Batch:
        """Return the batch with these columns of numbers added or in place of its own."""
        return replace(self, numbers={**self.numbers, **numbers})

    def part(self, start: int, stop: int) -> Batch:
        """Return the pairs from start to stop; keys and kept columns stay behind."""
        numbers = {role: values[start:stop] for role, values in self.numbers.items()}
        rows = None if self.rows is None else self.rows[start:stop]
        return Batch(self.file, numbers, rows, self.row_word)

    def where(self, mask: Mask) -> Batch:
        """Return the pairs at which `mask`, of shape (n,), is True; the batch's other attributes stay."""
        if mask.all():
            return self
        numbers, computed_from, filled = (
            {role: values[mask] for role, values in columns.items()}
            for columns in (self.numbers, self.computed_from, self.filled)
        )
        rows = None if self.rows is None else rows_at(self.rows, mask)
        kept, keys = self.kept, self.keys
        if keys or kept is not None:
            from mrl_cli.arrow import as_arrow

            chosen = as_arrow(mask)
            kept = None if kept is None else kept.filter(chosen)
            keys = {role: column.filter(chosen) for role, column in keys.items()}
        batch = replace(
            self, numbers=numbers, rows=rows, kept=kept, keys=keys, computed_from=computed_from, filled=filled
        )
        return batch._with_lists_where(mask) if self.lists or self.list_sizes is not None else batch

    def _with_lists_where(self, mask: Mask) -> Batch:
        """Return the batch with the lists of the rows, or the sizes of what is left of lists, at which mask is True."""
        import numpy as np

        lists = {role: cells.where(mask) for role, cells in self.lists.items()}
        if self.list_sizes is None:
            return replace(self, lists=lists)
        ends = np.cumsum(self.list_sizes)
        before = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
        return replace(self, list_sizes=before[ends] - before[ends - self.list_sizes])

    def without(self, problems: Iterable[tuple[int, int, Problem]]) -> Batch:
        """Return the batch without the pairs with a problem, which are rejected.

        A problem comes as (place of the pair, order of the column, problem); they are put in that order.
        """
        ordered = sorted(problems, key=lambda item: item[:2])
        if not ordered:
            return self
        import numpy as np  # here, so that the command line starts without it

        good = np.ones(self.size, bool)
        good[[place for place, _, _ in ordered]] = False
        return replace(
            self.where(good),
            problems=(*self.problems, *(problem for _, _, problem in ordered)),
            rejected_rows=self.rejected_rows + self.size - int(np.count_nonzero(good)),
        )
