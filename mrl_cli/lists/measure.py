"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.exact.codes import SumsByCode, sums_by_code
from mrl_cli.lists.base import put, without_pairs
from mrl_cli.lists.hinges import Hinges, hinged
from mrl_cli.lists.hinges import gradient as hinge_gradient
from mrl_cli.lists.lambdas import lambdas_of
from mrl_cli.lists.listwise import listwise_losses
from mrl_cli.lists.loop import is_large, looped, looped_gradient, weighted_sums
from mrl_cli.lists.orders import levels_of, pieces, top_shares
from mrl_cli.lists.smooth import fits, is_smooth, smooth_gradient, smoothed
from mrl_cli.lists.squares import gradient as square_gradient
from mrl_cli.lists.squares import squared
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.model import LossChoice, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.model import LambdaWeight

    Mask = NDArray[np.bool_]
    Way = Callable[..., Found]


class PairsLimitError(DataError):
    """A list has more pairs than may be gone through one by one: list `number` of those given, with so many `pairs`."""

    def __init__(self, number: int, items: int, pairs: int, most: int, name: str = "a list") -> None:
        message = f"{name} of {items:,} items has {pairs:,} pairs to go through one by one, more than {most:,}"
        super().__init__(message, hint=f"--max-pairs {pairs} goes through them")
        self.number, self.pairs, self._items, self._most = number, pairs, items, most

    def called(self, name: str) -> PairsLimitError:
        """Return the error with that name of the list."""
        return PairsLimitError(self.number, self._items, self.pairs, self._most, name)


def least_label(loss: LossChoice, ranking: Ranking) -> float:
    """Return the least label that lists may hold for a loss and its weights: -inf, or 0 where gains are computed."""
    if loss.name in LISTWISE:
        return LISTWISE[loss.name].least_label(dict(loss.parameters))
    return 0.0 if ranking.lambda_weight == "ndcg" else -math.inf


