"""The loop over the pairs of lists, and LambdaRank weights: hand-worked, against sixty digits, whatever the order."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mrl_cli.lists import lambdas, loop, measure
from mrl_cli.lists.lambdas import lambdas_of
from mrl_cli.lists.loop import looped, looped_gradient
from mrl_cli.lists.measure import PairsLimitError, gradient, measured
from mrl_cli.losses import LOSSES, named
from mrl_cli.model import LossChoice, Ranking
from tests import rank_lists
from tests.rank_lists import DIGITS, lists_of

if TYPE_CHECKING:
    from mrl_cli.lists.base import Found, Lists

pytestmark = pytest.mark.slow

CHOICES = [
    LossChoice(loss.name, 0.5 if loss.has_margin else 0.0, tuple(loss.defaults.items())) for loss in LOSSES.values()
]
RANKINGS = [Ranking(), Ranking("label_diff"), Ranking("ndcg"), Ranking("ndcg", 2)]


def some_lists(seed: int = 0, *, weighted: bool = False) -> Lists:
    """Lists of many sizes, none and one among them, with ties of labels and scores, and one without pairs."""
    random = np.random.default_rng(seed)
    sizes = [3, 0, 1, 5, 5, 12, 2, 5, 40, 4]
    starts = np.cumsum([0, *sizes])
    labels = random.integers(0, 4, starts[-1]).astype(float)
    labels[-4:] = 1.0
    weights = random.random(starts[-1]).round(2) if weighted else None
    lists = lists_of((labels, random.normal(size=starts[-1]).round(1)))
    return lists._replace(starts=starts, weights=weights)


def numbers_of(found: Found, lists: Lists) -> list[list[float]]:
    """Every number that is found, a row for each kind."""
    sums = (found.losses, found.weights, found.correct_weights)
    arrays = [found.pairs, found.correct, found.ties, found.wrong, found.active, found.lowest, found.highest]
    return [np.asarray(array).tolist() for array in arrays] + [
        each.rounded(lists.size).tolist() for each in sums if each is not None
    ]


def test_hand_worked_list() -> None:
    # Pairs, by score: 1 against 0: 2 - 1 = 1, and 2 - 3 = -1. Under margin 0.5 the hinges are 0 and 1.5.
    lists = lists_of(([1.0, 0.0, 0.0], [2.0, 1.0, 3.0]))
    found = looped(lists, LossChoice("margin_ranking", 0.5))
    assert numbers_of(found, lists) == [[2], [1], [0], [1], [1], [0.0], [1.5], [1.5]]
    assert looped_gradient(lists, LossChoice("margin_ranking", 0.5)).tolist() == [-1.0, 0.0, 1.0]


def test_target_is_the_difference_of_labels() -> None:
    lists = lists_of(([3.0, 1.0], [0.5, 1.0]))  # d = -0.5, target 2: 2.5**2
    assert looped(lists, LossChoice("margin_mse")).losses.rounded(1).tolist() == [6.25]


def test_weight_of_a_pair_is_that_of_the_item_with_the_higher_label() -> None:
    # Pairs: 2 over 1 (d = 1, w = 3), 2 over 0 (d = -1, w = 3), 1 over 0 (d = -2, w = 5).
    lists = lists_of(([2.0, 1.0, 0.0], [1.0, 0.0, 2.0]), weights=[3.0, 5.0, 7.0])
    found = looped(lists, LossChoice("margin_ranking"))
    assert numbers_of(found, lists)[-3:] == [[3.0 * 1 + 5.0 * 2], [3.0 + 3.0 + 5.0], [3.0]]


@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
@pytest.mark.parametrize("ranking", RANKINGS, ids=str)
def test_no_bit_depends_on_order_or_on_other_lists(
    choice: LossChoice, ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    lists = some_lists(weighted=True)
    whole = numbers_of(measured(lists, choice, ranking), lists)
    slopes = gradient(lists, choice, ranking)
    other, order = rank_lists.reordered(lists, random)
    assert numbers_of(measured(other, choice, ranking), other) == whole
    assert gradient(other, choice, ranking).tolist() == slopes[order].tolist()
    for number in range(lists.size):
        one = lists.part(number, number + 1)
        alone = numbers_of(measured(one, choice, ranking), one)
        assert alone == [[row[number]] for row in whole]
    for pairs in (1, 7, 30):  # blocks of few pairs: lists alone, and lists in several blocks
        monkeypatch.setattr(loop, "PAIRS", pairs)
        assert numbers_of(measured(lists, choice, ranking), lists) == whole
        assert gradient(lists, choice, ranking).tolist() == slopes.tolist()


@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
def test_gradient_is_what_the_sum_changes_by(choice: LossChoice) -> None:
    lists = lists_of(([0.0, 2.0, 1.0, 1.0, 2.0], [0.3, 0.11, -0.7, 1.9, 2.03]), weights=[1.0, 2.0, 0.5, 1.5, 3.0])
    step = 2.0**-20
    for item, slope in enumerate(looped_gradient(lists, choice).tolist()):
        moved = [lists.scores.copy() for _ in range(2)]
        moved[0][item] += step
        moved[1][item] -= step
        above, below = (float(looped(lists._replace(scores=each), choice).losses.rounded(1)[0]) for each in moved)
        assert slope == pytest.approx((above - below) / (2 * step), rel=1e-7, abs=1e-8)


def test_losses_beyond_the_doubles_are_infinite() -> None:
    lists = lists_of(([1.0, 0.0], [-1e308, 1e308]), ([1.0, 0.0], [0.0, 1.0]))
    found = looped(lists, LossChoice("squared_hinge"))
    assert found.losses.rounded(2).tolist() == [math.inf, 1.0]


# LambdaRank.


def exact_lambda(lists: Lists, number: int, top: int | None) -> dict[tuple[int, int], Decimal]:
    """Return |gain_i - gain_j| * |discount_i - discount_j| / ideal of each pair of one list, in sixty digits."""
    items = rank_lists.items_of(lists, number)
    size = len(items)
    place = [
        Decimal(0)
        if top is not None and rank > top
        else DIGITS.divide(DIGITS.ln(Decimal(2)), DIGITS.ln(Decimal(1 + rank)))
        for rank in range(1, size + 1)
    ]
    gain = [DIGITS.subtract(DIGITS.power(2, Decimal(label)), 1) for label, _, _ in items]
    ideal = rank_lists.total([DIGITS.multiply(g, d) for g, d in zip(sorted(gain, reverse=True), place, strict=True)])
    discount = []
    for _, score, _ in items:
        above, tied = (sum(compare(other) for _, other, _ in items) for compare in (score.__lt__, score.__eq__))
        shared = rank_lists.total([place[rank] for rank in range(above, above + tied)])
        discount.append(DIGITS.divide(shared, Decimal(tied)))
    return {
        (high, low): DIGITS.divide(abs((gain[high] - gain[low]) * (discount[high] - discount[low])), ideal)
        for high, low in rank_lists.pairs_of(lists, number)
    }


@pytest.mark.parametrize("top", [None, 1, 3])
def test_ndcg_weights_in_sixty_digits(top: int | None) -> None:
    lists = some_lists(3, weighted=True)
    found = measured(lists, LossChoice("margin_ranking", 0.25), Ranking("ndcg", top))
    assert found.weights is not None
    for number in range(lists.size):
        for sums, loss in ((found.losses, _hinge), (found.weights, _one)):
            wanted = rank_lists.pairwise(lists, number, loss, exact_lambda(lists, number, top))
            assert rank_lists.relative_error(sums.rounded(lists.size)[number], wanted) < 1e-14


def _hinge(difference: Decimal) -> Decimal:
    return max(Decimal(0), DIGITS.subtract(Decimal("0.25"), difference))


def _one(_: Decimal) -> Decimal:
    return Decimal(1)


def test_pair_outside_of_the_top_weighs_nothing() -> None:
    # Places by score: labels 0, 1, 2. Only the first place counts: the pair of the second and the third weighs 0.
    lists = lists_of(([0.0, 1.0, 2.0], [3.0, 2.0, 1.0]))
    of = lambdas_of(lists, Ranking("ndcg", 1))
    assert of is not None
    assert of.of(np.array([1, 2, 2]), np.array([0, 0, 1])).tolist() == [1 / 3, 1.0, 0.0]


def test_label_diff_weighs_by_the_difference_of_labels() -> None:
    lists = lists_of(([5.0, 2.0], [0.0, 1.5]))
    found = measured(lists, LossChoice("margin_ranking"), Ranking("label_diff"))
    assert numbers_of(found, lists)[-3:] == [[3 * 1.5], [3.0], [0.0]]


def test_huge_labels_have_finite_weights() -> None:
    # 2**2000 is no double, yet its share of the ideal is: of two items, 1 - 1/log2(3) less next to nothing.
    lists = lists_of(([2000.0, 1.0], [0.0, 1.0]), ([3.0, 1.0], [0.0, 1.0]))
    found = measured(lists, LossChoice("margin_ranking"), Ranking("ndcg"))
    lost = 1 - 1 / math.log2(3)
    expected = [lost, (7 - 1) * lost / (7 + 1 / math.log2(3))]
    assert found.losses.rounded(2).tolist() == pytest.approx(expected, rel=1e-15)


def test_gains_are_exact_for_whole_labels() -> None:
    assert lambdas.gains(np.arange(53.0)).tolist() == [2**label - 1 for label in range(53)]
    assert lambdas.gains(np.array([0.5, 1e-300])).tolist() == pytest.approx(
        [2**0.5 - 1, math.log(2) * 1e-300], rel=1e-15
    )


# Large lists.


def large_lists(*, weighted: bool) -> Lists:
    """A list with more pairs than a block may have, ties of labels and scores, and a small list."""
    random = np.random.default_rng(8)
    labels = np.append(random.integers(0, 4, 60), [1.0, 0.0, 2.0])
    lists = lists_of((labels[:60], random.normal(size=60).round(1)), (labels[60:], random.normal(size=3)))
    return lists._replace(weights=random.random(63).round(2) if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("choice", CHOICES, ids=list(LOSSES))
@pytest.mark.parametrize("ranking", RANKINGS[1:], ids=str)
def test_large_lists_come_to_what_small_ones_do(
    choice: LossChoice, ranking: Ranking, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = large_lists(weighted=weighted)
    small, slopes = measured(lists, choice, ranking), gradient(lists, choice, ranking)
    monkeypatch.setattr(loop, "PAIRS", 100)
    large = measured(lists, choice, ranking)
    for one, other in zip(numbers_of(large, lists), numbers_of(small, lists), strict=True):
        assert one == pytest.approx(other, rel=2e-14)
    np.testing.assert_array_equal(gradient(lists, choice, ranking), slopes)


def test_infinite_losses_stay_infinite_under_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "FEWEST_WEIGHTED_SMOOTH", 0)
    lists = lists_of(([2.0, 1.0, 0.0], [0.0, 2000.0, 1000.0]))
    found = measured(lists, LossChoice("exponential", 0.0, (("temperature", 1.0),)), Ranking("label_diff"))
    assert found.losses.rounded(1).tolist() == [math.inf]


@pytest.mark.parametrize(("name", "pairs"), [("approx_ndcg", 60 * 59 // 2), ("softmax", None)])
def test_more_pairs_than_allowed_are_an_error(name: str, pairs: int | None) -> None:
    lists, choice = large_lists(weighted=False), LossChoice(name, 0.0, tuple(named(name).defaults.items()))
    if pairs is None:
        measured(lists, choice, Ranking(max_pairs=1))
        return
    measured(lists, choice, Ranking(max_pairs=pairs))
    with pytest.raises(PairsLimitError, match=f"60 items has {pairs:,} pairs") as caught:
        measured(lists, choice, Ranking(max_pairs=pairs - 1))
    assert (caught.value.number, caught.value.pairs) == (0, pairs)
