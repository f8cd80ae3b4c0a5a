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
    from collections.abc import Sequence

    from mrl_cli.reports.base import Report

_CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
_OPERATORS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}  # in the module operator


@light_dataclass(frozen=True, slots=True)
class Condition:
    """A key of the report (outer.inner for one of a record within it), a comparison, and a number."""

    key: str
    comparison: str
    number: float

    @classmethod
    def of(cls, expression: str, numbers: Sequence[str]) -> Condition:
        """Return the condition of an expression on one of these numbers of a report. Raises UsageError for another."""
        match = _CONDITION.fullmatch(expression)
        if match is None:
            message = f"--fail-if {harmless(expression)!r} is not KEY<NUMBER or the like"
            raise UsageError(message, hint="for example --fail-if 'value>0.5'")
        key, comparison, text = match.groups()
        if key not in numbers:
            near = next((number for number in numbers if number.startswith(f"{key}.")), None) or closest(key, numbers)
            message = f"--fail-if knows no {harmless(key)!r}; it knows {', '.join(numbers)}"
            raise UsageError(message, hint=f"did you mean {near}?" if near else None)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise UsageError(f"--fail-if {harmless(expression)!r}: {harmless(text)!r} is not a number")
        return cls(key, comparison, number)

    def holds(self, report: Report) -> bool:
        """Return whether the condition holds. What is undefined (NaN) cannot pass a gate, so it holds for that too."""
        value = report.figure(self.key)
        if value is None or math.isnan(value):
            return True
        return bool(getattr(operator, _OPERATORS[self.comparison])(float(value), self.number))

    def text_for(self, report: Report) -> str:
        """Return in words the reported figure and the condition that fails the run."""
        value = number_text(report.figure(self.key))
        return f"{self.key} is {value}, and {self.key}{self.comparison}{self.number:g} fails the run"
