"""Hinges and squares of lists: counts, sums, extremes and gradients are those of a loop in rationals, to the bit."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.exact.codes import SumsByCode
from mrl_cli.exact.few import square_of_few, sum_of_few
from mrl_cli.lists import nodes, orders
from mrl_cli.lists.base import Found, Lists
from mrl_cli.lists.counts import Counter
from mrl_cli.lists.hinges import gradient
from mrl_cli.lists.loop import looped
from mrl_cli.lists.measure import gradient as measured_gradient
from mrl_cli.lists.measure import measured
from mrl_cli.lists.orders import levels_of
from mrl_cli.lists.squares import described
from mrl_cli.losses import LOSSES
from mrl_cli.model import LossChoice, Ranking
from tests.list_oracle import LABELS, SCORES, SIZES, each, expected, lists_of, pairs_of, rounded

if TYPE_CHECKING:
    from tests.list_oracle import Kernel

pytestmark = pytest.mark.slow

HINGES = [name for name, loss in LOSSES.items() if loss.is_hinge]
SQUARES = [name for name, loss in LOSSES.items() if loss.power == 2 and not loss.is_hinge]
MARGINS = [0.0, 0.5, -0.3, 0.1, 1.0, 1e-200]

of_hinges = pytest.mark.parametrize("loss", HINGES)
of_labels = pytest.mark.parametrize("label", LABELS)
of_scores = pytest.mark.parametrize("score", SCORES)
of_weights = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def found_of(lists: Lists, loss: str, margin: float = 0.0, **parameters: float) -> Found:
    return measured(lists, LossChoice(loss, margin, tuple(parameters.items())), Ranking())


def of_list(found: Found, number: int, name: str) -> Any:
    column = getattr(found, name)
    return float(column.at(number)) if isinstance(column, SumsByCode) else column[number]


def hinge(loss: str, margin: float) -> Kernel:
    power = LOSSES[loss].power
    return lambda difference, _: max(Fraction(0), Fraction(margin) - difference) ** power


def columns(lists: Lists) -> list[str]:
    """Return what is found of lists; the top of a list and whether a loss is defined have tests of their own."""
    names = [name for name in Found._fields if name not in ("top_half", "defined")]
    return names if lists.weights is not None else [name for name in names if "weight" not in name]


@of_scores
@of_labels
@of_hinges
def test_hinge_of_lists_equals_rationals(loss: str, label: str, score: str) -> None:
    for place, margin in enumerate(MARGINS[len(label + score) % 2 :: 2]):  # half of them with each
        lists = lists_of(label, score, weighted=place % 2 == 1, seed=place)
        found = found_of(lists, loss, margin)
        for number, one in each(lists):
            right = expected(one, hinge(loss, margin))
            for name in columns(lists):
                assert of_list(found, number, name) == right[name], (name, margin, one)
        assert found.losses.rounded(lists.size).tolist() == [of_list(found, n, "losses") for n in range(lists.size)]


@of_scores
@of_labels
@of_hinges
def test_gradient_of_hinge_equals_rationals(loss: str, label: str, score: str) -> None:
    power, sizes = LOSSES[loss].power, [size for size in SIZES if size]
    for place, margin in enumerate(MARGINS[len(label + score) % 2 :: 2]):
        lists = lists_of(label, score, sizes, weighted=place % 2 == 0, seed=place)
        got = gradient(lists, LossChoice(loss, margin)).tolist()
        right = []
        for _, one in each(lists):
            sums = [Fraction(0)] * one.labels.size
            for pair in pairs_of(one):
                slope = Fraction(margin) - pair.difference
                if slope >= 0:  # at the kink too, as in PyTorch
                    share = pair.weight * (1 if power == 1 else 2 * slope)
                    sums[pair.higher] -= share
                    sums[pair.lower] += share
            right += [rounded(value) for value in sums]
        assert got == right, (margin, lists)


@of_scores
@of_labels
@pytest.mark.parametrize("loss", SQUARES)
def test_square_of_lists_equals_rationals(loss: str, label: str, score: str) -> None:
    for place, beta in enumerate([0.5, 1.0, 0.1]):
        lists = lists_of(label, score, weighted=place == 1, seed=place)
        settings = {parameter.name: beta for parameter in LOSSES[loss].parameters}
        found = found_of(lists, loss, **settings)
        pull = Fraction(1 / (2 * beta))

        def kernel(difference: Fraction, target: Fraction, pull: Fraction = pull) -> Fraction:
            return (difference - (target if LOSSES[loss].is_target else pull)) ** 2

        for number, one in each(lists):
            right = expected(one, kernel)
            for name in columns(lists):
                assert of_list(found, number, name) == right[name], (name, beta, one)


@of_scores
@of_labels
@pytest.mark.parametrize("loss", SQUARES)
def test_gradient_of_square_equals_rationals(loss: str, label: str, score: str) -> None:
    for weighted in (False, True):
        lists = lists_of(label, score, weighted=weighted)
        settings = {parameter.name: 0.1 for parameter in LOSSES[loss].parameters}
        got = measured_gradient(lists, LossChoice(loss, 0.0, tuple(settings.items())), Ranking()).tolist()
        right = []
        for _, one in each(lists):
            sums = [Fraction(0)] * one.labels.size
            for pair in pairs_of(one):
                aim = pair.target if LOSSES[loss].is_target else Fraction(1 / (2 * 0.1))
                slope = 2 * pair.weight * (pair.difference - aim)
                sums[pair.higher] += slope
                sums[pair.lower] -= slope
            right += [rounded(value) for value in sums]
        assert got == right, lists


@of_weights
@pytest.mark.parametrize("loss", [*HINGES, *SQUARES])
def test_lists_come_to_the_same_bits_in_any_order_and_company(loss: str, weighted: bool) -> None:
    lists, settings = lists_of("five", "mixed", [9] * 12, weighted=weighted), dict(LOSSES[loss].defaults)
    margin = 0.5 if LOSSES[loss].has_margin else 0.0
    whole = found_of(lists, loss, margin, **settings)
    random = np.random.default_rng(0)
    for number, one in each(lists):
        order = random.permutation(one.labels.size)
        shuffled = Lists(one.starts, *(None if column is None else column[order] for column in one[1:]))  # type: ignore[arg-type]
        alone = found_of(shuffled, loss, margin, **settings)
        for name in (*columns(lists), "top_half"):
            assert of_list(alone, 0, name) == of_list(whole, number, name) or one.labels.size < 2, name


@of_weights
@of_hinges
@pytest.mark.parametrize("label", ["two", "five", "different"])
def test_walk_in_pieces_equals_walk_in_one(
    monkeypatch: pytest.MonkeyPatch, loss: str, label: str, weighted: bool
) -> None:
    lists = lists_of(label, "ties", [300, 40, 1, 60], weighted=weighted)
    choice = LossChoice(loss, 0.5)
    whole, slopes = found_of(lists, loss, 0.5), gradient(lists, choice)
    for room in (nodes, orders):
        monkeypatch.setattr(room, "PIECE_ITEMS", 16)
    parts, slopes_of_parts = found_of(lists, loss, 0.5), gradient(lists, choice)
    for name in (*columns(lists), "top_half"):
        got, right = ([of_list(found, number, name) for number in range(lists.size)] for found in (parts, whole))
        np.testing.assert_array_equal(got, right)
    assert slopes_of_parts.tolist() == slopes.tolist()


def test_many_lists_of_many_items_equal_each_alone() -> None:
    lists = lists_of("five", "at the kink", np.random.default_rng(3).integers(0, 40, 3000).tolist())
    whole = found_of(lists, "margin_ranking", 0.1)
    for number in range(0, lists.size, 97):
        alone = found_of(lists.part(number, number + 1), "margin_ranking", 0.1)
        assert all(of_list(alone, 0, name) == of_list(whole, number, name) for name in columns(lists))


def test_lists_of_whole_numbers_are_as_the_loop_adds_them_up() -> None:
    """Where no difference is rounded, the sum of rounded losses is the sum of the losses."""
    lists = lists_of("five", "ties", weighted=False)
    for loss in (*HINGES, *SQUARES):
        choice = LossChoice(loss, 0.5 if LOSSES[loss].has_margin else 0.0, tuple(LOSSES[loss].defaults.items()))
        found, loop = measured(lists, choice, Ranking()), looped(lists, choice)
        for name in columns(lists):
            assert [of_list(found, n, name) for n in range(lists.size)] == [
                of_list(loop, n, name) for n in range(lists.size)
            ], (loss, name)


def test_counts_do_not_depend_on_the_loss() -> None:
    lists = lists_of("five", "ties", [7, 3, 12], weighted=True)
    counter = Counter.of(lists)
    found, ends = counter.without_losses, counter.ends
    hinges = found_of(lists, "margin_ranking", 0.5)
    for name in ("pairs", "correct", "ties", "wrong", "weights", "correct_weights"):
        assert [of_list(found, n, name) for n in range(3)] == [of_list(hinges, n, name) for n in range(3)]
    for number, one in each(lists):
        differences = [pair.difference for pair in pairs_of(one)]
        for end, right in ((ends.least, min(differences)), (ends.greatest, max(differences))):
            assert Fraction(end[0, number]) - Fraction(end[1, number]) == right


@pytest.mark.parametrize(
    ("labels", "scores", "share"),
    [
        ([1, 0, 0], [3, 2, 1], 1.0),
        ([1, 1, 0], [3, 3, 1], 1.0),
        ([2, 1, 1, 1], [3, 3, 3, 0], 1 / 3),
        ([0, 1], [5, 1], 0.0),
        ([1, 1], [5, 1], np.nan),  # no pairs
        ([1], [5], np.nan),
    ],
)
def test_top_share_by_hand(labels: list[float], scores: list[float], share: float) -> None:
    lists = Lists(np.array([0, len(labels)]), np.array(labels, float), np.array(scores, float))
    for loss in ("margin_ranking", "logistic", "ipo"):  # each way of computing a loss
        found = found_of(lists, loss, **LOSSES[loss].defaults)
        np.testing.assert_array_equal(found.top_half, [share])


def test_square_beyond_the_doubles_is_infinite() -> None:
    lists = Lists(np.array([0, 2, 4]), np.array([1.0, 0, 1, 0]), np.array([-1e200, 1e200, 0.0, 1.0]))
    found = found_of(lists, "squared_hinge", 1.0)
    assert found.losses.rounded(2).tolist() == [np.inf, 4.0]
    assert found.highest.tolist() == [np.inf, 4.0]


def test_no_lists_come_to_nothing() -> None:
    for starts in ([0], [0, 0, 0]):
        found = found_of(Lists(np.array(starts), np.zeros(0), np.zeros(0), np.zeros(0)), "squared_hinge", 0.5)
        assert found.pairs.tolist() == [0] * (len(starts) - 1)
        assert found.losses.rounded(len(starts) - 1).tolist() == [0.0] * (len(starts) - 1)


def test_levels_say_which_labels_are_equal() -> None:
    lists = Lists(np.array([0, 3, 5]), np.array([7.5, -1.0, 7.5, 2.0, 2.0]), np.zeros(5))
    assert levels_of(lists).codes().tolist() == [1, 0, 1, 0, 0]
    assert levels_of(lists).wins(lists).tolist() == [1, 0, 1, 0, 0]


@pytest.mark.parametrize("count", [3, 4])
def test_sums_of_few_are_rounded_once(count: int) -> None:
    random = np.random.default_rng(0)
    terms = random.standard_normal((count, 4000)) * 2.0 ** random.integers(-60, 61, (count, 4000))
    terms[2, ::2] = -terms[1, ::2] * (1 + random.integers(-2, 3, 2000) * 2.0**-52)
    terms[:, ::5] = np.ldexp(random.integers(-9, 10, (count, 800)), random.integers(-54, 3, (count, 800)))
    terms[-1, ::3] = -terms[0, ::3] * (1 + random.integers(-2, 3, 1334) * 2.0**-52)
    terms[:, ::7] = random.integers(-40, 40, (count, 572)) / 10
    exact = [sum(map(Fraction, row)) for row in terms.T.tolist()]
    right, got = [rounded(Fraction(value)) for value in exact], sum_of_few(*terms).tolist()
    assert got == (right if count == 3 else pytest.approx(right, rel=2.0**-52, abs=0))
    assert square_of_few(*terms).tolist() == [rounded(Fraction(value) ** 2) for value in exact]
    assert sum_of_few(*np.array([[1e308], [1e308], [-1e308], [0.0]][:count])).tolist() == [1e308]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("far", [6.0, 1000.0])
def test_lists_that_weigh_nothing_come_to_nothing(loss: str, far: float) -> None:
    starts, scores = np.array([0, 3, 5]), np.array([0.0, 5.0, far, 0.0, far])
    lists = Lists(starts, np.array([1.0, 0.0, 0.0, 1.0, 0.0]), scores, np.zeros(5))
    margin = 0.5 if LOSSES[loss].has_margin else 0.0
    for some in (lists, lists._replace(weights=np.array([0.0, 0.0, 0.0, 1.0, 0.0]))):
        found = found_of(some, loss, margin, **LOSSES[loss].defaults)
        assert [float(found.losses.at(0)), of_list(found, 0, "weights")] == [0, 0]
        choice = LossChoice(loss, margin, tuple(LOSSES[loss].defaults.items()))
        assert measured_gradient(some, choice, Ranking())[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("loss", ["margin_mse", "ipo", "squared_hinge"])
def test_a_difference_beyond_the_doubles_has_an_infinite_square(loss: str) -> None:
    lists = Lists(np.array([0, 2, 4]), np.array([1.0, 0.0, 1.0, 0.0]), np.array([-1e308, 1e308, 3.0, 2.0]))
    found = found_of(lists, loss, **LOSSES[loss].defaults)
    assert [found.losses.rounded(2)[0], found.lowest[0], found.highest[0]] == [np.inf] * 3
    assert np.isfinite([found.losses.rounded(2)[1], found.lowest[1], found.highest[1]]).all()


def test_lists_add_up_without_rounding() -> None:
    lists = lists_of("different", "mixed", [8] * 40)
    found = found_of(lists, "squared_hinge", 0.1)
    total = found.losses.regrouped(np.zeros(40, np.int64), 1).at(0)
    kernel = hinge("squared_hinge", 0.1)
    right = [kernel(pair.difference, pair.target) for _, one in each(lists) for pair in pairs_of(one)]
    assert float(total) == rounded(sum(right, Fraction()))


@of_scores
@of_labels
def test_scores_of_pairs_are_described_without_rounding(label: str, score: str) -> None:
    lists = lists_of(label, score, weighted=True)  # the weights of pairs do not count
    sums = described(lists)
    for number, one in each(lists):
        scores = [Fraction(value) for value in one.scores.tolist()]
        pairs = pairs_of(one)
        right = {
            "x1": [scores[pair.higher] for pair in pairs],
            "x2": [scores[pair.lower] for pair in pairs],
            "difference": [pair.difference for pair in pairs],
            "difference_square": [pair.difference**2 for pair in pairs],
        }
        for name, values in right.items():
            assert float(sums[name].at(number)) == rounded(sum(values, Fraction())), (name, one)
