"""Damaged files of every format and odd lines of options: the numbers of an independent reader, or a true message.

    python -m tests.fuzz --seconds 120
    python -m tests.fuzz --cases 1000000 --all --record fuzz.json
    python -m tests.fuzz --seed 7 --kinds csv jsonl

Each case runs in a process that many share, most without the command line around them: a fault of memory, two seconds
of computing, a traceback, exit code 70, another number than the slow reader's, a place in a message that is not wrong,
or two ways of reading that differ are findings. Of each, the seed is printed, and a file from which much was taken away
that it does not need.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import pickle
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from mrl_cli.words import harmless
from tests import slow_reader
from tests.fuzz_files import MAKERS, Case, case_of
from tests.schemas import errors_in_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CASES = 12_000  # of one process
WHOLE = 40  # every so many cases of pairs are a whole command, from its line to what it prints
CPU_SECONDS = 2.0  # of this process; not of the kernel, for the gigabytes that a page of Parquet claims to need
MEMORY_BYTES = 16 << 30
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where the files of cases are
MOST_TRIES = 400  # to make the file of a finding smaller
TIMES = {"csv": 8, "tsv": 4, "jsonl": 8, "json": 4, "compressed": 3, "parquet": 3, "arrow": 3}  # as often as others
BY_WORDS = ("options", "config")  # kinds of which each case is a whole command
LINE = re.compile(r"(?<= )(?:line|row) (\d+)(?=: )")
CODES = {0, 1, 2, 3}


COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        shown = [line.strip() for line in self.out.splitlines() if '"sum"' in line or '"pairs"' in line]
        return f"{self.code} {' '.join(shown)} {self.err}"


class Run:
    """Runs `mrl` in this process, in a folder of its own, with what it prints in files."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115
        self._usual = [os.dup(number) for number in range(3)]
        self.is_quick = False

    def __call__(self, line: tuple[str, ...], stdin: bytes | None = None) -> Ran:
        """Run a line: quickly where that is allowed, else as a whole."""
        if self.is_quick and stdin is None:
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
            try:
                return computed(line)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return self._whole(line, stdin or b"")

    def _whole(self, line: tuple[str, ...], stdin: bytes) -> Ran:
        from mrl_cli.cli import main

        sent, *printed = self._files
        for file in self._files:
            file.seek(0)
            file.truncate()
        sent.write(stdin)
        sent.seek(0)
        for number, file in enumerate(self._files):
            os.dup2(file.fileno(), number)
        code = 0
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        try:
            main(list(line))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            sys.stdout.flush()
            sys.stderr.flush()
            for number, usual in enumerate(self._usual):
                os.dup2(usual, number)
        texts = []
        for file in printed:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
        return Ran(code, texts[0], errors_in_text(texts[1]))


@lru_cache(maxsize=64)
def _parsed(name: str, words: tuple[str, ...]) -> tuple[type[Any], Any]:
    """Return the class of a command and the context of words after its name, which are parsed once for all files."""
    from mrl_cli.commands import compute, rank

    command, kind = {"compute": (compute.command, compute.Compute), "rank": (rank.command, rank.Rank)}[name]
    return kind, command.make_context(name, ["p.csv", *words])


def _opened(name: str, words: tuple[str, ...]) -> Any:
    """Return a run of a command with these words after its name."""
    from mrl_cli.engines.local import local

    kind, context = _parsed(name, words)
    with context.scope(cleanup=False):
        run = kind(**context.params)
    run._engine = lambda sources, job: local(sources, job, 1)
    return run


_opened_once = lru_cache(maxsize=64)(_opened)


def computed(line: tuple[str, ...]) -> Ran:
    """Return what a command comes to on a file, by what it folds and refuses, without parsing options or rendering."""
    from mrl_cli.errors import MrlError, with_hint

    command, name, *words = line
    # The plan of pairs is that of the words; ranked lists complete theirs from what lies beside.
    run = (_opened_once if command == "compute" else _opened)(command, tuple(words))
    run.inputs, run.sides = (name,), []
    try:
        figures = _figures_of_pairs(run) if command == "compute" else _figures_of_lists(run)
    except MrlError as error:
        return Ran(error.exit_code, "", f"error: {with_hint(error.message, error.hint)}\n")
    except Exception:  # noqa: BLE001 (each is a finding)
        return Ran(70, "", traceback.format_exc())
    finally:
        for source in run.sources:
            source.close()
    return Ran(0, json.dumps(figures), "")


