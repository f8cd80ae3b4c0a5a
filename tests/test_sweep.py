"""The loss at many margins at once: what one pass reports for a margin is what `mrl compute` reports for it alone."""

from __future__ import annotations

import csv
import io
import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import mrl_cli
from mrl_cli import pairwise_loss, pairwise_loss_grad, sweep
from mrl_cli.commands.options import FORMAT_CHOICES
from mrl_cli.commands.sweep import MOST_MARGINS
from mrl_cli.commands.sweep import margins as parsed_margins
from mrl_cli.engines.base import Job, part_of
from mrl_cli.inputs import read, resolve, shards_of
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Columns, Plan
from mrl_cli.reductions.curve import CHUNK_PAIRS, CurveReduction, KnotPlaces
from tests.each import each, examples
from tests.measuring import totals_of
from tests.running import Mrl, run

if TYPE_CHECKING:
    from pathlib import Path


Array = NDArray[Any]

HINGE_POWERS = {name: loss.power for name, loss in LOSSES.items() if loss.is_hinge}
WITH_MARGIN = [name for name, loss in LOSSES.items() if loss.has_margin]
MARGINS = [0.5, -1.0, 0.0, 0.125, 0.1, 3.0, 0.5, 1e-9]
# What a sum may differ by: a few roundings of each loss, relative to it.
TOLERANCE = {"float64": 1e-15, "float32": 5e-7}

of_every_loss = each("loss", WITH_MARGIN)
of_both_dtypes = each("dtype", ["float64", "float32"])


