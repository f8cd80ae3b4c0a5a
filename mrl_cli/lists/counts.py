"""What every pairwise loss of lists comes with: counts of pairs, sums of weights, the top of each list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.exact.codes import SumsByCode, sums_of_multiples_by_code
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.nodes import Ranked, meetings, ranked, reach_of
from mrl_cli.lists.orders import Extremes, equal_pairs, extremes, levels_of, top_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.lists.nodes import Meetings

    Floats = NDArray[np.float64]


class Counter(NamedTuple):
    """Lists of at least one item, ready to be counted: `rows` are by list and score, and so is `won`.

    `won` says how many pairs an item wins, of all; it is None where pairs have no weights. `ends` are the pairs with
    the least and the greatest difference.
    """

    lists: Lists
    rows: Ranked
    pairs: NDArray[np.int64]
    top_half: Floats
    ends: Extremes
    won: NDArray[np.integer] | None

    @classmethod
    def of(cls, lists: Lists) -> Counter:
        """Return the lists ready to be counted."""
        codes, won, pairs, top_half, ends = _of_levels(lists)
        rows = ranked(lists, codes)
        return cls(lists, rows, pairs, top_half, ends, None if won is None else won.take(rows.order))

    @property
    def weights(self) -> Floats | None:
        """The weights of items, by list and score."""
        return None if self.lists.weights is None else self.lists.weights.take(self.rows.order)

    def met(self, margin: float | None = None, values: Sequence[NDArray[Any]] = ()) -> Meetings:
        """Return how items meet: first in the pairs below a margin, if one is given, with values; last in wrong pairs.

        With weights, the last wins are those of pairs that are not correct.
        """
        reaches = [] if margin is None else [reach_of(self.rows, margin)]
        if self.won is not None:
            reaches.append(reach_of(self.rows, 0.0, closed=True))
        wins = len(reaches)
        if margin != 0 or wins > 1:  # else those below the margin are the wrong ones
            reaches.append(reach_of(self.rows, 0.0))
        return meetings(self.rows, reaches, wins, values)

    def found(
        self, met: Meetings, active: NDArray[np.int64], losses: SumsByCode, lowest: Floats, highest: Floats
    ) -> Found:
        """Return what the lists come to, from how items meet and what their losses are."""
        lists, rows = self.lists, self.rows
        wrong = np.add.reduceat(met.losses[-1], lists.starts[:-1], dtype=np.int64)
        ties = equal_pairs(lists, rows.codes, rows.scores)
        counts = self.pairs, self.pairs - ties - wrong, ties, wrong, active
        found = Found(*counts, losses, lowest, highest, top_half=self.top_half)
        if (weights := self.weights) is None or self.won is None:
            return found
        of_all, of_correct = (
            sums_of_multiples_by_code(wins, weights, lists.numbers, lists.size)
            for wins in (self.won, self.won - met.wins[-1])
        )
        return found._replace(weights=of_all, correct_weights=of_correct)


def counted(lists: Lists) -> tuple[Found, Extremes]:
    """Return what lists of at least one item come to but for their losses, and the ends of their differences.

    The losses are none, all pairs are active, and the lowest and the highest loss are those of no pair.
    """
    counter = Counter.of(lists)
    lowest = np.full(lists.size, np.inf)
    return counter.found(counter.met(), counter.pairs, SumsByCode(), lowest, -lowest), counter.ends


def _of_levels(lists: Lists) -> tuple[Any, ...]:
    """Return what is found out by level, which of a long list with many labels are large: they are let go here."""
    levels = levels_of(lists)
    won = None if lists.weights is None else levels.wins(lists).astype(np.int32)
    return levels.codes(), won, levels.pairs(lists), top_shares(lists, levels), extremes(lists, levels)
