"""JSON: one object per line, which streams, or one value, which is held in memory: objects, or an object of columns.

Lines are parsed by pyarrow, and read again one by one where something is wrong. In both ways a line ends at a line feed
only, and blank is what JSON calls so: a carriage return is a blank. A value is parsed by the standard library. Its
columns are lists of equal length, as RewardBench writes its scores; numbers may stand in lists of their own, one each.
A value that is not a list is the same for every row; the scores themselves must be lists.
"""

from __future__ import annotations

import io
import json
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import as_numbers, texts_as_arrow
from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.inputs import nested, objects, paths
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Shard, batch_of_columns, batch_of_rows, column_places, numbers_of, path_below
from mrl_cli.inputs.streams import open_text
from mrl_cli.inputs.text import BLANKS, TextPart, count_feeds
from mrl_cli.model import Batch, problems, rules
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    import pyarrow as pa

    from mrl_cli.inputs.base import Faults, Keys, Numbers, Row, Source
    from mrl_cli.inputs.heads import Head
    from mrl_cli.inputs.streams import Stream
    from mrl_cli.model import Plan, Role


def names(source: Source, plan: Plan) -> list[str]:
    """Return the keys of the object of columns, or of the first object."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        head = _head(stream)
        if source.format == "jsonl" or _are_lines(head, None):
            return _first_keys(head, source)
        value = _parsed(stream.rest(), source)
    return list(value if isinstance(value, dict) else _first_object(value))


def head(source: Source, plan: Plan) -> Head:
    """Return what the head shows; of a value that goes on, what is whole in it."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = stream.first(heads.HEAD_BYTES + 1)
        is_value = not (source.format == "jsonl" or _are_lines(data, None))
        if is_value:
            data = stream.first(heads.VALUE_BYTES + 1)
    at_end = len(data) <= (heads.VALUE_BYTES if is_value else heads.HEAD_BYTES)
    if not is_value:
        head = _head_of_lines(data, at_end=at_end)
        # A lone object on one line of a .json file: one row, or the columns.
        nests = any(isinstance(column.cells[0], list | dict) for column in head.columns)
        is_value = nests and head.rows == 1 and source.format != "jsonl"
    if is_value:
        head = _head_of_value(_parsed(data, source)) if at_end else _head_of_part(data[: heads.HEAD_BYTES])
    head.dialect["encoding"] = stream.encoding
    return head


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield byte ranges of a plain file of lines, or the blocks of a stream; of one value its rows or columns."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        head = _head(stream)
        if not (source.format == "jsonl" or _are_lines(head, plan)):
            data = stream.rest()
            yield Shard(source, _part(_parsed(data, source), source, plan), len(data))
            return
        if names := _first_keys(head, source):
            column_places(names, plan, source, nests=True)
        # JSON keeps line ends out of its strings.
        if head.startswith(b"{") and texts.is_splittable(source, plan, head):
            yield from texts.range_shards(source, plan, 0)
        elif head:
            yield from texts.block_shards(stream, texts.cut_lines, source, 1, count_feeds)
        else:  # one block all the same, so that rows written have their header
            yield Shard(source, TextPart(0, 0, b"", 1), 0)


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch; that of lines, parsed by pyarrow, does not know its rows."""
    if isinstance(shard.part, TextPart):
        yield _batch_of_lines(shard.part.read(shard.source), shard.source, plan)
        return
    try:
        if isinstance(shard.part, list):
            rows = ((place, _row_of_value(record, plan)) for place, record in enumerate(shard.part, 1))
            batch = batch_of_rows(rows, shard.source, plan, "row", objects.kept_table)
        else:
            batch = _batch_of_columns(shard.part, shard.source, plan)
    except RecursionError as error:  # what could just be parsed may be too deep to be written as a key
        raise _too_deep(shard.source) from error
    yield batch


def careful_batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's pairs as one batch, object by object."""
    if isinstance(shard.part, TextPart):
        yield batch_of_rows(_rows_of_lines(shard, plan), shard.source, plan, "line", objects.kept_table)
    else:
        yield from batches(shard, plan)


