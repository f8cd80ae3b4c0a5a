"""Every command on real clusters: the bytes of stdout, stderr and files are those that one job of this machine prints.

Run from the root of the repository, with what the engines need installed:

    python -m tests.clusters --engines dask                # a scheduler and two workers, each a process of its own
    python -m tests.clusters --engines dask,ray,spark --rows 4000000 --faults

With so many rows, the large files are cut into spans. `--faults` kills and stops the processes of Dask while it works.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECES = 4
START_SECONDS = 30
FAULT_SECONDS = 30  # within which a fault has its end
LINES = [
    "compute plain.csv --margin 0.5 -f csv",
    "compute parts/*.parquet parts/*.csv --group-by g --confidence 0.9 -f csv",
    "compute quoted.csv lines.jsonl plain.csv -f csv --by-file",
    "compute bad.csv",
    "compute bad.csv --on-error skip --rejects out.csv",
    "compute bad.csv --on-error skip --reduction none -o out.csv",
    "compute parts/*.parquet --reduction none -o out.parquet",
    "compute parts/*.parquet quoted.csv plain.csv --reduction none --margin 0.5 -f csv -o out.parts/",
    "compute plain.csv --loss logistic -f csv",
    "sweep plain.csv --margins 0:1:0.125",
    "compare plain.csv --x1-b u --x2-b v --group-by g -f csv",
    "validate plain.csv parts/*.parquet",
    "rank lists.csv -f csv",
    "rank lists.csv --per-query -o out.csv",
]


def make_files(rows: int) -> None:
    """Write the inputs into the working directory."""
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {name: random.normal(size=rows) for name in ("x1", "x2", "u", "v")}
    columns |= {"y": random.choice([1, -1], rows), "g": random.choice(["a", "b", "c"], rows)}
    table = pa.table(columns)
    unquoted = pa.csv.WriteOptions(quoting_style="none", quoting_header="none")
    pa.csv.write_csv(table, "plain.csv", unquoted)
    Path("parts").mkdir()
    for piece in range(PIECES):
        part = table.slice(piece * rows // PIECES, rows // PIECES)
        pq.write_table(part, f"parts/{piece}.parquet", row_group_size=max(1, rows // 20))
        pa.csv.write_csv(part.slice(0, 500), f"parts/{piece}.csv", unquoted)
    lines = Path("plain.csv").read_text().splitlines(keepends=True)
    bad, quoted = lines.copy(), lines.copy()
    for place in (rows // 3, rows // 2, rows - 1):
        bad[place] = "oops" + bad[place]
        quoted[place] = quoted[place].replace(",a\n", ',"a\nb"\n').replace(",b\n", ',"b"\n').replace(",c\n", ',"c\n"\n')
    Path("bad.csv").write_text("".join(bad))
    Path("quoted.csv").write_text("".join(quoted))
    some = table.slice(0, 2000).to_pylist()
    Path("lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    lists = {"query": np.arange(rows) // 9, "label": random.integers(0, 4, rows), "score": columns["x1"]}
    pa.csv.write_csv(pa.table(lists), "lists.csv", unquoted)


def command_of(line: str, *more: str) -> list[str]:
    """Return the command of a line, globs expanded as a shell does."""
    words = [*line.split(), *more]
    places = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
    return [sys.executable, "-m", "mrl_cli", *(word for some in places for word in some)]


def run(line: str, *more: str) -> tuple[int, bytes, bytes, bytes]:
    """Return what a command line exits with, prints, and writes."""
    out = Path(line.rsplit(maxsplit=1)[-1])
    writes = out.name.startswith("out.")
    if writes:
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    ran = subprocess.run(command_of(line, *more), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    files = sorted(out.iterdir()) if out.is_dir() else [out] if writes and out.exists() else []
    written = b"".join(name.encode() + data for name, data in ((file.name, file.read_bytes()) for file in files))
    return ran.returncode, ran.stdout, ran.stderr, written


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class DaskProcesses:
    """A scheduler and its workers, as a user starts them."""

    def __init__(self, workers: int = 2, python: str = sys.executable) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rsplit(":", maxsplit=1)[1]
        self.scheduler = self._start(sys.executable, "scheduler", "--host", "127.0.0.1", "--port", port)
        self.workers = [
            self._start(python, "worker", self.address, "--nthreads", "1", "--host", "127.0.0.1", "--no-nanny")
            for _ in range(workers)
        ]
        self._wait(workers)

    @staticmethod
    def _start(python: str, *words: str) -> subprocess.Popen[bytes]:
        command = [python, "-m", "distributed.cli.dask_" + words[0], *words[1:], "--no-dashboard"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait(self, workers: int) -> None:
        from distributed import Client

        connected: Any = Client
        with connected(self.address, timeout=START_SECONDS, set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers, timeout=START_SECONDS)

    def close(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster(engine: str) -> Iterator[list[str]]:
    """Yield the options of an engine, with its cluster where that has to be started."""
    if engine != "dask":
        yield ["--jobs", "2"] if engine == "2 jobs" else ["--engine", engine, "--jobs", "2"]
        return
    processes = DaskProcesses()
    try:
        yield ["--engine", "dask", "--scheduler", processes.address]
    finally:
        processes.close()


def compare(engines: list[str]) -> int:
    """Run every line here and on each engine; return how many differ."""
    wrong = 0
    expected = {line: run(line, "--jobs", "1") for line in LINES}
    assert all(code in (0, 3) for code, *_ in expected.values()), [(line, of[::2]) for line, of in expected.items()]
    for name in ("2 jobs", *engines):
        with cluster(name) as given:
            for line in LINES:
                started = time.monotonic()
                found = run(line, *given)
                seconds = time.monotonic() - started
                same = found == expected[line]
                wrong += not same
                print(f"{'same' if same else 'DIFFERS'} {name:7} {seconds:6.1f} s  mrl {line}", flush=True)
                if not same:
                    print(found[0], found[1][-300:], found[2][-600:], sep="\n")
    return wrong


# What is asked where an engine's cluster does not answer, or cannot be started.
NOBODY = {
    "dask": ("tcp://127.0.0.1:{}", "is `dask scheduler` running there"),
    "ray": ("127.0.0.1:{}", "is `ray start --head` running there"),
    "spark": ("spark://127.0.0.1:{}", "is the master running there"),
}


def unanswered(engines: list[str]) -> int:
    """Name a place where nothing listens, and no Java; return how many runs end otherwise than with the hint."""
    wrong = 0
    for engine in engines:
        address, hint = NOBODY[engine]
        trials = [(["--scheduler", address.format(free_port())], hint, "")]
        trials += [([], "is there a Java, of 17 or later", "/nowhere")] if engine == "spark" else []
        for options, expected, java in trials:
            if java:
                os.environ["JAVA_HOME"] = java
            started = time.monotonic()
            code, out, err, _ = run("compute plain.csv", "--engine", engine, *options)
            os.environ.pop("JAVA_HOME", None)
            is_right = (code, out) == (4, b"") and expected.encode() in err and err.count(b"\n") == 2
            wrong += not is_right
            seconds = time.monotonic() - started
            print(
                f"{'right' if is_right else 'WRONG'} {engine} {options}: {seconds:.0f} s {err.decode()[-300:].strip()}"
            )
    return wrong


FAULTS = ("a worker killed", "all workers killed", "scheduler killed", "scheduler stopped", "no worker")


def faults() -> int:
    """Make each fault while a run goes on; return how many had another end than they should."""
    line = "compute plain.csv parts/*.parquet plain.csv bad.csv plain.csv --on-error skip -f csv"
    expected, wrong = run(line, "--jobs", "1"), 0
    for fault in FAULTS:
        processes = DaskProcesses(workers=0 if fault == "no worker" else 2)
        command = command_of(line, "--engine", "dask", "--scheduler", processes.address)
        started = time.monotonic()
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if not fault.startswith("no"):
            time.sleep(3)
            for victim in {"a": processes.workers[:1], "all": processes.workers}.get(
                fault.split()[0], [processes.scheduler]
            ):
                os.kill(victim.pid, signal.SIGSTOP if fault.endswith("stopped") else signal.SIGKILL)
        try:
            out, err = running.communicate(timeout=3 * FAULT_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            out, err = running.communicate()
        seconds = time.monotonic() - started
        processes.close()
        is_whole = (running.returncode, out) == expected[:2]
        is_told = running.returncode == 4 and out == b"" and err.count(b"\n") <= 2
        is_right = (is_whole if fault == "a worker killed" else is_whole or is_told) and seconds < FAULT_SECONDS + 10
        wrong += not is_right
        told = "the same bytes" if is_whole else f"exit {running.returncode}: {err.decode()[-300:].strip()}"
        print(f"{'right' if is_right else 'WRONG'} {fault}: after {seconds:.0f} s {told}", flush=True)
    return wrong


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="dask", help="of dask,ray,spark (default dask)")
    parser.add_argument("--rows", type=int, default=20_000, help="of the large files (default 20,000)")
    parser.add_argument("--faults", action="store_true", help="make faults of Dask too")
    given = parser.parse_args()
    folder, root = tempfile.mkdtemp(), Path(__file__).parent.parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    os.chdir(folder)
    try:
        make_files(given.rows)
        engines = [name for name in given.engines.split(",") if name]
        wrong = compare(engines) + unanswered(engines)
        wrong += faults() if given.faults else 0
    finally:
        os.chdir(root)
        shutil.rmtree(folder)
    print(f"{wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
