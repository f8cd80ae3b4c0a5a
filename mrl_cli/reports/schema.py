"""What `mrl schema` reports: the JSON Schema of a report, made of its records and of what their keys mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mrl_cli.records import NamedTuple
from mrl_cli.reports import keys
from mrl_cli.reports.base import Report
from mrl_cli.reports.compare import COMPARED_SETTINGS
from mrl_cli.reports.compute import ComputeReport
from mrl_cli.reports.figures import EVERY_SETTING, FIGURES, GROUP_KEYS, PAIR_NUMBERS, SETTINGS, keys_that_need
from mrl_cli.reports.rank import RankReport
from mrl_cli.reports.sweep import AFTER_POINTS
from mrl_cli.reports.validate import VALIDATED_SETTINGS
from mrl_cli.words import NOT_FINITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
KINDS: dict[str, dict[str, Any]] = {
    "number": {"type": ["number", "null"]},  # null for one that is not finite
    "finite": {"type": "number"},
    "count": {"type": "integer", "minimum": 0},
    "flag": {"type": "boolean"},
    "text": _TEXT,
    "texts": {"type": "array", "items": _TEXT},
    "text-or-texts": {"type": ["string", "array"], "items": _TEXT},
    "text-or-null": {"type": ["string", "null"]},
    "finite-or-text": {"type": ["number", "string"]},
    "count-or-null": {"type": ["integer", "null"], "minimum": 0},
    "counts-or-null": {"type": "array", "items": {"type": ["integer", "null"], "minimum": 0}},
    "list": {"type": "array"},
    "list-or-null": {"type": ["array", "null"]},
    "settings": {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
    "values": {"type": "object"},
}
_NAMES = {
    "type": "object",
    "additionalProperties": {"enum": ["NaN", "Infinity", "-Infinity"]},
    "description": "What numbers are that are null for not being finite, by their keys here; KEY.PLACE in a list.",
}
# Of a figure's needs, what ranked lists do not have.
_NEED_PAIRS = (
    *("pairs", "margin of pairs", "describes pairs", "calibration", "label_map", "cluster_column"),
    *("fill margin", "fill weight"),
)
# What the manifest of parts has whatever the run: no value, and no description of scores.
_OF_PARTS = (*keys_that_need("", "pairs"), *EVERY_SETTING)


class Key(NamedTuple):
    """A key of an object in JSON: the kind of its value, what it means, and whether it is always there."""

    name: str
    kind: str
    text: str
    is_always: bool

    @property
    def table(self) -> str | None:
        """The table of the object that it holds, or that each of its items is."""
        match = re.fullmatch(r"[{\[](\w+)[}\]]", self.kind)
        return None if match is None else match[1]

    def schema(self) -> dict[str, Any]:
        """Return the schema of its value."""
        value = KINDS.get(self.kind)
        if value is None:
            value = {"$ref": f"#/$defs/{self.table}"}
            value = {"type": "array", "items": value} if self.kind.startswith("[") else value
        return value | {"description": self.text}


class Form(NamedTuple):
    """The form of a report: what its `schema` says, and the keys of its object, or of each object of its list.

    `tables` are the keys of objects within it that are its own. `line` are those of a line of JSON lines, which may
    have others too, such as the columns grouped by; None where a line is the object. `row` is the table of what is
    written line by line in place of the report.
    """

    schema: str | None
    what: str
    keys: list[Key]
    tables: dict[str, list[Key]] = {}  # noqa: RUF012 (never changed)
    line: list[Key] | None = None
    is_list: bool = False
    row: str | None = None

    @property
    def every_table(self) -> dict[str, list[Key]]:
        """The keys of every object that may be within it."""
        return {table: keys_in(text) for table, text in keys.TABLES.items()} | self.tables


def keys_in(text: str, *, always: Iterable[str] | None = None, only: Iterable[str] | None = None) -> list[Key]:
    """Return the keys that a table of `keys` lists, `only` some of them; without `always`, the table says which are."""
    found = [Key(name.rstrip("?"), kind, meaning, not name.endswith("?")) for name, kind, meaning in _lines(text)]
    wanted, sure = (None if names is None else set(names) for names in (only, always))
    found = [key for key in found if wanted is None or key.name in wanted]
    return found if sure is None else [key._replace(is_always=key.name in sure) for key in found]


def _lines(text: str) -> Iterator[list[str]]:
    return (line.split(" ", 2) for line in text.split("\n") if line)


def _forms() -> dict[str, Form]:
    """Return the form of each report, by the name of its command, and of what is no command's."""
    table, head = {name: keys_in(text) for name, text in keys.TABLES.items()}, keys_in(keys.ENVELOPE)
    every = keys.SETTINGS + keys.PAIR_SETTINGS + keys.LIST_SETTINGS
    settings = {*SETTINGS} - {"margin", "group_by", "cluster_column", "confidence"}
    swept = [
        *keys_in(every, always=EVERY_SETTING, only=settings),
        *keys_in(keys.FIGURES, always=("pairs", "rejected"), only=(*AFTER_POINTS, "filled_margin")),
    ]
    compare = keys_in(every, always=("loss", "dtype", "labels", "confidence"), only=(*COMPARED_SETTINGS, "confidence"))
    compared = [*table["compared_group"][1:], *table["compared"]]
    of_parts = [k._replace(is_always=k.is_always and k.name in _OF_PARTS) for k in _computed(ComputeReport)[0]]
    check = [*head[:2], Key("inputs", "[check_input]", "The inputs, files that are alike together.", True)]
    return {
        "compute": _of_losses(ComputeReport, "mrl.compute/1", "the pairs of files", row="pair"),
        "rank": _of_losses(RankReport, "mrl.rank/1", "ranked lists", row="query"),
        "sweep": Form(
            "mrl.sweep/1", "the loss at many margins", [*head, *swept, *table["sweep"]], {}, [*table["point"], *swept]
        ),
        "compare": Form(
            "mrl.compare/1",
            "two models on the same pairs",
            [*head, *compare, *table["compared"], *table["compare"]],
            {"compared_group": [table["group"][0], *compared]},
            compared,
        ),
        "validate": Form(
            "mrl.validate/1",
            "checks of losses and figures",
            [*head, *keys_in(every, always=(), only=VALIDATED_SETTINGS), *table["validate"]],
        ),
        "check": Form("mrl.check/1", "what would be read of inputs", check, {}, table["check_input"]),
        "pairs": Form(
            None, "the pairs of ranked lists: $defs.line is a line of them", table["list_pair"], is_list=True
        ),
        "losses": Form(None, "the losses, as a list", table["loss"], is_list=True),
        "parts": Form(
            "mrl.parts/1",
            "the manifest of a folder of parts, that mrl compute -o FOLDER/ writes",
            [*head, *of_parts, *table["parts"]],
        ),
        "error": Form(None, "an error, on stderr under -f json", [Key("error", "{error}", "The error.", True)]),
    }


