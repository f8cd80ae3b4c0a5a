"""Sums of many codes at once, of few terms and of products: each is that of rationals, whatever way it is reached."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrl_cli.exact import BLOCK_VALUES, UNIT_EXPONENT, ExactAccumulator, ExactSum, ProductAccumulator, Scratch, few
from mrl_cli.exact import sums as sums_module
from mrl_cli.exact.blocks import (
    MOST_VALUES,
    PRODUCT_VALUES,
    are_ordinary_factors,
    extracted,
    magnitude,
    products,
    split,
    units_of_products,
)
from mrl_cli.exact.codes import (
    Bins,
    Piece,
    SumsByCode,
    grown,
    near_order,
    quotients,
    ranges_by_code,
    sums_by_code,
    sums_of_multiples_by_code,
    sums_of_products_by_code,
    two_sum,
)
from mrl_cli.exact.few import square_of_few, sum_of_few
from tests.each import each
from tests.list_oracle import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.exact.blocks import Array

INF, NAN, MAX = math.inf, math.nan, float(np.finfo(np.float64).max)
LEAST = 5e-324
# Bounds of what is added and multiplied without a look at each number, as literals: they are not to move.
HUGE, SMALL_FACTOR, LARGE_FACTOR, SMALLEST, LARGEST = 2.0**900, 2.0**-400, 2.0**440, 2.0**-300, 2.0**400
ODD = [0.0, LEAST, 2.0**-1022, 1e-310, 2.0**-401, SMALL_FACTOR, HUGE, -HUGE, 1e300, -MAX, MAX, INF, -INF, NAN]
close = st.sampled_from(
    [1.0, -1.0, 3.0, 2.0**-52, 2.0**-53, -(2.0**-53), 3 * 2.0**-54, 2.0**-106, -(2.0**-107), 0.0, 1e16]
)
finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(min_value=-1e140, max_value=1e140) | close


def fraction(numbers: Any) -> Fraction:
    return sum((Fraction(float(number)) for number in np.ravel(numbers)), Fraction(0))


def units(value: Fraction) -> int:
    whole = value * (1 << UNIT_EXPONENT)
    assert whole.denominator == 1
    return int(whole)


def spread_numbers(size: int, seed: int = 0, orders: int = 60) -> Array:
    random = np.random.default_rng(seed)
    return random.standard_normal(size) * 2.0 ** random.integers(-orders, orders + 1, size)


def by_code(values: Array, codes: NDArray[Any], size: int) -> list[ExactSum]:
    return [ExactSum.of(values[codes == code]) for code in range(size)]


def all_at(sums: SumsByCode, size: int) -> list[ExactSum]:
    return [sums.at(code) for code in range(size)]


# Sums of few terms.


@given(st.lists(st.tuples(moderate | finite, moderate | finite, moderate), min_size=1, max_size=10))
@example([(1.0, 2.0**-53, 2.0**-106), (1.0, 2.0**-53, -(2.0**-106)), (1 + 2.0**-52, 2.0**-53, 2.0**-120)])
@example([(1.0, 2.0**-53 + 2.0**-105, -(2.0**-105) - 2.0**-157), (2.0**-53, 1.0, 2.0**-106), (MAX, MAX, -MAX)])
@example([(3.0, 2.0**-52, LEAST), (3.0, 2.0**-52, -LEAST), (-3.0, -(2.0**-52), LEAST), (MAX, MAX, 1.0)])
def test_three_terms_are_rounded_once(rows: list[tuple[float, float, float]]) -> None:
    terms = [np.array(side) for side in zip(*rows, strict=True)]
    assert sum_of_few(*terms).tolist() == [rounded(fraction(row)) for row in rows]


def test_three_terms_near_a_tie_are_rounded_once() -> None:
    random, size = np.random.default_rng(1), 3000
    first = random.integers(2**52, 2**53, size).astype(float)
    second = random.choice([0.5, -0.5, 0.25, -0.75], size) * random.choice([1.0, 1 - 2.0**-53, 1 + 2.0**-52], size)
    third = random.choice([-1.0, 1.0, 0.0], size) * 2.0 ** random.integers(-160, -52, size)
    right = [rounded(fraction(row)) for row in zip(first, second, third, strict=True)]
    for terms in ((first, second, third), (third, first, second), (second, third, first)):
        assert sum_of_few(*terms).tolist() == right


def test_four_terms_are_within_a_unit() -> None:
    random, size = np.random.default_rng(2), 500
    terms = [spread_numbers(size, seed, orders=50) for seed in range(4)]
    terms[1][::3] = -terms[0][::3] * (1 + random.choice([0.0, 2.0**-52, 2.0**-30], size)[::3])
    terms[3][::5] = -terms[2][::5]
    got = sum_of_few(*terms)
    for value, *row in zip(got.tolist(), *terms, strict=True):
        exact = fraction(row)
        assert abs(Fraction(value) - exact) <= Fraction(math.ulp(float(exact))), row
    assert sum_of_few(*(np.array([each]) for each in (MAX, MAX, -MAX, -MAX))).tolist() == [0.0]
    assert sum_of_few(*(np.array([each]) for each in (MAX, MAX, -MAX, 1.0))).tolist() == [MAX]


@each("count", [3, 4])
def test_squares_of_few_terms_are_rounded_once(count: int) -> None:
    size = 400
    terms = [spread_numbers(size, seed, orders=30) for seed in range(count)]
    terms[1][::2] = -terms[0][::2] + terms[1][::2] * 2.0**-60
    ends = [
        [MAX, 1.0, 0.0], [1e200, 1e200, 1.0], [2.0**-400, 2.0**-420, 0.0], [LEAST, LEAST, 0.0], [0.0, 0.0, 0.0],
        [1e-170, 1e-171, 1e-172], [2.0**441, -1.0, 2.0**300], [1.0, 2.0**-27, 2.0**-54], [1.0, 2.0**-54, 2.0**-107],
        [-3.0, 0.0, LEAST], [1 + 2.0**-26, 2.0**-53, 2.0**-106], [1 + 2.0**-26, 2.0**-53, -(2.0**-106)],
    ]  # fmt: skip
    ends += [[1 + odd * 2.0**-26, 0.0, 0.0] for odd in range(2**25 + 1, 2**25 + 21, 2)]  # their squares are ties
    columns = np.array([[*end, 0.0] for end in ends]).T
    # Of the small ones the square's rounding error is beyond the doubles, and is needed all the same.
    scaled = [np.concatenate([term[:100] * 2.0**power for power in (0, -450, -480, -500, 440, 470)]) for term in terms]
    terms = [np.concatenate(both) for both in zip(scaled, columns, strict=False)]
    right = [rounded(fraction(row) ** 2) for row in zip(*terms, strict=True)]
    assert square_of_few(*terms).tolist() == right


def test_what_is_far_from_a_tie_is_not_computed_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = [spread_numbers(400, seed, orders=30) for seed in range(4)]
    parts = [spread_numbers(400, seed, orders=0) * 2.0 ** (-58 * seed) for seed in range(4)]
    products_of = ProductAccumulator()
    with monkeypatch.context() as patch:
        for module, name in ((few, "_exact"), (math, "fsum"), (sums_module, "_sums_of_strange")):
            patch.setattr(module, name, None)
        squares = [square_of_few(*terms[:count]).tolist() for count in (3, 4)]
        doubles = SumsByCode(parts).rounded(400).tolist()
        products_of.add(terms[0], terms[0] * 3)
        with pytest.raises(TypeError):  # for ranges that are known are believed
            products_of.add(terms[0], terms[0], ranges=((NAN, NAN), (NAN, NAN)))
    exact = [[rounded(fraction(row) ** 2) for row in zip(*terms[:count], strict=True)] for count in (3, 4)]
    assert squares == exact
    assert doubles == [rounded(fraction(row)) for row in zip(*parts, strict=True)]
    assert products_of.totals == [ExactSum.of_products(terms[0], terms[0] * 3)]


# Blocks, parts and products.


def test_greatest_magnitude() -> None:
    assert [magnitude(np.array(values)) for values in ([-3.0, 2.0], [0.5], [-INF], [])] == [3.0, 0.5, INF, 0.0]
    assert math.isnan(magnitude(np.array([1.0, NAN, INF])))


def holds_sums_of(terms: int, part: Array) -> bool:
    """Return whether a double holds any sum of so many terms of a part."""
    whole = [units(Fraction(value)) for value in part.ravel().tolist() if value]
    return not whole or max(map(abs, whole)) * terms <= min(value & -value for value in whole) << 53


@each("size", [1, 2, 63, 64, 65, 1000])
@each("terms", [None, 3, 5000])
def test_parts_of_an_extraction_add_up_without_rounding(size: int, terms: int | None) -> None:
    values = spread_numbers(size, size)
    largest = float(np.abs(values).max())
    rest = [Fraction(value) for value in values.tolist()]
    for part, places in extracted(values, largest, terms):
        held = part.copy()
        assert float(held[:terms].sum()) == fraction(held[:terms])
        assert holds_sums_of(terms or size, held)
        for place, value in zip(range(size) if places is None else places.tolist(), held.tolist(), strict=True):
            rest[place] -= Fraction(value)
    assert rest == [0] * size
    assert list(extracted(np.zeros(3), 0.0)) == []


@each("terms", [1, 2, 6, 1022, 1023, 1 << 20])
def test_parts_of_a_split_hold_so_many_terms(terms: int) -> None:
    values = np.concatenate([spread_numbers(50, terms), [0.0, -0.0, 1 - 2.0**-53, LEAST, -(2.0**60)]]).reshape(5, 11)
    parts = split(values, terms)
    assert [fraction(column) for column in np.array(parts).reshape(len(parts), -1).T] == [
        Fraction(v) for v in values.flat
    ]
    for part in parts:
        assert part.shape == values.shape
        assert holds_sums_of(terms, part)
    assert split(np.zeros(2), terms) == split(np.empty(0), terms) == []
    assert len(split(np.array([1 + 2.0**-50]), terms=1)) == 1  # a part has all bits that it may have


@each("size", [1, PRODUCT_VALUES, PRODUCT_VALUES + 3])
@each("is_square", [False, True])
def test_products_and_their_errors_are_exact(size: int, is_square: bool) -> None:
    left = spread_numbers(size, 1, orders=90)
    right = left if is_square else spread_numbers(size, 2, orders=90)
    before = left.copy(), right.copy()
    high, low = products(left, right)
    assert high.tolist() == (left * right).tolist()
    some = [*range(min(size, 100)), *range(max(size - 100, 0), size)]
    for place in some:
        exact = Fraction(float(left[place])) * Fraction(float(right[place]))
        assert Fraction(float(high[place])) + Fraction(float(low[place])) == exact
    assert before[0].tolist() == left.tolist()
    assert before[1].tolist() == right.tolist()


def test_factors_at_the_ends_of_the_ordinary() -> None:
    below, above = math.nextafter(SMALL_FACTOR, 0), math.nextafter(LARGE_FACTOR, 0)
    values = np.array([SMALL_FACTOR, -SMALL_FACTOR, below, above, LARGE_FACTOR, -LARGE_FACTOR, 0.0, -0.0, NAN, INF])
    assert are_ordinary_factors(values).tolist() == [True, True, False, True, False, False, True, True, False, False]
    ends = np.array([SMALL_FACTOR * (1 + 2.0**-52), above, 3 * SMALL_FACTOR, -above])
    for left in ends:
        high, low = products(np.full(4, left), ends)
        exact = [Fraction(float(left)) * Fraction(float(right)) for right in ends]
        assert [Fraction(float(a)) + Fraction(float(b)) for a, b in zip(high, low, strict=True)] == exact


@each("known", [False, True])
@each("size", [3, 70, MOST_VALUES + 5])
def test_products_with_masks_of_any_length(size: int, known: bool) -> None:
    left, right = np.round(spread_numbers(size, 3, 4) * 2.0**20), spread_numbers(size, 4, 3)
    right[-1] = 0.1
    mask = np.arange(size) % 3 == 0
    ranges = ((float(left.min()), float(left.max())), (float(right.min()), float(right.max()))) if known else None
    accumulator = ProductAccumulator(masks=2)
    accumulator.add(left, right, [mask, None], ranges=ranges)
    if size < 100:
        exact = sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(left, right, strict=True)), Fraction(0))
        assert accumulator.totals[0].units == units(exact)
    high, low = products(left, right)
    assert accumulator.totals[0] == ExactSum.of(high) + ExactSum.of(low)
    assert accumulator.totals[1:] == [ExactSum.of(left[mask]), ExactSum.of(left)]
    assert ProductAccumulator(masks=2).totals == [ExactSum()] * 3
    squares = ProductAccumulator(masks=1)
    squares.add(right, right, [mask], ranges=ranges and (ranges[1], ranges[1]))
    high, low = products(right, right)
    assert squares.totals == [ExactSum.of(high) + ExactSum.of(low), ExactSum.of(right[mask])]


@each("orders", [0, 19, 20, 21, 40, 60, 66, 67, 101])
@each("sign", [1.0, -1.0])
def test_slices_hold_what_lies_so_far_apart_or_decline(orders: int, sign: float) -> None:
    least = 2.0**-orders * (1 + 2.0**-52)
    for values in (
        np.array([1.0, least]) * sign,
        np.array([1.0, -least]) * sign,
        np.array([2 - 2.0**-52, least]) * sign,
    ):
        exact = units(fraction(values) * 3)
        got = units_of_products(values, np.full(2, 3.0), [None])
        assert got is None or got == [exact, exact // 3]
        assert (got is None) == (orders > 66)  # six slices of 20 bits but for the first bit, and 53 bits a number


def test_slices_end_where_no_product_leaves_the_doubles() -> None:
    one = np.array([1.0])
    for end, is_in in [(SMALLEST, False), (math.nextafter(SMALLEST, 1), True), (LARGEST, False)]:
        for value in (end, -end):
            assert (units_of_products(np.array([value]), one, []) is not None) == is_in
            assert (units_of_products(one, np.array([value]), []) is not None) == is_in
    inner = math.nextafter(LARGEST, 0)
    assert units_of_products(np.array([inner]), np.array([inner]), [None]) == [
        units(Fraction(inner) ** 2),
        units(Fraction(inner)),
    ]


def test_products_of_any_shape() -> None:
    left, right = spread_numbers(12, 1, 3).reshape(3, 4), spread_numbers(12, 2, 3).reshape(3, 4)
    assert ExactSum.of_products(left, right) == ExactSum.of_products(left.ravel(), right.ravel())


def test_scratch_grows_and_keeps_its_kind() -> None:
    scratch = Scratch(2, 3, dtype=np.int8)
    first = scratch.of(4)
    assert first.shape == (2, 3, 4)
    assert first.dtype == np.int8
    assert np.shares_memory(first, scratch.of(2))
    assert scratch.of(2).shape == (2, 3, 2)
    assert np.shares_memory(first, scratch.of(4))
    assert scratch.of(9).shape == (2, 3, 9)
    assert [Scratch().of(size).shape for size in (5, 0)] == [(5,), (0,)]
    assert Scratch().of(5).dtype == np.float64


# Sums, differences and quotients.


def test_differences_count_what_is_not_finite_the_other_way() -> None:
    of = ExactSum.of(np.array([2.0, INF, -INF, -INF, NAN]))
    assert ExactSum() - of == ExactSum(-2 << UNIT_EXPONENT, 2, 1, 1)
    assert ExactSum(5 << UNIT_EXPONENT) - ExactSum(2 << UNIT_EXPONENT) == ExactSum(3 << UNIT_EXPONENT)


QUOTIENTS = [
    ([1.0], [3.0], 1 / 3), ([2.0], [], NAN), ([], [2.0], 0.0), ([], [], NAN), ([MAX, MAX], [MAX, MAX, MAX], 2 / 3),
    ([MAX, MAX], [2.0], MAX), ([-MAX, -MAX], [1.0], -INF), ([MAX, MAX], [-1.0], -INF), ([-MAX, -MAX], [-1.0], INF),
    ([LEAST], [3 * LEAST], 1 / 3), ([2.0**-1022], [LEAST], 2.0**52), ([1.0], [LEAST], INF), ([-1.0], [LEAST], -INF),
    ([INF], [MAX, MAX], NAN), ([INF], [2.0], INF), ([1.0], [INF], 0.0), ([NAN], [1.0], NAN), ([1.0], [-INF], -0.0),
    ([INF], [LEAST], INF), ([MAX, MAX], [INF], NAN), ([MAX, MAX], [], NAN), ([LEAST], [NAN], NAN),
    ([-INF], [MAX, MAX], NAN), ([-INF, 1.0], [MAX, MAX], NAN), ([INF, 1.0], [MAX, MAX], NAN),
    ([NAN, 1.0], [MAX, MAX], NAN), ([MAX, MAX], [-INF, 1.0], NAN),
]  # fmt: skip


def test_quotients_are_those_of_the_sums_unless_these_leave_the_doubles() -> None:
    above = [ExactSum.of(np.array(dividend)) for dividend, _, _ in QUOTIENTS]
    below = [ExactSum.of(np.array(divisor)) for _, divisor, _ in QUOTIENTS]
    expected = str([value for _, _, value in QUOTIENTS])  # NaN may have either sign, 0 may not
    with np.errstate(invalid="raise", divide="raise"):
        assert str([a / b for a, b in zip(above, below, strict=True)]) == expected
        dividends, divisors = (SumsByCode((), dict(enumerate(side))) for side in (above, below))
        assert str(quotients(dividends, divisors, len(QUOTIENTS)).tolist()) == expected
    # Just above the least normal double: it is rounded, as all ordinary sums, and the quotient with it.
    just_normal, divisor = ExactSum((1 << UNIT_EXPONENT - 1022) + (1 << UNIT_EXPONENT - 1076)), 1 / 3
    rounded_first = float(just_normal) / divisor
    assert rounded_first != float(Fraction(just_normal.units, 1 << UNIT_EXPONENT) / Fraction(divisor))
    assert just_normal / ExactSum.of(np.array([divisor])) == rounded_first
    normal, of_one = SumsByCode((), {0: just_normal}), SumsByCode([np.array([divisor])])
    assert quotients(normal, of_one, 1).tolist() == [rounded_first]
    least = ExactSum(1)  # the smallest product of two
    assert [ExactSum.of(np.array([sign])) / least for sign in (1.0, -1.0)] == [INF, -INF]
    many = sums_by_code(np.array([1.0, 2.0, LEAST, -1.0]), np.array([0, 0, 1, 2]), 4)
    counts = sums_by_code(np.array([2.0, 3 * LEAST, 4.0, 1.0]), np.array([0, 1, 2, 3]), 4)
    assert quotients(many, counts, 4).tolist() == [1.5, 1 / 3, -0.25, 0.0]


def test_ordinary_sums_are_rounded_before_they_are_divided() -> None:
    above, below = ([ExactSum.of(spread_numbers(3, seed)) for seed in range(start, start + 50)] for start in (0, 50))
    expected = [float(a) / float(b) for a, b in zip(above, below, strict=True)]
    assert [a / b for a, b in zip(above, below, strict=True)] == expected
    assert expected != [a.units / b.units for a, b in zip(above, below, strict=True)]
    dividends, divisors = (SumsByCode((), dict(enumerate(side))) for side in (above, below))
    assert quotients(dividends, divisors, 50).tolist() == expected


def test_sums_of_codes_that_have_none_yet_are_nothing() -> None:
    sums = sums_by_code(np.array([2.0, 3.0]), np.array([0, 1]), 2)
    assert all_at(sums.regrouped(np.array([1, 0, 1, 0]), 2), 2) == [
        ExactSum.of(np.array([value])) for value in (3.0, 2.0)
    ]


def test_blocks_with_numbers_of_all_kinds() -> None:
    values = np.array([HUGE, -HUGE / 2, MAX, MAX, -1.5, LEAST, INF, NAN, -INF, INF])
    accumulator = ExactAccumulator()
    for block in (values, np.array([0.25, -8.0]), values[:7]):
        accumulator.add(block, lowest=float(block.min()), highest=float(block.max()))
    finite_part = 2 * fraction(values[:6]) - Fraction(31, 4)
    assert accumulator.total == ExactSum(units(finite_part), 3, 1, 1)
    assert ExactSum.of(np.array([-HUGE])).units == -ExactSum.of(np.array([HUGE])).units == -units(Fraction(HUGE))


# Sums by code.


@given(st.lists(st.tuples(finite | close | st.sampled_from(ODD), st.integers(0, 5)), max_size=30), st.data())
def test_what_is_done_to_sums_by_code_is_done_to_each(rows: list[tuple[float, int]], data: st.DataObject) -> None:
    values, codes = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], np.int64)
    sums = sums_by_code(values, codes, 6)
    whole = by_code(values, codes, 6)
    assert all_at(sums, 6) == whole
    assert all_at(sums.tidied(), 6) == whole
    assert all_at(sums.negated(), 6) == [ExactSum() - total for total in whole]
    assert not np.signbit(sums.negated().rounded(6)[[total == ExactSum() for total in whole]]).any()
    assert all_at(sums.merged(sums), 6) == [total + total for total in whole]
    assert all_at(sums, 6) == whole  # they are not changed
    picked = np.array(data.draw(st.lists(st.integers(0, 7), max_size=8)), np.int64)
    assert all_at(sums[picked], picked.size) == [(*whole, ExactSum(), ExactSum())[code] for code in picked]
    coarser = np.array([2, 0, 2, 1, 0, 0])
    expected = [ExactSum(), ExactSum(), ExactSum()]
    for code, total in zip(coarser.tolist(), whole, strict=True):
        expected[code] = expected[code] + total
    assert all_at(sums.regrouped(coarser, 3), 3) == expected
    placed = sums_by_code(np.array([1.0, NAN, 4.0]), np.array([0, 2, 2]), 3)
    here = np.array([3, 9, 1, 0, 4, 5])
    placed.add(sums, here, 10)
    start = [ExactSum.of(np.array(part)) for part in ([1.0], [], [NAN, 4.0], *[[]] * 7)]
    for code, total in zip(here.tolist(), whole, strict=True):
        start[code] = start[code] + total
    assert all_at(placed, 10) == start


@given(st.lists(st.lists(st.tuples(moderate | finite, st.integers(0, 3)), max_size=12), min_size=1, max_size=6))
@example([[(1.0, 0)], [(2.0**-53, 0)], [(2.0**-106, 0)], [(2.0**-159, 0)]])
@example([[(1.0, 0), (1e16, 1)], [(2.0**-53, 0), (1.0, 1)], [(-(2.0**-106), 0)], [(2.0**-170, 0)], [(LEAST, 0)]])
@example([[(MAX, 0)], [(-MAX, 1)], [(2.0**970, 0)], [(INF, 3)]])
def test_doubles_of_sums_are_rounded_once_and_say_whether_the_rest_is_exact(
    blocks: list[list[tuple[float, int]]],
) -> None:
    sums, whole = SumsByCode(), [ExactSum()] * 4
    for block in blocks:
        values, codes = np.array([row[0] for row in block], float), np.array([row[1] for row in block], np.int64)
        sums.add(sums_by_code(values, codes, 4))
        whole = [total + each for total, each in zip(whole, by_code(values, codes, 4), strict=True)]
    high, low, is_exact = sums.doubles(4)
    expected = np.array([float(total) for total in whole])
    assert high.tobytes() == expected.tobytes() == sums.rounded(4).tobytes()
    assert sums.rounded(2).tobytes() == expected[:2].tobytes()
    assert sums.rounded(6).tobytes() == np.append(expected, [0.0, 0.0]).tobytes()
    for code, total in enumerate(whole):
        if not math.isfinite(high[code]):
            assert math.isnan(low[code])
            assert not is_exact[code]
            continue
        missing = Fraction(total.units, 1 << UNIT_EXPONENT) - Fraction(float(high[code])) - Fraction(float(low[code]))
        bound = 0 if is_exact[code] else Fraction(abs(float(high[code]))) / 2**100
        assert abs(missing) <= bound + (0 if is_exact[code] else Fraction(LEAST))


tied = st.sampled_from([sign * 2.0**power for sign in (1.0, -1.0) for power in (0, -53, -54, -106, -107, -160, -213)])


@given(st.lists(st.lists(tied | close | st.just(LEAST), min_size=3, max_size=3), min_size=2, max_size=7))
@example([[1.0] * 3, [2.0**-53] * 3, [2.0**-107, -(2.0**-107), 0.0], [2.0**-161, LEAST, -LEAST]])
@example([[1.0] * 3, [-(2.0**-54)] * 3, [2.0**-107, -(2.0**-107), 0.0], [2.0**-161, LEAST, -LEAST]])
@example([[1 + 2.0**-52] * 3, [2.0**-53] * 3, [2.0**-107, -(2.0**-107), 0.0], [2.0**-161, -LEAST, LEAST]])
@example([[2.0**-106] * 3, [2.0**-160] * 3, [1.0] * 3, [2.0**-106] * 3, [-1.0] * 3, [2.0**-106] * 3])
def test_any_parts_are_rounded_once(parts: list[list[float]]) -> None:
    sums = SumsByCode(map(np.array, parts))
    high, low, is_exact = sums.doubles(3)
    assert len(parts) > 2 or is_exact.all()
    for code, terms in enumerate(zip(*parts, strict=True)):
        assert high[code] == rounded(fraction(terms)), terms
        missing = abs(fraction(terms) - Fraction(float(high[code])) - Fraction(float(low[code])))
        assert missing <= (0 if is_exact[code] else abs(Fraction(float(high[code]))) / 2**100 + Fraction(LEAST))


def test_additions_to_many_codes_go_where_they_belong() -> None:
    size = 2 * BLOCK_VALUES + 7
    values, places = spread_numbers(size), np.random.default_rng(1).permutation(size)
    small = values * 2.0**-70
    sums = SumsByCode()
    sums.add(SumsByCode([values]))
    sums.add(SumsByCode([small]))
    sums.add(SumsByCode([values[:9]], {size - 1: ExactSum(7)}))
    sums.add(SumsByCode([values, small], {0: ExactSum(1), 4: ExactSum(2)}), places, size + 5)
    for code in (0, 5, 8, 9, BLOCK_VALUES - 1, BLOCK_VALUES, 2 * BLOCK_VALUES, size - 1, size, size + 4):
        terms = [values[code], small[code]] if code < size else []
        terms += [values[code]] if code < 9 else []
        from_others = np.flatnonzero(places == code).tolist()
        terms += [part[place] for place in from_others for part in (values, small)]
        extra = 7 * (code == size - 1) + sum({0: 1, 4: 2}.get(place, 0) for place in from_others)
        assert sums.at(code).units == units(fraction(terms)) + extra
    assert [part.size for part in sums.parts] == [size + 5] * len(sums.parts)
    assert len(sums.tidied().parts) <= len(sums.parts) <= 4


@each("size", [1, 2, 300, 1 << 16, (1 << 16) + 1, 1 << 20])
@each("share", [1.0, 0.001])
def test_near_orders_hold_every_code_and_count_the_most_of_one(size: int, share: float) -> None:
    top = size - 1
    codes = top - np.random.default_rng(size).integers(0, int(size * share) + 1, 5000).clip(0, top)
    order, most = near_order(codes, size)

    near = codes[order]
    assert np.sort(order).tolist() == list(range(codes.size))
    assert np.diff(near).min() > -max(size >> 15, 1)  # equal or near codes are neighbours
    assert np.bincount(codes).max() <= most


def test_near_orders_count_what_has_one_place() -> None:
    order, most = near_order(np.array([70_000, 3, 2, 70_001, 70_000]), 1 << 20)  # 16 codes share a place

    assert (order.tolist(), most) == ([1, 2, 0, 3, 4], 4)
    assert near_order(np.array([1, 0]), 2)[1] == 1


def test_tidied_sums_are_in_as_few_parts_as_that_takes() -> None:
    parts = [np.array([1.0, 3.0]), np.array([2.0, 0.0]), np.array([4.0, -1.0])]
    assert [part.tolist() for part in SumsByCode(parts).tidied().parts] == [[7.0, 2.0]]
    assert [part.tolist() for part in SumsByCode(parts[:2]).tidied().parts] == [[3.0, 3.0]]
    one = SumsByCode(parts[:1])
    assert one.tidied() is one


@each("size", [1, 2, BLOCK_VALUES, BLOCK_VALUES + 1, 2 * BLOCK_VALUES + 1])
def test_two_sum_of_any_length(size: int) -> None:
    left, right = spread_numbers(size, 1), spread_numbers(size, 2)
    total, error = two_sum(left, right)
    assert total.tolist() == (left + right).tolist()
    for place in {0, size // 2, size - 1, *range(0, size, 997)}:
        exact = Fraction(float(left[place])) + Fraction(float(right[place]))
        assert Fraction(float(total[place])) + Fraction(float(error[place])) == exact


def test_grown_arrays() -> None:
    array = np.arange(6, dtype=np.int8).reshape(3, 2)
    assert grown(array, 3, 7) is array
    assert grown(array, 2, 7) is array
    longer = grown(array, 5, 7)
    assert longer.tolist() == [*array.tolist(), [7, 7], [7, 7]]
    assert longer.dtype == array.dtype


@each("size", [1, 2, 512, 513])
def test_sums_of_codes_here_and_there(size: int) -> None:
    random, count = np.random.default_rng(size), 16 * size
    codes = np.append(random.integers(0, size, count - size), np.arange(size)).astype(np.int64)
    values, factors = spread_numbers(count, 1), spread_numbers(count, 2)
    bounds = [[float(of(values[codes == code])) for code in range(size)] for of in (np.min, np.max)]
    assert [of.tolist() for of in ranges_by_code(values, codes, size)] == bounds
    some = [0, min(1, size - 1), size // 2, size - 1]
    parts = [(values[codes == code], factors[codes == code]) for code in some]
    for sums in (sums_by_code(values, codes, size), Piece(values, codes).sums(size)):
        assert [sums.at(code) for code in some] == [ExactSum.of(terms) for terms, _ in parts]
    for sums in (sums_of_products_by_code(values, factors, codes, size), Piece(values, codes, factors).sums(size)):
        assert [sums.at(code) for code in some] == [ExactSum.of_products(*both) for both in parts]


def test_ranges_of_codes_without_values_are_infinite() -> None:
    values, codes = np.array([NAN, 2.0, -3.0, INF]), np.array([0, 1, 1, 3])
    with np.errstate(invalid="raise"):
        lowest, highest = ranges_by_code(values, codes, 5)
    assert str(lowest.tolist()) == "[nan, -3.0, inf, inf, inf]"
    assert str(highest.tolist()) == "[nan, 2.0, -inf, inf, -inf]"


def test_parts_are_added_to_those_of_their_place() -> None:
    first, second = (
        SumsByCode([np.array([2.0**60]), np.array([1.0])]),
        SumsByCode([np.array([2.0**59]), np.array([2.0])]),
    )
    first.add(second)
    assert [part.tolist() for part in first.parts] == [[1.5 * 2.0**60], [3.0]]
    first.add(SumsByCode([np.array([1.0]), np.array([2.0**53]), np.array([0.5])]))
    assert sum(map(Fraction, (float(part[0]) for part in first.parts))) == 3 * 2**59 + 2**53 + 4 + Fraction(1, 2)


@given(st.lists(st.tuples(finite | close | st.sampled_from(ODD), finite | close | st.sampled_from(ODD)), max_size=30))
@example([(1.0, 1.0), (INF, 0.0), (2.0**-401, 2.0**-401), (MAX, MAX)])
def test_products_by_code_are_exact_whatever_they_are(rows: list[tuple[float, float]]) -> None:
    left, right = (np.array([row[side] for row in rows], float) for side in (0, 1))
    codes = np.arange(left.size) * 7 % 3
    for factors in (right, left):
        got = sums_of_products_by_code(left, factors, codes, 3)
        expected = [ExactSum.of_products(left[codes == code], factors[codes == code]) for code in range(3)]
        assert all_at(got, 3) == expected
    zeros = np.zeros(left.size, np.int64)
    assert sums_of_products_by_code(left, right, zeros, 1).at(0) == ExactSum.of_products(left, right)


piece = st.lists(st.tuples(finite | close | st.sampled_from(ODD), finite | close | st.sampled_from(ODD)), max_size=8)


@given(st.lists(piece, max_size=4), st.sampled_from(["values", "squares", "products"]))
@example([[(1.0, 1.0)], [(INF, 2.0)]], "values")
@example([[(1e16, 0.1), (1.0, 0.1), (LEAST, 1.0)], [(-1e16, 0.1), (HUGE, 1.0)], [(2.0**450, 1.0)]], "products")
@example([[(2.0**450, 1.0), (0.5, 3.0)], [(2.0**-450, 1.0)]], "squares")
@example([[(1 + 2.0**-52, 2.0**-1000 * (1 + 2.0**-52))], [(1.0, 1.0)]], "products")
def test_sums_of_pieces_are_those_of_all_of_them(pieces: list[list[tuple[float, float]]], kind: str) -> None:
    made, expected, start = [], [ExactSum()] * 4, 0
    for rows in pieces:
        values, others = (np.array([row[side] for row in rows], float) for side in (0, 1))
        codes = (np.arange(values.size) + start) % 4
        factors = {"values": None, "squares": values, "products": others}[kind]
        made.append(Piece(values, codes, factors))
        for code in range(4):
            here = codes == code
            added = ExactSum.of(values[here]) if factors is None else ExactSum.of_products(values[here], factors[here])
            expected[code] = expected[code] + added
        start += values.size
    with np.errstate(all="ignore"):
        assert all_at(sums_of_pieces(made, 4), 4) == expected


def test_long_pieces_are_cut_and_keep_their_factors() -> None:
    size = PRODUCT_VALUES + 3
    values, others, codes = spread_numbers(size, 1), spread_numbers(size, 2), np.arange(size) % 5
    for factors in (None, values, others):
        whole = Piece(values, codes, factors)
        blocks = list(whole.blocks())
        assert [block.codes.size for block in blocks] == [PRODUCT_VALUES, 3]
        assert [block.factors is block.values for block in blocks] == [factors is values] * 2
        right = whole.sums(5)
        assert all_at(sums_of_pieces([whole], 5), 5) == all_at(right, 5)
    assert Piece(np.array([-3.0, 2.0]), codes[:2]).largest == 3.0
    assert Piece(np.array([-3.0, 2.0]), codes[:2], np.array([0.5, 4.0])).largest == 12.0
    assert Piece(np.empty(0), codes[:0]).largest == 0.0
    odd = np.array([1 + 2.0**-52])
    assert [part.tolist() for part in Piece(odd, codes[:1], odd).terms()] == [[1 + 2.0**-51], [2.0**-104]]
    assert Piece(odd, codes[:1], np.array([INF])).terms() == []
    ordinary = Piece(spread_numbers(20, 1, 0), codes[:20], spread_numbers(20, 2, 0))
    assert len(sums_of_pieces([ordinary], 5).parts) == 3  # what products round away begins in the second


def test_bins_are_made_anew_for_larger_terms_and_for_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.exact.codes.LEAST_TERMS", 1)
    values, codes = spread_numbers(3000, 4, 3), np.arange(3000) % 7
    for scales in ([1.0] * 9, [1.0, 2.0**30, 1.0, 2.0**60, 1.0]):
        pieces = [Piece(values * scale, codes + 2 * place) for place, scale in enumerate(scales)]
        expected = [ExactSum()] * 30
        for piece in pieces:
            for code in np.unique(piece.codes).tolist():
                expected[code] += ExactSum.of(piece.values[piece.codes == code])
        assert all_at(sums_of_pieces(pieces, 30), 30) == expected


def test_bins_are_made_anew_before_so_many_terms_that_they_would_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.exact.codes.LEAST_TERMS", 1)
    values = 1 + np.random.default_rng(5).random(1001)
    sums = sums_of_pieces([Piece(values[place : place + 1], np.array([0])) for place in range(values.size)], 1)
    assert sums.at(0) == ExactSum.of(values)


def sums_of_pieces(pieces: list[Piece], size: int) -> SumsByCode:
    bins = Bins()
    for piece in pieces:
        bins.expect(piece.codes.size)
        bins.add(piece, max(size // 2, int(piece.codes.max(initial=0)) + 1))
    return bins.sums()


@each("largest", [1.0, 0.1, 1e250, 2.0**900, 0.0])
@each("size", [1, 3])
def test_multiples_by_code_are_products_with_integers(size: int, largest: float) -> None:
    random = np.random.default_rng(size)
    values, counts = spread_numbers(200) * largest, random.integers(-(2**20), 2**20, 200)
    codes = np.arange(200) % size
    got = sums_of_multiples_by_code(counts, values, codes, size)
    for code in range(size):
        here = codes == code
        exact = sum((int(n) * Fraction(float(v)) for n, v in zip(counts[here], values[here], strict=True)), Fraction(0))
        assert got.at(code) == ExactSum(units(exact))
    nothing = sums_of_multiples_by_code(counts[:0], values[:0], codes[:0], 3)
    assert all_at(nothing, 3) == [ExactSum()] * 3


def test_a_multiple_needs_every_bit_that_it_has() -> None:
    values, counts, codes = np.array([2 - 2.0**-52, 2 - 2.0**-52, 1.0]), np.array([1023, 1, 1]), np.array([0, 0, 1])
    got = sums_of_multiples_by_code(counts, values, codes, 2)
    assert got.at(0).units == 1024 * units(Fraction(2 - 2.0**-52))
    assert sums_of_multiples_by_code(counts, np.array([1.0, INF, 2.0]), codes, 2).at(0) == ExactSum(
        1023 << UNIT_EXPONENT, positive_infinities=1
    )


def test_sums_of_many_codes_that_hold_huge_numbers() -> None:
    values, codes = np.array([HUGE, 1.0, -HUGE, 0.5, INF, MAX, MAX]), np.array([0, 0, 1, 1, 2, 3, 3])
    sums = sums_by_code(values, codes, 4)
    assert all_at(sums, 4) == by_code(values, codes, 4)
    assert sums.rounded(4).tolist() == [HUGE, -HUGE, INF, INF]
    assert sorted(sums.others) == [0, 1, 2, 3]
    ends = np.array([-HUGE, HUGE, math.nextafter(HUGE, 0), -math.nextafter(HUGE, 0)])
    assert [sorted(sums_by_code(ends[here], np.arange(4)[here], 4).others) for here in (slice(2), slice(1, 4))] == [
        [0, 1],
        [1],
    ]
    ordinary = sums_by_code(np.array([math.nextafter(HUGE, 0), -1.0]), codes[1:3], 2)
    assert ordinary.others == {}
    assert [sums_of_multiples_by_code(codes[:2], ends[2:], codes[1:3], size).others == {} for size in (1, 2)] == [
        False,
        True,
    ]
    assert pytest.approx(ordinary.rounded(2).tolist()) == [HUGE, -1.0]
