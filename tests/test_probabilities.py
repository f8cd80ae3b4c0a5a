"""Labels that are probabilities: the loss is y*l(+) + (1 - y)*l(-), exactly the hard one for 0 and 1, in every room."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import compare, evaluate
from mrl_cli.exact import UNIT_EXPONENT, ExactSum
from mrl_cli.losses import LOSSES, of_probabilities
from mrl_cli.reductions import halves
from mrl_cli.reductions.curve import CurveReduction
from mrl_cli.verify.reference.probabilities import likelier, mixed_pairs
from tests.each import each
from tests.loss_properties import DTYPES, VARIANTS, margins, same
from tests.running import Mrl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.losses import Loss


LABELLED = {name: loss for name, loss in VARIANTS.items() if not loss.is_target}
of_every_loss = each("loss", LABELLED.values())
of_every_name = each("name", [name for name, loss in LOSSES.items() if not loss.is_target])
in_every_dtype = each("dtype", DTYPES)
SIZE = 300


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl in an empty folder; the result is JSON."""
    return lambda *args: mrl(*args, "-f", "json")


def drawn(seed: int = 1) -> pd.DataFrame:
    """Return pairs with probabilities, hard ones and even ones among them, ties, weights, margins and groups."""
    random = np.random.default_rng(seed)
    pairs = pd.DataFrame(random.normal(size=(SIZE, 2)), columns=["x1", "x2"])
    pairs.loc[:9, "x2"] = pairs.loc[:9, "x1"]
    y = random.random(SIZE)
    y[random.random(SIZE) < 0.3] = 1.0
    y[random.random(SIZE) < 0.3] = 0.0
    y[random.random(SIZE) < 0.2] = 0.5
    y[:2] = 1e-300, 1 - 2**-53
    pairs["y"] = y
    pairs["weight"], pairs["margin"] = random.random(SIZE) + 0.1, random.random(SIZE)
    return pairs.assign(group=random.choice(["a", "b"], SIZE), u=random.normal(size=SIZE), v=random.normal(size=SIZE))


# The kernel.


@of_every_loss
@in_every_dtype
def test_hard_labels_give_the_hard_loss_bit_for_bit(loss: Loss, dtype: str) -> None:
    difference = np.array([0.0, 0.5, -0.5, 3.0, -3.0, 1e4, -1e4, np.inf, -np.inf], dtype)
    for margin in margins(loss):
        for probability, label in ((1, 1), (0, -1)):
            y, hard = np.full(difference.size, probability, dtype), np.full(difference.size, label, dtype)
            with np.errstate(all="ignore"):
                for function in (loss.kernel, loss.gradient):
                    expected = function(difference, hard, margin=margin)
                    assert same(of_probabilities(function)(difference, y, margin=margin), expected)


@of_every_loss
@in_every_dtype
def test_loss_is_that_of_either_way_in_the_order_of_the_definition(loss: Loss, dtype: str) -> None:
    pairs, one = drawn(), np.dtype(dtype).type(1)
    difference, y = ((pairs.x1 - pairs.x2).to_numpy().astype(dtype), pairs.y.to_numpy().astype(dtype))
    for values in (difference, y):
        values.flags.writeable = False
    is_mixed = (y > 0) & (y < 1)
    for margin in margins(loss):
        better, worse = (loss.kernel(difference, np.full_like(y, sign), margin=margin) for sign in (1, -1))
        expected = y * better + (one - y) * worse
        got = of_probabilities(loss.kernel)(difference, y, margin=margin)
        assert same(got[is_mixed], expected[is_mixed])
        out = np.empty_like(difference)
        assert of_probabilities(loss.kernel)(difference, y, margin=margin, out=out) is out
        assert same(out, got)
        # Swapped scores and the other probability are the same pair.
        exact = y == one - (one - y)
        swapped = of_probabilities(loss.kernel)(-difference, one - y, margin=margin)
        assert np.allclose(swapped[exact], got[exact], rtol=1e-5 if dtype == "float32" else 1e-13)


