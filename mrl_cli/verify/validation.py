"""From what one pass computed to a Validation: for `mrl validate`, and for `compute --validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.reports.validate import VALIDATED_SETTINGS, Validation
from mrl_cli.verify.judgement import checks_of, groups_check, groups_in_sum, number_check
from mrl_cli.verify.rows import counted_rows
from mrl_cli.verify.sample import SampleVerifier
from mrl_cli.verify.validators import check_knows
from mrl_cli.verify.verdict import LOSS_COLUMN_CHECK, MOST_GROUPS, Verdict, Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.validate import CheckResult
    from mrl_cli.verify.explanations.claims import Claims, SecondLook
    from mrl_cli.verify.request import Request

VALUE_CHECK = "expected value"


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
    is_sample = request.sample is not None
    if is_sample:
        notes.append(f"a sample of the {counts.pairs:,} pairs was checked, of seed {request.seed}")
    checks = list(checks_of(verdict, counts, report, plan, counted_rows=counted_apart, is_sample=is_sample))
    checks += _further_checks(request, verdict, totals, report, ledger)
    if report.groups is not None and verdict.groups is None:
        notes.append(f"more than {MOST_GROUPS:,} groups: they were checked in sum, not each")
    explanations = []
    for claimed, noted in _claims(request, verdict, counts, totals, checks, second_look):
        explanations += claimed
        notes += noted
    return Validation(
        inputs=report.inputs,
        **plan.settings(*VALIDATED_SETTINGS),
        passed=all(check.passed for check in checks),
        value=report.value,
        pairs=counts.pairs,
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        checks=tuple(checks),
        mismatches=tuple(one.mismatch for first in verdict.differing.values() for one in first),
        mismatch_count=sum(check.mismatches for check in verdict.checks.values()),
        explanations=tuple(explanations),
        notes=tuple(notes),
    )


def _further_checks(
    request: Request, verdict: Verdict, totals: Totals, report: Report, ledger: Ledger | None
) -> Iterator[CheckResult]:
    """Yield the checks of groups, and that of the user's value."""
    if ledger is not None:
        yield groups_in_sum((of_key for _, of_key in ledger.totals()), totals)
    if report.groups is not None and verdict.groups is not None:
        yield groups_check(verdict.groups, report.groups, report.pairs, request.plan)
    if request.expect is not None and report.value is not None:
        value = report.value, request.expect, report.pairs
        yield number_check(VALUE_CHECK, *value, request.plan.loss.dtype, request.allowed)


def _claims(
    request: Request,
    verdict: Verdict,
    counts: Counts,
    totals: Totals,
    checks: Sequence[CheckResult],
    second_look: SecondLook | None,
) -> Iterator[Claims]:
    failed = {check.name: check for check in checks if not check.passed}
    if request.sample is not None:
        yield [], ["explanations rest on consecutive pairs: leave out --sample for them"] if failed else []
        return
    if failed.keys().isdisjoint((LOSS_COLUMN_CHECK, VALUE_CHECK)):
        return
    from mrl_cli.verify.explanations import claims  # most runs have nothing to explain

    if LOSS_COLUMN_CHECK in failed:
        yield claims.column_claims(request, verdict, counts)
    if VALUE_CHECK in failed:
        yield claims.value_claims(request, verdict, counts, totals, failed[VALUE_CHECK], second_look)
