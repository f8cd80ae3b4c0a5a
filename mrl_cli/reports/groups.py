"""From sums by key to what is reported of groups: their figures, their clusters, and a benchmark's sections of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reports.base import Report
from mrl_cli.reports.figures import GROUP_KEYS, Clusters, Facts, Figure, average_of, figures_of, reported_figures
from mrl_cli.words import one_or_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reductions.totals import Totals

    Sections = list[dict[str, Any]]

_NO_FIGURES = dict.fromkeys((*GROUP_KEYS, "sections"))


class KeyedReport(Report):
    """What is reported of the pairs that share a key, `group`."""

    __slots__ = ()

    def record(self) -> dict[str, Any]:
        """Return the JSON object, in which a key of one part is that part."""
        record: dict[str, Any] = super().record()
        return record | {"group": one_or_all(self.group)}


class GroupReport(KeyedReport):
    """The figures of a group, and its sections where each group has some."""

    __slots__ = ("group", *GROUP_KEYS, "sections")


class SectionsReport(KeyedReport):
    """The sections of groups that differ in nothing but the subset."""

    __slots__ = ("group", "section_average", "sections")


class Grouped(NamedTuple):
    """What is reported of the keys of a ledger; None for what a plan does not have.

    `clusters` and `sections` are those of all pairs, `unknown` the subsets in no section. Where groups are subsets of
    something else too, `section_groups` has the sections of each of that.
    """

    groups: Sequence[GroupReport] | None = None
    clusters: Clusters | None = None
    sections: Sections | None = None
    unknown: list[str] | None = None
    section_groups: list[SectionsReport] | None = None


def grouped(ledger: Ledger, plan: Plan) -> Grouped:
    """Return what is reported of the keys of a ledger, which are those of the plan's `key_roles`."""
    if not plan.has_groups:
        return Grouped(clusters=_clusters_of(ledger))
    if not plan.has_sections:
        if plan.has_clusters:
            return Grouped(*_by_group(ledger, plan, {}))
        from mrl_cli.reports.columns import GroupColumns  # a run without groups starts without them

        return Grouped(GroupColumns(ledger, plan, report_of))
    roles = list(plan.key_roles)
    outer = [roles.index(role) for role in plan.outer_groups]
    ((sections, unknown),) = _sections(ledger, [], roles.index("subset")).values() or [([], [])]
    by_outer = {key: of for key, (of, _) in _sections(ledger, outer, roles.index("subset")).items()} if outer else {}
    others = [place for place, role in enumerate(roles) if role != "subset"]
    groups, clusters = _by_group(ledger.regrouped(others), plan, by_outer)
    if not outer or plan.outer_groups == plan.groups:
        return Grouped(groups, clusters, sections, unknown)
    of_outer = [SectionsReport(group=key, section_average=average_of(of), sections=of) for key, of in by_outer.items()]
    return Grouped(groups, clusters, sections, unknown, of_outer)


def _sections(ledger: Ledger, outer: Sequence[int], subset: int) -> dict[Key, tuple[Sections, list[str]]]:
    """Return the sections of each outer group, and its subsets that are in none; the places are those in a key."""
    from mrl_cli.reports.benchmarks import sections_of  # few runs have groups of a benchmark

    subsets: dict[Key, dict[str, Totals]] = {}
    for (*group, name), of_subset in ledger.regrouped([*outer, subset]).totals():
        subsets.setdefault(tuple(group), {})[name] = of_subset
    return {group: sections_of(of_group) for group, of_group in subsets.items()}


def _by_group(
    ledger: Ledger, plan: Plan, sections: Mapping[Key, Sections]
) -> tuple[list[GroupReport], Clusters | None]:
    """Return a report of every group, and the clusters of the whole where the plan has them.

    The keys of the ledger are groups, with the cluster at the end where there is one.
    """
    figures = reported_figures(plan, of_groups=True)
    if not plan.has_clusters or not len(ledger):
        facts = ((key, Facts(of, plan, sections=sections.get(key))) for key, of in ledger.totals())
        return [group_report(key, of, figures) for key, of in facts], _clusters_of(
            ledger
        ) if plan.has_clusters else None
    clusters, order, parts = _clusters_of(ledger), ledger.order, range(len(ledger.block.keys) - 1)
    groups, codes = ledger.regrouped(parts), ledger.places_in_regrouped(parts)[order]
    sizes = np.bincount(codes)[groups.order]
    by_group = np.split(order[np.argsort(np.argsort(groups.order)[codes], kind="stable")], np.cumsum(sizes)[:-1])
    reports = [
        group_report(key, Facts(of, plan, clusters.taken(here), sections=sections.get(key)), figures)
        for (key, of), here in zip(groups.totals(), by_group, strict=True)
    ]
    whole = ledger.places_in_regrouped([-1])[order]
    as_met = np.sort(np.unique(whole, return_index=True)[1])  # a cluster is of the first group that has it
    return reports, _clusters_of(ledger.regrouped([-1])).taken(whole[as_met])


def _clusters_of(ledger: Ledger) -> Clusters:
    counts, sums = ledger.arrays()
    return Clusters(counts.sum(axis=1), ledger.correct(), sums)


def group_report(key: Key, facts: Any, figures: Sequence[Figure]) -> GroupReport:
    """Return the report of a group, with these figures of it."""
    return report_of(key, figures_of(facts, figures) | {"sections": facts.sections})


def report_of(key: Key, figures: dict[str, Any]) -> GroupReport:
    """Return the report of a group whose figures these are."""
    return GroupReport(group=key, **(_NO_FIGURES | figures))
