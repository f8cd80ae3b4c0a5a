"""The options of `mrl rank` that read ranked lists: proposed by the columns of an input, tried on its first rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.commands.listoptions import ListOptions
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.engines.base import Job, first_part
from mrl_cli.errors import DataError, UsageError
from mrl_cli.inputs.kinds import LIST_SETTINGS, LISTS, Rows
from mrl_cli.inputs.layouts import cells_of, list_candidates, unscored_preset
from mrl_cli.inputs.lines import LAYOUTS, LETOR
from mrl_cli.inputs.streams import rewinding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mrl_cli.inputs import Source
    from mrl_cli.inputs.heads import Head

_BESIDE = {True: "its scores are in a file of their own: mrl rank FILE --scores FILE"}
_BESIDE[False] = "its judgments are in a file of their own: mrl rank FILE --qrels FILE"
_UNNAMED = "mrl rank reads ranked lists: name the columns with --query COLUMN, --label COLUMN and --score COLUMN"


def rows_of_lists(source: Source, rows: Rows) -> Rows:
    """Return what rows are, by the format of their source where that says it."""
    if source.format not in LAYOUTS:
        return rows
    return Rows(LISTS, "each row is a document of a query, as TREC or LETOR write it")


def list_options(source: Source, head: Head, given: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the options of `mrl rank` that read the first rows without a problem, None for none; and notes."""
    if source.format in LAYOUTS:
        return None, [_BESIDE[source.format == LETOR]]
    columns = cells_of(head)
    for options in list_candidates(columns):
        if _fits(source, made := {**head.options, **options, **given}):
            return made, []
    unscored = unscored_preset(columns)
    return None, [_UNNAMED if unscored is None else f"mrl rank reads ranked lists: use {unscored}"]


def _fits(source: Source, options: dict[str, Any]) -> bool:
    """Return whether options read the first rows, and as what they are: columns of lists, or items of a query."""
    if not options.keys() <= {*LIST_SETTINGS, "labels", "preset", "delimiter", "encoding", "decimal", "null_value"}:
        return False
    try:
        made = ListOptions(**options)
        plan, (read,) = made.settled(plan_of_options(made), (source,))
        with rewinding(read):
            part = first_part(read, Job(plan, ()))
    except (UsageError, DataError):
        return False
    return part is not None and part.counts.pairs > 0 and not part.counts.problems
