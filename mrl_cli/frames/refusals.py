"""What a frame or a call is refused for: a ValueError in the words of the command line, with rows told by their label
and hints in the words of Python.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING

from mrl_cli.errors import MrlError, with_hint
from mrl_cli.inputs.frame import PLACE
from mrl_cli.model import ProblemCount
from mrl_cli.reports.refusals import described_problems, hint_for
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mrl_cli.model import Counts, Plan, Problem
    from mrl_cli.reductions.look import Look

_OPTION = re.compile(r"--([a-z-]+) (\w+)")


@contextmanager
def value_errors() -> Iterator[None]:
    """Raise ValueError for an error of the command line."""
    try:
        yield
    except MrlError as error:
        raise ValueError(with_hint(error.message, error.hint)) from None


def refuse(counts: Counts, frame: pd.DataFrame, plan: Plan, look: Look) -> None:
    """Raise ValueError for counts that allow no number: problems, or no pairs."""
    if counts.problems:
        problems = {kind: _named(count, frame) for kind, count in counts.problems.items()}
        message = described_problems(replace(counts, problems=problems), PLACE, is_one_file=True)
        hint = hint_for(counts, plan, has_zero_labels=look.lowest_label == 0)
        raise ValueError(with_hint(message, _argument_hint(hint)))
    if counts.pairs == 0:
        left = f": {counted(counts.rows, 'row')}, all left out" if counts.rows else ""
        msg = f"no pairs in {PLACE}{left}; the mean of nothing is undefined"
        raise ValueError(msg)


def _named(count: ProblemCount, frame: pd.DataFrame) -> ProblemCount:
    """Return problems whose rows are told by their label, and by their position where that is another."""
    return ProblemCount(count.count, tuple(_with_label(problem, frame) for problem in count.first))


def _with_label(problem: Problem, frame: pd.DataFrame) -> Problem:
    label = frame.index[problem.row]
    is_position = isinstance(label, Integral) and int(label) == problem.row
    return problem if is_position else replace(problem, row_word=f"row {harmless(label)}, at position")


def _argument_hint(hint: str | None) -> str | None:
    """Return a hint in the words of Python, or None for one about options that `evaluate` has no argument for."""
    if hint is None or any(option in hint for option in ("--on-error", "--encoding", "--decimal")):
        return None
    return _OPTION.sub(lambda found: f"{found[1].replace('-', '_')}={found[2]!r}", hint)
