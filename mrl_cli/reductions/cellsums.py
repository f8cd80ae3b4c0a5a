"""Sums by cell of d = y*(x1 - x2): what is drawn of pairs follows from them, from one pass, exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mrl_cli.exact import BLOCK_VALUES, cut
from mrl_cli.exact.codes import SumsByCode, grown, sums_by_code, sums_of_products_by_code
from mrl_cli.losses import LOSSES
from mrl_cli.reductions.curve import sums_of_squares
from mrl_cli.reductions.histogram import WITHIN_CELL, Cells, Histogram, HistogramReduction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured

CHUNK_PAIRS = 1 << 17  # the bits of so many numbers of a cell, less those of its first one, add up below 2**64
_LOWER = (1 << 32) - 1
_LARGE = 2.0**800  # sums of what is larger may be beyond the doubles
_SIGN_BIT = np.int64(-1 << 63)
_FRACTION, _ONE = np.int64((1 << 52) - 1), np.float64(1.0).view(np.int64)
SQUARE_BITS = 37  # of a square for `spread`, after the point
_ROUNDER = 2.0 ** (52 - SQUARE_BITS)
_COUNT_BIT = 45  # CHUNK_PAIRS squares of 2**-10 are 2**44 units; above them pairs are counted
_HALF_BITS, _HALF_UNITS = int(np.float64(0.5).view(np.int64)), 1 << 52  # of a confidence, in 2**-53


class CellSums(Histogram):
    """Counts and exact sums of d by cell: `first` (d), `confidence` (sigmoid(|d|)), `mantissa`, and others.

    A mantissa is |d| over the power of two at which its binade begins; `spread` is the square of how far it lies behind
    the mantissa at which its cell, uncut, begins. So the mean of a cell is known, and how its d vary about it, where
    their sum or squares are beyond the doubles.

    The bits of numbers of one cell are as far apart as the numbers are, in units of their last place; so are those of
    all confidences but the last. So sums of d and of confidences are integers: their bits are added up, less those of
    the cell's first number, however often they overflow on the way. Squares are rounded to units, too. All three
    are in the rows of the table after the counts: their upper parts, in 2**32 units, and the lower ones.
    """

    rows = 7
    _together: Mapping[str, SumsByCode] | None = None  # `sums`, until something is added

    @property
    def sums(self) -> Mapping[str, SumsByCode]:
        """The exact sums by cell of what is added up, by name."""
        if self._together is None:
            self._together = self._put_together()
        return self._together

    def _put_together(self) -> Mapping[str, SumsByCode]:
        sums = dict(self._sums)
        if self.table[1:].any():
            firsts = self.cells.firsts(self.counts.size)
            signs = np.where(firsts < 0, -1.0, 1.0)
            of_d = (1, "first", binades(firsts) - 52, signs), (1, "mantissa", -52, 1.0)
            others = (2, "confidence", -53, 1.0), (3, "spread", -SQUARE_BITS, 1.0)
            for row, name, exponent, sign in (*of_d, *others):
                upper, lower = self.table[row], self.table[row + 3]
                parts = ((upper >> 32, 64), (upper & _LOWER, 32), (lower, 0))
                of_units = (sign * np.ldexp(part.astype(np.float64), exponent + power) for part, power in parts)
                sums[name] = sums.get(name, SumsByCode()).merged(SumsByCode(of_units))
        return sums

    def _added(self, places: Any, table: NDArray[np.int64], sums: Mapping[str, SumsByCode]) -> Self:
        super()._added(places, table, sums)
        self._carry()
        every = np.arange(self.counts.size)[places]
        for name, of_cells in sums.items():
            self.add_sums(name, of_cells, every)
        return self

    def add_sums(self, name: str, sums: SumsByCode, places: NDArray[np.int64] | None = None) -> None:
        """Add other sums: those of the cells at places, or of the first ones."""
        self._together = None
        every = np.arange(self.counts.size) if places is None else places
        parts = (grown(part, every.size, 0.0) for part in sums.parts)
        self._sums.setdefault(name, SumsByCode()).add(SumsByCode(parts, sums.others), every, self.counts.size)

    def add_units(self, bits: NDArray[np.int64]) -> None:
        """Count at most CHUNK_PAIRS pairs, of which `bits`, of shape (3, cells), are sums by cell.

        They are those of the bits of differences, of the bits of confidences, and of `_square_units` with a one for
        each pair at _COUNT_BIT.
        """
        counts, squares = bits[2] >> _COUNT_BIT, bits[2] & ((1 << _COUNT_BIT) - 1)
        size = counts.size
        bases = _bases(self.cells, size)
        units = (bits[:2] - counts * bases[:2]).view(np.uint64)
        zero = self.cells.zero
        if zero is not None and zero < size:  # it may have been met behind them, or by another thread
            units[0, zero] = 0  # -0.0 has another bit
        self.table[0, :size] += counts
        self.table[1:3, :size] += (units >> np.uint64(32)).view(np.int64) + counts * bases[2:]
        self.table[4:6, :size] += (units & np.uint64(_LOWER)).view(np.int64)
        self.table[6, :size] += squares
        self._carry()

    def _carry(self) -> None:
        self._together = None
        self.table[1:4] += self.table[4:] >> 32
        self.table[4:] &= _LOWER


def _bases(cells: Cells, size: int) -> NDArray[np.int64]:
    """Return of d and confidences the bits that units in a cell are counted from, and what they stand for: (4, size).

    Both are below those of all numbers in the cell; the second two are in 2**32 units.
    """
    bases = cells.bases
    if (known := bases.shape[1]) < size:  # threads may do so at once, and find the same
        firsts = cells.firsts(size)[known:]
        fractions, are_normal = firsts & (1 << 52) - 1, (firsts >> 52 & 0x7FF) > 0
        with np.errstate(all="ignore"):
            sure = np.floor(np.ldexp(confidences(firsts.view(np.float64)), 21)) - 1
        sure[np.isnan(sure)] = 0
        sure = sure.astype(np.int64)
        uppers = [(fractions + (are_normal.astype(np.int64) << 52)) >> 32, sure]
        new = np.array([firsts, (sure << 32) + (_HALF_BITS - _HALF_UNITS), *uppers])
        bases = cells.bases = np.concatenate([bases, new], axis=1)
    return bases[:, :size]


class CellSumsReduction(HistogramReduction):
    """Counts d by cell, and adds up, exactly, what `CellSums` names.

    Squares for `spread` are rounded to 37 bits after the point, for all that rests on them is a correction. For the
    square of a hinge, `second` (d*d) too; of a loss that does not follow from these, the `loss`. Of pairs with weights
    each of these is weighted, and `weight` is added up as well. Cells are cut at the margin, as the plan's dtype rounds
    it, and at `knots`.
    """

    takes_turns = has_exponentials = True

    def __init__(self, plan: Plan, knots: Iterable[float] = ()) -> None:
        margin = margin_of(plan)
        self._knots = tuple(knots) if margin is None else (*knots, margin)
        is_hinge = is_hinge_of_differences(plan)
        self._is_square = is_hinge and LOSSES[plan.loss.name].power == 2
        if not is_hinge:
            self.needs |= {"losses"}

    def empty(self) -> CellSums:
        """Return a histogram of nothing."""
        return CellSums(self._knots)

    def add(self, state: Histogram, measured: Measured) -> Histogram:
        """Count a batch, and add it up."""
        whole: Any = state
        for chunk in cut(measured.pairs.size, CHUNK_PAIRS):
            self._add(whole, measured, chunk.start, chunk.stop)
        return state

    def _add(self, state: CellSums, measured: Measured, first: int, last: int) -> None:
        """Add at most CHUNK_PAIRS pairs of a batch."""
        weights = measured.pairs.numbers.get("weight")
        units = [np.zeros(0, np.int64)] * 3
        for start in range(first, last, BLOCK_VALUES):
            block = slice(start, min(start + BLOCK_VALUES, last))
            differences = measured.differences[block].astype(np.float64, copy=False)
            values = {"loss": measured.losses[block]} if "losses" in self.needs else {}
            places = state.places(differences)
            if weights is None and state.cells.greatest < _LARGE:
                units = [grown(of, state.counts.size, 0) for of in units]
                np.add.at(units[0], places, differences.view(np.int64))
                np.add.at(units[1], places, confidences(differences).view(np.int64))
                np.add.at(units[2], places, _square_units(differences, 1 << _COUNT_BIT))
            else:
                state.count(places)
                values |= {"first": differences, "confidence": confidences(differences)}
                squares = np.ldexp(_square_units(differences).astype(np.float64), -SQUARE_BITS)
                values |= {"mantissa": mantissas(differences), "spread": squares}
            self._add_sums(state, values, differences, None if weights is None else weights[block], places)
        state.add_units(np.array(units))

    def _add_sums(
        self,
        state: CellSums,
        values: dict[str, NDArray[Any]],
        differences: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        places: NDArray[np.int64],
    ) -> None:
        """Add up values of any magnitude, by place, and what else is added up of pairs."""
        size = state.counts.size
        if self._is_square:
            state.add_sums("second", sums_of_squares(differences, weights, places, size))
        if weights is not None:
            state.add_sums("weight", sums_by_code(weights, places, size))
        for name, numbers in values.items():
            of_pairs = numbers.astype(np.float64, copy=False)
            if weights is None:
                state.add_sums(name, sums_by_code(of_pairs, places, size))
            else:
                state.add_sums(name, sums_of_products_by_code(weights, of_pairs, places, size))


def binades(firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the exponent of the power of two at which the binade of each number begins; bits, as `Cells.firsts`."""
    exponents: NDArray[np.int64] = np.maximum(firsts >> 52 & 0x7FF, 1) - 1023
    return exponents


