"""Whether to colour, and in which colours: one place for tables, plots, messages and the bar of progress.

Rich is not needed here: messages on stderr are painted without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What something is, and its style in the words of rich. A terminal has its own shades of the first eight colours, which
# are legible on dark and light; those of bars are two that the colour-blind tell apart.
STYLES = {
    "text": "",
    "head": "bold",
    "finding": "bold",
    "main": "bold",
    "good": "green",
    "bad": "red",
    "note": "yellow",
    "error": "bold red",
    "hint": "cyan",
    "key": "cyan",
    "quiet": "dim",
    "command": "cyan",
    "bar": "color(68)",
    "bad bar": "color(166)",
}
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def wants_color(choice: str, environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to colour: as --color asks, else as variables say, else on a terminal.

    The first that says something counts: --color always or never; NO_COLOR, if not empty, against it; CLICOLOR_FORCE,
    if neither empty nor 0, and FORCE_COLOR, if not empty, for it; TERM=dumb and CLICOLOR=0 against it; a terminal.

    >>> wants_color("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, is_terminal=True)
    False
    >>> wants_color("auto", {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, is_terminal=False)
    True
    """
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("CLICOLOR_FORCE", "0") not in ("", "0") or environment.get("FORCE_COLOR"):
        return True
    return is_terminal and environment.get("TERM") != "dumb" and environment.get("CLICOLOR") != "0"


def painted(text: str, kind: str) -> str:
    r"""Return text in the style of what it is, as a terminal reads it.

    >>> painted("hint:", "hint")
    '\x1b[36mhint:\x1b[0m'
    """
    codes = ";".join(_CODES[word] for word in STYLES[kind].split())
    return f"\x1b[{codes}m{text}\x1b[0m"