def pairs(size: int = 3000, seed: int = 1) -> Batch:
    """Return pairs of which every other one has scores in eighths, so that many are tied or at a kink."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((2, size))
    scores[:, ::2] = np.round(scores[:, ::2] * 8) / 8
    labels = random.choice([-1.0, 1.0], size)
    return Batch("pairs.csv", {"x1": scores[0], "x2": scores[1], "y": labels}, range(size))


def points(batch: Batch, loss: str, dtype: Any, weight: Array | None = None) -> list[dict[str, Any]]:
    scores = (batch.x1.astype(dtype), batch.x2.astype(dtype))
    return sweep(*scores, np.asarray(batch.y).astype(np.int64), MARGINS, loss=loss, weight=weight)


# Against the loss at one margin.


@each("is_weighted", [False, True])
@of_both_dtypes
@of_every_loss
def test_sweep_agrees_with_compute(loss: str, dtype: Any, is_weighted: bool) -> None:
    batch = pairs()
    weight = np.random.default_rng(2).choice([0.0, 0.1, 1.0, 2.5], batch.x1.size) if is_weighted else None
    weighted = batch if weight is None else batch.with_numbers({"weight": weight})
    columns = Columns(numbers=(("weight", "w"),)) if is_weighted else Columns()
    parameters = tuple(LOSSES[loss].defaults.items())
    for margin, point in zip(MARGINS, points(batch, loss, dtype, weight), strict=True):
        plan = Plan.of(columns=columns, loss=loss, dtype=dtype, margin=margin, parameters=parameters)
        alone = totals_of(weighted, plan)
        whole = float(alone.weight_sum) if alone.weight_sum is not None else alone.pairs
        total = float(alone.loss_sum or 0.0)
        assert point["margin"] == margin
        assert point["active"] == alone.active
        assert point["active_share"] == alone.active / alone.pairs
        if loss not in HINGE_POWERS:
            assert point["sum"] == float(np.dtype(dtype).type(total))
        assert point["sum"] == pytest.approx(total, rel=TOLERANCE[dtype])
        assert point["mean"] == pytest.approx(total / whole, rel=TOLERANCE[dtype])


@of_both_dtypes
@of_every_loss
def test_gradients_are_those_of_the_loss(loss: str, dtype: Any) -> None:
    batch = pairs()
    scores = (batch.x1.astype(dtype), batch.x2.astype(dtype), np.asarray(batch.y).astype(np.int64))
    for point in points(batch, loss, dtype):
        gradient, _ = pairwise_loss_grad(*scores, loss=loss, margin=point["margin"], reduction="none")
        assert point["gradient_share"] == np.count_nonzero(gradient) / batch.x1.size
        if loss not in HINGE_POWERS:
            mean = math.fsum(np.abs(gradient).tolist()) / batch.x1.size
            assert point["mean_gradient"] == pytest.approx(mean, rel=TOLERANCE[dtype])
    assert any(0 < point["gradient_share"] < 1 for point in points(batch, loss, dtype)) == (loss in HINGE_POWERS)


def test_every_hinge_is_swept_from_sums() -> None:
    assert HINGE_POWERS == {"margin_ranking": 1, "squared_hinge": 2}
    curves = {
        loss: CurveReduction(loss, [0.5], "float64", LOSSES[loss].defaults).curve(*np.ones((2, 3)))
        for loss in WITH_MARGIN
    }
    assert {loss for loss, curve in curves.items() if "first" in curve.sums} == set(HINGE_POWERS)


def test_at_the_kink_the_gradient_of_the_hinge_passes_and_that_of_its_square_does_not() -> None:
    # d is 0.5, 0.25, and -1: at the margin 0.5 the first is at the kink, where the loss is 0.
    scores = ([0.5, 0.25, 0.0], [0.0, 0.0, 1.0], [1, 1, 1])
    (hinge,) = sweep(*scores, 0.5)
    assert (hinge["sum"], hinge["active"], hinge["gradient_share"]) == (0.25 + 1.5, 2, 1.0)
    (square,) = sweep(*scores, [0.5], loss="squared_hinge")
    assert (square["sum"], square["active"], square["gradient_share"]) == (0.0625 + 2.25, 2, 2 / 3)


def test_label_of_zero_costs_the_margin_and_has_no_gradient() -> None:
    points = sweep([1.0, 5.0], [0.0, 0.0], [0.0, 1.0], [-1.0, 0.0, 2.0])
    assert [(point["sum"], point["active"], point["gradient_share"]) for point in points] == [
        (0.0, 0, 0.0),
        (0.0, 0, 0.0),
        (2.0, 1, 0.0),
    ]
    (square,) = sweep([1.0], [0.0], [0.0], [2.0], loss="squared_hinge")
    assert (square["sum"], square["gradient_share"]) == (4.0, 0.0)


# Exact sums.

finite = st.floats(min_value=-1e100, max_value=1e100) | st.sampled_from([0.1, -0.1, 1e-300, 1e16, 0.0, 5e-324])


@given(st.lists(st.tuples(finite, st.sampled_from([0.1, 1.0, 3.0, 1e-3])), min_size=1, max_size=30), finite)
def test_sum_is_that_of_unrounded_hinges_rounded_once(rows: list[tuple[float, float]], margin: float) -> None:
    distances, weights = np.array([d for d, _ in rows]), np.array([w for _, w in rows])
    for loss, power in HINGE_POWERS.items():
        for share in (None, weights):
            swept = CurveReduction(loss, [margin])
            (point,) = swept.points(swept.curve(distances, np.ones(distances.size), share))
            factors = [1.0] * len(rows) if share is None else share.tolist()
            hinges = (max(Fraction(0), Fraction(margin) - Fraction(d)) ** power for d in distances.tolist())
            exact = sum((Fraction(w) * hinge for w, hinge in zip(factors, hinges, strict=True)), Fraction(0))
            assert point.sum == float(exact)


@of_every_loss
def test_any_split_and_order_make_the_same_curve(loss: str) -> None:
    batch = pairs()
    difference, labels = batch.x1 - batch.x2, np.asarray(batch.y)
    weights = np.random.default_rng(3).random(difference.size)
    swept = CurveReduction(loss, MARGINS, "float64", LOSSES[loss].defaults)
    whole = swept.points(swept.curve(difference, labels, weights))
    order = np.random.default_rng(4).permutation(difference.size)
    curves = [swept.curve(difference[part], labels[part], weights[part]) for part in np.array_split(order, 7)]
    left: Any = curves[0]
    for curve in curves[1:]:
        left = left + curve
    right: Any = curves[-1]
    for curve in reversed(curves[:-1]):
        right = curve + right
    assert swept.points(left) == swept.points(right) == whole


@given(
    st.sampled_from([np.float64, np.float32]),
    st.lists(st.floats(width=32) | st.sampled_from([0.0, 0.1, 0.2, 0.3, 5e-324, 1e300, -1e308, 1e308]), min_size=1),
    st.lists(st.floats() | st.sampled_from([0.1, -0.0, 1e-300]), max_size=20),
)
@examples(100)
def test_knots_below_are_those_of_a_search(dtype: Any, knots: list[float], values: list[float]) -> None:
    with np.errstate(all="ignore"):
        places = np.unique(np.array(knots).astype(dtype))
        places = places[np.isfinite(places)]
        if not places.size:
            return
        near = [places, np.nextafter(places, dtype(np.inf)), np.nextafter(places, dtype(-np.inf))]
        asked = np.concatenate(
            [*near, np.array(values, np.float64).astype(dtype), np.array([np.nan, np.inf, -np.inf], dtype)]
        )
        positions, is_knot = KnotPlaces(places).of(asked)
    assert positions.tolist() == np.searchsorted(places, asked).tolist()
    assert is_knot.tolist() == np.isin(asked, places).tolist()


@pytest.mark.parametrize(
    ("dtype", "knots"),
    [
        (np.float64, [-1.7e308, 1.7e308]),
        (np.float32, [-3e38, 3e38]),
        (np.float64, [-1e308, 0.0, 1e308]),
        (np.float64, [0.5]),
    ],
)
def test_knots_as_far_apart_as_can_be(dtype: Any, knots: list[float]) -> None:
    places, asked = np.array(knots, dtype), np.array([-np.inf, *knots, 0.0, np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        positions, is_knot = KnotPlaces(places).of(asked)
    assert positions.tolist() == np.searchsorted(places, asked).tolist()
    assert is_knot.tolist() == np.isin(asked, places).tolist()


@each("step", [0.02, 1e-4, 1e300, 1e-300])
@each("dtype", [np.float64, np.float32])
def test_even_knots_are_looked_up_in_a_table(step: float, dtype: Any) -> None:
    if dtype is np.float32 and not 1e-5 < step < 1:
        return
    knots = np.unique((np.arange(1000) * step).astype(dtype))
    places = KnotPlaces(knots)
    assert places.has_table
    asked = np.random.default_rng(3).uniform(-10 * step, 1010 * step, 10_000).astype(dtype)
    assert places.of(asked)[0].tolist() == np.searchsorted(knots, asked).tolist()


def test_pairs_of_many_chunks_are_all_there() -> None:
    size = 2 * CHUNK_PAIRS + 3
    (point,) = sweep(np.zeros(size), np.ones(size), np.ones(size), 0.5)
    assert (point["sum"], point["mean"], point["active"]) == (1.5 * size, 1.5, size)


@examples(50)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), max_size=12), st.permutations(MARGINS))
def test_points_stand_in_the_order_of_the_margins(distances: list[float], margins: list[float]) -> None:
    points = sweep(np.array(distances), np.zeros(len(distances)), np.ones(len(distances)), margins)
    assert [point["margin"] for point in points] == margins
    for point in points:
        assert point["active"] == sum(d < point["margin"] for d in distances)
        reached = sum(d <= point["margin"] for d in distances)
        assert not distances or point["gradient_share"] == reached / len(distances)


@pytest.mark.parametrize("loss", HINGE_POWERS)
def test_infinite_difference_is_an_infinite_loss_or_none(loss: str) -> None:
    below, above = sweep([-1e308, 2.0], [1e308, 0.0], [1, 1], [0.0, 5.0], loss=loss)
    assert (below["sum"], below["active"]) == (math.inf, 1)
    assert (above["sum"], above["active"]) == (math.inf, 2)
    (point,) = sweep([1e308, 0.0], [-1e308, 2.0], [1, 1], 0.0, loss=loss)
    assert (point["sum"], point["active"]) == (2.0 ** HINGE_POWERS[loss], 1)
    (point,) = sweep([1e308], [-1e308], [0.0], 0.0, loss=loss, weight=[2.0])  # infinity times 0
    assert math.isnan(point["sum"])
    assert point["active"] == 0


def test_over_nothing_the_mean_is_undefined() -> None:
    for loss in WITH_MARGIN:
        (point,) = sweep([], [], [], 1.0, loss=loss)
        assert (point["sum"], point["active"]) == (0.0, 0)
        assert all(math.isnan(point[key]) for key in ("mean", "active_share", "gradient_share"))
    (point,) = sweep([1.0], [2.0], [1], 1.0, weight=[0.0])
    assert (point["sum"], math.isnan(point["mean"])) == (0.0, True)


@each(
    ("changes", "complaint"),
    [
        ({"loss": "ipo"}, "the loss ipo has no margin"),
        ({"loss": "margin_rankin"}, "loss must be one of"),
        ({"margins": []}, "there are no margins"),
        ({"margins": [0.0, math.nan]}, "a margin must be a finite float64; there is nan"),
        ({"margins": [[0.0]]}, "margins must be one number or an array of shape"),
        (
            {"x1": np.ones(1, np.float32), "x2": np.ones(1, np.float32), "margins": [1e39]},
            "a finite float32; there is 1e\\+39",
        ),
        ({"loss": "logistic", "temperature": 0.0}, "temperature"),
        ({"weight": [-1.0]}, "weight must be finite"),
    ],
)
def test_what_makes_no_sweep_is_refused(changes: dict[str, Any], complaint: str) -> None:
    given: dict[str, Any] = {"x1": [1.0], "x2": [0.0], "y": [1], "margins": [0.0]} | changes
    with pytest.raises(ValueError, match=complaint):
        sweep(**given)


# On the command line.


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl in a folder with a file of pairs: d is 0.25, -1 and 0, weights 1, 2 and 0."""
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "pairs.csv").write_text("x1,x2,y,w\n0.5,0.25,1,1\n1,2,1,2\n1,1,-1,0\n")
    return mrl


