"""`mrl validate --function`: a right loss passes however it is called, and each planted mistake is named first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_cli.losses import LOSSES, completed
from mrl_cli.model import LossChoice, Plan
from mrl_cli.verify.functions.checking import Suite
from mrl_cli.verify.functions.conventions import conventions_of
from mrl_cli.verify.vectors import trials, vectors
from tests.running import Ran, in_folder, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Mrl = Callable[..., Ran]

pytestmark = pytest.mark.slow

Values = NDArray[Any]


def reduced(losses: Values, reduction: str) -> Any:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def hinge(x1: Values, x2: Values, y: Values, margin: float) -> Any:
    return np.maximum(0, -y * (x1 - x2) + margin)


def right(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
    return reduced(hinge(x1, x2, y, margin), reduction)


def right_without_reduction(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    return hinge(x1, x2, y, margin)


def right_mean(input1: Values, input2: Values, target: Values, *, m: float) -> Any:
    return hinge(input1, input2, target, m).mean()


def right_sum(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    return hinge(x1, x2, y, margin).sum()


def right_in_another_order(label: Values, a: Values, b: Values, margin: float) -> Any:
    return hinge(a, b, label, margin)


def right_of_chosen(rewards_rejected: Values, rewards_chosen: Values, margin: float) -> Any:
    return np.maximum(0, margin - (rewards_chosen - rewards_rejected)).mean()


def right_of_difference(diff: Values, target: Values, margin: float) -> Any:
    return np.maximum(0, margin - target * diff)


def right_with_its_own_margin(x1: Values, x2: Values, y: Values) -> Any:
    return hinge(x1, x2, y, 0.1)


def right_loop(x1: Values, x2: Values, y: Values, margin: float) -> float:
    losses = [margin - t * (a - b) for a, b, t in zip(x1, x2, y, strict=True)]
    return sum(0.0 if loss < 0 else loss for loss in losses) / len(losses)


def right_number(x1: float, x2: float, y: float, margin: float) -> float:
    loss = -y * (x1 - x2) + margin
    return 0.0 if loss < 0 else loss


class RightClass:
    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction

    def __call__(self, x1: Values, x2: Values, y: Values) -> Any:
        return right(x1, x2, y, self.margin, self.reduction)


RIGHT = [value for name, value in sorted(globals().items()) if name.lower().startswith("right")]


def validated(function: Any, plan: Plan | None = None, **settings: Any) -> Any:
    return Suite("losses:loss", function, plan or Plan(), **settings).validation()


@pytest.mark.parametrize("function", RIGHT, ids=lambda function: function.__name__)
def test_a_right_function_passes(function: Any) -> None:
    validation = validated(function)
    assert [check for check in validation.checks if not check.passed] == []
    assert validation.passed
    assert validation.explanations == ()
    assert validation.pairs > 1000


def test_notes_say_how_it_is_called() -> None:
    notes = validated(right_with_its_own_margin).notes
    assert notes[0] == "called as right_with_its_own_margin(x1, x2, y) with NumPy arrays"
    assert "which is taken to be 0.1;" in notes[2]
    assert "one pair at a time" in validated(right_number).notes[0]
    assert "arrays of shape (5, 5)" in " ".join(validated(right_loop).notes)


# Each mistake, and how its explanation begins.


def last_axis(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
    losses = hinge(x1, x2, y, margin)
    return losses.mean(axis=-1) if reduction == "mean" and losses.ndim else reduced(losses, reduction)


def axis_of_one(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
    losses = hinge(x1, x2, y, margin)
    return losses.reshape(-1, 1).mean(axis=1) if reduction == "mean" else reduced(losses, reduction)


def non_zero(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    losses = hinge(x1, x2, y, margin)
    return losses[losses > 0].mean() if (losses > 0).any() else losses.mean()


def nan_of_nothing(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    losses = hinge(x1, x2, y, margin)
    return losses * losses / losses


def whole_numbers(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    with np.errstate(invalid="ignore"):
        return hinge(x1, x2, y, margin).astype(np.int64)


def keeps_dimensions(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
    losses = hinge(x1, x2, y, margin)
    return losses if reduction == "none" else getattr(losses, reduction)(keepdims=True)


def margin_ignored(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    del margin
    return hinge(x1, x2, y, 0.0)


def in_place(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    x1 -= x2
    return np.maximum(0, margin - y * x1)


def as_other_numbers(x1: Any, x2: Values, y: Values, margin: float = 0.0) -> Any:
    losses = hinge(x1, x2, y, margin).mean()
    x1.dtype = np.int64  # of the same bytes
    return losses


def in_float(dtype: Any) -> Any:
    """Return the losses of scores in a narrow float, margins in it too, as its own arrays."""
    return lambda x1, x2, y, margin: hinge(x1.astype(dtype), x2.astype(dtype), y.astype(dtype), margin)


def of_each(losses: Callable[..., Any]) -> Any:
    """Return a function that gives each loss."""
    return lambda x1, x2, y, margin=0.0: losses(x1, x2, y, margin)


def in_all(losses: Callable[..., Any], factors: dict[str, float] | None = None, **reductions: str) -> Any:
    """Return a function that reduces losses as it is asked to, but for these `reductions`, then multiplied by these."""

    def loss(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
        made = reduced(losses(x1, x2, y, margin), reductions.get(reduction, reduction))
        return made * (factors or {}).get(reduction, 1)

    return loss


ONE = np.ones(())
SIGN = "y has the other sign, or x1 and x2 are swapped"
PLANTED: dict[str, tuple[Any, str]] = {
    "sign": (in_all(lambda x1, x2, y, m: hinge(x1, x2, -y, m)), SIGN),
    "swapped": (lambda x1, x2, y, margin=0.0: hinge(x2, x1, y, margin).mean(), SIGN),
    "no clamp": (in_all(lambda x1, x2, y, m: m - y * (x1 - x2)), "losses are not clamped at 0"),
    "half inside": (
        lambda x1, x2, y, margin=0.0: float(in_float(np.float16)(x1, x2, y, margin).astype(np.float64).mean()),
        "the arithmetic is float16",
    ),
    "half all through": (
        in_all(lambda x1, x2, y, m: in_float(np.float16)(x1, x2, y, m).astype(x1.dtype)),
        "the arithmetic is float16",
    ),
    "single inside": (
        of_each(lambda x1, x2, y, m: in_float(np.float32)(x1, x2, y, m).astype(x1.dtype)),
        "the arithmetic is float32",
    ),
    "margin subtracted": (of_each(lambda x1, x2, y, m: hinge(x1, x2, y, -m)), "the margin has the other sign"),
    "margin ignored": (margin_ignored, "there is no margin (0)"),
    "squared": (of_each(lambda *given: hinge(*given) ** 2), "losses are squared"),
    "labels 01": (of_each(lambda x1, x2, y, m: hinge(x1, x2, 2 * y - 1, m)), "labels are taken to be 0 and 1"),
    "labels true": (
        lambda x1, x2, y, margin=0.0: np.where(y, hinge(x1, x2, ONE, margin), hinge(x2, x1, ONE, margin)).mean(),
        "labels are taken to be 0 and 1",
    ),
    "labels ignored": (
        lambda chosen, rejected, y, margin=0.0: np.maximum(0, margin - (chosen - rejected)),
        "y is not used",
    ),
    "whole numbers": (whole_numbers, "losses are cut off to whole numbers"),
    "first axis": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y, margin).mean(axis=0),
        "the mean is over the first axis only",
    ),
    "last axis": (last_axis, "the mean is over the last axis only"),
    "axis of one": (axis_of_one, "the mean is over the wrong axis: the loss of each pair"),
    "rows for pairs": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y, margin).sum() / len(x1),
        "the mean is divided by the length of the first axis",
    ),
    "column beside row": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y[:, None], margin).mean(),
        "y is (n, 1) beside others of (n,): the mean is over n * n broadcast losses",
    ),
    "column beside row, none": (
        in_all(lambda x1, x2, y, m: hinge(x1, x2, y[:, None], m)),
        "a column (50, 1) is broadcast against a row (50,)",
    ),
    "column beside row, an axis": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y[:, None], margin).mean(axis=0),
        "y is (n, 1) beside others of (n,), and the mean is over axis 0 only",
    ),
    "always the mean": (
        in_all(hinge, none="mean", sum="mean"),
        "the reduction is ignored: the mean is returned, not the loss of each pair",
    ),
    "always each": (
        in_all(hinge, sum="none", mean="none"),
        "the reduction is ignored: the loss of each pair is returned",
    ),
    "sum for mean": (in_all(hinge, mean="sum"), "it is the sum, not the mean"),
    "not zero": (non_zero, "the mean is over losses that are not 0 only"),
    "keeps dimensions": (keeps_dimensions, "the sum has the dimensions of its losses"),
    "nothing is 0": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y, margin).mean() if x1.size else 0.0,
        "the mean of no pairs is 0",
    ),
    "NaN of nothing": (nan_of_nothing, "a loss is NaN where it should be a number"),
    "loses NaN": (of_each(lambda x1, x2, y, m: np.fmax(0, m - y * (x1 - x2))), "NaN is lost"),
    "half the mean": (in_all(hinge, {"mean": 0.5}), "the mean is 0.5 times the right one"),
    "a larger sum": (in_all(hinge, {"sum": 3.7}), "the sum is 3.7 times the right one"),
    "half inside the mean": (
        lambda x1, x2, y, margin=0.0: hinge(x1, x2, y, margin).sum() / (2 * x1.size) if x1.size else np.nan,
        "every loss is 0.5 times the right one",
    ),
    "in place": (in_place, "it changes its inputs: x1"),
    "as other numbers": (as_other_numbers, "it changes its inputs: x1"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_named_first(name: str) -> None:
    function, begins = PLANTED[name]
    validation = validated(function)
    assert not validation.passed
    assert [one.hypothesis[: len(begins)] for one in validation.explanations[:1]] == [begins]


def test_sigmoids_at_the_wrong_place_are_named_first() -> None:
    def of_sigmoid(x1: Values, x2: Values, y: Values) -> Any:
        return np.log1p(np.exp(-1 / (1 + np.exp(-y * (x1 - x2)))))

    def log_of_mean(x1: Values, x2: Values, y: Values, reduction: str = "mean") -> Any:
        losses = np.logaddexp(0, -y * (x1 - x2))
        return -np.log(np.exp(-losses).mean()) if reduction == "mean" else reduced(losses, reduction)

    for function, begins in ((of_sigmoid, "sigmoid is applied twice"), (log_of_mean, "it is -log of the mean sigmoid")):
        logistic = Plan(loss=LossChoice("logistic", 0.0, tuple(LOSSES["logistic"].defaults.items())))
        first = validated(function, logistic).explanations[0]
        assert first.hypothesis.startswith(begins)


def test_nothing_is_claimed_of_numbers_that_mean_nothing() -> None:
    random = np.random.default_rng(7)
    for function in (
        lambda x1, x2, y, margin=0.0: random.random(x1.shape),
        lambda x1, x2, y, margin=0.0: 0.5,
        lambda x1, x2, y, margin=0.0: np.abs(x1) + x2**2,
    ):
        validation = validated(function)
        assert not validation.passed
        assert validation.explanations == ()


def test_a_sum_that_is_always_one_number_is_not_called_the_mean() -> None:
    def ones(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
        return np.ones(np.shape(x1)) if reduction == "none" else 1.0

    (explanation,) = validated(ones).explanations
    assert explanation.hypothesis == "one and the same number is returned for any pairs: 1"


@pytest.mark.parametrize("given", [None, 0.5])
def test_a_hint_for_a_margin_that_is_ignored_is_about_what_was_given(given: float | None) -> None:
    """There is no --margin-column of a function, and without --margin its margin is ignored all the same."""
    (explanation,) = validated(margin_ignored, margin=given).explanations
    assert explanation.hint == "--margin 0.0"
    assert validated(margin_ignored, margin=0.0).passed


# Gradients of a function beside the loss.


def with_gradient(gradient: Callable[..., Any]) -> Any:
    def loss(x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
        return hinge(x1, x2, y, margin)

    loss.gradient = gradient  # type: ignore[attr-defined]
    return loss


def slope(x1: Values, x2: Values, y: Values, margin: float) -> Any:
    return np.where(margin - y * (x1 - x2) >= 0, -y, 0)


@pytest.mark.parametrize(
    ("gradient", "begins"),
    [
        (slope, None),
        (lambda x1, x2, y, margin: (slope(x1, x2, y, margin), -slope(x1, x2, y, margin)), None),
        (lambda x1, x2, y, margin: np.where(margin - y * (x1 - x2) > 0, -y, 0), "the gradient at the kink"),
        (lambda x1, x2, y, margin: -slope(x1, x2, y, margin), "the gradient has the other sign"),
        (lambda x1, x2, y, margin: 2 * slope(x1, x2, y, margin), "the gradient is twice the right one"),
        (lambda x1, x2, y, margin: -y, "pairs beyond the margin have a gradient"),
        (lambda x1, x2, y, margin: 0 * y, "the gradient is 0 everywhere"),
    ],
)
def test_gradients_beside_the_loss_are_held_to_the_right_ones(gradient: Any, begins: str | None) -> None:
    validation = validated(with_gradient(gradient))
    assert "gradients are those of gradient" in validation.notes
    assert validation.passed == (begins is None)
    assert [one.hypothesis.startswith(str(begins)) for one in validation.explanations] == ([True] if begins else [])


def reduced_slope(factors: dict[str, Callable[[int], float]]) -> Callable[..., Any]:
    """Return the gradients of `right`, for each reduction multiplied by what `factors` give for so many pairs."""

    def gradient(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
        scale = 1 / x1.size if reduction == "mean" else 1.0
        factor = factors[reduction](x1.size) if reduction in factors else 1.0
        made = slope(x1, x2, y, margin) * scale * factor
        return made, -made

    return gradient


@pytest.mark.parametrize(
    ("factors", "hypothesis"),
    [
        ({}, None),
        ({"mean": lambda n: n}, "the gradient is that of the sum, not of the mean, with reduction mean"),
        ({"sum": lambda n: 1 / n}, "the gradient is that of the mean, not of the sum, with reduction sum"),
        ({"mean": lambda _: 0.0}, "the gradient is 0 everywhere, with reduction mean"),
        (
            dict.fromkeys(("mean", "sum"), lambda _: -1.0),
            "the gradient has the other sign, with reduction mean and sum",
        ),
        (dict.fromkeys(("none", "mean", "sum"), lambda _: 2.0), "the gradient is twice the right one"),
        ({"sum": lambda _: 3.7}, ""),
        ({"mean": lambda _: 1.0001}, ""),
    ],
)
def test_gradients_of_a_sum_and_a_mean_are_held_too(
    factors: dict[str, Callable[[int], float]], hypothesis: str | None
) -> None:
    def loss(x1: Values, x2: Values, y: Values, margin: float = 0.0, reduction: str = "mean") -> Any:
        return right(x1, x2, y, margin, reduction)

    loss.gradient = reduced_slope(factors)  # type: ignore[attr-defined]
    validation = validated(loss)
    assert validation.passed == (hypothesis is None)
    assert [one.hypothesis for one in validation.explanations] == ([hypothesis] if hypothesis else [])
    if hypothesis == "":
        assert {one.check.split(" for ")[0] for one in validation.mismatches} == {
            f"gradients of the {next(iter(factors))}"
        }


# What stands in a module of the user's.

TORCH = """
import torch
import torch.nn.functional as F

