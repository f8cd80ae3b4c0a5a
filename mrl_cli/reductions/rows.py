"""Rows out: each pair's loss, with the input's columns where asked, and the problems of rows left out.

A format is a writer: it encodes tables of rows, those of batches in the workers, and writes them in one thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mrl_cli import native
from mrl_cli.arrow import as_arrow
from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.reductions.base import Reduction
from mrl_cli.words import NOT_FINITE, csv_lines, harmless, json_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    import pyarrow as pa

    from mrl_cli.model import Problem
    from mrl_cli.reductions.measured import Measured

    Encoded: TypeAlias = tuple[Any, Any]  # a head, and the rows as a writer writes them

LOSS_COLUMN = "loss"
WRITTEN_ROWS = 1 << 17  # of tables at a time, and of a row group of Parquet
FORMATTED_ROWS = 8192  # at a time; pyarrow's 1024 are a tenth slower


class RowWriter:
    """One way to write rows; `bare`: no header, where the format has one. `as_doubles`: losses are float64.

    Encoded rows come with their head: what all rows of an output have in common, such as the names of columns.
    """

    as_doubles = True
    head: Any = None

    def __init__(self, out: BinaryIO, *, bare: bool) -> None:
        self._out, self._bare = out, bare

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker elsewhere needs: it encodes, and the file stays here."""
        return vars(self) | {"_out": None}

    def encode(self, measured: Measured, stop: int | None = None) -> Encoded:
        """Turn the pairs of a batch, or the first `stop` of them, into what `write` takes, in a worker."""
        table = _table(measured, as_doubles=self.as_doubles)
        return self.encode_table(table.slice(0, stop), measured.batch.file)

    def encode_table(self, table: pa.Table, file: str) -> Encoded:
        """Turn rows into what `write` takes; `file` is what messages call their input."""
        raise NotImplementedError

    def write(self, encoded: Encoded) -> None:
        """Append encoded rows. Raises DataError where their head is another than that of the rows before."""
        head, rows = encoded
        if self.meet(head):
            self._begin(head)
        self._append(rows)

    def meet(self, head: Any) -> bool:
        """Return whether a head is the first. Raises DataError where it is another than the first."""
        if self.head is not None and head != self.head:
            raise self._differing(head)
        is_first, self.head = self.head is None, head
        return is_first

    def _differing(self, head: Any) -> DataError:
        first, second = (harmless(", ".join(some[:-1]), 200) for some in (self.head, head))
        msg = f"the inputs have different columns: {first} and then {second}"
        return DataError(msg, hint="leave out --keep-columns, or write JSON lines")

    def _begin(self, head: Any) -> None:
        """Write what comes before the first rows."""

    def _append(self, rows: Any) -> None:
        self._out.write(rows)

    def close(self) -> None:
        """Write what belongs at the end."""


_END = None  # stands after the rows before the first problem


class RowsReduction(Reduction["list[Any]", None]):
    """Writes a row for each pair used; nothing more once a row has a problem, where that ends the run."""

    state = list
    needs = frozenset(("losses",))
    holds_pairs = True

    def __init__(self, writer: RowWriter, *, ends_at_problems: bool) -> None:
        self._writer, self._ends_at_problems = writer, ends_at_problems
        self._has_ended = False

    def add(self, state: list[Any], measured: Measured) -> list[Any]:
        """Encode the rows of a batch, or those before its first problem: that is the end, whatever was read with it."""
        if not (state and state[-1] is _END):
            problems = self._ends_at_problems and measured.problems
            state.append(self._writer.encode(measured, _pairs_before(problems[0], measured) if problems else None))
            state += [_END] if problems else []
        return state

    def whole(self) -> None:
        """Return nothing: rows are written, not kept."""

    def merge(self, whole: None, state: list[Any], part: Any) -> None:
        """Write the rows of a task."""
        del whole, part
        for encoded in () if self._has_ended else state:
            if encoded is _END:
                self._has_ended = True
            else:
                self._writer.write(encoded)

    def close(self) -> None:
        """Write what belongs at the end."""
        self._writer.close()


