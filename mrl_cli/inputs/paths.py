"""Cells by their path, such as `judgments.0.score`: names of members and places in lists, joined by dots.

A column called exactly so wins over a path. Names may hold dots themselves: the longest one that is there is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.model import problems
from mrl_cli.words import counted, harmless, listed

if TYPE_CHECKING:
    from collections.abc import Container

EVERY = "*"  # of a list: the cells of all its items


class Astray(NamedTuple):
    """Why a path leads to no cell: the kind of problem, and in words what is in its way."""

    kind: str
    text: str

    @property
    def is_missing(self) -> bool:
        """Whether it is just that a member on the way is not there."""
        return self.kind == problems.MISSING


def split(path: str, names: Container[str]) -> tuple[str, str] | None:
    """Return the longest of `names` that a path begins with, and the rest of the path; None where there is none.

    >>> split("a.b.c", ["a", "a.b"]), split("a.b", ["a.b"]), split("ab", ["a"]), split("a.", ["a"])
    (('a.b', 'c'), ('a.b', ''), None, None)
    """
    end = len(path)
    while end > 0:
        if path[:end] in names and path[end:] != ".":
            return path[:end], path[end + 1 :]
        end = path.rfind(".", 0, end)
    return None


def place_in_list(path: str) -> tuple[int, str] | None:
    """Return the place in a list that a path begins with, and its rest; None where it begins with a name.

    >>> place_in_list("0.score"), place_in_list("score")
    ((0, 'score'), None)
    """
    head, _, rest = path.partition(".")
    return (int(head), rest) if head.isascii() and head.isdecimal() else None


def names_item(path: str) -> bool:
    """Return whether a path begins with an item of a list, or with all of them.

    >>> names_item("0.score"), names_item("*.score"), names_item("*")
    (True, True, True)
    """
    return path.partition(".")[0] == EVERY or place_in_list(path) is not None


def around_every(path: str) -> tuple[str, str]:
    """Return the path to a list and the path in its items, of one that leads to the cells of all items, or to the list.

    >>> around_every("answers.*.rank"), around_every("*.rank"), around_every("scores.*"), around_every("scores")
    (('answers', 'rank'), ('', 'rank'), ('scores', ''), ('scores', ''))
    """
    steps = path.split(".")
    place = steps.index(EVERY) if EVERY in steps else len(steps)
    return ".".join(steps[:place]), ".".join(steps[place + 1 :])


def cell_at(value: Any, path: str, way: str = "") -> Any:
    """Return what stands at a path in a value of JSON, or an Astray; below a null stands null.

    `way` is the path to the value itself. Of a list that the path asks for all items of, it is the list of what stands
    in each.

    >>> record = {"judgments": [{"score": 0.5}]}
    >>> cell_at(record, "judgments.0.score"), cell_at(record, "judgments.score").text
    (0.5, 'in a list of 1 item: name one, such as judgments.0.score')
    """
    rest = path
    while rest and value is not None:
        if isinstance(value, dict):
            step = split(rest, value)
            if step is None:
                return absent(way, value)
            name, rest = step
            if name in getattr(value, "repeated", ()):
                return Astray(problems.DUPLICATE_KEY, "given twice")
            value = value[name]
        elif isinstance(value, list):
            item = place_in_list(rest)
            if rest.partition(".")[0] == EVERY:
                return [cell_at(each, rest[len(EVERY) + 1 :], f"{way}.{EVERY}") for each in value]
            if item is None:
                return in_list(way, rest, counted(len(value), "item"))
            place, rest = item
            if place >= len(value):
                return beyond_list(way, len(value))
            name, value = str(place), value[place]
        else:
            return below_value(way, value)
        way = f"{way}.{name}" if way else name
    return value


def absent(way: str, names: Any) -> Astray:
    """Return that a path asks for a member that is not there; `names` are those that are there at `way`."""
    return Astray(problems.MISSING, f"absent; {harmless(way)} has: {listed(names, most=8)}" if way else "absent")


def in_list(way: str, rest: str, items: str) -> Astray:
    """Return that a path goes through a list and names none of its items, which are counted in words."""
    return Astray(problems.PATH_LIST, f"in a list of {items}: name one, such as {harmless(f'{way}.0.{rest}')}")


def beyond_list(way: str, length: int) -> Astray:
    """Return that a path names an item beyond those of a list."""
    return Astray(problems.PATH_ITEM, f"beyond a list: {harmless(way)} has {counted(length, 'item')}, counted from 0")


def below_value(way: str, value: Any) -> Astray:
    """Return that a path goes on below what holds nothing else."""
    return Astray(problems.PATH_VALUE, f"below a value: {harmless(way)} is {harmless(repr(value))}")
