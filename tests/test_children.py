"""Children of a process: they come to the same bytes, whatever is in the file and whatever becomes of them."""

from __future__ import annotations

import atexit
import gc
import io
import json
import pickle
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import runtime
from mrl_cli.engines import child
from mrl_cli.inputs import Shard, resolve
from mrl_cli.model import Counts
from tests.each import each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")

# mrl with children for small files too. At its end it prints on stderr how many shards children measured, how many
# were measured here instead, and which processes are left; what is put in the place of %s happens before it begins.
SCRIPT = """\
import json, os, sys, time
from mrl_cli.engines import base, child, local
from mrl_cli.inputs import text
from mrl_cli.cli import main
child.BYTES_EACH = 1
text.BLOCK_BYTES = 200
made, asked, here = [], [], []
def by_child(self, shard, job, known=child.Child.part_of):
    asked.append(shard)
    return known(self, shard, job)
def instead(shard, job, known=child.part_of):
    here.append(shard)
    return known(shard, job)
def children(*arguments, known=child.children):
    found = known(*arguments)
    made.extend(found)
    return found
def behind(shard, job, known=local.part_of):
    while made and not asked:  # so that children get some of the shards
        time.sleep(0.001)
    time.sleep(0.004 if made else 0)
    return known(shard, job)
child.children, local.part_of = children, behind
child.Child.part_of, child.part_of = by_child, instead
%s
try:
    main(sys.argv[1:])
finally:
    try:
        os.waitpid(-1, os.WNOHANG)
        left = True
    except ChildProcessError:
        left = False
    print(json.dumps([len(asked), len(here), left]), file=sys.stderr)
"""

# Runs a script in a copy of itself for every line that it reads, so that all is loaded once. The line says the script,
# its arguments, its folder, and the files for stdout and stderr; the answer is how the copy ended.
MANY = """\
import json, os, signal, sys, traceback
from mrl_cli import runtime
runtime.set_environment()
import pyarrow.csv, pyarrow.parquet
from mrl_cli.commands import compute
from mrl_cli.engines import child, local
from mrl_cli.inputs import delimited, parquet, text
from mrl_cli.render.formats import json as _
from mrl_cli.reports import compute, notes
for line in sys.stdin:
    script, sys.argv[1:], folder, *files = json.loads(line)
    process = os.fork()
    if not process:
        signal.alarm(120)
        for number, name in enumerate(files, 1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 1
        try:
            os.chdir(folder)
            exec(script, {"__name__": "__main__"})
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@cache
def _many() -> subprocess.Popen[str]:
    many = subprocess.Popen([sys.executable, "-c", MANY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(many.communicate)
    return many


def _run(
    arguments: Sequence[str | Path], before: str = "", jobs: int = 3, folder: str | Path | None = None
) -> tuple[Any, int, int, bool]:
    """Run mrl; return what it printed, with its exit code, how much children did, how much not, and if any is left."""
    words = [*map(str, arguments), "--jobs", str(jobs)]
    many = _many()
    assert many.stdin
    assert many.stdout
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        print(
            json.dumps([SCRIPT % before, words, str(folder or place), str(out), str(err)]), file=many.stdin, flush=True
        )
        code, printed, told = int(many.stdout.readline()), out.read_text("utf-8"), err.read_text("utf-8")
    *said, last = told.splitlines()
    assert "Traceback" not in told
    asked, here, is_left = json.loads(last)
    return (code, printed, said), asked - here, here, is_left


def _rows(count: int) -> list[str]:
    return [f"{place % 7 / 8},{place % 5 / 3},{1 if place % 3 else -1},g{place % 11}" for place in range(count)]


def _csv(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join(["x1,x2,y,group", *rows, ""]), "utf-8")
    return path


REPORT = ("--margin", "0.3", "-f", "json")
INPUTS: dict[str, Callable[[Path], list[Any]]] = {
    "csv": lambda folder: [_csv(folder / "a.csv", _rows(120))],
    "files": lambda folder: [_csv(folder / f"{place}.csv", _rows(40 + place)) for place in range(3)],
    "bad rows": lambda folder: [
        _csv(folder / "a.csv", [*_rows(80), "oops,1,1,a", *_rows(39), "1,2,7,b", *_rows(50)]),
        "--on-error",
        "skip",
    ],
    "refused": lambda folder: [_csv(folder / "a.csv", [*_rows(80), "1,,1,a", *_rows(39)])],
    "a late quote": lambda folder: [_csv(folder / "a.csv", [*_rows(80), '1,"2",1,"a\nb"', *_rows(39)])],
    "parquet": lambda folder: [_parquet(folder / "a.parquet", 20), _parquet(folder / "b.parquet", 90)],
}


def _parquet(path: Path, group: int) -> Path:
    cells = [row.split(",") for row in _rows(120)]
    numbers = {name: pa.array([float(row[place]) for row in cells]) for place, name in enumerate(("x1", "x2", "y"))}
    pq.write_table(pa.table({**numbers, "group": [row[3] for row in cells]}), path, row_group_size=group)
    return path


OPTIONS = ("--group-by group", "", "--calibration", "", "--confidence 0.9", "--group-by group --weight x2")


@each(("name", "options"), zip(INPUTS, OPTIONS, strict=True), quick=3)
def test_children_come_to_the_same_bytes(name: str, options: str, tmp_path: Path) -> None:
    call = ["compute", *INPUTS[name](tmp_path), *REPORT, *options.split()]
    expected, none, _, _ = _run(call, jobs=1)
    found, by_children, here, is_left = _run(call)
    assert found == expected
    assert here == 0 or name in ("bad rows", "refused", "a late quote")
    assert none == 0
    assert by_children > 0
    assert not is_left


def test_shard_that_is_not_as_usual_is_measured_here(tmp_path: Path) -> None:
    """So a bad cell has its line, though a child does not know how many lines are before it."""
    rows = _rows(120)
    rows[80::10] = ["oops,1,1,a"] * 4
    (code, _, said), by_children, here, is_left = _run(["compute", _csv(tmp_path / "a.csv", rows)])
    assert code == 3
    assert "line 82: x1 is 'oops'" in "\n".join(said)
    assert by_children > 0
    assert here > 0
    assert not is_left


KILLED = """\
import signal
def dying(self, shard, job, known=child.Child.part_of):
    if len(asked) == 4:
        os.kill(self._process, signal.SIGKILL)
    return known(self, shard, job)
