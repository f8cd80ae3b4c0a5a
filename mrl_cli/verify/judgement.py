"""From a verdict and what the core reports to checks that passed or failed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.validate import CheckResult
from mrl_cli.verify.reference import rounded_to
from mrl_cli.verify.validators import check_of, compared
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reports.base import Report
    from mrl_cli.verify.validators import LoopFigures, Tolerance
    from mrl_cli.verify.verdict import Verdict

LEFT_OUT = {"rejected": "rejected", "ties_dropped": "dropped as ties", "zero_weight": "left out for a weight of 0"}
CHECKED_NUMBERS = ("sum", "mean", "value")  # each has a check of its own
COUNTED = ("pairs", "correct", "ties", "wrong", "active", "inside_margin")
SUMMED = (*COUNTED, "min", "max", "loss_sum", "weight_sum", "correct_weight_sum", "square_sum")
NAMES_SHOWN = 3


def checks_of(
    verdict: Verdict,
    counts: Counts,
    report: Report,
    plan: Plan,
    *,
    counted_rows: int | None = None,
    is_sample: bool = False,
) -> Iterator[CheckResult]:
    """Yield every check of the core: rows, per-pair losses, and for the whole input sums and counts.

    `counted_rows` is how many rows the input holds, counted apart; None where that is not known.
    """
    yield _listed("rows", list(_wrong_rows(verdict, counts, plan, counted_rows)), counts.rows)
    for name, check in verdict.checks.items():
        used_up = check.max_bound_fraction
        note = None if used_up is None else f"the worst pair uses {used_up:.1%} of the rounding bound"
        yield replace(check, note=note)
        if is_sample or name not in verdict.figures:
            continue
        figures, against = expected_figures(verdict.figures[name], plan), name.removesuffix(" losses")
        # The mean is the sum, divided; rational numbers have no more to say of it.
        for key in CHECKED_NUMBERS if against == "loop" else CHECKED_NUMBERS[:1]:
            got = getattr(report, key)
            if got is not None:
                yield number_check(f"{against} {key}", figures[key], got, report.pairs, plan.loss.dtype)
        if against == "loop":
            yield _listed("loop counts", wrong_figures(figures, report, but=CHECKED_NUMBERS), report.pairs)


def _listed(name: str, wrong: Sequence[str], pairs: int, mismatches: int | None = None) -> CheckResult:
    """Return a check that passes where nothing is wrong; `mismatches` where that is not one for each text."""
    count = len(wrong) if mismatches is None else mismatches
    return CheckResult(name, not wrong, pairs, mismatches=count, note="; ".join(wrong) or None)


def _wrong_rows(verdict: Verdict, counts: Counts, plan: Plan, counted_rows: int | None) -> Iterator[str]:
    apart = verdict.counts
    if counted_rows is not None and counted_rows != counts.rows:
        yield f"the input holds {counted_rows:,} rows, {counts.rows:,} were counted"
    if apart["rows"] != counts.rows:
        yield f"{apart['rows']:,} rows were read, {counts.rows:,} were counted"
    if apart["pairs"] != counts.pairs:
        yield f"{apart['pairs']:,} pairs were to be used, {counts.pairs:,} were"
    for name, words in LEFT_OUT.items():
        if apart[name] != getattr(counts, name):
            yield f"{apart[name]:,} rows were to be {words}, {getattr(counts, name):,} were"
    if apart["misjudged"]:
        yield f"{apart['misjudged']:,} pairs were used that were to be left out, or left out and to be used"
    problems = sum(kind.count for kind in counts.problems.values())
    if counts.rejected > problems or bool(counts.rejected) != bool(problems):
        yield f"{counts.rejected:,} rows were rejected for {problems:,} problems"
    if counts.rejected and plan.reading.on_error == "fail":
        yield f"{counts.rejected:,} rows were rejected, and none may be"
    if apart["misaligned"]:
        yield f"{apart['misaligned']:,} batches have more or fewer losses than pairs"


def number_check(
    name: str, expected: float, got: float, pairs: int, dtype: str, tolerance: Tolerance | None = None
) -> CheckResult:
    """Return the check of one number, bit for bit or within a tolerance."""
    differ = compared(np.array([expected]), np.array([got]), dtype, tolerance=tolerance)
    note = f"expected {expected!r}, got {got!r}" if differ.mismatches else None
    return check_of(name, pairs, differ, expected=expected, got=got, note=note)


def expected_figures(figures: LoopFigures, plan: Plan) -> dict[str, float]:
    """Return what a report must say, by its keys, where the loop computed these figures."""
    counts, total = {name: figures.counts[name] for name in COUNTED}, float(figures.total)
    pairs, correct, wrong, ties = (counts[name] for name in ("pairs", "correct", "wrong", "ties"))
    mean = figures.total.over(figures.weight) if plan.has_weights else _ratio(total, pairs)
    numbers = {"sum": total, "mean": mean, "min": figures.min, "max": figures.max}
    numbers = {name: rounded_to(number, plan.loss.dtype) for name, number in numbers.items()}
    return {
        "value": numbers["sum" if plan.reporting.reduction == "sum" else "mean"],
        **numbers,
        **counts,
        "beyond_margin": correct - counts["inside_margin"],
        "accuracy": _ratio(correct, pairs),
        "accuracy_half": _ratio(2 * correct + ties, 2 * pairs),
        "accuracy_without_ties": _ratio(correct, correct + wrong),
        "weight": float(figures.weight),
        "accuracy_weighted": figures.correct_weight.over(figures.weight),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def wrong_figures(figures: Mapping[str, float], reported: Report, *, but: Sequence[str] = ()) -> list[str]:
    """Return in words which figures are reported otherwise; those of `but` are not looked at."""
    # None is not reported: the loss has no margin, or pairs no weight.
    pairs = [(name, expected, getattr(reported, name)) for name, expected in figures.items() if name not in but]
    return [
        f"{name} is {got!r}, not {expected!r}"
        for name, expected, got in pairs
        if not (got is None or _same(expected, got))
    ]


def _same(expected: float, got: float) -> bool:
    return expected == got or (math.isnan(expected) and math.isnan(got))


def groups_check(expected: Mapping[str, LoopFigures], groups: Sequence[Report], pairs: int, plan: Plan) -> CheckResult:
    """Return the check of every group that is reported."""
    wrong = []
    for group in groups:
        figures = expected.get(group.group)
        errors = ["has no pairs"] if figures is None else wrong_figures(expected_figures(figures, plan), group)
        wrong += [f"{harmless(group.group, 40)}: {', '.join(errors)}"] if errors else []
    missing = len(expected.keys() - {group.group for group in groups})
    more = len(wrong) - NAMES_SHOWN
    notes = [*wrong[:NAMES_SHOWN], *([f"{counted(more, 'more group')} told wrong"] if more > 0 else [])]
    notes += [f"{counted(missing, 'group')} not told"] if missing else []
    return _listed("loop groups", notes, pairs, len(wrong) + missing)


def groups_in_sum(groups: Iterable[Totals], totals: Totals) -> CheckResult:
    """Return the check that groups (or clusters) add up to the whole: their counts, and their sums with no rounding."""
    added = sum(groups, Totals())
    figures = [(name, getattr(totals, name), getattr(added, name)) for name in SUMMED]
    wrong = [
        f"{name} of all groups is {_shown(got)}, of all pairs {_shown(expected)}"
        for name, expected, got in figures
        if expected != got and repr(expected) != repr(got)  # NaN is no NaN's equal
    ]
    return _listed("groups in sum", wrong, totals.pairs)


def _shown(figure: object) -> str:
    return repr(figure if figure is None or isinstance(figure, int) else float(figure))  # type: ignore[arg-type]