def reduced(losses, reduction):
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()

def right(x1, x2, y, margin=0.0, reduction="mean"):
    return reduced(torch.clamp(-y * (x1 - x2) + margin, min=0), reduction)

def method(x1, x2, y, margin=0.0):
    return (margin - y * (x1 - x2)).clip(min=0).mean()

class Named(torch.nn.Module):
    def __init__(self, *, margin):
        super().__init__()
        self.margin = margin

    def forward(self, *, x1, x2, y):
        return right(x1, x2, y, self.margin, "none")

class Forwarding(torch.nn.MarginRankingLoss):
    def __init__(self, **given):
        super().__init__(**given)

class Applied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x1, x2, y, margin):
        distances = margin - y * (x1 - x2)
        ctx.save_for_backward(distances >= 0, y)
        return distances.clamp(min=0)

    @staticmethod
    def backward(ctx, gradients):
        is_active, y = ctx.saved_tensors
        return -y * is_active * gradients, y * is_active * gradients, None, None

apply = Applied.apply

class Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, losses):
        ctx.shape = losses.shape
        return losses.mean()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.expand(ctx.shape)

def mean_of_sum(x1, x2, y, margin=0.0, reduction="mean"):
    losses = torch.clamp(-y * (x1 - x2) + margin, min=0)
    return Mean.apply(losses) if reduction == "mean" and losses.numel() else reduced(losses, reduction)

