"""Sums of values that are put side by side by their codes: each is that of rationals, whatever the numbers are."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.exact import ExactSum
from mrl_cli.exact import runs as runs_module
from mrl_cli.exact.codes import Piece
from mrl_cli.exact.runs import MOST_ARRANGED, MOST_CUTS, MOST_RUNS, Runs, are_runs, sums_by_run
from tests.each import each, mostly_slow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.exact.blocks import Array

INF, NAN = math.inf, math.nan
TERMS = {"a": ("a",), "b": ("b",), "aa": ("a", "a"), "ab": ("a", "b"), "bb": ("b", "b"), "c": ("c",)}
# What is in a column: how its magnitudes are spread, in powers of two, and numbers out of the ordinary.
COLUMNS: dict[str, tuple[int, list[float]]] = {
    "alike": (3, []),
    "spread": (60, []),
    "far apart": (250, []),
    "a few far apart": (3, [2.0**-60, -(2.0**-90), 3 * 2.0**-75, 5e-324]),
    "zeros": (0, [0.0]),
    "huge": (3, [2.0**900, -(2.0**1000), 2.0**399, 2.0**400, 1.7e308]),
    "not finite": (3, [INF, NAN]),
    "infinities": (3, [INF, -INF]),
    "tiny": (0, [5e-324, 2.0**-1022, -(2.0**-1060)]),
}


def column(kind: str, size: int, seed: int) -> Array:
    """Return numbers of a kind: those out of the ordinary are every fifth, or all where others would not be spread."""
    random, (orders, odd) = np.random.default_rng(seed), COLUMNS[kind]
    values = random.standard_normal(size) * 2.0 ** random.integers(-orders, orders + 1, size)
    if odd:
        step = 5 if orders else 1
        values[::step] = random.choice(odd, values[::step].size)
    return values


def some_codes(size: int, count: int) -> NDArray[Any]:
    """Return codes below `size`, all of which occur but 1, where there are more than two."""
    codes = np.random.default_rng(size).integers(0, size, count)
    codes[:size] = np.arange(size)
    return np.where(codes == 1, 0, codes) if size > 2 else codes


@each("kind", COLUMNS)
@each("other", ["alike", "spread", "zeros", "not finite"])
@each("size", [2, 7, 300])
def test_sums_are_those_of_the_values_of_each_code(kind: str, other: str, size: int) -> None:
    count = 20 * size + 3
    columns = {"a": column(kind, count, 1), "b": column(other, count, 2), "c": column(kind, count, 3)}
    before = {name: values.copy() for name, values in columns.items()}
    codes, states = some_codes(size, count), np.arange(count, dtype=np.uint8) % 8
    runs = Runs.of(codes, states, size)
    sums, *bounds = sums_by_run(columns, TERMS, runs, "a")
    assert sums.keys() == TERMS.keys()
    for code in [0, 1, size // 2, size - 1]:
        here = codes == code
        assert runs.counts[code].tolist() == np.bincount(states[here], minlength=8).tolist()
        values = columns["a"][here]
        expected = (values.min(initial=INF), values.max(initial=-INF))
        assert np.array_equal([of[code] for of in bounds], expected, equal_nan=True)
        for name, names in TERMS.items():
            of = [columns[each][here] for each in names]
            assert sums[name].at(code) == (ExactSum.of_products(*of) if len(of) > 1 else ExactSum.of(*of)), name
    assert all(np.array_equal(values, before[name], equal_nan=True) for name, values in columns.items())


@pytest.mark.parametrize("width", mostly_slow([16, 17, 18, 37, 38], quick=1))
def test_sums_of_full_runs_are_exact(width: int) -> None:
    """As large as sums of slices can be: all of one sign, near the greatest magnitude, as many as bits are counted."""
    count = MOST_ARRANGED // 2 - 1
    codes, random = np.repeat([1, 0], count), np.random.default_rng(width)
    runs = Runs.of(codes, np.full(codes.size, 7, np.uint8), 2)
    edge = 1 - 2.0 ** -(width + 1) - 2.0 ** -(2 * width + 2)  # with slices of so many bits, each is near the greatest
    columns: dict[str, Any] = {name: edge - random.integers(1, 30, codes.size) * 2.0**-53 for name in "abc"}
    # And what is left behind the first slice is: it takes a small number to have bits for that.
    columns["d"] = (random.integers(0, 99, codes.size) + 0.5 - random.integers(1, 99, codes.size) * 2.0**-46) / 2**width
    columns["d"][0] = edge
    terms = {"aa": ("a", "a"), "ab": ("a", "b"), "c": ("c",), "d": ("d",)}
    sums, *_ = sums_by_run(columns, terms, runs, "a")
    for code in (0, 1):
        a, b, c, d = (columns[name][codes == code] for name in "abcd")
        assert sums["aa"].at(code) == ExactSum.of_products(a, a)
        assert sums["ab"].at(code) == ExactSum.of_products(a, b)
        assert sums["c"].at(code) == ExactSum.of(c)
        assert sums["d"].at(code) == ExactSum.of(d)
    assert runs.counts[:, 7].tolist() == [count, count]


@pytest.mark.slow
def test_slices_add_up_without_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sum of a run is that of its slices or of their products, exactly; few values are left out of them."""
    reduced, sizes = Runs.reduced, list[int]()

    def piece_of(values: Array, *others: Any) -> Piece:
        sizes.append(values.size)
        return Piece(values, *others)

    def checked(self: Runs, ufunc: np.ufunc, values: Array, of_none: float) -> Array:
        found = reduced(self, ufunc, values, of_none)
        if ufunc is np.add:
            edges = [*self.starts.tolist(), values.size]
            for place, code in enumerate(self.there.tolist()):
                part = values[edges[place] : edges[place + 1]].tolist()
                assert Fraction(float(found[code])) == sum(map(Fraction, part), Fraction(0))
        return found

    monkeypatch.setattr(Runs, "reduced", checked)
    monkeypatch.setattr(runs_module, "Piece", piece_of)
    codes = some_codes(7, 500)
    runs = Runs.of(codes, np.zeros(500, np.uint8), 7)
    for kind in ("alike", "spread", "a few far apart"):
        columns = {"a": column(kind, 500, 1), "b": column("alike", 500, 2), "c": column("alike", 500, 3)}
        sums_by_run(columns, TERMS, runs, "c")
    assert sizes
    assert max(sizes) < 500


