"""Tasks: whatever the spans of a file are, and wherever they are measured, every command prints and writes the same."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import platform
from collections import deque
from functools import cache, partial
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import engines
from mrl_cli.engines import cluster, tasks, worker
from mrl_cli.engines.base import Job
from mrl_cli.engines.cluster import Keepers
from mrl_cli.engines.tasks import Done, Task, span_of, tasks_of
from mrl_cli.errors import MachineError
from mrl_cli.inputs import Source, text
from mrl_cli.inputs.storage import File
from mrl_cli.model import Plan
from mrl_cli.reductions import rows as rows_out
from mrl_cli.reductions.cellsums import CellSumsReduction
from mrl_cli.reductions.totals import TotalsReduction
from mrl_cli.render import progress
from tests.each import mostly_slow
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

ROWS = 180


class Sending:
    """Workers that do one task after the other, and have nothing from here but bytes."""

    slots = 2

    def map(self, job: bytes, given: Iterable[bytes], ahead: int) -> Generator[bytes]:
        left, under_way = iter(given), deque[bytes]()
        while True:
            while len(under_way) < ahead and (task := next(left, None)) is not None:
                under_way.append(task)
            if not under_way:
                return
            yield worker.run(job, under_way.popleft())

    def close(self) -> None:
        pass


class Bytes(Sending, Keepers):
    """The same, which can keep states where they are."""

    def mapped(self, name: str, job: bytes, given: Iterable[bytes], ahead: int) -> Generator[tuple[bytes, bytes]]:
        assert name == "run_keeping"
        for task in given:
            yield worker.run_keeping(job, task)

    def join(self, job: bytes, kept: list[bytes]) -> bytes:
        return worker.joined(job, *kept)

    def fetched(self, kept: bytes) -> bytes:
        return kept


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `--engine dask` be workers in this process, which get spans of 700 bytes."""
    monkeypatch.setattr(engines, "_workers", lambda *_: Bytes())
    monkeypatch.setattr(cluster, "parts_of", partial(cluster.parts_of, span_bytes=700))
    monkeypatch.setattr(text, "HEAD_BYTES", 300)  # where quotes are looked for before a text is cut
    monkeypatch.setattr(worker, "KEPT_BYTES", 500)
    monkeypatch.setattr(cluster, "JOINED_AT_ONCE", 2)
    # Whatever stands in a job is unpickled anew by each test.
    worker.worker_of.cache_clear()


def done_by_worker(job: bytes, task: Task) -> Done:
    (done,) = tasks.dones_of(worker.run(job, pickle.dumps([task])), 1)
    return done


@cache
def rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(5)
    scores = random.integers(-99, 99, (ROWS, 4)) / 16
    return [
        {
            "x1": one[0],
            "x2": one[1],
            "y": int(random.choice([1, -1])),
            "u": one[2],
            "v": one[3],
            "g": "abc"[place % 3],
            "q": f"q{place // 7}",
        }
        for place, one in enumerate(scores.tolist())
    ]


