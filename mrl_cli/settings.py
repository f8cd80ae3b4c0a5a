"""From settings to a plan: the one place where the settings of a run are validated, for commands and Python alike."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mrl_cli.errors import UsageError
from mrl_cli.losses import LOSSES, completed
from mrl_cli.model import LEAST_CONFIDENCE, MOST_CONFIDENCE, USUAL_CONFIDENCE, Columns, Dialect, DType, Labels, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

    from mrl_cli.model import Role

_CHOICES = {"labels": get_args(Labels), "on_tie": ("error", "drop"), "dtype": get_args(DType)}
_NUMBER_ROLES: tuple[Role, ...] = ("margin", "weight", "loss", "x1_b", "x2_b")
_KEY_ROLES: tuple[Role, ...] = ("group", "cluster", "key")


class SettingsError(UsageError):
    """Settings that make no plan; `names` are those at fault."""

    def __init__(self, message: str, *names: str) -> None:
        super().__init__(message)
        self.names = names


def plan_of(
    columns: Mapping[Role, Hashable | None],
    *,
    word: Callable[[str], str] = str,
    loss: str = "margin_ranking",
    margin: float = 0.0,
    is_margin_given: bool = False,
    margins: Sequence[float] | None = None,
    parameters: Mapping[str, float],
    y_const: int | None = None,
    labels: str | None = None,
    confidence: float | None = None,
    **others: Any,
) -> Plan:
    """Return the plan of settings.

    `columns` gives the name of each role's column, None for no such column; `others` are fields of a plan's parts.
    `word` turns the name of a setting into the caller's word for it. `is_margin_given`: a margin was asked
    for, even if it is 0; `margins` are those of a sweep.

    Raises SettingsError for what is unknown, out of range or contradictory, and ParameterError for a parameter that the
    loss does not have or allow.

    >>> plan_of({"x1": "a", "x2": "b", "y": "y"}, loss="margin_mse", parameters={}).rules.labels
    'any'
    """
    check_choice("loss", loss, LOSSES)
    labels = labels or ("any" if LOSSES[loss].is_target else "pm1")
    for name, value in {"labels": labels, **others}.items():
        if name in _CHOICES:
            check_choice(name, value, _CHOICES[name])
    _check_ties(labels, y_const, others.get("on_tie"), word)
    is_number = isinstance(margin, Real) and not isinstance(margin, bool) and math.isfinite(margin)
    message = f"margin must be a finite number, not {margin!r}; a column of margins is a margin_column"
    _refuse_if(not is_number, message, "margin")
    names = {role: str(name) for role, name in columns.items() if name is not None}
    dialect = others.get("dialect", Dialect())
    for first, second, is_wrong, why in (
        ("y", "y_const", "y" in names and y_const is not None, "exclude each other"),
        ("delimiter", "decimal", dialect.delimiter == dialect.decimal, "are the same character"),
        ("margin", "margin_column", (margin or is_margin_given) and "margin" in names, "exclude each other"),
        ("group_by", "by_file", "group" in names and others.get("by_file"), "exclude each other"),
    ):
        _refuse_if(is_wrong, f"{word(first)} and {word(second)} {why}", first, second)
    if margin or "margin" in names:
        check_has_margin(loss)
    if margins is not None:
        check_margins(loss, margins, others["dtype"])
    _check_columns(columns, y_const)
    every_parameter = tuple(completed(loss, parameters).items())
    confidence = USUAL_CONFIDENCE if "cluster" in names and confidence is None else confidence
    if confidence is not None:
        check_confidence(confidence)
        message = f"{word('weight')} does not go with {word('confidence')} or {word('cluster')}"
        _refuse_if("weight" in names, f"{message}: these intervals are of unweighted means", "weight", "confidence")
    further = (tuple((role, names[role]) for role in roles if role in names) for roles in (_NUMBER_ROLES, _KEY_ROLES))
    return Plan.of(
        columns=Columns(names["x1"], names["x2"], names.get("y"), *further),
        y_const=y_const,
        labels=labels,
        loss=loss,
        margin=float(margin) + 0.0,  # -0.0 becomes 0.0: a loss is never the negative zero
        parameters=every_parameter,
        confidence=confidence,
        **others,
    )


def _refuse_if(is_wrong: object, message: str, *names: str) -> None:
    if is_wrong:
        raise SettingsError(message, *names)


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise SettingsError for a value of a setting that is not one of its choices."""
    _refuse_if(value not in choices, f"{name} must be one of {', '.join(choices)}, not {value!r}", name)


def check_has_margin(loss: str, name: str = "margin") -> None:
    """Raise SettingsError for a loss without a margin, where the setting of that name asks for one."""
    _refuse_if(not LOSSES[loss].has_margin, f"the loss {loss} has no margin", name, "loss")


def check_margins(loss: str, margins: Sequence[float], dtype: DType) -> None:
    """Raise SettingsError for a loss without a margin, for no margins, and for one that the dtype does not hold."""
    check_has_margin(loss, "margins")
    _refuse_if(not margins, "there are no margins", "margins")
    with np.errstate(over="ignore"):
        fits = np.isfinite(np.asarray(margins).astype(dtype))
    first_bad = margins[int(np.argmin(fits))]
    _refuse_if(not fits.all(), f"a margin must be a finite {dtype}; there is {first_bad}", "margins")


def check_confidence(confidence: object) -> None:
    """Raise SettingsError for what cannot be the confidence of an interval."""
    fits = isinstance(confidence, Real) and LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE  # type: ignore[operator]
    bounds = f"from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95"
    _refuse_if(not fits, f"confidence must be {bounds}, not {confidence!r}", "confidence")


def _check_ties(labels: str, y_const: int | None, on_tie: object, word: Callable[[str], str]) -> None:
    """Raise SettingsError for ties to be dropped where no label is one."""
    has_ties = y_const is None and labels not in ("01", "any")
    message = f"{word('on_tie')} goes with a column of labels of which 0 is a tie"
    _refuse_if(on_tie == "drop" and not has_ties, message, "on_tie")


def _check_columns(columns: Mapping[Role, Hashable | None], y_const: int | None) -> None:
    """Raise SettingsError where a column that must be there is called None, and for a label that none can be."""
    _refuse_if(y_const not in (None, 1, -1), f"y_const must be 1 or -1, not {y_const!r}", "y_const")
    for role in ("x1", "x2", "x1_b", "x2_b"):
        _refuse_if(role in columns and columns[role] is None, f"{role} must name a column, not be None", role)
    message = "y must name a column, not be None; no label column? use y_const=1"
    _refuse_if(columns["y"] is None and y_const is None, message, "y")
