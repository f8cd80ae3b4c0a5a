"""Pairs that say where their scores stand: x1 and x2 are rows, counted from 0, of a separate file of scores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import SuspectShardError
from mrl_cli.model import Problem, rules
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import PairBatch, Plan, Scores


def with_scores(batch: PairBatch, plan: Plan) -> PairBatch:
    """Return the batch with the scores that x1 and x2 point at, less the pairs that point nowhere.

    Raises SuspectShardError for those when the batch does not know its rows.
    """
    scores = plan.scores
    if scores is None:
        return batch
    fits = [_are_rows(places, scores) for places in (batch.x1, batch.x2)]
    good = fits[0] & fits[1]
    if not good.all():
        if batch.rows is None:
            raise SuspectShardError
        batch = _only(batch, good, _problems(batch, fits, plan))
    x1, x2 = (scores.values[places.astype(np.intp)] for places in (batch.x1, batch.x2))
    return replace(batch, x1=x1, x2=x2)


def _are_rows(places: NDArray[np.float64], scores: Scores) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = (places >= 0) & (places < scores.values.size) & (places == np.floor(places))
    return fits


def _problems(batch: PairBatch, fits: list[NDArray[np.bool_]], plan: Plan) -> tuple[Problem, ...]:
    rows = batch.rows or ()
    found: list[tuple[int, int, Problem]] = []
    for place, (name, values) in enumerate(((plan.columns.x1, batch.x1), (plan.columns.x2, batch.x2))):
        for index in np.flatnonzero(~fits[place]).tolist():
            number = float(values[index])
            shown = str(int(number)) if number.is_integer() else str(number)
            problem = Problem(rules.NO_SUCH_SCORE, batch.file, rows[index], harmless(name), shown, batch.row_word)
            found.append((index, place, problem))
    return tuple(problem for _, _, problem in sorted(found, key=lambda item: item[:2]))


def _only(batch: PairBatch, good: NDArray[np.bool_], problems: tuple[Problem, ...]) -> PairBatch:

    mask = as_arrow(good)
    rows: Any = batch.rows or ()
    return replace(
        batch,
        x1=batch.x1[good],
        x2=batch.x2[good],
        y=None if batch.y is None else batch.y[good],
        rows=[rows[index] for index in np.flatnonzero(good).tolist()],
        problems=(*batch.problems, *problems),
        rejected_rows=batch.rejected_rows + good.size - int(np.count_nonzero(good)),
        kept=None if batch.kept is None else batch.kept.filter(mask),
        numbers={role: values[good] for role, values in batch.numbers.items()},
        keys={role: column.filter(mask) for role, column in batch.keys.items()},
    )
