"""What holds of every reduction: no pairs change nothing, any cut gives the same whole, and order is kept."""

from __future__ import annotations

import io
import pickle
import pkgutil
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, reduce
from importlib import import_module
from itertools import pairwise
from operator import eq, gt, lt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mrl_cli.reductions
from mrl_cli.engines.base import Part
from mrl_cli.errors import DataError
from mrl_cli.exact import ExactSum
from mrl_cli.model import Batch, Columns, Counts, Plan
from mrl_cli.reductions.base import CountsReduction, Reduction
from mrl_cli.reductions.benchmarks import BENCHMARKS, RewardBench2, RewardBench2Reduction
from mrl_cli.reductions.cellsums import CellSumsReduction
from mrl_cli.reductions.contrast import ContrastReduction
from mrl_cli.reductions.curve import CurveReduction
from mrl_cli.reductions.documents import DocumentsReduction, UnjudgedReduction, refuse_unjudged
from mrl_cli.reductions.gathered import GatherReduction
from mrl_cli.reductions.histogram import HistogramReduction
from mrl_cli.reductions.joint import ModelsReduction
from mrl_cli.reductions.ledger import Ledger, LedgerReduction, LedgerRows
from mrl_cli.reductions.lists import ListsReduction
from mrl_cli.reductions.look import GRIDS, Look, LookReduction
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.pagequeries import Accuracies, PageQueriesConsumer
from mrl_cli.reductions.parts import PartsReduction
from mrl_cli.reductions.queryweights import QueryWeightReduction
from mrl_cli.reductions.repeats import RepeatsReduction
from mrl_cli.reductions.rows import RejectsReduction, RowsReduction, writer_for
from mrl_cli.reductions.totals import Totals, TotalsReduction, WeightReduction
from mrl_cli.reductions.worst import WorstOfTask, WorstReduction
from mrl_cli.reports.compute import compute_reductions, totals_and_ledger
from tests.each import each, examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Role

SIZE = 60
PLAN = Plan.of(
    columns=Columns(numbers=(("weight", "w"), ("x1_b", "u"), ("x2_b", "v")), keys=(("group", "g"), ("cluster", "c"))),
    margin=0.25,
    on_error="skip",
    on_tie="drop",
    lists_problems=True,
)


def pairs() -> Batch:
    """Return pairs of every state, with bad scores, bad and tied labels, weights of 0, and two kinds of keys."""
    random = np.random.default_rng(1)
    scores: tuple[Role, ...] = ("x1", "x2", "x1_b", "x2_b")
    numbers: dict[Role, NDArray[Any]] = {role: random.integers(-9, 9, SIZE) / 8 + 0.1 for role in scores}
    numbers["x1"][::17] = np.nan
    numbers["y"] = random.choice([1.0, -1.0, -1.0, 1.0, 0.0, 7.0], SIZE)
    numbers["weight"] = random.choice([0.0, 0.1, 2.5, 1e-300], SIZE)
    keys: dict[Role, pa.Array] = {
        "group": pa.array(random.integers(0, 3, SIZE).astype(str).tolist()),
        "cluster": pa.array(random.integers(0, 9, SIZE).astype(str).tolist()),
    }
    return Batch("pairs.csv", numbers, range(2, SIZE + 2), keys=keys)


PAIRS = pairs()


def piece(start: int, stop: int) -> Batch:
    """Return neighbouring pairs as a batch."""
    keys = {role: column[start:stop] for role, column in PAIRS.keys.items()}
    numbers = {role: values[start:stop] for role, values in PAIRS.numbers.items()}
    return Batch(PAIRS.file, numbers, PAIRS.rows[start:stop] if PAIRS.rows else None, keys=keys)


class Case:
    """A reduction, and what can be compared of what it makes of all pairs."""

    def __init__(self, reduction: Any, seen: Callable[[Any], Any] = lambda whole: whole) -> None:
        self.reduction, self.seen = reduction, seen


