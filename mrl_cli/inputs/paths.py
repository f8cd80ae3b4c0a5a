"""Cells by their path, such as `judgments.0.score`: names of members and places in lists, joined by dots.

A column called exactly so wins over a path. Names may hold dots themselves: the longest one that is there is taken.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mrl_cli.model import EVERY, problems
from mrl_cli.records import NamedTuple
from mrl_cli.words import closest, counted, harmless, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable


class Astray(NamedTuple):
    """Why a path leads to no cell: the kind of problem, and in words what is in its way.

    Of a member that is not there, `asked` is the way to where it should be, what is asked for, and what there is.
    """

    kind: str
    text: str
    asked: tuple[str, str, Iterable[str]] | None = None

    @property
    def is_missing(self) -> bool:
        """Whether it is just that a member on the way is not there."""
        return self.kind == problems.MISSING

    @property
    def near(self) -> str | None:
        """The path that was most probably meant, None where none is near."""
        way, rest, names = self.asked or ("", "", ())
        found = closest_path(rest, names)
        return None if found is None else joined(way, found)


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


def closest_path(wanted: str, names: Iterable[str]) -> str | None:
    """Return the name, or the path that begins with one, that a user who wrote `wanted` most probably meant, or None.

    >>> closest_path("judgements.0.s", ["id", "judgments"]), closest_path("rewards.chosen", ["rewards/chosen"])
    ('judgments.0.s', 'rewards/chosen')
    """
    known = list(names)
    head, _, rest = wanted.partition(".")
    near, top = closest(wanted, known), closest(head, known)
    if not rest or top is None or (near and abs(len(near) - len(wanted)) <= abs(len(top) - len(head))):
        return near
    return joined(top, rest)


def place_in_list(path: str) -> tuple[int, str] | None:
    """Return the place in a list that a path begins with, and its rest; None where it begins with a name.

    A place is written in one way, without a zero before it: one cell has one path.

    >>> place_in_list("0.score"), place_in_list("score"), place_in_list("00.score")
    ((0, 'score'), None, None)
    """
    head, _, rest = path.partition(".")
    is_place = head.isascii() and head.isdecimal() and (head == "0" or not head.startswith("0"))
    return (int(head), rest) if is_place else None


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
                return absent(way, rest, value)
            name, rest = step
            if name in getattr(value, "repeated", ()):
                return Astray(problems.DUPLICATE_KEY, "given twice")
            value = value[name]
        elif isinstance(value, list):
            item = place_in_list(rest)
            if rest.partition(".")[0] == EVERY:
                return [cell_at(each, rest[len(EVERY) + 1 :], f"{way}.{EVERY}") for each in value]
            if not value or (item is not None and item[0] >= len(value)):
                return beyond_list(way, len(value))
            if item is None:
                return in_list(way, rest, counted(len(value), "item"), partial(_leads_on, value[0]))
            place, rest = item
            name, value = str(place), value[place]
        else:
            return Astray(problems.PATH_VALUE, f"below a value: {harmless(way)} is {harmless(repr(value))}")
        way = joined(way, name)
    return value


def absent(way: str, rest: str, names: Any) -> Astray:
    """Return that a path asks for a member that is not there: `rest` of it, of the `names` that are there at `way`."""
    if not way:
        return Astray(problems.MISSING, "absent")
    return Astray(problems.MISSING, f"absent; {harmless(way)} has: {listed(names, most=8)}", (way, rest, names))


def is_null_of_its_own(value: Any, path: str) -> bool:
    """Return whether a null that a path leads to stands there itself, and not above, where nothing can be below it.

    >>> is_null_of_its_own({"a": {"b": None}}, "a.b"), is_null_of_its_own({"a": None}, "a.b")
    (True, False)
    """
    ends = [place for place, sign in enumerate(path) if sign == "."]
    above = ((cell_at(value, path[:end]), path[end + 1 :]) for end in ends)
    return any(
        name in cell if isinstance(cell, dict) else isinstance(cell, list) and "." not in name for cell, name in above
    )


def in_list(way: str, rest: str, items: str, leads_on: Callable[[str], bool]) -> Astray:
    """Return that a path goes through a list and names none of its items, which are counted in words.

    `leads_on` says whether a path leads on from the first item; the one that is proposed does.

    >>> in_list("a", "-1.b", "2 items", lambda path: path == "b").text
    'in a list of 2 items: name one, such as a.0.b'
    """
    below = next((path for path in (rest, rest.partition(".")[2]) if path and leads_on(path)), "")
    return Astray(problems.PATH_LIST, f"in a list of {items}: name one, such as {harmless(joined(way, '0', below))}")


def joined(*parts: str) -> str:
    """Return parts of a path as one path; those that are empty are left out."""
    return ".".join(filter(None, parts))


def _leads_on(value: Any, path: str) -> bool:
    """Return whether a path leads on from a value of JSON, for one step."""
    if isinstance(value, list):
        return place_in_list(path) is not None
    return isinstance(value, dict) and split(path, value) is not None


def beyond_list(way: str, length: int) -> Astray:
    """Return that a path names an item beyond those of a list."""
    return Astray(problems.PATH_ITEM, f"beyond a list: {harmless(way)} has {counted(length, 'item')}, counted from 0")
