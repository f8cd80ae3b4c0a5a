"""Time whole processes against one another.

This module and the ones that import it stay with the standard library: on Linux a child's peak memory starts at that
of the process that started it (``own_peak_bytes``), so a parent that had loaded NumPy would lift every small figure.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RELATIVE_TOLERANCE = 1e-9
ANSWER_BYTES = 1 << 16  # of what is printed, an answer or not: all of a million groups would lift every peak after it
MAX_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class RaceError(Exception):
    """The race has no valid result: a contestant failed, or the answers differ."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command to run, and where its answer comes from.

    The answer is the number that the command prints; or, where ``answer_command`` is given, the number that this second
    command prints after the warm-up, untimed. With ``has_answer`` false nothing is compared. A contestant may take at
    most ``most`` times as long as the quickest of those that it is ``held_to``, or else as the first one.
    """

    name: str
    command: tuple[str, ...]
    has_answer: bool = True
    answer_command: tuple[str, ...] = ()
    most: float = math.inf
    held_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """What a process may take, its start included."""

    seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"within {self.seconds:g} s and {self.megabytes:g} MB"


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: its wall time, its CPU time, its peak resident memory, and what it printed."""

    elapsed_seconds: float
    cpu_seconds: float
    peak_bytes: int
    stdout: str

    def seconds(self, by_cpu: bool) -> float:
        """The CPU time, or the wall time."""
        return self.cpu_seconds if by_cpu else self.elapsed_seconds


@dataclass(frozen=True, slots=True)
class Result:
    """A contestant's timed runs, one a round, and its answer (NaN where it has none)."""

    contestant: Contestant
    warm_up: Run
    runs: tuple[Run, ...]
    answer: float

    @property
    def median_seconds(self) -> float:
        """The median wall time of a run."""
        return median(run.elapsed_seconds for run in self.runs)

    @property
    def median_cpu_seconds(self) -> float:
        """The median CPU time of a run, of all its threads."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """The largest resident memory that any run reached, with its children where it has some."""
        return max(run.peak_bytes for run in (self.warm_up, *self.runs))


@dataclass(frozen=True, slots=True)
class Race:
    """The results of all contestants on one file; the first is the reference that the others are compared with.

    Where there is a bar, the first must stay below it.
    """

    scene: str
    label: str
    rows: int
    results: tuple[Result, ...]
    bar: Bar | None = None


def run_process(command: Sequence[str], *, watched: bool = False) -> Run:
    """Run ``command`` to its end and return what it took; ``RaceError`` when it does not exit with 0.

    The kernel counts the memory of one process: that of all together is looked up now and then in a ``watched`` one,
    which takes a little longer.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        except OSError as error:
            raise RaceError(f"cannot start {command[0]}: {error.strerror}") from error
        sampled, ended = [0], threading.Event()
        watch = threading.Thread(target=_sample, args=(process.pid, ended, sampled))
        if watched:
            watch.start()
        # wait4, because resource.getrusage(RUSAGE_CHILDREN) is the maximum over every child so far.
        _, status, usage = os.wait4(process.pid, 0)
        elapsed_seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if watched:
            ended.set()
            watch.join()
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode != 0:
            last_lines = stderr.read().decode(errors="replace").strip().splitlines()[-5:]
            raise RaceError("\n".join([f"exit code {process.returncode}: {' '.join(command)}", *last_lines]))
        return Run(
            elapsed_seconds=elapsed_seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_bytes=max(usage.ru_maxrss * MAX_RSS_UNIT_BYTES, *sampled),
            stdout=stdout.read(ANSWER_BYTES).decode(errors="replace"),
        )


def _sample(process: int, ended: threading.Event, sampled: list[int]) -> None:
    """Append what a process and its children hold together, while it has children; what they share counts once."""
    while not ended.wait(0.005):
        with contextlib.suppress(OSError):  # they end as they are looked at
            tasks = Path(f"/proc/{process}/task").iterdir()
            children = [child for task in tasks for child in (task / "children").read_text("ascii").split()]
            if children:
                sampled.append(sum(map(_share_bytes, (str(process), *children))))


def _share_bytes(process: str) -> int:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text("ascii")
    return next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))


