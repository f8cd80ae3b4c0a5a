"""Where the messages of an Arrow file or stream lie, and whether they fill it to the last byte.

pyarrow stops reading at the first end mark, and also at the end of the file. So it reports no error for a stream that
was cut between two batches, nor for a second stream in the same file.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from mrl_cli.errors import DataError

if TYPE_CHECKING:
    from mrl_cli.readers.sources import Source

CONTINUATION = 0xFFFFFFFF
# Arrow before 0.15 wrote four zero bytes. They are refused: zeros also pad a batch, and fill the rest of a download
# that broke off. Whole streams of that age are not recognised as Arrow at all, for they begin without a continuation.
END_MARK = struct.pack("<II", CONTINUATION, 0)
MAGIC = b"ARROW1"
BODY_LENGTH = 3  # the field's place in the table Message of Arrow's Message.fbs


def is_arrow_file(path: str) -> bool:
    """Return whether a file is in Arrow's file format, as opposed to its stream format."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def check_stream_end(source: Source) -> None:
    """Raise DataError unless an Arrow stream ends with its end mark, and the file with the stream."""
    with open(source.path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = _end_of_messages(file, size)
        file.seek(end)
        # The last bytes of the file prove nothing: labels of -1 as int8 and their padding are the mark's very bytes.
        if file.read(len(END_MARK)) != END_MARK:
            msg = f"{source.shown_name} is cut off: the Arrow stream has no end mark"
            raise DataError(msg, hint="check that the file was copied whole, and its writer closed")
    if extra := size - end - len(END_MARK):
        msg = f"{source.shown_name} is corrupt: {extra} bytes follow the end mark of its Arrow stream"
        raise DataError(msg, hint="are these several streams joined? write each to a file of its own")


def _end_of_messages(file: BinaryIO, size: int) -> int:
    """Return where the last message of a stream ends, from the headers alone.

    pyarrow's MessageReader would have the system load every body too, and a large file would be read twice.
    """
    end = 0
    while end < size:
        file.seek(end)
        prefix = file.read(len(END_MARK))
        if len(prefix) < len(END_MARK):
            break
        word, header_bytes = struct.unpack("<II", prefix)
        if word != CONTINUATION or header_bytes == 0:
            break
        body = end + len(prefix) + header_bytes
        end = body if body > size else body + _body_bytes(file.read(header_bytes))
        if end > size:
            msg = f"the stream ends {end - size} bytes before its last message does"
            raise ValueError(msg)
    return end


def _body_bytes(header: bytes) -> int:
    (table,) = _unpacked("<I", header, 0)
    place = _field(header, table, BODY_LENGTH)
    (size,) = _unpacked("<q", header, place) if place else (0,)
    if size < 0:
        msg = f"a message gives the length of its body as {size}"
        raise ValueError(msg)
    return int(size)


def _field(data: bytes, table: int, field: int) -> int:
    """Return where a field of a flatbuffer's table is, 0 where it was left out."""
    fields = table - _unpacked("<i", data, table)[0]
    (fields_bytes,) = _unpacked("<H", data, fields)
    place = 4 + 2 * field
    offset = _unpacked("<H", data, fields + place)[0] if place < fields_bytes else 0
    return table + offset if offset else 0


def _unpacked(layout: str, data: bytes, place: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, place)
    except struct.error as error:
        msg = "the header of a message or the footer is damaged"
        raise ValueError(msg) from error
