"""Ranges of different lengths, one after another; where runs of equal values begin; and blocks of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import cut_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Array, Mask, Places


def ranges(firsts: Places, counts: Places) -> Places:
    """Return first, first + 1, … for each count, shape (sum of the counts,).

    >>> ranges(np.array([5, 0, 7]), np.array([2, 0, 3])).tolist()
    [5, 6, 7, 8, 9]
    """
    places: Places = np.arange(counts.sum()) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    return places


def begins_run(*columns: Array) -> Mask:
    """Return at which places a column has another value than before: where runs begin, shape (n,).

    >>> begins_run(np.array([1, 1, 2, 2]), np.array([5, 5, 5, 6])).tolist()
    [True, False, True, True]
    """
    begins = np.zeros(columns[0].size, bool)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return begins


def blocks_of(counts: Places, most: int) -> Iterator[Places]:
    """Yield the places with a count above 0, as many at a time as sum up to `most`, or one that alone is above it.

    >>> [places.tolist() for places in blocks_of(np.array([2, 1, 0, 6]), 4)]
    [[0, 1], [3]]
    """
    places = np.flatnonzero(counts)
    bounds = np.append(0, np.cumsum(counts[places]))
    return (places[first:last] for first, last in cut_at(bounds, most))
