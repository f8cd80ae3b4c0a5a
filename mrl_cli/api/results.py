"""What the Python interface returns: dicts and lists as any other, which a notebook shows as a table with a plot."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from mrl_cli.reports.base import flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.reports.plots import Plot

MOST_POINTS = 50  # that a notebook shows


class Result(dict[str, Any]):
    """A record; `draw` makes its plot, once somebody looks."""

    draw: Callable[[], Plot] | None = None

    @classmethod
    def of(cls, record: dict[str, Any], draw: Callable[[], Plot] | None = None) -> Result:
        """Return a record with its plot."""
        result = cls(record)
        result.draw = draw
        return result

    def _repr_html_(self) -> str:
        from mrl_cli.render.notebook import notebook_html  # only where somebody looks

        return notebook_html(self.draw and self.draw(), ("figure", "value"), flat(self).items())


class Points(list[dict[str, Any]]):
    """The points of a sweep."""

    def _repr_html_(self) -> str:
        from mrl_cli.render.notebook import notebook_html
        from mrl_cli.reports.pictures import curves_of_points

        names = list(self[0]) if self else []
        rows = ([point.get(name, "") for name in names] for point in islice(self, MOST_POINTS))
        has_curve = len(self) > 1 and all({"margin", "mean", "active_share"} <= point.keys() for point in self)
        plot = curves_of_points(self) if has_curve else None
        return notebook_html(plot, names, rows if names else (), max(0, len(self) - MOST_POINTS))
