"""The conformance suite's ranked lists: the core passes, and a core that is a little wrong does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mrl_cli.lists import measure
from mrl_cli.lists.loop import looped
from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.verify.lists import suite as listsuite
from mrl_cli.verify.lists.suite import LISTS, list_checks, settings, text_of

pytestmark = pytest.mark.slow

TRUE = measure.measured


def failed() -> dict[str, str]:
    return {name: f"{check.name}: {check.note}" for name, check in list_checks() if not check.passed}


def test_every_list_passes_on_this_machine() -> None:
    checks = list(list_checks())
    assert [check for _, check in checks if not check.passed or check.max_ulp_diff] == []
    assert {name for name, _ in checks} == {f"lists: {family}" for family in LISTS}


def test_every_loss_is_in_the_suite() -> None:
    ways = list(settings())
    assert {way.loss.name for way in ways} == {*LOSSES, *LISTWISE}
    assert {way.ranking.lambda_weight for way in ways} == {"none", "label_diff", "ndcg"}
    assert len({text_of(way) for way in ways}) == len(ways)


def test_lists_are_about_what_they_say() -> None:
    scores = {family: [score for _, of_list in lists for score in of_list] for family, lists in LISTS.items()}
    assert any(0 < abs(score) < np.finfo(float).tiny for score in scores["subnormal"])
    assert max(map(abs, scores["1e-12 to 1e12"])) >= 1e12
    assert all(len(set(labels)) < 2 for labels, _ in LISTS["no pairs"][:3])
    assert len(LISTS["no pairs"][0][0]) == 1
    assert max(len(labels) for labels, _ in LISTS["long"]) > 64


def rounded_hinges(lists: Any, loss: Any, ranking: Any) -> Any:
    return looped(lists, loss) if loss.name in LOSSES and LOSSES[loss.name].is_hinge else TRUE(lists, loss, ranking)


def one_pair_more(lists: Any, loss: Any, ranking: Any) -> Any:
    found = TRUE(lists, loss, ranking)
    return found._replace(ties=found.ties + (found.pairs > 3))


def of_its_neighbours(lists: Any, loss: Any, ranking: Any) -> Any:
    found = TRUE(lists, loss, ranking)
    return found._replace(highest=np.nextafter(found.highest, np.inf)) if lists.size > 1 else found


def ties_at_the_top(lists: Any, loss: Any, ranking: Any) -> Any:
    return TRUE(lists._replace(scores=lists.scores + 1e-13 * np.arange(lists.scores.size)), loss, ranking)


@pytest.mark.parametrize(
    ("broken", "family", "note"),
    [
        (rounded_hinges, "kink", "margin="),
        (one_pair_more, "plain", "ties: should be"),
        (of_its_neighbours, "plain", "alone: max: should be"),
        (ties_at_the_top, "ties", "should be"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_broken_core_fails(
    broken: Callable[..., Any], family: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listsuite, "LISTS", {family: LISTS[family]})
    assert failed() == {}
    monkeypatch.setattr(measure, "measured", broken)
    assert note in failed()[f"lists: {family}"]


def test_a_broken_gradient_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    true_gradient = measure.gradient
    monkeypatch.setattr(listsuite, "LISTS", {"plain": LISTS["plain"]})
    monkeypatch.setattr(measure, "gradient", lambda *given: true_gradient(*given) * (1 + 1e-13))
    assert "gradient: should be" in failed()["lists: plain"]
