"""The loop validator: the definition again, in plain Python over pairs, sharing no code with the rest of the package.

Two validators stand here. The loop computes in floats, one operation after the other as the definition is written;
the exact one in rational numbers, which round nothing. Both add with no rounding at all. Neither imports NumPy or
anything of this package: what agrees with them does not agree with itself. `lists` and `listwise` are the same for
ranked lists.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

from mrl_cli.verify.reference.exact import exact_pairs, is_within_bound
from mrl_cli.verify.reference.lists import POWERS, ListFigures, ListSetting, list_figures, list_gradient, top_share
from mrl_cli.verify.reference.listwise import LISTWISE, listwise_loss
from mrl_cli.verify.reference.loops import (
    LOOPS,
    ROUNDED,
    Margin,
    cancelling_terms,
    differences,
    margin_ranking,
    rounded_to,
    scores,
)
from mrl_cli.verify.reference.probabilities import likelier, mixed_losses, mixed_pairs, mixed_terms
from mrl_cli.verify.reference.ranks import DEFAULTS, validate_rank_loss
from mrl_cli.verify.reference.sums import LoopSum, as_double

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEFAULTS",
    "LISTWISE",
    "LOOPS",
    "POWERS",
    "ListFigures",
    "ListSetting",
    "LoopSum",
    "as_double",
    "cancelling_terms",
    "differences",
    "exact_pairs",
    "is_within_bound",
    "likelier",
    "list_figures",
    "list_gradient",
    "listwise_loss",
    "mixed_losses",
    "mixed_pairs",
    "mixed_terms",
    "rounded_to",
    "scores",
    "top_share",
    "validate_margin_ranking_loss",
    "validate_margin_ranking_loss_exact",
    "validate_rank_loss",
]


def validate_margin_ranking_loss(
    x1: Iterable[float],
    x2: Iterable[float],
    y: Iterable[float],
    margin: Margin = 0.0,
    reduction: str = "mean",
    *,
    dtype: str = "float64",
) -> float | list[float]:
    """Return the margin ranking loss as a loop over pairs finds it: max(0, -y(x1 - x2) + margin), then reduced.

    `x1`, `x2` and `y` are of one length, anything that iterates over real numbers; `margin` is a number or one for each
    pair. `reduction` is "mean" (sum / N, NaN over nothing), "sum", or "none" for the list of losses; sums are rounded
    once. `dtype` is the arithmetic, "float64" or "float32". The slow way to the numbers of `margin_ranking_loss`,
    to check them with; it shares no code with it.

    >>> validate_margin_ranking_loss([0.5, 1.0], [0.25, 2.0], [1, 1], margin=0.5)
    0.875
    """
    x1, x2, y, margins = _checked(x1, x2, y, margin, reduction, dtype)
    losses = margin_ranking(differences(x1, x2, y, dtype), margins, {})
    if reduction == "none":
        return losses
    total = float(LoopSum.of(losses))
    if reduction == "mean":
        total = total / len(losses) if losses else math.nan
    return rounded_to(total, dtype)


def validate_margin_ranking_loss_exact(
    x1: Iterable[float],
    x2: Iterable[float],
    y: Iterable[float],
    margin: Margin = 0.0,
    reduction: str = "mean",
) -> Fraction | list[Fraction]:
    """Return the margin ranking loss of finite numbers as a rational number, or a list of them for reduction "none".

    As `validate_margin_ranking_loss`, with nothing rounded. Raises ValueError for NaN, infinities and the mean of
    nothing.

    >>> validate_margin_ranking_loss_exact([0.5], [0.25], [1], margin=0.5)
    Fraction(1, 4)
    """
    x1, x2, y, margins = _checked(x1, x2, y, margin, reduction, "float64")
    if not all(map(math.isfinite, chain(x1, x2, y, [margins] if isinstance(margins, int | float) else margins))):
        raise ValueError("x1, x2, y and margin must be finite: rational numbers know no NaN and no infinity")
    losses = [pair.loss for pair in exact_pairs(x1, x2, y, margins)]
    if reduction == "none":
        return losses
    if reduction == "mean" and not losses:
        raise ValueError("the mean of nothing is undefined")
    return sum(losses, Fraction(0)) / (len(losses) if reduction == "mean" else 1)


def _checked(
    x1: Iterable[float], x2: Iterable[float], y: Iterable[float], margin: Margin, reduction: str, dtype: str
) -> tuple[list[float], list[float], list[float], Margin]:
    """Return the numbers as Python floats (those of an array would compute in their own dtype), of one length."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be one of mean, sum, none, not {reduction!r}")
    if dtype not in ROUNDED:
        raise ValueError(f"dtype must be one of {', '.join(ROUNDED)}, not {dtype!r}")
    first, second, labels = ([float(value) for value in values] for values in (x1, x2, y))
    margins = margin if isinstance(margin, int | float) else [float(value) for value in margin]
    lengths = [len(values) for values in (first, second, labels, margins) if not isinstance(values, int | float)]
    if len(set(lengths)) > 1:
        raise ValueError(f"x1, x2, y (and margin) must have one length, not {', '.join(map(str, lengths))}")
    return first, second, labels, margins
