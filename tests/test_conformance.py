"""The built-in suite: it holds what PyTorch's vectors hold, passes here, and fails on a broken core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mrl_cli import conformance
from mrl_cli.conformance import conformance_checks, torch_version
from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from tests.golden import make_conformance
from tests.running import run_inside
from tests.test_golden import CASES, VECTORS


def test_the_packaged_vectors_are_the_golden_ones() -> None:
    assert make_conformance.TARGET.read_text(encoding="ascii") == make_conformance.text()
    assert torch_version() == VECTORS["torch"]


def test_every_check_passes_on_this_machine() -> None:
    checks = conformance_checks()
    assert [check for check in checks if not check.passed or check.max_ulp_diff] == []
    names = {check.name for check in checks}
    assert {"kink", "ties", "huge, subnormal, overflow", "empty", "hard sums", "PyTorch's op_info"} <= names
    # Three of a kind: the kernel, its gradient and the loop. The hard sums are added up whole and in halves.
    vectors = 3 * sum(len(case["none"]) for case in CASES)
    assert sum(check.pairs for check in checks) == vectors + 2 * sum(map(len, conformance.HARD_SUMS.values()))


def broken_kernel(difference: Any, y: Any, *, margin: float, out: Any = None) -> Any:
    losses = np.maximum(margin - y * difference, 0)
    losses[:1] = np.nextafter(losses[:1], np.inf)
    return losses


@pytest.mark.parametrize(
    "broken",
    [
        {"kernel": broken_kernel},
        {"kernel": lambda difference, y, *, margin, out=None: np.fmax(margin - y * difference, 0)},
        {"gradient": lambda difference, y, *, margin: -y * (margin - y * difference > 0)},
    ],
    ids=["one ulp", "NaN becomes 0", "no gradient at the kink"],
)
def test_a_broken_core_fails(broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], **broken))
    assert any(not check.passed and check.note for check in conformance_checks())


def test_a_sum_that_rounds_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    true_float = ExactSum.__float__
    monkeypatch.setattr(ExactSum, "__float__", lambda self: true_float(self) * (1 + 2**-52))
    (failed,) = (check for check in conformance_checks() if not check.passed)
    assert failed.name == "hard sums"


def test_the_command_runs_it_without_input(capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_inside(["validate", "-f", "json"], capfd)
    assert ran.result["passed"]
    assert ran.result["schema"] == "mrl.validate/1"
    assert "margin" not in ran.result
    assert run_inside(["validate", "-f", "table"], capfd).out.endswith("every check passed\n")


def test_the_command_fails_on_a_broken_core(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=broken_kernel))
    ran = run_inside(["validate", "-f", "table"], capfd)
    assert ran.code == 1
    assert "losses of ours/kink/float64: 1 of 8 differ" in ran.out.replace("\n", " ")
