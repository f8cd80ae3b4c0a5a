"""How a user's loss function is called, read from its signature: which parameter is x1, x2, y, margin, reduction.

A parameter is what its name says (`ROLES`); those without a default whose names say nothing are x1, x2, y and margin in
this order, as far as they are still missing. With one array of scores that is x1 - x2. Without y the first
scores are those of what should rank higher: the winner's are handed over as x1.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.records import NamedTuple
from mrl_cli.verify.functions.loading import underlying
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
_FIRST = ("margin", "reduction")  # what comes after the arrays, where nothing has a name


class Slot(NamedTuple):
    """A parameter that is given: its role, its name, and whether by that; without a role it is given its `default`."""

    role: str
    name: str
    is_named: bool = False
    default: Any = None

    @property
    def text(self) -> str:
        """The parameter in a call in words."""
        return f"{self.name}=…" if self.is_named else self.name


Slots = tuple[Slot, ...]


class Convention(NamedTuple):
    """How a function is called: what it is given, in its order.

    `built_with` is what a class is given, whose instances are then called. `open_roles` are those that its **kwargs may
    take too, by their own names.
    """

    given: Slots
    built_with: Slots | None = None
    open_roles: tuple[str, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        """The roles that there are."""
        return frozenset(slot.role for slot in (*self.given, *(self.built_with or ())))

    def without(self, role: str) -> Convention:
        """Return the call without one of the open roles."""
        built_with = self.built_with and tuple(slot for slot in self.built_with if slot.role != role)
        return self._replace(given=tuple(slot for slot in self.given if slot.role != role), built_with=built_with)

    def widened(self, *roles: str) -> Convention:
        """Return the call with some of the open roles too."""
        more = tuple(Slot(role, role, is_named=True) for role in roles if role not in self.roles)
        if self.built_with is not None:
            return self._replace(built_with=self.built_with + more)
        return self._replace(given=self.given + more)

    def text(self, name: str) -> str:
        """Return the call in words.

        >>> Convention((Slot("x1", "a"), Slot("x2", "b"), Slot("margin", "margin", is_named=True))).text("loss")
        'loss(a, b, margin=…)'
        """
        calls = (self.given,) if self.built_with is None else (self.built_with, self.given)
        return name + "".join(f"({', '.join(slot.text for slot in slots)})" for slots in calls)

    def call(self, function: Callable[..., Any], values: Mapping[str, Any], method: str | None = None) -> Any:
        """Call a function with the values of its roles; or a class, and then its instance or a method of that."""
        if self.built_with is not None:
            function = _called(function, self.built_with, values)
            function = getattr(function, method) if method is not None else function
        return _called(function, self.given, values)


def _called(function: Callable[..., Any], slots: Slots, values: Mapping[str, Any]) -> Any:
    given = [(slot, values[slot.role] if slot.role else slot.default) for slot in slots]
    by_position = [value for slot, value in given if not slot.is_named]
    return function(*by_position, **{slot.name: value for slot, value in given if slot.is_named})


def conventions_of(function: Any, loss: Loss) -> list[Convention]:
    """Return how to call a function that computes a loss: one way, or those to try where no signature says it.

    Raises UsageError for a signature that leaves open which parameter is which.
    """
    settings = ["margin"] * loss.has_margin + ["reduction", *loss.defaults]
    if not inspect.isclass(underlying(function)):
        call = Signature.of(getattr(function, "forward", None) or function)
        call.check_has_object(function)
        return [way for given in call.ways(settings, function) for way in _with_open(Convention(given), call, settings)]
    build = Signature.of(function)
    built_with = _slots(build.named, build.roles(settings, function, ()))
    call = Signature.of_instances(underlying(function))
    plain = [Convention(given, built_with) for given in call.ways(settings, function)]
    return [way for one in plain for way in _with_open(one, build, settings)]


def _with_open(convention: Convention, signature: Signature, settings: list[str]) -> list[Convention]:
    """Return a way to call what may take more by **kwargs: without that, and with all of it."""
    is_function, roles = convention.built_with is None, convention.roles
    known = [*settings, *(["y"] if is_function and "difference" not in roles else [])]
    open_roles = tuple(role for role in known if role not in roles) if signature.takes_names else ()
    way = convention._replace(open_roles=open_roles)
    return [way, way.widened(*open_roles)] if open_roles else [way]


class Signature(NamedTuple):
    """The parameters that have names, and whether there are *args and **kwargs. `is_known`: there is a signature."""

    named: list[inspect.Parameter]
    takes_more: bool = False
    takes_names: bool = False
    is_known: bool = True

    @classmethod
    def of(cls, function: Any) -> Signature:
        """Return the signature of a function, without what a partial has bound by name: that is the user's choice."""
        is_partial = isinstance(function, partial)
        bound = function.keywords if is_partial else {}
        try:
            found = inspect.signature(function if is_partial else underlying(function)).parameters.values()
        except (TypeError, ValueError):
            return cls([], is_known=False)
        kinds = {parameter.kind for parameter in found}
        named = [one for one in found if one.kind not in _VARIADIC and one.name not in bound]
        return cls(named, *(kind in kinds for kind in _VARIADIC))

    @classmethod
    def of_instances(cls, made: type) -> Signature:
        """Return the signature of what instances of a class do when they are called. Raises UsageError for nothing."""
        name = "forward" if hasattr(made, "forward") else "__call__"
        if not any(name in vars(base) for base in made.__mro__):
            raise UsageError(f"{_name_of(made)} is a class whose instances cannot be called", hint=WRAP)
        signature = cls.of(getattr(made, name))
        has_self = not isinstance(inspect.getattr_static(made, name), staticmethod | classmethod)
        return signature._replace(named=signature.named[1:]) if has_self else signature

    def check_has_object(self, function: Any) -> None:
        """Raise UsageError for a method of a class, without an object of it."""
        if self.named and self.named[0].name == "self":
            msg = f"{_name_of(function)} is a method, which is called on an object"
            raise UsageError(msg, hint="name the class, or an object of it, in place of its method")

    def ways(self, settings: list[str], function: Any) -> list[Slots]:
        """Return what to give in a call that computes a loss: one way, or those to try."""
        if not self.is_known:
            arrays, more = [Slot(role, role) for role in ARRAYS], [role for role in _FIRST if role in settings]
            by_name = [[Slot(role, role, is_named=True) for role in more[:count]] for count in (2, 1, 0)]
            return [(*arrays, *slots) for slots in (*by_name, [Slot(role, role) for role in more[:1]])]
        roles = self.roles(settings, function, ARRAYS)
        there = set(roles.values())
        missing = [role for role in ARRAYS if role not in there]
        if "difference" in there or not {"x1", "x2"} & set(missing):
            return [_slots(self.named, roles)]
        if self.takes_more:
            more = [role for role in _FIRST if role in settings and role not in there]
            rests = [missing, *([*missing, *more[: 1 + place]] for place in range(len(more)))]
            rests += [[role for role in missing if role != "y"]]
            return [_slots(self.named, roles, rest) for rest in rests]
        if "x1" not in there and self.takes_names:
            return [(*_slots(self.named, roles), *(Slot(role, role, is_named=True) for role in missing))]
        if "x1" not in there:
            raise UsageError(f"{_name_of(function)} has no parameters for scores x1 and x2", hint=WRAP)
        return [_slots(self.named, {name: "difference" if role == "x1" else role for name, role in roles.items()})]

    def roles(self, settings: list[str], function: Any, arrays: tuple[str, ...]) -> dict[str, str]:
        """Return the role of each parameter that is to be given."""
        roles: dict[str, str] = {}
        for name in (parameter.name for parameter in self.named):
            role = _role_of(name)
            is_wanted = role in (*arrays, *settings) or (role == "difference" and bool(arrays))
            roles |= {name: role} if role is not None and is_wanted and role not in roles.values() else {}
        if {"x1", "x2"} <= {*roles.values()}:  # then what is called d is no difference
            roles = {name: role for name, role in roles.items() if role != "difference"}
        unnamed = [p.name for p in self.named if p.name not in roles and p.default is inspect.Parameter.empty]
        wanted = (*arrays, *("margin" for role in settings if role == "margin"))
        missing = [role for role in wanted if role not in roles.values()]
        if "difference" in roles.values():
            missing = [role for role in missing if role not in ("x1", "x2")]
        if len(unnamed) > len(missing):
            name = harmless(unnamed[len(missing)])
            raise UsageError(f"{_name_of(function)}: what is its parameter {name}, which has no default?", hint=WRAP)
        return roles | dict(zip(unnamed, missing, strict=False))


def _slots(parameters: list[inspect.Parameter], roles: Mapping[str, str], rest: Sequence[str] = ()) -> Slots:
    """Return what to give to parameters, and by position the roles of a rest, for *args.

    Arrays are given by position, as everybody calls a loss, as far as nothing stands before them that is not.
    """
    slots: list[Slot] = []
    are_all_before = True
    for one in parameters:
        role = roles.get(one.name, "")
        is_first = are_all_before and role in (*ARRAYS, "difference")
        must_be_first = one.kind is one.POSITIONAL_ONLY or (bool(rest) and one.kind is one.POSITIONAL_OR_KEYWORD)
        if must_be_first or (is_first and one.kind is not one.KEYWORD_ONLY):
            slots.append(Slot(role, one.name, default=one.default))
            continue
        are_all_before = False
        slots += [Slot(role, one.name, is_named=True)] if role else []
    positional = [slot for slot in slots if not slot.is_named] + [Slot(role, role) for role in rest]
    while positional and not positional[-1].role:  # a default that nothing comes after
        positional.pop()
    return (*positional, *(slot for slot in slots if slot.is_named))


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
    own = underlying(function)
    return harmless(getattr(own, "__qualname__", type(own).__qualname__))
