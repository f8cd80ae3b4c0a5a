"""What a run leaves when it is killed, what it says of files that change, and of closed streams and little memory."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.engines import base
from mrl_cli.errors import MachineError, is_out_of_memory
from mrl_cli.inputs import storage, streams
from mrl_cli.render import files
from tests.each import each
from tests.running import run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]

FEW = "x1,x2,y\n1,3,1\n0.5,0.25,-1\n"
ROWS = ("compute", "pairs.csv", "--reduction", "none")
CHANGED = "it changed while it was read\nhint: run again once it is written\n"
needs_unnamed_files = pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system names every file")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text(FEW)
    return tmp_path


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,3,1\n")


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


@each("change", [_append, _touch, os.unlink])
@each("name", ["pairs.csv", "pairs.jsonl", "pairs.parquet"])
def test_a_file_that_changes_while_it_is_read_gives_no_number(
    name: str, change: Callable[[Path], None], folder: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pairs.csv").write_text(FEW)
    (folder / "pairs.jsonl").write_text('{"x1": 1, "x2": 3, "y": 1}\n')
    pq.write_table(pa.table({"x1": [1.0], "x2": [3.0], "y": [1]}), folder / "pairs.parquet")
    assert run_inside(["compute", name, "--raw"], capfd).code == 0

    def changing(*given: Any, usual: Any = base.part_of) -> Any:
        part = usual(*given)
        change(folder / name)
        return part

    monkeypatch.setattr("mrl_cli.engines.local.part_of", changing)
    ran = run_inside(["compute", name, "-o", "out.tsv"], capfd)
    assert (ran.code, ran.out, ran.err) == (4, "", f"error: cannot read {name}: {CHANGED}")
    assert not (folder / "out.tsv").exists()


def test_an_error_that_a_change_led_to_tells_the_change(
    folder: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = storage.File.read

    def shorter(file: storage.File, offset: int, size: int) -> bytes:
        os.truncate(file.path, len(FEW) - 3)
        return usual(file, offset, size)

    monkeypatch.setattr(storage.File, "read", shorter)
    assert run_inside(["compute", "pairs.csv"], capfd).err == f"error: cannot read pairs.csv: {CHANGED}"


@pytest.mark.slow
def test_an_arrow_file_that_becomes_shorter_does_not_end_the_process(folder: Path) -> None:
    table = pa.table({"x1": [1.0] * 9000, "x2": [3.0] * 9000, "y": [1] * 9000})
    with pa.ipc.new_file(folder / "pairs.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=3000)
    code = """if True:
        import os, sys
        from mrl_cli.inputs import arrowfile
        from mrl_cli.cli import process
        usual = arrowfile._validated
        def shorter(batch):
            os.truncate("pairs.arrow", 100)
            return usual(batch)
        arrowfile._validated = shorter
        sys.argv = ["mrl", "compute", "pairs.arrow"]
        process()"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (4, f"error: cannot read pairs.arrow: {CHANGED}")


@needs_unnamed_files
def test_what_is_being_written_has_no_name_yet(folder: Path) -> None:
    with files.whole_file("out.csv") as file:
        file.write(b"1\n")
        file.flush()
        assert [path.name for path in folder.iterdir()] == ["pairs.csv"]
    assert (folder / "out.csv").read_text() == "1\n"
    held, path = streams.temporary(".parquet")
    held.write(b"2")
    held.flush()
    with open(path, "rb") as one, open(path, "rb") as other:
        assert one.read() == other.read() == b"2"
    assert not any(path.startswith(str(place)) for place in (folder, "/tmp", os.environ.get("TMPDIR", "/tmp")))
    held.close()


def test_a_file_is_whole_or_not_there_without_files_that_have_no_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_DESCRIPTORS", "/nowhere")
    with pytest.raises(ValueError, match="closed"), files.whole_file("out.csv") as file:
        file.close()
    assert [path.name for path in folder.iterdir()] == ["pairs.csv"]
    with files.whole_file("out.csv") as file:
        file.write(b"1\n")
    assert (folder / "out.csv").read_text() == "1\n"


PARTS_OF_ANOTHER = "there is something in that folder"


def _as_of_a_killed_run(folder: Path, host: str = "") -> Path:
    (folder / "parts").mkdir()
    (folder / "parts" / "_mrl_running-00").write_text(host or platform.node())
    (folder / "parts" / "part-00000.csv").write_text("loss\n17\n")
    (folder / "parts" / ".part-00001.csv.00.tmp").write_text("loss\n")
    return folder / "parts"


@each("moment", ["parts are written", "all are there", "and the manifest"])
def test_the_folder_of_a_killed_run_is_written_again(moment: str, folder: Path, capfd: Capture) -> None:
    parts = _as_of_a_killed_run(folder)
    if moment != "parts are written":
        (parts / "_mrl_running-00").rename(parts / "_mrl_running-00-ended")
    if moment == "and the manifest":
        (parts / "_mrl_manifest.json").write_text("{}")
    assert run_inside(["compute", "parts", "--x1", "loss"], capfd).code == 3  # it is not whole
    assert run_inside([*ROWS, "-o", "parts/", "-f", "csv"], capfd).code == 0
    assert sorted(path.name for path in parts.iterdir()) == ["_mrl_manifest.json", "part-00000.csv"]
    assert "17" not in (parts / "part-00000.csv").read_text()


