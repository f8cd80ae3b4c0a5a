"""What `mrl compute` reports: each sum rounded once, means over pairs or weights, NaN over nothing."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.reductions.look import Look
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.reports.base import Report, Rows, Table, flat, titled
from mrl_cli.reports.figures import (
    COLUMNS,
    GROUP_KEYS,
    KEYS,
    SETTINGS,
    Clusters,
    Facts,
    Figure,
    figures_of,
    reported_figures,
    short_number,
    shown_figures,
    shown_number,
)
from mrl_cli.reports.notes import data_notes
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.ledger import Ledger

TOTAL = "total"  # what rows call the row of all groups
_NO_FIGURES = dict.fromkeys(GROUP_KEYS)


class GroupReport(Report):
    """The figures of a group, whose name is `group`."""

    __slots__ = ("group", *GROUP_KEYS)


class ComputeReport(Report):
    """What `mrl compute` reports; `groups` holds a report of each group, with its name as `group`."""

    def record(self) -> dict[str, Any]:
        """Return the JSON object."""
        whole: dict[str, Any] = super().record()
        return whole if self.groups is None else whole | {"groups": [group.record() for group in self.groups]}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a record for each group, then that of the whole."""
        whole = super().record()
        for group in whole.pop("groups", ()):
            yield group.record()
        yield whole

    def rows(self) -> Rows:
        """Return a row for each group, and the total as the last."""
        total = flat(super().record() | self._verdict())
        if self.groups is None:
            return list(total), [total.values()]
        settings = {key: total[key] for key in total if key in SETTINGS or key in (self.parameters or ())}
        names = ["group", *total]
        rows = chain((settings | group.record() for group in self.groups), [{"group": TOTAL} | total])
        return names, ([row.get(name) for name in names] for row in rows)

    def blocks(self) -> list[Table | str]:
        """Return the table of groups where there are some, and the summary."""
        title = f"{self.loss} loss of {titled(self.inputs)}"
        summary = Table(("key", "value"), list(self._summary().items()), title, numbers=1, is_summary=True)
        if self.groups is None:
            return [summary]
        keys = ["group", *(key for key in COLUMNS if self.figure(key) is not None)]
        rows = ([_group_cell(group.figure(key)) for key in keys] for group in self.groups)
        return [Table(keys, rows, f"by {harmless(self.group_by)}", numbers=len(keys) - 1), summary]

    def _summary(self) -> dict[str, str]:
        """Return what a person reads, in the order a person asks: the value first, then what it rests on."""
        figures = dict(shown_figures(self))
        value = {key: figures[key] for key in ("value",) if key in figures}
        settings = flat({key: self.figure(key) for key in ("reduction", *SETTINGS) if key != "loss"})
        texts = {key: number_text(setting) for key, setting in settings.items() if setting is not None}
        sections = {
            f"accuracy of {section['section']}": shown_number(section["accuracy"]) for section in self.sections or ()
        }
        return value | texts | figures | sections | self._verdict()

    def _verdict(self) -> dict[str, str]:
        return {} if self.validation is None else {"validation": "passed" if self.validation["passed"] else "failed"}


def _group_cell(value: Any) -> str:
    if isinstance(value, str):
        return harmless(value) or '""'
    return short_number(value) if isinstance(value, float) else f"{value:,}"


def compute_report(
    counts: Counts,
    totals: Totals,
    plan: Plan,
    *,
    look: Look | None = None,
    inputs: Sequence[str] = (),
    ledger: Ledger | None = None,
    cautions: Sequence[str] = (),
) -> ComputeReport:
    """Return what `mrl compute` reports of totals, and of those of each group where there is a ledger.

    `cautions` are notes that do not need the data. The seconds are filled in later.
    """
    figures = reported_figures(plan)
    groups = clusters = sections = unknown = None
    if ledger is not None:
        groups, clusters = _by_group(ledger, plan, [figure for figure in figures if not figure.of_run])
    if groups is not None and any(figure.needs == "sections" for figure in figures):
        from mrl_cli.reports.sections import sections_of  # few runs have groups of a preset

        sections, unknown = sections_of(groups)
    facts = Facts(totals, plan, clusters, counts=counts, groups=groups, sections=sections)
    notes = data_notes(
        totals,
        look or Look(),
        at_equal_scores=_loss_at_equal_scores(plan),
        labels_are_factors=plan.rules.labels == "any" and not LOSSES[plan.loss.name].is_target,
    )
    return ComputeReport.of_run(
        "mrl.compute/1",
        inputs,
        **plan.settings(),
        **(dict.fromkeys(KEYS) | figures_of(facts, figures)),
        sections=sections,
        subsets_without_section=unknown or None,
        groups=groups,
        validation=None,
        notes=[*cautions, *notes.values()] or None,
    )


def compute_reductions(plan: Plan) -> list[Reduction[Any, Any]]:
    """Return what a run folds for the report, in this order, after a look at the data."""
    squares = plan.reporting.confidence is not None and not plan.has_clusters
    reductions: list[Reduction[Any, Any]] = [TotalsReduction(squares=squares)]
    if plan.has_groups or plan.has_clusters:
        from mrl_cli.reductions.ledger import LedgerReduction

        reductions.append(LedgerReduction(squares=squares))
    return reductions


def report_of(folded: Any, plan: Plan, *, inputs: Sequence[str] = (), cautions: Sequence[str] = ()) -> ComputeReport:
    """Return the report of a look and `compute_reductions` folded."""
    look, totals, *others = folded.wholes
    ledger = others[0] if plan.has_groups or plan.has_clusters else None
    return compute_report(folded.counts, totals, plan, look=look, inputs=inputs, ledger=ledger, cautions=cautions)


def _loss_at_equal_scores(plan: Plan) -> float | None:
    if plan.columns.name_of("margin") is not None or LOSSES[plan.loss.name].is_target:
        return None
    kernel = LOSSES[plan.loss.name].kernel
    with np.errstate(all="ignore"):
        return float(kernel(np.zeros(1), np.ones(1), margin=plan.loss.margin, **dict(plan.loss.parameters))[0])


def _clusters_of(parts: Iterable[Totals]) -> Clusters:
    counts = np.array([(part.pairs, part.correct) for part in parts], np.int64).reshape(-1, 2)
    return Clusters(counts[:, 0], counts[:, 1], np.array([float(part.loss_sum or 0.0) for part in parts], np.float64))


def _by_group(
    ledger: Ledger, plan: Plan, figures: Sequence[Figure]
) -> tuple[list[GroupReport] | None, Clusters | None]:
    """Return a report of every group, and the clusters of the whole, where the plan has them.

    The ledger's keys are (group, cluster) or one of the two.
    """
    if not plan.has_clusters:
        return [_group(key[0], Facts(totals, plan), figures) for key, totals in ledger.totals()], None
    if not plan.has_groups:
        counts, sums = ledger.arrays()
        return None, Clusters(counts.sum(axis=1), ledger.correct(), sums)
    groups: dict[str, list[Totals]] = {}
    whole: dict[str, Totals] = {}
    for (group, cluster), totals in ledger.totals():
        groups.setdefault(group, []).append(totals)
        whole[cluster] = whole.get(cluster, Totals()) + totals
    facts = {group: Facts(sum(parts, Totals()), plan, _clusters_of(parts)) for group, parts in groups.items()}
    return [_group(group, of, figures) for group, of in facts.items()], _clusters_of(whole.values())


def _group(name: str, facts: Facts, figures: Sequence[Figure]) -> GroupReport:
    return GroupReport(group=name, **(_NO_FIGURES | figures_of(facts, figures)))
