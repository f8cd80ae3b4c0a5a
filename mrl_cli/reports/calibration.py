"""What is reported of calibration: how often pairs are right, beside how often Bradley-Terry expects it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import UNIT_EXPONENT
from mrl_cli.losses import LOSSES
from mrl_cli.model import USUAL_CONFIDENCE, Plan
from mrl_cli.reductions.cellsums import SQUARE_BITS, binades, mantissas
from mrl_cli.statistics.calibration import EDGES, KNOTS, Spread, best_temperature
from mrl_cli.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.exact.codes import SumsByCode
    from mrl_cli.reductions.histogram import Histogram

_SIDES = 3  # of 0: below, at, above


def has_confidences(plan: Plan) -> bool:
    """Return whether a confidence can be held against labels: they say which is better, and the loss takes such."""
    return plan.rules.says_better and not LOSSES[plan.loss.name].is_target


def calibration_of(histogram: Histogram, plan: Plan) -> dict[str, Any]:
    """Return the expected calibration error, the best temperature, and the bins of confidence that hold pairs.

    A tie is half right, as its confidence of one half says. Where pairs have weights, all is weighted. There are
    intervals where pairs are independent and of one weight.
    """
    has_intervals = not (plan.has_weights or plan.has_clusters)
    confidence = plan.reporting.confidence or USUAL_CONFIDENCE
    cells = np.arange(histogram.counts.size)
    magnitudes, signs = histogram.cells.starts(cells)
    places = np.searchsorted(KNOTS, magnitudes, "right")
    size = _SIDES * (len(EDGES) - 1)
    groups = _SIDES * places + signs + 1
    counts = np.zeros(size, np.int64)
    np.add.at(counts, groups, histogram.counts)
    # In units of 2**-UNIT_EXPONENT, of which both a pair and a weight are an even number.
    weights = [count << UNIT_EXPONENT for count in counts.tolist()]
    if "weight" in histogram.sums:
        weights = _units(histogram.sums["weight"], groups, size)
    expected = _units(histogram.sums["confidence"], groups, size) if histogram.sums else weights
    bins, error = [], 0
    for place, edges in enumerate(pairwise(EDGES)):
        these = slice(_SIDES * place, _SIDES * (place + 1))
        if not (weight := sum(weights[these])):
            continue
        _, ties, right = weights[these]
        of_wrong, of_ties, of_right = counts[these].tolist()
        right, sure = right + (ties >> 1), sum(expected[these])
        error += abs(right - sure)
        pairs = of_wrong + of_ties + of_right
        record = {"low": edges[0], "high": edges[1], "pairs": pairs}
        record |= {"confidence": sure / weight, "accuracy": right / weight}
        if has_intervals:
            interval = wilson_interval(of_right + of_ties / 2, pairs, confidence)
            record |= {"accuracy_low": interval.low, "accuracy_high": interval.high}
        bins.append(record)
    temperature = best_temperature(_spread(histogram, signs), float(histogram.total("first")), confidence)
    whole = {"expected_calibration_error": error / sum(weights) if bins else math.nan, "temperature": temperature.value}
    if has_intervals:
        whole |= {"temperature_low": temperature.low, "temperature_high": temperature.high}
    return whole | {"bins": bins}


def _units(sums: SumsByCode, codes: NDArray[np.int64], size: int) -> list[int]:
    """Return sums by other codes, in units of 2**-UNIT_EXPONENT."""
    regrouped = sums.regrouped(codes, size)
    return [regrouped.at(code).units for code in range(size)]


def _spread(histogram: Histogram, signs: NDArray[np.int64]) -> Spread:
    """Return what the temperature is computed of: cells in their order, as if they were not cut.

    So of d times a power of two it is of the same cells, with the same sums of mantissas.
    """
    places, size, sums = histogram.met(), histogram.counts.size, histogram.sums
    places = places[signs[places] != 0]
    if not places.size:
        return Spread(*np.zeros((3, 0)))
    firsts = histogram.cells.firsts(size)
    is_first = np.concatenate([[True], np.diff(firsts[places]) != 0])
    codes = np.full(size, cells := int(np.count_nonzero(is_first)))  # a last one for d = 0
    codes[places] = np.cumsum(is_first) - 1

    def of_cells(name: str) -> NDArray[np.float64]:
        return sums[name].regrouped(codes, cells + 1).rounded(cells)

    weights: Any = of_cells("weight") if "weight" in sums else np.bincount(codes, histogram.counts, cells)[:cells]
    firsts = firsts[places[is_first]]
    powers = binades(firsts)
    exponent = int(np.sort(powers)[cells // 2])
    with np.errstate(all="ignore"):
        means = of_cells("mantissa") / weights
        behind_start = means - mantissas(firsts.view(np.float64))
        variances = of_cells("spread") / weights - behind_start**2
        variances = np.where(variances < 2.0**-SQUARE_BITS, 0.0, variances / means**2)  # below it is what was rounded
        scaled = np.ldexp(np.where(firsts < 0, -means, means), powers - exponent)
    # Of a cell, d lie within 2**-5 of one another, but for the smallest, which lie anywhere; they have no say.
    is_normal = (firsts >> 52 & 0x7FF) > 0
    variances = np.where(is_normal, np.clip(np.nan_to_num(variances), 0.0, 2.0**-12), 0.0)
    return Spread(weights, scaled, variances, exponent)