def totals_case() -> Case:
    return Case(TotalsReduction(squares=True, describes=True))


def ledger_case() -> Case:
    return Case(LedgerReduction(squares=True, describes=True), lambda ledger: list(ledger.totals()))


def test_the_total_of_a_ledger_is_that_of_its_pairs() -> None:
    measured, adds = Measured(PAIRS, PLAN), {"squares": True, "describes": True}
    reduction = LedgerReduction(**adds)
    ledger = reduction.merge(reduction.whole(), reduction.add(reduction.empty(), measured), None)
    assert ledger.arrays()[0].dtype == np.int64
    assert ledger.total == TotalsReduction(**adds).add(Totals(), measured)
    assert ledger.total.weight_sum == WeightReduction().add(ExactSum(), measured)
    twice = reduction.packed(reduction.add(reduction.add([], measured), measured))
    assert [len(block.keys[0]) for block in twice] == [len(ledger)]  # as much as of one batch
    assert LedgerReduction().whole().total == Totals()
    no_keys = PLAN.changed(columns=Columns(numbers=PLAN.columns.numbers))
    assert LedgerReduction().add([], Measured(PAIRS, no_keys)) == LedgerReduction().add([], Measured(piece(0, 0), PLAN))


@each(("has_differences", "squares"), [(False, False), (False, True), (True, False), (True, True)])
def test_losses_below_a_margin_of_0_add_up_to_those_of_each_pair(has_differences: bool, squares: bool) -> None:
    d = np.random.default_rng(2).integers(-9, 9, SIZE) / 8 * 1.1
    losses = np.maximum(0.0, -d)
    numbers: dict[Any, Any] = {"x1": d, "x2": np.zeros(SIZE), "y": np.ones(SIZE)}
    reduction = TotalsReduction(squares=squares, describes=True, has_differences=has_differences)
    totals = reduction.add(Totals(), Measured(Batch("", numbers), Plan(), reduction.needs))
    sums = (None, None) if has_differences else (ExactSum.of(d), ExactSum.of(losses))
    assert (totals.difference_sum, totals.loss_sum) == sums
    assert totals.difference_square_sum == ExactSum.of_products(d, d)
    assert totals.square_sum == (ExactSum.of_products(losses, losses) if squares else None)


def test_key_that_a_block_has_twice_is_one_of_the_ledger() -> None:
    losses, states = np.array([1.0, 2.0, 4.0]), np.zeros(3, np.uint8)
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["a", "a", "b"]))
    ledger = Ledger()
    for column in (pa.array(["a", "b", "c"]), twice):  # c is the last, and not of the second block
        ledger.add(LedgerRows.of([column], losses, states).summed())
    counted = {key: (of.pairs, of.min, of.max, float(of.loss_sum or 0)) for key, of in ledger.totals()}
    assert counted == {("a",): (3, 1.0, 2.0, 4.0), ("b",): (2, 2.0, 4.0, 6.0), ("c",): (1, 4.0, 4.0, 4.0)}


def seen_contrasts(whole: Any) -> Any:
    clusters = [] if whole.by_cluster is None else whole.by_cluster.entries()
    return (
        [(key, contrast) for key, _, contrast in whole.groups()],
        [(key, counts.tolist(), sums) for key, _, counts, sums in clusters],
        None if whole.drawn is None else whole.drawn.sums.tolist(),
    )


def contrast_case(*keys: tuple[Role, str]) -> Callable[[], Case]:
    columns = Columns(numbers=PLAN.columns.numbers, keys=keys)
    return lambda: Case(ContrastReduction(PLAN.changed(columns=columns), samples=10, seed=0), seen_contrasts)


def seen_histogram(whole: Any) -> Any:
    cells = whole.met()
    sums = {name: [sums.at(place) for place in cells.tolist()] for name, sums in whole.sums.items()}
    return whole.cells.codes[cells].tolist(), whole.counts[cells].tolist(), sums


