"""Missing margins and weights that are filled: with what, how often, and what is no fill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import compare, evaluate
from mrl_cli.inputs import delimited, jsontext
from tests.each import each
from tests.running import Mrl, run_inside

if TYPE_CHECKING:
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]

# At the margins 1, 0.5 (filled), 2 and 0.5 (filled) the losses are 1 - 0.5, 0.5 + 1, 2 - 3 (so 0) and 0.5.
COLUMNS: dict[str, list[Any]] = {
    "x1": [0.5, 0.0, 3.0, 1.0],
    "x2": [0.0, 1.0, 0.0, 1.0],
    "y": [1, 1, 1, -1],
    "m": [1.0, None, 2.0, None],
    "w": [None, 2.0, 3.0, 4.0],
}
LOSSES = [0.5, 1.5, 0.0, 0.5]
FORMATS = ("pairs.csv", "pairs.jsonl", "columns.json", "array.json", "pairs.parquet")


def write(columns: dict[str, list[Any]], path: Path) -> None:
    """Write columns in the format of a file's name; a missing value is an empty cell, no key, or a null."""
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path, row_group_size=3)
    elif path.suffix == ".csv":
        rows = ([("" if cell is None else str(cell)) for cell in record.values()] for record in records)
        path.write_text("\n".join([",".join(columns), *map(",".join, rows)]) + "\n")
    elif path.name == "pairs.jsonl":
        there = ({name: cell for name, cell in record.items() if cell is not None} for record in records[1:])
        path.write_text("".join(json.dumps(record) + "\n" for record in (records[0], *there)))
    else:
        path.write_text(json.dumps(records if path.name == "array.json" else columns, indent=1))


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run a command with JSON in a folder with the pairs in every format."""
    for name in FORMATS:
        write(COLUMNS, tmp_path / name)
    return lambda *args: mrl(*args, "-f", "json")


@pytest.mark.parametrize("name", FORMATS)
def test_missing_margins_and_weights_are_filled_and_counted(name: str, mrl: Mrl) -> None:
    args = ("--margin-column", "m", "--fill", "margin=0.5")
    result = mrl("compute", name, *args, "--validate").result
    assert (result["sum"], result["pairs"], result["filled_margin"]) == (sum(LOSSES), 4, 2)
    assert (result["fill"], result["validation"]["passed"]) == ({"margin": 0.5}, True)
    assert "filled_weight" not in result
    both = mrl("compute", name, *args, "--weight", "w", "--fill", "weight=10").result
    assert both["sum"] == 10 * 0.5 + 2 * 1.5 + 3 * 0 + 4 * 0.5
    assert (both["weight"], both["filled_margin"], both["filled_weight"]) == (10 + 2 + 3 + 4, 2, 1)
    left_out = mrl("compute", name, "--weight", "w", "--fill", "weight=0").result
    assert (left_out["pairs"], left_out["zero_weight"], left_out["filled_weight"]) == (3, 1, 1)


def test_text_with_empty_cells_is_still_read_the_quick_way(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def careful(*_: Any) -> Any:
        raise AssertionError("read the careful way")

    monkeypatch.setattr(delimited, "careful_batches", careful)
    monkeypatch.setattr(jsontext, "careful_batches", careful)
    for name in ("pairs.csv", "pairs.jsonl"):
        assert mrl("compute", name, "--margin-column", "m", "--fill", "margin=0.5").result["sum"] == sum(LOSSES)


def test_words_for_no_value_are_filled_too(mrl: Mrl, tmp_path: Path) -> None:
    for text in ("NA", "-9", "-9.0", " "):
        write(COLUMNS | {"m": [1, text, 2, text]}, tmp_path / "words.csv")
        write(COLUMNS | {"m": [1, text, 2, text]}, tmp_path / "array.json")
        for name in ("words.csv", "array.json"):
            args = ("--null-value", text.strip() or "NA", "--margin-column", "m", "--fill", "margin=0.5")
            result = mrl("compute", name, *args).result
            assert (result["sum"], result["filled_margin"]) == (sum(LOSSES), 2)


def test_only_missing_cells_are_filled(mrl: Mrl, tmp_path: Path) -> None:
    write(COLUMNS | {"m": [1.0, "oops", 2.0, "nan"], "x1": [0.5, 0.0, 3.0, None]}, tmp_path / "bad.csv")
    mrl("compute", "bad.csv", "--margin-column", "m", "--fill", "margin=0").must_fail(
        3, "3 problems", "line 3: m is 'oops'", "line 5: x1 is empty"
    )
    columns = COLUMNS | {"x2": [0.0, None, 0.0, 1.0]}  # the second margin is missing too, of a row that is left out
    for name in FORMATS:
        write(columns, tmp_path / name)
        args = ("--margin-column", "m", "--fill", "margin=0.5", "--on-error", "skip", "-q")
        result = mrl("compute", name, *args).result
        assert (result["pairs"], result["rejected"], result["filled_margin"]) == (3, 1, 1)


def test_every_command_counts_what_is_filled(mrl: Mrl, tmp_path: Path) -> None:
    swept = mrl("sweep", "pairs.csv", "--margins", "0,1", "--weight", "w", "--fill", "weight=1").result
    assert (swept["filled_weight"], swept["weight"]) == (1, 1 + 2 + 3 + 4)
    validated = mrl("validate", "pairs.csv", "--margin-column", "m", "--fill", "margin=0.5", "--expect", "0.625").result
    assert (validated["passed"], validated["filled_margin"], validated["fill"]) == (True, 2, {"margin": 0.5})
    write({"x1": [1.0] * 4, "x2": [0.0] * 4, "y": [1, 1, 1, -1]}, tmp_path / "b.csv")
    compared = mrl("compare", "pairs.csv", "b.csv", "--by-row", "--margin-column", "m", "--fill", "margin=0.5").result
    assert (compared["filled_margin"], compared["a"]["sum"], compared["b"]["sum"]) == (2, sum(LOSSES), 0 + 0 + 1 + 1.5)


def test_counts_and_settings_stand_in_rows(mrl: Mrl, capfd: Capture) -> None:
    args = ["compute", "pairs.csv", "--margin-column", "m", "--fill", "margin=0.5", "-f", "csv"]
    for grouped, counts in ((["--group-by", "y"], [None, None]), ([], ["2"])):
        header, *rows = run_inside([*args, *grouped], capfd).out.splitlines()
        table = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
        assert [(row["fill.margin"], row.get("filled_margin")) for row in table] == [("0.5", count) for count in counts]
    ran = run_inside([*args, "--fail-if", "filled_margin>1"], capfd)
    assert (ran.code, "filled_margin is 2" in ran.err) == (1, True)


def test_a_margin_of_the_path_may_be_missing(mrl: Mrl, tmp_path: Path) -> None:
    for key, columns in (("1", COLUMNS), ("__HIVE_DEFAULT_PARTITION__", COLUMNS)):
        (tmp_path / f"h/k={key}").mkdir(parents=True)
        write({name: columns[name] for name in ("x1", "x2", "y")}, tmp_path / f"h/k={key}/p.csv")
    result = mrl("compute", "h", "--margin-column", "k", "--fill", "margin=0").result
    assert (result["pairs"], result["filled_margin"]) == (8, 4)


def test_margins_that_a_preset_names_are_filled(tmp_path: Path, capfd: Capture) -> None:
    file = tmp_path / "missing.jsonl"
    lines = ['{"chosen": 2.5, "rejected": 0.5, "margin": 1.0}', '{"chosen": 0.5, "rejected": 0.25, "margin": null}']
    file.write_text("\n".join([*lines, '{"chosen": -0.5, "rejected": 0.25}']))
    args: list[str | Path] = ["compute", file, "--preset", "trl", "-f", "json"]
    refused = run_inside(args, capfd)
    assert (refused.code, "use --fill margin=0" in refused.err) == (3, True)
    result = run_inside([*args, "--fill", "margin=0"], capfd).result
    assert (result["sum"], result["filled_margin"]) == (0 + 0 + 0.75, 2)
    run_inside([*args, "--fill", "margin=0", "--fill", "weight=1"], capfd).must_fail(
        2, "--fill weight=1: no column of weights is read"
    )


@each(
    ("args", "message"),
    [
        (("--fill", "margin=0"), "--fill margin=0: no column of margins is read"),
        (("--margin", "1", "--fill", "margin=0"), "no column of margins is read"),
        (("--weight", "w", "--fill", "margin=0"), "no column of margins is read"),
        (("--fill", "x1=0"), "--fill x1=0.0: only margin and weight can be filled"),
        (("--margin-column", "m", "--fill", "margin"), "'margin' is not NAME=VALUE"),
        (("--margin-column", "m", "--fill", "margin=none"), "'none' is not a finite number"),
        (("--margin-column", "m", "--fill", "margin=inf"), "'inf' is not a finite number"),
        (("--margin-column", "m", "--fill", "margin=1e99", "--dtype", "float32"), "it must be a finite float32"),
        (("--weight", "w", "--fill", "weight=-1"), "no weight is below 0"),
        (("--margin-column", "m", "--fill", "margin=0", "--fill", "margin=1"), "--fill margin is given more than once"),
    ],
)
def test_what_fills_nothing_is_a_usage_error(args: tuple[str, ...], message: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", *args).must_fail(2, message)


def test_frames_are_filled() -> None:
    frame = pd.DataFrame(COLUMNS)
    for column in (frame["m"], frame["m"].astype("Float64"), frame["m"].astype(object), frame["m"].to_numpy(object)):
        result = evaluate(frame.assign(m=column), margin_column="m", fill={"margin": 0.5})
        assert (result["sum"], result["filled_margin"]) == (sum(LOSSES), 2)
    with pytest.raises(ValueError, match="no column of weights is read"):
        evaluate(frame, fill={"weight": 1})
    with pytest.raises(ValueError, match="only margin and weight can be filled"):
        evaluate(frame, fill={"x1": 1})
    two = frame.assign(u=np.ones(4), v=np.zeros(4))
    assert compare(two, x1_b="u", x2_b="v", margin_column="m", fill={"margin": 0.5})["filled_margin"] == 2
