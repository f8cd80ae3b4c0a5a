"""How a user's function is called: each kind of signature is served as it asks for, or refused in one clear message."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.errors import UsageError
from mrl_cli.losses import LOSSES
from mrl_cli.model import Plan
from mrl_cli.verify.functions.conventions import conventions_of
from tests.test_functions import RightClass, Values, hinge, right, validated

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


def only_named(*, x1: Values, x2: Values, y: Values, margin: float = 0.0) -> Any:
    return hinge(x1, x2, y, margin)


def named_winner(*, chosen: Values, rejected: Values, margin: float) -> Any:
    return np.maximum(0, margin - (chosen - rejected))


def named_difference(*, scores: Values, labels: Values, margin: float) -> Any:
    return np.maximum(0, margin - labels * scores)


def named_in_order(*, p: Values, q: Values, r: Values, s: float) -> Any:
    return hinge(p, q, r, s)


def by_position(margin: float, x1: Values, x2: Values, y: Values, reduction: str, /) -> Any:
    return right(x1, x2, y, margin, reduction)


def mixed(x1: Values, /, x2: Values, *, y: Values, margin: float = 0.0) -> Any:
    return hinge(x1, x2, y, margin)


def a_default_between(x1: Values, x2: Values, weight: Any = None, target: Any = None, margin: float = 0.0) -> Any:
    assert weight is None
    return hinge(x1, x2, target, margin)


def a_default_before(x1: Values, eps: float = 1e-8, x2: Any = None, y: Any = None, /, margin: float = 0.0) -> Any:
    assert eps == 1e-8
    return hinge(x1, x2, y, margin)


def called_d(a: Values, b: Values, c: Values, d: float) -> Any:
    return hinge(a, b, c, d)


def all_names(**given: Any) -> Any:
    return right(given["x1"], given["x2"], given["y"], given.get("margin", 0.0), given.get("reduction", "mean"))


def names_that_must_be(a: Values, b: Values, **given: Any) -> Any:
    return hinge(a, b, given["y"], given["margin"])


def names_of_some(x1: Values, x2: Values, y: Values, **given: Any) -> Any:
    return right(x1, x2, y, **given)


def names_ignored(x1: Values, x2: Values, y: Values, **_: Any) -> Any:
    return right(x1, x2, y, 0.25)


def arrays_in_args(*args: Any) -> Any:
    x1, x2, y = args
    return hinge(x1, x2, y, 0.0)


def four_in_args(*args: Any) -> Any:
    x1, x2, y, margin = args
    return hinge(x1, x2, y, margin)


def two_in_args(*args: Any) -> Any:
    winner, loser = args
    return np.maximum(0, loser - winner)


def rest_in_args(margin: float, *rest: Any) -> Any:
    x1, x2, y = rest
    return hinge(x1, x2, y, margin)


def wrapper(*args: Any, **given: Any) -> Any:
    return right(*args, **given)


def nan_kept(x1: float, x2: float, y: float, margin: float) -> float:
    loss = -y * (x1 - x2) + margin
    return 0.0 if loss < 0 else loss


class BuiltByName(RightClass):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)


class BuiltByPosition(RightClass):
    def __init__(self, margin: float, /) -> None:
        super().__init__(margin)


class CalledByName:
    def __call__(self, *, x1: Values, x2: Values, y: Values, margin: float) -> Any:
        return hinge(x1, x2, y, margin)


class WithoutSelf:
    @staticmethod
    def __call__(x1: Values, x2: Values, y: Values) -> Any:
        return hinge(x1, x2, y, 0.0)


SERVED: list[tuple[Callable[..., Any], str]] = [
    (only_named, "only_named(x1=…, x2=…, y=…, margin=…)"),
    (named_winner, "named_winner(chosen=…, rejected=…, margin=…)"),
    (named_difference, "named_difference(scores=…, labels=…, margin=…)"),
    (named_in_order, "named_in_order(p=…, q=…, r=…, s=…)"),
    (by_position, "by_position(margin, x1, x2, y, reduction)"),
    (mixed, "mixed(x1, x2, y=…, margin=…)"),
    (a_default_between, "a_default_between(x1, x2, target=…, margin=…)"),
    (a_default_before, "a_default_before(x1, eps, x2, y, margin=…)"),
    (called_d, "called_d(a, b, c, d=…)"),
    (all_names, "all_names(x1=…, x2=…, y=…, margin=…, reduction=…)"),
    (names_that_must_be, "names_that_must_be(a, b, margin=…, y=…)"),
    (names_of_some, "names_of_some(x1, x2, y, margin=…, reduction=…)"),
    (names_ignored, "names_ignored(x1, x2, y)"),
    (arrays_in_args, "arrays_in_args(x1, x2, y)"),
    (four_in_args, "four_in_args(x1, x2, y, margin)"),
    (two_in_args, "two_in_args(x1, x2)"),
    (rest_in_args, "rest_in_args(margin, x1, x2, y)"),
    (wrapper, "wrapper(x1, x2, y, margin=…, reduction=…)"),
    (partial(right, margin=0.5), "right(x1, x2, y, reduction=…)"),
    (partial(RightClass, margin=0.5), "RightClass(reduction=…)(x1, x2, y)"),
    (BuiltByName, "BuiltByName(margin=…, reduction=…)(x1, x2, y)"),
    (BuiltByPosition, "BuiltByPosition(margin)(x1, x2, y)"),
    (CalledByName, "CalledByName()(x1=…, x2=…, y=…, margin=…)"),
    (CalledByName(), "CalledByName(x1=…, x2=…, y=…, margin=…)"),
    (WithoutSelf, "WithoutSelf()(x1, x2, y)"),
    (RightClass(0.5).__call__, "__call__(x1, x2, y)"),
    (np.vectorize(nan_kept, otypes=[float]), "nan_kept(x1, x2, y, margin=…)"),
    (np.frompyfunc(nan_kept, 4, 1), "nan_kept (vectorized)(x1, x2, x3, x4)"),
]


@pytest.mark.parametrize(("function", "called"), SERVED, ids=[called for _, called in SERVED])
def test_a_function_is_called_as_its_signature_asks(function: Any, called: str) -> None:
    validation = validated(function)
    assert validation.notes[0] == f"called as {called} with NumPy arrays"
    assert [check.name for check in validation.checks if not check.passed] == []


def test_what_a_partial_has_bound_stays_bound() -> None:
    """It is the user's number that is held to the suite, not one in its place."""
    assert "which is taken to be 0.5;" in " ".join(validated(partial(right, margin=0.5)).notes)
    assert validated(partial(right, margin=0.5), margin=0.5).passed
    assert not validated(partial(right, margin=0.5), margin=0.25).passed


