"""Handing arrays to a user's function, and reading what it returns: NumPy arrays, PyTorch tensors, JAX arrays, floats.

PyTorch and JAX are not imported here but where the user's own code has done so, or where NumPy arrays were not taken.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.verify.functions.loading import underlying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mrl_cli.dtypes import Array, Doubles


class NotALossError(TypeError):
    """What a function returned is no number and no array of numbers."""


class Returned(NamedTuple):
    """What a function returned: the numbers, as float64, and the dtype that they had."""

    values: Doubles
    dtype: str


def returned(result: Any) -> Returned:
    """Return the numbers of what a function returned. Raises NotALossError where it is none."""
    if hasattr(result, "detach") and hasattr(result, "cpu"):  # a tensor of PyTorch's
        tensor = result.detach().cpu()
        return Returned(tensor.double().numpy(), str(tensor.dtype).removeprefix("torch."))
    try:
        array = np.asarray(None if isinstance(result, tuple | dict) else result)
        if array.dtype == object:  # of numpy.frompyfunc, which may hold numbers
            array = np.asarray(array.tolist())
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "fiub" and not array.dtype.name.startswith("bfloat"):
        raise NotALossError(f"it returns {_described(result)}, not a number or an array of numbers")
    return Returned(array.astype(np.float64), array.dtype.name)


def contents_of(array: Any) -> tuple[str, bytes]:
    """Return the numbers that an array, or a tensor, holds now, to be compared: its dtype and its bytes."""
    values = array if isinstance(array, np.ndarray) else returned(array).values
    return values.dtype.str, values.tobytes()


def _described(result: Any) -> str:
    if result is None:
        return "None"
    dtype = getattr(result, "dtype", None)
    name = type(result).__name__
    return name if dtype is None or str(dtype) == name else f"{name} of {dtype}"


class Way(NamedTuple):
    """A way to hand over pairs: what it is called, and what makes an array of the function's own of one of NumPy's.

    Some libraries take gradients: `gradients` returns those of the sum of what a function returns, for each of its
    arguments; one is None where it does not reach that, and there is no list where it reaches none.
    """

    words: str
    made: Callable[[Array], Any]
    library: str = ""
    gradients: Callable[[Callable[..., Any], list[Any]], list[Any] | None] = lambda _function, _leaves: None


def _tensor(values: Array) -> Any:
    import torch

    return torch.from_numpy(np.array(values))


def _gradients_by_torch(function: Callable[..., Any], leaves: list[Any]) -> list[Any] | None:
    import torch

    leaves = [leaf.requires_grad_() for leaf in leaves]
    with torch.enable_grad():
        result = function(*leaves)
        if not getattr(result, "requires_grad", False):
            return None
        return list(torch.autograd.grad(result.sum(), leaves, allow_unused=True))


def _jax_array(values: Array) -> Any:
    """Return an array of JAX's, which is held to its dtype."""
    jax = sys.modules["jax"]
    jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray(np.array(values))


def _gradients_by_jax(function: Callable[..., Any], leaves: list[Any]) -> list[Any]:
    places = tuple(range(len(leaves)))
    return list(sys.modules["jax"].grad(lambda *given: function(*given).sum(), argnums=places)(*leaves))


NUMPY_ARRAYS = Way("NumPy arrays", np.array)  # which most libraries take
TORCH_TENSORS = Way("PyTorch tensors", _tensor, "PyTorch", _gradients_by_torch)
JAX_ARRAYS = Way("JAX arrays", _jax_array, "JAX", _gradients_by_jax)
NUMBERS = Way("one pair at a time, as floats", lambda values: float(values.item()))  # for a function of numbers


def ways_to_hand_over(function: Any) -> Iterable[Way]:
    """Yield what to hand to a function, in the order in which it should be tried."""
    if "torch" in sys.modules and _names_tensors(function):
        yield from (TORCH_TENSORS, NUMPY_ARRAYS, NUMBERS)
        return
    yield from (NUMPY_ARRAYS, NUMBERS)
    if importlib.util.find_spec("torch") is not None:
        yield TORCH_TENSORS


def better_for(result: Any) -> Way | None:
    """Return what to hand over instead, where a function made tensors or JAX arrays of NumPy's; None for nothing."""
    library = type(result).__module__.partition(".")[0]
    if library == "torch":
        return TORCH_TENSORS
    return JAX_ARRAYS if library in ("jax", "jaxlib") and "jax" in sys.modules else None


def _names_tensors(function: Any) -> bool:
    """Return whether a function is one of PyTorch's modules, says that it takes tensors, or stands in a module that
    imports PyTorch, and makes no use of NumPy itself.
    """
    torch = sys.modules["torch"]
    function = underlying(function)
    if isinstance(function, torch.nn.Module) or (isinstance(function, type) and issubclass(function, torch.nn.Module)):
        return True
    if any("Tensor" in str(note) for note in getattr(function, "__annotations__", {}).values()):
        return True
    names = getattr(function, "__globals__", {})
    used = {_library(names.get(name)) for name in getattr(getattr(function, "__code__", None), "co_names", ())}
    return "numpy" not in used and "torch" in map(_library, names.values())


def _library(value: Any) -> str:
    return str(value.__name__).partition(".")[0] if isinstance(value, ModuleType) else ""
