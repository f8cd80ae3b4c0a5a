"""Rows of plain delimited text apart: those of which the compiled reader is certain, and the few others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.inputs.cells import null_numbers
from mrl_cli.inputs.plain import asked, kinds_of, plain_columns
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.text import Layout
    from mrl_cli.model import Plan, Role

_FEED, _RETURN = b"\n\r"
_FIRST, _LAST = (np.isin(np.arange(256), list(b"0123456789., \t" + more)) for more in (b"+-", b""))  # bytes of numbers
_FIRST_NOT_ASCII = 0x80


class _Cells(NamedTuple):
    """Cells of a column: their rows, and where each one begins and ends in the text."""

    rows: NDArray[np.intp]
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]


class Apart(NamedTuple):
    """The rows of a text apart: those of which the compiled reader is certain, and the text of the others.

    `lines` and `other_lines` say on which line of the text each one stands, from 0 on. Of the certain rows some cells
    of numbers are `odd`, by role: the places of their rows, and what stands there, in whose place `numbers` have 0.
    """

    lines: NDArray[np.intp]
    numbers: dict[Role, NDArray[Any]]
    keys: dict[Role, pa.Array]
    odd: dict[Role, tuple[list[int], list[str]]]
    other_lines: NDArray[np.intp]
    others: bytes


def told_apart(data: bytes, layout: Layout, plan: Plan) -> Apart | None:
    """Return the rows of a text in which no field begins with a quote; None where another way has to read them all."""
    wanted = asked(layout.places, layout.delimiter, plan)
    if wanted is None or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):  # a lone one ends a line too
        return None
    fields, numbers, keys = wanted
    text, width = np.frombuffer(data, np.uint8), len(layout.names)
    edges = _edges(text)
    lines = np.flatnonzero((text[edges[:-1]] != _FEED) & (text[edges[:-1]] != _RETURN))  # but for the blank ones
    odd = _odd_cells(text, edges, lines, layout, {*numbers.values()})
    plain = _without(text, odd.values())
    arrays: dict[int, NDArray[Any]] = {
        place: np.empty(lines.size, kind) for place, kind in kinds_of(numbers, plan).items()
    }
    is_read = np.ones(lines.size, bool)
    is_read[_read(plain, [*map(arrays.get, range(width))], fields, layout.delimiter, plan)] = False
    is_certain = is_read & ~_is_undecoded(data, text, edges)[lines]
    arrays = {place: array[: np.count_nonzero(is_read)] for place, array in arrays.items()}
    if nulls := null_numbers(plan):
        for array in arrays.values():
            is_certain[is_read] &= ~np.isin(array, nulls)
    certain, others = lines[is_certain], lines[~is_certain]
    columns: dict[Role, pa.Array] = {}
    if keys and certain.size:
        text_of_certain = _lines(plain, _edges(np.frombuffer(plain, np.uint8)), certain)
        read = plain_columns(text_of_certain, width, layout.places, layout.delimiter, plan)
        if not isinstance(read, tuple):
            return None
        columns = read[1]
    places = np.cumsum(is_certain) - 1
    cells: dict[Role, tuple[list[int], list[str]]] = {}
    for role, place in numbers.items():
        rows, *bounds = (of_cell[is_certain[odd[place].rows]] for of_cell in odd[place])
        slices = zip(*(bound.tolist() for bound in bounds), strict=True)
        cells[role] = places[rows].tolist(), [data[start:end].decode() for start, end in slices]
    found = {role: arrays[place][is_certain[is_read]] for role, place in numbers.items()}
    return Apart(certain, found, columns, cells, others, _lines(data, edges, others))


def _edges(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return where the lines of a text begin, and where the last one ends."""
    return np.concatenate(([0], np.flatnonzero(text[:-1] == _FEED) + 1, [text.size]))


def _lines(data: bytes, edges: NDArray[np.intp], lines: NDArray[np.intp]) -> bytes:
    """Return some lines of a text."""
    return b"".join(
        data[start:end] for start, end in zip(edges[lines].tolist(), edges[lines + 1].tolist(), strict=True)
    )


def _is_undecoded(data: bytes, text: NDArray[np.uint8], edges: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which lines may hold a byte that is no UTF-8."""
    try:
        _ = data.isascii() or data.decode()
    except UnicodeDecodeError:
        return np.maximum.reduceat(text, edges[:-1]) >= _FIRST_NOT_ASCII
    return np.zeros(edges.size - 1, bool)


def _odd_cells(
    text: NDArray[np.uint8], edges: NDArray[np.intp], lines: NDArray[np.intp], layout: Layout, places: Iterable[int]
) -> dict[int, _Cells]:
    """Return the cells of columns of numbers that are none by their first or last byte, of rows with all fields."""
    starts, ends, width = edges[lines], edges[lines + 1], len(layout.names)
    for line_end in (_FEED, _RETURN):
        ends = ends - (text[ends - 1] == line_end)
    delimiters = np.flatnonzero(text == ord(layout.delimiter))
    counts = np.diff(np.searchsorted(delimiters, edges))
    rows = np.flatnonzero(counts[lines] == width - 1)
    if rows.size < lines.size:
        delimiters = delimiters[np.repeat(counts == width - 1, counts)]
        starts, ends = starts[rows], ends[rows]
    of_row = delimiters.reshape(rows.size, width - 1)
    odd = {}
    for place in places:
        begins = of_row[:, place - 1] + 1 if place else starts
        stops = of_row[:, place] if place < width - 1 else ends
        fits = _FIRST[text.take(begins, mode="clip")] & _LAST[text.take(stops - 1, mode="clip")] & (begins < stops)
        found = np.flatnonzero(~fits)
        odd[place] = _Cells(rows[found], begins[found], stops[found])
    return odd


def _without(text: NDArray[np.uint8], odd: Iterable[_Cells]) -> bytes:
    """Return a text with a number, zero, in place of odd cells; a line stays a line."""
    filled, empty = text.copy(), [np.zeros(0, np.intp)]
    for _, starts, ends in odd:
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        filled[np.repeat(starts, sizes) + within] = ord("0")
        empty.append(starts[sizes == 0])
    places = np.concatenate(empty)
    return (np.insert(filled, places, ord("0")) if places.size else filled).tobytes()


def _read(data: bytes, columns: list[Any], fields: ModuleType, delimiter: str, plan: Plan) -> list[int]:
    """Read the rows that are certain into columns, one after the other, and return the places of those that are not."""
    others, at, count, text, end = list[int](), 0, 0, memoryview(data), len(data)
    wanted = [(place, memoryview(column)) for place, column in enumerate(columns) if column is not None]
    decimal = plan.reading.dialect.decimal
    while True:
        read, size, *_ = fields.read(text[at:], delimiter, decimal, tuple(columns))
        at, count = at + size, count + read
        if at == end:
            return others
        others.append(count + len(others))
        at = data.find(b"\n", at) + 1 or end
        for place, column in wanted:
            columns[place] = column[count:]
