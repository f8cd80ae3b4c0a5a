"""Losses made of exponentials: logistic, Bradley-Terry with label noise, soft zero-one, exponential.

Nothing here overflows but a loss that is itself beyond the largest number of its dtype, and small losses keep their
digits: an exponential is only ever taken of a negative argument (but for the exponential loss), and softplus is
log1p, because log(1 + e) loses an e that is small beside 1.
"""

from __future__ import annotations

import math

import numpy as np

from mrl_cli.losses.registry import BETA, LABEL_NOISE, LABEL_SMOOTHING, TEMPERATURE, Floats, Margin, registered


def _decay(z: Floats) -> Floats:
    """Return exp(-|z|), a new array."""
    decay = np.abs(z, out=np.empty_like(z))
    np.negative(decay, out=decay)
    return np.exp(decay, out=decay)


def _sigmoid(z: Floats) -> Floats:
    """Return 1 / (1 + exp(-z)) with the digits of both tails, a new array."""
    decay = _decay(z)
    numerator = np.where(z < 0, decay, z.dtype.type(1))
    decay += 1
    return np.divide(numerator, decay, out=decay)


def _mixture(z: Floats, straight: float, flipped: float) -> Floats:
    """Return -straight*log sigmoid(z) - flipped*log sigmoid(-z) in z, where the shares add up to 1.

    -log sigmoid(z) is log1p(exp(-|z|)) + max(-z, 0), and -log sigmoid(-z) the same with max(z, 0), so every such
    mixture is log1p(exp(-|z|)) + flipped*max(z, 0) + straight*max(-z, 0), where the logarithm cancels against nothing.
    A slope of 0 is left out, since 0 times infinity is no number.
    """
    losses = _decay(z)
    np.log1p(losses, out=losses)
    if flipped:
        losses += np.maximum(z, 0.0) * flipped
    if straight:
        losses -= np.minimum(z, 0.0) * straight
    np.copyto(z, losses)
    return z


def _mixture_gradient(z: Floats, slope: Floats, straight: float, flipped: float) -> Floats:
    """Return the gradient of the mixture for -z, times `slope`, in z."""
    np.subtract(straight * _sigmoid(-z), flipped * _sigmoid(z), out=z)
    z *= slope
    return z


def logistic_gradient(distance: Floats, y: Floats, margin: Margin, temperature: float) -> Floats:
    """Return -y/temperature * sigmoid(z), z as in the loss.

    >>> logistic_gradient(np.array([0.0, -800.0]), np.array([1.0, 1.0]), margin=0.0, temperature=2.0)
    array([-0.25, -0.5 ])
    """
    distance /= temperature
    slope = _sigmoid(np.subtract(margin, distance, out=distance))
    return np.multiply(slope, np.divide(y, -temperature, out=distance), out=distance)


@registered(
    formula="log(1 + exp(z)), z = margin - y*(x1 - x2)/temperature",
    source="Burges et al., Learning to Rank using Gradient Descent (RankNet), ICML 2005; margin: TRL, RewardTrainer",
    gradient=logistic_gradient,
    parameters=(TEMPERATURE,),
    is_logarithmic=True,
)
def logistic(distance: Floats, margin: Margin, temperature: float) -> Floats:
    """Return softplus(z), z = margin - distance/temperature.

    The same loss is known as RankNet, BPR, PairLogit and the Bradley-Terry log-likelihood.

    >>> logistic(np.array([1e4, -1e4]), margin=0.0, temperature=1.0)
    array([    0., 10000.])
    """
    distance /= temperature
    z = np.subtract(margin, distance, out=distance)
    tail = _decay(z)
    np.log1p(tail, out=tail)
    np.maximum(z, 0.0, out=z)
    return np.add(z, tail, out=z)


def smoothed_bradley_terry_gradient(distance: Floats, y: Floats, beta: float, label_smoothing: float) -> Floats:
    """Return -beta*y * ((1 - label_smoothing)*sigmoid(-z) - label_smoothing*sigmoid(z)), where z = beta*distance.

    >>> smoothed_bradley_terry_gradient(np.array([0.0]), np.array([1.0]), beta=1.0, label_smoothing=0.25)
    array([-0.25])
    """
    distance *= beta
    return _mixture_gradient(distance, -beta * y, 1 - label_smoothing, label_smoothing)


