"""Plain delimited text as numbers and keys by the compiled reader, where it is installed: the rows it is certain of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli import native
from mrl_cli.arrow import as_arrow, slices_as_arrow
from mrl_cli.inputs.text import count_feeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role

DELIMITERS = frozenset(",\t;|: ")  # none that a number may hold
DECIMALS = frozenset(".,")
_KEY_ROWS = 5  # of the array of a column of keys that are texts, see _fields.c
_MOST_COLUMNS = 16  # that are wanted, see _fields.c
_SOME_BYTES = 1 << 16  # whose lines are counted to guess how many there are


def plain_columns(
    data: bytes, width: int, places: Mapping[Role, int], delimiter: str, plan: Plan
) -> tuple[dict[Role, NDArray[Any]], dict[Role, pa.Array], int] | int | None:
    """Return columns of numbers and of keys of whole rows of `width` fields, and of how many lines they are.

    Where something is not certainly a number by the rules of `cells`, where that row begins. None where another way has
    to read all rows: all or very many columns are wanted, one column as a number and as a key, or there is no row.
    `places` says which field of a row each role is. Keys are integers where the plan allows it and Python writes all of
    a column so, with 18 digits at most; else texts. Raises UnicodeDecodeError for rows that are not UTF-8.
    """
    if (wanted := asked(places, delimiter, plan)) is None:
        return None
    fields, numbers, keys = wanted
    texts = {place for role, place in keys.items() if role not in plan.integer_roles}
    kinds = kinds_of(numbers, plan) | dict.fromkeys({*keys.values()} - texts, np.int64)
    line_counts, decimal = _line_counts(data), plan.reading.dialect.decimal
    most_rows = next(line_counts) + 1  # the last one may have no line end
    while True:
        arrays: dict[int, NDArray[Any]] = {place: np.empty(most_rows, kind) for place, kind in kinds.items()}
        most_keys = 1 << most_rows.bit_length()  # more than rows
        arrays |= {place: np.empty((_KEY_ROWS, most_keys), np.int32) for place in texts}
        read = fields.read(data, delimiter, decimal, tuple(map(arrays.get, range(width))))
        count, size, lines, stopped, is_ascii = read
        if kinds.get(stopped) is np.int64:  # a key there may be no integer
            del kinds[stopped]
            texts.add(stopped)
        elif size < len(data) and count == most_rows:
            most_rows = next(line_counts) + 1
        else:
            break
    if size < len(data):
        return int(size)
    if not is_ascii:
        data.decode("utf-8")
    if count == 0:
        return None
    columns = {
        place: _keys_in(data, arrays[place], count) if place in texts else as_arrow(arrays[place][:count])
        for place in set(keys.values())
    }
    return (
        {role: arrays[place][:count] for role, place in numbers.items()},
        {role: columns[place] for role, place in keys.items()},
        lines,
    )


def asked(
    places: Mapping[Role, int], delimiter: str, plan: Plan
) -> tuple[ModuleType, dict[Role, int], dict[Role, int]] | None:
    """Return the compiled reader, and the places of numbers and of keys; None where it does not read such columns."""
    decimal = plan.reading.dialect.decimal
    keys = {role: places[role] for role, _ in plan.columns.keys}
    numbers = {role: places[role] for role, _ in plan.columns.wanted_numbers}
    is_known = delimiter in DELIMITERS and decimal in DECIMALS and delimiter != decimal
    if not is_known or not numbers or plan.reading.keep_columns or set(numbers.values()) & set(keys.values()):
        return None
    fields = native.fields() if len({*numbers.values(), *keys.values()}) <= _MOST_COLUMNS else None
    return None if fields is None else (fields, numbers, keys)


def kinds_of(numbers: Mapping[Role, int], plan: Plan) -> dict[int, Any]:
    """Return the types of the columns of numbers by their places."""
    return {place: np.int8 if role == "y" and labels_are_small(plan) else np.float64 for role, place in numbers.items()}


def _line_counts(data: bytes) -> Iterator[int]:
    """Yield about how many lines a text has, rather more, and then how many: to count them takes long."""
    some = data[:_SOME_BYTES]
    if len(some) < len(data):
        yield count_feeds(some) * len(data) * 5 // (len(some) * 4)
    yield count_feeds(data)


def _keys_in(data: bytes, array: NDArray[np.int32], count: int) -> pa.Array:
    """Return the texts of `count` rows as the compiled reader leaves them: codes, and where each begins and ends."""
    import pyarrow as pa

    codes = array[0, :count].copy()
    known = int(codes.max()) + 1
    return pa.DictionaryArray.from_arrays(as_arrow(codes), slices_as_arrow(data, array[1, :known], array[2, :known]))


def labels_are_small(plan: Plan) -> bool:
    """Return whether labels can be read as small integers: by the rule they are such, and nothing else reads them."""
    is_used_twice = plan.columns.y in {name for role, name in plan.columns.wanted if role != "y"}
    return plan.rules.labels in ("pm1", "01") and not is_used_twice