def test_no_more_slices_are_made_than_there_are_rows_for() -> None:
    rows = runs_module._LEFT.of(64)
    values = 2.0 ** np.linspace(-250, 0, 64)
    slices = runs_module._Slices.of(values, 1.0, 10, rows)
    assert len(slices.parts) == MOST_CUTS
    assert slices.left.tolist() == np.flatnonzero(np.sum(slices.parts, axis=0) != values).tolist()
    assert slices.left.size > 32


def test_runs_are_made_where_they_are_long_and_few() -> None:
    assert [are_runs(32, 2), are_runs(31, 2), are_runs(64, 1)] == [True, False, False]
    assert [are_runs(16 * MOST_RUNS, MOST_RUNS), are_runs(17 * MOST_RUNS, MOST_RUNS + 1)] == [True, False]


def test_most_codes_states_and_places_fit_what_is_sorted() -> None:
    codes = np.full(MOST_ARRANGED, MOST_RUNS - 1)
    codes[-1] = 0
    runs = Runs.of(codes, np.full(MOST_ARRANGED, 7, np.uint8), MOST_RUNS)
    assert runs.order.tolist() == [MOST_ARRANGED - 1, *range(MOST_ARRANGED - 1)]
    assert runs.there.tolist() == [0, MOST_RUNS - 1]
    assert runs.starts.tolist() == [0, 1]
    assert runs.counts[[0, -1], 7].tolist() == [1, MOST_ARRANGED - 1]
    assert int(runs.counts.sum()) == MOST_ARRANGED
