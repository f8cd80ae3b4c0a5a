"""Rows that are columns as lines of text, the same as row by row: a block at a time, by Arrow."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.words import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.reports.base import RowColumns

_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e9  # between these Arrow writes doubles that are not whole as Python does


def delimited_lines(rows: RowColumns, delimiter: str) -> Iterator[str]:
    """Yield the lines of CSV with that delimiter."""
    import csv

    def quoted(text: str) -> str:
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow([text, ""])
        return line.getvalue()[: -len(delimiter) - 1]

    def cells(column: Any) -> Any:
        if isinstance(column, np.ndarray):
            return number_texts(column)
        if hasattr(column, "type"):
            return _where_needed(column, f'[{delimiter}"\r\n]', quoted)
        return quoted("" if column is None else number_text(column))

    for columns in rows.blocks:
        pieces: list[Any] = [delimiter] * (2 * len(columns))
        pieces[::2] = map(cells, columns)
        pieces[-1] = "\n"
        yield _joined(pieces)


def json_lines(rows: RowColumns) -> Iterator[str]:
    """Yield lines of JSON: a record in each, with these names."""
    import json

    def dumped(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    def json_number(number: float) -> str:
        return number_text(number) if math.isfinite(number) else dumped(number_text(number))

    def value(column: Any) -> Any:
        if isinstance(column, np.ndarray):
            return number_texts(column, json_number)
        return _joined_texts(['"', _where_needed(column, r'["\\\x00-\x1f]', lambda text: dumped(text)[1:-1]), '"'])

    for columns in rows.blocks:
        pieces: list[Any] = []
        for name, column in zip(rows.names, columns, strict=True):
            pieces += [f"{', ' if pieces else '{'}{dumped(name)}: ", value(column)]
        yield _joined([*pieces, "}\n"])


def number_texts(values: NDArray[Any], text_of: Callable[[float], str] = number_text) -> pa.Array:
    """Return integers or doubles, of shape (n,), as Arrow texts: those of `text_of`, `number_text` or the like.

    Arrow has another way to write what is very large, very small, whole or not finite.

    >>> number_texts(np.array([0.1, 3.0, 1e-5, np.nan])).to_pylist()
    ['0.1', '3.0', '1e-05', 'NaN']
    """
    import pyarrow as pa

    texts = as_arrow(values).cast(pa.string())
    if values.dtype.kind != "f":
        return texts
    sizes = np.abs(values)
    is_other = ~((sizes >= _PLAIN_FROM) & (sizes < _PLAIN_TO) & (values != np.floor(values)))
    if not is_other.any():
        return texts
    others, codes = np.unique(values[is_other].view(np.int64), return_inverse=True)  # -0.0 is not 0.0
    named = texts_as_arrow(map(text_of, others.view(np.float64).tolist()))
    places = np.arange(values.size)
    places[is_other] = values.size + codes
    return pa.concat_arrays([texts, named]).take(as_arrow(places))


def _where_needed(texts: pa.Array, pattern: str, changed: Callable[[str], str]) -> pa.Array:
    """Return texts, with those changed in which the pattern occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_needed = pc.match_substring_regex(texts, pattern)
    if not np.from_dlpack(is_needed.cast(pa.uint8())).any():
        return texts
    both = zip(texts.to_pylist(), is_needed.to_pylist(), strict=True)
    return texts_as_arrow(changed(text) if needed else text for text, needed in both)


def _joined_texts(pieces: list[Any]) -> pa.Array:
    import pyarrow.compute as pc

    names = sorted({piece for piece in (*pieces, "") if isinstance(piece, str)})
    scalars = dict(zip(names, texts_as_arrow(names), strict=True))  # Arrow's own way to a scalar loads pandas
    texts = (scalars[piece] if isinstance(piece, str) else piece for piece in pieces)
    joined: pa.Array = pc.binary_join_element_wise(*texts, scalars[""])
    return joined


def _joined(pieces: list[Any]) -> str:
    """Return the texts that pieces, each an array of texts or one text, make row by row, one after the other."""
    texts = _joined_texts(pieces)
    _, bounds, data = texts.buffers()
    stop = np.frombuffer(bounds, np.int32)[len(texts)]
    return str(data.slice(0, int(stop)), "utf-8")
