"""`--scores`, `--group-sizes` and `--qrels`: what rows of ranked lists have in files of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.commands.options import refuse_if
from mrl_cli.commands.presets import SCORES_OF_ROWS, SIZES, read_scores
from mrl_cli.errors import DataError
from mrl_cli.inputs.beside import DOC, Beside, GroupSizes
from mrl_cli.inputs.qrels import read_qrels
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan

_SETTINGS = {"scores": "scores", "group_sizes": "sizes", "qrels": "qrels"}  # what reports name, by what is beside rows


def with_files_beside(plan: Plan, sources: Sequence[Source], options: Any) -> tuple[Plan, tuple[Source, ...]]:
    """Return the plan and the sources with the files beside their rows that options of lists name, which are read.

    Raises UsageError for options that contradict one another and DataError for files that are not what they should be.
    """
    scores, sizes, qrels = options.scores, options.group_sizes, options.qrels
    for option, given in (("--scores", scores), ("--group-sizes", sizes)):
        message = f"{option} belongs to the rows of one INPUT, and there are {len(sources)}"
        refuse_if(given is not None and len(sources) != 1, message)
        message = f"{option} counts rows by place: --on-error skip would move those after a bad one"
        refuse_if(given is not None and plan.reading.on_error == "skip", message)
    beside = Beside(
        None if scores is None else read_scores(scores, options.score_column, SCORES_OF_ROWS),
        None if sizes is None else _group_sizes(sizes),
        None if qrels is None else read_qrels(qrels),
    )
    names = {name: getattr(beside, part).name for name, part in _SETTINGS.items() if getattr(beside, part) is not None}
    if qrels is not None:
        keys = (*plan.columns.keys, (DOC, DOC if options.doc is None else options.doc))
        plan = plan.changed(columns=replace(plan.columns, keys=keys), missing=options.missing)
    return plan.changed(**names), tuple(replace(source, beside=beside) for source in sources)


def _group_sizes(path: str) -> GroupSizes:
    scores = read_scores(path, None, SIZES)
    sizes = scores.values
    bad = np.flatnonzero((sizes < 0) | (sizes != np.floor(sizes)))
    if bad.size:
        msg = f"{scores.name}: size {int(bad[0]) + 1} is {sizes[bad[0]]:g}, which is no number of rows"
        raise DataError(msg, hint=SIZES.hint)
    return GroupSizes(scores.name, np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))))


def check_rows(sources: Sequence[Source], rows_of: Mapping[str, int]) -> None:
    """Raise DataError where files beside the rows of a source are for more rows than it has, or for fewer."""
    for source in sources:
        rows, beside = rows_of[source.name], source.beside or Beside()
        counts: dict[str, int] = {}
        if beside.scores is not None:
            count = beside.scores.values.size
            counts[f"{harmless(beside.scores.name, 200)} has {counted(count, 'score')}"] = count
        if beside.sizes is not None:
            count = int(beside.sizes.starts[-1])
            counts[f"the sizes in {harmless(beside.sizes.name, 200)} add up to {counted(count, 'row')}"] = count
        for text, count in counts.items():
            if count != rows:
                msg = f"{text}, and {source.shown_name} has {counted(rows, 'row')}"
                raise DataError(msg, hint="are both files of the same data, and whole?")
