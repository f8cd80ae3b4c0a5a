"""Losses of a list as a whole: linear after a sort, but for approx_ndcg, which goes through every two items.

Nothing but differences of scores of one list is used, so an offset that all of them share costs no digit. A logarithm
of a sum of exponentials is held as the largest exponent and the sum of the others beside it: what a score lies below
it is then precise, however small. One maximum for a whole list loses all digits where scores lie far apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code
from mrl_cli.lists.lambdas import discounts_of_ranks, gains, ideal_dcg, scaled_gains
from mrl_cli.lists.ragged import begins_run, blocks_of, ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mrl_cli.dtypes import Doubles, Places
    from mrl_cli.lists.base import Lists

    Parts = Doubles  # of shape (2, ...): a largest exponent, and the sum of exp beside it

EMPTY = np.array([-np.finfo(np.float64).max, 0.0])  # parts of no sum; -Infinity less itself would be no number
STEPS = 64  # of a running sum: what is longer is cut into so many
BLOCK = 1 << 16  # values at a time, where there would be more than items


def listwise_losses(lists: Lists, name: str, parameters: dict[str, Any]) -> Doubles:
    """Return the loss of each list, shape (lists,), each rounded; NaN for a list that has none.

    An empty list has none, nor has one without a label above 0 where the loss is a share of labels or of gains.
    """
    with np.errstate(all="ignore"):
        losses = _COMPUTED[name](lists, **parameters)
    return np.where(lists.sizes > 0, losses, math.nan)


def _softmax(lists: Lists, target: str) -> Doubles:
    """Return sum(t*(lse(s) - s)): with the top score s_0, lse(s) - s is (s_0 - s) + log1p(sum of the other exp)."""
    shares, total = _targets(lists, target)
    losses = np.where(total != 0, _entropies(lists, shares) / total, math.nan)
    far = np.flatnonzero(~np.isfinite(losses) & (total != 0))
    if far.size:  # what is added up, or the sum, may be beyond the doubles, and the loss not
        some = lists.chosen(far)
        shares, total = _targets(some, target)
        largest = np.maximum.reduceat(np.abs(shares), some.starts[:-1])
        halvings = np.frexp(largest)[1] + np.frexp(some.sizes.astype(np.float64))[1]  # then the shares sum up to 1
        shares = np.ldexp(shares, -halvings[some.numbers])
        total = np.ldexp(1.0, -halvings) if target == "raw" else _sums(shares, some)
        losses[far] = _entropies(some, shares, 0.25) / total * 4
    return losses


def _targets(lists: Lists, target: str) -> tuple[Doubles, Doubles]:
    """Return what the entropies of items are weighed by, and what the sum of a list is divided by."""
    if target == "softmax":
        below, tail = _below_top(lists.labels, lists)
        return np.exp(-below), 1 + tail
    shares = scaled_gains(lists) if target == "gain" else lists.labels
    return shares, np.ones(lists.size) if target == "raw" else _sums(shares, lists)


def _entropies(lists: Lists, shares: Doubles, scale: float = 1.0) -> Doubles:
    """Return the sums of share*(lse(s) - s) times a scale."""
    below, tail = _below_top(lists.scores, lists, scale)
    logs = np.where(shares == 0, 0.0, below + scale * np.log1p(tail)[lists.numbers])
    return sums_of_products_by_code(shares, logs, lists.numbers, lists.size).rounded(lists.size)


def _sums(values: Doubles, lists: Lists) -> Doubles:
    return sums_by_code(values, lists.numbers, lists.size).rounded(lists.size)


def _below_top(values: Doubles, lists: Lists, scale: float = 1.0) -> tuple[Doubles, Doubles]:
    """Return how far each value is below the top of its list, times a power of two, and the sums of exp(-distance) over
    all but one top.
    """
    numbers, held = lists.numbers, lists.sizes > 0
    top = np.zeros(lists.size)
    top[held] = np.maximum.reduceat(values, lists.starts[:-1][held]) if values.size else 0.0
    below = scale * top[numbers] - scale * values
    sums = sums_by_code(np.exp(-below / scale), numbers, lists.size)
    sums.add(sums_by_code(np.where(held, -1.0, 0.0), np.arange(lists.size), lists.size))
    return below, sums.rounded(lists.size)


def _listmle(lists: Lists, ties: str) -> Doubles:
    """Return sum(lse(tail) - s), the tail of an item being all that are not better, or not before it."""
    if ties == "input":
        order = np.lexsort((-lists.labels, lists.numbers))
        firsts = np.arange(order.size)
    else:
        order = np.lexsort((-lists.scores, -lists.labels, lists.numbers))
        firsts, _ = _label_groups(lists, order)
    scores, places = lists.scores[order], np.arange(order.size)
    largest, sums = tails = _tails(lists, scores)
    others = _softplus_of(tails, places + lists.numbers + 1, scores)
    # Of equal labels, the first has the highest score: the others are at most half of what they are held against.
    whole = (largest[firsts + lists.numbers] - scores) + np.log(sums[firsts + lists.numbers])
    return _sums(np.where(firsts == places, others, whole), lists)


def _unique_softmax(lists: Lists, gain: str) -> Doubles:
    """Return sum(g*(lse(s of the item and of those with a lower label) - s))."""
    order = np.lexsort((-lists.scores, -lists.labels, lists.numbers))
    _, ends = _label_groups(lists, order)
    scores = lists.scores[order]
    losses = _softplus_of(_tails(lists, scores), ends + lists.numbers, scores)
    if gain == "none":
        return _sums(losses, lists)
    weights, numbers = gains(lists.labels[order]), lists.numbers
    # A loss of 0 weighs nothing, be the gain beyond the doubles.
    weights = np.where(losses > 0, weights, 0.0)
    return sums_of_products_by_code(weights, losses, numbers, lists.size).rounded(lists.size)


def _approx_ndcg(lists: Lists, temperature: float) -> Doubles:
    """Return sum(G*(1/log2(1 + k) - 1/log2(1 + rank)))/ideal, where k = 1, 2, … is the place by label.

    The difference of the discounts is log2(1 + (rank - k)/(1 + k)) / (log2(1 + k)*log2(1 + rank)), and rank - k the sum
    of sigmoid(z) over items behind by label, less that of sigmoid(-z) over those before, z = (s_j - s)/temperature.
    """
    order = np.lexsort((-lists.scores, -lists.labels, lists.numbers))
    scores, places = lists.scores[order], np.arange(order.size) - np.repeat(lists.starts[:-1], lists.sizes)
    worth = scaled_gains(lists)[order]
    excess = SumsByCode()
    for items, of_item, others in _every_two(lists):
        z = (scores[others] - scores[items][of_item]) / temperature
        is_before = others < items[of_item]
        decay = np.exp(-np.abs(z))
        share = np.where((z < 0) != is_before, decay, 1.0) / (1 + decay)
        np.copyto(share, 0.0, where=others == items[of_item])
        excess.add(sums_by_code(np.where(is_before, -share, share), of_item, items.size), items, order.size)
    behind = excess.rounded(order.size)
    ideal = discounts_of_ranks(places + 1, None)
    lost = np.log1p(behind / (places + 2)) / math.log(2) * ideal / np.log2(places + 2 + behind)
    losses = sums_of_products_by_code(worth, lost, lists.numbers, lists.size).rounded(lists.size)
    total = ideal_dcg(lists, worth, None)
    return np.where(total > 0, losses / total, math.nan)


def _every_two(lists: Lists) -> Iterator[tuple[Places, Places, Places]]:
    """Yield blocks of (items, for each two the place of the first among those, the second): all twos of a list."""
    partners, starts = (np.repeat(column, lists.sizes) for column in (lists.sizes, lists.starts[:-1]))
    for items in blocks_of(partners, BLOCK):
        counts = partners[items]
        yield items, np.repeat(np.arange(counts.size), counts), ranges(starts[items], counts)


def _label_groups(lists: Lists, order: Places) -> tuple[Places, Places]:
    """Return the first place of each place's label in its list, and that after its last, in an order by label."""
    firsts = np.flatnonzero(begins_run(lists.labels[order], lists.numbers))
    counts = np.diff(np.append(firsts, order.size))
    return np.repeat(firsts, counts), np.repeat(firsts + counts, counts)


