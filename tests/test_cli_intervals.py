"""Intervals and notes on the command line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.reductions.keys import FEW_KEYS
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run mrl in a folder with one file: four pairs of two prompts, with losses 0, 2, 0 and 4 at margin 0."""
    (tmp_path / "pairs.csv").write_text("prompt,half,x1,x2,y\n7,a,1,0,1\n7,b,0,2,1\n8,a,1,0,1\n8,b,0,4,1\n")
    return mrl


def test_interval_of_independent_pairs_is_the_hand_worked_one(mrl: Mrl) -> None:
    record = mrl("compute", "pairs.csv", "--confidence", "0.95", "-f", "json").result
    # Losses 0, 2, 0, 4: mean 1.5, squares about it 2.25 + 0.25 + 2.25 + 6.25 = 11; t of 3 degrees is 3.182446.
    error = math.sqrt(11 / 3 / 4)
    assert record["standard_error"] == pytest.approx(error, rel=1e-14)
    assert record["mean_high"] == pytest.approx(1.5 + 3.182446 * error, rel=1e-6)
    assert record["mean_low"] == pytest.approx(1.5 - 3.182446 * error, rel=1e-6)
    # Wilson for 2 of 4: (2 + z²/2 ± z sqrt(1 + z²/4)) / (4 + z²), z = 1.959964.
    assert (record["accuracy_low"], record["accuracy_high"]) == pytest.approx((0.150039, 0.849961), abs=1e-6)
    assert (record["confidence"], "clusters" in record) == (0.95, False)


def test_clustered_interval_is_the_hand_worked_one(mrl: Mrl) -> None:
    record = mrl("compute", "pairs.csv", "--cluster", "prompt", "-f", "json").result
    # Cluster sums 2 and 4 of 2 pairs each, about 3: (1 + 1) / (1 - 1/2), its root over 4 pairs.
    assert record["standard_error"] == pytest.approx(math.sqrt(4) / 4, rel=1e-14)
    assert (record["clusters"], record["cluster_column"], record["confidence"]) == (2, "prompt", 0.95)
    assert record["mean_high"] == pytest.approx(1.5 + 12.7062047 * 0.5, rel=1e-6)  # t of one degree


def test_groups_have_intervals_of_their_own(mrl: Mrl) -> None:
    args = ("compute", "pairs.csv", "--group-by", "half", "-f", "json")
    clustered = mrl(*args, "--cluster", "prompt").result
    assert [group["clusters"] for group in clustered["groups"]] == [2, 2]
    assert clustered["clusters"] == 2
    plain = mrl(*args, "--confidence", "0.95").result
    # One pair per cluster: clustered or not is the same.
    for one, other in zip(clustered["groups"], plain["groups"], strict=True):
        assert one["standard_error"] == pytest.approx(other["standard_error"], rel=1e-14)
        assert one["mean"] == other["mean"]
    assert [group["standard_error"] for group in plain["groups"]] == [0.0, 1.0]  # losses 0, 0 and 2, 4


