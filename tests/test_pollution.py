"""The kinds of damage that `pollution.py` makes: none is read wrongly, and what options describe is read right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.each import each
from tests.pollution import Kind, kinds, loss, outcome, pairs, written
from tests.running import run_inside

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@each("kind", kinds(), quick=15)
def test_damage_is_read_right_or_refused_clearly(kind: Kind, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def compute(data: bytes, *options: str) -> tuple[int, str, str]:
        (tmp_path / "p.csv").write_bytes(data)
        return run_inside(["compute", tmp_path / "p.csv", "--reduction", "sum", "--raw", "--quiet", *options], capfd)

    what, said = outcome(kind, compute)
    assert what == ("refused" if kind.rows is None else "right"), said


def test_a_wrong_number_would_be_called_so() -> None:
    rows = pairs()
    for kind, number, expected in (
        (Kind("", written(rows), rows=rows), loss(rows), "right"),
        (Kind("", written(rows), rows=rows), loss(rows[:-1]), "wrong"),
        (Kind("", written(rows)), loss(rows), "wrong"),
    ):
        assert outcome(kind, lambda *_, number=number: (0, f"{number}\n", ""))[0] == expected
    assert outcome(Kind("", "", rows=rows), lambda *_: (70, "", "error: a bug"))[0] == "wrong"
