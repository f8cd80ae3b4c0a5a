"""The cross-check that validates every loss in the pass that computes it: for `validate`, and `compute --validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.compute import Report
    from mrl_cli.reports.validate import CheckResult
    from mrl_cli.verify import Verifier

# Encodings that write line ends and quotes as ASCII does.
ASCII_LIKE = ("", "utf-8", "utf8", "ascii", "latin-1", "latin1", "iso-8859-1", "iso8859-1", "iso-8859-15", "cp1252")


class CrossCheck:
    """Holds every loss of a computation against the loop, and its sums, counts and rows against those counted apart."""

    def __init__(self, plan: Plan, sources: Sequence[Source]) -> None:
        from mrl_cli.verify import TOLERANCES, Verifier

        self._plan = plan
        self._sources = sources
        self._verifier = Verifier(plan, ("loop",), tolerance=TOLERANCES[plan.loss.dtype])

    @property
    def reduction(self) -> Verifier:
        """What checks every batch in the pass."""
        return self._verifier

    def record(self, counts: Counts, totals: Totals, report: Report, ledger: Ledger | None) -> dict[str, Any]:
        """Return what was found, as the JSON of `mrl validate` tells it."""
        from mrl_cli.reports.validate import record_of
        from mrl_cli.verify import checks_of, groups_in_sum

        verdict = self._verifier.verdict
        counted_apart, notes = counted_rows(self._sources, self._plan)
        checks = checks_of(verdict, counts, report, self._plan, counted_rows=counted_apart)
        if ledger is not None:
            checks.append(groups_in_sum((found for _, found in ledger.totals()), totals))
        if report.groups is not None:
            of_groups, more = self._verifier.groups.checks(report, self._plan)
            checks, notes = [*checks, *of_groups], [*notes, *more]
        return record_of(checks, verdict.first_mismatches, verdict.mismatch_count, notes)


def told_failures(checks: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each check that failed."""
    return [
        f"validation: {check['name']} failed: {counted(check['mismatches'], 'mismatch', 'mismatches')}"
        + (f"; {check['note']}" if "note" in check else "")
        for check in checks
        if not check["passed"]
    ]


def counted_rows(sources: Sequence[Source], plan: Plan) -> tuple[int | None, list[str]]:
    """Return how many rows the sources hold, counted apart from the readers, or None and a note that says why not."""
    from mrl_cli.verify import rows_in

    total = 0
    wanted = [name for _, name in plan.columns.wanted] if plan.reading.dialect.header else []
    for source in sources:
        names = tuple(name for name in wanted if name not in source.hive)
        rows = None
        if source.is_plain_file and (plan.reading.dialect.encoding or "").lower() in ASCII_LIKE:
            rows = rows_in(
                source.path,
                source.format,
                source.compression,
                has_header=plan.reading.dialect.header,
                delimiter=plan.reading.dialect.delimiter,
                names=names,
            )
        if rows is None:
            shown = "stdin" if source.name == "-" else harmless(source.name, 200)
            return None, [f"the rows of {shown} were not counted a second time"]
        total += rows
    return total, []


def failed_checks(checks: Sequence[CheckResult]) -> dict[str, CheckResult]:
    """Return the checks that failed, by name."""
    return {check.name: check for check in checks if not check.passed}
