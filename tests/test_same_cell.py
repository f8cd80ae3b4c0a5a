"""A cell fares alike in every format: what is a number in one is that number in all, what is refused in one in all."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tests.each import each
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]

Columns = dict[str, list[Any]]


def _records(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _write_text(columns: Columns, path: Path) -> None:
    """Write a value that is no text as JSON does, as pandas and Python write lists; an empty cell for null."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if v is None else v if isinstance(v, str) else json.dumps(v) for v in row])


WRITERS: dict[str, Callable[[Columns, Path], object]] = {
    "pairs.csv": _write_text,
    "pairs.jsonl": lambda columns, path: path.write_text("".join(json.dumps(r) + "\n" for r in _records(columns))),
    "columns.json": lambda columns, path: path.write_text(json.dumps(columns, indent=1)),
    "pairs.parquet": lambda columns, path: pq.write_table(pa.table(columns), path, row_group_size=2),
    "pairs.arrow": lambda columns, path: pa.feather.write_feather(pa.table(columns), path, compression="uncompressed"),
}
EVERY_FORMAT = each("name", list(WRITERS))

# x1 of three pairs, with x2 = 3 and y = 1, and the sum of the losses 3 - x1.
GOOD: dict[str, tuple[list[Any], float, tuple[str, ...]]] = {
    "numbers": ([0.5, 1.0, -2.0], 2.5 + 2 + 5, ()),
    "lists of one": ([[0.5], [1.0], [-2.0]], 2.5 + 2 + 5, ()),
    "lists of one integer": ([[0], [1], [-2]], 3 + 2 + 5, ()),
    "numbers as text": (["0.5", "1", "-2e0"], 2.5 + 2 + 5, ()),
    "numbers as text with blanks": ([" 0.5", "1 ", "\t-2"], 2.5 + 2 + 5, ()),
    "lists of one text": ([["0.5"], ["1"], [" -2"]], 2.5 + 2 + 5, ()),
    "lists as text": (["[0.5]", "[ 1 ]", "[-2]"], 2.5 + 2 + 5, ()),
    "decimal commas": (["0,5", "1", "-2,0"], 2.5 + 2 + 5, ("--decimal", ",")),
}
BAD: dict[str, tuple[list[Any], str, str, tuple[str, ...]]] = {
    "a list of two": ([[0.5], [1.0, 2.0], [-2.0]], "a list, not one number", "[1.0, 2.0]", ()),
    "an empty list": ([[0.5], [], [-2.0]], "a list, not one number", "[]", ()),
    "a list of nothing": ([[0.5], [None], [-2.0]], "missing value", "", ("pairs.csv",)),
    "two numbers as text": (["0.5", "[1, 2]", "-2"], "a list, not one number", "[1, 2]", ()),
    "two numbers between blanks": (["0.5", "[1 2]", "-2"], "a list, not one number", "[1 2]", ()),
    "null among lists": ([[0.5], None, [-2.0]], "missing value", "", ()),
    "null among texts": (["0.5", None, "-2"], "missing value", "", ()),
    "a word": (["0.5", "oops", "-2"], "not a number", "oops", ()),
    "NaN as text": (["0.5", "nan", "-2"], "NaN", "nan", ()),
    "infinity as text": (["0.5", "-Infinity", "-2"], "infinite", "-Infinity", ()),
    "hexadecimal": (["0.5", "0x10", "-2"], "not a number", "0x10", ()),
    "no text": (["0.5", "", "-2"], "missing value", "", ()),
    "an inexact integer as text": (["0.5", "9007199254740993", "-2"], "integer not exact", "9007199254740993", ()),
}


def _run(name: str, values: list[Any], folder: Path, capfd: Capture, *options: str) -> Ran:
    WRITERS[name]({"x1": values, "x2": [3] * len(values), "y": [1] * len(values)}, folder / name)
    return run_inside(["compute", folder / name, "-f", "json", *options], capfd)


