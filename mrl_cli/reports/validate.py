"""The record of a validation, and how it is told: `VALIDATION_RENDERERS` holds every output format."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.records import light_dataclass
from mrl_cli.render.renderers import render_rows
from mrl_cli.words import counted, harmless, json_ready, number_text

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = "mrl.validate/1"
SETTINGS = ("loss", "margin", "margin_column", "parameters", "weight_column", "reduction", "dtype", "labels")


@light_dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found. Differences are the largest over all pairs, None where a check has none to tell.

    `max_bound_fraction` is how much of the rounding bound the worst pair used. `expected` and `got` belong to a check
    of one number; `note` says what a reader should know beside the verdict.
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
    """A pair for which a check found another loss than expected. `row` is None where rows cannot be told."""

    check: str
    file: str
    row: int | None
    x1: float
    x2: float
    y: float
    margin: float
    expected: float
    got: float
    row_word: str = "line"


@light_dataclass(frozen=True, slots=True)
class Explanation:
    """A known mistake that explains the numbers: what it is, and what it rests on.

    `matches` of the `rows` looked at are what the mistake would give, `fraction` of them; in `telling` of the rows the
    mistake gives another number than the right loss, so that they can tell the two apart.
    """

    hypothesis: str
    matches: int
    rows: int
    telling: int
    fraction: float


@light_dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What `mrl validate` found: the fields are the keys of its JSON object, in this order.

    Those that say what was run are None for the conformance suite, which has many of each.
    """

    schema: str = SCHEMA
    version: str = __version__
    inputs: tuple[str, ...] = ()
    loss: str
    margin: float | None = None
    margin_column: str | None = None
    parameters: dict[str, float] | None = None
    weight_column: str | None = None
    reduction: str | None = None
    dtype: str | None = None
    labels: str | None = None
    passed: bool
    value: float | None = None
    pairs: int
    rejected: int = 0
    ties_dropped: int = 0
    checks: tuple[CheckResult, ...]
    mismatches: tuple[Mismatch, ...] = ()
    mismatch_count: int
    explanations: tuple[Explanation, ...] = ()
    notes: tuple[str, ...] = ()
    elapsed_seconds: float = 0.0


def record(validation: Validation) -> dict[str, Any]:
    """Return a validation as JSON says it: no None, and nothing that is there only to be worded."""
    ready: dict[str, Any] = json_ready(_without_none(asdict(validation)))
    for mismatch in ready["mismatches"]:
        mismatch.pop("row_word")
    return ready


