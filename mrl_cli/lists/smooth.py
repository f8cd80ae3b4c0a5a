"""What large lists come to under a loss made of exponentials, in n log n."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.codes import sums_by_code
from mrl_cli.lists.counts import Counter
from mrl_cli.lists.distances import values_at
from mrl_cli.lists.fields import fields
from mrl_cli.lists.nodes import Ranked, meetings, ranked, reach_of
from mrl_cli.lists.orders import levels_of
from mrl_cli.lists.shapes import shape_of
from mrl_cli.losses import LOSSES

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Mask, Wholes
    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.model import LossChoice


FEWEST_ITEMS = 64  # of a list: fewer are gone through pair by pair as quickly
LARGEST = 1e290  # of a score and a margin in z: what is larger may be beyond the doubles on the way


def is_smooth(loss: LossChoice) -> bool:
    """Return whether a loss is made of exponentials, and has a way here."""
    return shape_of(loss) is not None


def is_within(lists: Lists, loss: LossChoice) -> Mask:
    """Return of which lists neither the scores nor the margin are near overflow."""
    shape = shape_of(loss)
    rate = 1.0 if shape is None else float(shape.rate)
    largest = np.maximum.reduceat(np.abs(lists.scores), lists.starts[:-1]) if lists.size else np.zeros(0)
    with np.errstate(over="ignore"):
        within: Mask = (largest * max(1.0, rate) < LARGEST) & (abs(loss.margin) < LARGEST)
    return within


def fits(lists: Lists, loss: LossChoice) -> Mask:
    """Return which lists are measured here: they are large, and neither their scores nor the margin near overflow."""
    return is_within(lists, loss) & (lists.sizes >= FEWEST_ITEMS)


def smoothed(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists that fit come to: sums to some units in the last place, of any n.

    The losses of pairs, of which the lowest, the highest and those above 0 are told, are rounded as the loop does.
    """
    shape = shape_of(loss)
    assert shape is not None
    counter = Counter.of(lists)
    values = fields(counter.rows, shape)
    if counter.weights is not None:
        with np.errstate(invalid="ignore"):
            values *= counter.weights
        np.copyto(values, 0.0, where=counter.weights == 0)  # be they infinite
    sums = sums_by_code(values, lists.numbers, lists.size)
    lowest, highest = _extremes(counter, loss)
    active = _active(counter, loss, lowest)
    return counter.found(counter.met(), active, sums, lowest, highest)


def smooth_gradient(lists: Lists, loss: LossChoice) -> Doubles:
    """Return the gradient of the sum for the scores of the items of lists that fit, shape (items,)."""
    shape = shape_of(loss, is_slope=True)
    assert shape is not None
    ahead, behind = np.empty((2, lists.scores.size))
    rows = ranked(lists, levels_of(lists).codes())
    ahead[rows.order] = fields(rows, shape)
    # Negated, labels and scores make the same pairs, and each item is what it was to the other.
    turned = lists._replace(labels=-lists.labels, scores=-lists.scores)
    keys = turned.labels, turned.scores, turned.numbers
    order = np.lexsort(keys if lists.weights is None else (lists.weights, *keys))  # charges of ties in one order
    codes = levels_of(turned).codes()
    rows = Ranked(turned, order.astype(np.int32), turned.scores[order], codes[order])
    behind[order] = fields(rows, shape, None if lists.weights is None else lists.weights[order])
    if lists.weights is not None:
        ahead *= lists.weights
    return (behind - ahead) * float(shape.rate)


def _extremes(counter: Counter, loss: LossChoice) -> tuple[Doubles, Doubles]:
    """Return the lowest and the highest loss of each list; of a list without pairs Infinity and -Infinity."""
    lowest, highest = counter.extremes(lambda higher, lower: values_at(higher - lower, loss))
    if (bottom := _bottom(loss)) is not None:
        np.minimum(lowest, _lowest_near(counter, loss, bottom), out=lowest)
    return lowest, highest


def _bottom(loss: LossChoice) -> float | None:
    """Return the difference at which a loss that falls and then rises is lowest, None for one that does not."""
    if LOSSES[loss.name].is_monotone:
        return None
    parameters = dict(loss.parameters)
    share = parameters["label_smoothing"]
    return math.log((1 - share) / share) / parameters["beta"] if 0 < share < 1 else None


def _lowest_near(counter: Counter, loss: LossChoice, bottom: float) -> Doubles:
    """Return the lowest loss of each list's pairs whose difference is next to `bottom`, on either side."""
    rows = counter.rows
    nearest = meetings(rows, [reach_of(rows, bottom)], nearest=True, counting=counter.weighing).nearest
    assert nearest is not None
    lowest, numbers = np.full(rows.lists.size, math.inf), rows.lists.numbers
    for places in nearest:
        losers = np.flatnonzero((places >= 0) & (places < places.size))
        values = values_at(rows.scores[places[losers]] - rows.scores[losers], loss)
        np.minimum.at(lowest, numbers[losers], values)
    return lowest


def _active(counter: Counter, loss: LossChoice, lowest: Doubles) -> Wholes:
    """Return how many pairs of each list have a loss above 0: all, or those on one side of a difference."""
    if (lowest > 0).all():
        return counter.pairs
    ends = np.array([-np.finfo(np.float64).max, np.finfo(np.float64).max])
    falls = bool(values_at(ends, loss)[0] > 0)
    low, high = _order_of(ends)
    while high - low > 1:  # doubles in their order are whole numbers: 64 steps
        middle = (low + high) // 2
        if bool(values_at(_double_at(middle), loss)[0] > 0) == falls:
            low = middle
        else:
            high = middle
    bound = float(_double_at(high)[0])
    wins = 0 if counter.weighing is None else 1
    below = counter.counted(meetings(counter.rows, [reach_of(counter.rows, bound)], wins), 0)
    return below if falls else counter.pairs - below


def _order_of(values: Doubles) -> list[int]:
    """Return the places of doubles among all doubles in their order, 0.0 at 0."""
    bits = values.view(np.int64).tolist()
    return [place if place >= 0 else -(place & (1 << 63) - 1) for place in bits]


def _double_at(place: int) -> Doubles:
    """Return the double at a place."""
    value = np.array([abs(place)], np.int64).view(np.float64)
    return value if place >= 0 else -value