def as_csv(values: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, values[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = rows()
    text = as_csv(values)
    lines = text.splitlines(keepends=True)
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "crlf.csv").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "no-end.csv").write_text(text.rstrip("\n"))
    (tmp_path / "bom.csv").write_text(text, "utf-8-sig")
    (tmp_path / "blank.csv").write_text("\n\n" + text.replace("\n", "\n\n"))
    quoted = [line.replace(",a,", ',"a\nb",') if place > ROWS // 2 else line for place, line in enumerate(lines)]
    (tmp_path / "quoted.csv").write_text("".join(quoted))
    bad = [line if place not in (40, 41, 130) else "oops" + line for place, line in enumerate(lines)]
    (tmp_path / "bad.csv").write_text("".join(bad))
    bad[100] = bad[100].replace(",a,", ',"a\nb",').replace(",b,", ',"b\n",').replace(",c,", ',"c\n",')
    (tmp_path / "bad-quoted.csv").write_text("".join(bad))
    (tmp_path / "long.csv").write_text("".join([*lines[:50], lines[50].replace(",q", "," + "q" * 5000), *lines[51:]]))
    (tmp_path / "plain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in values))
    broken = [json.dumps(row) + "\n" for row in values]
    broken[60] = broken[150] = '{"x1": 1, "x2": "z", "y": 1}\n'
    (tmp_path / "bad.jsonl").write_text("".join(broken))
    table = pa.Table.from_pylist(values)
    pq.write_table(table, tmp_path / "plain.parquet", row_group_size=23)
    worse = pa.Table.from_pylist(
        [row | {"x1": float("nan")} if i in (40, 150) else row for i, row in enumerate(values)]
    )
    pq.write_table(worse, tmp_path / "bad.parquet", row_group_size=40)
    lists = [{"query": row["q"], "label": row["y"] + 1, "score": row["x1"], "g": row["g"]} for row in values]
    (tmp_path / "lists.csv").write_text(as_csv(lists))
    (tmp_path / "scattered.csv").write_text(as_csv(lists[::2] + lists[1::2]))


TEXTS = "plain.csv crlf.csv no-end.csv bom.csv blank.csv quoted.csv bad.csv bad-quoted.csv long.csv"
FILES = f"{TEXTS} plain.jsonl bad.jsonl plain.parquet bad.parquet".split()
RUNS = [
    *(f"compute {name} --margin 0.5 -f csv" for name in FILES),
    *(f"compute {name} --on-error skip --rejects out.csv" for name in FILES if name.startswith("bad")),
    *(f"compute {name} --group-by g --group-by q --confidence 0.9 -f csv" for name in ("plain.csv", "quoted.csv")),
    *(f"compute {name} --reduction none --keep-columns -o out.jsonl" for name in ("plain.csv", "plain.parquet")),
    "compute plain.csv bad.csv quoted.csv plain.parquet --on-error skip --by-file -f csv",
    "compute plain.csv --loss logistic --weight v --on-error skip -f csv",
    *(f"compute {name} --x1 nope" for name in ("plain.csv", "plain.parquet")),
    "compute lists.csv",
    "rank lists.csv --loss approx_ndcg --max-pairs 2",
    "compute bad.csv --reduction none --on-error skip",
    *(f"compute {name} --reduction none --keep-columns -f csv" for name in FILES if name.startswith("bad")),
    *(f"compute {name} plain.csv --reduction none -o out.parquet" for name in ("plain.parquet", "quoted.csv")),
    "rank lists.csv --per-query -o out.parquet",
    "sweep plain.csv --margins 0:1:0.25",
    "sweep lists.csv --query query --margins 0:1:0.25",
    "compare plain.csv --x1-b u --x2-b v --group-by g -f csv",
    "compare plain.csv quoted.csv --by-row -f csv",
    *(f"validate {name} --on-error skip" for name in ("plain.csv", "bad.csv", "quoted.csv", "bad.parquet")),
    "validate plain.csv --sample 20",
    *(f"rank {name} --per-query -f tsv" for name in ("lists.csv", "scattered.csv")),
    "rank lists.csv --loss softmax --group-by g -f csv",
    "pairs lists.csv",
]


@pytest.mark.parametrize("line", mostly_slow(RUNS, quick=3))
@pytest.mark.usefixtures("files")
def test_spans_measured_elsewhere_print_the_same_bytes(line: str, tmp_path: Path, request: Any, mrl: Mrl) -> None:
    def ran(*more: str) -> tuple[Ran, bytes]:
        out = tmp_path / line.rsplit(maxsplit=1)[-1]
        written = line.rsplit(maxsplit=1)[-1].startswith("out.")
        return mrl(*line.split(), *more), out.read_bytes() if written else b""

    expected = ran()
    assert expected[0].code in (0, 1, 2, 3)
    request.getfixturevalue("elsewhere")
    assert ran("--engine", "dask") == expected


@pytest.mark.slow
@pytest.mark.usefixtures("files", "elsewhere")
def test_large_states_of_groups_are_joined_where_they_are(monkeypatch: pytest.MonkeyPatch, mrl: Mrl) -> None:
    line = ["compute", *["plain.csv", "plain.parquet"] * 5, "--group-by", "q", "-f", "csv"]
    expected = mrl(*line)
    received, joins = list[int](), list[int]()
    joined = worker.joined

    def counted(data: bytes, count: int) -> list[Done]:
        received.append(len(data))
        return tasks.dones_of(data, count)

    def counted_join(job: bytes, *kept: bytes) -> bytes:
        joins.append(len(kept))
        return joined(job, *kept)

    monkeypatch.setattr(cluster, "dones_of", counted)
    monkeypatch.setattr(worker, "joined", counted_join)
    assert mrl(*line, "--engine", "dask") == expected
    assert set(joins[:-1]) == {2}
    kept = sum(received)
    monkeypatch.setattr(engines, "_workers", lambda *_: Sending())  # keeps nothing: all comes to the client
    joins.clear()
    assert mrl(*line, "--engine", "dask") == expected
    assert not joins
    assert sum(received) - kept > kept


@pytest.mark.usefixtures("files", "elsewhere")
def test_more_groups_than_a_ledger_holds_are_refused_where_they_are_joined(
    monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    line = ["compute", "plain.csv", "plain.parquet", "--group-by", "x1", "-f", "csv", "--confidence", "0.9"]
    monkeypatch.setattr("mrl_cli.reductions.ledger.MOST_KEYS", 20)
    expected = mrl(*line)
    assert (expected.code, expected.out) == (2, "")
    assert mrl(*line, "--engine", "dask") == expected


@pytest.mark.usefixtures("files")
def test_which_cells_are_quoted_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch, mrl: Mrl) -> None:
    line = ["compute", "quoted.csv", "--reduction", "none", "--keep-columns", "-f", "csv"]
    whole = mrl(*line)
    monkeypatch.setattr(text, "BLOCK_BYTES", 300)
    assert mrl(*line) == whole
    assert '"a\nb"' in whole.out
    assert '"b"' not in whole.out


@pytest.mark.parametrize(
    "line",
    mostly_slow(
        [
            "rank small --query q --score u --label x1 --per-query",
            "compute small -f csv --by-file",
            "compute small --group-by g --group-by q --confidence 0.9 -f csv",
            "compute small --reduction none --keep-columns",
            "compute small bad.csv --on-error skip --rejects out.csv",
            "compute small --x1 g",
            "sweep small --margins 0:1:0.25",
            "compare small --x1-b u --x2-b v --group-by g -f csv",
            "validate small",
            "rank small --query q --score u --label x1 -f csv",
        ],
        quick=1,
    ),
)
@pytest.mark.usefixtures("files")
def test_small_files_are_measured_together_and_print_the_same_bytes(
    line: str, tmp_path: Path, request: Any, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").mkdir()
    values = sorted(rows(), key=lambda row: int(row["q"][1:]))
    for place in range(0, ROWS, 3):  # queries have 7 rows
        (tmp_path / "small" / f"{place:03}.csv").write_text(as_csv(values[place : place + 3]))
        pq.write_table(pa.Table.from_pylist(values[:1]), tmp_path / "small" / f"{place:03}.parquet")
    if line.startswith("rank"):
        for path in (tmp_path / "small").glob("*.parquet"):
            path.unlink()
    expected = mrl(*line.split())
    out = tmp_path / "out.csv"
    written = out.read_bytes() if out.exists() else b""
    assert expected.code in (0, 3), expected.err
    request.getfixturevalue("elsewhere")
    monkeypatch.setattr(cluster, "parts_of", partial(cluster.parts_of, span_bytes=9000))
    counted, done = list[int](), worker.Worker.dones

    def dones(given: worker.Worker, some: Sequence[Task], is_stopped: Any) -> list[Done]:
        counted.append(len(some))
        return done(given, some, is_stopped)

    monkeypatch.setattr(worker.Worker, "dones", dones)
    assert mrl(*line.split(), "--engine", "dask") == expected
    assert (out.read_bytes() if out.exists() else b"") == written
    assert min(counted[:-1]) > 2


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", mostly_slow([name for name in FILES if name.startswith("bad")], quick=2))
def test_all_rows_before_the_first_problem_are_written_and_no_others(
    name: str, monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    place = {"bad.jsonl": 60, "bad.parquet": 40}.get(name, 39)  # of the row with it
    whole = mrl("compute", "plain.csv", "--reduction", "none").out.splitlines()
    for size in (text.BLOCK_BYTES, 400):
        monkeypatch.setattr(text, "BLOCK_BYTES", size)
        for jobs in "1", "2":
            ran = mrl("compute", name, "--reduction", "none", "--jobs", jobs)
            assert (ran.code, ran.out.splitlines()) == (3, whole[: 1 + place])


@pytest.mark.usefixtures("files")
def test_all_rows_before_a_text_breaks_off_are_written_by_any_number_of_jobs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mrl: Mrl
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 30_000)
    header, _, lines = (tmp_path / "plain.csv").read_text().partition("\n")
    data = gzip.compress(f"{header}\n{lines * 40}".encode())
    (tmp_path / "torn.csv.gz").write_bytes(data[:-9])
    ran = [mrl("compute", "torn.csv.gz", "--reduction", "none", "--jobs", str(n)) for n in (1, 2, 5)]
    assert (ran[0].code, ran[0].out.count("\n") > 20 * ROWS) == (3, True)
    assert ran == ran[:1] * 3


@pytest.mark.usefixtures("files")
def test_row_groups_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mrl: Mrl) -> None:
    monkeypatch.setattr(rows_out, "WRITTEN_ROWS", 50)
    out, seen = tmp_path / "out.parquet", set()
    for size in (text.BLOCK_BYTES, 300, 2000):
        monkeypatch.setattr(text, "BLOCK_BYTES", size)
        mrl("compute", "plain.csv", "--reduction", "none", "--keep-columns", "-o", str(out))
        seen.add(out.read_bytes())
    groups = pq.ParquetFile(out).metadata
    assert [groups.row_group(place).num_rows for place in range(groups.num_row_groups)] == [50, 50, 50, 30]
    assert len(seen) == 1


def test_true_that_is_kept_beside_numbers_is_no_number(tmp_path: Path, mrl: Mrl) -> None:
    pair: dict[str, Any] = {"x1": 1, "x2": 2, "y": 1}
    cells = [1, 2.5, True, None]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(pair | {"n": cell}) + "\n" for cell in cells))
    ran = mrl("compute", str(tmp_path / "in.jsonl"), "--reduction", "none", "--keep-columns", "-f", "csv")
    assert [row[3] for row in csv.reader(ran.out.splitlines())] == ["n", "1", "2.5", "true", ""]


