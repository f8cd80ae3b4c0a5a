"""The paired bootstrap, seeded, in constant memory: what the difference of two models would be on other such pairs.

Pairs (or clusters) are drawn with replacement, as many as there are, and the mean difference is taken of each draw; the
interval holds the middle share of those means (Efron's percentile interval). Drawing each of n pairs anew for every
sample would take time and memory that grow with n, so beyond `GROUPS` pairs (or clusters) each is put into one of that
many groups, by lot, and groups are drawn. Up to `GROUPS` it is the plain bootstrap. Beyond, sums over random groups
have the same expected cumulants, so the interval is the same but for a standard error that is off by about sqrt(1 / (2
GROUPS)) = 0.6 %: less than what 1000 samples, themselves random, leave open (2 %). By lot and not in turn: in a sorted
file the groups would come out alike, and the interval much too narrow (test_sorted_pairs_are_drawn_as_any_others).

A Poisson weight for each pair and sample, the usual way to stream, would draw 10**10 numbers for 10 million pairs and
1000 samples, where this draws 26 million. Numbers depend on the seed and, beyond `GROUPS`, on the order of the pairs
(clusters are sorted); not on shards, engines or workers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import magnitude
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.dtypes import Array, Doubles, Wholes

GROUPS = 16384
DRAWN_AT_ONCE = 1 << 20  # numbers: enough to be quick, and 8 MB
_LARGE = 960  # the exponent from which on GROUPS numbers may add up to more than a double holds


class Bounds(NamedTuple):
    """The low and high end of a bootstrap interval; NaN where there is nothing to draw."""

    low: float
    high: float


class Groups:
    """Differences of pairs or clusters: each a group of its own up to `GROUPS`, in random groups beyond.

    A group is a column of `sums`: the number of pairs in it, and for each of `kinds` of difference its sum. While each
    pair is a group of its own, the pairs of each code are known too.
    """

    def __init__(self, kinds: int, seed: int) -> None:
        self._lots = np.random.PCG64(np.random.SeedSequence((seed, 1)))  # not the numbers that samples are drawn by
        self._held, self._codes = np.zeros((1 + kinds, GROUPS)), np.zeros(GROUPS, np.int64)
        self._holds = 0
        self._sums: Doubles | None = None

    def add(
        self,
        *differences: NDArray[np.floating | np.integer],
        counts: Wholes | None = None,
        codes: Wholes | None = None,
    ) -> None:
        """Add pairs: one array of shape (n,) for each kind of difference, and `codes` to draw from the pairs of each.

        For clusters `counts`, shape (n,), gives the number of pairs of each, and the differences are sums over them.
        """
        pairs = np.ones(differences[0].size, np.int64) if counts is None else counts
        if self._sums is None and self._holds + pairs.size > GROUPS:
            self._sums = np.zeros_like(self._held)
            self._allot(self._sums, *self._held[:, : self._holds])
        if self._sums is not None:
            self._allot(self._sums, pairs, *differences)
            return
        place = slice(self._holds, self._holds + pairs.size)
        for held, values in zip(self._held, (pairs, *differences), strict=True):
            held[place] = values
        self._codes[place] = 0 if codes is None else codes
        self._holds += pairs.size

    def _allot(self, sums: Doubles, *rows: Array) -> None:
        """Add columns to random groups, one at a time and in order: how the pairs were split does not matter."""
        lots = (self._lots.random_raw(rows[0].size) % GROUPS).astype(np.intp)
        for row, values in zip(sums, rows, strict=True):
            np.add.at(row, lots, values.astype(np.float64, copy=False))  # of one dtype it is ten times as quick

    @property
    def sums(self) -> Doubles:
        """The groups that hold anything, shape (1 + kinds, groups): counts, then sums; sorted."""
        return _sorted(self._held[:, : self._holds] if self._sums is None else self._sums[:, self._sums[0] > 0])

    def sums_by_code(self) -> dict[int, Doubles] | None:
        """Return the groups of each code, as `sums` has them; None when they are no longer of one pair each."""
        if self._sums is not None:
            return None
        order = np.argsort(self._codes[: self._holds], kind="stable")
        codes, starts = np.unique(self._codes[order], return_index=True)
        parts = np.split(self._held[:, order], starts[1:], axis=1)
        return {code: _sorted(part) for code, part in zip(codes.tolist(), parts, strict=True)}


def _sorted(sums: Doubles) -> Doubles:
    return sums[:, np.lexsort(sums)]


def bootstrap_bounds(sums: Doubles, *, samples: int, seed: int, confidence: float) -> list[Bounds]:
    """Return for each kind of difference the bounds between which the middle `confidence` of `samples` means lie.

    `sums` has shape (1 + kinds, groups): the pairs in each group, then for each kind the sum of its differences. Each
    sample draws as many groups as there are, with replacement; its mean is the ratio of sum and pairs. A difference
    that is the same for every pair gives two equal bounds: a bootstrap cannot show what the pairs do not hold.

    >>> bootstrap_bounds(np.array([[1.0, 1.0], [0.5, 0.5]]), samples=100, seed=0, confidence=0.95)
    [Bounds(low=0.5, high=0.5)]
    """
    kinds, groups = sums.shape[0] - 1, sums.shape[1]
    if not groups or not np.isfinite(sums).all():
        return [Bounds(math.nan, math.nan)] * kinds
    generator = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // groups)
    means = np.empty((kinds, samples))
    # Scaled by a power of two where a sum of them may be beyond the doubles.
    exponents = [exponent if (exponent := math.frexp(magnitude(row))[1]) > _LARGE else 0 for row in sums[1:]]
    for start in range(0, samples, at_once):
        stop = min(samples, start + at_once)
        drawn = generator.integers(groups, size=(stop - start, groups))
        pairs = sums[0][drawn].sum(axis=1)
        for kind in range(kinds):
            scaled = np.ldexp(sums[kind + 1], -exponents[kind])[drawn].sum(axis=1) / pairs
            means[kind, start:stop] = np.ldexp(scaled, exponents[kind])
    tail = (1 - confidence) / 2
    return [Bounds(*map(float, np.quantile(sampled, (tail, 1 - tail)))) for sampled in means]
