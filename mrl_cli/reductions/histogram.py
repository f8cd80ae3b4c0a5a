"""Where differences lie: counts by cell that merge exactly, and the quantiles that follow from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np

from mrl_cli.reductions.base import Reduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.reductions.measured import Measured

# A cell is what a double is called by its first 17 bits: the sign, the exponent and 5 bits of the fraction. So a cell
# is at most 2**-5 of its numbers wide, and its middle within 2**-6 of each.
_CELLS = 1 << 17
_CELL_BITS = 64 - 17
# Cells in the order of their numbers: the bits of a negative double count its magnitude.
_IN_ORDER = np.concatenate((np.arange(_CELLS - 1, _CELLS // 2 - 1, -1), np.arange(_CELLS // 2)))


class Histogram:
    """Counts of doubles by cell; `Histogram()` is the identity of `+=`, and adding is associative and exact.

    >>> histogram = Histogram()
    >>> histogram.add(np.array([-2.0, 0.0, 1.0, 1.01, 3.0]))
    >>> histogram.quantiles([0.0, 0.5, 0.625])
    [-2.03125, 1.015625, 1.015625]
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = np.zeros(_CELLS, np.int64)

    def __getstate__(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the cells that have counts, and these: few of all, as they go from worker to client."""
        cells = np.flatnonzero(self._counts).astype(np.int32)
        return cells, self._counts[cells]

    def __setstate__(self, state: tuple[NDArray[np.int32], NDArray[np.int64]]) -> None:
        self._counts = np.zeros(_CELLS, np.int64)
        cells, counts = state
        self._counts[cells] = counts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and np.array_equal(self._counts, other._counts)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __iadd__(self, other: Histogram) -> Self:
        self._counts += other._counts
        return self

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values, of shape (n,)."""
        high_words = values.view(np.uint32)[1 if np.little_endian else 0 :: 2]
        np.add.at(self._counts, high_words >> (_CELL_BITS - 32), np.int64(1))

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the quantile of each share from 0 to 1: between two neighbouring values as NumPy's, linear.

        Each of the two is within 2**-6 of the value itself, relative; 0 is exact. NaN without values.
        """
        reached = np.cumsum(self._counts[_IN_ORDER])
        last = int(reached[-1]) - 1
        return [math.nan if last < 0 else _between(reached, share * last) for share in shares]


def _between(reached: NDArray[np.int64], place: float) -> float:
    """Return the value at a place, counted from 0 in the order of the values; linear between whole places."""
    first, share = int(place), place % 1
    low, high = (_middle(int(_IN_ORDER[reached.searchsorted(edge, "right")])) for edge in (first, math.ceil(place)))
    return low if low == high else low + (high - low) * share


def _middle(cell: int) -> float:
    """Return the middle of a cell; 0 for those of 0 and of the smallest subnormals."""
    edge = np.array(cell << _CELL_BITS, np.uint64).view(np.float64)
    if edge == 0 or not np.isfinite(edge):
        return float(edge) + 0.0  # -0.0 becomes 0.0
    return float(np.array((cell << _CELL_BITS) + (1 << _CELL_BITS - 1), np.uint64).view(np.float64))


class HistogramReduction(Reduction[Histogram, Histogram]):
    """Counts d = y*(x1 - x2) of the pairs used, by cell."""

    state = Histogram
    joins = True
    needs = frozenset(("differences",))

    def add(self, state: Histogram, measured: Measured) -> Histogram:
        """Count a batch."""
        state.add(measured.differences.astype(np.float64, copy=False))
        return state
