"""Rows of delimited text told apart, the certain ones and the others, come to the same as all read field by field."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from mrl_cli.inputs import fields, read, resolve, shards_of
from mrl_cli.model import Columns, Dialect, Plan
from tests.each import each

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("compiled")

ODD_ROWS = (
    *("1,2,1,a", "oops,2,1,b", "3,,1,a", "nan,inf,-1,c", "+4,5,-1,\u00e9", "6,7,0,a", "8,9,2,b", "1,2,1", "1,2,1,a,b"),
    *("", "true,2,true,a", "[0.5],2,1,a", "\u00e9,2,1,a", 'ab"c,2,x"y,a', " 1 ,\t2,1 ,a", "1e400,2,1,a", "2,3,-999,k"),
    *("9007199254740993,1,1,a", "1,2,300,a", "-,., ,a", "1,2,-1,\0"),
)


@each("settings", [{}, {"labels": "01"}, {"null_values": ("NA", "2", "-999")}, {"fills": (("weight", 1.0),)}])
@each("end", ["\n", "\r\n"])
@each("encoding", ["utf-8", "latin-1"])
def test_rows_told_apart_are_those_read_field_by_field(
    settings: dict[str, Any], end: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = Columns(numbers=(("x1", "x1"), ("x2", "x2"), ("weight", "x2")), keys=(("group", "k"),))
    dialect = Dialect(null_values=settings.get("null_values", ()))
    others = {name: value for name, value in settings.items() if name != "null_values"}
    plan = Plan.of(columns=columns, dialect=dialect, on_error="skip", **others)
    rows = [*ODD_ROWS, *ODD_ROWS[:1] * 5, *ODD_ROWS]
    path = tmp_path / "pairs.csv"
    path.write_bytes(end.join(["x1,x2,y,k", *rows]).encode(encoding))
    found = []
    for is_told_apart in (True, False):
        if not is_told_apart:
            monkeypatch.setattr(fields, "told_apart", lambda *_: None)
        (source,) = resolve([str(path)])
        (batch,) = read(next(shards_of([source], plan)), plan, is_careful=True)
        keys = {role: [*map(str, column.to_pylist())] for role, column in batch.keys.items()}
        numbers = {role: [*map(repr, values.tolist())] for role, values in batch.numbers.items()}
        filled = {role: mask.tolist() for role, mask in batch.filled.items()}
        told = (batch.problems, batch.rejected_rows, dict(+Counter(batch.unlisted)), batch.bad_labels)
        found.append((numbers, keys, filled, list(batch.rows or ()), batch.has_booleans, told))
    assert found[0] == found[1]
