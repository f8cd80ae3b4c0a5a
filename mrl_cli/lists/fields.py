"""Losses made of exponentials, summed over the pairs of large lists in n log n.

The loss of a pair is a smooth function of z = margin + (s_j - s_i)*rate, s_i the score of the item with the higher
label. Scores fall into cells, a power of two wide and at most 1 in z. What the items j of a cell add to an item i of
another is, where the cells are near, a polynomial of both places within their cells: the cell j is known by its
moments, the cell i by what it comes to there (Greengard and Rokhlin, "A Fast Algorithm for Particle Simulations", J.
Comput. Phys. 73, 1987). Where they are far, it is a line and a few powers of exp(z) or exp(-z), which separate: sums
over cells that decay from one cell to the next. Where cells hold too few items for that, pairs are gone through.

Labels of many levels: down the bits of their ranks, for any two different ranks part at exactly one. The nodes of all
lists are gone through at once, but every operation is one of a single cell or item, in an order that the scores give:
no bit depends on the order of the items or on other lists.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact import products
from mrl_cli.exact.codes import two_sum
from mrl_cli.lists.ragged import begins_run, blocks_of, ranges
from mrl_cli.lists.shapes import DEGREE, Shape, Tail
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Doubles, Mask, Places, Wholes
    from mrl_cli.lists.nodes import Ranked


NEAR = 7.5  # beyond, a line and POWERS powers of exp(-|z|) are all there is: exp(-7.5*5)/6 is 1e-17
DIRECT = 16  # pairs of items that take as long as one pair of cells
HEAD_BITS = 40  # of a step; times 13 bits of a number of steps, a double holds them
MOST_STEPS = 4096.0  # a step is more than 1/2: exp of so many is 0
PAIRS = 1 << 17  # of cells, or of items, at a time


class Grid(NamedTuple):
    """Cells of scores: `width`, a power of two, is `step` in z. z = step*(offset of cells + shift) + rest + …, where
    near cells are up to `reach` apart, the shift taken with them. `head` and `tail` sum up to the step.
    """

    width: float
    step: float
    shift: float
    rest: float
    reach: int
    head: float
    tail: float

    @classmethod
    def of(cls, rate: Fraction, margin: float) -> Grid:
        """Return the grid for z = margin + difference*rate."""
        numerator, denominator = rate.numerator, rate.denominator
        exponent = denominator.bit_length() - numerator.bit_length()
        while Fraction(2) ** exponent * rate > 1:
            exponent -= 1
        step = Fraction(2) ** exponent * rate  # above 1/4, at most 1
        shift = round(Fraction(margin) / step)
        rest = float(Fraction(margin) - shift * step)
        head = float(round(step * 2**HEAD_BITS)) / 2.0**HEAD_BITS
        reach = math.ceil(NEAR / float(step) + 0.5)
        return cls(2.0**exponent, float(step), float(shift), rest, reach, head, float(step - Fraction(head)))

    def decay(self, steps: Doubles) -> Doubles:
        """Return exp(-steps * step) for whole numbers: to two units in the last place, for their product is exact."""
        steps = np.minimum(steps, MOST_STEPS)
        return np.exp(-steps * self.head) * np.exp(-steps * self.tail)


class Side(NamedTuple):
    """Items of one side of the pairs of nodes, sorted by node and score: cells of them.

    `nodes` and `cells` (the place on the grid, whole) are of each cell, `firsts` too, with the end behind the last;
    `scores`, `places` (from -1 to 1 within the cell) and `charges` of each item; these may have several rows, and what
    comes of them has as many.
    """

    nodes: Wholes
    cells: Doubles
    firsts: Places
    scores: Doubles
    places: Doubles
    charges: Doubles | None

    @classmethod
    def of(cls, nodes: Wholes, scores: Doubles, charges: Doubles | None, grid: Grid) -> Side:
        """Return the side of items that are sorted by node and score."""
        cells = np.floor(scores / grid.width)
        places = (scores - cells * grid.width) * (2 / grid.width) - 1
        firsts = np.flatnonzero(begins_run(nodes, cells))
        return cls(nodes[firsts], cells[firsts], np.append(firsts, nodes.size), scores, places, charges)

    @property
    def counts(self) -> Places:
        """How many items each cell has."""
        return np.diff(self.firsts)

    def sums(self, values: Doubles) -> Doubles:
        """Return the sum of charge * value by cell."""
        return np.add.reduceat(values if self.charges is None else values * self.charges, self.firsts[:-1], axis=-1)

    def none(self, size: int) -> Doubles:
        """Return what so many items get from no others."""
        return np.zeros((size,) if self.charges is None else (*self.charges.shape[:-1], size))

    def some(self, cells: Places) -> Side:
        """Return the side of those cells alone."""
        counts = self.counts[cells]
        items = ranges(self.firsts[cells], counts)
        firsts = np.append(0, np.cumsum(counts))
        charges = None if self.charges is None else self.charges[..., items]
        return Side(self.nodes[cells], self.cells[cells], firsts, self.scores[items], self.places[items], charges)


class Meeting(NamedTuple):
    """For each cell of one side which cells of the other side it meets, as places among those: `near` ones from
    lows to highs, those before that in the node from `begins` on, and those behind it up to `ends`.
    """

    begins: Places
    lows: Places
    highs: Places
    ends: Places


def fields(rows: Ranked, shape: Shape, charges: Doubles | None = None) -> Doubles:
    """Return what the items with a lower label add to each item: the sum of charge_j * loss(z), by list and score.

    `charges` are those of the items, by list and score as well, 1 where there are none. Items with the same score and
    label, and of charges too, are in whatever order. The sum is infinite where it is beyond the doubles.
    """
    nodes, items, codes = rows.lists.numbers, np.arange(rows.order.size), rows.codes
    total, grid = np.zeros(items.size), Grid.of(shape.rate, shape.margin)
    with np.errstate(all="ignore"):
        for bit in reversed(range(int(codes.max(initial=0)).bit_length())):
            is_higher = (codes >> codes.dtype.type(bit) & codes.dtype.type(1)).astype(bool)
            parts = np.flatnonzero(is_higher), np.flatnonzero(~is_higher)
            chosen = ((nodes[part], items[part]) for part in parts)
            higher, lower = (
                Side.of(of, rows.scores[some], None if charges is None else charges[some], grid) for of, some in chosen
            )
            if higher.nodes.size and lower.nodes.size:
                total[items[parts[0]]] += level_sums(higher, lower, grid, shape)
            if bit:
                both = np.concatenate(parts[::-1])
                nodes = (2 * nodes + is_higher)[both]
                order = np.argsort(nodes, kind="stable")  # two sorted runs: a merge
                nodes, both = nodes[order], both[order]
                codes, items = codes[both], items[both]
    return total


def level_sums(higher: Side, lower: Side, grid: Grid, shape: Shape) -> Doubles:
    """Return what the lower items of each node add to the higher ones, by the order of `higher`."""
    if not shape.tails:
        return _products(higher, lower, shape)
    meeting = _meeting(higher, lower, grid)
    added = lower.none(higher.scores.size)
    for cells in blocks_of(meeting.highs - meeting.lows, PAIRS):
        _add_near(added, cells, higher, lower, meeting, grid, shape)
    for tail in shape.tails:
        _add_far(added, higher, lower, meeting, grid, tail)
    return added


def _products(higher: Side, lower: Side, shape: Shape) -> Doubles:
    """Return what the lower items of each node add to the higher ones where the loss is exp(z): a product.

    It is exp of the difference to the highest score, times a sum that is at least 1: so only what is beyond the doubles
    overflows.
    """
    is_last = np.append(lower.nodes[1:] != lower.nodes[:-1], True)
    ends = lower.firsts[1:][is_last]
    firsts = np.append(0, ends[:-1])
    nodes, tops = lower.nodes[is_last], lower.scores[ends - 1]
    values = _exp_of(lower.scores, np.repeat(tops, ends - firsts), shape.rate)
    sums = np.add.reduceat(values if lower.charges is None else values * lower.charges, firsts, axis=-1)
    sums = np.concatenate([sums, lower.none(1)], axis=-1)
    place = np.searchsorted(nodes, higher.nodes)
    is_met = nodes[np.minimum(place, nodes.size - 1)] == higher.nodes
    place = np.repeat(np.where(is_met, place, nodes.size), higher.counts)
    half = _exp_of(np.append(tops, 0.0)[place], higher.scores, shape.rate / 2)
    return np.where(place < nodes.size, half * sums[..., place] * half, 0.0)


def _exp_of(left: Doubles, right: Doubles, rate: Fraction) -> Doubles:
    """Return exp((left - right)*rate) to some units in the last place: the exponent is a sum of two doubles."""
    near = float(rate)
    differences, errors = two_sum(left, -right)
    most = MOST_STEPS / near  # of more the exponential is 0 or infinite, and no product overflows
    differences = np.clip(differences, -most, most)
    exponents, rest = products(differences, np.full_like(differences, near))
    rest += differences * float(rate - Fraction(near)) + np.where(np.isfinite(errors), errors, 0.0) * near
    return np.exp(exponents) * (1 + rest)


def _meeting(higher: Side, lower: Side, grid: Grid) -> Meeting:
    begins = np.searchsorted(lower.nodes, higher.nodes)
    ends = np.searchsorted(lower.nodes, higher.nodes, side="right")
    lows, highs = (_first_from(higher, lower, begins, ends, grid, bound) for bound in (-grid.reach, grid.reach + 1))
    return Meeting(begins, lows, highs, ends)


def _first_from(higher: Side, lower: Side, begins: Places, ends: Places, grid: Grid, bound: int) -> Places:
    """Return the first place from begins to ends of a cell whose offset, with the shift, is `bound` or more."""
    low, high = begins.copy(), ends.copy()
    while True:
        is_open = low < high
        if not is_open.any():
            return low
        middle = (low + high) // 2
        # The difference of two cells first: it is exact, where a cell of a large number less a shift may not be.
        is_below = (lower.cells[np.where(is_open, middle, 0)] - higher.cells) + grid.shift < bound
        low = np.where(is_open & is_below, middle + 1, low)
        high = np.where(is_open & ~is_below, middle, high)


def _add_near(
    added: Doubles, cells: Places, higher: Side, lower: Side, meeting: Meeting, grid: Grid, shape: Shape
) -> None:
    """Add what near cells add to the items of some cells."""
    counts, others = higher.counts[cells], meeting.highs[cells] - meeting.lows[cells]
    partners = lower.firsts[meeting.highs[cells]] - lower.firsts[meeting.lows[cells]]
    is_direct = counts * partners <= DIRECT * others
    direct, cells, others = cells[is_direct], cells[~is_direct], others[~is_direct]
    items = ranges(higher.firsts[direct], counts[is_direct])
    starts = np.repeat(lower.firsts[meeting.lows[direct]], counts[is_direct])
    _add_pairs(added, items, starts, np.repeat(partners[is_direct], counts[is_direct]), higher, lower, shape)
    if not cells.size:
        return
    first, second = np.repeat(np.arange(cells.size), others), ranges(meeting.lows[cells], others)
    base = int(second.min())
    is_used = np.zeros(int(second.max()) - base + 1, bool)
    is_used[second - base] = True
    second_of = np.cumsum(is_used) - 1
    part = lower.some(np.flatnonzero(is_used) + base)
    moments = np.stack([part.sums(values) for values in _polynomials(part.places)])
    offsets = (lower.cells[second] - higher.cells[cells][first]) + grid.shift
    local = np.stack([lower.none(cells.size)] * (DEGREE + 1))
    for offset in distinct(offsets).tolist():
        here = offsets == offset
        at, of = first[here], moments[..., second_of[second[here] - base]]
        reached = local[..., at]  # a cell meets one that is so far at most
        for column, rows, coefficients in shape.columns(offset * grid.step + grid.rest, grid.step):
            reached[rows] += np.multiply.outer(coefficients, of[column])
        local[..., at] = reached
    chosen = higher.some(cells)
    near = lower.none(chosen.scores.size)
    for coefficients, values in zip(local, _polynomials(chosen.places), strict=True):
        near += np.repeat(coefficients, chosen.counts, axis=-1) * values
    added[..., ranges(higher.firsts[cells], chosen.counts)] += near


def _polynomials(places: Doubles) -> Iterator[Doubles]:
    """Yield the Chebyshev polynomials from degree 0 to DEGREE."""
    before, now = places.copy(), np.ones_like(places)  # T_-1 is T_1
    for degree in range(DEGREE + 1):
        yield now
        if degree < DEGREE:
            before, now = now, 2 * places * now - before


def _add_pairs(
    added: Doubles, items: Places, starts: Places, counts: Places, higher: Side, lower: Side, shape: Shape
) -> None:
    """Add to each of some items what so many of the other side from a place on add, pair by pair."""
    for block in blocks_of(counts, PAIRS):
        number = counts[block]
        others = ranges(starts[block], number)
        values = shape.losses(np.repeat(higher.scores[items[block]], number) - lower.scores[others])
        if lower.charges is not None:
            values = values * lower.charges[..., others]
        added[..., items[block]] += np.add.reduceat(values, np.cumsum(number) - number, axis=-1)


def _add_far(added: Doubles, higher: Side, lower: Side, meeting: Meeting, grid: Grid, tail: Tail) -> None:
    """Add what cells that are far, all with z of one sign, add to the items of each cell.

    A sum over those is had at the nearest, and decays from there to the cell.
    """
    sign = tail.sign
    edges, is_far = (
        (meeting.lows - 1, meeting.lows > meeting.begins) if sign < 0 else (meeting.highs, meeting.highs < meeting.ends)
    )
    cells = np.flatnonzero(is_far)
    if not cells.size:
        return
    edges = edges[cells]
    chosen, steps = higher.some(cells), _Running(lower, sign, grid)
    offsets = (lower.cells[edges] - higher.cells[cells]) + grid.shift
    z = offsets * grid.step + grid.rest
    reached = lower.none(chosen.scores.size)
    half = grid.step / 2
    for power, coefficient in enumerate(tail.powers, 1):
        sums = steps.decayed(lower.sums(np.exp(-sign * power * half * lower.places)), power)
        local = coefficient * sums[..., edges] * grid.decay(sign * power * offsets) * np.exp(-sign * power * grid.rest)
        reached += np.repeat(local, chosen.counts, axis=-1) * np.exp(sign * power * half * chosen.places)
    if tail.slope or tail.level:
        number, distance = steps.distances(lower.sums(np.ones_like(lower.places)))
        within = steps.decayed(lower.sums(lower.places), 0)[..., edges]
        number, distance = number[..., edges], distance[..., edges]
        line = tail.slope * (number * z + sign * grid.step * distance + half * within) + tail.level * number
        reached += np.repeat(line, chosen.counts, axis=-1)
        if tail.slope:
            reached -= np.repeat(tail.slope * half * number, chosen.counts, axis=-1) * chosen.places
    added[..., ranges(higher.firsts[cells], chosen.counts)] += reached


class _Running:
    """Sums over the cells of a node that are as far as each or farther: before it for z < 0, behind it for z > 0.

    Each is had from that of the next cell, of the next two, four, … (Hillis and Steele, "Data Parallel Algorithms",
    Communications of the ACM 29, 1986): few roundings, and cells so far that they add nothing are not reached.
    """

    def __init__(self, side: Side, sign: int, grid: Grid) -> None:
        self._order = slice(None) if sign < 0 else slice(None, None, -1)
        self._nodes, self._grid = side.nodes[self._order], grid
        self._cells = -sign * side.cells[self._order]

    def _gaps(self) -> Iterator[tuple[int, Mask, Doubles]]:
        """Yield (stride, whether the cell that much before is of the node, how many cells it is away)."""
        stride = 1
        while stride < self._nodes.size:
            is_within = self._nodes[stride:] == self._nodes[:-stride]
            if not is_within.any():
                return
            yield stride, is_within, self._cells[stride:] - self._cells[:-stride]
            stride *= 2

    def decayed(self, sums: Doubles, power: int) -> Doubles:
        """Return the running sums of exp(-power * distance in z)."""
        sums = sums[..., self._order].copy()
        for stride, is_within, gaps in self._gaps():
            if power * stride > MOST_STEPS:
                break
            sums[..., stride:] += np.where(is_within, sums[..., :-stride] * self._grid.decay(power * gaps), 0.0)
        return sums[..., self._order]

    def distances(self, sums: Doubles) -> tuple[Doubles, Doubles]:
        """Return the running sums, and those times the distance in cells."""
        sums = sums[..., self._order].copy()
        distances = np.zeros_like(sums)
        for stride, is_within, gaps in self._gaps():
            before = sums[..., :-stride]
            distances[..., stride:] += np.where(is_within, distances[..., :-stride] + gaps * before, 0.0)
            sums[..., stride:] += np.where(is_within, before, 0.0)
        return sums[..., self._order], distances[..., self._order]
