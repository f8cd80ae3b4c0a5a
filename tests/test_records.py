"""Light records do what those of the standard library do: a class is made both ways, and both are asked the same."""

from __future__ import annotations

import copy
import pickle
import typing
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from mrl_cli import records
from mrl_cli.records import light_dataclass
from mrl_cli.reports.cells import Share
from tests.each import each

if TYPE_CHECKING:
    from collections.abc import Callable


@light_dataclass(frozen=True, slots=True)
class Light:
    """A record of every kind of field."""

    name: str
    count: int = 1
    parts: dict[str, int] = field(default_factory=dict)
    look: float = field(default=0.5, compare=False, repr=False)


@light_dataclass(frozen=True, slots=True, kw_only=True)
class LightNamed(Light):
    """One that inherits, and whose own fields are given by name."""

    note: str
    mark: int = 3


@dataclass(frozen=True, slots=True)
class Full:
    """As Light."""

    name: str
    count: int = 1
    parts: dict[str, int] = field(default_factory=dict)
    look: float = field(default=0.5, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullNamed(Full):
    """As LightNamed."""

    note: str
    mark: int = 3


@light_dataclass(frozen=True, slots=True, eq=False)
class Unequal:
    """Equal to itself alone."""

    value: int = 0


QUESTIONS: dict[str, Callable[[Any, Any], object]] = {
    "values": lambda plain, _: [getattr(plain("a", 2), each.name) for each in fields(plain)],
    "defaults": lambda plain, _: (plain("a").count, plain("a").parts, plain("a").look),
    "own default each": lambda plain, _: plain("a").parts is plain("a").parts,
    "equal": lambda plain, _: plain("a", 2) == plain(name="a", count=2),
    "not equal": lambda plain, _: plain("a") == plain("b"),
    "compares what is compared": lambda plain, _: plain("a", look=1.0) == plain("a", look=2.0),
    "not equal to another kind": lambda plain, named: plain("a") == named("a", note="n"),
    "not equal to its values": lambda plain, _: plain("a") == ("a", 1, {}),
    "shown": lambda plain, _: repr(plain("a", 2)).removeprefix(plain.__qualname__),
    "fields": lambda plain, named: [[each.name for each in fields(kind)] for kind in (plain, named)],
    "replaced": lambda plain, _: replace(plain("a", 2), count=5).count,
    "inherited": lambda _, named: [getattr(named("a", 4, note="n"), each.name) for each in fields(named)],
    "copied": lambda plain, _: copy.deepcopy(plain("a", 2, {"b": 1})) == plain("a", 2, {"b": 1}),
    "pickled": lambda _, named: pickle.loads(pickle.dumps(named("a", note="n"))) == named("a", note="n"),
    "matched": lambda plain, named: (plain.__match_args__, named.__match_args__),
    "no dict": lambda plain, _: hasattr(plain("a"), "__dict__"),
}
REFUSED: dict[str, Callable[[Any, Any], object]] = {
    "missing": lambda plain, _: plain(),
    "missing by name": lambda _, named: named("a"),
    "unknown": lambda plain, _: plain("a", other=1),
    "twice": lambda plain, _: plain("a", name="a"),
    "too many": lambda plain, _: plain("a", 1, {}, 0.5, 7),
    "in order what has a name": lambda _, named: named("a", 1, {}, 0.5, "n"),
    "set": lambda plain, _: setattr(plain("a"), "count", 2),
    "deleted": lambda plain, _: delattr(plain("a"), "count"),
    "hashed with a dict": lambda plain, _: hash(plain("a")),
}


@each("question", QUESTIONS)
def test_light_dataclass_answers_as_dataclass(question: str) -> None:
    ask = QUESTIONS[question]
    assert ask(Light, LightNamed) == ask(Full, FullNamed)


@each("question", REFUSED)
def test_light_dataclass_refuses_what_dataclass_refuses(question: str) -> None:
    ask = REFUSED[question]
    with pytest.raises((TypeError, FrozenInstanceError)) as full:
        ask(Full, FullNamed)
    with pytest.raises(full.type):
        ask(Light, LightNamed)


def test_light_dataclass_hashes_equal_records_alike() -> None:
    first, second = (Light("a", parts=()) for _ in range(2))  # type: ignore[arg-type]  # what can be hashed
    assert hash(first) == hash(second)


def test_light_dataclass_without_eq_is_equal_to_itself_alone() -> None:
    one = Unequal()
    assert one == one
    assert one != Unequal()
    assert len({one, Unequal()}) == 2


@pytest.mark.parametrize("options", [{"frozen": False, "slots": True}, {"frozen": True, "slots": False}])
def test_light_dataclass_is_frozen_and_has_slots(options: dict[str, bool]) -> None:
    with pytest.raises(TypeError, match="frozen"):
        light_dataclass(**options)


def _named(base: Any) -> Any:
    class Interval(base):  # type: ignore[misc]
        """From one number to another."""

        low: float
        high: float = 1.0
        name: str = ""

        @property
        def width(self) -> float:
            return float(self.high - self.low)

        @classmethod
        def of(cls, *numbers: float) -> Any:
            return cls(min(numbers), max(numbers))

        def __str__(self) -> str:
            return f"{self.low} to {self.high}"

    return Interval


def test_named_tuples_are_those_of_typing() -> None:
    """They have the fields, defaults, methods, annotations and texts that `typing` gives, and the same errors."""
    ours, theirs = _named(records.NamedTuple), _named(typing.NamedTuple)
    assert ours.__bases__ == theirs.__bases__ == (tuple,)
    for name in ("_fields", "_field_defaults", "__match_args__", "__doc__", "__module__", "__name__"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert typing.get_type_hints(ours) == typing.get_type_hints(theirs)
    one = ours.of(3, 2)
    assert one == theirs.of(3, 2) == (2, 3, "")
    assert (one.width, str(one), repr(one)) == (1.0, "2 to 3", repr(theirs.of(3, 2)))
    assert one._replace(name="x") == ours(2, 3, "x")
    assert one._asdict() == {"low": 2, "high": 3, "name": ""}
    for kind in (ours, theirs):
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(AttributeError):
            kind(1).low = 2


def test_named_tuples_of_the_package_are_pickled() -> None:
    cell = Share(1, 2)
    assert pickle.loads(pickle.dumps(cell)) == copy.copy(cell) == cell
    assert type(copy.deepcopy(cell)) is Share
