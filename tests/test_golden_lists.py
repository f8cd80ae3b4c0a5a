"""The core and the reference give what RAX, TensorFlow Ranking, CatBoost and allRank give for ranked lists.

The values of golden/rank_lists.json are those where a library means the same quantity, within what its own arithmetic
allows: float32, or 1e-10 added inside a logarithm.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_cli.lists.base import Lists
from mrl_cli.lists.measure import measured
from mrl_cli.losses import LISTWISE, completed
from mrl_cli.model import LossChoice, Ranking
from mrl_cli.verify import reference
from tests.each import crossed

GOLDEN = json.loads((Path(__file__).parent / "golden" / "rank_lists.json").read_text(encoding="ascii"))
VALUES: list[dict[str, Any]] = GOLDEN["values"]
SOURCES = sorted({value["source"] for value in VALUES})


class Found:
    """What each list comes to, by query: the sum of its losses and their number, correct pairs, its size."""

    def __init__(self, value: dict[str, Any], *, by_core: bool) -> None:
        items: dict[str, list[tuple[float, float]]] = {}
        for query, label, score in GOLDEN["lists"][value["list"]]:
            items.setdefault(query, []).append((label, score))
        self.queries = list(items)
        self.columns = [([y for y, _ in of_list], [s for _, s in of_list]) for of_list in items.values()]
        self.name = "margin_ranking" if value["loss"] == "accuracy" else value["loss"]
        self.given = dict(value["parameters"])
        self.margin = self.given.pop("margin", 0.0)
        self.ranking = Ranking(value.get("lambda_weight", "none"), value.get("top"))
        self.sums, self.pairs, self.correct = self._by_core() if by_core else self._by_reference()
        self.sizes = [len(labels) for labels, _ in self.columns]

    def _by_core(self) -> tuple[list[float], list[int], list[int]]:
        starts = np.cumsum([0, *(len(labels) for labels, _ in self.columns)])
        lists = Lists(starts, *(np.concatenate([one[side] for one in self.columns]) for side in (0, 1)))
        loss = LossChoice(self.name, self.margin, tuple(completed(self.name, self.given).items()))
        found = measured(lists, loss, self.ranking)
        return found.losses.rounded(lists.size).tolist(), found.pairs.tolist(), found.correct.tolist()

    def _by_reference(self) -> tuple[list[float], list[int], list[int]]:
        parameters = reference.DEFAULTS | self.given
        setting = reference.ListSetting(
            "margin_ranking" if self.name in LISTWISE else self.name,
            self.margin,
            parameters,
            self.ranking.lambda_weight,
            self.ranking.top,
        )
        figures = [reference.list_figures(*one, setting) for one in self.columns]
        sums = [float(one.total) for one in figures]
        if self.name in LISTWISE:
            sums = [reference.listwise_loss(self.name, *one, parameters) for one in self.columns]
        return sums, [one.counts["pairs"] for one in figures], [one.counts["correct"] for one in figures]

    def value(self, value: dict[str, Any]) -> Any:
        """Return the figure that a library's value is."""
        over, is_listwise = value["over"], self.name in LISTWISE
        means = self.sums
        if not is_listwise:
            means = [total / pairs if pairs else 0.0 for total, pairs in zip(self.sums, self.pairs, strict=True)]
        if over.startswith("each"):
            sums = (
                [total * size for total, size in zip(self.sums, self.sizes, strict=True)]
                if "times" in value
                else self.sums
            )
            of_each = sums if over == "each sum" else [mean - value.get("less", 0) for mean in means]
            return dict(zip(self.queries, of_each, strict=True))
        if value["loss"] == "accuracy":
            return sum(self.correct) / sum(self.pairs)
        if over == "query-mean":
            used = [mean for mean, pairs in zip(means, self.pairs, strict=True) if pairs or is_listwise]
            return math.fsum(used) / len(used)
        total = math.fsum(self.sums)
        return total if over == "sum" else total / sum(self.pairs) / (math.log(2) if over == "mean in bits" else 1)


@pytest.mark.parametrize(("source", "by_core"), crossed(SOURCES, [True, False]))
def test_values_of_other_libraries(source: str, *, by_core: bool) -> None:
    values = [value for value in VALUES if value["source"] == source]
    assert len(values) > 10
    for value in values:
        expected = value["value"]
        got = Found(value, by_core=by_core).value(value)
        if isinstance(expected, dict):
            got = {query: got[query] for query in expected}
        assert got == pytest.approx(expected, rel=value["rtol"], abs=1e-300), (value["call"], value["list"])


def test_what_the_values_are_of() -> None:
    losses = {value["loss"] for value in VALUES}
    assert {"margin_ranking", "logistic", "soft_zero_one", "accuracy", *LISTWISE} == losses
    assert {value.get("lambda_weight") for value in VALUES} == {None, "label_diff", "ndcg"}
