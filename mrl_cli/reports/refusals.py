"""What a run is refused for: problems in the data, and no pairs, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError
from mrl_cli.reports.labelways import STRAY
from mrl_cli.reports.remedies import remedy
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.model import Counts, ProblemCount
    from mrl_cli.reports.symptoms import Symptoms


def refuse(symptoms: Symptoms, names: Sequence[str], *, wants_mean: bool) -> None:
    """Raise DataError for counts that allow no number: problems under `fail`, or no pairs; `names` are the inputs'."""
    counts, place, is_one_file, hint = symptoms.counts, _place(names), len(names) == 1, remedy(symptoms)
    if counts.problems and symptoms.plan.reading.on_error == "fail":
        message = described_problems(counts, place, is_one_file=is_one_file)
        raise DataError(message, hint=hint, problems=first_problems(counts))
    if counts.pairs:
        return
    undefined = "; the mean of nothing is undefined" if wants_mean else ""
    what = "rows" if symptoms.plan.has_lists or not counts.rows else "pairs"
    message = f"no {what} in {place}{_left_out(counts)}{undefined}"
    if counts.problems:
        message += "\n" + described_problems(counts, place, is_one_file=is_one_file)
    hint = hint if counts.rows else "is it empty, or all header?"
    raise DataError(message, hint=hint, problems=first_problems(counts))


def reason_of_many(symptoms: Symptoms) -> str | None:
    """Return why many rows were left out, and what reads them; None where they are few."""
    counts = symptoms.counts
    if counts.rejected < STRAY or counts.rejected * STRAY <= counts.rows:
        return None
    kind, known = _by_count(counts)[0]
    hint = remedy(symptoms)
    return f"{known.count:,} times: {kind} ({known.first[0].described()}){f'; {hint}' if hint else ''}"


def beside_left_out(error: DataError, symptoms: Symptoms, names: Sequence[str]) -> DataError:
    """Return the error of rows that allow no number, with those left out beside them: then the hint is about these."""
    counts = symptoms.counts
    if counts.rows == counts.pairs:
        return error
    left_out = counts.rejected if counts.file_rows else counts.rows - counts.pairs  # of lists, items are no rows
    message = f"{error.message}; {left_out:,} of {counted(counts.input_rows, 'row')} left out"
    message += f" ({_reasons(counts)})"
    if counts.problems:
        message += "\n" + described_problems(counts, _place(names), is_one_file=len(names) == 1)
    return DataError(message, hint=remedy(symptoms), problems=first_problems(counts))


def _place(names: Sequence[str]) -> str:
    return "stdin" if list(names) == ["-"] else harmless(names[0], 200) if len(names) == 1 else f"{len(names)} files"


def _left_out(counts: Counts) -> str:
    """Return in words that all rows were left out, and why."""
    return f": {counted(counts.input_rows, 'row')}, all left out ({_reasons(counts)})" if counts.rows else ""


def _reasons(counts: Counts) -> str:
    """Return in words why how many rows were left out: a reason for each summand of `Counts.rows` but pairs."""
    reasons = {"a problem": counts.rejected, "a label 0": counts.ties_dropped, "a weight 0": counts.zero_weight}
    reasons |= {"a label mapped to skip": counts.labels_skipped, "a label of items not judged": counts.unjudged}
    reasons["want of a judgment"] = counts.missing
    return ", ".join(f"{count:,} for {reason}" for reason, count in reasons.items() if count)


def first_problems(counts: Counts) -> list[dict[str, Any]]:
    """Return the problems that `described_problems` names, in that order, each as a record."""
    keys = ("file", "row", "column", "value", "kind")
    return [{key: getattr(problem, key) for key in keys} for _, few in _by_count(counts) for problem in few.first]


def described_problems(counts: Counts, place: str, *, is_one_file: bool) -> str:
    """Return the lines that describe problems: how many, of which kinds, and the first few of each."""
    count = sum(kind.count for kind in counts.problems.values())
    lines = [f"{counted(count, 'problem')} in {place} ({counted(counts.input_rows, 'row')})"]
    width = max(map(len, counts.problems))
    for kind, examples in _by_count(counts):
        text = "   ".join(problem.described(with_file=not is_one_file) for problem in examples.first)
        lines.append(f"  {kind:<{width}}  {examples.count:>6,}   {text}")
    return "\n".join(lines)


def _by_count(counts: Counts) -> list[tuple[str, ProblemCount]]:
    """Return the kinds of problems, the most frequent first."""
    return sorted(counts.problems.items(), key=lambda item: -item[1].count)
