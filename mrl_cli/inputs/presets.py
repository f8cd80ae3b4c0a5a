"""Presets: how known producers write pairs. `PRESETS` is where one is entered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.losses import LOSSES
from mrl_cli.records import light_dataclass
from mrl_cli.words import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from mrl_cli.model import Labels, Plan, Role
    from mrl_cli.model.labels import LabelMap

ScoreColumns = tuple[str, str]

CHOSEN_REJECTED: ScoreColumns = ("chosen", "rejected")  # the names that several producers share


@light_dataclass(frozen=True, slots=True)
class LabelRule:
    """What a producer writes as labels: the names of the column, the first that is there counts, and how it is read.

    The fields are those of `model.plan.Rules`; ties are left out.
    """

    columns: tuple[str, ...]
    labels: Labels = "pm1"
    label_map: LabelMap = ()
    is_reversed: bool = False


@light_dataclass(frozen=True, slots=True)
class Preset:
    """How one producer writes pairs: with a `label`, or with the first score as the one that should be the higher.

    `layouts` are the names of x1 and x2, the first that is there counts; `numbers` and `group` further columns that are
    used where they are there; `has_sections`: groups are subsets of RewardBench's sections. A text of `header` has no
    header line: these are its columns, by place. `is_indexed`: x1 and x2 are places in a separate file of scores. A
    name with dots is the path to a nested cell.
    """

    name: str
    producer: str
    files: str
    layouts: tuple[ScoreColumns, ...]
    numbers: tuple[tuple[Role, str], ...] = ()
    group: str | None = None
    has_sections: bool = False
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    is_indexed: bool = False
    label: LabelRule | None = None

    def layout_in(self, names: Sequence[str]) -> ScoreColumns | None:
        """Return the first layout whose columns are all among `names`, None where the label is not."""
        if self.label is not None and self.label_in(names) is None:
            return None
        return next((layout for layout in self.layouts if all(is_there(name, names) for name in layout)), None)

    def label_in(self, names: Collection[str]) -> str | None:
        """Return the name of the column of labels among `names`, None where there is none."""
        return next((name for name in self.label.columns if name in names), None) if self.label else None

    @property
    def further(self) -> tuple[str, ...]:
        """The names of the columns that are used where they are there."""
        labels = self.label.columns if self.label else ()
        return (*(name for _, name in self.numbers), *([] if self.group is None else [self.group]), *labels)


def is_there(name: str, names: Collection[str]) -> bool:
    """Return whether a column, or what the path to a nested cell begins with, is among names.

    >>> is_there("judgments.0.scores", ["label", "judgments"])
    True
    """
    return name in names or name.partition(".")[0] in names


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "rewardbench",
            "RewardBench",
            "`*_outputs.jsonl`, `eval-set-scores/*.json`, `--save_all`",
            (("scores_chosen", "scores_rejected"), CHOSEN_REJECTED),
            group="subset",
            has_sections=True,
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
            "pairs, tab-separated without a header line, or with one; needs `--scores`",
            (("winner", "loser"),),
            numbers=(("weight", "weight"),),
            header=("winner", "loser", "weight"),
            delimiter="\t",
            is_indexed=True,
        ),
        Preset(
            "judgebench",
            "JudgeBench",
            "outputs of a reward model as judge",
            (("score_A", "score_B"), ("judgments.0.judgment.scores.0", "judgments.0.judgment.scores.1")),
            label=LabelRule(("label",), label_map=(("A>B", 1), ("B>A", -1), ("A=B", 0))),
        ),
        # FastChat's clean_battle_data writes "tie (bothbad)", LMArena's arena-human-preference-140k "both_bad", and
        # lmsys/mt_bench_human_judgments "tie (inconsistent)" where the judge prefers another side in each order. None
        # of them has scores of the sides: a user's own are called as the sides are.
        Preset(
            "arena",
            "Chatbot Arena",
            "battles, with a score of each side",
            (("rating_a", "rating_b"), ("score_a", "score_b")),
            label=LabelRule(
                ("winner",),
                label_map=(
                    ("model_a", 1),
                    ("model_b", -1),
                    *((tie, 0) for tie in ("tie", "tie (bothbad)", "both_bad", "tie (inconsistent)")),
                ),
            ),
        ),
        # preference_strength goes with response_1 and response_2 (nvidia/HelpSteer2), overall_preference with response1
        # and response2 (nvidia/HelpSteer3). Neither has scores of them: score_1 and score_2 are what a generative
        # reward model returns for the two (NVIDIA NeMo Gym, genrm_compare), score1 and score2 the same beside the
        # names of HelpSteer3.
        Preset(
            "helpsteer",
            "HelpSteer",
            "preferences from -3 (the first response is much better) to 3, with a score of each response",
            (("score_1", "score_2"), ("score1", "score2")),
            label=LabelRule(("preference_strength", "overall_preference"), labels="strength", is_reversed=True),
        ),
    )
}


@light_dataclass(frozen=True, slots=True)
class ListPreset:
    """How one producer writes ranked lists: the names of columns by role, the first of `layouts` that is there counts.

    `keys` are further columns, used where they are there: groups, subsets of a benchmark, and the id of a list.
    """

    name: str
    producer: str
    files: str
    layouts: tuple[Mapping[Role, str], ...]
    keys: tuple[tuple[Role, str], ...] = ()
    labels: Labels = "relevance"


def _answers(label: str, answers: str, *names: str) -> tuple[Mapping[Role, str], ...]:
    """Return the layouts of labels in a list of answers, with scores there under one of these names, or beside it."""
    scores = [*(f"{answers}.*.{name}" for name in names), "scores", "rewards"]
    layouts: list[Mapping[Role, str]] = [{"y": label, "score": score} for score in scores]
    return tuple(layouts)


LIST_PRESETS: dict[str, ListPreset] = {
    preset.name: preset
    for preset in (
        ListPreset(
            "rewardbench2",
            "RewardBench 2",
            "`eval-set-scores/*.json`: the first num_correct of the scores are right",
            ({"score": "scores", "num_correct": "num_correct"},),
            keys=(("group", "subset"), ("subset", "subset"), ("key", "id")),
        ),
        ListPreset(
            "rmbench",
            "RM-Bench",
            "results: three scores of chosen and of rejected answers, by style",
            ({"chosen": "score_chosen", "rejected": "score_rejected"},),
            keys=(("group", "domain"),),
        ),
        ListPreset(
            "nectar",
            "Nectar",
            "answers with ranks, and a score of each",
            _answers("answers.*.rank", "answers", "score", "reward"),
            labels="rank",
        ),
        ListPreset(
            "ultrafeedback",
            "UltraFeedback",
            "completions with an overall_score, and a score of each",
            _answers("completions.*.overall_score", "completions", "score", "reward"),
        ),
        ListPreset(
            "imagereward",
            "ImageReward",
            "a ranking and rewards, as lists",
            ({"y": "ranking", "score": "rewards"},),
            labels="rank",
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
    """Return the hint that a preset fits names of columns, None where none does.

    Where chosen and rejected stand beside scores of theirs, they are texts, which names alone cannot tell.

    >>> described_fit(["chosen", "rejected", "chosen_score", "rejected_score"]) is None
    True
    """
    preset = fitting(names)
    is_shared = preset is not None and preset.layout_in(names) == CHOSEN_REJECTED
    has_scores = is_shared and any("chosen" in name.lower() and name not in CHOSEN_REJECTED for name in names)
    return None if preset is None or has_scores else described(preset)


def described(preset: Preset | ListPreset) -> str:
    """Return the hint that a preset fits."""
    return f"these look like {preset.producer}'s columns: use --preset {preset.name}"


def label_settings(preset: Preset | None, labels: str | None, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of labels of a plan: as `asked` for, else as the preset has them, if one is given.

    Raises UsageError for a rule that is not that of strengths whose sign the preset turns round.
    """
    rule = None if preset is None else preset.label
    if preset is None or rule is None:
        return {"labels": labels, "label_settings": asked}
    is_ruled = labels is None or (labels == rule.labels and not rule.label_map)
    is_own = asked["label_map"] is not None or not is_ruled
    if rule.is_reversed and is_own and asked["label_map"] is None:
        message = f"the labels of --preset {preset.name} are strengths, below 0 where the first is better"
        raise UsageError(message, hint="leave out --labels, or say what each value means with --label-map")
    if is_own:
        return {"labels": labels, "label_settings": asked}
    ruled = {"on_tie": asked["on_tie"] or "drop", "label_map": rule.label_map or None}
    return {"labels": rule.labels, "label_settings": {**asked, **ruled}, "is_reversed": rule.is_reversed}


