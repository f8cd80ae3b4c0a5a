"""Exact sums by code of several columns, put side by side by their codes: a few codes, many values of each.

A run, the values of one code, is added up several times as quickly as by additions to places here and there. A block is
put in order, and cut into slices as in `blocks`: multiples of one unit, so few of them that those of a run, and their
products, add up without rounding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.blocks import FEW_VALUES, LARGEST, SMALLEST, Array, Scratch, magnitude, round_to
from mrl_cli.exact.codes import Piece, SumsByCode
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_RUNS = 4096  # with a state a code fits 16 bits, which NumPy sorts by counting
LEAST_RUN = 16  # values of a code, for runs long enough to pay
# Of a block. What it goes through is more than a core's cache holds, but calls are few; each waits for other threads.
MOST_ARRANGED = 1 << 17
MOST_CUTS = 4
RARE = 16  # one value in so many is left out of the slices at most, unless there are MOST_CUTS

_STATE_BITS = 3
_VALUES, _LEFT, _RIGHT = Scratch(3), Scratch(MOST_CUTS + 1), Scratch(MOST_CUTS + 1)


def are_runs(values: int, size: int) -> bool:
    """Return whether it pays to put so many values, of `size` codes, side by side."""
    return 1 < size <= min(MOST_RUNS, values // LEAST_RUN)


class Runs(NamedTuple):
    """How to put values side by side by their codes: in `order`, code there[i] begins at `starts[i]`.

    `codes` are in that order too. `counts`, shape (size, states), says how many values have each code and state.
    """

    order: NDArray[np.intp]
    codes: NDArray[np.integer]
    there: NDArray[np.integer]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]

    @classmethod
    def of(cls, codes: NDArray[np.integer], states: NDArray[np.uint8], size: int) -> Runs:
        """Return the runs of at most MOST_ARRANGED codes below `size`, with states below 8.

        >>> runs = Runs.of(np.array([1, 0, 1]), np.array([7, 0, 0], np.uint8), 2)
        >>> runs.order.tolist(), runs.starts.tolist(), runs.counts[:, [0, 7]].tolist()
        ([1, 2, 0], [0, 1], [[1, 0], [1, 1]])
        """
        both = codes.astype(np.uint16)
        both <<= _STATE_BITS
        both |= states
        order = both.argsort(kind="stable")  # by counting; sorts of 32 bits are slow with AVX-512 on some cores
        both = both.take(order)
        edges = np.append(0, (both[1:] != both[:-1]).nonzero()[0] + 1)
        counts = np.zeros((size, 1 << _STATE_BITS), np.intp)
        counts.reshape(-1)[both[edges]] = np.diff(edges, append=codes.size)
        sizes = counts.sum(axis=1)
        there = np.flatnonzero(sizes)
        return cls(order, both >> _STATE_BITS, there, (np.cumsum(sizes) - sizes)[there], counts)

    def arranged(self, values: Array, out: Array) -> Array:
        """Return values in order; quick where they were just read, for they are in the cache."""
        return values.take(self.order, out=out, mode="clip")

    def reduced(self, ufunc: np.ufunc, values: Array, of_none: float) -> Array:
        """Return what a function of two values makes of all those of each code, in order, shape (size,)."""
        found: Array = ufunc.reduceat(values, self.starts)
        if found.size == len(self.counts):
            return found
        whole = np.full(len(self.counts), of_none)
        whole[self.there] = found
        return whole


def sums_by_run(
    columns: Mapping[str, Array], terms: Mapping[str, tuple[str, ...]], runs: Runs, ranged: str
) -> tuple[dict[str, SumsByCode], Array, Array]:
    """Return sums by code, and the least and the greatest value of each code in one column, shape (size,) each.

    Each of `terms`, by the name of its sum, is the name of a column, or those of two whose products are added up.

    >>> columns = {"a": np.array([1e16, 0.5, 1.0, -1e16]), "b": np.array([2.0, 1.0, 3.0, 2.0])}
    >>> runs = Runs.of(np.array([0, 1, 0, 0]), np.zeros(4, np.uint8), 2)
    >>> sums, *bounds = sums_by_run(columns, {"a": ("a",), "ab": ("a", "b")}, runs, "b")
    >>> {name: of.rounded(2).tolist() for name, of in sums.items()}, [of.tolist() for of in bounds]
    ({'a': [1.0, 0.5], 'ab': [3.0, 0.5]}, [[2.0, 1.0], [3.0, 1.0]])
    """
    size = runs.order.size
    count_bits = int(np.diff(runs.starts, append=size).max()).bit_length()
    values, others, product = _VALUES.of(size)
    factors = {name for names in terms.values() if len(names) > 1 for name in names}
    # At most MOST_CUTS products of slices have one unit, and are added up for each value.
    widths = [min(53 - count_bits, 51), (53 - MOST_CUTS.bit_length() - count_bits) // 2]

    def sliced(name: str, out: Array, rows: NDArray[np.float64]) -> _Slices:
        largest = magnitude(columns[name])
        return _Slices.of(runs.arranged(columns[name], out), largest, widths[name in factors], rows)

    sums, bounds = dict[str, SumsByCode](), list[Array]()
    for name in columns:
        left = sliced(name, values, _LEFT.of(size))
        if name == ranged:
            with np.errstate(invalid="ignore"):
                for ufunc, of_none in ((np.minimum, math.inf), (np.maximum, -math.inf)):
                    bounds.append(runs.reduced(ufunc, values, of_none))
        for term, (_, *further) in ((term, names) for term, names in terms.items() if names[0] == name):
            if not further:
                sums[term] = left.sums(runs)
            else:
                right = left if further == [name] else sliced(further[0], others, _RIGHT.of(size))
                sums[term] = left.sums_of_products(right, runs, product)
    return sums, bounds[0], bounds[1]


class _Slices(NamedTuple):
    """Arranged values, and the slices whose sum they are, but at the places `left`: all slices there are 0."""

    values: Array
    parts: list[Array]
    left: NDArray[np.intp]

    @classmethod
    def of(cls, values: Array, largest: float, width: int, rows: NDArray[np.float64]) -> _Slices:
        """Return the slices, in `rows`, the first of them of at most 2**width of its unit."""
        parts, rest, exponent = list[Array](), values, math.frexp(largest)[1]
        if not SMALLEST < largest < LARGEST:
            return cls(values, [], np.arange(values.size if largest else 0))
        while True:
            row = round_to(rest, exponent - width, out=rows[len(parts)])
            parts.append(row)
            is_last = len(parts) == MOST_CUTS
            if is_last or _are_few(rest[:FEW_VALUES] != row[:FEW_VALUES]):
                is_left = rest != row
                if is_last or _are_few(is_left):
                    break
            rest = np.subtract(rest, row, out=rows[-1])
            exponent -= width + 1  # what remains is at most half of this slice's unit
        left = is_left.nonzero()[0] if is_left.any() else np.arange(0)
        for part in parts if left.size else ():
            part[left] = 0.0
        return cls(values, parts, left)

    def sums(self, runs: Runs) -> SumsByCode:
        """Return the sums of the values by code."""
        sums = SumsByCode(runs.reduced(np.add, part, 0.0) for part in self.parts)
        if self.left.size:
            sums.add(Piece(self.values[self.left], runs.codes[self.left]).sums(len(runs.counts)))
        return sums

    def sums_of_products(self, right: _Slices, runs: Runs, product: Array) -> SumsByCode:
        """Return the sums of the products with other values, or with the same, by code."""
        is_square, levels = right is self, dict[int, Array]()
        for place, part in enumerate(self.parts):
            for other, factor in enumerate(right.parts[: place + 1] if is_square else right.parts):
                sums = runs.reduced(np.add, np.multiply(part, factor, out=product), 0.0)
                sums = sums + sums if is_square and other < place else sums
                level = place + other  # whose sums have one unit
                levels[level] = levels[level] + sums if level in levels else sums
        whole = SumsByCode(levels.values())
        left = self.left if is_square else np.union1d(self.left, right.left)
        if left.size:
            whole.add(Piece(self.values[left], runs.codes[left], right.values[left]).sums(len(runs.counts)))
        return whole


def _are_few(marks: NDArray[np.bool_]) -> bool:
    return bool(np.count_nonzero(marks) * RARE <= marks.size)