def _head(stream: Stream) -> bytes:
    """Return the first bytes of a text: its first line that is not blank and the begin of another, or all there are."""
    size = texts.BLOCK_BYTES
    while True:
        head = stream.first(size)
        _, _, rest = head.lstrip(BLANKS).partition(b"\n")
        if len(head) < size or rest.strip(BLANKS):
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
    return bool(rest) or not (isinstance(first, dict) and plan and _holds_columns(first, plan))


def _holds_columns(value: dict[str, Any], plan: Plan) -> bool:
    return any(isinstance(_column_in(value, name), list | dict) for _, name in plan.columns.wanted_numbers)


def _column_in(value: dict[str, Any], name: str) -> Any:
    """Return what an object of columns has under a name or path: a list, or what is the same for every row.

    A path may lead to a list in objects, and go on in the cells of a list. An Astray is where it does not lead on.
    """
    top, path = (name, "") if name in value else paths.split(name, value) or ("", "")
    column, way = value.get(top), top
    while path and isinstance(column, dict):
        step = paths.split(path, column)
        if step is None:
            return paths.absent(way, column)
        member, path = step
        column, way = column[member], f"{way}.{member}"
    if path and isinstance(column, list):
        is_of_one_row = paths.place_in_list(path) is not None and not all(isinstance(cell, list) for cell in column)
        if not is_of_one_row:
            return [paths.cell_at(cell, path, way) for cell in column]
    return paths.cell_at(column, path, way)


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


def _head_of_value(value: Any) -> Head:
    """Return the head of a value: an array of objects, an object of columns, or one object."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    if isinstance(value, list):
        seen = value[: heads.HEAD_ROWS]
        columns = heads.columns_of_records([record for record in seen if isinstance(record, dict)])
        if not columns and all(isinstance(record, list) for record in seen):
            names = ["Wall time", "Step", "Value"]  # TensorBoard's, which are no pairs; others are refused anyway
            columns = [heads.column_of(*named) for named in zip(names, zip(*seen, strict=False), strict=False)]
        return heads.Head(columns, len(seen), len(value), {"layout": "array"}, {})
    value = value if isinstance(value, dict) else {}
    lists = {name: column for name, column in value.items() if isinstance(column, list | dict)}
    if not lists:
        return heads.Head(heads.columns_of_records([value]), 1, 1, {"layout": "object"}, {})
    cells = {name: list(column.values() if isinstance(column, dict) else column) for name, column in lists.items()}
    rows = max(map(len, cells.values()))
    columns = [heads.column_of(name, cells.get(name, [value[name]])[: heads.HEAD_ROWS]) for name in value]
    return heads.Head(columns, min(rows, heads.HEAD_ROWS), rows, {"layout": "columns"}, {})


def _head_of_part(data: bytes) -> Head:
    """Return the head of a value that goes on after these bytes: of an array, with its whole objects."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    value = objects.whole_part(data.decode("utf-8", "replace"))
    if isinstance(value, list):
        value = value[:-1][: heads.HEAD_ROWS]  # the last one may have broken off
    sample = json.dumps(value).encode() if isinstance(value, list) else b""
    return _head_of_value(value)._replace(rows=None, sample=sample)


def _first_keys(data: bytes, source: Source) -> list[str]:
    """Return the keys of the first object, none where there is no object; raise a helpful error for an array."""
    line = data.lstrip(BLANKS).partition(b"\n")[0] or b"{}"
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = [] if line.startswith(b"[") else None  # the careful way names the line
    if isinstance(first, list):
        msg = f"{source.shown_name} holds one JSON array, not JSON lines"
        raise DataError(msg, hint="write one object a line, e.g. with jq -c '.[]'")
    return list(first) if isinstance(first, dict) else []


