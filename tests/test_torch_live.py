"""Our losses and gradients are those of the PyTorch installed here, on inputs that no file holds."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mrl_cli import margin_ranking_loss, margin_ranking_loss_grad
from mrl_cli.model import DType, PairReduction
from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.hypotheses import mistakes

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing PyTorch alone takes seconds; test_golden holds its vectors meanwhile

Array = NDArray[Any]
Pairs = tuple[DType, list[tuple[float, float, float]], float]

REDUCTIONS_WITH_GRADIENTS: tuple[PairReduction, ...] = ("none", "sum", "mean")
DTYPES: tuple[DType, ...] = ("float32", "float64")


def bits(values: Array) -> bytes:
    """Return the bytes of an array, with the same NaN for every NaN: unlike ==, they distinguish -0.0 from 0.0."""
    return np.where(np.isnan(values), np.nan, values).astype(values.dtype).tobytes()


def rounded(number: float, dtype: DType) -> float:
    with np.errstate(over="ignore"):
        return float(np.dtype(dtype).type(number))


def without_signed_zeros(values: Array) -> Array:
    result: Array = values + values.dtype.type(0)
    return result


def by_torch(x1: Array, x2: Array, y: Array, *, margin: float, reduction: PairReduction) -> tuple[Array, Array, Array]:
    """Return PyTorch's loss, and its gradients (under none: of the sum of the losses) for x1 and x2."""
    import torch

    left, right = (torch.from_numpy(scores.copy()).requires_grad_() for scores in (x1, x2))
    labels = torch.from_numpy(y.copy())
    loss = torch.nn.functional.margin_ranking_loss(left, right, labels, margin=margin, reduction=reduction)
    left_grad, right_grad = torch.autograd.grad(loss.sum(), (left, right))
    return loss.detach().numpy(), left_grad.numpy(), right_grad.numpy()


def assert_equals_torch(x1: Array, x2: Array, y: Array, margin: float) -> None:
    for reduction in REDUCTIONS_WITH_GRADIENTS:
        losses, *expected = by_torch(x1, x2, y, margin=margin, reduction=reduction)
        if reduction == "none":
            loss = margin_ranking_loss(x1, x2, y, margin=margin, reduction="none")
            assert isinstance(loss, np.ndarray)
            assert loss.dtype == losses.dtype
            assert bits(loss) == bits(losses)
        gradients = margin_ranking_loss_grad(x1, x2, y, margin=margin, reduction=reduction)
        for ours, torchs in zip(gradients, expected, strict=True):
            assert ours.dtype == torchs.dtype
            if y.dtype.kind == "f":
                assert bits(ours) == bits(torchs)
            else:  # minus the integer 0 is 0 in PyTorch, minus the float 0.0 is -0.0
                assert bits(without_signed_zeros(ours)) == bits(without_signed_zeros(torchs))


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    """Draw a dtype, pairs of any finite floats of it with real labels, and a finite margin."""
    dtype = draw(st.sampled_from(DTYPES))
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32 if dtype == "float32" else 64)
    label = st.sampled_from([1.0, -1.0, 1.0, -1.0, 0.0, -0.0]) | finite
    rows = draw(st.lists(st.tuples(finite, finite, label), max_size=40))
    margin = draw(st.floats(allow_nan=False, allow_infinity=False))
    # A margin that is -0.0 in the dtype is left out: PyTorch's loss of a tie is then -0.0, and ours 0.0
    # (test_no_loss_is_a_negative_zero).
    return dtype, rows, margin if rounded(margin, dtype) else 0.0


@given(pairs())
@example(("float32", [(0.3, 0.2, 1.0), (0.2, 0.3, -1.0)], 0.1))
@example(("float64", [(0.3, 0.2, 1.0), (0.2, 0.3, -1.0)], 0.1))
@example(("float32", [(3.4e38, -3.4e38, 0.0)], sys.float_info.max))
@settings(deadline=None, max_examples=300)
def test_any_finite_pairs_give_pytorchs_bits(drawn: Pairs) -> None:
    dtype, rows, margin = drawn
    x1, x2, y = np.array(rows, dtype).reshape(-1, 3).T
    assert_equals_torch(x1, x2, y, margin)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0, -0.3])
@pytest.mark.parametrize("size", [1, 7, 1000, 65537])
def test_random_pairs_give_pytorchs_bits(size: int, margin: float, dtype: DType) -> None:
    random = np.random.default_rng(size)
    x1, x2 = (random.standard_normal(size).astype(dtype) for _ in range(2))
    y = random.choice(np.array([-1, 1, 0.3], dtype), size)
    assert_equals_torch(x1, x2, y, margin)


@pytest.mark.parametrize("dtype", DTYPES)
def test_integer_labels_give_pytorchs_bits(dtype: DType) -> None:
    random = np.random.default_rng(0)
    x1, x2 = (random.standard_normal(500).astype(dtype) for _ in range(2))
    assert_equals_torch(x1, x2, random.integers(-2, 3, 500), 0.5)


def test_wide_labels_widen_what_follows_the_subtraction_as_in_pytorch() -> None:
    random = np.random.default_rng(0)
    x1, x2 = (random.standard_normal(500).astype(np.float32) for _ in range(2))
    y = random.choice([-1.0, 1.0, 0.1], 500)
    losses, _, _ = by_torch(x1, x2, y, margin=0.1, reduction="none")
    loss = margin_ranking_loss(x1, x2, y, margin=0.1, reduction="none")
    assert isinstance(loss, np.ndarray)
    assert loss.dtype == losses.dtype == np.float64
    assert bits(loss) == bits(losses)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_reductions_are_within_rounding_of_pytorchs(reduction: PairReduction, dtype: DType) -> None:
    random = np.random.default_rng(1)
    x1, x2 = (random.standard_normal(10_000).astype(dtype) for _ in range(2))
    y = random.choice(np.array([-1, 1], dtype), 10_000)
    torchs, _, _ = by_torch(x1, x2, y, margin=0.5, reduction=reduction)
    # PyTorch adds in blocks, so it stays far within the bound of n ulp of adding one after the other.
    assert margin_ranking_loss(x1, x2, y, margin=0.5, reduction=reduction) == pytest.approx(
        float(torchs), rel=100 * float(np.finfo(dtype).eps), abs=0
    )


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.3, 1.7])
def test_the_arithmetic_of_bfloat16_is_that_of_pytorch(margin: float) -> None:
    import torch

    random = np.random.default_rng(7)
    x1, x2 = random.normal(size=(2, 2000))
    y = np.where(random.random(2000) < 0.8, 1.0, -1.0)
    first, second, labels = (torch.tensor(values).to(torch.bfloat16) for values in (x1, x2, y))
    own = torch.nn.functional.margin_ranking_loss(first, second, labels, margin=margin, reduction="none")
    (made,) = (made for (text,), made in mistakes(Case(x1, x2, y, margin), 1) if text == "the arithmetic is bfloat16")
    np.testing.assert_array_equal(losses_of(made), own.double().numpy())
