"""Files that are odd, bad or only look bad: the right number, or an error that names file, row, column and value."""

from __future__ import annotations

import base64
import bz2
import datetime as dt
import gzip
import json
import lzma
import math
import random
import re
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs import jsontext, text
from tests.bad_input_cases import DATA, ONE, TEXT_CASES, TWO, USAGE, Case, csv, json_lines
from tests.each import each
from tests.running import Mrl, Ran, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIRS = csv("1,3,1", "0.5,0.25,-1")  # costs 2 and 0.25
LEAVE_OUT = ("--on-error", "skip")


def check(case: Case, ran: Ran) -> None:
    if case.code:
        ran.must_fail(case.code, *case.messages)
        return
    keys = ("sum", "pairs", "rejected", "ties_dropped", "value")
    expected = (case.total, case.pairs, case.rejected, case.ties_dropped, case.total / case.pairs)
    assert tuple(ran.result[key] for key in keys) == expected


WAYS = ["file", "stream", "gzip", "file in shards", "stream in shards"]
EVERY_WAY = each("way", WAYS)
SHORT_TEXTS = [case for case in TEXT_CASES if len(case.data) <= 10_000]
LONG_TEXTS = [case for case in TEXT_CASES if len(case.data) > 10_000]  # cut into a thousand pieces, they take long
said: dict[str, str] = {}  # of a case, on stderr, in the way that came first


