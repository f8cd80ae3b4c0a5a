"""What a report is: figures by key, given as one record, as rows, and as blocks for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import repeat
from operator import getitem
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from mrl_cli import __version__
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

Rows: TypeAlias = tuple[Sequence[str], Iterable[Iterable[Any]]]  # names of columns, and values
OF_GROUPS = "groups."  # begins the key of a figure that each group has
_SAY_WHAT_RAN = {"schema", "version"}


class Table(NamedTuple):
    """A table for people: cells as `reports.cells` has them, in columns of which the last `numbers` hold numbers.

    Columns stand in the order of importance: where not all fit, the last are left out, which the format `whole` has,
    but for the one called `kept`.
    `rows` may be `GroupRows`; `total` is the row of all. A summary has a key and a value in each row, an empty row is
    a rule, `main` is the key that was asked for, and `settings` are keys and values by which it came about. `bounds`
    are the columns of the interval around another column's numbers, by its name: these stand in it on a screen.
    """

    names: Sequence[str]
    rows: Iterable[Sequence[Any]]
    title: str | None = None
    numbers: int = 0
    is_summary: bool = False
    total: Sequence[Any] | None = None
    settings: Sequence[tuple[str, Any]] = ()
    main: str = ""
    whole: str = "csv"
    kept: str | None = None
    bounds: Mapping[str, tuple[str, str]] = {}


class Line(NamedTuple):
    """A sentence before or after tables, and what it is; a command is never broken into lines."""

    text: str
    kind: Literal["text", "finding", "good", "bad", "note", "command"] = "text"


class GroupRows(Sequence[Sequence[Any]]):
    """The rows of groups in a table for people, made as they are asked for.

    `badness` returns a number for each group, the greatest for the worst, and `words` say which those are.
    """

    def __init__(
        self,
        groups: Sequence[Any],
        row_of: Callable[[Any], Sequence[Any]],
        badness: Callable[[], Iterable[float]],
        words: str,
    ) -> None:
        self._groups, self._row_of, self._badness, self.words = groups, row_of, badness, words

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, place: Any) -> Any:
        return self._row_of(self._groups[place])

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return map(self._row_of, self._groups)

    def worst(self, count: int) -> list[Sequence[Any]]:
        """Return the rows of so many groups, the worst first; of equal ones the first first, undefined ones last."""
        from heapq import nsmallest  # only tables of many groups need it

        ranks = (math.inf if math.isnan(value) else -value for value in self._badness())
        places = nsmallest(count, zip(ranks, range(len(self)), strict=True))
        return [self[place] for _, place in places]


class RowColumns(NamedTuple):
    """Rows of which there may be a million, as blocks of columns, each of which is computed when it is called.

    A column is an Arrow array of texts or a NumPy array of numbers, or one value: that of every row.
    """

    names: Sequence[str]
    blocks: Iterable[Callable[[], list[Any]]]

    def __iter__(self) -> Iterator[Any]:
        for block in self.blocks:
            lists = (each.tolist() if hasattr(each, "tolist") else repeat(each) for each in block())
            yield from zip(*lists, strict=False)


class RecordColumns(NamedTuple):
    """Records of which there may be a million, as blocks of columns like those of `RowColumns`.

    The first `parts` columns are of texts, and where there are several a list of them is the value of the first name.
    """

    names: Sequence[str]
    blocks: Iterable[Callable[[], list[Any]]]
    parts: int = 1

    def __iter__(self) -> Iterator[Any]:
        for first, *row in RowColumns(self.names, self.blocks):
            key = first if self.parts == 1 else [first, *row[: self.parts - 1]]
            yield dict(zip(self.names, [key, *row[self.parts - 1 :]], strict=True))


class Annotation(NamedTuple):
    """An error or a notice for a page that shows the inputs, at a line of one where it belongs there."""

    level: str
    text: str
    file: str | None = None
    line: int | None = None


class Report:
    """What a command prints: its figures as attributes, in the order of the record; None for one that does not apply.

    A report of which there may be a million names its figures in `__slots__`. `FIRST` are the columns with which rows
    begin, in this order: those that every run has, so that no option moves them.

    >>> class SmallReport(Report):
    ...     __slots__ = ("pairs", "mean")
    >>> SmallReport(pairs=2, mean=None).record()
    {'pairs': 2}
    """

    __slots__: tuple[str, ...] = ()
    FIRST: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **figures: Any) -> None:
        for key, value in figures.items():
            setattr(self, key, value)

    if TYPE_CHECKING:

        def __getattr__(self, key: str) -> Any: ...

    @classmethod
    def of_run(cls, schema: str, inputs: Sequence[str], **figures: Any) -> Self:
        """Return the report of a run of this version."""
        return cls(schema=schema, version=__version__, inputs=list(inputs), **figures)

    def changed(self, **figures: Any) -> Self:
        """Return the report with these figures changed."""
        return type(self)(**({key: getattr(self, key) for key in self.__slots__ or vars(self)} | figures))

    def figure(self, key: str) -> Any:
        """Return a figure by its key, which is outer.inner for one within another; None for one that does not apply."""
        first, *inner = key.split(".")
        outer = getattr(self, first)
        return None if outer is None else reduce(getitem, inner, outer)

    def record(self) -> Any:
        """Return the figures that apply."""
        keys = self.__slots__ or vars(self)
        return {key: value for key in keys if (value := getattr(self, key)) is not None}

    def document(self) -> Any:
        """Return what JSON holds: the record, in which very many records are `RecordColumns`."""
        return self.record()

    def lines(self) -> Iterable[dict[str, Any]]:
        """Return what JSON lines hold, a record for each line."""
        return [self.record()]

    def cells(self) -> Rows:
        """Return the content of CSV; there may be a million rows, so they may come one at a time."""
        row = self.in_order(flat(self.record()))
        return list(row), [row.values()]

    @classmethod
    def in_order(cls, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with its columns in order: after `FIRST`, and what is within these, all others as they come."""
        places = {name: place for place, name in enumerate(cls.FIRST)}
        return dict(sorted(row.items(), key=lambda item: places.get(item[0].split(".")[0], len(places))))

    def blocks(self) -> list[Table | Line]:
        """Return what a person reads: tables, and sentences; by default a table of the rows."""
        names, rows = self.cells()
        return [Table(names, [tuple(row) for row in rows])]

    def annotations(self) -> list[Annotation] | None:
        """Return what is printed beside the inputs; None for a report that has no such thing."""
        return None


class Figures(Report):
    """A report that is its figures alone; `Report` itself has no room for any."""


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a record as a row: figures within another as outer.inner, no lists, not what ran.

    Parameters go by their names, but for those of which one is called as a figure.

    >>> flat({"schema": "s/1", "parameters": {"beta": 2}, "a": {"mean": 0.5}})
    {'beta': 2, 'a.mean': 0.5}
    >>> flat({"parameters": {"ties": "input"}, "ties": 2})
    {'parameters.ties': 'input', 'ties': 2}
    """
    row: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            by_name = key == "parameters" and record.keys().isdisjoint(value)
            row |= flat(value, "" if by_name else f"{prefix}{key}.")
        elif key not in _SAY_WHAT_RAN and not isinstance(value, list):
            row[prefix + key] = value
    return row


def titled(inputs: Sequence[str]) -> str:
    """Return the inputs as a title names them."""
    return harmless(inputs[0], limit=60) if len(inputs) == 1 else f"{len(inputs)} inputs"
