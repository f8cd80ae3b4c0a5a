"""Notes on data that are fine to read and yet may not say what they seem to: rounded scores, collapsed scores, one
label, labels 0 and 1 taken as they are.

What is needed is cheap: counts that every run has, the range of the labels, and a look at the scores.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mrl_cli.model import Totals

FEW_SCORES = 16
LEAST_PAIRS = 100  # a handful of pairs, written by hand perhaps, has few decimals and one label easily
LEAST_TIE_SHARE = 0.001  # fewer ties move no accuracy by what anyone would look at
COLLAPSED_SHARE = 0.01  # of the margin: where x1 and x2 are this close for every pair, the loss is the margin


class Note(NamedTuple):
    """A kind (one word for scripts) and a sentence for people."""

    kind: str
    text: str


def _have_decimals(scores: NDArray[np.float64], decimals: int) -> bool:
    """Tell whether every score is the double, or the float32, nearest to a number of so many decimals."""
    # The quotient of two integers that doubles hold is rounded once: it is that nearest double.
    nearest = np.rint(scores * 10**decimals) / 10**decimals
    return bool(((nearest == scores) | (nearest.astype(np.float32) == scores)).all())


def _are_bfloat16(scores: NDArray[np.float64]) -> bool:
    singles = scores.astype(np.float32)
    return bool((singles == scores).all()) and not (singles.view(np.uint32) & 0xFFFF).any()


def _are_float16(scores: NDArray[np.float64]) -> bool:
    return bool((scores.astype(np.float16) == scores).all())


# Grids on which scores may lie, in words, the most telling first. A score may have been a float32 before it was one.
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
    found = 0
    few = np.concatenate((x1[:FEW_SCORES], x2[:FEW_SCORES]))
    with np.errstate(all="ignore"):
        for bit, holds in reversed(list(enumerate(GRIDS.values()))):
            # A number of few decimals is one of more decimals too.
            if bit in _COARSER and not found >> bit + 1 & 1:
                continue
            if all(holds(scores) for scores in (few, x1, x2)):
                found |= 1 << bit
    return found


def grid_in_words(grids: int) -> str | None:
    """Return the most telling of grids as `Look` holds them, in words; None where there is none.

    >>> grid_in_words(0b1100)
    'at most 2 decimals'
    """
    return next((words for bit, words in enumerate(GRIDS) if grids >> bit & 1), None)


def data_notes(totals: Totals, *, at_equal_scores: float | None, labels_are_factors: bool = False) -> list[Note]:
    """Return what should be said of the data, most telling first; nothing of ordinary data, and of few pairs.

    `at_equal_scores` is the loss of a pair whose scores are equal, None where each pair has another;
    `labels_are_factors` says that labels are real numbers that x1 - x2 is multiplied by.

    >>> from mrl_cli.model import Totals
    >>> [note.kind for note in data_notes(Totals(pairs=200, ties=200, min=0.5, max=0.5), at_equal_scores=0.5)]
    ['collapsed']
    """
    if totals.pairs < LEAST_PAIRS:
        return []
    zero_one = _zero_one(totals) if labels_are_factors else None
    found = (_collapsed(totals, at_equal_scores), zero_one, _rounded(totals), _one_label(totals))
    return [note for note in found if note is not None]


def _collapsed(figures: Totals, expected: float | None) -> Note | None:
    if figures.ties == figures.pairs:
        return Note("collapsed", "x1 equals x2 in every pair: the scores have collapsed, or one column was read twice")
    if expected is None or expected <= 0:
        return None
    if expected * (1 - COLLAPSED_SHARE) <= figures.min and figures.max <= expected * (1 + COLLAPSED_SHARE):
        text = (
            f"every loss is within {COLLAPSED_SHARE:.0%} of {expected:g}, the loss of equal scores: x1 and x2 hardly "
            "differ, so the scores have collapsed, or are of another scale than the loss"
        )
        return Note("collapsed", text)
    return None


def _rounded(figures: Totals) -> Note | None:
    grid, pairs, ties = grid_in_words(figures.look.grids), figures.pairs, figures.ties
    if grid is None or ties == pairs or ties / pairs < LEAST_TIE_SHARE:
        return None
    accuracy, accuracy_half = figures.correct / pairs, (figures.correct + ties / 2) / pairs
    text = (
        f"{ties:,} of {pairs:,} pairs are ties ({ties / pairs:.1%}), and the scores have {grid}: rounding makes "
        f"ties. They count as not correct: accuracy is {accuracy:.3f}; with each as one half it is "
        f"{accuracy_half:.3f}, which rounding hardly moves"
    )
    return Note("rounded", text)


def _zero_one(figures: Totals) -> Note | None:
    if (figures.look.lowest_label, figures.look.highest_label) != (0, 1):
        return None
    text = (
        "labels lie from 0 to 1 and are taken as they are: a pair of label 0 costs the same whatever its scores. Are "
        "they 0 and 1, for the one and the other order? Then use --labels 01"
    )
    return Note("zero_one", text)


def _one_label(figures: Totals) -> Note | None:
    label = figures.look.lowest_label
    if label is None or label != figures.look.highest_label:
        return None
    better = "x1" if label > 0 else "x2"
    text = (
        f"the label of every pair is {label:g}: if {better} always holds the better one, a model that favours "
        "its side cannot be told from a good one"
    )
    return Note("one_label", text if label else "the label of every pair is 0")