def test_a_margin_among_the_names_is_held_to_the_suite() -> None:
    """A wrong one is found, though no signature says that there is one."""
    assert not validated(lambda x1, x2, y, **given: hinge(x1, x2, y, given.get("margin", 0.0) ** 2)).passed


def test_parameters_of_a_loss_are_among_the_names() -> None:
    plan = Plan.of(loss="logistic", parameters=(("temperature", 2.0),))

    def logistic(x1: Values, x2: Values, y: Values, **given: Any) -> Any:
        return np.logaddexp(0, given["margin"] - y * (x1 - x2) / given["temperature"])

    validation = validated(logistic, plan)
    assert validation.passed
    assert "(x1, x2, y, margin=…, temperature=…)" in validation.notes[0]


class NotCallable:
    """Made, but not called."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 0, "has no parameters for scores x1 and x2"),
        (lambda *, margin: 0, "has no parameters for scores x1 and x2"),
        (lambda a, b, c, d, e: 0, "what is its parameter e, which has no default?"),
        (lambda x1, x2, y, margin, *, device: 0, "what is its parameter device, which has no default?"),
        (NotCallable, "NotCallable is a class whose instances cannot be called"),
        (RightClass.__call__, "RightClass.__call__ is a method, which is called on an object"),
        (partial(right, np.ones(1), np.ones(1)), "right has no parameters for scores x1 and x2"),
    ],
)
def test_a_signature_that_leaves_something_open_is_refused(function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        conventions_of(function, LOSSES["margin_ranking"])
