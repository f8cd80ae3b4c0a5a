"""Compressed text: how it is recognised, and how it is read."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

COMPRESSION_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}
COMPRESSION_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}

CHUNK_BYTES = 1 << 18


class ByteStream(Protocol):
    """What is read here: `read(n)` returns up to n bytes, none only at the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        ...


def is_corruption(error: Exception) -> bool:
    """Tell whether this is what the libraries raise for compressed bytes that are damaged or cut off."""
    # Named, not imported: lzma is loaded for .xz alone.
    return isinstance(error, EOFError | zlib.error | OSError | ValueError) or type(error).__name__ == "LZMAError"


def decompressed(raw: BinaryIO, compression: str | None) -> ByteStream:
    """Return a stream of what `raw` holds, decompressed; None: as it is."""
    if compression is None:
        return raw
    if compression == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if compression == "bz2":
        import bz2

        return _Members(raw, bz2.BZ2Decompressor)
    if compression == "xz":
        import lzma

        return _Members(raw, lzma.LZMADecompressor)
    import pyarrow as pa  # the standard library has Zstandard from Python 3.14 on

    compressed: ByteStream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
    return compressed


class _Members:
    """One compressed member after another, each whole.

    The standard library's files take a later member that cannot be read for garbage to be ignored; here it is an error.
    """

    def __init__(self, raw: BinaryIO, make: Callable[[], Any]) -> None:
        self._raw = raw
        self._make = make
        self._member = make()
        self._waiting = b""
        self._is_fresh = True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes. Raises EOFError where the last member is cut off."""
        while True:
            if self._member.eof:
                # Members of .xz may be padded with zeros.
                self._waiting = self._member.unused_data.lstrip(b"\0")
                self._member, self._is_fresh = self._make(), True
            compressed = self._waiting
            self._waiting = b""
            if not compressed and (self._is_fresh or self._member.needs_input):
                compressed = self._raw.read(CHUNK_BYTES)
                compressed = compressed.lstrip(b"\0") if self._is_fresh else compressed
                if not compressed:
                    if self._is_fresh:
                        return b""
                    msg = "compressed data ended before the end of the stream"
                    raise EOFError(msg)
            data: bytes = self._member.decompress(compressed, size)
            self._is_fresh = False
            if data:
                return data


def first_bytes(compressed: bytes, compression: str) -> bytes:
    """Return what a compressed text begins with, none where its first bytes do not tell."""
    try:
        return decompressed(io.BytesIO(compressed), compression).read(1)
    except Exception as error:
        if not (is_corruption(error) or isinstance(error, ImportError)):
            raise
        return b""
