"""CSV and TSV: parsed by pyarrow as doubles; read again by the standard library's parser where a cell is bad."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.errors import DataError, SuspectShardError, UnsplittableTextError
from mrl_cli.inputs.base import Shard, column_places, key_type, pair_batch
from mrl_cli.inputs.cells import as_written, number_in, shown_cell
from mrl_cli.inputs.text import (
    HEAD_BYTES,
    LONGEST_ROW_BYTES,
    QUOTE,
    TextPart,
    changed,
    count_line_ends,
    csv_rows,
    cut_quoted,
    open_text,
    plain_ranges,
    whole_rows,
)
from mrl_cli.model import Problem, problems
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.compression import ByteStream
    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan

DELIMITERS = ",\t;|"
_SENTINEL = "\n\0end of block"


class Layout(NamedTuple):
    """What the head of a delimited text says: its columns, where rows begin, which columns are wanted."""

    names: tuple[str, ...]
    delimiter: str
    places: tuple[int, ...]
    data_offset: int
    data_line: int
    line_end: bytes


@light_dataclass(frozen=True, slots=True, eq=False)
class DelimitedPart(TextPart):
    """A part of a delimited text, with the layout it needs to be read alone."""

    layout: Layout | None = None


class DelimitedReader:
    """Reads CSV or TSV; `delimiter` None: found from the header line."""

    def __init__(self, delimiter: str | None) -> None:
        self._delimiter = delimiter

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the names in the header line, or those that stand for it."""
        with open_text(source, plan.reading.dialect.encoding) as stream:
            layout = _layout(_head(stream), source, plan, plan.reading.dialect.delimiter or self._delimiter)
            return [] if layout is None else list(layout.names)

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield byte ranges of a plain file, or the blocks of a stream."""
        with open_text(source, plan.reading.dialect.encoding) as stream:
            head = _head(stream)
            layout = _layout(head, source, plan, plan.reading.dialect.delimiter or self._delimiter)
            if layout is None:
                return
            layout = layout._replace(places=column_places(layout.names, plan, source))
            may_split = (
                source.is_plain_file and source.compression is None and plan.reading.dialect.encoding in (None, "utf-8")
            )
            if may_split and resume_at is None and QUOTE not in head[layout.data_offset :] and not _has_mark(source):
                for offset, size in plain_ranges(
                    source.path,
                    layout.data_offset,
                    source.size_bytes or 0,
                    layout.line_end,
                    has_keys=bool(plan.columns.keys),
                ):
                    yield Shard(source, DelimitedPart(offset, size, layout=layout), size)
                return
            yield from _stream_shards(stream, head, layout, source, resume_at)

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield the shard's pairs as one batch, parsed by pyarrow; the batch does not know its rows."""
        part: DelimitedPart = shard.part
        data = part.read(shard.source)
        # A quote or a byte that is no text makes a number unreadable: it is looked for only where other cells may hold
        # it, and where something could not be read.
        if not _holds_only_numbers(_layout_of(part), plan):
            _refuse_quotes(data, part)
            if not (data.isascii() or _is_utf8(data)):
                raise SuspectShardError
        if part.is_suspect:
            raise SuspectShardError
        try:
            batch = _parsed(data, part, shard.source, plan)
        except SuspectShardError:
            _refuse_quotes(data, part)
            raise
        yield batch

    def careful_batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield the shard's pairs as one batch, cell by cell."""
        yield _Careful(shard, plan).batch()


def _holds_only_numbers(layout: Layout, plan: Plan) -> bool:
    """Tell whether every cell of every row must be a number."""
    return not plan.columns.keys and set(layout.places) == set(range(len(layout.names)))


def _refuse_quotes(data: bytes, part: DelimitedPart) -> None:
    """Raise UnsplittableTextError for a quote in a range of a file: the range may begin within a quoted field."""
    if part.data is None and QUOTE in data:
        raise UnsplittableTextError


