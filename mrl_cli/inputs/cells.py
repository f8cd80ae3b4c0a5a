"""One cell of text to one number, by the one rule that every text format and both ways of reading keep."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mrl_cli.model import problems, rules
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from mrl_cli.model import Dialect

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)


def number_in(cell: str, dialect: Dialect) -> float | str:
    """Return the number that a cell holds, rounded correctly to a double, or the kind of problem it is.

    >>> from mrl_cli.model import Dialect
    >>> number_in(" 5e-1", Dialect()), number_in("0x10", Dialect()), number_in("", Dialect())
    (0.5, 'not a number', 'missing value')
    """
    text = cell.strip(" \t")
    if not text or cell in dialect.null_values or text in dialect.null_values:
        return problems.MISSING
    if dialect.decimal != ".":
        if "." in text:
            return problems.NOT_A_NUMBER
        text = text.replace(dialect.decimal, ".")
    if not _NUMBER.fullmatch(text):
        if _NAN.fullmatch(text):
            return problems.NAN
        return problems.INFINITE if _INFINITE.fullmatch(text) else problems.NOT_A_NUMBER
    number = float(text)
    if math.isinf(number):
        return problems.INFINITE
    if abs(number) >= rules.EXACT_INTEGER_LIMIT and _INTEGER.fullmatch(text) and not is_exact(int(text[:400])):
        return problems.INEXACT
    return number


def is_exact(integer: int) -> bool:
    """Return whether a double holds the integer exactly.

    >>> is_exact(2**53), is_exact(2**53 + 1)
    (True, False)
    """
    try:
        return int(float(integer)) == integer
    except OverflowError:
        return False


def is_float(text: str) -> bool:
    """Return whether a text reads as a float, NaN too: then it is hardly the name of a column."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_written(row: str, delimiter: str) -> list[str]:
    """Return the fields of a row as they stand there, quotes that a lenient CSV parser drops included.

    >>> as_written('12,"1"2,"0"', ","), as_written('"a,b",5', ",")
    (['12', '"1"2', '0'], ['a,b', '5'])
    """
    field = re.compile(rf'"(?:[^"]|"")*"[^{re.escape(delimiter)}\r\n]*|[^{re.escape(delimiter)}\r\n]*')
    fields = []
    place = 0
    text = row.rstrip("\r\n")
    while True:
        match = field.match(text, place)
        raw = match.group() if match else ""
        is_well_quoted = len(raw) > 1 and raw.startswith('"') and '"' not in raw[1:-1] and raw.endswith('"')
        fields.append(raw[1:-1] if is_well_quoted else raw)
        place += len(raw)
        if place >= len(text) or text[place] != delimiter:
            return fields
        place += 1


def shown_cell(cell: str) -> str:
    """Return a cell as an error message shows it.

    >>> shown_cell("oops"), shown_cell("-1")
    ("'oops'", '-1')
    """
    if _NUMBER.fullmatch(cell):
        return harmless(cell)
    return "'" + harmless(cell) + "'" if cell else "empty"