def _softplus_of(tails: Parts, places: Places, scores: Doubles) -> Doubles:
    """Return log(1 + exp(lse(tail) - score)), with the place of a tail for each score; 0 for an empty tail."""
    largest, sums = tails[:, places]
    z = (largest - scores) + np.log(sums)
    return np.where(sums > 0, np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))), 0.0)


def _tails(lists: Lists, scores: Doubles) -> Parts:
    """Return lse of the scores from each place to the end of its list, as (the largest m, the sum of exp(s - m)).

    Each list has one tail more than items, the empty one: its tail from place p of all items is at p + its number.
    """
    tails = np.empty((2, scores.size + lists.size))
    sizes = lists.sizes
    for size in distinct(sizes).tolist():
        these = np.flatnonzero(sizes == size)
        step = max(1, BLOCK // (size + 1))
        for numbers in np.split(these, np.arange(step, these.size, step)):
            values = scores[lists.starts[numbers] + np.arange(size)[:, None]]
            at = lists.starts[numbers] + numbers + np.arange(size + 1)[:, None]
            tails[:, at[:-1]] = _running(np.stack([values, np.ones_like(values)]))
            tails[:, at[-1]] = EMPTY[:, None]
    return tails


def _running(parts: Parts) -> Parts:
    """Return the sum from each row to the last: shape (2, rows, columns), as of what is added.

    Many rows are cut into blocks: sums within each, of all blocks at once, then over blocks, then of both together.
    """
    _, rows, columns = parts.shape
    if rows <= STEPS:
        parts = parts.copy()
        for row in range(rows - 2, -1, -1):
            parts[:, row] = _together(parts[:, row], parts[:, row + 1])
        return parts
    blocks = -(-rows // STEPS)
    missing = np.broadcast_to(EMPTY[:, None, None], (2, blocks * STEPS - rows, columns))
    cut = np.concatenate([parts, missing], axis=1).reshape(2, blocks, STEPS, columns).swapaxes(1, 2)
    within = _running(cut.reshape(2, STEPS, -1)).reshape(2, STEPS, blocks, columns)
    over = _running(within[:, 0])
    behind = np.append(over[:, 1:], np.broadcast_to(EMPTY[:, None, None], (2, 1, columns)), axis=1)
    both = _together(within, behind[:, None])
    return both.swapaxes(1, 2).reshape(2, -1, columns)[:, :rows]


def _together(left: Parts, right: Parts) -> Parts:
    """Return the sums of both."""
    largest = np.maximum(left[0], right[0])
    return np.stack([largest, left[1] * np.exp(left[0] - largest) + right[1] * np.exp(right[0] - largest)])


_COMPUTED: dict[str, Callable[..., Doubles]] = {
    "softmax": _softmax,
    "listmle": _listmle,
    "unique_softmax": _unique_softmax,
    "approx_ndcg": _approx_ndcg,
}
