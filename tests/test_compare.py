"""`mrl compare` as a user meets it: one file or two, what it reports, what it counts, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mrl_cli
from mrl_cli.commands.options import FORMAT_CHOICES
from mrl_cli.reports.compare import COMPARED_NUMBERS
from mrl_cli.statistics.intervals import mcnemar_p, paired_share_interval, t_quantile
from tests.each import each, mostly_slow
from tests.running import Mrl, Ran, run_inside

if TYPE_CHECKING:
    from pathlib import Path


# With margin 0.5 the losses of a are 0, 0.25, 1.5, 0.5 and those of b 1.5, 0.25, 0, 0: differences -1.5, 0, 1.5, 0.5.
BOTH = "id,x1,x2,y,u,v,prompt\nk1,1,0,1,0,1,p\nk2,0.25,0,1,0.25,0,p\nk3,1,0,-1,0,1,q\nk4,0,0,1,2,0,r\n"
ONE = ("both.csv", "--x1-b", "u", "--x2-b", "v", "--margin", "0.5")
TWO = ("a.csv", "b.csv", "--key", "id", "--margin", "0.5")

# The sum of the differences is 0.5, of their squares 4.75: standard error sqrt((4.75 - 0.5**2 / 4) / 3 / 4) = 0.625.
HALF = t_quantile(0.95, 3) * 0.625
SHARES = paired_share_interval(1, 1, 2, 0, 0.95)
RECORD: dict[str, Any] = {
    "schema": "mrl.compare/1",
    "version": mrl_cli.__version__,
    "inputs": ["both.csv"],
    "loss": "margin_ranking",
    "margin": 0.5,
    "dtype": "float64",
    "labels": "pm1",
    "pairs": 4,
    "rejected": 0,
    "ties_dropped": 0,
    "unmatched_a": 0,
    "unmatched_b": 0,
    "a": {"mean": 0.5625, "sum": 2.25, "accuracy": 0.5, "accuracy_half": 0.625, "correct": 2, "ties": 1, "wrong": 1},
    "b": {"mean": 0.4375, "sum": 1.75, "accuracy": 0.75, "accuracy_half": 0.75, "correct": 3, "ties": 0, "wrong": 1},
    "difference": {"mean": 0.125, "standard_error": 0.625, "low": 0.125 - HALF, "high": 0.125 + HALF},
    "accuracy_difference": {
        "mean": -0.25,
        "standard_error": math.sqrt(3 - 1 / 4) / 4,
        "low": SHARES.low,
        "high": SHARES.high,
    },
    "confidence": 0.95,
    "mcnemar": {"only_a": 1, "only_b": 2, "p_value": 1.0},
    "wins": 1,
    "ties": 1,
    "losses": 2,
    "verdict": "4 pairs are too few to show that b (u, v of both.csv) is better than a (x1, x2 of both.csv): its mean "
    "margin_ranking loss is lower by 0.125 (0.4375 against 0.5625), and the 95 % interval of that, -1.864 to 2.114, "
    "includes 0.",
}


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl compare in a folder that holds the pairs of two models in one file and in two."""
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "both.csv").write_text(BOTH)
    rows = [line.split(",") for line in BOTH.splitlines()]
    lines_a = [",".join((row[0], *row[1:4], row[6])) for row in rows]
    lines_b = ["id,x1,x2,y", *(",".join((row[0], row[4], row[5], row[3])) for row in rows[1:])]
    (tmp_path / "a.csv").write_text("\n".join(lines_a) + "\n")
    (tmp_path / "b.csv").write_text("\n".join(lines_b) + "\n")
    (tmp_path / "shuffled.csv").write_text("\n".join([lines_b[0], *lines_b[:0:-1]]) + "\n")
    return partial(mrl, "compare")


def result(ran: Ran) -> dict[str, Any]:
    """Return the JSON object of a run, without what differs from run to run or names the inputs."""
    return {key: value for key, value in ran.result.items() if key not in ("inputs", "verdict")}


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_hints_about_b_name_its_options(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "id,x1,x2,y", "id,s1,s2,y")
    assert "hint: name the column with --x1-b COLUMN" in mrl("a.csv", "b.csv", "--key", "id").err
    edited(tmp_path / "b.csv", "id,s1,s2,y", "key,x1,x2,y")
    assert "both files call the key by one name" in mrl("a.csv", "b.csv", "--key", "id").err


