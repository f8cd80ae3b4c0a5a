"""What engines on a cluster have in common: tasks out, parts in input order back.

A worker that has to name a line of a text does not know how many stand before its span. It says so, and how many lines
its own span has; once those before are counted, the task is given out again with the number of its first line.
"""

from __future__ import annotations

import os
import pickle
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import closing, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from mrl_cli.engines.base import Job, Part
from mrl_cli.engines.local import groups, parts_in_order
from mrl_cli.engines.tasks import (
    TASKS_A_SLOT,
    Done,
    Kept,
    Task,
    dones_of,
    job_bytes,
    span_of,
    tasks_of,
)
from mrl_cli.engines.worker import parts_here
from mrl_cli.errors import MachineError
from mrl_cli.inputs import Shard, Source
from mrl_cli.inputs.base import NoColumnError
from mrl_cli.model import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence


class Workers(Protocol):
    """The workers of a cluster: `slots` is how many tasks they do at a time."""

    slots: int

    def map(self, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[bytes]:
        """Yield `worker.run(job, task)` of each, in order, asking for no more than `ahead` before that is taken."""

    def close(self) -> None:
        """Let go of the workers."""


class Keepers(ABC):
    """Workers that can also keep what a task comes to, and send it to one another."""

    slots: int

    def map(self, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[bytes]:
        """Yield what tasks come to, in order. Raises MachineError where the cluster is lost."""
        with closing(self.mapped("run", job, tasks, ahead)) as found:
            for data, _ in found:
                yield data

    @abstractmethod
    def mapped(self, name: str, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[tuple[bytes, Any]]:
        """Yield what `worker.run` returns of each task, in order; of `run_keeping` its first part, and what stands here
        for the second.
        """

    @abstractmethod
    def join(self, job: bytes, kept: list[Any]) -> Any:
        """Return what stands for `worker.joined` of what was kept, without waiting for it."""

    @abstractmethod
    def fetched(self, kept: Any) -> bytes:
        """Return what was kept."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers."""


AHEAD_A_SLOT = 3
PART_SLOTS, PART_DIGITS = 64, 5  # what is written in parts is cut as for so many workers, however many there are
JOINED_AT_ONCE = 8
START_SECONDS = 60.0  # that the start of a cluster may take on a machine that is busy
LOST_SECONDS = 20.0  # for which a cluster may lack what its tasks need, before it is called lost


class Deadline:
    """How long a cluster has lacked what its tasks need; `where` is what messages call it."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.met()

    def met(self) -> None:
        """Say that all is there."""
        self._since = time.monotonic()

    def check(self, missing: str | None) -> None:
        """Raise MachineError where something has been missing for too long."""
        if missing is None:
            self.met()
        elif time.monotonic() - self._since > LOST_SECONDS:
            raise MachineError(f"{self._where} is lost: {missing} for {LOST_SECONDS:.0f} s")


def within(seconds: float, start: Callable[[], Any]) -> Any:
    """Return what `start` returns. Raises what it raises, and TimeoutError where it does neither within the seconds.

    It is left alone then, in its thread: a place that accepts connections and says nothing is waited for without end.
    """
    ends: list[tuple[Any, Exception | None]] = []

    def run() -> None:
        try:
            ends.append((start(), None))
        except Exception as error:  # noqa: BLE001 (it is raised where it can be dealt with)
            ends.append((None, error))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    found, error = ends[0] if ends else (None, TimeoutError())
    if error is not None:
        raise error
    return found


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Let nothing reach stderr in this context, of libraries and of what is started in it."""
    usual, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(usual, 2)
        os.close(usual)
        os.close(nothing)


def by_value(name: str = "run") -> Callable[..., Any]:
    """Return a function of `worker` as one that is pickled as it stands, and not by its name.

    A worker without mrl can then say so: a name that it cannot import would end it.
    """

    def call(job: bytes, *data: bytes) -> Any:
        try:
            from mrl_cli.engines import worker
        except ModuleNotFoundError as error:
            import platform

            said = f"{platform.node()} has no {error.name}".encode()
            return (said, b"") if name == "run_keeping" else said
        return getattr(worker, name)(job, *data)

    call.__module__ = "__main__"
    return call


def parts_of(workers: Workers, sources: Sequence[Source], job: Job, span_bytes: int | None = None) -> Iterator[Part]:
    """Yield the parts of all sources in input order. What can be read only here, such as a pipe, is measured here."""
    slots = PART_SLOTS if job.writes_parts else workers.slots
    spans = [(group, span_bytes or span_of(group, slots)) for group in groups(sources)]
    cut = [(group, most_bytes, [*tasks_of(group, job.plan, most_bytes)]) for group, most_bytes in spans]
    number, width = 0, max(PART_DIGITS, len(str(sum(len(tasks) for _, _, tasks in cut))))
    for group, most_bytes, tasks in cut:
        named = [task._replace(part=f"{number + place:0{width}}") for place, task in enumerate(tasks)]
        number += len(named)
        if group[0].is_plain_file:
            yield from _Course(workers, group, job, named, most_bytes).parts()
        elif job.writes_parts:
            yield from parts_here(group, job, named[0])
        else:
            yield from parts_in_order(group, job, 1)


class _Tree:
    """What workers keep, joined there in input order, so that little of it comes here."""

    def __init__(self, workers: Keepers, job: bytes) -> None:
        self.workers, self._job = workers, job
        self._levels: list[list[Any]] = []

    def add(self, kept: Any, level: int = 0) -> None:
        """Add what was kept of the tasks that are next."""
        if level == len(self._levels):
            self._levels.append([])
        waiting = self._levels[level]
        waiting.append(kept)
        if len(waiting) == JOINED_AT_ONCE:
            self._levels[level] = []
            self.add(self.workers.join(self._job, waiting), level + 1)

    def states(self) -> dict[int, Any]:
        """Return the states of all tasks by the place of their reduction. Raises the error that they met."""
        left = [kept for level in reversed(self._levels) for kept in level]
        if not left:
            return {}
        found = Kept(*pickle.loads(self.workers.fetched(self.workers.join(self._job, left))))
        if found.error is not None:
            raise found.error
        return found.states


class _Entry:
    """A task on its way, what it came to, and what takes the place of the spans after it where a text has none."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.done: Done | None = None
        self.kept: Any = None
        self.rest: _Entry | None = None
        self.is_alone = False  # it is given out of its turn, or once more


class _Course:
    """The tasks of sources that workers can read: which are given out next, and which parts are next."""

    def __init__(
        self, workers: Workers, sources: Sequence[Source], job: Job, tasks: Iterable[Task], most_bytes: int
    ) -> None:
        self._workers, self._sources = workers, sources
        self._job, self._reductions = job_bytes(job, sources), job.reductions
        self._tree = None
        if isinstance(workers, Keepers) and any(reduction.shrinks for reduction in job.reductions):
            self._tree = _Tree(workers, self._job)
        entries = [_Entry(task) for task in tasks]
        self._most_bytes, self._most_tasks = most_bytes, max(1, len(entries) // (TASKS_A_SLOT * workers.slots))
        self._in_order, self._uncounted, self._to_give = deque(entries), deque(entries), deque(entries)
        self._given: deque[list[_Entry]] = deque()
        self._lines = [0] * len(sources)  # that were counted of each
        self._last_spans: dict[int, int] = {}  # of sources: where that begins after which further ones are void

    def parts(self) -> Iterator[Part]:
        """Yield the parts of all tasks in order."""
        while self._in_order:
            with closing(self._found()) as found:
                for data, kept in found:
                    entries = self._given.popleft()
                    for entry, done in zip(entries, dones_of(data, len(entries)), strict=True):
                        entry.done, entry.kept = done, kept
                    self._count()
                    yield from self._ready()
        if self._tree is not None and (states := self._tree.states()):
            every = [states.get(place, reduction.empty()) for place, reduction in enumerate(self._reductions)]
            yield Part(Shard(self._sources[-1], None, 0), Counts(), every)

    def _found(self) -> Generator[tuple[bytes, Any]]:
        """Yield what comes back, and what stands for what does not."""
        of = self._job, self._next_tasks(), AHEAD_A_SLOT * self._workers.slots
        if self._tree is not None:
            yield from self._tree.workers.mapped("run_keeping", *of)
        else:
            with closing(self._workers.map(*of)) as found:
                for data in found:
                    yield data, None

    def _next_tasks(self) -> Iterator[bytes]:
        while some := self._next_entries():
            self._given.append(some)
            yield pickle.dumps([entry.task for entry in some], 5)

    def _next_entries(self) -> list[_Entry]:
        """Return the tasks to give out next: as many as one would be large, so that small ones do not cost as much."""
        some, size = list[_Entry](), 0
        while self._to_give and len(some) < self._most_tasks:
            entry = self._to_give[0]
            start, stop = entry.task.span or (0, self._sources[entry.task.place].size_bytes or 0)
            size += stop - start
            if some and (size > self._most_bytes or entry.is_alone):
                break
            self._to_give.popleft()
            if not self._is_void(entry):
                some.append(entry)
                if entry.is_alone:
                    break
        return some

    def _is_void(self, entry: _Entry) -> bool:
        span = entry.task.span
        return span is not None and span[0] > self._last_spans.get(entry.task.place, span[0])

    def _count(self) -> None:
        """Go on counting lines, as far as tasks are done; give those out again that have to know their first one."""
        while self._uncounted:
            entry = self._uncounted[0]
            done, place = entry.done, entry.task.place
            if done is None and not self._is_void(entry):
                return
            if done is not None and done.needs_line:
                entry.task, entry.done = entry.task._replace(first_line=self._lines[place] + 1), None
                entry.is_alone = True
                self._to_give.appendleft(entry)
                if done.resume_at is not None:  # where the rest begins is known once this is done again
                    return
            self._uncounted.popleft()
            if done is None or self._is_void(entry):
                continue
            self._lines[place] += done.lines
            if done.resume_at is not None:
                entry.rest = _Entry(done.resume_at.at_line(self._lines[place] + 1))
                entry.rest.is_alone = True
                self._to_give.appendleft(entry.rest)
                self._last_spans[place] = entry.task.span[0] if entry.task.span else 0

    def _ready(self) -> Iterator[Part]:
        """Yield the parts that are next, as far as they are there. Raises the error of a task in its place."""
        while self._in_order:
            entry = self._in_order[0]
            if self._is_void(entry):
                self._in_order.popleft()
                continue
            if entry.done is None:
                return
            self._in_order.popleft()
            source = self._sources[entry.task.place]
            for part in entry.done.parts:
                yield part._replace(shard=part.shard._replace(source=source))
            if entry.done.error is not None:
                if isinstance(entry.done.error, NoColumnError):
                    entry.done.error.source = source
                raise entry.done.error
            if entry.done.keeps and self._tree is not None:
                self._tree.add(entry.kept)
            if entry.rest is not None:
                self._in_order.appendleft(entry.rest)
