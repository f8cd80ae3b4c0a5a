"""The commands of `mrl`, one module each, beside what they share.

The first line of a command's module is its name and what `mrl --help` says of it; its `command` is its click command.
"""

from __future__ import annotations

import os

from mrl_cli import modules_in

# As a newcomer wants them.
_FIRST = (
    *("compute", "rank", "sweep", "compare", "validate", "pairs", "report", "check"),
    *("losses", "schema", "docs", "help"),
)


def command_names() -> list[str]:
    """Return the names of the commands, in the order of the help, without importing any."""
    others = (name for name in modules_in(__path__[0]) if name not in _FIRST)
    return [*_FIRST, *filter(summary_of, others)]


def summary_of(name: str) -> str:
    """Return what the help says of a command; nothing where there is no such command.

    >>> summary_of("losses"), summary_of("options")
    ('The losses: formula, parameters, source.', '')
    """
    if not name.isidentifier() or not os.path.exists(path := os.path.join(__path__[0], f"{name}.py")):
        return ""
    with open(path, encoding="utf-8") as file:
        _, _, summary = file.readline().strip('"\n').partition(f"`mrl {name}`: ")
    return summary[:1].upper() + summary[1:]
