"""Records that are quickly made: without the code that the standard library compiles for each kind of them.

The frozen dataclasses of one run of `mrl compute` took `dataclasses` 11 ms, a twelfth of a run on a small file, and
take this room one. They are dataclasses all the same: `replace`, `fields` and `asdict` work, and type checkers see one.
Named tuples take `typing` more than twice as long as `collections`, for it compiles annotations, which are texts here.
That was 4 % of such a run.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import MISSING, FrozenInstanceError, dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as light_dataclass
    from typing import NamedTuple

__all__ = ["NamedTuple", "light_dataclass"]

Class = TypeVar("Class", bound=type)
_set = object.__setattr__

if not TYPE_CHECKING:

    def light_dataclass(
        *, frozen: bool, slots: bool, kw_only: bool = False, eq: bool = True
    ) -> Callable[[Class], Class]:
        """Return a decorator that does what `dataclass` does with these arguments; records are frozen and have slots.

        >>> from mrl_cli.model import Problem
        >>> Problem("a label", "pairs.csv", 3, "y", "0").row
        3
        """
        if not (frozen and slots):
            raise TypeError("a record is frozen and has slots")

        def decorate(cls: Class) -> Class:
            made = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            for name, method in (_METHODS | _COMPARISONS if eq else _METHODS).items():
                if name not in vars(cls):
                    setattr(made, name, method)
            return made

        return decorate

    class _Named(type):
        """Makes a named tuple of a class statement, as `typing.NamedTuple` does."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in ("__dict__", "__module__", "__weakref__"):
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Named):
        """What a named tuple is made of.

        >>> class Pair(NamedTuple):
        ...     x1: "float"
        ...     x2: "float" = 0.0
        >>> Pair(1.0)
        Pair(x1=1.0, x2=0.0)
        """


@cache
def _defaults_of(kind: Any) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Return the defaults of a record's fields, and what makes one anew for each record."""
    fields = kind.__dataclass_fields__.items()
    made = {name: field.default_factory for name, field in fields if field.default_factory is not MISSING}
    return {name: field.default for name, field in fields if field.default is not MISSING}, made


@cache
def _needed_of(kind: Any) -> tuple[int, tuple[Any, ...]]:
    """Return how many fields must be given for the others to have the defaults that follow: more than there are, where
    they cannot all be given in order.
    """
    defaults, made = _defaults_of(kind)
    names, fields = kind.__match_args__, kind.__dataclass_fields__
    if len(names) < len(fields):
        return len(fields), ()
    last = () if made else tuple(defaults.values())
    return len(names) - len(last), last


def _init(self: Any, /, *args: Any, **given: Any) -> None:
    """Set every field: as given, in order or by name, else its default."""
    kind = type(self)
    needed, last = _needed_of(kind)  # type: ignore[arg-type]  # of a class, which has a hash
    names = kind.__match_args__
    if not given and needed <= len(args) <= len(names):
        for name, value in zip(names, (*args, *last[len(args) - needed :]), strict=True):
            _set(self, name, value)
        return
    fields = kind.__dataclass_fields__
    defaults, made = _defaults_of(kind)  # type: ignore[arg-type]  # of a class, which has a hash
    values = defaults | dict(zip(names, args, strict=False)) | given
    for name in made:
        if name not in values:
            values[name] = made[name]()
    if values.keys() != fields.keys() or (args and _is_twice(kind, args, given)):
        raise _misfit(kind, args, given, values)
    for name, value in values.items():
        _set(self, name, value)


def _is_twice(kind: Any, args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Return whether there are more values than may be given in order, or one that is given by name too."""
    places = kind.__match_args__
    return len(args) > len(places) or not (not given or given.keys().isdisjoint(places[: len(args)]))


def _misfit(kind: Any, args: tuple[Any, ...], given: dict[str, Any], values: dict[str, Any]) -> TypeError:
    """Return the error of values that are not those of the fields."""
    fields, name = kind.__dataclass_fields__, kind.__qualname__
    if _is_twice(kind, args, given):
        return TypeError(f"{name} takes {', '.join(kind.__match_args__)} in that order, each once")
    if not given.keys() <= fields.keys():
        return TypeError(f"{name} has no {', '.join(given.keys() - fields.keys())}")
    return TypeError(f"{name} needs {next(field for field in fields if field not in values)}")


def _refuse(self: Any, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__qualname__} is frozen: {name} stays as it is")


def _values(self: Any) -> tuple[Any, ...]:
    """Return the values that records are compared by."""
    return tuple(getattr(self, name) for name, field in self.__dataclass_fields__.items() if field.compare)


def _equal(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _shown(self: Any) -> str:
    fields = (f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr)
    return f"{type(self).__qualname__}({', '.join(fields)})"


def _reduced(self: Any) -> tuple[Any, ...]:
    """Return how `copy` and `pickle` make the record again; they cannot set what is frozen."""
    kind: Any = type(self)
    return partial(kind, **{name: getattr(self, name) for name in self.__dataclass_fields__}), ()


_METHODS = {
    "__init__": _init,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__repr__": _shown,
    "__reduce__": _reduced,
}
_COMPARISONS = {"__eq__": _equal, "__hash__": _hash}
