"""The reading behind `mrl compare`: both models' pairs in one pass over a file, or from two that are matched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.commands import running
from mrl_cli.errors import DataError, SuspectShardError, UsageError
from mrl_cli.inputs.joining import (
    RepeatedKeysError,
    Side,
    check_labels,
    held,
    joined_batches,
    matched_by_key,
    matched_by_row,
)
from mrl_cli.model import Totals
from mrl_cli.reductions.contrast import contrast, scores_are_whole
from mrl_cli.reductions.measured import measure
from mrl_cli.reports.gathering import Gathered
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from mrl_cli.inputs import Source
    from mrl_cli.model import PairBatch, Plan
    from mrl_cli.reductions.contrast import Contrasted
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.render.writers import RejectsWriter

ROWS_SHOWN = 3


def compared_one(
    sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], rejects: BinaryIO | None
) -> Gathered:
    """Read one input, which holds the scores of both models, in one pass. Raises DataError as `running.refuse` does."""
    (sources,) = sides
    per_pair = replace(plan, reduction="none")
    gathered, writer = _gathered(plan, options), _writer_of(rejects, options)

    def encode(measured: Measured, batch: PairBatch) -> Contrasted:
        return contrast(measured, batch, per_pair)

    for part in running.parts_of(sources, per_pair, options, encode):
        for found in part.encoded:
            gathered.add(found)
        if writer is not None:
            writer.write(part.problems)
    running.refuse(gathered.total.a, plan, [source.name for source in sources])
    return gathered


def compared_two(
    sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], rejects: BinaryIO | None
) -> Gathered:
    """Read two inputs, match their pairs, and compare. Raises DataError for pairs that cannot be matched."""
    plans = (plan, _plan_for_b(plan, options))
    gathered, writer = _gathered(plan, options), _writer_of(rejects, options)
    a = _read(sides[0], plans[0], options, writer, gathered)
    try:
        b = _read(sides[1], plans[1], options, writer, gathered)
    except UsageError as error:
        raise UsageError(error.message, hint=_hint_for_b(error.hint)) from None
    try:
        if options["by_row"]:
            matched = matched_by_row(a, b)
        else:
            matched = matched_by_key(a, b, drops_unmatched=options["unmatched"] == "drop")
    except RepeatedKeysError as error:
        place = 0 if error.side is a else 1
        raise _repeated(error, sides[place], plans[place], options) from None
    check_labels(a, b, matched, has_keys=not options["by_row"])
    gathered.unmatched_a, gathered.unmatched_b = matched.unmatched_a, matched.unmatched_b
    # The clusters of the differences are wanted, not those of each model's losses.
    per_pair = replace(plan, reduction="none", columns=replace(plan.columns, keys=()))
    for batch in joined_batches(a, b, matched):
        gathered.add(contrast(measure(batch, per_pair), batch, per_pair))
    if not gathered.total.a.pairs:
        msg = f"no pairs in both {a.name} and {b.name}; the mean of nothing is undefined"
        raise DataError(msg, hint="is --key the column that tells the pairs apart?" if options["key"] else None)
    return gathered


def _gathered(plan: Plan, options: dict[str, Any]) -> Gathered:
    return Gathered(plan, confidence=options["confidence"], samples=options["bootstrap"], seed=options["seed"])


def _writer_of(rejects: BinaryIO | None, options: dict[str, Any]) -> RejectsWriter | None:
    """Return what writes problems down, where they are wanted."""
    if rejects is None:
        return None
    from mrl_cli.render.writers import RejectsWriter

    return RejectsWriter(rejects, options["rejects"])


def _plan_for_b(plan: Plan, options: dict[str, Any]) -> Plan:
    """Return the plan that reads b's file: its scores, label and key; whatever else is needed is read from a's."""
    columns = plan.columns
    x1, x2 = options["x1_b"] or columns.x1, options["x2_b"] or columns.x2
    keys = tuple((role, name) for role, name in columns.keys if role == "key")
    return replace(plan, columns=replace(columns, x1=x1, x2=x2, numbers=(), keys=keys))


def _hint_for_b(hint: str | None) -> str | None:
    """Return a hint about a's options in the words of b's."""
    if hint is None:
        return None
    if "--key" in hint:
        return "both files call the key by one name: rename the column in one of them"
    return re.sub(r"--(x1|x2) ", r"--\1-b ", hint)


def _read(
    sources: Sequence[Source], plan: Plan, options: dict[str, Any], writer: RejectsWriter | None, gathered: Gathered
) -> Side:
    """Return all pairs of one model."""

    def encode(measured: Measured, batch: PairBatch) -> PairBatch:
        return held(batch, scores_are_whole(measured, batch, plan))

    batches: list[PairBatch] = []
    totals = Totals()
    for part in running.parts_of(sources, plan, options, encode):
        totals += part.totals
        batches += part.encoded
        if writer is not None:
            writer.write(part.problems)
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
