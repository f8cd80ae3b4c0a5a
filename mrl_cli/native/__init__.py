"""The compiled reader of plain CSV and TSV, which writes losses as text too.

It may be absent: pyarrow reads the same numbers then, and writes the same text.
It is absent where the package was installed without a C compiler, or with MRL_NATIVE=0, and in a checkout where it was
compiled of other functions. `_fields.c` is all of it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MachineError, UsageError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

VARIABLE = "MRL_NATIVE"
VERSION = 2  # of what the functions of _fields.c take and return
LONGEST_LINE = 26  # bytes of -0.0000012345678901234567 and a line end


@cache
def fields() -> ModuleType | None:
    """Return the compiled reader, None where it is absent or MRL_NATIVE=0 says not to use it.

    Raises MachineError where it is absent and MRL_NATIVE=1 demands it, and UsageError for another value.
    """
    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "0", "1"):
        raise UsageError(f"{VARIABLE} is {harmless(wish)}, which is neither 0 nor 1")
    if wish == "0":
        return None
    try:
        from mrl_cli.native import _fields

        if getattr(_fields, "VERSION", None) != VERSION:
            raise ImportError("compiled of another version")
    except ImportError as error:
        if wish == "1":
            msg = f"{VARIABLE}=1, and this installation has no compiled reader"
            raise MachineError(msg, hint="install mrl with MRL_NATIVE=1, where there is a C compiler") from error
        return None
    return _fields


def csv_reader_name() -> str:
    """Return the name of what reads plain CSV and TSV here, "compiled" or "pyarrow"."""
    return "pyarrow" if fields() is None else "compiled"


def number_lines(numbers: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return numbers, of shape (n,), as lines, each as pyarrow writes it; None without the compiled part."""
    compiled = fields()
    if compiled is None:
        return None
    import numpy as np  # the name of the reader is told without it

    text = np.empty(LONGEST_LINE * numbers.size, np.uint8)
    _, size = compiled.write(np.ascontiguousarray(numbers, np.float64), text)
    return text[:size]
