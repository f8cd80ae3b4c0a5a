"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.lists.base import put, without_pairs
from mrl_cli.lists.hinges import hinged
from mrl_cli.lists.loop import looped
from mrl_cli.lists.orders import levels_of, pieces, top_shares
from mrl_cli.lists.squares import squared
from mrl_cli.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.losses import Loss
    from mrl_cli.model import LossChoice, Ranking


def measured(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what whole lists come to: it depends on each list's items alone, not on their order or on other lists."""
    del ranking
    kept = np.flatnonzero(lists.sizes)  # lists of no items are left as they are
    full = lists._replace(starts=np.append(lists.starts[kept], lists.starts[-1]))
    way = _way(LOSSES[loss.name])
    found = without_pairs(lists)
    for first, last in pieces(full):
        some = full.part(first, last)
        part = way(some, loss)
        if part.top_half is None:
            part = part._replace(top_half=top_shares(some, levels_of(some)))
        put(found, kept[first:last], part)
    return found


def _way(entry: Loss) -> Callable[[Lists, LossChoice], Found]:
    if entry.is_hinge:
        return hinged
    return squared if entry.power == 2 else looped
