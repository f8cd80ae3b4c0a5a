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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.lists.orders import PIECE_ITEMS, order_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.lists.base import Lists

    Floats = NDArray[np.float64]
    Places = NDArray[np.int32]


class Ranked(NamedTuple):
    """Items by list and score: `order` holds them, `scores` their scores, and `codes` the ranks of their labels."""

    lists: Lists
    order: Places
    scores: Floats
    codes: NDArray[Any]

    @property
    def starts(self) -> Places:
        """Where the list of each item begins."""
        return np.repeat(self.lists.starts[:-1].astype(np.int32), self.lists.sizes)

    @property
    def ends(self) -> Places:
        """Where the list of each item ends."""
        return np.repeat(self.lists.starts[1:].astype(np.int32), self.lists.sizes)


def ranked(lists: Lists, codes: NDArray[Any]) -> Ranked:
    """Return lists by score; `codes` are the ranks of labels by item."""
    order = order_by(lists, lists.scores).astype(np.int32)
    return Ranked(lists, order, lists.scores.take(order), codes.take(order))


def reach_of(rows: Ranked, margin: float, *, closed: bool = False) -> Places:
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


def _reach_of_itself(rows: Ranked, closed: bool) -> Places:
    is_first = np.ones(rows.scores.size + 1, bool)
    np.not_equal(rows.scores[1:], rows.scores[:-1], out=is_first[1:-1])
    is_first[rows.lists.starts] = True
    firsts = np.flatnonzero(is_first)
    return np.repeat(firsts[closed:][: firsts.size - 1].astype(np.int32), np.diff(firsts))


def _bounds(scores: Floats, margin: float, closed: bool) -> Floats:
    """Return what a score is below, as a double, when it is below (closed: not above) score + margin, a real number."""
    with np.errstate(all="ignore"):
        bounds = scores + margin
        share = bounds - scores
        error = (scores - (bounds - share)) + (margin - share)
        is_beyond = error >= 0 if closed else error > 0  # of an infinite sum the error is NaN: it is a bound as it is
        np.nextafter(bounds, np.inf, out=bounds, where=is_beyond)
    return bounds


def _search(scores: Floats, bounds: Floats, starts: Places, ends: Places) -> Places:
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

    `losses` has an array for each reach, `wins` one for each of the first so many as were asked for. `sums` has one for
    each array of values: the sum of those of an item's active winners, under the first reach.
    """

    losses: list[NDArray[np.int32]]
    wins: list[NDArray[np.int32]]
    sums: list[NDArray[Any]]


class _Rows(NamedTuple):
    """Rows of a level: codes, the start of the node of each, its reaches, its values, and its place among items."""

    codes: NDArray[Any]
    starts: Places
    reaches: list[Places]
    values: list[NDArray[Any]]
    places: Places | slice

    def part(self, start: int, stop: int) -> _Rows:
        these, places = slice(start, stop), self.places
        reaches = [reach[these] - np.int32(start) for reach in self.reaches]
        places = np.arange(start, stop, dtype=np.int32) if isinstance(places, slice) else places[these]
        values = [value[these] for value in self.values]
        return _Rows(self.codes[these], self.starts[these] - np.int32(start), reaches, values, places)


def meetings(rows: Ranked, reaches: list[Places], wins: int = 0, values: Sequence[NDArray[Any]] = ()) -> Meetings:
    """Return how the items of lists meet under each reach; `values` are by list and score.

    Values are added up in any order: each sum of up to as many of them as there are items is exact. `reaches` are
    taken out of their list, to be let go when the walk is past them.
    """
    size, bits = rows.scores.size, int(rows.codes.max(initial=0)).bit_length()
    losses, won = ([np.zeros(size, np.int32) for _ in range(count)] for count in (len(reaches), wins))
    found = Meetings(losses, won, [np.zeros(size, value.dtype) for value in values])
    waiting = [_Rows(rows.codes, rows.starts, reaches.copy(), list(values), slice(None))]
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
    if np.diff(edges).max() > PIECE_ITEMS:
        return None
    cuts = [0]
    while cuts[-1] < rows.codes.size:
        cuts.append(int(edges[np.searchsorted(edges, cuts[-1] + PIECE_ITEMS, side="right") - 1]))
    return cuts


def _met(rows: _Rows, bit: int, found: Meetings) -> _Rows:
    """Add what meets at a bit, and return the rows of the next level: those with a 0, then those with a 1."""
    is_one = (rows.codes >> rows.codes.dtype.type(bit) & rows.codes.dtype.type(1)).astype(bool)
    ones_before = np.zeros(is_one.size + 1, np.int32)
    np.cumsum(is_one, out=ones_before[1:])
    losers, winners = (np.flatnonzero(mask).astype(np.int32) for mask in (~is_one, is_one))
    at_losers, at_winners = (
        (these if isinstance(rows.places, slice) else rows.places.take(these)) for these in (losers, winners)
    )
    from_places = ones_before.take(rows.starts.take(losers))
    to_places = [ones_before.take(reach.take(losers)) for reach in rows.reaches]
    for to, losses in zip(to_places, found.losses, strict=True):
        losses[at_losers] += to - from_places
    entered = np.bincount(from_places, minlength=winners.size + 1)
    for to, wins in zip(to_places, found.wins, strict=False):
        active = entered - np.bincount(to, minlength=winners.size + 1)
        wins[at_winners] += np.cumsum(active, out=active)[:-1]
    values = [(value.take(losers), value.take(winners)) for value in rows.values]
    for (_, won), sums in zip(values, found.sums, strict=True):
        sums_before = np.zeros(won.size + 1, won.dtype)
        np.cumsum(won, out=sums_before[1:])
        sums[at_losers] += sums_before.take(to_places[0]) - sums_before.take(from_places)
    if bit == 0:
        return rows
    shift = np.int32(losers.size)

    def joined(place: Places, before: Places) -> Places:
        return np.concatenate([place.take(losers) - before, ones_before.take(place.take(winners)) + shift])

    starts = joined(rows.starts, from_places)
    reaches = [joined(reach, to) for reach, to in zip(rows.reaches, to_places, strict=True)]
    codes = np.concatenate([rows.codes.take(losers), rows.codes.take(winners)])
    return _Rows(
        codes, starts, reaches, [np.concatenate(value) for value in values], np.concatenate([at_losers, at_winners])
    )
