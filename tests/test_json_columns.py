"""JSON as one value, as a user meets it: an object of columns, an array of objects, and what is wrong with them."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.each import each
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Mrl = Callable[..., Ran]

# Losses of margin 0: 2, 0 and 0.25.
COLUMNS: dict[str, Any] = {"x1": [1, 3.0, 0.5], "x2": [3, 1.0, 0.25], "y": [1, 1, -1]}
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
SUM = 2 + 0 + 0.25


@pytest.fixture
def compute(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl compute on a value, written as JSON to pairs.json, or on a text as it is."""
    monkeypatch.chdir(tmp_path)

    def run(value: Any, *args: str, indent: int | None = None, name: str = "pairs.json") -> Ran:
        text = value if isinstance(value, str) else json.dumps(value, indent=indent)
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return run_inside(["compute", name, *(() if "--format" in args else ("-f", "json")), *args], capfd)

    return run


@each("indent", [None, 0, 4])
@each("name", ["pairs.json", "pairs.json.gz", "pairs", "pairs.txt"])
@each("value", [COLUMNS, RECORDS, COLUMNS | {"x1": [[1], [3.0], [0.5]]}, {"note": {}} | COLUMNS])
def test_columns_and_arrays_are_read_whatever_the_file_is_called(
    value: Any, name: str, indent: int | None, compute: Mrl
) -> None:
    record = compute(value, indent=indent, name=name).result
    assert (record["sum"], record["pairs"]) == (SUM, 3)


def test_json_lines_may_be_called_json(compute: Mrl) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS)
    assert compute(lines).result["sum"] == SUM
    assert compute("\n\n" + lines).result["sum"] == SUM
    compute('{"x1": oops}\n' + lines).must_fail(3, "line 1: '{\"x1\": oops}'")


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_without_lists_is_one_pair(indent: int | None, compute: Mrl) -> None:
    assert compute(RECORDS[0] | {"messages": [1, 2]}, indent=indent).result["sum"] == 2


def test_what_is_no_list_is_the_same_for_every_row(compute: Mrl) -> None:
    value = COLUMNS | {"y": 1, "model": "m", "w": 2}
    record = compute(value, "--group-by", "model", "--weight", "w").result
    assert [(group["group"], group["sum"]) for group in record["groups"]] == [("m", 2 * 2.0)]
    assert record["weight"] == 6


def test_keys_are_texts(compute: Mrl) -> None:
    record = compute(COLUMNS | {"k": ["b", None, 7]}, "--group-by", "k").result
    assert [group["group"] for group in record["groups"]] == ["7", "", "b"]


def test_every_column_is_kept(compute: Mrl) -> None:
    value = COLUMNS | {"model": "m", "t": ["a", {"b": 1}, None]}
    ran = compute(value, "--reduction", "none", "--keep-columns", "--format", "csv")
    assert list(csv.reader(ran.out.splitlines())) == [
        ["x1", "x2", "y", "model", "t", "loss"],
        ["1.0", "3.0", "1", "m", "a", "2.0"],
        ["3.0", "1.0", "1", "m", '{"b": 1}', "0.0"],
        ["0.5", "0.25", "-1", "m", "", "0.25"],
    ]


FAULTS = [
    ("null", None, "missing value", "null"),
    ("text", "half", "not a number", '"half"'),
    ("true", True, "not a number", "true"),
    ("deeper nesting", [[0.5]], "a list, not one number", "[[0.5]]"),
    ("two in one", [0.5, 1], "a list, not one number", "[0.5, 1]"),
    ("none in one", [], "a list, not one number", "[]"),
    ("NaN", float("nan"), "NaN", "NaN"),
    ("infinite", float("inf"), "infinite", "Infinity"),
    ("inexact", 2**53 + 1, "integer not exact as a double", "9007199254740993"),
    ("enormous", 10**400, "integer not exact as a double", "1000"),
]


@each("is_columns", [True, False])
@each(("value", "kind", "value_shown"), [fault[1:] for fault in FAULTS])
def test_bad_cell_is_named(
    value: Any, kind: str, value_shown: str, *, is_columns: bool, compute: Mrl, tmp_path: Path
) -> None:
    bad: Any = COLUMNS | {"x2": [3, value, 0.25]}
    if not is_columns:
        bad = [RECORDS[0], RECORDS[1] | {"x2": value}, RECORDS[2]]
    compute(bad).must_fail(3, "error: 1 problem in pairs.json (3 rows)\n", kind, f"row 2: x2 is {value_shown}")
    skipped = compute(bad, "--on-error", "skip", "--rejects", "bad.csv", "-q").result
    assert (skipped["sum"], skipped["pairs"], skipped["rejected"]) == (SUM, 2, 1)
    header, (file, row, column, _, problem) = csv.reader((tmp_path / "bad.csv").read_text().splitlines())
    assert (header[-1], file, row, column, problem) == ("problem", "pairs.json", "2", "x2", kind)


def test_bad_label_is_named(compute: Mrl) -> None:
    compute(COLUMNS | {"y": [1, 0, 1]}).must_fail(3, "row 2: y is 0")


def test_rows_keep_their_numbers_when_some_are_left_out(compute: Mrl) -> None:
    ran = compute(COLUMNS | {"x1": [None, 3, 0.5], "y": [1, 1, 0]})
    assert "row 1: x1 is null" in ran.err
    assert "row 3: y is 0" in ran.err


