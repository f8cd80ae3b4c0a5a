"""`mrl validate --expect`: a figure by its name, held to the digits it is written with, and what explains another."""

from __future__ import annotations

import csv
import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_cli.reports.figures import FIGURES
from tests.running import Mrl, Ran, run_inside
from tests.test_explanations import AGREEMENT, MARGIN, SAMPLE, X1, X2, Y, robust, smoothed, softplus

pytestmark = pytest.mark.slow

PLAIN = ("x1", "x2", "y")


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    return partial(mrl, "validate")


def written(path: Path, **columns: Any) -> Path:
    """Write columns as CSV, every number in full."""
    rows = zip(
        *(values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()), strict=True
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def explanations(ran: Ran) -> list[dict[str, Any]]:
    assert ran.code == 1, ran
    listed: list[dict[str, Any]] = json.loads(ran.out)["explanations"]
    return listed


# Digits. The pairs of TENTHS cost 0.5, 0, 0 and 0.375: their mean is 0.21875; three of four are ranked right.

TENTHS = "x1,x2,y\n1,1.5,1\n3,1,1\n1,2,-1\n1.125,1,-1\n"


@pytest.mark.parametrize(
    ("expected", "options", "passes"),
    [
        ("accuracy=0.5", [], True),
        ("accuracy=0.500", [], True),
        ("accuracy=0.501", [], False),
        ("accuracy=0.501", ["--atol", "0.01"], True),
        ("0.15625", [], True),
        ("0.156", [], True),
        ("0.16", [], True),
        ("0.2", [], True),
        ("0", [], True),
        ("0.157", [], False),
        ("0.1562", [], True),  # a tie of two roundings: both are right
        ("0.1563", [], True),
        ("0.1564", [], False),
        ("0.156", ["--atol", "0"], False),
        ("0.156", ["--rtol", "0.01"], True),
        ("value=0.156", [], True),
        ("mean=1.56e-1", [], True),
        ("sum=0.625", [], True),
        ("sum=6.3e-1", [], True),
        ("sum=0.6", [], True),
        ("pairs=4", [], True),
        ("pairs=4.0", [], True),
        ("pairs=5", [], False),
        ("correct=1e0", [], False),
        ("correct=2", [], True),
        ("x1_mean=1.53", [], True),
        ("x1_mean=1.52", [], False),
        ("difference_quantiles.p50=0.9", ["--rtol", "9"], True),
    ],
)
def test_a_number_is_held_to_the_digits_it_is_written_with(
    expected: str, options: list[str], passes: bool, mrl: Mrl, tmp_path: Path
) -> None:
    (tmp_path / "tenths.csv").write_text(TENTHS)
    assert mrl("tenths.csv", "--expect", expected, *options).code == (0 if passes else 1)


def test_a_count_is_held_to_each_of_its_digits(mrl: Mrl, tmp_path: Path) -> None:
    """The tolerance of losses, 1e-7 of the number, is not for counts."""
    from mrl_cli.model import Plan
    from mrl_cli.verify import Expectation, Request

    request = Request(Plan())
    for text, half_a_unit in (("100000001", 0.5), ("1e8", 0.5), ("100000000.0", 0.05)):
        tolerance = Expectation.of("pairs", text).tolerance(100_000_000, request)
        assert tolerance.rtol == 0
        assert tolerance.atol == pytest.approx(half_a_unit)


def test_a_number_of_all_its_digits_may_be_off_by_what_adding_up_loses(mrl: Mrl) -> None:
    exact = softplus(-AGREEMENT).mean()
    assert mrl(SAMPLE, "--loss", "logistic", "--expect", repr(float(exact) * (1 + 1e-12))).code == 0
    assert mrl(SAMPLE, "--loss", "logistic", "--expect", repr(float(np.float32(exact)))).code == 0


@pytest.mark.parametrize(
    ("others", "needs"),
    [
        (["--weight", "w", "--group-by", "g"], {"weight_column", "group_by"}),
        (["--confidence", "0.9", "--cluster", "c"], {"confidence", "cluster_column"}),
    ],
)
def test_every_figure_of_compute_can_be_expected(
    others: list[str], needs: set[str], mrl: Mrl, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    keys = np.array(["a", "b", "c", "a"])[np.arange(Y.size) % 4]
    written(tmp_path / "all.csv", x1=X1, x2=X2, y=Y.astype(int), w=np.arange(1.0, 5001), g=keys, c=keys)
    options = ["all.csv", "--margin", "0.5", *others]
    figures = run_inside(["compute", *options, "-f", "json"], capfd).result
    figures |= {f"difference_quantiles.{key}": value for key, value in figures["difference_quantiles"].items()}
    needs = needs | {"", "reduced", "has_margin", "describes", "spread of d", "describes pairs"}
    names = {figure.key for figure in FIGURES if figure.needs in needs} - {"difference_quantiles"}
    names |= {key for key in figures if key.startswith("difference_quantiles.")}
    for times, more in ((1, 0), (2, 7)):
        given = [text for name in names for text in ("--expect", f"{name}={times * figures[name] + more!r}")]
        record = json.loads(mrl(*options, *given, "-f", "json").out)
        checks = {check["name"]: check for check in record["checks"]}
        for name in names:
            check = checks[f"expected {name}"]
            assert (check["passed"], check["expected"]) == (times == 1, figures[name])


def test_the_average_of_the_sections_of_a_preset_can_be_expected(mrl: Mrl, tmp_path: Path) -> None:
    rows = [("alpacaeval-easy", 2, 1), ("hep-python", 2, 1), ("hep-go", 1, 2), ("donotanswer", 1, 2)]
    lines = [
        json.dumps(
            {"scores_chosen": chosen, "scores_rejected": rejected, "results": int(chosen > rejected), "subset": of}
        )
        for of, chosen, rejected in rows
    ]
    (tmp_path / "bench.jsonl").write_text("\n".join(lines) + "\n")
    preset = ("bench.jsonl", "--preset", "rewardbench")
    plain = json.loads(mrl(*preset, "-f", "json").out)
    assert "loop groups" not in {check["name"] for check in plain["checks"]}
    assert mrl(*preset, "--expect", "section_average=0.5", "--expect", "macro_accuracy=0.500").code == 0
    assert mrl(*preset, "--expect", "section_average=0.6").code == 1


@pytest.mark.parametrize("options", [[], ["--difference", "x1"], ["--weight", "x1"], ["--loss", "ipo"]])
def test_what_a_run_is_said_to_report_can_be_expected_of_it_and_nothing_else(
    options: list[str], mrl: Mrl, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n1,2,1\n3,1,-1\n")
    said = mrl("p.csv", *options, "--expect", "macro_mean=1").err.partition("it reports ")[2].split()
    names = {name.rstrip(",") for name in said}
    known = {f.key for f in FIGURES} - {"difference_quantiles"} | {n for n in names if n.startswith("difference_q")}
    assert len(known) > len(FIGURES)
    assert mrl("p.csv", *options, *(f"--expect={name}=7" for name in sorted(names))).code < 2
    assert names <= known
    assert [name for name in known - names if mrl("p.csv", *options, "--expect", f"{name}=7").code < 2] == []


def test_a_count_is_written_as_one(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n" + "1,2,1\n" * 40 + "3,1,1\n" * 13 + "3,2.75,1\n" * 7)
    ran = mrl("p.csv", "--margin", "0.5", "--expect", "active=13", "-f", "table")
    assert "your active: mrl computes 47, yours is 13\n" in ran.out
    assert "; try --expect beyond_margin=13\n" in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--expect", "acuracy=0.7"], "did you mean accuracy?"),
        (["--expect", "macro_mean=0.7"], "this run does not report it"),
        (["--expect", "weight=0.7"], "it reports value, pairs"),
        (["--expect", "margin=0.7"], "knows no 'margin'"),
        (["--expect", "=0.7"], "is not VALUE or NAME=VALUE"),
        (["--expect", "accuracy="], "'' is not a finite number"),
        (["--expect", "accuracy=high"], "'high' is not a finite number"),
        (["--expect", "nan"], "'nan' is not a finite number"),
        (["--expect", "1e-99999999999999999999"], "exponent out of bounds"),
        (["--expect", "0.7", "--expect", "value=0.8"], "--expect of the value is given more than once"),
        (["--expect", "0.7", "--reduction", "none"], "--reduction none has none"),
        (["--expect", "difference_quantiles=0.7"], "did you mean difference_quantiles.p05?"),
    ],
)
def test_an_expectation_that_cannot_be_held_is_refused(options: list[str], message: str, mrl: Mrl) -> None:
    mrl(SAMPLE, *options).must_fail(2, message)


def test_an_accuracy_is_expected_of_single_losses_too(mrl: Mrl) -> None:
    assert mrl(SAMPLE, "--reduction", "none", "--expect", "accuracy=0.7642").code == 0


# What explains another figure. Scores of a quarter: one pair in twelve or so is tied.

Q1, Q2 = (np.round(4 * values[:4999]) / 4 for values in (X1, X2))
Y4999 = Y[:4999]
SIDES = np.sign(Y4999 * (Q1 - Q2))
CREDITS = {"wrong": SIDES > 0, "right": SIDES >= 0, "half": (SIDES + 1) / 2}
GROUPS = np.array(list("aaab"))[np.arange(4999) % 4]


def of_batches(values: NDArray[Any], size: int) -> float:
    return float(np.mean([values[start : start + size].mean() for start in range(0, values.size, size)]))


def macro(values: NDArray[Any]) -> float:
    return float(np.mean([values[group == GROUPS].mean() for group in "ab"]))


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    return written(tmp_path / "coarse.csv", x1=Q1, x2=Q2, y=Y4999.astype(int), g=GROUPS)


ACCURACIES = {
    "ties right": ("accuracy", CREDITS["right"].mean(), "it is the accuracy, ties counted as right"),
    "ties half": ("accuracy", CREDITS["half"].mean(), "it is the accuracy, ties counted half"),
    "ties left out": ("accuracy", CREDITS["wrong"][SIDES != 0].mean(), "it is the accuracy, ties left out"),
    "ties wrong": ("accuracy_half", CREDITS["wrong"].mean(), "it is the accuracy, ties counted as wrong"),
    "wrong": ("accuracy", (SIDES < 0).mean(), "it is the share of wrong pairs"),
    "percent": ("accuracy", 100 * CREDITS["wrong"].mean(), "it is in percent"),
    "batches": (
        "accuracy",
        of_batches(CREDITS["wrong"].astype(float), 64),
        "it is the mean of the accuracies of batches of 64, the last of them short (7)",
    ),
    "batches, ties half": (
        "accuracy_half",
        of_batches(CREDITS["half"], 128),
        "it is the mean of the accuracies of batches of 128, the last of them short (7)",
    ),
    "macro": (
        "accuracy",
        macro(CREDITS["wrong"]),
        "it is the mean of the accuracies of the 2 groups (macro), not that over all pairs",
    ),
    "labels": (
        "accuracy",
        ((Y4999 > 0) & (Q1 > Q2)).mean(),
        "labels are 0 and 1: 0 was not mapped to -1",
    ),
    "margin": ("accuracy", (Y4999 * (Q1 - Q2) >= 0.3).mean(), "it is the accuracy_at_margin, not the accuracy"),
    "mean": ("mean", macro(softplus(0.3 - Y4999 * (Q1 - Q2))), "it is the mean of the means of the 2 groups (macro)"),
}


@pytest.mark.parametrize("name", ACCURACIES)
def test_a_figure_that_was_computed_otherwise_is_explained(name: str, mrl: Mrl, coarse: Path) -> None:
    key, value, hypothesis = ACCURACIES[name]
    options = [coarse, "--loss", "logistic", "--margin", "0.3", "--group-by", "g"]
    (explanation,) = explanations(mrl(*options, "--expect", f"{key}={float(value)!r}", "-f", "json"))
    assert explanation["hypothesis"].startswith(hypothesis)
    assert (explanation["check"], explanation["proven"]) == (f"expected {key}", True)


def test_files_are_groups_where_there_are_no_others(mrl: Mrl, tmp_path: Path) -> None:
    first, second = slice(1000), slice(1000, None)
    files = [
        written(tmp_path / f"{name}.csv", x1=X1[part], x2=X2[part], y=Y[part].astype(int))
        for name, part in (("a", first), ("b", second))
    ]
    is_right = AGREEMENT > 0
    value = (is_right[first].mean() + is_right[second].mean()) / 2
    (explanation,) = explanations(mrl(*files, "--expect", f"accuracy={float(value)!r}", "-f", "json"))
    assert explanation["hypothesis"].startswith("it is the mean of the accuracies of the 2 files (macro)")
    assert mrl(*files, *explanation["hint"].split()).code == 0


@pytest.mark.parametrize("seed", range(12))
def test_no_random_accuracy_is_explained(seed: int, mrl: Mrl, coarse: Path) -> None:
    value = np.random.default_rng(seed).uniform(0.3, 0.95)
    ran = mrl(coarse, "--expect", f"accuracy={value!r}", "-f", "json")
    assert explanations(ran) == []
    assert json.loads(ran.out)["notes"] == ["none of the known mistakes explains your accuracy"]


def test_ties_counted_right_fit_where_digits_are_too_few_to_prove_it(mrl: Mrl, tmp_path: Path) -> None:
    """150 pairs, 93 of them right and 3 tied: 0.62, and 0.64 with ties counted right."""
    scores = [(2, 1)] * 93 + [(1, 1)] * 3 + [(1, 2)] * 54
    written(tmp_path / "e.csv", chosen=[one for one, _ in scores], rejected=[other for _, other in scores])
    options = ["e.csv", "--x1", "chosen", "--x2", "rejected", "--y-const", "1"]
    assert mrl(*options, "--expect", "accuracy=0.62").code == 0
    (explanation,) = explanations(mrl(*options, "--expect", "accuracy=0.64", "-f", "json"))
    assert explanation["hypothesis"] == "it is the accuracy, ties counted as right"
    assert (explanation["proven"], explanation["lacks"]) == (False, "so few digits")


# Broadcasts, self pairs, and the mean inside, of losses other than the hinge.


def test_margins_that_broadcast_are_named_for_the_logistic_loss_as_for_the_hinge(mrl: Mrl, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    margins = random.choice([0.1, 0.5, 1.0, 2.0], 16)
    written(tmp_path / "m.csv", x1=X1[:16], x2=X2[:16], y=np.ones(16, int), margin=margins)
    z = margins[None, :] - (X1[:16] - X2[:16])[:, None]
    for loss, mean in (("logistic", softplus(z).mean()), ("margin_ranking", np.maximum(0, z).mean())):
        options = ["m.csv", "--margin-column", "margin", "--loss", loss, "--expect", repr(float(mean)), "-f", "json"]
        (explanation,) = explanations(mrl(*options))
        assert explanation["hypothesis"].startswith(
            "the margin is (n, 1) beside scores of (n,), or the other way round"
        )
        assert explanation["proven"]


@pytest.mark.parametrize("loss", ["logistic", "exponential", "ipo", "squared_hinge"])
@pytest.mark.parametrize("shapes", ["x1 is (n, 1)", "x2 is (n,)", "y is (n, 1)"])
def test_columns_that_broadcast_are_named_for_every_loss(shapes: str, loss: str, mrl: Mrl, tmp_path: Path) -> None:
    written(tmp_path / "few.csv", x1=X1[:300], x2=X2[:300], y=Y[:300].astype(int))
    column, row = (slice(None), None), (None, slice(None))
    at = {
        "x1 is (n, 1)": (column, row, row),
        "x2 is (n,)": (column, row, column),
        "y is (n, 1)": (row, row, column),
    }[shapes]
    x1, x2, y = (values[:300][place] for values, place in zip((X1, X2, Y), at, strict=True))
    d = y * (x1 - x2)
    losses = {
        "logistic": softplus(-d),
        "exponential": np.exp(-d),
        "ipo": (d - 0.5) ** 2,
        "squared_hinge": np.maximum(0, -d) ** 2,
    }[loss]
    value = float(f"{losses.mean():.6g}")
    (explanation,) = explanations(mrl("few.csv", "--loss", loss, "--expect", repr(value), "-f", "json"))
    assert explanation["hypothesis"].startswith(shapes)


def test_the_loss_of_the_mean_difference_is_named(mrl: Mrl) -> None:
    value = float(softplus(np.array([MARGIN - AGREEMENT.mean()]))[0])
    for text in (repr(value), f"{value:.6g}"):
        ran = mrl(SAMPLE, "--loss", "logistic", "--margin", str(MARGIN), "--expect", text, "-f", "json")
        assert [one["hypothesis"] for one in explanations(ran)] == [
            "it is the loss of the mean difference, not the mean of the losses"
        ]


@pytest.mark.parametrize("margin", [0.3, 1.5])
def test_without_a_clamp_the_mean_is_the_loss_of_the_mean_difference(margin: float, mrl: Mrl) -> None:
    """Where that is above 0 the two are one number, of which none can be said to be it."""
    value = margin - AGREEMENT.mean()
    (explanation,) = explanations(mrl(SAMPLE, "--margin", str(margin), "--expect", f"{value:.6g}", "-f", "json"))
    both = "it is the loss of the mean difference, not the mean of the losses; or losses are not clamped at 0"
    if value > 0:
        assert explanation["hypothesis"] == f"{both} (one value cannot tell them apart)"
    else:
        assert explanation["hypothesis"] == "losses are not clamped at 0"


@pytest.mark.parametrize("is_each_way", [True, False])
def test_items_paired_with_themselves_are_named(is_each_way: bool, mrl: Mrl, tmp_path: Path) -> None:
    """Of 40 items, the n * n matrix of pairs with its diagonal, where each costs the margin."""
    scores, labels = X1[:40], np.arange(40)
    places = [(i, j) for i in range(40) for j in range(40) if (i != j if is_each_way else i < j)]
    i, j = np.array(places).T
    y = np.sign(labels[i] - labels[j])
    written(tmp_path / "square.csv", x1=scores[i], x2=scores[j], y=y)
    signs = np.sign(labels[:, None] - labels[None])
    value = float(np.maximum(0, 0.5 - signs * (scores[:, None] - scores[None])).mean())
    (explanation,) = explanations(mrl("square.csv", "--margin", "0.5", "--expect", f"{value:.6g}", "-f", "json"))
    expected = "the 40 self pairs of 40 items are added: it is the mean over 40 * 40 pairs"
    assert explanation["hypothesis"] == expected


# What fits and cannot be proven.


@pytest.mark.parametrize("asked", [["--expect", "1.6"], ["--loss-column", "mine"]])
def test_what_fits_one_pair_is_named_and_not_claimed(asked: list[str], mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x1,x2,y,mine\n1.4,0.8,1,1.6\n")
    options = ["one.csv", "--margin", "1", *asked]
    (explanation,) = explanations(mrl(*options, "-f", "json"))
    assert explanation["hypothesis"] == "y has the other sign, or x1 and x2 are swapped"
    assert explanation["proven"] is False
    text = (
        "possible explanation: y has the other sign, or x1 and x2 are swapped: gives that, "
        "but one pair cannot prove it; try x1 and x2 exchanged"
    )
    printed = mrl(*options, "-f", "table")
    assert text in " ".join(printed.out.split())
    assert "none of the known mistakes" not in printed.out
    (row,) = (row for row in csv.DictReader(mrl(*options, "-f", "csv", "-q").out.splitlines()) if row["explanation"])
    assert (row["verdict"], row["explanation"]) == ("failed", text)


def test_one_pair_proves_nothing_with_any_digits(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x1,x2,y\n0.7323422,0.1293847,1\n")
    value = 1 + (0.7323422 - 0.1293847)
    (explanation,) = explanations(mrl("one.csv", "--margin", "1", "--expect", repr(value), "-f", "json"))
    assert (explanation["proven"], explanation["lacks"]) == (False, "one pair")


def test_a_few_rows_say_how_few_they_are(mrl: Mrl, tmp_path: Path) -> None:
    few = np.flatnonzero(Y > 0)[:1].tolist() + np.flatnonzero(Y < 0)[:2].tolist()
    mine = np.maximum(0, 9 + AGREEMENT[few]).round(3)
    written(tmp_path / "few.csv", x1=X1[few], x2=X2[few], y=Y[few].astype(int), mine=mine)
    (explanation,) = explanations(mrl("few.csv", "--margin", "9", "--loss-column", "mine", "-f", "json"))
    assert (explanation["proven"], explanation["lacks"]) == (False, "3 pairs")
    assert explanation["hypothesis"] == "y has the other sign, or x1 and x2 are swapped"


# Hints: the options that they name compute the user's number.

FOLLOWED = {
    "--loss logistic": softplus(MARGIN - AGREEMENT),
    "--loss logistic, without --margin": softplus(-AGREEMENT),
    "--loss exponential, without --margin": np.exp(-AGREEMENT),
    "--loss squared_hinge": np.maximum(0, MARGIN - AGREEMENT) ** 2,
    "--loss logistic --param temperature=0.5": softplus(MARGIN - AGREEMENT / 0.5),
    "--loss ipo --param beta=0.1, without --margin": (AGREEMENT - 5) ** 2,
    "--loss smoothed_bradley_terry --param label_smoothing=0.1, without --margin": smoothed(AGREEMENT, 0.1),
    "--loss robust_bradley_terry --param label_smoothing=0.25, without --margin": robust(AGREEMENT, 0.25),
    "--margin 0.7": np.maximum(0, 0.7 - AGREEMENT),
    "--margin 1.0": np.maximum(0, 1 - AGREEMENT),
    "--margin -0.3": np.maximum(0, -0.3 - AGREEMENT),
    "without --margin": np.maximum(0, -AGREEMENT),
    "x1 and x2 exchanged": np.maximum(0, MARGIN + AGREEMENT),
    "--margin 1.0, x1 and x2 exchanged": np.maximum(0, 1 + AGREEMENT),
}


@pytest.mark.parametrize("way", ["value", "column"])
@pytest.mark.parametrize("hint", FOLLOWED)
def test_a_hint_that_is_followed_gives_the_number(hint: str, way: str, mrl: Mrl, tmp_path: Path) -> None:
    losses = FOLLOWED[hint]
    file = written(tmp_path / "mine.csv", x1=X1, x2=X2, y=Y.astype(int), mine=losses)
    asked = ["--expect", repr(float(losses.mean()))] if way == "value" else ["--loss-column", "mine"]
    (explanation,) = explanations(mrl(file, "--margin", str(MARGIN), *asked, "-f", "json"))
    assert explanation["hint"] == hint
    options, *others = hint.split(", ")
    given = options.split() if options.startswith("--") else []
    others = others if options.startswith("--") else [options]
    if "without --margin" not in others and "--margin" not in given:
        given += ["--margin", str(MARGIN)]
    if "x1 and x2 exchanged" in others:
        given += ["--x1", "x2", "--x2", "x1"]
    assert mrl(file, *given, *asked, "--rtol", "1e-9", "--atol", "1e-12").code == 0


TOOK_A_MARGIN = {  # what a pair's own margin came from, and what is to be given in its place
    "--margin-column margin": ("without --margin-column", ""),
    "--labels strength --strength margin": ("without --strength margin", "--labels strength"),
    "--preset trl": ("--margin 0.0", "--preset trl --margin 0.0"),
}


@pytest.mark.parametrize("options", TOOK_A_MARGIN)
@pytest.mark.parametrize("way", ["value", "column"])
def test_a_hint_takes_away_what_margins_came_from(options: str, way: str, mrl: Mrl, tmp_path: Path) -> None:
    hint, instead = TOOK_A_MARGIN[options]
    winner, loser = (np.where(Y > 0, *scores) for scores in ((X1, X2), (X2, X1)))
    columns: dict[str, Any] = {"x1": X1, "x2": X2, "y": Y * (1 + np.arange(Y.size) % 3)}
    if "preset" in options:
        columns = {"chosen_rewards": winner, "rejected_rewards": loser}
    elif "column" in options:
        columns["y"] = Y
    losses = np.maximum(0, -AGREEMENT)
    file = written(tmp_path / "p.csv", **columns, margin=1 + np.arange(Y.size) % 3, mine=losses)
    asked = ["--expect", repr(float(losses.mean()))] if way == "value" else ["--loss-column", "mine"]
    (explanation,) = explanations(mrl(file, *options.split(), *asked, "-f", "json"))
    assert explanation["hint"] == hint
    assert mrl(file, *instead.split(), *asked).code == 0


@pytest.mark.parametrize("scale", [[], ["--scale", "0.5"]])
def test_a_hint_exchanges_the_scores_of_a_difference_by_its_scale(scale: list[str], mrl: Mrl, tmp_path: Path) -> None:
    factor = float(scale[1]) if scale else 1.0
    file = written(tmp_path / "d.csv", gap=X1 - X2, y=Y.astype(int))
    asked = ["--difference", "gap", "--expect", repr(float(np.maximum(0, factor * AGREEMENT).mean()))]
    (explanation,) = explanations(mrl(file, *asked, *scale, "-f", "json"))
    assert explanation["hint"] == f"--scale {-factor}"
    assert mrl(file, *asked, *explanation["hint"].split()).code == 0


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (["--reduction", "mean"], AGREEMENT.clip(max=0).sum() * -1),
        (["--reduction", "sum"], AGREEMENT.clip(max=0).mean() * -1),
        ([], (AGREEMENT > 0).mean()),
    ],
)
def test_a_hint_of_another_figure_is_right(options: list[str], value: float, mrl: Mrl) -> None:
    (explanation,) = explanations(mrl(SAMPLE, *options, "--expect", repr(float(value)), "-f", "json"))
    hint = explanation["hint"].split()
    asked = hint if "--expect" in hint else [*hint, "--expect", repr(float(value))]
    assert mrl(SAMPLE, *asked).code == 0


def test_an_explanation_that_no_option_makes_has_no_hint(mrl: Mrl) -> None:
    value = float((MARGIN - AGREEMENT).mean())
    (explanation,) = explanations(mrl(SAMPLE, "--margin", str(MARGIN), "--expect", repr(value), "-f", "json"))
    assert explanation["hypothesis"] == "losses are not clamped at 0"
    assert "hint" not in explanation


# Where explanations stand.


@pytest.mark.parametrize("output_format", ["csv", "tsv"])
def test_rows_keep_the_explanation_under_quiet(output_format: str, mrl: Mrl) -> None:
    value = float(np.maximum(0, -AGREEMENT).sum())
    ran = mrl(SAMPLE, "--expect", repr(value), "-f", output_format, "-q")
    assert (ran.code, ran.err) == (1, "")
    rows = list(csv.DictReader(ran.out.splitlines(), delimiter="," if output_format == "csv" else "\t"))
    texts = {row["check"]: row["explanation"] for row in rows}
    assert texts.pop("expected value") == (
        "explanation: it is the sum, not the mean: that gives this very number; try --reduction sum"
    )
    assert set(texts.values()) == {""}


def test_each_figure_is_explained_apart(mrl: Mrl) -> None:
    total, right = float(np.maximum(0, -AGREEMENT).sum()), float((AGREEMENT < 0).mean())
    given = ["--expect", repr(total), "--expect", f"accuracy={right!r}", "--expect", "x1_mean=0.123456", "-f", "json"]
    ran = mrl(SAMPLE, *given)
    assert {one["check"]: one["hypothesis"] for one in explanations(ran)} == {
        "expected value": "it is the sum, not the mean",
        "expected accuracy": "it is the share of wrong pairs",
    }
    assert json.loads(ran.out)["notes"] == ["none of the known mistakes explains your x1_mean"]


def test_a_swapped_mean_of_scores_is_named(mrl: Mrl) -> None:
    (explanation,) = explanations(mrl(SAMPLE, "--expect", f"x1_mean={math.fsum(X2) / X2.size!r}", "-f", "json"))
    assert explanation["hypothesis"] == "it is the x2_mean, not the x1_mean"


def test_a_number_near_no_temperature_at_all_is_no_bug(mrl: Mrl, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("x1,x2,y\n0.5,0.2,1\n-1.25,0.4,-1\n2.5,2.75,1\n0.1,0.9,-1\n3,1,1\n")
    assert mrl(path, "--expect", "1").code == 1


def test_a_whole_percent_is_a_share_of_as_many_digits(tmp_path: Path, mrl: Mrl) -> None:
    rows = [f"{place % 97},{place % 97 + (-1 if place < 151 else 1)},1" for place in range(300)]
    (tmp_path / "p.csv").write_text("\n".join(["x1,x2,y", *rows]))
    ran = mrl(tmp_path / "p.csv", "--expect", "50")
    assert re.search(r"--expect accuracy=0\.50\b", ran.out + ran.err)
    assert mrl(tmp_path / "p.csv", "--expect", "accuracy=0.50").code == 0
    assert mrl(tmp_path / "p.csv", "--expect", "accuracy=0.500").code == 1
