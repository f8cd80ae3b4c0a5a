"""What `mrl validate` reports: checks, the pairs that differ, and what explains them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.model import SCORE_SETTINGS
from mrl_cli.records import light_dataclass
from mrl_cli.reports.base import Annotation, Line, Report, Rows, Table
from mrl_cli.reports.cells import Verdict
from mrl_cli.reports.findings import finding_of_checks
from mrl_cli.words import counted, harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping

VALIDATED_SETTINGS = (
    *("loss", "margin", "margin_column", "parameters", "weight_column"),
    *SCORE_SETTINGS,
    *("reduction", "dtype", "labels", "label_map", "strength"),
    # Of ranked lists.
    *("query_column", "label_column", "score_column", "query_weight_column", "lambda_weight", "top"),
)


EXPECTED = "expected "  # what the name of the check of a user's figure begins with
YOURS = "yours is"
BY_MRL = "mrl computes"


def apart(right: str, other: str, whose: str = BY_MRL) -> str:
    """Return two numbers that differ in words that cannot be read the other way round.

    `whose` the other is: mrl's own, held to a number that is right; else somebody's, held to mrl's.

    >>> apart("0.31", "0.4", YOURS), apart("5", "6")
    ('mrl computes 0.31, yours is 0.4', 'should be 5, mrl computes 6')
    """
    return f"{BY_MRL if whose == YOURS else 'should be'} {right}, {whose} {other}"


@light_dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. Differences are the largest over all pairs, None where a check has none to report.

    `max_bound_fraction` is how much of the rounding bound the worst pair used. `expected` and `got` belong to a check
    of one number; `note` is what a reader should know beside the verdict.
    """

    name: str
    passed: bool
    pairs: int
    max_abs_diff: float | None = None
    max_ulp_diff: float | None = None
    mismatches: int = 0
    max_bound_fraction: float | None = None
    expected: float | None = None
    got: float | None = None
    note: str | None = None

    @property
    def title(self) -> str:
        """What people read as its name.

        >>> CheckResult("expected accuracy", True, 3).title, CheckResult("loop mean", True, 3).title
        ('your accuracy', 'loop mean')
        """
        return f"your {self.name.removeprefix(EXPECTED)}" if self.name.startswith(EXPECTED) else self.name

    @property
    def failure(self) -> str:
        """How the check failed, in words."""
        text = f"{self.title} failed: {counted(self.mismatches, 'mismatch', 'mismatches')}"
        return text + (f"; {self.note}" if self.note else "")

    def __add__(self, other: CheckResult) -> CheckResult:
        """Return the check of the pairs of both; what belongs to one number alone is left out."""
        fractions = [one.max_bound_fraction for one in (self, other) if one.max_bound_fraction is not None]
        return CheckResult(
            self.name,
            self.passed and other.passed,
            self.pairs + other.pairs,
            max(self.max_abs_diff or 0.0, other.max_abs_diff or 0.0),
            max(self.max_ulp_diff or 0, other.max_ulp_diff or 0),
            self.mismatches + other.mismatches,
            max(fractions, default=None),
            note="; ".join(one.note for one in (self, other) if one.note) or None,
        )


@light_dataclass(frozen=True, slots=True)
class Mismatch:
    """A pair for which a check got another loss than expected. `row` is None where its number is not known.

    A pair that is read as a difference has that, and no x1 and x2. `whose` is whose loss was got, as `apart` says it.
    """

    check: str
    file: str
    row: int | None
    x1: float | None
    x2: float | None
    y: float
    margin: float
    expected: float
    got: float
    row_word: str = "line"
    difference: float | None = None
    whose: str = BY_MRL

    @property
    def text(self) -> str:
        """What differs, in words."""
        names = ("difference", "x1", "x2", "y", "margin")
        numbers = ((name, getattr(self, name)) for name in names)
        pair = (f"{name} {number_text(number)}" for name, number in numbers if number is not None)
        losses = apart(number_text(self.expected), number_text(self.got), self.whose)
        return f"{self.check}: {losses} ({', '.join(pair)})"


@light_dataclass(frozen=True, slots=True)
class Explanation:
    """A known mistake that explains the numbers: what it is, and what it rests on.

    `matches` of the `rows` looked at are what the mistake would give; in `telling` of the rows the mistake gives
    another number than the right loss, so that they distinguish the two. `check` is the check that it explains, `hint`
    says with which options mrl computes the same. `lacks` is what cannot prove it, though it fits. `of` is what the
    rows are.
    """

    hypothesis: str
    matches: int
    rows: int
    telling: int
    check: str = ""
    hint: str | None = None
    lacks: str | None = None
    of: str = "losses"

    @property
    def fraction(self) -> float:
        """The share of the rows looked at that the mistake would give."""
        return self.matches / self.rows

    @property
    def is_proven(self) -> bool:
        """Whether chance hardly gives such a fit."""
        return self.lacks is None

    @property
    def text(self) -> str:
        """The explanation in words, with what it rests on."""
        hint = f"; try {self.hint}" if self.hint else ""
        if self.lacks is not None:
            return f"possible explanation: {self.hypothesis}: gives that, but {self.lacks} cannot prove it{hint}"
        if self.of != "losses":
            return (
                f"explanation: {self.hypothesis}: in {self.matches:,} of {self.rows:,} {self.of} ({self.fraction:.1%})"
            )
        if self.rows == 1:
            return f"explanation: {self.hypothesis}: that gives this very number{hint}"
        return (
            f"explanation: {self.hypothesis}: gives {self.matches:,} of {self.rows:,} losses ({self.fraction:.1%}); "
            f"in {self.telling:,} of these rows it differs from the right loss{hint}"
        )


