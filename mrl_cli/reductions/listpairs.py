"""The pairs of ranked lists, counted, and written as rows: all of them, or those of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.lists.pairs import NumberedPairs
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.lists import ListConsumer, WholeLists, decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.reductions.rows import TableWriter

PAIRS = 1 << 16  # at a time


class PairCounts(NamedTuple):
    """How many rows, lists and pairs there are."""

    rows: int = 0
    queries: int = 0
    pairs: int = 0


class PairCountConsumer(ListConsumer[PairCounts, "list[PairCounts]"]):
    """Counts the pairs of lists."""

    def block(self, whole: WholeLists) -> PairCounts:
        """Count the pairs of some lists."""
        lists = whole.lists
        return PairCounts(lists.labels.size, lists.size, NumberedPairs.of(lists).total)

    def empty(self) -> list[PairCounts]:
        """Return the counts of no lists, one for each block."""
        return []

    def add(self, result: list[PairCounts], block: PairCounts) -> None:
        """Add a block."""
        result.append(block)


class PairsConsumer(ListConsumer["tuple[WholeLists, NumberedPairs]", "list[int]"]):
    """Writes a row for each pair of lists: query, x1, x2, y and the weight where there is one.

    x1 is the score of the item with the higher label, so y is 1. Of the pairs as they are numbered through all lists,
    in the order in which lists are whole, only those of `sample` are written, where that is given; they ascend.
    """

    def __init__(self, writer: TableWriter, sample: NDArray[np.int64] | None) -> None:
        self._writer, self._sample = writer, sample

    def block(self, whole: WholeLists) -> tuple[WholeLists, NumberedPairs]:
        """Number the pairs of some lists."""
        return whole, NumberedPairs.of(whole.lists)

    def empty(self) -> list[int]:
        """Return how many pairs the lists of no blocks have."""
        return []

    def add(self, result: list[int], block: tuple[WholeLists, NumberedPairs]) -> None:
        """Write the pairs of a block."""
        whole, pairs = block
        before = sum(result)
        result[:] = [before + pairs.total]
        if self._sample is None:
            for start in range(0, pairs.total, PAIRS):
                self._write(whole, pairs, np.arange(start, min(start + PAIRS, pairs.total)))
            return
        first, last = np.searchsorted(self._sample, [before, before + pairs.total]).tolist()
        for start in range(first, last, PAIRS):
            self._write(whole, pairs, self._sample[start : min(start + PAIRS, last)] - before)

    def _write(self, whole: WholeLists, pairs: NumberedPairs, numbers: NDArray[np.int64]) -> None:
        import pyarrow as pa

        higher, lower = pairs.at(numbers)
        scores, weights = whole.lists.scores, whole.lists.weights
        queries = decoded(whole.keys["query"])
        of_pair = np.searchsorted(whole.lists.starts, higher, side="right") - 1
        columns: dict[str, Any] = {
            "query": decoded(pa.DictionaryArray.from_arrays(as_arrow(of_pair.astype(np.int64)), queries)),
            "x1": as_arrow(scores[higher]),
            "x2": as_arrow(scores[lower]),
            "y": as_arrow(np.ones(numbers.size, np.int8)),
        }
        if weights is not None:
            columns["weight"] = as_arrow(weights[higher])
        self._writer.write(pa.Table.from_arrays(list(columns.values()), names=list(columns)))
