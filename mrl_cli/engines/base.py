"""What an engine computes: a job over shards, each shard to a part, and the parts folded into wholes in input order."""

from __future__ import annotations

from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import SuspectShardError, UnsplittableTextError
from mrl_cli.inputs import Shard, Source, read, shards_of
from mrl_cli.inputs.base import changed, no_path, unreadable
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import CountsReduction, Reduction
from mrl_cli.reductions.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.model import Batch, Counts, Plan

    # Yields the parts of all sources in input order.
    Engine = Callable[[Sequence[Source], "Job"], Iterator["Part"]]

# NumPy lets go of the interpreter at every operation, and threads that measure at the same time spend more on handing
# it over than they gain: on Parquet one core was as quick as two. One measures while the others decode, or have
# a child, a process with an interpreter of its own, measure for them.
_TURN = Lock()


class Job(NamedTuple):
    """What is computed of every shard."""

    plan: Plan
    reductions: tuple[Reduction[Any, Any], ...]

    @property
    def writes_parts(self) -> bool:
        """Whether each task writes a part of the output, so that the cut must not depend on who computes."""
        return any(reduction.writes_parts for reduction in self.reductions)


class Part(NamedTuple):
    """The result of a shard: its counts of rows, and the state of each reduction.

    There are no states where a worker joined them with those of the next shard.
    """

    shard: Shard
    counts: Counts
    states: list[Any]


def part_of(shard: Shard, job: Job, batches: int | None = None) -> Part:
    """Read and measure one shard: the fast way, and again the careful way where that met something it cannot name.

    Only the first `batches` of it, where that is given.
    """
    try:
        return quick_part(shard, job, batches)
    except SuspectShardError:
        return _folded(shard, islice(read(shard, job.plan, is_careful=True), batches), job)
    except OSError as error:  # reported here, where it is known that it was the reading that failed
        raise unreadable(shard.source.name, error) from error


def quick_part(shard: Shard, job: Job, batches: int | None = None) -> Part:
    """As `part_of`, the fast way alone. Raises SuspectShardError where that met something it cannot name."""
    return _folded(shard, islice(read(shard, job.plan), batches), job, is_quick=True)


_COUNTS = CountsReduction()


def _folded(shard: Shard, batches: Iterable[Batch], job: Job, *, is_quick: bool = False) -> Part:
    needs = frozenset[str]().union(*(reduction.needs for reduction in job.reductions))
    counts, states = _COUNTS.empty(), [reduction.empty() for reduction in job.reductions]
    in_turn = [place for place, reduction in enumerate(job.reductions) if reduction.takes_turns]
    at_once = [place for place, reduction in enumerate(job.reductions) if not reduction.takes_turns]
    for batch in batches:
        with _TURN:
            measured = Measured(batch, job.plan, needs, is_quick=is_quick)
            for place in in_turn:
                states[place] = job.reductions[place].add(states[place], measured)
        counts = _COUNTS.add(counts, measured)
        for place in at_once:
            states[place] = job.reductions[place].add(states[place], measured)
    return Part(shard, counts, states)


class Folded(NamedTuple):
    """What all parts come to: counts of rows, the whole of each reduction, and how many rows each input holds."""

    counts: Counts
    wholes: tuple[Any, ...]
    rows_of: dict[str, int]


def first_part(source: Source, job: Job) -> Part | None:
    """Return the part of the first batch of a source, whatever its size; None where there is none."""
    resume_at: Shard | None = None
    while (shard := next(shards_of((source,), job.plan, resume_at), None)) is not None:
        try:
            return part_of(shard, job, batches=1)
        except UnsplittableTextError:
            resume_at = shard
    return None


def _unchanged(parts: Iterable[Part], sources: Sequence[Source]) -> Iterator[Part]:
    try:
        yield from parts
    finally:
        name = next((source.name for source in sources if source.file is not None and source.file.has_changed), None)
        if name is not None:
            raise changed(name)


def fold(parts: Iterable[Part], sources: Sequence[Source], reductions: Sequence[Reduction[Any, Any]]) -> Folded:
    """Merge parts in input order.

    Raises UsageError for a path that leads nowhere in any row of a file, and MachineError for a file that changed since
    it was opened: what was read of it may be of both, and an error may come of that.
    """
    counts = _COUNTS.whole()
    wholes = [reduction.whole() for reduction in reductions]
    rows_of = {source.name: 0 for source in sources}
    for part in _unchanged(parts, sources):
        counts = _COUNTS.merge(counts, part.counts, part)
        rows_of[part.shard.source.name] += part.counts.input_rows
        for place, state in enumerate(part.states):
            wholes[place] = reductions[place].merge(wholes[place], state, part)
    for (file, path), absent in counts.paths.items():
        if absent is not None:
            raise no_path(file, path, *absent)
    return Folded(counts, tuple(wholes), rows_of)
