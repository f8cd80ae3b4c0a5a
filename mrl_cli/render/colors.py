"""Whether to colour, and in which colours: one place for tables, plots, messages and the bar of progress.

Rich is not needed here: messages on stderr are painted without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What something is, and its style in the words of rich. The shades are fixed ones that stand out on white and on black
# alike: the first eight colours are what a terminal makes of them, and its cyan or yellow on white is often illegible.
# Those of bars are two that the colour-blind tell apart.
STYLES = {
    "text": "",
    "head": "bold",
    "finding": "bold",
    "main": "bold",
    "good": "color(28)",
    "bad": "color(160)",
    "note": "color(130)",
    "error": "bold color(160)",
    "hint": "color(31)",
    "key": "color(31)",
    "quiet": "dim",
    "command": "color(31)",
    "bar": "color(68)",
    "bad bar": "color(166)",
}
_CODES = {"bold": "1", "dim": "2"}


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
    '\x1b[38;5;31mhint:\x1b[0m'
    """
    codes = ";".join(_CODES.get(word) or f"38;5;{word[6:-1]}" for word in STYLES[kind].split())
    return f"\x1b[{codes}m{text}\x1b[0m"
