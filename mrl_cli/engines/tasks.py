"""A job and its tasks as bytes: what a client sends to its workers, and what it gets back.

A task is a source and a span of its bytes. Spans are cut by arithmetic from the size that was listed, so nothing is
opened to cut one: the worker finds the rows, of which those belong to a span that begin in it, and the row groups that
do. A job is what all tasks share, and begins with what a worker checks before it unpickles anything.
"""

from __future__ import annotations

import pickle
import platform
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.errors import MachineError
from mrl_cli.inputs.formats import FORMATS
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.runtime import arithmetic
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.engines.base import Job, Part
    from mrl_cli.inputs import Shard, Source
    from mrl_cli.model import Plan

LEAST_SPAN_BYTES, MOST_SPAN_BYTES, TASKS_A_SLOT = 64 << 20, 1 << 30, 8
_WORD, _ANY = b"mrl-job", b"any"


class Task(NamedTuple):
    """What of a source to measure: `span` of its bytes (None for all), or, of a text, all from `resume_at` on.

    `place` is that of its source in the run. `first_line` is the number of the span's first line, where the lines
    before it were counted. `part` is what the file is called after that it may write.
    """

    place: int
    span: tuple[int, int] | None = None
    first_line: int | None = None
    resume_at: Shard | None = None
    part: str = ""

    def at_line(self, line: int) -> Task:
        """Return the task with the number of its first line, where it is the rest of a text and does not know it."""
        shard = self.resume_at
        if shard is None or shard.part.first_line is not None:
            return self
        return self._replace(resume_at=shard._replace(part=replace(shard.part, first_line=line)))


class Done(NamedTuple):
    """What a task came to: its parts, in input order, or an error.

    `lines` is how many lines the text of its span has. A task that has to name a line, and does not know the number of
    its first one, is done without parts: it `needs_line`. At `resume_at` it met a text that cannot be split.
    What `keeps` has large states on a worker: a `Kept`.
    """

    parts: tuple[Part, ...] = ()
    lines: int = 0
    needs_line: bool = False
    resume_at: Task | None = None
    error: Exception | None = None
    keeps: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its parts are all that the task was to come to."""
        return self.error is None and self.resume_at is None and not self.needs_line


class Kept(NamedTuple):
    """Large states that stay on workers until they are joined, by the place of their reduction; or an error."""

    states: dict[int, Any]
    error: Exception | None = None


def dones_of(data: bytes, count: int) -> list[Done]:
    """Return what tasks came to, of what `run` returned, or what stands in for it where there is no mrl to run it."""
    if data[:1] != pickle.PROTO:
        message = f"the worker on {harmless(data.decode('ascii', 'replace'), 200)}"
        return [Done(error=MachineError(message, hint="install the same version of mrl on all workers"))] * count
    dones: list[Done] = pickle.loads(data)
    return dones


def span_of(sources: Sequence[Source], slots: int) -> int:
    """Return how many bytes a worker should measure at a time, of so many `slots` for tasks."""
    total = sum(source.size_bytes or 0 for source in sources)
    return min(max(total // (TASKS_A_SLOT * slots), LEAST_SPAN_BYTES), MOST_SPAN_BYTES)


def tasks_of(sources: Sequence[Source], plan: Plan, wanted: int) -> Iterator[Task]:
    """Yield the tasks of sources, in order, of `wanted` bytes each, or of a whole source. Opens nothing."""
    for place, source in enumerate(sources):
        size = source.size_bytes or 0
        is_plain = source.compression is None and source.beside is None
        may_cut = is_plain and FORMATS[source.format].has_spans and plan.reading.dialect.encoding in (None, "utf-8")
        count = max(1, round(size / wanted)) if may_cut else 1
        if count == 1:
            yield Task(place)
        else:
            edges = [size * number // count for number in range(count + 1)]
            yield from (Task(place, span) for span in pairwise(edges))


def job_bytes(job: Job, sources: Sequence[Source]) -> bytes:
    """Return a job, and the sources of its tasks, as bytes."""
    return b"\n".join([_head(job), pickle.dumps((job, [source.portable for source in sources]), 5)])


def _head(job: Job) -> bytes:
    """Return what a worker must have in common with its client: the version, and how it computes exponentials."""
    loss = LOSSES.get(job.plan.loss.name)
    is_exact = loss is not None and not loss.ulps and job.plan.ranking.lambda_weight == "none"
    is_exact = is_exact and not any(reduction.has_exponentials for reduction in job.reductions)
    return b" ".join([_WORD, __version__.encode(), _ANY if is_exact else arithmetic()])


def job_of(data: bytes) -> tuple[Job, list[Source]]:
    """Return the job of `job_bytes`, and the sources of its tasks.

    Raises MachineError where this machine cannot come to the same numbers as the client; nothing is unpickled then.
    """
    head, _, rest = data.partition(b"\n")
    word, version, wanted = (*head.split(), b"", b"", b"")[:3]
    if word != _WORD or version != __version__.encode():
        theirs = harmless(version.decode("ascii", "replace"), 40) or "another version"
        message = f"the worker on {platform.node()} has mrl {__version__}, and the client {theirs}"
        raise MachineError(message, hint="install the same version of mrl on all workers")
    if wanted not in (_ANY, arithmetic()):
        message = f"the worker on {platform.node()} computes exponentials in another way than the client"
        hint = "give all the same NumPy and the same kind of processor; margin losses have no exponentials"
        raise MachineError(message, hint=hint)
    found: tuple[Job, list[Source]] = pickle.loads(rest)
    return found
