"""The verdict on pairs: a reduction that holds every batch an engine measures against validators."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.inputs import read
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reports.validate import CheckResult, Mismatch
from mrl_cli.verify.pairs import Pairs, pairs_of
from mrl_cli.verify.usable import usable
from mrl_cli.verify.validators import AGAINST, LoopFigures, Outcome, check_of, compared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mrl_cli.inputs import Shard
    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.verify.pairs import Doubles
    from mrl_cli.verify.request import Request

MISMATCHES_SHOWN = 10  # of each check
MOST_GROUPS = 10_000  # each costs a sum in every batch
LOSS_COLUMN_CHECK = "loss column"
MISMATCH_NUMBERS = ("x1", "x2", "y", "margin", "expected", "got")  # of a mismatch


class Differing(NamedTuple):
    """A mismatch, and the place of its pair in the shard, by which its row is looked up where that is not known."""

    mismatch: Mismatch
    place: int


@light_dataclass(frozen=True, slots=True)
class Verdict:
    """The results of all checks over pairs; `Verdict()` is the identity of `+`.

    `counts` are decided apart from the core: `rows` that the reader handed on, `pairs` to be used, `rejected`,
    `ties_dropped` and `zero_weight` to be left out; `misjudged`, the pairs that the core used or left out otherwise;
    `misaligned`, the batches for which it gave another number of losses than of pairs. `checks`, the
    `figures` of validators and the first `differing` pairs are by name of the check, `groups` the loop's figures by
    group, None where there are too many to check each. `retained` are pairs kept for a sample or for explanations.
    """

    counts: Counter[str] = field(default_factory=Counter)
    checks: Mapping[str, CheckResult] = field(default_factory=dict)
    figures: Mapping[str, LoopFigures] = field(default_factory=dict)
    groups: Mapping[str, LoopFigures] | None = field(default_factory=dict)
    differing: Mapping[str, tuple[Differing, ...]] = field(default_factory=dict)
    retained: tuple[Pairs, ...] = ()

    @property
    def retained_pairs(self) -> int:
        """How many pairs are kept."""
        return sum(pairs.size for pairs in self.retained)

    def __add__(self, other: Verdict) -> Verdict:
        groups = None if self.groups is None or other.groups is None else _merged(self.groups, other.groups)
        differing = _merged(self.differing, other.differing)
        return Verdict(
            self.counts + other.counts,
            _merged(self.checks, other.checks),
            _merged(self.figures, other.figures),
            groups if groups is not None and len(groups) <= MOST_GROUPS else None,
            {name: first[:MISMATCHES_SHOWN] for name, first in differing.items()},
            self.retained + other.retained,
        )


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, **{name: one[name] + value if name in one else value for name, value in other.items()}}


class Verifier(Reduction["list[Verdict]", Any]):
    """Holds batches against validators, and keeps pairs to explain the user's numbers from, about `most_pairs` of them.

    These are the first pairs; where the first mismatch of the user's losses comes later, those around it. A state is
    the verdict on each batch of a task, the whole is one Verdict. A mismatch in a batch without row numbers stands as
    it is, and its row is looked up when it is merged: what is measured again may well be right.
    """

    needs = frozenset(("losses",))
    holds_pairs = True

    def __init__(self, request: Request) -> None:
        self._request = request

    def empty(self) -> list[Verdict]:
        """Return no verdicts."""
        return []

    def add(self, state: list[Verdict], measured: Measured) -> list[Verdict]:
        """Check a batch."""
        batch, pairs = measured.batch, pairs_of(measured, sum(one.counts["rows"] for one in state))
        to_use, counts = usable(batch, measured.plan)
        used = np.ones(batch.size, bool) if measured.used is None else measured.used
        is_misaligned = pairs.columns["computed"].size != pairs.size
        counts.update(
            rows=batch.size + batch.rejected_rows,
            rejected=batch.rejected_rows,
            misjudged=int(np.count_nonzero(to_use != used)),
            misaligned=int(is_misaligned),
        )
        state.append(Verdict(counts) if is_misaligned else Verdict(counts) + self._on_batch(pairs, state))
        return state

    def _on_batch(self, pairs: Pairs, before: list[Verdict]) -> Verdict:
        is_kept = self._request.has_losses or sum(one.retained_pairs for one in before) < self._request.most_pairs
        return self.checked(pairs) + Verdict(retained=(pairs,) if is_kept else ())

    def whole(self) -> Any:
        """Return the verdict on no pairs."""
        return Verdict()

    def merge(self, whole: Any, state: list[Verdict], part: Any) -> Any:
        """Merge the verdicts on the batches of a task."""
        for verdict in state:
            numbered = self._with_rows(verdict, whole, part.shard)
            whole = replace(whole + numbered, retained=self._kept(whole, numbered))
        return whole

    def settled(self, whole: Any) -> Verdict:
        """Return the verdict once all was merged."""
        verdict: Verdict = whole
        return verdict

    def checked(self, pairs: Pairs) -> Verdict:
        """Return the verdict on pairs."""
        request, verdict, computed = self._request, Verdict(), pairs.columns["computed"]
        for name in request.against:
            verdict += _verdict_of(f"{name} losses", pairs, AGAINST[name](pairs, request.plan), computed)
        if request.has_losses:
            got = pairs.columns["loss"]
            differ = compared(computed, got, request.plan.loss.dtype, tolerance=request.allowed)
            verdict += _verdict_of(LOSS_COLUMN_CHECK, pairs, Outcome(computed, differ), got)
        return verdict

    def _with_rows(self, verdict: Verdict, whole: Verdict, shard: Shard) -> Verdict:
        """Return the verdict on a batch with the mismatches that will be printed, and their rows."""
        firsts = {
            name: first[: MISMATCHES_SHOWN - len(whole.differing.get(name, ()))]
            for name, first in verdict.differing.items()
        }
        places = [one.place for first in firsts.values() for one in first if one.mismatch.row is None]
        rows = rows_at(shard, self._request.plan, places) if places else {}
        named = {
            name: tuple(Differing(replace(one, row=rows.get(place, one.row)), place) for one, place in first)
            for name, first in firsts.items()
        }
        return replace(verdict, differing=named)

    def _kept(self, whole: Verdict, part: Verdict) -> tuple[Pairs, ...]:
        """Return the pairs to keep of those that were kept and those of the next batch."""
        kept = whole.retained
        if not self._request.has_losses or _has_mismatch(whole):
            room = self._request.most_pairs - whole.retained_pairs
            return kept + tuple(pairs.taken(slice(room)) for pairs in part.retained) if room > 0 else kept
        kept += part.retained
        if not _has_mismatch(part):
            while len(kept) > 1 and sum(pairs.size for pairs in kept) > self._request.most_pairs:
                kept = kept[1:]
        return kept


def _has_mismatch(verdict: Verdict) -> bool:
    """Return whether a loss of the user's own differs."""
    check = verdict.checks.get(LOSS_COLUMN_CHECK)
    return check is not None and not check.passed


