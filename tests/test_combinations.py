"""Groups by several columns, by files and columns: each combination is a group, as if its pairs were alone."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli import evaluate
from mrl_cli.reductions import ledger
from mrl_cli.reports import groups as reported_groups
from tests.each import each
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    pass


# Two models on two subsets, of which a has no "math": 3 groups of unlike sizes. Losses, in order: 0 2 0 | 1 | 4 0.
NAMES = ("model", "subset", "x1", "x2", "y", "w", "p")
ROWS: list[tuple[Any, ...]] = [
    ("a", "chat", 3.0, 1.0, 1, 1.0, "p1"),
    ("b", "chat", 2.0, 1.0, -1, 2.0, "p1"),
    ("a", "chat", 1.0, 3.0, 1, 0.5, "p2"),
    ("b", "math", 0.0, 4.0, 1, 1.0, "p1"),
    ("a", "chat", 0.5, 0.5, -1, 3.0, "p3"),
    ("b", "math", 5.0, 4.0, 1, 1.0, "p4"),
]
LOSSES = {("a", "chat"): [0.0, 2.0, 0.0], ("b", "chat"): [1.0], ("b", "math"): [4.0, 0.0]}


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl compute in a folder with a file of pairs."""
    written("pairs.csv", ROWS)
    return partial(mrl, "compute")


def written(name: str, rows: list[tuple[Any, ...]]) -> str:
    """Write rows in the format of a name."""
    columns = {column: [row[place] for row in rows] for place, column in enumerate(NAMES)}
    if name.endswith(".csv"):
        lines = (",".join(map(str, row)) + "\n" for row in (NAMES, *rows))
        Path(name).write_text("".join(lines))
    elif name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows))
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(columns))
    elif name.endswith(".parquet"):
        pq.write_table(pa.table(columns), name, row_group_size=2)
    else:
        pyarrow.feather.write_feather(pa.table(columns), name)
    return name


def by(*columns: str) -> list[str]:
    return [word for column in columns for word in ("--group-by", column)]


def groups_of(ran: Ran) -> dict[Any, dict[str, Any]]:
    """Return the figures of each group by its name, a list as a tuple."""
    groups = {}
    for group in ran.result["groups"]:
        name = group.pop("group")
        groups[tuple(name) if isinstance(name, list) else name] = group
    return groups


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.json", "p.parquet", "p.feather"])
def test_every_combination_is_a_group_with_its_own_pairs(name: str, mrl: Mrl) -> None:
    record = mrl(written(name, ROWS), *by("model", "subset"), "-f", "json").result
    assert record["group_by"] == ["model", "subset"]
    groups = [(group["group"], group["sum"], group["pairs"], group["max"]) for group in record["groups"]]
    assert groups == [(list(key), sum(of), len(of), max(of)) for key, of in LOSSES.items()]
    means = [sum(of) / len(of) for of in LOSSES.values()]
    assert record["macro_mean"] == pytest.approx(sum(means) / 3, rel=1e-15)
    assert record["macro_accuracy"] == pytest.approx((1 / 3 + 0 + 1 / 2) / 3, rel=1e-15)
    assert (record["sum"], record["pairs"]) == (7.0, 6)


@pytest.mark.parametrize(
    "options", [[], ["--weight", "w"], ["--confidence", "0.9"], ["--cluster", "p"], ["--dtype", "float32"]]
)
def test_combination_is_reported_as_if_it_were_alone(options: list[str], mrl: Mrl) -> None:
    groups = groups_of(mrl("pairs.csv", *by("model", "subset"), *options, "-f", "json"))
    for key, figures in groups.items():
        alone = mrl(written("one.csv", [row for row in ROWS if row[:2] == key]), *options, "-f", "json").result
        assert figures == {name: alone[name] for name in figures}
    assert list(groups) == list(LOSSES)


def test_order_of_the_options_is_that_of_a_name(mrl: Mrl) -> None:
    one, other = (groups_of(mrl("pairs.csv", *by(*names), "-f", "json")) for names in (NAMES[:2], NAMES[1::-1]))
    assert {key[::-1]: figures for key, figures in other.items()} == one
    three = groups_of(mrl("pairs.csv", *by("model", "subset", "y"), "-f", "json"))
    assert list(three) == [
        ("a", "chat", "-1"),
        ("a", "chat", "1"),
        ("b", "chat", "-1"),
        ("b", "math", "1"),
    ]


