"""Per-pair output, `--reduction none`: `WRITERS` turn losses, and the input's columns where asked, into rows.

`encode` runs in the workers, `write` in input order in one thread. Files appear whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import DataError, MachineError, UsageError
from mrl_cli.words import harmless, json_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from mrl_cli.model import PairBatch, Problem
    from mrl_cli.reductions.measured import Measured

LOSS_COLUMN = "loss"
FORMATTED_ROWS = 8192  # at a time; pyarrow's 1024 are a tenth slower


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when everything was written; before that, nothing changes.

    Devices, FIFOs and what is already open (/dev/stdout, /dev/fd/3) are written to directly. Raises MachineError when
    the place cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        # A device or pipe may have no real path (/dev/stdout), so it is asked for by the name given.
        descriptor = _open_descriptor(path)
        if descriptor is not None:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                yield file
            return
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            with open(path, "wb") as device:
                yield device
            return
        with _temporary_beside(target) as file:
            yield file
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        msg = f"cannot write {harmless(path, limit=200)}: {error.strerror or error}"
        has_folder = target.parent.is_dir()
        raise MachineError(msg, hint="nothing was changed" if has_folder else "make the folder first") from error


def _open_descriptor(path: str) -> int | None:
    """Return the descriptor that a name such as /dev/stdout means, None for any other name.

    Such a file goes on where it is: renamed over or cut off, what others write to it would be lost.

    >>> _open_descriptor("/dev/stdout"), _open_descriptor("/dev/fd/3"), _open_descriptor("out.csv")
    (1, 3, None)
    """
    name = os.path.abspath(path)
    number = {"/dev/stdout": "1", "/dev/stderr": "2"}.get(name, name.removeprefix("/dev/fd/"))
    return int(number) if number.isdecimal() else None


@contextmanager
def _temporary_beside(target: Path) -> Iterator[BinaryIO]:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        os.chmod(name, _mode_for(target))
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _mode_for(target: Path) -> int:
    """Return the mode of the file to be replaced, or what the umask gives a new one (mkstemp's is private)."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class PairWriter(Protocol):
    """One way to write per-pair rows."""

    def encode(self, measured: Measured, batch: PairBatch) -> Any:
        """Turn a batch into what `write` takes."""
        ...

    def write(self, encoded: Any) -> None:
        """Append encoded rows."""
        ...

    def close(self) -> None:
        """Write what belongs at the end."""
        ...


def _table(measured: Measured, batch: PairBatch, *, as_doubles: bool) -> pa.Table:
    """Return the rows of a batch: the kept input columns of the pairs used, then the loss."""
    import pyarrow as pa

    found = np.empty(0) if measured.losses is None else measured.losses
    found = found.astype(np.float64, copy=False) if as_doubles else found
    losses = as_arrow(found)
    if batch.kept is None:
        return pa.Table.from_arrays([losses], names=[LOSS_COLUMN])
    kept = batch.kept if measured.used is None else batch.kept.filter(as_arrow(measured.used))
    if LOSS_COLUMN in kept.column_names:
        msg = f"{batch.file} already has a column {LOSS_COLUMN!r}"
        raise UsageError(msg, hint="leave out --keep-columns, or rename that column")
    return kept.append_column(LOSS_COLUMN, losses)


def _refuse_repeated(table: pa.Table, batch: PairBatch) -> None:
    """Raise where a format that knows columns by name would lose one of two that share it."""
    names = table.column_names
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        msg = f"{batch.file} has column {harmless(repeated)!r} more than once"
        raise UsageError(msg, hint="write CSV or TSV, leave out --keep-columns, or rename one of them")


class DelimitedWriter:
    """CSV or TSV; the header is written with the first rows, so that it can name the kept columns."""

    def __init__(self, out: BinaryIO, delimiter: str, *, bare: bool) -> None:
        self._out = out
        self._delimiter = delimiter
        self._bare = bare
        self._names: list[str] | None = None

    def encode(self, measured: Measured, batch: PairBatch) -> tuple[list[str], pa.Buffer]:
        """Format a batch."""
        table = _table(measured, batch, as_doubles=True)
        return table.column_names, self._formatted(table)

    def _formatted(self, table: pa.Table) -> pa.Buffer:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        for style in ("none", "needed"):  # "needed" quotes every text there is; "none" refuses where that is due
            sink = pa.BufferOutputStream()
            options = arrow_csv.WriteOptions(
                include_header=False, delimiter=self._delimiter, quoting_style=style, batch_size=FORMATTED_ROWS
            )
            try:
                arrow_csv.write_csv(table, sink, options)
            except pa.ArrowInvalid:
                continue
            except pa.ArrowNotImplementedError as error:
                msg = f"a column cannot be written as text: {harmless(error, 160)}"
                raise UsageError(msg, hint="write Parquet (-o FILE.parquet) or JSON lines (--format jsonl)") from error
            return sink.getvalue()
        msg = "the kept columns hold text that CSV cannot carry"
        raise DataError(msg)

    def write(self, encoded: tuple[list[str], pa.Buffer]) -> None:
        """Append rows, after the header if they are the first."""
        names, rows = encoded
        if self._names is None:
            self._names = names
            if not self._bare:
                self._out.write(_header(names, self._delimiter))
        if names != self._names:
            first, second = (harmless(", ".join(some[:-1]), 200) for some in (self._names, names))
            msg = f"the inputs have different columns: {first} and then {second}"
            raise DataError(msg, hint="leave out --keep-columns, or write one file at a time")
        self._out.write(rows)

    def close(self) -> None:
        """Nothing belongs at the end."""


def _header(names: list[str], delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(names)
    return text.getvalue().encode("utf-8", "surrogateescape")


class JsonLinesWriter:
    """One JSON object a line; numbers that are not finite become the strings of the JSON contract."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def encode(self, measured: Measured, batch: PairBatch) -> bytes:
        """Format a batch."""
        table = _table(measured, batch, as_doubles=True)
        _refuse_repeated(table, batch)
        rows = table.to_pylist()
        return b"".join(json.dumps(json_ready(row), default=str).encode() + b"\n" for row in rows)

    def write(self, encoded: bytes) -> None:
        """Append rows."""
        self._out.write(encoded)

    def close(self) -> None:
        """Nothing belongs at the end."""


class ParquetWriter:
    """Parquet. Losses keep the arithmetic's dtype; dictionaries are left out, for losses hardly ever repeat."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writer: Any = None

    def encode(self, measured: Measured, batch: PairBatch) -> pa.Table:
        """Make a batch a table."""
        table = _table(measured, batch, as_doubles=False)
        _refuse_repeated(table, batch)
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
            raise DataError(msg, hint="leave out --keep-columns, or write CSV or JSON lines") from error

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def writer_for(name: str, out: BinaryIO, *, bare: bool) -> PairWriter:
    """Return the writer of that name; `bare`: numbers only, no header."""
    if name == "parquet":
        return ParquetWriter(out)
    if name == "jsonl":
        return JsonLinesWriter(out)
    return DelimitedWriter(out, {"csv": ",", "tsv": "\t"}[name], bare=bare)


WRITERS = ("csv", "tsv", "jsonl", "parquet")


class RejectsWriter:
    """Writes down problems, one a row: CSV, or JSON lines when the file's suffix says so."""

    def __init__(self, out: BinaryIO, path: str) -> None:
        self._out = out
        self._is_json = Path(path).suffix.lower() in (".jsonl", ".ndjson")
        if not self._is_json:
            self._out.write(_header(["file", "row", "column", "value", "problem"], ","))

    def write(self, problems: list[Problem]) -> None:
        """Append problems."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for problem in problems:
            record = (problem.file, problem.row, problem.column, problem.value, problem.kind)
            if self._is_json:
                names = ("file", "row", "column", "value", "problem")
                text.write(json.dumps(dict(zip(names, record, strict=True))) + "\n")
            else:
                rows.writerow(record)
        self._out.write(text.getvalue().encode())
