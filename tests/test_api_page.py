"""`mrl_cli.report`: the page of a DataFrame is that of the command on the same pairs."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mrl_cli
from mrl_cli.api import page as api_page
from tests.each import mostly_slow
from tests.running import Mrl
from tests.test_page import HOSTILE, Page, drawn, write_csv


@pytest.mark.parametrize(
    ("settings", "args"),
    [
        pytest.param(
            {"margin": 0.5, "group_by": "group"}, ["--margin", "0.5", "--group-by", "group"], marks=pytest.mark.slow
        ),
        ({"x1_b": "x2", "x2_b": "x1", "worst": 0}, ["--x1-b", "x2", "--x2-b", "x1", "--worst", "0"]),
        pytest.param(
            {"weight": "w", "loss": "logistic", "title": "T"},
            ["--weight", "w", "--loss", "logistic", "--title", "T"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_page_is_that_of_the_command(settings: dict[str, Any], args: list[str], mrl: Mrl) -> None:
    columns = drawn() | {"w": np.arange(400) % 3}
    write_csv(Path("pairs.csv"), columns)
    ran = mrl("report", "pairs.csv", *args)
    assert ran.code == 0, ran.err
    source = mrl_cli.report(pd.DataFrame(columns), **settings).html
    # Of a file lines are counted, from 1 and with the header; of a frame rows, from 0. Each tells how it was made.
    own = r"(?s)<pre><code>.*?</code></pre>|<h2[^>]*>The worst pair.*?</section>|(?<=<bdi>)(pairs.csv|the frame)(?= ·)"
    assert re.sub(own, "", source) == re.sub(own, "", ran.out).replace(" of pairs.csv", "")
    here, there = (Page(text).downloads.get("worst-pairs", []) for text in (source, ran.out))
    assert len(here) == settings.get("worst", 20)
    assert [int(row.pop("line")) - 2 for row in there] == [int(row.pop("row")) for row in here]
    assert here == there


def test_a_page_says_the_call_that_makes_it_again() -> None:
    frame = pd.DataFrame(drawn(50))
    page = mrl_cli.report(frame, group_by=["group", "y"], worst=3, loss="logistic", temperature=0.5)
    call = Page(page.html).root.all("code")[0].text.removesuffix('.save("report.html")')
    assert eval(call, {"mrl_cli": mrl_cli, "frame": frame}).html == page.html


def test_arrays_and_tables_give_the_same_page() -> None:
    columns = drawn(60)
    page = mrl_cli.report(pd.DataFrame(columns)).html
    assert mrl_cli.report(columns).html == page
    assert mrl_cli.report(pa.table(columns)).html == page


@pytest.mark.parametrize("name", mostly_slow(HOSTILE, quick=1))
def test_hostile_names_are_harmless(name: str) -> None:
    hostile = HOSTILE[name]
    columns = drawn(60)
    frame = pd.DataFrame(columns).rename(columns={"x1": hostile, "group": f"g{hostile}"})
    frame["other"] = hostile
    frame.index = pd.Index([f"{hostile}{place}" for place in range(60)], name=f"i{hostile}")
    kept = frame.copy()
    source = mrl_cli.report(frame, x1=hostile, group_by=f"g{hostile}", title=hostile, worst=3).html
    pd.testing.assert_frame_equal(frame, kept)
    page = Page(source)
    tags = {one.tag for one in page.root}
    assert tags.isdisjoint({"img", "iframe", "object"})
    assert len(page.root.all("script")) == len(page.root.all("style")) == 1
    assert not [name for one in page.root for name in one.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", source)
    first = page.downloads["worst-pairs"][0]
    assert first["other"].startswith(hostile[:1]) or name in ("right to left", "control")


def test_rows_are_named_by_their_labels_where_these_are_others() -> None:
    frame = pd.DataFrame({"x1": [0.0, 5.0], "x2": [3.0, 1.0], "y": [1, 1], "note": [None, "n"]}, index=["first", "b"])
    (row,) = Page(mrl_cli.report(frame, worst=1).html).downloads["worst-pairs"]
    numbers = {"row": "0", "loss": "3.0", "d": "-3.0", "x1": "0.0", "x2": "3.0", "y": "1.0"}
    assert row == numbers | {"label": "first", "note": ""}
    frame.index = pd.RangeIndex(2)
    (row,) = Page(mrl_cli.report(frame, worst=1).html).downloads["worst-pairs"]
    assert "label" not in row


def test_a_page_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    page = mrl_cli.report(drawn(20))
    page.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == page.html
    with pytest.raises(OSError, match="cannot write"):
        page.save(tmp_path / "no" / "report.html")
    with pytest.raises(ValueError, match=r"a page is HTML: end the name in \.html"):
        page.save(tmp_path / "report.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    page.save(tmp_path / "report")  # as mrl report -o does
    assert (tmp_path / "report").read_text("utf-8") == page.html


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"worst": -1}, "worst must be a whole number, from 0 to 1,000"),
        ({"worst": 1001}, "worst must be a whole number, from 0 to 1,000"),
        ({"reduction": "none"}, "reduction"),
        ({"x1_b": "x1"}, "x2_b must name a column"),
        (
            {"x1_b": "x2", "x2_b": "x1", "weight": "y"},
            "two models are compared without weights\nhint: leave out weight",
        ),
        ({"depth": 3}, "there is no argument 'depth'"),
        ({"x1": "score"}, "no column 'score'"),
    ],
)
def test_what_makes_no_page_is_a_value_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mrl_cli.report(drawn(20), **settings)


def test_calibration_is_no_argument_and_jinja2_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="no argument calibration"):
        mrl_cli.report(drawn(20), calibration=True)  # type: ignore[call-arg] # mypy knows too
    monkeypatch.setattr(api_page, "find_spec", lambda name: None if name == "jinja2" else util.find_spec(name))
    with pytest.raises(ImportError, match=r"pip install 'jinja2>=3.1'"):
        mrl_cli.report(drawn(20))


@pytest.mark.parametrize(
    ("settings", "args"),
    [
        pytest.param(
            {"query": "query", "margin": 0.5, "group_by": "topic", "worst": 3},
            ["--margin", "0.5", "--group-by", "topic", "--worst", "3"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"top": 2, "lambda_weight": "ndcg", "title": "T"},
            ["--top", "2", "--lambda-weight", "ndcg", "--title", "T"],
            marks=pytest.mark.slow,
        ),
        ({"score": "score", "weight": "w", "worst": 0}, ["--weight", "w", "--worst", "0"]),
    ],
)
def test_a_page_of_lists_is_that_of_the_command(settings: dict[str, Any], args: list[str], mrl: Mrl) -> None:
    frame = pd.DataFrame({"query": ["q1", "q1", "q2", "q2", "q2", "q3"], "label": [1, 0, 2, 0, 1, 0]})
    frame = frame.assign(score=[0.5, 0.75, 0.5, 1, 0, 2], topic=["a", "a", "b", "b", "b", "b"], w=[1, 2, 1, 1, 1, 1])
    frame.to_csv("lists.csv", index=False)
    ran = mrl("report", "lists.csv", "--query", "query", *args)
    assert ran.code == 0, ran.err
    page = mrl_cli.report(frame, **settings)
    made_by = r"(?s)<pre><code>.*?</code></pre>|(?<=<bdi>)(lists.csv|the frame)(?= ·)"
    assert re.sub(made_by, "", page.html) == re.sub(made_by, "", ran.out)
    call = Page(page.html).root.all("code")[0].text.removesuffix('.save("report.html")')
    assert eval(call, {"mrl_cli": mrl_cli, "frame": frame}).html == page.html
    assert mrl_cli.report("lists.csv", **settings).html.count("the frame") == 0


def test_a_page_of_lists_has_no_second_model_and_no_rows() -> None:
    frame = {"query": [1, 1], "label": [1, 0], "score": [0.5, 0.75]}
    with pytest.raises(ValueError, match="x1_b names scores of pairs"):
        mrl_cli.report(frame, query="query", x1_b="score")
    with pytest.raises(TypeError, match="report\\(\\) has no argument per_query"):
        mrl_cli.report(frame, per_query=True)  # type: ignore[call-arg]
