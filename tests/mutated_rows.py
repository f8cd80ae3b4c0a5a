"""Delimited text that somebody damaged: the compiled reader reads it as the careful way does, or declines it."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import as_texts
from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs import delimited
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Shard, Source
from mrl_cli.inputs.text import TextPart
from mrl_cli.model import Columns, Dialect, Plan
from mrl_cli.native import fields
from tests.decimals import KINDS, as_scores

if TYPE_CHECKING:
    from mrl_cli.model import Batch

NAMES = ("x1", "x2", "y", "margin", "weight", "group", "cluster")
KEYS = ("group", "cluster")
_BYTES = [b"", b"\n", b"\n\n", b"\r\n", b"\r", b'"', b"\0", b" ", b"\t", b",", b";", b".", b"-", "é".encode(), b"\xe9"]
_BYTES += [b"e9", b"1e400", b"0x1", b"nan", b"inf", b"true", b"NA", b"1_0", b"[1]", b"7" * 9, b"0" * 30]
_BYTES += [b"9007199254740993"]


class Damaged(NamedTuple):
    """Rows, and by which plan they are read."""

    text: bytes
    layout: texts.Layout
    plan: Plan

    @property
    def shard(self) -> Shard:
        """The rows as a shard of a file."""
        size = len(self.text)
        return Shard(Source("pairs.csv", "csv"), TextPart(0, size, self.text, 2, layout=self.layout), size)


def damaged_rows(random: Random) -> Damaged:
    """Return a few rows, damaged in up to three places, perhaps cut off."""
    dialect = random.choice([",.", ",.", "\t.", ";,", "|.", " .", ",,", "e."])
    delimiter, decimal = dialect[0], dialect[1]
    further = tuple(name for name in ("margin", "weight") if random.random() < 0.3)
    keys = tuple(name for name in KEYS if random.random() < 0.3)
    wanted = ["x1", "x2", "y", *further, *keys]
    columns = random.sample([*wanted, *["text"] * random.choice([0, 0, 1, 2])], k=len(wanted))
    columns += [name for name in wanted if name not in columns]
    line_end = random.choice(["\n", "\n", "\r\n"])
    has_integers = random.random() < 0.5
    rows = [_row(columns, delimiter, decimal, random, has_integers=has_integers) for _ in range(random.randrange(1, 7))]
    text = line_end.join([*rows, ""] if random.random() < 0.8 else rows).encode()
    for _ in range(random.choice([0, 0, 0, 1, 1, 2, 3])):
        place = random.randrange(len(text) + 1)
        text = text[:place] + random.choice(_BYTES) + text[place + random.randrange(3) :]
    text = text[: random.randrange(len(text) + 1)] if random.random() < 0.2 else text
    places: dict[Any, int] = {name: columns.index(name) for name in NAMES if name in columns}
    layout = texts.Layout(tuple(columns), delimiter, places, 0, 2, b"\n")
    return Damaged(text, layout, _plan(further, keys, decimal, random))


def _row(columns: list[str], delimiter: str, decimal: str, random: Random, *, has_integers: bool) -> str:
    def cell(name: str) -> str:
        if name in KEYS and has_integers and random.random() < 0.95:
            return random.choice(["0", "7", "-7", "12345", "12345678", "-123456789012345678"])
        if name in KEYS and random.random() < 0.7:
            return random.choice(["", "a", "b", " a", "a\t", "-1", "0.5", "NA", "ü"]).replace(delimiter, "_")
        if name in (*KEYS, "text"):
            return random.choice(["", "a word", "Zürich", "it's", "=1+1"])
        if name == "y":
            return random.choice(["1", "-1", "1", "-1", "0", "+1", "1.0", "2"][: random.choice([2, 2, 4, 8])])
        kind = random.choice(list(KINDS)) if random.random() < 0.2 else as_scores
        return random.choice(["", "", "", " "]) + kind(random).replace(".", decimal)

    return delimiter.join(map(cell, columns))


def _plan(further: tuple[str, ...], keyed: tuple[str, ...], decimal: str, random: Random) -> Plan:
    numbers: Any = tuple((name, name) for name in further)
    keys: Any = tuple((name, name) for name in keyed)
    fills: Any = tuple((name, 1.0) for name in further if random.random() < 0.5)
    dialect = Dialect(decimal=decimal, null_values=random.choice([(), (), ("NA",), ("-1",), ("7" * 9,)]))
    labels = random.choice(["pm1", "01", "any"])
    return Plan.of(columns=Columns(numbers=numbers, keys=keys), dialect=dialect, fills=fills, labels=labels)


def decline(*given: Any) -> Batch:
    """Stand for the way of pyarrow, which is not tested here."""
    raise SuspectShardError


def compared(rows: Damaged) -> bool:
    """Return whether the compiled reader accepted the rows; fail where the careful way does not read them alike."""
    _check_bounds(rows)
    try:
        (quick,) = delimited.batches(rows.shard, rows.plan)
    except SuspectShardError:
        return False
    (careful,) = delimited.careful_batches(rows.shard, rows.plan)
    assert (careful.rejected_rows, careful.size) == (0, quick.size)
    for role, values in careful.numbers.items():
        assert quick.numbers[role].astype(np.float64).tobytes() == values.tobytes(), role
    assert {role: mask.tolist() for role, mask in quick.filled.items()} == {
        role: mask.tolist() for role, mask in careful.filled.items()
    }
    assert {role: as_texts(column).to_pylist() for role, column in quick.keys.items()} == {
        role: column.to_pylist() for role, column in careful.keys.items()
    }
    return True


def _check_bounds(rows: Damaged) -> None:
    """Read the rows in a block of memory that has no byte more: a sanitizer sees who reads or writes beyond it."""
    reader = fields()
    assert reader is not None
    names, delimiter = rows.layout.names, rows.layout.delimiter
    data = np.empty(len(rows.text), np.uint8)
    data[:] = np.frombuffer(rows.text, np.uint8)
    for most_rows, kind in product((0, 1, 9), ("i4", "i8")):
        kinds = {"text": None, "y": "i1"} | dict.fromkeys(KEYS, kind)
        codes = (5, 1 << most_rows.bit_length())
        shapes: list[Any] = [codes if kinds.get(name) == "i4" else most_rows for name in names]
        read = [(shape, kinds.get(name, "f8")) for name, shape in zip(names, shapes, strict=True)]
        arrays = tuple(None if kind is None else np.full(shape, -7, kind) for shape, kind in read)
        count, size, _, stopped, is_ascii = reader.read(data, delimiter, rows.plan.reading.dialect.decimal, arrays)
        assert 0 <= count <= most_rows
        assert 0 <= size <= len(rows.text)
        assert rows.text.isascii() <= is_ascii <= rows.text[:size].isascii()
        assert -1 <= stopped < (len(names) if size < len(rows.text) else 0)
