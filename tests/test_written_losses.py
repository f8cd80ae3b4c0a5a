"""Losses are recognised through the text that they were written in: decimals, significant digits, or a float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mrl_cli.verify.explanations.columns import explain_column
from mrl_cli.verify.explanations.hypotheses import HYPOTHESES
from mrl_cli.verify.explanations.rounding import resolution_of
from tests.test_explanations import (
    CASE,
    MARGIN,
    PLANTED,
    RIGHT,
    SIGN,
    SOME,
    TWO_PLANTED,
    UNRELATED,
    X1,
    X2,
    Array,
    Y,
    explained,
    hinge,
    shuffled,
    with_noise,
)

pytestmark = pytest.mark.slow

# How losses are written, and what is printed of it.
WRITTEN: dict[str, tuple[Callable[[float], str], str]] = {
    "6 significant digits": ("{:.6g}".format, " (your losses are rounded to 6 significant digits)"),
    "4 significant digits": ("{:.4g}".format, " (your losses are rounded to 4 significant digits)"),
    "9 significant digits": ("{:.9g}".format, " (your losses are rounded to 9 significant digits)"),
    "6 decimals": ("{:.6f}".format, " (your losses are rounded to 6 decimals)"),
    "float32": (lambda value: str(np.float32(value)), " (your losses are rounded to float32)"),
}
SINGLE = ["y flipped", "labels 0 and 1", "margin subtracted", "no margin", "margin 1", "not clamped", "squared"]
ROWS = ["a row too low", "a row too high", "another order", "bfloat16 scores"]


def as_written(losses: Array, how: str) -> Array:
    return np.array([float(WRITTEN[how][0](value)) for value in losses.tolist()])


@pytest.mark.parametrize("noise", [0, 0.01])
@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("name", [*SINGLE, *ROWS])
def test_a_mistake_is_named_however_losses_are_written(name: str, how: str, noise: float) -> None:
    if name == "another order" and how == "4 significant digits":
        pytest.skip("so few digits stand in other rows by chance")
    case, losses, hypothesis = PLANTED[name]
    (explanation,) = explained(case, as_written(with_noise(losses, noise), how))
    nine_are_all = how.startswith("9") and name == "labels 0 and 1"  # most of these are the margin
    assert explanation.hypothesis == hypothesis + ("" if nine_are_all else WRITTEN[how][1])
    assert explanation.fraction > (0.9 if nine_are_all else 0.98)


@pytest.mark.parametrize("how", ["6 significant digits", "float32"])
def test_two_mistakes_are_named_however_losses_are_written(how: str) -> None:
    case, losses, hypothesis = TWO_PLANTED["sign and margin"]
    (explanation,) = explained(case, as_written(losses, how))
    assert explanation.hypothesis == hypothesis + WRITTEN[how][1]


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("name", ["uniform", "hinges of noise", "integers", "losses of other pairs"])
def test_nothing_is_claimed_of_unrelated_losses_however_written(name: str, how: str) -> None:
    assert explained(CASE.taken(SOME), as_written(UNRELATED[name][SOME], how)) == []


@pytest.mark.parametrize("how", WRITTEN)
def test_right_losses_are_reported_as_rounded(how: str) -> None:
    losses = as_written(RIGHT, how)
    (explanation,) = explain_column(CASE, losses, losses != RIGHT, is_whole=True)
    assert explanation.hypothesis in (WRITTEN[how][1].strip(" ()"), "the arithmetic is float32")


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_the_resolution_of_losses_covers_what_was_rounded_away_and_little_more(how: str, scale: float) -> None:
    losses = scale * RIGHT
    resolution, hypothesis = resolution_of(as_written(losses, how))
    off = np.abs(as_written(losses, how) - losses)
    assert hypothesis.split()[0] == "rounded"
    assert np.all(off <= resolution + 1e-15 * losses)
    assert np.median(off[losses > 0]) > np.median(np.broadcast_to(resolution, losses.shape)[losses > 0]) / 10


def test_losses_of_all_digits_have_no_resolution() -> None:
    assert resolution_of(RIGHT * np.pi) == (0.0, "")
    assert resolution_of(np.full(30, np.nan)) == (0.0, "")


@pytest.mark.parametrize(
    ("losses", "hypothesis"),
    [
        (hinge(X1, X2, -Y, 0, np.float32), f"{SIGN} and there is no margin (0)"),
        (hinge(X1, X2, -Y, MARGIN, np.float32).astype(np.float32) ** 2, f"{SIGN} and losses are squared"),
        (hinge(X1, X2, -Y, MARGIN, np.float32), SIGN),
    ],
)
@pytest.mark.parametrize("how", ["float", "float32"])
def test_float32_arithmetic_takes_two_other_mistakes_along(losses: Array, hypothesis: str, how: str) -> None:
    actual = losses.astype(np.float64)
    (explanation,) = explained(CASE, actual if how == "float" else as_written(actual, how))
    assert explanation.hypothesis.startswith(hypothesis)
    assert "float32" in explanation.hypothesis
    assert explanation.fraction > 0.99


def test_an_order_that_few_decimals_do_not_show_is_not_claimed() -> None:
    assert explained(CASE, np.round(shuffled(hinge(X1, X2, -Y, 0) + 0.123), 2)) == []
    assert "scores are rounded to 2 decimals" in {one.text for one in HYPOTHESES}
