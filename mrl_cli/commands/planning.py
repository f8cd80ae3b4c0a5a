"""The plan that the options of a command make, and what is wrong with options that make none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.options import Options, refuse_if
from mrl_cli.errors import UsageError
from mrl_cli.model import Dialect, Plan, Role
from mrl_cli.words import closest, harmless, option_of

if TYPE_CHECKING:
    from collections.abc import Mapping


_HINTS: dict[tuple[str, ...], str] = {
    ("fill", "margin"): "name it with --margin-column COLUMN",
    ("fill", "weight"): "name it with --weight COLUMN",
    ("margin", "loss"): "leave out --margin; `mrl losses` tells which losses have one",
    ("margins", "loss"): "`mrl losses` tells which losses have a margin",
}
_SAME = (
    *("loss", "dtype", "on_error", "reduction", "by_file", "confidence", "calibration"),
    *("margins", "scale", "lambda_weight", "top", "max_pairs"),
)


def _label_settings(options: Options) -> dict[str, Any]:
    """Return the settings of labels: as given, else as the preset has them."""
    asked = {name: getattr(options, name) for name in ("on_tie", "strength", "label_map")}
    if options.preset is None or options.y_const is not None:
        return {"labels": options.labels, "label_settings": asked}
    from mrl_cli.inputs.presets import PRESETS, label_settings  # few runs have one

    return label_settings(PRESETS.get(options.preset), options.labels, asked)  # one of lists is not among them


def _hint_for(names: tuple[str, ...], options: Options) -> str | None:
    """Return what to do about settings that make no plan, in the command that runs."""
    hint = _HINTS.get(names)
    if names[0] == "fill" and hint:
        option_name = {"margin": "margin_column", "weight": "weight"}[names[1]]
        is_there = any(option.name == option_name for option in click.get_current_context().command.params)
        if options.strength == names[1]:
            return "the size of the label is it, and labels are not filled: leave out --fill"
        return hint if is_there else "this command reads none: leave out --fill"
    if options.margin_column is not None and hint:  # a column of margins is a margin as well
        return hint.replace("--margin;", "--margin-column;")
    return hint


def plan_of_options(options: Options, further: Mapping[Role, str | None] | None = None) -> Plan:
    """Return the plan that options say, with further columns. Raises UsageError for what makes none."""
    from mrl_cli import settings  # which needs NumPy
    from mrl_cli.losses import ParameterError

    for option_name, given in (("param", options.param), ("fill", options.fill)):
        names = [name for name, _ in given]
        repeated = next((name for name in names if names.count(name) > 1), None)
        refuse_if(repeated is not None, f"{option_of(option_name)} {harmless(repeated)} is given more than once")
    cells = options.delimiter, options.encoding, options.decimal, options.null_value
    try:
        return settings.plan_of(
            options.columns() | dict(further or {}),
            word=option_of,
            margin=options.margin,
            parameters=dict(options.param),
            fill=dict(options.fill),
            awaits_preset=options.preset is not None,
            y_const=None if options.y_const is None else int(options.y_const),
            **_label_settings(options),
            lists_problems=options.rejects is not None,
            keep_columns=options.keep_columns,
            dialect=Dialect(*cells, header=not options.no_header),
            **{name: getattr(options, name) for name in _SAME},
        )
    except settings.SettingsError as error:
        raise UsageError(error.message, hint=_hint_for(error.names, options)) from None
    except ParameterError as error:
        near = closest(error.name, error.names) if error.name not in error.names else None
        hint = f"did you mean --param {near}=…?" if near else None
        hint = f"the temperature is 1/beta: --param {error.same}" if error.same else hint
        raise UsageError(f"--param: {harmless(error, 300)}", hint=hint) from None