def swept(loss: str, **parameters: float) -> Callable[[], Case]:
    def case() -> Case:
        reduction = CurveReduction(loss, [0.5, 0.0, 0.1, -2.0], "float64", parameters)
        return Case(reduction, reduction.points)

    return case


def rows_case() -> Case:
    out = io.BytesIO()
    return Case(RowsReduction(writer_for("csv", out, bare=False), ends_at_problems=False), lambda _: out.getvalue())


def rejects_case() -> Case:
    out = io.BytesIO()
    return Case(RejectsReduction(out, "rejects.jsonl"), lambda _: out.getvalue())


def seen_models(whole: Any) -> Any:
    contrasts, joint = whole
    return seen_contrasts(contrasts), joint.codes.tolist(), joint.counts.tolist()


CASES: dict[str, Callable[[], Case]] = {
    "counts": lambda: Case(CountsReduction()),
    "totals": totals_case,
    "weight": lambda: Case(WeightReduction()),
    "histogram": lambda: Case(HistogramReduction(), seen_histogram),
    "sums by cell": lambda: Case(CellSumsReduction(PLAN, [0.4, 1.1]), seen_histogram),
    "sums by cell of a square": lambda: Case(CellSumsReduction(PLAN.changed(loss="squared_hinge")), seen_histogram),
    "sums by cell of losses": lambda: Case(CellSumsReduction(PLAN.changed(loss="logistic")), seen_histogram),
    "look": lambda: Case(LookReduction()),
    "ledger": ledger_case,
    "contrast by group": contrast_case(("group", "g")),
    "clustered contrast by group": contrast_case(("group", "g"), ("cluster", "c")),
    "models": lambda: Case(ModelsReduction(PLAN), seen_models),
    "worst": lambda: Case(WorstReduction(5), lambda worst: [pair[:5] for pair in worst]),
    "hinge": swept("margin_ranking"),
    "squared hinge": swept("squared_hinge"),
    "logistic": swept("logistic", temperature=1.0),
    "rows": rows_case,
    "rejects": rejects_case,
}


def reduced(case: Case, tasks: Iterable[Sequence[tuple[int, int]]]) -> Any:
    """Return what a reduction comes to over tasks, each of which is batches from one place to another."""
    reduction = case.reduction
    whole = reduction.whole()
    for batches in tasks:
        state, counts = reduction.empty(), Counts()
        for start, stop in batches:
            measured = Measured(piece(start, stop), PLAN, reduction.needs)
            state = reduction.add(state, measured)
            counts += measured.counts
        whole = reduction.merge(whole, state, Part(None, counts, [state]))  # type: ignore[arg-type]
    return case.seen(whole)


@each("name", CASES)
def test_what_a_worker_sends_back_is_joined_to_the_same_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.ledger.FEWEST_WAITING", 1)
    expected = expected_of(name)
    case = CASES[name]()
    if not case.reduction.joins:
        assert name in ("rows", "worst")
        return
    # Reductions and states go to a worker and back as bytes.
    elsewhere = pickle.loads(pickle.dumps(case.reduction))
    states = []
    for start, stop in pairwise([0, 7, 7, 40, SIZE]):
        measured = Measured(piece(start, stop), PLAN, elsewhere.needs)
        states.append(pickle.loads(pickle.dumps(elsewhere.add(elsewhere.empty(), measured))))
    joined = elsewhere.packed(reduce(elsewhere.join, states))
    whole = case.reduction.merge(case.reduction.whole(), joined, Part(None, Counts(), [joined]))  # type: ignore[arg-type]
    assert case.seen(whole) == expected


PARTS = PartsReduction("csv", ".csv", lambda _: nullcontext(io.BytesIO()), bare=False)


@each("name", [*CASES, "parts"])
def test_what_is_asked_for_of_a_whole_batch_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, whole = set[str](), Measured._whole

    def noted(measured: Measured, of: str) -> NDArray[Any]:
        asked.add(of)
        return whole(measured, of)

    monkeypatch.setattr(Measured, "_whole", noted)
    reduction = CASES[name]().reduction if name in CASES else PARTS
    reduction.add(reduction.empty(), Measured(PAIRS, PLAN, reduction.needs))
    assert asked <= reduction.needs <= {"losses", "states", "differences"}


