"""`mrl validate` on ranked lists: the loop over all pairs of each query, or of some, and the user's own figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from mrl_cli.commands.expectations import Expecting
from mrl_cli.commands.options import is_given, refuse_if
from mrl_cli.commands.outputs import report_suffixes
from mrl_cli.commands.rank import Rank
from mrl_cli.errors import UsageError
from mrl_cli.model import ListLabels
from mrl_cli.words import counted, option_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from mrl_cli.commands.ranked import Ranked
    from mrl_cli.reports.validate import Explanation, Validation
    from mrl_cli.verify import Expectation


class ValidateLists(Expecting, Rank):
    """Check the figures of ranked lists against a loop over their pairs."""

    names = "expect rtol atol sample seed ITEMS margin loss param reduction lambda_weight top weight query_weight CELLS"
    names += " group_by by_file memory confidence ENGINE OUTPUT NOTES"

    @classmethod
    def of(cls, given: dict[str, Any], others: Sequence[str]) -> ValidateLists:
        """Return the run of options that were given. Raises UsageError for one of `others`, which go with pairs."""
        names = {"inputs", *cls.option_names()}
        for name in others:
            message = f"{option_of(name)} goes with pairs, not with ranked lists"
            refuse_if(name not in names and is_given(name), message, "leave it out, or the options of lists")
        labels, reduction = given.get("labels"), given.get("reduction")
        message = f"--labels {labels} is a rule of pairs: labels of ranked lists are relevance or rank"
        refuse_if(labels is not None and labels not in get_args(ListLabels), message)
        refuse_if(reduction == "none", "--reduction none goes with pairs: lists have mean, query-mean or sum")
        return cls(**{name: value for name, value in given.items() if name in names})

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if self.written == "parquet":
            raise UsageError("a validation is not written as Parquet", hint=f"write {report_suffixes(but='.jsonl')}")
        if self.preset is not None:
            from mrl_cli.inputs.presets import LIST_PRESETS

            message = f"--preset {self.preset} is one of pairs; those of ranked lists are {', '.join(LIST_PRESETS)}"
            refuse_if(self.preset not in LIST_PRESETS, message)
        self.check_expected()
        super().check()

    def report(self) -> Any:
        """Return the verdict on the lists that were checked."""
        from mrl_cli.verify import Request
        from mrl_cli.verify.lists.checks import list_validation
        from mrl_cli.verify.lists.sample import ListVerifier

        request = Request(self.plan, (), self.tolerance, self.expected, self.sample, self.seed)
        keeps = self.confidence is not None
        ranked = self.ranked(lambda: ListVerifier(self.plan, self.sample, self.seed, keeps_clusters=keeps))
        request = Request(self.plan, (), self.tolerance, self.expected, self.sample, self.seed)
        report = self.report_of(ranked._replace(result=ranked.result.queries))
        self._rows = int(report.figure("rows"))

        def explain(wrong: Sequence[Expectation]) -> Iterator[Explanation | str]:
            if wrong:
                from mrl_cli.verify.lists.mistakes import claims_of

                yield from claims_of(request, wrong, report, self.again)

        return list_validation(request, ranked.result, ranked.counts, report, self.sources, explain)

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
        return f"{counted(self._rows, 'row')} and {counted(report.pairs, 'pair')} in {report.elapsed_seconds:.3f} s"


def with_lists(command: click.Command, pairs: type[Any]) -> click.Command:
    """Return the command of `pairs`, which carries out a run on lists where an option of lists is given."""
    own = ["inputs", *pairs.option_names()]
    further = [name for name in ValidateLists.option_names() if name not in own]
    command.params += [getattr(ValidateLists, name).option for name in further]

    def carry_out(**given: Any) -> int:
        if any(map(is_given, further)) or _is_preset_of_lists(given["preset"]):
            return ValidateLists.of(given, own).exit_code()
        code: int = pairs(**{name: given[name] for name in own}).exit_code()
        return code

    command.callback = carry_out
    return command


def _is_preset_of_lists(preset: str | None) -> bool:
    if preset is None:
        return False
    from mrl_cli.inputs.presets import PRESETS

    return preset not in PRESETS
