"""A job and its tasks as bytes, and what a worker makes of them, wherever it is.

A task is a source and a span of its bytes. Spans are cut by arithmetic from the size that was listed, so nothing is
opened to cut one: the worker finds the rows, of which those belong to a span that begin in it, and the row groups that
do. A job is what all tasks share, and begins with what a worker checks before it unpickles anything.
"""

from __future__ import annotations

import pickle
import platform
from dataclasses import replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from mrl_cli import __version__, errors, runtime
from mrl_cli.engines.base import Job, Part, part_of
from mrl_cli.engines.local import parts_in_order
from mrl_cli.errors import MachineError, UnknownLineError, UnsplittableTextError
from mrl_cli.inputs import Shard, shards_of
from mrl_cli.inputs.formats import FORMATS, reader_of
from mrl_cli.losses import LOSSES
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan

LEAST_SPAN_BYTES, MOST_SPAN_BYTES, TASKS_A_SLOT = 64 << 20, 1 << 30, 8
_WORD, _ANY = b"mrl-job", b"any"


class Task(NamedTuple):
    """What of a source to measure: `span` of its bytes (None for all), or, of a text, all from `resume_at` on.

    `place` is that of its source in the run. `first_line` is the number of the span's first line, where the lines
    before it were counted. `part` is what the file is called after that it may write.
    """

    place: int
    span: tuple[int, int] | None = None
    first_line: int | None = None
    resume_at: Shard | None = None
    part: str = ""

    def at_line(self, line: int) -> Task:
        """Return the task with the number of its first line, where it is the rest of a text and does not know it."""
        shard = self.resume_at
        if shard is None or shard.part.first_line is not None:
            return self
        return self._replace(resume_at=shard._replace(part=replace(shard.part, first_line=line)))


class Done(NamedTuple):
    """What a task came to: its parts, in input order, or an error.

    `lines` is how many lines the text of its span has. A task that has to name a line, and does not know the number of
    its first one, is done without parts: it `needs_line`. At `resume_at` it met a text that cannot be split.
    """

    parts: tuple[Part, ...] = ()
    lines: int = 0
    needs_line: bool = False
    resume_at: Task | None = None
    error: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its parts are all that the task was to come to."""
        return self.error is None and self.resume_at is None and not self.needs_line


def done_of(data: bytes) -> Done:
    """Return what a task came to, of what `run` returned, or what stands in for it where there is no mrl to run it."""
    if data[:1] != pickle.PROTO:
        message = f"a worker has {harmless(data.decode('ascii', 'replace'), 80)}"
        return Done(error=MachineError(message, hint="install the same version of mrl on all workers"))
    done: Done = pickle.loads(data)
    return done


def tasks_of(sources: Sequence[Source], plan: Plan, slots: int, span_bytes: int | None = None) -> Iterator[Task]:
    """Yield the tasks of sources, in order, for so many `slots` of workers. Opens nothing."""
    total = sum(source.size_bytes or 0 for source in sources)
    wanted = span_bytes or min(max(total // (TASKS_A_SLOT * slots), LEAST_SPAN_BYTES), MOST_SPAN_BYTES)
    for place, source in enumerate(sources):
        size = source.size_bytes or 0
        count = max(1, round(size / wanted)) if _can_be_cut(source, plan) else 1
        if count == 1:
            yield Task(place)
        else:
            edges = [size * number // count for number in range(count + 1)]
            yield from (Task(place, span) for span in pairwise(edges))


def _can_be_cut(source: Source, plan: Plan) -> bool:
    is_plain = source.compression is None and source.beside is None
    return FORMATS[source.format].has_spans and is_plain and plan.reading.dialect.encoding in (None, "utf-8")


def job_bytes(job: Job, sources: Sequence[Source]) -> bytes:
    """Return a job, and the sources of its tasks, as bytes."""
    return b"\n".join([_head(job), pickle.dumps((job, [source.portable for source in sources]), 5)])


def _head(job: Job) -> bytes:
    """Return what a worker must have in common with its client: the version, and how it computes exponentials."""
    loss = LOSSES.get(job.plan.loss.name)
    is_exact = loss is not None and not loss.ulps and job.plan.ranking.lambda_weight == "none"
    is_exact = is_exact and not any(reduction.has_exponentials for reduction in job.reductions)
    return b" ".join([_WORD, __version__.encode(), _ANY if is_exact else arithmetic()])


@cache
def arithmetic() -> bytes:
    """Return what decides the last bits of exponentials: NumPy's version, and the kernels that this processor runs."""
    import numpy as np
    from numpy.lib.introspect import opt_func_info

    kernels = opt_func_info(func_name="exp|log|power|tanh")
    current = sorted((name, type_, of[type_]["current"]) for name, of in kernels.items() for type_ in of)
    return f"numpy-{np.__version__}-{crc32(repr(current).encode()):08x}".encode()


