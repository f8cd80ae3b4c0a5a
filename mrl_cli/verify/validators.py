"""The validators, `AGAINST`: the core's losses of some pairs against those that the loop, rational numbers or PyTorch
compute. The loop's own sums and counts are gathered beside it, to hold the core's against.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import UsageError
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.reports.validate import BY_MRL, CheckResult, apart
from mrl_cli.verify import reference
from mrl_cli.words import how_to_install, plainest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mrl_cli.dtypes import Doubles, Mask
    from mrl_cli.model import Plan
    from mrl_cli.verify.pairs import Pairs

LOOP_PAIRS = 4096  # lists of that many floats stay in a core's cache; longer ones were a fifth slower


class Tolerance(NamedTuple):
    """How far apart two losses may be: |got - expected| <= atol + rtol * |expected|."""

    rtol: float = 0.0
    atol: float = 0.0


# What torch.testing.assert_close (PyTorch 2.13) allows by default.
TOLERANCES = {"float64": Tolerance(1e-7, 1e-7), "float32": Tolerance(1.3e-6, 1e-5)}


class Compared(NamedTuple):
    """Two arrays of losses, compared: which differ by more than is allowed (None: none does), and by how much at most.

    Differences are over all pairs, whether allowed or not; a NaN against a number is infinitely far.
    """

    bad: Mask | None
    max_abs_diff: float
    max_ulp_diff: float

    @property
    def mismatches(self) -> int:
        """How many differ by more than is allowed."""
        return 0 if self.bad is None else int(np.count_nonzero(self.bad))


def check_of(name: str, pairs: int, differ: Compared, **others: Any) -> CheckResult:
    """Return the check of numbers that were compared; `others` are its other fields."""
    count = differ.mismatches
    return CheckResult(name, not count, pairs, differ.max_abs_diff, differ.max_ulp_diff, count, **others)


def number_check(
    name: str,
    expected: float,
    got: float,
    pairs: int,
    dtype: str,
    tolerance: Tolerance | None = None,
    whose: str = BY_MRL,
) -> CheckResult:
    """Return the check of one number, bit for bit or within a tolerance. Where it is a count, so is what was got."""
    differ = compared(np.array([expected], np.float64), np.array([got], np.float64), dtype, tolerance=tolerance)
    got = plainest(got) if isinstance(expected, int) else got
    note = apart(repr(expected), repr(got), whose) if differ.mismatches else None
    return check_of(name, pairs, differ, expected=expected, got=got, note=note)


def compared(
    expected: Doubles,
    got: Doubles,
    dtype: str,
    *,
    tolerance: Tolerance | None = None,
    max_ulps: float = 0,
    terms: Doubles | None = None,
) -> Compared:
    """Compare losses bit for bit, or within a tolerance, or within some ulps of `dtype`. NaN equals NaN.

    `terms` are as large as what cancelled in each loss: its ulps count where they are larger than those of the loss.
    """
    same = (expected.view(np.int64) == got.view(np.int64)) | (np.isnan(expected) & np.isnan(got))
    if same.all():
        return Compared(None, 0.0, 0)
    with np.errstate(all="ignore"):
        apart = np.where(same | (expected == got), 0.0, np.abs(got - expected))
        apart[np.isnan(apart)] = math.inf
        ulps = np.where(same, 0.0, ulps_apart(expected, got, dtype))
        if tolerance is not None:
            fits = apart <= tolerance.atol + tolerance.rtol * np.abs(expected)
            fits &= np.isfinite(expected) | (apart == 0)
        else:
            fits = (ulps <= max_ulps) & (apart < math.inf) if max_ulps else same
            if terms is not None:
                fits |= apart <= max_ulps * float(np.finfo(dtype).eps) * terms
    bad, most_ulps = ~(same | fits), float(ulps.max())
    most_ulps = int(most_ulps) if math.isfinite(most_ulps) else most_ulps
    return Compared(bad if bad.any() else None, float(apart.max()), most_ulps)


def ulps_apart(first: Doubles, second: Doubles, dtype: str) -> Doubles:
    """Return how many floats of `dtype` lie between two numbers; 0 for the two zeros, infinite for NaN.

    >>> ulps_apart(np.array([1.0, 0.0]), np.array([1.0 + 2**-52, -0.0]), "float64").tolist()
    [1.0, 0.0]
    """
    integer, places = np.int64 if dtype == "float64" else np.int32, []
    for values in (first, second):
        # Read as an integer, a float of either sign counts the floats from zero.
        bits = values.astype(dtype, copy=False).view(integer).astype(np.int64)
        places.append(np.where(bits < 0, np.iinfo(integer).min - bits, bits))
    with np.errstate(all="ignore"):
        about = np.abs(places[0].astype(np.float64) - places[1].astype(np.float64))
        apart = np.where(about < 2.0**62, np.abs(places[0] - places[1]), about)
    apart[np.isnan(first) | np.isnan(second)] = math.inf
    return apart


def merged(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the values of both by name, those of one name added."""
    return {**one, **{name: one[name] + value if name in one else value for name, value in other.items()}}


