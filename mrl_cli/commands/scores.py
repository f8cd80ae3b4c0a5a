"""A file of scores that pairs point at: one number per line, or one column of a table; held in memory."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.engines.base import Job, fold
from mrl_cli.engines.local import local
from mrl_cli.errors import DataError, UsageError
from mrl_cli.inputs import columns_of, resolve
from mrl_cli.inputs.base import is_float, no_column
from mrl_cli.inputs.formats import TEXTS
from mrl_cli.inputs.partitions import Scores
from mrl_cli.inputs.streams import open_text
from mrl_cli.model import Columns, Counts, Dialect, Plan, tally
from mrl_cli.reductions.base import Reduction
from mrl_cli.reports.refusals import described_problems
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.inputs import Source
    from mrl_cli.model import Problem
    from mrl_cli.reductions.measured import Measured

COLUMN = "score"


def read_scores(path: str, column: str | None) -> Scores:
    """Return the scores in a file's column; None: its only one, else the one called `score`.

    A text of numbers without a header line has one column. Raises UsageError where the column is not there and
    DataError for a score that is not a finite number, for a blank line between scores, and for no scores.
    """
    sources = resolve([path]) if path != "-" else ()
    if len(sources) != 1:
        raise UsageError(f"--scores {harmless(path, 200)} is not one file")
    source = sources[0]
    try:
        names = columns_of(source, Plan.of(columns=Columns(COLUMN, COLUMN, None), y_const=1))
        is_one_column = source.format in TEXTS and len(names) == 1
        has_header = not (is_one_column and is_float(names[0]))
        name = _chosen(names, column, source) if has_header else "1"
        plan = Plan.of(columns=Columns(name, name, None), y_const=1, dialect=Dialect(header=has_header))
        if is_one_column:
            _refuse_blank_lines(source, name if has_header else None)
        values = _values(source, plan)
    finally:
        source.close()
    return Scores(source.name, values)


def _chosen(names: Sequence[str], column: str | None, source: Source) -> str:
    wanted = column or (names[0] if len(names) == 1 else COLUMN)
    if wanted in names or not names:
        return wanted
    near = closest(wanted, names)
    hint = f"did you mean --score-column {harmless(near)}?" if near else "name the column with --score-column COLUMN"
    raise UsageError(no_column(source.shown_name, wanted, names), hint=hint)


def _values(source: Source, plan: Plan) -> Any:
    reduction = ScoresReduction()
    plan = plan.changed(lists_problems=True)
    counts, (batches,), _ = fold(local([source], Job(plan, (reduction,)), 1), [source], [reduction])
    problems = tally(dict.fromkeys(chain.from_iterable(batch.problems for batch in batches)))  # read as x1 and as x2
    if problems:
        description = described_problems(Counts(counts.rows, problems=problems), source.shown_name, is_one_file=True)
        raise DataError(description, hint="every score must be a finite number: pairs count them by place")
    if not counts.rows:
        raise DataError(f"no scores in {source.shown_name}")
    return np.concatenate([batch.scores for batch in batches])


class _ScoresOfBatch(NamedTuple):
    scores: NDArray[np.float64]
    problems: list[Problem]


class ScoresReduction(Reduction[list[_ScoresOfBatch], list[_ScoresOfBatch]]):
    """Keeps a column of scores, which is read as x1, and every problem."""

    state = list

    def add(self, state: list[_ScoresOfBatch], measured: Measured) -> list[_ScoresOfBatch]:
        """Keep those of a batch."""
        state.append(_ScoresOfBatch(measured.batch.x1, measured.problems))
        return state


def _refuse_blank_lines(source: Source, header: str | None) -> None:
    """Raise DataError for a blank line before a score: elsewhere it is no row, here it would move all scores below."""
    with nullcontext() if source.file else source.stream.rewinding(), open_text(source, None) as stream:
        text = stream.rest().replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")
    start = 0
    if header is not None:
        start = len(text) - len(text.lstrip(b"\n"))
        for _ in header.splitlines() or [header]:
            start = text.find(b"\n", start) + 1 or len(text)
    place = start if text.startswith(b"\n", start) else text.find(b"\n\n", start) + 1 or -1
    if place >= 0:
        line = text.count(b"\n", 0, place) + 1
        msg = f"{source.shown_name}: line {line} is blank, and pairs count scores by place"
        raise DataError(msg, hint="take the line out, or write the score that belongs there")
