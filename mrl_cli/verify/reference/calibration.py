"""Calibration again, pair by pair: how sure Bradley-Terry is of each, in bins of one width, and how often it is right.

The expected calibration error is that of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
ICML 2017.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from mrl_cli.verify.reference.sums import LoopBin, LoopSum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BINS = 15
NEAR = 1e-9  # to the edge of a bin, where the last digits of a float decide
DIGITS = 50


def confidence(agreement: float) -> float:
    """Return sigmoid(|d|), d = y(x1 - x2).

    >>> confidence(0.0), confidence(-math.inf)
    (0.5, 1.0)
    """
    return 1 / (1 + math.exp(-abs(agreement)))


def bin_of(agreement: float) -> int:
    """Return the bin, counted from 0, that a pair's confidence is in; one of 1 is in the last.

    >>> bin_of(0.0), bin_of(0.13353139262452263), bin_of(0.1335313926245226), bin_of(math.inf)
    (7, 8, 7, 14)
    """
    scaled = BINS * confidence(agreement)
    if abs(scaled - round(scaled)) < NEAR and math.isfinite(agreement):
        with localcontext(prec=DIGITS):
            scaled = int(BINS / (1 + (-abs(Decimal(agreement))).exp()))
    return min(int(scaled), BINS - 1)


def loop_bins(agreements: Sequence[float], weights: Sequence[float] | None) -> dict[int, LoopBin]:
    """Return the bins of some pairs, by number, from their d and their weights."""
    places: dict[int, list[int]] = {}
    for place, agreement in enumerate(agreements):
        places.setdefault(bin_of(agreement), []).append(place)
    bins = {}
    for number, here in places.items():
        of_pairs = [1.0] * len(here) if weights is None else [weights[place] for place in here]
        signs = [agreements[place] for place in here]
        right = [w * ((d > 0) + (d == 0) / 2) for w, d in zip(of_pairs, signs, strict=True)]
        sure = LoopSum.of_products(of_pairs, list(map(confidence, signs)))
        bins[number] = LoopBin(len(here), LoopSum.of(of_pairs), LoopSum.of(right), sure)
    return bins


def calibration_error(bins: Iterable[LoopBin]) -> float:
    """Return the expected calibration error of all pairs, NaN of none."""
    known = list(bins)
    apart = sum(abs(one.right.finite - one.sure.finite) for one in known)
    weight = sum(one.weight.finite for one in known)
    return float(apart / weight) if weight else math.nan


def bin_records(bins: Mapping[int, LoopBin]) -> list[dict[str, float]]:
    """Return what is reported of the bins, in their order: pairs, mean confidence, and the share that is right."""
    return [
        {"pairs": one.pairs, "confidence": one.sure.over(one.weight), "accuracy": one.right.over(one.weight)}
        for _, one in sorted(bins.items())
    ]
