"""`mrl losses`: the losses: formula, parameters, source."""

from __future__ import annotations

from typing import Any

import click

from mrl_cli import runtime
from mrl_cli.commands import outputs
from mrl_cli.commands.options import FORMAT_HELP, Options, declared
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.values import LossName


@click.command("losses", cls=Command, examples=("mrl losses", "mrl losses ranknet", "mrl losses --format markdown"))
@click.argument("name", required=False, type=LossName("LOSSES", "LISTWISE"))
def command(name: str | None, **given: Any) -> None:
    """List the losses, or print all there is to know of the one called NAME: formula, whether it has a margin,
    parameters with default and values, source, whether it is that of a pair or of a list as a whole (mrl rank), and the
    names that it goes by elsewhere, with the options that say the same.
    """
    runtime.defer_numpy()
    from mrl_cli.reports.losses import LossesReport

    outputs.print_listing(LossesReport(name), Options(**given))


_of_format = FORMAT_HELP.replace("by the suffix of -o, else ", "")
command.add_options(*declared(Options, ("format", "color", "no_pager"), format=_of_format))
