"""Faults of a Dask cluster and of what it reads, each made for real while a run goes on, and the end that each has.

Run by `python -m tests.clusters --faults`. A run reads many objects from S3 through a proxy; when one of them is asked
for, in the middle of the run, the fault is made. The end: the bytes of a run without faults, or an exit code and one
line (and a hint), no more than 30 seconds later; then the table of all faults as Markdown.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.csv
import pyarrow.parquet as pq

import mrl_cli
from tests.clusters import BUCKET, Ran, command_of, run
from tests.serving import DaskProcesses, Fault, Proxy, Worker, proxy_before

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 30  # within which a fault has its end
OBJECTS, MIDDLE, LATER, LOCAL = 60, "many/20.csv", "many/57.csv", "local.csv"
FILES = 1000
HOST = platform.node()
MANY = f"compute {BUCKET}many/*.csv {LOCAL}"
TOTAL, LOSSES = f"{MANY} -f csv", f"{MANY} --reduction none -o left/losses.csv"
TWO = (Worker(), Worker())


class Scene:
    """A client that runs on a cluster, the proxy that both have before S3, and who may do anything in S3."""

    def __init__(self, given: Scenario, proxy: Proxy, s3: Any) -> None:
        self.proxy, self.s3 = proxy, s3
        self.cluster = DaskProcesses(given.workers)
        self.options = ["--engine", "dask", "--scheduler", self.cluster.address]
        self.at: float | None = None
        self.given = given
        with self.cluster.client() as client:
            self.pids: list[int] = list(client.run(os.getpid).values()) if given.workers else []

    def run(self) -> tuple[Ran, float]:
        """Return how the client ends, and how many seconds after the fault."""
        Path("left").mkdir(exist_ok=True)
        started, self.proxy.before = time.monotonic(), self._asked
        self.client = subprocess.Popen(
            command_of(self.given.line, *self.options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = self.client.communicate(timeout=3 * SECONDS)
        except subprocess.TimeoutExpired:
            self.client.kill()
            out, err = self.client.communicate()
        seconds = time.monotonic() - (self.at or started)
        self.proxy.before, self.proxy.faults = lambda _: None, []
        return Ran(self.client.returncode, out, err, b""), seconds

    def _asked(self, line: str) -> None:
        time.sleep(0.03)  # else there is no middle
        if self.at is None and line.startswith("GET") and MIDDLE in line:
            self.at = time.monotonic()
            self.given.make(self)

    def put_back(self) -> None:
        """Put what a fault changed back in its place, and end the cluster."""
        self.cluster.close()
        shutil.copy("many.csv", LOCAL)
        self.s3.upload_file(LOCAL, "mrl", LATER)
        shutil.rmtree("left")


class Scenario(NamedTuple):
    """A fault: what it is called, how it is made, the line that runs, and what it must end with.

    `code` and `words` are those of the client, None and "" for the end that it would have had without the fault.
    `after` returns what is wrong with the cluster then.
    """

    name: str
    make: Callable[[Scene], object] = lambda _: None
    code: int | None = None
    words: str = ""
    line: str = TOTAL
    workers: Sequence[Worker] = TWO
    after: Callable[[Scene], str] = lambda _: ""


def _killed(*, workers: int) -> Callable[[Scene], None]:
    def kill(scene: Scene) -> None:
        for pid in scene.pids[:workers]:
            os.kill(pid, signal.SIGKILL)

    return kill


def _to_scheduler(what: int) -> Callable[[Scene], None]:
    return lambda scene: scene.cluster.scheduler.send_signal(what)


def _to_client(what: int) -> Callable[[Scene], None]:
    return lambda scene: scene.client.send_signal(what)


def _forbids(scene: Scene) -> None:
    scene.proxy.faults.append(Fault(f"GET .*{LATER}", "403"))


def _other_bytes(scene: Scene) -> None:
    data = Path(LOCAL).read_bytes().replace(b"1", b"2", 1)  # of the same size
    scene.s3.put_object(Bucket="mrl", Key=LATER, Body=data)


def _goes_on(scene: Scene) -> str:
    """Return what is wrong with a cluster whose client went away; nothing of the client's is left."""
    left = [path.name for path in Path("left").iterdir() if not path.name.startswith(".")]
    left += [path.name for path in Path("left").iterdir() if scene.client.returncode != -signal.SIGKILL]
    if left:
        return f"{left} left behind"
    deadline = time.monotonic() + SECONDS
    with scene.cluster.client() as client:
        while any(client.processing().values()):
            if time.monotonic() > deadline:
                return "its tasks are still there"
            time.sleep(0.2)
        if sorted(client.run(os.getpid).values()) != sorted(scene.pids):
            return "the workers are others"
    return "" if run(TOTAL, *scene.options) == run(TOTAL, "--jobs", "1") else "the next run prints other bytes"


