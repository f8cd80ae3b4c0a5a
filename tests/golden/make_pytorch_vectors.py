"""Write pytorch_margin_ranking.json: what PyTorch's margin ranking loss gives, with its gradients, on known inputs.

Run ``python tests/golden/make_pytorch_vectors.py`` with torch 2.13.0. Inputs come from NumPy's PCG64 with one seed, so
a rerun gives the same bytes. Floats are hexadecimal, exact to the last bit, without trailing zeros; integers are
decimal.

The sources of the cases are PyTorch's own tests (common_modules.py, common_methods_invocations.py, test_nn.py); those
under "ours/" are not tested there. Where `scores` names an integer dtype or float16, the vector is PyTorch's for the
same values converted to `dtype` beforehand: that is what must come out, not PyTorch's wrapped or rounded differences.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

SEED = 10
TORCH_VERSION = "2.13.0"
TARGET = Path(__file__).with_name("pytorch_margin_ranking.json")
FLOATS = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8")
OP_INFO_SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (5, 5), (5, 5, 5))

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One call: inputs in the dtypes in which they are given, and the dtype of the arithmetic."""

    name: str
    x1: Array
    x2: Array
    y: Array
    margin: float
    dtype: str

    def record(self) -> dict[str, object]:
        """Return the inputs and what PyTorch makes of them."""
        none, x1_none, x2_none = self._run("none")
        total, _, _ = self._run("sum")
        mean, x1_mean, x2_mean = self._run("mean")
        return {
            "name": self.name,
            "dtype": self.dtype,
            "scores": str(self.x1.dtype),
            "labels": str(self.y.dtype),
            "shape": list(self.x1.shape),
            "margin": as_hex(self.margin),
            "x1": as_text(self.x1),
            "x2": as_text(self.x2),
            "y": as_text(self.y),
            "none": as_text(none),
            "sum": as_hex(total.item()),
            "mean": as_hex(mean.item()),
            "x1_grad_none": as_text(x1_none),
            "x2_grad_none": as_text(x2_none),
            "x1_grad_mean": as_text(x1_mean),
            "x2_grad_mean": as_text(x2_mean),
        }

    def _run(self, reduction: str) -> tuple[Array, Array, Array]:
        x1, x2 = (torch.from_numpy(scores.astype(self.dtype)).requires_grad_() for scores in (self.x1, self.x2))
        # int64 labels stay integers, as in ModuleInfo; narrow ones would wrap when PyTorch negates them.
        labels = self.y if self.x1.dtype.kind == "f" and self.y.dtype == np.int64 else self.y.astype(self.dtype)
        loss = torch.nn.functional.margin_ranking_loss(
            x1, x2, torch.from_numpy(labels), margin=self.margin, reduction=reduction
        )
        x1_grad, x2_grad = torch.autograd.grad(loss.sum(), (x1, x2))
        return loss.detach().numpy(), x1_grad.numpy(), x2_grad.numpy()


def as_hex(number: float) -> str:
    """Return a float as `float.hex` writes it, without trailing zeros; "nan", "inf" or "-inf"."""
    text = float(number).hex()
    if not math.isfinite(number):
        return text
    mantissa, exponent = text.split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def as_text(array: Array) -> list[Any]:
    """Return the values of an array in C order, floats as hexadecimal strings."""
    return [as_hex(value) if isinstance(value, float) else value for value in array.reshape(-1).tolist()]


def module_info(random: np.random.Generator) -> Iterator[Case]:
    """common_modules.py: size 50, targets that are signs of integers, with 0 among them."""
    for dtype in FLOATS:
        for name, margin in (("default", 0.0), ("sum", 0.0), ("mean", 0.0), ("none", 0.0), ("margin", 0.5)):
            x1, x2 = (random.uniform(-9, 9, 50).astype(dtype) for _ in range(2))
            y = np.sign(random.integers(-9, 10, 50))
            y[:3] = (-1, 0, 1)
            yield Case(f"module_info/{name}/{dtype}", x1, x2, y, margin, dtype)


