"""From what one pass computed to a Validation: for `mrl validate`, and for `compute --validate`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.validate import VALIDATED_SETTINGS, YOURS, CheckResult, Explanation, Validation
from mrl_cli.verify.figures import Figures, accuracies, first_few, groups_check, is_same, listed
from mrl_cli.verify.reference import LoopFigures, bin_records, calibration_error, rounded_to
from mrl_cli.verify.rows import counted_rows, lost_rows
from mrl_cli.verify.validators import check_knows, number_check
from mrl_cli.verify.verdict import LOSS_COLUMN_CHECK, MOST_GROUPS, Request, SampleVerifier, Verdict, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reports.base import Report
    from mrl_cli.verify.explanations import SecondLook

    Failed = dict[str, CheckResult]  # by name

COUNTED_APART = {
    "rows": "rows were read, {:,} were counted",
    "pairs": "pairs were to be used, {:,} were",
    "rejected": "rows were to be rejected, {:,} were",
    "ties_dropped": "rows were to be dropped as ties, {:,} were",
    "labels_skipped": "rows were to be left out for a label that is skipped, {:,} were",
    "zero_weight": "rows were to be left out for a weight of 0, {:,} were",
}
CALIBRATION_ROOM = 1e-12
CHECKED_NUMBERS = ("sum", "mean", "value")  # each has a check of its own
COUNTED = ("pairs", "correct", "ties", "wrong", "active", "inside_margin")
SUMMED = (*COUNTED, "min", "max", "loss_sum", "weight_sum", "correct_weight_sum", "square_sum")


def verifier_of(request: Request) -> Verifier:
    """Return the reduction that checks every batch in the pass.

    Raises UsageError for a loss that a validator does not know.
    """
    for name in request.against:
        check_knows(name, request.plan)
    return Verifier(request) if request.sample is None else SampleVerifier(request)


def validation_of(
    request: Request,
    verdict: Verdict,
    counts: Counts,
    totals: Totals,
    report: Report,
    sources: Sequence[Source],
    *,
    ledger: Ledger | None = None,
    second_look: SecondLook | None = None,
) -> Validation:
    """Return the checks of a pass, and what explains those of the user's own numbers that failed.

    `counts`, `totals` and `ledger` are what the core computed, `report` is the report on them. `second_look` folds a
    reduction over the sources once more.
    """
    plan = request.plan
    counted_apart, notes = counted_rows(sources, plan)
    checks = [listed("rows", list(_wrong_rows(verdict, counts, plan, counted_apart)), counts.rows)]
    checks += _pair_checks(request, verdict, report)
    if request.sample is not None:
        notes.append(f"a sample of the {counts.pairs:,} pairs was checked, of seed {request.seed}")
    if ledger is not None:
        checks.append(_groups_in_sum((of_key for _, of_key in ledger.totals()), totals))
    if report.groups is not None and verdict.groups is not None:
        expected = {key: _expected_figures(figures, plan) for key, figures in verdict.groups.items()}
        checks.append(groups_check(expected, report.groups, report.pairs))
    elif report.groups is not None:
        notes.append(f"more than {MOST_GROUPS:,} groups: they were checked in sum, not each")

    def claims(failed: Failed) -> Iterator[Explanation | str]:
        if failed and request.sample is not None:
            yield "explanations rest on consecutive pairs: leave out --sample for them"
        elif failed.keys() & {LOSS_COLUMN_CHECK, *(one.check_name for one in request.expected)}:
            from mrl_cli.verify.explanations import Known, claims_of  # most runs have nothing to explain

            yield from claims_of(Known(request, verdict, counts, totals, report), failed, second_look)

    return concluded(
        request,
        report,
        counts,
        checks,
        notes,
        claims,
        ties_dropped=counts.ties_dropped,
        labels_skipped=counts.labels_skipped if plan.rules.label_map else None,
        **counts.filled(plan),
        mismatches=tuple(
            replace(one, x1=None, x2=None, difference=one.x1) if plan.has_differences else one
            for one in verdict.mismatches
        ),
        mismatch_count=sum(check.mismatches for check in verdict.checks.values()),
    )


def concluded(
    request: Request,
    report: Report,
    counts: Counts,
    checks: Iterable[CheckResult],
    notes: Iterable[str],
    claims_of: Callable[[Failed], Iterable[Explanation | str]],
    **others: Any,
) -> Validation:
    """Return the Validation of these checks and those of the user's own figures, with what explains what failed.

    `claims_of` gives explanations, and notes about them, by the checks that failed; `others` are further figures.
    """
    plan, checks = request.plan, list(checks)
    for one in request.expected:
        figure = report.figure(one.name)
        tolerance = one.tolerance(figure, request)
        checks.append(number_check(one.check_name, figure, one.number, report.pairs, plan.loss.dtype, tolerance, YOURS))
    failed = {check.name: check for check in checks if not check.passed}
    claims = list(claims_of(failed))
    return Validation(
        inputs=report.inputs,
        **plan.settings(*VALIDATED_SETTINGS),
        passed=not failed,
        value=report.value,
        pairs=report.pairs,
        rejected=counts.rejected,
        checks=tuple(checks),
        explanations=tuple(claim for claim in claims if not isinstance(claim, str)),
        notes=(*notes, *(claim for claim in claims if isinstance(claim, str))),
        **others,
    )


def _pair_checks(request: Request, verdict: Verdict, report: Report) -> Iterator[CheckResult]:
    """Yield the checks of losses, and for the whole input those of sums and counts."""
    plan = request.plan
    for name, check in verdict.checks.items():
        used_up = check.max_bound_fraction
        note = None if used_up is None else f"the worst pair uses {used_up:.1%} of the rounding bound"
        yield replace(check, note=note)
        if request.sample is not None or name not in verdict.figures:
            continue
        figures, against = _expected_figures(verdict.figures[name], plan), name.removesuffix(" losses")
        # The mean is the sum, divided; rational numbers have no more to say of it.
        names = CHECKED_NUMBERS if against == "loop" else CHECKED_NUMBERS[:1]
        yield from figures.checks(against, names, report, plan.loss.dtype)
        if against == "loop":
            yield listed("loop counts", figures.errors(report, but=CHECKED_NUMBERS), report.pairs)
            if report.calibration is not None:
                wrong = list(_wrong_calibration(verdict.figures[name], report.calibration))
                shown = first_few(wrong, "figure", "figures")
                yield listed("loop calibration", shown, report.pairs, len(wrong))


def _wrong_calibration(figures: LoopFigures, reported: dict[str, Any]) -> Iterator[str]:
    """Yield what is reported of calibration otherwise than by the loop; exponentials differ in the last digits."""
    error, bins = calibration_error(figures.bins.values()), bin_records(figures.bins)
    if not is_same(error, got := reported["expected_calibration_error"], CALIBRATION_ROOM):
        yield f"expected_calibration_error is {got!r}, not {error!r}"
    if len(bins) != len(reported["bins"]):
        yield f"{len(reported['bins'])} bins hold pairs, not {len(bins)}"
        return
    for expected, found in zip(bins, reported["bins"], strict=True):
        for key, value in expected.items():
            if not is_same(value, found[key], CALIBRATION_ROOM):
                yield f"{key} from {found['low']:.2f} on is {found[key]!r}, not {value!r}"


def _wrong_rows(verdict: Verdict, counts: Counts, plan: Plan, counted_rows: int | None) -> Iterator[str]:
    apart = verdict.counts
    yield from lost_rows(counted_rows, counts)
    for name, words in COUNTED_APART.items():
        if apart[name] != (got := getattr(counts, name)):
            yield f"{apart[name]:,} {words.format(got)}"
    if apart["misjudged"]:
        yield f"{apart['misjudged']:,} pairs were used that were to be left out, or left out and to be used"
    problems = sum(kind.count for kind in counts.problems.values())
    if counts.rejected > problems or bool(counts.rejected) != bool(problems):
        yield f"{counts.rejected:,} rows were rejected for {problems:,} problems"
    if counts.rejected and plan.reading.on_error == "fail":
        yield f"{counts.rejected:,} rows were rejected, and none may be"
    if apart["misaligned"]:
        yield f"{apart['misaligned']:,} batches have more or fewer losses than pairs"


def _expected_figures(figures: LoopFigures, plan: Plan) -> Figures:
    """Return what a report must say where the loop computed these figures."""
    counts, total = {name: figures.counts[name] for name in COUNTED}, float(figures.total)
    mean = figures.mean(is_weighted=plan.has_weights)
    numbers = {"sum": total, "mean": mean, "min": figures.lowest, "max": figures.highest}
    numbers = {name: rounded_to(number, plan.loss.dtype) for name, number in numbers.items()}
    return Figures(
        {
            "value": numbers["sum" if plan.reporting.reduction == "sum" else "mean"],
            **numbers,
            **counts,
            "beyond_margin": counts["correct"] - counts["inside_margin"],
            **accuracies(counts),
            "weight": float(figures.weight),
            "accuracy_weighted": figures.correct_weight.over(figures.weight),
        }
    )


def _groups_in_sum(groups: Iterable[Totals], totals: Totals) -> CheckResult:
    """Return the check that groups (or clusters) add up to the whole: their counts, and their sums with no rounding."""
    added = sum(groups, Totals())
    wrong = []
    for name in SUMMED:
        figures = expected, got = getattr(totals, name), getattr(added, name)
        if not is_same(expected, got):
            expected, got = (
                figure if figure is None or isinstance(figure, int) else float(figure) for figure in figures
            )
            wrong.append(f"{name} of all groups is {got!r}, of all pairs {expected!r}")
    return listed("groups in sum", wrong, totals.pairs)
