"""ExactSum is the sum of doubles with one rounding, whatever their order, size or grouping."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mrl_cli.exact import BLOCK_VALUES, HUGE, UNIT_EXPONENT, ExactSum, ProductAccumulator
from mrl_cli.exact.blocks import MOST_VALUES, units_of_products
from mrl_cli.exact.codes import SumsByCode, sums_by_code
from tests.each import each, examples

LARGEST = float(np.finfo(np.float64).max)
LEAST = 5e-324

any_finite = st.floats(allow_nan=False, allow_infinity=False)
subnormal = st.floats(min_value=-(2.0**-1022), max_value=2.0**-1022)
huge = st.floats(min_value=HUGE / 4, max_value=LARGEST) | st.floats(min_value=-LARGEST, max_value=-HUGE / 4)
cancelling = st.sampled_from(
    [1e16, -1e16, 1.0, -1.0, 2.0**-53, 2.0**1000, -(2.0**1000), LEAST, -LEAST, LARGEST, -LARGEST]
)
doubles = st.lists(any_finite | subnormal | huge | cancelling, max_size=60)
any_doubles = st.lists(any_finite | cancelling | st.sampled_from([math.inf, -math.inf, math.nan]), max_size=20)


def of(values: list[float] | NDArray[Any]) -> ExactSum:
    """Return the exact sum of values, handed over as an array that cannot be written to."""
    array = np.asarray(values, np.float64) if isinstance(values, list) else values.copy()
    array.flags.writeable = False
    return ExactSum.of(array)


def rounded_exact_sum(values: list[float]) -> float:
    """Return the sum as fractions, rounded to nearest even once: an infinity beyond the doubles."""
    total = sum(map(Fraction, values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def bits(number: float) -> bytes:
    return np.float64(number).tobytes()


@given(doubles)
@example([LARGEST, LARGEST, -LARGEST])
@example([LARGEST, 2.0**969])
@example([LARGEST, 2.0**970])  # half an ulp above the largest double: the tie rounds to infinity
@example([1.0, 2.0**-53, LEAST])
@example([1.0, 2.0**-53, -LEAST])
@example([2.0**1000, LEAST, -(2.0**1000)])
@examples(100)
def test_sum_is_rounded_once(values: list[float]) -> None:
    assert bits(float(of(values))) == bits(rounded_exact_sum(values) + 0.0)


@given(doubles)
@examples(100)
def test_sum_is_that_of_fsum_where_fsum_has_one(values: list[float]) -> None:
    try:
        expected = math.fsum(values)
    except OverflowError:
        expected = rounded_exact_sum(values)
    assert float(of(values)) == expected


def test_sum_beyond_the_partial_sums_of_fsum_is_exact() -> None:
    values = [LARGEST, LARGEST, -LARGEST]
    with pytest.raises(OverflowError):
        math.fsum(values)
    assert float(of(values)) == LARGEST
    assert float(of([LARGEST, LARGEST])) == math.inf
    assert float(of([-LARGEST, -LARGEST])) == -math.inf


def test_spread_of_two_thousand_binary_orders_loses_nothing() -> None:
    powers = [math.ldexp(1.0, exponent) for exponent in range(-1074, 1000, 7)]
    values = [sign * power for power in powers for sign in (1.0, 1.0, -1.0)]
    assert of(values).units == sum(1 << (exponent + UNIT_EXPONENT) for exponent in range(-1074, 1000, 7))
    assert of([*values, *(-power for power in powers)]) == ExactSum()


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, BLOCK_VALUES - 1, BLOCK_VALUES, BLOCK_VALUES + 1, 2 * BLOCK_VALUES + 3])
@pytest.mark.parametrize("scale", [1.0, 2.0**-1060, 2.0**1005])
def test_sum_is_exact_at_block_boundaries(size: int, scale: float) -> None:
    random = np.random.default_rng(size)
    values = random.standard_normal(size) * scale * 2.0 ** random.integers(-12, 13, size)
    ratios = (value.as_integer_ratio() for value in values.tolist())
    expected = sum((numerator << UNIT_EXPONENT) // denominator for numerator, denominator in ratios)
    assert of(values).units == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_full_block_of_one_sign_is_exact(sign: float) -> None:
    values = sign * (2 - np.random.default_rng(0).random(BLOCK_VALUES) / 64)  # every sum of them nears its bound
    assert of(values).units == sum(int(value * 2.0**60) for value in values.tolist()) << (UNIT_EXPONENT - 60)


def test_full_block_of_the_largest_double_does_not_overflow() -> None:
    assert of(np.full(BLOCK_VALUES, LARGEST)).units == BLOCK_VALUES * (int(LARGEST) << UNIT_EXPONENT)
    assert of(np.full(BLOCK_VALUES, np.nextafter(1.0, 0))).units == BLOCK_VALUES * (
        (1 << UNIT_EXPONENT) - (1 << (UNIT_EXPONENT - 53))
    )
    assert of(np.full(BLOCK_VALUES, LEAST)).units == BLOCK_VALUES << (UNIT_EXPONENT - 1074)


@given(any_doubles, st.data())
@examples(100)
def test_any_split_and_order_give_the_same_sum(values: list[float], data: st.DataObject) -> None:
    whole = of(values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    parts = [of(values[start:stop]) for start, stop in pairwise([0, *cuts, len(values)])]
    merged = ExactSum()
    for part in data.draw(st.permutations(parts)):
        merged = merged + part
    assert merged == whole
    assert of(data.draw(st.permutations(values))) == whole


@given(any_doubles, any_doubles, any_doubles)
@settings(deadline=None)
def test_addition_is_associative_and_nothing_is_its_identity(
    first: list[float], second: list[float], third: list[float]
) -> None:
    a, b, c = of(first), of(second), of(third)
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + ExactSum() == a == ExactSum() + a


@each(
    ("values", "expected"),
    [
        ([math.inf, 1.0], math.inf),
        ([-math.inf, LARGEST, LARGEST], -math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.inf, math.inf], math.inf),
        ([math.nan, 1.0], math.nan),
        ([math.inf, math.nan], math.nan),
    ],
)
def test_what_is_not_finite_adds_as_in_ieee_754(values: list[float], expected: float) -> None:
    assert bits(float(of(values))) == bits(expected)


def test_finite_part_is_kept_beside_what_is_not_finite() -> None:
    total = of([1.0, math.inf, -math.inf, -math.inf, math.nan, 2.0])
    assert total == ExactSum(3 << UNIT_EXPONENT, positive_infinities=1, negative_infinities=2, nans=1)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=40))
@settings(deadline=None)
def test_narrow_floats_are_added_as_the_doubles_they_are(values: list[float]) -> None:
    assert ExactSum.of(np.array(values, np.float32)) == of(values)


def test_seventy_thousand_float16_ones_are_seventy_thousand() -> None:
    assert float(ExactSum.of(np.ones(70_000, np.float16))) == 70_000.0


def test_shape_and_strides_do_not_matter() -> None:
    grid = np.random.default_rng(0).standard_normal((30, 40))
    assert ExactSum.of(grid) == ExactSum.of(grid.T) == of(grid.reshape(-1))
    assert ExactSum.of(grid[::2, 5:7]) == of(grid[::2, 5:7].reshape(-1))
    assert ExactSum.of(np.array(2.5)) == of([2.5])


def test_values_are_left_as_they_are() -> None:
    values = np.random.default_rng(0).standard_normal(100)
    before = values.copy()
    ExactSum.of(values)
    assert values.tobytes() == before.tobytes()


def test_unit_of_sums_is_the_square_of_the_least_double() -> None:
    assert of([1.0]).units == 1 << 2148
    assert ExactSum.of_products(np.array([LEAST]), np.array([LEAST])).units == 1


def test_nothing_sums_to_a_positive_zero() -> None:
    assert of([]) == ExactSum()
    assert bits(float(ExactSum())) == bits(0.0)
    assert bits(float(of([-0.0, -0.0]))) == bits(0.0)
    assert bits(float(of([1.0, -1.0]))) == bits(0.0)


factors = st.floats(allow_nan=False, allow_infinity=False) | subnormal | huge | st.sampled_from([0.0, -0.0, 1.0, LEAST])
products_of = st.lists(st.tuples(factors, factors), max_size=40)


@pytest.mark.slow
@given(products_of)
@example([(LARGEST, LARGEST), (LARGEST, -LARGEST), (1.0, 1.0)])
@example([(LEAST, LEAST), (LEAST, LEAST)])
@example([(1 + 2.0**-52, 1 + 2.0**-52), (-1.0, 1.0)])
@examples(100)
def test_sum_of_products_is_rounded_once(pairs: list[tuple[float, float]]) -> None:
    left, right = (np.array([pair[side] for pair in pairs], np.float64) for side in (0, 1))
    total = sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))
    actual = ExactSum.of_products(left, right)
    assert Fraction(actual.units, 1 << UNIT_EXPONENT) == total


def test_products_with_what_is_not_finite() -> None:
    total = ExactSum.of_products(np.array([math.inf, -math.inf, 2.0, math.nan]), np.array([2.0, 3.0, 0.5, 1.0]))
    assert total == ExactSum(1 << UNIT_EXPONENT, positive_infinities=1, negative_infinities=1, nans=1)
    assert ExactSum.of_products(np.array([math.inf]), np.array([0.0])) == ExactSum(nans=1)


@pytest.mark.slow
def test_products_of_many_blocks_of_narrow_floats() -> None:
    random = np.random.default_rng(5)
    left, right = random.standard_normal((2, 3 * BLOCK_VALUES // 2)).astype(np.float32)
    exact = math.fsum(float(a) * float(b) for a, b in zip(left, right, strict=True))  # 48 bits: no product is rounded
    assert float(ExactSum.of_products(left, right)) == exact
    shuffled = random.permutation(left.size)
    assert ExactSum.of_products(left[shuffled], right[shuffled]) == ExactSum.of_products(left, right)


def test_integer_weights_are_repetition() -> None:
    random = np.random.default_rng(6)
    values, counts = random.standard_normal(1000) * 10.0 ** random.integers(-20, 20, 1000), random.integers(0, 9, 1000)
    assert ExactSum.of_products(values, counts.astype(np.float64)) == ExactSum.of(np.repeat(values, counts))


@given(st.lists(st.lists(st.tuples(any_finite | cancelling | st.floats(), st.integers(0, 3)), max_size=20), max_size=5))
def test_sums_by_code_add_up_exactly(blocks: list[list[tuple[float, int]]]) -> None:
    actual = SumsByCode()
    for block in blocks:
        values, codes = np.array([v for v, _ in block], np.float64), np.array([c for _, c in block], np.int64)
        actual = actual.merged(sums_by_code(values, codes, 4))
    for code in range(4):
        assert actual.at(code) == of([value for block in blocks for value, other in block if other == code])


def _sum_of(numbers: NDArray[np.float64]) -> int:
    return int(sum(Fraction(float(number)) for number in numbers) * (1 << UNIT_EXPONENT))


def _product_sum_of(left: NDArray[np.float64], right: NDArray[np.float64]) -> int:
    products = (Fraction(float(a)) * Fraction(float(b)) for a, b in zip(left, right, strict=True))
    return int(sum(products, Fraction(0)) * (1 << UNIT_EXPONENT))


@each("spread", [0, 1, 10, 20])
@each("size", [1, 2, 1000])
def test_slices_add_up_products_and_marked_factors(size: int, spread: int) -> None:
    random = np.random.default_rng(size + spread)
    left, right = random.standard_normal((2, size)) * 2.0 ** random.integers(-spread, spread + 1, (2, size))
    masks = [np.ones(size, bool), random.random(size) < 0.5]
    expected = [_product_sum_of(left, right), *(_sum_of(left[mask]) for mask in masks)]
    assert units_of_products(left, right, masks) == expected


@pytest.mark.slow
@each("scale", [1.0, -1.0, 2.0**300])
@each("bits", [17, 18, 19, 20, 52])
def test_slices_of_a_full_block_are_not_rounded(bits: int, scale: float) -> None:
    # Just below 2, with odd last bits: sums of products are as large as they get, and need every bit of a double.
    left, right = 2 - np.random.default_rng(bits).integers(1, 9, (2, MOST_VALUES)) * 2.0**-bits
    first, second = ([int(value * 2**bits) for value in side.tolist()] for side in (left, right))
    total = sum(a * b for a, b in zip(first, second, strict=True)) * int(scale)
    assert units_of_products(left, right * scale, []) == [total << (UNIT_EXPONENT - 2 * bits)]


@each("odd", [1e300, 1e-300, math.inf, math.nan, 2.0**-200])
@each("side", [0, 1])
def test_slices_decline_what_they_cannot_hold(side: int, odd: float) -> None:
    factors = np.array([[1.5, 0.75], [0.25, 3.0]])
    factors[side, 1] = odd
    assert units_of_products(factors[0], factors[1], []) is None


def test_slices_of_zeros_are_nothing() -> None:
    zeros, ones, mask = np.zeros(3), np.ones(3), np.array([True, False, True])
    assert units_of_products(zeros, ones, [mask]) == [0, 0]
    assert units_of_products(ones, zeros, [mask]) == [0, 2 << UNIT_EXPONENT]


@given(st.lists(st.tuples(st.floats(), st.floats(), st.booleans()), max_size=20))
def test_masks_of_products_of_any_numbers(rows: list[tuple[float, float, bool]]) -> None:
    left, right = (np.array([row[side] for row in rows], np.float64) for side in (0, 1))
    mask = np.array([row[2] for row in rows], bool)
    accumulator = ProductAccumulator(masks=1)
    accumulator.add(left, right, [mask])
    assert accumulator.totals == [ExactSum.of_products(left, right), ExactSum.of(left[mask])]
