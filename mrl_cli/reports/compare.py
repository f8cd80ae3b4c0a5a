"""From the contrast of all pairs to what `mrl compare` says: means, intervals, McNemar's test, the bootstrap."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.model import USUAL_CONFIDENCE
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.measured import BEYOND, WRONG
from mrl_cli.statistics.bootstrap import Bounds, bootstrap_bounds
from mrl_cli.statistics.intervals import (
    Interval,
    clustered_mean_interval,
    clustered_share_interval,
    exact_mean,
    mcnemar_p,
    mean_interval,
    paired_share_interval,
)
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mrl_cli.model import Counts, DType, Labels, Plan
    from mrl_cli.reductions.contrast import Contrasts
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reductions.totals import Totals


@light_dataclass(frozen=True, slots=True)
class ModelReport:
    """One model on the pairs: the fields mean what those of `mrl compute` mean."""

    mean: float
    sum: float
    accuracy: float
    accuracy_half: float
    correct: int
    ties: int
    wrong: int


@light_dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test: the pairs that one model alone has right, and the two-sided p."""

    only_a: int
    only_b: int
    p_value: float


@light_dataclass(frozen=True, slots=True)
class BootstrapReport:
    """The paired bootstrap: how many samples of what seed, and the bounds for both differences."""

    samples: int
    seed: int
    difference: Bounds
    accuracy_difference: Bounds


@light_dataclass(frozen=True, slots=True)
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

    def record(self) -> dict[str, Any]:
        """Return what applies by key, in the order in which it is told; records within it likewise."""
        return _without_nones(asdict(self)) | {"inputs": list(self.inputs)}


def _without_nones(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nones(value) if isinstance(value, dict) else value
        for key, value in record.items()
        if value is not None
    }


@light_dataclass(frozen=True, slots=True)
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
        total, mean = (float(np.dtype(plan.loss.dtype).type(x)) for x in (total, total / pairs if pairs else math.nan))
    return ModelReport(
        mean=mean,
        sum=total,
        accuracy=totals.correct / pairs if pairs else math.nan,
        accuracy_half=(totals.correct + totals.ties / 2) / pairs if pairs else math.nan,
        correct=totals.correct,
        ties=totals.ties,
        wrong=totals.wrong,
    )


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


def comparison_report(
    contrasts: Contrasts,
    counts: Counts,
    plan: Plan,
    *,
    inputs: tuple[str, ...],
    version: str,
    samples: int,
    seed: int,
    unmatched: tuple[int, int] = (0, 0),
    elapsed_seconds: float = 0.0,
) -> ComparisonReport:
    """Return what `mrl compare` says of contrasts; to be called once for each."""
    found, confidence = contrasts.total, plan.reporting.confidence or USUAL_CONFIDENCE
    pairs = found.a.pairs
    table = (found.both, found.only_a, found.only_b, pairs - found.both - found.only_a - found.only_b)
    clusters = None if contrasts.ledger is None else _clusters(contrasts.ledger)
    if clusters is None:
        difference = mean_interval(pairs, found.differences, found.squares, confidence)
        accuracy = paired_share_interval(*table, confidence)
    else:
        difference = clustered_mean_interval(clusters.differences, clusters.counts, confidence)
        accuracy = clustered_share_interval(clusters.outcomes, clusters.counts, table, confidence)
    sums = (found.a.loss_sum or ExactSum(), found.b.loss_sum or ExactSum())
    # The difference of the sums is rounded once; the differences of the pairs, each rounded, give the bounds around it.
    difference = _moved_to(exact_mean(sums[0] - sums[1], pairs), difference)
    bootstrap = None
    if contrasts.groups is not None:
        if clusters is not None:
            contrasts.groups.add(clusters.differences, clusters.outcomes, counts=clusters.counts)
        drawn = bootstrap_bounds(contrasts.groups.sums, samples=samples, seed=seed, confidence=confidence)
        bootstrap = BootstrapReport(samples, seed, *drawn)
    return ComparisonReport(
        schema="mrl.compare/1",
        version=version,
        inputs=inputs,
        **plan.settings("loss", "margin", "margin_column", "parameters", "dtype", "labels"),
        pairs=pairs,
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        unmatched_a=unmatched[0],
        unmatched_b=unmatched[1],
        a=_model_report(found.a, plan),
        b=_model_report(found.b, plan),
        difference=difference,
        accuracy_difference=accuracy,
        confidence=confidence,
        clusters=None if clusters is None else clusters.counts.size,
        mcnemar=McNemar(found.only_a, found.only_b, mcnemar_p(found.only_a, found.only_b)),
        bootstrap=bootstrap,
        wins=found.wins,
        ties=found.ties,
        losses=found.losses,
        elapsed_seconds=elapsed_seconds,
    )


def _clusters(ledger: Ledger) -> Clusters:
    """Return the clusters in an order of their own: in which they were met depends on batches and on the format, and
    the bootstrap allots them in turn.
    """
    states, sums = ledger.arrays()
    counts, outcomes = states.sum(axis=1), states[:, BEYOND] - states[:, WRONG]
    order = np.lexsort((outcomes, sums, counts))
    return Clusters(counts[order], sums[order], outcomes[order])


def comparison_notes(report: ComparisonReport) -> list[str]:
    """Return what a reader of the report should know before believing its intervals."""
    notes = []
    if report.rejected:
        notes.append(f"rows left out for a problem: {report.rejected:,}")
    if report.unmatched_a or report.unmatched_b:
        lacking = f"{counted(report.unmatched_a, 'pair')} of a, {report.unmatched_b:,} of b"
        notes.append(f"left out, because the other file lacks them: {lacking}")
    if report.difference.standard_error == 0:
        notes.append("the difference is the same for every pair: an interval around it says nothing about other pairs")
    if report.bootstrap is not None and report.mcnemar.only_a + report.mcnemar.only_b == 0:
        notes.append("no pair is correct under one model alone: the bootstrap of the accuracy cannot see beyond that")
    if report.clusters is not None:
        notes.append("McNemar's p takes every pair as independent; the intervals are clustered")
        if report.clusters < 2:
            notes.append("one cluster tells nothing of how clusters differ: no intervals")
    return notes
