"""Objects behind URLs, read by ranges: the classes beside `storage.File`, and the names that URLs stand for.

An object is asked for in blocks that are shared by all who read it, or, of Parquet, as the ranges of its columns. Size
and ETag are held from opening to the end: an answer of another object is an error.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from mrl_cli.errors import MachineError, UsageError
from mrl_cli.inputs.formats import named
from mrl_cli.inputs.stores import CHANGED, CUT, KINDS, FaultError, address_of, asked, pool, require_extra
from mrl_cli.inputs.streams import Stream, temporary
from mrl_cli.runtime import core_count
from mrl_cli.words import harmless, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    import pyarrow as pa
    from obstore import GetOptions

    from mrl_cli.inputs.base import Ranges

ENDS_BYTES = 1 << 16  # of the first block, and of the tail, which is what pyarrow asks for of Parquet
# The first two blocks are shorter: some look at the first bytes alone, some at the first MiB.
FIRST_BYTES, BLOCK_BYTES = ENDS_BYTES + (1 << 20), 4 << 20
COPIED_BYTES = 1 << 20
BLOCKS_AHEAD = 3  # asked for before they are read
# What is held of the columns of a row group, at most: all ranges together, and of each the piece being read.
PIECES_BYTES, LARGEST_PIECE, SMALLEST_PIECE = 32 << 20, 8 << 20, 1 << 20
GAP_SHARE = 20  # ranges are asked for together where what lies between is at most 1/20 of them
CHUNK_BYTES = 1 << 18  # of an object that comes as a whole
NO_TIME = datetime.fromtimestamp(0, UTC)  # obstore's, where a server gives none


class Remote:
    """An object behind a URL, whose bytes can be read anywhere, by many.

    It was `size_bytes` long with ETag `tag` (its time where the store gives none, "" without either) when it was
    opened. It pickles to these three.
    """

    has_changed = False  # each answer is of the object as it was opened

    def __init__(self, url: str, size_bytes: int, tag: str = "") -> None:
        self.url = url
        self.size_bytes = size_bytes
        self.tag = tag
        self._copy: Any = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Remote, (self.url, self.size_bytes, self.tag)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    @property
    def name(self) -> str:
        """The URL as it may be printed."""
        return without_secrets(self.url)

    @property
    def portable(self) -> Remote:
        """The object itself: its URL holds anywhere."""
        return self

    def probe(self) -> None:
        """Ask for a range that is read anyway. Raises NoRangesError where the server sends none."""
        if named(self.name)[0] == "parquet":
            _Ranges(self).read(max(0, self.size_bytes - 1), 1)
        else:
            self.first(1)

    def first(self, size: int) -> bytes:
        """Return the first bytes, fewer only when there are no more."""
        return self.read(0, size)

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer only at the end of the object; what follows is asked for ahead."""
        stop = min(offset + size, self.size_bytes)
        if offset >= stop:
            return b""
        first, last = _block_at(offset), _block_at(stop - 1)
        blocks = [_BLOCKS.ask(self, place) for place in range(first, last + 1)]
        if last > 2:  # what only looks at the rows of the first block is no further than that
            for place in range(last + 1, min(last + BLOCKS_AHEAD, _block_at(self.size_bytes - 1)) + 1):
                _BLOCKS.ask(self, place)
        starts = (_span(place)[0] for place in range(first, last + 1))
        return b"".join(
            memoryview(block.result())[max(offset - start, 0) : stop - start]
            for start, block in zip(starts, blocks, strict=True)
        )

    def open(self) -> io.RawIOBase:
        """Open the object from its start."""
        return _Opened(self.read, self.size_bytes)

    def seekable(self, ranges: Ranges | None = None) -> pa.PythonFile:
        """Open the object for Arrow; what `ranges` returns when it begins to read is asked for ahead."""
        import pyarrow as pa

        return pa.PythonFile(_Opened(_Ranges(self, ranges).read, self.size_bytes), "r")

    def local(self) -> pa.NativeFile:
        """Open a copy of the object for Arrow, which reads of it here and there; the copy lives as long as this."""
        import pyarrow as pa

        with self._lock:
            if self._copy is None:
                import shutil

                self._copy, self._path = temporary(".arrow")
                with self.open() as raw:
                    shutil.copyfileobj(raw, self._copy, COPIED_BYTES)
                self._copy.flush()
            return pa.OSFile(self._path)

    def fetched(self, start: int, stop: int) -> Any:
        """Return the bytes from `start` to `stop` of the object as it was opened."""

        def got(client: Any, key: str) -> Any:
            """Return the bytes, of that version alone."""
            import obstore

            options: GetOptions = {"range": (start, stop)}
            if self.tag.startswith('"'):  # a weak one matches nothing
                options["if_match"] = self.tag
            found = obstore.get(client, key, options=options)
            tag = _tag_of(found.meta)
            if found.meta["size"] != self.size_bytes or (tag and self.tag and tag != self.tag):
                raise FaultError(CHANGED)
            data = found.bytes()
            if found.range != (start, stop) or len(data) != stop - start:
                raise FaultError(CUT)
            return data

        return asked(self.url, got, is_known=True)

    def close(self) -> None:
        """Take what is held of the object away."""
        _BLOCKS.forget(self)
        if self._copy is not None:
            self._copy.close()


