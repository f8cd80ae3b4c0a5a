"""The paired bootstrap: what it draws from, that it is seeded, how wide it is, and what it cannot see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.statistics import bootstrap
from mrl_cli.statistics.bootstrap import Bounds, Groups, bootstrap_bounds
from tests.each import mostly_slow

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENERATOR = np.random.default_rng(1)
SKEWED = GENERATOR.exponential(size=300) - 0.9
OUTCOMES = GENERATOR.integers(-1, 2, 300).astype(np.int8)


def groups_of(*differences: NDArray[np.float64] | NDArray[np.int8], counts: NDArray[np.int64] | None = None) -> Groups:
    groups = Groups(len(differences), seed=0)
    groups.add(*differences, counts=counts)
    return groups


def bounds_of(groups: Groups, *, samples: int = 4000, seed: int = 0, confidence: float = 0.95) -> list[Bounds]:
    return bootstrap_bounds(groups.sums, samples=samples, seed=seed, confidence=confidence)


def test_pairs_are_groups_of_their_own_while_there_is_room() -> None:
    assert groups_of(np.array([0.5, -1.0, 0.25])).sums.tolist() == [[1, 1, 1], [-1.0, 0.25, 0.5]]


def test_more_pairs_than_groups_are_put_together_by_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "GROUPS", 64)
    counts, sums = groups_of(SKEWED).sums
    assert counts.sum() == 300
    assert counts.size > 55
    assert counts.max() < 20
    assert sums.sum() == pytest.approx(SKEWED.sum())


def test_one_pair_more_than_groups_changes_how_all_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "GROUPS", 64)
    assert groups_of(SKEWED[:64]).sums.shape[1] == 64
    assert groups_of(SKEWED[:65]).sums[0].sum() == 65
    assert groups_of(SKEWED[:65]).sums.shape[1] < 60


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_groups_do_not_depend_on_how_pairs_were_split(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "GROUPS", 64)
    split = Groups(2, seed=0)
    for differences, outcomes in zip(np.array_split(SKEWED, pieces), np.array_split(OUTCOMES, pieces), strict=True):
        split.add(differences, outcomes)
    assert np.array_equal(split.sums, groups_of(SKEWED, OUTCOMES).sums)


def test_bounds_depend_on_the_seed_and_not_on_the_order_of_pairs() -> None:
    bounds = bounds_of(groups_of(SKEWED, OUTCOMES), seed=3)
    order = np.random.default_rng(2).permutation(300)
    assert bounds_of(groups_of(SKEWED[order], OUTCOMES[order]), seed=3) == bounds
    assert bounds_of(groups_of(SKEWED, OUTCOMES), seed=4) != bounds


def test_bounds_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = bounds_of(groups_of(SKEWED))
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", 1000)
    assert bounds_of(groups_of(SKEWED)) == bounds


def test_bounds_of_two_values_are_worked_by_hand() -> None:
    # Of 0 and 1 two are drawn: means 0, 1/2 and 1 with chances 1/4, 1/2 and 1/4. The middle 40 % are all 1/2.
    zero_or_one = groups_of(np.array([0.0, 1.0]))
    assert bounds_of(zero_or_one, confidence=0.4) == [Bounds(0.5, 0.5)]
    assert bounds_of(zero_or_one, confidence=0.9) == [Bounds(0.0, 1.0)]


def test_bounds_are_as_wide_as_the_standard_error_gives() -> None:
    error = SKEWED.std() / math.sqrt(SKEWED.size)
    (bounds,) = bounds_of(groups_of(SKEWED))
    assert bounds.high - bounds.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert bounds.high - SKEWED.mean() > SKEWED.mean() - bounds.low  # skewed as the values are


@pytest.mark.parametrize(
    "in_order", mostly_slow([np.sort, np.asarray, lambda values: np.sort(values)[::-1].copy()], quick=1)
)
def test_sorted_pairs_are_drawn_as_any_others(in_order: Any) -> None:
    values = in_order(np.random.default_rng(5).exponential(size=200_000))
    (bounds,) = bounds_of(groups_of(values), samples=1000)
    error = values.std() / math.sqrt(values.size)
    expected = [values.mean() - 1.96 * error, values.mean() + 1.96 * error]
    assert [bounds.low, bounds.high] == pytest.approx(expected, abs=0.25 * error)


def test_pairs_of_a_cluster_are_drawn_together() -> None:
    counts = np.full(300, 5)
    alone, together = groups_of(SKEWED), groups_of(5 * SKEWED, counts=counts)
    # Five pairs that are all alike are worth one.
    assert bounds_of(together)[0].low == pytest.approx(bounds_of(alone)[0].low)
    assert bounds_of(together)[0].high == pytest.approx(bounds_of(alone)[0].high)


def test_pairs_of_a_code_are_drawn_as_if_they_were_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, groups = np.arange(300) % 7, Groups(2, seed=0)
    for part in np.array_split(np.arange(300), 4):
        groups.add(SKEWED[part], OUTCOMES[part], codes=codes[part])
    by_code = groups.sums_by_code()
    assert by_code is not None
    assert sorted(by_code) == list(range(7))
    for code, sums in by_code.items():
        assert np.array_equal(sums, groups_of(SKEWED[codes == code], OUTCOMES[codes == code]).sums)
    monkeypatch.setattr(bootstrap, "GROUPS", 64)
    assert groups_of(SKEWED[:64]).sums_by_code() is not None
    assert groups_of(SKEWED[:65]).sums_by_code() is None


def test_equal_differences_leave_nothing_to_see() -> None:
    assert bounds_of(groups_of(np.zeros(50)), samples=10) == [Bounds(0.0, 0.0)]


@pytest.mark.parametrize("differences", [np.empty(0), np.array([1.0, math.nan]), np.array([1.0, math.inf])])
def test_nothing_and_what_is_not_finite_have_no_bounds(differences: NDArray[np.float64]) -> None:
    (bounds,) = bounds_of(groups_of(differences))
    assert math.isnan(bounds.low)
    assert math.isnan(bounds.high)


def test_bounds_of_a_power_of_two_times_the_sums_are_as_many_times_as_far() -> None:
    sums = groups_of(SKEWED[:50], OUTCOMES[:50]).sums
    scaled = sums.copy()
    scaled[1] = np.ldexp(sums[1], 1020)  # which add up to more than a double holds
    (plain, share), (large, same_share) = (
        bootstrap_bounds(of, samples=50, seed=0, confidence=0.9) for of in (sums, scaled)
    )
    assert (large.low, large.high) == (math.ldexp(plain.low, 1020), math.ldexp(plain.high, 1020))
    assert same_share == share
