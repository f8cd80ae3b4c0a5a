"""Inputs: from INPUT arguments to sources, to shards, to batches of pairs.

A format is a row in `formats`, and a module that reads it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError
from mrl_cli.inputs import storage
from mrl_cli.inputs.base import Shard, Source, shown_input, unreadable
from mrl_cli.inputs.formats import FORMATS, PREFIX_BYTES, compression_of, identified, named, reader_of
from mrl_cli.inputs.labels import with_labels
from mrl_cli.inputs.partitions import hive_keys, plan_for_file, with_partitions
from mrl_cli.inputs.scores import with_scores
from mrl_cli.inputs.storage import File, stdin_can_be_read
from mrl_cli.inputs.streams import Stream, rewinding
from mrl_cli.words import harmless, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.inputs.heads import Head
    from mrl_cli.inputs.remote import Remote
    from mrl_cli.model import Batch, Plan

__all__ = [
    "FORMATS",
    "Shard",
    "Source",
    "columns_anywhere",
    "columns_of",
    "head_of",
    "read",
    "resolve",
    "shards_of",
    "spooled",
    "stdin_can_be_read",
]

COMPRESSED_PREFIX_BYTES = 1 << 16  # enough to see what a compressed text begins with
KEY_BYTES = 256


def resolve(inputs: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources that INPUT arguments name, each argument's in sorted order.

    Raises UsageError for a path that does not exist and DataError for a file that is not of the format of its name.
    """
    return tuple(_source(path) for argument in inputs for path in storage.paths_of(argument))


def _source(path: str) -> Source:
    name = without_secrets(path)
    try:
        place = storage.find(path)
        format_name, compression = named(name)
        if format_name is None or getattr(path, "is_looked_at", True):  # of many objects none is
            format_name, compression = _identified(place, name)
        size_bytes = None if isinstance(place, Stream) else place.size_bytes
    except OSError as error:
        raise unreadable(name, error) from error
    source = Source(name, format_name, compression, size_bytes=size_bytes, hive=hive_keys(name) if "=" in name else {})
    if not isinstance(place, Stream):
        return replace(source, file=place)
    source = replace(source, stream=place)
    return spooled(source) if FORMATS[format_name].magic else source


def _identified(place: File | Remote | Stream, name: str) -> tuple[str, str | None]:
    prefix = place.first(PREFIX_BYTES)  # no more, for the writer of a pipe may be slow
    if compression_of(prefix) and named(name)[0] is None:
        prefix = place.first(PREFIX_BYTES + COMPRESSED_PREFIX_BYTES)
    return identified(name, prefix, shown_input(name))


def spooled(source: Source) -> Source:
    """Put a stream into a temporary file, which lives as long as the source, so that it can be read more than once."""
    if source.file is not None:
        return source
    file = storage.spool(source.stream, f".{source.format}")
    return replace(source, file=file, stream=None, size_bytes=file.size_bytes)


def columns_of(source: Source, plan: Plan) -> list[str]:
    """Return the names of a source's columns, its path's included; what is read of a stream can be read again."""
    with rewinding(source):
        return [*reader_of(source.format).names(source, plan), *source.hive]


def head_of(source: Source, plan: Plan) -> Head:
    """Return the head of a source: its columns, those of its path too, and its first rows.

    What is read of a stream can be read again. The encoding of a text without a byte order mark is taken for UTF-16
    where every other byte is zero. Raises DataError for what cannot be read.
    """
    from mrl_cli.inputs.heads import column_of
    from mrl_cli.inputs.streams import wide_encoding

    options: dict[str, Any] = {}
    first = source.file.first(PREFIX_BYTES) if source.file else source.stream.first(PREFIX_BYTES)
    if source.compression is None and plan.reading.dialect.encoding is None and (name := wide_encoding(first)):
        options["encoding"] = name
        plan = plan.changed(dialect=replace(plan.reading.dialect, encoding=name))
    with rewinding(source):
        head: Head = reader_of(source.format).head(source, plan)
    columns = [*head.columns, *(column_of(name, [text]) for name, text in source.hive.items())]
    return head._replace(columns=columns, options=options | head.options)


def columns_anywhere(source: Source, plan: Plan, wanted: Iterable[str]) -> tuple[list[str], Source]:
    """As `columns_of`, and of JSON also those of `wanted` that any row has: rows of JSON need not be alike.

    A stream of JSON becomes a file for that; the source to read from now on is returned too.
    """
    if source.format not in ("jsonl", "json"):
        return columns_of(source, plan), source
    import json
    import re

    from mrl_cli.inputs.streams import open_text

    source = spooled(source)
    names = columns_of(source, plan)
    patterns = {name: re.escape(json.dumps(name).encode()) + rb"\s*:" for name in wanted}
    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = b""
        while not patterns.keys() <= set(names) and (part := stream.read(1 << 20)):
            data = data[-KEY_BYTES:] + part  # a key may stand across two parts
            names += sorted(name for name in patterns if name not in names and re.search(patterns[name], data))
    return names, source


def shards_of(sources: Sequence[Source], plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
    """Yield the shards of all sources in order; with `resume_at`, from that shard on, its source as one stream."""
    rest = iter(sources)
    if resume_at is not None:
        source = next(source for source in rest if source is resume_at.source)
        rest_of = reader_of(source.format).rest(resume_at, _plan_for(plan, source))
        yield from _numbered(rest_of, source, resume_at.first_row)
    for source in rest:
        if resume_at is None:
            _refuse_two_meanings(source, plan)
        yield from _numbered(reader_of(source.format).shards(source, _plan_for(plan, source)), source)


def _plan_for(plan: Plan, source: Source) -> Plan:
    """Return the plan with the columns that the reader of a source has to look for."""
    plan = plan_for_file(plan, source)
    if source.beside is None:
        return plan
    from mrl_cli.inputs.beside import plan_of_rows  # few runs have files beside

    return plan_of_rows(plan, source)


def _numbered(shards: Iterator[Shard], source: Source, first_row: int = 0) -> Iterator[Shard]:
    if source.beside is None:
        return shards
    from mrl_cli.inputs.beside import numbered

    return numbered(shards, source, first_row)


def _refuse_two_meanings(source: Source, plan: Plan) -> None:
    """Raise DataError for a column that both the path and the file itself have: one of them would be ignored."""
    by_path = [name for _, name in plan.columns.wanted if name in source.hive]
    by_file = reader_of(source.format).names(source, plan) if by_path and source.file else []
    if both := [name for name in by_path if name in by_file]:
        name = harmless(both[0])
        msg = f"{source.shown_name}: the path says {name}={harmless(source.hive[both[0]])}, and the file has a column"
        raise DataError(f"{msg} {name} of its own", hint="rename the folder, or name another column")


def read(shard: Shard, plan: Plan, *, is_careful: bool = False) -> Iterator[Batch]:
    """Yield a shard's pairs: the fast way, which may raise SuspectShardError, or the careful way."""
    source = shard.source
    reader = reader_of(source.format)
    batches = getattr(reader, "careful_batches", reader.batches) if is_careful else reader.batches
    found = batches(shard, _plan_for(plan, source))
    if plan.has_lists:
        from mrl_cli.inputs.items import batches_of_items  # pairs start without it

        yield from batches_of_items(found, shard, plan)
        return
    for batch in found:
        yield with_labels(with_scores(with_partitions(batch, source, plan), source, plan), plan)
