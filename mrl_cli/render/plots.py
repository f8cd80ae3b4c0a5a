"""Pictures for a terminal, drawn by rich: eighths of a cell where the encoding has them, else ASCII; numbers at each.

What is drawn is legible without colour, which only repeats it: one for what is wrong or expected, one for the rest.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mrl_cli.records import NamedTuple
from mrl_cli.render.colors import STYLES
from mrl_cli.reports.plots import Curves, Distribution, Estimate, Estimates, Plot, Quadrants
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.text import Text

    from mrl_cli.render.terminal import Screen

    Line = list[str | tuple[str, str]]

BAD, GOOD, QUIET = STYLES["bad bar"], STYLES["bar"], STYLES["quiet"]
HEIGHT = 10  # rows of a distribution
NARROW = 60  # columns below which its bars lie
MOST_LYING = 24  # bars that lie
LONGEST_NAME = 24
LARGEST = sys.float_info.max


class Signs(NamedTuple):
    """What bars are drawn with, the first empty, the last full; all else is translated by the screen."""

    standing: str = " ▁▂▃▄▅▆▇█"
    lying: str = " ▏▎▍▌▋▊▉█"


PLAIN = Signs(" ::####", " ##")


def drawn(plots: Iterable[Plot], screen: Screen) -> str:
    """Return the plots as text, no wider than the screen; before each there is an empty line."""
    signs = Signs() if screen.has_signs else PLAIN
    lines: list[Line] = []
    for plot in plots:
        lines += [], [(harmless(plot.title, 400), STYLES["head"])], *_DRAW[type(plot)](plot, screen.width, signs)
    if screen.color:
        return screen.drawn(*map(_text, lines))
    return "".join(_plain(line, screen) for line in lines)


def _text(line: Line) -> Text:
    from rich.text import Text

    how: Any = {"overflow": "crop", "no_wrap": True} if len(line) > 1 else {"overflow": "fold"}
    return Text.assemble(*line, **how)


def _plain(line: Line, screen: Screen) -> str:
    """Return a line without colours: as it is where it fits, which takes rich a third of a millisecond."""
    from rich.cells import cell_len

    text = "".join(part if isinstance(part, str) else part[0] for part in line)
    return screen.shown(f"{text.rstrip()}\n") if cell_len(text) <= screen.width else screen.drawn(_text(line))


def merged(plot: Distribution, most: int) -> Distribution:
    """Return a distribution of at most so many bars: neighbours are joined, so that a bar is two or four as wide."""
    start, width, counts = plot.start, plot.width, list(plot.counts)
    # On either side of 0 there may be a bar, and the ends of all are doubles.
    while len(counts) > max(most, 2) and abs(start) + (len(counts) + 1) * width < LARGEST / 2:
        if round(start / width) % 2:  # bars begin at multiples of their width
            start, counts = start - width, [0, *counts]
        counts = [sum(counts[place : place + 2]) for place in range(0, len(counts), 2)]
        width *= 2
    return replace(plot, start=start, width=width, counts=tuple(counts))


def _distribution(plot: Distribution, width: int, signs: Signs) -> Iterator[Line]:
    if width < NARROW:
        yield from _lying(merged(plot, MOST_LYING), width, signs)
        return
    highest = max(plot.counts, default=0)
    margin = max(len(f"{highest:,}"), 6) + 1
    plot = merged(plot, width - margin - 2)
    cells = max(1, (width - margin - 2) // max(1, len(plot.counts)))  # of a bar
    highest = max(1, *plot.counts)
    step = max(1, step_of(highest, HEIGHT / 3))
    ticks = {HEIGHT - round(HEIGHT * tick / highest): tick for tick in range(step, highest + 1, step)}
    yield [(f"{plot.unit:>{margin}}", QUIET)]
    levels = len(signs.standing) - 1
    for row in range(HEIGHT):
        parts: Line = [(f"{ticks[row]:>{margin},}┤" if row in ticks else " " * margin + "│", QUIET)]
        for place, count in enumerate(plot.counts):
            filled = count * HEIGHT * levels / highest - (HEIGHT - 1 - row) * levels
            level = min(levels, max(0, round(filled)))
            level = max(level, count > 0 and row == HEIGHT - 1)  # no bar is too low to be seen
            parts.append((signs.standing[level] * cells, _style(plot, plot.start + (place + 0.5) * plot.width)))
        yield parts
    axis, labels = _axis(plot, cells)
    yield [(f"{'':{margin}}└{axis}", QUIET)]
    yield [f"{'':{margin + 1}}{labels}"]
    yield from ([" " * (margin + 1), *line] for line in _regions(plot, cells))
    yield [(f"{'':{margin + 1}}{_note(plot)}", QUIET)]


def _style(plot: Distribution, value: float) -> str:
    """Return how the bar over a value is coloured: as its region is."""
    return BAD if plot.regions and plot.regions[bisect(plot.knots, value)].is_bad else GOOD


def _note(plot: Distribution) -> str:
    others = {"below": plot.below, "above": plot.above, "at 0": plot.ties}
    counts = ", ".join(f"{count:,} {where}" for where, count in others.items() if count)
    return f"{plot.variable}, bars {plot.width:g} wide{'; ' if counts else ''}{counts}"


def _axis(plot: Distribution, cells: int) -> tuple[str, str]:
    """Return the line under the bars, and the numbers at its ticks."""
    size = len(plot.counts) * cells
    step = step_of(plot.width * size / cells, max(4, size / 12))
    axis, labels = ["─"] * size, [" "] * (size + 8)
    stop = min(plot.start + plot.width * size / cells, LARGEST)
    for tick in range(math.ceil(plot.start / step), math.floor(stop / step) + 1):
        column = round((tick * step / plot.width - plot.start / plot.width) * cells)  # the difference may be none
        text = f"{tick * step:g}".replace("-", "−")
        first = column - len(text) // 2
        is_free = first >= 0 and not "".join(labels[max(0, first - 1) : first + len(text) + 1]).strip()
        if column < size and is_free:
            axis[column] = "┬"
            labels[first : first + len(text)] = text
    return "".join(axis), "".join(labels).rstrip()


def step_of(span: float, most: float) -> Any:
    """Return the least round step of which at most so many are in a span; an integer where it is one.

    >>> step_of(208, 3), step_of(7, 6), step_of(0.9, 6)
    (100, 2, 0.2)
    """
    least = min(span, LARGEST) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    return max(1, round(step)) if step >= 1 else step


def _regions(plot: Distribution, cells: int) -> Iterator[Line]:
    """Yield the regions under the axis, named with their shares; those too narrow for that are named below."""
    size = len(plot.counts) * cells
    cuts = [round((knot - plot.start) / plot.width * cells) for knot in plot.knots]
    edges = [0, *(min(max(cut, 0), size) for cut in cuts), size]
    line: Line = []
    others = []
    for place, region in enumerate(plot.regions):
        room = edges[place + 1] - edges[place] - (place > 0)
        if place > 0 and room >= 0:
            line.append("│")
        text = f" {region.name} {region.share:.1%} "
        first, last = "◂" if place == 0 else "", "▸" if place == len(plot.regions) - 1 else ""
        if len(text) + 2 <= room:
            text = f"{first}{text:─^{room - len(first) - len(last)}}{last}"
        else:
            others.append((edges[place] + room // 2, text.strip(), region.is_bad))
            text = "─" * max(room, 0)
        line.append((text, BAD if region.is_bad else GOOD))
    yield line
    for middle, text, is_bad in others:
        indent = max(0, min(middle - len(text) // 2, size - len(text)))
        yield [" " * indent, (text, BAD if is_bad else GOOD)]


def _lying(plot: Distribution, width: int, signs: Signs) -> Iterator[Line]:
    """Yield bars that lie, each with its number."""
    bounds = [plot.start + place * plot.width for place in range(len(plot.counts) + 1)]
    names = [f"{low:g} to {high:g}".replace("-", "−") for low, high in pairwise(bounds)]
    longest, digits = max(map(len, names), default=0), len(f"{max(plot.counts, default=0):,}")
    room, is_above = _room(width, longest + 1, digits + 1, width)
    for name, low, count in zip(names, bounds, plot.counts, strict=False):
        bar = _bar(count / max(1, *plot.counts), room, signs)
        line: Line = [(f"{bar:{room}}", _style(plot, low + plot.width / 2)), f" {count:>{digits},}"]
        yield from _beside(f"{name:>{longest}} ", line, is_above)
    for region in plot.regions:
        yield [(f"{region.name} {region.share:.1%}", BAD if region.is_bad else GOOD)]
    yield [(_note(plot), QUIET)]


def _room(width: int, names: int, numbers: int, most: int, least: int = 4) -> tuple[int, bool]:
    """Return how many cells a bar has beside its numbers, and whether its name is above, for want of room before it."""
    room = width - names - numbers
    return (min(most, room), False) if room >= least else (max(1, min(most, width - numbers)), True)


def _beside(name: str, line: Line, is_above: bool, style: str = "") -> Iterator[Line]:
    """Yield a bar and its numbers with its name before it or above."""
    if is_above:
        yield [(name.strip(), style)]
        yield line
    else:
        yield [(name, style), *line]


def _bar(share: float, cells: int, signs: Signs) -> str:
    """Return a bar that lies: a share of so many cells, no more than that, and seen where it is not 0.

    >>> _bar(0.5, 4, Signs()), _bar(0.3, 4, Signs()), _bar(0.001, 4, PLAIN)
    ('██', '█▎', '#')
    """
    levels = len(signs.lying) - 1
    filled = max(round(share * cells * levels), share > 0) if share == share else 0
    return signs.lying[-1] * (filled // levels) + signs.lying[filled % levels].strip()


def _curves(plot: Curves, width: int, signs: Signs) -> Iterator[Line]:
    at = [f"{value:g}" for value in plot.at]
    longest = max(len(plot.variable), 7, *map(len, at)) + 1
    texts = [[_number(value, is_share=series.is_share) for value in series.values] for series in plot.series]
    digits = [max(map(len, column), default=0) for column in texts]
    room, is_above = _room((width - longest - 1) // len(plot.series), 0, max(digits, default=0) + 4, 20)
    if is_above and len(plot.series) > 1:
        for series in plot.series:
            yield from _curves(replace(plot, series=(series,)), width, signs)
        return
    if is_above:
        room, is_above = _room(width, longest, digits[0] + 3, 20, 2)
    heads = [f"  {series.name:{room + 1 + size}}" for series, size in zip(plot.series, digits, strict=True)]
    head = f"{plot.variable:>{longest}}{''.join(heads)}".rstrip()
    yield [(head if len(head) <= width else f"{plot.variable}, {plot.series[0].name}", QUIET)]
    for row, text in enumerate(at):
        line: Line = []
        for series, column, size in zip(plot.series, texts, digits, strict=True):
            highest = 1.0 if series.is_share else max((v for v in series.values if math.isfinite(v)), default=1.0)
            bar = _bar(min(series.values[row] / (highest or 1.0), 1.0), room, signs)
            line += ["  ", (f"{bar:{room}}", GOOD), f" {column[row]:>{size}}"]
        yield from _beside(f"{'▸' if row == plot.marked else ' '}{text:>{longest - 1}}", line, is_above)


def _number(value: float, *, is_share: bool) -> str:
    if math.isnan(value):
        return "undefined"
    return f"{value:.1%}" if is_share else f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.4g}"


def _estimates(plot: Estimates, width: int, _signs: Signs) -> Iterator[Line]:
    variable, *names = (_name(text, width) for text in (plot.variable, *(one.name for one in plot.estimates)))
    longest = max(map(len, [variable, *names]))
    digits = max(5, *(len(f"{one.pairs:,}") for one in plot.estimates))
    has_expected = any(one.expected is not None for one in plot.estimates)
    numbers = max(len(plot.figure) + 2, *(len(f" {one.share:>6.1%}") for one in plot.estimates)) + 10 * has_expected
    room, is_above = _room(width, longest + digits + 4, numbers, 48, 8)
    if is_above:
        longest = width - digits - 2
        variable, *names = (_name(text, 4 * longest) for text in (plot.variable, *(one.name for one in plot.estimates)))
        names = [f"{name:<{longest}}" for name in names]
    least, middle, greatest = (f"{end:.0%}" for end in (plot.least, (plot.least + plot.greatest) / 2, plot.greatest))
    scale = f"{least}{greatest:>{max(room - len(least), 5)}}"
    if room > 14:
        scale = f"{least:>4}{middle:^{room - 8}}{greatest:>4}"
    if is_above:
        scale = scale if len(scale) <= room else ""
        variable = f"{variable:<{longest}}"
    head: Line = [(f"{scale:{room}}  {plot.figure}{'  expected' * has_expected}", QUIET), ""]
    yield from _beside(f"{variable:>{longest}}  {'pairs':>{digits}}  ", head, is_above, QUIET)
    for name, one in zip(names, plot.estimates, strict=True):
        line: Line = [*_interval(one, plot, room), f" {one.share:>6.1%}"]
        line += [] if one.expected is None else [f"  {one.expected:>8.1%}"]
        yield from _beside(f"{name:>{longest}}  {one.pairs:>{digits},}  ", line, is_above)
    if plot.left_out:
        yield [(f"and {plot.left_out:,} more", QUIET)]
    yield [(plot.legend, QUIET)]


def _name(text: str, width: int) -> str:
    """Return what somebody called something, in a quarter of the width at most."""
    clean, most = harmless(text), min(LONGEST_NAME, width // 4)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _interval(one: Estimate, plot: Estimates, room: int) -> Line:
    """Return an interval as a line with a dot, the diamond of what is expected, and the line of the whole."""

    def column(share: float) -> int:
        return min(room - 1, max(0, round((share - plot.least) / (plot.greatest - plot.least) * (room - 1))))

    cells = [(" ", "")] * room
    if plot.least < 0:
        cells[column(0)] = ("┊", QUIET)
    for place in range(column(one.low), column(one.high) + 1):
        cells[place] = ("─", GOOD)
    if plot.whole is not None:
        cells[column(plot.whole)] = ("│", QUIET)
    if one.expected is not None:
        cells[column(one.expected)] = ("◇", BAD)
    cells[column(one.share)] = ("●", GOOD)
    return list(cells)


def _quadrants(plot: Quadrants, width: int, signs: Signs) -> Iterator[Line]:
    total = sum(pairs for _, pairs, _ in plot.outcomes)
    names = [_name(name, 2 * width) for name, _, _ in plot.outcomes]
    longest = max(map(len, names))
    digits = max(len(f"{pairs:,}") for _, pairs, _ in plot.outcomes)
    room, is_above = _room(width, longest + 2, digits + 9, 40)
    for name, (_, pairs, differs) in zip(names, plot.outcomes, strict=True):
        share = pairs / total if total else 0.0
        bar = f"{_bar(share, room, signs):{room}}"
        line: Line = [(bar, BAD if differs else GOOD), f" {share:>6.1%}  {pairs:>{digits},}"]
        yield from _beside(f"{name:>{longest}}  ", line, is_above)


_DRAW: dict[type, Callable[[Any, int, Signs], Iterator[Line]]] = {
    Distribution: _distribution,
    Curves: _curves,
    Estimates: _estimates,
    Quadrants: _quadrants,
}
