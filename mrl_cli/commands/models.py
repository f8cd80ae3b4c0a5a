"""What commands share that take two models, a and b: their options, and how their pairs belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mrl_cli.commands.helping import COLUMNS, INPUT
from mrl_cli.commands.options import column, flag, option, refuse_if
from mrl_cli.commands.run import Run
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.model import Role


class TwoModels(Run):
    """A run on two models: in one input, where b's scores have columns of their own, or in two.

    `in_two` says in words how a second input is named, and `two_example` is a command line that does.
    """

    x1_b: str | None = column(
        "Column of b's first score.", group=COLUMNS, is_common=True, shown="as --x1, in two files"
    )
    x2_b: str | None = column(
        "Column of b's second score.", group=COLUMNS, is_common=True, shown="as --x2, in two files"
    )
    difference_b: str | None = column(
        "Column of b's x1 - x2, beside --difference.", group=COLUMNS, shown="as --difference, in two files"
    )
    key: str | None = column("Match pairs of two files by this column.", group=INPUT, is_common=True)
    by_row: bool = flag("Match pairs of two files row by row.", group=INPUT, is_common=True)
    unmatched: str = option(
        "What to do with pairs that one file lacks, under --key: stop, or leave them out and count them.",
        group=INPUT,
        choices=("error", "drop"),
    )

    in_two: ClassVar[str] = "two INPUTs, one for each model"
    two_example: ClassVar[str] = "mrl compare a.csv b.csv --key COLUMN"

    @property
    def has_two_inputs(self) -> bool:
        """Whether b's scores are in an input of their own."""
        return len(self.inputs) > 1

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what is matched only under other options."""
        yield from super().without_effect()
        yield "unmatched", self.by_row and self.key is None, "--unmatched goes with --key"

    def columns_of_b(self) -> dict[Role, str | None]:
        """Return the columns to read beside a's: b's scores in one input, and the key in two.

        Raises UsageError for options that contradict one another.
        """
        message = f"{option_of('difference')} goes with {option_of('difference_b')}, not with --x1-b and --x2-b"
        refuse_if(self.difference is not None and not (self.x1_b is self.x2_b is None), message)
        refuse_if(self.difference_b is not None and self.difference is None, "--difference-b goes with --difference")
        refuse_if(self.x1_b is not None and self.x1_b == self.x2_b, "--x1-b and --x2-b name one column")
        if self.has_two_inputs:
            return {"key": self.key}
        self.refuse_matching()
        named: tuple[Role, ...] = ("x1_b", "x2_b") if self.difference is None else ("difference_b",)
        in_one = " ".join(f"{option_of(role)} COLUMN" for role in named)
        hint = f"both in one file: {in_one}; in two: {self.two_example.removeprefix('mrl compare ')}"
        of_b: dict[Role, str | None] = {role: getattr(self, role) for role in named}
        refuse_if(None in of_b.values(), f"{self.name} needs the scores of two models", hint)
        return of_b

    def refuse_matching(self) -> None:
        """Raise UsageError for an option that says how two inputs belong together, where there are no two."""
        asked = {"key": self.key is not None, "by_row": self.by_row, "unmatched": self.unmatched == "drop"}
        for name, is_asked in asked.items():
            refuse_if(is_asked, f"{option_of(name)} goes with {self.in_two}", self.two_example)

    def check_matching(self) -> None:
        """Raise UsageError where it is not said, or twice, how the pairs of two inputs belong together."""
        is_by_row = self.by_row
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
