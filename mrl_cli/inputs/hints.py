"""What to do where a wanted column is not there: chosen from the names that are, so that following it goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MrlError
from mrl_cli.inputs.kinds import LIST_SETTINGS, are_numbers, is_row, kind_of, list_columns
from mrl_cli.inputs.paths import closest_path
from mrl_cli.inputs.presets import LIST_PRESETS, described_fit
from mrl_cli.model import Plan, Role, setting_of
from mrl_cli.model.problems import ENCODING_HINT
from mrl_cli.settings import flags_of
from mrl_cli.words import closest, harmless, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Source = Any  # that of `inputs.base`, which imports this module

_RANK_RUN = "a run of TREC is read by mrl rank, with --qrels FILE for its judgments"
_RANK_LETOR = "LETOR is read by mrl rank, with --scores FILE for the scores of its rows"
# What is not in files of a format, where it is then.
HINTS_OF_FORMATS: dict[tuple[str, Role], str] = {
    ("trec", "x1"): _RANK_RUN,
    ("trec", "x2"): _RANK_RUN,
    ("trec", "y"): "a run of TREC has no labels: name the file of judgments with --qrels FILE",
    ("letor", "x1"): _RANK_LETOR,
    ("letor", "x2"): _RANK_LETOR,
    ("letor", "score"): "LETOR has no scores: name a file with one for each row with --scores FILE",
    ("letor", "query"): "rows without qid: name a file with the number of rows of each query with --group-sizes FILE",
}
# The same of pairs, in a command that reads lists where one of their options is given.
HINTS_OF_LISTS = {
    "trec": "a run of TREC holds ranked lists: name the file of judgments with --qrels FILE",
    "letor": "LETOR holds ranked lists: use --query query; without qid, --group-sizes FILE; --scores FILE has scores",
}
_OBJECT = re.compile(r"""\s*\{\s*("|}|$)""")  # begins a line of JSON
_SEPARATORS = {",": ",", "\t": "tab", ";": ";", "|": "|", " ": " "}  # as --delimiter has them
_DIFFERENCES = {"difference", "differences", "diff", "score_diff", "score_difference", "reward_diff", "delta"}
_LABELS = {"label", "labels", "winner", "preference", "preferred", "choice"}


def hint_for_missing(role: Role, wanted: str, names: Sequence[str], plan: Plan, source: Source) -> str:
    """Return what to do where an input has columns of these names, and not the one wanted for a role."""
    is_delimited, is_file = source.format in ("csv", "tsv"), source.file is not None
    hint = _hint_for_text(names, plan) if is_delimited else None
    if hint is not None:
        return hint
    if plan.has_lists:
        return _hint_for_lists(role, wanted, names, plan, is_delimited=is_delimited)
    is_unnamed = role == wanted and role in ("x1", "x2", "y")  # the user did not name this column
    if is_unnamed and role != "y" and (hint := hint_for_items(names, "mrl", "rank")) is not None:
        return hint
    if is_unnamed and plan.reporting.preset is None and (fit := described_fit(names)) is not None:
        return fit if is_file else fit + _of_lists(names)
    if is_unnamed and role != "y" and (hint := _hint_for_difference(names)) is not None:
        return hint
    if is_unnamed and role != "y" and (hint := _hint_for_references(names, plan)) is not None:
        return hint
    option = option_of(setting_of(role))
    taken = {name for other, name in plan.columns.wanted if other != role} if is_number(role, plan) else set()
    free = [name for name in names if name.strip() not in taken]
    near = _closest(wanted, free, is_delimited=is_delimited)
    if near is not None and is_number(role, plan) and is_file:
        texts = _texts_in(source, plan)
        near = _closest(wanted, [name for name in free if name not in texts], is_delimited=is_delimited)
    if near is None and role == "y":
        near = next((name for name in names if name.strip().casefold() in _LABELS - taken), None)
    if near is not None:
        return f"did you mean {shell_line([option, near])}?"
    hint = f"name the column with {option} COLUMN"
    if role != "y":
        return hint
    instead = "" if is_unnamed or wanted == "3" else " in place of --y"
    return f"{hint}; no label column, and x1 should be the higher one in every pair? use --y-const 1{instead}"


def _texts_in(source: Source, plan: Plan) -> set[str]:
    """Return the columns that hold texts, and no numbers, in the first rows of a file."""
    from mrl_cli.inputs import head_of

    try:
        columns = [column for column in head_of(source, plan).columns if not are_numbers(column.cells)]
    except MrlError:
        return set()
    return {column.name for column in columns if any(isinstance(cell, str) for cell in column.cells)}


def hint_for_items(names: Iterable[str], *command: str) -> str | None:
    """Return what to do where rows are items of lists by the names of their columns: use that command, or this one."""
    found = list_columns(names)
    if len(found) < len(LIST_SETTINGS):
        return None
    shown = {of: name for of, name in found.items() if of != name or (of == "query" and not command)}
    options = [word for of, name in shown.items() for word in (option_of(of), name)]
    return f"each row is an item of a query? use {shell_line([*command, *options])}"


def _of_lists(names: Sequence[str]) -> str:
    """Return the further part of a hint that lists may have columns of these names too, where they may."""
    presets = (p for p in LIST_PRESETS.values() if any(set(layout.values()) <= set(names) for layout in p.layouts))
    preset = next(presets, None)
    return "" if preset is None else f"; are their cells lists? then mrl rank --preset {preset.name}"


def _hint_for_lists(role: Role, wanted: str, names: Sequence[str], plan: Plan, *, is_delimited: bool) -> str:
    """Return what to do where a column of lists is missing: names that go on for all that are."""
    option, there = plan.setting_of(role), {name.strip() for name in names}
    missing = [plan.setting_of(other) for other, name in plan.columns.wanted if name not in there]
    taken = {name for _, name in plan.columns.wanted}
    likely = {of: name for of, name in list_columns(names).items() if of in missing and name not in taken}
    if option in likely and wanted == option:
        return f"did you mean {shell_line([word for of, name in likely.items() for word in (option_of(of), name)])}?"
    near = _closest(wanted, [name for name in names if name.strip() not in taken], is_delimited=is_delimited)
    near = near or likely.get(option)
    if near is not None:
        return f"did you mean {shell_line([option_of(option), near])}?"
    return f"name the column with {option_of(option)} COLUMN"


def _closest(wanted: str, names: Sequence[str], *, is_delimited: bool) -> str | None:
    return closest(wanted, names) if is_delimited else closest_path(wanted, names)  # whose cells may nest


def is_number(role: Role, plan: Plan) -> bool:
    """Return whether a role's column holds numbers: two of them in one column are a mistake."""
    return role in dict(plan.columns.wanted_numbers)


def _hint_for_difference(names: Sequence[str]) -> str | None:
    name = next((name for name in names if name.strip().casefold() in _DIFFERENCES), None)
    if name is None or {"x1", "x2"} & set(names):
        return None
    return f"does {harmless(name)} hold x1 - x2 already? use {shell_line(['--difference', name])}"


def _hint_for_references(names: Sequence[str], plan: Plan) -> str | None:
    """Return what to do where scores stand beside those of a reference model, by their names."""
    columns, rows = plan.columns, kind_of(dict.fromkeys(names, (0.5,)))
    are_named = (columns.x1, columns.x2, columns.name_of("x1_reference")) != ("x1", "x2", None)
    if rows.references is None or are_named:
        return None
    has_label = plan.rules.y_const is not None or columns.name_of("y") != "y"
    options = {
        name: value
        for name, value in (rows.options | rows.reference_options).items()
        if not (has_label and name in ("y", "y_const"))
    }
    return f"{rows.reason}? use {shell_line(flags_of(options))}"


def _hint_for_text(names: Sequence[str], plan: Plan) -> str | None:
    """Return what to do about a delimited text whose header line may have been misread, None where it was not."""
    dialect, wanted = plan.reading.dialect, {name for _, name in plan.columns.wanted}
    if any("\0" in name for name in names):
        return hint_for_encoding("".join(names))
    if not dialect.header:
        return None
    if names and _OBJECT.match(names[0]):
        return "is each line an object of JSON? give the file the suffix .jsonl"
    for name in names:
        for separator, spelled in _SEPARATORS.items():
            if wanted <= {part.strip() for part in name.split(separator)}:
                what = "blanks" if separator == " " else repr(spelled)
                return f"are the columns separated by {what}? use {shell_line(['--delimiter', spelled])}"
    if is_row(names):
        return "is there no header line? use --no-header, and columns are called 1, 2, 3, …"
    return None


def hint_for_encoding(text: str) -> str:
    r"""Return what to do about a text, read as bytes, that is not in the encoding.

    >>> hint_for_encoding("x\x001\x00"), hint_for_encoding("\x00x\x001")[-9:]
    ('the text has NUL bytes; is it UTF-16? use --encoding utf-16-le', 'utf-16-be')
    """
    if "\0" not in text:
        return ENCODING_HINT
    return f"the text has NUL bytes; is it UTF-16? use --encoding utf-16-{'be' if text.startswith(chr(0)) else 'le'}"
