"""Load: many runs in a row leave nothing behind, many at once come to the same bytes, a long one keeps its memory flat.

    python -m tests.load
    python -m tests.load --runs 1000 --rows 1000000000 --seconds 3600 --table load.md

The long run reads one block of rows over and over through a FIFO: as many rows as are asked for, and on until the
seconds are over. Its memory is noted on the way.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from hashlib import md5
from itertools import count
from pathlib import Path

MRL = (sys.executable, "-m", "mrl_cli")
AT_ONCE = 8
BLOCK_ROWS = 100_000
MOST_GROWTH = 1.1  # of memory, in the second half of a run: in two seconds it is only then what it will be
LINES = [
    "compute pairs.csv",
    "compute pairs.parquet --group-by key",
    "compute - --raw < pairs.parquet",
    "compute pairs.csv --reduction none -o out/{run}.csv -f csv",
    "compute pairs.csv --reduction none -o out/{run}/ -f csv",
    "compute nowhere.csv",
    "compute bad.csv --rejects out/{run}.bad.csv --on-error skip",
    "sweep pairs.csv --margins 0:1:0.1",
]


def block(rows: int) -> bytes:
    """Return so many rows of pairs without their header."""
    numbers = random.Random(3)
    lines = (f"{numbers.gauss(0, 1):.5f},{numbers.gauss(0, 1):.5f},{numbers.choice((1, -1))}\n" for _ in range(rows))
    return "".join(lines).encode()


def _make(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "out").mkdir()
    (folder / "tmp").mkdir()
    rows = block(2000)
    (folder / "pairs.csv").write_bytes(b"x1,x2,y\n" + rows)
    (folder / "bad.csv").write_bytes(b"x1,x2,y\n" + rows + b"oops,1,1\n")
    cells = [line.split(",") for line in rows.decode().splitlines()]
    columns = {name: [float(row[place]) for row in cells] for place, name in enumerate(("x1", "x2", "y"))}
    pq.write_table(pa.table(columns | {"key": [row % 7 for row in range(2000)]}), folder / "pairs.parquet")


def _left() -> dict[str, set[str]]:
    """Return what runs could leave in the system: temporary files, shared memory, processes of mrl, sockets."""
    places = {"temporary files": os.environ["TMPDIR"], "shared memory": "/dev/shm"}
    found = {what: set(os.listdir(place)) if os.path.isdir(place) else set() for what, place in places.items()}
    calls = (Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdecimal())
    mine = str(os.getcwd()).encode()
    found["processes"] = {path.parts[2] for path in calls if b"mrl_cli" in _bytes(path) and mine in _cwd(path)}
    sockets = {b"".join(line.split()[-1:]) for line in _bytes(Path("/proc/net/unix")).splitlines() if mine in line}
    return found | {"sockets": set(map(repr, sockets))}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a process that has ended
        return b""


def _cwd(path: Path) -> bytes:
    try:
        return os.readlink(path.with_name("cwd")).encode()
    except OSError:
        return b""


def _one(line: str, number: int) -> tuple[int, str]:
    """Run a line; return its exit code, and the md5 of all that it printed and wrote."""
    run = f"run{number}"
    call = f'"$PYTHON" -m mrl_cli {line.format(run=run)}'
    ran = subprocess.run(call, shell=True, capture_output=True, check=False, env=os.environ)
    names = sorted([*Path("out").glob(f"{run}.*"), *Path("out", run).glob("*")])
    written = b"".join(path.read_bytes() for path in names)
    seen = ran.stdout + ran.stderr + written
    for path in names:
        path.unlink()
    place = Path("out", run)
    if place.is_dir():
        place.rmdir()
    return ran.returncode, md5(seen.replace(run.encode(), b"run"), usedforsecurity=False).hexdigest()


def repeated(runs: int, at_once: int) -> tuple[str, bool]:
    """Run the lines so many times in all, some at once; return what came out, and whether it is right."""
    usual = {line: _one(line, -1) for line in LINES}
    before = _left()
    called = [LINES[run % len(LINES)] for run in range(runs)]
    with ThreadPoolExecutor(at_once) as pool:
        done = list(pool.map(_one, called, range(runs)))
    different = sum(usual[line] != came for line, came in zip(called, done, strict=True))
    left = {what: names - before[what] for what, names in _left().items() if names - before[what]}
    shown = f"{different} of {runs} differ from the first; left behind: {left or 'nothing'}"
    return shown, not different and not left and not list(Path("out").iterdir())


def _memory_of(pid: int) -> int:
    """Return how many kB of memory of its own a process has now."""
    lines = _bytes(Path(f"/proc/{pid}/status")).decode().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


def long_run(rows: int, seconds: float) -> tuple[str, bool]:
    """Read so many rows and more through a FIFO; return the memory on the way, and whether it is flat and right."""
    data, fifo, least, began = block(BLOCK_ROWS), Path("long.csv"), -(-rows // BLOCK_ROWS), time.monotonic()
    os.mkfifo(fifo)
    process = subprocess.Popen([*MRL, "compute", str(fifo), "--reduction", "sum", "-f", "csv"], stdout=subprocess.PIPE)
    sent, memory = 0, list[tuple[int, int]]()
    with fifo.open("wb") as file:
        file.write(b"x1,x2,y\n")
        for sent in count(1):
            file.write(data)
            if sent % max(1, least // 200) == 0:
                memory.append((sent, _memory_of(process.pid)))
            if sent >= least and time.monotonic() - began >= seconds:
                break
    out = process.communicate()[0].decode().splitlines()
    fifo.unlink()
    figures = dict(zip(*(line.split(",") for line in out), strict=True))
    expected = _exact_sum(data) * sent
    is_right = process.returncode == 0 and float(figures["sum"]) == float(expected)
    is_right &= int(figures["pairs"]) == sent * BLOCK_ROWS
    steady = [kilobytes for place, kilobytes in memory if place * 2 >= sent]
    tenths = [memory[len(memory) * tenth // 10][1] >> 10 for tenth in range(10)] + [memory[-1][1] >> 10]
    number = "the number right" if is_right else "another number"
    shown = f"{sent * BLOCK_ROWS:,} rows in {time.monotonic() - began:.0f} s, {number}"
    shown += f"; MB at each tenth of the way: {', '.join(map(str, tenths))}"
    return shown, is_right and max(steady) <= MOST_GROWTH * min(steady)


def _exact_sum(data: bytes) -> Fraction:
    rows = (line.split(",") for line in data.decode().splitlines())
    losses = (max(0.0, -float(y) * (float(x1) - float(x2))) for x1, x2, y in rows)
    return sum(map(Fraction, losses), Fraction(0))


def main() -> int:
    """Run the program; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Put load on mrl, and tell what is left and what came out.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--seconds", type=float, default=0, help="of the long run, at least")
    parser.add_argument("--only", choices=["runs", "long"], default=None)
    parser.add_argument("--table", type=Path, help="write the table here, as Markdown")
    options = parser.parse_args()
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(place) for place in path.split(os.pathsep) if place)
    os.environ["PYTHON"] = sys.executable
    table, lines, usual = options.table and options.table.absolute(), list[tuple[str, str, bool]](), os.getcwd()
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        os.chdir(folder)
        os.environ["TMPDIR"] = f"{folder}/tmp"
        _make(Path(folder))
        if options.only != "long":
            lines.append((f"{options.runs:,} runs in a row", *repeated(options.runs, 1)))
            lines.append((f"{options.runs:,} runs, {AT_ONCE} at a time", *repeated(options.runs, AT_ONCE)))
        if options.only != "runs":
            lines.append(("a long run through a FIFO", *long_run(options.rows, options.seconds)))
        os.chdir(usual)
    rows = [f"| {what} | {came} | {'right' if right else 'wrong'} |" for what, came, right in lines]
    text = "\n".join(["| load | what came out | right? |", "|---|---|---|", *rows]) + "\n"
    print(text, end="")
    if table:
        table.write_text(text)
    return int(not all(right for *_, right in lines))


if __name__ == "__main__":
    sys.exit(main())
