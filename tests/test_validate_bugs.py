"""`mrl validate` and `compute --validate` on broken cores: a bug that shows only on one way, once, or in one figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, rules
from mrl_cli.reductions import keys
from mrl_cli.reductions import measured as measure
from mrl_cli.reports import columns as reported_groups
from mrl_cli.reports import compute as reporting
from mrl_cli.reports import figures as table
from mrl_cli.verify import validation, verdict
from tests.each import each
from tests.running import Mrl, Ran

HEADER = "x1,x2,y,w,g\n"
PAIRS = HEADER + "0.5,0.25,1,2,a\n1,2,1,1,b\n1,1,-1,0.5,a\n3,1,1,4,b\n0,0.25,-1,1,a\n"


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    # The schema would notice some of the wrong figures.
    return lambda *args: mrl(*args, "--margin", "0.5", "-f", "json", as_it_is=True)


def failures(ran: Ran) -> dict[str, dict[str, Any]]:
    """Return the checks that failed, by name, of either command."""
    record = json.loads(ran.out)
    checks = record.get("validation", record)["checks"]
    failed = {check["name"]: check for check in checks if not check["passed"]}
    assert ran.code == (1 if failed else 0), ran
    return failed


BOTH = each("command", [["validate"], ["compute", "--validate"]])


@BOTH
@each("options", [[], ["--weight", "w"], ["--reduction", "sum"], ["--dtype", "float32"]])
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
    record = json.loads(ran.out)
    (mismatch,) = record.get("validation", record)["mismatches"]
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


@pytest.mark.slow
def test_rows_are_looked_up_in_every_batch_and_shard(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, wrong = 210_000, [7, 131_072, 205_000]
    loss = np.full(size, 0.5)
    loss[wrong] = 9.0
    zeros = np.zeros(size)
    table = pa.table({"x1": zeros, "x2": zeros, "y": np.ones(size, np.int8), "loss": loss})
    pq.write_table(table, tmp_path / "big.parquet", row_group_size=200_000)
    monkeypatch.setattr("mrl_cli.verify.verdict.COLUMN_PAIRS", 1000)  # which are explained, and only they take long
    record = json.loads(mrl("validate", "big.parquet", "--loss-column", "loss").out)
    assert [mismatch["row"] for mismatch in record["mismatches"]] == [place + 1 for place in wrong]


# A figure that is reported wrong.


FIGURES = {
    "value": "loop value",
    "mean": "loop mean",
    "sum": "loop sum",
    "accuracy": "loop counts",
    "accuracy_half": "loop counts",
    "accuracy_without_ties": "loop counts",
    "accuracy_weighted": "loop counts",
    "weight": "loop counts",
    "inside_margin": "loop counts",
    "beyond_margin": "loop counts",
    "active": "loop counts",
    "min": "loop counts",
    "max": "loop counts",
}


@BOTH
@each("reduction", ["mean", "sum"])
@each("figure", FIGURES)
def test_a_figure_that_is_reported_wrong_is_caught(
    figure: str, reduction: str, command: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_figures = table.figures_of

    def figures(*given: Any) -> dict[str, Any]:
        actual: dict[str, Any] = true_figures(*given)
        return actual | {figure: actual[figure] + 0.25}

    monkeypatch.setattr(reporting, "figures_of", figures)
    failed = failures(mrl(*command, "pairs.csv", "--reduction", reduction, "--weight", "w"))
    assert list(failed) == [FIGURES[figure]]


def test_sum_and_mean_swapped_are_caught_in_the_value(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_figures = table.figures_of
    monkeypatch.setattr(reporting, "figures_of", lambda *given: (f := true_figures(*given)) | {"value": f["sum"]})
    assert list(failures(mrl("compute", "--validate", "pairs.csv"))) == ["loop value"]


def test_a_wrong_figure_is_worded_as_numbers(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_figures = table.figures_of
    monkeypatch.setattr(reporting, "figures_of", lambda *given: true_figures(*given) | {"weight": 9.25})
    failed = failures(mrl("validate", "pairs.csv", "--weight", "w"))
    assert failed["loop counts"]["note"] == "weight should be 8.5, mrl computes 9.25"


# Pairs that are used or left out wrongly.


ODD = (
    HEADER + "0.5,0.25,1,2,a\n1,2,1,0,b\n1,1,0,0.5,a\n3,oops,1,4,b\n0,1e300,-1,1,a\n1,2,1,-1,a\n5,4,7,1,a\n1,2,1,3,a\n"
)


@BOTH
@each("options", [[], ["--labels", "any"], ["--dtype", "float32"], ["--on-tie", "drop"]])
@each("weight", [[], ["--weight", "w"]])
def test_every_reason_to_leave_a_row_out_is_agreed_on(
    options: list[str], weight: list[str], command: list[str], mrl: Mrl, tmp_path: Path
) -> None:
    (tmp_path / "odd.csv").write_text(ODD)
    assert failures(mrl(*command, "odd.csv", "--on-error", "skip", *options, *weight)) == {}


def leave_one_out(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the core leave out one pair of each batch, after its checks, and count it in some way."""
    true_admitted = measure._admitted

    def admitted(batch: Any, plan: Any, **how: Any) -> Any:
        counts, problems, used = true_admitted(batch, plan, **how)
        used = np.ones(batch.size, bool) if used is None else used
        used[1] = False
        return counted(counts), problems, used

    monkeypatch.setattr(measure, "_admitted", admitted)


def left_out_quietly(counts: Any) -> Any:
    return replace(counts, pairs=counts.pairs - 1)