@each("why", ["the run is alive", "it is on another machine", "there is another file"])
def test_a_folder_that_may_be_in_use_is_left_as_it_is(why: str, folder: Path, capfd: Capture) -> None:
    parts = _as_of_a_killed_run(folder, "another" if "machine" in why else "")
    if "file" in why:
        (parts / "notes.txt").write_text("mine")
    before = sorted(parts.iterdir())
    with (parts / "_mrl_running-00").open("rb+") as running:
        if "alive" in why:
            fcntl.flock(running, fcntl.LOCK_EX)
        ran = run_inside([*ROWS, "-o", "parts/", "-f", "csv"], capfd)
    assert ran.code == 2
    assert PARTS_OF_ANOTHER in ran.err
    assert sorted(parts.iterdir()) == before


def test_a_folder_in_use_is_locked_until_it_is_whole(folder: Path, capfd: Capture) -> None:
    from mrl_cli.render.folder import PartsFolder

    with PartsFolder("parts/").held() as held:
        assert PARTS_OF_ANOTHER in run_inside([*ROWS, "-o", "parts/", "-f", "csv"], capfd).err
        held.settle({})  # and by now the manifest is to be written
        assert PARTS_OF_ANOTHER in run_inside([*ROWS, "-o", "parts/", "-f", "csv"], capfd).err
        with pytest.raises(MachineError, match="the run ended"), held.part("part-00000.csv"):
            pass
    assert list((folder / "parts").iterdir()) == []


@pytest.mark.slow
@each(
    ("redirects", "code", "said"),
    [
        (">&-", 4, "error: stdout is closed\n"),
        ("-o out.tsv >&-", 0, ""),
        ("-o out.tsv <&- >&- 2>&-", 0, ""),
        ("--margin x 2>/dev/full", 2, ""),
        ("--margin x 2>&-", 2, ""),
        ("-o /dev/full >&-", 4, "error: cannot write /dev/full: No space left on device\nhint: nothing was changed\n"),
    ],
)
def test_closed_and_full_streams(redirects: str, code: int, said: str, folder: Path) -> None:
    line = f"exec {sys.executable} -m mrl_cli compute pairs.csv --raw {redirects}"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", said)
    if code == 0:
        assert (folder / "out.tsv").read_text() == "1.125\n"


LINES_WITHOUT_FILES = "losses -f json|schema|schema compute|docs|docs files|help|help docs|completion bash|--version|-h"


@each("line", LINES_WITHOUT_FILES.split("|"))
def test_no_command_prints_into_a_stdout_that_is_closed(
    line: str, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    ran = run_inside(line.split(), capfd)
    assert (ran.code, ran.out) == (4, "")
    assert "stdout is closed" in ran.err


@each("name", ["p.csv", "p.jsonl"])
def test_a_row_that_never_ends_is_named(
    name: str, folder: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr("mrl_cli.inputs.text.LONGEST_ROW_BYTES", 1 << 20)
    objects = '{"x1": 1, "x2": 3, "y": 1}\n' * 500
    head = "x1,x2,y,t\n" + "1,3,1,a\n" * 499 if name == "p.csv" else objects
    start = '1,3,1,"a' if name == "p.csv" else '{"x1": 1, "t": "a'
    for end, data in ((b"", b""), (b"\n", b"1,3,1,a\n")):
        for source in (name, "-"):
            text = (head + start).encode() + (
                b"a" * (1 << 21) + end if not end or name == "p.jsonl" else data * (1 << 18)
            )
            (folder / name).write_bytes(text)
            ran = run_inside(["compute", source], capfd, text)
            shown = "stdin" if source == "-" else name
            assert ran.code == 3
            assert ran.err.startswith(f"error: {shown}: line 501: a row is longer than 1 MiB\n")


def test_a_quote_that_is_never_closed_is_named(folder: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.inputs.delimited.careful_batches", None)  # it would take ten times the memory
    (folder / "p.csv").write_text('x1,x2,y,t\n1,3,1,"a\nb"\n1,3,1,a\n1,3,1,"a\n' + "1,3,1,a\n" * 500)
    ran = run_inside(["compute", "p.csv"], capfd)
    assert ran.code == 3
    assert ran.err.startswith("error: p.csv: line 5: a quoted field is opened and never closed\n")


def _led_to(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@each(
    ("error", "is_so"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (_led_to(ImportError("numpy"), ImportError("a.so: failed to map segment from shared object")), True),
        (pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("set changed size"), False),
        (ImportError("No module named 'numpy'"), False),
    ],
)
def test_what_libraries_say_where_memory_is_short(error: Exception, is_so: bool) -> None:
    assert is_out_of_memory(error) == is_so
