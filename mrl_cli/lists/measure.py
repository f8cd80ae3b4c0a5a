"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.exact.codes import SumsByCode, sums_by_code
from mrl_cli.lists.base import Found, Lists, put, without_pairs
from mrl_cli.lists.hinges import Hinges, hinged
from mrl_cli.lists.hinges import gradient as hinge_gradient
from mrl_cli.lists.lambdas import lambdas_of
from mrl_cli.lists.listwise import listwise_losses
from mrl_cli.lists.loop import looped, looped_gradient, weighted_sums
from mrl_cli.lists.orders import levels_of, pieces, top_shares
from mrl_cli.lists.smooth import fits, is_smooth, is_within, smooth_gradient, smoothed
from mrl_cli.lists.squares import gradient as square_gradient
from mrl_cli.lists.squares import squared
from mrl_cli.lists.weighted import gradient_by_items, sums_by_items
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.model import LossChoice, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.dtypes import Doubles, Mask, Places

    Way = Callable[..., Any]  # of lists, a loss and perhaps their weights

# Items of a list whose pairs have LambdaRank weights: fewer are gone through as quickly.
FEWEST_WEIGHTED, FEWEST_WEIGHTED_SMOOTH = 1024, 4096


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


def gradient(lists: Lists, loss: LossChoice, ranking: Ranking) -> Doubles:
    """Return the gradient of each list's sum for the scores of its items, shape (items,); weights are constants."""
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


def _slopes(lists: Lists, loss: LossChoice, ranking: Ranking) -> Doubles:
    entry, slopes, numbers = LOSSES[loss.name], np.empty(lists.scores.size), lists.numbers
    if ranking.lambda_weight != "none":
        for places, way in _ways(_are_weighted_quickly(lists, loss), gradient_by_items, looped_gradient):
            some = lists.chosen(places)
            slopes[np.isin(numbers, places)] = way(some, loss, lambdas_of(some, ranking))
        return slopes
    if entry.power:
        return hinge_gradient(lists, loss) if entry.is_hinge else square_gradient(lists, loss)
    if not is_smooth(loss):
        return looped_gradient(lists, loss)
    for places, way in _ways(fits(lists, loss), smooth_gradient, looped_gradient):
        slopes[np.isin(numbers, places)] = way(lists.chosen(places), loss)
    return slopes


def _check_pairs(lists: Lists, loss: LossChoice, ranking: Ranking) -> None:
    """Raise PairsLimitError for a list with more pairs to go through than the ranking says."""
    if ranking.max_pairs is None or not lists.size or loss.name not in LISTWISE or not LISTWISE[loss.name].is_quadratic:
        return
    pairs = lists.sizes * (lists.sizes - 1) // 2
    number = int(pairs.argmax())
    if pairs[number] > ranking.max_pairs:
        raise PairsLimitError(number, int(lists.sizes[number]), int(pairs[number]), ranking.max_pairs)


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
    ways = _ways(fits(lists, loss), smoothed, looped)
    go_apart = len(ways) > 1
    found: Found = without_pairs(lists) if go_apart else ways[0][1](lists, loss)
    for places, way in ways if go_apart else ():
        put(found, places, way(lists.chosen(places), loss))
    return found


def _with_lambdas(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what lists of at least one item come to when pairs have LambdaRank weights: all but sums is as without."""
    # Item weights that are not 0 change nothing else, and are left out for speed.
    found = _without_lambdas(lists if lists.weighing is not None else lists._replace(weights=None), loss)
    sums = SumsByCode(), SumsByCode(), SumsByCode()
    for places, way in _ways(_are_weighted_quickly(lists, loss), sums_by_items, weighted_sums):
        some = lists.chosen(places)
        for whole, part in zip(sums, way(some, loss, lambdas_of(some, ranking)), strict=True):
            whole.add(part, places, lists.size)
    return found._replace(losses=sums[0], weights=sums[1], correct_weights=sums[2])


def _are_weighted_quickly(lists: Lists, loss: LossChoice) -> Mask:
    """Return which lists have a quick way where pairs have LambdaRank weights; it is slower for few items."""
    fewest = FEWEST_WEIGHTED if LOSSES[loss.name].power else FEWEST_WEIGHTED_SMOOTH
    return is_within(lists, loss) & (lists.sizes >= fewest)


def _ways(mask: Mask, way: Way, other: Way) -> list[tuple[Places, Way]]:
    """Return (the numbers of lists, the way they go) for those of a mask and the others, as far as there are any."""
    both = (np.flatnonzero(mask), way), (np.flatnonzero(~mask), other)
    return [(places, chosen) for places, chosen in both if places.size]


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
