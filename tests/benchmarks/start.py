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
SMALL_FRAME = (
    "from mrl_cli import start\nstart.in_large_frame.__code__ = start.in_large_frame.__code__.replace(co_stacksize=9)\n"
)
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


# What reads nothing, beside the least that such a command needs: the ratio is to stay below 1.3.
PRINTING = {"import click": ["-c", "import click"]} | {
    f"mrl {' '.join(words)}": ["-m", "mrl_cli", *words]
    for words in (["--help"], ["losses"], ["compute", "-h"], ["compute", "--help"], ["docs"], ["help", "compute"])
}


def print_ratios(title: str, commands: dict[str, list[str]], runs: int) -> None:
    """Run commands in turn, and print a table of the CPU time of each beside that of the first."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, taken in times.items():
            taken.append(run_process(commands[name]).cpu_seconds * 1e3)
    _, *usual = next(iter(times.values()))  # the first round warms up
    print(f"| {title} | CPU, ms | least | ratio |\n|---|---|---|---|")
    for name, (_, *taken) in times.items():
        ratio = median(own / other for own, other in zip(taken, usual, strict=True))
        print(f"| {name} | {median(taken):.0f} | {min(taken):.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Run every trial in turn, and print a table for each format, and one of what reads nothing."""
    parser = argparse.ArgumentParser(description="Time what could make a small run start sooner.")
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mrl-benchmarks")
    parser.add_argument("--formats", default="csv,parquet", help="of the runs; empty for what reads nothing alone")
    options = parser.parse_args()
    for file_format in filter(None, options.formats.split(",")):
        path = data_file(options.folder, ROWS, file_format)
        print_ratios(f"{file_format}, {ROWS} rows", {name: command(name, path) for name in TRIALS}, options.runs)
    print_ratios("reads nothing", {name: [sys.executable, *words] for name, words in PRINTING.items()}, options.runs)


if __name__ == "__main__":
    main()
