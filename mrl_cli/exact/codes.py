"""Exact sums of values by code, for many codes at once: what `ExactSum` is for one, in arrays."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact.blocks import (
    BLOCK_VALUES,
    HUGE,
    PRODUCT_VALUES,
    Array,
    are_ordinary_factors,
    cut,
    extracted,
    magnitude,
    products,
    split,
)
from mrl_cli.exact.sums import ExactSum, sum_of_any_products
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

FEW_CODES = 512  # where there are more, neighbours seldom share one
_REST_WRONG = 2.0**-100  # of a sum: what its rest may be wrong by
LEAST_TERMS = 1 << 12  # of a code that bins are made for: few numbers have bits for a third of them then


class SumsByCode:
    """Exact sums by code: the sum of code i is that of `parts[0][i]`, `parts[1][i]`, … and of `others[i]`.

    Every part is an array with a place for each code. What is added to a part, and rounded away, goes to the next, and
    so on: each rounding error is at most 2**-53 of what was rounded, so a few dozen parts hold any sum, and three most,
    however many are added to the first. Parts of other sums are added to those of their place: of many sums that were
    made alike, hardly anything is rounded away then.

    `others` hold what is huge or not finite, and products out of the ordinary.
    """

    def __init__(self, parts: Iterable[Array] = (), others: Mapping[int, ExactSum] | tuple[()] = ()) -> None:
        self.parts, self.others = list(parts), dict(others)

    def add(self, sums: SumsByCode, places: NDArray[np.int64] | None = None, size: int = 0) -> None:
        """Add other sums, in place: those of their code i to code places[i], all different, or to code i.

        With `places`, there is room for `size` codes afterwards.
        """
        for place, part in enumerate(sums.parts):
            if places is None:
                self._add_to_first(part, place)
            else:
                self._add(part, places, size, place)
        for code, total in sums.others.items():
            place = code if places is None else int(places[code])
            self.others[place] = self.others.get(place, ExactSum()) + total

    def tidied(self) -> SumsByCode:
        """Return the same sums, the parts of each added up as far as that goes: of most, one part or two are left."""
        if len(self.parts) < 2:
            return self
        whole = SumsByCode((), self.others)
        for part in self.parts:
            whole._add_to_first(part)
        return whole

    def _add_to_first(self, values: Array, place: int = 0) -> None:
        """Add values of the first codes to the part at a place: what fits the cache at a time, for it takes passes."""
        for here in cut(values.size, BLOCK_VALUES):  # there may be more codes behind
            self._add(values[here], here, values.size, place)

    def _add(self, rest: Array, places: NDArray[np.int64] | slice, size: int, place: int) -> None:
        for index, part in enumerate(self.parts[place:], place):
            if not isinstance(places, slice) and np.count_nonzero(rest) < rest.size // 2:
                left = np.flatnonzero(rest)
                places, rest = places[left], rest[left]
            self.parts[index] = held = grown(part, size, 0.0)
            held[places], rest = two_sum(held[places], rest)
            if not rest.any():
                return
        self.parts.append(np.zeros(size))
        self.parts[-1][places] = rest

    def negated(self) -> SumsByCode:
        """Return the sums of the values with the other sign."""
        others = {code: ExactSum() - total for code, total in self.others.items()}
        return SumsByCode((-part for part in self.parts), others)

    def merged(self, other: SumsByCode) -> SumsByCode:
        """Return the sums of the values of both."""
        both = SumsByCode((part.copy() for part in self.parts), self.others)
        both.add(other)
        return both

    def regrouped(self, codes: NDArray[np.int64], size: int) -> SumsByCode:
        """Return the sums by other codes, of which there are `size`: code i becomes codes[i], and what meets adds up.

        >>> sums = sums_by_code(np.array([1e16, 1.0, -1e16]), np.array([0, 1, 2]), 3)
        >>> float(sums.regrouped(np.array([0, 0, 0]), 1).at(0))
        1.0
        """
        whole = SumsByCode()
        for part in self.first(codes.size).parts:
            whole.add(sums_by_code(part, codes, size))
        for code, total in self.others.items():
            place = int(codes[code])
            whole.others[place] = whole.others.get(place, ExactSum()) + total
        return whole

    def __getitem__(self, codes: NDArray[np.int64] | slice) -> SumsByCode:
        """Return the sums of some codes: that of codes[i] becomes the sum of i. A slice has a start and a stop."""
        size = codes.stop if isinstance(codes, slice) else int(codes.max(initial=-1)) + 1
        places = enumerate(np.arange(size)[codes].tolist() if self.others else ())
        others = {place: self.others[code] for place, code in places if code in self.others}
        return SumsByCode((grown(part, size, 0.0)[codes] for part in self.parts), others)

    def first(self, size: int) -> SumsByCode:
        """Return the sums of the first `size` codes, each part of which has a place for each of them."""
        return SumsByCode((grown(part, size, 0.0)[:size] for part in self.parts), self.others)

    def at(self, code: int) -> ExactSum:
        """Return the sum of one code.

        >>> large, small = (sums_by_code(np.array([value]), np.array([0]), 1) for value in (1e16, 1.0))
        >>> both = large.merged(small)
        >>> float(both.at(0) + ExactSum.of(np.array([-1e16])))
        1.0
        """
        return self._total(code, (float(part[code]) for part in self.parts if code < part.size))

    def each(self, codes: NDArray[np.int64], size: int) -> Iterator[ExactSum]:
        """Return the sums of some codes below `size`, one after the other, as `at` returns them.

        >>> sums = sums_by_code(np.array([1.0, 2.0]), np.array([0, 1]), 2)
        >>> [float(total) for total in sums.each(np.array([1, 0]), 2)]
        [2.0, 1.0]
        """
        columns = (part[codes].tolist() for part in self.first(size).parts or [np.zeros(size)])
        return map(self._total, codes.tolist(), zip(*columns, strict=True))

    def _total(self, code: int, terms: Iterable[float]) -> ExactSum:
        total = ExactSum.of_few(filter(None, terms))  # most are 0 behind the first
        return total + self.others[code] if code in self.others else total

    def rounded(self, size: int) -> Array:
        """Return the sums of the first `size` codes, each rounded once, shape (size,)."""
        return self.doubles(size)[0]

    def doubles(self, size: int) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the sums of the first `size` codes, rounded once, the rest, and where that is exact: (size,) each.

        Elsewhere the rest is within 2**-100 of what is left, relative to the sum; NaN where the sum is not finite.
        """
        parts = self.first(size).parts or [np.zeros(size)]
        high, low, bound = parts[-1], np.zeros(size), np.zeros(size)
        for place, part in enumerate(reversed(parts[:-1])):
            high, error = two_sum(part, high)
            low, rest = two_sum(error, low) if place else (error, 0.0)
            bound += np.abs(rest)
        high, low = two_sum(high, low)
        is_exact = bound == 0
        if not is_exact.all():  # what was left out is at most twice that
            bounds = np.nextafter(low - 2 * bound, -math.inf), np.nextafter(low + 2 * bound, math.inf)
            is_near = 2 * bound <= _REST_WRONG * np.abs(high)  # not where parts cancel out
            is_sure = is_exact | (is_near & (high + bounds[0] == high) & (high + bounds[1] == high))
            for code in np.flatnonzero(~is_sure).tolist():
                terms = [float(part[code]) for part in parts]
                high[code] = math.fsum(terms)
                low[code] = math.fsum((*terms, -high[code]))
        for code in (code for code in self.others if code < size):
            total = self.at(code)
            high[code] = float(total)
            is_finite = math.isfinite(high[code])
            low[code] = float(total - ExactSum.of_few([float(high[code])])) if is_finite else math.nan
            is_exact[code] = False
        return high, low, is_exact


