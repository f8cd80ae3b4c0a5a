"""Totals of pairs: hand-worked counts, sums that merge exactly, labels of every rule, problems with their rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES, ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Columns, Counts, Labels, Plan, Problem, ProblemCount, Role, problems, tally
from mrl_cli.reductions.measured import ACTIVE, BEYOND, INSIDE, TIE, WRONG, Measured
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.compute import ComputeReport, compute_report
from tests.each import each
from tests.measuring import totals_of


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
) -> Batch:
    numbers: dict[Role, Any] = {"x1": read_only(x1), "x2": read_only(x2)}
    numbers |= {} if y is None else {"y": read_only(y, labels_dtype)}
    return Batch("pairs.csv", numbers, rows, problems=problems, rejected_rows=len(problems))


def reported(totals: Totals, plan: Plan) -> ComputeReport:
    return compute_report(Counts(), totals, plan, inputs=("pairs.csv",))


#                        right, beyond   right, inside    tie   wrong   wrong
HAND_WORKED = batch([3.0, 1.0, 0.5, 1.0, 0.0], [1.0, 0.75, 0.5, 2.0, -4.0], [1, 1, -1, 1, -1])
HAND_WORKED_PLAN = Plan.of(margin=0.5)
HAND_WORKED_LOSSES = [0.0, 0.5 - 0.25, 0.5, 0.5 + 1.0, 0.5 + 4.0]


def test_counts_and_sum_are_the_hand_worked_ones() -> None:
    totals = totals_of(HAND_WORKED, HAND_WORKED_PLAN)
    assert totals == Totals(
        loss_sum=ExactSum.of(np.array(HAND_WORKED_LOSSES)),
        min=0.0,
        max=4.5,
        correct=2,
        ties=1,
        wrong=2,
        active=4,
        inside_margin=1,
    )
    assert totals.pairs == 5
    assert Measured(HAND_WORKED, HAND_WORKED_PLAN).counts == Counts(pairs=5, ones=3)
    assert Counts(pairs=5).rows == 5


def test_report_is_the_hand_worked_arithmetic() -> None:
    report = reported(totals_of(HAND_WORKED, HAND_WORKED_PLAN), HAND_WORKED_PLAN)
    assert report.sum == 0.0 + 0.25 + 0.5 + 1.5 + 4.5
    assert report.value == report.mean == (0.0 + 0.25 + 0.5 + 1.5 + 4.5) / 5
    assert (report.min, report.max) == (0.0, 4.5)
    assert report.accuracy == 2 / 5
    assert report.accuracy_half == (2 + 1 / 2) / 5
    assert (report.pairs, report.correct, report.ties, report.wrong, report.active) == (5, 2, 1, 2, 4)


@pytest.mark.parametrize(("reduction", "value"), [("mean", 1.35), ("sum", 6.75), ("none", None)])
def test_value_is_what_the_reduction_asks_for(reduction: Any, value: float | None) -> None:
    plan = Plan.of(margin=0.5, reduction=reduction)
    assert reported(totals_of(HAND_WORKED, plan), plan).value == value


@pytest.mark.parametrize("keeps", [{"losses", "states"}, {"losses"}, {"states"}, set()])
def test_losses_and_states_are_those_of_the_pairs_kept_or_asked_for(
    keeps: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    true_kernel, calls = LOSSES["margin_ranking"].kernel, []

    def kernel(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return true_kernel(*given, **named)

    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=kernel))
    measured = Measured(HAND_WORKED, HAND_WORKED_PLAN, keeps)
    assert len(list(measured.blocks())) == 1
    assert measured.used is None
    assert measured.losses.tolist() == HAND_WORKED_LOSSES == [0.0, 0.25, 0.5, 1.5, 4.5]
    assert measured.states.tolist() == [BEYOND, INSIDE + ACTIVE, TIE + ACTIVE, WRONG + ACTIVE, WRONG + ACTIVE]
    assert len(calls) == (1 if len(keeps) == 2 else 2), "what is kept is not computed again, and the rest once"


def test_report_over_nothing_has_a_sum_and_no_mean() -> None:
    report = reported(Totals(), Plan())
    assert report.sum == 0.0
    assert report.pairs == 0
    for number in (report.value, report.mean, report.min, report.max, report.accuracy, report.accuracy_half):
        assert isinstance(number, float)
        assert math.isnan(number)


def test_empty_batch_has_the_totals_of_nothing() -> None:
    totals, measured = totals_of(batch([], [], []), Plan()), Measured(batch([], [], []), Plan())
    assert totals + Totals() == totals
    assert (measured.counts, totals.pairs, float(totals.loss_sum or 0)) == (Counts(), 0, 0.0)
    assert measured.losses.shape == (0,)


scores = st.integers(-40, 40).map(lambda number: number / 10)
triples = st.lists(st.tuples(scores, scores, st.sampled_from([1.0, -1.0, 0.0, 7.0, math.nan])), max_size=40)


@given(triples, st.lists(st.integers(0, 40), max_size=4), st.sampled_from(["error", "drop"]))
@settings(deadline=None)
def test_any_split_merges_to_equal_totals(rows: list[tuple[float, float, float]], cuts: list[int], on_tie: Any) -> None:
    plan = Plan.of(margin=0.25, on_tie=on_tie, on_error="skip")

    def found_in(start: int, stop: int) -> tuple[Counts, Totals]:
        x1, x2, y = zip(*rows[start:stop], strict=True) if rows[start:stop] else ((), (), ())
        pairs = batch(x1, x2, y, rows=range(start + 2, stop + 2))
        return Measured(pairs, plan).counts, totals_of(pairs, plan)

    merged_counts, merged = Counts(), Totals()
    bounds = sorted(min(cut, len(rows)) for cut in cuts)
    for start, stop in pairwise([0, *bounds, len(rows)]):
        counts, totals = found_in(start, stop)
        merged_counts, merged = merged_counts + counts, merged + totals
    whole_counts, whole = found_in(0, len(rows))
    assert (merged_counts, merged) == (whole_counts, whole)
    assert whole_counts.rows == len(rows)
    assert whole_counts.pairs == whole.pairs == whole.correct + whole.ties + whole.wrong


@each("size", [BLOCK_VALUES - 1, BLOCK_VALUES, BLOCK_VALUES + 1, 2 * BLOCK_VALUES + 5])
@each("dtype", ["float64", "float32"])
def test_batch_of_many_blocks_has_the_totals_of_its_pairs(size: int, dtype: Any) -> None:
    random = np.random.default_rng(size)
    x1, x2 = (random.standard_normal(size) for _ in range(2))
    x2[::10] = x1[::10]
    y = random.choice([-1, 1], size).astype(np.int8)
    plan = Plan.of(margin=0.1, dtype=dtype)
    pairs = Batch("pairs.csv", {"x1": x1, "x2": x2, "y": y})
    agreement = y.astype(dtype) * (x1.astype(dtype) - x2.astype(dtype))
    losses = np.maximum(0.0, plan.loss.margin - agreement)
    assert Measured(pairs, plan).losses.tobytes() == losses.tobytes()
    assert Measured(pairs, plan).counts == Counts(pairs=size, ones=int(np.count_nonzero(pairs.numbers["y"] == 1)))
    assert totals_of(pairs, plan) == Totals(
        loss_sum=ExactSum.of(losses),
        min=0.0,
        max=float(losses.max()),
        correct=int((agreement > 0).sum()),
        ties=int((agreement == 0).sum()),
        wrong=int((agreement < 0).sum()),
        active=int((losses > 0).sum()),
        inside_margin=int(((agreement > 0) & (agreement < plan.loss.margin)).sum()),
    )


counted = st.integers(0, 9)


@given(st.lists(st.builds(Totals, min=scores, max=scores, correct=counted, ties=counted, wrong=counted), max_size=3))
@settings(deadline=None)
def test_totals_of_nothing_are_the_identity(parts: list[Totals]) -> None:
    for totals in (*parts, totals_of(HAND_WORKED, HAND_WORKED_PLAN), Totals()):
        assert totals + Totals() == totals == Totals() + totals


@given(st.builds(Counts, pairs=counted, rejected=counted, ties_dropped=counted, zero_weight=counted))
@settings(deadline=None)
def test_counts_of_nothing_are_the_identity(counts: Counts) -> None:
    assert counts + Counts() == counts == Counts() + counts


def test_totals_merge_every_field() -> None:
    left = Totals(ExactSum(1), -1.0, 4.0, 1, 2, 3, 4, 5, ExactSum(6), ExactSum(7), ExactSum(8))
    right = Totals(ExactSum(10), -10.0, 40.0, 10, 20, 30, 40, 50, ExactSum(60), ExactSum(70), ExactSum(80))
    sums = (ExactSum(66), ExactSum(77), ExactSum(88))
    assert left + right == Totals(ExactSum(11), -10.0, 40.0, 11, 22, 33, 44, 55, *sums)


def test_counts_merge_every_field() -> None:
    problem, another = (Problem(problems.NAN, "pairs.csv", row, "x1", "nan") for row in (2, 9))
    one, two = ProblemCount(4, (problem,)), ProblemCount(1, (another,))
    left = Counts(1, 2, 3, 4, 5, {problems.NAN: one}, {"0": one, "2": one}, ones=6)
    right = Counts(10, 20, 30, 40, 50, {problems.NAN: two}, {"7": two, "0": two}, ones=60)
    merged, labels = ProblemCount(5, (problem, another)), {"0": one + two, "2": one, "7": two}
    assert left + right == Counts(11, 22, 33, 44, 55, {problems.NAN: merged}, labels, ones=66)
    assert list((left + right).bad_labels) == ["0", "2", "7"]


@given(st.lists(st.sampled_from([*range(-20, 20), 0.25, 0.75, -1.5, 30.5]), min_size=1), st.data())
@settings(deadline=None)
def test_labels_are_counted_alike_however_rows_are_cut(labels: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(labels)))
    zeros, rows = [0.0] * len(labels), list(range(2, len(labels) + 2))
    parts = [
        Measured(batch(zeros[part], zeros[part], labels[part], rows=rows[part]), Plan()).counts
        for part in (slice(0, cut), slice(cut, None))
        if labels[part]
    ]
    whole = Measured(batch(zeros, zeros, labels, rows=rows), Plan()).counts
    assert sum(parts, Counts()) == whole
    bad = Counter(problems.label_kind(f"{label:g}") for label in labels if label not in (1, -1))
    assert {kind: known.count for kind, known in whole.bad_labels.items()}.items() <= bad.items()
    assert len(whole.bad_labels) == min(len(bad), problems.MOST_LABELS_NAMED)
    assert (whole.ones, whole.rejected) == (labels.count(1), bad.total())
    first = {kind: known.first[0].row for kind, known in whole.bad_labels.items()}
    kinds = [problems.label_kind(f"{label:g}") for label in labels]
    assert first == {kind: kinds.index(kind) + 2 for kind in first}


def test_nan_among_losses_is_their_min_and_max_wherever_it_stands() -> None:
    nan, one = Totals(wrong=1, min=math.nan, max=math.nan), Totals(wrong=1, min=1.0, max=1.0)
    for totals in (nan + one, one + nan, nan + Totals(), one + nan + one):
        assert math.isnan(totals.min)
        assert math.isnan(totals.max)


@pytest.mark.parametrize("labels_dtype", [np.float64, np.int64, np.int8, np.float32])
def test_labels_01_mean_minus_one_and_one(labels_dtype: Any) -> None:
    x1, x2 = [1.0, 1.0, 0.0], [0.5, 0.5, 2.0]
    zero_one = totals_of(batch(x1, x2, [1, 0, 0], labels_dtype=labels_dtype), Plan.of(labels="01", margin=0.25))
    assert zero_one == totals_of(batch(x1, x2, [1, -1, -1]), Plan.of(margin=0.25))
    assert (zero_one.correct, zero_one.wrong) == (2, 1)


@pytest.mark.parametrize("labels_dtype", [np.uint8, np.bool_])
def test_labels_01_that_cannot_be_negative_do_not_wrap(labels_dtype: Any) -> None:
    totals = totals_of(batch([1.0, 1.0], [0.0, 0.0], [1, 0], labels_dtype=labels_dtype), Plan.of(labels="01"))
    assert (totals.correct, totals.wrong, totals.max) == (1, 1, 1.0)


def test_tied_labels_are_dropped_and_counted() -> None:
    pairs, plan = batch([1.0, 1.0, 2.0], [2.0, 9.0, 2.0], [1, 0, -1]), Plan.of(on_tie="drop", margin=0.5)
    measured, totals = Measured(pairs, plan), totals_of(pairs, plan)
    assert measured.counts == Counts(pairs=2, ties_dropped=1, ones=1)
    assert (measured.counts.rows, totals.pairs, totals.ties, totals.wrong) == (3, 2, 1, 1)
    assert measured.losses.tolist() == [1.5, 0.5]
    assert measured.used is not None
    assert measured.used.tolist() == [True, False, True]


def test_tied_labels_of_every_block_are_counted() -> None:
    size = BLOCK_VALUES + 10
    y = np.ones(size)
    y[[5, BLOCK_VALUES + 3]] = 0
    pairs, plan = Batch("pairs.csv", {"x1": np.zeros(size), "x2": np.ones(size), "y": y}), Plan.of(on_tie="drop")
    assert Measured(pairs, plan).counts == Counts(pairs=size - 2, ties_dropped=2, ones=size - 2)
    assert totals_of(pairs, plan).pairs == size - 2


def test_all_labels_tied_leaves_nothing() -> None:
    measured = Measured(batch([1.0], [2.0], [0]), Plan.of(on_tie="drop"))
    assert (measured.counts, measured.counts.rows) == (Counts(ties_dropped=1), 1)
    assert measured.losses.shape == (0,)
    assert totals_of(batch([1.0], [2.0], [0]), Plan.of(on_tie="drop")).pairs == 0


@pytest.mark.parametrize(("y_const", "losses"), [(1, [0.0, 1.5]), (-1, [2.5, 0.0])])
def test_constant_label_is_that_of_every_pair(y_const: int, losses: list[float]) -> None:
    pairs, plan = batch([3.0, 1.0], [1.0, 2.0], None), Plan.of(columns=Columns(y=None), y_const=y_const, margin=0.5)
    assert Measured(pairs, plan).losses.tolist() == losses
    totals = totals_of(pairs, plan)
    assert (totals.correct, totals.wrong) == (1, 1)


def test_pairs_without_labels_have_the_first_score_above() -> None:
    measured = Measured(batch([3.0, 1.0], [1.0, 2.0], None), Plan.of(columns=Columns(y=None), margin=0.5))
    assert measured.losses.tolist() == [0.0, 1.5]


@each("loss", [name for name, loss in LOSSES.items() if loss.has_margin])
def test_pairs_inside_the_margin_are_those_below_it_whatever_the_loss(loss: str) -> None:
    parameters = tuple(LOSSES[loss].defaults.items())
    pairs = batch([3.0, 1.0, 0.5, 1.0], [1.0, 0.5, 0.0, 2.0], [1, 1, 1, 1], rows=range(4))
    states = Measured(pairs, Plan.of(loss=loss, margin=0.5, parameters=parameters)).states & ~np.uint8(ACTIVE)
    assert states.tolist() == [BEYOND, BEYOND, BEYOND, WRONG]
    states = Measured(pairs, Plan.of(loss=loss, margin=1.5, parameters=parameters)).states & ~np.uint8(ACTIVE)
    assert states.tolist() == [BEYOND, INSIDE, INSIDE, WRONG]


def test_infinite_losses_are_computed_without_a_warning() -> None:
    pairs = batch([-1e300, 1.0], [1e300, 0.0], [1, 1], rows=[2, 3])
    plan = Plan.of(loss="exponential", parameters=(("temperature", 1.0),))
    assert Measured(pairs, plan).losses.tolist() == [math.inf, math.exp(-1.0)]


def test_counts_hold_what_the_reader_left_out_and_put_in() -> None:
    #  filled and used, a weight 0, rejected though filled, a tie, used
    numbers: dict[Role, Any] = {"x1": [1.0, 2.0, math.nan, 1.0, 1.0], "x2": [0.0] * 5, "y": [1, 1, 7, 0, -1]}
    numbers |= {"weight": [1.0, 0.0, 1.0, 1.0, 2.0]}
    own = Problem("not a number", "pairs.csv", 5, "y", "often")
    pairs = Batch(
        "pairs.csv", {role: read_only(values) for role, values in numbers.items()}, range(2, 7), problems=(own,),
        rejected_rows=1, skipped_rows=3, unjudged_rows=4, missing_rows=5, missing_as_zero=6,
        filled={"weight": np.array([True, False, True, False, False])},
        list_sizes=np.array([2, 3]), paths={"a.b": None}, bad_labels={"often": ProblemCount(1, (own,))},
    )  # fmt: skip
    plan = Plan.of(columns=Columns(numbers=(("weight", "w"),)), on_tie="drop")
    measured = Measured(pairs, plan)
    kinds = [problems.NAN, "label not ±1", own.kind]
    assert [(problem.kind, problem.row) for problem in measured.problems] == list(zip(kinds, [4, 4, 5], strict=True))
    assert measured.counts == Counts(
        pairs=2, rejected=2, ties_dropped=1, zero_weight=1, labels_skipped=3, filled_weight=1, unjudged=4, missing=5,
        missing_as_zero=6, problems=tally(measured.problems, dict.fromkeys(kinds, 1)),
        bad_labels={"often": ProblemCount(1, (own,)), "7": ProblemCount(1, (measured.problems[1],))},
        paths={("pairs.csv", "a.b"): None}, file_rows=3, ones=2,
    )  # fmt: skip
    assert measured.used is not None
    assert measured.used.tolist() == [True, False, False, False, True]


def test_items_of_lists_stay_whatever_their_weight() -> None:
    pairs, columns = batch([1.0, 2.0], [0.0, 0.0], [1, 0]), Columns(numbers=(("weight", "w"),))
    pairs = pairs.with_numbers({"weight": np.array([0.0, 1.0])})
    assert Measured(pairs, Plan.of(labels="relevance", columns=columns)).counts == Counts(pairs=2)
    assert Measured(pairs, Plan.of(labels="01", columns=columns)).counts == Counts(pairs=1, zero_weight=1, ones=1)


def test_labels_any_are_taken_as_they_are() -> None:
    pairs, plan = batch([1.0] * 4, [3.0] * 4, [0.5, -2.0, 0.0, 3.0]), Plan.of(labels="any", margin=0.25)
    assert Measured(pairs, plan).losses.tolist() == [0.25 + 0.5 * 2, 0.0, 0.25, 0.25 + 3.0 * 2]
    totals = totals_of(pairs, plan)
    assert (totals.correct, totals.ties, totals.wrong) == (1, 1, 2)


def test_float32_rounds_scores_before_they_are_subtracted() -> None:
    single, double = (Plan.of(margin=0.1, dtype=dtype) for dtype in ("float32", "float64"))
    pair = batch([0.3], [0.2], [1])
    assert totals_of(pair, single).active == 0
    assert totals_of(pair, double).active == 1
    # 2**24 + 1 is no float32: the pair is a tie there.
    close = batch([2.0**24 + 1], [2.0**24], [1])
    assert (totals_of(close, single).ties, totals_of(close, double).correct) == (1, 1)


def test_float32_report_is_rounded_to_float32() -> None:
    plan = Plan.of(dtype="float32", margin=0.1)
    report = reported(totals_of(batch([0.0] * 3, [0.0] * 3, [1] * 3), plan), plan)
    assert report.sum == float(np.float32(3 * float(np.float32(0.1))))
    assert report.mean == report.min == report.max == float(np.float32(0.1))


@each(
    ("place", "value", "plan", "problem"),
    [
        (0, math.nan, Plan(), (problems.NAN, "x1", "nan")),
        (1, math.nan, Plan(), (problems.NAN, "x2", "nan")),
        (0, math.inf, Plan(), (problems.INFINITE, "x1", "inf")),
        (1, -math.inf, Plan(), (problems.INFINITE, "x2", "-inf")),
        (2, math.nan, Plan(), (problems.NAN, "y", "nan")),
        (2, 0, Plan(), ("label not ±1", "y", "0")),
        (2, 0.5, Plan(), ("label not ±1", "y", "0.5")),
        (2, -1, Plan.of(labels="01"), ("label not 0 or 1", "y", "-1")),
        (2, math.inf, Plan.of(labels="any"), ("label not finite", "y", "inf")),
        (0, 1e39, Plan.of(dtype="float32"), (problems.INFINITE, "x1", None)),
    ],
)
def test_problem_is_named_with_its_row_and_column(
    place: int, value: float, plan: Plan, problem: tuple[str, str, str | None]
) -> None:
    columns: list[list[float]] = [[1.0, 2.0, 3.0], [0.0, 1.0, 5.0], [1, 1, 1]]
    columns[place][1] = value
    measured = Measured(batch(columns[0], columns[1], columns[2], rows=[2, 17, 40]), plan)
    kind, column, text = problem
    assert [(p.kind, p.file, p.row, p.column, p.row_word) for p in measured.problems] == [
        (kind, "pairs.csv", 17, column, "line")
    ]
    assert text is None or measured.problems[0].value == text
    tallied = {kind: ProblemCount(1, (measured.problems[0],))}
    label = problems.label_kind(text) if column == "y" and text is not None else None
    bad_labels = {} if label is None else {label: tallied[kind]}
    ones = 0 if plan.rules.labels == "any" else 2
    assert measured.counts == Counts(pairs=2, rejected=1, problems=tallied, bad_labels=bad_labels, ones=ones)
    assert measured.counts.rows == 3
    assert measured.used is not None
    assert measured.used.tolist() == [True, False, True]


def test_rows_with_problems_leave_the_totals_of_the_others() -> None:
    plan = Plan.of(margin=0.5)
    pairs = batch([1.0, math.nan, 2.0], [2.0, 1.0, 0.0], [1, 5, -1], rows=[2, 3, 4])
    measured = Measured(pairs, plan)
    assert [(p.kind, p.row, p.column) for p in measured.problems] == [(problems.NAN, 3, "x1"), ("label not ±1", 3, "y")]
    tallied = tally(measured.problems, {problems.NAN: 1, "label not ±1": 1})
    five = {"5": ProblemCount(1, (measured.problems[1],))}
    assert measured.counts == Counts(2, 1, problems=tallied, bad_labels=five, ones=1)
    assert totals_of(pairs, plan) == totals_of(batch([1.0, 2.0], [2.0, 0.0], [1, -1]), plan)


def test_problems_of_every_block_have_their_own_rows() -> None:
    size, bad = BLOCK_VALUES + 10, [5, BLOCK_VALUES + 3]
    x1 = np.zeros(size)
    x1[bad] = math.nan
    numbers: dict[Role, Any] = {"x1": x1, "x2": np.ones(size), "y": np.ones(size)}
    measured = Measured(Batch("pairs.csv", numbers, range(2, size + 2)), Plan())
    assert [problem.row for problem in measured.problems] == [index + 2 for index in bad]
    assert (measured.counts.pairs, measured.counts.rejected, measured.counts.rows) == (size - 2, 2, size)
    assert measured.used is not None
    assert np.flatnonzero(~measured.used).tolist() == bad


@each(
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
        _ = Measured(batch([x1], [0.0], [y]), Plan.of(labels=labels)).counts


def test_large_scores_are_suspect_but_no_problem() -> None:
    pairs = batch([-1e300], [1e300], [1], rows=[2])
    measured, totals = Measured(pairs, Plan()), totals_of(pairs, Plan())
    assert not measured.problems
    assert (measured.counts, totals.pairs, totals.max) == (Counts(pairs=1, ones=1), 1, 2e300)


def test_problems_of_the_reader_and_of_the_checks_are_in_row_order() -> None:
    ragged = Problem(problems.RAGGED, "pairs.csv", 9, None, "4 fields")
    measured = Measured(batch([math.nan], [1.0], [1], rows=[2], problems=(ragged,)), Plan())
    assert [problem.kind for problem in measured.problems] == [problems.NAN, problems.RAGGED]
    assert (measured.counts.rejected, measured.counts.rows) == (2, 2)
    assert set(measured.counts.problems) == {problems.RAGGED, problems.NAN}


def test_only_the_first_problems_of_a_kind_are_kept() -> None:
    pairs = batch([math.nan] * 5, [1.0] * 5, [1] * 5, rows=[2, 3, 5, 7, 11])
    for plan, rows in ((Plan(), [2, 3, 5]), (Plan.of(lists_problems=True), [2, 3, 5, 7, 11])):
        measured = Measured(pairs, plan)
        of_kind = measured.counts.problems[problems.NAN]
        assert of_kind.count == 5
        assert [problem.row for problem in measured.problems] == rows
        assert [problem.row for problem in of_kind.first] == [2, 3, 5]


def test_inputs_are_left_as_they_are() -> None:
    given_batch = batch([3.0, 1.0], [1.0, 2.0], [0, 1])
    assert given_batch.y is not None
    before = [values.tobytes() for values in (given_batch.x1, given_batch.x2, given_batch.y)]
    totals_of(given_batch, Plan.of(labels="01", dtype="float32"))
    assert [values.tobytes() for values in (given_batch.x1, given_batch.x2, given_batch.y)] == before
