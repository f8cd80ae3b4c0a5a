"""A job and its tasks as bytes, and what a worker makes of them, wherever it is.

A task is a source and a span of its bytes. Spans are cut by arithmetic from the size that was listed, so nothing is
opened to cut one: the worker finds the rows, of which those belong to a span that begin in it, and the row groups that
do. A job is what all tasks share, and begins with what a worker checks before it unpickles anything. Small tasks that
follow one another are sent, and done, together.
"""

from __future__ import annotations

import pickle
import platform
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli import __version__, errors, runtime
from mrl_cli.engines.base import Job, Part, part_of
from mrl_cli.engines.local import parts_in_order
from mrl_cli.errors import MachineError, UnknownLineError, UnsplittableTextError, is_out_of_memory
from mrl_cli.inputs import Shard, shards_of
from mrl_cli.inputs.base import unreadable
from mrl_cli.inputs.formats import FORMATS, reader_of
from mrl_cli.losses import LOSSES
from mrl_cli.runtime import arithmetic
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan
    from mrl_cli.reductions.base import Reduction

LEAST_SPAN_BYTES, MOST_SPAN_BYTES, TASKS_A_SLOT = 64 << 20, 1 << 30, 8
KEPT_BYTES = 1 << 20  # of states that shrink when they are joined; some 20,000 keys have as many
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
    What `keeps` has large states on a worker: a `Kept`.
    """

    parts: tuple[Part, ...] = ()
    lines: int = 0
    needs_line: bool = False
    resume_at: Task | None = None
    error: Exception | None = None
    keeps: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its parts are all that the task was to come to."""
        return self.error is None and self.resume_at is None and not self.needs_line


class Kept(NamedTuple):
    """Large states that stay on workers until they are joined, by the place of their reduction; or an error."""

    states: dict[int, Any]
    error: Exception | None = None


def dones_of(data: bytes, count: int) -> list[Done]:
    """Return what tasks came to, of what `run` returned, or what stands in for it where there is no mrl to run it."""
    if data[:1] != pickle.PROTO:
        message = f"the worker on {harmless(data.decode('ascii', 'replace'), 200)}"
        return [Done(error=MachineError(message, hint="install the same version of mrl on all workers"))] * count
    dones: list[Done] = pickle.loads(data)
    return dones