def _figures_of_pairs(run: Any) -> dict[str, Any]:
    from mrl_cli.reductions.totals import TotalsReduction

    run.sides = run.resolved()
    counts, (_, totals), _ = run.measured(TotalsReduction())
    total = float(totals.loss_sum or 0.0)
    return {"pairs": counts.pairs, "rejected": counts.rejected, "sum": total, "min": totals.min, "max": totals.max}


def _figures_of_lists(run: Any) -> dict[str, Any]:
    run.sides = run.resolved()
    run.settle()
    run.plan = run.plan.changed(describes=False)
    report = run.report()
    return {name: getattr(report, name) for name in ("queries", "pairs", "rejected", "value", "notes")}


@contextmanager
def _with(module: Any, **stands_in: Any) -> Iterator[None]:
    """Put other things in the place of those of a module; a tenth of the time that `mock.patch` takes."""
    usual = {name: getattr(module, name) for name in stands_in}
    vars(module).update(stands_in)
    try:
        yield
    finally:
        vars(module).update(usual)


def _by_pyarrow() -> Any:
    from mrl_cli import native

    return _with(native, fields=lambda *_: None)


@contextmanager
def _carefully() -> Iterator[None]:
    from mrl_cli.errors import SuspectShardError
    from mrl_cli.inputs import delimited, jsontext
    from mrl_cli.inputs.text import TextPart

    documents = jsontext.batches

    def of_delimited(shard: Any, plan: Any) -> Any:
        delimited.check_range(shard.part.read(shard.source), shard.part)
        raise SuspectShardError

    def of_json(shard: Any, plan: Any) -> Any:
        if isinstance(shard.part, TextPart):
            raise SuspectShardError
        return documents(shard, plan)

    with _with(delimited, batches=of_delimited), _with(jsontext, batches=of_json):
        yield


def _in_small_blocks() -> Any:
    from mrl_cli.inputs import text

    return _with(text, BLOCK_BYTES=random.choice([1, 16, 50, 100]))


WAYS: dict[str, Callable[[], Any]] = {"pyarrow": _by_pyarrow, "careful": _carefully, "blocks": _in_small_blocks}


def finding(case: Case, run: Run) -> str | None:
    """Return what is wrong with what comes out of a case, None for nothing."""
    for name, data in {case.name: case.data, **case.beside}.items():
        with open(name, "wb") as file:
            file.write(data)
    if case.kind in BY_WORDS:
        return _of_words(case, run)
    line = (*case.line, "--format", "json", "--quiet", "--jobs", "1")
    usual = run(line)
    return _badly_ended(usual) or _differing(case, line, usual, run) or _otherwise_than_known(case, usual)


def _of_words(case: Case, run: Run) -> str | None:
    """Return what is wrong with what comes of options, or of settings in a file or the environment."""
    with mock.patch.dict(os.environ, case.variables):
        ran = run(case.line)
    if case.kind == "config":
        for name in case.beside:
            os.unlink(name)
    plain = ran._replace(err=COLORS.sub("", ran.err))  # where --color asked for them
    if ran.code == 3:  # rows before the bad one may have been printed
        plain = plain._replace(out="")
    if wrong := _badly_ended(plain):
        return wrong
    if case.kind == "options":
        return None
    same = run(case.same_as) if case.is_intact else ran
    # What has no effect is refused in a line, and passed over where it is a default; `check` prints a line's options.
    parts = 1 if case.line[0] == "check" else 2
    if same[:parts] != ran[:parts] and same.code != 2:
        return f"{ran}\nelse, by {' '.join(map(repr, case.same_as))}: {same}"
    is_blamed = any(harmless(place, 200) in plain.err for place in (*case.beside, *case.variables))
    return None if is_blamed or "TOML" not in plain.err else f"not said to be of a file: {ran.err}"


def _badly_ended(ran: Ran) -> str | None:
    if ran.code not in CODES:
        return f"exit code {ran.code}: {ran.err}"
    if "Traceback" in ran.err or "Warning" in ran.err:
        return f"not a message: {ran.err}"
    if ran.code in (2, 3) and not (ran.out == "" and ("rror: " in ran.err or "no pairs" in ran.err)):
        return f"exit code {ran.code} without one clear message: {ran}"
    if any(not (character.isprintable() or character == "\n") for character in ran.err):
        return f"a message with control characters: {ran.err!r}"
    return None


