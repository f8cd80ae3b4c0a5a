"""Losses of lists as a whole: hand-worked, against sixty digits, whatever the spread, the offset and the order."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.lists import listwise
from mrl_cli.lists.listwise import listwise_losses
from mrl_cli.lists.measure import least_label, measured
from mrl_cli.losses import LISTWISE, ParameterError, completed, named
from mrl_cli.model import LossChoice, Ranking
from mrl_cli.verify.reference import listwise_loss
from tests import rank_lists
from tests.each import each
from tests.rank_lists import DIGITS, lists_of, softplus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.lists.base import Lists


def choices() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every listwise loss with every word of its parameters; a number once more, smaller."""
    for loss in LISTWISE.values():
        for parameter in loss.parameters:
            for value in getattr(parameter, "values", (parameter.default, 0.125)):
                yield loss.name, completed(loss.name, {parameter.name: value})


CHOICES = list(choices())


def exact(lists: Lists, number: int, name: str, parameters: dict[str, Any]) -> Decimal | None:
    """Return the loss of one list in sixty digits, None where there is none."""
    items = rank_lists.items_of(lists, number)
    labels, scores = [Decimal(item[0]) for item in items], [Decimal(item[1]) for item in items]
    gain = [DIGITS.subtract(DIGITS.power(2, label), 1) for label in labels] if min(labels, default=0) >= 0 else []
    if not items:
        return None
    if name == "approx_ndcg":
        return _exact_ndcg(scores, gain, Decimal(parameters["temperature"]))
    losses = []
    for item, score in enumerate(scores):
        others = [other for other in range(len(items)) if other != item]
        if name == "unique_softmax":
            others = [other for other in others if labels[other] < labels[item]]
        elif name == "listmle":
            ties = parameters["ties"] == "breslow"
            others = [
                other
                for other in others
                if labels[other] < labels[item] or (labels[other] == labels[item] and (ties or other > item))
            ]
        tail = rank_lists.total([DIGITS.exp(DIGITS.subtract(scores[other], score)) for other in others])
        losses.append(softplus(DIGITS.ln(tail)) if tail else Decimal(0))
    weights = [Decimal(1)] * len(items)
    if name == "softmax":
        target = parameters["target"]
        weights = {"raw": labels, "sum": labels, "gain": gain, "softmax": list(map(DIGITS.exp, labels))}[target]
        whole = rank_lists.total(weights) if target != "raw" else Decimal(1)
        if whole == 0:
            return None
        weights = [DIGITS.divide(weight, whole) for weight in weights]
    elif name == "unique_softmax" and parameters["gain"] == "exp":
        weights = gain
    return rank_lists.total([DIGITS.multiply(*both) for both in zip(weights, losses, strict=True)])


def _exact_ndcg(scores: list[Decimal], gain: list[Decimal], temperature: Decimal) -> Decimal | None:
    def discount(rank: Decimal) -> Decimal:
        return DIGITS.divide(DIGITS.ln(Decimal(2)), DIGITS.ln(DIGITS.add(1, rank)))

    ideal = rank_lists.total(
        [DIGITS.multiply(g, discount(Decimal(place))) for place, g in enumerate(sorted(gain, reverse=True), 1)]
    )
    if ideal == 0:
        return None
    reached = []
    for item, score in enumerate(scores):
        ahead = [
            rank_lists.sigmoid(DIGITS.divide(DIGITS.subtract(other, score), temperature))
            for place, other in enumerate(scores)
            if place != item
        ]
        reached.append(DIGITS.multiply(gain[item], discount(DIGITS.add(1, rank_lists.total(ahead)))))
    return DIGITS.subtract(1, DIGITS.divide(rank_lists.total(reached), ideal))


