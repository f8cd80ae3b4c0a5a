"""The records every room works with: the plan of a run, a batch of pairs by role, and what is wrong with rows.

Nothing here is computed but merges and masks, and NumPy is not imported to load it: the command line needs plans before
anything heavy is loaded. `rules` alone, which checks batches, imports NumPy.
"""

from mrl_cli.model.batch import Batch
from mrl_cli.model.plan import (
    FIRST_PROBLEMS_SHOWN,
    LEAST_CONFIDENCE,
    MOST_CONFIDENCE,
    MOST_SAMPLES,
    USUAL_CONFIDENCE,
    Columns,
    Dialect,
    DType,
    Labels,
    LossChoice,
    Plan,
    Reading,
    ReductionName,
    Reporting,
    Role,
    Rules,
)
from mrl_cli.model.problems import Counts, Problem, ProblemCount, tally

__all__ = [
    "FIRST_PROBLEMS_SHOWN",
    "LEAST_CONFIDENCE",
    "MOST_CONFIDENCE",
    "MOST_SAMPLES",
    "USUAL_CONFIDENCE",
    "Batch",
    "Columns",
    "Counts",
    "DType",
    "Dialect",
    "Labels",
    "LossChoice",
    "Plan",
    "Problem",
    "ProblemCount",
    "Reading",
    "ReductionName",
    "Reporting",
    "Role",
    "Rules",
    "tally",
]
