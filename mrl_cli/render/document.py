"""Pages in Markdown, laid out for a terminal by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mrl_cli.render.colors import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from mrl_cli.render.terminal import Screen

WIDEST = 100  # columns: longer lines are hard to read
_KINDS = {"h1": "head", "h2": "head", "h3": "head", "code": "command", "item.number": "quiet", "link_url": "quiet"}
_KINDS |= {"table.header": "head", "table.border": "quiet", "link": "text"}


def terminal_text(markdown: str, screen: Screen) -> str:
    """Return a page in Markdown as it is shown on a screen; a line of code is never broken, so that it can be copied.

    Rich's own colours have boxes of black behind code, on white terminals too.
    """
    from rich.markdown import CodeBlock, Markdown
    from rich.text import Text

    class Code(CodeBlock):
        def __rich_console__(self, *_: object) -> Iterator[Text]:
            lines = str(self.text).rstrip().splitlines()
            yield Text("\n".join(f"    {line}" for line in lines), no_wrap=True, overflow="ignore")

    class Page(Markdown):
        elements: ClassVar = {**Markdown.elements, "fence": Code, "code_block": Code}

    styles = {f"markdown.{name}": STYLES[kind] or "none" for name, kind in _KINDS.items()}
    narrow = screen._replace(width=min(screen.width, WIDEST))
    return narrow.drawn(Page(markdown, hyperlinks=False), styles=styles)
