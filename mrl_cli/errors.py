"""What can go wrong, as exceptions that know their exit code.

A user sees one clear message: what is wrong, where, and what to do about it. Every error meant for a user is a
`MrlError`; its `exit_code` is what the shell gets, its `hint` the line that tells what to do. Two signals that never
reach a user stand at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN_CHARACTERS = 60


class MrlError(Exception):
    """An error for the user: a message, perhaps a hint, and the exit code of its kind."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MrlError):
    """The call cannot be carried out as asked: an unknown name, a missing file or column (exit code 2)."""

    exit_code = 2


class DataError(MrlError):
    """The data allow no trustworthy number: a bad cell, a corrupt file, no rows (exit code 3)."""

    exit_code = 3


class MachineError(MrlError):
    """The machine failed: a file that cannot be read or written, no space, no memory (exit code 4)."""

    exit_code = 4


class SuspectShardError(Exception):
    """Signal: the fast way met something in a shard that only the careful way can name."""


class UnsplittableTextError(Exception):
    """Signal: quotes were found in a text that was being split at line ends, so rows may span lines from here on."""


def harmless(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    r"""Return text from a file as it may be shown to a person: no control sequences, not endless.

    Whatever does not print (escape and other control characters, bidirectional overrides, lone surrogates) becomes
    its escape sequence.

    >>> harmless("a\x1b[31mb")
    'a\\x1b[31mb'
    >>> harmless("x" * 100, limit=5)
    'xxxxx…'
    """
    shown = str(text)
    cut = shown[:limit]
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in cut)
    return clean if len(shown) <= limit else clean + "…"


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that a user who wrote `name` most probably meant, or None.

    >>> closest("marginranking", ["margin_ranking", "logistic"])
    'margin_ranking'
    """
    candidates = list(names)
    for candidate in candidates:
        if candidate.strip().casefold() == name.strip().casefold():
            return candidate
    import difflib

    found = difflib.get_close_matches(name, candidates, n=1)
    return found[0] if found else None
