"""Rows out as parts of a folder: the worker of a task writes a file of its own, and sends back what it has written."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.rows import RowWriter, writer_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from mrl_cli.reductions.measured import Measured

    Opened: TypeAlias = Callable[[str], AbstractContextManager[BinaryIO]]


class WrittenPart(NamedTuple):
    """A file of a folder of parts: its name, and how many rows and bytes it has; none of either where there is none.

    `heads` are those of its rows, and of batches without rows: of all parts they must be one.
    """

    name: str
    rows: int
    size_bytes: int
    heads: list[Any]


class PartsReduction(Reduction["list[Any]", "list[WrittenPart]"]):
    """Writes a row for each pair used, those of a task to a file.

    The state of a shard is its encoded rows, each batch of them with their number; that of a task is a list of a
    WrittenPart. `opened` opens a file by its name that appears whole or not at all, wherever the worker is, and is left
    as a context manager. `suffix` is that of the `file_format`; `bare`: numbers only, no header.
    """

    state = list
    needs = frozenset(("losses",))
    holds_pairs = True
    joins = True
    writes_parts = True

    def __init__(self, file_format: str, suffix: str, opened: Opened, *, bare: bool) -> None:
        self._format, self._suffix, self._opened, self._bare = file_format, suffix, opened, bare
        self._writer = self._new_writer(None)

    def _new_writer(self, out: Any) -> RowWriter:
        return writer_for(self._format, out, bare=self._bare)

    def add(self, state: list[Any], measured: Measured) -> list[Any]:
        """Encode the rows of a batch."""
        state.append((measured.pairs.size, self._writer.encode(measured)))
        return state

    def merge(self, whole: list[WrittenPart], state: list[WrittenPart], _part: Any) -> list[WrittenPart]:
        """Add the file of a task. Raises DataError where its columns are other than those of the files before."""
        for written in state:
            for head in written.heads:
                self._writer.meet(head)
            whole += [written] if written.rows else []
        return whole

    def sink(self, name: str) -> PartFile:
        """Return the file of a task."""
        return PartFile(f"part-{name}{self._suffix}", self._opened, self._new_writer)

    def close(self) -> None:
        """Close nothing: workers have."""


class PartFile:
    """The file of a task, which is opened for its first rows, and takes its name when it has ended."""

    def __init__(self, name: str, opened: Opened, new_writer: Callable[[BinaryIO], RowWriter]) -> None:
        self._name, self._opened, self._new_writer = name, opened, new_writer
        self._context: AbstractContextManager[BinaryIO] | None = None
        self._heads: list[Any] = []
        self._rows = 0

    def take(self, state: list[Any]) -> list[Any]:
        """Write the rows of a shard; return what is left of its state. Raises MachineError where that fails."""
        for rows, encoded in state:
            if encoded[0] not in self._heads:
                self._heads.append(encoded[0])
            if not rows:
                continue
            if self._context is None:
                self._open()
            self._rows += rows
            try:
                self._writer.write(encoded)
            except OSError as error:
                self._fail(error)
        return []

    def end(self) -> list[WrittenPart]:
        """Give the file its name; return the state of the task."""
        size = 0
        if self._context is not None:
            try:
                self._writer.close()
                size = self._out.tell()
            except OSError as error:
                self._fail(error)
            context, self._context = self._context, None
            context.__exit__(None, None, None)
        return [WrittenPart(self._name, self._rows, size, self._heads)] if self._heads else []

    def drop(self) -> None:
        """Throw away what has not ended."""
        self._leave(_DroppedError())

    def _open(self) -> None:
        context = self._opened(self._name)
        self._out = context.__enter__()
        self._context, self._writer = context, self._new_writer(self._out)

    def _fail(self, error: OSError) -> NoReturn:
        self._leave(error)
        raise error

    def _leave(self, error: Exception) -> None:
        """Leave what opened the file with an error, for which it may raise another."""
        context, self._context = self._context, None
        if context is not None:
            with suppress(OSError):  # it may be full
                self._writer.close()  # what is open in a file must not outlive it
            context.__exit__(type(error), error, None)


class _DroppedError(Exception):
    """Signal: what is being written is to be thrown away."""
