"""Narrow floats: values rounded to them, and how losses come about in tensors of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

NARROW = ("bfloat16", "float16")


def narrowed(values: Floats, dtype: str) -> NDArray[np.float64]:
    """Return values rounded to a narrow float, as float64. NaN and infinities do not become a bfloat16 here.

    >>> narrowed(np.array([1.0, 0.8303]), "bfloat16").tolist(), narrowed(np.array([0.8303]), "float16").tolist()
    ([1.0, 0.83203125], [0.830078125])
    """
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(np.float64)
    bits = values.astype(np.float32).view(np.uint32)  # whose upper half is kept, ties to even
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64))


def as_held(values: Floats, tensors: str | None) -> Floats:
    """Return the result of an operation as tensors of a narrow float hold it, or as it is where there are none.

    PyTorch computes an operation on float16 or bfloat16 in float32, and rounds its result.
    """
    return values if tensors is None else narrowed(values, tensors).astype(np.float32)


def operands_in_tensors(
    tensors: str, loss: str, parameters: dict[str, float], difference: Floats, y: Floats, margin: Any
) -> tuple[Floats, Any, dict[str, float]]:
    """Return the difference, margin and parameters that a kernel still has to use, of tensors of a narrow float.

    A scale and a margin are operations of their own, before that of the loss: each is rounded.
    """
    parameters = dict(parameters)
    if "temperature" in parameters:
        difference = as_held(difference / parameters["temperature"], tensors)
        parameters["temperature"] = 1.0
    elif "beta" in parameters and loss != "ipo":  # whose beta says where the difference should be
        difference = as_held(parameters["beta"] * difference, tensors)
        parameters["beta"] = 1.0
    if LOSSES[loss].has_margin and np.all(np.abs(y) == 1):
        return y * as_held(y * difference - margin, tensors), 0.0, parameters
    return difference, margin, parameters
