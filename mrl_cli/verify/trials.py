"""The suite's pairs under the settings of a run, with the right losses: what a user's own implementation is held to.

The losses are those of the loop validator and the gradients those of the core, both of which the suite itself holds to
PyTorch's vectors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.verify import reference
from mrl_cli.verify.vectors import Vector, vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Plan

LARGEST_PLAIN = 1e4  # larger scores are about overflow and absorption
# Where a logarithm of a sum of exponentials overflows that is computed as it is written.
FAR_APART = (-1e4, -800.0, -100.0, -40.0, 40.0, 100.0, 800.0, 1e4)


class Trial(NamedTuple):
    """Pairs with one margin, and the right losses: arrays of shape (n,) of one float dtype.

    `labels` are those that are handed over: y, unless labels are 0 and 1. `shape` is that of the arrays in PyTorch's
    own test. `gradients` are those of the single losses for x1; for x2 they have the other sign.
    """

    name: str
    family: str
    dtype: str
    shape: tuple[int, ...]
    x1: NDArray[Any]
    x2: NDArray[Any]
    y: NDArray[Any]
    labels: NDArray[Any]
    margin: float
    losses: NDArray[np.float64]
    gradients: NDArray[np.float64]

    @property
    def is_finite(self) -> bool:
        """Whether pairs and margin are finite."""
        return bool(np.isfinite([*self.x1, *self.x2, *self.y, self.margin]).all())

    @property
    def is_plain(self) -> bool:
        """Whether every loss function must take such pairs: some, finite, with a margin that is not below 0."""
        return self.is_finite and self.margin >= 0 and len(self.shape) == 1 and self.x1.size > 0

    @property
    def oddity(self) -> str:
        """What a function might not take, in words; empty for plain pairs."""
        if not self.is_finite:
            return "NaN or infinite numbers"
        if not self.x1.size:
            return "no pairs"
        if len(self.shape) != 1:
            return f"arrays of shape {self.shape}"
        return "margins below 0" if self.margin < 0 else ""


def trials(plan: Plan, margin: float | None = None, dtype: str | None = None) -> list[Trial]:
    """Return the suite's pairs under the loss and the labels of a plan, all of them where a margin or dtype is None.

    Under labels pm1 and 01 the suite's labels, real numbers among them, count by their sign. Of a loss that is no hinge
    the scores that are huge are left out, and pairs whose scores are far apart are added.
    """
    loss = LOSSES[plan.loss.name]
    made = [_trial(vector, plan, vector.margin if margin is None else margin) for vector in vectors()]
    made += [_far_apart(name, plan, margin or 0.0) for name in (("float64", "float32") if loss.power == 0 else ())]
    used = (trial for trial in made if dtype in (None, trial.dtype))
    return [trial for trial in used if trial.x1.size or trial.name.startswith("ours/empty")]


def _trial(vector: Vector, plan: Plan, margin: float) -> Trial:
    loss = LOSSES[plan.loss.name]
    x1, x2, y = vector.pairs
    if plan.rules.labels != "any":
        y = np.where(y > 0, 1, -1).astype(vector.dtype)
    shape = _shape_in(vector.name) or x1.shape
    if loss.is_hinge:
        return _with_losses(vector.name, vector.family, shape, (x1, x2, y), margin, plan)
    with np.errstate(all="ignore"):
        fits = (np.abs(x1) <= LARGEST_PLAIN) & (np.abs(x2) <= LARGEST_PLAIN) & np.isfinite(y)
    if not fits.all():
        x1, x2, y, shape = x1[fits], x2[fits], y[fits], (int(np.count_nonzero(fits)),)
    return _with_losses(vector.name, vector.family, shape, (x1, x2, y), margin, plan)


def _far_apart(dtype: str, plan: Plan, margin: float) -> Trial:
    x1 = np.array(FAR_APART * 2, dtype)
    y = np.repeat(np.array([1, -1], dtype), len(FAR_APART))
    trial = _with_losses(f"far apart/{dtype}", "far apart", x1.shape, (x1, np.zeros_like(x1), y), margin, plan)
    return _only(trial, np.isfinite(trial.losses))


def _only(trial: Trial, mask: NDArray[np.bool_]) -> Trial:
    arrays = ("x1", "x2", "y", "labels", "losses", "gradients")
    kept = {name: getattr(trial, name)[mask] for name in arrays}
    return trial._replace(shape=kept["x1"].shape, **kept)


def _with_losses(
    name: str, family: str, shape: tuple[int, ...], pairs: tuple[NDArray[Any], ...], margin: float, plan: Plan
) -> Trial:
    loss, parameters = LOSSES[plan.loss.name], dict(plan.loss.parameters)
    x1, x2, y = pairs
    dtype = str(x1.dtype)
    differences = reference.differences(x1.tolist(), x2.tolist(), y.tolist(), dtype)
    losses = np.array(reference.LOOPS[loss.name](differences, margin, parameters), np.float64)
    with np.errstate(all="ignore"):
        gradients = loss.gradient(x1 - x2, y, margin=margin, **parameters).astype(np.float64)
    labels = (y > 0).astype(dtype) if plan.rules.labels == "01" else y
    return Trial(name, family, dtype, shape, x1, x2, y, labels, margin if loss.has_margin else 0.0, losses, gradients)


def _shape_in(name: str) -> tuple[int, ...] | None:
    """Return the shape that the name of a vector says, None where it says none.

    >>> _shape_in("op_info/float32/(5, 5)/1.0"), _shape_in("op_info/float32/()/0.0"), _shape_in("founding")
    ((5, 5), (), None)
    """
    found = re.search(r"\(([\d, ]*)\)", name)
    return None if found is None else tuple(int(number) for number in found[1].split(",") if number.strip())