def mantissas(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |d| over the power of two at which its binade begins: from 1 on, below 2; of subnormal numbers below 1.

    >>> mantissas(np.array([-0.375, 1.75, 2.0**-1074])).tolist() == [1.5, 1.75, 2.0**-52]
    True
    """
    bits = differences.view(np.int64)
    ones: NDArray[np.float64] = (bits & _FRACTION | _ONE).view(np.float64)
    ones -= (bits >> 52 & 0x7FF) == 0
    return ones


def _square_units(differences: NDArray[np.float64], each: int = 0) -> NDArray[np.int64]:
    """Return the squares for `spread`, of normal numbers, in whole units of 2**-37; with `each` added to each."""
    bits = differences.view(np.int64) & WITHIN_CELL
    bits |= _ONE
    squares: NDArray[np.float64] = bits.view(np.float64)
    squares -= 1
    squares *= squares
    squares += _ROUNDER  # which leaves the units in the last bits
    bits += each - int(np.float64(_ROUNDER).view(np.int64))
    return bits


def confidences(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid(|d|) of differences: how sure Bradley-Terry is that the higher score is the better one.

    >>> confidences(np.array([0.0, -np.log(3)])).tolist()
    [0.5, 0.75]
    """
    shares: NDArray[np.float64] = (differences.view(np.int64) | _SIGN_BIT).view(np.float64)
    np.exp(shares, out=shares)
    np.add(shares, 1.0, out=shares)
    return np.divide(1.0, shares, out=shares)


def margin_of(plan: Plan) -> float | None:
    """Return the margin of all pairs, as the plan's dtype rounds it; None where each has its own."""
    if plan.column_of("margin") is not None:
        return None
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.loss.dtype).type(plan.loss.margin))


def shown_margin(plan: Plan) -> float:
    """Return the margin of all pairs where a picture can show it, above 0 and finite, else 0."""
    margin = margin_of(plan) or 0.0
    return margin if 0 < margin < math.inf else 0.0


def is_hinge_of_differences(plan: Plan) -> bool:
    """Return whether the loss of a pair is a power of max(0, m - d), one m for all."""
    is_of_differences = plan.rules.labels != "probability" and plan.column_of("margin") is None
    return LOSSES[plan.loss.name].is_hinge and is_of_differences
