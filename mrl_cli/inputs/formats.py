"""The formats of inputs, and which of them a file is in: by its suffix, else by its first bytes.

Adding a format takes a row in `FORMATS`, and a module that reads it, with these functions:

- `names(source, plan)` returns the names of the columns, none where no row gives them; of JSON, the first row's.
- `head(source, plan)` returns what the first rows and bytes show, no more than `heads.HEAD_ROWS` and HEAD_BYTES.
- `shards(source, plan)` yields the source's shards in row order.
- `batches(shard, plan)` yields a shard's pairs, quickly; raises SuspectShardError where only the careful way decides.
- `careful_batches(shard, plan)`, where there is another way, yields them with row numbers, naming every bad cell.
- `begin(shard)`, where a shard is known by a footer, returns at which byte it begins, to tell whose span it is in.
- `count_lines(data)`, where shards are lines of text, returns how many lines end in it.
- `check_range(data, part)`, where `batches` may raise UnsplittableTextError, raises it for a shard that is not read.
- `rest(shard, plan)`, where one of `batches` may raise UnsplittableTextError, yields the shards from that one on.

Where suffix and first bytes contradict each other, the file is rejected.
"""

from __future__ import annotations

import io
import os
import re
from importlib import import_module
from typing import TYPE_CHECKING

from mrl_cli.errors import DataError
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


class Format(NamedTuple):
    """One format: the module that reads it, its suffixes, and the first bytes that identify it.

    `title` is what messages call it; `writer` the name in `reductions.rows` of what writes pairs in the format, where
    something does. One that `is_of_lists` holds no pairs. One that `has_spans` can be read from any byte on.
    """

    reader: str  # a module of this package, imported when a file of the format turns up
    suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    title: str = ""
    writer: str | None = None
    is_of_lists: bool = False
    has_spans: bool = False

    @property
    def kind(self) -> str:
        """The title with its article."""
        return f"{'an' if self.title.startswith(tuple('AEIO')) else 'a'} {self.title}"


FORMATS = {
    "csv": Format("delimited", (".csv",), title="CSV", writer="csv", has_spans=True),
    "tsv": Format("delimited", (".tsv", ".tab"), title="TSV", writer="tsv", has_spans=True),
    "jsonl": Format("jsontext", (".jsonl", ".ndjson"), writer="jsonl", has_spans=True),
    "json": Format("jsontext", (".json",), title="JSON, JSON lines"),  # it reads either
    "parquet": Format("parquet", (".parquet", ".pq"), (b"PAR1",), "Parquet", "parquet", has_spans=True),
    "arrow": Format("arrowfile", (".arrow", ".arrows", ".feather", ".ipc"), (b"ARROW1", b"\xff\xff\xff\xff"), "Arrow"),
    "letor": Format("lines", (".letor", ".svm", ".svmlight", ".libsvm"), title="LETOR", is_of_lists=True),
    "trec": Format("lines", (".trec", ".run"), title="TREC", is_of_lists=True),
    "frame": Format("frame"),  # of pandas, in the Python interface
}
TEXTS = ("csv", "tsv")
FORMAT_OF_SUFFIX = {suffix: name for name, row in FORMATS.items() for suffix in row.suffixes}
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}

RECORD_SEPARATOR = b"\x1e"  # before each text of a JSON text sequence (RFC 7464)
PREFIX_BYTES = 64  # of an input, of which its format is found out
# What lines of ranked lists begin with, which no header line does, after comments perhaps.
_LINES = {
    "letor": re.compile(rb"(?:#[^\n]*\n\s*)*[+-]?\d+(?:\.\d*)?[ \t]+(?:qid:\S+[ \t]+)?\d+:[\d.+-]"),
    "trec": re.compile(rb"\S+[ \t]+Q0[ \t]+\S"),
}

