"""From INPUT arguments to sources: the files and streams they name, and what each of them holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mrl_cli.errors import MachineError
from mrl_cli.inputs import storage
from mrl_cli.inputs.base import Source, shown_input
from mrl_cli.inputs.formats import FORMATS, compression_of, identified, named
from mrl_cli.inputs.partitions import hive_keys
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX_BYTES = 64
COMPRESSED_PREFIX_BYTES = 1 << 16  # enough to see what a compressed text begins with


def resolve(inputs: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources that INPUT arguments name, each argument's in sorted order.

    Raises UsageError for a path that does not exist and DataError for a file that is not of the format of its name.
    """
    return tuple(_source(path) for argument in inputs for path in storage.paths_of(argument))


def _source(path: str) -> Source:
    try:
        place = storage.find(path)
        prefix = place.first(PREFIX_BYTES)  # no more, for the writer of a pipe may be slow
        if compression_of(prefix) and named(path)[0] is None:
            prefix = place.first(PREFIX_BYTES + COMPRESSED_PREFIX_BYTES)
        size_bytes = place.size_bytes if isinstance(place, storage.File) else None
    except OSError as error:
        msg = f"cannot read {harmless(path, limit=200)}: {error.strerror or error}"
        raise MachineError(msg) from error
    format_name, compression = identified(path, prefix, shown_input(path))
    hive = hive_keys(path) if "=" in path else {}
    if isinstance(place, storage.File):
        return Source(path, format_name, compression, place, size_bytes=size_bytes, hive=hive)
    source = Source(path, format_name, compression, stream=place, hive=hive)
    return spooled(source) if FORMATS[format_name].magic else source


def spooled(source: Source) -> Source:
    """Put a stream into a temporary file, which lives as long as the source, so that it can be read more than once."""
    file = storage.spool(source.stream, f".{source.format}")
    return replace(source, file=file, stream=None, size_bytes=file.size_bytes)
