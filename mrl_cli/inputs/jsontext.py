"""JSON: one object per line, which streams; a file that turns out to be one value is left to `documents`.

Lines are parsed by pyarrow, and read again one by one where something is wrong. In both ways a line ends at a line feed
only, and blank is what JSON calls so: a carriage return is a blank.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.inputs import documents, nested, objects
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Faults, NoColumnError, Shard, Source, filled_columns
from mrl_cli.inputs.columnar import lists_in
from mrl_cli.inputs.formats import RECORD_SEPARATOR
from mrl_cli.inputs.streams import Stream, open_text
from mrl_cli.inputs.text import BLANKS, TextPart, count_feeds
from mrl_cli.model import EVERY, Batch, ListCells, Plan, Role, problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from mrl_cli.inputs.heads import Head

count_lines = count_feeds
KEYS_BYTES = 1 << 20  # in which a column is looked for that the first object lacks
# What pyarrow's parser takes for a number and the standard library's does not, wherever it stands.
_NO_JSON = re.compile(rb"[:,\[][ \t\r\n]*(?:-NaN|-?Inf)[ \t\r\n]*[,\]}]")


def names(source: Source, plan: Plan) -> list[str]:
    """Return the keys of the object of columns, or of the first object."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        head = _head(stream)
        if source.format == "jsonl" or _are_lines(head, None):
            return _first_keys(head, source)
        value = documents.parsed(stream.rest(), source)
    return list(value if isinstance(value, dict) else documents.first_object(value))


def head(source: Source, plan: Plan) -> Head:
    """Return what the head shows; of a value that goes on, what is whole in it."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    with open_text(source, plan.reading.dialect.encoding) as stream:
        first = _head(stream)
        is_long = len(first) > heads.HEAD_BYTES and not first.strip(BLANKS).partition(b"\n")[2]  # one line, a value
        is_value = source.format != "jsonl" and (is_long or not _are_lines(first, None))
        data = stream.first((heads.VALUE_BYTES if is_value else heads.HEAD_BYTES) + 1)
    at_end = len(data) <= (heads.VALUE_BYTES if is_value else heads.HEAD_BYTES)
    if not is_value:
        head = _head_of_lines(data, at_end=at_end)
        # A lone object on one line of a .json file: one row, or the columns.
        nests = any(isinstance(column.cells[0], list | dict) for column in head.columns)
        is_value = nests and head.rows == 1 and source.format != "jsonl"
    if is_value and at_end:
        head = documents.head_of_value(documents.parsed(data, source))
    elif is_value:
        head = documents.head_of_part(data[: heads.HEAD_BYTES])
    head.dialect["encoding"] = stream.encoding
    return head


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield byte ranges of a plain file of lines, or the blocks of a stream; of one value its rows or columns."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        head = _head(stream)
        if not (source.format == "jsonl" or _are_lines(head, plan)):
            data = stream.rest()
            yield Shard(source, documents.part_of(documents.parsed(data, source), source, plan), len(data))
            return
        if head:
            _check_columns(_first_keys(head, source), stream, source, plan)
        # JSON keeps line ends out of its strings.
        # Lists of their own are called by their rows, and those of a range are not known without all before it.
        may_split = head.startswith(b"{") and not plan.reading.lists
        if may_split and texts.is_splittable(source, stream):
            yield from texts.range_shards(source, plan, 0)
        elif head:
            yield from texts.block_shards(stream, texts.cut_lines, source, 1, count_feeds)
        else:  # one block all the same, so that rows written have their header
            yield Shard(source, TextPart(0, 0, b"", 1), 0)


def rows_in(part: TextPart) -> int:
    """Return how many lines a block has that are not blank."""
    return sum(map(bool, (line.strip(BLANKS) for line in (part.data or b"").split(b"\n"))))


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch; that of lines, parsed by pyarrow, does not know its rows."""
    if isinstance(shard.part, TextPart):
        data = shard.part.read(shard.source)
        batch = _batch_of_lines(data, shard.source, plan)
        if plan.reading.lists:
            blank = count_feeds(data[: len(data) - len(data.lstrip(BLANKS))])
            first = shard.part.line_number(shard.source, count_feeds) + blank
            batch = replace(batch, rows=range(first, first + batch.size))
        if plan.reading.counts_lines:
            shard.part.remember(shard.source, count_lines(data), batch.size)
        yield batch
        return
    yield documents.batch_of(shard.part, shard.source, plan)


