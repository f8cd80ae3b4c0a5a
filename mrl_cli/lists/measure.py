"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.codes import SumsByCode, sums_by_code
from mrl_cli.lists.base import put, without_pairs
from mrl_cli.lists.hinges import gradient as hinged_gradient
from mrl_cli.lists.hinges import hinged
from mrl_cli.lists.lambdas import lambdas_of
from mrl_cli.lists.listwise import listwise_losses
from mrl_cli.lists.loop import looped, looped_gradient
from mrl_cli.lists.orders import levels_of, pieces, top_shares
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.model import LossChoice, Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.lists.base import Found, Lists


def least_label(loss: LossChoice, ranking: Ranking) -> float:
    """Return the least label that lists may hold for a loss and its weights: -inf, or 0 where gains are computed."""
    if loss.name in LISTWISE:
        return LISTWISE[loss.name].least_label(dict(loss.parameters))
    return 0.0 if ranking.lambda_weight == "ndcg" else -math.inf


def measured(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what whole lists come to: it depends on each list's items alone, not on their order or on other lists.

    No label is below `least_label`.
    """
    return _listwise(lists, loss) if loss.name in LISTWISE else _pairwise(lists, loss, ranking)


def gradient(lists: Lists, loss: LossChoice, ranking: Ranking) -> NDArray[np.float64]:
    """Return the gradient of each list's sum for the scores of its items, shape (items,)."""
    lambdas = lambdas_of(lists, ranking)
    if lambdas is None and LOSSES[loss.name].is_hinge:
        return hinged_gradient(_not_empty(lists)[1], loss)
    return looped_gradient(lists, loss, lambdas)


def _not_empty(lists: Lists) -> tuple[NDArray[np.intp], Lists]:
    """Return the numbers of the lists that have items, and those lists."""
    kept = np.flatnonzero(lists.sizes)
    return kept, lists._replace(starts=np.append(lists.starts[kept], lists.starts[-1]))


def _pairwise(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    kept, full = _not_empty(lists)
    found = without_pairs(lists)
    if ranking.lambda_weight != "none":
        found = found._replace(weights=SumsByCode(), correct_weights=SumsByCode())
    for first, last in pieces(full):
        some = full.part(first, last)
        lambdas = lambdas_of(some, ranking)
        is_hinge = lambdas is None and LOSSES[loss.name].is_hinge
        part = hinged(some, loss) if is_hinge else looped(some, loss, lambdas)
        if part.top_half is None:
            part = part._replace(top_half=top_shares(some, levels_of(some)))
        put(found, kept[first:last], part)
    return found


def _listwise(lists: Lists, loss: LossChoice) -> Found:
    """Return what lists come to under a listwise loss; their pairs are counted all the same."""
    counts = _pairwise(lists._replace(weights=None), LossChoice(), Ranking())
    losses = listwise_losses(lists, loss.name, dict(loss.parameters))
    defined = ~np.isnan(losses)
    sums = sums_by_code(losses[defined], np.flatnonzero(defined), lists.size)
    lowest, highest = np.where(defined, losses, math.inf), np.where(defined, losses, -math.inf)
    found = counts._replace(losses=sums, lowest=lowest, highest=highest, defined=defined)
    return found._replace(active=(defined & (losses > 0)).astype(np.int64))
