"""What `mrl compute` reports: each sum rounded once, means over pairs or weights, NaN over nothing."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.reductions.histogram import Histogram, HistogramReduction
from mrl_cli.reductions.look import Look
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.reports.base import GroupRows, Line, RecordColumns, Report, RowColumns, Rows, Table, flat, titled
from mrl_cli.reports.figures import (
    COLUMNS,
    EVERY_SETTING,
    GROUP_KEYS,
    KEYS,
    OF_D,
    SETTINGS,
    Facts,
    each,
    figures_of,
    keys_that_need,
    reported_figures,
    says_the_same,
    shown_figures,
)
from mrl_cli.reports.groups import Grouped, grouped
from mrl_cli.reports.notes import data_notes
from mrl_cli.words import group_names, harmless, listed, number_text, one_or_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reports.cells import Cell

TOTAL = "total"  # what rows call the row of all groups


class ComputeReport(Report):
    """What `mrl compute` reports; `groups` holds a report of each group, whose key is its `group`."""

    FIRST = (*keys_that_need("", "reduced", "pairs", "pairwise", *OF_D), *EVERY_SETTING)

    def record(self) -> dict[str, Any]:
        """Return the JSON object."""
        whole: dict[str, Any] = super().record()
        parts = {key: whole[key] for key in ("section_groups", "groups") if key in whole}
        return whole | {key: [part.record() for part in of_key] for key, of_key in parts.items()}

    def document(self) -> Any:
        """Return the JSON object, in which very many groups are columns."""
        groups = self.groups
        if groups is None or isinstance(groups, list):
            return self.record()
        columns = RecordColumns(["group", *groups.figures], groups.blocks(groups.figures), groups.parts)
        return super().record() | {"groups": columns}

    def lines(self) -> Iterable[Any]:
        """Return a record for each group, or that of the whole where there are none."""
        groups = self.groups
        if groups is None:
            return [self.record()]
        names, _, _ = self._of_rows()
        if isinstance(groups, list):
            return (dict(zip(names, group.group, strict=True)) | _figures_of(group) for group in groups)
        return RecordColumns([*names, *groups.figures], groups.blocks(groups.figures))

    def cells(self) -> Rows:
        """Return a row for each group, or that of the whole where there are none."""
        if self.groups is None:
            whole = self.in_order(flat(super().record() | self._verdict()))
            return list(whole), [whole.values()]
        names, settings, keys = self._of_rows()
        if not isinstance(self.groups, list):
            return [*names, *keys], RowColumns([*names, *keys], self.groups.blocks(keys, settings))
        rows = ((*group.group, *map((settings | group.record()).get, keys)) for group in self.groups)
        return [*names, *keys], rows

    def _of_rows(self) -> tuple[list[str], dict[str, Any], list[str]]:
        """Return what rows of groups call the parts of a key, the settings in every row, and the keys of all else."""
        whole = self.in_order(flat(super().record() | self._verdict()))
        # The names of the first columns say what is grouped by.
        of_run = {*SETTINGS, *(self.parameters or ()), "validation"} - {"group_by"}
        settings = {key: value for key, value in whole.items() if key.split(".")[0] in of_run}
        figures = self.groups[0].record() if self.groups else whole
        keys = [key for key in whole if key in settings or (key in GROUP_KEYS and key in figures)]
        return group_names(self.group_by, [*keys, *(["sections"] if "sections" in figures else [])]), settings, keys

    def blocks(self) -> list[Table | Line]:
        """Return what is found, the tables of sections and of groups where there are some, and the summary."""
        from mrl_cli.reports.findings import finding_of, worst_group_of  # only tables and pages have sentences

        blocks: list[Table | Line] = [Line(f"{finding_of(self)}{worst_group_of(self)}.", "finding")]
        blocks += [] if self.sections is None else [_sections_table(self.sections, self.section_average)]
        if self.groups is not None:
            blocks += [self._groups_table(), *self._sections_by_group()]
        blocks.append(self._summary())
        if self.weight is not None:
            others = "" if self.accuracy_weighted is None else " and in accuracy_weighted"
            text = f"Weights count in the mean and sum of the loss{others};"
            blocks.append(Line(f"{text} counts, min, max, accuracy and means of scores are without them."))
        return blocks + ([] if self.calibration is None else [_calibration_table(self.calibration["bins"])])

    def _groups_table(self) -> Table:
        """Return the table of the figures of each group; what is 0 in all, or said by another figure, is left out."""
        columns = [(figure, self.figure(figure.key)) for figure in COLUMNS]
        there = [
            figure.key
            for figure, value in columns
            if not (
                value is None or (figure.like and says_the_same(self, figure)) or (figure.form == "share" and not value)
            )
        ]
        names, _, _ = self._of_rows()
        key = "accuracy" if isfinite(self.accuracy) else "value"
        sign, words = (-1, "the lowest accuracy") if key == "accuracy" else (1, "the highest value")

        def values() -> list[float]:
            found: list[float] = (sign * each(self.groups, key)).tolist()
            return found

        rows = GroupRows(
            self.groups, lambda group: _row(group.group, [group.figure(key) for key in there]), values, words
        )
        table = _group_table(names, there, rows, [self.figure(key) for key in there])
        return table._replace(bounds=_bounds_among(there, self.reduction))

    def _sections_by_group(self) -> list[Table]:
        """Return the table of the sections of each group that has its own, if there are such groups."""
        groups = self.section_groups or [group for group in self.groups if group.sections is not None]
        if not groups:
            return []
        keys = [section["section"] for section in self.sections]

        def figures(report: Report) -> list[Cell]:
            accuracies = {section["section"]: section["accuracy"] for section in report.sections}
            return [report.section_average, *(accuracies.get(key) for key in keys)]

        names, _, _ = self._of_rows()
        names = names if self.sections_by is None else group_names(self.sections_by)
        rows = [_row(group.group, figures(group)) for group in groups]
        return [_group_table(names, ["section_average", *keys], rows, figures(self), "sections ")]

    def _summary(self) -> Table:
        """Return what a person reads, in the order a person asks: the loss first, then what it rests on."""
        rows: list[Sequence[Cell]] = [(key, value) if key else () for key, value in shown_figures(self)]
        from mrl_cli.reports.cells import Verdict

        verdict = self._verdict().get("validation")
        rows += [] if verdict is None else [("validation", Verdict(verdict, verdict == "passed"))]
        settings = flat({key: self.figure(key) for key in ("reduction", *SETTINGS) if key != "loss"})
        settings |= {"group_by": listed(self.group_by)} if isinstance(self.group_by, list) else {}
        shown = [(key, harmless(number_text(setting), 200)) for key, setting in settings.items() if setting is not None]
        keys = [row[0] for row in rows if row]
        main = next((key for key in ("value", self.reduction.replace("-", "_")) if key in keys), "mean")
        title = f"{self.loss} loss of {titled(self.inputs)}"
        return Table(("key", "value"), rows, title, numbers=1, is_summary=True, settings=shown, main=main)

    def _verdict(self) -> dict[str, str]:
        return {} if self.validation is None else {"validation": "passed" if self.validation["passed"] else "failed"}


def _sections_table(sections: Sequence[dict[str, Any]], average: float) -> Table:
    """Return the table of the sections of a benchmark; what some have beside their accuracy is left to JSON."""
    counts = [key for key in ("pairs", "subsets", "queries") if key in sections[0]] if sections else []
    rows = [[section["section"], section["accuracy"], *map(section.get, counts)] for section in sections]
    names = ["section", "accuracy", *counts]
    total = ["section_average", average, *[None] * len(counts)]
    return Table(names, rows, "sections", numbers=len(names) - 1, total=total, whole="json")


def _calibration_table(bins: Sequence[dict[str, Any]]) -> Table:
    """Return the table of the bins of confidence."""
    keys = [key for key in (bins or [{}])[0] if key not in ("low", "high")]
    rows = [[f"{one['low']:.2f} to {one['high']:.2f}", *(one[key] for key in keys)] for one in bins]
    title, bounds = "calibration, by confidence", _bounds_among(keys)
    return Table(["bin", *keys], rows, title, numbers=len(keys), whole="json", bounds=bounds)


def _bounds_among(keys: Sequence[str], reduction: str = "") -> dict[str, tuple[str, str]]:
    """Return the bounds of each figure that are among these; those of the reduction's are of the value, the last."""
    reduced = reduction.replace("-", "_")
    named = [(key, key) for key in keys] + ([] if reduced in keys else [("value", reduced)])
    return {key: (f"{name}_low", f"{name}_high") for key, name in named if {key, f"{name}_low"} <= {*keys}}


