"""The local engine: threads of this process. pyarrow and NumPy release the interpreter while they work."""

from __future__ import annotations

import atexit
from collections import deque
from functools import partial
from itertools import chain, islice
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Any

from mrl_cli.engines.base import Job, Part, part_of
from mrl_cli.errors import MrlError, UnsplittableTextError
from mrl_cli.inputs import Shard, Source, shards_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    Run = Generator[Part, None, Shard | None]


def local(sources: Sequence[Source], job: Job, jobs: int) -> Iterator[Part]:
    """Yield the parts of all sources in input order, computed by `jobs` threads of this process.

    Few shards are under way at a time, so memory stays flat.
    """
    for group in groups(sources):
        yield from parts_in_order(group, job, jobs)


def groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Split the sources so that one that can be read only once is alone: no look ahead, no new start may touch it."""
    groups: list[list[Source]] = []
    for source in sources:
        if groups and source.is_plain_file and groups[-1][-1].is_plain_file:
            groups[-1].append(source)
        else:
            groups.append([source])
    return groups


def parts_in_order(sources: Sequence[Source], job: Job, jobs: int, resume_at: Shard | None = None) -> Iterator[Part]:
    """Yield the parts of sources that may be started anew at any shard; with `resume_at`, from that one on."""
    while True:
        shards = shards_of(sources, job.plan, resume_at)
        first = list(islice(shards, 2))
        every, is_alone = chain(first, shards), jobs == 1 or len(first) < 2
        resume_at = yield from _in_turn(every, job) if is_alone else _threaded(every, job, jobs)
        if resume_at is None:
            return
        # A quote turned up in a text that was being split: all before that shard stands, the rest of it is one stream.


def _in_turn(shards: Iterator[Shard], job: Job) -> Run:
    """Yield parts in order; return the shard at which a text proved unsplittable, or None."""
    for shard in shards:
        try:
            part = part_of(shard, job)
        except UnsplittableTextError:
            return shard
        yield part
    return None


def _threaded(shards: Iterator[Shard], job: Job, jobs: int) -> Run:
    """As `_in_turn`, with threads."""
    pool = _Pool(jobs)
    under_way: deque[tuple[Shard, _Call]] = deque()
    try:
        try:
            for shard in shards:
                under_way.append((shard, pool.submit(partial(part_of, shard, job))))
                if len(under_way) > jobs:
                    yield from _first_done(under_way)
        except MrlError:  # what cannot be read on: what was read before comes first
            while under_way:
                yield from _first_done(under_way)
            raise
        while under_way:
            yield from _first_done(under_way)
    except UnsplittableTextError:
        return under_way[0][0]
    finally:
        pool.end()
    return None


def _first_done(under_way: deque[tuple[Shard, _Call]]) -> Iterator[Part]:
    part = under_way[0][1].result()
    under_way.popleft()
    yield part


class _Pool:
    """Threads that carry out calls, the earliest first.

    To import the standard library's takes 3 % of a run over a million rows: it brings logging.
    """

    def __init__(self, most_threads: int) -> None:
        self._places, self._changed = most_threads, Condition()
        self._calls = deque[_Call | None]()  # None is the end
        self._threads: list[Thread] = []
        atexit.register(self._leave)

    def submit(self, work: Callable[[], Any]) -> _Call:
        """Let a thread carry out a call, the next that has time."""
        call = _Call(work)
        with self._changed:
            self._calls.append(call)
            self._changed.notify()
        if self._places:
            self._places -= 1
            # Whoever took some parts may never end the generator: such threads must not hold up the interpreter.
            self._threads.append(Thread(target=self._serve, name="mrl", daemon=True))
            self._threads[-1].start()
        return call

    def end(self) -> None:
        """Forget the calls that wait; threads end with the one that they are at."""
        with self._changed:
            self._calls = deque([None])
            self._changed.notify_all()
        atexit.unregister(self._leave)

    def _leave(self) -> None:
        """Wait, as the interpreter ends, until no thread is in a library that ends too."""
        self.end()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls)
                call = self._calls[0]
                if call is None:  # which stays there for the other threads
                    return
                self._calls.popleft()
            call.carry_out()


class _Call:
    """A call that a thread carries out, and what comes of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work, self._done = work, Lock()
        self._error: BaseException | None = None
        self._done.acquire()

    def carry_out(self) -> None:
        """Call, and keep what is returned or raised."""
        try:
            self._part = self._work()
        except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
            self._error = error
        self._done.release()

    def result(self) -> Any:
        """Wait for the call; return what it returned, or raise what it raised."""
        with self._done:
            if self._error is not None:
                raise self._error
            return self._part
