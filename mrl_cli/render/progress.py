"""The progress bar of a long run, on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

DELAY_SECONDS = 1.0


def watched(parts: Iterable[Any], total_bytes: int | None, *, is_forced: bool) -> Generator[Any]:
    """Yield the parts of a run; when it has taken a second, show bytes done, rows per second and time left.

    The bar is taken away at the end, and by `close`. `is_forced`: stderr need not be a terminal.
    """
    started, bar, done_bytes, rows = time.monotonic(), None, 0, 0
    try:
        for part in parts:
            yield part
            done_bytes += part.shard.size_bytes
            rows += part.counts.rows
            seconds = time.monotonic() - started
            if seconds >= DELAY_SECONDS:
                bar = bar or _bar(total_bytes, is_forced=is_forced)
                bar.update(bar.task_ids[0], completed=done_bytes, rate=f"{rows / seconds:,.0f} rows/s")
    finally:
        if bar is not None:
            bar.stop()


def _bar(total_bytes: int | None, *, is_forced: bool) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True, force_terminal=is_forced or None), transient=True)
    bar.add_task("", total=total_bytes, rate="")
    bar.start()
    return bar
