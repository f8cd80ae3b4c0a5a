r"""Exact sums of doubles and of products of two, that can be merged.

A finite double is an integer multiple of 2**-1074, and a product of two of 2**-2148, so sums of them are too:
`ExactSum` holds that integer (and counts what is not finite). Adding integers is exact and associative, hence a sum
does not depend on the order of its terms, on how they were split, or on who added them; rounding happens once, when
the float is asked for.

`blocks` reaches the integer cheaply, without rounding anything; `sums` holds what adds up, `codes` the same for many
sums at once.
"""

from mrl_cli.exact.blocks import (
    BLOCK_VALUES,
    HUGE,
    UNIT_EXPONENT,
    Scratch,
    are_ordinary_factors,
    cut,
    cut_at,
    magnitude,
    products,
)
from mrl_cli.exact.sums import ExactAccumulator, ExactSum, ProductAccumulator, quotient

__all__ = ["BLOCK_VALUES", "HUGE", "UNIT_EXPONENT", "ExactAccumulator", "ExactSum", "ProductAccumulator"]
__all__ += ["Scratch", "are_ordinary_factors", "cut", "cut_at", "magnitude", "products", "quotient"]