def part_of_record(validation: Validation) -> dict[str, Any]:
    """Return what a validation adds to the record of the computation that it checked."""
    whole = record(validation)
    return {key: whole[key] for key in ("passed", "checks", "mismatches", "mismatch_count", "notes")}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def render_json(validation: Validation, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object, indented."""
    del width, color
    return json.dumps(record(validation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render_jsonl(validation: Validation, *, width: int = 80, color: bool = False) -> str:
    """Return one JSON object on one line."""
    del width, color
    return json.dumps(record(validation), ensure_ascii=False, allow_nan=False) + "\n"


CHECK_NAMES = ("check", "verdict", "pairs", "max_abs_diff", "max_ulp_diff", "mismatches")


def _check_rows(validation: Validation) -> list[tuple[str, ...]]:
    return [
        (
            check.name,
            "passed" if check.passed else "failed",
            str(check.pairs),
            _shown(check.max_abs_diff),
            _shown(check.max_ulp_diff),
            str(check.mismatches),
        )
        for check in validation.checks
    ]


def _shown(number: float | None) -> str:
    return "" if number is None else number_text(number)


def _short(number: str) -> str:
    """Return a number in a few digits, for a person."""
    return f"{float(number):.3g}" if number and number not in ("Infinity", "NaN") else number


def _delimited(output: str) -> Callable[..., str]:
    def render(validation: Validation, *, width: int = 80, color: bool = False) -> str:
        return render_rows(CHECK_NAMES, _check_rows(validation), output, width=width, color=color)

    render.__doc__ = f"Return the checks, one a row, as {output.upper()}."
    return render


def _for_a_person(output: str) -> Callable[..., str]:
    def render(validation: Validation, *, width: int = 80, color: bool = False) -> str:
        rows = [
            (name, verdict, f"{int(pairs):,}", _short(abs_diff), _short(ulp_diff), f"{int(count):,}")
            for name, verdict, pairs, abs_diff, ulp_diff, count in _check_rows(validation)
        ]
        blocks = [render_rows(CHECK_NAMES, rows, output, width=width, color=color)]
        blocks += ["".join(f"{line}\n" for line in lines) for lines in (told(validation),) if lines]
        return "\n".join(blocks)

    render.__doc__ = f"Return the checks as a {output}, then the mismatches and what explains them in words."
    return render


def told(validation: Validation) -> list[str]:
    """Return in words what the table of checks does not say, and the verdict as the last line."""
    lines = [f"{check.name}: {check.note}" for check in validation.checks if check.note]
    lines += [f"explanation: {told_explanation(found)}" for found in validation.explanations]
    lines += [_told_mismatch(mismatch) for mismatch in validation.mismatches]
    listed = len(validation.mismatches)
    if validation.mismatch_count > listed:
        lines.append(f"… and {counted(validation.mismatch_count - listed, 'more mismatch', 'more mismatches')}")
    lines += [f"note: {note}" for note in validation.notes]
    failed = sum(not check.passed for check in validation.checks)
    return [*lines, f"{failed} of {len(validation.checks)} checks failed" if failed else "every check passed"]


def _told_mismatch(mismatch: Mismatch) -> str:
    place = harmless(mismatch.file, 200) + (f" {mismatch.row_word} {mismatch.row}" if mismatch.row is not None else "")
    return f"{place}: {_said_of(mismatch)}"


def _said_of(mismatch: Mismatch) -> str:
    x1, x2, y = (number_text(value) for value in (mismatch.x1, mismatch.x2, mismatch.y))
    return (
        f"{mismatch.check}: expected {number_text(mismatch.expected)}, got {number_text(mismatch.got)} "
        f"(x1 {x1}, x2 {x2}, y {y}, margin {number_text(mismatch.margin)})"
    )


def told_explanation(found: Explanation) -> str:
    """Return an explanation in words, with what it rests on."""
    if found.rows == 1:
        return f"{found.hypothesis}: that gives this very number"
    return (
        f"{found.hypothesis}: gives {found.matches:,} of {found.rows:,} losses ({found.fraction:.1%}); "
        f"in {found.telling:,} of these rows it differs from the right loss"
    )


def render_github(validation: Validation, *, width: int = 80, color: bool = False) -> str:
    """Return workflow commands: an error for each mismatching row and failed check, a notice for what explains them."""
    del width, color
    lines = []
    for mismatch in validation.mismatches:
        place = f"file={_property(mismatch.file)}"
        if mismatch.row is not None and mismatch.row_word == "line":
            place += f",line={mismatch.row}"
        where = f"row {mismatch.row}: " if mismatch.row is not None and mismatch.row_word != "line" else ""
        lines.append(f"::error {place},title=mrl validate::{_data(where + _said_of(mismatch))}")
    for check in validation.checks:
        if not check.passed:
            said = f"{check.name} failed: {counted(check.mismatches, 'mismatch', 'mismatches')}"
            said += f"; {check.note}" if check.note else ""
            lines.append(f"::error title=mrl validate::{_data(said)}")
    lines += [
        f"::notice title=mrl validate::{_data('explanation: ' + told_explanation(found))}"
        for found in validation.explanations
    ]
    if validation.passed:
        said = f"every check passed: {len(validation.checks)} checks of {validation.pairs:,} pairs"
        lines.append(f"::notice title=mrl validate::{said}")
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    """Escape the message of a workflow command, as GitHub's toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command, as GitHub's toolkit does."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


VALIDATION_RENDERERS: dict[str, Callable[..., str]] = {
    "table": _for_a_person("table"),
    "json": render_json,
    "jsonl": render_jsonl,
    "csv": _delimited("csv"),
    "tsv": _delimited("tsv"),
    "markdown": _for_a_person("markdown"),
    "github": render_github,
}