def quotients(dividends: SumsByCode, divisors: SumsByCode, size: int) -> Array:
    """Return for the first `size` codes what `ExactSum` divided by another is, shape (size,)."""
    above, below = dividends.rounded(size), divisors.rounded(size)
    with np.errstate(all="ignore"):
        ratios = above / below
    is_ordinary = np.ones(size, bool)
    for number in (above, below):
        is_ordinary &= (np.abs(number) >= sys.float_info.min) & np.isfinite(number)
    for code in np.flatnonzero(~is_ordinary).tolist():
        ratios[code] = dividends.at(code) / divisors.at(code)
    return ratios


def grown(array: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    """Return an array of at least `size` rows: those of `array`, then `fill`."""
    if len(array) >= size:
        return array
    shape = (size, *array.shape[1:])
    longer = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)  # takes no memory yet
    longer[: len(array)] = array
    return longer


def two_sum(left: Array, right: Array) -> tuple[Array, Array]:
    """Return the rounded sums and their rounding errors: together they are the sums, exactly (Knuth's two-sum).

    >>> two_sum(np.array([1e16]), np.array([1.0]))
    (array([1.e+16]), array([1.]))
    """
    if left.size <= BLOCK_VALUES:
        after = left + right
        share = after - left
        return after, (left - (after - share)) + (right - share)
    sums = np.empty((2, left.size))
    for here in cut(left.size, BLOCK_VALUES):  # in the cache there is room for what is in between
        sums[:, here] = two_sum(left[here], right[here])
    return sums[0], sums[1]