def _figures_of(group: Report) -> dict[str, Any]:
    figures: dict[str, Any] = group.record()
    del figures["group"]
    return figures


def _group_table(
    names: Sequence[str], keys: Sequence[str], rows: Iterable[Sequence[Cell]], total: Sequence[Cell], of: str = ""
) -> Table:
    """Return the table with a row for each group, its key and its figures, and the total as the last."""
    shown = [harmless(name) for name in names]
    title = f"{of}by {', '.join(shown)}"
    return Table(
        [*shown, *keys], rows, title, numbers=len(keys), total=[TOTAL, *[""] * (len(names) - 1), *total], whole="csv"
    )


def _row(key: Sequence[str], figures: Sequence[Cell]) -> list[Cell]:
    return [*(harmless(part) or '""' for part in key), *figures]


def compute_report(
    counts: Counts,
    totals: Totals,
    plan: Plan,
    *,
    look: Look | None = None,
    inputs: Sequence[str] = (),
    ledger: Ledger | None = None,
    histogram: Histogram | None = None,
    cautions: Sequence[str] = (),
) -> ComputeReport:
    """Return what `mrl compute` reports of totals, and of those of each group where there is a ledger.

    `cautions` are notes that do not need the data.
    """
    of_keys = Grouped() if ledger is None else grouped(ledger, plan)
    of_run = {"counts": counts, "groups": of_keys.groups, "sections": of_keys.sections, "histogram": histogram}
    facts = Facts(totals, plan, of_keys.clusters, **of_run)
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
        **(dict.fromkeys(KEYS) | figures_of(facts, reported_figures(plan))),
        sections=of_keys.sections,
        subsets_without_section=of_keys.unknown or None,
        sections_by=None if of_keys.section_groups is None else one_or_all(plan.outer_groups.values()),
        section_groups=of_keys.section_groups,
        groups=of_keys.groups,
        validation=None,
        notes=[*cautions, *notes.values()] or None,
    )