@cache
def expected_of(name: str) -> Any:
    """Return what a reduction finds in all pairs at once."""
    return reduced(CASES[name](), [[(0, SIZE)]])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@examples(25)
def test_any_cut_into_batches_and_tasks_gives_the_same_whole(name: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, SIZE), max_size=8)))
    batches = list(pairwise([0, *cuts, SIZE]))
    edges = sorted(data.draw(st.lists(st.integers(0, len(batches)), max_size=3)))
    tasks = [batches[start:stop] for start, stop in pairwise([0, *edges, len(batches)])]
    assert reduced(CASES[name](), tasks) == expected_of(name)


@each("name", CASES)
def test_no_pairs_change_nothing(name: str) -> None:
    expected = expected_of(name)
    assert reduced(CASES[name](), [[], [(0, 0), (0, SIZE), (SIZE, SIZE)], [(SIZE, SIZE)], []]) == expected


@pytest.mark.slow
@each("name", CASES)
def test_what_is_lost_or_counted_twice_shows(name: str) -> None:
    expected = expected_of(name)
    if name != "look":  # which sees of scores and labels only where they lie
        assert reduced(CASES[name](), [[(0, SIZE)], [(0, SIZE)]]) != expected
    assert reduced(CASES[name](), []) != expected


# Rows and lists stay in input order, and so do the first few problems; what else there is adds up in any order.
ORDERED = {"rows", "rejects", "counts"}


@each("name", CASES)
def test_order_is_kept_or_does_not_matter(name: str) -> None:
    forward = reduced(CASES[name](), [[(0, 20)], [(20, SIZE)]])
    backward = reduced(CASES[name](), [[(20, SIZE)], [(0, 20)]])
    assert (forward != backward) == (name in ORDERED)


@each("name", ["totals", "weight", "look", "counts", "hinge", "squared hinge", "logistic"])
def test_states_merge_in_any_grouping(name: str) -> None:
    case = CASES[name]()
    first, second, third = (
        case.reduction.add(case.reduction.empty(), Measured(piece(*bounds), PLAN, case.reduction.needs))
        for bounds in ((0, 7), (7, 31), (31, SIZE))
    )
    empty = case.reduction.empty()
    assert case.seen((first + second) + third) == case.seen(first + (second + third))
    assert case.seen(empty + first) == case.seen(first + empty) == case.seen(first)


@pytest.mark.slow
def test_states_of_no_pairs_are_new_ones() -> None:
    for make in CASES.values():
        case = make()
        state = case.reduction.add(case.reduction.empty(), Measured(piece(0, SIZE), PLAN, case.reduction.needs))
        del state
        again = reduced(make(), [[(0, SIZE)]])
        assert reduced(case, [[(0, SIZE)]]) == again


def test_every_reduction_of_the_room_has_a_case() -> None:
    for module in pkgutil.iter_modules(mrl_cli.reductions.__path__):
        import_module(f"mrl_cli.reductions.{module.name}")
    kinds = {*Reduction.__subclasses__(), *HistogramReduction.__subclasses__()}
    room = {kind for kind in kinds if kind.__module__.startswith("mrl_cli.reductions")}
    room -= {ListsReduction, GatherReduction, QueryWeightReduction}  # of lists: test_list_reductions
    room -= {DocumentsReduction, UnjudgedReduction, *BENCHMARKS.values()}  # test_files_beside, test_list_presets
    room -= {RepeatsReduction, PartsReduction}  # test_rank, test_parts
    assert room == {type(make().reduction) for make in CASES.values()}


