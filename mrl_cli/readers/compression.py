"""Compressed text: how it is recognised, and how it is read."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO, Protocol

COMPRESSION_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}
COMPRESSION_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}

# What the standard library and Arrow raise for compressed bytes that are damaged or cut off (and lzma.LZMAError).
CORRUPT_STREAM_ERRORS = (EOFError, zlib.error, OSError, ValueError)


class ByteStream(Protocol):
    """What is read here: `read(n)` returns up to n bytes, none only at the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        ...


def decompressed(raw: BinaryIO, compression: str | None) -> ByteStream:
    """Return a stream of what `raw` holds, decompressed; None: as it is."""
    if compression is None:
        return raw
    if compression == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if compression == "bz2":
        import bz2

        return bz2.BZ2File(raw)
    if compression == "xz":
        import lzma

        return lzma.LZMAFile(raw)
    import pyarrow as pa  # the standard library has Zstandard from Python 3.14 on

    compressed: ByteStream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
    return compressed


def first_bytes(compressed: bytes, compression: str) -> bytes:
    """Return what a compressed text begins with, none where its first bytes do not tell."""
    try:
        return decompressed(io.BytesIO(compressed), compression).read(1)
    except (*CORRUPT_STREAM_ERRORS, ImportError):
        return b""
    except Exception as error:
        if type(error).__name__ != "LZMAError":
            raise
        return b""
