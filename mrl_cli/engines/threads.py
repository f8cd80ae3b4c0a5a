"""Threads of this process as workers: they get the tasks that those of a cluster would, and come to the same parts."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Any

from mrl_cli.engines.worker import run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


class Threads:
    """So many threads, as `cluster.Workers`."""

    def __init__(self, jobs: int) -> None:
        self.slots = jobs

    def map(self, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[bytes]:
        """Yield what tasks come to, in order. At the end, be it early, each thread has left its task."""
        left, under_way, stops = iter(tasks), deque[Any](), Event()
        pool = ThreadPoolExecutor(self.slots, thread_name_prefix="mrl")
        try:
            while True:
                some = islice(left, ahead - len(under_way))
                under_way += [pool.submit(run, job, task, stops.is_set) for task in some]
                if not under_way:
                    return
                found: bytes = under_way.popleft().result()
                yield found
        finally:
            stops.set()
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Let go of nothing: threads end with the last task."""
