"""Rows written as parts of a folder: those of the one file, the same bytes whoever writes, whole or not at all."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from mrl_cli import engines
from mrl_cli.engines import tasks, worker
from mrl_cli.errors import MachineError
from mrl_cli.inputs import text
from mrl_cli.reductions import rows as rows_out
from mrl_cli.render.folder import PartsFolder
from tests.each import mostly_slow
from tests.running import Mrl, Ran, run
from tests.test_tasks import Bytes, as_csv, rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


SPAN = 500
MANIFEST = "_mrl_manifest.json"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tasks, "LEAST_SPAN_BYTES", SPAN)
    monkeypatch.setattr(text, "BLOCK_BYTES", 300)
    monkeypatch.setattr(text, "HEAD_BYTES", 300)  # where a quote is looked for before a text is cut
    monkeypatch.setattr(rows_out, "WRITTEN_ROWS", 10)
    monkeypatch.setattr("os.fsync", lambda _: None)  # which may take a tenth of a second
    worker.worker_of.cache_clear()
    values = rows()
    whole_text = as_csv(values)
    lines = whole_text.splitlines(keepends=True)
    Path("plain.csv").write_text(whole_text)
    quoted = [*lines[:80], lines[80].replace(",a,", ',"a\nb",').replace(",b,", ',"a\nb",').replace(",c,", ',"a\nb",')]
    Path("quoted.csv").write_text("".join([*quoted, *lines[81:]]))
    bad = ["oops" + line if place in (40, 150) else line for place, line in enumerate(lines)]
    Path("bad.csv").write_text("".join(bad))
    bad = ["oops" + line if place in (9, 50, 170) else line for place, line in enumerate([*quoted, *lines[81:]])]
    Path("mixed.csv").write_text("".join(bad))
    Path("plain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in values))
    pq.write_table(pa.Table.from_pylist(values), "plain.parquet", row_group_size=23)


def written(folder: str = "out") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def parts_of(folder: str = "out") -> list[Path]:
    """Return the parts that the manifest lists, which are all there are."""
    manifest = json.loads((Path(folder) / MANIFEST).read_text())
    parts = [Path(folder) / part["name"] for part in manifest["parts"]]
    assert sorted(path.name for path in parts) == [path.name for path in parts]
    assert {path.name for path in Path(folder).iterdir()} == {MANIFEST, *(path.name for path in parts)}
    assert [path.stat().st_size for path in parts] == [part["bytes"] for part in manifest["parts"]]
    return parts


def read(path: Path) -> list[Any]:
    if path.suffix == ".parquet":
        return [*pq.read_table(path).to_pylist()]
    lines = path.read_text().replace('"a\nb"', '"a b"').splitlines()
    return lines if path.suffix == ".jsonl" else lines[1:]


class Elsewhere(Bytes):
    """Workers of whom each task is done more than once, the first time by one that ends as its part takes its name."""

    def map(self, job: bytes, given: Iterable[bytes], ahead: int) -> Generator[bytes]:
        for task in given:
            with pytest.MonkeyPatch.context() as ending:
                ending.setattr("os.replace", self._end)
                worker.run(job, task)
            worker.run(job, task)  # and once whole, unheard
            yield worker.run(job, task)

    @staticmethod
    def _end(begun: str, _: object) -> None:
        Path(begun).with_suffix(".left.tmp").write_text("of a worker that was killed")
        raise InterruptedError


INPUTS = {
    "plain.csv": "csv",
    "plain.jsonl": "jsonl",
    "plain.parquet": "parquet",
    "quoted.csv plain.csv": "csv",
    "bad.csv mixed.csv plain.parquet --on-error skip --rejects rejects.csv": "tsv",
}


@pytest.mark.parametrize(("line", "more"), mostly_slow(product(INPUTS, ["", "--keep-columns"]), quick=1))
def test_parts_hold_the_rows_of_one_file_and_are_the_same_whoever_writes(
    line: str, more: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = INPUTS[line]
    if more and "parquet" in line and " " in line:
        line = line.replace("plain.parquet", "plain.csv")
    words = ["compute", *line.split(), *more.split(), "--reduction", "none", "--margin", "0.5"]
    assert mrl(*words, "-o", f"one.{kind}").code == 0
    seen = []
    for way in (["--jobs", 1], ["--jobs", 2], ["--engine", "dask"]):
        monkeypatch.setattr(engines, "_workers", lambda *_: Elsewhere())
        ran = mrl(*words, *way, "-f", kind if kind != "parquet" else "auto", "-o", f"out.{kind}/")
        rejects = Path("rejects.csv").read_bytes() if "rejects" in line else b""
        seen.append((ran, written(f"out.{kind}"), rejects))
        parts = parts_of(f"out.{kind}")
        manifest = json.loads((Path(f"out.{kind}") / MANIFEST).read_text())
        assert [len(read(path)) for path in parts] == [part["rows"] for part in manifest["parts"]]
        assert [row for path in parts for row in read(path)] == read(Path(f"one.{kind}"))
        shutil.rmtree(f"out.{kind}")
    assert seen[0][0].code == 0
    assert len(seen[0][1]) > 8
    assert seen[1:] == seen[:1] * 2


@pytest.mark.parametrize("kind", mostly_slow(["csv", "parquet"], quick=1))
def test_a_folder_of_parts_is_read_by_others_and_again(kind: str, mrl: Mrl) -> None:
    words = ["--keep-columns", "--reduction", "none"]
    assert mrl("compute", f"plain.{kind}", *words, "-o", f"out.{kind}/").code == 0
    table = pa.dataset.dataset(f"out.{kind}", format=kind).to_table()
    assert table.num_rows == len(rows())
    expected = mrl("compute", f"plain.{kind}", "--raw").out
    assert [mrl("compute", name, "--raw").out for name in (f"out.{kind}/", f"out.{kind}/*")] == [expected] * 2
    assert mrl("validate", f"out.{kind}/", "--loss-column", "loss").code == 0


@pytest.mark.slow
def test_stdin_is_a_part_of_its_own() -> None:
    words = ["compute", "plain.csv", "-", "plain.csv", "--reduction", "none", "-f", "csv", "-o", "out/"]
    ran = run(words, Path("plain.csv").read_bytes(), cwd=Path())
    assert ran == Ran(0, "", "note: plain.csv was read 2 times\n")
    assert [path.name for path in parts_of()] == ["part-00000.csv", "part-00001.csv", "part-00002.csv"]
    assert len({path.read_bytes() for path in parts_of()}) == 1


@pytest.mark.parametrize(
    ("line", "is_there"),
    mostly_slow(
        product(["bad.csv", "plain.csv --x1 nope", "plain.csv torn.csv.gz", "plain.csv a/*.csv"], [True, False]),
        quick=1,
    ),
)
def test_failed_run_leaves_no_part(line: str, is_there: bool, mrl: Mrl) -> None:
    Path("torn.csv.gz").write_bytes(gzip.compress(Path("plain.csv").read_bytes())[:-9])
    Path("a").mkdir()
    Path("a/a.csv").write_text("x1,x2,y,other\n1,2,1,3\n")
    if is_there:
        Path("out").mkdir()
    before = sorted(path.name for path in Path().iterdir())
    words = ["compute", *line.split(), "--keep-columns", "--reduction", "none", "-f", "csv"]
    one = mrl(*words, "-o", "one.csv")
    assert one.code == (2 if "nope" in line else 3)
    for jobs in 1, 2:
        assert mrl(*words, "--jobs", jobs, "-o", "out/") == one
        assert sorted(path.name for path in Path().iterdir()) == before
        assert not (is_there and any(Path("out").iterdir()))


@pytest.mark.slow
def test_worker_that_comes_late_writes_nothing(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[bytes, bytes]] = []

    class Late(Bytes):
        def map(self, job: bytes, some: Iterable[bytes], ahead: int) -> Generator[bytes]:
            for task in some:
                given.append((job, task))
                yield worker.run(job, task)

    monkeypatch.setattr(engines, "_workers", lambda *_: Late())
    assert mrl("compute", "bad.csv", "--reduction", "none", "--engine", "dask", "-o", "out/").code == 3
    Path("out").mkdir()
    (done,) = tasks.dones_of(worker.run(*given[0]), 1)
    assert isinstance(done.error, MachineError)
    assert "that folder is another, or the run ended" in done.error.message
    assert done.error.hint == "write where all workers can, such as -o s3://bucket/folder/"
    assert written() == {}


def test_part_of_a_run_that_ends_while_it_is_written_is_thrown_away() -> None:
    def write(folder: PartsFolder) -> None:
        with folder.part("part-0") as file:
            file.write(b"loss")
            folder.settle({})

    with PartsFolder("out/").held() as folder, pytest.raises(MachineError, match="the run ended"):
        write(folder)
    assert written() == {}


def test_folder_that_is_emptied_meanwhile_has_not_the_parts_that_were_written() -> None:
    with PartsFolder("out/").held() as folder:
        with folder.part("part-0") as file:
            file.write(b"loss")
        for path in Path("out").iterdir():
            path.unlink()
        with pytest.raises(MachineError, match="part-0: it is not there"):
            folder.settle({"part-0": 4})


def test_interrupted_run_leaves_no_part(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Bytes):
        def map(self, job: bytes, given: Iterable[bytes], ahead: int) -> Generator[bytes]:
            yield worker.run(job, next(iter(given)))
            assert Path("out/part-00000.tsv").exists()
            raise KeyboardInterrupt

    monkeypatch.setattr(engines, "_workers", lambda *_: Interrupted())
    assert mrl("compute", "plain.csv", "--reduction", "none", "--engine", "dask", "-o", "out/") == Ran(130, "", "")
    assert not Path("out").exists()


def test_folder_that_another_process_is_writing_is_not_read(mrl: Mrl) -> None:
    Path("out").mkdir()
    Path("out/part-00000.csv").write_text("x1,x2,y\n1,2,1\n")
    Path("out/_mrl_running-0123").write_text("")
    message = "error: out/ is not whole: mrl writes there, or was ended while it did"
    assert mrl("compute", "out/") == Ran(
        3, "", f"{message}\nhint: wait for it, or remove the folder and write it again\n"
    )


def test_part_that_is_not_as_it_was_written_is_an_error(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(Bytes):
        def map(self, job: bytes, given: Iterable[bytes], ahead: int) -> Generator[bytes]:
            for task in given:
                yield worker.run(job, task)
                if any(one.part == "00001" for one in pickle.loads(task)):
                    Path("out/part-00001.csv").write_text("other")

    monkeypatch.setattr(engines, "_workers", lambda *_: Elsewhere())
    ran = mrl("compute", "plain.csv", "--reduction", "none", "-f", "csv", "--engine", "dask", "-o", "out/")
    assert (ran.code, ran.err) == (
        4,
        "error: cannot write out/part-00001.csv: it is not there as a worker has written it\n"
        "hint: does something else write to that folder?\n",
    )
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compute plain.csv -o out/", "-o out/ is a folder, and what is written is one file"),
        ("pairs lists.csv -o out/", "-o out/ is a folder, and what is written is one file"),
        ("compute plain.csv --reduction none -o full/", "-o full/: there is something in that folder"),
        ("compute plain.csv --reduction none -o full.gz/", "mrl writes no .gz files"),
        (
            "compute bad.csv --on-error skip --rejects out/bad.csv --reduction none -o out/",
            "--rejects is in the folder of --output, which is for parts",
        ),
    ],
)
def test_folders_that_cannot_be_written_are_usage_errors(line: str, message: str, mrl: Mrl) -> None:
    Path("full").mkdir()
    Path("full/old.csv").write_text("")
    Path("lists.csv").write_text("query,label,score\na,1,1\na,0,0\n")
    mrl(*line.split()).must_fail(2, message)
    assert not Path("out").exists()


def test_folder_in_no_folder_is_the_machines_error(mrl: Mrl) -> None:
    ran = mrl("compute", "plain.csv", "--reduction", "none", "-o", "no/out/")
    assert ran == Ran(4, "", "error: cannot write no/out/: No such file or directory\nhint: make the folder first\n")