def test_mixed_loss_of_an_infinite_one_is_infinite() -> None:
    kernel = of_probabilities(LOSSES["exponential"].kernel)
    with np.errstate(all="ignore"):
        losses = kernel(np.array([800.0] * 3), np.array([1.0, 0.5, 0.0]), margin=0.0, temperature=1.0)
    assert losses.tolist() == [0.0, math.inf, math.inf]


# The report.


def test_soft_labels_of_the_field(mrl: Mrl) -> None:
    Path("s.csv").write_text("x1,x2,y\n1.0,0.2,1.0\n0.3,0.4,0.5\n0.1,0.9,0.0\n0.6,0.5,0.75\n")
    record = mrl("compute", "s.csv", "--labels", "probability", "--loss", "logistic").result
    expected = [
        math.log1p(math.exp(-(1.0 - 0.2))),
        0.5 * (math.log1p(math.exp(0.1)) + math.log1p(math.exp(-0.1))),
        math.log1p(math.exp(-(0.9 - 0.1))),
        0.75 * math.log1p(math.exp(-0.1)) + 0.25 * math.log1p(math.exp(0.1)),
    ]
    assert record["mean"] == pytest.approx(math.fsum(expected) / 4, rel=1e-15)
    assert record["mean"] == pytest.approx(0.5264986630106743, rel=1e-15)
    # Right is the likelier side; one half has none, and is a tie.
    assert [record[key] for key in ("correct", "ties", "wrong", "ties_dropped", "labels")] == [
        3,
        1,
        0,
        0,
        "probability",
    ]


def test_counts_are_those_of_the_likelier_side(mrl: Mrl) -> None:
    Path("p.csv").write_text("x1,x2,y\n2,1,0.75\n2,1,0.25\n2,1,0.5\n1,1,0.75\n3,0,0.75\n2,1,1\n0,3,0\n")
    record = mrl("compute", "p.csv", "--labels", "probability", "--margin", "2").result
    # Differences 1, -1, none, 0, 3, 1 and 3; losses by hand: max(0, 2 - d) and max(0, 2 + d), weighted.
    losses = [0.75 * 1 + 0.25 * 3, 0.25 * 1 + 0.75 * 3, 0.5 * 1 + 0.5 * 3, 2, 0.25 * 5, 1, 0]
    assert record["sum"] == sum(losses)
    assert [record[key] for key in ("correct", "ties", "wrong", "active")] == [4, 2, 1, 6]
    assert (record["inside_margin"], record["beyond_margin"]) == (2, 2)


@of_every_name
@in_every_dtype
def test_sums_are_exact_and_groups_and_weights_add_up(name: str, dtype: Any) -> None:
    pairs = drawn()
    difference = pairs.x1.to_numpy().astype(dtype) - pairs.x2.to_numpy().astype(dtype)
    kernel = of_probabilities(LOSSES[name].kernel)
    losses = kernel(difference, pairs.y.to_numpy().astype(dtype), margin=0.0, **LOSSES[name].defaults)
    options: dict[str, Any] = {"labels": "probability", "loss": name, "dtype": dtype}
    plain: Any = evaluate(pairs, **options)
    assert plain["sum"] == float(np.dtype(dtype).type(float(ExactSum.of(losses))))
    weighted = evaluate(pairs, **options, weight="weight", group_by="group")
    exact = ExactSum.of_products(pairs.weight.to_numpy(), losses.astype(np.float64))
    assert weighted.attrs["total"]["sum"] == float(np.dtype(dtype).type(float(exact)))
    assert weighted["pairs"].sum() == SIZE


