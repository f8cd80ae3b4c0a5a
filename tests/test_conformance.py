"""The built-in suite: it holds what PyTorch's vectors hold, passes here, and fails on a broken core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.reductions import measured as measure
from mrl_cli.reports import compute as reporting
from mrl_cli.reports import figures as table
from mrl_cli.verify import conformance
from mrl_cli.verify.conformance import conformance_checks, pair_checks
from mrl_cli.verify.lists import suite
from mrl_cli.verify.vectors import torch_version
from tests.golden import make_conformance
from tests.running import run_inside
from tests.test_golden import CASES, VECTORS

pytestmark = pytest.mark.slow


def test_the_packaged_vectors_are_the_golden_ones() -> None:
    assert make_conformance.TARGET.read_text(encoding="ascii") == make_conformance.text()
    assert torch_version() == VECTORS["torch"]


def test_every_check_passes_on_this_machine() -> None:
    checks = conformance_checks(pair_checks())
    assert [check for check in checks if not check.passed or check.max_ulp_diff] == []
    names = {check.name for check in checks}
    assert {"kink", "ties", "huge, subnormal, overflow", "empty", "hard sums", "PyTorch's op_info"} <= names
    # Three of a kind: the kernel, its gradient and the loop. The hard sums are added up whole and in halves. Where all
    # is finite, sum and mean are each reported, and as the value too; labels 1 and -1 are also written as 1 and 0.
    expected = 2 * sum(map(len, conformance.HARD_SUMS.values()))
    for case in CASES:
        x1, x2, y = (np.array([conformance_number(v) for v in case[key]]) for key in ("x1", "x2", "y"))
        is_finite = np.isfinite([*x1, *x2, *y, float.fromhex(case["margin"])]).all()
        expected += x1.size * int(3 + 4 * is_finite + 2 * (is_finite and (np.abs(y) == 1).all()))
    assert sum(check.pairs for check in checks) == expected


def conformance_number(value: str | float) -> float:
    return float.fromhex(value) if isinstance(value, str) else value


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
    assert any(not check.passed and check.note for check in conformance_checks(pair_checks()))


def test_a_sum_that_rounds_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    true_float = ExactSum.__float__
    monkeypatch.setattr(ExactSum, "__float__", lambda self: true_float(self) * (1 + 2**-52))
    assert "hard sums" in failed_families()


@pytest.fixture
def plain_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the suite one family of ranked lists: test_listsuite runs them all."""
    monkeypatch.setattr(suite, "LISTS", {"plain": suite.LISTS["plain"]})


def test_the_command_runs_it_without_input(plain_lists: None, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_inside(["validate", "-f", "json"], capfd)
    assert {"lists: plain", "kink", "hard sums"} <= {check["name"] for check in ran.result["checks"]}
    assert ran.result["passed"]
    assert ran.result["schema"] == "mrl.validate/1"
    assert "margin" not in ran.result
    assert run_inside(["validate", "-f", "table"], capfd).out.startswith("Every check passed: ")


def test_the_command_fails_on_a_broken_core(
    plain_lists: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOSSES, "margin_ranking", replace(LOSSES["margin_ranking"], kernel=broken_kernel))
    ran = run_inside(["validate", "-f", "table"], capfd)
    assert ran.code == 1
    assert "losses of ours/kink/float64: 1 of 8 differ" in ran.out.replace("\n", " ")


def failed_families() -> dict[str, str | None]:
    return {check.name: check.note for check in conformance_checks(pair_checks()) if not check.passed}


def test_labels_that_are_not_mapped_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    true_labels = measure.signed_labels
    unmapped = lambda pairs, plan, out: true_labels(pairs, plan.changed(labels="any"), out)  # noqa: E731
    monkeypatch.setattr(measure, "signed_labels", unmapped)
    failed = failed_families()
    assert {"founding example", "margins"} <= set(failed)
    assert "with labels 01" in str(failed["founding example"])


@pytest.mark.parametrize("figure", ["value", "sum", "mean"])
def test_a_figure_reported_wrong_fails_in_every_family(figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    true_figures = table.figures_of
    monkeypatch.setattr(reporting, "figures_of", lambda *given: true_figures(*given) | {figure: -1.0})
    failed = failed_families()
    assert {"empty", "kink", "founding example", "PyTorch's op_info"} <= set(failed)


def test_a_mean_of_nothing_that_is_a_number_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    divided = ExactSum.__truediv__
    monkeypatch.setattr(ExactSum, "__truediv__", lambda part, whole: divided(part, whole) if float(whole) else 0.0)
    assert set(failed_families()) == {"empty"}


def test_a_mean_over_one_pair_too_many_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    divided, one = ExactSum.__truediv__, ExactSum.of_few([1.0])
    monkeypatch.setattr(ExactSum, "__truediv__", lambda part, whole: divided(part, whole + one))
    assert {"empty", "kink", "founding example", "PyTorch's op_info"} <= set(failed_families())