def rejected_quietly(counts: Any) -> Any:
    return replace(counts, pairs=counts.pairs - 1, rejected=counts.rejected + 1)


@BOTH
@each("on_error", ["fail", "skip"])
@each("change", [left_out_quietly, rejected_quietly])
def test_a_pair_that_the_core_leaves_out_is_caught(
    change: Any, on_error: str, command: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_out(change, monkeypatch)
    failed = failures(mrl(*command, "pairs.csv", "--on-error", on_error))
    assert "1 pairs were used that were to be left out, or left out" in failed["rows"]["note"]
    if change is rejected_quietly:
        assert "1 rows were rejected for 0 problems" in failed["rows"]["note"]


@BOTH
def test_a_pair_that_the_core_should_leave_out_is_caught(
    command: list[str], mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.csv").write_text(HEADER + "0.5,0.25,1,1,a\n1,2,7,1,a\n")
    monkeypatch.setattr(rules, "ones_passing", lambda batch, plan: 0)
    assert "1 rows were to be rejected, 0 were" in failures(mrl(*command, "odd.csv"))["rows"]["note"]


@pytest.mark.parametrize(
    ("column", "check"), [("x1", "loop losses"), ("y", "loop losses"), ("weight", "loop sum"), ("group", "loop groups")]
)
def test_a_mask_that_mixes_pairs_is_caught(
    column: Any, check: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "0.5,0.25,1,2,a\n1,2,0,1,b\n1,7,-1,0.5,a\n3,1,1,4,b\n0,0.25,-1,1,a\n"
    (tmp_path / "tied.csv").write_text(HEADER + rows)
    call = ("compute", "--validate", "tied.csv", "--on-tie", "drop", "--weight", "w", "--group-by", "g")
    assert failures(mrl(*call)) == {}
    true_where = Batch.where

    def where(self: Any, mask: Any) -> Any:
        batch = true_where(self, mask)
        if column in batch.keys:
            return replace(batch, keys={column: batch.keys[column].take([1, 2, 3, 0])})
        return batch.with_numbers({column: np.roll(batch.numbers[column], 1)})

    monkeypatch.setattr(Batch, "where", where)
    assert check in failures(mrl(*call))


# Groups.


GROUPED = ("compute", "--validate", "pairs.csv", "--group-by", "g")


@each("options", [[], ["--weight", "w"], ["--dtype", "float32"], ["--cluster", "y"]])
@each("loss", ["margin_ranking", "logistic", "squared_hinge"])
def test_sound_groups_pass(loss: str, options: list[str], mrl: Mrl) -> None:
    ran = mrl(*GROUPED, "--loss", loss, *options)
    assert failures(ran) == {}
    names = [check["name"] for check in json.loads(ran.out)["validation"]["checks"]]
    assert names[-2:] == ["groups in sum", "loop groups"]


@each("figure", FIGURES, quick=4)
def test_a_figure_of_one_group_that_is_reported_wrong_is_caught(
    figure: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_reports = reported_groups.GroupColumns._reports

    def reports(*block: Any) -> Iterator[Any]:
        for one in true_reports(*block):
            yield one.changed(**{figure: one.figure(figure) + 0.25}) if one.group == ("b",) else one

    monkeypatch.setattr(reported_groups.GroupColumns, "_reports", reports)
    failed = failures(mrl(*GROUPED, "--weight", "w"))
    assert list(failed) == ["loop groups"]
    assert failed["loop groups"]["note"].startswith(f"b: {figure} should be ")
    assert failed["loop groups"]["mismatches"] == 1


def test_groups_that_exchange_a_pair_are_caught(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_codes = keys._codes_of

    def codes(column: Any, **options: Any) -> Any:
        actual, texts = true_codes(column, **options)
        actual[0], actual[1] = actual[1], actual[0]
        return actual, texts

    monkeypatch.setattr(keys, "_codes_of", codes)
    assert list(failures(mrl(*GROUPED))) == ["loop groups"]


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 10_000])
def test_a_ledger_that_forgets_is_caught(most: int, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (verdict, validation):
        monkeypatch.setattr(module, "MOST_GROUPS", most)
    monkeypatch.setattr("mrl_cli.exact.codes.two_sum", lambda held, rest: (rest, held * 0))
    rows = "".join(f"0.5,{place % 7},1,1,{place % 2}\n" for place in range(150_000))
    (tmp_path / "two.csv").write_text(HEADER + rows)
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    pq.write_table(pc.read_csv(tmp_path / "two.csv"), tmp_path / "two.parquet", row_group_size=80_000)
    ran = mrl("compute", "--validate", "two.parquet", "--group-by", "g")
    of_all = {"loop sum", "loop mean", "loop value"}  # they are added up from the groups
    assert set(failures(ran)) == (of_all if most == 1 else of_all | {"loop groups"})
    notes = json.loads(ran.out)["validation"]["notes"]
    assert notes == (["more than 1 groups: they were checked in sum, not each"] if most == 1 else [])


def test_a_group_that_is_lost_is_caught(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    true_report = reporting.compute_report

    def report(*given: Any, **named: Any) -> Any:
        actual = true_report(*given, **named)
        return actual.changed(groups=actual.groups[1:])

    monkeypatch.setattr(reporting, "compute_report", report)
    assert failures(mrl(*GROUPED))["loop groups"]["note"] == "1 group not reported"


def test_files_as_groups_are_checked(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(PAIRS.replace("0.5,0.25", "7,0"))
    ran = mrl("compute", "--validate", "pairs.csv", "more.csv", "--by-file")
    assert failures(ran) == {}
    assert len(json.loads(ran.out)["groups"]) == 2
