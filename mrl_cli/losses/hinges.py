"""Losses that are exactly 0 from the margin on."""

from __future__ import annotations

import numpy as np

from mrl_cli.losses.registry import Floats, Margin, registered


def margin_ranking_gradient(distance: Floats, y: Floats, margin: Margin) -> Floats:
    """Return -y where margin - distance >= 0, else 0.

    At exactly 0, the kink, the gradient passes, as in PyTorch (derivatives.yaml, clamp_min: `self >= min`). An
    inactive pair gets 0 * -y, a zero with the sign that PyTorch's backward pass gives it.

    >>> margin_ranking_gradient(np.array([0.5, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]), margin=1.0)
    array([-1., -1., -0.])
    """
    np.subtract(margin, distance, out=distance)
    np.copyto(distance, distance >= 0)
    return np.multiply(distance, -y, out=distance)


@registered(
    formula="max(0, -y*(x1 - x2) + margin)",
    source="PyTorch 2.13, torch.nn.functional.margin_ranking_loss (aten/src/ATen/native/Loss.cpp)",
    gradient=margin_ranking_gradient,
    power=1,
    is_hinge=True,
)
def margin_ranking(distance: Floats, margin: Margin) -> Floats:
    """Return max(0, margin - distance), bit for bit as PyTorch rounds max(0, -y*(x1 - x2) + margin); NaN stays NaN.

    It is the same number: a change of sign is exact, and addition commutes
    (test_margin_ranking_equals_definition_in_written_order).

    >>> margin_ranking(np.array([0.5, -0.5]), margin=0.25)
    array([0.  , 0.75])
    """
    np.subtract(margin, distance, out=distance)
    return np.maximum(distance, 0.0, out=distance)


def squared_hinge_gradient(distance: Floats, y: Floats, margin: Margin) -> Floats:
    """Return -2*y*max(0, margin - distance).

    >>> squared_hinge_gradient(np.array([0.5, 1.0, -2.0]), np.array([1.0, 1.0, -1.0]), margin=1.0)
    array([-1., -0.,  6.])
    """
    return np.multiply(margin_ranking(distance, margin), -2 * y, out=distance)


@registered(
    formula="max(0, margin - y*(x1 - x2))**2",
    source="Lee and Lin, Large-scale linear RankSVM, Neural Computation 26, 2014",
    gradient=squared_hinge_gradient,
    power=2,
    is_hinge=True,
)
def squared_hinge(distance: Floats, margin: Margin) -> Floats:
    """Return max(0, margin - distance)**2.

    >>> squared_hinge(np.array([0.5, -0.5, 3.0]), margin=1.0)
    array([0.25, 2.25, 0.  ])
    """
    return np.square(margin_ranking(distance, margin), out=distance)