def opened(url: str) -> Remote:
    """Return the object at a URL. Raises UsageError where there is none and MachineError where the store fails."""
    import obstore

    try:
        return object_of(url, asked(url, obstore.head))
    except MachineError:
        if KINDS[url.partition("://")[0].lower()] != "http":
            raise
        # A signature may be for GET alone, and some servers know no HEAD.
        return object_of(url, asked(url, lambda client, key: obstore.get(client, key).meta))


def object_of(url: str, meta: Any) -> Remote:
    """Return the object at a URL of which obstore says this."""
    return Remote(url, meta["size"], _tag_of(meta))


def whole(place: Remote) -> Stream:
    """Return an object as a stream, for servers that send no ranges: what breaks off cannot be taken up again."""
    from obstore.exceptions import BaseError

    def begun(client: Any, key: str) -> Any:
        import obstore

        found = obstore.get(client, key)
        return found.meta["size"], found.stream(CHUNK_BYTES)

    size, parts = asked(place.url, begun, is_known=True)
    left, held = size, b""

    def more(wanted: int) -> bytes:
        nonlocal left, held
        if not held:
            try:
                held = pool().submit(next, parts, b"").result()
            except BaseError:
                raise _broken_off(place) from None
            left -= len(held)
            if (not held and left) or left < 0:
                raise _broken_off(place)
        part, held = held[:wanted], held[wanted:]
        return part

    return Stream(more)


def _broken_off(place: Remote) -> MachineError:
    """Return the error of an object that came as a whole, and broke off."""
    message = f"cannot read {harmless(place.name, 200)}: the connection was cut, and the server sends no ranges"
    return MachineError(message, hint="run again, or download the file first")


def refuse_unwritable(url: str) -> None:
    """Raise UsageError for a URL that nothing can be written to."""
    address = address_of(url)
    require_extra(url, "write")
    if address.kind in ("http", "hf") or not address.key or url.endswith("/"):
        message = f"cannot write {harmless(without_secrets(url), 200)}: it names no object in a bucket"
        raise UsageError(message, hint="for example -o s3://bucket/name.json")


def exists(url: str) -> bool:
    """Return whether there is an object at a URL."""
    try:
        opened(url)
    except UsageError:
        return False
    return True


def remove(folder: str, names: Iterable[str]) -> None:
    """Take away objects of these names at the URL of a folder, which ends with a slash."""

    def deleted(client: Any, key: str) -> None:
        import obstore

        obstore.delete(client, [key + name for name in names])

    asked(folder, deleted, doing="write")


def send(file: IO[bytes], url: str) -> None:
    """Put a file where a URL names, whole or not at all: large ones in parts, which become one object at the end."""

    def put(client: Any, key: str) -> None:
        import obstore

        file.seek(0)
        obstore.put(client, key, file)

    file.flush()
    asked(url, put, doing="write")


def _tag_of(meta: Any) -> str:
    """Return the ETag in quotes, which some listings leave away, else the time."""
    tag = meta["e_tag"]
    if tag:
        return str(tag) if tag.startswith(('"', "W/")) else f'"{tag}"'
    return "" if meta["last_modified"] == NO_TIME else meta["last_modified"].isoformat()


def _block_at(offset: int) -> int:
    """Return the number of the block that holds a byte."""
    if offset < FIRST_BYTES:
        return 0 if offset < ENDS_BYTES else 1
    return 2 + (offset - FIRST_BYTES) // BLOCK_BYTES


def _span(block: int) -> tuple[int, int]:
    """Return where a block begins, and where it ends if the object does not before."""
    if block < 2:
        return (0, ENDS_BYTES) if block == 0 else (ENDS_BYTES, FIRST_BYTES)
    start = FIRST_BYTES + (block - 2) * BLOCK_BYTES
    return start, start + BLOCK_BYTES


