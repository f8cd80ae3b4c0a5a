"""Pages in Markdown, laid out for a terminal by rich."""

from __future__ import annotations

import io

WIDEST = 100  # columns: longer lines are hard to read


def terminal_text(markdown: str, *, width: int) -> str:
    """Return a page in Markdown as it is shown on a terminal of that width; NO_COLOR is honoured."""
    from rich.console import Console
    from rich.markdown import Markdown

    text = io.StringIO()
    Console(file=text, width=min(width, WIDEST), force_terminal=True).print(Markdown(markdown, hyperlinks=False))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
