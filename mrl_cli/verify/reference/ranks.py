"""The loss of ranked lists out of their items, again: lists put together, computed one after the other, and reduced."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mrl_cli.verify.reference.lists import ListFigures, ListSetting, list_figures
from mrl_cli.verify.reference.listwise import LISTWISE, listwise_loss
from mrl_cli.verify.reference.loops import LOOPS
from mrl_cli.verify.reference.sums import LoopSum

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

# What a parameter is where nothing is said of it.
DEFAULTS: dict[str, Any] = {"temperature": 1.0, "beta": 1.0, "label_smoothing": 0.0}
DEFAULTS |= {"target": "sum", "ties": "breslow", "gain": "exp"}


def validate_rank_loss(
    score: Iterable[float],
    label: Iterable[float],
    query: Iterable[Hashable] | None = None,
    *,
    loss: str = "margin_ranking",
    margin: float = 0.0,
    weight: Iterable[float] | None = None,
    lambda_weight: str = "none",
    top: int | None = None,
    reduction: str = "mean",
    **parameters: Any,
) -> float:
    """Return the loss of ranked lists as a loop over their pairs finds it; of a listwise loss, as its definition does.

    `score`, `label`, `query` and `weight` are those of items, of one length: finite numbers, and anything hashable for
    `query`, equal for the items of one list; without it all items are one list. A pair is any two items of a list with
    different labels; it weighs what `weight` is of its item with the higher label, times its `lambda_weight`: "none",
    "label_diff" or "ndcg", of the `top` first places. `parameters` are those of the loss. `reduction` is "mean" over
    all pairs, "query-mean" over the lists that have a pair, or "sum"; of a listwise loss the mean is over the lists for
    which it is defined. The mean of nothing is NaN. The slow way to the numbers of `mrl rank`, to check them with; it
    shares no code with it.

    >>> validate_rank_loss([2.0, 1.0, 3.0], [1, 0, 0], margin=0.5)
    0.75
    """
    _check_known("reduction", reduction, ("mean", "query-mean", "sum"))
    _check_known("loss", loss, (*LOOPS, *LISTWISE))
    _check_known("lambda_weight", lambda_weight, ("none", "label_diff", "ndcg"))
    columns = {"score": score, "label": label} | ({} if weight is None else {"weight": weight})
    numbers = {name: [float(value) for value in values] for name, values in columns.items()}
    names = [None] * len(numbers["score"]) if query is None else list(query)
    lengths = {name: len(values) for name, values in {**numbers, "query": names}.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{', '.join(lengths)} must have one length, not {', '.join(map(str, lengths.values()))}")
    places: dict[Hashable, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    lists = [{name: [values[i] for i in at] for name, values in numbers.items()} for at in places.values()]
    known = DEFAULTS | parameters
    if loss not in LISTWISE:
        return _of_pairs(lists, ListSetting(loss, float(margin), known, lambda_weight, top), reduction)
    if weight is not None or lambda_weight != "none":
        raise ValueError(f"the loss {loss} is one of lists: it has no pairs that weigh something")
    losses = [listwise_loss(loss, one["label"], one["score"], known) for one in lists]
    return _reduced([value for value in losses if not math.isnan(value)], reduction)


def _of_pairs(lists: list[dict[str, list[float]]], setting: ListSetting, reduction: str) -> float:
    figures = [list_figures(one["label"], one["score"], setting, one.get("weight")) for one in lists]
    is_weighted = setting.lambda_weight != "none" or any("weight" in one for one in lists)
    if reduction == "query-mean":
        means = [one.mean(is_weighted=is_weighted) for one in figures]
        return _reduced([mean for mean in means if not math.isnan(mean)], "mean")
    total = sum(figures, ListFigures())
    return float(total.total) if reduction == "sum" else total.mean(is_weighted=is_weighted)


def _reduced(values: list[float], reduction: str) -> float:
    total = float(LoopSum.of(values))
    if reduction == "sum":
        return total
    return total / len(values) if values else math.nan


def _check_known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
