"""The columns of a frame: looked up by their names, and read chunk by chunk as numbers and keys."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.errors import DataError, with_hint
from mrl_cli.inputs import paths
from mrl_cli.inputs.base import (
    Lists,
    Numbers,
    Shard,
    Source,
    batch_of_columns,
    item_text,
    list_cells,
    no_column,
    numbers_of,
    refuse_every,
)
from mrl_cli.inputs.cells import is_exact
from mrl_cli.inputs.columnar import BATCH_ROWS, is_number, keys_in, lists_in, merged, numbers_in
from mrl_cli.inputs.nested import cells_at, is_list, path_to_number, type_at
from mrl_cli.inputs.objects import quiet_paths
from mrl_cli.model import EVERY, IDS, MAY_BE_SINGLE, Batch, Plan, Role, problems
from mrl_cli.model.problems import AbsentPath
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless, plainest

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    import pandas as pd
    import pyarrow as pa

    from mrl_cli.inputs.base import BadCells, Keys


PLACE = "the frame"  # what messages call it


def frame_source(frame: pd.DataFrame, named: Mapping[Role, Hashable | None], plan: Plan) -> Source:
    """Return a frame as an input; `named` gives the name of each role's column, or the path to its cells.

    Raises ValueError for a name that no column has, or several.
    """
    places = {role: _place(frame, role, name, plan) for role, name in named.items() if name is not None}
    return Source(PLACE, "frame", stream=FrameColumns(frame, places, {}))


def is_frame(given: object) -> bool:
    """Return whether something has columns by name: a frame, a table, a mapping, or an array with named fields.

    >>> is_frame({"x1": [0.5]}), is_frame([0.5])
    (True, False)
    """
    has_fields = isinstance(given, np.ndarray) and given.dtype.names is not None
    return has_fields or isinstance(given, Mapping) or hasattr(given, "columns")


def as_frame(given: Any, *, of_arrays: str = "margin_ranking_loss") -> pd.DataFrame:
    """Return what has columns by name as a DataFrame; an Arrow table, or what exports itself as one, without a copy.

    A mapping of arrays, and an array with named fields, are frames too. Raises TypeError for anything else, which names
    the function `of_arrays`.
    """
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return given
    if is_frame(given):
        if hasattr(given, "__arrow_c_stream__"):  # pyarrow's, Polars' and others' tables
            frame: pd.DataFrame = _arrow_table(given).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
            return frame
        if isinstance(given, Mapping):
            return _frame_of_arrays(given)
        if isinstance(given, np.ndarray):
            return pd.DataFrame(given)
    kind = type(given).__name__
    msg = f"frame must be a DataFrame of pandas or Polars, a pyarrow Table or a mapping, not {kind}"
    raise TypeError(f"{msg}; {_remedy_for(given) or f'for arrays there is {of_arrays}'}")


# Each reads doubles as they are written, which pandas.read_json does not without precise_float=True.
_READERS = {
    ".csv": "pyarrow.csv.read_csv",
    ".jsonl": "pyarrow.json.read_json",
    ".parquet": "pyarrow.parquet.read_table",
    ".feather": "pyarrow.feather.read_table",
    ".arrow": "pyarrow.feather.read_table",
}


def _remedy_for(given: Any) -> str:
    """Return how to make a frame of a path or of rows, nothing for anything else."""
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        reader = _READERS.get(os.path.splitext(path)[1].lower())
        call = f"read the file first, {reader}({path!r}), or run" if reader else "read the file first, or run"
        return f"{call} `mrl compute` on it, whatever its size"
    if isinstance(given, list | tuple) and given and isinstance(given[0], Mapping):
        return "of a list of rows, pandas.DataFrame(rows) is one"
    return ""


def _frame_of_arrays(given: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a mapping of arrays as a DataFrame. Raises ValueError that names their lengths where these differ."""
    import pandas as pd

    try:
        return pd.DataFrame(dict(given))
    except ValueError:
        is_array = {name: hasattr(column, "__len__") and getattr(column, "ndim", 1) for name, column in given.items()}
        lengths = {name: len(given[name]) for name, is_one in is_array.items() if is_one}
        if len({*lengths.values()}) < 2:
            raise
    listed = ", ".join(f"{harmless(str(name))} {length:,}" for name, length in lengths.items())
    raise ValueError(f"the columns of a frame must be of one length: {listed}")