def op_info(random: np.random.Generator) -> Iterator[Case]:
    """common_methods_invocations.py: four shapes, margins 0 and 1, real targets, every dtype."""
    for dtype in FLOATS:
        for shape in OP_INFO_SHAPES:
            for margin in (0.0, 1.0):
                x1, x2, y = (np.asarray(random.uniform(-9, 9, shape)).astype(dtype) for _ in range(3))
                yield Case(f"op_info/{dtype}/{shape}/{margin}", x1, x2, y, margin, dtype)
    for shape in OP_INFO_SHAPES[:3]:
        for margin in (0.0, 1.0):
            x1, x2, y = (np.asarray(random.uniform(-9, 9, shape)).astype(np.float16) for _ in range(3))
            yield Case(f"op_info/float16/{shape}/{margin}", x1, x2, y, margin, "float32")
            x1, x2, y = (bfloat16_values(random, shape) for _ in range(3))
            yield Case(f"op_info/bfloat16/{shape}/{margin}", x1, x2, y, margin, "float32")
    for name in INTEGERS:
        for margin in (0.0, 1.0):
            lowest = 0 if name.startswith("u") else -9
            x1, x2, y = (random.integers(lowest, 10, (5, 5)).astype(name) for _ in range(3))
            yield Case(f"op_info/{name}/{margin}", x1, x2, y, margin, "float64")
    for dtype in FLOATS:
        values = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.5], dtype)
        x1, x2, y = (
            grid.reshape(-1) for grid in np.meshgrid(values, values, np.array([1, -1, 0, math.inf, math.nan], dtype))
        )
        yield Case(f"op_info/not_finite/{dtype}", x1, x2, y, 1.0, dtype)


