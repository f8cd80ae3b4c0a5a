"""Sums over the pairs of nodes of powers of a distance, of terms that are not below 0: so no digit is lost.

Both sides of the pairs of a node stand by score. From one item to the next, what the items so far come to grows by the
gap of the two scores: with M_k the sum of charge * (score here - score there)**k,

    M_1 += gap M_0        M_2 += 2 gap M_1 + gap**2 M_0

and an item of the other side that lies beyond by x has x**2 M_0 + 2 x M_1 + M_2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact.few import sum_of_few
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Mask, Places


STEPS = 32  # of a running sum: what is longer is cut into so many


class Term(NamedTuple):
    """factor * |margin - d|**power of the pairs with d below the margin, or with `is_beyond` of those with d above it.

    `is_closed`: of those with d at the margin too.
    """

    margin: float
    power: int
    factor: float = 1.0
    is_beyond: bool = False
    is_closed: bool = False


class Sources(NamedTuple):
    """Items of one side, by node and score: `is_first` says with which a node begins, `charges` has rows of them.

    The lesser parts of scores are `rests`, where a score is the sum of two doubles.
    """

    scores: Doubles
    rests: Doubles | None
    charges: Doubles
    is_first: Mask


def sums_beyond(
    term: Term, sources: Sources, scores: Doubles, rests: Doubles | None, places: tuple[Places, Places, Places]
) -> Doubles:
    """Return for items of the other side, with the higher label, the sum of charge * term over those of their node.

    `places` say where among the sources their node begins, from where on these are not below score - margin (as the
    term is closed), and where the node ends. The result has as many rows as there are charges.
    """
    begins, cuts, ends = places
    if term.is_beyond:
        moments = _moments(sources, term.power, sign=1)
        chosen, nearest = cuts > begins, cuts - 1
    else:
        moments = _moments(sources, term.power, sign=-1)
        chosen, nearest = cuts < ends, cuts
    found = np.zeros((sources.charges.shape[0], scores.size))
    items = np.flatnonzero(chosen)
    nearest = nearest[items]
    values = [moment[:, nearest] for moment in moments]
    if term.power:
        beyond = sum_of_few(np.full(items.size, term.margin), sources.scores[nearest], -scores[items])
        if rests is not None and sources.rests is not None:
            beyond += sources.rests[nearest] - rests[items]
        if term.is_beyond:
            beyond = -beyond
        if term.power == 1:
            values = [beyond * values[0] + values[1]]
        else:
            values = [beyond * (beyond * values[0] + 2 * values[1]) + values[2]]
    found[:, items] = term.factor * values[0]
    return found


def _moments(sources: Sources, power: int, sign: int) -> list[Doubles]:
    """Return M_0 to M_power at each source, of those of its node up to it, or with sign -1 of those from it on."""
    order = slice(None, None, sign)
    is_first = sources.is_first
    if sign < 0:
        is_first = np.append(is_first[1:], True)[::-1]
    moments = [running(sources.charges[:, order], is_first)]
    if power:
        gaps = np.abs(np.diff(sources.scores))
        if sources.rests is not None:
            gaps += np.diff(sources.rests)
        gaps = np.append(0.0, gaps[order])
        gaps[is_first] = 0.0
        steps = gaps * _shifted(moments[0])
        moments.append(running(steps, is_first))
        if power == 2:
            moments.append(running(gaps * (steps + 2 * _shifted(moments[1])), is_first))
    return [moment[:, order] for moment in moments]


def _shifted(values: Doubles) -> Doubles:
    """Return for each place the value before it; of the first, of no meaning."""
    shifted = np.empty_like(values)
    shifted[:, :1], shifted[:, 1:] = 0.0, values[:, :-1]
    return shifted


def running(values: Doubles, is_first: Mask) -> Doubles:
    """Return the sums of rows up to each place from the last first one: of few roundings, for they are cut into blocks.

    >>> running(np.ones((1, 5)), np.array([True, False, False, True, False])).tolist()
    [[1.0, 2.0, 3.0, 1.0, 2.0]]
    """
    rows, size = values.shape
    if not size:
        return np.zeros((rows, 0))
    blocks = -(-size // STEPS)
    cut = np.zeros((STEPS, rows, blocks))
    keeps = np.zeros((STEPS, blocks))
    whole = size // STEPS
    cut[:, :, :whole] = values[:, : whole * STEPS].reshape(rows, whole, STEPS).transpose(2, 0, 1)
    keeps[:, :whole] = ~is_first[: whole * STEPS].reshape(whole, STEPS).T
    if whole < blocks:
        cut[: size - whole * STEPS, :, whole] = values[:, whole * STEPS :].T
        keeps[: size - whole * STEPS, whole] = ~is_first[whole * STEPS :]
    for step in range(1, STEPS):
        cut[step] += cut[step - 1] * keeps[step]
    if blocks > 1:
        np.cumprod(keeps, axis=0, out=keeps)
        before = running(cut[-1], keeps[-1] == 0)
        cut[:, :, 1:] += before[:, :-1] * keeps[:, None, 1:]
    return cut.transpose(1, 2, 0).reshape(rows, -1)[:, :size]
