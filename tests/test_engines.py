"""Exactness across everything: formats, shards, threads, splits, row order and engines print the same digits.

Expected values come from plain Python: one loss per pair in the order of the definition, added up by math.fsum.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import math
import operator
import random
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from threading import Event
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli.engines import local, opened
from mrl_cli.engines.base import Job, fold
from mrl_cli.inputs import FORMATS, parquet, read, resolve, shards_of, text
from mrl_cli.model import Plan
from mrl_cli.reductions.rows import WRITERS
from mrl_cli.reductions.totals import TotalsReduction
from mrl_cli.reports.compute import compute_report
from tests.each import each, examples, mostly_slow
from tests.running import run, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    Call = list[str | Path]


class Pair(NamedTuple):
    """One row."""

    x1: float
    x2: float
    y: int


def _pairs(count: int, seed: int = 7) -> list[Pair]:
    """Return pairs whose losses differ by many orders of magnitude, with ties, so that naive sums go wrong."""
    draw = random.Random(seed)
    return [
        Pair(x1, x1 if draw.random() < 0.1 else draw.gauss(0, 10.0 ** draw.randint(-9, 9)), draw.choice([1, -1]))
        for x1 in (draw.gauss(0, 10.0 ** draw.randint(-9, 9)) for _ in range(count))
    ]


PAIRS = _pairs(250)
MARGIN = 0.1
PLAN = Plan.of(margin=MARGIN)
JOB = Job(PLAN, (TotalsReduction(),))


# What is expected.


def _losses(pairs: Iterable[Pair], margin: float, dtype: str = "float64") -> list[float]:
    """Return max(0, -y * (x1 - x2) + margin) for each pair, rounded after each operation to the dtype."""
    if dtype == "float64":
        return [max(0.0, -y * (x1 - x2) + margin) for x1, x2, y in pairs]
    one = np.float32
    with np.errstate(over="ignore"):
        return [float(max(one(0), one(-y) * (one(x1) - one(x2)) + one(margin))) for x1, x2, y in pairs]


def _sum(numbers: Sequence[float]) -> float:
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf


def _mean(losses: Sequence[float]) -> float:
    """Return the rounded sum over how many there are; where that alone is infinite, the mean is what is rounded."""
    total = _sum(losses)
    if math.isfinite(total) or not all(map(math.isfinite, losses)):
        return total / len(losses)
    return float(sum(map(Fraction, losses)) / len(losses))


def _expected(pairs: Sequence[Pair], margin: float, dtype: str = "float64") -> dict[str, Any]:
    """Return what a report must say of pairs."""
    losses = _losses(pairs, margin, dtype)
    rounded: Callable[[float], float] = float if dtype == "float64" else lambda number: float(np.float32(number))
    signs = [(pair.x1 > pair.x2) - (pair.x1 < pair.x2) for pair in pairs]
    if dtype == "float32":
        signs = [int(np.sign(np.float32(pair.x1) - np.float32(pair.x2))) for pair in pairs]
    correct = sum(sign * pair.y > 0 for sign, pair in zip(signs, pairs, strict=True))
    ties = signs.count(0)
    return {
        "pairs": len(pairs),
        "sum": rounded(_sum(losses)),
        "mean": rounded(_mean(losses)),
        "min": min(losses),
        "max": max(losses),
        "correct": correct,
        "ties": ties,
        "wrong": len(pairs) - correct - ties,
        "accuracy": correct / len(pairs),
        "accuracy_half": (correct + ties / 2) / len(pairs),
        "active": sum(loss > 0 for loss in losses),
    }


# What a run reports.


def _found(paths: Iterable[Path], plan: Plan = PLAN, jobs: int = 2) -> dict[str, Any]:
    """Return the report's numbers on files."""
    sources, job = resolve(map(str, paths)), JOB._replace(plan=plan)
    with opened("local", jobs) as engine:
        counts, (totals,), _ = fold(engine(sources, job), sources, job.reductions)
    assert not counts.problems
    return _numbers(compute_report(counts, totals, plan).record())


def _numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {key: float(record[key]) if isinstance(record[key], str) else record[key] for key in _expected(PAIRS, 0.0)}


# Files of every kind.


