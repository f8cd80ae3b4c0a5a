"""`mrl losses`: the registry, told."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.options import FORMATS

if TYPE_CHECKING:
    from mrl_cli.losses import Loss


@click.command("losses", epilog="Example: mrl losses --format markdown")
@click.option("-f", "--format", type=click.Choice(FORMATS), default="auto", show_default=True)
def command(**options: str) -> None:
    """List the losses: formula, whether it has a margin, parameters with default and bounds, source."""
    from mrl_cli.losses import LOSSES
    from mrl_cli.render.renderers import render_rows

    output_format = options["format"]
    if output_format == "auto":
        output_format = "table" if sys.stdout.isatty() else "tsv"
    names = ("name", "formula", "margin", "parameters", "source")
    tell = _structured if output_format in ("json", "jsonl") else _worded
    rows = [(loss.name, loss.formula, *tell(loss), loss.source) for loss in LOSSES.values()]
    width = shutil.get_terminal_size().columns
    click.echo(render_rows(names, rows, output_format, width=width, color=False), nl=False)


def _worded(loss: Loss) -> tuple[str, str]:
    return "yes" if loss.has_margin else "no", ", ".join(parameter.summary for parameter in loss.parameters)


def _structured(loss: Loss) -> tuple[bool, list[dict[str, Any]]]:
    return loss.has_margin, [asdict(parameter) for parameter in loss.parameters]
