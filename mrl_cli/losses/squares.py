"""Losses that are the square of a distance: they pull a pair to a difference, and blame it beyond that too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.losses.parameters import BETA
from mrl_cli.losses.registry import registered

if TYPE_CHECKING:
    from mrl_cli.losses.registry import Floats


def ipo_gradient(difference: Floats, y: Floats, *, margin: float | Floats, beta: float) -> Floats:
    """Return the gradient of the ipo loss for the difference: 2*y*(y*difference - 1/(2*beta)).

    >>> ipo_gradient(np.array([2.0, 2.0]), np.array([1.0, -1.0]), margin=0.0, beta=0.5)
    array([2., 6.])
    """
    del margin
    return (y * difference - 1 / (2 * beta)) * (2 * y)


@registered(
    formula="(y*(x1 - x2) - 1/(2*beta))**2",
    source="Azar et al., A General Theoretical Paradigm to Understand Learning from Human Preferences, 2023,"
    " arXiv 2310.12036; TRL, OpenRLHF",
    gradient=ipo_gradient,
    parameters=(BETA,),
    has_margin=False,
    is_monotone=False,
)
def ipo_kernel(
    difference: Floats, y: Floats, *, margin: float | Floats, beta: float, out: Floats | None = None
) -> Floats:
    """Return (y*difference - 1/(2*beta))**2 for each pair; see `Loss` for the arguments.

    >>> ipo_kernel(np.array([2.0, 1.0]), np.array([1.0, -1.0]), margin=0.0, beta=0.5)
    array([1., 4.])
    """
    del margin
    losses = np.multiply(y, difference, out=np.empty_like(difference) if out is None else out)
    np.subtract(losses, 1 / (2 * beta), out=losses)
    return np.square(losses, out=losses)


def margin_mse_gradient(difference: Floats, y: Floats, *, margin: float | Floats) -> Floats:
    """Return the gradient of the margin MSE loss for the difference: 2*(difference - y).

    >>> margin_mse_gradient(np.array([2.0, 1.0]), np.array([0.5, 3.0]), margin=0.0)
    array([ 3., -4.])
    """
    del margin
    return 2 * (difference - y)


@registered(
    formula="((x1 - x2) - y)**2, y the difference that x1 - x2 should have",
    source="Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge"
    " Distillation, 2020, arXiv 2010.02666; sentence-transformers, MarginMSELoss",
    gradient=margin_mse_gradient,
    has_margin=False,
    is_monotone=False,
    is_target=True,
)
def margin_mse_kernel(difference: Floats, y: Floats, *, margin: float | Floats, out: Floats | None = None) -> Floats:
    """Return (difference - y)**2 for each pair, where y is the target difference, any real number.

    >>> margin_mse_kernel(np.array([2.0, 1.0]), np.array([0.5, 3.0]), margin=0.0)
    array([2.25, 4.  ])
    """
    del margin
    losses = np.subtract(difference, y, out=np.empty_like(difference) if out is None else out)
    return np.square(losses, out=losses)
