"""Cases that are run in one test: all of them, each by itself, and those that fail are named."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING

import pytest

from tests import each as module
from tests.each import each

if TYPE_CHECKING:
    from pathlib import Path


def test_every_case_is_run_and_each_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_quick", False)
    met = []

    @each("letter", "ab")
    @each(("one", "two"), [(1, 2), (3, 4)])
    def odd_ones(letter: str, one: int, two: int) -> None:
        met.append((letter, one, two))
        assert (letter, one) != ("b", 3), "no b3"

    with pytest.raises(ExceptionGroup, match="1 of 4 cases") as caught:
        odd_ones()
    assert met == [("a", 1, 2), ("a", 3, 4), ("b", 1, 2), ("b", 3, 4)]
    assert caught.group_contains(AssertionError, match="no b3", depth=1)
    assert caught.value.exceptions[0].__notes__ == ["the case: {'letter': 'b', 'one': 3, 'two': 4}"]


def test_quick_tests_combine_each_case_with_one_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_quick", True)
    met = []

    @each("letter", "ab")
    @each("number", range(5))
    def combining(letter: str, number: int) -> None:
        met.append(f"{letter}{number}")

    combining()
    assert met == ["a0", "b1", "a2", "b3", "a4"]


@pytest.mark.parametrize("is_quick", [True, False])
def test_quick_tests_run_so_many_cases(is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_quick", is_quick)
    met = list[int]()

    @each("number", range(10), quick=4)
    def few(number: int) -> None:
        met.append(number)

    few()
    assert met == ([0, 3, 6, 9] if is_quick else list(range(10)))


def test_a_case_leaves_nothing_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given").touch()
    monkeypatch.delenv("CASE", raising=False)

    @each("case", "ab")
    def leaving(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert os.listdir(tmp_path) == ["given"]
        assert "CASE" not in os.environ
        (tmp_path / "new" / "deep").mkdir(parents=True)
        (tmp_path / "link").symlink_to(tmp_path / "new")
        monkeypatch.setenv("CASE", case)

    @each("case", "ab")
    def leaving_there(case: str, mrl: str) -> None:
        assert os.listdir() == ["given"]
        open("new", "x").close()

    assert list(inspect.signature(leaving).parameters) == ["tmp_path", "monkeypatch"]
    leaving(tmp_path=tmp_path, monkeypatch=monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert list(inspect.signature(leaving_there).parameters) == ["mrl", "tmp_path"]
    leaving_there(mrl="", tmp_path=tmp_path)


def test_of_many_failures_the_first_are_shown() -> None:
    @each("number", range(30))
    def failing(number: int) -> None:
        raise ValueError(number)

    with pytest.raises(ExceptionGroup, match="30 of 30 cases") as caught:
        failing()
    assert [str(error) for error in caught.value.exceptions] == ["0", "1", "2", "3", "4"]


def test_no_cases_are_an_error() -> None:
    with pytest.raises(AssertionError, match="no case of letter"):
        each("letter", "")
