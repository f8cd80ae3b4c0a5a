"""Sums of floats with no rounding at all, by `math.fsum` and rational numbers, and what pairs come to in such sums."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class LoopSum:
    """A sum of floats, not rounded: of the finite ones, and what the others come to. `LoopSum()` is the empty sum.

    >>> float(LoopSum.of([1e16, 1.0]) + LoopSum.of([-1e16]))
    1.0
    """

    finite: Fraction = Fraction(0)
    others: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float], smallest: float = 0.0) -> LoopSum:
        """Return the sum of `values`: `math.fsum`, then that of what its rounding left over, until nothing is left.

        `smallest`, where it is known, is the magnitude of the smallest value that is not 0. All values are multiples of
        its last digit, and so is what is left over; up to 2**53 times that digit it is a double itself, and the last
        look is saved.
        """
        parts: list[float] = []
        always_exact, left_at_most = math.ulp(smallest) * 2.0**53 if smallest else 0.0, math.inf
        try:
            while (rest := math.fsum(chain(values, [-part for part in parts]))) != 0.0:
                if not math.isfinite(rest):
                    return cls._one_by_one(values)
                parts.append(rest)
                if left_at_most <= always_exact:
                    break
                left_at_most = math.ulp(rest) / 2
        except (OverflowError, ValueError):
            return cls._one_by_one(values)
        return cls(sum(map(Fraction, parts), Fraction(0)))

    @classmethod
    def of_products(cls, weights: Sequence[float], values: Sequence[float]) -> LoopSum:
        """Return the sum of weight * value, nothing rounded.

        >>> LoopSum.of_products([0.1], [0.1]).finite == Fraction(0.1) ** 2
        True
        """
        pairs = list(zip(weights, values, strict=True))
        if all(map(_splits, weights)) and all(map(_splits, values)):
            products = [w * v for w, v in pairs]
            rests = [_rest(w, v, p) for (w, v), p in zip(pairs, products, strict=True)]
            return cls.of(products) + cls.of(rests)
        finite = [(w, v) for w, v in pairs if math.isfinite(w) and math.isfinite(v)]
        others = [w * v for w, v in pairs if not (math.isfinite(w) and math.isfinite(v))]
        return cls(sum((Fraction(w) * Fraction(v) for w, v in finite), Fraction(0)), sum(others, 0.0))

    @classmethod
    def _one_by_one(cls, values: Sequence[float]) -> LoopSum:
        """As `of`, where a value or a sum on the way is beyond the floats."""
        finite = sum((Fraction(value) for value in values if math.isfinite(value)), Fraction(0))
        return cls(finite, sum((value for value in values if not math.isfinite(value)), 0.0))

    def __add__(self, other: LoopSum) -> LoopSum:
        return LoopSum(self.finite + other.finite, self.others + other.others)

    def __float__(self) -> float:
        """Return the sum rounded once; an infinity where it is beyond the largest double."""
        return self.others or as_double(self.finite)

    def over(self, other: LoopSum) -> float:
        """Return the quotient of the two, each rounded first; unrounded where that would leave no digits.

        >>> LoopSum.of([1e308, 1e308]).over(LoopSum.of([1e308, 1e308, 1e308, 1e308]))
        0.5
        """
        part, whole = float(self), float(other)
        if part == 0 or whole == 0 or math.isnan(part) or math.isnan(whole) or not (self.finite and other.finite):
            return part / whole if whole else math.nan
        if self.others == 0.0 and not all(SMALLEST_NORMAL <= abs(number) < math.inf for number in (part, whole)):
            return as_double(self.finite / other.finite)
        return part / whole


@dataclass(frozen=True, slots=True)
class LoopBin:
    """Pairs of one bin: how many, their weight, that of those that are right (of ties one half), and that times how
    sure of each Bradley-Terry is.
    """

    pairs: int = 0
    weight: LoopSum = field(default_factory=LoopSum)
    right: LoopSum = field(default_factory=LoopSum)
    sure: LoopSum = field(default_factory=LoopSum)

    def __add__(self, other: LoopBin) -> LoopBin:
        sums = (self.weight + other.weight, self.right + other.right, self.sure + other.sure)
        return LoopBin(self.pairs + other.pairs, *sums)


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """What pairs come to; `LoopFigures()` is what none do, and `+` is of different pairs, or of different lists.

    `counts` are pairs, correct, ties, wrong, active and, but for lists, inside_margin. `total` is the sum of the
    losses, weighted where there are weights, `weight` that of the weights, and `correct_weight` of those of correct
    pairs. `terms` is how large the losses of lists, or what cancels in them, are in sum: how far a sum of rounded ones
    may be off is a share of that. `bins` are those of calibration, where it is reported.
    """

    counts: Counter[str] = field(default_factory=Counter)
    total: LoopSum = field(default_factory=LoopSum)
    weight: LoopSum = field(default_factory=LoopSum)
    correct_weight: LoopSum = field(default_factory=LoopSum)
    lowest: float = math.inf
    highest: float = -math.inf
    terms: float = 0.0
    bins: dict[int, LoopBin] = field(default_factory=dict)

    def __add__(self, other: LoopFigures) -> LoopFigures:
        none, numbers = LoopBin(), self.bins.keys() | other.bins.keys()
        return LoopFigures(
            self.counts + other.counts,
            self.total + other.total,
            self.weight + other.weight,
            self.correct_weight + other.correct_weight,
            -_greatest(-self.lowest, -other.lowest),
            _greatest(self.highest, other.highest),
            self.terms + other.terms,
            {number: self.bins.get(number, none) + other.bins.get(number, none) for number in numbers},
        )

    def mean(self, *, is_weighted: bool) -> float:
        """Return the mean over pairs, by their weights where they have some; NaN where there are no pairs."""
        return self.total.over(self.weight if is_weighted else LoopSum.of([float(self.counts["pairs"])]))


def _greatest(one: float, other: float) -> float:
    """Return the greater of two numbers; NaN wins, as it does in an array."""
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


SMALLEST_NORMAL = 2.0**-1022


def _splits(value: float) -> bool:
    """Return whether products of such numbers, and what these round away, stay far from overflow and the subnormals."""
    return value == 0.0 or 1e-130 < abs(value) < 1e130


def _rest(first: float, second: float, product: float) -> float:
    """Return what first * second rounded away (Dekker, "A floating-point technique for extending the available
    precision", 1971): each factor is split in two halves of 26 bits, whose products are exact.
    """
    first_high, second_high = _upper_half(first), _upper_half(second)
    first_low, second_low = first - first_high, second - second_high
    return first_low * second_low - (
        ((product - first_high * second_high) - first_low * second_high) - first_high * second_low
    )


def _upper_half(value: float) -> float:
    scaled = 134217729.0 * value  # 2**27 + 1
    return scaled - (scaled - value)


def as_double(number: Fraction) -> float:
    """Return a rational number rounded to the nearest double, an infinity beyond the largest."""
    return quotient(number.numerator, number.denominator)


def quotient(numerator: int, denominator: int) -> float:
    """Return a quotient of whole numbers rounded as by `as_double`; the denominator is above 0."""
    try:
        return numerator / denominator  # Python divides integers with one correct rounding
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def whole_numbers(values: Sequence[float]) -> tuple[list[int], int]:
    """Return values as whole numbers over one denominator: every double is one over a power of two.

    >>> whole_numbers([0.5, 3.0])
    ([1, 6], 2)
    """
    ratios = [value.as_integer_ratio() for value in values]
    denominator = max((bottom for _, bottom in ratios), default=1)
    return [top * (denominator // bottom) for top, bottom in ratios], denominator