@pytest.mark.usefixtures("files")
def test_tasks_are_cut_by_arithmetic_alone(tmp_path: Path) -> None:
    sources = [Source(name, kind, size_bytes=size) for name, kind, size in (("a", "csv", 1 << 34), ("b", "json", 9))]
    cut = list(tasks_of(sources, Plan(), span_of(sources, slots=4)))  # neither of them exists
    spans = [task.span for task in cut if task.place == 0 and task.span]
    assert [stop for _, stop in spans] == [start for start, _ in spans[1:]] + [1 << 34]
    assert all(tasks.LEAST_SPAN_BYTES / 2 <= stop - start <= tasks.MOST_SPAN_BYTES for start, stop in spans)
    assert len(spans) == 8 * 4
    assert cut[-1] == Task(1)


def test_a_job_of_another_version_is_refused_before_it_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    job = tasks.job_bytes(Job(Plan(), (TotalsReduction(),)), [])
    forged = job.replace(b" ", b" 9.", 1).split(b"\n", 1)[0] + b"\nthis is no pickle"
    done = done_by_worker(forged, Task(0))
    assert isinstance(done.error, MachineError)
    assert "and the client 9." in str(done.error)
    assert done.error.hint == "install the same version of mrl on all workers"


def test_exponentials_demand_the_same_arithmetic_and_hinges_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    hinge, logistic = (tasks.job_bytes(Job(Plan.of(loss=loss), ()), []) for loss in ("margin_ranking", "logistic"))
    calibrated = tasks.job_bytes(Job(Plan(), (CellSumsReduction(Plan()),)), [])
    monkeypatch.setattr(tasks, "arithmetic", lambda: b"numpy-1.0-00000000")
    for exponentials in (logistic, calibrated):
        with pytest.raises(MachineError, match="exponentials in another way") as caught:
            worker.Worker(exponentials)
        hint = "give all the same NumPy and the same kind of processor; margin losses have no exponentials"
        assert caught.value.hint == hint
    worker.Worker(hinge)


