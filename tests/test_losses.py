"""Every registered loss: one test a property, and broken kernels that the properties catch.

A property is a function `assert_...` of a Loss, so that the tests can prove that it fails on a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_cli.losses import LOSSES, Loss, margin_ranking_gradient, margin_ranking_kernel

Array = NDArray[Any]
Property = Callable[[Loss], None]

MARGINS = (0.0, 0.3, 1.0, -0.25)
DTYPES = ("float64", "float32")

of_every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))


def pairs(dtype: str = "float64", size: int = 257) -> tuple[Array, Array, Array]:
    """Return scores and labels of ±1, read-only; scores are multiples of 1/64, some tied, so differences are exact."""
    random = np.random.default_rng(7)
    x1, x2 = (random.integers(-200, 200, size) / 64 for _ in range(2))
    x2[:9] = x1[:9]
    arrays = [values.astype(dtype) for values in (x1, x2, random.choice([-1.0, 1.0], size))]
    for values in arrays:
        values.flags.writeable = False
    return arrays[0], arrays[1], arrays[2]


def same(found: Array, expected: Array) -> bool:
    """Tell whether arrays agree in dtype, shape and every bit, the sign of zero included."""
    return (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def definition_in_written_order(x1: Any, x2: Any, y: Any, margin: Any) -> Any:
    """Return max(0, -y*(x1 - x2) + margin), rounded after each operation as it is written."""
    loss = -y * (x1 - x2) + margin
    return loss if loss > 0 else x1.dtype.type(0)


def assert_equals_definition_in_written_order(loss: Loss) -> None:
    random = np.random.default_rng(3)
    for dtype in map(np.dtype, DTYPES):
        x1, x2 = (random.standard_normal(300).astype(dtype) for _ in range(2))
        y = random.choice([-1.0, 1.0, 0.0, 0.3], 300).astype(dtype)
        x2[:20] = x1[:20]
        for margin in (0.0, 0.1, 1.0, -0.3):
            written = [definition_in_written_order(*pair, dtype.type(margin)) for pair in zip(x1, x2, y, strict=True)]
            assert same(loss.kernel(x1 - x2, y, margin=margin), np.array(written, dtype))


def assert_swapping_scores_and_negating_labels_changes_nothing(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        for margin in MARGINS:
            assert same(loss.kernel(x2 - x1, -y, margin=margin), loss.kernel(x1 - x2, y, margin=margin))


def assert_shifting_both_scores_changes_nothing(loss: Loss) -> None:
    x1, x2, y = pairs()
    for shift in (2.0**10, -(2.0**40)):  # multiples of 1/64 below 2**41: every sum and difference is exact
        shifted = loss.kernel((x1 + shift) - (x2 + shift), y, margin=0.3)
        assert same(shifted, loss.kernel(x1 - x2, y, margin=0.3))


def assert_permuting_rows_permutes_losses(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        order = np.random.default_rng(1).permutation(x1.size)
        for function in (loss.kernel, loss.gradient):
            whole = function(x1 - x2, y, margin=0.3)
            assert same(function((x1 - x2)[order], y[order], margin=0.3), whole[order])


def assert_any_split_equals_the_whole(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        for function in (loss.kernel, loss.gradient):
            whole = function(x1 - x2, y, margin=0.3)
            for cut in (0, 1, 100, x1.size):
                parts = [function((x1 - x2)[rows], y[rows], margin=0.3) for rows in (slice(cut), slice(cut, None))]
                assert same(np.concatenate(parts), whole)


def assert_losses_go_to_out(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        out = np.full(x1.size, np.nan, dtype)
        assert loss.kernel(x1 - x2, y, margin=0.3, out=out) is out
        assert same(out, loss.kernel(x1 - x2, y, margin=0.3))


def assert_inputs_are_left_as_they_are(loss: Loss) -> None:
    x1, x2, y = pairs()
    difference = x1 - x2
    before = difference.tobytes(), y.tobytes()
    loss.kernel(difference, y, margin=0.3)
    loss.gradient(difference, y, margin=0.3)
    assert (difference.tobytes(), y.tobytes()) == before
    difference.flags.writeable = False
    loss.kernel(difference, y, margin=0.3)
    loss.gradient(difference, y, margin=0.3)


def assert_dtype_is_kept(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        for function in (loss.kernel, loss.gradient):
            assert function(x1 - x2, y, margin=0.1).dtype == np.dtype(dtype)
            assert function(x1[:0], y[:0], margin=0.1).shape == (0,)


def assert_better_order_costs_no_more(loss: Loss) -> None:
    difference = np.linspace(-5, 5, 401)
    ones = np.ones(401)
    for margin in MARGINS:
        assert (np.diff(loss.kernel(difference, ones, margin=margin)) <= 0).all()
        assert (np.diff(loss.kernel(difference, -ones, margin=margin)) >= 0).all()
        assert (loss.gradient(difference, ones, margin=margin) <= 0).all()
        assert (loss.gradient(difference, -ones, margin=margin) >= 0).all()


def assert_larger_margin_costs_no_less(loss: Loss) -> None:
    x1, x2, y = pairs()
    costs = [loss.kernel(x1 - x2, y, margin=margin) for margin in sorted(MARGINS)]
    for smaller, larger in pairwise(costs):
        assert (smaller <= larger).all()
        assert (smaller < larger).any()


def assert_no_loss_is_negative(loss: Loss) -> None:
    x1, x2, y = pairs()
    for margin in MARGINS:
        losses = loss.kernel(x1 - x2, y, margin=margin)
        assert not np.signbit(losses).any()


def assert_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    x1, x2, y = pairs()
    difference, step = x1 - x2, 2.0**-12
    labels = y * np.resize([1.0, 0.5, 2.0], y.size)
    for margin in (0.3, -0.17):  # labels times differences are multiples of 1/128: no kink within a step
        above, below = (loss.kernel(difference + way, labels, margin=margin) for way in (step, -step))
        gradient = loss.gradient(difference, labels, margin=margin)
        np.testing.assert_allclose(gradient, (above - below) / (2 * step), rtol=1e-6, atol=1e-9)
        assert gradient.any()


EVERY_LOSS: tuple[Property, ...] = (
    assert_swapping_scores_and_negating_labels_changes_nothing,
    assert_shifting_both_scores_changes_nothing,
    assert_permuting_rows_permutes_losses,
    assert_any_split_equals_the_whole,
    assert_losses_go_to_out,
    assert_inputs_are_left_as_they_are,
    assert_dtype_is_kept,
    assert_better_order_costs_no_more,
    assert_larger_margin_costs_no_less,
    assert_no_loss_is_negative,
    assert_gradient_is_that_of_finite_differences,
)


@of_every_loss
def test_swapping_scores_and_negating_labels_changes_nothing(loss: Loss) -> None:
    assert_swapping_scores_and_negating_labels_changes_nothing(loss)


@of_every_loss
def test_shifting_both_scores_changes_nothing(loss: Loss) -> None:
    assert_shifting_both_scores_changes_nothing(loss)


@of_every_loss
def test_permuting_rows_permutes_losses(loss: Loss) -> None:
    assert_permuting_rows_permutes_losses(loss)


@of_every_loss
def test_any_split_equals_the_whole(loss: Loss) -> None:
    assert_any_split_equals_the_whole(loss)


@of_every_loss
def test_losses_go_to_out(loss: Loss) -> None:
    assert_losses_go_to_out(loss)


@of_every_loss
def test_inputs_are_left_as_they_are(loss: Loss) -> None:
    assert_inputs_are_left_as_they_are(loss)


@of_every_loss
def test_dtype_is_kept(loss: Loss) -> None:
    assert_dtype_is_kept(loss)


@of_every_loss
def test_better_order_costs_no_more(loss: Loss) -> None:
    assert_better_order_costs_no_more(loss)


@of_every_loss
def test_larger_margin_costs_no_less(loss: Loss) -> None:
    assert_larger_margin_costs_no_less(loss)


@of_every_loss
def test_no_loss_is_negative(loss: Loss) -> None:
    assert_no_loss_is_negative(loss)


@of_every_loss
def test_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    assert_gradient_is_that_of_finite_differences(loss)


@of_every_loss
def test_loss_tells_its_name_formula_and_source(loss: Loss) -> None:
    assert LOSSES[loss.name] is loss
    assert loss.name.isidentifier()
    assert "x1" in loss.formula
    assert "x2" in loss.formula
    assert loss.source.strip()
    assert loss.kernel.__doc__
    assert loss.gradient.__doc__


def test_margin_ranking_is_registered() -> None:
    loss = LOSSES["margin_ranking"]
    assert loss.kernel is margin_ranking_kernel
    assert loss.gradient is margin_ranking_gradient


def test_margin_ranking_equals_definition_in_written_order() -> None:
    assert_equals_definition_in_written_order(LOSSES["margin_ranking"])


@pytest.mark.parametrize(
    ("difference", "y", "margin", "expected"),
    [
        (0.25, 1.0, 0.0, 0.0),  # right order
        (0.25, -1.0, 0.0, 0.25),  # wrong order: how far
        (0.25, 1.0, 1.0, 1.0 - 0.25),  # right order, inside the margin
        (-0.25, 1.0, 1.0, 1.0 + 0.25),
        (0.0, 1.0, 0.5, 0.5),  # a tie costs the margin
        (3.0, 0.0, 0.5, 0.5),  # so does a label 0
        (-2.0, 1.0, -0.5, 2.0 - 0.5),  # a negative margin forgives
        (-0.25, 1.0, -0.5, 0.0),
    ],
)
def test_margin_ranking_of_hand_worked_pairs(difference: float, y: float, margin: float, expected: float) -> None:
    assert margin_ranking_kernel(np.array([difference]), np.array([y]), margin=margin).tolist() == [expected]


def test_margin_ranking_gradient_passes_at_the_kink() -> None:
    difference = np.array([0.5, np.nextafter(0.5, 1), -0.5, -np.nextafter(0.5, 1)])
    y = np.array([1.0, 1.0, -1.0, -1.0])
    expected = np.array([-1.0, -0.0, 1.0, 0.0])
    assert same(margin_ranking_gradient(difference, y, margin=0.5), expected)


def test_margin_ranking_of_nan_is_nan_with_no_gradient() -> None:
    difference, y = np.array([np.nan, 1.0]), np.array([1.0, np.nan])
    assert np.isnan(margin_ranking_kernel(difference, y, margin=1.0)).all()
    assert margin_ranking_gradient(difference, y, margin=1.0)[0] == 0


def margin_subtracted(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return np.maximum(-y * difference - margin, 0, out=out)


def sign_flipped(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return np.maximum(y * difference + margin, 0, out=out)


def label_ignored(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return np.maximum(margin - difference, 0, out=out)


def not_clamped(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    losses: Array = np.add(-y * difference, margin, out=out)
    return losses


def minus_zero(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return np.negative(np.minimum(y * difference - margin, 0), out=out)


def centred(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    mean = difference.mean() if difference.size else 0
    losses: Array = np.maximum(margin - y * (difference - mean), 0, out=out)
    return losses


def first_row_lost(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    losses = margin_ranking_kernel(difference, y, margin=margin, out=out)
    losses[:1] = 0
    return losses


def out_ignored(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return margin_ranking_kernel(difference, y, margin=margin)


def input_overwritten(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    margin_ranking_kernel(difference, y, margin=margin, out=difference)
    return difference


def always_wide(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return margin_ranking_kernel(difference.astype(np.float64), y.astype(np.float64), margin=margin, out=out)


def added_in_another_order(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
    return np.maximum((margin - y * difference + 1) - 1, 0, out=out)


def gradient_of_the_wrong_sign(difference: Array, y: Array, *, margin: float) -> Array:
    return -margin_ranking_gradient(difference, y, margin=margin)


def gradient_without_label(difference: Array, y: Array, *, margin: float) -> Array:
    return np.sign(margin_ranking_gradient(difference, y, margin=margin))


BROKEN_KERNELS: list[tuple[Callable[..., Array], Property]] = [
    (margin_subtracted, assert_larger_margin_costs_no_less),
    (margin_subtracted, assert_equals_definition_in_written_order),
    (sign_flipped, assert_better_order_costs_no_more),
    (sign_flipped, assert_gradient_is_that_of_finite_differences),
    (label_ignored, assert_swapping_scores_and_negating_labels_changes_nothing),
    (not_clamped, assert_no_loss_is_negative),
    (not_clamped, assert_gradient_is_that_of_finite_differences),
    (minus_zero, assert_no_loss_is_negative),
    (centred, assert_any_split_equals_the_whole),
    (first_row_lost, assert_permuting_rows_permutes_losses),
    (out_ignored, assert_losses_go_to_out),
    (input_overwritten, assert_inputs_are_left_as_they_are),
    (always_wide, assert_dtype_is_kept),
    (added_in_another_order, assert_equals_definition_in_written_order),
]


@pytest.mark.parametrize(("kernel", "holds"), BROKEN_KERNELS)
def test_broken_kernel_is_caught(kernel: Callable[..., Array], holds: Property) -> None:
    broken = Loss("broken", "x1 x2", "nowhere", kernel, margin_ranking_gradient)
    with pytest.raises(AssertionError):
        holds(broken)


def test_score_dependent_kernel_is_caught_by_shifting() -> None:
    # A kernel sees differences only, so what shifting guards against is rounding: one bit of it must show.
    seen = iter(range(100))

    def drifting(difference: Array, y: Array, *, margin: float, out: Array | None = None) -> Array:
        return margin_ranking_kernel(difference, y, margin=margin + next(seen) * 2.0**-50, out=out)

    with pytest.raises(AssertionError):
        assert_shifting_both_scores_changes_nothing(
            Loss("broken", "x1 x2", "nowhere", drifting, margin_ranking_gradient)
        )


@pytest.mark.parametrize("gradient", [gradient_of_the_wrong_sign, gradient_without_label])
def test_broken_gradient_is_caught(gradient: Callable[..., Array]) -> None:
    broken = Loss("broken", "x1 x2", "nowhere", margin_ranking_kernel, gradient)
    with pytest.raises(AssertionError):
        assert_gradient_is_that_of_finite_differences(broken)


def test_every_property_is_tested_and_can_fail() -> None:
    caught = {holds for _, holds in BROKEN_KERNELS} | {assert_shifting_both_scores_changes_nothing}
    assert set(EVERY_LOSS) <= caught
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {holds.__name__.removeprefix("assert_") for holds in EVERY_LOSS} <= tested
