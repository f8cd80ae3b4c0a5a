"""Faults made for real: processes killed, disks full, files that change while they are read, little memory.

    python -m tests.faults
    python -m tests.faults --only kill memory --table tests/faults.md

Each line of the table is a fault, what came out, and whether that is right: the number of the file as it was opened,
or an error of one line and its hint, with its exit code; never another number, a traceback, a crash or a hang.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MRL = (sys.executable, "-m", "mrl_cli")
ROWS = 400_000
SECONDS = 300.0  # until a run counts as one that hangs
FORMATS = ("csv", "jsonl", "parquet", "arrow", "arrows", "csv.gz")


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        lines = (" ".join(line.split()) for line in self.err.splitlines() if not line.startswith("hint: "))
        return f"{self.code}: {' / '.join(lines) or self.out.strip()[:40]}"

    @property
    def is_clear(self) -> bool:
        """Whether it is one error that a user can act on, with its hint and perhaps a table of bad rows."""
        lines = self.err.splitlines()
        lines = [line for line in lines if not line.startswith("<jemalloc>")]  # which a library prints by itself
        is_short = 1 <= len(lines) <= 5  # a table of bad rows has some
        return self.code in (2, 3, 4) and is_short and lines[0].startswith("error: ") and "Traceback" not in self.err


@dataclass
class Seen:
    """What came out of a fault, many times perhaps: each outcome once, and those that are wrong."""

    outcomes: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def take(self, outcome: object, is_right: bool) -> None:
        self.outcomes[str(outcome)] = self.outcomes.get(str(outcome), 0) + 1
        if not is_right:
            self.wrong.append(str(outcome))

    def __str__(self) -> str:
        return "; ".join(f"{outcome} ({times})" if times > 1 else outcome for outcome, times in self.outcomes.items())


Fault = tuple[str, Seen]


def started(*args: object, **how: object) -> subprocess.Popen[str]:
    """Start `mrl`, with stdout and stderr in pipes."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen([*MRL, *map(str, args)], text=True, **(pipes | how))  # type: ignore[call-overload, no-any-return]


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for a process; one that hangs is ended, with the code 124 of timeout(1)."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Ran(124, "", "hangs")
    return Ran(process.returncode, out or "", err or "")


def run(*args: object, **how: object) -> Ran:
    return ended(started(*args, **how))


def in_shell(line: str, **how: object) -> Ran:
    """Run a line of bash in which `mrl` is the command."""
    call = 'mrl() { "$PYTHON" -m mrl_cli "$@"; }; ulimit -c 0; ' + line
    env = os.environ | {"PYTHON": sys.executable}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "env": env}
    return ended(subprocess.Popen(["bash", "-c", call], text=True, **(pipes | how)))  # type: ignore[call-overload]


