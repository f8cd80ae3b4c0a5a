"""Pairwise losses: pure NumPy kernels with their gradients, and the registry `LOSSES`.

A kernel knows one pair at a time and nothing of files, checks, weights or reductions. It is given the difference
x1 - x2, already taken in the float dtype, because every pairwise loss depends on the scores only through it; the
gradient for x1 is then the gradient for the difference, and the one for x2 its negative.

To add a loss, write one function here under `@registered(...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating[Any]]

Kernel = Callable[..., "Floats"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A registered loss: its kernel and gradient, and what `mrl losses` tells of it."""

    name: str
    formula: str
    source: str
    kernel: Kernel
    gradient: Kernel
    parameters: tuple[str, ...] = ()


LOSSES: dict[str, Loss] = {}


def registered(*, formula: str, source: str, gradient: Kernel) -> Callable[[Kernel], Kernel]:
    """Enter a kernel named `NAME_loss` into `LOSSES` under NAME."""

    def enter(kernel: Kernel) -> Kernel:
        name = kernel.__name__.removesuffix("_kernel")
        LOSSES[name] = Loss(name=name, formula=formula, source=source, kernel=kernel, gradient=gradient)
        return kernel

    return enter


def margin_ranking_gradient(difference: Floats, y: Floats, *, margin: float) -> Floats:
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
)
def margin_ranking_kernel(difference: Floats, y: Floats, *, margin: float, out: Floats | None = None) -> Floats:
    """Return max(0, -y*difference + margin) for each pair, bit for bit as PyTorch rounds it.

    `difference` is x1 - x2, `y` the label, both float64 or both float32 and of one shape; `margin` is any real number.
    The result has their shape and dtype, is at least 0, and goes to `out` when that is given. NaN stays NaN.

    margin - y*difference is the same number as -y*difference + margin: a change of sign is exact, and addition
    commutes (test_margin_ranking_equals_definition_in_written_order).

    >>> margin_ranking_kernel(np.array([0.5, -0.5]), np.array([1.0, 1.0]), margin=0.25)
    array([0.  , 0.75])
    """
    losses = np.empty_like(difference) if out is None else out
    np.multiply(y, difference, out=losses)
    np.subtract(margin, losses, out=losses)
    return np.maximum(losses, 0.0, out=losses)
