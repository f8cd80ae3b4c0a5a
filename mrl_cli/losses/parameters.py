"""Parameters of a loss: what they are called, which values they may have, and what is wrong with others."""

from __future__ import annotations

import math

from mrl_cli.records import light_dataclass

# A temperature, or its inverse, neither vanishes nor overflows in float32 within these bounds.
SMALLEST_SCALE, LARGEST_SCALE = 1e-30, 1e30


class ParameterError(ValueError):
    """A parameter that a loss does not have, or a value that it must not have.

    `name` is the parameter's name as it was given, `names` are those that the loss has.
    """

    def __init__(self, message: str, *, name: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.name = name
        self.names = names


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

    def allows(self, value: float) -> bool:
        """Tell whether the parameter may have that value; NaN it may not.

        >>> [LABEL_NOISE.allows(value) for value in (0.0, 0.25, 0.5, 1.0, 1.5)]
        [True, True, False, True, False]
        """
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


TEMPERATURE = Parameter(
    "temperature", 1.0, SMALLEST_SCALE, LARGEST_SCALE, "what the difference is divided by; higher is softer"
)
BETA = Parameter("beta", 1.0, SMALLEST_SCALE, LARGEST_SCALE, "what the difference is multiplied by; higher is harder")
LABEL_SMOOTHING = Parameter("label_smoothing", 0.0, 0.0, 1.0, "the share of labels that are taken to be wrong")
LABEL_NOISE = Parameter(
    "label_smoothing", 0.0, 0.0, 1.0, "the share of labels that are known to be wrong", excluded=(0.5,)
)


def checked(parameter: Parameter, value: float, *, loss: str, names: tuple[str, ...]) -> float:
    """Return the value, or raise ParameterError naming the loss, the parameter, its bounds and the value."""
    if not parameter.allows(value):
        shown = f"{value!r}" if math.isfinite(value) else f"{value}"
        msg = f"{parameter.name} of the loss {loss} must be {parameter.bounds}; it is {shown}"
        raise ParameterError(msg, name=parameter.name, names=names)
    return float(value) + 0.0  # -0.0 becomes 0.0
