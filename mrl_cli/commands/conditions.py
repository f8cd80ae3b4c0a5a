"""`--fail-if`: conditions on a report, like value>0.5 or accuracy<0.7."""

from __future__ import annotations

import math
import operator
import re
from typing import TYPE_CHECKING

from mrl_cli.errors import UsageError
from mrl_cli.records import light_dataclass
from mrl_cli.words import closest, harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mrl_cli.reports.base import Report

_CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@light_dataclass(frozen=True, slots=True)
class Condition:
    """A key of the report (outer.inner for one of a record within it), a comparison, and a number."""

    key: str
    comparison: str
    number: float

    def holds(self, report: Report) -> bool:
        """Return whether the condition holds. What is undefined (NaN) cannot pass a gate, so it holds for that too."""
        value = report.figure(self.key)
        return value is None or math.isnan(value) or _OPERATORS[self.comparison](float(value), self.number)

    def text_for(self, report: Report) -> str:
        """Return in words the reported figure and the condition that fails the run."""
        value = number_text(report.figure(self.key))
        return f"{self.key} is {value}, and {self.key}{self.comparison}{self.number:g} fails the run"


def parsed_conditions(expressions: Iterable[str], numbers: Sequence[str]) -> list[Condition]:
    """Return the conditions of expressions on these numbers of a report. Raises UsageError for any other expression."""
    return [_parsed(expression, numbers) for expression in expressions]


def _parsed(expression: str, numbers: Sequence[str]) -> Condition:
    match = _CONDITION.fullmatch(expression)
    if match is None:
        msg = f"--fail-if {harmless(expression)!r} is not KEY<NUMBER or the like"
        raise UsageError(msg, hint="for example --fail-if 'value>0.5'")
    key, comparison, text = match.groups()
    if key not in numbers:
        near = next((number for number in numbers if number.startswith(f"{key}.")), None) or closest(key, numbers)
        msg = f"--fail-if knows no {harmless(key)!r}; it knows {', '.join(numbers)}"
        raise UsageError(msg, hint=f"did you mean {near}?" if near else None)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        msg = f"--fail-if {harmless(expression)!r}: {harmless(text)!r} is not a number"
        raise UsageError(msg)
    return Condition(key, comparison, number)
