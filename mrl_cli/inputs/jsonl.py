"""JSON lines: one object a line; parsed by pyarrow, read again line by line where something is wrong.

In both ways a line ends at a line feed only, and blank is what JSON calls so: a carriage return is a blank.
"""

from __future__ import annotations

import io
import json
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.inputs.base import Shard, column_places, pair_batch
from mrl_cli.inputs.nesting import DEEPEST, line_nested_too_deeply, some_line_nests_too_deeply
from mrl_cli.inputs.objects import batch_of_records, object_of
from mrl_cli.inputs.text import (
    BLANKS,
    TextPart,
    count_feeds,
    cut_lines,
    open_text,
    plain_ranges,
    read_range,
    whole_rows,
)
from mrl_cli.model import problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.compression import ByteStream
    from mrl_cli.inputs.objects import Faults
    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan


class JsonLinesReader:
    """Reads JSON lines."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the keys of the first object."""
        with open_text(source, plan.reading.dialect.encoding) as stream:
            return first_keys(next((data for data, _ in whole_rows(stream, b"", cut_lines, source)), b""), source)

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield byte ranges of a plain file, or the blocks of a stream. JSON keeps line ends out of its strings."""
        del resume_at  # every line end ends a row: nothing here is ever unsplittable
        with open_text(source, plan.reading.dialect.encoding) as stream:
            yield from self.shards_of_stream(stream, source, plan)

    def shards_of_stream(self, stream: ByteStream, source: Source, plan: Plan) -> Iterator[Shard]:
        """Yield the shards of a source whose text is `stream`."""
        blocks = (data for data, _ in whole_rows(stream, b"", cut_lines, source))
        first = next(blocks, b"")
        names = first_keys(first, source)
        if names:
            column_places(names, plan, source)
        may_split = source.is_plain_file and source.compression is None and plan.reading.dialect.encoding is None
        if may_split and first.startswith(b"{") and read_range(source.path, 0, 1) == b"{":
            for offset, size in plain_ranges(
                source.path, 0, source.size_bytes or 0, b"\n", has_keys=bool(plan.columns.keys)
            ):
                yield Shard(source, TextPart(offset, size), size)
            return
        line = 1
        for data in chain([first], blocks):
            yield Shard(source, TextPart(0, len(data), data, line), len(data))
            line += count_feeds(data)

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield the shard's pairs as one batch, parsed by pyarrow; the batch does not know its rows."""
        import pyarrow as pa

        data = shard.part.read(shard.source)
        lines = _count_braced_lines(data)
        if plan.reading.keep_columns or not lines:  # all keys of every object: only the careful way keeps them
            raise SuspectShardError
        if some_line_nests_too_deeply(data, lines):  # pyarrow would read it, the careful way would not
            raise SuspectShardError
        try:
            data.decode("utf-8")
            table = _read_json(data, plan, lines)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise SuspectShardError from error
        columns = [table.column(name).combine_chunks() for _, name in plan.columns.wanted]
        if any(column.null_count for column in columns):
            raise SuspectShardError
        count = len(plan.columns.wanted_numbers)
        arrays: list[NDArray[Any]] = [np.from_dlpack(column) for column in columns[:count]]
        keys = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns[count:]]
        yield pair_batch(shard.source.shown_name, arrays, keys, plan)

    def careful_batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield the shard's pairs as one batch, object by object."""
        yield batch_of_records(_records(shard), shard.source.shown_name, plan, "line")


def _count_braced_lines(data: bytes) -> int:
    """Return how many lines a text has if each begins with an opening brace and ends with a closing one, else 0.

    This is asked before pyarrow parses: a first value that is null crashes its parser (apache/arrow issue 47409).
    """
    text = data.strip(BLANKS)
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return 0
    ends = count_feeds(text)
    between = text.count(b"}\n{") + (text.count(b"}\r\n{") if b"\r" in text else 0)
    return ends + 1 if ends == between else 0


def _read_json(data: bytes, plan: Plan, lines: int) -> pa.Table:
    """Parse the wanted columns, each of the keys as strings or, where that fails, as integers.

    The types are said, never inferred: inference would take a text that looks like a date for one. Arrow raises
    ArrowInvalid for anything else. Lines between braces hold at least one object each, hence exactly one if there are
    as many objects as lines; SuspectShardError is raised if there are more.
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    numbers = dict.fromkeys((name for _, name in plan.columns.wanted_numbers), pa.float64())
    keys = list(dict.fromkeys(name for _, name in plan.columns.keys))
    if not set(keys).isdisjoint(numbers):
        raise SuspectShardError  # one column as number and as text: rare, and left to the careful way
    options = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    refused: Exception = SuspectShardError()
    for key_types in product((pa.string(), pa.int64()), repeat=len(keys)):
        schema = pa.schema([*numbers.items(), *zip(keys, key_types, strict=True)])
        parse = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            table = arrow_json.read_json(pa.BufferReader(data), read_options=options, parse_options=parse)
        except pa.ArrowInvalid as error:
            refused = error
            continue
        if table.num_rows != lines:
            raise SuspectShardError
        return table
    raise refused


def first_keys(data: bytes, source: Source) -> list[str]:
    """Return the keys of the first object, none where there is none; raise a helpful error for an array."""
    line = data.lstrip(BLANKS).partition(b"\n")[0] or b"{}"
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        if line.startswith(b"["):
            raise _is_array(source) from None
        return []  # the careful way names the line
    if isinstance(first, list):
        raise _is_array(source)
    return list(first) if isinstance(first, dict) else []


def _is_array(source: Source) -> DataError:
    msg = f"{source.shown_name} holds one JSON array, not JSON lines"
    return DataError(msg, hint="write one object a line, e.g. with jq -c '.[]'")


def _records(shard: Shard) -> Iterator[tuple[int, dict[str, Any] | Faults]]:
    """Yield the number of every line that is not blank, and the object on it or what is wrong with it."""
    text = shard.part.read(shard.source).decode("utf-8", "surrogateescape")
    first_line = shard.part.line_number(shard.source, count_feeds)
    for number, line in enumerate(io.StringIO(text, newline="\n"), first_line):
        if line.strip(BLANKS.decode()):
            yield number, _record(line)


def _record(line: str) -> dict[str, Any] | Faults:
    shown = f"'{harmless(line.strip())}'"
    if any("\udc80" <= character <= "\udcff" for character in line):
        return [(problems.ENCODING, None, shown)]
    if len(line) > DEEPEST and line_nested_too_deeply(line.encode()) is not None:
        return [(problems.TOO_DEEP, None, shown)]
    try:
        record = json.loads(line, object_pairs_hook=object_of)
    except RecursionError:  # within the limit, from a caller deep in Python's stack
        return [(problems.TOO_DEEP, None, shown)]
    except ValueError:
        record = None
    return record if isinstance(record, dict) else [(problems.NOT_AN_OBJECT, None, shown)]


JSON_LINES = JsonLinesReader()
