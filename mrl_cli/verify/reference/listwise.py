"""Losses of a ranked list as a whole, and LambdaRank's weights, again: as they are defined, in decimals of 50 digits.

Nothing is arranged for speed: each item is compared with every other. So many digits leave nothing to rounding that a
double could hold, however far scores are apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Overflow, localcontext
from functools import cache

from mrl_cli.verify.reference.sums import whole_numbers

DIGITS = 50
PLAIN = Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)
TINY = Decimal("1e-20")  # below, 1 + x has lost half of the digits of x, and three terms of a series have all
HUGE_LABEL = 1e6  # 2 to that is beyond any use of a gain
ZERO = Decimal(0)

Numbers = Sequence[float]
Parameters = dict[str, float | str]
Ratio = tuple[int, int]


def log1p(x: Decimal) -> Decimal:
    """Return the logarithm of 1 + x, x not below 0.

    >>> float(log1p(Decimal("1e-300")))
    1e-300
    """
    return x - x * x / 2 + x * x * x / 3 if x < TINY else (1 + x).ln()


def _sigmoid(z: Decimal) -> Decimal:
    """Return 1/(1 + exp(-z))."""
    power = (-abs(z)).exp()
    return (1 if z > 0 else power) / (1 + power)


def gain(label: float) -> Decimal:
    """Return 2**label - 1.

    >>> gain(3.0)
    Decimal('7')
    """
    x = Decimal(label) * Decimal(2).ln()
    return x + x * x / 2 + x * x * x / 6 if abs(x) < TINY else Decimal(2) ** Decimal(label) - 1


@cache
def discount(rank: Decimal) -> Decimal:
    """Return 1/log2(1 + rank)."""
    return PLAIN.divide(PLAIN.ln(Decimal(2)), PLAIN.ln(PLAIN.add(1, rank)))


def gains_of(labels: Numbers) -> list[Decimal]:
    """Return the gains of a list, all times one power of two where the largest would be beyond a decimal.

    >>> [[float(g) for g in gains_of([label, 0.0])] for label in (2.0, 1e300)]
    [[3.0, 0.0], [1.0, 0.0]]
    """
    largest = max(labels, default=0.0)
    if largest < HUGE_LABEL:
        return [gain(y) for y in labels]
    with localcontext(PLAIN):
        lowest = -Decimal(largest)
        return [Decimal(2) ** (Decimal(y) - Decimal(largest)) - Decimal(2) ** lowest for y in labels]


def ideal_dcg(gains: Sequence[Decimal], top: int | None = None) -> Decimal:
    """Return the greatest sum of gain times discount that an order of items has, over the first `top` places."""
    best = sorted(gains, reverse=True)[:top]
    return sum((g * discount(Decimal(place)) for place, g in enumerate(best, 1)), ZERO)


def _losses_against(scores: Numbers, rivals: Callable[[int, int], bool]) -> list[Decimal]:
    """Return for each item i: log(1 + the sum of exp(s_j - s_i)), over the other items j for which rivals(i, j)."""
    decimals = [Decimal(s) for s in scores]
    highest = max(decimals, default=ZERO)
    powers = [(s - highest).exp() for s in decimals]
    losses = []
    for i, own in enumerate(powers):
        others = [j for j in range(len(powers)) if j != i and rivals(i, j)]
        if own:
            losses.append(log1p(sum((powers[j] for j in others), ZERO) / own))
        else:  # too far below the highest score for a decimal
            ahead = [decimals[j] - decimals[i] for j in others]
            most = max((ZERO, *ahead))
            losses.append(most + ((-most).exp() + sum(((one - most).exp() for one in ahead), ZERO)).ln())
    return losses


def _shares(values: list[Decimal]) -> list[Decimal] | None:
    """Return values divided by their sum, None where that is 0."""
    total = sum(values, ZERO)
    return [value / total for value in values] if total else None


TARGETS: dict[str, Callable[[Numbers], list[Decimal] | None]] = {
    "raw": lambda labels: [Decimal(y) for y in labels],
    "sum": lambda labels: _shares([Decimal(y) for y in labels]),
    "softmax": lambda labels: _shares([(Decimal(y) - Decimal(max(labels))).exp() for y in labels]),
    "gain": lambda labels: _shares(gains_of(labels)),
}


def softmax(labels: Numbers, scores: Numbers, parameters: Parameters) -> Decimal | None:
    """Return the cross entropy of targets and the softmax of scores; None where labels all 0 give no target."""
    targets = TARGETS[str(parameters["target"])](labels)
    losses = _losses_against(scores, lambda _i, _j: True)
    return None if targets is None else sum((t * one for t, one in zip(targets, losses, strict=True)), ZERO)


def listmle(labels: Numbers, scores: Numbers, parameters: Parameters) -> Decimal:
    """Return the sum of log(sum of exp(s) of those not before an item) - s, the items ordered by label.

    ties: "breslow" takes items of one label as not before each other, "input" takes them in their order.
    """
    if parameters["ties"] == "breslow":
        return sum(_losses_against(scores, lambda i, j: labels[j] <= labels[i]), ZERO)
    order = sorted(range(len(labels)), key=lambda i: -labels[i])
    return sum(_losses_against([scores[i] for i in order], lambda i, j: j > i), ZERO)


def unique_softmax(labels: Numbers, scores: Numbers, parameters: Parameters) -> Decimal:
    """Return the sum of gain * (log(exp(s) + sum of exp(s) of those with a lower label) - s)."""
    losses = _losses_against(scores, lambda i, j: labels[j] < labels[i])
    if parameters["gain"] == "none":
        return sum(losses, ZERO)
    try:
        return sum((gain(y) * one for y, one in zip(labels, losses, strict=True) if one), ZERO)
    except Overflow:
        return Decimal("Infinity")


def approx_ndcg(labels: Numbers, scores: Numbers, parameters: Parameters) -> Decimal | None:
    """Return 1 - NDCG, a rank being 1 + the sum of 1/(1 + exp((s_i - s_j)/temperature)); None for labels all 0."""
    gains, temperature = gains_of(labels), Decimal(parameters["temperature"])
    ideal = ideal_dcg(gains)
    if not ideal:
        return None
    decimals, dcg = [Decimal(s) for s in scores], ZERO
    for i, own in enumerate(gains):
        others = (d for j, d in enumerate(decimals) if j != i)
        rank = 1 + sum((_sigmoid((other - decimals[i]) / temperature) for other in others), ZERO)
        dcg += own * discount(rank)
    return 1 - dcg / ideal


Definition = Callable[[Numbers, Numbers, Parameters], Decimal | None]

LISTWISE: dict[str, Definition] = {
    definition.__name__: definition for definition in (softmax, listmle, unique_softmax, approx_ndcg)
}


def listwise_loss(loss: str, labels: Numbers, scores: Numbers, parameters: Parameters) -> float:
    """Return the loss of one list under the listwise loss of that name, NaN where it is not defined.

    `labels` and `scores` are of one length, finite; `parameters` are all that the loss has.

    >>> listwise_loss("listmle", [1.0, 0.0], [0.0, 0.0], {"ties": "breslow"}) == math.log(2)
    True
    """
    with localcontext(PLAIN):
        value = LISTWISE[loss](labels, scores, parameters) if labels else None
        return math.nan if value is None else float(value)


def lambda_weights(labels: Numbers, scores: Numbers, kind: str, top: int | None) -> Callable[[int, int], Ratio]:
    """Return what two items weigh as a pair, by their places, as a quotient: LambdaRank's weight of that kind.

    "label_diff": |label_i - label_j|. "ndcg": |gain_i - gain_j| * |discount_i - discount_j| / ideal, the discount of
    an item being that of its place by score, 0 beyond `top`, and of items with one score the mean of theirs.

    >>> lambda_weights([2.0, 0.5], [0.0, 0.0], "label_diff", None)(0, 1)
    (3, 2)
    """
    if kind == "label_diff":
        numbers, denominator = whole_numbers(labels)
        return lambda i, j: (abs(numbers[i] - numbers[j]), denominator)
    with localcontext(PLAIN):
        gains, discounts = gains_of(labels), _discounts(scores, top)
        ideal = ideal_dcg(gains, top)

    def weight(i: int, j: int) -> Ratio:
        gained, apart = PLAIN.subtract(gains[i], gains[j]), PLAIN.subtract(discounts[i], discounts[j])
        return (PLAIN.divide(PLAIN.multiply(gained, apart).copy_abs(), ideal) if ideal else ZERO).as_integer_ratio()

    return weight


def _discounts(scores: Numbers, top: int | None) -> list[Decimal]:
    """Return the discount of each item by its place, the highest score first; items of one score share theirs."""
    places = [discount(Decimal(p)) if top is None or p <= top else ZERO for p in range(1, len(scores) + 1)]
    discounts = []
    for score in scores:
        above, level = sum(s > score for s in scores), scores.count(score)
        discounts.append(sum(places[above : above + level], ZERO) / level)
    return discounts
