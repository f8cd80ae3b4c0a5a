"""Labels that are probabilities: a loss of the pair either way round, weighted by how likely each way is."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mrl_cli.losses.registry import Floats, Kernel, Margin


def of_probabilities(function: Kernel) -> Kernel:
    """Return a kernel, or a gradient, as `Loss` documents it, whose y is the probability that x1 is better, 0 to 1.

    It is y*l(+) + (1 - y)*l(-), in that order, where l(+) is the loss under the label 1 and l(-) that under -1. For 1
    and 0 it is the one of the two, bit for bit: 0 times an infinite loss is nothing.

    >>> from mrl_cli.losses import LOSSES
    >>> hinge = of_probabilities(LOSSES["margin_ranking"].kernel)
    >>> hinge(np.array([0.5, 0.5, 0.5]), np.array([1.0, 0.25, 0.0]), margin=1.0)
    array([0.5 , 1.25, 1.5 ])
    """

    @wraps(function)
    def called(
        difference: Floats, y: Floats, *, margin: Margin, out: Floats | None = None, **parameters: Any
    ) -> Floats:
        ones = np.ones_like(y)
        better = function(difference, ones, margin=margin, **parameters)
        worse = function(difference, -ones, margin=margin, **parameters)
        losses = np.multiply(y, better, out=np.empty_like(difference) if out is None else out)
        losses += (1 - y) * worse
        np.copyto(losses, better, where=y == 1)
        np.copyto(losses, worse, where=y == 0)
        return losses

    return called
