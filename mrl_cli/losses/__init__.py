"""Pairwise losses: pure NumPy kernels with their gradients, and the registry `LOSSES`.

A kernel knows one pair at a time and nothing of files, checks, weights or reductions. It is given the difference
x1 - x2, already taken in the float dtype, because every pairwise loss depends on the scores only through it; the
gradient for x1 is then the gradient for the difference, and the one for x2 its negative.

To add a loss, write one function under `@registered(...)` in the module of its family: `hinges`, `logistics`,
`squares`; a new family is imported here.
"""

from __future__ import annotations

from mrl_cli.losses import hinges, logistics, squares
from mrl_cli.losses.parameters import Parameter, ParameterError
from mrl_cli.losses.registry import LOSSES, Loss, completed, registered

__all__ = ["LOSSES", "Loss", "Parameter", "ParameterError", "completed", "hinges", "logistics", "registered", "squares"]
