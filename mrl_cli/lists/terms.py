"""Sums over the pairs of lists of (margin + s_j - s_i)**power, without rounding, from how items meet.

Item i has the higher label, and the pair its weight. With W_i the pairs that i wins, L_j those that j loses, and P_j
the sum of the scores of those that j loses to, the sum over the pairs of a list is, with k over its items,

    power 1: Σ (L_k - W_k) s_k + margin A      A: how many pairs there are
    power 2: Σ s_k ((L_k + W_k) s_k - 2 P_k) + 2 margin Σ (L_k - W_k) s_k + margin² A

and with weights, w_k W_k for W_k, the sum of the weights of those that k loses to for L_k, and the sum of weight times
score of those for P_k. Nothing of it is rounded: scores, weights and their products are split into parts of which any
sum is exact, and so is the product of a part and a count.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import BLOCK_VALUES, HUGE, UNIT_EXPONENT, ExactSum, are_ordinary_factors, products
from mrl_cli.exact.blocks import split, units_of
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_multiples_by_code, sums_of_products_by_code
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.dtypes import Array, Doubles
    from mrl_cli.lists.base import Lists
    from mrl_cli.lists.nodes import Meetings


class Terms(NamedTuple):
    """Scores and weights of items, list after list, ready to be added up: as doubles, or as fractions.

    A score is the sum of `scores`, a weight that of `shares`, which are none for weights of 1, and weight times score
    that of `pulls`, which a power of 1 does not need. `back` sums up to the score too, for the gradient of a power of
    2. Shares, pulls and back are such that any sum of as many of one part of theirs as there are items is exact, and a
    difference of such sums times two.
    """

    lists: Lists
    power: int
    scores: list[Array]
    shares: list[Array]
    pulls: list[Array]
    back: list[Array]

    @classmethod
    def of(
        cls,
        lists: Lists,
        power: int,
        scores: Sequence[Doubles],
        weights: Doubles | None,
        *,
        gradient_at: float | None = None,
    ) -> Terms:
        """Return the terms of items: a score is the sum of the arrays `scores`; all are list after list.

        `gradient_at` is the margin at which the gradient of each item is wanted, if it is.
        """
        given = [*scores, *([] if weights is None else [weights])]
        needs_back = power == 2 and gradient_at is not None
        if needs_back:
            given.append(np.array([gradient_at]))
        are_factors = power == 2 and len(given) > len(scores)
        if all(_are_split(values, as_factors=are_factors) for values in given):
            terms = 4 * lists.labels.size
            shares = [] if weights is None else split(weights, terms) or [np.zeros_like(weights)]
            whole = scores if weights is None else [part for score in scores for part in products(weights, score)]
            pulls = [part for values in whole for part in split(values, terms)] if power == 2 else []
            back = [part for score in scores for part in split(score, terms)] if needs_back else []
            return cls(lists, power, list(scores), shares, pulls, back)
        whole = [np.sum([_fractions(score) for score in scores], axis=0)]
        shares = [] if weights is None else [_fractions(weights)]
        pulls = [whole[0] * (shares[0] if shares else 1)] if power == 2 else []
        return cls(lists, power, whole, shares, pulls, whole if needs_back else [])

    @property
    def values(self) -> list[Array]:
        """The arrays that are added up for each item, over those that it loses to."""
        return [*self.shares, *self.pulls]

    def sums(self, met: Meetings, margin: float) -> SumsByCode:
        """Return the sums by list; `met` holds the sums of `values`."""
        less, both, won, pulled = self._met(met)
        total = SumsByCode()
        if margin or self.power == 1:
            total = _merged(self._sums(score, factor) for score in self.scores for factor in less)
        mass = times(self._mass(won), margin, self.lists.size) if margin else SumsByCode()
        if self.power == 1:
            return total.merged(mass)
        squares = self._squares(both, pulled)
        if margin:
            squares.add(times(total.merged(total).merged(mass), margin, self.lists.size))
        return squares

    def gradient(self, met: Meetings, margin: float) -> Doubles:
        """Return the gradient of the sum of each item's list for its score, rounded once.

        `met` holds the sums of `values` and those of `back`.
        """
        less, both, _, pulled = self._met(met)
        if self.power == 1:
            return _rounded(less, 1)
        margins = np.full(less[0].size, margin)
        if any(score.dtype == object for score in self.scores):
            margins = _fractions(margins)
        terms = [part for factor in less for part in _products(factor, margins)]
        terms += [part for score in self.scores for factor in both for part in _products(factor, score)]
        terms += [-pull for pull in pulled]
        weighted = [part for back in met.back for share in self.shares for part in _products(back, share)]
        terms += [-part for part in (weighted if self.shares else met.back)]
        return _rounded(terms, 2)

    def _met(self, met: Meetings) -> tuple[list[Array], ...]:
        """Return in parts, by item, the weights of the pairs that it loses less those that it wins, and of both.

        Then come the weights of those that it wins, and the weighted scores of those that it loses to.
        """
        losses, wins = met.losses[0], met.wins[0]
        lost, pulled = met.sums[: len(self.shares)], met.sums[len(self.shares) :]
        if not self.shares:
            return [losses - wins], [losses + wins], [wins], pulled
        won = [wins * share for share in self.shares]
        both = list(zip(lost, won, strict=True))
        return [theirs - own for theirs, own in both], [theirs + own for theirs, own in both], won, pulled

    def _squares(self, both: list[Array], pulled: list[Array]) -> SumsByCode:
        if not self.shares:
            factors = (both[0] * part - 2 * pull for part, pull in zip(self.pulls, pulled, strict=True))
            return _merged(self._sums(score, factor) for factor in factors for score in self.scores)
        squares = [part for left in self.scores for right in self.scores for part in _products(left, right)]
        total = _merged(self._sums(square, factor) for square in squares for factor in both)
        return total.merged(_merged(self._sums(score, -2 * pull) for score in self.scores for pull in pulled))

    def _mass(self, parts: list[Array]) -> SumsByCode:
        if parts[0].dtype == object:
            return self._sums(parts[0], np.ones(parts[0].size, np.int64))
        numbers, size = self.lists.numbers, self.lists.size
        return _merged(sums_by_code(part.astype(np.float64), numbers, size) for part in parts)

    def _sums(self, values: Array, factors: Array) -> SumsByCode:
        lists = self.lists
        if object in (values.dtype, factors.dtype):
            totals = np.add.reduceat(values * factors, lists.starts[:-1])
            return SumsByCode((), {code: _exact(total) for code, total in enumerate(totals.tolist())})
        if factors.dtype.kind == "i":
            return sums_of_multiples_by_code(factors, values, lists.numbers, lists.size)
        return sums_of_products_by_code(values, factors, lists.numbers, lists.size)


def times(sums: SumsByCode, factor: float, size: int) -> SumsByCode:
    """Return the sums of the first `size` codes times a finite number.

    Of what is below 2**-UNIT_EXPONENT, as three tiny factors may be, the nearest multiple of that is left.
    """
    codes, factors = np.arange(size), np.full(size, factor)
    product = _merged(sums_of_products_by_code(part, factors, codes, size) for part in sums.parts)
    unit = 1 << UNIT_EXPONENT
    for code, total in sums.others.items():
        scaled = ExactSum((2 * total.units * units_of(factor) + unit) // (2 * unit))
        product.others[code] = product.others.get(code, ExactSum()) + scaled
    return product


def _are_split(values: Doubles, *, as_factors: bool) -> bool:
    """Return whether values, and products of two of them if those are wanted, can be split as doubles."""
    if as_factors:
        return bool(are_ordinary_factors(values).all())
    return bool(values.size == 0 or (values.min() > -HUGE and values.max() < HUGE))


def _products(left: Array, right: Array) -> Iterable[Array]:
    if object in (left.dtype, right.dtype):
        return [left * right]
    return products(left.astype(np.float64, copy=False), right)


def _fractions(values: Doubles) -> Array:
    fractions = np.empty(values.size, object)
    fractions[:] = [Fraction(value) for value in values.tolist()]
    return fractions


def _exact(total: Fraction | int) -> ExactSum:
    return ExactSum(round(total * (1 << UNIT_EXPONENT)))


def _rounded(terms: list[Array], factor: int) -> Doubles:
    """Return a factor, 1 or 2, times the sums of terms, element by element, each rounded once."""
    if len(terms) == 1 and terms[0].dtype != object:
        return terms[0].astype(np.float64)
    rounded = np.empty(terms[0].size)
    for start in range(0, rounded.size, BLOCK_VALUES):
        block = slice(start, start + BLOCK_VALUES)
        rows = zip(*(term[block].tolist() for term in terms), strict=True)
        if terms[0].dtype == object:  # tiny numbers are among them: what is rounded first is not doubled rightly
            rounded[block] = [float(_exact(factor * sum(row))) for row in rows]
        else:
            rounded[block] = [factor * math.fsum(row) for row in rows]
    return rounded


def _merged(sums: Iterable[SumsByCode]) -> SumsByCode:
    whole = SumsByCode()
    for more in sums:
        whole.add(more)
    return whole
