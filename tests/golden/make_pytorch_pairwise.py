"""Write pytorch_pairwise.json: the pairwise losses in PyTorch's own functions, with gradients by autograd.

Run ``python -m tests.golden.make_pytorch_pairwise`` with torch 2.13.0. Where PyTorch has a loss of its own it is used
(soft_margin_loss, binary_cross_entropy_with_logits, mse_loss), else the loss is put together from logsigmoid, sigmoid,
relu and exp, as trainers do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from tests.golden.pairs import as_text, pairs

TORCH_VERSION = "2.13.0"
TARGET = Path(__file__).with_name("pytorch_pairwise.json")

# name, loss, margin, parameters, and the losses of d = x1 - x2 and y
CASES: list[tuple[str, str, float, dict[str, float], Callable[[Any, Any], Any]]] = [
    ("relu", "squared_hinge", 0.5, {}, lambda d, y: F.relu(0.5 - y * d) ** 2),
    (
        "soft_margin_loss",
        "logistic",
        0.0,
        {"temperature": 1.0},
        lambda d, y: F.soft_margin_loss(d, y, reduction="none"),
    ),
    (
        "binary_cross_entropy_with_logits",
        "logistic",
        0.0,
        {"temperature": 1.0},
        lambda d, y: F.binary_cross_entropy_with_logits(d, (y + 1) / 2, reduction="none"),
    ),
    ("logsigmoid", "logistic", 0.25, {"temperature": 2.0}, lambda d, y: -F.logsigmoid(y * d / 2 - 0.25)),
    (
        "logsigmoid",
        "smoothed_bradley_terry",
        0.0,
        {"beta": 0.5, "label_smoothing": 0.25},
        lambda d, y: -0.75 * F.logsigmoid(0.5 * y * d) - 0.25 * F.logsigmoid(-0.5 * y * d),
    ),
    (
        "binary_cross_entropy_with_logits",
        "smoothed_bradley_terry",
        0.0,
        {"beta": 1.0, "label_smoothing": 0.25},
        lambda d, y: F.binary_cross_entropy_with_logits(y * d, torch.full_like(d, 0.75), reduction="none"),
    ),
    (
        "logsigmoid",
        "robust_bradley_terry",
        0.0,
        {"beta": 0.5, "label_smoothing": 0.25},
        lambda d, y: (-0.75 * F.logsigmoid(0.5 * y * d) + 0.25 * F.logsigmoid(-0.5 * y * d)) / (1 - 2 * 0.25),
    ),
    ("square", "ipo", 0.0, {"beta": 0.25}, lambda d, y: (y * d - 1 / (2 * 0.25)) ** 2),
    ("sigmoid", "soft_zero_one", 0.0, {"temperature": 2.0}, lambda d, y: torch.sigmoid(-y * d / 2)),
    ("exp", "exponential", 0.0, {"temperature": 2.0}, lambda d, y: torch.exp(-y * d / 2)),
    ("mse_loss", "margin_mse", 0.0, {}, lambda d, y: F.mse_loss(d, y, reduction="none")),
]


def main() -> None:
    assert torch.__version__.split("+")[0] == TORCH_VERSION, torch.__version__
    records = []
    for dtype in ("float64", "float32"):
        x1, x2, y = pairs(dtype)
        for name, loss, margin, parameters, function in CASES:
            left = torch.from_numpy(x1).clone().requires_grad_()
            losses = function(left - torch.from_numpy(x2), torch.from_numpy(y))
            (gradient,) = torch.autograd.grad(losses.sum(), left)
            records.append(
                {
                    "name": name,
                    "loss": loss,
                    "margin": margin,
                    "parameters": parameters,
                    "dtype": dtype,
                    "losses": as_text(losses.detach().numpy()),
                    "gradient": as_text(gradient.numpy()),
                }
            )
    content = {"torch": TORCH_VERSION, "cases": records}
    TARGET.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
