"""From settings to a plan: the one place where the settings of a run are validated, for commands and Python alike."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard, get_args

import numpy as np

from mrl_cli.errors import UsageError
from mrl_cli.losses import LISTWISE, LOSSES, completed, named, settled
from mrl_cli.model import (
    LEAST_CONFIDENCE,
    MOST_CONFIDENCE,
    USUAL_CONFIDENCE,
    Columns,
    DType,
    FilledRole,
    LambdaWeight,
    ListLabels,
    PairLabels,
    Plan,
    Strength,
    setting_of,
)
from mrl_cli.words import closest, harmless, option_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

    from mrl_cli.model import Role

_CHOICES = {"dtype": get_args(DType), "lambda_weight": get_args(LambdaWeight)}
_LABEL_CHOICES = {"on_tie": ("error", "drop"), "strength": get_args(Strength)}
_NUMBER_ROLES: tuple[Role, ...] = (
    *("score", "margin", "weight", "query_weight", "loss", "x1_b", "x2_b"),
    *("difference", "difference_b", "x1_reference", "x2_reference"),
)
_KEY_SETTINGS = ("query", "group_by", "cluster", "key")


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
    margin: float | None = None,
    margins: Sequence[float] | None = None,
    parameters: Mapping[str, float],
    y_const: int | None = None,
    labels: str | None = None,
    label_settings: Mapping[str, Any] | None = None,
    confidence: float | None = None,
    scale: float | None = None,
    fill: Mapping[str, float] | None = None,
    awaits_preset: bool = False,
    **others: Any,
) -> Plan:
    """Return the plan of settings.

    `columns` gives the name of each role's column, None for no such column; `others` are fields of a plan's parts.
    `word` turns the name of a setting into the caller's word for it. A `margin` of None, not asked for, is 0, but for a
    loss by a name that says more; `margins` are those of a sweep. `label_settings` are what was asked for of `on_tie`,
    `strength` and `label_map`, which is a map as `model.labels` makes it; None for what was not. `awaits_preset`:
    columns will be added to the plan, which `check_read` is then called for.

    Raises SettingsError for what is unknown, out of range or contradictory, and ParameterError for a parameter that the
    loss does not have or allow.

    >>> plan_of({"x1": "a", "x2": "b", "y": "y"}, loss="margin_mse", parameters={}).rules.labels
    'any'
    """
    is_of_lists = "score" in columns
    strength, among = (label_settings or {}).get("strength"), {**LOSSES, **LISTWISE} if is_of_lists else LOSSES
    has_margins = margins is not None or columns.get("margin") is not None or strength == "margin"
    loss, margin, parameters = settled(loss, margin, parameters, has_margins=has_margins, among=among)
    asked = _checked_labels(labels, label_settings or {}, loss, word, y_const)
    labels = _checked_choices(labels, loss, others, word, is_of_lists=is_of_lists)
    has_margin, margin = margin is not None, 0.0 if margin is None else margin
    _check_margin(margin)
    names = {role: str(name) for role, name in columns.items() if name is not None}
    _check_lists(names, loss, others, word)
    _check_pairs(names, y_const, loss, word, has_margin=has_margin)
    one_margin = "margins" if margins is not None else "margin" if has_margin else None
    _check_sizes(asked.get("strength"), names, loss, word, one_margin)
    if margins is not None:
        check_margins(loss, margins, others["dtype"])
    _check_columns(columns, y_const, word)
    dtype = others.get("dtype", "float64")
    _check_scores(names, scale, dtype, word)
    weight = _weight_setting(names, asked, others)
    plan = Plan.of(
        columns=_columns_of(names, label_is_text="label_map" in asked),
        y_const=y_const,
        **asked,
        labels=labels,
        loss=loss,
        margin=float(margin) + 0.0,  # -0.0 becomes 0.0: a loss is never the negative zero
        parameters=tuple(completed(loss, parameters).items()),
        confidence=_confidence(confidence, names, word, weight),
        scale=None if scale is None else float(scale),
        fills=_fills(fill or {}, dtype, word),
        **others,
    )
    if not awaits_preset:
        check_read(plan, word)
    return plan


def _checked_choices(
    labels: str | None, loss: str, others: Mapping[str, Any], word: Callable[[str], str], *, is_of_lists: bool
) -> str:
    """Return the rule of labels. Raises SettingsError for a setting that is no choice, or none with these labels."""
    labels = labels or ("relevance" if is_of_lists else "any" if LOSSES[loss].is_target else "pm1")
    check_choice("labels", labels, get_args(ListLabels if is_of_lists else PairLabels))
    for name in others.keys() & _CHOICES.keys():
        check_choice(name, others[name], _CHOICES[name])
    _check_calibration(labels, loss, word, is_wanted=others.get("calibration", False))
    return labels


def _check_calibration(labels: str, loss: str, word: Callable[[str], str], *, is_wanted: bool) -> None:
    """Raise SettingsError where calibration is wanted of pairs that are not right or wrong."""
    names = ("calibration", "loss") if loss in LOSSES and LOSSES[loss].is_target else ("calibration", "labels")
    message = f"{word('calibration')} is of labels that say which score is better, not of "
    what = f"the loss {loss}" if "loss" in names else f"{word('labels')} {labels}"
    _refuse_if(is_wanted and labels in ("any", "probability"), message + what, *names)


def _check_lists(names: Mapping[Role, str], loss: str, others: Mapping[str, Any], word: Callable[[str], str]) -> None:
    """Raise SettingsError for settings of ranked lists that do not go together."""
    lambda_weight, top = others.get("lambda_weight", "none"), others.get("top")
    message = f"{word('top')} goes with {word('lambda_weight')} ndcg"
    _refuse_if(top is not None and lambda_weight != "ndcg", message, "top")
    message = f"{word('max_pairs')} goes with {word('loss')} {' or '.join(quadratic_losses())}"
    _refuse_if(others.get("max_pairs") is not None and loss not in quadratic_losses(), message, "max_pairs")
    if loss in LISTWISE:
        weights = {"weight": "weight" in names, "lambda_weight": lambda_weight != "none"}
        for name in (name for name, is_there in weights.items() if is_there):
            message = f"{word(name)} is of pairs: it does not go with {loss}, the loss of a list as a whole"
            raise SettingsError(message, name, "loss")


def quadratic_losses() -> list[str]:
    """Return the losses that go through every two items of a list."""
    return [name for name, entry in LISTWISE.items() if entry.is_quadratic]


def _check_pairs(
    names: Mapping[Role, str], y_const: int | None, loss: str, word: Callable[[str], str], *, has_margin: bool
) -> None:
    """Raise SettingsError where both of two settings are given for one, and for margins of a loss without one."""
    has_labels = "y" in names and y_const in (1, -1)  # another constant is refused as such
    for first, second, has_both in (
        ("y", "y_const", has_labels),
        ("margin", "margin_column", has_margin and "margin" in names),
    ):
        _refuse_if(has_both, f"{word(first)} and {word(second)} exclude each other", first, second)
    if has_margin or "margin" in names:
        check_has_margin(loss)


def _columns_of(names: Mapping[Role, str], *, label_is_text: bool) -> Columns:
    """Return the columns to read, numbers and keys in the order of their roles."""
    numbers = tuple((role, names[role]) for role in _NUMBER_ROLES if role in names)
    keys = tuple((role, name) for key in _KEY_SETTINGS for role, name in names.items() if setting_of(role) == key)
    columns = Columns(names.get("x1"), names.get("x2"), names.get("y"), numbers, keys)
    return replace(columns, y=None, keys=(("y", names["y"]), *keys)) if label_is_text else columns


def _checked_labels(
    labels: str | None, settings: Mapping[str, Any], loss: str, word: Callable[[str], str], y_const: int | None
) -> dict[str, Any]:
    """Return those settings of labels that were asked for.

    Raises SettingsError for settings that are unknown, contradict one another, or have no effect.
    """
    asked = {name: value for name, value in settings.items() if value is not None}
    for name in asked.keys() & _LABEL_CHOICES.keys():
        check_choice(name, asked[name], _LABEL_CHOICES[name])
    chosen = f"{word('labels')} {labels}"
    if y_const is not None:
        for name in ("labels", *asked) if labels is not None else asked:
            message = f"{word(name)} has no effect with {word('y_const')}: there is no column of labels"
            raise SettingsError(message, name, "y_const")
    if loss in LOSSES and LOSSES[loss].is_target:
        is_of_signs = labels in ("probability", "strength") or "label_map" in asked
        what = word("label_map") if "label_map" in asked else chosen
        message = f"{what} does not go with the loss {loss}, whose y is the difference that x1 - x2 should have"
        _refuse_if(is_of_signs, message, "labels", "loss")
        labels = labels or "any"
    message = f"{word('label_map')} makes labels 1, -1 and 0: it does not go with {chosen}"
    _refuse_if("label_map" in asked and labels not in (None, "pm1"), message, "label_map", "labels")
    message = f"{word('strength')} goes with {word('labels')} strength"
    _refuse_if("strength" in asked and labels != "strength", message, "strength", "labels")
    message = f"{word('on_tie')} has no effect under {word('labels')} {labels}, which has no ties"
    _refuse_if("on_tie" in asked and labels not in (None, "pm1", "strength"), message, "on_tie", "labels")
    no_tie = "label_map" in asked and 0 not in dict(asked["label_map"]).values()
    message = f"{word('on_tie')} has no effect: {word('label_map')} maps no value to 0"
    _refuse_if("on_tie" in asked and no_tie, message, "on_tie", "label_map")
    return asked


def _check_sizes(
    strength: str | None, names: Mapping[Role, str], loss: str, word: Callable[[str], str], margin: str | None
) -> None:
    """Raise SettingsError where the size of strengths is a margin or a weight, and something else is that too."""
    if strength not in ("margin", "weight"):
        return
    if strength == "margin":
        check_has_margin(loss, "strength")
    column = {"margin": "margin_column", "weight": "weight"}[strength]
    other = column if strength in names else margin if strength == "margin" else None
    if other is not None:
        message = f"{word('strength')} {strength} and {word(other)} exclude each other"
        raise SettingsError(message, "strength", other)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse_if(is_wrong: object, message: str, *names: str) -> None:
    if is_wrong:
        raise SettingsError(message, *names)


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise SettingsError for a value of a setting that is not one of its choices."""
    if value not in choices:
        near = closest(str(value), choices)
        meant = f"; did you mean {near}?" if near else ""
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}{meant}", name)


