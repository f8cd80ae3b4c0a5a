"""`mrl rank` and `mrl pairs`: worked lists, and the same figures from every format, cut, order and number of jobs."""

from __future__ import annotations

import io
import json
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.errors import MachineError
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.reductions import repeats
from mrl_cli.reductions.rows import RejectsReduction
from tests.each import each
from tests.running import Mrl, Ran, run, run_inside

if TYPE_CHECKING:
    from pathlib import Path


# Two queries, one relevant item each, with scores as in the documentation of TF-Ranking's PairwiseHingeLoss.
TWO = "query,label,score\n1,1,0.6\n1,0,0.8\n2,0,0.5\n2,1,0.8\n2,0,0.4\n"
# Scores are multiples of 1/8, so that every difference is a double: then pairs and lists have one sum.
RANDOM = np.random.default_rng(3)
SIZES = [1, 2, 9, 30, 4, 1, 17, 3, 40, 5]
QUERIES = [f"q {place}" for place, size in enumerate(SIZES) for _ in range(size)]
LABELS = RANDOM.integers(0, 4, len(QUERIES)).tolist()
SCORES = (RANDOM.integers(-40, 40, len(QUERIES)) / 8).tolist()
WEIGHTS = RANDOM.choice([0.5, 1.0, 3.0], len(QUERIES)).tolist()
TABLE = pa.table({"query": QUERIES, "label": LABELS, "score": SCORES, "w": WEIGHTS})


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run mrl in a folder with a few files of lists."""
    (tmp_path / "two.csv").write_text(TWO)
    arrow_csv.write_csv(TABLE, tmp_path / "lists.csv")
    return mrl


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what says where it comes from."""
    return {key: value for key, value in record.items() if key not in ("inputs", "notes")}


def test_published_example_over_pairs_and_per_query(mrl: Mrl) -> None:
    record = mrl("rank", "two.csv", "--margin", "1", "-f", "json").result
    # Losses 1.2; 0.7 and 0.6. Over pairs (RAX): 2.5 / 3. Over the means of queries: (1.2 + 0.65) / 2.
    assert (record["schema"], record["rows"], record["queries"], record["pairs"]) == ("mrl.rank/1", 5, 2, 3)
    assert record["value"] == record["mean"] == pytest.approx(0.8333, abs=5e-5)
    assert record["query_mean"] == pytest.approx(0.925, rel=1e-15)
    assert mrl("rank", "two.csv", "--margin", "1", "--reduction", "query-mean", "--raw").out == "0.925\n"
    assert mrl("rank", "two.csv", "--margin", "1", "--reduction", "sum", "--raw").out == "2.5\n"
    assert (record["accuracy"], record["query_accuracy"], record["top_accuracy"]) == (2 / 3, 0.5, 0.5)
    assert (record["min"], record["max"]) == pytest.approx((0.6, 1.2), rel=1e-15)
    assert (record["query_column"], record["label_column"], record["score_column"]) == ("query", "label", "score")


