"""The hinge losses of lists in n log n: sums without rounding, the least and the greatest loss, gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.few import square_of_few, sum_of_few
from mrl_cli.lists.counts import Counter
from mrl_cli.lists.nodes import meetings, ranked, reach_of
from mrl_cli.lists.orders import levels_of
from mrl_cli.lists.terms import Terms
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles
    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.model import LossChoice


def hinged(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists of at least one item come to under a hinge loss.

    Every number is that of real arithmetic on the scores, rounded once: sums of losses, the least and the greatest.
    """
    counter = Counter.of(lists)
    terms = Terms.of(lists, LOSSES[loss.name].power, [counter.rows.scores], counter.weights)
    met = counter.met(loss.margin, terms.values)
    active = counter.counted(met, 0)
    return counter.found(met, active, terms.sums(met, loss.margin), *_extremes(counter, loss))


class Hinges(NamedTuple):
    """Lists of at least one item, ready to be measured under a hinge at one margin after the other.

    `apart` is what they come to apart from that: its losses are none.
    """

    counter: Counter
    terms: Terms
    apart: Found

    @classmethod
    def of(cls, lists: Lists, loss: LossChoice) -> Hinges:
        """Return lists ready to be measured under a loss, whatever its margin."""
        counter = Counter.of(lists)
        terms = Terms.of(lists, LOSSES[loss.name].power, [counter.rows.scores], counter.weights)
        return cls(counter, terms, counter.without_losses)

    def at(self, loss: LossChoice) -> tuple[Found, int]:
        """Return what `hinged` returns under the loss, and in how many pairs the gradient of margin_ranking passes.

        It does so where margin - d is at least 0.
        """
        rows = self.counter.rows
        reaches = [reach_of(rows, loss.margin, closed=closed) for closed in (False, True)]
        met = meetings(rows, reaches, 1 if self.counter.weighing is None else 2, self.terms.values)
        active = self.counter.counted(met, 0)
        lowest, highest = _extremes(self.counter, loss)
        sums = self.terms.sums(met, loss.margin)
        found = self.apart._replace(active=active, losses=sums, lowest=lowest, highest=highest)
        return found, int(self.counter.counted(met, 1).sum())


def _extremes(counter: Counter, loss: LossChoice) -> tuple[Doubles, Doubles]:
    """Return the lowest and the highest loss of each list; of a list without pairs Infinity and -Infinity."""
    round_of = square_of_few if LOSSES[loss.name].power == 2 else sum_of_few

    def losses(higher: Doubles, lower: Doubles) -> Doubles:
        three = np.full(higher.size, loss.margin), lower, -higher
        return np.where(sum_of_few(*three) > 0, round_of(*three), 0.0)

    return counter.extremes(losses)


def gradient(lists: Lists, loss: LossChoice) -> Doubles:
    """Return the gradient of the sum of a hinge loss for the score of each item, rounded once.

    Lists have at least one item each. At the kink of margin_ranking the gradient passes, as in PyTorch. Without
    weights that of margin_ranking is a whole number: how many active pairs an item loses, less how many it wins.
    """
    rows = ranked(lists, levels_of(lists).codes())
    weights = None if lists.weights is None else lists.weights.take(rows.order)
    terms = Terms.of(lists, LOSSES[loss.name].power, [rows.scores], weights, gradient_at=loss.margin)
    met = meetings(rows, [reach_of(rows, loss.margin, closed=True)], 1, terms.values, terms.back)
    gradient = np.empty(rows.scores.size)
    gradient[rows.order] = terms.gradient(met, loss.margin)
    return gradient