def _delimited(pairs: Sequence[Pair], delimiter: str = ",", line_end: str = "\n") -> bytes:
    rows = [("x1", "x2", "y"), *((repr(x1), repr(x2), str(y)) for x1, x2, y in pairs)]
    return "".join(delimiter.join(row) + line_end for row in rows).encode()


def _json_lines(pairs: Sequence[Pair]) -> bytes:
    return "".join(json.dumps(pair._asdict()) + "\n" for pair in pairs).encode()


def _json_columns(pairs: Sequence[Pair], indent: int | None = None, *, nested: bool = False) -> bytes:
    x1, x2, y = (list(column) for column in zip(*pairs, strict=True))
    scores: dict[str, Any] = {"x1": [[x] for x in x1] if nested else x1, "x2": x2}
    return json.dumps({"model": "m", **scores, "y": y}, indent=indent).encode()


def _json_array(pairs: Sequence[Pair], indent: int | None = None) -> bytes:
    return json.dumps([pair._asdict() for pair in pairs], indent=indent).encode()


def _table(pairs: Sequence[Pair]) -> pa.Table:
    x1, x2, y = zip(*pairs, strict=True)
    return pa.table({"x1": pa.array(x1, pa.float64()), "x2": pa.array(x2, pa.float64()), "y": pa.array(y, pa.int8())})


def _parquet(pairs: Sequence[Pair], rows_a_group: int = 1 << 20) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_table(pairs), sink, row_group_size=rows_a_group)
    return sink.getvalue()


def _arrow_file(pairs: Sequence[Pair], rows_a_batch: int = 100) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, _table([Pair(0.0, 0.0, 1)]).schema) as writer:
        writer.write_table(_table(pairs), max_chunksize=rows_a_batch)
    return sink.getvalue()


def _arrow_stream(pairs: Sequence[Pair]) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, _table([Pair(0.0, 0.0, 1)]).schema) as writer:
        writer.write_table(_table(pairs), max_chunksize=100)
    return sink.getvalue()


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


# For each reader, at least one way to write a file for it: (suffix, pairs → bytes).
FILES: dict[str, list[tuple[str, Callable[[Sequence[Pair]], bytes]]]] = {
    "csv": [
        ("csv", _delimited),
        ("csv", lambda pairs: _delimited(pairs, ";")),
        ("csv", lambda pairs: _delimited(pairs, line_end="\r\n")),
        ("csv", lambda pairs: _delimited(pairs, line_end="\r")),
        ("csv", lambda pairs: _delimited(pairs).rstrip(b"\n")),
        ("csv", lambda pairs: b"\xef\xbb\xbf" + _delimited(pairs)),
        ("csv", lambda pairs: _delimited(pairs).decode().encode("utf-16")),
        ("csv.gz", lambda pairs: gzip.compress(_delimited(pairs))),
        ("csv.bz2", lambda pairs: bz2.compress(_delimited(pairs))),
        ("csv.xz", lambda pairs: lzma.compress(_delimited(pairs))),
        ("csv.zst", lambda pairs: _zstd(_delimited(pairs))),
    ],
    "tsv": [
        ("tsv", lambda pairs: _delimited(pairs, "\t")),
        ("tsv.gz", lambda pairs: gzip.compress(_delimited(pairs, "\t"))),
    ],
    "jsonl": [
        ("jsonl", _json_lines),
        ("ndjson", lambda pairs: _json_lines(pairs).replace(b"\n", b"\r\n")),
        ("jsonl.gz", lambda pairs: gzip.compress(_json_lines(pairs))),
        ("jsonl.zst", lambda pairs: _zstd(_json_lines(pairs))),
    ],
    "json": [
        ("json", _json_columns),
        ("json", lambda pairs: _json_columns(pairs, 4)),
        ("json", lambda pairs: _json_columns(pairs, 4, nested=True)),
        ("json", _json_array),
        ("json", lambda pairs: _json_array(pairs, 2)),
        ("json", _json_lines),
        ("json.gz", lambda pairs: gzip.compress(_json_columns(pairs))),
        ("json", lambda pairs: b"\n" + _json_columns(pairs)),
        ("json.zst", lambda pairs: _zstd(_json_lines(pairs))),
    ],
    "parquet": [
        ("parquet", _parquet),
        ("parquet", lambda pairs: _parquet(pairs, 1)),
        ("parquet", lambda pairs: _parquet(pairs, 77)),
    ],
    "arrow": [("arrow", _arrow_file), ("feather", lambda pairs: _arrow_file(pairs, 7)), ("arrows", _arrow_stream)],
}


