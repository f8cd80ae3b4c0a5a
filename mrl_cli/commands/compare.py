"""`mrl compare`: two models on the same pairs: paired difference, interval, test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mrl_cli.commands.options import column, flag, option, plan_of_options, refuse_if
from mrl_cli.commands.run import Run
from mrl_cli.commands.values import share
from mrl_cli.model import MOST_SAMPLES, USUAL_CONFIDENCE, Plan
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.inputs import Source
    from mrl_cli.model import Role
    from mrl_cli.reports.compare import ComparisonReport
    from mrl_cli.reports.plots import Plot


class Comparison(Run):
    """Compare two models, a and b, on the same pairs: by loss and by accuracy.

    One INPUT with the scores of both: name b's with --x1-b and --x2-b. Two INPUTs, A and B: say how their pairs belong
    together with --key COLUMN, or with --by-row. Whether the models differ is told by the interval of the difference,
    a's less b's: where it leaves 0 out, they do. Bars around each model's own mean may overlap even so.
    """

    x1_b: str | None = column("Column of b's first score.  [in two files: as --x1]")
    x2_b: str | None = column("Column of b's second score.  [in two files: as --x2]")
    difference_b: str | None = column("Column of b's x1 - x2, beside --difference.  [in two files: as --difference]")
    key: str | None = column("Two files: match the pairs by this column.")
    by_row: bool = flag("Two files: match the first row with the first, and so on.")
    unmatched: str = option(
        "Under --key, pairs that one file lacks: stop, or leave out and count.", choices=("error", "drop")
    )
    confidence: float = option("Of every interval.", type=share, default=USUAL_CONFIDENCE)
    bootstrap: int = option(
        "Samples of the paired bootstrap; 0: none.",
        type=click.IntRange(min=0, max=MOST_SAMPLES),
        default=1000,
        metavar="SAMPLES",
    )
    seed: int = option("Of the bootstrap.", type=click.IntRange(min=0), default=0)
    fail_if: tuple[str, ...] = option(
        "Exit 1 when e.g. 'difference.low>0' holds: the interval has a's loss higher. Repeatable.",
        multiple=True,
        metavar="EXPR",
    )

    name, metavar, epilog = "compare", "[A] [B]", "Example: mrl compare a.csv b.csv --key id --margin 0.5"
    names = "x1_b x2_b difference_b key by_row unmatched group_by cluster confidence bootstrap seed MARGIN KERNEL"
    names += " preset READING SCORES ENGINE OUTPUT plot fail_if NOTES"
    roles = frozenset(("margin",))

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what is drawn or matched only under other options."""
        yield from super().without_effect()
        yield "seed", not self.bootstrap, "--seed goes with a bootstrap"
        yield "unmatched", self.by_row and self.key is None, "--unmatched goes with --key"

    def planned(self) -> Plan:
        """Return the plan: b's scores are columns of one input, and in two the key is."""
        refuse_if(self.strength == "weight", "--strength weight does not go with compare, which has no weights")
        message = f"{option_of('difference')} goes with {option_of('difference_b')}, not with --x1-b and --x2-b"
        refuse_if(self.difference is not None and not (self.x1_b is self.x2_b is None), message)
        refuse_if(self.difference_b is not None and self.difference is None, "--difference-b goes with --difference")
        refuse_if(self.x1_b is not None and self.x1_b == self.x2_b, "--x1-b and --x2-b name one column")
        if len(self.inputs) > 1:
            return plan_of_options(self, {"key": self.key})
        asked = {"key": self.key is not None, "by_row": self.by_row, "unmatched": self.unmatched == "drop"}
        for name, is_asked in asked.items():
            message = f"{option_of(name)} goes with two INPUTs, one for each model"
            refuse_if(is_asked, message, "mrl compare a.csv b.csv --key COLUMN")
        named: tuple[Role, ...] = ("x1_b", "x2_b") if self.difference is None else ("difference_b",)
        in_one = " ".join(f"{option_of(role)} COLUMN" for role in named)
        hint = f"both in one file: {in_one}; in two: a.csv b.csv --key COLUMN"
        of_b: dict[Role, str | None] = {role: getattr(self, role) for role in named}
        refuse_if(None in of_b.values(), "compare needs the scores of two models", hint)
        return plan_of_options(self, of_b)

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        files, is_by_row = len(self.inputs), self.by_row
        hint = "many files of one model: name them by a quoted glob, or by their folder"
        refuse_if(files > 2, f"compare takes one INPUT or two, not {files}", hint)
        super().check()
        hint = "mrl compute PAIRS --preset catboost --scores SCORES tells each model's loss"
        message = "--preset catboost does not go with compare: its pairs have no scores"
        refuse_if(self.preset == "catboost", message, hint)
        if files < 2:
            return
        hint = "--key COLUMN matches them by a column, --by-row the first row with the first"
        refuse_if(self.key is not None and is_by_row, "--key and --by-row exclude each other", hint)
        refuse_if(self.key is None and not is_by_row, "how do the pairs of the two files belong together?", hint)
        message = "--by-row and --on-error skip exclude each other: rows left out in one file would shift the others"
        hint = "match the pairs by a column, with --key COLUMN"
        refuse_if(is_by_row and self.on_error == "skip", message, hint)
        skips = None in dict(self.plan.rules.label_map).values()
        message = "--by-row and a label that is mapped to skip exclude each other: rows left out would shift the others"
        refuse_if(is_by_row and skips, message, hint)

    @property
    def may_skip(self) -> bool:
        """Whether bad rows could be left out: matched row by row, others would be shifted."""
        return not self.by_row

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

        unmatched, drawing = (0, 0), {"samples": self.bootstrap, "seed": self.seed}
        reduction = ContrastReduction(self.plan, **drawing)
        if len(self.sides) == 1:
            folded = self.measured(reduction)
            contrasts, counts = folded.wholes[1], folded.counts
        else:
            from mrl_cli.commands.sides import contrasted

            matching = {"by_row": self.by_row, "drops_unmatched": self.unmatched == "drop"}
            of_b = self.x1_b, self.x2_b, self.difference_b
            contrasts, counts, unmatched = contrasted(self, reduction, *of_b, **matching)
        sides = self.side_names
        inputs = self.input_names
        return comparison_report(
            contrasts, counts, self.plan, inputs=inputs, unmatched=unmatched, sides=sides, **drawing
        )

    @property
    def side_names(self) -> tuple[str, str]:
        """What a and b are, in words: their files or, in one and the same, their columns."""
        files = [side[0].shown_name if len(side) == 1 else f"{len(side)} files" for side in self.sides]
        if len(set(files)) == 2:
            return files[0], files[1]
        columns = self.plan.columns
        both = columns, columns.of_b(self.x1_b, self.x2_b, self.difference_b)
        a, b = (f"{of_model.scores_in_words} of {files[0]}" for of_model in both)
        return a, b

    def pictures(self, report: ComparisonReport) -> list[Plot]:
        """Return how often both models are right, one of them, or none."""
        from mrl_cli.reports.pictures import quadrants

        return [quadrants(report)]

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
            f"{report.pairs:,} pairs in {report.elapsed_seconds:.3f} s, {self.workers}; "
            f"means {report.a['mean']!r} and {report.b['mean']!r}"
        )


command = Comparison.command()
