"""Pictures as SVG: legible without a style sheet, whose colours are classes; marks know the row they show, `data-i`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from mrl_cli.render.plots import step_of
from mrl_cli.reports.plots import Cells, Curves, Distribution, Estimates, Quadrants
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.reports.plots import Plot, Series

WIDE, HALF = 680, 330
FONT = "system-ui, sans-serif"
COLORS = {"bad": "#b84a0c", "good": "#2a6fd6", "mid": "#8fb5ec", "quiet": "#6b7480"}
LEAST_BAND_PAIRS = 1
BAND_POINTS = 60
NAME_LETTERS = 24  # of a name beside its share
LONGEST_LABEL = 40
LETTER = 7.2  # how wide one is, at most on the average
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})  # as html.escape
MOST_NAMED = 30  # shares that are drawn with their names, one below the other


def svgs_of(plot: Plot, prefix: str = "") -> list[str]:
    """Return a plot as SVG elements side by side; `prefix` begins their ids."""
    return [drawing.text(f"{prefix}{place}-svg") for place, drawing in enumerate(drawings_of(plot))]


def drawings_of(plot: Plot) -> list[Drawing]:
    """Return what a plot is drawn as, side by side."""
    return list(_DRAW[type(plot)](plot))


class Drawing:
    """An SVG element as it grows; coordinates are rounded to hundredths, which no eye sees."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self._label = width, height, label
        self._parts: list[str] = []

    def add(self, tag: str, text: str | None = None, **attributes: Any) -> None:
        """Add an element; underscores in names of attributes are dashes, None is left out."""
        self._parts.append(_element(tag, None if text is None else text.translate(_ESCAPES), attributes))

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str, **others: Any) -> None:
        """Add a line of a kind: grid, axis, rule or mark."""
        stroke = {"grid": "#dde1e6", "good": COLORS["good"], "bad": COLORS["bad"]}.get(kind, COLORS["quiet"])
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **{"class": f"l-{kind}"}, **others)

    def label(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "quiet", **others: Any) -> None:
        """Add a text; `kind` is the class of its colour, or strong."""
        fill = COLORS[kind] if kind in ("bad", "good") else "currentColor"
        weight = "600" if kind != "quiet" else None
        self.add(
            "text",
            text.replace("-", "−") if _is_number(text) else text,
            x=x,
            y=y,
            fill=fill,
            text_anchor=None if anchor == "start" else anchor,
            font_weight=weight,
            **{"class": f"t-{kind}"},
            **others,
        )

    def fill(self, tag: str, kind: str, **attributes: Any) -> None:
        """Add a mark in the colour of its kind."""
        self.add(tag, **attributes, fill=COLORS[kind], **{"class": f"f-{kind}"})

    def place(self, drawing: Drawing, x: float, y: float) -> None:
        """Add all that is in another one, there."""
        self._parts.append(_element("g", "".join(drawing._parts), {"transform": f"translate({x:g} {y:g})"}))

    def text(self, name: str | None = None, **others: str) -> str:
        """Return the element, which has that id, and other attributes."""
        head = others | {
            "id": name,
            "viewBox": f"0 0 {self.width:g} {self.height:g}",
            "width": f"{self.width:g}",
            "role": "img",
            "aria-label": self._label,
            "font-family": FONT,
            "font-size": "12",
        }
        return _element("svg", "".join(self._parts), head | {"class": "wide" if self.width > HALF else "half"})


def _element(tag: str, inner: str | None, attributes: dict[str, Any]) -> str:
    given = "".join(
        f' {name.replace("_", "-")}="{_value(value)}"' for name, value in attributes.items() if value is not None
    )
    return f"<{tag}{given}/>" if inner is None else f"<{tag}{given}>{inner}</{tag}>"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"
    return str(value).translate(_ESCAPES)


def _is_number(text: str) -> bool:
    return text[:1] == "-" and text[1:2].isdigit()


_LARGE = 1e300  # between larger numbers, the difference may be none


