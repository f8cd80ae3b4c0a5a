r"""Exact sums of doubles and of products of two, that can be merged.

A finite double is an integer multiple of 2**-1074, and a product of two of 2**-2148, so sums of them are too:
`ExactSum` holds that integer (and counts what is not finite). Adding integers is exact and associative, hence a sum
does not depend on the order of its terms, on how they were split, or on who added them; rounding happens once, when
the float is asked for.

The integer is reached cheaply, without rounding anything: `extraction` for sums, `products` for sums of products.
`sums` holds what adds up, `codes` the same for many sums at once.
"""

from mrl_cli.exact.codes import SumsByCode, grown, sums_by_code, sums_of_products_by_code
from mrl_cli.exact.extraction import BLOCK_VALUES, HUGE, UNIT_EXPONENT, Scratch
from mrl_cli.exact.products import are_ordinary_factors, products
from mrl_cli.exact.sums import ExactAccumulator, ExactSum, ProductAccumulator

__all__ = [
    "BLOCK_VALUES",
    "HUGE",
    "UNIT_EXPONENT",
    "ExactAccumulator",
    "ExactSum",
    "ProductAccumulator",
    "Scratch",
    "SumsByCode",
    "are_ordinary_factors",
    "grown",
    "products",
    "sums_by_code",
    "sums_of_products_by_code",
]
