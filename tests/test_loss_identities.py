"""What holds between the losses and between values of their parameters, and hand-worked values of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_cli.losses import LOSSES
from tests.each import each
from tests.loss_properties import DTYPES, pairs, same

Array = NDArray[Any]


def kernel(name: str, difference: Array, y: Array, *, margin: float = 0.0, **parameters: float) -> Array:
    loss = LOSSES[name]
    return loss.kernel(difference, y, margin=margin, **(loss.defaults | parameters))


def gradient(name: str, difference: Array, y: Array, *, margin: float = 0.0, **parameters: float) -> Array:
    loss = LOSSES[name]
    return loss.gradient(difference, y, margin=margin, **(loss.defaults | parameters))


def assert_close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=8 * np.finfo(actual.dtype).eps, atol=np.finfo(actual.dtype).eps)


of_both_dtypes = each("dtype", DTYPES)
SCALED = [
    (loss.name, parameter.name)
    for loss in LOSSES.values()
    for parameter in loss.parameters
    if parameter.name in ("temperature", "beta") and loss.name != "ipo"  # there beta sets the target
]
of_scaled = each(("name", "parameter"), SCALED)


@of_scaled
@of_both_dtypes
def test_temperature_divides_and_beta_multiplies_the_difference(name: str, parameter: str, dtype: str) -> None:
    x1, x2, y = pairs(dtype)
    for value in (0.25, 2.0):  # powers of two: the products are exact
        factor = value if parameter == "beta" else 1 / value
        parameters = {parameter: value}
        assert same(kernel(name, x1 - x2, y, **parameters), kernel(name, (x1 - x2) * factor, y))
        scaled = gradient(name, (x1 - x2) * factor, y) * factor
        assert_close(gradient(name, x1 - x2, y, **parameters), scaled.astype(dtype))


@of_both_dtypes
def test_bradley_terry_without_smoothing_is_logistic(dtype: str) -> None:
    x1, x2, y = pairs(dtype)
    for name in ("smoothed_bradley_terry", "robust_bradley_terry"):
        for beta in (0.5, 1.0, 2.0):
            assert same(kernel(name, x1 - x2, y, beta=beta), kernel("logistic", x1 - x2, y, temperature=1 / beta))
            expected = gradient("logistic", x1 - x2, y, temperature=1 / beta)
            assert_close(gradient(name, x1 - x2, y, beta=beta), expected)


def test_full_smoothing_flips_every_label() -> None:
    x1, x2, y = pairs()
    for name in ("smoothed_bradley_terry", "robust_bradley_terry"):
        assert_close(kernel(name, x1 - x2, y, label_smoothing=1.0), kernel("logistic", x1 - x2, -y))


def test_smoothed_bradley_terry_is_the_expected_loss_of_flipped_labels() -> None:
    x1, x2, y = pairs()
    expected = 0.75 * kernel("logistic", x1 - x2, y) + 0.25 * kernel("logistic", x1 - x2, -y)
    assert_close(kernel("smoothed_bradley_terry", x1 - x2, y, label_smoothing=0.25), expected)


def test_robust_bradley_terry_is_unbiased_under_flipped_labels() -> None:
    x1, x2, y = pairs()
    robust, flipped = (kernel("robust_bradley_terry", x1 - x2, sign * y, label_smoothing=0.25) for sign in (1, -1))
    np.testing.assert_allclose(0.75 * robust + 0.25 * flipped, kernel("logistic", x1 - x2, y), rtol=1e-13, atol=1e-14)


def test_squared_hinge_is_the_square_of_margin_ranking() -> None:
    x1, x2, y = pairs()
    for margin in (0.0, 0.3, -0.25):
        hinge = kernel("margin_ranking", x1 - x2, y, margin=margin)
        assert same(kernel("squared_hinge", x1 - x2, y, margin=margin), hinge**2)


def test_margin_of_logistic_shifts_the_difference() -> None:
    x1, x2, y = pairs()
    shifted = kernel("logistic", (x1 - x2) - y * 0.5, y)
    assert same(kernel("logistic", x1 - x2, y, margin=0.5), shifted)


def test_logistic_falls_between_hinge_and_hinge_plus_log_2() -> None:
    x1, x2, y = pairs()
    hinge, logistic = kernel("margin_ranking", x1 - x2, y), kernel("logistic", x1 - x2, y)
    assert (hinge <= logistic).all()
    assert (logistic <= hinge + math.log(2) + 1e-15).all()


def test_cold_logistic_is_the_hinge_and_cold_soft_zero_one_counts_the_wrong() -> None:
    x1, x2, y = pairs()
    d = (x1 - x2) * y
    assert_close(kernel("logistic", x1 - x2, y, temperature=1e-6)[d != 0] * 1e-6, np.maximum(-d, 0)[d != 0])
    assert kernel("soft_zero_one", x1 - x2, y, temperature=1e-6).tolist() == np.where(d == 0, 0.5, d < 0).tolist()


def test_soft_zero_one_is_minus_the_logistic_gradient() -> None:
    x1, x2, y = pairs()
    assert_close(kernel("soft_zero_one", x1 - x2, y), -gradient("logistic", x1 - x2, y) * y)


def test_ipo_is_margin_mse_with_the_target_half_of_beta_inverse() -> None:
    x1, x2, y = pairs()
    for beta in (0.25, 1.0):
        target = y / (2 * beta)
        assert same(kernel("ipo", x1 - x2, y, beta=beta), kernel("margin_mse", x1 - x2, target))
        assert same(gradient("ipo", x1 - x2, y, beta=beta) + 0.0, gradient("margin_mse", x1 - x2, target) + 0.0)


@each(
    ("name", "difference", "y", "settings", "expected"),
    [
        ("squared_hinge", -2.0, 1.0, {"margin": 0.5}, (0.5 + 2.0) ** 2),
        ("squared_hinge", 0.5, 1.0, {"margin": 0.5}, 0.0),
        ("logistic", 0.0, 1.0, {}, math.log(2)),
        ("logistic", 3.0, 1.0, {"margin": 1.5, "temperature": 2.0}, math.log(2)),  # 1.5 - 3/2 = 0
        ("logistic", -1e4, 1.0, {}, 1e4),
        ("logistic", 1e4, 1.0, {}, 0.0),
        ("smoothed_bradley_terry", 0.0, -1.0, {"label_smoothing": 0.3}, math.log(2)),
        ("smoothed_bradley_terry", 1e4, 1.0, {"label_smoothing": 0.5, "beta": 0.5}, 0.5 * 0.5 * 1e4),
        ("robust_bradley_terry", 0.0, -1.0, {"label_smoothing": 0.25}, math.log(2)),
        ("robust_bradley_terry", -1e4, 1.0, {"label_smoothing": 0.25}, 0.75 / 0.5 * 1e4),
        ("robust_bradley_terry", 1e4, 1.0, {"label_smoothing": 0.25}, -0.25 / 0.5 * 1e4),
        ("soft_zero_one", 0.0, 1.0, {}, 0.5),
        ("soft_zero_one", -1e4, 1.0, {}, 1.0),
        ("soft_zero_one", 1e4, 1.0, {}, 0.0),
        ("exponential", 0.0, 1.0, {}, 1.0),
        ("exponential", 2.0, -1.0, {"temperature": 2.0}, math.e),
        ("exponential", -1e4, 1.0, {}, math.inf),  # e**10000 is beyond the largest double
        ("ipo", 2.0, 1.0, {"beta": 0.25}, 0.0),  # 1 / (2 * 0.25) = 2
        ("ipo", 2.0, -1.0, {"beta": 0.25}, (-2.0 - 2.0) ** 2),
        ("margin_mse", 2.0, 0.5, {}, 1.5**2),
        ("margin_mse", 2.0, 2.0, {}, 0.0),
    ],
)
def test_loss_of_hand_worked_pairs(
    name: str, difference: float, y: float, settings: dict[str, float], expected: float
) -> None:
    with np.errstate(over="ignore"):
        (losses,) = kernel(name, np.array([difference]), np.array([y]), **settings)
    assert losses == pytest.approx(expected, rel=4e-16)
