"""Scores that are computed from what is read: a difference, each less a reference, multiplied by a scale."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import compare, evaluate, pairwise_loss
from mrl_cli.inputs import scores
from tests.each import each
from tests.running import Mrl, run_inside

if TYPE_CHECKING:
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]

# Log-probabilities of policy and reference; (x1 - its reference) - (x2 - its reference) is 2.75, -1 and 0.
LOGPS = {
    "chosen": [-120.5, -80.0, -10.0],
    "rejected": [-140.25, -60.5, -10.5],
    "ref_chosen": [-122.0, -79.0, -11.0],
    "ref_rejected": [-139.0, -60.5, -11.5],
}
REFERENCES = ("--x1-reference", "ref_chosen", "--x2-reference", "ref_rejected")
CHOSEN = ("--x1", "chosen", "--x2", "rejected", "--y-const", "1")
DIFFERENCES = [2.75, -1.0, 0.0]
FORMATS = ("pairs.csv", "pairs.jsonl", "columns.json", "pairs.parquet")


def write(columns: dict[str, list[Any]], path: Path) -> None:
    """Write columns in the format of a file's name."""
    frame = pd.DataFrame(columns)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=2)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        path.write_text(json.dumps(columns, indent=1))


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run a command with JSON in a folder with the log-probabilities in every format."""
    for name in FORMATS:
        write(LOGPS | {"d": DIFFERENCES}, tmp_path / name)
    return lambda *args: mrl(*args, "-f", "json")


@pytest.mark.parametrize("name", FORMATS)
def test_scores_are_less_their_references_and_scaled(name: str, mrl: Mrl) -> None:
    result = mrl("compute", name, *CHOSEN, *REFERENCES).result
    assert result["sum"] == 0 + 1 + 0
    assert (result["x1_mean"], result["x2_mean"]) == ((1.5 - 1 + 1) / 3, (-1.25 + 0 + 1) / 3)
    assert (result["x1_reference_column"], result["x2_reference_column"]) == ("ref_chosen", "ref_rejected")
    scaled = mrl("compute", name, *CHOSEN, *REFERENCES, "--scale", "0.5", "--margin", "1").result
    assert scaled["sum"] == 0 + (1 + 0.5) + 1
    assert scaled["scale"] == 0.5
    alone = mrl("compute", name, *CHOSEN, "--scale", "2").result
    assert alone["sum"] == 0 + 2 * 19.5 + 0
    assert (mrl("compute", name, *CHOSEN, "--scale", "-1").result)["wrong"] == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_difference_stands_for_both_scores(name: str, mrl: Mrl) -> None:
    result = mrl("compute", name, "--difference", "d", "--y-const", "1", "--margin", "0.5").result
    assert (result["sum"], result["correct"], result["ties"], result["wrong"]) == (0 + 1.5 + 0.5, 1, 1, 1)
    assert result["difference_column"] == "d"
    assert result["difference_mean"] == 1.75 / 3
    assert not result.keys() & {"x1_mean", "x2_mean"}
    grouped = mrl("compute", name, "--difference", "d", "--y-const", "1", "--group-by", "d").result["groups"]
    assert not grouped[0].keys() & {"x1_mean", "x2_mean"}


def test_logistic_loss_of_policy_and_reference(tmp_path: Path, capfd: Capture) -> None:
    file = tmp_path / "lp.csv"
    file.write_text(
        "c,r,rc,rr\n-120.5,-140.25,-122,-139\n-80,-60.5,-79,-61\n-50.25,-52.25,-50,-51.5\n-30,-33,-31,-33.5\n"
    )
    args = ["--x1", "c", "--x2", "r", "--x1-reference", "rc", "--x2-reference", "rr", "--y-const", "1"]
    result = run_inside(["compute", file, *args, "--scale", "0.1", "--loss", "logistic", "-f", "json"], capfd).result
    d = [0.1 * a - 0.1 * b for a, b in ((1.5, -1.25), (-1, 0.5), (-0.25, -0.75), (1, 0.5))]
    assert result["value"] == pytest.approx(np.log1p(np.exp(-np.array(d))).mean(), rel=1e-15)


HARD = np.array([0.1, -0.1, 1e-310, -0.0, 0.0, 1e308, 16777217.0, 3.0000000000000004, -7e-46])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("y", [1, -1])
def test_a_difference_is_that_column_bit_for_bit(dtype: str, y: int, tmp_path: Path, capfd: Capture) -> None:
    column = HARD if dtype == "float64" else HARD[HARD < 1e300]
    pq.write_table(pa.table({"d": column}), tmp_path / "d.parquet")
    args = ["--difference", "d", "--y-const", str(y), "--dtype", dtype, "--reduction", "none"]
    assert run_inside(["compute", tmp_path / "d.parquet", *args, "-o", tmp_path / "out.parquet"], capfd).code == 0
    losses = pq.read_table(tmp_path / "out.parquet")["loss"].to_numpy()
    d = column.astype(dtype)
    expected = np.maximum(-y * d, 0) + 0.0
    assert (losses.dtype, losses.tobytes()) == (np.dtype(dtype), expected.astype(dtype).tobytes())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_step_is_rounded_in_the_dtype_of_the_arithmetic(dtype: Any, tmp_path: Path, capfd: Capture) -> None:
    rng = np.random.default_rng(11)
    columns = {name: rng.normal(size=1000) * 100 for name in ("x1", "x2", "r1", "r2")}
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    args: list[str | Path] = [
        "--x1-reference",
        "r1",
        "--x2-reference",
        "r2",
        "--scale",
        "0.1",
        "--y-const",
        "1",
        "--dtype",
        dtype,
    ]
    out = tmp_path / "out.parquet"
    assert run_inside(["compute", tmp_path / "pairs.parquet", *args, "--reduction", "none", "-o", out], capfd).code == 0
    x1, x2, r1, r2 = (column.astype(dtype) for column in columns.values())
    scale = np.dtype(dtype).type(0.1)
    s1, s2 = (x1 - r1) * scale, (x2 - r2) * scale
    expected = pairwise_loss(s1, s2, np.ones(1000, dtype), reduction="none")
    assert pq.read_table(out)["loss"].to_numpy().tobytes() == np.asarray(expected).tobytes()
    other_order = pairwise_loss(
        x1 * scale - r1 * scale, x2 * scale - r2 * scale, np.ones(1000, dtype), reduction="none"
    )
    assert not np.array_equal(expected, other_order)
    for against in ("loop", "exact"):
        validated = run_inside(
            ["validate", tmp_path / "pairs.parquet", *args, "--against", against, "-f", "json"], capfd
        )
        assert validated.result["passed"]


@pytest.mark.parametrize("wrong", ["reference is added", "scaled first"])
def test_the_validator_computes_scores_by_itself(
    wrong: str, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = scores._score

    def broken(parts: Any, plan: Any) -> Any:
        return usual([parts[0], -parts[1]] if wrong == "reference is added" else [parts[0] * 0.1, parts[1]], plan)

    write(LOGPS, tmp_path / "pairs.csv")
    call: list[str | Path] = ["validate", tmp_path / "pairs.csv", *CHOSEN, *REFERENCES, "--scale", "0.1", "-f", "json"]
    assert run_inside(call, capfd).result["passed"]
    monkeypatch.setattr(scores, "_score", broken)
    ran = run_inside(call, capfd)
    assert (ran.code, json.loads(ran.out)["passed"]) == (1, False)


def test_every_command_reads_the_same_scores(mrl: Mrl) -> None:
    swept = mrl("sweep", "pairs.csv", *CHOSEN, *REFERENCES, "--scale", "0.5", "--margins", "0,1").result
    assert [point["sum"] for point in swept["points"]] == [0.5, 0 + 1.5 + 1]
    assert (swept["x1_reference_column"], swept["scale"]) == ("ref_chosen", 0.5)
    validated = mrl("validate", "pairs.jsonl", *CHOSEN, *REFERENCES, "--expect", "0.3333333333333333").result
    assert (validated["passed"], validated["x2_reference_column"]) == (True, "ref_rejected")
    by_difference = mrl("validate", "pairs.jsonl", "--difference", "d", "--y-const", "1", "--margin", "1").result
    assert (by_difference["passed"], by_difference["value"]) == (True, (0 + 2 + 1) / 3)


def test_rows_out_keep_the_columns_as_they_were(mrl: Mrl, capfd: Capture) -> None:
    args = [*CHOSEN, *REFERENCES, "--reduction", "none", "--keep-columns"]
    ran = run_inside(["compute", "pairs.parquet", *args, "-f", "jsonl"], capfd)
    first = json.loads(ran.out.splitlines()[1])
    assert first == {name: column[1] for name, column in (LOGPS | {"d": DIFFERENCES}).items()} | {"loss": 1.0}


def test_compare_in_one_file_takes_one_reference_for_both(mrl: Mrl, tmp_path: Path) -> None:
    write(LOGPS | {"u": [-122.0, -79.0, -11.0], "v": [-139.0, -60.5, -11.5]}, tmp_path / "two.csv")
    result = mrl("compare", "two.csv", *CHOSEN, *REFERENCES, "--x1-b", "u", "--x2-b", "v", "--scale", "2").result
    assert (result["a"]["sum"], result["b"]["sum"], result["scale"]) == (2.0, 0.0, 2)
    assert (result["a"]["correct"], result["b"]["ties"]) == (1, 3)


def test_compare_of_two_files_takes_each_reference_from_its_own(mrl: Mrl, tmp_path: Path) -> None:
    other = LOGPS | {"ref_chosen": [-120.5, -81.0, -9.0]}  # a difference of 1.25, 1 and -2
    write(other | {"d": [1.25, 1.0, -2.0]}, tmp_path / "other.jsonl")
    for args in ((*CHOSEN, *REFERENCES), ("--difference", "d", "--y-const", "1")):
        result = mrl("compare", "pairs.csv", "other.jsonl", "--by-row", *args).result
        assert (result["a"]["sum"], result["b"]["sum"]) == (1.0, 2.0)
    write({"e": [1.25, 1.0, -2.0]}, tmp_path / "third.csv")
    named = ("--difference", "d", "--difference-b", "e", "--y-const", "1")
    assert mrl("compare", "pairs.csv", "third.csv", "--by-row", *named).result["b"]["sum"] == 2.0


def test_what_the_second_file_lacks_is_named_in_its_own_words(mrl: Mrl, tmp_path: Path) -> None:
    write({"D": DIFFERENCES, "chosen": [1.0] * 3, "rejected": [0.0] * 3}, tmp_path / "b.csv")
    for args, hint in (
        (("--difference", "d", "--y-const", "1"), "did you mean --difference-b D?"),
        ((*CHOSEN, *REFERENCES), "both files call the reference by one name"),
    ):
        mrl("compare", "pairs.csv", "b.csv", "--by-row", *args).must_fail(2, hint)


def test_compare_of_differences_in_one_file(mrl: Mrl, tmp_path: Path) -> None:
    write({"d": DIFFERENCES, "e": [1.25, 1.0, -2.0]}, tmp_path / "two.csv")
    args = ("--difference", "d", "--difference-b", "e", "--y-const", "1")
    result = mrl("compare", "two.csv", *args).result
    assert (result["a"]["sum"], result["b"]["sum"]) == (1.0, 2.0)


def test_frames_have_the_same_scores() -> None:
    frame = pd.DataFrame(LOGPS | {"d": DIFFERENCES, "e": [1.25, 1.0, -2.0]})
    columns: dict[str, Any] = {"x1": "chosen", "x2": "rejected"}
    references: dict[str, Any] = {"x1_reference": "ref_chosen", "x2_reference": "ref_rejected"}
    assert evaluate(frame, **columns, **references, scale=0.5, y_const=1)["sum"] == 0.5
    by_difference = evaluate(frame, difference="d", y_const=1)
    assert (by_difference["sum"], "x1_mean" in by_difference) == (1.0, False)
    assert compare(frame, difference="d", difference_b="e", y_const=1)["b"]["sum"] == 2.0
    assert compare(frame, **columns, **references, x1_b="rejected", x2_b="chosen", y_const=1)["a"]["sum"] == 1.0
    for wrong, message in (
        ({"difference": "d", "x1": "chosen"}, "difference and x1 exclude each other"),
        ({"scale": 0}, "scale must be a finite float64 other than 0, not 0"),
        ({"scale": "2"}, "scale must be"),
        ({"x1": "chosen", "x2": "chosen"}, "x1 and x2 name one column, 'chosen'"),
        ({**columns, "x1_reference": "ref_chosen"}, "go together"),
        ({"difference": "D"}, "did you mean difference='d'?"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            evaluate(frame, y_const=1, **wrong)


@each(
    ("args", "message"),
    [
        (("--x1", "chosen", "--x2", "chosen"), "--x1 and --x2 name one column, 'chosen'"),
        (
            (*CHOSEN[:4], "--x1-reference", "chosen", "--x2-reference", "ref_rejected"),
            "--x1 and --x1-reference name one",
        ),
        (
            (*CHOSEN[:4], "--x1-reference", "ref_chosen", "--x2-reference", "ref_chosen"),
            "--x1-reference and --x2-reference name one column, 'ref_chosen': what is subtracted from both cancels",
        ),
        ((*CHOSEN[:4], "--x1-reference", "ref_chosen"), "go together: only --x1-reference is given"),
        (("--difference", "d", "--x1", "chosen"), "--difference and --x1 exclude each other"),
        (("--difference", "d", *REFERENCES), "--difference and --x1-reference exclude each other"),
        ((*CHOSEN[:4], "--scale", "0"), "scale must be a finite float64 other than 0"),
        ((*CHOSEN[:4], "--scale", "1e-60", "--dtype", "float32"), "scale must be a finite float32 other than 0"),
        ((*CHOSEN[:4], "--scale", "1e60", "--dtype", "float32"), "scale must be a finite float32 other than 0"),
        ((*CHOSEN[:4], "--scale", "nan"), "'nan' is not a finite number"),
        ((*CHOSEN[:4], "--scale", "inf"), "'inf' is not a finite number"),
        (("--difference", "D"), "did you mean --difference d?"),
        ((*CHOSEN[:4], *REFERENCES[:3], "ref_reject"), "did you mean --x2-reference ref_rejected?"),
        (("--difference", "d", "--scores", "pairs.csv"), "--scores and --difference exclude each other"),
        (("--x1", "rejected", "--preset", "llamafactory"), "--x1 and --x2 name one column, 'rejected'"),
    ],
)
def test_what_makes_no_scores_is_a_usage_error(args: tuple[str, ...], message: str, mrl: Mrl) -> None:
    labels = () if "--preset" in args else ("--y-const", "1")
    mrl("compute", "pairs.csv", *args, *labels).must_fail(2, message)


@pytest.mark.parametrize(
    "labels", [(), ("--labels", "strength"), ("--label-map", "1=1,0=-1"), ("--loss", "margin_mse")]
)
def test_a_difference_is_not_held_against_itself(labels: tuple[str, ...], mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--difference", "d", "--y", "d", *labels)
    ran.must_fail(2)
    assert "--difference and --y name one column, 'd'" in ran.err


def test_what_compare_cannot_read_is_a_usage_error(mrl: Mrl) -> None:
    for args, message in (
        (("--difference", "d"), "--difference-b COLUMN"),
        (("--difference", "d", "--x1-b", "a", "--x2-b", "b"), "--difference goes with --difference-b"),
        (("--difference-b", "d"), "--difference-b goes with --difference"),
        (("--x1-b", "d", "--x2-b", "d", *CHOSEN[:4]), "--x1-b and --x2-b name one column"),
    ):
        mrl("compare", "pairs.csv", *args, "--y-const", "1").must_fail(2, message)


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_a_score_too_large_is_a_problem_of_its_row(name: str, tmp_path: Path, capfd: Capture) -> None:
    columns = {"x1": [1.0, 1e308, 1.0], "x2": [0.0, 0.0, 0.0], "r1": [0.0, -1e308, 0.0], "r2": [0.0, 0.0, 0.0]}
    write(columns, tmp_path / name)
    args: list[str | Path] = [
        "compute",
        tmp_path / name,
        "--x1-reference",
        "r1",
        "--x2-reference",
        "r2",
        "--y-const",
        "1",
        "-f",
        "json",
    ]
    ran = run_inside(args, capfd)
    ran.must_fail(3, "score too large")
    assert (
        f"{'line 3' if name == 'pairs.csv' else 'row 2'}: x1 is 1e+308, less its reference -1e+308: beyond" in ran.err
    )
    skipped = run_inside([*args, "--on-error", "skip", "-q", "--validate"], capfd).result
    assert (skipped["pairs"], skipped["rejected"], skipped["validation"]["passed"]) == (2, 1, True)
    ran = run_inside(["compute", tmp_path / name, "--difference", "x1", "--scale", "10", "--y-const", "1"], capfd)
    assert "x1 is 1e+308, times 10.0: beyond float64" in ran.err


@each("name", ["pairs.csv", "pairs.parquet"])
@each("role", ["x1", "r2", "d"])
@each("value", [np.inf, np.nan, 1e300])
def test_a_bad_cell_is_named_with_its_own_column(
    name: str, role: str, value: float, tmp_path: Path, capfd: Capture
) -> None:
    columns: dict[str, list[Any]] = {column: [1.0, 2.0] for column in ("x1", "x2", "r1", "r2", "d")}
    columns[role][1] = value
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    rows = zip(*columns.values(), strict=True)
    (tmp_path / "pairs.csv").write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    scores = ["--difference", "d"] if role == "d" else ["--x1-reference", "r1", "--x2-reference", "r2"]
    args: list[str | Path] = [
        "compute",
        tmp_path / name,
        *scores,
        "--scale",
        "0.5",
        "--y-const",
        "1",
        "--dtype",
        "float32",
        "-f",
        "json",
    ]
    ran = run_inside(args, capfd)
    ran.must_fail(3, "1 problem in", f": {role} is ")
    assert ("NaN" if value != value else "infinite") in ran.err
    assert run_inside([*args, "--on-error", "skip", "-q"], capfd).result["pairs"] == 1


def test_no_column_twice_but_against_two_references(tmp_path: Path, capfd: Capture) -> None:
    write({"s": [1.0, 2.0], "r": [0.0, 0.0], "t": [1.0, 1.0]}, tmp_path / "pairs.csv")
    args = ["--x1", "s", "--x2", "s", "--x1-reference", "r", "--x2-reference", "t", "--y-const", "-1"]
    assert run_inside(["compute", tmp_path / "pairs.csv", *args, "-f", "json"], capfd).result["sum"] == 1 + 1
