"""The local engine: threads of this process. pyarrow and NumPy release the interpreter while they work.

Where it may copy the process, all threads but one let a `child` work for them.
"""

from __future__ import annotations

import atexit
import sys
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

    from mrl_cli.engines.child import Child

    Run = Generator[Part, None, Shard | None]


def local(sources: Sequence[Source], job: Job, jobs: int, *, copies: bool = False) -> Iterator[Part]:
    """Yield the parts of all sources in input order, computed by `jobs` threads of this process.

    Few shards are under way at a time, so memory stays flat. With `copies`, which is for a process that is mrl alone,
    the threads may have children.
    """
    for group in groups(sources):
        yield from parts_in_order(group, job, jobs, copies=copies)


def groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Split the sources so that one that can be read only once is alone: no look ahead, no new start may touch it."""
    groups: list[list[Source]] = []
    for source in sources:
        if groups and source.is_plain_file and groups[-1][-1].is_plain_file:
            groups[-1].append(source)
        else:
            groups.append([source])
    return groups


def parts_in_order(
    sources: Sequence[Source], job: Job, jobs: int, resume_at: Shard | None = None, *, copies: bool = False
) -> Iterator[Part]:
    """Yield the parts of sources that may be started anew at any shard; with `resume_at`, from that one on."""
    while True:
        shards = shards_of(sources, job.plan, resume_at)
        first = list(islice(shards, 2))
        every, is_alone = chain(first, shards), jobs == 1 or len(first) < 2
        if is_alone:
            resume_at = yield from _in_turn(every, job)
        else:
            resume_at = yield from _threaded(every, job, _hands(sources, job, jobs, copies=copies))
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


def _hands(sources: Sequence[Source], job: Job, jobs: int, *, copies: bool) -> list[Child | None]:
    """Return what does the work of each thread: a child, or None for the thread itself."""
    found: list[Child] = []
    if copies and sys.platform == "linux":
        from mrl_cli.engines.child import children  # small files do without

        found = children(sources, job, jobs - 1)
    return [None] * (jobs - len(found)) + found


def _threaded(shards: Iterator[Shard], job: Job, hands: list[Child | None]) -> Run:
    """As `_in_turn`, with a thread for each of `hands`."""
    pool = _Pool(hands)
    under_way: deque[tuple[Shard, _Call]] = deque()
    try:
        try:
            for shard in shards:
                under_way.append((shard, pool.submit(partial(_part_of, shard, job))))
                if len(under_way) > len(hands):
                    yield from _first_done(under_way)
        except MrlError:  # what cannot be read on: what was read before comes first
            while under_way:
                yield from _first_done(under_way)
            raise
        pool.close()
        while under_way:
            yield from _first_done(under_way)
        pool.wait()
    except UnsplittableTextError:
        return under_way[0][0]
    finally:
        pool.end()
    return None


def _part_of(shard: Shard, job: Job, child: Child | None) -> Part:
    return part_of(shard, job) if child is None else child.part_of(shard, job)


def _first_done(under_way: deque[tuple[Shard, _Call]]) -> Iterator[Part]:
    part = under_way[0][1].result()
    under_way.popleft()
    yield part


class _Pool:
    """Threads that carry out calls, the earliest first, each with the child that works for it, or None.

    To import the standard library's takes 3 % of a run over a million rows: it brings logging.
    """

    def __init__(self, hands: Sequence[Child | None]) -> None:
        self._hands, self._changed = hands, Condition()
        self._calls = deque[_Call | None]()  # None is the end
        self._threads: list[Thread] = []
        atexit.register(self._leave)

    def submit(self, work: Callable[[Any], Any]) -> _Call:
        """Let a thread carry out a call, the next that has time: `work` gets the thread's child."""
        call = _Call(work)
        with self._changed:
            self._calls.append(call)
            self._changed.notify()
        if len(self._threads) < len(self._hands):
            # Whoever took some parts may never end the generator: such threads must not hold up the interpreter.
            hand = self._hands[len(self._threads)]
            self._threads.append(Thread(target=self._serve, args=(hand,), name="mrl", daemon=True))
            self._threads[-1].start()
        return call

    def close(self) -> None:
        """Let threads end, and their children, as soon as no call waits: there are no more."""
        with self._changed:
            self._calls.append(None)
            self._changed.notify_all()

    def end(self) -> None:
        """Forget the calls that wait; threads end with the one that they are at, and children at once."""
        with self._changed:
            self._calls = deque([None])
            self._changed.notify_all()
        for child in self._hands:
            if child is not None:
                child.kill()
        atexit.unregister(self._leave)

    def wait(self) -> None:
        """Wait for the threads, which are ending."""
        for thread in self._threads:
            thread.join()

    def _leave(self) -> None:
        """See to it, as the interpreter ends, that no thread is in a library that ends too."""
        self.end()
        self.wait()

    def _serve(self, child: Child | None) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._calls)
                    call = self._calls[0]
                    if call is None:  # which stays there for the other threads
                        return
                    self._calls.popleft()
                call.carry_out(child)
        finally:
            if child is not None:
                child.leave()


class _Call:
    """A call that a thread carries out, and what comes of it."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work, self._done = work, Lock()
        self._error: BaseException | None = None
        self._done.acquire()

    def carry_out(self, child: Child | None) -> None:
        """Call, and keep what is returned or raised."""
        try:
            self._part = self._work(child)
        except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
            self._error = error
        self._done.release()

    def result(self) -> Any:
        """Wait for the call; return what it returned, or raise what it raised."""
        with self._done:
            if self._error is not None:
                raise self._error
            return self._part
