"""Presets and losses in Python: what there are, and what a preset says of the columns of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.api.results import Records
from mrl_cli.errors import UsageError
from mrl_cli.inputs.frame import PLACE
from mrl_cli.inputs.presets import LIST_PRESETS, PRESETS, described_fit, is_there
from mrl_cli.settings import check_choice
from mrl_cli.words import harmless, listed

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mrl_cli.inputs.presets import LabelRule, ListPreset, Preset

_USUAL = {"x1": "x1", "x2": "x2", "y": "y"}


def list_losses(name: str | None = None) -> list[dict[str, Any]]:
    """Return the losses, a record for each as in the JSON of `mrl losses`; or the one called so, in a list.

    Raises ValueError for a name of no loss, and for one of several.

    >>> [loss["name"] for loss in list_losses("RankNet")]
    ['logistic']
    """
    from mrl_cli.api.errors import value_errors
    from mrl_cli.losses.names import alias_of
    from mrl_cli.reports.losses import LossesReport

    with value_errors():
        return Records(LossesReport(None if name is None else alias_of(name).loss).record())


def list_presets() -> list[dict[str, Any]]:
    """Return what producers of files `preset` knows: name, producer, files, columns, and what a row of them is.

    >>> [preset["columns"] for preset in list_presets() if preset["name"] == "llamafactory"]
    ['chosen and rejected']
    """
    of_pairs: list[tuple[Preset | ListPreset, str]]
    of_pairs = [(one, ", or ".join(" and ".join(names) for names in one.layouts)) for one in PRESETS.values()]
    of_lists = [
        (one, ", or ".join(" and ".join(names.values()) for names in one.layouts)) for one in LIST_PRESETS.values()
    ]
    return Records(
        {"name": one.name, "producer": one.producer, "files": one.files, "columns": names, "of": of}
        for of, known in (("pair", of_pairs), ("list", of_lists))
        for one, names in known
    )


def preset_arguments(given: Mapping[str, Any], columns: Sequence[Hashable]) -> dict[str, Any]:
    """Return the arguments of `evaluate` that a preset says of a frame with these columns, those given left out.

    Raises UsageError for an unknown preset, and for a frame without its columns.
    """
    check_choice("preset", given["preset"], [name for name, preset in PRESETS.items() if not preset.is_indexed])
    preset, names = PRESETS[given["preset"]], [name for name in columns if isinstance(name, str)]
    is_own = {name: given[name] != usual for name, usual in _USUAL.items()}
    found: dict[str, Any] = {}
    if given["difference"] is None and not (is_own["x1"] and is_own["x2"]):
        layouts = (layout for layout in preset.layouts if all(is_there(name, names) for name in layout))
        layout = next(layouts, None)
        if layout is None:
            pairs = ", or ".join(" and ".join(layout) for layout in preset.layouts)
            message = f"{PLACE} does not have the columns of preset {preset.name}, {pairs}; it has: {listed(names)}"
            raise UsageError(message, hint=described_fit(names) or "name the columns with --x1 COLUMN and --x2 COLUMN")
        found |= {role: name for role, name in zip(("x1", "x2"), layout, strict=True) if not is_own[role]}
    for role, name in preset.numbers:
        wanted = {"margin": ("margin", "margin_column"), "weight": ("weight", "confidence", "cluster")}[role]
        if name in names and all(given[other] is None for other in wanted):
            found["margin_column" if role == "margin" else role] = name
    if not is_own["y"] and given["y_const"] is None:
        found |= {"y_const": 1} if preset.label is None else _labels(preset.label, preset.name, given, names)
    return found


def _labels(rule: LabelRule, preset: str, given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the column of labels of a preset, and how they are read."""
    label = next((name for name in rule.columns if name in names), None)
    if label is None:
        message = f"{PLACE} does not have the label column of preset {preset}, {', or '.join(rule.columns)}"
        raise UsageError(f"{message}; it has: {listed(map(harmless, names))}", hint="name it with --y COLUMN")
    if given["labels"] is not None or given["label_map"] is not None:
        return {"y": label}
    ruled = {"labels": rule.labels, "label_map": dict(rule.label_map) or None, "is_reversed": rule.is_reversed}
    return {"y": label, "on_tie": given["on_tie"] or "drop", **ruled}