class Files:
    """Files of the same pairs in every format, in a folder that is the working directory, and their number."""

    def __init__(self, folder: Path, rows: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.folder = folder
        numbers = random.Random(17)
        lines = [f"{numbers.gauss(0, 3):.4f},{numbers.gauss(0, 3):.4f},{numbers.choice((1, -1))}" for _ in range(rows)]
        (folder / "pairs.csv").write_text("x1,x2,y\n" + "".join(line + "\n" for line in lines))
        cells = [line.split(",") for line in lines]
        texts = (f'{{"x1": {x1}, "x2": {x2}, "y": {y}}}\n' for x1, x2, y in cells)
        (folder / "pairs.jsonl").write_text("".join(texts))
        columns = [pa.array([row[place] for row in cells]).cast(pa.float64()) for place in range(3)]
        table = pa.table(dict(zip(("x1", "x2", "y"), columns, strict=True)))
        pq.write_table(table, folder / "pairs.parquet", row_group_size=20_000)
        for name, opened in (("arrow", pa.ipc.new_file), ("arrows", pa.ipc.new_stream)):
            with opened(folder / f"pairs.{name}", table.schema) as writer:
                writer.write_table(table, max_chunksize=20_000)
        with (folder / "pairs.csv").open("rb") as source, pa.output_stream(folder / "pairs.csv.gz") as packed:
            shutil.copyfileobj(source, packed)
        (folder / "few.csv").write_text("x1,x2,y\n1,3,1\n0.5,0.25,-1\n")
        self.number = run("compute", "pairs.csv", "--raw").out
        began = time.monotonic()
        self.rows_out = self.md5_of_rows("usual.csv")
        self.seconds = time.monotonic() - began

    def md5_of_rows(self, name: str) -> str:
        ran = run(*ROWS_OUT, "-o", name)
        assert ran.code == 0, ran
        return digest(self.folder / name)


ROWS_OUT = ("compute", "pairs.csv", "--reduction", "none")


def digest(path: Path) -> str:
    return md5(path.read_bytes(), usedforsecurity=False).hexdigest()


# -- the process is killed


def kill_file(files: Files, times: int) -> Iterator[Fault]:
    seen, target = Seen(), files.folder / "out" / "rows.csv"
    target.parent.mkdir()
    target.write_text("old\n")
    for place in range(times):
        process = started(*ROWS_OUT, "-o", target)
        time.sleep(files.seconds * 1.1 * (place + random.random()) / times)
        process.kill()
        process.communicate()
        held = target.read_text() == "old\n" and "old"
        what = held or ("new, whole" if digest(target) == files.rows_out else "neither the old file nor the new one")
        litter = sorted(entry.name for entry in target.parent.iterdir() if entry != target)
        seen.take(f"{what} file" + f", and {len(litter)} more" * bool(litter), what != "neither" and not litter)
        target.write_text("old\n")
    yield f"kill -9 of -o FILE, {times} times", seen
    yield "... and the same run again", _again(files, target)


def _again(files: Files, target: Path) -> Seen:
    seen = Seen()
    ran = run(*ROWS_OUT, "-o", target)
    is_right = ran.code == 0 and digest(target) == files.rows_out
    seen.take("the rows of an undisturbed run" if is_right else ran, is_right)
    return seen


def kill_folder(files: Files, times: int) -> Iterator[Fault]:
    reference = files.folder / "whole"
    ran = run(*ROWS_OUT, "-o", f"{reference}/", "-f", "csv")
    names = {path.name: digest(path) for path in reference.iterdir()}
    assert ran.code == 0, ran
    killed, again, target = Seen(), Seen(), files.folder / "parts"
    for place in range(times):
        process = started(*ROWS_OUT, "-o", f"{target}/", "-f", "csv")
        time.sleep(files.seconds * 1.2 * (place + random.random()) / times)
        process.kill()
        process.communicate()
        read = run("compute", target, "--x1", "x1", "--raw") if target.exists() else Ran(2, "", "error: no folder")
        is_whole = target.exists() and {path.name: digest(path) for path in target.iterdir()} == names
        what = "whole" if is_whole else "refused as an input" if read.is_clear else str(read)
        killed.take(what, is_whole or read.is_clear)
        if is_whole:
            shutil.rmtree(target)
        ran = run(*ROWS_OUT, "-o", f"{target}/", "-f", "csv")
        is_same = ran.code == 0 and {path.name: digest(path) for path in target.iterdir()} == names
        again.take("the parts of an undisturbed run" if is_same else ran, is_same)
        shutil.rmtree(target)
    yield f"kill -9 of -o FOLDER/, {times} times", killed
    yield "... and the same run again, each time", again


def kill_spool(files: Files, times: int) -> Iterator[Fault]:
    """A pipe of Parquet goes into a temporary file."""
    seen, place = Seen(), files.folder / "tmp"
    place.mkdir()
    for turn in range(times):
        reader, writer = os.pipe()
        process = started("compute", "-", "--raw", stdin=reader, env=os.environ | {"TMPDIR": str(place)})
        os.close(reader)
        with suppress(BrokenPipeError), open(writer, "wb") as file:
            file.write((files.folder / "pairs.parquet").read_bytes()[: -1 if turn % 2 else None])
            file.flush()
            time.sleep(0.05 + 0.3 * random.random())
            process.kill()
        process.communicate()
        left = len([*place.iterdir()])
        seen.take(f"{left} temporary files" if left else "nothing left", not left)
    yield f"kill -9 while a pipe is put into a temporary file, {times} times", seen


# -- disks, descriptors and streams


@contextmanager
def _small_disk(files: Files, size: str) -> Iterator[Path | None]:
    place = files.folder / "disk"
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def full_disk(files: Files, times: int) -> Iterator[Fault]:
    yield "stdout is /dev/full", _one(in_shell("mrl compute few.csv > /dev/full"), 4)
    yield "rows to /dev/full", _one(in_shell("mrl compute pairs.csv --reduction none > /dev/full"), 4)
    yield "stderr is /dev/full, all well", _one(in_shell("mrl compute few.csv --raw 2> /dev/full"), 0, "1.125\n")
    yield "stderr is /dev/full, no such file", _coded(in_shell("mrl compute nowhere.csv 2> /dev/full"), 2)
    yield (
        "-o FILE beyond ulimit -f",
        _one(in_shell("ulimit -f 100; mrl compute pairs.csv --reduction none -o f.csv"), 4),
    )
    with _small_disk(files, "128k") as disk:
        if disk is None:
            yield "a full disk", _unmade("no file system may be mounted here")
            return
        (disk / "old.csv").write_text("old\n")
        for name in ("old.csv", "new.parquet", "parts/"):
            options = ("-f", "csv") if name == "parts/" else ()
            seen = _one(run(*ROWS_OUT, "-o", f"{disk}/{name}", *options), 4)
            left = sorted(path.name for path in disk.iterdir())
            seen.take(f"then there is {', '.join(left)}", left == ["old.csv"] and (disk / left[0]).stat().st_size == 4)
            yield f"a disk of 128 KB, -o {name}", seen
        with suppress(OSError), (disk / "big").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        os.truncate(disk / "big", (disk / "big").stat().st_size - (16 << 10))  # Python looks for room for a few bytes
        env = os.environ | {"TMPDIR": str(disk)}
        with (files.folder / "pairs.parquet").open() as file:
            piped = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
            yield "no space for the temporary file of a pipe", _one(run("compute", "-", stdin=piped.stdout, env=env), 4)
            piped.kill()
            piped.communicate()


def closed_streams(files: Files, times: int) -> Iterator[Fault]:
    number = "1.125\n"
    yield "stdout closed", _one(in_shell("mrl compute few.csv >&-"), 4)
    yield "stdout closed, -o FILE", _one(in_shell("mrl compute few.csv --raw -o o.tsv >&- && cat o.tsv"), 0, number)
    yield "stderr closed", _one(in_shell("mrl compute few.csv --raw 2>&-"), 0, number)
    yield "stderr closed, no such file", _coded(in_shell("mrl compute nowhere.csv 2>&-"), 2)
    yield "stderr closed, -o FILE", _one(in_shell("mrl compute few.csv --raw -o p.tsv 2>&- && cat p.tsv"), 0, number)
    yield "stdout and stderr closed", _coded(in_shell("mrl compute few.csv >&- 2>&-"), 4)
    yield "stdin closed", _one(in_shell("mrl compute few.csv --raw <&-"), 0, number)
    yield "stdin closed, INPUT is -", _one(in_shell("mrl compute - <&-"), 4)
    yield "all three closed", _coded(in_shell("mrl compute few.csv <&- >&- 2>&-"), 4)
    yield (
        "all three closed, -o FILE",
        _one(in_shell("(mrl compute few.csv --raw -o q.tsv <&- >&- 2>&-) && cat q.tsv"), 0, number),
    )
    yield "stdout closed, --help", _one(in_shell("mrl --help >&-"), 4)
    yield (
        "stdout goes away (head -1)",
        _coded(in_shell("set -o pipefail; mrl compute pairs.csv --reduction none | head -1 >/dev/null"), 141),
    )


def stalled(files: Files, times: int) -> Iterator[Fault]:
    for name, lead in (("nothing", b""), ("half a row", b"x1,x2,y\n1,3,1\n0.5,0.")):
        seen, path = Seen(), files.folder / f"fifo{len(lead)}"
        os.mkfifo(path)
        process = started("compute", path)
        with path.open("wb", buffering=0) as fifo:
            fifo.write(lead)
            time.sleep(2)
            spent = sum(_cpu_of(process.pid))
            time.sleep(2)
            busy = sum(_cpu_of(process.pid)) - spent
            process.send_signal(signal.SIGINT)
            asked = time.monotonic()
            ran = ended(process)
            took = time.monotonic() - asked
        seen.take(f"{busy / 2:.0%} of a core while it waits", busy <= 0.04)
        seen.take(f"Ctrl-C: {ran.code}, at once" if took < 1 else f"after {took:.1f} s", ran.code == 130 and took < 1)
        yield f"a FIFO that stalls after {name}", seen


def _cpu_of(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


# -- files that change


def _appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes()[-5000:])


def _halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    data = bytearray(path.read_bytes())
    other.write_bytes(data.replace(b"-1", b" 1") if path.suffix in (".csv", ".jsonl") else data[:-8] + data[-8:])
    other.replace(path)


def _overwritten(path: Path) -> None:
    data = path.read_bytes()
    with path.open("r+b") as file:  # the same size, in place
        file.write(data.replace(b"-1", b" 1") if path.suffix in (".csv", ".jsonl") else data)


def _removed(path: Path) -> None:
    path.unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "grows": _appended,
    "becomes half as long": _halved,
    "is replaced": _replaced,
    "is written over in place": _overwritten,
    "is removed": _removed,
}


