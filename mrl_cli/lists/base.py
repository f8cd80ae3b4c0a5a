"""Whole ranked lists, and what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact.codes import SumsByCode
from mrl_cli.lists.ragged import ranges
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Doubles, Mask, Places, Wholes


class Lists(NamedTuple):
    """Whole ranked lists, one after the other: the items of list q are those from starts[q] to starts[q + 1].

    `starts` is int64 of shape (lists + 1,); `labels` and `scores`, float64 of shape (items,), are finite. `weights` are
    of that shape too, finite and not below 0: an item's is that of the pairs in which its label is the higher one.
    """

    starts: Wholes
    labels: Doubles
    scores: Doubles
    weights: Doubles | None = None

    @property
    def size(self) -> int:
        """How many lists there are."""
        return self.starts.size - 1

    @property
    def sizes(self) -> Wholes:
        """How many items each list has, shape (lists,)."""
        return np.diff(self.starts)

    @property
    def numbers(self) -> Wholes:
        """The number of the list of each item, counted from 0, shape (items,)."""
        return np.repeat(np.arange(self.size), self.sizes)

    @property
    def weighing(self) -> Mask | None:
        """Which items weigh more than 0: pairs with the higher label of another are as if not there. None for all."""
        return None if self.weights is None or self.weights.all() else self.weights > 0

    @property
    def with_items(self) -> tuple[Lists, Places]:
        """The lists that have an item, and their numbers here."""
        kept = np.flatnonzero(self.sizes)
        return self._replace(starts=np.append(self.starts[kept], self.starts[-1])), kept

    def part(self, first: int, last: int) -> Lists:
        """Return the lists from number `first` to before `last`."""
        start, stop = int(self.starts[first]), int(self.starts[last])
        return self._of(self.starts[first : last + 1] - start, slice(start, stop))

    def chosen(self, numbers: Places) -> Lists:
        """Return the lists of those numbers, in that order."""
        sizes = self.sizes[numbers]
        return self._of(np.append(0, np.cumsum(sizes)), ranges(self.starts[numbers], sizes))

    def _of(self, starts: Wholes, items: Any) -> Lists:
        weights = None if self.weights is None else self.weights[items]
        return Lists(starts, self.labels[items], self.scores[items], weights)


class Found(NamedTuple):
    """What lists come to, an entry for each list: arrays of shape (lists,), and sums by the number of a list.

    A pair whose item with the higher label weighs 0 is as if it were not there.

    Of a pair, d is the score of the item with the higher label less that of the other: `correct`, `ties` and `wrong`
    pairs have d above, equal to and below 0, `active` pairs a loss above 0. `losses` are the sums over pairs of l, or
    of w*l where pairs have a weight, `lowest` and `highest` the least and greatest l: infinite, with the sign that
    leaves every other number the same, for a list without pairs. `weights` and `correct_weights` are the sums of w, of
    all pairs and of the correct ones. `top_half` is the share of the highest label among the items with the highest
    score, NaN for a list without pairs. Of a listwise loss `losses` holds that of each list; lowest, highest and active
    are that of it too. `defined` says which lists have a loss, None where all have (without pairs, the sum 0): of one
    that has none `losses` holds nothing, and its lowest and highest are as those of a list without pairs.
    """

    pairs: Wholes
    correct: Wholes
    ties: Wholes
    wrong: Wholes
    active: Wholes
    losses: SumsByCode
    lowest: Doubles
    highest: Doubles
    weights: SumsByCode | None = None
    correct_weights: SumsByCode | None = None
    top_half: Doubles | None = None
    defined: Mask | None = None

    @property
    def divisors(self) -> Doubles:
        """What the sum of each list is divided by for its mean over pairs: their weights, or how many they are."""
        return self.pairs.astype(np.float64) if self.weights is None else self.weights.rounded(self.pairs.size)

    def means(self, sums: Doubles, *, is_listwise: bool) -> Doubles:
        """Return the mean of each list by its rounded sum, that itself of a listwise loss; NaN where it has none."""
        if is_listwise:
            return sums if self.defined is None else np.where(self.defined, sums, np.nan)
        divisors = self.divisors
        with np.errstate(all="ignore"):
            return np.where((self.pairs > 0) & (divisors > 0), sums / divisors, np.nan)


def without_pairs(lists: Lists) -> Found:
    """Return what lists come to that have no pairs."""
    pairs, correct, ties, wrong, active = np.zeros((5, lists.size), np.int64)
    lowest, highest, top_half = (np.full(lists.size, value) for value in (np.inf, -np.inf, np.nan))
    found = Found(pairs, correct, ties, wrong, active, SumsByCode(), lowest, highest, top_half=top_half)
    return found if lists.weights is None else found._replace(weights=SumsByCode(), correct_weights=SumsByCode())


def put(whole: Found, places: Places, part: Found) -> None:
    """Put what some lists come to into `whole`, in place: the i-th of them is its list places[i]."""
    columns: Iterator[tuple[Any, Any]] = zip(whole, part, strict=True)
    for into, value in columns:
        if isinstance(into, SumsByCode):
            into.add(value, places, whole.pairs.size)
        elif value is not None:
            into[places] = value
