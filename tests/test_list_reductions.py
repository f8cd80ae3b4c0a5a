"""Whole lists out of rows: any cut into batches and tasks, and any order of rows, comes to the same digits."""

from __future__ import annotations

from functools import cache, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli.errors import DataError, QueryWeightError, ScatteredListsError, SuspectShardError, UsageError
from mrl_cli.model import Batch, Columns, Counts, Plan
from mrl_cli.reductions.gathered import GatherReduction
from mrl_cli.reductions.hashes import Seen, hashes_of
from mrl_cli.reductions.lists import ListsReduction, needed_bytes
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.queries import COUNTS, QueriesConsumer
from mrl_cli.reductions.queryweights import QueryWeightReduction
from mrl_cli.reports.rank import rank_report
from tests.each import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

PLAN = Plan.of(
    columns=Columns(
        None,
        None,
        "label",
        (("score", "s"), ("weight", "w"), ("query_weight", "q")),
        (("query", "query"), ("group", "g")),
    ),
    labels="relevance",
    margin=0.1,
    confidence=0.9,
    on_error="skip",
)
SIZES = [3, 1, 7, 2, 12, 1, 5, 4, 5]  # of lists: an item, a few, and one longer than most batches
SIZE = sum(SIZES)


@cache
def items() -> tuple[dict[Any, NDArray[Any]], dict[Any, list[str]]]:
    """Return items of lists in two groups, with ties of labels and scores, a bad score and a list of equal labels."""
    random = np.random.default_rng(5)
    list_of = np.repeat(np.arange(len(SIZES)), SIZES)
    numbers = {
        "y": random.integers(0, 3, SIZE).astype(float),
        "score": random.integers(-9, 9, SIZE) / 10 + 1e8,
        "weight": random.choice([0.0, 0.1, 2.5], SIZE),
        "query_weight": random.choice([0.5, 3.0], len(SIZES))[list_of],
    }
    numbers["y"][list_of == 7] = 1.0
    numbers["score"][17] = np.nan
    # The same query in two groups is two lists.
    keys = {"query": [f"q{place // 2}" for place in list_of], "group": [f"g{place % 2}" for place in list_of]}
    return numbers, keys


def batch(rows: Sequence[int], plan: Plan = PLAN) -> Batch:
    """Return these rows as a batch."""
    numbers, keys = items()
    wanted = {role for role, _ in plan.columns.wanted}
    return Batch(
        "lists.csv",
        {role: values[list(rows)] for role, values in numbers.items() if role in wanted},
        [row + 2 for row in rows],
        keys={role: pa.array([texts[row] for row in rows], pa.string()) for role, texts in keys.items()},
    )


def reported(
    reduction: Any, tasks: Sequence[Sequence[Sequence[int]]], plan: Plan = PLAN, together: int = 1
) -> dict[str, Any]:
    """Return the record of lists over tasks, each of which is batches of rows; so many are joined before they merge."""
    whole, counts, states = reduction.whole(), Counts(), []
    for batches in tasks:
        state = reduction.empty()
        for rows in batches:
            measured = Measured(batch(rows, plan), plan)
            state = reduction.add(state, measured)
            counts += measured.counts
        states.append(state)
    for start in range(0, len(states), together):
        whole = reduction.merge(whole, reduce(reduction.join, states[start : start + together]), None)
    report = rank_report(counts, reduction.settled(whole), plan)
    record: dict[str, Any] = report.record()
    return record


def lists_of(plan: Plan = PLAN) -> ListsReduction:
    return ListsReduction(plan, QueriesConsumer(plan, keeps_clusters=plan.reporting.confidence is not None))


def gathered(plan: Plan = PLAN) -> GatherReduction:
    return GatherReduction(plan, QueriesConsumer(plan, keeps_clusters=plan.reporting.confidence is not None))


PLANS = {
    "weighted groups": PLAN.changed(confidence=None),
    "clusters": PLAN.changed(columns=Columns(None, None, "label", (("score", "s"),), PLAN.columns.keys)),
    "ranks": PLAN.changed(labels="rank", confidence=None, reduction="query-mean"),
    "squares": PLAN.changed(loss="squared_hinge", confidence=None),
    "targets": PLAN.changed(loss="margin_mse", margin=0.0, confidence=None),
}