def changing(files: Files, times: int) -> Iterator[Fault]:
    for word, change in CHANGES.items():
        codes = (2, 3, 4) if change is _removed else (3, 4)  # 2 before it was opened
        for suffix in FORMATS:
            seen = Seen()
            for turn in range(times):
                path = files.folder / f"changing.{suffix}"
                shutil.copyfile(files.folder / f"pairs.{suffix}", path)
                process = started("compute", path.name, "--raw", "--jobs", 1 + turn % 2)
                time.sleep(0.1 + (files.seconds + 0.2) * random.random())
                change(path)
                ran = ended(process)
                is_right = ran.out == files.number if ran.code == 0 else ran.is_clear and ran.code in codes
                is_right |= ran.code == 0 and ran.out == _number_of(path)  # before it was opened
                seen.take("the number of the file as it was opened" if ran.code == 0 and is_right else ran, is_right)
            yield f"{suffix} that {word} while it is read, {times} times", seen


def _number_of(path: Path) -> str:
    return run("compute", path.name, "--raw").out if path.exists() else ""


# -- the machine's limits


def memory(files: Files, times: int) -> Iterator[Fault]:
    sizes = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 350, 400, 450, 500, 600, 700, 900]
    sizes = sizes if times > 3 else sizes[::3]
    for suffix in FORMATS:
        seen = Seen()
        for size in sizes:
            ran = in_shell(f"ulimit -v {size}000; mrl compute pairs.{suffix} --raw")
            is_right = ran.out == files.number if ran.code == 0 else ran.is_clear and ran.code == 4
            # NumPy's and pyarrow's parts, and the loader itself, end a process for which they have no memory.
            on_load = any(said in ran.err for said in ("data: ABORT", "MADV_DONTNEED", "OpenBLAS error"))
            what = "the number" if ran.code == 0 and is_right else ran
            seen.take("a library ends the process while it is loaded" if on_load else what, is_right or on_load)
        yield f"{suffix}, ulimit -v of {sizes[0]} to {sizes[-1]} MB", seen


