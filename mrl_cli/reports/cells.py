"""What stands in the cells of tables for people, and how many digits of a number they read."""

from __future__ import annotations

import math
from typing import TypeAlias

from mrl_cli.records import NamedTuple
from mrl_cli.words import number_text

DECIMALS = 4  # of numbers, and of shares
SMALL, LARGE, HUGE = 1e-2, 1e9, 1e12  # below: three digits; from there on fewer decimals, or a power of ten
MOST_DECIMALS = 8
UNDEFINED = "undefined"


class Share(NamedTuple):
    """A count, and the one that it is a part of."""

    part: int
    whole: int


class Bounds(NamedTuple):
    """An interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A number, and the interval around it."""

    value: float
    low: float
    high: float


class About(NamedTuple):
    """A number that is not exact."""

    value: float


class Verdict(NamedTuple):
    """A word that says whether something is well."""

    text: str
    is_good: bool


Cell: TypeAlias = str | int | float | Share | Bounds | About | Estimate | Verdict | None


def share_text(part: float, whole: float) -> str:
    """Return a share in percent, which is neither none nor all where it is not.

    >>> share_text(3, 4), share_text(1, 10**6), share_text(10**6 - 1, 10**6), share_text(4, 4)
    ('75.0%', 'under 0.1%', 'over 99.9%', '100.0%')
    """
    if not whole:
        return "none"
    text = f"{part / whole:.1%}"
    if text == "0.0%" and part:
        return "under 0.1%"
    return "over 99.9%" if text == "100.0%" and part < whole else text


def decimals_of(number: float) -> int:
    """Return how many decimals a number has, at most those that are read of it.

    >>> decimals_of(0.25), decimals_of(3.0), decimals_of(2 / 3), decimals_of(1e-9)
    (2, 0, 4, 4)
    """
    text = number_text(number)
    if not abs(number) < HUGE or text.endswith(".0"):
        return 0
    return DECIMALS if "e" in text else min(DECIMALS, len(text.partition(".")[2]))


def short_text(number: float, decimals: int | None = None) -> str:
    """Return a number for people: so many decimals, or those it has; three digits of a small one; NaN is undefined.

    What lies between 0 and 1 never looks as if it were one of them.

    >>> short_text(1563.51188), short_text(0.00123456), short_text(0.99996), short_text(1e-12), short_text(math.nan)
    ('1,563.5119', '0.00123', '0.99996', '1.00e-12', 'undefined')
    """
    size, decimals = abs(number), decimals_of(number) if decimals is None else decimals
    if not math.isfinite(number):
        return UNDEFINED if math.isnan(number) else number_text(number)
    if size >= LARGE:
        return f"{number:,.{min(1, decimals)}f}" if size < HUGE else f"{number:.{DECIMALS}e}"
    if 0 < size < SMALL and decimals >= DECIMALS:
        decimals = max(decimals, 2 - math.floor(math.log10(size)))
    while 0 < size < 1 and round(size, decimals) in (0, 1) and decimals <= MOST_DECIMALS:
        decimals += 1
    if decimals > MOST_DECIMALS:
        return f"{number:.2e}" if size < SMALL else number_text(number)
    return f"{number + 0.0:,.{decimals}f}"


def full_text(cell: Cell) -> str:
    """Return what a cell says with all digits.

    >>> full_text(1563.51188598), full_text(Share(3, 4)), full_text(Bounds(0.25, 1e-9)), full_text(None)
    ('1,563.51188598', '3 (75.0%)', '0.25 to 1e-09', '')
    """
    if isinstance(cell, str | None):
        return cell or ""
    if isinstance(cell, Share):
        return f"{cell.part:,} ({share_text(*cell)})" if cell.whole else f"{cell.part:,}"
    if isinstance(cell, Bounds):
        return UNDEFINED if math.isnan(cell.low) else f"{full_text(cell.low)} to {full_text(cell.high)}"
    if isinstance(cell, About):
        return f"~{full_text(cell.value)}"
    if isinstance(cell, Estimate):
        return f"{full_text(cell.value)} ({full_text(Bounds(*cell[1:]))})"
    if isinstance(cell, Verdict):
        return cell.text
    if isinstance(cell, int):
        return f"{cell:,}"
    if not math.isfinite(cell):
        return short_text(cell)
    whole, point, decimals = number_text(cell).partition(".")
    return f"{int(whole):,}{point}{decimals}" if point and int(whole) else whole + point + decimals
