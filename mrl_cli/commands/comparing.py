"""The reading behind `mrl compare`: both models' pairs in one pass over a file, or from two that are matched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.bootstrap import Groups
from mrl_cli.commands import running
from mrl_cli.comparison import Clusters, Contrast, Contrasted, bootstrapped, compared, contrast, scores_are_whole
from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.groups import BEYOND, TIE, WRONG, GroupBlock, Ledger, Pairs, group_block
from mrl_cli.joining import (
    RepeatedKeysError,
    Side,
    check_labels,
    held,
    joined_batches,
    matched_by_key,
    matched_by_row,
)
from mrl_cli.measure import measure
from mrl_cli.model import Totals
from mrl_cli.wording import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from mrl_cli.comparison import ComparisonReport
    from mrl_cli.joining import Matched
    from mrl_cli.measure import Measured
    from mrl_cli.model import PairBatch, Plan
    from mrl_cli.readers import Source

ROWS_SHOWN = 3
_STATES = np.array([TIE, BEYOND, WRONG], np.uint8)  # by outcome: 0, 1 and, from the end, -1


class Gathered:
    """What all batches come to: sums, groups for the bootstrap, clusters, and what to note."""

    def __init__(self, plan: Plan, options: dict[str, Any], rejects: BinaryIO | None) -> None:
        self._plan = plan
        self._options = options
        self._rejects = None
        if rejects is not None:
            from mrl_cli.writers import RejectsWriter

            self._rejects = RejectsWriter(rejects, options["rejects"])
        self._groups = Groups(2, options["seed"])
        self._ledger = Ledger() if options["cluster"] else None
        self.total = Contrast()
        self.rejected = 0
        self.matched: Matched | None = None
        self.notes: list[str] = []

    def reject(self, problems: list[Any]) -> None:
        """Write problems down, where they are wanted."""
        if self._rejects is not None:
            self._rejects.write(problems)

    def add(self, found: Contrasted, block: GroupBlock | None) -> None:
        """Add a batch, in order."""
        self.total += found.contrast
        if self._ledger is not None and block is not None:
            self._ledger.add(block)
        elif self._options["bootstrap"]:
            self._groups.add(found.differences, found.outcomes)

    def report(self, *, inputs: tuple[str, ...], version: str) -> ComparisonReport:
        """Return what the whole says."""
        confidence, samples, seed = (self._options[key] for key in ("confidence", "bootstrap", "seed"))
        clusters = None if self._ledger is None else _clusters(self._ledger)
        report = compared(self.total, self._plan, confidence, clusters, inputs=inputs, version=version)
        report = replace(report, rejected=report.rejected + self.rejected)
        if self.matched is not None:
            report = replace(report, unmatched_a=self.matched.unmatched_a, unmatched_b=self.matched.unmatched_b)
        if samples:
            if clusters is not None:
                self._groups.add(clusters.differences, clusters.outcomes, counts=clusters.counts)
            drawn = bootstrapped(self._groups.sums, samples=samples, seed=seed, confidence=confidence)
            report = replace(report, bootstrap=drawn)
        self.notes += _notes(report)
        return report


def _clusters(ledger: Ledger) -> Clusters:
    counts, sums = ledger.arrays()
    return Clusters(counts.sum(axis=1), sums, counts[:, BEYOND] - counts[:, WRONG])


def _notes(report: ComparisonReport) -> list[str]:
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


def _contrasted(measured: Measured, batch: PairBatch, plan: Plan) -> tuple[Contrasted, GroupBlock | None]:
    found = contrast(measured, batch, plan)
    if "cluster" not in batch.keys:
        return found, None

    clusters = batch.keys["cluster"]
    clusters = clusters if measured.used is None else clusters.filter(as_arrow(measured.used))
    return found, group_block([clusters], Pairs(found.differences, _STATES[found.outcomes]))


def compared_one(sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], gathered: Gathered) -> None:
    """Read one input, which holds the scores of both models, in one pass. Raises DataError as `running.refuse` does."""
    (sources,) = sides
    per_pair = replace(plan, reduction="none")

    def encode(measured: Measured, batch: PairBatch) -> tuple[Contrasted, GroupBlock | None]:
        return _contrasted(measured, batch, per_pair)

    for part in running.parts_of(sources, per_pair, options, encode):
        for found, block in part.encoded:
            gathered.add(found, block)
        gathered.reject(part.problems)
    running.refuse(gathered.total.a, plan, [source.name for source in sources])


def compared_two(sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], gathered: Gathered) -> None:
    """Read two inputs, match their pairs, and compare. Raises DataError for pairs that cannot be matched."""
    plans = (plan, _plan_for_b(plan, options))
    a, b = (_read(*side, options, gathered) for side in zip(sides, plans, strict=True))
    try:
        if options["by_row"]:
            matched = matched_by_row(a, b)
        else:
            matched = matched_by_key(a, b, drops_unmatched=options["unmatched"] == "drop")
    except RepeatedKeysError as error:
        place = 0 if error.side is a else 1
        raise _repeated(error, sides[place], plans[place], options) from None
    check_labels(a, b, matched, has_keys=not options["by_row"])
    gathered.matched = matched
    # The clusters of the differences are wanted, not those of each model's losses.
    per_pair = replace(plan, reduction="none", columns=replace(plan.columns, keys=()))
    for batch in joined_batches(a, b, matched):
        gathered.add(*_contrasted(measure(batch, per_pair), batch, per_pair))
    if not gathered.total.a.pairs:
        msg = f"no pairs in both {a.name} and {b.name}; the mean of nothing is undefined"
        raise DataError(msg)


def _plan_for_b(plan: Plan, options: dict[str, Any]) -> Plan:
    """Return the plan that reads b's file: its scores, label and key; whatever else is needed is read from a's."""
    columns = plan.columns
    x1, x2 = options["x1_b"] or columns.x1, options["x2_b"] or columns.x2
    keys = tuple((role, name) for role, name in columns.keys if role == "key")
    return replace(plan, columns=replace(columns, x1=x1, x2=x2, numbers=(), keys=keys))


def _read(sources: Sequence[Source], plan: Plan, options: dict[str, Any], gathered: Gathered) -> Side:
    """Return all pairs of one model."""

    def encode(measured: Measured, batch: PairBatch) -> PairBatch:
        return held(batch, scores_are_whole(measured, batch, plan))

    batches: list[PairBatch] = []
    totals = Totals()
    for part in running.parts_of(sources, plan, options, encode):
        totals += part.totals
        batches += part.encoded
        gathered.reject(part.problems)
    # Ties are no pairs yet to be used, but pairs that there are.
    running.refuse(replace(totals, pairs=totals.pairs + totals.ties_dropped), plan, [source.name for source in sources])
    gathered.rejected += totals.rejected
    name = sources[0].shown_name if len(sources) == 1 else f"{len(sources)} files"
    return Side(name, batches)


def _repeated(error: RepeatedKeysError, sources: Sequence[Source], plan: Plan, options: dict[str, Any]) -> DataError:
    """Say which keys a side has more than once, and in which rows: its files are read again, where they can be."""
    wanted = set(error.keys)

    def encode(measured: Measured, batch: PairBatch) -> list[tuple[str, str]]:
        del measured
        places = [(place, key) for place, key in enumerate(batch.keys["key"].to_pylist()) if key in wanted]
        if not places:
            return []
        if batch.rows is None:
            raise SuspectShardError
        file = f"{batch.file} " if len(sources) > 1 else ""
        return [(key, f"{file}{batch.row_word} {batch.rows[place]}") for place, key in places]

    rows: dict[str, list[str]] = {key: [] for key in error.keys}
    if all(source.is_plain_file for source in sources):
        for part in running.parts_of(sources, plan, options | {"progress": False}, encode):
            for key, row in (found for encoded in part.encoded for found in encoded):
                rows[key].append(row)
    many = "key stands" if error.key_count == 1 else "keys stand"
    lines = [f"{error.key_count:,} {many} for {error.pairs:,} pairs of {error.side.name}; each pair needs its own"]
    for key, places in rows.items():
        shown = "   ".join(places[:ROWS_SHOWN]) + (
            f"   and {len(places) - ROWS_SHOWN:,} more" * (len(places) > ROWS_SHOWN)
        )
        lines.append(f"  {harmless(key)!r}   {shown}" if key else f"  no key   {shown}")
    return DataError("\n".join(lines), hint="name another column with --key, or leave the repeated rows out")
