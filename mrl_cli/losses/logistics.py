"""Losses made of exponentials: logistic, Bradley-Terry with label noise, soft zero-one, exponential.

Nothing here overflows but a loss that is itself beyond the largest number of its dtype, and small losses keep their
digits: an exponential is only ever taken of a negative argument (but for the exponential loss), and softplus is
log1p, because log(1 + e) loses an e that is small beside 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.losses.parameters import BETA, LABEL_NOISE, LABEL_SMOOTHING, TEMPERATURE
from mrl_cli.losses.registry import registered

if TYPE_CHECKING:
    from mrl_cli.losses.registry import Floats


def _decay(z: Floats) -> Floats:
    """Return exp(-|z|), a new array."""
    decay = np.abs(z, out=np.empty_like(z))
    np.negative(decay, out=decay)
    return np.exp(decay, out=decay)


def _sigmoid(z: Floats) -> Floats:
    """Return 1 / (1 + exp(-z)) with the digits of both tails."""
    decay = _decay(z)
    numerator = np.where(z < 0, decay, z.dtype.type(1))
    decay += 1
    return np.divide(numerator, decay, out=decay)


def logistic_gradient(difference: Floats, y: Floats, *, margin: float | Floats, temperature: float) -> Floats:
    """Return the gradient of the logistic loss for the difference: -y/temperature * sigmoid(z), z as in the loss.

    >>> logistic_gradient(np.array([0.0, -800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=2.0)
    array([-0.25, -0.5 ])
    """
    return _sigmoid(np.asarray(margin - y * difference / temperature)) * (-y / temperature)


@registered(
    formula="log(1 + exp(z)), z = margin - y*(x1 - x2)/temperature",
    source="Burges et al., Learning to Rank using Gradient Descent (RankNet), ICML 2005; margin: TRL, RewardTrainer",
    gradient=logistic_gradient,
    parameters=(TEMPERATURE,),
)
def logistic_kernel(
    difference: Floats, y: Floats, *, margin: float | Floats, temperature: float, out: Floats | None = None
) -> Floats:
    """Return softplus(margin - y*difference/temperature) for each pair; see `Loss` for the arguments.

    The same loss is known as RankNet, BPR, PairLogit and the Bradley-Terry log-likelihood.

    >>> logistic_kernel(np.array([1e4, -1e4]), np.array([1.0, 1.0]), margin=0.0, temperature=1.0)
    array([    0., 10000.])
    """
    z = np.multiply(y, difference, out=np.empty_like(difference) if out is None else out)
    np.divide(z, temperature, out=z)
    np.subtract(margin, z, out=z)
    tail = _decay(z)
    np.log1p(tail, out=tail)
    np.maximum(z, 0.0, out=z)
    return np.add(z, tail, out=z)


def _bradley_terry(
    difference: Floats, y: Floats, *, beta: float, right: float, wrong: float, out: Floats | None
) -> Floats:
    """Return log1p(exp(-|z|)) + right*max(z, 0) + wrong*max(-z, 0), where z = beta*y*difference.

    -log sigmoid(z) is log1p(exp(-|z|)) + max(-z, 0), and -log sigmoid(-z) the same with max(z, 0), so every mixture of
    the two whose shares add up to 1 has this form, where the logarithm cancels against nothing. A slope of 0 is left
    out, since 0 times infinity is no number.
    """
    z = np.multiply(y, difference, out=np.empty_like(difference) if out is None else out)
    np.multiply(z, beta, out=z)
    losses = _decay(z)
    np.log1p(losses, out=losses)
    if right:
        losses += np.maximum(z, 0.0) * right
    if wrong:
        losses -= np.minimum(z, 0.0) * wrong
    np.copyto(z, losses)
    return z


def smoothed_bradley_terry_gradient(
    difference: Floats, y: Floats, *, margin: float | Floats, beta: float, label_smoothing: float
) -> Floats:
    """Return the gradient of the smoothed Bradley-Terry loss for the difference.

    It is -beta*y * ((1 - label_smoothing)*sigmoid(-z) - label_smoothing*sigmoid(z)), where z = beta*y*difference.

    >>> zero, one = np.array([0.0]), np.array([1.0])
    >>> smoothed_bradley_terry_gradient(zero, one, margin=0.0, beta=1.0, label_smoothing=0.25)
    array([-0.25])
    """
    del margin
    z: Floats = np.asarray(beta * (y * difference))
    np.subtract((1 - label_smoothing) * _sigmoid(-z), label_smoothing * _sigmoid(z), out=z)
    z *= -beta * y
    return z


@registered(
    formula="-(1 - label_smoothing)*log sigmoid(z) - label_smoothing*log sigmoid(-z), z = beta*y*(x1 - x2)",
    source="Mitchell, A note on DPO with noisy preferences and relationship to IPO (cDPO), 2023; TRL, OpenRLHF",
    gradient=smoothed_bradley_terry_gradient,
    parameters=(BETA, LABEL_SMOOTHING),
    has_margin=False,
    is_monotone=False,
)
def smoothed_bradley_terry_kernel(
    difference: Floats,
    y: Floats,
    *,
    margin: float | Floats,
    beta: float,
    label_smoothing: float,
    out: Floats | None = None,
) -> Floats:
    """Return the Bradley-Terry loss, expected where a share of the labels is flipped; see `Loss` for the arguments.

    >>> ten = np.array([1e4])
    >>> smoothed_bradley_terry_kernel(ten, np.array([1.0]), margin=0.0, beta=1.0, label_smoothing=0.25)
    array([2500.])
    """
    del margin
    return _bradley_terry(difference, y, beta=beta, right=label_smoothing, wrong=1 - label_smoothing, out=out)


def robust_bradley_terry_gradient(
    difference: Floats, y: Floats, *, margin: float | Floats, beta: float, label_smoothing: float
) -> Floats:
    """Return the gradient of the robust Bradley-Terry loss for the difference.

    It is -beta*y * ((1 - label_smoothing)*sigmoid(-z) + label_smoothing*sigmoid(z)) / (1 - 2*label_smoothing), where
    z = beta*y*difference.

    >>> zero, one = np.array([0.0]), np.array([1.0])
    >>> robust_bradley_terry_gradient(zero, one, margin=0.0, beta=1.0, label_smoothing=0.25)
    array([-1.])
    """
    del margin
    z: Floats = np.asarray(beta * (y * difference))
    debias = 1 - 2 * label_smoothing
    straight, flipped = (1 - label_smoothing) / debias, label_smoothing / debias
    np.add(straight * _sigmoid(-z), flipped * _sigmoid(z), out=z)
    z *= -beta * y
    return z


@registered(
    formula="(-(1 - label_smoothing)*log sigmoid(z) + label_smoothing*log sigmoid(-z)) / (1 - 2*label_smoothing),"
    " z = beta*y*(x1 - x2)",
    source="Chowdhury, Kini and Natarajan, Provably Robust DPO, ICML 2024, arXiv 2403.00409; TRL",
    gradient=robust_bradley_terry_gradient,
    parameters=(BETA, LABEL_NOISE),
    has_margin=False,
    lowest=-math.inf,
)
def robust_bradley_terry_kernel(
    difference: Floats,
    y: Floats,
    *,
    margin: float | Floats,
    beta: float,
    label_smoothing: float,
    out: Floats | None = None,
) -> Floats:
    """Return the loss whose mean over flipped labels is the Bradley-Terry loss without flips; it may be negative.

    `label_smoothing` is the share of flips. See `Loss` for the other arguments.

    >>> ten = np.array([1e4])
    >>> robust_bradley_terry_kernel(ten, np.array([1.0]), margin=0.0, beta=1.0, label_smoothing=0.25)
    array([-5000.])
    """
    del margin
    debias = 1 - 2 * label_smoothing
    right, wrong = -label_smoothing / debias, (1 - label_smoothing) / debias
    return _bradley_terry(difference, y, beta=beta, right=right, wrong=wrong, out=out)


def soft_zero_one_gradient(difference: Floats, y: Floats, *, margin: float | Floats, temperature: float) -> Floats:
    """Return the gradient of the soft zero-one loss for the difference: -y/temperature * sigmoid(d) * sigmoid(-d).

    >>> soft_zero_one_gradient(np.array([0.0, 800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=1.0)
    array([-0.25, -0.  ])
    """
    del margin
    decay = _decay(np.asarray(y * difference / temperature))
    np.divide(decay, np.square(1 + decay), out=decay)
    decay *= -y / temperature
    return decay


@registered(
    formula="1 / (1 + exp(y*(x1 - x2)/temperature))",
    source="RAX 0.4, pairwise_soft_zero_one_loss",
    gradient=soft_zero_one_gradient,
    parameters=(TEMPERATURE,),
    has_margin=False,
    highest=1.0,
)
def soft_zero_one_kernel(
    difference: Floats, y: Floats, *, margin: float | Floats, temperature: float, out: Floats | None = None
) -> Floats:
    """Return sigmoid(-y*difference/temperature) for each pair: a smooth count of the wrong ones, from 0 to 1.

    >>> soft_zero_one_kernel(np.array([0.0, -800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=1.0)
    array([0.5, 1. ])
    """
    del margin
    z = np.multiply(y, difference, out=np.empty_like(difference) if out is None else out)
    np.divide(z, -temperature, out=z)
    np.copyto(z, _sigmoid(z))
    return z


def exponential_gradient(difference: Floats, y: Floats, *, margin: float | Floats, temperature: float) -> Floats:
    """Return the gradient of the exponential loss for the difference: -y/temperature * exp(-y*difference/temperature).

    >>> exponential_gradient(np.array([0.0, 800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=0.5)
    array([-2., -0.])
    """
    del margin
    z: Floats = np.asarray(y * difference / -temperature)
    np.exp(z, out=z)
    z *= -y / temperature
    return z


@registered(
    formula="exp(-y*(x1 - x2)/temperature)",
    source="Freund, Iyer, Schapire and Singer, An Efficient Boosting Algorithm for Combining Preferences, JMLR 4, 2003",
    gradient=exponential_gradient,
    parameters=(TEMPERATURE,),
    has_margin=False,
)
def exponential_kernel(
    difference: Floats, y: Floats, *, margin: float | Floats, temperature: float, out: Floats | None = None
) -> Floats:
    """Return exp(-y*difference/temperature) for each pair; infinite where that is beyond the largest number.

    >>> exponential_kernel(np.array([0.0, 800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=1.0)
    array([1., 0.])
    """
    del margin
    z = np.multiply(y, difference, out=np.empty_like(difference) if out is None else out)
    np.divide(z, -temperature, out=z)
    return np.exp(z, out=z)
