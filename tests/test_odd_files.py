"""Files that are whole and odd, or claim what they do not hold, of kinds that once gave a number or a wrong message."""

from __future__ import annotations

import gzip
import json
import re
import struct
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import evaluate, margin_ranking_loss
from mrl_cli.inputs.text import cut_lines, cut_quoted
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 2**53


def arrow_file(path: Path, table: pa.Table, **options: Any) -> bytes:
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return path.read_bytes()


WHOLE = {
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "decimal128": pa.decimal128(20, 0),
    "decimal256": pa.decimal256(50, 0),
    "decimal of hundreds": pa.decimal128(20, -2),
}


@each("kind", list(WHOLE))
def test_whole_numbers_that_no_double_is_are_refused_whatever_their_type(kind: str, tmp_path: Path, mrl: Mrl) -> None:
    unit = 100 if kind == "decimal of hundreds" else 1
    last = LIMIT * 100 if unit == 100 else LIMIT  # a double, as all before it in steps of the unit are
    further = last + unit * (3 if unit == 100 else 1)
    for number, is_exact in ((last, True), (further, False)):
        assert (int(float(number)) == number) == is_exact
        table = pa.table({"x1": pa.array([Decimal(number) if "dec" in kind else number], WHOLE[kind]), "x2": [0.0]})
        arrow_file(tmp_path / "p.arrow", table)
        ran = mrl("compute", tmp_path / "p.arrow", "--y-const", "-1", "--raw")
        if is_exact:
            assert ran.out == f"{float(number)!r}\n"
        else:
            assert ran.code == 3
            assert f"integer not exact as a double       1   row 1: x1 is {number}" in ran.err


def test_decimals_of_a_frame_are_judged_as_those_of_a_file_are() -> None:
    frame = pd.DataFrame({"x1": [Decimal(LIMIT + 1)], "x2": [Decimal(0)], "y": [-1]})
    with pytest.raises(ValueError, match="not exact"):
        evaluate(frame)
    assert evaluate(pd.DataFrame({"x1": [Decimal("0.10")], "x2": [Decimal(0)], "y": [-1]}))["value"] == 0.1


def test_decimals_with_a_fraction_are_rounded_as_texts_are(tmp_path: Path, mrl: Mrl) -> None:
    table = pa.table({"x1": pa.array([Decimal(f"{LIMIT + 1}.0")], pa.decimal128(30, 1)), "x2": [0.0], "y": [-1]})
    pq.write_table(table, tmp_path / "p.parquet")
    assert mrl("compute", tmp_path / "p.parquet", "--raw").out == f"{float(LIMIT)!r}\n"


@pytest.mark.parametrize("claimed", [2**60, 2**62, 2**63 - 1])
def test_more_memory_than_a_file_can_fill_is_a_fault_of_the_file(claimed: int, tmp_path: Path, mrl: Mrl) -> None:
    table = pa.table({"x1": [1.0] * 1000, "x2": [3.0] * 1000, "y": [1.0] * 1000})
    data = arrow_file(tmp_path / "p.arrow", table, compression="zstd")
    assert data.count(struct.pack("<q", 8000)) == 3
    (tmp_path / "p.arrow").write_bytes(data.replace(struct.pack("<q", 8000), struct.pack("<q", claimed)))
    mrl("compute", tmp_path / "p.arrow").must_fail(3, "p.arrow is corrupt")


def test_frames_of_zstandard_that_are_skipped_may_stand_anywhere(tmp_path: Path, mrl: Mrl) -> None:
    first, second = (pa.compress(text, codec="zstd", asbytes=True) for text in (b"x1,x2,y\n1,3,1\n", b"3,1,1\n"))
    for number in (0, 15):
        skipped = struct.pack("<II", 0x184D2A50 + number, 4) + b"abcd"
        data = skipped + first + skipped + second + skipped
        for name in ("p.csv.zst", "p"):
            (tmp_path / name).write_bytes(data)
            assert mrl("compute", tmp_path / name, "--raw").out == "1.0\n"
        assert mrl("compute", "--raw", stdin=data).out == "1.0\n"


