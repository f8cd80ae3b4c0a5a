"""The scripts that a user would otherwise write, each as its library's users would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Template

from measure import Contestant

MARGIN = "0.5"


@dataclass(frozen=True, slots=True)
class Peer:
    """A script around one library.

    ``script``, a ``string.Template``, reads the file named by its first argument and prints the mean loss. ``$limit``
    stands for the statement that bounds the number of threads, where one is asked for, ``$read`` for the reading
    function of the file's format.
    """

    label: str
    modules: tuple[str, ...]
    script: str
    limit: str
    read: dict[str, str] = field(default_factory=dict)


PEERS = {
    "duckdb": Peer(
        label="DuckDB",
        modules=("duckdb",),
        limit="duckdb.execute('SET threads = $jobs')",
        # execute, because a relation's fetch looks at a CSV file's header twice, and fetchone left relations in 2.0.
        script="""\
import sys, duckdb
$limit
duckdb.execute("SET enable_progress_bar = false")  # it is drawn from two seconds on, into the answer
query = "SELECT avg(greatest(0, -y * (x1 - x2) + $margin)) FROM '" + sys.argv[1] + "'"
print(duckdb.execute(query).fetchone()[0])
""",
    ),
    "polars": Peer(
        label="Polars",
        modules=("polars",),
        limit="import os; os.environ['POLARS_MAX_THREADS'] = '$jobs'",
        read={"csv": "pl.scan_csv", "parquet": "pl.scan_parquet"},
        script="""\
$limit
import sys, polars as pl
loss = pl.max_horizontal(-pl.col("y") * (pl.col("x1") - pl.col("x2")) + $margin, 0)
print($read(sys.argv[1]).select(loss.mean()).collect(engine="streaming").item())
""",
    ),
    "datafusion": Peer(
        label="DataFusion",
        modules=("datafusion",),
        limit="settings = settings.with_target_partitions($jobs)",
        read={"csv": "register_csv", "parquet": "register_parquet"},
        script="""\
import sys, datafusion
settings = datafusion.SessionConfig()
$limit
session = datafusion.SessionContext(settings)
session.$read("pairs", sys.argv[1])
query = "SELECT avg(greatest(0, -y * (x1 - x2) + $margin)) AS mean FROM pairs"
print(session.sql(query).to_pydict()["mean"][0])
""",
    ),
    "chdb": Peer(
        label="chDB",
        modules=("chdb",),
        limit="settings = ' SETTINGS max_threads = $jobs'",
        read={"csv": "CSVWithNames", "parquet": "Parquet"},
        script="""\
import sys, chdb
settings = ""
$limit
query = f"SELECT avg(greatest(0, -y * (x1 - x2) + $margin)) FROM file('{sys.argv[1]}', '$read')"
print(chdb.query(query + settings))
""",
    ),
    "pandas": Peer(
        label="pandas",
        modules=("pandas",),
        limit="import pyarrow; pyarrow.set_cpu_count($jobs)",
        read={"csv": "pd.read_csv", "parquet": "pd.read_parquet"},
        script="""\
import sys, pandas as pd
$limit
pairs = $read(sys.argv[1])
print((-pairs.y * (pairs.x1 - pairs.x2) + $margin).clip(lower=0).mean())
""",
    ),
    "torch": Peer(
        label="pandas + PyTorch",
        modules=("pandas", "torch"),
        limit="import pyarrow; pyarrow.set_cpu_count($jobs); torch.set_num_threads($jobs)",
        read={"csv": "pd.read_csv", "parquet": "pd.read_parquet"},
        script="""\
import sys, pandas as pd, torch, torch.nn.functional as F
$limit
pairs = $read(sys.argv[1])
tensors = [torch.as_tensor(pairs[name].to_numpy()) for name in ("x1", "x2", "y")]
print(F.margin_ranking_loss(*tensors, margin=$margin).item())
""",
    ),
}

# Reads a CSV file into doubles as mrl does, on as many threads, and does nothing with them: what is left to mrl.
PARSE_ALONE_SCRIPT = """\
import os, sys, threading, pyarrow as pa
from pyarrow import csv
path, threads, block = sys.argv[1], int(sys.argv[2]), 3 << 20
file = os.open(path, os.O_RDONLY)
def cuts():
    start, size = os.pread(file, 100, 0).index(b"\\n") + 1, os.stat(path).st_size
    while start < size:
        end = min(start + block, size)
        end += os.pread(file, 1000, end - 1).find(b"\\n") if end < size else 0
        yield start, end
        start = end
ranges, lock = cuts(), threading.Lock()
def parse():
    while True:
        with lock:
            start, end = next(ranges, (0, 0))
        if end == 0:
            return
        csv.read_csv(
            pa.py_buffer(os.pread(file, end - start, start)),
            csv.ReadOptions(use_threads=False, block_size=end - start + 1, column_names=["x1", "x2", "y"]),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(column_types={"x1": pa.float64(), "x2": pa.float64(), "y": pa.int8()}, check_utf8=False),
        )
workers = [threading.Thread(target=parse) for _ in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
os._exit(0)
"""

# Prints the mean of a file of per-pair losses, so that a race of writers has an answer too; reads it piece by piece.
LOSS_MEAN_SCRIPT = """\
import math, sys, pyarrow.compute as pc, pyarrow.dataset as ds
batches = ds.dataset(sys.argv[1], format=sys.argv[2]).to_batches(columns=["loss"])
sums = [(pc.sum(batch["loss"]).as_py(), batch.num_rows) for batch in batches if batch.num_rows]
print(math.fsum(part for part, _ in sums) / sum(rows for _, rows in sums))
"""


@cache
def version_of(module: str) -> str | None:
    """The version of an importable module, None of any other; asked in a process of its own."""
    script = f"import {module}; print({module}.__version__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def peer_contestant(peer: Peer, path: Path, file_format: str, jobs: int | None) -> Contestant:
    """The peer's script on one file, with its threads bounded where ``jobs`` is set."""
    limit = Template(peer.limit).substitute(jobs=jobs) if jobs else ""
    read = peer.read.get(file_format, "")
    script = Template(peer.script).substitute(limit=limit, read=read, margin=MARGIN)
    return Contestant(peer.label, (sys.executable, "-c", script, str(path)))


def parse_alone(path: Path, jobs: int | None) -> Contestant:
    """The parser alone on a CSV file; it has no answer."""
    threads = str(jobs or len(os.sched_getaffinity(0)))
    return Contestant("parser alone", (sys.executable, "-c", PARSE_ALONE_SCRIPT, str(path), threads), has_answer=False)


def loss_mean_command(path: Path, file_format: str) -> tuple[str, ...]:
    """The command that prints the mean of the column ``loss`` of a file."""
    return (sys.executable, "-c", LOSS_MEAN_SCRIPT, str(path), file_format)
