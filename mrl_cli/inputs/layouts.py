"""How the items of ranked lists stand in rows: an item in each, or a list in each. Decided by the head of an input.

Nothing is taken for certain that rows after the head may contradict: there a number where a list belongs is a problem
that is named, and so is a list where a number does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MrlError, UsageError
from mrl_cli.inputs import head_of, paths
from mrl_cli.inputs.kinds import (
    LIST_SETTINGS,
    LISTS,
    PAIRS,
    TEXTS,
    described_places,
    kind_of,
    list_columns,
    texts_among,
)
from mrl_cli.inputs.presets import LIST_PRESETS, PRESETS, ListPreset, described, fitting
from mrl_cli.model import EVERY, Plan, Role
from mrl_cli.settings import flags_of
from mrl_cli.words import harmless, listed, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mrl_cli.inputs.base import Source
    from mrl_cli.inputs.heads import Head

    Cells = Mapping[str, Sequence[Any]]

NESTING = ("jsonl", "json", "parquet", "arrow")  # formats whose cells may be lists
_OF_ITEMS: tuple[Role, ...] = ("y", "score", "weight")
_SIDES: tuple[Role, ...] = ("chosen", "rejected")


def with_layout(plan: Plan, sources: Sequence[Source], *, is_query_named: bool = False) -> Plan:
    """Return the plan of ranked lists with the roles whose cells are lists in these sources.

    Where a row is a list of its own it needs no query; a column of those is used where it is there. Raises UsageError
    for sources that differ, and for lists in a format that has none.
    """
    found: dict[tuple[Role, ...], str] = {}
    names: set[str] = set()
    for source in sources:
        head = head_of(source, plan) if source.format in NESTING else None
        columns = {} if head is None else _columns(head, plan)
        if head is not None and not columns:  # without a row
            continue
        roles = list_roles(columns, plan)
        if roles:
            _refuse_several_queries(columns, plan, source)
        if roles and head is None:
            msg = f"{source.shown_name}: a row is a list here, and cells are lists in JSON, Parquet and Arrow only"
            raise UsageError(msg, hint="write a row for each item, with the columns query, label and score")
        found.setdefault(roles, source.shown_name)
        names |= columns.keys()
    if len(found) > 1:
        (roles, first), (others, second) = list(found.items())[:2]
        differ = set(roles) ^ set(others)
        which = ", ".join(option_of("label" if role == "y" else role) for role in _OF_ITEMS if role in differ)
        msg = f"the cells of {which} are lists in {first if roles > others else second} and numbers in the other"
        raise UsageError(f"{first} and {second} differ: {msg}", hint="read them one by one")
    lists = next(iter(found), ())
    if lists and any(source.beside is not None for source in sources):
        raise UsageError("--scores, --group-sizes and --qrels go with a row for each item: here a row is a list")
    query = plan.columns.name_of("query")
    if lists and query is not None and not is_query_named and query not in names:
        plan = without_query(plan)
    return plan.changed(lists=lists)


def without_query(plan: Plan) -> Plan:
    """Return the plan without a column of queries."""
    return plan.changed(columns=plan.columns.where(lambda role, _: role != "query"))


def _refuse_several_queries(columns: Cells, plan: Plan, source: Source) -> None:
    """Raise UsageError where a row of lists has a list of queries too: its items are not of one list then."""
    name = plan.columns.name_of("query") or ""
    name = name if name in columns else list_columns(columns).get("query", "")
    if any(isinstance(cell, list) and len(cell) > 1 for cell in columns.get(name, ())):
        msg = f"{source.shown_name}: {harmless(name)} holds lists too, and a row of lists is the list of one query"
        raise UsageError(msg, hint="write a row for each item, or one for each query")


def _columns(head: Head, plan: Plan) -> Cells:
    """Return the first cells of each column; an object of lists of numbers without a query is a row of lists."""
    columns = _as_columns(head)
    of_items = {name for role, name in plan.columns.wanted_numbers if role in _OF_ITEMS}
    found = [columns.get(name, ()) for name in of_items]
    are_numbers = all(len(cells) > 0 and not any(isinstance(cell, list | dict) for cell in cells) for cells in found)
    # Anything else that has as many values may tell queries apart.
    are_alone = all(len(cells) == 1 for name, cells in columns.items() if name not in of_items)
    return (_as_row(head) if are_numbers and are_alone else None) or columns


def _as_columns(head: Head) -> Cells:
    return {column.name: column.cells for column in head.columns}


def _as_row(head: Head) -> Cells | None:
    """Return an object of columns as the one row that it may be, None for another layout."""
    is_object = head.dialect.get("layout") == "columns"
    return {column.name: [column.cells] for column in head.columns} if is_object else None


def cells_of(head: Head) -> Cells:
    """Return the first cells of each column; an object whose lists are ranked only if it is one row is that row."""
    columns, row = _as_columns(head), _as_row(head)
    if row is None or next(list_candidates(row), None) is None:
        return columns
    kind = kind_of(columns).kind
    return row if kind is None or (kind == LISTS and next(list_candidates(columns), None) is None) else columns


def with_list_preset(
    plan: Plan, preset: ListPreset, sources: Sequence[Source], given: Mapping[Role, str], *, is_grouped: bool
) -> Plan:
    """Return the plan with the columns that a preset names and the first source with rows has, but for those given.

    `is_grouped`: the user groups by something else. Raises UsageError where the columns are not there.
    """
    heads = ((source, head_of(source, plan)) for source in sources)
    source, head = next(((source, head) for source, head in heads if head.columns), (None, None))
    columns = {} if head is None else _as_columns(head)
    row = None if head is None or _layout_in(columns, preset, given) else _as_row(head)
    if row is not None and _layout_in(row, preset, given):
        columns = row
    place = None if source is None else source.shown_name
    return with_preset_of_cells(plan, preset, columns, place, given, is_grouped=is_grouped)


def _layout_in(columns: Cells, preset: ListPreset, given: Mapping[Role, str]) -> Mapping[Role, str] | None:
    """Return the first layout of a preset that is there, with the columns given in its place; None for none."""
    for layout in preset.layouts:
        if all(role in given or _is_there(name, columns) for role, name in layout.items()):
            return {role: given.get(role, name) for role, name in layout.items()}
    return None


def with_preset_of_cells(
    plan: Plan, preset: ListPreset, columns: Cells, place: str | None, given: Mapping[Role, str], *, is_grouped: bool
) -> Plan:
    """Return the same by the first cells of the columns of a place, None where there are none."""
    names = _layout_in(columns, preset, given)
    if names is None and place is not None:
        layouts = ", or ".join(dict.fromkeys(" and ".join(layout.values()) for layout in preset.layouts))
        msg = f"{place} does not have the columns of --preset {preset.name}, {layouts}"
        flags = " and ".join(f"{option_of(plan.setting_of(role))} COLUMN" for role in preset.layouts[0])
        hint = hint_for_kind(columns, plan) or f"name the columns with {flags}"
        raise UsageError(f"{msg}; it has: {listed(columns)}", hint=hint)
    if names is None:
        names = {role: given.get(role, name) for role, name in preset.layouts[-1].items()}
    further = [(role, name) for role, name in preset.keys if name in columns and not (role == "group" and is_grouped)]
    numbers = tuple((role, name) for role, name in names.items() if role != "y")
    others = tuple((role, name) for role, name in plan.columns.numbers if role not in names and role != "score")
    keys = (*plan.columns.keys, *further)
    columns_now = replace(plan.columns, y=names.get("y"), numbers=(*numbers, *others), keys=keys)
    return plan.changed(columns=columns_now, preset=preset.name, labels=preset.labels)


def first_cells(source: Source, plan: Plan) -> Cells:
    """Return the first cells of each column of a source, none where it cannot be read once more."""
    try:
        return cells_of(head_of(source, plan)) if source.file else {}
    except MrlError:
        return {}


def hint_for_kind(cells: Cells, plan: Plan) -> str | None:
    """Return what reads rows of these first cells, as `mrl check` proposes it: a preset, or another command.

    None where that is not known, and where the command of the plan reads such rows.
    """
    if not cells:
        return None
    rows, options = kind_of(cells), next(list_candidates(cells), {})
    unscored = None if options else unscored_preset(cells)
    if not plan.has_lists:
        if len(list_columns(cells)) == len(LIST_SETTINGS):  # items, which their names alone show
            return None
        if rows.preset is not None and PRESETS[rows.preset].is_indexed:
            return described_places(rows)
        if rows.kind == TEXTS:
            return f"{harmless(rows.reason, 200)}: score the texts first"
        if not {"x1", "x2"} <= cells.keys() and (texts := texts_among(cells)) and fitting([*texts]) is not None:
            return f"{' and '.join(texts)} are texts: name columns of numbers with --x1 COLUMN and --x2 COLUMN"
        if unscored is not None:
            return f"{harmless(rows.reason, 200)}? use mrl rank {unscored}"
        reads = shell_line(["mrl", "rank", *flags_of(options)])
        return f"{harmless(rows.reason, 200)}? use {reads}" if rows.kind == LISTS else None
    if (path := _path_to_all(cells, plan)) is not None:
        return f"did you mean {shell_line(path)}?"
    if "preset" in options:
        return described(LIST_PRESETS[options["preset"]])
    if unscored is not None:
        return f"{harmless(rows.reason, 200)}? use {unscored}"
    if rows.kind != PAIRS or "query" in list_columns(cells):
        return None
    named = {of: name for of, name in rows.options.items() if of != name}
    named = {"preset": rows.preset} if rows.preset else named
    named |= {"scores": "FILE"} if rows.preset and PRESETS[rows.preset].is_indexed else {}
    reads = shell_line(["mrl", "compute", *flags_of(named)])
    return f"{harmless(rows.reason, 200)}? use {reads}"


def list_candidates(columns: Cells) -> Iterator[dict[str, Any]]:
    """Yield the options of `mrl rank` that may read rows of these first cells, the likeliest first."""
    preset = _fitting_preset(columns)
    if preset is not None:
        yield {"preset": preset}
    found = list_columns(columns)
    if {"label", "score"} <= found.keys():
        named = {of: name for of, name in found.items() if name != of}
        yield named | ({"labels": "rank"} if found["label"].strip().casefold() == "rank" else {})


def _fitting_preset(columns: Cells) -> str | None:
    """Return the name of the first preset of lists whose columns are all there, None for none."""
    for preset in LIST_PRESETS.values():
        for layout in preset.layouts:
            lists = [cell for name in layout.values() for cell in _cells(columns, name) if isinstance(cell, list)]
            if lists and all(_is_there(name, columns) for name in layout.values()):
                return preset.name
    return None


def unscored_preset(columns: Cells) -> str | None:
    """Return the options for answers whose labels stand as a producer writes them, without scores; None for others."""
    for preset in LIST_PRESETS.values():
        label = preset.layouts[0].get("y", "")
        if EVERY in label.split(".") and _is_there(label, columns):
            return f"--preset {preset.name}, and name the scores of a model with --score COLUMN"
    return None


def _path_to_all(columns: Cells, plan: Plan) -> list[str] | None:
    """Return the option and path to all items of lists, where one that is named leads into a list; None for others."""
    for role, name in plan.columns.wanted_numbers:
        keys = name.split(".")
        ways = (".".join([*keys[:place], EVERY, *keys[place:]]) for place in range(1, len(keys)))
        way = None if _is_there(name, columns) else next((way for way in ways if _is_there(way, columns)), None)
        if way is not None:
            return [option_of(plan.setting_of(role)), way]
    return None


def _is_there(name: str, columns: Cells) -> bool:
    """Return whether some of the first cells are there at a name or path."""
    if name in columns:
        return True
    for cell in _cells(columns, name):
        items = cell if isinstance(cell, list) else [cell]
        if any(item is not None and not isinstance(item, paths.Astray) for item in items):
            return True
    return False


def list_roles(columns: Cells, plan: Plan) -> tuple[Role, ...]:
    """Return the roles whose cells are lists, none where a row is an item, by names of columns and their first cells.

    A path to all items of lists says so itself, and so do columns of chosen and rejected ones. Else rows are lists
    where labels or scores are, but for lists of one number each beside a query: those are that number.

    >>> from mrl_cli.model import Columns, Plan
    >>> plan = Plan.of(columns=Columns(None, None, "label", (("score", "score"),), (("query", "query"),)))
    >>> list_roles({"label": [[1, 0]], "score": [[0.5, 2]]}, plan)
    ('y', 'score')
    >>> list_roles({"query": ["a"], "label": [1], "score": [[0.5]]}, plan)
    ()
    """
    names = dict(plan.columns.wanted_numbers)
    cells = {role: [cell for cell in _cells(columns, name) if cell is not None] for role, name in names.items()}
    are_every = {role for role, name in names.items() if EVERY in name.split(".")}
    are_lists = are_every | {role for role in names if any(isinstance(cell, list) for cell in cells[role])}
    of_items = [role for role in _OF_ITEMS if role in are_lists]
    if set(_SIDES) & names.keys():
        if "weight" in of_items:
            raise UsageError("a weight of each item does not go with --chosen and --rejected: one of the row does")
        return _SIDES
    if "num_correct" in names:
        return ("score", *(role for role in of_items if role == "weight"))
    lists = [cell for role in ("y", "score") for cell in cells.get(role, ()) if isinstance(cell, list)]
    are_named = not are_every.isdisjoint(of_items)
    is_named = (plan.columns.name_of("query") or "") in columns
    if not (are_named or any(len(cell) != 1 for cell in lists) or (lists and not is_named)):
        return ()
    return tuple(role for role in _OF_ITEMS if role in ("y", "score") or role in of_items)


def _cells(columns: Cells, name: str) -> Sequence[Any]:
    """Return the first cells at a name or path; where it leads to no cell stands what says so."""
    top, path = paths.split(name, columns) or (name, "")
    return [paths.cell_at(cell, path, top) for cell in columns.get(top, ())]
