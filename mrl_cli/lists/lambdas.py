"""LambdaRank weights of pairs, and what the NDCG is made of: gains, discounts, the ideal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import products
from mrl_cli.exact.blocks import split
from mrl_cli.exact.codes import sums_of_products_by_code, two_sum
from mrl_cli.lists.ragged import begins_run
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Places, Wholes
    from mrl_cli.lists.base import Lists
    from mrl_cli.model import Ranking


LARGE_LABEL = 900.0  # gains of larger labels are scaled down, for 2**label may be beyond the doubles
MOST_RANKS = 1 << 31


class Lambdas(NamedTuple):
    """The weight of a pair is |difference of its gains| * |difference of its discounts|.

    `gains` are of shape (items,), `discounts` of shape (2, items): each is the sum of two doubles, for those of
    neighbours far down a list differ in their last digits alone. Discounts that are None weigh nothing: the weight is
    the difference of the gains alone.
    """

    gains: Doubles
    discounts: Doubles | None = None

    def of(self, higher: Places, lower: Places) -> Doubles:
        """Return the weights of pairs by the places of their items; those of the higher label have the higher gain."""
        weights: Doubles = self.gains[higher] - self.gains[lower]
        if self.discounts is not None:
            weights *= self.apart(higher, lower)
        return weights

    def apart(self, first: Places, second: Places) -> Doubles:
        """Return how far the discounts of items are from those of others, by their places."""
        assert self.discounts is not None
        high, low = self.discounts
        apart: Doubles = np.abs((high[first] - high[second]) + (low[first] - low[second]))
        return apart

    @property
    def turned(self) -> Lambdas:
        """The same weights for labels and scores negated."""
        return Lambdas(-self.gains, None if self.discounts is None else -self.discounts)

    def of_list(self, start: int, stop: int) -> Lambdas:
        """Return the weights in a list, of the items from start to before stop."""
        discounts = None if self.discounts is None else self.discounts[:, start:stop]
        return Lambdas(self.gains[start:stop], discounts)


def lambdas_of(lists: Lists, ranking: Ranking) -> Lambdas | None:
    """Return the LambdaRank weights of lists, None where pairs have none.

    label_diff: label_i - label_j. ndcg: |G_i - G_j| * |D_i - D_j| / IDCG, with the gain G = 2**label - 1, so labels are
    from 0 on, and the discount D = 1/log2(1 + rank) by score, 0 beyond the first `top` places, averaged over items of
    one score. A pair with no item in those places weighs 0. Labels of any size have finite weights.

    Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", Microsoft Research MSR-TR-2010-82, 2010.
    """
    if ranking.lambda_weight == "none":
        return None
    if ranking.lambda_weight == "label_diff":
        return Lambdas(lists.labels)
    gains = scaled_gains(lists)
    ideal = ideal_dcg(lists, gains, ranking.top)
    return Lambdas(gains / np.repeat(np.where(ideal > 0, ideal, 1.0), lists.sizes), discounts(lists, ranking.top))


def scaled_gains(lists: Lists) -> Doubles:
    """Return 2**label - 1 of each item, shape (items,); of a list with huge labels times one power of two.

    >>> from mrl_cli.lists.base import Lists
    >>> scaled_gains(Lists(np.array([0, 3]), np.array([0.0, 1.0, 3.0]), np.zeros(3)))
    array([0., 1., 7.])
    """
    largest = np.maximum.reduceat(np.append(lists.labels, 0.0), lists.starts[:-1]) if lists.size else np.zeros(0)
    shifts = np.repeat(np.where((largest > LARGE_LABEL) & (lists.sizes > 0), np.floor(largest), 0.0), lists.sizes)
    with np.errstate(all="ignore"):
        return np.where(shifts > 0, np.exp2(lists.labels - shifts) - np.exp2(-shifts), gains(lists.labels))


def gains(labels: Doubles) -> Doubles:
    """Return 2**label - 1: exact where it is a double and the label whole, precise where the label is small.

    >>> gains(np.array([0.0, 10.0, 1e-20, 1e9])).tolist()
    [0.0, 1023.0, 6.931471805599452e-21, inf]
    """
    whole = np.clip(np.floor(labels), 0, 2000)
    with np.errstate(all="ignore"):
        power = np.ldexp(1.0, whole.astype(np.int64))
        part = np.expm1(np.clip(labels - whole, 0, 1) * math.log(2))
        return np.where(part == 0, power - 1, power * part + (power - 1))


def discounts(lists: Lists, top: int | None) -> Doubles:
    """Return the discounts of items by the place of their score in the list, the highest first, shape (2, items).

    Each is the sum of two doubles, and so precise that the difference of any two is.

    >>> from mrl_cli.lists.base import Lists
    >>> discounts(Lists(np.array([0, 3]), np.zeros(3), np.array([2.0, 1.0, 7.0])), top=2).sum(axis=0).round(4)
    array([0.6309, 0.    , 1.    ])
    """
    numbers = lists.numbers
    order = np.lexsort((-lists.scores, numbers))
    numbers, scores, ranks = numbers[order], lists.scores[order], _ranks(lists)
    table = _discount_table(int(ranks.max(initial=1)))
    counting = np.ones(ranks.size, bool) if top is None else ranks <= top
    values = np.where(counting, table[:, ranks - 1], 0.0)
    firsts = np.flatnonzero(begins_run(numbers, scores))
    counts = np.diff(np.append(firsts, scores.size))
    of_items = np.empty_like(values)
    if firsts.size:  # the mean over items of one score: what they are apart is added up, not what they are
        high, low = np.repeat(values[:, firsts], counts, axis=1)
        fallen = np.where(counting, (high - values[0]) + (low - values[1]), 0.0)
        shared = np.add.reduceat(counting, firsts, dtype=np.float64)
        means = _mean(values[:, firsts], shared, np.add.reduceat(fallen, firsts), counts.astype(np.float64))
        of_items[:, order] = np.repeat(means, counts, axis=1)
    return of_items


def _mean(values: Doubles, factors: Doubles, less: Doubles, divisors: Doubles) -> Doubles:
    """Return (factor * value - less) / divisor, of sums of two doubles, shape (2, n)."""
    high, rest = products(factors, values[0])
    high, error = two_sum(high, -less)
    rest += error + factors * values[1]
    mean = high / divisors
    product, error = products(mean, divisors)
    return np.stack(two_sum(mean, ((high - product) - error + rest) / divisors))


def _discount_table(most: int) -> Doubles:
    """Return the discounts of the ranks from 1 to `most`, each the sum of two doubles, shape (2, most).

    What they fall by from rank to rank is added up without rounding: so differences are as precise as values. The
    digits of a rank do not depend on how many there are.
    """
    logs = np.log1p(np.arange(1.0, most + 1))
    steps = math.log(2) * np.log1p(1 / np.arange(2.0, most + 1)) / (logs[:-1] * logs[1:])
    high, low = np.ones(most), np.zeros(most)
    for part in split(steps, MOST_RANKS):
        high, error = two_sum(high, -np.append(0.0, np.cumsum(part)))
        low += error
    return np.stack(two_sum(high, low))


def discounts_of_ranks(ranks: Wholes, top: int | None) -> Doubles:
    """Return 1/log2(1 + rank), 0 beyond `top`."""
    values: Doubles = 1 / np.log2(1.0 + ranks)
    return values if top is None else np.where(ranks <= top, values, 0.0)


def ideal_dcg(lists: Lists, gains_of_items: Doubles, top: int | None) -> Doubles:
    """Return the greatest DCG that an order of each list's items has, shape (lists,); 0 where no gain is above 0."""
    numbers = lists.numbers
    order = np.lexsort((-gains_of_items, numbers))
    values = discounts_of_ranks(_ranks(lists), top)
    return sums_of_products_by_code(gains_of_items[order], values, numbers, lists.size).rounded(lists.size)


def _ranks(lists: Lists) -> Wholes:
    """Return 1, 2, … for the places of each list."""
    return np.arange(1, lists.scores.size + 1) - np.repeat(lists.starts[:-1], lists.sizes)
