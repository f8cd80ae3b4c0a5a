"""Where the scores of pairs come from: the one place in which columns as they are read become the x1 and x2 of a loss.

Mostly they are these columns. They may be rows of a separate file of scores; and they may be computed: a column that is
their difference, each less a reference, multiplied by a scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs.base import BadCells, Source, without_bad
from mrl_cli.model.problems import NO_SUCH_SCORE, SCORE_TOO_LARGE
from mrl_cli.records import NamedTuple, light_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Batch, Plan, Role


@light_dataclass(frozen=True, slots=True)
class Scores:
    """Scores of objects, whose rows, counted from 0, are x1 and x2 of pairs: float64 of shape (n,) and finite.

    The file `name` holds them in this order.
    """

    name: str
    values: NDArray[np.float64]


class Computed(NamedTuple):
    """How a score is computed: as the column `of` a role less that of its reference, where there is one.

    `zero` is a score that is 0 then: where x1 is the difference, x1 - 0 is that difference bit for bit.
    """

    score: Role
    of: Role
    reference: Role | None = None
    zero: Role | None = None


COMPUTED = (
    Computed("x1", "x1", "x1_reference"),
    Computed("x2", "x2", "x2_reference"),
    Computed("x1_b", "x1_b", "x1_reference"),
    Computed("x2_b", "x2_b", "x2_reference"),
    Computed("x1", "difference", zero="x2"),
    Computed("x1_b", "difference_b", zero="x2_b"),
)


def with_scores(batch: Batch, source: Source, plan: Plan) -> Batch:
    """Return a batch as it is read with the scores that the loss takes as x1 and x2.

    Pairs whose scores are not there, or too large for the dtype of the arithmetic, are left out and named. Raises
    SuspectShardError for those when the batch does not know its rows.
    """
    if source.scores is not None:
        batch = _pointed_at(batch, source.scores, plan)
    return _computed(batch, plan) if plan.computes_scores else batch


def _pointed_at(batch: Batch, scores: Scores, plan: Plan) -> Batch:
    bad: dict[Role, BadCells] = {"x1": _no_rows(batch.x1, scores), "x2": _no_rows(batch.x2, scores)}
    if batch.rows is None and any(bad.values()):
        raise SuspectShardError
    batch = without_bad(batch, bad, plan)
    x1, x2 = (scores.values[places.astype(np.intp)] for places in (batch.x1, batch.x2))
    return batch.with_numbers({"x1": x1, "x2": x2})


def _no_rows(places: NDArray[np.float64], scores: Scores) -> BadCells:
    fits = (places >= 0) & (places < scores.values.size) & (places == np.floor(places))
    indexes = np.flatnonzero(~fits).tolist()
    return [(i, NO_SUCH_SCORE, f"{places[i]:.0f}" if places[i].is_integer() else str(places[i])) for i in indexes]


def _computed(batch: Batch, plan: Plan) -> Batch:
    """Return the batch with computed scores, and what they were computed from.

    A cell that is no number the dtype holds is left to be named as such, with its column: only scores that come out too
    large for it are named here.
    """
    scores: dict[Role, NDArray[Any]] = {}
    used: dict[Role, NDArray[Any]] = {}
    bad: dict[Role, BadCells] = {}
    for one in COMPUTED:
        if one.of not in batch.numbers:
            continue
        parts = {
            role: batch.numbers[role] for role in (one.of, one.reference) if role is not None and role in batch.numbers
        }
        score, is_too_large, is_bad = _score(list(parts.values()), plan)
        if batch.rows is None and is_bad.any():
            raise SuspectShardError
        bad[one.of] = [
            (place, SCORE_TOO_LARGE, _shown([float(part[place]) for part in parts.values()], plan))
            for place in np.flatnonzero(is_too_large).tolist()
        ]
        if is_bad.any():
            score[is_bad] = 0.0 if one.zero is not None else batch.numbers[one.of][is_bad]
        scores |= {one.score: score} if one.zero is None else {one.score: score, one.zero: np.zeros_like(score)}
        used |= parts
    return without_bad(replace(batch.with_numbers(scores), computed_from=used), bad, plan)


def _score(parts: list[NDArray[Any]], plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (x - reference)*scale, each step rounded to the dtype of the arithmetic, as float64.

    And in which pairs that is beyond what the dtype holds, and in which it is no finite number, for whatever reason.
    """
    dtype = plan.loss.dtype
    with np.errstate(all="ignore"):
        rounded = [part.astype(dtype) for part in parts]
        score = rounded[0] if len(rounded) == 1 else rounded[0] - rounded[1]
        if plan.reading.scale is not None:
            score = score * np.dtype(dtype).type(plan.reading.scale)
    is_bad = ~np.isfinite(score)
    are_fine = np.logical_and.reduce([np.isfinite(part) for part in rounded])
    return score.astype(np.float64), is_bad & are_fine, is_bad


def _shown(parts: list[float], plan: Plan) -> str:
    less = f", less its reference {parts[1]!r}" if len(parts) > 1 else ""
    times = f", times {plan.reading.scale!r}" if plan.reading.scale is not None else ""
    return f"{parts[0]!r}{less}{times}: beyond {plan.loss.dtype}"
