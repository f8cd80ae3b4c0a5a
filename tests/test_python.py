"""The Python interface as it is met: types, what takes which frames, how results print, warnings, presets, plots."""

from __future__ import annotations

import inspect
import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet
import pytest

import mrl_cli
from mrl_cli.api.frames import evaluate
from mrl_cli.api.lists import evaluate_lists
from mrl_cli.api.page import ReportPage
from mrl_cli.api.results import Points, Result
from mrl_cli.api.settings import EvaluateSettings, ListSettings, PageSettings, Parameters, SweepSettings
from mrl_cli.inputs.presets import LIST_PRESETS, PRESETS
from mrl_cli.losses import LISTWISE, LOSSES
from tests.each import each
from tests.test_proposals import PRODUCED

if TYPE_CHECKING:
    from collections.abc import Callable


# losses at margin 0.5: 0.25, 1.5, 0
COLUMNS: dict[str, Any] = {"x1": [0.5, 1.0, 2.0], "x2": [0.25, 2.0, 1.0], "y": [1, 1, 1], "g": ["a", "b", "b"]}
FRAME = pd.DataFrame(COLUMNS)
LISTS = pd.DataFrame({"query": [1, 1, 2, 2, 2], "label": [1, 0, 0, 1, 0], "score": [0.5, 0.75, 0.5, 1, 0]})


def _polars(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def _fields(columns: dict[str, Any]) -> Any:
    rows = list(zip(*columns.values(), strict=True))
    return np.array(rows, [(name, "U1" if name == "g" else "f8") for name in columns])


FRAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pyarrow": pa.table,
    "batch": pa.RecordBatch.from_pydict,
    "polars": _polars,
    "mapping": dict,
    "numpy": _fields,
}


CALLED: Any = vars()["mrl_cli"]  # whose types refuse what is refused when it is called


def test_types_are_those_that_come_back() -> None:
    """What mypy says of each call, which `mypy` checks, is what it returns."""
    mean = assert_type(mrl_cli.pairwise_loss([1.0], [0.0], 1), float)
    each_loss = assert_type(
        mrl_cli.pairwise_loss([1.0], [0.0], 1, reduction="none"), np.ndarray[tuple[Any, ...], np.dtype[Any]]
    )
    summed = assert_type(mrl_cli.margin_ranking_loss([1.0], [0.0], 1, reduction="sum"), float)
    losses = assert_type(
        mrl_cli.margin_ranking_loss([1.0], [0.0], 1, reduction="none"), np.ndarray[tuple[Any, ...], np.dtype[Any]]
    )
    record = assert_type(mrl_cli.evaluate(FRAME, loss="bt", temperature=2.0), Result)
    groups = assert_type(mrl_cli.evaluate(FRAME, group_by="g"), pd.DataFrame)
    ranked = assert_type(mrl_cli.evaluate_lists(LISTS), Result)
    queries = assert_type(mrl_cli.evaluate_lists(LISTS, per_query=True), pd.DataFrame)
    points = assert_type(mrl_cli.sweep([1.0], [0.0], [1], [0, 1]), Points)
    of_frame = assert_type(mrl_cli.sweep(FRAME, margins=[0, 1]), Points)
    compared = assert_type(mrl_cli.compare(FRAME, x1_b="x2", x2_b="x1", bootstrap=0), Result)
    page = assert_type(mrl_cli.report(FRAME, group_by="g", margin=0.5), ReportPage)
    kinds: list[tuple[Any, type]] = [
        (page, ReportPage),
        (mean, float),
        (each_loss, np.ndarray),
        (summed, float),
        (losses, np.ndarray),
    ]
    kinds += [(record, dict), (groups, pd.DataFrame), (ranked, dict), (queries, pd.DataFrame), (compared, dict)]
    kinds += [(points, list), (of_frame, list), (page, ReportPage)]
    assert [kind for value, kind in kinds if not isinstance(value, kind)] == []


@each(
    ("functions", "settings", "others"),
    [
        ([evaluate], EvaluateSettings, {"frame", "group_by"}),
        ([evaluate_lists], ListSettings, {"frame", "group_by", "per_query"}),
        ([evaluate, evaluate_lists], PageSettings, {"frame", "calibration", "per_query"}),
    ],
)
def test_typed_settings_are_the_arguments(functions: list[Any], settings: Any, others: set[str]) -> None:
    registries: list[dict[str, Any]] = [dict(LOSSES), *([dict(LISTWISE)] if evaluate_lists in functions else [])]
    entries: list[Any] = [loss for registry in registries for loss in registry.values()]
    of_losses = {name for loss in entries for parameter in loss.parameters for name in parameter.names}
    arguments = {name for function in functions for name in inspect.signature(function).parameters}
    assert settings.__annotations__.keys() == arguments - {"parameters"} - others | of_losses
    assert Parameters.__annotations__.keys() <= SweepSettings.__annotations__.keys()


