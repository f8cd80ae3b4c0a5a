"""Presets: how known producers write pairs. `PRESETS` is where one is entered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mrl_cli.errors import UsageError
from mrl_cli.records import light_dataclass
from mrl_cli.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from mrl_cli.model import Plan, Role

ScoreColumns = tuple[str, str]

CHOSEN_REJECTED: ScoreColumns = ("chosen", "rejected")  # the names that several producers share


@light_dataclass(frozen=True, slots=True)
class Preset:
    """How one producer writes pairs, whose first score should always be the higher one: each label is 1.

    `layouts` are the names of x1 and x2, the first that is there counts; `numbers` and `group` further columns that are
    used where they are there. A text of `header` has no header line: these are its columns, by place. `is_indexed`: x1
    and x2 are places in a separate file of scores.
    """

    name: str
    producer: str
    files: str
    layouts: tuple[ScoreColumns, ...]
    numbers: tuple[tuple[Role, str], ...] = ()
    group: str | None = None
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    is_indexed: bool = False

    def layout_in(self, names: Sequence[str]) -> ScoreColumns | None:
        """Return the first layout whose columns are all among `names`."""
        return next((layout for layout in self.layouts if set(layout) <= set(names)), None)

    @property
    def further(self) -> tuple[str, ...]:
        """The names of the columns that are used where they are there."""
        return (*(name for _, name in self.numbers), *([] if self.group is None else [self.group]))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "rewardbench",
            "RewardBench",
            "`*_outputs.jsonl`, `eval-set-scores/*.json`, `--save_all`",
            (("scores_chosen", "scores_rejected"), CHOSEN_REJECTED),
            group="subset",
        ),
        Preset("llamafactory", "LLaMA-Factory", "`generated_predictions.jsonl`", (CHOSEN_REJECTED,)),
        Preset(
            "trl",
            "TRL",
            "rewards of chosen and rejected answers",
            (("chosen_rewards", "rejected_rewards"), ("rewards/chosen", "rewards/rejected"), CHOSEN_REJECTED),
            numbers=(("margin", "margin"), ("weight", "weight")),
        ),
        Preset(
            "ultrafeedback",
            "UltraFeedback",
            "binarized preferences, of Argilla too",
            (("score_chosen", "score_rejected"), ("chosen-rating", "rejected-rating")),
        ),
        Preset(
            "catboost",
            "CatBoost",
            "pairs by place, tab-separated, without a header line; needs `--scores`",
            (("winner", "loser"),),
            numbers=(("weight", "weight"),),
            header=("winner", "loser", "weight"),
            delimiter="\t",
            is_indexed=True,
        ),
    )
}


def fitting(names: Sequence[str]) -> Preset | None:
    """Return the preset that names of columns suggest most, None where they suggest none.

    Names that one producer alone uses take precedence over those that several share, then its further columns decide.

    >>> fitting(["chosen", "rejected", "score_chosen", "score_rejected"]).name, fitting(["chosen", "rejected"]).name
    ('ultrafeedback', 'llamafactory')
    """

    def rank(preset: Preset) -> tuple[bool, int, int]:
        layout = preset.layout_in(names) or CHOSEN_REJECTED
        return layout == CHOSEN_REJECTED, -len(set(preset.further) & set(names)), preset.layouts.index(layout)

    fits = (preset for preset in PRESETS.values() if not preset.header and preset.layout_in(names))
    return min(fits, key=rank, default=None)


def described_fit(names: Sequence[str]) -> str | None:
    """Return the hint that a preset fits names of columns, None where none does."""
    preset = fitting(names)
    return None if preset is None else f"these look like {preset.producer}'s columns: use --preset {preset.name}"


def applied(preset: Preset, plan: Plan, names: Sequence[str], place: str, given: AbstractSet[str]) -> Plan:
    """Return the plan with the preset's columns that are among `names`, those of `place`.

    `given` are the options that the user gave, by their names in the plan's words: those win. Raises UsageError when
    the preset's scores are not there.
    """
    columns = plan.columns
    for first, second in preset.layouts:
        x1, x2 = columns.x1 if "x1" in given else first, columns.x2 if "x2" in given else second
        if all(name in names or role in given for role, name in (("x1", x1), ("x2", x2))):
            break
    else:
        pairs = ", or ".join(" and ".join(layout) for layout in preset.layouts)
        msg = f"{place} does not have the columns of --preset {preset.name}, {pairs}; it has: {listed(names)}"
        raise UsageError(msg, hint=described_fit(names) or "name the columns with --x1 COLUMN and --x2 COLUMN")
    numbers = tuple((role, name) for role, name in preset.numbers if name in names and role not in given)
    keys = columns.keys
    if preset.group is not None and preset.group in names and "group" not in given:
        keys = (*keys, ("group", preset.group))
    return plan.changed(columns=replace(columns, x1=x1, x2=x2, numbers=columns.numbers + numbers, keys=keys))
