"""The loops: each loss again, one pair after the other, in the order in which its definition is written."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

Margin = float | Sequence[float]
Rounded = Callable[[list[float]], Sequence[float]]


# A sum, difference or product of two float32 is rounded twice, to double and to single: that gives what rounding once
# gives, for a double has twice the bits and two more (Figueroa, "When is double rounding innocuous?", 1995).
ROUNDED: dict[str, Rounded] = {"float64": lambda values: values, "float32": lambda values: array("f", values)}


def rounded_to(number: float, dtype: str) -> float:
    """Return a float rounded to `dtype`."""
    return ROUNDED[dtype]([number])[0]


@dataclass(frozen=True, slots=True)
class Differences:
    """What every formula starts from: the scores, y, and `agreement`, y(x1 - x2), all rounded to the float dtype."""

    x1: Sequence[float]
    x2: Sequence[float]
    y: Sequence[float]
    agreement: Sequence[float]
    rounded: Rounded


def scores(
    values: list[float], references: list[float] | None, scale: float | None, dtype: str = "float64"
) -> list[float]:
    """Return (value - reference)*scale of each pair, computed in `dtype` one step after the other.

    >>> scores([3.0, 1.0], [1.0, 2.0], 0.5)
    [1.0, -0.5]
    """
    rounded = ROUNDED[dtype]
    results = rounded(values)
    if references is not None:
        results = rounded([a - b for a, b in zip(results, rounded(references), strict=True)])
    if scale is not None:
        factor = rounded_to(scale, dtype)
        results = rounded([factor * result for result in results])
    return list(results)


def differences(x1: list[float], x2: list[float], y: list[float], dtype: str = "float64") -> Differences:
    """Return y(x1 - x2) of the pairs, computed in `dtype` one pair at a time."""
    rounded = ROUNDED[dtype]
    if dtype == "float64":  # each operation of Python's rounds to a double by itself
        return Differences(x1, x2, y, [c * (a - b) for a, b, c in zip(x1, x2, y, strict=True)], rounded)
    first, second, labels = map(rounded, (x1, x2, y))
    difference = rounded([a - b for a, b in zip(first, second, strict=True)])
    agreement = rounded([c * d for c, d in zip(labels, difference, strict=True)])
    return Differences(first, second, labels, agreement, rounded)


def margin_ranking(pairs: Differences, margin: Margin, _: dict[str, float]) -> list[float]:
    """Return max(0, -y(x1 - x2) + margin) for each pair. NaN stays NaN, and no loss is the negative zero.

    >>> margin_ranking(differences([0.5, 1.0], [0.25, 2.0], [1, 1]), 0.5, {})
    [0.25, 1.5]
    """
    if pairs.rounded is ROUNDED["float64"] and isinstance(margin, int | float):
        m = float(margin)
        return [0.0 if (s := -a + m) <= 0.0 else s for a in pairs.agreement]  # max(0.0, s) would lose a NaN
    sums = pairs.rounded([-a + m for a, m in zip(pairs.agreement, each(margin, pairs.rounded), strict=False)])
    return [0.0 if s <= 0.0 else s for s in sums]  # noqa: FURB136 (as above)


def each(margin: Margin, rounded: Rounded) -> Iterable[float]:
    """Return the margin of each pair, rounded: without end where there is one for all."""
    if isinstance(margin, int | float):
        return repeat(rounded([float(margin)])[0])
    return rounded(list(margin))


def squared_hinge(pairs: Differences, margin: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return max(0, margin - y(x1 - x2)) squared for each pair."""
    return pairs.rounded([hinge * hinge for hinge in margin_ranking(pairs, margin, parameters)])


def margin_mse(pairs: Differences, _: Margin, __: dict[str, float]) -> Sequence[float]:
    """Return ((x1 - x2) - y) squared for each pair."""
    differences = pairs.rounded([a - b for a, b in zip(pairs.x1, pairs.x2, strict=True)])
    errors = pairs.rounded([d - target for d, target in zip(differences, pairs.y, strict=True)])
    return pairs.rounded([error * error for error in errors])


