"""Means over every pair of rows: what a column (n, 1) gives where a row (n,) was meant, which raises no error.

For hinges they take n log n steps: with the scores sorted, a row's sum is a count and a difference of prefix sums
(Joachims, "A support vector method for multivariate performance measures", ICML 2005).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.verify.explanations.hypotheses import losses_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.verify.explanations.hypotheses import Case

    Doubles = NDArray[np.float64]

SQUARE_PAIRS = 2000  # other losses take n * n steps: no more rows than these


def broadcast_means(case: Case) -> dict[str, float]:
    """Return the mean under each way to broadcast one column against the others, by what is printed of it."""
    is_hinge = case.loss == "margin_ranking" and set(np.unique(case.y)) <= {-1.0, 1.0}
    if case.x1.size < 2 or (not is_hinge and case.x1.size > SQUARE_PAIRS):
        return {}
    if not is_hinge:
        return _by_squares(case)
    pairs, margin = case.x1.size, case.margin
    means = {}
    if not isinstance(margin, np.ndarray):
        up, down = case.y > 0, case.y < 0
        row = _hinges(case.x2[up] + margin, case.x1) + _hinges(-(case.x2[down] - margin), -case.x1)
        column = _hinges(-(case.x1[up] - margin), -case.x2) + _hinges(case.x1[down] + margin, case.x2)
        means = {X1_COLUMN: row / pairs**2, X2_ROW: column / pairs**2}
    difference = case.x1 - case.x2
    # A hinge with y = 1 is max(0, m - d), with y = -1 it is max(0, m + d), for every difference and every margin.
    upper, lower = int(np.count_nonzero(case.y > 0)), int(np.count_nonzero(case.y < 0))
    if isinstance(margin, np.ndarray):
        means[MARGIN_COLUMN] = _hinges(margin, case.y * difference) / pairs**2
    else:
        plus, minus = np.maximum(0.0, margin - difference).sum(), np.maximum(0.0, margin + difference).sum()
        means[Y_COLUMN] = float(upper * plus + lower * minus) / pairs**2
    return means


X1_COLUMN = "x1 is (n, 1) beside x2 and y of (n,): the mean is over n * n broadcast losses"
X2_ROW = "x2 is (n,) beside x1 and y of (n, 1): the mean is over n * n broadcast losses"
Y_COLUMN = "y is (n, 1) beside scores of (n,): the mean is over n * n broadcast losses"
MARGIN_COLUMN = "the margin is (n, 1) beside scores of (n,): the mean is over n * n broadcast losses"


def _hinges(limits: Doubles, scores: Doubles) -> float:
    """Return the sum over all limits t and scores s of max(0, t - s)."""
    ordered = np.sort(scores)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    below = np.searchsorted(ordered, limits)
    return float((limits * below - sums[below]).sum())


def _by_squares(case: Case) -> dict[str, float]:
    size = case.x1.size
    spread = {name: np.repeat(getattr(case, name), size) for name in ("x1", "x2", "y")}
    along = {name: np.tile(getattr(case, name), size) for name in ("x1", "x2", "y")}
    if isinstance(case.margin, np.ndarray):
        return {}
    ways: dict[str, dict[str, Any]] = {
        X1_COLUMN: {**along, "x1": spread["x1"]},
        X2_ROW: {**spread, "x2": along["x2"]},
        Y_COLUMN: {**along, "y": spread["y"]},
    }
    return {way: float(losses_of(replace(case, **columns)).mean()) for way, columns in ways.items()}
