"""What became of the checks: batch + Measured → Verdict, which merges as Totals do, in the hands of a Verifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.inputs import read
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reports.validate import Mismatch
from mrl_cli.verify.grouped import LoopLedger, figures_by_group
from mrl_cli.verify.usable import usable
from mrl_cli.verify.validators import AGAINST, LoopFigures, Outcome, compared, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.inputs import Shard
    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.verify.validators import Doubles, Pairs, Tolerance

MISMATCHES_SHOWN = 10  # of each check
LOSS_COLUMN_CHECK = "loss column"

# Looks up which rows of the input stand at some places of a batch; a place that is left out cannot be told.
RowsAt = Callable[[Iterable[int]], dict[int, int]]


@light_dataclass(frozen=True, slots=True)
class Tally:
    """What one check found over pairs."""

    pairs: int = 0
    mismatches: int = 0
    max_abs_diff: float = 0.0
    max_ulp_diff: float = 0.0
    max_bound_fraction: float | None = None
    figures: LoopFigures | None = None

    def __add__(self, other: Tally) -> Tally:
        fractions = [f for f in (self.max_bound_fraction, other.max_bound_fraction) if f is not None]
        figures = [f for f in (self.figures, other.figures) if f is not None]
        return Tally(
            self.pairs + other.pairs,
            self.mismatches + other.mismatches,
            max(self.max_abs_diff, other.max_abs_diff),
            max(self.max_ulp_diff, other.max_ulp_diff),
            max(fractions, default=None),
            sum(figures[1:], figures[0]) if figures else None,
        )


@light_dataclass(frozen=True, slots=True)
class Verdict:
    """What all checks found over pairs; `Verdict()` is the identity of `+`.

    `rows` were handed on by the reader, `pairs` of them are to be used; `rejected`, `ties_dropped` and `zero_weight`
    are to be left out. `misjudged` counts the pairs that the core used or left out otherwise, `misaligned` the batches
    for which it gave another number of losses than of pairs. `retained` are pairs that are kept, for a sample or for
    explanations. `groups` are the loop's figures of one batch by group; a LoopLedger adds these up.
    """

    rows: int = 0
    pairs: int = 0
    misaligned: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    mismatches: dict[str, tuple[Mismatch, ...]] = field(default_factory=dict)
    retained: tuple[Pairs, ...] = ()
    rejected: int = 0
    ties_dropped: int = 0
    zero_weight: int = 0
    misjudged: int = 0
    groups: dict[str, LoopFigures] = field(default_factory=dict)

    @property
    def first_mismatches(self) -> tuple[Mismatch, ...]:
        """The first mismatches of each check."""
        found = (mismatch for first in self.mismatches.values() for mismatch in first)
        return tuple(replace(m, row=None) if m.row is not None and m.row < 0 else m for m in found)

    @property
    def mismatch_count(self) -> int:
        """How many mismatches there are of all checks."""
        return sum(tally.mismatches for tally in self.tallies.values())

    def __add__(self, other: Verdict) -> Verdict:
        names = dict.fromkeys((*self.tallies, *other.tallies))
        return Verdict(
            self.rows + other.rows,
            self.pairs + other.pairs,
            self.misaligned + other.misaligned,
            {name: self.tallies.get(name, Tally()) + other.tallies.get(name, Tally()) for name in names},
            {
                name: (self.mismatches.get(name, ()) + other.mismatches.get(name, ()))[:MISMATCHES_SHOWN]
                for name in dict.fromkeys((*self.mismatches, *other.mismatches))
            },
            self.retained + other.retained,
            self.rejected + other.rejected,
            self.ties_dropped + other.ties_dropped,
            self.zero_weight + other.zero_weight,
            self.misjudged + other.misjudged,
            self.groups or other.groups,
        )


def seen(measured: Measured) -> Verdict:
    """Return what there is to say of a batch before any loss is looked at: its rows, and which of them are used."""
    batch = measured.batch
    found = usable(batch, measured.plan)
    used = np.ones(batch.size, bool) if measured.used is None else measured.used
    return Verdict(
        batch.x1.size + batch.rejected_rows,
        int(np.count_nonzero(found.used)),
        rejected=found.rejected + batch.rejected_rows,
        ties_dropped=found.ties_dropped,
        zero_weight=found.zero_weight,
        misjudged=int(np.count_nonzero(found.used != used)),
    )


def _has_no_losses(plan: Plan) -> bool:
    """Tell whether the input has no losses of the user's own."""
    return all(role != "loss" for role, _ in plan.columns.numbers)


