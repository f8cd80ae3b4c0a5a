"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from mrl_cli.errors import MachineError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTORS = "/proc/self/fd"


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when everything was written; before that, nothing changes.

    What is behind a URL is sent then, from a temporary file. Devices, FIFOs and what is already open (/dev/stdout,
    /dev/fd/3) are written to directly. Raises MachineError when the place cannot be written, and UsageError for a URL
    that names no object in a bucket.
    """
    if "://" in path:
        import tempfile  # few runs write into a store

        from mrl_cli.inputs.remote import refuse_unwritable, send

        refuse_unwritable(path)
        with tempfile.TemporaryFile(prefix="mrl-") as held:
            yield held
            send(held, path)
        return
    try:
        target = os.path.realpath(path)
        # A device or pipe may have no real path (/dev/stdout), so it is asked for by the name given.
        descriptor = _open_descriptor(path)
        if descriptor is not None:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                yield file
            return
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            with open(path, "wb") as device:
                yield device
            return
        with _temporary_beside(target) as file:
            yield file
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        hint = "nothing was changed" if os.path.exists(os.path.dirname(path) or ".") else "make the folder first"
        raise MachineError(f"cannot write {harmless(path, limit=200)}: {error.strerror or error}", hint=hint) from error


def _open_descriptor(path: str) -> int | None:
    """Return the descriptor that a name such as /dev/stdout means, None for any other name.

    Such a file goes on where it is: renamed over or cut off, what others write to it would be lost.

    >>> _open_descriptor("/dev/stdout"), _open_descriptor("/dev/fd/3"), _open_descriptor("out.csv")
    (1, 3, None)
    """
    name = os.path.abspath(path)
    number = {"/dev/stdout": "1", "/dev/stderr": "2"}.get(name, name.removeprefix("/dev/fd/"))
    return int(number) if number.isdecimal() else None


@contextmanager
def _temporary_beside(target: str) -> Iterator[BinaryIO]:
    folder, name = os.path.split(target)
    name = os.path.join(folder, f".{name[:80]}.{os.urandom(4).hex()}.tmp")
    descriptor, is_named = _created(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.chmod(descriptor if os.chmod in os.supports_fd else name, _mode_for(target))
            os.fsync(descriptor)
            if not is_named:  # by a descriptor of some folder, for only then does Python follow the link to the file
                os.link(f"{_DESCRIPTORS}/{descriptor}", name, src_dir_fd=descriptor)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _created(name: str) -> tuple[int, bool]:
    """Create a file and return its descriptor, and whether it has its name already.

    Where the file system can, it has none: when this process is killed, nothing is left of it.
    """
    if os.path.exists(_DESCRIPTORS):
        with suppress(OSError):
            return os.open(os.path.dirname(name), getattr(os, "O_TMPFILE", 0) | os.O_WRONLY, 0o600), False
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600), True


def _mode_for(target: str) -> int:
    """Return the mode of the file to be replaced, or what the umask gives a new one (mkstemp's is private)."""
    if os.path.exists(target):
        return stat.S_IMODE(os.stat(target).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
