"""Inputs: from paths to shards to batches of pairs. A format is a row in `formats`, and its reader a module."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from mrl_cli.errors import DataError
from mrl_cli.inputs.base import Shard, Source
from mrl_cli.inputs.formats import FORMATS, reader_of
from mrl_cli.inputs.partitions import plan_for_file, with_partitions, with_scores
from mrl_cli.inputs.sources import resolve, spooled
from mrl_cli.inputs.storage import stdin_can_be_read
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.model import Batch, Plan

__all__ = [
    "FORMATS",
    "Shard",
    "Source",
    "columns_anywhere",
    "columns_of",
    "read",
    "resolve",
    "shards_of",
    "stdin_can_be_read",
]

KEY_BYTES = 256


def columns_of(source: Source, plan: Plan) -> list[str]:
    """Return the names of a source's columns, its path's included; what is read of a stream can be read again."""
    with nullcontext() if source.file else source.stream.rewinding():
        return [*reader_of(source.format).names(source, plan), *source.hive]


def columns_anywhere(source: Source, plan: Plan, wanted: Iterable[str]) -> tuple[list[str], Source]:
    """As `columns_of`, and of JSON also those of `wanted` that any row has: rows of JSON need not be alike.

    A stream of JSON becomes a file for that; the source to read from now on is returned too.
    """
    if source.format not in ("jsonl", "json"):
        return columns_of(source, plan), source
    import json
    import re

    from mrl_cli.inputs.streams import open_text

    source = source if source.file else spooled(source)
    names = columns_of(source, plan)
    missing = {
        name: re.compile(re.escape(json.dumps(name).encode()) + rb"\s*:") for name in wanted if name not in names
    }
    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = b""
        while missing and (part := stream.read(1 << 20)):
            data = data[-KEY_BYTES:] + part  # a key may stand across two parts
            there = {name for name, key in missing.items() if key.search(data)}
            names += sorted(there)
            missing = {name: key for name, key in missing.items() if name not in there}
    return names, source


def shards_of(sources: Sequence[Source], plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
    """Yield the shards of all sources in order; with `resume_at`, from that shard on, its source as one stream."""
    rest = iter(sources)
    if resume_at is not None:
        source = next(source for source in rest if source is resume_at.source)
        yield from reader_of(source.format).rest(resume_at, plan_for_file(plan, source))
    for source in rest:
        if resume_at is None:
            _refuse_two_meanings(source, plan)
        yield from reader_of(source.format).shards(source, plan_for_file(plan, source))


def _refuse_two_meanings(source: Source, plan: Plan) -> None:
    """Raise DataError for a column that both the path and the file itself have: one of them would be ignored."""
    hive_names = [name for _, name in plan.columns.wanted if name in source.hive]
    if not hive_names or not source.file:
        return
    both = set(hive_names) & set(reader_of(source.format).names(source, plan))
    for name in (name for name in hive_names if name in both):
        pair = f"{harmless(name)}={harmless(source.hive[name])}"
        msg = f"{source.shown_name}: the path says {pair}, and the file has a column {harmless(name)} of its own"
        raise DataError(msg, hint="rename the folder, or name another column")


def read(shard: Shard, plan: Plan, *, is_careful: bool = False) -> Iterator[Batch]:
    """Yield a shard's pairs: the fast way, which may raise SuspectShardError, or the careful way."""
    source = shard.source
    reader = reader_of(source.format)
    batches = reader.careful_batches if is_careful else reader.batches
    for batch in batches(shard, plan_for_file(plan, source)):
        yield with_scores(with_partitions(batch, source, plan), source, plan)
