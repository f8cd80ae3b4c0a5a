"""Losses of ranked lists on arrays: over all pairs of each list, without writing the pairs out, and their gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mrl_cli.api.arrays import exact_doubles, margins_of
from mrl_cli.api.errors import argument_errors, value_errors
from mrl_cli.api.results import Points
from mrl_cli.exact import ExactSum
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.measure import gradient, measured
from mrl_cli.losses import LISTWISE
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.listcurve import ListCurveConsumer
from mrl_cli.reductions.lists import WholeLists, of_lists
from mrl_cli.reports.rank import list_sweep_points
from mrl_cli.settings import check_choice, plan_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mrl_cli.exact.codes import SumsByCode
    from mrl_cli.model import LambdaWeight, Plan, Role

    Floats = NDArray[np.float64]

RankReduction = Literal["mean", "query-mean", "sum"]


def rank_loss(
    score: ArrayLike,
    label: ArrayLike,
    query: ArrayLike | None = None,
    *,
    loss: str = "margin_ranking",
    margin: float | None = None,
    weight: ArrayLike | None = None,
    reduction: RankReduction = "mean",
    lambda_weight: LambdaWeight = "none",
    top: int | None = None,
    max_pairs: int | None = None,
    **parameters: Any,
) -> float:
    """Return a registered loss over all pairs of ranked lists, or of lists as a whole, reduced.

    `score` and `label` are arrays, lists or Series of one shape (n,): finite real numbers, an entry for each item.
    Items with one value of `query`, which may be numbers or texts, are a list, wherever they stand; without it all
    items are one. Pairs are all two items of a list with different labels, the one with the higher label first: d is
    its score less that of the other. `loss` is a name that `mrl losses` lists, `parameters` are its own. `weight`, of
    shape (n,), holds a finite number of at least 0 for each item: the weight of the pairs in which its label is the
    higher one. `lambda_weight` "label_diff" or "ndcg" multiplies a pair by the difference of its labels, or by what
    swapping the two would change in the NDCG, of the first `top` places where that is given.

    reduction "sum" returns the sum over pairs, "mean" (default) that over the number of pairs, or over the sum of their
    weights, "query-mean" the mean of the means of the lists that have a pair. Over nothing the sum is 0.0 and a mean
    NaN. A listwise loss is summed, or averaged, over the lists that have one. Hinges, ipo and margin_mse are computed
    without rounding, and rounded once, where `lambda_weight` is "none". All take time in proportion to n log n, weights
    by NDCG to n log(n)**2, but approx_ndcg goes through all pairs: `max_pairs` is how many a list may have.

    Raises ValueError when shapes differ, for what is not finite and for settings that do not go together; TypeError for
    what is not a real number.

    >>> rank_loss([0.5, 0.75, 0.5, 1, 0], [1, 0, 0, 1, 0], [7, 7, 8, 8, 8], margin=1)
    0.5833333333333334
    >>> rank_loss([0.5, 0.75, 0.5, 1, 0], [1, 0, 0, 1, 0], [7, 7, 8, 8, 8], margin=1, reduction="query-mean")
    0.75
    """
    plan = _plan(loss, margin, weight, lambda_weight, top, parameters, max_pairs=max_pairs)
    given = _given(score, label, query, weight, reduction, plan)
    with value_errors():
        found = measured(given.lists, given.plan.loss, given.plan.ranking)
    is_listwise = plan.loss.name in LISTWISE
    if reduction == "query-mean" or (reduction == "mean" and is_listwise):
        means = found.means(found.losses.rounded(given.lists.size), is_listwise=is_listwise)
        means = means[~np.isnan(means)]
        return ExactSum.of(means).over(means.size)
    total, divisor = _total(found.losses, given), _divisor(found, given)
    return float(total) if reduction == "sum" else total / divisor


def rank_loss_grad(
    score: ArrayLike,
    label: ArrayLike,
    query: ArrayLike | None = None,
    *,
    loss: str = "margin_ranking",
    margin: float | None = None,
    weight: ArrayLike | None = None,
    reduction: RankReduction = "mean",
    lambda_weight: LambdaWeight = "none",
    top: int | None = None,
    **parameters: Any,
) -> Floats:
    """Return the gradient of `rank_loss` for the score of each item, float64 of shape (n,).

    At the kink of margin_ranking it passes, as in PyTorch; lambda weights are taken to be constant, as LambdaRank does.
    Under "sum" and without weights that of margin_ranking is a whole number: how many pairs with a margin - d of at
    least 0 an item loses, less how many it wins. Items of lists without a pair have the gradient 0.

    Arguments and errors are those of `rank_loss`; a listwise loss is a ValueError.

    >>> rank_loss_grad([0.5, 0.75, 0.5, 1, 0], [1, 0, 0, 1, 0], [7, 7, 8, 8, 8], margin=1, reduction="sum")
    array([-1.,  1.,  1., -2.,  1.])
    """
    plan = _plan(loss, margin, weight, lambda_weight, top, parameters)
    if plan.loss.name in LISTWISE:
        raise ValueError(f"there is no gradient of {plan.loss.name}, the loss of a list as a whole")
    given = _given(score, label, query, weight, reduction, plan)
    slopes = gradient(given.lists, given.plan.loss, given.plan.ranking)
    if reduction != "sum":
        found = measured(given.lists, given.plan.loss, given.plan.ranking)
        if reduction == "mean":
            divisors: Any = float(_divisor(found, given))
        else:
            divisors = found.divisors
            divisors = np.repeat(divisors, given.lists.sizes) * np.count_nonzero(divisors)
        slopes = np.divide(slopes, divisors, out=np.zeros_like(slopes), where=slopes != 0)
    whole = np.empty_like(slopes)
    whole[given.order] = slopes
    return whole


def rank_sweep(
    score: ArrayLike,
    label: ArrayLike,
    query: ArrayLike | None = None,
    *,
    margins: ArrayLike,
    loss: str = "margin_ranking",
    weight: ArrayLike | None = None,
    reduction: RankReduction = "mean",
    lambda_weight: LambdaWeight = "none",
    top: int | None = None,
    **parameters: Any,
) -> list[dict[str, Any]]:
    """Return what ranked lists come to at each of many margins: a record for each, in the order given.

    A record has the keys of a point of `mrl sweep` on lists: `margin`; `value`, what `rank_loss` returns at it; `sum`
    and `mean` over pairs, and `query_mean` where that is the reduction; `active`, how many pairs have a loss above 0,
    and `active_share`; and for a hinge `gradient_share`, the share of pairs whose gradient is not 0.

    `margins` is an array of shape (n,), or one number. Other arguments and errors are those of `rank_loss`; a loss
    without a margin is a ValueError.

    >>> points = rank_sweep([0.5, 0.75, 0.5, 1, 0], [1, 0, 0, 1, 0], [7, 7, 8, 8, 8], margins=[0, 1])
    >>> [(point["mean"], point["active"]) for point in points]
    [(0.08333333333333333, 1), (0.5833333333333334, 2)]
    """
    each = margins_of(margins)
    plan = _plan(loss, None, weight, lambda_weight, top, parameters, margins=each, dtype="float64")
    given = _given(score, label, query, weight, reduction, plan)
    plan = plan.changed(reduction=reduction)
    consumer = ListCurveConsumer(plan, each)
    curve = consumer.empty()
    consumer.add(curve, consumer.block(WholeLists(given.lists, {})))
    return Points(list_sweep_points(consumer.points(curve), plan))


class _Given(NamedTuple):
    """Checked lists, the item that stands at each of their places, and what is computed."""

    lists: Lists
    order: NDArray[np.intp]
    plan: Plan


def _plan(
    loss: str,
    margin: float | None,
    weight: ArrayLike | None,
    lambda_weight: LambdaWeight,
    top: int | None,
    parameters: dict[str, Any],
    **others: Any,
) -> Plan:
    roles: tuple[Role, ...] = ("score", "y", "query") if weight is None else ("score", "y", "query", "weight")
    columns = {role: str(role) for role in roles}
    with value_errors(), argument_errors(rank_loss, rank_sweep):
        settings = {"loss": loss, "margin": margin, "lambda_weight": lambda_weight, "top": top, **others}
        return of_lists(plan_of(columns, parameters=parameters, **settings))


@value_errors()
def _given(
    score: ArrayLike, label: ArrayLike, query: ArrayLike | None, weight: ArrayLike | None, reduction: str, plan: Plan
) -> _Given:
    check_choice("reduction", reduction, ("mean", "query-mean", "sum"))
    for name in ("top", "max_pairs"):
        value = getattr(plan.ranking, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    given = {"score": score, "label": label} | ({} if weight is None else {"weight": weight})
    arrays = {name: exact_doubles(name, values) for name, values in given.items()}
    codes = np.zeros(arrays["score"].shape, np.intp) if query is None else _codes(query)
    shapes = {name: array.shape for name, array in arrays.items()} | ({} if query is None else {"query": codes.shape})
    if len(set(shapes.values())) > 1 or codes.ndim != 1:
        raise ValueError(f"score, label, query and weight must be of one shape (n,): {shapes}")
    lowest = {"score": -math.inf, "label": plan.ranking.least_label, "weight": 0.0}
    for name, array in arrays.items():
        fits = np.isfinite(array) & (array >= lowest[name])
        if not fits.all():
            bound = f" and at least {lowest[name]:g}" if math.isfinite(lowest[name]) else ""
            raise ValueError(f"{name} must be finite{bound}; there is {array[~fits][0]}")
    order = np.argsort(codes, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(codes)))
    columns = {name: array.take(order) for name, array in arrays.items()}
    return _Given(Lists(starts, columns["label"], columns["score"], columns.get("weight")), order, plan)


def _codes(query: ArrayLike) -> NDArray[np.intp]:
    """Return a number for each query, from 0 on; equal values have one."""
    values = np.asarray(query)
    if values.dtype.kind == "O":
        numbers: dict[Any, int] = {}
        codes = [numbers.setdefault(value, len(numbers)) for value in values.reshape(-1).tolist()]
        is_missing = any(value is None or not _is_itself(value) for value in numbers)
        codes_of = np.array(codes, np.intp).reshape(values.shape)
    else:
        is_missing = values.dtype.kind in "fcmM" and bool((values != values).any())
        codes_of = np.unique(values, return_inverse=True)[1].reshape(values.shape)
    if is_missing:
        raise ValueError("query has missing values")
    return codes_of


def _is_itself(value: Any) -> bool:
    """Return whether a value equals itself, which NaN and what pandas writes for a missing value do not."""
    try:
        return bool(value == value)
    except TypeError:
        return False


def _total(sums: SumsByCode, given: _Given) -> ExactSum:
    return sums.regrouped(np.zeros(given.lists.size, np.int64), 1).at(0)


def _divisor(found: Found, given: _Given) -> ExactSum:
    """Return what the sum over all pairs is divided by: their weights, or how many they are."""
    return ExactSum.of_few([float(found.pairs.sum())]) if found.weights is None else _total(found.weights, given)
