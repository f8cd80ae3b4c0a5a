"""What holds of every pairwise loss: one function `assert_...` a property, so that a wrong loss can prove it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_cli.losses import LOSSES, Loss

Array = NDArray[Any]

MARGINS = (0.0, 0.3, 1.0, -0.25)
DTYPES = ("float64", "float32")
OTHER_VALUES = (0.3, 2.0)


def settings(loss: Loss) -> Iterator[dict[str, float]]:
    """Yield parameters for a loss: every mixture of defaults and of the other values that are within bounds."""
    names = list(loss.defaults)
    values = [
        [parameter.default, *(value for value in OTHER_VALUES if parameter.allows(value))]
        for parameter in loss.parameters
    ]
    for chosen in product(*values):
        yield dict(zip(names, chosen, strict=True))


def with_parameters(loss: Loss, parameters: dict[str, float]) -> Loss:
    """Return a loss without parameters: that one with these."""
    settings = ",".join(f"{name}={value:g}" for name, value in parameters.items())
    return replace(
        loss,
        name=f"{loss.name}({settings})" if settings else loss.name,
        kernel=partial(loss.kernel, **parameters),
        gradient=partial(loss.gradient, **parameters),
        parameters=(),
    )


VARIANTS = {
    variant.name: variant
    for loss in LOSSES.values()
    for variant in (with_parameters(loss, chosen) for chosen in settings(loss))
}


def margins(loss: Loss) -> tuple[float, ...]:
    """Return the margins to try."""
    return MARGINS if loss.has_margin else (0.0,)


def pairs(dtype: str = "float64", size: int = 257) -> tuple[Array, Array, Array]:
    """Return scores and labels of ±1, read-only; scores are multiples of 1/64, some tied, so differences are exact."""
    random = np.random.default_rng(7)
    x1, x2 = (random.integers(-200, 200, size) / 64 for _ in range(2))
    x2[:9] = x1[:9]
    arrays = [values.astype(dtype) for values in (x1, x2, random.choice([-1.0, 1.0], size))]
    for values in arrays:
        values.flags.writeable = False
    return arrays[0], arrays[1], arrays[2]


def same(actual: Array, expected: Array) -> bool:
    """Return whether arrays agree in dtype, shape and every bit, the sign of zero included."""
    return (actual.dtype, actual.shape, actual.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def assert_swapping_scores_and_negating_labels_changes_nothing(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        for margin in margins(loss):
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
        for function in (loss.kernel, loss.gradient):
            out = np.full(x1.size, np.nan, dtype)
            assert function(x1 - x2, y, margin=0.3, out=out) is out
            assert same(out, function(x1 - x2, y, margin=0.3))


def assert_inputs_are_left_as_they_are(loss: Loss) -> None:
    x1, x2, y = pairs()
    difference, margin = x1 - x2, np.full(x1.size, 0.3)
    before = difference.tobytes(), y.tobytes(), margin.tobytes()
    for _ in range(2):
        loss.kernel(difference, y, margin=margin)
        loss.gradient(difference, y, margin=margin)
        assert (difference.tobytes(), y.tobytes(), margin.tobytes()) == before
        difference.flags.writeable = margin.flags.writeable = False


def assert_dtype_and_shape_are_kept(loss: Loss) -> None:
    for dtype, shape in product(DTYPES, ((257,), (0,), (), (257, 1))):
        x1, x2, y = (values[: int(np.prod(shape))].reshape(shape) for values in pairs(dtype))
        for function in (loss.kernel, loss.gradient):
            losses = np.asarray(function(np.asarray(x1 - x2), y, margin=0.1))
            assert (losses.dtype, losses.shape) == (np.dtype(dtype), shape)


def assert_margin_of_each_pair_is_its_own(loss: Loss) -> None:
    for dtype in DTYPES:
        x1, x2, y = pairs(dtype)
        margin = np.resize(np.array(MARGINS, dtype), x1.size)
        for function in (loss.kernel, loss.gradient):
            losses = function(x1 - x2, y, margin=margin)
            for one in MARGINS:
                here = margin == np.dtype(dtype).type(one)
                assert same(losses[here], function((x1 - x2)[here], y[here], margin=one))


def assert_better_order_costs_no_more(loss: Loss) -> None:
    difference = np.linspace(-5, 5, 401)
    ones = np.ones(401)
    for margin in margins(loss):
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


def assert_losses_are_within_range(loss: Loss) -> None:
    x1, x2, y = pairs()
    for margin in margins(loss):
        losses = loss.kernel(x1 - x2, y, margin=margin)
        assert ((loss.lowest <= losses) & (losses <= loss.highest)).all()
        assert not np.signbit(losses[losses == 0]).any()


def assert_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    x1, x2, y = pairs()
    difference, step = x1 - x2, 2.0**-12
    labels = y * np.resize([1.0, 0.5, 2.0], y.size)
    for margin in (0.3, -0.17):  # labels times differences are multiples of 1/128: no kink within a step
        above, below = (loss.kernel(difference + way, labels, margin=margin) for way in (step, -step))
        gradient = loss.gradient(difference, labels, margin=margin)
        np.testing.assert_allclose(gradient, (above - below) / (2 * step), rtol=1e-6, atol=1e-9)
        assert gradient.any()


def assert_hinge_is_zero_from_the_margin_on(loss: Loss) -> None:
    difference = np.linspace(-5, 5, 401)
    for margin in MARGINS:
        losses = loss.kernel(difference, np.ones(401), margin=margin)
        assert ((losses == 0) == (difference >= margin)).all()
