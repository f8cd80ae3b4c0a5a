"""CSV and TSV: read as doubles by the compiled reader, else by pyarrow; again, cell by cell, where a cell is bad."""

from __future__ import annotations

import codecs
import io
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, SuspectShardError, UnsplittableTextError
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Shard, Source, changed, column_places, filled_columns
from mrl_cli.inputs.cells import null_numbers
from mrl_cli.inputs.plain import labels_are_small, plain_columns
from mrl_cli.inputs.streams import Stream, open_text
from mrl_cli.inputs.text import Layout
from mrl_cli.model import Batch
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from mrl_cli.inputs.heads import Head
    from mrl_cli.model import Dialect, Plan

DELIMITERS = ",\t;|"
LONGEST_HEADER_BYTES = 1 << 20  # a decompressed text may go on without a line end
count_lines = texts.count_line_ends


def names(source: Source, plan: Plan) -> list[str]:
    """Return the names in the header line, or those that stand for it."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        layout = _layout(_head(stream, source), source, plan)
        return [] if layout is None else list(layout.names)


def head(source: Source, plan: Plan) -> Head:
    """Return what the head shows, read with other options where only those make sense of it."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = stream.first(heads.HEAD_BYTES + 1)
    at_end = len(data) <= heads.HEAD_BYTES
    if not (at_end or b"\n" in data or b"\r" in data):
        raise _endless_header(source)
    layout, dialect, options = _guessed(data, source, plan)
    written = {
        "delimiter": layout and layout.delimiter,
        "encoding": stream.encoding,
        "decimal": dialect.decimal,
        "header": dialect.header,
        "quoting": b'"' in data,
    }
    if layout is None:
        return heads.Head([], 0, 0, written, options)
    rows = _rows_of_head(data, layout)
    is_row = at_end or len(rows) > 1
    rows = rows if at_end else rows[:-1] or [row[:-1] for row in rows]
    seen = rows[: heads.HEAD_ROWS]
    values = [[heads.value_in(text, dialect) for text in cells] for cells in zip_longest(*seen, fillvalue="")]
    values += [[] for _ in layout.names]  # where all rows are short
    columns = [heads.column_of(*named) for named in zip(layout.names, values, strict=False)]
    return heads.Head(columns, len(seen), len(rows) if at_end else None, written, options, None if is_row else b"")


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield byte ranges of a plain file, or the blocks of a stream."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        head = _head(stream, source)
        layout = _layout(head, source, plan)
        if layout is None:
            return
        start = layout.data_offset
        layout = layout._replace(places=column_places(layout.names, plan, source))
        if texts.QUOTE not in head[start:] and texts.is_splittable(source, stream):
            yield from texts.range_shards(source, plan, start, layout.line_end, layout)
        else:
            yield from _stream_shards(stream, source, layout, start, layout.data_line)


def rest(shard: Shard, plan: Plan) -> Iterator[Shard]:
    """Yield the shards from one on that held a quote, as blocks of a stream."""
    part: texts.TextPart = shard.part
    line = part.line_number(shard.source)
    with open_text(shard.source, plan.reading.dialect.encoding) as stream:
        yield from _stream_shards(stream, shard.source, part.layout, part.offset, line)


def rows_in(part: texts.TextPart) -> int:
    """Return how many rows a block has that are not blank."""
    data = part.data or b""
    if texts.QUOTE not in data and not any(blank in data for blank in (b"\r", b"\n\n")) and data[:1] != b"\n":
        return texts.count_feeds(data) + (not data.endswith(b"\n") and bool(data))
    lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    return sum(map(bool, texts.csv_rows(lines, part.layout.delimiter)))


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch, read as columns; the batch does not know its rows."""
    part: texts.TextPart = shard.part
    data = part.read(shard.source)
    try:
        if part.is_suspect:
            raise SuspectShardError
        batch, lines = _parsed(data, part, shard.source, plan)
    except (SuspectShardError, UnicodeDecodeError):
        check_range(data, part)
        raise SuspectShardError from None
    if plan.reading.counts_lines:
        part.remember(shard.source, count_lines(data) if lines is None else lines, batch.size)
    yield batch


def careful_batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch, by the rule of each cell."""
    from mrl_cli.inputs.fields import batch_of_fields  # most files are read the fast way alone

    yield batch_of_fields(shard, plan)


def check_range(data: bytes, part: texts.TextPart) -> None:
    """Raise UnsplittableTextError for a quote in a range of a file: the range may begin within a quoted field."""
    if part.data is None and texts.QUOTE in data:
        raise UnsplittableTextError


def _endless_header(source: Source) -> DataError:
    msg = f"{source.shown_name}: the first line is longer than {LONGEST_HEADER_BYTES >> 20} MiB"
    return DataError(msg, hint="is it text?")


def _head(stream: Stream, source: Source) -> bytes:
    """Return the first bytes of a text: HEAD_BYTES, or as many more as the header line takes."""
    wanted = texts.HEAD_BYTES
    while True:
        head = stream.first(wanted)
        # The first line that is not blank has to end, outside quotes, and something to follow its end.
        outside_quotes = head.lstrip(b"\r\n")[:-1].split(b'"')[::2]
        has_header = any(b"\n" in text or b"\r" in text for text in outside_quotes)
        if has_header or len(head) < wanted:
            return head
        if wanted > LONGEST_HEADER_BYTES:
            raise _endless_header(source)
        wanted *= 2