def test_record_is_the_documented_one(mrl: Mrl) -> None:
    record = mrl("sweep", "pairs.csv", "--margins", "0,0.5", "-f", "json").result
    assert record == {
        "schema": "mrl.sweep/1",
        "version": mrl_cli.__version__,
        "inputs": ["pairs.csv"],
        "loss": "margin_ranking",
        "reduction": "mean",
        "dtype": "float64",
        "labels": "pm1",
        "pairs": 3,
        "rejected": 0,
        "ties_dropped": 0,
        "points": [
            # At margin 0 the losses are 0, 1 and 0; the tie is at the kink.
            {
                "margin": 0.0,
                "value": 1 / 3,
                "sum": 1.0,
                "mean": 1 / 3,
                "active": 1,
                "active_share": 1 / 3,
                "gradient_share": 2 / 3,
            },
            {
                "margin": 0.5,
                "value": 0.75,
                "sum": 2.25,
                "mean": 0.75,
                "active": 3,
                "active_share": 1.0,
                "gradient_share": 1.0,
            },
        ],
    }


def test_weighted_record_holds_the_weight(mrl: Mrl) -> None:
    record = mrl("sweep", "pairs.csv", "--margins", "0.5", "--weight", "w", "--reduction", "sum", "-f", "json").result
    assert [record[key] for key in ("weight_column", "weight", "pairs", "zero_weight")] == ["w", 3.0, 2, 1]
    assert record["points"][0]["value"] == record["points"][0]["sum"] == 0.25 + 2 * 1.5
    assert record["points"][0]["mean"] == 3.25 / 3


