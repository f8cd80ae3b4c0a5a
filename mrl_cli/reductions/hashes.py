"""Which keys were met before, in eight bytes a key.

Two keys may have one hash. Who asks must be right then too: keys taken for one that was met are only read again, in a
way that compares them as they are.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import ScatteredListsError
from mrl_cli.exact import cut_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

_CHUNK_BYTES = 1 << 20  # of text at a time: its bytes become words of eight
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, the increment of SplitMix64


def _mixed(values: Hashes) -> Hashes:
    """Return numbers whose bits are all mixed: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def next_of(states: Hashes) -> Hashes:
    """Return what SplitMix64 makes of states: numbers that look random, and are the same for the same states."""
    return _mixed(states + _GOLDEN)


def hashes_of(columns: Sequence[pa.DictionaryArray]) -> Hashes:
    """Return a hash of every key, shape (n,); each of `columns` holds one part of them, dictionary-encoded.

    It depends on the texts alone: not on the process, as Python's own does.

    >>> import pyarrow as pa
    >>> first = hashes_of([pa.array(["a", "b", "a"]).dictionary_encode()])
    >>> bool(first[0] == first[2]), bool(first[0] == first[1])
    (True, False)
    """
    parts = (_of_texts(column.dictionary)[np.from_dlpack(column.indices)] for column in columns)
    return reduce(lambda whole, of_texts: next_of(whole) + of_texts, parts)


def _of_texts(texts: pa.Array) -> Hashes:
    """Return hashes of texts: each byte times a random number of its place, and their sum modulo 2**64, mixed."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    hashes = np.zeros(len(texts), np.uint64)
    if data is not None:
        codes = np.frombuffer(data, np.uint8)
        for first, last in cut_at(bounds, _CHUNK_BYTES):
            hashes[first:last] = _sums(codes[bounds[first] : bounds[last]], bounds[first : last + 1] - bounds[first])
    return _mixed(hashes + (np.diff(bounds).astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def _sums(codes: NDArray[np.uint8], bounds: NDArray[np.int64]) -> Hashes:
    sizes = np.diff(bounds)
    places = np.arange(codes.size) - np.repeat(bounds[:-1], sizes)
    random = _mixed((np.arange(int(sizes.max()), dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
    words = (codes.astype(np.uint64) + np.uint64(1)) * (random[places] | np.uint64(1))
    sums = np.zeros(sizes.size, np.uint64)
    is_text = sizes > 0  # of what is empty, reduceat would return the next
    if is_text.any():
        sums[is_text] = np.add.reduceat(words, bounds[:-1][is_text])
    return sums


class Seen:
    """Hashes that were met, in sorted arrays, each more than twice as long as the next: so they are few."""

    def __init__(self) -> None:
        self._arrays: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        """Add hashes. Raises ScatteredListsError for one that was met before, or is there twice."""
        new = np.sort(hashes)
        if new.size and ((new[1:] == new[:-1]).any() or any(_share_one(known, new) for known in self._arrays)):
            raise ScatteredListsError
        while self._arrays and self._arrays[-1].size <= 2 * new.size:
            new = np.sort(np.concatenate((self._arrays.pop(), new)), kind="stable")  # merges what is sorted
        self._arrays.append(new)

    def add_all(self, other: Seen) -> None:
        """Add all hashes of another."""
        for hashes in other._arrays:
            self.add(hashes)


def _share_one(known: Hashes, new: Hashes) -> bool:
    places = np.searchsorted(known, new)
    within = places < known.size
    return bool((known[places[within]] == new[within]).any())
