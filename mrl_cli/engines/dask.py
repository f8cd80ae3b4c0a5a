"""Dask: the workers behind a scheduler, or a cluster of processes on this machine, on its loopback alone."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from dask import config
from distributed import CancelledError, Client, KilledWorker, LocalCluster
from distributed import TimeoutError as NotYet

from mrl_cli.engines.cluster import Deadline, by_value
from mrl_cli.errors import MachineError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

CONNECT_SECONDS, LOOK_SECONDS, CLOSE_SECONDS = 10.0, 1.0, 3.0
SHARED_BYTES = 64 << 10  # a larger job goes to each worker once, and not along with every task


class DaskWorkers:
    """The workers of a Dask cluster."""

    def __init__(self, jobs: int, address: str | None) -> None:
        # Dask tells on stderr of each connection that it loses; what matters of that is told by what is raised here.
        logging.disable(logging.CRITICAL)
        address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
        self._where = f"the Dask scheduler at {harmless(address)}" if address else "Dask"
        self._cluster: Any = None
        settings = {"distributed.comm.retry.count": 0, "distributed.scheduler.allowed-failures": 3}
        with config.set(settings):
            if address is None:
                self._cluster = LocalCluster(
                    n_workers=jobs, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
                )
            try:
                self._client: Any = Client(address or self._cluster, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                message = f"{self._where} does not answer"
                raise MachineError(message, hint="is `dask scheduler` running there?") from error
        self.slots = max(1, sum(self._client.nthreads().values()))

    def map(self, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[bytes]:
        """Yield what tasks come to, in order. Raises MachineError where the cluster is lost."""
        client, call = self._client, by_value()
        shared = client.scatter(job, broadcast=True) if len(job) > SHARED_BYTES else job
        left, under_way = iter(tasks), deque[Any]()
        deadline = Deadline(self._where)
        try:
            while True:
                if len(under_way) <= ahead // 2:  # many in one message cost half of what each alone does
                    some = list(islice(left, ahead - len(under_way)))
                    under_way += client.map(call, [shared] * len(some), some, pure=False, retries=2) if some else ()
                if not under_way:
                    return
                yield self._result(under_way[0], deadline)
                under_way.popleft()
        finally:
            if under_way and client.status == "running":
                client.cancel(list(under_way), force=True)

    def _result(self, future: Any, deadline: Deadline) -> bytes:
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
                deadline.met()
                return found

    def _missing(self) -> str | None:
        """Return what is missing for tasks to go on, None where nothing is: a future alone waits for ever."""
        try:
            found = self._client.sync(asyncio.wait_for, self._client.scheduler.identity(), LOOK_SECONDS)
        except (NotYet, TimeoutError, OSError):
            return "it does not answer"
        return None if found["workers"] else "it has no workers"

    def close(self) -> None:
        """Let go of the scheduler, and end a cluster of this machine."""
        self._client.close(timeout=CLOSE_SECONDS)
        if self._cluster is not None:
            self._cluster.close(timeout=CLOSE_SECONDS)
        logging.disable(logging.NOTSET)
