"""Readers: from paths to shards to batches of pairs. `READERS` is where a format is entered."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from mrl_cli.errors import DataError
from mrl_cli.inputs.base import Reader, Shard
from mrl_cli.inputs.indexed import with_scores
from mrl_cli.inputs.partitions import plan_for_file, with_partitions
from mrl_cli.inputs.sources import Recorded, Source, resolve, spooled, stdin_can_be_read
from mrl_cli.words import harmless

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.model import Batch, Plan

__all__ = [
    "READERS",
    "Shard",
    "Source",
    "columns_anywhere",
    "columns_of",
    "read",
    "reader_named",
    "resolve",
    "shards_of",
    "stdin_can_be_read",
]

# Format to the module and the name of its reader, imported when a file of that format turns up.
READERS: dict[str, tuple[str, str]] = {
    "csv": ("delimited", "CSV"),
    "tsv": ("delimited", "TSV"),
    "jsonl": ("jsonl", "JSON_LINES"),
    "json": ("documents", "JSON"),
    "parquet": ("parquet", "PARQUET"),
    "arrow": ("columnar", "ARROW"),
    "frame": ("frame", "FRAME"),  # of pandas, in the Python interface
}


@cache
def reader_named(name: str) -> Reader:
    """Return the reader of a format in `READERS`."""
    module, attribute = READERS[name]
    reader: Reader = getattr(import_module(f"mrl_cli.inputs.{module}"), attribute)
    return reader


def columns_of(source: Source, plan: Plan) -> tuple[list[str], Source]:
    """Return the names of a source's columns, its path's included, and the source to read from now on.

    Of a stream, which can be read once, that is another one, which begins with what was read to find the names.
    """
    reader = reader_named(source.format)
    if source.is_plain_file:
        return [*reader.names(source, plan), *source.hive], source
    recorded = Recorded(source.stream)
    names = reader.names(replace(source, stream=recorded), plan)
    return names, replace(source, stream=recorded.from_start())


def columns_anywhere(source: Source, plan: Plan, wanted: Iterable[str]) -> tuple[list[str], Source]:
    """As `columns_of`, and of JSON also those of `wanted` that any row has: rows of JSON need not be alike."""
    if source.format not in ("jsonl", "json"):
        return columns_of(source, plan)
    source = source if source.is_plain_file else spooled(source)
    from mrl_cli.inputs.text import open_text

    names, source = columns_of(source, plan)
    missing = {name for name in wanted if name not in names}
    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = b""
        while missing and (part := stream.read(1 << 20)):
            data = data[-KEY_BYTES:] + part  # a key may stand across two parts
            missing -= (there := {name for name in missing if _json_key(name).search(data)})
            names += sorted(there)
    return names, source


KEY_BYTES = 256


def _json_key(name: str) -> re.Pattern[bytes]:
    """Return what finds a key of that name in the text of JSON."""
    import json
    import re

    return re.compile(re.escape(json.dumps(name).encode()) + rb"\s*:")


def shards_of(sources: Sequence[Source], plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
    """Yield the shards of all sources in order; with `resume_at`, from that shard on, its source as one stream."""
    first = 0 if resume_at is None else next(i for i, source in enumerate(sources) if source is resume_at.source)
    for source in sources[first:]:
        if resume_at is None:
            _refuse_two_meanings(source, plan)
        resumed = resume_at if resume_at is not None and source is resume_at.source else None
        yield from reader_named(source.format).shards(source, plan_for_file(plan, source), resumed)


def _refuse_two_meanings(source: Source, plan: Plan) -> None:
    """Raise DataError for a column that both the path and the file itself have: one of them would be ignored."""
    said = [name for _, name in plan.columns.wanted if name in source.hive]
    if not said or not source.is_plain_file:
        return
    both = set(said) & set(reader_named(source.format).names(source, plan))
    for name in (name for name in said if name in both):
        shown = f"{harmless(name)}={harmless(source.hive[name])}"
        msg = f"{source.shown_name}: the path says {shown}, and the file has a column {harmless(name)} of its own"
        raise DataError(msg, hint="rename the folder, or name another column")


def read(shard: Shard, plan: Plan, *, is_careful: bool = False) -> Iterator[Batch]:
    """Yield a shard's pairs: the fast way, which may raise SuspectShardError, or the careful way."""
    reader = reader_named(shard.source.format)
    read = reader.careful_batches if is_careful else reader.batches
    for batch in read(shard, plan_for_file(plan, shard.source)):
        yield with_scores(with_partitions(batch, shard.source, plan), shard.source, plan)