@pytest.mark.slow
@pytest.mark.parametrize("case", LONG_TEXTS, ids=[case.name for case in LONG_TEXTS])
@EVERY_WAY
def test_long_text_is_read_or_refused_alike(
    case: Case, way: str, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_alike(case, way, tmp_path, mrl, monkeypatch)


@EVERY_WAY
@each("case", SHORT_TEXTS, quick=50)
def test_text_is_read_or_refused_alike_from_file_stream_gzip_and_shards(
    case: Case, way: str, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_alike(case, way, tmp_path, mrl, monkeypatch)


def check_alike(case: Case, way: str, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    is_stream = way.startswith("stream") and not case.needs_suffix
    is_cut = way.endswith("in shards")
    name = f"pairs{case.suffix}.gz" if way == "gzip" else f"pairs{case.suffix}"
    (tmp_path / name).write_bytes(gzip.compress(case.data) if way == "gzip" else case.data)
    if is_cut:
        piece = max(16, len(case.data) // 10_000)
        monkeypatch.setattr(text, "HEAD_BYTES", piece)
        monkeypatch.setattr(text, "BLOCK_BYTES", piece)
    options = ["compute", *case.options, "--format", "json", "--quiet", "--jobs", "2" if is_cut else "1"]
    ran = mrl(*options, "-" if is_stream else name, stdin=case.data if is_stream else b"")
    # Of stdin there is no line to run again.
    ran = ran._replace(err=re.sub("; run: .*", "", ran.err.replace("stdin" if is_stream else name, "FILE")))
    check(case, ran)
    assert ran.err == said.setdefault(case.name, ran.err) or not case.names_exact_place


@pytest.mark.slow
@pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 7, 11, 64])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inch", ["", '5" pipe', '"5"" pipe"', '"two\nlines"'])
def test_no_shard_size_moves_a_line_number(
    block_bytes: int, line_end: str, inch: str, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["x1,x2,y,t", *["1,3,1,é"] * 9, f"1,3,1,{inch}", "", *["1,3,1,é"] * 9, "1,oops,1,é", "1,3,1,é"]
    (tmp_path / "pairs.csv").write_bytes((line_end.join(rows) + line_end).encode())
    monkeypatch.setattr(text, "HEAD_BYTES", block_bytes)
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    line = 1 + 9 + 1 + inch.count("\n") + 1 + 9 + 1
    ran = mrl("compute", "pairs.csv", "--jobs", "2")
    ran.must_fail(DATA, "1 problem in pairs.csv (21 rows)", f"line {line}: x2 is 'oops'")


def check_left_out(ran: Ran, total: float, pairs: int, rejected: int) -> None:
    result = ran.result
    assert (result["sum"], result["pairs"], result["rejected"]) == (total, pairs, rejected)


# JSON lines, read by pyarrow and object by object.

JSON_COSTS = {ONE: 2, TWO: 0.25, ONE.replace(" ", "\r"): 2, TWO.replace(" ", "\r\t"): 0.25}
JSON_PIECES = [
    *JSON_COSTS,
    *JSON_COSTS,
    *["\n"] * 8,
    "\r\n",
    "\r",
    " ",
    "\t",
    "\v",
    "\f",
    "\u0085",
    "\u2028",
    "null",
    "5",
    "{}",
]


def json_text(seed: int) -> str:
    """Return pieces in any order, most of them on lines of their own."""
    generator = random.Random(seed)
    pieces = generator.choices(JSON_PIECES, k=generator.randint(1, 6))
    return "".join(piece + generator.choice(["\n", "\n", "\r\n", "\n\r", "\r", ""]) for piece in pieces)


def expected_of(text: str) -> list[float]:
    """Return what each line costs, NaN for a bad one. Lines end at a line feed only."""
    costs = []
    for line in text.split("\n"):
        if line.strip(" \t\r"):
            try:
                pair = json.loads(line)
            except ValueError:
                pair = None
            is_pair = isinstance(pair, dict) and len(pair) == 3
            costs.append(max(0.0, -pair["y"] * (pair["x1"] - pair["x2"])) if is_pair else math.nan)
    return costs


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(0, 100, 25))
def test_lines_of_json_are_the_same_in_both_ways_of_reading(
    first_seed: int, tmp_path: Path, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suspect(*_: object) -> None:
        raise SuspectShardError

    def outcome(*options: str) -> tuple[int, str, list[float]]:
        ran = mrl("compute", "pairs.jsonl", "-f", "json", "-q", *options)
        numbers = [ran.result[key] for key in ("sum", "pairs", "rejected")] if not ran.code else []
        return ran.code, ran.err, numbers

    for seed in range(first_seed, first_seed + 25):
        text = json_text(seed)
        (tmp_path / "pairs.jsonl").write_bytes(text.encode())
        costs = expected_of(text)
        good = [cost for cost in costs if not math.isnan(cost)]
        usual = [outcome(), outcome(*LEAVE_OUT)]
        with monkeypatch.context() as patch:
            patch.setattr(jsontext, "batches", suspect)
            assert usual == [outcome(), outcome(*LEAVE_OUT)], repr(text)
        assert usual[0][0] == (0 if good and len(good) == len(costs) else DATA), repr(text)
        assert usual[1][2] == ([sum(good), len(good), len(costs) - len(good)] if good else []), repr(text)


# Columnar files. The first row is replaced by what a test is about; the others cost 2 and 0.25.


def columns(**replaced: Any) -> pa.Table:
    return pa.table({"x1": [1.0, 1.0, 0.5], "x2": [1.0, 3.0, 0.25], "y": [1, 1, -1]} | replaced)


def write_arrow(table: pa.Table, path: Path) -> None:
    feather.write_feather(table, str(path), compression="lz4")


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "pairs.parquet": lambda table, path: pq.write_table(table, path, row_group_size=2),
    "pairs.feather": write_arrow,
    "pairs.arrows": write_stream,
}
EVERY_WRITER = each("name", list(WRITERS))

BAD_COLUMNS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "null score": ({"x1": [None, 1.0, 0.5]}, ["missing value", "row 1: x1 is null"]),
    "null in the last row": ({"x2": [1.0, 3.0, None]}, ["missing value", "row 3: x2 is null"]),
    "null label": ({"y": [None, 1, -1]}, ["missing value", "row 1: y is null"]),
    "null in float16": ({"x1": pa.array([None, 1.0, 0.5]).cast(pa.float16())}, ["row 1: x1 is null"]),
    "null in decimal": ({"x1": [None, Decimal("1.0"), Decimal("0.5")]}, ["row 1: x1 is null"]),
    "null among indices": ({"x1": pa.array([None, 1.0, 0.5]).dictionary_encode()}, ["row 1: x1 is null"]),
    "only nulls": ({"x1": pa.nulls(3)}, ["3 problems", "row 1: x1 is null", "row 2: x1 is null"]),
    "NaN score": ({"x1": [float("nan"), 1.0, 0.5]}, ["NaN", "row 1: x1 is nan"]),
    "infinite score": ({"x2": [float("-inf"), 3.0, 0.25]}, ["infinite", "row 1: x2 is -inf"]),
    "NaN label": ({"y": [float("nan"), 1.0, -1.0]}, ["NaN", "row 1: y is nan"]),
    "label 0": ({"y": [0, 1, -1]}, ["label not ±1", "row 1: y is 0", "use --on-tie drop"]),
    "label that wraps": ({"y": pa.array([255, 1, 1], pa.uint8())}, ["label not ±1", "row 1: y is 255"]),
    "2**53 + 1": ({"x1": [2**53 + 1, 1, 1]}, ["integer not exact", "row 1: x1 is 9007199254740993"]),
    "-2**53 - 1": ({"x1": [-(2**53) - 1, 1, 1]}, ["integer not exact", "row 1: x1 is -9007199254740993"]),
    "2**64 - 1": (
        {"x1": pa.array([2**64 - 1, 1, 1], pa.uint64())},
        ["integer not exact", "x1 is 18446744073709551615"],
    ),
}


@EVERY_WRITER
@each("kind", list(BAD_COLUMNS))
def test_bad_values_in_columnar_files_are_named(name: str, kind: str, tmp_path: Path, mrl: Mrl) -> None:
    replaced, messages = BAD_COLUMNS[kind]
    WRITERS[name](columns(**replaced), tmp_path / name)
    mrl("compute", name).must_fail(DATA, f"in {name} (3 rows)", *messages)
    from_stdin = mrl("compute", "-", stdin=(tmp_path / name).read_bytes())
    from_stdin.must_fail(DATA, "in stdin (3 rows)", *messages)
    if kind != "only nulls":
        whole = mrl("compute", name, "-f", "json", "-q", "--on-error", "skip").result
        assert (whole["pairs"], whole["rejected"]) == (2, 1)


GOOD_COLUMNS: dict[str, tuple[dict[str, Any], tuple[str, ...], float]] = {
    "doubles": ({}, (), 0 + 2 + 0.25),
    "float32": ({"x1": pa.array([1.0, 1.0, 0.5], pa.float32())}, (), 0 + 2 + 0.25),
    "float16": ({"x1": pa.array([1.0, 1.0, 0.5]).cast(pa.float16())}, (), 0 + 2 + 0.25),
    "float32 is not 0.1": ({"x1": pa.array([0.1, 1.0, 0.5], pa.float32())}, (), 0.8999999985098839 + 2 + 0.25),
    "int8 does not wrap": (
        {"x1": pa.array([127, 1, 1], pa.int8()), "x2": pa.array([-128, 1, 1], pa.int8()), "y": [-1, 1, 1]},
        (),
        255 + 0 + 0,
    ),
    "uint8 does not wrap": (
        {"x1": pa.array([0, 1, 1], pa.uint8()), "x2": pa.array([255, 1, 1], pa.uint8())},
        (),
        255 + 0 + 0,
    ),
    "uint64": ({"x1": pa.array([0, 1, 1], pa.uint64()), "x2": pa.array([2**63, 1, 1], pa.uint64())}, (), 2.0**63),
    "exact int64": ({"x1": [-(2**60), 1, 1], "x2": [0, 1, 1]}, (), 2.0**60),
    "decimal": ({"x1": [Decimal("0.7"), Decimal("1.0"), Decimal("0.5")]}, (), (1 - 0.7) + 2 + 0.25),
    "decimal correctly rounded": (
        {"x1": [Decimal("0.00000000000000000001"), Decimal(0), Decimal(0)], "x2": [0, 0, 0], "y": [-1, 1, 1]},
        (),
        1e-20,
    ),
    "bool label under 01": ({"y": [False, True, True]}, ("--labels", "01"), 0 + 2 + 0),
    "dictionary of doubles": ({"x1": pa.array([1.0, 1.0, 0.5]).dictionary_encode()}, (), 0 + 2 + 0.25),
    "other column twice": ({"z": [1, 2, 3]}, (), 0 + 2 + 0.25),
    "other column of lists": ({"z": [[1], None, [2, 3]]}, (), 0 + 2 + 0.25),
    "other struct with such a field": ({"z": [{"x1": 7}] * 3}, (), 0 + 2 + 0.25),
    "label of doubles": ({"y": [1.0, 1.0, -1.0]}, (), 0 + 2 + 0.25),
}


@EVERY_WRITER
@each("kind", list(GOOD_COLUMNS))
def test_unusual_columns_give_the_right_number(name: str, kind: str, tmp_path: Path, mrl: Mrl) -> None:
    replaced, options, total = GOOD_COLUMNS[kind]
    WRITERS[name](columns(**replaced), tmp_path / name)
    for argument, data in ((name, b""), ("-", (tmp_path / name).read_bytes())):
        result = mrl("compute", argument, *options, "-f", "json", stdin=data).result
        assert (result["sum"], result["pairs"]) == (pytest.approx(total, rel=1e-15, abs=0), 3)


TIME = dt.datetime(2024, 1, 1)


@EVERY_WRITER
@each("values", [[[[1.0]]] * 3, [{"a": 1.0}] * 3, [TIME] * 3, [TIME.date()] * 3, [True] * 3, [[True]] * 3, [b"1"] * 3])
def test_a_column_that_holds_no_numbers_is_refused(name: str, values: list[Any], tmp_path: Path, mrl: Mrl) -> None:
    WRITERS[name](columns(x2=values), tmp_path / name)
    mrl("compute", name).must_fail(DATA, f"{name}: column x2 holds ", "not numbers")


@EVERY_WRITER
def test_columns_missing_or_twice_are_reported(name: str, tmp_path: Path, mrl: Mrl) -> None:
    WRITERS[name](columns().rename_columns(["x1", "x2", "label"]), tmp_path / name)
    mrl("compute", name).must_fail(USAGE, f"{name} has no column 'y'", "it has: x1, x2, label")
    twice = columns(z=[1.0, 2.0, 3.0]).rename_columns(["x1", "x2", "y", "x1"])
    WRITERS[name](twice, tmp_path / name)
    mrl("compute", name).must_fail(DATA, f"{name}", "column 'x1' 2 times")


@EVERY_WRITER
def test_columnar_files_without_rows_are_refused(name: str, tmp_path: Path, mrl: Mrl) -> None:
    WRITERS[name](columns().slice(0, 0), tmp_path / name)
    mrl("compute", name).must_fail(DATA, f"no rows in {name}")


def test_a_parquet_file_without_row_groups_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    pq.ParquetWriter(tmp_path / "pairs.parquet", columns().schema).close()
    mrl("compute", "pairs.parquet").must_fail(DATA, "no rows in pairs.parquet")


@EVERY_WRITER
@each("kept", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@each("options", [(), LEAVE_OUT])
def test_cut_columnar_files_are_refused(
    name: str, kept: float, options: tuple[str, ...], tmp_path: Path, mrl: Mrl
) -> None:
    WRITERS[name](columns(), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * kept)])
    mrl("compute", name, *options).must_fail(DATA, name)


