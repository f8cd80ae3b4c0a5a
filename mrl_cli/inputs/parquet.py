"""Parquet, a row group at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError
from mrl_cli.inputs.base import Shard, column_places, path_below
from mrl_cli.inputs.columnar import BATCH_ROWS, RowsPart, batches_in, check_columns, head_of, is_encrypted, reading
from mrl_cli.inputs.nested import leaves_at
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from mrl_cli.inputs.base import Ranges, Source
    from mrl_cli.inputs.heads import Head
    from mrl_cli.model import Batch, Plan

COLUMN_BUFFER_BYTES = 1 << 20
DAMAGED_HINT = "check that the file was copied whole, or write it again"


class LightParquetFile:
    """What is used here of `pyarrow.parquet.ParquetFile`, whose module brings the file systems of clouds, and TLS.

    Loading those takes as long as reading two million pairs. Raises AttributeError, ImportError or TypeError where
    pyarrow's inner reader is not the one known here.
    """

    def __init__(self, file: pa.NativeFile, **options: Any) -> None:
        from pyarrow._parquet import ParquetReader as InnerReader

        self._reader = InnerReader()
        self._iterated = self._reader.iter_batches  # asked for here, where it is not too late for pyarrow's own class
        self._reader.open(file, use_memory_map=False, arrow_extensions_enabled=True, **options)
        self._leaves = [".".join(path) for path in self._reader.column_paths]
        self.metadata: Any = self._reader.metadata
        self.schema_arrow: pa.Schema = self._reader.schema_arrow

    def iter_batches(
        self, batch_size: int, *, row_groups: Sequence[int], columns: Sequence[str] | None, use_threads: bool
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of row groups; `columns` are paths of leaves, None for all."""
        places = [place for place, path in enumerate(self._leaves) if columns is None or path in columns]
        batches: Iterator[pa.RecordBatch] = self._iterated(
            batch_size, row_groups=row_groups, column_indices=places, use_threads=use_threads
        )
        return batches


@contextmanager
def opened(source: Source, place: str = "", ranges: Ranges | None = None, **options: Any) -> Iterator[Any]:
    """Open a Parquet file, to be used as pyarrow's is; messages say that `place` in it is read.

    `ranges` returns where what is read of its rows stands, which is of use where each range is asked for.
    """
    with reading(source, place), source.file.seekable(ranges) as raw:
        try:
            file: Any = LightParquetFile(raw, **options)
        except (AttributeError, ImportError, TypeError):  # a pyarrow whose inner reader is another
            import pyarrow.parquet as pq

            file = pq.ParquetFile(raw, **options)
        yield file


def names(source: Source, plan: Plan) -> list[str]:
    """Return the names in the schema."""
    del plan
    with opened(source) as file:
        return list(file.schema_arrow.names)


def head(source: Source, plan: Plan) -> Head:
    """Return the columns of the footer, with the first rows."""
    import pyarrow as pa

    from mrl_cli.inputs.heads import HEAD_ROWS, Column

    del plan
    with opened(source, pre_buffer=False, buffer_size=COLUMN_BUFFER_BYTES) as file:
        metadata, schema, groups = file.metadata, file.schema_arrow, _groups(file.metadata, source)

        def read(rows: int, groups: Iterable[int], columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
            for place in groups:
                batches = file.iter_batches(rows, row_groups=[place], columns=columns, use_threads=False)
                yield from _counted(batches, RowsPart(place, 0, metadata), columns, source)

        def is_secret(leaf: str) -> bool:
            try:
                next(read(1, [0], [leaf]), None)
            except (pa.ArrowException, OSError) as error:
                return is_encrypted(error)
            return False

        try:
            found = head_of(read(HEAD_ROWS, range(len(groups)), None), schema, metadata.num_rows)
        except (pa.ArrowException, OSError) as error:
            if not is_encrypted(error):
                raise
            every = _leaf_paths(metadata)
            secret = {leaf.partition(".")[0] for leaf in every if is_secret(leaf)}  # of which all else is read
            leaves = [leaf for leaf in every if leaf.partition(".")[0] not in secret]
            clear = pa.schema([field for field in schema if field.name.partition(".")[0] not in secret])
            found = head_of(read(HEAD_ROWS, range(len(groups)), leaves), clear, metadata.num_rows)
            known = {column.name: column for column in found.columns}
            columns = [known.get(name) or Column(name, "encrypted", ()) for name in schema.names]
            found = found._replace(columns=columns)
    found.dialect["row_groups"] = len(groups)
    return found


def _groups(metadata: Any, source: Source) -> list[Any]:
    """Return the row groups. Raises DataError where they do not hold as many rows as the file."""
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows:  # pyarrow reads such a file
        counts = f"the footer counts {metadata.num_rows} rows, its row groups {rows}"
        raise DataError(f"{source.shown_name} is corrupt: {counts}", hint=DAMAGED_HINT)
    return groups


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield the row groups; the bytes of each are its rows' share of the file."""
    with opened(source) as file:
        metadata = file.metadata
        check_columns(file.schema_arrow, plan, source)
    first_row, size = 1, source.size_bytes or 0
    for place, group in enumerate(_groups(metadata, source)):
        share = size * group.num_rows // max(metadata.num_rows, 1)
        yield Shard(source, RowsPart(place, first_row, metadata), share)
        first_row += group.num_rows


def begin(shard: Shard) -> int:
    """Return at which byte of its file a row group begins."""
    return _start(shard.part.shared.row_group(shard.part.group).column(0))


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield a row group's pairs in batches."""
    source, part = shard.source, _with_footer(shard)
    options = {
        "metadata": part.shared,
        "read_dictionary": _dictionaries(part.shared, plan) or None,
        "pre_buffer": False,
        # Without a buffer size a whole column chunk is held at a time, and a file may be one row group.
        "buffer_size": COLUMN_BUFFER_BYTES,
        "page_checksum_verification": True,
    }

    def ranges() -> list[tuple[int, int]]:
        return _ranges(part, columns)

    with opened(source, _place(part), ranges, **options) as file:
        columns = None if plan.reading.keep_columns else _leaves(file, plan, source)
        # Fewer at a time where much more is held of each: that is memory.
        is_wide = len(plan.columns.wanted) > 4 or plan.reading.counts_lines
        rows = BATCH_ROWS // (16 if plan.reading.lists else 4 if plan.reading.holds_pairs else 2 if is_wide else 1)
        read = file.iter_batches(rows, row_groups=[part.group], columns=columns, use_threads=False)
        yield from batches_in(_counted(read, part, columns, source), part.first_row, source, plan)


def _with_footer(shard: Shard) -> RowsPart:
    part: RowsPart = shard.part
    if part.shared is None:
        with opened(shard.source) as file:
            part = part._replace(shared=file.metadata)
    return part


def _ranges(part: RowsPart, columns: Sequence[str] | None) -> list[tuple[int, int]]:
    """Return where the columns of a row group stand in the file: (start, stop) of each; None: all of them.

    Not before a row is read: see `_counted`.
    """
    group, ranges = part.shared.row_group(part.group), []
    for place, path in enumerate(_leaf_paths(part.shared)):
        if columns is None or path in columns:
            chunk = group.column(place)
            start = _start(chunk)
            ranges.append((start, start + chunk.total_compressed_size))
    return ranges


def _start(chunk: Any) -> int:
    return min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0)


