"""The loss at many margins at once: pairs to a curve that merges, and the curve to one point for each margin.

A hinge loss at margin m is a power of max(0, m - d), where d = y*(x1 - x2), so its sum needs no pair a second time: of
the pairs with d < m it is m*n - Σd, squared m²*n - 2m*Σd + Σd², where n is their number. One search tells between which
margins a pair's d lies; n, Σd and Σd² are added up exactly between neighbouring margins, and the curve follows from
those few sums, in integers, rounded once for each margin. That is the sum of the unrounded losses; `measure` adds up
the losses as each is rounded, which moves the sum by no more than a few units in the last place of the dtype
(test_sweep_agrees_with_compute). Counts are the same to the pair.

The other losses with a margin are computed at every margin, and their sums are those of `measure`.
"""

from __future__ import annotations

from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import (
    BLOCK_VALUES,
    UNIT_EXPONENT,
    ExactSum,
    SumsByCode,
    are_ordinary_factors,
    products,
    sums_by_code,
    sums_of_products_by_code,
)
from mrl_cli.losses import LOSSES
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import DType
    from mrl_cli.reductions.measured import Measured

    Floats = NDArray[np.floating[Any]]

HINGE_POWERS = {"margin_ranking": 1, "squared_hinge": 2}  # the losses that are max(0, margin - d) to this power
CHUNK_PAIRS = 65536  # of 32, 64 and 128 Ki the quickest
MOST_BUCKET_BITS = 17
_SMALLEST_EXPONENT = 1074  # every double is a multiple of 2**-1074


@light_dataclass(frozen=True, slots=True)
class Point:
    """What pairs come to at one margin.

    `sum` is that of the losses, weighted where there are weights, rounded once. `active` of the pairs have a loss above
    0, and `passing` a gradient other than 0. `gradient_sum` is the sum of the magnitudes of the gradients for x1,
    weighted too; None for a hinge.
    """

    sum: float
    active: int
    passing: int
    gradient_sum: float | None = None


@light_dataclass(frozen=True, slots=True)
class HingeCurve:
    """Sums and counts of pairs between neighbouring margins, exact; `+` merges.

    A pair has code i when d is above the first i margins only; arrays have shape (margins + 1,). `kinks` are the pairs
    whose d is the very margin of that code, `unlabelled` those with y = 0, whose gradient is 0 wherever d stands;
    `nans` have no d. `sums` are those of `weight` (where there are weights), `first` (d) and, for a square, `second`
    (d*d), weighted.
    """

    counts: NDArray[np.int64]
    kinks: NDArray[np.int64]
    unlabelled: int
    nans: int
    sums: dict[str, SumsByCode]

    def __add__(self, other: HingeCurve) -> HingeCurve:
        return HingeCurve(
            self.counts + other.counts,
            self.kinks + other.kinks,
            self.unlabelled + other.unlabelled,
            self.nans + other.nans,
            {name: sums.merged(other.sums[name]) for name, sums in self.sums.items()},
        )


@light_dataclass(frozen=True, slots=True)
class KernelCurve:
    """Exact sums and counts of pairs at each margin; `+` merges. What a field holds, Point says."""

    sums: tuple[ExactSum, ...]
    gradient_sums: tuple[ExactSum, ...]
    active: NDArray[np.int64]
    passing: NDArray[np.int64]

    def __add__(self, other: KernelCurve) -> KernelCurve:
        return KernelCurve(
            tuple(map(add, self.sums, other.sums)),
            tuple(map(add, self.gradient_sums, other.gradient_sums)),
            self.active + other.active,
            self.passing + other.passing,
        )


Curve = HingeCurve | KernelCurve