def test_a_worker_without_mrl_says_so() -> None:
    assert str(tasks.dones_of(b"here has no mrl_cli", 2)[1].error) == "the worker on here has no mrl_cli"


def test_what_fails_on_a_worker_names_its_machine(tmp_path: Path) -> None:
    for name, span in (("a.csv", None), ("a.csv", (0, 99)), ("a.parquet", None), ("a.parquet", (0, 99))):
        kind = name.partition(".")[2]
        source = Source(name, kind, size_bytes=99, file=File(str(tmp_path / name)))  # which only the client has
        job = tasks.job_bytes(Job(Plan(), (TotalsReduction(),)), [source])
        done = done_by_worker(job, Task(0, span))
        assert isinstance(done.error, MachineError)
        assert str(done.error) == f"on {platform.node()}: cannot read {name}: No such file or directory"


def test_what_cannot_be_imported_here_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mrl: Mrl
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text("x1,x2,y\n1,2,1\n")
    monkeypatch.setitem(engines.WORKERS, "dask", "no_such_package_of_any_kind:Workers")
    ran = mrl("compute", "pairs.csv", "--engine", "dask")
    assert (ran.code, ran.err.splitlines()[1]) == (2, "hint: pip install 'distributed>=2025.1'")


def test_a_task_that_ends_its_workers_asks_about_memory() -> None:
    dask = pytest.importorskip("mrl_cli.engines.dask")

    class Killed:
        def result(self, timeout: float) -> bytes:
            raise dask.KilledWorker("task", "tcp://worker", 4)

    workers = dask.DaskWorkers.__new__(dask.DaskWorkers)
    workers._where = "the Dask scheduler at tcp://here"
    with pytest.raises(MachineError, match="a task ended the worker that had it") as caught:
        workers._result(Killed())
    assert caught.value.hint == "do the workers have enough memory?"


