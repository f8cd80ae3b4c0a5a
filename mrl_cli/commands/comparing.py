"""The reading behind `mrl compare`: both models' pairs in one pass over a file, or from two that are matched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.commands import running
from mrl_cli.errors import DataError, SuspectShardError, UsageError
from mrl_cli.inputs.joining import (
    RepeatedKeysError,
    Side,
    check_labels,
    joined_batches,
    matched_by_key,
    matched_by_row,
)
from mrl_cli.model import Counts
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.contrast import ContrastReduction
from mrl_cli.reductions.look import LookReduction
from mrl_cli.reductions.measured import Measured
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from mrl_cli.inputs import Source
    from mrl_cli.model import Batch, Plan
    from mrl_cli.reductions.contrast import Contrasts

ROWS_SHOWN = 3


def compared_one(
    sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], rejects: BinaryIO | None
) -> Compared:
    """Read one input, which holds the scores of both models, in one pass. Raises DataError as `running.refuse` does."""
    (sources,) = sides
    reductions: list[Reduction[Any, Any]] = [
        _contrasts(plan, options),
        LookReduction(),
        *running.rejects_of(rejects, options),
    ]
    folded = running.folded(sources, plan, reductions, options)
    contrasts, look = folded.wholes[:2]
    running.refuse(folded.counts, plan, sources, look)
    return Compared(contrasts, folded.counts)


def compared_two(
    sides: Sequence[Sequence[Source]], plan: Plan, options: dict[str, Any], rejects: BinaryIO | None
) -> Compared:
    """Read two inputs, match their pairs, and compare. Raises DataError for pairs that cannot be matched."""
    plans = (plan, _plan_for_b(plan, options))
    writers = running.rejects_of(rejects, options)
    a, rejected_a = _read(sides[0], plans[0], options, writers)
    try:
        b, rejected_b = _read(sides[1], plans[1], options, writers)
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
    reduction = _contrasts(plan, options)
    contrasts, counts = reduction.whole(), Counts(rejected=rejected_a + rejected_b)
    for batch in joined_batches(a, b, matched):
        measured = Measured(batch, plan, reduction.needs)
        counts += measured.counts
        contrasts = reduction.merge(contrasts, reduction.add(reduction.empty(), measured), None)
    if not counts.pairs:
        msg = f"no pairs in both {a.name} and {b.name}; the mean of nothing is undefined"
        raise DataError(msg, hint="is --key the column that tells the pairs apart?" if options["key"] else None)
    return Compared(contrasts, counts, (matched.unmatched_a, matched.unmatched_b))


class Compared(NamedTuple):
    """What the reading of a comparison found: contrasts, counts of rows, and the pairs one side lacks."""

    contrasts: Contrasts
    counts: Counts
    unmatched: tuple[int, int] = (0, 0)


def _contrasts(plan: Plan, options: dict[str, Any]) -> ContrastReduction:
    return ContrastReduction(plan, samples=options["bootstrap"], seed=options["seed"])


def _plan_for_b(plan: Plan, options: dict[str, Any]) -> Plan:
    """Return the plan that reads b's file: its scores, label and key; whatever else is needed is read from a's."""
    columns = plan.columns
    x1, x2 = options["x1_b"] or columns.x1, options["x2_b"] or columns.x2
    keys = tuple((role, name) for role, name in columns.keys if role == "key")
    return plan.changed(columns=replace(columns, x1=x1, x2=x2, numbers=(), keys=keys))


def _hint_for_b(hint: str | None) -> str | None:
    """Return a hint about a's options in the words of b's."""
    if hint is None:
        return None
    if "--key" in hint:
        return "both files call the key by one name: rename the column in one of them"
    return re.sub(r"--(x1|x2) ", r"--\1-b ", hint)


def _read(
    sources: Sequence[Source], plan: Plan, options: dict[str, Any], writers: Sequence[Reduction[Any, Any]]
) -> tuple[Side, int]:
    """Return all pairs of one model, and how many rows were rejected."""
    folded = running.folded(sources, plan, [HeldReduction(), LookReduction(), *writers], options)
    batches, look = folded.wholes[:2]
    counts = folded.counts
    # Ties are no pairs yet to be used, but pairs that there are.
    running.refuse(replace(counts, pairs=counts.pairs + counts.ties_dropped), plan, sources, look)
    name = sources[0].shown_name if len(sources) == 1 else f"{len(sources)} files"
    return Side(name, batches), counts.rejected


class HeldReduction(Reduction["list[Batch]", "list[Batch]"]):
    """Keeps the pairs that can be matched with those of another file: those used, and ties.

    What a tie is worth is decided once both files are one: dropped before, it would seem to be missing in one of them.
    """

    def empty(self) -> list[Batch]:
        """Return no pairs."""
        return []

    def add(self, state: list[Batch], measured: Measured) -> list[Batch]:
        """Keep those of a batch, without what need not be held: rows, problems, other columns."""
        batch, plan = measured.batch, measured.plan
        whole = measured.used
        if whole is not None and plan.rules.drops_ties and batch.y is not None:
            with np.errstate(over="ignore"):
                finite = [np.isfinite(scores.astype(plan.loss.dtype)) for scores in (batch.x1, batch.x2)]
            whole = whole | (finite[0] & finite[1] & (batch.y == 0))
        bare = replace(batch, rows=None, problems=(), rejected_rows=0, kept=None)
        state.append(bare if whole is None else bare.where(whole))
        return state


class KeyRowsReduction(Reduction["list[tuple[str, str]]", "list[tuple[str, str]]"]):
    """Lists the rows in which some keys stand, as (key, row in words)."""

    def __init__(self, keys: Iterable[str], *, is_one_file: bool) -> None:
        self._keys, self._is_one_file = frozenset(keys), is_one_file

    def empty(self) -> list[tuple[str, str]]:
        """Return no rows."""
        return []

    def add(self, state: list[tuple[str, str]], measured: Measured) -> list[tuple[str, str]]:
        """Add those of a batch. Raises SuspectShardError when the batch does not know its rows."""
        batch = measured.batch
        places = [(place, key) for place, key in enumerate(batch.keys["key"].to_pylist()) if key in self._keys]
        if places and batch.rows is None:
            raise SuspectShardError
        file = "" if self._is_one_file else f"{batch.file} "
        rows = batch.rows or ()
        return state + [(key, f"{file}{batch.row_word} {rows[place]}") for place, key in places]


def _repeated(error: RepeatedKeysError, sources: Sequence[Source], plan: Plan, options: dict[str, Any]) -> DataError:
    """Say which keys a side has more than once, and in which rows: its files are read again, where they can be."""
    rows: dict[str, list[str]] = {key: [] for key in error.keys}
    if all(source.is_plain_file for source in sources):
        reduction = KeyRowsReduction(error.keys, is_one_file=len(sources) == 1)
        for key, row in running.folded(sources, plan, [reduction], options, shows_progress=False).wholes[0]:
            rows[key].append(row)
    many = "key stands" if error.key_count == 1 else "keys stand"
    lines = [f"{error.key_count:,} {many} for {error.pairs:,} pairs of {error.side.name}; each pair needs its own"]
    for key, places in rows.items():
        shown = "   ".join(places[:ROWS_SHOWN]) + (
            f"   and {len(places) - ROWS_SHOWN:,} more" * (len(places) > ROWS_SHOWN)
        )
        lines.append(f"  {harmless(key)!r}   {shown}" if key else f"  no key   {shown}")
    return DataError("\n".join(lines), hint="name another column with --key, or leave the repeated rows out")