def careful_batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch, object by object."""
    if isinstance(shard.part, TextPart):
        yield objects.batch_of_objects(_objects_of_lines(shard), shard.source, plan, "line")
    else:
        yield from batches(shard, plan)


def _head(stream: Stream) -> bytes:
    """Return the first bytes of a text: its first line that is not blank and the begin of another, or all there are.

    Of a first line that is longer than any row may be, as much as that.
    """
    size = texts.BLOCK_BYTES
    while True:
        head = stream.first(size)
        _, _, rest = head.lstrip(BLANKS).partition(b"\n")
        if len(head) < size or rest.strip(BLANKS) or size > texts.LONGEST_ROW_BYTES:
            return head
        size *= 2


def _are_lines(head: bytes, plan: Plan | None) -> bool:
    """Return whether a text, by its head, holds one object per line; so does a lone object of columns not asked for."""
    text = head.lstrip(BLANKS)
    if text.startswith(b"["):
        return False
    line, _, rest = text.partition(b"\n")
    rest = rest.lstrip(BLANKS)
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        # A line that seems whole, before another that begins as such: its fault is one line's.
        return not line.startswith(b"{") or (line.rstrip(BLANKS).endswith(b"}") and rest.startswith(b"{"))
    return bool(rest) or not (isinstance(first, dict) and plan and documents.holds_columns(first, plan))


def _head_of_lines(data: bytes, *, at_end: bool) -> Head:
    from mrl_cli.inputs import heads  # of `mrl check` alone

    text = data.decode("utf-8", "replace")
    lines = [line for line in text.split("\n") if line.strip(BLANKS.decode())]
    if at_end or len(lines) > 1:
        values = [objects.value_of_line(line) for line in (lines if at_end else lines[:-1])[: heads.HEAD_ROWS]]
    else:
        values = [objects.whole_part(text)]
    columns = heads.columns_of_records([value for value in values if isinstance(value, dict)])
    sample = b"" if not at_end and len(lines) == 1 else None
    return heads.Head(columns, len(values), len(lines) if at_end else None, {"layout": "lines"}, {}, sample)


def _first_keys(data: bytes, source: Source) -> list[str]:
    """Return the keys of the first object, none where there is no object; raise a helpful error for an array."""
    line = data.lstrip(BLANKS).partition(b"\n")[0] or b"{}"
    if line.startswith(RECORD_SEPARATOR):
        msg = f"{source.shown_name} is a JSON text sequence: a record separator (0x1E) stands before its objects"
        raise DataError(msg, hint="take them out, e.g. with tr -d '\\036', and write one object a line")
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = [] if line.startswith(b"[") else None  # the careful way names the line
    if isinstance(first, list):
        msg = f"{source.shown_name} holds one JSON array, not JSON lines"
        raise DataError(msg, hint="write one object a line, e.g. with jq -c '.[]'")
    return list(first) if isinstance(first, dict) else []


def _check_columns(names: list[str], stream: Stream, source: Source, plan: Plan) -> None:
    """Raise NoColumnError where neither the first object, whose keys are `names`, nor one soon after has a column."""

    def values() -> Iterator[Any]:
        yield from map(objects.value_of_line, stream.first(KEYS_BYTES).decode("utf-8", "replace").split("\n"))

    try:
        documents.check_columns(names, values, source, plan)
    except NoColumnError as error:
        if len(stream.first(KEYS_BYTES + 1)) > KEYS_BYTES:
            error.message += ", in its first MiB"
        raise


def _batch_of_lines(data: bytes, source: Source, plan: Plan) -> Batch:
    """Return the pairs of lines as pyarrow parses them; raise SuspectShardError where it would not do so rightly."""
    import pyarrow as pa

    lines = _count_braced_lines(data)
    if plan.reading.keep_columns or not lines:  # all keys of every object: only the careful way keeps them
        raise SuspectShardError
    if objects.some_line_nests_too_deeply(data, lines):  # pyarrow would read it, the careful way would not
        raise SuspectShardError
    # One byte is looked for forty times as quickly as three are.
    if ((b"I" in data and b"Inf" in data) or (b"N" in data and b"-NaN" in data)) and _NO_JSON.search(data):
        raise SuspectShardError
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise SuspectShardError from None
    paths_of = {name: _path_in(data, name) for _, name in plan.columns.wanted}
    table = _read_json(data, plan, lines, paths_of)
    columns: dict[Role, pa.Array] = {}
    lists: dict[Role, ListCells] = {}
    for role, name in plan.columns.wanted:
        top, path = paths_of[name]
        column = table.column(top).combine_chunks()
        if role in plan.reading.lists:
            lists[role], bad = lists_in(column, path, top)
            if not np.isfinite(lists[role].values).all():
                raise SuspectShardError
        else:
            columns[role], bad = nested.cells_at(column, path, top)
        if bad:
            raise SuspectShardError
    keys = {role: columns.pop(role) for role, _ in plan.columns.keys}
    if any(key.null_count for key in keys.values()):
        raise SuspectShardError
    has_booleans = "y" in columns and pa.types.is_boolean(columns["y"].type)
    numbers, filled = filled_columns(columns, plan)
    quiet = objects.quiet_paths(plan)
    if any(mask.all() for role, mask in filled.items() if plan.columns.name_of(role) in quiet):
        raise SuspectShardError  # null or absent: pyarrow does not say
    return Batch(
        source.shown_name,
        numbers,
        filled=filled,
        has_booleans=has_booleans,
        keys={role: key if pa.types.is_string(key.type) else key.cast(pa.string()) for role, key in keys.items()},
        lists=lists,
        paths=dict.fromkeys(quiet),
    )


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


def _path_in(data: bytes, name: str) -> tuple[str, str]:
    """Return the column of a wanted name and the path below it; a column called exactly so, in any line, wins."""
    top, _, path = name.partition(".")
    return (top, path) if path and json.dumps(name).encode() not in data else (name, "")


def _read_json(data: bytes, plan: Plan, lines: int, paths_of: dict[str, tuple[str, str]]) -> pa.Table:
    """Parse the wanted columns, each of the keys as strings or, where that fails, as integers; a label perhaps as true
    and false.

    The types are given, never inferred: inference would take a text that looks like a date for one. Lines between
    braces hold at least one object each, hence exactly one if there are as many objects as lines. SuspectShardError is
    raised for anything else.
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    numbers: dict[str, list[pa.DataType]] = {name: [pa.float64()] for _, name in plan.columns.wanted_numbers}
    for role, name in plan.columns.wanted_numbers:
        if role in plan.reading.lists:
            is_every = EVERY in paths_of[name][1].split(".")
            cells = pa.float64() if is_every else pa.list_(pa.float64())
            numbers[name] = [cells, pa.list_(pa.float64() if is_every else cells)]
    keys = {name: [pa.string(), pa.int64()] for _, name in plan.columns.keys}
    for role, name in plan.columns.wanted:
        if role == "y" and (plan.takes_booleans(role) or name in keys):
            (keys if name in keys else numbers)[name].append(pa.bool_())
    if not keys.keys().isdisjoint(numbers):
        raise SuspectShardError  # one column as number and as text: rare, and left to the careful way
    options = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    for types in product(*numbers.values(), *keys.values()):
        named = zip((*numbers, *keys), types, strict=True)
        schema = nested.schema_of((*paths_of[name], kind) for name, kind in named)
        parse = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            table = arrow_json.read_json(pa.BufferReader(data), read_options=options, parse_options=parse)
        except pa.ArrowInvalid:
            continue
        if table.num_rows == lines:
            return table
        break
    raise SuspectShardError


def _objects_of_lines(shard: Shard) -> Iterator[tuple[int, dict[str, Any] | Faults]]:
    """Yield the number of every line that is not blank, and its object or what is wrong with it."""
    text = shard.part.read(shard.source).decode("utf-8", "surrogateescape")
    first_line = shard.part.line_number(shard.source, count_feeds)
    for number, line in enumerate(io.StringIO(text, newline="\n"), first_line):
        if line.strip(BLANKS.decode()):
            yield number, _object(line)


def _object(line: str) -> dict[str, Any] | Faults:
    fault, record = problems.NOT_AN_OBJECT, None
    if texts.is_undecoded(line):
        fault = problems.ENCODING
    elif len(line) > objects.DEEPEST and objects.line_nested_too_deeply(line.encode()) is not None:
        fault = problems.TOO_DEEP
    else:
        try:
            record = json.loads(line, object_pairs_hook=objects.object_of)
        except RecursionError:  # within the limit, from a caller deep in Python's stack
            fault = problems.TOO_DEEP
        except ValueError:
            pass
    if isinstance(record, dict):
        return record
    return [(fault, None, f"'{harmless(line.strip(BLANKS.decode()))}'")]
