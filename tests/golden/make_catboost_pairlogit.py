"""Write catboost_pairlogit.json: CatBoost's PairLogit of pairs, the mean logistic loss.

Run ``python -m tests.golden.make_catboost_pairlogit`` with catboost 1.2.10. Each pair is a query of two documents,
with the raw scores x1 and x2; the pair names the winner first.
"""

from __future__ import annotations

import json
from pathlib import Path

import catboost
import numpy as np
from catboost.utils import eval_metric

from tests.golden.pairs import pairs

CATBOOST_VERSION = "1.2.10"
TARGET = Path(__file__).with_name("catboost_pairlogit.json")


def main() -> None:
    assert catboost.__version__ == CATBOOST_VERSION, catboost.__version__
    x1, x2, y = pairs("float64")
    ordinary = np.abs(x1 - x2) < 30  # beyond, exp(score) and with it CatBoost's value overflows
    x1, x2, y = x1[ordinary], x2[ordinary], y[ordinary]
    documents = np.stack([x1, x2], axis=1).reshape(-1)
    order = [(2 * i, 2 * i + 1) if label > 0 else (2 * i + 1, 2 * i) for i, label in enumerate(y)]
    queries = np.repeat(np.arange(y.size), 2)
    (value,) = eval_metric(np.tile([1.0, 0.0], y.size), documents, "PairLogit", group_id=queries, pairs=order)
    record = {"catboost": CATBOOST_VERSION, "largest_difference": 30, "pairs": int(y.size), "mean": value.hex()}
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
