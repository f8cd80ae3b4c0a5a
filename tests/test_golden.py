"""Our losses and gradients are those of PyTorch, on the vectors of golden/make_pytorch_vectors.py."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_cli import margin_ranking_loss, margin_ranking_loss_grad
from mrl_cli.model import PairReduction
from tests.each import each

VECTORS = json.loads((Path(__file__).parent / "golden" / "pytorch_margin_ranking.json").read_text(encoding="ascii"))
CASES: list[dict[str, Any]] = VECTORS["cases"]

Array = NDArray[Any]

with_every_case = each("case", CASES)


def array(case: dict[str, Any], key: str, dtype: str) -> Array:
    """Return a vector of a case, read-only, as the dtype in which it was given to PyTorch or came out."""
    values = [float.fromhex(value) if isinstance(value, str) else value for value in case[key]]
    result = np.array(values, dtype).reshape(case["shape"])
    result.flags.writeable = False
    return result


def inputs(case: dict[str, Any]) -> tuple[Array, Array, Array]:
    return array(case, "x1", case["scores"]), array(case, "x2", case["scores"]), array(case, "y", case["labels"])


def bits(values: Array) -> bytes:
    """Return the bytes of an array, with the same NaN for every NaN: unlike ==, they distinguish -0.0 from 0.0."""
    return np.where(np.isnan(values), np.nan, values).astype(values.dtype).tobytes()


def without_signed_zeros(values: Array) -> Array:
    result: Array = values + values.dtype.type(0)
    return result


def sum_by_fsum(losses: Array) -> float:
    try:
        return math.fsum(losses.reshape(-1).tolist())
    except OverflowError:  # no loss is negative, so the sum itself is beyond the largest double
        return math.inf


def rounded(number: float, dtype: str) -> float:
    with np.errstate(over="ignore"):
        return float(np.dtype(dtype).type(number))


def is_same(actual: float, expected: float) -> bool:
    return actual == expected or (math.isnan(actual) and math.isnan(expected))


def is_near(ours: float, torchs: float, *, dtype: str, pairs: int) -> bool:
    """Return whether a number of ours is within an ulp a term of what PyTorch's rounded additions gave."""
    if not math.isfinite(torchs):
        return is_same(ours, torchs)
    return abs(ours - torchs) <= pairs * float(np.spacing(np.dtype(dtype).type(abs(torchs))))


def test_bits_distinguish_what_equality_does_not() -> None:
    assert bits(np.array([0.0])) != bits(np.array([-0.0]))
    assert bits(np.array([math.nan])) == bits(np.array([-math.nan]))
    assert bits(np.array([1.0])) != bits(np.nextafter(np.array([1.0]), 2))


def test_every_family_of_pytorchs_own_tests_is_covered() -> None:
    assert {case["name"].split("/")[0] for case in CASES} == {"module_info", "op_info", "test_nn", "founding", "ours"}
    assert {case["dtype"] for case in CASES} == {"float32", "float64"}


@with_every_case
def test_losses_are_pytorchs_bit_for_bit(case: dict[str, Any]) -> None:
    losses = margin_ranking_loss(*inputs(case), margin=float.fromhex(case["margin"]), reduction="none")
    expected = array(case, "none", case["dtype"])
    assert isinstance(losses, np.ndarray)
    assert (losses.dtype, losses.shape) == (expected.dtype, expected.shape)
    assert bits(losses) == bits(expected)


@each("reduction", ["none", "mean"])
@with_every_case
def test_gradients_are_pytorchs_bit_for_bit(case: dict[str, Any], reduction: PairReduction) -> None:
    gradients = margin_ranking_loss_grad(*inputs(case), margin=float.fromhex(case["margin"]), reduction=reduction)
    for key, ours in zip(("x1", "x2"), gradients, strict=True):
        gradient, expected = ours, array(case, f"{key}_grad_{reduction}", case["dtype"])
        assert (gradient.dtype, gradient.shape) == (expected.dtype, expected.shape), key
        if (
            case["labels"] == "int64" and case["scores"] == case["dtype"]
        ):  # minus the integer 0 is 0 in PyTorch, minus the float 0.0 is -0.0
            gradient, expected = without_signed_zeros(gradient), without_signed_zeros(expected)
        assert bits(gradient) == bits(expected), key


@with_every_case
def test_sum_and_mean_are_rounded_once_and_near_pytorchs(case: dict[str, Any]) -> None:
    dtype, losses = case["dtype"], array(case, "none", case["dtype"])
    exact = sum_by_fsum(losses)
    expected = {"sum": exact, "mean": exact / losses.size if losses.size else math.nan}
    for reduction in ("sum", "mean"):
        loss = margin_ranking_loss(*inputs(case), margin=float.fromhex(case["margin"]), reduction=reduction)
        assert isinstance(loss, float)
        assert is_same(loss, rounded(expected[reduction], dtype)), reduction
        assert is_near(loss, float.fromhex(case[reduction]), dtype=dtype, pairs=losses.size), reduction


def test_founding_example() -> None:
    x1 = np.array([-0.6013928055763245, -1.0122097730636597, -0.30226925015449524], np.float32)
    x2 = np.array([-1.2276864051818848, 0.9198282361030579, -0.34846940636634827], np.float32)
    y = np.array([1, -1, -1], np.float32)
    losses = margin_ranking_loss(x1, x2, y, reduction="none")
    assert isinstance(losses, np.ndarray)
    # Only the third pair is on the wrong side: -(-1) * (-0.30226925 - -0.34846941), each difference exact in float32.
    assert bits(losses) == bits(np.array([0, 0, x1[2] - x2[2]], np.float32))
    assert margin_ranking_loss(x1, x2, y) == 0.015400052070617676
    x1_grad, x2_grad = margin_ranking_loss_grad(x1, x2, y)
    assert bits(x1_grad) == bits(np.array([-0.0, 0.0, 1 / 3], np.float32))
    assert bits(x2_grad) == bits(np.array([0.0, -0.0, -1 / 3], np.float32))
