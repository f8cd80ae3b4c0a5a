"""JSON as one value: an object of columns, or an array of objects; parsed whole, by the standard library.

An object of columns holds lists of equal length, one a column, as RewardBench writes its scores; numbers may stand in
lists of their own, one each. What is no list is the same for every row; the scores themselves must be lists. A text of
one object a line is left to the reader of JSON lines, which streams.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.errors import DataError
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Shard, column_places, pair_batch
from mrl_cli.inputs.jsonl import JSON_LINES, first_keys
from mrl_cli.inputs.nesting import DEEPEST, line_nested_too_deeply
from mrl_cli.inputs.objects import (
    Repeating,
    batch_of_records,
    kept_column,
    key_text,
    number_of,
    object_of,
    shown_value,
)
from mrl_cli.inputs.text import BLANKS, Chained, open_text
from mrl_cli.model import Problem, problems, rules
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.compression import ByteStream
    from mrl_cli.inputs.objects import Faults
    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan, Role

_WHOLE = "check that the file was copied whole"


class DocumentPart(NamedTuple):
    """A parsed text: its rows as objects, or its columns by name."""

    records: list[Any] | None
    columns: dict[str, Any]


class JsonReader:
    """Reads JSON whose layout the first line tells: one value, which is held in memory, or JSON lines, which stream."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the keys of the object of columns, or of the first object."""
        with open_text(source, plan.reading.dialect.encoding) as stream:
            head = _head(stream)
            if _are_lines(head, None):
                return first_keys(head, source)
            value = _parsed(head + b"".join(_parts(stream)), source)
        return list(value if isinstance(value, dict) else _first_object(value))

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield the one shard of a JSON value, or those of JSON lines."""
        del resume_at
        with open_text(source, plan.reading.dialect.encoding) as stream:
            head = _head(stream)
            if _are_lines(head, plan):
                as_lines = replace(source, format="jsonl")
                yield from JSON_LINES.shards_of_stream(Chained(head, stream), as_lines, plan)
                return
            data = head + b"".join(_parts(stream))
        yield Shard(source, _part(_parsed(data, source), source, plan), len(data))

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield the pairs as one batch that knows its rows."""
        part: DocumentPart = shard.part
        try:
            if part.records is not None:
                batch = batch_of_records(_rows(part.records), shard.source.shown_name, plan, "row")
            else:
                batch = _batch_of_columns(part.columns, shard.source, plan)
        except RecursionError as error:  # what could just be parsed may be too deep to be written as a key
            raise _too_deep(shard.source) from error
        yield batch

    careful_batches = batches  # these batches know their rows


def _parts(stream: ByteStream) -> Iterator[bytes]:
    while part := stream.read(texts.BLOCK_BYTES):
        yield part


def _head(stream: ByteStream) -> bytes:
    """Return the first bytes of a text: its first line that is not blank and the begin of another, or all there are."""
    parts = []
    has_begun = has_ended = False
    for part in _parts(stream):
        parts.append(part)
        text = part if has_begun else part.lstrip(BLANKS)
        has_begun = has_begun or bool(text)
        if has_begun and not has_ended:
            _, line_end, text = text.partition(b"\n")
            has_ended = bool(line_end)
        if has_ended and text.strip(BLANKS):
            break
    return b"".join(parts)


def _are_lines(head: bytes, plan: Plan | None) -> bool:
    """Tell from its head whether a text holds one object a line; so does a lone object of columns nobody wants."""
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
    return any(isinstance(value.get(name), list | dict) for _, name in plan.columns.wanted_numbers)


def _parsed(data: bytes, source: Source) -> Any:
    """Return the value of a text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = texts.count_feeds(data[: error.start]) + 1
        raise DataError(f"{source.shown_name} is not UTF-8: line {line}", hint=problems.ENCODING_HINT) from error
    try:
        return json.loads(text, object_pairs_hook=object_of)
    except json.JSONDecodeError as error:
        msg = f"{source.shown_name} is not one JSON value: line {error.lineno}, column {error.colno}: {error.msg}"
        hint = "several values? write one a line, e.g. with jq -c ." if error.msg == "Extra data" else _WHOLE
        raise DataError(msg, hint=hint) from error
    except RecursionError as error:
        raise _too_deep(source, line_nested_too_deeply(data)) from error
    except ValueError as error:
        raise DataError(f"{source.shown_name} holds an endless number") from error


def _too_deep(source: Source, line: int | None = None) -> DataError:
    where = "" if line is None else f": line {line}"
    return DataError(f"{source.shown_name} is nested too deeply{where}", hint=f"up to {DEEPEST} levels are read")


def _first_object(records: list[Any]) -> dict[str, Any]:
    return next((record for record in records if isinstance(record, dict)), {})


def _part(value: Any, source: Source, plan: Plan) -> DocumentPart:
    """Return a document's part. Raises UsageError for a missing column and DataError for what are no columns."""
    if isinstance(value, list):
        first = _first_object(value)
        if first:
            column_places(list(first), plan, source)
        return DocumentPart(value, {})
    names = list(value)
    places = column_places(names, plan, source)
    if not _holds_columns(value, plan):
        return DocumentPart([value], {})
    wanted = list(dict.fromkeys(names[place] for place in places))
    _check_columns(value, wanted, source, plan)
    columns = value if plan.reading.keep_columns else {name: value[name] for name in wanted}
    return DocumentPart(None, dict(columns))