def _differing(case: Case, line: tuple[str, ...], usual: Ran, run: Run) -> str | None:
    """Return how another way of reading differs, which one is by chance."""
    if case.name.endswith((".parquet", ".arrow", ".arrows")):
        return None
    name = random.choice([*WAYS, *([] if run.is_quick else ["stdin"])])
    if name == "stdin":
        if case.kind in ("trec", "letor", "compressed", "tsv"):  # which a suffix tells from other text
            return None
        with suppress(ValueError):
            return _stdin_differs(case, line, usual, run)
    with WAYS[name]():
        other = run(line)
    if case.kind == "compressed" and usual.code == other.code == 3:  # of two things that are wrong, either is named
        return None
    return None if other == usual else f"by {name}: {other}\nelse {usual}"


def _stdin_differs(case: Case, line: tuple[str, ...], usual: Ran, run: Run) -> str | None:
    other = run(tuple("-" if word == case.name else word for word in line), case.data)
    if wrong := _badly_ended(other):
        return f"from stdin: {wrong}"
    # Without a suffix the format is by the first bytes, so that only numbers are held against one another.
    if usual.code == other.code == 0 and _figures(usual) != _figures(other):
        return f"from stdin {other}\nelse {usual}"
    return None


def _figures(ran: Ran) -> tuple[Any, ...]:
    result = json.loads(ran.out, parse_constant=float)
    return tuple(result[key] for key in ("pairs", "rejected", "sum", "min", "max"))


def _otherwise_than_known(case: Case, ran: Ran) -> str | None:
    """Return how a result differs from that of the slow reader, or of the library that wrote the file."""
    if case.line[0] != "compute":
        return None
    try:
        held = known(case)
    except slow_reader.NoOpinionError:
        return None
    if held is None:
        return None if ran.code in (2, 3) else f"read, though it is corrupt: {ran}"
    skips = "skip" in case.line
    if ran.code == 0:
        losses = held.losses
        overflows = any(map(math.isinf, losses))
        total = math.inf if overflows else math.fsum(losses)
        expected = (len(held.pairs), len(held.bad), total, min(losses, default=0), max(losses, default=0))
        if held.bad and not skips:
            return f"read, though {held.bad} are bad: {ran}"
        return None if _figures(ran) == expected else f"{_figures(ran)}, where {expected} is right"
    if case.kind in ("parquet", "arrow"):  # more is refused there
        return None
    if not (held.bad if held.pairs or not skips else True):
        return f"refused: {ran.err}" if held.pairs else None
    if skips and held.pairs:
        return f"refused, though bad rows are left out: {ran.err}"
    places = {int(place) for place in LINE.findall(ran.err)}
    return f"places {places - {*held.bad}} are not wrong: {ran.err}" if places - {*held.bad} else None


def known(case: Case) -> slow_reader.Held | None:
    """Return what a case's file holds, None for one that nothing can read. Raises NoOpinionError."""
    if case.kind in ("parquet", "arrow"):
        return _columns_of_library(case)
    data: bytes | None = case.data
    name = case.name
    if case.kind == "compressed":
        name, _, suffix = case.name.rpartition(".")
        data = _decompressed(case.data, suffix)
        if data is None:
            return None
    assert data is not None
    if (
        data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0", b"ARROW1", b"PAR1", b"\xff\xff\xff\xff"))
        or b"\0" in data[:64]
    ):
        raise slow_reader.NoOpinionError
    if name.endswith(".jsonl"):
        return slow_reader.json_lines(data)
    if name.endswith(".json"):
        raise slow_reader.NoOpinionError
    delimiter = case.line[case.line.index("-d") + 1] if "-d" in case.line else None
    return slow_reader.delimited(data, "\t" if name.endswith(".tsv") else delimiter)


def _decompressed(data: bytes, suffix: str) -> bytes | None:
    """Return what is compressed, None where some of it cannot be read."""
    import bz2
    import gzip
    import lzma

    import pyarrow as pa

    parts: list[bytes] = []
    left = data
    try:
        if suffix == "gz":
            return gzip.decompress(data) if data else None
        if suffix == "zst":
            return bytes(pa.input_stream(io.BytesIO(data), compression="zstd").read()) if data else None
        while left or not parts:
            member: Any = bz2.BZ2Decompressor() if suffix == "bz2" else lzma.LZMADecompressor()
            parts.append(member.decompress(left))
            if not member.eof:
                return None
            left = member.unused_data.lstrip(b"\0")
    except Exception:  # noqa: BLE001 (whatever they raise for damage)
        return None
    return b"".join(parts)


