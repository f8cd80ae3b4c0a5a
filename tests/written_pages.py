"""The pages that are made from the commands: `python -m tests.written_pages` writes them, and a test compares."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mrl_cli.cli import group
from mrl_cli.commands import command_names, summary_of
from tests.manual import man_page, markdown_page, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
REFERENCE, MANUAL = ROOT / "mrl_cli" / "docs" / "reference", ROOT / "mrl_cli" / "man"
PICTURE = ROOT / "mrl_cli" / "docs" / "differences.svg"
DRAWN = "compute sample_data/rewards.jsonl --x1 chosen_score --x2 rejected_score --y-const 1 --margin 0.5 --save-plot"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each file with its text: a reference page and a manual page for each command, and mrl(1)."""
    root = click.Context(group, info_name="mrl", auto_envvar_prefix="MRL")
    whole = page_of(root, "Compute and validate ranking losses on files of scores.")
    yield MANUAL / "mrl.1", man_page(whole, {f"mrl-{name}": summary_of(name) for name in command_names()})
    for name in command_names():
        command = group.get_command(root, name)
        assert command is not None
        page = page_of(click.Context(command, info_name=name, parent=root), summary_of(name))
        yield REFERENCE / f"{name}.md", markdown_page(page)
        yield MANUAL / f"mrl-{name}.1", man_page(page, {"mrl": whole.summary})


def picture() -> str:
    """Return the picture of the README."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "differences.svg")
        subprocess.run(
            [sys.executable, "-m", "mrl_cli", *DRAWN.split(), path], cwd=ROOT, check=True, capture_output=True
        )
        return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    for path, text in (*pages(), (PICTURE, picture())):
        path.write_text(text, encoding="utf-8")
