"""Files that hold columns: numbers as they are, made doubles only where that is exact or correctly rounded.

Arrow files are read here; Parquet, which shares the rest, in its own module.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import DataError, MrlError
from mrl_cli.inputs.base import Reader, Shard, batch_of_columns, column_places
from mrl_cli.inputs.formats import FORMATS
from mrl_cli.inputs.messages import MAGIC, check_footer, check_stream_end
from mrl_cli.model import problems, rules
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from mrl_cli.inputs.base import Numbers, Source
    from mrl_cli.model import Batch, Plan

BATCH_ROWS = 393216  # smaller batches are decoded more slowly, and change hands more often; larger ones are no quicker


class RowsPart(NamedTuple):
    """Some rows of a columnar file: group number `group`, whose first row is the file's row `first_row` (from 1)."""

    group: int
    first_row: int
    shared: Any  # the opened footer, so that it is parsed once


class ArrowReader(Reader):
    """Reads Arrow IPC files (Feather 2), a record batch at a time, and Arrow streams."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the names in the schema."""
        del plan
        with _mapped(source) as (mapped, opened):
            return list(opened(mapped).schema.names)

    def shards(self, source: Source, plan: Plan) -> Iterator[Shard]:
        """Yield the record batches of a file; a stream is one shard."""
        import pyarrow as pa

        with _mapped(source) as (mapped, opened):
            size = mapped.size()
            if opened is pa.ipc.open_stream:
                check_stream_end(mapped.read_buffer(), source)
                mapped.seek(0)
                check_columns(opened(mapped).schema, plan, source)
                yield Shard(source, RowsPart(-1, 1, None), size)
                return
            file = opened(mapped)
            mapped.seek(0)
            check_footer(mapped.read_buffer(), source)
            check_columns(file.schema, plan, source)
            first_row = 1
            for group in range(file.num_record_batches):
                rows = file.get_batch(group).num_rows
                yield Shard(source, RowsPart(group, first_row, None), size // file.num_record_batches)
                first_row += rows

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield a record batch's pairs."""
        part: RowsPart = shard.part
        with _mapped(shard.source) as (mapped, opened):
            whole = opened(mapped) if part.group < 0 else [opened(mapped).get_batch(part.group)]
            pieces = (
                batch.slice(start, BATCH_ROWS)
                for batch in (_validated(batch, plan, shard.source) for batch in whole)
                for start in range(0, batch.num_rows, BATCH_ROWS)
            )
            yield from batches_in(pieces, part.first_row, shard.source, plan)


@contextmanager
def _mapped(source: Source) -> Iterator[Any]:
    """Map an Arrow file: the context is the mapping, and what opens it as a file or as a stream."""
    import pyarrow as pa

    with reading(source), source.file.mapped() as mapped:
        is_file = mapped.read(len(MAGIC)) == MAGIC
        mapped.seek(0)
        yield mapped, pa.ipc.open_file if is_file else pa.ipc.open_stream


def _validated(batch: pa.RecordBatch, plan: Plan, source: Source) -> pa.RecordBatch:
    """Return a batch after checking it; raise ArrowInvalid when its arrays claim more than their buffers hold.

    pyarrow's IPC reader checks the messages but not the arrays: memory beyond a buffer would be read as scores, or the
    read would end the process.
    """
    import pyarrow as pa

    batch.validate()  # lengths only, in constant time for each column: enough for plain numbers and columns not read
    names = batch.schema.names
    used = range(len(names)) if plan.reading.keep_columns else column_places(names, plan, source).values()
    for column in map(batch.column, used):
        kind = column.type
        # A plain value has its own place in the buffer and cannot point elsewhere. Such columns are not validated in
        # full, which would refuse decimals wider than their type allows and uneven dates.
        if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
            continue
        # Of ASCII text only the offsets can be wrong, and validating it as binary is four times as quick.
        as_bytes = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(kind)
        data = column.buffers()[2] if as_bytes is not None else None
        is_ascii = data is not None and data.size > 0 and np.frombuffer(data, np.uint8).max() < 0x80
        # Each index into a dictionary, each text's offset and its UTF-8.
        (column.view(as_bytes) if is_ascii else column).validate(full=True)
    return batch


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
        reason = harmless(str(error).split("\n", maxsplit=1)[0], limit=160)
        reason = f"{place}: {reason}" if place else reason
        msg = f"{source.shown_name} is corrupt, cut off, or not {FORMATS[source.format].title}: {reason}"
        raise DataError(msg, hint="check that the file was copied whole") from error


def check_columns(schema: pa.Schema, plan: Plan, source: Source) -> None:
    """Raise when a wanted column is missing or of a type that does not hold numbers."""
    import pyarrow as pa

    names, keys = dict(plan.columns.wanted), dict(plan.columns.keys)
    for role, place in column_places(schema.names, plan, source).items():
        kind = schema.field(place).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        subject = f"{source.shown_name}: column {harmless(names[role])} holds {harmless(kind)}"
        if role in keys:
            if not (is_number(kind) or _is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)):
                raise DataError(f"{subject}, which is no key", hint="write the column as text or integers")
        elif not (is_number(kind) or (role == "y" and pa.types.is_boolean(kind))):
            msg = f"{subject}, not numbers (from row 1 on)"
            raise DataError(msg, hint="write the column as double or integer numbers")


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of that type holds numbers, or nothing at all."""
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
        yield _batch_of(batch, first_row, source, plan)
        first_row += batch.num_rows


def _batch_of(batch: pa.RecordBatch, first_row: int, source: Source, plan: Plan) -> Batch:
    import pyarrow as pa

    columns = {role: batch.column(place) for role, place in column_places(batch.schema.names, plan, source).items()}
    # A label that must be one of two integers is compared as it is: no double in between could change it.
    numbers = {
        role: numbers_in(columns[role], keeps_integers=role == "y" and plan.rules.labels != "any")
        for role, _ in plan.columns.wanted_numbers
    }
    keys = {role: keys_in(columns[role]) for role, _ in plan.columns.keys}
    kept = pa.Table.from_batches([batch]) if plan.reading.keep_columns else None
    rows = range(first_row, first_row + batch.num_rows)
    return batch_of_columns(source.shown_name, numbers, keys, rows, plan, kept)


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
