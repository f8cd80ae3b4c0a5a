"""A file of scores that pairs point at: one number a line, or one column of a table; held in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, SuspectShardError, UnsplittableTextError, UsageError
from mrl_cli.inputs import batches_of, columns_of, resolve, shards_of
from mrl_cli.inputs.text import count_line_ends
from mrl_cli.model import Columns, Dialect, Plan, ProblemCount, Scores, Totals, rules
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.inputs import Shard, Source
    from mrl_cli.model import PairBatch, Problem

COLUMN = "score"


def read_scores(path: str, column: str | None) -> Scores:
    """Return the scores in a file's column; None: its only one, else the one called `score`.

    A text of numbers without a header line has one column. Raises UsageError where the column is not there and
    DataError for a score that is no finite number, for a blank line between scores, and for no scores.
    """
    found = resolve([path]) if path != "-" else ()
    if len(found) != 1:
        msg = f"--scores {harmless(path, 200)} is not one file"
        raise UsageError(msg)
    opened = found[0]
    try:
        names, source = columns_of(opened, Plan(columns=Columns(COLUMN, COLUMN, None), y_const=1))
        is_text = source.format in ("csv", "tsv")
        has_header = not (is_text and len(names) == 1 and _is_number(names[0]))
        name = _chosen(names, column, source) if has_header else "1"
        plan = Plan(columns=Columns(name, name, None), y_const=1, dialect=Dialect(header=has_header))
        values = _values(source, plan, is_one_column=is_text and len(names) == 1)
    finally:
        opened.close()
    return Scores(source.name, values)


def _is_number(text: str) -> bool:
    try:
        float(text)  # NaN too: it must not pass for a header
    except ValueError:
        return False
    return True


def _chosen(names: Sequence[str], column: str | None, source: Source) -> str:
    wanted = column or (names[0] if len(names) == 1 else COLUMN)
    if wanted in names or not names:
        return wanted
    shown = ", ".join(harmless(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
    near = closest(wanted, names)
    hint = f"did you mean --score-column {harmless(near)}?" if near else "name the column with --score-column COLUMN"
    raise UsageError(f"{source.shown_name} has no column {harmless(wanted)!r}; it has: {shown}", hint=hint)


def _values(source: Source, plan: Plan, *, is_one_column: bool) -> Any:
    parts: list[np.ndarray[Any, Any]] = []
    problems: list[Problem] = []
    rows = 0
    for batch in _batches(source, plan, _BlankLines(source, plan) if is_one_column else None):
        rows += batch.x1.size + batch.rejected_rows
        problems += batch.problems
        if not rules.passes(batch, plan) and batch.rows is not None:
            problems += rules.examine(batch, batch.rows, replace(plan, lists_problems=True)).problems
        parts.append(batch.x1)
    if problems:
        counts: dict[str, ProblemCount] = {}
        for problem in dict.fromkeys(problems):  # the column was read as x1 and as x2
            counts[problem.kind] = counts.get(problem.kind, ProblemCount()) + ProblemCount(1, (problem,))
        said = rules.described_problems(Totals(pairs=rows, problems=counts), source.shown_name, is_one_file=True)
        raise DataError(said, hint="every score must be a finite number: pairs count them by place")
    if not rows:
        msg = f"no scores in {source.shown_name}"
        raise DataError(msg)
    return np.concatenate(parts)


def _batches(source: Source, plan: Plan, blank_lines: _BlankLines | None) -> Iterator[PairBatch]:
    """Yield the batches in order; those with a problem know their rows."""
    resume_at: Shard | None = None
    while True:
        for shard in shards_of([source], plan, resume_at):
            try:
                found = list(batches_of(shard, plan))
                if not all(batch.rows is not None or not batch.x1.size or rules.passes(batch, plan) for batch in found):
                    raise SuspectShardError
            except SuspectShardError:
                found = list(batches_of(shard, plan, is_careful=True))
            except UnsplittableTextError:
                resume_at = shard
                break
            if blank_lines is not None:
                blank_lines.check(shard)
            yield from (batch for batch in found if batch.x1.size or batch.rejected_rows)
        else:
            return


class _BlankLines:
    """Finds blank lines between scores: elsewhere they are no rows, here they would move every score below them."""

    def __init__(self, source: Source, plan: Plan) -> None:
        self._source = source
        self._has_header = plan.dialect.header
        self._blank: int | None = None

    def check(self, shard: Shard) -> None:
        """Raise DataError where a blank line stands before a score."""
        data = shard.part.read(self._source).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first = shard.part.line_number(self._source)
        if self._blank is None and not self._has_header and first > 1 and shard.part.layout.data_line == first:
            self._blank = 1  # skipped in search of the first row
        text = data.rstrip(b"\n")
        place = 0 if text.startswith(b"\n") else text.find(b"\n\n") + 1
        if self._blank is None and (place or text.startswith(b"\n")):
            self._blank = first + count_line_ends(text[:place])
        if self._blank is not None and text:
            msg = f"{self._source.shown_name}: line {self._blank} is blank, and pairs count scores by place"
            raise DataError(msg, hint="take the line out, or write the score that belongs there")
        if self._blank is None and len(data) > len(text) + 1:
            self._blank = first + count_line_ends(text) + 1
