"""The mistakes that change every loss: how losses came about is a `Case`, a `Hypothesis` changes some of its fields.

To add one, enter a row into `HYPOTHESES`. Combinations of two, in columns and in single values, follow by themselves.
"""

from __future__ import annotations

import math
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.losses import LOSSES, of_probabilities
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Edit = Callable[["Case", NDArray[Any]], NDArray[Any]]
    Mistakes = Iterator[tuple[tuple[str, ...], "Case"]]

MOST_DECIMALS = 8


@light_dataclass(frozen=True, slots=True)
class Case:
    """Pairs, and how their losses came about. Scores, y and margin are float64 of shape (n,); margin may be a number.

    `dtype` is that of the arithmetic, float16 among them; `integers` that in which scores were subtracted, if any.
    `formula` takes the place of the loss's kernel, and `edits` change its losses, one after the other. Where it
    `takes_probabilities`, y is the probability that x1 is better.
    """

    x1: Doubles
    x2: Doubles
    y: Doubles
    margin: float | Doubles = 0.0
    loss: str = "margin_ranking"
    parameters: dict[str, float] = field(default_factory=dict)
    dtype: str = "float64"
    integers: str | None = None
    formula: Callable[..., NDArray[Any]] | None = None
    edits: tuple[Edit, ...] = ()
    takes_probabilities: bool = False

    @property
    def signs(self) -> Doubles:
        """What x1 - x2 is multiplied by to see whether a pair is right: y, or the likelier side."""
        return np.sign(self.y - 0.5) if self.takes_probabilities else self.y

    def first(self, count: int) -> Case:
        """Return the case of the first so many pairs."""
        names = ("x1", "x2", "y", "margin") if isinstance(self.margin, np.ndarray) else ("x1", "x2", "y")
        return replace(self, **{name: getattr(self, name)[:count] for name in names})


def losses_of(case: Case) -> Doubles:
    """Return the losses of a case, as float64; NaN where there is none."""
    dtype = case.dtype
    with np.errstate(all="ignore"):
        x1, x2 = (scores.astype(case.integers or dtype, copy=False) for scores in (case.x1, case.x2))
        margin = case.margin.astype(dtype, copy=False) if isinstance(case.margin, np.ndarray) else case.margin
        difference, y = (values.astype(dtype, copy=False) for values in (x1 - x2, case.y))
        kernel = case.formula or LOSSES[case.loss].kernel
        kernel = of_probabilities(kernel) if case.takes_probabilities else kernel
        losses = kernel(difference, y, margin=margin, **case.parameters)
        for edit in case.edits:
            losses = edit(case, losses)
    return np.asarray(losses, np.float64)


class Hypothesis(NamedTuple):
    """A mistake: what is printed of it, the fields of a case that it changes (none: it cannot be made), what it needs.

    `needs` is a key of `NEEDS`. Of the mistakes of one `kind` one is made at most; "" is a kind of its own.
    """

    text: str
    changes: Callable[[Case], dict[str, Any]]
    needs: str = ""
    kind: str = ""


NEEDS: dict[str, Callable[[Case], bool]] = {
    "": lambda _: True,
    # Labels say which score is to be higher.
    "signs": lambda case: (
        not (LOSSES[case.loss].is_target or case.takes_probabilities) and bool(np.all(np.abs(case.y) == 1))
    ),
    "probabilities": lambda case: case.takes_probabilities and bool(np.any((case.y > 0) & (case.y < 1))),
    "margin": lambda case: LOSSES[case.loss].has_margin and bool(np.any(case.margin)),
    "margin, but 1": lambda case: LOSSES[case.loss].has_margin and not np.all(np.equal(case.margin, 1.0)),
    "hinge": lambda case: case.loss == "margin_ranking",
    "square": lambda case: LOSSES[case.loss].power == 2,
    "logarithm": lambda case: LOSSES[case.loss].is_logarithmic,
    "ties": lambda case: bool(np.any(case.x1 == case.x2)),
    "rows": lambda case: case.x1.size > 2,
}


def _edited(text: str, edit: Edit, needs: str, kind: str = "") -> Hypothesis:
    return Hypothesis(text, lambda case: {"edits": (*case.edits, edit)}, needs, kind)


def _tied(cost: str, share: float) -> Hypothesis:
    def edit(case: Case, losses: NDArray[Any]) -> NDArray[Any]:
        return np.where(case.x1 == case.x2, losses * share, losses)

    return _edited(f"tied pairs (x1 = x2) cost {cost}", edit, "ties", "tied")


def _rounded(to: str, change: Callable[[Doubles], Any], kind: str) -> Hypothesis:
    text = f"scores are rounded to {to}"
    return Hypothesis(text, lambda case: {"x1": change(case.x1), "x2": change(case.x2)}, kind=kind)


