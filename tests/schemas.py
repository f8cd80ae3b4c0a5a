"""Every JSON that a run prints in tests is held to the schema of its report, as `mrl schema` prints it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from mrl_cli.errors import with_hint
from mrl_cli.reports.schema import FORMS, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 50  # groups, points and the like of one report that are looked at: they are all made alike
NAMES = {form.schema: name for name, form in FORMS.items() if form.schema is not None}


@cache
def validator(name: str, part: str | None = None) -> Draft202012Validator:
    """Return the validator of a report, or of a part of its schema's `$defs`."""
    schema = schema_of(name)
    return Draft202012Validator(_put_in_place(schema if part is None else schema["$defs"][part], schema["$defs"]))


def _put_in_place(schema: Any, defs: dict[str, Any]) -> Any:
    """Return a schema with what it refers to in the place of the reference, which takes long to follow each time."""
    if isinstance(schema, list):
        return [_put_in_place(each, defs) for each in schema]
    if not isinstance(schema, dict):
        return schema
    known = defs[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else {}
    return {key: _put_in_place(value, defs) for key, value in (known | schema).items() if key not in ("$ref", "$defs")}


def errors_in_text(err: str) -> str:
    """Return stderr with the errors that are objects as text: what they say is the same in every format."""
    lines = err.splitlines(keepends=True)
    return "".join(_in_text(json.loads(line)) if line.startswith('{"error": ') else line for line in lines)


def _in_text(record: dict[str, Any]) -> str:
    _hold(record, validator("error"))
    return f"error: {with_hint(record['error']['message'], record['error']['hint'])}\n"


def hold_to_schemas(args: Sequence[str], out: str) -> None:
    """Fail where JSON on stdout is not of the form of its report."""
    if not out.startswith(("{", "[")):
        return
    part = "pair" if "none" in args else "query" if "--per-query" in args else "line"
    try:
        record = json.loads(out)
    except ValueError:  # JSON lines, or text that begins so
        for line in out.splitlines()[:MOST] if args[0] in FORMS and "jsonl" in args else ():
            _hold(json.loads(line), validator(args[0], part))
        return
    if part != "line" and args[0] in FORMS:
        _hold(record, validator(args[0], part))
    elif isinstance(record, dict) and "schema" in record:
        _hold(_shortened(record), validator(NAMES[record["schema"]]))
    elif args[0] == "losses":
        _hold(record, validator("losses"))


def _shortened(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value[:MOST] if isinstance(value, list) else value for key, value in record.items()}


def _hold(record: Any, held_to: Draft202012Validator) -> None:
    errors: Iterable[Any] = held_to.iter_errors(record)
    error = best_match(errors)
    assert error is None, f"{error.json_path}: {error.message}"
