"""Markdown: the report's blocks with all digits, an empty line around tables; what stands in them is never markup."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from mrl_cli.reports.base import Line, Report, Table
from mrl_cli.reports.cells import full_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SUFFIXES = (".md",)
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Of these: a backslash that would escape what follows; emphasis, but not within a word; code; the target of a link.
_MARKUP = re.compile(r"""\\(?=[!-/:-@[-`{-~])|[*`~]|(?<![^\W_])_+|_+(?![^\W_])|(?<=])\(""")


def render(report: Report, *_: object) -> str:
    """Return the blocks."""
    return "\n".join(chain.from_iterable(map(_texts, report.blocks())))


def _texts(block: Line | Table) -> Iterator[str]:
    if isinstance(block, Line):
        yield f"{as_text(block.text)}\n"
        return
    if block.title:
        yield f"**{as_text(block.title)}**\n"
    yield table_text(block, as_text)


def as_text(text: str) -> str:
    r"""Return Markdown that is shown as this text: without HTML, emphasis, code and links.

    >>> as_text("<b>a_b</b> & *c* [d](e)")
    '&lt;b&gt;a_b&lt;/b&gt; &amp; \\*c\\* [d]\\(e)'
    """
    marked = _MARKUP.sub(lambda met: "".join(f"\\{character}" for character in met[0]), text)
    return marked.translate(_ENTITIES)


def table_text(table: Table, shown: Callable[[str], str] = str) -> str:
    """Return a table, without its title; `shown` returns the Markdown of a text, which is Markdown where not given."""
    rule = ["---"] * (len(table.names) - table.numbers) + ["---:"] * table.numbers
    rows = ([shown(text).replace("|", "\\|") for text in row] for row in chain([table.names], _rows(table)))
    return "".join(f"| {' | '.join(row)} |\n" for row in chain([next(rows), rule], rows))


def _rows(table: Table) -> Iterator[Iterable[str]]:
    for row in chain(filter(None, table.rows), [] if table.total is None else [table.total], table.settings):
        yield map(full_text, row)
