"""Every registered loss and gradient against its formula at 700 digits (mpmath), in both dtypes.

The formulas here are those of the losses' papers, written once more without a thought for rounding; a gradient is
their one-sided difference quotient. Two bounds are asserted:

- ULPS units in the last place, where the argument of the loss is itself exact: labels ±1, powers of two for
  parameters, and no margin for losses other than hinges;
- anywhere else, ULPS times (a unit in the last place, and what the exact result moves by when each input moves by one).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from mrl_cli.losses import LOSSES, Loss
from tests.each import mostly_slow
from tests.loss_properties import DTYPES, MARGINS, settings

Formula = Callable[..., Any]

ULPS = 4
DIGITS = 700
STEP = mpf(2) ** -1200  # a difference quotient is then right to 1e-338, below the smallest double, be it 0 itself


@cache
def softplus(z: Any) -> Any:
    """Return log(1 + exp(z)), always at DIGITS: many inputs and settings come down to the same z."""
    assert mp.dps == DIGITS
    return mp.log1p(mp.exp(z))


def log_sigmoid(z: Any) -> Any:
    return -softplus(-z)


FORMULAS: dict[str, Formula] = {
    "margin_ranking": lambda d, y, margin: max(mpf(0), -y * d + margin),
    "squared_hinge": lambda d, y, margin: max(mpf(0), margin - y * d) ** 2,
    "logistic": lambda d, y, margin, temperature: softplus(margin - y * d / temperature),
    "smoothed_bradley_terry": lambda d, y, margin, beta, label_smoothing: (
        -(1 - label_smoothing) * log_sigmoid(beta * y * d) - label_smoothing * log_sigmoid(-beta * y * d)
    ),
    "robust_bradley_terry": lambda d, y, margin, beta, label_smoothing: (
        (-(1 - label_smoothing) * log_sigmoid(beta * y * d) + label_smoothing * log_sigmoid(-beta * y * d))
        / (1 - 2 * label_smoothing)
    ),
    "soft_zero_one": lambda d, y, margin, temperature: 1 / (1 + mp.exp(y * d / temperature)),
    "exponential": lambda d, y, margin, temperature: mp.exp(-y * d / temperature),
    "ipo": lambda d, y, margin, beta: (y * d - 1 / (2 * beta)) ** 2,
    "margin_mse": lambda d, y, margin: (d - y) ** 2,
}

# Ordinary differences, the kink at 0, tiny ones, where exp(-d) falls below 1 ulp, where it vanishes, and far beyond.
DIFFERENCES = (0.0, 0.37, -1.1, 2.5, 1e-20, 17.0, -36.5, 88.0, -700.0, 740.0, 1e4, -1e4, 1e6)


def gradient_of(formula: Formula) -> Formula:
    """Return the derivative for d, from the side where a hinge is active: there the gradient passes at the kink."""

    def gradient(d: Any, y: Any, **others: Any) -> Any:
        step = -STEP if y > 0 else STEP
        return (formula(d + step, y, **others) - formula(d, y, **others)) / step

    return gradient


def rounded(exact: Any, dtype: str) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return np.dtype(dtype).type(float(exact))


def is_within(actual: Any, exact: Any, allowance: Any, dtype: str) -> bool:
    nearest = rounded(exact, dtype)
    if not np.isfinite(nearest):  # the result itself is beyond the largest number of the dtype
        return bool(actual == nearest)
    return bool(abs(mpf(float(actual)) - exact) <= ULPS * (float(np.spacing(abs(nearest))) + allowance))


def movement(function: Formula, exact: Any, inputs: dict[str, Any], dtype: str) -> Any:
    """Return by how much the exact result moves, in all, when each input moves by an ulp."""
    moved = mpf(0)
    for name, value in inputs.items():
        if value:
            moved += abs(function(**(inputs | {name: value * (1 + mpf(float(np.finfo(dtype).eps)))})) - exact)
    return moved


def assert_exact(
    loss: Loss, dtype: str, case: dict[str, float], parameters: dict[str, float], *, is_plain: bool
) -> None:
    """Hold kernel and gradient of one pair against the formula; inputs are first rounded to the dtype."""
    kind = np.dtype(dtype).type
    d, y, margin = (kind(case[name]) for name in ("d", "y", "margin"))
    for function, formula in (
        (loss.kernel, FORMULAS[loss.name]),
        (loss.gradient, gradient_of(FORMULAS[loss.name])),
    ):
        with np.errstate(all="ignore"):
            losses = function(np.array([d]), np.array([y]), margin=float(margin), **parameters)[0]
        inputs = {name: mpf(float(value)) for name, value in {"d": d, "y": y, "margin": margin, **parameters}.items()}
        with mp.workdps(DIGITS):
            exact = formula(**inputs)
            allowance = mpf(0) if is_plain else movement(formula, exact, inputs, dtype)
            assert is_within(losses, exact, allowance, dtype), (
                function.__name__,
                case,
                parameters,
                losses,
                float(exact),
            )


def test_every_loss_has_its_formula_here() -> None:
    assert FORMULAS.keys() == LOSSES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_within_ulps_where_the_argument_is_exact(name: str, dtype: str) -> None:
    loss = LOSSES[name]
    for parameters in settings(loss):
        label_smoothing = parameters.get("label_smoothing", 0.0)
        if label_smoothing or any(math.frexp(value)[0] != 0.5 for value in parameters.values() if value):
            continue  # the mixture may cancel, or the argument be rounded: the next test
        for d, y, margin in product(DIFFERENCES, (1.0, -1.0), MARGINS if loss.is_hinge else (0.0,)):
            assert_exact(loss, dtype, {"d": d, "y": y, "margin": margin}, parameters, is_plain=True)
            if margin:  # at the kink, and beside it
                for near in (margin, np.nextafter(margin, 9), np.nextafter(margin, -9)):
                    assert_exact(loss, dtype, {"d": near * y, "y": y, "margin": margin}, parameters, is_plain=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_within_ulps_of_their_inputs(name: str, dtype: str) -> None:
    loss = LOSSES[name]
    margins = (0.0, 0.3) if loss.has_margin else (0.0,)
    sides = [(-1.0, 0.0), (0.3, margins[-1])]
    for parameters, d, (y, margin) in product(settings(loss), DIFFERENCES, sides):
        assert_exact(loss, dtype, {"d": d, "y": y, "margin": margin}, parameters, is_plain=False)


@pytest.mark.parametrize("dtype", mostly_slow(DTYPES, quick=1))
def test_robust_bradley_terry_is_exact_where_its_terms_cancel(dtype: str) -> None:
    # softplus(-z) = 3/4 z at about z = 0.6: the loss changes its sign there.
    for d in np.linspace(0.55, 0.7, 16):
        assert_exact(
            LOSSES["robust_bradley_terry"],
            dtype,
            {"d": float(d), "y": 1.0, "margin": 0.0},
            {"beta": 1.0, "label_smoothing": 0.3},
            is_plain=False,
        )


def naive_logistic(difference: Any, y: Any, *, margin: float, temperature: float, out: Any = None) -> Any:
    return np.log(1 + np.exp(margin - y * difference / temperature))


def naive_soft_zero_one(difference: Any, y: Any, *, margin: float, temperature: float, out: Any = None) -> Any:
    return 1 - 1 / (1 + np.exp(-y * difference / temperature))


@pytest.mark.parametrize(
    ("name", "naive", "d"),
    [
        ("logistic", naive_logistic, 40.0),  # log(1 + 4e-18) is 0
        ("logistic", naive_logistic, -1e4),  # exp(1e4) is infinite
        ("soft_zero_one", naive_soft_zero_one, 40.0),  # 1 - 1 is 0
        ("logistic", lambda *args, **others: LOSSES["logistic"].kernel(*args, **others) * (1 + 2e-15), 0.5),
    ],
)
def test_formula_as_written_is_caught(name: str, naive: Callable[..., Any], d: float) -> None:
    loss = LOSSES[name]
    broken = Loss(name, loss.formula, "nowhere", naive, loss.gradient)
    with pytest.raises(AssertionError):
        assert_exact(broken, "float64", {"d": d, "y": 1.0, "margin": 0.0}, {"temperature": 1.0}, is_plain=True)


def test_inactive_gradient_at_the_kink_is_caught() -> None:
    loss = LOSSES["margin_ranking"]

    def strict(difference: Any, y: Any, *, margin: float) -> Any:
        return LOSSES["margin_ranking"].gradient(difference, y, margin=margin) * (margin - y * difference > 0)

    broken = Loss(loss.name, loss.formula, "nowhere", loss.kernel, strict)
    with pytest.raises(AssertionError):
        assert_exact(broken, "float64", {"d": 0.5, "y": 1.0, "margin": 0.5}, {}, is_plain=True)
