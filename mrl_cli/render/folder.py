"""A folder of parts: empty at first, whole once it has its manifest, and as it was before when the run fails."""

from __future__ import annotations

import os
import platform
from contextlib import ExitStack, contextmanager, suppress
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from mrl_cli.errors import MachineError, MrlError, UsageError
from mrl_cli.inputs.base import MANIFEST, RUNNING
from mrl_cli.render.files import whole_file
from mrl_cli.words import harmless, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PART_PREFIX = "part-"


class PartsFolder:
    """A folder, or a prefix in a store, for the parts of one run; whoever writes a part gets a copy of this.

    While the run goes on, a file in it says so. A worker that finds none writes nothing: its folder is another one, or
    the run has ended. On this machine it stays under another name until there is the manifest: whoever is killed
    before that leaves a folder that is known to be of no use, and is written again.
    """

    def __init__(self, path: str) -> None:
        self._is_remote = "://" in path
        self._path = path if self._is_remote else os.path.join(os.path.abspath(path), "")
        self._shown = harmless(without_secrets(path), 200)
        self._running = RUNNING + token_hex(8)
        self._ended = f"{self._running}-ended"

    @contextmanager
    def held(self) -> Iterator[PartsFolder]:
        """Make the folder, or take it as it is; when the run fails, take away what was written.

        Raises UsageError for one that is not empty, and MachineError for one that cannot be written.
        """
        is_new = self._taken()
        with ExitStack() as stack:
            try:
                self._begin(stack)
                yield self
                if not self._is_remote:
                    self._remove([self._ended])
            except BaseException as error:
                try:
                    self._clear()
                except (OSError, MrlError):
                    if isinstance(error, MrlError):
                        left = f"{self._shown} has parts of a run that failed, and no {MANIFEST}"
                        error.hint = left if error.hint is None else f"{error.hint}; {left}"
                if is_new:
                    with suppress(OSError):  # a worker may be about to see that the run has ended
                        os.rmdir(self._path)
                raise

    def _begin(self, stack: ExitStack) -> None:
        """Say in the folder that the run goes on, for as long as the stack lives or this process is not killed."""
        try:
            with whole_file(self._path + self._running) as file:
                file.write(platform.node().encode())
                if not self._is_remote:
                    held = os.dup(file.fileno())
                    stack.callback(os.close, held)
                    _locks(held)
        except MachineError as error:
            error.message = error.message.replace(self._running, "")  # which is another one in each run
            raise

    @contextmanager
    def part(self, name: str) -> Iterator[BinaryIO]:
        """Open a part, which takes its name when it is whole, and the run goes on."""
        self._refuse_unless_running(name)
        try:
            with whole_file(self._path + name) as file:
                yield file
                file.flush()
                self._refuse_unless_running(name)
        except OSError as error:
            message = f"cannot write {self._shown}{name}: {error.strerror or error}"
            raise MachineError(message) from error

    def settle(self, sizes: Mapping[str, int]) -> None:
        """End the writing of parts, of which there are those of these sizes, and no others.

        Raises MachineError where one is not there.
        """
        if self._is_remote:
            self._remove([self._running])
        else:
            with suppress(FileNotFoundError):  # what is missing beside it is named below
                os.replace(self._path + self._running, self._path + self._ended)
        found = self._sizes()
        # Of spans that turned out to be read with the one before them.
        self._remove([name for name in found if _is_part(name) and name not in sizes])
        missing = next((name for name, size in sizes.items() if found.get(name) != size), None)
        if missing is not None:
            message = f"cannot write {self._shown}{missing}: it is not there as a worker has written it"
            raise MachineError(message, hint="does something else write to that folder?")

    def _refuse_unless_running(self, name: str) -> None:
        if self._is_remote:
            from mrl_cli.inputs.remote import exists

            is_running = exists(self._path + self._running)
        else:
            is_running = os.path.exists(self._path + self._running)
        if not is_running:
            message = f"cannot write {self._shown}{name}: on {platform.node()} that folder is another, or the run ended"
            raise MachineError(message, hint="write where all workers can, such as -o s3://bucket/folder/")

    def _taken(self) -> bool:
        """Make the folder where there is none; return whether that was so."""
        if self._is_remote:
            from mrl_cli.inputs.remote import refuse_unwritable

            refuse_unwritable(self._path + MANIFEST)
            is_new = False
        else:
            try:
                is_new = not os.path.isdir(self._path)
                if is_new:
                    os.mkdir(self._path)
            except OSError as error:
                self._fail(error)
        if not self._is_remote:
            self._take_over()
        if self._sizes(most=1):
            raise UsageError(f"-o {self._shown}: there is something in that folder", hint="name a new or an empty one")
        return is_new

    def _take_over(self) -> None:
        """Clear a folder that holds nothing but the parts of a run whose process was killed."""
        names = self._sizes()
        running = [name for name in names if name.startswith(RUNNING)]
        if not running or not all(map(_is_written, names.keys() - running)):
            return
        for name in running:
            with open(self._path + name, "rb+") as file:
                is_ours = file.read() == platform.node().encode()  # some file systems lock on one machine alone
                if not (is_ours and _locks(file.fileno())):
                    return
        for mark in ([], running):  # last, for this process may be killed too; and once more what a worker was at
            self._remove(mark)
            self._remove([name for name in self._sizes() if _is_written(name)])

    def _sizes(self, most: int | None = None) -> dict[str, int]:
        """Return the names in the folder and the sizes of the files, or the first of them.

        Hidden ones are left out, but for parts that a worker has not finished.
        """
        if self._is_remote:
            from mrl_cli.inputs.listing import sizes_below

            return sizes_below(self._path, most)
        try:
            with os.scandir(self._path) as entries:
                shown = (entry for entry in entries if not entry.name.startswith(".") or _is_part(entry.name))
                return {entry.name: entry.stat().st_size for entry in shown}
        except OSError as error:
            self._fail(error)

    def _remove(self, names: Sequence[str]) -> None:
        if self._is_remote and names:
            from mrl_cli.inputs.remote import remove

            remove(self._path, names)
            return
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(self._path + name)

    def _clear(self) -> None:
        # First: then no more parts are added.
        self._remove([name for name in self._sizes() if name in (self._running, self._ended)])
        self._remove([name for name in self._sizes() if _is_part(name)])

    def _fail(self, error: OSError) -> NoReturn:
        hint = "make the folder first" if isinstance(error, FileNotFoundError) else None
        raise MachineError(f"cannot write {self._shown}: {error.strerror or error}", hint=hint) from error


def _locks(descriptor: int) -> bool:
    """Lock a file until the last process that has it open so ends; return False where another one has, or none can."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _is_part(name: str) -> bool:
    """Return whether a name is that of a part, or of one that is being written."""
    return name.removeprefix(".").startswith(PART_PREFIX)


def _is_written(name: str) -> bool:
    """Return whether a name is that of something that a run writes: a part, or the manifest."""
    return name == MANIFEST or _is_part(name)
