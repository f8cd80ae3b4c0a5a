"""Columns of structs and lists of Arrow: the type and the cells at a path, the leaves those need, and their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs import paths
from mrl_cli.inputs.paths import Astray
from mrl_cli.model import EVERY, problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.base import BadCells


def is_list(kind: pa.DataType) -> bool:
    """Return whether cells of that type are lists."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def type_at(kind: pa.DataType, path: str, way: str) -> pa.DataType | Astray:
    """Return the type of the cells at a path below those of a column called `way`, or why there are none."""
    import pyarrow as pa

    while path and not pa.types.is_null(kind):
        step = _step(kind, path, way)
        if isinstance(step, Astray):
            return step
        name, kind, path = step
        way = f"{way}.{name}"
    return kind


def _step(kind: pa.DataType, path: str, way: str) -> tuple[str | int, pa.DataType, str] | Astray:
    """Return the member or place that a path begins with, the type of what is there, and the rest of the path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        found = paths.split(path, names)
        if found is None:
            return paths.absent(way, path, names)
        name, rest = found
        return name, kind.field(name).type, rest
    if is_list(kind):
        if path.partition(".")[0] == EVERY:
            return EVERY, kind.value_type, path[len(EVERY) + 1 :]
        item, inner = paths.place_in_list(path), kind.value_type
        if item is not None:
            return item[0], inner, item[1]
        return paths.in_list(way, path, "items", lambda below: not isinstance(_step(inner, below, ""), Astray))
    return Astray(problems.PATH_VALUE, f"below a value: {harmless(way)} holds {harmless(kind)}")


def path_to_number(kind: pa.DataType) -> str:
    """Return the path to a number below cells of a type, the first that is nearest; "" for cells with none below."""
    from pyarrow import types

    if is_list(kind):
        below = path_to_number(kind.value_type)
        is_number = types.is_integer(kind.value_type) or types.is_floating(kind.value_type)
        return paths.joined("0", below) if below or is_number else ""
    if not types.is_struct(kind):
        return ""
    fields = list(kind)
    flat = next((f.name for f in fields if types.is_integer(f.type) or types.is_floating(f.type)), None)
    deeper = (paths.joined(f.name, below) for f in fields if (below := path_to_number(f.type)))
    return flat or next(deeper, "")


def cells_at(column: pa.Array, path: str, way: str) -> tuple[pa.Array, BadCells]:
    """Return the cells at a path below those of a column, and those that a list is too short for.

    A cell that is not there is null. Raises SuspectShardError for a path that the type of the column does not have.
    """
    import pyarrow as pa

    bad: BadCells = []
    while path and not pa.types.is_null(column.type):
        step = _step(column.type, path, way)
        if isinstance(step, Astray):
            raise SuspectShardError
        name, _, path = step
        if isinstance(name, str):
            column = column.flatten()[column.type.get_field_index(name)]  # null where the struct itself is
        else:
            starts, lengths = list_bounds(column)
            short = np.flatnonzero((lengths <= name) & (lengths >= 0)).tolist()
            bad += [(index, *paths.beyond_list(way, int(lengths[index]))[:2]) for index in short]
            column = items_at(column, starts + name, lengths > name)
        way = f"{way}.{name}"
    return column, bad


def list_bounds(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each list starts among `column.values`, and its length, -1 for a null."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(column.type):
        size = column.type.list_size
        starts = size * np.arange(column.offset, column.offset + len(column))
        lengths = np.full(len(column), size)
    else:
        offsets = np.from_dlpack(column.offsets).astype(np.int64)
        starts, lengths = offsets[:-1], np.diff(offsets)
    if column.null_count:
        lengths[~np.array(column.is_valid().to_pylist(), bool)] = -1
    return starts, lengths


def items_at(column: pa.Array, places: NDArray[np.int64], is_there: NDArray[np.bool_]) -> pa.Array:
    """Return the values of lists at some places, a null for what is not there."""
    import pyarrow as pa

    valid, wanted = np.packbits(is_there, bitorder="little"), np.where(is_there, places, 0)
    buffers = [pa.py_buffer(valid), pa.py_buffer(wanted)]
    return column.values.take(pa.Array.from_buffers(pa.int64(), len(column), buffers))


def leaves_at(schema: pa.Schema, wanted: Iterable[tuple[int, str]]) -> tuple[set[int], int]:
    """Return which leaves of a schema hold the cells of (place of a column, path below it), and how many it has.

    Leaves are the columns of Parquet, in the order of the schema.
    """
    starts = [0]
    for kind in schema.types:
        starts.append(starts[-1] + _leaf_count(kind))
    leaves: set[int] = set()
    for place, path in wanted:
        leaves.update(starts[place] + leaf for leaf in _leaves_below(schema.field(place).type, path))
    return leaves, starts[-1]


def _leaf_count(kind: pa.DataType) -> int:
    return max(1, sum(_leaf_count(kind.field(place).type) for place in range(kind.num_fields)))


def _leaves_below(kind: pa.DataType, path: str) -> Iterable[int]:
    step = _step(kind, path, "") if path else Astray("", "")
    if isinstance(step, Astray):
        return range(_leaf_count(kind))
    name, inner, rest = step
    before = 0
    if not is_list(kind):
        before = sum(_leaf_count(kind.field(place).type) for place in range(kind.get_field_index(str(name))))
    return (before + leaf for leaf in _leaves_below(inner, rest))


def schema_of(cells: Iterable[tuple[str, str, pa.DataType]]) -> pa.Schema:
    """Return the schema with cells of some types, each as (column, path below it, type).

    Raises SuspectShardError where one path goes on below another.
    """
    import pyarrow as pa

    columns: dict[str, dict[str, pa.DataType]] = {}
    for top, path, kind in cells:
        columns.setdefault(top, {})[path] = kind
    return pa.schema([(top, _type_of(types)) for top, types in columns.items()])


def _type_of(types: dict[str, pa.DataType]) -> pa.DataType:
    import pyarrow as pa

    if "" in types:
        if len(types) > 1:
            raise SuspectShardError
        return types[""]
    items = {path: path.partition(".")[2] for path in types if paths.names_item(path)}
    if len(items) == len(types):
        of_items = {items[path]: kind for path, kind in types.items()}
        if any(of_items[items[path]] != kind for path, kind in types.items()):
            raise SuspectShardError
        return pa.list_(_type_of(of_items))
    members: dict[str, dict[str, pa.DataType]] = {}
    for path, kind in types.items():
        name, _, rest = path.partition(".")
        members.setdefault(name, {})[rest] = kind
    return pa.struct([(name, _type_of(below)) for name, below in members.items()])
