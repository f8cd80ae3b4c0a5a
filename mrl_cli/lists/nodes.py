"""How items of lists meet in pairs, counted in n log n: a walk down the bits of the ranks of labels.

Items stand by list and score. A pair is active when the score of the item with the higher label, the winner, is below
a bound that belongs to the other, the loser: so a loser's active winners are among the items before a place, its reach.
The walk starts with a node for each list. At each bit of the ranks of labels, the highest first, a node's items with a
0 lose to those with a 1, which are counted by one cumulative sum; then it is split into these two, each in the order of
score as before. The ranks of two labels that differ agree down to one bit, at which the higher one has the 1: so each
pair meets once. It is a wavelet matrix: Claude, Navarro and Ordóñez, "The Wavelet Matrix", Information Systems 47
(2015). The counts for one list: Joachims, "A Support Vector Method for Multivariate Performance Measures", 2005;
Airola, Pahikkala and Salakoski, "Training linear ranking SVMs in linearithmic time", Pattern Recognition Letters 32
(2011).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.lists.orders import PIECE_ITEMS, order_by
from mrl_cli.lists.ragged import blocks_of
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.dtypes import Array, Doubles, Mask, ShortPlaces
    from mrl_cli.lists.base import Lists


class Ranked(NamedTuple):
    """Items by list and score: `order` holds them, `scores` their scores, and `codes` the ranks of their labels.

    Where a score is the sum of two doubles, `rests` are the lesser, of which each is a rounding error.
    """

    lists: Lists
    order: ShortPlaces
    scores: Doubles
    codes: Array
    rests: Doubles | None = None

    @property
    def starts(self) -> ShortPlaces:
        """Where the list of each item begins."""
        return np.repeat(self.lists.starts[:-1].astype(np.int32), self.lists.sizes)

    @property
    def ends(self) -> ShortPlaces:
        """Where the list of each item ends."""
        return np.repeat(self.lists.starts[1:].astype(np.int32), self.lists.sizes)


def ranked(lists: Lists, codes: Array) -> Ranked:
    """Return lists by score; `codes` are the ranks of labels by item."""
    order = order_by(lists, lists.scores).astype(np.int32)
    return Ranked(lists, order, lists.scores.take(order), codes.take(order))


def reach_of(rows: Ranked, margin: float, *, closed: bool = False) -> ShortPlaces:
    """Return for each item the place before which those of its list stand that have a score below its own + margin.

    The scores are compared as real numbers: with the rounded sum and the error of that rounding. `closed`: those with
    that very score are before the place too.
    """
    if margin == 0:
        return _reach_of_itself(rows, closed)
    if rows.lists.size > 1:
        return _search(rows.scores, _bounds(rows.scores, margin, closed), rows.starts, rows.ends)
    reach = np.empty(rows.scores.size, np.int32)
    for start in range(0, reach.size, PIECE_ITEMS):
        block = slice(start, start + PIECE_ITEMS)
        reach[block] = np.searchsorted(rows.scores, _bounds(rows.scores[block], margin, closed))
    return reach


def _reach_of_itself(rows: Ranked, closed: bool) -> ShortPlaces:
    is_first = np.ones(rows.scores.size + 1, bool)
    np.not_equal(rows.scores[1:], rows.scores[:-1], out=is_first[1:-1])
    if rows.rests is not None:
        is_first[1:-1] |= rows.rests[1:] != rows.rests[:-1]
    is_first[rows.lists.starts] = True
    firsts = np.flatnonzero(is_first)
    return np.repeat(firsts[closed:][: firsts.size - 1].astype(np.int32), np.diff(firsts))


def _bounds(scores: Doubles, margin: float, closed: bool) -> Doubles:
    """Return what a score is below, as a double, when it is below (closed: not above) score + margin, a real number."""
    with np.errstate(all="ignore"):
        bounds = scores + margin
        share = bounds - scores
        error = (scores - (bounds - share)) + (margin - share)
        is_beyond = error >= 0 if closed else error > 0  # of an infinite sum the error is NaN: it is a bound as it is
        np.nextafter(bounds, np.inf, out=bounds, where=is_beyond)
    return bounds


def _search(scores: Doubles, bounds: Doubles, starts: ShortPlaces, ends: ShortPlaces) -> ShortPlaces:
    """Return for each bound how far those of scores[start:end] reach that are below it."""
    reach = starts.copy()
    step = 1 << int((ends - starts).max(initial=0)).bit_length()
    while step := step >> 1:
        ahead = reach + np.int32(step)
        is_below = scores.take(ahead - 1, mode="clip") < bounds
        is_below &= ahead <= ends
        np.copyto(reach, ahead, where=is_below)
    return reach


class Meetings(NamedTuple):
    """Of each item, by list and score: how many active winners it has as a loser, and active losers as a winner.

    `losses` has an array for each reach, `wins` one for each of the first so many as were asked for. Under the first
    reach, `sums` has one for each array of values, the sum of those of an item's active winners, and `back` the sum of
    values of an item's active losers. `nearest`, where it was asked for, are the places, by list and score, of the last
    winner that is active under the first reach, else -1, and of the first winner that is not, else the number of items.
    They are of the winners that are `counting`, all where that is None.
    """

    losses: list[ShortPlaces]
    wins: list[ShortPlaces]
    sums: list[Array]
    back: list[Array]
    nearest: tuple[ShortPlaces, ShortPlaces] | None = None
    counting: Mask | None = None


class _Rows(NamedTuple):
    """Rows of a level: codes, the start of the node of each, its reaches, its values, and its place among items.

    The place is None where that is the row itself.
    """

    codes: Array
    starts: ShortPlaces
    reaches: list[ShortPlaces]
    values: list[Array]
    back: list[Array]
    places: ShortPlaces | None

    def part(self, start: int, stop: int) -> _Rows:
        """Return the rows from start to before stop, which are whole nodes."""
        these = slice(start, stop)
        reaches = [reach[these] - np.int32(start) for reach in self.reaches]
        values, back = ([value[these] for value in columns] for columns in (self.values, self.back))
        places = np.arange(start, stop, dtype=np.int32) if self.places is None else self.places[these]
        return _Rows(self.codes[these], self.starts[these] - np.int32(start), reaches, values, back, places)

    def halves(self, bit: int) -> tuple[ShortPlaces, ShortPlaces, ShortPlaces]:
        """Return the rows with a 0 at a bit, those with a 1, and how many with a 1 are before each row and the end."""
        is_one = (self.codes >> self.codes.dtype.type(bit) & self.codes.dtype.type(1)).astype(bool)
        ones_before = np.zeros(is_one.size + 1, np.int32)
        np.cumsum(is_one, out=ones_before[1:])
        losers, winners = (np.flatnonzero(mask).astype(np.int32) for mask in (~is_one, is_one))
        return losers, winners, ones_before


def meetings(
    rows: Ranked,
    reaches: list[ShortPlaces],
    wins: int = 0,
    values: Sequence[Array] = (),
    back: Sequence[Array] = (),
    *,
    nearest: bool = False,
    counting: Mask | None = None,
) -> Meetings:
    """Return how the items of lists meet under each reach; `values`, and those to add up `back`, are by list and score.

    Values are added up in any order: each sum of up to as many of them as there are items is exact. `reaches` are
    taken out of their list, to be let go when the walk is past them.
    """
    size, bits = rows.scores.size, int(rows.codes.max(initial=0)).bit_length()
    losses, won = ([np.zeros(size, np.int32) for _ in range(count)] for count in (len(reaches), wins))
    sums, sums_back = ([np.zeros(size, value.dtype) for value in columns] for columns in (values, back))
    ends = (np.full(size, -1, np.int32), np.full(size, size, np.int32)) if nearest else None
    found = Meetings(losses, won, sums, sums_back, ends, counting)
    waiting = [_Rows(rows.codes, rows.starts, reaches.copy(), list(values), list(back), None)]
    reaches.clear()
    _walk(waiting, bits, found)
    return found


def _walk(waiting: list[_Rows], bits: int, found: Meetings) -> None:
    rows = waiting.pop()
    for bit in range(bits - 1, -1, -1):
        if (cuts := _cuts(rows)) is not None:
            for start, stop in pairwise(cuts):
                _walk([rows.part(start, stop)], bit + 1, found)
            return
        rows = _met(rows, bit, found)


def _cuts(rows: _Rows) -> list[int] | None:
    """Return where to cut many rows, between nodes, into parts that stay in the cache; None while nodes are large."""
    if rows.codes.size <= 2 * PIECE_ITEMS:
        return None
    edges = np.flatnonzero(rows.starts[1:] != rows.starts[:-1]) + 1
    edges = np.concatenate([[0], edges, [rows.codes.size]])
    if (sizes := np.diff(edges)).max() > PIECE_ITEMS:
        return None
    return [0, *(int(edges[nodes[-1] + 1]) for nodes in blocks_of(sizes, PIECE_ITEMS))]


def _met(rows: _Rows, bit: int, found: Meetings) -> _Rows:
    """Add what meets at a bit, and return the rows of the next level: those with a 0, then those with a 1."""
    losers, winners, ones_before = rows.halves(bit)
    at_losers, at_winners = (these if rows.places is None else rows.places.take(these) for these in (losers, winners))
    start = ones_before.take(rows.starts.take(losers))
    reaches = [ones_before.take(reach.take(losers)) for reach in rows.reaches]
    for reach, losses in zip(reaches, found.losses, strict=True):
        losses[at_losers] += reach - start
    entered = np.bincount(start, minlength=winners.size + 1)
    for reach, wins in zip(reaches, found.wins, strict=False):
        active = entered - np.bincount(reach, minlength=winners.size + 1)
        wins[at_winners] += np.cumsum(active, out=active)[:-1]
    for value, sums in zip(rows.values, found.sums, strict=True):
        before = np.zeros(winners.size + 1, value.dtype)
        np.cumsum(value.take(winners), out=before[1:])
        sums[at_losers] += before.take(reaches[0]) - before.take(start)
    for value, sums in zip(rows.back, found.back, strict=True):
        sums[at_winners] += _between(start, reaches[0], value.take(losers), winners.size)
    if found.nearest is not None:
        counts = None if found.counting is None else found.counting.take(at_winners)
        nodes = rows.starts.take(winners), rows.starts.take(losers)
        _put_nearest(found.nearest, at_losers, at_winners, start, reaches[0], nodes, counts)
    if bit == 0:
        return rows

    def split(column: Array, before: ShortPlaces | None = None) -> Array:
        lost, won = column.take(losers), column.take(winners)
        if before is not None:  # places become those of the next level
            lost, won = lost - before, ones_before.take(won) + np.int32(losers.size)
        return np.concatenate([lost, won])

    # One column at a time, so that the level that is left does not stay as a whole.
    for place, before in enumerate(reaches):
        rows.reaches[place] = split(rows.reaches[place], before)
    for columns in (rows.values, rows.back):
        for place, column in enumerate(columns):
            columns[place] = split(column)
    codes, starts, places = split(rows.codes), split(rows.starts, start), np.concatenate([at_losers, at_winners])
    return _Rows(codes, starts, rows.reaches, rows.values, rows.back, places)


def _between(starts: ShortPlaces, ends: ShortPlaces, values: Array, size: int) -> Array:
    """Return for each of `size` places the sum of the values whose range, from start to before end, holds it."""
    change = np.zeros(size + 1, values.dtype)
    if values.dtype == object:
        np.add.at(change, starts, values)
        np.subtract.at(change, ends, values)
    else:
        change += np.bincount(starts, values, size + 1)
        change -= np.bincount(ends, values, size + 1)
    return np.cumsum(change)[:-1]


def _put_nearest(
    nearest: tuple[ShortPlaces, ShortPlaces],
    at_losers: ShortPlaces,
    at_winners: ShortPlaces,
    starts: ShortPlaces,
    reach: ShortPlaces,
    nodes: tuple[ShortPlaces, ShortPlaces],
    counts: Mask | None,
) -> None:
    """Put in the nearest winners of a bit: those at the places of their node around a loser's reach.

    `nodes` are where the node of each winner, and of each loser, begins; `counts` says which winners count, None: all.
    """
    (last, first), none, before, after = nearest, np.int32(-1), reach - 1, reach
    if counts is not None:
        size = at_winners.size
        places = np.arange(size)
        until = np.maximum.accumulate(np.where(counts, places, -1))
        onwards = np.minimum.accumulate(np.where(counts, places, size)[::-1])[::-1]
        before, after = np.append(until, -1).take(before), np.append(onwards, size).take(after)
    found = np.where(before >= starts, np.append(at_winners, none).take(before), none)
    last[at_losers] = np.maximum(last[at_losers], found)
    is_in_node = np.append(nodes[0], none).take(after) == nodes[1]
    found = np.where(is_in_node, np.append(at_winners, none).take(after), np.int32(first.size))
    first[at_losers] = np.minimum(first[at_losers], found)
