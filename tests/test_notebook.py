"""What a notebook shows of results: their numbers and a plot, without style, script or markup from names."""

from __future__ import annotations

import copy
import json
import pickle
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mrl_cli
from mrl_cli.words import number_text
from tests.test_page import HOSTILE, Parsed, drawn

LISTS = pd.DataFrame({"query": [1, 1, 2, 2, 2], "label": [1, 0, 0, 1, 0], "score": [0.5, 0.75, 0.5, 1, 0]})


def results() -> dict[str, Any]:
    frame = pd.DataFrame(drawn())
    x1, x2, y = (frame[name].to_numpy() for name in ("x1", "x2", "y"))
    score, label, query = (LISTS[name].to_numpy() for name in ("score", "label", "query"))
    return {
        "evaluate": mrl_cli.evaluate(frame, margin=0.3),
        "compare": mrl_cli.compare(frame, x1_b="x2", x2_b="x1", bootstrap=0),
        "sweep": mrl_cli.sweep(x1, x2, y, np.linspace(0, 2, 70)),
        "evaluate_lists": mrl_cli.evaluate_lists(LISTS),
        "rank_sweep": mrl_cli.rank_sweep(score, label, query, margins=[0, 1]),
    }


def shown(result: Any) -> Any:
    html = result._repr_html_()
    root = Parsed(html).root
    assert {one.tag for one in root}.isdisjoint({"style", "script", "link", "img"})
    assert not {name for one in root for name in one.attributes} & {"style", "id", "href", "src"}
    assert not [name for one in root for name in one.attributes if name.startswith("on")]
    return root


@pytest.mark.parametrize("name", results())
def test_a_result_is_what_it_was_and_shows_its_numbers(name: str) -> None:
    result = results()[name]
    root = shown(result)
    plain = json.loads(json.dumps(result))
    assert isinstance(result, dict | list)
    for same in (plain, copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert same == result
        assert same is plain or repr(same) == repr(result)
    assert shown(pickle.loads(pickle.dumps(result))).text == root.text
    rows = [[cell.text for cell in row.all("th") + row.all("td")] for row in root.all("tr")[1:]]
    if isinstance(result, dict):
        told = dict(rows)
        for key in ("mean", "pairs", "accuracy", "loss") if "mean" in result else ("pairs", "loss"):
            assert told[key] == number_text(result[key])
    else:
        assert rows == [[number_text(value) for value in point.values()] for point in result[:50]]
        assert ("and 20 more" in root.text) == (name == "sweep")
    assert len(root.all("svg")) == {"sweep": 2, "rank_sweep": 2, "evaluate_lists": 0}.get(name, 1)
    assert {text.attributes["fill"] for text in root.all("text")} <= {"currentColor", "#b84a0c", "#2a6fd6"}


def test_bars_and_shares_are_those_of_the_pairs() -> None:
    columns = drawn()
    d = columns["y"] * (columns["x1"] - columns["x2"])
    result: Any = mrl_cli.evaluate(pd.DataFrame(columns), margin=0.3)
    plot, root = result.draw(), shown(result)
    assert f"{(d > 0).mean():.1%} of 400 pairs are ranked right" in root.text
    assert f"{(d < 0).mean():.1%} wrong" in root.text
    assert (plot.knots, plot.losses) == ((0.0,), ())  # no cell is cut at the margin, and no loss is added up by cell
    edges = [plot.start + place * plot.width for place in range(len(plot.counts) + 1)]
    # An edge between bars belongs to the one that is farther from 0.
    inside = [(d >= low) & (d < high) if low >= 0 else (d > low) & (d <= high) for low, high in pairwise(edges)]
    assert list(plot.counts) == [int((bar & (d != 0)).sum()) for bar in inside]
    heights = {int(bar.attributes["data-i"]): float(bar.attributes["height"]) for bar in root.all("rect")}
    assert heights.keys() == {place for place, count in enumerate(plot.counts) if count}
    for place, height in heights.items():
        assert height == pytest.approx(166 * plot.counts[place] / max(plot.counts), abs=0.01)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str) -> None:
    hostile = HOSTILE[name]
    frame = pd.DataFrame(drawn(60)).rename(columns={"x1": hostile})
    result = mrl_cli.evaluate(frame, x1=hostile, cluster="group", confidence=0.9)
    assert isinstance(result, dict)
    result[hostile] = hostile
    root = shown(result)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", result._repr_html_())
    assert len(root.text) < 20_000


def test_nothing_to_draw_is_a_table() -> None:
    assert not shown(mrl_cli.sweep([0.5], [0.25], [1], 0.5)).all("svg")
    assert shown(type(mrl_cli.sweep([0.5], [0.25], [1], 0.5))()).all("table")


def test_what_is_said_in_words_stands_below_the_figures_whole() -> None:
    frame = pd.DataFrame(
        {"x1": [0.5, 1.0, 2.0], "x2": [0.25, 1.5, 0.0], "y": [1, -1, 1], "u": [1, 0, 0], "v": [0, 1, 2]}
    )
    compared = mrl_cli.compare(frame, x1_b="u", x2_b="v", bootstrap=0)
    found = mrl_cli.evaluate(frame, loss="logistic")["sum"]
    explained = mrl_cli.validate(frame, found, loss="logistic")
    for result, sentence in ((compared, compared["verdict"]), (explained, "it is the sum, not the mean")):
        assert any(sentence in below.text for below in shown(result).all("p"))
        assert sentence in repr(result)