@pytest.mark.parametrize("name", ["p.parquet", "p", "-"])
def test_an_encrypted_parquet_file_is_called_so(name: str, tmp_path: Path, mrl: Mrl) -> None:
    data = b"PARE" + bytes(100) + b"\x14\0\0\0PARE"
    (tmp_path / "p.parquet").write_bytes(data)
    (tmp_path / "p").write_bytes(data)
    mrl("compute", "-" if name == "-" else tmp_path / name, stdin=data).must_fail(3, "is an encrypted Parquet file")


def test_carriage_returns_in_cells_are_kept_and_written_in_quotes(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "p.csv").write_bytes(b'x1,x2,y,t\r1,3,1,"l1\rl2\nl3"\r3,1,1,b\r')
    for name in ("o.csv", "o.tsv"):
        ran = mrl("compute", tmp_path / "p.csv", "--reduction", "none", "--keep-columns", "-o", tmp_path / name)
        assert ran.code == 0
        mark = "\t" if name == "o.tsv" else ","
        cells = [["x1", "x2", "y", "t", "loss"], ["1", "3", "1", '"l1\rl2\nl3"', "2.0"], ["3", "1", "1", "b", "0.0"]]
        assert (tmp_path / name).read_bytes().decode() == "".join(mark.join(row) + "\n" for row in cells)
        assert mrl("compute", tmp_path / name, "--raw").out == "1.0\n"


@each("text", [b"a\rb\r", b"a\r\nb\r\nc", b'a,"x\ry"\rb\r\n', b'"\r\n"\r"\r"\r\n"\n"\r'])
def test_text_is_cut_after_a_carriage_return_but_not_before_its_line_feed(text: bytes) -> None:
    wholes = {len(text[:end]) for end in range(len(text) + 1) if text[:end].count(b'"') % 2 == 0}
    for end in range(len(text)):
        size, _ = cut_quoted(",", b"\r")(text[:end], False)
        assert size == 0 or (text[size - 1 : size] in (b"\r", b"\n") and size in wholes)
        assert text[size - 1 : size + 1] != b"\r\n"
        if b'"' not in text:
            assert cut_lines(text[:end], False, b"\r")[0] == size
    assert np.diff([cut_quoted(",", b"\r")(text[:end], False)[0] for end in range(len(text))]).min() >= 0


BOMBS = {  # each of 300 MB when decompressed
    "rows": (b"x1,x2,y,t\n", (b"1,3,1," + b"a" * 100_000 + b"\n") * 100, 128),
    "a header without an end": (b"", b"a" * 10_000_000, 128),
}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is in /proc")
@pytest.mark.parametrize("name", list(BOMBS))
def test_what_decompresses_to_much_takes_little_memory(name: str, tmp_path: Path) -> None:
    start, piece, most_mib = BOMBS[name]
    with gzip.open(tmp_path / "p.csv.gz", "wb", 1) as file:
        file.write(start)
        for _ in range(30):
            file.write(piece)
    assert (tmp_path / "p.csv.gz").stat().st_size < 3_000_000
    code = "import re, sys; from mrl_cli.cli import main\ntry: main(sys.argv[1:])\n"
    code += "finally: print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    call = [sys.executable, "-c", code, "compute", "p.csv.gz", "--raw", "--quiet", "--jobs", "2"]
    ran = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    *message, peak = ran.stderr.splitlines()
    expected = (0, "2.0\n") if start else (3, "")
    assert (ran.returncode, ran.stdout) == expected
    assert start or message[0] == "error: p.csv.gz: the first line is longer than 1 MiB"
    assert int(peak) >> 10 < most_mib  # of this process alone, which the resource usage is not


def test_a_condition_is_judged_in_time_that_grows_with_its_length(mrl: Mrl) -> None:
    for text in ("a" * 20_000, "a." * 10_000, " " * 20_000, "a" * 20_000 + "<", "<" * 20_000, "a<" + "1" * 20_000):
        assert mrl("compute", "--fail-if", text, stdin=b"x1,x2,y\n1,3,1\n").code == 2