def test_an_altered_parquet_page_with_a_checksum_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "pairs.parquet"
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(columns(), path, **options)
    data = path.read_bytes()
    page = struct.pack("<3d", 1.0, 3.0, 0.25)
    assert data.count(page) == 1
    path.write_bytes(data.replace(page, struct.pack("<3d", 1.0, 3.5, 0.25)))
    mrl("compute", "pairs.parquet").must_fail(DATA, "pairs.parquet is corrupt", "checksum")


# Parquet's counts are in Thrift's compact protocol: a type byte, then a varint of the doubled count, here two bytes.
LONG, INT = 0x16, 0x15  # a 64-bit field of the footer, a 32-bit field of a page header
ROWS = 70


def count_bytes(kind: int, count: int) -> bytes:
    return bytes([kind, count * 2 % 128 | 128, count * 2 // 128])


def write_counted(path: Path, groups: int = 1, **options: Any) -> None:
    table = pa.table({"x1": [1.0] * ROWS * groups, "x2": [3.0] * ROWS * groups, "y": [1] * ROWS * groups})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=ROWS, **options)


def recount(path: Path, kind: int, patches: dict[int, int], expected: int) -> None:
    """Replace some of the counts that say 70, by their place among them; `expected` is how many there must be."""
    pieces = path.read_bytes().split(count_bytes(kind, ROWS))
    assert len(pieces) == expected + 1
    counts = [count_bytes(kind, patches.get(place, ROWS)) for place in range(expected)]
    path.write_bytes(b"".join(part for pair in zip(pieces, [*counts, b""], strict=True) for part in pair))


# In the order of the footer: of the file, of the chunks of x1, x2 and y, of the row group.
MISCOUNTS: dict[str, tuple[dict[int, int], str]] = {
    "more rows in the file": ({0: 71}, "the footer counts 71 rows, its row groups 70"),
    "fewer rows in the file": ({0: 0}, "the footer counts 0 rows, its row groups 70"),
    "more rows in the group": ({4: 71}, "the footer counts 70 rows, its row groups 71"),
    "fewer rows in the group": ({4: 6}, "the footer counts 70 rows, its row groups 6"),
    "more rows in file and group": ({0: 71, 4: 71}, "row group 1 of 1 has 71 rows, but column x1 has 70 values"),
    "fewer rows in file and group": ({0: 69, 4: 69}, "row group 1 of 1 has 69 rows, but column x1 has 70 values"),
    "more values in x1": ({1: 140}, "row group 1 of 1 has 70 rows, but column x1 has 140 values"),
    "more values in y": ({3: 71}, "row group 1 of 1 has 70 rows, but column y has 71 values"),
    "no values in x2": ({2: 0}, "row group 1 of 1 has 70 rows, but column x2 has 0 values"),
    "more rows than read": ({0: 71, 1: 71, 2: 71, 3: 71, 4: 71}, "row group 1 of 1 has 71 rows, but 70 could be read"),
}


@each("options", [(), LEAVE_OUT, ("--reduction", "none")])
@each("kind", list(MISCOUNTS))
def test_parquet_counts_that_disagree_are_refused(
    kind: str, options: tuple[str, ...], tmp_path: Path, mrl: Mrl
) -> None:
    patches, message = MISCOUNTS[kind]
    write_counted(tmp_path / "pairs.parquet")
    recount(tmp_path / "pairs.parquet", LONG, patches, expected=5)
    ran = mrl("compute", "pairs.parquet", *options)
    hint = "hint: check that the file was copied whole, or write it again"
    ran.must_fail(DATA, "pairs.parquet is corrupt: ", message, hint)


@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_parquet_row_group_with_an_empty_column_is_not_left_out(group: int, tmp_path: Path, mrl: Mrl) -> None:
    write_counted(tmp_path / "pairs.parquet", groups=3)
    recount(tmp_path / "pairs.parquet", LONG, {4 * group + 1: 0}, expected=3 * 4)  # the file's own count is 210
    for jobs in ("1", "2"):
        ran = mrl("compute", "pairs.parquet", "--jobs", jobs)
        ran.must_fail(DATA, f"row group {group + 1} of 3 has 70 rows, but column x2 has 0 values")


# A header of version 2 counts values and rows.
@pytest.mark.parametrize(("page_version", "counts"), [("1.0", 3), ("2.0", 3 * 2)])
def test_parquet_pages_with_fewer_values_than_in_the_footer_are_refused(
    page_version: str, counts: int, tmp_path: Path, mrl: Mrl
) -> None:
    write_counted(tmp_path / "pairs.parquet", data_page_version=page_version)
    recount(tmp_path / "pairs.parquet", INT, dict.fromkeys(range(counts), 35), expected=counts)
    mrl("compute", "pairs.parquet").must_fail(DATA, "row group 1 of 1 has 70 rows, but 35 could")


def test_a_parquet_column_that_is_not_read_may_be_miscounted(tmp_path: Path, mrl: Mrl) -> None:
    write_counted(tmp_path / "pairs.parquet")
    recount(tmp_path / "pairs.parquet", LONG, {3: 71}, expected=5)
    result = mrl("compute", "pairs.parquet", "--y-const", "1", "-f", "json").result
    assert (result["sum"], result["pairs"]) == (2.0 * ROWS, ROWS)


def test_parquet_lists_beside_the_scores_may_hold_more_values_than_rows(tmp_path: Path, mrl: Mrl) -> None:
    pq.write_table(columns(z=[[1, 2], None, []]), tmp_path / "pairs.parquet")
    ran = mrl("compute", "pairs.parquet", "--reduction", "none", "--keep-columns", "-f", "jsonl")
    assert [json.loads(line)["z"] for line in ran.out.splitlines()] == [[1, 2], None, []], ran


def write_encrypted(path: Path, table: pa.Table, *leaves: str) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class OpenKeys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64encode(key)

    settings = encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": [*leaves]}, plaintext_footer=True)
    factory = encryption.CryptoFactory(lambda _: OpenKeys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
    pq.write_table(table, path, encryption_properties=properties)


@pytest.mark.slow
def test_counting_an_encrypted_parquet_column_does_not_end_the_process(tmp_path: Path, mrl: Mrl) -> None:
    write_encrypted(tmp_path / "pairs.parquet", columns(), "x2")
    run(["compute", "pairs.parquet"], cwd=tmp_path).must_fail(DATA, "pairs.parquet", "decrypt")
    result = mrl("compute", "pairs.parquet", "--x2", "y", "-f", "json").result
    assert (result["sum"], result["pairs"]) == (0 + 0 + 1.5, 3)


def test_encrypted_columns_are_called_so_and_others_read(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "p.parquet"
    table = pa.table({"x1": [1.0], "x2": [3.0], "y": [1], "t": ["a"], "s": [{"b": 1, "c": 2}]})
    write_encrypted(path, table, "t", "s.b")
    assert mrl("compute", path, "--raw").out == "2.0\n"
    (entry,) = mrl("check", path, "-f", "json").result["inputs"]
    assert entry["command"] == f"mrl compute {path}"
    types = {column["name"]: column["type"] for column in entry["columns"]}
    assert types == {"x1": "double", "x2": "double", "y": "int64", "t": "encrypted", "s": "encrypted"}
    for args in (["--group-by", "t", "-f", "json"], ["--reduction", "none", "--keep-columns"]):
        ran = mrl("compute", path, *args)
        assert (ran.code, "p.parquet has encrypted columns" in ran.err) == (3, True), ran.err
        assert "hint: decrypt it, or write those columns that are not into another file" in ran.err


@pytest.mark.parametrize("options", [("--group-by", "k"), ("--reduction", "none", "--keep-columns")])
@pytest.mark.parametrize("is_coded", [True, False], ids=["dictionary", "plain"])
def test_parquet_text_that_is_not_utf8_is_refused(
    options: tuple[str, ...], is_coded: bool, tmp_path: Path, mrl: Mrl
) -> None:
    keys = pa.array([b"a", b"a", b"\xff"]).view(pa.string())
    table = columns(k=keys.dictionary_encode() if is_coded else keys)
    WRITERS["pairs.parquet"](table, tmp_path / "pairs.parquet")
    ran = mrl("compute", "pairs.parquet", *options)
    ran._replace(out="").must_fail(DATA, "pairs.parquet is corrupt", "row group ", "UTF8")
    assert "\ufffd" not in ran.out


# Files that are not what their names say, and damaged compression.

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}
EVERY_COMPRESSION = each("suffix", list(COMPRESSIONS))


@EVERY_COMPRESSION
@each("format_suffix", [".csv", ".jsonl"])
def test_compressed_text_gives_the_right_number(suffix: str, format_suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    name = "pairs" + format_suffix + suffix
    data = COMPRESSIONS[suffix](PAIRS if format_suffix == ".csv" else json_lines(ONE, TWO))
    (tmp_path / name).write_bytes(data)
    check_left_out(mrl("compute", name, "-f", "json"), 2 + 0.25, 2, 0)


@pytest.mark.slow
@EVERY_COMPRESSION
@pytest.mark.parametrize("missing_bytes", [1, 5, 12, 200, 9_000])
def test_cut_compressed_files_are_refused(suffix: str, missing_bytes: int, tmp_path: Path, mrl: Mrl) -> None:
    name = "pairs.csv" + suffix
    rows = [f"{i * 0.37:.3f},{i * 7919 % 1000 / 7:.9f},1" for i in range(20_000)]
    data = COMPRESSIONS[suffix](csv(*rows))
    (tmp_path / name).write_bytes(data[:-missing_bytes])
    mrl("compute", name, *LEAVE_OUT).must_fail(DATA, name, "corrupt or cut off")
    if suffix == ".gz":
        mrl("compute", stdin=data[:-missing_bytes]).must_fail(DATA, "stdin is corrupt or cut off")


@EVERY_COMPRESSION
def test_altered_compressed_files_are_refused(suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    name = "pairs.csv" + suffix
    data = bytearray(COMPRESSIONS[suffix](csv(*["1,3,1"] * 50, *[f"{i},{i * i},1" for i in range(500)])))
    data[len(data) // 2] ^= 0x55
    (tmp_path / name).write_bytes(data)
    ran = mrl("compute", name)
    if suffix == ".zst" and ran.code == DATA and "corrupt" not in ran.err:
        return  # pyarrow writes no checksum, so the damage may show only in the cells
    ran.must_fail(DATA, name, "corrupt or cut off")


def test_a_wrong_gzip_checksum_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    data = bytearray(gzip.compress(PAIRS))
    data[-8] ^= 1
    (tmp_path / "pairs.csv.gz").write_bytes(data)
    mrl("compute", "pairs.csv.gz").must_fail(DATA, "pairs.csv.gz is corrupt or cut off", "CRC")


@EVERY_COMPRESSION
def test_several_compressed_members_are_one_text(suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    name = "pairs.csv" + suffix
    compress = COMPRESSIONS[suffix]
    (tmp_path / name).write_bytes(compress(PAIRS) + compress(b"1,3,1\n1,3,1\n"))
    check_left_out(mrl("compute", name, "-f", "json"), 2 + 0.25 + 2 + 2, 4, 0)


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(columns(), sink)
    return bytes(sink.getvalue())


DISGUISES: dict[str, tuple[str, bytes, list[str]]] = {
    "text as .gz": ("pairs.csv.gz", PAIRS, ["is not compressed", "rename the file"]),
    "gzip as .csv": ("pairs.csv", gzip.compress(PAIRS), ["is gzip", "rename the file"]),
    "bzip2 as .gz": ("pairs.csv.gz", bz2.compress(PAIRS), ["is bz2"]),
    "CSV as Parquet": ("pairs.parquet", PAIRS, ["is not a Parquet file"]),
    "CSV as Arrow": ("pairs.arrow", PAIRS, ["is not an Arrow file"]),
    "Parquet as CSV": ("pairs.csv", parquet_bytes(), ["is a Parquet file"]),
    "Parquet as JSON lines": ("pairs.jsonl", parquet_bytes(), ["is a Parquet file"]),
    "Parquet as Arrow": ("pairs.arrow", parquet_bytes(), ["is a Parquet file"]),
    "nothing as Parquet": ("pairs.parquet", b"", ["corrupt"]),
    "magic bytes alone": ("pairs.parquet", b"PAR1", ["corrupt"]),
    "Excel": ("pairs.xlsx", b"PK\x03\x04" + bytes(60), ["a zip archive (an Excel workbook, perhaps)"]),
    "Excel as CSV": ("pairs.csv", b"PK\x03\x04" + bytes(60), ["a zip archive"]),
    "SQLite": ("pairs.db", b"SQLite format 3\x00" + bytes(60), ["an SQLite database"]),
    "old Excel": ("pairs.xls", b"\xd0\xcf\x11\xe0" + bytes(60), ["an old Excel workbook"]),
    "NumPy": ("pairs.npy", b"\x93NUMPY\x01\x00" + bytes(60), ["a NumPy array file"]),
    "JSON array as JSON lines": ("pairs.jsonl", b"[" + ONE.encode() + b"]", ["one JSON array", "jq -c '.[]'"]),
}


@each("kind", list(DISGUISES))
def test_a_file_that_is_not_of_the_format_of_its_name_is_refused(kind: str, tmp_path: Path, mrl: Mrl) -> None:
    name, data, messages = DISGUISES[kind]
    (tmp_path / name).write_bytes(data)
    mrl("compute", name).must_fail(DATA, name, *messages)


def test_a_missing_file_is_reported_with_the_closest_name(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_bytes(PAIRS)
    mrl("compute", "pair.csv").must_fail(USAGE, "no such file: pair.csv", "did you mean pairs.csv?")


def test_a_file_name_is_made_harmless(tmp_path: Path, mrl: Mrl) -> None:
    name = "\x1b[31mpairs\n.csv"
    (tmp_path / name).write_bytes(csv("oops,3,1"))
    mrl("compute", name).must_fail(DATA, r"in \x1b[31mpairs\n.csv (1 row)")


def test_problems_in_several_files_name_their_files(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "a.csv").write_bytes(csv("1,3,1", "oops,3,1"))
    (tmp_path / "b.jsonl").write_bytes(json_lines(ONE, "oops"))
    WRITERS["pairs.parquet"](columns(x1=[None, 1.0, 0.5]), tmp_path / "c.parquet")
    mrl("compute", "a.csv", "b.jsonl", "c.parquet").must_fail(
        DATA,
        "error: 3 problems in 3 files (7 rows)\n",
        "a.csv line 3: x1 is 'oops'",
        "b.jsonl line 2: 'oops'",
        "c.parquet row 1: x1 is null",
    )


def test_the_message_is_as_the_contract_shows_it(tmp_path: Path, mrl: Mrl) -> None:
    rows = ["1,3,1"] * 1500
    rows[16] = rows[1100] = "1,oops,1"
    rows[38] = "1,3,0"
    (tmp_path / "pairs.csv").write_bytes(csv(*rows))
    ran = mrl("compute", "pairs.csv")
    ran.must_fail(DATA)
    first, numbers, labels, hint = ran.err.splitlines()
    assert first == "error: 3 problems in pairs.csv (1,500 rows)"
    assert numbers.split() == "not a number 2 line 18: x2 is 'oops' line 1102: x2 is 'oops'".split()  # noqa: SIM905
    assert labels.split() == "label not ±1 1 line 40: y is 0".split()  # noqa: SIM905
    assert hint.startswith("hint: labels are 0 and 1 here? use --labels 01")


# Bad rows left out.


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rejects_are_written_down_one_problem_a_line(suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    rows = ["1,3,1", "oops,,1", "1,3,0", "1,3", "0.5,0.25,-1"]
    (tmp_path / "pairs.csv").write_bytes(csv(*rows))
    arguments = ["compute", "pairs.csv", *LEAVE_OUT, "--rejects", "bad" + suffix, "-f", "json"]
    ran = mrl(*arguments)
    check_left_out(ran, 2 + 0.25, 2, 3)
    assert "3 of 5 rows left out" in ran.err
    lines = (tmp_path / ("bad" + suffix)).read_text().splitlines()
    if suffix == ".csv":
        assert lines[0] == "file,row,column,value,problem"
        assert sorted(lines[1:]) == [
            "pairs.csv,3,x1,'oops',not a number",
            "pairs.csv,3,x2,empty,missing value",
            "pairs.csv,4,y,0,label not ±1",
            "pairs.csv,5,,\"2 fields for 3 columns: '1,3'\",wrong number of fields",
        ]
    else:
        records = [json.loads(line) for line in lines]
        assert {"file": "pairs.csv", "row": 4, "column": "y", "value": "0", "problem": "label not ±1"} in records
        assert sorted((record["row"], record["column"] or "") for record in records) == [
            (3, "x1"),
            (3, "x2"),
            (4, "y"),
            (5, ""),
        ]


def test_rejects_are_written_where_no_row_is_left(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_bytes(csv("a,3,1", "b,3,1"))
    (tmp_path / "lists.csv").write_text("query,label,score\na,1,0.5\na,0,x\n")  # what is left makes no pair
    for call, first in (
        (["compute", "pairs.csv"], "pairs.csv,2,x1,'a'"),
        (["rank", "lists.csv"], "lists.csv,3,score,'x'"),
    ):
        (tmp_path / "bad.csv").write_text("of an earlier run\n")
        assert mrl(*call, *LEAVE_OUT, "--rejects", "bad.csv").code == 3
        assert (tmp_path / "bad.csv").read_text().splitlines()[1].startswith(first)


@pytest.mark.parametrize("command", [["compute"], ["sweep", "--margins", "0:1:1"], ["validate"]])
def test_rows_left_out_are_counted_of_all_rows(command: list[str], tmp_path: Path, mrl: Mrl) -> None:
    """Of those used, and of those left out for something else than a problem."""
    path = tmp_path / "pairs.csv"
    path.write_text("x1,x2,y\n2,1,A\n1,2,B\n3,1,tie\n3,1,bad\nz,1,A\n")
    options = ["--label-map", "A=1,B=-1,tie=0,bad=skip", "--on-tie", "drop", "--on-error", "skip"]
    assert "1 of 5 rows left out" in mrl(*command, path, *options).err


def test_rejects_name_the_row_of_a_columnar_file(tmp_path: Path, mrl: Mrl) -> None:
    WRITERS["pairs.parquet"](columns(x1=[1.0, 1.0, None]), tmp_path / "pairs.parquet")
    ran = mrl("compute", "pairs.parquet", *LEAVE_OUT, "--rejects", "bad.csv", "-f", "json")
    check_left_out(ran, 0 + 2, 2, 1)
    assert (tmp_path / "bad.csv").read_text().splitlines()[1:] == ["pairs.parquet,3,x1,null,missing value"]


def test_a_tie_dropped_is_no_reject(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_bytes(csv("1,3,1", "1,3,0", "oops,3,0", "1,3,2"))
    ran = mrl("compute", "pairs.csv", *LEAVE_OUT, "--on-tie", "drop", "-f", "json")
    check_left_out(ran, 2, 1, 2)
    assert ran.result["ties_dropped"] == 1


def test_a_refused_run_leaves_no_output_file(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_bytes(csv("1,3,1", "oops,3,1"))
    mrl("compute", "pairs.csv", "-o", "out.json").must_fail(DATA)
    mrl("compute", "pairs.csv", "-o", "out.csv", "--reduction", "none").must_fail(DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


@pytest.mark.slow
def test_a_process_ends_with_the_code_of_its_error(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_bytes(csv("1,3,1", "\x1b[31moops,3,1"))
    run(["compute", "pairs.csv"], cwd=tmp_path).must_fail(DATA, r"line 3: x1 is '\x1b[31moops'")
    run(["compute", "-"], stdin=csv("1,3,1", "oops,3,1")).must_fail(DATA, "1 problem in stdin (2 rows)")
    mrl("compute", "-").must_fail(DATA, "no rows in stdin")
    mrl("compute", "pairs.csv", "--y", "label").must_fail(USAGE, "no column 'label'", "x1, x2, y")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_signalling_nan_is_a_problem_without_a_warning(suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    for signalling in (
        np.array([0x3F800000, 0x7FA00000], np.uint32).view(np.float32),
        np.array([0x3FF0000000000000, 0x7FF4000000000000], np.uint64).view(np.float64),
    ):
        table, path = pa.table({"x1": signalling, "x2": [1.0, 2.0], "y": [1, 1]}), tmp_path / f"pairs{suffix}"
        if suffix == ".parquet":
            pq.write_table(table, path)
        else:
            feather.write_feather(table, path, compression="uncompressed")
        for dtype in ("float32", "float64"):
            ran = mrl("compute", path, "--dtype", dtype)
            assert ran.code == 3
            assert ran.err.startswith("error: 1 problem in ")
            assert "row 2: x1 is nan" in ran.err
