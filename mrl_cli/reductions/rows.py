"""Rows out: each pair's loss, with the input's columns where asked, and the problems of rows left out.

A format is a writer: it encodes tables of rows, those of batches in the workers, and writes them in one thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mrl_cli import native
from mrl_cli.arrow import as_arrow, texts_as_arrow, values_and_nulls
from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.reductions.base import Reduction
from mrl_cli.words import csv_lines, harmless, json_ready, number_text

if TYPE_CHECKING:
    import pyarrow as pa

    from mrl_cli.model import Problem
    from mrl_cli.reductions.measured import Measured

LOSS_COLUMN = "loss"
WRITTEN_ROWS = 1 << 16  # of tables at a time: each becomes a row group of Parquet
FORMATTED_ROWS = 8192  # at a time; pyarrow's 1024 are a tenth slower


class RowWriter:
    """One way to write rows; `bare`: no header, where the format has one. `as_doubles`: losses are float64."""

    as_doubles = True

    def __init__(self, out: BinaryIO, *, bare: bool) -> None:
        self._out, self._bare = out, bare

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker elsewhere needs: it encodes, and the file stays here."""
        return vars(self) | {"_out": None}

    def encode(self, measured: Measured) -> Any:
        """Turn the pairs of a batch into what `write` takes, in a worker."""
        return self.encode_table(_table(measured, as_doubles=self.as_doubles), measured.batch.file)

    def encode_table(self, table: pa.Table, file: str) -> Any:
        """Turn rows into what `write` takes; `file` is what messages call their input."""
        raise NotImplementedError

    def write(self, encoded: Any) -> None:
        """Append encoded rows."""
        self._out.write(encoded)

    def close(self) -> None:
        """Write what belongs at the end."""


class RowsReduction(Reduction["list[Any]", None]):
    """Writes a row for each pair used; nothing more once a row has a problem, where that ends the run."""

    state = list
    needs = frozenset(("losses",))
    holds_pairs = True

    def __init__(self, writer: RowWriter, *, ends_at_problems: bool) -> None:
        self._writer, self._ends_at_problems = writer, ends_at_problems
        self._has_ended = False

    def add(self, state: list[Any], measured: Measured) -> list[Any]:
        """Encode the rows of a batch."""
        state.append(self._writer.encode(measured))
        return state

    def whole(self) -> None:
        """Return nothing: rows are written, not kept."""

    def merge(self, whole: None, state: list[Any], part: Any) -> None:
        """Write the rows of a task."""
        del whole
        self._has_ended |= self._ends_at_problems and bool(part.counts.problems)
        try:
            for encoded in () if self._has_ended else state:
                self._writer.write(encoded)
        except BaseException:
            self._writer.close()  # the file is thrown away; what is open in it must not outlive it
            raise

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


def _with_named_numbers(table: pa.Table) -> pa.Table:
    """Return rows with columns of numbers that are not all finite as texts, for Arrow calls those nan and inf."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if not pa.types.is_floating(field.type):
            continue
        column = table.column(place).combine_chunks()
        values, nulls = values_and_nulls(column)
        if not np.isfinite(values[~nulls]).all():
            texts = (_NAMES.get(text, text) or "" for text in column.cast(pa.string()).to_pylist())
            table = table.set_column(place, field.name, texts_as_arrow(texts))
    return table


_NAMES = {text: number_text(float(text)) for text in ("nan", "inf", "-inf")}


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
    _names: list[str] | None = None

    def encode(self, measured: Measured) -> tuple[list[str], Any]:
        """Format the pairs of a batch, in a worker."""
        lines = native.number_lines(measured.losses) if measured.pairs.kept is None else None
        return super().encode(measured) if lines is None else ([LOSS_COLUMN], lines)

    def encode_table(self, table: pa.Table, file: str) -> tuple[list[str], pa.Buffer]:
        """Format rows."""
        del file
        return table.column_names, self._formatted(table)

    def _formatted(self, table: pa.Table) -> pa.Buffer:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        table, sink = _with_named_numbers(table), pa.BufferOutputStream()
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

    def write(self, encoded: tuple[list[str], Any]) -> None:
        """Append rows, after the header if they are the first."""
        names, rows = encoded
        if self._names is None:
            self._names = names
            if not self._bare:
                self._out.write(csv_lines([names], self.delimiter).encode("utf-8", "surrogateescape"))
        if names != self._names:
            first, second = (harmless(", ".join(some[:-1]), 200) for some in (self._names, names))
            msg = f"the inputs have different columns: {first} and then {second}"
            raise DataError(msg, hint="leave out --keep-columns, or write one file at a time")
        self._out.write(rows)


class TsvWriter(CsvWriter):
    """As CSV, with tabs."""

    delimiter = "\t"


class JsonLinesWriter(RowWriter):
    """One JSON object per line; numbers that are not finite become the strings of the JSON contract."""

    def encode_table(self, table: pa.Table, file: str) -> bytes:
        """Format rows."""
        import json

        _refuse_repeated(table, file)
        rows = table.to_pylist()
        return b"".join(json.dumps(json_ready(row), default=str).encode() + b"\n" for row in rows)


class ParquetWriter(RowWriter):
    """Parquet. Losses keep the arithmetic's dtype; dictionaries are left out, for losses hardly ever repeat."""

    as_doubles = False
    _writer: Any = None

    def encode_table(self, table: pa.Table, file: str) -> pa.Table:
        """Return rows as they are written."""
        _refuse_repeated(table, file)
        return table

    def write(self, encoded: pa.Table) -> None:
        """Append rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            texts = [
                field.name
                for field in encoded.schema
                if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
            ]
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._out, "w"), encoded.schema, use_dictionary=texts or False, write_statistics=False
            )
        try:
            self._writer.write_table(encoded)
        except ValueError as error:
            msg = f"the inputs' columns differ in type or name: {harmless(str(error).splitlines()[0], 160)}"
            raise DataError(msg, hint="leave out --keep-columns, or write JSON lines") from error

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


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
