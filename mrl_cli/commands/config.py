"""Files of settings, which hold defaults of options: what they say to one command, and what is wrong in them."""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands import command_names
from mrl_cli.errors import UsageError
from mrl_cli.records import NamedTuple
from mrl_cli.words import closest, harmless, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_PROJECT = "pyproject.toml"
# Of a table tool.mrl there is one of these, however it is written: with escapes too.
_MAY_HAVE_TABLE = re.compile(rb"""\btool\b["']?\s*(?:[\]=]|\.\s*["']?mrl\b)|\\[uU]""")
_NAMES_TABLE = re.compile(rb"""\btool\s*\.\s*mrl\b""")
_HEADING = "write a line [tool.mrl], and below it settings such as margin = 0.5"
_UNSET_HINT = f"--config {os.devnull} reads none"


class Settings(NamedTuple):
    """What a file says to a command: its name as it is shown, defaults of options, and which are for it alone."""

    shown: str
    defaults: dict[str, Any]
    own: frozenset[str]


def settings_in(path: str, command: click.Command, *, is_named: bool) -> Settings | None:
    """Return the defaults of options that a file has for a command; None where it has no settings.

    Settings for all commands stand at the top of the file, and in the table [tool.mrl] of a pyproject.toml; those for
    one command stand in a table called as the command, and win. `is_named`: the user names the file. Raises UsageError
    for one that cannot be read, a key that is no option, and a value that an option does not have.
    """
    shown = harmless(path, 200)
    table = _table(path, shown, is_named=is_named)
    if table is None:
        return None
    options = {param.name: param for param in command.params if isinstance(param, click.Option) and param.name}
    options.pop("config", None)
    names, name = set(command_names()), command.name or ""
    own = table[name] if isinstance(table.get(name), dict) else {}
    for_all = {key: value for key, value in table.items() if not (key in names and isinstance(value, dict))}
    found: dict[str, Any] = {}
    for prefix, some in (("", for_all), (f"{name}.", own)):
        _refuse_repeated(some, shown)
        for key, value in some.items():
            option = options.get(key.replace("-", "_"))
            if option is not None:
                found[key.replace("-", "_")] = _value(option, value, f"{prefix}{key} in {shown}")
            elif prefix:
                _refuse_key(f"{prefix}{key}", shown, options, f"mrl {name} does not have that option")
            elif key.replace("-", "_") not in _options_of_all():
                _refuse_key(key, shown, {*_options_of_all(), *names}, "no command has that option")
    return Settings(shown, found, frozenset(key.replace("-", "_") for key in own))


def _table(path: str, shown: str, *, is_named: bool) -> dict[str, Any] | None:
    """Return what a file says of mrl, None for a project of which nobody says that it does.

    Raises UsageError for a text that is not TOML, unless it is that of a project without a table for mrl.
    """
    is_project, hint = os.path.basename(path) == _PROJECT, None if is_named else _UNSET_HINT
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        if is_project and not is_named:
            return None
        raise UsageError(f"cannot read {shown}: {error.strerror or error}", hint=hint) from None
    if is_project and not _MAY_HAVE_TABLE.search(data) and not is_named:
        return None
    import tomllib

    try:
        table: Any = tomllib.loads(data.decode("utf-8-sig"))  # Windows editors put a BOM first
    except (ValueError, RecursionError) as error:  # a text that is not TOML, not UTF-8, or deep beyond measure
        if is_project and not is_named and not _NAMES_TABLE.search(data):
            return None
        raise UsageError(f"{shown} is not TOML: {harmless(error, 200)}", hint=hint) from None
    for key in ("tool", "mrl") if is_project else ():
        table = table.get(key, {}) if isinstance(table, dict) else {}
        if not table:
            refusal = f"{shown} has no table [tool.mrl]"
            if is_named:
                raise UsageError(refusal, hint=_HEADING)
            return None
    if not isinstance(table, dict):
        raise UsageError(f"tool.mrl in {shown} is not a table", hint=_HEADING)
    return table


def _refuse_repeated(table: Collection[str], shown: str) -> None:
    known: dict[str, str] = {}
    for key in table:
        first = known.setdefault(key.replace("-", "_"), key)
        if first != key:
            raise UsageError(f"{shown} has {first} and {key}, which are one setting", hint="keep one of them")


def _refuse_key(key: str, shown: str, known: Collection[str], reason: str) -> None:
    first, dot, name = key.rpartition(".")
    near = closest(name.replace("-", "_"), known)
    hint = f"keys are the names of options: {listed(sorted(known), most=8)}"
    hint = f"did you mean {first}{dot}{near}?" if near else hint
    if not dot and name in command_names():
        hint = f"settings of one command stand in a table, [{name}]"
    if name in ("help", "version", "config"):
        hint = f"--{name} is for the command line: take it out of the file"
    if name == "tool":
        hint = f"in {_PROJECT} settings stand in [tool.mrl], in other files at the top"
    raise UsageError(f"unknown key {harmless(key)} in {shown}: {reason}", hint=hint)


def _value(option: click.Option, value: Any, place: str) -> Any:
    """Return a value as the words of a command line have it, which the option's type then reads.

    Raises UsageError for one that no word says.
    """
    if option.is_flag:
        _refuse_if(not isinstance(value, bool), place, "must be true or false", value)
        return value
    if isinstance(value, dict):
        has_names = option.multiple and "=" in (option.metavar or "")
        _refuse_if(not has_names, place, "must be a text or a number, not a table", None)
        return [_word(f"{name}={_word(one, place)}", place) for name, one in value.items()]
    if isinstance(value, list):
        _refuse_if(not option.multiple, place, "must be one value", value)
        return [_word(one, place) for one in value]
    word = _word(value, place)
    return [word] if option.multiple else word


def _word(value: Any, place: str) -> str:
    _refuse_if(isinstance(value, bool | list | dict), place, "must be a text or a number", value)
    _refuse_if("\0" in str(value), place, "holds a null character", None)
    return str(value)


def _refuse_if(is_wrong: object, place: str, message: str, value: Any) -> None:
    if is_wrong:
        said = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
        shown = "" if value is None else f", not {harmless(said)}"
        raise UsageError(f"{place} {message}{shown}")


def _options_of(name: str) -> set[str]:
    command: click.Command = import_module(f"mrl_cli.commands.{name}").command
    params = (param for param in command.params if isinstance(param, click.Option))
    return {param.name for param in params if param.name and param.name != "config"}


def _options_of_all() -> set[str]:
    return {option for name in command_names() for option in _options_of(name)}


def notes_on_variables(unknown: Sequence[str], command: click.Command, prefix: str) -> Iterator[str]:
    """Yield notes on variables of the environment that are no options of a command, where they are meant to be."""
    own = f"{prefix}_{(command.name or '').upper()}_"
    others = [f"{prefix}_{name.upper()}_" for name in command_names() if name != command.name]
    for variable in sorted(unknown):
        is_own = variable.startswith(own)
        if not is_own and any(variable.startswith(other) for other in others):
            continue  # it is for another command, which will see to it
        name = variable.removeprefix(own if is_own else f"{prefix}_").lower()
        known = _options_of(command.name or "") if is_own else _options_of_all()
        near = None if name in known else closest(name, known)
        if near:
            did_you_mean = f"{own if is_own else prefix + '_'}{near.upper()}"
            yield f"note: the variable {harmless(variable)} is no option; did you mean {did_you_mean}?"
        elif is_own:
            yield f"note: the variable {harmless(variable)} is no option of mrl {command.name}"
