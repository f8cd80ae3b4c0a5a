"""Many files at once: seconds, memory, and what a file costs beside its rows, on one machine and on Dask processes.

    python tests/benchmarks/scale.py --rows 1000000 --files 1000    # a billion pairs, in 2 GB

One Parquet file is made, which has as many names as there are to be files, so that the disk holds it once. A run on all
of them goes through threads, and through a Dask scheduler and two workers, each a process of its own. Then the same on
files of a single pair: the CPU time of all processes, less that of a run on one such file, is what a file costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(1, str(Path(__file__).parents[2]))

from files import data_file
from measure import run_process

from tests.serving import DaskProcesses

FEWEST_ROWS = 2
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a run took: its wall time, and the CPU time of all processes; and the peak memory of each, in MB."""

    seconds: float
    cpu_seconds: float
    megabytes: list[int]


def many(folder: Path, rows: int, files: int) -> Path:
    """Return a folder with so many names of one file."""
    place = folder / f"{files}-of-{rows}"
    if not place.exists():
        place.mkdir(parents=True)
        made = data_file(folder, rows, "parquet")
        for number in range(files):
            os.link(made, place / f"{number:06}.parquet")
    return place


def used(pid: int) -> tuple[float, int]:
    """Return the CPU seconds of a process so far, and its peak memory in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / TICKS, int(peak.split()[1]) >> 10


def run(place: Path, pairs: int, cluster: DaskProcesses | None) -> Cost:
    """Return what a run on all files of a folder takes."""
    command = [sys.executable, "-m", "mrl_cli", "compute", str(place), "--margin", "0.5", "-f", "csv"]
    processes = [] if cluster is None else [cluster.scheduler, *cluster.workers]
    if cluster is not None:
        command += ["--engine", "dask", "--scheduler", cluster.address]
    before = sum(used(process.pid)[0] for process in processes)
    started = time.monotonic()
    found = run_process(command)
    seconds = time.monotonic() - started
    names, values = (line.split(",") for line in found.stdout.split())
    assert int(values[names.index("pairs")]) == pairs, found.stdout
    after = [used(process.pid) for process in processes]
    cpu_seconds = found.cpu_seconds + sum(cpu for cpu, _ in after) - before
    return Cost(seconds, cpu_seconds, [round(found.peak_bytes / 1e6), *(peak for _, peak in after)])


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="of each file (default 10,000)")
    parser.add_argument("--files", type=int, default=1000, help="how many (default 1,000)")
    parser.add_argument("--folder", type=Path, help="where the files are kept (default: a new one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        print("| engine | pairs | seconds | CPU seconds | MB of each process | a file costs |")
        print("|---|---|---|---|---|---|")
        for engine in ("local", "dask"):
            cluster = DaskProcesses() if engine == "dask" else None
            try:
                one, tiny = (run(many(folder, FEWEST_ROWS, n), FEWEST_ROWS * n, cluster) for n in (1, given.files))
                whole = run(many(folder, given.rows, given.files), given.rows * given.files, cluster)
            finally:
                if cluster is not None:
                    cluster.close()
            each = 1000 * (tiny.cpu_seconds - one.cpu_seconds) / given.files
            memory = " + ".join(map(str, whole.megabytes))
            pairs = given.rows * given.files
            print(
                f"| {engine} | {pairs:,} | {whole.seconds:.1f} | {whole.cpu_seconds:.1f} | {memory} | {each:.1f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
