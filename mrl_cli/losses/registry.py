"""The registry `LOSSES`: what a loss says of itself, how it is entered, and its parameters completed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from mrl_cli.losses.parameters import Parameter, ParameterError, checked
from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating[Any]]

Kernel = Callable[..., "Floats"]


@light_dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """A registered loss: its kernel and gradient, what `mrl losses` tells of it, and what holds of it.

    The kernel is called as kernel(difference, y, *, margin, out=None, **parameters), the gradient without `out`:
    `difference` is x1 - x2, `y` the label, both float64 or both float32 and of one shape; `margin` is a real number or
    an array of that shape and dtype; the parameters are the registered ones, all of them. Either returns an array
    of that shape and dtype, the kernel in `out` when that is given, and leaves its inputs as they are.

    A loss without `has_margin` ignores its margin. Every loss lies from `lowest` to `highest`. `is_monotone`: it never
    rises with y*(x1 - x2), with less than half of the labels taken to be wrong. `is_hinge`: it is exactly 0 from the
    margin on. `is_target`: y is the difference that x1 - x2 should have, not a label.
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
    is_hinge: bool = False
    is_target: bool = False

    @property
    def defaults(self) -> dict[str, float]:
        """Every parameter with its default."""
        return {parameter.name: parameter.default for parameter in self.parameters}


LOSSES: dict[str, Loss] = {}


def registered(*, formula: str, source: str, gradient: Kernel, **traits: Any) -> Callable[[Kernel], Kernel]:
    """Enter a kernel named `NAME_kernel` into `LOSSES` under NAME; `traits` are further fields of Loss."""

    def enter(kernel: Kernel) -> Kernel:
        name = kernel.__name__.removesuffix("_kernel")
        LOSSES[name] = Loss(name, formula, source, kernel, gradient, **traits)
        return kernel

    return enter


def completed(loss: str, given: Mapping[str, float]) -> dict[str, float]:
    """Return every parameter of a registered loss: as given, else its default.

    Raises ParameterError, a ValueError, for a parameter that the loss does not have and for a value out of bounds.

    >>> completed("smoothed_bradley_terry", {"label_smoothing": 0.25})
    {'beta': 1.0, 'label_smoothing': 0.25}
    """
    parameters = LOSSES[loss].parameters
    names = tuple(parameter.name for parameter in parameters)
    for name in given:
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            msg = f"the loss {loss} has no parameter {name!r}; {has}"
            raise ParameterError(msg, name=name, names=names)
    return {
        parameter.name: checked(parameter, given.get(parameter.name, parameter.default), loss=loss, names=names)
        for parameter in parameters
    }
