"""The options that say what items of ranked lists are, and the plan that they make of what inputs hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from mrl_cli.commands.helping import COLUMNS, INPUT, LOSS
from mrl_cli.commands.options import Options, column, option, refuse_if, varied
from mrl_cli.commands.values import Registered, number
from mrl_cli.model import ListLabels, Missing, Plan, Role
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from mrl_cli.inputs import Source
    from mrl_cli.inputs.presets import ListPreset

PRESET_NAMES = ("rewardbench2", "rmbench", "nectar", "ultrafeedback", "imagereward")  # a test holds it to the registry


_SIDES: tuple[Role, ...] = ("chosen", "rejected", "num_correct")


def unjudged_label(text: str) -> float | str:
    """Return the label of items that are not judged: negative for any below 0, or a number."""
    return text if text == "negative" else number(text, expected="negative, or a finite number")


class ListOptions(Options):
    """Options of commands on ranked lists, a row of which is an item, or all of them."""

    query: str | None = column(
        "Column of the query: rows with the same value are a list.", group=COLUMNS, is_common=True, shown="query"
    )
    label: str | None = column("Column of the label.", group=COLUMNS, is_common=True, shown="label")
    score: str | None = column("Column of the score.", group=COLUMNS, is_common=True, shown="score")
    weight: str | None = varied(
        Options.weight, "Column of a weight for each item: of the pairs in which its label is the higher one."
    )
    query_weight: str | None = column("Column of a weight for each query, the same in all of its rows.", group=LOSS)
    labels: Any = varied(
        Options.labels,
        "What labels mean. relevance: the higher, the better. rank: 1 is the best.",
        shown="relevance, or as the preset has it",
        choices=get_args(ListLabels),
    )
    chosen: str | None = column(
        "Column of the scores of chosen answers, in place of --label and --score.", group=COLUMNS, is_common=True
    )
    rejected: str | None = column(
        "Column of the scores of rejected answers: every chosen one should be above every rejected one.",
        group=COLUMNS,
        is_common=True,
    )
    num_correct: str | None = column(
        "Column that says how many of the scores, the first ones, are right.", group=COLUMNS
    )
    unjudged: Any = option(
        "Leave out and count items whose label says that there is none: negative, for any below 0, or a number.",
        group=COLUMNS,
        type=unjudged_label,
        metavar="negative|VALUE",
    )
    scores: str | None = varied(
        Options.scores, "Read a score for each row, in their order, from this file. It is held in memory."
    )
    group_sizes: str | None = option(
        "Read the number of rows of each query from this file, such as LightGBM's .query. It is held in memory.",
        group=INPUT,
        metavar="FILE",
    )
    qrels: str | None = option(
        "Read judgments of TREC, the labels of documents, from this file: query, 0, document and relevance. It is held "
        "in memory.",
        group=INPUT,
        metavar="FILE",
    )
    doc: str | None = column("Column of the document, for --qrels.", group=COLUMNS, shown="doc", goes_with="qrels")
    missing: Any = option(
        "What to do with a document without a judgment.", group=INPUT, choices=get_args(Missing), goes_with="qrels"
    )
    preset: str | None = varied(
        Options.preset,
        f"Read columns as a known producer writes them: {', '.join(PRESET_NAMES)}. Other options win over it.",
        type=Registered("mrl_cli.inputs.presets", "LIST_PRESETS", elsewhere={"PRESETS": "a preset of mrl compute"}),
    )

    def check_items(self) -> None:
        """Raise UsageError for options that exclude each other."""
        pairs = [("label", "qrels"), ("score", "scores"), ("query", "group_sizes")]
        pairs += [(name, other) for name in ("chosen", "num_correct") for other in ("label", "labels", "unjudged")]
        pairs += [("chosen", other) for other in ("score", "num_correct")]
        pairs += [(name, o) for name in ("chosen", "num_correct") for o in ("qrels", "scores", "group_sizes")]
        for first, second in pairs:
            both = getattr(self, first) is not None and getattr(self, second) is not None
            refuse_if(both, f"{option_of(first)} and {option_of(second)} exclude each other")
        one = "chosen" if self.chosen is not None else "rejected"
        refuse_if(
            (self.chosen is None) != (self.rejected is None),
            f"--chosen and --rejected go together: only --{one} is given",
        )

    def settled(self, plan: Plan, sources: tuple[Source, ...]) -> tuple[Plan, tuple[Source, ...]]:
        """Return a plan with what options and a preset say of columns, and how lists stand in rows; and the sources.

        Raises UsageError for columns that are not there, and for options that do not go together.
        """
        from mrl_cli.inputs.layouts import with_layout, with_list_preset
        from mrl_cli.settings import check_read

        columns = plan.columns
        others = tuple((role, name) for role, name in columns.numbers if role != "score")
        named = [(role, getattr(self, role)) for role in _SIDES if getattr(self, role) is not None]
        if self.chosen is not None:
            plan = plan.changed(columns=replace(columns, y=None, numbers=(*named, *others)))
        elif self.num_correct is not None:
            plan = plan.changed(columns=replace(columns, y=None, numbers=(*columns.numbers, *named)))
        if self.preset is not None:
            is_grouped = bool(self.group_by) or self.by_file
            plan = with_list_preset(plan, self._preset(), sources, self._given(), is_grouped=is_grouped)
        if not (self.scores is self.group_sizes is self.qrels is None):
            from mrl_cli.commands.beside import with_files_beside  # few runs have some

            plan, sources = with_files_beside(plan, sources, self)
        check_read(plan, option_of)
        return with_layout(plan, sources, is_query_named=self.query is not None), sources

    def _given(self) -> dict[Role, str]:
        """Return the columns of items that the user names, by role."""
        named: dict[Role, str | None] = {role: getattr(self, role) for role in ("score", *_SIDES)}
        named["y"] = self.label
        return {role: name for role, name in named.items() if name is not None}

    def _preset(self) -> ListPreset:
        """Return the preset, with the labels that the user says. Raises UsageError for what it leaves no use for."""
        from mrl_cli.inputs.presets import LIST_PRESETS

        preset: ListPreset = LIST_PRESETS[self.preset or ""]
        roles = preset.layouts[0]
        for role in self._given():
            message = f"{option_of('label' if role == 'y' else role)} does not go with --preset {preset.name}"
            refuse_if(role not in roles, f"{message}, which reads {' and '.join(roles.values())}")
        for name in ("labels", "unjudged") if "y" not in roles else ():
            message = f"{option_of(name)} does not go with --preset {preset.name}, which has no column of labels"
            refuse_if(getattr(self, name) is not None, message)
        return replace(preset, labels=self.labels or preset.labels)

    def columns(self) -> dict[Role, str | None]:
        """Return the name of the column of each role."""
        usual = ("1", "2", "3") if self.no_header else ("query", "label", "score")
        named = zip((self.query, self.label, self.score), usual, strict=True)
        query, label, score = (own if name is None else name for name, own in named)
        others = super().columns()
        return {
            "y": label,
            "score": score,
            "query": query,
            "weight": self.weight,
            "query_weight": self.query_weight,
            **{role: name for role, name in others.items() if role.startswith("group")},
        }
