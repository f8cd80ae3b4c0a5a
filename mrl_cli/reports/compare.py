"""What `mrl compare` reports of the contrast of all pairs: means, intervals, McNemar's test, the bootstrap."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.model import USUAL_CONFIDENCE
from mrl_cli.reductions.measured import BEYOND, WRONG
from mrl_cli.reports.base import Report, Table
from mrl_cli.reports.figures import FIGURES, Facts, figures_of, shown_number
from mrl_cli.statistics import intervals
from mrl_cli.statistics.bootstrap import bootstrap_bounds
from mrl_cli.statistics.moments import exact_mean
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.contrast import Contrast, Contrasts
    from mrl_cli.reductions.ledger import Ledger

    ClusterSums: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]

_OF_MODEL = ("mean", "sum", "accuracy", "accuracy_half", "correct", "ties", "wrong")  # as `mrl compute` reports them
_SHARED = [figure for figure in FIGURES if figure.key in _OF_MODEL]
_GAPS = ("difference", "accuracy_difference")

COMPARED_NUMBERS = (
    *("margin", "pairs", "rejected", "ties_dropped", "unmatched_a", "unmatched_b"),
    *(f"{model}.{key}" for model in "ab" for key in _OF_MODEL),
    *(f"{gap}.{key}" for gap in _GAPS for key in ("mean", "standard_error", "low", "high")),
    *("confidence", "clusters", "mcnemar.only_a", "mcnemar.only_b", "mcnemar.p_value"),
    *("bootstrap.samples", "bootstrap.seed", *(f"bootstrap.{gap}.{end}" for gap in _GAPS for end in ("low", "high"))),
    *("wins", "ties", "losses", "elapsed_seconds"),
)


class ComparisonReport(Report):
    """What `mrl compare` reports.

    `difference` is of the mean loss, `accuracy_difference` of the accuracy, both a's less b's. `unmatched_a` and
    `unmatched_b` count the pairs of one file that the other lacks. `COMPARED_NUMBERS` lists every number it may hold.
    """

    def blocks(self) -> list[Table | str]:
        """Return both models, how they differ, and how sure that is; numbers of six digits."""
        a, b, mcnemar = self.a, self.b, self.mcnemar
        gaps = {"mean": self.difference, "accuracy": self.accuracy_difference}
        rows = [
            (key, _six_digits(a[key]), _six_digits(b[key]), _six_digits(gap["mean"]), _bounds(gap))
            for key, gap in gaps.items()
        ]
        if self.bootstrap is not None:
            drawn = zip(gaps, (self.bootstrap[gap] for gap in _GAPS), strict=True)
            rows += [(f"{key}, bootstrap", "", "", "", _bounds(bounds)) for key, bounds in drawn]
        tested = f"McNemar p {mcnemar['p_value']:.4g}"
        counts = {key: (a[key], b[key], "") for key in ("correct", "ties", "wrong")}
        counts["alone correct"] = (mcnemar["only_a"], mcnemar["only_b"], tested)
        counts["lower loss"] = (self.wins, self.losses, f"equal {self.ties:,}")
        counts["pairs"] = (self.pairs, self.pairs, "")
        if self.unmatched_a or self.unmatched_b:
            counts["unmatched"] = (self.unmatched_a, self.unmatched_b, "")
        rows += [(key, f"{of_a:,}", f"{of_b:,}", "", note) for key, (of_a, of_b, note) in counts.items()]
        whole = {key: self.figure(key) for key in ("rejected", "ties_dropped", "clusters")}
        rows += [(key, f"{count:,}", "", "", "") for key, count in whole.items() if count]
        return [Table(("", "a", "b", "a - b", f"{100 * self.confidence:.6g} % interval"), rows)]

    def cautions(self) -> list[str]:
        """Return what a reader of the report should know before believing its intervals."""
        notes = []
        if self.rejected:
            notes += [f"rows left out for a problem: {self.rejected:,}"]
        if self.unmatched_a or self.unmatched_b:
            lacking = f"{counted(self.unmatched_a, 'pair')} of a, {self.unmatched_b:,} of b"
            notes += [f"left out, because the other file lacks them: {lacking}"]
        if self.difference["standard_error"] == 0:
            notes += ["the difference is the same for every pair: an interval around it says nothing about other pairs"]
        if self.bootstrap is not None and self.mcnemar["only_a"] + self.mcnemar["only_b"] == 0:
            notes += ["no pair is correct under one model alone: the bootstrap of the accuracy cannot see beyond that"]
        if self.clusters is not None:
            notes += ["McNemar's p takes every pair as independent; the intervals are clustered"]
            if self.clusters < 2:
                notes += ["one cluster tells nothing of how clusters differ: no intervals"]
        return notes


def _bounds(interval: dict[str, float]) -> str:
    return "undefined" if math.isnan(interval["low"]) else f"{interval['low']:.4g} to {interval['high']:.4g}"


def _six_digits(number: float) -> str:
    return shown_number(number) if math.isnan(number) else f"{number:.6g}"


def comparison_report(
    contrasts: Contrasts,
    counts: Counts,
    plan: Plan,
    *,
    inputs: Sequence[str] = (),
    samples: int,
    seed: int,
    unmatched: tuple[int, int] = (0, 0),
) -> ComparisonReport:
    """Return what `mrl compare` reports of contrasts; to be called once for each."""
    total, confidence = contrasts.total, plan.reporting.confidence or USUAL_CONFIDENCE
    clusters = None if contrasts.ledger is None else _clusters(contrasts.ledger)
    of_models = (figures_of(Facts(model, plan.changed(confidence=None)), _SHARED) for model in (total.a, total.b))
    a, b = ({key: figures[key] for key in _OF_MODEL} for figures in of_models)
    alone = {"only_a": total.only_a, "only_b": total.only_b}
    return ComparisonReport.of_run(
        "mrl.compare/1",
        inputs,
        **plan.settings("loss", "margin", "margin_column", "parameters", "dtype", "labels"),
        pairs=total.a.pairs,
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        unmatched_a=unmatched[0],
        unmatched_b=unmatched[1],
        a=a,
        b=b,
        **dict(zip(_GAPS, _intervals(total, clusters, confidence), strict=True)),
        confidence=confidence,
        clusters=None if clusters is None else clusters[0].size,
        mcnemar=alone | {"p_value": intervals.mcnemar_p(**alone)},
        bootstrap=_bootstrap(contrasts, clusters, samples=samples, seed=seed, confidence=confidence),
        **{key: getattr(total, key) for key in ("wins", "ties", "losses")},
    )


def _bootstrap(
    contrasts: Contrasts, clusters: ClusterSums | None, *, samples: int, seed: int, confidence: float
) -> dict[str, Any] | None:
    """Return the bounds of both differences by resampling; None where there are no groups to draw."""
    if contrasts.groups is None:
        return None
    if clusters is not None:
        contrasts.groups.add(*clusters[1:], counts=clusters[0])
    drawn = bootstrap_bounds(contrasts.groups.sums, samples=samples, seed=seed, confidence=confidence)
    return {"samples": samples, "seed": seed, **dict(zip(_GAPS, map(asdict, drawn), strict=True))}


def _intervals(
    total: Contrast, clusters: ClusterSums | None, confidence: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the differences of the mean loss and of the accuracy, with the intervals around them."""
    pairs = total.a.pairs
    table = (total.both, total.only_a, total.only_b, pairs - total.both - total.only_a - total.only_b)
    if clusters is None:
        difference = intervals.mean_interval(pairs, total.differences, total.squares, confidence)
        accuracy = intervals.paired_share_interval(*table, confidence)
    else:
        sizes, differences, outcomes = clusters
        difference = intervals.clustered_mean_interval(differences, sizes, confidence)
        accuracy = intervals.clustered_share_interval(outcomes, sizes, table, confidence)
    # The difference of the sums is rounded once; the differences of the pairs, each rounded, give the bounds around it.
    a, b = (model.loss_sum or ExactSum() for model in (total.a, total.b))
    mean = exact_mean(a - b, pairs)
    shift = mean - difference.mean
    moved = {"mean": mean, "low": difference.low + shift, "high": difference.high + shift}
    return asdict(difference) | moved, asdict(accuracy)


def _clusters(ledger: Ledger) -> ClusterSums:
    """Return for each cluster its number of pairs, and its sums of the differences of loss and of being right."""
    states, sums = ledger.arrays()
    counts, outcomes = states.sum(axis=1), states[:, BEYOND] - states[:, WRONG]
    # The bootstrap allots clusters in turn, and in which order they were met depends on batches and on the format.
    order = np.lexsort((outcomes, sums, counts))
    return counts[order], sums[order], outcomes[order]