class _Given:
    """A job on a worker: what all its tasks share, and the row groups of the file that was met last."""

    def __init__(self, data: bytes) -> None:
        head, _, rest = data.partition(b"\n")
        word, version, wanted = (*head.split(), b"", b"", b"")[:3]
        if word != _WORD or version != __version__.encode():
            theirs = harmless(version.decode("ascii", "replace"), 40) or "another version"
            message = f"the worker on {platform.node()} has mrl {__version__}, and the client {theirs}"
            raise MachineError(message, hint="install the same version of mrl on all workers")
        if wanted not in (_ANY, arithmetic()):
            message = f"the worker on {platform.node()} computes exponentials in another way than the client"
            hint = "give all the same NumPy and the same kind of processor; margin losses have no exponentials"
            raise MachineError(message, hint=hint)
        runtime.prepare_for_batches()
        found: tuple[Job, list[Source]] = pickle.loads(rest)
        self._job, self._sources = found
        self._groups: dict[int, list[Shard]] = {}

    def done(self, task: Task, is_stopped: Callable[[], bool]) -> Done:
        """Return what a task comes to. Raises StoppedError once it is stopped."""
        parts = _Parts(self._job, task, is_stopped)
        try:
            if task.span is not None:
                return parts.ended(self._done_of_span(task, task.span, parts))
            source, resume_at = self._sources[task.place], task.resume_at
            return parts.ended(_done_of_source(source, self._job, resume_at, parts))
        finally:
            parts.drop()

    def _done_of_span(self, task: Task, span: tuple[int, int], parts: _Parts) -> Done:
        """Measure the shards of a span one after the other, and count the lines of a text."""
        source = self._sources[task.place]
        count_lines = getattr(reader_of(source.format), "count_lines", None)
        if count_lines is not None:
            source = replace(source, span=span, file=_LastRange(source.file))
        line, lines, needs_line, shard = task.first_line, 0, False, None
        first: tuple[Shard, int] | None = None
        try:
            for shard in self._shards(source, task.place, span):
                numbered = shard
                if count_lines is not None:
                    if not (span[0] or lines):  # before the first row there is a header at most
                        line = shard.part.line_number(source)
                        lines = line - 1
                    numbered = shard._replace(part=replace(shard.part, first_line=line))
                first = first or (numbered, lines)
                try:
                    if not needs_line:
                        parts.add(part_of(numbered, self._job))
                except UnknownLineError:
                    needs_line = True
                if count_lines is not None:
                    count = count_lines(shard.part.read(source))
                    line, lines = None if line is None else line + count, lines + count
        except UnsplittableTextError:
            rest = None if shard is None else numbered
            if self._job.writes_parts and first is not None:  # the span and what follows it are one part
                (rest, lines), needs_line = first, False
                parts.clear()
            rest = None if rest is None else rest._replace(source=None)
            return parts.done(lines, needs_line, Task(task.place, resume_at=rest, part=task.part))
        except errors.MrlError as error:
            return parts.done(lines, error=error)
        return parts.done(lines, needs_line)

    def _shards(self, source: Source, place: int, span: tuple[int, int]) -> Iterator[Shard]:
        """Yield the row groups that begin in a span, or blocks of the rows that do."""
        begin = getattr(reader_of(source.format), "begin", None)
        if begin is None:
            yield from shards_of((source,), self._job.plan)
            return
        groups = self._groups.get(place)
        if groups is None:  # a footer is read once
            groups = list(shards_of((source,), self._job.plan))
            self._groups = {place: groups}  # another, where threads do this at once: they have theirs
        yield from (shard for shard in groups if span[0] <= begin(shard) < span[1])


