"""A folder as other tools save one: what they put beside the data is passed over, and no row is read twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.running import run_inside

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pa.table({"chosen": ["a", "b", "c"], "score_chosen": [1.0, 3.0, 0.5], "score_rejected": [3.0, 1.0, 0.75]})
SUM = 2 + 0 + 0.25


def _save(folder: Path, *names: str) -> None:
    """Save the table as datasets does: a stream for each shard, and JSON that says what they are."""
    folder.mkdir(parents=True)
    for name in names:
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
            writer.write_table(TABLE)
    (folder / "dataset_info.json").write_text(json.dumps({"citation": "", "features": {"chosen": {}}}))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": names[0]}], "_split": "train"}))


@pytest.mark.parametrize("more", ["nothing", "cache", "marks", "splits"])
def test_a_saved_data_set_reads_as_its_parquet_twin(
    more: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ds"
    _save(folder / "train" if more == "splits" else folder, "data-00000-of-00001.arrow")
    if more == "splits":
        (folder / "dataset_dict.json").write_text('{"splits": ["train"]}')
    if more == "cache":
        (folder / "cache-5f0c.arrow").write_bytes((folder / "data-00000-of-00001.arrow").read_bytes())
    if more == "marks":
        for name in ("_SUCCESS", ".part.crc", "_metadata", ".hidden.json"):
            (folder / name).write_bytes(b"{}")
    pq.write_table(TABLE, tmp_path / "train.parquet")
    args = ["--preset", "ultrafeedback", "--reduction", "sum", "-f", "json"]
    saved, twin = (run_inside(["compute", tmp_path / name, *args], capfd).result for name in ("ds", "train.parquet"))
    assert (saved["value"], saved["pairs"]) == (SUM, 3)
    assert {key for key in twin if saved[key] != twin[key]} <= {"inputs"}


def test_data_that_is_called_so_is_read_where_nothing_says_that_it_is_computed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/cache-1.csv").write_text("x1,x2,y\n1,3,1\n")
    assert run_inside(["compute", tmp_path / "runs", "-f", "json"], capfd).result["sum"] == 2
    (tmp_path / "only").mkdir()
    (tmp_path / "only/state.json").write_text("{}")
    run_inside(["compute", tmp_path / "only"], capfd).must_fail(2, "no file of a known format below")


def test_shards_of_an_earlier_save_are_no_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ("data-00000-of-00001.arrow", "data-00000-of-00002.arrow", "data-00001-of-00002.arrow")
    _save(tmp_path / "ds", *names)  # of which the first one is listed
    args = ["compute", str(tmp_path / "ds"), "--preset", "ultrafeedback", "--reduction", "sum", "--raw"]
    assert run_inside(args, capfd).out == f"{SUM}\n"
    (tmp_path / "ds" / names[0]).unlink()
    ran = run_inside(args, capfd)
    assert (ran.code, f"ds is not whole: its state.json lists {names[0]}" in ran.err) == (3, True), ran.err
    assert "hint: copy the folder again, with all files" in ran.err
    for state in ("{}", "oops", '{"_data_files": []}'):  # says nothing of shards
        (tmp_path / "ds/state.json").write_text(state)
        assert run_inside(args, capfd).out == f"{2 * SUM}\n"
