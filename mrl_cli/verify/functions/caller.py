"""Calling a user's function on trials: with the arrays that it takes, what it gave, and what it changed or raised."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.verify.functions.arrays import (
    NUMBERS,
    NotALossError,
    Returned,
    better_for,
    contents_of,
    returned,
    ways_to_hand_over,
)
from mrl_cli.verify.functions.conventions import Convention, conventions_of
from mrl_cli.verify.functions.loading import described, underlying

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mrl_cli.dtypes import Doubles
    from mrl_cli.model import Plan
    from mrl_cli.verify.functions.arrays import Way
    from mrl_cli.verify.vectors import Vector


Arrays = tuple[Any, Any, Any]  # x1, x2 and the labels, all of one shape

PROBE: Arrays = (np.array([0.5, 1.5, -1.0]), np.array([0.25, 2.5, 0.75]), np.array([1.0, 1.0, -1.0]))


class Slope(NamedTuple):
    """A gradient beside what it should be, and what that is of the gradients of single losses, by their sign too."""

    own: Doubles
    right: Doubles
    scale: float
    wrong: int  # so many of it differ


class Held:
    """A trial, and what a function gave for it; None or empty where it gave nothing.

    `losses` are of the trial's shape, or of one that is wrong; of a function that reduces they are those of the pairs
    one at a time; `are_wrong` says which differ from the right ones. `reduced` are sum and mean by name, of whatever
    shape they were returned. `slopes` are the gradients for the scores that were handed over, by the
    reduction of which they are: "none", "sum" or "mean". `dtype` is that of what was returned.
    """

    def __init__(self, trial: Vector) -> None:
        self.trial = trial
        self.losses: Doubles | None = None
        self.are_wrong = np.zeros(trial.x1.size, bool)
        self.reduced: dict[str, Doubles] = {}
        self.slopes: dict[str, list[Slope]] = {}
        self.dtype = trial.dtype

    @property
    def is_of_pairs(self) -> bool:
        """Whether there are as many losses as pairs."""
        return self.losses is not None and self.losses.size == self.trial.x1.size

    @property
    def own(self) -> Doubles:
        """The losses as an array of shape (n,); there must be as many as pairs."""
        if self.losses is None:
            raise ValueError("no losses were returned")
        return self.losses.reshape(-1)


class FunctionError(Exception):
    """A call that raised, or did not return the numbers that it should; its text says what happened, where."""


class RaisedError(FunctionError):
    """A call that raised."""


class Caller:
    """A user's function, and how it is called.

    `way` is what it is handed. `reduces`: it returns one number for all pairs, as it cannot be asked for each.
    `margin` is the one that it has by itself, None where it is handed one. `changed` are the inputs that it changed in
    any of its `calls`.

    Raises FunctionError for a function that takes three plain pairs in no way, and UsageError for a signature that
    leaves open which parameter is which.
    """

    convention: Convention
    way: Way

    def __init__(self, function: Any, plan: Plan, margin: float | None) -> None:
        self.function, self.plan = function, plan
        self.changed: set[str] = set()
        self.calls, self.reduces = 0, False
        self._find_way()
        for role in self.convention.open_roles:
            self._settle(role)
        result = self.losses_of(self._probe())
        self.reduces = "reduction" not in self.convention.roles and result.values.size == 1
        self.margin = margin
        if margin is None and "margin" not in self.convention.roles:
            self.margin = self._own_margin()

    @property
    def takes_y(self) -> bool:
        """Whether the function is handed labels; else the first scores are the winners'."""
        return "y" in self.convention.roles

    @property
    def takes_one_pair(self) -> bool:
        """Whether the function takes numbers, one pair at a time."""
        return self.way is NUMBERS

    @property
    def text(self) -> str:
        """How the function is called, in words."""
        own = underlying(self.function)
        name = getattr(own, "__name__", type(own).__name__)
        return f"called as {self.convention.text(name)} with {self.way.words}"

    def _find_way(self) -> None:
        """Choose the first way to call the function that raises nothing, and returns numbers."""
        errors: list[FunctionError] = []
        for convention in conventions_of(self.function, LOSSES[self.plan.loss.name]):
            for way in ways_to_hand_over(self.function):
                self.convention, self.way = convention, way
                if errors and way.library and not isinstance(errors[0].__cause__, TypeError | AttributeError):
                    continue  # it is not the type of the arrays that it does not take
                try:
                    result = self._raw(self._probe(slice(1 if self.takes_one_pair else None)), 0.5, "none")
                    self.way = better_for(result) or way
                    returned(result)
                except NotALossError as error:
                    raise FunctionError(f"{self.text}: {error}") from None
                except FunctionError as error:
                    errors.append(FunctionError(f"{self.text}: {error}"))
                    errors[-1].__cause__ = error.__cause__
                else:
                    return
        raise errors[0]

    def _settle(self, role: str) -> None:
        """Hand over what **kwargs may take where it changes the result, and else not where that can be left out."""
        wide, narrow = self.convention.widened(role), self.convention.without(role)
        x1, x2, y = self._probe(slice(1 if self.takes_one_pair else None))
        flipped = 1 - y if self.plan.rules.labels == "01" else -y
        self.convention = wide
        first, second = (self.handed((x1, x2, y), 0.5, "none") for _ in range(2))
        others = {"margin": 1.75, "reduction": "sum", "y": self.way.made(flipped)}
        second[role] = others[role] if role in others else second[role] / 2 + 0.1
        plain, changed = self._result(wide, first), self._result(wide, second)
        is_idle = plain is None or (plain == changed and self._result(narrow, first) is not None)
        self.convention = narrow if is_idle else wide

    def _result(self, convention: Convention, handed: Mapping[str, Any]) -> list[Any] | None:
        """Return what the function returns when it is called so, None where it raises."""
        self.convention = convention
        try:
            return [*returned(self.called(handed)).values.reshape(-1)]
        except (FunctionError, NotALossError):
            return None

    def _probe(self, here: slice = slice(None)) -> Arrays:
        x1, x2, y = _taken(PROBE, here)
        labels = (y > 0).astype(np.float64) if self.plan.rules.labels == "01" else y
        return x1, x2, labels

    def _own_margin(self) -> float:
        """Return the margin that a hinge without a parameter for it has: what a pair with x1 = x2 costs."""
        loss, zero = LOSSES[self.plan.loss.name], np.zeros(1)
        if not loss.is_hinge:
            return 0.0
        try:
            cost = self.losses_of((zero, zero, np.ones(1))).values
        except FunctionError:
            return 0.0
        own = float(cost.flat[0]) ** (1 / loss.power) if cost.size == 1 and cost.flat[0] >= 0 else 0.0
        return _as_written(own) + 0.0 if math.isfinite(own) else 0.0

    def losses_of(self, arrays: Arrays, margin: float = 0.0, reduction: str = "none") -> Returned:
        """Return what the function gives for arrays; one pair at a time where it takes no more.

        Raises FunctionError where it raises, and for what is no number.
        """
        if self.takes_one_pair:
            return Returned(self.single_losses(arrays, margin).reshape(arrays[0].shape), "float64")
        return self._numbers(arrays, margin, reduction)

    def single_losses(self, arrays: Arrays, margin: float) -> Doubles:
        """Return what the function gives for each pair of arrays alone, of shape (n,)."""
        x1, x2, labels = map(np.ravel, arrays)
        losses = np.empty(x1.size)
        for place in range(losses.size):
            values = self._numbers(_taken((x1, x2, labels), slice(place, place + 1)), margin).values
            if values.size != 1:
                raise FunctionError(f"it returns shape {values.shape} for one pair")
            losses[place] = values.flat[0]
        return losses

    def _numbers(self, arrays: Arrays, margin: float, reduction: str = "none") -> Returned:
        try:
            return returned(self._raw(arrays, margin, reduction))
        except NotALossError as error:
            raise FunctionError(str(error)) from None

    def _raw(self, arrays: Arrays, margin: float, reduction: str) -> Any:
        handed = self.handed(arrays, margin, reduction)
        arrays_handed = {role: value for role, value in handed.items() if hasattr(value, "shape")}
        before = {role: contents_of(value) for role, value in arrays_handed.items()}
        result = self.called(handed)
        self.calls += 1
        self.changed |= {role for role, held in before.items() if contents_of(handed[role]) != held}
        return result

    def handed(self, arrays: Arrays, margin: float, reduction: str) -> dict[str, Any]:
        """Return the value of each role."""
        x1, x2, labels = arrays
        if not self.takes_y:
            is_won = labels > 0
            x1, x2 = np.where(is_won, x1, x2), np.where(is_won, x2, x1)
        values = {"x1": x1, "x2": x2, "y": labels}
        if "difference" in self.convention.roles:
            with np.errstate(all="ignore"):
                values["difference"] = np.asarray(x1 - x2)
        made = {role: self.way.made(array) for role, array in values.items() if role in self.convention.roles}
        return made | {"margin": margin, "reduction": reduction} | dict(self.plan.loss.parameters)

    def called(self, handed: Mapping[str, Any]) -> Any:
        """Call the function. Raises FunctionError for whatever it raises."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.convention.call(self.function, handed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise RaisedError(f"raises {described(error)}") from error


def _taken(arrays: Arrays, here: slice) -> Arrays:
    x1, x2, labels = arrays
    return x1[here], x2[here], labels[here]


def _as_written(number: float) -> float:
    """Return the shortest number that a narrow float may have been, as a margin in a program is short."""
    for narrow in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            if float(narrow(number)) == number:
                return float(str(narrow(number)))
    return number