class RejectsReduction(Reduction["list[Problem]", None]):
    """Writes every problem, one per row: CSV, or JSON lines when the file has their suffix."""

    joins = True
    state = list

    def __init__(self, out: BinaryIO, path: str) -> None:
        self._out = out
        self._is_json = os.path.splitext(path)[1].lower() in (".jsonl", ".ndjson")
        self._begin()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker elsewhere needs: the file stays here."""
        return vars(self) | {"_out": None}

    def restart(self) -> None:
        """Take back what was written: the run reads its inputs again."""
        if not self._out.seekable():
            raise MachineError("the problems cannot be taken back", hint="write them to a file with --rejects FILE")
        self._out.seek(0)
        self._out.truncate()
        self._begin()

    def _begin(self) -> None:
        if not self._is_json:
            self._out.write(csv_lines([REJECT_COLUMNS]).encode())

    def add(self, state: list[Problem], measured: Measured) -> list[Problem]:
        """Take the problems of a batch, all of which the plan must list."""
        state += measured.problems
        return state

    def whole(self) -> None:
        """Return nothing: problems are written, not kept."""

    def merge(self, whole: None, state: list[Problem], part: Any) -> None:
        """Write the problems of a task."""
        del whole, part
        rows = [(problem.file, problem.row, problem.column, problem.value, problem.kind) for problem in state]
        if self._is_json:
            import json  # few runs write any

            lines = (json.dumps(dict(zip(REJECT_COLUMNS, row, strict=True))) + "\n" for row in rows)
            self._out.write("".join(lines).encode())
        else:
            self._out.write(csv_lines(rows).encode())


REJECT_COLUMNS = ("file", "row", "column", "value", "problem")


def _pairs_before(problem: Problem, measured: Measured) -> int:
    """Return how many pairs that are used stand before a problem, which only a batch that knows its rows has."""
    is_before = np.asarray(measured.batch.rows, np.int64) < problem.row
    return int(np.count_nonzero(is_before if measured.used is None else is_before & measured.used))


def _table(measured: Measured, *, as_doubles: bool) -> pa.Table:
    """Return the rows of a batch: the kept input columns of the pairs used, then the loss."""
    import pyarrow as pa

    losses = as_arrow(measured.losses.astype(np.float64, copy=False) if as_doubles else measured.losses)
    kept = measured.pairs.kept
    if kept is None:
        return pa.Table.from_arrays([losses], names=[LOSS_COLUMN])
    if LOSS_COLUMN in kept.column_names:
        msg = f"{measured.batch.file} already has a column {LOSS_COLUMN!r}"
        raise UsageError(msg, hint="leave out --keep-columns, or rename that column")
    return kept.append_column(LOSS_COLUMN, losses)


def _with_floats_as_texts(table: pa.Table) -> pa.Table:
    """Return rows with columns of floats as texts, for Arrow writes a whole one as an integer, and nan and inf."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            texts = [native.float_texts(chunk) for chunk in table.column(place).chunks]
            table = table.set_column(place, field.name, pa.chunked_array(texts, pa.string()))
    return table


def _refuse_repeated(table: pa.Table, file: str) -> None:
    """Raise where a format that identifies columns by name would lose one of two that share it."""
    names = table.column_names
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        msg = f"{file} has column {harmless(repeated)!r} more than once"
        raise UsageError(msg, hint="write CSV or TSV, leave out --keep-columns, or rename one of them")


class CsvWriter(RowWriter):
    """CSV; the header is written with the first rows, so that it can name the kept columns."""

    delimiter = ","

    def encode(self, measured: Measured, stop: int | None = None) -> Encoded:
        """Format the pairs of a batch, or the first `stop` of them, in a worker."""
        lines = native.number_lines(measured.losses[:stop]) if measured.pairs.kept is None else None
        return super().encode(measured, stop) if lines is None else ([LOSS_COLUMN], lines)

    def encode_table(self, table: pa.Table, file: str) -> Encoded:
        """Format rows."""
        del file
        return table.column_names, self._formatted(table)

    def _formatted(self, table: pa.Table) -> pa.Buffer:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        table, sink = _with_floats_as_texts(table), pa.BufferOutputStream()
        options = arrow_csv.WriteOptions(
            include_header=False, delimiter=self.delimiter, quoting_style="none", batch_size=FORMATTED_ROWS
        )
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            arrow_csv.write_csv(table, sink, options)
            return sink.getvalue()
        # Some cell has to be quoted, and only such cells are: Arrow would quote all texts of these rows, and which rows
        # are written together depends on how the input was cut.
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            columns = [column.cast(pa.string()).to_pylist() for column in table.columns]
            return pa.py_buffer(csv_lines(zip(*columns, strict=True), self.delimiter).encode())
        msg = "the kept columns hold what CSV cannot carry"
        raise DataError(msg, hint="write Parquet (-o FILE.parquet) or JSON lines (--format jsonl)")

    def _begin(self, head: list[str]) -> None:
        if not self._bare:
            self._out.write(csv_lines([head], self.delimiter).encode("utf-8", "surrogateescape"))