def test_hard_probabilities_are_labels_0_and_1(mrl: Mrl) -> None:
    pairs = drawn()
    pairs["y"] = (pairs.y > 0.5) * 1.0
    for loss in ("margin_ranking", "logistic", "ipo"):
        soft: Any = evaluate(pairs, labels="probability", loss=loss)
        hard: Any = evaluate(pairs, labels="01", loss=loss)
        keys = soft.keys() - {"labels", "notes"}
        assert {key: soft[key] for key in keys} == {key: hard[key] for key in keys}
    pairs.to_csv("p.csv", index=False)
    pairs.to_parquet("p.parquet")
    outs = {
        (name, labels): mrl("sweep", name, "--margins", "-1:1:0.25", "--labels", labels, "--loss", loss).result[
            "points"
        ]
        for name in ("p.csv", "p.parquet")
        for labels in ("probability", "01")
        for loss in ("squared_hinge",)
    }
    assert len({str(points) for points in outs.values()}) == 1


@each("value", ["1.5", "-0.25", "1.0000000000000002"])
@each("suffix", ["csv", "jsonl", "parquet"])
def test_probability_outside_of_0_to_1_is_an_error(value: str, suffix: str, mrl: Mrl) -> None:
    Path("p.csv").write_text(f"x1,x2,y\n1,0,0.5\n2,0,{value}\n")
    Path("p.jsonl").write_text(f'{{"x1":1,"x2":0,"y":0.5}}\n{{"x1":2,"x2":0,"y":{value}}}\n')
    pd.DataFrame({"x1": [1.0, 2.0], "x2": [0.0, 0.0], "y": [0.5, float(value)]}).to_parquet("p.parquet")
    ran = mrl("compute", f"p.{suffix}", "--labels", "probability")
    assert (ran.code, ran.out) == (3, "")
    row = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 2"}[suffix]
    assert f"label not from 0 to 1       1   {row}: y is {value}\n" in ran.err


def test_always_even_labels_get_no_note_of_one_side() -> None:
    pairs = drawn().assign(y=0.5)
    record: Any = evaluate(pairs, labels="probability")
    assert (record["ties"], record["accuracy_half"]) == (SIZE, 0.5)
    assert not any("label of every pair" in note for note in record.get("notes", ()))


# Sweeps.


def curve_by_fractions(
    loss: str, pairs: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], margin: float
) -> tuple[float, int, int]:
    """Return the sum of the losses, the active pairs and those with a gradient, pair by pair and with no rounding."""
    power, total, active, passing = LOSSES[loss].power, Fraction(0), 0, 0
    for d, y, w in zip(*(map(Fraction, values.tolist()) for values in pairs), strict=True):
        better, worse = max(Fraction(0), Fraction(margin) - d), max(Fraction(0), Fraction(margin) + d)
        pair_loss = y * better**power + (1 - y) * worse**power
        slope = (1 - y) * (margin >= -d) - y * (margin >= d) if power == 1 else 2 * ((1 - y) * worse - y * better)
        total, active, passing = total + w * pair_loss, active + (pair_loss > 0), passing + (slope != 0)
    return float(total), active, passing


@each("loss", ["margin_ranking", "squared_hinge"])
@each("seed", range(12), quick=4)
def test_curve_of_a_hinge_is_that_of_rational_numbers(loss: str, seed: int) -> None:
    random, dtype = np.random.default_rng(seed), "float32" if seed % 3 == 0 else "float64"
    size, is_on_grid = 40, seed % 2 == 0
    # On a grid many pairs stand at a margin, or have no gradient although both halves are active.
    difference = (random.integers(-8, 9, size) / 4 if is_on_grid else random.normal(size=size)).astype(dtype)
    y = (random.integers(0, 9, size) / 8 if is_on_grid else random.random(size)).astype(dtype)
    y[:6] = 1, 0, 0.5, 0.5, 1e-30, 2**-20
    difference[2:4] = 0, 0.25
    weight = None if seed % 4 < 2 else random.random(size) + 0.1
    if weight is not None:
        weight[7] = 1e-150  # a product with it has no double for a rest
    margins = np.unique(np.concatenate([random.integers(-4, 9, 5) / 4, random.normal(size=2)]).astype(dtype)).tolist()
    # Near or at rest at the last margin: what rounds alike need not be equal.
    difference[8:] = np.where(
        random.random(size - 8) < 0.5, difference[8:], (2 * y[8:] - 1) * np.dtype(dtype).type(margins[-1])
    )
    sweep = CurveReduction(loss, margins, dtype, takes_probabilities=True)  # type: ignore[arg-type]
    weights = np.ones(size) if weight is None else weight
    for margin, point in zip(margins, sweep.points(sweep.curve(difference, y, weight)), strict=True):
        expected = curve_by_fractions(loss, (difference, y, weights), margin)
        assert (point.sum, point.active, point.passing) == expected