def sums_by_code(values: Array, codes: NDArray[np.integer], size: int) -> SumsByCode:
    """Return the exact sum of the values of each code from 0 to size - 1; `values` and `codes` have one shape (n,).

    One code alone is added up as `ExactSum` adds, by blocks: that is quicker.

    The extraction of a block's sum serves: what is added in the whole without rounding is so in every part of it.

    >>> sums = sums_by_code(np.array([1e16, 0.5, 1.0]), np.array([0, 1, 0]), 2)
    >>> [part.tolist() for part in sums.parts]
    [[1e+16, 0.0], [1.0, 0.5]]
    """
    if size == 1:
        return SumsByCode((), {0: ExactSum.of(values)})
    others = dict[int, ExactSum]()
    if not magnitude(values) < HUGE:  # NaN is not
        is_rare = ~(np.abs(values) < HUGE)
        others = _others_by_code(ExactSum.of, codes[is_rare], values[is_rare])
        values = np.where(is_rare, 0.0, values)
    return SumsByCode(_parts_by_code(values, codes, size), others)


def sums_of_products_by_code(left: Array, right: Array, codes: NDArray[np.integer], size: int) -> SumsByCode:
    """As `sums_by_code`, of the unrounded products left * right."""
    if size == 1:
        return SumsByCode((), {0: ExactSum.of_products(left, right)})
    others, is_square, is_rare = dict[int, ExactSum](), right is left, ~are_ordinary_factors(left)
    if not is_square:
        is_rare |= ~are_ordinary_factors(right)
    if is_rare.any():
        others = _others_by_code(sum_of_any_products, codes[is_rare], left[is_rare], right[is_rare])
        left = np.where(is_rare, 0.0, left)
        right = left if is_square else np.where(is_rare, left, right)
    both = products(left, right)
    return SumsByCode((part for product in both for part in _parts_by_code(product, codes, size)), others)


class Piece(NamedTuple):
    """Some values and their codes, of shape (n,) each; with `factors` it is their products that are added up."""

    values: Array
    codes: NDArray[np.integer]
    factors: Array | None = None

    @property
    def largest(self) -> float:
        """The greatest magnitude of a term, NaN where one is."""
        return magnitude(self.values) * (1.0 if self.factors is None else magnitude(self.factors))

    def blocks(self) -> Iterator[Piece]:
        """Yield the piece in parts that fit the cache."""
        for here in cut(self.codes.size, PRODUCT_VALUES):
            values = self.values[here]
            factors = values if self.factors is self.values else None if self.factors is None else self.factors[here]
            yield Piece(values, self.codes[here], factors)

    def terms(self) -> list[Array]:
        """Return arrays whose sum the terms are, element by element; none where they are out of the ordinary."""
        if self.factors is None:
            return [self.values]
        is_ordinary = are_ordinary_factors(self.values).all() and are_ordinary_factors(self.factors).all()
        return list(products(self.values, self.factors)) if is_ordinary else []

    def sums(self, size: int) -> SumsByCode:
        """Return the sums of the terms, whatever they are."""
        if self.factors is None:
            return sums_by_code(self.values, self.codes, size)
        return sums_of_products_by_code(self.values, self.factors, self.codes, size)


def near_order(codes: NDArray[np.integer], size: int) -> tuple[NDArray[np.intp], int]:
    """Return the places of codes below `size` in an order in which those that are alike are near, and a count.

    Codes whose first 16 bits are the same are together. No code occurs more often than the count, which is less than
    twice that of the codes of the most frequent 16 bits.

    >>> near_order(np.array([2, 0, 2, 2]), 3)
    (array([1, 0, 2, 3]), 4)
    """
    buckets = (codes >> max((size - 1).bit_length() - 16, 0)).astype(np.uint16)  # NumPy sorts 16 bits by counting
    order = buckets.argsort(kind="stable")
    buckets, most = buckets.take(order), 1
    while (buckets[most:] == buckets[:-most]).any():
        most *= 2
    return order, most


