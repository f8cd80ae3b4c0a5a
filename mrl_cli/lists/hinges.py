"""The hinge losses of lists in n log n: counts, sums without rounding, the extremes, the gradient of each item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.codes import sums_of_multiples_by_code
from mrl_cli.exact.few import square_of_three, sum_of_three
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.nodes import meetings, ranked, reach_of
from mrl_cli.lists.orders import equal_pairs, extremes, levels_of, top_shares
from mrl_cli.lists.terms import Terms
from mrl_cli.losses import LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.lists.nodes import Meetings, Ranked
    from mrl_cli.lists.orders import Extremes
    from mrl_cli.model import LossChoice

    Floats = NDArray[np.float64]


def hinged(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists of at least one item come to under a hinge loss.

    Every number is that of real arithmetic on the scores, rounded once: sums of losses, the least and the greatest.
    """
    levels = levels_of(lists)
    pairs, top_half, ends = levels.pairs(lists), top_shares(lists, levels), extremes(lists, levels)
    codes, won = levels.codes(), None if lists.weights is None else levels.wins(lists)
    del levels  # of a long list with many labels it is large
    rows = ranked(lists, codes)
    weights = None if lists.weights is None else lists.weights.take(rows.order)
    terms = Terms.of(lists, LOSSES[loss.name].power, [rows.scores], weights)
    met = _met(rows, loss.margin, terms)
    active, wrong = (np.add.reduceat(met.losses[place], lists.starts[:-1], dtype=np.int64) for place in (0, -1))
    ties = equal_pairs(lists, rows.codes, rows.scores)
    lowest, highest = _extremes(pairs, ends, loss)
    counts = pairs, pairs - ties - wrong, ties, wrong, active
    found = Found(*counts, terms.sums(met, loss.margin), lowest, highest, top_half=top_half)
    if weights is None or won is None:
        return found
    won = won.take(rows.order)
    of_all, of_correct = (
        sums_of_multiples_by_code(wins, weights, lists.numbers, lists.size) for wins in (won, won - met.wins[1])
    )
    return found._replace(weights=of_all, correct_weights=of_correct)


def _met(rows: Ranked, margin: float, terms: Terms) -> Meetings:
    """Return how items meet: first in active pairs, with weights then in those not correct, last in wrong pairs."""
    reaches = [reach_of(rows, margin)]
    if terms.shares:
        reaches.append(reach_of(rows, 0.0, closed=True))
    if margin or terms.shares:
        reaches.append(reach_of(rows, 0.0))
    return meetings(rows, reaches, wins=2 if terms.shares else 1, values=terms.values)


def _extremes(pairs: NDArray[np.int64], ends: Extremes, loss: LossChoice) -> tuple[Floats, Floats]:
    """Return the lowest and the highest loss of each list; of a list without pairs Infinity and -Infinity."""
    round_of = square_of_three if LOSSES[loss.name].power == 2 else sum_of_three
    lowest, highest = np.full(pairs.size, np.inf), np.full(pairs.size, -np.inf)
    has_pairs = np.flatnonzero(pairs)
    for found, (higher, lower) in ((lowest, ends.greatest), (highest, ends.least)):
        three = np.full(has_pairs.size, loss.margin), lower.take(has_pairs), -higher.take(has_pairs)
        found[has_pairs] = np.where(sum_of_three(*three) > 0, round_of(*three), 0.0)
    return lowest, highest
