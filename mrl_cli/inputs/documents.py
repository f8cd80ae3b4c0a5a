"""JSON that is one value, which is held in memory: an array of objects, or an object of columns.

It is parsed by the standard library. Columns are lists of equal length, as RewardBench writes its scores; numbers may
stand in lists of their own, one each. A value that is not a list is the same for every row; the scores themselves must
be lists.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError
from mrl_cli.inputs import objects, paths
from mrl_cli.inputs.base import (
    NoColumnError,
    batch_of_columns,
    column_places,
    no_path,
    path_below,
)
from mrl_cli.inputs.text import count_feeds
from mrl_cli.model import Batch, Plan, problems
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mrl_cli.inputs.base import Faults, Source
    from mrl_cli.inputs.heads import Head


_SCORES = ("x1", "x2", "difference", "score", "chosen", "rejected")  # which are not the same for every row


class Document(NamedTuple):
    """An object of columns: those wanted, by name or path, and the names of those to keep, which are among them."""

    columns: dict[str, Any]
    kept: tuple[str, ...]


def parsed(data: bytes, source: Source) -> Any:
    """Return a text of JSON as one value. Raises DataError for one that is none, or nested too deeply."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = count_feeds(data[: error.start]) + 1
        raise DataError(f"{source.shown_name} is not UTF-8: line {line}", hint=problems.ENCODING_HINT) from error
    try:
        return json.loads(text, object_pairs_hook=objects.object_of)
    except json.JSONDecodeError as error:
        msg = f"{source.shown_name} is not one JSON value: line {error.lineno}, column {error.colno}: {error.msg}"
        is_more = error.msg == "Extra data"
        several = "several values? write one a line, e.g. with jq -c ."
        raise DataError(msg, hint=several if is_more else "check that the file was copied whole") from error
    except RecursionError as error:
        raise _too_deep(source, objects.line_nested_too_deeply(data)) from error
    except ValueError as error:
        raise DataError(f"{source.shown_name} holds an endless number") from error


def _too_deep(source: Source, line: int | None = None) -> DataError:
    msg = f"{source.shown_name} is nested too deeply" + ("" if line is None else f": line {line}")
    return DataError(msg, hint=f"up to {objects.DEEPEST} levels are read")


def first_object(records: list[Any]) -> dict[str, Any]:
    """Return the first of an array's values that is an object, an empty one where there is none."""
    return next((record for record in records if isinstance(record, dict)), {})


def check_columns(first: Iterable[str], values: Callable[[], Iterable[Any]], source: Source, plan: Plan) -> None:
    """Raise NoColumnError where neither the first object, whose keys are `first`, nor one of `values` has a column."""
    names = list(first)
    try:
        if names:
            column_places(names, plan, source, nests=True)
            return
    except NoColumnError:
        pass
    known = dict.fromkeys(chain(names, *(value for value in values() if isinstance(value, dict))))
    if known:  # without an object, each value is a problem of its own
        column_places(list(known), plan, source, nests=True)


def part_of(value: Any, source: Source, plan: Plan) -> list[Any] | Document:
    """Return a document's rows as objects, or its columns.

    Raises UsageError for a missing column and DataError for what are no columns.
    """
    if isinstance(value, list):
        check_columns(first_object(value), lambda: value, source, plan)
        return value
    names = list(value)
    places = column_places(names, plan, source, nests=True)
    if not holds_columns(value, plan):
        return [value]
    tops = {name: names[places[role]] for role, name in plan.columns.wanted}
    below = {name: _column_in(value, name) for name, top in tops.items() if path_below(name, top)}
    wanted = [name if name in below else top for name, top in tops.items()]
    kept = tuple(names) if plan.reading.keep_columns else ()
    columns = {name: below[name] if name in below else value[name] for name in dict.fromkeys((*kept, *wanted))}
    repeated = value.repeated if isinstance(value, objects.Repeating) else frozenset()
    for name in (*kept, *tops.values()):
        if name in repeated:
            raise DataError(f"{source.shown_name}: column {harmless(name)} is given twice", hint="rename one of them")
    _check_columns(columns, wanted, source, plan)
    return Document(columns, kept)


def holds_columns(value: dict[str, Any], plan: Plan) -> bool:
    """Return whether an object is one of columns: whether a wanted number is a list or an object in it.

    Where cells are lists, whether those are in a list: one with an item in a list of its own is just a cell.
    """
    return any(
        any(isinstance(cell, list) and (len(cell) != 1 or isinstance(cell[0], list)) for cell in column)
        if role in plan.reading.lists and isinstance(column, list)
        else isinstance(column, list | dict)
        for role, name in plan.columns.wanted_numbers
        for column in [_column_in(value, name)]
    )


