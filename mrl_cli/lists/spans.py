"""Which differences of scores the pairs of a list span, in n log n."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.lists.base import Lists


def least_and_greatest_differences(lists: Lists) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest d of each list's pairs, two arrays of shape (lists,), as d is rounded.

    d is the score of the item with the higher label less that of the other; a list without pairs has inf and -inf.

    >>> from mrl_cli.lists.base import Lists
    >>> lists = Lists(np.array([0, 3]), np.array([0.0, 1.0, 2.0]), np.array([5.0, 3.0, 4.0]))
    >>> least_and_greatest_differences(lists)
    (array([-2.]), array([1.]))
    """
    least, greatest = np.full(lists.size, math.inf), np.full(lists.size, -math.inf)
    if not lists.scores.size:
        return least, greatest
    numbers = lists.numbers
    order = np.lexsort((lists.scores, lists.labels, numbers))
    numbers, labels, scores = numbers[order], lists.labels[order], lists.scores[order]
    is_first = np.append(True, (numbers[1:] != numbers[:-1]) | (labels[1:] != labels[:-1]))
    firsts = np.flatnonzero(is_first)
    lowest, highest = scores[firsts], scores[np.append(firsts[1:], scores.size) - 1]  # of each label of each list
    numbers = numbers[firsts]
    has_lower = np.append(False, numbers[1:] == numbers[:-1])
    below = _running_extreme(highest, numbers, np.maximum), _running_extreme(lowest, numbers, np.minimum)
    with np.errstate(over="ignore"):
        np.minimum.at(least, numbers[has_lower], (lowest[1:] - below[0][:-1])[has_lower[1:]])
        np.maximum.at(greatest, numbers[has_lower], (highest[1:] - below[1][:-1])[has_lower[1:]])
    return least, greatest


def _running_extreme(values: NDArray[Any], numbers: NDArray[np.int64], extreme: np.ufunc) -> NDArray[Any]:
    """Return the extreme of the values up to each place that belong to the same list; lists stand one after another."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(values.size, np.int64)
    ranks[order] = np.arange(values.size)
    # Ranks of a later list beyond those of an earlier one, in the direction of the extreme, begin it anew.
    shifts = numbers * values.size if extreme is np.maximum else -numbers * values.size
    running = extreme.accumulate(ranks + shifts) - shifts
    return values[order[running]]
