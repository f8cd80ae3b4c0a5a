"""Write rax_pairwise.json: what RAX gives for the losses that it has, each pair as a list of two.

Run ``python -m tests.golden.make_rax_pairwise`` with rax 0.4.0, in float64. A pair with label 1 is the list of scores
[x1, x2] with the labels [1, 0], one with label -1 has the labels [0, 1]; RAX's loss of the list is then that of its one
pair. The mean squared error is over both orders of the two, whose squares are equal, and so is halved.
"""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rax

from tests.golden.pairs import as_text, pairs

RAX_VERSION = "0.4.0"
TARGET = Path(__file__).with_name("rax_pairwise.json")


def main() -> None:
    assert rax.__version__ == RAX_VERSION, rax.__version__
    jax.config.update("jax_enable_x64", True)
    x1, x2, y = pairs("float64")
    scores = jnp.asarray(np.stack([x1, x2], axis=1))
    labels = jnp.asarray(np.stack([y > 0, y < 0], axis=1).astype("float64"))
    records = []
    for function, loss, margin, parameters, halved in (
        (rax.pairwise_hinge_loss, "margin_ranking", 1.0, {}, 1),
        (rax.pairwise_logistic_loss, "logistic", 0.0, {"temperature": 1.0}, 1),
        (rax.pairwise_soft_zero_one_loss, "soft_zero_one", 0.0, {"temperature": 1.0}, 1),
        (rax.pairwise_mse_loss, "margin_mse", 0.0, {}, 2),
    ):
        losses = np.asarray(function(scores, labels, reduce_fn=None)).sum(axis=1) / halved
        records.append(
            {
                "name": function.__name__,
                "loss": loss,
                "margin": margin,
                "parameters": parameters,
                "dtype": "float64",
                "losses": as_text(losses),
            }
        )
    TARGET.write_text(json.dumps({"rax": RAX_VERSION, "cases": records}, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
