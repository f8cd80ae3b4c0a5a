"""LambdaRank weights over large lists, without going through pairs: against the loop, and sixty digits."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mrl_cli.lists import measure, ragged
from mrl_cli.lists.base import Lists
from mrl_cli.lists.lambdas import discounts, lambdas_of
from mrl_cli.lists.loop import looped_gradient, weighted_sums
from mrl_cli.lists.powers import running
from mrl_cli.lists.weighted import gradient_by_items, sums_by_items
from mrl_cli.losses import LOSSES
from mrl_cli.model import LossChoice, Ranking
from tests import rank_lists
from tests.rank_lists import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

CHOICES = [
    LossChoice(loss.name, 0.5 if loss.has_margin else 0.0, tuple(loss.defaults.items())) for loss in LOSSES.values()
]
RANKINGS = [Ranking("label_diff"), Ranking("ndcg"), Ranking("ndcg", 3)]
SIZE = 150  # five blocks, so that there are blocks within blocks
KINDS = ["normal", "tied", "near 1e8", "near 1e15", "mixed", "tiny", "in order"]


def list_of(kind: str, levels: int, *, is_weighted: bool = True, size: int = SIZE) -> Lists:
    random = np.random.default_rng([levels, *map(ord, kind)])
    labels = (random.permutation(size) % levels).astype(float) * 6 / levels
    normal = random.normal(size=size)
    scores = {
        "normal": normal,
        "tied": normal.round(1),  # in tenths rounded differences are at the kink that are not, and the reverse
        "near 1e8": normal + 1e8,
        "near 1e15": normal + 1e15,
        "mixed": normal * 10.0 ** random.integers(-12, 13, size),
        "tiny": normal * 1e-200,
        "in order": np.argsort(np.argsort(labels + normal * 0.01)) * 0.5 + normal * 0.3,
    }[kind]
    weights = random.integers(0, 3, size) * random.choice([1.0, 0.3, 1e-9], size)
    return Lists(np.array([0, size]), labels, scores, weights if is_weighted else None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
def test_lists_come_to_what_the_loop_finds(choice: LossChoice, kind: str) -> None:
    for place, ranking in enumerate(RANKINGS):
        levels = (2, 5, SIZE)[(place + len(kind)) % 3]
        lists = list_of(kind, levels, is_weighted=place != 1)
        lambdas = lambdas_of(lists, ranking)
        assert lambdas is not None
        with np.errstate(all="ignore"):
            both = [way(lists, choice, lambdas) for way in (sums_by_items, weighted_sums)]
            quick, slow = (way(lists, choice, lambdas) for way in (gradient_by_items, looped_gradient))
        for found, right in zip(*both, strict=True):
            assert found.rounded(1)[0] == pytest.approx(right.rounded(1)[0], rel=2e-14, abs=0)
        if np.isfinite(slow).all():
            assert np.abs(quick - slow).max() <= 2e-14 * np.abs(slow).max()


def exact_discounts(lists: Lists) -> list[Decimal]:
    """Return the discounts of a list's items in sixty digits."""
    place = [DIGITS.divide(DIGITS.ln(Decimal(2)), DIGITS.ln(Decimal(2 + rank))) for rank in range(lists.scores.size)]
    scores = lists.scores.tolist()
    shared = []
    for score in scores:
        above, tied = sum(other > score for other in scores), scores.count(score)
        shared.append(DIGITS.divide(rank_lists.total(place[above : above + tied]), Decimal(tied)))
    return shared


