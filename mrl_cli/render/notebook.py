"""What a notebook shows of a result: its numbers as a table and a plot, in the colours that the notebook has."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mrl_cli.render.svg import drawings_of
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.reports.plots import Plot

LONGEST = 200  # characters of a text


def notebook_html(
    plot: Plot | None, names: Sequence[str], rows: Iterable[Sequence[object]], below: Iterable[str] = ()
) -> str:
    """Return a plot, a table and sentences `below` it as HTML, without a style sheet, a script or an id."""
    parts = ["<div>"]
    if plot is not None:
        parts += [f"<p><strong>{_text(plot.title)}</strong></p>", *(one.text() for one in drawings_of(plot))]
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>")
    for first, *others in rows:
        cells = "".join(f"<td>{_text(value)}</td>" for value in others)
        parts.append(f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>')
    parts.append("</tbody></table>")
    parts += [f"<p>{escape(sentence)}</p>" for sentence in below]
    return "".join([*parts, "</div>"])


def _text(value: object) -> str:
    return escape(harmless(number_text(value), LONGEST))
