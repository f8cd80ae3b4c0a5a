"""The report page: one HTML file that needs nothing else, readable without its script and its style sheet too.

Of text from files, jinja2 escapes all; style and script are allowed by their hashes alone.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import math
import os
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from mrl_cli.render.svg import svgs_of
from mrl_cli.reports.page import cell_text
from mrl_cli.words import number_text

if TYPE_CHECKING:
    from mrl_cli.reports.page import Column, Page, PageTable

INTERVAL_WIDTH, INTERVAL_HEIGHT = 150, 16


def page_html(page: Page) -> str:
    """Return a page as HTML, the same text of the same page."""
    style, script = _part("page.css"), _part("page.js")
    html: str = template().render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        svgs=lambda plot, name: [Markup(svg) for svg in svgs_of(plot, name)],
        table=_table,
        download=_download,
    )
    return html


@cache
def template() -> Any:
    """Return jinja2's template of pages, compiled once."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,  # which a template that is rendered once does not pay back
    )
    environment.filters["full"] = number_text
    return environment.from_string(_part("page.html"))


def _part(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def _policy(style: str, script: str) -> str:
    """Return the content security policy: nothing is loaded, and no other style or script is obeyed."""
    hashes = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script))
    style_hash, script_hash = hashes
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _table(table: PageTable) -> Markup:
    """Return a table that can be sorted: its rows know their place, and its cells the number that they show."""
    kinds = ("" if column.form == "text" else ' class="n"' for column in table.columns)
    heads = (
        f'<th scope="col"{kind}><bdi>{escape(column.name)}</bdi></th>'
        for column, kind in zip(table.columns, kinds, strict=True)
    )
    rows = (
        f'<tr data-i="{place}">{"".join(map(_cell, row, table.columns, repeat(table.whole)))}</tr>\n'
        for place, row in enumerate(table.rows)
    )
    few = f' data-few="{table.at_once}"' if table.at_once and len(table.rows) > table.at_once else ""
    return Markup(
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(table.name)}">\n'
        f'<table class="sorts"{few}>\n<thead><tr>{"".join(heads)}</tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody>\n</table>\n</div>"
    )


def _cell(value: Any, column: Column, whole: float | None) -> str:
    """Return a cell of a table with what is written in it, and by what it is sorted."""
    if column.form == "interval":
        low, share, high = value
        if math.isnan(low):
            return f'<td class="n"><data value="{number_text(share)}"></data></td>'
        text = f"{share:.1%}, {low:.1%} to {high:.1%}"
        picture = _interval(value, whole)
        return f'<td class="n" data-v="{number_text(share)}">{picture}<span class="unseen">{text}</span></td>'
    text = escape(cell_text(value, column.form))
    if column.form == "text" or value is None:
        return f"<td><bdi>{text}</bdi></td>"
    return f'<td class="n"><data value="{escape(number_text(value))}">{text}</data></td>'


def _download(table: PageTable) -> str:
    """Return a table as the URL of a CSV file, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names: list[str] = []
    for column in table.columns:
        names += ["low", "accuracy", "high"] if column.form == "interval" else [column.name]
    writer.writerow(names)
    for row in table.rows:
        cells: list[str] = []
        for value in row:
            cells += [
                number_text("" if one is None else one) for one in (value if isinstance(value, tuple) else [value])
            ]
        writer.writerow(cells)
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue(), errors='replace')}"


def _interval(value: tuple[float, float, float], whole: float | None) -> str:
    """Return an interval as a line with a dot, and a tick where the share of all is."""
    low, share, high = (f"{4 + part * (INTERVAL_WIDTH - 8):.1f}" for part in value)
    middle = INTERVAL_HEIGHT // 2
    tick = ""
    if whole is not None:
        at = f"{4 + whole * (INTERVAL_WIDTH - 8):.1f}"
        tick = f'<path d="M{at} 1V{INTERVAL_HEIGHT - 1}" stroke="#6b7480" class="l-rule"/>'
    return (
        f'<svg class="interval" width="{INTERVAL_WIDTH}" height="{INTERVAL_HEIGHT}" '
        f'viewBox="0 0 {INTERVAL_WIDTH} {INTERVAL_HEIGHT}" aria-hidden="true">'
        f'<path d="M4 {middle}H{INTERVAL_WIDTH - 4}" stroke="#dde1e6" class="l-grid"/>{tick}'
        f'<path d="M{low} {middle}H{high}" stroke="#2a6fd6" stroke-width="2" class="l-good"/>'
        f'<circle cx="{share}" cy="{middle}" r="3.5" fill="#2a6fd6" class="f-good"/></svg>'
    )
