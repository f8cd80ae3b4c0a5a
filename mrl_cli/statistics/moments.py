"""Mean and standard deviation from exact sums: integers up to one rounding."""

from __future__ import annotations

import math

from mrl_cli.exact import UNIT_EXPONENT, ExactSum, quotient


def standard_deviation(pairs: int, total: ExactSum, squares: ExactSum, *, of_mean: bool = False) -> float:
    """Return the standard deviation of values (divided by pairs - 1), or of their mean, from their exact sums.

    NaN for fewer than two pairs, and for values that are not finite.

    >>> import numpy as np
    >>> values = np.array([1.0, 2.0, 3.0])
    >>> from mrl_cli.exact import ExactSum
    >>> standard_deviation(3, ExactSum.of(values), ExactSum.of_products(values, values))
    1.0
    """
    if pairs < 2 or total.is_strange or squares.is_strange:
        return math.nan
    # Sums are integers in units of 2**-UNIT_EXPONENT, and so is their spread in units of the square of that.
    spread = pairs * (squares.units << UNIT_EXPONENT) - total.units**2
    return _root_of_ratio(spread, pairs ** (2 if of_mean else 1) * (pairs - 1) << 2 * UNIT_EXPONENT)


def _root_of_ratio(numerator: int, denominator: int) -> float:
    """Return sqrt(numerator / denominator), scaled so that nothing underflows before the root; no ratio is negative."""
    if not numerator:
        return 0.0
    shift = (denominator.bit_length() - numerator.bit_length()) // 2
    ratio = (numerator << 2 * shift) / denominator if shift > 0 else numerator / (denominator << -2 * shift)
    try:
        return math.ldexp(math.sqrt(ratio), -shift)
    except OverflowError:
        return math.inf


def exact_mean(total: ExactSum, pairs: int) -> float:
    """Return the exact sum over the number of pairs, rounded once; NaN over nothing.

    >>> import numpy as np
    >>> from mrl_cli.exact import ExactSum
    >>> exact_mean(ExactSum.of(np.array([0.5, 1.0])), 2)
    0.75
    """
    if not pairs:
        return math.nan
    return float(total) if total.is_strange else quotient(total.units, pairs << UNIT_EXPONENT)
