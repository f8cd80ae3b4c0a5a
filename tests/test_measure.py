"""Totals of pairs: hand-worked counts, sums that merge exactly, labels of every rule, problems with their rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES, ExactSum
from mrl_cli.model import Columns, Labels, PairBatch, Plan, Problem, ProblemCount, Report, Totals, rules
from mrl_cli.reductions.measured import measure, tally
from mrl_cli.reports.compute import report


def read_only(values: Any, dtype: Any = np.float64) -> Any:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def batch(
    x1: Sequence[float],
    x2: Sequence[float],
    y: Sequence[float] | None,
    *,
    rows: Sequence[int] | None = None,
    labels_dtype: Any = np.float64,
    problems: tuple[Problem, ...] = (),
) -> PairBatch:
    labels = None if y is None else read_only(y, labels_dtype)
    return PairBatch(
        "pairs.csv", read_only(x1), read_only(x2), labels, rows, problems=problems, rejected_rows=len(problems)
    )


def reported(totals: Totals, plan: Plan) -> Report:
    return report(totals, plan, inputs=("pairs.csv",), version="0", elapsed_seconds=0.0)


#                        right, beyond   right, inside    tie   wrong   wrong
HAND_WORKED = batch([3.0, 1.0, 0.5, 1.0, 0.0], [1.0, 0.75, 0.5, 2.0, -4.0], [1, 1, -1, 1, -1])
HAND_WORKED_PLAN = Plan(margin=0.5)


def test_counts_and_sum_are_the_hand_worked_ones() -> None:
    totals = measure(HAND_WORKED, HAND_WORKED_PLAN).totals
    losses = [0.0, 0.5 - 0.25, 0.5, 0.5 + 1.0, 0.5 + 4.0]
    assert totals == Totals(
        loss_sum=ExactSum.of(np.array(losses)),
        pairs=5,
        min=0.0,
        max=4.5,
        correct=2,
        ties=1,
        wrong=2,
        active=4,
        inside_margin=1,
    )
    assert totals.rows == 5


def test_report_is_the_hand_worked_arithmetic() -> None:
    found = reported(measure(HAND_WORKED, HAND_WORKED_PLAN).totals, HAND_WORKED_PLAN)
    assert found.sum == 0.0 + 0.25 + 0.5 + 1.5 + 4.5
    assert found.value == found.mean == (0.0 + 0.25 + 0.5 + 1.5 + 4.5) / 5
    assert (found.min, found.max) == (0.0, 4.5)
    assert found.accuracy == 2 / 5
    assert found.accuracy_half == (2 + 1 / 2) / 5
    assert (found.pairs, found.correct, found.ties, found.wrong, found.active) == (5, 2, 1, 2, 4)


@pytest.mark.parametrize(("reduction", "value"), [("mean", 1.35), ("sum", 6.75), ("none", None)])
def test_value_is_what_the_reduction_asks_for(reduction: Any, value: float | None) -> None:
    plan = Plan(margin=0.5, reduction=reduction)
    assert reported(measure(HAND_WORKED, plan).totals, plan).value == value


def test_losses_are_given_under_reduction_none_only() -> None:
    found = measure(HAND_WORKED, Plan(margin=0.5, reduction="none"))
    assert found.losses is not None
    assert found.losses.tolist() == [0.0, 0.25, 0.5, 1.5, 4.5]
    assert found.used is None
    assert measure(HAND_WORKED, HAND_WORKED_PLAN).losses is None


def test_report_over_nothing_has_a_sum_and_no_mean() -> None:
    found = reported(Totals(), Plan())
    assert found.sum == 0.0
    assert found.pairs == 0
    for number in (found.value, found.mean, found.min, found.max, found.accuracy, found.accuracy_half):
        assert isinstance(number, float)
        assert math.isnan(number)


def test_empty_batch_has_the_totals_of_nothing() -> None:
    found = measure(batch([], [], []), Plan(reduction="none"))
    assert found.totals + Totals() == found.totals
    assert (found.totals.pairs, float(found.totals.loss_sum or 0)) == (0, 0.0)
    assert found.losses is not None
    assert found.losses.shape == (0,)


scores = st.integers(-40, 40).map(lambda number: number / 10)
triples = st.lists(st.tuples(scores, scores, st.sampled_from([1.0, -1.0, 0.0, 7.0, math.nan])), max_size=40)


@given(triples, st.lists(st.integers(0, 40), max_size=4), st.sampled_from(["error", "drop"]))
@settings(deadline=None)
def test_any_split_merges_to_equal_totals(rows: list[tuple[float, float, float]], cuts: list[int], on_tie: Any) -> None:
    plan = Plan(margin=0.25, on_tie=on_tie, on_error="skip")

    def totals_of(start: int, stop: int) -> Totals:
        x1, x2, y = zip(*rows[start:stop], strict=True) if rows[start:stop] else ((), (), ())
        return measure(batch(x1, x2, y, rows=range(start + 2, stop + 2)), plan).totals

    merged = Totals()
    bounds = sorted(min(cut, len(rows)) for cut in cuts)
    for start, stop in pairwise([0, *bounds, len(rows)]):
        merged = merged + totals_of(start, stop)
    whole = totals_of(0, len(rows))
    assert merged == whole
    assert whole.rows == len(rows)
    assert whole.pairs == whole.correct + whole.ties + whole.wrong


@pytest.mark.parametrize("size", [BLOCK_VALUES - 1, BLOCK_VALUES, BLOCK_VALUES + 1, 2 * BLOCK_VALUES + 5])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batch_of_many_blocks_has_the_totals_of_its_pairs(size: int, dtype: Any) -> None:
    random = np.random.default_rng(size)
    x1, x2 = (random.standard_normal(size) for _ in range(2))
    x2[::10] = x1[::10]
    y = random.choice([-1, 1], size).astype(np.int8)
    plan = Plan(margin=0.1, dtype=dtype, reduction="none")
    found = measure(PairBatch("pairs.csv", x1, x2, y), plan)
    agreement = y.astype(dtype) * (x1.astype(dtype) - x2.astype(dtype))
    losses = np.maximum(0.0, plan.margin - agreement)
    assert found.losses is not None
    assert found.losses.tobytes() == losses.tobytes()
    assert found.totals == Totals(
        loss_sum=ExactSum.of(losses),
        pairs=size,
        min=0.0,
        max=float(losses.max()),
        correct=int((agreement > 0).sum()),
        ties=int((agreement == 0).sum()),
        wrong=int((agreement < 0).sum()),
        active=int((losses > 0).sum()),
        inside_margin=int(((agreement > 0) & (agreement < plan.margin)).sum()),
    )


@given(
    st.lists(st.builds(Totals, pairs=st.integers(0, 9), min=scores, max=scores, correct=st.integers(0, 9)), max_size=3)
)
@settings(deadline=None)
def test_totals_of_nothing_are_the_identity(parts: list[Totals]) -> None:
    for totals in (*parts, measure(HAND_WORKED, HAND_WORKED_PLAN).totals, Totals()):
        assert totals + Totals() == totals == Totals() + totals


def test_totals_merge_every_field() -> None:
    problem, another = (Problem(rules.NAN, "pairs.csv", row, "x1", "nan") for row in (2, 9))
    left = Totals(ExactSum(1), 1, 2, 3, -1.0, 4.0, 5, 6, 7, 8, {rules.NAN: ProblemCount(4, (problem,))})
    right = Totals(ExactSum(10), 10, 20, 30, -10.0, 40.0, 50, 60, 70, 80, {rules.NAN: ProblemCount(1, (another,))})
    problems = {rules.NAN: ProblemCount(5, (problem, another))}
    assert left + right == Totals(ExactSum(11), 11, 22, 33, -10.0, 40.0, 55, 66, 77, 88, problems)


def test_nan_among_losses_is_their_min_and_max_wherever_it_stands() -> None:
    nan, one = Totals(pairs=1, min=math.nan, max=math.nan), Totals(pairs=1, min=1.0, max=1.0)
    for totals in (nan + one, one + nan, nan + Totals(), one + nan + one):
        assert math.isnan(totals.min)
        assert math.isnan(totals.max)


@pytest.mark.parametrize("labels_dtype", [np.float64, np.int64, np.int8, np.float32])
def test_labels_01_mean_minus_one_and_one(labels_dtype: Any) -> None:
    x1, x2 = [1.0, 1.0, 0.0], [0.5, 0.5, 2.0]
    zero_one = measure(batch(x1, x2, [1, 0, 0], labels_dtype=labels_dtype), Plan(labels="01", margin=0.25)).totals
    assert zero_one == measure(batch(x1, x2, [1, -1, -1]), Plan(margin=0.25)).totals
    assert (zero_one.correct, zero_one.wrong) == (2, 1)


@pytest.mark.parametrize("labels_dtype", [np.uint8, np.bool_])
def test_labels_01_that_cannot_be_negative_do_not_wrap(labels_dtype: Any) -> None:
    found = measure(batch([1.0, 1.0], [0.0, 0.0], [1, 0], labels_dtype=labels_dtype), Plan(labels="01")).totals
    assert (found.correct, found.wrong, found.max) == (1, 1, 1.0)


def test_tied_labels_are_dropped_and_counted() -> None:
    plan = Plan(on_tie="drop", margin=0.5, reduction="none")
    found = measure(batch([1.0, 1.0, 2.0], [2.0, 9.0, 2.0], [1, 0, -1]), plan)
    assert (found.totals.pairs, found.totals.ties_dropped, found.totals.rejected) == (2, 1, 0)
    assert (found.totals.rows, found.totals.ties, found.totals.wrong) == (3, 1, 1)
    assert found.losses is not None
    assert found.losses.tolist() == [1.5, 0.5]
    assert found.used is not None
    assert found.used.tolist() == [True, False, True]


def test_tied_labels_of_every_block_are_counted() -> None:
    size = BLOCK_VALUES + 10
    y = np.ones(size)
    y[[5, BLOCK_VALUES + 3]] = 0
    totals = measure(PairBatch("pairs.csv", np.zeros(size), np.ones(size), y), Plan(on_tie="drop")).totals
    assert (totals.pairs, totals.ties_dropped, totals.rows) == (size - 2, 2, size)


def test_all_labels_tied_leaves_nothing() -> None:
    found = measure(batch([1.0], [2.0], [0]), Plan(on_tie="drop", reduction="none"))
    assert (found.totals.pairs, found.totals.ties_dropped, found.totals.rows) == (0, 1, 1)
    assert found.losses is not None
    assert found.losses.shape == (0,)


@pytest.mark.parametrize(("y_const", "losses"), [(1, [0.0, 1.5]), (-1, [2.5, 0.0])])
def test_constant_label_is_that_of_every_pair(y_const: int, losses: list[float]) -> None:
    plan = Plan(Columns(y=None), y_const=y_const, margin=0.5, reduction="none")
    found = measure(batch([3.0, 1.0], [1.0, 2.0], None), plan)
    assert found.losses is not None
    assert found.losses.tolist() == losses
    assert (found.totals.correct, found.totals.wrong) == (1, 1)


def test_labels_any_are_taken_as_they_are() -> None:
    found = measure(
        batch([1.0] * 4, [3.0] * 4, [0.5, -2.0, 0.0, 3.0]), Plan(labels="any", margin=0.25, reduction="none")
    )
    assert found.losses is not None
    assert found.losses.tolist() == [0.25 + 0.5 * 2, 0.0, 0.25, 0.25 + 3.0 * 2]
    assert (found.totals.correct, found.totals.ties, found.totals.wrong) == (1, 1, 2)


def test_float32_rounds_scores_before_they_are_subtracted() -> None:
    single, double = (Plan(margin=0.1, dtype=dtype) for dtype in ("float32", "float64"))
    pair = batch([0.3], [0.2], [1])
    assert measure(pair, single).totals.active == 0
    assert measure(pair, double).totals.active == 1
    # 2**24 + 1 is no float32: the pair is a tie there.
    close = batch([2.0**24 + 1], [2.0**24], [1])
    assert (measure(close, single).totals.ties, measure(close, double).totals.correct) == (1, 1)


def test_float32_report_is_rounded_to_float32() -> None:
    plan = Plan(dtype="float32", margin=0.1)
    found = reported(measure(batch([0.0] * 3, [0.0] * 3, [1] * 3), plan).totals, plan)
    assert found.sum == float(np.float32(3 * float(np.float32(0.1))))
    assert found.mean == found.min == found.max == float(np.float32(0.1))


@pytest.mark.parametrize(
    ("place", "value", "plan", "problem"),
    [
        (0, math.nan, Plan(), (rules.NAN, "x1", "nan")),
        (1, math.nan, Plan(), (rules.NAN, "x2", "nan")),
        (0, math.inf, Plan(), (rules.INFINITE, "x1", "inf")),
        (1, -math.inf, Plan(), (rules.INFINITE, "x2", "-inf")),
        (2, math.nan, Plan(), (rules.NAN, "y", "nan")),
        (2, 0, Plan(), ("label not ±1", "y", "0")),
        (2, 0.5, Plan(), ("label not ±1", "y", "0.5")),
        (2, -1, Plan(labels="01"), ("label not 0 or 1", "y", "-1")),
        (2, math.inf, Plan(labels="any"), ("label not finite", "y", "inf")),
        (0, 1e39, Plan(dtype="float32"), (rules.INFINITE, "x1", None)),
    ],
)
def test_problem_is_named_with_its_row_and_column(
    place: int, value: float, plan: Plan, problem: tuple[str, str, str | None]
) -> None:
    columns: list[list[float]] = [[1.0, 2.0, 3.0], [0.0, 1.0, 5.0], [1, 1, 1]]
    columns[place][1] = value
    found = measure(batch(columns[0], columns[1], columns[2], rows=[2, 17, 40]), plan)
    kind, column, shown = problem
    assert [(p.kind, p.file, p.row, p.column, p.row_word) for p in found.problems] == [
        (kind, "pairs.csv", 17, column, "line")
    ]
    assert shown is None or found.problems[0].value == shown
    assert found.totals.problems == {kind: ProblemCount(1, (found.problems[0],))}
    assert (found.totals.pairs, found.totals.rejected, found.totals.rows) == (2, 1, 3)
    assert found.used is not None
    assert found.used.tolist() == [True, False, True]


def test_rows_with_problems_leave_the_totals_of_the_others() -> None:
    plan = Plan(margin=0.5)
    others = measure(batch([1.0, 2.0], [2.0, 0.0], [1, -1]), plan).totals
    found = measure(batch([1.0, math.nan, 2.0], [2.0, 1.0, 0.0], [1, 5, -1], rows=[2, 3, 4]), plan)
    assert [(p.kind, p.row, p.column) for p in found.problems] == [(rules.NAN, 3, "x1"), ("label not ±1", 3, "y")]
    assert found.totals.rejected == 1
    assert found.totals + Totals() == Totals(
        others.loss_sum, others.pairs, 1, 0, others.min, others.max, others.correct, others.ties, others.wrong,
        others.active, tally(found.problems, {rules.NAN: 1, "label not ±1": 1}),
    )  # fmt: skip


def test_problems_of_every_block_have_their_own_rows() -> None:
    size, bad = BLOCK_VALUES + 10, [5, BLOCK_VALUES + 3]
    x1 = np.zeros(size)
    x1[bad] = math.nan
    found = measure(PairBatch("pairs.csv", x1, np.ones(size), np.ones(size), range(2, size + 2)), Plan())
    assert [problem.row for problem in found.problems] == [index + 2 for index in bad]
    assert (found.totals.pairs, found.totals.rejected, found.totals.rows) == (size - 2, 2, size)
    assert found.used is not None
    assert np.flatnonzero(~found.used).tolist() == bad


@pytest.mark.parametrize(
    ("x1", "y", "labels"),
    [
        (math.nan, 1, "pm1"),
        (math.inf, 1, "pm1"),
        (1.0, 0, "pm1"),
        (1.0, -1, "01"),
        (1.0, math.nan, "any"),
        (1e300, 1, "pm1"),
    ],
)
def test_batch_without_rows_is_handed_back_when_suspect(x1: float, y: float, labels: Labels) -> None:
    with pytest.raises(SuspectShardError):
        measure(batch([x1], [0.0], [y]), Plan(labels=labels))


def test_large_scores_are_suspect_but_no_problem() -> None:
    found = measure(batch([-1e300], [1e300], [1], rows=[2]), Plan())
    assert not found.problems
    assert (found.totals.pairs, found.totals.max) == (1, 2e300)


def test_problems_of_the_reader_and_of_the_checks_are_told_in_row_order() -> None:
    ragged = Problem(rules.RAGGED, "pairs.csv", 9, None, "4 fields")
    found = measure(batch([math.nan], [1.0], [1], rows=[2], problems=(ragged,)), Plan())
    assert [problem.kind for problem in found.problems] == [rules.NAN, rules.RAGGED]
    assert (found.totals.rejected, found.totals.rows) == (2, 2)
    assert set(found.totals.problems) == {rules.RAGGED, rules.NAN}


def test_only_the_first_problems_of_a_kind_are_kept() -> None:
    pairs = batch([math.nan] * 5, [1.0] * 5, [1] * 5, rows=[2, 3, 5, 7, 11])
    for plan, rows in ((Plan(), [2, 3, 5]), (Plan(lists_problems=True), [2, 3, 5, 7, 11])):
        found = measure(pairs, plan)
        counted = found.totals.problems[rules.NAN]
        assert counted.count == 5
        assert [problem.row for problem in found.problems] == rows
        assert [problem.row for problem in counted.first] == [2, 3, 5]


def test_inputs_are_left_as_they_are() -> None:
    given_batch = batch([3.0, 1.0], [1.0, 2.0], [0, 1])
    assert given_batch.y is not None
    before = [values.tobytes() for values in (given_batch.x1, given_batch.x2, given_batch.y)]
    measure(given_batch, Plan(labels="01", dtype="float32"))
    assert [values.tobytes() for values in (given_batch.x1, given_batch.x2, given_batch.y)] == before
