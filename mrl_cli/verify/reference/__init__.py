"""The loop validator: the definition again, in plain Python over pairs, sharing no code with the rest of the package.

Two validators stand here. The loop computes in floats, one operation after the other as the definition is written;
the exact one in rational numbers, which round nothing. Both add with no rounding at all. Neither imports NumPy or
anything of this package: what agrees with them does not agree with itself. `lists` and `listwise` are the same for
ranked lists, which `validate_rank_loss` puts together out of their items.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

from mrl_cli.verify.reference.calibration import bin_records, calibration_error, loop_bins
from mrl_cli.verify.reference.exact import exact_pairs, is_within_bound
from mrl_cli.verify.reference.lists import POWERS, ListSetting, list_figures, list_gradient, top_share
from mrl_cli.verify.reference.listwise import LISTWISE, listwise_loss
from mrl_cli.verify.reference.loops import (
    LOOPS,
    ROUNDED,
    Margin,
    cancelling_terms,
    differences,
    margin_ranking,
    rounded_to,
    scores,
)
from mrl_cli.verify.reference.probabilities import likelier, mixed_losses, mixed_pairs, mixed_terms
from mrl_cli.verify.reference.sums import LoopFigures, LoopSum, as_double

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = ["DEFAULTS", "LISTWISE", "LOOPS", "POWERS", "ListSetting", "LoopFigures", "LoopSum", "as_double"]
__all__ += ["bin_records", "calibration_error", "cancelling_terms", "differences", "exact_pairs", "is_within_bound"]
__all__ += ["likelier", "list_figures", "list_gradient", "listwise_loss", "loop_bins", "mixed_losses", "mixed_pairs"]
__all__ += ["mixed_terms", "rounded_to", "scores", "top_share", "validate_margin_ranking_loss"]
__all__ += ["validate_margin_ranking_loss_exact", "validate_rank_loss"]

# What a parameter of a loss of ranked lists is where nothing is said of it.
DEFAULTS: dict[str, Any] = {"temperature": 1.0, "beta": 1.0, "label_smoothing": 0.0}
DEFAULTS |= {"target": "sum", "ties": "breslow", "gain": "exp"}


def validate_margin_ranking_loss(
    x1: Iterable[float],
    x2: Iterable[float],
    y: Iterable[float],
    margin: Margin = 0.0,
    reduction: str = "mean",
    *,
    dtype: str = "float64",
) -> float | list[float]:
    """Return the margin ranking loss as a loop over pairs finds it: max(0, -y(x1 - x2) + margin), then reduced.

    `x1`, `x2` and `y` are of one length, anything that iterates over real numbers; `margin` is a number or one for each
    pair. `reduction` is "mean" (sum / N, NaN over nothing), "sum", or "none" for the list of losses; sums are rounded
    once. `dtype` is the arithmetic, "float64" or "float32". The slow way to the numbers of `margin_ranking_loss`,
    to check them with; it shares no code with it.

    >>> validate_margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5)
    0.875
    """
    x1, x2, y, margins = _checked(x1, x2, y, margin, reduction, dtype)
    losses = margin_ranking(differences(x1, x2, y, dtype), margins, {})
    if reduction == "none":
        return losses
    return rounded_to(_reduced(losses, reduction), dtype)


def validate_margin_ranking_loss_exact(
    x1: Iterable[float],
    x2: Iterable[float],
    y: Iterable[float],
    margin: Margin = 0.0,
    reduction: str = "mean",
) -> Fraction | list[Fraction]:
    """Return the margin ranking loss of finite numbers as a rational number, or a list of them for reduction "none".

    As `validate_margin_ranking_loss`, with nothing rounded. Raises ValueError for NaN, infinities and the mean of
    nothing.

    >>> validate_margin_ranking_loss_exact([0.5], [0.25], [1], margin=0.5)
    Fraction(1, 4)
    """
    x1, x2, y, margins = _checked(x1, x2, y, margin, reduction, "float64")
    if not all(map(math.isfinite, chain(x1, x2, y, [margins] if isinstance(margins, int | float) else margins))):
        raise ValueError("x1, x2, y and margin must be finite: rational numbers know no NaN and no infinity")
    losses = [pair.loss for pair in exact_pairs(x1, x2, y, margins)]
    if reduction == "none":
        return losses
    if reduction == "mean" and not losses:
        raise ValueError("the mean of nothing is undefined")
    return sum(losses, Fraction(0)) / (len(losses) if reduction == "mean" else 1)


def _checked(
    x1: Iterable[float], x2: Iterable[float], y: Iterable[float], margin: Margin, reduction: str, dtype: str
) -> tuple[list[float], list[float], list[float], Margin]:
    """Return the numbers as Python floats (those of an array would compute in their own dtype), of one length."""
    _check_known("reduction", reduction, ("mean", "sum", "none"))
    _check_known("dtype", dtype, ROUNDED)
    first, second, labels = ([float(value) for value in values] for values in (x1, x2, y))
    margins = margin if isinstance(margin, int | float) else [float(value) for value in margin]
    each = [first, second, labels, *([] if isinstance(margins, int | float) else [margins])]
    _check_lengths("x1, x2, y (and margin)", each)
    return first, second, labels, margins


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
    _check_lengths(", ".join([*numbers, "query"]), [*numbers.values(), names])
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
    total = sum(figures, LoopFigures())
    return float(total.total) if reduction == "sum" else total.mean(is_weighted=is_weighted)


def _reduced(values: list[float], reduction: str) -> float:
    total = LoopSum.of(values)
    return float(total) if reduction == "sum" else total.over(LoopSum.of([float(len(values))]))


def _check_known(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def _check_lengths(names: str, columns: Sequence[Sequence[Any]]) -> None:
    lengths = [len(values) for values in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"{names} must have one length, not {', '.join(map(str, lengths))}")
