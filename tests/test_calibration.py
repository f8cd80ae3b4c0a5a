"""`--calibration`: how often pairs are right against how often Bradley-Terry expects it, by pair as well."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli import evaluate
from mrl_cli.engines.base import Job
from mrl_cli.engines.tasks import job_bytes
from mrl_cli.model import Plan
from mrl_cli.reports.compute import compute_reductions
from mrl_cli.runtime import arithmetic
from mrl_cli.statistics.calibration import EDGES, KNOTS, Spread, best_temperature
from mrl_cli.statistics.intervals import normal_quantile, wilson_interval
from tests.each import examples, mostly_slow
from tests.running import Mrl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMES = ("expected_calibration_error", "temperature", "temperature_low", "temperature_high")
DIGITS = 60


def sigmoid(x: float) -> Decimal:
    with localcontext(prec=DIGITS):
        return 1 / (1 + (-Decimal(x)).exp())


def bins_of(differences: Sequence[float], weights: Sequence[float]) -> list[list[Decimal]]:
    """Return of each bin that holds pairs their weight, that of right pairs, ties half, and their confidences."""
    bins: dict[int, list[Decimal]] = {}
    with localcontext(prec=DIGITS):
        for d, weight in zip(differences, map(Decimal, weights), strict=True):
            sure = sigmoid(abs(d))
            place = min(int(sure * 15), 14)
            sums = bins.setdefault(place, [Decimal(0)] * 3)
            for index, share in enumerate((Decimal(1), Decimal(d > 0) + Decimal(d == 0) / 2, sure)):
                sums[index] += weight * share
    return [bins[place] for place in sorted(bins)]


def error_of(differences: Sequence[float], weights: Sequence[float]) -> float:
    with localcontext(prec=DIGITS):
        bins = bins_of(differences, weights)
        return float(sum(abs(right - sure) for _, right, sure in bins) / sum(weight for weight, _, _ in bins))


def loss_of(differences: Sequence[float], inverse: float) -> float:
    """Return the negative log-likelihood of pairs that are not tied."""
    terms = (max(-d * inverse, 0) + math.log1p(math.exp(-abs(d * inverse))) for d in differences if d)
    return math.fsum(terms)


def solved(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where something begins to hold between two numbers, of which only the second is known to."""
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def temperature_of(differences: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the temperature under which the slope of the log-likelihood is 0, pair by pair."""
    of_pairs = [1.0] * len(differences) if weights is None else weights

    def slope(inverse: float) -> float:
        pairs = zip(of_pairs, differences, strict=True)
        return math.fsum(-w * d * math.exp(-max(d * inverse, 0)) / (1 + math.exp(-abs(d * inverse))) for w, d in pairs)

    return 1 / solved(lambda inverse: slope(inverse) >= 0, 1e-9, 1e3)


def frame_of(differences: Sequence[float], **columns: Any) -> pd.DataFrame:
    y = np.where(np.arange(len(differences)) % 3 == 0, -1, 1)
    return pd.DataFrame({"x1": y * np.array(differences), "x2": 0.0, "y": y, **columns})


def calibration_of(differences: Sequence[float], **options: Any) -> dict[str, Any]:
    columns = {key: options.pop(key) for key in ("w", "c") if key in options}
    record: Any = evaluate(frame_of(differences, **columns), calibration=True, **options)
    return record["calibration"]  # type: ignore[no-any-return]


RANDOM = np.random.default_rng(7)
MANY = RANDOM.normal(0.9, 1.6, 1000).tolist()
ROUNDED = [*np.round(RANDOM.normal(0.9, 1.6, 800), 1).tolist(), *([0.0] * 9), 30.0]


def test_knots_are_the_least_doubles_above_the_edges_of_bins() -> None:
    for knot, edge in zip(KNOTS, range(8, 15), strict=True):
        with localcontext(prec=DIGITS):
            assert sigmoid(knot) >= Decimal(edge) / 15 > sigmoid(math.nextafter(knot, 0))
    assert EDGES == (1 / 2, 8 / 15, 9 / 15, 10 / 15, 11 / 15, 12 / 15, 13 / 15, 14 / 15, 1)


def test_hand_worked_calibration() -> None:
    three = math.log(3)  # a confidence of 3/4
    got = calibration_of([three, three, -three, 0.0], margin=0.5)
    assert got["expected_calibration_error"] == pytest.approx((3 * 3 / 4 - 2) / 4, rel=1e-15)
    assert got["temperature"] == pytest.approx(math.log(3) / math.log(2), rel=1e-15)  # 2 of 3 are right
    assert [(one["low"], one["high"], one["pairs"], one["accuracy"]) for one in got["bins"]] == [
        (1 / 2, 8 / 15, 1, 1 / 2),
        (11 / 15, 12 / 15, 3, 2 / 3),
    ]
    assert got["bins"][1]["confidence"] == pytest.approx(3 / 4, rel=1e-15)


@pytest.mark.parametrize(
    "differences", mostly_slow([MANY, ROUNDED, [1e-3 * d for d in MANY], [50 * d for d in MANY]], quick=1)
)
def test_calibration_is_that_of_every_pair(differences: list[float]) -> None:
    got, ones = calibration_of(differences), [1.0] * len(differences)
    assert got["expected_calibration_error"] == pytest.approx(error_of(differences, ones), rel=1e-13, abs=1e-16)
    for one, (weight, right, sure) in zip(got["bins"], bins_of(differences, ones), strict=True):
        assert one["pairs"] == weight
        assert (one["accuracy"], one["confidence"]) == pytest.approx((float(right / weight), float(sure / weight)))
        interval = wilson_interval(float(right), float(weight), 0.95)
        assert (one["accuracy_low"], one["accuracy_high"]) == (interval.low, interval.high)
    assert got["temperature"] == pytest.approx(temperature_of(differences), rel=1e-6)
    inverse = 1 / got["temperature"]
    most = loss_of(differences, inverse) + normal_quantile(0.95) ** 2 / 2
    for bound in (got["temperature_low"], got["temperature_high"]):
        assert loss_of(differences, 1 / bound) == pytest.approx(most, rel=1e-6)
    assert got["temperature_low"] < got["temperature"] < got["temperature_high"]


@pytest.mark.slow
@given(
    st.lists(
        st.integers(-40, 50).map(lambda place: place * 0.11) | st.floats(-20, 20, allow_subnormal=False),
        min_size=1,
        max_size=80,
    )
)
@examples(30)
def test_calibration_of_any_pairs(differences: list[float]) -> None:
    got = calibration_of(differences)
    expected = error_of(differences, [1.0] * len(differences))
    assert got["expected_calibration_error"] == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert sum(one["pairs"] for one in got["bins"]) == len(differences)
    temperature = got["temperature"]
    if not any(differences):
        assert math.isnan(temperature)
    elif min(differences) >= 0:
        assert temperature == 0
    elif math.fsum(differences) <= 0:
        assert temperature == math.inf
    elif 1e-2 < temperature < 1e3:
        # Near the best one the likelihood is flat: none near by is greater.
        losses = [loss_of(differences, share / temperature) for share in (1 - 1e-3, 1, 1 + 1e-3)]
        assert losses[1] <= min(losses) * (1 + 1e-9)


def test_weights_are_honoured() -> None:
    weights = RANDOM.uniform(0.1, 3, len(MANY)).tolist()
    got = calibration_of(MANY, w=weights, weight="w")
    assert got["expected_calibration_error"] == pytest.approx(error_of(MANY, weights), rel=1e-13)
    assert got["temperature"] == pytest.approx(temperature_of(MANY, weights), rel=1e-6)
    assert got["expected_calibration_error"] != calibration_of(MANY)["expected_calibration_error"]
    # Intervals are of pairs that count alike and are independent.
    assert set(got) == {*NAMES[:2], "bins"}
    assert set(got["bins"][0]) == {"low", "high", "pairs", "confidence", "accuracy"}
    clustered = calibration_of(MANY, c=[place // 2 for place in range(len(MANY))], cluster="c")
    assert set(clustered) == {*NAMES[:2], "bins"}


def test_weights_of_two_are_pairs_twice() -> None:
    once, twice = calibration_of(MANY[:50] * 2), calibration_of(MANY[:50], w=[2.0] * 50, weight="w")
    assert once["expected_calibration_error"] == twice["expected_calibration_error"]
    assert once["temperature"] == pytest.approx(twice["temperature"], rel=1e-8)


def test_intervals_have_the_confidence_that_was_asked_for() -> None:
    got, narrow = calibration_of(MANY), calibration_of(MANY, confidence=0.5)
    assert got["temperature_low"] < narrow["temperature_low"] < narrow["temperature_high"] < got["temperature_high"]
    assert got["bins"][0]["accuracy_low"] < narrow["bins"][0]["accuracy_low"]
    assert got["temperature"] == narrow["temperature"]


@pytest.mark.slow
def test_the_interval_of_a_temperature_covers() -> None:
    random, covered = np.random.default_rng(11), 0
    for _ in range(60):
        scores = random.normal(0, 2, 300)
        right = random.uniform(size=300) < 1 / (1 + np.exp(-np.abs(scores) / 1.5))
        got = calibration_of(np.where(right, np.abs(scores), -np.abs(scores)).tolist())
        covered += got["temperature_low"] <= 1.5 <= got["temperature_high"]
    assert 51 <= covered <= 60  # of 57 that are expected


@pytest.mark.parametrize("scale", mostly_slow([2.0**-1000, 2.0**-500, 2.0**-20, 2.0**500, 2.0**1020], quick=2))
def test_temperature_grows_as_differences_do(scale: float) -> None:
    differences = np.random.default_rng(3).normal(0.7, 1.5, 300)
    for how in ({}, {"w": np.arange(1.0, 301.0) / 7, "weight": "w"}):
        once, scaled = (calibration_of((differences * by).tolist(), **how) for by in (1.0, scale))
        for name in NAMES[1:]:
            assert scaled.get(name) == (once[name] * scale if name in once else None)  # wherever cells are cut


def test_of_subnormal_differences_there_is_no_temperature() -> None:
    found = calibration_of([1e-310, -2e-310, 3e-310])
    assert all(math.isnan(found[name]) for name in NAMES[1:])
    assert found["expected_calibration_error"] == pytest.approx(1 / 6)


def test_ends_of_the_range() -> None:
    all_right, useless, ties = calibration_of([1.0, 2.0]), calibration_of([1.0, -1.0, -0.5]), calibration_of([0.0])
    assert (all_right["temperature"], all_right["temperature_low"]) == (0, 0)
    few = calibration_of([1.0, 2.0, 2.0, 4.0])  # the likelihood at T against that at 0: chi-square of 3.84
    high = few["temperature_high"]
    assert 2 * sum(math.log1p(math.exp(-d / high)) for d in (1.0, 2.0, 2.0, 4.0)) == pytest.approx(1.959964**2)
    assert (useless["temperature"], useless["temperature_high"]) == (math.inf, math.inf)
    assert 0 < useless["temperature_low"] < math.inf
    assert all(math.isnan(ties[name]) for name in NAMES[1:])
    assert ties["expected_calibration_error"] == 0
    far = calibration_of([1.7e308, 1.7e308, -1e-300])
    assert far["expected_calibration_error"] == pytest.approx(0.5 / 3)


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl in a folder with pairs in two formats and an order of their own each."""
    frame = frame_of(ROUNDED, g=[str(place % 3) for place in range(len(ROUNDED))])
    frame.to_csv("pairs.csv", index=False)
    frame[::-1].to_parquet("pairs.parquet", row_group_size=100)
    return mrl


def test_formats_workers_and_order_give_the_same_calibration(mrl: Mrl) -> None:
    texts = set()
    for file, *options in (["pairs.csv"], ["pairs.parquet", "--jobs", "1"], ["pairs.parquet", "--jobs", "3"]):
        texts.add(json.dumps(mrl("compute", file, "--calibration", "-f", "json", *options).result["calibration"]))
    assert texts == {json.dumps(calibration_of(ROUNDED))}


def test_other_figures_stay_as_they_are(mrl: Mrl) -> None:
    plain, more = (
        mrl("compute", "pairs.csv", "--margin", "0.3", "-f", "json", *each).result for each in ([], ["--calibration"])
    )
    assert {key: value for key, value in more.items() if key != "calibration"} == plain


def test_a_loss_of_any_kind_and_groups_change_nothing(mrl: Mrl) -> None:
    expected = calibration_of(ROUNDED)
    for options in ("--loss logistic", "--loss squared_hinge --margin 0.7", "--group-by g", "--margin-column g"):
        record = mrl("compute", "pairs.csv", "--calibration", "-f", "json", *options.split()).result
        got = record["calibration"]
        assert got["bins"] == expected["bins"]
        assert [got[name] for name in NAMES] == pytest.approx([expected[name] for name in NAMES], rel=1e-8)
        assert "calibration" not in (record.get("groups") or [{}])[0]


def test_every_format_tells_it(mrl: Mrl) -> None:
    for name in ("table", "markdown", "tsv", "csv"):
        out = mrl("compute", "pairs.csv", "--calibration", "-f", name).out
        assert all(f"calibration.{key}" in out for key in NAMES)
        assert ("0.73 to 0.80" in out) == (name in ("table", "markdown"))


def test_conditions_may_be_on_it(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--calibration", "--raw", "--fail-if", "calibration.temperature>0.1")
    assert (ran.code, len(ran.out.split())) == (1, 1)
    assert "calibration.temperature is " in ran.err
    mrl("compute", "pairs.csv", "--fail-if", "calibration.temperature>0.1").must_fail(2, "this run does not report it")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--labels any", "--labels any"),
        ("--labels probability", "--labels probability"),
        ("--loss margin_mse", "the loss margin_mse"),
        ("--raw", "--raw"),
        ("--reduction none", "--reduction"),
    ],
)
def test_where_there_is_none_it_is_refused(options: str, named: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--calibration", *options.split()).must_fail(2, "--calibration", named)


def test_workers_compute_confidences_alike() -> None:
    plans = Plan(), Plan.of(calibration=True)
    heads = [job_bytes(Job(plan, tuple(compute_reductions(plan))), []).split(b"\n")[0] for plan in plans]
    assert [head.endswith(arithmetic()) for head in heads] == [False, True]


def test_huge_weights_count_by_their_ratios() -> None:
    spread = Spread(np.array([3.0, 1.0, 2.0]), np.array([1.0, -1.0, 2.0]), np.zeros(3))
    huge = spread._replace(weights=np.ldexp(spread.weights, 1021))
    assert best_temperature(huge, 2.0, 0.95).value == best_temperature(spread, 2.0, 0.95).value
    beyond = spread._replace(weights=np.array([math.inf, 1.0, 2.0]))
    assert math.isnan(best_temperature(beyond, 2.0, 0.95).value)
