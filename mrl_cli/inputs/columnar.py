"""Files that hold columns: numbers as they are, made doubles only where that is exact or correctly rounded.

Arrow files are read here; Parquet, which shares the rest, in its own module.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import DataError, MrlError
from mrl_cli.inputs.base import Shard, column_places, pair_batch
from mrl_cli.inputs.messages import check_footer, check_stream_end, is_arrow_file
from mrl_cli.model import Problem, problems, rules
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan

# A column as doubles (labels may stay small integers), and (index, kind, shown) of each cell that cannot be one.
Numbers = tuple[np.ndarray[Any, Any], list[tuple[int, str, str]]]
BATCH_ROWS = 393216  # smaller batches are decoded more slowly, and change hands more often; larger ones are no quicker


class RowsPart(NamedTuple):
    """Some rows of a columnar file: group number `group`, whose first row is the file's row `first_row` (from 1)."""

    path: str
    group: int
    first_row: int
    shared: Any  # the opened footer, so that it is parsed once


class ArrowReader:
    """Reads Arrow IPC files (Feather 2), a record batch at a time, and Arrow streams."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the names in the schema."""
        del plan
        import pyarrow as pa

        with reading(source), pa.memory_map(source.path) as mapped:
            opened = pa.ipc.open_file if is_arrow_file(source.path) else pa.ipc.open_stream
            return list(opened(mapped).schema.names)

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield the record batches of a file; a stream is one shard."""
        del resume_at
        import pyarrow as pa

        path = source.path
        with reading(source), pa.memory_map(path) as mapped:
            if not is_arrow_file(path):
                check_stream_end(source)
                check_columns(pa.ipc.open_stream(mapped).schema, plan, source)
                yield Shard(source, RowsPart(path, -1, 1, None), mapped.size())
                return
            file = pa.ipc.open_file(mapped)
            check_footer(source)
            check_columns(file.schema, plan, source)
            first_row = 1
            for group in range(file.num_record_batches):
                rows = file.get_batch(group).num_rows
                yield Shard(source, RowsPart(path, group, first_row, None), mapped.size() // file.num_record_batches)
                first_row += rows

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield a record batch's pairs."""
        import pyarrow as pa

        part: RowsPart = shard.part
        with reading(shard.source), pa.memory_map(part.path) as mapped:
            whole = (
                iter([pa.ipc.open_file(mapped).get_batch(part.group)])
                if part.group >= 0
                else iter(pa.ipc.open_stream(mapped))
            )
            pieces = (
                batch.slice(start, BATCH_ROWS)
                for batch in (_validated(batch, plan, shard.source) for batch in whole)
                for start in range(0, batch.num_rows, BATCH_ROWS)
            )
            yield from batches_in(pieces, part.first_row, shard.source, plan)

    careful_batches = batches  # these batches know their rows


def _validated(batch: pa.RecordBatch, plan: Plan, source: Source) -> pa.RecordBatch:
    """Return a batch after checking it; raise ArrowInvalid when its arrays claim more than their buffers hold.

    pyarrow's IPC reader checks the messages but not the arrays: memory beyond a buffer would be read as scores, or the
    read would end the process.
    """
    batch.validate()  # lengths only, in constant time for each column: enough for plain numbers and columns not read
    used = range(batch.num_columns) if plan.reading.keep_columns else column_places(batch.schema.names, plan, source)
    for place in used:
        column = batch.column(place)
        if not _has_plain_values(column.type):  # each index into a dictionary, each text's offset and its UTF-8
            _as_bytes_if_ascii(column).validate(full=True)
    return batch


def _as_bytes_if_ascii(column: pa.Array) -> pa.Array:
    """Return ASCII text as binary, whose validation is four times as quick: only the offsets can then be wrong."""
    import pyarrow as pa

    as_bytes = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(column.type)
    data = column.buffers()[2] if as_bytes is not None else None
    is_ascii = data is not None and data.size > 0 and np.frombuffer(data, np.uint8).max() < 0x80
    return column.view(as_bytes) if is_ascii else column


def _has_plain_values(kind: pa.DataType) -> bool:
    """Return whether each value has its own place in the buffer: then no value can point elsewhere.

    Such columns are not validated in full, which would refuse decimals wider than their type says and uneven dates.
    """
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))


@contextmanager
def reading(source: Source, place: str = "") -> Iterator[None]:
    """Turn what Arrow raises for damaged files into a DataError that names the file, and the place in it if given."""
    import pyarrow as pa

    try:
        yield
    except (MrlError, GeneratorExit):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            raise
        said = harmless(str(error).split("\n", maxsplit=1)[0], limit=160)
        said = f"{place}: {said}" if place else said
        msg = f"{source.shown_name} is corrupt, cut off, or not {source.format.capitalize()}: {said}"
        raise DataError(msg, hint="check that the file was copied whole") from error


def names_in(schema: pa.Schema, plan: Plan, source: Source) -> list[str]:
    """Return the names of the wanted columns as the schema has them, in the order of `Columns.wanted`."""
    return [schema.names[place] for place in column_places(schema.names, plan, source)]