@cache
def expected_of(name: str) -> dict[str, Any]:
    """Return the record of all lists in one batch."""
    return reported(lists_of(PLANS[name]), [[range(SIZE)]], PLANS[name])


@pytest.mark.parametrize("name", PLANS)
@given(data=st.data())
@examples(20)
def test_any_cut_into_batches_and_tasks_gives_the_same_digits(name: str, data: st.DataObject) -> None:
    plan = PLANS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, SIZE), max_size=12)))
    batches = [range(*edges) for edges in pairwise([0, *cuts, SIZE])]
    edges = sorted(data.draw(st.lists(st.integers(0, len(batches)), max_size=6)))
    tasks = [batches[slice(*bounds)] for bounds in pairwise([0, *edges, len(batches)])]
    assert reported(lists_of(plan), tasks, plan, data.draw(st.integers(1, 5))) == expected_of(name)


@pytest.mark.parametrize("name", PLANS)
@given(data=st.data())
@examples(20)
def test_any_order_of_rows_gives_the_same_digits(name: str, data: st.DataObject) -> None:
    plan = PLANS[name]
    order = data.draw(st.permutations(range(SIZE)))
    cut = data.draw(st.integers(0, SIZE))
    assert reported(gathered(plan), [[order[:cut]], [order[cut:]]], plan) == expected_of(name)


def test_lists_that_were_gathered_are_measured_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, plan in PLANS.items():
        for rows in (1, 4, 9):
            monkeypatch.setattr("mrl_cli.reductions.gathered.PART_ROWS", rows)
            assert reported(gathered(plan), [[range(SIZE)]], plan) == expected_of(name)


@given(st.data())
def test_rows_of_a_list_that_stand_apart_are_noticed(data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(SIZE)))
    cut = data.draw(st.integers(0, SIZE))
    _, keys = items()
    names = list(zip(*([texts[row] for row in order if row != 17] for texts in keys.values()), strict=True))
    runs = 1 + sum(first != second for first, second in pairwise(names))
    tasks = [[order[:cut]], [order[cut:]]]
    if runs == len(SIZES):
        assert reported(lists_of(), tasks) == reported(gathered(), tasks)
    else:
        with pytest.raises(ScatteredListsError):
            reported(lists_of(PLANS["squares"]), tasks, PLANS["squares"], data.draw(st.integers(1, 2)))


def test_a_list_with_itself_further_down_is_noticed_across_tasks_and_within() -> None:
    rows = [*range(3), *range(4, 11), *range(3)]  # the first list again
    for tasks in ([[rows]], [[rows[:5], rows[5:]]], [[rows[:5]], [rows[5:]]], [[rows[:10]], [rows[10:]]]):
        for together in (1, 2):
            with pytest.raises(ScatteredListsError):
                reported(lists_of(PLANS["squares"]), tasks, PLANS["squares"], together)


def test_a_list_without_pairs_is_counted_and_has_no_mean() -> None:
    plan = PLANS["clusters"].changed(columns=Columns(None, None, "label", (("score", "s"),), (("query", "query"),)))
    numbers: Any = {"y": np.array([1.0, 0.0, 5.0, 2.0, 2.0]), "score": np.array([0.0, 1.0, 9.0, 3.0, 4.0])}
    keys: Any = {"query": pa.array(["a", "a", "b", "c", "c"])}
    reduction = lists_of(plan)
    state = reduction.add(reduction.empty(), Measured(Batch("", numbers, range(5), keys=keys), plan))
    assert [block.queries for block in state.blocks] == [None]  # which are for queries in several groups
    record = rank_report(Counts(), reduction.settled(reduction.merge(reduction.whole(), state, None)), plan).record()
    counts = {name: record[name] for name in COUNTS if name not in ("queries_undefined", "zero_weight")}
    assert counts == {
        "rows": 5,
        "queries": 3,
        "queries_without_pairs": 2,
        "pairs": 1,
        "correct": 0,
        "ties": 0,
        "wrong": 1,
        "active": 1,
    }
    assert record["mean"] == record["query_mean"] == record["min"] == record["max"] == 1.1
    assert record["query_accuracy"] == 0.0


