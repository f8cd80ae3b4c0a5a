"""What a loss made of exponentials looks like: near 0 any smooth function of z, beyond that a line and powers of exp.

z = margin - d*rate, where d is the score of the item with the higher label less that of the other.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import distinct
from mrl_cli.lists.distances import values_at
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.dtypes import Doubles, Places
    from mrl_cli.model import LossChoice

    Terms = tuple[tuple[int, int, float], ...]

DEGREE = 14  # of the polynomials of a place in a cell that is at most 1 wide in z
NODES = 24  # places at which a loss is looked at to find them
LOST = 2e-17  # a coefficient that small beside the greatest loss of two cells is rounding, and left out
PI = Fraction("3.14159265358979323846264338327950288")
SCALES = ("temperature", "beta")  # of which z has one
_POWERS = range(1, 6)  # of exp(-|z|)


class Tail(NamedTuple):
    """What a loss is for z far from 0, with the sign of z: slope*z + level + sum of powers[k - 1] * exp(-k*|z|)."""

    sign: int
    slope: float
    level: float
    powers: tuple[float, ...]


class Shape(NamedTuple):
    """A loss, or its gradient for z, with all that is chosen; without tails it is exp(z), and so is its gradient."""

    choice: LossChoice
    rate: Fraction
    margin: float
    is_slope: bool
    tails: tuple[Tail, ...]

    def losses(self, differences: Doubles) -> Doubles:
        """Return the loss of each difference d, as its kernel rounds it; the gradient for z of a gradient."""
        return values_at(differences, self.choice, of_gradient=self.is_slope) * self._unit(self.rate)

    def coefficients(self, centre: float, step: float) -> Terms:
        """Return (row, column, c) of the loss as a sum of c * T_row(x) * T_column(y), z = centre + (y - x)*step/2."""
        return _coefficients(self.choice, self.is_slope, centre, step)

    def columns(self, centre: float, step: float) -> list[tuple[int, Places, Doubles]]:
        """Return the coefficients by column: that, the rows that have one there, and those coefficients."""
        return _columns(self.choice, self.is_slope, centre, step)

    def _unit(self, rate: Fraction) -> float:
        return -1 / float(rate) if self.is_slope else 1.0

    def at(self, z: Doubles) -> Doubles:
        """Return the loss at z, or its gradient for z."""
        parameters = ((name, 1.0 if name in SCALES else value) for name, value in self.choice.parameters)
        choice = replace(self.choice, margin=0.0, parameters=tuple(parameters))
        return values_at(-z, choice, of_gradient=self.is_slope) * self._unit(Fraction(1))


@lru_cache(maxsize=512)
def _coefficients(choice: LossChoice, is_slope: bool, centre: float, step: float) -> Terms:
    """Return the terms of the Chebyshev expansion in two variables that are not lost beside the least loss there."""
    turns = np.outer(np.arange(NODES), 2 * np.arange(NODES) + 1) % (4 * NODES)
    polynomials = _cosines()[np.where(turns > 2 * NODES, 4 * NODES - turns, turns)]
    nodes = polynomials[1].copy()
    polynomials *= np.where(np.arange(NODES) == 0, 1, 2)[:, None] / NODES
    found = shape_of(choice, is_slope=is_slope)
    assert found is not None
    values = found.at((centre + (nodes[None, :] - nodes[:, None]) * (step / 2)).ravel()).reshape(NODES, NODES)
    # Few terms: exact sums of them cost nothing, and no BLAS has a say in their digits.
    over = [[math.fsum((polynomials[k] * values[i]).tolist()) for k in range(DEGREE + 1)] for i in range(NODES)]
    both = [[math.fsum((polynomials[k] * row).tolist()) for row in np.array(over).T] for k in range(DEGREE + 1)]
    lost = np.abs(values).max() * LOST
    return tuple(
        (row, column, value) for row, line in enumerate(both) for column, value in enumerate(line) if abs(value) > lost
    )


@lru_cache(maxsize=512)
def _columns(choice: LossChoice, is_slope: bool, centre: float, step: float) -> list[tuple[int, Places, Doubles]]:
    terms = _coefficients(choice, is_slope, centre, step)
    rows, columns = np.array([term[:2] for term in terms], np.intp).reshape(-1, 2).T
    values = np.array([term[2] for term in terms])
    return [(column, rows[columns == column], values[columns == column]) for column in distinct(columns).tolist()]


def _cosines() -> Doubles:
    """Return cos(pi*k/(2*NODES)) for k from 0 to 2*NODES.

    Each angle is rounded by itself: multiples of one rounded angle are all off to one side, and polynomials ten times
    as far (test_polynomials_hold_at_the_corners_of_two_cells).
    """
    return np.array([math.cos(float(PI * k / (2 * NODES))) for k in range(2 * NODES + 1)])


def _softplus(share: float, *, is_slope: bool) -> tuple[Tail, Tail]:
    """softplus(z) + share*z, whose gradient is sigmoid(z) + share."""
    if is_slope:
        return _sigmoid(share, is_slope=False)
    powers = tuple((-1) ** (k + 1) / k for k in _POWERS)
    return Tail(-1, share, 0.0, powers), Tail(1, 1 + share, 0.0, powers)


def _sigmoid(share: float, *, is_slope: bool) -> tuple[Tail, Tail]:
    """sigmoid(z) + share, whose gradient is the same on both sides."""
    powers = tuple(float((-1) ** (k + 1)) for k in _POWERS)
    if is_slope:
        powers = tuple(k * power for k, power in zip(_POWERS, powers, strict=True))
        return Tail(-1, 0.0, 0.0, powers), Tail(1, 0.0, 0.0, powers)
    return Tail(-1, 0.0, share, powers), Tail(1, 0.0, 1 + share, tuple(-power for power in powers))


# The tails of each loss that is made of exponentials, by its parameters but for a temperature or beta.
_TAILS: dict[str, Callable[..., tuple[Tail, ...]]] = {
    "logistic": lambda **given: _softplus(0.0, **given),
    "smoothed_bradley_terry": lambda label_smoothing, **given: _softplus(-label_smoothing, **given),
    "robust_bradley_terry": lambda label_smoothing, **given: _softplus(
        label_smoothing / (1 - 2 * label_smoothing), **given
    ),
    "soft_zero_one": lambda **given: _sigmoid(0.0, **given),
    "exponential": lambda **_: (),
}


def shape_of(choice: LossChoice, *, is_slope: bool = False) -> Shape | None:
    """Return the shape of a loss, or of its gradient for z; None for one that is not made of exponentials."""
    if choice.name not in _TAILS:
        return None
    parameters = dict(choice.parameters)
    rate = Fraction(parameters.pop("beta", 1.0)) / Fraction(parameters.pop("temperature", 1.0))
    margin = choice.margin if LOSSES[choice.name].has_margin else 0.0
    return Shape(choice, rate, margin, is_slope, _TAILS[choice.name](**parameters, is_slope=is_slope))
