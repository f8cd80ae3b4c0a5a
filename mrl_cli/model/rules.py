"""The input contract: what a score and a label must be, checked batch by batch.

`passes` is quick and only ever errs towards suspicion; `examine` names each problem.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.model.problems import (
    ABOVE_1,
    BELOW_0,
    FIRST_PROBLEMS_SHOWN,
    FROM_0_TO_1,
    INFINITE,
    LABEL_KINDS,
    MOST_LABELS_NAMED,
    NAN,
    NEGATIVE_LABEL,
    NEGATIVE_WEIGHT,
    TIE,
    Problem,
    ProblemCount,
    added_problems,
    plainest_labels,
)
from mrl_cli.records import NamedTuple
from mrl_cli.words import plainest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mrl_cli.dtypes import Array, Mask
    from mrl_cli.model.batch import Batch
    from mrl_cli.model.parts import Labels, Role
    from mrl_cli.model.plan import Plan

# Above this magnitude neighbouring doubles are more than 1 apart, so an integer may have lost its last digits.
EXACT_INTEGER_LIMIT = 2.0**53

_REAL: tuple[Labels, ...] = ("any", "relevance", "rank")  # labels that any finite number can be
_WEIGHTS: tuple[Role, ...] = ("weight", "query_weight")
_ALLOWED: dict[Labels, tuple[float, ...]] = {"pm1": (1, -1), "01": (1, 0), "strength": (1, -1)}


def passes(batch: Batch, plan: Plan) -> bool:
    """Return whether every pair is certainly fine: scores (and real labels) below 2**53, labels within the rule.

    False asks for `examine`; it does not say that anything is wrong.
    """
    return ones_passing(batch, plan) is not None


def ones_passing(batch: Batch, plan: Plan) -> int | None:
    """Return how many labels are 1, where the rule has two, if the batch `passes`; None if it does not."""
    ones = 0
    for role, values in batch.numbers.items():
        if role == "y" and plan.rules.labels in _ALLOWED:  # counting takes no longer than asking whether all fit
            ones, others = (int(np.count_nonzero(values == label)) for label in _ALLOWED[plan.rules.labels])
            ties = values.size - ones - others
            if ties and not (plan.rules.drops_ties and ties == np.count_nonzero(values == 0)):
                return None
        elif role == "y" and plan.rules.labels not in _REAL:
            if not _label_fits(values, plan).all():
                return None
        elif role != "loss" and not _ordinary(values, lowest=_least(role, plan)):
            return None
    return ones


def _least(role: Role, plan: Plan) -> float:
    """Return the least that a number of that role may be."""
    return 0.0 if role in _WEIGHTS else plan.ranking.least_label if role == "y" else -math.inf


def _ordinary(values: Array, lowest: float) -> bool:
    # NaN makes min and max NaN, and every comparison with NaN is false.
    least = values.min()
    return bool(least > -EXACT_INTEGER_LIMIT and least >= lowest and values.max() < EXACT_INTEGER_LIMIT)


def _label_fits(y: Array, plan: Plan) -> Mask:
    if plan.rules.labels in _REAL:
        return _finite_as(y, plan)
    if plan.rules.labels == "probability":
        return (y >= 0) & (y <= 1)
    first, second = _ALLOWED[plan.rules.labels]
    fits: Mask = (y == first) | (y == second)
    return fits | (y == 0) if plan.rules.drops_ties else fits


class Examined(NamedTuple):
    """Which pairs of a batch are fine, shape (n,); how many problems of each kind the others have; and the problems.

    The problems are in row order: all of them where the plan lists them, else the first few of each kind and column.
    `labels` are those with a problem, as `Counts` holds them.
    """

    fine: Mask
    counts: dict[str, int]
    problems: list[Problem]
    labels: dict[str, ProblemCount]

    def ones(self, batch: Batch, plan: Plan) -> int:
        """Return how many labels are 1 in rows without a problem, where the rule has two."""
        has_two = batch.y is not None and plan.rules.labels in _ALLOWED
        return int(np.count_nonzero(self.fine & (batch.y == 1))) if has_two else 0


def examine(batch: Batch, rows: Sequence[int], plan: Plan) -> Examined:
    """Name the problems of a batch that does not pass."""
    fine = np.ones(batch.size, dtype=bool)
    counts: dict[str, int] = {}
    listing: list[tuple[int, int, Problem]] = []
    labels: dict[str, ProblemCount] = {}
    names = dict(plan.columns.wanted)
    columns = [
        (role, values, fits, kind)
        for role, values in batch.numbers.items()
        for fits, kind in judged(role, values, plan)
    ]
    for place, (role, values, fits, kind) in enumerate(columns):
        name = names.get(role, names.get("y"))  # the size of a label stands in its column
        fine &= fits

        def problem_at(index: int, kind: str, values: Array = values, name: str | None = name) -> Problem:
            return Problem(kind, batch.file, rows[index], name, value_text(values[index].item()), batch.row_word)

        if role == "y" and not fits.all():
            labels = added_problems(labels, _labels_among(values, ~fits, partial(problem_at, kind=kind)))
        for this_kind, is_bad in ((NAN, ~fits & np.isnan(values)), (kind, ~fits & ~np.isnan(values))):
            indexes = np.flatnonzero(is_bad)
            if indexes.size == 0:
                continue
            counts[this_kind] = counts.get(this_kind, 0) + indexes.size
            listed = indexes if plan.reading.lists_problems else indexes[:FIRST_PROBLEMS_SHOWN]
            listing += [(i, place, problem_at(i, this_kind)) for i in listed.tolist()]
    return Examined(fine, counts, [problem for _, _, problem in sorted(listing, key=lambda item: item[:2])], labels)


def _labels_among(values: Array, are_bad: Mask, problem_at: Callable[[int], Problem]) -> dict[str, ProblemCount]:
    """Return the counts of the labels of a column that are bad, as `Counts` holds them."""
    bad = np.flatnonzero(are_bad & np.isfinite(values))
    labels = values[bad]
    is_real = labels != np.rint(labels)
    below, above = labels < 0, labels > 1
    kinds = {BELOW_0: is_real & below, FROM_0_TO_1: is_real & ~below & ~above, ABOVE_1: is_real & above}
    whole = np.unique(labels[~is_real])
    chosen = whole[np.argsort(np.abs(whole.astype(np.float64)), kind="stable")[: MOST_LABELS_NAMED + 1]]
    kinds |= {value_text(label.item()): labels == label for label in chosen}
    places = {kind: bad[mask] for kind, mask in kinds.items() if mask.any()}
    counts = {
        kind: ProblemCount(found.size, tuple(map(problem_at, found[:FIRST_PROBLEMS_SHOWN].tolist())))
        for kind, found in sorted(places.items(), key=lambda item: int(item[1][0]))
    }
    return plainest_labels(counts)


def judged(role: Role, values: Array, plan: Plan) -> list[tuple[Mask, str]]:
    """Return for a column which pairs fit, and what those that do not are called: one entry for each rule."""
    if role == "y" and plan.rules.labels == "strength":
        ties_fit = (values != 0) | plan.rules.drops_ties
        return [(np.isfinite(values), LABEL_KINDS["strength"]), (ties_fit, TIE)]
    if role == "y":
        fits = [(_label_fits(values, plan), LABEL_KINDS[plan.rules.labels])]
        is_bound = math.isfinite(plan.ranking.least_label)
        return [*fits, (~(values < plan.ranking.least_label), NEGATIVE_LABEL)] if is_bound else fits
    if role == "loss":  # losses are compared, not computed with
        return []
    if role in _WEIGHTS:  # weights stay doubles whatever the dtype
        return [(np.isfinite(values), INFINITE), (~(values < 0), NEGATIVE_WEIGHT)]
    return [(_finite_as(values, plan), INFINITE)]


def _finite_as(values: Array, plan: Plan) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        finite: Mask = np.isfinite(values.astype(plan.loss.dtype, copy=False))
        return finite


def value_text(number: float) -> str:
    """Return a number as problems print it: an integer without its fraction."""
    return str(plainest(number) if isinstance(number, float) else number)
