"""The Python interface: PyTorch's margin ranking loss on arrays, lists and Series, with exact sums."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses.hinges import margin_ranking_gradient, margin_ranking_kernel
from mrl_cli.model import Reduction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> float | NDArray[Any]:
    """Return PyTorch's margin ranking loss, max(0, -y*(x1 - x2) + margin), reduced.

    `x1`, `x2` and `y` are arrays, lists, pandas Series or scalars of one and the same shape: nothing broadcasts. `y`
    is 1 where x1 should rank above x2 and -1 where below; like PyTorch, any other real number is taken as it is.
    `margin` is any real number. Arithmetic is float32 when
    both scores are float32 or float16, whatever integers the labels are, else float64; integers are converted before
    they are subtracted, so they cannot wrap.

    reduction "mean" (default) and "sum" return a float: the exact sum of the per-pair losses, rounded once (under
    float32 to float32). "none" returns the per-pair losses, equal bit for bit to PyTorch's, in the inputs' shape.
    Over nothing the sum is 0.0 and the mean NaN.

    Raises ValueError when shapes differ or the reduction is unknown, TypeError for what is not a real number.

    Source: PyTorch 2.13, torch.nn.functional.margin_ranking_loss.

    >>> margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5)
    0.875
    >>> margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5, reduction="none")
    array([0.25, 1.5 ])
    """
    _check_reduction(reduction)
    difference, labels, _ = _difference(x1, x2, y)
    with np.errstate(all="ignore"):
        losses = np.asarray(margin_ranking_kernel(difference, labels, margin=_checked_margin(margin)))
    if reduction == "none":
        return losses
    total = float(ExactSum.of(losses))
    if reduction == "mean":
        total = total / losses.size if losses.size else float("nan")
    with np.errstate(all="ignore"):
        return float(losses.dtype.type(total))


def margin_ranking_loss_grad(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the gradients of `margin_ranking_loss` for x1 and for x2, each in the inputs' shape and float dtype.

    A pair with -y*(x1 - x2) + margin >= 0 has the gradient -y for x1 and y for x2, others 0: at the kink it passes,
    as in PyTorch. Under "mean" it is divided by the number of pairs; under "none" it is each loss's own gradient.

    Arguments and errors are those of `margin_ranking_loss`.

    >>> margin_ranking_loss_grad([0.0, 3.0], [1.0, 1.0], [1, 1], margin=1.0, reduction="sum")
    (array([-1., -0.]), array([1., 0.]))
    """
    _check_reduction(reduction)
    difference, labels, score_dtype = _difference(x1, x2, y)
    with np.errstate(all="ignore"):
        gradient = np.asarray(margin_ranking_gradient(difference, labels, margin=_checked_margin(margin)))
        if reduction == "mean":
            # PyTorch's backward pass too scales by 1/n, divided in the dtype of the losses.
            gradient = gradient * (gradient.dtype.type(1) / gradient.dtype.type(max(gradient.size, 1)))
        gradient = gradient.astype(score_dtype, copy=False)
    return gradient, -gradient


@dataclass(frozen=True, slots=True)
class MarginRankingLoss:
    """`margin_ranking_loss` with its settings, called as loss(x1, x2, y), after `torch.nn.MarginRankingLoss`.

    >>> MarginRankingLoss(margin=0.5)([0.5], [0.25], [1])
    0.25
    """

    margin: float = 0.0
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        _checked_margin(self.margin)
        _check_reduction(self.reduction)

    def __call__(self, x1: ArrayLike, x2: ArrayLike, y: ArrayLike) -> float | NDArray[Any]:
        """Return the loss of the pairs; see `margin_ranking_loss`."""
        return margin_ranking_loss(x1, x2, y, margin=self.margin, reduction=self.reduction)

    def grad(self, x1: ArrayLike, x2: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the gradients for x1 and x2; see `margin_ranking_loss_grad`."""
        return margin_ranking_loss_grad(x1, x2, y, margin=self.margin, reduction=self.reduction)


def _difference(x1: ArrayLike, x2: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], np.dtype[Any]]:
    """Return x1 - x2 and y in the float dtype of the arithmetic, and the scores' float dtype, after checking all."""
    arrays = {name: _real_array(name, given) for name, given in (("x1", x1), ("x2", x2), ("y", y))}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        msg = f"x1, x2 and y must have one shape, nothing is broadcast: {found}"
        raise ValueError(msg)
    scores = np.result_type(arrays["x1"], arrays["x2"])
    score_dtype = np.dtype(np.float32 if scores in (np.float16, np.float32) else np.float64)
    with np.errstate(all="ignore"):
        first, second = (arrays[name].astype(score_dtype, copy=False) for name in ("x1", "x2"))
        difference = np.asarray(first - second)
    # As in PyTorch, wide labels widen what follows the subtraction; labels that came without a dtype widen nothing.
    is_widened = hasattr(y, "dtype") and arrays["y"].dtype == np.float64
    dtype = np.dtype(np.float64) if is_widened else score_dtype
    return difference.astype(dtype, copy=False), arrays["y"].astype(dtype, copy=False), score_dtype


def _real_array(name: str, given: ArrayLike) -> NDArray[Any]:
    if isinstance(given, np.ma.MaskedArray):
        msg = f"{name} is a masked array; leave the masked pairs out first"
        raise TypeError(msg)
    array = np.asarray(given)
    if array.size == 0 and array.dtype.kind == "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        msg = f"{name} must hold real numbers of at most 64 bits, not {array.dtype}"
        raise TypeError(msg)
    return array


def _checked_margin(margin: float) -> float:
    if isinstance(margin, bool | str) or not isinstance(margin, Real):
        msg = f"margin must be a real number, not {margin!r}"
        raise TypeError(msg)
    return float(margin) + 0.0  # -0.0 + 0.0 is 0.0: a loss is never the negative zero


def _check_reduction(reduction: str) -> None:
    if reduction not in get_args(Reduction):
        msg = f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}"
        raise ValueError(msg)
