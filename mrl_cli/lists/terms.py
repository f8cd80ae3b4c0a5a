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

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.exact import HUGE, UNIT_EXPONENT, ExactSum, are_ordinary_factors, products
from mrl_cli.exact.blocks import split, units_of
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_multiples_by_code, sums_of_products_by_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.lists.base import Lists
    from mrl_cli.lists.nodes import Meetings

    Floats = NDArray[np.float64]


class Terms(NamedTuple):
    """Scores and weights of items, list after list, ready to be added up: as doubles, or as fractions.

    A score is the sum of `scores`, a weight that of `shares`, which are none for weights of 1, and weight times score
    that of `pulls`, which a power of 1 does not need. Shares and pulls are such that any sum of as many of one part of
    theirs as there are items is exact, and a difference of such sums times two.
    """

    lists: Lists
    power: int
    scores: list[NDArray[Any]]
    shares: list[NDArray[Any]]
    pulls: list[NDArray[Any]]

    @classmethod
    def of(cls, lists: Lists, power: int, scores: Sequence[Floats], weights: Floats | None) -> Terms:
        """Return the terms of items: a score is the sum of the arrays `scores`; all are list after list."""
        given: list[Any] = [*scores, *([] if weights is None else [weights])]
        is_triple = power == 2 and weights is not None
        if all(_are_split(values, as_factors=is_triple) for values in given):
            terms = 4 * lists.labels.size
            shares = [] if weights is None else split(weights, terms)
            whole = scores if weights is None else [part for score in scores for part in products(weights, score)]
            pulls = [part for values in whole for part in split(values, terms)] if power == 2 else []
            return cls(lists, power, list(scores), shares, pulls)
        whole = [np.sum([_fractions(score) for score in scores], axis=0)]
        shares = [] if weights is None else [_fractions(weights)]
        return cls(lists, power, whole, shares, [whole[0] * (shares[0] if shares else 1)] if power == 2 else [])

    @property
    def values(self) -> list[NDArray[Any]]:
        """The arrays that are added up for each item, over those that it loses to."""
        return [*self.shares, *self.pulls]

    def sums(self, met: Meetings, margin: float) -> SumsByCode:
        """Return the sums by list; `met` holds the sums of `values`."""
        losses, wins = met.losses[0], met.wins[0]
        won = met.sums[: len(self.shares)], met.sums[len(self.shares) :]
        mine = [wins * share for share in self.shares]
        less = [theirs - own for theirs, own in zip(won[0], mine, strict=True)] if mine else [losses - wins]
        total = SumsByCode()
        if margin or self.power == 1:
            total = _merged(self._sums(score, factor) for score in self.scores for factor in less)
        mass = self._mass(mine or [wins]) if margin else SumsByCode()
        if self.power == 1:
            total.add(times(mass, margin, self.lists.size))
            return total
        squares = self._squares(losses, wins, *won, mine)
        if margin:
            twice = total.merged(total).merged(times(mass, margin, self.lists.size))
            squares.add(times(twice, margin, self.lists.size))
        return squares

    def _squares(
        self,
        losses: NDArray[np.int32],
        wins: NDArray[np.int32],
        shares: list[NDArray[Any]],
        pulls: list[NDArray[Any]],
        mine: list[NDArray[Any]],
    ) -> SumsByCode:
        if not self.shares:
            met = losses + wins
            factors = (met * part - 2 * won for part, won in zip(self.pulls, pulls, strict=True))
            return _merged(self._sums(score, factor) for factor in factors for score in self.scores)
        both = [theirs + own for theirs, own in zip(shares, mine, strict=True)]
        squares = [part for left in self.scores for right in self.scores for part in _products(left, right)]
        total = _merged(self._sums(square, share) for square in squares for share in both)
        return total.merged(_merged(self._sums(score, -2 * pull) for score in self.scores for pull in pulls))

    def _mass(self, parts: list[NDArray[Any]]) -> SumsByCode:
        if parts[0].dtype == object:
            return self._sums(parts[0], np.ones(parts[0].size, np.int64))
        numbers, size = self.lists.numbers, self.lists.size
        return _merged(sums_by_code(part.astype(np.float64), numbers, size) for part in parts)

    def _sums(self, values: NDArray[Any], factors: NDArray[Any]) -> SumsByCode:
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


def _are_split(values: Floats, *, as_factors: bool) -> bool:
    """Return whether values, and products of two of them if those are wanted, can be split as doubles."""
    if as_factors:
        return bool(are_ordinary_factors(values).all())
    return bool(values.size == 0 or (values.min() > -HUGE and values.max() < HUGE))


def _products(left: NDArray[Any], right: NDArray[Any]) -> Iterable[NDArray[Any]]:
    return [left * right] if left.dtype == object else products(left, right)


def _fractions(values: Floats) -> NDArray[Any]:
    fractions = np.empty(values.size, object)
    fractions[:] = [Fraction(value) for value in values.tolist()]
    return fractions


def _exact(total: Fraction | int) -> ExactSum:
    return ExactSum(round(total * (1 << UNIT_EXPONENT)))


def _merged(sums: Iterable[SumsByCode]) -> SumsByCode:
    whole = SumsByCode()
    for more in sums:
        whole.add(more)
    return whole
