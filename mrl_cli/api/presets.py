"""Presets and losses in Python: what there are, and what a preset says of the columns of a frame."""

from __future__ import annotations

from typing import Any

from mrl_cli.api.errors import value_errors
from mrl_cli.api.results import Records
from mrl_cli.inputs.presets import LIST_PRESETS, PRESETS, ListPreset, Preset
from mrl_cli.settings import check_choice


def list_losses(name: str | None = None) -> list[dict[str, Any]]:
    """Return the losses, a record for each as in the JSON of `mrl losses`; or the one called so, in a list.

    Raises ValueError for a name of no loss, and for one of several.

    >>> [loss["name"] for loss in list_losses("RankNet")]
    ['logistic']
    """
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


@value_errors()
def preset_called(name: str) -> Preset:
    """Return the preset of pairs in a frame that is called so. Raises ValueError for an unknown one."""
    check_choice("preset", name, [known for known, preset in PRESETS.items() if not preset.is_indexed])
    return PRESETS[name]