@pytest.mark.parametrize("output_format", sorted(set(FORMAT_CHOICES) - {"auto", "json"}))
def test_every_format_has_a_line_for_each_margin(output_format: str, mrl: Mrl) -> None:
    ran = mrl("sweep", "pairs.csv", "--margins", "0,0.5", "-f", output_format)
    assert (ran.code, ran.err) == (0, "")
    if output_format == "table":
        assert "\nmean margin_ranking loss of pairs.csv, 3 pairs\n" in ran.out
        assert "│    0.5 │ 0.7500 │       1.0000 │         1.0000 │" in ran.out
        return
    if output_format == "markdown":
        assert ran.out.splitlines()[0].startswith("From margin 0 to 0.5 the mean loss goes from 0.3333 to 0.75, and ")
        assert ran.out.splitlines()[2] == "**mean margin_ranking loss of pairs.csv, 3 pairs**"
        assert ran.out.splitlines()[4] == "| margin | value | active_share | gradient_share |"
        assert ran.out.splitlines()[7] == "| 0.5 | 0.75 | 1.0 | 1.0 |"
        return
    if output_format == "jsonl":
        records = [json.loads(line) for line in ran.out.splitlines()]
    else:
        records = list(csv.DictReader(io.StringIO(ran.out), delimiter="," if output_format == "csv" else "\t"))
    assert [float(record["value"]) for record in records] == [1 / 3, 0.75]
    assert [int(record["pairs"]) for record in records] == [3, 3]
    assert [record["loss"] for record in records] == ["margin_ranking"] * 2


