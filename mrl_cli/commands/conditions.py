"""`--fail-if`: conditions on a report, like value>0.5 or accuracy<0.7."""

from __future__ import annotations

import math
import operator
import re
from typing import TYPE_CHECKING

from mrl_cli.errors import UsageError
from mrl_cli.records import light_dataclass
from mrl_cli.reports.base import OF_GROUPS, Report
from mrl_cli.words import closest, harmless, is_float, number_text, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Plan

MOST_NAMED = 50  # groups in a message
OF_SECTIONS = "sections.accuracy"  # of every section of a benchmark
_CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
_OTHERWISE = {"≤": "<=", "≥": ">=", "≠": "!=", "=<": "<=", "=>": ">="}  # how comparisons are written elsewhere
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}  # with its sides exchanged
_SHARE = "accuracy"  # is in the keys of figures from 0 to 1
_OPERATORS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}  # in the module operator


def refuse_unknown(option: str, key: str, numbers: Sequence[str]) -> None:
    """Raise UsageError for a key that is none of these numbers of a report, with the closest one."""
    if key not in numbers:
        near = next((number for number in numbers if number.startswith(f"{key}.")), None) or closest(key, numbers)
        of_groups = [name for name in numbers if name.startswith(OF_GROUPS)]
        known = [*numbers[: len(numbers) - len(of_groups)], *([f"{OF_GROUPS}KEY"] if of_groups else [])]
        message = f"{option} knows no {harmless(key)!r}; it knows {', '.join(known)}"
        raise UsageError(message, hint=f"did you mean {near}?" if near else None)


def _is_number(text: str) -> bool:
    return is_float(text) and not math.isnan(float(text))


def _meant(expression: str, numbers: Sequence[str]) -> str | None:
    """Return the condition that an expression stands for which is written as elsewhere; None where it is none.

    >>> [_meant(text, ["accuracy", "pairs"]) for text in ("0.5>accuracy", "accuracy<90%", "pairs = 5", "pairs<5%")]
    ['accuracy<0.5', 'accuracy<0.9', 'pairs==5', None]
    """
    for other, ours in _OTHERWISE.items():
        expression = expression.replace(other, ours)
    match = _CONDITION.fullmatch(re.sub("(?<![<>=!])=(?!=)", "==", expression))
    if match is None:
        return None
    key, comparison, text = match.groups()
    if text in numbers:
        key, comparison, text = text, _TURNED.get(comparison, comparison), key
    if text.endswith("%") and _SHARE in key and _is_number(text[:-1]):
        from fractions import Fraction  # few conditions are written so

        text = str(float(Fraction(text[:-1]) / 100))
    return f"{key}{comparison}{text}" if key in numbers and _is_number(text) else None


@light_dataclass(frozen=True, slots=True)
class Condition:
    """A key of the report (outer.inner for one of a record within it), a comparison, and a number.

    A key groups.inner is about every group, and sections.accuracy about every section: the condition holds when it does
    for any of them. `written` is the number as the user wrote it.
    """

    key: str
    comparison: str
    number: float
    written: str

    @classmethod
    def of(cls, expression: str, numbers: Sequence[str]) -> Condition:
        """Return the condition of an expression on one of these numbers of a report. Raises UsageError for another."""
        shown, match = f"--fail-if {harmless(expression)!r}", _CONDITION.fullmatch(expression)
        key, comparison, text = match.groups() if match is not None else ("", "", "")
        if key not in numbers or not _is_number(text):
            if meant := _meant(expression, numbers):
                raise UsageError(f"{shown} is not KEY<NUMBER or the like", hint=f"did you mean --fail-if '{meant}'?")
            if match is None or _is_number(key):
                raise UsageError(f"{shown} is not KEY<NUMBER or the like", hint="for example --fail-if 'value>0.5'")
            refuse_unknown("--fail-if", key, numbers)
            hint = f"write a plain number, for example --fail-if '{key}{comparison}0.5'"
            raise UsageError(f"{shown}: {harmless(text)!r} is not a number", hint=hint)
        return cls(key, comparison, float(text), text)

    def holds(self, report: Report) -> bool:
        """Return whether the condition holds. What is undefined (NaN) cannot pass a gate, so it holds for that too."""
        return bool(self._failing(report))

    def text_for(self, report: Report) -> str:
        """Return in words the reported figures for which the condition holds, and that it fails the run."""
        failing = self._failing(report)
        values = ", ".join(failing[:MOST_NAMED]) + (", …" if len(failing) > MOST_NAMED else "")
        return f"{self.key} is {values}, and {self.key}{self.comparison}{self.written} fails the run"

    def _failing(self, report: Report) -> list[str]:
        """Return the figures for which the condition holds, in words."""
        key = self.key.removeprefix(OF_GROUPS)
        if self.key == OF_SECTIONS:
            sections = report.figure("sections")
            values = [((section["section"],), section["accuracy"]) for section in sections]
            if not values:  # what is undefined passes no gate
                return ["undefined: there is no section"]
        elif key == self.key:
            value = report.figure(key)
            return [number_text(value)] if self._holds_for(value) else []
        else:
            values = [(group.group, group.figure(key)) for group in report.groups]
        return [f"{number_text(value)} in {quoted(name)}" for name, value in values if self._holds_for(value)]

    def _holds_for(self, value: float | None) -> bool:
        if value is None or math.isnan(value):
            return True
        return bool(getattr(operator, _OPERATORS[self.comparison])(float(value), self.number))


def hint_on_missing(key: str, reported: Sequence[str], plan: Plan) -> str:
    """Return what makes a run report a figure that it does not, or else what it reports."""
    from mrl_cli.reports.figures import keys_that_need

    bounds = keys_that_need("confidence", *(["confidence of lists"] if plan.has_lists else []))
    has_bounds = plan.reporting.reduction != "none" and not plan.has_weights
    if key.removeprefix(OF_GROUPS) in bounds and has_bounds:
        return "use --confidence 0.95"
    return f"it reports {', '.join(reported)}"


def conditions_of(expressions: Sequence[str], plan: Plan) -> list[Condition]:
    """Return conditions on figures of a run. Raises UsageError for one on a key that a run of that plan has not."""
    from mrl_cli.reports.figures import known_numbers, reported_numbers

    reported = reported_numbers(plan)
    known = sorted((*known_numbers(plan), OF_SECTIONS), key=lambda key: key.startswith(OF_GROUPS))
    reported += [OF_SECTIONS] if "section_average" in reported else []
    conditions = [Condition.of(expression, known) for expression in expressions]
    shown = [key for key in reported if not key.startswith(OF_GROUPS)]
    for condition in conditions:
        if condition.key.startswith(OF_GROUPS) and not plan.has_groups:
            raise UsageError(f"--fail-if {condition.key} goes with --group-by or --by-file")
        if condition.key not in reported:
            message = f"--fail-if {condition.key}: this run does not report it"
            raise UsageError(message, hint=hint_on_missing(condition.key, shown, plan))
    return conditions
