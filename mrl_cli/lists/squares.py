"""The losses of lists that are the square of a distance to where a difference should be: moments, without rounding.

Every pair counts, so how items meet follows from the order of labels alone; with z the score, or the score less the
label where that is the target, the loss of a pair is (margin + z_j - z_i)**2, a power as that of a hinge is. Only the
least loss of a list needs a walk: it finds for each item the winners next to where they should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.codes import SumsByCode, sums_of_multiples_by_code, two_sum
from mrl_cli.lists.counts import Counter
from mrl_cli.lists.distances import Distances
from mrl_cli.lists.nodes import Meetings, Ranked, meetings, reach_of
from mrl_cli.lists.orders import Levels, levels_of, pieces, running
from mrl_cli.lists.terms import Terms
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Array, Doubles, ShortPlaces, Wholes
    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.model import LossChoice


NEAR = 1e-15  # more than two distances differ by that are equal but for rounding, as a share
DESCRIBED = ("x1", "x2", "difference", "difference_square")  # what `described` adds up


def squared(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists of at least one item come to under a loss that is the square of a distance.

    Every number is that of real arithmetic on scores and labels, rounded once: sums, the lowest and the highest loss.
    """
    margin, parts = distances = Distances.of(lists, loss)
    levels = levels_of(lists)
    losses = _sums(lists, levels, margin, parts)
    counter = Counter.of(lists)
    items = Items.of(counter.rows, distances)
    rows = items.rows
    weighing = None if lists.weighing is None else lists.weighing.take(rows.order)
    reaches = [reach_of(rows, margin), reach_of(rows, margin, closed=True)]
    met = meetings(rows, reaches, 0 if weighing is None else 2, nearest=True, counting=weighing)
    of_rows = counter._replace(weighing=weighing)
    active = counter.pairs - (of_rows.counted(met, 1) - of_rows.counted(met, 0))
    lowest, highest = _lowest(items, met), _highest(items, levels)
    return counter.found(counter.met(), active, losses, lowest, np.where(counter.pairs, highest, -np.inf))


def gradient(lists: Lists, loss: LossChoice) -> Doubles:
    """Return the gradient of the sum of such a loss for the score of each item, rounded once.

    Lists have at least one item each.
    """
    margin, parts = Distances.of(lists, loss)
    levels = levels_of(lists)
    gradient = np.empty(lists.scores.size)
    terms = _terms(lists, levels, parts, gradient_at=margin)
    gradient[levels.order] = terms.gradient(_met(lists, levels, terms), margin)
    return gradient


def _sums(lists: Lists, levels: Levels, margin: float, parts: list[Doubles]) -> SumsByCode:
    """Return the sums of losses."""
    terms = _terms(lists, levels, parts)
    return terms.sums(_met(lists, levels, terms), margin)


def _terms(lists: Lists, levels: Levels, parts: list[Doubles], gradient_at: float | None = None) -> Terms:
    order = levels.order
    weights = None if lists.weights is None else lists.weights.take(order)
    return Terms.of(lists, 2, [part.take(order) for part in parts], weights, gradient_at=gradient_at)


def _met(lists: Lists, levels: Levels, terms: Terms) -> Meetings:
    """Return how items meet in all pairs: by level, an item loses to all that are above in its list."""
    firsts, numbers = levels.firsts, levels.numbers
    starts, ends = lists.starts.take(numbers), lists.starts.take(numbers + 1)
    lost, won = _lost_and_won(lists, levels)

    def summed(value: Array, from_places: Wholes, to_places: Wholes) -> Array:
        before = np.zeros(value.size + 1, value.dtype)
        np.cumsum(value, out=before[1:])
        return np.repeat(before.take(to_places) - before.take(from_places), levels.sizes)

    sums = [summed(value, firsts[1:], ends) for value in terms.values]
    return Meetings([lost], [won], sums, [summed(value, starts, firsts[:-1]) for value in terms.back])


def _lost_and_won(lists: Lists, levels: Levels) -> tuple[ShortPlaces, ShortPlaces]:
    """Return how many pairs each item loses, and how many it wins, by level."""
    firsts, starts = levels.firsts, lists.starts
    above, below = starts.take(levels.numbers + 1) - firsts[1:], firsts[:-1] - starts.take(levels.numbers)
    return np.repeat(above, levels.sizes).astype(np.int32), np.repeat(below, levels.sizes).astype(np.int32)