def check_has_margin(loss: str, name: str = "margin") -> None:
    """Raise SettingsError for a loss without a margin, where the setting of that name asks for one."""
    _refuse_if(not named(loss).has_margin, f"the loss {loss} has no margin", name, "loss")


def _check_margin(margin: object) -> None:
    """Raise SettingsError for what is no margin."""
    message = f"margin must be a finite number, not {margin!r}; a column of margins is a margin_column"
    _refuse_if(not (_is_number(margin) and math.isfinite(margin)), message, "margin")


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


def _confidence(
    confidence: float | None, names: Mapping[Role, str], word: Callable[[str], str], weight: str | None
) -> float | None:
    """Return the confidence of intervals, None for none. Raises SettingsError for one that cannot be had.

    `weight` is the setting that gives pairs weights, None for none.
    """
    confidence = USUAL_CONFIDENCE if "cluster" in names and confidence is None else confidence
    if confidence is not None:
        check_confidence(confidence)
        message = f"{word(weight or '')} does not go with {word('confidence')} or {word('cluster')}"
        if weight is not None:
            raise SettingsError(f"{message}: these intervals are of unweighted means", weight, "confidence")
    return confidence


def _weight_setting(names: Mapping[Role, str], asked: Mapping[str, Any], others: Mapping[str, Any]) -> str | None:
    """Return the setting that gives pairs weights, None for none."""
    if "weight" in names or asked.get("strength") == "weight":
        return "weight" if "weight" in names else "strength"
    if "query_weight" in names:
        return "query_weight"
    return "lambda_weight" if others.get("lambda_weight", "none") != "none" else None


