"""The head of an input: its columns, the first cells of each, and how it is written. Its size makes no difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mrl_cli.inputs import paths
from mrl_cli.records import NamedTuple
from mrl_cli.words import is_float

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.model import Dialect

HEAD_ROWS = 1000
HEAD_BYTES = 1 << 20
VALUE_BYTES = 16 << 20  # a JSON value up to that size is read whole
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class Column(NamedTuple):
    """A column: its name, what it holds in words, and its first cells as Python values, where those say more."""

    name: str
    type: str
    cells: Sequence[Any]


class Head(NamedTuple):
    """What the head of an input shows.

    `rows_seen` of its rows were looked at, of `rows` where that is known. `dialect` is how the input is written, by the
    keys of `mrl check`; `options` are those of the command line that reading it so takes. `sample` is JSON of the rows
    seen, where the first rows alone cannot be read from the input; it is empty where not even that is there.
    """

    columns: list[Column]
    rows_seen: int
    rows: int | None
    dialect: dict[str, Any]
    options: dict[str, Any]
    sample: bytes | None = None

    def cells(self, name: str | None) -> Sequence[Any]:
        """Return the first cells of a column, or at the path to a nested cell; none where none is called so.

        >>> Head([column_of("a", [{"b": 1}, {"b": [2]}, {}])], 3, 3, {}, {}).cells("a.b")
        [1, [2]]
        """
        columns = {column.name.strip(): column.cells for column in self.columns}
        columns |= {column.name: column.cells for column in self.columns}
        top = None if name is None else paths.split(name, columns)
        if top is None:
            return []
        cells = [paths.cell_at(cell, top[1]) for cell in columns[top[0]]]
        return [cell for cell in cells if not isinstance(cell, paths.Astray)]


def column_of(name: str, cells: Sequence[Any]) -> Column:
    """Return a column whose type its cells show.

    >>> [column_of("a", cells).type for cells in ([1, 0.5], ["a", None], [[1, 2]], [None], [1, "x"])]
    ['number', 'text', 'list of integer', 'empty', 'integer or text']
    """
    return Column(name, merged_types(_type(cell) for cell in cells if cell is not None), cells)


def merged_types(types: Iterable[str]) -> str:
    """Return types as one: an integer is a number too.

    >>> merged_types(["integer", "number", "integer", "empty"]), merged_types([])
    ('number', 'empty')
    """
    names = list(dict.fromkeys(types))
    names = [name for name in names if name != "empty" and not (name == "integer" and "number" in names)]
    return " or ".join(names) or "empty"


def _type(cell: Any) -> str:
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, list):
        inner = merged_types("list" if isinstance(value, list) else _type(value) for value in cell if value is not None)
        return "list" if inner == "empty" else f"list of {inner}"
    if isinstance(cell, str):
        return "text"
    return "object" if isinstance(cell, dict) else "integer" if isinstance(cell, int) else "number"


def columns_of_records(records: Sequence[dict[str, Any]]) -> list[Column]:
    """Return the columns of objects: those of all their keys."""
    names = dict.fromkeys(name for record in records for name in record)
    return [column_of(name, [record.get(name) for record in records]) for name in names]


def value_in(text: str, dialect: Dialect) -> Any:
    """Return the value of a cell of text: None where there is none, a number where it is one, else the text.

    >>> from mrl_cli.model import Dialect
    >>> [value_in(text, Dialect(decimal=",", null_values=("NA",))) for text in (" 1", "0,5", "0.5", "", "NA")]
    [1, 0.5, '0.5', None, None]
    """
    cell = text.strip(" \t")
    if not cell or cell in dialect.null_values:
        return None
    if _INTEGER.fullmatch(cell):
        return int(cell[:400])  # the conversion of more digits is refused, and no double holds them
    if dialect.decimal != ".":
        cell = cell if "." in cell else cell.replace(dialect.decimal, ".")
        return float(cell) if is_float(cell) and "." not in text else text
    return float(cell) if is_float(cell) else text


_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*", re.ASCII)
_NO_THOUSANDS = re.compile(r"\s*[+-]?(?:0?,\d+|\d+,(?:\d{1,2}|\d{4,}))\s*", re.ASCII)  # of those, three digits may be


def has_decimal_commas(columns: Iterable[Sequence[str]]) -> bool:
    """Return whether in some column of texts each value is a number if commas are decimal points, and only then.

    >>> has_decimal_commas([["0,5", "1"], ["a", "b"]]), has_decimal_commas([["1,000", "2"]])
    (True, False)
    """
    for column in columns:
        cells = [cell for cell in column if cell.strip()]
        if any(map(_NO_THOUSANDS.fullmatch, cells)) and all(_DECIMAL_COMMA.fullmatch(c) or is_float(c) for c in cells):
            return True
    return False
