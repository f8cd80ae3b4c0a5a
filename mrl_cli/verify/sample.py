"""A sample of the pairs, for a quick look at a huge file: every pair is read and measured, a few are validated.

Which pairs are taken depends on the seed and on the pairs themselves, by a hash of their bits: not on the order of
rows, on how files are split, or on the number of workers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.verify.verdict import Verdict, Verifier, rows_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.inputs import Shard
    from mrl_cli.verify.pairs import Pairs
    from mrl_cli.verify.request import Request

# Constants of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
GOLDEN_GAMMA, FIRST_MIX, SECOND_MIX = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def hashes(pairs: Pairs, seed: int) -> NDArray[np.uint64]:
    """Return a number for each pair that looks random and is the same for the same bits of x1, x2 and y."""
    state = np.full(pairs.size, seed, np.uint64)
    for name in ("x1", "x2", "y"):
        state = _mixed(state ^ pairs.columns[name].view(np.uint64))
    return state


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + GOLDEN_GAMMA
    state = (state ^ (state >> np.uint64(30))) * FIRST_MIX
    state = (state ^ (state >> np.uint64(27))) * SECOND_MIX
    return state ^ (state >> np.uint64(31))


def smallest(parts: Sequence[Pairs], size: int) -> tuple[Pairs, ...]:
    """Return the `size` pairs of the smallest hashes of all parts, in the order they came in."""
    hashes = np.concatenate([part.columns["hash"] for part in parts])
    if hashes.size <= size:
        return tuple(parts)
    is_taken = np.zeros(hashes.size, bool)
    is_taken[np.argpartition(hashes, size - 1)[:size]] = True
    ends = np.cumsum([part.size for part in parts])[:-1]
    return tuple(
        part.taken(mask) for part, mask in zip(parts, np.split(is_taken, ends), strict=True) if np.count_nonzero(mask)
    )


class Sampled(NamedTuple):
    """The verdict so far, whose sample is not checked yet. A pair whose hash is above `largest` cannot get into it."""

    verdict: Verdict
    largest: np.uint64 | None = None


class SampleVerifier(Verifier):
    """As Verifier, for a sample of the pairs, which is checked in the end."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._size = request.sample or 0

    def _on_batch(self, pairs: Pairs, before: list[Verdict]) -> Verdict:
        del before
        hashed = pairs.with_columns({"hash": hashes(pairs, self._request.seed)})
        return Verdict(retained=smallest([hashed], self._size))

    def whole(self) -> Sampled:
        """Return a sample of no pairs."""
        return Sampled(Verdict())

    def merge(self, whole: Sampled, state: list[Verdict], part: Any) -> Sampled:
        """Merge the candidates of the batches of a task, and let go of those that others push out."""
        verdict, largest = whole
        for verdict_part in state:
            near = [p if largest is None else p.taken(p.columns["hash"] <= largest) for p in verdict_part.retained]
            near = [self._named(pairs, part.shard) for pairs in near if pairs.size]
            verdict += replace(verdict_part, retained=tuple(near))
            if near and verdict.retained_pairs > 2 * self._size:
                verdict = replace(verdict, retained=smallest(verdict.retained, self._size))
                largest = max(pairs.columns["hash"].max() for pairs in verdict.retained)
        return Sampled(verdict, largest)

    def _named(self, pairs: Pairs, shard: Shard) -> Pairs:
        """Return candidates with their rows, where one of them differs and the batch has no row numbers."""
        if "row" in pairs.columns or not any(self.checked(pairs).differing.values()):
            return pairs
        places = pairs.columns["place"].tolist()
        rows = rows_at(shard, self._request.plan, places)
        if len(rows) < pairs.size:
            return pairs
        return pairs.with_columns({"row": np.array([rows[place] for place in places], np.int64)})

    def settled(self, whole: Sampled) -> Verdict:
        """Return the verdict with the sample checked."""
        verdict = replace(whole.verdict, retained=())
        for pairs in smallest(whole.verdict.retained, self._size) if whole.verdict.retained else ():
            verdict += self.checked(pairs)
        return verdict
