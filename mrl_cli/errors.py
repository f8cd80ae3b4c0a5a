"""What can go wrong, as exceptions that know their exit code.

A user sees one clear message: what is wrong, where, and what to do about it. Every error meant for a user is a
`MrlError`; its `exit_code` is what the shell gets, its `hint` the line that names the remedy. Signals that never
reach a user stand at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# Exit codes beside those of the exceptions: the user's Ctrl-C, and a reader of stdout that went away.
INTERRUPTED, READER_GONE, BUG = 130, 141, 70


class MrlError(Exception):
    """An error for the user: a message, perhaps a hint, and the exit code of its kind.

    `problems` are the first ones in the data, where the error is about those: each a record of file, row, column, value
    and kind, as programs get them.
    """

    exit_code = BUG

    def __init__(self, message: str, *, hint: str | None = None, problems: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = problems

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what it pickles to, on its way from a worker: not all kinds are made from their message alone."""
        return type(self).__new__, (type(self), *self.args), vars(self)


class UsageError(MrlError):
    """The call cannot be carried out as asked: an unknown name, a missing file or column (exit code 2)."""

    exit_code = 2


class DataError(MrlError):
    """The data allow no trustworthy number: a bad cell, a corrupt file, no rows (exit code 3)."""

    exit_code = 3


class MachineError(MrlError):
    """The machine failed: a file that cannot be read or written, no space, no memory (exit code 4)."""

    exit_code = 4


class MrlWarning(UserWarning):
    """A note on the data, or on what was asked for, as the Python interface gives it."""


_SAID_WITHOUT_MEMORY = (
    "can't start new thread",
    "failed to launch worker thread",
    "failed to map segment",
    "cannot allocate memory",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or the one that led to it, is what Python or a library raises when memory is short.

    A library that cannot be loaded, or a thread that cannot be started, is one: threads take memory for their stacks.
    """
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(said in text for said in _SAID_WITHOUT_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def with_hint(message: str, hint: str | None) -> str:
    """Return a message with what to do about it, if that is known."""
    return f"{message}\nhint: {hint}" if hint else message


class SuspectShardError(Exception):
    """Signal: the fast way met something in a shard that only the careful way can name."""


class ScatteredListsError(Exception):
    """Signal: rows of one ranked list stand apart, so that no list is whole before all is read."""


class QueryWeightError(Exception):
    """Signal: rows of one ranked list have different weights of the query; reading again can name them."""


class UnsplittableTextError(Exception):
    """Signal: a text that was being split at line ends holds quotes, so rows may span lines from here on."""


class UnknownLineError(Exception):
    """Signal: a line has to be named, and the lines before the span that it stands in are counted elsewhere."""
