"""The arguments of a call: checked, and made the plan that the options of the command line would make."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, get_args

from mrl_cli.inputs.frame import frame_columns
from mrl_cli.losses import LOSSES, ParameterError, completed
from mrl_cli.model import LEAST_CONFIDENCE, MOST_CONFIDENCE, DType, Labels, Plan

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from mrl_cli.model import Role

_CHOICES: dict[str, tuple[str, ...]] = {
    "loss": tuple(LOSSES),
    "labels": get_args(Labels),
    "on_tie": ("error", "drop"),
    "reduction": ("mean", "sum"),
    "dtype": get_args(DType),
}


def plan_of(
    named: Mapping[Role, Hashable | None],
    *,
    y_const: int | None,
    labels: Labels | None,
    loss: str,
    margin: float,
    parameters: Mapping[str, float],
    **settings: str,
) -> Plan:
    """Return the plan of a call; `named` is what each role's column is called, `settings` further fields of Plan.

    With `y_const` there is no label column. Raises ValueError for what is unknown, out of range or contradictory.
    """
    _check_choices({"loss": loss})
    labels = labels or ("any" if LOSSES[loss].is_target else "pm1")
    _check_choices({"labels": labels, **settings})
    _check_margin(loss, margin, has_margin_column=named.get("margin") is not None)
    if y_const not in (None, 1, -1):
        msg = f"y_const must be 1 or -1, not {y_const!r}"
        raise ValueError(msg)
    _check_named(named, y_const)
    return Plan.of(
        columns=frame_columns(named),
        y_const=y_const,
        labels=labels,
        loss=loss,
        margin=float(margin) + 0.0,
        parameters=_completed(loss, parameters),
        **settings,
    )


def _completed(loss: str, parameters: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return all parameters of the loss; a word that is none of them is no argument either."""
    try:
        return tuple(completed(loss, parameters).items())
    except ParameterError as error:
        if error.name in error.names:
            raise
        msg = f"there is no argument {error.name!r}, and {error}"
        raise ParameterError(msg, name=error.name, names=error.names) from None


def _check_named(named: Mapping[Role, Hashable | None], y_const: int | None) -> None:
    """Raise ValueError where a column that must be there is called None."""
    for role in ("x1", "x2", "x1_b", "x2_b"):
        if role in named and named[role] is None:
            msg = f"{role} must name a column, not be None"
            raise ValueError(msg)
    if named["y"] is None and y_const is None:
        msg = "y must name a column, not be None; no label column? use y_const=1"
        raise ValueError(msg)


def _check_choices(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if value not in _CHOICES[name]:
            msg = f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}"
            raise ValueError(msg)


def _check_margin(loss: str, margin: object, *, has_margin_column: bool) -> None:
    if isinstance(margin, bool) or not isinstance(margin, Real) or not math.isfinite(margin):
        msg = f"margin must be a finite number, not {margin!r}; a column of margins is a margin_column"
        raise ValueError(msg)
    if margin and has_margin_column:
        msg = "margin and margin_column exclude each other"
        raise ValueError(msg)
    if (margin or has_margin_column) and not LOSSES[loss].has_margin:
        msg = f"the loss {loss} has no margin"
        raise ValueError(msg)


def check_confidence(confidence: object) -> None:
    """Raise ValueError for what cannot be the confidence of an interval."""
    if not isinstance(confidence, Real) or not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:  # type: ignore[operator]
        msg = f"confidence must be from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95, not {confidence!r}"
        raise ValueError(msg)
