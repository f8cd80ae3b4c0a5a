"""The cells of a column as texts of one width, their decimal points below another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mrl_cli.records import NamedTuple
from mrl_cli.reports.cells import (
    DECIMALS,
    About,
    Bounds,
    Estimate,
    Share,
    decimals_of,
    full_text,
    share_text,
    short_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.reports.cells import Cell


class _Parts(NamedTuple):
    """A number before its point, and from there on; or a text as a whole."""

    before: str = ""
    after: str = ""
    whole: str = ""


def aligned(cells: Sequence[Cell], *, is_full: bool = False) -> list[str]:
    """Return the cells of a column of numbers as texts of one width; `is_full`: with all digits.

    >>> aligned([1563.5, 2, Share(1, 4), None])
    ['1,563.5     ', '    2       ', '    1  25.0%', '            ']
    >>> aligned([About(-1.25), 2.0])
    ['~-1.25', '  2.00']
    >>> aligned([Estimate(0.5, 0.25, 0.75), Estimate(10.0, math.nan, math.nan)])
    [' 0.5 (0.2 to 0.8)', '10.0             ']
    """
    numbers = (cell.value if isinstance(cell, About | Estimate) else cell for cell in cells)
    decimals = max((decimals_of(number) for number in numbers if isinstance(number, float)), default=0)
    parts = [_parts(cell, decimals, is_full=is_full) for cell in cells]
    before, after = (max((len(one[place]) for one in parts), default=0) for place in range(2))
    width = max([before + after, *(len(one.whole) for one in parts)])
    return [
        one.whole.rjust(width) if one.whole else f"{one.before:>{before}}{one.after:{after}}".rjust(width)
        for one in parts
    ]


def _parts(cell: Cell, decimals: int, *, is_full: bool) -> _Parts:
    if isinstance(cell, Share):
        return _Parts(f"{cell.part:,}", f"  {share_text(*cell):>5}" if cell.whole else "")
    if isinstance(cell, Bounds) and not is_full and not math.isnan(cell.low):
        return _Parts(whole=f"{short_text(cell.low, DECIMALS)} to {short_text(cell.high, DECIMALS)}")
    if isinstance(cell, About):
        number = _parts(cell.value, decimals, is_full=is_full)
        return number._replace(before=f"~{number.before}") if number.before else number
    if isinstance(cell, Estimate):
        number = _parts(cell.value, decimals, is_full=is_full)
        if math.isnan(cell.low):
            return number
        bounds = (full_text(bound) if is_full else short_text(bound, decimals) for bound in cell[1:])
        return number._replace(after=f"{number.after} ({' to '.join(bounds)})")
    if not isinstance(cell, float | int):
        return _Parts(whole=full_text(cell))
    text = full_text(cell) if is_full or isinstance(cell, int) else short_text(cell, decimals)
    if not math.isfinite(cell):
        return _Parts(whole=text)
    before, point, after = text.partition(".")
    return _Parts(before, point + after)