def test_halves_hold_the_shares_of_any_weights_and_labels() -> None:
    y = np.array([1.0, 0.0, 0.5, 0.25, 1e-300, 1e-300, 0.75])
    weights = np.array([1.0, 2.0, 1e-300, 0.1, 0.1, 1e-300, 3.0])
    difference = np.array([0.5, -3.0, 2.0, 1e-10, -1.0, 7.0, 0.0])
    first = weight = Fraction(0)
    for signed, shares in halves.halves(difference, y, weights):
        for d, share in zip(signed.tolist(), shares.tolist(), strict=True):
            first, weight = first + Fraction(d) * Fraction(share), weight + Fraction(share)
    for _, sums in halves.strange_halves(difference, y, weights, power=1):
        first, weight = (
            total + Fraction(sums[name].units, 1 << UNIT_EXPONENT)
            for name, total in (("first", first), ("weight", weight))
        )
    w, d, p = ([Fraction(value) for value in values.tolist()] for values in (weights, difference, y))
    assert weight == sum(w)
    assert first == sum(a * b * (2 * c - 1) for a, b, c in zip(w, d, p, strict=True))


def test_points_of_a_curve_out_of_the_ordinary() -> None:
    for loss in ("margin_ranking", "squared_hinge"):
        sweep = CurveReduction(loss, [1.0], takes_probabilities=True)
        curve = sweep.curve(np.array([math.inf, 0.0]), np.array([0.5, 0.5]), np.array([1e-200, 1.0]))
        assert sweep.points(curve)[0].sum == math.inf
    # At rest at a margin that has no exact products: 2 * 0.75 * m = m + d for d = m / 2.
    margin, y, d = 2.0**-500, np.array([0.75, 0.75]), np.array([2.0**-501, 3 * 2.0**-502])
    sweep = CurveReduction("squared_hinge", [margin], takes_probabilities=True)
    point = sweep.points(sweep.curve(d, y))[0]
    assert (point.sum, point.active, point.passing) == curve_by_fractions("squared_hinge", (d, y, np.ones(2)), margin)
    assert point.passing == 1
    single = CurveReduction("margin_ranking", [0.1, -0.0], "float32")
    points = single.points(single.curve(np.zeros(1, np.float32), np.ones(1, np.float32)))
    assert [str(point.sum) for point in points] == [str(float(np.float32(0.1))), "0.0"]
    # A loss that has rounded to 0 is not active.
    sweep = CurveReduction("logistic", [0.0], parameters={"temperature": 1.0})
    assert sweep.points(sweep.curve(np.array([800.0, 0.0]), np.ones(2)))[0].active == 1


@each("loss", ["margin_ranking", "squared_hinge", "logistic"])
@each("options", [[], ["--weight", "weight"], ["--dtype", "float32"]])
def test_sweep_agrees_with_compute(loss: str, options: list[str], mrl: Mrl) -> None:
    drawn().to_csv("p.csv", index=False)
    arguments = ["p.csv", "--labels", "probability", "--loss", loss, *options]
    room = 5e-7 if options == ["--dtype", "float32"] else 1e-14
    for point in mrl("sweep", *arguments, "--margins", "-0.5:1:0.5").result["points"]:
        record = mrl("compute", *arguments, "--margin", str(point["margin"])).result
        assert point["mean"] == pytest.approx(record["mean"], rel=room)
        assert point["active"] == record["active"]


