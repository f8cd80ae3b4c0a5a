"""`mrl completion`: print the completion script of a shell."""

from __future__ import annotations

from typing import Any

import click

from mrl_cli.commands.options import refuse_if
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.saying import require_stdout


@click.command("completion", cls=Command, examples=[f"mrl completion {shell}" for shell in ("bash", "zsh", "fish")])
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL; put it where the shell reads it at start."""
    from click.shell_completion import get_completion_class

    completion: Any = get_completion_class(shell)
    require_stdout()
    refuse_if(completion is None, f"the click that is installed does not know {shell}", "pip install 'click>=8.5'")
    click.echo(completion(ctx.find_root().command, {}, "mrl", "_MRL_COMPLETE").source())
