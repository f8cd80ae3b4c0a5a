"""Notes on data that are fine to read and yet may not say what they seem to: rounded scores, collapsed scores, one
label, codes and probabilities taken as they are, most pairs in the wrong order, margins that are the differences,
rewards that contain beta. They need what every run has: the plan, counts and a look at the data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mrl_cli.reductions.look import GRIDS, Look
from mrl_cli.words import counted, listed

if TYPE_CHECKING:
    from mrl_cli.model import Plan
    from mrl_cli.reductions.totals import Totals

LEAST_PAIRS = 100  # a handful of pairs, written by hand perhaps, has few decimals and one label easily
LEAST_TIE_SHARE = 0.001  # fewer ties move no accuracy by what anyone would look at
AS_THEY_ARE = "and are taken as they are: a pair of label 0 costs the same whatever its scores."
LEAST_COPIED = 10  # so few margins may well be the differences
COPIED_SHARE = 0.005  # of the greatest difference: rounded on its own, a copy of a difference is off by no more
CHANCE = 0.001  # that an accuracy is so low where each pair is right or wrong like the side of a coin
MOST_EXACT = 1000  # pairs, for which the binomial test is exact; beyond it the normal distribution is as good
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
    texts = {
        "below_half": below_half(totals.correct, totals.wrong),
        "margin": copied_margin(totals, look),
        "codes": _codes(look) if labels_are_factors else None,
    }
    if totals.pairs < LEAST_PAIRS:
        return {kind: text for kind, text in texts.items() if text is not None}
    texts |= {
        "collapsed": None if look.zeros else _collapsed(totals, at_equal_scores),
        "rounded": _rounding_ties(totals, look),
        "one_label": _one_label(look),
    }
    return {kind: text for kind, text in texts.items() if text is not None}


def plan_notes(plan: Plan) -> list[str]:
    """Return sentences on what a plan asks for, whatever the data: rewards of TRL under a beta that they contain.

    >>> from mrl_cli.model import Plan
    >>> plan_notes(Plan.of(preset="trl", loss="ipo", parameters=(("beta", 1.0),)))
    []
    """
    parameters = dict(plan.loss.parameters)
    beta, temperature = parameters.get("beta", 1.0), parameters.get("temperature", 1.0)
    name = plan.columns.x1 or ""
    is_of_trl = plan.reporting.preset == "trl" or "rewards/" in name or name == "chosen_rewards"
    if (
        beta == temperature == 1 or not is_of_trl or plan.reading.scale is not None
    ):  # a scale divides beta out, as the note says
        return []
    contained = "TRL's rewards are already multiplied by beta, and"
    if plan.loss.name == "ipo":  # here beta also says how large a difference is aimed at
        scale = repr(1 / beta).removesuffix(".0")
        return [f"{contained} ipo with beta={beta:g} takes scores that are not: --scale {scale} divides them by it"]
    if temperature != 1:  # one over beta
        again = f"divides them by temperature={temperature:g} as well: leave out --param temperature"
        return [f"{contained} {plan.loss.name} {again}"]
    return [f"{contained} {plan.loss.name} multiplies them by beta={beta:g} again: leave out --param beta"]


def below_half(correct: int, wrong: int) -> str | None:
    """Return what to ask where so few of the pairs that are no ties are right that it is no chance, else None."""
    if correct >= wrong or chance_of_so_few(correct, correct + wrong) >= CHANCE:
        return None
    test = "exact binomial test" if correct + wrong <= MOST_EXACT else "binomial test, normal"
    return (
        f"only {correct:,} of {correct + wrong:,} pairs without a tie are in the right order, which is below one half "
        f"by more than chance ({test}, p < {CHANCE:g}): are x1 and x2 swapped, or is a lower score the better one?"
    )


def chance_of_so_few(correct: int, pairs: int) -> float:
    """Return how probable at most so many correct pairs are, where each is correct with probability one half.

    >>> chance_of_so_few(0, 3), chance_of_so_few(1, 3)
    (0.125, 0.5)
    """
    if pairs <= MOST_EXACT:
        return sum(math.comb(pairs, right) for right in range(correct + 1)) / (1 << pairs)
    return math.erfc((pairs - 2 * correct - 1) / math.sqrt(2 * pairs)) / 2  # with the correction for continuity


def copied_margin(figures: Totals, look: Look) -> str | None:
    """Return what to ask where the margins seem to be the differences of the scores, else None.

    Of totals without ranges it says nothing of what each pair costs.
    """
    if look.margin_gap is None or not look.reach or figures.pairs < LEAST_COPIED:
        return None
    if look.margin_gap > COPIED_SHARE * look.reach:
        return None
    is_one = figures.min <= figures.max and figures.max - figures.min <= COLLAPSED_SHARE * figures.max
    cost = f", so that each costs {figures.max:.3g}" if is_one else ""
    within = f" to within {look.margin_gap:.2g}{cost}" if look.margin_gap else cost
    return f"the margin of every pair is its own y*(x1 - x2){within}: is it a copy of the difference, not a margin?"


def _codes(look: Look) -> str | None:
    """Return what to do where labels that are factors seem to be codes, or probabilities."""
    lowest, highest = look.lowest_label, look.highest_label
    if lowest is None or highest is None or lowest == highest or lowest < 0:
        return None
    codes = frozenset(look.codes or ())
    if codes == {0, 1}:
        asked = "Are they the one and the other order? Then use --labels 01"
        return f"labels are 0 and 1 {AS_THEY_ARE} {asked}"
    if lowest < 0.5 < highest <= 1:
        asked = "Are they probabilities that x1 is better? Then use --labels probability"
        return f"labels lie from 0 to 1 {AS_THEY_ARE} {asked}"
    if not look.codes or not (codes <= {0, 1, 2} or len(codes) <= 3):
        return None
    from mrl_cli.reports.labelways import STRAY, way_of_codes, way_of_unsigned  # few runs have codes

    pairs = sum(look.codes.values())
    listing = listed([f"{label:.0f}" for label in sorted(codes)])
    told = f"labels are {listing} and are taken as they are, as factors of x1 - x2."
    if few := sorted(label for label in codes if look.codes[label] * STRAY <= pairs):
        rows = " and ".join(f"{label:.0f} in {counted(look.codes[label], 'pair')}" for label in few)
        return f"{told} Is {rows} a slip? Leave out --labels to see where, and what the others mean"
    proposed = way_of_codes(codes) if codes <= {0, 1, 2} else way_of_unsigned(codes)
    return None if proposed is None else f"{told} Are they codes? {proposed.text} in place of --labels"


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
    # A label 0 makes a tie of any scores.
    grid, pairs, ties = grid_in_words(look.grids), figures.pairs, figures.ties - look.zeros
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
