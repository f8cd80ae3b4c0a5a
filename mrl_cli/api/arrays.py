"""The Python interface: pairwise losses and their gradients on arrays, lists and Series, with exact sums."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np

from mrl_cli.api.errors import argument_errors, value_errors
from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES, completed, settled
from mrl_cli.model import PairReduction, Plan
from mrl_cli.records import NamedTuple
from mrl_cli.settings import check_choice, check_has_margin, check_margins

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from numpy.typing import ArrayLike, NDArray

    from mrl_cli.api.results import Points
    from mrl_cli.api.settings import CurveSettings, Frame, PairSettings, SweepSettings


@overload
def pairwise_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, reduction: Literal["mean", "sum"] = ..., **more: Unpack[PairSettings]
) -> float: ...
@overload
def pairwise_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, reduction: Literal["none"], **more: Unpack[PairSettings]
) -> NDArray[Any]: ...
@overload
def pairwise_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, reduction: PairReduction, **more: Unpack[PairSettings]
) -> float | NDArray[Any]: ...
def pairwise_loss(
    x1: ArrayLike,
    x2: ArrayLike,
    y: ArrayLike,
    *,
    loss: str = "margin_ranking",
    margin: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    reduction: PairReduction = "mean",
    **parameters: float,
) -> float | NDArray[Any]:
    """Return a registered loss of pairs, reduced.

    `x1`, `x2` and `y` are arrays, lists, Series of pandas or Polars, or scalars of one and the same shape: nothing
    broadcasts, but `y` may be one number for all pairs. `y` is 1 where x1 should rank above x2 and -1 where below; any
    other real number is taken as it is, as in PyTorch (for margin_mse it is the difference that x1 - x2 should have);
    labels 0 and 1, none below, give MrlWarning: a pair of label 0 costs the same whatever its scores. `loss` is a name
    that `list_losses()` lists, or one that it goes by elsewhere; `parameters` are its own, each within its bounds.
    `margin` is a real number, or one for each pair; by default 0, or what the name of the loss implies.
    `weight` holds a finite number of at least 0 for each pair; a pair of weight 0 is left out.

    Arithmetic is float32 when both scores are float32 or float16, whatever integers the labels are, else float64;
    integers are converted before they are subtracted, so they cannot wrap. A float64 label widens as in PyTorch;
    margins and weights do not.

    reduction "sum" returns the sum of weight times loss and "mean" (default) that sum over the sum of the weights,
    which are 1 unless given: a float, from exact sums rounded once (under float32 to float32). "none" returns the
    per-pair losses, without their weights, in the inputs' shape. Over nothing the sum is 0.0 and the mean NaN.

    Raises ValueError when shapes differ, for an unknown loss, parameter or reduction and for a value out of bounds;
    TypeError for what is not a real number.

    >>> pairwise_loss([1.0, 3.0], [2.0, 1.0], [1, 1], loss="squared_hinge", margin=[1.0, 2.5], weight=[1, 2])
    1.5
    >>> pairwise_loss([0.0], [0.0], [1], loss="soft_zero_one", temperature=0.1, reduction="none")
    array([0.5])
    """
    pairs = _pairs(loss, parameters, reduction, x1=x1, x2=x2, y=y, margin=margin, weight=weight)
    with np.errstate(all="ignore"):
        losses = np.asarray(LOSSES[pairs.loss].kernel(pairs.difference, pairs.y, **pairs.settings))
    if reduction == "none":
        return losses
    if pairs.weight is None:
        unweighted = ExactSum.of(losses)
        total, mean = float(unweighted), unweighted.over(losses.size)
    else:
        counts = pairs.weight > 0
        weighted = ExactSum.of_products(pairs.weight[counts], losses[counts])
        total, mean = float(weighted), weighted / ExactSum.of(pairs.weight)
    with np.errstate(all="ignore"):
        return float(losses.dtype.type(total if reduction == "sum" else mean))


def pairwise_loss_grad(
    x1: ArrayLike,
    x2: ArrayLike,
    y: ArrayLike,
    *,
    loss: str = "margin_ranking",
    margin: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    reduction: PairReduction = "mean",
    **parameters: float,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the gradients of `pairwise_loss` for x1 and for x2, each in the inputs' shape and float dtype.

    Under "sum" a pair's gradient is multiplied by its weight, under "mean" also divided by the sum of the weights;
    under "none" it is each loss's own. At the kink of margin_ranking it passes, as in PyTorch.

    Arguments and errors are those of `pairwise_loss`.

    >>> pairwise_loss_grad([0.0, 3.0], [1.0, 1.0], [1, 1], loss="margin_mse", reduction="sum")
    (array([-4.,  2.]), array([ 4., -2.]))
    """
    pairs = _pairs(loss, parameters, reduction, x1=x1, x2=x2, y=y, margin=margin, weight=weight)
    with np.errstate(all="ignore"):
        gradient = np.asarray(LOSSES[pairs.loss].gradient(pairs.difference, pairs.y, **pairs.settings))
        if reduction != "none" and pairs.weight is not None:
            divisor = float(ExactSum.of(pairs.weight)) if reduction == "mean" else 1.0
            share = (pairs.weight / divisor).astype(gradient.dtype)
            # A pair of weight 0 is left out, however infinite its gradient.
            gradient = np.where(pairs.weight > 0, gradient * share, gradient.dtype.type(0))
        elif reduction == "mean":
            # PyTorch's backward pass too scales by 1/n, divided in the dtype of the losses.
            gradient = gradient * (gradient.dtype.type(1) / gradient.dtype.type(max(gradient.size, 1)))
        gradient = gradient.astype(pairs.score_dtype, copy=False)
    return gradient, -gradient


