"""What a worker makes of tasks, wherever it is: their parts, or the error that the user is to be told.

Small tasks that follow one another are sent, and done, together.
"""

from __future__ import annotations

import pickle
import platform
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from mrl_cli import errors, runtime
from mrl_cli.engines.base import Job, Part, part_of
from mrl_cli.engines.local import parts_in_order
from mrl_cli.engines.tasks import Done, Kept, Task, job_of
from mrl_cli.errors import MachineError, UnknownLineError, UnsplittableTextError, is_out_of_memory
from mrl_cli.inputs import Shard, Source, shards_of
from mrl_cli.inputs.base import unreadable
from mrl_cli.inputs.formats import reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.reductions.base import Reduction

KEPT_BYTES = 1 << 20  # of states that shrink when they are joined; some 20,000 keys have as many


class Worker:
    """Does the tasks of one job. It knows the row groups of the file that was met last."""

    def __init__(self, data: bytes) -> None:
        runtime.prepare_for_batches()
        self._job, self._sources = job_of(data)
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
        return done.error is None and done.resume_at is None and (task.span is None or not self._is_text(task))

    def _is_text(self, task: Task) -> bool:
        return hasattr(reader_of(self._sources[task.place].format), "count_lines")

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
        source = self._sources[task.place]

        def measure(parts: _Parts) -> Done:
            if task.span is None:
                return _measured(source, self._job, task.resume_at, parts)
            if self._is_text(task):
                return self._rows_measured(task, _Lines(source, task.span, task.first_line), parts)
            return self._groups_measured(task, task.span, parts)

        return _Parts(self._job, task, is_stopped).done(measure)

    def _groups_measured(self, task: Task, span: tuple[int, int], parts: _Parts) -> Done:
        """Measure the row groups that begin in a span."""
        source, groups = self._sources[task.place], self._groups.get(task.place)
        begin = reader_of(source.format).begin
        if groups is None:  # a footer is read once
            groups = list(shards_of((source,), self._job.plan))
            self._groups = {task.place: groups}  # another, where threads do this at once: they have theirs
        for shard in groups:
            if span[0] <= begin(shard) < span[1]:
                parts.add(part_of(shard, self._job))
        return parts.so_far()

    def _rows_measured(self, task: Task, lines: _Lines, parts: _Parts) -> Done:
        """Measure the blocks of a span of a text one after the other, and count its lines."""
        needs_line, shard = False, None
        first: tuple[Shard, int] | None = None
        try:
            for block in shards_of((lines.source,), self._job.plan):
                shard = lines.numbered(block)
                first = first or (shard, lines.count)
                try:
                    if not needs_line:
                        parts.add(part_of(shard, self._job))
                except UnknownLineError:
                    needs_line = True
                lines.pass_by(shard, is_read=not needs_line)
        except UnsplittableTextError:
            count = lines.count
            if self._job.writes_parts and first is not None:  # the span and what follows it are one part
                (shard, count), needs_line = first, False
                parts.clear()
            rest = None if shard is None else shard._replace(source=None)
            return parts.so_far(count, needs_line, Task(task.place, resume_at=rest, part=task.part))
        return parts.so_far(lines.count, needs_line)


class _Lines:
    """A span of a text as a `source`, and the lines of it that were passed by: `count`, and the number of the next one.

    That `number` is None where the lines before the span were not counted.
    """

    def __init__(self, source: Source, span: tuple[int, int], number: int | None) -> None:
        self.source = replace(source, span=span, file=_LastRange(source.file))
        self._reader, self._is_start = reader_of(source.format), span[0] == 0
        self.number, self.count = number, 0

    def numbered(self, shard: Shard) -> Shard:
        """Return the next shard with the number of its first line."""
        if self._is_start and not self.count:  # before the first row there is a header at most
            number: int = shard.part.line_number(self.source)
            self.number, self.count = number, number - 1
        return shard._replace(part=replace(shard.part, first_line=self.number))

    def pass_by(self, shard: Shard, *, is_read: bool) -> None:
        """Count the lines of a shard; one that nobody `is_read`ing has looked at may be of a text that is not split."""
        data = shard.part.read(self.source)
        if not is_read and hasattr(self._reader, "check_range"):
            self._reader.check_range(data, shard.part)
        count = self._reader.count_lines(data)
        self.number, self.count = None if self.number is None else self.number + count, self.count + count


def _measured(source: Source, job: Job, resume_at: Shard | None, parts: _Parts) -> Done:
    """Measure a source, from a shard on where there is one, as what it comes to by one thread."""
    if resume_at is not None:
        resume_at = resume_at._replace(source=source)
    for part in parts_in_order([source], job, 1, resume_at):
        parts.add(part)
    return parts.so_far()


def parts_here(sources: Sequence[Source], job: Job, task: Task) -> Iterator[Part]:
    """Yield the parts of a task where its source can be read only here."""
    source = sources[task.place]
    done = _Parts(job, task, lambda: False).done(partial(_measured, source, job, task.resume_at))
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

    def so_far(self, lines: int = 0, needs_line: bool = False, resume_at: Task | None = None) -> Done:
        """Return what the task comes to, of which there are no parts while it needs a line."""
        return Done(() if needs_line else tuple(self._parts), lines, needs_line, resume_at)

    def done(self, measure: Callable[[_Parts], Done]) -> Done:
        """Return what the task comes to by `measure`, or its error; what was written is whole where the task is."""
        try:
            done = measure(self)
            for place, sink in self._sinks if done.parts and done.is_whole else ():
                done.parts[-1].states[place] += sink.end()
        except errors.MrlError as error:
            done = self.so_far()._replace(error=error)
        finally:
            for _, sink in self._sinks:
                sink.drop()  # of what has not ended
        return done


@lru_cache(2)
def worker_of(job: bytes) -> Worker:
    """Return what does the tasks of a job."""
    return Worker(job)


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
        (part,), reductions = dones[holding[0]].parts, worker_of(job).reductions
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
        reductions = worker_of(job).reductions
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
        return worker_of(job).dones(some, is_stopped)
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
