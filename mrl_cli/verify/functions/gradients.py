"""The gradients of a user's function: by PyTorch or JAX where it uses them, else by a function that stands beside it.

Such a function is an attribute `gradient` or `grad` of the loss, or called NAME_gradient or NAME_grad in its
module. It is called as the loss is, and returns a tuple of the gradients for x1 and x2, or that for x1 alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.verify.functions.arrays import NotALossError, returned
from mrl_cli.verify.functions.caller import Caller, FunctionError, RaisedError
from mrl_cli.verify.functions.loading import described

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles
    from mrl_cli.verify.vectors import Vector

SUFFIXES = ("gradient", "grad")


class Gradients:
    """Where the gradients of a function come from; `words` say it, empty where it has none."""

    words = ""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.leaves = ("difference",) if "difference" in caller.convention.roles else ("x1", "x2")
        self._name = None if caller.way.library else _name_beside(caller.function)
        if self._name is not None:
            self.words = f"gradients are those of {self._name}"
        elif caller.way.library:
            self.words = f"gradients are those that {caller.way.library} takes"

    def of(self, trial: Vector) -> dict[str, list[Doubles]]:
        """Return the gradients of a trial for `leaves`, by reduction, empty where there are none.

        Those of the losses, added up or averaged as the function does, are of "none"; where it takes a reduction, there
        are those of the sum and the mean too. Raises FunctionError where the function raises, reaches only one of x1
        and x2, or has gradients that do not come of a sum or mean.
        """
        if not self.words:
            return {}
        names = ("none", "sum", "mean") if "reduction" in self._caller.convention.roles else ("none",)
        found = {name: gradients for name in names if (gradients := self._of(trial, name)) is not None}
        if not found:
            self.words = "it has no gradients: what it returns is detached from its scores"
        elif lost := [name for name in names if name not in ("none", *found)]:
            msg = f"no gradient of the {' and of the '.join(lost)}: what it returns is detached from its scores"
            raise FunctionError(msg)
        return found

    def _of(self, trial: Vector, reduction: str) -> list[Doubles] | None:
        handed = self._caller.handed(trial.handed, trial.margin, reduction)
        found = self._by_function(self._name, handed) if self._name is not None else self._by_library(handed)
        if found is None:
            return None
        lost = [leaf for leaf, gradient in zip(self.leaves, found, strict=False) if gradient is None]
        if lost:
            raise FunctionError(f"no gradient reaches {' and '.join(lost)}")
        try:
            gradients = [returned(gradient).values.reshape(-1) for gradient in found]
        except NotALossError as error:
            raise FunctionError(f"as a gradient {error}") from None
        if any(gradient.size != trial.x1.size for gradient in gradients):
            raise FunctionError(f"a gradient has shape {gradients[0].shape} for {trial.x1.size} pairs")
        return gradients

    def _by_library(self, handed: dict[str, Any]) -> list[Any] | None:
        def losses(*leaves: Any) -> Any:
            return self._caller.called(handed | dict(zip(self.leaves, leaves, strict=True)))

        try:
            return self._caller.way.gradients(losses, [handed[leaf] for leaf in self.leaves])
        except FunctionError:
            raise
        except Exception as error:
            raise RaisedError(f"the backward pass raises {described(error)}") from error

    def _by_function(self, name: str, handed: dict[str, Any]) -> list[Any]:
        function, convention = self._caller.function, self._caller.convention
        is_own = hasattr(function, name)
        beside = getattr(function if is_own else _module_of(function), name)
        is_of_class = is_own and convention.built_with is not None
        try:
            with np.errstate(all="ignore"):
                found = convention.call(function if is_of_class else beside, handed, name if is_of_class else None)
        except Exception as error:
            raise RaisedError(f"{name} raises {described(error)}") from error
        return list(found)[: len(self.leaves)] if isinstance(found, tuple) else [found]


def _name_beside(function: Any) -> str | None:
    """Return the name of the user's own function of the gradient: an attribute, or beside the loss in its module."""
    name = getattr(function, "__name__", None)
    own = (suffix for suffix in SUFFIXES if callable(getattr(function, suffix, None)))
    beside = (f"{name}_{suffix}" for suffix in SUFFIXES)
    return next(own, next((name for name in beside if callable(getattr(_module_of(function), name, None))), None))


def _module_of(function: Any) -> Any:
    return sys.modules.get(getattr(function, "__module__", None) or "")
