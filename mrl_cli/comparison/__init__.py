"""Two models on the same pairs: batch by batch to sums and counts, and from those to what `mrl compare` says.

The two models are a and b. Of every pair the difference of their losses is taken, a's less b's, and whether each has
the pair right: what sets them apart is judged on these differences, so what makes a pair hard for both does not blur
it.
"""

from mrl_cli.comparison.contrasts import Contrast, Contrasted, contrast, scores_are_whole
from mrl_cli.comparison.gathering import Gathered
from mrl_cli.comparison.reports import ComparisonReport, comparison_notes, numbers_in

__all__ = [
    "ComparisonReport",
    "Contrast",
    "Contrasted",
    "Gathered",
    "comparison_notes",
    "contrast",
    "numbers_in",
    "scores_are_whole",
]
