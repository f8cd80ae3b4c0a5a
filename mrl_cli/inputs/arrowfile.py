"""Arrow files (Feather 2) and streams, a record batch at a time.

pyarrow stops reading at the first end mark, and also at the end of the file. So it reports no error for a stream that
was cut between two batches, nor for a second stream in the same file: whether the messages of a file fill it to the
last byte is checked here.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.inputs.base import Shard, Source, column_places
from mrl_cli.inputs.columnar import BATCH_ROWS, RowsPart, batches_in, check_columns, head_of, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from mrl_cli.inputs.heads import Head
    from mrl_cli.model import Batch, Plan

CONTINUATION = 0xFFFFFFFF
# Arrow before 0.15 wrote four zero bytes. They are refused: zeros also pad a batch, and fill the rest of a download
# that broke off. Whole streams of that age are not recognised as Arrow at all, for they begin without a continuation.
END_MARK = struct.pack("<II", CONTINUATION, 0)
MAGIC = b"ARROW1"
# More than an end mark and padding to 64 bytes, and less than any batch: the header alone is larger for one column.
LONGEST_GAP = 96
# Places of fields in the tables Message (Message.fbs) and Footer (File.fbs) of Arrow's format, and a Block's layout.
HEADER, BODY_LENGTH = 2, 3
LENGTH = 0  # of a RecordBatch
DICTIONARIES, RECORD_BATCHES = 2, 3
BLOCK = "<qi4xq"


class _Bytes:
    """The bytes of an open file, which are read as they are asked for.

    A file is not mapped into memory: one that becomes shorter meanwhile would end the process.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._size = file, file.size()

    def __len__(self) -> int:
        return int(self._size)

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        self._file.seek(start)
        data: bytes = self._file.read(max(0, stop - start))
        return data


def names(source: Source, _plan: Plan) -> list[str]:
    """Return the names in the schema."""
    with _opened(source) as (file, opened):
        return list(opened(file).schema.names)


def head(source: Source, _plan: Plan) -> Head:
    """Return the columns of the schema, with the first rows."""
    import pyarrow as pa

    with _opened(source) as (raw, opened):
        data = _Bytes(raw)
        rows: int | None = None
        if opened is pa.ipc.open_stream:
            _check_stream_end(data, source)
            raw.seek(0)
            file = batches = opened(raw)
        else:
            file = opened(raw)
            rows = sum(_rows_in(data, block) for block in _checked_blocks(data, source))
            batches = map(file.get_batch, range(file.num_record_batches))
        return head_of((_validated(batch) for batch in batches), file.schema, rows)


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield the record batches of a file; a stream is one shard."""
    import pyarrow as pa

    with _opened(source) as (raw, opened):
        data = _Bytes(raw)
        if opened is pa.ipc.open_stream:
            _check_stream_end(data, source)
            raw.seek(0)
            check_columns(opened(raw).schema, plan, source)
            yield Shard(source, RowsPart(-1, 1, None), len(data))
            return
        file = opened(raw)
        blocks = _checked_blocks(data, source)
        check_columns(file.schema, plan, source)
        places, first_row = _places(file.schema, plan, source), 1
        for group, block in enumerate(blocks):
            yield Shard(source, RowsPart(group, first_row, places), len(data) // len(blocks))
            first_row += _rows_in(data, block)


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield a record batch's pairs."""
    import pyarrow as pa

    part: RowsPart = shard.part
    with _opened(shard.source) as (raw, opened):
        places = _places(opened(raw).schema, plan, shard.source) if part.shared is None else part.shared
        raw.seek(0)
        file = opened(raw, options=pa.ipc.IpcReadOptions(included_fields=places))  # of the others nothing is read
        whole = file if part.group < 0 else [file.get_batch(part.group)]
        pieces = (
            batch.slice(start, BATCH_ROWS)
            for batch in (_validated(batch) for batch in whole)
            for start in range(0, batch.num_rows, BATCH_ROWS)
        )
        yield from batches_in(pieces, part.first_row, shard.source, plan)


