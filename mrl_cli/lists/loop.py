"""What lists come to, by going through their pairs: for any loss, at a cost that is quadratic in the size of a list.

Lists of one size make a matrix, so many small ones cost as little as one large one; no more than a block of pairs is
held. What a pair adds depends on its two items alone, and sums are exact: so neither the order of the items nor what
else is in a block changes a bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.distances import values_of_pairs
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Doubles, Mask, Places
    from mrl_cli.lists.lambdas import Lambdas
    from mrl_cli.model import LossChoice


PAIRS = 1 << 16  # of a block: its arrays stay in a core's cache


class Pairs(NamedTuple):
    """Pairs of some lists: `numbers` are those of the lists, `codes` say which of these each pair is of, ascending.

    `higher` and `lower` are the places of a pair's items among those of all lists.
    """

    numbers: Places
    codes: Places
    higher: Places
    lower: Places


def looped(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists come to under a pairwise loss: of each pair the loss, rounded, of those their sum."""
    count, is_weighted = lists.size, lists.weights is not None
    counts = np.zeros((5, count), np.int64)
    lowest, highest = np.full(count, math.inf), np.full(count, -math.inf)
    losses, all_weights, correct_weights = SumsByCode(), SumsByCode(), SumsByCode()
    for block in pairs_of(lists):
        numbers, codes, size = block.numbers, block.codes, block.numbers.size
        values = values_of_pairs(lists, block.higher, block.lower, loss)
        differences = _differences(lists, block)
        masks = None, differences > 0, differences == 0, differences < 0, values > 0
        for counted, mask in zip(counts, masks, strict=True):
            counted[numbers] += np.bincount(codes if mask is None else codes[mask], minlength=size)
        firsts = np.searchsorted(codes, np.arange(size))
        lowest[numbers] = np.minimum(lowest[numbers], np.minimum.reduceat(values, firsts))
        highest[numbers] = np.maximum(highest[numbers], np.maximum.reduceat(values, firsts))
        if lists.weights is None:
            losses.add(sums_by_code(values, codes, size), numbers, count)
            continue
        weights = lists.weights[block.higher]
        losses.add(sums_of_products_by_code(weights, _weighed(values, weights), codes, size), numbers, count)
        for sums, some in ((all_weights, weights), (correct_weights, np.where(masks[1], weights, 0.0))):
            sums.add(sums_by_code(some, codes, size), numbers, count)
    found = Found(counts[0], counts[1], counts[2], counts[3], counts[4], losses, lowest, highest)
    return found._replace(weights=all_weights, correct_weights=correct_weights) if is_weighted else found


def weighted_sums(lists: Lists, loss: LossChoice, lambdas: Lambdas) -> tuple[SumsByCode, SumsByCode, SumsByCode]:
    """Return the sums of weight * loss, of weights, and of those of correct pairs, by list.

    A pair's weight is that of LambdaRank, times that of its item with the higher label, rounded as its product with
    the loss is.
    """
    whole = SumsByCode(), SumsByCode(), SumsByCode()
    for block in pairs_of(lists):
        values, weights = values_of_pairs(lists, block.higher, block.lower, loss), _weights(lists, block, lambdas)
        with np.errstate(all="ignore"):
            values = _weighed(values, weights) * weights
        correct = np.where(_differences(lists, block) > 0, weights, 0.0)
        for sums, some in zip(whole, (values, weights, correct), strict=True):
            sums.add(sums_by_code(some, block.codes, block.numbers.size), block.numbers, lists.size)
    return whole


def _weighed(values: Doubles, weights: Doubles) -> Doubles:
    """Return values that are to be weighed: what weighs nothing is 0, be it infinite."""
    return np.where(weights == 0, 0.0, values)