@registered(
    formula="-(1 - label_smoothing)*log sigmoid(z) - label_smoothing*log sigmoid(-z), z = beta*y*(x1 - x2)",
    source="Mitchell, A note on DPO with noisy preferences and relationship to IPO (cDPO), 2023; TRL, OpenRLHF",
    gradient=smoothed_bradley_terry_gradient,
    parameters=(BETA, LABEL_SMOOTHING),
    has_margin=False,
    is_monotone=False,
    is_logarithmic=True,
)
def smoothed_bradley_terry(distance: Floats, beta: float, label_smoothing: float) -> Floats:
    """Return the Bradley-Terry loss, expected where a share of the labels is flipped.

    >>> smoothed_bradley_terry(np.array([1e4]), beta=1.0, label_smoothing=0.25)
    array([2500.])
    """
    distance *= beta
    return _mixture(distance, 1 - label_smoothing, label_smoothing)


def _unbiased_shares(label_smoothing: float) -> tuple[float, float]:
    debias = 1 - 2 * label_smoothing
    return (1 - label_smoothing) / debias, -label_smoothing / debias


def robust_bradley_terry_gradient(distance: Floats, y: Floats, beta: float, label_smoothing: float) -> Floats:
    """Return the gradient of the robust Bradley-Terry loss, where z = beta*distance:
    -beta*y * ((1 - label_smoothing)*sigmoid(-z) + label_smoothing*sigmoid(z)) / (1 - 2*label_smoothing).

    >>> robust_bradley_terry_gradient(np.array([0.0]), np.array([1.0]), beta=1.0, label_smoothing=0.25)
    array([-1.])
    """
    distance *= beta
    return _mixture_gradient(distance, -beta * y, *_unbiased_shares(label_smoothing))


@registered(
    formula="(-(1 - label_smoothing)*log sigmoid(z) + label_smoothing*log sigmoid(-z)) / (1 - 2*label_smoothing),"
    " z = beta*y*(x1 - x2)",
    source="Chowdhury, Kini and Natarajan, Provably Robust DPO, ICML 2024, arXiv 2403.00409; TRL",
    gradient=robust_bradley_terry_gradient,
    parameters=(BETA, LABEL_NOISE),
    has_margin=False,
    lowest=-math.inf,
    is_logarithmic=True,
)
def robust_bradley_terry(distance: Floats, beta: float, label_smoothing: float) -> Floats:
    """Return the loss whose mean over flipped labels is the Bradley-Terry loss without flips; it may be negative.

    `label_smoothing` is the share of flips.

    >>> robust_bradley_terry(np.array([1e4]), beta=1.0, label_smoothing=0.25)
    array([-5000.])
    """
    distance *= beta
    return _mixture(distance, *_unbiased_shares(label_smoothing))


def soft_zero_one_gradient(distance: Floats, y: Floats, temperature: float) -> Floats:
    """Return -y/temperature * sigmoid(z) * sigmoid(-z), z as in the loss.

    >>> soft_zero_one_gradient(np.array([0.0, 800.0]), np.array([1.0, 1.0]), temperature=1.0)
    array([-0.25, -0.  ])
    """
    distance /= temperature
    decay = _decay(distance)
    decay /= np.square(1 + decay)
    np.multiply(decay, -y / temperature, out=distance)
    return distance


@registered(
    formula="1 / (1 + exp(y*(x1 - x2)/temperature))",
    source="RAX 0.4, pairwise_soft_zero_one_loss",
    gradient=soft_zero_one_gradient,
    parameters=(TEMPERATURE,),
    has_margin=False,
    highest=1.0,
)
def soft_zero_one(distance: Floats, temperature: float) -> Floats:
    """Return sigmoid(-z), z = distance/temperature: a smooth count of the wrong pairs, from 0 to 1.

    >>> soft_zero_one(np.array([0.0, -800.0]), temperature=1.0)
    array([0.5, 1. ])
    """
    distance /= -temperature
    np.copyto(distance, _sigmoid(distance))
    return distance


def exponential_gradient(distance: Floats, y: Floats, temperature: float) -> Floats:
    """Return -y/temperature * exp(-distance/temperature).

    >>> exponential_gradient(np.array([0.0, 800.0]), np.array([1.0, 1.0]), temperature=0.5)
    array([-2., -0.])
    """
    losses = exponential(distance, temperature)
    losses *= -y / temperature
    return losses


@registered(
    formula="exp(-y*(x1 - x2)/temperature)",
    source="Freund, Iyer, Schapire and Singer, An Efficient Boosting Algorithm for Combining Preferences, JMLR 4, 2003",
    gradient=exponential_gradient,
    parameters=(TEMPERATURE,),
    has_margin=False,
)
def exponential(distance: Floats, temperature: float) -> Floats:
    """Return exp(-distance/temperature); infinite where that is beyond the largest number.

    >>> exponential(np.array([0.0, 800.0]), temperature=1.0)
    array([1., 0.])
    """
    distance /= -temperature
    return np.exp(distance, out=distance)
