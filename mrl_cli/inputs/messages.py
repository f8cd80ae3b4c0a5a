"""Where the messages of an Arrow file or stream lie, and whether they fill it to the last byte.

pyarrow stops reading at the first end mark, and also at the end of the file. So it reports no error for a stream that
was cut between two batches, nor for a second stream in the same file.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError

if TYPE_CHECKING:
    from mrl_cli.inputs.base import Source

CONTINUATION = 0xFFFFFFFF
# Arrow before 0.15 wrote four zero bytes. They are refused: zeros also pad a batch, and fill the rest of a download
# that broke off. Whole streams of that age are not recognised as Arrow at all, for they begin without a continuation.
END_MARK = struct.pack("<II", CONTINUATION, 0)
MAGIC = b"ARROW1"
# More than an end mark and padding to 64 bytes, and less than any batch: the header alone is larger for one column.
LONGEST_GAP = 96
# Places of fields in the tables Message (Message.fbs) and Footer (File.fbs) of Arrow's format, and a Block's layout.
BODY_LENGTH = 3
DICTIONARIES, RECORD_BATCHES = 2, 3
BLOCK = "<qi4xq"


def check_stream_end(data: Any, source: Source) -> None:
    """Raise DataError unless a stream, mapped as `data`, ends with its end mark, and the file with the stream."""
    data = memoryview(data).cast("B")
    end = _end_of_messages(data)
    # The last bytes of the file prove nothing: labels of -1 as int8 and their padding are the mark's very bytes.
    if data[end : end + len(END_MARK)] != END_MARK:
        msg = f"{source.shown_name} is cut off: the Arrow stream has no end mark"
        raise DataError(msg, hint="check that the file was copied whole, and its writer closed")
    if extra := len(data) - end - len(END_MARK):
        msg = f"{source.shown_name} is corrupt: {extra} bytes follow the end mark of its Arrow stream"
        raise DataError(msg, hint="are these several streams joined? write each to a file of its own")


def _end_of_messages(data: memoryview) -> int:
    """Return where the last message of a stream ends, from the headers alone.

    pyarrow's MessageReader would have the system load every body too, and a large file would be read twice.
    """
    end, size = 0, len(data)
    while end + len(END_MARK) <= size:
        word, header_bytes = struct.unpack_from("<II", data, end)
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


def _body_bytes(header: memoryview) -> int:
    (table,) = _unpacked("<I", header, 0)
    place = _field(header, table, BODY_LENGTH)
    (size,) = _unpacked("<q", header, place) if place else (0,)
    if size < 0:
        msg = f"a message gives the length of its body as {size}"
        raise ValueError(msg)
    return int(size)


def check_footer(data: Any, source: Source) -> None:
    """Raise DataError unless the footer of an Arrow file, mapped as `data`, lists all before it, each batch once.

    The footer counts from the first byte of the file. In two files that were joined, the second one's footer therefore
    points into the first, whose batches may have the same lengths. Messages are not walked through as in a stream:
    Polars begins its files with a schema that is not a message.
    """
    data = memoryview(data).cast("B")
    tail = len(data) - len(MAGIC) - struct.calcsize("<i")
    start = tail - int.from_bytes(data[tail : -len(MAGIC)], "little")
    blocks = _blocks(data[start:tail])
    if blocks:
        ends = [end for _, end in blocks]
        starts = [begin for begin, _ in blocks[1:]] + [start]
        is_complete = all(0 <= begin - end < LONGEST_GAP for end, begin in zip(ends, starts, strict=True))
    else:
        is_complete = re.search(MAGIC + MAGIC, data) is None  # the end of one file and the start of the next
    if not is_complete:
        msg = f"{source.shown_name} is corrupt: its Arrow footer does not list exactly the batches in the file"
        raise DataError(msg, hint="are these several files joined? write each to a file of its own")


def _blocks(footer: memoryview) -> list[tuple[int, int]]:
    """Return (start, end) of the dictionaries and record batches that a footer lists, in the order of the file."""
    (table,) = _unpacked("<I", footer, 0)
    blocks = []
    for field in (DICTIONARIES, RECORD_BATCHES):
        if place := _field(footer, table, field):
            vector = place + _unpacked("<I", footer, place)[0]
            for index in range(_unpacked("<I", footer, vector)[0]):
                at = vector + 4 + index * struct.calcsize(BLOCK)
                start, header_bytes, body_bytes = _unpacked(BLOCK, footer, at)
                blocks.append((start, start + header_bytes + body_bytes))
    return sorted(blocks)


def _field(data: memoryview, table: int, field: int) -> int:
    """Return where a field of a flatbuffer's table is, 0 where it was left out."""
    fields = table - _unpacked("<i", data, table)[0]
    (fields_bytes,) = _unpacked("<H", data, fields)
    place = 4 + 2 * field
    offset = _unpacked("<H", data, fields + place)[0] if place < fields_bytes else 0
    return table + offset if offset else 0


def _unpacked(layout: str, data: memoryview, place: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, place)
    except struct.error as error:
        msg = "the header of a message or the footer is damaged"
        raise ValueError(msg) from error
