"""Text as bytes of UTF-8: decompressed, decoded, and cut into blocks of whole rows.

Plain UTF-8 files without quotes are cut into byte ranges that many workers read side by side. Everything else (stdin,
compressed, other encodings, quoted fields) is one stream: read once, in order, and cut where a row certainly ends.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.inputs.compression import decompressed, is_corruption
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from _csv import Reader as CsvReader  # typeshed keeps it there
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from mrl_cli.inputs.compression import ByteStream
    from mrl_cli.inputs.sources import Source

BLOCK_BYTES = 3 << 20  # of 1, 2, 3, 4, 8 and 16 MiB: as quick as 4 and less to hold; smaller ones were slower
HEAD_BYTES = 1 << 16
LONGEST_ROW_BYTES = 256 << 20
QUOTE = 0x22
BLANKS = b" \t\r\n"  # what JSON calls white space


@contextmanager
def open_text(source: Source, encoding: str | None) -> Iterator[ByteStream]:
    """Open a source as a stream of UTF-8 bytes without a byte order mark, for as long as the context lasts.

    Raises UsageError for an unknown encoding; reading raises DataError where the bytes are corrupt or not in the
    encoding.
    """
    is_stream = source.stream is not None and not source.is_plain_file  # what is spooled has both
    with nullcontext(source.stream) if is_stream else open(source.path, "rb", buffering=0) as raw:
        yield _as_utf8(raw, source, encoding)


def _as_utf8(raw: BinaryIO, source: Source, encoding: str | None) -> ByteStream:
    stream = _Guarded(decompressed(raw, source.compression), source)
    head = stream.read(len(codecs.BOM_UTF8) + 1)
    marked = _encoding_of_mark(head)
    wanted = _codec_name(encoding) if encoding else marked or "utf-8"
    whole = Chained(head, stream)
    if wanted == "utf-8":
        return Chained(head.removeprefix(codecs.BOM_UTF8), stream)
    return _Transcoded(whole, wanted, source)


def _codec_name(encoding: str) -> str:
    try:
        "".encode(encoding)  # codecs that make no text of bytes, such as base64, are refused here
        return codecs.lookup(encoding).name
    except LookupError as error:
        msg = f"unknown encoding {harmless(encoding)}"
        raise UsageError(msg, hint="for example utf-8, utf-16, latin-1, cp1252") from error


def _encoding_of_mark(head: bytes) -> str | None:
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")):
        if head.startswith(mark):
            return name
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


class _Guarded:
    """Turns what a damaged compressed stream raises into a DataError that names the file."""

    def __init__(self, stream: ByteStream, source: Source) -> None:
        self._stream = stream
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        if self._source.compression is None:
            return self._stream.read(size)
        try:
            return self._stream.read(size)
        except Exception as error:
            if not is_corruption(error):
                raise
            raise self._corrupt(error) from error

    def _corrupt(self, error: Exception) -> DataError:
        said = f"{self._source.compression} says: {harmless(error, 200)}"
        msg = f"{self._source.shown_name} is corrupt or cut off: {said}"
        return DataError(msg, hint="check that the file was copied whole")


class Chained:
    """Bytes already read, then the rest of their stream."""

    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if not self._head:
            return self._rest.read(size)
        size = len(self._head) if size < 0 else size
        part, self._head = self._head[:size], self._head[size:]
        return part


class _Transcoded:
    """A stream in another encoding, as UTF-8."""

    def __init__(self, stream: ByteStream, encoding: str, source: Source) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._source = source
        self._lines = 1
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return the UTF-8 of about `size` bytes of the stream, nothing only at its end."""
        text = ""
        while not text and not self._ended:
            chunk = self._stream.read(size)
            self._ended = not chunk
            try:
                text = self._decoder.decode(chunk, final=self._ended)
            except UnicodeError as error:
                msg = f"{self._source.shown_name} is not {self._encoding}: near line {self._lines}: {error}"
                raise DataError(msg, hint="name the file's encoding with --encoding") from error
            text = text.removeprefix("\ufeff") if self._lines == 1 else text
            self._lines += text.count("\n")
        return text.encode("utf-8", "surrogatepass")


def count_feeds(data: bytes) -> int:
    r"""Count the line feeds of a text, which end the lines of JSON: there, a carriage return is blank space.

    >>> count_feeds(b"a\nb\r\nc\rd")
    2
    """
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))  # bytes.count takes 4 times as long


def count_line_ends(data: bytes) -> int:
    r"""Count the line ends of a text: \n, \r\n and a lone \r are one each.

    >>> count_line_ends(b"a\nb\r\nc\rd")
    3
    """
    feeds = count_feeds(data)
    if b"\r" not in data:
        return feeds
    return feeds + data.count(b"\r") - data.count(b"\r\n")


def lines_before(path: str, offset: int, count_ends: Callable[[bytes], int] = count_line_ends) -> int:
    """Count the line ends in the first `offset` bytes of a file: only an error message needs them."""
    count = 0
    with open(path, "rb", buffering=0) as file:
        while offset > 0:
            data = file.read(min(offset, BLOCK_BYTES))
            if not data:
                break
            offset -= len(data)
            while data.endswith(b"\r") and offset > 0:  # keep \r\n in one piece
                data += file.read(1)
                offset -= 1
            count += count_ends(data)
    return count


def read_range(path: str, offset: int, size: int) -> bytes:
    """Read bytes of a plain file, independent of other readers of it; fewer only when the file has become shorter."""
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        parts = file.read(size)
        while len(parts) < size:
            more = file.read(size - len(parts))
            if not more:
                break
            parts += more
    return parts


