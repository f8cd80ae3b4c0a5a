"""Arrays and texts as Arrow's, without pandas, which `pa.array` imports to see whether it was given a Series.

And without numpy.ma, which `np.unique` imports to see whether it was given a masked array.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

FEW_TEXTS = 1 << 14  # so many are written, found and sorted before Arrow's functions are loaded


def as_arrow(values: NDArray[Any], is_there: NDArray[np.bool_] | None = None) -> pa.Array:
    """Return a 1-D array of booleans, integers or floats as an Arrow array of that type; numbers share their memory.

    Where `is_there`, of its shape, is False, it has a null.

    >>> as_arrow(np.array([True, False, True])).to_pylist()
    [True, False, True]
    >>> as_arrow(np.array([1, 2]), np.array([True, False])).to_pylist()
    [1, None]
    """
    import pyarrow as pa

    kind = pa.from_numpy_dtype(values.dtype)
    # Arrow packs eight booleans into a byte.
    data = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    valid = None if is_there is None else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return pa.Array.from_buffers(kind, values.size, [valid, pa.py_buffer(data)])


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values of an array, in order: what `np.unique` does, which imports numpy.ma (12 ms).

    >>> distinct(np.array([2, 1, 2])).tolist()
    [1, 2]
    """
    return np.unique(values, return_counts=True)[0]  # asked for these too, it does not look for a mask


def as_numbers(column: pa.Array) -> pa.Array:
    """Return a column with 1 and 0 in place of true and false; any other column as it is."""
    import pyarrow as pa

    return column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column


def texts_as_arrow(texts: Iterable[str]) -> pa.Array:
    """Return texts as an Arrow array of strings; text that is not valid Unicode becomes its escape sequence.

    >>> texts_as_arrow(["a", "", "ü"]).to_pylist()
    ['a', '', 'ü']
    """
    return bytes_as_arrow([text.encode("utf-8", "backslashreplace") for text in texts])


def as_texts(column: pa.Array) -> pa.Array:
    """Return a column of integers without nulls as that of their texts; any other as it is.

    >>> as_texts(as_arrow(np.array([7, -1]))).to_pylist()
    ['7', '-1']
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, as_texts(column.dictionary))
    if not pa.types.is_integer(column.type):
        return column
    return written(column) if len(column) > FEW_TEXTS else texts_as_arrow(map(str, np.from_dlpack(column).tolist()))


def written(numbers: pa.Array) -> pa.Array:
    """Return numbers as texts: those that Arrow writes. Its method `cast` loads `pyarrow.compute`.

    >>> written(as_arrow(np.array([0.5, 1.0]))).to_pylist()
    ['0.5', '1']
    """
    import pyarrow as pa
    from pyarrow._compute import CastOptions, call_function

    return call_function("cast", [numbers], CastOptions(pa.string()))


def bytes_as_arrow(encoded: list[bytes]) -> pa.Array:
    """Return texts in UTF-8 as an Arrow array of strings."""
    import pyarrow as pa

    bounds = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=bounds[1:])
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [None, pa.py_buffer(bounds), pa.py_buffer(b"".join(encoded))]
    )


def slices_as_arrow(data: bytes, starts: NDArray[np.int32], ends: NDArray[np.int32]) -> pa.Array:
    """Return slices of a text in UTF-8, one data[start:end] for each start, as an Arrow array of strings.

    >>> slices_as_arrow(b"a,bc,d", np.array([2, 0], np.int32), np.array([4, 1], np.int32)).to_pylist()
    ['bc', 'a']
    """
    import pyarrow as pa

    bounds = np.zeros(starts.size + 1, np.int32)
    np.cumsum(ends - starts, out=bounds[1:])
    places = np.arange(bounds[-1], dtype=np.int32) + np.repeat(starts - bounds[:-1], ends - starts)
    letters = np.frombuffer(data, np.uint8)[places]
    return pa.Array.from_buffers(pa.string(), starts.size, [None, pa.py_buffer(bounds), pa.py_buffer(letters)])


def texts_as_keys(texts: Iterable[str]) -> pa.Array:
    """Return different texts as an Arrow array of strings with a dictionary, which is these in this order.

    Arrow's own way to one loads `pyarrow.compute`.

    >>> texts_as_keys(["b", "a"]).to_pylist()
    ['b', 'a']
    """
    import pyarrow as pa

    dictionary = texts_as_arrow(texts)
    return pa.DictionaryArray.from_arrays(as_arrow(np.arange(len(dictionary), dtype=np.int32)), dictionary)


_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}  # as NumPy calls them; integers alike


def values_and_nulls(column: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values of an Arrow array of plain numbers, anything where it has a null, and where it has one.

    >>> import pyarrow as pa
    >>> values, nulls = values_and_nulls(pa.array([9.0, 1.0, None, 3.0]).slice(1))
    >>> values[~nulls].tolist(), nulls.tolist()
    ([1.0, 3.0], [False, True, False])
    """
    valid, data = column.buffers()
    here = slice(column.offset, column.offset + len(column))
    kind = str(column.type)  # what it is called in pandas imports pandas before pyarrow 26
    values = np.frombuffer(data, _FLOATS.get(kind, kind))[here]
    if valid is None:
        return values, np.zeros(len(column), bool)
    return values, np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[here] == 0


