"""Sums by cell of d = y*(x1 - x2): what is drawn of pairs follows from them, from one pass, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import BLOCK_VALUES
from mrl_cli.exact.codes import SumsByCode, grown, sums_by_code, sums_of_products_by_code
from mrl_cli.losses import LOSSES
from mrl_cli.reductions.curve import sums_of_squares
from mrl_cli.reductions.histogram import Histogram, HistogramReduction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured

MOST_PAIRS = 1 << 20
_UPPER_BITS = np.int64(-1 << 26)
_HALVES = {"first": 2, "confidence": 2, "second": 1}  # how many of the two halves of values are added up
_LARGE = 2.0**500  # the square of what is larger may be beyond the doubles


class CellSumsReduction(HistogramReduction):
    """Counts d by cell, and adds up, exactly: `first` (d), `second` (d*d) and `confidence` (sigmoid(|d|)).

    Of a loss that does not follow from these, the `loss` too. d*d has its first 27 bits at least, for all that rests on
    it is a correction, but is exact for the square of a hinge. Of pairs with weights each of these is weighted, and
    `weight` is added up as well. Cells are cut at the margin, as the plan's dtype rounds it, and at `knots`.
    """

    takes_turns = has_exponentials = True

    def __init__(self, plan: Plan, knots: Iterable[float] = ()) -> None:
        margin = margin_of(plan)
        self._knots = tuple(knots) if margin is None else (*knots, margin)
        is_hinge = is_hinge_of_differences(plan)
        self._is_square = is_hinge and LOSSES[plan.loss.name].power == 2
        if not is_hinge:
            self.needs |= {"losses"}

    def empty(self) -> Histogram:
        """Return a histogram of nothing."""
        return Histogram(self._knots)

    def add(self, state: Histogram, measured: Measured) -> Histogram:
        """Count a batch, and add it up."""
        for start in range(0, measured.pairs.size, MOST_PAIRS):
            self._add(state, measured, start, min(start + MOST_PAIRS, measured.pairs.size))
        return state

    def _add(self, state: Histogram, measured: Measured, first: int, last: int) -> None:
        """Add at most MOST_PAIRS pairs of a batch."""
        weights, sums = measured.pairs.numbers.get("weight"), state.sums
        halves: dict[str, list[NDArray[np.float64]]] = {}
        for start in range(first, last, BLOCK_VALUES):
            block = slice(start, min(start + BLOCK_VALUES, last))
            differences = measured.differences[block].astype(np.float64, copy=False)
            values = {"first": differences, "confidence": confidences(differences)}
            if "losses" in self.needs:
                values["loss"] = measured.losses[block].astype(np.float64, copy=False)
            if not self._is_square:
                with np.errstate(over="ignore"):
                    values["second"] = differences * differences
            places = state.add(differences)
            size = state.counts.size
            if weights is None and max(differences.max(), -differences.min()) < _LARGE:
                for name in [name for name in _HALVES if name in values]:
                    parts = halves.setdefault(name, [np.zeros(0)] * _HALVES[name])
                    _add_halves(parts, values.pop(name), places, size)
            of_block = None if weights is None else weights[block]
            for name, added in self._summed(values, differences, of_block, places, size).items():
                sums.setdefault(name, SumsByCode()).add(added)
        for name, parts in halves.items():
            sums.setdefault(name, SumsByCode()).add(SumsByCode(grown(part, state.counts.size, 0.0) for part in parts))

    def _summed(
        self,
        values: dict[str, NDArray[np.float64]],
        differences: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        places: NDArray[np.int64],
        size: int,
    ) -> dict[str, SumsByCode]:
        """Return the sums of values of any magnitude, by place, and what else is added up of pairs."""
        sums = {"second": sums_of_squares(differences, weights, places, size)} if self._is_square else {}
        if weights is None:
            return sums | {name: sums_by_code(of_pairs, places, size) for name, of_pairs in values.items()}
        sums["weight"] = sums_by_code(weights, places, size)
        return sums | {
            name: sums_of_products_by_code(weights, of_pairs, places, size) for name, of_pairs in values.items()
        }


def _add_halves(
    halves: list[NDArray[np.float64]], values: NDArray[np.float64], places: NDArray[np.int64], size: int
) -> None:
    """Add the upper halves of values, by place, to the first sum, and to a second one, if there is one, what remains.

    All values of a place are within a factor of 4 of one another, or subnormal. Their upper halves have 27 bits, of
    which the last is at least 2**-28 of the largest, and the lower ones as many: so MOST_PAIRS add up without rounding.
    """
    upper = (values.view(np.int64) & _UPPER_BITS).view(np.float64)
    for place in range(len(halves)):
        total = np.bincount(places, values - upper if place else upper, size).astype(np.float64, copy=False)
        total[: halves[place].size] += halves[place]
        halves[place] = total


def confidences(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid(|d|) of differences: how sure Bradley-Terry is that the higher score is the better one.

    >>> confidences(np.array([0.0, -np.log(3)])).tolist()
    [0.5, 0.75]
    """
    shares = np.copysign(differences, -1.0)
    np.exp(shares, out=shares)
    np.add(shares, 1.0, out=shares)
    return np.divide(1.0, shares, out=shares)


def margin_of(plan: Plan) -> float | None:
    """Return the margin of all pairs, as the plan's dtype rounds it; None where each has its own."""
    if plan.column_of("margin") is not None:
        return None
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.loss.dtype).type(plan.loss.margin))


def is_hinge_of_differences(plan: Plan) -> bool:
    """Return whether the loss of a pair is a power of max(0, m - d), one m for all."""
    is_of_differences = plan.rules.labels != "probability" and plan.column_of("margin") is None
    return LOSSES[plan.loss.name].is_hinge and is_of_differences
