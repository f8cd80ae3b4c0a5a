"""What is said on stderr, in colour where a person reads it."""

from __future__ import annotations

import os
import re
import sys

import click

_CHOICE = "mrl_cli.color"
_LABELS = {"fail-if": "bad", "validation": "bad"}  # what is called otherwise than its colour
_LABEL = re.compile(r"^(error|hint|note|fail-if|validation):", re.MULTILINE)


def say(text: str, context: click.Context | None = None) -> None:
    """Print lines on stderr, what begins them in colour: error, hint, note and the like.

    The context, that of the command if none is given, knows what --color says.
    """
    in_color = is_colored(context)
    if in_color:
        from mrl_cli.render.colors import painted

        text = _LABEL.sub(lambda met: painted(met[0], _LABELS.get(met[1], met[1])), text)
    click.echo(text, err=True, color=in_color)


def is_colored(context: click.Context | None = None) -> bool:
    """Return whether stderr is in colour."""
    from mrl_cli.render.colors import wants_color

    context = context or click.get_current_context(silent=True)
    choice = "auto" if context is None else context.find_root().meta.get(_CHOICE, "auto")
    return wants_color(choice, os.environ, is_terminal=sys.stderr is not None and sys.stderr.isatty())


def remember_color(context: click.Context, option: click.Parameter, choice: str) -> str:
    """Keep what --color says for messages on stderr, those of later errors too."""
    del option
    context.find_root().meta[_CHOICE] = choice
    return choice