child.Child.part_of = dying
"""
NO_MORE = """\
def fork(known=os.fork, made=[]):
    made.append(1)
    if len(made) > 1:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return known()
os.fork = fork
"""
WITH_A_THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
LARGE_ONLY = "child.BYTES_EACH = 1 << 20"
LARGE_REPLIES = "child.MOST_REPLY_BYTES = 10"
OUTGROWN = """\
from mrl_cli.reductions.totals import TotalsReduction
def packed(self, state):
    open("packed", "w").close()  # in vain
    return state
TotalsReduction.outgrows, TotalsReduction.packed = (lambda self, state: True), packed
"""
FEW_DESCRIPTORS = """\
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
"""
# As a supervisor may leave it: nobody can wait for a child then.
NOBODY_WAITS = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
NO_THREAD = """\
import threading
def start(self, known=threading.Thread.start):
    if self._target.__name__ == "done":
        raise RuntimeError("can't start new thread")
    known(self)
threading.Thread.start = start
"""


@cache
def _of_one_process() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        _csv(Path(folder) / "a.csv", _rows(120))
        return _run(["compute", "a.csv", *REPORT], jobs=1, folder=folder)[0]


@each(
    "before",
    [KILLED, NO_MORE, WITH_A_THREAD, LARGE_ONLY, LARGE_REPLIES, OUTGROWN, FEW_DESCRIPTORS, NOBODY_WAITS, NO_THREAD],
)
def test_run_goes_on_whatever_becomes_of_children(before: str, tmp_path: Path) -> None:
    _csv(tmp_path / "a.csv", _rows(120))
    found, by_children, here, is_left = _run(["compute", "a.csv", *REPORT], before, folder=tmp_path)
    assert found == _of_one_process()
    assert (by_children > 0) == (before in (KILLED, NO_MORE, NOBODY_WAITS, NO_THREAD))
    assert (here > 0) == (before in (KILLED, LARGE_REPLIES, OUTGROWN))
    assert not (tmp_path / "packed").exists()
    assert not is_left


def test_pairs_are_held_in_one_process(tmp_path: Path) -> None:
    """What is as large as the pairs would cross a pipe."""
    path = _csv(tmp_path / "a.csv", _rows(120))
    (code, printed, _), by_children, _, _ = _run(["compute", path, "--reduction", "none"])
    assert code == 0
    assert len(printed.splitlines()) > 120
    assert by_children == 0


# Prints on stderr which processes are made.
TOLD = """\
def fork(known=os.fork):
    process = known()
    if process:
        print(process, file=sys.stderr, flush=True)
    return process