class KnotPlaces:
    """Finds how many of some knots are below a number, as `np.searchsorted` does, mostly by one look at a table.

    The table divides the range of the knots into buckets of one width, so many that no two knots share one. Rounding
    moves a number to a neighbouring bucket at most, and knots in the same way: what is in a lower bucket is lower.
    """

    def __init__(self, knots: Floats) -> None:
        self._knots = knots
        self._first = knots[0]
        self._table: tuple[NDArray[np.int64], Floats] | None = None
        with np.errstate(all="ignore"):
            width = knots[-1] - knots[0]
            if not np.isfinite(width):  # what is far below the first knot would have no bucket
                return
            least_bits = 0 if knots.size == 1 else knots.size.bit_length() + 2
            for size in (1 << bits for bits in range(least_bits, MOST_BUCKET_BITS + 1)):
                self._last_bucket = knots.dtype.type(size - 1)
                self._scale = size / width if size > 1 else knots.dtype.type(0)
                buckets = self._buckets(knots)
                if np.isfinite(self._scale) and np.unique(buckets).size == knots.size:
                    below = np.searchsorted(buckets, np.arange(size))
                    in_bucket = np.full(size, np.inf, knots.dtype)
                    in_bucket[buckets] = knots
                    self._table = below, in_bucket
                    return

    @property
    def has_table(self) -> bool:
        """Whether some table keeps the knots apart; what has none is searched for."""
        return self._table is not None

    def _buckets(self, values: Floats) -> NDArray[np.intp]:
        scaled: Floats = np.multiply(values - self._first, self._scale)
        np.fmin(scaled, self._last_bucket, out=scaled)  # NaN too becomes the last bucket, that of the last knot
        np.fmax(scaled, 0, out=scaled)
        return scaled.astype(np.intp)

    def of(self, values: Floats) -> NDArray[np.intp]:
        """Return for each value, of the dtype of the knots, how many of them are below it; all for NaN."""
        if self._table is None:
            return np.searchsorted(self._knots, values)
        below, in_bucket = self._table
        buckets = self._buckets(values)
        is_above = np.logical_not(values <= in_bucket[buckets])  # NaN is
        found: NDArray[np.intp] = np.add(below[buckets], is_above)
        return found


class Sweep(Reduction["Curve | None", "Curve | None"]):
    """A loss and the margins to compute it at, in the dtype of the arithmetic: one or more, all finite in it.

    >>> sweep = Sweep("margin_ranking", [1.0, 0.0])
    >>> difference, labels = np.array([0.5, -1.0, 1.0]), np.array([1.0, 1.0, 1.0])
    >>> sweep.points(sweep.curve(difference, labels))[0]
    Point(sum=2.5, active=2, passing=3, gradient_sum=None)
    """

    def __init__(
        self,
        loss: str,
        margins: Sequence[float],
        dtype: DType = "float64",
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        rounded = np.asarray(margins, np.float64).astype(dtype) + np.dtype(dtype).type(0)
        self._knots, self._places = np.unique(rounded, return_inverse=True)
        self._knot_places = KnotPlaces(self._knots)
        self._loss = LOSSES[loss]
        self._power = HINGE_POWERS.get(loss)
        self._parameters = dict(parameters or {})

    def empty(self) -> Curve | None:
        """Return the curve of no pairs."""
        return None

    def add(self, state: Curve | None, measured: Measured) -> Curve | None:
        """Add a batch."""
        weight = measured.pairs.numbers.get("weight")
        return _merged(state, self.curve(measured.differences, measured.labels, weight))

    def merge(self, whole: Curve | None, state: Curve | None, part: Any) -> Curve | None:
        """Add the curve of a task."""
        del part
        return _merged(whole, state)

    def curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None = None) -> Curve:
        """Return the curve of pairs: x1 - x2, the label and the weight (above 0) of each, all of one shape (n,)."""
        of_chunk = self._kernel_curve if self._power is None else self._hinge_curve
        chunks = (slice(start, start + CHUNK_PAIRS) for start in range(0, max(difference.size, 1), CHUNK_PAIRS))
        with np.errstate(all="ignore"):
            curves: Iterator[Any] = (
                of_chunk(difference[chunk], labels[chunk], None if weights is None else weights[chunk])
                for chunk in chunks
            )
            *_, whole = accumulate(curves)
        found: Curve = whole
        return found

    def points(self, curve: Curve) -> list[Point]:
        """Return the point of each margin, in the order in which the margins were given."""
        points = self._hinge_points(curve) if isinstance(curve, HingeCurve) else _kernel_points(curve)
        return [points[place] for place in self._places.tolist()]

    def _hinge_curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None) -> HingeCurve:
        signed = labels * difference
        codes = self._knot_places.of(signed)  # a NaN counts as above all
        size = self._knots.size + 1
        counts = np.bincount(codes, minlength=size)
        is_kink = np.append(self._knots, np.nan)[codes] == signed
        kinks = np.bincount(codes[is_kink], minlength=size)
        distance = signed.astype(np.float64, copy=False)
        nans = int(np.count_nonzero(np.isnan(signed))) if counts[-1] else 0
        sums = {"first": sums_by_code(distance, codes, size)} if weights is None else {}
        if weights is not None:
            sums = {
                "weight": sums_by_code(weights, codes, size),
                "first": sums_of_products_by_code(weights, distance, codes, size),
            }
        if self._power == 2:
            sums["second"] = _sums_of_squares(distance, weights, codes, size)
        unlabelled = int(np.count_nonzero((labels == 0) & (signed == 0)))
        return HingeCurve(counts, kinks, unlabelled, nans, sums)

    def _hinge_points(self, curve: HingeCurve) -> list[Point]:
        reached = np.cumsum(curve.counts)[:-1]
        below = reached - curve.kinks[:-1]
        # At the kink the gradient of the hinge passes, as in PyTorch; that of its square is 0 there.
        passing = reached if self._power == 1 else below
        zero_passes = self._knots >= 0 if self._power == 1 else self._knots > 0
        passing = passing - np.where(zero_passes, curve.unlabelled, 0)
        sums = self._hinge_sums(curve)
        return [Point(*found) for found in zip(sums, below.tolist(), passing.tolist(), strict=True)]

    def _hinge_sums(self, curve: HingeCurve) -> Iterator[float]:
        """Yield the sum at each margin. A pair at the kink adds m - d = 0, so it may be counted in."""
        count = first = second = ExactSum()
        for code, knot in enumerate(self._knots.tolist()):
            weight = curve.sums.get("weight")
            count += ExactSum(int(curve.counts[code]) << UNIT_EXPONENT) if weight is None else weight.at(code)
            first += curve.sums["first"].at(code)
            if self._power == 2:
                second += curve.sums["second"].at(code)
            if curve.nans:
                yield float("nan")
            elif first.negative_infinities:
                yield float("inf")
            else:
                yield _hinge_sum(knot, count.units, first.units, second.units if self._power == 2 else None)

    def _kernel_curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None) -> KernelCurve:
        sums = [[ExactSum(), ExactSum()] for _ in self._knots]
        counts = np.zeros((2, self._knots.size), np.int64)
        buffer = np.empty_like(difference[:BLOCK_VALUES])
        for start in range(0, difference.size, BLOCK_VALUES):
            block = slice(start, start + BLOCK_VALUES)
            pair, share = (difference[block], labels[block]), None if weights is None else weights[block]
            out = buffer[: pair[0].size]
            for place, knot in enumerate(self._knots.tolist()):
                losses = self._loss.kernel(*pair, margin=knot, out=out, **self._parameters)
                slopes = np.abs(self._loss.gradient(*pair, margin=knot, **self._parameters))
                for row, values in enumerate((losses, slopes)):
                    counts[row, place] += np.count_nonzero(values > 0)
                    sums[place][row] += _summed(values, share)
        loss_sums, gradient_sums = zip(*sums, strict=True)
        return KernelCurve(loss_sums, gradient_sums, *counts)


