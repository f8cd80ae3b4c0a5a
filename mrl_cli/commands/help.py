"""`mrl help`: the help of a command, or of mrl."""

from __future__ import annotations

from typing import Any

import click

from mrl_cli.commands import command_names
from mrl_cli.commands.helping import HelpContext
from mrl_cli.commands.options import Options, declared
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.saying import print_help


@click.command("help", cls=Command, examples=("mrl help", "mrl help compute", "mrl help docs"))
@click.argument(
    "command_name",
    metavar="[COMMAND]",
    required=False,
    shell_complete=lambda _, __, begin: [name for name in command_names() if name.startswith(begin)],
)
@click.pass_context
def command(ctx: click.Context, /, command_name: str | None, **given: Any) -> None:
    """Print all of the help of COMMAND, as `mrl COMMAND --help` does; without COMMAND, which commands there are."""
    del given  # `remember` has taken them
    root = ctx.find_root()
    group = root.command
    if command_name is None or not isinstance(group, click.Group):
        print_help(root, root.get_help())
        return
    _, found, _ = group.resolve_command(root, [command_name])
    if found is not None:
        with HelpContext(found, info_name=command_name, parent=root) as own:
            print_help(own, found.get_help(own))


command.add_options(*declared(Options, ("color", "no_pager")))
