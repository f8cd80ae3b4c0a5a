"""What every pairwise loss of lists comes with: counts of pairs, sums of weights, the top of each list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact.codes import SumsByCode, sums_of_multiples_by_code
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.nodes import Meetings, Ranked, meetings, ranked, reach_of
from mrl_cli.lists.orders import Extremes, equal_pairs, extremes, levels_of, top_shares
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.dtypes import Array, Doubles, Mask, Wholes


class Counter(NamedTuple):
    """Lists of at least one item, ready to be counted: `rows` are by list and score, and so is `won`.

    `won` says how many pairs an item wins, of all; it is None where pairs have no weights. `ends` are the pairs with
    the least and the greatest difference. `weighing` is that of the lists, by list and score as well.
    """

    lists: Lists
    rows: Ranked
    pairs: Wholes
    top_half: Doubles
    ends: Extremes
    won: NDArray[np.integer] | None
    weighing: Mask | None

    @classmethod
    def of(cls, lists: Lists) -> Counter:
        """Return the lists ready to be counted."""
        codes, won, pairs, top_half, ends = _of_levels(lists)
        rows = ranked(lists, codes)
        weighing = None if lists.weighing is None else lists.weighing.take(rows.order)
        return cls(lists, rows, pairs, top_half, ends, None if won is None else won.take(rows.order), weighing)

    @property
    def weights(self) -> Doubles | None:
        """The weights of items, by list and score."""
        return None if self.lists.weights is None else self.lists.weights.take(self.rows.order)

    def met(self, margin: float | None = None, values: Sequence[Array] = ()) -> Meetings:
        """Return how items meet: first in the pairs below a margin, if one is given, with values; last in wrong pairs.

        With weights, before these come the pairs that are not correct.
        """
        reaches = [] if margin is None else [reach_of(self.rows, margin)]
        if self.won is not None:
            reaches.append(reach_of(self.rows, 0.0, closed=True))
        wins = len(reaches)
        if margin != 0 or wins > 1:  # else those below the margin are the wrong ones
            reaches.append(reach_of(self.rows, 0.0))
        return meetings(self.rows, reaches, wins if self.weighing is None else len(reaches), values)

    def counted(self, met: Meetings, reach: int) -> Wholes:
        """Return how many pairs of each list are active under a reach; of items that do not all weigh, wins are met."""
        counts = met.losses[reach] if self.weighing is None else np.where(self.weighing, met.wins[reach], 0)
        return np.add.reduceat(counts, self.lists.starts[:-1], dtype=np.int64)

    def found(self, met: Meetings, active: Wholes, losses: SumsByCode, lowest: Doubles, highest: Doubles) -> Found:
        """Return what the lists come to, from how items meet and what their losses are."""
        lists, rows = self.lists, self.rows
        wrong, weighs_all = self.counted(met, -1), self.weighing is None
        ties = equal_pairs(lists, rows.codes, rows.scores) if weighs_all else self.counted(met, -2) - wrong
        counts = self.pairs, self.pairs - ties - wrong, ties, wrong, active
        found = Found(*counts, losses, lowest, highest, top_half=self.top_half)
        if (weights := self.weights) is None or self.won is None:
            return found
        of_all, of_correct = (
            sums_of_multiples_by_code(wins, weights, lists.numbers, lists.size)
            for wins in (self.won, self.won - met.wins[-1 if weighs_all else -2])
        )
        return found._replace(weights=of_all, correct_weights=of_correct)

    def extremes(self, losses_of: Callable[[Doubles, Doubles], Doubles]) -> tuple[Doubles, Doubles]:
        """Return the lowest and the highest loss of each list, of the two pairs at its ends, by their scores.

        Of a list without pairs they are Infinity and -Infinity.
        """
        lowest, highest = np.full(self.pairs.size, np.inf), np.full(self.pairs.size, -np.inf)
        with_pairs = np.flatnonzero(self.pairs)
        with np.errstate(all="ignore"):
            ends = [losses_of(*end.take(with_pairs, axis=1)) for end in self.ends]
        lowest[with_pairs], highest[with_pairs] = np.minimum(*ends), np.maximum(*ends)
        return lowest, highest

    @property
    def without_losses(self) -> Found:
        """What the lists come to but for losses: those are none, all pairs active, lowest and highest as of no pair."""
        none = np.full(self.lists.size, np.inf)
        return self.found(self.met(), self.pairs, SumsByCode(), none, -none)


def _of_levels(lists: Lists) -> tuple[Any, ...]:
    """Return what is found out by level, which of a long list with many labels are large: they are let go here."""
    levels = levels_of(lists)
    won = None if lists.weights is None else levels.wins(lists).astype(np.int32)
    pairs = levels.pairs(lists)
    if won is not None and lists.weighing is not None:
        pairs = np.add.reduceat(np.where(lists.weighing, won, 0), lists.starts[:-1], dtype=np.int64)
    return levels.codes(), won, pairs, top_shares(lists, levels), extremes(lists, levels)


def weightless_pairs(lists: Lists) -> Wholes:
    """Return how many pairs of each list are left out, for the weight of their item with the higher label is 0."""
    counts = np.zeros(lists.size, np.int64)
    if lists.weighing is not None:
        np.add.at(counts, lists.numbers, np.where(lists.weighing, 0, levels_of(lists).wins(lists)))
    return counts
