"""Tables for a terminal, drawn by rich: the report's blocks."""

import io

from mrl_cli.reports.base import Report, Table

SUFFIXES = ()


def render(report: Report, width: int, color: bool) -> str:
    """Return the blocks, no wider than `width`; before lines of text there is an empty one."""
    blocks = report.blocks()
    return "".join(f"\n{block}" if isinstance(block, str) else _drawn(block, width, color) for block in blocks)


def _drawn(block: Table, width: int, color: bool) -> str:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(title=block.title and Text(block.title), title_justify="left", show_header=not block.is_summary)
    for place, name in enumerate(block.names):
        if block.is_summary and place == 0:
            table.add_column(Text(name), style="cyan", no_wrap=True)
        else:
            is_number = place >= len(block.names) - block.numbers
            table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in block.rows:
        table.add_row(*map(Text, row), style="bold" if block.is_summary and row[0] == "value" else None)
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=color, no_color=not color, color_system="standard" if color else None
    )
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
