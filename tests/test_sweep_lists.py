"""`mrl sweep` on ranked lists: at every margin the digits of `mrl rank` at that margin, whatever way lists go."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest

from mrl_cli import rank_loss, rank_sweep
from mrl_cli.losses import LOSSES
from mrl_cli.reductions import listcurve
from tests.list_oracle import each, lists_of, pairs_of
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow

MARGINS = "-0.3,0,0.5,1e8,0.5"
WITH_MARGIN = [name for name, loss in LOSSES.items() if loss.has_margin]
SIZES = (1, 2, 40, 0, 7, 66, 3, 25)
OPTIONS: dict[str, list[str]] = {
    "plain": [],
    "weight": ["--weight", "w"],
    "query weight": ["--query-weight", "qw", "--weight", "w"],
    "sum": ["--reduction", "sum"],
    "query-mean": ["--reduction", "query-mean", "--query-weight", "qw"],
    "labels": ["--lambda-weight", "label_diff"],
    "ndcg": ["--lambda-weight", "ndcg", "--top", "3"],
    "rank": ["--labels", "rank"],
}


def written(path: Path, label: str = "five", score: str = "at the kink", sizes: tuple[int, ...] = SIZES) -> None:
    """Write lists as rows, weighted."""
    lists = lists_of(label, score, sizes)
    random = np.random.default_rng(5)
    of_queries = random.choice([0.5, 1.0, 3.0], lists.size)[lists.numbers]
    columns = {"query": lists.numbers, "label": lists.labels, "score": lists.scores}
    weights = random.integers(0, 4, lists.scores.size) * 0.1
    arrow_csv.write_csv(pa.table(columns | {"w": weights, "qw": of_queries}), path)


def swept(mrl: Mrl, *options: str) -> dict[str, Any]:
    return mrl("sweep", "lists.csv", "--query", "query", "--margins", MARGINS, *options, "-f", "json").result


def ranked_at_margins(mrl: Mrl, *options: str) -> dict[str, dict[str, Any]]:
    """Return what `mrl rank` finds, by the texts of the margins."""
    runs = {
        text: mrl("rank", "lists.csv", f"--margin={text}", *options, "-f", "json") for text in {*MARGINS.split(",")}
    }
    return {text: ran.result for text, ran in runs.items()}


def check_against(ranked_at: dict[str, dict[str, Any]], record: dict[str, Any]) -> None:
    points = record.pop("points")
    assert [point["margin"] for point in points] == [float(text) for text in MARGINS.split(",")]
    for text, point in zip(MARGINS.split(","), points, strict=True):
        ranked = ranked_at[text]
        keys = ["margin", "value", "sum", "mean", "active", *(["query_mean"] if "query_mean" in point else [])]
        assert {key: point[key] for key in keys} == {key: ranked[key] for key in keys}
        assert point["active_share"] == ranked["active"] / ranked["pairs"]
        same = record.keys() - {"schema"}
        assert {key: record[key] for key in same} == {key: ranked[key] for key in same}


@pytest.mark.parametrize("score", ["normal", "mixed", "at the kink", "near 1e15"])
@pytest.mark.parametrize("loss", WITH_MARGIN)
def test_a_margin_has_the_digits_of_rank(
    loss: str, score: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "lists.csv", "real", score)
    ranked_at = ranked_at_margins(mrl, "--loss", loss)
    for pairs_per_pass in (0, 1, 100) if LOSSES[loss].is_hinge else (0,):  # none by pairs, some, all
        monkeypatch.setattr(listcurve, "PAIRS_PER_PASS", pairs_per_pass)
        check_against(ranked_at, swept(mrl, "--loss", loss))


@pytest.mark.parametrize("loss", WITH_MARGIN)
@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_rank_hold_at_every_margin(name: str, loss: str, mrl: Mrl, tmp_path: Path) -> None:
    written(tmp_path / "lists.csv")
    options = ["--loss", loss, *OPTIONS[name]]
    record = swept(mrl, *options)
    assert ("query_mean" in record["points"][0]) == (name == "query-mean")
    check_against(ranked_at_margins(mrl, *options), record)


@pytest.mark.parametrize("pairs_per_pass", [0, 100])
@pytest.mark.parametrize("loss", ["margin_ranking", "squared_hinge"])
@pytest.mark.parametrize("score", ["at the kink", "ties", "mixed", "huge", "subnormal"])
def test_shares_are_of_real_differences(
    score: str, loss: str, pairs_per_pass: int, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "lists.csv", "five", score)
    monkeypatch.setattr(listcurve, "PAIRS_PER_PASS", pairs_per_pass)
    lists = lists_of("five", score, SIZES)
    differences = [pair.difference for _, one in each(lists) for pair in pairs_of(one)]
    at_kink = 0
    for point in swept(mrl, "--loss", loss)["points"]:
        margin = Fraction(point["margin"])
        below, reached = (sum(map(test, differences)) for test in (margin.__gt__, margin.__ge__))
        at_kink += reached - below
        passing = reached if loss == "margin_ranking" else below
        assert (point["active"], point["active_share"]) == (below, below / len(differences))
        assert point["gradient_share"] == passing / len(differences)
    assert at_kink > 0 or score in ("mixed", "huge")


def test_a_loss_that_is_no_hinge_has_no_share_of_gradients(mrl: Mrl, tmp_path: Path) -> None:
    written(tmp_path / "lists.csv")
    assert all("gradient_share" not in point for point in swept(mrl, "--loss", "logistic")["points"])


@pytest.mark.parametrize("loss", WITH_MARGIN)
def test_no_cut_order_or_number_of_jobs_changes_a_digit(
    loss: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "lists.csv")
    expected = swept(mrl, "--loss", loss)["points"]
    head, *rows = (tmp_path / "lists.csv").read_text().splitlines()
    cuts = [0, 17, 30, 99, len(rows)]
    for number, (start, stop) in enumerate(pairwise(cuts)):
        (tmp_path / f"part{number}.csv").write_text("\n".join([head, *rows[start:stop], ""]))
    options = ["--query", "query", "--margins", MARGINS, "--loss", loss, "-f", "json"]
    for jobs in ("1", "3"):
        assert mrl("sweep", "part*.csv", *options, "--jobs", jobs).result["points"] == expected
    (tmp_path / "scattered.csv").write_text("\n".join([head, *rows[::2], *rows[1::2], ""]))
    scattered = mrl("sweep", "scattered.csv", *options)
    assert scattered.result["points"] == expected
    assert "rows of one query stand apart" in scattered.err
    cells = [json.dumps({"label": [2, 0, 1], "score": [0.5, 0.25, 1.0]}), json.dumps({"label": [1], "score": [2]})]
    (tmp_path / "cells.jsonl").write_text("\n".join(cells))
    points = mrl("sweep", "cells.jsonl", "--label", "label", *options[2:]).result["points"]
    for point in points:
        ranked = mrl("rank", "cells.jsonl", f"--margin={point['margin']}", "--loss", loss, "-f", "json").result
        assert (point["sum"], point["active"]) == (ranked["sum"], ranked["active"])


def test_lines_have_a_margin_each(mrl: Mrl, tmp_path: Path) -> None:
    written(tmp_path / "lists.csv")
    record = swept(mrl, "--unjudged", "0", "--weight", "w")
    lines = mrl(
        "sweep",
        "lists.csv",
        "--query",
        "query",
        "--margins",
        MARGINS,
        *["--unjudged", "0", "--weight", "w", "-f", "jsonl"],
    )
    rows = [json.loads(line) for line in lines.out.splitlines()]
    assert [row["value"] for row in rows] == [point["value"] for point in record["points"]]
    for row in rows:
        same = ("rows", "queries", "queries_without_pairs", "pairs", "unjudged", "rejected", "weight", "query_column")
        assert {key: row[key] for key in same} == {key: record[key] for key in same}
    assert record["unjudged"] > 0
    table = mrl("sweep", "lists.csv", "--query", "query", "--margins", "0,1", "-f", "table").out
    assert "margin_ranking loss of lists.csv" in table
    assert "gradient_share" in table


PAIRS = "x1,x2,y\n1,2,1\n3,1,1\n"
REFUSED = {
    "sweep lists.csv --query query --margins 0 --loss ipo": "no margin",
    "sweep lists.csv --query query --margins 0 --loss softmax": "softmax",
    "sweep lists.csv --query query --margins 0 --x1 score": "--x1 goes with pairs",
    "sweep lists.csv --query query --margins 0 --dtype float32": "--dtype goes with pairs",
    "sweep lists.csv --query query --margins 0 --labels 01": "--labels 01 is a rule of pairs",
    "sweep lists.csv --query query --margins 0 --preset trl": "--preset trl is one of pairs",
    "sweep lists.csv --query query --margins 0 --top 3": "--top goes with --lambda-weight ndcg",
    "sweep lists.csv --query query --margins 0 --missing zero": "--missing goes with --qrels",
    "sweep lists.csv --query query --margins 0 --margin 1": "--margin",
    "sweep lists.csv --query query --margins 0 --group-by w": "--group-by",
    "sweep lists.csv --query query --margins 0 -o out.parquet": "sweep writes no Parquet",
    "sweep lists.csv --query nope --margins 0": "no column 'nope'",
    "sweep pairs.csv --margins 0 --reduction query-mean": "--reduction query-mean goes with ranked lists",
    "sweep pairs.csv --margins 0 --labels rank": "--labels rank goes with ranked lists",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_has_no_effect_or_no_meaning_is_refused(line: str, mrl: Mrl, tmp_path: Path) -> None:
    written(tmp_path / "lists.csv")
    (tmp_path / "pairs.csv").write_text(PAIRS)
    ran = mrl(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert REFUSED[line] in ran.err.splitlines()[0]


@pytest.mark.parametrize("loss", WITH_MARGIN)
def test_no_pairs_are_an_error(loss: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("query,label,score,w\n1,1,2,0\n1,1,3,0\n2,0,1,0\n")
    mrl("sweep", "lists.csv", "--query", "query", "--margins", "0,1", "--loss", loss).must_fail(
        3, "no pairs: 3 rows in 2 queries, none with two different labels"
    )
    (tmp_path / "lists.csv").write_text("query,label,score,w\n1,1,2,0\n1,0,3,0\n2,0,1,0\n")
    mrl("sweep", "lists.csv", "--query", "query", "--margins", "0,1", "--loss", loss, "--weight", "w").must_fail(
        3, "every pair has the weight 0: 3 rows in 2 queries"
    )


def test_a_preset_of_lists_is_swept(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("ranking,rewards\n")
    row = {"ranking": [1, 2, 3], "rewards": [2.5, 1.0, 2.0]}
    (tmp_path / "lists.jsonl").write_text(json.dumps(row) + "\n")
    record = mrl("sweep", "lists.jsonl", "--preset", "imagereward", "--margins", "0,1", "-f", "json").result
    assert (record["labels"], record["preset"], record["pairs"]) == ("rank", "imagereward", 3)
    # d: 1.5, 0.5 and -1: at margin 0 a loss of 1, at 1 one of 0.5 and one of 2.
    assert [point["sum"] for point in record["points"]] == [1.0, 2.5]


@pytest.mark.parametrize("reduction", ["mean", "sum", "query-mean"])
@pytest.mark.parametrize("loss", WITH_MARGIN)
def test_arrays_have_the_digits_of_rank_loss(loss: str, reduction: Any) -> None:
    lists = lists_of("five", "at the kink", SIZES, weighted=True)
    given = lists.scores, lists.labels, lists.numbers
    for settings in ({}, {"weight": lists.weights}, {"lambda_weight": "label_diff"}):
        how: Any = {"loss": loss, "reduction": reduction, **settings}
        points = rank_sweep(*given, margins=[0.5, -0.3, 0.5], **how)
        assert [point["value"] for point in points] == [rank_loss(*given, margin=m, **how) for m in (0.5, -0.3, 0.5)]
        assert points[0] == points[2]


@pytest.mark.parametrize("reduction", ["mean", "sum", "query-mean"])
@pytest.mark.parametrize("loss", WITH_MARGIN)
def test_over_nothing_a_mean_is_undefined(loss: str, reduction: Any) -> None:
    for given in (([], []), ([1.0], [0]), ([1.0, 2.0], [3, 3])):
        (point,) = rank_sweep(*given, margins=0.5, loss=loss, reduction=reduction)
        assert (point["sum"], point["active"]) == (0.0, 0)
        assert all(math.isnan(point[key]) for key in ("mean", "active_share"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"margins": []}, "no margins"),
        ({"margins": [[1.0]]}, "shape"),
        ({"margins": [math.inf]}, "finite"),
        ({"loss": "ipo"}, "no margin"),
        ({"loss": "softmax"}, "margin"),
        ({"reduction": "none"}, "reduction"),
        ({"top": 3}, "lambda_weight"),
    ],
)
def test_what_makes_no_sweep_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rank_sweep([1.0, 2.0], [0, 1], **{"margins": [0.5]} | changes)
