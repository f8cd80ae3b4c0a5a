"""`--preset` and `--scores`: the plan as a known producer's files need it, except where the user sets another value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mrl_cli.commands.options import refuse_if
from mrl_cli.commands.scores import read_scores
from mrl_cli.inputs import columns_anywhere
from mrl_cli.inputs.presets import PRESETS, applied
from mrl_cli.losses import LOSSES
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from mrl_cli.commands.options import Options
    from mrl_cli.inputs import Source
    from mrl_cli.inputs.presets import Preset
    from mrl_cli.model import Plan, Role


def with_preset(
    plan: Plan, options: Options, sources: Sequence[Source], roles: AbstractSet[Role]
) -> tuple[Plan, tuple[Source, ...]]:
    """Return the plan with the scores and the preset that the options name, and the sources to read from now on.

    Of a preset's columns besides x1, x2 and y, those of `roles` are used. A column is used when any row of any source
    has it; rows without it are then reported, as for any other missing cell. Raises UsageError when the scores are not
    among them.
    """
    preset = None if options.preset is None else PRESETS[options.preset]
    plan, sources = _with_scores(preset, plan, options, sources)
    if preset is None:
        return plan, tuple(sources)
    given = _given(plan, options, roles)
    dialect = plan.reading.dialect
    if options.delimiter is None and preset.delimiter is not None:
        dialect = replace(dialect, delimiter=preset.delimiter)
    if preset.header:
        dialect = replace(dialect, header=False, names=preset.header)
    plan = plan.changed(preset=preset.name, dialect=dialect)
    if "y" not in given:
        plan = plan.changed(y_const=1, columns=replace(plan.columns, y=None))
    read: list[Source] = []
    names: dict[str, str] = {}  # and the first source that has it
    for source in sources:
        there, source_now = columns_anywhere(source, plan, preset.further)
        read.append(source_now)
        names = dict.fromkeys(there, source.shown_name) | names
    if names:
        place = next(iter(names.values()))
        return applied(preset, plan, list(names), harmless(place, 200), given), tuple(read)
    x1, x2 = preset.layouts[0]  # nothing to choose by: there is no row
    return plan.changed(columns=replace(plan.columns, x1=x1, x2=x2)), tuple(read)


def _with_scores(
    preset: Preset | None, plan: Plan, options: Options, sources: Sequence[Source]
) -> tuple[Plan, Sequence[Source]]:
    is_indexed, has_scores = preset is not None and preset.is_indexed, options.scores is not None
    message = f"--preset {options.preset} needs --scores FILE, the scores that the pairs point at"
    refuse_if(is_indexed and not has_scores, message)
    refuse_if(options.score_column is not None and not has_scores, "--score-column goes with --scores")
    message = f"--scores and --preset {options.preset} exclude each other: its files hold the scores"
    refuse_if(has_scores and preset is not None and not is_indexed, message)
    if options.scores is None:
        return plan, sources
    scores = read_scores(options.scores, options.score_column)
    return plan.changed(scores=scores.name), [replace(source, scores=scores) for source in sources]


def _given(plan: Plan, options: Options, roles: AbstractSet[Role]) -> frozenset[str]:
    """Return the roles that are settled without the preset: the user names them, or this run has no use for them."""
    has_margin = LOSSES[options.loss].has_margin
    settled = {
        "x1": options.x1 is not None,
        "x2": options.x2 is not None,
        "y": options.y is not None or options.y_const is not None,
        "margin": options.margin is not None or options.margin_column is not None or not has_margin,
        "weight": options.weight is not None or plan.reporting.confidence is not None,
        "group": options.group_by is not None or options.by_file,
    }
    is_per_pair = plan.reporting.reduction == "none"
    useless = {"margin", "weight", "group"} - roles | ({"weight", "group"} if is_per_pair else set())
    return frozenset(role for role, is_settled in settled.items() if is_settled) | useless
