"""Every registered loss: one test per property, and broken kernels that the properties catch.

The properties are in loss_properties.py; here they are asked of every loss with several values of its parameters, and
must fail on losses broken in every way that they are there to catch.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mrl_cli.losses import LISTWISE, LOSSES, Loss, ParameterError, completed, hinges
from mrl_cli.reports.figures import KEYS, SETTINGS
from tests import loss_properties as holds
from tests.each import each
from tests.loss_properties import DTYPES, VARIANTS, Array, margins, pairs, same

Property = Callable[[Loss], None]
Breaker = Callable[[Loss], Loss]


margin_ranking = LOSSES["margin_ranking"]

of_every_loss = each("loss", VARIANTS.values())
of_monotone_losses = each("loss", [loss for loss in VARIANTS.values() if loss.is_monotone])
of_losses_with_margin = each("loss", [loss for loss in VARIANTS.values() if loss.has_margin])
of_hinges = each("loss", [loss for loss in VARIANTS.values() if loss.is_hinge])


@of_every_loss
def test_swapping_scores_and_negating_labels_changes_nothing(loss: Loss) -> None:
    holds.assert_swapping_scores_and_negating_labels_changes_nothing(loss)


@of_every_loss
def test_shifting_both_scores_changes_nothing(loss: Loss) -> None:
    holds.assert_shifting_both_scores_changes_nothing(loss)


@of_every_loss
def test_permuting_rows_permutes_losses(loss: Loss) -> None:
    holds.assert_permuting_rows_permutes_losses(loss)


@of_every_loss
def test_any_split_equals_the_whole(loss: Loss) -> None:
    holds.assert_any_split_equals_the_whole(loss)


@of_every_loss
def test_losses_go_to_out(loss: Loss) -> None:
    holds.assert_losses_go_to_out(loss)


@of_every_loss
def test_inputs_are_left_as_they_are(loss: Loss) -> None:
    holds.assert_inputs_are_left_as_they_are(loss)


@of_every_loss
def test_dtype_and_shape_are_kept(loss: Loss) -> None:
    holds.assert_dtype_and_shape_are_kept(loss)


@of_every_loss
def test_margin_of_each_pair_is_its_own(loss: Loss) -> None:
    holds.assert_margin_of_each_pair_is_its_own(loss)


@of_every_loss
def test_losses_are_within_range(loss: Loss) -> None:
    holds.assert_losses_are_within_range(loss)


@of_every_loss
def test_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    holds.assert_gradient_is_that_of_finite_differences(loss)


@of_monotone_losses
def test_better_order_costs_no_more(loss: Loss) -> None:
    holds.assert_better_order_costs_no_more(loss)


@of_losses_with_margin
def test_larger_margin_costs_no_less(loss: Loss) -> None:
    holds.assert_larger_margin_costs_no_less(loss)


@of_hinges
def test_hinge_is_zero_from_the_margin_on(loss: Loss) -> None:
    holds.assert_hinge_is_zero_from_the_margin_on(loss)


# The traits that a loss declares hold in the negative too.


def variants_of(name: str) -> list[Loss]:
    return [loss for loss in VARIANTS.values() if loss.name.partition("(")[0] == name]


@each("name", LOSSES)
def test_trait_that_a_loss_denies_is_not_there(name: str) -> None:
    x1, x2, y = pairs()
    variants = variants_of(name)
    if not LOSSES[name].is_monotone:
        assert any(fails(holds.assert_better_order_costs_no_more, loss) for loss in variants)
    if not LOSSES[name].is_hinge:
        assert all(fails(holds.assert_hinge_is_zero_from_the_margin_on, loss) for loss in variants)
    if not LOSSES[name].has_margin:
        for loss in variants:
            assert same(loss.kernel(x1 - x2, y, margin=0.3), loss.kernel(x1 - x2, y, margin=0.0))
            assert same(loss.gradient(x1 - x2, y, margin=0.3), loss.gradient(x1 - x2, y, margin=0.0))
    if LOSSES[name].lowest < 0:
        assert any((loss.kernel(x1 - x2, y, margin=0.0) < 0).any() for loss in variants)
    is_of_the_product = all(
        same(loss.kernel((x1 - x2) * y, np.ones(y.size), margin=0.0), loss.kernel(x1 - x2, y, margin=0.0))
        and same(loss.kernel(2 * (x1 - x2), y / 2, margin=0.0), loss.kernel(x1 - x2, y, margin=0.0))
        for loss in variants
    )
    assert is_of_the_product is not LOSSES[name].is_target


def fails(asserted: Property, loss: Loss) -> bool:
    try:
        with np.errstate(all="ignore"):
            asserted(loss)
    except AssertionError:
        return True
    return False


@each("loss", LOSSES.values())
def test_loss_documents_its_name_formula_and_source(loss: Loss) -> None:
    assert LOSSES[loss.name] is loss
    assert loss.name.isidentifier()
    assert "x1" in loss.formula
    assert "x2" in loss.formula
    assert loss.source.strip()
    assert loss.kernel.__doc__
    assert loss.gradient.__doc__
    assert ("margin" in loss.formula) == loss.has_margin
    for parameter in loss.parameters:
        assert parameter.name in loss.formula
        assert parameter.meaning
        assert parameter.name not in {*SETTINGS, *KEYS}  # it is a column of its own in one-row formats


@each("loss", LOSSES.values())
def test_traits_of_a_loss_are_those_of_its_formula(loss: Loss) -> None:
    assert loss.is_logarithmic == ("log" in loss.formula)
    assert (loss.ulps > 0) == (loss.power == 0) == any(word in loss.formula for word in ("log", "exp"))
    assert (loss.power == 2) == ("**2" in loss.formula)
    assert loss.is_hinge == loss.formula.startswith("max(0")


@each("loss", [loss for loss in LOSSES.values() if not loss.is_logarithmic])
def test_range_of_a_loss_is_as_narrow_as_can_be(loss: Loss) -> None:
    difference = np.array([-1e300, -1e4, 0.5, 1.0, 1e300])
    with np.errstate(over="ignore"):
        losses = loss.kernel(difference, np.ones(5), margin=0.0, **loss.defaults)
    assert losses.min() == loss.lowest
    assert losses.max() == loss.highest or (loss.highest == np.inf and losses.max() == np.max(difference**loss.power))


def test_losses_that_go_through_every_two_items_of_a_list_say_so() -> None:
    assert [name for name, loss in LISTWISE.items() if loss.is_quadratic] == ["approx_ndcg"]


# Parameters.


@each("loss", LOSSES.values())
def test_parameters_are_completed_with_defaults_that_are_allowed(loss: Loss) -> None:
    assert completed(loss.name, {}) == loss.defaults
    for parameter in loss.parameters:
        for value in (parameter.lowest, parameter.highest):
            assert completed(loss.name, {parameter.name: value})[parameter.name] == value
        beyond = (parameter.lowest - 1, parameter.highest * 2 + 1, float("nan"), float("inf"), *parameter.excluded)
        for value in beyond:
            with pytest.raises(ParameterError, match=parameter.name) as caught:
                completed(loss.name, {parameter.name: value})
            assert parameter.bounds in str(caught.value)
            assert str(value) in str(caught.value)


def test_parameters_become_doubles_without_a_sign_of_zero() -> None:
    parameters = completed("smoothed_bradley_terry", {"label_smoothing": -0.0, "beta": 2})
    assert repr(parameters) == "{'beta': 2.0, 'label_smoothing': 0.0}"


def test_unknown_parameter_is_named_beside_those_there_are() -> None:
    with pytest.raises(ParameterError, match=r"logistic has no parameter 'temp'; it has temperature"):
        completed("logistic", {"temp": 1.0})
    with pytest.raises(ParameterError, match="it has none"):
        completed("margin_ranking", {"temperature": 1.0})
    for value, written in ((np.float64(-2.0), "-2.0"), (float("-inf"), "-inf"), ("1", "'1'")):
        with pytest.raises(ParameterError, match=f"; it is {written}$"):
            completed("logistic", {"temperature": value})


@each("bound", ["lowest", "highest"])
@each("dtype", DTYPES)
@each("name", LOSSES)
def test_no_parameter_within_bounds_makes_nan_of_numbers(name: str, dtype: str, bound: str) -> None:
    loss = LOSSES[name]
    parameters = {parameter.name: getattr(parameter, bound) for parameter in loss.parameters}
    highest = np.finfo(dtype).max / 4
    difference = np.array([0, 1, -1, 1e4, -1e4, highest, -highest, 1e-30, -1e-30], dtype)
    for y in (1, -1):
        labels = np.full(difference.size, y, dtype)
        with np.errstate(all="ignore"):
            assert not np.isnan(loss.kernel(difference, labels, margin=0.0, **parameters)).any()
            assert not np.isnan(loss.gradient(difference, labels, margin=0.0, **parameters)).any()


# Margin ranking, bit for bit.


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


def test_margin_ranking_is_registered() -> None:
    assert inspect.unwrap(margin_ranking.kernel) is hinges.margin_ranking
    assert inspect.unwrap(margin_ranking.gradient) is hinges.margin_ranking_gradient


@pytest.mark.slow
def test_margin_ranking_is_first_whatever_families_are_called() -> None:
    script = "import mrl_cli; mrl_cli.modules_in = lambda _: ['squares', 'logistics', 'hinges']\n"
    script += "from mrl_cli.losses import LOSSES; print(*LOSSES)"
    names = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert names[0] == next(iter(LOSSES)) == "margin_ranking"
    assert set(names) == LOSSES.keys()


def test_margin_ranking_equals_definition_in_written_order() -> None:
    assert_equals_definition_in_written_order(LOSSES["margin_ranking"])


@each(
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
    assert margin_ranking.kernel(np.array([difference]), np.array([y]), margin=margin).tolist() == [expected]


def test_margin_ranking_gradient_passes_at_the_kink() -> None:
    difference = np.array([0.5, np.nextafter(0.5, 1), -0.5, -np.nextafter(0.5, 1)])
    y = np.array([1.0, 1.0, -1.0, -1.0])
    expected = np.array([-1.0, -0.0, 1.0, 0.0])
    assert same(margin_ranking.gradient(difference, y, margin=0.5), expected)


@each("name", LOSSES)
def test_loss_of_nan_is_nan(name: str) -> None:
    loss = LOSSES[name]
    difference, y = np.array([np.nan, 1.0]), np.array([1.0, np.nan])
    assert np.isnan(loss.kernel(difference, y, margin=0.0, **loss.defaults)).all()


def test_margin_ranking_of_nan_has_no_gradient() -> None:
    assert margin_ranking.gradient(np.array([np.nan]), np.array([1.0]), margin=1.0)[0] == 0


# Broken losses: each breaker makes a wrong one of any loss that it applies to.


def with_kernel(loss: Loss, make: Callable[..., Array]) -> Loss:
    """Return the loss with a kernel that writes to `out` what `make(difference, y, margin)` returns."""

    def kernel(difference: Array, y: Array, *, margin: Any, out: Array | None = None) -> Array:
        losses = make(difference, y, margin)
        if out is None:
            return losses
        out[...] = losses
        return out

    return replace(loss, kernel=kernel)


def margin_subtracted(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, y, margin=-margin))


def sign_flipped(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, -y, margin=margin))


def label_ignored(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, np.ones_like(y), margin=margin))


def shifted_below(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, y, margin=margin) - 200)


def minus_zero(loss: Loss) -> Loss:
    return with_kernel(
        loss, lambda difference, y, margin: -np.maximum(loss.kernel(difference, y, margin=margin), 0) * 0
    )


def centred(loss: Loss) -> Loss:
    def make(difference: Array, y: Array, margin: Any) -> Array:
        mean = difference.mean() if difference.size else 0
        return loss.kernel(np.asarray(difference - mean), y, margin=margin)

    return with_kernel(loss, make)


def first_row_lost(loss: Loss) -> Loss:
    def make(difference: Array, y: Array, margin: Any) -> Array:
        losses = loss.kernel(difference, y, margin=margin)
        losses[:1] = -1
        return losses

    return with_kernel(loss, make)


def drifting(loss: Loss) -> Loss:
    # A kernel sees differences only, so what shifting guards against is rounding: one bit of it must show.
    seen = iter(range(100))
    return with_kernel(
        loss, lambda difference, y, margin: loss.kernel(difference, y, margin=margin) * (1 + next(seen) * 2.0**-51)
    )


def one_margin_for_all(loss: Loss) -> Loss:
    def make(difference: Array, y: Array, margin: Any) -> Array:
        return loss.kernel(difference, y, margin=float(np.ravel(margin)[0]) if np.size(margin) else 0.0)

    return with_kernel(loss, make)


def out_ignored(loss: Loss) -> Loss:
    return replace(loss, kernel=lambda difference, y, *, margin, out=None: loss.kernel(difference, y, margin=margin))


def input_overwritten(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, y, margin=margin, out=difference))


def always_wide(loss: Loss) -> Loss:
    return with_kernel(
        loss,
        lambda difference, y, margin: loss.kernel(difference.astype("float64"), y.astype("float64"), margin=margin),
    )


def never_zero(loss: Loss) -> Loss:
    return with_kernel(loss, lambda difference, y, margin: loss.kernel(difference, y, margin=margin) + 1e-9)


def gradient_of_the_wrong_sign(loss: Loss) -> Loss:
    return replace(loss, gradient=lambda difference, y, *, margin: -loss.gradient(difference, y, margin=margin))


def gradient_without_size(loss: Loss) -> Loss:
    return replace(loss, gradient=lambda difference, y, *, margin: np.sign(loss.gradient(difference, y, margin=margin)))


BROKEN: list[tuple[Breaker, Property, Callable[[Loss], bool]]] = [
    (margin_subtracted, holds.assert_larger_margin_costs_no_less, lambda loss: loss.has_margin),
    (one_margin_for_all, holds.assert_margin_of_each_pair_is_its_own, lambda loss: loss.has_margin),
    (sign_flipped, holds.assert_better_order_costs_no_more, lambda loss: loss.is_monotone),
    (sign_flipped, holds.assert_gradient_is_that_of_finite_differences, lambda loss: True),
    (label_ignored, holds.assert_swapping_scores_and_negating_labels_changes_nothing, lambda loss: True),
    (shifted_below, holds.assert_losses_are_within_range, lambda loss: loss.lowest == 0),
    (minus_zero, holds.assert_losses_are_within_range, lambda loss: True),
    (centred, holds.assert_any_split_equals_the_whole, lambda loss: True),
    (first_row_lost, holds.assert_permuting_rows_permutes_losses, lambda loss: True),
    (drifting, holds.assert_shifting_both_scores_changes_nothing, lambda loss: True),
    (out_ignored, holds.assert_losses_go_to_out, lambda loss: True),
    (input_overwritten, holds.assert_inputs_are_left_as_they_are, lambda loss: True),
    (always_wide, holds.assert_dtype_and_shape_are_kept, lambda loss: True),
    (never_zero, holds.assert_hinge_is_zero_from_the_margin_on, lambda loss: loss.is_hinge),
    (gradient_of_the_wrong_sign, holds.assert_gradient_is_that_of_finite_differences, lambda loss: True),
    (gradient_without_size, holds.assert_gradient_is_that_of_finite_differences, lambda loss: True),
]


@each(
    ("loss", "breaker", "property_"),
    [
        (loss, breaker, property_)
        for breaker, property_, applies in BROKEN
        for loss in VARIANTS.values()
        if applies(loss)
    ],
)
def test_broken_loss_is_caught(loss: Loss, breaker: Breaker, property_: Property) -> None:
    assert fails(property_, breaker(loss))


def test_rounding_in_another_order_is_caught() -> None:
    def make(difference: Array, y: Array, margin: float) -> Array:
        losses: Array = np.maximum((margin - y * difference + 1) - 1, 0)
        return losses

    assert fails(assert_equals_definition_in_written_order, with_kernel(LOSSES["margin_ranking"], make))


def test_every_property_is_tested_and_can_fail() -> None:
    properties = {getattr(holds, name) for name in dir(holds) if name.startswith("assert_")}
    assert properties == {property_ for _, property_, _ in BROKEN}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {property_.__name__.removeprefix("assert_") for property_ in properties} <= tested


def test_margins_tried_are_those_of_the_loss() -> None:
    assert {len(margins(loss)) for loss in LOSSES.values()} == {1, 4}
