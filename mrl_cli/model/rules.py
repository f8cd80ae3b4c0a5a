"""The input contract: what a score and a label must be, checked batch by batch.

`passes` is quick and only ever errs towards suspicion; `examine` names each problem. Kinds of problems found by readers
(cells that are no numbers, ragged rows) are named here too, so that every kind has its words in one place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.model import FIRST_PROBLEMS_SHOWN, Problem, ProblemCount
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Labels, PairBatch, Plan, Totals

# Above this magnitude neighbouring doubles are more than 1 apart, so an integer may have lost its last digits.
EXACT_INTEGER_LIMIT = 2.0**53

LABEL_KINDS: dict[Labels, str] = {"pm1": "label not ±1", "01": "label not 0 or 1", "any": "label not finite"}
NOT_A_NUMBER = "not a number"
MISSING = "missing value"
NAN = "NaN"
INFINITE = "infinite"
INEXACT = "integer not exact as a double"
NOT_FINITE = {NAN, INFINITE}  # what a column of losses may well hold: it is compared, not computed with
NEGATIVE_WEIGHT = "weight below 0"
RAGGED = "wrong number of fields"
ENCODING = "not in the encoding"
ENCODING_HINT = "name the file's encoding with --encoding, e.g. --encoding latin-1"
NOT_AN_OBJECT = "not one JSON object"
TOO_DEEP = "nested too deeply"
DUPLICATE_KEY = "key given twice"
NO_SUCH_SCORE = "no row of the scores"

_ALLOWED: dict[Labels, tuple[float, ...]] = {"pm1": (1, -1), "01": (1, 0)}


def passes(batch: PairBatch, plan: Plan) -> bool:
    """Tell whether every pair is certainly fine: scores (and real labels) below 2**53, labels within the rule.

    False asks for `examine`; it does not say that anything is wrong.
    """
    if not (_ordinary(batch.x1) and _ordinary(batch.x2)):
        return False
    for role, values in batch.numbers.items():
        if role != "loss" and not _ordinary(values, lowest=0 if role == "weight" else None):
            return False
    if batch.y is None:
        return True
    return _ordinary(batch.y) if plan.labels == "any" else bool(_label_fits(batch.y, plan).all())


def _ordinary(values: NDArray[Any], lowest: float | None = None) -> bool:
    # NaN makes min and max NaN, and every comparison with NaN is false.
    least = values.min()
    is_high_enough = least > -EXACT_INTEGER_LIMIT if lowest is None else least >= lowest
    return bool(is_high_enough and values.max() < EXACT_INTEGER_LIMIT)


def _label_fits(y: NDArray[Any], plan: Plan) -> NDArray[np.bool_]:
    if plan.labels == "any":
        return _finite_as(y, plan)
    first, second = _ALLOWED[plan.labels]
    fits: NDArray[np.bool_] = (y == first) | (y == second)
    return fits | (y == 0) if plan.on_tie == "drop" and plan.labels == "pm1" else fits


class Examined(NamedTuple):
    """Which pairs of a batch are fine, shape (n,); how many problems of each kind the others have; and the problems.

    The problems are in row order: all of them where the plan lists them, else the first few of each kind and column.
    """

    fine: NDArray[np.bool_]
    counts: dict[str, int]
    problems: list[Problem]


def examine(batch: PairBatch, rows: Sequence[int], plan: Plan) -> Examined:
    """Name the problems of a batch that does not pass."""
    fine = np.ones(batch.x1.size, dtype=bool)
    counts: dict[str, int] = {}
    found: list[tuple[int, int, Problem]] = []
    columns: list[tuple[str | None, NDArray[Any], NDArray[np.bool_], str]] = [
        (plan.columns.x1, batch.x1, _finite_as(batch.x1, plan), INFINITE),
        (plan.columns.x2, batch.x2, _finite_as(batch.x2, plan), INFINITE),
    ]
    if batch.y is not None:
        columns.append((plan.columns.y, batch.y, _label_fits(batch.y, plan), LABEL_KINDS[plan.labels]))
    names = dict(plan.columns.numbers)
    for role, values in batch.numbers.items():
        # Losses are compared, not computed with; weights stay doubles whatever the dtype.
        finite = np.isfinite(values) if role == "weight" else _finite_as(values, plan)
        finite = np.ones(values.size, bool) if role == "loss" else finite
        columns.append((names.get(role), values, finite, INFINITE))
        if role == "weight":
            columns.append((names.get(role), values, ~(values < 0), NEGATIVE_WEIGHT))
    for place, (name, values, fits, kind) in enumerate(columns):
        fine &= fits
        for this_kind, is_bad in ((NAN, ~fits & np.isnan(values)), (kind, ~fits & ~np.isnan(values))):
            indexes = np.flatnonzero(is_bad)
            if indexes.size == 0:
                continue
            counts[this_kind] = counts.get(this_kind, 0) + indexes.size
            listed = indexes if plan.lists_problems else indexes[:FIRST_PROBLEMS_SHOWN]
            found += [(i, place, _problem(this_kind, batch, rows[i], name, values[i])) for i in listed.tolist()]
    return Examined(fine, counts, [problem for _, _, problem in sorted(found, key=lambda item: item[:2])])


def _finite_as(values: NDArray[Any], plan: Plan) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        finite: NDArray[np.bool_] = np.isfinite(values.astype(plan.dtype, copy=False))
        return finite


def _problem(kind: str, batch: PairBatch, row: int, column: str | None, value: Any) -> Problem:
    number = value.item()
    is_plain = isinstance(number, float) and number.is_integer() and abs(number) < EXACT_INTEGER_LIMIT
    shown = str(int(number)) if is_plain else str(number)
    return Problem(kind, batch.file, row, column, shown, batch.row_word)


# Three digits after the comma may as well be thousands.
_DECIMAL_COMMA = re.compile(r"'[+-]?\d+,(?:\d{1,2}|\d{4,})'")


def hint_for(totals: Totals, plan: Plan) -> str | None:
    """Return what a user with the problems of these totals most probably has to do."""
    problems = totals.problems
    label = problems.get(LABEL_KINDS["pm1"])
    if label is not None and all(problem.value in {"0", "False"} for problem in label.first):
        return "labels are 0 and 1 here? use --labels 01; 0 means no preference? use --on-tie drop"
    label = problems.get(LABEL_KINDS["01"])
    if label is not None and all(problem.value == "-1" for problem in label.first):
        hint = "labels are 1 and -1 here? leave out --labels 01"
        has_zeros = totals.look.lowest_label == 0
        return hint + ("; 0 means no preference? then with --on-tie drop" if has_zeros else "")
    if label is not None or LABEL_KINDS["pm1"] in problems:
        return "y is a real number here? use --labels any"
    not_numbers = problems.get(NOT_A_NUMBER, ProblemCount()).first
    if plan.dialect.decimal == "." and any(_DECIMAL_COMMA.fullmatch(problem.value) for problem in not_numbers):
        return "decimal commas? use --decimal ,"
    if ENCODING in problems:
        return ENCODING_HINT
    if NO_SUCH_SCORE in problems and plan.scores is not None:
        return f"rows of the scores are counted from 0, and there are {plan.scores.values.size:,}"
    return "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down"


def described_problems(totals: Totals, place: str, *, is_one_file: bool) -> str:
    """Return the lines that tell of problems: how many, of which kinds, and the first few of each."""
    count = sum(kind.count for kind in totals.problems.values())
    lines = [f"{counted(count, 'problem')} in {place} ({counted(totals.rows, 'row')})"]
    width = max(map(len, totals.problems))
    for kind, found in sorted(totals.problems.items(), key=lambda item: -item[1].count):
        shown = "   ".join(_described(problem, with_file=not is_one_file) for problem in found.first)
        lines.append(f"  {kind:<{width}}  {found.count:>6,}   {shown}")
    return "\n".join(lines)


def _described(problem: Problem, *, with_file: bool) -> str:
    where = f"{problem.file} " if with_file else ""
    what = f"{problem.column} is {problem.value}" if problem.column is not None else problem.value
    return f"{where}{problem.row_word} {problem.row}: {what}"
