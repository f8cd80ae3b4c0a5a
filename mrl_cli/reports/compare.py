"""What `mrl compare` reports of the contrast of all pairs: means, intervals, McNemar's test, the bootstrap."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.model import SCORE_SETTINGS, USUAL_CONFIDENCE
from mrl_cli.reports.base import GroupRows, Line, Report, Table, flat
from mrl_cli.reports.better import differing, differing_groups, disagreement, verdict
from mrl_cli.reports.cells import Bounds, short_text
from mrl_cli.reports.figures import FIGURES, Facts, figures_of
from mrl_cli.reports.groups import KeyedReport
from mrl_cli.reports.notes import below_half
from mrl_cli.statistics import intervals
from mrl_cli.statistics.bootstrap import GROUPS, Groups, bootstrap_bounds
from mrl_cli.statistics.moments import exact_mean
from mrl_cli.statistics.multiple import holm
from mrl_cli.words import counted, group_names, harmless, one_or_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.contrast import Contrast, Contrasts
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reports.base import Rows
    from mrl_cli.reports.cells import Cell

    # Of each cluster its pairs, its sum of the differences of loss, and that of the differences of being right.
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
    *("wins", "ties", "losses"),
)
_OF_RUN = {"margin", "rejected", "ties_dropped", "unmatched_a", "unmatched_b", "confidence"}
GROUP_NUMBERS = (*(number for number in COMPARED_NUMBERS if number not in _OF_RUN), "p_value_holm")
COMPARED_SETTINGS = (
    *("loss", "margin", "margin_column", "parameters"),
    *SCORE_SETTINGS,
    *("group_by", "dtype", "labels", "label_map", "strength"),
)
MOST_DRAWN_GROUPS = 1000  # beyond, drawing from each takes longer than all else


class GroupComparison(KeyedReport):
    """How the models differ on the pairs of one group, whose key is `group`; `p_value_holm` corrects McNemar's p."""

    __slots__ = (
        *("group", "pairs", "a", "b", "difference", "accuracy_difference", "clusters", "mcnemar", "bootstrap"),
        *("wins", "ties", "losses", "p_value_holm"),
    )


