"""What values are made of: sums and counts of the right losses and of those of every mistake, batch by batch."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.verify.explanations.broadcasts import broadcast_means
from mrl_cli.verify.explanations.cases import Case, agreement_of, losses_of
from mrl_cli.verify.explanations.hypotheses import but, mistakes, options_of
from mrl_cli.verify.validators import merged

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from mrl_cli.dtypes import Array, Doubles

    MistakenSums = tuple[dict[tuple[str, ...], "Sums"], dict[tuple[str, ...], str]]  # and options, by names

LARGEST_BATCH = 65536


class Sums(NamedTuple):
    """What some losses add up to: their sum, what it is divided by for the mean, and how many are not 0.

    The divisor is how many there are; of weighted losses, the sum of the weights. Of the `pairs`, `correct` have
    y(x1 - x2) above 0 and `tied` have 0.
    """

    total: float = 0.0
    divisor: float = 0
    active: int = 0
    pairs: int = 0
    correct: int = 0
    tied: int = 0

    @classmethod
    def of(cls, losses: Doubles, agreement: Doubles, weights: Doubles | None = None) -> Sums:
        """Return the sums of losses, and the counts of pairs by their y(x1 - x2)."""
        counts = losses.size, int(np.count_nonzero(agreement > 0)), int(np.count_nonzero(agreement == 0))
        active = int(np.count_nonzero(losses))
        with np.errstate(all="ignore"):
            if weights is None:
                return cls(float(losses.sum()), losses.size, active, *counts)
            return cls(float((weights * losses).sum()), float(weights.sum()), active, *counts)

    def value(self, reduction: str) -> float:
        """Return the sum, or the mean: 0 without losses."""
        return self.total / (self.divisor or 1) if reduction == "mean" else self.total

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        return Sums._make(one + another for one, another in zip(self, other, strict=True))


@light_dataclass(frozen=True, slots=True)
class ValueParts:
    """The sums and counts that values are made of, over pairs in input order; `ValueParts()` is the identity of `+`.

    `right` are those of the right losses, `tied` of pairs with x1 = x2, `sums` of the losses of each mistake, weighted
    where there are weights, `hints` the options with which mrl computes so; `groups` are those of each group.
    `agreement` and `margin` are sums over pairs. `tail` are the last right losses, and `sides` on which side of 0 their
    y(x1 - x2) are.
    """

    right: Sums = Sums()
    tied: Sums = Sums()
    sums: dict[tuple[str, ...], Sums] = field(default_factory=dict)
    hints: dict[tuple[str, ...], str] = field(default_factory=dict)
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
            self.hints | other.hints,
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
        *mistaken_sums(case, 1, weights),
        {} if groups is None else _by_group(groups, losses, agreement, weights),
        float(agreement.sum()),
        float(np.broadcast_to(np.asarray(case.margin), losses.shape).sum()),
        losses[-LARGEST_BATCH:],
        np.sign(agreement[-LARGEST_BATCH:]).astype(np.int8),
    )


def mistaken_sums(
    case: Case, count: int, weights: Doubles | None = None, only: Collection[tuple[str, ...]] | None = None
) -> MistakenSums:
    """Return the sums under each so many mistakes at once, and the options with which mrl computes so, by name.

    With `only`, those of these names.
    """
    sums: dict[tuple[str, ...], Sums] = {}
    hints: dict[tuple[str, ...], str] = {}
    own = agreement_of(case)
    for names, made in mistakes(case, count, but("shifted"), only) if own.size else ():
        sums[names] = Sums.of(losses_of(made), agreement_beside(case, own, made), weights)
        if hint := options_of(case, made):
            hints[names] = hint
    return sums, hints


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
