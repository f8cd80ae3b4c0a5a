"""`pairwise_loss` and its gradient: every loss from Python, margins and weights of each pair, what is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import margin_ranking_loss, margin_ranking_loss_grad, pairwise_loss, pairwise_loss_grad
from mrl_cli.losses import LOSSES, Loss
from tests.each import each
from tests.loss_properties import DTYPES, MARGINS, pairs, same, settings

of_every_loss = each("loss", LOSSES.values())


def losses_of(*args: Any, **options: Any) -> Any:
    return pairwise_loss(*args, reduction="none", **options)


@each("dtype", DTYPES)
@of_every_loss
def test_losses_and_gradients_are_those_of_the_kernel(loss: Loss, dtype: str) -> None:
    x1, x2, y = pairs(dtype)
    margin = np.resize(np.array(MARGINS, dtype), x1.size) if loss.has_margin else np.zeros(x1.size, dtype)
    for parameters in settings(loss):
        losses = losses_of(x1, x2, y, loss=loss.name, margin=margin, **parameters)
        assert same(losses, loss.kernel(x1 - x2, y, margin=margin, **parameters))
        x1_grad, x2_grad = pairwise_loss_grad(x1, x2, y, loss=loss.name, margin=margin, reduction="none", **parameters)
        assert same(x1_grad, loss.gradient(x1 - x2, y, margin=margin, **parameters))
        assert same(x2_grad, -x1_grad)


def test_margin_ranking_is_the_default() -> None:
    x1, x2, y = pairs()
    margin = np.resize(MARGINS, x1.size)
    assert pairwise_loss(x1, x2, y, margin=margin) == margin_ranking_loss(x1, x2, y, margin=margin)
    gradients = pairwise_loss_grad(x1, x2, y, margin=margin)
    for ours, other in zip(gradients, margin_ranking_loss_grad(x1, x2, y, margin=margin), strict=True):
        assert same(ours, other)


def test_margin_may_be_any_container_of_the_pairs_shape() -> None:
    for margin in ([0.5, 1.0], (0.5, 1), np.array([0.5, 1.0]), pd.Series([0.5, 1.0])):
        assert losses_of([0.0, 0.0], [0.0, 0.0], [1, 1], margin=margin).tolist() == [0.5, 1.0]
    assert losses_of([1.0], [1.0], [1], margin=[-0.0]).tobytes() == np.array([0.0]).tobytes()


def test_wide_margins_and_weights_widen_nothing() -> None:
    x1, x2, y = pairs("float32")
    margin = np.full(x1.size, 0.1)
    assert same(losses_of(x1, x2, y, margin=margin, weight=margin), losses_of(x1, x2, y, margin=0.1))


@of_every_loss
def test_integer_weights_are_repetitions(loss: Loss) -> None:
    x1, x2, y = pairs()
    weight = np.random.default_rng(2).integers(0, 4, x1.size)
    repeated = [np.repeat(values, weight) for values in (x1, x2, y)]
    for reduction in ("sum", "mean"):
        actual = pairwise_loss(x1, x2, y, loss=loss.name, weight=weight, reduction=reduction)
        assert actual == pairwise_loss(*repeated, loss=loss.name, reduction=reduction)
        assert actual != pairwise_loss(x1, x2, y, loss=loss.name, reduction=reduction)
        gradient = pairwise_loss_grad(x1, x2, y, loss=loss.name, weight=weight, reduction=reduction)[0]
        of_repeated = pairwise_loss_grad(*repeated, loss=loss.name, reduction=reduction)[0]
        np.testing.assert_allclose(np.repeat(gradient, weight) / np.repeat(weight, weight), of_repeated, rtol=1e-14)


def test_weighted_sum_is_exact() -> None:
    x1 = np.array([1e16, 0.1, 0.7])
    weight = np.array([0.3, 0.1, 1e-3])
    exact = sum(Fraction(w) * Fraction(x) for w, x in zip(weight.tolist(), x1.tolist(), strict=True))
    actual = pairwise_loss(x1, np.zeros(3), -np.ones(3), weight=weight, reduction="sum")
    assert actual == float(exact)
    mean = pairwise_loss(x1, np.zeros(3), -np.ones(3), weight=weight)
    assert mean == float(exact) / float(sum(map(Fraction, weight.tolist())))


def test_weight_zero_leaves_out_even_an_infinite_loss() -> None:
    args = ([1.0, -1e4], [0.0, 1e4], [1, 1])
    assert pairwise_loss(*args, loss="exponential") == math.inf
    assert pairwise_loss(*args, loss="exponential", weight=[2, 0]) == math.exp(-1)
    x1_grad, _ = pairwise_loss_grad(*args, loss="exponential", weight=[2, 0])
    assert x1_grad.tolist() == [-math.exp(-1), 0.0]


def test_mean_over_weights_of_zero_is_undefined() -> None:
    assert math.isnan(float(pairwise_loss([1.0], [2.0], [1], weight=[0])))
    assert pairwise_loss([1.0], [2.0], [1], weight=[0], reduction="sum") == 0.0
    assert pairwise_loss_grad([1.0], [2.0], [1], weight=[0])[0].tolist() == [0.0]


@pytest.mark.parametrize("weight", [[-1.0, 1.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_weight_that_is_none_is_refused(weight: list[float]) -> None:
    for call in (pairwise_loss, pairwise_loss_grad):
        with pytest.raises(ValueError, match=f"weight must be finite and at least 0; there is {weight[0]}"):
            call([1.0, 1.0], [0.0, 0.0], [1, 1], weight=weight)


@pytest.mark.parametrize("name", ["margin", "weight"])
def test_margins_and_weights_are_of_the_pairs_shape(name: str) -> None:
    for values in ([0.5], [0.5] * 3, [[0.5, 0.5]]):
        with pytest.raises(ValueError, match=rf"nothing is broadcast: .*{name} \("):
            pairwise_loss([1.0, 1.0], [0.0, 0.0], [1, 1], **{name: values})  # type: ignore[call-overload]


@each(
    ("options", "message"),
    [
        ({"loss": "no_loss"}, "loss must be one of margin_ranking"),
        ({"loss": "logistic", "beta": 1.0}, "no parameter 'beta'; it has temperature"),
        ({"loss": "logistic", "temperature": 0.0}, "must be 1e-30"),
        ({"loss": "robust_bradley_terry", "label_smoothing": 0.5}, "but not 0.5"),
        ({"loss": "ipo", "margin": 1.0}, "ipo has no margin"),
        ({"loss": "ipo", "margin": [1.0]}, "ipo has no margin"),
    ],
)
def test_what_the_loss_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    for call in (pairwise_loss, pairwise_loss_grad):
        with pytest.raises(ValueError, match=message):
            call([1.0], [0.0], [1], **options)


@pytest.mark.parametrize("value", ["1", True, None, 1j, [1.0]])
def test_parameter_that_is_no_real_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="temperature must be a real number"):
        pairwise_loss([1.0], [0.0], [1], loss="logistic", temperature=value)


@pytest.mark.parametrize("value", ["1", True, 1j])
def test_margin_that_is_no_real_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="margin must"):
        pairwise_loss([1.0], [0.0], [1], margin=value)


@of_every_loss
def test_nothing_has_no_mean(loss: Loss) -> None:
    assert math.isnan(float(pairwise_loss([], [], [], loss=loss.name)))
    assert pairwise_loss([], [], [], loss=loss.name, reduction="sum") == 0.0
    assert pairwise_loss_grad([], [], [], loss=loss.name)[0].shape == (0,)


@of_every_loss
def test_one_pair_may_be_scalars(loss: Loss) -> None:
    assert pairwise_loss(0.5, 0.25, 1, loss=loss.name) == pairwise_loss([0.5], [0.25], [1], loss=loss.name)
    assert pairwise_loss_grad(0.5, 0.25, 1, loss=loss.name)[0].shape == ()
