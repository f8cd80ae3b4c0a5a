"""From INPUT arguments to sources: the files and streams they name, and what each of them holds."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MachineError
from mrl_cli.inputs import storage
from mrl_cli.inputs.formats import FORMATS, compression_of, identified, named
from mrl_cli.inputs.partitions import hive_keys
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX_BYTES = 64
COMPRESSED_PREFIX_BYTES = 1 << 16  # enough to see what a compressed text begins with


@light_dataclass(frozen=True, slots=True)
class Source:
    """One input: the `name` a user knows it by, where its bytes are, and what it holds.

    `format` is a name in FORMATS; `compression` one of COMPRESSIONS or None. Its bytes are in a `file`, a
    `storage.File`, or come once from an opened `stream`. `hive` are the columns that its path says. With `scores`, an
    `inputs.partitions.Scores`, x1 and x2 are rows of them.
    """

    name: str
    format: str
    compression: str | None = None
    file: Any = None
    stream: Any = field(default=None, compare=False)
    size_bytes: int | None = None
    hive: dict[str, str] = field(default_factory=dict)
    scores: Any = field(default=None, compare=False, repr=False)

    @property
    def is_plain_file(self) -> bool:
        """Whether the bytes can be read anywhere, by many."""
        return self.file is not None

    @property
    def path(self) -> str:
        """The path of its file, else its name."""
        return str(self.name if self.file is None else self.file.path)

    @property
    def shown_name(self) -> str:
        """The name for a message: no control characters, "stdin" for the dash."""
        return _shown(self.name)

    def close(self) -> None:
        """Close the stream, or take a temporary file away."""
        for opened in (self.stream, self.file):
            if opened is not None:
                opened.close()


def _shown(name: str) -> str:
    return "stdin" if name == storage.STDIN else harmless(name, limit=200)


def resolve(inputs: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources that INPUT arguments name, each argument's in sorted order.

    Raises UsageError for what does not exist and DataError for what is not the format its name says.
    """
    return tuple(_source(path) for argument in inputs for path in storage.paths_of(argument))


def _source(path: str) -> Source:
    try:
        place = storage.find(path)
        prefix = place.first(PREFIX_BYTES)  # no more, for whoever writes to a pipe may be slow
        if compression_of(prefix) and named(path)[0] is None:
            prefix = place.first(PREFIX_BYTES + COMPRESSED_PREFIX_BYTES)
        size_bytes = place.size_bytes if isinstance(place, storage.File) else None
    except OSError as error:
        msg = f"cannot read {harmless(path, limit=200)}: {error.strerror or error}"
        raise MachineError(msg) from error
    found, compression = identified(path, prefix, _shown(path))
    hive = hive_keys(path) if "=" in path else {}
    if isinstance(place, storage.File):
        return Source(path, found, compression, place, size_bytes=size_bytes, hive=hive)
    source = Source(path, found, compression, stream=place, hive=hive)
    return spooled(source) if FORMATS[found].magic else source


def spooled(source: Source) -> Source:
    """Put a stream into a temporary file, which lives as long as the source, so that it can be read more than once."""
    file = storage.spool(source.stream, f".{source.format}")
    return replace(source, file=file, stream=None, size_bytes=file.size_bytes)