def _has_mark(source: Source) -> bool:
    with open(source.path, "rb") as file:
        return file.read(2) in (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _head(stream: ByteStream) -> bytes:
    """Return the first bytes of a text: HEAD_BYTES, or as many more as the header line takes."""
    head = b""
    wanted = HEAD_BYTES
    while True:
        while len(head) < wanted:
            part = stream.read(wanted - len(head))
            if not part:
                return head
            head += part
        wanted = 2 * len(head)
        if _has_whole_header(head) or wanted > LONGEST_ROW_BYTES:
            return head


def _has_whole_header(head: bytes) -> bool:
    """Tell whether the first line that is not blank ends, outside quotes, and something follows its end."""
    outside_quotes = head.lstrip(b"\r\n")[:-1].split(b'"')[::2]
    return any(b"\n" in text or b"\r" in text for text in outside_quotes)


def _layout(head: bytes, source: Source, plan: Plan, delimiter: str | None) -> Layout | None:
    """Return the layout that the head of a text says, wanted columns aside, None when there is no row at all."""
    text = head.decode("utf-8", "surrogateescape")
    lines = io.StringIO(text, newline="")
    header = next((line for line in lines if line.strip("\r\n")), None)
    if header is None:
        return None
    blank_chars = text.index(header)
    delimiter = delimiter or _delimiter_of(header, plan)
    reader = csv_rows(io.StringIO(text[blank_chars:], newline=""), delimiter)
    names = next(reader)
    if any(map(_is_undecoded, names)):
        msg = f"{source.shown_name}: the header is not UTF-8: {harmless(header.strip())}"
        raise DataError(msg, hint=problems.ENCODING_HINT)
    consumed = _first_lines(text[blank_chars:], reader.line_num)
    if not plan.reading.dialect.header:
        by_place = [str(place + 1) for place in range(len(names))]
        names, consumed = [*plan.reading.dialect.names[: len(names)], *by_place[len(plan.reading.dialect.names) :]], ""
    skipped = text[:blank_chars] + consumed
    return Layout(
        names=tuple(names),
        delimiter=delimiter,
        places=(),
        data_offset=len(skipped.encode("utf-8", "surrogateescape")),
        data_line=count_line_ends(skipped.encode("utf-8", "surrogateescape")) + 1,
        line_end=b"\r" if header.endswith("\r") else b"\n",
    )


def _is_undecoded(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _first_lines(text: str, count: int) -> str:
    lines = io.StringIO(text, newline="")
    return "".join(line for line, _ in zip(lines, range(count), strict=False))


def _delimiter_of(header: str, plan: Plan) -> str:
    """Return the delimiter under which the header line holds the wanted columns, else the one that it has most of."""
    wanted = {name for _, name in plan.columns.wanted}
    for delimiter in DELIMITERS:
        if wanted <= {name.strip() for name in next(csv_rows([header], delimiter))}:
            return delimiter
    return max(DELIMITERS, key=header.count)


def _stream_shards(
    stream: ByteStream, head: bytes, layout: Layout, source: Source, resume_at: Shard | None
) -> Iterator[Shard]:
    if layout.line_end == b"\r":
        # Lone carriage returns end rows here; as line feeds they are cut like any other text, a byte for a byte.
        stream, head = _CarriageReturns(stream), head.replace(b"\r", b"\n")
    skip = layout.data_offset if resume_at is None else resume_at.part.offset
    line = layout.data_line if resume_at is None else resume_at.part.line_number(source)
    while len(head) < skip:
        part = stream.read(min(skip - len(head), LONGEST_ROW_BYTES))
        if not part:
            raise changed(source)
        skip, head = skip - len(head), part
    for data, is_suspect in whole_rows(stream, head[skip:], cut_quoted(layout.delimiter), source):
        yield Shard(source, DelimitedPart(0, len(data), data, line, is_suspect, layout), len(data))
        line += count_line_ends(data)


class _CarriageReturns:
    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size).replace(b"\r", b"\n")


def _parsed(data: bytes, part: DelimitedPart, source: Source, plan: Plan) -> Batch:
    import pyarrow as pa

    layout = _layout_of(part)
    names = [str(place) for place in range(len(layout.names))]
    roles = [role for role, _ in plan.columns.wanted_numbers]
    wanted = [names[place] for place in layout.places]
    numbers, keys = wanted[: len(roles)], wanted[len(roles) :]
    nulls = (
        number_in(value, replace(plan.reading.dialect, null_values=())) for value in plan.reading.dialect.null_values
    )
    null_numbers = [number for number in nulls if isinstance(number, float)]
    for label_type in _label_types(data, plan):
        types = {name: label_type if role == "y" else pa.float64() for role, name in zip(roles, numbers, strict=True)}
        # A column may be a number here and a key there; keys are then read a second time.
        with_keys = {} if set(keys) & set(numbers) else dict.fromkeys(keys, key_type())
        try:
            table = _read_csv(data, part, names, types | with_keys, plan.reading.dialect.decimal)
        except pa.ArrowInvalid:
            continue
        key_table, kept = table, None
        if keys and not with_keys:
            key_table = _read_csv(data, part, names, dict.fromkeys(keys, key_type()), ".")
        if plan.reading.keep_columns:
            texts = _read_csv(data, part, names, dict.fromkeys(names, pa.string()), plan.reading.dialect.decimal)
            kept = texts.rename_columns(list(layout.names))
        columns: list[NDArray[Any]] = [np.from_dlpack(table.column(name).combine_chunks()) for name in numbers]
        if any(np.isin(column, null_numbers).any() for column in columns if null_numbers):
            raise SuspectShardError
        return pair_batch(
            source.shown_name, columns, [key_table.column(name).combine_chunks() for name in keys], plan, kept=kept
        )
    raise SuspectShardError


def _label_types(data: bytes, plan: Plan) -> list[Any]:
    """Return the types to try for labels, the quickest first."""
    import pyarrow as pa

    # Arrow would read a hexadecimal label as an integer. One character is found ten times as quickly as two.
    may_be_hex = (b"x" in data and b"0x" in data) or (b"X" in data and b"0X" in data)
    is_used_twice = plan.columns.y in {name for role, name in plan.columns.wanted if role != "y"}
    only_doubles = plan.rules.labels == "any" or may_be_hex or is_used_twice
    return [pa.float64()] if only_doubles else [pa.int8(), pa.float64()]


def _read_csv(data: bytes, part: DelimitedPart, names: list[str], types: dict[str, Any], decimal: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    is_quoted = part.data is not None and QUOTE in data  # a range of a file with quotes is not read here
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        parse_options=csv.ParseOptions(
            delimiter=_layout_of(part).delimiter, quote_char='"' if is_quoted else False, newlines_in_values=is_quoted
        ),
        convert_options=csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[], decimal_point=decimal, check_utf8=False
        ),
    )


