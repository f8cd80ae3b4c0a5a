"""The Python interface: what it takes, what it refuses, and hand-worked losses and gradients."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

import mrl_cli
from mrl_cli import MarginRankingLoss, margin_ranking_loss, margin_ranking_loss_grad
from mrl_cli.model import PairReduction
from tests.each import each, mostly_slow

Array = NDArray[Any]

X1, X2, Y = [0.5, 1.0, -2.0, 3.0], [0.25, 2.0, -1.0, 1.0], [1, 1, -1, -1]
#           y (x1 - x2) is 0.25, -1, 1, -2; with margin 0.5 the losses are
LOSSES = [0.5 - 0.25, 0.5 + 1.0, 0.0, 0.5 + 2.0]


def losses_of(x1: ArrayLike, x2: ArrayLike, y: ArrayLike, margin: float = 0.0) -> Array:
    losses = margin_ranking_loss(x1, x2, y, margin=margin, reduction="none")
    assert isinstance(losses, np.ndarray)
    return losses


@pytest.mark.parametrize(
    "container", [list, tuple, np.array, pd.Series, lambda values: pd.Series(values, index=[7, 3, 3, 1])]
)
def test_containers_of_every_kind_give_the_hand_worked_losses(container: Any) -> None:
    assert losses_of(container(X1), container(X2), container(Y), 0.5).tolist() == LOSSES


def test_series_pair_by_place_not_by_index() -> None:
    x2 = pd.Series(X2, index=[3, 2, 1, 0])
    assert losses_of(pd.Series(X1), x2, pd.Series(Y), 0.5).tolist() == LOSSES


def test_reductions_are_those_of_the_hand_worked_losses() -> None:
    assert margin_ranking_loss(X1, X2, Y, margin=0.5, reduction="sum") == 0.25 + 1.5 + 0.0 + 2.5
    assert margin_ranking_loss(X1, X2, Y, margin=0.5, reduction="mean") == (0.25 + 1.5 + 0.0 + 2.5) / 4
    assert margin_ranking_loss(X1, X2, Y, margin=0.5) == margin_ranking_loss(X1, X2, Y, margin=0.5, reduction="mean")
    assert margin_ranking_loss(X1, X2, Y) == (0.0 + 1.0 + 0.0 + 2.0) / 4


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_reduced_loss_is_a_plain_float(reduction: PairReduction) -> None:
    assert type(margin_ranking_loss(X1, X2, Y, reduction=reduction)) is float
    assert type(margin_ranking_loss(*(np.array(a, np.float32) for a in (X1, X2, Y)), reduction=reduction)) is float


@pytest.mark.parametrize("scalar", [float, np.float64, np.float32, np.array])
def test_scalars_are_one_pair(scalar: Any) -> None:
    x1, x2, y = scalar(0.5), scalar(2.0), scalar(1)
    assert margin_ranking_loss(x1, x2, y, margin=0.25) == 0.25 + 1.5
    assert margin_ranking_loss(x1, x2, y, margin=0.25, reduction="sum") == 0.25 + 1.5
    losses = losses_of(x1, x2, y, 0.25)
    assert losses.shape == ()
    assert losses.item() == 0.25 + 1.5
    x1_grad, x2_grad = margin_ranking_loss_grad(x1, x2, y, margin=0.25)
    assert (x1_grad.shape, x1_grad.item(), x2_grad.item()) == ((), -1.0, 1.0)


def test_shape_of_the_inputs_is_that_of_the_losses_and_gradients() -> None:
    x1, x2, y = (np.array(values).reshape(2, 1, 2) for values in (X1, X2, Y))
    assert losses_of(x1, x2, y, 0.5).tolist() == np.array(LOSSES).reshape(2, 1, 2).tolist()
    assert [gradient.shape for gradient in margin_ranking_loss_grad(x1, x2, y)] == [(2, 1, 2)] * 2


def test_read_only_inputs_are_taken_and_left_as_they_are() -> None:
    inputs = [np.array(values, np.float64) for values in (X1, X2, Y)]
    before = [values.tobytes() for values in inputs]
    for values in inputs:
        values.flags.writeable = False
    x1, x2, y = inputs
    assert losses_of(x1, x2, y, 0.5).tolist() == LOSSES
    margin_ranking_loss_grad(x1, x2, y)
    assert [values.tobytes() for values in inputs] == before


@each("function", [margin_ranking_loss, margin_ranking_loss_grad, MarginRankingLoss().grad])
@each("shapes", [((3, 1), (1, 3), (1, 1)), ((3,), (4,), (3,)), ((3,), (3,), (1,)), ((3, 1), (3,), (3,))])
def test_shapes_that_differ_are_refused_and_all_named(function: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="nothing is broadcast") as caught:
        function(*map(np.ones, shapes))
    for name, shape in zip(("x1", "x2", "y"), shapes, strict=True):
        assert f"{name} {shape}" in str(caught.value)


def test_float32_and_float64_differ_as_their_arithmetic_does() -> None:
    x1, x2, y = np.array([[0.3], [0.2], [1]])  # 0.3 - 0.2 is above 0.1 in float32, and below it in float64
    assert losses_of(x1.astype(np.float32), x2.astype(np.float32), y.astype(np.float32), 0.1).tolist() == [0.0]
    assert losses_of(x1, x2, y, 0.1).tolist() == [0.1 - (0.3 - 0.2)]
    assert 2.7e-17 < 0.1 - (0.3 - 0.2) < 2.8e-17


@each(
    ("scores", "labels", "expected"),
    [
        ("float32", "float32", "float32"),
        ("float16", "float16", "float32"),
        ("float32", "int64", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
        ("int8", "int8", "float64"),
        ("int64", "float32", "float64"),
    ],
)
def test_dtype_of_the_losses_is_that_of_the_arithmetic(scores: str, labels: str, expected: str) -> None:
    assert losses_of(np.ones(2, scores), np.ones(2, scores), np.ones(2, labels)).dtype == expected


def test_labels_in_a_list_leave_float32_scores_in_float32() -> None:
    assert losses_of(np.ones(2, np.float32), np.ones(2, np.float32), [1.0, -1.0]).dtype == np.float32


def test_float16_scores_do_not_lose_their_difference() -> None:
    x1, x2 = np.array([60000], np.float16), np.array([-60000], np.float16)
    assert losses_of(x1, x2, np.array([-1], np.float16)).tolist() == [
        float(x1[0]) - float(x2[0])  # infinite in float16
    ]


@each("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint64"])
def test_integers_do_not_wrap(dtype: str) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x1, x2 = np.array([high, low], dtype), np.array([low, high], dtype)
    expected = float(high) - float(low)
    assert losses_of(x1, x2, np.array([-1, 1], np.int8)).tolist() == [expected, expected]
    assert losses_of(x1, x2, np.array([1, -1], np.int8)).tolist() == [0.0, 0.0]


def test_integer_labels_do_not_wrap_when_negated() -> None:
    # -(-128) is -128 in int8, and -1 is 255 in uint8.
    assert losses_of([2.0], [1.0], np.array([-128], np.int8)).tolist() == [128.0]
    assert losses_of([1.0], [2.0], np.array([255], np.uint8), 0.5).tolist() == [255.5]


def test_label_zero_costs_the_margin_and_has_no_gradient() -> None:
    assert losses_of([5.0], [1.0], [0], 0.75).tolist() == [0.75]
    x1_grad, x2_grad = margin_ranking_loss_grad([5.0], [1.0], [0], margin=0.75)
    assert (x1_grad.tolist(), x2_grad.tolist()) == ([0.0], [0.0])


@each("labels", [[0, 1], [1] * 70 + [0]])
def test_labels_0_and_1_are_taken_as_they_are_with_a_warning(labels: list[int]) -> None:
    x1, x2 = [1.0] * len(labels), [3.0] * len(labels)
    for call in (margin_ranking_loss, margin_ranking_loss_grad, mrl_cli.pairwise_loss, MarginRankingLoss()):
        with pytest.warns(mrl_cli.MrlWarning, match=r"labels are 0 and 1 .* Then give 2\*y - 1") as caught:
            call(x1, x2, labels)
        assert [warning.filename for warning in caught] == [__file__]
    assert margin_ranking_loss(x1, x2, [2 * label - 1 for label in labels]) == 2 * labels.count(1) / len(labels)


@each("labels", [[0, 0.5, 1], [0, 1, 2]])
def test_labels_0_and_1_with_others_above_0_are_taken_with_a_warning(labels: list[float]) -> None:
    with pytest.warns(mrl_cli.MrlWarning, match="labels are 0, 1 and others .* Give 1 where x1 is better"):
        margin_ranking_loss([1.0] * len(labels), [3.0] * len(labels), labels)


@each("labels", [[1, -1], [1, 1], [0, 0], [0, 1, -1], [1, 2, 3]])
def test_other_labels_are_taken_without_a_warning(labels: list[float]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = margin_ranking_loss([1.0] * len(labels), [3.0] * len(labels), labels, reduction="none")
        of_targets = mrl_cli.pairwise_loss([1.0, 2.0], [3.0, 1.0], [0, 1], loss="margin_mse")
    assert losses.tolist() == [max(0.0, 2.0 * label) for label in labels]
    assert of_targets == 2.0
    assert not caught


def test_nothing_has_the_sum_zero_and_no_mean() -> None:
    assert margin_ranking_loss([], [], [], reduction="sum") == 0.0
    assert math.isnan(float(margin_ranking_loss([], [], [])))
    assert losses_of([], [], []).shape == (0,)
    assert [gradient.shape for gradient in margin_ranking_loss_grad([], [], [])] == [(0,), (0,)]


@pytest.mark.parametrize("reduction", ["Mean", "", "average", None])
def test_unknown_reduction_is_refused_with_those_there_are(reduction: Any) -> None:
    for call in (margin_ranking_loss, margin_ranking_loss_grad):
        with pytest.raises(ValueError, match="mean, sum, none"):
            call([1.0], [1.0], [1], reduction=reduction)
    with pytest.raises(ValueError, match="mean, sum, none"):
        MarginRankingLoss(reduction=reduction)


@each("bad", [["1.0"], [1j], [True], [None], [object()]])
@each("place", [0, 1, 2])
def test_what_is_no_real_number_is_refused_by_name(bad: list[Any], place: int) -> None:
    arguments: list[Any] = [[1.0], [2.0], [1]]
    arguments[place] = bad
    name = ("x1", "x2", "y")[place]
    for call in (margin_ranking_loss, margin_ranking_loss_grad):
        with pytest.raises(TypeError, match=f"^{name} must hold real numbers"):
            call(*arguments)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("margin", [-0.0, 0.0])
def test_no_loss_is_a_negative_zero(margin: float, dtype: str) -> None:
    zeros = np.array([0.0, -0.0, 0.0, -0.0, 1.0, 1.0] * 7, dtype)
    others = np.array([0.0, 0.0, -0.0, -0.0, 1.0, 1.0] * 7, dtype)
    for y in (1.0, -1.0, 0.0, -0.0):
        losses = losses_of(zeros, others, np.full(42, y, dtype), margin)
        assert not np.signbit(losses).any()
        assert not losses.any()


def test_nan_stays_nan_and_infinities_are_as_in_ieee_754() -> None:
    x1 = np.array([math.nan, 1.0, 1.0, math.inf, math.inf, -math.inf, math.inf])
    x2 = np.array([1.0, math.nan, 1.0, math.inf, 1.0, 1.0, 1.0])
    y = np.array([1.0, 1.0, math.nan, 1.0, 1.0, 1.0, 0.0])
    expected = [math.nan, math.nan, math.nan, math.nan, 0.0, math.inf, math.nan]  # inf - inf and 0 * inf are NaN
    np.testing.assert_array_equal(losses_of(x1, x2, y), expected)


def test_sum_is_exact_where_adding_in_turn_is_not() -> None:
    # 1 + ten times half an ulp of 1: added in turn, each is lost.
    x2 = [1.0] + [2.0**-53] * 10
    assert margin_ranking_loss([0.0] * 11, x2, [1] * 11, reduction="sum") == 1.0 + 10 * 2.0**-53


def test_sum_of_float32_losses_is_rounded_once_to_float32() -> None:
    x2 = np.array([1.0] + [2.0**-24] * 3, np.float32)
    loss = margin_ranking_loss(np.zeros(4, np.float32), x2, np.ones(4, np.float32), reduction="sum")
    assert loss == 1.0 + 2.0**-22  # 1 + 3/2 ulp: a tie, rounded to even


def test_gradients_are_the_hand_worked_ones() -> None:
    x1_grad, x2_grad = margin_ranking_loss_grad(X1, X2, Y, margin=0.5, reduction="sum")
    assert x1_grad.tolist() == [-1.0, -1.0, 0.0, 1.0]
    assert x2_grad.tolist() == [1.0, 1.0, 0.0, -1.0]
    x1_grad, x2_grad = margin_ranking_loss_grad(X1, X2, Y, margin=0.5)
    assert x1_grad.tolist() == [-1 / 4, -1 / 4, 0.0, 1 / 4]
    assert x2_grad.tolist() == [1 / 4, 1 / 4, 0.0, -1 / 4]


def test_gradient_passes_at_the_kink_and_not_beyond() -> None:
    x1 = [0.5, math.nextafter(0.5, 1), math.nextafter(0.5, 0)]
    x1_grad, x2_grad = margin_ranking_loss_grad(x1, [0.0] * 3, [1] * 3, margin=0.5, reduction="none")
    assert x1_grad.tolist() == [-1.0, 0.0, -1.0]
    assert x2_grad.tolist() == [1.0, 0.0, 1.0]


@given(
    st.lists(st.tuples(*[st.integers(-64, 64)] * 2, st.sampled_from([-2, -1, -0.5, 0, 1, 3])), min_size=1, max_size=9)
)
@settings(deadline=None)
@pytest.mark.parametrize("reduction", mostly_slow(["sum", "mean"], quick=1))
def test_gradients_are_those_of_finite_differences(reduction: PairReduction, rows: list[tuple[float, ...]]) -> None:
    x1, x2, y = np.array(rows, np.float64).T
    margin, step = 0.3, 2.0**-10  # y (x1 - x2) is a multiple of 1/2: the kink at 0.3 is never within a step
    gradients = margin_ranking_loss_grad(x1, x2, y, margin=margin, reduction=reduction)
    for place, gradient in enumerate(gradients):
        for index in range(x1.size):
            above, below = np.array([x1, x2]), np.array([x1, x2])
            above[place][index] += step
            below[place][index] -= step
            rise = float(margin_ranking_loss(above[0], above[1], y, margin=margin, reduction=reduction)) - float(
                margin_ranking_loss(below[0], below[1], y, margin=margin, reduction=reduction)
            )
            assert rise / (2 * step) == pytest.approx(gradient[index], abs=1e-9)


def test_class_is_the_function_with_its_settings() -> None:
    loss = MarginRankingLoss(margin=0.5, reduction="sum")
    assert loss(X1, X2, Y) == margin_ranking_loss(X1, X2, Y, margin=0.5, reduction="sum") == 4.25
    for ours, expected in zip(
        loss.grad(X1, X2, Y), margin_ranking_loss_grad(X1, X2, Y, margin=0.5, reduction="sum"), strict=True
    ):
        assert ours.tobytes() == expected.tobytes()
    assert MarginRankingLoss() == MarginRankingLoss(margin=0.0, reduction="mean")


def test_package_offers_the_interface_by_name() -> None:
    assert set(dir(mrl_cli)) == set(mrl_cli.__all__)
    assert all(hasattr(mrl_cli, name) for name in mrl_cli.__all__)
    with pytest.raises(AttributeError, match="no_such_loss"):
        getattr(mrl_cli, "no_such_loss")  # noqa: B009 - mypy knows that there is none


def test_a_mean_over_queries_is_none_of_pairs() -> None:
    with pytest.raises(ValueError, match=r"reduction must be one of mean, sum, none, not 'query-mean'"):
        margin_ranking_loss([1], [2], [1], reduction="query-mean")  # type: ignore[call-overload, arg-type, unused-ignore]
