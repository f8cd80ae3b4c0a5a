"""Two models on the same pairs: batch by batch to sums and counts, and from those to what `mrl compare` says.

The two models are a and b. Of every pair the difference of their losses is taken, a's less b's, and whether each has
the pair right: what sets them apart is judged on these differences, so what makes a pair hard for both does not blur
it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.bootstrap import Bounds, bootstrap_bounds
from mrl_cli.exact import ExactSum
from mrl_cli.intervals import (
    Interval,
    clustered_mean_interval,
    clustered_share_interval,
    exact_mean,
    mcnemar_p,
    mean_interval,
    paired_share_interval,
)
from mrl_cli.measure import Measured, measure
from mrl_cli.model import PairBatch, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mrl_cli.model import DType, Labels, Plan


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Contrasted:
    """What became of a batch: its contrast, and for each pair used the difference of the losses and of being right.

    `differences` are float64, `outcomes` 1 where only a is right, -1 where only b is, else 0; both of shape
    (contrast.a.pairs,).
    """

    contrast: Contrast
    differences: NDArray[np.float64]
    outcomes: NDArray[np.int8]


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
    return Contrasted(sums, differences, right_a.astype(np.int8) - right_b.astype(np.int8))


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


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model on the pairs: the fields mean what those of `mrl compute` mean."""

    mean: float
    sum: float
    accuracy: float
    accuracy_half: float
    correct: int
    ties: int
    wrong: int


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test: the pairs that one model alone has right, and the two-sided p."""

    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True, slots=True)
class BootstrapReport:
    """The paired bootstrap: how many samples of what seed, and the bounds for both differences."""

    samples: int
    seed: int
    difference: Bounds
    accuracy_difference: Bounds


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """What `mrl compare` found: the fields are the keys of its JSON object, in this order; None where it does not
    apply.

    `difference` is of the mean loss, `accuracy_difference` of the accuracy, both a's less b's. `unmatched_a` and
    `unmatched_b` count the pairs of one file that the other has not.
    """

    schema: str
    version: str
    inputs: tuple[str, ...]
    loss: str
    margin: float | None
    margin_column: str | None
    parameters: dict[str, float] | None
    dtype: DType
    labels: Labels
    pairs: int
    rejected: int
    ties_dropped: int
    unmatched_a: int
    unmatched_b: int
    a: ModelReport
    b: ModelReport
    difference: Interval
    accuracy_difference: Interval
    confidence: float
    clusters: int | None
    mcnemar: McNemar
    bootstrap: BootstrapReport | None
    wins: int
    ties: int
    losses: int
    elapsed_seconds: float


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


@dataclass(frozen=True, slots=True)
class Clusters:
    """For each cluster its number of pairs, and its sums of the differences of loss and of being right; shape (n,)
    each.
    """

    counts: NDArray[np.int64]
    differences: NDArray[np.float64]
    outcomes: NDArray[np.int64]


def _moved_to(mean: float, interval: Interval) -> Interval:
    shift = mean - interval.mean
    return replace(interval, mean=mean, low=interval.low + shift, high=interval.high + shift)


def _model_report(totals: Totals, plan: Plan) -> ModelReport:
    total, pairs = float(totals.loss_sum or ExactSum()), totals.pairs
    with np.errstate(over="ignore"):
        total, mean = (float(np.dtype(plan.dtype).type(x)) for x in (total, total / pairs if pairs else math.nan))
    return ModelReport(
        mean=mean,
        sum=total,
        accuracy=totals.correct / pairs if pairs else math.nan,
        accuracy_half=(totals.correct + totals.ties / 2) / pairs if pairs else math.nan,
        correct=totals.correct,
        ties=totals.ties,
        wrong=totals.wrong,
    )


def bootstrapped(sums: NDArray[np.float64], *, samples: int, seed: int, confidence: float) -> BootstrapReport:
    """Return the bootstrap of grouped differences, of loss and of being right: see `mrl_cli.bootstrap`."""
    return BootstrapReport(samples, seed, *bootstrap_bounds(sums, samples=samples, seed=seed, confidence=confidence))


def numbers_in(kind: Any, prefix: str = "") -> Iterator[str]:
    """Yield the names of all numbers in a record of this room, those of records within it as outer.inner.

    >>> list(numbers_in(BootstrapReport))[:3]
    ['samples', 'seed', 'difference.low']
    """
    for known in fields(kind):
        told = str(known.type).removesuffix(" | None")
        if told in _RECORDS:
            yield from numbers_in(_RECORDS[told], f"{prefix}{known.name}.")
        elif told in ("int", "float"):
            yield prefix + known.name


_RECORDS: dict[str, Any] = {kind.__name__: kind for kind in (Interval, Bounds, ModelReport, McNemar, BootstrapReport)}


def compared(
    found: Contrast, plan: Plan, confidence: float, clusters: Clusters | None, *, inputs: tuple[str, ...], version: str
) -> ComparisonReport:
    """Return what `mrl compare` says of a contrast, without a bootstrap, unmatched pairs and the time it took."""
    pairs, margin_column = found.a.pairs, dict(plan.columns.numbers).get("margin")
    table = (found.both, found.only_a, found.only_b, pairs - found.both - found.only_a - found.only_b)
    if clusters is None:
        difference = mean_interval(pairs, found.differences, found.squares, confidence)
        accuracy = paired_share_interval(*table, confidence)
    else:
        difference = clustered_mean_interval(clusters.differences, clusters.counts, confidence)
        accuracy = clustered_share_interval(clusters.outcomes, clusters.counts, table, confidence)
    sums = (found.a.loss_sum or ExactSum(), found.b.loss_sum or ExactSum())
    # The difference of the sums is rounded once; the differences of the pairs, each rounded, give the bounds around it.
    difference = _moved_to(exact_mean(sums[0] - sums[1], pairs), difference)
    return ComparisonReport(
        schema="mrl.compare/1",
        version=version,
        inputs=inputs,
        loss=plan.loss,
        margin=None if margin_column else plan.margin,
        margin_column=margin_column,
        parameters=dict(plan.parameters) or None,
        dtype=plan.dtype,
        labels=plan.labels,
        pairs=pairs,
        rejected=found.a.rejected,
        ties_dropped=found.a.ties_dropped,
        unmatched_a=0,
        unmatched_b=0,
        a=_model_report(found.a, plan),
        b=_model_report(found.b, plan),
        difference=difference,
        accuracy_difference=accuracy,
        confidence=confidence,
        clusters=None if clusters is None else clusters.counts.size,
        mcnemar=McNemar(found.only_a, found.only_b, mcnemar_p(found.only_a, found.only_b)),
        bootstrap=None,
        wins=found.wins,
        ties=found.ties,
        losses=found.losses,
        elapsed_seconds=0.0,
    )
