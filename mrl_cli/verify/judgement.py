"""From a verdict and the core's totals to checks that passed or failed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.reference import rounded_to
from mrl_cli.validation import CheckResult
from mrl_cli.verify.validators import compared

if TYPE_CHECKING:
    from mrl_cli.model import Plan, Report, Totals
    from mrl_cli.verify.validators import LoopFigures, Tolerance
    from mrl_cli.verify.verdict import Tally, Verdict

COUNTS = ("correct", "ties", "wrong", "active", "inside_margin", "min", "max", "weight")


def checks_of(
    verdict: Verdict,
    totals: Totals,
    report: Report,
    plan: Plan,
    *,
    counted_rows: int | None = None,
    is_sample: bool = False,
) -> list[CheckResult]:
    """Return every check of the core: rows, per-pair losses, and for the whole input sums and counts.

    `counted_rows` is how many rows the input holds, counted apart; None where that could not be told.
    """
    checks = [_rows(verdict, totals, counted_rows)]
    for name, tally in verdict.tallies.items():
        checks.append(
            CheckResult(
                name,
                tally.mismatches == 0,
                tally.pairs,
                tally.max_abs_diff,
                _whole(tally.max_ulp_diff),
                tally.mismatches,
                tally.max_bound_fraction,
                note=_note(tally),
            )
        )
        if tally.figures is not None and not is_sample:
            against = name.removesuffix(" losses")
            checks += _reductions(against, tally.figures, report, plan)
            if against == "loop":
                checks.append(_counts(tally.figures, report, plan))
    return checks


def _whole(ulps: float) -> float:
    return int(ulps) if math.isfinite(ulps) else ulps


def _note(tally: Tally) -> str | None:
    if tally.max_bound_fraction is None:
        return None
    return f"the worst pair uses {tally.max_bound_fraction:.1%} of the rounding bound"


def _rows(verdict: Verdict, totals: Totals, counted_rows: int | None) -> CheckResult:
    wrong = []
    if counted_rows is not None and counted_rows != totals.rows:
        wrong.append(f"the input holds {counted_rows:,} rows, {totals.rows:,} were counted")
    if verdict.rows != totals.rows:
        wrong.append(f"{verdict.rows:,} rows were read, {totals.rows:,} were counted")
    if verdict.pairs != totals.pairs:
        wrong.append(f"{verdict.pairs:,} pairs were to be used, {totals.pairs:,} were")
    if verdict.misaligned:
        wrong.append(f"{verdict.misaligned:,} batches have more or fewer losses than pairs")
    return CheckResult("rows", not wrong, totals.rows, mismatches=len(wrong), note="; ".join(wrong) or None)


def _reductions(against: str, figures: LoopFigures, report: Report, plan: Plan) -> list[CheckResult]:
    total = float(figures.total)
    divisor = report.pairs if report.weight is None else float(figures.weight)
    numbers = [("sum", total, report.sum)]
    if against == "loop":  # the mean is the sum, divided; rational numbers have no more to say of it
        numbers.append(("mean", total / divisor if divisor else math.nan, report.mean))
    return [
        number_check(f"{against} {name}", rounded_to(expected, plan.dtype), got, report.pairs, plan.dtype)
        for name, expected, got in numbers
    ]


def number_check(
    name: str, expected: float, got: float, pairs: int, dtype: str, tolerance: Tolerance | None = None
) -> CheckResult:
    """Return the check of one number, bit for bit or within a tolerance."""
    differ = compared(np.array([expected]), np.array([got]), dtype, tolerance=tolerance)
    return CheckResult(
        name,
        differ.bad is None,
        pairs,
        differ.max_abs_diff,
        _whole(differ.max_ulp_diff),
        int(differ.bad is not None),
        expected=expected,
        got=got,
        note=None if differ.bad is None else f"expected {expected!r}, got {got!r}",
    )


def _counts(figures: LoopFigures, report: Report, plan: Plan) -> CheckResult:
    wrong = []
    for name in COUNTS:
        expected, got = getattr(figures, name), getattr(report, name)
        if got is None:  # not told: the loss has no margin, or pairs no weight
            continue
        if name in ("min", "max"):
            expected = rounded_to(expected, plan.dtype)
        if float(expected) != got and not (math.isnan(expected) and math.isnan(got)):
            wrong.append(f"{name} is {got!r}, not {expected!r}")
    if report.accuracy_weighted is not None:
        expected = float(figures.correct_weight) / float(figures.weight)
        if expected != report.accuracy_weighted:
            wrong.append(f"accuracy_weighted is {report.accuracy_weighted!r}, not {expected!r}")
    return CheckResult("loop counts", not wrong, report.pairs, mismatches=len(wrong), note="; ".join(wrong) or None)
