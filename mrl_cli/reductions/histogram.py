"""Where differences lie: counts and exact sums by cell, which merge in any order, and the quantiles that follow.

A cell is what a double is called by its first 17 bits: the sign, the exponent and 5 bits of the fraction. So a cell is
at most 2**-5 of its numbers wide, and its middle within 2**-6 of each; it begins at the end that is nearer to 0, which
belongs to it. 0 is apart from the smallest numbers. A cell with a knot in it is cut there, on either side of 0, so what
lies below a knot is counted exactly as well.

`cellsums` adds up by cell what all that is drawn of differences follows from.
"""

from __future__ import annotations

import math
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact import ExactSum, Scratch, cut
from mrl_cli.reductions.base import Reduction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.exact.codes import SumsByCode
    from mrl_cli.reductions.measured import Measured

_CELLS = 1 << 17
_CELL_BITS = 64 - 17
_BINADE_CELLS = 1 << 5
_NEGATIVE = _CELLS >> 1  # the sign, in a cell
_ZERO = _CELLS  # the code of 0; after it, those of what a cell is cut off at each knot, above 0 and below
WITHIN_CELL = (1 << _CELL_BITS) - 1  # the bits in which the numbers of a cell differ
_NOT_MET = -1
_MOST_STEPS = 1 << 16  # of 17 bits of a place above others, the first is its sign
_CODES = Scratch(dtype=np.int64)
CHUNK_PAIRS = 65536  # of 32, 64 and 128 Ki the quickest


def is_edge(magnitude: float) -> bool:
    """Return whether a cell begins at a magnitude.

    >>> is_edge(0.75), is_edge(0.1), is_edge(33 / 1024), is_edge(65 / 1024)
    (True, False, True, False)
    """
    return not int(np.float64(magnitude).view(np.int64)) & WITHIN_CELL