def looped_gradient(lists: Lists, loss: LossChoice, lambdas: Lambdas | None = None) -> Doubles:
    """Return the gradient of each list's sum for the scores of its items, shape (items,)."""
    size, total = lists.scores.size, SumsByCode()
    for pairs in pairs_of(lists):
        slopes = values_of_pairs(lists, pairs.higher, pairs.lower, loss, of_gradient=True)
        if lists.weights is not None or lambdas is not None:
            weights = _weights(lists, pairs, lambdas)
            slopes = _weighed(slopes, weights) * weights
        sizes, starts = lists.sizes[pairs.numbers], lists.starts[pairs.numbers]
        shifts = np.cumsum(sizes) - sizes - starts  # from an item of all lists to one of those of the block
        items = np.arange(sizes.sum()) - np.repeat(shifts, sizes)
        places = np.concatenate([pairs.higher, pairs.lower]) + np.tile(shifts[pairs.codes], 2)
        total.add(sums_by_code(np.concatenate([slopes, -slopes]), places, items.size), items, size)
    return total.rounded(size)


def pairs_of(lists: Lists) -> Iterator[Pairs]:
    """Yield the pairs of lists in blocks of about PAIRS; those of one list are in one block, or in several alone.

    Lists without pairs are in no block, nor are pairs whose item with the higher label weighs 0.
    """
    sizes, weighing = lists.sizes, lists.weighing
    order = np.argsort(sizes, kind="stable")
    for size in distinct(sizes[sizes > 1]).tolist():
        first, last = np.searchsorted(sizes[order], [size, size + 1])
        these, step = order[first:last], size * (size - 1) // 2
        if step <= PAIRS:
            blocks = np.split(these, np.arange(PAIRS // step, these.size, PAIRS // step))
            several = (_pairs_of_several(lists, block, size, weighing) for block in blocks)
        else:
            several = (pairs for number in these.tolist() for pairs in _pairs_of_one(lists, number, weighing))
        yield from (pairs for pairs in several if pairs.codes.size)


def _pairs_of_several(lists: Lists, numbers: Places, size: int, weighing: Mask | None) -> Pairs:
    """Return the pairs of lists of one size."""
    left, right = np.triu_indices(size, 1)
    starts, labels = lists.starts[numbers][:, None], lists.labels
    first, second = (starts + left).ravel(), (starts + right).ravel()
    ahead = labels[first], labels[second]
    is_pair, is_higher = ahead[0] != ahead[1], ahead[0] > ahead[1]
    if weighing is not None:
        is_pair &= np.where(is_higher, weighing[first], weighing[second])
    codes = np.repeat(np.arange(numbers.size), left.size)[is_pair]
    first, second, is_higher = first[is_pair], second[is_pair], is_higher[is_pair]
    has_pair = np.zeros(numbers.size, bool)
    has_pair[codes] = True
    codes = (np.cumsum(has_pair) - 1)[codes]
    return Pairs(numbers[has_pair], codes, np.where(is_higher, first, second), np.where(is_higher, second, first))


def _pairs_of_one(lists: Lists, number: int, weighing: Mask | None) -> Iterator[Pairs]:
    """Yield the pairs of a large list, those of some of its items at a time."""
    start, stop = lists.starts[number : number + 2].tolist()
    labels = lists.labels[start:stop]
    step = max(1, PAIRS // labels.size)
    for first in range(0, labels.size, step):
        is_pair = labels[first : first + step, None] > labels
        if weighing is not None:
            is_pair &= weighing[start:stop][first : first + step, None]
        higher, lower = np.nonzero(is_pair)
        yield Pairs(np.array([number]), np.zeros(higher.size, np.intp), higher + (first + start), lower + start)


def _differences(lists: Lists, pairs: Pairs) -> Doubles:
    with np.errstate(over="ignore"):
        differences: Doubles = lists.scores[pairs.higher] - lists.scores[pairs.lower]
    return differences


def _weights(lists: Lists, pairs: Pairs, lambdas: Lambdas | None) -> Doubles:
    """Return the weights of pairs."""
    weights: Doubles | None = None if lists.weights is None else lists.weights[pairs.higher]
    if lambdas is None:
        assert weights is not None
        return weights
    both = lambdas.of(pairs.higher, pairs.lower)
    return both if weights is None else np.multiply(both, weights, out=both)
