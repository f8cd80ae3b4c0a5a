"""What a run is refused for: problems in the data, and no pairs, with what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from mrl_cli.errors import DataError
from mrl_cli.model import FilledRole
from mrl_cli.model.problems import (
    ENCODING,
    ENCODING_HINT,
    LABEL_KINDS,
    LIST,
    MISSING,
    NO_SUCH_SCORE,
    NOT_A_NUMBER,
    NOT_IN_MAP,
    PATH_LIST,
    TIE,
    Counts,
    Problem,
    ProblemCount,
)
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.look import Look

# Three digits after the comma may as well be thousands.
_DECIMAL_COMMA = re.compile(r"'[+-]?\d+,(?:\d{1,2}|\d{4,})'")


def hint_for(counts: Counts, plan: Plan, look: Look, scores: int | None) -> str:
    """Return what a user with these problems most probably has to do; pairs may point at so many scores."""
    problems = counts.problems
    if NOT_IN_MAP in problems:
        label_map = harmless(plan.rules.label_map_text, 200)
        return f"the map of labels is {label_map}; each value needs an entry: 1, -1, 0 or skip"
    if TIE in problems:
        return "--on-tie drop leaves ties out and counts them"
    label = problems.get(LABEL_KINDS["pm1"])
    if label is not None and all(problem.value in {"0", "False"} for problem in label.first):
        return "labels are 0 and 1 here? use --labels 01; 0 means no preference? use --on-tie drop"
    label = problems.get(LABEL_KINDS["01"])
    if label is not None and all(problem.value == "-1" for problem in label.first):
        hint = "labels are 1 and -1 here? leave out --labels 01"
        return hint + ("; 0 means no preference? then with --on-tie drop" if look.lowest_label == 0 else "")
    if label is not None or LABEL_KINDS["pm1"] in problems:
        return "y is a real number here? use --labels any"
    not_numbers = problems.get(NOT_A_NUMBER, ProblemCount()).first
    if plan.reading.dialect.decimal == "." and any(_DECIMAL_COMMA.fullmatch(problem.value) for problem in not_numbers):
        return "decimal commas? use --decimal ,"
    if PATH_LIST in problems:
        return "items of a list are named by their place, counted from 0"
    if LIST in problems:
        problem, later = problems[LIST].first[0], "lists are for `mrl rank`, which comes with a later version"
        if problem.value.startswith("[") and "," in problem.value:  # not in a text, which paths do not lead into
            return f"one of its numbers is named by its place, from 0, such as {problem.column}.0; {later}"
        return f"one number belongs in a cell; {later}"
    missing = {problem.column for problem in problems.get(MISSING, ProblemCount()).first}
    for role in get_args(FilledRole):
        if missing == {plan.columns.name_of(role)}:
            return f"--fill {role}=VALUE says what a missing {role} is; --on-error skip leaves bad rows out"
    if ENCODING in problems:
        return ENCODING_HINT
    if NO_SUCH_SCORE in problems and scores is not None:
        return f"rows of the scores are counted from 0, and there are {scores:,}"
    return "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down"


def refuse(
    counts: Counts, plan: Plan, names: Sequence[str], look: Look, *, wants_mean: bool, scores: int | None = None
) -> None:
    """Raise DataError for counts that allow no number: problems under `fail`, or no pairs; `names` are the inputs'."""
    place = "stdin" if list(names) == ["-"] else harmless(names[0], 200) if len(names) == 1 else f"{len(names)} files"
    if counts.problems and plan.reading.on_error == "fail":
        message = described_problems(counts, place, is_one_file=len(names) == 1)
        raise DataError(message, hint=hint_for(counts, plan, look, scores))
    if counts.pairs == 0:
        left = f": {counted(counts.rows, 'row')}, all left out" if counts.rows else ""
        undefined = "; the mean of nothing is undefined" if wants_mean else ""
        hint = "is it empty, or all header?" if not counts.rows else None
        if counts.problems:
            hint = "--on-error fail, or --rejects FILE, tells why"
        raise DataError(f"no pairs in {place}{left}{undefined}", hint=hint)


def described_problems(counts: Counts, place: str, *, is_one_file: bool) -> str:
    """Return the lines that describe problems: how many, of which kinds, and the first few of each."""
    count = sum(kind.count for kind in counts.problems.values())
    lines = [f"{counted(count, 'problem')} in {place} ({counted(counts.rows, 'row')})"]
    width = max(map(len, counts.problems))
    for kind, examples in sorted(counts.problems.items(), key=lambda item: -item[1].count):
        text = "   ".join(_described(problem, with_file=not is_one_file) for problem in examples.first)
        lines.append(f"  {kind:<{width}}  {examples.count:>6,}   {text}")
    return "\n".join(lines)


def _described(problem: Problem, *, with_file: bool) -> str:
    where = f"{problem.file} " if with_file else ""
    what = f"{problem.column} is {problem.value}" if problem.column is not None else problem.value
    return f"{where}{problem.row_word} {problem.row}: {what}"