def _check_columns(columns: Mapping[Role, Hashable | None], y_const: int | None, word: Callable[[str], str]) -> None:
    """Raise SettingsError where a column that must be there is called None, one that is grouped by comes twice, and
    for a label that none can be.
    """
    _refuse_if(y_const not in (None, 1, -1), f"y_const must be 1 or -1, not {y_const!r}", "y_const")
    for role in ("x1", "x2", "x1_b", "x2_b"):
        is_missing = role in columns and columns[role] is None and columns.get("difference") is None
        _refuse_if(is_missing, f"{role} must name a column, not be None", role)
    message = "y must name a column, not be None; no label column? use y_const=1"
    _refuse_if(columns["y"] is None and y_const is None, message, "y")
    groups = [name for role, name in columns.items() if setting_of(role) == "group_by"]
    _refuse_if(len(groups) > 1 and None in groups, f"{word('group_by')} must name columns, not None", "group_by")
    twice = next((name for place, name in enumerate(groups) if name in groups[:place]), None)
    _refuse_if(twice is not None, f"{word('group_by')} names the column {harmless(twice)} twice", "group_by")


def _check_scores(names: Mapping[Role, str], scale: float | None, dtype: DType, word: Callable[[str], str]) -> None:
    """Raise SettingsError for columns of scores that do not go together, and for a scale that leaves none of them."""
    others: tuple[Role, ...] = ("x1", "x2", "x1_b", "x2_b", "x1_reference", "x2_reference")
    for role in others if "difference" in names else ():
        message = f"{word('difference')} and {word(role)} exclude each other: the column is x1 - x2 already"
        _refuse_if(role in names, message, "difference", role)
    message = f"{word('difference_b')} goes with {word('difference')}"
    _refuse_if("difference_b" in names and "difference" not in names, message, "difference_b")
    given = [role for role in others[-2:] if role in names]
    message = (
        f"{word('x1_reference')} and {word('x2_reference')} go together: only {', '.join(map(word, given))} is given"
    )
    _refuse_if(len(given) == 1, message, *given)
    with np.errstate(over="ignore", under="ignore"):
        held = float(np.dtype(dtype).type(scale)) if _is_number(scale) else math.nan
    is_wrong = scale is not None and (not math.isfinite(held) or held == 0)
    _refuse_if(is_wrong, f"scale must be a finite {dtype} other than 0, not {scale!r}", "scale")


