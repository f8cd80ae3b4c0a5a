"""The mistakes that change every loss: how a loss came about is a `Case`, a mistake is a function from case to case.

To add one, write a generator under `@hypothesis`: it yields (what it says to the user, the case with the mistake made),
nothing where the mistake cannot have been made. Combinations follow by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

LOGARITHMIC = ("logistic", "smoothed_bradley_terry", "robust_bradley_terry")
SQUARES = ("ipo", "margin_mse")
MOST_DECIMALS = 8
INTEGERS = ("int8", "uint8", "int16")  # wider ones hardly ever wrap


@light_dataclass(frozen=True, slots=True)
class Case:
    """Pairs, and how their losses came about. Scores, y and margin are float64 of shape (n,); margin may be a number.

    `dtype` is that of the arithmetic, float16 among them; `integers` that in which scores were subtracted, if any.
    `tie_share` is how much of its loss a pair with x1 = x2 costs. `shift`: each loss stands that many rows too low.
    """

    x1: Doubles
    x2: Doubles
    y: Doubles
    margin: float | Doubles = 0.0
    loss: str = "margin_ranking"
    parameters: dict[str, float] = field(default_factory=dict)
    dtype: str = "float64"
    integers: str | None = None
    is_clamped: bool = True
    power: float = 1
    factor: float = 1.0
    tie_share: float = 1.0
    shift: int = 0

    @property
    def has_margin(self) -> bool:
        """Whether there is a margin that could be forgotten."""
        return LOSSES[self.loss].has_margin and bool(np.any(self.margin))


def losses_of(case: Case) -> Doubles:
    """Return the losses of a case, as float64; NaN where a shift leaves none."""
    with np.errstate(all="ignore"):
        difference, y = _difference(case), case.y.astype(case.dtype)
        margin = case.margin.astype(case.dtype) if isinstance(case.margin, np.ndarray) else case.margin
        if case.is_clamped:
            losses = LOSSES[case.loss].kernel(difference, y, margin=margin, **case.parameters)
        else:
            losses = margin - y * difference
        losses = losses**case.power if case.power != 1 else losses
        losses = np.asarray(losses).astype(np.float64) * case.factor
        if case.tie_share != 1:
            losses = np.where(case.x1 == case.x2, losses * case.tie_share, losses)
    if case.shift:
        moved = np.full(losses.size, math.nan)
        if case.shift > 0:
            moved[case.shift :] = losses[: -case.shift]
        else:
            moved[: case.shift] = losses[-case.shift :]
        losses = moved
    return np.asarray(losses, np.float64)


def _difference(case: Case) -> NDArray[Any]:
    if case.integers is None:
        return np.asarray(case.x1.astype(case.dtype) - case.x2.astype(case.dtype))
    wrapped = case.x1.astype(case.integers) - case.x2.astype(case.integers)
    return np.asarray(wrapped.astype(case.dtype))


Variants = Iterator[tuple[str, Case]]
HYPOTHESES: dict[str, Callable[[Case], Variants]] = {}


def hypothesis(function: Callable[[Case], Variants]) -> Callable[[Case], Variants]:
    """Enter a mistake into `HYPOTHESES`, in the order in which mistakes are preferred and combined."""
    HYPOTHESES[function.__name__] = function
    return function


@hypothesis
def flipped(case: Case) -> Variants:
    """The most common one; the two cannot be told apart, for a loss depends on y(x1 - x2) alone."""
    yield "y has the other sign, or x1 and x2 are swapped", replace(case, y=-case.y)


@hypothesis
def zero_one_labels(case: Case) -> Variants:
    """A label 0 makes a pair cost exactly the margin."""
    if not LOSSES[case.loss].is_target and set(np.unique(case.y)) <= {-1.0, 1.0}:
        yield "labels are 0 and 1: 0 was not mapped to -1", replace(case, y=(case.y > 0).astype(np.float64))


@hypothesis
def unsigned_labels(case: Case) -> Variants:
    """-1 in an unsigned byte is 255."""
    if not LOSSES[case.loss].is_target and set(np.unique(case.y)) <= {-1.0, 1.0}:
        yield "labels are unsigned bytes: -1 became 255", replace(case, y=np.where(case.y < 0, 255.0, case.y))


@hypothesis
def no_margin(case: Case) -> Variants:
    """A default of 0 was kept."""
    if case.has_margin:
        yield "there is no margin (0)", replace(case, margin=0.0)


@hypothesis
def margin_one(case: Case) -> Variants:
    """The margin of the hinge loss."""
    if LOSSES[case.loss].has_margin and not np.all(np.equal(case.margin, 1.0)):
        yield "the margin is 1", replace(case, margin=1.0)


@hypothesis
def margin_sign(case: Case) -> Variants:
    """Subtracted where it belongs added."""
    if case.has_margin:
        yield "the margin has the other sign", replace(case, margin=-case.margin)


@hypothesis
def not_clamped(case: Case) -> Variants:
    """The maximum with 0 was left out."""
    if case.loss == "margin_ranking":
        yield "losses are not clamped at 0", replace(case, is_clamped=False)


@hypothesis
def squared(case: Case) -> Variants:
    """The hinge squared, or the square forgotten."""
    if case.loss == "margin_ranking":
        yield "losses are squared", replace(case, power=2)
    elif case.loss == "squared_hinge":
        yield "losses are not squared", replace(case, loss="margin_ranking")
    elif case.loss in SQUARES:
        yield "losses are not squared", replace(case, power=0.5)


@hypothesis
def base_two(case: Case) -> Variants:
    """Some libraries' logistic loss is in bits."""
    if case.loss in LOGARITHMIC:
        yield "the logarithm is of base 2", replace(case, factor=1 / math.log(2))