def _check_columns(value: dict[str, Any], wanted: list[str], source: Source, plan: Plan) -> None:
    repeated = value.repeated if isinstance(value, Repeating) else frozenset()
    lengths: dict[str, int] = {}
    scores = {plan.columns.x1, plan.columns.x2}
    for name in value if plan.reading.keep_columns else wanted:
        column, shown = value[name], f"{source.shown_name}: column {harmless(name)}"
        if name in repeated:
            raise DataError(f"{shown} is given twice", hint="rename one of them")
        if isinstance(column, list):
            lengths[name] = len(column)
        elif name in wanted and (isinstance(column, dict) or name.strip() in scores):
            what = "an object" if isinstance(column, dict) else shown_value(column)
            hint = "from pandas? write it with to_json(…, orient='records', lines=True)"
            raise DataError(f"{shown} is {what}, not a list", hint=hint if isinstance(column, dict) else None)
    if len(set(lengths.values())) > 1:
        (first, count), (other, differs) = next(iter(lengths.items())), _differing(lengths)
        msg = f"{source.shown_name}: column {harmless(first)} has {count:,} values, {harmless(other)} has {differs:,}"
        raise DataError(msg, hint="columns are lists of one length")


def _differing(lengths: dict[str, int]) -> tuple[str, int]:
    count = next(iter(lengths.values()))
    return next((name, length) for name, length in lengths.items() if length != count)


def _rows(records: list[Any]) -> Iterator[tuple[int, dict[str, Any] | Faults]]:
    for row, record in enumerate(records, 1):
        is_object = isinstance(record, dict)
        yield row, record if is_object else [(problems.NOT_AN_OBJECT, None, f"'{shown_value(record)}'")]


def _batch_of_columns(columns: dict[str, Any], source: Source, plan: Plan) -> Batch:
    """Return the pairs of an object of columns, less the rows in which some wanted number is none."""
    file, names = source.shown_name, list(columns)
    wanted = [columns[names[place]] for place in column_places(names, plan, source)]
    size = len(next(column for column in wanted if isinstance(column, list)))
    numbers: list[NDArray[np.float64]] = []
    faulty: list[tuple[int, int, Problem]] = []
    for order, ((role, name), column) in enumerate(zip(plan.columns.wanted_numbers, wanted, strict=False)):
        array, faults = _numbers(column if isinstance(column, list) else [column] * size, role)
        numbers.append(array)
        for index, kind in faults:
            shown = shown_value(column[index] if isinstance(column, list) else column)
            faulty.append((index, order, Problem(kind, file, index + 1, harmless(name), shown, "row")))
    batch = pair_batch(
        file,
        numbers,
        [_keys(column, size) for column in wanted[len(numbers) :]],
        plan,
        rows=range(1, size + 1),
        row_word="row",
        kept=_kept_table(columns, size) if plan.reading.keep_columns else None,
    )
    return batch.without(faulty)


def _numbers(column: list[Any], role: Role) -> tuple[NDArray[np.float64], list[tuple[int, str]]]:
    """Return a column's numbers, and (index, kind of problem) of what is none; lists of one number are that number."""
    values = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in column]
    if set(map(type, values)) <= {float, int}:
        try:
            array = np.array(values, np.float64)
        except OverflowError:
            array = np.array([np.inf])
        if not array.size or bool(np.abs(array).max() < rules.EXACT_INTEGER_LIMIT):
            return array, []
    found = [number_of(value, role) for value in values]
    array = np.array([np.nan if isinstance(number, str) else number for number in found], np.float64)
    return array, [(index, number) for index, number in enumerate(found) if isinstance(number, str)]


def _keys(column: Any, size: int) -> pa.Array:
    return texts_as_arrow(
        [key_text(value) for value in column] if isinstance(column, list) else [key_text(column)] * size
    )


def _kept_table(columns: dict[str, Any], size: int) -> pa.Table:
    import pyarrow as pa

    def filled(column: Any) -> Iterable[Any]:
        return column if isinstance(column, list) else [column] * size

    return pa.table({name: kept_column(filled(column)) for name, column in columns.items()})


JSON = JsonReader()
