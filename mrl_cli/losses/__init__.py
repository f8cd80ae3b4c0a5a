"""Pairwise losses: pure NumPy kernels with their gradients, and the registry `LOSSES`; `LISTWISE`, losses of lists.

A kernel works on one pair at a time, without files, checks, weights or reductions. Every pairwise loss depends on the
scores only through their difference x1 - x2, taken in the float dtype; the gradient for x1 is then that for the
difference, and the one for x2 its negative.

To add a loss, write its function and its gradient under `@registered(...)` in the module of its family, or in a new
module here. What other rooms want to know of a loss is a trait of `Loss`.
"""

from __future__ import annotations

from importlib import import_module

from mrl_cli import modules_in
from mrl_cli.losses.probabilities import of_probabilities
from mrl_cli.losses.registry import (
    LISTWISE,
    LOSSES,
    Choice,
    Listwise,
    Loss,
    Parameter,
    ParameterError,
    completed,
    named,
    registered,
)

__all__ = ["LISTWISE", "LOSSES", "Choice", "Listwise", "Loss", "Parameter", "ParameterError", "completed", "named"]
__all__ += ["of_probabilities", "registered"]

for family in ("hinges", *modules_in(__path__[0])):  # the default, margin_ranking, is the first in every list
    import_module(f"mrl_cli.losses.{family}")
