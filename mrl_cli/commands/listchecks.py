"""`mrl validate` on ranked lists: the loop over all pairs of each query, or of some, and the user's own figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.commands.expectations import Expecting
from mrl_cli.commands.kinds import RunOnLists
from mrl_cli.commands.options import refuse_if
from mrl_cli.words import counted

if TYPE_CHECKING:
    from mrl_cli.commands.ranked import Ranked
    from mrl_cli.reports.validate import Validation


class ValidateLists(Expecting, RunOnLists):
    """Check the figures of ranked lists against a loop over their pairs."""

    name = "validate"
    names = "expect rtol atol sample seed ITEMS margin loss param reduction lambda_weight top weight query_weight CELLS"
    names += " group_by by_file memory confidence ENGINE OUTPUT NOTES"

    def report(self) -> Any:
        """Return the verdict on the lists that were checked."""
        from mrl_cli.verify import Request
        from mrl_cli.verify.lists.checks import list_validation
        from mrl_cli.verify.lists.sample import ListVerifier

        keeps = self.confidence is not None
        ranked = self.ranked(lambda: ListVerifier(self.plan, self.sample, self.seed, keeps_clusters=keeps))
        request = Request(self.plan, (), self.tolerance, self.expected, self.sample, self.seed)
        report = self.report_of(ranked._replace(result=ranked.result.queries))
        self._rows = int(report.figure("rows"))
        return list_validation(request, ranked.result, ranked.counts, report, self.sources, self.again)

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError where no list has a pair, and UsageError where none can be checked in a few seconds."""
        super().check_result(ranked._replace(result=ranked.result.queries))
        taken = ranked.result.taken
        message = "in a few seconds no query can be checked: the loop goes over every pair"
        refuse_if(taken is None or not taken.size, message, "check one with --sample 1, whatever it takes")

    def lines(self, report: Validation) -> list[str]:
        """Return what rows of checks do not say."""
        return self.unsaid(report)

    def summary(self, report: Any) -> str:
        """Return how much was read and how quickly."""
        return f"{counted(self._rows, 'row')} and {counted(report.pairs, 'pair')} in {self.seconds:.3f} s"