os.fork = fork
"""
ENDLESS = """\
from mrl_cli.errors import MachineError
def endless(*arguments):
    time.sleep(600)
def failing(*arguments):
    while not asked:
        time.sleep(0.01)
    raise MachineError("cannot go on")
child.quick_part, local.part_of = endless, failing
"""


def test_child_ends_with_a_run_that_fails(tmp_path: Path) -> None:
    (code, _, said), *_ = _run(["compute", _csv(tmp_path / "a.csv", _rows(120))], TOLD + ENDLESS, jobs=2)
    assert code == 4
    assert "cannot go on" in "\n".join(said)
    _wait_for_the_end_of([int(said[0])])


def test_other_work_is_done_from_the_second_part_on() -> None:
    done = list[int]()
    assert [*runtime.meanwhile([1], lambda: done.append(1))] == [1]
    assert done == []
    assert [*runtime.meanwhile([1, 2, 3], lambda: done.append(1))] == [1, 2, 3]
    assert done == [1]


def test_other_work_fails_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """It is done again where its failure can be told."""
    assert [*runtime.meanwhile([1, 2], lambda: 1 // 0)] == [1, 2]
    assert capfd.readouterr() == ("", "")


@each("is_collecting", [False, True])
def test_no_garbage_is_looked_for_while_other_work_is_done(is_collecting: bool) -> None:
    usual, seen = gc.isenabled(), list[bool]()
    set_to = {True: gc.enable, False: gc.disable}

    def work() -> None:
        seen.append(gc.isenabled())
        raise OSError

    set_to[is_collecting]()
    try:
        parts = runtime.meanwhile([1, 2, 3], work)
        assert (next(parts), next(parts)) == (1, 2)
        parts.close()  # as a run that fails
        assert (seen, gc.isenabled()) == ([False], is_collecting)
    finally:
        set_to[usual]()


FOREVER = """\
import signal
def killing(*arguments):
    while len(asked) < 2:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
local.part_of = killing
"""


def test_children_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT % (TOLD + FOREVER), "compute", str(_csv(tmp_path / "a.csv", _rows(120)))]
    done = subprocess.run([*command, "--jobs", "3"], capture_output=True, text=True, timeout=120, check=False)
    children = [int(line) for line in done.stderr.splitlines()]
    assert len(children) == 2
    _wait_for_the_end_of(children)


def test_lines_that_a_child_counted_are_known_here(tmp_path: Path) -> None:
    (source,) = resolve([str(_csv(tmp_path / "a.csv", _rows(3)))])
    one: Any = object.__new__(child.Child)
    one._places, one._is_gone, one._out = {id(source): 0}, False, io.BytesIO()
    one._in = io.BytesIO(pickle.dumps((Counts(), [], {0: (7, 1, 1)})))
    part = one.part_of(Shard(source, None, 7), None)
    assert part == (Shard(source, None, 7), Counts(), [])
    assert source.counted == {0: (7, 1, 1)}
    assert pickle.loads(one._out.getvalue()) == (0, Shard(None, None, 7))


def _wait_for_the_end_of(processes: Sequence[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(_is_running, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
