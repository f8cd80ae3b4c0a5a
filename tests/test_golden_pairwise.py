"""Our pairwise losses are those of PyTorch, RAX and CatBoost, on the vectors of the scripts in golden/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_cli import pairwise_loss, pairwise_loss_grad
from mrl_cli.losses import LOSSES
from tests.each import each
from tests.golden.pairs import pairs

GOLDEN = Path(__file__).parent / "golden"
Case = dict[str, Any]


def recorded(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((GOLDEN / name).read_text(encoding="ascii"))
    return record


CASES: list[tuple[str, Case]] = [
    (library, case) for library in ("pytorch", "rax") for case in recorded(f"{library}_pairwise.json")["cases"]
]
with_every_case = each(
    "case",
    [case for _, case in CASES],
)


def numbers(texts: list[str]) -> NDArray[Any]:
    return np.array([float.fromhex(text) for text in texts])


def assert_near(actual: Any, theirs: NDArray[Any], dtype: str) -> None:
    """Assert agreement to 8 ulp; where their last digits cancelled or underflowed, to an ulp of the larger terms."""
    eps = float(np.finfo(dtype).eps)
    assert actual.dtype == np.dtype(dtype)
    np.testing.assert_allclose(actual.astype("float64"), theirs, rtol=8 * eps, atol=eps / 2)


@with_every_case
def test_losses_are_theirs(case: Case) -> None:
    actual = pairwise_loss(
        *pairs(case["dtype"]), loss=case["loss"], margin=case["margin"], reduction="none", **case["parameters"]
    )
    assert_near(actual, numbers(case["losses"]), case["dtype"])


@each("case", [case for _, case in CASES if "gradient" in case])
def test_gradients_are_theirs(case: Case) -> None:
    x1_grad, _ = pairwise_loss_grad(
        *pairs(case["dtype"]), loss=case["loss"], margin=case["margin"], reduction="none", **case["parameters"]
    )
    assert_near(x1_grad, numbers(case["gradient"]), case["dtype"])


def test_mean_logistic_loss_is_catboosts_pairlogit() -> None:
    record = recorded("catboost_pairlogit.json")
    x1, x2, y = pairs("float64")
    ordinary = np.abs(x1 - x2) < record["largest_difference"]
    assert np.count_nonzero(ordinary) == record["pairs"]
    actual = pairwise_loss(x1[ordinary], x2[ordinary], y[ordinary], loss="logistic")
    assert actual == pytest.approx(float.fromhex(record["mean"]), rel=1e-14)


def test_every_loss_is_held_against_another_library() -> None:
    assert {case["loss"] for _, case in CASES} == LOSSES.keys()
    assert {case["dtype"] for _, case in CASES} == {"float32", "float64"}
