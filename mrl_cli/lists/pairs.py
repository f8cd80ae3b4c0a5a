"""The pairs of lists, numbered, so that any of them can be had without the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.lists.ragged import begins_run
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Wholes
    from mrl_cli.lists.base import Lists


class NumberedPairs(NamedTuple):
    """The pairs of lists, numbered from 0: by the item with the higher label, in the order of items; for each of them
    by the other item, that with the lowest label first.

    `order` are the items by list and label, shape (items,), `firsts` the number of the first pair of each item, and how
    many pairs there are, shape (items + 1,), `starts` the first item of the list of each item, shape (items,).

    >>> from mrl_cli.lists.base import Lists
    >>> pairs = NumberedPairs.of(Lists(np.array([0, 3]), np.array([1.0, 0.0, 2.0]), np.zeros(3)))
    >>> pairs.total, [places.tolist() for places in pairs.at(np.arange(3))]
    (3, [[0, 2, 2], [1, 1, 0]])
    """

    order: Wholes
    firsts: Wholes
    starts: Wholes

    @classmethod
    def of(cls, lists: Lists) -> NumberedPairs:
        """Return the pairs of lists."""
        numbers, size = lists.numbers, lists.labels.size
        order = np.lexsort((lists.labels, numbers))
        labels, numbers = lists.labels[order], numbers[order]
        is_first = begins_run(labels, numbers)
        of_label = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        starts = np.repeat(lists.starts[:-1], lists.sizes)  # the same by item and in that order
        lower = np.empty(size, np.int64)
        lower[order] = of_label - starts
        return cls(order, np.concatenate(([0], np.cumsum(lower))), starts)

    @property
    def total(self) -> int:
        """How many pairs there are."""
        return int(self.firsts[-1])

    def at(self, numbers: Wholes) -> tuple[Wholes, Wholes]:
        """Return the places of both items of the pairs of these numbers: of the higher labels, and of the lower."""
        higher = np.searchsorted(self.firsts, numbers, side="right") - 1
        return higher, self.order[self.starts[higher] + numbers - self.firsts[higher]]
