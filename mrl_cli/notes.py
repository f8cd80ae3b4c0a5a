"""Notes on data that are fine to read and yet may not say what they seem to: rounded scores, collapsed scores, one
label.

What is needed is cheap: counts that every run has, whether the labels differ, and a look at the scores of one batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DECIMALS = 3
LEAST_TIE_SHARE = 0.001  # fewer ties move no accuracy by what anyone would look at
COLLAPSED_SHARE = 0.01  # of the margin: where x1 and x2 are this close for every pair, the loss is the margin


@dataclass(frozen=True, slots=True)
class ScoreSample:
    """What some scores look like: of how many pairs they are, and the grid on which all lie, in words, or None."""

    pairs: int
    grid: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the notes rest on: the fields of `Totals` of these names; the margin, where it is one number and the loss
    has one; the label, where all pairs of a label column have the same; and a look at some scores.
    """

    pairs: int
    correct: int
    ties: int
    min: float
    max: float
    margin: float | None = None
    only_label: float | None = None
    sample: ScoreSample | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A kind (one word for scripts) and a sentence for people."""

    kind: str
    text: str


def score_sample(x1: NDArray[np.float64], x2: NDArray[np.float64]) -> ScoreSample:
    """Return on what grid the scores of some pairs lie, finite and of shape (n,).

    Decimals up to MOST_DECIMALS are looked for first, then the numbers of bfloat16 and float16. A score may have been a
    float32 before it was a double.

    >>> score_sample(np.array([0.25, 1.5]), np.array([0.1, 2.0])).grid
    'at most 2 decimals'
    """
    scores = np.concatenate([x1, x2])
    if not scores.size:
        return ScoreSample(0, None)
    for decimals in range(MOST_DECIMALS + 1):
        if _have_decimals(scores, decimals):
            grid = "no decimals" if decimals == 0 else f"at most {decimals} decimal{'s' * (decimals > 1)}"
            return ScoreSample(x1.size, grid)
    with np.errstate(over="ignore"):
        singles = scores.astype(np.float32)
        if np.array_equal(singles, scores):
            if not (singles.view(np.uint32) & 0xFFFF).any():
                return ScoreSample(x1.size, "the precision of bfloat16")
            if np.array_equal(scores.astype(np.float16), singles):
                return ScoreSample(x1.size, "the precision of float16")
    return ScoreSample(x1.size, None)


def _have_decimals(scores: NDArray[np.float64], decimals: int) -> bool:
    """Tell whether every score is the double, or the float32, nearest to a number of so many decimals."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The quotient of two integers that doubles hold is rounded once: it is that nearest double.
        nearest = np.rint(scores * 10**decimals) / 10**decimals
        return bool(((nearest == scores) | (nearest.astype(np.float32) == scores)).all())


def data_notes(figures: Figures) -> list[Note]:
    """Return what should be said of the data, most telling first; empty for nothing out of the ordinary.

    >>> [note.kind for note in data_notes(Figures(pairs=2, correct=0, ties=2, min=0.5, max=0.5, margin=0.5))]
    ['collapsed']
    """
    found = (_collapsed(figures), _rounded(figures), _one_label(figures))
    return [note for note in found if note is not None]


def _collapsed(figures: Figures) -> Note | None:
    if figures.pairs < 2:
        return None
    if figures.ties == figures.pairs:
        return Note("collapsed", "x1 equals x2 in every pair: the scores have collapsed, or one column was read twice")
    margin = figures.margin
    if margin is None or margin <= 0:
        return None
    if margin * (1 - COLLAPSED_SHARE) <= figures.min and figures.max <= margin * (1 + COLLAPSED_SHARE):
        text = (
            f"every loss is within {COLLAPSED_SHARE:.0%} of the margin {margin:g}: x1 and x2 hardly differ, "
            "so the scores have collapsed, or the margin is of another scale"
        )
        return Note("collapsed", text)
    return None


def _rounded(figures: Figures) -> Note | None:
    sample, pairs, ties = figures.sample, figures.pairs, figures.ties
    if sample is None or sample.grid is None or not pairs or ties == pairs or ties / pairs < LEAST_TIE_SHARE:
        return None
    accuracy, accuracy_half = figures.correct / pairs, (figures.correct + ties / 2) / pairs
    text = (
        f"{ties:,} of {pairs:,} pairs are ties ({ties / pairs:.1%}), and the scores have {sample.grid}: rounding makes "
        f"ties. They count as not correct: accuracy is {accuracy:.3f}; with each as one half it is "
        f"{accuracy_half:.3f}, which rounding hardly moves"
    )
    return Note("rounded", text)


def _one_label(figures: Figures) -> Note | None:
    label = figures.only_label
    if label is None or figures.pairs < 2 or math.isnan(label):
        return None
    better = "x1" if label > 0 else "x2"
    text = (
        f"the label of every pair is {label:g}: if {better} always holds the better one, a model that favours "
        "its side cannot be told from a good one"
    )
    return Note("one_label", text if label else "the label of every pair is 0")
