"""The mistakes that change every loss: how losses came about is a `Case`, a `Hypothesis` changes some of its fields.

To add one, enter a row into `HYPOTHESES`. Combinations of two, in columns and in single values, follow by themselves.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.verify.explanations.rounding import NARROW, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from mrl_cli.dtypes import Array, Doubles
    from mrl_cli.verify.explanations.cases import Case, Edit

    Mistakes = Iterator[tuple[tuple[str, ...], "Case"]]

MOST_DECIMALS = 8
ALIKE = "robust_bradley_terry without label smoothing"  # a loss is the same as
WITHOUT_MARGIN = "{} loss without the margin"
GUARDED = "{} is added inside the logarithm"
CENTERED = "a term is added that keeps scores around 0: {}*(x1 + x2)**2"
MINUS_SIGMOID = "the log is left out: -sigmoid"


class Hypothesis(NamedTuple):
    """A mistake: what is printed of it, the fields of a case that it changes (none: it cannot be made), what it needs.

    `needs` is what `holds` of a case. Of the mistakes of one `kind` one is made at most; "" is a kind of its own.
    """

    text: str
    changes: Callable[[Case], dict[str, Any]]
    needs: str = ""
    kind: str = ""


def _is_wider(dtype: str, case: Case) -> bool:
    return LOSSES[case.loss].has_margin and bool(np.any(narrowed(np.array(case.margin), dtype) != case.margin))


_NEEDS: dict[str, Callable[[Case], bool]] = {
    # Labels say which score is to be higher.
    "labels": lambda case: (
        not LOSSES[case.loss].is_target and (case.takes_probabilities or bool(np.all(np.abs(case.y) == 1)))
    ),
    "signs": lambda case: holds("labels", case) and not case.takes_probabilities,
    "probabilities": lambda case: case.takes_probabilities and bool(np.any((case.y > 0) & (case.y < 1))),
    "margin": lambda case: LOSSES[case.loss].has_margin and bool(np.any(case.margin)),
    "margin, but 1": lambda case: LOSSES[case.loss].has_margin and not np.all(np.equal(case.margin, 1.0)),
    "labels of -1": lambda case: bool(np.any(case.y < 0)),
    "hinge": lambda case: case.loss == "margin_ranking",
    "square of a hinge": lambda case: case.loss == "squared_hinge",
    "square": lambda case: LOSSES[case.loss].power == 2,
    "logarithm": lambda case: LOSSES[case.loss].is_logarithmic,
    "label_smoothing": lambda case: bool(case.parameters.get("label_smoothing")),
    # The loss is -log sigmoid of something, not a mixture of two.
    "log of a sigmoid": lambda case: holds("logarithm & no label_smoothing", case) and not case.takes_probabilities,
    "exponent alone": lambda case: not (LOSSES[case.loss].power or case.takes_probabilities or holds("margin", case)),
    "log of a sigmoid alone": lambda case: holds("log of a sigmoid & no margin", case),
    "ipo alike": lambda case: with_loss(case, "ipo").parameters["beta"] == 0.5,
    **{f"margin wider than {dtype}": partial(_is_wider, dtype) for dtype in NARROW},
    "ties": lambda case: bool(np.any(case.x1 == case.x2)),
    "rows": lambda case: case.x1.size > 2,
}


def holds(needs: str, case: Case) -> bool:
    """Return whether all of what a mistake needs is so of a case: what `_NEEDS` says, or not what it says after "no".

    >>> from mrl_cli.verify.explanations.cases import Case
    >>> holds("labels & no margin", Case(np.ones(1), np.zeros(1), np.ones(1), margin=0.5))
    False
    """
    every = needs.split(" & ") if needs else []
    return all(_NEEDS[one.removeprefix("no ")](case) != one.startswith("no ") for one in every)


def _edited(text: str, edit: Edit, needs: str = "", kind: str = "") -> Hypothesis:
    return Hypothesis(text, lambda case: {"edits": (*case.edits, edit)}, needs, kind)


def _with_parameter(text: str, name: str, change: Callable[[float], float]) -> Hypothesis:
    """Return the mistake of another number for a parameter, where that is not 1."""

    def changes(case: Case) -> dict[str, Any]:
        value = case.parameters.get(name, 1.0)
        if value == 1:
            return {}
        if case.loss == "ipo" and change(value) != 1:  # whose beta says where the difference should be
            return {"x1": case.x1 * value, "x2": case.x2 * value}
        return {"parameters": case.parameters | {name: change(value)}}

    return Hypothesis(text, changes, kind=name)


def _margin_outside(of: str, needs: str, what: str, sign: int = 1) -> Hypothesis:
    def changes(case: Case) -> dict[str, Any]:
        def edit(_: Case, losses: Array) -> Array:
            return np.asarray(losses + sign * np.asarray(case.margin, losses.dtype), losses.dtype)

        return {"margin": 0.0, "edits": (*case.edits, edit)}

    return Hypothesis(f"the margin is {what} outside the {of}", changes, f"{needs} & margin", "margin")


def _sigmoid(values: Doubles) -> Doubles:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))


def _softplus(values: Array) -> Array:
    return np.asarray(np.logaddexp(0.0, values), values.dtype)


def _margin_over_temperature(case: Case) -> dict[str, Any]:
    temperature = case.parameters.get("temperature", 1.0)
    return {"margin": case.margin / temperature} if temperature != 1 else {}


def guarded(epsilon: float) -> Edit:
    """Return what an epsilon added inside the logarithm, which keeps it from being infinite, makes of losses."""
    return lambda _, losses: np.asarray(-np.log(np.exp(-losses) + losses.dtype.type(epsilon)))


def centered(coefficient: float) -> Edit:
    """Return what adds the term that keeps scores around 0 to losses: TRL's center_rewards_coefficient."""

    def edit(of: Case, losses: Array) -> Array:
        return np.asarray(losses + (coefficient * np.square(of.x1 + of.x2)).astype(losses.dtype), losses.dtype)

    return edit


