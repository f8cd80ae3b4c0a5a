"""Columns that do not stand in the rows: in the file's path, or in a separate file of scores.

A path gives hive keys such as `split=test/part-0.parquet`, and the file itself.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.inputs.base import without_bad
from mrl_cli.model.problems import NO_SUCH_SCORE
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.base import BadCells, Source
    from mrl_cli.model import Batch, Plan, Role

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # what Hive, Spark and DuckDB name the folder of a null


def hive_keys(path: str) -> dict[str, str]:
    """Return the keys that the folders of a path say.

    >>> hive_keys("runs/model=a%20b/split=test/part-0.csv")
    {'model': 'a b', 'split': 'test'}
    """
    from urllib.parse import unquote  # few paths have keys

    folders = os.path.dirname(path).replace(os.sep, "/").split("/")
    pairs = (folder.split("=", maxsplit=1) for folder in folders if "=" in folder)
    return {unquote(key): "" if value == NO_VALUE else unquote(value) for key, value in pairs if key}


def plan_for_file(plan: Plan, source: Source) -> Plan:
    """Return the plan without the columns that the source's path gives: no reader has to look for those."""
    if not source.hive:
        return plan
    columns = plan.columns
    reduced = replace(
        columns,
        y=None if columns.y in source.hive else columns.y,
        numbers=tuple((role, name) for role, name in columns.numbers if name not in source.hive),
        keys=tuple((role, name) for role, name in columns.keys if name not in source.hive),
    )
    return plan if reduced == columns else plan.changed(columns=reduced)


def with_partitions(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return the batch with the columns that the source's path gives, and with the file as a key when asked for."""
    if not (source.hive or plan.reading.by_file):
        return batch
    hive, size, kept = source.hive, batch.size, batch.kept
    columns = plan.columns
    numbers = {
        role: np.full(size, _number(role, name, source, plan)) for role, name in columns.wanted_numbers if name in hive
    }
    keys = {role: _constant(hive[name], size) for role, name in columns.keys if name in hive}
    if plan.reading.by_file:
        keys["file"] = _constant(source.name.encode("utf-8", "backslashreplace").decode(), size)
    if kept is not None:
        for name in [name for name in hive if name not in kept.column_names]:
            kept = kept.append_column(name, _constant(hive[name], size))
    return replace(batch, numbers={**batch.numbers, **numbers}, keys={**batch.keys, **keys}, kept=kept)


def _number(role: Role, name: str, source: Source, plan: Plan) -> float:
    from mrl_cli.inputs.cells import cell_number

    text = source.hive[name]
    number = cell_number(text, role, plan)
    if isinstance(number, str):
        msg = f"{source.shown_name}: the path says {harmless(name)}={harmless(text)}, which is {number}"
        raise DataError(msg, hint="name another column, or rename the folder")
    return number


def _constant(text: str, size: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(as_arrow(np.zeros(size, np.int32)), texts_as_arrow([text]))


@light_dataclass(frozen=True, slots=True)
class Scores:
    """Scores of objects, whose rows, counted from 0, are x1 and x2 of pairs: float64 of shape (n,) and finite.

    The file `name` holds them in this order.
    """

    name: str
    values: NDArray[np.float64]


def with_scores(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return the batch with the scores that x1 and x2 point at, without the pairs that point nowhere.

    Raises SuspectShardError for those when the batch does not know its rows.
    """
    scores: Scores | None = source.scores
    if scores is None:
        return batch
    bad: dict[Role, BadCells] = {"x1": _no_rows(batch.x1, scores), "x2": _no_rows(batch.x2, scores)}
    if batch.rows is None and any(bad.values()):
        raise SuspectShardError
    batch = without_bad(batch, bad, plan)
    x1, x2 = (scores.values[places.astype(np.intp)] for places in (batch.x1, batch.x2))
    return batch.with_numbers({"x1": x1, "x2": x2})


def _no_rows(places: NDArray[np.float64], scores: Scores) -> BadCells:
    fits = (places >= 0) & (places < scores.values.size) & (places == np.floor(places))
    indexes = np.flatnonzero(~fits).tolist()
    return [(i, NO_SUCH_SCORE, f"{places[i]:.0f}" if places[i].is_integer() else str(places[i])) for i in indexes]
