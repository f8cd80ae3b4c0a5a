"""`mrl compare`: two models on the same pairs: paired difference, interval, test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.commands.helping import GROUPED
from mrl_cli.commands.models import TwoModels
from mrl_cli.commands.options import Options, count, refuse_if, varied
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.model import MOST_SAMPLES, USUAL_CONFIDENCE, Plan
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.inputs import Source
    from mrl_cli.reports.compare import ComparisonReport
    from mrl_cli.reports.plots import Plot


class Comparison(TwoModels):
    """Compare two models, a and b, on the same pairs: by loss and by accuracy.

    One INPUT with the scores of both: name b's with --x1-b and --x2-b. Two INPUTs, A and B: say how their pairs belong
    together with --key COLUMN, or with --by-row. The models differ where the interval of the difference, a's less b's,
    leaves 0 out. Bars around each model's own mean may overlap even so.
    """

    confidence: float = varied(
        Options.confidence, "Confidence of every interval.", default=USUAL_CONFIDENCE, is_common=False
    )
    bootstrap: int = count(
        "Draw this many samples for the paired bootstrap; 0: none.",
        "SAMPLES",
        group=GROUPED,
        least=0,
        most=MOST_SAMPLES,
        default=1000,
    )
    seed: int = count("Seed of the bootstrap.", "S", group=GROUPED, least=0, default=0)
    fail_if: tuple[str, ...] = varied(
        Options.fail_if,
        "Exit with 1 when a condition holds, such as 'difference.low>0': a's loss is higher. Repeatable.",
    )

    name, metavar = "compare", "[A] [B]"
    examples = (
        "mrl compare a.csv b.csv --key id --margin 0.5",
        "mrl compare rewards.jsonl other.jsonl --by-row --x1 chosen_score --x2 rejected_score --y-const 1",
        "mrl compare a.csv b.csv --key id --fail-if 'difference.low>0'",
    )
    names = "x1_b x2_b difference_b key by_row unmatched group_by cluster confidence bootstrap seed MARGIN KERNEL"
    names += " preset READING SCORES ENGINE OUTPUT plot save_plot fail_if NOTES"
    roles = frozenset(("margin",))

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run on two models, and what is drawn only under other options."""
        yield from super().without_effect()
        yield "seed", not self.bootstrap, "--seed goes with a bootstrap"

    def planned(self) -> Plan:
        """Return the plan: b's scores are columns of one input, and in two the key is."""
        refuse_if(self.strength == "weight", "--strength weight does not go with compare, which has no weights")
        return plan_of_options(self, self.columns_of_b())

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        files = len(self.inputs)
        hint = "many files of one model: name them by a quoted glob, or by their folder"
        refuse_if(files > 2, f"compare takes one INPUT or two, not {files}", hint)
        super().check()
        hint = "mrl compute PAIRS --preset catboost --scores SCORES tells each model's loss"
        message = "--preset catboost does not go with compare: its pairs have no scores"
        refuse_if(self.preset == "catboost", message, hint)
        if self.has_two_inputs:
            self.check_matching()

    def conditions(self) -> list[Condition]:
        """Return the conditions. Raises UsageError for one that needs an option which is not given."""
        from mrl_cli.commands.conditions import Condition
        from mrl_cli.reports.base import OF_GROUPS
        from mrl_cli.reports.compare import COMPARED_NUMBERS, GROUP_NUMBERS

        numbers = (*COMPARED_NUMBERS, *(OF_GROUPS + number for number in GROUP_NUMBERS))
        conditions = [Condition.of(expression, numbers) for expression in self.fail_if]
        for name, key in (("bootstrap", "bootstrap."), ("cluster", "clusters"), ("group_by", OF_GROUPS)):
            keys = (condition.key for condition in conditions)
            is_asked = any(asked.startswith((key, OF_GROUPS + key)) for asked in keys)
            message = f"--fail-if asks for {key.strip('.')}, which there is only with {option_of(name)}"
            refuse_if(is_asked and not getattr(self, name), message)
        return conditions

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources of the one input, or of a and of b."""
        inputs = self.inputs
        if len(inputs) < 2 or inputs == ("-", "-"):  # stdin twice is refused
            return super().resolved()
        return [self.sources_named([name]) for name in inputs]

    def report(self) -> ComparisonReport:
        """Return the report on both models."""
        from mrl_cli.reductions.contrast import ContrastReduction
        from mrl_cli.reports.compare import comparison_report
        from mrl_cli.reports.notes import copied_margin

        drawing: dict[str, Any] = {"samples": self.bootstrap, "seed": self.seed}
        reduction = ContrastReduction(self.plan, **drawing)
        if len(self.sides) == 1:
            folded = self.measured(reduction)
            contrasts, counts, unmatched, looks = folded.wholes[1], folded.counts, (0, 0), {"a": folded.wholes[0]}
        else:
            from mrl_cli.commands.sides import contrasted

            contrasts, counts, unmatched, looks = contrasted(self, reduction)
        found = ((side, copied_margin(getattr(contrasts.total, side), look)) for side, look in looks.items())
        self.cautions += [f"{side}: {text}" for side, text in found if text is not None]
        of_inputs: dict[str, Any] = {"inputs": self.input_names, "unmatched": unmatched, "sides": self.side_names}
        return comparison_report(contrasts, counts, self.plan, **of_inputs, **drawing)

    def pictures(self, report: ComparisonReport) -> dict[str, Plot]:
        """Return how often both models are right, one of them, or none, and by how much they differ in groups."""
        from mrl_cli.reports.pictures import groups_compared, quadrants

        drawn: dict[str, Plot] = {"models": quadrants(report)}
        return drawn | {"groups": groups_compared(report)} if report.groups else drawn

    def lines(self, report: ComparisonReport) -> list[str]:
        """Return the notes and, where no person reads the report itself, what it shows."""
        is_read = self.written in ("table", "markdown")
        return [*super().lines(report), *([] if is_read else report.sentences())]

    def notes(self, report: ComparisonReport) -> list[str]:
        """Return what a reader of the report should know before believing its intervals."""
        return report.cautions()

    def summary(self, report: ComparisonReport) -> str:
        """Return how much was read, how quickly, and the means in full."""
        return (
            f"{report.pairs:,} pairs in {self.seconds:.3f} s, {self.workers}; "
            f"means {report.a['mean']!r} and {report.b['mean']!r}"
        )


command = Comparison.command()
