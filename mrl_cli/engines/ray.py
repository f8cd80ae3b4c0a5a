"""Ray: processes of this machine, or the cluster at an address."""

from __future__ import annotations

import logging
import os
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

# Ray tells on stderr what it does, and sends counts of that to its makers.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayError

from mrl_cli.engines.cluster import Deadline, Keepers, by_value, silent_stderr, within
from mrl_cli.errors import MachineError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

CONNECT_SECONDS, LOOK_SECONDS = 25.0, 1.0


class RayWorkers(Keepers):
    """The workers of a Ray cluster."""

    def __init__(self, jobs: int, address: str | None) -> None:
        address = address or os.environ.get("RAY_ADDRESS")
        self._where = f"the Ray cluster at {harmless(address)}" if address else "Ray"
        of_this_machine = {} if address else {"num_cpus": jobs, "include_dashboard": False}
        init = partial(
            ray.init,
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            configure_logging=True,
            **of_this_machine,
        )
        try:
            with silent_stderr():
                # What Ray starts here ends with the thread that started it.
                within(CONNECT_SECONDS, init) if address else init()
        except (OSError, RuntimeError, ValueError) as error:
            raise MachineError(f"{self._where} does not answer", hint="is a head of Ray running there?") from error
        self.slots = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def mapped(self, name: str, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[tuple[bytes, Any]]:
        """Yield what comes back of each task, in order, and the reference of what is kept. Raises MachineError."""
        call = ray.remote(max_retries=3, num_returns=1 if name == "run" else 2)(by_value(name))
        shared, left, under_way = ray.put(job), iter(tasks), deque[Any]()
        try:
            while True:
                for task in islice(left, ahead - len(under_way)):
                    found = call.remote(shared, task)
                    under_way.append((found, None) if name == "run" else found)
                if not under_way:
                    return
                yield self._result(under_way[0][0]), under_way[0][1]
                under_way.popleft()
        finally:
            for waiting, _ in under_way if ray.is_initialized() else ():
                ray.cancel(waiting, force=True)

    def join(self, job: bytes, kept: list[Any]) -> Any:
        """Return a reference to what tasks kept, joined."""
        return ray.remote(max_retries=3)(by_value("joined")).remote(job, *kept)

    def fetched(self, kept: Any) -> bytes:
        """Return what was kept."""
        return self._result(kept)

    def _result(self, waiting: Any) -> bytes:
        deadline = Deadline(self._where)
        try:
            while not ray.wait([waiting], timeout=LOOK_SECONDS)[0]:
                has_workers = any(node["Alive"] for node in ray.nodes())
                deadline.check(None if has_workers else "it has no workers")
            found: bytes = ray.get(waiting)
        except RayError as error:
            reason = harmless(str(error).split("\n", maxsplit=1)[0], 160)
            raise MachineError(f"{self._where} failed: {reason}", hint="do the workers have enough memory?") from error
        return found

    def close(self) -> None:
        """Let go of the cluster, and end one of this machine."""
        ray.shutdown()
