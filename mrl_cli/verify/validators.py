"""The validators, `AGAINST`: the core's losses of some pairs against those that the loop, rational numbers or PyTorch
find. The loop's own sums and counts are gathered beside it, to hold the core's against.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import UsageError
from mrl_cli.records import light_dataclass
from mrl_cli.verify import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured

    Doubles = NDArray[np.float64]

LOOP_PAIRS = 4096  # lists of that many floats stay in a core's cache; longer ones were a fifth slower


@light_dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two losses may be: |found - expected| <= atol + rtol * |expected|."""

    rtol: float = 0.0
    atol: float = 0.0


# What torch.testing.assert_close (PyTorch 2.13) allows by default.
TOLERANCES = {"float64": Tolerance(1e-7, 1e-7), "float32": Tolerance(1.3e-6, 1e-5)}


@light_dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs used, and their losses: all float64 of shape (n,), `margin` perhaps one number for all.

    `y` is as the loss takes it: 1 and -1 where labels are 0 and 1. `found` are the core's losses, `column` the
    user's, `weight` the weights, where there are any. `rows` are row numbers; one below 0 is not known: it is -1 minus
    the place of the pair in its batch. `groups` are the groups they belong to.
    """

    x1: Doubles
    x2: Doubles
    y: Doubles
    margin: float | Doubles
    found: Doubles
    column: Doubles | None
    weight: Doubles | None
    files: NDArray[np.object_] | str
    rows: NDArray[np.int64]
    row_word: str
    groups: NDArray[np.object_] | None = None

    def taken(self, which: Any) -> Pairs:
        """Return some of the pairs."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        return Pairs(
            **{n: values[which] if isinstance(values, np.ndarray) else values for n, values in columns.items()}
        )


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Return pairs of several batches as one."""
    sizes = [part.x1.size for part in parts]

    def all_of(values: Sequence[Any], dtype: Any) -> Any:
        return np.concatenate([np.broadcast_to(np.asarray(v, dtype), n) for v, n in zip(values, sizes, strict=True)])

    margins = [part.margin for part in parts]
    return Pairs(
        **{name: all_of([getattr(part, name) for part in parts], np.float64) for name in ("x1", "x2", "y", "found")},
        margin=all_of(margins, np.float64) if any(isinstance(m, np.ndarray) for m in margins) else margins[0],
        column=None if parts[0].column is None else all_of([part.column for part in parts], np.float64),
        weight=None if parts[0].weight is None else all_of([part.weight for part in parts], np.float64),
        files=all_of([part.files for part in parts], object),
        rows=all_of([part.rows for part in parts], np.int64),
        row_word=parts[0].row_word,
    )


def pairs_of(measured: Measured) -> Pairs:
    """Return the pairs of a batch that were used, with their losses. The batch is masked here, not by the core."""
    batch, plan = measured.batch, measured.plan
    used: Any = slice(None) if measured.used is None else measured.used
    numbers = {role: values[used] for role, values in batch.numbers.items()}
    x1, y = numbers["x1"], numbers.get("y")
    labels = np.full(x1.size, float(plan.rules.y_const or 1)) if y is None else y.astype(np.float64)
    if plan.rules.labels == "01" and y is not None:
        labels = np.where(labels == 0, -1.0, 1.0)
    return Pairs(
        x1=x1,
        x2=numbers["x2"],
        y=labels,
        margin=numbers.get("margin", plan.loss.margin),
        found=measured.losses.astype(np.float64, copy=False),
        column=numbers.get("loss"),
        weight=numbers.get("weight"),
        files=batch.file,
        rows=(-1 - np.arange(batch.size) if batch.rows is None else np.asarray(batch.rows, np.int64))[used],
        row_word=batch.row_word,
        groups=np.array(batch.keys["group"].to_pylist(), object)[used] if "group" in batch.keys else None,
    )


@light_dataclass(frozen=True, slots=True)
class Compared:
    """Two arrays of losses, compared: which differ by more than is allowed (None: none does), and by how much at most.

    Differences are over all pairs, whether allowed or not; a NaN against a number is infinitely far.
    """

    bad: NDArray[np.bool_] | None
    max_abs_diff: float
    max_ulp_diff: float


def compared(
    expected: Doubles,
    found: Doubles,
    dtype: str,
    *,
    tolerance: Tolerance | None = None,
    max_ulps: float = 0,
    terms: Doubles | None = None,
) -> Compared:
    """Compare losses bit for bit, or within a tolerance, or within some ulps of `dtype`. NaN equals NaN.

    `terms` are as large as what cancelled in each loss: its ulps count where they are larger than those of the loss.
    """
    same = (expected.view(np.int64) == found.view(np.int64)) | (np.isnan(expected) & np.isnan(found))
    if same.all():
        return Compared(None, 0.0, 0.0)
    with np.errstate(all="ignore"):
        apart = np.where(same | (expected == found), 0.0, np.abs(found - expected))
        apart[np.isnan(apart)] = math.inf
        ulps = np.where(same, 0.0, ulps_apart(expected, found, dtype))
        if tolerance is not None:
            fits = apart <= tolerance.atol + tolerance.rtol * np.abs(expected)
            fits &= np.isfinite(expected) | (apart == 0)
        else:
            fits = (ulps <= max_ulps) & (apart < math.inf) if max_ulps else same
            if terms is not None:
                fits |= apart <= max_ulps * float(np.finfo(dtype).eps) * terms
    bad = ~(same | fits)
    return Compared(bad if bad.any() else None, float(apart.max()), float(ulps.max()))


def ulps_apart(first: Doubles, second: Doubles, dtype: str) -> Doubles:
    """Return how many floats of `dtype` lie between two numbers; 0 for the two zeros, infinite for NaN.

    >>> ulps_apart(np.array([1.0, 0.0]), np.array([1.0 + 2**-52, -0.0]), "float64").tolist()
    [1.0, 0.0]
    """
    places = []
    for values in (first, second):
        # Read as an integer, a float of either sign counts the floats from zero.
        bits = (
            values.view(np.int64) if dtype == "float64" else values.astype(np.float32).view(np.int32).astype(np.int64)
        )
        lowest = np.int64(-(2**63) if dtype == "float64" else -(2**31))
        places.append(np.where(bits < 0, lowest - bits, bits))
    with np.errstate(all="ignore"):
        about = np.abs(places[0].astype(np.float64) - places[1].astype(np.float64))
        apart = np.where(about < 2.0**62, np.abs(places[0] - places[1]), about)
    apart[np.isnan(first) | np.isnan(second)] = math.inf
    return apart


@light_dataclass(frozen=True, slots=True)
class LoopFigures:
    """What the loop adds up and counts over pairs, to hold the core's totals against."""

    total: reference.LoopSum = field(default_factory=reference.LoopSum)
    correct: int = 0
    ties: int = 0
    wrong: int = 0
    active: int = 0
    inside_margin: int = 0
    min: float = math.inf
    max: float = -math.inf
    weight: reference.LoopSum = field(default_factory=reference.LoopSum)
    correct_weight: reference.LoopSum = field(default_factory=reference.LoopSum)

    @property
    def pairs(self) -> int:
        """How many pairs were added up."""
        return self.correct + self.ties + self.wrong

    def __add__(self, other: LoopFigures) -> LoopFigures:
        return LoopFigures(
            self.total + other.total,
            self.correct + other.correct,
            self.ties + other.ties,
            self.wrong + other.wrong,
            self.active + other.active,
            self.inside_margin + other.inside_margin,
            float(np.minimum(self.min, other.min)),  # NaN wins, as it does in a batch
            float(np.maximum(self.max, other.max)),
            self.weight + other.weight,
            self.correct_weight + other.correct_weight,
        )


