"""Write mrl_cli/verify/conformance.json, which `mrl validate` runs without INPUT, from pytorch_margin_ranking.json.

Run ``python tests/golden/make_conformance.py``; a test compares the two. A vector holds x1, x2, y, the losses and the
gradients for x1 (none, before any reduction), one after the other: little-endian floats of the case's dtype, in base64.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("pytorch_margin_ranking.json")
TARGET = Path(__file__).parents[2] / "mrl_cli" / "verify" / "conformance.json"
KEYS = ("x1", "x2", "y", "none", "x1_grad_none")


def compact(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case as the package keeps it."""
    vectors = [[float.fromhex(v) if isinstance(v, str) else float(v) for v in case[key]] for key in KEYS]
    with np.errstate(over="ignore"):
        data = np.array(vectors, f"<f{np.dtype(case['dtype']).itemsize}").tobytes()
    return {
        "name": case["name"],
        "dtype": case["dtype"],
        "margin": case["margin"],
        "sum": case["sum"],
        "mean": case["mean"],
        "vectors": base64.b64encode(data).decode("ascii"),
    }


def text() -> str:
    """Return the file's content."""
    source = json.loads(SOURCE.read_text(encoding="ascii"))
    lines = ",\n".join(json.dumps(compact(case)) for case in source["cases"])
    return f'{{"torch": {json.dumps(source["torch"])}, "cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="ascii")
    print(f"{TARGET.stat().st_size:,} bytes")
