"""Delimited text field by field, where the fast way meets something it cannot name: what a cell is, and its line."""

from __future__ import annotations

import io
from array import array
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_texts, chosen_texts, encoded, texts_as_arrow
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.apart import told_apart
from mrl_cli.inputs.base import Numbers, batch_of_columns, numbers_of_texts
from mrl_cli.inputs.cells import all_plain, as_written, no_numbers, number_in, shown_cell
from mrl_cli.model import Batch, Problem, problems
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.apart import Apart
    from mrl_cli.inputs.base import Keys, Shard
    from mrl_cli.inputs.text import Layout
    from mrl_cli.model import Plan, Role

_SENTINEL = "\n\ud800"  # no decoded text has half a character of UTF-16, and no field ends within it


def batch_of_fields(shard: Shard, plan: Plan) -> Batch:
    """Return the shard's pairs, without the rows at fault, which are named."""
    source, layout = shard.source, shard.part.layout
    read = _rows(shard, plan)
    file, width = source.shown_name, len(layout.names)
    others = [one for one in zip(read.lines, read.fields, strict=True) if len(one[1]) != width]
    listed = others if plan.reading.lists_problems else others[: problems.FIRST_PROBLEMS_SHOWN]
    ragged = [Problem(problems.RAGGED, file, line, None, _ragged(fields, layout)) for line, fields in listed]
    if others:
        read = read.of_width(width)
    fields = read.fields
    columns = {role: [row[layout.places[role]] for row in fields] for role, _ in plan.columns.wanted}
    further = _undecoded(read, layout, file) if read.has_undecoded else []
    lines: Sequence[int] = read.lines
    merged = None
    if read.apart is not None:
        merged = _Merged.of(read.apart, read.first_line, read.lines)
        further = [(merged.other_places[place], problem) for place, problem in further]
        lines = merged.lines
        for role, (_, cells) in read.apart.odd.items():
            columns[role] += cells

    def numbers_in(cells: list[str], role: Role) -> Numbers:
        """Return a column of numbers, with those of the certain rows where these are told apart."""
        found = numbers_of_texts(cells, _number_of(cells, role, plan, has_undecoded=read.has_undecoded))
        return found if merged is None else merged.numbers(found, role)

    kept = _as_table(fields, layout) if plan.reading.keep_columns else None

    def keys_in(cells: list[str], role: Role) -> Keys:
        """Return a column of keys, likewise."""
        texts_there = texts_as_arrow(cells)
        return texts_there if merged is None else merged.keys(texts_there, role), []

    batch = batch_of_columns(
        file, columns, numbers_in, keys_in, lines, plan, kept, row_word="line", further=further, shown=shown_cell
    )
    return replace(
        batch,
        problems=(*ragged, *batch.problems),
        rejected_rows=batch.rejected_rows + len(others),
        unlisted=Counter(batch.unlisted) + Counter({problems.RAGGED: len(others) - len(ragged)}),
    )


class _Merged(NamedTuple):
    """The rows of a block that are certain and those read field by field, in the order in which they stand there.

    `order` puts the ones and then the others there; `places` is where each one comes to stand, `lines` its line.
    """

    apart: Apart
    lines: array[int]
    order: NDArray[np.intp]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, apart: Apart, first_line: int, lines: list[int]) -> _Merged:
        """Return how certain rows and those of other lines come together."""
        both = np.concatenate((apart.lines + first_line, np.asarray(lines, np.int64)))
        order = np.argsort(both, kind="stable")
        places = np.empty_like(order)
        places[order] = np.arange(order.size)
        return cls(apart, array("q", both[order].tobytes()), order, places)

    @property
    def other_places(self) -> list[int]:
        """Where the rows that are not certain come to stand."""
        found: list[int] = self.places[self.apart.lines.size :].tolist()
        return found

    def numbers(self, others: Numbers, role: Role) -> Numbers:
        """Return a column of numbers; `others` are those of the other rows, and then those of the odd cells."""
        odd = self.places[self.apart.odd[role][0]]
        read = others.array.size - odd.size
        column = np.concatenate((self.apart.numbers[role], others.array[:read]))[self.order]
        column[odd] = others.array[read:]
        places = [*self.other_places, *odd.tolist()]
        bad = sorted((places[at], kind, value) for at, kind, value in others.bad)
        return Numbers(column, bad, others.has_booleans)

    def keys(self, others: pa.Array, role: Role) -> pa.Array:
        """Return a column of keys; `others` are those of the other rows."""
        if not self.apart.lines.size:
            return others
        keys = encoded(self.apart.keys[role])
        codes = np.concatenate((np.from_dlpack(keys.indices), np.arange(len(others)) + len(keys.dictionary)))
        return chosen_texts([as_texts(keys.dictionary), others], codes[self.order])


