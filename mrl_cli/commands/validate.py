"""`mrl validate`: check every loss against an independent validator, and your own numbers against both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from mrl_cli.commands.expectations import Expecting
from mrl_cli.commands.helping import CHECKS
from mrl_cli.commands.kinds import RunOnLists, RunOnPairs, command_of
from mrl_cli.commands.options import Options, column, option, refuse_if, varied
from mrl_cli.commands.rank import Rank
from mrl_cli.commands.suite import RunOnSuite
from mrl_cli.commands.values import Registered
from mrl_cli.model import Plan, ReductionName, Role
from mrl_cli.render import format_names
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.commands.ranked import Ranked
    from mrl_cli.inputs import Source
    from mrl_cli.reports.validate import Validation


class Validate(RunOnSuite, RunOnPairs):
    """Check the loss of every pair in INPUT files against an independent validator, and your own numbers against both.

    Where your number differs, the known mistakes are tried on the data, and those that explain it are named. Without
    INPUT, the built-in conformance suite is run, on mrl itself or on --function. Exit code 1 when a check fails.
    """

    against: tuple[str, ...] = option(
        "Validator to check against. loop: plain Python, pair by pair. exact: rational numbers. torch: the installed "
        "PyTorch. Repeatable.",
        group=CHECKS,
        is_common=True,
        shown="loop",
        type=Registered("mrl_cli.verify.validators", "AGAINST"),
        multiple=True,
    )
    loss_column: str | None = column("Column of your own losses, one per pair.", group=CHECKS, is_common=True)
    group_by: tuple[str, ...] = varied(
        Options.group_by, "Check the figures of each group too. Repeatable: groups are combinations.", is_common=False
    )
    by_file: bool = varied(Options.by_file, "Check the figures of each file too.")
    # Those of pairs and those of ranked lists.
    loss: str = Rank.loss
    param: tuple[tuple[str, Any], ...] = Rank.param
    reduction: ReductionName = varied(
        Options.reduction,
        "What the value is: mean and sum; of pairs none, of lists the mean over queries.",
        choices=get_args(ReductionName),
        is_common=False,
    )
    format: str = varied(Options.format, choices=("auto", *format_names(with_annotations=True)))

    name = "validate"
    examples = (
        "mrl validate",
        "mrl validate pairs.csv --margin 0.5 --expect 0.313 --expect accuracy=0.764",
        "mrl validate --function mrl_cli:margin_ranking_loss",
    )
    names = (
        "against expect loss_column function cases rtol atol sample seed MARGIN KERNEL weight reduction PRESET READING "
        "SCORES"
    )
    names += " group_by by_file confidence cluster ENGINE OUTPUT NOTES"
    needs_mean = False

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what only some checks make use of."""
        yield from super().without_effect()
        yield "seed", self.sample is None and self.inputs, "--seed goes with --sample"

    @property
    def _needed(self) -> set[str]:
        """What the figures that are expected need of a plan."""
        from mrl_cli.reports.figures import FIGURES

        keys = {name.partition(".")[0] for name, _ in self.expect}
        return {figure.needs for figure in FIGURES if figure.key in keys}

    @property
    def roles(self) -> frozenset[Role]:  # type: ignore[override]
        """The roles of a preset's columns that are read: its groups only where a figure of groups is expected."""
        has_groups = self._needed & {"group_by", "sections"}
        return frozenset(("margin", "weight", "group") if has_groups else ("margin", "weight"))

    def planned(self) -> Plan:
        """Return the plan that the options say; scores and differences are described where that is expected."""
        from mrl_cli.reports.figures import OF_D

        return super().planned().changed(describes=not self._needed.isdisjoint((*OF_D, "describes_scores")))

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        hint = "use --loss-column COLUMN in place of --expect"
        is_none = any(name == "value" for name, _ in self.expect) and self.reduction == "none"
        refuse_if(is_none, "--expect is one value, and --reduction none has none", hint)
        super().check()

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources; the built-in suite has none. A file of its pairs has a column of margins."""
        if not self.inputs:
            return [()]
        sides = super().resolved()
        is_open = self.margin is None and self.margin_column is None and self.preset is None
        if self.loss_column is not None and is_open and sides[0]:
            from mrl_cli.verify import casefile

            self.plan = casefile.with_margins(self.plan, sides[0][0])
        return sides

    def lines(self, report: Validation) -> list[str]:
        """Return rows left out of the data, and what rows of checks leave out."""
        unsaid = self.unsaid(report) if self.inputs or self.function else []
        wrote = [f"note: {report.notes[-1]}"] if self.cases and self.written in ("csv", "tsv") else []
        if self.margin_column is None and self.preset is None and self.plan.columns.name_of("margin") is not None:
            wrote.append("note: margins are those of the column margin, as in every file of --cases")
        return wrote + unsaid

    def summary(self, report: Validation) -> str:
        """Return how much was checked and how quickly."""
        seconds = self.seconds
        return f"{report.pairs:,} pairs in {seconds:.3f} s ({report.pairs / max(seconds, 1e-9):,.0f} pairs/s)"

    def report(self) -> Validation:
        """Return the verdict of the validators on all pairs, or of the built-in suite."""
        if not self.inputs:
            return self.suite_report()
        from mrl_cli.reports.compute import compute_reductions, report_of, totals_and_ledger
        from mrl_cli.reports.notes import below_half, copied_margin
        from mrl_cli.verify import Request, validation_of, verifier_of

        against = tuple(dict.fromkeys(self.against)) or ("loop",)
        request = Request(
            self.plan, against, self.tolerance, self.expected, self.sample, self.seed, margin_from=self._margin_from
        )
        verifier, reductions = verifier_of(request), compute_reductions(self.plan)
        folded = self.measured(*reductions, verifier)
        verdict = verifier.settled(folded.wholes[1 + len(reductions)])
        totals, ledger = totals_and_ledger(folded, self.plan)
        report = report_of(folded, self.plan, inputs=self.input_names)
        found = below_half(totals.correct, totals.wrong), copied_margin(totals, folded.wholes[0])
        self.cautions += [text for text in found if text is not None]
        may_read_again = all(source.is_plain_file for source in self.sources)
        second_look = (lambda reduction: self.fold([reduction]).wholes[0]) if may_read_again else None
        return validation_of(
            request, verdict, folded.counts, totals, report, self.sources, ledger=ledger, second_look=second_look
        )

    @property
    def _margin_from(self) -> str | None:
        """The option that margins come from; None where none was given, as under a preset that has a column of them."""
        options = {
            "--margin": self.margin is not None,
            "--margin-column": self.margin_column is not None,
            "--strength margin": self.strength == "margin",
        }
        return next((option for option, is_theirs in options.items() if is_theirs), None)


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


command = command_of(Validate, ValidateLists)