def test_files_come_first_in_a_name(mrl: Mrl) -> None:
    written("other.jsonl", ROWS[:2])
    ran = mrl("pairs.csv", "other.jsonl", *by("subset"), "--by-file", "-f", "json")
    assert ran.result["group_by"] == ["file", "subset"]
    assert {key: figures["sum"] for key, figures in groups_of(ran).items()} == {
        ("other.jsonl", "chat"): 1.0,
        ("pairs.csv", "chat"): 3.0,
        ("pairs.csv", "math"): 4.0,
    }


def test_folders_and_columns_are_grouped_by_together(mrl: Mrl) -> None:
    for split, rows in (("dev", ROWS[:3]), ("test", ROWS[3:])):
        folder = Path(f"runs/split={split}")
        folder.mkdir(parents=True)
        written(f"{folder}/p.parquet", rows)
    groups = groups_of(mrl("runs", *by("model", "split"), "-f", "json"))
    assert {key: figures["sum"] for key, figures in groups.items()} == {
        ("a", "dev"): 2.0,
        ("a", "test"): 0.0,
        ("b", "dev"): 1.0,
        ("b", "test"): 4.0,
    }


def test_names_that_read_alike_when_joined_stay_apart(mrl: Mrl) -> None:
    rows = [(model, subset, *ROWS[0][2:]) for model, subset in (("a b", "c"), ("a", "b c"), ("", "a b c"), ("7", "07"))]
    groups = groups_of(mrl(written("odd.jsonl", rows), *by("model", "subset"), "-f", "json"))
    assert sorted(groups) == sorted(row[:2] for row in rows)


def test_rows_and_lines_have_a_column_for_each_part(mrl: Mrl) -> None:
    expected = [(*key, sum(of)) for key, of in LOSSES.items()]
    for output_format, delimiter in (("csv", ","), ("tsv", "\t")):
        out = mrl("pairs.csv", *by("model", "subset"), "-f", output_format).out
        names, *rows = csv.reader(out.splitlines(), delimiter=delimiter)
        assert names[:2] == ["model", "subset"]
        assert [(*row[:2], float(row[names.index("sum")])) for row in rows] == expected
    lines = [json.loads(line) for line in mrl("pairs.csv", *by("model", "subset"), "-f", "jsonl").out.splitlines()]
    assert [tuple(line)[:2] for line in lines] == [("model", "subset")] * 3
    assert [(line["model"], line["subset"], line["sum"]) for line in lines] == expected


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_column_that_is_called_as_a_figure_does_not_hide_it(output_format: str, mrl: Mrl) -> None:
    renamed = Path("pairs.csv").read_text().replace("model,subset", "pairs,margin", 1)
    Path("renamed.csv").write_text(renamed)
    out = mrl("renamed.csv", *by("pairs", "margin"), "-f", output_format).out.splitlines()
    first = dict(zip(*csv.reader(out[:2]), strict=True)) if output_format == "csv" else json.loads(out[0])
    assert (first["group.pairs"], first["group.margin"], int(first["pairs"])) == ("a", "chat", 3)


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_people_see_every_part_made_harmless(output_format: str, mrl: Mrl) -> None:
    rows = [("[red]a|\x1b[31m", "", *ROWS[0][2:])]
    text = Path(written("odd.jsonl", rows)).read_text().replace("model", "[blue]|\\u001b")
    Path("odd.jsonl").write_text(text)
    out = mrl("odd.jsonl", *by("[blue]|\x1b", "subset"), "-f", output_format).out
    bar = "\\|" if output_format == "markdown" else "|"
    assert "\x1b" not in out
    assert f" [red]a{bar}\\x1b[31m " in out
    assert f" [blue]{bar}\\x1b " in out  # the column
    assert '""' in out
    assert f"[blue]{bar}\\x1b, subset" in out  # the setting, in the summary


# Conditions on groups.


