"""`mrl docs`: the documentation, topic by topic."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from mrl_cli.commands import outputs
from mrl_cli.commands.options import Options, declared, refuse_if
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.saying import require_stdout
from mrl_cli.render.terminal import terminal_size
from mrl_cli.words import closest, harmless

FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "docs")
REFERENCE = "reference"  # the folder of the pages that are made from the commands


def topics() -> dict[str, str]:
    """Return what each topic is about, by name; a topic is a file of the folder, and that is its first sentence."""
    return {name: text_of(name).split("\n\n", 2)[1].replace("\n", " ") for name in known() if "/" not in name}


def text_of(topic: str) -> str:
    """Return a topic's page, in Markdown."""
    with open(os.path.join(FOLDER, *f"{topic}.md".split("/")), encoding="utf-8") as file:
        return file.read()


def known(begin: str = "") -> list[str]:
    """Return the names that begin so: of topics, then of pages that are made from the commands."""
    folders = ("", FOLDER), (f"{REFERENCE}/", os.path.join(FOLDER, REFERENCE))
    names = [prefix + name for prefix, folder in folders for name in sorted(os.listdir(folder))]
    return [name.removesuffix(".md") for name in names if name.endswith(".md") and name.startswith(begin)]


@click.command("docs", cls=Command, examples=("mrl docs", "mrl docs losses", "mrl docs reference/compute"))
@click.argument("topic", required=False, shell_complete=lambda _, __, begin: known(begin))
def command(topic: str | None, **given: Any) -> None:
    """Print a TOPIC of the documentation: laid out on a terminal, as Markdown elsewhere. Without TOPIC, list them."""
    require_stdout()
    if topic is None:
        lines = click.HelpFormatter(width=terminal_size()[0] if sys.stdout.isatty() else sys.maxsize)
        lines.write_dl([*topics().items()])
        lines.write_paragraph()
        lines.write_text(f"{REFERENCE}/COMMAND holds the options of a command, as mrl help COMMAND prints them.")
        click.echo(lines.getvalue(), nl=False)
        return
    near = closest(topic, known())
    hint = f"did you mean {near}? mrl docs lists the topics" if near else "mrl docs lists the topics"
    refuse_if(topic not in known(), f"no topic is called {harmless(topic)!r}", hint)
    text, options = text_of(topic), Options(**given)
    screen = outputs.screen_of(options)
    if screen.height is not None:
        from mrl_cli.render.document import terminal_text

        text = terminal_text(text, screen)
    outputs.print_pieces([text], options, screen)


command.add_options(*declared(Options, ("color", "no_pager")))
