"""JSON objects to pairs, one by one: what a value of JSON is as a number or as a key, and what is wrong with it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.inputs.base import pair_batch
from mrl_cli.inputs.cells import is_exact
from mrl_cli.model import Problem, problems
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from mrl_cli.model import Batch, Plan, Role

# What is wrong with an object: (kind, column, shown value) of each problem.
Faults = list[tuple[str, str | None, str]]


class Repeating(dict[str, Any]):
    """An object in which some keys, `repeated`, were given more than once."""

    repeated: frozenset[str] = frozenset()


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, as an `object_pairs_hook`: one that remembers which keys were repeated."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    repeating = Repeating(found)
    repeating.repeated = frozenset(name for name in found if names.count(name) > 1)
    return repeating


def batch_of_records(
    records: Iterable[tuple[int, dict[str, Any] | Faults]], file: str, plan: Plan, row_word: str
) -> Batch:
    """Return the pairs of numbered objects, less those at fault; `row_word` is what `file` calls a row."""
    problems: list[Problem] = []
    rows: list[int] = []
    values: list[list[float]] = [[] for _ in plan.columns.wanted_numbers]
    keys: list[list[str]] = [[] for _ in plan.columns.keys]
    kept: list[dict[str, Any]] = []
    rejected = 0
    for row, record in records:
        numbers = _numbers(record, plan) if isinstance(record, dict) else ()
        faults = record if isinstance(record, list) else numbers if isinstance(numbers, list) else []
        if isinstance(record, list) or isinstance(numbers, list):
            rejected += 1
            problems += [Problem(kind, file, row, column, shown, row_word) for kind, column, shown in faults]
            continue
        rows.append(row)
        for column, value in zip(values, numbers, strict=True):
            column.append(value)
        for texts, (_, name) in zip(keys, plan.columns.keys, strict=True):
            texts.append(key_text(record.get(name)))
        if plan.reading.keep_columns:
            kept.append(record)
    return pair_batch(
        file,
        [np.array(column, np.float64) for column in values],
        [texts_as_arrow(texts) for texts in keys],
        plan,
        rows=rows,
        row_word=row_word,
        problems=tuple(problems),
        rejected_rows=rejected,
        kept=kept_table(kept) if plan.reading.keep_columns else None,
    )


def _numbers(record: dict[str, Any], plan: Plan) -> tuple[float, ...] | Faults:
    """Return an object's wanted numbers, or what is wrong with it."""
    if isinstance(record, Repeating):
        repeated = [name for _, name in plan.columns.wanted if name in record.repeated]
        if repeated:
            return [(problems.DUPLICATE_KEY, harmless(name), "given twice") for name in dict.fromkeys(repeated)]
    found = [(name, number_of(record.get(name), role)) for role, name in plan.columns.wanted_numbers]
    faults: Faults = [
        (kind, harmless(name), shown_value(record.get(name)))
        for name, kind in dict(found).items()
        if isinstance(kind, str)
    ]
    return faults or tuple(number for _, number in found if not isinstance(number, str))


def number_of(value: Any, role: Role) -> float | str:
    """Return a JSON value as a double, or the kind of problem it is: only numbers are numbers.

    >>> number_of(2, "x1"), number_of("2", "x1"), number_of(None, "x1"), number_of(math.inf, "x1")
    (2.0, 'not a number', 'missing value', 'infinite')
    """
    if value is None:
        return problems.MISSING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return problems.NOT_A_NUMBER
    if isinstance(value, int):
        return float(value) if is_exact(value) else problems.INEXACT
    if role == "loss":
        return value
    if math.isnan(value):
        return problems.NAN
    return problems.INFINITE if math.isinf(value) else value


def shown_value(value: Any) -> str:
    """Return a JSON value as an error message shows it."""
    return harmless(json.dumps(value))


def key_text(value: Any) -> str:
    """Return a JSON value as a key: text as it is, no value as the empty text, others as JSON writes them."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unicode(value: Any) -> Any:
    """Return a value, and a text with what is no Unicode escaped: JSON can say half a surrogate pair."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def kept_table(kept: list[dict[str, Any]]) -> pa.Table:
    """Return the kept objects as columns; what is no plain value stays JSON text."""
    import pyarrow as pa

    names = dict.fromkeys(name for record in kept for name in record)
    return pa.table({name: kept_column([record.get(name) for record in kept]) for name in names})


def kept_column(values: Iterable[Any]) -> pa.Array:
    """Return kept values as a column; what is no plain value stays JSON text."""
    import pyarrow as pa

    flat = [json.dumps(value) if isinstance(value, dict | list) else _unicode(value) for value in values]
    try:
        return pa.array(flat)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if v is None else v if isinstance(v, str) else json.dumps(v) for v in flat])