def mean_detached(x1, x2, y, margin=0.0, reduction="mean"):
    losses = right(x1, x2, y, margin, reduction)
    return losses.detach() if reduction == "mean" else losses

def losses_detached(x1, x2, y, margin=0.0, reduction="mean"):
    losses = right(x1, x2, y, margin, reduction)
    return losses.detach() if reduction == "none" else losses

class Module(torch.nn.Module):
    def __init__(self, margin=0.0, reduction="mean"):
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(self, x1, x2, y):
        return right(x1, x2, y, self.margin, self.reduction)

instance = Module(0.25)

def detached(x1, x2, y, margin=0.0):
    return right(x1, x2, y, margin).item()

def kink(x1, x2, y, margin=0.0):
    return F.relu(margin - y * (x1 - x2)).mean()

def half_kink(x1, x2, y, margin=0.0, reduction="mean"):
    return reduced(torch.maximum(torch.zeros_like(x1), margin - y * (x1 - x2)), reduction)

def sign(x1, x2, y, margin=0.0):
    return right(x1, x2, -y, margin)

def no_clamp(x1, x2, y, margin=0.0):
    return (margin - y * (x1 - x2)).mean()

def half_inside(x1, x2, y, margin=0.0):
    return right(x1.half(), x2.half(), y.half(), margin).double()

