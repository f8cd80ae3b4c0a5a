"""Columns of Arrow's types: numbers made doubles only where that is exact or correctly rounded, and keys made text."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow, as_numbers, encoded, texts_as_arrow
from mrl_cli.errors import DataError, MrlError, is_out_of_memory
from mrl_cli.inputs.base import (
    Lists,
    Numbers,
    batch_of_columns,
    column_places,
    item_text,
    no_path,
    numbers_of_texts,
    path_below,
)
from mrl_cli.inputs.cells import cell_number, shown_cell
from mrl_cli.inputs.formats import FORMATS
from mrl_cli.inputs.nested import cells_at, is_list, items_at, list_bounds, path_to_number, type_at
from mrl_cli.inputs.paths import Astray, around_every
from mrl_cli.model import EVERY, IDS, MAY_BE_SINGLE, Batch, ListCells, Plan, Role, problems, rules
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless, number_text, option_of, plainest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.base import BadCells, Keys, Source
    from mrl_cli.inputs.heads import Head

BOOLEANS_HINT = "true and false are the labels 1 and 0? use --labels 01"
MOST_EXPANDED = 1 << 20  # bytes of one compressed byte: more than Zstandard, gzip, LZ4 or Brotli can make
BATCH_ROWS = 393216  # smaller batches are decoded more slowly, and change hands more often; larger ones are no quicker


class RowsPart(NamedTuple):
    """Some rows of a columnar file: group number `group`, whose first row is the file's row `first_row` (from 1)."""

    group: int
    first_row: int
    shared: Any  # the opened footer, so that it is parsed once in a process

    def __reduce__(self) -> Any:
        return RowsPart, (self.group, self.first_row, None)


@contextmanager
def reading(source: Source, place: str = "") -> Iterator[None]:
    """Turn what Arrow raises for damaged files into a DataError that names the file, and the place in it if given."""
    import pyarrow as pa

    try:
        yield
    except (MrlError, GeneratorExit):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        is_of_machine = is_out_of_memory(error) and not _claims_too_much(error, source)
        if is_of_machine or (isinstance(error, OSError) and error.errno):
            raise
        reason = harmless(str(error).split("\n", maxsplit=1)[0], limit=160)
        where = f"{place}: " if place else ""
        if is_encrypted(error):
            msg = f"{source.shown_name} has encrypted columns, which mrl does not read: {where}{reason}"
            raise DataError(msg, hint="decrypt it, or write those columns that are not into another file") from error
        msg = f"{source.shown_name} is corrupt, cut off, or not {FORMATS[source.format].title}: {where}{reason}"
        raise DataError(msg, hint="check that the file was copied whole") from error


def is_encrypted(error: Exception) -> bool:
    """Return whether Arrow refuses to read an encrypted column of a Parquet file whose footer is not encrypted."""
    return "decrypt" in str(error).lower()


def _claims_too_much(error: Exception, source: Source) -> bool:
    """Return whether memory was asked for that nothing in a file of this size can fill, however it is compressed."""
    if "capacity too large" in str(error):  # of 2^63 bytes, which Arrow does not ask for
        return True
    asked = re.search(r"of size (\d+)", str(error))
    return asked is not None and int(asked[1]) > MOST_EXPANDED * (source.size_bytes or 0)


def head_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int | None) -> Head:
    """Return the first rows of batches as a head; `rows` is how many there are, where it is known."""
    import pyarrow as pa

    from mrl_cli.inputs import heads

    seen: list[pa.RecordBatch] = []
    for batch in batches:
        seen.append(batch.slice(0, heads.HEAD_ROWS - sum(part.num_rows for part in seen)))
        if sum(part.num_rows for part in seen) >= heads.HEAD_ROWS:
            break
    else:
        rows = sum(part.num_rows for part in seen) if rows is None else rows
    table = pa.Table.from_batches(seen, schema)
    columns = [
        heads.Column(field.name, harmless(field.type), _cells_in(table.column(place)))
        for place, field in enumerate(schema)
    ]
    return heads.Head(columns, table.num_rows, rows, {}, {})