@pytest.mark.parametrize(("kind", "power"), [("in order", 1), ("mixed", 2), ("near 1e15", 1), ("tied", 2)])
def test_weighted_hinges_in_sixty_digits(kind: str, power: int) -> None:
    # Where a list is all but in order, what is lost is lost by neighbours, whose discounts are nearly equal.
    lists = list_of(kind, SIZE, size=100, is_weighted=False)
    lists = lists._replace(labels=np.round(lists.labels * 4))
    choice = LossChoice("margin_ranking" if power == 1 else "squared_hinge", 0.25)
    lambdas = lambdas_of(lists, Ranking("ndcg"))
    assert lambdas is not None
    discount, gain = exact_discounts(lists), [2 ** int(label) - 1 for label in lists.labels.tolist()]
    order = sorted(gain, reverse=True)
    place = [DIGITS.divide(DIGITS.ln(Decimal(2)), DIGITS.ln(Decimal(2 + rank))) for rank in range(100)]
    ideal = rank_lists.total([DIGITS.multiply(Decimal(g), d) for g, d in zip(order, place, strict=True)])
    scores, terms = [Fraction(score) for score in lists.scores.tolist()], []
    for high, low in rank_lists.pairs_of(lists, 0):
        loss = max(Fraction(0), Fraction(1, 4) - (scores[high] - scores[low])) ** power
        weight = DIGITS.multiply(Decimal(gain[high] - gain[low]), abs(DIGITS.subtract(discount[high], discount[low])))
        terms.append(DIGITS.multiply(weight, DIGITS.divide(Decimal(loss.numerator), Decimal(loss.denominator))))
    wanted = DIGITS.divide(rank_lists.total(terms), ideal)
    for way in (sums_by_items, weighted_sums):
        assert rank_lists.relative_error(way(lists, choice, lambdas)[0].rounded(1)[0], wanted) < 1e-14


@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
@pytest.mark.parametrize("ranking", RANKINGS, ids=str)
def test_no_bit_depends_on_order_or_on_other_lists(
    choice: LossChoice, ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEWEST_WEIGHTED", "FEWEST_WEIGHTED_SMOOTH"):
        monkeypatch.setattr(measure, name, 40)
    parts = [list_of("tied", 5, size=70), list_of("mixed", 2, size=30), list_of("normal", 60, size=60)]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "scores", "weights"))
    lists = Lists(np.cumsum([0, 70, 30, 60]), *columns)
    whole, slopes = measure.measured(lists, choice, ranking), measure.gradient(lists, choice, ranking)
    other, order = rank_lists.reordered(lists, np.random.default_rng(1))
    again = measure.measured(other, choice, ranking)
    np.testing.assert_array_equal(measure.gradient(other, choice, ranking), slopes[order])
    for name in ("losses", "weights", "correct_weights"):
        right = getattr(whole, name).rounded(3).tolist()
        assert getattr(again, name).rounded(3).tolist() == right
        alone = [getattr(measure.measured(part, choice, ranking), name).rounded(1)[0] for part in parts]
        assert alone == right


@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
def test_pairs_of_large_lists_are_not_gone_through(choice: LossChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    size, seen = 2000, list[int]()
    lists = list_of("normal", 5, size=size)
    monkeypatch.setattr(measure, "FEWEST_WEIGHTED_SMOOTH", size)
    true = ragged.blocks_of

    def watched(counts: NDArray[np.intp], most: int) -> Iterator[NDArray[np.intp]]:
        seen.append(int(counts.sum()))
        return true(counts, most)

    monkeypatch.setattr("mrl_cli.lists.weighted.blocks_of", watched)
    for way in ("weighted_sums", "looped_gradient"):
        monkeypatch.setattr(measure, way, lambda *_: pytest.fail("pairs are gone through"))
    for ranking in RANKINGS:
        measure.measured(lists, choice, ranking)
    measure.gradient(lists, choice, RANKINGS[1])
    assert 0 < sum(seen) < size * 100


def test_differences_of_discounts_are_as_precise_as_discounts() -> None:
    size = 5000
    high, low = discounts(Lists(np.array([0, size]), np.zeros(size), -np.arange(float(size))), None)
    for rank in (1, 7, 100, 4999):
        ends = [DIGITS.divide(DIGITS.ln(Decimal(2)), DIGITS.ln(Decimal(1 + of))) for of in (rank, rank + 1)]
        fall = (high[rank - 1] - high[rank]) + (low[rank - 1] - low[rank])
        assert rank_lists.relative_error(fall, DIGITS.subtract(*ends)) < 2e-15
        assert rank_lists.relative_error(high[rank - 1], ends[0]) < 2e-15


def test_running_sums_begin_anew() -> None:
    random = np.random.default_rng(4)
    values, is_first = random.random((2, 5000)) * 10.0 ** random.integers(-9, 9, 5000), random.random(5000) < 0.01
    is_first[0] = True
    found, start = running(values, is_first), 0
    for place in range(5000):
        start = place if is_first[place] else start
        if place % 37 == 0:
            right = [math.fsum(row[start : place + 1]) for row in values]
            assert found[:, place].tolist() == pytest.approx(right, rel=3e-15)