@overload
def sweep(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, margins: ArrayLike, **settings: Unpack[CurveSettings]
) -> Points: ...
@overload
def sweep(frame: Frame, /, *, margins: ArrayLike, **settings: Unpack[SweepSettings]) -> Points: ...
def sweep(*data: Any, **settings: Any) -> Points:
    """Return what pairs come to at each of many margins: a record for each, in the order given, as pandas takes them.

    A record has the keys of a point of `mrl sweep`: `margin`; `sum` and `mean` of the losses, weighted where there are
    weights; `active`, how many pairs have a loss above 0, and `active_share`; `gradient_share`, the share of pairs
    whose gradient is not 0; and, unless the loss is a hinge, `mean_gradient`, the mean magnitude of the gradient for
    x1. Shares are of the pairs with a weight above 0; over nothing they and the mean are NaN.

    For a hinge the sum is that of the unrounded losses, rounded once, where `pairwise_loss` adds up the losses as each
    is rounded: the two differ by a few units in the last place at most. A hundred margins take little more time than
    one. `margins` is an array of shape (n,), or one number. Other arguments, arithmetic and errors are those of
    `pairwise_loss`; a loss without a margin is a ValueError. A frame may stand in place of x1, x2 and y: then other
    arguments, arithmetic and errors are those of `evaluate`, but for its margin, groups and intervals.

    >>> [(point["mean"], point["active"]) for point in sweep([0.5, 1.0], [0.25, 2.0], [1, 1], [0.0, 0.5])]
    [(0.5, 1), (0.875, 2)]
    >>> sweep({"chosen": [0.5], "rejected": [0.25]}, x1="chosen", x2="rejected", y_const=1, margins=1)[0]["mean"]
    0.75
    """
    from mrl_cli.inputs.frame import is_frame

    if data and is_frame(data[0]):
        from mrl_cli.api.frames import sweep_frame

        frame, *given = data
        if len(given) + ("margins" in settings) != 1:
            raise TypeError("sweep() of a frame takes the frame and margins")
        return sweep_frame(frame, margins_of(given[0] if given else settings.pop("margins")), **settings)
    return _sweep(*data, **settings)


def _sweep(
    x1: ArrayLike,
    x2: ArrayLike,
    y: ArrayLike,
    margins: ArrayLike,
    *,
    loss: str = "margin_ranking",
    weight: ArrayLike | None = None,
    **parameters: float,
) -> Points:
    from mrl_cli.api.results import Points
    from mrl_cli.reductions.curve import CurveReduction
    from mrl_cli.reports.sweep import sweep_points

    pairs = _pairs(loss, parameters, x1=x1, x2=x2, y=y, margin=0.0, weight=weight)
    each = margins_of(margins)
    plan = Plan.of(loss=pairs.loss, dtype="float32" if pairs.difference.dtype == np.float32 else "float64")
    with value_errors():
        check_margins(pairs.loss, each, plan.loss.dtype)
    settings = {name: value for name, value in pairs.settings.items() if name != "margin"}
    swept = CurveReduction(pairs.loss, each, plan.loss.dtype, settings)
    flat = [column.reshape(-1) for column in (pairs.difference, pairs.y, pairs.weight) if column is not None]
    whole = None
    if pairs.weight is not None:
        flat, whole = [column[flat[2] > 0] for column in flat], float(ExactSum.of(pairs.weight))
    points = sweep_points(swept.points(swept.curve(*flat)), each, flat[0].size, whole, plan)
    return Points.of(points)


