"""Write a file of random pairs, or of ranked lists, the same bytes for the same options.

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
LISTS = pa.schema([("query", pa.int64()), ("label", pa.int64()), ("score", pa.float64())])
STRIDE = 7_368_787  # a prime that divides no row count: multiples of it take every remainder once
EXTENDED = pa.schema([*PLAIN, ("margin", pa.float64()), ("weight", pa.float64()), ("group", pa.int64())])


def chunks(rows: int, schema: Any, groups: int = GROUPS) -> Iterator[Any]:
    """Record batches of ``x1, x2, y`` with ``rows`` rows together: normal scores, labels -1 or 1.

    Under the extended schema a margin and a weight from 0 to 1 follow, and one of so many group numbers.
    """
    for index, start in enumerate(range(0, rows, CHUNK_ROWS)):
        size = min(CHUNK_ROWS, rows - start)
        rng = np.random.default_rng([SEED, index])
        y = 2 * rng.integers(0, 2, size) - 1
        columns = [pa.array(rng.standard_normal(size)), pa.array(rng.standard_normal(size)), pa.array(y)]
        if schema is EXTENDED:
            columns += [pa.array(rng.random(size)), pa.array(rng.random(size)), pa.array(rng.integers(0, groups, size))]
        yield pa.record_batch(columns, schema=schema)


def list_chunks(rows: int, levels: int, items: int) -> Iterator[Any]:
    """Record batches of ``query, label, score``: normal scores, labels of so many levels, or all different ones for 0.

    A query has so many items, or all rows for 0.
    """
    for index, start in enumerate(range(0, rows, CHUNK_ROWS)):
        places = np.arange(start, min(start + CHUNK_ROWS, rows))
        rng = np.random.default_rng([SEED, index])
        scores = rng.standard_normal(places.size)
        labels = rng.integers(0, levels, places.size) if levels else places * STRIDE % rows
        columns = [places // (items or rows), labels, scores]
        yield pa.record_batch(list(map(pa.array, columns)), schema=LISTS)


def write_csv(path: Path, schema: Any, batches: Iterator[Any]) -> None:
    """Write batches as CSV; floats carry their shortest round-trip digits."""
    with path.open("wb") as file:
        # pyarrow would put the header names in quotes, which pandas, Polars and DuckDB do not write.
        file.write(",".join(schema.names).encode() + b"\n")
        options = pyarrow.csv.WriteOptions(include_header=False)
        with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)


def write_parquet(path: Path, schema: Any, batches: Iterator[Any]) -> None:
    """Write batches as Parquet with pyarrow's defaults, one row group each."""
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def main() -> None:
    """Write one file; a file under its final name is always complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--format", choices=sorted(WRITERS), required=True)
    parser.add_argument("--extended", action="store_true", help="columns margin, weight and group too")
    parser.add_argument("--groups", type=int, default=GROUPS, help="how many groups there are")
    parser.add_argument("--levels", type=int, help="ranked lists, with so many labels, 0 for all different")
    parser.add_argument("--items", type=int, default=0, help="how many items a query has, 0 for one query")
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    partial = options.path.with_name(f"{options.path.name}.{os.getpid()}.partial")
    schema = EXTENDED if options.extended else PLAIN if options.levels is None else LISTS
    if schema is LISTS:
        batches = list_chunks(options.rows, options.levels, options.items)
    else:
        batches = chunks(options.rows, schema, options.groups)
    try:
        WRITERS[options.format](partial, schema, batches)
        partial.replace(options.path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
