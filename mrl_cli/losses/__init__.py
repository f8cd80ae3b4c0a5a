"""Pairwise losses: pure NumPy kernels with their gradients, and the registry `LOSSES`; `LISTWISE`, losses of lists.

A kernel works on one pair at a time, without files, checks, weights or reductions. Every pairwise loss depends on the
scores only through their difference x1 - x2, taken in the float dtype; the gradient for x1 is then that for the
difference, and the one for x2 its negative.

To add a loss, write its function and its gradient under `@registered(...)` in the module of its family, or in a new
module here. What other rooms want to know of a loss is a trait of `Loss`. What it is called elsewhere is in `names`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["LISTWISE", "LOSSES", "Choice", "Listwise", "Loss", "Parameter", "ParameterError", "completed", "named"]
__all__ += ["of_probabilities", "registered", "settled"]

for family in ("hinges", *modules_in(__path__[0])):  # the default, margin_ranking, is the first in every list
    if family != "names":  # which few runs need
        import_module(f"mrl_cli.losses.{family}")


def settled(
    name: str,
    margin: float | None,
    parameters: Mapping[str, Any],
    *,
    has_margins: bool = False,
    among: Collection[str] = (),
) -> tuple[str, float | None, Mapping[str, Any]]:
    """Return the own name of a loss, and its margin and parameters with what the name given says of them.

    A margin of None is one that nothing says. `has_margins`: margins come from elsewhere. `among` are the losses that
    a caller has (all). Raises UsageError for a name of none of them, or of several, and where something is not said
    that the name leaves open.

    >>> settled("rank_svm", None, {}), settled("rank_svm", 0.5, {})
    (('margin_ranking', 1.0, {}), ('margin_ranking', 0.5, {}))
    """
    among = among or (*LOSSES, *LISTWISE)
    if isinstance(name, str) and name in among:
        return name, margin, parameters
    from mrl_cli.losses.names import settled_by  # few runs name a loss so

    return settled_by(str(name), margin, parameters, among, has_margins=has_margins)