def _layout(head: bytes, source: Source, plan: Plan) -> Layout | None:
    """Return the layout that the head of a text gives, wanted columns aside, None when there is no row at all."""
    dialect = plan.reading.dialect
    lines = list(io.StringIO(head.decode("utf-8", "surrogateescape"), newline=""))
    blank_lines = next((place for place, line in enumerate(lines) if line.strip("\r\n")), None)
    if blank_lines is None:
        return None
    header = lines[blank_lines]
    delimiter = dialect.delimiter or ("\t" if source.format == "tsv" else _delimiter_of(lines[blank_lines:], plan))
    reader = texts.csv_rows(lines[blank_lines:], delimiter)
    names = next(reader)
    if dialect.header and any(map(texts.is_undecoded, names)):
        from mrl_cli.inputs.hints import hint_for_encoding  # which needs all presets

        msg = f"{source.shown_name}: the header is not UTF-8: {harmless(header.strip())}"
        raise DataError(msg, hint=hint_for_encoding(header))
    are_quoted = delimiter.join(f'"{field}"' for field in names) == header.strip("\r\n")
    if not dialect.header and delimiter == dialect.decimal and not are_quoted:  # how many there are is not certain
        msg = f"{source.shown_name}: {delimiter!r} separates the fields and is the decimal mark, and there is no header"
        raise DataError(msg, hint="name the delimiter with -d, or write a header line and quote numbers with a comma")
    if not dialect.header:
        by_place = [str(place + 1) for place in range(len(names))]
        names = [*dialect.names[: len(names)], *by_place[len(dialect.names) :]]
    skipped = lines[: blank_lines + (reader.line_num if dialect.header else 0)]
    before = "".join(skipped).encode("utf-8", "surrogateescape")
    # Cut at carriage returns only where no line feed ends a row: one in quotes ends none.
    has_feeds = not header.endswith("\r") or any(b"\n" in outside for outside in head.split(b'"')[::2])
    line_end = b"\n" if has_feeds else b"\r"
    return Layout(tuple(names), delimiter, {}, len(before), texts.count_line_ends(before) + 1, line_end)


def _guessed(data: bytes, source: Source, plan: Plan) -> tuple[Layout | None, Dialect, dict[str, Any]]:
    """Return the layout of a head, the dialect that makes sense of it, and the options that say what is not usual."""
    from mrl_cli.inputs.heads import HEAD_ROWS, has_decimal_commas
    from mrl_cli.inputs.kinds import RANKED_LINE, is_row

    dialect, options = plan.reading.dialect, dict[str, Any]()

    def read(**guess: Any) -> tuple[Layout | None, list[list[str]]]:
        layout = _layout(data, source, plan.changed(dialect=replace(dialect, **guess)))
        return layout, [] if layout is None else _rows_of_head(data, layout)[:HEAD_ROWS]

    layout, rows = read()
    if layout is not None and len(layout.names) == 1 and dialect.delimiter is None and " " in layout.names[0].strip():
        by_blanks, blank_rows = read(delimiter=" ")
        if by_blanks is not None and {len(row) for row in blank_rows[:-1]} == {len(by_blanks.names)}:
            layout, rows, options["delimiter"] = by_blanks, blank_rows, " "
    is_header = layout is None or not (is_row(layout.names) or RANKED_LINE.match(" ".join(layout.names)))
    if layout is not None and dialect.header and not is_header:
        layout, rows = read(header=False, delimiter=layout.delimiter)
        options["no_header"] = True
    if dialect.decimal == "." and has_decimal_commas(zip_longest(*rows, fillvalue="")):
        options["decimal"] = ","
    decimal, header = options.get("decimal", dialect.decimal), dialect.header and "no_header" not in options
    return layout, replace(dialect, decimal=decimal, header=header), options


def _rows_of_head(data: bytes, layout: Layout) -> list[list[str]]:
    """Return the fields of the rows after the header, blank ones aside; the last may have broken off."""
    text = data[layout.data_offset :].decode("utf-8", "surrogateescape")
    lines = io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline="")
    return [row for row in texts.csv_rows(lines, layout.delimiter) if row]


def _delimiter_of(lines: Sequence[str], plan: Plan) -> str:
    """Return the delimiter under which the header holds the wanted columns, else the one that its line has most of."""
    wanted = {name for _, name in plan.columns.wanted}
    for delimiter in DELIMITERS:
        if wanted <= {name.strip() for name in next(texts.csv_rows(lines, delimiter))}:
            return delimiter
    return max(DELIMITERS, key=lines[0].count)