def test_contrast_is_that_of_a_loop_over_pairs() -> None:
    measured = Measured(PAIRS, PLAN)
    x1, x2, x1_b, x2_b, y = (measured.pairs.numbers[role].tolist() for role in ("x1", "x2", "x1_b", "x2_b", "y"))
    d_a, d_b = ([s * (a - b) for s, a, b in zip(y, *of, strict=True)] for of in ((x1, x2), (x1_b, x2_b)))
    loss_a, loss_b = ([max(0.0, 0.25 - d) for d in of] for of in (d_a, d_b))
    right_a, right_b = ([d > 0 for d in of] for of in (d_a, d_b))
    for keys in ((), (("group", "g"),), (("group", "g"), ("cluster", "c"))):
        plan = PLAN.changed(columns=Columns(numbers=PLAN.columns.numbers, keys=keys))
        reduction = ContrastReduction(plan, samples=10, seed=0)
        (batch,) = reduction.add([], Measured(PAIRS, plan))
        if len(keys) < 2:
            assert batch.differences.tolist() == [a - b for a, b in zip(loss_a, loss_b, strict=True)]
            assert batch.outcomes.tolist() == [a - b for a, b in zip(right_a, right_b, strict=True)]
        whole = reduction.whole()
        whole += [batch]
        total = whole.total
        assert (total.wins, total.ties, total.losses) == tuple(
            sum(compare(a, b) for a, b in zip(loss_a, loss_b, strict=True)) for compare in (lt, eq, gt)
        )
        assert (total.only_a, total.only_b, total.both) == tuple(
            list(zip(right_a, right_b, strict=True)).count(of) for of in ((True, False), (False, True), (True, True))
        )
        for model, d, losses in ((total.a, d_a, loss_a), (total.b, d_b, loss_b)):
            assert model.loss_sum == ExactSum.of(np.array(losses))
            assert (model.wrong, model.ties, model.correct) == tuple(
                sum(compare(value, 0) for value in d) for compare in (lt, eq, gt)
            )
        gaps = np.subtract(loss_a, loss_b)
        assert (total.differences, total.squares) == (ExactSum.of(gaps), ExactSum.of_products(gaps, gaps))


def test_infinite_losses_of_both_models_have_no_difference() -> None:
    far: dict[Any, Any] = {role: np.array([1e308]) for role in ("x1", "x1_b")}
    numbers = far | {role: np.array([-1e308]) for role in ("x2", "x2_b")} | {"y": np.array([-1.0])}
    plan = Plan.of(columns=Columns(numbers=(("x1_b", "u"), ("x2_b", "v"))))
    (batch,) = ContrastReduction(plan, samples=10, seed=0).add([], Measured(Batch("", numbers, [2]), plan))
    assert np.isnan(batch.differences).all()


