"""The items of lists in order: of their labels, which says what pairs there are, and of their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import cut_at
from mrl_cli.lists.ragged import begins_run
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Array, Doubles, Places, Wholes
    from mrl_cli.lists.base import Lists


PIECE_ITEMS = 1 << 15  # what is worked on at once stays in a core's cache
_SHORT = np.iinfo(np.uint16)  # integers that NumPy sorts by their digits


def pieces(lists: Lists, items: int = PIECE_ITEMS) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of runs of whole lists: of so many items at most, or one list that alone has more.

    Each list has at least one item.

    >>> from mrl_cli.lists.base import Lists
    >>> starts = np.array([0, 2, 3, 9])
    >>> list(pieces(Lists(starts, np.zeros(9), np.zeros(9)), items=4))
    [(0, 2), (2, 3)]
    """
    return cut_at(lists.starts, items)


def order_by(lists: Lists, keys: Array) -> Places:
    """Return the items, list after list, in each by ascending key; equal keys in any order."""
    order: Places = np.argsort(keys, kind="stable" if keys.dtype.itemsize <= _SHORT.dtype.itemsize else "quicksort")
    if lists.size > 1:
        numbers = lists.numbers.astype(_SHORT.dtype if lists.size <= _SHORT.max else np.int64)
        order = order.take(np.argsort(numbers.take(order), kind="stable"))
    return order


class Levels(NamedTuple):
    """Items by list and label: a level is the items of a list that have one label.

    Levels follow each other list by list, in each the lowest label first. `order` holds the items by level, `firsts`,
    of shape (levels + 1,), where in it each level begins, `numbers` the number of each level's list and `ranks` how
    many levels of that list are below it, both of shape (levels,).
    """

    order: Places
    firsts: Places
    numbers: Wholes
    ranks: Wholes

    @property
    def sizes(self) -> Places:
        """How many items each level has."""
        return np.diff(self.firsts)

    def codes(self) -> Array:
        """Return for each item, in the order of the lists, the rank of its level: unsigned, as narrow as may be."""
        ranks = self.ranks.astype(np.min_scalar_type(int(self.ranks.max(initial=0))))
        codes = np.empty(self.order.size, ranks.dtype)
        codes[self.order] = np.repeat(ranks, self.sizes)
        return codes

    def pairs(self, lists: Lists) -> Wholes:
        """Return how many pairs each of the lists has."""
        pairs = np.zeros(lists.size, np.int64)
        np.add.at(pairs, self.numbers, self.sizes * self._below(lists))
        return pairs

    def wins(self, lists: Lists) -> Wholes:
        """Return for each item how many items of its list have a lower label."""
        wins = np.empty(self.order.size, np.int64)
        wins[self.order] = np.repeat(self._below(lists), self.sizes)
        return wins

    def ends(self, values: Array, others: Array) -> tuple[Array, Array]:
        """Return the least of the values and the greatest of the others by level; all are in the order of levels."""
        if self.numbers.size == self.order.size:
            return values, others
        return np.minimum.reduceat(values, self.firsts[:-1]), np.maximum.reduceat(others, self.firsts[:-1])

    def _below(self, lists: Lists) -> Places:
        return self.firsts[:-1] - lists.starts.take(self.numbers)


def levels_of(lists: Lists) -> Levels:
    """Return the levels of lists."""
    order = order_by(lists, _short(lists.labels))
    labels, numbers = lists.labels.take(order), lists.numbers
    is_first = np.ones(labels.size + 1, bool)
    np.not_equal(labels[1:], labels[:-1], out=is_first[1:-1])
    is_first[lists.starts] = True
    firsts = np.flatnonzero(is_first)
    numbers = numbers.take(firsts[:-1])
    return Levels(order, firsts, numbers, np.arange(numbers.size) - np.searchsorted(numbers, numbers))


def _short(labels: Doubles) -> Array:
    """Return labels as small integers where they all are such: those are sorted quickly."""
    if labels.size and labels.min() >= 0 and labels.max() <= _SHORT.max:
        short = labels.astype(np.uint8 if labels.max() <= np.iinfo(np.uint8).max else _SHORT.dtype)
        if np.array_equal(short, labels):
            return short
    return labels


class Extremes(NamedTuple):
    """Of a list's pairs, the one with the least difference of scores, and the one with the greatest.

    Each is (score of the item with the higher label, score of the other), of shape (2, lists). The difference is that
    of the scores as real numbers, so it decides between differences that round to one double. Of a list without pairs
    they are such that the least difference is Infinity, and the greatest -Infinity.
    """

    least: Doubles
    greatest: Doubles


