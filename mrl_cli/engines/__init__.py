"""Engines: who computes which part of the input. Because states merge exactly, engines cannot disagree.

`local` is threads of this process. All others are workers elsewhere, a class each that moves bytes (`cluster.Workers`):
a row in `WORKERS`, or an entry point of the group `mrl.engines` in another package.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from mrl_cli.errors import UsageError
from mrl_cli.words import how_to_install

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.engines.base import Engine, Job, Part
    from mrl_cli.engines.cluster import Workers
    from mrl_cli.inputs import Source

GROUP = "mrl.engines"  # of entry points
WORKERS = {
    "dask": "mrl_cli.engines.dask:DaskWorkers",
    "ray": "mrl_cli.engines.ray:RayWorkers",
    "spark": "mrl_cli.engines.spark:SparkWorkers",
}


class _Names:
    """The names of engines; those of other packages are looked up where none of mrl's own is meant."""

    def __contains__(self, name: object) -> bool:
        return name == "local" or name in WORKERS or name in _elsewhere()

    def __iter__(self) -> Iterator[str]:
        yield from ("local", *WORKERS, *_elsewhere())


ENGINES = _Names()


def _elsewhere() -> list[str]:
    from importlib.metadata import entry_points  # a look into every package that is installed

    return sorted({entry.name for entry in entry_points(group=GROUP)} - {"local"} - WORKERS.keys())


@contextmanager
def opened(name: str, jobs: int, scheduler: str | None = None) -> Iterator[Engine]:
    """Open the engine of that name with `jobs` workers, or those behind the address of a scheduler.

    Raises UsageError where what it needs is not installed, and MachineError where the scheduler does not answer.
    """
    if name == "local":
        yield partial(_here, jobs=jobs)
        return
    from mrl_cli.engines.cluster import parts_of

    with closing(_workers(name, jobs, scheduler)) as workers:
        yield partial(parts_of, workers)


def _here(sources: Sequence[Source], job: Job, jobs: int) -> Iterator[Part]:
    """Yield parts, as an engine does, computed by threads of this process; they get tasks where each writes a part."""
    if not job.writes_parts:
        from mrl_cli.engines.local import local

        return local(sources, job, jobs, copies=True)
    from mrl_cli.engines import cluster, threads  # few runs write parts

    return cluster.parts_of(threads.Threads(jobs), sources, job)


def _workers(name: str, jobs: int, scheduler: str | None) -> Workers:
    from importlib.metadata import EntryPoint, entry_points

    if name in WORKERS:
        entry = EntryPoint(name, WORKERS[name], GROUP)
    else:
        entry = next(iter(entry_points(group=GROUP, name=name)))
    try:
        kind = entry.load()
    except ModuleNotFoundError as error:
        hint = how_to_install(name) if name in WORKERS else None
        raise UsageError(f"--engine {name} needs the package {error.name}", hint=hint) from error
    workers: Workers = kind(jobs, scheduler)
    return workers
