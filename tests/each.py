"""Many small cases in one test: most cases take less than the set-up and the report of a test of their own."""

from __future__ import annotations

import inspect
import shutil
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pytest

__all__ = ["each", "mostly_slow"]


def mostly_slow(cases: Iterable[Any], *, quick: int) -> list[Any]:
    """Return cases for `pytest.mark.parametrize`, of which so many, from the first to the last, are not slow."""
    import pytest

    known = list(cases)
    kept = {place * (len(known) - 1) // max(quick - 1, 1) for place in range(quick)}
    return [case if place in kept else pytest.param(case, marks=pytest.mark.slow) for place, case in enumerate(known)]


def each(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator as `pytest.mark.parametrize` is, that runs all cases in one test.

    Every case is run, however those before it ended; the failures are raised together, and each names its case. Patches
    and new files of a case are taken back after it; the cases share what else fixtures gave.
    """
    arguments = (names,) if isinstance(names, str) else names
    listed = [dict(zip(arguments, (case,) if isinstance(names, str) else case, strict=True)) for case in cases]
    assert listed, f"no case of {names}"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(test).parameters
        others = [value for name, value in parameters.items() if name not in arguments]
        if others and "tmp_path" not in parameters:  # another fixture may have made it the folder to work in
            others.append(inspect.Parameter("tmp_path", inspect.Parameter.KEYWORD_ONLY))

        @wraps(test)
        def all_cases(**fixtures: Any) -> None:
            failed = []
            for case in listed:
                try:
                    with _for_one_case(fixtures) as own:
                        test(**{name: value for name, value in own.items() if name in parameters}, **case)
                except Exception as error:  # noqa: BLE001 - all of them are raised below
                    error.add_note(f"the case: {case!r:.1000}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(listed)} cases", failed)

        vars(all_cases)["__signature__"] = inspect.Signature(others)
        return all_cases

    return decorate


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
