"""Means over every pair of rows: what a column (n, 1) gives where a row (n,) was meant, which raises no error.

For hinges they take n log n steps: with the scores sorted, a row's sum is a count and a difference of prefix sums
(Joachims, "A support vector method for multivariate performance measures", ICML 2005).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.hypotheses import holds

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles

SQUARE_PAIRS = 6000  # other losses take n * n steps: no more rows than these
BLOCK_PAIRS = 2**18  # of the n * n, at once
X1_COLUMN, X2_ROW, Y_COLUMN, MARGIN_COLUMN = (
    f"{shapes}: the mean is over n * n broadcast losses"
    for shapes in (
        "x1 is (n, 1) beside x2 and y of (n,)",
        "x2 is (n,) beside x1 and y of (n, 1)",
        "y is (n, 1) beside scores of (n,)",
        "the margin is (n, 1) beside scores of (n,), or the other way round",
    )
)
# What has the shape (n, 1). A margin for each pair has the shape of the scores, but in the last.
COLUMNS = {X1_COLUMN: {"x1"}, X2_ROW: {"x1", "y"}, Y_COLUMN: {"y"}, MARGIN_COLUMN: {"margin"}}


def broadcast_means(case: Case) -> dict[str, float]:
    """Return the mean under each way to broadcast one column against the others, by what is printed of it."""
    size, margin = case.x1.size, case.margin
    is_hinge = case.loss == "margin_ranking" and holds("signs", case)
    if size < 2:
        return {}
    if isinstance(margin, np.ndarray):
        if is_hinge:
            return {MARGIN_COLUMN: _hinges(margin, case.y * (case.x1 - case.x2)) / size**2}
        return {MARGIN_COLUMN: _square_mean(case, {"margin"})} if size <= SQUARE_PAIRS else {}
    if not is_hinge:
        ways = list(COLUMNS.items())[:3] if size <= SQUARE_PAIRS else ()
        return {way: _square_mean(case, columns) for way, columns in ways}
    difference = case.x1 - case.x2
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


def _square_mean(case: Case, columns: set[str]) -> float:
    """Return the mean over all n * n pairs of a row of `columns` and a row of the others, some rows at once."""
    size, total = case.x1.size, 0.0
    rows = max(1, BLOCK_PAIRS // size)
    whole = {
        name: values for name in ("x1", "x2", "y", "margin") if isinstance(values := getattr(case, name), np.ndarray)
    }
    for start in range(0, size, rows):
        here = min(rows, size - start)
        spread: dict[str, Any] = {
            name: np.repeat(values[start : start + here], size) if name in columns else np.tile(values, here)
            for name, values in whole.items()
        }
        total += float(losses_of(replace(case, **spread)).sum())
    return total / size**2