@pytest.mark.slow
@each("few", [FEW_KEYS, 20])  # keys of groups and clusters are more than that, those of groups fewer
def test_clusters_of_a_group_are_those_of_its_pairs_alone(
    mrl: Mrl, tmp_path: Path, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order rows come, and where a cluster is of several groups."""
    monkeypatch.setattr("mrl_cli.reductions.keys.FEW_KEYS", few)
    random = np.random.default_rng(8)
    keys = [random.choice(names, 60) for names in (["b", "10", "9", "a"], ["u", "v"], ["c3", "c1", "c20", "c2", "x"])]
    rows = [f"{x1:.3f},{x2:.3f},1,{g},{h},{c}" for x1, x2, g, h, c in zip(*random.random((2, 60)), *keys, strict=True)]

    def record_of(name: str, some: list[str], *options: str) -> Any:
        (tmp_path / name).write_text("\n".join(["x1,x2,y,g,h,c", *some]) + "\n")
        return mrl("compute", name, "--margin", "0.3", "--cluster", "c", *options, "-f", "json").result

    whole = record_of("all.csv", rows, "--group-by", "g", "--group-by", "h")
    assert [group["group"] for group in whole["groups"]] == [[g, h] for g in ("9", "10", "a", "b") for h in "uv"]
    assert len({group["clusters"] for group in whole["groups"]}) > 1
    for group in whole["groups"]:
        names = group.pop("group")
        alone = record_of("one.csv", [row for row in rows if row.split(",")[3:5] == names])
        assert {key: alone[key] for key in group} == group
    plain = record_of("all.csv", rows)
    for key in ("clusters", "mean", "standard_error", "mean_low", "accuracy_low"):
        assert whole[key] == pytest.approx(plain[key], rel=1e-12)


def test_clusters_do_not_change_the_figures(mrl: Mrl) -> None:
    alone = mrl("compute", "pairs.csv", "-f", "json").result
    clustered = mrl("compute", "pairs.csv", "--cluster", "prompt", "-f", "json").result
    assert {key: clustered[key] for key in alone} == alone


def test_one_cluster_has_no_interval(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("p,x1,x2,y\n1,0,1,1\n1,0,2,1\n")
    record = mrl("compute", "one.csv", "--cluster", "p", "-f", "json").result
    assert (record["clusters"], record["standard_error"], record["mean_low"]) == (1, None, None)
    assert record["not_finite"].items() >= {"standard_error": "NaN", "mean_low": "NaN"}.items()


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_intervals_do_not_depend_on_the_order_of_rows(jobs: str, mrl: Mrl, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows = [
        f"{c},{a!r},{b!r},1\n"
        for c, a, b in zip(random.integers(0, 30, 500), *random.random((2, 500)).tolist(), strict=True)
    ]
    results = []
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("p,x1,x2,y\n" + "".join(rows))
        random.shuffle(rows)
        record = mrl("compute", name, "--margin", "0.3", "--cluster", "p", "--jobs", jobs, "-f", "json").result
        results.append({key: value for key, value in record.items() if key != "inputs"})
    assert results[0] == results[1]


def test_bounds_stand_beside_groups_in_a_table(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--group-by", "half", "--confidence", "0.9", "-f", "markdown")
    assert "\n| half | value | pairs | accuracy | accuracy_low | accuracy_high | mean_low | mean_high |" in ran.out
    assert "accuracy_low" not in mrl("compute", "pairs.csv", "--group-by", "half", "-f", "markdown").out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--confidence", "95"], "is not from 0.01 to 0.999999, such as 0.95"),
        (["--weight", "x1", "--cluster", "prompt"], "--weight does not go with --confidence or --cluster"),
        (["--confidence", "0.9", "--reduction", "none"], "--confidence goes with --reduction mean or sum"),
        (["--cluster", "promt"], "did you mean --cluster prompt?"),
        (["--fail-if", "mean_low>1"], "this run does not report it"),
    ],
)
def test_what_has_no_interval_is_refused(args: list[str], message: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", *args).must_fail(2, message)


def test_bound_can_be_a_gate(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--confidence", "0.95", "--fail-if", "accuracy_low<0.5")
    assert ran.code == 1
    assert "fail-if: accuracy_low is 0.15" in ran.err


# Notes.


def rounded_pairs(folder: Path) -> Path:
    """Write pairs whose scores have two decimals, one in ten tied, all with label 1."""
    path = folder / "rounded.csv"
    random = np.random.default_rng(2)
    x1 = random.random(400).round(2)
    x2 = np.where(random.random(400) < 0.1, x1, random.random(400).round(2))
    path.write_text("x1,x2,y\n" + "".join(f"{a!r},{b!r},1\n" for a, b in zip(x1.tolist(), x2.tolist(), strict=True)))
    return path


def test_rounded_scores_and_one_label_are_noted(mrl: Mrl, tmp_path: Path) -> None:
    ran = mrl("compute", rounded_pairs(tmp_path), "-f", "json")
    notes = ran.result["notes"]
    assert len(notes) == 2
    assert "the scores have at most 2 decimals: rounding makes ties" in notes[0]
    assert "the label of every pair is 1" in notes[1]
    assert [line for line in ran.err.splitlines() if line.startswith("note: ")] == [f"note: {note}" for note in notes]
    assert mrl("compute", rounded_pairs(tmp_path), "-q").err == ""
    assert "notes" not in mrl("compute", rounded_pairs(tmp_path), "-f", "tsv").out


def test_collapsed_scores_are_noted(mrl: Mrl, tmp_path: Path) -> None:
    rows = "0.5001,0.5002,1\n0.5002,0.5001,-1\n0.5001,0.5002,-1\n0.5002,0.5001,1\n"
    (tmp_path / "flat.csv").write_text("x1,x2,y\n" + rows * 50)
    ran = mrl("compute", "flat.csv", "--margin", "1")
    assert "every loss is within 1% of 1, the loss of equal scores" in ran.err
    assert mrl("compute", "flat.csv", "--margin", "0").err == ""


@pytest.mark.parametrize(("loss", "value"), [("logistic", "0.693147"), ("ipo", "0.25"), ("soft_zero_one", "0.5")])
def test_collapsed_scores_are_noted_under_any_loss(loss: str, value: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text("x1,x2,y\n" + "0.5001,0.5002,1\n0.5002,0.5001,-1\n" * 100)
    assert (
        f"every loss is within 1% of {value}, the loss of equal scores"
        in mrl("compute", "flat.csv", "--loss", loss).err
    )


def test_clustered_error_is_the_ordinary_one_at_a_large_offset(mrl: Mrl, tmp_path: Path) -> None:
    rows = "".join(f"{i},0,{10**15 + i % 9},1\n" for i in range(1000))
    (tmp_path / "far.csv").write_text("c,x1,x2,y\n" + rows)
    plain = mrl("compute", "far.csv", "--confidence", "0.95", "-f", "json").result
    clustered = mrl("compute", "far.csv", "--cluster", "c", "-f", "json").result
    assert clustered["standard_error"] == pytest.approx(plain["standard_error"], rel=1e-12)


@pytest.mark.parametrize("confidence", ["1e-20", "0", "1", "0.9999999"])
def test_confidence_beyond_what_is_exact_is_refused(confidence: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--cluster", "prompt", "--confidence", confidence).must_fail(
        2, "is not from 0.01 to 0.999999"
    )
