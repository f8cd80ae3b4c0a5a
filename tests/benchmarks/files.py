"""The files that are raced on: made once, by a process of its own, and kept."""

from __future__ import annotations

import sys
from pathlib import Path

from measure import run_process, warm_page_cache


def data_file(folder: Path, rows: int, file_format: str, *options: str) -> Path:
    """The path of a file of ``rows`` rows, made unless it is there, and read once into the page cache.

    ``options`` are those of ``make_data.py``.
    """
    path = folder / f"rows-{rows}{''.join(options).replace('--', '-')}.{file_format}"
    if not path.exists():
        note(f"writing {path}")
        folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own, because this one must stay small: see measure.py.
        script = Path(__file__).with_name("make_data.py")
        run_process([sys.executable, str(script), "--rows", str(rows), "--format", file_format, *options, str(path)])
    warm_page_cache(path)
    return path


def file_label(rows: int, file_format: str) -> str:
    """The name of a file in the tables."""
    return f"{file_format}, {rows:,} rows"


def note(message: str) -> None:
    """Say what goes on, on stderr: stdout is for results."""
    print(message, file=sys.stderr, flush=True)
