"""What the Python interface returns: dicts and lists as any other, which print as tables, in a notebook with a plot."""

from __future__ import annotations

import os
import sys
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any

from mrl_cli.api.errors import value_errors
from mrl_cli.errors import MrlWarning
from mrl_cli.reports.base import flat
from mrl_cli.words import counted, harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mrl_cli.reports.plots import Plot

MOST_POINTS, MOST_LINES = 50, 20  # that a notebook shows, and that are printed
_LONGEST, LONGEST_SENTENCE = 80, 1000  # characters of a text and of a sentence that are printed


class _Drawn:
    """What has a plot, which is made once somebody looks."""

    def _plot(self) -> Plot | None:
        raise NotImplementedError

    def svg(self) -> str:
        """Return the plot as SVG text. Raises ValueError where there is none."""
        return self._picture("plot.svg").decode()

    def save_plot(self, path: str | os.PathLike[str]) -> None:
        """Write the plot to a file that is called .svg or .png, whole or not at all; .png needs the extra `png`.

        Raises ValueError where there is no plot, and for another name.
        """
        from mrl_cli.render.files import whole_file

        picture = self._picture(os.fspath(path))
        with whole_file(os.fspath(path)) as file:
            file.write(picture)

    def _picture(self, path: str) -> bytes:
        from mrl_cli.render.picture import picture_bytes

        plot = self._plot()
        if plot is None:
            raise ValueError("there is no plot of this result")
        with value_errors():
            return picture_bytes(plot, path)


class Result(_Drawn, dict[str, Any]):
    """A record; `draw` makes its plot."""

    draw: Callable[[], Plot] | None = None

    @classmethod
    def of(cls, record: dict[str, Any], draw: Callable[[], Plot] | None = None) -> Result:
        """Return a record with its plot; its notes are warned of."""
        result = cls(record)
        result.draw = draw
        warn_of(record.get("notes") or ())
        return result

    def _plot(self) -> Plot | None:
        return self.draw and self.draw()

    def __repr__(self) -> str:
        rows = [(harmless(name), _short(value)) for name, value in self._figures()]
        lists = [
            (harmless(name), counted(len(value), "entry", "entries"))
            for name, value in self.items()
            if _has_records(value)
        ]
        return "\n".join([*_aligned([*rows, *lists]), *self._sentences()])

    def _repr_html_(self) -> str:
        from mrl_cli.render.notebook import notebook_html  # only where somebody looks

        return notebook_html(self._plot(), ("figure", "value"), self._figures(), below=self._sentences())

    def _figures(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in flat(self).items() if name != "verdict"]

    def _sentences(self) -> list[str]:
        """Return what the record says in words, whole."""
        from mrl_cli.reports.validate import text_of_record  # only where somebody looks

        said = [self["verdict"]] if "verdict" in self else []
        said += [text_of_record(one) for one in self.get("explanations") or ()]
        said += [f"note: {note}" for note in self.get("notes") or ()]
        return [harmless(text, LONGEST_SENTENCE) for text in said]


class Records(list[dict[str, Any]]):
    """Records with the same keys, such as losses and presets."""

    def __repr__(self) -> str:
        names = list(self[0]) if self else []
        rows = [names, *([_short(one.get(name, "")) for name in names] for one in islice(self, MOST_LINES))]
        return "\n".join([*_aligned(rows if names else []), *self._left_out(MOST_LINES)])

    def _repr_html_(self) -> str:
        from mrl_cli.render.notebook import notebook_html

        names = list(self[0]) if self else []
        rows = ([_plain(point.get(name, "")) for name in names] for point in islice(self, MOST_POINTS))
        return notebook_html(self._plot(), names, rows if names else (), self._left_out(MOST_POINTS))

    def _left_out(self, shown: int) -> list[str]:
        return [f"and {len(self) - shown:,} more"] if len(self) > shown else []

    def _plot(self) -> Plot | None:
        return None


class Points(_Drawn, Records):
    """The points of a sweep."""

    @classmethod
    def of(cls, points: Iterable[dict[str, Any]]) -> Points:
        """Return the points of a report, without what the reduction made of each."""
        return cls({key: value for key, value in point.items() if key != "value"} for point in points)

    def _plot(self) -> Plot | None:
        from mrl_cli.reports.pictures import curves_of_points

        has_curve = len(self) > 1 and all({"margin", "mean", "active_share"} <= point.keys() for point in self)
        return curves_of_points(self) if has_curve else None


def warn_of(notes: Iterable[str]) -> None:
    """Warn of each note with MrlWarning, in the line that called the package."""
    level, frame, here = 1, sys._getframe(), os.path.dirname(os.path.dirname(__file__)) + os.sep
    while frame.f_back is not None and frame.f_code.co_filename.startswith(here):
        level, frame = level + 1, frame.f_back
    for note in notes:
        warnings.warn(note, MrlWarning, stacklevel=level)


def _has_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _plain(value: object) -> object:
    """Return what a cell shows: the names of records in place of what they hold."""
    if isinstance(value, list | tuple):
        return ", ".join(str(one.get("name", one)) if isinstance(one, dict) else str(one) for one in value)
    return value


def _short(value: object) -> str:
    if isinstance(value, float) and value == value and abs(value) < float("inf"):
        return f"{value:.6g}"
    return harmless(number_text(_plain(value)), _LONGEST)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of one width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
