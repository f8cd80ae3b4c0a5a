"""Readers: from paths to shards to batches of pairs. `READERS` is where a format is entered."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from mrl_cli.readers.base import Reader, Shard
from mrl_cli.readers.indexed import with_scores
from mrl_cli.readers.partitions import plan_for_file, with_partitions
from mrl_cli.readers.sources import Recorded, Source, resolve, stdin_can_be_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.model import PairBatch, Plan

__all__ = [
    "READERS",
    "Shard",
    "Source",
    "batches_of",
    "columns_of",
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
    "parquet": ("columnar", "PARQUET"),
    "arrow": ("columnar", "ARROW"),
}


@cache
def reader_named(name: str) -> Reader:
    """Return the reader of a format in `READERS`."""
    module, attribute = READERS[name]
    reader: Reader = getattr(import_module(f"mrl_cli.readers.{module}"), attribute)
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


def shards_of(sources: Sequence[Source], plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
    """Yield the shards of all sources in order; with `resume_at`, from that shard on, its source as one stream."""
    first = 0 if resume_at is None else next(i for i, source in enumerate(sources) if source is resume_at.source)
    for source in sources[first:]:
        resumed = resume_at if resume_at is not None and source is resume_at.source else None
        yield from reader_named(source.format).shards(source, plan_for_file(plan, source), resumed)


def batches_of(shard: Shard, plan: Plan, *, is_careful: bool = False) -> Iterator[PairBatch]:
    """Yield a shard's pairs: the fast way, which may raise SuspectShardError, or the careful way."""
    reader = reader_named(shard.source.format)
    read = reader.careful_batches if is_careful else reader.batches
    for batch in read(shard, plan_for_file(plan, shard.source)):
        yield with_scores(with_partitions(batch, shard.source, plan), plan)
