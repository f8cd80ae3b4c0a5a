"""The columns of a frame: looked up by their names, and read chunk by chunk as numbers and keys."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.errors import with_hint
from mrl_cli.inputs.base import Shard, Source, batch_of_columns, item_text, list_cells, no_column, numbers_of
from mrl_cli.inputs.cells import is_exact
from mrl_cli.inputs.columnar import BATCH_ROWS, is_number, keys_in, lists_in, numbers_in
from mrl_cli.inputs.nested import is_list
from mrl_cli.inputs.objects import MAY_BE_SINGLE
from mrl_cli.model import problems, setting_of
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    import pandas as pd
    import pyarrow as pa

    from mrl_cli.inputs.base import BadCells, Keys, Lists, Numbers
    from mrl_cli.model import Batch, Plan, Role


PLACE = "the frame"  # what messages call it


def frame_source(frame: pd.DataFrame, named: Mapping[Role, Hashable | None]) -> Source:
    """Return a frame as an input; `named` gives the name of each role's column.

    Raises ValueError for a name that no column has, or several, and TypeError for anything but a DataFrame.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        msg = f"frame must be a pandas DataFrame, not {type(frame).__name__}; for arrays there is margin_ranking_loss"
        raise TypeError(msg)
    places = {role: _place(frame, role, name) for role, name in named.items() if name is not None}
    return Source(PLACE, "frame", stream=FrameColumns(frame, places, {}))


class FrameColumns(NamedTuple):
    """A frame, where the column of each role stands in it, and by role what each key is the text of (filled in)."""

    frame: pd.DataFrame
    places: Mapping[Role, int]
    values: dict[Role, dict[str, Any]]


def _place(frame: pd.DataFrame, role: Role, name: Hashable) -> int:
    names = list(frame.columns)
    places = [place for place, other in enumerate(names) if other == name]
    if len(places) == 1:
        return places[0]
    if places:
        msg = f"{PLACE} has column {harmless(name)!r} {len(places)} times"
        raise ValueError(with_hint(msg, "rename one of them"))
    argument = setting_of(role)
    near = closest(str(name), [other for other in names if isinstance(other, str)])
    hint = f"did you mean {argument}={near!r}?" if near else f"name the column with {argument}=…"
    if role == "y" and near is None:
        hint += "; no label column? use y_const=1"
    raise ValueError(with_hint(no_column(PLACE, name, names), hint))


def names(source: Source, plan: Plan) -> list[str]:
    """Return the names of the columns, as text."""
    del plan
    return [str(name) for name in source.stream.frame.columns]


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield ranges of rows. Raises ValueError for a column whose dtype does not hold numbers."""
    frame, places, _ = source.stream
    for role, _ in plan.columns.wanted_numbers:
        _check_type(frame.iloc[:0, places[role]], role, plan)
    for start in range(0, len(frame), BATCH_ROWS):
        yield Shard(source, start, 0)


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the pairs of a range of rows, numbered from 0."""
    frame, places, values = shard.source.stream
    start: int = shard.part
    chunk = frame.iloc[start : start + BATCH_ROWS]
    columns = {role: chunk.iloc[:, place] for role, place in places.items()}
    fills = dict(plan.reading.fills)

    def keys_of(column: pd.Series[Any], role: Role) -> Keys:
        if role == "y" and column.dtype == object:  # a group of True would take 1 in
            return texts_as_arrow(_texts_of(column)), []
        return _keys_of(column, values.setdefault(role, {}) if role in plan.groups else {}), []

    def numbers(column: pd.Series[Any], role: Role) -> Numbers | Lists:
        if role in plan.reading.lists:
            return _lists_of(column, role)
        array, bad = _numbers_of(column, takes_booleans=plan.takes_booleans(role))
        if role in fills:  # where pandas knows no other missing value, it is NaN
            known = {index for index, *_ in bad}
            unknown = np.flatnonzero(np.isnan(array)).tolist()
            bad = bad + [(index, problems.MISSING, "nan") for index in unknown if index not in known]
        return array, bad

    yield batch_of_columns(PLACE, columns, numbers, keys_of, range(start, start + len(chunk)), plan)


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
    is_boolean = pa.types.is_boolean(kind)
    if role in plan.reading.lists and is_list(kind):
        kind = kind.value_type
    if is_number(kind) or (is_boolean and plan.takes_booleans(role)):
        return
    msg = f"{PLACE}: column {harmless(column.name)} holds {column.dtype}, not numbers"
    may_be_labels = is_boolean and role == "y"
    hint = "true and false are the labels 1 and 0? use labels='01'" if may_be_labels else ""
    raise ValueError(with_hint(msg, hint or "convert it, e.g. with pandas.to_numeric"))


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
        is_list = isinstance(cell, list | tuple | np.ndarray) and np.ndim(cell) > 0
        items = list(cell) if is_list else [cell] if role in MAY_BE_SINGLE else None
        if items is None:
            bad.append((row, problems.MISSING if _is_missing(cell) else problems.NO_LIST, _shown(cell)))
        numbers = [problems.MISSING if _is_missing(item) else _number_of(item) for item in items or ()]
        bad += [
            (row, kind, item_text(_shown((items or ())[place]), place, len(numbers)))
            for place, kind in enumerate(numbers)
            if isinstance(kind, str)
        ]
        cells.append([0.0 if isinstance(number, str) else number for number in numbers])
    return list_cells(cells), bad


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
        return _number_of(cell[0], takes_booleans=takes_booleans) if np.shape(cell) == (1,) else problems.LIST
    is_boolean, is_number = isinstance(cell, bool | np.bool_), isinstance(cell, Real | Decimal)
    if is_boolean and takes_booleans:
        return float(cell)
    if is_boolean or not is_number:
        return problems.NOT_A_NUMBER
    if isinstance(cell, Integral) and not is_exact(int(cell)):
        return problems.INEXACT
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf
    except ValueError:
        return math.nan


def _shown(cell: Any) -> str:
    return harmless(cell if isinstance(cell, Integral) else repr(cell))


def _texts_of(column: pd.Series[Any]) -> list[str]:
    is_missing = column.isna().tolist()
    return ["" if missing else str(value) for value, missing in zip(column.tolist(), is_missing, strict=True)]


def _keys_of(column: pd.Series[Any], values: dict[str, Any]) -> pa.Array:
    """Return a column as keys, and enter in `values` what each key is the text of."""
    import pandas as pd
    import pyarrow as pa

    codes, uniques = pd.factorize(column, use_na_sentinel=False)
    texts = map(str, uniques) if column.dtype == object else keys_in(_arrow(pd.Series(uniques))).to_pylist()
    texts = ["" if pd.isna(value) else text for text, value in zip(texts, uniques, strict=True)]
    for text, value in zip(texts, uniques, strict=True):
        values.setdefault(text, value)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.string()))
