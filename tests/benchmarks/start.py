"""What could make a small run start sooner: each trial's CPU time beside that of a run as it is, in turn.

    python tests/benchmarks/start.py --runs 31

CPU time of whole processes, user and system; a ratio is taken within a round and is the median of all: below 1 the
trial helps. Run it with the Python that holds mrl, whose modules should be compiled (`python -m compileall`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from files import data_file
from measure import run_process

ROWS = 1000
RUN = "from mrl_cli.start import process\nprocess()"
QUIET_BLAS = "import os\nos.environ['OPENBLAS_NUM_THREADS'] = '1'\n"
IN_THREAD = "import threading\ndef load(): import {}\nthread = threading.Thread(target=load)\nthread.start()\n"
MALLOC = "import ctypes\nmallopt = ctypes.CDLL(None).mallopt\n"
SMALL_FRAME = "from mrl_cli import start\nstart.process.__code__ = start.process.__code__.replace(co_stacksize=9)\n"
LIBRARIES = """
import ctypes, glob, importlib.util, threading
folder = os.path.dirname(importlib.util.find_spec("pyarrow").origin)
def load():
    for name in ("libarrow", "libparquet"):
        for path in glob.glob(f"{folder}/{name}.so.*"):
            ctypes.CDLL(path)
thread = threading.Thread(target=load)
thread.start()
import numpy
thread.join()
"""
# What stands before the run, and options of the interpreter.
TRIALS: dict[str, tuple[str, tuple[str, ...]]] = {
    "as it is": ("", ()),
    "-X frozen_modules=on": ("", ("-X", "frozen_modules=on")),
    "-S, without site": ("import sys\nsys.path[:0] = {path!r}\n", ("-S",)),
    "NumPy before click": (QUIET_BLAS + "import numpy\n", ()),
    "NumPy in a thread, then the rest": (QUIET_BLAS + IN_THREAD.format("numpy") + "thread.join()\n", ()),
    "NumPy in a thread beside click": (QUIET_BLAS + IN_THREAD.format("numpy"), ()),
    "malloc: grow by 16 MB": (MALLOC + "mallopt(-2, 1 << 24)\n", ()),
    "malloc: no mmap, no trim, grow by 16 MB": (MALLOC + "mallopt(-2, 1 << 24), mallopt(-3, 1 << 25)\n", ()),
    "pieces of 16 KB for frames, as CPython has them": (SMALL_FRAME, ()),
    "no garbage collection from the start": ("import gc\ngc.disable()\n", ()),
    "pyarrow's libraries in a thread beside NumPy": (QUIET_BLAS + LIBRARIES, ()),
    "nothing but click": ("import click, os\nos._exit(0)\n", ()),
    "nothing but NumPy": (QUIET_BLAS + "import numpy\nos._exit(0)\n", ()),
    "nothing but NumPy and pyarrow._parquet": (QUIET_BLAS + "import numpy, pyarrow._parquet\nos._exit(0)\n", ()),
    "nothing": ("import os\nos._exit(0)\n", ()),
}


def command(trial: str, path: Path) -> list[str]:
    """Return the command of a trial on a file."""
    before, options = TRIALS[trial]
    code = before.replace("{path!r}", repr([entry for entry in sys.path if entry])) + RUN
    call = ["compute", str(path), "--margin", "0.5", "--raw"]
    return [sys.executable, *options, "-c", f"import sys\nsys.argv = ['mrl', *sys.argv[1:]]\n{code}", *call]


def main() -> None:
    """Run every trial in turn, and print a table."""
    parser = argparse.ArgumentParser(description="Time what could make a small run start sooner.")
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mrl-benchmarks")
    parser.add_argument("--formats", default="csv,parquet")
    options = parser.parse_args()
    for file_format in options.formats.split(","):
        path = data_file(options.folder, ROWS, file_format)
        times: dict[str, list[float]] = {trial: [] for trial in TRIALS}
        for _ in range(options.runs + 1):
            for trial, taken in times.items():
                taken.append(run_process(command(trial, path)).cpu_seconds * 1e3)
        usual = times["as it is"][1:]  # the first round warms up
        print(f"| {file_format}, {ROWS} rows | CPU, ms | least | ratio |\n|---|---|---|---|")
        for trial, (_, *taken) in times.items():
            ratio = median(own / other for own, other in zip(taken, usual, strict=True))
            print(f"| {trial} | {median(taken):.0f} | {min(taken):.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