@EVERY_FORMAT
@each("kind", list(GOOD))
def test_a_cell_is_the_same_number_in_every_format(name: str, kind: str, tmp_path: Path, capfd: Capture) -> None:
    values, total, options = GOOD[kind]
    result = _run(name, values, tmp_path, capfd, *options).result
    assert (result["sum"], result["pairs"]) == (total, 3)


@EVERY_FORMAT
@each("kind", list(BAD))
def test_a_cell_is_refused_for_one_reason_in_every_format(name: str, kind: str, tmp_path: Path, capfd: Capture) -> None:
    values, problem, shown, but = BAD[kind]
    if name in but:
        pytest.skip("a text has no such cell")
    ran = _run(name, values, tmp_path, capfd)
    ran.must_fail(3, "error: 1 problem in ", f"  {problem}", shown)
    assert ("mrl rank" in ran.err) == (problem == "a list, not one number")
    skipped = _run(name, values, tmp_path, capfd, "--on-error", "skip", "-q").result
    assert (skipped["sum"], skipped["pairs"], skipped["rejected"]) == (2.5 + 5.0, 2, 1)


@EVERY_FORMAT
@each("role", ["margin-column", "weight"])
def test_true_is_no_number(name: str, role: str, tmp_path: Path, capfd: Capture) -> None:
    WRITERS[name]({"x1": [1.0], "x2": [3.0], "y": [1], "m": [True]}, tmp_path / name)
    ran = run_inside(["compute", tmp_path / name, f"--{role}", "m"], capfd)
    ran.must_fail(3)
    assert "not a number" in ran.err or "column m holds bool, not numbers" in ran.err
    assert _run(name, [True], tmp_path, capfd).code == 3


@pytest.mark.slow
@EVERY_FORMAT
def test_losses_of_ones_own_may_be_texts_and_not_finite(name: str, tmp_path: Path, capfd: Capture) -> None:
    columns: Columns = {"x1": [0.5, 1.0], "x2": [3, 3], "y": [1, 1], "mine": ["2.5", "NaN"]}
    WRITERS[name](columns, tmp_path / name)
    ran = run_inside(["validate", tmp_path / name, "--loss-column", "mine", "-f", "json"], capfd)
    record = json.loads(ran.out)
    assert (ran.code, record["mismatch_count"]) == (1, 1)
    assert record["mismatches"][0]["not_finite"] == {"got": "NaN"}


def test_one_line_of_lists_is_one_pair(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "one.jsonl").write_text('{"chosen": [0.25], "rejected": [1.5]}\n')
    result = run_inside(["compute", tmp_path / "one.jsonl", "--preset", "rewardbench", "-f", "json"], capfd).result
    assert (result["pairs"], result["value"]) == (1, 1.25)


@EVERY_FORMAT
def test_a_list_is_a_key_in_every_format(name: str, tmp_path: Path, capfd: Capture) -> None:
    columns: Columns = {"x1": [0.5, 1.0, 2.0], "x2": [3, 3, 3], "y": [1, 1, 1], "g": [["a", "b"], ["a"], ["a", "b"]]}
    WRITERS[name](columns, tmp_path / name)
    result = run_inside(["compute", tmp_path / name, "--group-by", "g", "-f", "json"], capfd).result
    assert {group["group"]: group["sum"] for group in result["groups"]} == {'["a", "b"]': 2.5 + 1, '["a"]': 2}


@EVERY_FORMAT
def test_a_cell_of_two_roles_is_one_problem_in_every_format(name: str, tmp_path: Path, capfd: Capture) -> None:
    WRITERS[name]({"x1": [0.5, 1.0], "x2": [3, 3], "y": [1, 1], "m": ["2", "z"]}, tmp_path / name)
    ran = run_inside(["compute", tmp_path / name, "--weight", "m", "--margin-column", "m"], capfd)
    ran.must_fail(3, "error: 1 problem in ", "m is ")
