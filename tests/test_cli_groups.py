"""Groups, weights and margins of pairs on the command line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.exact.sums import ProductAccumulator
from mrl_cli.reductions.histogram import HistogramReduction
from tests.each import each
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run mrl in a folder with a few files of pairs."""
    # The two queries of the documentation of TF-Ranking's PairwiseHingeLoss: scores .6 .8 and .5 .8 .4, one relevant.
    (tmp_path / "queries.csv").write_text("query,x1,x2,y,w,m\n1,0.6,0.8,1,1,0\n2,0.8,0.5,1,1,1\n2,0.8,0.4,1,1,2\n")
    return mrl


def record_of(ran: Ran) -> dict[str, Any]:
    return ran.result


def test_published_example_of_two_queries(mrl: Mrl) -> None:
    record = record_of(mrl("compute", "queries.csv", "--margin", "1", "--group-by", "query", "-f", "json"))
    # Losses 1.2; 0.7 and 0.6. Over pairs (RAX): 2.5 / 3. Over the means of queries: (1.2 + 0.65) / 2.
    assert record["mean"] == pytest.approx(2.5 / 3, rel=1e-15)
    assert record["macro_mean"] == pytest.approx(0.925, rel=1e-15)
    assert [(group["group"], group["pairs"]) for group in record["groups"]] == [("1", 1), ("2", 2)]
    assert record["group_by"] == "query"
    assert (record["accuracy"], record["macro_accuracy"]) == (2 / 3, 0.5)


def test_groups_have_the_figures_of_the_whole(mrl: Mrl) -> None:
    record = record_of(mrl("compute", "queries.csv", "--group-by", "query", "--weight", "w", "-f", "json"))
    alone = record_of(mrl("compute", "queries.csv", "--weight", "w", "-f", "json"))
    figures = set(record["groups"][0]) - {"group", "not_finite"}
    assert figures <= set(alone)
    assert {"value", "pairs", "sum", "mean", "accuracy", "accuracy_weighted", "weight", "inside_margin"} <= figures


