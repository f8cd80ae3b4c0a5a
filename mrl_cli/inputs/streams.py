"""Streams of bytes: one whose first bytes can be looked at, and text as UTF-8, decompressed and decoded."""

from __future__ import annotations

import codecs
import io
import os
import zlib
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

from mrl_cli.errors import DataError, UsageError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from mrl_cli.inputs.base import Source

COMPRESSED_BYTES = 1 << 18
REST_BYTES = 3 << 20


# What reads the next bytes: about as many as it is asked for, none only at the end.
Read = Callable[[int], bytes]


class Stream:
    """Bytes at its head, then those that `more` reads."""

    closed = False  # pyarrow asks
    encoding = "utf-8"  # of the text that is read as UTF-8 here, "utf-8-sig" with a byte order mark

    def __init__(self, more: Read, *, close: Callable[[], None] | None = None) -> None:
        self._more = more
        self._close = close
        self._head = memoryview(b"")
        self._recorded: list[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        if self._head:
            part, self._head = bytes(self._head[:size]), self._head[size:]
        else:
            part = self._more(size)
        if self._recorded is not None:
            self._recorded.append(part)
        return part

    def first(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only when there are no more, and leave them to be read."""
        parts, missing = [bytes(self._head)], size - len(self._head)
        while missing > 0 and (part := self._more(missing)):
            parts.append(part)
            missing -= len(part)
        head = b"".join(parts)
        self._head = memoryview(head)
        return head[:size]

    def rest(self) -> bytes:
        """Return all that is left."""
        return b"".join(iter(lambda: self.read(REST_BYTES), b""))

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Put back, at the end of the context, what was read within it."""
        self._recorded = []
        yield
        self._head, self._recorded = memoryview(b"".join([*self._recorded, self._head])), None

    def close(self) -> None:
        """Close what the bytes come from."""
        if self._close is not None:
            self._close()


def rewinding(source: Source) -> AbstractContextManager[None]:
    """Return a context at whose end what was read of a source within it, if that is a stream, is put back."""
    return nullcontext() if source.file is not None else source.stream.rewinding()


def temporary(suffix: str) -> tuple[BinaryIO, str]:
    """Return a temporary file, and a path by which this process can open it as often as it likes.

    On Linux it has no name in a folder, so that nothing is left when the process is killed.
    """
    import tempfile

    if os.path.exists("/proc/self/fd"):
        raw: Any = tempfile.TemporaryFile(buffering=0, prefix="mrl-")  # noqa: SIM115 (lives with what is read from it)
        unnamed = _Unnamed(raw)
        return unnamed, f"/proc/{os.getpid()}/fd/{unnamed.fileno()}"
    named: Any = tempfile.NamedTemporaryFile(prefix="mrl-", suffix=suffix)  # noqa: SIM115
    return named, named.name


class _Unnamed(io.BufferedRandom):
    """A file that is closed with the last that refers to it: a named temporary one is closed so too."""

    def __del__(self) -> None:
        self.close()


@contextmanager
def open_text(source: Source, encoding: str | None) -> Iterator[Stream]:
    """Open a source as a stream of UTF-8 bytes without a byte order mark, for as long as the context lasts.

    Raises UsageError for an unknown encoding; reading raises DataError where the bytes are corrupt or not in the
    encoding.
    """
    with nullcontext(source.stream) if source.file is None else source.file.open() as raw:
        stream = Stream(raw.read if source.compression is None else _guarded(raw.read, source))
        head = stream.first(len(codecs.BOM_UTF8) + 1)
        wanted = _encoding_of(encoding or None, head)
        if wanted != "utf-8":
            stream = Stream(_transcoded(stream.read, wanted, source, is_named=bool(encoding)))
            stream.encoding = wanted
        elif head.startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
            stream.encoding = "utf-8-sig"
        yield stream


def _encoding_of(encoding: str | None, head: bytes) -> str:
    """Return the encoding that was named, else the one of a byte order mark."""
    if encoding is None:
        if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            return "utf-32"
        return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        "".encode(encoding)  # codecs that make no text of bytes, such as base64, are refused here
        return codecs.lookup(encoding).name
    except (LookupError, UnicodeError) as error:  # one that fails for any text, as undefined does
        msg = f"unknown encoding {harmless(encoding)}"
        raise UsageError(msg, hint="for example utf-8, utf-16, latin-1, cp1252") from error


def wide_encoding(prefix: bytes) -> str | None:
    r"""Return the encoding of a text of UTF-16 without a byte order mark, by its first bytes, None for others.

    >>> wide_encoding("x1,x2,y\n".encode("utf-16-le")), wide_encoding(b"x1,x2,y\n"), wide_encoding(bytes(64))
    ('utf-16-le', None, None)
    """
    even, odd = set(prefix[0:16:2]), set(prefix[1:16:2])
    if len(prefix) < 4 or even == odd:
        return None
    return "utf-16-le" if odd == {0} else "utf-16-be" if even == {0} else None


def _transcoded(read: Read, encoding: str, source: Source, *, is_named: bool) -> Read:
    """Return what reads a text in another encoding, by the user's word or by its mark, as UTF-8, nothing at its end."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, at_end = 1, False

    def more(size: int) -> bytes:
        """Return the next piece of the text as UTF-8."""
        nonlocal line, at_end
        text = ""
        while not text and not at_end:
            chunk = read(size)
            at_end = not chunk
            try:
                text = decoder.decode(chunk, final=at_end)
            except UnicodeError as error:
                msg = f"{source.shown_name} is not {encoding}: near line {line}: {error}"
                is_wide = not is_named or encoding.startswith(("utf-16", "utf-32"))
                hint = (
                    "check that the file was copied whole"
                    if is_wide
                    else "is it in another one? e.g. --encoding latin-1"
                )
                raise DataError(msg, hint=hint) from error
            text = text.removeprefix("\ufeff") if line == 1 else text
            line += text.count("\n")
        return text.encode("utf-8", "surrogatepass")

    return more


def _guarded(read: Read, source: Source) -> Read:
    """Return what reads a compressed source; what it raises for damaged bytes becomes a DataError that names it."""
    inner = decompressed(read, source.compression or "")

    def more(size: int) -> bytes:
        """Return the next piece, at most so many bytes."""
        try:
            return inner(size)
        except Exception as error:
            if not is_corruption(error):
                raise
            reason = f"{source.compression} says: {harmless(error, 200)}"
            msg = f"{source.shown_name} is corrupt or cut off: {reason}"
            raise DataError(msg, hint="check that the file was copied whole") from error

    return more


def is_corruption(error: Exception) -> bool:
    """Return whether this is what the libraries raise for compressed bytes that are damaged or cut off."""
    # Named, not imported: lzma is loaded for .xz alone.
    return isinstance(error, EOFError | zlib.error | OSError | ValueError) or type(error).__name__ == "LZMAError"


def decompressed(read: Read, compression: str) -> Read:
    """Return what reads decompressed bytes, from what reads them compressed."""
    if compression == "bz2":
        import bz2

        return _members(read, bz2.BZ2Decompressor)
    if compression == "xz":
        import lzma

        return _members(read, lzma.LZMADecompressor)
    raw: Any = Stream(read)
    if compression == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=raw).read
    import pyarrow as pa  # the standard library has Zstandard from Python 3.14 on

    zstd: Read = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd").read
    return zstd


def _members(read: Read, decompressor: Callable[[], Any]) -> Read:
    """Return what reads one compressed member after another, each whole; it raises EOFError where the last is cut off.

    The standard library's files take a later member that cannot be read for garbage to be ignored; here it is an error.
    """
    member, is_fresh = decompressor(), True

    def more(size: int) -> bytes:
        """Return the next piece of a member, at most so many bytes."""
        nonlocal member, is_fresh
        while True:
            compressed = b""
            if member.eof:
                compressed = member.unused_data.lstrip(b"\0")  # members of .xz may be padded with zeros
                member, is_fresh = decompressor(), True
            if not compressed and (is_fresh or member.needs_input):
                compressed = read(COMPRESSED_BYTES)
                compressed = compressed.lstrip(b"\0") if is_fresh else compressed
                if not compressed:
                    if is_fresh:
                        return b""
                    raise EOFError("compressed data ended before the end of the stream")
            data: bytes = member.decompress(compressed, size)
            is_fresh = False
            if data:
                return data

    return more
