"""Each known mistake, planted, is named first and alone; what chance or noise gives is not claimed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as arrow_csv
import pytest
from numpy.typing import NDArray

from mrl_cli.losses import LOSSES
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations import unknowns
from mrl_cli.verify.explanations.candidates import COMMON_BATCHES, Candidate, LeftOut, Stage, Stages, value_stages
from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.columns import explain_column
from mrl_cli.verify.explanations.hypotheses import HYPOTHESES, mistakes
from mrl_cli.verify.explanations.parts import AllPairs, ValueParts, broadcast_means, value_parts
from mrl_cli.verify.explanations.unknowns import Grids, SolvedValue
from mrl_cli.verify.explanations.values import Own, fitting_value
from mrl_cli.verify.explanations.values import explain_value as explain
from tests.running import Mrl

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
SAMPLE = Path(__file__).parents[1] / "sample_data" / "diabetes_pairs.csv"
TABLE = arrow_csv.read_csv(SAMPLE)
X1, X2, Y = (np.array(TABLE[name].to_pylist(), np.float64) for name in ("x1", "x2", "y"))
MARGIN = 0.3
CASE = Case(X1, X2, Y, MARGIN)
SIGN = "y has the other sign, or x1 and x2 are swapped"
SIGMOIDS = "the loss is of sigmoid(x1) - sigmoid(x2): give it x1 - x2, without a sigmoid of each score"
SIGN_OR_EXPONENT = "y or the exponent has the other sign, or x1 and x2 are swapped"


def hinge(x1: Array, x2: Array, y: Array, margin: float, dtype: Any = np.float64) -> Array:
    """Return the losses as a user would write them, with nothing of the package."""
    x1, x2, y = (values.astype(dtype) for values in (x1, x2, y))
    losses: Array = np.maximum(0, -y * (x1 - x2) + dtype(margin)).astype(np.float64)
    return losses


def as_bfloat16(values: Array) -> Array:
    """Round to 8 significant bits, one value at a time."""
    collected = []
    for value in values.tolist():
        mantissa, exponent = math.frexp(value)
        collected.append(math.ldexp(round(mantissa * 256), exponent - 8))
    return np.array(collected)


def as_float16(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float64)


def in_tensors(
    margin: float,
    rounded: Callable[[Array], Array],
    loss: Callable[[Array], Array] = lambda z: np.maximum(0, z),
    *,
    on_gpu: bool = False,
) -> Array:
    """Return losses as PyTorch has them of tensors of a narrow float, which hold the result of each operation.

    A number beside them is rounded first, but on a GPU.
    """
    difference = rounded(rounded(X1) - rounded(X2))
    margin = margin if on_gpu else float(rounded(np.array([margin]))[0])
    return rounded(loss(rounded(margin - Y * difference)))


def shuffled(values: Array) -> Array:
    return np.random.default_rng(5).permutation(values)


RIGHT = hinge(X1, X2, Y, MARGIN)
COARSE = Case(np.round(X1), np.round(X2), Y, MARGIN)  # every fourth pair is tied
TIED = (COARSE.x1 == COARSE.x2).astype(float)
BYTES = Case(np.rint(X1 * 40), np.rint(X2 * 40), Y, MARGIN)  # differences beyond 127
LOGISTIC = replace(CASE, loss="logistic", parameters={"temperature": 1.0})
AGREEMENT = Y * (X1 - X2)
NO_MARGIN = replace(CASE, margin=0.0)
SHARP = replace(LOGISTIC, parameters={"temperature": 0.5})
FLAT = replace(LOGISTIC, margin=0.0)
WIDE = replace(LOGISTIC, x1=40 * X1, x2=40 * X2)  # sigmoids down to 1e-60
BETA = Case(X1, X2, Y, 0.0, "smoothed_bradley_terry", {"beta": 0.25, "label_smoothing": 0.1})
IPO = Case(X1, X2, Y, 0.0, "ipo", {"beta": 0.25})
SOFT = Case(X1, X2, Y, 0.0, "exponential", {"temperature": 2.0})


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def softplus(z: Array) -> Array:
    """Return -log sigmoid(-z) as a user would write it who knows of overflows."""
    return np.asarray(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0))


def smoothed(z: Array, share: float) -> Array:
    return (1 - share) * softplus(-z) + share * softplus(z)


def robust(z: Array, share: float) -> Array:
    return ((1 - share) * softplus(-z) - share * softplus(z)) / (1 - 2 * share)


SHARES = np.random.default_rng(8).random(Y.size).round(2)  # probabilities, with 0 and 1 among them
PROBABLE = replace(LOGISTIC, y=SHARES, margin=0.0, takes_probabilities=True)


# What is planted: how the losses should have come about, what the user has, what it must be called.
PLANTED: dict[str, tuple[Case, Array, str]] = {
    "y flipped": (CASE, hinge(X1, X2, -Y, MARGIN), SIGN),
    "x1 and x2 swapped": (CASE, hinge(X2, X1, Y, MARGIN), SIGN),
    "labels 0 and 1": (CASE, hinge(X1, X2, (Y + 1) / 2, MARGIN), "labels are 0 and 1: 0 was not mapped to -1"),
    "labels unused": (CASE, hinge(X1, X2, np.ones_like(Y), MARGIN), "y is not used: every pair counts as y = 1"),
    "labels in bytes": (CASE, hinge(X1, X2, Y % 256, MARGIN), "labels are unsigned bytes: -1 became 255"),
    "margin subtracted": (CASE, hinge(X1, X2, Y, -MARGIN), "the margin has the other sign"),
    "no margin": (CASE, hinge(X1, X2, Y, 0), "there is no margin (0)"),
    "margin 1": (CASE, hinge(X1, X2, Y, 1), "the margin is 1"),
    "not clamped": (CASE, MARGIN - Y * (X1 - X2), "losses are not clamped at 0"),
    "squared": (CASE, RIGHT**2, "losses are squared"),
    "float32": (CASE, hinge(X1, X2, Y, MARGIN, np.float32), "the arithmetic is float32"),
    "float16": (CASE, hinge(X1, X2, Y, MARGIN, np.float16), "the arithmetic is float16"),
    "bfloat16": (CASE, in_tensors(MARGIN, as_bfloat16), "the arithmetic is bfloat16"),
    "bfloat16 on a GPU": (
        CASE,
        in_tensors(MARGIN, as_bfloat16, on_gpu=True),
        "the arithmetic is bfloat16, but for the margin",
    ),
    "float16 on a GPU": (
        CASE,
        in_tensors(MARGIN, as_float16, on_gpu=True),
        "the arithmetic is float16, but for the margin",
    ),
    "float64": (replace(CASE, dtype="float32"), RIGHT, "the arithmetic is float64"),
    "bfloat16 scores": (CASE, hinge(as_bfloat16(X1), as_bfloat16(X2), Y, MARGIN), "scores are rounded to bfloat16"),
    "float16 scores": (
        CASE,
        hinge(X1.astype(np.float16).astype(float), X2.astype(np.float16).astype(float), Y, MARGIN),
        "scores are rounded to float16",
    ),
    "int8 scores": (
        BYTES,
        np.maximum(0, MARGIN - Y * ((BYTES.x1 - BYTES.x2 + 128) % 256 - 128)),
        "scores were subtracted as int8 and wrapped",
    ),
    "log base 2": (LOGISTIC, np.log2(1 + np.exp(MARGIN - Y * (X1 - X2))), "the logarithm is of base 2"),
    "probabilities as labels": (
        PROBABLE,
        softplus(-SHARES * (X1 - X2)),
        "probabilities are multiplied with x1 - x2, as labels are",
    ),
    "probabilities rounded": (
        PROBABLE,
        np.where(SHARES > 0.5, softplus(X2 - X1), softplus(X1 - X2)),
        "probabilities are rounded to 0 and 1",
    ),
    "probabilities of x2": (
        PROBABLE,
        (1 - SHARES) * softplus(X2 - X1) + SHARES * softplus(X1 - X2),
        SIGN,
    ),
    "ties cost nothing": (COARSE, losses_of(COARSE) * (1 - TIED), "tied pairs (x1 = x2) cost nothing"),
    "ties cost half": (COARSE, losses_of(COARSE) * (1 - TIED / 2), "tied pairs (x1 = x2) cost half"),
    "a row too low": (CASE, np.roll(RIGHT, 1), "each loss stands one row too low"),
    "a row too high": (CASE, np.roll(RIGHT, -1), "each loss stands one row too high"),
    "another order": (CASE, shuffled(RIGHT), "rows stand in another order"),
    "2 decimals": (CASE, hinge(X1.round(2), X2.round(2), Y, MARGIN), "scores are rounded to 2 decimals"),
    "5 decimals": (CASE, hinge(X1.round(5), X2.round(5), Y, MARGIN), "scores are rounded to 5 decimals"),
    "sign of the exponent, a margin": (LOGISTIC, softplus(AGREEMENT - MARGIN), "the exponent has the other sign"),
    "sign of the exponent": (FLAT, softplus(AGREEMENT), SIGN_OR_EXPONENT),
    "margin subtracted outside": (
        LOGISTIC,
        softplus(-AGREEMENT) - MARGIN,
        "the margin is subtracted outside the sigmoid",
    ),
    "margin added outside": (LOGISTIC, softplus(-AGREEMENT) + MARGIN, "the margin is added outside the sigmoid"),
    "margin over temperature": (
        replace(SHARP, parameters={"temperature": 0.4}),
        softplus((MARGIN - AGREEMENT) / 0.4),
        "the margin is divided by the temperature too",
    ),
    "margin twice": (CASE, hinge(X1, X2, Y, 2 * MARGIN), "the margin is added twice"),
    "margin outside the clamp": (
        CASE,
        hinge(X1, X2, Y, 0) + MARGIN,
        "the margin is added outside the clamp, max(0, -d) + margin",
    ),
    "temperature twice": (SHARP, softplus(MARGIN - AGREEMENT / 0.25), "the temperature is applied twice"),
    "temperature left out": (SHARP, softplus(MARGIN - AGREEMENT), "the temperature is left out (1)"),
    "beta twice": (BETA, smoothed(0.0625 * AGREEMENT, 0.1), "beta is applied twice"),
    "beta twice in ipo": (IPO, (0.25 * AGREEMENT - 2) ** 2, "beta is applied twice"),
    "beta left out": (IPO, (AGREEMENT - 0.5) ** 2, "beta is left out (1)"),
    "1 - sigmoid, a margin": (LOGISTIC, 1 / (1 + np.exp(AGREEMENT - MARGIN)), "the log is left out: 1 - sigmoid"),
    "1 - sigmoid": (
        FLAT,
        1 - 1 / (1 + np.exp(-AGREEMENT)),
        "the log is left out: 1 - sigmoid, which is the soft_zero_one loss",
    ),
    "-sigmoid": (LOGISTIC, -1 / (1 + np.exp(MARGIN - AGREEMENT)), "the log is left out: -sigmoid"),
    "sigmoid": (
        FLAT,
        sigmoid(AGREEMENT),
        "it is sigmoid(x1 - x2), the probability that the better one wins, without -log: take -logsigmoid of x1 - x2",
    ),
    "sigmoid twice": (
        SHARP,
        -np.log(sigmoid(sigmoid(AGREEMENT / 0.5 - MARGIN))),
        "sigmoid is applied twice, -log sigmoid(sigmoid(x1 - x2)): give x1 - x2 to logsigmoid or BCEWithLogitsLoss",
    ),
    "BCE with logits of a sigmoid": (
        FLAT,
        np.where(Y > 0, -np.log(sigmoid(sigmoid(X1 - X2))), -np.log(1 - sigmoid(sigmoid(X1 - X2)))),
        "sigmoid is applied twice, BCEWithLogitsLoss of sigmoid(x1 - x2): give it x1 - x2",
    ),
    "softmax twice": (
        FLAT,
        -np.log(1 / (1 + np.exp(sigmoid(-AGREEMENT) - sigmoid(AGREEMENT)))),
        "softmax is applied twice, CrossEntropyLoss of softmax((x1, x2)): give it x1 and x2 themselves",
    ),
    "sigmoid of each score": (FLAT, softplus(-Y * (sigmoid(X1) - sigmoid(X2))), SIGMOIDS),
    "sigmoid of each score, hinges": (CASE, hinge(sigmoid(X1), sigmoid(X2), Y, MARGIN), SIGMOIDS),
    "log base 10": (LOGISTIC, np.log10(1 + np.exp(MARGIN - AGREEMENT)), "the logarithm is of base 10"),
    **{
        f"epsilon {epsilon:g}": (
            WIDE,
            -np.log(1 / (1 + np.exp(MARGIN - 40 * AGREEMENT)) + epsilon),
            f"{epsilon:g} is added inside the logarithm",
        )
        for epsilon in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-6, 5e-4)
    },
    "centering": (
        LOGISTIC,
        softplus(MARGIN - AGREEMENT) + 0.01 * (X1 + X2) ** 2,
        "a term is added that keeps scores around 0: 0.01*(x1 + x2)**2",
    ),
    # Another loss.
    "margin_ranking": (LOGISTIC, RIGHT, "it is the margin_ranking loss"),
    "squared_hinge": (LOGISTIC, RIGHT**2, "it is the squared_hinge loss"),
    "logistic": (CASE, softplus(MARGIN - AGREEMENT), "it is the logistic loss"),
    "logistic, no margin": (
        NO_MARGIN,
        softplus(-AGREEMENT),
        "it is the logistic loss, the same as smoothed_ and robust_bradley_terry without label smoothing",
    ),
    "bradley_terry": (
        CASE,
        softplus(-AGREEMENT),
        "it is the logistic loss without the margin",
    ),
    "smoothed_bradley_terry": (
        CASE,
        smoothed(AGREEMENT, 0.1),
        "it is the smoothed_bradley_terry loss with label_smoothing 0.1",
    ),
    "robust_bradley_terry": (
        CASE,
        robust(AGREEMENT, 0.1),
        "it is the robust_bradley_terry loss with label_smoothing 0.1",
    ),
    "the other mixture": (BETA, robust(0.25 * AGREEMENT, 0.1), "it is the robust_bradley_terry loss"),
    "soft_zero_one": (CASE, 1 / (1 + np.exp(AGREEMENT)), "it is the soft_zero_one loss"),
    "exponential": (CASE, np.exp(-AGREEMENT), "it is the exponential loss"),
    "ipo": (CASE, (AGREEMENT - 0.5) ** 2, "it is the ipo loss"),
    "margin_mse": (CASE, (X1 - X2 - Y) ** 2, "it is the margin_mse loss"),
    # A number that is solved for.
    "temperature 0.1": (LOGISTIC, softplus(MARGIN - AGREEMENT / 0.1), "temperature is 0.1"),
    "temperature 1/0.3": (FLAT, softplus(-0.3 * AGREEMENT), "temperature is 1/0.3"),
    "beta 0.1": (IPO, (AGREEMENT - 5) ** 2, "beta is 0.1"),
    "label smoothing 0.3": (BETA, smoothed(0.25 * AGREEMENT, 0.3), "label_smoothing is 0.3"),
    "a margin": (CASE, hinge(X1, X2, Y, 0.7), "the margin is 0.7"),
    "temperature of exponents": (SOFT, np.exp(-AGREEMENT / 0.7), "temperature is 0.7"),
    "centering 0.05": (
        CASE,
        RIGHT + 0.05 * (X1 + X2) ** 2,
        "a term is added that keeps scores around 0: 0.05*(x1 + x2)**2",
    ),
    "another loss and its beta": (NO_MARGIN, softplus(-AGREEMENT / 2), "it is the logistic loss with temperature 2"),
    "another loss and its beta, no margin": (
        CASE,
        softplus(-AGREEMENT / 10),
        "it is the logistic loss without the margin, with temperature 10",
    ),
    "another loss and its noise": (
        NO_MARGIN,
        robust(AGREEMENT, 0.25),
        "it is the robust_bradley_terry loss with label_smoothing 0.25",
    ),
    "losses of 4 decimals": (CASE, RIGHT.round(4), "your losses are rounded to 4 decimals"),
    "losses of bfloat16": (CASE, as_bfloat16(RIGHT), "your losses are rounded to bfloat16"),
    "texts of bfloat16": (
        CASE,
        np.array([float(str(one)) for one in as_bfloat16(RIGHT).astype(np.float32)]),
        "your losses are rounded to bfloat16",
    ),
    "losses of float16": (CASE, RIGHT.astype(np.float16).astype(float), "your losses are rounded to float16"),
}
TWO_PLANTED: dict[str, tuple[Case, Array, str]] = {
    "sign and margin": (CASE, hinge(X1, X2, -Y, 0), f"{SIGN} and there is no margin (0)"),
    "sign and float32": (CASE, hinge(X1, X2, -Y, MARGIN, np.float32), f"{SIGN} and the arithmetic is float32"),
    "sign and a row": (CASE, np.roll(hinge(X1, X2, -Y, MARGIN), 1), f"{SIGN} and each loss stands one row too low"),
    "sign and order": (CASE, shuffled(hinge(X1, X2, -Y, MARGIN)), f"{SIGN} and rows stand in another order"),
    "sign and 4 decimals": (
        CASE,
        hinge(X1, X2, -Y, MARGIN).round(4),
        f"{SIGN} (your losses are rounded to 4 decimals)",
    ),
    "sign and losses of bfloat16": (
        CASE,
        as_bfloat16(hinge(X1, X2, -Y, MARGIN)),
        f"{SIGN} (your losses are rounded to bfloat16)",
    ),
    "labels and margin": (
        CASE,
        hinge(X1, X2, (Y + 1) / 2, 1),
        "labels are 0 and 1: 0 was not mapped to -1 and the margin is 1",
    ),
}


def explained(case: Case, actual: Array, *, is_whole: bool = True, tolerance: float = 1e-7) -> list[Explanation]:
    right = losses_of(case)
    bad = ~(np.abs(actual - right) <= tolerance + tolerance * np.abs(right))
    return explain_column(case, actual, bad, is_whole=is_whole)


def with_noise(actual: Array, share: float = 0.01) -> Array:
    random = np.random.default_rng(9)
    return np.where(random.random(actual.size) < share, random.random(actual.size) * 3, actual)


def test_every_hypothesis_is_planted() -> None:
    planted = {name for _, _, name in PLANTED.values()}
    made = {text for case, _, _ in PLANTED.values() for (text,), _ in mistakes(case, 1)}
    for kind in {one.kind or one.text for one in HYPOTHESES}:
        texts = {one.text for one in HYPOTHESES if kind in (one.kind, one.text)}
        assert texts & planted & made, kind


@pytest.mark.parametrize("name", PLANTED | TWO_PLANTED)
def test_a_planted_mistake_is_named_alone(name: str) -> None:
    case, losses, hypothesis = (PLANTED | TWO_PLANTED)[name]
    (explanation,) = explained(case, losses, tolerance=0 if "float" in name or "epsilon" in name else 1e-7)
    assert explanation.hypothesis == hypothesis
    assert explanation.fraction > 0.999
    assert 0 < explanation.telling <= explanation.rows <= losses.size
    assert explanation.fraction == explanation.matches / explanation.rows


@pytest.mark.parametrize("name", PLANTED | TWO_PLANTED)
def test_it_is_still_named_when_one_row_in_a_hundred_is_noise(name: str) -> None:
    case, losses, hypothesis = (PLANTED | TWO_PLANTED)[name]
    (explanation,) = explained(case, with_noise(losses), tolerance=0 if "float" in name or "epsilon" in name else 1e-7)
    assert explanation.hypothesis == hypothesis
    assert 0.98 < explanation.fraction < 0.995


def test_squared_hinges_that_are_not_squared_are_named() -> None:
    (explanation,) = explained(replace(CASE, loss="squared_hinge"), RIGHT)
    assert explanation.hypothesis == "losses are not squared"


@pytest.mark.parametrize(("loss", "parameters"), [("ipo", {"beta": 0.5}), ("margin_mse", {})])
def test_squares_that_are_not_squared_are_named(loss: str, parameters: dict[str, float]) -> None:
    case = replace(CASE, loss=loss, parameters=parameters, margin=0.0)
    actual = np.abs(Y * (X1 - X2) - 1) if loss == "ipo" else np.abs(X1 - X2 - Y)
    (explanation,) = explained(case, actual)
    assert explanation.hypothesis == "losses are not squared"


RANDOM = np.random.default_rng(3)
UNRELATED: dict[str, Array] = {
    "uniform": RANDOM.random(Y.size),
    "normal": RANDOM.standard_normal(Y.size),
    "hinges of noise": np.maximum(0, RANDOM.standard_normal(Y.size)),
    "integers": RANDOM.integers(0, 3, Y.size).astype(float),
    "zeros": np.zeros(Y.size),
    "the margin": np.full(Y.size, MARGIN),
    "NaN": np.full(Y.size, math.nan),
    "infinities": np.full(Y.size, math.inf),
    "right but for a few": np.where(np.arange(Y.size) % 500 == 3, RIGHT + 1, RIGHT),
    "right but for noise": with_noise(RIGHT),
    "right losses times noise": RIGHT * RANDOM.random(Y.size),
    "zero or one": (RANDOM.random(Y.size) < 0.5).astype(float),
    "losses of other pairs": hinge(shuffled(X1), X2, Y, MARGIN),
}


SOME = slice(1500)  # by chance, as much would be found in them as in all


@pytest.mark.parametrize("name", UNRELATED)
@pytest.mark.parametrize("case", [CASE, COARSE], ids=["fine", "coarse"])
def test_nothing_is_claimed_of_an_unrelated_column(case: Case, name: str) -> None:
    assert explained(case.taken(SOME), UNRELATED[name][SOME]) == []


@pytest.mark.parametrize(
    ("case", "name"),  # every column for two of the losses
    [
        pytest.param(case, name, id=f"{case.loss}-{name}")
        for place, name in enumerate(UNRELATED)
        for case in ([NO_MARGIN, BETA] if place % 2 else [SHARP, IPO])
    ],
)
def test_nothing_is_claimed_of_a_column_unrelated_to_another_loss(case: Case, name: str) -> None:
    is_hinge_of_these = name.startswith("right but") and LOSSES[case.loss].has_margin  # whose margin is solved for
    assert bool(explained(case.taken(SOME), UNRELATED[name][SOME])) == is_hinge_of_these


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_claimed_of_few_random_losses(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 40))
    x1, x2 = random.integers(0, 3, (2, size)).astype(float)
    case = Case(x1, x2, np.where(random.random(size) < 0.5, 1.0, -1.0), float(random.integers(0, 2)))
    losses = random.permutation(losses_of(case)) if seed % 2 else random.integers(0, 3, size).astype(float)
    assert explained(case, losses) == []


def test_a_few_rows_are_too_few_for_an_explanation() -> None:
    for size in (1, 2, 3):
        case = Case(X1[:size], X2[:size], Y[:size], MARGIN)
        assert explained(case, losses_of(replace(case, y=-case.y))) == []
    case = Case(X1[:30], X2[:30], Y[:30], MARGIN)
    assert [e.hypothesis for e in explained(case, losses_of(replace(case, y=-case.y)))] == [SIGN]


def test_mistakes_that_the_rows_do_not_distinguish_are_named_together() -> None:
    # Integers from 2048 to 4095: float16 keeps every other of them, and their differences without a rounding.
    x1, x2 = (2048 + np.abs(np.rint(values * 600)).clip(max=2047) for values in (X1, X2))
    case = Case(x1, x2, Y)
    (explanation,) = explained(case, hinge(x1, x2, Y, 0.0, np.float16))
    hypothesis = "scores are rounded to float16; or the arithmetic is float16 (these rows cannot tell them apart)"
    assert explanation.hypothesis == hypothesis


def test_another_order_is_looked_for_only_in_the_whole_input() -> None:
    assert explained(CASE, shuffled(RIGHT), is_whole=False) == []


def test_a_mistake_is_what_its_name_says() -> None:
    seen = {hypothesis for (hypothesis,), _ in mistakes(COARSE, 1)}
    assert {"tied pairs (x1 = x2) cost nothing", SIGN} <= seen
    assert len(seen) == len(list(mistakes(COARSE, 1)))


# One value.


def figures(case: Case = CASE) -> Any:
    return value_parts(case)


FIGURES = figures()
NONE_LEFT_OUT = LeftOut()


KNOWN_STAGES: dict[tuple[int, str, LeftOut], tuple[ValueParts, Stages]] = {}


def stages_of(parts: ValueParts, value: float, reduction: str, left_out: LeftOut, case: Case) -> Stages:
    """Return the stages for a value; those of some parts are made once, as only what is solved for depends on it."""
    key = id(parts), reduction, left_out
    if key not in KNOWN_STAGES:
        made = value_stages(parts, reduction, left_out, None, all_pairs_of(case), lambda room: [])
        KNOWN_STAGES[key] = parts, Stages(made)
    solved = SolvedValue(grids_of(case), value, reduction)
    return Stages(stage._replace(solved=solved) if stage.solved else stage for stage in KNOWN_STAGES[key][1])


def explain_value(
    parts: ValueParts,
    value: float,
    reduction: str,
    tolerance: float,
    *,
    left_out: LeftOut = NONE_LEFT_OUT,
    case: Case = CASE,
) -> list[Explanation]:
    own = Own(value, parts.right.value(reduction), parts.right.pairs, tolerance)
    return explain(own, stages_of(parts, value, reduction, left_out, case))


KNOWN_PARTS: dict[int, ValueParts] = {}
KNOWN_PAIRS: dict[int, AllPairs] = {}
KNOWN_GRIDS: dict[int, Grids] = {}


def parts_of(case: Case) -> ValueParts:
    """Return the parts of one of the cases of this module, which are made once."""
    if id(case) not in KNOWN_PARTS:
        KNOWN_PARTS[id(case)] = figures(case)
    return KNOWN_PARTS[id(case)]


def all_pairs_of(case: Case) -> AllPairs:
    return KNOWN_PAIRS.setdefault(id(case), AllPairs(case))


def grids_of(case: Case) -> Grids:
    return KNOWN_GRIDS.setdefault(id(case), Grids(case, None))


def few_of(case: Case) -> Case:
    """Return the case of the first pairs: n * n broadcasts of all take long."""
    return case.taken(slice(700))


def batch_means(losses: Array, size: int) -> Array:
    return np.array([losses[start : start + size].mean() for start in range(0, losses.size, size)])


VALUES: dict[str, tuple[float, str, str]] = {
    "sum": (RIGHT.sum(), "mean", "it is the sum, not the mean"),
    "mean": (RIGHT.mean(), "sum", "it is the mean, not the sum"),
    "non-zero": (RIGHT[RIGHT > 0].mean(), "mean", "the mean is over losses that are not 0 only"),
    "sign": (hinge(X1, X2, -Y, MARGIN).mean(), "mean", SIGN),
    "labels": (hinge(X1, X2, (Y + 1) / 2, MARGIN).mean(), "mean", "labels are 0 and 1: 0 was not mapped to -1"),
    "margin": (hinge(X1, X2, Y, 1).sum(), "sum", "the margin is 1"),
    "not clamped": ((MARGIN - Y * (X1 - X2)).mean(), "mean", "losses are not clamped at 0"),
    "squared": ((RIGHT**2).mean(), "mean", "losses are squared"),
    "accuracy": ((Y * (X1 - X2) > 0).mean(), "mean", "it is the accuracy, ties counted as wrong"),
    "batches of 64": (
        batch_means(RIGHT, 64).mean(),
        "mean",
        "it is the mean of the means of batches of 64, the last of them short (8)",
    ),
    "batches of 77": (
        batch_means(RIGHT, 77).mean(),
        "mean",
        "it is the mean of the means of batches of 77, the last of them short (72)",
    ),
    "sum of batches": (
        batch_means(RIGHT, 32).sum(),
        "mean",
        "it is the sum of the means of batches of 32, the last of them short (8)",
    ),
    "last batch left out": (
        RIGHT[: Y.size // 300 * 300].mean(),
        "mean",
        "the last, short batch of batches of 300 is left out (200 pairs)",
    ),
    "x1 a column": (
        hinge(X1[:, None], X2[None], Y[None], MARGIN).mean(),
        "mean",
        "x1 is (n, 1) beside x2 and y of (n,): the mean is over n * n broadcast losses",
    ),
    "x2 a row": (
        hinge(X1[:, None], X2[None], Y[:, None], MARGIN).mean(),
        "mean",
        "x2 is (n,) beside x1 and y of (n, 1): the mean is over n * n broadcast losses",
    ),
    "y a column": (
        hinge(X1, X2, Y[:, None], MARGIN).mean(),
        "mean",
        "y is (n, 1) beside scores of (n,): the mean is over n * n broadcast losses",
    ),
    "x1 a column, summed": (
        hinge(X1[:, None], X2[None], Y[None], MARGIN).sum(),
        "sum",
        "x1 is (n, 1) beside x2 and y of (n,): the sum is over n * n broadcast losses",
    ),
    "sign and sum": (hinge(X1, X2, -Y, MARGIN).sum(), "mean", f"{SIGN} and it is the sum"),
    "sign and margin": (hinge(X1, X2, -Y, 1).mean(), "mean", f"{SIGN} and the margin is 1"),
}


@pytest.mark.parametrize("digits", [17, 8])
@pytest.mark.parametrize("name", VALUES)
def test_a_planted_value_is_named_first(name: str, digits: int) -> None:
    value, reduction, hypothesis = VALUES[name]
    if digits == 8 and name == "batches of 77":
        pytest.skip("too many batch sizes give nearly the same value")
    value = float(f"{value:.{digits}g}")
    (explanation,) = explain_value(FIGURES, value, reduction, 1e-7)
    assert explanation.hypothesis.split("; or ")[0] == hypothesis


def test_a_value_in_float32_is_named_too() -> None:
    value = float(hinge(X1, X2, -Y, MARGIN, np.float32).astype(np.float32).mean())
    (explanation,) = explain_value(FIGURES, value, "mean", 1e-7)
    assert explanation.hypothesis == SIGN


NARROW_FLOATS = {"bfloat16": as_bfloat16, "float16": as_float16}


@pytest.mark.parametrize("dtype", NARROW_FLOATS)
@pytest.mark.parametrize("loss", ["margin_ranking", "logistic"])
def test_losses_of_a_narrow_float_added_up_in_float32_are_named(dtype: str, loss: str) -> None:
    case = CASE if loss == "margin_ranking" else LOGISTIC
    losses = in_tensors(MARGIN, NARROW_FLOATS[dtype], *([softplus] if case is LOGISTIC else []))
    value = float(np.float32(losses.mean()))  # losses.float().mean()
    (explanation,) = explained_or_fitting(case, value)
    is_of_numpy = case is CASE or dtype == "bfloat16"  # which rounds within its functions of float16
    named = f"the arithmetic is {dtype}" + ("" if is_of_numpy else ", each function in float32 and rounded")
    assert explanation.hypothesis == named


@pytest.mark.parametrize("dtype", NARROW_FLOATS)
def test_a_mean_of_a_narrow_float_is_named(dtype: str) -> None:
    """losses.mean() of such tensors is one of the few numbers they have, the right mean rounded."""
    rounded = NARROW_FLOATS[dtype]
    value = float(rounded(np.array([in_tensors(MARGIN, rounded).mean()]))[0])
    (explanation,) = explained_or_fitting(CASE, value)
    assert f"it is the mean, rounded to {dtype}; or the arithmetic is {dtype}" in explanation.hypothesis


def explained_or_fitting(case: Case, value: float) -> list[Explanation]:
    parts = parts_of(case)
    own = Own(value, parts.right.value("mean"), parts.right.pairs)
    stages = stages_of(parts, value, "mean", NONE_LEFT_OUT, case)
    return explain(own, stages) or fitting_value(own, stages)


def test_a_value_added_up_in_float32_is_named_too() -> None:
    losses = hinge(X1, X2, -Y, MARGIN).astype(np.float32)
    value = float(np.cumsum(losses)[-1] / np.float32(Y.size))
    assert abs(value / losses.astype(float).mean() - 1) > 2.5e-7  # more than a sum in pairs loses
    (explanation,) = explain_value(FIGURES, value, "mean", 1e-7)
    assert explanation.hypothesis == SIGN


def test_the_right_value_added_up_in_float32_is_named_as_that() -> None:
    single = float(np.float32(RIGHT.mean() * (1 + 2e-7)))
    (explanation,) = explain_value(FIGURES, single, "mean", 0)
    assert explanation.hypothesis == "it is the right value, added up in float32"
    (explanation,) = explain_value(FIGURES, float(np.float32(RIGHT.mean() * (1 + 3e-6))), "mean", 1e-7)
    assert explanation.hypothesis == "it is the right value, added up one by one in float32"


def test_the_right_value_that_is_only_near_is_named_as_that() -> None:
    (explanation,) = explain_value(FIGURES, float(RIGHT.mean()) + 0.9e-7, "mean", 1e-7)
    assert explanation.hypothesis == "it is the right value, within the tolerance"


@pytest.mark.parametrize(
    ("scale", "digits", "most"),
    [(1e-5, 17, 1), (1e-2, 17, 1), (1e-4, 8, 1), (1e-3, 6, 1), (1e-2, 6, 1), (1e-3, 4, 2), (1e-2, 3, 2)],
)
def test_hardly_anything_is_claimed_of_values_near_the_right_one(scale: float, digits: int, most: int) -> None:
    """Mistakes that change little crowd there: of 50 values one or so may agree with one of them by chance."""
    random = np.random.default_rng(7)
    values = [float(f"{RIGHT.mean() * (1 + scale * off):.{digits}g}") for off in random.standard_normal(50)]
    claims = [e.hypothesis for value in values for e in explain_value(FIGURES, value, "mean", 1e-7)]
    rounded = [hypothesis for hypothesis in claims if not hypothesis.startswith("it is the right value")]
    assert len(rounded) <= most


@pytest.mark.parametrize("value", [1.0, 2.0, 1.2, 0.9])
def test_a_value_of_one_or_two_digits_is_not_explained(value: float) -> None:
    assert explain_value(FIGURES, value, "mean", 1e-7) == []


def test_a_value_of_four_digits_is_explained_where_no_other_is_near() -> None:
    (explanation,) = explain_value(FIGURES, float(f"{hinge(X1, X2, -Y, MARGIN).mean():.4g}"), "mean", 1e-7)
    assert explanation.hypothesis == SIGN


@pytest.mark.parametrize("scale", [1, 0.1, 0.01, 0.001])
def test_nothing_is_claimed_of_random_values(scale: float) -> None:
    random = np.random.default_rng(1)
    values = RIGHT.mean() * (1 + scale * random.standard_normal(25))
    assert [value for value in values if explain_value(FIGURES, float(value), "mean", 1e-7)] == []


@pytest.mark.parametrize(("digits", "most"), [(17, 0), (7, 1)])
@pytest.mark.parametrize("case", [SHARP, BETA, IPO], ids=["logistic", "smoothed", "ipo"])
def test_hardly_anything_is_claimed_of_random_values_of_another_loss(case: Case, digits: int, most: int) -> None:
    few, random = few_of(case), np.random.default_rng(1)
    parts = figures(few)
    values = parts.right.value("mean") * (1 + np.repeat([1, 0.1, 0.01], 8) * random.standard_normal(24))
    written = [float(f"{value:.{digits}g}") for value in values]
    assert sum(bool(explain_value(parts, value, "mean", 1e-7, case=few)) for value in written) <= most


def test_a_value_of_few_digits_is_seldom_explained() -> None:
    random = np.random.default_rng(2)
    values = np.round(RIGHT.mean() * (1 + random.uniform(-0.2, 0.2, 80)), 4)
    assert sum(bool(explain_value(FIGURES, float(value), "mean", 1e-7)) for value in values) < 8


def test_the_right_value_rounded_is_named_as_that() -> None:
    (explanation,) = explain_value(FIGURES, round(float(RIGHT.mean()), 3), "mean", 1e-7)
    assert explanation.hypothesis == "it is the right value, rounded"


OF_LOGISTIC: dict[str, tuple[float, str]] = {
    "-log of a mean": (
        -np.log(sigmoid(AGREEMENT - MARGIN).mean()),
        "it is -log of the mean sigmoid, not the mean of -log sigmoid: take the log of each pair, then the mean",
    ),
    "percent": (100 * (AGREEMENT > 0).mean(), "it is the accuracy in percent, ties counted as wrong"),
    "mean difference": (AGREEMENT.mean(), "it is the difference_mean, not the loss"),
    "by scores": (
        losses_of(LOGISTIC).sum() / (2 * Y.size),
        "the sum is divided by 2 * n: by the scores, not by the pairs",
    ),
    "softmax of rows": (
        float(np.mean(np.log(np.exp(np.where(Y > 0, X1, X2)).sum()) - np.where(Y > 0, X1, X2))),
        "softmax is over the rows, not over the two scores of a pair: take it along the other axis",
    ),
}


@pytest.mark.parametrize("digits", [17, 6])
@pytest.mark.parametrize("name", OF_LOGISTIC)
def test_what_is_reported_in_place_of_a_logistic_loss_is_named(name: str, digits: int) -> None:
    value, hypothesis = OF_LOGISTIC[name]
    written = float(f"{value:.{digits}g}")
    (explanation,) = explain_value(parts_of(LOGISTIC), written, "mean", 1e-7, case=LOGISTIC)
    assert explanation.hypothesis == hypothesis
    if name == "percent":
        assert explanation.hint == f"--expect accuracy={value / 100:.4f}"


@pytest.mark.parametrize(("dtype", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_losses_that_are_added_up_one_by_one_in_a_narrow_float_are_named(dtype: str, bits: int) -> None:
    total = 0.0
    for loss in NARROW_FLOATS[dtype](RIGHT).tolist():
        mantissa, exponent = math.frexp(total + loss)
        total = math.ldexp(round(mantissa * 2**bits), exponent - bits)
    (explanation,) = explained_or_fitting(CASE, total / Y.size)
    assert explanation.hypothesis == f"losses are added up one by one in {dtype}: add them up in float32 or float64"


def test_the_sum_of_the_means_of_groups_is_named() -> None:
    groups = np.arange(Y.size) % 7 % 3  # of unequal size
    parts = value_parts(CASE, groups=groups)
    value = sum(float(RIGHT[groups == group].mean()) for group in range(3))
    own = Own(value, parts.right.value("mean"), Y.size)
    (explanation,) = explain(own, stages_of(parts, value, "mean", NONE_LEFT_OUT, CASE))
    assert explanation.hypothesis == "it is the sum of the means of the 3 groups"


def test_mistakes_that_give_the_same_value_are_both_named() -> None:
    """Twice a margin of 0.5 is 1, and -log of the mean is that of one pair where all pairs are alike."""
    half = replace(CASE, margin=0.5)
    (explanation,) = explain_value(parts_of(half), float(hinge(X1, X2, Y, 1).mean()), "mean", 1e-7, case=half)
    both = "the margin is 1; or the margin is added twice (one value cannot tell them apart)"
    assert (explanation.hypothesis, explanation.hint) == (both, "--margin 1.0")


@pytest.mark.parametrize("digits", [17, 7, 5, 3])
@pytest.mark.parametrize("case", [CASE, COARSE, LOGISTIC, FLAT, SHARP, WIDE, BETA, IPO, SOFT, PROBABLE])
def test_the_right_value_is_never_explained_as_a_mistake(case: Case, digits: int) -> None:
    value = float(f"{losses_of(case).mean():.{digits}g}")
    (explanation,) = explain_value(parts_of(case), value, "mean", 0.0, case=case)
    assert explanation.hypothesis.startswith("it is the right value")


def test_ties_and_rows_left_out_of_a_mean_are_named() -> None:
    tied = COARSE.x1 == COARSE.x2
    losses = losses_of(COARSE)
    of_coarse = figures(COARSE)
    (explanation,) = explain_value(of_coarse, float(losses[~tied].mean()), "mean", 1e-7, case=COARSE)
    assert explanation.hypothesis == "tied pairs (x1 = x2) are left out of the mean"
    (explanation,) = explain_value(FIGURES, RIGHT.sum() / (Y.size + 123), "mean", 1e-7, left_out=LeftOut(rows=123))
    assert explanation.hypothesis == "the mean is over all rows, those left out too"
    (explanation,) = explain_value(FIGURES, RIGHT.sum() / (Y.size + 77), "mean", 1e-7, left_out=LeftOut(ties=77))
    assert explanation.hypothesis == "pairs with y = 0 count as pairs without a loss"
    right = float(np.mean(Y * (COARSE.x1 - COARSE.x2) >= 0))
    (explanation,) = explain_value(of_coarse, right, "mean", 1e-7, case=COARSE)
    assert explanation.hypothesis == "it is the accuracy, ties counted as right"


@pytest.mark.parametrize("distance", [1e-7, 1e-3])
def test_a_common_batch_size_that_fits_too_is_named_beside_a_simple_mistake(distance: float) -> None:
    """Each is a plausible mistake: which of them is tried first proves nothing."""
    common = Stage([Candidate("batches of 64", 0.284231 + distance)], is_dense=True)
    simple = Stage([Candidate("the share", 0.284231)], is_simple=True, beside=lambda: common.candidates)
    rare = Stage([Candidate("batches of 77", 0.284231)], is_dense=True)
    (explanation,) = explain(Own(0.284231, 0.9, 5777), [simple, common, rare])
    both = "the share; or batches of 64 (one value cannot tell them apart)"
    assert explanation.hypothesis == (both if distance < 1e-6 else "the share")


def test_figures_merge() -> None:
    whole = value_parts(CASE)
    halves = (replace(CASE, x1=X1[part], x2=X2[part], y=Y[part]) for part in (slice(2000), slice(2000, None)))
    merged = sum((value_parts(half) for half in halves), ValueParts())
    assert merged.right == pytest.approx(whole.right)
    assert merged.tail.tolist() == whole.tail.tolist()
    assert merged.sums.keys() == whole.sums.keys()
    for hypothesis, actual in merged.sums.items():
        assert actual == pytest.approx(whole.sums[hypothesis])
    value = float(batch_means(RIGHT, 64).mean())
    assert explain_value(merged, value, "mean", 1e-7) == explain_value(whole, value, "mean", 1e-7) != []


def test_broadcasts_of_losses_without_a_kink_take_the_square() -> None:
    few = replace(LOGISTIC, x1=X1[:50], x2=X2[:50], y=Y[:50])
    means = broadcast_means(few)
    z = MARGIN - Y[None, :50] * (X1[:50, None] - X2[None, :50])
    assert means["x1 is (n, 1) beside x2 and y of (n,): the mean is over n * n broadcast losses"] == pytest.approx(
        np.log1p(np.exp(z)).mean()
    )
    many = replace(LOGISTIC, x1=np.tile(X1, 2), x2=np.tile(X2, 2), y=np.tile(Y, 2))
    assert broadcast_means(many) == {}


def test_a_margin_that_is_a_column_broadcasts() -> None:
    margins = np.linspace(0, 1, 200)
    few = Case(X1[:200], X2[:200], Y[:200], margins)
    ((hypothesis, mean),) = broadcast_means(few).items()
    assert hypothesis.startswith("the margin is (n, 1)")
    agreement = few.y * (few.x1 - few.x2)
    assert mean == pytest.approx(np.maximum(0, margins[:, None] - agreement).mean())


def test_common_batch_sizes_are_common() -> None:
    assert {8, 16, 32, 50, 64, 100, 128, 1000, 65536} <= set(COMMON_BATCHES)


SEEN_IN_A_VALUE = [
    name
    for name, (_, losses, hypothesis) in PLANTED.items()
    if np.isfinite(losses).all()
    and hypothesis.split(" ")[0] not in ("each", "rows", "your", "scores", "tied")
    and "float" not in hypothesis
    and name not in ("labels in bytes", "epsilon 1e-12", "epsilon 1e-10", "epsilon 1e-09", "epsilon 1e-08")
    and name != "epsilon 0.0005"  # one number of any of those solved for may give six digits
]


@pytest.mark.parametrize("digits", [17, 6])
@pytest.mark.parametrize("name", SEEN_IN_A_VALUE)
def test_a_planted_mistake_is_named_alone_for_a_value_of_six_digits(name: str, digits: int) -> None:
    case, losses, hypothesis = PLANTED[name]
    (explanation,) = explain_value(parts_of(case), float(f"{losses.mean():.{digits}g}"), "mean", 1e-7, case=case)
    assert explanation.hypothesis == hypothesis


# Through the command.


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    return partial(mrl, "validate")


def planted_file(path: Path, losses: Array) -> Path:
    rows = zip(*(values.tolist() for values in (X1, X2, Y, losses)), strict=True)
    lines = [f"{x1!r},{x2!r},{y:.0f},{loss!r}" for x1, x2, y, loss in rows]
    path.write_text("x1,x2,y,mine\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["y flipped", "another order", "2 decimals", "labels 0 and 1"])
def test_the_command_names_what_was_planted_in_a_file(name: str, mrl: Mrl, tmp_path: Path) -> None:
    _, losses, hypothesis = PLANTED[name]
    file = planted_file(tmp_path / "planted.csv", with_noise(losses))
    ran = mrl(file, "--margin", MARGIN, "--loss-column", "mine", "-f", "json")
    assert ran.code == 1
    (explanation,) = json.loads(ran.out)["explanations"]
    assert explanation["hypothesis"] == hypothesis
    assert explanation["fraction"] > 0.98
    printed = mrl(file, "--margin", MARGIN, "--loss-column", "mine", "-f", "table").out
    assert f"explanation: {hypothesis}" in printed
    assert (
        f"::notice title=mrl validate::explanation: {hypothesis}"
        in mrl(file, "--margin", MARGIN, "--loss-column", "mine", "-f", "github").out
    )


@pytest.mark.parametrize("name", ["sum", "batches of 64", "x1 a column", "sign"])
def test_the_command_explains_a_value(name: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    value, reduction, hypothesis = VALUES[name]
    options = [SAMPLE, "--margin", MARGIN, "--reduction", reduction, "--expect", repr(float(value)), "-f", "json"]
    record = json.loads(mrl(*options).out)
    assert [e["hypothesis"] for e in record["explanations"]] == [hypothesis]
    # Of a file that is too long to keep, figures are gathered in a second look.
    monkeypatch.setattr("mrl_cli.verify.verdict.VALUE_PAIRS", 100)
    again = json.loads(mrl(*options).out)
    if name == "x1 a column":  # n * n pairs need them all at hand
        assert again["explanations"] == []
        assert "none of the known mistakes explains your value" in again["notes"]
        assert any("of more than 100 pairs, two mistakes at once and means" in note for note in again["notes"])
    else:
        assert [e["hypothesis"] for e in again["explanations"]] == [hypothesis]


def test_a_stream_too_long_to_keep_is_not_explained(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.verify.verdict.VALUE_PAIRS", 100)
    ran = mrl("-", "--expect", "3", "-f", "json", stdin=SAMPLE.read_bytes())
    assert any("can be read only once" in note for note in json.loads(ran.out)["notes"])


def test_a_number_is_solved_for_once_whatever_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    case = replace(CASE, loss="logistic", margin=0.0, parameters={"temperature": 1.0})
    value, asked = float(losses_of(replace(case, parameters={"temperature": 0.7})).mean()), list[Case]()

    def watched(one: Case) -> Array:
        asked.append(one)
        return losses_of(one)

    monkeypatch.setattr(unknowns, "losses_of", watched)
    solved = SolvedValue(Grids(case, None), value, "mean")
    found = solved(1e-6)
    first = len(asked)
    assert "temperature is 0.7" in [candidate.text for candidate, _ in found]
    wider = solved(1e-3)
    assert [candidate.text for candidate, _ in wider] != [candidate.text for candidate, _ in found]
    assert 0 < len(asked) - first < 0.2 * first  # what a number gives is looked at, no grid


def test_an_unrelated_number_is_reported_as_unexplained(mrl: Mrl, tmp_path: Path) -> None:
    file = planted_file(tmp_path / "planted.csv", UNRELATED["uniform"])
    ran = mrl(file, "--margin", MARGIN, "--loss-column", "mine", "--expect", "0.123456789", "-f", "json")
    record = json.loads(ran.out)
    assert record["explanations"] == []
    assert record["notes"] == [
        "none of the known mistakes explains the losses of these 5,000 pairs",
        "none of the known mistakes explains your value",
    ]


@pytest.mark.parametrize(
    ("hypothesis", "value"),
    [
        ("the weights are left out", RIGHT[:99].mean()),
        (
            "weighted losses are divided by the number of pairs, not by the weights",
            (RIGHT[:99] * np.arange(1, 100)).sum() / 99,
        ),
        ("it is the sum, not the mean", (RIGHT[:99] * np.arange(1, 100)).sum()),
        (SIGN, np.average(hinge(X1, X2, -Y, MARGIN)[:99], weights=np.arange(1, 100))),
        ("there is no margin (0)", np.average(hinge(X1, X2, Y, 0)[:99], weights=np.arange(1, 100))),
    ],
)
def test_weights_used_otherwise_are_named(hypothesis: str, value: float, mrl: Mrl, tmp_path: Path) -> None:
    rows = zip(X1[:99].tolist(), X2[:99].tolist(), Y[:99].tolist(), range(1, 100), strict=True)
    lines = [f"{x1!r},{x2!r},{y:.0f},{weight}" for x1, x2, y, weight in rows]
    (tmp_path / "weighted.csv").write_text("x1,x2,y,w\n" + "\n".join(lines) + "\n")
    ran = mrl("weighted.csv", "--weight", "w", "--margin", MARGIN, "--expect", repr(float(value)), "-f", "json")
    assert [actual["hypothesis"] for actual in json.loads(ran.out)["explanations"]] == [hypothesis]


@pytest.mark.parametrize("asked", [["--loss-column", "mine"], ["--expect", "0.284231"], ["--expect", "accuracy=0.3"]])
def test_mistakes_that_overflow_warn_of_nothing(asked: list[str], mrl: Mrl, tmp_path: Path) -> None:
    """Warnings are errors here; for users they would be lines of NumPy's beside the report."""
    sides = [f"{x1},{x2},{y},0.5" for x1 in (1e308, -1e308, 1e39, 0.5) for x2 in (1e308, -1e308, 2.5) for y in (1, -1)]
    path = tmp_path / "huge.csv"
    path.write_text("\n".join(["x1,x2,y,mine", *sides]))
    ran = mrl(path, "--margin", "1", *asked)
    assert ran.code == 1
    assert "Warning" not in ran.err