def _merged(left: Any, right: Any) -> Curve | None:
    whole: Curve | None = left + right if left is not None and right is not None else left or right
    return whole


def _summed(values: Floats, weights: NDArray[np.float64] | None) -> ExactSum:
    return ExactSum.of(values) if weights is None else ExactSum.of_products(weights, values)


def _kernel_points(curve: KernelCurve) -> list[Point]:
    fields_of_points = (map(float, curve.sums), curve.active.tolist(), curve.passing.tolist())
    return [Point(*found) for found in zip(*fields_of_points, map(float, curve.gradient_sums), strict=True)]


def _hinge_sum(margin: float, count: int, first: int, second: int | None) -> float:
    """Return m*n - Σd, or with `second` m²*n - 2m*Σd + Σd², rounded once; n, Σd and Σd² in units of 2**-2148."""
    numerator, denominator = margin.as_integer_ratio()
    unit = 1 << _SMALLEST_EXPONENT
    m = numerator * (unit // denominator)
    total, scale = m * count - unit * first, UNIT_EXPONENT + _SMALLEST_EXPONENT
    if second is not None:
        total, scale = m * total - unit * m * first + unit * unit * second, scale + _SMALLEST_EXPONENT
    try:
        return total / (1 << scale)  # Python divides integers with one correct rounding
    except OverflowError:
        return float("inf")


def _sums_of_squares(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None, codes: NDArray[np.integer], size: int
) -> SumsByCode:
    """Return the exact sums of d*d, or of w*d*d: d*d is two doubles, each of which w is multiplied by."""
    if weights is None:
        return sums_of_products_by_code(values, values, codes, size)
    ordinary = are_ordinary_factors(values)
    tame = np.where(ordinary, values, 0.0)
    high, low = (sums_of_products_by_code(weights, part, codes, size) for part in products(tame, tame))
    sums = high.merged(low)
    for index in np.flatnonzero(~ordinary).tolist():
        square = _weighted_square(float(weights[index]), float(values[index]))
        sums = sums.merged(SumsByCode([], {int(codes[index]): square}))
    return sums


def _weighted_square(weight: float, value: float) -> ExactSum:
    if not np.isfinite(value):
        return ExactSum.of(np.array([weight * value * value]))
    (w, of_w), (d, of_d) = weight.as_integer_ratio(), value.as_integer_ratio()
    return ExactSum((w * d * d << UNIT_EXPONENT) // (of_w * of_d * of_d))
