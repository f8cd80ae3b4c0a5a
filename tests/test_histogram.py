"""What is drawn of differences: bars, regions and the loss at margins from cells, against counting every pair."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrl_cli.exact import BLOCK_VALUES, UNIT_EXPONENT, ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Columns, Plan
from mrl_cli.reductions.bars import TAIL, bars_of, curve_at, losses_by, losses_of_cells, margins_for, regions_of
from mrl_cli.reductions.cellsums import (
    CHUNK_PAIRS,
    CellSums,
    CellSumsReduction,
    _square_units,
    confidences,
    mantissas,
    margin_of,
)
from mrl_cli.reductions.curve import CurveReduction
from mrl_cli.reductions.histogram import Cells, Histogram, _cells_cut_at
from mrl_cli.reductions.joint import JointCells
from mrl_cli.reductions.measured import Measured
from mrl_cli.reports.calibration import _spread
from tests.each import each, examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WEIGHTED = Columns(numbers=(("weight", "w"),))


def drawn(differences: Sequence[float], plan: Plan, weights: Sequence[float] | None = None) -> Histogram:
    """Return the histogram of pairs with these differences, cut into two batches that are merged."""
    size, reduction = len(differences), CellSumsReduction(plan)
    numbers: dict[Any, Any] = {"x1": np.array(differences), "x2": np.zeros(size), "y": np.ones(size)}
    if weights is not None:
        numbers["weight"] = np.array(weights)
    whole = reduction.whole()
    for part in (slice(0, size // 2), slice(size // 2, size)):
        batch = Batch("", {role: values[part] for role, values in numbers.items()}, range(size)[part])
        whole = reduction.merge(whole, reduction.add(reduction.empty(), Measured(batch, plan, reduction.needs)), None)
    return whole


@pytest.fixture(autouse=True)
def forget_cells() -> None:
    """Have each test meet its cells anew: what is large among those that are known changes how all are added up."""
    _cells_cut_at.cache_clear()


def losses_of(differences: Sequence[float], plan: Plan) -> list[float]:
    kernel, parameters = LOSSES[plan.loss.name].kernel, dict(plan.loss.parameters)
    d = np.array(differences)
    return kernel(d, np.ones(d.size), margin=plan.loss.margin, **parameters).tolist()  # type: ignore[no-any-return]


LOSSES_DRAWN = [
    Plan.of(margin=0.5),
    Plan.of(margin=0.3),
    Plan.of(margin=-0.3),
    Plan.of(loss="squared_hinge", margin=0.3),
    Plan.of(loss="logistic", margin=0.3, parameters=(("temperature", 1.0),)),
]
RANDOM = np.random.default_rng(5).normal(0.4, 1.5, 700).tolist()
NUMBERS = [*RANDOM, 0.0, -0.0, 0.3, -0.3, 0.5, -0.5, 1.0, 40.0, 5e-324]


def test_hand_worked_bars() -> None:
    bars = bars_of(drawn([-0.5, 0.0, 0.25, 0.75, 1.0], Plan.of(margin=0.5)), Plan.of(margin=0.5), 5)
    assert bars.edges == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]
    # An edge belongs to the bar that is farther from 0, and 0 to none.
    assert repr(bars.pairs) == "[1, 0, 1, 1, 1]"  # counts are whole numbers
    assert bars.losses == [0.5 + 0.5, 0, 0.5 - 0.25, 0, 0]
    assert (bars.below, bars.above, bars.ties) == ((0, 0.0), (0, 0.0), (1, 0.5))


def test_an_edge_at_a_negative_margin_has_the_losses_of_what_lies_below() -> None:
    plan = Plan.of(margin=-1.0)
    bars = bars_of(drawn([-1.01, -1.01, 1.0], plan), plan, 128)
    assert math.fsum([bars.below[1], *bars.losses]) == pytest.approx(0.02)


@pytest.mark.parametrize("plan", LOSSES_DRAWN, ids=lambda plan: f"{plan.loss.name} {plan.loss.margin}")
@pytest.mark.parametrize("most", [2, 20, 128])
def test_bars_hold_the_pairs_that_lie_in_them(plan: Plan, most: int) -> None:
    bars = bars_of(drawn(NUMBERS, plan), plan, most)
    losses = losses_of(NUMBERS, plan)
    assert len(bars.pairs) <= most
    assert math.frexp(bars.width)[0] == 0.5
    edges = [-math.inf, *bars.edges, math.inf]
    within = [bars.below, *zip(bars.pairs, bars.losses, strict=True), bars.above]
    for low, high, got in zip(edges, edges[1:], within, strict=False):
        lies = [low <= d < high if high > 0 else low < d <= high for d in NUMBERS]
        here = [loss for loss, d, is_here in zip(losses, NUMBERS, lies, strict=True) if is_here and d]
        assert list(got) == [len(here), pytest.approx(math.fsum(here), rel=1e-14, abs=1e-15)]
    assert list(bars.ties) == [2, pytest.approx(2 * losses[NUMBERS.index(0.0)])]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.integers(2, 128))
@example([2.0**-1027, 3 * 2.0**-1028, 2.225073858507203e-309], 25)
@examples(40)
def test_bars_of_any_numbers(numbers: list[float], most: int) -> None:
    bars = bars_of(drawn(numbers, Plan()), Plan(), most)
    seen = [d for d in numbers if d]
    for low, high, count in zip(bars.edges, bars.edges[1:], bars.pairs, strict=False):
        assert count == sum(low <= d < high if high > 0 else low < d <= high for d in seen)
    assert len(bars.pairs) <= most
    assert bars.below[0] + sum(bars.pairs) + bars.above[0] == len(seen)
    assert max(bars.below[0], bars.above[0]) <= TAIL * len(seen)
    assert bars.edges[0] <= 0 <= bars.edges[-1]


def test_bars_reach_what_is_to_be_seen() -> None:
    bars = bars_of(drawn([0.1, 0.2], Plan()), Plan(), 30, (0.0, 3.0, -1.0))
    assert bars.edges[0] <= -1
    assert bars.edges[-1] >= 3
    assert bars_of(drawn([0.0], Plan()), Plan(), 30).pairs == [0]


@each(("far", "beyond"), [(1, 1), (2, 2), (3, 0)])
def test_a_thousandth_of_the_pairs_on_either_side_may_lie_beyond_the_bars(far: int, beyond: int) -> None:
    numbers = [-100.0] * far + [-0.5, 0.5] * (1000 - far) + [100.0] * far
    bars = bars_of(drawn(numbers, Plan()), Plan(), 30)
    assert (bars.below[0], bars.above[0], sum(bars.pairs)) == (beyond, beyond, 2000 - 2 * beyond)
    assert (bars.width > 1) == (beyond == 0)


@pytest.mark.parametrize("plan", LOSSES_DRAWN, ids=lambda plan: f"{plan.loss.name} {plan.loss.margin}")
def test_regions_are_counted_as_a_report_counts_them(plan: Plan) -> None:
    margin, losses = plan.loss.margin, losses_of(NUMBERS, plan)
    lies = {
        "wrong": [d < 0 for d in NUMBERS],
        "ties": [d == 0 for d in NUMBERS],
        "inside_margin": [0 < d < margin for d in NUMBERS],
        "beyond_margin": [d > 0 and d >= margin for d in NUMBERS],
    }
    histogram = drawn(NUMBERS, plan)
    assert repr(regions_of(histogram, plan)) == repr({name: sum(here) for name, here in lies.items()})
    right = np.array(lies["inside_margin"]) | lies["beyond_margin"]
    by_sign = [math.fsum(np.array(losses)[here]) for here in (lies["wrong"], lies["ties"], right)]
    assert by_side(histogram, plan) == pytest.approx(by_sign, rel=1e-14)


def by_side(histogram: Histogram, plan: Plan) -> list[float]:
    """Return the sums of the losses of pairs with d below, at and above 0."""
    _, signs = histogram.cells.starts(np.arange(histogram.counts.size))
    return losses_by(histogram, plan, signs + 1, 3)


@each("plan", [*LOSSES_DRAWN, Plan.of(), Plan.of(loss="squared_hinge", margin=2.0)])
@each("weighs", [False, True])
def test_losses_of_cells_are_those_of_their_pairs(plan: Plan, weighs: bool) -> None:
    numbers = [0.25, 0.25, 1.0, -1.0, -1.0, 0.0, 0.3001, -0.3, 3.0]
    weights = [2.0, 0.5, 3.0, 1.0, 1.0, 1.0, 1.5, 1.0, 1.0]
    plan = plan.changed(columns=WEIGHTED) if weighs else plan
    histogram = drawn(numbers, plan, weights if weighs else None)
    of_pairs = dict.fromkeys(numbers, 0.0)
    for d, loss, weight in zip(numbers, losses_of(numbers, plan), weights, strict=True):
        of_pairs[d] += loss * (weight if weighs else 1.0)
    cells = losses_of_cells(histogram, plan)[histogram.met()]
    assert sorted(cells.tolist()) == pytest.approx(sorted(of_pairs.values()))
    assert margin_of(Plan.of(margin=1e300, dtype="float32")) == math.inf


@each(
    ("a", "b", "square"),
    [
        # Of a width with which the farthest lies within 32 of 0; an edge belongs to what is farther from it.
        (
            [1.0, -1.0, 0.5, math.inf, -0.1],
            [2.0, -0.25, -0.5, 1.0, -3.0],
            (1 / 8, -25, 42, [(25 - 9, 25 - 3, 1), (25 - 1, 0, 1), (25 + 4, 25 - 5, 1), (25 + 8, 25 + 16, 1)], 1),
        ),
        ([-0.25, -0.125, math.inf], [-0.25, -0.25, -0.125], (1 / 64, -17, 18, [(0, 0, 1), (8, 0, 1)], 1)),
        # Of the first square and the last, and of those beyond: 1 pair in 500 at most.
        (
            [-31.0] * 1500 + [31.0, 32.0, -32.0],
            [1.0] * 1503,
            (1.0, -32, 64, [(0, 33, 1500), (63, 33, 1)], 2),
        ),
        ([0.0, 0.0], [0.0, -0.0], (1.0, -1, 2, [(1, 1, 2)], 0)),
        ([], [], (1 / 16, -1, 2, [], 0)),
    ],
)
def test_pairs_of_two_models_in_squares(a: list[float], b: list[float], square: tuple[Any, ...]) -> None:
    cells = JointCells()
    cells.add(np.array(a), np.array(b))
    assert repr(tuple(cells.square())) == repr(square)


def test_weighted_losses_of_regions() -> None:
    plan = Plan.of(columns=WEIGHTED, margin=0.5)
    histogram = drawn([-1.0, 0.25, 2.0], plan, [0.5, 3.0, 7.0])
    assert by_side(histogram, plan) == [0.5 * 1.5, 0.0, 3.0 * 0.25]
    assert regions_of(histogram, plan) == {"wrong": 1, "ties": 0, "inside_margin": 1, "beyond_margin": 1}
    single = Plan.of(dtype="float32", margin=0.3)
    assert by_side(drawn([0.25], single), single)[2] == float(np.float32(0.3)) - 0.25
    assert by_side(drawn([-1.0, 0.5], Plan.of()), Plan.of()) == [1.0, 0.0, 0.0]


def test_sums_of_cells_with_large_numbers_before_them_and_after() -> None:
    reduction = CellSumsReduction(Plan())
    whole: Any = reduction.empty()
    so_far: list[float] = []
    for numbers in ([1.0, 3.5, 3.5], [2.0**900, 1.0, -0.25], [3.5]):
        pairs: dict[Any, Any] = {"x1": np.array(numbers), "x2": np.zeros(len(numbers)), "y": np.ones(len(numbers))}
        whole = reduction.add(whole, Measured(Batch("", pairs, range(len(numbers))), Plan(), reduction.needs))
        so_far += numbers
        assert whole.total("first") == ExactSum.of(np.array(so_far))
    assert whole.total("first").units == ((2**900 + 1) * 4 + 4 + 14 * 3 - 1) << UNIT_EXPONENT - 2
    assert float(whole.total("confidence")) == math.fsum(confidences(np.array([1, 3.5, 3.5, 2.0**900, 1, -0.25, 3.5])))


@each("of", [lambda numbers: numbers, lambda numbers: np.full(8, numbers[0])])
def test_variances_are_those_of_the_numbers_of_a_cell(of: Any) -> None:
    numbers = of(-8 * (1.25 + np.random.default_rng(7).random(500) / 32))
    histogram = drawn(numbers.tolist(), Plan())
    variances = _spread(histogram, histogram.cells.starts(np.arange(histogram.counts.size))[1]).variances
    expected = np.var(numbers) / np.mean(numbers) ** 2
    assert variances.tolist() == [pytest.approx(expected, abs=1e-11 if expected else 0)]


@each("weights", [None, [2.0, 0.5, 1.0, 3.0]])
def test_sums_are_of_their_cells_where_cells_were_met_in_another_order(weights: list[float] | None) -> None:
    _cells_cut_at.cache_clear()
    plan, numbers = Plan.of(columns=Columns() if weights is None else WEIGHTED), [0.0, -3.0, 1e-3, 700.0]
    usual = drawn(numbers, plan, weights)
    pickled = pickle.dumps(usual)
    _cells_cut_at.cache_clear()
    whole: Any = drawn([-700.0, 5.0], plan, None if weights is None else [7.0, 9.0])
    both = drawn([*numbers, -700.0, 5.0], plan, None if weights is None else [*weights, 7.0, 9.0])
    whole += pickle.loads(pickled)
    cells = [(histogram, place) for histogram in (whole, both) for place in histogram.met()]
    assert len(cells) == 2 * 6
    for (left, here), (right, there) in zip(cells[:6], cells[6:], strict=True):
        assert {name: left.sums[name].at(here) for name in left.sums} == {
            name: right.sums[name].at(there) for name in right.sums
        }
        assert left.counts[here] == right.counts[there] == 1


def test_squares_of_very_many_numbers_add_up() -> None:
    whole: Any = drawn([np.nextafter(33 / 32, 0)] * 1000, Plan())
    one = whole.total("spread")
    for _ in range(20):
        whole += pickle.loads(pickle.dumps(whole))
    assert whole.counts.sum() == 1000 << 20
    assert whole.total("spread").units == one.units << 20


def test_a_zero_is_met_after_the_first_block_and_a_large_number() -> None:
    reduction = CellSumsReduction(Plan(), (0.123,))  # whose cells no other test has met
    d = [*np.full(BLOCK_VALUES, 1.5), 1e300, 0.0]
    numbers: dict[Any, Any] = {"x1": np.array(d), "x2": np.zeros(len(d)), "y": np.ones(len(d))}
    batch = Batch("", numbers, range(len(d)))
    whole = reduction.add(reduction.empty(), Measured(batch, Plan(), reduction.needs))
    assert whole.total("first") == ExactSum.of(np.array(d))
    assert whole.counts.sum() == len(d)


def test_another_thread_meets_the_first_zero() -> None:
    state, other = CellSums((0.123,)), CellSums((0.123,))
    state.places(np.ones(1))
    other.places(np.zeros(1))
    assert state.cells.zero == state.counts.size
    state.add_units(np.zeros((3, state.counts.size), np.int64))
    assert not state.counts.any()


def test_squares_for_the_spread_add_up_without_rounding() -> None:
    behind = np.random.default_rng(7).random(500) / 32
    squares = np.ldexp(_square_units(-8 * (1.25 + behind)).astype(float), -37)
    assert squares == pytest.approx(behind**2, abs=2.0**-38)
    assert drawn((8 * (1.25 + behind)).tolist(), Plan()).total("spread") == ExactSum.of(squares)


def test_losses_under_a_margin_for_each_pair_are_those_of_the_pairs() -> None:
    plan = Plan.of(columns=Columns(numbers=(("margin", "m"),)))
    reduction = CellSumsReduction(plan)
    numbers: dict[Any, Any] = {"x1": np.array([-1.0, 0.25, 2.0]), "x2": np.zeros(3), "y": np.ones(3)}
    batch = Batch("", numbers | {"margin": np.array([0.5, 1.0, 3.0])})
    histogram = reduction.add(reduction.empty(), Measured(batch, plan, reduction.needs))
    assert regions_of(histogram, plan) == {"wrong": 1, "ties": 0, "correct": 2}
    assert by_side(histogram, plan) == [1.5, 0.0, 0.75 + 1.0]


@pytest.mark.parametrize("loss", [name for name, entry in LOSSES.items() if entry.is_hinge])
@pytest.mark.parametrize("weights", [None, np.random.default_rng(6).uniform(0.1, 3, len(NUMBERS)).tolist()])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_curve_is_that_of_a_sweep_to_the_last_bit(loss: str, weights: list[float] | None, dtype: Any) -> None:
    columns = Columns() if weights is None else WEIGHTED
    plan = Plan.of(loss=loss, margin=0.3, dtype=dtype, columns=columns)
    numbers = np.array(NUMBERS).astype(dtype)
    histogram = drawn(numbers.astype(np.float64).tolist(), plan, weights)
    margins = margins_for(histogram, plan, 20)
    assert margins[0] == 0
    assert 10 < len(margins) <= 20
    assert float(np.dtype(dtype).type(0.3)) in margins
    sweep = CurveReduction(loss, margins, dtype)
    of_pairs = None if weights is None else np.array(weights)
    expected = sweep.points(sweep.curve(numbers, np.ones(numbers.size, dtype), of_pairs))
    got = curve_at(histogram, plan, margins)
    assert [(point.sum, point.active) for point in got] == [(point.sum, point.active) for point in expected]


@pytest.mark.parametrize(
    ("plan", "margin"), [(Plan.of(margin=0.3), 0.4), (Plan.of(margin=0.3), -1.0), (LOSSES_DRAWN[-1], 0.0)]
)
def test_a_curve_that_does_not_follow_from_cells_is_refused(plan: Plan, margin: float) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        curve_at(drawn(NUMBERS, plan), plan, [margin])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.15, -0.15, 0.0]), min_size=1))
@examples(60)
def test_sums_by_cell_are_exact(halves: list[float]) -> None:
    _cells_cut_at.cache_clear()
    plan, x1 = Plan.of(margin=0.3), np.array(halves)
    reduction = CellSumsReduction(plan)
    batch = Batch("", {"x1": x1, "x2": -x1, "y": np.ones(x1.size)}, range(x1.size))
    whole = reduction.add(reduction.empty(), Measured(batch, plan, reduction.needs))
    total = whole.total("first")
    differences = [2 * half for half in halves]
    finite = [d for d in differences if math.isfinite(d)]
    assert Fraction(total.units, 1 << UNIT_EXPONENT) == sum(map(Fraction, finite), Fraction(0))
    assert total.positive_infinities + total.negative_infinities == len(differences) - len(finite)
    assert whole.counts.sum() == len(differences)


@pytest.mark.parametrize(
    "d", [np.nextafter(33 / 32, 0), -np.nextafter(33 / 32, 0), 1.0, 3e-308, 5e-324, -0.0, 2.0**400, 700.0]
)
def test_sums_of_a_cell_full_of_one_number_are_exact(d: float) -> None:
    """The bits of so many numbers overflow as often as they can."""
    plan, pairs = Plan.of(margin=0.3), CHUNK_PAIRS + 1
    numbers: dict[Any, Any] = {"x1": np.full(pairs, d), "x2": np.zeros(pairs), "y": np.ones(pairs)}
    reduction = CellSumsReduction(plan)
    whole = reduction.add(reduction.empty(), Measured(Batch("", numbers, range(pairs)), plan, reduction.needs))
    sums = {name: float(whole.total(name)) for name in whole.sums}
    sure = float(confidences(np.array([d]))[0])
    assert whole.counts.sum() == pairs
    assert sums["first"] == float(Fraction(d) * pairs)
    assert sums["confidence"] == float(Fraction(sure) * pairs)
    one = float(mantissas(np.array([d]))[0])
    assert sums["mantissa"] == one * pairs
    if one >= 1:
        behind_start = one - math.floor(32 * one) / 32
        assert sums["spread"] == pytest.approx(behind_start**2 * pairs, rel=0, abs=pairs * 2.0**-38)


def test_quantiles_lie_between_their_neighbours_as_those_of_numpy() -> None:
    shares = [0.0, 0.1, 0.25, 0.5, 0.6, 0.95, 1.0]
    for numbers in ([1.0, 2.0, 4.0, 32.0], [-3.0, 0.0, 7.0], [5.0]):
        histogram = Histogram()
        histogram.add(np.array(numbers))
        assert histogram.quantiles(shares) == pytest.approx(np.quantile(numbers, shares).tolist(), rel=1e-15)
    assert str(Histogram().quantiles([0.5, 1.0])) == "[nan, nan]"
    least = Histogram()
    least.add(np.array([-1e-323, 1.0]))
    assert str(least.quantiles([0.0])) == "[0.0]"
    wide, undefined = Histogram(), Histogram()
    wide.add(np.array([-(2.0**1023), 2.0**1023]))
    assert wide.quantiles([0.25, 0.5]) == [-(2.0**1022), 0.0]
    undefined.add(np.array([2.0, np.nan, 1.0]))
    assert (undefined.quantiles([0.0, 0.5]), undefined.least, undefined.greatest) == ([1.0, 2.0], -math.inf, math.inf)


@each("knot", [0.3, 7.7, 1e-300])
@each("sign", [1, -1])
def test_a_knot_is_the_first_number_behind_it(knot: float, sign: int) -> None:
    cells = Histogram((knot,)).cells
    numbers = sign * np.array([np.nextafter(knot, 0), knot, np.nextafter(knot, np.inf)])
    for _ in range(2):  # before they were met, and after
        below, at, above = cells.places(numbers)
        assert (below == at, at == above) == (False, True)


def test_numbers_of_known_cells_are_found_by_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Histogram((0.3, 7.7)).cells
    numbers = np.random.default_rng(4).normal(size=1000)
    places = cells.places(numbers)
    monkeypatch.setattr(Cells, "places_of", None)
    assert cells.places(numbers).tolist() == places.tolist()


def test_places_of_more_cells_than_there_are_steps_for() -> None:
    knots = 0.3, 1e-200
    cells = Histogram(knots).cells
    every = (np.arange(1 << 17, dtype=np.uint64) << np.uint64(47)).view(np.float64)  # each cell's first number
    numbers = np.random.default_rng(4).permutation(np.concatenate([every, knots, np.negative(knots)]))
    for values in (numbers, numbers[::-1].copy()):  # before they were met, and after
        places = cells.places(values)
        magnitudes, signs = cells.starts(places)
        np.testing.assert_array_equal(np.copysign(magnitudes, signs), np.where(values == 0, 0.0, values))
    assert places.max() >= 1 << 17


def test_no_numbers_have_no_places() -> None:
    places = Histogram().places(np.zeros(0))
    assert places.size == 0


def test_threads_count_at_the_same_time() -> None:
    numbers = np.random.default_rng(3).normal(size=(4, 20 * CHUNK_PAIRS))

    def counted(values: NDArray[np.float64]) -> dict[int, int]:
        histogram = Histogram((0.3, 0.7))
        for chunk in np.split(values, 20):
            histogram.add(chunk)
        met = histogram.met()
        return dict(zip(histogram.cells.codes[met].tolist(), histogram.counts[met].tolist(), strict=True))

    alone = list(map(counted, numbers))
    assert {sum(counts.values()) for counts in alone} == {numbers.shape[1]}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(counted, numbers)) == alone


def test_histograms_of_cells_that_were_forgotten_merge() -> None:
    one = drawn(RANDOM, Plan.of(margin=0.3))
    for margin in range(1, 40):
        drawn([0.5], Plan.of(margin=margin / 41))
    other = drawn(RANDOM[::-1], Plan.of(margin=0.3))
    assert other.cells is not one.cells
    other += one
    assert sorted(other.counts[other.met()].tolist()) == sorted((2 * one.counts[one.met()]).tolist())
    total = math.fsum(RANDOM + RANDOM)
    assert float(other.total("first")) == total
