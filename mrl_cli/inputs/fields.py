"""Delimited text field by field, where the fast way meets something it cannot name: what a cell is, and its line."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Numbers, batch_of_columns, numbers_of_texts
from mrl_cli.inputs.cells import all_plain, as_written, number_in, shown_cell
from mrl_cli.model import Batch, Problem, problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from mrl_cli.inputs.base import Keys, Shard
    from mrl_cli.inputs.text import Layout
    from mrl_cli.model import Plan, Role

_SENTINEL = "\n\ud800"  # no decoded text has half a character of UTF-16, and no field ends within it


def batch_of_fields(shard: Shard, plan: Plan) -> Batch:
    """Return the shard's pairs, without the rows at fault, which are named."""
    source, layout = shard.source, shard.part.layout
    read = _rows(shard, plan)
    file, width = source.shown_name, len(layout.names)
    ragged = [
        Problem(problems.RAGGED, file, line, None, _ragged(fields, layout))
        for line, fields in zip(read.lines, read.fields, strict=True)
        if len(fields) != width
    ]
    if ragged:
        read = read.of_width(width)
    lines, fields = read.lines, read.fields
    columns = {role: [row[layout.places[role]] for row in fields] for role, _ in plan.columns.wanted}
    further = _undecoded(read, layout, file) if read.has_undecoded else []

    def numbers_in(cells: list[str], role: Role) -> Numbers:
        takes_booleans, dialect = plan.takes_booleans(role), plan.reading.dialect

        number: Callable[[str], float | str] = partial(
            number_in, dialect=dialect, role=role, takes_booleans=takes_booleans
        )
        different = set(cells)
        if all_plain(different, len(different), dialect):
            number = float
        elif read.has_undecoded:
            number = partial(_number_if_decoded, number)
        return numbers_of_texts(cells, number, shown_cell)

    kept = _as_table(fields, layout) if plan.reading.keep_columns else None

    def keys_in(cells: list[str], role: Role) -> Keys:
        del role
        return texts_as_arrow(cells), []

    batch = batch_of_columns(file, columns, numbers_in, keys_in, lines, plan, kept, row_word="line", further=further)
    return replace(batch, problems=(*ragged, *batch.problems), rejected_rows=batch.rejected_rows + len(ragged))


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
    """The rows of a block that are not blank: the first physical line of each, and its fields."""

    lines: list[int]
    fields: list[list[str]]
    has_undecoded: bool

    def of_width(self, width: int) -> _Read:
        """Return the rows that have so many fields."""
        places = [place for place, fields in enumerate(self.fields) if len(fields) == width]
        lines, fields = [self.lines[place] for place in places], [self.fields[place] for place in places]
        return _Read(lines, fields, self.has_undecoded)


def _rows(shard: Shard, plan: Plan) -> _Read:
    """Return the rows of a shard; fields of wanted columns with the quotes that the parser drops where they count."""
    part: texts.TextPart = shard.part
    first_line, data = part.line_number(shard.source), part.read(shard.source)
    text = data.decode("utf-8", "surrogateescape")
    has_undecoded = texts.is_undecoded(text)
    if texts.opens_quotes(data, part.layout.delimiter):
        numbered = _quoted_rows(text, first_line, shard, plan)
    else:  # a row is a line
        lines = texts.csv_rows(io.StringIO(text, newline=""), part.layout.delimiter)
        numbered = ((line, fields) for line, fields in enumerate(lines, first_line) if fields)
    rows = list(numbered)
    return _Read([line for line, _ in rows], [fields for _, fields in rows], has_undecoded)


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