def _columns_of_library(case: Case) -> slow_reader.Held | None:
    """Return what pyarrow reads from a whole file at once; no opinion where it does not read it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    print("library", flush=True)  # which may crash too
    try:
        if case.kind == "parquet":
            table = pq.read_table(io.BytesIO(case.data), use_threads=False)
        else:
            is_file = case.data.startswith(b"ARROW1")
            table = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(case.data).read_all()
        table.validate(full=True)
        columns = [table.column(name).to_pylist() for name in slow_reader.COLUMNS]
    except Exception as error:
        raise slow_reader.NoOpinionError from error
    held = slow_reader.Held()
    for row, cells in enumerate(zip(*columns, strict=True), 1):
        texts = [
            str(cell) if isinstance(cell, int | str) or hasattr(cell, "as_tuple") else _repr(cell) for cell in cells
        ]
        held.take(row, texts)
    return held


def _repr(cell: Any) -> str:
    return repr(float(cell)) if isinstance(cell, float) or hasattr(cell, "dtype") else ""


def smaller(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a case that fails still, of which nothing more can be taken away in halves, quarters and so on."""
    tries, size = 0, max(1, len(case.data) // 2)
    while size and tries < MOST_TRIES:
        start, was_taken = 0, False
        while start < len(case.data) and tries < MOST_TRIES:
            less = replace(case, data=case.data[:start] + case.data[start + size :])
            tries += 1
            if fails(less):
                case, was_taken = less, True
            else:
                start += size
        size = size if was_taken and size > 1 else size // 2
    return case


def work(seeds: list[int], kinds: list[str]) -> int:
    """Run a case for each seed, saying first which, and at last what each kind took; 1 at a finding."""
    run = _prepared(folder := tempfile.TemporaryDirectory(dir=MEMORY))
    spent: dict[str, tuple[int, float]] = {}
    with folder:
        for seed in seeds:
            print(f"seed {seed}", flush=True)
            start = time.process_time()
            case = case_of(random.Random(seed), kinds[seed % len(kinds)])
            run.is_quick = case.kind not in BY_WORDS and seed // len(kinds) % WHOLE > 0

            def found(case: Case, seed: int = seed) -> str | None:
                random.seed(seed)
                return finding(case, run)

            wrong = found(case)
            cases, seconds = spent.get(case.kind, (0, 0.0))
            spent[case.kind] = cases + 1, seconds + time.process_time() - start
            if wrong:
                print(f"spent {json.dumps(spent)}")
                least = smaller(case, lambda case: found(case) is not None)
                print(
                    f"finding {case.kind} {' '.join(map(repr, case.line))}\n{least.data!r}\n{found(least)}", flush=True
                )
                return 1
        os.chdir("/")
    print(f"spent {json.dumps(spent)}")
    return 0


def _prepared(folder: tempfile.TemporaryDirectory[str]) -> Run:
    """Return what runs cases in a process that is made ready for batches once, not before each."""
    from mrl_cli import runtime

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("error")
    runtime.prepare_for_batches()
    runtime.prepare_for_batches = lambda: None
    return Run(folder.name)


def one(path: str) -> int:
    """Run one case from a file, for one that ends the process."""
    case: Case = pickle.loads(Path(path).read_bytes())
    run = _prepared(folder := tempfile.TemporaryDirectory(dir=MEMORY))
    with folder:
        return int(finding(case, run) is not None)


def _crashes(case: Case) -> bool:
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps(case))
        file.flush()
        call = [sys.executable, "-m", "tests.fuzz", "--case", file.name]
        return subprocess.run(call, check=False, capture_output=True).returncode < 0