def _column_in(value: dict[str, Any], name: str) -> Any:
    """Return what an object of columns has under a name or path: a list, or what is the same for every row.

    A path may lead to a list in objects, and go on in the cells of a list. An Astray is where it does not lead on.
    """
    top, path = (name, "") if name in value else paths.split(name, value) or ("", "")
    column, way = value.get(top), top
    while path and isinstance(column, dict):
        step = paths.split(path, column)
        if step is None:
            return paths.absent(way, path, column)
        member, path = step
        column, way = column[member], f"{way}.{member}"
    if path and isinstance(column, list):
        is_of_one_row = paths.names_item(path) and not all(isinstance(cell, list) for cell in column)
        if not is_of_one_row:
            return [paths.cell_at(cell, path, way) for cell in column]
    return paths.cell_at(column, path, way)


def _check_columns(columns: dict[str, Any], wanted: list[str], source: Source, plan: Plan) -> None:
    lengths: dict[str, int] = {}
    scores = {name for role, name in plan.columns.wanted_numbers if role in _SCORES}
    for name, column in columns.items():
        subject = f"{source.shown_name}: column {harmless(name)}"
        if isinstance(column, list):
            lengths[name] = len(column)
            if column and all(isinstance(cell, paths.Astray) and cell.is_missing for cell in column):
                raise no_path(source.shown_name, name, column[0].text, column[0].near)
        elif name in wanted and isinstance(column, dict):
            hint = "from pandas? write it with to_json(…, orient='records', lines=True)"
            raise DataError(f"{subject} is an object, not a list", hint=hint)
        elif isinstance(column, paths.Astray) and column.is_missing:
            raise no_path(source.shown_name, name, column.text, column.near)
        elif name in wanted and name.strip() in scores:
            raise DataError(f"{subject} is {objects.shown_value(column)}, not a list")
    first = next(iter(lengths))
    for other in (name for name in lengths if lengths[name] != lengths[first]):
        counts = f"column {harmless(first)} has {lengths[first]:,} values, {harmless(other)} has {lengths[other]:,}"
        raise DataError(f"{source.shown_name}: {counts}", hint="columns are lists of one length")


def batch_of(part: list[Any] | Document, source: Source, plan: Plan) -> Batch:
    """Return the pairs of a document, without the rows in which a wanted number is not a number."""
    try:
        if isinstance(part, Document):
            return _batch_of_columns(part, source, plan)
        return objects.batch_of_objects(enumerate(map(_object_or_faults, part), 1), source, plan, "row")
    except RecursionError as error:  # what could just be parsed may be too deep to be written as a key
        raise _too_deep(source) from error


def _object_or_faults(value: Any) -> dict[str, Any] | Faults:
    return value if isinstance(value, dict) else [(problems.NOT_AN_OBJECT, None, f"'{objects.shown_value(value)}'")]


def _batch_of_columns(document: Document, source: Source, plan: Plan) -> Batch:
    """Return the pairs of an object of columns, without the rows in which a wanted number is not a number."""
    columns = document.columns
    size = next(len(column) for column in columns.values() if isinstance(column, list))
    filled = {name: column if isinstance(column, list) else [column] * size for name, column in columns.items()}
    names = list(columns)
    return batch_of_columns(
        source.shown_name,
        {role: filled[names[place]] for role, place in column_places(names, plan, source).items()},
        partial(objects.numbers_in, plan=plan),
        objects.keys_in,
        range(1, size + 1),
        plan,
        objects.kept_columns({name: filled[name] for name in document.kept}) if plan.reading.keep_columns else None,
    )


def head_of_value(value: Any) -> Head:
    """Return the head of a value: an array of objects, an object of columns, or one object."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    if isinstance(value, list):
        seen = value[: heads.HEAD_ROWS]
        columns = heads.columns_of_records([record for record in seen if isinstance(record, dict)])
        if not columns and all(isinstance(record, list) for record in seen):
            names = ["Wall time", "Step", "Value"]  # TensorBoard's, which are no pairs; others are refused anyway
            columns = [heads.column_of(*named) for named in zip(names, zip(*seen, strict=False), strict=False)]
        return heads.Head(columns, len(seen), len(value), {"layout": "array"}, {})
    value = value if isinstance(value, dict) else {}
    lists = {name: column for name, column in value.items() if isinstance(column, list | dict)}
    if not lists:
        return heads.Head(heads.columns_of_records([value]), 1, 1, {"layout": "object"}, {})
    cells = {name: list(column.values() if isinstance(column, dict) else column) for name, column in lists.items()}
    rows = max(map(len, cells.values()))
    columns = [heads.column_of(name, cells.get(name, [value[name]])[: heads.HEAD_ROWS]) for name in value]
    return heads.Head(columns, min(rows, heads.HEAD_ROWS), rows, {"layout": "columns"}, {})


def head_of_part(data: bytes) -> Head:
    """Return the head of a value that goes on after these bytes: of an array, with its whole objects."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    value = objects.whole_part(data.decode("utf-8", "replace"))
    if isinstance(value, list):
        value = value[:-1][: heads.HEAD_ROWS]  # the last one may have broken off
    sample = json.dumps(value).encode() if isinstance(value, list) else b""
    return head_of_value(value)._replace(rows=None, sample=sample)
