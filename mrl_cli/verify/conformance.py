"""The built-in conformance suite: this machine's NumPy against PyTorch's golden vectors, hard sums and ranked lists.

Every family of vectors goes through the loss kernel, its gradient and the loop validator, and where all is finite
through the whole way of a batch: measured, reduced and reported, also with labels 0 and 1. The vectors are those of
PyTorch's own tests and of what these leave out: the kink, ties, huge and subnormal values, overflow, nothing at all.
"""

from __future__ import annotations

import math
import platform
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Plan
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.reports.compute import compute_report
from mrl_cli.reports.validate import CheckResult, Validation
from mrl_cli.verify import reference
from mrl_cli.verify.lists.suite import list_checks
from mrl_cli.verify.validators import Tolerance, check_of, compared, number_check
from mrl_cli.verify.vectors import Vector, torch_version, vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mrl_cli.dtypes import Array

LARGEST, TINY = np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal

# What goes wrong in a plain sum: cancellation, absorption, the subnormals, an overflow on the way and one in the end.
HARD_SUMS: dict[str, list[float]] = {
    "cancellation": [1e16, 1.0, -1e16] * 1000,
    "absorption": [2.0**53, *[1.0] * 4097],
    "half an ulp": [1.0, 2.0**-53, 2.0**-106],
    "subnormals": [float(TINY)] * 1001 + [2.0**-1022],
    "400 binary orders": [math.ldexp(1.0, place - 200) for place in range(400)],
    "overflow on the way": [float(LARGEST), float(LARGEST), -float(LARGEST)],
    "overflow": [float(LARGEST)] * 3,
    "infinities": [math.inf, 1.0],
    "infinities of both signs": [math.inf, -math.inf],
    "NaN": [math.nan, 1.0],
    "nothing": [],
}


def conformance() -> Validation:
    """Run the suite on this machine."""
    checks = tuple(conformance_checks())
    place = f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}"
    return Validation(
        loss="margin_ranking",
        passed=all(check.passed for check in checks),
        pairs=sum(check.pairs for check in checks),
        checks=checks,
        mismatch_count=sum(check.mismatches for check in checks),
        notes=(f"{place}; the vectors are those of PyTorch {torch_version()}",),
    )


def conformance_checks(checks: Iterable[tuple[str, CheckResult]] | None = None) -> list[CheckResult]:
    """Run the suite; return one check for each family of vectors, of sums, and of ranked lists.

    With `checks`, by the names of their families, those alone are put together.
    """
    families: dict[str, CheckResult] = {}
    for name, check in chain(pair_checks(), list_checks()) if checks is None else checks:
        named = replace(check, note=f"{check.name}: {check.note}" if check.note else None)
        families[name] = families.get(name, CheckResult(name, passed=True, pairs=0)) + named
    return list(families.values())


def pair_checks() -> Iterator[tuple[str, CheckResult]]:
    """Yield the checks of pairs and of sums, by the names of their families."""
    yield from ((vector.family, check) for vector in vectors() for check in _vector_checks(vector))
    yield from (("hard sums", check) for check in _hard_sums())


def _vector_checks(vector: Vector) -> Iterator[CheckResult]:
    """Hold the kernel, its gradient and the loop validator against a vector of PyTorch's."""
    name, dtype, margin, x1, x2, y = vector.name, vector.dtype, vector.margin, vector.x1, vector.x2, vector.y
    loss = LOSSES["margin_ranking"]
    with np.errstate(all="ignore"):
        ours = loss.kernel(x1 - x2, y, margin=margin)
        slopes = loss.gradient(x1 - x2, y, margin=margin)
    loop = reference.validate_margin_ranking_loss(x1, x2, y, margin, "none", dtype=dtype)
    yield _compared(f"losses of {name}", vector.losses, ours, dtype)
    # PyTorch negates integer labels as integers, which have no -0: the sign of a zero gradient is left out.
    yield _compared(f"gradients of {name}", vector.gradients + 0.0, slopes + 0.0, dtype)
    yield _compared(f"loop losses of {name}", vector.losses, loop, dtype)
    if not vector.is_finite:  # no reader hands these on
        return
    plan = Plan.of(labels="any", margin=margin, dtype="float32" if dtype == "float32" else "float64")
    with np.errstate(all="ignore"):
        yield from _reported_checks(vector, Measured(_batch(x1, x2, y), plan))
        if not (np.abs(y) == 1).all():
            return
        for labels, written in (("pm1", y), ("01", (y + 1) / 2)):
            got = Measured(_batch(x1, x2, written.astype(np.int8)), plan.changed(labels=labels)).losses
            yield _compared(f"losses of {name} with labels {labels}", vector.losses, got, dtype)


def _batch(x1: Array, x2: Array, y: Array) -> Batch:
    return Batch("", {"x1": x1.astype(np.float64), "x2": x2.astype(np.float64), "y": y}, rows=range(x1.size))


def _reported_checks(vector: Vector, measured: Measured) -> Iterator[CheckResult]:
    """Hold the reported figures of a vector against PyTorch's own sum and mean, which may round at every term."""
    totals = TotalsReduction().add(Totals(), measured)
    size, dtype = measured.batch.size, measured.plan.loss.dtype
    for reduction in ("sum", "mean"):
        plan = measured.plan.changed(reduction=reduction)
        report = compute_report(measured.counts, totals, plan)
        expected = getattr(vector, reduction)
        ulp = float(np.spacing(np.dtype(dtype).type(abs(expected)))) if math.isfinite(expected) else 0.0
        for key in (reduction, "value"):
            name, got = f"{reduction} of {vector.name} as {key}", float(getattr(report, key))
            check = number_check(name, expected, got, size, dtype, Tolerance(atol=size * ulp))
            yield replace(check, max_abs_diff=None, max_ulp_diff=None)  # it is PyTorch's sum that may be ulps away


def _compared(name: str, expected: Array, got: Any, dtype: str) -> CheckResult:
    differ = compared(np.asarray(expected, np.float64), np.asarray(got, np.float64), dtype)
    note = f"{differ.mismatches} of {expected.size} differ" if differ.mismatches else None
    return check_of(name, expected.size, differ, note=note)


def _hard_sums() -> Iterator[CheckResult]:
    for name, values in HARD_SUMS.items():
        array = np.array(values, np.float64)
        whole = float(ExactSum.of(array))
        halves = float(ExactSum.of(array[: len(values) // 2]) + ExactSum.of(array[len(values) // 2 :]))
        for got in (whole, halves):
            yield number_check(name, float(reference.LoopSum.of(values)), got, len(values), "float64")
