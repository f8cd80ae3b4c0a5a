"""Parquet, a row group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.readers.base import Shard
from mrl_cli.readers.columnar import (
    BATCH_ROWS,
    RowsPart,
    batches_in,
    check_columns,
    names_in,
    reading,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from mrl_cli.model import PairBatch, Plan
    from mrl_cli.readers.sources import Source

COLUMN_BUFFER_BYTES = 1 << 20


class LightParquetFile:
    """What is used here of `pyarrow.parquet.ParquetFile`, whose module brings the file systems of clouds, and TLS.

    Loading those takes as long as reading two million pairs. Raises AttributeError, ImportError or TypeError where
    pyarrow's inner reader is not the one known here.
    """

    def __init__(self, path: str, **options: Any) -> None:
        from pyarrow._parquet import ParquetReader as InnerReader

        self._reader = InnerReader()
        self._iterated = self._reader.iter_batches  # asked for here, where it is not too late for pyarrow's own class
        self._reader.open(path, use_memory_map=False, arrow_extensions_enabled=True, **options)
        self._top_names = [path[0] for path in self._reader.column_paths]
        self.metadata: Any = self._reader.metadata
        self.schema_arrow: pa.Schema = self._reader.schema_arrow

    def __enter__(self) -> LightParquetFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()

    def iter_batches(
        self, batch_size: int, *, row_groups: Sequence[int], columns: Sequence[str] | None, use_threads: bool
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of row groups; `columns` None: all columns."""
        places = [place for place, name in enumerate(self._top_names) if columns is None or name in columns]
        found: Iterator[pa.RecordBatch] = self._iterated(
            batch_size, row_groups=row_groups, column_indices=places, use_threads=use_threads
        )
        return found


def opened(path: str, **options: Any) -> Any:
    """Open a Parquet file, to be used as pyarrow's is."""
    try:
        return LightParquetFile(path, **options)
    except (AttributeError, ImportError, TypeError):  # a pyarrow whose inner reader is another
        import pyarrow.parquet as pq

        return pq.ParquetFile(path, **options)


class ParquetReader:
    """Reads Parquet, a row group at a time."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the names in the schema."""
        del plan
        with reading(source), opened(source.path) as file:
            return list(file.schema_arrow.names)

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield the row groups."""
        del resume_at
        path = source.path
        with reading(source):
            with opened(path) as file:
                metadata, schema = file.metadata, file.schema_arrow
            check_columns(schema, plan, source)
            first_row = 1
            for group in range(metadata.num_row_groups):
                rows = metadata.row_group(group)
                yield Shard(source, RowsPart(path, group, first_row, metadata), rows.total_byte_size)
                first_row += rows.num_rows

    def batches(self, shard: Shard, plan: Plan) -> Iterator[PairBatch]:
        """Yield a row group's pairs in batches."""
        part: RowsPart = shard.part
        keys = [name for _, name in plan.columns.keys]
        options = {
            "metadata": part.shared,
            "read_dictionary": keys or None,
            "pre_buffer": False,
            # Without a buffer size a whole column chunk is held at a time, and a file may be one row group.
            "buffer_size": COLUMN_BUFFER_BYTES,
            "page_checksum_verification": True,
        }
        with reading(shard.source), opened(part.path, **options) as file:
            columns = None if plan.keep_columns else names_in(file.schema_arrow, plan, shard.source)
            rows = _batch_rows(plan)
            groups = file.iter_batches(rows, row_groups=[part.group], columns=columns, use_threads=False)
            yield from batches_in(groups, part.first_row, shard.source, plan)

    careful_batches = batches  # these batches know their rows


def _batch_rows(plan: Plan) -> int:
    """Return how many rows to hand on at a time: fewer where more is held of each, so that memory stays the same."""
    if plan.reduction == "none":  # each with its loss, perhaps as text, and perhaps with all its columns
        return BATCH_ROWS // 4
    return BATCH_ROWS if len(plan.columns.wanted) <= 3 else BATCH_ROWS // 2


PARQUET = ParquetReader()