def endless(files: Files, times: int) -> Iterator[Fault]:
    size, place = (300 << 20) if times > 3 else (100 << 20), files.folder / "endless"
    place.mkdir()
    rows, objects = b"x1,x2,y,t\n1,3,1,a\n", b'{"x1": 1, "x2": 3, "y": 1}\n'
    heads = {
        "csv: a quote that is never closed": (rows + b'1,3,1,"', b"1,3,1,abc\n", "line 3: "),
        "csv: a stray quote, then one never closed": (rows + b'1,3,1,a"b\n1,3,1,"', b"1,3,1,abc\n", "line 4: "),
        "csv: a line that never ends": (rows + b"1,3,1,", b"a", "line 3: "),
        "jsonl: a line that never ends": (objects + b'{"x1": 1, "t": "', b"a", "line 2: "),
        "jsonl: a first line that never ends": (b'{"x1": 1, "t": "', b"a", "line 1: "),
    }
    for name, (head, rest, line) in heads.items():
        path = place / f"endless.{name.partition(':')[0]}"
        with path.open("wb") as file:
            file.write(head)
            for _ in range(size >> 20):
                file.write(rest * ((1 << 20) // len(rest)))
        for way, call in (("", str(path)), (", from a pipe", "-")):
            if way and "first" in name:  # without its name it may be one value of JSON, which is held whole
                continue
            before = f"cat {path} | " * bool(way)
            ran = in_shell(f"{before}(ulimit -v 600000; mrl compute {call})")
            is_right = ran.code == 3 and ran.is_clear and line in ran.err
            seen = Seen()
            seen.take(ran, is_right)
            yield f"{name} of {size >> 20} MB{way}, ulimit -v 600 MB", seen
        path.unlink()


def handles(files: Files, times: int) -> Iterator[Fault]:
    for count in (8, 12, 16, 24):
        seen = Seen()
        for suffix in ("csv", "parquet"):
            ran = in_shell(f"ulimit -n {count}; mrl compute pairs.{suffix} --raw")
            is_right = ran.out == files.number if ran.code == 0 else ran.is_clear and ran.code == 4
            seen.take("the number" if ran.code == 0 and is_right else ran, is_right)
        yield f"ulimit -n {count}, CSV and Parquet", seen


def many_files(files: Files, times: int) -> Iterator[Fault]:
    count, place = (10_000 if times > 3 else 1000), files.folder / "many"
    for suffix in ("csv", "parquet"):
        place.mkdir()
        source = place / f"0.{suffix}"
        if suffix == "csv":
            source.write_text("x1,x2,y\n1,3,1\n")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.table({"x1": [1.0], "x2": [3.0], "y": [1]}), source)
        for number in range(1, count):
            os.link(source, place / f"{number}.{suffix}")
        seen = Seen()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = in_shell("ulimit -n 32; mrl compute many --reduction sum --raw")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        is_right = ran.code == 0 and float(ran.out) == 2.0 * count
        most = f", {spent:.1f} s of CPU, under ulimit -n 32"
        seen.take(f"the number{most}" if is_right else ran, is_right)
        yield f"{count:,} {suffix} files", seen
        shutil.rmtree(place)


# -- places


def places(files: Files, times: int) -> Iterator[Fault]:
    number = "1.125\n"
    loop = files.folder / "loop"
    (loop / "below").mkdir(parents=True)
    (loop / "few.csv").write_text((files.folder / "few.csv").read_text())
    (loop / "below" / "again").symlink_to(loop, target_is_directory=True)
    (loop / "self").symlink_to("self")
    yield "a loop of links below a folder", _one(run("compute", loop, "--raw"), 0, number)
    yield "a link to itself as INPUT", _one(run("compute", loop / "self"), 2)
    (loop / "dangling.csv").symlink_to("nowhere.csv")
    yield "a link to nowhere below a folder", _one(run("compute", loop), 4)
    with _small_disk(files, "128k") as shut:
        if shut is not None:
            shutil.copy(files.folder / "few.csv", shut)
            subprocess.run(["mount", "-o", "remount,ro", str(shut)], check=True)
            line = f'cd {shut}; HOME="$PWD" mrl compute few.csv --raw'
            yield "HOME and working directory are read-only", _one(in_shell(line), 0, number)
            yield "... and -o FILE there", _one(in_shell(f"{line} -o here.tsv"), 4)
    gone = "mkdir gone; cd gone; rmdir ../gone; "
    yield (
        "the working directory is gone, INPUT by its whole path",
        _one(in_shell(f'{gone} mrl compute "{files.folder}/few.csv" --raw'), 0, number),
    )
    yield "the working directory is gone, INPUT in it", _one(in_shell(f"{gone} mrl compute few.csv"), 2)
    yield (
        "the working directory is gone, -o in it",
        _one(in_shell(f'{gone} mrl compute "{files.folder}/few.csv" --raw -o o.tsv'), 4),
    )
    for name in ("", "C", "xx_XX.nonsense", "tr_TR.ISO-8859-9", "de_DE.UTF-8"):
        env = {key: text for key, text in os.environ.items() if not key.startswith(("LC_", "LANG"))}
        env |= {"LC_ALL": name} if name else {}
        seen = _one(run("compute", "few.csv", "--raw", env=env), 0, number)
        seen.take(*_shown_name(run("compute", "é.csv", env=env)))
        yield f"LC_ALL is {name or 'not set'}", seen
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    yield "an environment without HOME and all else", _one(run("compute", "few.csv", "--raw", env=env), 0, number)


def _shown_name(ran: Ran) -> tuple[str, bool]:
    return ("a missing file is named" if ran.is_clear and ran.code == 2 else str(ran)), ran.is_clear and ran.code == 2


CLOCK = """
import random, time
steps = random.Random(7)
usual, usual_ns, monotonic = time.time, time.time_ns, time.monotonic
ahead = 0.0

def leaping():  # a machine that sleeps; it never goes back
    global ahead
    ahead += steps.choice((0.0, 0.0, 1e5))
    return monotonic() + ahead

time.time = lambda: usual() + steps.choice((-1e9, -1.0, 0.0, 1e9))
time.time_ns = lambda: usual_ns() + steps.choice((-10**18, 0, 10**18))
time.monotonic = leaping
"""


def clock(files: Files, times: int) -> Iterator[Fault]:
    place = files.folder / "clock"
    place.mkdir()
    (place / "sitecustomize.py").write_text(CLOCK)
    env = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    yield "a clock that jumps back and forth", _one(run("compute", "pairs.csv", "--raw", env=env), 0, files.number)
    ran = run("compute", "pairs.csv", "--raw", "--progress", env=env)
    yield "... with --progress", _one(ran._replace(err=""), 0, files.number)


def _one(ran: Ran, code: int, out: str | None = None) -> Seen:
    """One outcome: the exit code and what was printed, or one clear error."""
    is_right = ran.code == code and (ran.is_clear if code else ran.out == out and not ran.err)
    seen = Seen()
    seen.take("the number" if is_right and not code else ran, is_right)
    return seen


def _coded(ran: Ran, code: int) -> Seen:
    """One outcome where nobody can hear what is said: the exit code."""
    seen = Seen()
    seen.take(f"exit code {ran.code}" + f": {ran.err}" * (ran.code != code), ran.code == code)
    return seen


def _unmade(why: str) -> Seen:
    seen = Seen()
    seen.take(f"not made: {why}", True)
    return seen


FAULTS: dict[str, tuple[Callable[[Files, int], Iterator[Fault]], ...]] = {
    "kill": (kill_file, kill_folder, kill_spool),
    "disk": (full_disk,),
    "streams": (closed_streams, stalled),
    "changing": (changing,),
    "memory": (memory, endless),
    "handles": (handles, many_files),
    "places": (places, clock),
}


def table(lines: list[tuple[str, str, str]]) -> str:
    """Return lines as a table of Markdown."""
    head = ["| fault | what came out | right? |", "|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)]) + "\n"


def main() -> int:
    """Run the program; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Make faults for real, and tell what comes out.")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--times", type=int, default=20, help="of faults at random moments; 3 or fewer: the short form")
    parser.add_argument("--table", type=Path, help="write the table here, as Markdown")
    options = parser.parse_args()
    lines: list[tuple[str, str, str]] = []
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(place) for place in path.split(os.pathsep) if place)
    usual = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        os.chdir(folder)
        files = Files(Path(folder), ROWS if options.times > 3 else ROWS // 4)
        for name in options.only:
            for made in FAULTS[name]:
                for fault, seen in made(files, options.times):
                    came = re.sub(re.escape(folder) + "/?", "", str(seen))
                    lines.append((fault, came, "wrong" if seen.wrong else "right"))
                    print(f"{lines[-1][2]:6} {fault}: {came}", flush=True)
        os.chdir(usual)
    wrong = sum(line[2] == "wrong" for line in lines)
    if options.table is not None:
        options.table.write_text(table(lines))
    print(f"{len(lines)} faults, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