def test_a_start_that_does_not_end_is_left_alone() -> None:
    assert cluster.within(9.0, lambda: 7) == 7
    with pytest.raises(ValueError, match="oops"):
        cluster.within(9.0, partial(int, "oops"))
    silent = Event()
    with pytest.raises(TimeoutError):
        cluster.within(0.01, silent.wait)
    silent.set()


def test_a_cluster_that_lacks_something_for_long_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("mrl_cli.engines.cluster.time.monotonic", lambda: now[0])
    deadline = cluster.Deadline("the cluster")
    for second, missing in ((15, "it has no workers"), (16, None), (35, "it has no workers")):
        now[0] = second
        deadline.check(missing)
    now[0] = 37
    with pytest.raises(MachineError, match="the cluster is lost: it has no workers for 20 s"):
        deadline.check("it has no workers")


@pytest.mark.parametrize(
    "line", ["plain.csv plain.parquet plain.jsonl --group-by q", "bad.csv quoted.csv --on-error skip"]
)
@pytest.mark.usefixtures("files")
def test_progress_follows_what_was_measured_elsewhere(
    line: str, tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    done = list[int]()

    class Bar:
        task_ids = (0,)

        def update(self, _: int, *, completed: int, rate: str, **more: object) -> None:
            del more
            assert rate.endswith("rows/s")
            done.append(completed)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_bar", lambda *_, **__: Bar())
    request.getfixturevalue("elsewhere")
    assert mrl("compute", *line.split(), "-f", "csv", "--progress", "--engine", "dask").code == 0
    size = sum((tmp_path / name).stat().st_size for name in line.split() if "." in name)
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert 0 < done[0] < size / 2
    assert done[-1] == pytest.approx(size, rel=0.01)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("on_error", ["fail", pytest.param("skip", marks=pytest.mark.slow)])
def test_no_row_is_lost_where_a_bad_cell_stands_before_a_quote(
    on_error: str, tmp_path: Path, request: Any, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{place / 8},0.5,1,plain" for place in range(200)]
    lines[60], lines[75] = "bad,0.5,1,plain", '1,0.5,1,"quoted"'
    (tmp_path / "late.csv").write_text("\n".join(["x1,x2,y,t", *lines, ""]))
    line = ["compute", "late.csv", "--on-error", on_error, "-f", "csv"]
    expected = mrl(*line)
    assert expected.code == (3 if on_error == "fail" else 0)
    monkeypatch.setattr(text, "BLOCK_BYTES", 120)  # the span has several blocks, and the quote is in a later one
    request.getfixturevalue("elsewhere")
    assert mrl(*line, "--engine", "dask") == expected
    rows = ["compute", "late.csv", "--on-error", on_error, "--reduction", "none", "-f", "csv"]
    assert mrl(*rows, "--engine", "dask") == mrl(*rows)