def test_rows_held_are_refused_beyond_the_memory_they_may_take() -> None:
    plan = PLANS["squares"]
    texts = sum(200 + len(f"q{place // 2}g0") for place in range(len(SIZES)))
    enough = plan.changed(memory_bytes=needed_bytes(SIZE - 1, plan) + texts)  # one row is bad
    assert reported(gathered(enough), [[range(SIZE)]], enough)["rows"] == SIZE - 1
    short = plan.changed(memory_bytes=needed_bytes(SIZE - 1, plan) + texts - 1)
    with pytest.raises(UsageError, match="rows of one query stand apart, and 39 rows and more take"):
        reported(gathered(short), [[range(SIZE)]], short)
    longest = plan.changed(memory_bytes=needed_bytes(4, plan))
    with pytest.raises(UsageError, match="a list of 5 rows and more"):
        reported(lists_of(longest), [[range(13, 19)]], longest)


def test_a_query_weight_that_changes_is_noticed_and_named() -> None:
    for tasks in ([[[0, 1, 2]]], [[[0, 1], [2]]], [[[0, 1]], [[2]]], [[[0], [1], [2]]]):
        for make in (lists_of, gathered):
            with pytest.raises(QueryWeightError):
                refolded(make(PLANS["squares"]), tasks)
        with pytest.raises(
            DataError, match=r"query 'q0' changes: it is 0.5 in lists.csv, line 2, and 4.0 in .* line 4"
        ):
            refolded(QueryWeightReduction(), tasks)


def refolded(reduction: Any, tasks: Sequence[Sequence[Sequence[int]]]) -> None:
    """Fold the first list with another weight in its last row."""
    whole = reduction.whole()
    for batches in tasks:
        state = reduction.empty()
        for rows in batches:
            made = batch(rows)
            weights = np.array([4.0 if row == 2 else 0.5 for row in rows])
            state = reduction.add(state, Measured(made.with_numbers({"query_weight": weights}), PLANS["squares"]))
        whole = reduction.merge(whole, state, None)
    reduction.settled(whole)


def test_looking_for_a_query_weight_asks_for_rows_with_numbers() -> None:
    from dataclasses import replace

    with pytest.raises(SuspectShardError):
        QueryWeightReduction().add({}, Measured(replace(batch(range(3)), rows=None), PLAN))


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=9, unique=True),
    st.lists(st.text(max_size=5), min_size=1, max_size=9, unique=True),
)
def test_hashes_are_those_of_the_texts_however_they_are_encoded(first: list[str], second: list[str]) -> None:
    keys = [(a, b) for a in first for b in second]
    columns = [pa.array(texts, pa.string()).dictionary_encode() for texts in zip(*keys, strict=True)]
    hashes = hashes_of(columns)
    assert len(set(hashes.tolist())) == len(keys)
    for place, key in list(enumerate(keys))[:: -(-len(keys) // 8)]:
        alone = [pa.DictionaryArray.from_arrays(pa.array([1], pa.int32()), ["other", text]) for text in key]
        assert hashes_of(alone)[0] == hashes[place]


def test_hashes_of_long_texts_do_not_depend_on_how_they_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array(["", "a" * 300, "b", "", "ü" * 50, "a" * 299 + "b"]).dictionary_encode()
    whole = hashes_of([texts]).tolist()
    assert len(set(whole)) == 5
    monkeypatch.setattr("mrl_cli.reductions.hashes._CHUNK_BYTES", 7)
    assert hashes_of([texts]).tolist() == whole


@given(st.lists(st.lists(st.integers(0, 60), max_size=20)))
def test_what_was_seen_is_known_whatever_it_came_with(parts: list[list[int]]) -> None:
    seen, known = Seen(), set[int]()
    for part in parts:
        hashes = np.array(part, np.uint64)
        if known.isdisjoint(part) and len(set(part)) == len(part):
            seen.add(hashes)
            known |= set(part)
        else:
            with pytest.raises(ScatteredListsError):
                seen.add(hashes)
