"""How many rows a file holds, counted in another way than by the readers, so that a lost or doubled row shows."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.inputs.remote import Remote
    from mrl_cli.inputs.storage import File
    from mrl_cli.model import Counts, Plan

# Encodings that write line ends and quotes as ASCII does.
ASCII_LIKE = ("", "utf-8", "utf8", "ascii", "latin-1", "latin1", "iso-8859-1", "iso8859-1", "iso-8859-15", "cp1252")
OPENERS = {"gzip": "gzip", "bz2": "bz2", "xz": "lzma"}  # the module whose `open` reads a compression
COUNTED_FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "arrow")
CHUNK_BYTES = 4 << 20
JSON_BLANKS = b" \t\r\n"
ANY_DELIMITER = ",\t;|"
LONGEST_FIELD = 256 << 20
LARGEST_DOCUMENT = 64 << 20  # bytes; JSON that is one value has to be held whole


def counted_rows(sources: Sequence[Source], plan: Plan) -> tuple[int | None, list[str]]:
    """Return how many rows the sources hold, or None and a note that says why not."""
    total, dialect = 0, plan.reading.dialect
    how: dict[str, Any] = {"has_header": dialect.header, "delimiter": dialect.delimiter}
    wanted = [name for _, name in plan.columns.wanted] if dialect.header else []
    for source in sources:
        rows = None
        is_known = source.format in COUNTED_FORMATS and not plan.rows_are_lists
        if source.is_plain_file and is_known and (dialect.encoding or "").lower() in ASCII_LIKE:
            names = tuple(name for name in wanted if name not in source.hive)
            rows = rows_in(source.file, source.format, source.compression, **how, names=names)
        if rows is None:
            return None, [f"the rows of {source.shown_name} were not counted a second time"]
        total += rows
    return total, []


def lost_rows(expected: int | None, counts: Counts) -> list[str]:
    """Return in words that other rows than the expected ones were read, where it is known how many there are."""
    if expected is None or expected == counts.rows:
        return []
    return [f"the input holds {expected:,} rows, {counts.rows:,} were counted"]


def rows_in(
    place: File | Remote,
    format_name: str,
    compression: str | None = None,
    *,
    has_header: bool = True,
    delimiter: str | None = None,
    names: tuple[str, ...] = (),
) -> int | None:
    """Return how many rows of data a file holds, None where that is not certain.

    `format_name` and `compression` are those of its source. Text must be UTF-8 or another encoding that writes line
    ends and quotes as ASCII does. `names` are columns of its header, for the delimiter where none is given.
    """
    if format_name == "parquet":
        import pyarrow.parquet as pq

        with place.seekable() as raw:
            return int(pq.read_metadata(raw).num_rows)
    if format_name == "arrow":
        return _arrow_rows(place)
    if compression not in (None, *OPENERS):
        return None
    opener = import_module(OPENERS[compression]).open if compression else io.BufferedReader
    with place.open() as raw, opener(raw) as file:
        if format_name == "json":
            return _document_rows(file, names)
        if format_name == "jsonl":
            return sum(1 for line in file if line.strip(JSON_BLANKS))
        lines = _lines(file)
        if lines is None:
            file.seek(0)
            lines = _rows_by_parser(file, "\t" if format_name == "tsv" and delimiter is None else delimiter, names)
    return None if lines is None else max(0, lines - has_header)


def _arrow_rows(place: File | Remote) -> int:
    import pyarrow as pa

    first = pa.ipc.IpcReadOptions(included_fields=[0])  # of the columns one is enough
    with place.local() as opened:
        if opened.read(6) == b"ARROW1":
            file = pa.ipc.open_file(opened, options=first)
            return sum(file.get_batch(place).num_rows for place in range(file.num_record_batches))
        opened.seek(0)
        return sum(batch.num_rows for batch in pa.ipc.open_stream(opened, options=first))


def _document_rows(file: BinaryIO, names: tuple[str, ...]) -> int | None:
    """Count the rows of one JSON value: an array of objects, or an object of columns."""
    data = file.read(LARGEST_DOCUMENT + 1)
    if len(data) > LARGEST_DOCUMENT:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # one object per line, in a file that is called .json
        return sum(1 for line in data.split(b"\n") if line.strip(JSON_BLANKS))
    if isinstance(document, list):
        return len(document)
    sizes = {len(column) for name, column in document.items() if name in names and isinstance(column, list)}
    return sizes.pop() if len(sizes) == 1 else None


def _lines(file: BinaryIO) -> int | None:
    """Count the lines that are not empty, None where a quote may hide line ends or a carriage return may be one.

    Quotes in the first line, a header perhaps, are fine as long as they close in it.
    """
    first = file.readline()
    if first.count(b'"') % 2 or b"\r" in first.rstrip(b"\r\n"):
        return None
    count = int(bool(first.strip(b"\r\n")))
    last = b"\n"
    while chunk := file.read(CHUNK_BYTES):
        if b'"' in chunk or b"\0" in chunk:
            return None
        if b"\r" in chunk or chunk.endswith(b"\r"):
            if not chunk.endswith(b"\n"):
                chunk += file.readline()
            if chunk.count(b"\r") != chunk.count(b"\r\n"):
                return None
            chunk = chunk.replace(b"\r\n", b"\n")
        count += chunk.count(b"\n")
        if b"\n\n" in (whole := last + chunk):
            count -= sum(not line for line in whole.split(b"\n")[1:-1])
        last = chunk[-1:]
    return count + (last != b"\n")


def _rows_by_parser(file: BinaryIO, delimiter: str | None, names: tuple[str, ...]) -> int | None:
    """Count the rows of quoted text with the standard library's parser."""
    csv.field_size_limit(LONGEST_FIELD)
    with io.TextIOWrapper(file, encoding="latin-1", newline="") as text:
        for mark in ANY_DELIMITER if delimiter is None else delimiter:
            text.seek(0)
            rows = filter(None, csv.reader(text, delimiter=mark))
            if set(names) <= {name.strip() for name in next(rows, ())} or delimiter is not None:
                return 1 + sum(1 for _ in rows)
    return None
