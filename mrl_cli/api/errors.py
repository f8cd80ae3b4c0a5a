"""Errors as the Python interface raises them: ValueError, with arguments in place of options."""

from __future__ import annotations

import re
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import MrlError, with_hint
from mrl_cli.losses import ParameterError
from mrl_cli.words import OPTION, closest, hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VALUE = re.compile(rf"{OPTION.pattern} (?:'([^']*)'|(?![A-Z]+\b)(\S+?)(?=[,;?]?(?: |$)))")
_PARAMETER = re.compile(r"--param (\w+)=[^\s;]+")
_BETWEEN = re.compile(r"(?<=['\d]) (?=[a-z]\w*=['\d])")  # arguments, of which the one before ends in a value
_NAMED = re.compile(rf"{OPTION.pattern}( [A-Z]+\b)?")  # and what its value is called in the help
_ARGUMENTS = {"memory": "memory_bytes"}  # what arguments are called that are not called as the option
_NUMBERS = {"max_pairs", "top", "margin", "y_const", "scale", "confidence"}  # arguments that no text is given for
_FUNCTIONS = {"mrl rank": "evaluate_lists", "mrl compute": "evaluate"}


@contextmanager
def value_errors(*functions: Callable[..., Any]) -> Iterator[None]:
    """Raise ValueError, the error of the Python interface, in place of a MrlError, and in the words of Python.

    Of the hint, what `functions` have the arguments for, where they are given.
    """
    try:
        yield
    except MrlError as error:
        hint = hint_for(error.hint, arguments_of(*functions)) if functions else error.hint
        hint = hint and in_python(hint, has_values=True)
        raise ValueError(with_hint(in_python(error.message, has_values=False), hint)) from None


@contextmanager
def argument_errors(*functions: Callable[..., Any]) -> Iterator[None]:
    """Say of a parameter that a loss does not have that functions do not have an argument called so either."""
    try:
        yield
    except ParameterError as error:
        if error.name in error.names:
            raise
        known = {name for function in functions for name in signature(function).parameters} | {*error.names}
        near = closest(error.name, known)
        hint = f"the temperature is 1/beta: {error.same}" if error.same else near and f"did you mean {near}=…?"
        message = with_hint(f"there is no argument {error.name!r}, and {error}", hint)
        raise ParameterError(message, name=error.name, names=error.names) from None


def arguments_of(*functions: Callable[..., Any]) -> set[str]:
    """Return the names of what functions take, and of the options that are called otherwise."""
    names = {name for function in functions for name in signature(function).parameters}
    return names | {option for option, argument in _ARGUMENTS.items() if argument in names}


def in_python(text: str, *, has_values: bool) -> str:
    """Return a message in the words of Python: arguments in place of options, and the functions of commands.

    In a hint, which `has_values`, what follows an option is its value, but for a word in capitals.

    >>> in_python("use --on-tie drop in place of --labels; name it with --y COLUMN", has_values=True)
    "use on_tie='drop' in place of labels; name it with y=…"
    >>> in_python("--max-pairs 6 goes through them", has_values=True)
    'max_pairs=6 goes through them'
    >>> in_python("give it with --param label_smoothing=SHARE; use --loss logistic --margin 1", has_values=True)
    "give it with label_smoothing=…; use loss='logistic', margin=1"
    >>> in_python("for ranked lists there is `mrl rank`; --top goes with it", has_values=False)
    'for ranked lists there is evaluate_lists; top goes with it'
    """

    def named(match: re.Match[str]) -> str:
        name = match[1].replace("-", "_")
        return _ARGUMENTS.get(name, name)

    def given(match: re.Match[str]) -> str:
        name, value = named(match), match[2] or match[3]
        return f"{name}={value if name in _NUMBERS else repr(value)}"

    def asked_for(match: re.Match[str]) -> str:
        return f"{named(match)}=…" if match[2] else named(match)

    for command, function in _FUNCTIONS.items():
        text = text.replace(f"`{command}`", function).replace(command, function)
    text = _PARAMETER.sub(r"\1=…", text)
    if has_values:
        parts = [part.partition(" in place of ") for part in text.split("; ")]
        uses = (_BETWEEN.sub(", ", _VALUE.sub(given, use)) for use, *_ in parts)
        text = "; ".join(use + instead + of for use, (_, instead, of) in zip(uses, parts, strict=True))
    return _NAMED.sub(asked_for, text)
