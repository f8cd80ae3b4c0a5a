"""Two models in two inputs: each side read, their pairs matched, and set against each other."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError, SuspectShardError, UsageError
from mrl_cli.inputs import Source, columns_of
from mrl_cli.inputs.joining import (
    RepeatedKeysError,
    Side,
    check_groups,
    check_labels,
    check_margins,
    joined_batches,
    matched_by_key,
    matched_by_row,
)
from mrl_cli.inputs.naming import check_same_pairs, is_naming, naming_columns, shortened
from mrl_cli.model import Batch, Counts, Plan, Role
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.look import Look, LookReduction
from mrl_cli.reductions.measured import Measured
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mrl_cli.commands.models import TwoModels
    from mrl_cli.commands.run import Run

ROWS_SHOWN = 3


def contrasted(run: TwoModels, reduction: Reduction[Any, Any]) -> tuple[Any, Counts, tuple[int, int], dict[str, Look]]:
    """Read both sides of a run and match their pairs; return contrasts, counts, how many pairs each side has alone, and
    a look at each.

    The contrasts are what the reduction makes of the matched pairs. Raises DataError for pairs that cannot be matched.
    """
    by_row, drops_unmatched = run.by_row, run.unmatched == "drop"
    plans, names = _plans(run)
    a, counts_a, look_a = _read(run, run.sides[0], plans[0])
    try:
        b, counts_b, look_b = _read(run, run.sides[1], plans[1])
    except UsageError as error:
        raise UsageError(error.message, hint=_hint_for_b(error.hint)) from None
    try:
        matched = matched_by_row(a, b) if by_row else matched_by_key(a, b, drops_unmatched=drops_unmatched)
    except RepeatedKeysError as error:
        place = 0 if error.side is a else 1
        raise _repeated(error, run, run.sides[place], plans[place]) from None
    check_same_pairs(a, b, names)
    check_labels(matched)
    if margin := run.plan.columns.name_of("margin"):
        check_margins(matched, margin)
    for role, name in run.plan.groups.items():
        check_groups(matched, role, name)
    # A pair that is skipped for its label is missing on both sides: it is counted once.
    counts = Counts(rejected=counts_a.rejected + counts_b.rejected, labels_skipped=counts_a.labels_skipped)
    contrasts = reduction.whole()
    for batch in joined_batches(matched):
        measured = Measured(batch, run.plan, reduction.needs)
        counts += measured.counts
        contrasts = reduction.merge(contrasts, reduction.add(reduction.empty(), measured), None)
    if not counts.pairs:
        msg = f"no pairs in both {a.name} and {b.name}; the mean of nothing is undefined"
        raise DataError(msg, hint="is --key the column that tells the pairs apart?" if not by_row else None)
    return contrasts, counts, (matched.unmatched_a, matched.unmatched_b), {"a": look_a, "b": look_b}


def _plans(run: TwoModels) -> tuple[tuple[Plan, Plan], dict[Role, str]]:
    """Return the plans that read a's and b's file; b's reads scores, label and key: all else is read from a's.

    Margins and groups are read from b's file too where it has them; that it has no such margins is said.

    By row, both read also those columns that may name the pairs, which are returned by role.
    """
    columns, there = run.plan.columns, [columns_of(source, run.plan) for source in run.sides[1]]
    used = {role for role, name in run.plan.groups.items() if all(name in names for names in there)} | {"key", "y"}
    keys = tuple((role, name) for role, name in columns.keys if role in used)
    of_b, margin = columns.of_b(run.x1_b, run.x2_b, run.difference_b), columns.name_of("margin")
    has_margin = margin is not None and all(margin in names for names in there)
    if margin is not None and not has_margin:
        first, second = (side[0].shown_name for side in run.sides)
        run.cautions.append(f"margins are those of {first}: {second} has no column {harmless(margin)}")
    margins = (("margin", margin),) if has_margin else ()
    of_b = replace(of_b, numbers=(*of_b.numbers, *margins), keys=keys)
    names: dict[Role, str] = {}
    if run.by_row:
        read = {name for of_side in (columns, of_b) for _, name in of_side.wanted}
        names = naming_columns([source for side in run.sides for source in side], run.plan, read)
    a, b = (run.plan.changed(columns=replace(c, keys=(*c.keys, *names.items()))) for c in (columns, of_b))
    return (a, b.changed(fills=tuple(fill for fill in b.reading.fills if has_margin and fill[0] == "margin"))), names


def _hint_for_b(hint: str | None) -> str | None:
    """Return a hint in the words of b's options, of which there are two; the others hold for a's file as well."""
    if hint is None or any(f"--{name} " in hint for name in ("x1", "x2", "difference")):
        return hint and re.sub(r"--(x1|x2|difference) ", r"--\1-b ", hint)
    for option, what in (("--key", "key"), ("--y", "label"), ("-reference", "reference")):
        if f"{option} " in hint:
            return f"both files call the {what} by one name: rename the column in one of them"
    return "name b's scores with --x1-b COLUMN and --x2-b COLUMN; other options hold for both files"


def _read(run: Run, sources: Sequence[Source], plan: Plan) -> tuple[Side, Counts, Look]:
    """Return all pairs of one model, the counts of rows, and a look at the pairs."""
    folded = run.fold([LookReduction(), HeldReduction(), *run.reject_writers], sources=sources, plan=plan)
    counts, (look, batches, *_) = folded.counts, folded.wholes
    # Ties are no pairs yet to be used, but pairs that there are.
    run.refuse(replace(counts, pairs=counts.pairs + counts.ties_dropped), look, sources)
    name = sources[0].shown_name if len(sources) == 1 else f"{len(sources)} files"
    return Side(name, batches), counts, look


class HeldReduction(Reduction["list[Batch]", "list[Batch]"]):
    """Keeps the pairs that can be matched with those of another file: those used, and ties.

    What a tie is worth is decided once both files are one: dropped before, it would seem to be missing in one of them.
    """

    joins = True
    state = list

    def add(self, state: list[Batch], measured: Measured) -> list[Batch]:
        """Keep those of a batch, without what need not be held: rows, problems, other columns."""
        batch, plan, held = measured.batch, measured.plan, measured.used
        if held is not None and plan.rules.drops_ties and batch.y is not None:
            with np.errstate(over="ignore"):
                finite = [np.isfinite(scores.astype(plan.loss.dtype)) for scores in (batch.x1, batch.x2)]
            held = held | (finite[0] & finite[1] & (batch.y == 0))
        keys = {role: shortened(column) if is_naming(role) else column for role, column in batch.keys.items()}
        bare = replace(batch, rows=None, problems=(), rejected_rows=0, kept=None, keys=keys, computed_from={})
        bare = replace(bare, bad_labels={})
        state.append(bare if held is None else bare.where(held))
        return state


class KeyRowsReduction(Reduction["list[tuple[str, str]]", "list[tuple[str, str]]"]):
    """Lists the rows in which some keys stand, as (key, row in words)."""

    state = list

    def __init__(self, keys: Iterable[str], *, is_one_file: bool) -> None:
        self._keys, self._is_one_file = frozenset(keys), is_one_file

    def add(self, state: list[tuple[str, str]], measured: Measured) -> list[tuple[str, str]]:
        """Add those of a batch. Raises SuspectShardError when the batch does not know its rows."""
        batch = measured.batch
        places = [(place, key) for place, key in enumerate(batch.keys["key"].to_pylist()) if key in self._keys]
        if places and batch.rows is None:
            raise SuspectShardError
        file = "" if self._is_one_file else f"{batch.file} "
        rows = batch.rows or ()
        return state + [(key, f"{file}{batch.row_word} {rows[place]}") for place, key in places]


def _repeated(error: RepeatedKeysError, run: Run, sources: Sequence[Source], plan: Plan) -> DataError:
    """Return the error of keys that a side has more than once, with their rows where its files can be read again."""
    rows: dict[str, list[str]] = {key: [] for key in error.keys}
    if all(source.is_plain_file for source in sources):
        reduction = KeyRowsReduction(error.keys, is_one_file=len(sources) == 1)
        folded = run.fold([reduction], sources=sources, plan=plan, shows_progress=False)
        for key, row in folded.wholes[0]:
            rows[key].append(row)
    many = "key stands" if error.key_count == 1 else "keys stand"
    lines = [f"{error.key_count:,} {many} for {error.pairs:,} pairs of {error.side.name}; each pair needs its own"]
    for key, places in rows.items():
        more = f"   and {len(places) - ROWS_SHOWN:,} more" if len(places) > ROWS_SHOWN else ""
        lines.append((f"  {harmless(key)!r}   " if key else "  no key   ") + "   ".join(places[:ROWS_SHOWN]) + more)
    return DataError("\n".join(lines), hint="name another column with --key, or leave the repeated rows out")