KINDS = [(reader, place) for reader, files in FILES.items() for place in range(len(files))]


def _written(folder: Path, reader: str, pairs: Sequence[Pair], place: int = 0, stem: str = "pairs") -> Path:
    suffix, made = FILES[reader][place]
    path = folder / f"{stem}.{suffix}"
    path.write_bytes(made(pairs))
    return path


def test_every_reader_has_test_files() -> None:
    of_pairs = {name for name, form in FORMATS.items() if not form.is_of_lists}
    assert set(FILES) == of_pairs - {"frame"}, "a new reader needs a way to write its files here"
    assert all(FILES.values())


@each("dtype", ["float64", "float32"])
@each(("reader", "place"), KINDS)
def test_readers_are_equivalent(reader: str, place: int, dtype: Any, tmp_path: Path) -> None:
    path = _written(tmp_path, reader, PAIRS, place)
    assert resolve([str(path)])[0].format == reader
    assert _found([path], PLAN.changed(dtype=dtype)) == _expected(PAIRS, MARGIN, dtype)


class InMemory:
    """A file that has no path: what a reader gets from it, it gets from the storage."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size_bytes(self) -> int:
        return len(self._data)

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._data)

    def first(self, size: int) -> bytes:
        return self._data[:size]

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]

    def seekable(self, ranges: object = None) -> pa.NativeFile:
        return pa.BufferReader(self._data)

    local = seekable


@pytest.mark.slow
@each(("reader", "place"), KINDS)
def test_only_the_storage_opens_a_file(reader: str, place: int, tmp_path: Path) -> None:
    path = _written(tmp_path, reader, PAIRS, place)
    source = replace(resolve([str(path)])[0], file=InMemory(path.read_bytes()))
    path.unlink()
    shards = list(shards_of([source], PLAN))
    batches = [batch for shard in shards for batch in read(shard, PLAN)]
    roles = [role for role, _ in PLAN.columns.wanted]
    columns = [np.concatenate([batch.numbers[role] for batch in batches]).tolist() for role in roles]
    assert list(zip(*columns, strict=True)) == PAIRS


def test_parquet_is_read_where_pyarrow_has_another_inner_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **options: object) -> None:
        del args, options
        msg = "another signature"
        raise TypeError(msg)

    monkeypatch.setattr(parquet.LightParquetFile, "__init__", refused)
    path = _written(tmp_path, "parquet", PAIRS, 1)
    with parquet.opened(resolve([str(path)])[0]) as file:
        assert isinstance(file, pq.ParquetFile)
    assert _found([path], PLAN) == _expected(PAIRS, MARGIN)


def test_naive_sum_would_differ() -> None:
    naive = reduce(operator.add, _losses(PAIRS, MARGIN))  # sum() compensates from Python 3.12 on
    assert naive != math.fsum(_losses(PAIRS, MARGIN)), "the pairs are too easy to prove anything"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("block_bytes", [16, 100, 4096])
@pytest.mark.parametrize("place", range(len(FILES["csv"])))
def test_blocks_and_jobs_change_no_digit(
    place: int, block_bytes: int, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    pairs = PAIRS[:100]
    assert _found([_written(tmp_path, "csv", pairs, place)], jobs=jobs) == _expected(pairs, MARGIN)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 5])
@pytest.mark.parametrize(
    ("reader", "block_bytes"),
    [("jsonl", 16), ("jsonl", 100), ("jsonl", 4096), ("tsv", 100), ("json", 16), ("json", 100)],
)
def test_blocks_of_lines_change_no_digit(
    reader: str, block_bytes: int, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    pairs = PAIRS[:100]
    for place in range(len(FILES[reader])):
        assert _found([_written(tmp_path, reader, pairs, place)], jobs=jobs) == _expected(pairs, MARGIN)


def test_small_blocks_make_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 50)
    (source,) = resolve([str(_written(tmp_path, "csv", PAIRS))])
    assert len(list(shards_of([source], PLAN))) > 100


@each("reader", list(FILES))
@each("jobs", [1, 2, 5])
def test_jobs_agree(reader: str, jobs: int, tmp_path: Path) -> None:
    paths = [_written(tmp_path, reader, PAIRS[start::3], stem=f"piece{start}") for start in range(3)]
    assert _found(paths, jobs=jobs) == _expected(PAIRS, MARGIN)


def test_split_over_formats_is_as_whole(tmp_path: Path) -> None:
    cuts = [0, 1, 120, 121, 122, 200, len(PAIRS)]
    pieces = [PAIRS[start:stop] for start, stop in pairwise(cuts)]
    paths = [_written(tmp_path, reader, piece) for reader, piece in zip(FILES, pieces, strict=True)]
    assert _found(paths, jobs=5) == _expected(PAIRS, MARGIN)


@pytest.mark.parametrize("reader", ["csv", "parquet"])
def test_row_order_changes_no_digit(reader: str, tmp_path: Path) -> None:
    expected = _expected(PAIRS, MARGIN)
    for seed in range(3):
        shuffled = random.Random(seed).sample(PAIRS, len(PAIRS))
        assert shuffled != PAIRS
        assert _found([_written(tmp_path, reader, shuffled)]) == expected


@pytest.mark.slow
@each(("reader", "place"), [(reader, place) for reader, place in KINDS if place in (0, 2, 7)])
def test_stdin_is_as_the_file(reader: str, place: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = FILES[reader][place][1](PAIRS)
    record = run_inside(["compute", "-", "--format", "json", "--margin", str(MARGIN)], capfd, data).result
    assert _numbers(record) == _expected(PAIRS, MARGIN)


@pytest.mark.parametrize("reader", mostly_slow(["csv", "parquet"], quick=1))
def test_pipe_is_as_the_file(reader: str) -> None:
    record = run(["compute", "--format", "json", "--margin", str(MARGIN)], stdin=FILES[reader][0][1](PAIRS)).result
    assert _numbers(record) == _expected(PAIRS, MARGIN)


# Numbers of every size.

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.one_of(
    FINITE,
    st.floats(-1, 1),
    st.floats(1e300, 1.7e308),
    st.floats(-1.7e308, -1e300),
    st.floats(-1e-307, 1e-307),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, 2.0**53, 1e16, 0.1]),
)
LISTS = st.lists(st.builds(Pair, SCORES, SCORES, st.sampled_from([1, -1])), min_size=1, max_size=60)


@examples(40)
@given(
    pairs=LISTS,
    margin=st.one_of(st.sampled_from([0.0, 0.1, 5e-324, 1e308]), st.floats(-10, 10)),
    cut=st.integers(0, 60),
)
def test_sums_are_exact_for_numbers_of_every_size(
    pairs: list[Pair], margin: float, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    plan = PLAN.changed(margin=margin + 0.0)
    expected = _expected(pairs, margin + 0.0)
    assert _found([_written(folder, "parquet", pairs)], plan) == expected
    assert _found([_written(folder, "jsonl", pairs)], plan) == expected
    pieces = [piece for piece in (pairs[:cut], pairs[cut:]) if piece]
    paths = [_written(folder, "csv", piece, stem=str(place)) for place, piece in enumerate(pieces)]
    assert _found(paths, plan) == expected


FLOATS32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
LISTS32 = st.lists(st.builds(Pair, FLOATS32, FLOATS32, st.sampled_from([1, -1])), min_size=1, max_size=60)


@examples(40)
@given(pairs=LISTS32, margin=st.sampled_from([0.0, 0.1, -0.3, 1e30]))
def test_float32_rounds_as_the_definition(
    pairs: list[Pair], margin: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    plan = PLAN.changed(margin=margin, dtype="float32")
    with np.errstate(over="ignore"):
        expected = _expected(pairs, margin, "float32")
    assert _found([_written(folder, "csv", pairs)], plan) == expected
    assert _found([_written(folder, "parquet", pairs)], plan) == expected


@each("reader", list(FILES))
def test_a_sum_beyond_the_doubles_is_infinite_and_the_mean_is_not(reader: str, tmp_path: Path) -> None:
    pairs = [Pair(-1e308, 0.0, 1)] * 3
    actual = _found([_written(tmp_path, reader, pairs)], PLAN.changed(margin=0.0))
    assert (actual["sum"], actual["mean"], actual["max"]) == (math.inf, 1e308, 1e308)


# Per-pair rows.


def _read_losses(path: Path) -> list[float]:
    if path.suffix == ".parquet":
        return [float(value) for value in pq.read_table(path).column("loss").to_pylist()]
    if path.suffix == ".jsonl":
        return [float(json.loads(line)["loss"]) for line in path.read_text().splitlines()]
    header, *rows = path.read_text().splitlines()
    assert header == "loss"
    return [float(row) for row in rows]


@each("dtype", ["float64", "float32"])
@each("writer", WRITERS)
@each("reader", list(FILES))
def test_rows_are_the_losses_in_input_order(
    reader: str,
    writer: str,
    dtype: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 3000)
    paths = [_written(tmp_path, reader, PAIRS[:90], stem="a"), _written(tmp_path, reader, PAIRS[90:], stem="b")]
    out = tmp_path / f"out.{writer}"
    call: Call = [
        "compute",
        *paths,
        "--margin",
        str(MARGIN),
        "--dtype",
        dtype,
        "--reduction",
        "none",
        "-o",
        out,
        "--jobs",
        "3",
    ]
    assert run_inside(call, capfd).code == 0
    losses = _read_losses(out)
    assert losses == _losses(PAIRS, MARGIN, dtype)
    assert [math.copysign(1, loss) for loss in losses] == [1.0] * len(losses), "a loss is never the negative zero"
    if writer == "parquet":
        assert pq.read_schema(out).field("loss").type == (pa.float64() if dtype == "float64" else pa.float32())


@pytest.mark.parametrize("writer", WRITERS)
def test_rows_left_out_have_no_loss(writer: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("x1,x2,y\n1,2,1\noops,2,1\n1,9,0\n1,3,7\n1,4,1\n")
    out = tmp_path / f"out.{writer}"
    call: Call = [
        "compute",
        tmp_path / "bad.csv",
        "--on-error",
        "skip",
        "--on-tie",
        "drop",
        "--reduction",
        "none",
        "-o",
        out,
    ]
    assert run_inside(call, capfd).code == 0
    assert _read_losses(out) == [1.0, 3.0]


# Kept columns. The texts are what a careless writer breaks.

HEADER = ["id", "x1", "note, with comma", "x2", "y"]
NOTES = [
    "plain",
    "a,b",
    'say "no"',
    "two\nlines",
    "with\r\nboth",
    "",
    " spaced ",
    "ünï ✓",
    "tab\there",
    "NA",
    "null",
    "'",
    "1.50",
]
RECORDS = [[f"{place:03}", f"{place}.50", note, "3e0", "1" if place % 2 else "-1"] for place, note in enumerate(NOTES)]
RECORD_LOSSES = [max(0.0, -int(y) * (float(x1) - float(x2)) + MARGIN) for _, x1, _, x2, y in RECORDS]


def _kept(source: Path, out: Path, capfd: pytest.CaptureFixture[str], *more: str) -> Path:
    call: Call = ["compute", source, "--reduction", "none", "--keep-columns", "--margin", str(MARGIN), "-o", out, *more]
    ran = run_inside(call, capfd)
    assert ran.code == 0, ran.err
    return out


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """A CSV file with RECORDS."""
    path = tmp_path / "noted.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *RECORDS])
    return path


@each("block_bytes", [16, 64, 1 << 22])
@each("suffix", ["csv", "tsv"])
def test_kept_columns_of_csv_come_back_in_csv(
    suffix: str,
    block_bytes: int,
    noted: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    out = _kept(noted, tmp_path / f"out.{suffix}", capfd)
    with out.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter="," if suffix == "csv" else "\t")
    assert header == [*HEADER, "loss"]
    assert [row[:-1] for row in rows] == RECORDS
    assert [float(row[-1]) for row in rows] == RECORD_LOSSES


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_kept_columns_of_csv_come_back_as_text(
    suffix: str, noted: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = _kept(noted, tmp_path / f"out.{suffix}", capfd)
    if suffix == "jsonl":
        rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    else:
        rows = pq.read_table(out).to_pylist()
    assert [list(row) for row in rows] == [[*HEADER, "loss"]] * len(RECORDS)
    assert [list(row.values())[:-1] for row in rows] == RECORDS
    assert [row["loss"] for row in rows] == RECORD_LOSSES


def test_careful_way_keeps_the_same_columns(noted: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A bad row makes the whole shard be read the careful way; the others must come out as before."""
    with noted.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["bad", "oops", "", "1", "1"])
    out = _kept(noted, tmp_path / "out.csv", capfd, "--on-error", "skip")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[:-1] for row in rows] == RECORDS