_MAGIC = {start: name for name, row in FORMATS.items() for start in row.magic}
_COMPRESSION_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}
# A frame of Zstandard that is skipped; pzstd begins with one.
_COMPRESSION_MAGIC |= {bytes([0x50 + number]) + b"\x2a\x4d\x18": "zstd" for number in range(16)}
_FOREIGN_MAGIC = {
    b"PK\x03\x04": "a zip archive (an Excel workbook, perhaps)",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array file",
    b"PARE": "an encrypted Parquet file",
    b"FEA1": "a Feather file of version 1, which is no longer written (convert it with Feather 2 or Parquet)",
    b"%PDF": "a PDF",
    b"Obj\x01": "an Avro file",
}
_TITLES = ", ".join(row.title for row in FORMATS.values() if row.title)
_KNOWN = f"formats: {_TITLES}; text also as {' '.join(COMPRESSIONS)}"


def reader_of(name: str) -> ModuleType:
    """Return the module that reads a format."""
    return import_module(f"mrl_cli.inputs.{FORMATS[name].reader}")


def named(path: str) -> tuple[str | None, str | None]:
    """Return (format, compression) as the suffixes of a path say, None where they say nothing.

    >>> named("pairs.csv.gz"), named("pairs.txt")
    (('csv', 'gzip'), (None, None))
    """
    stem, suffix = os.path.splitext(path)
    compression = COMPRESSIONS.get(suffix.lower())
    if compression is not None:
        suffix = os.path.splitext(stem)[1]
    return FORMAT_OF_SUFFIX.get(suffix.lower()), compression


def compression_of(prefix: bytes) -> str | None:
    """Return how bytes that begin so are compressed."""
    return _by_magic(prefix, _COMPRESSION_MAGIC)


def identified(path: str, prefix: bytes, shown_name: str) -> tuple[str, str | None]:
    """Return (format, compression) of what begins with `prefix`; `shown_name` is its name in messages.

    Raises DataError for content of none of the formats, or not of the format of its name.
    """
    by_name, named_compression = named(path)
    compression, by_magic = compression_of(prefix), _by_magic(prefix, _MAGIC)
    if named_compression is not None and not prefix:
        msg = f"{shown_name} is empty, which no {named_compression} file is"
        raise DataError(msg, hint="check that the file was copied whole")
    foreign = _by_magic(prefix, _FOREIGN_MAGIC)
    if foreign is not None:
        raise DataError(f"{shown_name} is {foreign}, not a format mrl reads", hint=_KNOWN)
    if named_compression != compression and prefix and (named_compression or by_name):
        content = compression or "not compressed"
        raise DataError(f"{shown_name} is {content}, which is not what its name says", hint="rename the file")
    if by_magic != by_name and prefix and by_name and (by_magic or FORMATS[by_name].magic):
        kind = FORMATS[by_magic].kind if by_magic else f"not {FORMATS[by_name].kind}"
        msg = f"{shown_name} is {kind} file, which is not what its name says"
        raise DataError(msg, hint="rename the file, or check that it was copied whole")
    return by_name or by_magic or _text_format(prefix, compression), compression


def _by_magic(prefix: bytes, magic: Mapping[bytes, str]) -> str | None:
    return next((name for start, name in magic.items() if prefix.startswith(start)), None)


def _text_format(prefix: bytes, compression: str | None) -> str:
    """Return the format of a text whose suffix names none, from its first bytes: JSON opens with a brace or a bracket.

    A null alone or before either is JSON too. The reader of JSON finds out whether the text is one value or a value a
    line.
    """
    if compression is not None:
        from mrl_cli.inputs.streams import decompressed, is_corruption

        try:
            prefix = decompressed(io.BytesIO(prefix).read, compression)(PREFIX_BYTES)
        except Exception as error:
            if not (is_corruption(error) or isinstance(error, ImportError)):
                raise
            prefix = b""  # these first bytes say nothing
    text = prefix.lstrip(b"\xef\xbb\xbf \t\r\n" + RECORD_SEPARATOR)
    if (listed := next((name for name, line in _LINES.items() if line.match(text)), None)) is not None:
        return listed
    after_null = text.removeprefix(b"null").lstrip(b" \t\r\n")
    return "json" if after_null.startswith((b"{", b"[")) or (text and not after_null) else "csv"
