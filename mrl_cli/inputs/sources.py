"""From INPUT arguments to sources: files, globs, directories, stdin; which format each is in, and how to open it.

A format is taken from the suffix, else from the first bytes; when the two contradict each other the file is refused.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.inputs.compression import COMPRESSION_MAGIC, COMPRESSION_SUFFIXES, first_bytes
from mrl_cli.inputs.partitions import hive_keys
from mrl_cli.records import light_dataclass
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STDIN = "-"
PREFIX_BYTES = 64
WAKE_SECONDS = 0.2
COMPRESSED_PREFIX_BYTES = 1 << 16  # enough to see what a compressed text begins with

FORMAT_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
BINARY_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
FOREIGN_MAGIC = {
    b"PK\x03\x04": "a zip archive (an Excel workbook, perhaps)",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array file",
    b"FEA1": "a Feather file of version 1, which is no longer written (convert it with Feather 2 or Parquet)",
    b"%PDF": "a PDF",
    b"Obj\x01": "an Avro file",
}


@light_dataclass(frozen=True, slots=True)
class Source:
    """One input: the `name` a user knows it by, where to open it, and what it holds.

    `format` is a name in READERS; `compression` a value of COMPRESSION_SUFFIXES or None. `is_plain_file` says that
    the bytes can be read anywhere, by many. Other sources are opened once: `stream` is that opened stream. `hive` are
    the columns that its path says. With `scores`, an `inputs.indexed.Scores`, x1 and x2 are rows of them.
    """

    name: str
    path: str
    format: str
    compression: str | None
    is_plain_file: bool
    size_bytes: int | None = None
    stream: Any = field(default=None, compare=False)
    hive: dict[str, str] = field(default_factory=dict)
    scores: Any = field(default=None, compare=False, repr=False)

    def close(self) -> None:
        """Close the stream, which takes a temporary file away."""
        if self.stream is not None:
            self.stream.close()

    @property
    def shown_name(self) -> str:
        """The name for a message: no control characters, "stdin" for the dash."""
        return "stdin" if self.name == STDIN else harmless(self.name, limit=200)


def resolve(inputs: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources that INPUT arguments name, each argument's in sorted order.

    Raises UsageError for what does not exist and DataError for what is not the format its name says.
    """
    return tuple(_source(path) for argument in inputs for path in _paths(argument))


def stdin_can_be_read() -> bool:
    """Tell whether stdin is a file, FIFO or socket, something that will end, and not a terminal."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _paths(argument: str) -> Iterator[str]:
    mode = None if argument in (STDIN, "") else _mode_of(argument)
    if argument == STDIN or (mode is not None and not stat.S_ISDIR(mode)):
        yield argument
        return
    import glob

    if argument == "":
        msg = "an empty name names no file"
        raise UsageError(msg)
    if mode is not None:
        yield from _files_below(argument)
    elif "://" in argument:
        msg = f"cannot read {harmless(argument)}: reading URLs is not built in yet"
        raise UsageError(msg, hint="download the file first, or pipe it in")
    elif glob.has_magic(argument):
        found = sorted(name for name in glob.glob(argument, recursive=True) if not os.path.isdir(name))
        if not found:
            msg = f"no file matches {harmless(argument)}"
            raise UsageError(msg)
        yield from found
    else:
        raise _missing(argument)


def _mode_of(path: str) -> int | None:
    """Return the mode of what is there, None for nothing; what cannot be looked at is the machine's error."""
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP):
            return None
        raise


def _missing(path: str) -> UsageError:
    folder, name = os.path.split(path)
    siblings = os.listdir(folder or os.curdir) if os.path.isdir(folder or os.curdir) else []
    near = closest(name, siblings)
    hint = None if near is None else f"did you mean {harmless(os.path.join(folder, near), limit=200)}?"
    return UsageError(f"no such file: {harmless(path, limit=200)}", hint=hint)


def _files_below(folder: str) -> list[str]:
    """Return the files of known suffix below a folder; names that begin with a dot or underscore are not data."""
    from pathlib import Path  # few runs read folders

    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        found += [
            str(Path(parent, name))
            for name in names
            if not name.startswith((".", "_")) and _formats_by_suffix(name)[0] is not None
        ]
    if not found:
        msg = f"no file of a known format below {harmless(folder, limit=200)}"
        raise UsageError(msg, hint="known suffixes: " + " ".join(FORMAT_SUFFIXES))
    return sorted(found)


def _formats_by_suffix(name: str) -> tuple[str | None, str | None]:
    """Return (format, compression) as the suffixes say, None where they say nothing."""
    stem, suffix = os.path.splitext(name)
    compression = COMPRESSION_SUFFIXES.get(suffix.lower())
    if compression is not None:
        suffix = os.path.splitext(stem)[1]
    return FORMAT_SUFFIXES.get(suffix.lower()), compression


def _source(path: str) -> Source:
    try:
        if path != STDIN and stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb") as file:
                prefix = _prefix(file, path)
            return _identified(path, prefix, None, os.stat(path).st_size)
        raw = open(0 if path == STDIN else path, "rb", buffering=0, closefd=path != STDIN)  # noqa: SIM115 (kept open in the source)
        prefix = _prefix(_Prefixed(b"", raw), path)
    except OSError as error:
        msg = f"cannot read {harmless(path, limit=200)}: {error.strerror or error}"
        raise MachineError(msg) from error
    source = _identified(path, prefix, io.BufferedReader(_Prefixed(prefix, raw)), None)
    return spooled(source) if source.format in BINARY_MAGIC.values() else source


