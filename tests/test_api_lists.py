"""`evaluate_lists`: what `mrl rank` reports, of a frame or of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mrl_cli
from mrl_cli import evaluate, evaluate_lists
from tests.each import each, mostly_slow
from tests.running import run_inside

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(4)
FRAME = pd.DataFrame(
    {
        "query": np.repeat([10, 7, 3, 5], [6, 1, 9, 4]),
        "label": RANDOM.integers(0, 3, 20),
        "score": RANDOM.normal(size=20),
        "w": RANDOM.choice([0.5, 2.0], 20),
        "kind": np.repeat([True, False], 10),
    }
)


def record_of(args: list[str], capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    record = run_inside(["rank", *args, "-f", "json"], capfd).result
    return {key: value for key, value in record.items() if key != "inputs"}


@pytest.mark.parametrize(
    ("arguments", "options"),
    mostly_slow(
        [
            ({"margin": 0.5}, ["--margin", "0.5"]),
            ({"weight": "w", "reduction": "query-mean"}, ["--weight", "w", "--reduction", "query-mean"]),
            ({"loss": "softmax", "target": "raw"}, ["--loss", "softmax", "--param", "target=raw"]),
            ({"lambda_weight": "ndcg", "top": 2}, ["--lambda-weight", "ndcg", "--top", "2"]),
            ({"labels": "rank", "confidence": 0.9}, ["--labels", "rank", "--confidence", "0.9"]),
        ],
        quick=2,
    ),
)
def test_frame_and_files_have_the_record_of_the_command(
    arguments: dict[str, Any], options: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    FRAME.to_csv(tmp_path / "lists.csv", index=False)
    expected = record_of([str(tmp_path / "lists.csv"), *options], capfd)
    shuffled = FRAME.sample(frac=1, random_state=0)
    for given in (FRAME, shuffled, tmp_path / "lists.csv", str(tmp_path / "lists.csv")):
        record = evaluate_lists(given, **arguments)
        assert isinstance(record, dict)
        assert ("notes" in record) == (given is shuffled)
        assert {key: value for key, value in record.items() if key in expected} == expected


def test_rows_of_lists_with_one_query_are_noted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"query": [1, 2, 1], "label": [[1, 0]] * 3, "score": [[0.1, 0.2]] * 3})
    record = evaluate_lists(frame)
    assert isinstance(record, dict)
    assert record["queries"] == 3
    note = "query '1' stands in the frame, row 0 and in the frame, row 2: each row is a list of its own"
    assert record["notes"] == [note]
    assert "notes" not in evaluate_lists(frame[:2])
    frame.to_json(tmp_path / "lists.jsonl", orient="records", lines=True)
    assert "line 1 and in" in evaluate_lists(tmp_path / "lists.jsonl")["notes"][0]


def test_hints_name_numbers_as_arguments() -> None:
    with pytest.raises(ValueError, match=r"hint: max_pairs=15 goes") as caught:
        evaluate_lists(FRAME[:6], loss="approx_ndcg", max_pairs=1)
    assert "--" not in str(caught.value)
    assert evaluate_lists(FRAME[:6], loss="approx_ndcg", max_pairs=15)["queries"] == 1


def test_errors_of_list_cells_count_rows_of_the_file(tmp_path: Path) -> None:
    cells = ["[0.5, 1]", '[0.5, "x"]', "[0.5, 2, 3]"]
    rows = [f'{{"label": {[1, 0, 0][: cell.count(",") + 1]}, "score": {cell}}}\n' for cell in cells]
    (tmp_path / "lists.jsonl").write_text("".join(rows))
    with pytest.raises(ValueError, match=r"1 problem in \S+ \(3 rows\)"):
        evaluate_lists(tmp_path / "lists.jsonl")


def test_groups_are_rows_by_their_values(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "lists.csv", index=False)
    groups = evaluate_lists(FRAME, group_by="kind")
    assert isinstance(groups, pd.DataFrame)
    assert groups.index.tolist() == [False, True]
    alone = evaluate_lists(FRAME[FRAME["kind"]])
    assert isinstance(alone, dict)
    assert groups.loc[True, "sum"] == alone["sum"]
    assert groups.attrs["total"]["pairs"] == groups["pairs"].sum()
    texts = evaluate_lists(tmp_path / "lists.csv", group_by="kind")
    assert isinstance(texts, pd.DataFrame)
    assert texts.index.tolist() == ["False", "True"]


def test_rows_of_queries_are_a_frame() -> None:
    rows = evaluate_lists(FRAME.sample(frac=1, random_state=1), margin=1, per_query=True)
    assert isinstance(rows, pd.DataFrame)
    assert sorted(rows["query"]) == ["10", "3", "5", "7"]
    by_query = rows.set_index("query")
    assert by_query["rows"].to_dict() == {"10": 6, "7": 1, "3": 9, "5": 4}
    assert by_query.index[by_query["mean"].isna()].tolist() == ["7"]


def test_cells_that_are_lists_make_a_row_a_list() -> None:
    lists = FRAME.groupby("query", sort=False)[["label", "score"]].agg(list).reset_index()
    by_row, by_item = evaluate_lists(lists, margin=0.5), evaluate_lists(FRAME, margin=0.5)
    assert isinstance(by_row, dict)
    assert isinstance(by_item, dict)
    assert {key: by_row[key] for key in ("sum", "query_mean", "queries")} == {
        key: by_item[key] for key in ("sum", "query_mean", "queries")
    }


def nested(*answers: Any) -> list[Any]:
    """Return rows with a column of answers as a frame of objects, a Table, and a frame of Arrow's types."""
    table = pa.Table.from_pylist([{"answers": row} for row in answers])
    return [pd.DataFrame({"answers": list(answers)}), table, table.to_pandas(types_mapper=pd.ArrowDtype)]


