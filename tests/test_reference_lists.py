"""The loop over pairs of ranked lists, and listwise losses by their definitions: values worked by hand, and laws."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli import validate_margin_ranking_loss_exact, validate_rank_loss
from mrl_cli.losses import LOSSES
from mrl_cli.verify.reference import (
    DEFAULTS,
    LISTWISE,
    POWERS,
    ListSetting,
    LoopFigures,
    list_figures,
    list_gradient,
    listwise_loss,
    top_share,
)
from tests.each import each, examples

# Labels and scores of a list: d is -1 for (1, 0), 0.5 for (2, 0), 1.5 for (2, 1).
LABELS, SCORES = [0.0, 1.0, 2.0], [2.0, 1.0, 2.5]
scores = st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=6)


def settings_of(loss: str) -> ListSetting:
    return ListSetting(loss, 0.3, {name: DEFAULTS[name] for name in LOSSES[loss].defaults})


def test_hand_worked_values() -> None:
    # hinges at margin 1: 1 + 1, 1 - 0.5, 0
    assert validate_rank_loss(SCORES, LABELS, margin=1, reduction="sum") == 2.5
    assert validate_rank_loss(SCORES, LABELS, margin=1) == 2.5 / 3
    assert validate_rank_loss(SCORES, LABELS, loss="squared_hinge", margin=1, reduction="sum") == 4.25
    # (d - (label_i - label_j))**2: (-1 - 1)**2, (0.5 - 2)**2, (1.5 - 1)**2
    assert validate_rank_loss(SCORES, LABELS, loss="margin_mse", reduction="sum") == 4 + 2.25 + 0.25
    # its aim is 1/2, for d
    assert validate_rank_loss(SCORES, LABELS, loss="ipo", reduction="sum") == 2.25 + 0 + 1
    logistic = math.log1p(math.e) + math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-1.5))
    assert validate_rank_loss(SCORES, LABELS, loss="logistic", reduction="sum") == pytest.approx(logistic, rel=1e-15)
    counts = list_figures(LABELS, SCORES, ListSetting(margin=1.0)).counts
    assert counts == {"pairs": 3, "correct": 2, "wrong": 1, "active": 2}


def test_the_published_example_over_pairs_and_per_query() -> None:
    label, score, query = [1, 0, 1, 0, 0], [0.25, 0.5, 1.0, 0.5, 0.25], ["a", "a", "b", "b", "b"]
    # at margin 1: 1.25 | 0.5 and 0.25
    assert validate_rank_loss(score, label, query, margin=1) == 2 / 3
    assert validate_rank_loss(score, label, query, margin=1, reduction="query-mean") == (1.25 + 0.375) / 2


def test_a_pair_weighs_what_its_higher_item_does() -> None:
    # hinges at margin 1: (1, 0) costs 2 and weighs 3, (2, 0) costs 0.5 and weighs 5, (2, 1) costs 0 and weighs 5
    weights = [100.0, 3.0, 5.0]
    figures = list_figures(LABELS, SCORES, ListSetting(margin=1.0), weights)
    assert (float(figures.total), float(figures.weight), float(figures.correct_weight)) == (8.5, 13.0, 10.0)
    assert validate_rank_loss(SCORES, LABELS, weight=weights, margin=1) == 8.5 / 13


def test_lambda_weights() -> None:
    label_diff = list_figures(LABELS, SCORES, ListSetting(margin=1.0, lambda_weight="label_diff"))
    assert (float(label_diff.total), float(label_diff.weight)) == (2 * 1 + 0.5 * 2, 4.0)
    # Gains 0, 1, 3; by score the items are second, third and first: discounts 1/log2(3), 1/2, 1.
    second = 1 / math.log2(3)
    ideal = 3 + second
    ndcg = list_figures(LABELS, SCORES, ListSetting(margin=1.0, lambda_weight="ndcg"))
    assert float(ndcg.total) == pytest.approx((2 * 1 * (second - 0.5) + 0.5 * 3 * (1 - second)) / ideal, rel=1e-15)
    first = list_figures(LABELS, SCORES, ListSetting(margin=1.0, lambda_weight="ndcg", top=1))
    # Beyond the first place there is no discount: a pair without the first item weighs nothing. The ideal is 3.
    assert (float(first.total), float(first.weight)) == (0.5, float(1 + Fraction(2 / 3)))


def test_discounts_are_averaged_over_ties() -> None:
    setting = ListSetting(margin=1.0, lambda_weight="ndcg")
    of_orders = [list_figures([2.0, 1.0, 0.0], list(s), setting) for s in ([5.0, 5.0, 1.0], [5.0, 5.0, 2.0])]
    # The two tied items share a discount, so their pair weighs nothing.
    shared = (1 + 1 / math.log2(3)) / 2 - 0.5
    assert float(of_orders[0].weight) == pytest.approx(shared * (3 + 1) / (3 + 1 / math.log2(3)), rel=1e-15)
    assert of_orders[0].weight == of_orders[1].weight


def test_listwise_values_of_two_items() -> None:
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.e)
    score, label = [1.0, 0.0], [1.0, 0.0]
    for loss in ("softmax", "listmle", "unique_softmax"):
        assert validate_rank_loss(score, label, loss=loss) == pytest.approx(right, rel=1e-15)
        assert validate_rank_loss(score, label[::-1], loss=loss) == pytest.approx(wrong, rel=1e-15)
    odds = math.exp(3 - 1)
    shares: dict[str, tuple[float, float]] = {"raw": (3, 1), "sum": (3 / 4, 1 / 4), "gain": (7 / 8, 1 / 8)}
    shares["softmax"] = odds / (odds + 1), 1 / (odds + 1)
    for target, (first, second) in shares.items():
        value = validate_rank_loss(score, [3, 1], loss="softmax", target=target)
        assert value == pytest.approx(first * right + second * wrong, rel=1e-15)
    # One label: each against the other, or in their order.
    assert validate_rank_loss(score, [1, 1], loss="listmle") == pytest.approx(right + wrong, rel=1e-15)
    in_order = validate_rank_loss(score, [1, 1], loss="listmle", ties="input")
    assert in_order == pytest.approx(right, rel=1e-15)
    gain = validate_rank_loss(score, [2, 0], loss="unique_softmax")
    assert gain == pytest.approx(3 * right, rel=1e-15)
    rank = 1 + 1 / (1 + math.exp(1 / 0.5))
    ndcg = 1 / math.log2(1 + rank)
    approximate = validate_rank_loss(score, label, loss="approx_ndcg", temperature=0.5)
    assert approximate == pytest.approx(1 - ndcg, rel=1e-14)


def test_a_tiny_loss_keeps_its_digits() -> None:
    for loss in ("softmax", "listmle", "unique_softmax", "logistic"):
        value = validate_rank_loss([600.0, 0.0], [1, 0], loss=loss)
        assert value == pytest.approx(math.exp(-600), rel=1e-13)
    assert listwise_loss("listmle", [2.0, 1.0, 0.0], [1e12, 5.2, 5.1], DEFAULTS) == math.log1p(math.exp(-(5.2 - 5.1)))


def test_lists_for_which_nothing_is_defined() -> None:
    zeros = [0.0, 0.0]
    assert math.isnan(listwise_loss("approx_ndcg", zeros, SCORES[:2], DEFAULTS))
    assert [
        target
        for target in ("raw", "sum", "softmax", "gain")
        if math.isnan(listwise_loss("softmax", zeros, SCORES[:2], {"target": target}))
    ] == ["sum", "gain"]
    assert all(math.isnan(listwise_loss(loss, [], [], DEFAULTS)) for loss in LISTWISE)
    assert math.isnan(validate_rank_loss([1, 2], [0, 0]))
    assert math.isnan(validate_rank_loss([], [], reduction="query-mean"))
    # A list without pairs is in no mean.
    assert validate_rank_loss([0, 1, 5], [1, 0, 1], ["a", "a", "b"], reduction="query-mean") == 1.0
    assert list_figures([1.0], [1.0], ListSetting()) == LoopFigures()


def test_top_share() -> None:
    assert top_share([2, 1, 0], [3, 2, 1]) == 1
    assert top_share([2, 1, 0], [1, 2, 3]) == 0
    assert top_share([2, 1, 2, 0], [3, 3, 3, 3]) == 0.5


@given(scores, st.data(), st.floats(-10, 10))
def test_the_hinge_is_that_of_the_pairs_written_out(score: list[float], data: st.DataObject, margin: float) -> None:
    label = data.draw(st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score)))
    items = list(zip(score, label, strict=True))
    pairs = [(first, second) for first, i in items for second, j in items if i > j]
    x1, x2 = ([pair[side] for pair in pairs] for side in (0, 1))
    exact = validate_margin_ranking_loss_exact(x1, x2, [1] * len(pairs), margin, "sum")
    assert isinstance(exact, Fraction)
    assert validate_rank_loss(score, label, margin=margin, reduction="sum") == float(exact)


@each("loss", LOSSES)
@examples(25)
@given(data=st.data())
def test_the_gradient_is_the_slope_of_the_sum(loss: str, data: st.DataObject) -> None:
    score = data.draw(st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=2, max_size=4, unique=True))
    label = data.draw(st.lists(st.integers(0, 2), min_size=len(score), max_size=len(score)))
    setting, step = settings_of(loss), 2.0**-17
    for place, slope in enumerate(list_gradient([*map(float, label)], score, setting).values):
        ahead, behind = (
            float(
                list_figures(
                    [*map(float, label)], [s + sign * step * (i == place) for i, s in enumerate(score)], setting
                ).total
            )
            for sign in (1, -1)
        )
        assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_the_hinge_is_active_at_the_kink() -> None:
    assert list_gradient([1.0, 0.0], [1.0, 0.0], ListSetting(margin=1.0)).values == [-1.0, 1.0]
    assert list_gradient([1.0, 0.0], [math.nextafter(1.0, 2.0), 0.0], ListSetting(margin=1.0)).values == [0.0, 0.0]
    assert list_gradient(LABELS, SCORES, ListSetting(margin=1.0), [100.0, 3.0, 5.0]).values == [8.0, -3.0, -5.0]


@each("loss", list(LOSSES))
def test_parameters_of_other_losses_change_nothing(loss: str) -> None:
    own = settings_of(loss)
    more = replace(own, parameters={"temperature": 0.5, "beta": 3.0, "label_smoothing": 0.25} | own.parameters)
    assert float(list_figures(LABELS, SCORES, more).total) == float(list_figures(LABELS, SCORES, own).total)
    assert list_gradient(LABELS, SCORES, more).values == list_gradient(LABELS, SCORES, own).values


@each("loss", [*LOSSES, *LISTWISE])
def test_order_does_not_matter(loss: str) -> None:
    values = {
        validate_rank_loss(*zip(*items, strict=True), loss=loss)
        for items in permutations([(0.1, 2.0), (0.7, 0.0), (0.7, 1.0), (-3.0, 1.0)])
    }
    assert len(values) == 1 if loss in POWERS else max(values) == pytest.approx(min(values), rel=1e-15)


def test_defaults_are_those_of_the_registry() -> None:
    for loss in LOSSES.values():
        assert loss.defaults.items() <= DEFAULTS.items()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reduction": "none"}, "reduction must be one of mean, query-mean, sum, not 'none'"),
        ({"loss": "hinge"}, "loss must be one of margin_ranking, "),
        ({"lambda_weight": "dcg"}, "lambda_weight must be one of none, label_diff, ndcg, not 'dcg'"),
        ({"query": ["a"]}, "score, label, query must have one length, not 3, 3, 1"),
        ({"loss": "softmax", "lambda_weight": "ndcg"}, "the loss softmax is one of lists"),
    ],
)
def test_what_is_not_known_is_an_error(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate_rank_loss(SCORES, LABELS, **given)  # type: ignore[arg-type]
