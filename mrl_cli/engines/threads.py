"""Engines: from sources and a plan to measured parts, in input order. `ENGINES` is where one is entered.

An engine maps `measured_part` over shards. Because totals merge exactly, engines cannot disagree; what an engine
chooses is only who computes which shard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.errors import MachineError, SuspectShardError, UnsplittableTextError
from mrl_cli.inputs import batches_of, shards_of
from mrl_cli.model import Mergeable, PairBatch, Totals
from mrl_cli.reductions.measured import Measured, block_by_key, measure

if TYPE_CHECKING:
    from mrl_cli.inputs import Shard, Source
    from mrl_cli.model import Plan, Problem
    from mrl_cli.reductions.ledger import GroupBlock

# NumPy lets go of the interpreter at every operation, and threads that measure at the same time spend more on handing
# it over than they gain: on Parquet one core was as quick as two. One measures while the others decode.
_MEASURING = Lock()

# Makes of a measured batch what the output wants of it, in the worker, so that formatting uses all cores too.
Encode = Callable[[Measured, PairBatch], Any]


class Part(NamedTuple):
    """What became of a shard: its totals, all its problems if the plan lists them, what `encode` made of its batches in
    order (the one sum of what is Mergeable), and its totals by key if the plan has keys.
    """

    shard: Shard
    totals: Totals
    problems: list[Problem]
    encoded: list[Any]
    groups: Sequence[GroupBlock] = ()


Engine = Callable[["Sequence[Source]", "Plan", int, "Encode | None"], Iterator[Part]]


def measured_part(shard: Shard, plan: Plan, encode: Encode | None) -> Part:
    """Read and measure one shard: the fast way, and again the careful way where that met something it cannot name."""
    try:
        return _measured(shard, batches_of(shard, plan), plan, encode)
    except SuspectShardError:
        return _measured(shard, batches_of(shard, plan, is_careful=True), plan, encode)
    except OSError as error:  # told here, where it is known that it was the reading that failed
        msg = f"cannot read {shard.source.shown_name}: {error.strerror or error}"
        raise MachineError(msg) from error


def _measured(shard: Shard, batches: Iterator[PairBatch], plan: Plan, encode: Encode | None) -> Part:
    totals = Totals()
    problems: list[Problem] = []
    encoded: list[Any] = []
    groups: list[GroupBlock] = []
    for batch in batches:
        with _MEASURING:
            found = measure(batch, plan)
        totals += found.totals
        if plan.lists_problems:
            problems += found.problems
        if encode is not None:
            _append(encoded, encode(found, batch))
        block = block_by_key(found, plan)  # few operations, each on the whole batch: no need to take turns
        if block is not None:
            groups.append(block)
    return Part(shard, totals, problems, encoded, groups)


def _append(encoded: list[Any], item: Any) -> None:
    if encoded and isinstance(item, Mergeable):
        encoded[-1] += item
    else:
        encoded.append(item)


def local(sources: Sequence[Source], plan: Plan, jobs: int, encode: Encode | None) -> Iterator[Part]:
    """Yield the parts of all sources in input order, computed by `jobs` threads of this process.

    pyarrow and NumPy release the interpreter while they work. Few shards are under way at a time, so memory stays flat.
    """
    for group in _groups(sources):
        yield from _local_group(group, plan, jobs, encode)


def _groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Split the sources so that one that can be read only once is alone: no look ahead, no new start may touch it."""
    groups: list[list[Source]] = []
    for source in sources:
        is_alone = not source.is_plain_file
        if groups and not is_alone and groups[-1][-1].is_plain_file:
            groups[-1].append(source)
        else:
            groups.append([source])
    return groups


def _local_group(sources: Sequence[Source], plan: Plan, jobs: int, encode: Encode | None) -> Iterator[Part]:
    resume_at: Shard | None = None
    while True:
        shards = shards_of(sources, plan, resume_at)
        first = list(islice(shards, 2))
        run = _in_turn if jobs == 1 or len(first) < 2 else _threaded
        resume_at = yield from run(chain(first, shards), plan, jobs, encode)
        if resume_at is None:
            return
        # A quote turned up in a text that was being split: all before that shard stands, the rest of it is one stream.


Run = Generator[Part, None, "Shard | None"]


def _in_turn(shards: Iterator[Shard], plan: Plan, jobs: int, encode: Encode | None) -> Run:
    """Yield parts in order; return the shard at which a text proved unsplittable, or None."""
    del jobs
    for shard in shards:
        try:
            part = measured_part(shard, plan, encode)
        except UnsplittableTextError:
            return shard
        yield part
    return None


def _threaded(shards: Iterator[Shard], plan: Plan, jobs: int, encode: Encode | None) -> Run:
    """As `_in_turn`, with threads."""
    from concurrent.futures import ThreadPoolExecutor  # a small file never needs it

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="mrl")
    under_way: deque[tuple[Shard, Any]] = deque()
    try:
        for shard in shards:
            under_way.append((shard, pool.submit(measured_part, shard, plan, encode)))
            if len(under_way) > jobs:
                yield from _first_done(under_way)
        while under_way:
            yield from _first_done(under_way)
    except UnsplittableTextError:
        return under_way[0][0]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return None


def _first_done(under_way: deque[tuple[Shard, Any]]) -> Iterator[Part]:
    part = under_way[0][1].result()
    under_way.popleft()
    yield part


ENGINES: dict[str, Engine] = {"local": local}
