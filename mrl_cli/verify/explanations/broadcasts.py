"""Means over every pair of rows: what a column (n, 1) gives where a row (n,) was meant, which raises no error.

For hinges they take n log n steps: with the scores sorted, a row's sum is a count and a difference of prefix sums
(Joachims, "A support vector method for multivariate performance measures", ICML 2005).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.verify.explanations.hypotheses import NEEDS, losses_of

if TYPE_CHECKING:
    from mrl_cli.verify.explanations.hypotheses import Case, Doubles

SQUARE_PAIRS = 2000  # other losses take n * n steps: no more rows than these
X1_COLUMN, X2_ROW, Y_COLUMN, MARGIN_COLUMN = (
    f"{shapes}: the mean is over n * n broadcast losses"
    for shapes in (
        "x1 is (n, 1) beside x2 and y of (n,)",
        "x2 is (n,) beside x1 and y of (n, 1)",
        "y is (n, 1) beside scores of (n,)",
        "the margin is (n, 1) beside scores of (n,)",
    )
)
COLUMNS = {X1_COLUMN: {"x1"}, X2_ROW: {"x1", "y"}, Y_COLUMN: {"y"}}  # what has the shape (n, 1)


def broadcast_means(case: Case) -> dict[str, float]:
    """Return the mean under each way to broadcast one column against the others, by what is printed of it."""
    size, margin, is_of_each = case.x1.size, case.margin, isinstance(case.margin, np.ndarray)
    is_hinge = case.loss == "margin_ranking" and NEEDS["signs"](case)
    if size < 2 or (not is_hinge and (is_of_each or size > SQUARE_PAIRS)):
        return {}
    if not is_hinge:
        return {way: float(losses_of(_broadcast(case, columns)).mean()) for way, columns in COLUMNS.items()}
    difference = case.x1 - case.x2
    if isinstance(margin, np.ndarray):
        return {MARGIN_COLUMN: _hinges(margin, case.y * difference) / size**2}
    # A hinge is max(0, m - s*d) where y is s, 1 or -1.
    sums = {
        X1_COLUMN: [_hinges(margin + s * case.x2[case.y == s], s * case.x1) for s in (1, -1)],
        X2_ROW: [_hinges(margin - s * case.x1[case.y == s], -s * case.x2) for s in (1, -1)],
        Y_COLUMN: [np.count_nonzero(case.y == s) * np.maximum(0.0, margin - s * difference).sum() for s in (1, -1)],
    }
    return {way: float(sum(of_signs)) / size**2 for way, of_signs in sums.items()}


def _hinges(limits: Doubles, scores: Doubles) -> float:
    """Return the sum over all limits t and scores s of max(0, t - s)."""
    ordered = np.sort(scores)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    below = np.searchsorted(ordered, limits)
    return float((limits * below - sums[below]).sum())


def _broadcast(case: Case, columns: set[str]) -> Case:
    """Return the case of all n * n pairs of a row of `columns` and a row of the others."""
    size = case.x1.size
    spread: dict[str, Any] = {
        name: (np.repeat if name in columns else np.tile)(getattr(case, name), size) for name in ("x1", "x2", "y")
    }
    return replace(case, **spread)