@each(
    ("value", "message"),
    [
        (COLUMNS | {"x2": [1]}, "column x1 has 3 values, x2 has 1"),
        (COLUMNS | {"x1": 0.5}, "column x1 is 0.5, not a list"),
        (COLUMNS | {"x1": {"0": 1}}, "column x1 is an object, not a list\nhint: from pandas?"),
        ('{"x1": [1], "x1": [2], "x2": [1], "y": [1]}', "column x1 is given twice"),
        ('[{"x1": 1, "x1": 2, "x2": 1, "y": 1}]', "key given twice"),
        ("[1, 2]", "row 1: '1'"),
        ('{"x1": [1,', "is not one JSON value: line 1, column 11"),
        (
            '{\n"x1": 1\n}\n{\n"x1": 1\n}\n',
            "is not one JSON value: line 4, column 1: Extra data\nhint: several values?",
        ),
        ("[" * 100_000, "is nested too deeply: line 1"),
        (
            '{"x1": [1], "x2": [3],\n"y": [1],\n"z": ' + "[" * 100_000 + "]" * 100_000 + "}",
            "is nested too deeply: line 3",
        ),
        ('[{"x1": 1, "x2": 3, "y": 1},\n{"x1": ' + '{"a": ' * 100_000 + "0" + "}" * 100_001 + "]", "deeply: line 2"),
        ('{"x1": [' + "1" * 5000 + "]}", "holds an endless number"),
        ("[]", "no rows in pairs.json"),
        ("", "no rows in pairs.json"),
        ("\n \n", "no rows in pairs.json"),
        ({"x1": [], "x2": [], "y": []}, "no rows in pairs.json"),
    ],
)
def test_what_is_no_column_is_refused(value: Any, message: str, compute: Mrl) -> None:
    compute(value).must_fail(3, message)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [*range(100, 800, 100), *range(800, 1000, 4)])
def test_no_depth_ends_in_a_bug(levels: int, compute: Mrl) -> None:
    deep = "[" * levels + "]" * levels
    columns = f'{{"x1": [1], "x2": [3], "y": [1], "z": [{deep}]}}'
    for text in (columns, f'[{{"x1": 1, "x2": 3, "y": 1, "z": {deep}}}]', columns.replace("[3]", f"[{deep}]")):
        for options in (["--group-by", "z"], ["--reduction", "none", "--keep-columns", "--format", "csv"]):
            ran = compute(text, *options)
            assert ran.code in (0, 3), ran.err
            assert ran.code == 0 or "pairs.json" in ran.err


def test_text_that_is_not_utf8_is_named_by_its_line(
    compute: Mrl, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.json").write_bytes(b'{"x1": [1],\n"x2": [1], "y": [1],\n"t": ["\xe9"]}')
    run_inside(["compute", "l.json"], capfd).must_fail(
        3, "l.json is not UTF-8: line 3\nhint: name the file's encoding with --encoding"
    )
    assert run_inside(["compute", "l.json", "--encoding", "latin-1", "--raw"], capfd).out == "0.0\n"


@pytest.mark.parametrize("value", [COLUMNS, RECORDS, {"data": RECORDS}])
def test_missing_column_is_named_with_those_there_are(value: Any, compute: Mrl) -> None:
    ran = compute(value, "--x1", "X1")
    assert (ran.code, ran.out) == (2, "")
    there = "data" if "data" in value else "x1, x2, y\nhint: did you mean --x1 x1?"
    assert f"pairs.json has no column 'X1'; it has: {there}" in ran.err


def test_one_list_of_lists_does_not_pass_for_two(compute: Mrl) -> None:
    # (3, 1) against (3,) broadcasts to (3, 3) elsewhere; here a list of one number is that number.
    assert compute(COLUMNS | {"x2": [[3], [1.0], [0.25]]}).result["pairs"] == 3


@pytest.mark.parametrize("is_array", [True, False])
def test_a_key_may_first_come_in_a_later_object(is_array: bool, compute: Mrl) -> None:
    def run(*records: Any, args: tuple[str, ...] = ()) -> Ran:
        text = json.dumps(records) if is_array else "".join(json.dumps(record) + "\n" for record in records)
        return compute(text, *args, name="p.json" if is_array else "p.jsonl")

    whole = {"x1": 1, "x2": 0, "y": 1}
    assert run({"x1": 1, "y": 1}, whole, args=("--on-error", "skip")).result["rejected"] == 1
    filled = run(whole, whole | {"m": 1.5}, args=("--margin-column", "m", "--fill", "margin=3"))
    assert filled.result["sum"] == 2 + 0.5
    firsts: list[Any] = [None, {}]
    for first in firsts:
        ran = run(first, {"a": 1, "b": 2})
        assert (ran.code, "has no column 'x1'; it has: a, b" in ran.err) == (2, True), ran.err
    assert run(None, None).code == 3


def test_a_key_that_comes_late_is_said_to_be_looked_for_in_the_beginning(compute: Mrl) -> None:
    text = json.dumps({"x1": 1, "y": 1}) + "\n"
    late = text * (1 + (1 << 20) // len(text)) + json.dumps({"x1": 1, "x2": 0, "y": 1}) + "\n"
    for lines, there in ((text, "x1, y\n"), (late, "x1, y, in its first MiB\n")):
        ran = compute(lines, "--on-error", "skip", name="p.jsonl")
        assert (ran.code, f"no column 'x2'; it has: {there}" in ran.err) == (2, True), ran.err