RANKS: dict[str, Any] = {"label": "answers.*.rank", "score": "answers.*.score", "labels": "rank"}


def test_items_of_nested_cells_are_named_by_their_path_and_need_no_query() -> None:
    first, second = ([{"rank": 1, "score": score}, {"rank": 2, "score": 2.0}] for score in (1.0, 4.0))
    for frame in nested(first, second):
        report = evaluate_lists(frame, **RANKS)
        assert isinstance(report, dict)
        assert (report["queries"], report["pairs"], report["sum"]) == (2, 2, 1.0)
        with pytest.raises(ValueError, match=r"answers\.\*\.score names the cells of all items of a list"):
            evaluate(frame, x1="answers.*.score", x2="answers.0.score", y_const=1)
        for label in ("answers", "answer.*.rank"):
            with pytest.raises(ValueError, match=re.escape("label='answers.*.rank'")):
                evaluate_lists(frame, **RANKS | {"label": label})


def test_bad_items_of_nested_cells_are_named_with_row_and_place() -> None:
    for frame in nested([{"rank": 1, "score": 1.0}, {"rank": None, "score": 3.0}], None):
        with pytest.raises(ValueError, match=r"row 0: answers\.\*\.rank is \w+ \(item 2 of 2\)   row 1: answers\."):
            evaluate_lists(frame, **RANKS)
    with pytest.raises(ValueError, match=r"absent; answers\.\* has: score \(item 2 of 2\)"):
        evaluate_lists(nested([{"rank": 1, "score": 1.0}, {"score": 3.0}])[0], **RANKS)
    with pytest.raises(ValueError, match=r"a list, not one number +1 +row 0: label is \[1, 2\] \(item 1 of 2\)"):
        evaluate_lists(pd.DataFrame({"label": [[[1, 2], 0]], "score": [[1, 0]]}))


def test_a_table_is_read_as_its_frame_is() -> None:
    records: list[Any] = [evaluate_lists(given, margin=0.5) for given in (pa.Table.from_pandas(FRAME), FRAME)]
    assert records[0] == records[1]
    with pytest.raises(ValueError, match="has no column 'query'"):
        evaluate_lists(FRAME.rename(columns={"query": "q"}))


@each(
    ("arguments", "message"),
    [
        ({"score": "scores"}, "did you mean score='score'"),
        ({"label": "query"}, "none with two different labels"),
        ({"score": "kind"}, "column kind holds bool, not numbers"),
        ({"loss": "nothing"}, "loss must be one of margin_ranking, .*approx_ndcg, .*not 'nothing'"),
        ({"loss": "softmax", "target": "all"}, "target of the loss softmax must be"),
        ({"labels": "pm1"}, "labels must be one of relevance, rank"),
        ({"labels": "rank", "loss": "approx_ndcg"}, "does not go with approx_ndcg"),
        ({"reduction": "none"}, "reduction must be one of"),
        ({"query_weight": "w"}, "the weight of query '10' changes"),
        ({"memory_bytes": 100}, "take"),
        ({"weight": "score"}, "weight below 0"),
        ({"weight": "none"}, r"every pair has the weight 0.*\(zero_weight\)[^$]*leave out weight='none', or name"),
    ],
)
def test_what_the_command_refuses_is_a_value_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_lists(FRAME.assign(none=0), **arguments)


@each(
    ("frame", "arguments", "words"),
    [
        ([1, 2], {}, "for arrays there is rank_loss"),
        (FRAME, {"query_weight": "w"}, "for a weight of each item use weight$"),
        (FRAME, {"query": "index"}, "name what its rows have in common with query=…$"),
        (FRAME, {"memory_bytes": 10}, "and memory_bytes is 10 bytes\nhint: allow more with memory_bytes=…$"),
        (FRAME, {"labels": "rank", "lambda_weight": "ndcg"}, "^labels rank does not go with lambda_weight ndcg"),
        (FRAME.assign(w=None), {"weight": "w"}, r"missing value +20   [^\n]*$"),  # none of them can be filled
    ],
)
def test_errors_speak_of_arguments(frame: Any, arguments: dict[str, Any], words: str) -> None:
    frame = frame.assign(index=range(20)) if isinstance(frame, pd.DataFrame) else frame
    with pytest.raises((ValueError, TypeError), match=words) as raised:
        evaluate_lists(frame, **arguments)
    assert "--" not in str(raised.value)


def test_the_package_names_it() -> None:
    assert "evaluate_lists" in mrl_cli.__all__
