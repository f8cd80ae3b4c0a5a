"""One cell of text to one number, by the one rule that every format and both ways of reading keep."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from mrl_cli.model import Dialect, Plan, Role, problems, rules
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable


_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# Finite, and exact where it is an integer.
_PLAIN = re.compile(r"-?\d{1,15}(?:\.\d+)?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_ALL_PLAIN = re.compile(rf"(?:{_PLAIN.pattern}\n)*", re.ASCII)
_NO_NUMBERS = re.compile(r"(?:(?!nan|inf|true|false)[^\s\d.,+\[-][^\n]*\n)*", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER_OR_NOT_FINITE = re.compile(rf"{_NUMBER.pattern}|[+-]?(?:nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_WELL_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_QUOTED = re.compile(r"""("|')[^"'\\]*\1""")
_VERDICT = re.compile(r"\[\[[A-Za-z][A-Za-z<>=]*\]\]")  # as judges write one: no list in JSON, and none in Python
_BETWEEN_ITEMS = re.compile(r"[,;\s]+")


_BOOLEANS = {"true": True, "false": False}


def number_in(cell: str, dialect: Dialect, role: Role | None = None, *, takes_booleans: bool = False) -> float | str:
    """Return the number that a cell holds, rounded correctly to a double, or the kind of problem it is.

    A list of one number is that number. Losses, a column with the role loss, may be NaN or infinite: they are compared,
    not computed with. Where it `takes_booleans`, true and false, in any case, are those: 1 and 0 as numbers.

    >>> from mrl_cli.model import Dialect
    >>> number_in(" 5e-1", Dialect()), number_in("[0.5]", Dialect()), number_in("0x10", Dialect())
    (0.5, 0.5, 'not a number')
    >>> number_in("", Dialect()), number_in("[1, 2]", Dialect()), number_in("nan", Dialect(), "loss")
    ('missing value', 'a list, not one number', nan)
    """
    if dialect.decimal == "." and not dialect.null_values and _PLAIN.fullmatch(cell):
        return float(cell)
    text = cell.strip(" \t")
    if not text or cell in dialect.null_values or text in dialect.null_values:
        return problems.MISSING
    if takes_booleans and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if text.startswith("[") and text.endswith("]") and not _VERDICT.fullmatch(text):
        inner = text[1:-1].strip()
        inner = inner[1:-1].strip() if _QUOTED.fullmatch(inner) else inner  # a text, as JSON and Python write it
        # Under a decimal comma [1,2] may hold two numbers as well.
        holds_one = inner and not inner.startswith("[") and not _BETWEEN_ITEMS.search(inner)
        return number_in(inner, dialect, role, takes_booleans=takes_booleans) if holds_one else problems.LIST
    if dialect.decimal != ".":
        if "." in text:
            return problems.NOT_A_NUMBER
        text = text.replace(dialect.decimal, ".")
    if not _NUMBER_OR_NOT_FINITE.fullmatch(text):
        return problems.NOT_A_NUMBER
    number = float(text)
    if not math.isfinite(number):
        return number if role == "loss" else problems.NAN if math.isnan(number) else problems.INFINITE
    if abs(number) >= rules.EXACT_INTEGER_LIMIT and _INTEGER.fullmatch(text) and not is_exact(int(text[:400])):
        return problems.INEXACT
    return number


def all_plain(cells: Iterable[str], count: int, dialect: Dialect) -> bool:
    r"""Return whether so many cells are all numbers that `float` reads as `number_in` does, with certainty.

    >>> from mrl_cli.model import Dialect
    >>> all_plain(["-1.5", "7"], 2, Dialect()), all_plain(["7", "+1"], 2, Dialect()), all_plain(["1\n2"], 1, Dialect())
    (True, False, False)
    """
    return dialect.decimal == "." and _are_all(_ALL_PLAIN, cells, count, dialect)


def no_numbers(cells: Iterable[str], count: int, dialect: Dialect) -> bool:
    r"""Return whether so many cells are all words for which `number_in` finds that they are not numbers.

    >>> from mrl_cli.model import Dialect
    >>> no_numbers(["oops", "1e"], 2, Dialect()), no_numbers(["oops", "#N/A"], 2, Dialect())
    (False, True)
    """
    return dialect.decimal in ".," and _are_all(_NO_NUMBERS, cells, count, dialect)


def _are_all(pattern: re.Pattern[str], cells: Iterable[str], count: int, dialect: Dialect) -> bool:
    text = "\n".join([*cells, ""])
    return not dialect.null_values and text.count("\n") == count and pattern.fullmatch(text) is not None


def cell_number(cell: str, role: Role, plan: Plan) -> float | str:
    """Return the number of a cell in a column of that role, or the kind of problem it is, by the rules of a plan."""
    return number_in(cell, plan.reading.dialect, role, takes_booleans=plan.takes_booleans(role))


def null_numbers(plan: Plan) -> list[float | bool]:
    """Return the values that stand for none and are numbers."""
    dialect = plan.reading.dialect
    bare, takes_booleans = replace(dialect, null_values=()), plan.takes_booleans("y")
    known = (number_in(value, bare, takes_booleans=takes_booleans) for value in dialect.null_values)
    return [number for number in known if not isinstance(number, str)]


def is_exact(integer: int) -> bool:
    """Return whether a double holds the integer exactly.

    >>> is_exact(2**53), is_exact(2**53 + 1)
    (True, False)
    """
    try:
        return int(float(integer)) == integer
    except OverflowError:
        return False


@lru_cache(maxsize=4)
def _field(delimiter: str) -> re.Pattern[str]:
    bare = rf"[^{re.escape(delimiter)}\r\n]*"
    return re.compile(rf'"(?:[^"]|"")*"{bare}|{bare}')


def as_written(row: str, delimiter: str) -> list[str]:
    """Return the fields of a row as they stand there, quotes that a lenient CSV parser drops included.

    >>> as_written('12,"1"2,"0"', ","), as_written('"a,b",5,"a""b"', ",")
    (['12', '"1"2', '0'], ['a,b', '5', 'a"b'])
    """
    field = _field(delimiter)
    fields = []
    place = 0
    text = row.rstrip("\r\n")
    while True:
        match = field.match(text, place)
        raw = match.group() if match else ""
        is_well_quoted = _WELL_QUOTED.fullmatch(raw) is not None
        fields.append(raw[1:-1].replace('""', '"') if is_well_quoted else raw)
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