def ipo(pairs: Differences, _: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return (y(x1 - x2) - 1/(2 beta)) squared for each pair."""
    aim = pairs.rounded([1 / (2 * parameters["beta"])])[0]
    errors = pairs.rounded([agreement - aim for agreement in pairs.agreement])
    return pairs.rounded([error * error for error in errors])


def logistic(pairs: Differences, margin: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return log(1 + exp(margin - y(x1 - x2)/temperature)) for each pair."""
    scaled = _scaled(pairs, "temperature", parameters)
    sums = pairs.rounded([m - s for s, m in zip(scaled, each(margin, pairs.rounded), strict=False)])
    return pairs.rounded([_softplus(z) for z in sums])


def smoothed_bradley_terry(pairs: Differences, _: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return -(1 - e) log sigmoid(z) - e log sigmoid(-z), z = beta y(x1 - x2), e = label_smoothing, for each pair."""
    e = parameters["label_smoothing"]
    return pairs.rounded([(1 - e) * _softplus(-z) + e * _softplus(z) for z in _scaled(pairs, "beta", parameters)])


def robust_bradley_terry(pairs: Differences, _: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return (-(1 - e) log sigmoid(z) + e log sigmoid(-z)) / (1 - 2e) for each pair; z and e as above.

    Since log sigmoid(z) - log sigmoid(-z) = z, this is softplus(-z) - e z / (1 - 2e).
    """
    slope, scaled = _slope(parameters), _scaled(pairs, "beta", parameters)
    return pairs.rounded([_softplus(-z) - slope * z if slope else _softplus(-z) for z in scaled])


def soft_zero_one(pairs: Differences, _: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return 1 / (1 + exp(y(x1 - x2)/temperature)) for each pair."""
    return pairs.rounded([_sigmoid(-s) for s in _scaled(pairs, "temperature", parameters)])


def exponential(pairs: Differences, _: Margin, parameters: dict[str, float]) -> Sequence[float]:
    """Return exp(-y(x1 - x2)/temperature) for each pair."""
    return pairs.rounded([_exp(-s) for s in _scaled(pairs, "temperature", parameters)])


def _scaled(pairs: Differences, by: str, parameters: dict[str, float]) -> Sequence[float]:
    """Return y(x1 - x2) of each pair times beta, or divided by the temperature, whichever it is scaled `by`."""
    scale = pairs.rounded([parameters[by]])[0]
    if by == "beta":
        return pairs.rounded([agreement * scale for agreement in pairs.agreement])
    return pairs.rounded([agreement / scale for agreement in pairs.agreement])


def _slope(parameters: dict[str, float]) -> float:
    return parameters["label_smoothing"] / (1 - 2 * parameters["label_smoothing"])


def _exp(z: float) -> float:
    try:
        return math.exp(z)
    except OverflowError:
        return math.inf


def _sigmoid(z: float) -> float:
    """Return 1 / (1 + exp(-z)) without overflow, and with the digits of a small one."""
    return 1 / (1 + _exp(-z)) if z > 0 else _exp(z) / (1 + _exp(z))


def _softplus(z: float) -> float:
    """Return log(1 + exp(z)) without overflow, and with the digits of a small one."""
    return (z if z > 0 else 0.0) + math.log1p(_exp(-abs(z)))


Loop = Callable[[Differences, Margin, dict[str, float]], Sequence[float]]

LOOPS: dict[str, Loop] = {
    loop.__name__: loop
    for loop in (
        margin_ranking,
        squared_hinge,
        margin_mse,
        ipo,
        logistic,
        smoothed_bradley_terry,
        robust_bradley_terry,
        soft_zero_one,
        exponential,
    )
}

# Of the losses that are made of exponentials what scales y(x1 - x2), and their slope for what that comes to, z; by z,
# margin and parameters.
SLOPES: dict[str, tuple[str, Callable[[float, float, dict[str, float]], float]]] = {
    "logistic": ("temperature", lambda z, m, _: -_sigmoid(m - z)),
    "smoothed_bradley_terry": (
        "beta",
        lambda z, _m, given: given["label_smoothing"] * _sigmoid(z) - (1 - given["label_smoothing"]) * _sigmoid(-z),
    ),
    "robust_bradley_terry": ("beta", lambda z, _m, given: -(_sigmoid(-z) + _slope(given))),
    "soft_zero_one": ("temperature", lambda z, _m, _: -_sigmoid(z) * _sigmoid(-z)),
    "exponential": ("temperature", lambda z, _m, _: -_exp(-z)),
}


def slopes(loss: str, pairs: Differences, margin: float, parameters: dict[str, float]) -> list[float]:
    """Return for each pair the slope for x1 - x2 of a loss that is made of exponentials, where y is 1."""
    by, slope = SLOPES[loss]
    of_z = [slope(z, margin, parameters) for z in _scaled(pairs, by, parameters)]
    return [parameters[by] * each if by == "beta" else each / parameters[by] for each in of_z]


def cancelling_terms(loss: str, pairs: Differences, parameters: dict[str, float]) -> list[float] | None:
    """Return for each pair how large the terms are that may cancel in its loss; None where nothing can.

    Such a loss is as exact as its terms, not as its own last digit: ulps are those of the terms.
    """
    if loss != "robust_bradley_terry":
        return None
    slope = _slope(parameters)
    return [_softplus(-z) + abs(slope * z) for z in _scaled(pairs, "beta", parameters)]
