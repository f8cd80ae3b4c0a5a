"""Inputs that can be read only once or in one way: streams behind split files, members, end marks, quoted numbers."""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from mrl_cli.engines.base import Job, part_of
from mrl_cli.errors import MachineError
from mrl_cli.inputs import resolve, shards_of
from mrl_cli.model import Plan
from tests.each import mostly_slow
from tests.running import Ran, is_writing, run, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = "x1,x2,y,note\n"
# The first quote comes long after the head, so the file is split, and then proves unsplittable.
LATE_QUOTE = HEADER + "1,0,-1,aaaaaa\n" * 9000 + '5,0,-1,"q"\n'
STREAM = HEADER + "3,0,-1,b\n" * 30_000


@pytest.mark.parametrize("jobs", mostly_slow(["1", "4"], quick=1))
def test_no_row_of_a_stream_behind_an_unsplittable_file_is_lost(jobs: str, tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text(LATE_QUOTE)
    args = ["compute", "late.csv", "-", "late.csv", "--jobs", jobs, "--format", "json"]
    ran = run(args, stdin=STREAM.encode(), cwd=tmp_path)
    assert (ran.code, ran.result["pairs"]) == (0, 9001 + 30_000 + 9001)
    assert ran.result["sum"] == 9000 + 5 + 3 * 30_000 + 9000 + 5


@pytest.mark.parametrize(("compress", "suffix"), [(bz2.compress, "bz2"), (lzma.compress, "xz")])
def test_every_compressed_member_counts_and_a_damaged_one_is_refused(
    compress: Callable[[bytes], bytes], suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = compress(b"x1,x2,y\n1,0,-1\n"), compress(b"2,0,-1\n" * 100)
    file = tmp_path / f"pairs.csv.{suffix}"
    file.write_bytes(first + second)
    assert run_inside(["compute", str(file), "--reduction", "sum", "--raw"], capfd).out == "201.0\n"
    for damaged in (b"?" + second[1:], second[:-5]):
        file.write_bytes(first + damaged)
        ran = run_inside(["compute", str(file)], capfd)
        ran.must_fail(3)
        assert "corrupt or cut off" in ran.err


def test_arrow_stream_cut_between_batches_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"x1": [1.0] * 10, "x2": [0.0] * 10, "y": [-1] * 10})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
        cut = sink.tell()
        writer.write_table(table)
    (tmp_path / "cut.arrows").write_bytes(sink.getvalue()[:cut])
    run_inside(["compute", str(tmp_path / "cut.arrows")], capfd).must_fail(3, "cut off")


@pytest.mark.parametrize("row", ['12,"1"2,-1', '13,"1"2,-1', '"12","1"2,-1'])
def test_quotes_inside_a_number_are_refused_whatever_stands_beside(row: str, capfd: pytest.CaptureFixture[str]) -> None:
    run_inside(["compute", "-"], capfd, stdin=f"x1,x2,y\n{row}\n".encode()).must_fail(3, "line 2: x2 is")


def test_bytes_behind_a_mark_of_four_are_not_split_as_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pairs.csv").write_bytes(codecs.BOM_UTF32_BE + "x1,x2,y\n1,3,1\n".encode("utf-32-be"))
    ran = run_inside(["compute", str(tmp_path / "pairs.csv"), "--raw"], capfd)
    assert (ran.code, ran.out) == (0, "2.0\n")


@pytest.mark.slow
def test_the_file_behind_stdin_is_not_written_over(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("x1,x2,y\n1,0,-1\n")
    with pairs.open("rb") as stdin:
        call = [sys.executable, "-m", "mrl_cli", "compute", "-o", "pairs.csv"]
        process = subprocess.run(call, stdin=stdin, cwd=tmp_path, capture_output=True, check=False)
    assert process.returncode == 2
    assert pairs.read_text() == "x1,x2,y\n1,0,-1\n"


@pytest.mark.slow
def test_a_terminated_run_leaves_no_temporary_file(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "mrl_cli", "compute", "-", "--reduction", "none", "-o", "out.csv"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(b"x1,x2,y\n" + b"1,0,-1\n" * 100_000)
        process.stdin.flush()
        until = time.monotonic() + 30
        while not is_writing(process.pid, tmp_path) and time.monotonic() < until:
            time.sleep(0.01)
        assert is_writing(process.pid, tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_called_what_it_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    def refused(*args: str) -> Ran:
        return run_inside(["compute", "sample_data/founding.csv", *args], capfd)

    assert refused("-o", "losses.csv.gz", "--reduction", "none").code == 2
    assert refused("-o", "losses.parquet", "--reduction", "none", "--format", "csv").code == 2
    assert refused("--reduction", "none", "--fail-if", "value>1").code == 2


def test_an_input_that_vanishes_is_reported_as_such(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n1,0,-1\n")
    (shard,) = shards_of(resolve([str(file)]), Plan())
    file.unlink()
    with pytest.raises(MachineError, match=r"cannot read .*pairs\.csv: No such file"):
        part_of(shard, Job(Plan(), ()))