def extremes(lists: Lists, levels: Levels) -> Extremes:
    """Return the pairs of lists with the least and the greatest difference of scores.

    The greatest is that of the highest score of a level and the lowest score of all levels below it.
    """
    least, greatest = np.zeros((2, 2, lists.size))
    least[0], greatest[0] = np.inf, -np.inf
    scores = lists.scores.take(levels.order)
    lows, highs = levels.ends(scores, scores)
    of_winners = highs, lows
    if lists.weighing is not None:  # of a level without an item that weighs, the least difference is Infinity
        weighs = lists.weighing.take(levels.order)
        of_winners = levels.ends(*(np.where(weighs, scores, end) for end in (np.inf, -np.inf)))[::-1]
    for found, higher, best, values, sign in (
        (greatest, of_winners[0], np.minimum, lows, 1.0),
        (least, of_winners[1], np.maximum, highs, -1.0),
    ):
        lower = np.roll(running(best, values, levels.ranks), 1)  # those of a list's first level mean nothing
        places = _places_of_greatest(higher, lower, sign, levels.ranks)
        found[:, levels.numbers.take(places)] = higher.take(places), lower.take(places)
    return Extremes(least, greatest)


def running(best: np.ufunc, values: Array, ranks: Wholes) -> Array:
    """Return at each level the best of the values of its list up to there; `ranks` are those of levels."""
    if ranks.size and ranks[-1] == ranks.size - 1:  # one list
        return best.accumulate(values)
    reach = 1
    while reach <= ranks.max(initial=0):
        both = best(values[reach:], values[:-reach])
        values = np.concatenate([values[:reach], np.where(ranks[reach:] >= reach, both, values[reach:])])
        reach *= 2
    return values


def _places_of_greatest(higher: Doubles, lower: Doubles, sign: float, ranks: Wholes) -> Places:
    """Return where, of each list with two levels, sign * (higher - lower) is the greatest, as real numbers."""
    with np.errstate(all="ignore"):
        differences = np.subtract(higher, lower)
        np.multiply(differences, sign, out=differences)
        np.copyto(differences, -np.inf, where=ranks == 0)
        places = _at_greatest(differences, np.flatnonzero(ranks == 0))
        places = places[ranks.take(places) > 0]
        left, right, best = sign * higher.take(places), sign * lower.take(places), differences.take(places)
        share = best - left
        errors = (left - (best - share)) - (right + share)
        errors = np.where(np.isfinite(best), errors, left / 4 - right / 4)  # what overflows is compared scaled down
    lists = np.cumsum(ranks == 0, dtype=np.int32).take(places)
    kept = _at_greatest(errors, np.flatnonzero(np.diff(lists, prepend=0)))
    return places[kept][np.flatnonzero(np.diff(lists[kept], prepend=0))]


def _at_greatest(values: Doubles, starts: Places) -> Places:
    """Return the places of values that are the greatest of their run; runs begin at `starts`."""
    if not values.size:
        return np.zeros(0, np.intp)
    greatest = np.maximum.reduceat(values, starts)
    return np.flatnonzero(values == np.repeat(greatest, np.diff(np.append(starts, values.size))))


def equal_pairs(lists: Lists, codes: Array, scores: Doubles) -> Wholes:
    """Return how many pairs of each list, items with different codes, have one score; both are by list and score."""
    same = np.zeros(scores.size + 1, bool)
    np.equal(scores[1:], scores[:-1], out=same[1:-1])
    same[lists.starts] = False
    tied = np.flatnonzero(same[1:] | same[:-1])
    numbers = np.searchsorted(lists.starts, tied, side="right")
    columns = [codes.take(tied), scores.take(tied), numbers - 1]
    rows = np.lexsort(columns)
    columns = [column.take(rows) for column in columns]
    return _pairs_in_runs(columns[1:], lists.size) - _pairs_in_runs(columns, lists.size)


def _pairs_in_runs(columns: list[Array], size: int) -> Wholes:
    """Return how many pairs of rows have equal values in all columns, by the value of the last; equal rows adjoin."""
    counts = np.zeros(size, np.int64)
    if columns[-1].size:
        starts = np.flatnonzero(begins_run(*columns))
        sizes = np.diff(np.r_[starts, columns[-1].size])
        np.add.at(counts, columns[-1].take(starts), sizes * (sizes - 1) // 2)
    return counts


def top_shares(lists: Lists, levels: Levels) -> Doubles:
    """Return of each list the share of the highest label among the items that have the highest score.

    1.0: the highest score is only among the highest label. NaN for a list without pairs.
    """
    shares = np.full(lists.size, np.nan)
    if not levels.numbers.size:
        return shares
    scores, starts = lists.scores.take(levels.order), levels.firsts[:-1]
    numbers = levels.numbers
    highest = np.full(lists.size, -np.inf)
    np.maximum.at(highest, numbers, np.maximum.reduceat(scores, starts))
    at_top = np.add.reduceat(scores == np.repeat(highest.take(numbers), levels.sizes), starts, dtype=np.int64)
    last = np.flatnonzero(np.r_[numbers[1:] != numbers[:-1], True])
    last = last[levels.ranks.take(last) > 0]
    whole = np.bincount(numbers, at_top, lists.size)
    shares[numbers.take(last)] = at_top.take(last) / whole.take(numbers.take(last))
    return shares
