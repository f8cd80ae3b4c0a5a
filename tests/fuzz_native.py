"""The compiled part under sanitizers, on damaged rows and hard numbers: no fault of memory, no number of its own.

Run from the root of the repository, with GCC or Clang and the packages of the tests installed; on Linux:

    python -m tests.fuzz_native --seconds 120
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random, randrange

from mrl_cli import native
from mrl_cli.inputs import delimited
from tests.decimals import (
    KINDS,
    doubles_of,
    nearly_a_number,
    nearly_an_integer,
    wrong_cells,
    wrong_keys,
    wrongly_written,
)
from tests.mutated_rows import compared, damaged_rows, decline

ROOT = Path(__file__).parent.parent
FLAGS = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
PORTABLE = "-U__SSE2__"  # as on processors that lack these instructions
CASES = 500  # between two looks at the clock


def under_sanitizers(arguments: list[str], flags: str) -> int:
    """Install mrl with a reader that is watched, and run this program with it; return its exit code."""
    compiler = os.environ.get("CC", "cc").split()[0]
    library = subprocess.check_output([compiler, "-print-file-name=libasan.so"], text=True).strip()
    with tempfile.TemporaryDirectory() as folder:
        build = os.environ | {"CFLAGS": flags, "LDFLAGS": FLAGS, "MRL_NATIVE": "1"}
        call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, str(ROOT)]
        subprocess.run(call, check=True, env=build)
        watched = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
        paths = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "MRL_NATIVE": "1"}
        # -P keeps the folder that this is run in, and the package in it, out of what is imported.
        again = [sys.executable, "-P", "-m", "tests.fuzz_native", "--watched", *arguments]
        return subprocess.run(again, check=False, env=os.environ | watched | paths).returncode


def fuzz(seconds: float, seed: int) -> None:
    """Make and compare cases until the time is over; print how many, and the seed of a round that fails."""
    setattr(delimited, "_parsed_by_arrow", decline)  # noqa: B010 (so that its type may differ)
    cases = accepted = cells = 0
    end = time.monotonic() + seconds
    print(f"reader {native.fields()}, seed {seed}", flush=True)
    while time.monotonic() < end:
        random = Random(seed + cases)
        for place in range(CASES):
            rows = damaged_rows(random)
            try:
                accepted += compared(rows)
            except AssertionError:
                print(f"case {place} of seed {seed + cases}: {rows}")
                raise
        texts = [kind(random) for kind in KINDS for _ in range(CASES // 50)]
        doubles = doubles_of(texts)
        badly_written = wrongly_written(doubles)
        texts += [nearly_a_number(random) for _ in range(CASES)]
        wrong = wrong_cells(texts)
        keys = [nearly_an_integer(random) for _ in range(CASES)] + texts[-CASES:]
        wrong += wrong_keys(keys)
        assert not wrong, wrong[:5]
        assert not badly_written, badly_written[:5]
        cases += CASES
        cells += len(texts) + len(keys)
    print(f"{cases:,} texts, {accepted:,} of them accepted, and {cells:,} cells: no finding")


def main() -> int:
    """Run the program; the code of the sanitizers, or 1, where something was found."""
    parser = argparse.ArgumentParser(description="Fuzz the compiled reader of CSV.")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.watched:
        half = ["--seconds", str(options.seconds / 2)]  # of the time for each form that the source has
        forms = (FLAGS, f"{FLAGS} {PORTABLE}")
        return next(filter(None, (under_sanitizers([*sys.argv[1:], *half], flags) for flags in forms)), 0)
    fuzz(options.seconds, randrange(1 << 40) if options.seed is None else options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
