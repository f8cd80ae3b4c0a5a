"""How far pairs of items are from where their difference should be, and what a loss makes of that.

Distances are those of real numbers, rounded once, where a loss is a power of one: so every way decides alike whether a
pair is at the kink of a hinge, and no distance is what a rounded difference left of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.few import square_of_few, sum_of_few
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Places, ShortPlaces
    from mrl_cli.lists.base import Lists
    from mrl_cli.model import LossChoice

    Items = Places | ShortPlaces


def aim_of(loss: LossChoice) -> float:
    """Return where the difference of a pair should be, under a loss that is a power of the distance to that.

    Where the labels have a difference that it should be, it is how far from that: 0.
    """
    entry = LOSSES[loss.name]
    if entry.is_hinge:
        return loss.margin
    if entry.is_target:
        return 0.0
    # The loss is (d - aim)**2, so its gradient at 0 is -2 aim.
    return float(entry.gradient(np.zeros(1), np.ones(1), margin=0.0, **dict(loss.parameters))[0]) / -2


class Distances(NamedTuple):
    """How far differences are below where they should be: of numbers that are the sum of `parts`, shape (items,)."""

    aim: float
    parts: list[Doubles]

    @classmethod
    def of(cls, lists: Lists, loss: LossChoice) -> Distances:
        """Return the distances of items under a loss that is a power of one."""
        return cls(aim_of(loss), [lists.scores, -lists.labels] if LOSSES[loss.name].is_target else [lists.scores])

    def at(self, higher: Items, lower: Items) -> Doubles:
        """Return those of pairs of these items: rounded once, or of two parts, within a unit in the last place."""
        return sum_of_few(*self._terms(higher, lower))

    def squares(self, higher: Items, lower: Items) -> Doubles:
        """Return the squares of those, rounded once."""
        return square_of_few(*self._terms(higher, lower))

    def _terms(self, higher: Items, lower: Items) -> list[Doubles]:
        terms = [sign * part.take(items) for part in self.parts for sign, items in ((1, lower), (-1, higher))]
        return terms if len(terms) > 2 else [np.full(higher.size, self.aim), *terms]


def values_of_pairs(
    lists: Lists, higher: Items, lower: Items, loss: LossChoice, *, of_gradient: bool = False
) -> Doubles:
    """Return the losses of pairs of these items, or their gradients for the differences; see `Loss` for a target."""
    with np.errstate(all="ignore"):
        if LOSSES[loss.name].power:
            return _powers(Distances.of(lists, loss).at(higher, lower), loss, of_gradient=of_gradient)
        return values_at(lists.scores[higher] - lists.scores[lower], loss, of_gradient=of_gradient)


def values_at(differences: Doubles, loss: LossChoice, *, of_gradient: bool = False) -> Doubles:
    """Return the losses at some differences, or their gradients for these, as the loss's own functions round them."""
    function = LOSSES[loss.name].gradient if of_gradient else LOSSES[loss.name].kernel
    with np.errstate(all="ignore"):
        values = function(differences, np.ones_like(differences), margin=loss.margin, **dict(loss.parameters))
    return values.astype(np.float64, copy=False)


def _powers(distances: Doubles, loss: LossChoice, *, of_gradient: bool) -> Doubles:
    """Return what a loss that is a power makes of distances: at its kink the gradient passes, as in PyTorch."""
    entry = LOSSES[loss.name]
    if of_gradient and entry.power == 1:
        return -(distances >= 0).astype(np.float64)
    if entry.is_hinge:
        np.maximum(distances, 0.0, out=distances)
    if entry.power == 1:
        return distances
    return -2 * distances if of_gradient else np.square(distances)
