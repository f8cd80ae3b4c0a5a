"""A plot as a file of its own: SVG that brings its colours and its text, or PNG, which resvg draws of it."""

from __future__ import annotations

import os
import textwrap
import unicodedata
from functools import partial
from html import escape, unescape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MachineError, UsageError
from mrl_cli.render.svg import FONT, Drawing, drawings_of
from mrl_cli.words import harmless, how_to_install, listed

if TYPE_CHECKING:
    from mrl_cli.reports.plots import Plot

EDGE, GAP, LINE = 16.0, 20.0, 20.0  # around a picture, between drawings, and of a line of its title
LETTER = 8.0  # how wide one of the title is, at most on the average
INK, PAPER = "#1b1f24", "#ffffff"
ZOOM = 2
# Fonts for `sans-serif`, of which resvg itself knows none but Arial; the first that is there is taken.
FAMILIES = (
    *("DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica Neue", "Helvetica", "Segoe UI", "Roboto"),
    *("Open Sans", "Ubuntu", "Cantarell", "Adwaita Sans", "FreeSans", "Nimbus Sans"),
)
NOBODYS = "\U0010fffd"  # a character for private use at the end of all: a font draws what it draws for unknown ones
UNKNOWN_SHOWN = 5


def picture_suffix(path: str) -> str:
    """Return the suffix of a file for a picture, .svg or .png.

    Raises UsageError for another one, and where what draws a PNG is missing.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".svg", ".png"):
        message = f"--save-plot {harmless(path, 200)}: pictures are written as .svg or .png"
        raise UsageError(message, hint="for example --save-plot plot.svg")
    if suffix == ".png" and find_spec("resvg_py") is None:
        raise UsageError("--save-plot needs the package resvg-py for PNG", hint=how_to_install("png"))
    return suffix


def picture_bytes(plot: Plot, path: str) -> bytes:
    """Return a plot as the content of a file. Raises UsageError as `picture_suffix`, and MachineError as `png_of`."""
    suffix, svg = picture_suffix(path), picture_svg(plot)
    return png_of(svg) if suffix == ".png" else svg.encode()


def picture_svg(plot: Plot) -> str:
    """Return a plot as an SVG document on white, under its title; the same text of the same plot."""
    drawings = drawings_of(plot)
    width = sum(drawing.width for drawing in drawings) + GAP * (len(drawings) - 1)
    lines = textwrap.wrap(harmless(plot.title, 400), int(width / LETTER))
    top = EDGE + LINE * len(lines) + GAP / 2
    height = top + max(drawing.height for drawing in drawings) + EDGE
    whole = Drawing(width + 2 * EDGE, height, plot.title)
    whole.add("rect", width=whole.width, height=height, fill=PAPER)
    for place, line in enumerate(lines, 1):
        whole.label(EDGE, EDGE - 5 + LINE * place, line, kind="strong", font_size=15)
    left = EDGE
    for drawing in drawings:
        whole.place(drawing, left, top)
        left += drawing.width + GAP
    return whole.text(xmlns="http://www.w3.org/2000/svg", height=f"{height:g}", color=INK) + "\n"


def png_of(svg: str) -> bytes:
    """Return an SVG document as PNG. Raises MachineError where no font has the signs of its texts: they would be lost.

    Source: resvg, which leaves out a text whose font is not there, without a word.
    """
    from resvg_py import svg_to_bytes

    family = next((name for name in FAMILIES if _one_text("x", name) != _one_text(" ", name)), None)
    hint = "install a font, such as Debian's fonts-dejavu-core, or write .svg"
    if family is None:
        raise MachineError("the labels of a PNG would be lost: no font for them is installed", hint=hint)
    shown = partial(_one_text, family=family)
    missing = {shown(" "), shown(NOBODYS)}
    characters = sorted({character for text in _texts(svg) for character in text})
    lost = [one for one in characters if unicodedata.category(one)[0] in "LNPS" and shown(one) in missing]
    if lost:
        message = f"labels of a PNG would be lost: no font has {listed(map(_named, lost), UNKNOWN_SHOWN)}"
        raise MachineError(message, hint="install a font that has them, or write .svg")
    png: bytes = svg_to_bytes(svg_string=svg, zoom=ZOOM, sans_serif_family=family)
    return png


def _one_text(text: str, family: str) -> Any:
    from resvg_py import svg_to_bytes

    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="30">'
    svg += f'<text x="5" y="20" font-family="{FONT}">{escape(text)}</text></svg>'
    return svg_to_bytes(svg_string=svg, sans_serif_family=family)


def _texts(svg: str) -> list[str]:
    """Return what stands in a document outside of its tags."""
    return [unescape(piece.partition(">")[2]) for piece in svg.split("<")]


def _named(character: str) -> str:
    return f"{character} (U+{ord(character):04X})"
