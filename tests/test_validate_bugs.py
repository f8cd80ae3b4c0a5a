"""`mrl validate` and `compute --validate` on broken cores: a bug that shows only on one way, once, or in one figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_cli import measure
from mrl_cli.losses import LOSSES
from tests.running import Ran, run_inside

Mrl = Callable[..., Ran]
HEADER = "x1,x2,y,w,g\n"
PAIRS = HEADER + "0.5,0.25,1,2,a\n1,2,1,1,b\n1,1,-1,0.5,a\n3,1,1,4,b\n0,0.25,-1,1,a\n"


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return lambda *args: run_inside([*args, "--margin", "0.5", "-f", "json"], capfd)


def failures(ran: Ran) -> dict[str, dict[str, Any]]:
    """Return the checks that failed, by name, of either command."""
    found = json.loads(ran.out)
    checks = found.get("validation", found)["checks"]
    failed = {check["name"]: check for check in checks if not check["passed"]}
    assert ran.code == (1 if failed else 0), ran
    return failed


BOTH = pytest.mark.parametrize("command", [["validate"], ["compute", "--validate"]], ids=["validate", "compute"])


@BOTH
@pytest.mark.parametrize("options", [[], ["--weight", "w"], ["--reduction", "sum"], ["--dtype", "float32"]])
def test_a_sound_core_passes(command: list[str], options: list[str], mrl: Mrl) -> None:
    assert failures(mrl(*command, "pairs.csv", *options)) == {}


# Bugs of the quick way: the careful way does not have them.


def flips_a_label(pairs: Any, plan: Any, out: Any, _true: Any = measure.signed_labels) -> Any:
    _true(pairs, plan, out)
    if pairs.y.dtype == np.int8:
        out[3] = -out[3]
    return out


def off_by_one_ulp(pairs: Any, plan: Any, out: Any, _true: Any = measure.score_differences) -> Any:
    _true(pairs, plan, out)
    if pairs.y.dtype == np.int8:
        out[1] = np.nextafter(out[1], -9)
    return out


@BOTH
@pytest.mark.parametrize(
    ("where", "broken", "line"),
    [("signed_labels", flips_a_label, 5), ("score_differences", off_by_one_ulp, 3)],
    ids=["label", "difference"],
)
def test_a_bug_of_the_quick_way_alone_is_caught(
    where: str, broken: Any, line: int, command: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, where, broken)
    ran = mrl(*command, "pairs.csv")
    assert "loop losses" in failures(ran)
    found = json.loads(ran.out)
    (mismatch,) = found.get("validation", found)["mismatches"]
    assert (mismatch["file"], mismatch["row"]) == ("pairs.csv", line)
    assert mismatch["got"] != mismatch["expected"]


@BOTH
def test_a_bug_that_shows_once_is_caught(command: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_kernel, calls = LOSSES["margin_ranking"].kernel, []

    def kernel(*given: Any, **named: Any) -> Any:
        losses = true_kernel(*given, **named)
        calls.append(1)
        if len(calls) == 1:
            losses[1] += 2**-40
        return losses

    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=kernel))
    assert "loop losses" in failures(mrl(*command, "pairs.csv"))


def test_a_sample_catches_a_bug_of_the_quick_way(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "signed_labels", flips_a_label)
    ran = mrl("validate", "pairs.csv", "--sample", "5")
    assert "loop losses" in failures(ran)
    assert [mismatch["row"] for mismatch in json.loads(ran.out)["mismatches"]] == [5]


def test_rows_are_looked_up_in_every_batch_and_shard(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, wrong = 300_000, [7, 131_072, 260_000]
    loss = np.full(size, 0.5)
    loss[wrong] = 9.0
    zeros = np.zeros(size)
    table = pa.table({"x1": zeros, "x2": zeros, "y": np.ones(size, np.int8), "loss": loss})
    pq.write_table(table, tmp_path / "big.parquet", row_group_size=200_000)
    found = json.loads(mrl("validate", "big.parquet", "--loss-column", "loss").out)
    assert [mismatch["row"] for mismatch in found["mismatches"]] == [place + 1 for place in wrong]
