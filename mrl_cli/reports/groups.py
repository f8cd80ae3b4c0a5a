"""From sums by key to what is reported of groups: their figures, their clusters, and a benchmark's sections of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.base import Report
from mrl_cli.reports.figures import GROUP_KEYS, Clusters, Facts, Figure, average_of, figures_of, reported_figures
from mrl_cli.words import one_or_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mrl_cli.model import Plan
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.ledger import Ledger

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
        counts, sums = ledger.arrays()
        return Grouped(clusters=Clusters(counts.sum(axis=1), ledger.correct(), sums))
    if not plan.has_sections:
        if plan.has_clusters:
            return Grouped(*_by_group(ledger.totals(), plan, {}))
        from mrl_cli.reports.columns import GroupColumns  # a run without groups starts without them

        return Grouped(GroupColumns(ledger, plan, report_of))
    roles = list(plan.key_roles)
    outer = [roles.index(role) for role in plan.outer_groups]
    ((sections, unknown),) = _sections(ledger, [], roles.index("subset")).values() or [([], [])]
    by_outer = {key: of for key, (of, _) in _sections(ledger, outer, roles.index("subset")).items()} if outer else {}
    others = [place for place, role in enumerate(roles) if role != "subset"]
    groups, clusters = _by_group(_by_parts(ledger, others), plan, by_outer)
    if not outer or plan.outer_groups == plan.groups:
        return Grouped(groups, clusters, sections, unknown)
    of_outer = [SectionsReport(group=key, section_average=average_of(of), sections=of) for key, of in by_outer.items()]
    return Grouped(groups, clusters, sections, unknown, of_outer)


def _by_parts(ledger: Ledger, places: Sequence[int]) -> Iterator[tuple[Key, Totals]]:
    """Return totals by some parts of their keys; what meets there adds up."""
    return ledger.regrouped(places).totals()


def _sections(ledger: Ledger, outer: Sequence[int], subset: int) -> dict[Key, tuple[Sections, list[str]]]:
    """Return the sections of each outer group, and its subsets that are in none; the places are those in a key."""
    from mrl_cli.reports.benchmarks import sections_of  # few runs have groups of a benchmark

    subsets: dict[Key, dict[str, Totals]] = {}
    for (*group, name), of_subset in _by_parts(ledger, [*outer, subset]):
        subsets.setdefault(tuple(group), {})[name] = of_subset
    return {group: sections_of(of_group) for group, of_group in subsets.items()}


def _by_group(
    totals: Iterable[tuple[Key, Totals]], plan: Plan, sections: Mapping[Key, Sections]
) -> tuple[list[GroupReport], Clusters | None]:
    """Return a report of every group, and the clusters of the whole where the plan has them.

    The keys of totals are groups, with the cluster at the end where there is one.
    """
    figures = reported_figures(plan, of_groups=True)
    if not plan.has_clusters:
        return [group_report(key, Facts(of, plan, sections=sections.get(key)), figures) for key, of in totals], None
    groups: dict[Key, list[Totals]] = {}
    whole: dict[str, Totals] = {}
    for (*group, cluster), of in totals:
        groups.setdefault(tuple(group), []).append(of)
        whole[cluster] = whole.get(cluster, Totals()) + of
    reports = []
    for key, parts in groups.items():
        facts = Facts(sum(parts, Totals()), plan, _clusters_of(parts), sections=sections.get(key))
        reports.append(group_report(key, facts, figures))
    return reports, _clusters_of(whole.values())


def _clusters_of(parts: Iterable[Totals]) -> Clusters:
    counts = np.array([(part.pairs, part.correct) for part in parts], np.int64).reshape(-1, 2)
    return Clusters(counts[:, 0], counts[:, 1], np.array([float(part.loss_sum or 0.0) for part in parts], np.float64))


def group_report(key: Key, facts: Any, figures: Sequence[Figure]) -> GroupReport:
    """Return the report of a group, with these figures of it."""
    return report_of(key, figures_of(facts, figures) | {"sections": facts.sections})


def report_of(key: Key, figures: dict[str, Any]) -> GroupReport:
    """Return the report of a group whose figures these are."""
    return GroupReport(group=key, **(_NO_FIGURES | figures))