def _dictionaries(metadata: Any, plan: Plan) -> list[str]:
    """Return the keys to be read as dictionaries: those that are a leaf, for pyarrow knows no other names."""
    keys = [name for _, name in plan.columns.keys]
    leaves = _leaf_paths(metadata) if keys else ()
    return [name for name in keys if name in leaves]


def _leaf_paths(metadata: Any) -> list[str]:
    return [column.path for column in map(metadata.schema.column, range(metadata.num_columns))]


def _leaves(file: Any, plan: Plan, source: Source) -> list[str]:
    """Return the paths of the leaves that hold the wanted cells."""
    schema, names = file.schema_arrow, file.schema_arrow.names
    places, wanted = column_places(names, plan, source, nests=True), dict(plan.columns.wanted)
    cells = [(place, path_below(wanted[role], names[place])) for role, place in places.items()]
    if not any(path or schema.field(place).type.num_fields for place, path in cells):
        return [names[place] for place, _ in cells]  # flat columns, of which each is a leaf
    leaves, count = leaves_at(schema, cells)
    every = _leaf_paths(file.metadata)
    if count == len(every):
        return [every[leaf] for leaf in sorted(leaves)]
    tops = {names[place] for place, _ in cells}  # types that Parquet lays out in a way unknown here
    return [path for path in every if path in tops or path.startswith(tuple(f"{top}." for top in tops))]


def _counted(
    batches: Iterator[pa.RecordBatch], part: RowsPart, columns: Sequence[str] | None, source: Source
) -> Iterator[pa.RecordBatch]:
    """Yield the valid batches of a row group; raise when its row count, its columns' and the rows read differ.

    pyarrow's reader by batches ends a row group without an error as soon as one column has no more values.
    """
    batch = next(batches, None)
    # Not earlier: pyarrow aborts the process when asked for the metadata of an encrypted column, which reading rejects.
    _check_value_counts(part, columns, source)
    rows_read = 0
    while batch is not None:
        batch.validate(full=True)  # that text is UTF-8, and each code one of its dictionary's; of numbers, the nulls
        rows_read += batch.num_rows
        yield batch
        batch = next(batches, None)
    rows = part.shared.row_group(part.group).num_rows
    if rows_read != rows:
        raise _miscounted(part, rows, f"{rows_read} could be read", source)


def _check_value_counts(part: RowsPart, columns: Sequence[str] | None, source: Source) -> None:
    """Raise when a column chunk has another count of values, nulls included, than its row group has rows."""
    group = part.shared.row_group(part.group)
    for place, leaf in enumerate(part.shared.schema):
        if columns is not None and leaf.path not in columns:
            continue
        values = group.column(place).num_values
        # A list has a value for each element, or one where it is empty or null.
        if values < group.num_rows or (values > group.num_rows and not leaf.max_repetition_level):
            counted = f"column {harmless(leaf.path)} has {values} values"
            raise _miscounted(part, group.num_rows, counted, source)


def _miscounted(part: RowsPart, rows: int, but: str, source: Source) -> DataError:
    msg = f"{source.shown_name} is corrupt: {_place(part)} has {rows} rows, but {but}"
    return DataError(msg, hint=DAMAGED_HINT)


def _place(part: RowsPart) -> str:
    """Return where a row group stands among the file's, counted from 1 as rows are."""
    return f"row group {part.group + 1} of {part.shared.num_row_groups}"