def bfloat16_values(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return float32 values that bfloat16 holds exactly; NumPy has no such dtype itself."""
    values = torch.from_numpy(np.asarray(random.uniform(-9, 9, shape)).astype(np.float32))
    rounded: Array = values.to(torch.bfloat16).to(torch.float32).numpy()
    return rounded


def pytorch_test_nn(random: np.random.Generator) -> Iterator[Case]:
    """test_nn.py: size 15, scores times 10, targets the signs of normal values, with and without margin."""
    for dtype in FLOATS:
        for margin in (0.0, 0.5):
            x1, x2 = ((10 * random.standard_normal(15)).astype(dtype) for _ in range(2))
            yield Case(
                f"test_nn/{margin}/{dtype}", x1, x2, np.sign(random.standard_normal(15)).astype(dtype), margin, dtype
            )


def founding() -> Iterator[Case]:
    """Three normal pairs of torch.manual_seed(10), the example that this project began with."""
    x1 = np.array([-0.6013928055763245, -1.0122097730636597, -0.30226925015449524], np.float32)
    x2 = np.array([-1.2276864051818848, 0.9198282361030579, -0.34846940636634827], np.float32)
    yield Case("founding", x1, x2, np.array([1, -1, -1], np.float32), 0.0, "float32")


def ours(random: np.random.Generator) -> Iterator[Case]:
    """What PyTorch's own tests leave out."""
    for dtype in FLOATS:
        yield from edges(dtype)
        yield from extremes(dtype)
        x1, x2 = (random.uniform(0, 1, 20).astype(dtype) for _ in range(2))
        yield Case(f"ours/labels_01/{dtype}", x1, x2, random.integers(0, 2, 20), 0.1, dtype)
        for margin in (-0.25, -3.0, math.nan, math.inf, -math.inf):
            x1, x2 = (random.standard_normal(10).astype(dtype) for _ in range(2))
            y = np.sign(random.standard_normal(10)).astype(dtype)
            yield Case(f"ours/margin_{margin}/{dtype}", x1, x2, y, margin, dtype)
    yield from wrapping_integers()


def edges(dtype: str) -> Iterator[Case]:
    """The kink, met exactly; ties; nothing at all."""
    x1 = np.array([0.5, 0.0, 2.0, -1.0, 0.75, 0.25, 1.0, -1.0], dtype)
    x2 = np.array([0.0, 0.5, 1.5, -0.5, 0.0, 0.0, 0.0, 0.0], dtype)
    y = np.array([1, -1, 1, -1, 1, 1, 0.5, -0.5], dtype)
    yield Case(f"ours/kink/{dtype}", x1, x2, y, 0.5, dtype)
    yield Case(f"ours/kink_of_negative_margin/{dtype}", x2, x1, y, -0.5, dtype)
    tied = np.array([1.5, -2.25, 0.0, -0.0, 0.0, -0.0, 0.1, 0.1], dtype)
    also = np.array([1.5, -2.25, -0.0, 0.0, 0.0, -0.0, 0.1, 0.1], dtype)
    for margin in (0.0, 0.5, -0.5):
        y = np.array([1, -1, 1, -1, -1, 1, 0, -0.0], dtype)
        yield Case(f"ours/ties/{margin}/{dtype}", tied, also, y, margin, dtype)
    empty = np.empty(0, dtype)
    yield Case(f"ours/empty/{dtype}", empty, empty, empty, 1.0, dtype)


def extremes(dtype: str) -> Iterator[Case]:
    """Every pair of huge, large, ordinary and subnormal values, with both labels."""
    info = np.finfo(dtype)
    tiny, least, huge = float(info.tiny), float(info.smallest_subnormal), float(info.max)
    values = np.array([huge, -huge, huge / 3, 1e16, -1e16, 1.0, -0.1, tiny, -tiny / 4, 7 * least, -least], dtype)
    x1, x2 = (grid.reshape(-1) for grid in np.meshgrid(values, values))
    y = np.where(np.arange(x1.size) % 2, -1.0, 1.0).astype(dtype)
    for margin in (0.0, 1.0, 3 * least):
        yield Case(f"ours/extremes/{margin}/{dtype}", x1, x2, y, margin, dtype)


def wrapping_integers() -> Iterator[Case]:
    """Values whose difference, negation or label wraps in their own dtype, and must not here."""
    signs = np.array([1, -1, 1, -1], np.int8)
    for name in INTEGERS:
        low, high = np.iinfo(name).min, np.iinfo(name).max
        x1, x2 = np.array([high, high, low, low], name), np.array([low, low, high, high], name)
        yield Case(f"ours/wrap/{name}", x1, x2, signs, 0.5, "float64")
    lowest = np.array([-128, 127, -128, 0], np.int8)
    yield Case(
        "ours/wrap/labels_int8",
        np.array([1, 2, 3, 4], np.int8),
        np.array([2, 1, 4, 3], np.int8),
        lowest,
        0.5,
        "float64",
    )
    byte = np.array([255, 1, 0, 128], np.uint8)
    yield Case(
        "ours/wrap/labels_uint8",
        np.array([0, 1, 3, 4], np.uint8),
        np.array([2, 3, 4, 5], np.uint8),
        byte,
        0.5,
        "float64",
    )


def main() -> None:
    """Write the file."""
    if torch.__version__.split("+")[0] != TORCH_VERSION:
        msg = f"these vectors are those of torch {TORCH_VERSION}, not {torch.__version__}"
        raise SystemExit(msg)
    torch.set_num_threads(1)
    random = np.random.default_rng(SEED)
    cases = [*module_info(random), *op_info(random), *pytorch_test_nn(random), *founding(), *ours(random)]
    lines = ",\n".join(json.dumps(case.record()) for case in cases)
    head = json.dumps({"torch": TORCH_VERSION, "seed": SEED})[1:-1]
    TARGET.write_text(f'{{{head}, "cases": [\n{lines}\n]}}\n', encoding="ascii")
    print(f"{len(cases)} cases, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
