"""Where text is drawn for a person: how wide and high that is, its colours and its encoding."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

_PLAIN = str.maketrans("−…·●◇│┤└─┬◂▸┊", "-~|ox|++-+<>:")


def terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal: as COLUMNS and LINES say, else its own, else 80 and 24.

    As `shutil.get_terminal_size`, whose module takes longer to import than a small file to read.
    """
    sizes = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
    said = [int(size) if size.isdecimal() else 0 for size in sizes]
    own: tuple[int, ...] = ()
    if 0 in said:
        try:
            own = os.get_terminal_size(sys.__stdout__.fileno())  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):  # stdout is closed, or no terminal
            own = 0, 0
    columns, lines = (one or two or usual for one, two, usual in zip(said, own or (0, 0), (80, 24), strict=True))
    return columns, lines


def prepare() -> None:
    """Load what rich draws tables with, which takes a tenth of a second."""
    from rich.table import Table

    Screen().drawn(Table("a column…"))  # how wide signs beyond ASCII are is loaded too


class Screen(NamedTuple):
    """A place of so many columns, and of so many lines where it is a terminal; `is_full`: all digits and all rows."""

    width: int = 80
    height: int | None = None
    color: bool = False
    encoding: str = "utf-8"
    is_full: bool = False

    @property
    def has_signs(self) -> bool:
        """Whether more than ASCII is legible: what is printed is UTF-8.

        >>> Screen(encoding="latin-1").has_signs, Screen().has_signs
        (False, True)
        """
        return self.encoding.lower().startswith("utf")

    def shown(self, text: str) -> str:
        """Return text in signs that the encoding has: names from files may hold anything.

        >>> Screen(encoding="ascii").shown("a…é"), Screen().shown("a…é")
        ('a~?', 'a…é')
        """
        return text if self.has_signs else text.translate(_PLAIN).encode("ascii", "replace").decode()

    def drawn(self, *things: RenderableType, styles: Mapping[str, str] | None = None) -> str:
        """Return what rich draws of things below another, without blanks at the ends of lines; `styles` are further."""
        from rich.console import Console
        from rich.theme import Theme

        text = io.StringIO()
        console = Console(
            file=text,
            width=self.width,
            force_terminal=self.color,
            no_color=not self.color,
            color_system="256" if self.color else None,
            highlight=False,
            theme=Theme(dict(styles or {})),
        )
        for thing in things:
            console.print(thing, crop=False)
        return self.shown("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))
