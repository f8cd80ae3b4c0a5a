"""`--preset`: the plan as a known producer's files need it, less what the user says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.options import Registered, stacked
from mrl_cli.errors import UsageError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.inputs.presets import Preset
    from mrl_cli.model import Plan

preset_option = click.option(
    "--preset",
    type=Registered("mrl_cli.inputs.presets", "PRESETS"),
    metavar="NAME",
    help="Columns and labels as a known producer writes them: rewardbench, llamafactory, trl, ultrafeedback, "
    "catboost. Other options win over it.",
)

preset_options = stacked(
    preset_option,
    click.option(
        "--scores",
        metavar="FILE",
        help="A file of scores: x1 and x2 are rows of it, counted from 0. Held in memory.",
    ),
    click.option(
        "--score-column", metavar="COLUMN", help="Which column of --scores.  [default: the only one, else score]"
    ),
)


def with_preset(plan: Plan, options: Mapping[str, Any], sources: Sequence[Source]) -> tuple[Plan, tuple[Source, ...]]:
    """Return the plan with the scores and the preset that the options name, and the sources to read from now on.

    A column of a preset is used when any row of any source has it; rows without it are then told of, as for any other
    missing cell. Raises UsageError when the scores are
    not among them.
    """
    if not (options["preset"] or options["scores"] or options["score_column"]):
        return plan, tuple(sources)
    from mrl_cli.inputs import columns_anywhere
    from mrl_cli.inputs.presets import PRESETS, applied  # few runs have one

    plan, sources = _with_scores(plan, options, sources)
    if options["preset"] is None:
        return plan, tuple(sources)

    preset = PRESETS[options["preset"]]
    given = _given(options)
    has_labels = "y" in given
    plan = _in_dialect(preset, plan, options).changed(
        preset=preset.name,
        y_const=plan.rules.y_const if has_labels else 1,
        columns=plan.columns if has_labels else replace(plan.columns, y=None),
    )
    optional = [name for _, name in preset.numbers] + ([preset.group] if preset.group else [])
    found: list[Source] = []
    names: dict[str, str] = {}  # and the first source that has it
    for source in sources:
        there, source_now = columns_anywhere(source, plan, optional)
        found.append(source_now)
        names = dict.fromkeys(there, source.shown_name) | names
    if names:
        place = next(iter(names.values()))
        return applied(preset, plan, list(names), harmless(place, 200), given), tuple(found)
    x1, x2 = preset.layouts[0]  # nothing to choose by: there is no row
    return plan.changed(columns=replace(plan.columns, x1=x1, x2=x2)), tuple(found)


def _with_scores(plan: Plan, options: Mapping[str, Any], sources: Sequence[Source]) -> tuple[Plan, Sequence[Source]]:
    from mrl_cli.inputs.presets import PRESETS

    preset = options["preset"]
    is_indexed = preset is not None and PRESETS[preset].is_indexed
    if options["scores"] is None:
        for is_wrong, msg in (
            (is_indexed, f"--preset {preset} needs --scores FILE, the scores that the pairs point at"),
            (options["score_column"] is not None, "--score-column goes with --scores"),
        ):
            if is_wrong:
                raise UsageError(msg)
        return plan, sources
    if preset is not None and not is_indexed:
        msg = f"--scores and --preset {preset} exclude each other: its files hold the scores"
        raise UsageError(msg)
    from mrl_cli.commands.scores import read_scores

    scores = read_scores(options["scores"], options["score_column"])
    return plan.changed(scores=scores.name), [replace(source, scores=scores) for source in sources]


def _in_dialect(preset: Preset, plan: Plan, options: Mapping[str, Any]) -> Plan:
    dialect = plan.reading.dialect
    if options["delimiter"] is None and preset.delimiter is not None:
        dialect = replace(dialect, delimiter=preset.delimiter)
    if preset.header:
        dialect = replace(dialect, header=False, names=preset.header)
    return plan.changed(dialect=dialect)


def _given(options: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles that are settled without the preset: the user names them, or this run has no use for them."""
    from mrl_cli.losses import LOSSES

    is_per_pair = options.get("reduction") == "none"
    settled = {
        "x1": options["x1"] is not None,
        "x2": options["x2"] is not None,
        "y": options["y"] is not None or options["y_const"] is not None,
        "margin": "margin" not in options
        or options["margin"] is not None
        or options["margin_column"] is not None
        or not LOSSES[options["loss"]].has_margin,
        "weight": options["weight"] is not None or is_per_pair or options.get("confidence") is not None,
        "group": "group_by" not in options or options["group_by"] is not None or options["by_file"] or is_per_pair,
    }
    return frozenset(role for role, is_settled in settled.items() if is_settled)