def _done_of_source(source: Source, job: Job, resume_at: Shard | None, parts: _Parts) -> Done:
    """Measure a source, from a shard on where there is one, as what it comes to by one thread."""
    if resume_at is not None:
        resume_at = resume_at._replace(source=source)
    try:
        for part in parts_in_order([source], job, 1, resume_at):
            parts.add(part)
    except errors.MrlError as error:
        return parts.done(error=error)
    return parts.done()


def parts_here(sources: Sequence[Source], job: Job, task: Task) -> Iterator[Part]:
    """Yield the parts of a task where its source can be read only here."""
    source = sources[task.place]
    parts = _Parts(job, task, lambda: False)
    try:
        done = parts.ended(_done_of_source(source, job, task.resume_at, parts))
    finally:
        parts.drop()
    yield from (part._replace(shard=part.shard._replace(source=source)) for part in done.parts)
    if done.error is not None:
        raise done.error


class _Parts:
    """The parts of a task, joined where that loses nothing. What its worker writes is written as they come."""

    def __init__(self, job: Job, task: Task, is_stopped: Callable[[], bool]) -> None:
        self._reductions, self._is_stopped = job.reductions, is_stopped
        self._joins = all(reduction.joins for reduction in job.reductions)
        self._rereads = any(reduction.rereads for reduction in job.reductions)
        places = [place for place, reduction in enumerate(job.reductions) if reduction.writes_parts]
        self._sinks = [(place, job.reductions[place].sink(task.part)) for place in places]
        self._parts: list[Part] = []

    def add(self, part: Part) -> None:
        """Add the part of the next shard, joined with the last where that loses nothing; it sheds what is not used."""
        if self._is_stopped():
            raise StoppedError
        for place, sink in self._sinks:
            part.states[place] = sink.take(part.states[place])
        kept = part.shard.part if self._rereads else None
        part = part._replace(shard=Shard(None, kept, part.shard.size_bytes))
        if not (self._joins and self._parts):
            self._parts.append(part)
            return
        last = self._parts[-1]
        states = [one.join(*pair) for one, *pair in zip(self._reductions, last.states, part.states, strict=True)]
        size = last.shard.size_bytes + part.shard.size_bytes
        self._parts[-1] = Part(last.shard._replace(size_bytes=size), last.counts + part.counts, states)

    def clear(self) -> None:
        """Forget all parts: the task is begun anew."""
        self._parts = []

    def done(
        self,
        lines: int = 0,
        needs_line: bool = False,
        resume_at: Task | None = None,
        error: Exception | None = None,
    ) -> Done:
        """Return what the task comes to, of which there are no parts while it needs a line."""
        return Done(() if needs_line else tuple(self._parts), lines, needs_line, resume_at, error)

    def ended(self, done: Done) -> Done:
        """Return what the task comes to, with what was written, which is whole where the task is."""
        try:
            for place, sink in self._sinks if done.parts and done.is_whole else ():
                done.parts[-1].states[place] += sink.end()
        except errors.MrlError as error:
            return done._replace(error=error)
        return done

    def drop(self) -> None:
        """Throw away what was written and has not ended."""
        for _, sink in self._sinks:
            sink.drop()


@lru_cache(2)
def _given(data: bytes) -> _Given:
    return _Given(data)


def run(job: bytes, task: bytes, is_stopped: Callable[[], bool] = lambda: False) -> bytes:
    """Measure a task, on a worker. What the user is to be told comes back as a value: no engine alters that.

    Raises StoppedError once it is stopped: nobody waits for it any more.
    """
    try:
        done = _given(job).done(pickle.loads(task), is_stopped)
    except MemoryError:
        done = Done(error=MachineError(f"the worker on {platform.node()} ran out of memory"))
    except Exception as error:
        if type(error).__module__ != errors.__name__:
            raise
        done = Done(error=error)
    return pickle.dumps(done, 5)


class StoppedError(Exception):
    """Signal: nobody waits for a task any more."""


class _LastRange:
    """A file that has the range at hand which was read last: a block is parsed, and then its lines are counted."""

    def __init__(self, file: Any) -> None:
        self._file, self._range, self._data = file, (0, 0), b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of bytes."""
        if self._range != (offset, size):
            self._range, self._data = (offset, size), self._file.read(offset, size)
        return self._data