def compute_reductions(plan: Plan, *, draws: bool = False) -> list[Reduction[Any, Any]]:
    """Return what a run folds for the report, in this order, after a look at the data; `draws`: for pictures too.

    Pairs that are added up by key are not added up once more: `totals_and_ledger`.
    """
    squares = plan.reporting.confidence is not None and not plan.has_clusters
    of_pairs = {"squares": squares, "describes": plan.sums_scores}
    reductions: list[Reduction[Any, Any]] = [HistogramReduction()] if plan.has_quantiles else []
    if plan.reporting.calibration or draws:
        from mrl_cli.reductions.cellsums import CellSumsReduction  # few runs report it
        from mrl_cli.statistics.calibration import KNOTS

        reductions = [CellSumsReduction(plan, KNOTS)]
    if not plan.has_keys:
        has_sums = (plan.reporting.calibration or draws) and not plan.has_weights
        return [TotalsReduction(**of_pairs, has_differences=has_sums), *reductions]
    from mrl_cli.reductions.ledger import LedgerReduction

    return [LedgerReduction(**of_pairs), *reductions]


def totals_and_ledger(folded: Any, plan: Plan) -> tuple[Totals, Ledger | None]:
    """Return the totals of all pairs of a look and `compute_reductions` folded, and the ledger where there are keys."""
    whole = folded.wholes[1]
    totals, ledger = (whole.total, whole) if plan.has_keys else (whole, None)
    if totals.difference_sum is None and plan.reporting.describes:
        known = {"difference_sum": folded.wholes[2].total("first")}
        if totals.loss_sum is None:
            known["loss_sum"] = ExactSum() - folded.wholes[2].total("first", sign=-1)
        totals = replace(totals, **known)
    return totals, ledger


def report_of(folded: Any, plan: Plan, *, inputs: Sequence[str] = (), cautions: Sequence[str] = ()) -> ComputeReport:
    """Return the report of a look and `compute_reductions` folded."""
    totals, ledger = totals_and_ledger(folded, plan)
    histogram = folded.wholes[2] if plan.has_quantiles else None
    of_pairs = {"look": folded.wholes[0], "ledger": ledger, "histogram": histogram}
    return compute_report(folded.counts, totals, plan, inputs=inputs, cautions=cautions, **of_pairs)


def _loss_at_equal_scores(plan: Plan) -> float | None:
    if plan.column_of("margin") is not None or LOSSES[plan.loss.name].is_target:
        return None
    kernel = LOSSES[plan.loss.name].kernel
    with np.errstate(all="ignore"):
        return float(kernel(np.zeros(1), np.ones(1), margin=plan.loss.margin, **dict(plan.loss.parameters))[0])
