"""Pairs that say where their scores stand: x1 and x2 are rows, counted from 0, of a separate file of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.model import Problem
from mrl_cli.model.problems import NO_SUCH_SCORE
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Batch, Plan


@light_dataclass(frozen=True, slots=True)
class Scores:
    """Scores of objects, float64 of shape (n,) and finite, as the file `name` holds them in this order."""

    name: str
    values: NDArray[np.float64]


def with_scores(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return the batch with the scores that x1 and x2 point at, less the pairs that point nowhere.

    Raises SuspectShardError for those when the batch does not know its rows.
    """
    scores: Scores | None = source.scores
    if scores is None:
        return batch
    fits = [_are_rows(places, scores) for places in (batch.x1, batch.x2)]
    if not all(some.all() for some in fits):
        if batch.rows is None:
            raise SuspectShardError
        batch = batch.without(_problems(batch, fits, plan))
    x1, x2 = (scores.values[places.astype(np.intp)] for places in (batch.x1, batch.x2))
    return batch.with_numbers({"x1": x1, "x2": x2})


def _are_rows(places: NDArray[np.float64], scores: Scores) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = (places >= 0) & (places < scores.values.size) & (places == np.floor(places))
    return fits


def _problems(batch: Batch, fits: list[NDArray[np.bool_]], plan: Plan) -> list[tuple[int, int, Problem]]:
    rows = batch.rows or ()
    found: list[tuple[int, int, Problem]] = []
    for place, (name, values) in enumerate(((plan.columns.x1, batch.x1), (plan.columns.x2, batch.x2))):
        for index in np.flatnonzero(~fits[place]).tolist():
            number = float(values[index])
            shown = str(int(number)) if number.is_integer() else str(number)
            problem = Problem(NO_SUCH_SCORE, batch.file, rows[index], harmless(name), shown, batch.row_word)
            found.append((index, place, problem))
    return found