class Outcome(NamedTuple):
    """What a validator gives for pairs: the losses it expects, how they compare, and what only some validators gather.

    `groups` are the figures of each group, by the parts of its key.
    """

    expected: Doubles
    compared: Compared
    figures: reference.LoopFigures | None = None
    groups: dict[tuple[str, ...], reference.LoopFigures] | None = None
    max_bound_fraction: float | None = None


def by_loop(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss in plain Python."""
    name, dtype = plan.loss.name, plan.loss.dtype
    losses, agreement, computed = np.empty(pairs.size), np.empty(pairs.size), pairs.columns["computed"]
    max_ulps, figures = LOSSES[name].ulps, reference.LoopFigures()
    terms: list[float] = []
    # Losses of two libraries differ in the last digits; it is the core's own that its sum must be the sum of.
    looped = pairs.with_columns({"agreement": agreement, "counted": computed if max_ulps else losses})
    for start in range(0, pairs.size, LOOP_PAIRS):
        here = slice(start, start + LOOP_PAIRS)
        some = looped.taken(here)
        agreement[here], losses[here], more_terms = _looped(some, plan)
        terms += more_terms
        figures += _loop_figures(some, plan)
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(pairs.columns["group"].tolist() if "group" in pairs.columns else ()):
        places.setdefault(key, []).append(place)
    groups = {key: _loop_figures(looped.taken(at), plan) for key, at in places.items()}
    differ = compared(losses, computed, dtype, max_ulps=max_ulps, terms=np.array(terms) if terms else None)
    return Outcome(losses, differ, figures, groups)


def _looped(pairs: Pairs, plan: Plan) -> tuple[Doubles, Doubles, Sequence[float]]:
    """Return y(x1 - x2) of pairs, their losses, and how large the terms are that cancel in these, if any do."""
    name, dtype, parameters = plan.loss.name, plan.loss.dtype, dict(plan.loss.parameters)
    x1, x2, y = _lists(pairs, "x1", "x2", "y")
    terms: Sequence[float] | None
    if plan.rules.labels == "probability":
        agreement = reference.differences(x1, x2, reference.likelier(y, dtype), dtype).agreement
        losses: Sequence[float] = reference.mixed_losses(name, x1, x2, y, _margins(pairs), parameters, dtype)
        terms = reference.mixed_terms(name, x1, x2, y, parameters, dtype)
    else:
        differences = reference.differences(x1, x2, y, dtype)
        agreement = differences.agreement
        losses = reference.LOOPS[name](differences, _margins(pairs), parameters)
        terms = reference.cancelling_terms(name, differences, parameters)
    return np.frombuffer(array("d", agreement)), np.frombuffer(array("d", losses)), terms or ()


def _lists(pairs: Pairs, *names: str) -> list[list[float]]:
    return [pairs.columns[name].tolist() for name in names]


def _margins(pairs: Pairs) -> float | list[float]:
    return pairs.margin.tolist() if isinstance(pairs.margin, np.ndarray) else pairs.margin


def _loop_figures(pairs: Pairs, plan: Plan) -> reference.LoopFigures:
    """Return sums and counts of some pairs, at least one, from their `agreement` and the losses `counted`."""
    agreement, losses = pairs.columns["agreement"], pairs.columns["counted"]
    is_correct, weight = agreement > 0, pairs.columns.get("weight")
    with np.errstate(over="ignore"):
        is_inside = is_correct & (agreement < np.asarray(pairs.margin).astype(plan.loss.dtype))
    masks = {"correct": is_correct, "wrong": agreement < 0, "active": losses > 0, "inside_margin": is_inside}
    counts = Counter({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})
    counts.update(pairs=agreement.size, ties=agreement.size - counts["correct"] - counts["wrong"])
    lowest, highest = float(losses.min()), float(losses.max())
    figures = reference.LoopFigures(counts, _total(pairs, losses), lowest=lowest, highest=highest)
    if plan.reporting.calibration:
        bins = reference.loop_bins(agreement.tolist(), None if weight is None else weight.tolist())
        figures = replace(figures, bins=bins)
    if weight is None:
        return figures
    weights, correct_weights = (reference.LoopSum.of(some.tolist()) for some in (weight, weight[is_correct]))
    return replace(figures, weight=weights, correct_weight=correct_weights)


def _total(pairs: Pairs, losses: Doubles) -> reference.LoopSum:
    """Return the sum of some pairs' losses, weighted where they have weights."""
    if "weight" in pairs.columns:
        return reference.LoopSum.of_products(pairs.columns["weight"].tolist(), losses.tolist())
    magnitudes = np.abs(losses)
    smallest = float(np.min(magnitudes, where=magnitudes > 0, initial=math.inf)) if magnitudes.any() else 0.0
    return reference.LoopSum.of(losses.tolist(), smallest)


def by_exact(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss in rational numbers; a loss passes when it is within the bound of its roundings."""
    expected, bad, used_up = np.empty(pairs.size), np.zeros(pairs.size, dtype=bool), 0.0
    computed = pairs.columns["computed"]
    x1, x2, y, listed = _lists(pairs, "x1", "x2", "y", "computed")
    exact_pairs = reference.mixed_pairs if plan.rules.labels == "probability" else reference.exact_pairs
    exact = exact_pairs(x1, x2, y, _margins(pairs), plan.loss.dtype)
    for place, (pair, loss) in enumerate(zip(exact, listed, strict=True)):
        expected[place] = reference.as_double(pair.loss)
        bad[place] = not reference.is_within_bound(loss, pair, plan.loss.dtype)
        if pair.bound and math.isfinite(loss):
            used_up = max(used_up, float(abs(Fraction(loss) - pair.loss) / pair.bound))
    differ = compared(expected, computed, plan.loss.dtype)._replace(bad=bad if bad.any() else None)
    return Outcome(expected, differ, reference.LoopFigures(total=_total(pairs, computed)), max_bound_fraction=used_up)


def by_torch(pairs: Pairs, plan: Plan) -> Outcome:
    """Compute every loss with the PyTorch that is installed."""
    try:
        import torch
    except ImportError as error:
        msg = "--against torch needs PyTorch, which is not installed"
        raise UsageError(msg, hint=how_to_install("torch")) from error
    names = ("x1", "x2", "y", "margin") if "margin" in pairs.columns else ("x1", "x2", "y")
    with np.errstate(over="ignore"):
        x1, x2, y, *margin = (torch.from_numpy(pairs.columns[name].astype(plan.loss.dtype)) for name in names)

    def losses_under(labels: Any) -> Any:
        if margin:  # margin_ranking_loss takes one margin for all: its own formula, then
            return (-labels * (x1 - x2) + margin[0]).clamp_min(0)
        return torch.nn.functional.margin_ranking_loss(x1, x2, labels, margin=pairs.one_margin, reduction="none")

    losses = losses_under(y)
    if plan.rules.labels == "probability":
        better, worse = losses_under(torch.ones_like(y)), losses_under(-torch.ones_like(y))
        losses = torch.where(y == 1, better, torch.where(y == 0, worse, y * better + (1 - y) * worse))
    expected = losses.numpy().astype(np.float64)
    return Outcome(expected, compared(expected, pairs.columns["computed"], plan.loss.dtype))


def check_knows(against: str, plan: Plan) -> None:
    """Raise UsageError for a validator that does not know the plan's loss."""
    if against != "loop" and plan.loss.name != "margin_ranking":
        msg = f"--against {against} knows the margin_ranking loss only, not {plan.loss.name}"
        raise UsageError(msg, hint="use --against loop")


AGAINST: dict[str, Callable[[Pairs, Plan], Outcome]] = {"loop": by_loop, "exact": by_exact, "torch": by_torch}