class Tally:
    """The cases of each kind, what was found, and the CPU seconds they took, in this program and its record."""

    def __init__(self, first: int, kinds: list[str], record: str | None) -> None:
        self.first, self.kinds, self.done = first, kinds, 0
        self.findings: list[tuple[int, str]] = []
        self._spent = dict.fromkeys(kinds, (0, 0.0))
        self._record = record

    def add(self, said: list[str], last: int) -> None:
        """Add what a process said, whose last seed is this."""
        self.done = last + 1 - self.first
        of_kinds = [json.loads(line.removeprefix("spent ")) for line in said if line.startswith("spent ")]
        for kind, (cases, seconds) in (pair for one in of_kinds for pair in one.items()):
            known = self._spent[kind]
            self._spent[kind] = known[0] + cases, known[1] + seconds
        if self._record is not None:
            Path(self._record).write_text(json.dumps(self._as_record(), indent=1) + "\n", "utf-8")

    def _rows(self) -> list[tuple[str, int, int, float]]:
        """Return kind, cases, findings and cases per CPU second; those of a process that crashed took unknown time."""
        whole, rest = divmod(self.done, len(self.kinds))
        cases = Counter(self.kinds[(self.first + place) % len(self.kinds)] for place in range(rest))
        found = Counter(kind for _, kind in self.findings)
        rows = []
        for kind, times in Counter(self.kinds).items():
            timed, seconds = self._spent[kind]
            rows.append((kind, times * whole + cases[kind], found[kind], timed / seconds if seconds else 0.0))
        return rows

    def lines(self) -> list[str]:
        """Return a table of the kinds."""
        rows = [f"{kind:12}{cases:>12,}{found:>10,}{rate:>20,.0f}" for kind, cases, found, rate in self._rows()]
        timed, seconds = map(sum, zip(*self._spent.values(), strict=True))
        rows.append(f"{'all':12}{self.done:>12,}{len(self.findings):>10,}{timed / seconds if seconds else 0.0:>20,.0f}")
        return [f"{'kind':12}{'cases':>12}{'findings':>10}{'cases/CPU second':>20}", *rows]

    def _as_record(self) -> dict[str, Any]:
        names = ("mrl-cli", "click", "numpy", "pandas", "pyarrow", "rich")
        packages = {name: _version_of(name) for name in names} | {"python": sys.version.split()[0]}
        keys = ("kind", "cases", "findings", "cases_per_cpu_second")
        return {
            "first_seed": self.first,
            "cases": self.done,
            "cpu_seconds": round(sum(seconds for _, seconds in self._spent.values()), 1),
            "findings": [{"seed": seed, "kind": kind} for seed, kind in self.findings],
            "kinds": [dict(zip(keys, (*row[:3], round(row[3])), strict=True)) for row in self._rows()],
            "order_of_kinds": self.kinds,
            "versions": packages,
        }


def _version_of(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if package == "mrl-cli":
        from mrl_cli import __version__

        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def fuzz(tally: Tally, seconds: float, most: int, *, goes_on: bool) -> None:
    """Run cases until the time is over, or there were `most`."""
    end, first, kinds = time.monotonic() + seconds, tally.first, tally.kinds
    print(f"seed {first}", flush=True)
    while time.monotonic() < end and tally.done < most and (goes_on or not tally.findings):
        start, count = first + tally.done, min(CASES, most - tally.done)
        call = [sys.executable, "-m", "tests.fuzz", "--work", str(start), str(count), "--kinds", *kinds]
        process = subprocess.run(call, check=False, capture_output=True, text=True, errors="replace")
        said = process.stdout.splitlines()
        at = [int(line.split()[1]) for line in said if line.startswith("seed ")]
        last = at[-1] if at else start
        is_of_library = process.returncode < 0 and said[-1:] == ["library"]  # where pyarrow crashed by itself
        if process.returncode and not is_of_library:
            tally.findings.append((last, kinds[last % len(kinds)]))
            _print_finding(last, kinds, process)
        tally.add(said, last)
        if tally.findings and tally.findings[-1][0] == last:
            print(f"{tally.done:,} cases", flush=True)


def _print_finding(seed: int, kinds: list[str], process: subprocess.CompletedProcess[str]) -> None:
    """Print what was found, of a crash with the file made smaller."""
    if process.returncode > 0:
        text = process.stdout.partition("finding ")[2] or process.stderr[-3000:]
        print(f"seed {seed} {text}", flush=True)
        return
    case = case_of(random.Random(seed), kinds[seed % len(kinds)])
    print(f"seed {seed} {case.kind}: {signal.Signals(-process.returncode).name}, by {case.line}\n{case.data!r}")
    if process.returncode != -signal.SIGVTALRM:
        print(f"smaller: {smaller(case, _crashes).data!r}", flush=True)


def main() -> int:
    """Run the program; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Fuzz what mrl reads.")
    parser.add_argument("--seconds", type=float, help="default: 120, or as long as --cases takes")
    parser.add_argument("--cases", type=int, help="end after so many")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    usual = [kind for kind in MAKERS for _ in range(TIMES.get(kind, 1))]
    parser.add_argument("--kinds", nargs="+", choices=list(MAKERS), default=usual)
    parser.add_argument("--all", action="store_true", help="go on after a finding")
    parser.add_argument("--record", help="write seeds, versions and counts into this file, after every process")
    parser.add_argument("--work", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return one(options.case)
    if options.work:
        start, count = options.work
        return work([start + place for place in range(count)], options.kinds)
    seed = random.SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    seconds = options.seconds or (math.inf if options.cases else 120)
    tally = Tally(seed, options.kinds, options.record)
    fuzz(tally, seconds, options.cases or sys.maxsize, goes_on=options.all)
    print("\n".join(tally.lines()))
    return int(bool(tally.findings))


if __name__ == "__main__":
    sys.exit(main())
