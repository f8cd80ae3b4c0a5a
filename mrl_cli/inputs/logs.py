"""Training logs: their rows hold means of batches, which are pairs only where the user names them as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.errors import DataError
from mrl_cli.inputs.kinds import LOG, kind_of, logged_means
from mrl_cli.words import shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEANS = "the loss of means is not the mean of the losses"


def refuse_log(names: Sequence[str], place: str) -> None:
    """Raise DataError where columns of these names are a log, whatever numbers they hold.

    >>> refuse_log(["x1", "x2", "y", "step"], "pairs.csv")
    """
    rows = kind_of(dict.fromkeys(names, (0.5,)))
    if rows.kind != LOG:
        return
    message = f"{place} holds no pairs: {rows.reason}"
    hint = f"{_MEANS}: read the scores of each pair"
    for x1 in names:
        x2 = x1.replace("rewards/chosen", "rewards/rejected")
        if x2 != x1 and x2 in names:
            line = shell_line(["--x1", x1, "--x2", x2, "--y-const", "1"])
            raise DataError(message, hint=f"{hint}; for the loss of the means all the same, {line}")
    raise DataError(message, hint=hint)


def note_on_log(names: Sequence[str], wanted: Sequence[str], place: str) -> str | None:
    """Return what to say of columns of these names where those wanted are means of batches, None where they are not.

    >>> note_on_log(["rewards/chosen", "rewards/rejected", "step"], ["x1"], "log.csv")
    """
    reason = logged_means(names) if may_be_logged(wanted) else None
    return None if reason is None else f"{place}: {reason}; {_MEANS}"


def may_be_logged(names: Sequence[str]) -> bool:
    """Return whether a trainer may have logged something under one of these names; a path is part of its names.

    >>> may_be_logged(["x1", "x2"]), may_be_logged(["rewards/chosen"])
    (False, True)
    """
    return any("/" in name for name in names)
