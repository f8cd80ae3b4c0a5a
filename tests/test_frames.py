"""Pairs in a DataFrame: the figures are those of the same pairs in a file, and what a file is refused for, so it is."""

from __future__ import annotations

import json
import math
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mrl_cli import evaluate
from mrl_cli.inputs.columnar import BATCH_ROWS
from mrl_cli.losses import LOSSES
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path


def pairs(size: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Return random pairs, some tied, with a margin, a weight and a group each."""
    random = np.random.default_rng(seed)
    scores = np.round(random.standard_normal((2, size)), 2)
    return pd.DataFrame(
        {
            "x1": scores[0],
            "x2": scores[1],
            "y": random.choice([-1, 1], size),
            "m": random.random(size),
            "w": random.choice([0.0, 0.5, 2.0], size),
            "g": random.choice([2, 10, 9], size),
        }
    )


def report_on(frame: pd.DataFrame, **arguments: Any) -> dict[str, Any]:
    record = evaluate(frame, **arguments)
    assert isinstance(record, dict)
    return record


def by_group(frame: pd.DataFrame, **arguments: Any) -> pd.DataFrame:
    record = evaluate(frame, **arguments)
    assert isinstance(record, pd.DataFrame)
    return record


@each("dtype", ["float64", "float32"])
@each(
    ("arguments", "options"),
    [
        ({}, []),
        ({"margin": 0.5, "reduction": "sum"}, ["--margin", "0.5", "--reduction", "sum"]),
        ({"margin_column": "m", "weight": "w"}, ["--margin-column", "m", "--weight", "w"]),
        ({"group_by": "g", "margin": 1}, ["--group-by", "g", "--margin", "1"]),
        ({"group_by": "g", "weight": "w", "y_const": -1}, ["--group-by", "g", "--weight", "w", "--y-const", "-1"]),
        ({"confidence": 0.9}, ["--confidence", "0.9"]),
        ({"cluster": "g"}, ["--cluster", "g"]),
        ({"cluster": "y", "group_by": "g"}, ["--cluster", "y", "--group-by", "g"]),
        ({"loss": "logistic", "temperature": 2}, ["--loss", "logistic", "--param", "temperature=2"]),
        ({"loss": "margin_mse", "y": "m"}, ["--loss", "margin_mse", "--y", "m"]),
    ],
)
def test_figures_are_those_of_compute(
    arguments: dict[str, Any], options: list[str], dtype: str, mrl: Mrl, tmp_path: Path
) -> None:
    frame = pairs()
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    expected = json.loads(mrl("compute", "pairs.csv", "--dtype", dtype, "-f", "json", *options).out)
    record = evaluate(frame, dtype=dtype, **arguments)  # type: ignore[call-overload]
    groups = expected.pop("groups", None)
    if groups is not None:
        assert isinstance(record, pd.DataFrame)
        assert record.index.tolist() == [int(group.pop("group")) for group in groups] == [2, 9, 10]
        assert record.index.name == "g"
        assert record.to_dict("records") == groups
        record = record.attrs["total"]
    assert isinstance(record, dict)
    assert list(record) == list(expected)
    assert {key: value for key, value in record.items() if key != "inputs"} == {
        key: value for key, value in expected.items() if key != "inputs"
    }


def test_hand_worked_weighted_mean_by_group() -> None:
    # Losses 0.5, 2 and 0, weights 1, 3 and 2: b has (1*0.5 + 3*2) / 4, a has 0.
    frame = pd.DataFrame({"u": [0, 0, 3], "v": [0.5, 2, 1], "w": [1, 3, 2], "g": ["b", "b", "a"]})
    groups = by_group(frame, x1="u", x2="v", y_const=1, weight="w", group_by="g")
    assert groups["mean"].to_dict() == {"a": 0.0, "b": 6.5 / 4}
    assert groups.attrs["total"]["mean"] == 6.5 / 6
    assert groups.attrs["total"]["macro_mean"] == 6.5 / 8


@each("loss", LOSSES)
def test_every_loss_is_there(loss: str) -> None:
    record = report_on(pairs(), loss=loss)
    assert record["labels"] == ("any" if LOSSES[loss].is_target else "pm1")
    assert record["loss"] == loss
    assert math.isfinite(record["value"])


PLAIN = pairs(50)[["x1", "x2", "y"]]


@pytest.mark.slow
@each(
    "frame",
    [
        PLAIN.astype({"x1": "Float64", "x2": "Float64", "y": "Int8"}),
        PLAIN.astype({"x1": "float64[pyarrow]", "x2": "float64[pyarrow]", "y": "int64[pyarrow]"}),
        PLAIN.astype(object),
        PLAIN.astype({"y": "category"}),
        PLAIN.astype({"y": "float16"}),
        PLAIN.map(lambda value: Fraction(value) if isinstance(value, float) else Decimal(value)),
        PLAIN.map(np.float64).astype(object),
        PLAIN.set_index(pd.Index([f"row {i}" for i in range(50)])),
        PLAIN.set_axis(pd.MultiIndex.from_product([["a"], PLAIN.columns]), axis=1)["a"],
        PLAIN[["y", "x2", "x1"]].assign(text="ignored"),
        PLAIN.iloc[::-1],
    ],
)
def test_dtype_index_and_order_of_columns_and_rows_do_not_matter(frame: pd.DataFrame) -> None:
    before = frame.copy()
    record, expected = report_on(frame, margin=0.1), report_on(PLAIN, margin=0.1)
    assert record == expected
    pd.testing.assert_frame_equal(frame, before)


def test_booleans_are_labels_0_and_1_but_no_scores() -> None:
    for dtype in ("bool", "boolean", "bool[pyarrow]", "object"):
        labels = pd.Series([True, False]).astype(dtype)
        frame = pd.DataFrame({"x1": [1.0, 1.0], "x2": [0.0, 3.0], "y": labels})
        assert report_on(frame, labels="01")["accuracy"] == 1.0
        with pytest.raises(ValueError, match=r"column y holds bool|row 0: y is True"):
            evaluate(frame, x1="y", y="x1", labels="any")


@pytest.mark.slow
def test_frame_larger_than_a_chunk_is_read_whole_in_little_memory() -> None:
    size = 8 * BATCH_ROWS + 17
    frame = pd.DataFrame({"x1": np.zeros(size), "x2": np.ones(size), "y": np.ones(size, np.int8)})
    report_on(frame.head(1))  # imports
    tracemalloc.start()
    record = report_on(frame, margin=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (record["pairs"], record["sum"]) == (size, 1.5 * size)
    assert peak < 8 * size


def test_ties_are_dropped_and_counted() -> None:
    record = report_on(pd.DataFrame({"x1": [1, 2], "x2": [0, 5], "y": [1, 0]}), on_tie="drop")
    assert (record["pairs"], record["ties_dropped"]) == (1, 1)


# Groups.


@each(
    ("values", "index"),
    [
        (pd.Series(["b", "a", None, "b"], dtype=object), ["", "a", "b"]),
        (pd.Series([10, 9, 9, 10]), [9, 10]),
        (pd.Series([10, None, 9, 9], dtype="Int64"), ["", 9, 10]),
        (pd.Series([0.5, math.nan, 0.25, 0.25]), ["", 0.25, 0.5]),
        (pd.Series(["b", "a", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series([True, False, True, True]), [False, True]),
        (pd.to_datetime(pd.Series(["2024-02-01", "2024-01-01", "2024-02-01", "2024-02-01"])), None),
        (pd.Series([1, "b", 2.5, None], dtype=object), [1, "", 2.5, "b"]),
        (pd.Series(["b", "a", "a", "b"], dtype=pd.ArrowDtype(pa.string())), ["a", "b"]),
    ],
)
def test_index_holds_the_values_of_the_column(values: pd.Series[Any], index: list[Any] | None) -> None:
    frame = pd.DataFrame({"x1": [1, 2, 3, 4], "x2": [0, 5, 0, 5], "y": 1, "g": values})
    groups = by_group(frame, group_by="g")
    assert groups["pairs"].sum() == 4
    assert groups.index.dtype == values.dtype
    assert groups.index.name == "g"
    if index is None:
        assert groups.index.tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]
    else:
        assert sorted("" if pd.isna(value) else str(value) for value in groups.index) == sorted(map(str, index))
        assert {type(value) for value in groups.index.dropna().tolist()} == {
            type(value) for value in values.dropna().tolist()
        }


def test_groups_span_chunks() -> None:
    size = BATCH_ROWS + 2
    keys = np.where(np.arange(size) % 2 == 0, "even", "odd")
    frame = pd.DataFrame({"x1": np.zeros(size), "x2": np.arange(size) % 2, "y": 1, "g": keys})
    groups = by_group(frame, group_by="g", reduction="sum")
    assert groups["value"].to_dict() == {"even": 0.0, "odd": size / 2}


# What is refused.


@each(
    ("changes", "complaint"),
    [
        ({"x1": [0.5, math.nan, 1.0]}, "1 problem in the frame \\(3 rows\\)\n  NaN +1   row 1: x1 is nan"),
        ({"x2": [0.5, 1.0, math.inf]}, "infinite +1   row 2: x2 is inf"),
        ({"x1": pd.array([0.5, None, 1.0], dtype="Float64")}, "missing value +1   row 1: x1 is null"),
        ({"x1": pd.Series(["0.5", 1.0, None], dtype=object)}, "not a number +1   row 0: x1 is '0.5'"),
        ({"x1": pd.Series([0.5, 2**53 + 1, 1], dtype=object)}, "row 1: x1 is 9007199254740993"),
        ({"x1": np.array([1, 2**53 + 1, 2], np.uint64)}, "integer not exact as a double +1   row 1: x1 is 900719"),
        ({"x1": pd.Series([Decimal("sNaN"), Decimal("1e400"), Fraction(10) ** 400], dtype=object)}, "infinite +2"),
        ({"x1": pd.Series([1.0, True, 2.0], dtype=object)}, "row 1: x1 is True"),
        ({"y": [1, 0, 1]}, "row 1: y is 0\nhint: labels are 0 and 1 here\\? use labels='01'; .* use on_tie='drop'"),
        ({"y": [1, 2, 1]}, "row 1: y is 2"),
        # A column of text is one of objects before pandas 3.
        (
            {"x1": ["a", "b", "c"]},
            "column x1 holds str, not numbers\nhint: convert it, e.g. with pandas.to_numeric|row 0: x1 is 'a'",
        ),
        ({"x1": pd.to_datetime(["2024"] * 3)}, "column x1 holds datetime64"),
        ({"x1": [1j, 2j, 3j]}, "column x1 holds complex128"),
    ],
)
def test_pairs_without_a_trustworthy_number_are_named(changes: dict[str, Any], complaint: str) -> None:
    frame = pd.DataFrame({"x1": [0.5, 1.0, 2.0], "x2": [0.0, 0.0, 0.0], "y": [1, 1, -1]}).assign(**changes)
    with pytest.raises(ValueError, match=complaint):
        evaluate(frame)


def test_row_beyond_the_first_chunk_is_named_by_its_own_number() -> None:
    frame = pd.DataFrame({"x1": np.zeros(BATCH_ROWS + 9), "x2": 1.0, "y": 1})
    frame.loc[BATCH_ROWS + 7, "x1"] = math.nan
    with pytest.raises(ValueError, match=f"row {BATCH_ROWS + 7}: x1 is nan"):
        evaluate(frame)


def test_row_is_named_by_its_label_and_its_position() -> None:
    frame = pd.DataFrame({"x1": [0.5, math.nan], "x2": [0, 0], "y": [1, 1]}, index=["a", "b\x1b"])
    with pytest.raises(ValueError, match=r"row b\\x1b, at position 1: x1 is nan"):
        evaluate(frame)


def test_negative_weight_is_named() -> None:
    with pytest.raises(ValueError, match=r"weight below 0 +1   row 0: w is -1"):
        evaluate(pd.DataFrame({"x1": [0.5], "x2": [0], "y": [1], "w": [-1]}), weight="w")


@each(
    ("arguments", "complaint"),
    [
        ({"x1": "X2"}, "no column 'X2'; it has: x1, x2, y, x2\nhint: did you mean x1='x2'"),
        ({"y": "label"}, "no column 'label'.*\nhint: name the column with y=…; no label column\\? use y_const=1"),
        ({"weight": "x"}, "name the column with weight=…"),
        ({"x2": "x2"}, "the frame has column 'x2' 2 times"),
        ({"group_by": 3}, "no column '3'.*\nhint: name the column with group_by=…"),
        ({"labels": "10"}, "labels must be one of pm1, 01, any, strength, probability, not '10'"),
        ({"reduction": "none"}, "reduction must be one of mean, sum, not 'none'"),
        ({"dtype": "float16"}, "dtype must be one of"),
        ({"on_tie": "keep"}, "on_tie must be one of error, drop"),
        ({"loss": "hinge"}, "hinge is the name of several losses"),
        ({"temperature": 1.0}, "the loss margin_ranking has no parameter 'temperature'"),
        ({"loss": "dpo", "beta": 0.5}, "it has temperature\nhint: the temperature is 1/beta: temperature=2.0$"),
        ({"y_const": -1}, "y and y_const exclude each other"),
        ({"y_const": 0}, "y_const must be 1 or -1, not 0"),
        ({"y": None}, "y must name a column, not be None; no label column\\? use y_const=1"),
        ({"x1": None}, "x1 must name a column, not be None"),
        ({"confidence": 95}, "confidence must be from 0.01 to 0.999999, such as 0.95, not 95"),
        ({"cluster": "y", "weight": "y"}, "weight does not go with confidence or cluster"),
        ({"margin": math.nan}, "margin must be a finite number, not nan"),
        ({"margin": [1.0]}, "a column of margins is a margin_column"),
        ({"margin": 1.0, "margin_column": "x1"}, "margin and margin_column exclude each other"),
        ({"margin": 1.0, "loss": "ipo"}, "the loss ipo has no margin"),
    ],
)
def test_call_that_makes_no_sense_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    frame = pd.DataFrame([[0.5, 0.0, 1, 2.0]], columns=["x1", "x2", "y", "x2"])
    with pytest.raises(ValueError, match=complaint):
        evaluate(frame, **({"x2": "y", "y": "x1"} | arguments))


def test_unknown_argument_and_what_is_no_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no argument 'margn', and the loss margin_ranking has no parameter"):
        evaluate(pd.DataFrame({"x1": [1], "x2": [0], "y": [1]}), margn=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"frame must be a DataFrame of pandas or Polars, .*, not list"):
        evaluate([1, 2])


def test_a_hint_says_which_arguments_to_leave_out_for_it() -> None:
    frame = pd.DataFrame({"x1": [1, 2], "x2": [0, 0], "y": pd.Series([True, False], dtype=object)})
    with pytest.raises(ValueError, match=r"use labels='01' in place of on_tie$"):
        evaluate(frame, on_tie="drop")
    assert report_on(frame, labels="01")["pairs"] == 2


def test_no_pairs_are_refused() -> None:
    empty = pd.DataFrame({"x1": [], "x2": [], "y": []})
    with pytest.raises(ValueError, match=r"^no rows in the frame; the mean of nothing is undefined"):
        evaluate(empty)
    with pytest.raises(ValueError, match="no pairs in the frame: 1 row, all left out"):
        evaluate(pd.DataFrame({"x1": [1], "x2": [0], "y": [0]}), on_tie="drop")


def test_too_many_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.ledger.MOST_KEYS", 2)
    with pytest.raises(ValueError, match="more than 2 groups\nhint: group by a column with fewer values"):
        evaluate(pairs(), group_by="g")


def test_true_and_false_are_labels_where_the_rule_says_so() -> None:
    frame = pd.DataFrame({"x1": [1.0, 3.0], "x2": [3.0, 1.0], "y": [True, False]})
    with pytest.raises(ValueError, match="true and false are the labels 1 and 0\\? use labels='01'"):
        evaluate(frame)
    assert report_on(frame, labels="01")["mean"] == 2.0