def described(lists: Lists) -> dict[str, SumsByCode]:
    """Return sums over the pairs of each list of scores, of differences and of their squares, by no weight but 0.

    `x1` is the score of a pair's item with the higher label, `x2` that of the other. Nothing is rounded.
    """
    sums = {name: SumsByCode() for name in DESCRIBED}
    full, kept = lists.with_items
    for first, last in pieces(full):
        some = full.part(first, last)
        weighing = some.weighing
        some = some._replace(weights=None if weighing is None else weighing.astype(np.float64))
        levels = levels_of(some)
        lost, won = _lost_and_won(some, levels)
        if weighing is not None:
            weighs = weighing.take(levels.order)
            before, ends = np.append(0, np.cumsum(weighs)), some.starts.take(levels.numbers + 1)
            won = won * weighs
            lost = np.repeat(before.take(ends) - before.take(levels.firsts[1:]), levels.sizes)
        places, scores = kept[first:last], some.scores.take(levels.order)
        for name, counts in (("x1", won), ("x2", lost)):
            sums[name].add(sums_of_multiples_by_code(counts, scores, some.numbers, some.size), places, lists.size)
        sums["difference_square"].add(_sums(some, levels, 0.0, [some.scores]), places, lists.size)
    sums["difference"] = sums["x1"].merged(sums["x2"].negated())
    return sums


class Items(NamedTuple):
    """Items by list and by the number whose differences count, with the distances of pairs of them."""

    rows: Ranked
    distances: Distances

    @classmethod
    def of(cls, rows: Ranked, distances: Distances) -> Items:
        """Return the items of rows by list and score; `distances` are those of items in the order of lists."""
        lists, parts = rows.lists, distances.parts
        if len(parts) > 1:
            with np.errstate(all="ignore"):
                numbers, rests = two_sum(*parts)
                is_whole = np.isfinite(numbers)
                rests = np.where(is_whole, rests, parts[0] / 4 + parts[1] / 4)  # what overflows is compared scaled down
            order = np.lexsort((rests, numbers, lists.numbers)).astype(np.int32)
            codes = np.empty_like(rows.codes)
            codes[rows.order] = rows.codes
            rows = Ranked(lists, order, numbers.take(order), codes.take(order), rests.take(order))
        return cls(rows, distances._replace(parts=[part.take(rows.order) for part in parts]))

    def extreme(self, best: np.ufunc, winners: ShortPlaces, losers: ShortPlaces) -> Doubles:
        """Return the least or the greatest square of each list, of those of the pairs of items at these places.

        Which pairs are nearly so is told by their distances. Of a list without any it is infinite, or 0.
        """
        lists, worst = self.rows.lists, np.inf if best is np.minimum else 0.0
        numbers, ends = lists.numbers.take(losers), np.full(lists.size, worst)
        with np.errstate(over="ignore", under="ignore"):
            distances = abs(self.distances.at(winners, losers))
            best.at(ends, numbers, distances)
            bounds = (ends * (1 + NEAR if best is np.minimum else 1 - NEAR)).take(numbers)
        near = np.flatnonzero(distances <= bounds if best is np.minimum else distances >= bounds)
        squares = np.full(lists.size, worst)
        best.at(squares, numbers.take(near), self.distances.squares(winners.take(near), losers.take(near)))
        return squares


def _lowest(items: Items, met: Meetings) -> Doubles:
    """Return the lowest loss of each list: that of the pair with the least distance."""
    nearest = met.nearest or ()
    losers = [np.flatnonzero((winners >= 0) & (winners < winners.size)).astype(np.int32) for winners in nearest]
    winners = [one.take(of) for one, of in zip(nearest, losers, strict=True)]
    return items.extreme(np.minimum, np.concatenate(winners), np.concatenate(losers))


def _highest(items: Items, levels: Levels) -> Doubles:
    """Return the highest loss of each list: of a level's last item and the first of those below, or the reverse."""
    places = np.empty(levels.order.size, np.int32)
    places[items.rows.order] = np.arange(places.size, dtype=np.int32)
    places, weighing = places.take(levels.order), items.rows.lists.weighing
    weighs = np.ones(places.size, bool) if weighing is None else weighing.take(levels.order)
    lows, highs = levels.ends(places, places)
    first, last = levels.ends(np.where(weighs, places, places.size), np.where(weighs, places, -1))
    has_below = np.flatnonzero((levels.ranks > 0) & (last >= 0))
    below = [
        running(best, values, levels.ranks).take(has_below - 1)
        for best, values in ((np.minimum, lows), (np.maximum, highs))
    ]
    winners = np.concatenate([last.take(has_below), first.take(has_below)])
    return items.extreme(np.maximum, winners, np.concatenate(below))
