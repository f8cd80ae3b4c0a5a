"""Commands that read pairs or ranked lists: what both kinds share, and the command that carries out either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, get_args

from mrl_cli.commands.options import Options, declared, is_given, refuse_if, varied
from mrl_cli.commands.parsing import is_for_this
from mrl_cli.commands.rank import Rank
from mrl_cli.commands.run import Run
from mrl_cli.commands.values import Registered
from mrl_cli.model import Labels, ListLabels, Plan
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from mrl_cli.inputs.base import NoColumnError


class RunOnPairs(Run):
    """A run on pairs, whose command carries out one on ranked lists too: the options of both."""

    labels: Labels | None = varied(
        Options.labels,
        "What labels mean. Of pairs: pm1, exactly -1 or 1; 01, 0 and 1, where 0 means -1; any, the real number as it "
        "is; strength, its sign is the label; probability, that x1 is better. Of lists: relevance, the higher the "
        "better; rank, 1 is the best.",
        shown="pm1, or relevance; as the preset has it",
        choices=get_args(Labels),
    )
    preset: str | None = varied(
        Options.preset,
        "Read columns and labels as a known producer writes them; those of mrl compute and mrl rank.",
        type=Registered("mrl_cli.inputs.presets", "PRESETS", "LIST_PRESETS"),
    )

    def planned(self) -> Plan:
        """Return the plan that the options say. Raises UsageError for a choice that goes with ranked lists."""
        from mrl_cli.losses import LISTWISE

        of_lists = {"loss": self.loss in LISTWISE, "labels": self.labels in get_args(ListLabels)}
        for name, is_one in (of_lists | {"reduction": self.reduction == "query-mean"}).items():
            message = f"--{name} {getattr(self, name)} goes with ranked lists"
            refuse_if(
                is_one,
                message,
                "name the column of the query with --query COLUMN; in LETOR and runs of TREC it is query",
            )
        return super().planned()

    def hint_for(self, error: NoColumnError) -> str | None:
        """Return as every run, and for a file of lists the option by which it is read as such."""
        from mrl_cli.inputs.hints import HINTS_OF_LISTS, hint_for_items
        from mrl_cli.inputs.layouts import first_cells

        hint = HINTS_OF_LISTS.get(error.source.format)
        if hint is None and error.is_unnamed and error.role != "y":
            hint = hint_for_items(first_cells(error.source, error.plan))
        return hint or super().hint_for(error)


class RunOnLists(Rank):
    """A run on ranked lists of a command that is one on pairs too."""

    @classmethod
    def of(cls, given: dict[str, Any], others: Sequence[str]) -> Self:
        """Return the run of options that were given. Raises UsageError for one of `others`, which go with pairs."""
        names = {"inputs", *cls.option_names()}
        for name in others:
            message = f"{option_of(name)} goes with pairs, not with ranked lists"
            refuse_if(name not in names and is_given(name), message, "leave it out, or the options of lists")
        labels, preset = given["labels"], given["preset"]
        message = f"--labels {labels} is a rule of pairs: labels of ranked lists are relevance or rank"
        refuse_if(labels is not None and labels not in get_args(ListLabels), message)
        message = "--reduction none goes with pairs: lists have mean, query-mean or sum"
        refuse_if(given["reduction"] == "none", message)
        if preset is not None:
            from mrl_cli.inputs.presets import LIST_PRESETS

            message = f"--preset {preset} is one of pairs; those of ranked lists are {', '.join(LIST_PRESETS)}"
            refuse_if(preset not in LIST_PRESETS, message)
        return cls(**{name: value for name, value in given.items() if name in names})


def command_of(pairs: type[RunOnPairs], lists: type[RunOnLists]) -> click.Command:
    """Return the command of a run on pairs, which carries out one on lists where an option of those alone is given."""
    command, own = pairs.command(), ["inputs", *pairs.option_names()]
    further = [name for name in lists.option_names() if name not in own]
    of_lists = declared(lists, further)
    for option_of_lists in of_lists:  # in the short help, one of them leads to the others
        option_of_lists.is_common = option_of_lists.name == "query"
    command.params += of_lists

    def carry_out(**given: Any) -> int:
        run: Run
        of_pairs = [name for name in own if name not in ("inputs", *lists.option_names())]
        is_of_lists = any(map(is_given, further)) or _is_preset_of_lists(given["preset"])
        # Settings for this command alone say it too, but where the command line asks for pairs.
        if is_of_lists or (any(map(is_for_this, further)) and not any(map(is_given, of_pairs))):
            run = lists.of(given, own)
        else:
            run = pairs(**{name: given[name] for name in own})
        return run.exit_code()

    command.callback = carry_out
    return command


def _is_preset_of_lists(preset: str | None) -> bool:
    if preset is None:
        return False
    from mrl_cli.inputs.presets import PRESETS

    return preset not in PRESETS
