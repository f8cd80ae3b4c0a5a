"""The verdict on pairs: a reduction that holds what an engine measures, all or a sample of it, against validators."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.inputs import Shard, read
from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.hashes import next_of
from mrl_cli.reports.validate import BY_MRL, EXPECTED, YOURS, CheckResult, Mismatch
from mrl_cli.verify.pairs import Pairs, first_of, pairs_of, usable
from mrl_cli.verify.validators import AGAINST, TOLERANCES, Outcome, Tolerance, check_of, compared, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.dtypes import Doubles
    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured
    from mrl_cli.verify.reference import LoopFigures

MISMATCHES_SHOWN = 10  # of each check
MOST_GROUPS = 10_000  # each costs a sum in every batch
COLUMN_PAIRS = 200_000  # a mistake that is everywhere shows in so many consecutive rows
VALUE_PAIRS = 1_000_000  # up to so many pairs are kept whole; beyond, the files are read again
LOSS_COLUMN_CHECK = "loss column"
QUANTILE_WIDTH = 1 / 63  # the exact one is within 1/64 of itself
MISMATCH_NUMBERS = ("x1", "x2", "y", "margin", "expected", "got")  # of a mismatch


class Expectation(NamedTuple):
    """A number of the user's own: the figure that it should be, and how far that may be from it by the digits written.

    >>> Expectation.of("accuracy", "0.718")
    Expectation(name='accuracy', number=0.718, half_a_digit=0.0005)
    """

    name: str
    number: float
    half_a_digit: float

    @classmethod
    def of(cls, name: str, text: str) -> Expectation:
        """Return the expectation of a finite number as it is written. A power of ten is no rounding: 1e6 is 1000000."""
        exponent = Decimal(text).as_tuple().exponent
        return cls(name, float(text), 10.0 ** min(int(exponent), 0) / 2)

    @property
    def check_name(self) -> str:
        """What the check of the number is called."""
        return EXPECTED + self.name

    def tolerance(self, figure: float, request: Request) -> Tolerance:
        """Return how far the number may be from the figure: as requested, else where its digits end.

        A number of more digits than the dtype's tolerance has is held to that; a count to nothing but its digits.
        """
        by_digits = Tolerance(atol=self.half_a_digit * (1 + 1e-9))
        if self.name.startswith("difference_quantiles."):  # which are within so much of the exact ones
            return by_digits._replace(rtol=QUANTILE_WIDTH) if request.tolerance is None else request.tolerance
        if request.tolerance is None and (isinstance(figure, int) or abs(figure - self.number) <= by_digits.atol):
            return by_digits
        return request.allowed


@light_dataclass(frozen=True, slots=True)
class Request:
    """What to validate: losses under `plan` against validators, and the user's own numbers within a tolerance.

    `expected` are the user's figures. Without `tolerance` a figure is held to the digits it is written with, and losses
    to what the dtype allows. With `sample`, so many pairs are checked, which ones depends on `seed`. `margin_from` is
    the option that margins come from, if one was given.
    """

    plan: Plan
    against: tuple[str, ...] = ("loop",)
    tolerance: Tolerance | None = None
    expected: tuple[Expectation, ...] = ()
    sample: int | None = None
    seed: int = 0
    margin_from: str | None = "--margin"

    @property
    def allowed(self) -> Tolerance:
        """The tolerance of losses, else that of the dtype."""
        return TOLERANCES[self.plan.loss.dtype] if self.tolerance is None else self.tolerance

    @property
    def has_losses(self) -> bool:
        """Whether the user has losses of each pair, in a column."""
        return self.plan.columns.name_of("loss") is not None

    @property
    def most_pairs(self) -> int:
        """How many pairs are kept to explain the user's numbers from."""
        return max(COLUMN_PAIRS if self.has_losses else 0, VALUE_PAIRS if self.expected else 0)


@light_dataclass(frozen=True, slots=True)
class Verdict:
    """The results of all checks over pairs; `Verdict()` is the identity of `+`.

    `counts` are decided apart from the core: `rows` that the reader handed on, `pairs` to be used, `rejected`,
    `ties_dropped` and `zero_weight` to be left out; `misjudged`, the pairs that the core used or left out otherwise;
    `misaligned`, the batches for which it gave another number of losses than of pairs. `checks`, the `figures` of
    validators and the first `differing` pairs, with the losses `expected` and `got`, are by name of the check, `groups`
    the loop's figures by group, None where there are too many to check each. `retained` are pairs kept for a sample or
    for explanations.
    """

    counts: Counter[str] = field(default_factory=Counter)
    checks: Mapping[str, CheckResult] = field(default_factory=dict)
    figures: Mapping[str, LoopFigures] = field(default_factory=dict)
    groups: Mapping[tuple[str, ...], LoopFigures] | None = field(default_factory=dict)
    differing: Mapping[str, tuple[Pairs, ...]] = field(default_factory=dict)
    retained: tuple[Pairs, ...] = ()

    @property
    def retained_pairs(self) -> int:
        """How many pairs are kept."""
        return sum(pairs.size for pairs in self.retained)

    @property
    def mismatches(self) -> Iterator[Mismatch]:
        """The pairs that differ, the first of each check."""
        for check, parts in self.differing.items():
            whose = YOURS if check == LOSS_COLUMN_CHECK else BY_MRL
            for pairs in first_of(parts, MISMATCHES_SHOWN):
                rows = pairs.columns.get("row", np.full(pairs.size, None)).tolist()
                numbers = [pairs.columns[name].tolist() for name in MISMATCH_NUMBERS]
                for row, *of_pair in zip(rows, *numbers, strict=True):
                    named = dict(zip(MISMATCH_NUMBERS, of_pair, strict=True))
                    yield Mismatch(check=check, file=pairs.file, row=row, row_word=pairs.row_word, whose=whose, **named)

    def __add__(self, other: Verdict) -> Verdict:
        groups = None if self.groups is None or other.groups is None else merged(self.groups, other.groups)
        return Verdict(
            self.counts + other.counts,
            merged(self.checks, other.checks),
            merged(self.figures, other.figures),
            groups if groups is not None and len(groups) <= MOST_GROUPS else None,
            merged(self.differing, other.differing),
            self.retained + other.retained,
        )


