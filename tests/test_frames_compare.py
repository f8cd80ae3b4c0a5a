"""Two models on the pairs of a DataFrame: `compare` reports what `mrl compare` reports for the same pairs in a file."""

from __future__ import annotations

import inspect
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import compare
from mrl_cli.commands.compare import command
from mrl_cli.inputs.columnar import BATCH_ROWS
from mrl_cli.losses import LOSSES
from mrl_cli.model import MOST_SAMPLES
from mrl_cli.words import json_ready
from tests.each import each, mostly_slow
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    from pathlib import Path


B: dict[str, Any] = {"x1_b": "u", "x2_b": "v"}


def pairs(size: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Return random pairs that two models scored, some of them alike, with a margin and a prompt each."""
    random = np.random.default_rng(seed)
    scores = np.round(random.standard_normal((4, size)), 2)
    labels = {"y": random.choice([-1, 1], size), "zero": random.choice([-1, 0, 1], size)}
    frame = pd.DataFrame(dict(zip(("x1", "x2", "u", "v"), scores, strict=True)) | labels)
    return frame.assign(
        m=random.random(size), prompt=random.integers(0, size // 5, size), text="p" + frame["y"].map(str)
    )


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl compare on pairs.csv, or another file."""
    columns = ("--x1-b", "u", "--x2-b", "v", "-f", "json")
    return lambda *args, file="pairs.csv": mrl("compare", file, *columns, *args)


def check_equal(frame: pd.DataFrame, arguments: dict[str, Any], ran: Ran) -> None:
    """Compare with the JSON of a run: the same keys in the same order, the same values to the last bit."""
    expected, record = ran.result, json_ready(compare(frame, **B, **arguments))
    assert list(record) == list(expected)
    assert (record["inputs"], expected["inputs"]) == ([], ["pairs.csv"])
    assert record["verdict"] == expected["verdict"].replace(" of pairs.csv", "")
    for key, value in expected.items():
        if key not in ("inputs", "verdict"):
            assert record[key] == value, key
            assert not isinstance(value, dict) or list(record[key]) == list(value), key


@each("dtype", ["float64", "float32"])
@each(
    ("arguments", "options"),
    [
        ({}, []),
        ({"margin": 0.5, "confidence": 0.9}, ["--margin", "0.5", "--confidence", "0.9"]),
        ({"margin_column": "m", "bootstrap": 0}, ["--margin-column", "m", "--bootstrap", "0"]),
        ({"cluster": "prompt", "margin": 1}, ["--cluster", "prompt", "--margin", "1"]),
        ({"cluster": "text", "seed": 7, "bootstrap": 50}, ["--cluster", "text", "--seed", "7", "--bootstrap", "50"]),
        (
            {"y": "zero", "on_tie": "drop", "cluster": "prompt"},
            ["--y", "zero", "--on-tie", "drop", "--cluster", "prompt"],
        ),
        ({"y": "zero", "labels": "any"}, ["--y", "zero", "--labels", "any"]),
        ({"y_const": -1}, ["--y-const", "-1"]),
        ({"x1": "x2", "x2": "x1"}, ["--x1", "x2", "--x2", "x1"]),
        ({"loss": "logistic", "temperature": 2}, ["--loss", "logistic", "--param", "temperature=2"]),
        ({"loss": "margin_mse", "y": "m"}, ["--loss", "margin_mse", "--y", "m"]),
    ],
    quick=3,
)
def test_figures_are_those_of_the_command(
    arguments: dict[str, Any], options: list[str], dtype: str, mrl: Mrl, tmp_path: Path
) -> None:
    frame = pairs()
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    check_equal(frame, arguments | {"dtype": dtype}, mrl(*options, "--dtype", dtype))


@pytest.mark.parametrize(
    "arguments", mostly_slow([{}, {"cluster": "prompt"}, {"cluster": "prompt", "y": "zero", "on_tie": "drop"}], quick=1)
)
def test_figures_are_those_of_the_command_where_groups_are_drawn(
    arguments: dict[str, str], mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_cli.statistics.bootstrap.GROUPS", 64)
    monkeypatch.setattr("mrl_cli.inputs.frame.BATCH_ROWS", 101)
    frame = pairs()
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    options = [part for name, value in arguments.items() for part in (f"--{name.replace('_', '-')}", value)]
    check_equal(frame, arguments, mrl(*options))


def test_figures_are_those_of_the_command_where_they_are_undefined(mrl: Mrl, tmp_path: Path) -> None:
    one = pairs(5).head(1)
    one.to_csv(tmp_path / "pairs.csv", index=False)
    check_equal(one, {}, mrl())
    record = compare(one, **B, cluster="prompt")
    assert record["clusters"] == 1
    assert math.isnan(record["difference"]["low"])


def test_hand_worked_pairs() -> None:
    # With margin 0.5 the losses of a are 0, 0.25, 1.5, 0.5 and those of b 1.5, 0.25, 0, 0.
    frame = pd.DataFrame(
        {"x1": [1, 0.25, 1, 0], "x2": [0, 0, 0, 0], "u": [0, 0.25, 0, 2], "v": [1, 0, 1, 0], "y": [1, 1, -1, 1]}
    )
    before = frame.copy()
    record = compare(frame, **B, margin=0.5, bootstrap=0)
    assert (record["a"]["sum"], record["b"]["sum"], record["difference"]["mean"]) == (2.25, 1.75, 0.125)
    assert (record["wins"], record["ties"], record["losses"]) == (1, 1, 2)
    assert record["mcnemar"] == {"only_a": 1, "only_b": 2, "p_value": 1.0}
    assert (record["unmatched_a"], record["unmatched_b"], record["inputs"]) == (0, 0, [])
    assert not {"bootstrap", "clusters", "parameters", "margin_column"} & record.keys()
    pd.testing.assert_frame_equal(frame, before)


@each("loss", LOSSES, quick=4)
def test_model_against_itself_differs_nowhere(loss: str) -> None:
    record = compare(pairs(), x1_b="x1", x2_b="x2", loss=loss, bootstrap=10)
    assert record["a"] == record["b"]
    assert (record["ties"], record["difference"]["mean"], record["difference"]["standard_error"]) == (1000, 0.0, 0.0)


@pytest.mark.slow
def test_chunks_and_dtypes_change_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pairs()
    expected = compare(frame, **B, cluster="prompt")
    other = frame.astype({"y": "category", "x1": "object", "u": "float64[pyarrow]", "v": "Float64", "prompt": "Int64"})
    assert compare(other, **B, cluster="prompt") == expected
    monkeypatch.setattr("mrl_cli.inputs.frame.BATCH_ROWS", 7)
    assert compare(frame, **B, cluster="prompt") == expected


@pytest.mark.slow
def test_two_frames_are_merged_by_the_user_as_in_the_docstring(tmp_path: Path, mrl: Mrl) -> None:
    frame = pairs().assign(id=range(1000))
    a = frame[["id", "x1", "x2", "y"]]
    b = frame[["id", "u", "v"]].rename(columns={"u": "x1", "v": "x2"}).sample(frac=1, random_state=3)
    merge = re.search(r"`(a\.merge\(.*?\))`", inspect.getdoc(compare) or "", re.DOTALL)
    assert merge is not None
    merged = eval(merge[1], {"a": a, "b": b})
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    record = compare(merged, x1_b="x1_b", x2_b="x2_b")
    skipped = {"inputs", "verdict"}
    assert {key: record[key] for key in record.keys() - skipped} == {
        key: value for key, value in mrl().result.items() if key not in skipped
    }


def test_two_frames_are_answered_with_what_to_do() -> None:
    untyped: Any = compare
    with pytest.raises(TypeError, match=r"takes one frame: merge the two first, a\.merge.*x1_b and x2_b$"):
        untyped(pairs(5), pairs(5))


def test_arguments_and_their_defaults_are_the_options() -> None:
    options = {option.name: option.default for option in command.params}
    given = inspect.signature(compare).parameters
    for name in ("on_tie", "loss", "dtype", "confidence", "bootstrap", "seed"):
        assert given[name].default == options[name], name
    named = {name for name, parameter in given.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY}
    assert named <= options.keys()


# What is refused.


@each("column", ["x1", "v", "y", "m"])
@each("bad", [math.nan, math.inf])
def test_bad_cells_are_refused_in_the_words_of_the_command(column: str, bad: float, mrl: Mrl, tmp_path: Path) -> None:
    frame = pairs(50).astype({"y": float})
    frame.loc[3, column] = bad
    table = pa.table({name: pa.array(frame[name].to_numpy()) for name in ("x1", "x2", "u", "v", "y", "m")})
    pq.write_table(table, tmp_path / "pairs.parquet")  # where NaN is NaN and not a missing value
    ran = mrl("--margin-column", "m", file="pairs.parquet")
    assert ran.code == 3
    with pytest.raises(ValueError, match="1 problem in the frame") as refused:
        compare(frame, **B, margin_column="m")
    message = str(refused.value).replace("the frame", "pairs.parquet").replace("row 3:", "row 4:")
    assert message.split("\nhint")[0] == ran.err.removeprefix("error: ").split("\nhint")[0]


def test_rows_and_chunks_are_named_by_their_own_number() -> None:
    size = BATCH_ROWS + 9
    frame = pd.DataFrame({"x1": np.zeros(size), "x2": 1.0, "u": 0.0, "v": 0.0, "y": 1})
    frame.loc[BATCH_ROWS + 7, "u"] = math.nan
    with pytest.raises(ValueError, match=f"row {BATCH_ROWS + 7}: u is nan"):
        compare(frame, **B)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^no rows in the frame; the mean of nothing is undefined"):
        compare(pairs().head(0), **B)
    with pytest.raises(ValueError, match="no pairs in the frame: 5 rows, all left out"):
        compare(pairs(5).assign(y=0), **B, on_tie="drop")


def test_too_many_clusters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.ledger.MOST_KEYS", 2)
    with pytest.raises(ValueError, match="more than 2 groups"):
        compare(pairs(), **B, cluster="prompt")


@each(
    ("arguments", "complaint"),
    [
        ({"x1_b": "U"}, "the frame has no column 'U'; it has: .*\nhint: did you mean x1_b='u'"),
        ({"x2_b": None}, "x2_b must name a column, not be None"),
        ({"y": None}, "y must name a column, not be None"),
        ({"cluster": "id"}, "no column 'id'.*\nhint: name the column with cluster=…"),
        ({"x1_b": "text"}, "column text holds str, not numbers|row 0: text is 'p-1'"),
        ({"y": "zero"}, "label not ±1 .*zero is 0"),
        ({"confidence": None}, "confidence must be from 0.01 to 0.999999"),
        ({"confidence": 1}, "confidence must be from 0.01 to 0.999999"),
        ({"bootstrap": -1}, "bootstrap must be a whole number, from 0 to 1,000,000, not -1"),
        ({"bootstrap": MOST_SAMPLES + 1}, "bootstrap must be a whole number, from 0 to 1,000,000, not 1000001"),
        ({"bootstrap": True}, "bootstrap must be a whole number"),
        ({"seed": 0.5}, "seed must be a whole number, 0 or more, not 0.5"),
        ({"margin": 1.0, "margin_column": "m"}, "margin and margin_column exclude each other"),
        ({"loss": "hinge"}, "hinge is the name of several losses"),
        ({"dtype": "float16"}, "dtype must be one of"),
        ({"weight": 1.0}, "the loss margin_ranking has no parameter 'weight'"),
    ],
)
def test_call_that_makes_no_sense_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compare(pairs(50), **(B | arguments))
