"""Text of UTF-8, cut into blocks of whole rows.

Plain UTF-8 files without quotes are cut into byte ranges that many workers read side by side. Everything else (stdin,
compressed, other encodings, quoted fields) is one stream: read once, in order, and cut where a row certainly ends.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, UnknownLineError, UnsplittableTextError
from mrl_cli.inputs.base import Shard, Source, changed
from mrl_cli.records import NamedTuple, light_dataclass

if TYPE_CHECKING:
    from _csv import Reader as CsvReader  # typeshed keeps it there
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from mrl_cli.inputs.streams import Stream
    from mrl_cli.model import Plan, Role

BLOCK_BYTES = 5 << 20  # 8 is 5 % quicker and takes 15 MB more to hold; 3 is 8 % slower, and smaller ones far more
HEAD_BYTES = 1 << 16
LONGEST_ROW_BYTES = 64 << 20
QUOTE = 0x22
BLANKS = b" \t\r\n"  # what JSON calls white space


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


def is_undecoded(text: str) -> bool:
    """Return whether a text holds bytes that were no UTF-8."""
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)


class Layout(NamedTuple):
    """What the head of a delimited text gives: its columns, where rows begin, which columns are wanted."""

    names: tuple[str, ...]
    delimiter: str
    places: dict[Role, int]
    data_offset: int
    data_line: int
    line_end: bytes


@light_dataclass(frozen=True, slots=True, eq=False)
class TextPart:
    """Where a shard's bytes are: a range of a plain file, or `data` at hand.

    `first_line` is None where it is counted only when it matters. A suspect part is for the careful way alone. `layout`
    is what else the reader has to know.
    """

    offset: int
    size_bytes: int
    data: bytes | None = None
    first_line: int | None = None
    is_suspect: bool = False
    layout: Any = None

    def read(self, source: Source) -> bytes:
        """Return the bytes."""
        if self.data is not None:
            return self.data
        data: bytes = source.file.read(self.offset, self.size_bytes)
        if len(data) < self.size_bytes:
            raise changed(source.name)
        return data

    def line_number(
        self, source: Source, count_ends: Callable[[bytes], int] = count_line_ends, known: tuple[int, int] = (0, 1)
    ) -> int:
        """Return the physical number of the first line; `count_ends` counts the line ends of a text.

        `known` is where some line before it begins, and the number of that one.
        Raises UnknownLineError where the lines before the source's span are counted elsewhere.
        """
        if self.first_line is not None:
            return self.first_line
        if source.span is not None and source.span[0]:
            raise UnknownLineError
        # Begin at the last range whose line was asked for: of many ranges, each reads what follows the one before it.
        (start, count), last = max([known, *(one for one in [*source.numbered.items()] if one[0] <= self.offset)]), b""
        while start < self.offset:
            if start in source.counted:
                size, ends, _ = source.counted[start]
                start, count, last = start + size, count + ends, b""
                continue
            edges = (start + BLOCK_BYTES, self.offset, *(edge for edge in source.counted if edge > start))
            data = source.file.read(start, min(edges) - start)
            count += count_ends(last + data) - count_ends(last)
            start, last = min(edges), data[-1:]  # \r\n may stand across two blocks
        source.numbered[self.offset] = count
        return count

    def remember(self, source: Source, lines: int, rows: int) -> None:
        """Remember how many lines a range has, and how many rows: they need not be counted again."""
        if self.data is None:
            source.counted[self.offset] = self.size_bytes, lines, rows


def endless_row(source: Source, line: int | None) -> DataError:
    """Return the error for a row longer than any is, which begins at this line, where that is known."""
    place = "" if line is None else f"line {line}: "
    msg = f"{source.shown_name}: {place}a row is longer than {LONGEST_ROW_BYTES >> 20} MiB"
    return DataError(msg, hint="is a quote opened and never closed, or is it not text?")


def unclosed_quote(source: Source, line: int) -> DataError:
    """Return the error for a row whose last quote is opened and never closed, which begins at this line."""
    msg = f"{source.shown_name}: line {line}: a quoted field is opened and never closed"
    return DataError(msg, hint="close the quote, or double it where it belongs to the text")


def is_splittable(source: Source, stream: Stream) -> bool:
    """Return whether the bytes of a source are its text, which was opened as `stream`, so that they can be cut.

    Where something stands beside its rows they are counted, which is done block by block.
    """
    is_plain = source.file is not None and source.compression is None and source.beside is None
    return is_plain and stream.encoding == "utf-8"  # not so behind a byte order mark


def range_shards(
    source: Source, plan: Plan, start: int, line_end: bytes = b"\n", layout: Any = None
) -> Iterator[Shard]:
    """Yield the shards of a plain file from `start` on: ranges of about BLOCK_BYTES that end after `line_end`.

    Of a span, those of the rows that begin in it. Raises UnsplittableTextError where its lines cannot be counted apart.
    """
    stop: int = source.size_bytes or 0
    if source.span is not None:
        if line_end != b"\n" or start > source.span[1]:
            raise UnsplittableTextError
        first, last = source.span
        start, stop = max(start, _row_edge(source, first, line_end)), _row_edge(source, last, line_end)
    # With keys twice as large: every block has most of the keys, and adding them up costs as much as its rows.
    block_bytes = 2 * BLOCK_BYTES if plan.columns.keys else BLOCK_BYTES
    while start < stop:
        end = min(_row_edge(source, min(start + block_bytes, stop), line_end), stop)
        if end - start > LONGEST_ROW_BYTES:
            raise endless_row(source, _last_line(source, start, block_bytes, line_end, layout))
        yield Shard(source, TextPart(start, end - start, layout=layout), end - start)
        start = end


def _last_line(source: Source, start: int, size: int, line_end: bytes, layout: Any) -> int | None:
    """Return the number of the line in which the last of so many bytes from `start` on stands, None in a later span."""
    part = TextPart(start, size, layout=layout)
    count_ends = count_feeds if layout is None else count_line_ends  # a carriage return in JSON is blank space
    known = (0, 1) if layout is None else (layout.data_offset, layout.data_line)
    try:
        return part.line_number(source, count_ends, known) + part.read(source).count(line_end)
    except UnknownLineError:
        return None


def _row_edge(source: Source, offset: int, line_end: bytes) -> int:
    """Return where the first row begins from `offset` on: after a line end, or where the file does or ends."""
    size: int = source.size_bytes or 0
    if offset == 0 or offset >= size:
        return min(offset, size)
    at = offset - 1
    while at < min(size, offset + LONGEST_ROW_BYTES):
        probe: bytes = source.file.read(at, HEAD_BYTES)
        place = probe.find(line_end)
        if place >= 0:
            edge = at + place + 1
            return edge + (line_end == b"\r" and bool(source.file.read(edge, 1) == b"\n"))
        at += len(probe) or size
    return min(at, size)


def block_shards(
    stream: Stream,
    cut: Callable[[bytes, bool], tuple[int, bool]],
    source: Source,
    line: int,
    count_ends: Callable[[bytes], int],
    layout: Any = None,
) -> Iterator[Shard]:
    """Yield the shards of a stream, blocks of whole rows; `line` is the number of its first line.

    `cut(data, at_end)` returns how many bytes of data are certainly whole rows, and whether only the careful way may
    read them; what is left at the end has a quote that is never closed. Raises UnsplittableTextError where only a span
    of the source is to be read.
    """
    if source.span is not None:
        raise UnsplittableTextError
    wanted = BLOCK_BYTES
    while True:
        data = stream.first(wanted)
        at_end = len(data) < wanted
        size, is_suspect = cut(data, at_end)
        if size:
            block = stream.read(size)
            yield Shard(source, TextPart(0, size, block, line, is_suspect, layout), size)
            line += count_ends(block)
        left = len(data) - size
        if at_end and not size and left:
            raise unclosed_quote(source, line)
        if at_end and not left:
            return
        if left >= LONGEST_ROW_BYTES:
            raise endless_row(source, line)
        wanted = BLOCK_BYTES if left < BLOCK_BYTES else min(2 * left, LONGEST_ROW_BYTES)


def cut_lines(data: bytes, at_end: bool, line_end: bytes = b"\n") -> tuple[int, bool]:
    """Cut a text whose rows are single lines; see `block_shards`."""
    return (len(data) if at_end else _after_last_end(data, line_end, 0, len(data))), False


def _after_last_end(data: bytes, line_end: bytes, start: int, stop: int) -> int:
    r"""Return the place after the last line end of data[start:stop], 0 where it has none; \r\n is not cut in two.

    >>> _after_last_end(b"a\rb\r\nc\r", b"\r", 0, 7), _after_last_end(b"a\nb\n", b"\n", 0, 3)
    (5, 2)
    """
    if line_end == b"\n":
        return data.rfind(b"\n", start, stop) + 1
    place = data.rfind(b"\r", start, min(stop, len(data) - 1)) + 1
    return place + (place > 0 and data[place] == ord("\n"))


def cut_quoted(delimiter: str, line_end: bytes) -> Callable[[bytes, bool], tuple[int, bool]]:
    """Return a cut for delimited text with quotes, where a field may hold line ends; see `block_shards`.

    Where every quote stands as CSV puts one, a line end ends a row exactly when an even number of quotes precedes it.
    Other text is cut by the standard library's CSV parser, as the careful way reads it, and is left to that way.
    """
    neighbours = np.array([ord(delimiter), ord("\n"), ord("\r"), QUOTE], np.uint8)

    def cut(data: bytes, at_end: bool) -> tuple[int, bool]:
        """Return where the last whole row ends, and whether the careful way has to read."""
        text = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(text == QUOTE)
        if quotes.size == 0:
            return cut_lines(data, at_end, line_end)
        if not _is_well_quoted(text, quotes, neighbours):
            if not opens_quotes(data, delimiter):  # as in 5" tall: each is a character like others
                return cut_lines(data, at_end, line_end)
            return (len(data) if at_end else _cut_by_parser(data, delimiter)), True
        if at_end and quotes.size % 2 == 0:
            return len(data), False
        # The last line end outside quotes stands after some closing quote and before the next opening one.
        for opening in range(quotes.size - quotes.size % 2, -1, -2):
            lower = int(quotes[opening - 1]) + 1 if opening else 0
            upper = int(quotes[opening]) if opening < quotes.size else len(data)
            if end := _after_last_end(data, line_end, lower, upper):
                return end, False
        # An open quote may hide that rows end at carriage returns: the parser knows which row it is of.
        ends_otherwise = at_end and line_end == b"\n" and b"\r" in data
        return (len(data), True) if ends_otherwise else (0, False)

    return cut


def opens_quotes(data: bytes, delimiter: str) -> bool:
    r"""Return whether a field of whole rows begins with a quote: in others, quotes are characters like others.

    >>> opens_quotes(b'1,5" tall\n', ","), opens_quotes(b'1,"5"\n', ","), opens_quotes(b'1\n"5",2\n', ",")
    (False, True, True)
    """
    if QUOTE not in data:
        return False
    return data[0] == QUOTE or any(mark + b'"' in data for mark in (delimiter.encode(), b"\n", b"\r"))


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
    """Return the standard library's reader: quotes as in RFC 4180, lenient, long fields allowed."""
    csv.field_size_limit(LONGEST_ROW_BYTES)
    return csv.reader(lines, delimiter=delimiter)
