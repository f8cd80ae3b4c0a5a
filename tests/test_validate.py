"""`mrl validate` on files: it passes on right numbers, and finds a wrong loss, a lost row, a wrong sum or column."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import inputs as readers
from mrl_cli.engines import base, local
from mrl_cli.exact import ExactSum
from mrl_cli.inputs import delimited, text
from mrl_cli.inputs.storage import File
from mrl_cli.losses import LOSSES
from mrl_cli.model import Plan
from mrl_cli.reductions import cellsums, totals
from mrl_cli.reductions.measured import Measured
from mrl_cli.render import format_names
from mrl_cli.statistics import calibration
from mrl_cli.verify import Request, conformance, rows_in, verifier_of
from mrl_cli.verify.validators import AGAINST, ulps_apart
from tests.each import each, mostly_slow
from tests.loss_properties import settings
from tests.running import Mrl, Ran, run_inside

SAMPLE = Path(__file__).parents[1] / "sample_data" / "diabetes_pairs.csv"
# With margin 0.5 the losses are 0.5 - 0.25 = 0.25, 0.5 + 1 = 1.5 and 0.5 + 0 = 0.5.
PAIRS = "x1,x2,y,loss\n0.5,0.25,1,0.25\n1,2,1,1.5\n1,1,-1,0.5\n"
WRONG = PAIRS.replace("1.5", "1.75")


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "pairs.csv").write_text(PAIRS)
    (tmp_path / "wrong.csv").write_text(WRONG)
    return partial(mrl, "validate")


def result(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran
    record: dict[str, Any] = json.loads(ran.out)
    assert record["passed"] == (code == 0) == all(check["passed"] for check in record["checks"])
    return record


def failed(ran: Ran) -> list[str]:
    return [check["name"] for check in result(ran, 1)["checks"] if not check["passed"]]


# Right numbers pass.


@pytest.mark.parametrize("dtype", mostly_slow(["float64", "float32"], quick=1))
def test_real_pairs_pass_every_check_bit_for_bit(dtype: str, mrl: Mrl) -> None:
    record = result(
        mrl(SAMPLE, "--margin", "0.5", "--dtype", dtype, "--against", "loop", "--against", "exact", "-f", "json")
    )
    checks = {check["name"]: check for check in record["checks"]}
    assert set(checks) == {"rows", "loop losses", "loop sum", "loop mean", "loop value"} | {
        "loop counts",
        "exact losses",
        "exact sum",
    }
    for name in ("loop losses", "loop sum", "loop mean", "exact sum"):
        assert checks[name]["max_ulp_diff"] == 0
    assert 0.5 < checks["exact losses"]["max_bound_fraction"] <= 1
    assert (record["pairs"], record["mismatch_count"], record["mismatches"]) == (5000, 0, [])


@pytest.mark.slow  # importing PyTorch alone takes seconds; test_golden holds its vectors meanwhile
def test_pytorch_itself_agrees(mrl: Mrl) -> None:
    pytest.importorskip("torch")
    for dtype in ("float64", "float32"):
        record = result(mrl(SAMPLE, "--margin", "0.5", "--dtype", dtype, "--against", "torch", "-f", "json"))
        (check,) = (check for check in record["checks"] if check["name"] == "torch losses")
        assert (check["pairs"], check["max_ulp_diff"]) == (5000, 0)


def test_missing_pytorch_is_reported(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    mrl("pairs.csv", "--against", "torch").must_fail(2, "hint: pip install 'torch>=2.0'\n")


@each("dtype", ["float64", "float32"])
@each("loss", LOSSES.values())
def test_every_registered_loss_passes(loss: Any, dtype: str, mrl: Mrl) -> None:
    for parameters in settings(loss):
        given = [text for name, value in parameters.items() for text in ("--param", f"{name}={value}")]
        labels = ["--labels", "any"] if loss.is_target else []
        ran = mrl(SAMPLE, "--loss", loss.name, "--dtype", dtype, *given, *labels, "-f", "json")
        assert result(ran)["pairs"] == 5000


@pytest.mark.parametrize("against", ["exact", "torch"])
def test_a_validator_names_the_loss_that_it_does_not_have(against: str, mrl: Mrl) -> None:
    mrl("pairs.csv", "--loss", "logistic", "--against", against).must_fail(2, "margin_ranking loss only")


@pytest.mark.parametrize("options", [["--jobs", "1"], ["--jobs", "3"], ["--y-const", "-1"], ["--reduction", "sum"]])
def test_the_options_of_compute_are_understood(options: list[str], mrl: Mrl) -> None:
    assert result(mrl("pairs.csv", *options, "-f", "json"))["pairs"] == 3


def test_stdin_is_validated_and_what_cannot_be_counted_is_noted(mrl: Mrl) -> None:
    record = result(mrl("-", "-f", "json", stdin=PAIRS.encode()))
    assert record["notes"] == ["the rows of stdin were not counted a second time"]


def test_labels_and_rows_left_out_are_understood(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("x1,x2,y\n1,2,1\n1,2,0\noops,1,1\n3,4,-1\n")
    ran = mrl("odd.csv", "--on-error", "skip", "--on-tie", "drop", "--rejects", "bad.csv", "-f", "json")
    record = result(ran)
    assert (record["pairs"], record["rejected"], record["ties_dropped"]) == (2, 1, 1)
    assert "oops" in (tmp_path / "bad.csv").read_text()
    (tmp_path / "binary.csv").write_text("x1,x2,y\n1,2,1\n1,2,0\n")
    assert result(mrl("binary.csv", "--labels", "01", "-f", "json"))["value"] == 0.5
    mrl("odd.csv").must_fail(3, "oops")


WEIGHTED = "x1,x2,y,m,w\n0.5,0.25,1,0.5,2\n1,2,1,0.25,0.1\n1,1,-1,1,0\n3,1,1,5,1e-200\n2,1,1,1.5,1e150\n0,1,-1,3,1\n"


@each("dtype", ["float64", "float32"])
@each("rows", [4, 6, 7])
def test_weights_and_margins_for_each_pair_are_validated(rows: int, dtype: str, mrl: Mrl, tmp_path: Path) -> None:
    lines = [line for line in WEIGHTED.splitlines() if rows == 7 or "e" not in line]
    (tmp_path / "weighted.csv").write_text("\n".join(lines[:rows]) + "\n")
    options = ["--margin-column", "m", "--weight", "w", "--dtype", dtype]
    ran = mrl("weighted.csv", *options, "--against", "loop", "--against", "exact", "-f", "json")
    record = result(ran)
    assert (record["margin_column"], record["weight_column"]) == ("m", "w")
    assert "margin" not in record


def test_a_wrong_weighted_sum_is_caught(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mrl_cli.exact import ProductAccumulator

    (tmp_path / "weighted.csv").write_text(WEIGHTED)
    add = ProductAccumulator.add
    monkeypatch.setattr(
        ProductAccumulator, "add", lambda self, first, second, masks, **_: add(self, first, second * 1.5, masks)
    )
    options = ["--margin-column", "m", "--weight", "w", "-f", "json"]
    assert failed(mrl("weighted.csv", *options)) == ["loop sum", "loop mean", "loop value"]


# A broken core is caught.


TRUE_FLOAT = ExactSum.__float__


def off_by_one_ulp(difference: Any, y: Any, *, margin: Any, out: Any = None, **parameters: Any) -> Any:
    losses = np.maximum(margin - y * difference, 0, out=out)
    losses[difference == -1.0] = np.nextafter(losses[difference == -1.0], np.inf)
    return losses


def test_a_loss_off_by_one_ulp_is_caught(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=off_by_one_ulp))
    record = result(mrl("pairs.csv", "--margin", "0.5", "-f", "json"), 1)
    (mismatch,) = record["mismatches"]
    assert mismatch == {
        "check": "loop losses",
        "file": "pairs.csv",
        "row": 3,
        "x1": 1.0,
        "x2": 2.0,
        "y": 1.0,
        "margin": 0.5,
        "expected": 1.5,
        "got": 1.5000000000000002,
    }
    assert record["checks"][1]["max_ulp_diff"] == 1


def _changed(batch: Any, chosen: Any) -> Any:
    rows = None if batch.rows is None else np.asarray(batch.rows)[chosen]
    return replace(batch, numbers={role: values[chosen] for role, values in batch.numbers.items()}, rows=rows)


@pytest.mark.parametrize("chosen", [slice(1, None), [0, 0, 1, 2]], ids=["lost", "doubled"])
def test_a_reader_that_loses_or_doubles_a_row_is_caught(chosen: Any, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = delimited._parsed

    def changed(*given: Any) -> tuple[Any, int | None]:
        batch, lines = parsed(*given)
        return _changed(batch, chosen), lines

    monkeypatch.setattr(delimited, "_parsed", changed)
    assert "rows" in failed(mrl("pairs.csv", "-f", "json"))


@pytest.mark.parametrize("chosen", [slice(1, None), [0, 0, 1, 2]], ids=["lost", "doubled"])
def test_a_core_that_loses_or_doubles_a_row_is_caught(chosen: Any, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Measured):
        def __init__(self, batch: Any, *given: Any, **how: Any) -> None:
            super().__init__(_changed(batch, chosen), *given, **how)
            self.batch = batch

    monkeypatch.setattr(base, "Measured", Broken)
    assert "rows" in failed(mrl("pairs.csv", "-f", "json"))


def test_a_shard_that_is_lost_is_caught(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_shards = readers.shards_of
    monkeypatch.setattr(text, "BLOCK_BYTES", 1)  # a shard for each line
    assert result(mrl("pairs.csv", "-f", "json"))["pairs"] == 3
    monkeypatch.setattr(local, "shards_of", lambda *given: iter(list(true_shards(*given))[:-1]))
    assert failed(mrl("pairs.csv", "-f", "json")) == ["rows"]


def forgetful(left: Any, right: Any) -> Any:
    """Add counts, and lose what was summed before."""
    return right if left is None or isinstance(right, ExactSum) else left if right is None else left + right


@pytest.mark.parametrize(
    ("where", "broken", "caught"),
    [
        ((ExactSum, "__add__"), lambda self, other: ExactSum(self.units), {"loop sum", "loop mean", "loop value"}),
        ((totals, "_added"), forgetful, {"loop sum", "loop mean", "loop value"}),
        ((ExactSum, "__float__"), lambda self: TRUE_FLOAT(self) + 2**-40, {"loop sum", "loop mean", "loop value"}),
    ],
    ids=["sums forget", "merges forget", "sums round"],
)
def test_a_wrong_sum_or_merge_is_caught(
    where: tuple[Any, str], broken: Any, caught: set[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 1)  # a shard for each line
    monkeypatch.setattr(*where, broken)
    assert set(failed(mrl("pairs.csv", "--margin", "0.5", "--against", "loop", "-f", "json"))) == caught


def test_wrong_counts_are_caught(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    add = totals.Totals.__add__
    monkeypatch.setattr(totals.Totals, "__add__", lambda self, other: replace(add(self, other), correct=0, ties=2))
    assert failed(mrl("pairs.csv", "--margin", "0.5", "-f", "json")) == ["loop counts"]


# The user's own numbers.


def test_the_right_numbers_of_a_user_pass(mrl: Mrl) -> None:
    ran = mrl("pairs.csv", "--margin", "0.5", "--loss-column", "loss", "--expect", "0.75", "-f", "json")
    record = result(ran)
    assert [check["name"] for check in record["checks"]][-2:] == ["loss column", "expected value"]


@each(
    ("value", "reduction", "code"),
    [
        ("0.75", "mean", 0),
        ("0.75000012", "mean", 0),
        ("0.7501", "mean", 1),
        ("2.25", "sum", 0),
        ("2.3", "sum", 0),
        ("2.4", "sum", 1),
    ],
    quick=4,
)
def test_an_expected_value_is_held_against_the_reduction(value: str, reduction: str, code: int, mrl: Mrl) -> None:
    ran = mrl("pairs.csv", "--margin", "0.5", "--expect", value, "--reduction", reduction, "-f", "json")
    record = result(ran, code)
    assert record["checks"][-1]["got"] == float(value)


def test_tolerances_are_those_given(mrl: Mrl) -> None:
    assert mrl("pairs.csv", "--margin", "0.5", "--expect", "0.76", "--rtol", "0.02").code == 0
    assert mrl("pairs.csv", "--margin", "0.5", "--expect", "0.76", "--atol", "0.02").code == 0
    assert mrl("pairs.csv", "--margin", "0.5", "--expect", "0.75000001", "--rtol", "0", "--atol", "0").code == 1
    assert mrl("pairs.csv", "--margin", "0.5", "--expect", "0.750008", "--dtype", "float32").code == 0


@pytest.mark.slow
def test_each_mismatching_row_of_a_column_is_listed(mrl: Mrl) -> None:
    ran = mrl("wrong.csv", "--margin", "0.5", "--loss-column", "loss", "-f", "json")
    record = result(ran, 1)
    (mismatch,) = record["mismatches"]
    assert (mismatch["row"], mismatch["expected"], mismatch["got"]) == (3, 1.5, 1.75)
    assert record["mismatch_count"] == 1
    assert record["explanations"] == []
    assert record["notes"] == ["none of the known mistakes explains the losses of these 3 pairs"]


@pytest.mark.slow
def test_a_file_of_other_rows_names_them_by_row(mrl: Mrl, tmp_path: Path) -> None:
    columns = {"x1": [0.5, 1.0], "x2": [0.25, 2.0], "y": [1, 1], "loss": [0.25, 9.0]}
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    (mismatch,) = result(mrl("pairs.parquet", "--margin", "0.5", "--loss-column", "loss", "-f", "json"), 1)[
        "mismatches"
    ]
    assert mismatch["row"] == 2


def test_only_the_first_mismatches_are_listed_but_all_are_counted(mrl: Mrl, tmp_path: Path) -> None:
    rows = "".join(f"{k},0,1,5\n" for k in range(1, 201))
    (tmp_path / "many.csv").write_text("x1,x2,y,loss\n" + rows)
    record = result(mrl("many.csv", "--loss-column", "loss", "-f", "json"), 1)
    assert record["mismatch_count"] == 200
    assert [mismatch["row"] for mismatch in record["mismatches"]] == list(range(2, 12))


def big_file(path: Path, rows: int, wrong_row: int) -> None:
    """Write pairs whose losses stand in the file, one of them wrong; rows are counted from the first line of data."""
    random = np.random.default_rng(0)
    x1, x2 = random.integers(0, 64, (2, rows)) / 64
    y = np.where(random.random(rows) < 0.5, 1, -1)
    loss = np.maximum(0, -y * (x1 - x2) + 0.5)
    loss[wrong_row] += 1e-3
    table = np.column_stack([x1, x2, y, loss])
    with path.open("w") as file:
        file.write("x1,x2,y,loss\n")
        np.savetxt(file, table, fmt=["%.6f", "%.6f", "%d", "%.17g"], delimiter=",")


@pytest.mark.slow
def test_one_wrong_loss_among_many_is_found_with_its_row(
    mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big_file(tmp_path / "big.csv", 240_000, 234_321)
    monkeypatch.setattr("mrl_cli.verify.explanations.columns.FEW_PAIRS_TRIED", 2000)  # of those retained
    record = result(mrl("big.csv", "--margin", "0.5", "--loss-column", "loss", "--jobs", "2", "-f", "json"), 1)
    assert record["pairs"] == 240_000
    (mismatch,) = record["mismatches"]
    assert mismatch["row"] == 234_321 + 2
    assert mismatch["got"] - mismatch["expected"] == pytest.approx(1e-3)
    # Retained for an explanation are the rows around the first mismatch; a single row allows none.
    assert record["explanations"] == []


@pytest.mark.parametrize("sample", [None, 100])
def test_a_verifier_holds_nothing_of_a_pass(sample: int | None) -> None:
    plan = Plan.of(margin=0.5)
    verifier, sources = verifier_of(Request(plan, sample=sample)), readers.resolve([str(SAMPLE)])

    def verdict(*shards: Any) -> Any:
        parts = (base.part_of(shard, base.Job(plan, (verifier,))) for shard in shards)
        return verifier.settled(base.fold(parts, sources, [verifier]).wholes[0])

    (shard,) = readers.shards_of(sources, plan)
    once, again, twice = verdict(shard), verdict(shard), verdict(shard, shard)
    assert once == again
    assert once.checks["loop losses"].pairs == (sample or 5000)
    assert (once.counts["pairs"], twice.counts["pairs"]) == (5000, 10000)


# A sample.


def test_a_sample_is_the_same_however_the_file_is_split(mrl: Mrl, tmp_path: Path) -> None:
    rows = SAMPLE.read_text().splitlines(keepends=True)
    (tmp_path / "other.csv").write_text(rows[0] + "".join(reversed(rows[1:])))
    whole = result(mrl(SAMPLE, "--sample", "100", "--against", "exact", "-f", "json"))
    other = result(mrl("other.csv", "--sample", "100", "--against", "exact", "-f", "json"))
    assert whole["checks"] == other["checks"]
    assert [check["pairs"] for check in whole["checks"]] == [5000, 100]
    seeded = result(mrl(SAMPLE, "--sample", "100", "--seed", "1", "--against", "exact", "-f", "json"))
    assert seeded["checks"] != whole["checks"]


def test_a_sample_of_more_than_there_is_takes_all(mrl: Mrl) -> None:
    record = result(mrl("wrong.csv", "--margin", "0.5", "--loss-column", "loss", "--sample", "10", "-f", "json"), 1)
    assert [(m["row"], m["got"]) for m in record["mismatches"]] == [(3, 1.75)]
    assert "explanations rest on consecutive pairs: leave out --sample for them" in record["notes"]
    assert "a sample of the 3 pairs was checked, of seed 0" in record["notes"]


@pytest.mark.slow
def test_a_sample_finds_a_wrong_column_with_its_rows(mrl: Mrl, tmp_path: Path) -> None:
    big_file(tmp_path / "big.csv", 100_000, 5)
    record = result(mrl("big.csv", "--margin", "2", "--loss-column", "loss", "--sample", "500", "-f", "json"), 1)
    assert record["mismatch_count"] == 500
    assert len(record["mismatches"]) == 10
    assert all(mismatch["row"] for mismatch in record["mismatches"][:1])


# In the same pass as compute.


@pytest.fixture
def compute(mrl: Mrl, capfd: pytest.CaptureFixture[str]) -> Mrl:
    del mrl  # for its folder and files
    return lambda *args, stdin=b"": run_inside(["compute", *args, "--validate"], capfd, stdin)


def test_compute_reports_the_cross_check(compute: Mrl) -> None:
    record = compute("pairs.csv", "--margin", "0.5", "-f", "json").result
    assert record["value"] == 0.75
    assert record["validation"]["passed"]
    names = [check["name"] for check in record["validation"]["checks"]]
    assert names == ["rows", "loop losses", "loop sum", "loop mean", "loop value", "loop counts"]
    assert "validation" in compute("pairs.csv", "-f", "table").out
    assert compute("pairs.csv", "-f", "csv").out.splitlines()[1].endswith(",passed")


@each("how", [(), ("--weight", "w"), ("--dtype", "float32"), ("--loss", "logistic")])
def test_calibration_is_checked_pair_by_pair(
    how: tuple[str, ...], compute: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knot = calibration.KNOTS[2]
    d = [*np.random.default_rng(0).normal(0.5, 2, 400).tolist(), 0.0, knot, -knot, math.nextafter(knot, 0), 800.0]
    rows = (f"{one!r},0,1,{1 + place % 3}\n" for place, one in enumerate(d))
    (tmp_path / "d.csv").write_text("x1,x2,y,w\n" + "".join(rows))

    def failing() -> list[str]:
        checks = json.loads(compute("d.csv", "--calibration", *how, "-f", "json").out)["validation"]["checks"]
        assert checks[-1]["name"] == "loop calibration"
        return [check["name"] for check in checks if not check["passed"]]

    assert failing() == []
    for module, name, broken in (
        (calibration, "KNOTS", tuple(one * 1.02 for one in calibration.KNOTS)),
        (cellsums, "confidences", lambda d: np.minimum(1 / (1 + np.exp(-np.abs(d))) + 1e-9, 1.0)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            assert failing() == ["loop calibration"]


@pytest.mark.slow
def test_compute_gives_the_same_rows_and_numbers_with_and_without(
    compute: Mrl, capfd: pytest.CaptureFixture[str]
) -> None:
    for options in (["--reduction", "none"], ["--reduction", "none", "--keep-columns", "-f", "jsonl"], ["--raw"]):
        assert compute(SAMPLE, *options).out == run_inside(["compute", SAMPLE, *options], capfd).out
    intervals = ("--confidence", "0.95", "-f", "json")
    validated = compute(SAMPLE, *intervals).result
    assert validated.pop("validation")["passed"]
    plain = run_inside(["compute", SAMPLE, *intervals], capfd).result
    assert validated == plain
    with_groups = compute(SAMPLE, "--group-by", "patient1", "-f", "json").result
    plain = run_inside(["compute", SAMPLE, "--group-by", "patient1", "-f", "json"], capfd).result
    assert with_groups["groups"] == plain["groups"]
    assert with_groups["validation"]["passed"]


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_compute_fails_on_a_broken_core(reduction: str, compute: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=off_by_one_ulp))
    ran = compute("pairs.csv", "--margin", "0.5", "--reduction", reduction)
    assert ran.code == 1
    assert "validation: loop losses failed: 1 mismatch" in ran.err


# What it looks like.


def test_annotations_are_one_more_output_format() -> None:
    assert {*format_names(), "github"} == set(format_names(with_annotations=True))


@each("name", format_names(with_annotations=True), quick=3)
def test_every_output_format_holds_the_verdict(name: str, mrl: Mrl) -> None:
    good = mrl("pairs.csv", "--margin", "0.5", "--loss-column", "loss", "-f", name)
    bad = mrl("wrong.csv", "--margin", "0.5", "--loss-column", "loss", "-f", name)
    assert (good.code, bad.code) == (0, 1)
    assert good.out != bad.out
    assert "pass" in good.out


def test_table_for_a_person(mrl: Mrl) -> None:
    out = mrl("wrong.csv", "--margin", "0.5", "--loss-column", "loss", "-f", "table").out
    assert "│ loss column │ failed  │          1 │     3 │         0.25 │" in out
    expected = "wrong.csv line 3: loss column: mrl computes 1.5, yours is 1.75 (x1 1.0, x2 2.0, y 1.0, margin 0.5)"
    assert expected in " ".join(out.split())
    assert out.splitlines()[0] == "1 of 7 checks failed: loss column."


@pytest.mark.slow
def test_a_pair_that_is_a_difference_is_shown_as_that(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "gaps.csv").write_text("gap,y,loss\n-0.25,1,0.5\n2,-1,5\n")
    options = ("gaps.csv", "--difference", "gap", "--scale", "2", "--loss-column", "loss")
    shown = "line 3: loss column: mrl computes 4.0, yours is 5.0 (difference 4.0, y -1.0, margin 0.0)"
    assert f"gaps.csv {shown}" in " ".join(mrl(*options, "-f", "table").out.split())
    (mismatch,) = json.loads(mrl(*options, "-f", "json").out)["mismatches"]
    assert mismatch.keys() & {"x1", "x2"} == set()
    assert (mismatch["difference"], mismatch["expected"]) == (4.0, 4.0)


def test_github_annotations_name_file_and_line(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "a,b:c%.csv").write_text(WRONG)
    lines = mrl("a,b:c%.csv", "--margin", "0.5", "--loss-column", "loss", "-f", "github").out.splitlines()
    assert lines[0] == (
        "::error file=a%2Cb%3Ac%25.csv,line=3,title=mrl validate::loss column: mrl computes 1.5, yours is 1.75 "
        "(x1 1.0, x2 2.0, y 1.0, margin 0.5)"
    )
    assert lines[1] == "::error title=mrl validate::loss column failed: 1 mismatch"
    (line,) = mrl("pairs.csv", "-f", "github").out.splitlines()
    assert line == "::notice title=mrl validate::every check passed: 6 checks of 3 pairs"


def test_csv_and_tsv_hold_one_row_a_check(mrl: Mrl) -> None:
    rows = list(csv.reader(mrl("pairs.csv", "-f", "csv").out.splitlines()))
    assert rows[0] == ["check", "verdict", "pairs", "max_abs_diff", "max_ulp_diff", "mismatches", "explanation"]
    assert rows[2] == ["loop losses", "passed", "3", "0.0", "0", "0", ""]
    assert mrl("pairs.csv", "-f", "tsv").out.count("\t") == 6 * 7


def test_output_goes_to_a_file_by_its_suffix(mrl: Mrl, tmp_path: Path) -> None:
    assert mrl("pairs.csv", "-o", "out.json").code == 0
    assert json.loads((tmp_path / "out.json").read_text())["passed"]
    assert mrl("pairs.csv", "-o", "pairs.csv").code == 2
    assert mrl("pairs.csv", "-o", "out.parquet").code == 2


@each(
    ("args", "message"),
    [
        (["--expect", "1"], "--expect goes with INPUT"),
        (["--loss-column", "loss"], "--loss-column goes with INPUT"),
        (["pairs.csv", "--expect", "1", "--reduction", "none"], "--reduction none has none"),
        (["pairs.csv", "--against", "me"], "not one of loop, exact, torch"),
        (["pairs.csv", "--loss-column", "los"], "loss"),
        (["missing.csv"], "no such file"),
        (["pairs.csv", "--rtol", "-1"], "--rtol"),
    ],
)
def test_usage_errors_say_what_to_do(args: list[str], message: str, mrl: Mrl) -> None:
    mrl(*args).must_fail(2, message)


def test_verbose_prints_the_rate(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "list_checks", list)  # the built-in suite takes seconds
    assert "pairs/s" in mrl("pairs.csv", "-v").err
    assert "pairs in" in mrl("-v").err
    assert mrl("pairs.csv").err == ""


def test_every_validator_is_offered(mrl: Mrl) -> None:
    page = mrl("--help").out
    assert all(f"{name}:" in page for name in AGAINST)


# Parts.


@each(
    ("text", "rows"),
    [
        ("x1,x2,y\n1,2,1\n", 1),
        ("x1,x2,y\n1,2,1", 1),
        ("x1,x2,y\r\n1,2,1\r\n\r\n3,4,1\r\n", 2),
        ("\n\nx1,x2,y\n\n1,2,1\n\n\n3,4,1\n\n", 2),
        ('"x1","x2",y\n1,2,1\n', 1),
        ('x1,x2,y,t\n1,2,1,"a\nb"\n3,4,1,c\n', 2),
        ('"x\n1",x1,x2,y\n1,2,3,1\n', 1),
        ("x1,x2,y\n", 0),
        ("", 0),
        ("x1,x2,y\r1,2,1\r", 1),
        ('x1 x2 y\n"1" "2" "1"\n', None),
    ],
)
def test_rows_are_counted_as_they_stand(text: str, rows: int | None, tmp_path: Path, mrl: Mrl) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode())
    assert rows_in(File(str(file)), "csv", names=("x1", "x2", "y")) == rows
    if rows is None:
        assert mrl(file).code == 2
    elif rows:
        assert result(mrl(file, "-f", "json"))["pairs"] == rows


def test_rows_of_json_are_counted_in_every_layout(tmp_path: Path, mrl: Mrl) -> None:
    rows = [{"x1": 1, "x2": 0, "y": 1}, {"x1": 2, "x2": 0, "y": -1}]
    columns = {"x1": [1, 2], "x2": [[0], [0]], "y": 1, "model": "m"}
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for place, written in enumerate((json.dumps(rows, indent=1), json.dumps(columns), lines)):
        (tmp_path / f"{place}.json").write_text(written)
        record = result(mrl(f"{place}.json", "-f", "json"))
        assert (record["pairs"], record["notes"]) == (2, [])


def test_presets_and_scores_elsewhere_are_understood(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "chosen.jsonl").write_text('{"chosen": 2, "rejected": 1}\n{"chosen": 0, "rejected": 1}\n')
    assert result(mrl("chosen.jsonl", "--preset", "llamafactory", "-f", "json"))["value"] == 0.5
    (tmp_path / "scores.csv").write_text("score\n0.5\n2\n")
    (tmp_path / "pointing.csv").write_text("x1,x2,y\n0,1,1\n1,0,1\n")
    record = result(mrl("pointing.csv", "--scores", "scores.csv", "--reduction", "sum", "-f", "json"))
    assert record["value"] == 1.5


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_rows_are_counted_across_chunks(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.verify.rows.CHUNK_BYTES", chunk)
    file = tmp_path / "t.csv"
    file.write_bytes(b"a,b\r\n1,2\r\n\r\n\r\n3,4\r\n5,6")
    assert rows_in(File(str(file)), "csv") == 3
    file.write_bytes(b"a,b\n1,2\n\n\n3,4\n5,6\n")
    assert rows_in(File(str(file)), "csv") == 3


@each("suffix", [".csv.gz", ".csv.bz2", ".csv.xz", ".jsonl", ".json", ".arrow", ".parquet"])
def test_rows_of_every_format_are_counted(suffix: str, tmp_path: Path, mrl: Mrl) -> None:
    import bz2
    import gzip
    import lzma

    file = tmp_path / f"t{suffix}"
    table = pa.table({"x1": [0.5, 1.0, 1.0], "x2": [0.25, 2.0, 1.0], "y": [1, 1, -1]})
    if suffix == ".parquet":
        pq.write_table(table, file)
    elif suffix == ".arrow":
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    elif suffix == ".json":
        file.write_text(json.dumps(table.to_pydict()))
    elif suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        packers: dict[str, Any] = {"gz": gzip, "bz2": bz2, "xz": lzma}
        file.write_bytes(packers[suffix.rsplit(".", maxsplit=1)[-1]].compress(PAIRS.encode()))
    record = result(mrl(file, "-f", "json"))
    assert (record["pairs"], record["notes"]) == (3, [])


def test_ulps_are_counted_across_zero_and_for_both_floats() -> None:
    tiny = 5e-324
    first = np.array([tiny, 1.0, -1.0, np.nan, 0.0, 1e300])
    second = np.array([-tiny, 1 + 2**-52, -1 - 2**-52, 1.0, -0.0, -1e300])
    actual = ulps_apart(first, second, "float64").tolist()
    assert actual[:5] == [2.0, 1.0, 1.0, np.inf, 0.0]
    assert actual[5] > 2**62
    assert ulps_apart(np.array([1.0]), np.array([1 + 2**-23]), "float32").tolist() == [1.0]


@pytest.mark.parametrize("output_format", ["tsv", "csv"])
def test_rows_leave_what_explains_a_failure_to_stderr(output_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    args = ["validate", str(SAMPLE), "--margin", "0.5", "--expect", "1563.5118819859697", "-f", output_format]
    ran = run_inside(args, capfd)
    assert ran.code == 1
    assert "explanation: it is the sum, not the mean: that gives this very number" in ran.err
    assert ran.out.count("\n") == ran.out.count("passed") + ran.out.count("failed") + 1


@pytest.mark.parametrize("option", [["--margin", "0.5"], ["--x1", "a"], ["--against", "exact"], ["--dtype", "float32"]])
def test_suite_takes_no_option_of_an_input(option: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    run_inside(["validate", *option], capfd).must_fail(2, f"{option[0]} goes with INPUT")


def test_rows_left_out_are_noted(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x1,x2,y\n1,2,1\n1,,1\n")
    ran = run_inside(["validate", str(tmp_path / "bad.csv"), "--on-error", "skip"], capfd)
    assert (ran.code, ran.err) == (0, "note: 1 of 2 rows left out\n")


@pytest.mark.parametrize(("weight", "mean"), [("5e-324", 0.3), ("1e308", 0.3)])
def test_weights_beyond_the_ordinary_pass(
    weight: str, mean: float, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "odd.csv").write_text(f"x1,x2,y,w\n0,0.3,1,{weight}\n0,0.3,1,{weight}\n")
    record = run_inside(
        ["compute", str(tmp_path / "odd.csv"), "--weight", "w", "--validate", "-f", "json"], capfd
    ).result
    assert (record["mean"], record["validation"]["passed"]) == (mean, True)


def test_swapped_scores_and_copied_margins_are_noted(mrl: Mrl, tmp_path: Path) -> None:
    rows = [(1 + i / 8, 0.5) for i in range(20)]
    (tmp_path / "copied.csv").write_text("x1,x2,y,m\n" + "".join(f"{a},{b},1,{a - b}\n" for a, b in rows))
    ran = mrl("copied.csv", "--loss", "logistic", "--margin-column", "m")
    assert (ran.code, "note: the margin of every pair is its own y*(x1 - x2)" in ran.err) == (0, True)
    assert "only" not in ran.err
    swapped = mrl("copied.csv", "--x1", "x2", "--x2", "x1")
    assert (swapped.code, "note: only 0 of 20 pairs without a tie" in swapped.err) == (0, True)
    assert "the margin" not in swapped.err
