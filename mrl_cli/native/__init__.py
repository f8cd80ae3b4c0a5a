"""The compiled reader of plain CSV and TSV, which writes rows as text too.

It may be absent: pyarrow reads the same numbers then, and the same text is written.
It is absent where the package was installed without a C compiler, or with MRL_NATIVE=0, and in a checkout where it was
compiled of other functions. `_fields.c` is all of it.
"""

from __future__ import annotations

import math
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MachineError, UsageError
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

VARIABLE = "MRL_NATIVE"
VERSION = 5  # of what the functions of _fields.c take and return
_DOUBLE_BYTES = 8
_ALIKE_FROM, _ALIKE_TO = 1e-4, 1e9  # between these, floats that are not whole are written alike by Python and Arrow
LONGEST_NUMBER = 24  # bytes of -1.7976931348623157e+308; an integer has fewer
MOST_PIECES = 128  # of a row
ROOM = 48  # bytes that are written beyond the last number at most, see _fields.c


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
    """Return numbers, of shape (n,), as lines, each as `number_text` has it; None without the compiled part."""
    return rows_text([numbers, "\n"])


def rows_text(
    pieces: Sequence[Any], room: Callable[[int], NDArray[np.uint8]] | None = None
) -> NDArray[np.uint8] | None:
    """Return rows as text in UTF-8, which have these pieces one after the other; None without the compiled part.

    A piece is a text that is in all rows, or has a place for every row: an array of float64, each as `number_text` has
    it, or of int64, or Arrow strings without nulls. `room` makes an array for so many bytes, else there is a new one.
    """
    if (compiled := fields()) is None or len(pieces) > MOST_PIECES:
        return None
    import numpy as np  # the name of the reader is told without it

    plain: list[Any] = []
    rows, bytes_of_row, bytes_of_texts = 0, 1, ROOM
    for piece in pieces:
        if isinstance(piece, str):
            plain.append(piece.encode())
            bytes_of_row += len(plain[-1])
            continue
        rows = len(piece)
        if isinstance(piece, np.ndarray):
            plain.append(np.ascontiguousarray(piece, np.float64 if piece.dtype.kind == "f" else np.int64))
            bytes_of_row += LONGEST_NUMBER
        else:
            _, ends, data = piece.buffers()
            plain.append((np.frombuffer(ends, np.int32)[piece.offset : piece.offset + rows + 1], data or b""))
            bytes_of_texts += len(plain[-1][1])
    out = (room or _new_room)(rows * bytes_of_row + bytes_of_texts)
    return out[: compiled.write(tuple(plain), out)]


def _new_room(size: int) -> NDArray[np.uint8]:
    import numpy as np

    return np.empty(size, np.uint8)


def float_texts(column: pa.Array) -> pa.Array:
    """Return floats as strings, as `number_text` has them; those of fewer bits with the digits that they have.

    >>> import pyarrow as pa
    >>> float_texts(pa.array([0.1, 3.0, 1e-5, None, float("nan")])).to_pylist()
    ['0.1', '3.0', '1e-05', None, 'NaN']
    """
    from mrl_cli.arrow import as_arrow, lines_as_arrow, values_and_nulls

    values, nulls = values_and_nulls(column)
    lines = number_lines(values) if values.itemsize == _DOUBLE_BYTES else None
    if lines is None:
        return _texts_by_arrow(column, values, nulls)
    texts = lines_as_arrow(lines)
    if not nulls.any():
        return texts
    return type(texts).from_buffers(len(texts), *texts.buffers()[1:], as_arrow(~nulls).buffers()[1])


def _texts_by_arrow(column: pa.Array, values: NDArray[Any], nulls: NDArray[np.bool_]) -> pa.Array:
    """Return the same without the compiled part: Arrow writes a whole number as an integer, and has other exponents."""
    import numpy as np
    from pyarrow._compute import call_function

    from mrl_cli.arrow import as_arrow, chosen_texts, joined, texts_as_arrow, written

    sizes = np.abs(values.astype(np.float64, copy=False))  # halves do not hold the bounds
    is_whole = (sizes == np.floor(sizes)) & (sizes < _ALIKE_TO)
    texts = joined([written(column), chosen_texts([texts_as_arrow(["", ".0"])], is_whole.astype(np.int64))])
    is_other = ~is_whole & ~((sizes >= _ALIKE_FROM) & (sizes < _ALIKE_TO)) & ~nulls
    if not is_other.any():
        return texts
    others = texts_as_arrow(map(_float_text, values[is_other]))
    return call_function("replace_with_mask", [texts, as_arrow(is_other), others])


def _float_text(value: np.floating[Any]) -> str:
    number = float(value)
    return number_text(number) if value.itemsize == _DOUBLE_BYTES or not math.isfinite(number) else str(value)
