"""The registries `LOSSES` and `LISTWISE`: what a loss and a parameter say of themselves, how a loss is entered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"
Margin: TypeAlias = "float | Floats"
Kernel = Callable[..., Floats]


class ParameterError(ValueError):
    """A parameter that a loss does not have, or a value that it must not have.

    `name` is the parameter's name as it was given, `names` are those that the loss has. `same` is what says the same as
    a beta where the loss has a temperature, such as "temperature=10.0".
    """

    def __init__(self, message: str, *, name: str, names: tuple[str, ...], same: str | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.names = names
        self.same = same


@light_dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A number that shapes a loss, with its default and the values that it may have.

    Both bounds are allowed values; `excluded` are values between them that are not.
    """

    name: str
    default: float
    lowest: float
    highest: float
    meaning: str
    excluded: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called when it is given."""
        return (self.name,)

    def allows(self, value: object) -> bool:
        """Return whether the parameter may have that value; NaN and words it may not.

        >>> [LABEL_NOISE.allows(value) for value in (0.0, 0.25, 0.5, 1.0, 1.5)]
        [True, True, False, True, False]
        """
        if not isinstance(value, float | int):
            return False
        return self.lowest <= value <= self.highest and value not in self.excluded

    @property
    def bounds(self) -> str:
        """The values allowed, in words.

        >>> LABEL_NOISE.bounds
        '0 to 1, but not 0.5'
        """
        exceptions = "".join(f", but not {value:g}" for value in self.excluded)
        return f"{self.lowest:g} to {self.highest:g}{exceptions}"

    @property
    def summary(self) -> str:
        """Name, default and bounds, for a list of losses.

        >>> TEMPERATURE.summary
        'temperature=1 (1e-30 to 1e+30)'
        """
        return f"{self.name}={self.default:g} ({self.bounds})"


@light_dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A word that shapes a loss, with its default and the words that it may be; it goes by `other_names` too."""

    name: str
    default: str
    values: tuple[str, ...]
    meaning: str
    other_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called when it is given."""
        return (self.name, *self.other_names)

    def allows(self, value: object) -> bool:
        """Return whether the parameter may be that word."""
        return value in self.values

    @property
    def bounds(self) -> str:
        """The values allowed, in words.

        >>> Choice("gain", "exp", ("exp", "none"), "").bounds
        'exp or none'
        """
        return " or ".join((", ".join(self.values[:-1]), self.values[-1]))

    @property
    def summary(self) -> str:
        """Name, default and the words allowed, for a list of losses.

        >>> Choice("gain", "exp", ("exp", "none"), "").summary
        'gain=exp (exp or none)'
        """
        return f"{self.name}={self.default} ({self.bounds})"


# A temperature, or its inverse, neither vanishes nor overflows in float32 within these bounds.
_SCALES = 1e-30, 1e30
TEMPERATURE = Parameter("temperature", 1.0, *_SCALES, "what the difference is divided by; higher is softer")
BETA = Parameter("beta", 1.0, *_SCALES, "what the difference is multiplied by; higher is harder")
LABEL_SMOOTHING = Parameter("label_smoothing", 0.0, 0.0, 1.0, "the share of labels that are taken to be wrong")
LABEL_NOISE = Parameter("label_smoothing", 0.0, 0.0, 1.0, "the share of labels that are known to be wrong", (0.5,))


@light_dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """A registered loss: its kernel and gradient, what `mrl losses` prints of it, and what holds of it.

    The kernel is called as kernel(difference, y, *, margin, out=None, **parameters), and so is the gradient:
    `difference` is x1 - x2, `y` the label, both float64 or both float32 and of one shape; `margin` is a real number or
    an array of that shape and dtype; the parameters are the registered ones, all of them. Either returns an array
    of that shape and dtype, in `out` when that is given, and leaves its inputs as they are.

    A loss without `has_margin` ignores its margin. Every loss lies from `lowest` to `highest`. `is_monotone`: it never
    rises with y*(x1 - x2), with less than half of the labels taken to be wrong. `power`: it is this power of a
    distance, 0 for a loss that is made of exponentials. `is_hinge`: it is that power of max(0, margin - y*(x1 - x2)).
    `is_target`: y is the difference that x1 - x2 should have, not a label. `is_logarithmic`: it is a natural logarithm.
    """

    name: str
    formula: str
    source: str
    kernel: Kernel
    gradient: Kernel
    parameters: tuple[Parameter, ...] = ()
    has_margin: bool = True
    lowest: float = 0.0
    highest: float = math.inf
    is_monotone: bool = True
    power: int = 0
    is_hinge: bool = False
    is_target: bool = False
    is_logarithmic: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Be the entry of that name in another process too."""
        return named, (self.name,)

    @property
    def defaults(self) -> dict[str, float]:
        """Every parameter with its default."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    @property
    def ulps(self) -> int:
        """How many ulps two right implementations may be apart: 0 where each operation is correctly rounded.

        The exponentials and logarithms of two libraries differ in the last digits.
        """
        return 0 if self.power else 8


@light_dataclass(frozen=True, slots=True, eq=False)
class Listwise:
    """A registered loss of a list: what `mrl losses` prints of it. How it is computed is `mrl_cli.lists.listwise`.

    `non_negative` are the values of its parameter under which labels must not be below 0; `is_non_negative`: they never
    may be. `undefined` says which lists have no loss, besides those without items. `is_quadratic`: every two items of a
    list are gone through.
    """

    name: str
    formula: str
    source: str
    parameters: tuple[Parameter | Choice, ...] = ()
    non_negative: tuple[str, ...] = ()
    is_non_negative: bool = False
    undefined: str | None = None
    has_margin: bool = False
    is_quadratic: bool = False

    @property
    def defaults(self) -> dict[str, float | str]:
        """Every parameter with its default."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def least_label(self, parameters: Mapping[str, Any]) -> float:
        """Return the least label that it takes with all these parameters.

        >>> [named("softmax").least_label({"target": target}) for target in ("gain", "raw")]
        [0.0, -inf]
        """
        is_bound = self.is_non_negative or any(value in self.non_negative for value in parameters.values())
        return 0.0 if is_bound else -math.inf


