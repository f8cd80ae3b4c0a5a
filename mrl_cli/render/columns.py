"""Rows that are columns as lines of text, the same as row by row: a block at a time, and a column of it at a time."""

from __future__ import annotations

import math
import re
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli import native
from mrl_cli.arrow import as_arrow, texts_of
from mrl_cli.words import csv_lines, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from mrl_cli.reports.base import RowColumns

FEW_NUMBERS = 4096  # that are written before Arrow's functions are loaded
# Between these, doubles that are not whole are written alike by Python, Arrow and the compiled part.
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e9


def delimited_lines(rows: RowColumns, delimiter: str) -> Iterator[str]:
    """Yield the lines of CSV with that delimiter."""
    needs_quotes = re.compile(f'[{delimiter}"\r\n]').search

    def quoted(text: str) -> str:
        return csv_lines([[text, ""]], delimiter)[: -len(delimiter) - 1]

    def cells(column: Any) -> Iterable[str]:
        if isinstance(column, np.ndarray):
            return number_texts(column)
        if not hasattr(column, "type"):
            return repeat(quoted("" if column is None else number_text(column)))
        return [quoted(text) if needs_quotes(text) else text for text in texts_of(column)]

    for columns in rows.blocks:
        lines = map(delimiter.join, zip(*map(cells, columns), strict=False))
        yield "\n".join([*lines, ""])


def json_lines(rows: RowColumns) -> Iterator[str]:
    """Yield lines of JSON: a record in each, with these names."""
    import json

    needs_escapes = re.compile(r'["\\\x00-\x1f]').search

    def dumped(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    def json_number(number: float) -> str:
        return number_text(number) if math.isfinite(number) else dumped(number_text(number))

    def values(column: Any) -> Iterable[str]:
        if isinstance(column, np.ndarray):
            return number_texts(column, json_number)
        return [dumped(text) if needs_escapes(text) else f'"{text}"' for text in texts_of(column)]

    for columns in rows.blocks:
        pieces: list[Iterable[str]] = []
        for name, column in zip(rows.names, columns, strict=True):
            pieces += [repeat(f"{', ' if pieces else '{'}{dumped(name)}: "), values(column)]
        yield "".join(map("".join, zip(*pieces, repeat("}\n"), strict=False)))


def number_texts(values: NDArray[Any], text_of: Callable[[float], str] = number_text) -> list[str]:
    """Return integers or doubles, of shape (n,), as texts: those of `text_of`, `number_text` or the like.

    Many are written at once. What is very large, very small, whole or not finite has another text there.

    >>> number_texts(np.array([0.1, 3.0, 1e-5, np.nan]))
    ['0.1', '3.0', '1e-05', 'NaN']
    """
    if values.dtype.kind != "f":
        least, most = (int(values.min()), int(values.max())) if values.size else (0, 0)
        if most - least >= values.size:
            return list(map(str, values.tolist()))
        counts: list[str] = np.array(list(map(str, range(least, most + 1))), dtype=object)[values - least].tolist()
        return counts
    sizes = np.abs(values)
    is_other = ~((sizes >= _PLAIN_FROM) & (sizes < _PLAIN_TO) & (values != np.floor(values)))
    texts = _texts(values, text_of)
    if not is_other.any():
        return texts
    others, codes = np.unique(values[is_other].view(np.int64), return_inverse=True)  # -0.0 is not 0.0
    every = np.array(texts, dtype=object)
    every[is_other] = np.array(list(map(text_of, others.view(np.float64).tolist())), dtype=object)[codes]
    whole: list[str] = every.tolist()
    return whole


def _texts(values: NDArray[np.float64], text_of: Callable[[float], str]) -> list[str]:
    lines = native.number_lines(values)
    if lines is not None:
        return lines.tobytes().decode("ascii").split("\n")[:-1]
    if values.size <= FEW_NUMBERS:
        return list(map(text_of, values.tolist()))
    import pyarrow as pa

    return texts_of(as_arrow(values).cast(pa.string()))
