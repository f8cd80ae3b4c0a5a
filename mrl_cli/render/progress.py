"""The bar of progress of a long run, on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mrl_cli.render.colors import STYLES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

DELAY_SECONDS = 1.0
# From how wide a terminal on there is what: the label, the share and the time left stand on any.
_BAR_FROM, _BYTES_FROM, _RATE_FROM = 44, 76, 96
_LABEL_SHARE = 3  # of the width, what the label takes at most: a third


def watched(
    parts: Iterable[Any], total_bytes: int | None, *, label: str, is_forced: bool, color: bool
) -> Generator[Any]:
    """Yield the parts of a run; when it has taken a second, show what is done, bytes, rows per second and time left.

    Of an unknown number of bytes, those done and the time taken are shown. The bar is one line at any width; it is
    taken away at the end, and by `close`. `is_forced`: stderr need not be a terminal.
    """
    started, bar, done_bytes, rows = time.monotonic(), None, 0, 0
    try:
        for part in parts:
            yield part
            done_bytes += part.shard.size_bytes
            rows += part.counts.rows
            seconds = time.monotonic() - started
            if seconds >= DELAY_SECONDS:
                bar = bar or _bar(total_bytes, label, is_forced=is_forced, color=color)
                how = {"rate": f"{rows / seconds:,.0f} rows/s", "time": _time(seconds, done_bytes, total_bytes)}
                bar.update(bar.task_ids[0], completed=done_bytes, **how)
    finally:
        if bar is not None:
            bar.stop()


def _time(seconds: float, done: int, total: int | None) -> str:
    """Return the time left, if the rest is as quick as what is done; of an unknown total the time taken.

    >>> _time(10, 25, 100), _time(3725, 25, None)
    ('0:30 left', '1:02:05')
    """
    if total is not None:
        seconds = seconds * max(0, total - done) / max(done, 1)
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"
    return text if total is None else f"{text} left"


def _bar(total_bytes: int | None, label: str, *, is_forced: bool, color: bool) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TextColumn

    console = Console(
        stderr=True, force_terminal=is_forced or None, no_color=not color, color_system="256" if color else None
    )
    width, is_known = console.width, total_bytes is not None
    longest = max(8, width // _LABEL_SHARE)
    label = label if len(label) <= longest else f"{label[: longest - 1]}…"
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if is_known and width >= _BAR_FROM:
        columns.append(BarColumn(bar_width=None, complete_style=STYLES["bar"], finished_style=STYLES["bar"]))
    columns += [TextColumn("{task.percentage:>3.0f}%")] if is_known else []
    columns += [DownloadColumn()] if width >= _BYTES_FROM or not is_known else []
    columns += [TextColumn("{task.fields[rate]}")] if width >= _RATE_FROM else []
    columns.append(TextColumn("{task.fields[time]}"))
    bar = Progress(*columns, console=console, transient=True, expand=True)
    bar.add_task(label, total=total_bytes, rate="", time="")
    bar.start()
    return bar
