"""The figures that describe scores and differences: means, standard deviation, quantiles, accuracy at the margin."""

from __future__ import annotations

import math
import pickle
import statistics
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli import evaluate
from mrl_cli.reductions.histogram import Histogram
from mrl_cli.reports.figures import QUANTILES
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path

# d is 2, -1, 0.5 and 0.25.
HAND_WORKED = pd.DataFrame(
    {"x1": [3.0, 2.0, 1.0, 0.5], "x2": [1.0, 1.0, 1.5, 0.25], "y": [1, -1, -1, 1], "g": ["a", "a", "b", "b"]}
)
KEYS = ("difference_mean", "difference_sd", "x1_mean", "x2_mean")


def test_hand_worked_description() -> None:
    record = evaluate(HAND_WORKED, margin=0.5)
    assert isinstance(record, dict)
    assert [record[key] for key in KEYS] == [
        (2 - 1 + 0.5 + 0.25) / 4,
        statistics.stdev([2, -1, 0.5, 0.25]),
        (3 + 2 + 1 + 0.5) / 4,
        (1 + 1 + 1.5 + 0.25) / 4,
    ]
    # d equal to the margin counts: it costs nothing.
    assert record["accuracy_at_margin"] == 2 / 4


@each("key", KEYS)
def test_each_of_the_description_is_expected_alone(key: str, mrl: Mrl, tmp_path: Path) -> None:
    HAND_WORKED.to_csv(tmp_path / "a.csv")
    found: Any = evaluate(HAND_WORKED)
    assert mrl("validate", "a.csv", "--expect", f"{key}={found[key]!r}").code == 0
    assert mrl("validate", "a.csv", "--expect", f"{key}={found[key] + 1!r}").code == 1


def test_description_of_groups_is_that_of_their_pairs() -> None:
    groups = evaluate(HAND_WORKED, margin=0.5, group_by="g")
    assert isinstance(groups, pd.DataFrame)
    for name, pairs in HAND_WORKED.groupby("g"):
        alone: Any = evaluate(pairs, margin=0.5)
        assert groups.loc[name, [*KEYS, "accuracy_at_margin"]].to_dict() == {
            key: alone[key] for key in (*KEYS, "accuracy_at_margin")
        }


def test_weights_do_not_weigh_the_description() -> None:
    weighted: Any = evaluate(HAND_WORKED.assign(w=[1.0, 2.0, 3.0, 4.0]), weight="w")
    plain: Any = evaluate(HAND_WORKED)
    assert [weighted[key] for key in KEYS] == [plain[key] for key in KEYS]


def test_means_are_exact_where_a_running_sum_is_not() -> None:
    x1 = [1e16, 1.0, -1e16]
    record: Any = evaluate(pd.DataFrame({"x1": x1, "x2": [0.0] * 3, "y": [1] * 3}))
    assert record["x1_mean"] == record["difference_mean"] == float(Fraction(1, 3))


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite | st.sampled_from([0.0, -0.0, 1.0, -1.0]), min_size=1))
def test_quantiles_at_values_are_within_a_cell_of_them(values: list[float]) -> None:
    histogram = Histogram()
    histogram.add(np.array(values))
    places = range(len(values))
    shares = [place / max(1, len(values) - 1) for place in places]
    for got, value, share in zip(histogram.quantiles(shares), sorted(values), shares, strict=True):
        if round(share * (len(values) - 1)) == share * (len(values) - 1):
            assert got == pytest.approx(value, rel=2**-6, abs=1e-300)


def test_quantiles_of_many_values_are_those_of_numpy() -> None:
    values = np.random.default_rng(2).normal(size=10_001)
    histogram = Histogram()
    histogram.add(values)
    shares = list(QUANTILES.values())
    assert histogram.quantiles(shares) == pytest.approx(np.quantile(values, shares).tolist(), rel=2**-6, abs=1e-3)


def test_what_begins_no_cell_is_remembered() -> None:
    whole = Histogram()
    for values in ([1.01, 3.0], [1.0, 2.0]):
        histogram = Histogram()
        histogram.add(np.array(values))
        whole += histogram
    assert whole.quantiles([1 / 3]) == [1 + 1 / 64]


def test_quantiles_lie_between_their_neighbours() -> None:
    histogram = Histogram()
    histogram.add(np.array([-1.0, 3.0]))
    low, quarter, high = histogram.quantiles([0.0, 0.25, 1.0])
    assert quarter == low + (high - low) / 4


@given(st.lists(finite, min_size=1), st.integers(1, 3))
def test_no_quantile_is_beyond_the_values(values: list[float], parts: int) -> None:
    whole = Histogram()
    for part in np.array_split(np.array(values), parts):
        state = Histogram()
        state.add(part)
        whole += pickle.loads(pickle.dumps(state))
    assert whole.quantiles([0.0, 1.0]) == pytest.approx([min(values), max(values)], rel=2**-6, abs=1e-300)
    assert all(min(values) <= got <= max(values) for got in whole.quantiles([0.0, 0.3, 0.5, 1.0]))


@given(st.lists(st.integers(-63, 63), min_size=1), st.integers(-6, 6))
def test_quantiles_of_whole_numbers_are_those_of_numpy(values: list[int], power: int) -> None:
    histogram, shares = Histogram((3.3,)), [0.0, 0.05, 0.5, 0.9, 1.0]
    histogram.add(np.ldexp(values, power))
    assert histogram.quantiles(shares) == pytest.approx(np.quantile(np.ldexp(values, power), shares).tolist())


def test_what_is_all_the_same_has_it_for_a_quantile() -> None:
    record: Any = evaluate(pd.DataFrame({"x1": [0.1] * 3, "x2": [5.2] * 3, "y": [-1] * 3}))
    assert set(record["difference_quantiles"].values()) == {5.2 - 0.1}


def test_quantiles_of_nothing_are_nan() -> None:
    assert all(map(math.isnan, Histogram().quantiles([0.0, 1.0])))


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl in a folder with the hand-worked pairs."""
    HAND_WORKED.to_csv("pairs.csv", index=False)
    return mrl


@pytest.mark.parametrize("options", [["--raw"], ["--reduction", "none"]])
def test_bare_output_stays_bare(options: list[str], mrl: Mrl) -> None:
    assert "difference" not in mrl("compute", "pairs.csv", *options).out


def test_conditions_may_be_on_a_quantile(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--raw", "--fail-if", "difference_quantiles.p05<0")
    assert ran.code == 1
    assert "difference_quantiles.p05 is -0." in ran.err


def test_every_format_has_the_quantiles(mrl: Mrl) -> None:
    record = mrl("compute", "pairs.csv", "-f", "json").result
    assert list(record["difference_quantiles"]) == list(QUANTILES)
    for name in ("table", "markdown", "tsv", "csv"):
        assert "difference_quantiles.p95" in mrl("compute", "pairs.csv", "-f", name).out
