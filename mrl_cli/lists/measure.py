"""How lists are measured: the one place that chooses the way to compute a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.lists.loop import looped

if TYPE_CHECKING:
    from mrl_cli.lists.base import Found, Lists
    from mrl_cli.model import LossChoice, Ranking


def measured(lists: Lists, loss: LossChoice, ranking: Ranking) -> Found:
    """Return what whole lists come to: it depends on each list's items alone, not on their order or on other lists."""
    del ranking
    return looped(lists, loss)
