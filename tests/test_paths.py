"""Cells by their path, as a user meets them: in lines and values of JSON, in structs and lists of Parquet and Arrow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli import compare, evaluate
from mrl_cli.inputs.parquet import LightParquetFile
from tests.each import each
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]
    Records = list[dict[str, Any]]


def _write_stream(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


WRITERS: dict[str, Callable[[Records, Path], object]] = {
    "pairs.jsonl": lambda records, path: path.write_text("".join(json.dumps(one) + "\n" for one in records)),
    "array.json": lambda records, path: path.write_text(json.dumps(records, indent=1)),
    "columns.json": lambda records, path: path.write_text(
        json.dumps({name: [one[name] for one in records] for name in records[0]})
    ),
    "pairs.parquet": lambda records, path: pq.write_table(pa.Table.from_pylist(records), path, row_group_size=2),
    "pairs.arrow": lambda records, path: pa.feather.write_feather(
        pa.Table.from_pylist(records), path, compression="uncompressed", chunksize=2
    ),
    "pairs.arrows": lambda records, path: _write_stream(pa.Table.from_pylist(records), path),
}
EVERY_FORMAT = each("name", list(WRITERS))


def _judged(first: Sequence[float], label: int, source: str) -> dict[str, Any]:
    """A row as a judge writes it, whose second judgment has the scores the other way round."""
    judgments = [
        {"judgment": {"model": "m", "scores": scores}, "decision": "A>B"} for scores in (list(first), list(first)[::-1])
    ]
    return {"id": f"{source}-{label}", "label": {"y": label}, "judgments": judgments, "meta": {"source": source}}


# Losses at margin 0: 2, 0, 0.25 and, of the second judgment, 0, 2, 0.
RECORDS = [_judged((1.0, 3.0), 1, "law"), _judged((3.0, 1.0), 1, "code"), _judged((0.5, 0.25), -1, "law")]
PATHS = ["--x1", "judgments.0.judgment.scores.0", "--x2", "judgments.0.judgment.scores.1", "--y", "label.y"]


@pytest.fixture
def compute(capfd: Capture, tmp_path: Path) -> Callable[..., Ran]:
    """Write records in the format of a name, and run mrl compute on them."""

    def run(name: str, records: Records, *args: str) -> Ran:
        WRITERS[name](records, tmp_path / name)
        form = () if "--format" in args else ("-f", "json")
        return run_inside(["compute", tmp_path / name, *form, *args], capfd)

    return run


@EVERY_FORMAT
def test_paths_lead_to_the_same_cells_in_every_format(name: str, compute: Callable[..., Ran]) -> None:
    result = compute(name, RECORDS, *PATHS, "--group-by", "meta.source").result
    assert (result["sum"], result["pairs"]) == (2 + 0 + 0.25, 3)
    assert [(group["group"], group["sum"]) for group in result["groups"]] == [("code", 0.0), ("law", 2.25)]
    second = [path.replace("judgments.0", "judgments.1") for path in PATHS]
    assert compute(name, RECORDS, *second).result["sum"] == 0 + 2 + 0
    validated = compute(name, RECORDS, *PATHS, "--validate").result["validation"]
    assert validated["passed"]


META: Records = [{"x1": 2, "x2": 1, "y": 1, "meta": {"g": "u", "margin": 5}}] * 2


@EVERY_FORMAT
@each(
    ("options", "near"),
    [
        (("--margin-column", "meta.margn", "--fill", "margin=0"), "meta.margin"),
        (("--weight", "meta.magin", "--fill", "weight=1"), "meta.margin"),
        (("--group-by", "meta.G"), "meta.g"),
    ],
)
def test_a_path_to_nothing_in_any_row_is_a_missing_column(
    name: str, options: tuple[str, ...], near: str, compute: Callable[..., Ran]
) -> None:
    compute(name, META, *options).must_fail(
        2, f"{options[1]} is absent; meta has: g, margin\nhint: did you mean {near}?"
    )


@each("name", ["pairs.jsonl", "array.json", "columns.json"])
@each("rest", [{"margin": 5}, {"margin": None}])
@each("order", [1, -1])
def test_a_path_to_nothing_in_some_rows_is_a_missing_cell(
    name: str, rest: dict[str, Any], order: int, compute: Callable[..., Ran]
) -> None:
    pair = {"x1": 2, "x2": 1, "y": 1}
    records: Records = [pair | {"meta": {"g": "u"}}, pair | {"meta": rest}, pair | {"meta": None}]
    result = compute(name, records[::order], "--margin-column", "meta.margin", "--fill", "margin=1").result
    is_null = rest["margin"] is None
    assert (result["sum"], result["filled_margin"]) == ((0, 3) if is_null else (5 - 1, 2))


def test_a_path_to_something_in_a_row_left_out_is_no_missing_column(compute: Callable[..., Ran]) -> None:
    records: Records = [{"x1": "-", "x2": 1, "y": 1, "meta": {"margin": 5}}, {"x1": 2, "x2": 1, "y": 1, "meta": {}}]
    options = ["--margin-column", "meta.margin", "--fill", "margin=1.5", "--on-error", "skip", "-q"]
    assert compute("pairs.jsonl", records, *options).result["sum"] == 1.5 - 1


def test_each_file_has_a_path_of_its_own(tmp_path: Path, capfd: Capture) -> None:
    for name, member in (("a", "g"), ("b", "other")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"x1": 2, "x2": 1, "y": 1, "m": {member: "u"}}))
    run_inside(["compute", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--group-by", "m.g"], capfd).must_fail(
        2, "b.jsonl: m.g is absent; m has: other"
    )


@EVERY_FORMAT
def test_a_column_called_exactly_so_wins(name: str, compute: Callable[..., Ran]) -> None:
    records = [{"a.b": 1.0, "a": {"b": 7.0}, "x2": 3.0, "y": 1}, {"a.b": 2.0, "a": {"b": 7.0}, "x2": 3.0, "y": 1}]
    assert compute(name, records, "--x1", "a.b").result["sum"] == 2 + 1


@EVERY_FORMAT
def test_names_may_hold_dots_on_the_way(name: str, compute: Callable[..., Ran]) -> None:
    records = [{"a.b": {"c": 1.0, "c.d": 2.0}, "x2": 3.0, "y": 1}]
    assert compute(name, records, "--x1", "a.b.c").result["sum"] == 2
    assert compute(name, records, "--x1", "a.b.c.d").result["sum"] == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_column_called_so_in_a_later_line_wins_there(order: int, compute: Callable[..., Ran]) -> None:
    records = [{"a": {"b": 1.0}, "x2": 3.0, "y": 1}, {"a": {"b": 7.0}, "a.b": 2.0, "x2": 3.0, "y": 1}]
    assert compute("pairs.jsonl", records[::order], "--x1", "a.b").result["sum"] == 2 + 1


@pytest.mark.slow
@each("name", ["pairs.jsonl", "array.json", "pairs.parquet", "pairs.arrow", "pairs.arrows"])
@each("missing", [{}, {"judgments": None}, {"judgments": [None]}, {"judgments": [{}]}])
def test_a_member_that_is_not_there_is_a_missing_value(
    name: str, missing: dict[str, Any], compute: Callable[..., Ran]
) -> None:
    records = [*RECORDS, {"id": "x", "label": {"y": 1}, "meta": {"source": "law"}} | missing]
    compute(name, records, *PATHS).must_fail(3, "missing value", " 4: judgments.0.judgment.scores.0 is ")
    skipped = compute(name, records, *PATHS, "--on-error", "skip", "-q").result
    assert (skipped["sum"], skipped["pairs"], skipped["rejected"]) == (2.25, 3, 1)


@pytest.mark.parametrize("name", ["pairs.jsonl", "array.json", "pairs.parquet", "pairs.arrow"])
def test_what_is_not_there_names_what_is(name: str, compute: Callable[..., Ran]) -> None:
    ran = compute(name, RECORDS, *PATHS[2:], "--x1", "judgments.0.judgment.score")
    assert ran.code in (2, 3)
    assert "judgments.0.judgment.score is absent; judgments.0.judgment has: model, scores" in ran.err
    compute(name, RECORDS, *PATHS[2:], "--x1", "judgements.0.judgment.score").must_fail(
        2, "has no column 'judgements.0.judgment.score'", "did you mean --x1 judgments.0.judgment.score?"
    )


@EVERY_FORMAT
@each(
    ("path", "message"),
    [
        ("judgments.judgment.scores.0", "in a list of"),
        ("judgments.0.judgment.scores.first", "in a list of"),
        ("id.score", "below a value: id "),
        ("judgments.0.decision.0", "below a value: judgments.0.decision "),
    ],
)
def test_a_path_that_cannot_lead_on_is_refused(name: str, path: str, message: str, compute: Callable[..., Ran]) -> None:
    if name == "columns.json" and path.startswith("judgments.judgment"):
        pytest.skip("an object of columns: judgments.0 is of the first row")
    compute(name, RECORDS, *PATHS[2:], "--x1", path).must_fail(3, f"{path} is {message}")
    grouped = compute(name, RECORDS, *PATHS, "--group-by", path)
    assert (grouped.code, grouped.out) == (3, "")
    assert f"{path} is {message}" in grouped.err


@pytest.mark.slow
@EVERY_FORMAT
def test_a_place_beyond_the_list_of_a_row_names_the_row(name: str, compute: Callable[..., Ran]) -> None:
    records = [{"x1": [1.0, 2.0], "x2": 3.0, "y": 1}, {"x1": [1.5], "x2": 3.0, "y": 1}] * 2
    compute(name, records, "--x1", "x1.1").must_fail(
        3, "no such item", " 4: x1.1 is beyond a list: x1 has 1 item, counted from 0"
    )
    skipped = compute(name, records, "--x1", "x1.1", "--on-error", "skip", "-q").result
    assert (skipped["sum"], skipped["pairs"], skipped["rejected"]) == (1 + 1, 2, 2)
    assert compute(name, records, "--x1", "x1.1", "--group-by", "x1.1").code == 3
    assert compute(name, records, "--x1", "x1.0").result["sum"] == 2 + 1.5 + 2 + 1.5


@pytest.mark.slow
@EVERY_FORMAT
@each(
    ("cell", "path", "proposed"),
    [
        ([{"s": [1.0, 2.0]}], "x1.-1.s.0", "x1.0.s.0"),
        ([{"s": [1.0, 2.0]}], "x1.s.0", "x1.0.s.0"),
        ([[1.0, 2.0]], "x1.-1.0", "x1.0.0"),
        ([1.0, 2.0], "x1.score", "x1.0"),
        ([1.0, 2.0], "x1.-1", "x1.0"),
        ({"note": "n", "a": 1.0}, "x1", "x1.a"),
        ([{"a": 1.0}], "x1", "x1.0.a"),
    ],
)
def test_what_is_proposed_for_a_path_leads_to_a_number(
    name: str, cell: Any, path: str, proposed: str, compute: Callable[..., Ran]
) -> None:
    records = [{"x1": cell, "x2": 3.0, "y": 1}] * 2
    if name == "columns.json" and not isinstance(cell, list):
        records = [{"x1": [cell], "x2": 3.0, "y": 1}] * 2  # an object of columns, whose cells are objects
        proposed = proposed.replace("x1.", "x1.0.")
    ran = compute(name, records, "--x1", path)
    assert ran.code == 3
    assert re.search(rf"such as (--x1 )?{re.escape(proposed)}(\s|$)", ran.err)
    if name != "columns.json":  # there, x1.0 is of the first row
        assert compute(name, records, "--x1", proposed).result["sum"] == 2 + 2


@each("path", ["x1.score", "x1.0.score", "x1.-1.score"])
@each("name", ["pairs.jsonl", "array.json"])
def test_an_empty_list_has_no_item_to_name(name: str, path: str, compute: Callable[..., Ran]) -> None:
    ran = compute(name, [{"x1": [], "x2": 3.0, "y": 1}], "--x1", path)
    assert (ran.code, "no such item" in ran.err, "such as" in ran.err) == (3, True, False)


@EVERY_FORMAT
def test_an_object_is_not_called_a_text(name: str, compute: Callable[..., Ran]) -> None:
    ran = compute(name, [{"x1": [{"a": "b"}], "x2": 3.0, "y": 1}] * 2)
    assert (ran.code, "texts" in ran.err) == (3, False)


@EVERY_FORMAT
def test_a_list_of_more_says_how_one_of_its_numbers_is_named(name: str, compute: Callable[..., Ran]) -> None:
    records = [{"x1": [1.0, 2.0], "x2": 3.0, "y": 1}]
    ran = compute(name, records)
    ran.must_fail(3)
    assert "such as --x1 x1.0; lists are for `mrl rank`" in ran.err
    assert compute(name, records, "--x1", "x1.0").result["sum"] == 2


@each("name", [*WRITERS, "pairs.csv"])
def test_all_items_of_a_list_are_for_another_command(name: str, tmp_path: Path, capfd: Capture) -> None:
    if name == "pairs.csv":
        (tmp_path / name).write_text("x1,x2,y\n1,3,1\n")
    else:
        WRITERS[name](RECORDS, tmp_path / name)
    run_inside(["compute", tmp_path / name, "--x1", "judgments.*.judgment"], capfd).must_fail(2, "mrl rank")


def test_an_object_of_columns_may_hold_them_in_objects(tmp_path: Path, capfd: Capture) -> None:
    columns = {"scores": {"x1": [1.0, 3.0], "x2": [[3.0], [1.0]]}, "y": 1, "model": {"name": "m"}}
    (tmp_path / "columns.json").write_text(json.dumps(columns, indent=1))
    args = ["--x1", "scores.x1", "--x2", "scores.x2", "--group-by", "model.name"]
    result = run_inside(["compute", tmp_path / "columns.json", "-f", "json", *args], capfd).result
    assert [(group["group"], group["sum"], group["pairs"]) for group in result["groups"]] == [("m", 2.0, 2)]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_one_row(indent: int | None, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "one.json").write_text(json.dumps(RECORDS[0], indent=indent))
    result = run_inside(["compute", tmp_path / "one.json", "-f", "json", *PATHS], capfd).result
    assert (result["sum"], result["pairs"]) == (2, 1)


# Before pyarrow 26 a null among lists of one size, read from Parquet, is an error of its own.
FIXED_LISTS_LACK_NULLS = int(pa.__version__.partition(".")[0]) < 26


@each("kind", [pa.large_list(pa.float32()), pa.list_(pa.float64(), 2), pa.list_(pa.string())])
@each("name", ["pairs.parquet", "pairs.feather"])
def test_every_type_of_list_is_followed(kind: pa.DataType, name: str, tmp_path: Path, capfd: Capture) -> None:
    if FIXED_LISTS_LACK_NULLS and kind == pa.list_(pa.float64(), 2) and name.endswith("parquet"):
        return
    numbers = [["1", "3"], ["3", "1"], None] if kind == pa.list_(pa.string()) else [[1, 3], [3, 1], None]
    table = pa.table({"s": pa.array([{"l": None}, *({"l": one} for one in numbers)], pa.struct({"l": kind}))})
    table = table.slice(1)  # whose lists begin in the middle of a buffer
    write = pq.write_table if name.endswith("parquet") else pa.feather.write_feather
    write(table, tmp_path / name)
    args = ["--x1", "s.l.0", "--x2", "s.l.1", "--y-const", "1", "--on-error", "skip", "-q", "-f", "json"]
    result = run_inside(["compute", tmp_path / name, *args], capfd).result
    assert (result["sum"], result["pairs"], result["rejected"]) == (2 + 0, 2, 1)


def test_only_the_leaves_that_are_needed_are_read(tmp_path: Path, capfd: Capture, monkeypatch: Any) -> None:
    read: list[Any] = []
    usual = LightParquetFile.iter_batches

    def spied(self: LightParquetFile, *args: Any, **options: Any) -> Any:
        read.append(options["columns"])
        return usual(self, *args, **options)

    monkeypatch.setattr(LightParquetFile, "iter_batches", spied)
    WRITERS["pairs.parquet"](RECORDS[:2], tmp_path / "pairs.parquet")
    assert run_inside(["compute", tmp_path / "pairs.parquet", *PATHS], capfd).code == 0
    assert read == [["label.y", "judgments.list.element.judgment.scores.list.element"]]


@each("path", ["a.b.", "a..b", "a.", ".a", ".", "a.0.", "a.b.0", "a.b.c"])
@each("name", ["pairs.jsonl", "array.json", "pairs.parquet"])
def test_odd_paths_lead_nowhere(name: str, path: str, compute: Callable[..., Ran]) -> None:
    ran = compute(name, [{"a": {"b": 1.0}, "x2": 3.0, "y": 1}] * 2, "--x1", path)
    assert ran.code in (2, 3)
    assert path in ran.err


@pytest.mark.parametrize("name", ["pairs.jsonl", "array.json", "columns.json", "pairs.parquet"])
def test_one_cell_has_one_path(name: str, compute: Callable[..., Ran]) -> None:
    ran = compute(name, [{"b": [[5.0, 1.0]], "y": 1}] * 2, "--x1", "b.0.0", "--x2", "b.00.0")
    assert ran.code in (2, 3)
    assert "name one, such as b.0" in ran.err


def test_kept_columns_are_those_of_the_file(compute: Callable[..., Ran]) -> None:
    out = compute("columns.json", RECORDS, *PATHS, "--reduction", "none", "--keep-columns", "--format", "jsonl").out
    assert list(json.loads(out.splitlines()[0])) == [*RECORDS[0], "loss"]


@pytest.mark.parametrize("name", ["pairs.jsonl", "array.json"])
def test_a_member_given_twice_is_refused(name: str, tmp_path: Path, capfd: Capture) -> None:
    text = '{"s": {"a": 1, "a": 2}, "x2": 3, "y": 1}'
    (tmp_path / name).write_text(text if name.endswith("l") else f"[{text}]")
    run_inside(["compute", tmp_path / name, "--x1", "s.a"], capfd).must_fail(3, "key given twice")


# Frames: of Python's objects, of arrays as pandas reads lists of Parquet, of Arrow's types, and a table of Arrow.
FRAMES: dict[str, Callable[[Records], Any]] = {
    "objects": pd.DataFrame,
    "arrays": lambda records: pa.Table.from_pylist(records).to_pandas(),
    "arrow": lambda records: pa.Table.from_pylist(records).to_pandas(types_mapper=pd.ArrowDtype),
    "table": pa.Table.from_pylist,
}
in_every_frame = each("made", list(FRAMES.values()))
ARGUMENTS: dict[str, Any] = {
    option.removeprefix("--"): path for option, path in zip(PATHS[::2], PATHS[1::2], strict=True)
}


@in_every_frame
def test_paths_in_frames_are_those_in_files(made: Callable[[Records], Any], compute: Callable[..., Ran]) -> None:
    expected = compute("pairs.jsonl", RECORDS, *PATHS, "--group-by", "meta.source").result
    record: Any = evaluate(made(RECORDS), **ARGUMENTS)
    assert {key: record[key] for key in ("sum", "pairs", "accuracy", "min", "max")} == {
        key: expected[key] for key in ("sum", "pairs", "accuracy", "min", "max")
    }
    groups: Any = evaluate(made(RECORDS), **ARGUMENTS, group_by="meta.source")
    assert groups.index.name == "meta.source"
    assert groups["sum"].to_dict() == {group["group"]: group["sum"] for group in expected["groups"]}
    other = {f"{name}_b": ARGUMENTS[name].replace("judgments.0", "judgments.1") for name in ("x1", "x2")}
    assert compare(made(RECORDS), **ARGUMENTS, **other, bootstrap=0)["b"]["sum"] == 0 + 2 + 0


@in_every_frame
def test_a_column_of_a_frame_called_exactly_so_wins(made: Callable[[Records], Any]) -> None:
    records = [{"a.b": 1.0, "a": {"b": 7.0}, "x2": 3.0, "y": 1}] * 2
    record: Any = evaluate(made(records), x1="a.b")
    assert record["sum"] == 2 + 2


@in_every_frame
@each(
    ("path", "message"),
    [
        ("judgments.-1.judgment.scores.0", "such as judgments.0.judgment.scores.0"),
        ("judgments.0.judgment.score", "is absent; judgments.0.judgment has: model, scores"),
        ("judgments.0.decision.0", "below a value: judgments.0.decision "),
        ("judgments.0.judgment.scores.5", "beyond a list: judgments.0.judgment.scores has 2 items"),
        ("judgements.0", "did you mean x1='judgments.0'"),
    ],
)
def test_paths_in_frames_that_lead_nowhere_are_refused(made: Callable[[Records], Any], path: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(made(RECORDS), **ARGUMENTS | {"x1": path})


@in_every_frame
def test_a_path_to_nothing_in_any_row_of_a_frame_is_a_missing_column(made: Callable[[Records], Any]) -> None:
    for arguments in ({"margin_column": "meta.margn", "fill": {"margin": 0}}, {"group_by": "meta.gg"}):
        with pytest.raises(ValueError, match="is absent; meta has: g, margin"):
            evaluate(made(META), **arguments)
    record: Any = evaluate(made(META), margin_column="meta.margin", fill={"margin": 0})
    assert record["sum"] == 2 * (5 - 1)


@in_every_frame
@each("missing", [None, {"s": None}, {"s": []}])
def test_cells_of_a_frame_that_are_not_there_are_named(made: Callable[[Records], Any], missing: Any) -> None:
    records = [{"j": {"s": [1.0]}, "x2": 3.0, "y": 1}, {"j": missing, "x2": 3.0, "y": 1}]
    with pytest.raises(ValueError, match=r"row 1: j\.s\.0 is "):
        evaluate(made(records), x1="j.s.0")
    with pytest.raises(ValueError, match="no such item" if missing == {"s": []} else "missing value"):
        evaluate(made(records), x1="j.s.0")


def test_pandas_missing_value_in_a_column_of_objects_is_missing() -> None:
    frame = pd.DataFrame({"j": [{"s": 1.0}, float("nan")], "x2": 3.0, "y": 1, "w": [{"v": 2}, {}]})
    with pytest.raises(ValueError, match="missing value"):
        evaluate(frame, x1="j.s")
    record: Any = evaluate(
        frame.assign(j=frame["j"].iloc[[0, 0]].to_list()), x1="j.s", weight="w.v", fill={"weight": 3}
    )
    assert (record["weight"], record["filled_weight"]) == (2 + 3, 1)


@in_every_frame
def test_an_object_in_a_frame_is_refused_with_the_path_to_its_number(made: Callable[[Records], Any]) -> None:
    with pytest.raises(ValueError, match=r"x1='?x1\.a"):
        evaluate(made([{"x1": {"a": 1.0}, "x2": 3.0, "y": 1}] * 2))