def test_parameters_are_reported(mrl: Mrl) -> None:
    args = ("sweep", "pairs.csv", "--margins", "0.5", "--loss", "logistic", "--param", "temperature=2")
    record = mrl(*args, "-f", "json").result
    assert record["parameters"] == {"temperature": 2.0}
    scores = ([0.5, 1, 1], [0.25, 2, 1], [1, 1, -1])
    assert record["points"][0]["sum"] == pairwise_loss(
        *scores, loss="logistic", margin=0.5, temperature=2, reduction="sum"
    )
    names, row = (line.split("\t") for line in mrl(*args, "-f", "tsv").out.splitlines())
    assert dict(zip(names, row, strict=True))["temperature"] == "2.0"


@of_both_dtypes
@of_every_loss
def test_commands_agree_on_real_pairs(loss: str, dtype: str, mrl: Mrl) -> None:
    sample = str(mrl_cli.__path__[0]) + "/../sample_data/diabetes_pairs.csv"
    common = (sample, "--loss", loss, "--dtype", dtype, "-f", "json")
    swept = mrl("sweep", *common, "--margins", "0:2:0.4,0.1").result["points"]
    assert [point["margin"] for point in swept] == [0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 0.1]
    for point in swept:
        alone = mrl("compute", *common, "--margin", str(point["margin"])).result
        assert point["active"] == alone["active"]
        for key in ("value", "sum", "mean"):
            assert point[key] == pytest.approx(alone[key], rel=TOLERANCE[dtype])
    if dtype == "float32":
        assert all(point["mean"] == float(np.float32(point["mean"])) for point in swept)