def _verdict_of(name: str, pairs: Pairs, outcome: Outcome, got: Doubles) -> Verdict:
    differ = outcome.compared
    check = check_of(name, pairs.size, differ, max_bound_fraction=outcome.max_bound_fraction)
    first = np.empty(0, np.intp) if differ.bad is None else np.flatnonzero(differ.bad)[:MISMATCHES_SHOWN]
    return Verdict(
        checks={name: check},
        figures={} if outcome.figures is None else {name: outcome.figures},
        groups=outcome.groups or {},
        differing={name: tuple(_differing(name, pairs.taken(first), outcome.expected[first], got[first]))},
    )


def _differing(check: str, pairs: Pairs, expected: Doubles, got: Doubles) -> Iterator[Differing]:
    columns = pairs.columns | {"expected": expected, "got": got}
    columns["margin"] = np.broadcast_to(np.asarray(pairs.margin), got.shape)
    numbers = [columns[name].tolist() for name in MISMATCH_NUMBERS]
    rows = columns["row"].tolist() if "row" in columns else [None] * got.size
    for row, place, *of_pair in zip(rows, columns["place"].tolist(), *numbers, strict=True):
        named = dict(zip(MISMATCH_NUMBERS, of_pair, strict=True))
        yield Differing(Mismatch(check=check, file=pairs.file, row=row, row_word=pairs.row_word, **named), place)


def rows_at(shard: Shard, plan: Plan, places: Sequence[int]) -> dict[int, int]:
    """Return the row numbers at some places of a shard.

    The quick way does not know them, so the shard is read the careful way. A place whose row is not certain is left
    out.
    """
    rows: dict[int, int] = {}
    first = 0
    for batch in read(shard, plan, is_careful=True):
        last = first + batch.size
        if batch.rows is None or batch.rejected_rows or max(places) < first:
            break
        rows |= {place: int(batch.rows[place - first]) for place in places if first <= place < last}
        first = last
    return rows
