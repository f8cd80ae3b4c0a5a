"""The loss at many margins at once: pairs to a curve that merges, and the curve to one point for each margin.

A hinge loss at margin m is a power of max(0, m - d), where d = y*(x1 - x2), so its sum needs no pair a second time: of
the pairs with d < m it is m*n - Σd, squared m²*n - 2m*Σd + Σd², where n is their number. One search finds between which
margins a pair's d lies; n, Σd and Σd² are added up exactly between neighbouring margins, and the curve follows from
those few sums, in integers, rounded once for each margin. That is the sum of the unrounded losses; `totals` adds up
the losses as each is rounded, which moves the sum by no more than a few units in the last place of the dtype
(test_sweep_agrees_with_compute). Counts are the same to the pair.

The other losses with a margin are computed at every margin, and their sums are those of `totals`.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact import BLOCK_VALUES, UNIT_EXPONENT, ExactSum, are_ordinary_factors, cut, products, quotient
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code
from mrl_cli.losses import LOSSES, of_probabilities
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.measured import loss_labels, score_differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.losses.registry import Kernel
    from mrl_cli.model import DType
    from mrl_cli.reductions.measured import Measured

    Floats = NDArray[np.floating[Any]]

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
class Curve:
    """Exact sums and counts of pairs; `+` merges.

    Of a hinge, they are of the pairs between neighbouring margins: a pair has code i when d is above the first i
    margins only. The rows of `counts`, of shape (3, margins + 1), are all pairs, those whose d is the very margin of
    their code (kinks), and those with y = 0, whose gradient is 0 wherever d stands. The sums are of `weight` (where
    there are weights), `first` (d) and, for a square, `second` (d*d), weighted. Of labels that are probabilities, the
    sums are of `halves`, the counts of the half that is active first, and the third row are `changes_at_rest`.

    Of another loss, they are of all pairs at each margin: the sums of the `losses` and of the magnitudes of the
    `gradients`, and, in `counts`, of shape (2, margins), how many of each are above 0.
    """

    counts: NDArray[np.int64]
    sums: dict[str, SumsByCode]

    def __add__(self, other: Curve) -> Curve:
        names = dict.fromkeys((*self.sums, *other.sums))
        return Curve(self.counts + other.counts, {name: self.of(name).merged(other.of(name)) for name in names})

    def of(self, name: str) -> SumsByCode:
        """Return the sums of that name, of nothing where no pair was added."""
        return self.sums.get(name, SumsByCode())


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
                if np.isfinite(self._scale) and distinct(buckets).size == knots.size:
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

    def of(self, values: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return for each value, of the dtype of the knots, how many of them are below it, and whether it is the next.

        All knots are below a NaN.
        """
        if self._table is None:
            places = np.searchsorted(self._knots, values)
            return places, np.append(self._knots, np.nan)[places] == values
        below, in_bucket = self._table
        buckets = self._buckets(values)
        nearest = in_bucket[buckets]
        is_above = np.logical_not(values <= nearest)  # NaN is
        return below[buckets] + is_above, nearest == values