def _arrow_table(given: Any) -> pa.Table:
    """Return a table as pyarrow's."""
    import pyarrow as pa

    if type(given).__module__.partition(".")[0] == "polars":  # whose texts are views else, which pandas does not know
        from polars import CompatLevel

        table: pa.Table = given.to_arrow(compat_level=CompatLevel.oldest())
        return table
    return pa.table(given)


class FrameColumns(NamedTuple):
    """A frame, where the cells of each role stand in it, and by role what each key is the text of (filled in).

    Where cells stand is the place of their column and the path below it, empty for the column's own.
    """

    frame: pd.DataFrame
    places: Mapping[Role, tuple[int, str]]
    values: dict[Role, dict[str, Any]]

    def column(self, role: Role, rows: slice) -> tuple[pd.Series[Any], BadCells]:
        """Return the cells of a role in some rows, and those that its path does not lead to.

        Raises DataError for a path that the type of an Arrow column does not have.
        """
        import pandas as pd

        place, path = self.places[role]
        column = self.frame.iloc[rows, place]
        if not path:
            return column, []
        top = str(column.name)
        name = paths.joined(top, path)
        if column.dtype == object or EVERY in path.split("."):
            known = column.where(column.notna(), None).tolist()
            cells = [paths.cell_at(_as_json(cell), path, top) for cell in known]
            bad = [(i, cell.kind, cell.text) for i, cell in enumerate(cells) if isinstance(cell, paths.Astray)]
            there = [None if isinstance(cell, paths.Astray) else cell for cell in cells]
            return pd.Series(there, column.index, object, name), bad
        array = _arrow(column)
        kind = type_at(array.type, path, top)
        if isinstance(kind, paths.Astray):
            raise DataError(f"{PLACE}: {harmless(name)} is {kind.text}")
        array, bad = cells_at(array, path, top)
        return pd.Series(pd.arrays.ArrowExtensionArray(array), column.index, name=name), bad


