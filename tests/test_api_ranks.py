"""`rank_loss` and its gradient: what `pairwise_loss` comes to on the pairs written out, whatever order items are in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import evaluate_lists, pairwise_loss, pairwise_loss_grad, rank_loss, rank_loss_grad
from mrl_cli.losses import LISTWISE, LOSSES
from tests.each import each

QUERY = np.array([3, 1, 3, 2, 1, 3, 3, 1, 4, 1])
LABEL = np.array([2, 0, 0, 5, 1, 1, 2, 3, 1, 1])
SCORE = np.array([0.5, 0.25, 1.5, 9.0, 0.75, -0.5, 0.5, 0.25, 3.0, -1.0])
WEIGHT = np.array([1.0, 2, 0.5, 1, 3, 0, 2, 0.25, 1, 1])
HIGHER, LOWER = np.nonzero((QUERY[:, None] == QUERY) & (LABEL[:, None] > LABEL))

of_pairwise_losses = each("loss", LOSSES)
of_weights = each("weight", [None, WEIGHT])


def of_pairs(loss: str) -> tuple[np.ndarray[Any, Any], ...]:
    labels = LABEL[HIGHER] - LABEL[LOWER] if LOSSES[loss].is_target else np.ones(HIGHER.size, np.int64)
    return SCORE[HIGHER], SCORE[LOWER], labels


@of_weights
@of_pairwise_losses
@each("reduction", ["mean", "sum"])
def test_rank_loss_is_that_of_the_pairs(loss: str, reduction: Any, weight: Any) -> None:
    margin = 0.5 if LOSSES[loss].has_margin else 0.0
    settings: dict[str, Any] = {"loss": loss, "reduction": reduction} | ({"margin": margin} if margin else {})
    got = rank_loss(SCORE, LABEL, QUERY, weight=weight, **settings)
    right = pairwise_loss(*of_pairs(loss), weight=None if weight is None else weight[HIGHER], **settings)
    assert got == (right if LOSSES[loss].power else pytest.approx(right, rel=1e-14, abs=0))


@of_weights
@of_pairwise_losses
@each("reduction", ["mean", "sum"])
def test_gradient_is_the_sum_of_those_of_the_pairs(loss: str, reduction: Any, weight: Any) -> None:
    margin = 0.5 if LOSSES[loss].has_margin else 0.0
    settings: dict[str, Any] = {"loss": loss, "reduction": reduction} | ({"margin": margin} if margin else {})
    got = rank_loss_grad(SCORE, LABEL, QUERY, weight=weight, **settings)
    of_x1, of_x2 = pairwise_loss_grad(*of_pairs(loss), weight=None if weight is None else weight[HIGHER], **settings)
    right = np.bincount(HIGHER, of_x1, QUERY.size) + np.bincount(LOWER, of_x2, QUERY.size)
    np.testing.assert_allclose(got, right, rtol=1e-13, atol=1e-15)


@of_weights
@pytest.mark.parametrize("loss", ["margin_ranking", "logistic"])
def test_gradient_of_query_mean_is_the_mean_of_those_of_queries(loss: str, weight: Any) -> None:
    got = rank_loss_grad(SCORE, LABEL, QUERY, loss=loss, margin=0.5, weight=weight, reduction="query-mean")
    right = np.zeros(QUERY.size)
    for query in (1, 3):  # the others have no pair
        here = query == QUERY
        alone = None if weight is None else weight[here]
        right[here] = rank_loss_grad(SCORE[here], LABEL[here], loss=loss, margin=0.5, weight=alone) / 2
    np.testing.assert_allclose(got, right, rtol=1e-14, atol=0)


@each("reduction", ["mean", "query-mean", "sum"])
@each("loss", [*LOSSES, *LISTWISE], quick=5)
def test_rank_loss_is_what_evaluate_lists_reports(loss: str, reduction: Any) -> None:
    frame = pd.DataFrame({"query": QUERY, "label": LABEL, "score": SCORE})
    settings: dict[str, Any] = {"loss": loss, "reduction": reduction}
    if loss == "listmle":
        settings["ties"] = "breslow"
    assert rank_loss(SCORE, LABEL, QUERY, **settings) == evaluate_lists(frame, **settings)["value"]


@pytest.mark.slow
@each("loss", [*LOSSES, "softmax"])
def test_order_of_items_and_kind_of_queries_change_nothing(loss: str) -> None:
    order = np.random.default_rng(0).permutation(QUERY.size)
    first = rank_loss(SCORE, LABEL, QUERY, loss=loss)
    names = np.array(["", "q1", "q 2", "007", "7"], object)
    for queries in (QUERY, QUERY.astype(str), names[QUERY], QUERY / 8, pd.Series(QUERY)):
        kept = np.asarray(queries)[order]
        assert rank_loss(SCORE[order].tolist(), LABEL[order], kept, loss=loss) == first
    if loss in LOSSES:
        slopes = rank_loss_grad(SCORE, LABEL, QUERY, loss=loss)
        assert rank_loss_grad(SCORE[order], LABEL[order], QUERY[order], loss=loss).tolist() == slopes[order].tolist()


def test_without_queries_all_items_are_one_list() -> None:
    one = np.full(QUERY.size, "q")
    assert rank_loss(SCORE, LABEL, margin=0.5) == rank_loss(SCORE, LABEL, one, margin=0.5)


def test_over_no_pairs_the_sum_is_zero_and_means_are_undefined() -> None:
    for label, query in ([1, 1, 1], [1, 1, 2]), ([], []):
        score = [0.5] * len(label)
        assert rank_loss(score, label, query, reduction="sum") == 0.0
        assert math.isnan(rank_loss(score, label, query))
        assert math.isnan(rank_loss(score, label, query, reduction="query-mean"))
        assert rank_loss_grad(score, label, query).tolist() == [0.0] * len(label)


@each(
    ("changed", "named"),
    [
        ({"score": [0.0, math.nan]}, "score must be finite; there is nan"),
        ({"label": [0.0, math.inf]}, "label must be finite"),
        ({"score": [0.0]}, "one shape"),
        ({"query": ["a"]}, "one shape"),
        ({"query": [1.0, math.nan]}, "query has missing values"),
        ({"query": np.array(["a", None], object)}, "query has missing values"),
        ({"weight": [1.0, -1.0]}, "weight must be finite and at least 0; there is -1.0"),
        ({"loss": "softmax", "weight": [1.0, 1.0]}, "weight"),
        ({"loss": "softmax", "margin": 1.0}, "no margin"),
        ({"loss": "hinge"}, "hinge"),
        ({"reduction": "none"}, "reduction"),
        ({"margin": math.nan}, "margin"),
        ({"beta": 1.0}, "no parameter 'beta'"),
        ({"top": 3}, "top goes with lambda_weight ndcg"),
        ({"top": 0, "lambda_weight": "ndcg"}, "top must be a whole number"),
        ({"label": [0.0, -1.0], "lambda_weight": "ndcg"}, "label must be finite and at least 0"),
    ],
)
def test_what_cannot_be_right_is_refused(changed: dict[str, Any], named: str) -> None:
    given: dict[str, Any] = {"score": [0.5, 1.0], "label": [1, 0]} | changed
    with pytest.raises(ValueError, match=named):
        rank_loss(**given)


def test_a_listwise_loss_has_no_gradient_here() -> None:
    with pytest.raises(ValueError, match="there is no gradient of softmax"):
        rank_loss_grad([0.5], [1], loss="softmax")


def test_text_is_not_a_score() -> None:
    with pytest.raises(TypeError, match="score must hold real numbers"):
        rank_loss(["a"], [1])


def test_an_integer_that_no_double_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="score holds 9007199254740993, an integer that is not exact"):
        rank_loss([2**53 + 1, 2**53], [0, 1])
    assert rank_loss([2**53 + 2, 2**53], [0, 1]) == 2.0
