"""How losses were rounded when they were written: to decimals, to significant digits, or to a narrow float."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Way = tuple[Mask, Callable[[Doubles], Doubles], float, str]  # rows that fit, room, penalty, what it is called

LEAST_DISTINCT = 20
FEWEST_DIGITS, MOST_DIGITS = 4, 9
MOSTLY = 0.98
MOST_TEXTS = 20_000  # so many losses are written again
DECIMALS, DIGITS, TO_FLOAT32 = "rounded to {} decimals", "rounded to {} significant digits", "rounded to float32"


def resolution_of(losses: Doubles) -> tuple[Doubles | float, str]:
    """Return how far the losses may be from what they were before they were rounded, and to what; "" if not.

    A few rows (noise) need not be rounded.
    """
    values = losses[np.isfinite(losses) & (losses != 0)]
    if np.unique(values).size < LEAST_DISTINCT:
        return 0.0, ""
    sizes = np.abs(np.where(np.isfinite(losses), losses, 0.0))
    with np.errstate(over="ignore", invalid="ignore"):
        ways = [way for reading in (_decimals_of, _digits_of, _float_of) for way in reading(values) if _mostly(way[0])]
        if not ways:
            return 0.0, ""
        both = np.abs(values[np.logical_and.reduce([fits for fits, _, _, _ in ways])])
        # Of several, it is the one that rounds away more; nearly as much is no more.
        coarseness = [round(float(np.log10(room(both)).mean()) - penalty, 6) for _, room, penalty, _ in ways]
        _, room, _, description = ways[int(np.argmax(coarseness))]
        return room(sizes), description


def _decimals_of(values: Doubles) -> Iterator[Way]:
    """Yield the fewest decimals that nearly all the values have, if any."""
    for decimals in range(MOST_DIGITS + 1):
        fits = _agree(np.round(values, decimals), values)
        if _mostly(fits):
            yield fits, partial(np.full_like, fill_value=0.500001 * 10.0**-decimals), 0.0, DECIMALS.format(decimals)
            return


def _digits_of(values: Doubles) -> Iterator[Way]:
    """As `_decimals_of`, for significant digits."""
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        fits = _agree(_in_digits(values, digits), values)
        if _mostly(fits):
            yield fits, partial(_last_digit, digits=digits, share=0.500001), 0.0, DIGITS.format(digits)
            return


def _float_of(values: Doubles) -> Iterator[Way]:
    """As `_decimals_of`, for narrow floats, as they are and as the shortest text of a float32."""
    yield values.astype("float16").astype(np.float64) == values, _room_of("float16", 0.51), 0.0, "rounded to float16"
    fits = values.astype("float32").astype(np.float64) == values
    yield fits, _room_of("float32", 0.51), 0.0, TO_FLOAT32
    if not _mostly(fits):  # the text is not quite the float32, nor is that the loss
        yield _are_texts_of_float32(values), _room_of("float32", 1.01), math.log10(2), TO_FLOAT32


def _room_of(dtype: str, spacings: float) -> Callable[[Doubles], Doubles]:
    return lambda sizes: spacings * np.spacing(sizes.astype(dtype)).astype(np.float64)


def _agree(rounded: Doubles, values: Doubles) -> Mask:
    return np.asarray(np.abs(rounded - values) <= 4 * np.spacing(np.abs(values)))


def _last_digit(sizes: Doubles, digits: int, share: float = 1.0) -> Doubles:
    """Return that share of what one in the last of so many significant digits is worth."""
    exponents = np.floor(np.log10(np.where(sizes > 0, sizes, 1e-300)))
    return np.asarray(share * 10.0 ** (exponents - digits + 1))


def _in_digits(values: Doubles, digits: int) -> Doubles:
    unit = _last_digit(np.abs(values), digits)
    # A power of ten below 1 is not exact, its inverse is: dividing by that gives the double nearest to the decimals.
    counts = np.rint(values / unit)
    return np.asarray(np.where(unit < 1, counts / np.rint(1 / unit), counts * unit))


def _are_texts_of_float32(values: Doubles) -> Mask:
    """Return whether the shortest text of the nearest float32 reads back as the values do; of many, the first only."""
    some = values[:MOST_TEXTS]
    fits = np.array([float(str(one)) for one in some.astype(np.float32)]) == some
    rest = np.full(values.size - some.size, bool(fits.mean() > MOSTLY))
    return np.concatenate([fits, rest])


def _mostly(fits: Mask) -> bool:
    return bool(fits.mean() > MOSTLY)
