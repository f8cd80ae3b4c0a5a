"""No regular expression of the package takes more than linear time, whatever text it is given: no cell, header, name of
a column, condition of --fail-if or line of a configuration can make it hang.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
from itertools import product
from pathlib import Path
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import pytest

import mrl_cli
from mrl_cli.commands.conditions import conditions_of
from mrl_cli.errors import MrlError
from mrl_cli.model import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 30_000  # a square of it takes seconds
SECONDS = 1.0
TAILS = ("", "!")


def _patterns() -> dict[str, re.Pattern[Any]]:
    """Return all patterns that modules of the package hold, and those written where they are used."""
    found: dict[str, re.Pattern[Any]] = {}
    for info in pkgutil.walk_packages(mrl_cli.__path__, "mrl_cli."):
        if info.name.endswith(("__main__", ".build", "_fields")) or ".engines." in info.name:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found[f"{info.name}.{name}"] = value
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found[f"{info.name}:{node.lineno}"] = re.compile(first.value)
    return found


def _characters(tree: Any) -> Iterator[str]:
    """Yield a character for each that a pattern may take at some place."""
    for kind, value in tree:
        if kind is kinds.LITERAL:
            yield chr(value)
        elif kind is kinds.IN:
            yield from _characters(value)
        elif kind is kinds.RANGE:
            yield chr(value[0])
        elif kind is kinds.CATEGORY:
            yield {kinds.CATEGORY_DIGIT: "1", kinds.CATEGORY_SPACE: " "}.get(value, "a")
        elif kind in (kinds.NOT_LITERAL, kinds.ANY, kinds.NEGATE):
            yield "a"
        elif kind is kinds.BRANCH:
            for branch in value[1]:
                yield from _characters(branch)
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            yield from _characters(value[2])
        elif kind is kinds.SUBPATTERN:
            yield from _characters(value[-1])
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            yield from _characters(value[1])


def _pumped(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Yield long texts of what a pattern repeats, after what it may begin with, and before what it does not take."""
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    letters = list(dict.fromkeys(_characters(parser.parse(pattern.pattern, flags))))[:4]
    repeated = [*letters, *(a + b for a, b in product(letters, letters) if a != b)]
    for head, body, tail in product(("", *letters), repeated, TAILS):
        yield head + body * (LENGTH // len(body)) + tail


class TooLongError(BaseException):
    """Not one that a test could expect."""


def _stop(number: int, frame: object) -> None:
    raise TooLongError


def _runs_away(pattern: re.Pattern[Any]) -> str | None:
    for text in _pumped(pattern):
        given: Any = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            pattern.match(given), pattern.fullmatch(given)
        except TooLongError:
            return text[:20]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return None


@pytest.mark.slow
def test_no_pattern_runs_away() -> None:
    usual = signal.signal(signal.SIGPROF, _stop)
    try:
        assert _runs_away(re.compile(r"\d+\.?\d*")) is not None  # such a one is noticed
        patterns = _patterns()
        assert len(patterns) > 20
        found = {name: (pattern.pattern, _runs_away(pattern)) for name, pattern in patterns.items()}
    finally:
        signal.signal(signal.SIGPROF, usual)
    assert {name: said for name, said in found.items() if said[1] is not None} == {}


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["a.", "1", ">", "value ", "(", "[", " ", "e", "value>0.5 "])
def test_long_conditions_are_judged_at_once(piece: str) -> None:
    usual = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        for text in (piece * 20_000, f"value > {piece * 20_000}!", f"{piece * 20_000} > 1"):
            with pytest.raises(MrlError):
                conditions_of([text], Plan.of())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, usual)
