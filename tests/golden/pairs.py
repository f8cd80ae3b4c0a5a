"""The pairs that the golden scripts for pairwise losses give to other libraries, and how numbers are written down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SEED = 4


def pairs(dtype: str) -> tuple[Array, Array, Array]:
    """Return x1, x2 and labels of ±1: normal scores, ties, and differences from 1e-9 to 1e4 on either side."""
    random = np.random.default_rng(SEED)
    x1, x2 = random.standard_normal((2, 24))
    x2[:2] = x1[:2]
    x2[2:14] = 0
    x1[2:14] = np.repeat([1e-9, 0.125, 17.0, 40.0, 80.0, 1e4], 2) * np.tile([1, -1], 6)
    y = random.choice([-1.0, 1.0], 24)
    return x1.astype(dtype), x2.astype(dtype), y.astype(dtype)


def as_text(values: Any) -> list[str]:
    """Return each number in hexadecimal, exact to the last bit."""
    return [float(value).hex() for value in np.asarray(values).reshape(-1)]