@hypothesis
def tied_pairs(case: Case) -> Variants:
    """Ties counted otherwise: not at all, or half."""
    if np.any(case.x1 == case.x2):
        yield "tied pairs (x1 = x2) cost nothing", replace(case, tie_share=0.0)
        yield "tied pairs (x1 = x2) cost half", replace(case, tie_share=0.5)


@hypothesis
def shifted(case: Case) -> Variants:
    """An off-by-one between two files."""
    if case.x1.size > 2:
        yield "each loss stands one row too low", replace(case, shift=1)
        yield "each loss stands one row too high", replace(case, shift=-1)


@hypothesis
def rounded_scores(case: Case) -> Variants:
    """Scores were written with few decimals."""
    for decimals in range(MOST_DECIMALS + 1):
        x1, x2 = np.round(case.x1, decimals), np.round(case.x2, decimals)
        yield f"scores are rounded to {decimals} decimals", replace(case, x1=x1, x2=x2)


@hypothesis
def narrow_scores(case: Case) -> Variants:
    """Scores were kept in a narrow float, but computed with in a wide one."""
    with np.errstate(over="ignore"):
        for name, narrowed in (("bfloat16", _as_bfloat16), ("float16", _as_float16), ("float32", _as_float32)):
            yield f"scores are rounded to {name}", replace(case, x1=narrowed(case.x1), x2=narrowed(case.x2))


def _as_float16(values: Doubles) -> Doubles:
    return values.astype(np.float16).astype(np.float64)


def _as_float32(values: Doubles) -> Doubles:
    return values.astype(np.float32).astype(np.float64)


def _as_bfloat16(values: Doubles) -> Doubles:
    """Round to the upper half of a float32, ties to even. NaN and infinities do not come here."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64))


@hypothesis
def arithmetic(case: Case) -> Variants:
    """The whole loss in another float."""
    for name in ("float64", "float32", "float16"):
        if name != case.dtype:
            yield f"the arithmetic is {name}", replace(case, dtype=name)


@hypothesis
def wrapped(case: Case) -> Variants:
    """Integer scores subtracted in their own, narrow type."""
    scores = np.concatenate([case.x1, case.x2])
    if np.all(scores == np.rint(scores)):
        for name in INTEGERS:
            bounds = np.iinfo(name)
            if scores.size and bounds.min <= scores.min() and scores.max() <= bounds.max:
                yield f"scores were subtracted as {name} and wrapped", replace(case, integers=name)


def singles(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
    """Yield every mistake, by itself."""
    for function in HYPOTHESES.values():
        for told, made in function(case):
            yield (told,), made


def doubles(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
    """Yield every combination of two mistakes, each pair of kinds once."""
    functions = list(HYPOTHESES.values())
    for place, first in enumerate(functions):
        for told, made in first(case):
            for second in functions[place + 1 :]:
                for also, both in second(made):
                    yield (told, also), both
