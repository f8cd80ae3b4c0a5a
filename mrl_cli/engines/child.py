"""A child: a copy of this process that measures shards, so that two cores do not wait for one interpreter. On Linux.

It measures what is as usual. Of all else it only says that it did not, and this process measures such a shard itself:
so problems are met, named and counted in one place.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from mrl_cli.engines.base import Part, part_of, quick_part
from mrl_cli.inputs import shards_of
from mrl_cli.inputs.storage import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mrl_cli.engines.base import Job
    from mrl_cli.inputs import Shard, Source

BYTES_EACH = 48 << 20  # of the input: with less of it, what a child takes to make is hardly gained
MOST_CHILDREN = 16  # they are made one after the other
KEPT_DESCRIPTORS = 64
MOST_REPLY_BYTES = 8 << 20  # of states: larger ones, of very many keys, would be held by both
_TOO_LARGE = "too large"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def children(sources: Sequence[Source], job: Job, most: int) -> list[Child]:
    """Return at most so many children; fewer, or none, where they would not pay, or a copy would not be safe.

    Safe is what the kernel is sure to copy whole: not what other threads are at, nor what is open to a server.
    """
    if threading.active_count() > 1 or job.plan.reading.holds_pairs:
        return []
    if not all(isinstance(source.file, File) for source in sources):
        return []
    size_bytes = sum(source.size_bytes or 0 for source in sources)
    wanted = min(most, MOST_CHILDREN, size_bytes // BYTES_EACH, _room())
    made: list[Child] = []
    with suppress(OSError):  # where no more processes are allowed, those that there are do it
        while len(made) < wanted:
            made.append(Child(sources, job, made))
    return made


def _room() -> int:
    """Return how many children there are file descriptors for, beside those that the rest of a run takes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_CHILDREN if limit == resource.RLIM_INFINITY else max(0, limit - KEPT_DESCRIPTORS) // 4


class Child:
    """A child, to this process; `others` are those that were made before it."""

    def __init__(self, sources: Sequence[Source], job: Job, others: Sequence[Child]) -> None:
        self._places = {id(source): place for place, source in enumerate(sources)}
        self._lock, self._is_gone = threading.Lock(), False
        ends = [*os.pipe()]
        try:
            ends += os.pipe()
            asked, out, in_, told = ends
            self._process = _forked(lambda: _serve(asked, told, (out, in_), others, sources, job))
        except OSError:
            for end in ends:
                os.close(end)
            raise
        os.close(asked)
        os.close(told)
        self._in, self._out = os.fdopen(in_, "rb"), os.fdopen(out, "wb")

    def part_of(self, shard: Shard, job: Job) -> Part:
        """Return the part of a shard, as `engines.base.part_of`: the child's, else what is found here."""
        found = None
        with suppress(OSError, EOFError, pickle.UnpicklingError):  # what ends a child does not end the run
            if not self._is_gone:
                _send(self._out, pickle.dumps((self._places[id(shard.source)], shard._replace(source=None)), 5))
                found = pickle.load(self._in)
        if found == _TOO_LARGE:  # so will be what comes of the next ones
            self.leave()
            found = None
        if found is None:
            return part_of(shard, job)
        counts, states, counted = found
        shard.source.counted.update(counted)
        return Part(shard, counts, states)

    def leave(self) -> None:
        """Let the child go, which has nothing to do, and wait until it is gone."""
        self.close()
        with self._lock:
            if not self._is_gone:
                with suppress(ChildProcessError):  # who started mrl may have the kernel wait for its children
                    os.waitpid(self._process, 0)
            self._is_gone = True

    def close(self) -> None:
        """Close this process's ends of the pipes."""
        for end in (self._in, self._out):
            with suppress(OSError):
                end.close()

    def kill(self) -> None:
        """End the child, whatever it is at, if it is there."""
        with self._lock:
            if not self._is_gone:  # else another process may have its number
                with suppress(ProcessLookupError):
                    os.kill(self._process, signal.SIGKILL)


def _forked(be: Callable[[], NoReturn]) -> int:
    """Return the number of a copy of this process, which does nothing but `be` another one.

    Signals wait meanwhile, for what they are answered with is this process's.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Arrow has a thread, which knows of copies
            process = os.fork()
            if not process:
                try:
                    be()
                finally:
                    os._exit(0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _send(pipe: Any, message: bytes) -> None:
    pipe.write(message)
    pipe.flush()


def _serve(
    asked: int, told: int, not_mine: Iterable[int], others: Iterable[Child], sources: Sequence[Source], job: Job
) -> NoReturn:
    """Measure shards until nobody asks any more; nothing of it is printed."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for end in not_mine:
        os.close(end)
    for other in others:  # which would wait for this process too
        other.close()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    footers: dict[int, Any] = {}
    with os.fdopen(asked, "rb") as questions, os.fdopen(told, "wb") as replies:
        while True:
            place, shard = pickle.load(questions)
            reply = pickle.dumps(_measured(shard, place, sources[place], job, footers), 5)
            _send(replies, reply if len(reply) <= MOST_REPLY_BYTES else pickle.dumps(_TOO_LARGE))


def _measured(shard: Shard, place: int, source: Source, job: Job, footers: dict[int, Any]) -> Any:
    """Return counts and states of a shard, and which lines were counted; None where it is not as usual.

    `footers` keeps that of the file that was met last.
    """
    source.counted.clear()
    try:
        if hasattr(shard.part, "shared"):
            if place not in footers:
                footers.clear()
                footers[place] = next(shards_of((source,), job.plan)).part.shared
            shard = shard._replace(part=shard.part._replace(shared=footers[place]))
        part = quick_part(shard._replace(source=source), job)
        if any(one.outgrows(state) for one, state in zip(job.reductions, part.states, strict=True)):
            return _TOO_LARGE
        states = [one.packed(state) for one, state in zip(job.reductions, part.states, strict=True)]
    except Exception:  # noqa: BLE001 (it is met again where it can be told)
        return None
    return part.counts, states, source.counted