class Bins:
    """Exact sums by code of terms that come in pieces: for very many codes, of which a piece has a few.

    An extraction as in `blocks`, with one sigma for many pieces: what is extracted of each is added to the same arrays,
    without rounding, where its codes are. Products add what they are rounded to, and what that rounds away, which fits
    the second array.

    >>> bins = Bins()
    >>> bins.expect(2)
    >>> bins.add(Piece(np.array([1e16, 0.5]), np.array([0, 1])), 2)
    >>> bins.add(Piece(np.array([1.0]), np.array([0])), 2)
    >>> float(bins.sums().at(0) + ExactSum.of(np.array([-1e16]))), float(bins.sums().at(1))
    (1.0, 0.5)
    """

    def __init__(self) -> None:
        self._closed, self._arrays = SumsByCode(), list[Array]()
        self._largest, self._terms, self._left, self._expected = 0.0, 0, 0, 0

    def expect(self, most: int) -> None:
        """Prepare for pieces that have together at most so many terms of any code."""
        self._expected, self._left = most, self._left - most

    def add(self, piece: Piece, size: int) -> None:
        """Add the terms of a piece, whose codes are below `size`."""
        largest = piece.largest
        terms = piece.terms() if largest < HUGE else []
        if not terms:
            self._closed.add(piece.sums(size))
            return
        if largest > self._largest or self._left < 0:
            self._closed, self._arrays = self.sums(), []
            self._largest = math.ldexp(1.0, math.frexp(largest)[1] + 1)
            self._terms = 2 * max(self._expected * 4, LEAST_TERMS)
            self._left = self._terms // 2 - self._expected
        error = math.ldexp(self._largest, self._terms.bit_length() - 53)  # at least that of a rounded product
        for first, values, most in zip((0, 1), terms, (self._largest, error), strict=False):
            for place, (part, places) in enumerate(extracted(values, most, self._terms), first):
                if place == len(self._arrays):
                    self._arrays.append(np.zeros(size))
                self._arrays[place] = grown(self._arrays[place], size, 0.0)
                np.add.at(self._arrays[place], piece.codes if places is None else piece.codes[places], part)

    def sums(self) -> SumsByCode:
        """Return the sums of all that was added; the arrays may be those that more is added to."""
        if not self._closed.parts and not self._closed.others:
            return SumsByCode(self._arrays)
        return self._closed.merged(SumsByCode(self._arrays))


def ranges_by_code(values: Array, codes: NDArray[np.integer], size: int) -> tuple[Array, Array]:
    """Return the least and the greatest value of each code, shape (size,) each; of none they are infinite."""
    lowest, highest = np.full(size, math.inf), np.full(size, -math.inf)
    with np.errstate(invalid="ignore"):
        np.minimum.at(lowest, codes, values)
        np.maximum.at(highest, codes, values)
    return lowest, highest


def sums_of_multiples_by_code(
    counts: NDArray[np.integer], values: Array, codes: NDArray[np.integer], size: int
) -> SumsByCode:
    """As `sums_by_code`, of counts * values, the counts being integers.

    >>> sums_of_multiples_by_code(np.array([3, -1]), np.array([0.1, 0.3]), np.array([1, 1]), 2).at(1).units > 0
    True
    """
    factors = counts.astype(np.float64)
    if size == 1 or not magnitude(values) < HUGE:
        return sums_of_products_by_code(factors, values, codes, size)
    terms = int(np.bincount(codes, np.abs(factors), size).max())
    parts = (np.bincount(codes, factors * part, size) for part in split(values, terms))
    return SumsByCode(part.astype(np.float64, copy=False) for part in parts)


def _others_by_code(
    sum_of: Callable[..., ExactSum], codes: NDArray[np.integer], *columns: Array
) -> dict[int, ExactSum]:
    """Return what `sum_of` makes of the values of each code that occurs."""
    order = np.argsort(codes)
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    groups = np.split(order, edges)
    return {int(codes[group[0]]): sum_of(*(column[group] for column in columns)) for group in groups}


def _parts_by_code(values: Array, codes: NDArray[np.integer], size: int) -> list[Array]:
    lanes = 1
    if size <= FEW_CODES:
        # An addition waits for the one before it to the same place: neighbours are added to places of their own.
        lanes = 4
        codes = codes + np.tile(np.arange(lanes) * size, -(-codes.size // lanes))[: codes.size]

    def added(part: Array, places: NDArray[np.intp] | None) -> Array:
        sums = np.bincount(codes if places is None else codes[places], part, size * lanes)
        whole: Array = sums.astype(np.float64, copy=False).reshape(lanes, size).sum(axis=0)
        return whole

    return list(itertools.starmap(added, extracted(values, magnitude(values))))
