"""Losses that are exactly 0 from the margin on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.losses.registry import registered

if TYPE_CHECKING:
    from mrl_cli.losses.registry import Floats


def margin_ranking_gradient(difference: Floats, y: Floats, *, margin: float | Floats) -> Floats:
    """Return the gradient of the margin ranking loss for the difference: -y where margin - y*difference >= 0, else 0.

    At exactly 0, the kink, the gradient passes, as in PyTorch (derivatives.yaml, clamp_min: `self >= min`). An
    inactive pair gets 0 * -y, a zero with the sign that PyTorch's backward pass gives it.

    >>> margin_ranking_gradient(np.array([0.5, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]), margin=1.0)
    array([-1., -1., -0.])
    """
    active = margin - y * difference >= 0
    return active.astype(difference.dtype) * -y


@registered(
    formula="max(0, -y*(x1 - x2) + margin)",
    source="PyTorch 2.13, torch.nn.functional.margin_ranking_loss (aten/src/ATen/native/Loss.cpp)",
    gradient=margin_ranking_gradient,
    is_hinge=True,
)
def margin_ranking_kernel(
    difference: Floats, y: Floats, *, margin: float | Floats, out: Floats | None = None
) -> Floats:
    """Return max(0, -y*difference + margin) for each pair, bit for bit as PyTorch rounds it.

    `difference` is x1 - x2, `y` the label, both float64 or both float32 and of one shape; `margin` is any real number,
    or an array of them of that shape and dtype. The result has their shape and dtype, is at least 0, and goes to `out`
    when that is given. NaN stays NaN.

    margin - y*difference is the same number as -y*difference + margin: a change of sign is exact, and addition
    commutes (test_margin_ranking_equals_definition_in_written_order).

    >>> margin_ranking_kernel(np.array([0.5, -0.5]), np.array([1.0, 1.0]), margin=0.25)
    array([0.  , 0.75])
    """
    losses = np.empty_like(difference) if out is None else out
    np.multiply(y, difference, out=losses)
    np.subtract(margin, losses, out=losses)
    return np.maximum(losses, 0.0, out=losses)


def squared_hinge_gradient(difference: Floats, y: Floats, *, margin: float | Floats) -> Floats:
    """Return the gradient of the squared hinge loss for the difference: -2*y*max(0, margin - y*difference).

    >>> squared_hinge_gradient(np.array([0.5, 1.0, 2.0]), np.array([1.0, 1.0, -1.0]), margin=1.0)
    array([-1., -0.,  6.])
    """
    return -2 * y * np.maximum(margin - y * difference, 0.0)


@registered(
    formula="max(0, margin - y*(x1 - x2))**2",
    source="Lee and Lin, Large-scale linear RankSVM, Neural Computation 26, 2014",
    gradient=squared_hinge_gradient,
    is_hinge=True,
)
def squared_hinge_kernel(difference: Floats, y: Floats, *, margin: float | Floats, out: Floats | None = None) -> Floats:
    """Return max(0, margin - y*difference)**2 for each pair; see `Loss` for the arguments.

    >>> squared_hinge_kernel(np.array([0.5, -0.5, 3.0]), np.array([1.0, 1.0, 1.0]), margin=1.0)
    array([0.25, 2.25, 0.  ])
    """
    losses = margin_ranking_kernel(difference, y, margin=margin, out=out)
    return np.square(losses, out=losses)
