"""Losses made of exponentials over large lists: against sixty digits, the loop, and whatever the order."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.lists import fields as fields_module
from mrl_cli.lists import smooth
from mrl_cli.lists.loop import looped, looped_gradient
from mrl_cli.lists.measure import gradient, measured
from mrl_cli.lists.shapes import shape_of
from mrl_cli.lists.smooth import is_smooth, smooth_gradient, smoothed
from mrl_cli.losses import LOSSES, completed
from mrl_cli.model import LossChoice, Ranking
from tests import rank_lists
from tests.rank_lists import DIGITS, lists_of, softplus

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.lists.base import Found, Lists

pytestmark = pytest.mark.slow

NAMES = [loss.name for loss in LOSSES.values() if loss.power == 0]


def choice(name: str, margin: float = 0.0, **given: float) -> LossChoice:
    return LossChoice(name, margin, tuple(completed(name, given).items()))


CHOICES = [
    choice("logistic"),
    choice("logistic", 0.5, temperature=0.1),
    choice("logistic", -3.3, temperature=7.0),
    choice("smoothed_bradley_terry", label_smoothing=0.1, beta=0.3),
    choice("robust_bradley_terry", label_smoothing=0.1),
    choice("soft_zero_one", temperature=2.0),
    choice("exponential", temperature=3.0),
]


def exact_loss(loss: LossChoice) -> Callable[[Decimal], Decimal]:
    """Return the loss of a difference in sixty digits."""
    given = {name: Decimal(value) for name, value in loss.parameters}
    share = given.get("label_smoothing", Decimal(0))

    def z(difference: Decimal) -> Decimal:
        scaled = DIGITS.divide(
            DIGITS.multiply(difference, given.get("beta", Decimal(1))), given.get("temperature", Decimal(1))
        )
        return DIGITS.subtract(Decimal(loss.margin), scaled)

    def mixed(difference: Decimal, flipped: Decimal) -> Decimal:
        straight, other = (
            DIGITS.multiply(s, softplus(z(d))) for s, d in ((1 - share, difference), (flipped, -difference))
        )
        return DIGITS.add(straight, other)

    ways: dict[str, Callable[[Decimal], Decimal]] = {
        "logistic": lambda d: softplus(z(d)),
        "smoothed_bradley_terry": lambda d: mixed(d, share),
        "robust_bradley_terry": lambda d: DIGITS.divide(mixed(d, -share), 1 - 2 * share),
        "soft_zero_one": lambda d: rank_lists.sigmoid(z(d)),
        "exponential": lambda d: DIGITS.exp(z(d)),
    }
    return ways[loss.name]


def scores_of(kind: str, size: int, labels: Any) -> Any:
    random = np.random.default_rng(11)
    normal = random.normal(size=size)
    return {
        "normal": normal,
        "tied": normal.round(1),
        "wide": normal * 30,
        "far apart": normal * 1e3,
        "tiny": normal * 1e-12,
        "offset": normal + 1e15,
        "mixed": normal * 10.0 ** random.integers(-12, 13, size),
        "in order": labels * 60.0 + normal,  # losses of 1e-26 and less
    }[kind]


KINDS = ["normal", "tied", "wide", "far apart", "tiny", "offset", "mixed", "in order"]


@pytest.mark.parametrize("levels", [2, 5, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_in_sixty_digits(kind: str, levels: int) -> None:
    labels = np.random.default_rng(levels).permutation(40) % levels
    lists = lists_of((labels, scores_of(kind, 40, labels)))
    for loss in CHOICES[(KINDS.index(kind) + levels) % 3 :: 3]:  # all of them in all cases would take a minute
        exact = exact_loss(loss)
        values = []
        for high, low in rank_lists.pairs_of(lists, 0):
            scores = (Decimal(float(lists.scores[place])) for place in (high, low))
            values.append(exact(DIGITS.subtract(*scores)))
        wanted, size_of_all = rank_lists.total(values), rank_lists.total([abs(value) for value in values])
        total = float(smoothed(lists, loss).losses.rounded(1)[0])
        if wanted > Decimal(np.finfo(float).max):
            assert total == math.inf
        else:  # of a robust loss, terms of both signs may cancel
            assert abs(DIGITS.subtract(Decimal(total), wanted)) <= size_of_all * Decimal("3e-15")


@pytest.mark.parametrize("centre", [-8.0, -3.0, -1.0, 0.0, 0.5, 1.0, 8.0])
def test_polynomials_hold_at_the_corners_of_two_cells(centre: float) -> None:
    shape = shape_of(choice("logistic"))
    assert shape is not None
    terms = shape.coefficients(centre, 1.0)
    for x in (-1, 1):
        for y in (-1, 1):  # where T_k is 1 or (-1)**k, and no error of a coefficient cancels against another's
            value = math.fsum(c * x**row * y**column for row, column, c in terms)
            assert rank_lists.relative_error(value, softplus(Decimal(centre + (y - x) / 2))) < 3e-15


def found_by_both(lists: Lists, loss: LossChoice) -> tuple[Found, Found]:
    return smoothed(lists, loss), looped(lists, loss)


def many_lists(*, weighted: bool = False) -> Lists:
    """Lists of many sizes, one with equal labels, one far from 0, one with all labels different."""
    random = np.random.default_rng(5)
    given = []
    for size, levels in ((70, 2), (64, 5), (300, 3), (100, 1), (90, 90), (65, 4)):
        given.append(
            (random.permutation(size) % levels, random.normal(size=size).round(2) * random.choice([0.1, 3, 40]))
        )
    given[3] = (given[3][0], given[3][1] + 1e9)
    weights = random.random(sum(labels.size for labels, _ in given)).round(2) if weighted else None
    return lists_of(*given, weights=weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", CHOICES, ids=str)
def test_all_that_is_found_is_what_the_loop_finds(loss: LossChoice, weighted: bool) -> None:
    lists = many_lists(weighted=weighted)
    quick, slow = found_by_both(lists, loss)
    for name in ("pairs", "correct", "ties", "wrong", "active", "lowest", "highest"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name), err_msg=name)
    for name in ("losses", "weights", "correct_weights"):
        sums = [getattr(found, name) for found in (quick, slow)]
        if sums[0] is not None:
            quickly, slowly = (each.rounded(lists.size) for each in sums)
            np.testing.assert_allclose(quickly, slowly, rtol=1e-13 if "robust" in loss.name else 3e-15, atol=0)
    assert (quick.weights is not None) == weighted


@pytest.mark.parametrize("loss", CHOICES, ids=str)
def test_no_bit_depends_on_order_or_on_other_lists(loss: LossChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = many_lists(weighted=True)
    whole, slopes = smoothed(lists, loss).losses.rounded(lists.size), smooth_gradient(lists, loss)
    other, order = rank_lists.reordered(lists, np.random.default_rng(1))
    np.testing.assert_array_equal(smoothed(other, loss).losses.rounded(lists.size), whole)
    np.testing.assert_array_equal(smooth_gradient(other, loss), slopes[order])
    for number in range(lists.size):
        one = lists.part(number, number + 1)
        np.testing.assert_array_equal(smoothed(one, loss).losses.rounded(1), whole[[number]])
        part = slice(*lists.starts[number : number + 2])
        np.testing.assert_array_equal(smooth_gradient(one, loss), slopes[part])
    monkeypatch.setattr(fields_module, "PAIRS", 100)
    np.testing.assert_array_equal(smoothed(lists, loss).losses.rounded(lists.size), whole)


@pytest.mark.parametrize("loss", CHOICES, ids=str)
def test_gradient_is_that_of_the_loop(loss: LossChoice) -> None:
    lists = many_lists(weighted=True)
    slow = looped_gradient(lists, loss)
    largest = np.maximum.reduceat(np.abs(slow), lists.starts[:-1])
    assert (np.abs(smooth_gradient(lists, loss) - slow) <= 1e-14 * np.repeat(largest, lists.sizes)).all()


def test_offset_that_changes_no_difference_changes_no_bit() -> None:
    lists = many_lists()
    lists = lists._replace(scores=np.rint(lists.scores * 256) / 256)
    for loss in (choice("logistic"), choice("exponential")):
        moved = smoothed(lists._replace(scores=lists.scores + 2.0**32), loss)
        np.testing.assert_array_equal(
            moved.losses.rounded(lists.size), smoothed(lists, loss).losses.rounded(lists.size)
        )


def test_losses_that_vanish_are_not_active() -> None:
    random = np.random.default_rng(2)
    lists = lists_of((np.arange(80) % 2, (np.arange(80) % 2) * 745.0 + random.normal(size=80)))
    for loss in (choice("logistic"), choice("exponential"), choice("robust_bradley_terry", label_smoothing=0.75)):
        quick, slow = found_by_both(lists, loss)
        assert quick.active.tolist() == slow.active.tolist()
        assert 0 < quick.active[0] < quick.pairs[0] or loss.name == "robust_bradley_terry"


def test_loss_beyond_the_doubles_is_infinite() -> None:
    lists = lists_of((np.arange(80) % 2, np.linspace(0.0, 1e3, 80)))
    assert smoothed(lists, choice("exponential")).losses.rounded(1).tolist() == [math.inf]
    scores = np.where(np.arange(80) % 2 == 0, 1.7e308, -1.7e308)
    lists = lists_of((np.arange(80) % 2, scores))
    assert measured(lists, choice("logistic"), Ranking()).losses.rounded(1).tolist() == [math.inf]


def watched(monkeypatch: pytest.MonkeyPatch, name: str, way: Callable[..., Any]) -> list[Any]:
    """Return the list to which each call of a way of `measure` adds what it is given."""
    taken: list[Any] = []

    def called(*given: Any) -> Any:
        taken.append(given)
        return way(*given)

    monkeypatch.setattr(f"mrl_cli.lists.measure.{name}", called)
    return taken


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_made_of_exponentials_has_a_quick_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_smooth(choice(name))
    lists = many_lists()
    taken = watched(monkeypatch, "smoothed", smoothed)
    measured(lists, choice(name), Ranking())
    assert [part.size for part, _ in taken] == [lists.size]


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - set(NAMES)))
def test_no_other_loss_goes_that_way(name: str) -> None:
    assert not is_smooth(LossChoice(name, 0.0, tuple(LOSSES[name].defaults.items())))


@pytest.mark.parametrize("size", [smooth.FEWEST_ITEMS - 1, smooth.FEWEST_ITEMS])
def test_small_lists_go_through_the_loop(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = watched(monkeypatch, "looped", looped)
    lists = lists_of((np.arange(size) % 2, np.arange(size)), ([1.0, 0.0], [0.0, 1.0]))
    found = measured(lists, choice("logistic"), Ranking())
    assert [part.size for part, _ in taken] == [1 if size == smooth.FEWEST_ITEMS else 2]
    assert found.losses.rounded(2)[1] == pytest.approx(1 + math.log1p(math.exp(-1)), rel=1e-15)


def test_gradients_of_small_and_large_lists_stand_where_their_items_do() -> None:
    lists = lists_of(([1.0, 0.0], [0.0, 1.0]), (np.arange(80) % 2, np.arange(80) / 9), ([0.0, 1.0], [2.0, 2.5]))
    slopes = gradient(lists, choice("logistic"), Ranking())
    np.testing.assert_allclose(slopes, looped_gradient(lists, choice("logistic")), rtol=1e-14)
