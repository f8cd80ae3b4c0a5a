"""The built-in conformance suite: this machine's NumPy against PyTorch's golden vectors, and the hard sums.

Every family of vectors goes through the loss kernel, its gradient and the loop validator, and where all is finite
through the whole way of a batch: measured, reduced and told, also with labels 0 and 1. The vectors are those of
PyTorch's own tests and of what these leave out: the kink, ties, huge and subnormal values, overflow, nothing at all.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Batch, Plan
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.reports.compute import compute_report
from mrl_cli.reports.validate import CheckResult
from mrl_cli.verify import Tolerance, compared, number_check, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

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


def torch_version() -> str:
    """Return the version of PyTorch that the vectors come from."""
    return str(_vectors()["torch"])


def conformance_checks() -> list[CheckResult]:
    """Run the suite; return one check for each family of vectors, and one for the hard sums."""
    families: dict[str, list[dict[str, Any]]] = {}
    for case in _vectors()["cases"]:
        families.setdefault(_family(case["name"]), []).append(case)
    checks = [
        _merged(name, [check for case in cases for check in _case_checks(case)]) for name, cases in families.items()
    ]
    return [*checks, _merged("hard sums", list(_hard_sums()))]


def _vectors() -> dict[str, Any]:
    return dict(json.loads(files("mrl_cli.verify").joinpath("conformance.json").read_text(encoding="ascii")))


# What the cases that PyTorch's own tests leave out are about, by the word their names begin with.
SUBJECTS = {"extremes": "huge, subnormal, overflow", "margin": "margins", "wrap": "integers that would wrap"}


def _family(name: str) -> str:
    """Return what a line of the table is about: PyTorch's own tests by their name, the other cases by their subject."""
    group, _, rest = name.partition("/")
    if group != "ours":
        return "founding example" if group == "founding" else f"PyTorch's {group}"
    subject = rest.split("/")[0]
    return SUBJECTS.get(subject.split("_")[0], subject.replace("_", " ").split(" of ")[0])


def _case_checks(case: dict[str, Any]) -> tuple[CheckResult, ...]:
    """Hold the kernel, its gradient and the loop validator against a vector of PyTorch's."""
    dtype = str(case["dtype"])
    data = base64.b64decode(case["vectors"])
    vectors = np.frombuffer(data, f"<f{np.dtype(dtype).itemsize}").astype(dtype).reshape(5, -1)
    x1, x2, y, losses, gradients = vectors
    margin = float.fromhex(case["margin"])
    loss = LOSSES["margin_ranking"]
    with np.errstate(all="ignore"):
        ours = loss.kernel(x1 - x2, y, margin=margin)
        slopes = loss.gradient(x1 - x2, y, margin=margin)
    loop = reference.validate_margin_ranking_loss(x1, x2, y, margin, "none", dtype=dtype)
    # PyTorch negates integer labels as integers, which have no -0: the sign of a zero gradient is left out.
    parts = {"losses": (losses, ours), "gradients": (gradients + 0.0, slopes + 0.0), "loop losses": (losses, loop)}
    checks = tuple(_compared(f"{part} of {case['name']}", *both, dtype) for part, both in parts.items())
    if not (np.isfinite(vectors[:3]).all() and math.isfinite(margin)):  # no reader hands these on
        return checks
    plan = Plan.of(labels="any", margin=margin, dtype="float32" if dtype == "float32" else "float64")
    return (*checks, *_told_checks(case, vectors, plan), *_labels_checks(case, vectors, plan))


def _batch(x1: NDArray[Any], x2: NDArray[Any], y: NDArray[Any]) -> Batch:
    return Batch("", {"x1": x1.astype(np.float64), "x2": x2.astype(np.float64), "y": y}, rows=range(x1.size))


def _told_checks(case: dict[str, Any], vectors: NDArray[Any], plan: Plan) -> Iterator[CheckResult]:
    """Hold what a report tells of a vector against PyTorch's own sum and mean, which may round at every term."""
    batch = _batch(*vectors[:3])
    for reduction in ("sum", "mean"):
        with np.errstate(all="ignore"):
            measured = Measured(batch, plan)
            told = compute_report(
                measured.counts,
                TotalsReduction().add(Totals(), measured),
                plan.changed(reduction=reduction),
                inputs=(),
                version="",
                elapsed_seconds=0.0,
            )
        expected = float.fromhex(case[reduction])
        ulp = float(np.spacing(np.dtype(plan.loss.dtype).type(abs(expected)))) if math.isfinite(expected) else 0.0
        for name in (reduction, "value"):
            found = number_check(
                f"{reduction} of {case['name']} as {name}",
                expected,
                float(getattr(told, name)),
                batch.x1.size,
                plan.loss.dtype,
                Tolerance(atol=batch.x1.size * ulp),
            )
            yield replace(found, max_abs_diff=None, max_ulp_diff=None)  # it is PyTorch's sum that may be ulps away


def _labels_checks(case: dict[str, Any], vectors: NDArray[Any], plan: Plan) -> Iterator[CheckResult]:
    """Hold the losses of a batch with labels 1 and -1, and with 0 for -1, against the vector."""
    x1, x2, y, losses, _ = vectors
    if not (np.abs(y) == 1).all():
        return
    for here, written in ((plan.changed(labels="pm1"), y), (plan.changed(labels="01"), (y + 1) / 2)):
        with np.errstate(all="ignore"):
            found = Measured(_batch(x1, x2, written.astype(np.int8)), here).losses
        yield _compared(f"losses of {case['name']} with labels {here.rules.labels}", losses, found, plan.loss.dtype)


def _compared(name: str, expected: NDArray[Any], got: Any, dtype: str) -> CheckResult:
    differ = compared(np.asarray(expected, np.float64), np.asarray(got, np.float64), dtype)
    count = 0 if differ.bad is None else int(np.count_nonzero(differ.bad))
    note = f"{count} of {expected.size} differ" if count else None
    return CheckResult(name, not count, expected.size, differ.max_abs_diff, differ.max_ulp_diff, count, note=note)


def _hard_sums() -> Iterator[CheckResult]:
    for name, values in HARD_SUMS.items():
        array = np.array(values, np.float64)
        whole = float(ExactSum.of(array))
        halves = float(ExactSum.of(array[: len(values) // 2]) + ExactSum.of(array[len(values) // 2 :]))
        for got in (whole, halves):
            yield number_check(name, float(reference.LoopSum.of(values)), got, len(values), "float64")


def _merged(name: str, checks: list[CheckResult]) -> CheckResult:
    """Return many checks as one, under one name."""
    return CheckResult(
        name,
        all(check.passed for check in checks),
        sum(check.pairs for check in checks),
        max(check.max_abs_diff or 0.0 for check in checks),
        max(check.max_ulp_diff or 0 for check in checks),
        sum(check.mismatches for check in checks),
        note="; ".join(f"{check.name}: {check.note}" for check in checks if check.note) or None,
    )
