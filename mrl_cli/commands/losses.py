"""`mrl losses`: the losses: formula, parameters, source."""

from __future__ import annotations

from typing import Any

import click

from mrl_cli import runtime
from mrl_cli.commands import outputs
from mrl_cli.commands.helping import OUTPUT
from mrl_cli.commands.options import FORMAT_CHOICES, FORMAT_HELP, Options, declared, option
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.values import LossName


class LossesOptions(Options):
    """Those of a listing, which has no file."""

    _help = FORMAT_HELP.replace("by the suffix of -o, else ", "")
    format: str = option(_help, "-f", group=OUTPUT, choices=FORMAT_CHOICES, is_common=True)


@click.command("losses", cls=Command, examples=("mrl losses", "mrl losses ranknet", "mrl losses --format markdown"))
@click.argument("name", required=False, type=LossName("LOSSES", "LISTWISE"))
def command(name: str | None, **given: Any) -> None:
    """List the losses, or print all there is to know of the one called NAME: formula, whether it has a margin,
    parameters with default and values, source, whether it is that of a pair or of a list as a whole (mrl rank), and the
    names that it goes by elsewhere, with the options that say the same.
    """
    runtime.defer_numpy()
    from mrl_cli.reports.losses import LossesReport

    outputs.print_listing(LossesReport(name), LossesOptions(**given))


command.add_options(*declared(LossesOptions, ("format", "color", "no_pager")))
