"""Columns that stand in a file's path: hive keys such as `split=test/part-0.parquet`, and the file itself."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import DataError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan

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
    """Return the plan without the columns that the source's path says: those no reader has to find."""
    if not source.hive:
        return plan
    columns = plan.columns
    is_known = source.hive.keys()
    reduced = replace(
        columns,
        y=None if columns.y in is_known else columns.y,
        numbers=tuple((role, name) for role, name in columns.numbers if name not in is_known),
        keys=tuple((role, name) for role, name in columns.keys if name not in is_known),
    )
    return plan if reduced == columns else plan.changed(columns=reduced)


def with_partitions(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return the batch with the columns that the source's path says, and with the file as its group when asked for."""
    if not (source.hive or plan.reading.by_file):
        return batch
    hive, size, kept = source.hive, batch.size, batch.kept
    numbers = dict(batch.numbers)
    for role, name in plan.columns.wanted_numbers:
        if name in hive:
            numbers[role] = np.full(size, _number(name, hive, source, plan))
    keys = dict(batch.keys)
    for role, name in plan.columns.keys:
        if name in hive:
            keys[role] = _constant(hive[name], size)
    if plan.reading.by_file:
        keys["group"] = _constant(source.name.encode("utf-8", "backslashreplace").decode(), size)
    if kept is not None:
        for name in hive:
            kept = kept if name in kept.column_names else kept.append_column(name, _constant(hive[name], size))
    return replace(batch, numbers=numbers, keys=keys, kept=kept)


def _number(name: str | None, hive: Mapping[str, str], source: Source, plan: Plan) -> float:
    from mrl_cli.inputs.cells import number_in

    text = hive[name or ""]
    number = number_in(text, plan.reading.dialect)
    if isinstance(number, str):
        msg = f"{source.shown_name}: the path says {harmless(name)}={harmless(text)}, which is {number}"
        raise DataError(msg, hint="name another column, or rename the folder")
    return number


def _constant(text: str, size: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(as_arrow(np.zeros(size, np.int32)), texts_as_arrow([text]))
