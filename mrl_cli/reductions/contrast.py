"""Two models on the pairs of a batch: the sums and counts of what sets them apart."""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.exact import ExactSum
from mrl_cli.model import PairBatch, Totals
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.ledger import BEYOND, TIE, WRONG, Pairs, group_block
from mrl_cli.reductions.measured import Measured, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.ledger import GroupBlock

_STATES = np.array([TIE, BEYOND, WRONG], np.uint8)  # by outcome: 0, 1 and, from the end, -1


@light_dataclass(frozen=True, slots=True)
class Contrast:
    """Sums and counts over pairs that two models were measured on; `Contrast()` is the identity of `+`.

    `a` and `b` are each model's own totals. `differences` is the exact sum of the differences of their losses, a's less
    b's, `squares` that of their squares. `both` of the pairs are right under both models, `only_a` and `only_b` under
    one alone. `wins`, `ties` and `losses` count the pairs whose loss is lower under a, equal, and higher.
    """

    a: Totals = field(default_factory=Totals)
    b: Totals = field(default_factory=Totals)
    differences: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    both: int = 0
    only_a: int = 0
    only_b: int = 0
    wins: int = 0
    ties: int = 0
    losses: int = 0

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(*(getattr(self, name.name) + getattr(other, name.name) for name in fields(Contrast)))


@light_dataclass(frozen=True, slots=True)
class Contrasted:
    """What became of a batch: its contrast, and for each pair used the difference of the losses and of being right.

    `differences` are float64, `outcomes` 1 where only a is right, -1 where only b is, else 0; both of shape
    (contrast.a.pairs,). `clusters` are both by cluster, where the batch has clusters: the differences as losses, the
    outcomes as BEYOND, TIE and WRONG.
    """

    contrast: Contrast
    differences: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    clusters: GroupBlock | None


def plan_of_b(plan: Plan) -> Plan:
    """Return the plan by which b's scores are measured: their columns are those of the roles x1_b and x2_b."""
    names = dict(plan.columns.numbers)
    x1, x2 = names.get("x1_b", plan.columns.x1), names.get("x2_b", plan.columns.x2)
    return replace(plan, columns=replace(plan.columns, x1=x1, x2=x2, keys=()))


def contrast(measured: Measured, batch: PairBatch, plan: Plan) -> Contrasted:
    """Measure b on the pairs of a batch that a was measured on, and set the two against each other.

    The plan is of reduction none. b's scores are the batch's numbers of the roles x1_b and x2_b; they were checked with
    a's, as all numbers are (test_bad_score_of_b_is_named): a pair counts for both models or for none.
    """
    batch_a = _filtered(batch, measured.used)
    batch_b = replace(batch_a, x1=batch_a.numbers["x1_b"], x2=batch_a.numbers["x2_b"])
    found = measure(batch_b, plan_of_b(plan))
    losses_a, losses_b = _losses(measured), _losses(found)
    with np.errstate(invalid="ignore"):
        differences = losses_a.astype(np.float64, copy=False) - losses_b.astype(np.float64, copy=False)
    right_a, right_b = _right(batch_a, plan), _right(batch_b, plan)
    sums = Contrast(
        measured.totals,
        found.totals,
        ExactSum.of(differences),
        ExactSum.of_products(differences, differences),
        both=_count(right_a & right_b),
        only_a=_count(right_a & ~right_b),
        only_b=_count(right_b & ~right_a),
        wins=_count(losses_a < losses_b),
        ties=_count(losses_a == losses_b),
        losses=_count(losses_a > losses_b),
    )
    outcomes = right_a.astype(np.int8) - right_b.astype(np.int8)
    return Contrasted(sums, differences, outcomes, _by_cluster(batch, measured.used, differences, outcomes))


def _by_cluster(
    batch: PairBatch, used: NDArray[np.bool_] | None, differences: NDArray[np.float64], outcomes: NDArray[np.int8]
) -> GroupBlock | None:
    if "cluster" not in batch.keys:
        return None
    clusters = batch.keys["cluster"]
    clusters = clusters if used is None else clusters.filter(as_arrow(used))
    return group_block([clusters], Pairs(differences, _STATES[outcomes]))


def _losses(measured: Measured) -> NDArray[Any]:
    if measured.losses is None:
        msg = "models are compared by their per-pair losses, so under reduction none"
        raise ValueError(msg)
    return measured.losses


def _filtered(batch: PairBatch, used: NDArray[np.bool_] | None) -> PairBatch:
    """Return the batch without the pairs that are not used; keys stay behind."""
    if used is None:
        return batch
    return replace(
        batch,
        x1=batch.x1[used],
        x2=batch.x2[used],
        y=None if batch.y is None else batch.y[used],
        rows=None if batch.rows is None else [batch.rows[place] for place in np.flatnonzero(used).tolist()],
        problems=(),
        rejected_rows=0,
        numbers={role: column[used] for role, column in batch.numbers.items()},
        keys={},
        kept=None,
    )


def _right(batch: PairBatch, plan: Plan) -> NDArray[np.bool_]:
    """Tell which pairs of a clean batch are in the right order: y(x1 - x2) > 0, as `measure` counts them."""
    with np.errstate(all="ignore"):
        difference = batch.x1.astype(plan.dtype, copy=False) - batch.x2.astype(plan.dtype, copy=False)
        if batch.y is None:
            signed = difference * (plan.y_const or 1)
        else:
            labels = batch.y.astype(plan.dtype, copy=False)
            signed = difference * (labels * 2 - 1 if plan.labels == "01" else labels)
        right: NDArray[np.bool_] = signed > 0
    return right


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def scores_are_whole(measured: Measured, batch: PairBatch, plan: Plan) -> NDArray[np.bool_]:
    """Tell which pairs of a batch can be matched with those of another file, shape (n,): those that were used, and
    ties.

    What a tie is worth is decided once both files are one: dropped before, it would seem to be missing in one of them.
    """
    if measured.used is None:
        return np.ones(batch.x1.size, dtype=bool)
    if plan.on_tie != "drop" or plan.labels != "pm1" or batch.y is None:
        return measured.used
    with np.errstate(over="ignore"):
        finite = np.isfinite(batch.x1.astype(plan.dtype)) & np.isfinite(batch.x2.astype(plan.dtype))
    whole: NDArray[np.bool_] = measured.used | (finite & (batch.y == 0))
    return whole