class _Blocks:
    """The blocks that were asked for last, of all objects, each under way or here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks: OrderedDict[tuple[Remote, int], Future[Any]] = OrderedDict()
        self._most = 3 + BLOCKS_AHEAD + 2 * core_count()  # shards under way, and what is read ahead of them

    def ask(self, place: Remote, block: int) -> Future[Any]:
        """Return a block, which is -1 for the tail; one that could not be had is asked for again."""
        key = (place, block)
        start, stop = _span(block) if block >= 0 else (max(0, place.size_bytes - ENDS_BYTES), place.size_bytes)
        with self._lock:
            known = self._blocks.get(key)
            if known is None or (known.done() and known.exception() is not None):
                known = pool().submit(place.fetched, start, min(stop, place.size_bytes))
                self._blocks[key] = known
            self._blocks.move_to_end(key)
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
        return known

    def forget(self, place: Remote) -> None:
        """Drop the blocks of an object."""
        with self._lock:
            for key in [key for key in self._blocks if key[0] == place]:
                del self._blocks[key]


_BLOCKS = _Blocks()
_TAIL = -1


class _Opened(io.RawIOBase):
    """A file whose bytes `read` returns, given offset and size."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read, self._size, self._at = read, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._read(self._at, self._size if size is None or size < 0 else size)
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Ranges:
    """The bytes of ranges of an object, which are read from start to end each, and its tail.

    Anything else is asked for as it is read.
    """

    def __init__(self, place: Remote, ranges: Ranges | None = None) -> None:
        self._place, self._ranges = place, ranges
        self._tail = max(0, place.size_bytes - ENDS_BYTES)
        self._pieces: list[_Pieces] | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer only at the end of the object."""
        stop, parts = min(offset + size, self._place.size_bytes), []
        while offset < stop:
            start, data = self._around(offset, stop)
            part = bytes(memoryview(data)[offset - start : stop - start])
            parts.append(part)
            offset += len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def _around(self, offset: int, stop: int) -> tuple[int, Any]:
        """Return bytes that hold the one at `offset`, and where they begin."""
        if offset >= self._tail:
            return self._tail, _BLOCKS.ask(self._place, _TAIL).result()
        if self._pieces is None and self._ranges is not None:
            self._pieces = self._begun(self._ranges())
        for pieces in self._pieces or ():
            if pieces.start <= offset < pieces.stop:
                return pieces.around(offset)
        stop = min(stop, self._tail)
        return offset, pool().submit(self._place.fetched, offset, stop).result()

    def _begun(self, ranges: Sequence[tuple[int, int]]) -> list[_Pieces]:
        """Join ranges that are near each other where all can be held, and ask for the first piece of each."""
        ranges = sorted((start, min(stop, self._tail)) for start, stop in ranges if start < self._tail)
        may_join = sum(stop - start for start, stop in ranges) <= PIECES_BYTES
        joined: list[tuple[int, int, int]] = []  # start, stop, and how many ranges
        for start, stop in ranges:
            first, last, count = joined[-1] if joined else (0, 0, 0)
            is_near = may_join and (start - last) * GAP_SHARE <= stop - first <= LARGEST_PIECE
            joined[-1:] = [(first, stop, count + 1)] if count and is_near else [*joined[-1:], (start, stop, 1)]
        size = min(LARGEST_PIECE, max(SMALLEST_PIECE, PIECES_BYTES // (2 * max(1, len(joined)))))
        is_ahead = 2 * size * len(joined) <= PIECES_BYTES
        return [
            _Pieces(self._place, start, stop, size if count == 1 else stop - start, is_ahead=is_ahead)
            for start, stop, count in joined
        ]


class _Pieces:
    """A range of an object in pieces, of which the one being read and the next are held."""

    def __init__(self, place: Remote, start: int, stop: int, size: int, *, is_ahead: bool) -> None:
        self.start, self.stop = start, stop
        self._place, self._size, self._is_ahead = place, size, is_ahead
        self._held: dict[int, Future[Any]] = {}
        if is_ahead:
            self._ask(start)

    def around(self, offset: int) -> tuple[int, Any]:
        """Return the piece that holds a byte, and where it begins."""
        start = offset - (offset - self.start) % self._size
        self._held = {at: piece for at, piece in self._held.items() if at >= start}
        self._ask(start)
        if self._is_ahead:
            self._ask(start + self._size)
        return start, self._held[start].result()

    def _ask(self, start: int) -> None:
        if start < self.stop and start not in self._held:
            stop = min(start + self._size, self.stop)
            self._held[start] = pool().submit(self._place.fetched, start, stop)