@pytest.mark.slow
def test_result_does_not_depend_on_jobs_format_or_stream(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    batch = pairs(200_000)
    table = pa.table({"x1": batch.x1, "x2": batch.x2, "y": np.asarray(batch.y).astype(np.int8)})
    pyarrow.csv.write_csv(table, tmp_path / "pairs.csv")
    pyarrow.parquet.write_table(table, tmp_path / "pairs.parquet", row_group_size=60_000)
    args = ("sweep", "--margins", "0:1:0.1", "-f", "tsv")
    alone = run([*args, tmp_path / "pairs.csv", "--jobs", "1"])
    assert alone.code == 0
    assert len(alone.out.splitlines()) == 12
    for others in ([tmp_path / "pairs.csv", "--jobs", "3"], [tmp_path / "pairs.parquet"]):
        assert run([*args, *others]) == alone
    assert run(args, stdin=(tmp_path / "pairs.csv").read_bytes()) == alone


def test_shard_of_many_batches_makes_one_curve(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    ones = pa.table({"x1": np.zeros(400_000), "x2": np.ones(400_000), "y": np.ones(400_000)})
    pyarrow.parquet.write_table(ones, tmp_path / "pairs.parquet")
    (shard,) = shards_of(resolve([str(tmp_path / "pairs.parquet")]), Plan())
    assert len(list(read(shard, Plan()))) > 1
    swept = CurveReduction("margin_ranking", [1.0])
    (curve,) = part_of(shard, Job(Plan(), (swept,))).states
    assert swept.points(curve)[0].sum == 800_000


def test_bad_rows_are_left_out_counted_and_written_down(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x1,x2,y\n0.5,0.25,1\noops,2,1\n1,2,0\n1,2,1\n")
    mrl("sweep", "bad.csv", "--margins", "0").must_fail(3, "x1 is 'oops'")
    args = ("sweep", "bad.csv", "--margins", "0", "--on-error", "skip", "--on-tie", "drop", "-f", "json")
    ran = mrl(*args, "--rejects", "rejects.csv", "-o", "swept.json")
    assert (ran.code, ran.out, ran.err) == (0, "", "note: 1 of 4 rows left out\n")
    record = json.loads((tmp_path / "swept.json").read_text())
    assert [record[key] for key in ("pairs", "rejected", "ties_dropped")] == [2, 1, 1]
    assert record["points"][0]["sum"] == 1.0
    assert "oops" in (tmp_path / "rejects.csv").read_text()


def test_preset_names_columns_but_no_margins(mrl: Mrl, tmp_path: Path) -> None:
    lines = ['{"chosen": 1.0, "rejected": 0.5, "margin": 9}', '{"chosen": 0.0, "rejected": 2.0, "margin": 9}']
    (tmp_path / "rewards.jsonl").write_text("\n".join(lines) + "\n")
    record = mrl("sweep", "rewards.jsonl", "--preset", "trl", "--margins", "1", "-f", "json").result
    assert (record["preset"], record["points"][0]["sum"]) == ("trl", 0.5 + 3.0)


def test_margins_come_from_the_environment(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_SWEEP_MARGINS", "0:0.5:0.25")
    assert len(mrl("sweep", "pairs.csv", "-f", "json").result["points"]) == 3


def test_verbose_prints_how_many_margins(mrl: Mrl) -> None:
    assert "3 pairs of 1 input at 2 margins in " in mrl("sweep", "pairs.csv", "--margins", "0,1", "-v").err


@each(
    ("text", "margins"),
    [
        ("0,0.1,0.5", [0.0, 0.1, 0.5]),
        ("0:0.4:0.1", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("0:1:0.4", [0.0, 0.4, 0.8]),
        ("1:0:-0.5,.25", [1.0, 0.5, 0.0, 0.25]),
        ("-1:-0.5:0.25", [-1.0, -0.75, -0.5]),
        (" 1 , 2e0 ", [1.0, 2.0]),
        ("3:3:1", [3.0]),
        ("1e-999", [0.0]),
    ],
)
def test_margins_are_lists_and_ranges_of_decimals(text: str, margins: list[float]) -> None:
    assert list(parsed_margins(text)) == margins


@pytest.mark.slow
def test_long_range_hits_every_decimal() -> None:
    margins = parsed_margins("0:99.999:0.001")
    assert list(margins) == [float(f"{index // 1000}.{index % 1000:03}") for index in range(MOST_MARGINS)]


@each(
    ("args", "complaint"),
    [
        (["--margins", "1:2"], "'1:2': neither a number nor START:STOP:STEP"),
        (["--margins", "0:1:0"], "a step of 0 leads nowhere"),
        (["--margins", "0:1:-1"], "the step leads away from the stop"),
        (["--margins", "0:100:0.001"], "there are more than 100,000 margins"),
        (["--margins", "0,,1"], "'': not a number"),
        (["--margins", "nan"], "'nan': not a number"),
        (["--margins", "1e400"], "'1e400' is beyond what a double holds"),
        (["--margins", "\x1b[31m"], "'\\x1b[31m': not a number"),
        ([], "Missing option '--margins'"),
        (["--margins", "0", "--loss", "ipo"], "the loss ipo has no margin"),
        (["--margins", "1e39", "--dtype", "float32"], "a margin must be a finite float32; there is 1e+39"),
        (["--margins", "0", "--margin", "1"], "No such option '--margin'"),
        (["--margins", "0", "--reduction", "none"], "'none' is not one of"),
        (["--margins", "0", "-o", "out.parquet"], "sweep writes no Parquet"),
        (["--margins", "0", "-o", "pairs.csv"], "is an input"),
        (["--margins", "0", "--rejects", "r.csv"], "--rejects goes with --on-error skip"),
        (["--margins", "0", "--weight", "v"], "has no column 'v'"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(args: list[str], complaint: str, mrl: Mrl) -> None:
    mrl("sweep", "pairs.csv", *args).must_fail(2, complaint)