class CurveReduction(Reduction[Curve, Curve]):
    """A loss and the margins to compute it at: one or more, all finite in the dtype of the arithmetic.

    >>> sweep = CurveReduction("margin_ranking", [1.0, 0.0])
    >>> difference, labels = np.array([0.5, -1.0, 1.0]), np.array([1.0, 1.0, 1.0])
    >>> sweep.points(sweep.curve(difference, labels))[0]
    Point(sum=2.5, active=2, passing=3, gradient_sum=None)
    """

    joins = True

    def __init__(
        self,
        loss: str,
        margins: Sequence[float],
        dtype: DType = "float64",
        parameters: Mapping[str, float] | None = None,
        *,
        takes_probabilities: bool = False,
    ) -> None:
        rounded = np.asarray(margins, np.float64).astype(dtype) + 0
        self._knots, self._places = np.unique(rounded, return_inverse=True)
        self._knot_places = KnotPlaces(self._knots)
        self._loss, self._parameters = LOSSES[loss], dict(parameters or {})
        self._takes_probabilities = takes_probabilities

    @property
    def _functions(self) -> tuple[Kernel, Kernel]:
        """The kernel and its gradient."""
        kernel, gradient = self._loss.kernel, self._loss.gradient
        if self._takes_probabilities:
            kernel, gradient = of_probabilities(kernel), of_probabilities(gradient)
        return kernel, gradient

    def empty(self) -> Curve:
        """Return the curve of no pairs."""
        shape = (3, self._knots.size + 1) if self._loss.is_hinge else (2, self._knots.size)
        return Curve(np.zeros(shape, np.int64), {})

    def add(self, state: Curve, measured: Measured) -> Curve:
        """Add a batch."""
        for pairs in measured.parts(CHUNK_PAIRS):
            difference, labels = np.empty((2, pairs.size), self._knots.dtype)
            with np.errstate(all="ignore"):
                score_differences(pairs, measured.plan, difference)
                loss_labels(pairs, measured.plan, labels)
            state += self.curve(difference, labels, pairs.numbers.get("weight"))
        return state

    def curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None = None) -> Curve:
        """Return the curve of pairs: x1 - x2, the label and the weight (above 0) of each, all of one shape (n,)."""
        curve, of_chunk = self.empty(), self._hinge_curve if self._loss.is_hinge else self._kernel_curve
        if self._loss.is_hinge and self._takes_probabilities:
            of_chunk = self._curve_of_halves
        with np.errstate(all="ignore"):
            for chunk in cut(difference.size, CHUNK_PAIRS):
                curve += of_chunk(difference[chunk], labels[chunk], None if weights is None else weights[chunk])
        return curve

    def points(self, curve: Curve) -> list[Point]:
        """Return the point of each margin, in the order in which the margins were given."""
        points = self._hinge_points(curve) if self._loss.is_hinge else self._kernel_points(curve)
        return [points[place] for place in self._places.tolist()]

    def _hinge_curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None) -> Curve:
        signed = labels * difference
        (codes, is_kink), size = self._knot_places.of(signed), self._knots.size + 1
        is_unlabelled = (labels == 0) & (signed == 0)
        counts = [np.bincount(some, minlength=size) for some in (codes, codes[is_kink], codes[is_unlabelled])]
        return Curve(np.array(counts), self._sums(signed, weights, codes))

    def _sums(
        self, signed: Floats, weights: NDArray[np.float64] | None, codes: NDArray[np.intp]
    ) -> dict[str, SumsByCode]:
        distance, size = signed.astype(np.float64, copy=False), self._knots.size + 1
        if weights is None:
            sums = {"first": sums_by_code(distance, codes, size)}
        else:
            sums = {
                "weight": sums_by_code(weights, codes, size),
                "first": sums_of_products_by_code(weights, distance, codes, size),
            }
        if self._loss.power == 2:
            sums["second"] = sums_of_squares(distance, weights, codes, size)
        return sums

    def _curve_of_halves(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None) -> Curve:
        """As `_hinge_curve`, where labels are probabilities: see `halves`."""
        from mrl_cli.reductions import halves  # few sweeps have them

        power, size = self._loss.power, self._knots.size + 1

        def codes_of(values: Floats) -> NDArray[np.intp]:
            return self._knot_places.of(values)[0]

        codes, is_kink = self._knot_places.of(halves.nearer(difference, labels))
        counts = [np.bincount(some, minlength=size) for some in (codes, codes[is_kink])]
        counts.append(halves.changes_at_rest(difference, labels, self._knots, codes_of, power))
        curve, none = Curve(np.array(counts), {}), self.empty().counts
        for signed, shares in halves.halves(difference, labels, weights):
            curve += Curve(none, self._sums(signed, shares, codes_of(signed)))
        for number, sums in halves.strange_halves(difference, labels, weights, power):
            code = int(codes_of(np.array([number], self._knots.dtype))[0])
            curve += Curve(none, {name: SumsByCode(others={code: total}) for name, total in sums.items()})
        return curve

    def _hinge_points(self, curve: Curve) -> list[Point]:
        is_square = self._loss.power == 2
        reached, _, unlabelled = np.cumsum(curve.counts, axis=1)[:, :-1]
        below = reached - curve.counts[1, :-1]
        # At the kink the gradient of the hinge passes, as in PyTorch; that of its square is 0 there.
        passing = np.where(self._knots > 0, below - unlabelled, below) if is_square else reached - unlabelled
        has_nan = curve.of("first").at(self._knots.size).nans > 0
        terms = hinge_terms(self._knots.tolist(), curve)
        sums = [float("nan") if has_nan else hinge_sum(*of_knot, is_square=is_square) for of_knot in terms]
        return list(map(Point, sums, below.tolist(), passing.tolist()))

    def _kernel_curve(self, difference: Floats, labels: Floats, weights: NDArray[np.float64] | None) -> Curve:
        sums = {name: dict.fromkeys(range(self._knots.size), ExactSum()) for name in ("losses", "gradients")}
        counts, buffers = np.zeros((2, self._knots.size), np.int64), np.empty((2, BLOCK_VALUES), difference.dtype)
        for block in cut(difference.size, BLOCK_VALUES):
            pair, share = (difference[block], labels[block]), None if weights is None else weights[block]
            outs = buffers[:, : pair[0].size]
            for place, knot in enumerate(self._knots.tolist()):
                kernel, gradient = self._functions
                losses = kernel(*pair, margin=knot, out=outs[0], **self._parameters)
                slopes = gradient(*pair, margin=knot, out=outs[1], **self._parameters)
                np.abs(slopes, out=slopes)
                for row, (of, values) in enumerate(zip(sums.values(), (losses, slopes), strict=True)):
                    counts[row, place] += np.count_nonzero(values > 0)
                    of[place] += ExactSum.of(values) if share is None else ExactSum.of_products(share, values)
        return Curve(counts, {name: SumsByCode(others=of) for name, of in sums.items()})

    def _kernel_points(self, curve: Curve) -> list[Point]:
        losses, slopes = (map(curve.of(name).at, range(self._knots.size)) for name in ("losses", "gradients"))
        return list(map(Point, map(float, losses), *curve.counts.tolist(), map(float, slopes)))