def span_of(sources: Sequence[Source], slots: int) -> int:
    """Return how many bytes a worker should measure at a time, of so many `slots` for tasks."""
    total = sum(source.size_bytes or 0 for source in sources)
    return min(max(total // (TASKS_A_SLOT * slots), LEAST_SPAN_BYTES), MOST_SPAN_BYTES)


def tasks_of(sources: Sequence[Source], plan: Plan, wanted: int) -> Iterator[Task]:
    """Yield the tasks of sources, in order, of `wanted` bytes each, or of a whole source. Opens nothing."""
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
        self.reductions = self._job.reductions
        self._joins = all(reduction.joins for reduction in self.reductions)
        self._groups: dict[int, list[Shard]] = {}

    def dones(self, tasks: Sequence[Task], is_stopped: Callable[[], bool] | None) -> list[Done]:
        """Return what tasks come to, each of which follows the one before. Raises StoppedError once it is stopped.

        Where that loses nothing, the states of one are joined with those of the next, which then has them all.
        """
        dones: list[Done] = []
        held: int | None = None  # the place of the states that are to be joined with the next
        for task in tasks:
            done = self.done(task, is_stopped)
            try:
                if self._joins and self._stands(task, done):
                    if done.parts:
                        if held is not None:
                            dones[held], done = self._handed_on(dones[held], done)
                        held = len(dones)
                else:
                    held = None
            except errors.MrlError as error:
                done, held = Done(error=error), None
            dones.append(done)
        return list(map(self._packed, dones))

    def _stands(self, task: Task, done: Done) -> bool:
        """Return whether nothing that is found out elsewhere can make a task void, or have it done again."""
        is_text = hasattr(reader_of(self._sources[task.place].format), "count_lines")
        return done.error is None and done.resume_at is None and (task.span is None or not is_text)

    def _handed_on(self, last: Done, done: Done) -> tuple[Done, Done]:
        """Return what two tasks come to, the states of the first joined with those of the second."""
        (part,), (next_part,) = last.parts, done.parts  # a part each, for its states are joined
        states = _joined(self.reductions, part.states, next_part.states)
        return last._replace(parts=(part._replace(states=[]),)), done._replace(
            parts=(next_part._replace(states=states),)
        )

    def _packed(self, done: Done) -> Done:
        """Return what a task comes to, as it is sent."""
        try:
            packed = [
                part._replace(states=[one.packed(s) for one, s in zip(self.reductions, part.states, strict=False)])
                for part in done.parts
            ]
        except errors.MrlError as error:
            return Done(error=error)
        return done._replace(parts=tuple(packed))

    def done(self, task: Task, is_stopped: Callable[[], bool] | None) -> Done:
        """Return what a task comes to; where a machine failed that is not the client's, which one that is."""
        try:
            done = self._done(task, is_stopped or (lambda: False))
        except OSError as error:
            done = Done(error=unreadable(self._sources[task.place].name, error))
        if isinstance(done.error, MachineError) and is_stopped is None:
            message = f"on {platform.node()}: {done.error.message}"
            return done._replace(error=MachineError(message, hint=done.error.hint))
        return done

    def _done(self, task: Task, is_stopped: Callable[[], bool]) -> Done:
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
        reader = reader_of(source.format)
        count_lines, check_range = (getattr(reader, name, None) for name in ("count_lines", "check_range"))
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
                    data = shard.part.read(source)
                    if needs_line and check_range is not None:  # else `batches` has
                        check_range(data, shard.part)
                    count = count_lines(data)
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


def _joined(reductions: Sequence[Reduction[Any, Any]], states: list[Any], following: list[Any]) -> list[Any]:
    return [one.join(*pair) for one, *pair in zip(reductions, states, following, strict=True)]


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
        states = _joined(self._reductions, last.states, part.states)
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


def run(job: bytes, tasks: bytes, is_stopped: Callable[[], bool] | None = None) -> bytes:
    """Measure tasks, on a worker. What the user is to be told comes back as a value: no engine alters that.

    A thread of the client says whether it `is_stopped`: then nobody waits for them, and StoppedError is raised.
    """
    return pickle.dumps(_dones(job, tasks, is_stopped), 5)


def run_keeping(job: bytes, tasks: bytes) -> tuple[bytes, bytes]:
    """As `run`, but for large states that shrink when they are joined: a `Kept` of those is returned apart."""
    dones = _dones(job, tasks)
    holding = [place for place, done in enumerate(dones) if any(part.states for part in done.parts)]
    kept = b""
    if len(holding) == 1 and dones[holding[0]].error is None and len(dones[holding[0]].parts) == 1:
        (part,), reductions = dones[holding[0]].parts, _given(job).reductions
        places = [place for place, reduction in enumerate(reductions) if reduction.shrinks]
        kept = pickle.dumps(Kept({place: part.states[place] for place in places}), 5)
        if len(kept) < KEPT_BYTES:
            kept = b""
        else:
            states = [reductions[n].empty() if n in places else state for n, state in enumerate(part.states)]
            dones[holding[0]] = dones[holding[0]]._replace(parts=(part._replace(states=states),), keeps=True)
    return pickle.dumps(dones, 5), kept


def joined(job: bytes, *kept: bytes) -> bytes:
    """Return what several tasks kept, in their order, as one `Kept`."""
    whole = dict[int, Any]()
    try:
        reductions = _given(job).reductions
        for data in kept:
            states, error = pickle.loads(data)
            if error is not None:
                return data
            for place, state in states.items():
                whole[place] = reductions[place].join(whole[place], state) if place in whole else state
        found = Kept({place: reductions[place].packed(state) for place, state in whole.items()})
    except MemoryError:
        found = Kept({}, _out_of_memory())
    except errors.MrlError as error:
        found = Kept({}, error)
    return pickle.dumps(found, 5)


def _dones(job: bytes, tasks: bytes, is_stopped: Callable[[], bool] | None = None) -> list[Done]:
    some: list[Task] = pickle.loads(tasks)
    try:
        return _given(job).dones(some, is_stopped)
    except Exception as error:
        if is_out_of_memory(error):
            return [Done(error=_out_of_memory())] * len(some)
        if type(error).__module__ != errors.__name__:
            raise
        return [Done(error=error)] * len(some)


def _out_of_memory() -> MachineError:
    return MachineError(f"the worker on {platform.node()} ran out of memory")


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
