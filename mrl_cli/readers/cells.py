"""One cell of text to one number, by the one rule that every text format and both ways of reading keep."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mrl_cli import checks
from mrl_cli.wording import harmless

if TYPE_CHECKING:
    from mrl_cli.model import Dialect

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 1000
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
        return checks.MISSING
    if dialect.decimal != ".":
        if "." in text:
            return checks.NOT_A_NUMBER
        text = text.replace(dialect.decimal, ".")
    if not _NUMBER.fullmatch(text):
        if _NAN.fullmatch(text):
            return checks.NAN
        return checks.INFINITE if _INFINITE.fullmatch(text) else checks.NOT_A_NUMBER
    number = float(text)
    if math.isinf(number):
        return checks.INFINITE
    if abs(number) >= checks.EXACT_INTEGER_LIMIT and _INTEGER.fullmatch(text) and not is_exact(int(text[:400])):
        return checks.INEXACT
    return number


def is_exact(integer: int) -> bool:
    """Tell whether a double holds the integer exactly.

    >>> is_exact(2**53), is_exact(2**53 + 1)
    (True, False)
    """
    try:
        return int(float(integer)) == integer
    except OverflowError:
        return False


def as_written(cell: str, row: str, delimiter: str) -> str:
    """Return a parsed cell with the quotes inside it that a lenient CSV parser drops from `row`, the text of its row.

    >>> as_written("12", '5,"1"2,0', ","), as_written("12", '5,"12",0', ",")
    ('"1"2', '12')
    """
    if '"' in cell or len(cell) > _LONGEST_NUMBER:
        return cell  # a number is neither
    ends = f"[{re.escape(delimiter)}\r\n]"
    if re.search(rf'(?:^|{ends})("?){re.escape(cell)}\1(?:{ends}|$)', row):
        return cell
    spelled = '"*'.join(map(re.escape, cell))
    found = re.search(rf'(?:^|{ends})("*{spelled}"*)(?:{ends}|$)', row)
    return found.group(1) if found else cell


def shown_cell(cell: str) -> str:
    """Return a cell as an error message shows it.

    >>> shown_cell("oops"), shown_cell("-1")
    ("'oops'", '-1')
    """
    if _NUMBER.fullmatch(cell):
        return harmless(cell)
    return "'" + harmless(cell) + "'" if cell else "empty"
