"""Rows that are ranked lists of their own, as every format hands them on: an item for each number of a list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.errors import SuspectShardError, UsageError
from mrl_cli.inputs import read, resolve, shards_of
from mrl_cli.inputs.frame import frame_source
from mrl_cli.inputs.layouts import with_layout
from mrl_cli.model import Columns, Plan, rules
from tests.each import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mrl_cli.model import Batch

    Records = list[dict[str, Any]]

WRITERS: dict[str, Callable[[Records, Path], object]] = {
    "rows.jsonl": lambda records, path: path.write_text("".join(json.dumps(one) + "\n" for one in records)),
    "array.json": lambda records, path: path.write_text(json.dumps(records, indent=1)),
    "columns.json": lambda records, path: path.write_text(
        json.dumps({name: [one[name] for one in records] for name in records[0]})
    ),
    "rows.parquet": lambda records, path: pq.write_table(pa.Table.from_pylist(records), path, row_group_size=2),
    "rows.arrow": lambda records, path: pa.feather.write_feather(
        pa.Table.from_pylist(records), path, compression="uncompressed", chunksize=2
    ),
}
EVERY_FORMAT = each("name", list(WRITERS))

RECORDS: Records = [
    {"query": "a", "label": [1, 0, 2], "score": [0.5, 0.25, 1.0], "weight": [1.0, 2.0, 0.5]},
    {"query": "b", "label": [], "score": [], "weight": []},
    {"query": "c", "label": [3], "score": [-1.0], "weight": [4.0]},
]
ITEMS = {"y": [1, 0, 2, 3], "score": [0.5, 0.25, 1, -1], "weight": [1, 2, 0.5, 4]}


def _plan(label: str | None = "label", numbers: dict[str, str] | None = None, query: str | None = "query") -> Plan:
    numbers = {"score": "score"} if numbers is None else numbers
    keys = () if query is None else (("query", query),)
    return Plan.of(labels="relevance", columns=Columns(None, None, label, tuple(numbers.items()), keys))  # type: ignore[arg-type]


def _batches(path: Path, plan: Plan, *, is_careful: bool) -> Iterator[Batch]:
    sources = resolve([str(path)])
    plan = with_layout(plan, sources)
    for shard in shards_of(sources, plan):
        yield from read(shard, plan, is_careful=is_careful)


def _read(name: str, records: Records, plan: Plan, folder: Path) -> list[Batch]:
    """Return the batches of records in a format, read quickly where that can be and the careful way."""
    WRITERS[name](records, folder / name)
    careful = list(_batches(folder / name, plan, is_careful=True))
    try:
        quick = list(_batches(folder / name, plan, is_careful=False))
    except SuspectShardError:
        return careful
    if not all(batch.size == 0 or rules.passes(batch, plan) for batch in quick):  # which every run asks of quick ones
        return careful
    for one, other in zip(quick, careful, strict=True):
        assert {role: values.tolist() for role, values in one.numbers.items()} == {
            role: values.tolist() for role, values in other.numbers.items()
        }
        assert list(one.rows or ()) == list(other.rows or ())
        assert one.problems == other.problems
    return quick


def _numbers(batches: list[Batch]) -> dict[str, list[float]]:
    return {role: [x for batch in batches for x in batch.numbers[role].tolist()] for role in batches[0].numbers}


def _problems(batches: list[Batch]) -> list[tuple[str, int, str | None, str]]:
    found = [problem for batch in batches for problem in batch.problems]
    return sorted((problem.kind, problem.row, problem.column, problem.value) for problem in found)


@EVERY_FORMAT
def test_each_number_of_a_list_is_an_item(name: str, tmp_path: Path) -> None:
    batches = _read(name, RECORDS, _plan(numbers={"score": "score", "weight": "weight"}), tmp_path)
    assert _numbers(batches) == ITEMS
    assert [row for batch in batches for row in batch.rows or ()] == [1, 1, 1, 3]
    assert [size for batch in batches for size in np.asarray(batch.list_sizes).tolist()] == [3, 0, 1]
    assert [key for batch in batches for key in batch.list_keys["query"].to_pylist()] == ["a", "b", "c"]


@EVERY_FORMAT
def test_what_a_row_has_once_each_of_its_items_has(name: str, tmp_path: Path) -> None:
    records = [one | {"weight": place / 2} for place, one in enumerate(RECORDS)]
    numbers = {"score": "score", "weight": "weight"}
    assert _numbers(_read(name, records, _plan(numbers=numbers), tmp_path))["weight"] == [0, 0, 0, 1]


@EVERY_FORMAT
def test_a_path_leads_into_all_items(name: str, tmp_path: Path) -> None:
    records = [
        {
            "query": one["query"],
            "answers": [{"rank": y, "of": {"score": [s]}} for y, s in zip(one["label"], one["score"], strict=True)],
        }
        for one in (RECORDS[0], RECORDS[2])
    ]
    batches = _read(name, records, _plan("answers.*.rank", {"score": "answers.*.of.score"}), tmp_path)
    assert _numbers(batches) == {role: ITEMS[role] for role in ("y", "score")}


@EVERY_FORMAT
def test_an_item_may_be_a_list_of_one(name: str, tmp_path: Path) -> None:
    records = [{"scores": [[2.5], [0.5], [1.0]], "num_correct": 2}, {"scores": [[0.5]], "num_correct": 0}]
    plan = _plan(None, {"score": "scores", "num_correct": "num_correct"}, query=None)
    assert _numbers(_read(name, records, plan, tmp_path)) == {"y": [1, 1, 0, 0], "score": [2.5, 0.5, 1, 0.5]}


@EVERY_FORMAT
def test_chosen_and_rejected_ones_are_labels_one_and_zero(name: str, tmp_path: Path) -> None:
    records = [{"chosen": [2.0, 1.0], "rejected": [3.0]}, {"chosen": [4.0], "rejected": [5.0, 6.0]}]
    plan = _plan(None, {"chosen": "chosen", "rejected": "rejected"}, query=None)
    found = _numbers(_read(name, records, plan, tmp_path))
    assert found == {"y": [1, 1, 0, 1, 0, 0], "score": [2, 1, 3, 4, 5, 6]}
    single = [one | {"chosen": one["chosen"][0]} for one in records]
    assert _numbers(_read(name, single, plan, tmp_path))["score"] == [2, 3, 4, 5, 6]


BAD: Records = [
    {"label": [1, 0, 2], "score": [0.5, None, 1]},
    {"label": [1, 0], "score": [1, 2, 3]},
    {"label": None, "score": [1]},
    {"label": [1, 1], "score": [1, 3]},
]


@EVERY_FORMAT
def test_bad_lists_are_named_with_row_column_and_place(name: str, tmp_path: Path) -> None:
    batches = _read(name, BAD, _plan(query=None), tmp_path)
    assert _problems(batches) == [
        ("lists of unequal length", 2, None, "label has 2 items, score has 3"),
        ("missing value", 1, "score", "null (item 2 of 3)"),
        ("missing value", 3, "label", "null"),
    ]
    assert sum(batch.rejected_rows for batch in batches) == 3
    assert _numbers(batches) == {"y": [1, 1], "score": [1, 3]}


@each("name", ["rows.jsonl", "array.json", "columns.json"])
@each(
    ("row", "problem"),
    [
        ({"label": [1, "x"], "score": [1, 2]}, ("not a number", 2, "label", '"x" (item 2 of 2)')),
        ({"label": [1, 2], "score": [float("nan"), 2]}, ("NaN", 2, "score", "NaN (item 1 of 2)")),
        ({"label": [1, [2, 3]], "score": [1, 2]}, ("a list, not one number", 2, "label", "[2, 3] (item 2 of 2)")),
        ({"label": 1, "score": [1]}, ("not a list", 2, "label", "1")),
        (
            {"label": [2**53 + 1], "score": [1]},
            ("integer not exact as a double", 2, "label", f"{2**53 + 1} (item 1 of 1)"),
        ),
    ],
)
def test_bad_item_of_json_is_named(
    name: str, row: dict[str, Any], problem: tuple[str, int, str, str], tmp_path: Path
) -> None:
    batches = _read(name, [{"label": [1, 0], "score": [1, 2]}, row], _plan(query=None), tmp_path)
    assert _problems(batches) == [problem]


@each("count", [-1, 1.5, 3])
@EVERY_FORMAT
def test_more_correct_ones_than_there_are_items_is_refused(count: float, name: str, tmp_path: Path) -> None:
    records = [{"scores": [1.0, 2.0], "num_correct": count}]
    plan = _plan(None, {"score": "scores", "num_correct": "num_correct"}, query=None)
    value = f"{count} of 2 items"
    assert _problems(_read(name, records, plan, tmp_path)) == [
        ("no number of items of the list", 1, "num_correct", value)
    ]


def test_nan_in_parquet_is_named_with_its_place(tmp_path: Path) -> None:
    records = [{"label": [1, 0], "score": [0.5, float("nan")]}]
    assert _problems(_read("rows.parquet", records, _plan(query=None), tmp_path)) == [
        ("NaN", 1, "score", "nan (item 2 of 2)")
    ]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.int64(), 2)])
def test_every_type_of_list_is_read(kind: pa.DataType, tmp_path: Path) -> None:
    table = pa.table(
        {"label": pa.array([[1, 0], [5, 4], [0, 1]], kind), "score": pa.array([[1, 2], [3, 4], [5, 6]], kind)}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    pa.feather.write_feather(table.slice(1), tmp_path / "t.arrow", compression="uncompressed")
    for file, items in (("t.parquet", [1, 0, 5, 4, 0, 1]), ("t.arrow", [5, 4, 0, 1])):
        assert _numbers(list(_batches(tmp_path / file, _plan(query=None), is_careful=False)))["y"] == items


def test_a_frame_has_lists_in_its_cells() -> None:
    arrays = pd.DataFrame({"label": [np.array([1, 0]), (2,)], "score": [[0.5, 2], [1.5]]})
    typed = arrays.map(list).astype(pd.ArrowDtype(pa.list_(pa.float64())))
    plan = _plan(query=None).changed(lists=("y", "score"))
    for frame in (arrays, typed):
        source = frame_source(frame, {"y": "label", "score": "score"}, plan)
        (batch,) = [batch for shard in shards_of([source], plan) for batch in read(shard, plan)]
        assert _numbers([batch]) == {"y": [1, 0, 2], "score": [0.5, 2, 1.5]}
        assert list(batch.rows or ()) == [0, 0, 1]
    bad = pd.DataFrame({"label": [[1, None], 3, None], "score": [[0.5, 2], [1.5], [1]]})
    source = frame_source(bad, {"y": "label", "score": "score"}, plan)
    (batch,) = [batch for shard in shards_of([source], plan) for batch in read(shard, plan)]
    assert _problems([batch]) == [
        ("missing value", 0, "label", "None (item 2 of 2)"),
        ("missing value", 2, "label", "None"),
        ("not a list", 1, "label", "3"),
    ]


@pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "columns.json", "rows.parquet", "rows.arrow"])
def test_lists_of_one_beside_a_query_are_numbers(name: str, tmp_path: Path) -> None:
    records = [{"query": "a", "label": [1], "score": [0.5]}, {"query": "a", "label": [0], "score": [0.25]}]
    (batch, *_) = _read(name, records, _plan(), tmp_path)
    assert batch.list_sizes is None
    assert _numbers([batch]) == {"y": [1, 0], "score": [0.5, 0.25]}


def test_lists_of_one_become_lists_by_their_path(tmp_path: Path) -> None:
    records = [{"query": "a", "label": [1], "score": [0.5]}]
    (batch,) = _read("rows.jsonl", records, _plan("label.*", {"score": "score.*"}), tmp_path)
    assert np.asarray(batch.list_sizes).tolist() == [1]


def test_a_longer_list_after_the_head_is_named(tmp_path: Path) -> None:
    records = [{"query": "a", "label": [1], "score": [0.5]}] * 1001 + [
        {"query": "a", "label": [1, 2], "score": [0.5, 1]}
    ]
    problems = _problems(_read("rows.jsonl", records, _plan(), tmp_path))
    assert [(kind, row) for kind, row, *_ in problems] == [("a list, not one number", 1002)] * 2


def test_a_query_column_is_optional_beside_lists(tmp_path: Path) -> None:
    records = [{"label": [1, 0], "score": [0.5, 0.25]}]
    (batch,) = _read("rows.jsonl", records, _plan(), tmp_path)
    assert batch.list_keys == {}
    sources = resolve([str(tmp_path / "rows.jsonl")])
    assert with_layout(_plan(), sources, is_query_named=True).columns.name_of("query") == "query"


def test_one_list_in_an_object_is_one_row(tmp_path: Path) -> None:
    for name, label in (("one.jsonl", "label"), ("one.json", "label"), ("two.json", "label.*")):
        (tmp_path / name).write_text('{"label": [1, 0], "score": [0.5, 0.25]}')
        plan = _plan(label, {"score": label.replace("label", "score")}, query=None)
        (batch,) = _batches(tmp_path / name, plan, is_careful=False)
        assert np.asarray(batch.list_sizes).tolist() == [2]


def test_files_that_differ_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"query": "a", "label": [1, 0], "score": [0.5, 0.25]}')
    (tmp_path / "b.jsonl").write_text('{"query": "a", "label": 1, "score": 0.5}')
    with pytest.raises(UsageError, match=r"the cells of --label, --score are lists in .*a\.jsonl and numbers"):
        with_layout(_plan(), resolve([str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl")]))


def test_text_has_no_lists(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query,label,score\na,1,0.5\n")
    assert with_layout(_plan(), resolve([str(tmp_path / "a.csv")])).reading.lists == ()
    with pytest.raises(UsageError, match="JSON, Parquet and Arrow only"):
        with_layout(_plan("label.*"), resolve([str(tmp_path / "a.csv")]))


def test_masks_leave_lists_their_sizes(tmp_path: Path) -> None:
    (batch,) = _read("rows.jsonl", RECORDS, _plan(), tmp_path)
    masked = batch.where(np.array([True, False, True, False]))
    assert np.asarray(masked.list_sizes).tolist() == [2, 0, 0]
    assert _numbers([masked])["score"] == [0.5, 1]


def test_an_empty_list_beside_a_query_is_a_list(tmp_path: Path) -> None:
    records: Records = [{"query": "a", "label": [1], "score": [0.5]}, {"query": "b", "label": [], "score": []}]
    (batch,) = _read("rows.jsonl", records, _plan(), tmp_path)
    assert np.asarray(batch.list_sizes).tolist() == [1, 0]


@pytest.mark.parametrize("name", ["query", "qid"])
def test_rows_of_several_queries_are_refused(name: str, tmp_path: Path) -> None:
    rows = [{name: ["a", "a", "b"], "label": [1, 0, 2], "score": [0.5, 0.25, 1.0]}]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]))
    with pytest.raises(UsageError, match=f"{name} holds lists too"):
        with_layout(_plan(), resolve([str(tmp_path / "rows.jsonl")]))
    (tmp_path / "columns.json").write_text(json.dumps(rows[0]))  # of which each value is that of an item
    assert with_layout(_plan(), resolve([str(tmp_path / "columns.json")])).reading.lists == ()