def _number_of(cells: list[str], role: Role, plan: Plan, *, has_undecoded: bool) -> Callable[[str], float | str]:
    """Return what reads the cells of a column as numbers: `number_in`, or what does the same for such cells."""
    dialect, different = plan.reading.dialect, set(cells)
    if all_plain(different, len(different), dialect):
        return float
    number = partial(number_in, dialect=dialect, role=role, takes_booleans=plan.takes_booleans(role))
    if has_undecoded:
        return partial(_number_if_decoded, number)
    return _no_number if no_numbers(different, len(different), dialect) else number


def _no_number(_cell: str) -> str:
    return problems.NOT_A_NUMBER


def _number_if_decoded(number: Callable[[str], float | str], cell: str) -> float | str:
    return 1.0 if texts.is_undecoded(cell) else number(cell)  # that is noted


def _ragged(fields: list[str], layout: Layout) -> str:
    return f"{len(fields)} fields for {len(layout.names)} columns: " + shown_cell(layout.delimiter.join(fields))


def _as_table(rows: list[list[str]], layout: Layout) -> pa.Table:
    import pyarrow as pa

    columns = [texts_as_arrow(fields[place] for fields in rows) for place in range(len(layout.names))]
    return pa.Table.from_arrays(columns, names=list(layout.names))


def _undecoded(read: _Read, layout: Layout, file: str) -> list[tuple[int, Problem]]:
    """Return the cells that are not in the encoding, each with the place of its row."""
    return [
        (place, Problem(problems.ENCODING, file, line, harmless(name), shown_cell(field)))
        for place, (line, fields) in enumerate(zip(read.lines, read.fields, strict=True))
        for name, field in zip(layout.names, fields, strict=True)
        if texts.is_undecoded(field)
    ]


class _Read(NamedTuple):
    """The rows of a block that are not blank: the first physical line of each, and its fields.

    Of those that are told `apart` only the others are among them.
    """

    lines: list[int]
    fields: list[list[str]]
    has_undecoded: bool
    apart: Apart | None = None
    first_line: int = 1

    def of_width(self, width: int) -> _Read:
        """Return the rows that have so many fields."""
        places = [place for place, fields in enumerate(self.fields) if len(fields) == width]
        lines, fields = [self.lines[place] for place in places], [self.fields[place] for place in places]
        return self._replace(lines=lines, fields=fields)


def _rows(shard: Shard, plan: Plan) -> _Read:
    """Return the rows of a shard; fields of wanted columns with the quotes that the parser drops where they count."""
    part: texts.TextPart = shard.part
    first_line, data = part.line_number(shard.source), part.read(shard.source)
    delimiter = part.layout.delimiter
    if texts.opens_quotes(data, delimiter):
        text = data.decode("utf-8", "surrogateescape")
        quoted = list(_quoted_rows(text, first_line, shard, plan))
        return _Read([line for line, _ in quoted], [fields for _, fields in quoted], texts.is_undecoded(text))
    apart = told_apart(data, part.layout, plan)
    text = (data if apart is None else apart.others).decode("utf-8", "surrogateescape")
    rows = list(texts.csv_rows(io.StringIO(text, newline=""), delimiter))  # a row is a line
    if apart is None:
        lines = [line for line, fields in enumerate(rows, first_line) if fields]
        return _Read(lines, list(filter(None, rows)), texts.is_undecoded(text))
    lines = (apart.other_lines + first_line).tolist()
    return _Read(lines, rows, texts.is_undecoded(text), apart, first_line)


def _quoted_rows(text: str, first_line: int, shard: Shard, plan: Plan) -> Iterator[tuple[int, list[str]]]:
    """Yield the first physical line and the fields of every row of a text with quotes."""
    layout: Layout = shard.part.layout
    wanted = {layout.places[role] for role, _ in plan.columns.wanted_numbers}
    line, read, opening = first_line, list[str](), f'{layout.delimiter}"'

    def lines() -> Iterator[str]:
        for text_line in io.StringIO(text + _SENTINEL, newline=""):
            read.append(text_line)
            yield text_line

    reader = texts.csv_rows(lines(), layout.delimiter)
    for fields in reader:
        if fields and fields[-1].endswith(_SENTINEL):
            raise texts.unclosed_quote(shard.source, line)
        if fields and fields != [_SENTINEL[1:]]:
            row = "".join(read)
            has_quoted = row[0] == '"' or opening in row  # of another field the parser drops no quote
            yield line, _as_written(fields, row, layout, wanted) if has_quoted else fields
        read.clear()
        line = first_line + reader.line_num


def _as_written(fields: list[str], text: str, layout: Layout, wanted: set[int]) -> list[str]:
    """Return the fields of a row with quotes, and of columns of numbers with those that the parser dropped."""
    if len(fields) != len(layout.names):
        return fields
    pieces = text.split(layout.delimiter)
    if len(pieces) == len(fields) and not any('"' in pieces[place] for place in wanted):
        return fields  # no quote holds a delimiter, and none is of a wanted cell
    spelled = as_written(text, layout.delimiter)
    spelled = spelled if len(spelled) == len(fields) else [f'"{field}' for field in fields]
    return [spelled[place] if place in wanted else field for place, field in enumerate(fields)]
