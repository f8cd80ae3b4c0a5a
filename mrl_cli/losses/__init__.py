"""Pairwise losses: pure NumPy kernels with their gradients, and the registry `LOSSES`.

A kernel works on one pair at a time, without files, checks, weights or reductions. Every pairwise loss depends on the
scores only through their difference x1 - x2, taken in the float dtype; the gradient for x1 is then that for the
difference, and the one for x2 its negative.

To add a loss, write its function and its gradient under `@registered(...)` in the module of its family: `hinges`,
`logistics`, `squares`; a new family is imported here. What other rooms want to know of a loss is a trait of `Loss`.
"""

from __future__ import annotations

from mrl_cli.losses import hinges, logistics, squares
from mrl_cli.losses.registry import LOSSES, Loss, Parameter, ParameterError, completed, registered

__all__ = ["LOSSES", "Loss", "Parameter", "ParameterError", "completed", "hinges", "logistics", "registered", "squares"]