def _stream_shards(stream: Stream, source: Source, layout: Layout, skip: int, line: int) -> Iterator[Shard]:
    """Yield the blocks of a text that follow its first `skip` bytes; `line` is the first one's number."""
    while skip and (part := stream.read(min(skip, texts.LONGEST_ROW_BYTES))):
        skip -= len(part)
    if skip:
        raise changed(source.name)
    cut = texts.cut_quoted(layout.delimiter, layout.line_end)
    yield from texts.block_shards(stream, cut, source, line, texts.count_line_ends, layout)


def _parsed(data: bytes, part: texts.TextPart, source: Source, plan: Plan) -> tuple[Batch, int | None]:
    """Return the pairs of a text, and of how many lines they are, where that is known."""
    layout: Layout = part.layout
    read = plain_columns(data, len(layout.names), layout.places, layout.delimiter, plan)
    lines = None
    if isinstance(read, int) and _is_bad_row(data[read : data.find(b"\n", read) + 1 or len(data)], part, source, plan):
        raise SuspectShardError
    if not isinstance(read, tuple):
        # A quote or a byte that is not text makes a number unreadable: it is looked for only where other cells may hold
        # it, and where something could not be read.
        if plan.columns.keys or len(set(layout.places.values())) < len(layout.names):
            check_range(data, part)
            data.decode("utf-8")
        batch = _parsed_by_arrow(data, part, source, plan)
    else:
        columns, keys, lines = read
        filled = {role: np.zeros(columns[role].size, bool) for role, _ in plan.reading.fills}
        batch = Batch(source.shown_name, columns, keys=keys, filled=filled)
    nulls = null_numbers(plan)
    if nulls and any(np.isin(column, nulls).any() for column in batch.numbers.values()):
        raise SuspectShardError
    return batch, lines


def _is_bad_row(line: bytes, part: texts.TextPart, source: Source, plan: Plan) -> bool:
    """Return whether a row that is a line for certain has a bad cell, so that Arrow need not read the others."""
    if texts.QUOTE in line or b"\r" in line.rstrip(b"\r\n"):
        return False
    from mrl_cli.inputs.fields import batch_of_fields  # most files are read the fast way alone

    alone = texts.TextPart(0, len(line), line, first_line=1, layout=part.layout)
    return batch_of_fields(Shard(source, alone, len(line)), plan).rejected_rows > 0


def _parsed_by_arrow(data: bytes, part: texts.TextPart, source: Source, plan: Plan) -> Batch:
    import pyarrow as pa

    layout: Layout = part.layout
    dialect = plan.reading.dialect
    names = [str(place) for place in range(len(layout.names))]
    numbers = {role: names[layout.places[role]] for role, _ in plan.columns.wanted_numbers}
    keys = {role: names[layout.places[role]] for role, _ in plan.columns.keys}
    key_types = dict.fromkeys(keys.values(), pa.dictionary(pa.int32(), pa.string()))
    is_read_twice = not key_types.keys().isdisjoint(numbers.values())  # a column is a number here and a key there
    nulls = ["", *dialect.null_values] if plan.reading.fills else []
    for label_type in _label_types(data, plan):
        types = {name: label_type if role == "y" else pa.float64() for role, name in numbers.items()}
        try:
            typed = types if is_read_twice else types | key_types
            table = _read_csv(data, part, names, typed, dialect.decimal, nulls=nulls)
        except pa.ArrowInvalid:
            continue
        key_table = _read_csv(data, part, names, key_types, ".") if is_read_twice else table
        kept = None
        if plan.reading.keep_columns:
            kept = _read_csv(data, part, names, dict.fromkeys(names, pa.string()), ".").rename_columns(layout.names)
        arrays = {role: table.column(name).combine_chunks() for role, name in numbers.items()}
        columns, filled = filled_columns(arrays, plan)
        key_columns = {role: key_table.column(name).combine_chunks() for role, name in keys.items()}
        has_booleans = label_type == pa.bool_()
        name = source.shown_name
        return Batch(name, columns, kept=kept, keys=key_columns, filled=filled, has_booleans=has_booleans)
    raise SuspectShardError


def _label_types(data: bytes, plan: Plan) -> list[Any]:
    """Return the types to try for labels, the quickest first."""
    import pyarrow as pa

    # Arrow would read a hexadecimal label as an integer. One character is searched ten times as quickly as two.
    may_be_hex = (b"x" in data and b"0x" in data) or (b"X" in data and b"0X" in data)
    booleans = [pa.bool_()] if plan.takes_booleans("y") else []
    if may_be_hex or not labels_are_small(plan):
        return [pa.float64(), *booleans]
    return [pa.int8(), *booleans, pa.float64()]


def _read_csv(
    data: bytes, part: texts.TextPart, names: list[str], types: dict[str, Any], decimal: str, nulls: Sequence[str] = ()
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    if data.startswith(codecs.BOM_UTF8):  # pyarrow would leave it out; it is of the first row
        raise SuspectShardError
    # A range of a file with quotes is not read here.
    is_quoted = part.data is not None and texts.opens_quotes(data, part.layout.delimiter)
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        parse_options=csv.ParseOptions(
            delimiter=part.layout.delimiter, quote_char='"' if is_quoted else False, newlines_in_values=is_quoted
        ),
        convert_options=csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=nulls, decimal_point=decimal, check_utf8=False
        ),
    )
