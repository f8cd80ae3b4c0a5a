"""`mrl losses`: the registry, told."""

from __future__ import annotations

import shutil
import sys

import click

from mrl_cli.commands.options import FORMATS


@click.command("losses", epilog="Example: mrl losses --format markdown")
@click.option("-f", "--format", type=click.Choice(FORMATS), default="auto", show_default=True)
def command(**options: str) -> None:
    """List the losses: formula, parameters, source."""
    from mrl_cli.losses import LOSSES
    from mrl_cli.renderers import render_rows

    output_format = options["format"]
    if output_format == "auto":
        output_format = "table" if sys.stdout.isatty() else "tsv"
    names = ("name", "formula", "parameters", "source")
    rows = [(loss.name, loss.formula, ", ".join(loss.parameters), loss.source) for loss in LOSSES.values()]
    width = shutil.get_terminal_size().columns
    click.echo(render_rows(names, rows, output_format, width=width, color=False), nl=False)