# Other commands.


@of_every_name
@in_every_dtype
def test_validators_agree_with_the_core(name: str, dtype: str, mrl: Mrl) -> None:
    drawn().to_csv("p.csv", index=False)
    arguments = ["p.csv", "--labels", "probability", "--loss", name, "--dtype", dtype, "--weight", "weight"]
    arguments += ["--margin-column", "margin"] if LOSSES[name].has_margin else []
    arguments += ["--against", "loop", *(["--against", "exact"] if name == "margin_ranking" else [])]
    record = mrl("validate", *arguments).result
    assert record["passed"]
    assert mrl("compute", *arguments[:9], "--group-by", "group", "--validate").result["validation"]["passed"]


def test_rational_validator_bounds_the_mixed_loss() -> None:
    pairs = drawn(2)
    first, second, labels = (pairs[name].tolist() for name in ("x1", "x2", "y"))
    for dtype in DTYPES:
        x1, x2, y = (np.array(values, dtype).astype(np.float64) for values in (first, second, labels))
        for pair, a, b, p in zip(mixed_pairs(first, second, labels, 0.5, dtype), x1, x2, y, strict=True):
            d, share = Fraction(a) - Fraction(b), Fraction(p)
            better, worse = (max(Fraction(0), Fraction(1, 2) - side) for side in (d, -d))
            assert pair.loss == share * better + (1 - share) * worse
            assert (pair.agreement > 0) == (likelier([float(p)])[0] * d > 0)
            assert (
                0
                < pair.bound
                < 10 * abs(pair.loss + abs(d)) * Fraction(float(np.finfo(dtype).eps)) + Fraction(1, 2**100)
            )


@pytest.mark.parametrize("planted", ["half", "sign"])
def test_wrong_core_is_caught(planted: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(function: Any) -> Any:
        def called(difference: Any, y: Any, **others: Any) -> Any:
            return of_probabilities(function)(difference, y * 0.999 if planted == "half" else 1 - y, **others)

        return called

    drawn().to_csv("p.csv", index=False)
    monkeypatch.setattr("mrl_cli.reductions.measured.of_probabilities", wrong)
    for against in ("loop", "exact"):
        assert mrl("validate", "p.csv", "--labels", "probability", "--against", against, "--margin", "1").code == 1


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("flipped", "y has the other sign, or x1 and x2 are swapped"),
        ("multiplied", "probabilities are multiplied with x1 - x2, as labels are"),
        ("rounded", "probabilities are rounded to 0 and 1"),
    ],
)
def test_planted_mistake_with_probabilities_is_named(column: str, text: str, mrl: Mrl) -> None:
    pairs = drawn(3)
    d, y = pairs.x1 - pairs.x2, pairs.y
    right, wrong = np.logaddexp(0, -d), np.logaddexp(0, d)
    pairs["flipped"] = (1 - y) * right + y * wrong
    pairs["multiplied"] = np.logaddexp(0, -y * d)
    pairs["rounded"] = np.where(y > 0.5, right, wrong)
    pairs.to_csv("p.csv", index=False)
    ran = mrl("validate", "p.csv", "--labels", "probability", "--loss", "logistic", "--loss-column", column)
    assert ran.code == 1
    assert f'"hypothesis": "{text}"' in ran.out


def test_models_are_compared_by_soft_losses() -> None:
    pairs = drawn()
    report = compare(pairs, x1_b="u", x2_b="v", labels="probability", loss="logistic", bootstrap=0)
    a: Any = evaluate(pairs, labels="probability", loss="logistic")
    b: Any = evaluate(pairs, x1="u", x2="v", labels="probability", loss="logistic")
    for model, record in (("a", a), ("b", b)):
        assert {key: report[model][key] for key in ("sum", "correct", "ties")} == {
            key: record[key] for key in ("sum", "correct", "ties")
        }