class Cells:
    """The cells that doubles are counted by, cut at knots, which are magnitudes: a code for each.

    An uncut cell has its bits for a code. What cells are cut into has the codes after that of 0: from each of `_cuts`
    on, which are the starts of these cells and the knots, above 0, and then below. `codes` are of the cells that were
    met, and the finite others of their binades, in that order: a table says for each code its place there, and is as
    good for whatever else is counted. A cell that is cut in two has the place of the part that is nearer to 0; the
    other one, from its bound on, has the next. `_steps` are what the bits of a number need to be its place, above 47
    bits which they overflow from the bound on; they are there where cells are cut in two.
    `greatest` is the start of the farthest cell of them, infinite for NaN. `bases` are those of `cellsums`.
    """

    def __init__(self, knots: Iterable[float] = ()) -> None:
        cut = np.array([0.0, *(abs(knot) for knot in knots if not is_edge(abs(knot)))])
        of_cut, counts = np.unique(cut.view(np.int64) >> _CELL_BITS, return_counts=True)
        starts = (of_cut << _CELL_BITS).view(np.float64)
        self._cuts = distinct(np.concatenate([cut, starts]))
        self._is_cut = np.zeros(_CELLS, bool)
        self._is_cut[of_cut] = self._is_cut[of_cut | _NEGATIVE] = True
        # Of cells that are cut in two, for each sign: their bits, and the code of their first part.
        halved = of_cut[(counts == 1) & (of_cut > 0)]
        firsts = _ZERO + 1 + np.searchsorted(self._cuts, (halved << _CELL_BITS).view(np.float64))
        self._halved = np.concatenate([halved, halved | _NEGATIVE])
        self._halves = np.concatenate([firsts, firsts + self._cuts.size])
        # Of numbers of one sign the bits are in the order of the magnitudes: those before the bound leave no overflow.
        self._overflows = np.tile((1 << _CELL_BITS) - (self._cuts[firsts - _ZERO].view(np.int64) & WITHIN_CELL), 2)
        self._table = np.full(_ZERO + 1 + 2 * self._cuts.size, _NOT_MET)
        self._steps = np.zeros(_CELLS if halved.size else 0, np.int64)
        self._set_steps(np.arange(self._steps.size))
        self._lock = Lock()
        self.codes = np.zeros(0, np.int64)
        self.greatest = 0.0
        self.bases = np.zeros((4, 0), np.int64)

    def places(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the places in `codes` of the cells of values, which have one afterwards."""
        bits, codes = values.view(np.int64), _CODES.of(values.size)
        np.right_shift(values.view(np.uint64), _CELL_BITS, out=codes.view(np.uint64))
        places: NDArray[np.int64]
        if self._steps.size:
            places = self._steps.take(codes)
            places += bits
            places >>= _CELL_BITS
        else:
            places = self._table.take(codes)
        if places.size and places.min() < 0:  # where the cell is cut otherwise, was not met or has no steps
            others = np.flatnonzero(places < 0)
            cut = others[self._is_cut[codes[others]]]
            pieces = np.searchsorted(self._cuts, np.abs(values[cut]), "right") + self._cuts.size * (values[cut] < 0)
            codes[cut] = np.where(values[cut] == 0, _ZERO, _ZERO + pieces)
            places[others] = self.places_of(codes[others])
        return places

    def places_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of codes, which have one afterwards."""
        places: NDArray[np.int64] = self._table[codes]
        if places.size and places.min() < 0:
            with self._lock:  # threads that count at once
                is_wanted = np.zeros(self._table.size, bool)
                is_wanted[codes[places < 0]] = True
                is_either = is_wanted[self._halves] | is_wanted[self._halves + 1]
                is_wanted[self._halves] = is_wanted[self._halves + 1] = is_either
                # With a finite cell comes its binade, on both sides of 0: so there is seldom something to do here.
                binades = is_wanted[:_CELLS].reshape(2, -1, _BINADE_CELLS)[:, :-1]
                binades |= binades.any((0, 2), keepdims=True)
                is_wanted[:_CELLS] &= ~self._is_cut
                new, size = np.flatnonzero(is_wanted & (self._table < 0)), self.codes.size
                self.codes = np.concatenate([self.codes, new])
                self._table[new] = np.arange(size, size + new.size)
                self._table[self._halved] = self._table[self._halves]
                if self._steps.size:
                    self._set_steps(new[new < _CELLS])
                    self._set_steps(self._halved, self._overflows)
                starts = self.starts(self._table[new])[0]
                starts[np.isnan(starts)] = np.inf
                self.greatest = max(self.greatest, float(starts.max(initial=0.0)))
            places = self._table[codes]
        return places

    def _set_steps(self, cells: NDArray[np.int64], overflows: NDArray[np.int64] | int = 0) -> None:
        """Set the steps of cells to their places, as far as there is room; threads may take them meanwhile."""
        places = self._table[cells]
        has_steps = (places >= 0) & (places < _MOST_STEPS)
        steps = (np.where(has_steps, places, _NOT_MET) - cells) * (1 << _CELL_BITS)
        self._steps[cells] = steps + np.where(has_steps, overflows, 0)

    @property
    def zero(self) -> int | None:
        """The place of the cell of 0; None where it was not met."""
        place = int(self._table[_ZERO])
        return None if place == _NOT_MET else place

    def firsts(self, size: int) -> NDArray[np.int64]:
        """Return of the first `size` cells the bits of the number at which they begin, uncut; those of 0 have 0."""
        codes = self.codes[:size]
        pieces = codes - _ZERO - 1
        firsts = np.where(codes < _ZERO, codes << _CELL_BITS, 0)
        cut = pieces >= 0
        of_cut = self._cuts[pieces[cut] % self._cuts.size].view(np.int64) >> _CELL_BITS
        firsts[cut] = (of_cut | np.where(pieces[cut] < self._cuts.size, 0, _NEGATIVE)) << _CELL_BITS
        return firsts

    def starts(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return of the cells at places the magnitude that each begins at, and its sign: 1, 0 or -1."""
        codes = self.codes[places]
        pieces = codes - _ZERO - 1
        is_below = np.where(codes < _ZERO, (codes & _NEGATIVE) != 0, pieces >= self._cuts.size)
        magnitudes = (np.where(codes < _ZERO, codes & ~_NEGATIVE, 0) << _CELL_BITS).view(np.float64)
        magnitudes[pieces >= 0] = self._cuts[pieces[pieces >= 0] % self._cuts.size]
        return magnitudes, np.where(codes == _ZERO, 0, np.where(is_below, -1, 1))


_cells_cut_at = lru_cache(16)(Cells)  # all states of a run have the same ones


class Histogram:
    """Counts of values by cell; `Histogram()` is the identity of `+=`, and adding is associative and exact.

    A row of `table`, of shape (rows, n), is by the place of a cell in `cells.codes`, of which there may be more; the
    first is `counts`, and a cell may have no values. `sums` of the values of cells, by name, are `cellsums`'. No value
    is below `least` or above `greatest`; `begin_cells` says whether all of them begin one.

    >>> histogram = Histogram()
    >>> histogram.add(np.array([-2.0, 0.0, 1.0, 1.01, 3.0]))
    >>> histogram.quantiles([0.0, 0.5, 0.625])
    [-2.0, 1.015625, 1.015625]
    """

    rows: ClassVar[int] = 1

    def __init__(self, knots: tuple[float, ...] = ()) -> None:
        self.knots, self.cells = knots, _cells_cut_at(knots)
        self.table = np.zeros((self.rows, 0), np.int64)
        self._sums: dict[str, SumsByCode] = {}
        self.least, self.greatest, self.begin_cells = math.inf, -math.inf, True

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many values each cell has."""
        counts: NDArray[np.int64] = self.table[0]
        return counts

    @property
    def sums(self) -> Mapping[str, SumsByCode]:
        """The exact sums by cell of what is added up, by name."""
        return self._sums

    def total(self, name: str, sign: int | None = None) -> ExactSum:
        """Return the sum of all cells, or of those of a sign: 1, 0 or -1."""
        if not (sums := self.sums):
            return ExactSum()
        _, signs = self.cells.starts(np.arange(self.counts.size))
        sides = sums[name].regrouped(signs + 1, 3)
        return sum((sides.at(side + 1) for side in (-1, 0, 1) if sign in (None, side)), ExactSum())

    def __reduce__(self) -> Any:
        codes = self.cells.codes[: self.counts.size]
        return _restored, (type(self), self.knots, codes, self.table, self._sums, self._span)

    def __iadd__(self, other: Histogram) -> Self:
        size = other.counts.size
        # The cells of one knots are the same ones, while they are remembered.
        places = slice(size) if other.cells is self.cells else self.cells.places_of(other.cells.codes[:size])
        self._widen_span(*other._span)
        return self._added(places, other.table, other._sums)

    @property
    def _span(self) -> tuple[float, float, bool]:
        return self.least, self.greatest, self.begin_cells

    def _widen_span(self, least: float, greatest: float, begin_cells: bool) -> None:
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
        self.begin_cells = self.begin_cells and begin_cells

    def _added(
        self, places: NDArray[np.int64] | slice, table: NDArray[np.int64], sums: Mapping[str, SumsByCode]
    ) -> Self:
        """Add what is of cells at places, all different."""
        del sums  # of counts there are none
        self.widen(self.cells.codes.size)
        self.table[:, places] += table
        return self

    def widen(self, size: int) -> None:
        """Make room for so many cells."""
        if size > self.counts.size:
            table = np.zeros((self.rows, size), np.int64)
            table[:, : self.counts.size] = self.table
            self.table = table

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values, of shape (n,)."""
        self.count(self.places(values))

    def places(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the places of values, which are to be counted there."""
        places = self.cells.places(values)
        self.widen(self.cells.codes.size)
        if values.size:
            least, greatest = float(values.min()), float(values.max())
            ends = (-math.inf, math.inf) if math.isnan(least) else (least, greatest)
            # Once a number does not begin a cell, no more are looked at.
            begin_cells = self.begin_cells and not int(np.bitwise_or.reduce(values.view(np.int64))) & WITHIN_CELL
            self._widen_span(*ends, begin_cells)
        return places

    def count(self, places: NDArray[np.int64]) -> None:
        """Count values at places."""
        counts = np.bincount(places)
        self.table[0, : counts.size] += counts

    def met(self) -> NDArray[np.int64]:
        """Return the places of the cells that have values, in the order of their numbers."""
        places = np.flatnonzero(self.counts)
        magnitudes, signs = self.cells.starts(places)
        return places[np.lexsort((signs * magnitudes.view(np.int64), signs))]

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the quantile of each share from 0 to 1: between two neighbouring values as NumPy's, linear.

        Each of the two is within 2**-6 of the value itself, relative, and not beyond the least or the greatest one. It
        is exact where all values begin a cell, as whole numbers below 64 do, and for 0. NaN without values.
        """
        places = self.met()
        if not places.size:
            return [math.nan] * len(shares)
        reached = np.cumsum(self.counts[places])
        magnitudes, signs = self.cells.starts(places)

        def value_in(cell: int) -> float:
            """Return what stands for the values of a cell."""
            start, sign = float(magnitudes[cell]), int(signs[cell])
            value = sign * start + 0.0 if self.begin_cells else _middle(start, sign)  # -0.0 becomes 0.0
            return min(max(value, self.least), self.greatest)

        def between(place: float) -> float:
            """Return the value at a place, counted from 0 in the order of the values; linear between whole places."""
            cells = (int(reached.searchsorted(edge, "right")) for edge in (int(place), math.ceil(place)))
            low, high = map(value_in, cells)
            if low == high:
                return low
            share = place % 1
            if math.isfinite(high - low):
                return low + (high - low) * share
            return low * (1 - share) + high * share

        return [between(share * (int(reached[-1]) - 1)) for share in shares]


def _restored(
    kind: type[Histogram],
    knots: tuple[float, ...],
    codes: NDArray[np.int64],
    table: NDArray[np.int64],
    sums: dict[str, SumsByCode],
    span: tuple[float, float, bool],
) -> Histogram:
    """Return a histogram that was pickled: in this process, cells may have been met in another order."""
    histogram = kind(knots)
    histogram._widen_span(*span)
    return histogram._added(histogram.cells.places_of(codes), table, sums)


def _middle(start: float, sign: int) -> float:
    """Return the middle of the cell that a number is in, uncut; 0 for the smallest subnormals."""
    cell = int(np.float64(start).view(np.int64)) >> _CELL_BITS
    if not (sign and cell and math.isfinite(start)):
        return sign * start + 0.0  # -0.0 becomes 0.0
    return sign * float(np.int64((cell << _CELL_BITS) + (1 << _CELL_BITS - 1)).view(np.float64))


class HistogramReduction(Reduction[Histogram, Histogram]):
    """Counts d = y*(x1 - x2) of the pairs used, by cell."""

    state = Histogram
    joins = True
    needs = frozenset(("differences",))

    def add(self, state: Histogram, measured: Measured) -> Histogram:
        """Count a batch."""
        for chunk in cut(measured.pairs.size, CHUNK_PAIRS):
            state.add(measured.differences[chunk].astype(np.float64, copy=False))
        return state
