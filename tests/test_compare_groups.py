"""`mrl compare --group-by`: every group is what its pairs alone are, p-values are corrected, gates see groups."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import compare
from mrl_cli.reports import compare as reports
from mrl_cli.statistics.multiple import holm
from tests.each import mostly_slow
from tests.running import Mrl

SIZE = 600
ONE = ("--x1-b", "u", "--x2-b", "v", "--margin", "0.5")
OF_GROUP = ("pairs", "a", "b", "difference", "accuracy_difference", "mcnemar", "bootstrap", "wins", "ties", "losses")


def pairs() -> pd.DataFrame:
    """Return pairs in groups of which b is better in two only; clusters stretch over several groups."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame({name: random.normal(size=SIZE).round(2) for name in ("x1", "x2", "u", "v")})
    frame["y"] = random.choice([-1, 1], SIZE)
    frame["part"] = random.choice(["easy", "hard", "9", "10", "ü|x"], SIZE, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    frame["prompt"] = random.integers(0, 90, SIZE)
    is_better = frame["part"].isin(["easy", "10"])
    frame.loc[is_better, "u"] = frame["v"] + 2.0 * frame["y"]
    return frame.assign(id=[f"pair {place}" for place in range(SIZE)])


@pytest.fixture
def mrl(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl compare in a folder with the pairs in one file and in two."""
    monkeypatch.setenv("COLUMNS", "100")
    for name, text in files().items():
        Path(name).write_text(text, "utf-8")
    return partial(mrl, "compare")


@cache
def files() -> dict[str, str]:
    """Return the files of that folder by their names."""
    frame = pairs()
    b = frame[["id", "part", "u", "v", "y"]].rename(columns={"u": "x1", "v": "x2"})
    frames = {
        "pairs.csv": frame,
        "a.csv": frame[["id", "part", "prompt", "x1", "x2", "y"]],
        "b.csv": b,
        "shuffled.csv": b.sample(frac=1, random_state=1),
    }
    return {name: each.to_csv(index=False) for name, each in frames.items()}


def by_name(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {group["group"]: group for group in record["groups"]}


# What a group is.


@pytest.mark.parametrize("clusters", mostly_slow([[], ["--cluster", "prompt"]], quick=1))
def test_group_is_what_its_pairs_alone_are(clusters: list[str], mrl: Mrl, tmp_path: Path) -> None:
    record = mrl("pairs.csv", *ONE, *clusters, "--group-by", "part", "-f", "json").result
    groups = by_name(record)
    assert list(groups) == ["9", "10", "easy", "hard", "ü|x"]
    for name, part in pairs().groupby("part"):
        part.to_csv(tmp_path / "part.csv", index=False)
        alone = mrl("part.csv", *ONE, *clusters, "-f", "json").result
        for key in (*OF_GROUP, *(["clusters"] if clusters else [])):
            assert groups[str(name)][key] == alone[key], (name, key)


@pytest.mark.parametrize("clusters", [(), ("--cluster", "prompt")])
def test_groups_change_nothing_of_the_whole(clusters: tuple[str, ...], mrl: Mrl) -> None:
    plain, grouped = (
        mrl("pairs.csv", *ONE, *clusters, *extra, "-f", "json").result for extra in ((), ("--group-by", "part"))
    )
    assert grouped["group_by"] == "part"
    assert grouped["pairs"] == sum(group["pairs"] for group in grouped["groups"])
    for key in plain:
        assert grouped[key] == plain[key], key


@pytest.mark.slow
def test_two_files_jobs_and_order_change_no_digit(mrl: Mrl) -> None:
    expected = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json").result
    for args in (("a.csv", "b.csv", "--by-row"), ("a.csv", "shuffled.csv", "--key", "id"), ("pairs.csv", *ONE[:4])):
        record = mrl(*args, "--margin", "0.5", "--group-by", "part", "-f", "json", "--jobs", "3").result
        assert record["groups"] == expected["groups"]


def test_clusters_that_stretch_over_groups_are_whole_in_the_total(mrl: Mrl) -> None:
    record = mrl("pairs.csv", *ONE, "--cluster", "prompt", "--group-by", "part", "-f", "json").result
    assert record["clusters"] == pairs()["prompt"].nunique()
    assert sum(group["clusters"] for group in record["groups"]) > record["clusters"]


@pytest.mark.slow
def test_groups_of_two_columns_are_combinations(mrl: Mrl, tmp_path: Path) -> None:
    both = ("--group-by", "part", "--group-by", "half")
    frame = pairs().assign(half=lambda frame: frame["prompt"] % 2)
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    record = mrl("pairs.csv", *ONE, *both, "-f", "json").result
    assert record["group_by"] == ["part", "half"]
    assert [group["group"] for group in record["groups"]] == [
        [part, half] for part in ("9", "10", "easy", "hard", "ü|x") for half in ("0", "1")
    ]
    assert {tuple(group) for group in record["differing_groups"]} <= {tuple(g["group"]) for g in record["groups"]}
    part = frame[(frame["part"] == "hard") & (frame["half"] == 1)]
    part.to_csv(tmp_path / "part.csv", index=False)
    alone = mrl("part.csv", *ONE, "-f", "json").result
    group = next(group for group in record["groups"] if group["group"] == ["hard", "1"])
    assert all(group[key] == alone[key] for key in OF_GROUP)
    header, first, *_ = mrl("pairs.csv", *ONE, *both, "-f", "csv").out.splitlines()
    assert (header[:10], first[:4]) == ("part,half,", "9,0,")
    assert "| hard | 1 |" in mrl("pairs.csv", *ONE, *both, "-f", "markdown").out
    gate = mrl("pairs.csv", *ONE, *both, "--fail-if", "groups.p_value_holm<0.05")
    assert (gate.code, "in 'easy' / '0'" in gate.err) == (1, True)
    of_frame = compare(frame, x1_b="u", x2_b="v", margin=0.5, group_by=["part", "half"])
    assert [group["group"] for group in of_frame["groups"]] == [
        [p, int(h)] for p, h in (g["group"] for g in record["groups"])
    ]
    assert [group["pairs"] for group in of_frame["groups"]] == [group["pairs"] for group in record["groups"]]
    assert len(of_frame["differing_groups"]) == len(record["differing_groups"])


# Holm's correction.


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.25], [0.25]),
        ([0.5, 0.125, 0.25], [0.5, 3 * 0.125, 2 * 0.25]),  # the largest so far, 2 * 0.25, holds for 0.5 too
        ([0.25, 0.25, 0.001], [0.5, 0.5, 0.003]),  # equal ones are equal afterwards
        ([0.9, 0.8, 0.0], [1.0, 1.0, 0.0]),
    ],
)
def test_holm_is_worked_by_hand(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == corrected


def test_holm_holds_in_any_order_and_lies_between_the_plain_p_and_bonferroni() -> None:
    p_values = np.random.default_rng(0).random(50) ** 4
    corrected = np.array(holm(p_values.tolist()))
    order = np.random.default_rng(1).permutation(50)
    assert holm(p_values[order].tolist()) == corrected[order].tolist()
    assert (p_values <= corrected).all()
    assert (corrected <= np.minimum(1, 50 * p_values)).all()
    assert (np.diff(corrected[np.argsort(p_values)]) >= 0).all()


def test_holm_rejects_where_its_own_step_down_does() -> None:
    for p_values in product((0.01, 0.02, 0.03, 0.2), repeat=4):
        rejected = set()
        for step, index in enumerate(sorted(range(4), key=p_values.__getitem__)):
            if p_values[index] > 0.05 / (4 - step):
                break
            rejected.add(index)
        assert {index for index, p_value in enumerate(holm(p_values)) if p_value <= 0.05} == rejected


def test_groups_that_differ_are_named(mrl: Mrl) -> None:
    ran = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json")
    groups = ran.result["groups"]
    assert [group["p_value_holm"] for group in groups] == holm([group["mcnemar"]["p_value"] for group in groups])
    assert ran.result["differing_groups"] == ["10", "easy"]
    assert "Accuracy differs in 2 of 5 groups: b is better in 10, easy (McNemar's p, corrected" in ran.err
    turned = mrl("pairs.csv", "--x1", "u", "--x2", "v", "--x1-b", "x1", "--x2-b", "x2", "--group-by", "part")
    assert "Accuracy differs in 2 of 5 groups: a is better in 10, easy (" in turned.err
    alike = mrl("pairs.csv", "--x1-b", "x1", "--x2-b", "x2", "--group-by", "part", "-f", "json")
    assert alike.result["differing_groups"] == []
    assert "Accuracy differs in no group of 5: " in alike.err


# How it is written.


@pytest.mark.parametrize(("output_format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_rows_are_groups_with_their_name_first_and_no_total(output_format: str, delimiter: str, mrl: Mrl) -> None:
    out = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", output_format).out
    rows = list(csv.DictReader(io.StringIO(out), delimiter=delimiter))
    groups = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json").result["groups"]
    assert next(iter(rows[0])) == "part"
    assert [row["part"] for row in rows] == [group["group"] for group in groups]
    assert [float(row["difference.mean"]) for row in rows] == [group["difference"]["mean"] for group in groups]
    assert {(row["margin"], row["confidence"]) for row in rows} == {("0.5", "0.95")}
    numbers = set(reports.GROUP_NUMBERS) - {"clusters"}
    assert numbers <= rows[0].keys()


def test_json_lines_are_groups(mrl: Mrl) -> None:
    lines = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "jsonl").out.splitlines()
    groups = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json").result["groups"]
    records = [json.loads(line) for line in lines]
    assert [next(iter(record)) for record in records] == ["part"] * 5
    assert [{"group": record.pop("part"), **record} for record in records] == groups


@pytest.mark.parametrize("column", ["pairs", "group", "loss", "a"])
def test_column_called_as_a_figure_hides_none(column: str, mrl: Mrl, tmp_path: Path) -> None:
    pairs().rename(columns={"part": column}).to_csv(tmp_path / "pairs.csv", index=False)
    header, *rows = csv.reader(io.StringIO(mrl("pairs.csv", *ONE, "--group-by", column, "-f", "csv").out))
    assert len(set(header)) == len(header)
    assert [row[0] for row in rows] == ["9", "10", "easy", "hard", "ü|x"]
    first = json.loads(mrl("pairs.csv", *ONE, "--group-by", column, "-f", "jsonl").out.splitlines()[0])
    assert (next(iter(first.values())), first["pairs"]) == ("9", int(dict(zip(header, rows[0], strict=True))["pairs"]))


def test_table_has_a_row_for_each_group_then_the_whole_then_sentences(mrl: Mrl) -> None:
    out = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "markdown").out
    record = mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json").result
    assert out.splitlines()[0] == "| part | a - b | low | high | Holm p | pairs | accuracy a - b | McNemar p |"
    hard = by_name(record)["hard"]
    gap, p_value = hard["difference"], hard["mcnemar"]["p_value"]
    accuracy, corrected = hard["accuracy_difference"]["mean"], hard["p_value_holm"]
    cells = (gap["mean"], gap["low"], gap["high"], corrected, hard["pairs"], accuracy, p_value)
    assert f"| hard | {' | '.join(map(repr, cells))} |" in out
    assert "| ü\\|x | " in out
    assert out.index("Accuracy differs in 2 of 5 groups") < out.index("|  | a | b |") < out.index(record["verdict"])
    table = " ".join(mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "table").out.split())
    assert all(text in table for text in ("hard", "Holm p", "Accuracy differs in 2 of 5 groups", record["verdict"]))


# The bootstrap of a group, and where there is none.


@pytest.mark.parametrize("clusters", mostly_slow([[], ["--cluster", "prompt"]], quick=1))
def test_no_group_is_drawn_from_where_not_all_pairs_are_held(
    clusters: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = ("pairs.csv", *ONE, *clusters, "--group-by", "part", "-f", "json")
    assert all("bootstrap" in group for group in mrl(*grouped).result["groups"])
    assert not any("bootstrap" in group for group in mrl(*grouped, "--bootstrap", "0").result["groups"])
    for name in ("mrl_cli.statistics.bootstrap.GROUPS", "mrl_cli.reports.compare.GROUPS"):
        monkeypatch.setattr(name, 64)
    ran = mrl(*grouped)
    assert "bootstrap" in ran.result
    assert not any("bootstrap" in group for group in ran.result["groups"])
    assert "note: no bootstrap for each group: one is drawn up to 64" in ran.err
    monkeypatch.undo()


def test_many_groups_are_not_drawn_from(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_DRAWN_GROUPS", 4)
    assert not any(
        "bootstrap" in g for g in mrl("pairs.csv", *ONE, "--group-by", "part", "-f", "json").result["groups"]
    )


# Gates.


@pytest.mark.parametrize(
    ("condition", "failing"),
    [
        ("groups.pairs<1", []),
        ("groups.mcnemar.p_value<0", []),
        ("groups.p_value_holm<0.05", ["10", "easy"]),
        ("groups.b.accuracy<0.9", ["9", "hard", "ü|x"]),
        ("groups.bootstrap.samples>0", ["9", "10", "easy", "hard", "ü|x"]),
    ],
)
def test_gate_on_groups_names_those_for_which_it_holds(condition: str, failing: list[str], mrl: Mrl) -> None:
    ran = mrl("pairs.csv", *ONE, "--group-by", "part", "--fail-if", condition)
    lines = [line for line in ran.err.splitlines() if line.startswith("fail-if: ")]
    assert (ran.code, len(lines)) == ((1, 1) if failing else (0, 0))
    if failing:
        assert re.findall(r"[\d.e+-]+ in '(.*?)'", lines[0]) == failing
        assert lines[0].endswith(f", and {condition} fails the run")


def test_gate_holds_where_a_figure_of_a_group_is_undefined_or_missing(mrl: Mrl, tmp_path: Path) -> None:
    frame = pairs()
    frame.loc[0, "part"] = "lone"
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    ran = mrl("pairs.csv", *ONE, "--group-by", "part", "--fail-if", "groups.difference.low>9")
    assert (ran.code, "groups.difference.low is NaN in 'lone', and" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--fail-if", "groups.pairs<1"), "--fail-if asks for groups, which there is only with --group-by"),
        (("--group-by", "part", "--fail-if", "groups.clusters<1"), "clusters, which there is only with --cluster"),
        (("--group-by", "part", "--fail-if", "groups.margin<1"), "--fail-if knows no 'groups.margin'"),
        (("--group-by", "parts"), "no column 'parts'"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(args: tuple[str, ...], complaint: str, mrl: Mrl) -> None:
    ran = mrl("pairs.csv", *ONE, *args)
    assert (ran.code, complaint in ran.err) == (2, True), ran.err


# Two files that have the column grouped by.


def test_groups_that_two_files_do_not_agree_on_are_refused(mrl: Mrl, tmp_path: Path) -> None:
    for name in ("b.csv", "shuffled.csv"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("pair 7,", "pair 7,other "))
    by_row = mrl("a.csv", "b.csv", "--by-row", "--group-by", "part")
    part = pairs()["part"][7]
    assert by_row.code == 3
    assert "part, the column grouped by, differs for 1 of 600 pairs" in by_row.err
    assert f"pair 8: it is {part!r} in a.csv and 'other {part}' in b.csv" in by_row.err
    by_key = mrl("a.csv", "shuffled.csv", "--key", "id", "--group-by", "part")
    assert (by_key.code, f"key 'pair 7': it is {part!r} in a.csv" in by_key.err) == (3, True)
    assert mrl("a.csv", "b.csv", "--by-row").code == 0


def test_column_of_a_alone_serves(mrl: Mrl, tmp_path: Path) -> None:
    pd.read_csv(tmp_path / "shuffled.csv").drop(columns="part").to_csv(tmp_path / "bare.csv", index=False)
    expected = mrl("a.csv", "shuffled.csv", "--key", "id", "--group-by", "part", "-f", "json").result["groups"]
    assert mrl("a.csv", "bare.csv", "--key", "id", "--group-by", "part", "-f", "json").result["groups"] == expected


# From Python.


@pytest.mark.parametrize("cluster", mostly_slow([None, "prompt"], quick=1))
def test_frame_gives_the_groups_of_the_command(cluster: str | None, mrl: Mrl) -> None:
    args = () if cluster is None else ("--cluster", cluster)
    expected = mrl("pairs.csv", *ONE, *args, "--group-by", "part", "-f", "json").result
    record = compare(pairs(), x1_b="u", x2_b="v", margin=0.5, cluster=cluster, group_by="part")
    assert list(record) == list(expected)
    assert record["groups"] == expected["groups"]
    assert record["differing_groups"] == expected["differing_groups"]


def test_groups_of_a_frame_keep_their_values() -> None:
    frame = pairs().assign(number=lambda frame: frame["part"].map({"easy": 10, "hard": 9, "9": 1, "10": 7, "ü|x": -2}))
    record = compare(frame, x1_b="u", x2_b="v", group_by="number", bootstrap=0)
    assert [group["group"] for group in record["groups"]] == [-2, 1, 7, 9, 10]
    assert record["differing_groups"] == [7, 10]