class TsvWriter(CsvWriter):
    """As CSV, with tabs."""

    delimiter = "\t"


class JsonLinesWriter(RowWriter):
    """One JSON object per line, as `json_ready` has it."""

    def encode_table(self, table: pa.Table, file: str) -> Encoded:
        """Format rows."""
        import json

        _refuse_repeated(table, file)
        if NOT_FINITE in _names_in(table.schema):
            message = f"{file} has a column {NOT_FINITE!r}, as JSON calls the names of numbers that are not finite"
            raise UsageError(message, hint="write CSV, TSV or Parquet, leave out --keep-columns, or rename that column")
        rows = table.to_pylist()
        return None, b"".join(json.dumps(json_ready(row), default=str).encode() + b"\n" for row in rows)


def _names_in(fields: Iterable[pa.Field]) -> Iterator[str]:
    """Yield the names of fields, and of those within their structs and lists."""
    for field in fields:
        yield field.name
        yield from _names_in(map(field.type.field, range(field.type.num_fields)))


class ParquetWriter(RowWriter):
    """Parquet. Losses keep the arithmetic's dtype; dictionaries are left out, for losses hardly ever repeat.

    A row group has WRITTEN_ROWS rows, and the last one what is left, however the rows come.
    """

    as_doubles = False
    _writer: Any = None
    _waiting: tuple[pa.Table, ...] = ()

    def encode_table(self, table: pa.Table, file: str) -> Encoded:
        """Return rows as they are written."""
        _refuse_repeated(table, file)
        return table.schema, table

    def _differing(self, head: pa.Schema) -> DataError:
        pairs = zip_longest(map(_field_text, self.head), map(_field_text, head), fillvalue="nothing")
        first, second = next(pair for pair in pairs if pair[0] != pair[1])
        msg = f"the inputs' columns differ in type or name: {first} and then {second}"
        return DataError(msg, hint="leave out --keep-columns, or write JSON lines")

    def _begin(self, head: pa.Schema) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        are_texts = (pa.types.is_string(field.type) or pa.types.is_dictionary(field.type) for field in head)
        texts = [name for name, is_text in zip(head.names, are_texts, strict=True) if is_text]
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._out, "w"), head, use_dictionary=texts or False, write_statistics=False
        )

    def _append(self, rows: pa.Table) -> None:
        self._waiting = (*self._waiting, rows)
        count = sum(table.num_rows for table in self._waiting)
        if count >= WRITTEN_ROWS:
            self._write_groups(count - count % WRITTEN_ROWS)

    def _write_groups(self, count: int) -> None:
        """Write the first `count` of the rows that wait."""
        import pyarrow as pa

        rows = pa.concat_tables(self._waiting)
        for start in range(0, count, WRITTEN_ROWS):
            group = rows.slice(start, min(WRITTEN_ROWS, count - start))
            self._writer.write_table(group.combine_chunks())  # pages end where chunks do
        self._waiting = (rows.slice(count),)

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._writer is not None:
            self._write_groups(sum(table.num_rows for table in self._waiting))
            self._writer.close()


def _field_text(field: pa.Field) -> str:
    return f"{harmless(field.name)} ({field.type}{'' if field.nullable else ', never null'})"


class TableWriter:
    """Writes tables of rows, in few parts: `writer` takes WRITTEN_ROWS of them at a time, the last part aside."""

    def __init__(self, writer: RowWriter, place: str) -> None:
        self._writer, self._place = writer, place
        self._tables: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._tables.append(table)
        if sum(waiting.num_rows for waiting in self._tables) >= WRITTEN_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left, and what belongs at the end."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._tables:
            whole = pa.concat_tables(self._tables).combine_chunks()
            self._writer.write(self._writer.encode_table(whole, self._place))
            self._tables.clear()


WRITERS: dict[str, type[RowWriter]] = {
    "csv": CsvWriter,
    "tsv": TsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def writer_for(name: str, out: BinaryIO, *, bare: bool) -> RowWriter:
    """Return the writer of that name; `bare`: numbers only, no header."""
    return WRITERS[name](out, bare=bare)
