"""All batches of a comparison, in order, and the report on the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.reductions.contrast import Contrast
from mrl_cli.reductions.ledger import BEYOND, WRONG, Ledger
from mrl_cli.reports.compare import Clusters, bootstrapped, compared
from mrl_cli.statistics.bootstrap import Groups

if TYPE_CHECKING:
    from mrl_cli.model import Plan
    from mrl_cli.reductions.contrast import Contrasted
    from mrl_cli.reports.compare import ComparisonReport


class Gathered:
    """What all batches come to: their contrast, their clusters where the plan has some, groups for the bootstrap.

    `confidence` is that of every interval; `samples` of the bootstrap are drawn by `seed`, none for 0. Whoever matches
    the pairs of two files enters what was left out before: rows `rejected`, and pairs unmatched.
    """

    def __init__(self, plan: Plan, *, confidence: float, samples: int, seed: int) -> None:
        self._plan = plan
        self._confidence, self._samples, self._seed = confidence, samples, seed
        self._groups = Groups(2, seed)
        self._ledger = Ledger() if plan.has_clusters else None
        self.total = Contrast()
        self.rejected = self.unmatched_a = self.unmatched_b = 0

    def add(self, found: Contrasted) -> None:
        """Add a batch, in order. Raises UsageError when there are more clusters than a ledger holds."""
        self.total += found.contrast
        if self._ledger is not None:
            if found.clusters is not None:
                self._ledger.add(found.clusters)
        elif self._samples:
            self._groups.add(found.differences, found.outcomes)

    def report(self, *, inputs: tuple[str, ...], version: str) -> ComparisonReport:
        """Return what the whole says, but for the time it took; to be called once."""
        clusters = None if self._ledger is None else _clusters(self._ledger)
        report = compared(self.total, self._plan, self._confidence, clusters, inputs=inputs, version=version)
        report = replace(
            report,
            rejected=report.rejected + self.rejected,
            unmatched_a=self.unmatched_a,
            unmatched_b=self.unmatched_b,
        )
        if not self._samples:
            return report
        if clusters is not None:
            self._groups.add(clusters.differences, clusters.outcomes, counts=clusters.counts)
        drawn = bootstrapped(self._groups.sums, samples=self._samples, seed=self._seed, confidence=self._confidence)
        return replace(report, bootstrap=drawn)


def _clusters(ledger: Ledger) -> Clusters:
    """Return the clusters in an order of their own: in which they were met depends on batches and on the format, and
    the bootstrap allots them in turn.
    """
    states, sums = ledger.arrays()
    counts, outcomes = states.sum(axis=1), states[:, BEYOND] - states[:, WRONG]
    order = np.lexsort((outcomes, sums, counts))
    return Clusters(counts[order], sums[order], outcomes[order])
