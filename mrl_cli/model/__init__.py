"""The records every room works with: the plan of a run, a batch of pairs by role, and what is wrong with rows.

Nothing here is computed but merges and masks, and NumPy is not imported to load it: the command line needs plans before
anything heavy is loaded. `rules` alone, which checks batches, imports NumPy.
"""

from mrl_cli.model.batch import Batch, ListCells
from mrl_cli.model.parts import (
    EVERY,
    IDS,
    LEAST_CONFIDENCE,
    MAY_BE_SINGLE,
    MOST_CONFIDENCE,
    MOST_SAMPLES,
    MOST_WORST,
    SCORE_SETTINGS,
    USUAL_CONFIDENCE,
    Columns,
    Dialect,
    DType,
    FilledRole,
    Labels,
    LambdaWeight,
    ListLabels,
    LossChoice,
    Missing,
    PairLabels,
    PairReduction,
    Ranking,
    ReductionName,
    Role,
    Strength,
    group_roles,
    setting_of,
)
from mrl_cli.model.plan import Plan
from mrl_cli.model.problems import Counts, Problem, ProblemCount, added_problems, tally

__all__ = ["EVERY", "LEAST_CONFIDENCE", "MOST_CONFIDENCE", "MOST_SAMPLES", "MOST_WORST", "SCORE_SETTINGS"]
__all__ += ["IDS", "MAY_BE_SINGLE", "USUAL_CONFIDENCE"]
__all__ += ["Batch", "Columns", "Counts", "DType", "Dialect", "FilledRole", "Labels", "LambdaWeight", "ListCells"]
__all__ += ["ListLabels", "LossChoice", "Missing", "PairLabels", "PairReduction", "Plan", "Problem", "ProblemCount"]
__all__ += ["Ranking", "ReductionName", "Role", "Strength", "added_problems", "group_roles", "setting_of", "tally"]