def with_loss(case: Case, name: str) -> Case:
    """Return the case of another loss, with the parameters that the two losses share, and else the usual ones."""
    own, usual = case.parameters, LOSSES[name].defaults
    if "temperature" in own:
        own = own | {"beta": 1 / own["temperature"]}
    elif "beta" in own:
        own = own | {"temperature": 1 / own["beta"]}
    shared = {key: own[key] for key in usual.keys() & own.keys()}
    margin = case.margin if LOSSES[name].has_margin else 0.0
    return replace(case, loss=name, parameters=usual | shared, margin=margin)


def _other_loss(
    name: str, needs: str = "labels", text: str = "it is the {} loss", *, margin: float | None = None, **given: float
) -> Hypothesis:
    """Return the mistake of another loss, with these parameters, and with another margin if one is given."""

    def changes(case: Case) -> dict[str, Any]:
        made = with_loss(case, name)
        fields: dict[str, Any] = {"loss": name, "parameters": made.parameters | given}
        fields["margin"] = made.margin if margin is None else margin
        return fields if name != case.loss and case.formula is None else {}

    return Hypothesis(text.format(name), changes, needs, "loss")


def _flipped(case: Case) -> dict[str, Any]:
    return {"y": 1 - case.y if case.takes_probabilities else -case.y}


def _squared(case: Case) -> dict[str, Any]:
    return {"edits": (*case.edits, lambda _, losses: losses**2)} if case.formula else {"loss": "squared_hinge"}


def _not_squared(case: Case) -> dict[str, Any]:
    if LOSSES[case.loss].is_hinge:
        return {"loss": "margin_ranking"}
    return {"edits": (*case.edits, lambda _, losses: np.sqrt(losses))}


def _tied(cost: str, share: float) -> Hypothesis:
    def edit(case: Case, losses: Array) -> Array:
        return np.where(case.x1 == case.x2, losses * share, losses)

    return _edited(f"tied pairs (x1 = x2) cost {cost}", edit, "ties", "tied")


