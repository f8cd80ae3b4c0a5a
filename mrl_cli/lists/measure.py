"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.codes import sums_by_code
from mrl_cli.lists.base import Lists, put, without_pairs
from mrl_cli.lists.hinges import hinged
from mrl_cli.lists.lambdas import lambdas_of
from mrl_cli.lists.listwise import listwise_losses
from mrl_cli.lists.loop import looped, looped_gradient
from mrl_cli.lists.orders import levels_of, pieces, top_shares
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.model import LossChoice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.lists.base import Found
    from mrl_cli.model import Ranking


def least_label(loss: LossChoice, ranking: Ranking) -> float:
    """Return the least label that lists may hold for a loss and its weights: -inf, or 0 where gains are computed."""
    if loss.name in LISTWISE:
        return LISTWISE[loss.name].least_label(dict(loss.parameters))
    return 0.0 if ranking.lambda_weight == "ndcg" else -math.inf


def measured(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what whole lists come to: it depends on each list's items alone, not on their order or on other lists.

    No label is below `least_label`.
    """
    if loss.name in LISTWISE:
        return _listwise(lists, loss)
    lambdas = lambdas_of(lists, ranking)
    if lambdas is None and LOSSES[loss.name].is_hinge:
        return _hinged(lists, loss)
    return looped(lists, loss, lambdas)._replace(top_half=_top_shares(lists))


def gradient(lists: Lists, loss: LossChoice, ranking: Ranking) -> NDArray[np.float64]:
    """Return the gradient of each list's sum for the scores of its items, shape (items,)."""
    return looped_gradient(lists, loss, lambdas_of(lists, ranking))


def _hinged(lists: Lists, loss: LossChoice) -> Found:
    kept, full = _of_several(lists)
    found = without_pairs(lists)
    for first, last in pieces(full):
        some = full.part(first, last)
        put(found, kept[first:last], hinged(some, loss))
    return found._replace(top_half=_top_shares(lists))


def _of_several(lists: Lists) -> tuple[NDArray[np.intp], Lists]:
    """Return the numbers of the lists of at least two items, and those lists."""
    kept = np.flatnonzero(lists.sizes > 1)
    if kept.size == lists.size:
        return kept, lists
    items = np.repeat(lists.sizes > 1, lists.sizes)
    weights = None if lists.weights is None else lists.weights[items]
    starts = np.concatenate(([0], np.cumsum(lists.sizes[kept])))
    return kept, Lists(starts, lists.labels[items], lists.scores[items], weights)


def _top_shares(lists: Lists) -> NDArray[np.float64]:
    shares = np.full(lists.size, math.nan)
    kept, full = _of_several(lists)
    shares[kept] = top_shares(full, levels_of(full))
    return shares


def _listwise(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists come to under a listwise loss; their pairs are counted all the same."""
    counts = _hinged(lists._replace(weights=None), LossChoice())
    losses = listwise_losses(lists, loss.name, dict(loss.parameters))
    defined = ~np.isnan(losses)
    sums = sums_by_code(losses[defined], np.flatnonzero(defined), lists.size)
    lowest, highest = np.where(defined, losses, math.inf), np.where(defined, losses, -math.inf)
    found = counts._replace(losses=sums, lowest=lowest, highest=highest, defined=defined)
    return found._replace(active=(defined & (losses > 0)).astype(np.int64))