@each("name", FRAMES)
def test_every_frame_gives_the_same(name: str) -> None:
    frame = FRAMES[name](COLUMNS)
    assert mrl_cli.evaluate(frame, margin=0.5)["sum"] == 1.75
    assert mrl_cli.evaluate(frame, margin=0.5, group_by="g")["sum"].tolist() == [0.25, 1.5]
    assert [point["sum"] for point in mrl_cli.sweep(frame, margins=[0, 0.5])] == [1.0, 1.75]
    assert mrl_cli.compare(frame, x1_b="x2", x2_b="x1", bootstrap=0)["a"]["mean"] == 1 / 3
    ranked = FRAMES[name]({"query": [1, 1], "label": [1, 0], "score": [0.5, 0.75]})
    assert mrl_cli.evaluate_lists(ranked)["mean"] == 0.25


def test_nested_and_categorical_columns_of_polars_are_read() -> None:
    polars = pytest.importorskip("polars")
    kinds = polars.Series(["a", "b"], dtype=polars.Categorical)
    frame = polars.DataFrame(
        {"s": [{"a": 1.0, "t": "x"}, {"a": 2.0, "t": "y"}], "l": [[0.5], [3.0]], "y": [1, 1], "k": kinds}
    )
    groups = mrl_cli.evaluate(frame, x1="s.a", x2="l.0", y_const=1, group_by="k")
    assert groups["mean"].to_dict() == {"a": 0.0, "b": 1.0}


@each("given", [[0.5, 1.0], np.zeros(3), None])
def test_what_is_no_frame_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"frame must be a DataFrame of pandas or Polars, .*; for arrays there is"):
        mrl_cli.evaluate(given)


@each("name", ["p.csv", "p.jsonl", "p.parquet", "p.feather"])
def test_the_call_that_reads_a_path_is_right(name: str, tmp_path: Path) -> None:
    """What the message proposes gives what the file holds, to the last bit."""
    random = np.random.default_rng(4)
    columns = {"x1": random.normal(size=50) / 7, "x2": random.normal(size=50) * 1e-7, "y": [1] * 50}
    frame, path = pd.DataFrame(columns), tmp_path / name
    if name == "p.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif name == "p.feather":
        pyarrow.feather.write_feather(pa.table(columns), path)
    else:
        frame.to_csv(path, index=False) if name == "p.csv" else frame.to_parquet(path)
    for given in (path, str(path)):
        with pytest.raises(TypeError, match=r"not (str|\w+Path); read the file first, pyarrow") as refused:
            mrl_cli.evaluate(given)
    call = re.findall(r"read the file first, (.*\)), or run", str(refused.value))[0]
    assert mrl_cli.evaluate(eval(call)) == mrl_cli.evaluate(frame)


def test_rows_and_other_paths_are_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"not list; of a list of rows, pandas.DataFrame\(rows\) is one"):
        mrl_cli.evaluate([{"x1": 1.0}])
    with pytest.raises(TypeError, match="read the file first, or run `mrl compute` on it"):
        mrl_cli.report("pairs.xlsx")


def test_one_label_may_stand_for_all_pairs() -> None:
    x1, x2 = np.array([0.5, 1.0], np.float32), np.array([0.25, 2.0], np.float32)
    for label in (1, 1.0, np.float64(1), np.int8(1)):
        assert mrl_cli.pairwise_loss(x1, x2, label) == mrl_cli.pairwise_loss(x1, x2, np.ones(2, np.float32))
        assert mrl_cli.pairwise_loss(x1, x2, label, reduction="none").dtype == np.float32
        assert mrl_cli.sweep(x1, x2, label, 0.5)[0]["mean"] == 0.875
    assert mrl_cli.pairwise_loss_grad(x1, x2, -1, margin=2.0)[0].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="must have one shape"):
        mrl_cli.pairwise_loss(x1, x2, [1])


