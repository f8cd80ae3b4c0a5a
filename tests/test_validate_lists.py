"""`mrl validate` on ranked lists: it passes on what is right, finds what is wrong, names what a number is instead."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_cli.lists import measure
from mrl_cli.reductions import queries
from mrl_cli.verify.lists import sample
from tests.each import each
from tests.running import Mrl

Validated = Callable[..., dict[str, Any]]
ROOT = Path(__file__).parent.parent


def lists_text(lists: int, seed: int = 0) -> str:
    """Return lists of 1 to 6 items as CSV; about one in five has no pair."""
    random = np.random.default_rng(seed)
    rows = ["query,topic,label,score,weight"]
    for number in range(lists):
        for _ in range(int(random.integers(1, 7))):
            label, score = random.integers(0, 3), round(random.normal(), 3)
            rows.append(f"q{number},{'ab'[number % 2]},{label},{score},{random.integers(0, 4) / 2}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    (tmp_path / "lists.csv").write_text(lists_text(60))
    return mrl


@pytest.fixture
def validated(mrl: Mrl) -> Validated:
    def checked(*options: str, code: int = 0) -> dict[str, Any]:
        ran = mrl("validate", "lists.csv", "--query", "query", *options, "-f", "json")
        assert ran.code == code, ran
        record: dict[str, Any] = json.loads(ran.out)
        assert record["schema"] == "mrl.validate/1"
        assert record["passed"] == (code == 0) == all(check["passed"] for check in record["checks"])
        return record

    return checked


def test_losses_whose_sum_no_double_holds_are_validated(mrl: Mrl, tmp_path: Path) -> None:
    rows = "".join(f"{query},1,-8e307\n{query},0,8e307\n" for query in "abc")  # softmax: 1.6e308 each
    (tmp_path / "far.csv").write_text(f"query,label,score\n{rows}")
    record = mrl("validate", "far.csv", "--query", "query", "--loss", "softmax", "-f", "json").result
    assert record["passed"]


@each(
    "options",
    [
        "--margin 0.5",
        "--loss squared_hinge --margin 0.1 --weight weight",
        "--loss logistic --reduction query-mean",
        "--loss margin_mse",
        "--lambda-weight ndcg --top 2 --loss logistic",
        "--lambda-weight label_diff --reduction sum",
        "--loss softmax --param target=softmax --reduction sum",
        "--loss approx_ndcg --param temperature=0.1",
        "--labels rank",
        "--group-by topic --margin 0.5",
        "--by-file",
    ],
    quick=3,
)
def test_what_is_right_passes(options: str, validated: Validated) -> None:
    record = validated(*options.split())
    names = [check["name"] for check in record["checks"]]
    assert {"rows", "loop counts of lists", "loop losses of lists", "loop sum", "loop query_mean"} <= set(names)
    assert ("loop groups" in names) == ("--group-by" in options or "--by-file" in options)
    assert record["query_column"] == "query"
    assert record["notes"] == []


def test_a_group_of_lists_without_a_loss_passes(validated: Validated) -> None:
    Path("lists.csv").write_text("query,topic,label,score\na,t,1,0.5\na,t,0,0.25\nb,u,0,0.5\nb,u,0,0.75\n")
    for loss in ("softmax", "margin_ranking"):
        names = [check["name"] for check in validated("--group-by", "topic", "--loss", loss)["checks"]]
        assert "loop groups" in names


def broken(name: str, change: Callable[[Any], Any]) -> Callable[..., Any]:
    true = measure.measured

    def measured(lists: Any, loss: Any, ranking: Any) -> Any:
        found = true(lists, loss, ranking)
        return found._replace(**{name: change(getattr(found, name))})

    return measured


@pytest.mark.parametrize(
    ("figure", "change", "check"),
    [
        ("highest", lambda values: np.nextafter(values, np.inf), "loop range"),
        ("correct", lambda counts: counts + (counts > 3), "loop counts of lists"),
        ("top_half", lambda shares: np.where(shares == 0, 1.0, shares), "loop top accuracy"),
    ],
)
def test_a_wrong_list_is_named(
    figure: str, change: Callable[[Any], Any], check: str, validated: Validated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "measured", broken(figure, change))
    record = validated("--margin", "0.5", code=1)
    failed = {one["name"]: one for one in record["checks"] if not one["passed"]}
    assert check in failed
    assert "query 'q" in failed[check]["note"]
    assert record["mismatch_count"] > 0


def test_lists_that_are_added_twice_are_found(validated: Validated, monkeypatch: pytest.MonkeyPatch) -> None:
    true = queries.QueriesConsumer.add

    def twice(self: Any, result: Any, block: Any) -> None:
        true(self, result, block)
        true(self, result, block)

    monkeypatch.setattr(queries.QueriesConsumer, "add", twice)
    failed = {check["name"]: check for check in validated(code=1)["checks"] if not check["passed"]}
    assert {"loop sum", "loop figures"} <= set(failed)
    assert "queries should be 60, mrl computes 120" in failed["loop figures"]["note"]


@pytest.mark.slow
def test_a_sample_is_the_same_for_any_order_and_says_its_size(mrl: Mrl, validated: Validated) -> None:
    first = validated("--sample", "7", "--seed", "3")
    assert first["notes"] == ["7 of 60 queries were checked, of seed 3"]
    assert not any(check["name"] == "loop sum" for check in first["checks"])
    path = Path("lists.csv")
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert validated("--sample", "7", "--seed", "3")["checks"] == first["checks"]
    others = {validated("--sample", "7", "--seed", str(seed))["checks"][1]["pairs"] for seed in range(5)}
    assert len(others) > 1


def test_only_what_a_few_seconds_allow_is_checked(
    mrl: Mrl, validated: Validated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "MOST_WORK", 100.0)
    assert "of 60 queries were checked" in validated()["notes"][0]
    monkeypatch.setattr(sample, "MOST_WORK", 1.0)
    mrl("validate", "lists.csv", "--query", "query").must_fail(2, "check one with --sample 1, whatever it takes")


def figures(mrl: Mrl, *options: str) -> dict[str, Any]:
    record: dict[str, Any] = mrl("rank", "lists.csv", *options, "-f", "json").result
    return record


def explained(validated: Validated, value: float, *options: str) -> tuple[str, str | None]:
    record = validated(*options, "--expect", repr(value), code=1)
    (explanation,) = record["explanations"]
    assert explanation["proven"], explanation
    return explanation["hypothesis"], explanation.get("hint")


@pytest.mark.parametrize(
    ("asked", "theirs", "words", "hint"),
    [
        pytest.param(
            "--margin 0.5",
            "--margin 0.5 --reduction query-mean",
            "mean over queries",
            "--reduction query-mean",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "--margin 0.5", "--margin 0.5 --reduction sum", "the sum", "--reduction sum", marks=pytest.mark.slow
        ),
        pytest.param(
            "--margin 0.5", "--margin 0.5 --labels rank", "labels are ranks", "--labels rank", marks=pytest.mark.slow
        ),
        ("--margin 0.5 --labels rank", "--margin 0.5", "the higher is better", "without --labels rank"),
        pytest.param(
            "--margin 0.5 --lambda-weight label_diff",
            "--margin 0.5",
            "are left out",
            "without --lambda-weight",
            marks=pytest.mark.slow,
        ),
        ("", "--margin 1", "the margin is 1", "--margin 1"),
        pytest.param("--margin 1", "--loss logistic", "logistic", "--loss logistic --margin 0", marks=pytest.mark.slow),
        pytest.param(
            "--loss logistic",
            "--loss logistic --lambda-weight ndcg",
            "lambda weights",
            "--lambda-weight ndcg",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "--weight weight --margin 0.5",
            "--margin 0.5",
            "weights are left out",
            "without --weight",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "--loss softmax",
            "--loss softmax --param target=raw",
            "target is raw",
            "--param target=raw",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_another_way_is_named_with_the_options_that_give_it(
    asked: str, theirs: str, words: str, hint: str, mrl: Mrl, validated: Validated
) -> None:
    value = figures(mrl, *theirs.split())["value"]
    hypothesis, given = explained(validated, value, *asked.split())
    assert words in hypothesis
    assert given == hint
    if given.startswith("--"):  # then those options, beside the others, give that very number
        names = {part for part in given.split() if part.startswith("--")}
        rest = asked.split()
        kept = [rest[i : i + 2] for i in range(0, len(rest), 2) if rest[i] not in names or rest[i] == "--param"]
        again = figures(mrl, *(part for pair in kept for part in pair), *given.split())["value"]
        assert again == pytest.approx(value, rel=1e-12)


def test_numbers_of_other_libraries_are_named(mrl: Mrl, validated: Validated) -> None:
    found = figures(mrl, "--margin", "1")
    queries_, without = found["queries"], found["queries_without_pairs"]
    assert without
    zeros = found["query_mean"] * (queries_ - without) / queries_
    assert "those without pairs with 0" in explained(validated, zeros, "--margin", "1")[0]
    sizes = [line.split(",")[0] for line in Path("lists.csv").read_text().splitlines()[1:]]
    longest = max(map(sizes.count, set(sizes)))
    keras = found["sum"] / (queries_ * longest)
    assert "TensorFlow Ranking" in explained(validated, keras, "--margin", "1")[0]
    bits = figures(mrl, "--loss", "logistic")["value"] / math.log(2)
    assert "base 2" in explained(validated, bits, "--loss", "logistic")[0]
    accuracy = (found["correct"] + found["ties"]) / found["pairs"]
    if found["ties"]:
        assert "ties" in explained(validated, accuracy, "--margin", "1")[0]


def test_one_list_proves_nothing_of_lists(mrl: Mrl, validated: Validated) -> None:
    rows = "".join(f"q,a,{i % 3},{i * 7 % 11 / 8},1\n" for i in range(12))
    Path("lists.csv").write_text("query,topic,label,score,weight\n" + rows)
    found = figures(mrl, "--margin", "1")
    record = validated("--margin", "1", "--expect", repr(found["sum"] / 12), code=1)
    assert [one["proven"] for one in record["explanations"]] == [False]
    assert record["explanations"][0]["lacks"] == "one query with pairs"


@each(
    ("options", "message"),
    [
        (["--query", "query", "--x1", "score"], "--x1 goes with pairs"),
        (["--query", "query", "--against", "exact"], "--against goes with pairs"),
        (["--query", "query", "--labels", "pm1"], "labels of ranked lists are relevance or rank"),
        (["--query", "query", "--reduction", "none"], "lists have mean, query-mean or sum"),
        (["--query", "query", "--preset", "trl"], "--preset trl is one of pairs"),
        (["--query", "query", "--expect", "1", "--expect", "2"], "more than once"),
        (["--query", "query", "--expect", "inside_margin=1"], "knows no 'inside_margin'"),
        (["--loss", "softmax"], "--loss softmax goes with ranked lists"),
        (["--labels", "rank"], "--labels rank goes with ranked lists"),
        (["--reduction", "query-mean"], "--reduction query-mean goes with ranked lists"),
    ],
)
def test_what_does_not_go_together_is_refused(options: list[str], message: str, mrl: Mrl) -> None:
    mrl("validate", "lists.csv", *options).must_fail(2, message)


def test_lists_in_cells_and_labels_of_any_size(mrl: Mrl) -> None:
    Path("cells.jsonl").write_text(
        '{"label": [2, 0, 1], "score": [0.5, 0.25, 0.75]}\n{"label": [1, 0], "score": [0.5, 0.5]}\n'
    )
    assert mrl("validate", "cells.jsonl", "--label", "label", "--score", "score", "-f", "json").result["pairs"] == 4
    Path("huge.csv").write_text("query,label,score\na,1e300,1\na,0,2\n")
    for options in (["--lambda-weight", "ndcg"], ["--loss", "softmax", "--param", "target=gain"]):
        assert mrl("validate", "huge.csv", "--query", "query", *options, "-f", "json").result["passed"]


def test_queries_without_pairs_count_with_their_weights(mrl: Mrl, tmp_path: Path) -> None:
    rows = ["1,1,.5,1", "1,0,.2,1", "2,1,.1,2", "2,0,.3,2", "3,1,.1,4", "3,1,.3,4", "4,1,.9,3", "4,0,.3,3"]
    (tmp_path / "weighted.csv").write_text("\n".join(["query,label,score,qw", *rows]))
    options = ("--query", "query", "--query-weight", "qw", "-f", "json", "--expect")
    for number, is_explained in ((0.4, True), (0.5, False)):  # 1 + 3 of 10; 2/3 of three of four queries, unweighted
        ran = mrl("validate", "weighted.csv", *options, f"query_accuracy={number}")
        texts = [one["hypothesis"] for one in json.loads(ran.out)["explanations"]]
        assert any("queries without pairs count with 0" in text for text in texts) == is_explained
