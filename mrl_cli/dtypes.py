"""What arrays are called in signatures, by what they hold. Type checkers alone read it: no run imports it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Doubles: TypeAlias = NDArray[np.float64]
Wholes: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.intp]  # what an array is indexed by
ShortPlaces: TypeAlias = NDArray[np.int32]  # the same, where many of them are held
Mask: TypeAlias = NDArray[np.bool_]