def test_kept_columns_of_json_lines_come_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    records: list[dict[str, Any]] = [
        {"id": 1, "x1": 0.5, "x2": 0.25, "y": 1, "note": "a\nb ✓", "flag": True, "none": None, "half": 0.5},
        {"id": 2, "x1": 1, "x2": 2, "y": -1, "note": "", "flag": False, "none": None, "half": 2.5},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    out = _kept(tmp_path / "in.jsonl", tmp_path / "out.jsonl", capfd)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    losses = _losses([Pair(record["x1"], record["x2"], record["y"]) for record in records], MARGIN)
    assert rows == [record | {"loss": loss} for record, loss in zip(records, losses, strict=True)]
    assert list(rows[0]) == [*records[0], "loss"]


def test_logical_types_of_parquet_are_kept_without_an_arrow_schema(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = pa.array([bytes([i % 256] * 16) for i in range(len(PAIRS))], pa.uuid())
    pq.write_table(_table(PAIRS).append_column("id", ids), tmp_path / "in.parquet", store_schema=False)
    out = pq.read_table(_kept(tmp_path / "in.parquet", tmp_path / "out.parquet", capfd))
    assert out.column("id").to_pylist() == ids.to_pylist()
    assert out.schema.field("id").type == pa.uuid()


def test_kept_columns_of_parquet_come_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = _table(PAIRS)
    extra = {
        "id": pa.array(range(len(PAIRS)), pa.uint64()),
        "text": pa.array([None if i % 7 == 0 else f"a,{i}\n" for i in range(len(PAIRS))]),
        "kind": pa.array([f"k{i % 3}" for i in range(len(PAIRS))]).dictionary_encode(),
        "time": pa.array(range(len(PAIRS)), pa.timestamp("us", "UTC")),
        "tags": pa.array([[i, None] for i in range(len(PAIRS))]),
    }
    for name, column in extra.items():
        table = table.append_column(name, column)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=99)
    out = pq.read_table(_kept(tmp_path / "in.parquet", tmp_path / "out.parquet", capfd, "--jobs", "3"))
    assert out.drop_columns(["loss"]).to_pydict() == table.to_pydict()
    assert out.drop_columns(["loss"]).schema.equals(table.schema)
    assert out.column_names[-1] == "loss"
    assert out.column("loss").to_pylist() == _losses(PAIRS, MARGIN)


def test_column_called_loss_is_not_overwritten(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("x1,x2,y,loss\n1,2,1,9\n")
    call: Call = ["compute", tmp_path / "in.csv", "--reduction", "none", "--keep-columns"]
    ran = run_inside(call, capfd)
    assert (ran.code, ran.out) == (2, "")


def test_columns_of_one_name_are_refused_where_one_would_be_lost(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("x1,x2,y,a,a\n1,2,1,p,q\n")
    call: Call = ["compute", tmp_path / "in.csv", "--reduction", "none", "--keep-columns", "--format"]
    assert run_inside([*call, "csv"], capfd).out.startswith("x1,x2,y,a,a,loss\n")
    ran = run_inside([*call, "jsonl"], capfd)
    assert (ran.code, ran.out) in [(2, ""), (3, "")]


# A quote that turns up after the text was split: all before it stands, the rest is one stream.


def _quoted_late(pairs: Sequence[Pair], first_quote: int) -> bytes:
    """Return CSV with a fourth column that holds line ends in quotes, from row `first_quote` on."""
    rows = [
        f"{x1!r},{x2!r},{y}," + ('"one\n0,0,1,two"' if place >= first_quote and place % 5 == 0 else "one") + "\n"
        for place, (x1, x2, y) in enumerate(pairs)
    ]
    return ("x1,x2,y,note\n" + "".join(rows)).encode()


@each("jobs", [1, 3])
@each("block_bytes", [16, 100, 1000])
@each("first_quote", [1, 50, 99])
def test_late_quote_loses_no_row(
    first_quote: int, block_bytes: int, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(text, "HEAD_BYTES", 32)
    pieces = [PAIRS[:100], PAIRS[100:200], PAIRS[200:230]]
    paths = [tmp_path / "a.csv", tmp_path / "b.csv", _written(tmp_path, "csv", pieces[2])]
    for path, piece in zip(paths, pieces, strict=False):
        path.write_bytes(_quoted_late(piece, first_quote)) if path.stem != "pairs" else None
    assert _found(paths, jobs=jobs) == _expected(PAIRS[:230], MARGIN)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", mostly_slow(["3", "1"], quick=1))
def test_late_quote_keeps_rows_and_columns_in_order(
    jobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Twice, with the real size of the head: a file that is long enough, and split at small blocks."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 8192)
    pairs = _pairs(6000, seed=3)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(_quoted_late(pairs, 4000))
    assert (tmp_path / "a.csv").read_bytes().index(b'"') > text.HEAD_BYTES + 2 * text.BLOCK_BYTES
    out = tmp_path / "out.jsonl"
    call: Call = ["compute", tmp_path / "a.csv", tmp_path / "b.csv", "--reduction", "none", "--keep-columns"]
    ran = run_inside([*call, "--margin", str(MARGIN), "-o", out, "--jobs", jobs], capfd)
    assert (ran.code, ran.err) == (0, "")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["loss"] for row in rows] == _losses(pairs, MARGIN) * 2
    assert [float(row["x1"]) for row in rows] == [pair.x1 for pair in pairs] * 2
    late = [place >= 4000 and place % 5 == 0 for place in range(len(pairs))] * 2
    assert [row["note"] for row in rows] == ["one\n0,0,1,two" if is_late else "one" for is_late in late]


@pytest.mark.slow
def test_bad_cell_after_a_late_quote_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 100)
    monkeypatch.setattr(text, "HEAD_BYTES", 32)
    data = _quoted_late(PAIRS[:100], 50)
    (tmp_path / "bad.csv").write_bytes(data + b"oops,1,1,one\n")
    run_inside(["compute", tmp_path / "bad.csv"], capfd).must_fail(
        3, f"line {data.count(bytes([10])) + 1}: x1 is 'oops'"
    )


@pytest.mark.slow
def test_few_shards_are_under_way_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat because an engine does not run ahead of who takes its parts."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 16)
    asked = 0

    def counted(*args: Any) -> Any:
        nonlocal asked
        for shard in shards_of(*args):
            asked += 1
            yield shard

    monkeypatch.setattr(local, "shards_of", counted)
    parts = local.local(resolve([str(_written(tmp_path, "csv", PAIRS))]), JOB, 2)
    next(parts)
    assert asked <= 2 + 4
    assert sum(part.counts.pairs for part in parts) + 1 == len(PAIRS)


def test_threads_carry_out_calls_in_order_and_forget_those_that_wait() -> None:
    """A call that fails says so to whoever asks for its result, and the next one is carried out all the same."""
    begun, goes_on, carried_out = Event(), Event(), list[int]()

    def first(_: object) -> None:
        begun.set()
        assert goes_on.wait(60)

    pool = local._Pool([None])
    calls = [pool.submit(work) for work in (first, lambda _: 1 // 0, lambda _: carried_out.append(2))]
    assert begun.wait(60)
    goes_on.set()
    with pytest.raises(ZeroDivisionError):
        calls[1].result()
    assert calls[2].result() is None
    assert carried_out == [2]
    begun.clear()
    goes_on.clear()
    last = pool.submit(first)
    assert begun.wait(60)
    pool.submit(lambda _: carried_out.append(4))
    pool.end()
    goes_on.set()
    last.result()
    for thread in enumerate_threads():
        if thread.name == "mrl":
            thread.join(60)
    assert carried_out == [2]