def _layout_of(part: DelimitedPart) -> Layout:
    if part.layout is None:
        msg = "a delimited part has its layout"
        raise TypeError(msg)
    return part.layout


class _Careful:
    """Reads one shard cell by cell and says what is wrong with it."""

    def __init__(self, shard: Shard, plan: Plan) -> None:
        part: DelimitedPart = shard.part
        self._layout = _layout_of(part)
        self._plan = plan
        self._source = shard.source
        self._file = shard.source.shown_name
        self._first_line = part.line_number(shard.source)
        self._text = part.read(shard.source).decode("utf-8", "surrogateescape")
        self._problems: list[Problem] = []

    def batch(self) -> Batch:
        """Return the rows that are fine, with their line numbers, and what is wrong with the others."""
        rows: list[int] = []
        values: list[list[float]] = [[] for _ in self._plan.columns.wanted_numbers]
        key_places = self._layout.places[len(values) :]
        keys: list[list[str]] = [[] for _ in key_places]
        kept: list[list[str]] = []
        rejected = 0
        for line, fields, text in self._rows():
            numbers = self._numbers(line, fields, text)
            if numbers is None:
                rejected += 1
                continue
            rows.append(line)
            for column, number in zip(values, numbers, strict=True):
                column.append(number)
            for texts, place in zip(keys, key_places, strict=True):
                texts.append(fields[place])
            if self._plan.reading.keep_columns:
                kept.append(fields)
        return pair_batch(
            self._file,
            [np.array(column, np.float64) for column in values],
            [texts_as_arrow(texts) for texts in keys],
            self._plan,
            rows=rows,
            problems=tuple(self._problems),
            rejected_rows=rejected,
            kept=self._table(kept),
        )

    def _rows(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield (first physical line, fields, text) of every row that is not blank."""
        texts: list[str] = []

        def lines() -> Iterator[str]:
            for text in io.StringIO(self._text + _SENTINEL, newline=""):
                texts.append(text)
                yield text

        reader = csv_rows(lines(), self._layout.delimiter)
        line = self._first_line
        for fields in reader:
            if fields and fields[-1].endswith(_SENTINEL):
                msg = f"{self._file}: line {line}: a quoted field is opened and never closed"
                raise DataError(msg, hint="close the quote, or double it where it belongs to the text")
            if fields and fields != [_SENTINEL[1:]]:
                yield line, fields, "".join(texts)
            texts.clear()
            line = self._first_line + reader.line_num

    def _numbers(self, line: int, fields: list[str], text: str) -> list[float] | None:
        """Return the wanted numbers of a row, or None after noting what is wrong with it."""
        before = len(self._problems)
        if len(fields) != len(self._layout.names):
            shown = f"{len(fields)} fields for {len(self._layout.names)} columns: " + shown_cell(
                self._layout.delimiter.join(fields)
            )
            self._note(problems.RAGGED, line, None, shown)
            return None
        for name, field in zip(self._layout.names, fields, strict=True):
            if _is_undecoded(field):
                self._note(problems.ENCODING, line, name, shown_cell(field))
        written = fields
        if '"' in text:
            spelled = as_written(text, self._layout.delimiter)
            written = spelled if len(spelled) == len(fields) else [f'"{field}' for field in fields]
        numbers = []
        for place, (role, name) in zip(self._layout.places, self._plan.columns.wanted_numbers, strict=False):
            cell = written[place]
            number = number_in(cell, self._plan.reading.dialect)
            if role == "loss" and number in problems.NOT_FINITE:
                numbers.append(float(cell.replace(self._plan.reading.dialect.decimal, ".")))
            elif isinstance(number, str):
                if not _is_undecoded(cell):  # that was noted
                    self._note(number, line, name, shown_cell(cell))
            else:
                numbers.append(number)
        return numbers if len(self._problems) == before else None

    def _note(self, kind: str, line: int, column: str | None, shown: str) -> None:
        name = None if column is None else harmless(column)
        self._problems.append(Problem(kind, self._file, line, name, shown))

    def _table(self, kept: list[list[str]]) -> pa.Table | None:
        if not self._plan.reading.keep_columns:
            return None
        import pyarrow as pa

        columns = list(zip(*kept, strict=True)) if kept else [()] * len(self._layout.names)
        return pa.Table.from_arrays([pa.array(c, pa.string()) for c in columns], names=list(self._layout.names))


CSV = DelimitedReader(None)
TSV = DelimitedReader("\t")