def test_a_query_without_pairs_is_counted_and_never_averaged_as_zero(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(TWO + "3,1,9\n4,0,1\n4,0,2\n")
    plain, more = (mrl("rank", name, "--margin", "1", "-f", "json").result for name in ("two.csv", "more.csv"))
    assert (more["queries"], more["queries_without_pairs"], more["rows"]) == (4, 2, 8)
    same = ("mean", "query_mean", "query_accuracy", "query_accuracy_half", "top_accuracy", "top_accuracy_half", "pairs")
    assert {key: more[key] for key in same} == {key: plain[key] for key in same}
    assert "queries_without_pairs" in mrl("rank", "more.csv", "-f", "table").out
    assert "queries_without_pairs" not in mrl("rank", "two.csv", "-f", "table").out


def test_ranks_are_labels_of_which_the_least_is_best(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "ranks.csv").write_text(TWO.replace(",1,", ",-1,").replace(",0,", ",2,"))
    ranks = mrl("rank", "ranks.csv", "--labels", "rank", "--margin", "1", "-f", "json").result
    assert figures(ranks) == figures(mrl("rank", "two.csv", "--margin", "1", "-f", "json").result) | {"labels": "rank"}


def test_pairs_of_a_query_weigh_its_weight_times_that_of_the_better_item(mrl: Mrl, tmp_path: Path) -> None:
    rows = zip(TWO.splitlines(), ["w,q", "2,3", "9,3", "9,0.5", "4,0.5", "9,0.5"], strict=True)
    (tmp_path / "weights.csv").write_text("".join(f"{row},{weights}\n" for row, weights in rows))
    record = mrl("rank", "weights.csv", "--margin", "1", "--weight", "w", "--query-weight", "q", "-f", "json").result
    # The pair of query 1 weighs 2*3, those of query 2 4*0.5.
    assert record["weight"] == 6 + 2 + 2
    assert record["sum"] == pytest.approx(6 * 1.2 + 2 * 0.7 + 2 * 0.6, rel=1e-15)
    assert record["mean"] == record["sum"] / 10
    assert record["query_mean"] == pytest.approx((3 * 1.2 + 0.5 * 0.65) / 3.5, rel=1e-15)
    assert record["accuracy_weighted"] == 4 / 10
    assert (record["weight_column"], record["query_weight_column"]) == ("w", "q")


@each("options", [[], ["--weight", "w"]])
@each("loss", ["margin_ranking", "squared_hinge", "logistic", "exponential"])
def test_lists_have_the_figures_of_the_pairs_written(loss: str, options: list[str], mrl: Mrl) -> None:
    margin = ["--margin", "0.5"] if LOSSES[loss].has_margin else []
    lists = mrl("rank", "lists.csv", "--loss", loss, *margin, *options, "-f", "json").result
    assert mrl("pairs", "lists.csv", *options, "-o", "pairs.csv", "-q") == Ran(0, "", "")
    weight = ["--weight", "weight"] if options else []
    pairs = mrl("compute", "pairs.csv", "--loss", loss, *margin, *weight, "-f", "json").result
    counts = ["pairs", "correct", "ties", "wrong", "active", "accuracy", "accuracy_half", *(["weight"] * bool(weight))]
    described = ["difference_mean", "difference_sd", "x1_mean", "x2_mean"]  # without weights
    same = [*counts, *described]
    assert {key: lists[key] for key in same} == {key: pairs[key] for key in same}
    for key in ("sum", "mean", "min", "max"):
        assert lists[key] == (pairs[key] if LOSSES[loss].power else pytest.approx(pairs[key], rel=1e-14))


def test_scores_are_described_by_group_and_not_where_nothing_reports_them(
    mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = mrl("rank", "two.csv", "--group-by", "query", "-f", "json").result["groups"]
    described = [[group[key] for key in ("x1_mean", "x2_mean", "difference_mean")] for group in groups]
    # The differences of the second query are 0.3 and 0.4.
    assert described[0] == [0.6, 0.8, pytest.approx(-0.2, rel=1e-15)]
    assert described[1] == pytest.approx([0.8, 0.45, 0.35], rel=1e-15)
    assert groups[1]["difference_sd"] == pytest.approx(math.sqrt(0.005), rel=1e-14)

    def described_anyway(lists: object) -> None:
        pytest.fail(f"{lists} are described")

    monkeypatch.setattr("mrl_cli.reductions.queries.described", described_anyway)
    assert mrl("rank", "two.csv", "--raw").code == mrl("rank", "two.csv", "--per-query").code == 0


def written(path: Path, format_name: str) -> Path:
    """Write the lists in a format; return the file."""
    file = path / f"lists.{format_name}"
    if format_name == "tsv":
        arrow_csv.write_csv(TABLE, file, arrow_csv.WriteOptions(delimiter="\t"))
    elif format_name == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_pylist()))
    elif format_name == "json":
        file.write_text(json.dumps(TABLE.to_pylist()))
    elif format_name == "parquet":
        pq.write_table(TABLE, file, row_group_size=7)
    elif format_name == "arrow":
        feather.write_feather(TABLE, str(file), chunksize=5)
    else:
        arrow_csv.write_csv(TABLE, file)
    return file


@pytest.mark.slow
@each("format_name", ["csv", "tsv", "jsonl", "json", "parquet", "arrow"])
def test_every_format_gives_the_same_figures(format_name: str, mrl: Mrl, tmp_path: Path) -> None:
    options = ["--weight", "w", "--margin", "0.1", "-f", "json"]
    expected = figures(mrl("rank", "lists.csv", *options).result)
    assert figures(mrl("rank", written(tmp_path, format_name), *options).result) == expected