def measured(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what whole lists come to: it depends on each list's items alone, not on their order or on other lists.

    No label is below `least_label`. Raises PairsLimitError.
    """
    _check_pairs(lists, loss, ranking)
    return _listwise(lists, loss) if loss.name in LISTWISE else _pairwise(lists, loss, ranking)


def gradient(lists: Lists, loss: LossChoice, ranking: Ranking) -> NDArray[np.float64]:
    """Return the gradient of each list's sum for the scores of its items, shape (items,); weights are constants."""
    _check_pairs(lists, loss, ranking)
    full, _ = lists.with_items
    slopes = np.empty(full.scores.size)
    for first, last in pieces(full):
        some = full.part(first, last)
        slopes[full.starts[first] : full.starts[last]] = _slopes(some, loss, ranking)
    return slopes


def measured_at(
    lists: Lists, loss: LossChoice, ranking: Ranking, margins: Sequence[float]
) -> Iterator[tuple[Found, int | None]]:
    """Yield what `measured` returns at each of some margins, and for a hinge in how many pairs its gradient is not 0.

    At the kink that of margin_ranking passes, as in PyTorch.
    """
    choices, entry = [replace(loss, margin=margin) for margin in margins], LOSSES[loss.name]
    if not entry.is_hinge:
        yield from ((measured(lists, choice, ranking), None) for choice in choices)
        return
    full, kept = lists.with_items
    parts = [(kept[first:last], Hinges.of(full.part(first, last), loss)) for first, last in pieces(full)]
    for choice in choices:
        found, passing = without_pairs(lists), 0
        for places, hinges in parts:
            part, its_passing = hinges.at(choice)
            put(found, places, part)
            passing += its_passing
        if entry.power == 2:
            passing = int(found.active.sum())
        has_lambdas = ranking.lambda_weight != "none"
        yield measured(lists, choice, ranking) if has_lambdas else found, passing


def _slopes(lists: Lists, loss: LossChoice, ranking: Ranking) -> NDArray[np.float64]:
    lambdas = lambdas_of(lists, ranking)
    entry = LOSSES[loss.name]
    if lambdas is None and entry.power:
        return hinge_gradient(lists, loss) if entry.is_hinge else square_gradient(lists, loss)
    if lambdas is not None or not is_smooth(loss):
        return looped_gradient(lists, loss, lambdas)
    slopes, numbers = np.empty(lists.scores.size), lists.numbers
    is_quick = fits(lists, loss)
    for places, way in ((np.flatnonzero(is_quick), smooth_gradient), (np.flatnonzero(~is_quick), looped_gradient)):
        slopes[np.isin(numbers, places)] = way(lists.chosen(places), loss)
    return slopes


def goes_through_pairs(loss: str, lambda_weight: LambdaWeight, *, items_weigh: bool) -> bool:
    """Return whether the pairs of a list of any size are gone through one by one: where there is no quicker way.

    That is in approx_ndcg, and under weights by NDCG or by labels and items alike.
    """
    return loss == "approx_ndcg" or lambda_weight == "ndcg" or (lambda_weight == "label_diff" and items_weigh)


def _check_pairs(lists: Lists, loss: LossChoice, ranking: Ranking) -> None:
    """Raise PairsLimitError for a list with more pairs to go through than the ranking says.

    Of the first `top` places, pairs with no item there are passed over.
    """
    if ranking.max_pairs is None or not lists.size:
        return
    if not goes_through_pairs(loss.name, ranking.lambda_weight, items_weigh=lists.weights is not None):
        return
    sizes = lists.sizes
    tops = sizes - 1
    if ranking.lambda_weight == "ndcg" and ranking.top is not None:
        tops = np.minimum(ranking.top, tops)
    pairs = tops * sizes - tops * (tops + 1) // 2
    number = int(pairs.argmax())
    if pairs[number] > ranking.max_pairs:
        raise PairsLimitError(number, int(sizes[number]), int(pairs[number]), ranking.max_pairs)


def _pairwise(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    full, kept = lists.with_items  # others are left as they are
    found, has_lambdas = without_pairs(lists), ranking.lambda_weight != "none"
    if has_lambdas:
        found = found._replace(weights=SumsByCode(), correct_weights=SumsByCode())
    for first, last in pieces(full):
        some = full.part(first, last)
        part = _with_lambdas(some, loss, ranking) if has_lambdas else _without_lambdas(some, loss)
        if part.top_half is None or np.isnan(part.top_half[part.pairs > 0]).any():  # not every way finds them
            part = part._replace(top_half=top_shares(some, levels_of(some)))
        put(found, kept[first:last], part)
    return found


def _without_lambdas(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists of at least one item come to under a pairwise loss."""
    entry = LOSSES[loss.name]
    if entry.power:
        return hinged(lists, loss) if entry.is_hinge else squared(lists, loss)
    if not is_smooth(loss):
        return looped(lists, loss)
    return _together(lists, _ways(fits(lists, loss), smoothed, looped), loss)


def _with_lambdas(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what lists of at least one item come to when pairs have LambdaRank weights."""
    by_labels = ranking.lambda_weight == "label_diff" and lists.weights is None
    return _together(lists, _ways(is_large(lists) & by_labels, _by_labels, _by_pairs), loss, ranking)


def _by_pairs(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what lists come to: what has no weights as ever, the sums from the pairs that weigh something."""
    lambdas = lambdas_of(lists, ranking)
    assert lambdas is not None
    losses, weights, correct_weights = weighted_sums(lists, loss, lambdas)
    # Weights that are not 0 change nothing else, and are left out for speed.
    found = _without_lambdas(lists if lists.weighing is not None else lists._replace(weights=None), loss)
    return found._replace(losses=losses, weights=weights, correct_weights=correct_weights)


def _by_labels(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what large lists come to when pairs weigh label_i - label_j.

    That is what they come to when each weighs label_i, less what they do when each weighs label_j: labels and scores
    negated make the same pairs, of which the item with the other label is now the one with the higher.
    """
    least = np.repeat(np.minimum.reduceat(lists.labels, lists.starts[:-1]), lists.sizes)
    weights = lists.labels - least
    turned = lists._replace(labels=-lists.labels, scores=-lists.scores, weights=weights)
    found, less = (_without_lambdas(some, loss) for some in (lists._replace(weights=weights), turned))
    both = found.losses, less.losses
    if not all(np.isfinite(sums.rounded(lists.size)).all() for sums in both):
        return _by_pairs(lists, loss, ranking)  # Infinity less Infinity is no number
    sums = {
        name: getattr(found, name).merged(getattr(less, name).negated())
        for name in ("losses", "weights", "correct_weights")
    }
    return found._replace(**sums)


def _ways(mask: Mask, way: Way, other: Way) -> list[tuple[NDArray[np.intp], Way]]:
    """Return (the numbers of lists, the way they go) for those of a mask and the others, as far as there are any."""
    both = (np.flatnonzero(mask), way), (np.flatnonzero(~mask), other)
    return [(places, chosen) for places, chosen in both if places.size]


def _together(lists: Lists, ways: list[tuple[NDArray[np.intp], Way]], *given: object) -> Found:
    """Return what lists come to that go different ways, each called with some lists and what is given."""
    if len(ways) == 1:
        return ways[0][1](lists, *given)
    found: Found | None = None
    for places, way in ways:
        part = way(lists.chosen(places), *given)
        if found is None:
            found = without_pairs(lists)
            if part.weights is not None:
                found = found._replace(weights=SumsByCode(), correct_weights=SumsByCode())
        put(found, places, part)
    assert found is not None
    return found


def _listwise(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists come to under a listwise loss; their pairs are counted all the same."""
    counts = _pairwise(lists if lists.weighing is not None else lists._replace(weights=None), LossChoice(), Ranking())
    counts = counts._replace(weights=None, correct_weights=None)
    losses = listwise_losses(lists, loss.name, dict(loss.parameters))
    defined = ~np.isnan(losses)
    sums = sums_by_code(losses[defined], np.flatnonzero(defined), lists.size)
    lowest, highest = np.where(defined, losses, math.inf), np.where(defined, losses, -math.inf)
    found = counts._replace(losses=sums, lowest=lowest, highest=highest, defined=defined)
    return found._replace(active=(defined & (losses > 0)).astype(np.int64))
