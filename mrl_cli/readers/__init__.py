"""Readers: from paths to shards to batches of pairs. `READERS` is where a format is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.readers.base import Reader, Shard
from mrl_cli.readers.columnar import ArrowReader, ParquetReader
from mrl_cli.readers.delimited import DelimitedReader
from mrl_cli.readers.jsonl import JsonLinesReader
from mrl_cli.readers.sources import Source, resolve, stdin_can_be_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.model import Plan

__all__ = ["READERS", "Shard", "Source", "reader_of", "resolve", "shards_of", "stdin_can_be_read"]

READERS: dict[str, Reader] = {
    "csv": DelimitedReader(None),
    "tsv": DelimitedReader("\t"),
    "jsonl": JsonLinesReader(),
    "parquet": ParquetReader(),
    "arrow": ArrowReader(),
}


def reader_of(shard: Shard) -> Reader:
    """Return the reader that handed out a shard."""
    return READERS[shard.source.format]


def shards_of(sources: Sequence[Source], plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
    """Yield the shards of all sources in order; with `resume_at`, from that shard on, its source as one stream."""
    first = 0 if resume_at is None else next(i for i, source in enumerate(sources) if source is resume_at.source)
    for source in sources[first:]:
        resumed = resume_at if resume_at is not None and source is resume_at.source else None
        yield from READERS[source.format].shards(source, plan, resumed)
