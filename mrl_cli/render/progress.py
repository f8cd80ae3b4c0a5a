"""The progress bar of a long run, on stderr."""

from __future__ import annotations

import time
from typing import Any

DELAY_SECONDS = 1.0


class ProgressBar:
    """A bar on stderr, drawn once a run has taken longer than a second: bytes done, rows a second, time left."""

    def __init__(self, total_bytes: int | None, *, is_shown: bool, is_forced: bool = False) -> None:
        self._total_bytes = total_bytes
        self._is_shown = is_shown or is_forced
        self._is_forced = is_forced
        self._started = time.monotonic()
        self._progress: Any = None
        self._task: Any = None

    def update(self, done_bytes: int, rows: int) -> None:
        """Say how far the run is."""
        seconds = time.monotonic() - self._started
        if not self._is_shown or seconds < DELAY_SECONDS:
            return
        if self._progress is None:
            self._start()
        self._progress.update(self._task, completed=done_bytes, rate=f"{rows / seconds:,.0f} rows/s")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=True if self._is_forced else None),
            transient=True,
        )
        self._task = self._progress.add_task("", total=self._total_bytes, rate="")
        self._progress.start()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
