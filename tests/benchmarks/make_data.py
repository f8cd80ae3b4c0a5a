"""Write a file of random pairs, the same bytes for the same row count.

Chunks are drawn and written one at a time, so that memory stays flat at any number of rows. A CSV file and a Parquet
file of the same size hold the same numbers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

SEED = 20250101
CHUNK_ROWS = 1024 * 1024  # also pyarrow's default row group
GROUPS = 1000
PLAIN = pa.schema([("x1", pa.float64()), ("x2", pa.float64()), ("y", pa.int64())])
EXTENDED = pa.schema([*PLAIN, ("margin", pa.float64()), ("weight", pa.float64()), ("group", pa.int64())])


def chunks(rows: int, schema: Any) -> Iterator[Any]:
    """Record batches of ``x1, x2, y`` with ``rows`` rows together: normal scores, labels -1 or 1.

    Under the extended schema a margin and a weight from 0 to 1 follow, and one of ``GROUPS`` group numbers.
    """
    for index, start in enumerate(range(0, rows, CHUNK_ROWS)):
        size = min(CHUNK_ROWS, rows - start)
        rng = np.random.default_rng([SEED, index])
        y = 2 * rng.integers(0, 2, size) - 1
        columns = [pa.array(rng.standard_normal(size)), pa.array(rng.standard_normal(size)), pa.array(y)]
        if schema is EXTENDED:
            columns += [pa.array(rng.random(size)), pa.array(rng.random(size)), pa.array(rng.integers(0, GROUPS, size))]
        yield pa.record_batch(columns, schema=schema)


def write_csv(rows: int, path: Path, schema: Any) -> None:
    """Write ``rows`` pairs as CSV; floats carry their shortest round-trip digits."""
    with path.open("wb") as file:
        # pyarrow would put the header names in quotes, which pandas, Polars and DuckDB do not write.
        file.write(",".join(schema.names).encode() + b"\n")
        options = pyarrow.csv.WriteOptions(include_header=False)
        with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
            for chunk in chunks(rows, schema):
                writer.write_batch(chunk)


def write_parquet(rows: int, path: Path, schema: Any) -> None:
    """Write ``rows`` pairs as Parquet with pyarrow's defaults, one row group a chunk."""
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for chunk in chunks(rows, schema):
            writer.write_batch(chunk)


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def main() -> None:
    """Write one file; a file under its final name is always complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--format", choices=sorted(WRITERS), required=True)
    parser.add_argument("--extended", action="store_true", help="columns margin, weight and group too")
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    partial = options.path.with_name(f"{options.path.name}.{os.getpid()}.partial")
    try:
        WRITERS[options.format](options.rows, partial, EXTENDED if options.extended else PLAIN)
        partial.replace(options.path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