def first_axis(x1, x2, y, margin=0.0):
    return right(x1, x2, y, margin, "none").mean(dim=0)

def half_detached(x1, x2, y, margin=0.0):
    return right(x1, x2.detach(), y, margin)

def naive(x1, x2, y):
    return torch.log(1 + torch.exp(-y * (x1 - x2))).mean()

def entropy(x1, x2, y):
    return F.binary_cross_entropy_with_logits(x1 - x2, y)
"""


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mrl]:
    """Run mrl in a folder of its own, whose modules are forgotten afterwards."""
    with in_folder(tmp_path, monkeypatch):
        yield lambda *args: run_inside(["validate", *args], capfd)


@pytest.fixture
def torched(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Hold a function of `TORCH` to the suite, and return the run."""
    pytest.importorskip("torch")
    (tmp_path / "torch_losses.py").write_text(TORCH)
    return lambda name, *args: mrl("--function", f"torch_losses:{name}", "-f", "json", *args)


@pytest.mark.parametrize(
    "name", ["right", "method", "Module", "instance", "detached", "Named", "Forwarding", "apply", "losses_detached"]
)
def test_a_right_function_of_pytorch_passes(name: str, torched: Mrl) -> None:
    record = torched(name).result
    assert record["passed"]
    assert record["notes"][0].endswith("with PyTorch tensors")
    has_gradients = "gradients are those that PyTorch takes" in record["notes"]
    assert has_gradients == (name != "detached")


