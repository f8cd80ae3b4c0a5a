"""The suite's pairs: PyTorch's vectors, and the same under the settings of a run, which a user's own loss is held to.

A vector holds what PyTorch gives for it. A trial holds the losses of the loop validator and the gradients of the core,
both of which the suite itself holds to the vectors.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import light_dataclass
from mrl_cli.verify import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.dtypes import Array
    from mrl_cli.model import Plan

# What the vectors that PyTorch's own tests leave out are about, by the word their names begin with.
SUBJECTS = {"extremes": "huge, subnormal, overflow", "margin": "margins", "wrap": "integers that would wrap"}
LARGEST_PLAIN = 1e4  # larger scores are about overflow and absorption
# Where a logarithm of a sum of exponentials overflows that is computed as it is written.
FAR_APART = (-1e4, -800.0, -100.0, -40.0, 40.0, 100.0, 800.0, 1e4)


@light_dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Pairs with one margin, and the right losses: arrays of shape (n,), in a vector all of the float dtype `dtype`.

    `losses` and `gradients` are those of single pairs, the gradients for x1; for x2 they have the other sign. In a
    trial both are float64. `labels` are those that are handed over: y, unless labels are 0 and 1. `sum` and `mean` are
    PyTorch's own, NaN in a trial.
    """

    name: str
    dtype: str
    margin: float
    x1: Array
    x2: Array
    y: Array
    labels: Array
    losses: Array
    gradients: Array
    sum: float = math.nan
    mean: float = math.nan

    @property
    def family(self) -> str:
        """What the pairs are about: one of PyTorch's own tests by its name, others by their subject."""
        group, _, rest = self.name.partition("/")
        if group != "ours":
            return {"founding": "founding example", "far apart": group}.get(group, f"PyTorch's {group}")
        subject = rest.split("/")[0]
        return SUBJECTS.get(subject.split("_")[0], subject.replace("_", " ").split(" of ")[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the arrays in PyTorch's own test, where the name says one and no pair is left out."""
        found = re.search(r"\(([\d, ]*)\)", self.name)
        shape = tuple(int(number) for number in found[1].split(",") if number.strip()) if found else self.x1.shape
        return shape if math.prod(shape) == self.x1.size else self.x1.shape

    @property
    def handed(self) -> tuple[Array, Array, Array]:
        """What a function is handed: x1, x2 and the labels, of that shape."""
        x1, x2, labels = (values.reshape(self.shape) for values in (self.x1, self.x2, self.labels))
        return x1, x2, labels

    @property
    def is_finite(self) -> bool:
        """Whether the pairs and the margin are finite."""
        return math.isfinite(self.margin) and all(bool(np.isfinite(one).all()) for one in (self.x1, self.x2, self.y))

    @property
    def oddity(self) -> str:
        """What a function might not take, in words; empty for pairs that every one must take."""
        if not self.is_finite:
            return "NaN or infinite numbers"
        if not self.x1.size:
            return "no pairs"
        if len(self.shape) != 1:
            return f"arrays of shape {self.shape}"
        return "margins below 0" if self.margin < 0 else ""

    def taken(self, which: Any) -> Vector:
        """Return some of the pairs."""
        arrays = ("x1", "x2", "y", "labels", "losses", "gradients")
        return replace(self, **{name: getattr(self, name)[which] for name in arrays})


def torch_version() -> str:
    """Return the version of PyTorch that the vectors come from."""
    return str(_packaged()["torch"])


def vectors() -> Iterator[Vector]:
    """Yield all vectors."""
    for case in _packaged()["cases"]:
        dtype = str(case["dtype"])
        data = base64.b64decode(case["vectors"])
        rows = np.frombuffer(data, f"<f{np.dtype(dtype).itemsize}").astype(dtype).reshape(5, -1)
        margin, total, mean = (float.fromhex(case[key]) for key in ("margin", "sum", "mean"))
        x1, x2, y, losses, gradients = rows
        yield Vector(case["name"], dtype, margin, x1, x2, y, y, losses, gradients, total, mean)


def _packaged() -> dict[str, Any]:
    return dict(json.loads(files("mrl_cli.verify").joinpath("conformance.json").read_text(encoding="ascii")))


def trials(plan: Plan, margin: float | None = None, dtype: str | None = None) -> list[Vector]:
    """Return the suite's pairs under the loss and the labels of a plan, all of them where a margin or dtype is None.

    Under labels pm1 and 01 the suite's labels, real numbers among them, count by their sign. Of a loss that is no hinge
    the scores that are huge are left out, and pairs whose scores are far apart are added.
    """
    loss = LOSSES[plan.loss.name]
    made = [_trial(vector, plan, vector.margin if margin is None else margin) for vector in vectors()]
    made += [_far_apart(name, plan, margin or 0.0) for name in (("float64", "float32") if loss.power == 0 else ())]
    used = (trial for trial in made if dtype in (None, trial.dtype))
    return [trial for trial in used if trial.x1.size or trial.name.startswith("ours/empty")]


def _trial(vector: Vector, plan: Plan, margin: float) -> Vector:
    if plan.rules.labels != "any":
        vector = replace(vector, y=np.where(vector.y > 0, 1, -1).astype(vector.dtype))
    if not LOSSES[plan.loss.name].is_hinge:
        with np.errstate(all="ignore"):
            fits = (np.abs(vector.x1) <= LARGEST_PLAIN) & (np.abs(vector.x2) <= LARGEST_PLAIN) & np.isfinite(vector.y)
        vector = vector.taken(fits)
    return _with_losses(vector.name, (vector.x1, vector.x2, vector.y), margin, plan)


def _far_apart(dtype: str, plan: Plan, margin: float) -> Vector:
    x1 = np.array(FAR_APART * 2, dtype)
    y = np.repeat(np.array([1, -1], dtype), len(FAR_APART))
    trial = _with_losses(f"far apart/{dtype}", (x1, np.zeros_like(x1), y), margin, plan)
    return trial.taken(np.isfinite(trial.losses))


def _with_losses(name: str, pairs: tuple[Array, ...], margin: float, plan: Plan) -> Vector:
    loss, parameters = LOSSES[plan.loss.name], dict(plan.loss.parameters)
    x1, x2, y = pairs
    dtype = str(x1.dtype)
    differences = reference.differences(x1.tolist(), x2.tolist(), y.tolist(), dtype)
    losses = np.array(reference.LOOPS[loss.name](differences, margin, parameters), np.float64)
    with np.errstate(all="ignore"):
        gradients = loss.gradient(x1 - x2, y, margin=margin, **parameters).astype(np.float64)
    labels = (y > 0).astype(dtype) if plan.rules.labels == "01" else y
    return Vector(name, dtype, margin if loss.has_margin else 0.0, x1, x2, y, labels, losses, gradients)