@each(
    ("name", "text"),
    [
        ("p.csv", "x1,x2,y\noops,inf,7\n1,0,1\n"),
        ("p.jsonl", '{"x1": "oops", "x2": "inf", "y": 7}\n{"x1": 1, "x2": 0, "y": 1}\n'),
        ("p.json", '[{"x1": "oops", "x2": "inf", "y": 7}, {"x1": 1, "x2": 0, "y": 1}]'),
    ],
)
def test_a_bad_row_is_judged_in_all_its_cells(name: str, text: str, tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / name).write_text(text)
    ran = mrl("compute", tmp_path / name)
    assert ran.code == 3
    assert "3 problems in" in ran.err
    assert all(kind in ran.err for kind in ("x1 is ", "infinite ", "y is 7"))
    skipped = mrl("compute", tmp_path / name, "--on-error", "skip", "--raw")
    assert (skipped.code, skipped.out) == (0, "0.0\n")


def test_of_many_bad_rows_all_are_counted_and_the_first_named(tmp_path: Path, mrl: Mrl) -> None:
    rows = [f"{'oops' if row % 2 else 1},0,{1 if row % 2 else 5 + row % 3}\n" for row in range(40)]
    (tmp_path / "p.csv").write_text("x1,x2,y\n" + "".join(rows) + "1,2\n")
    ran = mrl("compute", tmp_path / "p.csv", "--on-error", "skip")
    assert "41 problems in" in ran.err
    assert re.findall(r"^  .*?  +(\d+)   line", ran.err, re.MULTILINE) == ["20", "20", "1"]
    assert "line 3: x1 is 'oops'   line 5: x1 is 'oops'   line 7: x1 is 'oops'" in ran.err
    assert "line 42: 2 fields for 3 columns" in ran.err


def test_a_quote_within_a_field_is_a_character_like_others(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "p.csv"
    path.write_text("x1,x2,y,text\n" + '0,1,1,5" tall\n' * 3 + '0,2,1,a"\n')
    ran = mrl("compute", path, "--reduction", "none", "--keep-columns", "-f", "jsonl")
    assert ran.out.count('"text": "5\\" tall"') == 3
    assert '"text": "a\\""' in ran.out
    path.write_text("x1,x2,y,text\n" + '0,1,1,5" tall\n' * 3 + '0,"2,1,a"\n')
    ran = mrl("compute", path)
    assert "line 5: 2 fields for 4 columns" in ran.err


@each("line_end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_found_in_a_header_that_takes_two_lines(line_end: str, tmp_path: Path, mrl: Mrl) -> None:
    text = '"a\nb";"x1";x2;y\n7;2;0;-1\n'
    (tmp_path / "p.csv").write_bytes(text.replace("\n", line_end).encode())
    assert mrl("compute", tmp_path / "p.csv", "--raw").out == "2.0\n"


def test_a_mean_is_right_where_only_the_sum_overflows(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "p.csv"
    path.write_text("x1,x2,y,g\n0,1.5e308,1,a\n0,1.5e308,1,a\n0,1e308,1,b\n0,1e308,1,b\n")
    ran = mrl("compute", path, "--group-by", "g", "--validate", "--format", "json")
    record = json.loads(ran.out)
    assert (ran.code, record["value"], record["sum"]) == (0, 1.25e308, None)
    assert (record["x2_mean"], record["difference_mean"]) == (1.25e308, -1.25e308)
    assert [group["mean"] for group in record["groups"]] == [1.5e308, 1e308]
    assert margin_ranking_loss([0.0, 0.0], [1.5e308, 1e308], [1, 1]) == 1.25e308


@each("block_bytes", [1, 50, 1 << 20])
@each(
    "text",
    [
        b'"x1","x2","y"\r"6.1","1","1"\r.5","1","-1"\r"-2","3","-1"\r"4","1","-5\n\n',
        b'"x1","x2","y"\n"1"\r\n"1","2","1\n","16"\r"',
    ],
)
def test_an_open_quote_is_named_by_its_line_however_text_is_cut(
    text: bytes, block_bytes: int, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", block_bytes)
    path = tmp_path / "p.csv"
    path.write_bytes(text)
    ran = mrl("compute", path)
    assert (ran.code, "line 5: a quoted field is opened and never closed" in ran.err) == (3, True)


@each("command", ["compute", "check", "rank", "validate"])
def test_keys_that_are_no_texts_make_no_object(command: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"x1":5,0:1}\n')
    assert mrl(command, tmp_path / "p.jsonl").code in (0, 2, 3)
    if command == "compute":
        mrl(command, tmp_path / "p.jsonl").must_fail(3, "1 problem", "not one JSON object")
