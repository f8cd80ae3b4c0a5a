"""What lists come to, by a loop over their pairs: for any loss, at a cost that is quadratic in the size of a list."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code
from mrl_cli.lists.base import Found, Lists
from mrl_cli.losses import LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import LossChoice

_COUNTS = ("pairs", "correct", "ties", "wrong", "active")


def looped(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists come to under a pairwise loss: of each pair the loss as it is rounded, of those their sum."""
    count, weights = lists.size, lists.weights
    counts = {name: np.zeros(count, np.int64) for name in _COUNTS}
    lowest, highest = np.full(count, math.inf), np.full(count, -math.inf)
    losses, all_weights, correct_weights = SumsByCode(), SumsByCode(), SumsByCode()
    for number in range(count):
        one = lists.part(number, number + 1)
        higher, lower = np.nonzero(one.labels[:, None] > one.labels[None, :])
        if not higher.size:
            continue
        differences = one.scores[higher] - one.scores[lower]
        values = _losses(differences, one.labels[higher] - one.labels[lower], loss)
        masks = np.ones(higher.size, bool), differences > 0, differences == 0, differences < 0, values > 0
        for name, mask in zip(_COUNTS, masks, strict=True):
            counts[name][number] = np.count_nonzero(mask)
        lowest[number], highest[number] = values.min(), values.max()
        place, codes = np.array([number]), np.zeros(higher.size, np.int64)
        if weights is None:
            losses.add(sums_by_code(values, codes, 1), place, count)
        else:
            w = one.weights[higher] if one.weights is not None else values
            losses.add(sums_of_products_by_code(w, values, codes, 1), place, count)
            all_weights.add(sums_by_code(w, codes, 1), place, count)
            correct_weights.add(sums_by_code(w[differences > 0], codes[differences > 0], 1), place, count)
    pairs, correct, ties, wrong, active = counts.values()
    found = Found(pairs, correct, ties, wrong, active, losses, lowest, highest)
    return found if weights is None else found._replace(weights=all_weights, correct_weights=correct_weights)


def _losses(differences: NDArray[np.float64], targets: NDArray[np.float64], loss: LossChoice) -> NDArray[Any]:
    """Return the loss of pairs; `targets` are the differences that they should have, for a loss that has such."""
    entry = LOSSES[loss.name]
    labels = targets if entry.is_target else np.ones_like(differences)
    with np.errstate(all="ignore"):
        return entry.kernel(differences, labels, margin=loss.margin, **dict(loss.parameters))