def _cells_in(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values; none for dates and the like, which need packages of their own."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_plain = is_number(kind) or _is_text(kind) or pa.types.is_boolean(kind)
    try:
        return column.to_pylist() if is_plain or pa.types.is_nested(kind) else []
    except (ValueError, ImportError):
        return []


def check_columns(schema: pa.Schema, plan: Plan, source: Source) -> None:
    """Raise when a wanted column is missing or of a type that does not hold numbers."""
    import pyarrow as pa

    names, keys = dict(plan.columns.wanted), dict(plan.columns.keys)
    for role, place in column_places(schema.names, plan, source, nests=True).items():
        name, top = names[role], schema.names[place]
        kind = type_at(schema.field(place).type, path_below(name, top), top)
        if isinstance(kind, Astray):
            if kind.is_missing:
                raise no_path(source.shown_name, name, kind.text, kind.near)
            raise DataError(f"{source.shown_name}: {harmless(name)} is {kind.text}")
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        subject = f"{source.shown_name}: column {harmless(name)} holds {harmless(kind)}"
        if role in plan.reading.lists and EVERY not in path_below(name, top).split("."):
            if not (is_list(kind) or pa.types.is_null(kind) or role in MAY_BE_SINGLE):
                hint = f"name a column of lists with {option_of(plan.setting_of(role))} COLUMN"
                hint += ", or a number in all items of a list, such as answers.*.rank"
                raise DataError(f"{subject}, not lists of numbers (from row 1 on)", hint=hint)
            kind = kind.value_type if is_list(kind) else kind
        if role in keys:
            kind = kind.value_type if is_list(kind) else kind
            if not (is_number(kind) or _is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)):
                raise DataError(f"{subject}, which is no key", hint="write the column as text or integers")
        elif role == "y" and pa.types.is_boolean(kind.value_type if is_list(kind) else kind):
            if not plan.takes_booleans(role):
                raise DataError(f"{subject}, true and false, not numbers (from row 1 on)", hint=BOOLEANS_HINT)
        elif not (is_number(item := kind.value_type if is_list(kind) else kind) or _is_text(item)):
            msg, below = f"{subject}, not numbers (from row 1 on)", path_to_number(kind)
            written = "write the column as double or integer numbers"
            raise DataError(msg, hint=plan.path_hint(role, name, below) if below else written)


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of that type holds numbers, or nothing at all."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def batches_in(batches: Iterable[pa.RecordBatch], first_row: int, source: Source, plan: Plan) -> Iterator[Batch]:
    """Yield the pairs of record batches that follow one another; `first_row` is the row of the first (from 1)."""
    import pyarrow as pa

    wanted = dict(plan.columns.wanted)

    def cells(column: pa.Array, role: Role) -> tuple[pa.Array, BadCells]:
        top = names[places[role]]
        return cells_at(column, path_below(wanted[role], top), top)

    def numbers(column: pa.Array, role: Role) -> Numbers | Lists:
        if role in plan.reading.lists:
            top = names[places[role]]
            return lists_in(column, path_below(wanted[role], top), top, lambda text: cell_number(text, role, plan))
        column, astray = cells(column, role)
        # A label that must be one of two integers is compared as it is: no double in between could change it.
        keeps_integers = role == "y" and plan.rules.labels in ("pm1", "01")
        read = numbers_in(column, lambda text: cell_number(text, role, plan), keeps_integers=keeps_integers)
        return read._replace(bad=merged(astray, read.bad))

    def keys(column: pa.Array, role: Role) -> Keys:
        column, astray = cells(column, role)
        return keys_in(column, is_id=role in IDS, keeps_integers=role in plan.integer_roles), astray

    for batch in batches:
        names = batch.schema.names
        places = column_places(names, plan, source, nests=True)
        columns = {role: batch.column(place) for role, place in places.items()}
        kept = pa.Table.from_batches([batch]) if plan.reading.keep_columns else None
        rows = range(first_row, first_row + batch.num_rows)
        yield batch_of_columns(source.shown_name, columns, numbers, keys, rows, plan, kept)
        first_row = rows.stop


def merged(first: BadCells, others: BadCells) -> BadCells:
    """Return bad cells in order, of a cell that is in both that of the first."""
    known = {index for index, *_ in first}
    return sorted(first + [cell for cell in others if cell[0] not in known]) if first else others


def keys_in(column: pa.Array, *, is_id: bool = False, keeps_integers: bool = False) -> pa.Array:
    """Return a column as keys: text as it is, numbers and dates as text, a null as the empty text.

    Integers stay what they are where asked for, if none is missing. Where it `is_id`, a whole number is the text of
    that integer, as an id is in a file of integers or of text.
    """
    import pyarrow as pa

    if is_id and pa.types.is_floating(column.type):
        return texts_as_arrow("" if value is None else number_text(plainest(value)) for value in column.to_pylist())
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type) and not (column.null_count or column.dictionary.null_count):
        values = column.dictionary if pa.types.is_string(kind) else _as_texts(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), values)
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if is_list(column.type):  # labels, of which a list of one is the one: as JSON has them
        import json  # lists of labels are rare

        written = partial(json.dumps, ensure_ascii=False, default=str)
        return texts_as_arrow("" if value is None else written(value) for value in column.to_pylist())
    if column.null_count:
        return _as_texts(column).fill_null("")  # filling imports pandas
    if _is_text(kind):
        return _as_texts(column)
    if keeps_integers and pa.types.is_integer(kind) and kind != pa.uint64():
        return as_arrow(np.from_dlpack(column).astype(np.int64, copy=False))  # to cast loads all functions of Arrow
    if pa.types.is_integer(kind) and len(column):
        integers: np.ndarray[Any, Any] = np.from_dlpack(column)
        lowest, highest = int(integers.min()), int(integers.max())
        if highest - lowest < len(column) // 4:  # close together, as ids are: ten times as quick as looking each up
            wide = integers if integers.dtype.itemsize == 8 else integers.astype(np.int64)
            codes = as_arrow((wide - wide.dtype.type(lowest)).astype(np.int32))
            return pa.DictionaryArray.from_arrays(codes, _integers_as_texts(lowest, highest))
    coded = encoded(column)  # each number becomes text once
    return pa.DictionaryArray.from_arrays(coded.indices, _as_texts(coded.dictionary))


