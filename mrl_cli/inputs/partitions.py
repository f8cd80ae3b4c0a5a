"""Columns that do not stand in the rows but in the file's path: hive keys such as `split=test/part-0.parquet`, and the
file itself.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import DataError
from mrl_cli.model import problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    import pyarrow as pa

    from mrl_cli.inputs.base import Source
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
    reduced = plan.columns.where(lambda _, name: name not in source.hive)
    fills = tuple((role, number) for role, number in plan.reading.fills if reduced.name_of(role) is not None)
    return plan if reduced == plan.columns else plan.changed(columns=reduced, fills=fills)


def with_partitions(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return the batch with the columns that the source's path gives, and with the file as a key when asked for."""
    if not (source.hive or plan.reading.by_file):
        return batch
    hive, size, kept = source.hive, batch.size, batch.kept
    columns = plan.columns
    numbers, filled = dict(batch.numbers), dict(batch.filled)
    for role, name in columns.wanted_numbers if hive else ():
        if name in hive:
            number = _number(role, name, source, plan)
            numbers[role] = np.full(size, dict(plan.reading.fills)[role] if number is None else number)
            filled |= {role: np.full(size, number is None)} if role in dict(plan.reading.fills) else {}
    keys = {role: _constant(hive[name], size) for role, name in columns.keys if name in hive}
    if plan.reading.by_file:
        keys["file"] = _constant(source.name.encode("utf-8", "backslashreplace").decode(), size)
    if kept is not None:
        for name in [name for name in hive if name not in kept.column_names]:
            kept = kept.append_column(name, _constant(hive[name], size))
    return replace(batch, numbers=numbers, filled=filled, keys={**batch.keys, **keys}, kept=kept)


def _number(role: Role, name: str, source: Source, plan: Plan) -> float | None:
    from mrl_cli.inputs.cells import cell_number

    text = source.hive[name]
    number = cell_number(text, role, plan)
    if number == problems.MISSING and role in dict(plan.reading.fills):
        return None
    if isinstance(number, str):
        msg = f"{source.shown_name}: the path says {harmless(name)}={harmless(text)}, which is {number}"
        raise DataError(msg, hint="name another column, or rename the folder")
    return number


def _constant(text: str, size: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(as_arrow(np.zeros(size, np.int32)), texts_as_arrow([text]))
