"""What a label column may hold besides numbers: booleans.

Every case is read in every format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli import evaluate
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    Mrl = Callable[..., Ran]

X1, X2 = [3.0, 0.0, 1.0, 2.0, 0.5], [1.0, 2.0, 4.0, 1.0, 0.0]
FIGURES = ("pairs", "rejected", "sum", "mean", "min", "max", "correct", "ties", "wrong", "accuracy", "active")


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl in an empty folder; the result is JSON."""
    monkeypatch.chdir(tmp_path)
    return lambda *args, stdin=b"": run_inside([*args, "-f", "json"], capfd, stdin)


def _text(values: list[Any], delimiter: str) -> str:
    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\t\n') else text

    rows = zip(X1, X2, map(cell, values), strict=True)
    return "".join(delimiter.join(map(str, row)) + "\n" for row in (("x1", "x2", "y"), *rows))


def _records(values: list[Any]) -> list[dict[str, Any]]:
    return [{"x1": a, "x2": b, "y": y} for a, b, y in zip(X1, X2, values, strict=True)]


def _table(values: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"x1": X1, "x2": X2, "y": pa.array(values, kind)})


# What writes labels in a file of each format; a text stays text in Parquet, a number a number.
WRITERS: dict[str, Callable[[list[Any], str], object]] = {
    "p.csv": lambda values, name: Path(name).write_text(_text(values, ","), "utf-8"),
    "p.tsv": lambda values, name: Path(name).write_text(_text(values, "\t"), "utf-8"),
    "p.jsonl": lambda values, name: Path(name).write_text(
        "".join(json.dumps(record) + "\n" for record in _records(values)), "utf-8"
    ),
    "rows.json": lambda values, name: Path(name).write_text(json.dumps(_records(values)), "utf-8"),
    "columns.json": lambda values, name: Path(name).write_text(json.dumps({"x1": X1, "x2": X2, "y": values}), "utf-8"),
    "p.parquet": lambda values, name: pq.write_table(_table(values), name),
    "coded.parquet": lambda values, name: pq.write_table(
        _table(values).set_column(2, "y", pa.array(values).dictionary_encode()), name
    ),
    "p.arrow": lambda values, name: pyarrow.feather.write_feather(_table(values), name),
}
in_every_format = pytest.mark.parametrize("name", WRITERS)


def figures(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in FIGURES}


# True and false.


BOOLEANS = [True, False, True, False, True]


@in_every_format
def test_true_and_false_are_1_and_0_under_01(name: str, mrl: Mrl) -> None:
    WRITERS["p.csv"]([int(value) for value in BOOLEANS], "numbers.csv")
    WRITERS[name](BOOLEANS, name)
    expected = figures(mrl("compute", "numbers.csv", "--labels", "01").result)
    assert figures(mrl("compute", name, "--labels", "01", "--validate").result) == expected


@in_every_format
@pytest.mark.parametrize("labels", ["pm1", "any"])
def test_true_and_false_are_no_other_labels(name: str, labels: str, mrl: Mrl) -> None:
    WRITERS[name](BOOLEANS, name)
    ran = mrl("compute", name, "--labels", labels)
    assert (ran.code, ran.out) == (3, "")
    if name.endswith(("parquet", "arrow")):
        assert "column y holds bool, true and false, not numbers" in ran.err
        assert "use --labels 01" in ran.err


@pytest.mark.parametrize(
    "texts", [["true", "false"], ["True", "False"], ["TRUE", "FALSE"], ["1", "False"], ["tRue", "0.0"]]
)
def test_text_may_spell_booleans_in_any_case_and_beside_numbers(texts: list[str], mrl: Mrl) -> None:
    Path("p.csv").write_text(f"x1,x2,y\n3,1,{texts[0]}\n0,2, {texts[1]} \n")
    Path("p.tsv").write_text(f"x1\tx2\ty\n3\t1\t{texts[0]}\n0\t2\t{texts[1]}\n")
    for name in ("p.csv", "p.tsv"):
        record = mrl("compute", name, "--labels", "01").result
        assert (record["pairs"], record["correct"]) == (2, 2)


def test_lines_may_mix_booleans_and_numbers(mrl: Mrl) -> None:
    Path("p.jsonl").write_text('{"x1":3,"x2":1,"y":true}\n{"x1":0,"x2":2,"y":0}\n')
    assert mrl("compute", "p.jsonl", "--labels", "01").result["correct"] == 2


@pytest.mark.parametrize("column", ["x1", "x2"])
@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet"])
def test_score_is_never_a_boolean(name: str, column: str, mrl: Mrl) -> None:
    table = _table([1, 0, 1, 0, 1])
    place = table.column_names.index(column)
    table = table.set_column(place, column, pa.array(BOOLEANS))
    if name == "p.parquet":
        pq.write_table(table, name)
    elif name == "p.csv":
        table.to_pandas().to_csv(name, index=False)
    else:
        table.to_pandas().to_json(name, orient="records", lines=True)
    ran = mrl("compute", name, "--labels", "01")
    assert (ran.code, ran.out) == (3, "")


def test_cell_that_means_no_value_is_none_even_where_it_reads_as_a_boolean(mrl: Mrl) -> None:
    Path("p.csv").write_text("x1,x2,y\n3,1,true\n0,2,false\n")
    ran = mrl("compute", "p.csv", "--labels", "01", "--null-value", "true")
    assert (ran.code, "missing value       1   line 2: y is 'true'" in ran.err) == (3, True)


# DataFrames.


def frame(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"x1": X1, "x2": X2, "y": values})


@pytest.mark.parametrize("values", [BOOLEANS, pd.array(BOOLEANS, "boolean"), np.array(BOOLEANS, object)])
def test_frame_holds_booleans_under_01_alone(values: Any) -> None:
    assert evaluate(frame(values), labels="01")["correct"] == evaluate(frame([1, 0, 1, 0, 1]), labels="01")["correct"]
    for labels in ("pm1", "any"):
        with pytest.raises(ValueError, match=r"holds bool(ean)?, not numbers|not a number"):
            evaluate(frame(values), labels=labels)
