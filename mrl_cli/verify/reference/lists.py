"""Ranked lists, again: every two items of a list with different labels, one pair after the other.

The pairs of a list are all (i, j) with label_i > label_j, and d = score_i - score_j should be above 0. Losses that are
powers, the hinges among them, are computed in whole numbers over one denominator, and nothing rounds but a result, at
the end. The others go through the loops of pairs, in floats. A pair weighs what item i does, times LambdaRank's weight.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import repeat
from operator import mul
from typing import Any, NamedTuple

from mrl_cli.verify.reference.listwise import lambda_weights
from mrl_cli.verify.reference.loops import LOOPS, cancelling_terms, differences, slopes
from mrl_cli.verify.reference.sums import LoopFigures, LoopSum, quotient, whole_numbers

Numbers = Sequence[float]

ORDINARY_EXPONENT = 50.0  # rounding such a one, or a smaller one, is within what sums may be off

Formula = Callable[[int, int, int, int], int]


class Power(NamedTuple):
    """A loss that is a power: which, what a pair costs, and the slope of that for d.

    Both are by d, the target label_i - label_j, the margin m and 1/(2 beta), the aim.
    """

    power: int
    loss: Formula
    slope: Formula


# A hinge has the slope of its active side at the kink, as in PyTorch.
POWERS: dict[str, Power] = {
    "margin_ranking": Power(1, lambda d, _t, m, _a: max(0, m - d), lambda d, _t, m, _a: -1 if m >= d else 0),
    "squared_hinge": Power(2, lambda d, _t, m, _a: max(0, m - d) ** 2, lambda d, _t, m, _a: -2 * max(0, m - d)),
    "margin_mse": Power(2, lambda d, target, _m, _a: (d - target) ** 2, lambda d, target, _m, _a: 2 * (d - target)),
    "ipo": Power(2, lambda d, _t, _m, aim: (d - aim) ** 2, lambda d, _t, _m, aim: 2 * (d - aim)),
}


@dataclass(frozen=True, slots=True)
class ListSetting:
    """Under what a list is computed: the loss, its margin and all its parameters, LambdaRank's weights and their top.

    `lambda_weight` is "none", "label_diff" or "ndcg".
    """

    loss: str = "margin_ranking"
    margin: float = 0.0
    parameters: dict[str, float] = field(default_factory=dict)
    lambda_weight: str = "none"
    top: int | None = None


class ListGradient(NamedTuple):
    """The gradient of a list, each entry rounded once, and how large what was added up for each is in sum."""

    values: list[float]
    sizes: list[float]


@dataclass(frozen=True, slots=True)
class _Row:
    """The pairs of one item with all items of a lower label.

    `losses` are whole numbers over `unit`, or floats where that is None; then `terms` are how large they are, or what
    cancels in them, and more where their exponent is large: that is rounded, and a share of itself is a share of e^it.
    """

    item: int
    lower: list[int]
    signs: list[int]
    losses: list[Any]
    unit: int | None
    weights: list[float] | None
    terms: list[float] | None = None


def list_figures(labels: Numbers, scores: Numbers, setting: ListSetting, weights: Numbers | None = None) -> LoopFigures:
    """Return what the pairs of one list come to.

    `labels`, `scores` and `weights`, those of the items, are of one length and finite.

    >>> figures = list_figures([1.0, 0.0, 0.0], [2.0, 1.0, 3.0], ListSetting(margin=0.5))
    >>> float(figures.total), figures.counts["pairs"], figures.counts["correct"]
    (1.5, 2, 1)
    """
    rows = list(_rows(labels, scores, weights, setting))
    return _figures(rows) if rows else LoopFigures()


def _figures(rows: Sequence[_Row]) -> LoopFigures:
    """Return what the pairs of rows of one list come to."""
    unit, losses = rows[0].unit, [loss for row in rows for loss in row.losses]
    weights = None if rows[0].weights is None else [w for row in rows for w in row.weights or ()]
    lowest, highest = min(losses), max(losses)
    total = _sum_of_products(weights or [1.0] * len(losses), losses, unit)
    if unit is None:
        terms = [term for row in rows for term in row.terms or ()]
        size = math.fsum(map(mul, weights or repeat(1.0), terms))
    else:
        size, lowest, highest = float(total), quotient(lowest, unit), quotient(highest, unit)
    signs = [sign for row in rows for sign in row.signs]
    sides = Counter(signs)
    active = sum(loss > 0 for loss in losses)
    counts = +Counter(correct=sides[1], ties=sides[0], wrong=sides[-1], active=active, pairs=len(losses))
    if weights is None:
        return LoopFigures(counts, total, lowest=lowest, highest=highest, terms=size)
    correct = [w for w, sign in zip(weights, signs, strict=True) if sign > 0]
    return LoopFigures(counts, total, LoopSum.of(weights), LoopSum.of(correct), lowest, highest, size)


def list_gradient(
    labels: Numbers, scores: Numbers, setting: ListSetting, weights: Numbers | None = None
) -> ListGradient:
    """Return the gradient of the sum of one list for the scores of its items.

    A hinge has the slope of its active side at the kink, as in PyTorch.

    >>> list_gradient([1.0, 0.0, 0.0], [2.0, 1.0, 3.0], ListSetting(margin=1.0)).values
    [-2.0, 1.0, 1.0]
    """
    factors: list[list[float]] = [[] for _ in labels]
    slopes: list[list[Any]] = [[] for _ in labels]
    sizes: list[list[Any]] = [[] for _ in labels]
    unit = None
    for row in _rows(labels, scores, weights, setting, of_slopes=True):
        unit = row.unit
        terms = row.terms or [abs(slope) for slope in row.losses]
        for j, slope, term, weight in zip(row.lower, row.losses, terms, row.weights or repeat(1.0), strict=False):
            for item, factor in ((row.item, weight), (j, -weight)):
                factors[item].append(factor)
                slopes[item].append(slope)
                sizes[item].append(term)
    sums = [_rounded(*of_item, unit) + 0.0 for of_item in zip(factors, slopes, strict=True)]
    added = [_size(*of_item, unit) for of_item in zip(factors, sizes, strict=True)]
    return ListGradient(sums, added)


def _sum_of_products(factors: Sequence[float], values: Sequence[Any], unit: int | None) -> LoopSum:
    """Return the sum of factor * value; the values are whole numbers over `unit`, or floats where that is None."""
    if unit is None:
        if all(abs(factor) == 1 for factor in factors):
            return LoopSum.of(list(map(mul, factors, values)))
        return LoopSum.of_products(factors, values)
    return LoopSum(Fraction(*_whole_sum(factors, values, unit)))


def _rounded(factors: Sequence[float], values: Sequence[Any], unit: int | None) -> float:
    """Return the same, rounded once."""
    return (
        float(_sum_of_products(factors, values, None)) if unit is None else quotient(*_whole_sum(factors, values, unit))
    )


def _whole_sum(factors: Sequence[float], values: Sequence[int], unit: int) -> tuple[int, int]:
    """Return the same as two whole numbers, to be divided."""
    whole, denominator = whole_numbers(factors)
    return sum(map(mul, whole, values)), unit * denominator


def _size(factors: Sequence[float], terms: Sequence[Any], unit: int | None) -> float:
    """Return how large such products are in sum, nearly."""
    factors = list(map(abs, factors))
    return math.fsum(map(mul, factors, terms)) if unit is None else _rounded(factors, terms, unit)


def _rows(
    labels: Numbers, scores: Numbers, weights: Numbers | None, setting: ListSetting, *, of_slopes: bool = False
) -> Iterator[_Row]:
    """Yield the pairs of a list, those of one higher item at a time, with their losses or the slopes of these for d."""
    lambdas = None
    if setting.lambda_weight != "none":
        lambdas = lambda_weights(labels, scores, setting.lambda_weight, setting.top)
    whole = _Whole.of(labels, scores, setting) if setting.loss in POWERS else None
    for i, label in enumerate(labels):
        lower = [j for j, other in enumerate(labels) if other < label]
        if not lower or (weights is not None and weights[i] == 0):  # pairs of weight 0 are as if they were not there
            continue
        signs = [(scores[i] > scores[j]) - (scores[i] < scores[j]) for j in lower]
        own = 1.0 if weights is None else weights[i]
        of_pairs = None if weights is None else [own] * len(lower)
        if lambdas is not None:
            top, bottom = own.as_integer_ratio()
            of_pairs = [quotient(top * part, bottom * of) for part, of in (lambdas(i, j) for j in lower)]
        if whole is not None:
            values = [whole.value(i, j, of_slopes=of_slopes) for j in lower]
            yield _Row(i, lower, signs, values, whole.unit(of_slopes=of_slopes), of_pairs)
            continue
        pairs = differences([scores[i]] * len(lower), [scores[j] for j in lower], [1.0] * len(lower))
        parameters = setting.parameters
        made = partial(slopes, setting.loss) if of_slopes else LOOPS[setting.loss]
        floats = made(pairs, setting.margin, parameters)
        cancelling = None if of_slopes else cancelling_terms(setting.loss, pairs, parameters)
        per_difference = parameters["beta"] if "label_smoothing" in parameters else 1 / parameters["temperature"]
        terms = [
            size * (1 + (abs(d) * per_difference + abs(setting.margin)) / ORDINARY_EXPONENT)
            for size, d in zip(cancelling or map(abs, floats), pairs.agreement, strict=True)
        ]
        yield _Row(i, lower, signs, list(floats), None, of_pairs, terms)


class _Whole(NamedTuple):
    """A list in whole numbers over one denominator."""

    loss: str
    denominator: int
    labels: list[int]
    scores: list[int]
    margin: int
    aim: int

    @classmethod
    def of(cls, labels: Numbers, scores: Numbers, setting: ListSetting) -> _Whole:
        """Return a list in whole numbers, with the margin and 1/(2 beta)."""
        aim = 1 / (2 * setting.parameters["beta"]) if "beta" in setting.parameters else 0.0
        (*items, margin, whole_aim), denominator = whole_numbers([*labels, *scores, setting.margin, aim])
        return cls(setting.loss, denominator, items[: len(labels)], items[len(labels) :], margin, whole_aim)

    def value(self, i: int, j: int, *, of_slopes: bool) -> int:
        """Return the loss of a pair, or its slope for d."""
        formula = POWERS[self.loss].slope if of_slopes else POWERS[self.loss].loss
        return formula(self.scores[i] - self.scores[j], self.labels[i] - self.labels[j], self.margin, self.aim)

    def unit(self, *, of_slopes: bool) -> int:
        """Return of how many a loss, or a slope, of 1 is one part."""
        unit: int = self.denominator ** (POWERS[self.loss].power - of_slopes)
        return unit


def top_share(labels: Numbers, scores: Numbers) -> float:
    """Return the share of items of the highest label among those of the highest score: 1 where the top is right.

    >>> top_share([2.0, 1.0, 2.0], [0.5, 0.5, 0.5])
    0.6666666666666666
    """
    best = [label for label, score in zip(labels, scores, strict=True) if score == max(scores)]
    return best.count(max(labels)) / len(best)
