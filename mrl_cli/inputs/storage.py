"""Where bytes are: the one place that opens, measures, maps and lists files, and stdin.

A `File` describes how to open one. It is not opened itself, so it can be sent to the process that reads it. What is
behind a URL is a `remote.Remote`, with the same methods.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from dataclasses import field
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError, UsageError
from mrl_cli.inputs.base import MANIFEST, RUNNING, STDIN
from mrl_cli.inputs.formats import FORMAT_OF_SUFFIX, named
from mrl_cli.inputs.streams import Stream, temporary
from mrl_cli.records import light_dataclass
from mrl_cli.words import closest, harmless, listed, shell_line, without_secrets

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence

    import pyarrow as pa

    from mrl_cli.inputs.base import Ranges
    from mrl_cli.inputs.remote import Remote

WAKE_SECONDS = 0.2
COPIED_BYTES = 1 << 20
# What a saved Hugging Face data set holds beside its data; and what datasets computed from it, with the same rows.
_STATE = "state.json"  # which lists the shards of a folder that has a dataset_info.json
BESIDE_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", _STATE)
COMPUTED_BESIDE = "cache-"


@light_dataclass(frozen=True, slots=True)
class File:
    """A local file, whose bytes can be read anywhere, by many; `held` is what keeps a temporary one alive.

    `stamp` is its size and time of change when it was opened, None for one that nobody else writes to.
    """

    path: str
    held: Any = field(default=None, compare=False, repr=False)
    stamp: tuple[int, int] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path

    @property
    def portable(self) -> File:
        """The file, under a path that holds in any folder."""
        return File(os.path.abspath(self.path))

    @property
    def size_bytes(self) -> int:
        """How long the file was when it was opened, or is now."""
        return os.stat(self.path).st_size if self.stamp is None else self.stamp[0]

    @property
    def has_changed(self) -> bool:
        """Whether the file is another than it was when it was opened: written to, replaced or removed."""
        try:
            return self.stamp is not None and self.stamp != _stamp_of(os.stat(self.path))
        except OSError:
            return True

    def open(self) -> io.FileIO:
        """Open the file from its start."""
        return open(self.path, "rb", buffering=0)

    def first(self, size: int) -> bytes:
        """Return the first bytes, fewer only when there are no more."""
        return self.read(0, size)

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer only at the end of the file."""
        with self.open() as file:
            file.seek(offset)
            data = file.read(size)
            while len(data) < size and (more := file.read(size - len(data))):
                data += more
        return data

    def seekable(self, ranges: Ranges | None = None) -> pa.NativeFile:
        """Open the file for Arrow, which reads ranges of it."""
        import pyarrow as pa

        del ranges  # they matter where each is asked for

        return pa.OSFile(self.path)

    def local(self) -> pa.NativeFile:
        """Open the file for Arrow, which reads of it here and there."""
        return self.seekable()

    def close(self) -> None:
        """Take a temporary file away."""
        if self.held is not None:
            self.held.close()


def _stamp_of(status: os.stat_result) -> tuple[int, int]:
    # Not the number of its inode, which some network file systems make up as they go.
    return status.st_size, status.st_mtime_ns


def find(path: str) -> File | Remote | Stream:
    """Return what a name of `paths_of` stands for: what can be opened, else, as stdin, a stream that is read once."""
    if (listed := getattr(path, "found", None)) is not None:
        found: Remote | Stream = listed()
        return found
    if path != STDIN and stat.S_ISREG((status := os.stat(path)).st_mode):
        return File(path, stamp=_stamp_of(status))
    raw = open(0 if path == STDIN else path, "rb", buffering=0, closefd=path != STDIN)  # noqa: SIM115 (the stream's)

    def more(size: int) -> bytes:
        data = None
        while data is None:
            # A signal that comes just before a read that blocks would wait for data that may never come.
            if sys.platform == "win32" or select.select([raw], [], [], WAKE_SECONDS)[0]:
                data = raw.read(size)
        return data

    return Stream(more, close=raw.close)


def spool(stream: Stream, suffix: str) -> File:
    """Put what is left of a stream into a temporary file, for formats that are read from the end."""
    held, path = temporary(suffix)
    while data := stream.read(COPIED_BYTES):
        held.write(data)
    held.flush()
    return File(path, held)


