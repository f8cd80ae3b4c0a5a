"""What is wrong with a user's function, named: the mistake that gives what the function gave.

First the losses, by the mistakes that explain a column of losses; then how they are reduced, held to the losses that
the function itself has, and the gradients of losses that are right: so one mistake is named once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.reports.validate import Explanation
from mrl_cli.verify.explanations.cases import Case
from mrl_cli.verify.explanations.columns import explain_column
from mrl_cli.verify.functions.caller import Caller, FunctionError, Held
from mrl_cli.verify.vectors import LARGEST_PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.dtypes import Array, Doubles, Mask
    from mrl_cli.model import Plan


ROOM = 1e-6  # what is nearer to a mistake than this, relatively, is that mistake
EACH = "the reduction is ignored: the loss of each pair is returned"
MOST_OF = 0.9  # of what is wrong, at least, must come of a mistake
LEAST_ALIKE = 10  # numbers show that they are all multiplied by one factor
ALIKE = 0.999  # of the numbers in which a mistake differs from what is right must be what the mistake gives
REDUCE: dict[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum}


def explanations_of(held: Sequence[Held], caller: Caller, plan: Plan) -> list[Explanation]:
    """Return the mistakes that explain what a function gave: of losses, sums, gradients and inputs one each at most."""
    with np.errstate(all="ignore"):
        plain = [one for one in held if not one.trial.oddity and one.is_of_pairs and _are_moderate(one)]
        is_right = bool(plain) and not any(one.are_wrong.any() for one in plain)
        found = [next(filter(None, _of_losses(held, plain, caller, plan)), None), _of_sums(held, plan)]
        if is_right:
            found += [_mean_of_nothing(held), _of_gradients(held, plan)]
    if caller.changed:  # which belong to the caller
        changed = " and ".join(slot.name for slot in caller.convention.given if slot.role in caller.changed)
        found.append(_named(f"it changes its inputs: {changed}", caller.calls, of="calls"))
    return [explanation for explanation in found if explanation is not None]


def _named(text: str, hits: int, rows: int = 0, telling: int = 0, of: str = "losses") -> Explanation:
    """Return a mistake that gives so many of the rows: of all of these, and of those that tell, where none are said."""
    return Explanation(text, hits, rows or hits, telling or hits, of=of)


def _of_losses(held: Sequence[Held], plain: Sequence[Held], caller: Caller, plan: Plan) -> Iterator[Explanation | None]:
    yield _one_for_all(held)
    yield _broadcast_losses(held)
    for dtype in ("float64", "float32"):
        of_dtype = [one for one in plain if one.trial.dtype == dtype]
        if any(one.are_wrong.any() for one in of_dtype):
            yield None if caller.reduces else _mixed(of_dtype, caller, plan)
            yield _other_labels(of_dtype, caller, plan)
            yield _in_column(of_dtype, plan, dtype)
            own, right = _joined(one.own for one in of_dtype), _joined(one.trial.losses for one in of_dtype)
            bad = right != np.trunc(right)
            if np.array_equal(own, np.trunc(right)) and bad.any():
                yield _named("losses are cut off to whole numbers", right.size, telling=int(bad.sum()))
            if narrow := [one for one in of_dtype if one.dtype in _NARROWER[dtype]]:
                text = f"the arithmetic is narrow: it returns {narrow[0].dtype} for scores of {dtype}"
                yield _named(text, len(narrow), len(of_dtype), of="results")
            yield _multiplied("every loss", own, right, "losses")
            break
    there = [one for one in held if one.is_of_pairs]
    wrong = sum(int(one.are_wrong.sum()) for one in there)
    for text, is_so in _NOT_FINITE.items():
        masks = [is_so(one.own, one.trial.losses) for one in there]
        hits = sum(int(mask.sum()) for mask in masks)
        if hits and hits >= MOST_OF * wrong:
            yield _named(text, hits, sum(mask.size for mask in masks))


_NARROWER = {"float64": ("float32", "float16", "bfloat16"), "float32": ("float16", "bfloat16")}
_NOT_FINITE: dict[str, Callable[[Doubles, Doubles], Mask]] = {
    "a loss is NaN where it should be a number": lambda own, right: np.isnan(own) & ~np.isnan(right),
    "a loss overflows where it should be finite": lambda own, right: np.isinf(own) & np.isfinite(right),
    "NaN is lost: a NaN score gets a number as its loss": lambda own, right: np.isfinite(own) & np.isnan(right),
}


def _joined(arrays: Iterable[Array]) -> Array:
    return np.concatenate([*arrays])


def _one_for_all(held: Sequence[Held]) -> Explanation | None:
    """Name one number in place of the losses."""
    asked = [one for one in held if one.losses is not None and one.trial.x1.size > 1 and one.trial.is_finite]
    wrong = [one for one in asked if one.losses is not None and one.losses.size == 1]
    if not wrong:
        return None
    words = "one number"
    for name, reduce in REDUCE.items():
        right = ((one.losses, np.asarray(reduce(one.trial.losses))) for one in wrong if _are_moderate(one))
        if all(_fits(got, expected, 1e-4).all() for got, expected in right):
            words = f"the {name}"
    text = f"the reduction is ignored: {words} is returned, not the loss of each pair"
    return _named(text, len(wrong), len(asked), of="results")


def _are_moderate(held: Held) -> bool:
    trial = held.trial
    return bool((np.abs([trial.x1, trial.x2]) <= LARGEST_PLAIN).all())


def _fits(got: Any, expected: Doubles, room: float = ROOM) -> Mask:
    """Return which numbers agree, NaN with NaN."""
    with np.errstate(all="ignore"):
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        return np.asarray(same | (np.abs(got - expected) <= room * np.maximum(np.abs(expected), 1e-3)))


def _broadcast_losses(held: Sequence[Held]) -> Explanation | None:
    """Name a column (n, 1) beside a row (n,): a function returns n * n losses for n pairs."""
    for one in held:
        size = one.trial.x1.size
        if one.losses is not None and size > 1 and one.losses.shape == (size, size) != one.trial.shape:
            text = f"a column ({size}, 1) is broadcast against a row ({size},): it returns {size} * {size} losses"
            return _named(text, size)
    return None


def _in_column(held: Sequence[Held], plan: Plan, dtype: str) -> Explanation | None:
    """Name the mistake that explains the losses of many pairs, as in a column of a file."""
    x1, x2, y = (_joined(getattr(one.trial, name) for one in held).astype(np.float64) for name in ("x1", "x2", "y"))
    margins = _joined(np.full(one.trial.x1.size, one.trial.margin) for one in held)
    margin = float(margins[0]) if (margins == margins[0]).all() else margins
    case = Case(x1, x2, y, margin, plan.loss.name, dict(plan.loss.parameters), dtype, margin_from=None)
    own, bad = _joined(one.own for one in held), _joined(one.are_wrong for one in held)
    return next(iter(explain_column(case, own, bad, is_whole=True)), None)


def _other_labels(held: Sequence[Held], caller: Caller, plan: Plan) -> Explanation | None:
    """Name labels 0 and 1 that a function expects in place of -1 and 1: with them it is right."""
    if plan.rules.labels != "pm1" or not caller.takes_y:
        return None
    one = max(held, key=lambda one: int(one.are_wrong.sum()))
    trial = replace(one.trial, labels=(one.trial.y > 0).astype(one.trial.dtype))
    try:
        given = (trial.x1, trial.x2, trial.labels), trial.margin
        own = caller.single_losses(*given) if caller.reduces else caller.losses_of(*given).values
    except FunctionError:
        return None
    if own.shape != trial.losses.shape or not _fits(own, trial.losses).all():
        return None
    text = "labels are taken to be 0 and 1, with which it is right: use --labels 01 if that is meant"
    return _named(text, own.size, telling=int(one.are_wrong.sum()))


def _multiplied(what: str, own: Doubles, right: Doubles, of: str) -> Explanation | None:
    """Name numbers that are all too large or too small by one factor."""
    telling = np.isfinite(right) & (right != 0)
    if telling.sum() < LEAST_ALIKE:
        return None
    factor = float(np.median(own[telling] / right[telling]))
    if not math.isfinite(factor) or factor == 0 or not _fits(own, factor * right).all():
        return None
    return _named(f"{what} is {factor:.6g} times the right one", own.size, telling=int(telling.sum()), of=of)


def _mixed(held: Sequence[Held], caller: Caller, plan: Plan) -> Explanation | None:
    """Name losses that depend on the other pairs, where each pair alone gets the right one."""
    one = max(held, key=lambda one: one.trial.x1.size)
    try:
        alone = caller.single_losses(one.trial.handed, one.trial.margin)
    except FunctionError:
        return None
    bad = one.are_wrong
    if not bad.any() or not _fits(alone, one.trial.losses).all():
        return None
    grids = _grids(one, plan)
    named = (
        f"{what}, and the mean is over axis {axis} only"
        for what, grid in grids
        for axis in (0, 1)
        if _fits(one.own, grid.mean(axis=axis)).all()
    )
    text = next(named, "the loss of a pair depends on the others: a broadcast, or a mean over the wrong axis")
    return _named(text, int(bad.sum()), bad.size)


def _grids(held: Held, plan: Plan) -> Iterator[tuple[str, Doubles]]:
    """Yield the losses of all n * n pairs of rows that a column beside rows gives."""
    trial, kernel = held.trial, LOSSES[plan.loss.name].kernel
    pairs = {role: getattr(trial, role).astype(np.float64) for role in ("x1", "x2", "y")}
    for column in pairs:
        made = {role: values[:, None] if role == column else values for role, values in pairs.items()}
        x1, x2, y = (np.array(values) for values in np.broadcast_arrays(*made.values()))
        with np.errstate(all="ignore"):
            losses = kernel(x1 - x2, y, margin=trial.margin, **dict(plan.loss.parameters))
        yield f"{column} is (n, 1) beside others of (n,)", np.asarray(losses)


def _of_sums(held: Sequence[Held], plan: Plan) -> Explanation | None:
    """Name how a function reduces its losses, where that is not what it was asked for."""
    usable = [one for one in held if one.reduced and one.is_of_pairs and one.trial.is_finite and one.own.size > 1]
    asked = [(one, name) for one in usable for name in one.reduced]
    wrong = [(one, name) for one, name in asked if not _is_reduced_to(one.reduced[name], REDUCE[name](one.own))]
    results = [float(one.reduced[name].flat[0]) for one, name in asked if one.reduced[name].size]
    if wrong and len(results) >= LEAST_ALIKE and len({*results}) == 1:
        text = f"one and the same number is returned for any pairs: {results[0]:g}"
        return _named(text, len(results), telling=len(wrong), of="results")
    names = {name for _, name in wrong}
    # Arrays of more dimensions show which axis it is; plain ones show the rest.
    wrong.sort(key=lambda found: -len(found[0].trial.shape))
    made = [(one.reduced[name], dict(_reductions(one, name, plan))) for one, name in wrong]
    for text in dict.fromkeys(text for _, values in made for text in values):
        hits = [_is_reduced_to(got, values[text]) for got, values in made if text in values]
        if all(hits):
            is_one = text.startswith(EACH) and len(names) == 1 < len({name for _, name in asked})
            words = f"the {names.pop()} is over the wrong axis: the loss of each pair is returned" if is_one else text
            return _named(words, len(hits), of="results")
    if len(names) != 1 or any(one.reduced[name].size != 1 for one, name in wrong):
        return None
    name = names.pop()
    own = np.array([float(one.reduced[name].flat[0]) for one, _ in wrong])
    return _multiplied(f"the {name}", own, np.array([REDUCE[name](one.own) for one, _ in wrong]), "results")


def _is_reduced_to(got: Doubles, value: Any) -> bool:
    return got.shape == np.shape(value) and bool(_fits(got, np.asarray(value, np.float64), 1e-4).all())


def _reductions(held: Held, name: str, plan: Plan) -> Iterator[tuple[str, Any]]:
    """Yield what the losses of a function give when they are reduced in another way than by `name`."""
    losses, shape = held.own, held.trial.shape
    shaped, total, size = losses.reshape(shape), losses.sum(), losses.size
    reduce = REDUCE[name]
    yield EACH, shaped
    yield f"{EACH}, in one row", losses
    if name == "mean":
        yield "it is the sum, not the mean", total
        yield "the mean is over losses that are not 0 only", total / max(1, np.count_nonzero(losses))
        if LOSSES[plan.loss.name].is_logarithmic:
            yield "it is -log of the mean sigmoid, not the mean of -log sigmoid", -np.log(np.exp(-losses).mean())
        yield "the mean is divided by one less than the number of pairs", total / (size - 1)
    else:
        yield "the reduction is ignored: it is always the mean", losses.mean()
    yield (
        f"the {name} has the dimensions of its losses (keepdims), and should be one number",
        reduce(shaped, keepdims=True),
    )
    yield f"the {name} is in an array of shape (1,), and should be one number", reduce(losses, keepdims=True)
    for axis, words in ((0, "first"), (-1, "last"), (1, "second")) if len(shape) > 1 else ():
        yield f"the {name} is over the {words} axis only, not over all pairs", reduce(shaped, axis=axis)
        yield (
            f"the {name} is divided by the length of the {words} axis, not by the number of pairs",
            total / shape[axis],
        )
    for words, grid in _grids(held, plan) if len(shape) == 1 else ():
        yield f"{words}: the {name} is over n * n broadcast losses", reduce(grid)


def _mean_of_nothing(held: Sequence[Held]) -> Explanation | None:
    for one in held:
        got = one.reduced.get("mean")
        if got is not None and not one.trial.x1.size and got.size == 1 and not math.isnan(got.flat[0]):
            return _named(f"the mean of no pairs is {got.flat[0]:g}; it is undefined (NaN)", 1, of="results")
    return None


def _of_gradients(held: Sequence[Held], plan: Plan) -> Explanation | None:
    """Name what is wrong with the gradients: with all of them, or with those of a sum or a mean alone."""
    slopes = [(name, one, slope) for one in held for name, made in one.slopes.items() for slope in made]
    wrong = {name for name, _, slope in slopes if slope.wrong}
    suffix = "" if wrong == {name for name, *_ in slopes} else f", with reduction {' and '.join(sorted(wrong))}"
    concerned = [(one, slope) for name, one, slope in slopes if name in wrong]
    count = sum(slope.wrong for _, slope in concerned)
    for text, made in _slopes(plan) if count else ():
        hits = telling = 0
        for one, slope in concerned:
            other = made(one, slope.right, slope.scale)
            differs = ~_fits(other, slope.right)
            telling += int(differs.sum())
            hits += int((differs & _fits(slope.own, other)).sum())
        if telling and hits >= ALIKE * telling and hits >= ALIKE * count:
            return _named(text + suffix, hits, telling, telling, of="gradients")
    return None


def _slopes(plan: Plan) -> Iterator[tuple[str, Callable[[Held, Doubles, float], Doubles]]]:
    """Yield mistakes in a gradient, with what they make of the right one."""

    def agreement(one: Held) -> Doubles:
        trial = one.trial
        return np.asarray(trial.margin - trial.y * (trial.x1 - trial.x2), np.float64)

    if plan.loss.name == "margin_ranking":
        for share, words in ((0.0, "0"), (0.5, "half of it")):
            yield (
                f"the gradient at the kink (loss exactly 0) is {words}; PyTorch's margin_ranking_loss passes it on",
                lambda one, right, _, share=share: np.where(agreement(one) == 0, share * right, right),  # type: ignore[misc]
            )
        yield (
            "pairs beyond the margin have a gradient, as if losses were not clamped at 0",
            lambda one, _, scale: -scale * one.trial.y,
        )
    yield "the gradient has the other sign", lambda _, right, __: -right
    yield "the gradient is that of the sum, not of the mean", lambda one, right, _: right * one.trial.x1.size
    yield "the gradient is that of the mean, not of the sum", lambda one, right, _: right / one.trial.x1.size
    yield "the gradient is twice the right one", lambda _, right, __: right * 2
    yield "the gradient is half of the right one", lambda _, right, __: right / 2
    yield "the gradient is 0 everywhere", lambda _, right, __: np.zeros_like(right)
