"""What programs read of mrl: JSON that says what is not finite, the same bytes every run, errors as JSON, schemas."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Mrl = Callable[..., Ran]


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Runs mrl in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: run_inside(args, capfd)


# Numbers that are not finite.


@pytest.mark.parametrize("output_format", ["json", "jsonl"])
def test_numbers_not_finite_are_null_in_json_and_named_beside(output_format: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "huge.csv").write_text("x1,x2,y\n1e308,-1e308,-1\n")
    ran = mrl("compute", "huge.csv", "--format", output_format)
    record = json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"bare {name}"))
    names = record["not_finite"]
    assert names.items() >= dict.fromkeys(("value", "sum", "mean", "min", "max"), "Infinity").items()
    assert names["difference_sd"] == "NaN"  # of one pair
    assert {key for key, value in record.items() if value is None} == names.keys()
    assert mrl("compute", "huge.csv", "--raw").out == "Infinity\n"
    rows = mrl("compute", "huge.csv", "--format", "jsonl", "--reduction", "none")
    assert rows.out == '{"loss": null, "not_finite": {"loss": "Infinity"}}\n'


def test_kept_columns_say_what_is_not_finite_in_the_object_where_it_stands(mrl: Mrl, tmp_path: Path) -> None:
    columns = {"x1": [0.5, 0.25], "x2": [0.0, 0.0], "y": [1, 1], "n": [math.nan, None], "l": [[1.0, -math.inf], [2.0]]}
    pq.write_table(pa.table(columns | {"s": [{"a": math.inf}, {"a": 0.5}]}), tmp_path / "nested.parquet")
    args = "compute", "nested.parquet", "--reduction", "none", "--keep-columns", "-f", "jsonl"
    first, second = map(json.loads, mrl(*args).out.splitlines())
    assert (first["n"], first["l"], second["n"], second["l"]) == (None, [1.0, None], None, [2.0])
    assert first["not_finite"] == {"n": "NaN", "l.1": "-Infinity"}
    assert (first["s"], second["s"]) == ({"a": None, "not_finite": {"a": "Infinity"}}, {"a": 0.5})
    assert "not_finite" not in second
    for taken in ({"not_finite": [1, 2]}, {"s": [{"not_finite": 1}, {"not_finite": 2}]}):
        pq.write_table(pa.table(columns | taken), tmp_path / "nested.parquet")
        ran = mrl(*args)
        assert (ran.code, ran.out) == (2, "")
        assert "nested.parquet has a column 'not_finite'" in ran.err


def test_groups_say_what_is_not_finite_each_for_itself(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "huge.csv").write_text("x1,x2,y,not_finite\n1e308,-1e308,-1,a\n0,1,1,b\n0,2,1,b\n")
    args = "compute", "huge.csv", "--group-by", "not_finite", "--confidence", "0.95"
    for groups in (mrl(*args, "-f", "json").result["groups"], _lines(mrl(*args, "-f", "jsonl"))):
        assert groups[0]["not_finite"].items() >= {"mean": "Infinity", "standard_error": "NaN"}.items()
        assert groups[0]["mean"] is None
        assert "not_finite" not in groups[1]
    assert [group["group.not_finite"] for group in _lines(mrl(*args, "-f", "jsonl"))] == ["a", "b"]
    assert mrl(*args, "-f", "csv").out.startswith("group.not_finite,")


def _lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(("scores", "passes"), [("2,0.5", True), ("0.5,2", False), ("-1e308,1e308", False)])
def test_gates_of_jq_fail_on_what_is_undefined(scores: str, passes: bool, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "gate.csv").write_text(f"x1,x2,y\n{scores},1\n")
    report = mrl("compute", "gate.csv", "-f", "json").out
    below, above = ".value != null and .value < 1.2", ".value >= 1.2"  # null is below every number
    for gate, expected in ((below, passes), (above, scores == "0.5,2")):
        gated = subprocess.run(["jq", "-e", gate], input=report, capture_output=True, text=True, check=False)
        assert (gated.returncode == 0, gated.stderr) == (expected, "")
    assert (mrl("compute", "gate.csv", "--fail-if", "value>=1.2").code == 0) is passes
    undefined = mrl("compute", "gate.csv", "--fail-if", "value>1e9", "-q")
    assert (undefined.code, "value is Infinity, and" in undefined.err) == (
        (1, True) if "e308" in scores else (0, False)
    )
