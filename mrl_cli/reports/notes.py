"""Notes on data that are fine to read and yet may not say what they seem to: rounded scores, collapsed scores, one
label, labels 0 and 1 taken as they are. They need what every run has: counts and a look at the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.reductions.look import GRIDS, Look

if TYPE_CHECKING:
    from mrl_cli.reductions.totals import Totals

LEAST_PAIRS = 100  # a handful of pairs, written by hand perhaps, has few decimals and one label easily
LEAST_TIE_SHARE = 0.001  # fewer ties move no accuracy by what anyone would look at
_ZERO_ONE = (
    "labels lie from 0 to 1 and are taken as they are: a pair of label 0 costs the same whatever its scores. Are "
    "they 0 and 1, for the one and the other order? Then use --labels 01"
)
COLLAPSED_SHARE = 0.01  # of the margin: where x1 and x2 are this close for every pair, the loss is the margin


def grid_in_words(grids: int) -> str | None:
    """Return the most informative of grids as `Look` holds them, in words; None where there is none.

    >>> grid_in_words(0b1100)
    'at most 2 decimals'
    """
    return next((words for bit, words in enumerate(GRIDS) if grids >> bit & 1), None)


def data_notes(
    totals: Totals, look: Look, *, at_equal_scores: float | None, labels_are_factors: bool = False
) -> dict[str, str]:
    """Return sentences on the data by kind, the most informative first; nothing on ordinary data, and on few pairs.

    `at_equal_scores` is the loss of a pair whose scores are equal, None where each pair has another;
    `labels_are_factors` says that labels are real numbers that x1 - x2 is multiplied by.

    >>> from mrl_cli.reductions.totals import Totals
    >>> list(data_notes(Totals(ties=200, min=0.5, max=0.5), Look(), at_equal_scores=0.5))
    ['collapsed']
    """
    if totals.pairs < LEAST_PAIRS:
        return {}
    texts = {
        "collapsed": _collapsed(totals, at_equal_scores),
        "zero_one": _ZERO_ONE if labels_are_factors and (look.lowest_label, look.highest_label) == (0, 1) else None,
        "rounded": _rounding_ties(totals, look),
        "one_label": _one_label(look),
    }
    return {kind: text for kind, text in texts.items() if text is not None}


def _collapsed(figures: Totals, expected: float | None) -> str | None:
    if figures.ties == figures.pairs:
        return "x1 equals x2 in every pair: the scores have collapsed, or one column was read twice"
    if expected is None or expected <= 0:
        return None
    if expected * (1 - COLLAPSED_SHARE) <= figures.min and figures.max <= expected * (1 + COLLAPSED_SHARE):
        return (
            f"every loss is within {COLLAPSED_SHARE:.0%} of {expected:g}, the loss of equal scores: x1 and x2 hardly "
            "differ, so the scores have collapsed, or are of another scale than the loss"
        )
    return None


def _rounding_ties(figures: Totals, look: Look) -> str | None:
    grid, pairs, ties = grid_in_words(look.grids), figures.pairs, figures.ties
    if grid is None or ties == pairs or ties / pairs < LEAST_TIE_SHARE:
        return None
    accuracy, accuracy_half = figures.correct / pairs, (figures.correct + ties / 2) / pairs
    return (
        f"{ties:,} of {pairs:,} pairs are ties ({ties / pairs:.1%}), and the scores have {grid}: rounding makes "
        f"ties. They count as not correct: accuracy is {accuracy:.3f}; with each as one half it is "
        f"{accuracy_half:.3f}, which rounding hardly moves"
    )


def _one_label(look: Look) -> str | None:
    label = look.lowest_label
    if label is None or label != look.highest_label:
        return None
    if label == 0:
        return "the label of every pair is 0"
    better = "x1" if label > 0 else "x2"
    return (
        f"the label of every pair is {label:g}: if {better} always holds the better one, a model that favours "
        "its side cannot be told from a good one"
    )