def _rounded(to: str, change: Callable[[Doubles], Any], kind: str) -> Hypothesis:
    text = f"scores are rounded to {to}"
    return Hypothesis(text, lambda case: {"x1": change(case.x1), "x2": change(case.x2)}, kind=kind)


def _arithmetic(dtype: str) -> Hypothesis:
    text = f"the arithmetic is {dtype}"
    return Hypothesis(text, lambda case: {"dtype": dtype} if dtype != case.dtype else {}, kind="arithmetic")


def _in_tensors(dtype: str, how: str = "", needs: str = "") -> Hypothesis:
    def changes(case: Case) -> dict[str, Any]:
        margin = narrowed(np.array(case.margin), dtype)
        return {"dtype": "float32", "tensors": dtype, "margin": margin if margin.ndim else float(margin)}

    return Hypothesis(f"the arithmetic is {dtype}{how}", changes, needs, "arithmetic")


def _in_tensors_but_margin(dtype: str) -> Hypothesis:
    """Return the mistake as PyTorch makes it on a GPU, where a number beside tensors stays as wide as float32."""
    text, needs = f"the arithmetic is {dtype}, but for the margin", f"margin wider than {dtype}"
    return Hypothesis(text, lambda _: {"dtype": "float32", "tensors": dtype}, needs, "arithmetic")


def _wrapped(dtype: str) -> Hypothesis:
    def changes(case: Case) -> dict[str, Any]:
        with np.errstate(invalid="ignore"):
            fits = all(np.array_equal(scores.astype(dtype), scores) for scores in (case.x1, case.x2))
        return {"integers": dtype} if fits else {}

    return Hypothesis(f"scores were subtracted as {dtype} and wrapped", changes, kind="wrapped")


