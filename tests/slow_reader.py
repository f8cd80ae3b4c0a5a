"""A slow reader of pairs that uses none of the package: what a text holds by the rules of the docs, and where it is
bad.

Numbers are taken from their digits as fractions, of which Python's division is the nearest double.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

COLUMNS = ("x1", "x2", "y")
DELIMITERS = ",\t;|"
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
_MOST_POWERS = 5000  # of ten: beyond it a number is surely zero or infinite


class NoOpinionError(Exception):
    """The rules do not say, or only by what this reader does not know."""


@dataclass
class Held:
    """The pairs of a text, and the numbers of the lines at which a bad row begins."""

    pairs: list[tuple[float, float, float]] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """The margin ranking losses with margin 0, in the order of the definition."""
        return [max(0.0, -y * (x1 - x2)) for x1, x2, y in self.pairs]

    def take(self, line: int, cells: list[Any]) -> None:
        numbers = [number_of(cell) for cell in cells]
        if None in numbers or numbers[2] not in (1.0, -1.0):
            self.bad.append(line)
        else:
            self.pairs.append((numbers[0], numbers[1], numbers[2]))  # type: ignore[arg-type]


def number_of(cell: Any) -> float | None:
    """Return the double of a cell of text or a value of JSON, None where it is none that may be computed with."""
    if isinstance(cell, list) and len(cell) == 1 and not isinstance(cell[0], list):
        cell = cell[0]
    if isinstance(cell, str):
        text = cell.strip(" \t")
        if text.startswith("[") and text.endswith("]"):
            raise NoOpinionError
        return _double(text)
    if isinstance(cell, Digits):
        return _double(cell.text)
    return None


@dataclass(frozen=True)
class Digits:
    """A number of JSON, as it is written."""

    text: str


def _double(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    sign, whole, fraction, power = match[1], match[2], match[3], match[4]
    digits = int((whole + (fraction or "")) or "0")
    exponent = int(power or 0) - len(fraction or "")
    if digits == 0:
        return -0.0 if sign == "-" else 0.0
    size = len(str(digits)) + exponent
    if abs(size) > _MOST_POWERS:
        number = 0.0 if size < 0 else math.inf
    else:
        exact = Fraction(digits * 10 ** max(exponent, 0), 10 ** max(-exponent, 0))
        try:
            number = exact.numerator / exact.denominator
        except OverflowError:
            number = math.inf
    is_integer = "." not in text and power is None
    if math.isinf(number) or (is_integer and int(number) != digits):
        return None
    return -number if sign == "-" else number


@dataclass
class _Row:
    line: int
    cells: list[str]


def rows_of(text: str, delimiter: str, most: float = math.inf) -> list[_Row]:
    """Return the rows of delimited text, blank lines left out; what stands beside a quoted part makes no number.

    Only the first ones where `most` is given.

    Raises NoOpinionError for a quote that is never closed.
    """
    rows: list[_Row] = []
    place, line, size = 0, 1, len(text)
    while place < size and len(rows) < most:
        row = _Row(line, [])
        start = place
        while True:
            cell, place, ends = _cell(text, place, delimiter)
            line += ends
            row.cells.append(cell)
            if place >= size or text[place] != delimiter:
                break
            place += 1
        is_blank = place == start
        place += 2 if text[place : place + 2] == "\r\n" else 1
        line += 1
        if not is_blank:
            rows.append(row)
    return rows


@cache
def _cell_end(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf"[{re.escape(delimiter)}\r\n]|\Z")


def _cell(text: str, place: int, delimiter: str) -> tuple[str, int, int]:
    """Return a cell, the place after it, and how many line ends it holds."""
    start = place
    if text[place : place + 1] == '"':
        place += 1
        while True:
            close = text.find('"', place)
            if close < 0:
                raise NoOpinionError
            place = close + 1
            if text[place : place + 1] != '"':
                break
            place += 1
    quoted = place
    place = _cell_end(delimiter).search(text, place).start()  # type: ignore[union-attr]
    raw = text[start:place]
    ends = len(re.findall(r"\r\n|\r|\n", raw)) if quoted > start else 0
    is_quoted = quoted > start
    cell = raw[1:-1].replace('""', '"') if is_quoted and quoted == place else raw
    return cell, place, ends


def delimited(data: bytes, delimiter: str | None = None, decimal: str = ".") -> Held:
    """Return what delimited text with a header holds. Raises NoOpinionError where no header gives the columns."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    found = [delimiter] if delimiter else [mark for mark in DELIMITERS if _places(text, mark) is not None]
    places = _places(text, found[0]) if found else None
    if places is None:
        raise NoOpinionError
    header, *rows = rows_of(text, found[0])
    held = Held()
    for row in rows:
        is_whole = len(row.cells) == len(header.cells) and not any(map(_undecoded, row.cells))
        cells = [row.cells[place] for place in places] if is_whole else [""] * 3
        if decimal != ".":
            cells = ["" if "." in cell else cell.replace(decimal, ".") for cell in cells]
        held.take(row.line, cells)
    return held


def _places(text: str, delimiter: str) -> list[int] | None:
    rows = rows_of(text, delimiter, most=1)
    names = [name.strip() for name in rows[0].cells] if rows else []
    if any(map(_undecoded, names)) or any(names.count(name) != 1 for name in COLUMNS):
        return None
    return [names.index(name) for name in COLUMNS]


def _undecoded(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)


def json_lines(data: bytes) -> Held:
    """Return what lines of JSON hold. Raises NoOpinionError where not even the first is an object with all columns."""
    held = Held()
    seen = False
    for line, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip(b" \t\r"):
            continue
        value = _object(raw)
        if not seen and (value is None or not value.keys() >= set(COLUMNS)):
            raise NoOpinionError
        seen = True
        held.take(line, [None] * 3 if value is None else [value.get(name) for name in COLUMNS])
    return held


class _Twice:
    """Stands for the value of a key that is given twice."""


def _object(raw: bytes) -> dict[str, Any] | None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        return {name: value if names.count(name) == 1 else _Twice() for name, value in pairs}

    try:
        value = json.loads(raw.decode(), parse_int=Digits, parse_float=Digits, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