_NUMBERS = ("pairs", "max_abs_diff", "max_ulp_diff", "mismatches")  # of a check
_VERDICTS = {True: "passed", False: "failed"}
_SHOWN = ("mismatches", "pairs", "max_abs_diff", "max_ulp_diff")  # to people, in the order of importance
_WORDS = ("row_word", "whose")  # of a mismatch, which are there only to be worded, as `of` of an explanation is
_EXPLAINED = ("hypothesis", "matches", "rows", "telling", "fraction", "check", "hint", "lacks")
_DERIVED = {"fraction"}  # of those, what the others give
_DEFAULTS: dict[str, Any] = {"schema": "mrl.validate/1", "version": __version__, "inputs": (), "function": None}
_DEFAULTS |= dict.fromkeys((*VALIDATED_SETTINGS, "passed", "value", "pairs"))
_DEFAULTS |= {"rejected": 0, "ties_dropped": 0, "labels_skipped": None, "checks": (), "mismatches": ()}
_DEFAULTS |= {"mismatch_count": 0, "explanations": (), "notes": ()}


def text_of_record(record: Mapping[str, Any]) -> str:
    """Return one of the `explanations` of a record in words, as `mrl validate` prints it."""
    return Explanation(**{key: record[key] for key in _EXPLAINED if key in record and key not in _DERIVED}).text


class Validation(Report):
    """What `mrl validate` reports. The settings are None for the conformance suite, which has many of each.

    `checks`, `mismatches` and `explanations` are the records of this module.
    """

    def __init__(self, **figures: Any) -> None:
        super().__init__(**(_DEFAULTS | figures))

    def record(self) -> dict[str, Any]:
        """Return the JSON object, without what is there only to be worded."""
        record: dict[str, Any] = super().record()
        for key in ("checks", "mismatches"):
            items = [asdict(item).items() for item in record[key]]
            record[key] = [
                {name: value for name, value in item if value is not None and name not in _WORDS} for item in items
            ]
        record["explanations"] = [
            {key: value for key in _EXPLAINED if (value := getattr(one, key)) is not None} | {"proven": one.is_proven}
            for one in self.explanations
        ]
        return record

    def cells(self) -> Rows:
        """Return a row for each check, with what explains it where it failed."""
        first_failed = next((check.name for check in self.checks if not check.passed), "")
        explanations = {one.check or first_failed: one.text for one in reversed(self.explanations)}
        rows = [
            (one.name, _VERDICTS[one.passed], *(getattr(one, key) for key in _NUMBERS), explanations.get(one.name))
            for one in self.checks
        ]
        return ("check", "verdict", *_NUMBERS, "explanation"), rows

    def blocks(self) -> list[Table | Line]:
        """Return the verdict, the checks, then the mismatches and what explains them in words."""
        rows = [
            (one.title, Verdict(_VERDICTS[one.passed], one.passed), one.mismatches, one.pairs, one.max_abs_diff, ulps)
            for one in self.checks
            for ulps in [None if one.max_ulp_diff is None else float(one.max_ulp_diff)]  # of which there may be 1e18
        ]
        verdict = Line(f"{finding_of_checks(self.checks, self.pairs)}.", "good" if self.passed else "bad")
        return [verdict, Table(("check", "verdict", *_SHOWN), rows, numbers=len(_SHOWN)), *self.sentences()]

    def statements(self) -> list[str]:
        """Return in words what rows of checks leave out, and the verdict as the last line."""
        return [*(line.text for line in self.sentences()), f"{finding_of_checks(self.checks, self.pairs)}."]

    def sentences(self) -> list[Line]:
        """Return in words what the table of checks does not show."""
        lines = [Line(f"{check.title}: {check.note}") for check in self.checks if check.note]
        lines += [Line(explanation.text, "finding") for explanation in self.explanations]
        for mismatch in self.mismatches:
            row = "" if mismatch.row is None else f" {mismatch.row_word} {mismatch.row}"
            lines.append(Line(f"{harmless(mismatch.file, 200)}{row}: {mismatch.text}"))
        more = self.mismatch_count - len(self.mismatches)
        if more > 0 and self.mismatches:
            lines.append(Line(f"… and {counted(more, 'more mismatch', 'more mismatches')}"))
        return lines + [Line(f"note: {note}", "note") for note in self.notes]

    def annotations(self) -> list[Annotation]:
        """Return an error for each mismatching row and failed check, a notice for what explains them."""
        listed = []
        for mismatch in self.mismatches:
            is_line = mismatch.row_word == "line"
            where = "" if mismatch.row is None or is_line else f"row {mismatch.row}: "
            line = mismatch.row if is_line else None
            listed.append(Annotation("error", where + mismatch.text, mismatch.file, line))
        listed += [Annotation("error", check.failure) for check in self.checks if not check.passed]
        listed += [Annotation("notice", explanation.text) for explanation in self.explanations]
        if self.passed:
            text = f"every check passed: {len(self.checks)} checks of {self.pairs:,} pairs"
            listed.append(Annotation("notice", text))
        return listed


def part_of_record(validation: Validation) -> dict[str, Any]:
    """Return what a validation adds to the record of the computation that it checked."""
    whole = validation.record()
    return {key: whole[key] for key in ("passed", "checks", "mismatches", "mismatch_count", "notes")}
