"""Every command on real clusters: the bytes of stdout, stderr and files are those that one job of this machine prints.

Run from the root of the repository, with what the engines need installed:

    python -m tests.clusters --engines dask                # a scheduler and two workers, each a process of its own
    python -m tests.clusters --engines dask,ray,spark --rows 4000000 --faults

The inputs are local files, and the same files in an S3 server. With so many rows, the large ones are cut into spans.
`--faults` also runs `tests.cluster_faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tests.serving import DaskProcesses, free_port, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECES = 4
BUCKET = "s3://mrl/"
AT_ONCE = 2  # runs
# In each, @ stands for where the inputs are.
LINES = [
    "compute @plain.csv --margin 0.5 -f csv",
    "compute @parts/*.parquet @quoted.csv @parts/*.csv --group-by g --confidence 0.9 -f csv",
    "compute @quoted.csv @lines.jsonl @plain.csv -f csv --by-file",
    "compute @bad.csv",
    "compute @bad.csv --on-error skip --rejects out.csv",
    "compute @bad.csv --on-error skip --reduction none -o out.csv",
    "compute @parts/*.parquet --reduction none -o out.parquet",
    "compute @parts/*.parquet @quoted.csv @plain.csv --reduction none --margin 0.5 -f csv -o out.parts/",
    "compute @plain.csv @lines.jsonl --loss logistic -f csv",
    "sweep @quoted.csv @plain.csv --margins 0:1:0.125",
    "compare @plain.csv --x1-b u --x2-b v --group-by g -f csv",
    "validate @quoted.csv @parts/*.parquet",
    "rank @lists.csv -f csv",
    "rank @lists.csv --per-query -o out.csv",
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


class Ran(NamedTuple):
    """What a command line exits with, prints, and writes."""

    code: int
    out: bytes
    err: bytes
    written: bytes

    def as_of_files(self) -> Ran:
        """Return what it is where the inputs are local files."""
        place = BUCKET.encode()
        return self._replace(**{name: getattr(self, name).replace(place, b"") for name in ("out", "err", "written")})


def command_of(line: str, *more: str) -> list[str]:
    """Return the command of a line, globs of local files expanded as a shell does."""
    words = [*line.split(), *more]
    places = [sorted(map(str, Path().glob(word))) if "*" in word and "://" not in word else [word] for word in words]
    return [sys.executable, "-m", "mrl_cli", *(word for some in places for word in some)]


def run(line: str, *more: str, **changes: str) -> Ran:
    """Run a command line, with changes to the environment; what it writes goes into a folder of its own."""
    begin, _, name = line.rpartition(" ")
    if not name.startswith("out."):
        command, env = command_of(line, *more), {**os.environ, **changes}
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False, env=env)
        return Ran(done.returncode, done.stdout, done.stderr, b"")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        out = Path(folder, name)  # a name that ends with a slash is that of a folder of parts
        ran = run(f"{begin} {folder}/{name}", *more, **changes)
        files = sorted(out.iterdir()) if out.is_dir() else [out] if out.exists() else []
        return ran._replace(written=b"".join(file.name.encode() + file.read_bytes() for file in files))


@contextmanager
def cluster(engine: str) -> Iterator[list[str]]:
    """Yield the options of an engine, with its cluster where that has to be started."""
    if engine != "dask":
        yield ["--jobs", engine[0]] if engine.endswith("jobs") else ["--engine", engine, "--jobs", "2"]
        return
    processes = DaskProcesses()
    try:
        yield ["--engine", "dask", "--scheduler", processes.address]
    finally:
        processes.close()


@contextmanager
def bucket() -> Iterator[tuple[str, Any]]:
    """Serve the files of the working directory as a bucket; yield the server's URL, and a client of boto3."""
    with s3_server() as (url, client):
        client.create_bucket(Bucket="mrl")
        for path in Path().rglob("*.*"):
            if path.is_file():
                client.upload_file(str(path), "mrl", str(path))
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key")
        yield url, client


def compare(engines: list[str]) -> int:
    """Run every line here and on each engine, on files and on objects; return how many differ."""
    expected: dict[str, Ran] = {}

    def ran(line: str, *given: str) -> tuple[Ran, float]:
        started = time.monotonic()
        return run(line, *given), time.monotonic() - started

    wrong = 0
    runs = [(line, line.replace("@", place)) for place in ("", BUCKET) for line in LINES]
    for name in ("1 jobs", "2 jobs", *engines):
        at_once = 1 if name in ("ray", "spark") else AT_ONCE  # each run starts a cluster of those
        with cluster(name) as given, ThreadPoolExecutor(at_once) as pool:
            ends = [(line, shown, pool.submit(ran, shown, *given)) for line, shown in runs]
            for line, shown, end in ends:
                of_place, seconds = end.result()
                found = of_place.as_of_files()
                same = found == expected.setdefault(line, found) and found.code in (0, 3)
                wrong += not same
                print(f"{'same' if same else 'DIFFERS'} {name:6} {seconds:5.1f} s  mrl {shown}", flush=True)
                if not same:
                    print(found.out[-300:], found.err[-600:], sep="\n")
    return wrong


# What is asked where an engine's cluster does not answer, or cannot be started.
NOBODY = {
    "dask": ("tcp://127.0.0.1:{}", "is `dask scheduler` running there"),
    "ray": ("127.0.0.1:{}", "is a head of Ray running there"),
    "spark": ("spark://127.0.0.1:{}", "is the master running there"),
}


def unanswered(engines: list[str]) -> int:
    """Name a place where nothing listens, and no Java; return how many runs end otherwise than with the hint."""
    wrong = 0
    for engine in engines:
        address, hint = NOBODY[engine]
        silent = socket.create_server(("127.0.0.1", 0))  # accepts connections, and says nothing
        places = [free_port(), silent.getsockname()[1]]
        trials: list[tuple[list[str], str, dict[str, str]]]
        trials = [(["--scheduler", address.format(port)], hint, {}) for port in places]
        trials += [([], "is there a Java, of 17 or later", {"JAVA_HOME": "/nowhere"})] if engine == "spark" else []
        for options, expected, changes in trials:
            started = time.monotonic()
            code, out, err, _ = run("compute plain.csv", "--engine", engine, *options, **changes)
            is_right = (code, out) == (4, b"") and expected.encode() in err and err.count(b"\n") == 2
            wrong += not is_right
            found = f"{time.monotonic() - started:.0f} s {err.decode()[-300:].strip()}"
            print(f"{'right' if is_right else 'WRONG'} {engine} {options}: {found}", flush=True)
        silent.close()
    return wrong


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="dask", help="of dask,ray,spark (default dask)")
    parser.add_argument("--rows", type=int, default=20_000, help="of the large files (default 20,000)")
    parser.add_argument("--faults", action="store_true", help="make the faults of tests.cluster_faults too")
    given = parser.parse_args()
    folder, root = tempfile.mkdtemp(), Path(__file__).parent.parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    os.chdir(folder)
    try:
        make_files(given.rows)
        engines = [name for name in given.engines.split(",") if name]
        with bucket() as s3, ThreadPoolExecutor(1) as beside:
            nobody = beside.submit(unanswered, engines)  # most of which is waiting
            wrong = compare(engines) + nobody.result()
            if given.faults:
                from tests.cluster_faults import faults

                wrong += faults(*s3)
    finally:
        os.chdir(root)
        shutil.rmtree(folder)
    print(f"{wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
