"""Numbers rounded to a narrow float; and how losses were rounded when they were written: to decimals or digits, too."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mrl_cli.dtypes import Array, Doubles, Mask

    Room = Callable[[Doubles], Doubles]  # by the size of a loss
    Way = tuple[Mask, Room, float, str]  # rows that fit, room, penalty, what it is called

LEAST_DISTINCT = 20
FEWEST_DIGITS, MOST_DIGITS = 4, 9
MOSTLY = 0.98
MOST_TEXTS = 20_000  # so many losses are written again
TO_FLOAT32 = "rounded to float32"
NARROW = ("bfloat16", "float16")


def narrowed(values: Array, dtype: str) -> Doubles:
    """Return values rounded to a narrow float, as float64. NaN and infinities do not become a bfloat16 here.

    >>> narrowed(np.array([1.0, 0.8303]), "bfloat16").tolist(), narrowed(np.array([0.8303]), "float16").tolist()
    ([1.0, 0.83203125], [0.830078125])
    """
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(np.float64)
    bits = values.astype(np.float32).view(np.uint32)  # whose upper half is kept, ties to even
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64))


def total_of_narrow(values: Doubles, dtype: str) -> float:
    """Return what is left of a sum whose total is kept in a narrow float: it stands still where values are small.

    >>> total_of_narrow(np.ones(3000), "bfloat16"), total_of_narrow(np.ones(3000), "float16")
    (256.0, 2048.0)
    """
    bits, total = (8 if dtype == "bfloat16" else 11), 0.0
    for value in narrowed(values, dtype).tolist():
        mantissa, exponent = math.frexp(total + value)
        if not math.isfinite(mantissa):
            return mantissa
        total = math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)
    return total if dtype == "bfloat16" or abs(total) < 65520 else math.copysign(math.inf, total)


def resolution_of(losses: Doubles) -> tuple[Doubles | float, str]:
    """Return how far the losses may be from what they were before they were rounded, and to what; "" if not.

    A few rows (noise) need not be rounded; these may not be off.
    """
    may_be_rounded = np.isfinite(losses) & (losses != 0)
    values = losses[may_be_rounded]
    if np.unique(values).size < LEAST_DISTINCT:
        return 0.0, ""
    sizes = np.abs(np.where(np.isfinite(losses), losses, 0.0))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        ways = [way for way in _ways(values) if _mostly(way[0])]
        if not ways:
            return 0.0, ""
        both = np.abs(values[np.logical_and.reduce([fits for fits, _, _, _ in ways])])
        # Of several, it is the one that rounds away more; nearly as much is no more.
        coarseness = [round(float(np.log10(room(both)).mean()) - penalty, 6) for _, room, penalty, _ in ways]
        fits, room, _, description = ways[int(np.argmax(coarseness))]
        # What is not rounded has no room: that would excuse a wrong loss among right ones that are on the grid anyhow.
        is_on_grid = np.ones(losses.shape, bool)
        is_on_grid[may_be_rounded] = fits
        return np.where(is_on_grid, room(sizes), 0.0), description


def _ways(values: Doubles) -> Iterator[Way]:
    """Yield the fewest decimals and digits that nearly all the values have, if any, and narrow floats."""
    for decimals in range(MOST_DIGITS + 1):
        fits = _agree(np.round(values, decimals), values)
        if _mostly(fits):
            room = partial(np.full_like, fill_value=0.500001 * 10.0**-decimals)
            yield fits, room, 0.0, f"rounded to {decimals} decimals"
            break
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        fits = _agree(_in_digits(values, digits), values)
        if _mostly(fits):
            yield (
                fits,
                partial(_last_digit, digits=digits, share=0.500001),
                0.0,
                f"rounded to {digits} significant digits",
            )
            break
    single = values.astype(np.float32)  # the text of one is not always quite the bfloat16 that it holds
    fits = np.isfinite(single) & (narrowed(single, "bfloat16") == single)
    yield fits, partial(_spacings, dtype="bfloat16", share=0.51), 0.0, "rounded to bfloat16"
    for dtype in ("float16", "float32"):
        fits = values.astype(dtype).astype(np.float64) == values
        yield fits, partial(_spacings, dtype=dtype, share=0.51), 0.0, f"rounded to {dtype}"
    if not _mostly(fits):  # the text is not quite the float32, nor is that the loss
        room = partial(_spacings, dtype="float32", share=1.01)
        yield _are_texts_of_float32(values), room, math.log10(2), TO_FLOAT32


def _spacings(sizes: Doubles, dtype: str, share: float) -> Doubles:
    """Return that share of the spacing of a narrow float."""
    if dtype == "bfloat16":  # of 8 significant bits
        _, exponents = np.frexp(np.maximum(sizes, np.finfo(np.float32).smallest_normal))
        return np.asarray(share * np.ldexp(1.0, exponents - 8))
    return np.asarray(share * np.spacing(sizes.astype(dtype)).astype(np.float64))


def _last_digit(sizes: Doubles, digits: int, share: float = 1.0) -> Doubles:
    """Return that share of what one in the last of so many significant digits is worth."""
    exponents = np.floor(np.log10(np.where(sizes > 0, sizes, 1e-300)))
    return np.asarray(share * 10.0 ** (exponents - digits + 1))


def _in_digits(values: Doubles, digits: int) -> Doubles:
    unit = _last_digit(np.abs(values), digits)
    # A power of ten below 1 is not exact, its inverse is: dividing by that gives the double nearest to the decimals.
    counts = np.rint(values / unit)
    return np.asarray(np.where(unit < 1, counts / np.rint(1 / unit), counts * unit))


def _agree(rounded: Doubles, values: Doubles) -> Mask:
    return np.asarray(np.abs(rounded - values) <= 4 * np.spacing(np.abs(values)))


def _are_texts_of_float32(values: Doubles) -> Mask:
    """Return whether the shortest text of the nearest float32 reads back as the values do; of many, the first only."""
    some = values[:MOST_TEXTS]
    fits = np.array([float(str(one)) for one in some.astype(np.float32)]) == some
    return np.concatenate([fits, np.full(values.size - some.size, _mostly(fits))])


def _mostly(fits: Mask) -> bool:
    return bool(fits.mean() > MOSTLY)