class Verifier(Reduction["list[Verdict]", Verdict]):
    """Holds batches against validators, and keeps pairs to explain the user's numbers from, about `most_pairs` of them.

    These are the first pairs; where the first mismatch of the user's losses comes later, those around it. A state is
    the verdict on each batch of a task, the whole is one Verdict. A mismatch in a batch without row numbers stands as
    it is, and its row is looked up when it is merged: what is measured again may well be right.
    """

    rereads = True
    state = list
    needs = frozenset(("losses",))
    holds_pairs = True

    def __init__(self, request: Request) -> None:
        self._request = request

    def add(self, state: list[Verdict], measured: Measured) -> list[Verdict]:
        """Check a batch."""
        batch, pairs = measured.batch, pairs_of(measured, sum(one.counts["rows"] for one in state))
        to_use, counts = usable(batch, measured.plan)
        used = np.ones(batch.size, bool) if measured.used is None else measured.used
        is_misaligned = pairs.columns["computed"].size != pairs.size
        counts.update(
            rows=batch.size + batch.rejected_rows + batch.skipped_rows,
            labels_skipped=batch.skipped_rows,
            rejected=batch.rejected_rows,
            misjudged=int(np.count_nonzero(to_use != used)),
            misaligned=int(is_misaligned),
        )
        state.append(Verdict(counts) if is_misaligned else Verdict(counts) + self._on_batch(pairs, state))
        return state

    def _on_batch(self, pairs: Pairs, before: list[Verdict]) -> Verdict:
        is_kept = self._request.has_losses or sum(one.retained_pairs for one in before) < self._request.most_pairs
        return self.checked(pairs) + Verdict(retained=(pairs,) if is_kept else ())

    def whole(self) -> Verdict:
        """Return the verdict on no pairs."""
        return Verdict()

    def merge(self, whole: Verdict, state: list[Verdict], part: Any) -> Verdict:
        """Merge the verdicts on the batches of a task."""
        for verdict in state:
            whole = replace(whole + self._with_rows(verdict, whole, part.shard), retained=self._kept(whole, verdict))
        return whole

    def settled(self, whole: Verdict) -> Verdict:
        """Return the verdict once all was merged."""
        return whole

    def checked(self, pairs: Pairs) -> Verdict:
        """Return the verdict on pairs."""
        request, computed = self._request, pairs.columns["computed"]
        outcomes = {f"{name} losses": (AGAINST[name](pairs, request.plan), computed) for name in request.against}
        if request.has_losses:
            got = pairs.columns["loss"]
            differ = compared(computed, got, request.plan.loss.dtype, tolerance=request.allowed)
            outcomes[LOSS_COLUMN_CHECK] = Outcome(computed, differ), got
        return Verdict(
            checks={
                name: check_of(name, pairs.size, one.compared, max_bound_fraction=one.max_bound_fraction)
                for name, (one, _) in outcomes.items()
            },
            figures={name: one.figures for name, (one, _) in outcomes.items() if one.figures is not None},
            groups=next((one.groups for one, _ in outcomes.values() if one.groups), {}),
            differing={name: _differing(pairs, *one) for name, one in outcomes.items()},
        )

    def _with_rows(self, verdict: Verdict, whole: Verdict, shard: Shard) -> Verdict:
        """Return the verdict on a batch with the mismatches that will be printed, and their rows."""
        seen = {name: sum(pairs.size for pairs in parts) for name, parts in whole.differing.items()}
        firsts = {
            name: first_of(parts, MISMATCHES_SHOWN - seen.get(name, 0)) for name, parts in verdict.differing.items()
        }
        named = iter(with_rows([pairs for parts in firsts.values() for pairs in parts], shard, self._request.plan))
        return replace(verdict, differing={name: tuple(next(named) for _ in parts) for name, parts in firsts.items()})

    def _kept(self, whole: Verdict, part: Verdict) -> tuple[Pairs, ...]:
        """Return the pairs to keep of those that were kept and those of the next batch."""
        most = self._request.most_pairs
        if not self._request.has_losses or _has_mismatch(whole):
            return whole.retained + first_of(part.retained, most - whole.retained_pairs)
        kept = whole.retained + part.retained
        if not _has_mismatch(part):
            while len(kept) > 1 and sum(pairs.size for pairs in kept) > most:
                kept = kept[1:]
        return kept


