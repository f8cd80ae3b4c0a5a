"""`--preset` and `--scores`: the plan as a known producer's files need it, except where the user sets another value.

Scores that pairs point at are a file of one number per line, or one column of a table; they are held in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.commands.options import Options, is_given, refuse_if
from mrl_cli.engines.base import Job, fold
from mrl_cli.engines.local import local
from mrl_cli.errors import DataError, UsageError
from mrl_cli.inputs import Source, columns_anywhere, columns_of, resolve
from mrl_cli.inputs.base import no_column
from mrl_cli.inputs.formats import TEXTS
from mrl_cli.inputs.kinds import may_be_logged, refuse_log
from mrl_cli.inputs.presets import PRESETS, Preset, applied, given_by
from mrl_cli.inputs.scores import Scores
from mrl_cli.inputs.streams import open_text, rewinding
from mrl_cli.model import Columns, Counts, Dialect, Plan, Problem, Role, tally
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reports.refusals import described_problems, first_problems
from mrl_cli.settings import check_read
from mrl_cli.words import closest, harmless, is_float, listed, option_of, shell_line, without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from mrl_cli.reductions.measured import Measured

    _ScoresOfBatch = tuple[NDArray[np.float64], list[Problem]]

COLUMN = "score"


def with_preset(
    plan: Plan, options: Options, sources: Sequence[Source], roles: AbstractSet[Role]
) -> tuple[Plan, tuple[Source, ...]]:
    """Return the plan with the scores and the preset that the options name, and the sources to read from now on.

    Of a preset's columns besides x1, x2 and y, those of `roles` are used. A column is used when any row of any source
    has it; rows without it are then reported, as for any other missing cell. Raises UsageError when the scores are not
    among them, and DataError where the columns are those of a training log, unless the user names x1 and x2.
    """
    preset = None if options.preset is None else PRESETS[options.preset]
    plan, sources = _with_scores(preset, plan, options, sources)
    if preset is None:
        return plan, tuple(sources)
    given = given_by(plan, options, roles)
    names_of_first = columns_of(sources[0], plan) if preset.header and sources else []
    plan = as_written_by(preset, plan, options, given, names_of_first)
    read: list[Source] = []
    found: list[tuple[str, list[str]]] = []
    names: dict[str, str] = {}  # and the first source that has it
    for source in sources:
        there, source_now = columns_anywhere(source, plan, preset.further)
        read.append(source_now)
        found.append((source.shown_name, there))
        names = dict.fromkeys(there, source.shown_name) | names
    place = harmless(next(iter(names.values())), 200) if names else preset.name
    layout = preset.layout_in(list(names))
    for shown, there in () if {"x1", "x2"} <= given else found:
        if layout is None or may_be_logged(layout):
            refuse_log(there, shown)
    if layout is None and (hint := _hint_for_lists(sources, plan)):
        message = f"{place} does not have the columns of --preset {preset.name} of pairs; it has: {listed(names)}"
        refuse_if(not {"x1", "x2"} <= given, message, hint)
    # Without a row there is nothing to choose by.
    plan = applied(preset, plan, list(names) or [*preset.layouts[0], *preset.further], place, given)
    check_read(plan, option_of)
    return plan, tuple(read)


def _hint_for_lists(sources: Sequence[Source], plan: Plan) -> str | None:
    """Return the hint that rows are lists, None where they are not."""
    from mrl_cli.inputs.layouts import first_cells, hint_for_kind

    return next((hint for source in sources if (hint := hint_for_kind(first_cells(source, plan), plan))), None)


def as_written_by(
    preset: Preset, plan: Plan, options: Options, given: AbstractSet[str], first: Sequence[str] = ()
) -> Plan:
    """Return the plan with what a preset says of a file before its columns are known: dialect and labels.

    `first` are the fields of the first line: where they are the names that a preset has for a file without a header
    line, this one has it.
    """
    dialect = plan.reading.dialect
    has_names = bool(preset.header) and set(preset.layouts[0]) <= set(first)
    if options.delimiter is None and preset.delimiter is not None and not has_names:
        dialect = replace(dialect, delimiter=preset.delimiter)
    if preset.header and not has_names:
        dialect = replace(dialect, header=False, names=preset.header)
    plan = plan.changed(preset=preset.name, dialect=dialect)
    if "y" in given or preset.label is not None:
        return plan
    for name in ("labels", "label_map", "strength", "on_tie"):
        message = f"{option_of(name)} has no effect: every label of --preset {preset.name} is 1"
        is_useless = getattr(options, name) is not None and is_given(name)
        refuse_if(is_useless, message, "--y COLUMN names a column of labels")
    return plan.changed(y_const=1, columns=replace(plan.columns, y=None))


def _with_scores(
    preset: Preset | None, plan: Plan, options: Options, sources: Sequence[Source]
) -> tuple[Plan, Sequence[Source]]:
    is_indexed, has_scores = preset is not None and preset.is_indexed, options.scores is not None
    message = f"--preset {options.preset} needs --scores FILE, the scores that the pairs point at"
    refuse_if(is_indexed and not has_scores, message)
    message = f"--scores and --preset {options.preset} exclude each other: its files hold the scores"
    refuse_if(has_scores and preset is not None and not is_indexed, message)
    refuse_if(has_scores and plan.has_differences, "--scores and --difference exclude each other")
    if options.scores is None:
        return plan, sources
    scores = read_scores(options.scores, options.score_column)
    return plan.changed(scores=scores.name), [replace(source, scores=scores) for source in sources]


class Beside(NamedTuple):
    """What numbers of a file beside pairs or rows are: the option that names it, what they are called, and what to do
    about one that is none.
    """

    option: str
    words: str
    hint: str


SCORES_OF_PAIRS = Beside("--scores", "scores", "every score must be a finite number: pairs count them by place")
SCORES_OF_ROWS = Beside("--scores", "scores", "every score must be a finite number: rows take them by place")
SIZES = Beside("--group-sizes", "sizes", "--group-sizes wants the number of rows of each query, one in a line")


def read_scores(path: str, column: str | None, what: Beside = SCORES_OF_PAIRS) -> Scores:
    """Return the scores in a file's column; None: its only one, else the one called `score`.

    A text of numbers without a header line has one column. Raises UsageError where the column is not there and
    DataError for a score that is not a finite number, for a blank line between scores, and for no scores.
    """
    sources = resolve([path]) if path != "-" else ()
    if len(sources) != 1:
        raise UsageError(f"{what.option} {harmless(without_secrets(path), 200)} is not one file", hint="name one file")
    source = sources[0]
    try:
        names = columns_of(source, Plan.of(columns=Columns(COLUMN, COLUMN, None), y_const=1))
        is_one_column = source.format in TEXTS and len(names) == 1
        has_header = not (is_one_column and is_float(names[0]))
        name = _chosen(names, column, source) if has_header else "1"
        plan = Plan.of(columns=Columns(name, name, None), y_const=1, dialect=Dialect(header=has_header))
        if is_one_column:
            _refuse_blank_lines(source, name if has_header else None, what)
        values = _values(source, plan, what)
    finally:
        source.close()
    return Scores(source.name, values)


def _chosen(names: Sequence[str], column: str | None, source: Source) -> str:
    wanted = column or (names[0] if len(names) == 1 else COLUMN)
    if wanted in names or not names:
        return wanted
    near = closest(wanted, names)
    hint = "name the column with --score-column COLUMN"
    hint = f"did you mean {shell_line(['--score-column', near])}?" if near else hint
    raise UsageError(no_column(source.shown_name, wanted, names), hint=hint)


def _values(source: Source, plan: Plan, what: Beside) -> Any:
    reduction = ScoresReduction()
    plan = plan.changed(lists_problems=True)
    counts, (batches,), _ = fold(local([source], Job(plan, (reduction,)), 1), [source], [reduction])
    problems = tally(dict.fromkeys(problem for _, listed in batches for problem in listed))  # read as x1 and as x2
    if problems:
        read = Counts(counts.input_rows, problems=problems)
        description = described_problems(read, source.shown_name, is_one_file=True)
        raise DataError(description, hint=what.hint, problems=first_problems(read))
    if not counts.rows:
        header = harmless(plan.columns.x1)
        there = "" if header == COLUMN else f", nothing but the header '{header}' in line 1"
        raise DataError(f"no {what.words} in {source.shown_name}{there}", hint=what.hint)
    return np.concatenate([scores for scores, _ in batches])


class ScoresReduction(Reduction["list[_ScoresOfBatch]", "list[_ScoresOfBatch]"]):
    """Keeps a column of scores, which is read as x1, and every problem."""

    joins = True
    state = list

    def add(self, state: list[_ScoresOfBatch], measured: Measured) -> list[_ScoresOfBatch]:
        """Keep those of a batch."""
        has_name = measured.plan.reading.dialect.header
        problems = [problem if has_name else problem._replace(column=None) for problem in measured.problems]
        state.append((measured.batch.x1, problems))
        return state


def _refuse_blank_lines(source: Source, header: str | None, what: Beside) -> None:
    """Raise DataError for a blank line before a score: elsewhere it is no row, here it would move all scores below."""
    with rewinding(source), open_text(source, None) as stream:
        text = stream.rest().replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")
    start = 0
    if header is not None:
        start = len(text) - len(text.lstrip(b"\n"))
        for _ in header.splitlines() or [header]:
            start = text.find(b"\n", start) + 1 or len(text)
    place = start if text.startswith(b"\n", start) else text.find(b"\n\n", start) + 1 or -1
    if place >= 0:
        line = text.count(b"\n", 0, place) + 1
        msg = f"{source.shown_name}: line {line} is blank, and {what.words} count by their place"
        raise DataError(msg, hint="take the line out, or write the number that belongs there")
