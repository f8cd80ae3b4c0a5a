"""What scores and labels look like, for notes: on which grid the scores lie, and the range of the labels."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.measured import score_differences, signed_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mrl_cli.model import Batch, Plan
    from mrl_cli.reductions.measured import Measured

FEW_SCORES = 16
FEW_LABELS = 64
MOST_CODES = 16  # with more, labels are no codes
FAR_SHARE = 0.1  # of the greatest y*(x1 - x2): a margin that is farther from it is a margin of its own


@light_dataclass(frozen=True, slots=True)
class Look:
    """What scores and labels look like; `Look()`, that of no pairs, is the identity of `+`.

    `grids` has bit i set when every score lies on grid i of `GRIDS`. The labels are None where there is no label, and
    for probabilities. `margin_gap` is how far a margin is from y*(x1 - x2) at most, infinite where it is far, and
    `reach` the greatest size of y*(x1 - x2); both are None where there is no column of margins. It `has_booleans` where
    a label was true or false in the file. `smallest` is the least size of a label of ranked lists. Of labels that
    are any numbers, `codes` says how many there are of each, None where more than MOST_CODES differ; `zeros` are 0.
    """

    grids: int = -1
    lowest_label: float | None = None
    highest_label: float | None = None
    margin_gap: float | None = None
    reach: float | None = None
    has_booleans: bool = False
    smallest: float | None = None
    codes: Counter[float] | None = field(default_factory=Counter)
    zeros: int = 0

    def __add__(self, other: Look) -> Look:
        least, most = ("lowest_label", "smallest"), ("highest_label", "margin_gap", "reach")
        extremes = {name: _extreme(min, getattr(self, name), getattr(other, name)) for name in least}
        extremes |= {name: _extreme(max, getattr(self, name), getattr(other, name)) for name in most}
        has_booleans = self.has_booleans or other.has_booleans
        codes = None if self.codes is None or other.codes is None else self.codes + other.codes
        codes = None if codes is not None and len(codes) > MOST_CODES else codes
        zeros = self.zeros + other.zeros
        return Look(self.grids & other.grids, has_booleans=has_booleans, codes=codes, zeros=zeros, **extremes)


def _codes_of(labels: NDArray[Any]) -> Counter[float] | None:
    """Return how many there are of each label, None for more than MOST_CODES labels."""
    codes = Counter[float]()
    for some in (labels[:FEW_LABELS], labels):  # the first few settle it where labels are real numbers
        different, counts = np.unique(some, return_counts=True)
        if different.size > MOST_CODES:
            return None
        codes = Counter(dict(zip(different.tolist(), counts.tolist(), strict=True)))
    return codes


def _extreme(choose: Callable[..., float], *numbers: float | None) -> float | None:
    known = [number for number in numbers if number is not None]
    return choose(known) if known else None


class LookReduction(Reduction[Look, Look]):
    """Looks at the scores and labels of the pairs used."""

    state = Look
    joins = True
    takes_turns = True

    def add(self, state: Look, measured: Measured) -> Look:
        """Look at a batch."""
        pairs, labels = measured.pairs, measured.pairs.y
        if not pairs.size:
            return state
        if measured.plan.has_lists and labels is not None:
            scores = pairs.numbers["score"]
            bounds = float(labels.min()), float(labels.max())
            return state + Look(grids_of(scores, scores[:0]), *bounds, smallest=float(np.abs(labels).min()))
        if "margin" in pairs.numbers:
            state += Look(-1, None, None, *_margin_gap(pairs, measured.plan))
        if pairs.has_booleans:
            state += Look(has_booleans=True)
        if labels is None or measured.plan.rules.labels == "probability":
            return state + Look(grids_of(pairs.x1, pairs.x2))
        few = labels[:FEW_LABELS]
        if measured.plan.rules.labels == "any":
            state += Look(codes=_codes_of(labels), zeros=int(np.count_nonzero(labels == 0)))
        # Where only two labels are allowed, the few may show both, and then they are the lowest and the highest.
        labels = few if measured.plan.rules.labels != "any" and few.min() < few.max() else labels
        return state + Look(grids_of(pairs.x1, pairs.x2), float(labels.min()), float(labels.max()))


def _margin_gap(pairs: Batch, plan: Plan) -> tuple[float, float]:
    """Return how far margins are from y*(x1 - x2) at most, and the greatest size of that.

    The first few pairs settle it where margins are far; where they are near, every pair is looked at.
    """
    for part in (pairs.part(0, FEW_SCORES), pairs):
        with np.errstate(all="ignore"):
            distances = signed_labels(part, plan, np.empty(part.size, plan.loss.dtype))
            distances *= score_differences(part, plan, np.empty_like(distances))
            reach = float(np.abs(distances).max())
            gap = float(np.abs(np.subtract(part.numbers["margin"], distances, out=distances)).max())
        if not gap <= FAR_SHARE * reach:
            return math.inf, reach
    return gap, reach


def _have_decimals(scores: NDArray[np.float64], decimals: int) -> bool:
    """Return whether every score is the double, or the float32, nearest to a number of so many decimals."""
    # The quotient of two integers that doubles hold is rounded once: it is that nearest double.
    nearest = np.rint(scores * 10**decimals) / 10**decimals
    return bool(((nearest == scores) | (nearest.astype(np.float32) == scores)).all())


def _are_bfloat16(scores: NDArray[np.float64]) -> bool:
    singles = scores.astype(np.float32)
    return bool((singles == scores).all()) and not (singles.view(np.uint32) & 0xFFFF).any()


def _are_float16(scores: NDArray[np.float64]) -> bool:
    return bool((scores.astype(np.float16) == scores).all())


# Grids on which scores may lie, in words, the most informative first. A score may have been a float32 before.
GRIDS: dict[str, Callable[[NDArray[np.float64]], bool]] = {
    "no decimals": partial(_have_decimals, decimals=0),
    "at most 1 decimal": partial(_have_decimals, decimals=1),
    "at most 2 decimals": partial(_have_decimals, decimals=2),
    "at most 3 decimals": partial(_have_decimals, decimals=3),
    "the precision of bfloat16": _are_bfloat16,
    "the precision of float16": _are_float16,
}
_COARSER = range(3)  # grids that lie within the next one


def grids_of(x1: NDArray[np.float64], x2: NDArray[np.float64]) -> int:
    """Return the grids on which all scores of some pairs lie, as `Look` holds them: bit i for grid i of GRIDS.

    Scores are finite and of shape (n,). A look at the first few settles it for ordinary scores.

    >>> grids_of(np.array([0.25, 1.5]), np.array([0.1, 2.0]))
    12
    """
    grids = 0
    few = np.concatenate((x1[:FEW_SCORES], x2[:FEW_SCORES]))
    with np.errstate(all="ignore"):
        for bit, holds in reversed(list(enumerate(GRIDS.values()))):
            # A number of few decimals is one of more decimals too.
            if bit in _COARSER and not grids >> bit + 1 & 1:
                continue
            if all(holds(scores) for scores in (few, x1, x2)):
                grids |= 1 << bit
    return grids