@pytest.mark.parametrize("name", ["torch.nn.functional:margin_ranking_loss", "torch.nn:MarginRankingLoss"])
def test_pytorch_itself_passes(name: str, mrl: Mrl) -> None:
    pytest.importorskip("torch")
    assert mrl("--function", name, "--labels", "any", "-f", "json").result["passed"]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("kink", "the gradient at the kink (loss exactly 0) is 0"),
        ("half_kink", "the gradient at the kink (loss exactly 0) is half of it"),
        ("sign", "y has the other sign"),
        ("no_clamp", "losses are not clamped at 0"),
        ("half_inside", "the arithmetic is float16"),
        ("first_axis", "the mean is over the first axis only"),
        ("mean_of_sum", "the gradient is that of the sum, not of the mean, with reduction mean"),
    ],
)
def test_a_mistake_in_pytorch_is_named_first(name: str, begins: str, torched: Mrl) -> None:
    ran = torched(name)
    assert ran.code == 1
    assert ran._replace(code=0).result["explanations"][0]["hypothesis"].startswith(begins)


def test_a_gradient_that_does_not_reach_x2_fails(torched: Mrl) -> None:
    ran = torched("half_detached")
    assert ran.code == 1
    assert "no gradient reaches x2" in ran.out


def test_a_mean_without_gradients_fails_where_its_losses_have_some(torched: Mrl) -> None:
    ran = torched("mean_detached")
    assert ran.code == 1
    assert "no gradient of the mean: what it returns is detached from its scores" in ran.out


