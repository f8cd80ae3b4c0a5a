"""What is drawn of a histogram with sums: bars, regions, and the loss at margins; from cells, so nothing is estimated.

Cells with |d| below 2**6 of a width of a power of two are no wider than that, and none of them lies across a multiple
of it. So bars of such a width hold exactly the pairs that lie in them, and which they are is chosen once all was read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact import UNIT_EXPONENT, ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.cellsums import is_hinge_of_differences, margin_of, shown_margin
from mrl_cli.reductions.curve import Curve, CurveReduction, hinge_sum
from mrl_cli.reductions.histogram import is_edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.curve import Point
    from mrl_cli.reductions.histogram import Histogram

_OF_CURVES = ("weight", "first", "second")
MOST_WIDTHS = 64  # from 0, that bars may reach: beyond, cells are wider
_LEAST_EXPONENT = -1027  # of a width: cells of subnormal numbers are so wide
TAIL = 0.001  # the share of pairs that may lie beyond the bars, on either side


class Bars(NamedTuple):
    """Bars of one width side by side, from `first * width` on; a bar ends where the next begins.

    Of each bar, and of what lies below, above, and at 0, its pairs and the sum of their losses (weighted where pairs
    have weights). An edge between bars belongs to the one that is farther from 0; pairs with d = 0 are in none.
    """

    width: float
    first: int
    pairs: list[int]
    losses: list[float]
    below: tuple[int, float]
    above: tuple[int, float]
    ties: tuple[int, float]

    @property
    def edges(self) -> list[float]:
        """Where the bars begin, and where the last one ends."""
        return [(self.first + place) * self.width for place in range(len(self.pairs) + 1)]


def bars_of(histogram: Histogram, plan: Plan, most: int, shown: Sequence[float] = (0.0,)) -> Bars:
    """Return at most `most` bars, two or more, of the least width with which they hold all pairs but TAIL on each side.

    They reach over all numbers of `shown`, one or more, which are finite and are to be seen with them.
    """
    cells = histogram.met()
    magnitudes, signs = histogram.cells.starts(cells)
    exponent, first, last = _chosen(histogram.counts[cells], magnitudes, signs, most, shown)
    steps = _steps(magnitudes, signs, exponent)
    size = last - first
    groups = np.clip(steps - first, -1, size).astype(np.int64) + 1
    groups[signs == 0] = size + 2
    of_cells = np.zeros(histogram.counts.size, np.int64)
    of_cells[cells] = groups
    pairs = np.zeros(size + 3, np.int64)
    np.add.at(pairs, of_cells, histogram.counts)
    whole = list(zip(pairs.tolist(), losses_by(histogram, plan, of_cells, size + 3), strict=True))
    below, *inside, above, ties = whole
    of_bars = [count for count, _ in inside], [loss for _, loss in inside]
    return Bars(math.ldexp(1.0, exponent), first, *of_bars, below, above, ties)


def _steps(magnitudes: NDArray[np.float64], signs: NDArray[np.int64], exponent: int) -> NDArray[np.float64]:
    """Return which bar each cell is in, counted from 0 on: that below 0 is bar -1."""
    with np.errstate(over="ignore"):
        steps = np.floor(np.ldexp(magnitudes, -exponent))
    return np.where(signs < 0, -1 - steps, steps)


def _chosen(
    counts: NDArray[np.int64],
    magnitudes: NDArray[np.float64],
    signs: NDArray[np.int64],
    most: int,
    shown: Sequence[float],
) -> tuple[int, int, int]:
    """Return the exponent of the width of bars, the first bar, and the one after the last."""
    is_seen = (signs != 0) & np.isfinite(magnitudes)
    counts, magnitudes, signs = counts[is_seen], magnitudes[is_seen], signs[is_seen]
    reached = np.cumsum(counts)
    least, greatest = 0, -1
    if counts.size:
        tail = int(TAIL * int(reached[-1]))
        least = int(reached.searchsorted(tail, "right"))
        greatest = int(reached.searchsorted(int(reached[-1]) - tail, "left"))
    ends = [least, greatest] if counts.size else []
    largest = max([*(abs(number) for number in shown), *magnitudes[ends].tolist()])
    exponent = max(math.frexp(largest)[1] - MOST_WIDTHS.bit_length(), _LEAST_EXPONENT) if largest else 0
    while True:
        steps = _steps(magnitudes[ends], signs[ends], exponent).astype(int).tolist()
        marks = [math.ldexp(number, -exponent) for number in shown]
        first = min((*steps, *map(math.floor, marks)))
        last = max(first + 1, *(step + 1 for step in steps), *map(math.ceil, marks))
        if last - first <= most and first >= -MOST_WIDTHS and last <= MOST_WIDTHS:
            return exponent, first, last
        exponent += 1


def losses_by(histogram: Histogram, plan: Plan, groups: NDArray[np.int64], size: int) -> list[float]:
    """Return the sums of losses of pairs in each of `size` groups of cells; `groups`, shape (cells,), says which.

    Each is rounded once, weighted where pairs have weights. That of a hinge is m*n - Σd of the pairs below the margin,
    as `mrl sweep` has it, and else of the losses, as each is rounded.
    """
    if "loss" in histogram.sums:
        regrouped = histogram.sums["loss"].regrouped(groups, size)
        return [float(regrouped.at(group)) for group in range(size)]
    margin = margin_of(plan) or 0.0  # each pair has its own only where losses are added up, or nothing is
    magnitudes, signs = histogram.cells.starts(np.arange(histogram.counts.size))
    starts = signs * magnitudes
    curve = _curve(histogram, np.where((starts < margin) | ((signs < 0) & (starts == margin)), groups, size), size)
    is_square = LOSSES[plan.loss.name].power == 2
    losses: list[float] = []
    for group, pairs in enumerate(curve.counts[0, :size].tolist()):
        first, second = curve.of("first").at(group), curve.of("second").at(group)
        count = curve.sums["weight"].at(group) if "weight" in curve.sums else ExactSum(pairs << UNIT_EXPONENT)
        losses.append(hinge_sum(margin, count, first, second, is_square=is_square))
    return losses


def losses_of_cells(histogram: Histogram, plan: Plan) -> NDArray[np.float64]:
    """Return the sum of the losses of each cell, as `losses_by`, but rounded a few times: to see where losses lie."""
    size = histogram.counts.size
    rounded = {name: sums.rounded(size) for name, sums in histogram.sums.items() if name in ("loss", *_OF_CURVES)}
    if "loss" in rounded:
        return rounded["loss"]
    margin = margin_of(plan) or 0.0
    magnitudes, signs = histogram.cells.starts(np.arange(size))
    counts = rounded.get("weight", histogram.counts)
    with np.errstate(all="ignore"):
        losses = margin * counts - rounded["first"]
        if LOSSES[plan.loss.name].power == 2:
            losses = margin * losses - margin * rounded["first"] + rounded["second"]
        starts = signs * magnitudes
        is_active = (starts < margin) | ((signs < 0) & (starts == margin))
        return np.where(is_active, np.maximum(losses, 0.0), 0.0)


def _curve(histogram: Histogram, groups: NDArray[np.int64], size: int) -> Curve:
    """Return the sums of a histogram by groups of its cells as a curve by code, and what remains in a last one."""
    counts = np.zeros((3, size + 1), np.int64)
    np.add.at(counts[0], groups, histogram.counts)
    sums = {name: sums.regrouped(groups, size + 1) for name, sums in histogram.sums.items() if name in _OF_CURVES}
    return Curve(counts, sums)


def regions_of(histogram: Histogram, plan: Plan) -> dict[str, int]:
    """Return how many pairs there are by where d lies, under the keys of the counts in a report.

    Where each pair has a margin of its own, those in the right order are not told apart: they are `correct`.
    """
    margin = margin_of(plan)
    names = ("wrong", "ties", "correct") if margin is None else ("wrong", "ties", "inside_margin", "beyond_margin")
    magnitudes, signs = histogram.cells.starts(np.arange(histogram.counts.size))
    groups = signs + 1
    if margin is not None:
        groups = np.where((signs > 0) & (magnitudes >= margin), 3, groups)
    pairs = np.zeros(len(names), np.int64)
    np.add.at(pairs, groups, histogram.counts)
    return dict(zip(names, pairs.tolist(), strict=True))


def margins_for(histogram: Histogram, plan: Plan, most: int) -> list[float]:
    """Return at most `most` margins, three or more, to draw the loss at: from 0 in steps of one width, and the plan's.

    They ascend, about as far as bars do.
    """
    own = shown_margin(plan)
    cells = histogram.met()
    starts = histogram.cells.starts(cells)
    exponent, _, last = _chosen(histogram.counts[cells], *starts, 2 * MOST_WIDTHS, (own,))
    edges = [place * math.ldexp(1.0, exponent) for place in range(last + 1)]
    edges = [edge for edge in edges if is_edge(edge) and edge < math.inf]  # near 1e308 the last may be beyond
    while len(edges) >= most:
        edges = edges[::2]
    return sorted({own, *edges})


def curve_at(histogram: Histogram, plan: Plan, margins: Sequence[float]) -> list[Point]:
    """Return what pairs come to at margins from 0 on, each where a cell begins or the plan's: `sum` and `active` alone.

    These are those of `mrl sweep` to the last bit; `passing`, pairs with a gradient, is no more than `active` here.
    Raises ValueError for another margin, and for a loss that is no hinge of one margin.
    """
    known = {margin_of(plan), *histogram.knots}
    wrong = [margin for margin in margins if margin < 0 or not (is_edge(margin) or margin in known)]
    if wrong or not is_hinge_of_differences(plan):
        raise ValueError(f"the loss at {wrong or margins} does not follow from cells")
    sweep = CurveReduction(plan.loss.name, margins, plan.loss.dtype)
    knots = distinct(np.array(margins))
    magnitudes, signs = histogram.cells.starts(np.arange(histogram.counts.size))
    points = sweep.points(_curve(histogram, np.searchsorted(knots, signs * magnitudes, "right"), knots.size))
    return [replace(point, passing=point.active) for point in points]