def race(
    scene: str, label: str, rows: int, contestants: Sequence[Contestant], rounds: int, bar: Bar | None = None
) -> Race:
    """Warm every contestant up once, then run them all in turn, ``rounds`` times; ``RaceError`` when answers differ."""
    warm_ups = [run_process(contestant.command, watched=True) for contestant in contestants]
    answers = list(map(_answer, contestants, warm_ups))
    _check_answers(label, contestants, answers)
    runs: list[list[Run]] = [[] for _ in contestants]
    for _ in range(rounds):
        for contestant, own_runs in zip(contestants, runs, strict=True):
            run = run_process(contestant.command)
            if contestant.has_answer and not contestant.answer_command:
                _check_answers(label, [contestants[0], contestant], [answers[0], _number(contestant, run.stdout)])
            own_runs.append(run)
    results = [Result(*fields) for fields in zip(contestants, warm_ups, map(tuple, runs), answers, strict=True)]
    return Race(scene, label, rows, tuple(results), bar)


def missed_bars(races: Iterable[Race], *, by_cpu: bool) -> list[str]:
    """What is above its bar: the median time of the runs, wall or CPU, or the peak memory of one."""
    missed = []
    for one in races:
        first = one.results[0]
        for result in one.results:
            held_to = result.contestant.held_to or (first.contestant.name,)
            others = [other for other in one.results if other.contestant.name in held_to]  # some may not be installed
            ratio = _ratio(result, others, by_cpu=by_cpu) if others else 0.0
            if ratio > result.contestant.most:
                name, most = result.contestant.name, result.contestant.most
                missed.append(f"  {one.label}: {name} took {ratio:.2f} times {' or '.join(held_to)}, not {most:g}")
        if one.bar is None:
            continue
        seconds = first.median_cpu_seconds if by_cpu else first.median_seconds
        if seconds > one.bar.seconds or first.peak_bytes > one.bar.megabytes * 1e6:
            missed.append(f"  {one.label}; it took {seconds:.1f} s and {first.peak_bytes / 1e6:.0f} MB")
    return missed


def _ratio(result: Result, others: Iterable[Result], *, by_cpu: bool) -> float:
    """The time of one over that of the quickest of others, round by round; the median."""
    quickest = min(others, key=lambda other: median(run.seconds(by_cpu) for run in other.runs))
    pairs = zip(result.runs, quickest.runs, strict=True)
    return median(own.seconds(by_cpu) / other.seconds(by_cpu) for own, other in pairs)


def paired_ratios(reference: Result, other: Result) -> list[float]:
    """The reference's time divided by the other's, round by round, so that a drift of the machine cancels."""
    pairs = zip(reference.runs, other.runs, strict=True)
    return [mine.elapsed_seconds / theirs.elapsed_seconds for mine, theirs in pairs]


def own_peak_bytes() -> int:
    """The peak memory of this very process: a child's smaller peak is hidden by it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAX_RSS_UNIT_BYTES


def warm_page_cache(path: Path) -> None:
    """Read the file once, so that no contestant waits for the disk."""
    buffer = bytearray(1024 * 1024)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _answer(contestant: Contestant, warm_up: Run) -> float:
    if not contestant.has_answer:
        return math.nan
    if contestant.answer_command:
        return _number(contestant, run_process(contestant.answer_command).stdout)
    return _number(contestant, warm_up.stdout)


def _number(contestant: Contestant, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RaceError(f"{contestant.name} printed no bare number: {text[:200]!r}") from error


def _check_answers(label: str, contestants: Iterable[Contestant], answers: Iterable[float]) -> None:
    given = {c.name: answer for c, answer in zip(contestants, answers, strict=True) if c.has_answer}
    if not given:
        return
    # The spread of them all, not each against the first: 1e-9 then bounds every pair. NaN agrees with nothing.
    low, high = min(given.values()), max(given.values())
    finite = all(map(math.isfinite, given.values()))
    if not (finite and math.isclose(low, high, rel_tol=RELATIVE_TOLERANCE)):
        listing = "\n".join(f"  {name}: {answer!r}" for name, answer in given.items())
        raise RaceError(f"the answers differ on {label}:\n{listing}")