def _has_mismatch(verdict: Verdict) -> bool:
    """Return whether a loss of the user's own differs."""
    check = verdict.checks.get(LOSS_COLUMN_CHECK)
    return check is not None and not check.passed


def _differing(pairs: Pairs, outcome: Outcome, got: Doubles) -> tuple[Pairs, ...]:
    """Return the first pairs whose losses differ."""
    if outcome.compared.bad is None:
        return ()
    margin = np.broadcast_to(np.asarray(pairs.margin), got.shape)
    pairs = pairs.with_columns({"margin": margin, "expected": outcome.expected, "got": got})
    return (pairs.taken(np.flatnonzero(outcome.compared.bad)[:MISMATCHES_SHOWN]),)


def with_rows(parts: Sequence[Pairs], shard: Shard, plan: Plan) -> list[Pairs]:
    """Return pairs of a shard with their rows, None where a row is not certain.

    The quick way does not know them, so the shard is read the careful way.
    """
    places = [pairs.columns["place"].tolist() for pairs in parts]
    unknown = [
        place for pairs, of_part in zip(parts, places, strict=True) if "row" not in pairs.columns for place in of_part
    ]
    rows: dict[int, int] = {}
    first = 0
    for batch in read(shard, plan, is_careful=True) if unknown else ():
        last = first + batch.size
        if batch.rows is None or batch.rejected_rows or max(unknown) < first:
            break
        rows |= {place: int(batch.rows[place - first]) for place in unknown if first <= place < last}
        first = last
    return [
        pairs if "row" in pairs.columns else pairs.with_columns({"row": np.array([*map(rows.get, of_part)], object)})
        for pairs, of_part in zip(parts, places, strict=True)
    ]


def hashes(pairs: Pairs, seed: int) -> NDArray[np.uint64]:
    """Return a number for each pair that looks random and is the same for the same bits of x1, x2 and y."""
    state = np.full(pairs.size, seed, np.uint64)
    for name in ("x1", "x2", "y"):
        state = next_of(state ^ pairs.columns[name].view(np.uint64))
    return state


def smallest(parts: Sequence[Pairs], size: int) -> tuple[Pairs, ...]:
    """Return the `size` pairs of the smallest hashes of all parts, in the order they came in."""
    hashes = np.concatenate([part.columns["hash"] for part in parts])
    if hashes.size <= size:
        return tuple(parts)
    is_taken = np.zeros(hashes.size, bool)
    is_taken[np.argpartition(hashes, size - 1)[:size]] = True
    ends = np.cumsum([part.size for part in parts])[:-1]
    return tuple(
        part.taken(mask) for part, mask in zip(parts, np.split(is_taken, ends), strict=True) if np.count_nonzero(mask)
    )


class SampleVerifier(Verifier):
    """As Verifier, for a sample of the pairs, which is checked in the end: for a quick look at a huge file.

    Which pairs are taken depends on the seed and on the pairs themselves, by a hash of their bits: not on the order of
    rows, on how files are split, or on the number of workers.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._size = request.sample or 0

    def _on_batch(self, pairs: Pairs, before: list[Verdict]) -> Verdict:
        del before
        hashed = pairs.with_columns({"hash": hashes(pairs, self._request.seed)})
        return Verdict(retained=smallest([hashed], self._size))

    def merge(self, whole: Verdict, state: list[Verdict], part: Any) -> Verdict:
        """Merge the candidates of the batches of a task, and let go of those that others push out."""
        for verdict in state:
            near = verdict.retained
            if whole.retained_pairs >= self._size:  # a pair above all of these cannot get into the sample
                largest = max(pairs.columns["hash"].max() for pairs in whole.retained)
                near = tuple(pairs.taken(pairs.columns["hash"] <= largest) for pairs in near)
            near = tuple(self._named(pairs, part.shard) for pairs in near if pairs.size)
            whole += replace(verdict, retained=near)
            if whole.retained_pairs > 2 * self._size:
                whole = replace(whole, retained=smallest(whole.retained, self._size))
        return whole

    def _named(self, pairs: Pairs, shard: Shard) -> Pairs:
        """Return candidates with their rows, where one of them differs and the batch has no row numbers."""
        differs = "row" not in pairs.columns and any(self.checked(pairs).differing.values())
        return with_rows([pairs], shard, self._request.plan)[0] if differs else pairs

    def settled(self, whole: Verdict) -> Verdict:
        """Return the verdict with the sample checked."""
        sample = smallest(whole.retained, self._size) if whole.retained else ()
        return sum(map(self.checked, sample), replace(whole, retained=()))