# What comes out.


def test_json_keys_values_and_order_are_worked_by_hand(mrl: Mrl) -> None:
    record = mrl(*ONE, "--format", "json", "--bootstrap", "0").result
    assert list(record) == list(RECORD)
    for key, expected in RECORD.items():
        is_record = isinstance(expected, dict)
        assert record[key] == (pytest.approx(expected, rel=1e-14) if is_record else expected), key
        assert not is_record or list(record[key]) == list(expected), key


def test_bootstrap_and_clusters_are_reported_where_asked_for(mrl: Mrl) -> None:
    record = mrl(*ONE, "--format", "json", "--cluster", "prompt", "--seed", "3").result
    assert record["clusters"] == 3
    assert {key: record["bootstrap"][key] for key in ("samples", "seed")} == {"samples": 1000, "seed": 3}
    assert list(record["bootstrap"]) == ["samples", "seed", "difference", "accuracy_difference"]
    # Means of clusters p, q and r: -1.5/2, 1.5 and 0.5; no draw of three is beyond the extremes.
    assert -0.75 <= record["bootstrap"]["difference"]["low"] < record["bootstrap"]["difference"]["high"] <= 1.5


@pytest.mark.parametrize(("output_format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_row_names_a_number_in_a_record_by_its_path(output_format: str, delimiter: str, mrl: Mrl) -> None:
    header, row = csv.reader(io.StringIO(mrl(*ONE, "--format", output_format).out), delimiter=delimiter)
    cells = dict(zip(header, row, strict=True))
    assert {"a.mean": "0.5625", "difference.mean": "0.125", "wins": "1"}.items() <= cells.items()
    assert set(COMPARED_NUMBERS) - {"clusters"} <= cells.keys()
    assert not cells.keys() & {"schema", "inputs", "clusters", "margin_column"}


def test_markdown_is_its_golden(mrl: Mrl) -> None:
    gap = mrl(*ONE, "--format", "json", "--bootstrap", "0").result["difference"]
    assert mrl(*ONE, "--format", "markdown", "--bootstrap", "0").out == (
        "|  | a | b | a - b |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| mean | 0.5625 | 0.4375 | 0.125 |\n"
        f"| 95 % interval |  |  | {gap['low']} to {gap['high']} |\n"
        "| accuracy | 0.5 | 0.75 | -0.25 |\n"
        f"| 95 % interval |  |  | {SHARES.low} to {SHARES.high} |\n"
        "| correct | 2 | 3 |  |\n"
        "| ties | 1 | 0 |  |\n"
        "| wrong | 1 | 1 |  |\n"
        "| alone correct | 1 | 2 | McNemar p 1 |\n"
        "| lower loss | 1 | 2 | equal 1 |\n"
        "| pairs | 4 | 4 |  |\n"
        f"\n{RECORD['verdict']}\n"
    )


def test_table_holds_what_markdown_holds(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    full = ("-f", "table", "--full")
    markdown, table = mrl(*ONE, "--format", "markdown").out, " ".join(mrl(*ONE, *full).out.split())
    cells = {cell.strip() for line in markdown.splitlines() for cell in line.split("|")} - {"---", "---:", ""}
    assert [cell for cell in cells if cell not in table] == []


@each("output_format", FORMAT_CHOICES)
def test_every_format_is_written_to_a_file_too(output_format: str, mrl: Mrl, tmp_path: Path) -> None:
    printed = mrl(*ONE, "--format", output_format, "--bootstrap", "10")
    written = mrl(*ONE, "--format", output_format, "--bootstrap", "10", "-o", "out.txt")
    assert (printed.code, written.code, written.out) == (0, 0, "")
    if output_format not in ("json", "jsonl"):  # which print how long it took
        assert (tmp_path / "out.txt").read_text() == printed.out


def test_confidence_widens_the_interval(mrl: Mrl) -> None:
    record = mrl(*ONE, "--format", "json", "--confidence", "0.5").result
    assert record["confidence"] == 0.5
    assert record["difference"]["high"] == pytest.approx(0.125 + t_quantile(0.5, 3) * 0.625)


def test_float32_rounds_as_compute_does(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "both.csv").write_text("x1,x2,y,u,v\n0.3,0.2,-1,0.1,0.2\n0.7,0.1,-1,0,0\n")
    record = mrl(*ONE, "--format", "json", "--dtype", "float32").result
    losses = np.float32(0.5) + np.array([np.float32(0.3) - np.float32(0.2), np.float32(0.7) - np.float32(0.1)])
    assert record["a"]["mean"] == float(np.float32(losses.astype(np.float64).sum() / 2))


def test_parameters_and_margins_per_pair_are_reported(mrl: Mrl, tmp_path: Path) -> None:
    record = mrl(*ONE[:-2], "--loss", "logistic", "--param", "temperature=2", "--format", "json").result
    assert record["parameters"] == {"temperature": 2.0}
    edited(tmp_path / "both.csv", "prompt", "m")
    for name in "pqr":
        edited(tmp_path / "both.csv", f",{name}\n", ",0.5\n")
    per_pair = mrl(*ONE[:-2], "--margin-column", "m", "--format", "json").result
    assert "margin" not in per_pair
    assert per_pair["margin_column"] == "m"
    assert per_pair["a"] == RECORD["a"]


@pytest.mark.parametrize(("labels", "minus"), [("01", "0"), ("any", "-1"), ("any", "-0.5")])
def test_label_rules_are_those_of_compute(labels: str, minus: str, mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "both.csv", "k3,1,0,-1", f"k3,1,0,{minus}")
    record = mrl(*ONE, "--labels", labels, "--format", "json").result
    for key in ("mcnemar", "accuracy_difference"):
        assert record[key] == pytest.approx(RECORD[key], rel=1e-14)
    assert [record[model]["correct"] for model in "ab"] == [2, 3]


# One and the same, however it comes.


@each(
    "args",
    [TWO, ("a.csv", "shuffled.csv", *TWO[2:]), ("a.csv", "b.csv", "--by-row", "--margin", "0.5")],
)
@each("extra", [(), ("--cluster", "prompt"), ("--dtype", "float32"), ("--y-const", "1")])
def test_two_files_are_as_one(args: tuple[str, ...], extra: tuple[str, ...], mrl: Mrl) -> None:
    assert result(mrl(*args, *extra, "--format", "json")) == result(mrl(*ONE, *extra, "--format", "json"))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Many pairs of two models, sorted by their cluster, some labels 0, in two shuffled files beside one."""
    generator = np.random.default_rng(9)
    size = 3000
    table = pa.table(
        {
            "id": [f"pair {place}" for place in range(size)],
            "prompt": np.sort(generator.integers(0, 200, size)).astype(str).tolist(),
            "y": generator.choice([-1, 0, 1], size),
            **{name: generator.normal(size=size) for name in ("x1", "x2", "u", "v")},
        }
    )
    other = table.take(generator.permutation(size))
    pq.write_table(table, tmp_path / "many.parquet")
    pq.write_table(other, tmp_path / "other.parquet", row_group_size=701)
    return tmp_path


MANY = ("--margin", "0.5", "--on-tie", "drop", "--format", "json")


@pytest.mark.parametrize("cluster", mostly_slow([[], ["--cluster", "prompt"]], quick=1))
def test_order_splits_jobs_and_files_change_no_digit(cluster: list[str], mrl: Mrl, many: Path) -> None:
    one = ("--x1-b", "u", "--x2-b", "v", *MANY, *cluster)
    expected = result(mrl("many.parquet", *one))
    assert 1900 < expected["pairs"] < 2100
    assert expected["ties_dropped"] == 3000 - expected["pairs"]
    assert result(mrl("other.parquet", *one, "--jobs", "4")) == expected
    assert result(mrl("many.parquet", "other.parquet", "--key", "id", *one)) == expected
    assert result(mrl("many.parquet", "many.parquet", "--by-row", *one)) == expected


def test_order_of_clusters_does_not_matter_where_they_are_drawn_in_groups(
    mrl: Mrl, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_cli.statistics.bootstrap.GROUPS", 64)
    one = ("--x1-b", "u", "--x2-b", "v", *MANY, "--cluster", "prompt")
    expected = result(mrl("many.parquet", *one))
    assert expected["clusters"] > 64
    assert result(mrl("other.parquet", *one)) == expected


def test_models_turned_around_turn_the_result(mrl: Mrl, many: Path) -> None:
    record = mrl("many.parquet", "--x1-b", "u", "--x2-b", "v", *MANY).result
    turned = mrl("many.parquet", "--x1", "u", "--x2", "v", "--x1-b", "x1", "--x2-b", "x2", *MANY).result
    assert (turned["a"], turned["b"]) == (record["b"], record["a"])
    assert (turned["wins"], turned["ties"], turned["losses"]) == (record["losses"], record["ties"], record["wins"])
    for key in ("difference", "accuracy_difference"):
        assert turned[key]["mean"] == -record[key]["mean"]
        assert turned[key]["low"] == pytest.approx(-record[key]["high"], rel=1e-12)


def test_counts_are_those_of_compute_and_plain_python(mrl: Mrl, many: Path) -> None:
    record = mrl("many.parquet", "--x1-b", "u", "--x2-b", "v", *MANY).result
    rows = [row for row in pq.read_table(many / "many.parquet").to_pylist() if row["y"]]
    right_a = [row["y"] * (row["x1"] - row["x2"]) > 0 for row in rows]
    right_b = [row["y"] * (row["u"] - row["v"]) > 0 for row in rows]
    losses_a = [max(0.0, -row["y"] * (row["x1"] - row["x2"]) + 0.5) for row in rows]
    losses_b = [max(0.0, -row["y"] * (row["u"] - row["v"]) + 0.5) for row in rows]
    only_a = sum(a and not b for a, b in zip(right_a, right_b, strict=True))
    only_b = sum(b and not a for a, b in zip(right_a, right_b, strict=True))
    assert record["mcnemar"] == {"only_a": only_a, "only_b": only_b, "p_value": mcnemar_p(only_a, only_b)}
    assert (record["a"]["correct"], record["b"]["correct"]) == (sum(right_a), sum(right_b))
    assert (record["a"]["sum"], record["b"]["sum"]) == (math.fsum(losses_a), math.fsum(losses_b))
    differences = [a - b for a, b in zip(losses_a, losses_b, strict=True)]
    assert record["difference"]["mean"] == pytest.approx(math.fsum(differences) / len(rows), rel=1e-14)
    assert record["difference"]["standard_error"] == pytest.approx(np.std(differences, ddof=1) / math.sqrt(len(rows)))
    assert record["wins"] == sum(difference < 0 for difference in differences)


def test_clusters_of_one_pair_are_no_clusters(mrl: Mrl, many: Path) -> None:
    plain, clustered = (
        mrl("many.parquet", "--x1-b", "u", "--x2-b", "v", *MANY, *extra).result for extra in ((), ("--cluster", "id"))
    )
    assert clustered["clusters"] == plain["pairs"]
    assert clustered["difference"] == pytest.approx(plain["difference"])
    assert clustered["bootstrap"] == plain["bootstrap"]


def test_one_of_two_may_be_stdin(mrl: Mrl, tmp_path: Path) -> None:
    data = (tmp_path / "b.csv").read_bytes()
    assert result(mrl("a.csv", "-", *TWO[2:], "--format", "json", stdin=data)) == result(mrl(*TWO, "--format", "json"))
    piped = mrl(*ONE[1:], "--format", "json", stdin=BOTH.encode())
    assert result(piped) == result(mrl(*ONE, "--format", "json"))


# What is not matched.


def test_unmatched_pairs_are_an_error_and_when_dropped_are_counted(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "k4", "k5")
    edited(tmp_path / "b.csv", "k3", "k6")
    failed = mrl(*TWO)
    assert failed.code == 3
    assert "4 pairs are in one file only (2 in both)" in failed.err
    assert "only in a.csv       2   'k3', 'k4'" in failed.err
    assert "only in b.csv       2   'k6', 'k5'" in failed.err
    assert "hint: --unmatched drop leaves them out and counts them" in failed.err
    dropped = mrl(*TWO, "--unmatched", "drop", "--format", "json")
    assert {"pairs": 2, "unmatched_a": 2, "unmatched_b": 2}.items() <= dropped.result.items()
    assert dropped.result["a"]["sum"] == 0.25
    assert "note: left out, because the other file lacks them: 2 pairs of a, 2 of b" in dropped.err


def test_nothing_in_common_is_an_error_even_when_dropped(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "k", "l")
    assert "is --key the column that tells the pairs apart" in mrl(*TWO).err
    ran = mrl(*TWO, "--unmatched", "drop")
    ran.must_fail(3)
    assert "no pairs in both a.csv and b.csv" in ran.err


@pytest.mark.parametrize("unmatched", ["error", "drop"])
def test_repeated_and_missing_keys_are_named_with_their_rows(unmatched: str, mrl: Mrl, tmp_path: Path) -> None:
    with (tmp_path / "b.csv").open("a") as file:
        file.write('k2,1,0,1\n"k2",1,0,1\n,1,0,1\n')
    ran = mrl(*TWO, "--unmatched", unmatched)
    ran.must_fail(3, "'k2'   line 3   line 6   line 7", "no key   line 8")
    assert "2 keys stand for 4 pairs of b.csv; each pair needs its own" in ran.err


def test_repeated_keys_of_a_stream_are_named(mrl: Mrl, tmp_path: Path) -> None:
    data = (tmp_path / "b.csv").read_bytes() + b"k1,0,1,1\n"
    ran = mrl("a.csv", "-", *TWO[2:], stdin=data)
    ran.must_fail(3, "'k1'")
    assert "1 key stands for 2 pairs of stdin" in ran.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (TWO, "key 'k3': y is -1 in a.csv and 1 in b.csv"),
        (("a.csv", "b.csv", "--by-row"), "pair 3: y is -1 in a.csv and 1 in b.csv"),
    ],
)
def test_labels_that_differ_are_an_error(args: tuple[str, ...], message: str, mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "k3,0,1,-1", "k3,0,1,1")
    ran = mrl(*args)
    ran.must_fail(3, message)
    assert "the label differs for 1 of 4 pairs" in ran.err


def test_swapped_scores_and_copied_margins_are_noted(mrl: Mrl, tmp_path: Path) -> None:
    rows = [(f"k{i}", 1 + i / 8, 0.5) for i in range(20)]
    right = [f"{key},{x1},{x2},1,{x1 - x2}\n" for key, x1, x2 in rows]
    wrong = [f"{key},{x2},{x1},1,{x1 - x2}\n" for key, x1, x2 in rows]
    (tmp_path / "a.csv").write_text("id,x1,x2,y,m\n" + "".join(right))
    (tmp_path / "b.csv").write_text("id,x1,x2,y,m\n" + "".join(wrong))
    half, copy = "only 0 of 20 pairs without a tie are in the right order", "the margin of every pair is its own"
    for files, swapped, copied in (("a.csv b.csv", "b", "a"), ("b.csv a.csv", "a", "b")):
        said = mrl(*files.split(), "--key", "id", "--margin-column", "m", "--loss", "logistic").err
        assert [line[:8] for line in said.splitlines() if half in line] == [f"note: {swapped}:"]
        assert [line[:8] for line in said.splitlines() if copy in line] == [f"note: {copied}:"]
    (tmp_path / "one.csv").write_text((tmp_path / "a.csv").read_text())
    said = mrl("one.csv", "--x1-b", "x2", "--x2-b", "x1", "--margin-column", "m", "--loss", "logistic").err
    assert f"note: a: {copy}" in said
    assert f"note: b: {half}" in said


@pytest.mark.slow
@each(
    ("lines", "code", "message"),
    [
        (("k1,1,2,1,0.5", "k2,1,2,1,1"), 0, "nothing of margins"),
        (("k1,1,2,1,1", "k2,1,2,1,0.5"), 3, "key 'k1': m is 0.5 in a.csv and 1 in b.csv"),
        (("k1,1,2,1,bad", "k2,1,2,1,1"), 3, "b.csv (2 rows)"),
        (("k1,1,2,1", "k2,1,2,1"), 0, "note: margins are those of a.csv: b.csv has no column m"),
    ],
)
def test_margins_of_both_files_are_the_same(
    lines: tuple[str, ...], code: int, message: str, mrl: Mrl, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,x1,x2,y,m\nk1,1,2,1,0.5\nk2,2,1,1,1\n")
    header = "id,x1,x2,y,m" if lines[0].count(",") == 4 else "id,x1,x2,y"
    (tmp_path / "b.csv").write_text("\n".join((header, *lines)) + "\n")
    for way in (("--key", "id"), ("--by-row",)):
        ran = mrl("a.csv", "b.csv", *way, "--margin-column", "m")
        assert ran.code == code
        message = message if way[0] == "--key" else message.replace("key 'k1'", "pair 1")
        assert (message in ran.err) == (message != "nothing of margins")
        assert ("margin" in ran.err) == ("margin" in message or " m is " in message)


def test_tie_in_one_file_only_is_a_label_that_differs(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "k3,0,1,-1", "k3,0,1,0")
    ran = mrl(*TWO, "--on-tie", "drop")
    ran.must_fail(3)
    assert "key 'k3': y is -1 in a.csv and 0 in b.csv" in ran.err


def test_rows_of_files_of_other_lengths_are_not_matched(mrl: Mrl, tmp_path: Path) -> None:
    with (tmp_path / "b.csv").open("a") as file:
        file.write("k5,1,0,1\n")
    ran = mrl("a.csv", "b.csv", "--by-row")
    ran.must_fail(3)
    assert "a.csv has 4 pairs and b.csv 5: not the same rows" in ran.err


# Bad input.


def test_bad_score_of_b_is_named(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "both.csv", "k2,0.25,0,1,0.25,0", "k2,0.25,0,1,inf,0")
    failed = mrl(*ONE)
    assert failed.code == 3
    assert "line 3: u is 'inf'" in failed.err
    skipped = mrl(*ONE, "--on-error", "skip", "--rejects", "bad.csv", "--format", "json")
    assert {"pairs": 3, "rejected": 1}.items() <= skipped.result.items()
    assert skipped.result["a"]["sum"] == 2.0
    assert skipped.result["b"]["sum"] == 1.5
    assert "note: rows left out for a problem: 1" in skipped.err
    assert ",3,u," in (tmp_path / "bad.csv").read_text()


def test_bad_row_of_one_file_is_unmatched_in_the_other(mrl: Mrl, tmp_path: Path) -> None:
    edited(tmp_path / "b.csv", "k2,0.25,0,1", "k2,oops,0,1")
    assert "line 3: x1 is 'oops'" in mrl(*TWO).err
    record = mrl(*TWO, "--on-error", "skip", "--unmatched", "drop", "--format", "json").result
    assert {"pairs": 3, "rejected": 1, "unmatched_a": 1, "unmatched_b": 0}.items() <= record.items()


@each(
    ("args", "message"),
    [
        (["both.csv"], "compare needs the scores of two models"),
        (["both.csv", "--x1-b", "u"], "compare needs the scores of two models"),
        (["both.csv", "--x1-b", "u", "--x2-b", "w"], "has no column 'w'"),
        (["both.csv", "--x1-b", "u", "--x2-b", "v", "--key", "id"], "--key goes with two INPUTs"),
        (["both.csv", "--x1-b", "u", "--x2-b", "v", "--by-row"], "--by-row goes with two INPUTs"),
        (["both.csv", "--x1-b", "u", "--x2-b", "v", "--unmatched", "drop"], "--unmatched goes with two INPUTs"),
        (["a.csv", "b.csv"], "how do the pairs of the two files belong together?"),
        (["a.csv", "b.csv", "--key", "id", "--by-row"], "--key and --by-row exclude each other"),
        (["a.csv", "b.csv", "--by-row", "--unmatched", "drop"], "--unmatched goes with --key"),
        (["a.csv", "b.csv", "--by-row", "--on-error", "skip"], "would shift the others"),
        (["a.csv", "b.csv", "--key", "ident"], "hint: name the column with --key COLUMN"),
        (["a.csv", "b.csv", "both.csv"], "compare takes one INPUT or two, not 3"),
        (["-", "-", "--by-row"], "stdin can be read only once"),
        ([*ONE, "--confidence", "95"], "is not from 0.01 to 0.999999"),
        ([*ONE, "--confidence", "nan"], "is not from 0.01 to 0.999999"),
        ([*ONE, "-o", "out.parquet"], "compare writes no Parquet"),
        ([*ONE, "-o", "both.csv"], "is an input"),
        ([*TWO, "-o", "b.csv"], "is an input"),
        ([*ONE, "--weight", "y"], "No such option"),
        ([*ONE, "--fail-if", "difference>0"], "did you mean difference.mean?"),
        ([*ONE, "--fail-if", "bootstrap.difference.low>0", "--bootstrap", "0"], "only with --bootstrap"),
        ([*ONE, "--fail-if", "clusters<3"], "only with --cluster"),
    ],
)
def test_usage_errors_say_what_to_do(args: list[str], message: str, mrl: Mrl) -> None:
    mrl(*args).must_fail(2, message)


@each(
    ("expression", "code"),
    [
        ("difference.mean>0", 1),
        ("difference.low>0", 0),
        ("a.accuracy<b.accuracy", 2),
        ("mcnemar.p_value>=1", 1),
        ("wins<2", 1),
        ("b.mean>0.5", 0),
    ],
)
def test_fail_if_decides_the_exit_code(expression: str, code: int, mrl: Mrl) -> None:
    assert mrl(*ONE, "--fail-if", expression).code == code


@pytest.mark.slow
def test_fail_if_takes_every_number(mrl: Mrl) -> None:
    for key in COMPARED_NUMBERS:
        ran = mrl(*ONE, "--cluster", "prompt", "--bootstrap", "10", "--fail-if", f"{key}<-1e9")
        assert ran.code == 0, key
    assert {"a.mean", "bootstrap.accuracy_difference.high", "clusters", "pairs"} <= set(COMPARED_NUMBERS)


@pytest.mark.parametrize(("only_b", "only_a", "disagree"), [(5, 0, True), (14, 5, True), (8, 0, False), (1, 1, False)])
@pytest.mark.parametrize("cluster", [(), ("--cluster", "id")])
def test_a_p_and_an_interval_that_disagree_are_noted(
    only_b: int, only_a: int, disagree: bool, cluster: tuple[str, ...], mrl: Mrl, tmp_path: Path
) -> None:
    """The exact test is the more careful of the two: 2 * 2**-5 = 0.0625 where five pairs of 40 are b's alone."""
    outcomes = [(1, 1)] * (30 - only_b - only_a) + [(-1, 1)] * only_b + [(1, -1)] * only_a + [(-1, -1)] * 10
    lines = [f"{place},{a},0,1,{b},0" for place, (a, b) in enumerate(outcomes)]
    (tmp_path / "near.csv").write_text("\n".join(["id,x1,x2,y,u,v", *lines]) + "\n")
    options = ("near.csv", "--x1-b", "u", "--x2-b", "v", *cluster)
    ran = mrl(*options, "-f", "json")
    record, notes = ran.result, [line for line in ran.err.splitlines() if "McNemar's p of" in line]
    gap, p = record["accuracy_difference"], record["mcnemar"]["p_value"]
    assert bool(notes) == ((p <= 0.05) != (gap["low"] > 0 or gap["high"] < 0))
    if not cluster:
        assert bool(notes) == disagree
    if disagree:
        assert p > 0.05
    for note in notes:
        assert f"McNemar's p of {p:.6g} is above 0.05, but the 95 % interval of the difference excludes 0" in note
        assert ("trust the interval" if cluster else "trust p, which is exact") in note
    assert ("McNemar's p of" in mrl(*options, "-f", "table").err) == bool(notes)


def test_settings_may_come_from_the_environment(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_COMPARE_SEED", "7")
    monkeypatch.setenv("MRL_COMPARE_CONFIDENCE", "0.9")
    record = mrl(*ONE, "--format", "json").result
    assert (record["bootstrap"]["seed"], record["confidence"]) == (7, 0.9)


# What a reader should know.


def test_equal_models_are_not_reported_as_known_equal(mrl: Mrl) -> None:
    ran = mrl("both.csv", "--x1-b", "x1", "--x2-b", "x2", "--margin", "0.5", "--format", "json")
    record = ran.result
    assert record["difference"] == {"mean": 0.0, "standard_error": 0.0, "low": 0.0, "high": 0.0}
    assert record["accuracy_difference"]["low"] < 0 < record["accuracy_difference"]["high"]
    assert record["mcnemar"]["p_value"] == 1.0
    assert "the difference is the same for every pair" in ran.err
    assert "the bootstrap of the accuracy cannot see beyond that" in ran.err
    assert mrl("both.csv", "--x1-b", "x1", "--x2-b", "x2", "--quiet").err == ""


def test_one_cluster_leaves_the_interval_undefined(mrl: Mrl, tmp_path: Path) -> None:
    for name in "qr":
        edited(tmp_path / "both.csv", f",{name}\n", ",p\n")
    ran = mrl(*ONE, "--cluster", "prompt", "--format", "json")
    assert ran.result["difference"]["mean"] == 0.125
    assert ran.result["difference"]["low"] is None
    assert ran.result["accuracy_difference"]["not_finite"]["high"] == "NaN"
    assert "one cluster tells nothing of how clusters differ" in ran.err
    assert mrl(*ONE, "--cluster", "prompt", "--fail-if", "difference.low>100").code == 1


def test_one_pair_leaves_the_interval_undefined(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "both.csv").write_text("\n".join(BOTH.splitlines()[:2]) + "\n")
    assert mrl(*ONE, "--format", "json").result["difference"]["not_finite"]["low"] == "NaN"
    assert "undefined" in mrl(*ONE, "--format", "table").out


def test_preset_names_the_columns_of_both_files(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, scores in (("a", [(2.0, 1.0), (0.0, 1.0)]), ("b", [(1.0, 2.0), (3.0, 1.0)])):
        rows = [
            {"id": i, "scores_chosen": chosen, "scores_rejected": rejected, "subset": "donotanswer"}
            for i, (chosen, rejected) in enumerate(scores)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = ["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--key", "id", "--preset"]
    record = run_inside([*args, "rewardbench", "-f", "json"], capfd).result
    assert (record["a"]["sum"], record["b"]["sum"]) == (1.0, 1.0)  # max(0, 1 - 0), max(0, 2 - 1)
    assert (record["mcnemar"]["only_a"], record["mcnemar"]["only_b"]) == (1, 1)
    refused = run_inside([*args, "catboost"], capfd)
    assert refused.code == 2
    assert "catboost does not go with compare" in refused.err


def test_what_both_files_lose_together_stands_under_neither(mrl: Mrl, tmp_path: Path) -> None:
    for name, score in (("a", "1"), ("b", "oops")):
        (tmp_path / f"{name}.csv").write_text(f"id,x1,x2,y\n1,1,2,1\n2,{score},2,1\n3,5,2,1\n4,5,2,-1\n")
    skip = ("--on-error", "skip", "--unmatched", "drop", "-f", "table")
    ran = mrl(tmp_path / "a.csv", tmp_path / "b.csv", "--key", "id", *skip)
    (row,) = [line for line in ran.out.splitlines() if "rejected" in line]
    assert row.split() == ["│", "rejected", "│", "│", "│", "1", "in", "all", "│"]
