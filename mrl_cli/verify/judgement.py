"""From a verdict and the core's totals to checks that passed or failed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.reports.validate import CheckResult
from mrl_cli.verify.reference import rounded_to
from mrl_cli.verify.validators import compared

if TYPE_CHECKING:
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reports.compute import Figures, Report
    from mrl_cli.verify.validators import LoopFigures, Tolerance
    from mrl_cli.verify.verdict import Tally, Verdict


def checks_of(
    verdict: Verdict,
    counts: Counts,
    report: Report,
    plan: Plan,
    *,
    counted_rows: int | None = None,
    is_sample: bool = False,
) -> list[CheckResult]:
    """Return every check of the core: rows, per-pair losses, and for the whole input sums and counts.

    `counted_rows` is how many rows the input holds, counted apart; None where that could not be told.
    """
    checks = [_rows(verdict, counts, plan, counted_rows)]
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


LEFT_OUT = {"rejected": "rejected", "ties_dropped": "dropped as ties", "zero_weight": "left out for a weight of 0"}


def _rows(verdict: Verdict, counts: Counts, plan: Plan, counted_rows: int | None) -> CheckResult:
    wrong = []
    if counted_rows is not None and counted_rows != counts.rows:
        wrong.append(f"the input holds {counted_rows:,} rows, {counts.rows:,} were counted")
    if verdict.rows != counts.rows:
        wrong.append(f"{verdict.rows:,} rows were read, {counts.rows:,} were counted")
    if verdict.pairs != counts.pairs:
        wrong.append(f"{verdict.pairs:,} pairs were to be used, {counts.pairs:,} were")
    for name, words in LEFT_OUT.items():
        expected, got = getattr(verdict, name), getattr(counts, name)
        if expected != got:
            wrong.append(f"{expected:,} rows were to be {words}, {got:,} were")
    if verdict.misjudged:
        wrong.append(f"{verdict.misjudged:,} pairs were used that were to be left out, or left out and to be used")
    problems = sum(kind.count for kind in counts.problems.values())
    if counts.rejected > problems or bool(counts.rejected) != bool(problems):
        wrong.append(f"{counts.rejected:,} rows were rejected for {problems:,} problems")
    if counts.rejected and plan.reading.on_error == "fail":
        wrong.append(f"{counts.rejected:,} rows were rejected, and none may be")
    if verdict.misaligned:
        wrong.append(f"{verdict.misaligned:,} batches have more or fewer losses than pairs")
    return CheckResult("rows", not wrong, counts.rows, mismatches=len(wrong), note="; ".join(wrong) or None)


def _reductions(against: str, figures: LoopFigures, report: Report, plan: Plan) -> list[CheckResult]:
    total = float(figures.total)
    numbers = [("sum", total, report.sum)]
    if against == "loop":  # the mean is the sum, divided; rational numbers have no more to say of it
        mean = _mean(figures, plan)
        numbers.append(("mean", mean, report.mean))
        if report.value is not None:
            numbers.append(("value", total if plan.reporting.reduction == "sum" else mean, report.value))
    return [
        number_check(f"{against} {name}", rounded_to(expected, plan.loss.dtype), got, report.pairs, plan.loss.dtype)
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


def _mean(figures: LoopFigures, plan: Plan) -> float:
    is_weighted = any(role == "weight" for role, _ in plan.columns.numbers)
    return figures.total.over(figures.weight) if is_weighted else _share(float(figures.total), figures.pairs)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def told_figures(figures: LoopFigures, plan: Plan) -> dict[str, float]:
    """Return what a report must tell, by its keys, where the loop found these figures."""
    rounded = {"sum": float(figures.total), "mean": _mean(figures, plan), "min": figures.min, "max": figures.max}
    rounded = {name: rounded_to(number, plan.loss.dtype) for name, number in rounded.items()}
    return {
        "value": rounded["sum" if plan.reporting.reduction == "sum" else "mean"],
        **rounded,
        "pairs": figures.pairs,
        "correct": figures.correct,
        "ties": figures.ties,
        "wrong": figures.wrong,
        "active": figures.active,
        "inside_margin": figures.inside_margin,
        "beyond_margin": figures.correct - figures.inside_margin,
        "accuracy": _share(figures.correct, figures.pairs),
        "accuracy_half": _share(2 * figures.correct + figures.ties, 2 * figures.pairs),
        "accuracy_without_ties": _share(figures.correct, figures.correct + figures.wrong),
        "weight": float(figures.weight),
        "accuracy_weighted": figures.correct_weight.over(figures.weight),
    }


CHECKED_APART = ("sum", "mean", "value")


def wrong_figures(figures: LoopFigures, told: Figures, plan: Plan, but: tuple[str, ...] = ()) -> list[str]:
    """Return in words which figures are told otherwise than the loop found them; those of `but` are not looked at."""
    wrong = []
    for name, expected in told_figures(figures, plan).items():
        got = getattr(told, name)
        # None is not told: the loss has no margin, or pairs no weight.
        if name in but or got is None or expected == got or (math.isnan(expected) and math.isnan(got)):
            continue
        wrong.append(f"{name} is {got!r}, not {expected!r}")
    return wrong


def _counts(figures: LoopFigures, report: Report, plan: Plan) -> CheckResult:
    wrong = wrong_figures(figures, report, plan, CHECKED_APART)
    return CheckResult("loop counts", not wrong, report.pairs, mismatches=len(wrong), note="; ".join(wrong) or None)
