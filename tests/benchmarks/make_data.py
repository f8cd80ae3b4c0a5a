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
SCHEMA = pa.schema([("x1", pa.float64()), ("x2", pa.float64()), ("y", pa.int64())])


def chunks(rows: int) -> Iterator[Any]:
    """Record batches of ``x1, x2, y`` with ``rows`` rows together: normal scores, labels -1 or 1."""
    for index, start in enumerate(range(0, rows, CHUNK_ROWS)):
        size = min(CHUNK_ROWS, rows - start)
        rng = np.random.default_rng([SEED, index])
        y = 2 * rng.integers(0, 2, size) - 1
        columns = [pa.array(rng.standard_normal(size)), pa.array(rng.standard_normal(size)), pa.array(y)]
        yield pa.record_batch(columns, schema=SCHEMA)


def write_csv(rows: int, path: Path) -> None:
    """Write ``rows`` pairs as CSV; floats carry their shortest round-trip digits."""
    with path.open("wb") as file:
        # pyarrow would put the header names in quotes, which pandas, Polars and DuckDB do not write.
        file.write(b"x1,x2,y\n")
        options = pyarrow.csv.WriteOptions(include_header=False)
        with pyarrow.csv.CSVWriter(file, SCHEMA, write_options=options) as writer:
            for chunk in chunks(rows):
                writer.write_batch(chunk)


def write_parquet(rows: int, path: Path) -> None:
    """Write ``rows`` pairs as Parquet with pyarrow's defaults, one row group a chunk."""
    with pyarrow.parquet.ParquetWriter(path, SCHEMA) as writer:
        for chunk in chunks(rows):
            writer.write_batch(chunk)


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def main() -> None:
    """Write one file; a file under its final name is always complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--format", choices=sorted(WRITERS), required=True)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    partial = options.path.with_name(f"{options.path.name}.{os.getpid()}.partial")
    try:
        WRITERS[options.format](options.rows, partial)
        partial.replace(options.path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