def _prefix(raw: io.RawIOBase | BinaryIO, path: str) -> bytes:
    """Read enough to see what a file is; no more, for whoever writes to a pipe may be slow."""
    prefix = _read_exactly(raw, PREFIX_BYTES)
    if _by_magic(prefix, COMPRESSION_MAGIC) and _formats_by_suffix(path)[0] is None:
        prefix += _read_exactly(raw, COMPRESSED_PREFIX_BYTES)
    return prefix


def spooled(source: Source) -> Source:
    """Put a stream of a format that is read from its end into a temporary file, which lives as long as the source."""
    import shutil
    import tempfile

    spool = tempfile.NamedTemporaryFile(prefix="mrl-", suffix=f".{source.format}")  # noqa: SIM115 (lives with the source)
    shutil.copyfileobj(source.stream or io.BytesIO(), spool, 1 << 20)
    spool.flush()
    size_bytes = os.stat(spool.name).st_size
    return replace(source, path=spool.name, is_plain_file=True, size_bytes=size_bytes, stream=spool)


def _identified(path: str, prefix: bytes, stream: BinaryIO | None, size_bytes: int | None) -> Source:
    named_format, named_compression = _formats_by_suffix(path)
    compression = _by_magic(prefix, COMPRESSION_MAGIC)
    binary = _by_magic(prefix, BINARY_MAGIC)
    shown = "stdin" if path == STDIN else harmless(path, limit=200)
    if named_compression is not None and not prefix:
        raise DataError(f"{shown} is empty, which no {named_compression} file is", hint=_COPIED_WHOLE)
    foreign = _by_magic(prefix, FOREIGN_MAGIC)
    if foreign is not None:
        raise DataError(f"{shown} is {foreign}, not a format mrl reads", hint=_KNOWN)
    if named_compression != compression and prefix and (named_compression or named_format):
        found = compression or "not compressed"
        raise DataError(f"{shown} is {found}, which is not what its name says", hint="rename the file")
    if binary != named_format and prefix and (binary or named_format in BINARY_MAGIC.values()) and named_format:
        raise DataError(
            f"{shown} is {_KINDS[binary] if binary else 'not ' + _KINDS[named_format]} file, "
            "which is not what its name says",
            hint="rename the file, or check that it was copied whole",
        )
    return Source(
        name=path,
        path=path,
        format=named_format or binary or _text_format(prefix, compression),
        compression=compression,
        is_plain_file=stream is None,
        size_bytes=size_bytes,
        stream=stream,
        hive=hive_keys(path) if "=" in path else {},
    )


def _text_format(prefix: bytes, compression: str | None) -> str:
    """Return what a text without a telling suffix is, from its first bytes: JSON opens with a brace or a bracket.

    A null alone or before either is JSON too. The reader of JSON finds out whether the text is one value or a value a
    line.
    """
    if compression is not None:
        prefix = first_bytes(prefix, compression)
    text = prefix.lstrip(b"\xef\xbb\xbf \t\r\n")
    after_null = text.removeprefix(b"null").lstrip(b" \t\r\n")
    return "json" if after_null.startswith((b"{", b"[")) or (text and not after_null) else "csv"


_KINDS = {"parquet": "a Parquet", "arrow": "an Arrow"}
_COPIED_WHOLE = "check that the file was copied whole"
_KNOWN = "formats: CSV, TSV, JSON, JSON lines, Parquet, Arrow; text also as .gz .bz2 .zst .xz"


def _by_magic(prefix: bytes, magic: dict[bytes, str]) -> str | None:
    return next((name for start, name in magic.items() if prefix.startswith(start)), None)


def _read_exactly(raw: io.RawIOBase | BinaryIO, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end: a pipe hands over whatever it has."""
    parts = b""
    while len(parts) < size:
        part = raw.read(size - len(parts))
        if not part:
            break
        parts += part
    return parts


class _Prefixed(io.RawIOBase):
    """A raw stream whose first bytes were already read, to see what it is."""

    def __init__(self, prefix: bytes, rest: io.FileIO) -> None:
        super().__init__()
        self._prefix = prefix
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # typeshed's Buffer is not importable at run time
        if not self._prefix:
            # A signal that comes just before a read that blocks would wait for data that may never come.
            while sys.platform != "win32" and not select.select([self._rest], [], [], WAKE_SECONDS)[0]:
                pass
            return self._rest.readinto(buffer)
        part = self._prefix[: len(buffer)]
        buffer[: len(part)] = part
        self._prefix = self._prefix[len(part) :]
        return len(part)


class Recorded(io.RawIOBase):
    """A stream of which is kept what was read, so that it can be read again from where it stood."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._parts: list[bytes] = []

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is not importable at run time
        """Read from the stream into the buffer; return how many bytes."""
        part = self._stream.read(len(buffer))
        self._parts.append(part)
        buffer[: len(part)] = part
        return len(part)

    def from_start(self) -> BinaryIO:
        """Return a stream of what was read and of all that follows."""
        return io.BufferedReader(_Replayed(b"".join(self._parts), self._stream))


class _Replayed(io.RawIOBase):
    """Bytes at hand, then a stream."""

    def __init__(self, prefix: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._prefix = memoryview(prefix)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as above
        part = self._prefix[: len(buffer)] or self._rest.read(len(buffer))
        self._prefix = self._prefix[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._rest.close()
        super().close()
