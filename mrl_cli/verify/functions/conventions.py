"""How a user's loss function is called, read from its signature: which parameter is x1, x2, y, margin, reduction.

A parameter is what its name says (`ROLES`); those without a default whose names say nothing are x1, x2, y and margin in
this order, as far as they are still missing. With one array of scores that is x1 - x2. Without y the first
scores are those of what should rank higher: the winner's are handed over as x1.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.errors import UsageError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mrl_cli.losses import Loss

ARRAYS = ("x1", "x2", "y")
WRAP = "wrap it in a function such as def loss(x1, x2, y, margin=0.0, reduction='mean')"

# What parameters are called, by a whole name or one of its words; "1" and "2" are what a name ends with.
ROLES: dict[str, frozenset[str]] = {
    "x1": frozenset({"1", "a", "chosen", "pos", "positive", "winner", "win", "preferred", "better", "left"}),
    "x2": frozenset({"2", "b", "rejected", "neg", "negative", "loser", "lose", "worse", "right"}),
    "y": frozenset({"y", "target", "targets", "label", "labels", "sign", "signs"}),
    "difference": frozenset({"d", "diff", "difference", "differences", "delta"}),
    "margin": frozenset({"margin", "margins", "m"}),
    "reduction": frozenset({"reduction"}),
    "temperature": frozenset({"temperature", "temp", "tau"}),
    "beta": frozenset({"beta"}),
    "label_smoothing": frozenset({"smoothing", "label_smoothing"}),
}
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Convention(NamedTuple):
    """How a function is called: the role and name of each parameter that it is given, in its order.

    `built_with` are those of a class, whose instances are then called.
    """

    given: tuple[tuple[str, str], ...]
    built_with: tuple[tuple[str, str], ...] | None = None

    @property
    def roles(self) -> frozenset[str]:
        """The roles that there are."""
        return frozenset(role for role, _ in (*self.given, *(self.built_with or ())))

    def text(self, name: str) -> str:
        """Return the call in words.

        >>> Convention((("x1", "a"), ("x2", "b"), ("margin", "margin"))).text("loss")
        'loss(a, b, margin=…)'
        """
        called = ", ".join(_written(role, parameter) for role, parameter in self.given)
        if self.built_with is None:
            return f"{name}({called})"
        return f"{name}({', '.join(_written(role, parameter) for role, parameter in self.built_with)})({called})"

    def call(self, function: Callable[..., Any], values: Mapping[str, Any], method: str | None = None) -> Any:
        """Call a function with the values of its roles; or a class, and then its instance or a method of that."""
        if self.built_with is not None:
            function = function(**{name: values[role] for role, name in self.built_with})
            function = getattr(function, method) if method is not None else function
        arrays: list[Any] = []
        settings: dict[str, Any] = {}
        for role, name in self.given:
            if role in (*ARRAYS, "difference") and not settings:
                arrays.append(values[role])  # by position, as everybody calls a loss
            else:
                settings[name] = values[role]
        return function(*arrays, **settings)


def _written(role: str, parameter: str) -> str:
    return parameter if role in (*ARRAYS, "difference") else f"{parameter}=…"


FULL = tuple((name, name) for name in (*ARRAYS, "margin", "reduction"))


def conventions_of(function: Any, loss: Loss) -> list[Convention]:
    """Return how to call a function that computes a loss: one way, or those to try where no signature says it.

    Raises UsageError for a signature that leaves open which parameter is which.
    """
    settings = {"reduction", *loss.defaults, *(["margin"] if loss.has_margin else [])}
    if inspect.isclass(function):
        built_with = _matched(_parameters(function) or [], settings, function, arrays=())
        forward = getattr(function, "forward", None) or function.__call__
        found = _parameters(forward)
        inner = [] if found is None else found[1:]  # without self
    else:
        built_with, inner = None, _parameters(getattr(function, "forward", None) or function) or []
    if not inner:
        return [Convention(FULL[:count], built_with) for count in (5, 4, 3)]
    return [Convention(_matched(inner, settings, function, arrays=ARRAYS), built_with)]


def _parameters(function: Any) -> list[inspect.Parameter] | None:
    """Return the parameters of a signature; None where there is none, or none that names its arrays."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return [parameter for parameter in parameters if parameter.kind not in _VARIADIC]


def _matched(
    parameters: list[inspect.Parameter], settings: set[str], function: Any, *, arrays: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return role and name of each parameter that is to be given."""
    roles = {parameter.name: _role_of(parameter.name) for parameter in parameters}
    taken: set[str] = set()
    for name, role in roles.items():
        is_wanted = role in (*arrays, *settings) or (role == "difference" and bool(arrays))
        roles[name] = role if is_wanted and role not in taken else None
        taken |= {role} if is_wanted and role is not None else set()
    unnamed = [p.name for p in parameters if roles[p.name] is None and p.default is inspect.Parameter.empty]
    missing = [role for role in (*arrays, "margin") if role not in taken and (role in arrays or role in settings)]
    if "difference" in taken:
        missing = [role for role in missing if role not in ("x1", "x2")]
    for name in unnamed:
        if not missing:
            msg = f"{_name_of(function)}: what is its parameter {harmless(name)}, which has no default?"
            raise UsageError(msg, hint=WRAP)
        roles[name] = missing.pop(0)
    found = [(role, name) for name, role in roles.items() if role is not None]
    there = {role for role, _ in found}
    if arrays and "difference" not in there and not {"x1", "x2"} <= there:
        if "x1" not in there:
            msg = f"{_name_of(function)} has no parameters for scores x1 and x2"
            raise UsageError(msg, hint=WRAP)
        found = [("difference" if role == "x1" else role, name) for role, name in found]
    return tuple(found)


def _role_of(name: str) -> str | None:
    """Return what the name of a parameter says that it is, None where it says nothing.

    >>> [_role_of(name) for name in ("input1", "rewards_rejected", "target", "tau", "x", "size_average")]
    ['x1', 'x2', 'y', 'temperature', None, None]
    """
    whole = name.lower().strip("_")
    words = {whole, *whole.split("_"), *([whole[-1]] if whole[-1:] in ("1", "2") else [])}
    # A setting is meant by its whole name: "label_smoothing" is no label.
    for role in ("label_smoothing", "reduction", "temperature", "beta", "margin"):
        if whole in ROLES[role]:
            return role
    return next((role for role in ("y", "difference", "x1", "x2", "margin") if words & ROLES[role]), None)


def _name_of(function: Any) -> str:
    return harmless(getattr(function, "__qualname__", type(function).__qualname__))
