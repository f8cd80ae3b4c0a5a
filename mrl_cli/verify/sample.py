"""A sample of the pairs, for a quick look at a huge file: every pair is read and measured, a few are validated.

Which pairs are taken depends on the seed and on the pairs themselves, by a hash of their bits: not on the order of
rows, on how files are split, or on the number of workers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.reductions.hashes import next_of
from mrl_cli.verify.verdict import Request, Verdict, Verifier, with_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.inputs import Shard
    from mrl_cli.verify.pairs import Pairs


def hashes(pairs: Pairs, seed: int) -> NDArray[np.uint64]:
    """Return a number for each pair that looks random and is the same for the same bits of x1, x2 and y."""
    state = np.full(pairs.size, seed, np.uint64)
    for name in ("x1", "x2", "y"):
        state = next_of(state ^ pairs.columns[name].view(np.uint64))
    return state


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


class SampleVerifier(Verifier):
    """As Verifier, for a sample of the pairs, which is checked in the end."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._size = request.sample or 0

    def _on_batch(self, pairs: Pairs, before: list[Verdict]) -> Verdict:
        del before
        hashed = pairs.with_columns({"hash": hashes(pairs, self._request.seed)})
        return Verdict(retained=smallest([hashed], self._size))

    def merge(self, whole: Verdict, state: list[Verdict], part: Any) -> Verdict:
        """Merge the candidates of the batches of a task, and let go of those that others push out."""
        for verdict in state:
            near = verdict.retained
            if whole.retained_pairs >= self._size:  # a pair above all of these cannot get into the sample
                largest = max(pairs.columns["hash"].max() for pairs in whole.retained)
                near = tuple(pairs.taken(pairs.columns["hash"] <= largest) for pairs in near)
            near = tuple(self._named(pairs, part.shard) for pairs in near if pairs.size)
            whole += replace(verdict, retained=near)
            if whole.retained_pairs > 2 * self._size:
                whole = replace(whole, retained=smallest(whole.retained, self._size))
        return whole

    def _named(self, pairs: Pairs, shard: Shard) -> Pairs:
        """Return candidates with their rows, where one of them differs and the batch has no row numbers."""
        differs = "row" not in pairs.columns and any(self.checked(pairs).differing.values())
        return with_rows([pairs], shard, self._request.plan)[0] if differs else pairs

    def settled(self, whole: Verdict) -> Verdict:
        """Return the verdict with the sample checked."""
        sample = smallest(whole.retained, self._size) if whole.retained else ()
        return sum(map(self.checked, sample), replace(whole, retained=()))
