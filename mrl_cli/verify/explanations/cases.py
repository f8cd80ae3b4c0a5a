"""Pairs and how their losses came about: what a hypothesis changes, and the losses that it then gives."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES, of_probabilities
from mrl_cli.records import light_dataclass
from mrl_cli.verify.explanations.rounding import narrowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.dtypes import Array, Doubles

    Edit = Callable[["Case", Array], Array]

EXCHANGED = "x1 and x2 exchanged"


@light_dataclass(frozen=True, slots=True)
class Case:
    """Pairs, and how their losses came about. Scores, y and margin are float64 of shape (n,); margin may be a number.

    `dtype` is that of the arithmetic, float16 among them; `integers` that in which scores were subtracted, if any.
    `tensors` of a narrow float hold the result of each operation, which is then in float32, rounded.
    `formula` takes the place of the loss's kernel, and `edits` change its losses, one after the other. Where it
    `takes_probabilities`, y is the probability that x1 is better. `margin_from` is the option that margins come from,
    which a hint may take away; None where there is none to take away. `exchange` is what exchanges x1 and x2.
    """

    x1: Doubles
    x2: Doubles
    y: Doubles
    margin: float | Doubles = 0.0
    loss: str = "margin_ranking"
    parameters: dict[str, float] = field(default_factory=dict)
    dtype: str = "float64"
    integers: str | None = None
    formula: Callable[..., Array] | None = None
    edits: tuple[Edit, ...] = ()
    takes_probabilities: bool = False
    margin_from: str | None = "--margin"
    exchange: str = EXCHANGED
    tensors: str | None = None

    @property
    def signs(self) -> Doubles:
        """What x1 - x2 is multiplied by to see whether a pair is right: y, or the likelier side."""
        return np.sign(self.y - 0.5) if self.takes_probabilities else self.y

    def taken(self, which: Any) -> Case:
        """Return the case of some of the pairs."""
        names = ("x1", "x2", "y", "margin") if isinstance(self.margin, np.ndarray) else ("x1", "x2", "y")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


def _as_held(values: Array, tensors: str | None) -> Array:
    """Return the result of an operation as tensors of a narrow float hold it, or as it is where there are none.

    PyTorch computes an operation on float16 or bfloat16 in float32, and rounds its result.
    """
    return values if tensors is None else narrowed(values, tensors).astype(np.float32)


def _operands_in_tensors(case: Case, difference: Array, y: Array, margin: Any) -> tuple[Array, Any, dict[str, float]]:
    """Return the difference, margin and parameters that a kernel still has to use, of tensors of a narrow float.

    A scale and a margin are operations of their own, before that of the loss: each is rounded.
    """
    parameters = dict(case.parameters)
    if "temperature" in parameters:
        difference = _as_held(difference / parameters["temperature"], case.tensors)
        parameters["temperature"] = 1.0
    elif "beta" in parameters and case.loss != "ipo":  # whose beta says where the difference should be
        difference = _as_held(parameters["beta"] * difference, case.tensors)
        parameters["beta"] = 1.0
    if LOSSES[case.loss].has_margin and np.all(np.abs(y) == 1):
        return y * _as_held(y * difference - margin, case.tensors), 0.0, parameters
    return difference, margin, parameters


def _operands(case: Case) -> tuple[Array, Array]:
    """Return x1 - x2 and y in the dtype of the arithmetic."""
    held = (_as_held(scores, case.tensors) for scores in (case.x1, case.x2))
    x1, x2 = (scores.astype(case.integers or case.dtype, copy=False) for scores in held)
    difference = _as_held((x1 - x2).astype(case.dtype, copy=False), case.tensors)
    return difference, _as_held(case.y, case.tensors).astype(case.dtype, copy=False)


def agreement_of(case: Case) -> Doubles:
    """Return y(x1 - x2) of the pairs of a case, as float64; of probabilities, on the likelier side."""
    with np.errstate(all="ignore"):
        difference, _ = _operands(case)
        return np.asarray(case.signs.astype(difference.dtype, copy=False) * difference, np.float64)


def losses_of(case: Case) -> Doubles:
    """Return the losses of a case, as float64; NaN where there is none."""
    dtype = case.dtype
    with np.errstate(all="ignore"):
        difference, y = _operands(case)
        margin = case.margin.astype(dtype, copy=False) if isinstance(case.margin, np.ndarray) else case.margin
        kernel = case.formula or LOSSES[case.loss].kernel
        kernel = of_probabilities(kernel) if case.takes_probabilities else kernel
        parameters = case.parameters
        if case.tensors is not None:
            difference, margin, parameters = _operands_in_tensors(case, difference, y, margin)
        losses = _as_held(kernel(difference, y, margin=margin, **parameters), case.tensors)
        for edit in case.edits:
            losses = edit(case, losses)
    return np.asarray(losses, np.float64)