@overload
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: ArrayLike = ..., reduction: Literal["mean", "sum"] = ...
) -> float: ...
@overload
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: ArrayLike = ..., reduction: Literal["none"]
) -> NDArray[Any]: ...
@overload
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: ArrayLike = ..., reduction: PairReduction
) -> float | NDArray[Any]: ...
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: ArrayLike = 0.0, reduction: PairReduction = "mean"
) -> float | NDArray[Any]:
    """Return PyTorch's margin ranking loss, max(0, -y*(x1 - x2) + margin), reduced.

    Arguments, arithmetic and errors are those of `pairwise_loss`. The per-pair losses under "none" equal PyTorch's bit
    for bit; "mean" (default) and "sum" are exact sums of them, rounded once.

    Source: PyTorch 2.13, torch.nn.functional.margin_ranking_loss.

    >>> margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5)
    0.875
    >>> margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5, reduction="none")
    array([0.25, 1.5 ])
    """
    return pairwise_loss(x1, x2, y, margin=margin, reduction=reduction)


def margin_ranking_loss_grad(
    x1: ArrayLike, x2: ArrayLike, y: ArrayLike, *, margin: ArrayLike = 0.0, reduction: PairReduction = "mean"
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the gradients of `margin_ranking_loss` for x1 and for x2, each in the inputs' shape and float dtype.

    A pair with -y*(x1 - x2) + margin >= 0 has the gradient -y for x1 and y for x2, others 0: at the kink it passes,
    as in PyTorch. Under "mean" it is divided by the number of pairs; under "none" it is each loss's own gradient.

    Arguments and errors are those of `pairwise_loss`.

    >>> margin_ranking_loss_grad([0.0, 3.0], [1.0, 1.0], [1, 1], margin=1.0, reduction="sum")
    (array([-1., -0.]), array([1., 0.]))
    """
    return pairwise_loss_grad(x1, x2, y, margin=margin, reduction=reduction)


@dataclass(frozen=True, slots=True)
class MarginRankingLoss:
    """`margin_ranking_loss` with its settings, called as loss(x1, x2, y), after `torch.nn.MarginRankingLoss`.

    >>> MarginRankingLoss(margin=0.5)([0.5], [0.25], [1])
    0.25
    """

    margin: float = 0.0
    reduction: PairReduction = "mean"

    @value_errors()
    def __post_init__(self) -> None:
        _check_real("margin", self.margin)
        check_choice("reduction", self.reduction, get_args(PairReduction))

    def __call__(self, x1: ArrayLike, x2: ArrayLike, y: ArrayLike) -> float | NDArray[Any]:
        """Return the loss of the pairs; see `margin_ranking_loss`."""
        return margin_ranking_loss(x1, x2, y, margin=self.margin, reduction=self.reduction)

    def grad(self, x1: ArrayLike, x2: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the gradients for x1 and x2; see `margin_ranking_loss_grad`."""
        return margin_ranking_loss_grad(x1, x2, y, margin=self.margin, reduction=self.reduction)


class _Pairs(NamedTuple):
    """A loss by its own name, and pairs ready for its kernel: all in the float dtype of the arithmetic but the weights,
    which are float64.
    """

    loss: str
    difference: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    settings: dict[str, Any]  # margin and parameters
    score_dtype: np.dtype[Any]


def _pairs(loss: str, parameters: Mapping[str, float], reduction: str = "mean", **given: Any) -> _Pairs:
    """Check everything that a caller can get wrong; `given` are x1, x2, y, margin and weight, in that order."""
    pairs = _checked(loss, parameters, reduction, given)
    _warn_of_codes(pairs)
    return pairs


@value_errors()
def _checked(loss: str, parameters: Mapping[str, float], reduction: str, given: dict[str, Any]) -> _Pairs:
    check_choice("reduction", reduction, get_args(PairReduction))
    for name, value in parameters.items():
        _check_real(name, value)
    margin = given["margin"]
    if isinstance(margin, bool | str | Real) or margin is None:
        loss, margin, parameters = settled(loss, given.pop("margin"), parameters, among=LOSSES)
        margin = 0.0 if margin is None else margin
        _check_real("margin", margin)
    else:
        loss, _, parameters = settled(loss, None, parameters, has_margins=True, among=LOSSES)
    if given["weight"] is None:
        del given["weight"]
    arrays = {name: real_array(name, values) for name, values in given.items()}
    is_one_label = arrays["y"].ndim == 0 < arrays["x1"].ndim
    if is_one_label:
        arrays["y"] = np.full(arrays["x1"].shape, arrays["y"])
    if len({array.shape for array in arrays.values()}) > 1:
        *names, last = arrays
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{', '.join(names)} and {last} must have one shape, nothing is broadcast: {shapes}")
    weight = arrays["weight"].astype(np.float64) if "weight" in arrays else None
    if weight is not None and not (fits := np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError(f"weight must be finite and at least 0; there is {weight[~fits].flat[0]}")
    scores = np.result_type(arrays["x1"], arrays["x2"])
    score_dtype = np.dtype(np.float32 if scores in (np.float16, np.float32) else np.float64)
    # As in PyTorch, wide labels widen what follows the subtraction; labels that came without a dtype widen nothing.
    is_widened = hasattr(given["y"], "dtype") and arrays["y"].dtype == np.float64 and not is_one_label
    dtype = np.dtype(np.float64) if is_widened else score_dtype
    with np.errstate(all="ignore"):
        first, second = (arrays[name].astype(score_dtype, copy=False) for name in ("x1", "x2"))
        difference = np.asarray(first - second).astype(dtype, copy=False)
    # -0.0 becomes 0.0, for a loss is never the negative zero.
    margin = (arrays["margin"].astype(dtype) if "margin" in arrays else float(margin)) + 0.0
    if np.any(margin != 0):
        check_has_margin(loss)
    with argument_errors(pairwise_loss):
        settings = {"margin": margin, **completed(loss, parameters)}
    return _Pairs(loss, difference, arrays["y"].astype(dtype, copy=False), weight, settings, score_dtype)


FEW_LABELS = 64  # which mostly show that there are labels below 0


def _warn_of_codes(pairs: _Pairs) -> None:
    """Warn of labels 0 and 1, and maybe others above 0: they are taken for factors."""
    labels = pairs.y.reshape(-1)
    if not labels.size or LOSSES[pairs.loss].is_target or not labels[:FEW_LABELS].min() >= 0:
        return
    zeros, ones = np.count_nonzero(labels == 0), np.count_nonzero(labels == 1)
    if not zeros or not ones or not labels.min() >= 0:
        return
    from mrl_cli.api.results import warn_of
    from mrl_cli.reports.notes import AS_THEY_ARE

    if zeros + ones == labels.size:
        warn_of([f"labels are 0 and 1 {AS_THEY_ARE} Are they the one and the other order? Then give 2*y - 1"])
    else:
        warn_of([f"labels are 0, 1 and others {AS_THEY_ARE} Give 1 where x1 is better, -1 where x2 is"])


FIRST_INEXACT = 2.0**53  # the integer after it is no double


def real_array(name: str, given: ArrayLike) -> NDArray[Any]:
    """Return what an argument of that name holds, an array of real numbers. Raises TypeError for anything else."""
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; leave the masked pairs out first")
    array = np.asarray(given)
    if array.size == 0 and array.dtype.kind == "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        held = {"U": "text", "S": "text", "O": "Python objects"}.get(array.dtype.kind, array.dtype)
        raise TypeError(f"{name} must hold real numbers of at most 64 bits, not {held}")
    return array


def exact_doubles(name: str, given: ArrayLike) -> NDArray[np.float64]:
    """Return what an argument holds as doubles. Raises ValueError for an integer that is not one."""
    array = real_array(name, given)
    doubles = array.astype(np.float64)
    if array.dtype.kind in "iu":
        for place in np.flatnonzero(np.abs(doubles) >= FIRST_INEXACT).tolist():
            if int(doubles.flat[place]) != int(array.flat[place]):
                raise ValueError(f"{name} holds {array.flat[place]}, an integer that is not exact as a double")
    return doubles


def margins_of(given: ArrayLike) -> list[float]:
    """Return the margins of a sweep: one number, or shape (n,). Raises TypeError or ValueError for anything else."""
    if isinstance(given, str):
        raise TypeError(f"margins must be numbers, not the text {given!r}; for a range there is numpy.arange")
    array = real_array("margins", given).astype(np.float64)
    if array.ndim > 1:
        raise ValueError(f"margins must be one number or an array of shape (n,), not {array.shape}")
    margins: list[float] = array.reshape(-1).tolist()
    return margins


def _check_real(name: str, value: object) -> None:
    if isinstance(value, bool | str) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, not {value!r}")
