"""A sample of the pairs, for a quick look at a huge file: every pair is read and measured, a few are validated.

Which pairs are taken depends on the seed and on the pairs themselves, by a hash of their bits: not on the order of
rows, on how files are split, or on the number of workers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.verify.validators import joined, pairs_of
from mrl_cli.verify.verdict import Verdict, Verifier, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.verify.validators import Pairs, Tolerance
    from mrl_cli.verify.verdict import RowsAt

# Constants of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
GOLDEN_GAMMA, FIRST_MIX, SECOND_MIX = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


def hashes(pairs: Pairs, seed: int) -> NDArray[np.uint64]:
    """Return a number for each pair that looks random and is the same for the same bits of x1, x2 and y."""
    state = np.full(pairs.x1.size, seed, np.uint64)
    for values in (pairs.x1, pairs.x2, pairs.y):
        state = _mixed(state ^ values.view(np.uint64))
    return state


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + GOLDEN_GAMMA
    state = (state ^ (state >> np.uint64(30))) * FIRST_MIX
    state = (state ^ (state >> np.uint64(27))) * SECOND_MIX
    return state ^ (state >> np.uint64(31))


def smallest(pairs: Pairs, size: int, seed: int, below: np.uint64 | None = None) -> Pairs:
    """Return the `size` pairs of the smallest hashes, in the order they came in; only those not above `below`."""
    found = hashes(pairs, seed)
    if below is not None:
        near = np.flatnonzero(found <= below)
        pairs, found = pairs.taken(near), found[near]
    if found.size <= size:
        return pairs
    return pairs.taken(np.sort(np.argpartition(found, size - 1)[:size]))


class SampleVerifier(Verifier):
    """As Verifier, for a sample of `size` pairs. Its verdict is whole only after `finish`."""

    def __init__(self, plan: Plan, against: Sequence[str], *, tolerance: Tolerance, size: int, seed: int) -> None:
        super().__init__(plan, against, tolerance=tolerance)
        self._size = size
        self._seed = seed
        self._largest: np.uint64 | None = None  # of the hashes of a sample that is full: what is above stays out

    def verdict_on(self, measured: Measured) -> Verdict:
        """Take the candidates of a batch. They are checked, for the rows of those that differ to be looked up."""
        pairs, found = pairs_of(measured), seen(measured)
        if pairs.found.size != pairs.x1.size:
            return found + Verdict(misaligned=1)
        candidates = smallest(pairs, self._size, self._seed, self._largest)
        if candidates.x1.size == 0:
            return found
        return found + Verdict(mismatches=self.checked(candidates).mismatches, retained=(candidates,))

    def placed(self, verdict: Verdict, rows_at: RowsAt) -> Verdict:
        """Return the verdict on a batch with the row numbers of its candidates, where one of them differs."""
        if not any(verdict.mismatches.values()):
            return verdict
        return replace(verdict, mismatches={}, retained=tuple(_with_rows(p, rows_at) for p in verdict.retained))

    def take(self, verdict: Verdict, rows_at: RowsAt) -> None:
        """Merge the candidates of the next batch, and let go of those that others push out."""
        self.verdict += self.placed(verdict, rows_at)
        retained = self.verdict.retained
        if sum(pairs.x1.size for pairs in retained) > 2 * self._size:
            self._keep(smallest(joined(retained), self._size, self._seed))

    def _keep(self, pairs: Pairs) -> None:
        self._largest = hashes(pairs, self._seed).max()
        self.verdict = replace(self.verdict, retained=(pairs,))

    def finish(self) -> None:
        """Check the sample."""
        found = replace(self.verdict, retained=())
        if self.verdict.retained:
            found += self.checked(smallest(joined(self.verdict.retained), self._size, self._seed))
        self.verdict = found


def _with_rows(pairs: Pairs, rows_at: RowsAt) -> Pairs:
    rows = pairs.rows.tolist()
    known = rows_at([-1 - row for row in rows if row < 0])
    return replace(pairs, rows=np.array([known.get(-1 - row, row) for row in rows], np.int64))