@pytest.mark.slow
def test_any_cut_and_any_jobs_give_the_same_bytes(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--weight", "w", "--margin", "0.1"]
    expected = [mrl("rank", "lists.csv", *options).out, mrl("rank", "lists.csv", *options, "--per-query").out]
    expected.append(mrl("pairs", "lists.csv", *options[:2]).out)
    for block_bytes in (64, 200, 1000):
        monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", block_bytes)
        for jobs in ("1", "3"):
            more = [*options, "--jobs", jobs]
            assert mrl("rank", "lists.csv", *more).out == expected[0]
            assert mrl("rank", "lists.csv", *more, "--per-query").out == expected[1]
            assert mrl("pairs", "lists.csv", *options[:2], "--jobs", jobs).out == expected[2]


def scattered(path: Path) -> Path:
    """Write the lists with their rows in another order."""
    order = np.random.default_rng(1).permutation(len(QUERIES))
    arrow_csv.write_csv(TABLE.take(pa.array(order)), path / "scattered.csv")
    return path / "scattered.csv"


def test_rows_that_stand_apart_are_gathered_and_that_is_said(mrl: Mrl, tmp_path: Path) -> None:
    file, options = scattered(tmp_path), ["--weight", "w", "--margin", "0.1"]
    expected = figures(mrl("rank", "lists.csv", *options, "-f", "json").result)
    ran = mrl("rank", file, *options, "-f", "json")
    assert figures(ran.result) == expected
    assert "note: rows of one query stand apart: all 112 rows were held, in about" in ran.err
    assert figures(mrl("rank", "-", *options, "-f", "json", stdin=file.read_bytes()).result) == expected
    rows = [sorted(mrl("rank", name, *options, "--per-query").out.splitlines()) for name in ("lists.csv", file)]
    assert rows[0] == rows[1]
    refused = mrl("rank", file, "--memory", "2kB")
    assert (refused.code, refused.out) == (2, "")
    assert "hint: sort the file by query" in refused.err


def test_a_query_goes_on_in_the_next_file_but_not_by_file(mrl: Mrl, tmp_path: Path) -> None:
    rows = (tmp_path / "lists.csv").read_text().splitlines(keepends=True)
    for name, part in (("a.csv", rows[:30]), ("b.csv", rows[:1] + rows[30:])):
        (tmp_path / name).write_text("".join(part))
    whole = figures(mrl("rank", "lists.csv", "-f", "json").result)
    assert figures(mrl("rank", "a.csv", "b.csv", "-f", "json").result) == whole
    by_file = mrl("rank", "a.csv", "b.csv", "--by-file", "-f", "json").result
    assert by_file["queries"] == whole["queries"] + 1
    assert [group["rows"] for group in by_file["groups"]] == [29, len(QUERIES) - 29]


def test_a_query_of_several_groups_is_said_to_be_a_list_in_each(mrl: Mrl, tmp_path: Path) -> None:
    rows = ["a,1,1,x", "a,0,3,y", "a,0,2,x", "b,1,1,x", "b,0,3,x"]
    (tmp_path / "g.csv").write_text("\n".join(["query,label,score,g", *rows]))
    whole, grouped = (mrl("rank", "g.csv", *by, "-f", "json") for by in ((), ("--group-by", "g")))
    assert [whole.result["pairs"], grouped.result["pairs"], grouped.result["queries"]] == [3, 2, 3]
    said = "in 1 of 2 queries rows are of several groups, and those of each are a list"
    assert (said in str(grouped.result["notes"]), said in grouped.err, said in whole.err) == (True, True, False)
    (tmp_path / "g.csv").write_text("\n".join(["query,label,score,g", *rows[:1], *rows[2:]]))
    alone, by_group = (mrl("rank", "g.csv", *by, "-f", "json").result for by in ((), ("--group-by", "g")))
    assert {key: by_group[key] for key in figures(alone)} == figures(alone)
    (tmp_path / "again.csv").write_text(TWO)
    assert "leave out --by-file to have them" in mrl("rank", "two.csv", "again.csv", "--by-file").err


def test_groups_and_intervals_have_the_figures_of_their_lists_alone(mrl: Mrl, tmp_path: Path) -> None:
    kinds = pa.array([(query[-1] in "02468" and "even") or "odd" for query in QUERIES])
    table = TABLE.append_column("kind", kinds)
    arrow_csv.write_csv(table, tmp_path / "all.csv")
    arrow_csv.write_csv(table.filter(pa.compute.equal(kinds, "odd")), tmp_path / "odd.csv")
    options = ["--margin", "0.1", "--confidence", "0.9", "-f", "json"]
    grouped = mrl("rank", "all.csv", "--group-by", "kind", *options).result
    odd = mrl("rank", "odd.csv", *options).result
    (group,) = (group for group in grouped["groups"] if group["group"] == "odd")
    assert group == {key: odd.get(key) for key in group if key != "group"} | {"group": "odd"}
    assert grouped["pairs"] == sum(group["pairs"] for group in grouped["groups"])
    assert odd["mean_low"] < odd["mean"] < odd["mean_high"]
    assert odd["query_mean_low"] < odd["query_mean"] < odd["query_mean_high"]


def test_intervals_are_clustered_by_query(mrl: Mrl) -> None:
    mrl("pairs", "lists.csv", "-o", "pairs.csv")
    lists = mrl("rank", "lists.csv", "--margin", "0.5", "--confidence", "0.9", "-f", "json").result
    by_query = ["--cluster", "query", "--confidence", "0.9"]
    pairs = mrl("compute", "pairs.csv", "--margin", "0.5", *by_query, "-f", "json").result
    keys = ("standard_error", "mean_low", "mean_high", "accuracy_low", "accuracy_high")
    assert {key: lists[key] for key in keys} == pytest.approx({key: pairs[key] for key in keys}, rel=1e-12)


@pytest.mark.parametrize("format_name", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_of_queries_say_what_each_comes_to(format_name: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(TWO + "3,1,9\n")
    assert mrl("rank", "more.csv", "--margin", "1", "--per-query", "-o", f"out.{format_name}") == Ran(0, "", "")
    data = (tmp_path / f"out.{format_name}").read_bytes()
    if format_name == "parquet":
        rows = pq.read_table(io.BytesIO(data)).to_pylist()
    elif format_name == "jsonl":
        rows = [json.loads(line) for line in data.splitlines()]
    else:
        delimiter = arrow_csv.ParseOptions(delimiter={"csv": ",", "tsv": "\t"}[format_name])
        rows = arrow_csv.read_csv(io.BytesIO(data), parse_options=delimiter).to_pylist()
    assert [str(row["query"]) for row in rows] == ["1", "2", "3"]
    assert [(row["rows"], row["pairs"], row["correct"], row["wrong"]) for row in rows] == [
        (2, 1, 0, 1),
        (3, 2, 2, 0),
        (1, 0, 0, 0),
    ]
    assert [row["mean"] for row in rows[:2]] == pytest.approx([1.2, 0.65], rel=1e-15)
    assert rows[2]["mean"] is None


@pytest.mark.parametrize("loss", LISTWISE)
def test_losses_of_whole_lists_have_their_mean_over_queries(loss: str, mrl: Mrl) -> None:
    record = mrl("rank", "two.csv", "--loss", loss, "-f", "json").result
    rows = [
        json.loads(line)
        for line in mrl("rank", "two.csv", "--loss", loss, "--per-query", "-f", "jsonl").out.split("\n")[:2]
    ]
    assert record["mean"] == record["query_mean"] == math.fsum(row["mean"] for row in rows) / 2
    assert record["sum"] == math.fsum(row["sum"] for row in rows)
    assert "margin" not in record
    assert "active" not in record


def test_one_pair_of_softmax_is_the_logistic_loss(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("query,label,score\na,1,0.5\na,0,2\n")
    softmax = mrl("rank", "one.csv", "--loss", "softmax", "--raw").out
    assert float(softmax) == pytest.approx(math.log1p(math.exp(1.5)), rel=1e-15)


def test_lambda_weights_are_reported_as_weights(mrl: Mrl) -> None:
    record = mrl("rank", "two.csv", "--margin", "1", "--lambda-weight", "ndcg", "-f", "json").result
    # Gains are 1 and 0. Query 1: ranks 2 and 1; query 2: the relevant item is first, the others second and third.
    first = 1 - 1 / math.log2(3)
    weights = [first, first, 1 - 1 / 2]
    assert record["weight"] == pytest.approx(math.fsum(weights), rel=1e-14)
    expected = math.fsum(w * loss for w, loss in zip(weights, [1.2, 0.7, 0.6], strict=True))
    assert record["sum"] == pytest.approx(expected, rel=1e-14)
    assert record["lambda_weight"] == "ndcg"
    top = mrl("rank", "two.csv", "--margin", "1", "--lambda-weight", "ndcg", "--top", "1", "-f", "json").result
    assert (top["top"], top["weight"]) == (1, 3.0)


def test_a_sample_is_of_the_pairs_and_the_same_for_any_jobs(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = mrl("pairs", "lists.csv").out.splitlines()
    sample = mrl("pairs", "lists.csv", "--sample", "20", "--seed", "7").out.splitlines()
    assert (sample[0], len(sample)) == (pairs[0], 21)
    places = iter(pairs[1:])
    assert all(row in places for row in sample[1:])  # in the same order, and none more often than it is there
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 100)
    assert mrl("pairs", "lists.csv", "--sample", "20", "--seed", "7", "--jobs", "3").out.splitlines() == sample
    assert mrl("pairs", "lists.csv", "--sample", "20", "--seed", "8").out.splitlines() != sample
    everything = mrl("pairs", "lists.csv", "--sample", "99999")
    assert everything.out.splitlines() == pairs
    assert f"no more than {len(pairs) - 1:,} pairs: all of them are written" in everything.err


HEAD = "query,label,score\n"
BAD = {
    "no pairs, one label": (HEAD + "1,1,5\n1,1,6\n", 3, "no pairs: 2 rows in 1 query, none", "label is 1 in every row"),
    "no pairs, own query": (HEAD + "1,1,5\n2,0,6\n", 3, "no pairs: 2 rows in 2 queries, none", "each row has a query"),
    "no pairs": (HEAD + "1,1,5\n1,1,6\n2,0,1\n", 3, "no pairs: 3 rows in 2 queries, none", "in no query are two rows"),
    "infinite score": (HEAD + "1,1,5\n1,0,inf\n", 3, "infinite  ", "--on-error skip"),
    "label is no number": (HEAD + "1,1,5\n1,good,1\n", 3, "line 3: label is 'good'", "--on-error skip"),
    "no query": (HEAD + "1,1,5\n,0,1\n1,0,2\n", 3, "line 3: query is empty", "--on-error skip"),
    "no rows": (HEAD, 3, "no rows in lists.csv", "all header"),
    "names": ("qid,rel,pred\n1,1,5\n", 2, "has no column 'label'", "--query qid --label rel --score pred"),
    "near name": ("query,label,scores\n1,1,5\n", 2, "has no column 'score'", "did you mean --score scores?"),
    "pairs": ("x1,x2,y\n1,2,1\n", 2, "has no column", "use mrl compute"),
}


@each("command", ["rank", "pairs"])
@each("name", BAD)
def test_bad_input_is_refused_with_what_to_do(name: str, command: str, mrl: Mrl, tmp_path: Path) -> None:
    text, code, message, hint = BAD[name]
    (tmp_path / "lists.csv").write_text(text)
    ran = mrl(command, "lists.csv")
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert "hint: " in ran.err
    assert hint in ran.err.partition("hint: ")[2]


def test_hints_for_names_of_columns_go_on(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "ltr.csv").write_text("qid,rel,pred\n1,1,5\n1,0,4\n")
    line = mrl("rank", "ltr.csv").err.partition("did you mean ")[2].strip(" ?\n")
    assert mrl("rank", "ltr.csv", *line.split()).code == 0
    hint = mrl("compute", "ltr.csv").err.partition("use mrl ")[2]
    assert mrl(*hint.split()[:1], "ltr.csv", *hint.split()[1:]).code == 0


def test_a_query_weight_that_changes_is_named_with_its_rows(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("query,label,score,w\n1,1,5,2\n2,1,4,1\n2,0,3,1.5\n")
    ran = mrl("rank", "w.csv", "--query-weight", "w")
    ran.must_fail(3)
    assert "the weight of query '2' changes: it is 1.0 in w.csv, line 3, and 1.5 in w.csv, line 4" in ran.err


def test_a_query_with_too_many_pairs_to_go_through_is_named(mrl: Mrl) -> None:
    options = ["--loss", "approx_ndcg", "-f", "json"]
    refused = mrl("rank", "lists.csv", *options, "--max-pairs", "500")
    message = "query 'q 8' of 40 items has 780 pairs to go through one by one, more than 500"
    assert (refused.code, message in refused.err) == (3, True)
    hint = refused.err.partition("hint: ")[2].split(" goes through")[0]
    allowed = mrl("rank", "lists.csv", *options, *hint.split())
    assert figures(allowed.result) == figures(mrl("rank", "lists.csv", *options).result)


def test_problems_in_a_pipe_cannot_be_taken_back() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb") as out:
        rejects = RejectsReduction(out, "/dev/fd/3")
        with pytest.raises(MachineError) as caught:
            rejects.restart()
    assert caught.value.hint == "write them to a file with --rejects FILE"


USELESS = {
    "--top": (["--top", "3"], "--top goes with --lambda-weight ndcg"),
    "--max-pairs": (["--max-pairs", "9", "--lambda-weight", "ndcg"], "--max-pairs goes with --loss approx_ndcg"),
    "per query and reduction": (["--per-query", "--reduction", "sum"], "--reduction goes with the value"),
    "per query and confidence": (["--per-query", "--confidence", "0.9"], "--confidence goes with the whole"),
    "per query and raw": (["--per-query", "--raw"], "--raw prints one number"),
    "per query and sides": (
        ["--per-query", "--chosen", "a", "--label", "b"],
        "--chosen and --label exclude each other",
    ),
    "whole as Parquet": (["-o", "whole.parquet"], "Parquet output goes with --per-query"),
    "per query as a table": (["--per-query", "-f", "table"], "one line a query, which table does not"),
    "weights of pairs": (["--loss", "softmax", "--weight", "w"], "--weight is of pairs"),
    "lambda of lists": (["--loss", "softmax", "--lambda-weight", "ndcg"], "--lambda-weight is of pairs"),
    "margin of lists": (["--loss", "softmax", "--margin", "1"], "softmax has no margin"),
    "ranks as gains": (
        ["--labels", "rank", "--lambda-weight", "ndcg"],
        "--labels rank does not go with --lambda-weight ndcg",
    ),
    "weighted intervals": (["--lambda-weight", "ndcg", "--confidence", "0.9"], "--lambda-weight does not go with"),
    "size": (["--memory", "lots"], "is not a size"),
    "no such word": (["--loss", "softmax", "--param", "target=all"], "target of the loss softmax must be"),
}


@each("name", USELESS)
def test_options_without_effect_are_refused(name: str, mrl: Mrl) -> None:
    options, message = USELESS[name]
    mrl("rank", "lists.csv", *options).must_fail(2, message)


def test_a_run_fails_by_the_figures_of_lists(mrl: Mrl) -> None:
    assert mrl("rank", "two.csv", "--fail-if", "query_accuracy<0.7").code == 1
    assert mrl("rank", "two.csv", "--fail-if", "top_accuracy<0.3", "--fail-if", "value>2").code == 0
    refused = mrl("rank", "two.csv", "--fail-if", "difference_quantiles.p50<0")
    assert (refused.code, "knows no 'difference_quantiles.p50'" in refused.err) == (2, True)


def test_bad_rows_are_left_out_counted_and_written_down_once(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(TWO + "2,0,nan\n1,x,1\n")  # query 1 comes again
    ran = mrl("rank", "bad.csv", "--margin", "1", "--on-error", "skip", "--rejects", "rejects.csv", "-f", "json")
    assert (ran.result["rejected"], ran.result["pairs"]) == (2, 3)
    assert "2 of 7 rows left out" in ran.err
    assert (tmp_path / "rejects.csv").read_text().splitlines()[0] == "file,row,column,value,problem"
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 3


def test_lists_left_out_are_counted_of_lists(mrl: Mrl, tmp_path: Path) -> None:
    lists = [[1, 0, 2], [1, 0, None], [1, 0], [1, 0, 2]]
    text = "".join(json.dumps({"label": labels, "score": [0.5, 1, 2]}) + "\n" for labels in lists)
    (tmp_path / "lists.jsonl").write_text(text)
    assert "2 of 4 rows left out" in mrl("rank", "lists.jsonl", "--on-error", "skip").err
    (tmp_path / "lists.jsonl").write_text(text.replace("2]", "0]").replace("1, 0", "0, 0"))
    assert "; 2 of 4 rows left out (2 for a problem)" in mrl("rank", "lists.jsonl", "--on-error", "skip").err


def test_rejects_are_not_written_twice_where_rows_are_gathered(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(TWO + "2,0,nan\n1,0,0.1\n")
    ran = mrl("rank", "bad.csv", "--on-error", "skip", "--rejects", "rejects.csv", "-f", "json")
    assert (ran.result["rejected"], ran.result["pairs"]) == (1, 4)
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("line", ["rank", "pairs", "sweep --query query --margins 0", "rank --loss softmax"])
def test_rows_left_out_are_named_where_the_others_have_no_pair(line: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("query,label,score\n1,1,nan\n1,0,0.9\n1,0,x\n")
    command, *options = line.split()
    ran = mrl(command, "bad.csv", *options, "--on-error", "skip", "--rejects", "rejects.csv")
    assert (ran.code, ran.out) == (3, "")
    first, second, *problems = ran.err.splitlines()
    assert "1 row in 1 query" in first
    assert first.endswith("; 2 of 3 rows left out (2 for a problem)")
    assert second == "2 problems in bad.csv (3 rows)"
    assert "line 2: score is 'nan'" in problems[0] + problems[1]
    assert "hint" not in ran.err
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 3


def test_true_and_false_are_labels_in_every_format(mrl: Mrl, tmp_path: Path) -> None:
    words = TWO.replace(",1,", ",true,").replace(",0,", ",false,")
    (tmp_path / "words.csv").write_text(words)
    rows = arrow_csv.read_csv(io.BytesIO(words.encode()))
    pq.write_table(rows, tmp_path / "words.parquet")
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    expected = mrl("rank", "two.csv", "--raw").out
    assert [mrl("rank", f"words.{kind}", "--raw").out for kind in ("csv", "parquet", "jsonl")] == [expected] * 3


def test_queries_are_texts(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(HEAD + "007,1,1\n7,1,2\n07,0,3\n7,0,1\n")
    record = mrl("rank", "texts.csv", "-f", "json").result
    assert (record["queries"], record["pairs"]) == (3, 1)


def test_lists_that_are_upside_down_are_noted(mrl: Mrl, tmp_path: Path) -> None:
    rows = "".join(f"{query},{label},{-label}\n" for query in range(12) for label in (1, 2, 3))
    (tmp_path / "down.csv").write_text(HEAD + rows)
    (tmp_path / "ranks.csv").write_text("query,rank,score\n" + rows)
    assert "wrong order in most queries: is 1 the best label? then --labels rank" in mrl("rank", "down.csv").err
    assert "where 1 is the best, use --labels rank" in mrl("rank", "ranks.csv", "--label", "rank").err
    assert mrl("rank", "ranks.csv", "--label", "rank", "--labels", "rank").err == ""
    few = HEAD + "".join(rows.splitlines(keepends=True)[:9])
    (tmp_path / "few.csv").write_text(few)
    assert mrl("rank", "few.csv").err == ""


def test_a_quote_further_down_leaves_lists_whole(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (tmp_path / "lists.csv").read_text()
    expected = mrl("rank", "lists.csv", "--per-query").out
    head, rest = text[: text.index("q 7")], text[text.index("q 7") :]
    (tmp_path / "quoted.csv").write_text(head.replace('"', "") + rest.replace("q 7", '"q 7"').replace('""', '"'))
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 120)
    monkeypatch.setattr("mrl_cli.inputs.text.HEAD_BYTES", 120)
    assert mrl("rank", "quoted.csv", "--per-query").out == expected


def test_a_weight_beyond_the_doubles_is_refused(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("query,label,score,w\n1,1,5,1e200\n1,0,4,1e200\n")
    mrl("rank", "w.csv", "--query-weight", "w", "--weight", "w").must_fail(3, "beyond the largest double")


def test_accuracies_of_queries_are_weighed_as_their_means(mrl: Mrl, tmp_path: Path) -> None:
    rows = [
        f"{query},{item},{weight}" for query, weight in ((1, 3), (2, 1)) for item in ("1,2", "0,1", "0,5")[: query + 1]
    ]
    (tmp_path / "w.csv").write_text("\n".join(["query,label,score,w", *rows]))
    record = mrl("rank", "w.csv", "--query-weight", "w", "-f", "json").result
    assert record["query_mean"] == (3 * 0 + 1 * 3 / 2) / 4
    assert [record[name] for name in ("query_accuracy", "query_accuracy_half")] == [(3 * 1 + 1 * 0.5) / 4] * 2
    assert [record[name] for name in ("top_accuracy", "top_accuracy_half")] == [3 / 4] * 2
    assert mrl("validate", "w.csv", "--query", "query", "--query-weight", "w").code == 0


@pytest.mark.slow
@each("loss", [("margin_ranking", "--margin", "0.5"), ("ipo",), ("logistic", "--margin", "0.5")])
@each("weights", [("--weight", "w"), ("--query-weight", "v"), ("--weight", "w", "--query-weight", "v")])
def test_pairs_of_weight_0_are_left_out_as_compute_leaves_them_out(
    mrl: Mrl, tmp_path: Path, loss: tuple[str, ...], weights: tuple[str, ...]
) -> None:
    random = np.random.default_rng(8)
    v = dict(zip(dict.fromkeys(QUERIES), [1.0, 0.0, 2.0, 1.0, 1.0, 0.0, 0.5, 3.0, 0.0, 1.0], strict=True))
    more = {"w": random.choice([0.0, 0.5, 2.0], len(QUERIES)), "v": [v[query] for query in QUERIES]}
    arrow_csv.write_csv(pa.table({**TABLE.drop(["w"]).to_pydict(), **more}), tmp_path / "zeros.csv")
    lists = mrl("rank", "zeros.csv", *weights, "--loss", *loss, "-f", "json").result
    assert mrl("pairs", "zeros.csv", *weights, "-o", "pairs.csv").code == 0
    pairs = mrl("compute", "pairs.csv", "--weight", "weight", "--loss", *loss, "-f", "json").result
    assert lists["zero_weight"] > 0
    same = ["pairs", "zero_weight", "correct", "ties", "wrong", "active", "min", "max", "accuracy", "weight"]
    same += ["difference_mean", "difference_sd", "x1_mean", "x2_mean", "accuracy_weighted"]
    assert [lists[name] for name in same] == [pairs[name] for name in same]
    assert lists["sum"] == pytest.approx(pairs["sum"], rel=1e-14)


@pytest.mark.parametrize("by", [(), ("--group-by", "label"), ("--per-query",)])
def test_pairs_that_all_weigh_0_are_not_said_to_be_none(mrl: Mrl, tmp_path: Path, by: tuple[str, ...]) -> None:
    (tmp_path / "zero.csv").write_text("query,label,score,w,v\n1,1,0.5,0,1\n1,0,0.9,1,1\n1,0,0.8,1,1\n2,0,1,1,1\n")
    ran = mrl("rank", "zero.csv", "--weight", "w", "--query-weight", "v", *by)
    assert (ran.code, ran.out) == (3, "")
    if "label" in by:  # each label is a list of its own, without pairs
        assert "no pairs" in ran.err
        return
    assert "every pair has the weight 0: 4 rows in 2 queries have 2 pairs (zero_weight)" in ran.err
    assert "leave out --weight w and --query-weight v, or name others" in ran.err


def test_a_mean_that_no_double_holds_is_infinite(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text("query,label,score,g\na,1,-1.7e308,x\na,0,1.7e308,x\nb,1,2,y\nb,0,1,y\n")
    record = mrl("rank", "far.csv", "--group-by", "g", "-f", "json").result
    far, near = record["groups"]
    assert (far["not_finite"]["difference_mean"], near["difference_mean"]) == ("-Infinity", 1.0)
    assert record["difference_mean"] == -1.7e308  # half of -3.4e308 and 1


def test_rows_write_what_is_not_finite_as_reports_do(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text("query,label,score\na,1,-1e308\na,0,1e308\nb,1,2\nb,0,7\n")
    assert mrl("rank", "far.csv", "--per-query", "-f", "csv").out.splitlines()[1] == "a,2,1,Infinity,Infinity,0,0,1,1"
    assert mrl("pairs", "far.csv", "-o", "far_pairs.csv").code == 0
    assert mrl("compute", "far_pairs.csv", "--reduction", "none").out.splitlines()[1:] == ["Infinity", "5.0"]


@pytest.mark.slow
def test_rank_is_a_process_that_reads_a_pipe() -> None:
    ran = run(["rank", "--margin", "1", "--raw"], stdin=TWO)
    assert ran.code == 0
    assert float(ran.out) == pytest.approx(2.5 / 3, rel=1e-15)


def test_labels_are_not_held_against_themselves(mrl: Mrl) -> None:
    ran = mrl("rank", "lists.csv", "--score", "label")
    ran.must_fail(2)
    assert "--score and --label name one column, 'label'" in ran.err


@pytest.mark.parametrize("of_preset", [(), ("--preset", "rmbench")])
def test_chosen_answers_are_not_held_against_themselves(mrl: Mrl, tmp_path: Path, of_preset: tuple[str, ...]) -> None:
    (tmp_path / "sides.jsonl").write_text('{"good": [2.0, 1.0, 0.0], "bad": [0.5, 1.5, 1.0]}\n')
    ran = mrl("rank", "sides.jsonl", "--chosen", "good", "--rejected", "good", *of_preset)
    ran.must_fail(2)
    assert "--chosen and --rejected name one column, 'good'" in ran.err
    assert mrl("rank", "sides.jsonl", "--chosen", "good", "--rejected", "bad", *of_preset).code == 0


def test_a_whole_number_is_one_query_as_integer_and_as_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7.csv").write_text("query,label,score\n7,1,1\n7,0,3\n")
    (tmp_path / "007.csv").write_text("query,label,score\n007,1,1\n007,0,3\n")
    (tmp_path / "7.0.csv").write_text("query,label,score\n7.0,1,1\n7.0,0,3\n")
    (tmp_path / "d.jsonl").write_text('{"query": 7.0, "label": 0, "score": 3}\n{"query": 7, "label": 0, "score": 3}\n')
    (tmp_path / "d.json").write_text('{"query": [7.0, 7], "label": [0, 0], "score": [3, 3]}')
    pq.write_table(pa.table({"query": [7.0, 7.0], "label": [0, 0], "score": [3.0, 3.0]}), "d.parquet")

    def queries(*names: str) -> list[str]:
        ran = run_inside(["rank", *names, "--per-query", "-f", "csv"], capfd)
        return [line.split(",")[0] for line in ran.out.splitlines()[1:]] or [ran.err]

    for name in ("d.jsonl", "d.json", "d.parquet"):
        assert queries("7.csv", name) == ["7"]
        assert queries("7.csv", name, "007.csv") == ["7", "007"]  # ids are text
    assert queries("7.0.csv") == ["7.0"]
    for names in (("7.csv", "7.0.csv"), ("7.0.csv", "7.csv"), ("7.0.csv", "007.csv", "d.parquet")):
        (message,) = queries(*names)
        assert "queries '7' and '7.0' are one number in two ways" in message


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_rows_of_lists_with_one_query_are_noted_once(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"query": query, "label": [1, 0], "score": [1.0, 3.0]} for query in "abcbac"]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), "p.parquet")
    else:
        (tmp_path / f"p.{form}").write_text(json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows)))
    ran = run_inside(["rank", f"p.{form}", "-f", "json"], capfd)
    word = "line" if form == "jsonl" else "row"
    note = f"query 'b' stands in p.{form}, {word} 2 and in p.{form}, {word} 4: each row is a list of its own"
    assert ran.result["queries"] == 6
    assert ran.err.count("a list of its own") == 1
    assert note in ran.err
    assert note in ran.result["notes"]


def test_rows_of_lists_of_one_group_are_not_noted(mrl: Mrl, tmp_path: Path) -> None:
    row = json.dumps({"g": "a", "label": [1, 0], "score": [1.0, 3.0]})
    (tmp_path / "p.jsonl").write_text(f"{row}\n{row}\n")
    ran = mrl("rank", "p.jsonl", "--group-by", "g", "-f", "jsonl")
    assert (ran.code, json.loads(ran.out.splitlines()[0])["queries"]) == (0, 2)
    assert "a list of its own" not in ran.err


@pytest.mark.parametrize(("most", "first"), [(9, "'b' stands in 1 and in 3"), (3, None)])
def test_which_repeated_query_is_noted_does_not_depend_on_cuts(
    most: int, first: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST_QUERIES", most)
    for cut in range(9):
        for second in range(cut, 9):
            whole = repeats.Repeats()
            for start, stop in ((0, cut), (cut, second), (second, 9)):
                part = repeats.Repeats()
                for place in range(start, stop):
                    part.add(("abcbaccab"[place],), str(place))
                whole.join(part)
            assert (whole.note is None) if first is None else (first in (whole.note or ""))
            assert len(whole.first) <= most


def test_a_loss_of_lists_reports_the_weights_of_queries_that_its_mean_is_divided_by(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text("query,label,score,w\na,1,2,3\na,0,1,3\nb,1,0,2\nb,0,1,2\nc,0,1,8\n")
    record = mrl("rank", "weights.csv", "--loss", "softmax", "--query-weight", "w", "-f", "json").result
    assert record["weight"] == 5.0  # the list without a relevant item has no loss
    assert record["mean"] == pytest.approx(record["sum"] / 5)
    assert "accuracy_weighted" not in record
    assert mrl("validate", "weights.csv", "--query", "query", "--loss", "softmax", "--query-weight", "w").code == 0