# In the order in which mistakes are preferred and combined; those of a kind stand together.
HYPOTHESES: tuple[Hypothesis, ...] = (
    # The most common one; the two cannot be distinguished, for a loss depends on y(x1 - x2) alone.
    Hypothesis("y has the other sign, or x1 and x2 are swapped", _flipped, "no exponent alone", "sign"),
    Hypothesis("y or the exponent has the other sign, or x1 and x2 are swapped", _flipped, "exponent alone", "sign"),
    Hypothesis(
        "the exponent has the other sign",
        lambda case: _flipped(case) | {"margin": -case.margin},
        "logarithm & margin",
        "sign",
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
    Hypothesis("the margin has the other sign", lambda case: {"margin": -case.margin}, "margin", "margin"),
    Hypothesis("the margin is divided by the temperature too", _margin_over_temperature, "margin", "margin"),
    Hypothesis("the margin is added twice", lambda case: {"margin": 2 * case.margin}, "margin", "margin"),
    # -logsigmoid(x1 - x2) - margin, a bracket misplaced
    _margin_outside("sigmoid", "logarithm", "subtracted", -1),
    _margin_outside("sigmoid", "logarithm", "added"),
    _margin_outside("clamp, max(0, -d) + margin", "hinge", "added"),
    # Scores may contain beta already, as TRL's rewards do.
    _with_parameter("beta is applied twice", "beta", lambda beta: beta**2),
    _with_parameter("beta is left out (1)", "beta", lambda _: 1.0),
    _with_parameter("the temperature is applied twice", "temperature", lambda temperature: temperature**2),
    _with_parameter("the temperature is left out (1)", "temperature", lambda _: 1.0),
    Hypothesis("losses are not clamped at 0", lambda _: {"formula": lambda d, y, *, margin: margin - y * d}, "hinge"),
    Hypothesis("losses are squared", _squared, "hinge", "loss"),
    Hypothesis("losses are not squared", _not_squared, "square", "loss"),
    _other_loss("margin_ranking", "labels & no square of a hinge"),
    _other_loss("squared_hinge", "labels & no hinge"),
    _other_loss("logistic", "labels & margin"),
    _other_loss("logistic", "labels & no margin", f"it is the {{}} loss, the same as smoothed_ and {ALIKE}"),
    _other_loss("logistic", "labels & margin & no logarithm", f"it is the {WITHOUT_MARGIN}", margin=0.0),
    *(
        hypothesis
        for name in ("smoothed_bradley_terry", "robust_bradley_terry")
        for hypothesis in (
            _other_loss(name, "labels & label_smoothing"),
            _other_loss(
                name, "labels & no label_smoothing", "it is the {} loss with label_smoothing 0.1", label_smoothing=0.1
            ),
        )
    ),
    _other_loss("soft_zero_one", "labels & no log of a sigmoid alone"),
    _other_loss("soft_zero_one", "log of a sigmoid alone", "the log is left out: 1 - sigmoid, which is the {} loss"),
    *map(_other_loss, ("exponential", "ipo")),
    _other_loss("margin_mse", "signs & no ipo alike"),
    _edited("the loss has the other sign (its minus is left out)", lambda _, losses: -losses, kind="sign"),
    # Some libraries' logistic loss is in bits.
    _edited("the logarithm is of base 2", lambda _, losses: losses * np.float64(1 / math.log(2)), "logarithm", "log"),
    _edited("the logarithm is of base 10", lambda _, losses: losses * np.float64(1 / math.log(10)), "logarithm", "log"),
    _edited(
        "the log is left out: 1 - sigmoid", lambda _, losses: -np.expm1(-losses), "log of a sigmoid & margin", "log"
    ),
    _edited(MINUS_SIGMOID, lambda _, losses: -np.exp(-losses), "log of a sigmoid", "log"),
    _edited(
        "it is sigmoid(x1 - x2), the probability that the better one wins, without -log: take -logsigmoid of x1 - x2",
        lambda _, losses: np.exp(-losses),
        "log of a sigmoid",
        "log",
    ),
    # What takes logits is given probabilities. A loss is -log of its sigmoid, so exp(-loss) is that.
    _edited(
        "sigmoid is applied twice, -log sigmoid(sigmoid(x1 - x2)): give x1 - x2 to logsigmoid or BCEWithLogitsLoss",
        lambda _, losses: _softplus(-np.exp(-losses)),
        "log of a sigmoid",
        "log",
    ),
    _edited(
        "sigmoid is applied twice, BCEWithLogitsLoss of sigmoid(x1 - x2): give it x1 - x2",
        lambda case, losses: _softplus(np.where(case.y > 0, -np.exp(-losses), -np.expm1(-losses))),
        "log of a sigmoid & labels of -1",
        "log",
    ),
    _edited(
        "softmax is applied twice, CrossEntropyLoss of softmax((x1, x2)): give it x1 and x2 themselves",
        lambda _, losses: _softplus(1 - 2 * np.exp(-losses)),
        "log of a sigmoid",
        "log",
    ),
    Hypothesis(
        "the loss is of sigmoid(x1) - sigmoid(x2): give it x1 - x2, without a sigmoid of each score",
        lambda case: {"x1": _sigmoid(case.x1), "x2": _sigmoid(case.x2)},
    ),
    *(
        _edited(GUARDED.format(f"{epsilon:g}"), guarded(epsilon), "log of a sigmoid", "epsilon")
        for epsilon in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
    ),
    # To keep scores around 0.
    _edited(CENTERED.format(0.01), centered(0.01), kind="centered"),
    _tied("nothing", 0.0),
    _tied("half", 0.5),
    # An off-by-one between two files.
    _edited("each loss stands one row too low", lambda _, losses: np.append(math.nan, losses[:-1]), "rows", "shifted"),
    _edited("each loss stands one row too high", lambda _, losses: np.append(losses[1:], math.nan), "rows", "shifted"),
    # Written with few decimals; or kept in a narrow float, but computed with in a wide one.
    *(_rounded(f"{n} decimals", partial(np.round, decimals=n), "decimals") for n in range(MOST_DECIMALS + 1)),
    *(_rounded(dtype, partial(narrowed, dtype=dtype), "narrow") for dtype in ("bfloat16", "float16", "float32")),
    # The whole loss in another float; or integer scores subtracted in their own, narrow type.
    *map(_arithmetic, ("float64", "float32", "float16")),
    _in_tensors("bfloat16"),
    # NumPy's functions of float16 round within, PyTorch's do not.
    _in_tensors("float16", ", each function in float32 and rounded", "no hinge"),
    *map(_in_tensors_but_margin, NARROW),
    *map(_wrapped, ("int8", "uint8", "int16")),  # wider ones hardly ever wrap
)


def but(kind: str) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of all other kinds."""
    return tuple(one for one in HYPOTHESES if one.kind != kind)


def mistakes(
    case: Case, count: int, of: Sequence[Hypothesis] = HYPOTHESES, only: Collection[tuple[str, ...]] | None = None
) -> Mistakes:
    """Yield every combination of `count` mistakes, each of another kind: their texts, and the case with them made.

    With `only`, no others than those of these texts.
    """
    if not count:
        yield (), case
    for place, one in enumerate(of if count else ()):
        rest = None if only is None else {texts[1:] for texts in only if texts[0] == one.text}
        if rest == set():
            continue
        if holds(one.needs, case) and (changes := one.changes(case)):
            others = [other for other in of[place + 1 :] if not other.kind or other.kind != one.kind]
            for texts, made in mistakes(replace(case, **changes), count - 1, others, rest):
                yield (one.text, *texts), made


def _is_flipped(case: Case, made: Case) -> bool:
    is_of_a_kind = made.takes_probabilities == case.takes_probabilities
    return is_of_a_kind and bool(np.array_equal(made.y, _flipped(case)["y"]))


def options_of(case: Case, made: Case) -> str | None:
    """Return the options that make mrl compute a case as another was made; None where none do.

    >>> from mrl_cli.verify.explanations.cases import Case
    >>> pair = Case(np.ones(1), np.zeros(1), np.ones(1), margin=0.5)
    >>> options_of(pair, replace(pair, loss="logistic", parameters={"temperature": 2.0}))
    '--loss logistic --param temperature=2.0'
    """
    is_like_none = (
        made.takes_probabilities != case.takes_probabilities
        or made.formula
        or made.edits
        or made.integers
        or made.tensors
        or made.dtype not in ("float64", "float32")
    )
    is_flipped = made.y is not case.y
    has_other_pairs = made.x1 is not case.x1 or made.x2 is not case.x2 or (is_flipped and not _is_flipped(case, made))
    if is_like_none or has_other_pairs or (isinstance(made.margin, np.ndarray) and made.margin is not case.margin):
        return None
    usual = case.parameters if made.loss == case.loss else LOSSES[made.loss].defaults
    options = [f"--loss {made.loss}"] if made.loss != case.loss else []
    options += [f"--param {name}={value!r}" for name, value in made.parameters.items() if value != usual[name]]
    options += [f"--dtype {made.dtype}"] if made.dtype != case.dtype else []
    others = []
    if made.margin is not case.margin and np.any(made.margin != case.margin):
        is_said = np.any(made.margin) or (case.margin_from is None and LOSSES[made.loss].has_margin)
        options += [f"--margin {made.margin!r}"] if is_said else []
        is_in_the_way = case.margin_from is not None and not (is_said and case.margin_from == "--margin")
        others += [f"without {case.margin_from}"] if is_in_the_way else []
    others += [case.exchange] if is_flipped else []
    return ", ".join(filter(None, (" ".join(options), *others))) or None


def one_of(texts: Iterable[str], hints: Iterable[str | None], if_ambiguous: str) -> tuple[str, str | None]:
    """Return mistakes as one text, the first few by name, and their hint where there is one for all.

    `if_ambiguous` is added to the text where there are several.
    """
    unique, (hint, *other_hints) = list(dict.fromkeys(texts)), set(hints)
    text = "; or ".join(unique[:3]) + (f"; or one of {len(unique) - 3} others" if len(unique) > 3 else "")
    return text + (if_ambiguous if len(unique) > 1 else ""), None if other_hints else hint
