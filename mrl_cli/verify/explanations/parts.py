"""What values are made of: sums and counts of the right losses and of those of every mistake, batch by batch; and means
over every pair of rows: what a column (n, 1) gives where a row (n,) was meant, which raises no error.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.verify.explanations.cases import Case, agreement_of, losses_of
from mrl_cli.verify.explanations.hypotheses import but, holds, mistakes, options_of
from mrl_cli.verify.validators import merged

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from mrl_cli.dtypes import Array, Doubles

    MistakenSums = dict[tuple[str, ...], "Sums"]  # by the names of the mistakes

LARGEST_BATCH = 65536
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


class Sums(NamedTuple):
    """What some losses add up to: their sum, what it is divided by for the mean, and how many are not 0.

    The divisor is how many there are; of weighted losses, the sum of the weights. Of the `pairs`, `correct` have
    y(x1 - x2) above 0 and `tied` have 0. `hint` are the options with which mrl computes such losses, if any.
    """

    total: float = 0.0
    divisor: float = 0
    active: int = 0
    pairs: int = 0
    correct: int = 0
    tied: int = 0
    hint: str | None = None

    @classmethod
    def of(cls, losses: Doubles, agreement: Doubles, weights: Doubles | None = None, hint: str | None = None) -> Sums:
        """Return the sums of losses, and the counts of pairs by their y(x1 - x2)."""
        counts = losses.size, int(np.count_nonzero(agreement > 0)), int(np.count_nonzero(agreement == 0))
        with np.errstate(all="ignore"):
            total, divisor = (losses, losses.size) if weights is None else (weights * losses, float(weights.sum()))
            return cls(float(total.sum()), divisor, int(np.count_nonzero(losses)), *counts, hint)

    def value(self, reduction: str) -> float:
        """Return the sum, or the mean: 0 without losses."""
        return self.total / (self.divisor or 1) if reduction == "mean" else self.total

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        numbers = (one + another for one, another in zip(self[:-1], other[:-1], strict=True))
        return Sums._make((*numbers, other.hint or self.hint))


@light_dataclass(frozen=True, slots=True)
class ValueParts:
    """The sums and counts that values are made of, over pairs in input order; `ValueParts()` is the identity of `+`.

    `right` are those of the right losses, `tied` of pairs with x1 = x2, `sums` of the losses of each mistake, weighted
    where there are weights; `groups` are those of each group.
    `agreement` and `margin` are sums over pairs. `tail` are the last right losses, and `sides` on which side of 0 their
    y(x1 - x2) are.
    """

    right: Sums = Sums()
    tied: Sums = Sums()
    sums: dict[tuple[str, ...], Sums] = field(default_factory=dict)
    groups: dict[Any, Sums] = field(default_factory=dict)
    agreement: float = 0.0
    margin: float = 0.0
    tail: Doubles = field(default_factory=lambda: np.empty(0))
    sides: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    def __add__(self, other: ValueParts) -> ValueParts:
        return ValueParts(
            self.right + other.right,
            self.tied + other.tied,
            merged(self.sums, other.sums),
            merged(self.groups, other.groups),
            self.agreement + other.agreement,
            self.margin + other.margin,
            np.concatenate([self.tail, other.tail])[-LARGEST_BATCH:],
            np.concatenate([self.sides, other.sides])[-LARGEST_BATCH:],
        )


@np.errstate(all="ignore")
def value_parts(case: Case, *, weights: Doubles | None = None, groups: Array | None = None) -> ValueParts:
    """Return the sums and counts of pairs, under single mistakes. `weights`, and `groups` by key, have shape (n,)."""
    losses, agreement, is_tied = losses_of(case), agreement_of(case), case.x1 == case.x2
    return ValueParts(
        Sums.of(losses, agreement),
        Sums.of(losses[is_tied], agreement[is_tied]),
        mistaken_sums(case, 1, weights),
        {} if groups is None else _by_group(groups, losses, agreement, weights),
        float(agreement.sum()),
        float(np.broadcast_to(np.asarray(case.margin), losses.shape).sum()),
        losses[-LARGEST_BATCH:],
        np.sign(agreement[-LARGEST_BATCH:]).astype(np.int8),
    )


def mistaken_sums(
    case: Case, count: int, weights: Doubles | None = None, only: Collection[tuple[str, ...]] | None = None
) -> MistakenSums:
    """Return the sums under each so many mistakes at once; with `only`, those of these names."""
    own = agreement_of(case)
    return {
        names: Sums.of(losses_of(made), agreement_beside(case, own, made), weights, options_of(case, made))
        for names, made in (mistakes(case, count, but("shifted"), only) if own.size else ())
    }


def agreement_beside(case: Case, own: Doubles, made: Case) -> Doubles:
    """Return y(x1 - x2) under a mistake; it is that of the case, its `own`, where the mistake is not about it."""
    is_as_own = all(getattr(made, name) is getattr(case, name) for name in ("x1", "x2", "y", "integers", "tensors"))
    return own if is_as_own and made.dtype == case.dtype else agreement_of(made)


class AllPairs:
    """All pairs there are, or none where they are too many, as a case; what takes long of them is computed once."""

    def __init__(self, case: Case, weights: Doubles | None = None) -> None:
        self.case, self.weights = case, weights

    @cached_property
    def two_mistakes(self) -> MistakenSums:
        """The sums under each two mistakes at once."""
        return mistaken_sums(self.case, 2)

    @cached_property
    def broadcasts(self) -> dict[str, float]:
        """The means over every pair of rows."""
        return broadcast_means(self.case)


def _by_group(groups: Array, losses: Doubles, agreement: Doubles, weights: Doubles | None) -> dict[Any, Sums]:
    numbers: dict[Any, int] = {}
    codes = np.fromiter((numbers.setdefault(key, len(numbers)) for key in groups.tolist()), np.int64, groups.size)
    places = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return {
        key: Sums.of(losses[at], agreement[at], None if weights is None else weights[at])
        for key, at in zip(numbers, places, strict=True)
    }


def broadcast_means(case: Case) -> dict[str, float]:
    """Return the mean under each way to broadcast one column against the others, by what is printed of it.

    They are means over every pair of rows. For hinges they take n log n steps: with the scores sorted, a row's sum is a
    count and a difference of prefix sums (Joachims, "A support vector method for multivariate performance measures",
    ICML 2005).
    """
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