def without_mrl(folder: Path) -> Worker:
    """Return a worker in an environment of its own, which has all that is installed in this one but mrl."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    of = {"base": str(folder), "platbase": str(folder)}
    for ours, theirs in {
        (sysconfig.get_path(name), sysconfig.get_path(name, vars=of)) for name in ("purelib", "platlib")
    }:
        for entry in Path(ours).iterdir():
            if "mrl" not in entry.name.lower() and not Path(theirs, entry.name).exists():
                Path(theirs, entry.name).symlink_to(entry)
    return Worker(str(folder / "bin" / "python"), {"PYTHONPATH": ""})


def of_version(version: str, folder: Path) -> Worker:
    """Return a worker with a copy of mrl that has another version."""
    shutil.copytree(Path(mrl_cli.__file__).parent, folder / "mrl_cli")
    module = folder / "mrl_cli" / "__init__.py"
    text = module.read_text()
    changed = text.replace(f'"{mrl_cli.__version__}"', f'"{version}"', 1)
    assert changed != text
    module.write_text(changed)
    return Worker(changes={"PYTHONPATH": str(folder)})


def of_arithmetic() -> Worker:
    """Return a worker whose NumPy runs other kernels, as it does on an older processor."""
    known: Any = import_module("numpy._core._multiarray_umath")
    there = [name for name in known.__cpu_dispatch__ if known.__cpu_features__.get(name)]
    assert there, "this processor has nothing that NumPy could do without"
    return Worker(changes={"NPY_DISABLE_CPU_FEATURES": " ".join(there)})


def scenarios(folder: Path) -> list[Scenario]:
    """Return all faults."""
    strange = {"mrl": without_mrl(folder / "env"), "9.9": of_version("9.9", folder / "copy"), "exp": of_arithmetic()}
    nannies = [Worker(has_nanny=True)] * 2
    later, local = (f"on {re.escape(HOST)}: cannot read {re.escape(name)}" for name in (f"{BUCKET}{LATER}", LOCAL))
    lost = "the Dask scheduler at tcp://127.0.0.1:\\d+ is"
    here = re.escape(f"the worker on {HOST}")
    return [
        Scenario("a worker is killed", _killed(workers=1)),
        Scenario("a worker under a nanny is killed", _killed(workers=1), workers=nannies),
        Scenario("a nanny is killed", lambda scene: scene.cluster.workers[0].kill(), workers=nannies),
        Scenario("all workers are killed", _killed(workers=2), 4, f"{lost} lost: it has no workers"),
        Scenario("there is no worker", code=4, words=f"{lost} lost: it has no workers", workers=()),
        Scenario("the scheduler is killed", _to_scheduler(signal.SIGKILL), 4, f"{lost} gone"),
        Scenario("the scheduler is stopped", _to_scheduler(signal.SIGSTOP), 4, f"{lost} lost: it does not answer"),
        Scenario(
            "one of two workers has no mrl", code=4, words=f"{here} has no mrl_cli", workers=[strange["mrl"], *TWO[:1]]
        ),
        Scenario(
            "a worker has another version", code=4, words=f"{here} has mrl 9.9", workers=[strange["9.9"], *TWO[:1]]
        ),
        Scenario(
            "a worker computes exponentials otherwise",
            code=4,
            words=f"{here} computes exponentials in another way",
            line=f"{TOTAL} --loss logistic",
            workers=[strange["exp"]],
        ),
        Scenario("the same worker, a loss without exponentials", workers=[strange["exp"]]),
        Scenario(
            "an object vanishes",
            lambda scene: scene.s3.delete_object(Bucket="mrl", Key=LATER),
            4,
            f"{later} .127.0.0.1:.*vanished",
        ),
        Scenario("an object changes", _other_bytes, 4, f"{later} .127.0.0.1:.*changed while"),
        Scenario("an object is forbidden", _forbids, 4, f"{later} .127.0.0.1:.*forbids"),
        Scenario("a file is not there for a worker", lambda _: os.unlink(LOCAL), 4, f"{local}.*No such file"),
        Scenario(
            "one of 1,000 Parquet files is corrupt",
            code=3,
            words="thousand/0613.parquet",
            line="compute thousand/*.parquet",
        ),
        Scenario("one of 1,000 CSV files is corrupt", code=3, words="thousand/0613.csv", line="compute thousand/*.csv"),
        Scenario("the client is interrupted", _to_client(signal.SIGINT), 130, line=LOSSES, after=_goes_on),
        Scenario("the client is killed", _to_client(signal.SIGKILL), -signal.SIGKILL, line=LOSSES, after=_goes_on),
    ]


def make_many(s3: Any) -> None:
    """Write the objects, a local file like them, and a thousand files of which one is corrupt."""
    table = pyarrow.csv.read_csv("plain.csv").slice(0, 200)
    pyarrow.csv.write_csv(table, "many.csv")
    pq.write_table(table, "many.parquet")
    shutil.copy("many.csv", LOCAL)
    for place in range(OBJECTS):
        s3.upload_file(LOCAL, "mrl", f"many/{place}.csv")
    Path("thousand").mkdir()
    for suffix in ("csv", "parquet"):
        good = Path(f"many.{suffix}")
        for place in range(FILES):
            os.link(good, f"thousand/{place:04}.{suffix}")
        data = bytearray(good.read_bytes())
        place = 4 if suffix == "parquet" else len(data) // 3  # where the first page says what it holds, or any
        data[place : place + 40] = bytes(range(200, 240))
        bad = Path(f"thousand/0613.{suffix}")
        bad.unlink()
        bad.write_bytes(data)


def _wrong_with(scenario: Scenario, found: Ran, seconds: float, scene: Scene) -> str:
    """Return what is wrong with the end of a fault."""
    if scenario.code in (None, 3):  # as of one core
        is_right = found[:3] == run(scenario.line, "--jobs", "1")[:3]
    else:
        is_right = (found.code, found.out) == (scenario.code, b"") and found.err.count(b"\n") <= 2
    is_told = re.search(scenario.words, found.err.decode()) is not None
    reasons = [] if is_right and is_told else [f"exit {found.code}: {found.err.decode()[-500:]}"]
    reasons += [f"after {seconds:.0f} s"] * (seconds > SECONDS)
    scene.proxy.before, scene.proxy.faults = lambda _: None, []
    return "; ".join([*reasons, *filter(None, [scenario.after(scene)])])


def faults(url: str, s3: Any) -> int:
    """Make each fault; print the table; return how many had another end than they should."""
    make_many(s3)
    rows, wrong = [], 0
    with proxy_before(url) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy.url
        for scenario in scenarios(Path.cwd()):
            scene = Scene(scenario, proxy, s3)
            try:
                found, seconds = scene.run()
                reason = _wrong_with(scenario, found, seconds, scene)
            finally:
                scene.put_back()
            wrong += bool(reason)
            print(f"{'WRONG' if reason else 'right'} {scenario.name}: {seconds:.0f} s {reason}", flush=True)
            lines = [line for line in found.err.decode().splitlines() if re.search(scenario.words, line)]
            told = "the bytes of one core" if scenario.code is None else " ".join(lines[:1])
            rows.append(f"| {scenario.name} | {found.code} | {seconds:.0f} s | {told or 'nothing'} |")
    print("", "| fault | exit code | after | what is printed |", "|---|---|---|---|", *rows, "", sep="\n")
    return wrong
