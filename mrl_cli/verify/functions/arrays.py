"""Handing arrays to a user's function, and reading what it returns: NumPy arrays, PyTorch tensors, JAX arrays, floats.

PyTorch and JAX are not imported here but where the user's own code has done so, or where NumPy arrays were not taken.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.verify.functions.loading import underlying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray


class NotALossError(TypeError):
    """What a function returned is no number and no array of numbers."""


class Returned(NamedTuple):
    """What a function returned: the numbers, as float64, and the dtype that they had."""

    values: NDArray[np.float64]
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
        msg = f"it returns {_described(result)}, not a number or an array of numbers"
        raise NotALossError(msg)
    return Returned(array.astype(np.float64), array.dtype.name)


def _described(result: Any) -> str:
    if result is None:
        return "None"
    dtype = getattr(result, "dtype", None)
    name = type(result).__name__
    return name if dtype is None or str(dtype) == name else f"{name} of {dtype}"


class NumpyArrays:
    """Hands over NumPy arrays, which most libraries take."""

    words = "NumPy arrays"
    library = ""  # which takes gradients

    def made(self, values: NDArray[Any]) -> Any:
        """Return an array of the function's own, a copy."""
        return np.array(values)

    def numbers(self, array: Any) -> NDArray[Any]:
        """Return what an array holds."""
        return np.asarray(array)

    def gradients(self, function: Callable[..., Any], leaves: list[Any]) -> list[Any] | None:
        """Return the gradients of the sum of what a function returns, for each of its arguments; a gradient is None
        where it does not reach one, and there is no list where it reaches none.
        """
        del function, leaves
        return None


class TorchTensors(NumpyArrays):
    """Hands over tensors; gradients are PyTorch's own."""

    words = "PyTorch tensors"
    library = "PyTorch"

    def made(self, values: NDArray[Any]) -> Any:
        """Return a tensor."""
        import torch

        return torch.from_numpy(np.array(values))

    def numbers(self, array: Any) -> NDArray[Any]:
        """Return what a tensor holds."""
        return np.asarray(array.detach().cpu().numpy())

    def gradients(self, function: Callable[..., Any], leaves: list[Any]) -> list[Any] | None:
        """Return the gradients that the backward pass leaves."""
        import torch

        leaves = [leaf.requires_grad_() for leaf in leaves]
        with torch.enable_grad():
            result = function(*leaves)
            if not getattr(result, "requires_grad", False):
                return None
            return list(torch.autograd.grad(result.sum(), leaves, allow_unused=True))


class JaxArrays(NumpyArrays):
    """Hands over JAX arrays, in the dtype that they are held to; gradients are JAX's own."""

    words = "JAX arrays"
    library = "JAX"

    def __init__(self) -> None:
        self._jax = sys.modules["jax"]
        self._jax.config.update("jax_enable_x64", True)

    def made(self, values: NDArray[Any]) -> Any:
        """Return an array of JAX's."""
        return self._jax.numpy.asarray(np.array(values))

    def gradients(self, function: Callable[..., Any], leaves: list[Any]) -> list[Any] | None:
        """Return the gradients that JAX takes."""
        places = tuple(range(len(leaves)))
        return list(self._jax.grad(lambda *given: function(*given).sum(), argnums=places)(*leaves))


class Numbers(NumpyArrays):
    """Hands over one pair at a time, as floats: for a function of numbers."""

    words = "one pair at a time, as floats"

    def made(self, values: NDArray[Any]) -> Any:
        """Return the number of an array of one."""
        return float(values.item())

    def numbers(self, array: Any) -> NDArray[Any]:
        """Return an array of one."""
        return np.asarray(array)


def ways_to_hand_over(function: Any) -> Iterable[NumpyArrays]:
    """Yield what to hand to a function, in the order in which it should be tried."""
    if "torch" in sys.modules and _names_tensors(function):
        yield from (TorchTensors(), NumpyArrays(), Numbers())
        return
    yield from (NumpyArrays(), Numbers())
    if importlib.util.find_spec("torch") is not None:
        yield TorchTensors()


def better_for(result: Any) -> NumpyArrays | None:
    """Return what to hand over instead, where a function made tensors or JAX arrays of NumPy's; None for nothing."""
    library = type(result).__module__.partition(".")[0]
    if library == "torch":
        return TorchTensors()
    return JaxArrays() if library in ("jax", "jaxlib") and "jax" in sys.modules else None


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