def _as_json(value: Any) -> Any:
    """Return a cell as JSON has it: objects, lists, and no value in place of pandas' missing ones."""
    import pandas as pd

    if isinstance(value, dict):
        return {str(name): _as_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return list(map(_as_json, value))
    return None if value is pd.NA or value is pd.NaT else value


def _place(frame: pd.DataFrame, role: Role, name: Hashable, plan: Plan) -> tuple[int, str]:
    """Return the place of a column called so, else of the one that a path begins with, and the rest of the path."""
    names = list(frame.columns)
    places, path = [place for place, other in enumerate(names) if other == name], ""
    if not places and isinstance(name, str) and (split := paths.split(name, names)) is not None:
        places, path = [place for place, other in enumerate(names) if other == split[0]], split[1]
        name = split[0]
    if len(places) == 1:
        return places[0], path
    if places:
        msg = f"{PLACE} has column {harmless(name)!r} {len(places)} times"
        raise ValueError(with_hint(msg, "rename one of them"))
    argument = plan.setting_of(role)
    near = paths.closest_path(str(name), [other for other in names if isinstance(other, str)])
    hint = f"did you mean {argument}={near!r}?" if near else f"name the column with {argument}=…"
    if role == "y" and near is None and not plan.has_lists:
        hint += "; no label column? use y_const=1"
    raise ValueError(with_hint(no_column(PLACE, name, names), hint))


def names(source: Source, _plan: Plan) -> list[str]:
    """Return the names of the columns, as text."""
    return [str(name) for name in source.stream.frame.columns]


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield ranges of rows. Raises ValueError for a column whose dtype does not hold numbers."""
    columns: FrameColumns = source.stream
    for role, name in plan.columns.wanted:
        if role not in plan.reading.lists:
            refuse_every(name)
        column, _ = columns.column(role, slice(0))  # raises for a path that the type does not have
        if role not in dict(plan.columns.keys):
            _check_type(column, role, plan)
    for start in range(0, len(columns.frame), BATCH_ROWS):
        yield Shard(source, start, 0)


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the pairs of a range of rows, numbered from 0."""
    frame: FrameColumns = shard.source.stream
    start: int = shard.part
    rows = range(start, min(start + BATCH_ROWS, len(frame.frame)))
    columns = {role: frame.column(role, slice(start, rows.stop)) for role in frame.places}
    fills = dict(plan.reading.fills)

    def keys_of(cells: tuple[pd.Series[Any], BadCells], role: Role) -> Keys:
        column, astray = cells
        astray = [cell for cell in astray if cell[1] != problems.MISSING]  # a missing key is the empty one
        if role == "y" and column.dtype == object:  # a group of True would take 1 in
            return texts_as_arrow(_texts_of(column)), astray
        values = frame.values.setdefault(role, {}) if role in plan.groups else {}
        return _keys_of(column, values, is_id=role in IDS), astray

    def numbers(cells: tuple[pd.Series[Any], BadCells], role: Role) -> Numbers | Lists:
        column, astray = cells
        if role in plan.reading.lists:
            lists = _lists_of(column, role)
            return lists._replace(bad=merged(astray, lists.bad))
        read = _numbers_of(column, takes_booleans=plan.takes_booleans(role))
        read = read._replace(bad=merged(astray, read.bad))
        if role not in fills:
            return read
        known = {index for index, *_ in read.bad}  # where pandas knows no other missing value, it is NaN
        unknown = np.flatnonzero(np.isnan(read.array)).tolist()
        return Numbers(read.array, read.bad + [(i, problems.MISSING, "nan") for i in unknown if i not in known])

    batch = batch_of_columns(PLACE, columns, numbers, keys_of, rows, plan)
    wanted = [(str(name), columns[role]) for role, name in plan.columns.wanted]
    met = {name: _met(*cells) for name, cells in wanted if name in quiet_paths(plan)}
    yield replace(batch, paths={name: absent for name, (is_met, absent) in met.items() if is_met})


def _met(column: pd.Series[Any], astray: BadCells) -> tuple[bool, AbsentPath | None]:
    """Return whether cells show where their path leads, and why it leads to none of them, None where it does."""
    absent = next((text for _, kind, text in astray if kind == problems.MISSING), None)
    is_there = bool(column.notna().any())
    return is_there or absent is not None, None if is_there or absent is None else AbsentPath(absent, None)


def _check_type(column: pd.Series[Any], role: Role, plan: Plan) -> None:
    """Raise ValueError for a column whose dtype does not hold numbers, even if its cells do."""
    import pyarrow as pa

    if column.dtype == object:
        return
    try:
        kind = _arrow(column).type
    except (pa.ArrowException, TypeError, ValueError):
        kind = pa.string()
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    has_items = role in plan.reading.lists and is_list(kind)
    nested = kind.value_type if has_items else kind
    kind = nested.value_type if is_list(nested) else nested
    is_boolean = pa.types.is_boolean(kind)
    if is_number(kind) or (is_boolean and plan.takes_booleans(role)):
        return
    msg = f"{PLACE}: column {harmless(column.name)} holds {column.dtype}, not numbers"
    if is_boolean and role == "y":
        raise ValueError(with_hint(msg, "true and false are the labels 1 and 0? use labels='01'"))
    below = path_to_number(nested)
    path = plan.path_below(role, str(column.name), below)
    named = f"one of its numbers is named by its path: {plan.setting_of(role)}={path!r}"
    raise ValueError(with_hint(msg, named if below else "convert it, e.g. with pandas.to_numeric"))


def _numbers_of(column: pd.Series[Any], *, takes_booleans: bool) -> Numbers:
    def number(cell: Any) -> float | str:
        return problems.MISSING if _is_missing(cell) else _number_of(cell, takes_booleans=takes_booleans)

    return numbers_of(column.tolist(), number, _shown) if column.dtype == object else numbers_in(_arrow(column))


def _lists_of(column: pd.Series[Any], role: Role) -> Lists:
    if column.dtype != object:
        return lists_in(_arrow(column), "", str(column.name))
    cells: list[list[float]] = []
    bad: BadCells = []
    for row, cell in enumerate(column.tolist()):
        is_list = cell.ndim > 0 if isinstance(cell, np.ndarray) else isinstance(cell, list | tuple)
        items = list(cell) if is_list else [cell] if role in MAY_BE_SINGLE else None
        if items is None:
            bad.append((row, problems.MISSING if _is_missing(cell) else problems.NO_LIST, _shown(cell)))
        numbers = list(map(_number_of_item, items or ()))
        bad += [
            (row, kind, item_text(_shown((items or ())[place]), place, len(numbers)))
            for place, kind in enumerate(numbers)
            if isinstance(kind, str)
        ]
        cells.append([0.0 if isinstance(number, str) else number for number in numbers])
    return Lists(list_cells(cells), bad)


def _number_of_item(item: Any) -> float | str:
    if isinstance(item, paths.Astray):
        return item.kind
    return problems.MISSING if _is_missing(item) else _number_of(item)


def cells_of_row(frame: pd.DataFrame, row: int, longest: int) -> dict[str, str]:
    """Return the texts of a row by column, and first its label where that is not its place."""
    label = frame.index[row]
    is_place = isinstance(label, Integral) and int(label) == row
    named = {} if is_place else {str(frame.index.name or "label"): label}
    named |= {str(name): frame.iat[row, place] for place, name in enumerate(frame.columns)}
    return {
        name: "" if _is_missing(cell) or (isinstance(cell, float) and cell != cell) else harmless(cell, longest)
        for name, cell in named.items()
    }


def _is_missing(cell: Any) -> bool:
    import pandas as pd

    return cell is None or cell is pd.NA or cell is pd.NaT


def _arrow(column: pd.Series[Any]) -> pa.Array:
    """Return a column as Arrow; NaN stays NaN where the dtype has no other missing value."""
    import pyarrow as pa

    if isinstance(column.dtype, np.dtype):
        return pa.array(column.to_numpy(), from_pandas=False)
    array = pa.array(column)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _number_of(cell: Any, *, takes_booleans: bool = False) -> float | str:
    """Return the nearest double, an infinity beyond the largest and NaN for a signalling one, or a kind of problem."""
    if isinstance(cell, list | tuple | np.ndarray):
        return _number_of(cell[0], takes_booleans=takes_booleans) if len(cell) == 1 else problems.LIST
    if isinstance(cell, dict):
        return problems.OBJECT
    is_boolean, is_number = isinstance(cell, bool | np.bool_), isinstance(cell, Real | Decimal)
    if is_boolean and takes_booleans:
        return bool(cell)
    if is_boolean or not is_number:
        return problems.NOT_A_NUMBER
    is_whole = isinstance(cell, Integral) or (isinstance(cell, Decimal) and cell.as_tuple().exponent == 0)
    if is_whole and not is_exact(int(cell)):
        return problems.INEXACT
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf
    except ValueError:
        return math.nan


def _shown(cell: Any) -> str:
    if isinstance(cell, paths.Astray):
        return harmless(cell.text, limit=200)
    if isinstance(cell, dict | list):
        return harmless(json.dumps(cell, default=str))
    return harmless(cell if isinstance(cell, Integral) else repr(cell))


def _texts_of(column: pd.Series[Any]) -> list[str]:
    is_missing = column.isna().tolist()
    return ["" if missing else str(value) for value, missing in zip(column.tolist(), is_missing, strict=True)]


def _keys_of(column: pd.Series[Any], values: dict[str, Any], *, is_id: bool) -> pa.Array:
    """Return a column as keys, and enter in `values` what each key is the text of."""
    import pandas as pd
    import pyarrow as pa

    codes, uniques = pd.factorize(column, use_na_sentinel=False)
    if column.dtype == object:
        texts = [str(plainest(one) if is_id and isinstance(one, float) else one) for one in uniques]
    else:
        texts = keys_in(_arrow(pd.Series(uniques)), is_id=is_id).to_pylist()
    texts = ["" if pd.isna(value) else text for text, value in zip(texts, uniques, strict=True)]
    for text, value in zip(texts, uniques, strict=True):
        values.setdefault(text, value)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.string()))
