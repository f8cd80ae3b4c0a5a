"""Losses that are the square of a distance: they pull a pair to a difference, and blame it beyond that too."""

from __future__ import annotations

import numpy as np

from mrl_cli.losses.registry import BETA, Floats, registered


def ipo_gradient(distance: Floats, y: Floats, beta: float) -> Floats:
    """Return 2*y*(distance - 1/(2*beta)).

    >>> ipo_gradient(np.array([2.0, -2.0]), np.array([1.0, -1.0]), beta=0.5)
    array([2., 6.])
    """
    distance -= 1 / (2 * beta)
    distance *= 2 * y
    return distance


@registered(
    formula="(y*(x1 - x2) - 1/(2*beta))**2",
    source="Azar et al., A General Theoretical Paradigm to Understand Learning from Human Preferences, 2023,"
    " arXiv 2310.12036; TRL, OpenRLHF",
    gradient=ipo_gradient,
    power=2,
    parameters=(BETA,),
    has_margin=False,
    is_monotone=False,
)
def ipo(distance: Floats, beta: float) -> Floats:
    """Return (distance - 1/(2*beta))**2.

    >>> ipo(np.array([2.0, -1.0]), beta=0.5)
    array([1., 4.])
    """
    distance -= 1 / (2 * beta)
    return np.square(distance, out=distance)


def margin_mse_gradient(distance: Floats, y: Floats) -> Floats:
    """Return 2*distance.

    >>> margin_mse_gradient(np.array([1.5, -2.0]), np.array([0.5, 3.0]))
    array([ 3., -4.])
    """
    del y
    return np.multiply(distance, 2, out=distance)


@registered(
    formula="((x1 - x2) - y)**2, y the difference that x1 - x2 should have",
    source="Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge"
    " Distillation, 2020, arXiv 2010.02666; sentence-transformers, MarginMSELoss",
    gradient=margin_mse_gradient,
    power=2,
    has_margin=False,
    is_monotone=False,
    is_target=True,
)
def margin_mse(distance: Floats) -> Floats:
    """Return distance**2, where the distance is that from the target: (x1 - x2) - y.

    >>> margin_mse(np.array([1.5, -2.0]))
    array([2.25, 4.  ])
    """
    return np.square(distance, out=distance)
