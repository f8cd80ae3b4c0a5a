"""The loop validator and the exact one: hand-worked values, their bound, and that they find the same as the core."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mrl_cli
from mrl_cli import margin_ranking_loss, validate_margin_ranking_loss, validate_margin_ranking_loss_exact
from mrl_cli.losses import LOSSES
from mrl_cli.verify.reference import LOOPS, LoopSum, differences, exact_pairs, is_within_bound
from tests.each import each, examples, mostly_slow
from tests.test_golden import CASES, inputs, is_same

finite = st.floats(allow_nan=False, allow_infinity=False)
scores = st.lists(finite, min_size=1, max_size=20)


def test_every_registered_loss_has_a_loop() -> None:
    assert set(LOSSES) == set(LOOPS)


def test_hand_worked_values() -> None:
    pairs = ([0.5, 1.0, 1.0], [0.25, 2.0, 1.0], [1, 1, -1])
    # 0.5 - 0.25 = 0.25, 0.5 + 1 = 1.5, 0.5 + 0 = 0.5
    assert validate_margin_ranking_loss(*pairs, 0.5, "none") == [0.25, 1.5, 0.5]
    assert validate_margin_ranking_loss(*pairs, 0.5, "sum") == 2.25
    assert validate_margin_ranking_loss(*pairs, margin=0.5) == 0.75
    assert validate_margin_ranking_loss(*pairs, [0.0, 1.0, 2.0], "none") == [0.0, 2.0, 2.0]
    assert validate_margin_ranking_loss_exact(*pairs, 0.5) == Fraction(3, 4)
    assert validate_margin_ranking_loss_exact(*pairs, 0.5, "none") == [Fraction(1, 4), Fraction(3, 2), Fraction(1, 2)]


def test_founding_example_in_float32() -> None:
    x1 = [-0.6013928055763245, -1.0122097730636597, -0.30226925015449524]
    x2 = [-1.2276864051818848, 0.9198282361030579, -0.34846940636634827]
    assert validate_margin_ranking_loss(x1, x2, [1, -1, -1], dtype="float32") == 0.015400052070617676


@each("case", CASES)
def test_the_loop_agrees_with_pytorch_bit_for_bit(case: dict[str, Any]) -> None:
    x1, x2, y = (values.reshape(-1) for values in inputs(case))
    margin, dtype = float.fromhex(case["margin"]), case["dtype"]
    losses = validate_margin_ranking_loss(x1, x2, y, margin, "none", dtype=dtype)
    assert isinstance(losses, list)
    expected = [float.fromhex(value) for value in case["none"]]
    assert all(map(is_same, losses, expected))
    assert not any(math.copysign(1, loss) < 0 for loss in losses if loss == 0)


@given(st.data(), finite, st.sampled_from(["float64", "float32"]))
def test_every_loss_is_within_the_rounding_bound(data: st.DataObject, margin: float, dtype: str) -> None:
    x1 = data.draw(scores)
    x2 = data.draw(st.lists(finite, min_size=len(x1), max_size=len(x1)))
    y = data.draw(st.lists(st.one_of(st.sampled_from([1.0, -1.0]), finite), min_size=len(x1), max_size=len(x1)))
    with np.errstate(over="ignore"):
        if not np.isfinite(np.array([*x1, *x2, *y, margin], dtype)).all():
            return
    losses = validate_margin_ranking_loss(x1, x2, y, margin, "none", dtype=dtype)
    assert isinstance(losses, list)
    for loss, pair in zip(losses, exact_pairs(x1, x2, y, margin, dtype), strict=True):
        assert is_within_bound(loss, pair, dtype)


@pytest.mark.parametrize("dtype", mostly_slow(["float64", "float32"], quick=1))
def test_the_bound_is_tight_and_refuses_what_is_beyond(dtype: str) -> None:
    random = np.random.default_rng(1)
    x1, x2 = random.standard_normal((2, 2000)).astype(dtype).astype(float).tolist()
    y = np.where(random.random(2000) < 0.5, 1.0, -1.0).tolist()
    losses = validate_margin_ranking_loss(x1, x2, y, 0.7, "none", dtype=dtype)
    assert isinstance(losses, list)
    used = []
    for loss, pair in zip(losses, exact_pairs(x1, x2, y, 0.7, dtype), strict=True):
        if loss:
            used.append(abs(Fraction(loss) - pair.loss) / pair.bound)
            beyond = float(pair.loss + 2 * pair.bound)
            assert not is_within_bound(beyond, pair, dtype)
    assert 0.85 < max(used) <= 1


def test_an_infinite_loss_is_allowed_only_where_numbers_overflow() -> None:
    (huge,) = exact_pairs([1.7e308], [-1.7e308], [-1.0], 0.0)
    assert is_within_bound(math.inf, huge)
    (ordinary,) = exact_pairs([1.0], [-1.0], [-1.0], 0.0)
    assert not is_within_bound(math.inf, ordinary)
    assert not is_within_bound(math.nan, ordinary)


@given(st.lists(st.floats(), max_size=40), st.integers(0, 40))
@examples(100)
def test_sums_are_rounded_once_however_they_are_split(values: list[float], place: int) -> None:
    whole = float(LoopSum.of(values))
    smallest = min((abs(value) for value in values if value and not math.isnan(value)), default=0.0)
    assert repr(LoopSum.of(values, smallest)) == repr(LoopSum.of(values))  # NaN is no NaN's equal
    assert is_same(float(LoopSum.of(values[:place]) + LoopSum.of(values[place:])), whole)
    try:
        assert is_same(whole, math.fsum(values))
    except (OverflowError, ValueError):  # fsum gives up on an overflow on the way, and on infinities of both signs
        assert not math.isfinite(whole) or max(map(abs, values)) > 1e300


def test_a_sum_may_overflow_on_the_way_and_come_back() -> None:
    largest = 1.7976931348623157e308
    assert float(LoopSum.of([largest, largest, -largest])) == largest
    assert float(LoopSum.of([largest] * 3)) == math.inf
    assert float(LoopSum.of([-largest] * 3)) == -math.inf


@given(st.lists(st.tuples(st.floats(0), st.floats()), max_size=30))
def test_weighted_sums_round_nothing(pairs: list[tuple[float, float]]) -> None:
    weights, values = [w for w, _ in pairs], [v for _, v in pairs]
    actual = LoopSum.of_products(weights, values)
    finite = [(w, v) for w, v in pairs if math.isfinite(w) and math.isfinite(v)]
    assert actual.finite == sum((Fraction(w) * Fraction(v) for w, v in finite), Fraction(0))
    others = [w * v for w, v in pairs if not (math.isfinite(w) and math.isfinite(v))]
    is_nan = any(map(math.isnan, others)) or {math.inf, -math.inf} <= set(others)
    assert math.isnan(actual.others) == is_nan
    assert is_nan or actual.others == next(iter(others), 0.0)


@given(scores, finite)
def test_the_loop_agrees_with_the_core(values: list[float], margin: float) -> None:
    other, y = values[::-1], [1.0, -1.0] * len(values)
    y = y[: len(values)]
    with np.errstate(all="ignore"):
        expected = margin_ranking_loss(values, other, y, margin=margin)
    losses = validate_margin_ranking_loss(values, other, y, margin)
    assert isinstance(losses, float)
    assert is_same(losses, float(expected))


def test_nothing_has_no_mean() -> None:
    assert validate_margin_ranking_loss([], [], [], reduction="sum") == 0.0
    mean = validate_margin_ranking_loss([], [], [])
    assert isinstance(mean, float)
    assert math.isnan(mean)
    with pytest.raises(ValueError, match="undefined"):
        validate_margin_ranking_loss_exact([], [], [])


@pytest.mark.parametrize("function", [validate_margin_ranking_loss, validate_margin_ranking_loss_exact])
def test_what_makes_no_sense_is_refused(function: Any) -> None:
    with pytest.raises(ValueError, match="reduction must be one of mean, sum, none"):
        function([1.0], [1.0], [1], reduction="max")
    with pytest.raises(ValueError, match="one length"):
        function([1.0], [1.0, 2.0], [1])
    with pytest.raises(ValueError, match="one length"):
        function([1.0], [2.0], [1], margin=[1.0, 2.0])


def test_rational_numbers_know_no_nan() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        validate_margin_ranking_loss_exact([math.nan], [1.0], [1])
    with pytest.raises(ValueError, match="dtype must be one of"):
        validate_margin_ranking_loss([1.0], [1.0], [1], dtype="float16")


def test_arrays_do_not_compute_in_their_own_dtype() -> None:
    x1, x2 = np.array([127], np.int8), np.array([-128], np.int8)
    assert validate_margin_ranking_loss(x1, x2, np.array([-1], np.int8)) == 255.0


def test_scores_are_rounded_to_float32_before_they_are_subtracted() -> None:
    actual = differences([0.3], [0.1], [1.0], "float32")
    assert actual.agreement[0] == float(np.float32(0.3) - np.float32(0.1))


def test_the_package_offers_both() -> None:
    assert {"validate_margin_ranking_loss", "validate_margin_ranking_loss_exact"} <= set(dir(mrl_cli))


@pytest.mark.parametrize("spread", [1, 10, 60, 300])
def test_the_last_look_is_saved_only_where_nothing_is_left(spread: int) -> None:
    random = np.random.default_rng(spread)
    for _ in range(50):
        values = (random.standard_normal(100) * 2.0 ** random.integers(-spread, spread, 100)).tolist()
        assert LoopSum.of(values, min(map(abs, values))).finite == sum(map(Fraction, values))