class Verifier(Reduction["list[Verdict]", None]):
    """Holds every batch that an engine measures against the validators asked for.

    A mismatch in a batch without row numbers stands
    as it was found, and the rows of the first few are looked up: what is measured again may well be right.
    """

    needs = frozenset(("losses",))

    def __init__(self, plan: Plan, against: Sequence[str], *, tolerance: Tolerance, retained_pairs: int = 0) -> None:
        self.verdict = Verdict()
        self.groups = LoopLedger()
        self._plan = plan
        self._against = tuple(against)
        self._tolerance = tolerance
        self._retained_pairs = retained_pairs
        self._is_settled = _has_no_losses(plan)  # whether what is retained holds what there is to explain

    def empty(self) -> list[Verdict]:
        """Return no verdicts."""
        return []

    def add(self, state: list[Verdict], measured: Measured) -> list[Verdict]:
        """Check a batch."""
        state.append(self.verdict_on(measured))
        return state

    def whole(self) -> None:
        """Return nothing: the verdict on the whole is the verifier's own."""

    def merge(self, whole: None, state: list[Verdict], part: Any) -> None:
        """Merge the verdicts on the batches of a task."""
        del whole
        start = 0
        for verdict in state:
            self.take(verdict, partial(rows_at, part.shard, self._plan, start))
            start += verdict.rows

    def verdict_on(self, measured: Measured) -> Verdict:
        """Return the verdict on a batch."""
        pairs, found = pairs_of(measured), seen(measured)
        if pairs.found.size != pairs.x1.size:
            return found + Verdict(misaligned=1)
        retained = (pairs,) if self._retained_pairs and (not self._is_settled or self._still_wanted() > 0) else ()
        return found + self.checked(pairs) + Verdict(retained=retained)

    def checked(self, pairs: Pairs) -> Verdict:
        """Return the verdict on pairs."""
        verdict = Verdict()
        for name in self._against:
            outcome = AGAINST[name](pairs, self._plan)
            verdict += self._on(f"{name} losses", pairs, outcome, pairs.found)
            verdict += Verdict(groups=figures_by_group(pairs, outcome, self._plan))
        if pairs.column is not None:
            differ = compared(pairs.found, pairs.column, self._plan.loss.dtype, tolerance=self._tolerance)
            verdict += self._on(LOSS_COLUMN_CHECK, pairs, Outcome(pairs.found, differ), pairs.column)
        return verdict

    def _on(self, name: str, pairs: Pairs, outcome: Outcome, found: Doubles) -> Verdict:
        differ = outcome.compared
        places = np.empty(0, np.intp) if differ.bad is None else np.flatnonzero(differ.bad)
        known = len(self.verdict.mismatches.get(name, ()))
        tally = Tally(
            pairs.x1.size,
            places.size,
            differ.max_abs_diff,
            differ.max_ulp_diff,
            outcome.max_bound_fraction,
            outcome.figures,
        )
        first = () if known >= MISMATCHES_SHOWN else places[:MISMATCHES_SHOWN]
        mismatches = tuple(_mismatch(name, pairs, int(place), outcome.expected, found) for place in first)
        return Verdict(tallies={name: tally}, mismatches={name: mismatches})

    def finish(self) -> None:
        """Do what is left to do once everything was added."""

    def _still_wanted(self) -> int:
        return self._retained_pairs - sum(pairs.x1.size for pairs in self.verdict.retained)

    def placed(self, verdict: Verdict, rows_at: RowsAt) -> Verdict:
        """Return the verdict on a batch with the row numbers of those mismatches that will be shown."""
        shown = {
            name: first[: MISMATCHES_SHOWN - len(self.verdict.mismatches.get(name, ()))]
            for name, first in verdict.mismatches.items()
        }
        places = {-1 - m.row for first in shown.values() for m in first if m.row is not None and m.row < 0}
        if not places:
            return replace(verdict, mismatches=shown)
        rows = {-1 - place: row for place, row in rows_at(places).items()}
        return replace(
            verdict,
            mismatches={
                name: tuple(replace(m, row=rows.get(m.row, m.row) if m.row is not None else None) for m in first)
                for name, first in shown.items()
            },
        )

    def take(self, verdict: Verdict, rows_at: RowsAt) -> None:
        """Merge the verdict on the next batch of the input.

        Retained are the first pairs; where the first mismatch of the user's losses comes later, those around it.
        """
        self.groups.add(verdict.groups)
        verdict = replace(self.placed(verdict, rows_at), groups={})
        wanted = self._still_wanted()
        retained = self.verdict.retained + verdict.retained
        if self._is_settled:
            retained = self.verdict.retained + (
                tuple(pairs.taken(slice(wanted)) for pairs in verdict.retained) if wanted > 0 else ()
            )
        self.verdict = replace(self.verdict + verdict, retained=retained)
        self._is_settled |= self.verdict.tallies.get(LOSS_COLUMN_CHECK, Tally()).mismatches > 0
        while not self._is_settled and len(retained) > 1 and self._still_wanted() < 0:
            retained = retained[1:]
            self.verdict = replace(self.verdict, retained=retained)


def rows_at(shard: Shard, plan: Plan, start: int, places: Iterable[int]) -> dict[int, int]:
    """Return the row numbers at some places of the batch that begins at pair `start` of a shard.

    The quick way does not tell them, so the shard is read the careful way. A place whose row is not certain is left
    out.
    """
    wanted = sorted(start + place for place in places)
    found: dict[int, int] = {}
    first = 0
    for batch in read(shard, plan, is_careful=True):
        last = first + batch.x1.size
        if batch.rows is None or batch.rejected_rows or not wanted or wanted[-1] < first:
            break
        found |= {place - start: int(batch.rows[place - first]) for place in wanted if first <= place < last}
        first = last
    return found


def _mismatch(check: str, pairs: Pairs, place: int, expected: Doubles, found: Doubles) -> Mismatch:
    margin = pairs.margin[place] if isinstance(pairs.margin, np.ndarray) else pairs.margin
    return Mismatch(
        check=check,
        file=pairs.files if isinstance(pairs.files, str) else pairs.files[place],
        row=int(pairs.rows[place]),
        x1=float(pairs.x1[place]),
        x2=float(pairs.x2[place]),
        y=float(pairs.y[place]),
        margin=float(margin),
        expected=float(expected[place]),
        got=float(found[place]),
        row_word=pairs.row_word,
    )
