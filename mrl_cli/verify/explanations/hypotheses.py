"""The mistakes that change every loss: how a loss came about is a `Case`, a mistake is a function from case to case.

To add one, enter into `HYPOTHESES` what yields (what is printed of it, the case with the mistake made), and nothing
where the mistake cannot have been made. Combinations follow by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

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

    @property
    def has_signs(self) -> bool:
        """Whether labels are 1 and -1, and say which score is to be higher."""
        return not LOSSES[self.loss].is_target and set(np.unique(self.y)) <= {-1.0, 1.0}

    def first(self, count: int) -> Case:
        """Return the case of the first so many pairs."""
        names = ("x1", "x2", "y", "margin") if isinstance(self.margin, np.ndarray) else ("x1", "x2", "y")
        return replace(self, **{name: getattr(self, name)[:count] for name in names})


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
Hypothesis = Callable[[Case], Variants]


def _mistake(
    name: str, changes: Callable[[Case], dict[str, Any]], applies: Callable[[Case], bool] = lambda _: True
) -> Hypothesis:
    """Return the mistake that changes these fields of a case, where it can have been made."""

    def variants(case: Case) -> Variants:
        if applies(case):
            yield name, replace(case, **changes(case))

    return variants


def _squared(case: Case) -> Variants:
    if case.loss == "margin_ranking":
        yield "losses are squared", replace(case, power=2)
    elif case.loss == "squared_hinge":
        yield "losses are not squared", replace(case, loss="margin_ranking")
    elif LOSSES[case.loss].power == 2:
        yield "losses are not squared", replace(case, power=0.5)


def _tied_pairs(case: Case) -> Variants:
    if np.any(case.x1 == case.x2):
        yield "tied pairs (x1 = x2) cost nothing", replace(case, tie_share=0.0)
        yield "tied pairs (x1 = x2) cost half", replace(case, tie_share=0.5)


def _shifted(case: Case) -> Variants:
    if case.x1.size > 2:
        yield "each loss stands one row too low", replace(case, shift=1)
        yield "each loss stands one row too high", replace(case, shift=-1)


def _rounded_scores(case: Case) -> Variants:
    for decimals in range(MOST_DECIMALS + 1):
        x1, x2 = np.round(case.x1, decimals), np.round(case.x2, decimals)
        yield f"scores are rounded to {decimals} decimals", replace(case, x1=x1, x2=x2)


def _narrow_scores(case: Case) -> Variants:
    with np.errstate(over="ignore"):
        for name in ("bfloat16", "float16", "float32"):
            yield f"scores are rounded to {name}", replace(case, x1=_as(name, case.x1), x2=_as(name, case.x2))


def _as(name: str, values: Doubles) -> Doubles:
    """Round to a narrow float. NaN and infinities do not come here."""
    if name != "bfloat16":
        return values.astype(name).astype(np.float64)
    bits = values.astype(np.float32).view(np.uint32)  # whose upper half is kept, ties to even
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64))


def _arithmetic(case: Case) -> Variants:
    for name in ("float64", "float32", "float16"):
        if name != case.dtype:
            yield f"the arithmetic is {name}", replace(case, dtype=name)


def _wrapped(case: Case) -> Variants:
    scores = np.concatenate([case.x1, case.x2])
    if np.all(scores == np.rint(scores)):
        for name in INTEGERS:
            bounds = np.iinfo(name)
            if scores.size and bounds.min <= scores.min() and scores.max() <= bounds.max:
                yield f"scores were subtracted as {name} and wrapped", replace(case, integers=name)


# In the order in which mistakes are preferred and combined.
HYPOTHESES: dict[str, Hypothesis] = {
    # The most common one; the two cannot be distinguished, for a loss depends on y(x1 - x2) alone.
    "flipped": _mistake("y has the other sign, or x1 and x2 are swapped", lambda case: {"y": -case.y}),
    # A label 0 makes a pair cost exactly the margin.
    "zero_one_labels": _mistake(
        "labels are 0 and 1: 0 was not mapped to -1",
        lambda case: {"y": (case.y > 0).astype(np.float64)},
        lambda case: case.has_signs,
    ),
    "unsigned_labels": _mistake(
        "labels are unsigned bytes: -1 became 255",
        lambda case: {"y": np.where(case.y < 0, 255.0, case.y)},
        lambda case: case.has_signs,
    ),
    "no_margin": _mistake("there is no margin (0)", lambda _: {"margin": 0.0}, lambda case: case.has_margin),
    # The margin of the hinge loss.
    "margin_one": _mistake(
        "the margin is 1",
        lambda _: {"margin": 1.0},
        lambda case: LOSSES[case.loss].has_margin and not np.all(np.equal(case.margin, 1.0)),
    ),
    "margin_sign": _mistake(
        "the margin has the other sign", lambda case: {"margin": -case.margin}, lambda case: case.has_margin
    ),
    "not_clamped": _mistake(
        "losses are not clamped at 0", lambda _: {"is_clamped": False}, lambda case: case.loss == "margin_ranking"
    ),
    "squared": _squared,
    # Some libraries' logistic loss is in bits.
    "base_two": _mistake(
        "the logarithm is of base 2",
        lambda _: {"factor": 1 / math.log(2)},
        lambda case: LOSSES[case.loss].is_logarithmic,
    ),
    "tied_pairs": _tied_pairs,
    "shifted": _shifted,  # an off-by-one between two files
    "rounded_scores": _rounded_scores,  # written with few decimals
    "narrow_scores": _narrow_scores,  # kept in a narrow float, but computed with in a wide one
    "arithmetic": _arithmetic,  # the whole loss in another float
    "wrapped": _wrapped,  # integer scores subtracted in their own, narrow type
}


def singles(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
    """Yield every mistake, by itself."""
    for function in HYPOTHESES.values():
        for name, made in function(case):
            yield (name,), made


def doubles(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
    """Yield every combination of two mistakes, each pair of kinds once."""
    functions = list(HYPOTHESES.values())
    for place, first in enumerate(functions):
        for name, made in first(case):
            for second in functions[place + 1 :]:
                for second_name, both in second(made):
                    yield (name, second_name), both


def one_of(names: Iterable[str], if_ambiguous: str) -> str:
    """Return mistakes as one text, the first few by name; `if_ambiguous` is added where there are several."""
    unique = list(dict.fromkeys(names))
    text = "; or ".join(unique[:3]) + (f"; or one of {len(unique) - 3} others" if len(unique) > 3 else "")
    return text + (if_ambiguous if len(unique) > 1 else "")