def test_condition_holds_for_any_group_and_names_those(mrl: Mrl) -> None:
    ran = mrl("pairs.csv", *by("model", "subset"), "--fail-if", "groups.accuracy<0.5", "-f", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["pairs"] == 6
    values = "0.3333333333333333 in 'a' / 'chat', 0.0 in 'b' / 'chat'"
    assert ran.err == f"fail-if: groups.accuracy is {values}, and groups.accuracy<0.5 fails the run\n"
    assert mrl("pairs.csv", *by("model"), "--fail-if", "groups.accuracy<0.3").code == 0
    err = mrl("pairs.csv", *by("model"), "--fail-if", "groups.max>2", "--fail-if", "groups.min<0").err
    assert err == "fail-if: groups.max is 4.0 in 'b', and groups.max>2 fails the run\n"


def test_name_of_a_group_in_a_condition_is_harmless(mrl: Mrl) -> None:
    rows = [("x\x1b[31m\n", "b", *ROWS[1][2:])]
    ran = mrl(written("odd.jsonl", rows), *by("model"), "--fail-if", "groups.accuracy<1")
    assert "0.0 in 'x\\x1b[31m\\n', and" in ran.err


def test_undefined_figure_of_a_group_passes_no_gate(mrl: Mrl) -> None:
    written("ties.csv", [(*ROWS[0][:2], 1.0, 1.0, *ROWS[0][4:]), ROWS[3]])
    ran = mrl("ties.csv", *by("model"), "--fail-if", "groups.accuracy_without_ties>9")
    assert ran.code == 1
    assert "accuracy_without_ties is NaN in 'a', and" in ran.err


def test_very_many_groups_are_not_all_named(mrl: Mrl) -> None:
    written("many.csv", [(f"m{place:03}", *ROWS[1][1:]) for place in range(200)])
    err = mrl("many.csv", *by("model"), "--fail-if", "groups.accuracy<1").err
    assert "'m000', " in err
    assert "'m199'" not in err
    assert "…, and groups.accuracy<1" in err


# What is refused.


@each(
    ("args", "messages"),
    [
        (by("model", "model"), ["--group-by names the column model twice"]),
        (by("model", "y", "model"), ["--group-by names the column model twice"]),
        (by("model", "subst"), ["has no column 'subst'", "did you mean --group-by subset?"]),
        (by("model", ""), ["has no column ''", "--group-by COLUMN"]),
        ([*by("model", "subset"), "--reduction", "none"], ["--group-by goes with --reduction mean or sum"]),
        (["--fail-if", "groups.accuracy<1"], ["--fail-if groups.accuracy goes with --group-by or --by-file"]),
        ([*by("y"), "--fail-if", "groups.acuracy<1"], ["knows no 'groups.acuracy'", "did you mean groups.accuracy?"]),
        ([*by("y"), "--fail-if", "groups.rejected<1"], ["knows no 'groups.rejected'"]),
        ([*by("y"), "--fail-if", "groups.weight<1"], ["groups.weight: this run does not report it"]),
        ([*by("y"), "--fail-if", "groups.section_average<1"], ["groups.section_average: this run does not report it"]),
    ],
)
def test_what_makes_no_groups_is_refused(args: list[str], messages: list[str], mrl: Mrl) -> None:
    ran = mrl("pairs.csv", *args)
    assert (ran.code, ran.out) == (2, "")
    assert not [message for message in messages if message not in ran.err], ran.err


def test_column_that_holds_no_key_is_refused(mrl: Mrl) -> None:
    pq.write_table(pa.table({"x1": [1.0], "x2": [2.0], "y": [1], "k": ["a"], "l": [{"a": 1}]}), "lists.parquet")
    mrl("lists.parquet", *by("k", "l")).must_fail(3, "column l holds struct")


def test_more_combinations_than_are_held_are_refused(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_KEYS", 2)
    mrl("pairs.csv", *by("model", "subset")).must_fail(2, "more than 2 groups")


def test_names_in_the_environment_stand_in_a_line_each(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("blank.csv").write_text(Path("pairs.csv").read_text().replace("model", "the model", 1))
    monkeypatch.setenv("MRL_COMPUTE_GROUP_BY", "the model")
    assert mrl("blank.csv", "-f", "json").result["group_by"] == "the model"
    monkeypatch.setenv("MRL_COMPUTE_GROUP_BY", "the model\nsubset")
    assert mrl("blank.csv", "-f", "json").result["group_by"] == ["the model", "subset"]


# Validation.


@pytest.mark.parametrize("options", [by("model", "subset"), [*by("subset"), "--by-file", "--weight", "w"]])
def test_combinations_are_validated(options: list[str], mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mrl("pairs.csv", *options, "--validate", "-f", "json").result["validation"]["passed"]
    true_group = reported_groups.report_of

    def group(key: tuple[str, ...], figures: dict[str, Any]) -> Any:
        actual = true_group(key, figures)
        return actual.changed(sum=actual.sum + 1) if key[-1] == "math" else actual

    monkeypatch.setattr(reported_groups, "report_of", group)
    ran = mrl("pairs.csv", *options, "--validate", "-f", "json")
    failed = [check for check in json.loads(ran.out)["validation"]["checks"] if not check["passed"]]
    assert (ran.code, [check["name"] for check in failed]) == (1, ["loop groups"])
    assert ", math: sum should be 4.0, mrl computes 5.0" in failed[0]["note"]


# From Python.


def test_frame_by_combinations_has_an_index_of_them() -> None:
    frame = pd.DataFrame(ROWS, columns=NAMES).astype({"subset": "category"})
    groups = evaluate(frame, group_by=["y", "subset", "model"], margin=0.5)
    assert isinstance(groups, pd.DataFrame)
    assert groups.index.names == ["y", "subset", "model"]
    assert groups.index.tolist() == [(-1, "chat", "a"), (-1, "chat", "b"), (1, "chat", "a"), (1, "math", "b")]
    assert groups.index.get_level_values("y").dtype == frame["y"].dtype
    assert groups["sum"].tolist() == [0.5, 1.5, 2.5, 4.5]
    assert groups["pairs"].loc[(1, "math")].tolist() == [2]
    assert groups.attrs["total"]["group_by"] == ["y", "subset", "model"]
    assert groups.attrs["total"]["sum"] == 9.0


def test_list_of_one_column_is_that_column() -> None:
    frame = pd.DataFrame(ROWS, columns=NAMES)
    one, listed = (evaluate(frame, group_by=name) for name in ("model", ["model"]))
    assert isinstance(one, pd.DataFrame)
    assert isinstance(listed, pd.DataFrame)
    pd.testing.assert_frame_equal(one, listed)
    assert (listed.index.name, listed.attrs["total"]["group_by"]) == ("model", "model")


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        (["model", "model"], "group_by names the column model twice"),
        (["model", None], "group_by must name columns, not None"),
        ([], "group_by is an empty list; name a column"),
        (["model", "subst"], "did you mean group_by='subset'"),
        (("model", "subset"), "no column"),  # a tuple is the name of one column, as in pandas
    ],
)
def test_columns_that_make_no_groups_of_a_frame_are_refused(group_by: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", "\\(")):
        evaluate(pd.DataFrame(ROWS, columns=NAMES), group_by=group_by)


# RewardBench's sections of each model.

SUBSETS = ["alpacaeval-easy", "llmbar-natural", "donotanswer", "math-prm", "hep-python"]
# How many of 10 pairs a model has right in each subset; math-prm counts for 984 and hep-python for 164.
RIGHT = {"acme/a": [9, 8, 7, 10, 8], "acme/b": [6, 8, 7, 6, 4]}
SECTIONS = {
    model: {"Chat": a / 10, "Chat Hard": b / 10, "Safety": c / 10, "Reasoning": (d / 10 * 984 + e / 10 * 164) / 1148}
    for model, (a, b, c, d, e) in RIGHT.items()
}
FILES = {"acme/a": "a.json", "acme/b": "b.json"}


@pytest.fixture
def leaderboard(mrl: Mrl) -> Mrl:
    """Write RewardBench's scores of two models, in columns with the pairs of subsets interleaved; run the preset."""
    for model, right in RIGHT.items():
        scores = [[1.0 if pair < right[place % 5] else -1.0] for pair in range(10) for place in range(5)]
        columns = {"scores_chosen": scores, "scores_rejected": [[0.0]] * 50, "subset": SUBSETS * 10, "model": model}
        Path(FILES[model]).write_text(json.dumps(columns))
    return lambda *args: mrl("a.json", "b.json", "--preset", "rewardbench", *args)


def sections_in(record: dict[str, Any]) -> dict[str, float]:
    return {section["section"]: section["accuracy"] for section in record["sections"]}


@pytest.mark.parametrize("options", [["--by-file"], by("model"), [*by("model"), "--by-file"], by("model", "subset")])
def test_sections_are_those_of_each_model(options: list[str], leaderboard: Mrl) -> None:
    record = leaderboard(*options, "-f", "json").result
    is_by_subset = "subset" in options
    groups = record["section_groups" if is_by_subset else "groups"]
    models = {"a.json": "acme/a", "b.json": "acme/b"}
    assert len(groups) == 2
    for group, model in zip(groups, RIGHT, strict=True):
        name = group["group"] if isinstance(group["group"], str) else group["group"][-1]
        assert models.get(name, name) == model
        assert sections_in(group) == SECTIONS[model]
        assert group["section_average"] == pytest.approx(sum(SECTIONS[model].values()) / 4, rel=1e-15)
        assert [section["pairs"] for section in group["sections"]] == [10, 10, 10, 20]
    assert len(record["groups"]) == (10 if is_by_subset else 2)
    assert record.get("sections_by") == ("model" if is_by_subset else None)
    # The whole is what the two files are without groups.
    whole = leaderboard("-f", "json").result
    assert (record["sections"], record["section_average"]) == (whole["sections"], whole["section_average"])
    assert "sections" not in whole["groups"][0]


@pytest.mark.slow
def test_sections_of_a_model_are_those_of_its_file_alone(leaderboard: Mrl, mrl: Mrl) -> None:
    for options in ([], ["--cluster", "subset"], ["--confidence", "0.9"]):
        groups = leaderboard("--by-file", *options, "-f", "json").result["groups"]
        for group in groups:
            alone = mrl(group.pop("group"), "--preset", "rewardbench", *options, "-f", "json").result
            assert group == {key: alone[key] for key in group}


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_people_see_a_row_of_sections_for_each_model(output_format: str, leaderboard: Mrl) -> None:
    for options in (by("model"), by("model", "subset")):
        out = leaderboard(*options, "-f", output_format).out.replace("│", "|").replace("┃", "|")
        rows = [" ".join(line.strip("| ").split()) for line in out.splitlines()]
        assert "model | section_average | Chat | Chat Hard | Safety | Reasoning" in rows
        found = {
            name: list(map(float, of))
            for name, *of in (row.split(" | ") for row in rows)
            if name in ("acme/a", "acme/b", "total") and len(of) == 5
        }
        assert found["acme/a"] == pytest.approx([0.842857, 0.9, 0.8, 0.7, 0.971429], abs=1e-4)
        assert found["acme/b"] == pytest.approx([0.667857, 0.6, 0.8, 0.7, 0.571429], abs=1e-4)
        assert found["total"] == pytest.approx([0.755357, 0.75, 0.8, 0.7, 0.771429], abs=1e-4)


def test_rows_and_conditions_have_the_average_of_each_model(leaderboard: Mrl) -> None:
    names, *rows = csv.reader(leaderboard("--by-file", "-f", "csv").out.splitlines())
    averages = {row[0]: float(row[names.index("section_average")]) for row in rows}
    assert averages == pytest.approx({"a.json": 0.842857, "b.json": 0.667857}, abs=1e-6)
    lines = [json.loads(line) for line in leaderboard("--by-file", "-f", "jsonl").out.splitlines()]
    assert {line["file"]: sections_in(line) for line in lines} == {FILES[m]: SECTIONS[m] for m in RIGHT}
    ran = leaderboard("--by-file", "--fail-if", "groups.section_average<0.7")
    assert ran.code == 1
    assert "groups.section_average is 0.66785" in ran.err
    assert "in 'b.json', and" in ran.err


def test_model_without_a_section_has_the_average_of_the_others(leaderboard: Mrl) -> None:
    columns = json.loads(Path("b.json").read_text())
    kept = [place for place, name in enumerate(columns["subset"]) if name not in ("donotanswer", "math-prm")]
    for key in ("scores_chosen", "scores_rejected", "subset"):
        columns[key] = [columns[key][place] for place in kept]
    columns["subset"] = ["shp" if name == "hep-python" else name for name in columns["subset"]]
    Path("b.json").write_text(json.dumps(columns))
    ran = leaderboard("--by-file", "-f", "json")
    assert sections_in(ran.result["groups"][1]) == {"Chat": 0.6, "Chat Hard": 0.8}
    assert ran.result["groups"][1]["section_average"] == 0.7
    assert ran.result["subsets_without_section"] == ["shp"]
    assert "| b.json | 0.7 | 0.6 | 0.8 |  |  |" in leaderboard("--by-file", "-f", "markdown").out


def test_files_without_subsets_have_no_sections(mrl: Mrl) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        Path(name).write_text('{"chosen":1.0,"rejected":0.5}\n')
    record = mrl("a.jsonl", "b.jsonl", "--preset", "rewardbench", "--by-file", "-f", "json").result
    assert "sections" not in record
    assert [group["pairs"] for group in record["groups"]] == [1, 1]
