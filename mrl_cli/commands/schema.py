"""`mrl schema`: the JSON Schema of a report, or what its keys mean."""

from __future__ import annotations

from typing import Any

import click

from mrl_cli.commands import outputs
from mrl_cli.commands.options import Options, declared
from mrl_cli.commands.parsing import Command
from mrl_cli.commands.values import Registered


@click.command(
    "schema", cls=Command, examples=("mrl schema", "mrl schema compute", "mrl schema compute --format markdown")
)
@click.argument("report", required=False, type=Registered("mrl_cli.reports.schema", "FORMS"))
def command(report: str | None, **given: Any) -> None:
    """Print the JSON Schema (draft 2020-12) of REPORT: that of a command, of the manifest of parts, or of an error.

    In another format than JSON, its keys and what they mean. Without REPORT, list those that there are.
    """
    from mrl_cli.reports.schema import SchemaReport, SchemasReport

    if report is None:
        outputs.print_listing(SchemasReport(), Options(**given))
    else:
        outputs.print_listing(SchemaReport(name=report), Options(**given), usual="json")


_of_format = "Format; auto: json for REPORT; for the list, table on a terminal, tsv otherwise."
command.add_options(*declared(Options, ("format", "color", "no_pager"), format=_of_format))