def test_a_contrast_has_sums_for_no_key_twice_where_those_that_are_the_same_follow_one_another() -> None:
    size, pairs_of_key = 20_000, 4  # of whose keys a sample has hardly two that are the same
    column = pa.array(np.arange(size) // pairs_of_key * 10**6)
    numbers: dict[Any, Any] = {role: np.ones(size) for role in ("x1", "x2", "x1_b", "x2_b", "y")}
    plan = Plan.of(columns=Columns(numbers=(("x1_b", "u"), ("x2_b", "v")), keys=(("group", "g"),)))
    measured = Measured(Batch("", numbers, keys={"group": column}), plan)
    (batch,) = ContrastReduction(plan, samples=0, seed=0).add([], measured)
    assert batch.groups.size == size // pairs_of_key


def test_lists_are_in_the_bar_of_their_accuracy() -> None:
    lists = [(0, 0), (0, 5), (1, 20), (3, 4), (2, 3), (19, 20), (99, 100), (5, 5), (1, 1)]  # correct, pairs
    correct, pairs = np.array(lists).T
    bars, perfect, without_pairs = Accuracies.of(correct, pairs)
    assert {bar: count for bar, count in enumerate(bars.tolist()) if count} == {0: 1, 1: 1, 13: 1, 15: 1, 19: 2}
    assert (bars.size, perfect, without_pairs) == (20, 2, 1)
    twice = Accuracies.of(correct, pairs).merged(Accuracies.of(correct[[0, 7]], pairs[[0, 7]]))
    assert (twice.bars.tolist(), *twice[1:]) == (bars.tolist(), 3, 2)


@pytest.mark.slow
@each("most", [0, 1, 2, 3, 9])
def test_worst_lists_are_those_of_the_greatest_losses_and_the_first_by_their_keys(most: int) -> None:
    means = {"e": 2.0, "c": 1.0, "d": 1.0, "a": 1.0, "none": 0.0, "b": 1.0}
    queries = np.repeat(list(means), 2)
    numbers: dict[Any, Any] = {"y": np.arange(12) % 2 * 1.0, "score": np.repeat([*means.values()], 2)}
    numbers["score"][1::2] = 0
    plan = Plan.of(columns=Columns(None, None, "y", (("score", "s"),), (("query", "q"),)), labels="relevance")
    reduction = ListsReduction(plan, PageQueriesConsumer(plan, most, keeps_clusters=False))
    for size in (12, 4):
        whole = reduction.whole()
        for start in range(0, 12, size):
            here = slice(start, start + size)
            batch = Batch("", {role: of[here] for role, of in numbers.items()}, range(12)[here])
            batch = replace(batch, keys={"query": pa.array(queries[here].tolist())})
            whole = reduction.merge(whole, reduction.add(reduction.empty(), Measured(batch, plan)), None)
        found = reduction.settled(whole)
        assert [(worst.key, worst.sum, worst.mean) for worst in found.worst] == [
            ((key,), means[key], means[key]) for key in "eabcd"[:most]
        ]
        assert all(worst.counts == found.worst[0].counts for worst in found.worst)
        # The list "none" has a tie.
        assert [(bar, count) for bar, count in enumerate(found.accuracies.bars.tolist()) if count] == [(0, 6)]
        assert found.accuracies[1:] == (0, 0)


def test_worst_pairs_are_the_first_of_the_greatest_losses() -> None:
    plan, reduction = Plan.of(on_tie="drop"), WorstReduction(3)

    def of(*losses: float) -> Measured:
        numbers: dict[Any, Any] = {"x1": -np.array(losses), "x2": np.zeros(len(losses)), "y": np.ones(len(losses))}
        numbers["y"][0] = 0  # the first one is dropped
        return Measured(Batch("", numbers, range(2, len(losses) + 2)), plan)

    state = reduction.add(reduction.empty(), of(9.0, 1.0, 0.5, 1.0, 5.0, 1.0, 1.0))
    assert [(pair.loss, pair.place, pair.row) for pair in state.pairs] == [(5.0, 4, 6), (1.0, 1, 3), (1.0, 3, 5)]
    assert reduction.add(state, of(9.0, 0.5, 1.0)) == state._replace(rows=10)
    state = reduction.add(state, of(9.0, 0.5, 2.0, 3.0))
    assert [(pair.loss, pair.place) for pair in state.pairs] == [(5.0, 4), (3.0, 10), (2.0, 9)]
    assert len(reduction.add(reduction.empty(), of(9.0, 0.25, 0.5)).pairs) == 2  # that task may not stand
    assert len(reduction.merge([], state, Part(None, Counts(), []))) == 3  # type: ignore[arg-type]
    assert reduction.add(reduction.empty(), of(9.0, 0.25, 0.5)) == (3, ())  # it has three that are worse
    assert [pair.loss for pair in reduction.add(reduction.empty(), of(9.0, 2.0, 0.5)).pairs] == [2.0]  # or as bad
    assert [pair.loss for pair in WorstReduction(3).add(WorstOfTask(), of(9.0, 0.0, 1.0)).pairs] == [1.0]
    one, of_nan = (state.pairs[0]._replace(loss=loss) for loss in (1.0, np.nan))
    whole = reduction.merge([one], WorstOfTask(1, (of_nan,)), Part(None, Counts(), []))  # type: ignore[arg-type]
    assert [str(pair.loss) for pair in whole] == ["nan", "1.0"]


def test_a_look_sees_labels_and_margins_behind_the_first_few() -> None:
    numbers: dict[Any, Any] = {"x1": np.full(200, 0.5), "x2": np.full(200, 0.25), "y": np.ones(200)}

    def seen(plan: Plan, **others: Any) -> Look:
        has_booleans = others.pop("has_booleans", False)
        batch = Batch("", numbers | others, range(200), has_booleans=has_booleans)
        return LookReduction().add(Look(), Measured(batch, plan))

    last = np.where(np.arange(200) < 199, 1.0, -1.0)
    look = seen(Plan(), y=last)
    assert (look.lowest_label, look.highest_label) == (-1.0, 1.0)
    assert GRIDS.keys() - {name for bit, name in enumerate(GRIDS) if look.grids >> bit & 1} == {
        "no decimals",
        "at most 1 decimal",
    }
    with_margins = seen(Plan.of(columns=Columns(numbers=(("margin", "m"),))), y=last, margin=last / 4)
    assert with_margins == replace(look, margin_gap=0.0, reach=0.25)
    of_any = Plan.of(columns=Columns(numbers=(("margin", "m"),)), labels="any")
    assert seen(of_any, y=last, margin=last / 4, has_booleans=True) == replace(
        look, margin_gap=0.0, reach=0.25, has_booleans=True, codes=Counter({1.0: 199, -1.0: 1})
    )
    assert seen(Plan.of(labels="any"), y=last) == replace(look, codes=Counter({1.0: 199, -1.0: 1}))
    codes = [seen(Plan.of(labels="any"), y=np.arange(200.0) % count).codes for count in (16, 17)]
    assert codes == [Counter(np.arange(200) % 16), None]
    assert seen(Plan.of(labels="probability")) == Look(look.grids)
    lists = Plan.of(columns=Columns(None, None, "y", (("score", "s"),), (("query", "q"),)), labels="relevance")
    assert seen(lists, y=last * 3, score=np.full(200, 0.25)) == Look(look.grids, -3.0, 3.0, smallest=3.0)


def test_rejects_of_a_run_that_reads_again_begin_anew() -> None:
    head = b"file,row,column,value,problem\n"
    for path, start in (("rejects.csv", head), ("rejects.JSONL", b""), ("r.ndjson", b"")):
        out = io.BytesIO()
        reduction = RejectsReduction(out, path)
        assert out.getvalue() == start
        reduction.merge(None, reduction.add([], Measured(PAIRS, PLAN)), None)
        assert len(out.getvalue()) > len(start)
        reduction.restart()
        assert (out.getvalue(), out.tell()) == (start, len(start))


def test_rows_of_a_part_that_follow_a_batch_of_none_are_written() -> None:
    out = io.BytesIO()
    reduction = PartsReduction("csv", ".csv", lambda _: nullcontext(out), bare=False)
    batches = [Measured(piece(*bounds), PLAN) for bounds in ((0, 0), (0, 9), (9, 9), (9, 20))]
    part = reduction.sink("0")
    assert part.take(reduce(reduction.add, batches, [])) == []
    (written,) = part.end()
    rows = sum(batch.pairs.size for batch in batches)
    assert (written.name, written.rows, written.size_bytes) == ("part-0.csv", rows, len(out.getvalue()))
    assert out.getvalue().count(b"\n") == rows + 1


def test_a_list_without_answers_counts_for_no_benchmark() -> None:
    numbers: dict[Any, Any] = {"y": np.array([1.0, 0.0]), "score": np.array([2.0, 1.0])}
    keys: dict[Any, Any] = {"subset": pa.array(["Math", "Math"])}
    batch = Batch("", numbers, range(2), list_sizes=np.array([2, 0]), list_keys=keys, list_rows=range(2))
    state = RewardBench2Reduction().add(RewardBench2(), Measured(batch, Plan.of(labels="relevance")))
    assert state == RewardBench2({"Math": Counter({1.0: 1})})


def test_documents_without_a_judgment_are_kept_by_their_names_and_others_by_its_place() -> None:
    numbers: dict[Any, Any] = {"judgment": np.array([1.0, -1.0, 0.0])}
    keys: dict[Any, Any] = {"query": pa.array(["1", "1", "2"]), "doc": pa.array(["b", "z", "a"])}
    measured = Measured(
        Batch("", numbers | {"y": np.zeros(3), "score": np.zeros(3)}, keys=keys), Plan.of(labels="relevance")
    )
    reduction = DocumentsReduction(measured.plan, {("2", "a"): 0, ("1", "b"): 1}, may_be_runs=False)
    ((key, rows, places, others),) = reduction.add([], measured)[0].groups
    assert (key, rows.tolist(), places.tolist(), others) == ((), [0, 2], [1, 0], [(1, ("1", "z"))])


def test_judgments_of_one_query_are_asked_for_in_the_singular() -> None:
    # Of a long name of the file 200 characters are shown.
    with pytest.raises(DataError, match=r"^1 document of 1 query have no judgment in f{200}…, and no others"):
        refuse_unjudged(1, {"q": "d"}, "f" * 201, ("a", "b"))


def test_pairs_of_the_fast_way_are_checked_before_they_count() -> None:
    from mrl_cli.errors import SuspectShardError

    bad = Batch("", {"x1": np.array([np.nan]), "x2": np.zeros(1), "y": np.ones(1)})
    for seen in (
        lambda measured: measured.counts,
        lambda measured: measured.losses,
        lambda measured: list(measured.blocks()),
        lambda measured: WeightReduction().add(ExactSum(), measured) and measured.counts,
    ):
        with pytest.raises(SuspectShardError):
            seen(Measured(bad, Plan()))


@pytest.mark.parametrize(
    ("plan", "left_out"),
    [
        (Plan.of(on_tie="drop"), {"y": np.array([0.0, 1.0])}),
        (Plan.of(columns=Columns(numbers=(("weight", "w"),))), {"weight": np.array([0.0, 1.0])}),
    ],
)
def test_bad_pair_that_is_left_out_is_suspect_too(plan: Plan, left_out: Any) -> None:
    from mrl_cli.errors import SuspectShardError

    numbers = {"x1": np.array([np.nan, 1.0]), "x2": np.zeros(2), "y": np.ones(2)} | left_out
    with pytest.raises(SuspectShardError):
        Measured(Batch("", numbers), plan)


@pytest.mark.parametrize("how", [{}, {"dtype": "float32"}, {"margin": 0.5}, {"labels": "any"}, {"y_const": -1}])
def test_sums_that_follow_from_differences_are_those_of_the_losses(how: dict[str, Any]) -> None:
    # The loss at a margin of 0 is max(0, -d), of which the sums by cell of d know the sum, also beyond the doubles.
    scores = np.array([[0.1, 0.3], [2.0, 2.0], [-0.0, 0.0], [1e-300, 1.0], [3.0, -1e-17], [1e38, -1e38], [0.5, 7.0]])
    for scale, describes in ((1.0, True), (1e270, True), (1.0, False)):
        plan = Plan.of(confidence=0.95, describes=describes, calibration=True, **how)
        numbers: dict[Role, NDArray[Any]] = {"x1": scores[:, 0] * scale, "x2": scores[:, 1] * scale}
        if not plan.rules.y_const:
            numbers["y"] = np.array([1, -1, 1, 1, 1, -1, -1])
        batch, wholes = Batch("pairs.csv", numbers, range(2, 9)), [None]
        for reduction in compute_reductions(plan):
            state = reduction.add(reduction.empty(), Measured(batch, plan, {"differences"}))
            wholes.append(reduction.merge(reduction.whole(), state, None))
        totals, _ = totals_and_ledger(SimpleNamespace(wholes=wholes), plan)
        assert totals == TotalsReduction(squares=True, describes=describes).add(
            Totals(), Measured(batch, plan, {"differences"})
        )
