"""Which pairs of a batch may be used, decided a second time: no code is shared with the checks that decide it first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Batch, Plan

# From here on a number rounds to infinity: float32 ends half an ulp above its largest number.
INFINITE_FROM = {"float64": float("inf"), "float32": 2.0**128 - 2.0**103}
LABELS = {"pm1": (-1, 1), "01": (0, 1)}


def usable(batch: Batch, plan: Plan) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Return which pairs of a batch may be used under the plan's rules, a mask of shape (n,), and how many are not.

    Scores and margins are finite in the plan's dtype, labels within the rule, weights finite and not below 0; then a
    label 0 may be a tie to drop, and a weight 0 leaves its pair out. The user's own losses may be anything.
    """
    limit = INFINITE_FROM[plan.loss.dtype]
    columns = [values for role, values in batch.numbers.items() if role not in ("loss", "weight")]
    fine: NDArray[np.bool_] = np.logical_and.reduce([np.abs(values) < limit for values in columns])
    is_tie = np.zeros(batch.size, bool)
    if batch.y is not None and plan.rules.labels != "any":
        low, high = LABELS[plan.rules.labels]
        is_tie = (batch.y == 0) & (plan.rules.labels == "pm1" and plan.rules.on_tie == "drop")
        fine &= (batch.y == low) | (batch.y == high) | is_tie
    weight = batch.numbers.get("weight", np.ones(1))
    fine &= (weight >= 0) & (weight < INFINITE_FROM["float64"])
    is_tie &= fine
    is_weightless = fine & ~is_tie & (weight == 0)
    used = fine & ~is_tie & ~is_weightless
    masks = {"pairs": used, "rejected": ~fine, "ties_dropped": is_tie, "zero_weight": is_weightless}
    return used, Counter({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})