class Scale:
    """Numbers from low to high, drawn from one place to another; by their logarithm where it `is_log`."""

    def __init__(self, low: float, high: float, first: float, last: float, *, is_log: bool = False) -> None:
        high = high if high > low else low + 1
        # The last edge of bars may be beyond the doubles.
        self.low, self.high, self._is_log = max(low, -sys.float_info.max), min(high, sys.float_info.max), is_log
        self._unit = 10.0 if max(abs(low), abs(high)) > _LARGE else 1.0
        self._of: Callable[[float], float] = math.log if is_log else self._in_units
        self._first, self._span = first, last - first

    def __call__(self, value: float) -> float:
        """Return where a number is drawn; one beyond the ends at the nearer one."""
        value = min(max(value, self.low), self.high)
        low, high = self._of(self.low), self._of(self.high)
        return self._first + (self._of(value) - low) / (high - low) * self._span

    def _in_units(self, value: float) -> float:
        return value / self._unit

    def ticks(self, most: int) -> list[float]:
        """Return at most about `most` round numbers."""
        if self._is_log:
            return self._log_ticks(most)
        low, high = self._in_units(self.low), self._in_units(self.high)
        step = step_of(high - low, most)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [place * step * self._unit for place in range(first, last + 1)]

    def _log_ticks(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
            ticks = [factor * 10.0**power for power in powers for factor in factors]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high and tick == round(tick)]
            if len(ticks) <= most:
                return ticks
        return ticks[:: math.ceil(len(ticks) / most)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and value == round(value) else f"{value:g}"


def _percent(value: float) -> str:
    return f"{100 * value:g}%"


def _axis_below(drawing: Drawing, scale: Scale, y: float, text: Callable[[float], str], most: int = 7) -> None:
    for tick in scale.ticks(most):
        drawing.label(scale(tick), y, text(tick), "middle")


def _axis_left(
    drawing: Drawing, scale: Scale, left: float, right: float, text: Callable[[float], str], *, is_whole: bool = False
) -> None:
    for tick in scale.ticks(5):
        if is_whole and abs(tick - round(tick)) > 0.01:  # of counts
            continue
        y = scale(tick)
        drawing.line(left, y, right, y, "grid")
        drawing.label(left - 7, y + 4, text(tick), "end")


def _distribution(plot: Distribution) -> Iterator[Drawing]:
    left, right, top, base = 58.0, WIDE - 12.0, 46.0, 220.0
    shares = plot.loss_shares
    drawing = Drawing(WIDE, 318 if shares else 258, f"Histogram: {plot.title}")
    edges = [plot.start + place * plot.width for place in range(len(plot.counts) + 1)]
    x, y = Scale(edges[0], edges[-1], left, right), Scale(0, max(1, *plot.counts), base, top + 8)
    _axis_left(drawing, y, left, right, _number, is_whole=True)
    drawing.label(left - 7, top - 4, plot.unit, "end")
    for place, count in enumerate(plot.counts):
        if count:
            _bar(drawing, plot, place, x, base, y(count) - base)
    drawing.line(left, base, right, base, "axis")
    drawing.label(right, base + 34, plot.variable, "end")
    _axis_below(drawing, x, base + 16, _number)
    _regions(drawing, plot, x, top, base)
    if shares:
        share = Scale(0, max(shares), base + 44, base + 94)
        drawing.line(left, base + 44, right, base + 44, "axis")
        drawing.label(left, base + 34, "share of the loss")
        for tick in share.ticks(2)[1:]:
            drawing.line(left, share(tick), right, share(tick), "grid")
            drawing.label(left - 7, share(tick) + 4, _percent(round(tick, 6)), "end")
        for place, of_bar in enumerate(shares):
            if of_bar > 0:
                _bar(drawing, plot, place, x, base + 44, share(of_bar) - base - 44, fill_opacity=0.65)
    yield drawing


def _bar(drawing: Drawing, plot: Distribution, place: int, x: Scale, base: float, height: float, **others: Any) -> None:
    """Add a bar from the base line, down where the height is above 0; it has at least half a point to be seen."""
    middle = plot.start + (place + 0.5) * plot.width
    kind = "bad" if middle < plot.knots[0] else "mid" if middle < plot.knots[-1] else "good"
    first, last = x(plot.start + place * plot.width), x(plot.start + (place + 1) * plot.width)
    size = max(abs(height), 0.6)
    top, width = base if height > 0 else base - size, max(last - first - 0.8, 0.8)
    drawing.fill("rect", kind, x=first + 0.4, y=top, width=width, height=size, data_i=place, **others)


def _regions(drawing: Drawing, plot: Distribution, x: Scale, top: float, base: float) -> None:
    """Add the lines of zero and of the margin, and the names of the regions with their shares above them."""
    for place, knot in enumerate(plot.knots):
        drawing.line(x(knot), top, x(knot), base, "rule", stroke_dasharray="3 3" if place else None)
    first, *inside, others = plot.regions
    wrong, right = (f"{one.share:.1%} {one.name}" for one in (first, others))
    left, zero, last, end = map(x, (x.low, plot.knots[0], plot.knots[-1], x.high))
    # On either side of the lines, if there is room; all within the plot, and apart.
    stop = max(zero - 6, left + LETTER * len(wrong))
    start = min(max(last + 6, stop + 12), end - LETTER * len(right))
    drawing.label(min(stop, start - 12), top - 20, wrong, "end", "bad")
    drawing.label(start, top - 20, right, "start", "good")
    for text in (f"{one.share:.1%} from {one.name}" for one in inside):
        drawing.label(max(zero - 6, left + LETTER * len(text)), top - 4, text, "end")


def _curves(plot: Curves) -> Iterator[Drawing]:
    for series in plot.series:
        yield _curve(plot, series)


def _curve(plot: Curves, series: Series) -> Drawing:
    left, right, top, base = 50.0, HALF - 12.0, 34.0, 200.0
    drawing = Drawing(HALF, 224, f"{series.name} by {plot.variable}: {plot.title}")
    text = _percent if series.is_share else _number
    finite = [value for value in series.values if math.isfinite(value)]
    x = Scale(min(plot.at), max(plot.at), left, right)
    y = Scale(0, 1.0 if series.is_share else max([*finite, 0.0]) or 1.0, base, top)
    drawing.label(0, 14, series.name[:1].upper() + series.name[1:] + f", by {plot.variable}", kind="strong")
    _axis_left(drawing, y, left, right, lambda tick: text(round(tick, 9)))
    _axis_below(drawing, x, base + 17, _number, 6)
    points = [(place, x(at), y(value)) for place, (at, value) in _met(plot, series)]
    path = " ".join(f"{'L' if place else 'M'}{_value(px)} {_value(py)}" for place, (_, px, py) in enumerate(points))
    drawing.add("path", d=path or "M0 0", fill="none", stroke=COLORS["good"], stroke_width=2, **{"class": "s-good"})
    for place, px, py in points:
        drawing.add("circle", cx=px, cy=py, r=2.2, fill=COLORS["good"], data_i=place, **{"class": "f-good dot"})
    if plot.marked is not None and math.isfinite(value := series.values[plot.marked]):
        at, level = x(plot.at[plot.marked]), y(value)
        drawing.line(at, top - 8, at, base, "rule", stroke_dasharray="3 3")
        drawing.fill("circle", "good", cx=at, cy=level, r=4.5, data_i=plot.marked)
        shown = f"{value:.1%}" if series.is_share else f"{value:.4g}"
        is_left = at < (left + right) / 2  # at the top of the line no curve that rises is in the way
        drawing.label(at + (6 if is_left else -6), top - 5, shown, "start" if is_left else "end", "strong")
    drawing.line(left, base, right, base, "axis")
    return drawing


def _met(plot: Curves, series: Series) -> Iterator[tuple[int, tuple[float, float]]]:
    pairs = enumerate(zip(plot.at, series.values, strict=True))
    return ((place, pair) for place, pair in pairs if all(map(math.isfinite, pair)))


def _estimates(plot: Estimates) -> Iterator[Drawing]:
    if any(one.expected is not None for one in plot.estimates):
        yield _reliability(plot)
    else:
        yield _funnel(plot) if len(plot.estimates) > MOST_NAMED else _forest(plot)


def _reliability(plot: Estimates) -> Drawing:
    left, right, top, base = 50.0, HALF - 14.0, 24.0, 236.0
    drawing = Drawing(HALF, 330, f"Reliability: {plot.title}")
    least = min([0.5, *(math.floor(10 * one.low + 1e-9) / 10 for one in plot.estimates)])
    x, y = Scale(0.5, 1.0, left, right), Scale(max(least, 0.0), 1.0, base, top)
    drawing.label(left - 7, 12, "ranked right")
    _axis_left(drawing, y, left, right, lambda tick: _percent(round(tick, 6)))
    _axis_below(drawing, x, base + 17, lambda tick: _percent(round(tick, 6)), 5)
    drawing.label(right, base + 34, "expected: sigmoid(|x1 − x2|)", "end")
    drawing.line(x(0.5), y(0.5), right, y(1), "rule", stroke_dasharray="4 4")
    most = max([1, *(one.pairs for one in plot.estimates)])
    for place, one in enumerate(plot.estimates):
        at = x(0.5 if one.expected is None else one.expected)
        drawing.line(at, y(one.low), at, y(one.high), "good", stroke_width=2, data_i=place)
        drawing.fill("circle", "good", cx=at, cy=y(one.share), r=4.5, data_i=place)
        height = max(34 * one.pairs / most, 0.6)
        drawing.fill("rect", "quiet", x=at - 5, y=base + 84 - height, width=10, height=height, data_i=place)
    drawing.label(left - 7, base + 84, "pairs", "end")
    drawing.line(left, base + 84, right, base + 84, "axis")
    return drawing


def _funnel(plot: Estimates) -> Drawing:
    """Return groups by their pairs, with the band in which shares lie that do not differ from that of all."""
    left, right, top, base = 58.0, WIDE - 12.0, 14.0, 250.0
    drawing = Drawing(WIDE, 294, f"Groups by their pairs: {plot.title}")
    sizes = [one.pairs for one in plot.estimates]
    x, y = Scale(min(sizes) / 1.1, max(sizes) * 1.1, left, right, is_log=True), Scale(0, 1, base, top)
    if plot.whole is not None and plot.band is not None:
        spread = plot.band * math.sqrt(plot.whole * (1 - plot.whole))
        steps = [x.low * (x.high / x.low) ** (place / BAND_POINTS) for place in range(BAND_POINTS + 1)]
        upper = [(x(size), y(plot.whole + spread / math.sqrt(size))) for size in steps]
        lower = [(x(size), y(plot.whole - spread / math.sqrt(size))) for size in reversed(steps)]
        points = " ".join(f"{_value(px)},{_value(py)}" for px, py in [*upper, *lower])
        drawing.add("polygon", points=points, fill="#eef1f5", **{"class": "f-band"})
    _axis_left(drawing, y, left, right, lambda tick: _percent(round(tick, 6)))
    _axis_below(drawing, x, base + 17, _number, 6)
    drawing.label(right, base + 39, "pairs in the group", "end")
    for place, one in enumerate(plot.estimates):
        kind = "bad" if plot.whole is not None and one.high < plot.whole else "good"
        drawing.fill("circle", kind, cx=x(one.pairs), cy=y(one.share), r=3.5, fill_opacity=0.75, data_i=place)
    if plot.whole is not None:
        drawing.line(left, y(plot.whole), right, y(plot.whole), "rule")
        drawing.label(right, top - 4, f"— all {plot.whole:.1%}", "end", "strong")
    return drawing


def _forest(plot: Estimates) -> Drawing:
    """Return shares by name, each with its interval and how many pairs it is of."""
    left, right, top, step = 190.0, WIDE - 150.0, 30.0, 20.0
    base = top + step * len(plot.estimates)
    drawing = Drawing(WIDE, base + 66, plot.title)
    x = Scale(plot.least, plot.greatest, left, right)
    drawing.label(left - 10, 14, harmless(plot.variable, NAME_LETTERS), "end")
    drawing.label(WIDE - 80, 14, plot.figure, "end")
    drawing.label(WIDE - 8, 14, "pairs", "end")
    for tick in x.ticks(6):
        drawing.line(x(tick), top - 6, x(tick), base, "grid" if tick or plot.least >= 0 else "axis")
        drawing.label(x(tick), base + 17, _percent(round(tick, 6)), "middle")
    if plot.whole is not None:
        drawing.line(x(plot.whole), top - 6, x(plot.whole), base, "rule")
        drawing.label(x(plot.whole), 14, f"all {plot.whole:.1%}", "middle", "strong")
    for place, one in enumerate(plot.estimates):
        y = top + step * place + 8
        kind = "bad" if plot.whole is not None and one.high < plot.whole else "good"
        drawing.label(left - 10, y + 4, harmless(one.name, NAME_LETTERS), "end")
        drawing.line(x(one.low), y, x(one.high), y, kind, stroke_width=2, data_i=place)
        drawing.fill("circle", kind, cx=x(one.share), cy=y, r=4, data_i=place)
        drawing.label(WIDE - 80, y + 4, f"{one.share:.1%}", "end")
        drawing.label(WIDE - 8, y + 4, f"{one.pairs:,}", "end")
    others = f"and {plot.left_out:,} more · " if plot.left_out else ""
    drawing.label(0, base + 46, others + plot.legend)
    return drawing


def _quadrants(plot: Quadrants) -> Iterator[Drawing]:
    left, right = 110.0, HALF - 100.0
    drawing = Drawing(HALF, 26.0 * len(plot.outcomes) + 8, plot.title)
    total = sum(pairs for _, pairs, _ in plot.outcomes) or 1
    for place, (name, pairs, differs) in enumerate(plot.outcomes):
        y, kind = 26.0 * place, "bad" if differs else "good"
        drawing.label(left - 8, y + 17, harmless(name, LONGEST_LABEL), "end")
        width = max((right - left) * pairs / total, 0.6)
        drawing.fill("rect", kind, x=left, y=y + 4, width=width, height=18, data_i=place)
        drawing.label(HALF - 12, y + 17, f"{pairs / total:.1%}  {pairs:,}", "end")
    yield drawing


def _cells(plot: Cells) -> Iterator[Drawing]:
    left, right, top, base = 50.0, HALF - 10.0, 20.0, 290.0
    drawing = Drawing(HALF, 330, plot.title)
    low, high = plot.start, plot.start + plot.width * plot.size
    x, y = Scale(low, high, left, right), Scale(low, high, base, top)
    most = max([1, *(pairs for _, _, pairs in plot.cells)])
    sides: Any = {"width": (right - left) / plot.size, "height": (base - top) / plot.size}
    for place, (column, row, pairs) in enumerate(plot.cells):
        corner: Any = {"x": x(low + column * plot.width), "y": y(low + (row + 1) * plot.width)}
        opacity = 0.15 + 0.85 * math.sqrt(pairs / most)
        drawing.fill("rect", "good", **corner, **sides, fill_opacity=opacity, data_i=place)
    drawing.line(x(0), top, x(0), base, "rule")
    drawing.line(left, y(0), right, y(0), "rule")
    shares = dict(plot.quadrants)
    corners: Sequence[tuple[str, float, float, str]] = (
        ("only b right", left + 4, top + 12, "start"),
        ("both right", right - 4, top + 12, "end"),
        ("neither right", left + 4, base - 6, "start"),
        ("only a right", right - 4, base - 6, "end"),
    )
    for name, at, height, anchor in corners:
        drawing.label(at, height, f"{name} {shares[name]:.1%}", anchor, "strong")
    for tick in x.ticks(6):
        drawing.label(x(tick), base + 16, _number(tick), "middle")
        drawing.label(left - 7, y(tick) + 4, _number(tick), "end")
    drawing.label(left - 7, 12, "d of b", "end")
    drawing.label(right, base + 33, "d of a", "end")
    yield drawing


_DRAW: dict[type, Callable[[Any], Iterator[Drawing]]] = {
    Distribution: _distribution,
    Curves: _curves,
    Estimates: _estimates,
    Quadrants: _quadrants,
    Cells: _cells,
}
