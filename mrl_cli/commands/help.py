"""`mrl help`: the help of a command, or of mrl."""

from __future__ import annotations

import click

from mrl_cli.commands.parsing import Command


@click.command("help", cls=Command, examples=("mrl help", "mrl help compute", "mrl help docs"))
@click.argument("command_name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(ctx: click.Context, command_name: str | None) -> None:
    """Print all of the help of COMMAND, as `mrl COMMAND --help` does; without COMMAND, which commands there are."""
    root = ctx.find_root()
    group = root.command
    if command_name is None or not isinstance(group, click.Group):
        click.echo(root.get_help())
        return
    _, found, _ = group.resolve_command(root, [command_name])
    if found is not None:
        with click.Context(found, info_name=command_name, parent=root) as own:
            click.echo(found.get_help(own))