def plain_ranges(
    path: str, start: int, stop: int, line_end: bytes, *, has_keys: bool = False
) -> Iterator[tuple[int, int]]:
    """Cut the bytes from start to stop of a file into (offset, size) of about BLOCK_BYTES that end after `line_end`.

    With keys they are twice as large: every block has most of the keys, and adding them up costs as much as its rows.
    """
    block_bytes = 2 * BLOCK_BYTES if has_keys else BLOCK_BYTES
    with open(path, "rb", buffering=0) as file:
        descriptor = file.fileno()
        while start < stop:
            end = min(start + block_bytes, stop)
            while end < stop:
                probe = os.pread(descriptor, HEAD_BYTES, end - 1)
                found = probe.find(line_end)
                if found >= 0:
                    end += found
                    break
                end += len(probe) or stop
            end = min(end, stop)
            yield start, end - start
            start = end


def whole_rows(
    stream: ByteStream, head: bytes, cut: Callable[[bytes, bool], tuple[int, bool]], source: Source
) -> Iterator[tuple[bytes, bool]]:
    """Yield blocks of whole rows of a stream that `head` was already read from, and whether each is suspect.

    `cut(data, at_end)` returns how many bytes of data are certainly whole rows, and whether only the careful way may
    read them.
    """
    carry = head
    wanted = BLOCK_BYTES
    while True:
        parts, size = [carry], len(carry)
        at_end = False
        while size < wanted and not at_end:
            part = stream.read(wanted - size)
            at_end = not part
            parts.append(part)
            size += len(part)
        data = b"".join(parts)
        place, is_suspect = cut(data, at_end)
        if place:
            yield data[:place], is_suspect
        carry = data[place:]
        if at_end:
            return
        wanted = BLOCK_BYTES if len(carry) < BLOCK_BYTES else 2 * len(carry)
        if wanted > LONGEST_ROW_BYTES:
            msg = f"{source.shown_name}: a row is longer than {LONGEST_ROW_BYTES >> 20} MiB"
            raise DataError(msg, hint="is a quote opened and never closed, or is it not text?")


def cut_lines(data: bytes, at_end: bool) -> tuple[int, bool]:
    """Cut a text whose rows are single lines; see `whole_rows`."""
    return (len(data) if at_end else data.rfind(b"\n") + 1), False


def cut_quoted(delimiter: str) -> Callable[[bytes, bool], tuple[int, bool]]:
    """Return a cut for delimited text with quotes, where a field may hold line ends.

    As long as every quote stands where CSV puts one (an opening quote at the start of a field, a closing one at its
    end, two inside for one), a line end ends a row exactly when an even number of quotes precedes it. Text with a
    quote elsewhere is cut by the standard library's CSV parser, whose rules are those of the careful way, and is left
    to that.
    """
    neighbours = np.array([ord(delimiter), ord("\n"), ord("\r"), QUOTE], np.uint8)

    def cut(data: bytes, at_end: bool) -> tuple[int, bool]:
        """Return how many bytes are certainly whole rows, and whether only the careful way may read them."""
        text = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(text == QUOTE)
        if quotes.size == 0:
            return cut_lines(data, at_end)
        if not _is_well_quoted(text, quotes, neighbours):
            return (len(data) if at_end else _cut_by_parser(data, delimiter)), True
        if at_end:
            return len(data), quotes.size % 2 == 1
        # The last line end outside quotes stands after some closing quote and before the next opening one.
        for opening in range(quotes.size - quotes.size % 2, -1, -2):
            lower = int(quotes[opening - 1]) + 1 if opening else 0
            upper = int(quotes[opening]) if opening < quotes.size else len(data)
            place = data.rfind(b"\n", lower, upper)
            if place >= 0:
                return place + 1, False
        return 0, False

    return cut


def _is_well_quoted(text: NDArray[np.uint8], quotes: NDArray[np.intp], neighbours: NDArray[np.uint8]) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    opening = opening[opening > 0]
    closing = closing[closing + 1 < text.size]
    return bool(np.isin(text[opening - 1], neighbours).all() and np.isin(text[closing + 1], neighbours).all())


def _cut_by_parser(data: bytes, delimiter: str) -> int:
    """Return where the last but one row ends (the last may go on in the next block), 0 when there is only one."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""):
            consumed += len(line.encode("utf-8", "surrogateescape"))
            yield line

    ends = [0, 0]
    for _ in csv_rows(lines(), delimiter):
        ends = [ends[1], consumed]
    return ends[0]


def csv_rows(lines: Iterable[str], delimiter: str) -> CsvReader:
    """Return the standard library's reader with this project's rules: quotes as in RFC 4180, lenient, long fields
    allowed.
    """
    csv.field_size_limit(LONGEST_ROW_BYTES)
    return csv.reader(lines, delimiter=delimiter)


def changed(source: Source) -> MachineError:
    """Return the error for a file that became shorter while it was read."""
    return MachineError(f"{source.shown_name} became shorter while it was read", hint="run again once it is written")


@light_dataclass(frozen=True, slots=True, eq=False)
class TextPart:
    """Where a shard's bytes are: a range of a plain file, or `data` at hand.

    `first_line` is None where it is counted only when it matters. A suspect part is for the careful way alone.
    """

    offset: int
    size_bytes: int
    data: bytes | None = None
    first_line: int | None = None
    is_suspect: bool = False

    def read(self, source: Source) -> bytes:
        """Return the bytes."""
        if self.data is not None:
            return self.data
        data = read_range(source.path, self.offset, self.size_bytes)
        if len(data) < self.size_bytes:
            raise changed(source)
        return data

    def line_number(self, source: Source, count_ends: Callable[[bytes], int] = count_line_ends) -> int:
        """Return the physical number of the first line; `count_ends` counts the line ends of a text."""
        if self.first_line is not None:
            return self.first_line
        return lines_before(source.path, self.offset, count_ends) + 1
