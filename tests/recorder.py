"""Keep the output of `mrl` in many cases, and list what changed: for changes that must not change a byte of it.

    python tests/recorder.py record FILE
    python tests/recorder.py compare BEFORE AFTER

A recording holds, of each command line in `recorder_cases.py`, the exit code, stdout, stderr and the files written, and
of each call in `recorder_calls.py` its result or error. Only seconds, and the folder that all runs in, are blotted out.
Two recordings are of one machine, with the same libraries. `compare` exits 1 where they differ.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import pyarrow.parquet as pq

# What is recorded is the package beside these tests, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mrl_cli.cli import main as mrl  # the one name that is not public
from tests.recorder_calls import made
from tests.recorder_cases import Case, cases
from tests.recorder_inputs import write_inputs
from tests.running import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    Record = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
SECONDS = [
    (re.compile(r" in \d+\.\d{3} s\b"), " in 0.000 s"),
    (re.compile(r"\([\d,]+ pairs/s\)"), "(0 pairs/s)"),
]
AS_PROCESS = 'mrl() { "$PYTHON" -m mrl_cli "$@"; }\n'
TIMEOUT_SECONDS = 120
LONGEST_TEXT = 200_000  # of a longer one the beginning is kept, and what distinguishes it from others


class Ran(NamedTuple):
    """The result of a run."""

    code: int
    out: bytes
    err: bytes


class Folder:
    """The folder of the inputs, in which every case runs; what a case leaves there is taken away after it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        write_inputs(path)
        self._inputs = {file: file.read_bytes() for file in self._files()}
        self._before = self._files()

    def _files(self) -> dict[Path, tuple[int, int, int]]:
        files = {}
        for folder, _, names in os.walk(self.path):
            for path in (Path(folder, name) for name in names):
                look = path.lstat()
                files[path] = look.st_ino, look.st_size, look.st_mtime_ns
        return files

    def record(self, case: Case) -> Record:
        """Run a case; return what is kept of it."""
        for name, data in case.given.items():
            (self.path / name).write_bytes(data)
        given = {self.path / name for name in case.given}
        ran = HOW[case.how](case)
        now = self._files()
        changed = [path for path, look in now.items() if path not in given and self._before.get(path) != look]
        written = {path.name: self._kept(path) for path in sorted(changed)}
        written |= {path.name: "gone" for path in self._before.keys() - now.keys()}
        for path in {*changed, *given} - self._inputs.keys():
            path.unlink()
        for path in self._before.keys() & changed | self._before.keys() - now.keys():
            path.write_bytes(self._inputs[path])
        self._before = self._files() if self._before.keys() & written else self._before
        return {"code": ran.code, "out": self._text(ran.out), "err": self._text(ran.err), "files": written}

    def _kept(self, path: Path) -> str:
        if not path.is_file() or path.is_symlink():
            return "a link or pipe"
        data = path.read_bytes()
        return _parquet(data) if data[:4] == b"PAR1" else self._text(data)

    def _text(self, data: bytes) -> str:
        """Return output as text that holds every byte, without what differs from run to run."""
        text = data.decode("utf-8", "surrogateescape").replace(str(self.path), "<folder>")
        for pattern, blotted in SECONDS:
            text = pattern.sub(blotted, text)
        if len(text) > LONGEST_TEXT:
            return f"{text[:1000]}…\n{len(text)} characters, SHA-256 {_digest(text)}"
        return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _parquet(data: bytes) -> str:
    """Return schema and content of a Parquet file, whose bytes hold the version of what wrote them."""
    file = pq.ParquetFile(io.BytesIO(data))
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    sizes = [(group.num_rows, group.column(0).compression) for group in groups]
    columns = [f"{name}: {values!r}" for name, values in file.read().to_pydict().items()]
    return "\n".join([str(file.schema_arrow), f"row groups: {sizes}", *columns])


def _inside(case: Case) -> Ran:
    """Run in this process, with files on its descriptors: milliseconds, where a process takes a third of a second."""
    usual = [os.dup(number) for number in range(3)]
    before = dict(os.environ)
    os.environ.update(case.env)
    with (
        open(case.stdin or os.devnull, "rb") as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        for number, file in enumerate((stdin, out, err)):
            os.dup2(file.fileno(), number)
        try:
            mrl(list(case.args))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else -1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, duplicate in enumerate(usual):
                os.dup2(duplicate, number)
                os.close(duplicate)
            os.environ.clear()
            os.environ.update(before)
        return Ran(code, _all_of(out), _all_of(err))


def _all_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _by_bash(case: Case) -> Ran:
    """Run a line of bash in which mrl is a process."""
    call = ["bash", "-c", AS_PROCESS + case.args[0]]
    done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    return Ran(done.returncode, done.stdout, done.stderr)


def _on_terminal(case: Case) -> Ran:
    """Run as a process whose stdin and stdout are a terminal."""
    return Ran(*run_on_terminal(case.args, os.environ | {"TERM": "xterm"} | case.env))


HOW: dict[str, Callable[[Case], Ran]] = {"inside": _inside, "bash": _by_bash, "tty": _on_terminal}


def _set_environment() -> None:
    """Leave out what would be taken for options, and fix what the output depends on."""
    for name in list(os.environ):
        if name.startswith(("MRL_", "LC_")) or name in ("NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED"):
            del os.environ[name]
    os.environ.update(COLUMNS="80", TERM="dumb", LC_ALL="C.UTF-8", PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    os.environ.update(PYTHONDONTWRITEBYTECODE="1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def record(target: str) -> int:
    """Run everything and write a recording."""
    started, path = time.monotonic(), Path(target).resolve()
    _set_environment()
    with tempfile.TemporaryDirectory() as name:
        usual = Path.cwd()
        folder = Folder(Path(name).resolve())
        os.chdir(folder.path)
        try:
            lines = {case.name: folder.record(case) for case in cases()}
        finally:
            os.chdir(usual)
    calls = made()
    path.write_text(json.dumps(lines | calls, indent=0) + "\n", encoding="utf-8")
    print(f"{len(lines)} command lines and {len(calls)} calls in {time.monotonic() - started:.0f} s")
    return 0


def compare(before: str, after: str) -> int:
    """Print what differs between two recordings; return 1 where anything does."""
    old, new = (json.loads(Path(name).read_text(encoding="utf-8")) for name in (before, after))
    count = 0
    for name in [*old, *(name for name in new if name not in old)]:
        if old.get(name) == new.get(name):
            continue
        count += 1
        if name not in old or name not in new:
            print(f"only in {after if name in new else before}: {name}")
            continue
        for line in difflib.unified_diff(_shown(old[name]), _shown(new[name]), name, name, lineterm=""):
            print(line)
    print(f"{count} of {len(old.keys() | new.keys())} cases differ")
    return int(count > 0)


def _shown(record: Record) -> list[str]:
    """Return a record line by line."""
    lines = []
    for key, value in record.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False).replace("\\n", "\n")
        lines += [f"[{key}]", *text.split("\n")]
    return lines


def main(arguments: list[str]) -> int:
    """Do what the arguments say."""
    match arguments:
        case ["record", target]:
            return record(target)
        case ["compare", before, after]:
            _set_environment()
            return compare(before, after)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