def stdin_can_be_read() -> bool:
    """Return whether stdin is a file, FIFO or socket, something that will end, and not a terminal."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def paths_of(argument: str) -> list[str]:
    """Return the paths that an argument names: itself, the data files below a folder, or what a glob matches, sorted.

    Those of a URL are `listing.Listed`. Raises UsageError where there is none.
    """
    if argument == "":
        raise UsageError("an empty name names no file")
    mode = None if argument == STDIN else _mode_of(argument)
    if mode is not None and stat.S_ISDIR(mode):
        return _files_below(argument)
    if argument == STDIN or mode is not None:
        return [argument]
    if "://" in argument:
        from mrl_cli.inputs.listing import urls_of

        return urls_of(argument, _data_names)
    import glob

    if not glob.has_magic(argument):
        raise _missing(argument)
    found = glob.glob(argument, recursive=True)
    paths = sorted(name for name in found if not os.path.isdir(name) and os.path.basename(name) != MANIFEST)
    if not paths:
        raise UsageError(f"no file matches {harmless(argument)}", hint=_where(argument))
    return paths


def _mode_of(path: str) -> int | None:
    """Return the mode of what is there, None for nothing; what cannot be looked at is the machine's error."""
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise


def _where(path: str) -> str:
    """Return what data there is where a name was looked for."""
    folder = os.path.dirname(path)
    place = harmless(folder, limit=200) if folder else "this folder"
    if not os.path.isdir(folder or os.curdir):
        return f"there is no folder {place}"
    names = [name for name in sorted(os.listdir(folder or os.curdir)) if named(name)[0] and name[0] not in "._"]
    return f"{place} holds {listed(names, most=5)}" if names else f"no file of a known format is in {place}"


def _missing(path: str) -> UsageError:
    folder, name = os.path.split(path)
    if os.path.islink(path):
        hint = "name the file itself, or make the link anew"
        return UsageError(f"{harmless(path, limit=200)} is a link that leads nowhere", hint=hint)
    siblings = os.listdir(folder or os.curdir) if os.path.isdir(folder or os.curdir) else []
    near = closest(name, siblings)
    hint = _where(path) if near is None else f"did you mean {shell_line([os.path.join(folder, near)])}?"
    return UsageError(f"no such file: {harmless(path, limit=200)}", hint=hint)


def _files_below(folder: str) -> list[str]:
    """Return the files of known suffix below a folder, but those that other tools put beside data.

    Names that begin with a dot or underscore are not data either.
    """
    from pathlib import Path  # few runs read folders

    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = (name for name in folders if not name.startswith((".", "_")))
        left = _left_behind(parent, names) if {_STATE, "dataset_info.json"} <= {*names} else set()
        names_now = (name for name in _data_names(parent, names) if named(name)[0] and name not in left)
        files += [str(Path(parent, name)) for name in names_now]
    if not files:
        msg = f"no file of a known format below {harmless(folder, limit=200)}"
        raise UsageError(msg, hint="known suffixes: " + " ".join(FORMAT_OF_SUFFIX))
    return sorted(files)


def _left_behind(folder: str, names: Sequence[str]) -> set[str]:
    """Return the shards in a folder that datasets saved in it before, and does not count to it any more.

    Raises DataError for a folder that lacks one which it counts to it.
    """
    import json

    try:
        with open(os.path.join(folder, _STATE), "rb") as file:
            listed = {str(one["filename"]) for one in json.load(file)["_data_files"]}
    except (ValueError, KeyError, TypeError):  # another's file of that name
        return set()
    if missing := sorted(name for name in listed if not os.path.exists(os.path.join(folder, name))):
        lists = f"its {_STATE} lists {harmless(missing[0], 200)}, which is not there"
        hint = "copy the folder again, with all files"
        raise DataError(f"{harmless(folder, 200)} is not whole: {lists}", hint=hint)
    return {name for name in names if name.endswith(".arrow")} - listed if listed else set()


def _data_names(folder: str, names: Sequence[str]) -> list[str]:
    """Return the names in a folder that are of data. Raises DataError for a folder of parts that is not whole."""
    if any(name.startswith(RUNNING) for name in names):
        msg = f"{harmless(without_secrets(folder), 200)} is not whole: mrl writes there, or was ended while it did"
        raise DataError(msg, hint="wait for it, or remove the folder and write it again")
    not_data = (".", "_", COMPUTED_BESIDE) if "dataset_info.json" in names else (".", "_")
    return [name for name in names if not name.startswith(not_data) and name not in BESIDE_DATA]