def texts_of(column: pa.Array) -> list[str]:
    """Return the texts of a column of strings without nulls: ten times as quickly as Arrow makes them Python objects.

    >>> import pyarrow as pa
    >>> texts_of(pa.array(["", "a", "ü", "b"])[1:])
    ['a', 'ü', 'b']
    """
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return [""] * len(column)
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].tolist()
    whole = data.to_pybytes()
    if not whole.isascii():
        return [whole[start:stop].decode() for start, stop in pairwise(bounds)]
    text = whole.decode("ascii")
    return [text[start:stop] for start, stop in pairwise(bounds)]


def lines_as_arrow(lines: NDArray[np.uint8]) -> pa.Array:
    r"""Return the lines of a text in ASCII, all of which end, as an Arrow array of strings.

    >>> lines_as_arrow(np.frombuffer(b"0.5\n\n1\n", np.uint8)).to_pylist()
    ['0.5', '', '1']
    """
    import pyarrow as pa

    ends = np.flatnonzero(lines == ord("\n"))
    bounds = np.zeros(ends.size + 1, np.int32)
    bounds[1:] = ends - np.arange(ends.size)
    data = lines.tobytes().replace(b"\n", b"")
    return pa.Array.from_buffers(pa.string(), ends.size, [None, pa.py_buffer(bounds), pa.py_buffer(data)])


def chosen_texts(columns: Sequence[pa.Array], places: NDArray[np.int64]) -> pa.Array:
    """Return the texts at some places of columns, one after the other.

    >>> import pyarrow as pa
    >>> chosen_texts([pa.array(["a"]), pa.array(["b", "c"])], np.array([2, 0])).to_pylist()
    ['c', 'a']
    """
    import pyarrow as pa
    from pyarrow._compute import TakeOptions, call_function

    texts = columns[0] if len(columns) == 1 else pa.concat_arrays(columns)
    return call_function("take", [texts, as_arrow(places)], TakeOptions(boundscheck=False))


def joined(columns: Sequence[pa.Array | str], separator: str = "") -> pa.Array:
    """Return the rows of columns of texts as texts; what is a text and no column is in every row.

    >>> import pyarrow as pa
    >>> joined([pa.array(["a", "b"]), "=", pa.array(["1", "2"])]).to_pylist()
    ['a=1', 'b=2']
    """
    from pyarrow._compute import JoinOptions, call_function

    # Of a text of Python's Arrow would make a scalar itself, and import pandas for that.
    pieces = [texts_as_arrow([piece])[0] if isinstance(piece, str) else piece for piece in (*columns, separator)]
    return call_function("binary_join_element_wise", pieces, JoinOptions())


def text_of(texts: pa.Array) -> str:
    """Return the texts of a column without nulls as one.

    >>> import pyarrow as pa
    >>> text_of(joined([pa.array(["a", "b"]), ";"]))
    'a;b;'
    """
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return ""
    bounds = np.frombuffer(offsets, np.int32)
    start, stop = bounds[texts.offset].item(), bounds[texts.offset + len(texts)].item()
    text: str = data.slice(start, stop - start).to_pybytes().decode()
    return text


def encoded(column: Any) -> Any:
    """Return an array or a chunked array with a dictionary: its own, or that of its values as they come.

    Arrow's method loads `pyarrow.compute`, whose functions for Python take four times as long to make.

    >>> import pyarrow as pa
    >>> encoded(pa.array([7, 5, 7])).indices.to_pylist()
    [0, 1, 0]
    """
    import pyarrow as pa
    from pyarrow._compute import DictionaryEncodeOptions, call_function

    if pa.types.is_dictionary(column.type):
        return column
    return call_function("dictionary_encode", [column], DictionaryEncodeOptions())
