"""Samples without replacement, seeded: the same numbers everywhere, for only the bits of a generator are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mrl_cli.dtypes import Wholes


def sample_of(population: int, size: int, seed: int) -> Wholes:
    """Return `size` different numbers from 0 to `population` - 1, ascending; each set of so many is as likely.

    All of them where there are no more. What is held are a few times as many numbers as are drawn, not the population.

    >>> sample_of(3, 5, 0).tolist(), sample_of(10**15, 2, 0).size
    ([0, 1, 2], 2)
    """
    if size >= population:
        return np.arange(population)
    if 2 * size > population:  # the others are fewer, and are found sooner
        is_drawn = np.ones(population, bool)
        is_drawn[sample_of(population, population - size, seed)] = False
        return np.flatnonzero(is_drawn)
    bits, drawn = np.random.PCG64(seed), np.zeros(0, np.int64)
    mask = np.uint64((1 << max(population - 1, 1).bit_length()) - 1)
    while drawn.size < size:  # never more than are missing, so that none is drawn and left out
        numbers = bits.random_raw(size - drawn.size) & mask
        drawn = np.union1d(drawn, numbers[numbers < np.uint64(population)].astype(np.int64))
    return drawn