@lru_cache(maxsize=4)
def _integers_as_texts(lowest: int, highest: int) -> pa.Array:
    """Return the texts of integers in a row: batches of a file have the same ids, or nearly so."""
    return texts_as_arrow(map(str, range(lowest, highest + 1)))


def _as_texts(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_floating(column.type):  # Arrow writes 1.0 as 1
        return pa.array([None if value is None else number_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def numbers_in(
    column: pa.Array, number: Callable[[str], float | str] | None = None, *, keeps_integers: bool = False
) -> Numbers:
    """Return a column of numbers as doubles, and what in it cannot be one; integers as they are where asked for.

    `number` turns a text into a number or the kind of problem it is, where the column may hold texts.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()  # a null may stand among the indices or among the values
    if is_list(column.type):
        items, longer = _only_items(column)
        read = numbers_in(items, number, keeps_integers=keeps_integers)
        return read._replace(bad=merged(longer, read.bad))
    if number is not None and _is_text(column.type):
        return numbers_of_texts(
            column.to_pylist(),
            lambda text: problems.MISSING if text is None else number(text),
            lambda text: "null" if text is None else shown_cell(text),
        )
    is_decimal = pa.types.is_decimal(column.type)
    is_whole = pa.types.is_integer(column.type) or (is_decimal and column.type.scale <= 0)
    whole = column if is_whole else None
    if is_decimal:
        # Arrow's own decimal to double is not correctly rounded; its reading of text is.
        column = column.cast(pa.string()).cast(pa.float64())
    elif pa.types.is_null(column.type):
        column = column.cast(pa.int8())
    has_booleans, column = pa.types.is_boolean(column.type), as_numbers(column)
    bad = []
    if column.null_count:
        nulls = [index for index, valid in enumerate(column.is_valid().to_pylist()) if not valid]
        bad = [(index, problems.MISSING, "null") for index in nulls]
        column = column.fill_null(pa.scalar(0).cast(column.type))
    values = np.from_dlpack(column)
    if keeps_integers and not pa.types.is_floating(column.type):
        return Numbers(values, bad, has_booleans)
    with np.errstate(invalid="ignore"):  # a signalling NaN, which is a problem of its row
        doubles = values.astype(np.float64, copy=False)
    return Numbers(doubles, bad + ([] if whole is None else _inexact(doubles, whole)), has_booleans)


def _inexact(doubles: NDArray[np.float64], whole: pa.Array) -> BadCells:
    """Return the cells of whole numbers that their doubles are not."""
    # 2**53 + 1 is 2**53 as a double, so the limit itself is suspect.
    if not doubles.size or -rules.EXACT_INTEGER_LIMIT < doubles.min() <= doubles.max() < rules.EXACT_INTEGER_LIMIT:
        return []
    large = np.flatnonzero(np.abs(doubles) >= rules.EXACT_INTEGER_LIMIT).tolist()
    cells = ((index, int(whole[index].as_py())) for index in large)
    return [(index, problems.INEXACT, str(cell)) for index, cell in cells if int(doubles[index]) != cell]


def lists_in(column: pa.Array, path: str, way: str, number: Callable[[str], float | str] | None = None) -> Lists:
    """Return the lists of numbers at a path below the cells of a column called `way`, and what is none.

    The path may lead to lists, or to a cell in all items of lists. A cell that is one number is a list of it.
    """
    to_list, in_item = around_every(path)
    column, bad = cells_at(column, to_list, way)
    if not is_list(column.type):
        read = numbers_in(column, number)
        return Lists(ListCells.of(np.ones(len(column), np.int64), read.array), merged(bad, read.bad))
    _, lengths = list_bounds(column)
    nulls = [(index, problems.MISSING, "null") for index in np.flatnonzero(lengths < 0).tolist()]
    items, astray = cells_at(column.flatten(), in_item, f"{way}.{EVERY}")
    read = numbers_in(items, number)
    cells = ListCells.of(np.maximum(lengths, 0), read.array)
    of_items = merged(astray, read.bad)
    rows = (np.searchsorted(cells.starts, [place for place, *_ in of_items], side="right") - 1).tolist()
    bad_items = [
        (row, kind, item_text(text, place - int(cells.starts[row]), int(lengths[row])))
        for row, (place, kind, text) in zip(rows, of_items, strict=True)
    ]
    return Lists(cells, sorted(merged(bad, nulls) + bad_items, key=lambda cell: cell[0]))


def _only_items(column: pa.Array) -> tuple[pa.Array, BadCells]:
    """Return the one item of each list, null where there is not one, and the lists of none or of more."""
    starts, lengths = list_bounds(column)
    others = np.flatnonzero((lengths != 1) & (lengths >= 0)).tolist()
    bad = [(index, problems.LIST, harmless(column[index].as_py())) for index in others]
    return items_at(column, starts, lengths == 1), bad