def test_other_losses_of_pytorch(torched: Mrl) -> None:
    naive = torched("naive", "--loss", "logistic")
    assert naive.code == 1
    first = naive._replace(code=0).result["explanations"][0]["hypothesis"]
    assert first == "a loss overflows where it should be finite"
    assert torched("entropy", "--loss", "logistic", "--labels", "01").result["passed"]
    assert torched("entropy", "--loss", "logistic").code == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_the_registry_passes_its_own_suite(loss: str) -> None:
    parameters = completed(loss, {})
    plan = Plan.of(loss=loss, parameters=tuple(parameters.items()), labels="any" if LOSSES[loss].is_target else "pm1")
    has_margin = LOSSES[loss].has_margin

    def own(x1: Values, x2: Values, y: Values, margin: float = 0.0, **_: float) -> Any:
        return LOSSES[loss].kernel(np.array(x1 - x2), y, margin=margin if has_margin else 0.0, **parameters)

    def gradient(x1: Values, x2: Values, y: Values, margin: float = 0.0, **_: float) -> Any:
        return LOSSES[loss].gradient(np.array(x1 - x2), y, margin=margin if has_margin else 0.0, **parameters)

    own.gradient = gradient  # type: ignore[attr-defined]
    validation = validated(own, plan)
    assert [check.name for check in validation.checks if not check.passed] == []
    gradient_of_nothing = lambda x1, x2, y, margin=0.0: gradient(x1, x2, y, margin) * 1.001  # noqa: E731
    own.gradient = gradient_of_nothing  # type: ignore[attr-defined]
    assert not validated(own, plan).passed


@pytest.mark.parametrize("epsilon", ["1e-12", "1e-07", "0.0005"])
def test_an_epsilon_inside_the_logarithm_is_named(epsilon: str) -> None:
    def guarded(x1: Values, x2: Values, y: Values, margin: float) -> Any:
        return -np.log(1 / (1 + np.exp(margin - y * (x1 - x2))) + float(epsilon))

    validation = validated(guarded, Plan.of(loss="logistic", parameters=(("temperature", 1.0),)))
    assert not validation.passed
    assert validation.explanations[0].hypothesis == f"{epsilon} is added inside the logarithm"


def test_parameters_are_handed_over() -> None:
    def logistic(x1: Values, x2: Values, y: Values, margin: float, tau: float) -> Any:
        return np.logaddexp(0, margin - y * (x1 - x2) / tau)

    plan = Plan.of(loss="logistic", parameters=(("temperature", 2.0),))
    assert validated(logistic, plan).passed
    assert not validated(lambda x1, x2, y, margin, tau: logistic(x1, x2, y, margin, 1.0), plan).passed


def test_margin_labels_and_dtype_are_those_asked_for() -> None:
    seen: dict[str, set[Any]] = {"margin": set(), "dtype": set(), "y": set()}

    def spy(x1: Values, x2: Values, y: Values, margin: float) -> Any:
        if x1.size != 3:  # a few pairs beforehand show how it is called
            seen["margin"].add(margin)
            seen["dtype"].add(str(x1.dtype))
            seen["y"] |= set(y.ravel().tolist())
        return hinge(x1, x2, np.where(y > 0, 1, -1).astype(x1.dtype), margin)

    assert validated(spy, Plan.of(labels="01"), margin=0.75, dtype="float32").passed
    assert seen == {"margin": {0.75}, "dtype": {"float32"}, "y": {0.0, 1.0}}


def test_trials_under_any_label_are_the_vectors_of_pytorch() -> None:
    held = {trial.name: trial for trial in trials(Plan.of(labels="any"))}
    for vector in vectors():
        trial = held.pop(vector.name)
        np.testing.assert_array_equal(trial.losses, vector.losses.astype(np.float64))
        np.testing.assert_array_equal(trial.gradients + 0.0, vector.gradients.astype(np.float64) + 0.0)
    assert held == {}


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda y, b, a: 0, {"y": "y", "x2": "b", "x1": "a"}),
        (lambda p, q, r, s: 0, {"x1": "p", "x2": "q", "y": "r", "margin": "s"}),
        (lambda scores, labels: 0, {"difference": "scores", "y": "labels"}),
        (lambda neg_scores, pos_scores, eps=1e-6: 0, {"x2": "neg_scores", "x1": "pos_scores"}),
        (lambda input1, input2, target, weight=None, reduction="mean": 0, None),
    ],
)
def test_roles_are_read_from_the_signature(function: Any, given: dict[str, str] | None) -> None:
    given = given or {"x1": "input1", "x2": "input2", "y": "target", "reduction": "reduction"}
    [convention] = conventions_of(function, LOSSES["margin_ranking"])
    assert {slot.role: slot.name for slot in convention.given} == given


# The command.