def test_results_print_their_figures() -> None:
    result = mrl_cli.evaluate(FRAME, margin=0.5)
    lines = dict(line.split(maxsplit=1) for line in str(result).splitlines())
    assert lines["loss"] == "margin_ranking"
    assert float(lines["mean"]) == pytest.approx(1.75 / 3, rel=1e-5)
    assert float(lines["difference_quantiles.p50"]) == pytest.approx(0.25, rel=2**-6)
    assert repr(result) == str(result)
    assert len(str(result).splitlines()) < 45
    assert json.loads(json.dumps(result)) == result
    header, *rows = str(mrl_cli.sweep(FRAME, margins=np.arange(30))).splitlines()
    assert header.split()[:2] == ["margin", "sum"]
    assert (len(rows), rows[-1]) == (21, "and 10 more")
    compared = str(mrl_cli.compare(FRAME, x1_b="x2", x2_b="x1", group_by="y", bootstrap=0))
    assert "groups" in compared
    assert "1 entry" in compared
    assert str(type(mrl_cli.sweep([1.0], [0.0], 1, 0))()) == ""


def test_what_a_file_says_is_printed_without_control_sequences() -> None:
    result = mrl_cli.evaluate(FRAME.rename(columns={"x1": "a\x1b[31m"}), x1="a\x1b[31m", cluster="g")
    result["name\x1b"] = "text\x1b[31m"
    assert "\x1b" not in str(result)


def test_notes_are_warnings_in_the_line_that_called() -> None:
    collapsed = pd.DataFrame({"x1": [1.0] * 200, "x2": [1.0] * 200, "y": [1, -1] * 100, "g": ["a"] * 200})
    with pytest.warns(mrl_cli.MrlWarning) as caught:
        result = mrl_cli.evaluate(collapsed, margin=1.0)
    assert [str(warning.message) for warning in caught] == result["notes"]
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
    with pytest.warns(mrl_cli.MrlWarning):
        mrl_cli.evaluate(collapsed, margin=1.0, group_by="g")
    with pytest.warns(mrl_cli.MrlWarning, match="McNemar's p takes every pair as independent"):
        mrl_cli.compare(FRAME, x1_b="x2", x2_b="x1", bootstrap=0, cluster="g")
    with warnings.catch_warnings():
        warnings.simplefilter("error", mrl_cli.MrlWarning)
        mrl_cli.evaluate(FRAME)