def _fills(fill: Mapping[str, float], dtype: DType, word: Callable[[str], str]) -> tuple[tuple[FilledRole, float], ...]:
    """Return what missing cells are, by role. Raises SettingsError for a role or number that none can be."""
    known = get_args(FilledRole)
    for role, number in fill.items():
        given = f"{word('fill')} {harmless(role)}={number!r}"
        _refuse_if(role not in known, f"{given}: only {' and '.join(known)} can be filled", "fill")
        with np.errstate(over="ignore"):
            is_finite = _is_number(number) and math.isfinite(np.dtype(dtype).type(number))
        _refuse_if(not is_finite, f"{given}: it must be a finite {dtype}", "fill")
        _refuse_if(role == "weight" and number < 0, f"{given}: no weight is below 0", "fill")
    return tuple((role, float(fill[role]) + 0.0) for role in known if role in fill)


def check_read(plan: Plan, word: Callable[[str], str] = str) -> None:
    """Raise SettingsError for a column of scores that is held against itself, and for filling one that is not read."""
    columns = plan.columns
    for role, number in plan.reading.fills:
        message = f"{word('fill')} {role}={number:g}: no column of {role}s is read"
        _refuse_if(columns.name_of(role) is None, message, "fill", role)
    is_against_references = columns.name_of("x1_reference") is not None
    for first, second, why in _APART:
        name = columns.name_of(first)
        is_one = name is not None and name == columns.name_of(second)
        is_fine = is_against_references and second in ("x2", "x2_b")  # one policy against two others
        names = (
            f"{word(plan.setting_of(first))} and {word(plan.setting_of(second))} name one column, '{harmless(name)}'"
        )
        _refuse_if(is_one and not is_fine, f"{names}: {why}", first, second)


_ITSELF = "held against itself, it is right in every pair"
_NOTHING = "one less the other is 0 in every pair"
_APART: tuple[tuple[Role, Role, str], ...] = (
    ("x1", "x2", _NOTHING),
    ("x1_b", "x2_b", _NOTHING),
    ("x1_reference", "x2_reference", "what is subtracted from both cancels"),
    ("x1", "x1_reference", _NOTHING),
    ("x2", "x2_reference", _NOTHING),
    ("difference", "y", _ITSELF),
    ("score", "y", _ITSELF),
    ("chosen", "rejected", "each answer is held against itself and the others of its side"),
    ("difference_b", "y", _ITSELF),
    ("difference", "difference_b", "a model is compared with itself"),
)


def flags_of(options: Mapping[str, Any]) -> list[str]:
    """Return options as words of a command line.

    >>> flags_of({"x1": "a b", "no_header": True, "null_value": ("NA", "-")})
    ['--x1', 'a b', '--no-header', '--null-value', 'NA', '--null-value', '-']
    >>> flags_of({"label_map": (("a", 1), ("b", -1)), "fill": (("margin", 0),)})
    ['--label-map', 'a=1,b=-1', '--fill', 'margin=0']
    """
    words = []
    for name, value in options.items():
        for one in _as_given(name, value):
            words += [option_of(name)] if one is True else [option_of(name), str(one)]
    return words


def _as_given(name: str, value: Any) -> Iterable[Any]:
    """Return the values of an option as they are given, one by one."""
    if name == "label_map":
        from mrl_cli.model.labels import map_text  # few runs have one

        return [map_text(value)]
    if name == "fill":
        return [f"{role}={number}" for role, number in value]
    return value if isinstance(value, tuple) else (value,)