def given_by(plan: Plan, options: Any, roles: AbstractSet[Role]) -> frozenset[str]:
    """Return the roles that are settled without the preset: the user names them, or the run has no use for them.

    `options` has settings as attributes, None for what is not given; of a preset's further columns those of `roles` are
    of use.
    """
    has_margin, is_per_pair = LOSSES[plan.loss.name].has_margin, plan.reporting.reduction == "none"
    settled = {
        "x1": options.x1 is not None,
        "x2": options.x2 is not None,
        "y": options.y is not None or options.y_const is not None,
        "margin": options.margin is not None or options.margin_column is not None or not has_margin,
        "weight": options.weight is not None or plan.reporting.confidence is not None,
        "group": bool(options.group_by) or options.by_file,
        "subset": is_per_pair or "group" not in roles,
    }
    useless = {"margin", "weight", "group"} - roles | ({"weight", "group"} if is_per_pair else set())
    return frozenset(role for role, is_settled in settled.items() if is_settled) | useless


def applied(preset: Preset, plan: Plan, names: Sequence[str], place: str, given: AbstractSet[str]) -> Plan:
    """Return the plan with the preset's columns that are among `names`, those of `place`.

    `given` are the options that the user gave, by their names in the plan's words: those win. Raises UsageError when
    the preset's scores are not there.
    """
    columns = plan.columns
    for first, second in preset.layouts:
        x1, x2 = columns.x1 if "x1" in given else first, columns.x2 if "x2" in given else second
        are_there = all(role in given or is_there(name or "", names) for role, name in (("x1", x1), ("x2", x2)))
        if plan.has_differences or are_there:
            break
    else:
        pairs = ", or ".join(" and ".join(layout) for layout in preset.layouts)
        msg = f"{place} does not have the columns of --preset {preset.name}, {pairs}; it has: {listed(names)}"
        raise UsageError(msg, hint=described_fit(names) or "name the columns with --x1 COLUMN and --x2 COLUMN")
    numbers = tuple((role, name) for role, name in preset.numbers if name in names and role not in given)
    further: dict[Role, bool] = {"group": "group" not in given, "subset": preset.has_sections and "subset" not in given}
    group = preset.group if preset.group in names else None
    keys = tuple((role, group) for role, is_used in further.items() if is_used and group is not None)
    if plan.has_differences:
        x1 = x2 = None
    columns = replace(columns, x1=x1, x2=x2, numbers=columns.numbers + numbers, keys=columns.keys + keys)
    if preset.label is not None and "y" not in given:
        label = preset.label_in(names)
        if label is None:
            wanted = ", or ".join(preset.label.columns)
            msg = f"{place} does not have the label column of --preset {preset.name}, {wanted}; it has: {listed(names)}"
            raise UsageError(msg, hint="name it with --y COLUMN; no label column? use --y-const 1")
        columns = columns.with_label(label)
    return plan.changed(columns=columns)
