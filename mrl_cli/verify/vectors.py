"""The vectors of the conformance suite: pairs with the losses, gradients, sum and mean that PyTorch gives for them."""

from __future__ import annotations

import base64
import json
import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# What the vectors that PyTorch's own tests leave out are about, by the word their names begin with.
SUBJECTS = {"extremes": "huge, subnormal, overflow", "margin": "margins", "wrap": "integers that would wrap"}


@light_dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Pairs with one margin, and what PyTorch's margin_ranking_loss gives for them.

    `pairs` are x1, x2 and y, of shape (n,) each and of dtype `dtype`, as are the `losses` and the `gradients` of the
    single losses for x1.
    """

    name: str
    dtype: str
    margin: float
    pairs: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    losses: NDArray[Any]
    gradients: NDArray[Any]
    sum: float
    mean: float

    @property
    def family(self) -> str:
        """What the vector is about: one of PyTorch's own tests by its name, another vector by its subject."""
        group, _, rest = self.name.partition("/")
        if group != "ours":
            return "founding example" if group == "founding" else f"PyTorch's {group}"
        subject = rest.split("/")[0]
        return SUBJECTS.get(subject.split("_")[0], subject.replace("_", " ").split(" of ")[0])

    @property
    def is_finite(self) -> bool:
        """Whether the pairs and the margin are finite."""
        return math.isfinite(self.margin) and all(bool(np.isfinite(values).all()) for values in self.pairs)


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
        yield Vector(case["name"], dtype, margin, (rows[0], rows[1], rows[2]), rows[3], rows[4], total, mean)


def _packaged() -> dict[str, Any]:
    return dict(json.loads(files("mrl_cli.verify").joinpath("conformance.json").read_text(encoding="ascii")))
