"""Pages in Markdown, laid out for a terminal by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrl_cli.render.terminal import Screen

WIDEST = 100  # columns: longer lines are hard to read


def terminal_text(markdown: str, screen: Screen) -> str:
    """Return a page in Markdown as it is shown on a screen."""
    from rich.markdown import Markdown

    return screen._replace(width=min(screen.width, WIDEST)).drawn(Markdown(markdown, hyperlinks=False))