class ComparisonReport(Report):
    """What `mrl compare` reports.

    `difference` is of the mean loss, `accuracy_difference` of the accuracy, both a's less b's. `unmatched_a` and
    `unmatched_b` count the pairs of one file that the other lacks. `COMPARED_NUMBERS` lists every number it may hold;
    `groups` has a report of each group.
    """

    FIRST = (
        *("pairs", "rejected", "ties_dropped", "unmatched_a", "unmatched_b", "a", "b", *_GAPS, "mcnemar"),
        *("wins", "ties", "losses", "p_value_holm", "confidence", "verdict", "loss", "dtype", "labels"),
    )

    def record(self) -> dict[str, Any]:
        """Return the JSON object."""
        whole: dict[str, Any] = super().record()
        return whole if self.groups is None else whole | {"groups": [group.record() for group in self.groups]}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the record of each group, or that of the whole where there are none."""
        if self.groups is None:
            yield self.record()
        for group in self.groups or ():
            record = group.record()
            del record["group"]  # its parts come first, by the names of the columns grouped by
            yield dict(zip(group_names(self.group_by, record), group.group, strict=True)) | record

    def cells(self) -> Rows:
        """Return a row for each group, or that of the whole where there are none."""
        if self.groups is None:
            return super().cells()
        keys = (key for key in (*COMPARED_SETTINGS, "confidence") if key != "group_by" and self.figure(key) is not None)
        settings = flat({key: self.figure(key) for key in keys})
        rows = [flat(group.record()) for group in self.groups]
        names = self.in_order(dict.fromkeys(chain(settings, *rows)))
        names.pop("group", None)
        named = group_names(self.group_by, names)
        return [*named, *names], (
            (*group.group, *map((settings | row).get, names)) for group, row in zip(self.groups, rows, strict=True)
        )

    def blocks(self) -> list[Table | Line]:
        """Return both models, how they differ, and how sure that is, and the verdict. Before it, each group."""
        blocks: list[Table | Line] = [self._table(), Line(self.verdict, "finding")]
        if self.groups is None:
            return blocks
        names = group_names(self.group_by)
        figures = ("a - b", "low", "high", "Holm p", "pairs", "accuracy a - b", "McNemar p")
        every = self.groups
        rows = GroupRows(every, _group_row, lambda: (-group.p_value_holm for group in every), "the lowest p")
        columns, bounds = (*map(harmless, names), *figures), {"a - b": ("low", "high")}
        table = Table(columns, rows, numbers=len(figures), bounds=bounds)
        return [table, Line(differing(self), "finding"), *blocks]

    def sentences(self) -> list[str]:
        """Return what the figures show: in which groups the models differ, if there are some, and which is better."""
        return [*([] if self.groups is None else [differing(self)]), self.verdict]

    @property
    def _interval(self) -> str:
        return f"{100 * self.confidence:.6g} % interval"

    def _table(self) -> Table:
        a, b, mcnemar = self.a, self.b, self.mcnemar
        gaps = {"mean": self.difference, "accuracy": self.accuracy_difference}
        rows: list[Any] = []
        for name, (key, gap) in zip(_GAPS, gaps.items(), strict=True):
            rows.append((key, a[key], b[key], gap["mean"]))
            bounds = {self._interval: gap} | ({} if self.bootstrap is None else {"by bootstrap": self.bootstrap[name]})
            rows += [(words, None, None, Bounds(of["low"], of["high"])) for words, of in bounds.items()]
        tested = f"McNemar p {short_text(mcnemar['p_value'])}"
        counts = {key: (a[key], b[key], "") for key in ("correct", "ties", "wrong")}
        counts["alone correct"] = (mcnemar["only_a"], mcnemar["only_b"], tested)
        counts["lower loss"] = (self.wins, self.losses, f"equal {self.ties:,}")
        counts["pairs"] = (self.pairs, self.pairs, "")
        if self.unmatched_a or self.unmatched_b:
            counts["unmatched"] = (self.unmatched_a, self.unmatched_b, "")
        rows += [(key, *cells) for key, cells in counts.items()]
        whole = {key: self.figure(key) for key in ("rejected", "ties_dropped", "labels_skipped", "clusters")}
        rows += [(key, None, None, f"{count:,} in all") for key, count in whole.items() if count]
        return Table(("", "a", "b", "a - b"), rows, numbers=3, whole="json", kept="a - b")

    def cautions(self) -> list[str]:
        """Return what a reader of the report should know before believing its intervals."""
        found = ((side, below_half(model["correct"], model["wrong"])) for side, model in (("a", self.a), ("b", self.b)))
        notes = [f"{side}: {text}" for side, text in found if text is not None]
        if said := disagreement(self):
            notes += [said]
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
        if self.groups is not None and len(self.groups) > 1:
            corrected = f"p_value_holm corrects McNemar's p for {len(self.groups):,} groups"
            notes += [f"{corrected}; the interval of a group takes no account of the others"]
        if self.groups and self.bootstrap is not None and self.groups[0].bootstrap is None:
            drawn = "pairs" if self.clusters is None else "clusters"
            most = f"{GROUPS:,} {drawn} and {MOST_DRAWN_GROUPS:,} groups"
            notes += [f"no bootstrap for each group: one is drawn up to {most}"]
        return notes


def _group_row(group: GroupComparison) -> tuple[Cell, ...]:
    gaps = [group.difference[key] for key in ("mean", "low", "high")]
    others = (group.pairs, group.accuracy_difference["mean"], group.mcnemar["p_value"])
    return (*(harmless(name) or '""' for name in group.group), *gaps, group.p_value_holm, *others)


def comparison_report(
    contrasts: Contrasts,
    counts: Counts,
    plan: Plan,
    *,
    inputs: Sequence[str] = (),
    samples: int,
    seed: int,
    unmatched: tuple[int, int] = (0, 0),
    sides: tuple[str, str] = ("", ""),
) -> ComparisonReport:
    """Return what `mrl compare` reports of contrasts. `sides` say in words what a and b are."""
    figured = _Figured(plan, samples, seed)
    whole, groups = figured.whole(contrasts), figured.groups(contrasts) if plan.has_groups else None
    first = {key: whole.pop(key) for key in ("a", "b", "difference", "accuracy_difference")}
    report = ComparisonReport.of_run(
        "mrl.compare/1",
        inputs,
        **plan.settings(*COMPARED_SETTINGS),
        pairs=whole.pop("pairs"),
        rejected=counts.rejected,
        ties_dropped=counts.ties_dropped,
        labels_skipped=counts.labels_skipped if plan.rules.label_map else None,
        **counts.filled(plan),
        unmatched_a=unmatched[0],
        unmatched_b=unmatched[1],
        **first,
        confidence=figured.confidence,
        **whole,
        groups=groups,
        differing_groups=groups and [one_or_all(group.group) for group in differing_groups(groups, figured.confidence)],
        verdict=None,
    )
    return report.changed(verdict=verdict(report, sides))


class _Figured:
    """Figures of contrasts, under the settings of a run."""

    def __init__(self, plan: Plan, samples: int, seed: int) -> None:
        self.confidence = plan.reporting.confidence or USUAL_CONFIDENCE
        self._plan, self._samples, self._seed = plan.changed(confidence=None), samples, seed

    def whole(self, contrasts: Contrasts) -> dict[str, Any]:
        """Return the figures of all pairs."""
        ledger, sums = contrasts.by_cluster, None if contrasts.drawn is None else contrasts.drawn.sums
        if ledger is None:
            return self._figures(contrasts.total, None, sums)
        clusters = _clusters_by_group(ledger.regrouped([-1]) if self._plan.has_groups else ledger)[()]
        return self._figures(contrasts.total, clusters, self._drawn(clusters))

    def groups(self, contrasts: Contrasts) -> list[GroupComparison]:
        """Return a report of each group."""
        clusters = None if contrasts.by_cluster is None else _clusters_by_group(contrasts.by_cluster)
        pairs = contrasts.drawn.sums_by_code() if contrasts.drawn is not None else None
        draws = len(contrasts.by_group) <= MOST_DRAWN_GROUPS
        draws = draws and (contrasts.by_cluster is None or len(contrasts.by_cluster) <= GROUPS)
        reports = []
        for key, code, contrast in contrasts.groups():
            if clusters is None:
                sums = pairs[code] if draws and pairs is not None else None
                figures = self._figures(contrast, None, sums)
            else:
                figures = self._figures(contrast, clusters[key], self._drawn(clusters[key]) if draws else None)
            reports.append(GroupComparison(group=key, **figures, p_value_holm=1.0))
        corrected = holm([report.mcnemar["p_value"] for report in reports])
        return [report.changed(p_value_holm=p_value) for report, p_value in zip(reports, corrected, strict=True)]

    def _figures(
        self, contrast: Contrast, clusters: ClusterSums | None, drawn: NDArray[np.float64] | None
    ) -> dict[str, Any]:
        difference, accuracy_difference = _intervals(contrast, clusters, self.confidence)
        of_models = (figures_of(Facts(model, self._plan), _SHARED) for model in (contrast.a, contrast.b))
        a, b = ({key: figures[key] for key in _OF_MODEL} for figures in of_models)
        alone = {"only_a": contrast.only_a, "only_b": contrast.only_b}
        return {
            "pairs": contrast.a.pairs,
            "a": a,
            "b": b,
            "difference": difference,
            "accuracy_difference": accuracy_difference,
            "clusters": None if clusters is None else clusters[0].size,
            "mcnemar": alone | {"p_value": intervals.mcnemar_p(**alone)},
            "bootstrap": None if drawn is None else self._bootstrap(drawn),
            "wins": contrast.wins,
            "ties": contrast.ties,
            "losses": contrast.losses,
        }

    def _drawn(self, clusters: ClusterSums) -> NDArray[np.float64] | None:
        """Return what is drawn of clusters, None where nothing is."""
        if not self._samples:
            return None
        groups = Groups(2, self._seed)
        groups.add(*clusters[1:], counts=clusters[0])
        return groups.sums

    def _bootstrap(self, sums: NDArray[np.float64]) -> dict[str, Any]:
        """Return the bounds of both differences by resampling."""
        bounds = bootstrap_bounds(sums, samples=self._samples, seed=self._seed, confidence=self.confidence)
        by_name = {name: of._asdict() for name, of in zip(_GAPS, bounds, strict=True)}
        return {"samples": self._samples, "seed": self._seed, **by_name}


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
    return difference._asdict() | moved, accuracy._asdict()


def _clusters_by_group(ledger: Ledger) -> dict[Key, ClusterSums]:
    """Return the sums of the clusters of every group; the keys of the ledger are groups with a cluster at the end."""
    states, sums = ledger.arrays()
    counts, outcomes = states.sum(axis=1), states[:, 2] - states[:, 0]
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(ledger.keys):
        places.setdefault(key[:-1], []).append(place)
    return {key: _ordered(counts[of_key], sums[of_key], outcomes[of_key]) for key, of_key in places.items()}


def _ordered(counts: NDArray[np.int64], sums: NDArray[np.float64], outcomes: NDArray[np.int64]) -> ClusterSums:
    # The bootstrap allots clusters in turn, and in which order they were met depends on batches and on the format.
    order = np.lexsort((outcomes, sums, counts))
    return counts[order], sums[order], outcomes[order]