def some_lists(spread: float = 1.0, offset: float = 0.0) -> Lists:
    """Lists of many sizes, none and one among them, one of labels 0 alone, one of labels that are not whole."""
    random = np.random.default_rng(7)
    given: list[tuple[Any, Any]] = []
    for size in (0, 1, 2, 5, 5, 9, 14, 3, 4):
        labels, scores = random.integers(0, 4, size).astype(float), random.normal(size=size) * spread
        given.append((labels, offset + np.append(scores[: size // 2].round(1), scores[size // 2 :])))
    given[-2] = (np.zeros(3), given[-2][1])
    given[-1] = (np.array([0.5, 0.0, 2.25, 0.5]), given[-1][1])
    return lists_of(*given)


@each(("spread", "offset"), [(1.0, 0.0), (1000.0, 0.0), (1.0, 1e8), (1e-9, 0.0), (300.0, -1e15)])
@each(("name", "parameters"), CHOICES)
def test_losses_in_sixty_digits(name: str, parameters: dict[str, Any], spread: float, offset: float) -> None:
    lists = some_lists(spread, offset)
    losses = listwise_losses(lists, name, parameters)
    for number, loss in enumerate(losses.tolist()):
        wanted = exact(lists, number, name, parameters)
        if wanted is None:
            assert math.isnan(loss)
        else:
            off = abs(DIGITS.subtract(Decimal(loss), wanted))  # sixty digits, less what 1 - NDCG cancels
            assert off <= abs(wanted) * Decimal("1e-13") + Decimal("1e-50")


def test_hand_worked_list() -> None:
    # Scores 0, log 3, log 2 with labels 1, 0, 2: exp 1, 3, 2, of 6 in all.
    lists = lists_of(([1.0, 0.0, 2.0], [0.0, math.log(3), math.log(2)]))

    def loss(name: str, **given: Any) -> float:
        return float(listwise_losses(lists, name, completed(name, given))[0])

    assert loss("softmax", target="raw") == pytest.approx(math.log(6 / 1) + 2 * math.log(6 / 2), rel=1e-15)
    assert loss("softmax") == pytest.approx((math.log(6 / 1) + 2 * math.log(6 / 2)) / 3, rel=1e-15)
    assert loss("softmax", target="gain") == pytest.approx((math.log(6) + 3 * math.log(3)) / 4, rel=1e-15)
    assert loss("listmle") == pytest.approx(math.log(6 / 2) + math.log(4 / 1) + math.log(3 / 3), rel=1e-15)
    assert loss("unique_softmax") == pytest.approx(3 * math.log(6 / 2) + math.log(4 / 1), rel=1e-15)
    assert loss("unique_softmax", gain="none") == pytest.approx(math.log(6 / 2) + math.log(4 / 1), rel=1e-15)


@each(("name", "parameters"), CHOICES)
def test_no_bit_depends_on_order_or_on_other_lists(
    name: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = some_lists()
    losses = listwise_losses(lists, name, parameters)
    if parameters.get("ties") != "input":  # there the order of the items is what is asked for
        other, _ = rank_lists.reordered(lists, np.random.default_rng(2))
        np.testing.assert_array_equal(listwise_losses(other, name, parameters), losses)
    for number in range(lists.size):
        one = lists.part(number, number + 1)
        np.testing.assert_array_equal(listwise_losses(one, name, parameters), losses[[number]])
    monkeypatch.setattr(listwise, "BLOCK", 7)
    np.testing.assert_array_equal(listwise_losses(lists, name, parameters), losses)


@each(("name", "parameters"), CHOICES)
def test_offset_that_changes_no_difference_changes_no_bit(name: str, parameters: dict[str, Any]) -> None:
    lists = some_lists()
    lists = lists._replace(scores=np.rint(lists.scores * 1024) / 1024)
    losses = listwise_losses(lists, name, parameters)
    shifted = listwise_losses(lists._replace(scores=lists.scores + 2.0**30), name, parameters)
    np.testing.assert_array_equal(shifted, losses)


def test_long_lists_are_added_up_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    lists = lists_of((random.integers(0, 3, 90), random.normal(size=90) * 200 - 1e6), (np.arange(70), np.arange(70)))
    monkeypatch.setattr(listwise, "STEPS", 4)
    for name in ("listmle", "unique_softmax"):
        parameters = completed(name, {})
        for number, loss in enumerate(listwise_losses(lists, name, parameters).tolist()):
            wanted = exact(lists, number, name, parameters)
            assert wanted is not None
            assert rank_lists.relative_error(loss, wanted) < 1e-13


def test_lists_without_a_loss_are_named_and_add_nothing() -> None:
    lists = some_lists()
    found = measured(lists, LossChoice("softmax", 0.0, (("target", "sum"),)), Ranking())
    assert found.defined is not None
    assert np.flatnonzero(~found.defined).tolist() == [0, 7]  # an empty list, and one whose labels are all 0
    assert found.losses.rounded(lists.size)[[0, 7]].tolist() == [0.0, 0.0]
    assert found.lowest[[0, 7]].tolist() == [math.inf, math.inf]
    assert found.highest[[0, 7]].tolist() == [-math.inf, -math.inf]
    assert found.pairs[7] == found.active[7] == 0
    assert found.pairs[8] == 5  # labels 0.5, 0, 2.25, 0.5


def test_huge_labels_and_gains() -> None:
    lists = lists_of(([2000.0, 1999.0, 0.0], [0.0, 0.0, 0.0]))
    losses = {name: float(listwise_losses(lists, name, completed(name, {}))[0]) for name in LISTWISE}
    assert losses["unique_softmax"] == math.inf  # it is 2**2000 * log 3
    # The ranks are all 2; ideal 2**2000 * (1 + 1/2/log2(3)), reached 2**2000 * 3/2 / log2(3).
    assert losses["approx_ndcg"] == pytest.approx(1 - 1.5 / math.log2(3) / (1 + 0.5 / math.log2(3)), rel=1e-13)
    gain = float(listwise_losses(lists, "softmax", {"target": "gain"})[0])
    assert gain == pytest.approx(math.log(3), rel=1e-15)


# The registry.


@pytest.mark.parametrize("target", ["sum", "raw", "softmax", "gain"])
def test_softmax_is_finite_where_only_what_it_is_made_of_is_beyond_the_doubles(target: str) -> None:
    lists = lists_of(
        ([1.0, 0.0], [1e308, -1e308]),
        ([0.25, 1.0, 0.0, 0.0], [-0.5e308, 1e308, 0.75e308, -1e308]),
        ([0.75e308, 0.75e308, 0.0], [1.0, 2.0, 3.0]),
        ([900.0, 800.0], [-9e307, 9e307]),
    )
    got = listwise_losses(lists, "softmax", {"target": target})
    parts = (lists.part(number, number + 1) for number in range(lists.size))
    right = [listwise_loss("softmax", one.labels.tolist(), one.scores.tolist(), {"target": target}) for one in parts]
    assert got.tolist() == pytest.approx(right, rel=1e-12)
    assert np.isfinite(got[:2]).all()
    assert math.isfinite(got[2]) == (target != "raw")


def test_words_are_completed_and_checked() -> None:
    assert completed("softmax", {}) == {"target": "sum"}
    assert completed("listmle", {"label_ties": "input"}) == completed("listmle", {"ties": "input"}) == {"ties": "input"}
    with pytest.raises(ParameterError, match="target of the loss softmax must be sum, raw, softmax or gain; it is 'x'"):
        completed("softmax", {"target": "x"})
    with pytest.raises(ParameterError, match="must be exp or none; it is 1"):
        completed("unique_softmax", {"gain": 1.0})
    with pytest.raises(ParameterError, match="temperature of the loss approx_ndcg must be 1e-30 to"):
        completed("approx_ndcg", {"temperature": "warm"})


@pytest.mark.parametrize("loss", LISTWISE.values(), ids=list(LISTWISE))
def test_listwise_loss_documents_itself(loss: Any) -> None:
    assert named(loss.name) is loss
    assert loss.source.strip()
    for parameter in loss.parameters:
        assert parameter.meaning
        assert parameter.name in loss.formula
        assert parameter.default in getattr(parameter, "values", [parameter.default])


@each(("name", "parameters"), CHOICES)
def test_least_label_is_where_gains_or_shares_are(name: str, parameters: dict[str, Any]) -> None:
    is_of_gains = name == "approx_ndcg" or {"gain", "exp", "sum"} & set(parameters.values())
    assert least_label(LossChoice(name, 0.0, tuple(parameters.items())), Ranking()) == (
        0.0 if is_of_gains else -math.inf
    )
    assert least_label(LossChoice(), Ranking("ndcg")) == 0.0
    assert least_label(LossChoice(), Ranking("label_diff")) == -math.inf