def test_rows_of_groups_take_no_histogram_of_all_pairs(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = "compute", "queries.csv", "--group-by", "query"
    picture = "--save-plot", "differences.svg"
    asking = [("-f", "json"), ("-f", "tsv", "--fail-if", "difference_quantiles.p50>9"), ("-f", "tsv", *picture)]
    assert all(mrl(*groups, *options).code == 0 for options in asking)  # for the quantiles of all, or their picture
    written = {name: mrl(*groups, "-f", name).out for name in ("csv", "tsv", "jsonl")}

    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(HistogramReduction, "add", refused)
    for name, text in written.items():
        assert mrl(*groups, "-f", name).out == text
    assert all(mrl(*groups, *options).code == 70 for options in asking[:2])


def test_a_bare_number_takes_no_weights_of_correct_pairs(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    weighted = "compute", "queries.csv", "--margin", "1", "--weight", "m", "--raw"
    add, masked = ProductAccumulator.add, list[int]()

    def noted(self: Any, left: Any, right: Any, masks: Any, **ranges: Any) -> None:
        masked.append(len(masks))
        add(self, left, right, masks, **ranges)

    monkeypatch.setattr(ProductAccumulator, "add", noted)
    value = "0.6333333333333333\n"  # (1 * 0.7 + 2 * 0.6) / 3; the first pair weighs nothing
    for options, most in (((), 1), (("--fail-if", "accuracy_weighted<1"), 2), (("--validate",), 2)):
        masked.clear()
        assert (mrl(*weighted, *options).out, max(masked)) == (value, most)
    assert mrl(*weighted, "--fail-if", "accuracy_weighted<1").code == 0
    assert mrl(*weighted, "--fail-if", "accuracy_weighted==1").code == 1


def test_groups_of_floats_are_in_one_order_in_every_format(mrl: Mrl, tmp_path: Path) -> None:
    values = [0.0, 1.0, 0.1, 10.0, 2.5, 1e-05, -1.0]
    table = pa.table({"x1": values, "x2": values, "y": [1] * len(values), "g": values})
    pq.write_table(table, tmp_path / "g.parquet")
    (tmp_path / "g.csv").write_text("x1,x2,y,g\n" + "".join(f"{value:g},0,1,{value:g}\n" for value in values))
    for name in ("g.parquet", "g.csv"):
        path = tmp_path / name
        for args in (["compute", path], ["compare", path, "--x1-b", "x2", "--x2-b", "x1"]):
            groups = mrl(*args, "--group-by", "g", "-f", "json").result["groups"]
            assert [float(group["group"]) for group in groups] == sorted(values)


@pytest.mark.parametrize("output_format", ["csv", "tsv", "jsonl"])
def test_rows_have_the_same_columns_but_for_the_names_of_groups(output_format: str, mrl: Mrl) -> None:
    """One column or several: they come first, and nothing else says what is grouped by."""
    keys = []
    for columns in (["query"], ["query", "w"], ["file"], ["file", "query"]):
        options = [word for name in columns for word in (["--by-file"] if name == "file" else ["--group-by", name])]
        out = mrl("compute", "queries.csv", *options, "-f", output_format).out.splitlines()[0]
        names = list(json.loads(out)) if output_format == "jsonl" else re.split("[,\t]", out)
        assert names[: len(columns)] == columns
        keys.append([name for name in names[len(columns) :] if name != "not_finite"])
    assert keys == keys[:1] * 4
    assert "value" in keys[0]
    assert "group_by" not in keys[0]


@pytest.mark.parametrize("output_format", ["csv", "tsv"])
def test_rows_are_the_groups_called_as_their_column(output_format: str, mrl: Mrl) -> None:
    ran = mrl("compute", "queries.csv", "--group-by", "query", "-f", output_format)
    delimiter = {"csv": ",", "tsv": "\t"}[output_format]
    names, *rows = [line.split(delimiter) for line in ran.out.splitlines()]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    assert names[0] == "query"
    assert [(record["query"], record["pairs"], record["margin"]) for record in records] == [
        ("1", "1", "0.0"),
        ("2", "2", "0.0"),
    ]
    assert not {"rejected", "macro_mean"} & set(names)  # they are of the whole alone
    assert not [name for name in names if "" in {record[name] for record in records}]


def test_lines_are_the_groups_called_as_their_column(mrl: Mrl) -> None:
    lines = [json.loads(line) for line in mrl("compute", "queries.csv", "--by-file", "-f", "jsonl").out.splitlines()]
    assert [(line["file"], line["pairs"]) for line in lines] == [("queries.csv", 3)]


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_people_see_the_total_below_the_groups(output_format: str, mrl: Mrl) -> None:
    ran = mrl("compute", "queries.csv", "--margin", "1", "--group-by", "query", "-f", output_format)
    rows = [line.replace("│", "|").replace("┃", "|").strip("| ") for line in ran.out.splitlines()]
    rows = [" ".join(row.split()) for row in rows if "|" in row]
    first = next(place for place, row in enumerate(rows) if row.startswith("query |"))
    names, *groups = [row.split(" | ")[:3] for row in rows[first : first + 5] if "---" not in row][:4]
    assert names == ["query", "value", "pairs"]
    values = ["1.2000", "0.6500", "0.8333"]
    if output_format == "markdown":
        values = ["1.2000000000000002", "0.6499999999999999", "0.8333333333333334"]
    assert groups == [[key, value, pairs] for key, value, pairs in zip(("1", "2", "total"), values, "123", strict=True)]


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_person_sees_the_groups_made_harmless(output_format: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text('x1,x2,y,g\n1,2,1,"[red]a|\x1b[31m"\n1,2,1,\n')
    ran = mrl("compute", "odd.csv", "--group-by", "g", "-f", output_format)
    assert ran.code == 0
    assert "[red]a" in ran.out
    assert "\\x1b[31m" in ran.out
    assert '""' in ran.out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<img src=x onerror=a&b>", "&lt;img src=x onerror=a&amp;b&gt;"),
        ("![a](b) `c` *d* _e_ f_g", r"![a]\(b) \`c\` \*d\* \_e\_ f_g"),
        (r"\<b>\x", r"\\&lt;b&gt;\x"),
    ],
)
def test_markdown_shows_texts_from_files_as_they_are(text: str, shown: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(f"x1,x2,y,{text}\n1,2,1,{text}\n1,2,1,b\n")
    lines = mrl("compute", "odd.csv", "--group-by", text, "-f", "markdown").out.splitlines()
    assert any(line.startswith(f"| {shown} | value |") for line in lines)  # the column
    assert any(line.startswith(f"| {shown} | 1.0 |") for line in lines)  # the group
    name = text.replace("/", "")
    (tmp_path / f"{name}.csv").write_text("x1,x2,y\n1,2,1\n")
    for args in (["compute", f"{name}.csv", "odd.csv", "--by-file"], ["check", f"{name}.csv"]):
        out = mrl(*args, "-f", "markdown").out
        assert shown.replace("/", "") in out
        title = f"{shown.replace('/', '')}.csv" if args[0] == "check" else "margin_ranking loss of 2 inputs"
        assert f"\n**{title}**\n\n|" in out
        assert "<" not in out


def test_folders_are_groups(mrl: Mrl, tmp_path: Path) -> None:
    for model, y in (("a", 1), ("b", -1)):
        folder = tmp_path / "runs" / f"model={model}"
        folder.mkdir(parents=True)
        (folder / "pairs.csv").write_text(f"x1,x2,y\n1,2,{y}\n")
    record = record_of(mrl("compute", "runs", "--group-by", "model", "-f", "json"))
    assert [(group["group"], group["sum"]) for group in record["groups"]] == [("a", 1.0), ("b", 0.0)]
    rows = mrl("compute", "runs", "--reduction", "none", "--keep-columns", "-f", "csv").out
    assert rows == "x1,x2,y,model,loss\n1,2,1,a,1.0\n1,2,-1,b,0.0\n"


def test_margin_column_is_echoed(mrl: Mrl) -> None:
    record = record_of(mrl("compute", "queries.csv", "--margin-column", "m", "-f", "json"))
    # 0 - (-0.2), 1 - 0.3, 2 - 0.4, each difference rounded as doubles are.
    assert record["sum"] == pytest.approx(0.2 + 0.7 + 1.6, rel=1e-15)
    assert record["margin_column"] == "m"
    assert "margin" not in record


@each(
    ("args", "message"),
    [
        (["--margin", "0", "--margin-column", "m"], "--margin and --margin-column exclude each other"),
        (["--group-by", "query", "--group-by", "query"], "--group-by names the column query twice"),
        (["--group-by", "queri"], "did you mean --group-by query?"),
        (["--weight", "w", "--reduction", "none"], "--weight goes with --reduction mean or sum"),
        (["--by-file", "--reduction", "none"], "--by-file goes with --reduction mean or sum"),
        (["--loss", "ipo", "--margin-column", "m"], "the loss ipo has no margin"),
    ],
)
def test_what_does_not_go_together_is_refused(args: list[str], message: str, mrl: Mrl) -> None:
    mrl("compute", "queries.csv", *args).must_fail(2, message)


def test_bad_weight_and_margin_are_named(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x1,x2,y,w,m\n1,2,1,-1,0\n1,2,1,nan,0\n1,2,1,1,inf\n1,2,1,1,\n")
    ran = mrl("compute", "bad.csv", "--weight", "w", "--margin-column", "m")
    assert ran.code == 3
    for message in (
        "weight below 0",
        "line 2: w is -1",
        "line 3: w is 'nan'",
        "line 4: m is 'inf'",
        "line 5: m is empty",
    ):
        assert message in ran.err
    ran = mrl("compute", "bad.csv", "--weight", "w", "--on-error", "skip", "-f", "json")
    assert (record_of(ran)["pairs"], record_of(ran)["rejected"]) == (2, 2)


def test_all_weights_zero_leave_nothing(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "zero.csv").write_text("x1,x2,y,w\n1,2,1,0\n")
    mrl("compute", "zero.csv", "--weight", "w").must_fail(3, "no pairs in zero.csv: 1 row, all left out")


def test_weights_beyond_the_ordinary_have_their_mean(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("x1,x2,y,w\n0,0.3,1,5e-324\n0,0.3,1,5e-324\n")
    assert record_of(mrl("compute", "small.csv", "--weight", "w", "-f", "json"))["mean"] == 0.3
    (tmp_path / "huge.csv").write_text("x1,x2,y,w\n1,0,1,1e308\n0,10,1,1e308\n")
    record = record_of(mrl("compute", "huge.csv", "--weight", "w", "-f", "json"))
    assert (record["mean"], record["accuracy_weighted"]) == (5.0, 0.5)
    assert record_of(mrl("compute", "huge.csv", "--weight", "w", "--dtype", "float32", "-f", "json"))["mean"] == 5.0


def test_column_of_the_path_and_of_the_file_is_refused(mrl: Mrl, tmp_path: Path) -> None:
    for folder in ("weight=0.5", "y=-1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.csv").write_text("x1,x2,y,weight\n0,1,1,9\n")
    ran = mrl("compute", "weight=0.5/p.csv", "--weight", "weight")
    ran.must_fail(3)
    assert "the path says weight=0.5, and the file has a column weight of its own" in ran.err
    assert mrl("compute", "weight=0.5/p.csv", "--raw").out == "1.0\n"
    assert mrl("compute", "y=-1").code == 3


@pytest.mark.parametrize("key", ["\\ud800", "a\\udc00b"])
def test_key_that_is_no_unicode_is_escaped(key: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text(f'{{"x1":1,"x2":0,"y":1,"g":"{key}"}}\n')
    record = record_of(mrl("compute", "odd.jsonl", "--group-by", "g", "-f", "json"))
    assert [group["group"] for group in record["groups"]] == [key]
    assert mrl("compute", "odd.jsonl", "--reduction", "none", "--keep-columns", "-f", "csv").code == 0
