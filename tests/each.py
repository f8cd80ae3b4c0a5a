"""Many small cases in one test: most cases take less than the set-up and the report of a test of their own."""

from __future__ import annotations

import inspect
import shutil
from contextlib import contextmanager
from functools import wraps
from itertools import cycle, islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pytest

__all__ = ["crossed", "each", "examples", "mostly_slow"]

MOST_SHOWN = 5  # failures of one test whose tracebacks are printed: more say the same
is_quick = False  # whether only the quick tests are run


def mostly_slow(cases: Iterable[Any], *, quick: int) -> list[Any]:
    """Return cases for `pytest.mark.parametrize`, of which so many, from the first to the last, are not slow."""
    known = list(cases)
    kept = _spread(len(known), quick)
    return [case if place in kept else _slow(case) for place, case in enumerate(known)]


def _spread(size: int, few: int) -> set[int]:
    """Return so few places below `size`, from the first to the last."""
    return {place * (size - 1) // max(few - 1, 1) for place in range(few)}


def crossed(*axes: Iterable[Any]) -> list[Any]:
    """Return all combinations for `pytest.mark.parametrize`; not slow are as few as hold each value of each axis."""
    known = [list(axis) for axis in axes]
    kept = few_of(known)
    return [case if case in kept else _slow(case) for case in product(*known)]


def _slow(case: Any) -> Any:
    import pytest

    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)


def each(
    names: str | tuple[str, ...], cases: Iterable[Any], *, quick: int | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator as `pytest.mark.parametrize` is, that runs all cases in one test.

    Every case is run, however those before it ended; the first failures are raised together, each with its case.
    Patches and new files of a case are taken back after it; the cases share what else fixtures gave. Several decorators
    make all combinations of their cases, or, in a run of the quick tests, as few as hold each case of each. `quick`:
    only so many cases, from the first to the last, are run there.
    """
    arguments = (names,) if isinstance(names, str) else names
    axis = [dict(zip(arguments, (case,) if isinstance(names, str) else case, strict=True)) for case in cases]
    assert axis, f"no case of {names}"
    if is_quick and quick is not None:
        axis = [axis[place] for place in sorted(_spread(len(axis), quick))]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        inner, axes = vars(test).get("each", (test, []))
        axes = [axis, *axes]
        listed = combined(axes, is_quick=is_quick)
        parameters = inspect.signature(inner).parameters
        others = [value for name, value in parameters.items() if name not in listed[0]]
        if others and "tmp_path" not in parameters:  # another fixture may have made it the folder to work in
            others.append(inspect.Parameter("tmp_path", inspect.Parameter.KEYWORD_ONLY))

        @wraps(test)
        def all_cases(**fixtures: Any) -> None:
            failed = []
            for case in listed:
                try:
                    with _for_one_case(fixtures) as own:
                        inner(**{name: value for name, value in own.items() if name in parameters}, **case)
                except Exception as error:  # noqa: BLE001 - all of them are raised below
                    error.add_note(f"the case: {case!r:.1000}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(listed)} cases", failed[:MOST_SHOWN])

        vars(all_cases).update(each=(inner, axes), __signature__=inspect.Signature(others))
        return all_cases

    return decorate


def examples(count: int) -> settings:
    """Return the setting of so many examples of Hypothesis, or of an eighth of them in a run of the quick tests."""
    return settings(max_examples=max(count // 8, 10) if is_quick else count)


def combined(axes: list[list[dict[str, Any]]], *, is_quick: bool) -> list[dict[str, Any]]:
    """Return all combinations of a case of each axis, or so few that each case is in one."""
    chosen = few_of(axes) if is_quick else product(*axes)
    return [{name: value for case in cases for name, value in case.items()} for cases in chosen]


def few_of(axes: list[list[Any]]) -> list[tuple[Any, ...]]:
    """Return as few combinations as hold each value of each axis: the first with the first, and so on."""
    count = max(map(len, axes))
    return list(zip(*(islice(cycle(axis), count) for axis in axes), strict=True))


@contextmanager
def _for_one_case(fixtures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    folder: Path | None = fixtures.get("tmp_path")
    patches: pytest.MonkeyPatch | None = fixtures.get("monkeypatch")
    before = set(folder.iterdir()) if folder else set()
    try:
        if patches is None:
            yield fixtures
        else:
            with patches.context() as own:
                yield fixtures | {"monkeypatch": own}
    finally:
        for path in set(folder.iterdir()) - before if folder else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