def _narrowed(values: Doubles, dtype: str) -> Doubles:
    """Round to a narrow float. NaN and infinities do not come here."""
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(np.float64)
    bits = values.astype(np.float32).view(np.uint32)  # whose upper half is kept, ties to even
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64))


def _arithmetic(dtype: str) -> Hypothesis:
    text = f"the arithmetic is {dtype}"
    return Hypothesis(text, lambda case: {"dtype": dtype} if dtype != case.dtype else {}, kind="arithmetic")


def _wrapped(dtype: str) -> Hypothesis:
    def changes(case: Case) -> dict[str, Any]:
        with np.errstate(invalid="ignore"):
            fits = all(np.array_equal(scores.astype(dtype), scores) for scores in (case.x1, case.x2))
        return {"integers": dtype} if fits else {}

    return Hypothesis(f"scores were subtracted as {dtype} and wrapped", changes, kind="wrapped")


# In the order in which mistakes are preferred and combined; those of a kind stand together.
HYPOTHESES: tuple[Hypothesis, ...] = (
    # The most common one; the two cannot be distinguished, for a loss depends on y(x1 - x2) alone.
    Hypothesis(
        "y has the other sign, or x1 and x2 are swapped",
        lambda case: {"y": 1 - case.y if case.takes_probabilities else -case.y},
    ),
    Hypothesis(
        "probabilities are multiplied with x1 - x2, as labels are",
        lambda _: {"takes_probabilities": False},
        "probabilities",
        "probabilities",
    ),
    Hypothesis(
        "probabilities are rounded to 0 and 1",
        lambda case: {"y": 1.0 * (case.y > 0.5)},
        "probabilities",
        "probabilities",
    ),
    # A label 0 makes a pair cost exactly the margin.
    Hypothesis("labels are 0 and 1: 0 was not mapped to -1", lambda case: {"y": 1.0 * (case.y > 0)}, "signs"),
    Hypothesis("y is not used: every pair counts as y = 1", lambda case: {"y": np.ones(case.y.size)}, "signs"),
    Hypothesis("labels are unsigned bytes: -1 became 255", lambda case: {"y": case.y % 256}, "signs"),
    Hypothesis("there is no margin (0)", lambda _: {"margin": 0.0}, "margin"),
    Hypothesis("the margin is 1", lambda _: {"margin": 1.0}, "margin, but 1"),  # that of the hinge loss
    Hypothesis("the margin has the other sign", lambda case: {"margin": -case.margin}, "margin"),
    Hypothesis("losses are not clamped at 0", lambda _: {"formula": lambda d, y, *, margin: margin - y * d}, "hinge"),
    _edited("losses are squared", lambda _, losses: losses**2, "hinge", "squared"),
    _edited("losses are not squared", lambda _, losses: np.sqrt(losses), "square", "squared"),
    # Some libraries' logistic loss is in bits.
    _edited("the logarithm is of base 2", lambda _, losses: losses * np.float64(1 / math.log(2)), "logarithm"),
    _tied("nothing", 0.0),
    _tied("half", 0.5),
    # An off-by-one between two files.
    _edited("each loss stands one row too low", lambda _, losses: np.append(math.nan, losses[:-1]), "rows", "shifted"),
    _edited("each loss stands one row too high", lambda _, losses: np.append(losses[1:], math.nan), "rows", "shifted"),
    # Written with few decimals; or kept in a narrow float, but computed with in a wide one.
    *(_rounded(f"{n} decimals", partial(np.round, decimals=n), "decimals") for n in range(MOST_DECIMALS + 1)),
    *(_rounded(dtype, partial(_narrowed, dtype=dtype), "narrow") for dtype in ("bfloat16", "float16", "float32")),
    # The whole loss in another float; or integer scores subtracted in their own, narrow type.
    *map(_arithmetic, ("float64", "float32", "float16")),
    *map(_wrapped, ("int8", "uint8", "int16")),  # wider ones hardly ever wrap
)


def but(kind: str) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of all other kinds."""
    return tuple(one for one in HYPOTHESES if one.kind != kind)


def mistakes(case: Case, count: int, of: Sequence[Hypothesis] = HYPOTHESES) -> Mistakes:
    """Yield every combination of `count` mistakes, each of another kind: their texts, and the case with them made."""
    if not count:
        yield (), case
    for place, one in enumerate(of if count else ()):
        if NEEDS[one.needs](case) and (changes := one.changes(case)):
            others = [other for other in of[place + 1 :] if not other.kind or other.kind != one.kind]
            for texts, made in mistakes(replace(case, **changes), count - 1, others):
                yield (one.text, *texts), made


def one_of(texts: Iterable[str], if_ambiguous: str) -> str:
    """Return mistakes as one text, the first few by name; `if_ambiguous` is added where there are several."""
    unique = list(dict.fromkeys(texts))
    text = "; or ".join(unique[:3]) + (f"; or one of {len(unique) - 3} others" if len(unique) > 3 else "")
    return text + (if_ambiguous if len(unique) > 1 else "")