def hinge_terms(knots: Sequence[float], curve: Curve) -> Iterator[tuple[float, ExactSum, ExactSum, ExactSum]]:
    """Yield for each of some margins, which ascend: m, and n, Σd and Σd² of the pairs below it and at its kink.

    A pair at the kink adds m - d = 0 to the sum, so it may be counted in.
    """
    weight, first, second = (
        accumulate(map(curve.of(name).at, range(len(knots)))) for name in ("weight", "first", "second")
    )
    reached = np.cumsum(curve.counts[0])[:-1]
    counts = weight if "weight" in curve.sums else (ExactSum(count << UNIT_EXPONENT) for count in reached.tolist())
    return zip(knots, counts, first, second, strict=True)


def hinge_total(
    margin: float, count: ExactSum, first: ExactSum, second: ExactSum, *, is_square: bool
) -> tuple[int, int]:
    """Return m*n - Σd, or m²*n - 2m*Σd + Σd², as (numerator, e): unrounded, in multiples of 2**-e."""
    numerator, denominator = margin.as_integer_ratio()
    unit = 1 << _SMALLEST_EXPONENT
    m = numerator * (unit // denominator)
    total, exponent = m * count.units - unit * first.units, UNIT_EXPONENT + _SMALLEST_EXPONENT
    if is_square:
        total = m * total - unit * m * first.units + unit * unit * second.units
        exponent += _SMALLEST_EXPONENT
    return total, exponent


def hinge_sum(margin: float, count: ExactSum, first: ExactSum, second: ExactSum, *, is_square: bool) -> float:
    """Return `hinge_total` rounded once; the margin may be infinite, as float32 makes a large one."""
    if first.negative_infinities or math.isinf(margin):
        return math.inf if count.units else 0.0
    total, exponent = hinge_total(margin, count, first, second, is_square=is_square)
    return quotient(total, 1 << exponent)


def sums_of_squares(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None, codes: NDArray[np.integer], size: int
) -> SumsByCode:
    """Return the exact sums of d*d, or of w*d*d: d*d is two doubles, each of which w is multiplied by."""
    if weights is None:
        return sums_of_products_by_code(values, values, codes, size)
    ordinary = are_ordinary_factors(values)
    tame = np.where(ordinary, values, 0.0)
    high, low = (sums_of_products_by_code(weights, part, codes, size) for part in products(tame, tame))
    high.add(low)
    for index in np.flatnonzero(~ordinary).tolist():
        square = _weighted_square(float(weights[index]), float(values[index]))
        high.add(SumsByCode(others={int(codes[index]): square}))
    return high


def _weighted_square(weight: float, value: float) -> ExactSum:
    if not np.isfinite(value):
        return ExactSum.of(np.array([weight * value * value]))
    (w, of_w), (d, of_d) = weight.as_integer_ratio(), value.as_integer_ratio()
    return ExactSum((w * d * d << UNIT_EXPONENT) // (of_w * of_d * of_d))