@each(
    ("call", "message"),
    [
        (lambda: CALLED.evaluate(FRAME, margn=1), "there is no argument 'margn'.*\nhint: did you mean margin=…"),
        (lambda: CALLED.evaluate(FRAME, loss="bt", temprature=1), "hint: did you mean temperature=…"),
        (lambda: CALLED.evaluate_lists(LISTS, quary="q"), "hint: did you mean query=…"),
        (lambda: CALLED.pairwise_loss([1], [0], 1, wieght=1), "hint: did you mean weight=…"),
        (lambda: mrl_cli.rank_loss([1, 2], [0, 1], lamda_weight=1), "hint: did you mean lambda_weight=…"),
        (lambda: mrl_cli.pairwise_loss([1], [0], 1, loss="logisic"), "hint: did you mean loss='logistic'"),
        (lambda: mrl_cli.evaluate(FRAME, loss="hinge"), "hint: use loss='margin_ranking', margin=1; or loss="),
        (lambda: mrl_cli.evaluate(FRAME, preset="trll"), "one of rewardbench, .*, not 'trll'; did you mean trl\\?$"),
        (lambda: mrl_cli.evaluate({"x1": [1, 2], "x2": [0], "y": 1}), "must be of one length: x1 2, x2 1$"),
        (lambda: CALLED.compare(FRAME, x1_b="g", x2_b="g", preset="trll"), "did you mean trl\\?$"),
        (lambda: mrl_cli.list_losses("sigmoid"), "sigmoid is the name of several losses"),
    ],
)
def test_misspelt_arguments_are_answered_with_the_closest(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@each("name", PRODUCED)
def test_presets_read_frames_as_they_read_files(name: str) -> None:
    rows, mean = PRODUCED[name]
    frame = pd.DataFrame(rows)
    result = mrl_cli.evaluate(frame, preset=name)
    assert (result["preset"], result["mean"]) == (name, mean)
    points = mrl_cli.sweep(frame, preset=name, margins=[0])
    assert points[0]["mean"] == mrl_cli.evaluate(frame.drop(columns="margin", errors="ignore"), preset=name)["mean"]
    with pytest.raises(ValueError, match=f"the frame does not have the columns of preset {name}"):
        mrl_cli.evaluate(FRAME, preset=name)
    plain = [column for column in frame if column != "weight"]  # which a comparison has none of
    compared = mrl_cli.compare(frame.assign(u=0.0, v=0.0), x1_b="u", x2_b="v", preset=name, bootstrap=0)
    assert compared["a"]["mean"] == mrl_cli.evaluate(frame[plain], preset=name)["mean"]


# Rows of each preset of lists, and the mean loss of their pairs at margin 0.
OF_LISTS: dict[str, tuple[list[dict[str, Any]], float]] = {
    "rewardbench2": (
        [{"scores": [1.0, 2.0, 0.5], "num_correct": 1}, {"scores": [3.0, 1.0, 2.0], "num_correct": 1}],
        0.25,
    ),
    "rmbench": ([{"score_chosen": [1.0, 2.0, 3.0], "score_rejected": [2.0, 2.0, 2.0]}], 1 / 3),
    "nectar": ([{"answers": [{"rank": 1, "score": 2.0}, {"rank": 2, "score": 3.0}]}], 1.0),
    "ultrafeedback": ([{"completions": [{"overall_score": 1, "score": 2.0}, {"overall_score": 2, "score": 3.0}]}], 0.0),
    "imagereward": ([{"ranking": [1, 2], "rewards": [0.5, 0.75]}], 0.25),
}


@each("name", LIST_PRESETS)
def test_presets_of_lists_read_frames_as_they_read_files(name: str, tmp_path: Path) -> None:
    rows, mean = OF_LISTS[name]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for given in (pd.DataFrame(rows), pa.Table.from_pylist(rows), str(tmp_path / "lists.jsonl")):
        result = mrl_cli.evaluate_lists(given, preset=name)
        assert (result["preset"], result["mean"]) == (name, mean)
    with pytest.raises(ValueError, match=f"the frame does not have the columns of .*preset.*{name}"):
        mrl_cli.evaluate_lists(LISTS, preset=name)


def test_a_preset_says_which_sign_of_a_preference_is_the_first() -> None:
    frame = pd.DataFrame({"score_1": [1.0] * 3, "score_2": [3.0] * 3, "preference_strength": [-3, -1, 0]})
    result = mrl_cli.evaluate(frame, preset="helpsteer")  # below 0 the first one is better
    assert (result["mean"], result["correct"], result["ties_dropped"]) == (2.0, 0, 1)
    assert mrl_cli.evaluate(frame, preset="helpsteer", labels="strength")["mean"] == 2.0
    with pytest.raises(ValueError, match="the labels of preset helpsteer are strengths, below 0 where the first"):
        mrl_cli.evaluate(frame, preset="helpsteer", labels="any")
    assert mrl_cli.evaluate(frame, preset="helpsteer", label_map={-3: 1, -1: 1, 0: "skip"})["mean"] == 2.0
    frame["preference_strength"] = [3, 1, 0]
    assert mrl_cli.evaluate(frame, preset="helpsteer", margin=1.0)["sum"] == 0.0


def test_arguments_win_over_a_preset() -> None:
    frame = pd.DataFrame({"chosen": [1.0], "rejected": [3.0], "margin": [0.5], "other": [5.0]})
    assert mrl_cli.evaluate(frame, preset="trl")["mean"] == 2.5
    assert mrl_cli.evaluate(frame, preset="trl", margin=1.0)["mean"] == 3.0
    assert mrl_cli.evaluate(frame, preset="trl", x2="other")["mean"] == 4.5
    usual = frame.assign(x1=9.0, x2=0.0, y=-1)  # named as usual, and named all the same
    assert mrl_cli.evaluate(usual, preset="trl")["mean"] == 2.5
    both = mrl_cli.evaluate(usual, preset="trl", margin=0.0, x1="x1", x2="x2")
    assert both["x1_mean"] - both["x2_mean"] == 9.0
    with pytest.raises(ValueError, match="x1"):
        mrl_cli.evaluate(usual.assign(d=1.0), difference="d", x1="x1", x2="x2")
    with pytest.raises(ValueError, match="y_const"):
        mrl_cli.evaluate(usual, y="y", y_const=1)
    assert mrl_cli.evaluate(frame, preset="trl", y_const=-1)["mean"] == 0.0
    assert mrl_cli.evaluate(frame, preset="trl", loss="ipo")["mean"] == 6.25  # which has no use for a margin


def test_a_number_is_validated_and_explained() -> None:
    random = np.random.default_rng(1)
    x1, x2, y = random.normal(size=60), random.normal(size=60), random.choice([-1, 1], 60)
    frame = {"x1": x1, "x2": x2, "y": y, "mine": np.maximum(0, y * (x1 - x2) + 0.5), "g": ["a", "b"] * 30}
    right = mrl_cli.pairwise_loss(x1, x2, y, margin=0.5)
    for expect in (right, f"{right:.3f}", {"mean": right, "pairs": 60}, None):
        assert mrl_cli.validate(frame, expect, margin=0.5, group_by="g")["passed"]
    found = mrl_cli.validate(frame, mrl_cli.pairwise_loss(x1, x2, -y, margin=0.5), margin=0.5)
    assert (found["passed"], found["schema"]) == (False, "mrl.validate/1")
    assert found["explanations"][0]["hypothesis"] == "y has the other sign, or x1 and x2 are swapped"
    assert "explanation: y has the other sign" in str(found)
    losses = np.maximum(0, y * (x2 - x1) + 0.5)  # what no option of mrl computes, and what few digits do not prove
    of_positive = mrl_cli.validate(frame, losses[losses > 0].mean(), margin=0.5)
    assert "explanation: the mean is over losses that are not 0 only: that gives this very number" in str(of_positive)
    assert "possible explanation: it is the accuracy" in str(mrl_cli.validate(frame, "0.58"))
    assert json.loads(json.dumps(found)) == found
    assert mrl_cli.validate(frame, loss_column="mine", margin=0.5)["mismatch_count"] > 0
    for wrong, message in (({"acuracy": 1}, "did you mean accuracy?"), ("x", "value must be a finite number")):
        with pytest.raises(ValueError, match=message.replace("?", "\\?")):
            mrl_cli.validate(frame, wrong)


def test_losses_and_presets_are_listed() -> None:
    assert [loss["name"] for loss in mrl_cli.list_losses()] == [*LOSSES, *LISTWISE]
    assert [preset["name"] for preset in mrl_cli.list_presets() if preset["of"] == "pair"] == list(PRESETS)
    for records in (mrl_cli.list_losses(), mrl_cli.list_presets()):
        assert records[0]["name"] in str(records)
        assert f'<th scope="row">{records[0]["name"]}</th>' in records._repr_html_()  # type: ignore[attr-defined]


def test_plots_are_svg_text_and_files(tmp_path: Path) -> None:
    for result in (mrl_cli.evaluate(FRAME), mrl_cli.sweep(FRAME, margins=[0, 1])):
        assert result.svg().lstrip().startswith("<svg")
        result.save_plot(tmp_path / "plot.svg")
        assert (tmp_path / "plot.svg").read_text() == result.svg()
        with pytest.raises(ValueError, match=r"save_plot \S*plot.gif: pictures are written as .svg or .png"):
            result.save_plot("plot.gif")
    with pytest.raises(ValueError, match="there is no plot of this result"):
        mrl_cli.sweep(FRAME, margins=[0]).svg()


def test_a_page_shows_itself_in_a_frame() -> None:
    page = ReportPage('<html><body title="a">&</body></html>')
    assert page._repr_html_() == (
        '<iframe srcdoc="&lt;html&gt;&lt;body title=&quot;a&quot;&gt;&amp;&lt;/body&gt;&lt;/html&gt;" '
        'width="100%" height="640"></iframe>'
    )
    assert repr(page) == "<ReportPage of 37 bytes: save(path) writes it>"


def test_help_of_the_package_starts_with_what_it_is_for() -> None:
    lines = (mrl_cli.__doc__ or "").splitlines()
    assert lines[0].startswith("Ranking losses of pairs and ranked lists")
    example = [line for line in lines if line.startswith("    ")]
    assert (len(example), example[0].strip()) == (5, "import mrl_cli")
    called = {name for line in example for name in mrl_cli.__all__ if f"mrl_cli.{name}(" in line}
    assert called == {"margin_ranking_loss", "evaluate", "compare", "evaluate_lists"}


def test_text_is_no_margins() -> None:
    with pytest.raises(TypeError, match=r"margins must be numbers, not the text '0:1:.5'; for a range there is numpy"):
        mrl_cli.sweep(FRAME, margins="0:1:.5")


@each("settings", [{"margin": 1}, {"group_by": "g"}, {"confidence": 0.9}])
def test_a_sweep_of_a_frame_has_no_margin_of_its_own(settings: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="sweep\\(\\) has no argument"):
        mrl_cli.sweep(FRAME, margins=[0], **settings)
