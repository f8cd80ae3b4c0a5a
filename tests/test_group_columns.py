"""Groups as columns: what is reported of all at once, and written a block at a time, is what each alone gives."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrl_cli import native
from mrl_cli.exact import ExactSum
from mrl_cli.exact.codes import SumsByCode, quotients, sums_by_code, sums_of_products_by_code
from mrl_cli.model import Batch, Columns, Counts, Plan
from mrl_cli.reductions import keys
from mrl_cli.reductions.ledger import Ledger, LedgerReduction
from mrl_cli.reductions.measured import Measured
from mrl_cli.render import render
from mrl_cli.render.columns import number_texts
from mrl_cli.render.jsontext import dumped
from mrl_cli.reports import columns as held
from mrl_cli.reports import groups
from mrl_cli.reports.compute import compute_report
from mrl_cli.reports.figures import Facts, reported_figures
from mrl_cli.statistics.columns import exact_means, standard_deviations
from mrl_cli.statistics.moments import exact_mean, standard_deviation
from mrl_cli.words import csv_lines, json_ready, number_text
from tests.each import each, examples

KEYS = ["9", "10", "", "b", "a,b", 'a"b', "tab\tx", "line\nend", "\r", "ü", "\\", "\x7f\x01", " x "]
ODD = [0.0, -0.0, 1e-300, 1e300, 1e16, 0.1, 1e-5, 123456789.5, 1e9, 0.00012, math.inf]
PLANS = {
    "plain": {},
    "weights": {"columns": {"numbers": (("weight", "w"),)}},
    "float32": {"dtype": "float32", "margin": 0.1},
    "interval": {"confidence": 0.95},
    "sum": {"reduction": "sum", "loss": "margin_mse", "labels": "any"},
    "two columns": {"columns": {"keys": (("group", "pairs"), ("group 2", "h"))}},
}


def ledger_and_plan(changes: dict[str, Any]) -> tuple[Ledger, Plan]:
    random = np.random.default_rng(5)
    columns = Columns(**({"keys": (("group", "pairs"),)} | changes.get("columns", {})))
    plan = Plan.of(**({"margin": 0.5, "describes": True} | changes | {"columns": columns}))
    roles = [role for role, _ in columns.keys]
    reduction, ledger = LedgerReduction(squares=plan.reporting.confidence is not None, describes=True), Ledger()
    for scale in (1.0, 1e-9, 1e5):
        numbers: dict[Any, Any] = {role: random.standard_normal(400) * scale for role in ("x1", "x2")}
        numbers["x1"][:60:6], numbers["x2"][30:50] = ODD[:10], numbers["x1"][30:50]
        numbers["y"], numbers["weight"] = random.choice([-1.0, 1.0], 400), random.choice([0.0, 0.25, 1e-3, 3], 400)
        of_rows: dict[Any, Any] = {role: pa.array(random.choice(KEYS, 400).tolist()) for role in roles}
        pairs = Batch(
            "", {name: numbers[name] for name in ("x1", "x2", "y", *dict(columns.numbers))}, range(400), keys=of_rows
        )
        ledger += reduction.add([], Measured(pairs, plan, reduction.needs))
    return ledger, plan


@each("changes", PLANS.values(), quick=3)
def test_figures_of_all_groups_at_once_are_those_of_each(changes: dict[str, Any]) -> None:
    ledger, plan = ledger_and_plan(changes)
    figures = reported_figures(plan, of_groups=True)
    columns = groups.grouped(ledger, plan).groups
    assert isinstance(columns, held.GroupColumns)
    each = [groups.group_report(key, Facts(of, plan, sections=None), figures) for key, of in ledger.totals()]
    assert len(each) == len(columns) > 5
    for one, expected in zip(columns, each, strict=True):
        assert json.dumps(one.record()) == json.dumps(expected.record())
    assert columns[-1].record() == columns[-1:][0].record()


@each("changes", PLANS.values(), quick=2)
def test_rows_written_from_columns_are_the_records(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "GROUPS_AT_ONCE", 5)
    ledger, plan = ledger_and_plan(changes)
    report = compute_report(Counts(), ledger.total, plan, ledger=ledger)
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        names, rows = report.cells()
        cells = [["" if cell is None else number_text(cell) for cell in row] for row in rows]
        assert render(report, name) == csv_lines([names, *cells], delimiter)
        assert [*csv.reader(io.StringIO(render(report, name), newline=""), delimiter=delimiter)] == [names, *cells]
    lines = [json.dumps(json_ready(record), ensure_ascii=False) + "\n" for record in report.lines()]
    assert len(lines) == len(report.groups)
    assert render(report, "jsonl") == "".join(lines)
    assert list(report.document()["groups"]) == report.record()["groups"]
    assert render(report, "json") == as_python_writes_it(report.record())


def as_python_writes_it(record: Any) -> str:
    return json.dumps(json_ready(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def test_a_list_of_no_groups_is_written_as_one() -> None:
    plan = Plan.of(columns=Columns(keys=(("group", "pairs"),)), describes=True)
    report = compute_report(Counts(), Ledger().total, plan, ledger=Ledger())
    assert report.record()["groups"] == []
    assert render(report, "json") == as_python_writes_it(report.record())


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
nested = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@given(st.dictionaries(st.text(), nested, max_size=4))
@example({"a": [], "b": {}, "c": [[]], "d": {"e": "x,\ny: z"}, "f": [0.5, float("nan")]})
def test_any_record_is_indented_as_python_does(record: Any) -> None:
    assert dumped(record, is_indented=True) == as_python_writes_it(record)


@given(st.lists(st.floats(), max_size=20))
@example([0.0, -0.0, 1.0, 1e-4, 9.9e-5, 123456789.25, 1e9 - 0.5, 1e9 + 0.5, 1e15 + 0.5, 1e16, 5e-324, math.nan])
def test_numbers_become_texts_as_python_writes_them(values: list[float]) -> None:
    texts = [number_text(value) for value in values]
    assert number_texts(np.array(values, np.float64)).to_pylist() == texts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "number_lines", lambda _: None)  # as where there is no compiled part
        assert number_texts(np.array(values, np.float64)).to_pylist() == texts


@pytest.mark.parametrize("counts", [[], [0], [-3, 12, 12], [5, 5, 6, 4, 2**40], [7] * 9])
def test_counts_become_texts(counts: list[int]) -> None:
    assert number_texts(np.array(counts, np.int64)).to_pylist() == list(map(str, counts))


near = st.builds(lambda a, b, c: a + b * 2.0**-52 + c * 2.0**-60, *[st.integers(-3, 3)] * 3)
wide = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.integers(0, 3), near | wide | st.sampled_from([0.1, 1e308, math.inf])), max_size=25))
@example([(0, 1.0), (0, 2.0**-53), (0, 2.0**-120)])  # just above half of the last bit
@example([(0, 1.0), (0, 2.0**-53)])
@examples(50)
def test_sums_means_and_deviations_are_rounded_once(pairs: list[tuple[int, float]]) -> None:
    codes, values = np.array([c for c, _ in pairs], np.int64), np.array([v for _, v in pairs], np.float64)
    sums, squares, counts = SumsByCode(), SumsByCode(), np.bincount(codes, minlength=4)
    for place in range(codes.size):  # one at a time: no extraction helps
        part = slice(place, place + 1)
        sums.add(sums_by_code(values[part], codes[part], 4))
        squares.add(sums_of_products_by_code(values[part], values[part], codes[part], 4))
    every = [(int(count), sums.at(code), squares.at(code)) for code, count in enumerate(counts)]
    assert same(sums.rounded(4), [float(total) for _, total, _ in every])
    assert same(exact_means(sums, counts), [exact_mean(total, count) for count, total, _ in every])
    for of_mean in (False, True):
        expected = [standard_deviation(*of, of_mean=of_mean) for of in every]
        assert same(standard_deviations(counts, sums, squares, of_mean=of_mean), expected)
    assert same(quotients(sums, squares, 4), [total / square for _, total, square in every])


def same(actual: Any, expected: list[float]) -> bool:
    return bool(
        np.array_equal(actual, np.array(expected), equal_nan=True) and not np.signbit(actual[actual == 0]).any()
    )


def test_mean_between_two_doubles_is_that_of_the_exact_sum() -> None:
    random = np.random.default_rng(3)
    values, codes = random.standard_normal(30_000), random.integers(0, 3000, 30_000)
    sums, squares = sums_by_code(values, codes, 3000), sums_of_products_by_code(values, values, codes, 3000)
    counts = np.bincount(codes, minlength=3000)
    of = [(int(counts[code]), sums.at(code), squares.at(code)) for code in range(3000)]
    assert exact_means(sums, counts).tolist() == [exact_mean(total, count) for count, total, _ in of]
    assert same(standard_deviations(counts, sums, squares), [standard_deviation(*each) for each in of])
    assert float(ExactSum.of(values)) == float(sums.regrouped(np.zeros(3000, np.int64), 1).at(0))


@given(
    st.lists(st.lists(st.tuples(*[st.sampled_from([*KEYS, "1e3", "-7", "7", "07", "2.5", "1e400"])] * 2)), max_size=4)
)
@examples(60)
def test_many_keys_are_found_and_sorted_as_few_are(chunks: list[list[tuple[str, str]]]) -> None:
    for parts in (1, 2):
        columns = [[pa.array(texts, pa.string()) for texts in [*zip(*chunk, strict=True)][:parts]] for chunk in chunks]
        known = [column for column in columns if column]
        sizes = [len(chunk) for chunk in chunks if chunk]
        found = []
        for most in (keys.FEW_KEYS, 0):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(keys, "FEW_KEYS", most)
                places, different = keys.unified(known, sizes)
                order = keys.order_of(different, int(places.max(initial=-1)) + 1)
                taken = [keys.taken(part, order).to_pylist() for part in different]
                found.append((places.tolist(), list(map(pa.Array.to_pylist, different)), order.tolist(), taken))
        assert found[0] == found[1]
