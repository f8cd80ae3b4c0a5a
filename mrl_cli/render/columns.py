"""Rows that are columns as lines of text, the same as row by row: a block at a time, and a column of it at a time."""

from __future__ import annotations

import math
import re
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli import native
from mrl_cli.arrow import as_arrow, chosen_texts, joined, text_of, texts_as_arrow, texts_of, written
from mrl_cli.exact.blocks import Scratch
from mrl_cli.records import NamedTuple
from mrl_cli.render.jsontext import encoded, indented
from mrl_cli.words import NOT_FINITE, csv_lines, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.reports.base import RecordColumns, RowColumns

MAKERS = 2  # threads that make lines

_ROOM = Scratch(dtype=np.uint8)


def delimited_lines(rows: RowColumns, delimiter: str) -> Iterator[str]:
    """Return the lines of CSV with that delimiter, some at a time."""
    needs_quotes = re.compile(f'[{delimiter}"\r\n]').search

    def quoted(text: str) -> str:
        return csv_lines([[text, ""]], delimiter)[: -len(delimiter) - 1]

    def cells(column: Any) -> Any:
        if isinstance(column, np.ndarray):
            return column
        if not hasattr(column, "type"):
            return quoted("" if column is None else number_text(column))
        return _written(column, needs_quotes, quoted)

    def lines(columns: list[Any]) -> str:
        return _rows_text(list(map(cells, columns)), delimiter, "\n")

    return _made_ahead(lines, rows.blocks)


class _Layout(NamedTuple):
    """What stands before a record of JSON, between its items, and behind it."""

    begin: str
    between: str
    end: str
    within: str | None = None  # a line end and the indent of what is within an item, None for none


_LINE = _Layout("{", ", ", "}\n")
_ITEM = _Layout(",\n    {\n      ", ",\n      ", "\n    }", "\n      ")


def json_lines(records: RecordColumns) -> Iterator[str]:
    """Return lines of JSON, some at a time: a record in each, as `json_ready` has it."""
    return _json_texts(records, _LINE)


def json_items(records: RecordColumns) -> Iterator[str]:
    """Yield what stands in a list of an object of indented JSON, some at a time: records as `json_ready` has them."""
    begin = 1  # no comma stands before the first
    for text in _json_texts(records, _ITEM):
        yield text[begin:]
        begin = 0
    if not begin:
        yield "\n  "


def _json_texts(records: RecordColumns, layout: _Layout) -> Iterator[str]:
    needs_escapes = re.compile(r'["\\\x00-\x1f]').search
    first, *others = map(encoded, records.names)
    heads = [f"{layout.begin}{first}: ", *(f"{layout.between}{name}: " for name in others)]
    names = [*[records.names[0]] * records.parts, *records.names[1:]]
    if records.parts > 1:  # in a list, each on a line of its own
        lines = f"{layout.within}  "
        heads[:1] = [f"{heads[0]}[{lines}", *[f",{lines}"] * (records.parts - 1)]
        heads[records.parts] = f"{layout.within}]{heads[records.parts]}"

    def json_numbers(column: NDArray[Any], is_finite: NDArray[np.bool_] | None) -> Any:
        if is_finite is None:
            return column
        texts = number_texts(column)
        places = np.where(is_finite, np.arange(column.size), column.size)
        return chosen_texts([texts, texts_as_arrow(["null"])], places)

    def text(columns: list[Any]) -> str:
        pieces: list[Any] = []
        numbers = {name: column for name, column in zip(names, columns, strict=True) if isinstance(column, np.ndarray)}
        masks = {name: mask for name, column in numbers.items() if not (mask := np.isfinite(column)).all()}
        for head, name, column in zip(heads, names, columns, strict=True):
            pieces.append(head)
            if name in numbers:
                pieces.append(json_numbers(column, masks.get(name)))
            else:
                pieces += ['"', _written(column, needs_escapes, lambda text: encoded(text)[1:-1]), '"']
        ends = texts_as_arrow(_ends({name: numbers[name] for name in masks}, layout)) if masks else layout.end
        return _rows_text([*pieces, ends])

    return _made_ahead(text, records.blocks)


def _ends(numbers: dict[str, NDArray[Any]], layout: _Layout) -> list[str]:
    """Return the ends of records with these numbers, which say of those that are not finite what they are."""
    columns = list(numbers.values())
    ends = [layout.end] * len(columns[0])
    for place in np.flatnonzero(~np.isfinite(columns).all(axis=0)).tolist():  # few are
        values = {name: float(column[place]) for name, column in numbers.items()}
        names = {name: number_text(value) for name, value in values.items() if not math.isfinite(value)}
        said = encoded(names) if layout.within is None else indented(names, layout.within)
        ends[place] = f"{layout.between}{encoded(NOT_FINITE)}: {said}{layout.end}"
    return ends


def _made_ahead(lines: Callable[[list[Any]], str], blocks: Iterable[Callable[[], list[Any]]]) -> Iterator[str]:
    """Yield the lines of each block, in order; threads compute some blocks ahead, and make the lines of them."""

    def made_of(block: Callable[[], list[Any]]) -> str:
        return lines(block())

    left = iter(blocks)
    first = list(islice(left, 2))
    if len(first) < 2:
        yield from map(made_of, first)
        return
    from concurrent.futures import ThreadPoolExecutor  # few groups are one block

    with ThreadPoolExecutor(MAKERS) as pool:
        made = deque(pool.submit(made_of, block) for block in first)
        for block in left:
            made.append(pool.submit(made_of, block))
            if len(made) > MAKERS:
                yield made.popleft().result()
        while made:
            yield made.popleft().result()


def _rows_text(pieces: Sequence[Any], separator: str = "", end: str = "") -> str:
    """Return the text of rows: of arrays of numbers, Arrow strings and what is in all rows, and between them that."""
    flat: list[Any] = []
    for piece in chain(*((piece, separator) for piece in pieces[:-1]), [pieces[-1], end]):
        if isinstance(piece, str) and flat and isinstance(flat[-1], str):
            flat[-1] += piece
        elif not isinstance(piece, str) or piece:
            flat.append(piece)
    text = native.rows_text(flat, _ROOM.of)
    if text is not None:
        return str(text.data, "utf-8")
    texts = [number_texts(piece) if isinstance(piece, np.ndarray) else piece for piece in pieces]
    return text_of(joined([joined(texts, separator), end]))


def _written(texts: pa.Array, needs_change: Callable[[str], Any], changed: Callable[[str], str]) -> pa.Array:
    """Return a column of texts with those changed that need it."""
    if not needs_change(text_of(texts)):
        return texts
    return texts_as_arrow(changed(text) if needs_change(text) else text for text in texts_of(texts))


def number_texts(values: NDArray[Any]) -> pa.Array:
    """Return integers or doubles, of shape (n,), as texts, as `number_text` has them: many at once.

    >>> number_texts(np.array([0.1, 3.0, 1e-5, np.nan])).to_pylist()
    ['0.1', '3.0', '1e-05', 'NaN']
    """
    column = as_arrow(values)
    return native.float_texts(column) if values.dtype.kind == "f" else written(column)
