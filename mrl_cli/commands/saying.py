"""What is said on stderr, and help on stdout: in colour where a person reads it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import click

from mrl_cli.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHOICE, _NO_PAGER = "mrl_cli.color", "mrl_cli.no_pager"
_LABELS = {"fail-if": "bad", "validation": "bad"}  # what is called otherwise than its colour
_LABEL = re.compile(r"^(error|hint|note|fail-if|validation):", re.MULTILINE)


def say(text: str, context: click.Context | None = None) -> None:
    """Print lines on stderr, what begins them in colour: error, hint, note and the like.

    The context, that of the command if none is given, knows what --color says.
    """
    in_color = is_colored(sys.stderr, context)
    if in_color:
        from mrl_cli.render.colors import painted

        text = _LABEL.sub(lambda met: painted(met[0], _LABELS.get(met[1], met[1])), text)
    click.echo(text, err=True, color=in_color)


def is_colored(stream: IO[str] | None, context: click.Context | None = None) -> bool:
    """Return whether a stream is in colour: stdout or stderr, None where it is closed."""
    from mrl_cli.render.colors import wants_color

    context = context or click.get_current_context(silent=True)
    usual = os.environ.get("MRL_COLOR") or "auto"
    choice = usual if context is None else context.find_root().meta.get(_CHOICE, usual)
    return wants_color(choice, os.environ, is_terminal=stream is not None and stream.isatty())


def require_stdout() -> None:
    """Raise MachineError where stdout is closed, for click then prints nothing and says nothing."""
    if sys.stdout is None:
        raise MachineError("stdout is closed")


def print_help(context: click.Context, text: str) -> None:
    """Print help on stdout, through the pager where it is longer than the screen."""
    require_stdout()
    root = context.find_root()
    is_whole = root.meta.get(_NO_PAGER) or root.params.get("no_pager")
    if sys.stdout.isatty() and not is_whole:
        from mrl_cli.commands.pager import paged
        from mrl_cli.render.terminal import terminal_size

        if paged(f"{text}\n", terminal_size()[1]):
            return
    click.echo(text, color=True)  # with colours where the formatter has painted some


def remember(context: click.Context, parsed: Mapping[str, Any]) -> None:
    """Keep what the words of a run and the environment say of colour and pager: help is printed before all is read."""
    for option in context.command.params:
        key = {"color": _CHOICE, "no_pager": _NO_PAGER}.get(option.name or "")
        if key is not None:
            with suppress(click.ClickException):  # a value that is wrong is refused in its turn
                value, _ = option.consume_value(context, parsed)
                context.find_root().meta[key] = option.type_cast_value(context, value)


def remember_color(context: click.Context, _option: click.Parameter, choice: str) -> str:
    """Keep what --color says for messages on stderr, those of later errors too."""
    context.find_root().meta[_CHOICE] = choice
    return choice