@light_dataclass(frozen=True, slots=True)
class Outcome:
    """What a validator says of pairs: the losses it expects, how they compare, and what only some validators tell.

    `agreement` is y(x1 - x2) of each pair.
    """

    expected: Doubles
    compared: Compared
    figures: LoopFigures | None = None
    max_bound_fraction: float | None = None
    agreement: Doubles | None = None


def by_loop(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss in plain Python."""
    losses, agreement = np.empty(pairs.x1.size), np.empty(pairs.x1.size)
    terms: list[float] = []
    figures = LoopFigures()
    max_ulps = reference.allowed_ulps(plan.loss.name)
    loop, parameters = reference.LOOPS[plan.loss.name], dict(plan.loss.parameters)
    for start in range(0, pairs.x1.size, LOOP_PAIRS):
        some = slice(start, start + LOOP_PAIRS)
        x1, x2, y = (values[some].tolist() for values in (pairs.x1, pairs.x2, pairs.y))
        margin = pairs.margin[some].tolist() if isinstance(pairs.margin, np.ndarray) else pairs.margin
        differences = reference.differences(x1, x2, y, plan.loss.dtype)
        agreement[some] = np.frombuffer(array("d", differences.agreement))
        found = loop(differences, margin, parameters)
        losses[some] = here = np.frombuffer(array("d", found))
        terms += reference.cancelling_terms(plan.loss.name, differences, parameters) or ()
        # Losses of two libraries differ in the last digits; it is the core's own that its sum must be the sum of.
        if max_ulps:
            here = pairs.found[some]
            found = here.tolist()
        figures += _figures(pairs.taken(some), agreement[some], here, found, plan)
    if losses.size:
        counted = losses if max_ulps == 0 else pairs.found
        active = int(np.count_nonzero(counted > 0))
        figures += LoopFigures(active=active, min=float(counted.min()), max=float(counted.max()))
    differ = compared(losses, pairs.found, plan.loss.dtype, max_ulps=max_ulps, terms=np.array(terms) if terms else None)
    return Outcome(losses, differ, figures, agreement=agreement)


def _figures(pairs: Pairs, agreement: Doubles, losses: Doubles, listed: list[float], plan: Plan) -> LoopFigures:
    """Return sums and counts of some pairs, from what the loop found; `listed` are the losses as a list."""
    is_correct = agreement > 0
    correct, wrong = int(np.count_nonzero(is_correct)), int(np.count_nonzero(agreement < 0))
    with np.errstate(over="ignore"):
        inside = int(np.count_nonzero(is_correct & (agreement < np.asarray(pairs.margin).astype(plan.loss.dtype))))
    counts: dict[str, Any] = {
        "correct": correct,
        "ties": agreement.size - correct - wrong,
        "wrong": wrong,
        "inside_margin": inside,
    }
    if pairs.weight is None:
        return LoopFigures(reference.LoopSum.of(listed, _smallest(losses)), **counts)
    weights = pairs.weight.tolist()
    return LoopFigures(
        reference.LoopSum.of_products(weights, listed),
        **counts,
        weight=reference.LoopSum.of(weights),
        correct_weight=reference.LoopSum.of(pairs.weight[is_correct].tolist()),
    )


def _smallest(losses: Doubles) -> float:
    """Return the smallest magnitude that is not 0, 0 where there is none."""
    magnitudes = np.abs(losses)
    return float(np.min(magnitudes, where=magnitudes > 0, initial=math.inf)) if magnitudes.any() else 0.0


def by_exact(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss in rational numbers; a loss passes when it is within the bound of its roundings."""
    _only_margin_ranking(plan, "exact")
    margin = pairs.margin.tolist() if isinstance(pairs.margin, np.ndarray) else pairs.margin
    expected, bad, used_up = np.empty(pairs.x1.size), np.zeros(pairs.x1.size, dtype=bool), 0.0
    exact = reference.exact_pairs(pairs.x1.tolist(), pairs.x2.tolist(), pairs.y.tolist(), margin, plan.loss.dtype)
    for place, (pair, found) in enumerate(zip(exact, pairs.found.tolist(), strict=True)):
        expected[place] = reference.as_double(pair.loss)
        bad[place] = not reference.is_within_bound(found, pair, plan.loss.dtype)
        if pair.bound and math.isfinite(found):
            used_up = max(used_up, float(abs(Fraction(found) - pair.loss) / pair.bound))
    differ = compared(expected, pairs.found, plan.loss.dtype)
    found = pairs.found.tolist()
    found_sum = LoopFigures(
        reference.LoopSum.of(found)
        if pairs.weight is None
        else reference.LoopSum.of_products(pairs.weight.tolist(), found)
    )
    return Outcome(
        expected,
        Compared(bad if bad.any() else None, differ.max_abs_diff, differ.max_ulp_diff),
        found_sum,
        used_up,
    )


def by_torch(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss with the PyTorch that is installed."""
    _only_margin_ranking(plan, "torch")
    try:
        import torch
    except ImportError as error:
        msg = "--against torch needs PyTorch, which is not installed"
        raise UsageError(msg, hint="pip install 'mrl-cli[torch]'") from error
    with np.errstate(over="ignore"):
        x1, x2, y = (torch.from_numpy(values.astype(plan.loss.dtype)) for values in (pairs.x1, pairs.x2, pairs.y))
        if isinstance(pairs.margin, np.ndarray):  # margin_ranking_loss takes one margin for all: its own formula, then
            margins = torch.from_numpy(pairs.margin.astype(plan.loss.dtype))
            losses = (-y * (x1 - x2) + margins).clamp_min(0)
        else:
            losses = torch.nn.functional.margin_ranking_loss(x1, x2, y, margin=pairs.margin, reduction="none")
    expected = losses.numpy().astype(np.float64)
    return Outcome(expected, compared(expected, pairs.found, plan.loss.dtype))


def _only_margin_ranking(plan: Plan, against: str) -> None:
    if plan.loss.name != "margin_ranking":
        msg = f"--against {against} knows the margin_ranking loss only, not {plan.loss.name}"
        raise UsageError(msg, hint="use --against loop")


AGAINST: dict[str, Callable[[Pairs, Plan], Outcome]] = {"loop": by_loop, "exact": by_exact, "torch": by_torch}