def _places(schema: pa.Schema, plan: Plan, source: Source) -> list[int]:
    """Return where the columns stand that are read, none where all are."""
    return (
        [] if plan.reading.keep_columns else sorted({*column_places(schema.names, plan, source, nests=True).values()})
    )


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """Open an Arrow file: the context is the file, and what opens it as a file or as a stream."""
    import pyarrow as pa

    with reading(source), source.file.local() as file:
        is_file = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        try:
            yield file, pa.ipc.open_file if is_file else pa.ipc.open_stream
        except struct.error as error:
            msg = "the header of a message or the footer is damaged"
            raise ValueError(msg) from error


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch after checking it; raise ArrowInvalid when its arrays claim more than their buffers hold.

    pyarrow's IPC reader checks the messages but not the arrays: memory beyond a buffer would be read as scores, or the
    read would end the process.
    """
    import pyarrow as pa

    batch.validate()  # lengths only, in constant time for each column: enough for plain numbers
    for column in batch.columns:
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


def _check_stream_end(data: _Bytes, source: Source) -> None:
    """Raise DataError unless a stream ends with its end mark, and the file with the stream."""
    end = _end_of_messages(data)
    # The last bytes of the file prove nothing: labels of -1 as int8 and their padding are the mark's very bytes.
    if data[end : end + len(END_MARK)] != END_MARK:
        msg = f"{source.shown_name} is cut off: the Arrow stream has no end mark"
        raise DataError(msg, hint="check that the file was copied whole, and its writer closed")
    if extra := len(data) - end - len(END_MARK):
        msg = f"{source.shown_name} is corrupt: {extra} bytes follow the end mark of its Arrow stream"
        raise DataError(msg, hint="are these several streams joined? write each to a file of its own")


def _end_of_messages(data: _Bytes) -> int:
    """Return where the last message of a stream ends, from the headers alone.

    pyarrow's MessageReader would have the system load every body too, and a large file would be read twice.
    """
    end, size = 0, len(data)
    while end + len(END_MARK) <= size:
        word, header_bytes = struct.unpack("<II", data[end : end + len(END_MARK)])
        if word != CONTINUATION or header_bytes == 0:
            break
        header = end + len(END_MARK)
        end = header + header_bytes
        if end <= size:
            end += _body_bytes(data[header:end])
        if end > size:
            msg = f"the stream ends {end - size} bytes before its last message does"
            raise ValueError(msg)
    return end


def _body_bytes(header: bytes) -> int:
    place = _field(header, _offset(header, 0), BODY_LENGTH)
    (size,) = struct.unpack_from("<q", header, place) if place else (0,)
    if size < 0:
        msg = f"a message gives the length of its body as {size}"
        raise ValueError(msg)
    return int(size)


def _checked_blocks(data: _Bytes, source: Source) -> list[tuple[int, int]]:
    """Return where the record batches of a file stand; raise DataError unless its footer lists all before it, once.

    The footer counts from the first byte of the file. In two files that were joined, the second one's footer therefore
    points into the first, whose batches may have the same lengths. Messages are not walked through as in a stream:
    Polars begins its files with a schema that is not a message.
    """
    tail = len(data) - len(MAGIC) - struct.calcsize("<i")
    start = tail - int.from_bytes(data[tail : tail + struct.calcsize("<i")], "little")
    footer = data[start:tail]
    batches = _blocks(footer, RECORD_BATCHES)
    blocks = sorted([*_blocks(footer, DICTIONARIES), *batches])
    gaps = [begin - end for (_, end), (begin, _) in pairwise([*blocks, (start, start)])]
    is_joined = not blocks and re.search(MAGIC + MAGIC, data[:])  # the end of one file and the start of the next
    if is_joined or not all(0 <= gap < LONGEST_GAP for gap in gaps):
        msg = f"{source.shown_name} is corrupt: its Arrow footer does not list exactly the batches in the file"
        raise DataError(msg, hint="are these several files joined? write each to a file of its own")
    return batches


def _rows_in(data: _Bytes, block: tuple[int, int]) -> int:
    """Return how many rows a record batch has by its header."""
    start, end = block
    lead = data[start : start + len(END_MARK)]
    word, header_bytes = struct.unpack("<II", lead)
    begin = start + (len(END_MARK) if word == CONTINUATION else struct.calcsize("<i"))  # before 0.15 there was no word
    header = data[begin : min(end, begin + (header_bytes if word == CONTINUATION else word))]
    place = _field(header, _offset(header, 0), HEADER)
    length = _field(header, place + _offset(header, place), LENGTH)
    return int(struct.unpack_from("<q", header, length)[0]) if length else 0


def _blocks(footer: bytes, field: int) -> list[tuple[int, int]]:
    """Return (start, end) of the messages that a field of a footer lists."""
    blocks = []
    if place := _field(footer, _offset(footer, 0), field):
        vector = place + _offset(footer, place)
        for index in range(_offset(footer, vector)):
            at = vector + 4 + index * struct.calcsize(BLOCK)
            start, header_bytes, body_bytes = struct.unpack_from(BLOCK, footer, at)
            blocks.append((start, start + header_bytes + body_bytes))
    return blocks


def _field(data: bytes, table: int, field: int) -> int:
    """Return where a field of a flatbuffer's table is, 0 where it was left out."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    (fields_bytes,) = struct.unpack_from("<H", data, fields)
    place = 4 + 2 * field
    offset: int = struct.unpack_from("<H", data, fields + place)[0] if place < fields_bytes else 0
    return table + offset if offset else 0


def _offset(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])