MODULE = """
import numpy as np
print("imported")

def loss(x1, x2, y, margin=0.0, reduction="mean"):
    print("called")
    losses = np.maximum(0, -y * (x1 - x2) + margin)
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]

def wrong(x1, x2, y, margin=0.0):
    return loss(x1, x2, -y, margin)

def raising(x1, x2, y, margin=0.0):
    raise RuntimeError("out of order")

def shorter(x1, x2, y, margin=0.0):
    return loss(x1, x2, y, margin, "none")[:-1]

def text(x1, x2, y):
    return "0.5"

def nothing(x1, x2, y):
    pass

def two(x1, x2, y, margin=0.0):
    return loss(x1, x2, y, margin), 0.5

def imaginary(x1, x2, y, margin=0.0):
    return loss(x1, x2, y, margin) + 0j

def unclear(x1, x2, y, margin, strength):
    return 0

number = 3
"""


def test_the_command_reports_and_prints_nothing_else(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(MODULE)
    record = mrl("--function", "losses:loss", "-f", "json").result
    assert (record["schema"], record["function"], record["passed"]) == ("mrl.validate/1", "losses:loss", True)
    names = {check["name"] for check in record["checks"]}
    assert {"kink", "ties", "empty", "PyTorch's op_info", "inputs stay as they are"} <= names
    quiet = mrl("--function", "losses.py:loss", "-q", "-f", "csv")
    assert quiet.out.splitlines()[0] == "check,verdict,pairs,max_abs_diff,max_ulp_diff,mismatches,explanation"
    assert quiet.code == 0


def test_a_wrong_function_fails_with_its_line(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(MODULE)
    ran = mrl("--function", "losses:wrong", "-f", "table")
    assert ran.code == 1
    below = " ".join(ran.out.split("\n\n", 2)[2].split())  # lines are as wide as the terminal
    assert below.startswith("explanation: y has the other sign")
    assert " losses.py line 10: losses of " in below
    told = mrl("--function", "losses:wrong", "-f", "tsv")
    assert "explanation: y has the other sign" in told.err
    assert "::error file=losses.py,line=10," in mrl("--function", "losses:wrong", "-f", "github").out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "raising",
            "call: called as raising(x1, x2, y, margin=…) with NumPy arrays: raises RuntimeError: out of order",
        ),
        ("shorter", "it returns shape (49,) for pairs of shape (50,)"),
        ("text", "it returns str, not a number or an array of numbers"),
        ("nothing", "it returns None, not a number or an array of numbers"),
        ("two", "it returns tuple, not a number or an array of numbers"),
        ("imaginary", "it returns complex128"),
    ],
)
def test_what_is_no_loss_has_a_clear_message(name: str, message: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(MODULE)
    ran = mrl("--function", f"losses:{name}", "-f", "table")
    assert ran.code == 1
    assert message in " ".join(ran.out.split())  # lines are as wide as the terminal
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("losses", "MODULE:NAME names a function"),
        ("losses:", "MODULE:NAME names a function"),
        ("nowhere:loss", "there is no module nowhere"),
        ("nowhere.py:loss", "there is no file nowhere.py"),
        ("losses:los", "did you mean loss?"),
        ("losses:number", "losses:number is an int, which cannot be called"),
        ("losses:unclear", "unclear: what is its parameter strength, which has no default?"),
        ("broken:loss", "cannot import broken: ZeroDivisionError: division by zero (broken.py, line 2)"),
        ("leaving:loss", "cannot import leaving: SystemExit: 5 (leaving.py, line 1)"),
        ("syntax:loss", "(syntax.py, line 1)"),
        ("needing:loss", "No module named 'surely_not_installed'"),
    ],
)
def test_what_cannot_be_imported_is_a_usage_error(function: str, message: str, mrl: Mrl, tmp_path: Path) -> None:
    texts = {
        "losses": MODULE,
        "broken": "\n1 / 0",
        "leaving": "raise SystemExit(5)",
        "syntax": "def (",
        "needing": "import surely_not_installed",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    ran = mrl("--function", function)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


@pytest.mark.parametrize(
    "others",
    [
        ["pairs.csv"],
        ["--expect", "1"],
        ["--reduction", "sum"],
        ["--cases", "c.csv"],
        ["--weight", "w"],
        ["--labels", "probability"],
    ],
)
def test_options_that_would_do_nothing_are_refused(others: list[str], mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(MODULE)
    (tmp_path / "pairs.csv").write_text("x1,x2,y\n1,2,1\n")
    ran = mrl("--function", "losses:loss", *others)
    assert (ran.code, ran.out) == (2, "")
