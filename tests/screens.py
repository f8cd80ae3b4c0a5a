"""Draw what commands print on a terminal, to be looked at: `python -m tests.screens FOLDER [COMMAND]...`.

Each command line, of a shell in the root of the project, is run on a terminal of 60, 80 and 120 columns and drawn as a
PNG on black and on white. Without COMMAND it is one of each command that prints for people.
"""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI

from tests.running import run_on_terminal
from tests.test_tables import CALLS
from tests.written_pages import ROOT

THEMES = {"light": DEFAULT_TERMINAL_THEME, "dark": DIMMED_MONOKAI}
WIDTHS = (60, 80, 120)
OTHERS = ("compute -h", "help rank", "docs formats", "schema", "losses dpo", "compute nothing.csv", "comptue")


def drawn(call: str, width: int, theme: str) -> bytes:
    """Return what a command prints on a terminal of that width, as a picture."""
    import resvg_py  # the extra png

    env = os.environ | {"COLUMNS": str(width), "TERM": "xterm-256color", "CLICOLOR_FORCE": "1", "MRL_NO_PAGER": "1"}
    _, screen, err = run_on_terminal(call.split(), env, ROOT)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    printed = (screen + err).decode().replace("\r\n", "\n")
    for line in AnsiDecoder().decode(f"$ mrl {call}\n{printed}"):
        console.print(line, highlight=False, overflow="fold")
    svg = console.export_svg(title=f"{width} columns", theme=THEMES[theme])
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg.replace("Fira Code", "DejaVu Sans Mono")))


def main(folder: str, *calls: str) -> None:
    """Write the pictures."""
    for call in calls or (*CALLS.values(), *OTHERS):
        for width in WIDTHS:
            for theme in THEMES:
                name = re.sub(r"\W+", "-", call)[:40]
                Path(folder, f"{name}-{width}-{theme}.png").write_bytes(drawn(call, width, theme))


if __name__ == "__main__":
    main(*sys.argv[1:])