def check_columns(schema: pa.Schema, plan: Plan, source: Source) -> None:
    """Raise when a wanted column is missing or of a type that holds no numbers."""
    import pyarrow as pa

    count = len(plan.columns.wanted_numbers)
    for order, place in enumerate(column_places(schema.names, plan, source)):
        role, wanted = plan.columns.wanted[order]
        kind = schema.field(place).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        shown = f"{source.shown_name}: column {harmless(wanted)} holds {harmless(kind)}"
        if order >= count:
            if not (is_number(kind) or _is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)):
                raise DataError(f"{shown}, which is no key", hint="write the column as text or integers")
        elif not (is_number(kind) or (role == "y" and pa.types.is_boolean(kind))):
            raise DataError(
                f"{shown}, not numbers (from row 1 on)", hint="write the column as double or integer numbers"
            )


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a column of that type holds numbers, or nothing at all."""
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def batches_in(batches: Iterable[pa.RecordBatch], first_row: int, source: Source, plan: Plan) -> Iterator[Batch]:
    """Yield the pairs of record batches that follow one another; `first_row` is the row of the first (from 1)."""
    for batch in batches:
        yield _pair_batch(batch, first_row, source, plan)
        first_row += batch.num_rows


def _pair_batch(batch: pa.RecordBatch, first_row: int, source: Source, plan: Plan) -> Batch:
    places = column_places(batch.schema.names, plan, source)
    count = len(plan.columns.wanted_numbers)
    # A label that must be one of two integers is compared as it is: no double in between could change it.
    stays = [role == "y" and plan.rules.labels != "any" for role, _ in plan.columns.wanted_numbers]
    numbers = [
        numbers_in(batch.column(place), keeps_integers=keeps)
        for place, keeps in zip(places[:count], stays, strict=True)
    ]
    keys = [keys_in(batch.column(place)) for place in places[count:]]
    kept = None
    if plan.reading.keep_columns:
        import pyarrow as pa

        kept = pa.Table.from_batches([batch])
    return clean_batch(source.shown_name, numbers, keys, range(first_row, first_row + batch.num_rows), plan, kept)


def clean_batch(
    file: str,
    numbers: Sequence[Numbers],
    keys: Sequence[pa.Array],
    rows: range,
    plan: Plan,
    kept: pa.Table | None = None,
) -> Batch:
    """Return converted columns as a batch; rows with what is no number are left out and named.

    `numbers` and `keys` are in the order of `wanted_numbers` and `keys` of Columns.
    """
    batch = pair_batch(file, [array for array, _ in numbers], keys, plan, rows=rows, row_word="row", kept=kept)
    return batch.without(
        (index, order, Problem(kind, file, rows[index], harmless(name), shown, "row"))
        for order, ((_, name), (_, bad)) in enumerate(zip(plan.columns.wanted_numbers, numbers, strict=True))
        for index, kind, shown in bad
    )


def keys_in(column: pa.Array) -> pa.Array:
    """Return a column as keys: text as it is, numbers and dates as text, a null as the empty text."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type) and not (column.null_count or column.dictionary.null_count):
        values = column.dictionary if pa.types.is_string(kind) else _as_texts(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), values)
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if column.null_count:
        return _as_texts(column).fill_null("")  # filling imports pandas
    if _is_text(kind):
        return _as_texts(column)
    if pa.types.is_integer(kind) and len(column):
        integers: np.ndarray[Any, Any] = np.from_dlpack(column)
        lowest, highest = int(integers.min()), int(integers.max())
        if highest - lowest < len(column) // 4:  # close together, as ids are: ten times as quick as looking each up
            wide = integers if integers.dtype.itemsize == 8 else integers.astype(np.int64)
            codes = as_arrow((wide - wide.dtype.type(lowest)).astype(np.int32))
            return pa.DictionaryArray.from_arrays(codes, texts_as_arrow(map(str, range(lowest, highest + 1))))
    coded = column.dictionary_encode()  # each number becomes text once
    return pa.DictionaryArray.from_arrays(coded.indices, _as_texts(coded.dictionary))


def _as_texts(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_floating(column.type):  # Arrow writes 1.0 as 1
        return pa.array([None if value is None else number_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def numbers_in(column: pa.Array, *, keeps_integers: bool = False) -> Numbers:
    """Return a column of numbers as doubles, and what in it cannot be one; integers as they are where asked for."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()  # a null may stand among the indices or among the values
    if pa.types.is_decimal(column.type):
        # Arrow's own decimal to double is not correctly rounded; its reading of text is.
        column = column.cast(pa.string()).cast(pa.float64())
    elif pa.types.is_boolean(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.int8())
    bad = []
    if column.null_count:
        nulls = [index for index, valid in enumerate(column.is_valid().to_pylist()) if not valid]
        bad = [(index, problems.MISSING, "null") for index in nulls]
        column = column.fill_null(pa.scalar(0).cast(column.type))
    values = np.from_dlpack(column)
    if pa.types.is_floating(column.type):
        return values.astype(np.float64, copy=False), bad
    if keeps_integers:
        return values, bad
    doubles = values.astype(np.float64)
    # 2**53 + 1 is 2**53 as a double, so the limit itself is suspect.
    if values.size and (doubles.max() >= rules.EXACT_INTEGER_LIMIT or doubles.min() <= -rules.EXACT_INTEGER_LIMIT):
        bad += [
            (int(index), problems.INEXACT, str(values[index]))
            for index in np.flatnonzero(np.abs(doubles) >= rules.EXACT_INTEGER_LIMIT)
            if int(doubles[index]) != int(values[index])
        ]
    return doubles, bad


ARROW = ArrowReader()
