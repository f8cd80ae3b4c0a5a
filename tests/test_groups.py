"""Weights, margins for each pair, and groups: what a part of the pairs gives is what those pairs alone would give."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import SuspectShardError, UsageError
from mrl_cli.exact import UNIT_EXPONENT, ExactSum
from mrl_cli.exact.codes import LEAST_TERMS, sums_by_code, sums_of_products_by_code
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Columns, Counts, Plan, Role
from mrl_cli.reductions import ledger as groups
from mrl_cli.reductions.keys import FEW_KEYS, keys_of, order_of
from mrl_cli.reductions.ledger import Ledger, LedgerBlock, LedgerReduction, LedgerRows
from mrl_cli.reductions.measured import STATES, Measured, are_correct
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.compute import ComputeReport, compute_report
from tests.each import each, examples
from tests.measuring import totals_of

Array = NDArray[Any]

of_every_loss = each("loss", LOSSES.values())
WEIGHTED = Columns(numbers=(("weight", "w"),))
GROUPED = Columns(keys=(("group", "g"),))


def batch(size: int = 1000, seed: int = 1) -> Batch:
    """Return random pairs, some of them tied."""
    random = np.random.default_rng(seed)
    x1, x2 = (random.standard_normal(size) for _ in range(2))
    x2[:20] = x1[:20]
    return Batch("pairs.csv", {"x1": x1, "x2": x2, "y": random.choice([-1.0, 1.0], size)})


def plan_for(loss: Any, columns: Columns = WEIGHTED, **changes: Any) -> Plan:
    margin = 0.3 if loss.has_margin and "margin" not in dict(columns.numbers) else 0.0
    parameters = tuple(loss.defaults.items())
    return Plan.of(columns=columns, labels="any", loss=loss.name, margin=margin, parameters=parameters, **changes)


def rows(pairs: Batch, index: Array, weight: Array | None = None, margin: Array | None = None) -> Batch:
    """Return some of the pairs, in that order, with weights or margins of their own."""
    numbers: dict[Role, Array] = {role: values[index] for role, values in pairs.numbers.items()}
    numbers |= {} if weight is None else {"weight": weight}
    numbers |= {} if margin is None else {"margin": margin}
    return Batch(pairs.file, numbers, range(index.size))


def report_of(totals: Totals, plan: Plan) -> ComputeReport:
    return compute_report(Counts(), totals, plan)


def added_up(pairs: Batch, keys: list[str], plan: Plan, pieces: int = 1) -> dict[str, Totals]:
    """Return the totals by key of a batch that is measured in pieces, with squares."""
    reduction = LedgerReduction(squares=True)
    state = reduction.empty()
    for index in np.array_split(np.arange(pairs.x1.size), pieces):
        piece = replace(rows(pairs, index), keys={"group": pa.array([keys[i] for i in index], pa.string())})
        state = reduction.add(state, Measured(piece, plan))
    return {key[0]: totals for key, totals in reduction.merge(reduction.whole(), state, None).totals()}


# Weights.


@each("dtype", ["float64", "float32"])
@of_every_loss
def test_integer_weights_are_repetition(loss: Any, dtype: Any) -> None:
    pairs = batch()
    weights = np.random.default_rng(2).integers(0, 7, pairs.x1.size)
    plan = plan_for(loss, dtype=dtype)
    weighted = totals_of(rows(pairs, np.arange(pairs.x1.size), weight=weights.astype(np.float64)), plan)
    repeated = totals_of(rows(pairs, np.repeat(np.arange(pairs.x1.size), weights)), plan.changed(columns=Columns()))
    assert weighted.loss_sum == repeated.loss_sum
    once, many_times = report_of(weighted, plan), report_of(repeated, plan)
    assert once.mean == many_times.mean
    assert once.weight == repeated.pairs
    assert once.accuracy_weighted == many_times.accuracy


@of_every_loss
def test_zero_weights_are_removed_rows(loss: Any) -> None:
    pairs = batch()
    weights = np.random.default_rng(3).choice([0.0, 0.5, 2.0], pairs.x1.size)
    plan = plan_for(loss)
    weighted = rows(pairs, np.arange(pairs.x1.size), weight=weights)
    removed = rows(pairs, np.flatnonzero(weights), weight=weights[weights > 0])
    assert totals_of(weighted, plan) == totals_of(removed, plan)
    counts = Measured(weighted, plan).counts
    assert counts == Counts(pairs=int((weights > 0).sum()), zero_weight=int((weights == 0).sum()))
    assert counts.rows == pairs.x1.size


def test_zero_weight_silences_an_infinite_loss() -> None:
    numbers: dict[Role, Array]
    numbers = {"x1": np.array([1e308, 0.0]), "x2": np.array([-1e308, 1.0]), "y": np.array([-1.0, 1.0])}
    pairs, plan = Batch("pairs.csv", numbers, range(2)), Plan.of(columns=WEIGHTED)
    totals = totals_of(pairs.with_numbers({"weight": np.array([0.0, 2.0])}), plan)
    assert (float(totals.loss_sum or 0), totals.pairs, totals.max) == (2.0, 1, 1.0)
    totals = totals_of(pairs.with_numbers({"weight": np.array([1.0, 2.0])}), plan)
    assert float(totals.loss_sum or 0) == math.inf


def test_weights_of_one_are_no_weights_and_others_differ() -> None:
    pairs = batch()
    everything, plan = np.arange(pairs.x1.size), Plan.of(labels="any", margin=0.3)
    weighted, plain = plan.changed(columns=WEIGHTED), totals_of(pairs, plan)
    ones = totals_of(rows(pairs, everything, weight=np.ones(everything.size)), weighted)
    assert replace(ones, weight_sum=None, correct_weight_sum=None) == plain
    random = np.random.default_rng(4).random(everything.size)
    other = totals_of(rows(pairs, everything, weight=random), weighted)
    assert other.loss_sum != plain.loss_sum


def test_weighted_mean_is_the_hand_worked_one() -> None:
    # Losses 0.5, 0 and 2 with weights 1, 2 and 0.5: (0.5 + 0 + 1) / 3.5.
    numbers: dict[Role, Array] = {"x1": np.array([0.0, 3.0, 0.0]), "x2": np.array([0.5, 0.0, 2.0]), "y": np.ones(3)}
    pairs, plan = Batch("", numbers | {"weight": np.array([1.0, 2.0, 0.5])}, range(3)), Plan.of(columns=WEIGHTED)
    record = report_of(totals_of(pairs, plan), plan)
    assert (record.sum, record.weight, record.mean, record.accuracy_weighted) == (1.5, 3.5, 1.5 / 3.5, 2 / 3.5)


@pytest.mark.parametrize(("weight", "kind"), [(-1.0, "weight below 0"), (math.nan, "NaN"), (math.inf, "infinite")])
def test_bad_weights_are_problems(weight: float, kind: str) -> None:
    pairs = rows(batch(3), np.arange(3), weight=np.array([1.0, weight, 1.0]))
    measured = Measured(pairs, Plan.of(columns=WEIGHTED))
    assert [(problem.kind, problem.row, problem.column) for problem in measured.problems] == [(kind, 1, "w")]
    assert (measured.counts.pairs, measured.counts.rejected) == (2, 1)
    with pytest.raises(SuspectShardError):
        _ = Measured(replace(pairs, rows=None), Plan.of(columns=WEIGHTED)).counts


# Margins for each pair.


@each("dtype", ["float64", "float32"])
@each("loss", [loss for loss in LOSSES.values() if loss.has_margin])
def test_margins_of_pairs_act_as_a_margin_does(loss: Any, dtype: Any) -> None:
    pairs = batch(600)
    margins = np.random.default_rng(5).choice([0.0, 0.1, 1.5], 600)
    columns = Columns(numbers=(("margin", "m"),))
    with_margins, plan = rows(pairs, np.arange(600), margin=margins), plan_for(loss, columns, dtype=dtype)
    losses, inside = Measured(with_margins, plan).losses, 0
    for margin in (0.0, 0.1, 1.5):
        index = np.flatnonzero(margins == margin)
        alone, its_plan = rows(pairs, index), plan_for(loss, Columns(), dtype=dtype).changed(margin=margin)
        assert losses[index].tobytes() == Measured(alone, its_plan).losses.tobytes()
        inside += totals_of(alone, its_plan).inside_margin
    assert totals_of(with_margins, plan).inside_margin == inside


# Groups.


@pytest.mark.slow
@pytest.mark.parametrize("columns", [GROUPED, replace(GROUPED, numbers=(("weight", "w"),))], ids=["plain", "weighted"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@of_every_loss
def test_group_is_what_its_pairs_alone_give(loss: Any, dtype: Any, columns: Columns) -> None:
    pairs = batch(3000)
    random = np.random.default_rng(6)
    keys = [f"k{i}" for i in random.integers(0, 20, 3000)]
    plan = plan_for(loss, columns, dtype=dtype)
    without_keys = plan.changed(columns=replace(columns, keys=()))
    if columns.numbers:
        pairs = pairs.with_numbers({"weight": random.choice([0.0, 1e-300, 0.1, 3.0], 3000)})
    groups = added_up(pairs, keys, plan, pieces=7)
    everything = totals_of(replace(pairs, rows=range(3000)), without_keys)
    assert sum(totals.pairs for totals in groups.values()) == everything.pairs
    key_of_each = np.array(keys)
    for key, totals in groups.items():
        index = np.flatnonzero(key_of_each == key)
        assert totals == totals_of(rows(pairs, index), without_keys, squares=True)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(allow_nan=True) | st.sampled_from([1e308, -1e308, 5e-324, 1e16, -1e16])),
        max_size=40,
    )
)
@examples(100)
def test_sums_by_code_are_exact(pairs: list[tuple[int, float]]) -> None:
    codes, values = np.array([c for c, _ in pairs], np.int64), np.array([v for _, v in pairs], np.float64)
    actual = sums_by_code(values, codes, 4)
    for code in range(4):
        total = ExactSum.of_few(float(part[code]) for part in actual.parts) + actual.others.get(code, ExactSum())
        assert total == ExactSum.of(values[codes == code])


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(allow_nan=False, allow_infinity=False)), max_size=30))
@examples(100)
def test_sums_of_products_by_code_are_exact(pairs: list[tuple[int, float]]) -> None:
    codes, values = np.array([c for c, _ in pairs], np.int64), np.array([v for _, v in pairs], np.float64)
    actual = sums_of_products_by_code(values, values, codes, 3)
    for code in range(3):
        total = ExactSum.of_few(float(part[code]) for part in actual.parts) + actual.others.get(code, ExactSum())
        expected = sum((Fraction(v) ** 2 for c, v in pairs if c == code), Fraction(0))
        assert Fraction(total.units, 1 << UNIT_EXPONENT) == expected


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats() | st.sampled_from([1e308, 5e-324])), min_size=4, max_size=9),
    st.sampled_from([1, 20, 300]),
)
@examples(40)
def test_blocks_of_few_and_of_many_pairs_add_up_exactly(some: list[tuple[int, float]], times: int) -> None:
    pairs = np.array(some * times)  # from 20 on the pairs of a key are put side by side
    keys, values = pairs[:, 0].astype(np.int64), pairs[:, 1].copy()
    weights = np.abs(np.where(np.isfinite(values), values, 1.0)) + 0.1
    states = np.arange(values.size, dtype=np.uint8) % STATES
    columns, described = [pa.array(map(str, keys.tolist()))], {"x1": values + 1, "difference": -values}
    block = summed(columns, np.abs(values), states, weights, described, squares=True)
    sums = {"weight": (weights,), "x1": (values + 1,), "difference": (-values,), "loss": (weights, np.abs(values))}
    sums |= {"square": (np.abs(values),) * 2, "difference_square": (values, values)}
    sums["correct_weight"] = (np.where(are_correct(states), weights, 0.0),)
    for place, (key,) in enumerate(keys_of(block.keys)):
        here = keys == int(key)
        assert block.counts[place].tolist() == np.bincount(states[here], minlength=STATES).tolist()
        extremes = block.lowest[place], block.highest[place]
        assert np.array_equal(extremes, (np.abs(values[here]).min(), np.abs(values[here]).max()), equal_nan=True)
        for name, (left, *right) in sums.items():
            expected = ExactSum.of_products(left[here], right[0][here]) if right else ExactSum.of(left[here])
            assert block.sums[name].at(place) == expected, name


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), max_size=60), st.randoms())
@examples(100)
def test_ledger_adds_exactly_in_any_order(values: list[float], random: Any) -> None:
    blocks = [summed([pa.array(["a", "b"])], np.array([v, -v]), np.zeros(2, np.uint8)) for v in values]
    random.shuffle(blocks)
    ledger = Ledger()
    for block in blocks:
        ledger.add(block)
    collected = {key: totals.loss_sum for key, totals in ledger.totals()}
    array = np.array(values, np.float64)
    assert collected == ({("a",): ExactSum.of(array), ("b",): ExactSum.of(-array)} if values else {})


def summed(*columns_and_numbers: Any, **options: Any) -> LedgerBlock:
    return LedgerRows.of(*columns_and_numbers, **options).summed()


def sums_in(*blocks: LedgerBlock) -> dict[tuple[str, ...], float]:
    ledger = Ledger()
    ledger += blocks
    return {key: float(totals.loss_sum or 0.0) for key, totals in ledger.totals()}


any_numbers = st.floats() | st.sampled_from([0.1, -1e308, 2.0**-1074, 2.0**901, 1e-150, -(2.0**53)])


@pytest.mark.slow
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(-3, 40) | st.just(2**62), any_numbers, st.integers(0, 3)), min_size=1, max_size=20
        ),
        max_size=5,
    ),
    st.sampled_from(["loss", "weight"]),
    st.sets(st.integers(0, 4)),
)
@examples(25)
def test_pairs_that_are_held_add_up_to_what_their_sums_do(
    batches: list[list[tuple[int, float, int]]], kind: str, texts: set[int]
) -> None:
    held, added = Ledger(), Ledger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "FEWEST_WAITING", 0)
        patch.setattr(groups, "ROWS_OF_KEY", 100)
        for place, batch in enumerate(batches):
            keys, values, states = (np.array(column) for column in zip(*batch, strict=True))
            losses = np.abs(values)
            weights = np.abs(values[::-1]) if kind == "weight" else None
            described = {"difference": values, "x1": values[::-1]}
            as_text = pa.array(map(str, keys.tolist()))
            numbers = losses, states.astype(np.uint8), weights, described
            rows = LedgerRows.of([as_text if place in texts else as_arrow(keys)], *numbers, squares=True)
            assert isinstance(rows.held(), LedgerRows)
            held += [rows.held()]
            added.add(LedgerRows.of([as_text], *numbers, squares=True).summed())
    assert repr(list(held.totals())) == repr(list(added.totals()))


def test_pairs_of_known_keys_are_added_after_a_look_at_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "FEWEST_WAITING", 0)
    keys, losses = as_arrow(np.array([5, 6, 7])), np.array([0.1, 0.2, 0.4])
    rows = LedgerRows.of([keys], losses, np.zeros(3, np.uint8)).held()
    assert isinstance(rows, LedgerRows)
    ledger = Ledger()
    for times in (1, 2, 3):
        ledger += [rows]
        assert [(key, totals.wrong) for key, totals in ledger.totals()] == [
            (("5",), times),
            (("6",), times),
            (("7",), times),
        ]
        assert ledger.arrays()[1].tolist() == [math.fsum([loss] * times) for loss in losses.tolist()]


def test_pairs_that_are_held_may_be_many_of_one_key() -> None:
    size = 64 * LEAST_TERMS  # of so many, the parts for a few add up to more bits than a double has
    keys, losses = as_arrow(np.arange(size)), np.random.default_rng(7).random(size)
    rows = LedgerRows.of([keys], losses, np.zeros(size, np.uint8)).held()
    assert isinstance(rows, LedgerRows)
    ledger = Ledger()
    ledger += [rows._replace(codes=np.zeros(size, np.int32))]
    assert ledger.block.sums["loss"].at(0).units == ExactSum.of(losses).units


@pytest.mark.slow
@each("spread", [7, 10**6])  # in a table, and too far apart for one
@each("repeats", [1, 4, 40])
def test_integers_of_which_hardly_two_are_the_same_are_kept_as_they_stand(spread: int, repeats: int) -> None:
    size = FEW_KEYS + 100
    keys = np.arange(size) // repeats * spread
    keys[[5, 9]] = keys[size // 2]  # but some are
    losses, states = np.arange(size) / 8, np.zeros(size, np.uint8)
    rows = LedgerRows.of([as_arrow(keys)], losses, states)
    assert (rows.size == size) == (spread == 10**6 and repeats == 1)
    assert isinstance(rows.held(), LedgerRows) == (repeats == 1)
    assert LedgerReduction().outgrows([rows.held()]) == (repeats == 1)
    ledger, of_texts = Ledger(), Ledger()
    ledger += [rows.held(), rows.summed()]
    of_texts += [LedgerRows.of([pa.array(map(str, keys.tolist()))], losses, states).summed()] * 2
    assert repr(list(ledger.totals())) == repr(list(of_texts.totals()))


@pytest.mark.slow
def test_integers_that_are_kept_as_they_stand_alone_are_told_apart_by_another_column() -> None:
    size = FEW_KEYS + 100
    first, second = np.arange(size) // 2 * 10**6, np.arange(size) % 2
    rows = LedgerRows.of([as_arrow(first), as_arrow(second)], np.ones(size), np.zeros(size, np.uint8))
    of_rows = [key for key, _ in Ledger.of([rows.held()]).totals()]
    assert of_rows == [(str(one), str(other)) for one, other in zip(first.tolist(), second.tolist(), strict=True)]


def test_keys_of_two_columns_and_of_a_dictionary_with_repeats() -> None:
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1], pa.int32()), pa.array(["a", "b", "a"]))
    second = pa.array(["x", "x", "y", "z"])
    block = summed([first, second], np.array([1.0, 2.0, 4.0, 8.0]), np.zeros(4, np.uint8))
    assert sums_in(block) == {("a", "x"): 1.0, ("a", "y"): 4.0, ("b", "x"): 2.0, ("b", "z"): 8.0}
    block = summed([first], np.array([1.0, 2.0, 4.0, 8.0]), np.zeros(4, np.uint8))
    assert sums_in(block, block) == {("a",): 10.0, ("b",): 20.0}


def test_dictionary_far_larger_than_the_batch() -> None:
    indices = pa.array([99_999, 5, 99_999], pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array([str(i) for i in range(100_000)]))
    block = summed([column], np.array([1.0, 2.0, 4.0]), np.zeros(3, np.uint8))
    assert sorted(zip(keys_of(block.keys), block.highest.tolist(), strict=True)) == [(("5",), 2.0), (("99999",), 4.0)]


def test_too_many_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert groups.MOST_KEYS == 1_000_000  # as docs/groups.md says
    monkeypatch.setattr(groups, "MOST_KEYS", 3)
    ledger = Ledger()
    ledger.add(summed([pa.array(["a", "b", "c"])], np.zeros(3), np.zeros(3, np.uint8)))
    with pytest.raises(UsageError, match="more than 3 groups") as refused:
        ledger.add(summed([pa.array(["d"])], np.zeros(1), np.zeros(1, np.uint8)))
    assert refused.value.hint == "group by a column with fewer values"


def in_order(texts: list[str]) -> list[str]:
    return [texts[place] for place in order_of([pa.array(texts)], len(texts))]


def test_keys_are_sorted_as_a_person_would() -> None:
    assert in_order(["b", "-1", "", "10", "9", "²"]) == ["-1", "9", "10", "", "b", "²"]
    assert in_order(["-10", "9.5", "-9", "07", "7", "7.0"]) == ["-10", "-9", "07", "7", "7.0", "9.5"]
    first, second = pa.array(["b", "10", "9", "10"]), pa.array(["x", "2", "3", "1"])
    assert order_of([first, second], 4).tolist() == [2, 3, 1, 0]


def test_keys_that_are_numbers_are_sorted_by_value_however_they_are_written() -> None:
    numbers = ["-Infinity", "-1.5", "-1", "-1e-3", "-0.0", "0", "1e-05", ".1", "0.1", "+1", "1.0", "9", "1E1", "10.5"]
    numbers += ["9007199254740992.0", "9007199254740993", "1e400", "inf"]
    words = ["", "+", "1.2.3", "1_000", "NaN", "b", "nan", "x1", "²"]
    assert in_order([*numbers, *words][::-1]) == [*numbers, *words]


def test_rejected_and_tied_rows_are_in_no_group() -> None:
    numbers: dict[Role, Array] = {"x1": np.arange(4.0), "x2": np.zeros(4), "y": np.array([1.0, 0.0, 5.0, -1.0])}
    pairs = Batch("", numbers, range(4), keys={"group": pa.array(["a", "b", "c", "a"])})
    measured = Measured(pairs, Plan.of(columns=GROUPED, on_tie="drop"))
    assert (measured.counts.pairs, measured.counts.ties_dropped, measured.counts.rejected) == (2, 1, 1)
    (block,) = LedgerReduction().add([], measured)
    assert keys_of(block.keys) == [("a",)]


def test_arrays_of_a_ledger_are_its_totals() -> None:
    generator = np.random.default_rng(11)
    losses, states = generator.normal(size=2000) * 1e8, generator.integers(0, 4, 2000).astype(np.uint8)
    losses[7] = math.inf
    codes = pa.array(generator.integers(0, 90, 2000).astype(str).tolist())
    ledger = Ledger()
    for start in range(0, 2000, 300):
        part = slice(start, start + 300)
        ledger.add(summed([codes[part]], losses[part], states[part]))
    counts, sums = ledger.arrays()
    actual = sorted(zip(counts.sum(axis=1).tolist(), sums.tolist(), strict=True))
    expected = [(totals.pairs, float(totals.loss_sum or 0.0)) for _, totals in ledger.totals()]
    assert actual == sorted(expected)
    assert Ledger().arrays()[1].size == 0


def test_regrouped_ledger_holds_what_the_coarser_keys_alone_give() -> None:
    generator = np.random.default_rng(12)
    losses, states = generator.normal(size=900) * 1e8, generator.integers(0, 4, 900).astype(np.uint8)
    losses[[3, 7]] = 1e300, math.inf
    first, second = (pa.array(generator.integers(0, most, 900).astype(str).tolist()) for most in (5, 40))
    fine, coarse, whole = Ledger(), Ledger(), Ledger()
    for start in range(0, 900, 100):
        part = slice(start, start + 100)
        fine.add(summed([first[part], second[part]], losses[part], states[part]))
        coarse.add(summed([second[part]], losses[part], states[part]))
        whole.add(summed([], losses[part], states[part]))
    assert list(fine.regrouped([1]).totals()) == list(coarse.totals())
    assert list(coarse.regrouped([]).totals()) == list(whole.totals())
    assert list(fine.regrouped([0, 1]).totals()) == list(fine.totals())
