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
from mrl_cli.words import NOT_FINITE, csv_lines, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.reports.base import RowColumns

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


def json_lines(rows: RowColumns) -> Iterator[str]:
    """Return lines of JSON, some at a time: a record in each, with these names, as `json_ready` has it."""
    import json

    needs_escapes = re.compile(r'["\\\x00-\x1f]').search

    def dumped(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    def json_numbers(column: NDArray[Any], is_finite: NDArray[np.bool_] | None) -> Any:
        if is_finite is None:
            return column
        texts = number_texts(column)
        places = np.where(is_finite, np.arange(column.size), column.size)
        return chosen_texts([texts, texts_as_arrow(["null"])], places)

    def lines(columns: list[Any]) -> str:
        pieces: list[Any] = []
        numbers = {n: column for n, column in zip(rows.names, columns, strict=True) if isinstance(column, np.ndarray)}
        masks = {name: mask for name, column in numbers.items() if not (mask := np.isfinite(column)).all()}
        for name, column in zip(rows.names, columns, strict=True):
            pieces.append(f"{', ' if pieces else '{'}{dumped(name)}: ")
            if name in numbers:
                pieces.append(json_numbers(column, masks.get(name)))
            else:
                pieces += ['"', _written(column, needs_escapes, lambda text: dumped(text)[1:-1]), '"']
        ends = texts_as_arrow(_ends({name: numbers[name] for name in masks})) if masks else "}\n"
        return _rows_text([*pieces, ends])

    return _made_ahead(lines, rows.blocks)


def _ends(numbers: dict[str, NDArray[Any]]) -> Iterator[str]:
    """Yield the ends of JSON lines with these numbers, which say of those that are not finite what they are."""
    import json

    for row in zip(*(column.tolist() for column in numbers.values()), strict=True):
        names = {name: number_text(value) for name, value in zip(numbers, row, strict=True) if not math.isfinite(value)}
        yield f', "{NOT_FINITE}": {json.dumps(names, ensure_ascii=False)}}}\n' if names else "}\n"


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