LOSSES: dict[str, Loss] = {}
LISTWISE: dict[str, Listwise] = {}


def registered(*, formula: str, source: str, gradient: Kernel, **traits: Any) -> Callable[[Kernel], Kernel]:
    """Enter a function and its gradient into `LOSSES` under the function's name; `traits` are further fields of Loss.

    Both are functions of the distance, y*(x1 - x2), or of (x1 - x2) - y where y is a target, and may overwrite it:
    function(distance, **parameters) and gradient(distance, y, **parameters), with the margin among the parameters where
    the loss has one. The gradient is that for x1.
    """

    def enter(function: Kernel) -> Kernel:
        kernel, slope = (_of_pairs(each, takes_y=each is gradient, **traits) for each in (function, gradient))
        LOSSES[function.__name__] = Loss(function.__name__, formula, source, kernel, slope, **traits)
        return function

    return enter


def _of_pairs(function: Kernel, *, takes_y: bool, has_margin: bool = True, is_target: bool = False, **_: Any) -> Kernel:
    """Return a function of the distance with the signature that Loss documents."""

    @wraps(function)
    def called(
        difference: Floats, y: Floats, *, margin: Margin, out: Floats | None = None, **parameters: Any
    ) -> Floats:
        distance = np.empty_like(difference) if out is None else out
        if is_target:
            np.subtract(difference, y, out=distance)
        else:
            np.multiply(y, difference, out=distance)
        if has_margin:
            parameters["margin"] = margin
        return function(distance, y, **parameters) if takes_y else function(distance, **parameters)

    return called


def completed(loss: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter of a registered loss, pairwise or listwise: as given, else its default.

    Raises ParameterError, a ValueError, for a parameter that the loss does not have and for a value out of bounds.

    >>> completed("smoothed_bradley_terry", {"label_smoothing": 0.25})
    {'beta': 1.0, 'label_smoothing': 0.25}
    >>> completed("softmax", {"target": "raw"})
    {'target': 'raw'}
    """
    entry = named(loss)
    names = tuple(parameter.name for parameter in entry.parameters)
    parameters = {name: parameter for parameter in entry.parameters for name in parameter.names}
    values: dict[str, Any] = dict(entry.defaults)
    for name, value in given.items():
        if name not in parameters:
            has = f"it has {', '.join(names)}" if names else "it has none"
            is_inverse = name == "beta" and "temperature" in names and isinstance(value, float | int) and value > 0
            same = f"temperature={1 / value!r}" if is_inverse else None
            raise ParameterError(f"the loss {loss} has no parameter {name!r}; {has}", name=name, names=names, same=same)
        if not parameters[name].allows(value):
            written = f"{value}" if isinstance(value, float | int) else f"{value!r}"
            message = f"{name} of the loss {loss} must be {parameters[name].bounds}; it is {written}"
            raise ParameterError(message, name=name, names=names)
        values[parameters[name].name] = value if isinstance(value, str) else float(value) + 0.0  # -0.0 becomes 0.0
    return values


def named(loss: str) -> Loss | Listwise:
    """Return the registered loss of that name, pairwise or listwise.

    >>> named("softmax").name, named("logistic").name
    ('softmax', 'logistic')
    """
    return LOSSES[loss] if loss in LOSSES else LISTWISE[loss]