def _of_losses(report: type[ComputeReport], schema: str, what: str, *, row: str) -> Form:
    """Return the form of a report on pairs or on lists."""
    whole, of_groups = _computed(report)
    group, sections = keys_in(keys.TABLES["group"])
    every = [*keys_in(keys.ENVELOPE), *whole, *keys_in(keys.TABLES["further"])]
    return Form(schema, what, every, {"group": [group, *of_groups, sections]}, [*of_groups, sections], row=row)


def _computed(report: type[ComputeReport]) -> tuple[list[Key], list[Key]]:
    """Return the keys of settings and figures of a report on pairs or on lists, and the figures of its groups."""
    of_lists = issubclass(report, RankReport)
    only = {name.partition(".")[0] for name in PAIR_NUMBERS}
    if of_lists:
        only = {figure.key for figure in FIGURES if figure.needs not in _NEED_PAIRS}
    settings = keys.SETTINGS + (keys.LIST_SETTINGS if of_lists else keys.PAIR_SETTINGS)
    figures = keys_in(keys.FIGURES, always=report.FIRST, only=only)
    return keys_in(settings, always=report.FIRST) + figures, [key for key in figures if key.name in GROUP_KEYS]


FORMS = _forms()


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a report by its name in `FORMS`.

    `$defs` has the objects within it, and `line`, that of a line of JSON lines; `pair` or `query`, of one of those.
    """
    form = FORMS[name]
    tables = form.every_table
    whole = _object(form.keys)
    if form.schema is not None:
        whole["properties"]["schema"] |= {"const": form.schema}
    defs = {table: _object(tables[table]) for table in sorted({*_used(form.keys, tables)})}
    if form.line is not None:
        defs["line"] = _object(form.line) | {"additionalProperties": {"type": ["number", "string"]}}
    if form.row is not None:  # beside columns of the input, of any type
        defs[form.row] = _object(tables[form.row]) | {"additionalProperties": True}
    if form.is_list:
        whole, defs["line"] = {"type": "array", "items": {"$ref": "#/$defs/line"}}, whole
    return {"$schema": DRAFT, "title": f"mrl {name}: {form.what}", **whole, "$defs": defs}


def _used(some: Iterable[Key], tables: Mapping[str, list[Key]]) -> Iterator[str]:
    """Yield the tables of the objects within objects with these keys."""
    for key in some:
        if key.table is not None:
            yield key.table
            yield from _used(tables[key.table], tables)


def _object(some: Sequence[Key]) -> dict[str, Any]:
    """Return the schema of an object with these keys, and no others."""
    properties = {key.name: key.schema() for key in some}
    if any(key.kind in ("number", "list") for key in some):
        properties[NOT_FINITE] = _NAMES
    required = [key.name for key in some if key.is_always]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


class SchemaReport(Report):
    """The JSON Schema of the report called `name`; for people and as rows, the keys and what they mean."""

    def record(self) -> dict[str, Any]:
        """Return the schema."""
        return schema_of(self.name)

    def cells(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """Return a row for each key, with the object that it is in."""
        return ("object", "key", "meaning", "kind", "always"), list(self._rows())

    def _rows(self) -> Iterator[tuple[str, ...]]:
        form, tables = FORMS[self.name], FORMS[self.name].every_table
        within = dict.fromkeys(_used(form.keys, tables))
        for name, some in ((self.name, form.keys), *((table, tables[table]) for table in within)):
            yield from ((name, key.name, key.text, key.kind, "yes" if key.is_always else "") for key in some)


class SchemasReport(Report):
    """The reports that have a schema."""

    def record(self) -> list[dict[str, Any]]:
        """Return a record for each report."""
        return [{"name": name, "schema": form.schema, "of": form.what} for name, form in FORMS.items()]

    lines = record

    def cells(self) -> tuple[Sequence[str], list[list[str]]]:
        """Return a row for each report."""
        return ("name", "schema", "of"), [[one["name"], one["schema"] or "", one["of"]] for one in self.record()]