def _batch_of_lines(data: bytes, source: Source, plan: Plan) -> Batch:
    """Return the pairs of lines as pyarrow parses them; raise SuspectShardError where it would not do so rightly."""
    import pyarrow as pa

    lines = _count_braced_lines(data)
    if plan.reading.keep_columns or not lines:  # all keys of every object: only the careful way keeps them
        raise SuspectShardError
    if objects.some_line_nests_too_deeply(data, lines):  # pyarrow would read it, the careful way would not
        raise SuspectShardError
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise SuspectShardError from None
    paths_of = {name: _path_in(data, name) for _, name in plan.columns.wanted}
    table = _read_json(data, plan, lines, paths_of)
    columns: dict[Role, pa.Array] = {}
    for role, name in plan.columns.wanted:
        top, path = paths_of[name]
        columns[role], astray = nested.cells_at(table.column(top).combine_chunks(), path, top)
        if astray or columns[role].null_count:
            raise SuspectShardError
    keys = {role: columns.pop(role) for role, _ in plan.columns.keys}
    return Batch(
        source.shown_name,
        {role: np.from_dlpack(as_numbers(column)) for role, column in columns.items()},
        keys={role: key if pa.types.is_string(key.type) else key.cast(pa.string()) for role, key in keys.items()},
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

    numbers = {name: [pa.float64()] for _, name in plan.columns.wanted_numbers}
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


def _rows_of_lines(shard: Shard, plan: Plan) -> Iterator[tuple[int, Row | Faults]]:
    """Yield the number of every line that is not blank, and its row or what is wrong with it."""
    text = shard.part.read(shard.source).decode("utf-8", "surrogateescape")
    first_line = shard.part.line_number(shard.source, count_feeds)
    for number, line in enumerate(io.StringIO(text, newline="\n"), first_line):
        if line.strip(BLANKS.decode()):
            yield number, _row(line, plan)


def _row(line: str, plan: Plan) -> Row | Faults:
    text = f"'{harmless(line.strip())}'"
    if texts.is_undecoded(line):
        return [(problems.ENCODING, None, text)]
    if len(line) > objects.DEEPEST and objects.line_nested_too_deeply(line.encode()) is not None:
        return [(problems.TOO_DEEP, None, text)]
    try:
        record = json.loads(line, object_pairs_hook=objects.object_of)
    except RecursionError:  # within the limit, from a caller deep in Python's stack
        return [(problems.TOO_DEEP, None, text)]
    except ValueError:
        record = None
    return objects.row_of(record, plan) if isinstance(record, dict) else [(problems.NOT_AN_OBJECT, None, text)]


def _parsed(data: bytes, source: Source) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = count_feeds(data[: error.start]) + 1
        raise DataError(f"{source.shown_name} is not UTF-8: line {line}", hint=problems.ENCODING_HINT) from error
    try:
        return json.loads(text, object_pairs_hook=objects.object_of)
    except json.JSONDecodeError as error:
        msg = f"{source.shown_name} is not one JSON value: line {error.lineno}, column {error.colno}: {error.msg}"
        is_more = error.msg == "Extra data"
        several = "several values? write one a line, e.g. with jq -c ."
        raise DataError(msg, hint=several if is_more else "check that the file was copied whole") from error
    except RecursionError as error:
        raise _too_deep(source, objects.line_nested_too_deeply(data)) from error
    except ValueError as error:
        raise DataError(f"{source.shown_name} holds an endless number") from error


def _too_deep(source: Source, line: int | None = None) -> DataError:
    msg = f"{source.shown_name} is nested too deeply" + ("" if line is None else f": line {line}")
    return DataError(msg, hint=f"up to {objects.DEEPEST} levels are read")


def _first_object(records: list[Any]) -> dict[str, Any]:
    return next((record for record in records if isinstance(record, dict)), {})


class Document(NamedTuple):
    """An object of columns: those wanted, by name or path, and the names of those to keep, which are among them."""

    columns: dict[str, Any]
    kept: tuple[str, ...]


def _part(value: Any, source: Source, plan: Plan) -> list[Any] | Document:
    """Return a document's rows as objects, or its columns.

    Raises UsageError for a missing column and DataError for what are no columns.
    """
    if isinstance(value, list):
        if first := _first_object(value):
            column_places(list(first), plan, source, nests=True)
        return value
    names = list(value)
    places = column_places(names, plan, source, nests=True)
    if not _holds_columns(value, plan):
        return [value]
    tops = {name: names[places[role]] for role, name in plan.columns.wanted}
    below = {name: _column_in(value, name) for name, top in tops.items() if path_below(name, top)}
    wanted = [name if name in below else top for name, top in tops.items()]
    kept = tuple(names) if plan.reading.keep_columns else ()
    columns = {name: below[name] if name in below else value[name] for name in dict.fromkeys((*kept, *wanted))}
    repeated = value.repeated if isinstance(value, objects.Repeating) else frozenset()
    _check_columns(columns, repeated & {*kept, *tops.values()}, wanted, source, plan)
    return Document(columns, kept)


def _check_columns(
    columns: dict[str, Any], repeated: AbstractSet[str], wanted: list[str], source: Source, plan: Plan
) -> None:
    lengths: dict[str, int] = {}
    for name in repeated:
        raise DataError(f"{source.shown_name}: column {harmless(name)} is given twice", hint="rename one of them")
    for name, column in columns.items():
        subject = f"{source.shown_name}: column {harmless(name)}"
        if isinstance(column, list):
            lengths[name] = len(column)
        elif name in wanted and isinstance(column, dict):
            hint = "from pandas? write it with to_json(…, orient='records', lines=True)"
            raise DataError(f"{subject} is an object, not a list", hint=hint)
        elif name in wanted and name.strip() in (plan.columns.x1, plan.columns.x2):
            raise DataError(f"{subject} is {objects.shown_value(column)}, not a list")
    first = next(iter(lengths))
    for other in (name for name in lengths if lengths[name] != lengths[first]):
        counts = f"column {harmless(first)} has {lengths[first]:,} values, {harmless(other)} has {lengths[other]:,}"
        raise DataError(f"{source.shown_name}: {counts}", hint="columns are lists of one length")


def _row_of_value(value: Any, plan: Plan) -> Row | Faults:
    if isinstance(value, dict):
        return objects.row_of(value, plan)
    return [(problems.NOT_AN_OBJECT, None, f"'{objects.shown_value(value)}'")]


def _batch_of_columns(document: Document, source: Source, plan: Plan) -> Batch:
    """Return the pairs of an object of columns, without the rows in which a wanted number is not a number."""
    columns = document.columns
    size = next(len(column) for column in columns.values() if isinstance(column, list))
    filled = {name: column if isinstance(column, list) else [column] * size for name, column in columns.items()}
    names = list(columns)
    return batch_of_columns(
        source.shown_name,
        {role: filled[names[place]] for role, place in column_places(names, plan, source).items()},
        lambda cells, role: _numbers(cells, role, plan),
        lambda cells, _: _keys(cells),
        range(1, size + 1),
        plan,
        objects.kept_columns({name: filled[name] for name in document.kept}) if plan.reading.keep_columns else None,
    )


def _keys(cells: list[Any]) -> Keys:
    bad = [(place, cell.kind, objects.shown_value(cell)) for place, cell in enumerate(cells) if objects.is_no_key(cell)]
    return texts_as_arrow(map(objects.key_text, cells)), bad


def _numbers(cells: list[Any], role: Role, plan: Plan) -> Numbers:
    """Return a column's numbers, and the cells that are not numbers."""
    values = list(map(objects.only_item, cells))
    if set(map(type, values)) <= {float, int}:
        try:
            array = np.array(values, np.float64)
        except OverflowError:
            array = np.array([np.inf])
        if not array.size or bool(np.abs(array).max() < rules.EXACT_INTEGER_LIMIT):
            return array, []
    return numbers_of(cells, lambda cell: objects.number_of(cell, role, plan), objects.shown_value)
