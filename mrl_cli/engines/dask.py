"""Dask: the workers behind a scheduler, or a cluster of processes on this machine, on its loopback alone."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dask import config
from distributed import CancelledError, Client, KilledWorker, LocalCluster
from distributed import TimeoutError as NotYet

from mrl_cli.engines.cluster import Deadline, Keepers, by_value, within
from mrl_cli.errors import MachineError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

CONNECT_SECONDS, LOOK_SECONDS, CLOSE_SECONDS, END_SECONDS = 10.0, 1.0, 3.0, 15.0
SHARED_BYTES = 64 << 10  # a larger job goes to each worker once, and not along with every task


class DaskWorkers(Keepers):
    """The workers of a Dask cluster."""

    def __init__(self, jobs: int, address: str | None) -> None:
        # Dask tells on stderr of each connection that it loses; what matters of that is told by what is raised here.
        logging.disable(logging.CRITICAL)
        address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
        self._where = f"the Dask scheduler at {harmless(address)}" if address else "Dask"
        self._cluster: Any = None
        self._scattered: dict[bytes, Any] = {}
        settings = {"distributed.comm.retry.count": 0, "distributed.scheduler.allowed-failures": 3}
        with config.set(settings):
            if address is None:
                self._cluster = LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    host="127.0.0.1",
                    silence_logs=50,
                    scheduler_kwargs={"dashboard": False},
                )

            def connect() -> Any:
                return Client(address or self._cluster, timeout=CONNECT_SECONDS, set_as_default=False)

            try:
                self._client: Any = within(1.5 * CONNECT_SECONDS, connect)
            except (OSError, ValueError) as error:
                message = f"{self._where} does not answer"
                raise MachineError(message, hint="is `dask scheduler` running there?") from error
        self.slots = max(1, sum(self._client.nthreads().values()))

    def mapped(self, name: str, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[tuple[bytes, Any]]:
        """Yield what comes back of each task, in order, and the future of what is kept. Raises MachineError."""
        client, call, shared = self._client, by_value(name), self._shared(job)
        left, under_way = iter(tasks), deque[tuple[Any, Any]]()
        try:
            while True:
                # Many in one message cost half of what each alone does.
                if len(under_way) <= ahead // 2 and (some := list(islice(left, ahead - len(under_way)))):
                    found = client.map(call, [shared] * len(some), some, pure=False, retries=2)
                    told = found if name == "run" else client.map(itemgetter(0), found, pure=False)
                    under_way += zip(told, found, strict=True)
                if not under_way:
                    return
                yield self._result(under_way[0][0]), under_way[0][1]
                under_way.popleft()
        finally:
            if under_way and client.status == "running":
                client.cancel([future for pair in under_way for future in pair], force=True)

    def _shared(self, job: bytes) -> Any:
        """Return what stands for a job among the arguments of a call."""
        if len(job) <= SHARED_BYTES:
            return job
        if job not in self._scattered:
            self._scattered = {job: self._client.scatter(job, broadcast=True)}
        return self._scattered[job]

    def join(self, job: bytes, kept: list[Any]) -> Any:
        """Return the future of what tasks kept, joined."""
        call = by_value("joined")

        def joined(job: bytes, *pairs: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
            return b"", call(job, *(data for _, data in pairs))

        joined.__module__ = "__main__"
        return self._client.submit(joined, self._shared(job), *kept, pure=False, retries=2)

    def fetched(self, kept: Any) -> bytes:
        """Return what was kept."""
        return self._result(self._client.submit(itemgetter(1), kept, pure=False))

    def _result(self, future: Any) -> bytes:
        deadline = Deadline(self._where)
        while True:
            try:
                found: bytes = future.result(timeout=LOOK_SECONDS)
            except (NotYet, TimeoutError):
                deadline.check(self._missing())
            except KilledWorker as error:
                message = f"{self._where}: a task ended the worker that had it, three times"
                raise MachineError(message, hint="do the workers have enough memory?") from error
            except (CancelledError, OSError) as error:
                raise MachineError(f"{self._where} is gone, and with it what was under way") from error
            else:
                return found

    def _missing(self) -> str | None:
        """Return what is missing for tasks to go on, None where nothing is: a future alone waits for ever."""
        try:
            found = self._client.sync(asyncio.wait_for, self._client.scheduler.identity(), LOOK_SECONDS)
        except (NotYet, TimeoutError, OSError):
            return "it does not answer"
        return None if found["workers"] else "it has no workers"

    def close(self) -> None:
        """Let go of the scheduler, and end a cluster of this machine. Whether that is quick changes no result."""
        with suppress(NotYet, TimeoutError):
            self._client.close(timeout=CLOSE_SECONDS)
        if self._cluster is not None:
            with suppress(NotYet, TimeoutError):  # Dask ends its processes at exit else
                self._cluster.close(timeout=END_SECONDS)
        logging.disable(logging.NOTSET)
